//! The way back: the caller again, and heard to be there.

use super::super::{ANNOUNCED_AGAIN, Evidence, SURE_DISCONNECT, Step};
use super::flash::NO_PROGRESS_TONE_HZ;
use super::{BACK_ATTEMPTS, Goal, NO_TONE, RECEIVER_READY, State, Timer, Transfer, Transferred, WayBack, Why};
use crate::clock::Time;
use crate::event::{Action, Event, Heard, Tone, ToneKind};
use std::time::Duration;

/// Somebody who was left alone on hold says something within this time, or never.
const SPEAKS: Duration = Duration::from_secs(12);
/// In which an announcement in place of the recall tone has begun.
const ANNOUNCED: Duration = Duration::from_millis(6500);
/// After which an exchange tells who dials nothing to hang up; few wait for less than ten seconds.
const DIALS_NOTHING: Duration = Duration::from_millis(7500);
/// So often the way back is tried where the flash itself may have ended the call.
const ASKED_BACK_ATTEMPTS: u32 = 3;
/// So often the same tone answers the way back before a doubtful completion counts as done: so many flashes in a row are not
/// missed by an exchange that has seen the others.
const RELEASED_ATTEMPTS: u32 = 3;
const TWICE: u32 = 2;
/// A tone said at once, of which a burst of noise has hidden what was heard so far.
const CUT_INTO: Duration = Duration::from_secs(3);
/// From the code until the last of the recall tone has come to us, over a satellite.
const TAIL: Duration = Duration::from_millis(800);

pub(super) fn is_heard_by_who_is_left_alone(kind: ToneKind) -> bool {
    matches!(kind, ToneKind::Busy | ToneKind::Congestion | ToneKind::Disconnect | ToneKind::Howler)
}

impl Transfer {
    /// The user wants the caller back. Only while resting.
    pub fn retrieve(&mut self, now: Time) {
        self.go_back(now);
    }

    fn caller_gone(&mut self, now: Time, heard: String) {
        self.out.tell(Step::new(now, "back").heard(heard).result("caller hung up"));
        self.end(Transferred::CallerGone);
    }

    /// The loop was open for a moment: the far side hung up, or a contact is loose.
    pub(super) fn loop_opened(&mut self, open: Duration) {
        self.back.disconnected = true;
        self.back.let_go |= open >= SURE_DISCONNECT;
    }

    /// Who is there goes on speaking, and where nobody is the exchange gives a tone, or nothing at all.
    fn listen_after(&mut self, now: Time, open: Duration) {
        let heard = format!("forward disconnect {} ms", open.as_millis());
        self.out.tell(Step::new(now, "back").heard(heard).result("listening"));
        self.loop_opened(open);
        self.timers.set(Timer::NoToneHeard, now + SPEAKS);
    }

    /// Where no flash brought a tone, a late one of an exchange that holds him may follow a loose contact: then only a long
    /// opening tells, and a tone that no exchange gives for a flash.
    fn loop_told_of_a_hang_up(&self, tone: Tone) -> bool {
        let no_recall_tone = tone.is(ToneKind::Dial) && !tone.is(ToneKind::RecallDial);
        self.back.disconnected && (!self.silent_hold || (self.back.let_go && no_recall_tone))
    }

    /// What comes is the first flash of another way.
    pub(super) fn forget_attempts(&mut self) {
        self.back.attempts = 0;
        self.back.hidden = 0;
        self.back.seen = false;
    }

    pub(super) fn go_back(&mut self, now: Time) {
        self.timers.stop_all();
        self.progress = None;
        // told to end on the way back, what that has led to still holds
        let nobody_held = self.back.nobody_held && self.aborted;
        self.back = WayBack { nobody_held, ..WayBack::default() };
        self.flash(now, Why::Back);
    }

