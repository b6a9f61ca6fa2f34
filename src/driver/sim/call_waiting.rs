//! A second call while we talk: the tone, who it is, and taking it (GR-571, GR-30 off-hook; EN 300 659-2).
//!
//! ```text
//!  exchange   ▇▇▇ tone   ♫ alert              ▒▒▒▒ FSK      ▇▇▇ tone again, by the country's cadence
//!             300 ms     80 ms                no seizure
//!  telephone                    D, 60 ms
//!                         ◀160 ms▶ at most     between alert and data nobody else is heard
//!
//!  taken by   flash: the two change places by every further flash      (North America)
//!             R2: hold and take · R1: release and take · R0: refuse     (ETSI)
//!             hanging up: it rings
//! ```
//!
//! A telephone that does not answer the alert gets no data, and the call goes on after it.

use super::census::Condition;
use super::exchange::{Exchange, Leg, Progress, Service, Timer};
use super::programme::{TONE_DBM0, tone_spec};
use super::ringing::{ALERT_DBM0, lasts};
use crate::clock::Time;
use crate::dsp::caller_id::Alert;
use crate::dsp::dtmf::Receiver;
use crate::dsp::tone::ToneGenerator;
use crate::dsp::{FRAME_SAMPLES, Source, render};
use crate::event::{CallerIdFormat, Heard, ToneKind};
use std::time::Duration;

/// How long the telephone has to begin its answer, with a frame for either way of the audio.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_millis(160 + 40);
/// How long a receiver may take to be sure of that digit, the digit itself included.
const HEARD_WITHIN: Duration = Duration::from_millis(360);
/// Between the digit and the data.
const BEFORE_DATA: Duration = Duration::from_millis(60);
/// Of the burst for an on-hook telephone, 300 bits of seizure and 100 of 180 marks are left out: at 1200 bit/s.
const ON_HOOK_ONLY: usize = 400 * 20 / 3;
/// For a tone whose burst has no end of its own.
const BURST: Duration = Duration::from_millis(300);
/// From our hanging up to the ring.
const RINGS_AFTER: Duration = Duration::from_millis(1500);

/// Somebody waits.
pub(super) struct Waiting {
    pub party: usize,
    tone: Option<ToneGenerator>,
    step: Step,
    until: Time,
    sound: Vec<i16>,
    at: usize,
    data: Vec<i16>,
    by: &'static str,
}

enum Step {
    /// Until the first burst of the tone is over.
    Burst,
    Alert,
    /// Since when: the end of the alert.
    Acknowledgement(Time, Box<Receiver>),
    Acknowledged,
    Data,
    Told,
}

impl Waiting {
    /// Whether the line belongs to alert and data, and the parties are not heard.
    pub fn mutes(&self) -> bool {
        !matches!(self.step, Step::Burst | Step::Told)
    }

    pub fn speak(&mut self, said: &mut [i16; FRAME_SAMPLES]) {
        let rest = &self.sound[self.at..];
        said.iter_mut().zip(rest).for_each(|(s, r)| *s = s.saturating_add(*r));
        self.at += rest.len().min(FRAME_SAMPLES);
        if self.mutes() {
            // the tone's own time runs on
            self.tone.as_mut().map(|t| t.add_to(&mut [0; FRAME_SAMPLES]));
        } else if self.tone.as_mut().is_some_and(|t| !t.add_to(said)) {
            self.tone = None;
        }
    }

    fn say(&mut self, now: Time, sound: Vec<i16>) {
        self.until = now + lasts(&sound);
        (self.sound, self.at) = (sound, 0);
    }

