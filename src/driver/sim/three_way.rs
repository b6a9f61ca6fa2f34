//! Recall and what follows: hold, consultation, back, conference, and leaving the other two together.
//!
//! ```text
//!                       flash                    answered                 flash
//!   talking ──▶ held + recall dial tone ──▶ held + second call ──▶ conference (North America)
//!      ▲                   │ flash                  │ busy, ringing         R1 back · R2 swap
//!      ╰───────────────────┴────────────────────────╯ flash, or R1          R3 conference · R4 leave
//!
//!   with a waiting call taken (call_waiting.rs) a flash swaps instead, and hanging up rings the held one back
//!
//!   hang-up with somebody held:  transfer = on-hang-up  connects the two, if the second answered (or rings, by class)
//!                                         = explicit    R4 would have; what is held is stranded
//!                                         = none        everybody is dropped
//!                                stranded: dropped, or rung back to us, by `busy_hangup`
//! ```

use super::census::{Condition, Loss, With};
use super::exchange::{Exchange, Leg, Progress, Service, Timer};
use super::programme;
use super::scenario::{BusyHangup, NonEmpty, Ordinal, TransferClass};
use crate::clock::Time;
use crate::event::ToneKind;
use std::time::Duration;

/// A break this long that was closed again was no hang-up in its maker's mind.
const MEANT_AS_A_FLASH: Duration = Duration::from_millis(1600);
/// How soon a stranded party is rung back to us.
const RING_BACK: Duration = Duration::from_millis(1500);

/// A call that lives without us: a held party handed on, or waiting to be rung back.
#[derive(Debug)]
pub(super) struct Liaison {
    party: usize,
    target: Option<Leg>,
    /// When the party is brought back to us, unless the target has answered by then.
    recall_at: Time,
    /// When the two have said all they had to say.
    ends_at: Time,
}

impl Exchange {
    pub(super) fn recall(&mut self, now: Time, lasted: Duration) {
        self.tell(now, format!("sees flash {}ms", lasted.as_millis()));
        if self.service != Service::OffHook {
            return;
        }
        if !self.class.flash_service {
            self.tell(now, "offers no flash service");
            return;
        }
        self.flashes += 1;
        let fault =
            |list: &Option<NonEmpty<Ordinal>>| list.as_ref().is_some_and(|l| l.0.contains(&Ordinal(self.flashes)));
        if fault(&self.faults.flash_ignored) {
            self.tell(now, "misses that flash");
            return;
        }
        if fault(&self.faults.flash_taken_as_hang_up) {
            self.tell(now, "takes that flash for a hang-up");
            self.on_hook(now, now - lasted);
            self.off_hook(now);
            return;
        }
        if self.held.is_none() {
            self.swaps = false;
        }
        let answered = self.active.is_some_and(|l| l.progress == Progress::Answered);
        match (self.active, self.held) {
            // R waits for its digit, unless there is nobody to be held meanwhile
            (_, None) if self.waiting.is_some() && !(self.class.r_digits && answered) => self.take_waiting(now),
            (Some(_), None) if answered => self.hold(now),
            (_, None) => self.tell(now, "has nobody to hold"),
            (_, Some(_)) if self.class.r_digits => self.await_r_digit(now),
            (Some(_), Some(_)) if self.conference => self.drop_last_party(now),
            (Some(_), Some(_)) if answered && self.swaps => self.swap(now),
            (Some(_), Some(_)) if answered && self.register.is_none() => self.confer(now),
            (_, Some(_)) => self.back_to_held(now),
        }
    }

    fn hold(&mut self, now: Time) {
        let Some(leg) = self.active.take() else { return };
        self.put_on_hold(now, leg);
        self.recall_tone_soon(now);
    }

    pub(super) fn put_on_hold(&mut self, now: Time, leg: Leg) {
        if let Some(p) = leg.party {
            let set = &mut self.sets[p];
            set.party.put_on_hold();
            set.condition = Condition::OnHold;
            set.gives_up = set.party.patience.map_or(Time::NEVER, |d| now + d);
            self.told_of(now, p, "is on hold");
        }
        self.held = Some(leg);
    }

    fn recall_tone_soon(&mut self, now: Time) {
        self.detach_register();
        self.player.stop();
        let late = self.faults.recall_tone_delay_ms.map_or(Duration::ZERO, |m| m.0);
        let delay = self.rng.ms(150, 350);
        self.timers.set(Timer::RecallTone, now + delay + late);
    }