    pub(super) fn prove_caller(&mut self, now: Time) {
        self.state = State::ProvingCaller;
        self.since_flash.strange_tone = false;
        self.timers.stop_all();
        // a moment without battery before this flash: who went in it speaks no more
        let listen_long = self.silent_hold || self.in_doubt || self.back.disconnected || self.code(Why::Back).is_some();
        // after ringback a silence may be its pause, not the caller's
        let listen = if listen_long {
            SPEAKS
        } else if self.may_be_announced() {
            ANNOUNCED_AGAIN
        } else if self.last_heard == Some(ToneKind::Ringback) {
            self.manners.ringback_gap + Duration::from_millis(2500)
        } else {
            // a flash too many brings the recall tone, which takes its time on some exchanges
            NO_TONE.max(self.recall.tone_took + RECEIVER_READY)
        };
        self.timers.set(Timer::NoToneHeard, now + listen);
    }

    pub(super) fn proving(&mut self, now: Time, event: &Event) {
        match event {
            Event::Heard(Heard::Tone { .. }) | Event::ForwardDisconnect { .. } if self.since_flash.rung_back => {
                // whoever rang is gone: a caller whom the exchange sent back, or somebody else
                self.out.tell(Step::new(now, "back").heard("nobody speaks").result("unproven"));
                self.out.act(Action::OnHook);
                self.end_unproven();
            }
            // so soon after a flash it may be the exchange that speaks
            Event::Heard(Heard::Speech { .. }) if self.silent_hold && now.since(self.flashed_at) < ANNOUNCED => {
                self.since_flash.speech = true;
            }
            // nor, after a silence as long as this, what it says to who dials nothing
            Event::Heard(Heard::Speech { since })
                if self.silent_hold && !self.since_flash.speech && since.since(self.flashed_at) > DIALS_NOTHING => {}
            // an announcement goes on when the flash was not taken: then its tones come again
            Event::Heard(Heard::Speech { .. }) if self.may_be_announced() => self.since_flash.speech = true,
            // the second party is silent only where the exchange has put him on hold, and it said nothing of it
            Event::Heard(Heard::Speech { .. }) if self.may_be_the_second_party() => self.since_flash.speech = true,
            Event::Heard(Heard::Speech { .. }) if self.may_be_noise_over_a_tone() => {
                let until = self.timers.next().filter(|_| self.since_flash.speech).unwrap_or(now + NO_TONE);
                self.since_flash.speech = true;
                self.timers.set(Timer::NoToneHeard, until);
            }
            Event::Heard(Heard::Speech { .. }) => self.caller_back(now, Evidence::Speech),
            Event::ForwardDisconnect { open } => self.listen_after(now, *open),
            // something sounded until then that has no name yet: noise, or a tone that noise has cut into
            Event::Heard(Heard::Silence { since }) if !self.since_flash.speech => {
                self.since_flash.silence = true;
                self.listen_until(*since + NO_TONE);
            }
            // and this may be a pause of that tone, which is known no sooner than one that begins now
            Event::Heard(Heard::Silence { .. }) => {
                self.since_flash.silence = true;
                if self.may_be_noise_over_a_tone() {
                    self.listen_until(now + NO_TONE);
                }
            }
            Event::Heard(Heard::OtherTone { hz, .. }) if self.silent_hold && *hz > NO_PROGRESS_TONE_HZ => {
                self.caller_back(now, Evidence::OtherTone);
            }
            Event::Heard(Heard::OtherTone { .. }) => self.since_flash.strange_tone = true,
            Event::Heard(Heard::Tone { tone, .. }) if tone.kind.is_in_conversation() => self.since_flash.beeped = true,
            Event::Heard(Heard::Tone { tone, .. })
                if tone.kind.is_dial_tone() && !self.since_flash.tone_before_code && self.code(Why::Back).is_some() =>
            {
                // the recall tone, late: the code fell on deaf ears, and another flash would be as early
                self.since_flash.tone_before_code = true;
                self.state = State::Listening(Why::Back);
                self.timers.stop_all();
                self.timers.set(Timer::SendDigits, now + RECEIVER_READY);
            }
            // what was on its way when the code was sent comes late over a long way, and is over soon
            Event::Heard(Heard::Tone { tone, since })
                if (tone.kind.is_dial_tone() || tone.is(ToneKind::Ringback))
                    && self.code(Why::Back).is_some()
                    && self.since_flash.tone_before_code
                    && self.since_flash.tail.is_none()
                    && self.is_said_at_once(*since) =>
            {
                self.since_flash.tail = Some((*tone, *since));
                self.timers.set(Timer::ToneGoesOn, now + TAIL);
            }
            Event::Heard(Heard::ToneEnded { .. }) if self.timers.is_armed(Timer::ToneGoesOn) => {
                self.timers.stop(Timer::ToneGoesOn);
                self.timers.set(Timer::NoToneHeard, now + SPEAKS);
            }
            Event::Heard(Heard::Tone { tone, since }) => self.tone_on_the_way_back(now, *tone, *since),
            _ => {}
        }
    }

