//! One step of a call as the user is told it: what was done, and what was heard.

use crate::clock::Time;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Seconds since the line was opened.
    #[serde(serialize_with = "as_seconds", deserialize_with = "from_seconds", rename = "t")]
    pub at: Time,
    /// What was done: `flash`, `dial`, `hang-up`, …
    pub step: Cow<'static, str>,
    /// For whom, as the user named them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    /// What was heard after it: the evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<String>,
    /// What followed from that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Cow<'static, str>>,
}

impl Step {
    pub fn new(at: Time, step: &'static str) -> Step {
        Step { at, step: Cow::Borrowed(step), target: None, ms: None, heard: None, result: None }
    }

    pub fn target(mut self, target: impl Into<String>) -> Step {
        self.target = Some(target.into());
        self
    }

    pub fn ms(mut self, ms: u64) -> Step {
        self.ms = Some(ms);
        self
    }

    pub fn heard(mut self, heard: impl Into<String>) -> Step {
        self.heard = Some(heard.into());
        self
    }

    pub fn result(mut self, result: impl Into<Cow<'static, str>>) -> Step {
        self.result = Some(result.into());
        self
    }
}

/// Milliseconds are what the record line shows; more digits would only pretend.
pub fn as_seconds<S: serde::Serializer>(at: &Time, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_f64(at.as_ms() as f64 / 1000.0)
}

fn from_seconds<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Time, D::Error> {
    // a float out of range saturates, NaN becomes zero: what came over a socket cannot panic here
    Ok(Time::ms((f64::deserialize(d)? * 1000.0).round().clamp(0.0, 1e15) as u64))
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.step)?;
        if let Some(t) = &self.target {
            write!(f, " {t}")?;
        }
        if let Some(ms) = self.ms {
            write!(f, " {ms}ms")?;
        }
        if let Some(h) = &self.heard {
            write!(f, " heard {h}")?;
        }
        if let Some(r) = &self.result {
            write!(f, " -> {r}")?;
        }
        Ok(())
    }
}
