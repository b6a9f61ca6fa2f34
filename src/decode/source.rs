//! Recordings as they come: WAV, AU, or raw samples; from a file or as they are being made.
//!
//! Read in pieces, never whole: a file of ten hours takes no more memory than one of a second. A header is believed only as far
//! as it goes: what it promises and does not keep is an error at the end, after all that was there has been heard.

use super::SourceError;
use crate::dsp::g711::Law;
use std::io::{ErrorKind, Read};

/// How samples are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Unsigned8,
    Signed8,
    /// Bytes a sample, 2 to 4.
    Little(u8),
    Big(u8),
    FloatLittle,
    FloatBig,
    DoubleLittle,
    DoubleBig,
    G711(Law),
}

impl Encoding {
    /// The names that `--raw-format` takes.
    pub const NAMES: [(&'static str, Encoding); 10] = [
        ("s16", Encoding::Little(2)),
        ("s16be", Encoding::Big(2)),
        ("s24", Encoding::Little(3)),
        ("s32", Encoding::Little(4)),
        ("u8", Encoding::Unsigned8),
        ("s8", Encoding::Signed8),
        ("f32", Encoding::FloatLittle),
        ("f64", Encoding::DoubleLittle),
        ("ulaw", Encoding::G711(Law::Mu)),
        ("alaw", Encoding::G711(Law::A)),
    ];

    pub fn named(name: &str) -> Option<Encoding> {
        Self::NAMES.iter().find(|(n, _)| *n == name).map(|(_, e)| *e)
    }

    fn bytes(self) -> usize {
        match self {
            Encoding::Unsigned8 | Encoding::Signed8 | Encoding::G711(_) => 1,
            Encoding::Little(n) | Encoding::Big(n) => usize::from(n),
            Encoding::FloatLittle | Encoding::FloatBig => 4,
            Encoding::DoubleLittle | Encoding::DoubleBig => 8,
        }
    }

    /// Full scale is 1. What is no number is silence.
    fn value(self, bytes: &[u8]) -> f32 {
        let int = |bytes: &mut dyn Iterator<Item = &u8>| {
            // the most significant byte last, shifted up so that the sign is where it belongs
            let raw = bytes.fold(0u32, |v, b| (v >> 8) | u32::from(*b) << 24);
            raw as i32 as f32 / 2_147_483_648.0
        };
        let value = match self {
            Encoding::Unsigned8 => (f32::from(bytes[0]) - 128.0) / 128.0,
            Encoding::Signed8 => f32::from(bytes[0] as i8) / 128.0,
            Encoding::G711(law) => f32::from(law.decode(bytes[0])) / 32_768.0,
            Encoding::Little(_) => int(&mut bytes.iter()),
            Encoding::Big(_) => int(&mut bytes.iter().rev()),
            Encoding::FloatLittle => bytes.try_into().map_or(0.0, f32::from_le_bytes),
            Encoding::FloatBig => bytes.try_into().map_or(0.0, f32::from_be_bytes),
            Encoding::DoubleLittle => bytes.try_into().map_or(0.0, f64::from_le_bytes) as f32,
            Encoding::DoubleBig => bytes.try_into().map_or(0.0, f64::from_be_bytes) as f32,
        };
        if value.is_finite() { value.clamp(-1.0, 1.0) } else { 0.0 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    pub rate_hz: u32,
    pub channels: u16,
    pub encoding: Encoding,
}

impl Format {
    pub const MOST_CHANNELS: u16 = 8;
    pub const RATES_HZ: std::ops::RangeInclusive<u32> = 4000..=192_000;

    fn checked(self) -> Result<Format, SourceError> {
        if !Self::RATES_HZ.contains(&self.rate_hz) {
            return Err(SourceError::Unsupported(format!("{} samples a second", self.rate_hz)));
        }
        if !(1..=Self::MOST_CHANNELS).contains(&self.channels) {
            return Err(SourceError::Unsupported(format!("{} channels", self.channels)));
        }
        Ok(self)
    }

    fn frame_bytes(self) -> usize {
        self.encoding.bytes() * usize::from(self.channels)
    }
}

/// A recording that is being read.
pub struct Source<R> {
    input: R,
    pub format: Format,
    /// Bytes of sound that the header promised and that have not come yet.
    left: Option<u64>,
    promised: Option<u64>,
    buffer: Vec<u8>,
    filled: usize,
}

impl<R: Read> Source<R> {
    /// Finds out what it is.
    pub fn open(mut input: R) -> Result<Source<R>, SourceError> {
        let mut magic = [0u8; 4];
        let n = fill(&mut input, &mut magic)?;
        match &magic[..n] {
            b"" => Err(SourceError::Empty),
            b"RIFF" | b"RF64" => Self::wav(input),
            b".snd" => Self::au(input),
            other => Err(SourceError::NotAudio { known_as: known_as(other) }),
        }
    }

    /// Samples without a header.
    pub fn raw(input: R, format: Format) -> Result<Source<R>, SourceError> {
        Ok(Self::of(input, format.checked()?, None))
    }

    /// Seconds that the header promises.
    pub fn promised_s(&self) -> Option<f64> {
        self.promised.map(|b| b as f64 / self.format.frame_bytes() as f64 / f64::from(self.format.rate_hz))
    }

    /// The next frames, interleaved; nothing at the end. Gives what there is as soon as there is some, so that live sound is
    /// heard live.
    pub fn read(&mut self, out: &mut Vec<f32>) -> Result<usize, SourceError> {
        out.clear();
        let frame = self.format.frame_bytes();
        loop {
            let room = self.buffer.len() - self.filled;
            let wanted = self.left.map_or(room, |left| room.min(usize::try_from(left).unwrap_or(room)));
            let n =
                if wanted == 0 { 0 } else { read_some(&mut self.input, &mut self.buffer[self.filled..][..wanted])? };
            if n == 0 {
                // half a frame at the end is none
                return match self.left {
                    Some(left) if left > 0 => {
                        self.left = Some(0);
                        Err(SourceError::Truncated { promised_s: self.promised_s().unwrap_or(0.0) })
                    }
                    _ => Ok(0),
                };
            }
            self.left = self.left.map(|left| left - n as u64);
            self.filled += n;
            let whole = self.filled / frame * frame;
            if whole > 0 {
                let size = self.format.encoding.bytes();
                out.extend(self.buffer[..whole].chunks_exact(size).map(|b| self.format.encoding.value(b)));
                self.buffer.copy_within(whole..self.filled, 0);
                self.filled -= whole;
                return Ok(whole / frame);
            }
        }
    }

    fn of(input: R, format: Format, data_bytes: Option<u64>) -> Source<R> {
        // a tenth of a second, so that live sound is not waited for
        let buffer = vec![0; format.frame_bytes() * (format.rate_hz as usize / 10).max(1)];
        Source { input, format, left: data_bytes, promised: data_bytes, buffer, filled: 0 }
    }

    fn wav(mut input: R) -> Result<Source<R>, SourceError> {
        let mut head = [0u8; 8];
        exactly(&mut input, &mut head)?;
        if &head[4..] != b"WAVE" {
            return Err(SourceError::NotAudio { known_as: Some("a RIFF file that is no WAV") });
        }
        let mut format = None;
        let mut skipped = 0u64;
        for _ in 0..MOST_CHUNKS {
            let mut chunk = [0u8; 8];
            exactly(&mut input, &mut chunk)?;
            let len = u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]);
            match &chunk[..4] {
                b"fmt " => {
                    if !(16..=4096).contains(&len) {
                        return Err(SourceError::Broken("its format takes no room or too much"));
                    }
                    let mut body = vec![0; len as usize + (len as usize & 1)];
                    exactly(&mut input, &mut body)?;
                    format = Some(wav_format(&body)?);
                }
                b"data" => {
                    let format = format.ok_or(SourceError::Broken("its sound comes before its format"))?;
                    // whoever writes to a pipe does not know how much it will be
                    let known = len != 0 && len < 0x7FFF_F000;
                    return Ok(Self::of(input, format, known.then_some(u64::from(len))));
                }
                _ => {
                    skipped += u64::from(len) + 8;
                    if skipped > MOST_SKIPPED {
                        break;
                    }
                    skip(&mut input, u64::from(len) + u64::from(len & 1))?;
                }
            }
        }
        Err(SourceError::Broken("there is no sound in it"))
    }

    fn au(mut input: R) -> Result<Source<R>, SourceError> {
        let mut head = [0u8; 20];
        exactly(&mut input, &mut head)?;
        let [offset, len, encoding, rate_hz, channels] = std::array::from_fn(|i| {
            u32::from_be_bytes([head[4 * i], head[4 * i + 1], head[4 * i + 2], head[4 * i + 3]])
        });
        let encoding = match encoding {
            1 => Encoding::G711(Law::Mu),
            2 => Encoding::Signed8,
            n @ 3..=5 => Encoding::Big(n as u8 - 1),
            6 => Encoding::FloatBig,
            7 => Encoding::DoubleBig,
            27 => Encoding::G711(Law::A),
            n => return Err(SourceError::Unsupported(format!("encoding {n} of AU"))),
        };
        if offset < 24 || u64::from(offset) > MOST_SKIPPED {
            return Err(SourceError::Broken("its sound begins nowhere"));
        }
        let channels = u16::try_from(channels).unwrap_or(u16::MAX);
        let format = Format { rate_hz, channels, encoding }.checked()?;
        skip(&mut input, u64::from(offset) - 24)?;
        Ok(Self::of(input, format, (len != u32::MAX).then_some(u64::from(len))))
    }
}

/// No recording has more before its sound.
const MOST_CHUNKS: usize = 1000;
const MOST_SKIPPED: u64 = 64 << 20;

fn wav_format(body: &[u8]) -> Result<Format, SourceError> {
    let word = |at: usize| body.get(at..at + 2).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]));
    let (mut tag, channels, bits) = (word(0), word(2), word(14));
    let rate_hz = u32::from(word(4)) | u32::from(word(6)) << 16;
    if tag == 0xFFFE {
        tag = word(24);
    }
    let encoding = match (tag, bits) {
        (1, 8) => Encoding::Unsigned8,
        (1, 16) => Encoding::Little(2),
        (1, 24) => Encoding::Little(3),
        (1, 32) => Encoding::Little(4),
        (3, 32) => Encoding::FloatLittle,
        (3, 64) => Encoding::DoubleLittle,
        (6, 8) => Encoding::G711(Law::A),
        (7, 8) => Encoding::G711(Law::Mu),
        (1 | 3 | 6 | 7, _) => return Err(SourceError::Unsupported(format!("{bits} bits a sample"))),
        _ => return Err(SourceError::Unsupported(format!("compression {tag:#06x} of WAV"))),
    };
    Format { rate_hz, channels, encoding }.checked()
}

