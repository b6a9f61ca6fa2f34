//! Who is where: the ground truth that tests ask for.
//!
//! *Lost* is the word that matters: a party that was dropped though it did not hang up, and though nobody meant to end
//! its call: while on hold, or by a hand-over that failed, or by a hook flash that the exchange took for a hang-up.

use crate::event::ToneKind;
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Was never in a call.
    Idle,
    /// Its telephone rings.
    Ringing,
    /// Calls somebody and hears ringback.
    Calling,
    Hears(ToneKind),
    Talking(With),
    OnHold,
    /// Ended its last call itself.
    HungUp,
    /// The other side ended its last call while they talked: an ordinary end.
    Released,
    Lost(Loss),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum With {
    Us,
    /// The party of this number.
    Party(String),
    /// Us and the party of this number.
    Both(String),
}

/// How a party was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// We hung up while it was on hold, and there was nobody to connect it to.
    OnHold,
    /// We hung up, and on this line that ends the three-way call for everybody.
    ThreeWayDied,
    /// A break of the loop that we closed again was long enough for a hang-up.
    BreakTakenForHangUp,
    /// It was handed on, the target did not take it, and nobody answered when it was brought back.
    NotTakenBack,
}

impl Condition {
    pub fn is_free(&self) -> bool {
        matches!(self, Condition::Idle | Condition::HungUp | Condition::Released | Condition::Lost(_))
    }

    pub fn is_lost(&self) -> bool {
        matches!(self, Condition::Lost(_))
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Loss::OnHold => "dropped while on hold",
            Loss::ThreeWayDied => "the three-way call died",
            Loss::BreakTakenForHangUp => "a break was taken for a hang-up",
            Loss::NotTakenBack => "handed on, and not taken back",
        })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::Idle => f.write_str("idle"),
            Condition::Ringing => f.write_str("ringing"),
            Condition::Calling => f.write_str("calling"),
            Condition::Hears(tone) => write!(f, "hears {tone}"),
            Condition::Talking(With::Us) => f.write_str("talking with us"),
            Condition::Talking(With::Party(n)) => write!(f, "talking with {n}"),
            Condition::Talking(With::Both(n)) => write!(f, "in conference with us and {n}"),
            Condition::OnHold => f.write_str("on hold"),
            Condition::HungUp => f.write_str("hung up"),
            Condition::Released => f.write_str("released"),
            Condition::Lost(how) => write!(f, "lost: {how}"),
        }
    }
}

/// Every party and its condition, those who call us first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Census(pub Vec<(String, Condition)>);

impl Census {
    pub fn of(&self, number: &str) -> Option<&Condition> {
        self.0.iter().find(|(n, _)| n == number).map(|(_, c)| c)
    }

    pub fn lost(&self) -> Vec<&str> {
        self.0.iter().filter(|(_, c)| c.is_lost()).map(|(n, _)| n.as_str()).collect()
    }
}

/// Everybody who is or was in a call, one a line.
impl fmt::Display for Census {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, condition) in self.0.iter().filter(|(_, c)| *c != Condition::Idle) {
            writeln!(f, "{number}: {condition}")?;
        }
        Ok(())
    }
}
