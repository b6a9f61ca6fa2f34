//! The flash, and what the exchange says to it: which width it takes, and whether it gives the recall tone.

use super::super::{Completion, Step};
use super::{
    BACK_ATTEMPTS, CODE_DELAY, Goal, PUT_OFF_AT_THE_END, PUT_OFF_MAX, RECEIVER_READY, SETTLE_BETWEEN_FLASHES,
    SinceFlash, State, Timer, Transfer, Transferred, back,
};
use super::{UNANSWERED_MAX, Why};
use crate::clock::Time;
use crate::event::{Action, Event, Heard, Tone, ToneKind};
use crate::number::DialString;
use std::time::Duration;

/// Progress tones end at 650 Hz with their tolerance (E.180 Supplement 2); information tones sound for a third of a second.
pub(super) const NO_PROGRESS_TONE_HZ: u16 = 700;

impl Transfer {
    pub(super) fn flash(&mut self, now: Time, why: Why) {
        if self.put_off_for_who_waits(now, why) {
            return;
        }
        self.since_flash = SinceFlash::default();
        self.caller_here = false;
        self.state = State::Flashing(why);
        self.out.act(Action::Flash(self.flash_width()));
    }

    /// With another caller waiting, a flash takes his call, and R1 ends the first one for it: no flash before he has given up.
    fn put_off_for_who_waits(&mut self, now: Time, why: Why) -> bool {
        if now >= self.waiting.until {
            self.waiting.put_off = None;
            return false;
        }
        let since = *self.waiting.put_off.get_or_insert_with(|| {
            self.out.tell(Step::new(now, "flash").heard("call waiting").result("put off until nobody waits"));
            now
        });
        let patience = if self.aborted { PUT_OFF_AT_THE_END } else { PUT_OFF_MAX };
        if now.since(since) < patience {
            self.state = State::Settling(why);
            self.timers.stop_all();
            self.timers.set(Timer::Settled, self.waiting.until.min(since + patience));
            return true;
        }
        if why == Why::Consult && self.caller_here {
            self.end(Transferred::FlashUnanswered);
            return true;
        }
        false
    }

    pub(super) fn flash_width(&self) -> Duration {
        let i =
            self.recall.width_taken.unwrap_or(self.recall.width.min(self.manners.flash_widths.len().saturating_sub(1)));
        self.manners.flash_widths.get(i).copied().unwrap_or(Duration::from_millis(500))
    }

    pub(super) fn flashed(&mut self, now: Time, why: Why) {
        self.state = State::Listening(why);
        self.flashed_at = now;
        if why != Why::Consult
            && let Some(held) = self.since_flash.loop_held.take()
        {
            return self.not_seen(now, why, held);
        }
        self.recall.went_out |= self.since_flash.loop_held.is_none();
        match why {
            Why::Consult => {
                let wait = self.manners.recall_tone_wait.max(self.recall.tone_took + Duration::from_secs(1));
                self.timers.set(Timer::NoRecallTone, now + wait);
            }
            Why::Back if self.code(why).is_none() => self.prove_caller(now),
            Why::Join if self.code(why).is_none() => self.listen_for_joining(now),
            // the second time the register has all the time that it may need
            Why::Back if self.back.asked_again => self.timers.set(Timer::SendDigits, now + 2 * self.code_delay()),
            Why::Back | Why::Complete | Why::Join => self.timers.set(Timer::SendDigits, now + self.code_delay()),
        }
    }

    /// In which the tone would have come and been known, on an exchange that gives one before its codes.
    fn code_delay(&self) -> Duration {
        CODE_DELAY.max(self.recall.tone_took + RECEIVER_READY)
    }

    pub(super) fn send_code(&mut self, why: Why) {
        self.state = State::SendingCode(why);
        let code = self.code(why).unwrap_or_else(|| DialString::from_iter([]));
        self.out.act(Action::Dial(code, self.manners.dial_method));
    }

    /// The digits that follow the recall for this purpose, if any.
    pub(super) fn code(&self, why: Why) -> Option<DialString> {
        match (why, &self.manners.complete) {
            (Why::Complete, Completion::Recall(code)) => Some(code.clone()),
            (Why::Back, _) => self.manners.back.trim_start_matches('R').trim().parse().ok(),
            (Why::Join, _) => self.manners.join.as_deref()?.trim_start_matches('R').trim().parse().ok(),
            _ => None,
        }
    }

