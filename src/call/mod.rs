//! Decisions: what is done with a line, from what is heard on it. Sans-IO.
//!
//! ```text
//!             ┌────────────┐  answered   ┌─────────┐  transfer   ┌──────────────┐ completed
//!   dial ───▶ │ Originate  │ ──────────▶ │         │ ──────────▶ │   Transfer   │ ──────────▶ over
//!             └────────────┘             │  Talk   │             │ (see there)  │
//!             ┌────────────┐  off-hook   │         │ ◀────────── │              │
//! answer ───▶ │  Receive   │ ──────────▶ │         │ caller back └──────────────┘
//!             └────────────┘             └─────────┘
//!                                                        no flash, or three-way dies │ ▲ the caller never left
//!                                                                                    ▼ │
//!                                                                                 Bridge: over a second line
//!    each box ends in an [`Ending`]; whatever happens, the last action is on-hook
//! ```
//!
//! Every machine here has the same four verbs: `handle` (one thing happened), `handle_timeout` (woken), `poll_timeout`
//! (wake me then), `poll_output` (drain to `None`).

pub mod bridge;
pub mod originate;
pub mod progress;
pub mod receive;
pub mod release;
pub mod session;
pub mod step;
pub mod talk;
pub mod transfer;
#[cfg(test)]
mod transfer_tests;

pub use release::{Ending, Evidence};
pub use session::{Answering, Begin, Call, CallOutput, Dialling, Plan, Reply, Request, Second, Stage};
pub use step::Step;

use crate::event::{Absent, Action, CallerId, Event, ToneKind};
use crate::facts::{CallerIdTiming, Country, RecallWindow, Sound, ToneSpec};
use crate::number::DialString;
use std::collections::VecDeque;
use std::time::Duration;

/// What a machine says: something to do, something to tell, or that it is through.
#[derive(Clone, Debug, PartialEq)]
pub enum Output<D> {
    Do(Action),
    Step(Step),
    Done(D),
}

/// A queue of outputs with short words for the three kinds.
#[derive(Clone, Debug)]
struct Outbox<D>(VecDeque<Output<D>>);

impl<D> Default for Outbox<D> {
    fn default() -> Self {
        Outbox(VecDeque::new())
    }
}

impl<D> Outbox<D> {
    fn act(&mut self, action: Action) {
        self.0.push_back(Output::Do(action));
    }

    fn tell(&mut self, step: Step) {
        self.0.push_back(Output::Step(step));
    }

    fn done(&mut self, result: D) {
        self.0.push_back(Output::Done(result));
    }

    fn pop(&mut self) -> Option<Output<D>> {
        self.0.pop_front()
    }
}

/// Whom to reach: a number, and the name it goes by in `[contacts]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    pub name: Option<String>,
    pub number: DialString,
}

/// How the exchange behind this line wants to be treated: the country's facts, or the user's own for one line.
#[derive(Clone, Debug, PartialEq)]
pub struct Manners {
    /// Flash widths to try, the best first: all inside the exchange's window.
    pub flash_widths: Vec<Duration>,
    /// How to go back to the held party: `R` alone or with a digit (`R1`).
    pub back: String,
    /// How to connect the two and leave: `H` (hang up) or `R4`.
    pub complete: Completion,
    /// `complete` is what the user says of this line, and not only what is known of its country's exchanges.
    pub complete_is_known: bool,
    /// How all three come together: `R` or with a digit (`R3`).
    pub join: Option<String>,
    /// May the transfer be completed while the target rings?
    pub while_ringing: bool,
    /// Longest wait for dial tone after going off-hook.
    pub dial_tone_wait: Duration,
    /// Longest wait for the recall tone after a flash.
    pub recall_tone_wait: Duration,
    /// How long we watch for recall ringing after leaving.
    pub recall_ring_watch: Duration,
    pub dial_method: crate::event::DialMethod,
    /// The longest silence in the country's ringback: no burst for longer means it has stopped.
    pub ringback_gap: Duration,
    /// From the end of its burst to the end of the next one.
    pub ringback_period: Duration,
    /// How long the slowest of its busy and reorder tones takes to be recognised: two periods and a margin.
    pub slowest_refusal: Duration,
    /// The longest silence in its ringing current.
    pub ringing_gap: Duration,
    /// Caller ID comes after the first ring, so answering on the first loses it.
    pub caller_id_after_first_ring: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion {
    HangUp,
    /// A recall followed by these digits.
    Recall(DialString),
    /// This line's three-way call ends with our hang-up: we stay in it, and hang up when the others have.
    Stay,
    /// The same, and we are not to stay either: such a transfer is refused.
    Never,
}

impl Manners {
    /// What the port itself knows of its exchange; the user's word stands over it.
    pub fn learn(&mut self, hang_up_connects: Option<bool>) {
        if let (Completion::HangUp, false, Some(connects)) = (&self.complete, self.complete_is_known, hang_up_connects)
        {
            self.complete_is_known = true;
            self.complete = if connects { Completion::HangUp } else { Completion::Never };
        }
    }

