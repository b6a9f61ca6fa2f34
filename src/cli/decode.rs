//! `tipring decode`: what is on a recording.

use super::Global;
use crate::clock::SAMPLE_RATE_HZ;
use crate::decode::source::{Encoding, Format, Source};
use crate::decode::{Channel, Found, Listening, SourceError, learn, picture, sort};
use crate::dsp::resample::Resampler;
use crate::error::{Error, Exit, printable};
use crate::facts::Facts;
use crate::input;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

/// What is on a recording: digits, tones, caller ID, fax, speech, hook flashes
///
/// Tells digits (dtmf), call-progress tones (tone, unknown-tone, other-tone, beep), caller ID with call waiting and its alert
/// (caller-id, alert, message-waiting), faxes and modems (fax cng, ced, ans-reversals, ansam, ansam-reversals, v21-preamble),
/// speech, silence, and breaks of the loop (flash, pulse); at the end the noise of each channel in its pauses (dBrnC0, dBm0p).
/// A digit with which a telephone answers the alert of a waiting call says so.
///
/// Reads WAV (8 to 32 bit, float, A-law, u-law, any rate), AU, or raw samples; `-` is standard input, which is decoded as it
/// comes. The channels of a recording are its directions. One line for each thing that was found; with --json JSON Lines,
/// each with time and length in seconds, channel, level in dBm0 and a confidence from 0 to 1. Numbers are shown as they are.
#[derive(Args, Debug)]
pub struct Decode {
    /// The recording, or - for standard input
    pub file: PathBuf,
    /// The country whose tones to expect: us, gb, de, ... (all of them when not given)
    #[arg(long, value_name = "CC", conflicts_with = "all", value_parser = super::suggest::countries(), hide_possible_values = true)]
    pub country: Option<String>,
    /// Name each tone in every country's plan
    #[arg(long)]
    pub all: bool,
    /// The samples have no header: s16, s16be, s24, s32, u8, s8, f32, f64, ulaw or alaw
    #[arg(long, value_name = "FORMAT", value_parser = encoding)]
    pub raw_format: Option<Encoding>,
    /// Samples a second of a recording without a header
    #[arg(long, value_name = "HZ", default_value_t = SAMPLE_RATE_HZ, requires = "raw_format")]
    pub rate: u32,
    /// Channels of a recording without a header
    #[arg(long, value_name = "N", default_value_t = 1, requires = "raw_format")]
    pub channels: u16,
    /// Draw waveform, spectrogram and what was found where
    #[arg(long, value_name = "PNG")]
    pub plot: Option<PathBuf>,
    /// Write tones that are in no plan as records for a facts file
    #[arg(long, value_name = "TOML")]
    pub learn: Option<PathBuf>,
}

fn encoding(name: &str) -> Result<Encoding, String> {
    Encoding::named(name).ok_or_else(|| {
        let names: Vec<&str> = Encoding::NAMES.iter().map(|(n, _)| *n).collect();
        format!("one of {}", names.join(", "))
    })
}

/// So many are kept to be sorted; a recording that has more is told in pieces.
const MOST_KEPT: usize = 100_000;

impl Decode {
    pub fn run(self, global: &Global) -> Result<Exit, Error> {
        let config = global.load_config()?;
        let facts = super::open::facts(&config)?;
        let name = self.file.to_string_lossy().into_owned();
        if global.dry_run {
            let mut steps = vec![format!("decode {}", printable(&name))];
            let files = [&self.plot, &self.learn].into_iter().flatten();
            steps.extend(files.map(|file| format!("write {}", printable(&file.to_string_lossy()))));
            return super::plan::show_steps(global, steps);
        }
        if self.file.as_os_str() == "-" {
            let stdin = io::stdin().lock();
            return self.decode(global, facts, stdin, "standard input", true, None);
        }
        let fail = |e: io::Error| {
            let next = "give an ordinary file; a pipe can be read as -";
            Error::new(Exit::Config, format!("cannot decode {}", printable(&name)), e.to_string(), next)
        };
        let file = input::open(&self.file).map_err(fail)?;
        let size = file.metadata().map_err(fail)?.len();
        self.decode(global, facts, BufReader::new(file), &name, false, Some(size))
    }

