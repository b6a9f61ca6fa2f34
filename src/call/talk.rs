//! A call in progress: played to, recorded, held until the far side goes or we are told to hang up.

use super::{Ending, Outbox, Output, SURE_DISCONNECT, Step};
use crate::clock::{Time, Timers};
use crate::event::{Action, Event, Heard, ToneKind};
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Timer {
    HangUp,
    /// A tone that only an exchange sends has lasted too long to be an accident.
    TonePersists,
    /// A short loss of battery, and nobody has spoken since.
    DisconnectSilent,
}

/// What to do while the call lasts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TalkPlan {
    pub play: Option<Arc<[i16]>>,
    /// Hang up this long after the call began (or after the playing ended, if that is later).
    pub hang_up_after: Option<Duration>,
    /// Of all the talk of the call, whoever comes to take part in it: what the user said, and no default of ours.
    pub limit: Option<Duration>,
    /// Hang up when the playing is over.
    pub hang_up_when_played: bool,
    /// The far side's hang-up is how this call is meant to end.
    pub far_hang_up_is_the_end: bool,
    /// Two others talk with us, and our hang-up would end it for both: no loss of battery alone is reason enough.
    pub three: bool,
    /// Somebody else speaks to the far side, or he waits for that: his silence says nothing.
    pub listens: bool,
}

impl TalkPlan {
    /// Nothing to play, and no end but the far side's or a user's.
    pub const UNTIL_TOLD: TalkPlan = TalkPlan {
        play: None,
        hang_up_after: None,
        limit: None,
        hang_up_when_played: false,
        far_hang_up_is_the_end: false,
        three: false,
        listens: false,
    };
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Talk {
    plan: TalkPlan,
    timers: Timers<Timer>,
    playing: bool,
    /// A short loss of battery while he listened to what we play.
    dipped: bool,
    suspicious: Option<ToneKind>,
    over: bool,
    out: Outbox<Ending>,
}

/// Busy or dial tone in a call means that the far side is gone, but only when it stays: a voice can be tonal for a
/// moment, and a good call must never be dropped for it.
const TONE_PERSISTS: Duration = Duration::from_millis(1500);
/// Number unobtainable is a short burst every six seconds in some countries' lists (ITU-T Operational Bulletin 781: 200 Hz,
/// which is a voice's own pitch): in a call one burst proves nothing, a second one without a word between does.
const SLOW_TONE_PERSISTS: Duration = Duration::from_millis(8000);

/// In which somebody who is still there says something more.
const SPEAKS_ON: Duration = Duration::from_secs(10);

impl Talk {
    pub fn new(now: Time, plan: TalkPlan) -> Talk {
        let mut talk = Talk {
            timers: Timers::new(),
            playing: false,
            dipped: false,
            suspicious: None,
            over: false,
            out: Outbox::default(),
            plan,
        };
        if let Some(sound) = talk.plan.play.clone() {
            talk.playing = true;
            talk.out.act(Action::Play(sound));
        }
        if let Some(after) = talk.plan.hang_up_after {
            talk.timers.set(Timer::HangUp, now + after);
        }
        talk
    }

    pub fn handle(&mut self, now: Time, event: &Event) {
        if self.over {
            return;
        }
        if let Some((ending, heard)) = super::line_gone(event) {
            self.out.tell(Step::new(now, "talk").heard(heard).result(ending.name()));
            return self.end(ending);
        }
        match event {
            Event::ForwardDisconnect { open } if self.playing && *open < SURE_DISCONNECT => self.dipped = true,
            // the low end of what exchanges use is also what a loose contact does: a voice after it says which it was
            Event::ForwardDisconnect { open } if self.plan.listens && *open < SURE_DISCONNECT => {}
            Event::ForwardDisconnect { open } if self.plan.three || *open < SURE_DISCONNECT => {
                self.timers.set(Timer::DisconnectSilent, now + SPEAKS_ON);
            }
            Event::ForwardDisconnect { open } => {
                let heard = format!("forward disconnect {} ms", open.as_millis());
                self.far_end_gone(now, heard);
            }
            Event::PlayDone => {
                self.playing = false;
                if std::mem::take(&mut self.dipped) {
                    self.timers.set(Timer::DisconnectSilent, now + SPEAKS_ON);
                }
                if self.plan.hang_up_when_played && !self.timers.is_armed(Timer::HangUp) {
                    if self.suspicious.is_some() || self.timers.is_armed(Timer::DisconnectSilent) {
                        // whether he heard it to its end, the tone tells that our sound has drowned
                        self.timers.set(Timer::HangUp, now + 2 * TONE_PERSISTS);
                    } else {
                        self.end(Ending::Completed);
                    }
                }
            }
            Event::Heard(Heard::Tone { tone, .. }) if ends_a_call(tone.kind) => {
                self.suspicious = Some(tone.kind);
                let slow = matches!(tone.kind, ToneKind::NumberUnobtainable | ToneKind::Sit);
                let persists = if slow { SLOW_TONE_PERSISTS } else { TONE_PERSISTS };
                self.timers.set(Timer::TonePersists, now + persists);
            }
            Event::Heard(Heard::ToneEnded { .. } | Heard::Speech { .. }) => {
                if matches!(event, Event::Heard(Heard::Speech { .. })) {
                    self.timers.stop(Timer::DisconnectSilent);
                    self.dipped = false;
                }
                self.suspicious = None;
                self.timers.stop(Timer::TonePersists);
            }
            _ => {}
        }
    }

