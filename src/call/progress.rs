//! What became of the digits: ringback, busy, reorder, SIT, an answer. Used for our own calls and for consultation.
//!
//! ```text
//!  dialled ──ringback──▶ alerting ──speech, fax, reversal────────────▶ answered
//!     │                     ├────── ringback stops, no tone follows ─▶ answered (ringback-stopped)
//!     │                     ├────── reorder ─────────────────────────▶ rejected
//!     │                     └────── no answer in time ───────────────▶ no answer
//!     ├──busy, reorder, SIT, dial tone again────────────────────────▶ failed, by name
//!     ├──speech and never a tone────────────────────────────────────▶ answered (speech)
//!     └──nothing────────────────────────────────────────────────────▶ nothing heard
//! ```

use super::{Ending, Evidence, SURE_DISCONNECT};
use crate::clock::{Time, Timers};
use crate::event::{Event, Heard, ToneKind};
use std::collections::VecDeque;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    pub at: Time,
    pub how: Evidence,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progressed {
    /// Ringback is heard.
    Alerting {
        since: Time,
    },
    Answered(Answer),
    Failed {
        ending: Ending,
        heard: Option<ToneKind>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Timer {
    /// Nothing was heard at all.
    NothingHeard,
    /// It rang for as long as we were told to wait.
    NoAnswer,
    /// Ringback has stopped; if no other tone comes, somebody lifted the receiver.
    RingbackStopped,
    /// A tone in nobody's plan has lasted too long to be a piece of one that is.
    OtherTonePersists,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Limits {
    no_answer_after: Duration,
    nothing_heard_after: Duration,
    /// In which the slowest refusal would have been recognised.
    after_ringback: Duration,
    /// In which the next burst of ringback would have been known, counted from the end of the last one.
    next_burst: Duration,
}

/// What it takes to know a burst for one of ringback when it is over. Cadences may be a tenth off (E.180).
const BURST_RECOGNISED: Duration = Duration::from_millis(300);

/// The first burst of a reorder tone that cuts into ringback is no whole burst of anything (United Kingdom: 400 Hz).
const OTHER_TONE_PERSISTS: Duration = Duration::from_millis(1500);

/// From the end of such a tone until there is an announcement.
const SIT_TAKES: Duration = Duration::from_millis(3500);

/// One of the special information tones (E.180: 950, 1400 and 1800 Hz, 330 ms; in North America 914 or 985, 1371 or 1429 and
/// 1777 Hz, 274 or 380 ms), too far off for the ear to name the three.
pub(super) fn may_be_sit(hz: u16, lasted: Duration) -> bool {
    let frequency = matches!(hz, 880..=1020 | 1330..=1480 | 1730..=1860);
    frequency && (200..=500).contains(&lasted.as_millis())
}

/// The machine. Created when the last digit is on the line.
#[derive(Clone, Debug)]
pub struct Progress {
    timers: Timers<Timer>,
    limits: Limits,
    began: Time,
    alerting_since: Option<Time>,
    /// The loop was open for as long as exchanges open it at the end of a call.
    given_up: bool,
    /// What may have been one of the special information tones, out of tune or out of time, ended then.
    part_of_sit: Option<Time>,
    over: bool,
    out: VecDeque<Progressed>,
}

impl Progress {
    /// `slowest_refusal`: how long the slowest of the country's busy and reorder tones takes to be recognised;
    /// `ringback_period`: from the end of one of its bursts to the end of the next.
    pub fn new(now: Time, no_answer_after: Duration, slowest_refusal: Duration, ringback_period: Duration) -> Progress {
        let limits = Limits {
            no_answer_after,
            nothing_heard_after: Duration::from_secs(20).max(no_answer_after.min(Duration::from_secs(30))),
            after_ringback: slowest_refusal,
            next_burst: ringback_period.mul_f32(1.1) + BURST_RECOGNISED,
        };
        let mut timers = Timers::new();
        timers.set(Timer::NothingHeard, now + limits.nothing_heard_after);
        Progress {
            timers,
            limits,
            began: now,
            alerting_since: None,
            given_up: false,
            part_of_sit: None,
            over: false,
            out: VecDeque::new(),
        }
    }

    pub fn alerting_since(&self) -> Option<Time> {
        self.alerting_since
    }

    pub fn handle(&mut self, now: Time, event: &Event) {
        if self.over {
            return;
        }
        match event {
            Event::Heard(heard) => self.heard(now, heard),
            Event::Reversal => self.answered(now, Evidence::Reversal),
            // nobody has answered yet who could hang up: a contact is loose, or the exchange gives this call up
            Event::ForwardDisconnect { open } => self.given_up |= *open >= SURE_DISCONNECT,
            Event::LineLost | Event::Alarm(_) => self.failed(Ending::LineLost, None),
            Event::DeviceRemoved => self.failed(Ending::DeviceRemoved, None),
            _ => {}
        }
    }

    pub fn handle_timeout(&mut self, now: Time) {
        while let Some(timer) = self.timers.expire(now) {
            match timer {
                Timer::NothingHeard => self.failed(Ending::NothingHeard, None),
                Timer::NoAnswer => self.failed(Ending::NoAnswer, Some(ToneKind::Ringback)),
                Timer::RingbackStopped if self.given_up => self.failed(Ending::FarHangUp, None),
                Timer::RingbackStopped => self.answered(now, Evidence::RingbackStopped),
                Timer::OtherTonePersists => self.answered(now, Evidence::OtherTone),
            }
        }
    }

    pub fn poll_timeout(&self) -> Option<Time> {
        self.timers.next()
    }

    pub fn poll_output(&mut self) -> Option<Progressed> {
        self.out.pop_front()
    }

    fn heard(&mut self, now: Time, heard: &Heard) {
        match heard {
            Heard::Tone { tone, since } if tone.is(ToneKind::Ringback) => {
                self.given_up = false;
                // ringback again after a pause in it: nobody answered after all
                self.timers.stop(Timer::RingbackStopped);
                self.timers.stop(Timer::NothingHeard);
                if self.alerting_since.is_none() {
                    let since = (*since).max(self.began);
                    self.alerting_since = Some(since);
                    self.timers.set(Timer::NoAnswer, since + self.limits.no_answer_after);
                    self.out.push_back(Progressed::Alerting { since });
                }
            }
            // busy, or what this country's exchanges give for several things; the surer name comes first
            Heard::Tone { tone, .. } if tone.is(ToneKind::Busy) && tone.kind != ToneKind::Congestion => {
                // a line that rang was not busy: the called side refused, and this is how the exchange says so
                let ending = if self.alerting_since.is_some() { Ending::Rejected } else { Ending::Busy };
                self.failed(ending, Some(tone.kind));
            }
            Heard::Tone { tone, .. } => match tone.kind {
                ToneKind::Congestion | ToneKind::Disconnect | ToneKind::Howler => {
                    // it rang, and then the network said no: the called side refused
                    let ending = if self.alerting_since.is_some() { Ending::Rejected } else { Ending::Congestion };
                    self.failed(ending, Some(tone.kind));
                }
                ToneKind::Sit | ToneKind::NumberUnobtainable => self.failed(Ending::NotInService, Some(tone.kind)),
                kind if kind.is_dial_tone() => self.failed(Ending::DigitsNotTaken, Some(kind)),
                _ => {}
            },
            Heard::ToneEnded { tone, at } if tone.is(ToneKind::Ringback) => {
                // noise in a pause ends the cadence for the ear: then the next burst is still to come
                let next_burst = *at + self.limits.next_burst;
                self.timers.set(Timer::RingbackStopped, next_burst.max(now + self.limits.after_ringback));
            }
            Heard::OtherToneEnded { hz, lasted, at } if self.alerting_since.is_none() && may_be_sit(*hz, *lasted) => {
                self.part_of_sit = Some(*at);
                self.timers.stop(Timer::OtherTonePersists);
            }
            // the voice of an announcement
            Heard::Speech { .. } if self.part_of_sit.is_some_and(|at| now.since(at) < SIT_TAKES) => {
                self.failed(Ending::NotInService, Some(ToneKind::Sit));
            }
            Heard::Speech { .. } => self.answered(now, Evidence::Speech),
            Heard::Fax { .. } => self.answered(now, Evidence::Fax),
            // a steady tone in nobody's plan: a test line, or somebody who answered before the first ringback was over
            Heard::OtherTone { .. } => {
                self.timers.stop(Timer::RingbackStopped);
                self.timers.set(Timer::OtherTonePersists, now + OTHER_TONE_PERSISTS);
            }
            Heard::OtherToneEnded { .. } if self.timers.is_armed(Timer::OtherTonePersists) => {
                self.timers.stop(Timer::OtherTonePersists);
                if self.alerting_since.is_some() {
                    self.timers.set(Timer::RingbackStopped, now + self.limits.after_ringback);
                }
            }
            _ => {}
        }
    }

    fn answered(&mut self, at: Time, how: Evidence) {
        self.end(Progressed::Answered(Answer { at, how }));
    }

    fn failed(&mut self, ending: Ending, heard: Option<ToneKind>) {
        self.end(Progressed::Failed { ending, heard });
    }

    fn end(&mut self, with: Progressed) {
        if !self.over {
            self.over = true;
            self.timers.stop_all();
            self.out.push_back(with);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Tone;

    fn tone(kind: ToneKind, at: u64) -> Event {
        Event::Heard(Heard::Tone { tone: Tone::from(kind), since: Time::ms(at) })
    }

    fn run(events: &[(u64, Event)], until_ms: u64) -> Vec<Progressed> {
        let mut p =
            Progress::new(Time::ZERO, Duration::from_secs(30), Duration::from_millis(2500), Duration::from_secs(6));
        let mut out = Vec::new();
        let mut pending = events.iter().peekable();
        for ms in (0..until_ms).step_by(20) {
            while let Some((at, e)) = pending.peek().filter(|(at, _)| *at <= ms) {
                p.handle(Time::ms(*at), e);
                pending.next();
            }
            p.handle_timeout(Time::ms(ms));
            while let Some(o) = p.poll_output() {
                out.push(o);
            }
        }
        out
    }

    #[test]
    fn ringback_then_speech_is_an_answer() {
        let said = run(
            &[(2_000, tone(ToneKind::Ringback, 500)), (5_000, Event::Heard(Heard::Speech { since: Time::ms(4_700) }))],
            10_000,
        );
        assert_eq!(
            said,
            [
                Progressed::Alerting { since: Time::ms(500) },
                Progressed::Answered(Answer { at: Time::ms(5_000), how: Evidence::Speech })
            ]
        );
    }

    #[test]
    fn ringback_that_stops_without_another_tone_is_an_answer() {
        let ringback = Tone::from(ToneKind::Ringback);
        let said = run(
            &[
                (2_000, tone(ToneKind::Ringback, 500)),
                (7_000, Event::Heard(Heard::ToneEnded { tone: ringback, at: Time::ms(2_500) })),
            ],
            20_000,
        );
        assert!(matches!(said[1], Progressed::Answered(Answer { how: Evidence::RingbackStopped, .. })), "{said:?}");
    }

    #[test]
    fn noise_in_a_pause_of_ringback_is_no_answer_as_long_as_the_next_burst_may_come() {
        let ringback = Tone::from(ToneKind::Ringback);
        let ended = Event::Heard(Heard::ToneEnded { tone: ringback, at: Time::ms(2_500) });
        // bursts from 500 ms on, every six seconds; the second one is known when it is over
        let said = run(
            &[(2_000, tone(ToneKind::Ringback, 500)), (3_400, ended), (8_600, tone(ToneKind::Ringback, 6_500))],
            20_000,
        );
        assert_eq!(said.len(), 1, "{said:?}");
    }

    #[test]
    fn reorder_after_ringback_is_a_refusal_and_before_it_is_congestion() {
        let refused =
            run(&[(2_000, tone(ToneKind::Ringback, 500)), (4_000, tone(ToneKind::Congestion, 3_000))], 10_000);
        assert_eq!(refused[1], Progressed::Failed { ending: Ending::Rejected, heard: Some(ToneKind::Congestion) });
        let congested = run(&[(2_000, tone(ToneKind::Congestion, 500))], 10_000);
        assert_eq!(congested, [Progressed::Failed { ending: Ending::Congestion, heard: Some(ToneKind::Congestion) }]);
    }

    #[test]
    fn a_tone_that_may_be_busy_or_reorder_is_what_it_is_likelier_to_be() {
        let ending = |kind, or| {
            let either = Tone { kind, or: Some(or) };
            match run(&[(900, Event::Heard(Heard::Tone { tone: either, since: Time::ZERO }))], 2_000)[0] {
                Progressed::Failed { ending, .. } => ending,
                ref other => panic!("{other:?}"),
            }
        };
        assert_eq!(ending(ToneKind::Busy, ToneKind::Congestion), Ending::Busy);
        assert_eq!(ending(ToneKind::Congestion, ToneKind::Busy), Ending::Congestion);
        // who hears busy where the far side has hung up hears busy
        assert_eq!(ending(ToneKind::Disconnect, ToneKind::Busy), Ending::Busy);
    }

    #[test]
    fn a_voice_after_one_of_the_special_information_tones_is_an_announcement() {
        let part =
            |hz| Event::Heard(Heard::OtherToneEnded { hz, lasted: Duration::from_millis(354), at: Time::ms(1_900) });
        let voice = || Event::Heard(Heard::Speech { since: Time::ms(2_800) });
        for hz in [964, 1421, 1800] {
            let said = run(&[(2_000, part(hz)), (3_000, voice())], 5_000);
            let not_in_service = Progressed::Failed { ending: Ending::NotInService, heard: Some(ToneKind::Sit) };
            assert_eq!(said, [not_in_service], "{hz} Hz");
        }
        assert!(matches!(run(&[(2_000, part(1_200)), (3_000, voice())], 5_000)[..], [Progressed::Answered(_)]));
        let rang = [(1_000, tone(ToneKind::Ringback, 500)), (2_000, part(964)), (3_000, voice())];
        assert!(matches!(run(&rang, 5_000)[..], [_, Progressed::Answered(_)]), "somebody has answered, with a beep");
    }

    #[test]
    fn a_dip_while_it_rings_is_nobodys_hang_up() {
        let dip = || Event::ForwardDisconnect { open: Duration::from_millis(300) };
        let rings = |at| (at, tone(ToneKind::Ringback, at));
        let answered = [
            rings(1_000),
            (2_000, dip()),
            rings(7_000),
            (8_000, Event::Heard(Heard::Speech { since: Time::ms(8_000) })),
        ];
        assert!(matches!(run(&answered, 9_000)[..], [_, Progressed::Answered(_)]));
        // and where ringback does not come again, the exchange has given the call up: nobody answered it
        let stopped = Event::Heard(Heard::ToneEnded { tone: ToneKind::Ringback.into(), at: Time::ms(2_000) });
        let said = run(&[rings(1_000), (2_000, dip()), (3_000, stopped)], 30_000);
        assert!(matches!(said[..], [_, Progressed::Failed { ending: Ending::FarHangUp, .. }]), "{said:?}");
    }

    #[test]
    fn ringing_out_ends_as_no_answer_counted_from_the_first_ringback() {
        let said = run(&[(2_000, tone(ToneKind::Ringback, 500))], 31_000);
        assert_eq!(
            said.last(),
            Some(&Progressed::Failed { ending: Ending::NoAnswer, heard: Some(ToneKind::Ringback) })
        );
        assert_eq!(run(&[(2_000, tone(ToneKind::Ringback, 500))], 30_000).len(), 1);
    }

    #[test]
    fn a_piece_of_a_tone_after_ringback_is_no_answer_and_a_test_tone_is() {
        let other = |at: u64| (at, Event::Heard(Heard::OtherTone { hz: 400, since: Time::ms(at) }));
        let ended = Heard::OtherToneEnded { hz: 400, lasted: Duration::from_millis(400), at: Time::ms(4_400) };
        let rejected = run(
            &[
                (2_000, tone(ToneKind::Ringback, 500)),
                other(4_200),
                (4_450, Event::Heard(ended)),
                (6_500, tone(ToneKind::Congestion, 5_000)),
            ],
            10_000,
        );
        assert!(matches!(rejected[1], Progressed::Failed { ending: Ending::Rejected, .. }), "{rejected:?}");
        let test_line = run(&[(2_000, tone(ToneKind::Ringback, 500)), other(4_200)], 10_000);
        assert!(matches!(test_line[1], Progressed::Answered(Answer { how: Evidence::OtherTone, .. })));
    }

    #[test]
    fn silence_after_dialling_is_never_taken_for_an_answer() {
        assert_eq!(run(&[], 40_000), [Progressed::Failed { ending: Ending::NothingHeard, heard: None }]);
    }
}
