//! The second call: what becomes of the digits, and what follows from it.

use super::super::progress::{Progress, Progressed};
use super::super::{Completion, Manners, Step, Target, shown};
use super::{CONFIRM, Goal, State, Timer, Transfer};
use crate::clock::Time;
use crate::event::{Action, Event, Heard, ToneKind};
use crate::number::DialString;

impl Transfer {
    /// The user dials a second party while the caller is on hold.
    pub fn dial(&mut self, number: DialString) {
        self.plan.targets = vec![Target { name: None, number: number.clone() }];
        self.target = 0;
        self.state = State::Dialling;
        self.timers.stop_all();
        self.out.act(Action::Dial(number, self.manners.dial_method));
    }

    pub(super) fn held(&mut self, now: Time, event: &Event) {
        // what the exchange says to who dials nothing (reorder, howler) does not end the call: the caller is still there
        if matches!(event, Event::ForwardDisconnect { .. }) {
            self.caller_gone(now);
        }
    }

    pub(super) fn follow(&mut self, now: Time) {
        while let Some(progressed) = self.progress.as_mut().and_then(Progress::poll_output) {
            if self.state != State::Consulting {
                continue;
            }
            let step = Step::new(now, "dial").target(shown(&self.plan.targets[self.target]));
            match progressed {
                Progressed::Alerting { .. } => {
                    self.last_heard = Some(ToneKind::Ringback);
                    self.out.tell(step.heard("ringback").result("alerting"));
                    if self.may_leave_it_ringing() {
                        self.progress = None;
                        self.complete(now);
                    }
                }
                Progressed::Answered(answer) => {
                    self.last_heard = None;
                    self.out.tell(step.heard(answer.how.name()).result("answered"));
                    self.progress = None;
                    self.state = State::Confirming;
                    self.timers.stop_all();
                    self.timers.set(Timer::Confirmed, now + CONFIRM);
                }
                Progressed::Failed { ending, heard } => {
                    self.last_heard = heard;
                    self.out.tell(step.heard(heard.map_or("nothing", ToneKind::name)).result(ending.name()));
                    self.progress = None;
                    self.not_reached(now);
                }
            }
        }
    }

    pub(super) fn confirming(&mut self, now: Time, event: &Event) {
        let gone = match event {
            Event::Heard(Heard::Tone { tone, .. }) => Some(tone.to_string()),
            Event::ForwardDisconnect { .. } => Some("forward disconnect".into()),
            _ => None,
        };
        if let Some(heard) = gone {
            let target = shown(&self.plan.targets[self.target]);
            self.out.tell(Step::new(now, "consult").target(target).heard(heard).result("target hung up"));
            self.not_reached(now);
        }
    }

    /// The target answered and is still there.
    pub(super) fn confirmed(&mut self, now: Time) {
        match self.plan.goal {
            Goal::Hold => self.state = State::Consulted,
            Goal::Conference => self.flash_to_join(now),
            Goal::Transfer if self.plan.brief.is_some() && !self.at_voicemail() => self.brief(now),
            Goal::Transfer => self.complete(now),
        }
    }

    /// Nobody is there at the second end. By hand the user says what is next, else it is the way back.
    fn not_reached(&mut self, now: Time) {
        if self.plan.goal == Goal::Hold {
            self.timers.stop_all();
            self.state = State::Held;
        } else {
            self.go_back(now);
        }
    }

    /// Cold: who is not asked whether he takes the call need not have answered, where the exchange allows it.
    fn may_leave_it_ringing(&self) -> bool {
        let asked = self.plan.warm || (self.plan.brief.is_some() && !self.at_voicemail());
        let Manners { while_ringing, complete, .. } = &self.manners;
        self.plan.goal == Goal::Transfer && !asked && *while_ringing && *complete != Completion::Stay
    }

    /// The target being tried is the mailbox, after everybody else.
    pub(super) fn at_voicemail(&self) -> bool {
        self.plan.voicemail.is_some() && self.voicemail_tried
    }
}