    /// Leaves the second call, whatever it came to, and takes the held party back.
    pub(super) fn back_to_held(&mut self, now: Time) {
        self.detach_register();
        self.player.stop();
        if let Some(leg) = self.active.take() {
            self.release_leg(now, leg);
        }
        self.active = self.held.take();
        self.talk(now);
    }

    /// The active leg is what we hear again.
    fn talk(&mut self, now: Time) {
        let Some(leg) = self.active else { return };
        match (leg.progress, leg.party) {
            (Progress::Answered, Some(p)) => {
                self.sets[p].condition = Condition::Talking(With::Us);
                self.sets[p].gives_up = Time::NEVER;
                self.sets[p].party.reconnect(now);
                self.told_of(now, p, "talks with us");
            }
            (Progress::Gone, _) => self.tell_far_end_gone(now),
            (Progress::Alerting, _) => self.play(now, programme::one(ToneKind::Ringback)),
            (Progress::Failed, _) => self.play(now, self.refused(ToneKind::Congestion)),
            (Progress::Routing, _) | (Progress::Answered, None) => {}
        }
    }

    fn confer(&mut self, now: Time) {
        let (Some(a), Some(h)) = (self.active.and_then(|l| l.party), self.held.and_then(|l| l.party)) else { return };
        if self.held.is_some_and(|l| l.progress == Progress::Gone) {
            self.tell(now, "has nobody on hold any more");
            self.held = None;
            return;
        }
        self.conference = true;
        for (one, other) in [(a, h), (h, a)] {
            self.sets[one].condition = Condition::Talking(With::Both(self.sets[other].party.number.clone()));
            self.sets[one].gives_up = Time::NEVER;
            self.sets[one].party.reconnect(now);
        }
        self.tell(now, "conference");
    }

    fn drop_last_party(&mut self, now: Time) {
        if let Some(leg) = self.active.take() {
            self.release_leg(now, leg);
        }
        self.active = self.held.take();
        self.conference = false;
        self.talk(now);
    }

    /// One of three has gone: the rest is an ordinary call.
    pub(super) fn leave_conference(&mut self) {
        self.conference = false;
        if let Some(p) = self.active.and_then(|l| l.party) {
            self.sets[p].condition = Condition::Talking(With::Us);
        }
    }

    /// ETSI: after R with a second call, both wait until a digit says what is meant.
    fn await_r_digit(&mut self, now: Time) {
        if let Some(p) = self.active.filter(|l| l.progress == Progress::Answered).and_then(|l| l.party)
            && !self.conference
        {
            self.sets[p].party.put_on_hold();
            self.sets[p].condition = Condition::OnHold;
        }
        self.recall_tone_soon(now);
    }

    /// Takes the first digit after R, if it is one of 0 to 4 and cannot be the beginning of a number.
    pub(super) fn r_digit(&mut self, now: Time, digits: &str) -> bool {
        if !self.class.r_digits || digits.len() != 1 {
            return false;
        }
        let may_be_a_number = self.active.is_none()
            && self.waiting.is_none()
            && self.sets.iter().any(|s| s.party.number.starts_with(digits));
        !may_be_a_number && self.late_r_digit(now, digits)
    }

    /// The same when nothing followed it.
    pub(super) fn late_r_digit(&mut self, now: Time, digits: &str) -> bool {
        let two = self.active.is_some();
        if !self.class.r_digits || digits.len() != 1 || !(two || matches!(digits, "0" | "1" | "2")) {
            return false;
        }
        self.tell(now, format!("takes R{digits}"));
        if self.r_digit_for_waiting(now, digits) {
            return true;
        }
        self.detach_register();
        self.player.stop();
        let answered = self.active.is_some_and(|l| l.progress == Progress::Answered);
        match digits {
            "0" => self.release_held(now),
            "1" => {
                self.conference = false;
                self.back_to_held(now);
            }
            "2" if answered && !self.conference => self.swap(now),
            "2" => {
                self.conference = false;
                self.back_to_held(now);
            }
            "3" if answered => self.confer(now),
            "4" if self.class.transfer == TransferClass::Explicit && self.may_be_left(self.held, self.active) => {
                self.leave_them(now)
            }
            _ => {
                self.tell(now, format!("does not offer R{digits} here"));
                self.resume(now);
            }
        }
        true
    }

    /// No digit came after R: the call goes on as it was.
    pub(super) fn resume(&mut self, now: Time) {
        self.detach_register();
        self.player.stop();
        if !self.conference {
            self.talk(now);
        }
    }

    fn release_held(&mut self, now: Time) {
        self.conference = false;
        if let Some(leg) = self.held.take() {
            self.release_leg(now, leg);
        }
        if self.active.is_some() { self.talk(now) } else { self.tell_far_end_gone(now) }
    }

