//! Loop current into what the subscriber means by it: off-hook, a pulse digit, recall, hang-up.
//!
//! ```text
//!  loop open for   0      15 ms        80 ms     min                    max
//!                  |bounce|  dial pulse  |  ?     |  recall (hook flash)  |  hang-up
//! ```
//!
//! A break counts as a dial pulse only while a register waits for digits; in a call a short one means nothing. Where
//! the country's recall window begins below 80 ms (Sweden, the UK), pulses win while digits are awaited: a break of
//! 61–66 ms is what dials. The limits of a bounce and of a pulse are DAHDI's and ITU-T Q.23's neighbours in the old
//! national plans; the window is the country's record.

use crate::clock::{Time, Timers};
use crate::number::Digit;
use std::collections::VecDeque;
use std::time::Duration;

/// Shorter breaks are contact bounce.
const BOUNCE: Duration = Duration::from_millis(15);
/// The longest break of a dial pulse.
const PULSE_MAX: Duration = Duration::from_millis(80);
/// The loop closed this long is an off-hook: a caller-ID set's wetting pulse (15 ms) is none.
const SEIZURE: Duration = Duration::from_millis(40);
/// The loop closed this long after a pulse ends the digit.
const DIGIT_END: Duration = Duration::from_millis(200);

/// Which breaks are recall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub min: Duration,
    pub max: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookEvent {
    OffHook,
    /// The loop stayed open for longer than the window: when it opened.
    OnHook {
        opened: Time,
    },
    Recall {
        lasted: Duration,
    },
    PulseDigit(Digit),
    /// Too short for recall, and nobody waits for pulses.
    Ignored {
        lasted: Duration,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Timer {
    Seized,
    HungUp,
    DigitEnds,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    OnHook,
    OffHook,
    /// Off-hook as far as we know, with the loop open.
    Broken {
        since: Time,
    },
}

#[derive(Debug)]
pub struct Hook {
    window: Window,
    state: State,
    takes_pulses: bool,
    pulses: u8,
    timers: Timers<Timer>,
    events: VecDeque<(Time, HookEvent)>,
}

impl Hook {
    pub fn new(window: Window) -> Hook {
        Hook {
            window,
            state: State::OnHook,
            takes_pulses: false,
            pulses: 0,
            timers: Timers::new(),
            events: VecDeque::new(),
        }
    }

    /// Whether a register is attached: only then short breaks are digits.
    pub fn take_pulses(&mut self, yes: bool) {
        self.takes_pulses = yes;
        if !yes {
            self.pulses = 0;
            self.timers.stop(Timer::DigitEnds);
        }
    }

    pub fn handle(&mut self, now: Time, closed: bool) {
        self.handle_timeout(now);
        match (self.state, closed) {
            (State::OnHook, true) => self.timers.set(Timer::Seized, now + SEIZURE),
            (State::OnHook, false) => self.timers.stop(Timer::Seized),
            (State::OffHook, false) => {
                self.state = State::Broken { since: now };
                self.timers.stop(Timer::DigitEnds);
                // one microsecond: a break of exactly the maximum is still recall
                self.timers.set(Timer::HungUp, now + self.window.max + Duration::from_micros(1));
            }
            (State::Broken { since }, true) => {
                self.state = State::OffHook;
                self.timers.stop(Timer::HungUp);
                self.break_ended(now, now.since(since));
            }
            (State::OffHook, true) | (State::Broken { .. }, false) => {}
        }
    }

    pub fn handle_timeout(&mut self, now: Time) {
        while let Some(due) = self.timers.next().filter(|t| *t <= now) {
            match self.timers.expire(now) {
                Some(Timer::Seized) => {
                    self.state = State::OffHook;
                    self.pulses = 0;
                    self.events.push_back((due, HookEvent::OffHook));
                }
                Some(Timer::HungUp) => {
                    let opened = match self.state {
                        State::Broken { since } => since,
                        State::OnHook | State::OffHook => due,
                    };
                    self.state = State::OnHook;
                    self.take_pulses(false);
                    self.events.push_back((due, HookEvent::OnHook { opened }));
                }
                Some(Timer::DigitEnds) => {
                    let digit = match std::mem::take(&mut self.pulses) {
                        10 => Digit::new('0'),
                        n @ 1..=9 => Digit::new(char::from(b'0' + n)),
                        _ => None,
                    };
                    self.events.extend(digit.map(|d| (due, HookEvent::PulseDigit(d))));
                }
                None => break,
            }
        }
    }

    pub fn poll_output(&mut self) -> Option<(Time, HookEvent)> {
        self.events.pop_front()
    }

    fn break_ended(&mut self, now: Time, lasted: Duration) {
        let pulsing = self.pulses > 0;
        if lasted < BOUNCE {
            if pulsing {
                self.timers.set(Timer::DigitEnds, now + DIGIT_END);
            }
        } else if self.takes_pulses && lasted < PULSE_MAX {
            self.pulses = self.pulses.saturating_add(1);
            self.timers.set(Timer::DigitEnds, now + DIGIT_END);
        } else if lasted >= self.window.min {
            self.pulses = 0;
            self.events.push_back((now, HookEvent::Recall { lasted }));
        } else {
            self.pulses = 0;
            self.events.push_back((now, HookEvent::Ignored { lasted }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn off_hook(min: u64, max: u64) -> Hook {
        let mut h = Hook::new(Window { min: ms(min), max: ms(max) });
        h.handle(Time::ZERO, true);
        h.handle_timeout(Time::ms(100));
        assert_eq!(h.poll_output(), Some((Time::ms(40), HookEvent::OffHook)));
        h
    }

    /// What the exchange makes of one break in a call.
    fn one_break(min: u64, max: u64, lasts: u64) -> HookEvent {
        let mut h = off_hook(min, max);
        h.handle(Time::secs(1), false);
        h.handle(Time::secs(1) + ms(lasts), true);
        h.handle_timeout(Time::secs(10));
        h.poll_output().unwrap().1
    }

    #[test]
    fn a_break_is_recall_from_the_least_to_the_greatest_width_of_the_window() {
        assert_eq!(one_break(300, 1100, 299), HookEvent::Ignored { lasted: ms(299) });
        assert_eq!(one_break(300, 1100, 300), HookEvent::Recall { lasted: ms(300) });
        assert_eq!(one_break(300, 1100, 1100), HookEvent::Recall { lasted: ms(1100) });
        assert_eq!(one_break(300, 1100, 1101), HookEvent::OnHook { opened: Time::secs(1) });
        assert_eq!(one_break(80, 120, 100), HookEvent::Recall { lasted: ms(100) });
        assert!(
            matches!(one_break(80, 120, 600), HookEvent::OnHook { .. }),
            "an American flash clears a European line"
        );
    }

    #[test]
    fn on_hook_outlasting_the_flash_window_is_a_hang_up_and_closing_again_a_new_seizure() {
        let mut h = off_hook(300, 1100);
        h.handle(Time::secs(1), false);
        h.handle_timeout(Time::ms(2_100));
        assert_eq!(h.poll_output(), None);
        h.handle_timeout(Time::ms(2_101));
        assert!(matches!(h.poll_output(), Some((_, HookEvent::OnHook { .. }))));
        h.handle(Time::secs(3), true);
        h.handle_timeout(Time::secs(4));
        assert_eq!(h.poll_output(), Some((Time::ms(3_040), HookEvent::OffHook)));
    }

    #[test]
    fn pulses_are_counted_while_digits_are_awaited_and_only_then() {
        let mut h = off_hook(80, 120);
        h.take_pulses(true);
        let mut t = Time::secs(1);
        for digit in [3, 10] {
            for _ in 0..digit {
                h.handle(t, false);
                h.handle(t + ms(62), true);
                t += ms(100);
            }
            t += ms(700);
        }
        h.handle_timeout(t);
        let digits: Vec<_> = std::iter::from_fn(|| h.poll_output()).map(|(_, e)| e).collect();
        let digit = |c| HookEvent::PulseDigit(Digit::new(c).unwrap());
        assert_eq!(digits, [digit('3'), digit('0')]);
        h.take_pulses(false);
        h.handle(t, false);
        h.handle(t + ms(62), true);
        assert_eq!(h.poll_output().unwrap().1, HookEvent::Ignored { lasted: ms(62) });
    }

    #[test]
    fn bounces_and_a_wetting_pulse_mean_nothing() {
        let mut h = Hook::new(Window { min: ms(80), max: ms(120) });
        h.handle(Time::secs(1), true);
        h.handle(Time::secs(1) + ms(15), false);
        h.handle_timeout(Time::secs(2));
        assert_eq!(h.poll_output(), None);
        let mut h = off_hook(80, 120);
        h.handle(Time::secs(1), false);
        h.handle(Time::secs(1) + ms(9), true);
        h.handle_timeout(Time::secs(2));
        assert_eq!(h.poll_output(), None);
    }
}
