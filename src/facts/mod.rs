//! Facts about the world: tones, ringing, recall windows, caller ID, dialling of each country, with their sources.
//!
//! The records live in `src/data/countries/*.toml`, are embedded in the binary, and can be overridden by a user's own
//! file. Unknown is absent, never guessed; `Confidence` says how well a thing is known.

mod embedded;
mod error;
mod load;
pub mod notation;
mod schema;
#[cfg(test)]
mod tests;

pub use error::FactsError;
pub use load::Facts;

use crate::event::{CallerIdFormat, ToneKind};
use crate::number::Plus;
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    Low,
    Medium,
    High,
}

/// Where a record comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Provenance {
    pub source: String,
    pub confidence: Confidence,
}

/// Everything known about the exchanges of one country (or of a PBX that the user describes).
#[derive(Clone, Debug, PartialEq)]
pub struct Country {
    /// ISO 3166-1 alpha-2 in small letters, or `itu` for the ITU-T E.180 default.
    pub code: String,
    pub name: String,
    pub tones: Vec<ToneSpec>,
    pub ringing: Ringing,
    /// Windows of the timed break recall (hook flash), the main line's first.
    pub recall: Vec<RecallWindow>,
    pub transfer: TransferManners,
    pub caller_id: Vec<CallerIdSpec>,
    pub dialling: Dialling,
}

impl Country {
    /// The country's tones of one kind, the main one first. Empty where the country has none of its own.
    pub fn tones_of(&self, kind: ToneKind) -> impl Iterator<Item = &ToneSpec> + '_ {
        self.tones.iter().filter(move |t| t.kind == kind)
    }

    pub fn tone(&self, kind: ToneKind) -> Option<&ToneSpec> {
        self.tones_of(kind).next()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct ToneSpec {
    pub kind: ToneKind,
    /// Played once before `steps`.
    pub intro: Vec<ToneStep>,
    pub steps: Vec<ToneStep>,
    /// The steps repeat for ever; else they are played once.
    pub repeats: bool,
    /// Only where a source gives one.
    pub level_dbm0: Option<f32>,
    pub provenance: Provenance,
}

/// One element of a tone's cadence.
#[derive(Clone, Debug, PartialEq)]
pub struct ToneStep {
    pub sound: Sound,
    /// Against the tone's own level: 0, or less where some bursts are meant to be softer than others.
    pub relative_db: f32,
    /// `None`: without end.
    pub lasts: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Sound {
    Silence,
    /// Frequencies sounded together, Hz.
    Sum(Vec<f32>),
    /// A carrier modulated in amplitude.
    Modulated {
        carrier_hz: f32,
        by_hz: f32,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Ringing {
    /// On, off, on, off…
    pub cadence: Vec<Duration>,
    pub provenance: Provenance,
}

/// How long a break of the loop must last to be taken as recall, not as a pulse and not as a hang-up.
#[derive(Clone, Debug, PartialEq)]
pub struct RecallWindow {
    pub exchange: String,
    pub min: Duration,
    pub max: Duration,
    pub typical: Duration,
    pub provenance: Provenance,
}

/// What to do on the line, in order: `R` is a recall (hook flash), digits are dialled after its recall tone, `H` is
/// hanging up.
#[derive(Clone, Debug, PartialEq)]
pub struct TransferManners {
    /// Leave the second leg and go back to the held party: `R` in North America, `R1` in the ETSI set.
    pub back: String,
    /// Connect the two and leave: `H` by hanging up, `R4` by explicit call transfer.
    pub complete: String,
    /// All three together.
    pub conference: Option<String>,
    /// May be completed while the target still rings (cold transfer).
    pub while_ringing: bool,
    pub provenance: Provenance,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CallerIdSpec {
    pub format: CallerIdFormat,
    pub timing: CallerIdTiming,
    pub provenance: Provenance,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallerIdTiming {
    /// In the silence after the first ring.
    AfterFirstRing,
    /// Line reversal, then data, then ringing.
    BeforeRingReversal,
    /// A dual-tone alert (2130 + 2750 Hz), data, ringing.
    BeforeRingDtas,
    /// Line reversal, then the dual-tone alert, data, ringing.
    BeforeRingReversalDtas,
    /// A short pulse of ringing, data, ringing.
    BeforeRingPulse,
    /// Data with no alert before it.
    BeforeRing,
    /// Japan: the set answers, is sent the data, hangs up and is rung.
    OffHookExchange,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Dialling {
    /// Dialled in place of a `+`, to other countries.
    pub international_prefix: Option<String>,
    /// E.164's, without the `+`.
    pub country_code: Option<String>,
    /// Dialled in place of `+` and the country code at home; empty where national numbers are dialled as they are.
    pub national_prefix: Option<String>,
    /// Emergency numbers: they pass every restriction, and are never dialled by a test.
    pub emergency: Vec<String>,
    pub provenance: Provenance,
}

impl Dialling {
    pub fn plus(&self) -> Plus<'_> {
        let home = self.country_code.as_deref().zip(self.national_prefix.as_deref());
        Plus { international_prefix: self.international_prefix.as_deref(), home }
    }
}
