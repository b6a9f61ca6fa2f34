//! Leaving the two together, and the proof that we did.

use super::super::{Completion, Evidence, Step, describe_caller, shown};
use super::{RECEIVER_READY, SETTLE, State, Timer, Transfer, Transferred, Why};
use crate::clock::Time;
use crate::event::{Action, CallerId, Event, Heard};
use crate::line;
use std::time::Duration;

/// A first burst of ringing and the caller ID after it: two seconds, a pause, and at most a second and a half of data.
const CALLER_ID_TAKES: Duration = Duration::from_millis(4500);

impl Transfer {
    pub(super) fn complete(&mut self, now: Time) {
        match self.manners.complete {
            Completion::Recall(_) => {
                self.timers.stop_all();
                self.forget_attempts();
                self.flash(now, Why::Complete);
            }
            // leaving would drop them: all three stay together
            Completion::Stay | Completion::Never => self.flash_to_join(now),
            Completion::HangUp => self.leave(now, ""),
        }
    }

    pub(super) fn code_sent(&mut self, now: Time, why: Why) {
        match why {
            Why::Back => {
                self.code_sent_at = now;
                self.prove_caller(now);
            }
            Why::Join => self.listen_for_joining(now),
            _ => {
                self.code_sent_at = now;
                self.state = State::CompletionHeard;
                self.timers.set(Timer::Confirmed, now + Duration::from_secs(3));
            }
        }
    }

    pub(super) fn completion_heard(&mut self, now: Time, event: &Event) {
        match event {
            Event::Heard(Heard::Speech { .. }) => {
                // somebody still talks to us: the code was not taken, and hanging up now could drop both
                let target = shown(&self.plan.targets[self.target]);
                self.out.tell(Step::new(now, "complete").target(target).heard("speech").result("code not taken"));
                self.go_back(now);
            }
            Event::Heard(Heard::Tone { tone, .. })
                if tone.kind.is_dial_tone() && self.since_flash.tone_before_code && !self.since_flash.code_again =>
            {
                // our line is free, or the recall tone goes on: the digit was missed. Sent again it harms nobody, and a tone
                // that then stops was a free line's, or has now been heeded
                let target = shown(&self.plan.targets[self.target]);
                self.out.tell(Step::new(now, "complete").target(target).heard(tone.to_string()).result("again"));
                self.since_flash.code_again = true;
                self.timers.stop_all();
                self.send_code(Why::Complete);
            }
            Event::Heard(Heard::Tone { tone, .. }) if tone.kind.is_dial_tone() && self.since_flash.code_again => {
                self.completion_in_doubt(now, &tone.to_string());
            }
            Event::Heard(Heard::Tone { tone, .. }) if tone.kind.is_dial_tone() => {
                // the recall tone, late: the code fell on deaf ears
                self.since_flash.tone_before_code = true;
                self.state = State::Listening(Why::Complete);
                self.timers.stop_all();
                self.timers.set(Timer::SendDigits, now + RECEIVER_READY);
            }
            Event::Heard(Heard::Tone { tone, since }) => {
                self.doubtful |= !self.is_said_at_once(*since);
                self.completion_in_doubt(now, &tone.to_string());
            }
            _ => {}
        }
    }

    /// Another tone after the code is the release of our line, or the refusal of the code; silence may be either. Hanging
    /// up on a refusal would drop the caller. A flash back harms nobody: who is connected no longer hears us, and who is
    /// still held is with us again.
    pub(super) fn completion_in_doubt(&mut self, now: Time, heard: &str) {
        let target = shown(&self.plan.targets[self.target]);
        self.out.tell(Step::new(now, "complete").target(target).heard(heard.to_string()).result("asking back"));
        self.doubtful |= self.code_may_be_for_nobody();
        self.in_doubt = true;
        self.go_back(now);
    }

    /// The flash before the code brought no tone, where the one before the consultation did: it was not seen, and what sounds
    /// like our release is the tone of a call that is over. Or it brought a new call's.
    pub(super) fn code_may_be_for_nobody(&self) -> bool {
        self.new_call || !self.since_flash.tone_before_code
    }

    /// After a second code the dial tone has stopped.
    pub(super) fn completion_unanswered(&mut self, now: Time) {
        if self.since_flash.code_again {
            return self.leave(now, "dial tone, and silence after another code");
        }
        self.doubtful = true;
        self.completion_in_doubt(now, "nothing");
    }

    /// Nobody was brought back to us, and the receiver goes down. Exchanges ring back who hangs up while they hold somebody.
    pub(super) fn hang_up_on_nobody(&mut self, now: Time) {
        self.timers.stop_all();
        self.lost = true;
        self.out.act(Action::OnHook);
        self.state = State::Watching;
        self.timers.set(Timer::NoRecallRing, now + self.manners.recall_ring_watch);
    }