    fn listen_until(&mut self, at: Time) {
        let at = at.min(self.flashed_at + SPEAKS);
        let until = self.timers.next().map_or(at, |until| until.max(at));
        self.timers.set(Timer::NoToneHeard, until);
    }

    /// A tone of the exchange where the caller should be.
    pub(super) fn tone_on_the_way_back(&mut self, now: Time, tone: Tone, since: Time) {
        let by_flash = self.code(Why::Back).is_none();
        if self.silent_hold && tone.kind.is_dial_tone() && by_flash && !self.loop_told_of_a_hang_up(tone) {
            return self.recall_tone_at_last(now, tone);
        }
        if self.in_doubt && self.since_flash.tone_before_code {
            match self.recall.tone {
                // a free line has the same
                Some(recall) if recall.is(ToneKind::Dial) => self.doubtful = true,
                // it holds somebody: the code was not taken
                _ => self.in_doubt &= self.new_call,
            }
        }
        let alone = is_heard_by_who_is_left_alone(tone.kind);
        if self.in_doubt && alone && self.back.attempts + 1 >= RELEASED_ATTEMPTS {
            // the exchange has nobody for us: the code was taken, and the two are together
            self.in_doubt = false;
            return self.leave(now, &tone.to_string());
        }
        self.second.is_there = false;
        self.back.nobody_held &= !tone.kind.is_dial_tone();
        if !self.back.seen {
            self.back.nobody_held |= self.says_that_nobody_is_held(since, tone);
            // a release is said at once; this is what an unfinished number brings, in a call of its own
            self.doubtful |= self.in_doubt && !self.is_said_at_once(since);
        }
        self.back.seen |= self.last_heard != Some(tone.kind) || self.since_flash.tone_before_code;
        self.back.attempts += 1;
        let ms = self.flash_width().as_millis() as u64;
        let step = Step::new(now, "back").ms(ms).heard(tone.to_string());
        // each one may be a hang-up and a new call to an exchange that wants shorter ones
        let attempts = match () {
            _ if self.recall.checking.is_some() => ASKED_BACK_ATTEMPTS,
            // the loop was open, and now a tone: twice is no accident
            _ if self.loop_told_of_a_hang_up(tone) && !self.in_doubt => TWICE,
            // the call that failed goes on, and so does the hold
            _ if !self.back.seen => 2 * BACK_ATTEMPTS,
            _ => BACK_ATTEMPTS,
        };
        if self.back.attempts < attempts {
            self.out.tell(step.result("again"));
            self.last_heard = Some(tone.kind);
            self.settle(now, Why::Back);
        } else if self.loop_told_of_a_hang_up(tone) || self.back.nobody_held {
            self.caller_gone(now, format!("{tone} tone"));
        } else {
            if self.recall.checking.is_some() {
                self.out.tell(step.result("flash taken for a hang-up"));
                return self.end(Transferred::PartyLost);
            }
            self.out.tell(step.result("party-lost"));
            self.hang_up_on_nobody(now);
        }
    }

