//! Calls to us: ringing with the country's cadence, and who calls, before the first ring or after it.
//!
//! ```text
//!  after first ring    ▂▂▂▂▂▂   FSK            ▂▂▂▂▂▂               ▂▂▂▂▂▂      (Bell 202; V.23 in Germany, France)
//!  reversal, DT-AS     ↕ ♫ FSK ↕     ▂▂ ▂▂            ▂▂ ▂▂                      (V.23 in the UK)
//!  before ring         DTMF          ▂▂▂▂▂▂               ▂▂▂▂▂▂                 (Sweden)
//! ```
//!
//! Gaps after EN 300 659-1, SIN 227 and GR-30, each near the middle of what they allow.

use super::census::{Condition, Loss, With};
use super::codes::When;
use super::exchange::{Exchange, Leg, LineOutput, Progress, Service};
use super::number_display::{ASKED_FOR, CALLS_THE_SET, Display};
use crate::clock::{SAMPLE_RATE_HZ, Time};
use crate::dsp::caller_id::{Alert, Sender};
use crate::dsp::fsk::Standard;
use crate::dsp::{FRAME_SAMPLES, render};
use crate::event::{Absent, CallerId, CallerIdFormat, ToneKind};
use crate::facts::{CallerIdSpec, CallerIdTiming};
use crate::number::PartyNumber;
use std::collections::VecDeque;
use std::time::Duration;

pub(super) const ALERT_DBM0: f32 = -15.0;
/// No caller ID is longer: some 80 characters take less than two seconds, sixteen digits by DTMF less than three.
const DATA_MAX: usize = 5 * SAMPLE_RATE_HZ as usize;
/// A caller who hears busy listens to it for so long.
const HEARS_BUSY: Duration = Duration::from_secs(4);
/// How long a party is rung back to us before it is given up.
const RUNG_BACK: Duration = Duration::from_secs(60);

#[derive(Debug, PartialEq)]
pub(super) enum Step {
    Reverse(bool),
    /// Sound for the on-hook telephone, and what the trace calls it.
    Transmit(Vec<i16>, &'static str),
    Ring(Vec<Duration>),
    RingOff,
}

/// How one call to us is announced.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub display: Option<Display>,
    pub steps: VecDeque<(Time, Step)>,
    sound: Vec<i16>,
    at: usize,
    reversed: bool,
}

impl Plan {
    /// Nothing is being sent, and nothing will be.
    pub fn is_idle(&self) -> bool {
        self.steps.is_empty() && !self.transmits()
    }

    pub fn transmits(&self) -> bool {
        self.at < self.sound.len()
    }