    pub fn handle_timeout(&mut self, now: Time) {
        while let Some(timer) = self.timers.expire(now) {
            match timer {
                Timer::HangUp if self.playing => self.plan.hang_up_when_played = true,
                // a tone of the exchange is on the line at this moment: let it prove itself, or go
                Timer::HangUp if self.suspicious.is_some() => self.timers.set(Timer::HangUp, now + TONE_PERSISTS),
                Timer::HangUp => self.end(Ending::Completed),
                Timer::DisconnectSilent => self.far_end_gone(now, "forward disconnect, then silence".into()),
                Timer::TonePersists => {
                    let tone = self.suspicious.map_or("tone", ToneKind::name);
                    self.far_end_gone(now, format!("{tone} tone"));
                }
            }
        }
    }

    pub fn poll_timeout(&self) -> Option<Time> {
        self.timers.next()
    }

    pub fn poll_output(&mut self) -> Option<Output<Ending>> {
        self.out.pop()
    }

    fn far_end_gone(&mut self, now: Time, heard: String) {
        if self.over {
            return;
        }
        self.out.tell(Step::new(now, "talk").heard(heard).result("far side hung up"));
        self.end(if self.plan.far_hang_up_is_the_end { Ending::Completed } else { Ending::FarHangUp });
    }

    fn end(&mut self, with: Ending) {
        if !self.over {
            self.over = true;
            self.timers.stop_all();
            self.out.done(with);
        }
    }
}

/// Tones that an exchange sends to who is left alone.
fn ends_a_call(kind: ToneKind) -> bool {
    kind.is_dial_tone()
        || matches!(
            kind,
            ToneKind::Busy
                | ToneKind::Congestion
                | ToneKind::Disconnect
                | ToneKind::Howler
                | ToneKind::NumberUnobtainable
                | ToneKind::Sit
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Alarm;

    #[test]
    fn one_burst_of_a_slow_tone_between_words_ends_no_call() {
        let hears = |kind: ToneKind, at| Event::Heard(Heard::Tone { tone: kind.into(), since: Time::ms(at) });
        let mut talk = Talk::new(Time::ZERO, TalkPlan::default());
        talk.handle(Time::ms(500), &hears(ToneKind::NumberUnobtainable, 0));
        talk.handle_timeout(Time::ms(4000));
        assert_eq!(talk.poll_output(), None);
        talk.handle(Time::ms(4200), &Event::Heard(Heard::Speech { since: Time::ms(4000) }));
        talk.handle_timeout(Time::secs(60));
        assert_eq!(talk.poll_output(), None, "somebody has spoken since");
        talk.handle(Time::secs(70), &hears(ToneKind::Busy, 69_000));
        talk.handle_timeout(Time::secs(72));
        assert!(talk.poll_output().is_some());
    }

    #[test]
    fn who_listens_is_not_taken_for_gone_when_a_contact_was_loose() {
        let dip = Event::ForwardDisconnect { open: Duration::from_millis(110) };
        let sound: Arc<[i16]> = [0i16; 8000].into();
        let played = TalkPlan { play: Some(sound), ..TalkPlan::UNTIL_TOLD };
        for plan in [TalkPlan { listens: true, ..TalkPlan::UNTIL_TOLD }, played] {
            let mut talk = Talk::new(Time::ZERO, plan);
            while talk.poll_output().is_some() {}
            talk.handle(Time::secs(3), &dip);
            talk.handle_timeout(Time::secs(60));
            assert_eq!(talk.poll_output(), None);
        }
    }

    #[test]
    fn who_says_nothing_after_what_we_played_and_a_loose_contact_is_gone() {
        let plan = TalkPlan { play: Some([0i16; 8000].into()), ..TalkPlan::UNTIL_TOLD };
        let mut talk = Talk::new(Time::ZERO, plan);
        talk.handle(Time::secs(3), &Event::ForwardDisconnect { open: Duration::from_millis(110) });
        talk.handle(Time::secs(30), &Event::PlayDone);
        while talk.poll_output().is_some() {}
        talk.handle_timeout(Time::secs(39));
        assert_eq!(talk.poll_output(), None);
        talk.handle_timeout(Time::secs(41));
        assert!(talk.poll_output().is_some());
    }

    #[test]
    fn a_call_that_the_line_itself_ended_says_what_the_line_said() {
        let dead = [
            (Event::Alarm(Alarm::Red), Ending::LineLost, "alarm red"),
            (Event::LineLost, Ending::LineLost, "battery lost"),
            (Event::DeviceRemoved, Ending::DeviceRemoved, "device removed"),
        ];
        for (event, ending, heard) in dead {
            let mut talk = Talk::new(Time::ZERO, TalkPlan::default());
            talk.handle(Time::secs(3), &event);
            let told = Step::new(Time::secs(3), "talk").heard(heard).result(ending.name());
            assert_eq!(talk.poll_output(), Some(Output::Step(told)));
            assert_eq!(talk.poll_output(), Some(Output::Done(ending)));
        }
    }
}