    /// The recall tone is heard on after the code: a receiver that was not ready yet has missed it, and after another flash
    /// would miss it again. A digit stops the tone, so that none has been taken.
    pub(super) fn recall_tone_goes_on(&mut self, now: Time, tone: Tone, since: Time) {
        if self.since_flash.code_again || !tone.kind.is_dial_tone() {
            return self.tone_on_the_way_back(now, tone, since);
        }
        self.out.tell(Step::new(now, "back").heard(tone.to_string()).result("the code again"));
        self.since_flash.code_again = true;
        self.timers.stop_all();
        self.send_code(Why::Back);
    }

    /// No flash seemed to bring a recall tone, and it only took longer than we listened: the width is right, and he is on
    /// hold since that flash.
    fn recall_tone_at_last(&mut self, now: Time, tone: Tone) {
        let ms = self.flash_width().as_millis() as u64;
        self.out.tell(Step::new(now, "back").ms(ms).heard(tone.to_string()).result("a late recall tone, asking back"));
        self.silent_hold = false;
        self.recall.width_taken = Some(self.recall.width);
        self.recall.tone_took = now.since(self.flashed_at);
        self.recall.checking = Some(tone);
        self.back = WayBack::default();
        self.settle(now, Why::Back);
    }

    /// Whom we left said so with an announcement, which has a voice as well.
    fn may_be_announced(&self) -> bool {
        matches!(self.last_heard, Some(ToneKind::Sit | ToneKind::NumberUnobtainable))
    }

    /// The last flash was not seen, and the tone of the call that failed went on: when this one is not seen either, what is
    /// heard over that tone is noise, and the tone comes again.
    fn may_be_noise_over_a_tone(&self) -> bool {
        self.back.attempts + self.back.hidden > 0
            && !self.silent_hold
            && self.last_heard.is_some_and(is_heard_by_who_is_left_alone)
    }

    /// Where the way back begins with a recall tone and none came, the flash may not have been seen, and who is heard is
    /// whom we talked with before, or who rang and has answered in this moment. By a flash alone nothing tells, until it has
    /// taken the second party out in vain.
    fn may_be_the_second_party(&self) -> bool {
        let is_there = self.second.is_there || self.last_heard == Some(ToneKind::Ringback);
        self.back.released_in_vain || (is_there && self.code(Why::Back).is_some() && !self.since_flash.tone_before_code)
    }

    /// After the code, and not when the exchange has waited for digits in vain: those times are two seconds and more.
    pub(super) fn is_said_at_once(&self, since: Time) -> bool {
        let code = self.code_sent_at;
        code <= since + Duration::from_millis(100) && since < code + Duration::from_millis(1500)
    }

    /// Or it is heard from where noise had cut into it: before it was no silence, as there is when the exchange waits.
    fn has_sounded_since_the_code(&self, since: Time) -> bool {
        self.is_said_at_once(since) || (!self.since_flash.silence && since < self.code_sent_at + CUT_INTO)
    }

    /// The way back was taken and led to the tone that who is left alone hears: the caller has hung up. A new call's dial
    /// tone, the tone of the call that failed, or one that an unfinished number brings, say no such thing.
    fn says_that_nobody_is_held(&self, since: Time, tone: Tone) -> bool {
        is_heard_by_who_is_left_alone(tone.kind)
            && match self.code(Why::Back) {
                Some(_) => {
                    self.since_flash.tone_before_code && !self.new_call && self.has_sounded_since_the_code(since)
                }
                None => self.last_heard.is_none_or(|left| !tone.is(left)),
            }
    }

    /// The time for a tone is over, and there was none.
    pub(super) fn no_tone_heard(&mut self, now: Time) {
        let silent = !self.since_flash.speech && !self.since_flash.strange_tone;
        let as_before = (silent || self.may_be_the_second_party()) && self.code(Why::Back).is_some();
        if as_before && !self.back.asked_again {
            // A digit that the register did not get leaves the same silence. Who is back goes on hold and comes back once more.
            self.back.asked_again = true;
            let heard = if silent { "nobody speaks" } else { "no recall tone, speech" };
            self.out.tell(Step::new(now, "back").heard(heard).result("again"));
            return self.settle(now, Why::Back);
        }
        let evidence = match (self.since_flash.speech, self.since_flash.strange_tone) {
            (true, _) => Evidence::Speech,
            (false, true) => Evidence::OtherTone,
            (false, false) => Evidence::NoTone,
        };
        self.caller_back(now, evidence);
    }