    fn swap(&mut self, now: Time) {
        std::mem::swap(&mut self.active, &mut self.held);
        if let Some(leg) = self.held {
            // who has hung up meanwhile is on no hold
            if leg.progress == Progress::Answered {
                self.put_on_hold(now, leg);
            }
        }
        self.talk(now);
    }

    /// Whether the second call has come far enough to be left with the held party.
    fn may_be_left(&self, held: Option<Leg>, target: Option<Leg>) -> bool {
        held.is_some_and(|l| l.progress == Progress::Answered)
            && target.is_some_and(|l| match l.progress {
                Progress::Answered => true,
                Progress::Alerting | Progress::Routing => self.class.while_ringing,
                Progress::Failed | Progress::Gone => false,
            })
    }

    /// R4: the other two are together, and our line is told that its call is over.
    fn leave_them(&mut self, now: Time) {
        if let (Some(held), Some(target)) = (self.held.take(), self.active.take()) {
            self.connect(now, held, target);
        }
        self.conference = false;
        self.play(now, programme::far_end_gone(self.class.forward_disconnect, &self.class.lock_out));
    }

    /// `None` where the exchange wants a code for it.
    pub(super) fn hang_up_connects(&self) -> Option<bool> {
        match self.class.transfer {
            TransferClass::OnHangUp => Some(true),
            TransferClass::Explicit => None,
            TransferClass::None => Some(false),
        }
    }

    /// We hung up: what becomes of whom.
    pub(super) fn hang_up(&mut self, now: Time, opened: Time) {
        let conference = std::mem::take(&mut self.conference);
        let (active, held) = (self.active.take(), self.held.take());
        self.hung_up_on = None;
        if std::mem::take(&mut self.swaps) && held.is_some_and(|l| l.progress == Progress::Answered) {
            // two callers of ours have nothing to do with each other: who is held rings
            active.into_iter().for_each(|leg| self.release_leg(now, leg));
            held.into_iter().for_each(|leg| self.rings_back(now, leg));
            return;
        }
        let Some(held) = held.filter(|l| l.progress == Progress::Answered) else {
            if let Some(leg) = active {
                if let (Progress::Answered, Some(p)) = (leg.progress, leg.party) {
                    self.hung_up_on = Some((opened, p));
                }
                self.release_leg(now, leg);
            }
            return;
        };
        let may_be_left = self.may_be_left(Some(held), active);
        match (self.class.transfer, active) {
            (TransferClass::OnHangUp, Some(target)) if may_be_left => self.connect(now, held, target),
            (TransferClass::Explicit, Some(target)) if !conference => {
                self.release_leg(now, target);
                self.stranded(now, held);
            }
            (TransferClass::None | TransferClass::Explicit, active) => {
                self.tell(now, "ends the three-way call");
                for leg in active.into_iter().chain([held]) {
                    match (leg.progress, leg.party) {
                        (Progress::Answered, Some(p)) => self.lose(now, p, Loss::ThreeWayDied),
                        _ => self.release_leg(now, leg),
                    }
                }
            }
            (TransferClass::OnHangUp, active) => {
                if let Some(leg) = active {
                    self.release_leg(now, leg);
                }
                self.stranded(now, held);
            }
        }
    }

    /// Off-hook again: if we hung up a moment ago, that was a flash which the exchange took for more.
    pub(super) fn was_it_a_hang_up(&mut self, now: Time) {
        if let Some((opened, p)) = self.hung_up_on.take()
            && now.since(opened) < MEANT_AS_A_FLASH
            && self.sets[p].condition == Condition::Released
        {
            self.lose(now, p, Loss::BreakTakenForHangUp);
        }
    }

    fn connect(&mut self, now: Time, held: Leg, target: Leg) {
        let (Some(h), Some(t)) = (held.party, target.party) else {
            self.stranded(now, held);
            return;
        };
        self.sets[h].gives_up = Time::NEVER;
        let mut liaison =
            Liaison { party: h, target: Some(target), recall_at: now + self.class.recall_after, ends_at: Time::NEVER };
        self.tell(now, format!("connects {} and {}", self.sets[h].party.number, self.sets[t].party.number));
        if target.progress == Progress::Answered {
            self.together(now, &mut liaison);
        } else {
            self.sets[h].condition = Condition::Calling;
        }
        self.liaisons.push(liaison);
    }