    pub(super) fn leave(&mut self, now: Time, heard: &str) {
        self.timers.stop_all();
        self.progress = None;
        self.second.is_there = false;
        let mut step = Step::new(now, "hang-up").target(shown(&self.plan.targets[self.target]));
        if !heard.is_empty() {
            step = step.heard(heard);
        }
        self.out.tell(step);
        self.out.act(Action::OnHook);
        self.state = State::Watching;
        self.timers.set(Timer::NoRecallRing, now + self.manners.recall_ring_watch);
    }

    pub(super) fn left(&mut self, now: Time, event: &Event) {
        match event {
            Event::CallerId(id) if self.state == State::Watching && self.is_somebody_else(id) => {
                if self.lost {
                    self.end(Transferred::PartyLost)
                } else {
                    self.rung_anew(now, id)
                }
            }
            Event::CallerId(id) if self.state == State::Watching => {
                self.since_flash.his_number |= self.caller.is_some() && id.number == self.caller;
            }
            // who it is comes before the first burst or after it, and a recall can wait for that
            Event::Ringing { burst: 0 | 1 } if self.state == State::Watching && self.caller.is_some() => {
                self.timers.stop(Timer::NoRecallRing);
                self.timers.set(Timer::WhoRings, now + CALLER_ID_TAKES);
            }
            Event::RingingStopped if self.timers.is_armed(Timer::WhoRings) => {
                self.timers.stop(Timer::WhoRings);
                self.timers.set(Timer::NoRecallRing, now + SETTLE);
            }
            Event::Ringing { .. } => {
                // the receiver was up before we knew that it rings, and who calls was not shown
                self.lifted_into_it = self.state == State::CheckingIdle;
                self.recalled(now);
            }
            Event::Heard(Heard::Tone { tone, .. }) if self.state == State::CheckingIdle && tone.kind.is_dial_tone() => {
                self.out.act(Action::OnHook);
                let watched = self.manners.recall_ring_watch.as_secs_f64();
                let proof = vec![format!("no recall ringing in {watched} s"), format!("{tone} tone on our line")];
                let heard = format!("no recall ringing, {tone} tone");
                self.line_is_free(Step::new(now, "check-line").heard(heard), proof);
            }
            Event::OtherTelephoneLifted { .. } if self.state == State::Watching => {
                // it is in our call, or in one of its own: whoever we would hear now proves nothing
                self.out.tell(Step::new(now, "check-line").heard(line::describe(event)).result("unproven"));
                self.end_unproven();
            }
            Event::Heard(Heard::Speech { .. }) if self.state == State::CheckingIdle => {
                // the exchange never let go of us, or rang us back this very moment, or somebody else called
                self.lifted_into_it = true;
                self.out.tell(Step::new(now, "check-line").heard("speech").result("lifted into a call"));
                self.caller_back(now, Evidence::Speech);
            }
            _ => {}
        }
    }

    /// A number is shown, and it is not that of whom we left.
    fn is_somebody_else(&self, id: &CallerId) -> bool {
        matches!((&self.caller, &id.number), (Some(caller), Some(number)) if caller != number)
    }

    /// A call of its own rings: so our line is free, and it is for whoever answers next.
    fn rung_anew(&mut self, now: Time, id: &CallerId) {
        let heard = format!("no recall, another call: {}", describe_caller(id));
        self.line_is_free(Step::new(now, "watch").heard(heard), vec!["no recall, another call on our line".into()]);
    }

    /// The exchange has nobody for us any more. Whether the two are together, or both were dropped before, is not heard.
    fn line_is_free(&mut self, step: Step, mut proof: Vec<String>) {
        let target = self.target;
        let assumed = self.manners.complete == Completion::HangUp && !self.manners.complete_is_known;
        if self.doubtful || assumed {
            self.out.tell(step.result("our line is free"));
            return self.end(Transferred::Unproven { target });
        }
        self.out.tell(step.result("proven"));
        if self.second.not_answered_yet {
            proof.push("still ringing when we left".into());
        }
        self.end(match self.at_voicemail() {
            true => Transferred::Voicemail { proof },
            false => Transferred::Completed { target, proof },
        });
    }

    /// Nothing tells what became of them.
    pub(super) fn end_unproven(&mut self) {
        let target = self.target;
        self.end(if self.lost { Transferred::PartyLost } else { Transferred::Unproven { target } });
    }

    pub(super) fn recalled(&mut self, now: Time) {
        self.out.tell(Step::new(now, "watch").heard("recall ringing").result("recalled"));
        self.since_flash.rung_back = true;
        // he may have been gone before, and this is a call of somebody else
        self.lifted_into_it |= self.lost && !self.since_flash.his_number;
        self.timers.stop_all();
        self.state = State::AnsweringRecall;
        self.out.act(Action::OffHook);
        self.timers.set(Timer::Settled, now + SETTLE);
    }
}
