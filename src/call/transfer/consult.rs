//! The second call: what becomes of the digits, and what follows from it.

use super::super::progress::{Progress, Progressed, may_be_sit};
use super::super::{ANNOUNCED_AGAIN, Completion, Ending, Evidence, Manners, SURE_DISCONNECT, Step, Target, shown};
use super::{CONFIRM, Goal, State, Timer, Transfer, Why};
use crate::clock::Time;
use crate::event::{Action, Event, Heard, ToneKind};
use crate::number::DialString;
use std::time::Duration;

/// An exchange that opens the loop when the far side hangs up has done so by then.
const LOOP_OPENED: Duration = Duration::from_millis(2000);

impl Transfer {
    /// The user dials a second party while the caller is on hold.
    pub fn dial(&mut self, number: DialString) {
        self.plan.targets = vec![Target { name: None, number: number.clone() }];
        self.target = 0;
        self.second.is_there = false;
        self.state = State::Dialling;
        self.timers.stop_all();
        self.out.act(Action::Dial(number, self.manners.dial_method));
    }

    pub(super) fn held(&mut self, now: Time, event: &Event) {
        // what the exchange says to who dials nothing (reorder, howler) does not end the call: the caller is still there.
        // A loss of battery is the caller's hang-up or a loose contact, and only the way back tells which.
        if let Event::ForwardDisconnect { open } = event {
            let heard = format!("forward disconnect {} ms", open.as_millis());
            self.out.tell(Step::new(now, "hold").heard(heard).result("asking back"));
            self.forget_attempts();
            self.back.asked_again = false;
            self.loop_opened(*open);
            self.settle(now, Why::Back);
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
                        self.second.not_answered_yet = true;
                        self.complete(now);
                    }
                }
                Progressed::Answered(answer) => {
                    self.last_heard = None;
                    self.out.tell(step.heard(answer.how.name()).result("answered"));
                    let rang = self.progress.take().is_some_and(|p| p.alerting_since().is_some());
                    self.second.is_there = true;
                    self.second.not_answered_yet = false;
                    self.second.waits_for_a_voice = false;
                    let heard = matches!(answer.how, Evidence::Speech | Evidence::Fax | Evidence::OtherTone);
                    self.second.quiet_since = (!heard).then_some(now);
                    self.state = State::Confirming;
                    self.timers.stop_all();
                    let may_be_announced = answer.how == Evidence::Speech && !rang;
                    self.second.may_be_an_announcement = may_be_announced;
                    if may_be_announced {
                        let step = Step::new(now, "consult").heard("no ringback");
                        self.out.tell(step.result("listening for an announcement's tones"));
                    }
                    let confirm = if may_be_announced { ANNOUNCED_AGAIN } else { CONFIRM };
                    self.timers.set(Timer::Confirmed, now + confirm);
                }
                Progressed::Failed { ending, heard } => {
                    self.last_heard = heard;
                    // somebody may have answered unheard, and without a word
                    self.second.is_there = ending == Ending::NothingHeard;
                    self.out.tell(step.heard(heard.map_or("nothing", ToneKind::name)).result(ending.name()));
                    self.progress = None;
                    self.not_reached(now);
                }
            }
        }
    }

    pub(super) fn confirming(&mut self, now: Time, event: &Event) {
        let gone = match event {
            Event::Heard(Heard::Tone { tone, .. }) => Some((tone.to_string(), tone.kind)),
            // a contact, or the shortest of hang-ups: a voice or a tone tells
            Event::ForwardDisconnect { open } if *open < SURE_DISCONNECT => {
                self.second.quiet_since = Some(self.second.quiet_since.unwrap_or(now));
                None
            }
            // after it the exchange says to us what it says to every receiver that nobody has put down
            Event::ForwardDisconnect { .. } => Some(("forward disconnect".into(), ToneKind::Congestion)),
            Event::Heard(Heard::OtherToneEnded { hz, lasted, .. })
                if self.second.may_be_an_announcement && may_be_sit(*hz, *lasted) =>
            {
                Some((format!("{hz} Hz, as before an announcement"), ToneKind::Sit))
            }
            Event::Heard(Heard::SpeechEnded { at } | Heard::OtherToneEnded { at, .. }) => {
                self.second.quiet_since = Some(*at);
                None
            }
            // whatever sounded while nobody spoke was not he: it may be the first burst of a tone
            Event::Heard(Heard::Silence { since }) => {
                self.second.quiet_since = self.second.quiet_since.map(|quiet| quiet.max(*since));
                None
            }
            Event::Heard(Heard::Speech { .. } | Heard::OtherTone { .. } | Heard::Fax { .. }) => {
                // who speaks again after a silence has not hung up in it
                let waited_for = self.second.quiet_since.take().is_some() && self.second.waits_for_a_voice;
                if waited_for && self.state == State::Confirming {
                    self.confirmed(now);
                }
                None
            }
            _ => None,
        };
        if let Some((heard, tone)) = gone {
            self.last_heard = Some(tone);
            let target = shown(&self.plan.targets[self.target]);
            let announced = matches!(tone, ToneKind::Sit | ToneKind::NumberUnobtainable);
            let result = if announced { Ending::NotInService.name() } else { "target hung up" };
            self.out.tell(Step::new(now, "consult").target(target).heard(heard).result(result));
            self.second.is_there = false;
            self.not_reached(now);
        }
    }

    /// The target answered, and had time enough to hang up again. Somebody who is silent may just have done so: then a
    /// tone follows, or the exchange opens the loop.
    pub(super) fn still_there(&mut self, now: Time) {
        if self.second.may_be_an_announcement && self.second.quiet_since.is_some() {
            // who answers asks again when nobody says a word to him; an announcement is over
            let target = shown(&self.plan.targets[self.target]);
            let step = Step::new(now, "consult").target(target).heard("no ringback, a voice, silence");
            self.out.tell(step.result("may be an announcement"));
            return self.not_reached(now);
        }
        let told_by = self.manners.slowest_refusal.max(LOOP_OPENED);
        match self.second.quiet_since.map(|at| at + told_by) {
            Some(until) if until > now => {
                self.second.waits_for_a_voice = true;
                self.timers.set(Timer::Confirmed, until);
            }
            _ => self.confirmed(now),
        }
    }

    /// The target is there.
    fn confirmed(&mut self, now: Time) {
        self.timers.stop_all();
        self.second.waits_for_a_voice = false;
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

    /// Cold: who is not asked whether he takes the call need not have answered, where the exchange allows it. But as long
    /// as there is somebody else to be tried, a target who may still refuse is not left with the caller.
    fn may_leave_it_ringing(&self) -> bool {
        let asked = self.plan.warm || (self.plan.brief.is_some() && !self.at_voicemail());
        let last = self.target + 1 >= self.plan.targets.len() && (self.plan.voicemail.is_none() || self.at_voicemail());
        let Manners { while_ringing, complete, .. } = &self.manners;
        self.plan.goal == Goal::Transfer && !asked && last && *while_ringing && *complete != Completion::Stay
    }

    /// The target being tried is the mailbox, after everybody else.
    pub(super) fn at_voicemail(&self) -> bool {
        self.plan.voicemail.is_some() && self.voicemail_tried
    }
}
