//! Placing a call: off-hook → dial tone → digits → progress → answer.
//!
//! Digits are not sent before dial tone is heard: an exchange that is not listening loses the first of them, and the
//! wrong number rings.

use super::progress::{Answer, Progress, Progressed};
use super::{Ending, Manners, Outbox, Output, Step, Target};
use crate::clock::{Time, Timers};
use crate::event::{Action, Event, Heard, ToneKind};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    WaitingForDialTone,
    Dialling,
    InProgress,
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Timer {
    /// The exchange gave no dial tone.
    NoDialTone,
    /// The exchange has had time to connect its digit receiver.
    ReceiverReady,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Originated {
    Answered(Answer),
    Failed(Ending),
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Originate {
    target: Target,
    manners: Manners,
    no_answer_after: Duration,
    state: State,
    timers: Timers<Timer>,
    progress: Option<Progress>,
    out: Outbox<Originated>,
}

/// After dial tone is heard: registers are attached by then in every exchange that gives the tone, but the tone is
/// recognised a good while after it began, so this may be short.
const RECEIVER_READY: Duration = Duration::from_millis(200);

impl Originate {
    pub fn new(now: Time, target: Target, no_answer_after: Duration, manners: Manners) -> Originate {
        let mut m = Originate {
            target,
            no_answer_after,
            state: State::WaitingForDialTone,
            timers: Timers::new(),
            progress: None,
            out: Outbox::default(),
            manners,
        };
        m.out.act(Action::OffHook);
        m.timers.set(Timer::NoDialTone, now + m.manners.dial_tone_wait);
        m
    }

    pub fn handle(&mut self, now: Time, event: &Event) {
        if self.state == State::Over {
            return;
        }
        if let Some((ending, heard)) = super::line_gone(event) {
            let step = match self.state {
                State::WaitingForDialTone => Step::new(now, "off-hook"),
                _ => Step::new(now, "dial").target(super::shown(&self.target)),
            };
            self.out.tell(step.heard(heard).result(ending.name()));
            return self.fail(ending);
        }
        match (self.state, event) {
            (State::WaitingForDialTone, Event::Ringing { .. }) => self.fail(Ending::Glare),
            (State::WaitingForDialTone, Event::Heard(Heard::Tone { tone, .. })) => match tone.kind {
                kind if kind.is_dial_tone() => {
                    self.out.tell(Step::new(now, "off-hook").heard(tone.to_string()));
                    self.timers.stop_all();
                    self.timers.set(Timer::ReceiverReady, now + RECEIVER_READY);
                }
                ToneKind::Congestion | ToneKind::Busy | ToneKind::Howler => {
                    self.out.tell(Step::new(now, "off-hook").heard(tone.to_string()).result("congestion"));
                    self.fail(Ending::Congestion);
                }
                _ => {}
            },
            (State::WaitingForDialTone, Event::Heard(Heard::Speech { .. })) => {
                // somebody talks on the pair: we lifted into a call (glare, or a parallel telephone)
                self.out.tell(Step::new(now, "off-hook").heard("speech").result("glare"));
                self.fail(Ending::Glare);
            }
            (State::Dialling, Event::DialDone) => {
                let Manners { slowest_refusal, ringback_period, .. } = self.manners;
                self.progress = Some(Progress::new(now, self.no_answer_after, slowest_refusal, ringback_period));
                self.state = State::InProgress;
            }
            (State::InProgress, event) => {
                if let Some(p) = &mut self.progress {
                    p.handle(now, event);
                }
                self.follow(now);
            }
            _ => {}
        }
    }

    pub fn handle_timeout(&mut self, now: Time) {
        while let Some(timer) = self.timers.expire(now) {
            match timer {
                Timer::NoDialTone => {
                    self.out.tell(Step::new(now, "off-hook").heard("no dial tone"));
                    self.fail(Ending::NoDialTone);
                }
                Timer::ReceiverReady => {
                    self.state = State::Dialling;
                    self.out.act(Action::Dial(self.target.number.clone(), self.manners.dial_method));
                }
            }
        }
        if let Some(p) = &mut self.progress {
            p.handle_timeout(now);
            self.follow(now);
        }
    }

    pub fn poll_timeout(&self) -> Option<Time> {
        let progress = self.progress.as_ref().and_then(Progress::poll_timeout);
        self.timers.next().into_iter().chain(progress).min()
    }

    pub fn poll_output(&mut self) -> Option<Output<Originated>> {
        self.out.pop()
    }

    fn follow(&mut self, now: Time) {
        while let Some(progressed) = self.progress.as_mut().and_then(Progress::poll_output) {
            if self.state == State::Over {
                continue;
            }
            let step = Step::new(now, "dial").target(super::shown(&self.target));
            match progressed {
                Progressed::Alerting { .. } => self.out.tell(step.heard("ringback").result("alerting")),
                Progressed::Answered(answer) => {
                    self.out.tell(step.heard(answer.how.name()).result("answered"));
                    self.end(Originated::Answered(answer));
                }
                Progressed::Failed { ending, heard } => {
                    let heard = heard.map_or("nothing", ToneKind::name);
                    self.out.tell(step.heard(heard).result(ending.name()));
                    self.fail(ending);
                }
            }
        }
    }

    fn fail(&mut self, ending: Ending) {
        self.end(Originated::Failed(ending));
    }

    fn end(&mut self, with: Originated) {
        if self.state != State::Over {
            self.state = State::Over;
            self.timers.stop_all();
            self.progress = None;
            self.out.done(with);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Alarm;
    use crate::facts::Facts;

    #[test]
    fn a_line_that_goes_dead_is_told_with_what_it_said() {
        let dead = [
            (Event::Alarm(Alarm::Red), Ending::LineLost, "alarm red"),
            (Event::LineLost, Ending::LineLost, "battery lost"),
            (Event::DeviceRemoved, Ending::DeviceRemoved, "device removed"),
        ];
        for (event, ending, heard) in dead {
            let manners = Manners::of(Facts::embedded().country("us").unwrap());
            let target = Target { name: None, number: "5550100".parse().unwrap() };
            let mut m = Originate::new(Time::ZERO, target, Duration::from_secs(60), manners);
            m.handle(Time::ms(20), &event);
            let told = Step::new(Time::ms(20), "off-hook").heard(heard).result(ending.name());
            assert_eq!(m.poll_output(), Some(Output::Do(Action::OffHook)));
            assert_eq!(m.poll_output(), Some(Output::Step(told)));
            assert_eq!(m.poll_output(), Some(Output::Done(Originated::Failed(ending))));
            assert_eq!(m.poll_timeout(), None);
        }
    }
}
