//! All three together: by the flash after the second answer (North America), or the country's recall code (ETSI: R3).

use super::super::{Evidence, SURE_DISCONNECT, Step, shown};
use super::{Goal, State, Timer, Transfer, Transferred, Why};
use crate::clock::Time;
use crate::event::{Event, Heard};
use std::time::Duration;

/// A recall tone comes within a second where the flash was taken for another recall.
const LISTEN: Duration = Duration::from_millis(1800);
/// After a code the first voice tells: a register that has taken the digit for the first one of a number is silent, too, until
/// it has waited for the others in vain.
const SPEAKS: Duration = Duration::from_secs(12);

impl Transfer {
    /// The user wants all three together. False when nobody but the caller is there.
    pub fn join(&mut self, now: Time) -> bool {
        let second = matches!(self.state, State::Consulted | State::Confirming);
        if second {
            self.flash_to_join(now);
        }
        second
    }

    pub(super) fn flash_to_join(&mut self, now: Time) {
        self.timers.stop_all();
        self.forget_attempts();
        self.flash(now, Why::Join);
    }

    pub(super) fn listen_for_joining(&mut self, now: Time) {
        self.state = State::Joining;
        self.since_flash.speech = false;
        self.timers.stop_all();
        let listen = if self.code(Why::Join).is_some() { SPEAKS } else { LISTEN };
        self.timers.set(Timer::Confirmed, now + listen);
    }

    pub(super) fn joining(&mut self, now: Time, event: &Event) {
        let mut let_go = false;
        let heard = match event {
            Event::Heard(Heard::Speech { .. }) => {
                self.since_flash.speech = true;
                if self.code(Why::Join).is_some() {
                    self.timers.stop_all();
                    self.join_heard(now);
                }
                return;
            }
            Event::Heard(Heard::Tone { tone, .. }) => tone.to_string(),
            Event::ForwardDisconnect { open } => {
                let_go = *open >= SURE_DISCONNECT;
                "forward disconnect".into()
            }
            _ => return,
        };
        self.not_joined(now, heard, let_go);
    }

    fn not_joined(&mut self, now: Time, heard: String, let_go: bool) {
        self.timers.stop_all();
        self.out.tell(self.join_step(now).heard(heard.clone()).result("not joined"));
        if self.plan.goal == Goal::Hold {
            self.state = State::Held;
            self.out.done(Transferred::NotJoined { heard });
        } else {
            self.go_back(now);
            // so long is no loose contact: the exchange has nobody for us any more
            self.back.disconnected = let_go && !self.may_hold_nobody;
        }
    }

    pub(super) fn join_heard(&mut self, now: Time) {
        if self.code(Why::Join).is_some() && !(self.since_flash.speech && self.since_flash.tone_before_code) {
            // no recall tone, and a voice: of the second party, by an exchange that has not seen the flash. No voice: of nobody,
            // or a register that waits for more digits
            let heard = if self.since_flash.speech { "no recall tone, speech" } else { "nobody speaks" };
            return self.not_joined(now, heard.into(), false);
        }
        let evidence = if self.since_flash.speech { Evidence::Speech } else { Evidence::NoTone };
        self.out.tell(self.join_step(now).heard(evidence.name()).result("joined"));
        self.state = State::Joined;
        let target = (self.plan.goal != Goal::Hold).then_some(self.target);
        self.out.done(Transferred::Joined { target, evidence });
    }

    fn join_step(&self, now: Time) -> Step {
        let step = Step::new(now, "join").ms(self.flash_width().as_millis() as u64);
        match self.plan.targets.get(self.target) {
            Some(target) => step.target(shown(target)),
            None => step,
        }
    }
}
