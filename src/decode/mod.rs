//! What is on a recording: everything that our detectors hear, with times, levels and how sure we are.
//!
//! ```text
//!  bytes ─▶ source ─▶ resample ─▶ channel ─┬▶ an ear for each country ─▶ tones, digits, fax, speech, silence
//!  (WAV, AU, raw)      (8 kHz)             ├▶ caller ID
//!                                          ├▶ breaks of the loop
//!                                          └▶ tones in nobody's plan, described
//! ```
//!
//! Sans-IO but for the reader: samples in, [`Found`] out. Memory does not grow with the length of a recording.

mod channel;
mod found;
pub mod learn;
pub mod picture;
pub mod source;

pub use channel::{Channel, Listening};
pub use found::{Found, State, sort};

use crate::error::{Error, Exit, printable};
use std::fmt;

/// Why a recording cannot be read, or not to its end.
#[derive(Debug)]
pub enum SourceError {
    Empty,
    NotAudio {
        known_as: Option<&'static str>,
    },
    Unsupported(String),
    Broken(&'static str),
    /// What there was has been heard.
    Truncated {
        promised_s: f64,
    },
    Io(std::io::Error),
}

impl SourceError {
    /// What, why and what to do next.
    pub fn explain(&self, name: &str) -> Error {
        let next = match self {
            SourceError::Empty => "record again: nothing was written",
            SourceError::NotAudio { .. } => {
                "give a WAV or AU file, convert it first (sox IN OUT.wav), or name --raw-format and --rate"
            }
            SourceError::Unsupported(_) => "convert it to 16 bit: sox IN -b 16 OUT.wav",
            SourceError::Broken(_) => {
                "record or copy it again; what is left of the sound can be given with --raw-format"
            }
            SourceError::Truncated { .. } => "what is there has been decoded; copy the file again for the rest",
            SourceError::Io(_) => "look at where it is stored",
        };
        Error::new(Exit::Config, format!("cannot decode {}", printable(name)), self.to_string(), next)
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SourceError::Empty => f.write_str("it is empty"),
            SourceError::NotAudio { known_as: Some(kind) } => write!(f, "it is {kind}, not WAV or AU"),
            SourceError::NotAudio { known_as: None } => f.write_str("it is neither WAV nor AU"),
            SourceError::Unsupported(what) => write!(f, "it has {what}, which is not supported"),
            SourceError::Broken(why) => f.write_str(why),
            SourceError::Truncated { promised_s } => {
                write!(f, "it ends before the {promised_s:.1} s that its header promises")
            }
            SourceError::Io(e) => e.fmt(f),
        }
    }
}