    pub fn speak(&mut self, said: &mut [i16; FRAME_SAMPLES]) {
        let rest = &self.sound[self.at..];
        for (s, r) in said.iter_mut().zip(rest) {
            *s = s.saturating_add(*r);
        }
        self.at += rest.len().min(FRAME_SAMPLES);
    }
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(super) fn lasts(sound: &[i16]) -> Duration {
    ms(sound.len() as u64 * 1000 / u64::from(SAMPLE_RATE_HZ))
}

/// The steps of an announced call, timed from its beginning.
fn announce(cadence: &[Duration], id: Option<(&CallerIdSpec, Vec<i16>)>) -> Vec<(Duration, Step)> {
    let ring = || Step::Ring(cadence.to_vec());
    let Some((spec, data)) = id else { return vec![(Duration::ZERO, ring())] };
    let alert = || Step::Transmit(render(&mut Alert::on_hook(ALERT_DBM0), 8000), "dual-tone alert");
    let name = match spec.format {
        CallerIdFormat::Bell202 => "caller-id by Bell 202",
        CallerIdFormat::V23 => "caller-id by V.23",
        CallerIdFormat::Dtmf => "caller-id by DTMF",
    };
    let length = lasts(&data);
    let data = Step::Transmit(data, name);
    match spec.timing {
        CallerIdTiming::AfterFirstRing => {
            // the data belongs in the longest pause of the cadence
            let pause = (1..cadence.len()).step_by(2).max_by_key(|i| cadence[*i]).unwrap_or(0);
            let burst: Duration = cadence[..pause].iter().sum();
            vec![(Duration::ZERO, ring()), (burst + ms(550), data)]
        }
        CallerIdTiming::BeforeRingReversalDtas => vec![
            (Duration::ZERO, Step::Reverse(true)),
            (ms(250), alert()),
            // 100 ms of alert, the telephone's wetting pulse, and 45 ms at least
            (ms(250 + 100 + 140), data),
            (ms(490 + 100) + length, Step::Reverse(false)),
            (ms(490 + 300) + length, ring()),
        ],
        CallerIdTiming::BeforeRingReversal => vec![
            (Duration::ZERO, Step::Reverse(true)),
            (ms(200), data),
            (ms(300) + length, Step::Reverse(false)),
            (ms(800) + length, ring()),
        ],
        CallerIdTiming::BeforeRingDtas => {
            vec![(ms(50), alert()), (ms(50 + 100 + 140), data), (ms(290 + 300) + length, ring())]
        }
        CallerIdTiming::BeforeRingPulse => vec![
            // one short burst; the cadence is cut off after it
            (Duration::ZERO, Step::Ring(vec![ms(250), ms(60_000)])),
            (ms(260), Step::RingOff),
            (ms(250 + 650), data),
            (ms(900 + 350) + length, ring()),
        ],
        CallerIdTiming::BeforeRing => vec![(ms(100), data), (ms(100 + 400) + length, ring())],
        // data for a telephone that answers first (number_display.rs): a line without that rings as for an unknown caller
        CallerIdTiming::OffHookExchange => vec![(Duration::ZERO, ring())],
    }
}

impl Exchange {
    pub(super) fn advance_ringing(&mut self, now: Time) {
        while let Some(i) = self.calls.iter().position(|(at, _)| *at <= now) {
            let (_, p) = self.calls.remove(i);
            self.call_us(now, p);
        }
        if now >= self.message_at {
            self.message = true;
            if self.service == Service::OnHook && self.ringing.is_idle() {
                self.message_at = Time::NEVER;
                self.tell_message(now);
            }
        }
        self.advance_display(now);
        while self.ringing.steps.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, step)) = self.ringing.steps.pop_front() else { break };
            match step {
                Step::Reverse(on) => {
                    self.ringing.reversed = on;
                    self.tell(now, if on { "reverses the line" } else { "reverses the line back" });
                    self.outputs.push_back(LineOutput::Reverse(on));
                }
                Step::Transmit(sound, what) => {
                    self.tell(now, format!("sends {what}"));
                    // a set that was lifted for its data hears it as it is
                    if self.service != Service::Displaying {
                        self.outputs.push_back(LineOutput::OnHookTransmission(lasts(&sound) + ms(100)));
                    }
                    (self.ringing.sound, self.ringing.at) = (sound, 0);
                }
                Step::Ring(cadence) => {
                    self.tell(now, "ring us");
                    self.outputs.push_back(LineOutput::Ring(cadence));
                }
                Step::RingOff => self.outputs.push_back(LineOutput::RingOff),
            }
        }
    }

    /// Message waiting, to a telephone that shows it: by FSK, without ringing (GR-30; EN 300 659-1).
    fn tell_message(&mut self, now: Time) {
        self.tell(now, "a message is waiting");
        let standard = match self.country.caller_id.first().map(|c| c.format) {
            Some(CallerIdFormat::Bell202) => Standard::Bell202,
            Some(CallerIdFormat::V23) => Standard::V23,
            Some(CallerIdFormat::Dtmf) | None => return,
        };
        let sound = render(&mut Sender::message_waiting(true, standard, Sender::LEVEL_DBM0), DATA_MAX);
        self.ringing.steps.push_back((now, Step::Transmit(sound, "message-waiting indication")));
    }

    /// The telephone was lifted while something was sent to it that was no call.
    pub(super) fn stop_ringing_quietly(&mut self) {
        if !self.ringing.is_idle() {
            self.stop_ringing();
        }
    }

    fn call_us(&mut self, now: Time, p: usize) {
        if !self.sets[p].condition.is_free() {
            return;
        }
        self.sets[p].party.calls_us = true;
        self.told_of(now, p, "calls us");
        let busy = self.service != Service::OnHook && !self.may_wait();
        let elsewhere = self.forwarding.to(When::Always).or(self.forwarding.to(When::Busy).filter(|_| busy));
        if let Some(to) = elsewhere.map(|to| format!("is forwarded to {to}")) {
            self.told_of(now, p, &to);
            return;
        }
        if self.may_wait() {
            self.waits(now, p);
            return;
        }
        if self.service != Service::OnHook {
            self.hears_busy(now, p);
            return;
        }
        let id = self.identity(p);
        let announced = self.ring_us(now, p, id);
        let patience = self.rings(self.sets[p].party.rings_us) + self.rng.ms(800, 2000);
        self.sets[p].gives_up = now + announced + patience;
    }

    pub(super) fn hears_busy(&mut self, now: Time, p: usize) {
        self.sets[p].condition = Condition::Hears(ToneKind::Busy);
        self.sets[p].gives_up = now + HEARS_BUSY;
        self.told_of(now, p, "hears busy");
    }

    /// A party that could not be handed on is ours again, if we answer.
    pub(super) fn ring_back(&mut self, now: Time, p: usize) {
        self.tell(now, format!("recalls us for {}", self.sets[p].party.number));
        self.sets[p].rung_back = true;
        self.ring_us(now, p, None);
        self.sets[p].gives_up = now + RUNG_BACK;
    }

    /// How long it takes until the telephone rings.
    fn ring_us(&mut self, now: Time, p: usize, id: Option<CallerId>) -> Duration {
        self.service = Service::Ringing;
        self.active = Some(Leg { party: Some(p), progress: Progress::Alerting, next: Time::NEVER });
        self.sets[p].condition = Condition::Calling;
        if let Some(data) = self.number_display(id.as_ref()) {
            return self.offer_display(now, data);
        }
        let data = self.caller_id_data(id);
        let id = self.country.caller_id.first().zip(data);
        let steps = announce(&self.country.ringing.cadence, id);
        let until_ring =
            steps.iter().rev().find(|(_, s)| matches!(s, Step::Ring(_))).map_or(Duration::ZERO, |(t, _)| *t);
        self.ringing = Plan { steps: steps.into_iter().map(|(t, s)| (now + t, s)).collect(), ..Plan::default() };
        self.advance_ringing(now);
        until_ring
    }

    /// Japan: short bursts ask the set to lift for the data; who does not is rung after them.
    fn offer_display(&mut self, now: Time, data: Vec<i16>) -> Duration {
        let rings = ms(300) + ASKED_FOR;
        let steps = [
            (ms(0), Step::Reverse(true)),
            (ms(300), Step::Ring(CALLS_THE_SET.to_vec())),
            (rings, Step::RingOff),
            (rings, Step::Reverse(false)),
            (rings + ms(200), Step::Ring(self.country.ringing.cadence.clone())),
        ];
        let display = Some(Display::Offered { until: now + rings, data });
        self.ringing =
            Plan { display, steps: steps.into_iter().map(|(t, s)| (now + t, s)).collect(), ..Plan::default() };
        self.advance_ringing(now);
        // time for a set to take the data and to be rung
        rings + ms(4000)
    }

    /// The caller's identity as it goes over the line.
    pub(super) fn caller_id_data(&self, id: Option<CallerId>) -> Option<Vec<i16>> {
        let spec = self.country.caller_id.first()?;
        let mut data = render(&mut Sender::new(&id?, spec, Sender::LEVEL_DBM0), DATA_MAX);
        if self.faults.caller_id_garbled {
            // 100 ms of the message's second half: twelve bytes, or a digit
            let from = data.len() * 7 / 10;
            let to = data.len().min(from + 800);
            data[from..to].fill(0);
        }
        Some(data)
    }

    pub(super) fn identity(&self, p: usize) -> Option<CallerId> {
        if !self.class.caller_id {
            return None;
        }
        let party = &self.sets[p].party;
        let shown = !party.withheld;
        let spec = self.country.caller_id.first()?;
        Some(CallerId {
            number: PartyNumber::from_network(party.number.as_bytes()).filter(|_| shown),
            name: party.name.clone().filter(|_| shown),
            absent: party.withheld.then_some(Absent::Private),
            // the exchange's calendar stands still: a run must not depend on the day
            date: Some([1, 1, 12, 0]),
            format: spec.format,
        })
    }

    pub(super) fn stop_ringing(&mut self) {
        let reversed = self.ringing.reversed;
        self.ringing = Plan::default();
        self.outputs.push_back(LineOutput::RingOff);
        if reversed {
            self.outputs.push_back(LineOutput::Reverse(false));
        }
    }

    pub(super) fn answered_by_us(&mut self, now: Time, mut leg: Leg) {
        leg.progress = Progress::Answered;
        self.active = Some(leg);
        let Some(p) = leg.party else { return };
        let set = &mut self.sets[p];
        set.condition = Condition::Talking(With::Us);
        set.gives_up = Time::NEVER;
        let deed = if std::mem::take(&mut set.rung_back) {
            set.party.reconnect(now);
            None
        } else {
            set.party.begin(now)
        };
        self.told_of(now, p, "talks with us");
        self.done_by(now, p, deed);
    }

    /// A party's patience is at its end.
    pub(super) fn party_gives_up(&mut self, now: Time, p: usize) {
        let rung_back = std::mem::take(&mut self.sets[p].rung_back);
        self.party_hangs_up(now, p);
        if rung_back {
            // it did not want to go: nobody took it back
            self.lose(now, p, Loss::NotTakenBack);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Confidence, Provenance};

    fn plan(timing: CallerIdTiming) -> Vec<(u64, &'static str)> {
        let provenance = Provenance { source: String::new(), confidence: Confidence::Low };
        let spec = CallerIdSpec { format: CallerIdFormat::V23, timing, provenance };
        let cadence = [ms(400), ms(200), ms(400), ms(2000)];
        announce(&cadence, Some((&spec, vec![0; 8000])))
            .into_iter()
            .map(|(t, s)| {
                let what = match s {
                    Step::Reverse(true) => "reverse",
                    Step::Reverse(false) => "back",
                    Step::Transmit(sound, _) if sound.len() == 8000 => "data",
                    Step::Transmit(..) => "alert",
                    Step::Ring(c) if c.len() == 4 => "ring",
                    Step::Ring(_) => "pulse",
                    Step::RingOff => "pulse ends",
                };
                (t.as_millis() as u64, what)
            })
            .collect()
    }

    #[test]
    fn caller_id_lies_in_the_long_pause_after_the_first_ring() {
        assert_eq!(plan(CallerIdTiming::AfterFirstRing), [(0, "ring"), (1550, "data")]);
    }

    #[test]
    fn in_the_uk_reversal_alert_and_data_come_before_any_ring() {
        assert_eq!(
            plan(CallerIdTiming::BeforeRingReversalDtas),
            [(0, "reverse"), (250, "alert"), (490, "data"), (1590, "back"), (1790, "ring")]
        );
    }

    #[test]
    fn a_ring_pulse_alerts_without_ringing_on() {
        assert_eq!(
            plan(CallerIdTiming::BeforeRingPulse),
            [(0, "pulse"), (260, "pulse ends"), (900, "data"), (2250, "ring")]
        );
    }
}
