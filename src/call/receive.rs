//! Taking a call: ringing → caller ID → answer, or the ringing stops.

use super::{Ending, Manners, Outbox, Output, Step};
use crate::clock::{Time, Timers};
use crate::event::{Action, CallerId, Event};
use crate::line;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Timer {
    /// Nobody called within the time given.
    NobodyCalled,
    /// The rings that we were to wait for are over and caller ID did not come.
    Answer,
    /// The exchange must have seen our loop by now: ringing after this is a seizure that failed.
    Seized,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Waiting,
    Seizing,
    Over,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Received {
    /// We are off-hook with the caller.
    Answered,
    Failed(Ending),
}

/// When to answer.
#[derive(Clone, Debug, PartialEq)]
pub struct AnswerRule {
    /// Give up when nobody called by then.
    pub wait: Option<Duration>,
    /// Answer on this ring; `None`: as soon as caller ID is in, or cannot be awaited any longer.
    pub after_rings: Option<u32>,
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Receive {
    rule: AnswerRule,
    manners: Manners,
    state: State,
    timers: Timers<Timer>,
    bursts: u32,
    missed: u32,
    pub caller: Option<CallerId>,
    tried_again: bool,
    out: Outbox<Received>,
}

impl Receive {
    pub fn new(now: Time, rule: AnswerRule, manners: Manners) -> Receive {
        let mut timers = Timers::new();
        if let Some(wait) = rule.wait {
            timers.set(Timer::NobodyCalled, now + wait);
        }
        Receive {
            rule,
            manners,
            state: State::Waiting,
            timers,
            bursts: 0,
            missed: 0,
            caller: None,
            tried_again: false,
            out: Outbox::default(),
        }
    }

    pub fn handle(&mut self, now: Time, event: &Event) {
        match (self.state, event) {
            (State::Over, _) => {}
            (_, Event::DeviceRemoved) => self.end(Received::Failed(Ending::DeviceRemoved)),
            (State::Waiting, Event::Ringing { burst }) => self.rung(now, *burst),
            (State::Waiting, Event::CallerId(id)) => {
                self.caller = Some(id.clone());
                // with the number in hand there is nothing more to wait for, unless told to let it ring
                if self.bursts > 0 && self.rule.after_rings.is_none_or(|n| self.bursts >= n) {
                    self.answer(now);
                }
            }
            (State::Waiting, Event::OtherTelephoneLifted { .. }) if self.bursts > 0 => {
                self.out.tell(Step::new(now, "ringing").heard(line::describe(event)).result("answered there"));
                self.missed_one();
            }
            (State::Waiting, Event::RingingStopped) if self.bursts > 0 => {
                self.out
                    .tell(Step::new(now, "ringing").heard(format!("{} rings", self.bursts)).result("caller gave up"));
                self.missed_one();
            }
            (State::Seizing, Event::Ringing { .. }) => {
                if self.tried_again {
                    self.end(Received::Failed(Ending::LineLost));
                } else {
                    // off-hook was ordered and the line still rings: order it once more before giving up
                    self.tried_again = true;
                    self.out.tell(Step::new(now, "answer").heard("ringing").result("again"));
                    self.out.act(Action::OffHook);
                    self.timers.set(Timer::Seized, now + self.seize_time());
                }
            }
            (State::Seizing, Event::LineLost) => self.end(Received::Failed(Ending::LineLost)),
            _ => {}
        }
    }

    pub fn handle_timeout(&mut self, now: Time) {
        while let Some(timer) = self.timers.expire(now) {
            match timer {
                Timer::NobodyCalled if self.bursts > 0 => {} // somebody is calling at this very moment
                Timer::NobodyCalled => self.end(Received::Failed(Ending::NobodyCalled)),
                Timer::Answer => self.answer(now),
                Timer::Seized => self.end(Received::Answered),
            }
        }
    }

    pub fn poll_timeout(&self) -> Option<Time> {
        self.timers.next()
    }

    pub fn poll_output(&mut self) -> Option<Output<Received>> {
        self.out.pop()
    }

    fn missed_one(&mut self) {
        self.bursts = 0;
        self.missed += 1;
        self.caller = None;
        self.timers.stop(Timer::Answer);
    }

    fn rung(&mut self, now: Time, burst: u32) {
        self.bursts = burst;
        if burst == 1 {
            self.out.tell(Step::new(now, "ringing"));
        }
        match self.rule.after_rings {
            Some(n) if burst >= n => self.answer(now),
            Some(_) => {}
            // caller ID after the first ring: answering before the second ring would lose it
            None if burst >= 2 || !self.manners.caller_id_after_first_ring => self.timers.set(Timer::Answer, now),
            None => {}
        }
    }

    /// How long after off-hook a stray burst may still be under way.
    fn seize_time(&self) -> Duration {
        Duration::from_millis(300)
    }

    fn answer(&mut self, now: Time) {
        if self.state != State::Waiting {
            return;
        }
        self.state = State::Seizing;
        self.timers.stop_all();
        self.timers.set(Timer::Seized, now + self.seize_time());
        self.out.act(Action::OffHook);
        let heard = match &self.caller {
            None => "no caller ID".to_string(),
            Some(id) => super::describe_caller(id),
        };
        self.out.tell(Step::new(now, "answer").heard(heard));
    }

    fn end(&mut self, with: Received) {
        if self.state != State::Over {
            self.state = State::Over;
            self.timers.stop_all();
            self.out.done(with);
        }
    }
}
