//! WAV files: what is played, and what was heard (left) and sent (right).

use crate::decode::source::Source;
use crate::dsp::Frame;
use crate::dsp::resample::Resampler;
use crate::error::{Error, Exit, printable};
use hound::{SampleFormat, WavSpec, WavWriter};
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The longest file that is played: an hour.
const LONGEST_S: u64 = 3600;

/// Reads a recording of any rate, width and number of channels as 8 kHz samples.
pub fn read(path: &Path) -> Result<Arc<[i16]>, Error> {
    let shown = printable(&path.to_string_lossy());
    let fail = |why: String| {
        let next = "give a whole WAV file: 8 to 32 bits or float, at most an hour";
        Error::new(Exit::Config, format!("cannot play {shown}"), why, next)
    };
    let file = crate::input::open(path).map_err(|e| fail(e.to_string()))?;
    decode(io::BufReader::new(file)).map_err(fail)
}

/// The WAV stream that a speech program wrote. Its header may lie about the length: it did not know it yet.
pub fn speech(bytes: &[u8]) -> Result<Arc<[i16]>, String> {
    let mut bytes = bytes.to_vec();
    if bytes.len() > 44 && &bytes[36..40] == b"data" {
        let len = u32::try_from(bytes.len() - 44).map_err(|_| "it is too long".to_string())?;
        bytes[40..44].copy_from_slice(&len.to_le_bytes());
        bytes[4..8].copy_from_slice(&(len + 36).to_le_bytes());
    }
    decode(io::Cursor::new(bytes))
}

/// In pieces, as `tipring decode` reads it; the channels are mixed.
fn decode(input: impl io::Read) -> Result<Arc<[i16]>, String> {
    let mut source = Source::open(input).map_err(|e| e.to_string())?;
    let (rate_hz, channels) = (source.format.rate_hz, usize::from(source.format.channels));
    let mut resampler = Resampler::new(rate_hz);
    let (mut frames, mut mono, mut line, mut count) = (Vec::new(), Vec::new(), Vec::new(), 0u64);
    loop {
        let read = source.read(&mut frames).map_err(|e| e.to_string())?;
        if read == 0 {
            break;
        }
        count += read as u64;
        if count / u64::from(rate_hz) > LONGEST_S {
            return Err("it lasts more than an hour".into());
        }
        mono.clear();
        mono.extend(frames.chunks_exact(channels).map(|c| c.iter().sum::<f32>() / channels as f32));
        resampler.feed(&mono, &mut line);
    }
    resampler.finish(&mut line);
    line.truncate(usize::try_from(count * 8000 / u64::from(rate_hz)).unwrap_or(usize::MAX));
    Ok(line.iter().map(|v| (v * 32768.0).clamp(-32768.0, 32767.0) as i16).collect())
}

/// A recording in the making. It is written beside its name and takes the name when it is whole.
pub struct Recording {
    writer: Option<WavWriter<BufWriter<File>>>,
    partial: PathBuf,
    path: PathBuf,
    frames: u64,
}

/// Frames of 20 ms: a second.
const FLUSH_EVERY: u64 = 50;

impl Recording {
    pub fn create(path: &Path) -> Result<Recording, Error> {
        // a recording takes its name at the end: it must never take that of a directory or a device
        if std::fs::metadata(path).is_ok_and(|m| !m.is_file()) {
            let what = format!("cannot record to {}", printable(&path.to_string_lossy()));
            return Err(Error::new(
                Exit::Config,
                what,
                "it is there and is no ordinary file",
                "name a file of its own",
            ));
        }
        // a name of this process, and nobody else's: a link or a pipe that waits under it is not followed
        let mut partial = path.as_os_str().to_owned();
        partial.push(format!(".{}.part", std::process::id()));
        let partial = PathBuf::from(partial);
        let spec = WavSpec { channels: 2, sample_rate: 8000, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let opened = File::options().write(true).create_new(true).open(&partial).map_err(hound::Error::IoError);
        let writer = opened.and_then(|file| WavWriter::new(BufWriter::new(file), spec)).map_err(|e| {
            let shown = printable(&path.to_string_lossy());
            Error::new(
                Exit::Config,
                format!("cannot record to {shown}"),
                e.to_string(),
                "name a file that can be written",
            )
        })?;
        Ok(Recording { writer: Some(writer), partial, path: path.to_path_buf(), frames: 0 })
    }

    /// Heard to the left, sent to the right. When the disk is full the recording ends; the call goes on.
    pub fn write(&mut self, heard: &Frame, sent: &Frame) {
        let Some(writer) = &mut self.writer else { return };
        let pairs = heard.0.iter().zip(&sent.0);
        let mut result = pairs.flat_map(|(h, s)| [*h, *s]).try_for_each(|v| writer.write_sample(v));
        self.frames += 1;
        if result.is_ok() && self.frames.is_multiple_of(FLUSH_EVERY) {
            // with its lengths in the header, so that what a killed process leaves can be played
            result = writer.flush();
        }
        if let Err(e) = result {
            tracing::warn!("recording stopped: {e}");
            self.finish();
        }
    }

    fn finish(&mut self) {
        if let Some(writer) = self.writer.take() {
            let done =
                writer.finalize().map_err(io::Error::other).and_then(|()| std::fs::rename(&self.partial, &self.path));
            if let Err(e) = done {
                tracing::warn!("recording left at {}: {e}", self.partial.display());
            }
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hound::WavReader;

    #[test]
    fn a_recording_has_its_name_only_when_it_is_whole_and_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("call.wav");
        let mut r = Recording::create(&path).unwrap();
        r.write(&Frame([1; 160]), &Frame([2; 160]));
        assert!(!path.exists());
        drop(r);
        let back: Vec<i16> = WavReader::open(&path).unwrap().into_samples().map(Result::unwrap).collect();
        assert_eq!(back.len(), 320);
        assert_eq!(&back[..2], [1, 2]);
    }

    #[test]
    fn a_file_of_another_rate_is_played_at_the_same_pitch_and_length() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cd.wav");
        let spec = WavSpec { channels: 2, sample_rate: 44100, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let mut writer = WavWriter::create(&path, spec).unwrap();
        for n in 0..44100 {
            let v = (f64::from(n) / 44100.0 * 1000.0 * std::f64::consts::TAU).sin() * 16000.0;
            writer.write_sample(v as i16).unwrap();
            writer.write_sample(v as i16).unwrap();
        }
        writer.finalize().unwrap();
        let heard = read(&path).unwrap();
        assert!(heard.len().abs_diff(8000) < 3);
        let crossings = heard.windows(2).filter(|w| w[0] < 0 && w[1] >= 0).count();
        assert!(crossings.abs_diff(1000) <= 2, "{crossings}");
        let peak = heard[1000..7000].iter().map(|v| v.abs()).max().unwrap();
        assert!((15_000..17_000).contains(&peak), "{peak}");
    }

    #[test]
    fn a_recording_never_takes_the_place_of_a_directory_or_a_device() {
        let dir = tempfile::tempdir().unwrap();
        for path in [dir.path(), Path::new("/dev/null")] {
            assert!(Recording::create(path).is_err_and(|e| e.exit == Exit::Config), "{path:?}");
        }
    }

    #[test]
    fn a_damaged_file_is_one_clear_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bad.wav");
        for bytes in [&b"RIFF\0\0"[..], b"", b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0data"]
        {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(read(&path).unwrap_err().exit, Exit::Config);
        }
    }
}