    fn decode(
        &self,
        global: &Global,
        facts: &Facts,
        input: impl Read,
        name: &str,
        live: bool,
        size: Option<u64>,
    ) -> Result<Exit, Error> {
        let explain = |e: SourceError| e.explain(name);
        let mut source = match self.raw_format {
            Some(encoding) => {
                let format = Format { rate_hz: self.rate, channels: self.channels, encoding };
                if size == Some(0) {
                    return Err(explain(SourceError::Empty));
                }
                Source::raw(input, format)
            }
            None => Source::open(input),
        }
        .map_err(explain)?;
        let listening = Listening { countries: self.countries(facts)?, live };
        let channels = usize::from(source.format.channels);
        let mut sides: Vec<Side> = (0..channels).map(|n| Side::new(n, &listening, source.format.rate_hz)).collect();
        let mut strips: Vec<picture::Strip> =
            if self.plot.is_some() { sides.iter().map(|_| picture::Strip::new()).collect() } else { Vec::new() };
        let bar = bar(global, live, source.promised_s());
        let mut teller = Teller {
            global,
            channels,
            live,
            found: Vec::new(),
            kept: Vec::new(),
            keep: self.plot.is_some() || self.learn.is_some(),
            alert_over_s: None,
        };
        let mut frames = Vec::new();
        let interrupted = super::hold_line::interrupted();
        let ended = loop {
            match source.read(&mut frames) {
                Ok(0) => break Ok(()),
                Ok(_) => {}
                Err(e) => break Err(e),
            }
            for (n, side) in sides.iter_mut().enumerate() {
                side.feed(frames.iter().skip(n).step_by(channels), &mut teller.found);
                if let Some(strip) = strips.get_mut(n) {
                    strip.feed(&side.samples);
                }
            }
            bar.set_position((sides[0].channel.now_s() * 1000.0) as u64);
            teller.tell(false)?;
            if interrupted() || global.timeout.is_some_and(|t| live && sides[0].channel.now_s() >= t.as_secs_f64()) {
                break Ok(());
            }
        };
        for (n, side) in sides.iter_mut().enumerate() {
            side.finish(&mut teller.found);
            if let Some(strip) = strips.get_mut(n) {
                strip.feed(&side.samples);
            }
        }
        bar.finish_and_clear();
        teller.tell(true)?;
        self.write_files(global, &strips, &teller.kept, name)?;
        match ended {
            Ok(()) if interrupted() => Ok(Exit::Interrupted),
            Ok(()) => Ok(Exit::Done),
            Err(e) => Err(explain(e)),
        }
    }

    fn countries<'a>(&self, facts: &'a Facts) -> Result<Vec<&'a crate::facts::Country>, Error> {
        match &self.country {
            None => Ok(facts.codes().filter_map(|code| facts.country(code)).collect()),
            Some(code) => {
                let country = facts.country(&code.to_ascii_lowercase()).ok_or_else(|| {
                    let known: Vec<&str> = facts.codes().collect();
                    let why = format!("no facts about the country {}", printable(code));
                    Error::new(Exit::Usage, "cannot decode", why, format!("one of {}", known.join(" ")))
                })?;
                Ok(vec![country])
            }
        }
    }

    fn write_files(
        &self,
        global: &Global,
        strips: &[picture::Strip],
        found: &[Found],
        name: &str,
    ) -> Result<(), Error> {
        if let Some(path) = &self.plot {
            let mut bytes = Vec::new();
            let failed = |e: String| cannot_write(path, e);
            picture::write(strips, found, &mut bytes).map_err(|e| failed(e.to_string()))?;
            write_file(path, &bytes)?;
        }
        if let Some(path) = &self.learn {
            let country = self.country.as_deref().unwrap_or("xx").to_ascii_lowercase();
            match learn::record(found, &country, name) {
                Some(text) => write_file(path, text.as_bytes())?,
                None if !global.quiet => {
                    let _ = writeln!(io::stderr(), "nothing to learn: no regular tone that is in no plan");
                }
                None => {}
            }
        }
        Ok(())
    }
}

/// One channel on its way from the recording's rate to ours.
struct Side {
    resampler: Resampler,
    channel: Channel,
    one: Vec<f32>,
    line: Vec<f32>,
    /// The last piece at 8 kHz.
    samples: Vec<i16>,
}