    /// A flash with each width in turn has brought no voice back.
    pub(super) fn nobody_speaks(&mut self, now: Time) {
        self.out.tell(Step::new(now, "back").ms(self.flash_width().as_millis() as u64).heard("nobody speaks"));
        match self.recall.width.checked_sub(1) {
            Some(width) => {
                self.recall.width = width;
                self.settle(now, Why::Back);
            }
            None => self.end(Transferred::FlashUnproven),
        }
    }

    pub(super) fn caller_back(&mut self, now: Time, evidence: Evidence) {
        self.timers.stop_all();
        let whose = self.may_be_the_second_party() || self.lifted_into_it || self.others;
        self.last_heard = None;
        self.in_doubt = false;
        self.caller_here = true;
        let result = if whose { "whose voice it is, nothing tells" } else { "caller is back" };
        self.out.tell(Step::new(now, "back").heard(evidence.name()).result(result));
        if self.silent_hold {
            let others = self.others && self.recall.went_out;
            return self.end(if others { Transferred::CallerUnproven } else { Transferred::FlashUnanswered });
        }
        // who went when the loop was open would have left a tone sooner or later; who is silent may not be there
        let loop_was_open = std::mem::take(&mut self.back.disconnected);
        self.second.not_answered_yet = false;
        let silent_register = evidence == Evidence::NoTone && (loop_was_open || self.code(Why::Back).is_some());
        if let Some(tone) = self.recall.checking.take().filter(|_| !self.aborted) {
            self.recall.checked = Some(tone);
            self.doubtful = silent_register;
            return self.settle(now, Why::Consult);
        }
        // the tone of the failed call may go on, out of tune and out of time
        let beeps = self.since_flash.beeped && evidence == Evidence::NoTone;
        // a register that has taken our digit is as silent as a caller who holds his breath
        self.unproven = silent_register || whose || beeps;
        // By a flash alone, who answered is in a three-way call with us now, or was never left. The next flash takes him out
        // of it; the recall tone, which only the caller alone has, tells that he is.
        let three_way = self.second.is_there && self.code(Why::Back).is_none();
        let silent = evidence == Evidence::NoTone;
        // who may still be with the second party is not put on hold for a third
        let ends = (self.aborted && !(three_way && silent)) || whose || (self.plan.goal == Goal::Hold && self.unproven);
        if ends {
            return self.nobody_took_it(evidence);
        }
        self.second.is_there = false;
        if three_way && (self.aborted || self.is_last()) {
            self.out.tell(Step::new(now, "release").heard(evidence.name()).result("asking back"));
            self.releasing = true;
            return self.settle(now, Why::Consult);
        }
        if self.plan.goal == Goal::Hold {
            return self.end(Transferred::Retrieved { evidence });
        }
        self.target += 1;
        if self.target >= self.plan.targets.len()
            && !self.voicemail_tried
            && let Some(mailbox) = self.plan.voicemail.clone()
        {
            self.voicemail_tried = true;
            self.plan.targets.push(mailbox);
        }
        if self.target < self.plan.targets.len() {
            self.settle(now, Why::Consult);
        } else {
            self.nobody_took_it(evidence);
        }
    }

    /// Nobody is left to be tried, whose consultation would have told the same.
    fn is_last(&self) -> bool {
        let mailbox = self.plan.voicemail.is_some() && !self.voicemail_tried;
        self.plan.goal != Goal::Transfer || (self.target + 1 >= self.plan.targets.len() && !mailbox)
    }

    fn nobody_took_it(&mut self, evidence: Evidence) {
        self.end(match self.unproven {
            true => Transferred::CallerUnproven,
            false => Transferred::CallerBack { evidence },
        });
    }
}