    /// What happens next, if it is time; and what the trace says of it.
    fn advance(&mut self, now: Time, heard: &[i16; FRAME_SAMPLES]) -> Option<String> {
        if let Step::Acknowledgement(since, receiver) = &mut self.step {
            let mut out = Vec::new();
            receiver.feed(heard, &mut out);
            let in_time = *since + ACKNOWLEDGED_WITHIN;
            let answer = out.into_iter().find_map(|h| match h {
                Heard::Digit { digit, since, .. } if matches!(digit.as_char(), 'A' | 'D') && since <= in_time => {
                    Some(digit)
                }
                _ => None,
            });
            if let Some(digit) = answer {
                self.step = Step::Acknowledged;
                self.until = now + BEFORE_DATA;
                return Some(format!("hears acknowledgement {digit}"));
            }
        }
        if now < self.until {
            return None;
        }
        self.until = Time::NEVER;
        match self.step {
            Step::Burst if self.data.is_empty() => {
                self.step = Step::Told;
                None
            }
            Step::Burst => {
                self.step = Step::Alert;
                self.say(now, render(&mut Alert::off_hook(ALERT_DBM0), 8000));
                Some("sends alert for caller-id".into())
            }
            Step::Alert => {
                self.step = Step::Acknowledgement(now, Box::new(Receiver::new(now)));
                self.until = now + HEARD_WITHIN;
                None
            }
            Step::Acknowledgement(..) => {
                self.step = Step::Told;
                Some("hears no acknowledgement".into())
            }
            Step::Acknowledged => {
                self.step = Step::Data;
                let data = std::mem::take(&mut self.data);
                self.say(now, data);
                Some(format!("sends {}", self.by))
            }
            Step::Data | Step::Told => {
                self.step = Step::Told;
                None
            }
        }
    }
}

impl Exchange {
    /// A caller finds us talking: may it wait?
    pub(super) fn may_wait(&self) -> bool {
        self.class.call_waiting
            && self.service == Service::OffHook
            && self.waiting.is_none()
            && self.held.is_none()
            && self.register.is_none()
            && !self.timers.is_armed(Timer::RecallTone)
            && self.active.is_some_and(|l| l.progress == Progress::Answered)
    }

    pub(super) fn waits(&mut self, now: Time, p: usize) {
        self.told_of(now, p, "waits");
        self.sets[p].condition = Condition::Calling;
        self.sets[p].gives_up = now + self.rings(self.sets[p].party.rings_us);
        let spec = tone_spec(&self.country, ToneKind::CallWaiting);
        let first = spec.and_then(|t| t.intro.iter().chain(&t.steps).next()).and_then(|s| s.lasts);
        let tone = spec.map(|t| ToneGenerator::new(t, TONE_DBM0));
        let id = self.identity(p).filter(|_| self.class.call_waiting_id);
        let mut data = self.caller_id_data(id).unwrap_or_default();
        data.drain(..data.len().min(ON_HOOK_ONLY));
        let by = match self.country.caller_id.first().map(|c| c.format) {
            Some(CallerIdFormat::V23) => "caller-id by V.23",
            _ => "caller-id by Bell 202",
        };
        let until = now + first.unwrap_or(BURST) + Duration::from_millis(20);
        self.waiting = Some(Waiting { party: p, tone, step: Step::Burst, until, sound: vec![], at: 0, data, by });
        self.tell(now, "tone call-waiting");
    }

    pub(super) fn advance_waiting(&mut self, now: Time, heard: &[i16; FRAME_SAMPLES]) {
        if let Some(what) = self.waiting.as_mut().and_then(|w| w.advance(now, heard)) {
            self.tell(now, what);
        }
    }

    /// Whoever we talk with is held, and the waiting caller is ours.
    pub(super) fn take_waiting(&mut self, now: Time) {
        let Some(waiting) = self.waiting.take() else { return };
        self.detach_register();
        self.player.stop();
        if let Some(leg) = self.active.take() {
            if leg.progress == Progress::Answered && self.held.is_none() {
                self.put_on_hold(now, leg);
            } else {
                self.release_leg(now, leg);
            }
        }
        self.swaps = self.held.is_some();
        let leg = Leg { party: Some(waiting.party), progress: Progress::Alerting, next: Time::NEVER };
        self.answered_by_us(now, leg);
    }

    /// R and a digit, with one on hold by that R and one waiting.
    pub(super) fn r_digit_for_waiting(&mut self, now: Time, digits: &str) -> bool {
        let Some(p) = self.waiting.as_ref().map(|w| w.party).filter(|_| self.active.is_none()) else { return false };
        match digits {
            "0" => {
                self.waiting = None;
                self.hears_busy(now, p);
                self.back_to_held(now);
            }
            "1" => {
                if let Some(leg) = self.held.take() {
                    self.release_leg(now, leg);
                }
                self.take_waiting(now);
            }
            "2" => self.take_waiting(now),
            _ => return false,
        }
        true
    }

    /// We hung up: who still waits rings us.
    pub(super) fn waiting_rings(&mut self, now: Time) {
        if let Some(waiting) = self.waiting.take() {
            self.sets[waiting.party].condition = Condition::Idle;
            self.sets[waiting.party].gives_up = Time::NEVER;
            self.calls.push((now + RINGS_AFTER, waiting.party));
        }
    }
}