impl Side {
    fn new(number: usize, listening: &Listening<'_>, rate_hz: u32) -> Side {
        Side {
            resampler: Resampler::new(rate_hz),
            channel: Channel::new(number, listening),
            one: Vec::new(),
            line: Vec::new(),
            samples: Vec::new(),
        }
    }

    fn feed<'a>(&mut self, values: impl Iterator<Item = &'a f32>, out: &mut Vec<Found>) {
        self.one.clear();
        self.one.extend(values);
        self.line.clear();
        self.resampler.feed(&self.one, &mut self.line);
        self.listen(out);
    }

    fn finish(&mut self, out: &mut Vec<Found>) {
        self.line.clear();
        self.resampler.finish(&mut self.line);
        self.listen(out);
        self.channel.finish(out);
    }

    fn listen(&mut self, out: &mut Vec<Found>) {
        self.samples.clear();
        self.samples.extend(self.line.iter().map(|v| (v * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16));
        self.channel.feed(&self.samples, out);
    }
}

/// Live: at once. From a file: in order, at the end.
struct Teller<'a> {
    global: &'a Global,
    channels: usize,
    live: bool,
    found: Vec<Found>,
    kept: Vec<Found>,
    keep: bool,
    /// When the last alert in a call was over.
    alert_over_s: Option<f64>,
}

impl Teller<'_> {
    fn tell(&mut self, all: bool) -> Result<(), Error> {
        if !(all || self.live || self.found.len() >= MOST_KEPT) {
            return Ok(());
        }
        sort(&mut self.found);
        for mut found in self.found.drain(..) {
            // on either side: where two directions were recorded, one has the alert and the other what the telephone says to it
            match self.alert_over_s {
                _ if found.event == "alert" && found.value == "cas" => self.alert_over_s = Some(found.end()),
                Some(at) => found.acknowledging(at),
                None => {}
            }
            let line = found.line(self.channels);
            // what comes as it is recorded would go on for ever, unread
            super::told(self.global.style().stream(&found.json(), &line)).map_err(|mut e| {
                if e.exit == Exit::Interrupted {
                    e.next = "read on to the end of the recording".into();
                }
                e
            })?;
            if self.keep && self.kept.len() < MOST_KEPT && found.state == crate::decode::State::Whole {
                self.kept.push(found);
            }
        }
        Ok(())
    }
}

fn bar(global: &Global, live: bool, seconds: Option<f64>) -> ProgressBar {
    let Some(seconds) = bar_for(global.style().wants_progress(), live, seconds) else {
        return ProgressBar::hidden();
    };
    let bar = ProgressBar::new((seconds * 1000.0) as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent}% {eta}") {
        bar.set_style(style);
    }
    bar
}

/// Only for people, and only for files that say how long they are, if that is more than a minute.
fn bar_for(wanted: bool, live: bool, seconds: Option<f64>) -> Option<f64> {
    seconds.filter(|s| *s > 60.0 && s.is_finite() && wanted && !live)
}

fn cannot_write(path: &Path, why: String) -> Error {
    let what = format!("cannot write {}", printable(&path.to_string_lossy()));
    Error::new(Exit::Config, what, why, "name a file that can be written")
}

/// Whole or not at all.
fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    if std::fs::metadata(path).is_ok_and(|m| !m.is_file()) {
        return Err(cannot_write(path, "it is there and is no ordinary file".into()));
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(".part");
    std::fs::write(&partial, bytes)
        .and_then(|()| std::fs::rename(&partial, path))
        .map_err(|e| cannot_write(path, e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_shown_of_long_files_and_to_people_only() {
        assert_eq!(bar_for(true, false, Some(61.0)), Some(61.0));
        assert_eq!(bar_for(true, false, Some(60.0)), None, "short");
        assert_eq!(bar_for(true, false, None), None, "a header that promises nothing");
        assert_eq!(bar_for(true, true, Some(3600.0)), None, "standard input");
        assert_eq!(bar_for(false, false, Some(3600.0)), None, "no terminal, --quiet, --json");
        assert_eq!(bar_for(true, false, Some(f64::INFINITY)), None);
    }
}