    pub(super) fn listening(&mut self, now: Time, why: Why, event: &Event) {
        // a steady sound above all progress tones is somebody's line; a lower one may be a recall tone out of tune
        match event {
            Event::Heard(Heard::OtherTone { hz, .. }) if *hz > NO_PROGRESS_TONE_HZ => {
                self.since_flash.strange_tone = true
            }
            Event::Heard(Heard::OtherToneEnded { .. }) => self.since_flash.strange_tone = false,
            Event::Heard(Heard::Speech { .. }) if self.recall.width_taken.is_none() => self.since_flash.speech = true,
            Event::ForwardDisconnect { open } if why == Why::Consult => self.loop_opened(*open),
            _ => {}
        }
        let Event::Heard(Heard::Tone { tone, .. }) = event else { return };
        if why != Why::Consult && tone.kind.is_dial_tone() && !self.since_flash.tone_before_code {
            // the register is ready: no need to wait for the time at which others are
            self.since_flash.tone_before_code = true;
            self.new_call = tone.is(ToneKind::Dial) && !self.recall.tone.is_some_and(|t| t.is(ToneKind::Dial));
            self.timers.set(Timer::SendDigits, now + RECEIVER_READY);
            return;
        }
        if why == Why::Consult && !self.releasing && back::is_heard_by_who_is_left_alone(tone.kind) {
            // the caller hung up before the flash, or in it; or this exchange refuses it: the way back tells
            self.out.tell(Step::new(now, "flash").heard(tone.to_string()).result("asking back"));
            self.forget_attempts();
            self.back.disconnected = true;
            return self.settle(now, Why::Back);
        }
        if why == Why::Consult && tone.kind.is_dial_tone() && self.timers.is_armed(Timer::NoRecallTone) {
            let too_short = if self.recall.width_taken.is_none() { self.too_short() } else { None };
            self.recall.width_taken = Some(self.recall.width_taken.unwrap_or(self.recall.width));
            self.recall.tone_took = now.since(self.flashed_at);
            self.recall.tone = Some(*tone);
            self.new_call = false;
            self.may_hold_nobody = tone.is(ToneKind::Dial);
            self.recall.unanswered = 0;
            self.timers.stop_all();
            let ms = self.flash_width().as_millis() as u64;
            let step = Step::new(now, "flash").ms(ms).heard(tone.to_string());
            if std::mem::take(&mut self.releasing) {
                self.out.tell(step.result("second party released"));
                self.forget_attempts();
                return self.settle(now, Why::Back);
            }
            if self.may_be_a_new_call(*tone) {
                // whoever answers now would be taken for the target of a transfer, and later for the caller
                self.out.tell(step.result("asking back"));
                self.recall.checking = Some(*tone);
                self.forget_attempts();
                return self.settle(now, Why::Back);
            }
            self.out.tell(match too_short {
                Some(width) => step.result(format!("{}ms was too short for this exchange", width.as_millis())),
                None => step,
            });
            self.back.disconnected = false;
            if self.aborted {
                return self.go_back(now);
            }
            if self.plan.goal == Goal::Hold {
                self.state = State::Held;
                self.out.done(Transferred::Held { heard: tone.to_string() });
            } else {
                self.timers.set(Timer::SendDigits, now + RECEIVER_READY);
            }
        }
    }

    /// The longest of the flashes that this exchange did not take, where a longer one was: what it took for a bounce or a
    /// click. One that is too long is not without an answer, but taken for a hang-up.
    fn too_short(&self) -> Option<Duration> {
        let tried = self.manners.flash_widths.get(..self.recall.width)?;
        tried.iter().copied().filter(|w| *w < self.flash_width()).max()
    }

    /// An exchange that takes our flash for a hang-up gives dial tone, too: the caller is gone, and what we dial is a call
    /// of its own. Where the recall tone does not tell it apart, only the caller's voice does. Not asked where the user
    /// decides what comes next.
    fn may_be_a_new_call(&self, tone: Tone) -> bool {
        let known = self.recall.checked == Some(tone);
        tone.is(ToneKind::Dial) && !known && self.plan.goal != Goal::Hold && !self.aborted
    }

    /// Whoever is heard now is whom we talked with before: that is not the caller.
    fn not_seen(&mut self, now: Time, why: Why, held: String) {
        self.back.hidden += 1;
        let ms = self.flash_width().as_millis() as u64;
        let name = match why {
            Why::Consult => "flash",
            Why::Back => "back",
            Why::Complete => "complete",
            Why::Join => "join",
        };
        let step = Step::new(now, name).ms(ms).heard(held);
        if self.back.hidden < BACK_ATTEMPTS {
            self.out.tell(step.result("not seen by the exchange, again"));
            self.settle(now, why);
        } else {
            self.out.tell(step.result("not seen by the exchange"));
            self.end(Transferred::CallerUnproven);
        }
    }

    pub(super) fn no_recall_tone(&mut self, now: Time) {
        let ms = self.flash_width().as_millis() as u64;
        if let Some(held) = self.since_flash.loop_held.take() {
            self.out.tell(Step::new(now, "flash").ms(ms).heard(held).result("not seen by the exchange"));
            if self.recall.went_out {
                // one before may have put the caller on hold without a tone: he is not claimed to be here
                self.silent_hold = true;
                self.recall.width = self.manners.flash_widths.len();
                return self.prove_caller(now);
            }
            // the exchange has seen no flash of any width, and cannot before that telephone is hung up
            self.caller_here = true;
            return self.end(Transferred::FlashUnanswered);
        }
        self.out.tell(Step::new(now, "flash").ms(ms).heard("no recall tone"));
        if self.recall.width_taken.is_none() {
            self.recall.width += 1;
            if self.recall.width < self.manners.flash_widths.len() && !self.aborted {
                self.settle(now, Why::Consult);
            } else if self.since_flash.strange_tone {
                self.end(Transferred::FlashUnanswered);
            } else {
                // an exchange that holds without a tone, or with a spoken word, has the caller waiting now
                self.silent_hold = true;
                self.recall.width = self.manners.flash_widths.len();
                self.prove_caller(now);
            }
            return;
        }
        // This exchange takes this width. Where the flash back had made a three-way call with the failed leg, this one
        // has dropped that leg (Asterisk does so, and the three-way service of North America): the next one recalls.
        self.recall.unanswered += 1;
        if self.recall.unanswered < UNANSWERED_MAX {
            self.settle(now, Why::Consult);
        } else {
            self.recall.unanswered = 0;
            self.forget_attempts();
            self.back.released_in_vain = std::mem::take(&mut self.releasing);
            self.prove_caller(now);
        }
    }

    pub(super) fn settle(&mut self, now: Time, why: Why) {
        self.state = State::Settling(why);
        self.timers.stop_all();
        self.timers.set(Timer::Settled, now + SETTLE_BETWEEN_FLASHES);
    }
}
