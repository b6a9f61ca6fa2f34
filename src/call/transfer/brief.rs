//! The target is told who calls and asked: 1 accepts, 2 refuses. An answering machine presses nothing, and is left again.

use super::super::{Step, shown};
use super::{State, Timer, Transfer};
use crate::clock::Time;
use crate::event::{Action, Event, Heard, ToneKind};
use std::time::Duration;

/// How long the target may think after the brief.
const KEY_WAIT: Duration = Duration::from_secs(8);
/// Who picked up while the first one began hears it once more.
const BRIEFS: u32 = 2;

impl Transfer {
    pub(super) fn brief(&mut self, now: Time) {
        let Some(sound) = self.plan.brief.clone() else { return self.complete(now) };
        self.state = State::Briefing;
        self.timers.stop_all();
        self.second.briefed += 1;
        if self.second.briefed == 1 {
            let target = shown(&self.plan.targets[self.target]);
            self.out.tell(Step::new(now, "brief").target(target));
        }
        self.out.act(Action::Play(sound));
    }

    pub(super) fn briefing(&mut self, now: Time, event: &Event) {
        match event {
            Event::PlayDone if self.state == State::Briefing => {
                self.state = State::AwaitingKey;
                self.timers.set(Timer::NoKey, now + KEY_WAIT);
            }
            Event::Heard(Heard::Digit { digit, .. }) if digit.as_char() == '1' => {
                self.briefed_says(now, "digit 1", "accepted");
                self.complete(now);
            }
            Event::Heard(Heard::Digit { digit, .. }) if digit.as_char() == '2' => {
                self.briefed_says(now, "digit 2", "refused");
                self.go_back(now);
            }
            Event::Heard(Heard::Tone { tone, .. }) => {
                self.last_heard = Some(tone.kind);
                self.second.is_there = false;
                self.briefed_says(now, &tone.to_string(), "target hung up");
                self.go_back(now);
            }
            Event::ForwardDisconnect { .. } => {
                self.last_heard = Some(ToneKind::Congestion);
                self.second.is_there = false;
                self.briefed_says(now, "forward disconnect", "target hung up");
                self.go_back(now);
            }
            _ => {}
        }
    }

    pub(super) fn no_key(&mut self, now: Time) {
        if self.second.briefed < BRIEFS {
            self.brief(now);
        } else {
            self.briefed_says(now, "no key", "not accepted");
            self.go_back(now);
        }
    }

    fn briefed_says(&mut self, now: Time, heard: &str, result: &'static str) {
        self.second.briefed = 0;
        self.timers.stop_all();
        if self.state == State::Briefing {
            self.out.act(Action::StopPlaying);
        }
        let target = shown(&self.plan.targets[self.target]);
        self.out.tell(Step::new(now, "brief").target(target).heard(heard).result(result));
    }
}