    /// What the country's facts say of its exchanges.
    pub fn of(country: &Country) -> Manners {
        let window = country.recall.first();
        let flash_widths = window.map_or_else(|| vec![Duration::from_millis(500)], widths_in);
        let gap = |tone: Option<&ToneSpec>| {
            let silences = tone.into_iter().flat_map(|t| &t.steps).filter(|s| s.sound == Sound::Silence);
            silences.filter_map(|s| s.lasts).max().unwrap_or(Duration::from_secs(4))
        };
        let offs = country.ringing.cadence.iter().skip(1).step_by(2);
        let manners = &country.transfer;
        let complete = match manners.complete.trim() {
            "H" => Completion::HangUp,
            code => match code.trim_start_matches('R').trim().parse::<DialString>() {
                Ok(digits) => Completion::Recall(digits),
                Err(_) => Completion::Never,
            },
        };
        Manners {
            flash_widths,
            back: manners.back.clone(),
            complete,
            complete_is_known: false,
            join: manners.conference.clone(),
            while_ringing: manners.while_ringing,
            dial_tone_wait: Duration::from_secs(5),
            recall_tone_wait: Duration::from_secs(4),
            recall_ring_watch: Duration::from_secs(6),
            dial_method: Default::default(),
            ringback_gap: gap(country.tone(ToneKind::Ringback)),
            ringback_period: country.tone(ToneKind::Ringback).map_or(Duration::from_secs(6), period),
            slowest_refusal: slowest_refusal(country),
            ringing_gap: offs.max().copied().unwrap_or(Duration::from_secs(4)),
            caller_id_after_first_ring: country
                .caller_id
                .first()
                .is_some_and(|c| c.timing == CallerIdTiming::AfterFirstRing),
        }
    }
}

/// From one burst, or group of bursts, to the next.
fn period(tone: &ToneSpec) -> Duration {
    tone.steps.iter().filter_map(|s| s.lasts).sum()
}

fn slowest_refusal(country: &Country) -> Duration {
    let refusals = [ToneKind::Busy, ToneKind::Congestion, ToneKind::NumberUnobtainable];
    let slowest = refusals.iter().flat_map(|kind| country.tones_of(*kind)).map(period).max().unwrap_or_default();
    // tone lists know reorder cadences of many seconds; nobody's answer may wait for those
    (slowest * 2 + Duration::from_millis(700)).clamp(Duration::from_millis(2500), Duration::from_millis(5000))
}

/// Three widths inside the window: the usual one, then half way to each edge. Never below 80 ms: a break of 60 to 70 ms
/// is the decadic digit 1 everywhere.
fn widths_in(window: &RecallWindow) -> Vec<Duration> {
    let floor = Duration::from_millis(80).min(window.typical);
    let mut widths = vec![window.typical];
    for edge in [window.max, window.min] {
        let width = ((window.typical + edge) / 2).max(floor);
        if !widths.contains(&width) {
            widths.push(width);
        }
    }
    widths
}

/// In which an announcement that is being given has come to the tones before its next round: those are a second, the words
/// mostly below eight, the pause one or two.
pub(crate) const ANNOUNCED_AGAIN: Duration = Duration::from_secs(12);

/// Exchanges open the loop for 250 ms or more as a rule when the far side hangs up; a shorter loss may be a loose contact.
const SURE_DISCONNECT: Duration = Duration::from_millis(250);

/// The line itself ends the call: how, and what it said.
fn line_gone(event: &Event) -> Option<(Ending, String)> {
    match event {
        Event::DeviceRemoved => Some((Ending::DeviceRemoved, "device removed".into())),
        Event::LineLost => Some((Ending::LineLost, "battery lost".into())),
        Event::Alarm(alarm) => Some((Ending::LineLost, format!("alarm {alarm:?}").to_lowercase())),
        _ => None,
    }
}

/// How a target is shown in steps and answers: its name when it has one, else its number. Steps are the user's own
/// answer; logs use `Display` of the number, which masks.
fn shown(target: &Target) -> String {
    target.name.clone().unwrap_or_else(|| target.number.reveal())
}

/// `caller ID 5551234 "ALICE EXAMPLE"`, for steps and `watch`.
pub fn describe_caller(id: &CallerId) -> String {
    let mut text = match (&id.number, id.absent) {
        (Some(n), _) => format!("caller ID {}", n.reveal()),
        (None, Some(Absent::Private)) => "caller ID withheld".to_string(),
        (None, _) => "caller ID without a number".to_string(),
    };
    if let Some(name) = &id.name {
        text.push_str(&format!(" \"{name}\""));
    }
    text
}