/// What people try all the same.
fn known_as(magic: &[u8]) -> Option<&'static str> {
    match magic {
        b"OggS" => Some("an Ogg file"),
        b"fLaC" => Some("a FLAC file"),
        b"ID3\x02" | b"ID3\x03" | b"ID3\x04" | [0xFF, 0xFB | 0xF3 | 0xF2, ..] => Some("an MP3 file"),
        b"FORM" => Some("an AIFF file"),
        [0xD4, 0xC3, 0xB2, 0xA1] | [0xA1, 0xB2, 0xC3, 0xD4] | [0x0A, 0x0D, 0x0D, 0x0A] => Some("a packet capture"),
        _ => None,
    }
}

fn read_some(input: &mut impl Read, buffer: &mut [u8]) -> Result<usize, SourceError> {
    loop {
        match input.read(buffer) {
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            result => return result.map_err(SourceError::Io),
        }
    }
}

fn fill(input: &mut impl Read, buffer: &mut [u8]) -> Result<usize, SourceError> {
    let mut filled = 0;
    while filled < buffer.len() {
        match read_some(input, &mut buffer[filled..])? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}

fn exactly(input: &mut impl Read, buffer: &mut [u8]) -> Result<(), SourceError> {
    if fill(input, buffer)? < buffer.len() { Err(SourceError::Broken("it ends in its header")) } else { Ok(()) }
}

fn skip(input: &mut impl Read, mut len: u64) -> Result<(), SourceError> {
    let mut buffer = [0u8; 4096];
    while len > 0 {
        let n = usize::try_from(len).unwrap_or(usize::MAX).min(buffer.len());
        exactly(input, &mut buffer[..n])?;
        len -= n as u64;
    }
    Ok(())
}