    fn together(&mut self, now: Time, liaison: &mut Liaison) {
        let Some(t) = liaison.target.and_then(|l| l.party) else { return };
        let h = liaison.party;
        for (one, other) in [(h, t), (t, h)] {
            let other = self.sets[other].party.number.clone();
            self.told_of(now, one, &format!("talks with {other}"));
            self.sets[one].condition = Condition::Talking(With::Party(other));
            self.sets[one].gives_up = Time::NEVER;
            self.sets[one].party.reconnect(now);
        }
        liaison.ends_at = now + self.rng.ms(30_000, 90_000);
    }

    /// Held, and nobody to be connected to.
    fn stranded(&mut self, now: Time, held: Leg) {
        let Some(p) = held.party else { return };
        match self.class.busy_hangup {
            BusyHangup::Drop => self.lose(now, p, Loss::OnHold),
            BusyHangup::Recall => self.rings_back(now, held),
        }
    }

    fn rings_back(&mut self, now: Time, held: Leg) {
        let Some(p) = held.party else { return };
        self.sets[p].gives_up = Time::NEVER;
        let recall_at = now + RING_BACK;
        self.liaisons.push(Liaison { party: p, target: None, recall_at, ends_at: Time::NEVER });
    }

    pub(super) fn advance_liaisons(&mut self, now: Time) {
        for mut liaison in std::mem::take(&mut self.liaisons) {
            let p = liaison.party;
            if now >= liaison.ends_at {
                self.liaisons.push(liaison);
                self.party_hangs_up(now, p);
                continue;
            }
            let mut keep = true;
            if let Some(mut target) = liaison.target.filter(|l| now >= l.next) {
                // what the held party hears of it is nobody's business here
                let _ = self.advance(now, &mut target);
                liaison.target = Some(target);
                match target.progress {
                    Progress::Answered => self.together(now, &mut liaison),
                    Progress::Failed => {
                        self.tell(now, "cannot connect them");
                        liaison.target = None;
                        liaison.recall_at = now + RING_BACK;
                        if self.class.busy_hangup == BusyHangup::Drop {
                            self.lose(now, p, Loss::NotTakenBack);
                            keep = false;
                        }
                    }
                    Progress::Routing | Progress::Alerting | Progress::Gone => {}
                }
            }
            if keep && liaison.ends_at == Time::NEVER && now >= liaison.recall_at {
                if self.service == Service::OnHook && self.active.is_none() {
                    if let Some(target) = liaison.target {
                        self.release_leg(now, target);
                    }
                    self.ring_back(now, p);
                    keep = false;
                } else {
                    // our line is in use: later, while the target rings on
                    liaison.recall_at = now + Duration::from_secs(5);
                }
            }
            if keep {
                self.liaisons.push(liaison);
            }
        }
    }

    /// One of the two in a call without us has hung up: so does the other.
    pub(super) fn liaison_hung_up(&mut self, now: Time, p: usize) {
        let among = |l: &Liaison| l.party == p || l.target.and_then(|t| t.party) == Some(p);
        let Some(i) = self.liaisons.iter().position(among) else { return };
        let liaison = self.liaisons.remove(i);
        let target = liaison.target.and_then(|t| t.party);
        if liaison.ends_at == Time::NEVER {
            if let Some(target) = liaison.target {
                self.release_leg(now, target);
            }
            return;
        }
        if let Some(other) = [Some(liaison.party), target].into_iter().flatten().find(|o| *o != p) {
            self.told_of(now, other, "hangs up");
            self.sets[other].condition = Condition::HungUp;
            self.sets[other].party.end();
        }
    }

    /// We or the exchange end this leg, as calls end.
    pub(super) fn release_leg(&mut self, now: Time, leg: Leg) {
        let Some(p) = leg.party else { return };
        match leg.progress {
            Progress::Answered => {
                self.told_of(now, p, "is released");
                self.sets[p].condition = Condition::Released;
                self.sets[p].gives_up = Time::NEVER;
                self.sets[p].party.end();
                if self.sets[p].party.calls_back {
                    self.calls.push((now + self.rng.ms(3_000, 6_000), p));
                }
            }
            Progress::Alerting => {
                self.told_of(now, p, "stops ringing");
                self.sets[p].condition = Condition::Idle;
            }
            Progress::Routing | Progress::Failed | Progress::Gone => {}
        }
    }

    pub(super) fn lose(&mut self, now: Time, p: usize, how: Loss) {
        self.told_of(now, p, &format!("is lost: {how}"));
        self.sets[p].condition = Condition::Lost(how);
        self.sets[p].gives_up = Time::NEVER;
        self.sets[p].party.end();
    }
}
