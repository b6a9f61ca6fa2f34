//! Whoever holds the far telephone: a person, a machine, a test line. Scripted by steps, sans-IO.
//!
//! ```text
//!  called:  ─ rings ─▶ answers ─▶ script: speak, pause, tone, press, hang up…
//!  calling: ─ waits for us ─▶ is answered ─▶ script
//! ```
//!
//! A party knows whether it is connected, and hears and speaks only while it is; what a call *is* belongs to the
//! exchange. On hold a person waits; brought back it speaks up soon, as people do.

use super::rng::Rng;
use super::scenario::{Does, Says};
use crate::clock::Time;
use crate::dsp::dtmf::{DtmfGenerator, DtmfTiming};
use crate::dsp::tone::ToneGenerator;
use crate::dsp::voice::Speech;
use crate::dsp::{FRAME_SAMPLES, Source, level};
use crate::number::Digit;
use std::time::Duration;

/// How loud people are at the exchange.
const SPEECH_DBM0: f32 = -19.0;
/// What counts as being spoken to: well above a hybrid's echo of one's own voice, well below any speech.
const HEARD_DBM0: f32 = -42.0;

/// What becomes of a call to this party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    Answers(After),
    Busy,
    /// Rings once, then is refused.
    Rejects,
    NotInService,
    Congestion,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// During the silence after so many rings.
    Rings(u32),
    Time(Duration),
    Never,
}

/// What a party does once it is connected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    Speak(Duration),
    Pause(Duration),
    /// Talk and listen by turns, for ever.
    Chat,
    /// Says nothing, for ever.
    Listen,
    /// Plays back what it hears, for ever.
    Echo,
    Tone {
        hz: f32,
        dbm0: f32,
        lasts: Option<Duration>,
    },
    /// Waits until somebody has spoken and then been silent for a second.
    AwaitPrompt,
    Press(Digit),
    HangUp,
}

/// What a party decided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Deed {
    HangUp,
    /// For the trace.
    Says(&'static str),
    Presses(Digit),
}

/// A party's telephone and habits.
pub struct Party {
    pub number: String,
    pub name: Option<String>,
    pub withheld: bool,
    pub reach: Reach,
    /// It called us, or was called.
    pub calls_us: bool,
    /// Calls us back after we have hung up.
    pub calls_back: bool,
    /// How many rings it waits for us to answer.
    pub rings_us: u32,
    /// How long it waits on hold.
    pub patience: Option<Duration>,
    script: Vec<Step>,
    hangs_up_after: Option<Duration>,

    rng: Rng,
    voice: Speech,
    at: usize,
    /// When the step, or the turn in a chat, is over.
    until: Time,
    hangs_up_at: Time,
    connected: bool,
    sound: Sound,
    ear: Ear,
    heard_last: [i16; FRAME_SAMPLES],
}

enum Sound {
    None,
    Voice,
    Tone(ToneGenerator),
    Digit(DtmfGenerator),
    Echo,
}

/// When it was last spoken to.
#[derive(Clone, Copy, Debug, Default)]
struct Ear {
    /// Frames of speech since the step began.
    frames: u32,
    last: Option<Time>,
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn speaks() -> Vec<Step> {
    vec![Step::Speak(ms(1600)), Step::Pause(ms(900)), Step::Chat]
}

impl Party {
    fn new(number: &str, reach: Reach, script: Vec<Step>, seed: u64) -> Party {
        let stream = number.bytes().fold(0x7061_7274, |h: u64, b| h.wrapping_mul(131).wrapping_add(u64::from(b)));
        let mut rng = Rng::new(seed, stream);
        Party {
            number: number.to_string(),
            name: None,
            withheld: false,
            reach,
            calls_us: false,
            calls_back: false,
            rings_us: 8,
            patience: None,
            script,
            hangs_up_after: None,
            voice: Speech::new(rng.next(), SPEECH_DBM0),
            rng,
            at: 0,
            until: Time::NEVER,
            hangs_up_at: Time::NEVER,
            connected: false,
            sound: Sound::None,
            ear: Ear::default(),
            heard_last: [0; FRAME_SAMPLES],
        }
    }

    /// A subscriber who does this when called.
    pub fn subscriber(
        number: &str,
        does: Does,
        after: Option<After>,
        hangs_up_after: Option<Duration>,
        seed: u64,
    ) -> Party {
        let answers = Reach::Answers(after.unwrap_or(After::Rings(1)));
        let press = |c| match Digit::new(c) {
            Some(d) => vec![Step::Speak(ms(1000)), Step::AwaitPrompt, Step::Press(d), Step::Pause(ms(600)), Step::Chat],
            None => speaks(),
        };
        let (reach, script) = match does {
            Does::Speaks => (answers, speaks()),
            Does::Busy => (Reach::Busy, vec![]),
            Does::NeverAnswers => (Reach::Answers(After::Never), vec![]),
            Does::Rejects => (Reach::Rejects, vec![]),
            Does::NotInService => (Reach::NotInService, vec![]),
            Does::Congestion => (Reach::Congestion, vec![]),
            Does::AnsweringMachine => {
                let beep = Step::Tone { hz: 1000.0, dbm0: -13.0, lasts: Some(ms(500)) };
                (
                    answers,
                    vec![Step::Speak(ms(5000)), Step::Pause(ms(200)), beep, Step::Pause(ms(60_000)), Step::HangUp],
                )
            }
            // T.30: 1.8 to 2.5 s after answering, for 2.6 to 4 s
            Does::Fax => {
                let ced = Step::Tone { hz: 2100.0, dbm0: -13.0, lasts: Some(ms(3000)) };
                (answers, vec![Step::Pause(ms(1900)), ced, Step::Pause(ms(40_000)), Step::HangUp])
            }
            Does::TestTone => (answers, vec![Step::Tone { hz: 1004.0, dbm0: -10.0, lasts: None }]),
            Does::CallsBack => (answers, speaks()),
            Does::EchoTest => (answers, vec![Step::Echo]),
            Does::Quiet => (answers, vec![Step::Listen]),
            Does::Accepts => (answers, press('1')),
            Does::Refuses => (answers, press('2')),
        };
        let mut party = Party::new(number, reach, script, seed);
        party.calls_back = does == Does::CallsBack;
        party.hangs_up_after = hangs_up_after;
        party
    }

    /// Somebody who calls us; called, answers as anybody would.
    pub fn caller(
        number: &str,
        says: Says,
        patience: Option<Duration>,
        hangs_up_after: Option<Duration>,
        seed: u64,
    ) -> Party {
        let script = match says {
            Says::Talks => vec![Step::Pause(ms(400)), Step::Speak(ms(1800)), Step::Pause(ms(700)), Step::Chat],
            Says::Nothing => vec![Step::Listen],
            // T.30: half a second in three and a half
            Says::Fax => {
                let cng = Step::Tone { hz: 1100.0, dbm0: -13.0, lasts: Some(ms(500)) };
                let mut steps = Vec::new();
                for _ in 0..12 {
                    steps.extend([cng, Step::Pause(ms(3000))]);
                }
                steps.push(Step::HangUp);
                steps
            }
        };
        let mut party = Party::new(number, Reach::Answers(After::Rings(1)), script, seed);
        party.calls_us = true;
        party.patience = patience;
        party.hangs_up_after = hangs_up_after;
        party
    }

    /// Answered, or was answered: the script begins.
    pub fn begin(&mut self, now: Time) -> Option<Deed> {
        self.at = 0;
        self.connected = true;
        self.hangs_up_at = self.hangs_up_after.map_or(Time::NEVER, |d| now + d);
        self.start_step(now)
    }

    /// Somebody is on the line again after hold, or somebody else is: a talker speaks up soon.
    pub fn reconnect(&mut self, now: Time) {
        self.connected = true;
        if matches!(self.step(), Some(Step::Chat | Step::Speak(_) | Step::Pause(_))) && self.is_a_talker() {
            self.at = self.script.len() - 1;
            self.sound = Sound::None;
            self.until = now + self.rng.ms(300, 800);
        }
    }

    /// On hold: nobody to talk to, and the script stands still.
    pub fn put_on_hold(&mut self) {
        self.connected = false;
        self.sound = Sound::None;
    }

    pub fn end(&mut self) {
        self.connected = false;
        self.sound = Sound::None;
        self.until = Time::NEVER;
        self.hangs_up_at = Time::NEVER;
        self.at = self.script.len();
    }

    /// Whether there is anything to do by now; asked for every party in every frame.
    pub fn is_due(&self, now: Time) -> bool {
        self.connected && (now >= self.until || now >= self.hangs_up_at || self.step() == Some(Step::AwaitPrompt))
    }

    /// `alone`: the other side cannot be heard by us (a call between two parties): whoever waits for a prompt gets one.
    pub fn handle_timeout(&mut self, now: Time, alone: bool) -> Option<Deed> {
        if now >= self.hangs_up_at {
            self.hangs_up_at = Time::NEVER;
            return Some(Deed::HangUp);
        }
        if self.step() == Some(Step::AwaitPrompt) {
            let prompted = self.ear.frames >= 10 && self.ear.last.is_some_and(|l| now.since(l) >= ms(1000));
            if !prompted && !alone {
                return None;
            }
        } else if now < self.until {
            return None;
        }
        if self.step() == Some(Step::Chat) {
            let talk = !matches!(self.sound, Sound::Voice);
            self.sound = if talk { Sound::Voice } else { Sound::None };
            self.until = now + if talk { self.rng.ms(1000, 2500) } else { self.rng.ms(600, 1600) };
            return None;
        }
        self.at += 1;
        self.start_step(now)
    }

    fn step(&self) -> Option<Step> {
        self.script.get(self.at).copied()
    }

    fn is_a_talker(&self) -> bool {
        self.script.last() == Some(&Step::Chat)
    }

    fn start_step(&mut self, now: Time) -> Option<Deed> {
        self.ear = Ear::default();
        let mut deed = None;
        (self.sound, self.until) = match self.step() {
            Some(Step::Speak(d)) => {
                // nobody says the same sentence twice in the same time
                (Sound::Voice, now + d + self.rng.ms(0, 150))
            }
            Some(Step::Pause(d)) => (Sound::None, now + d),
            Some(Step::Chat) => (Sound::None, now),
            Some(Step::Listen) => (Sound::None, Time::NEVER),
            Some(Step::Echo) => (Sound::Echo, Time::NEVER),
            Some(Step::Tone { hz, dbm0, lasts }) => {
                deed = Some(Deed::Says("sends a tone"));
                (Sound::Tone(ToneGenerator::sine(hz, dbm0, lasts)), lasts.map_or(Time::NEVER, |d| now + d))
            }
            Some(Step::AwaitPrompt) => (Sound::None, Time::NEVER),
            Some(Step::Press(d)) => {
                deed = Some(Deed::Presses(d));
                let timing = DtmfTiming { level_dbm0: -12.0, ..DtmfTiming::default() };
                (Sound::Digit(DtmfGenerator::digit(d, timing)), now + ms(250))
            }
            Some(Step::HangUp) => {
                deed = Some(Deed::HangUp);
                (Sound::None, Time::NEVER)
            }
            None => (Sound::None, Time::NEVER),
        };
        deed
    }

    pub fn hear(&mut self, now: Time, heard: &[i16; FRAME_SAMPLES]) {
        match self.step() {
            Some(Step::AwaitPrompt) if level::dbm0(heard) > HEARD_DBM0 => {
                self.ear.frames += 1;
                self.ear.last = Some(now);
            }
            Some(Step::Echo) => self.heard_last = *heard,
            _ => {}
        }
    }

    /// Adds what it says; whether it said anything.
    pub fn speak(&mut self, said: &mut [i16; FRAME_SAMPLES]) -> bool {
        match &mut self.sound {
            Sound::None => return false,
            Sound::Voice => {
                self.voice.add_to(said);
            }
            Sound::Tone(t) => {
                t.add_to(said);
            }
            Sound::Digit(d) => {
                d.add_to(said);
            }
            Sound::Echo => {
                for (s, h) in said.iter_mut().zip(&self.heard_last) {
                    *s = s.saturating_add(*h);
                }
            }
        }
        true
    }
}

/// The well-known subscribers, the same in every country: number, what they do, when they answer, when they hang up.
const WELL_KNOWN: [(&str, Does, Option<After>, Option<u64>); 16] = [
    ("5550100", Does::Speaks, Some(After::Rings(2)), None),
    ("5550101", Does::Busy, None, None),
    ("5550102", Does::NeverAnswers, None, None),
    ("5550103", Does::Rejects, None, None),
    ("5550104", Does::NotInService, None, None),
    ("5550105", Does::Congestion, None, None),
    ("5550106", Does::Speaks, Some(After::Rings(1)), Some(3000)),
    ("5550107", Does::AnsweringMachine, Some(After::Rings(2)), None),
    ("5550108", Does::Fax, Some(After::Rings(1)), None),
    ("5550109", Does::TestTone, Some(After::Rings(1)), None),
    ("5550110", Does::CallsBack, Some(After::Rings(1)), None),
    ("5550111", Does::EchoTest, Some(After::Rings(1)), None),
    ("5550112", Does::Quiet, Some(After::Rings(1)), None),
    ("5550113", Does::Accepts, Some(After::Rings(1)), None),
    ("5550114", Does::Refuses, Some(After::Rings(1)), None),
    ("5550115", Does::Speaks, Some(After::Time(Duration::from_secs(20))), None),
];

pub fn well_known(seed: u64) -> impl Iterator<Item = Party> {
    WELL_KNOWN.into_iter().map(move |(number, does, after, hangs_up)| {
        Party::subscriber(number, does, after, hangs_up.map(Duration::from_millis), seed)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(party: &mut Party, from: Time, secs: u64, mut heard: impl FnMut(Time) -> i16) -> Vec<(Time, Deed)> {
        let mut deeds = Vec::new();
        let mut now = from;
        while now < from + Duration::from_secs(secs) {
            now += Duration::from_millis(20);
            let mut frame = [0; FRAME_SAMPLES];
            frame.iter_mut().enumerate().for_each(|(i, s)| *s = if i % 8 < 4 { heard(now) } else { -heard(now) });
            party.hear(now, &frame);
            while party.is_due(now) {
                match party.handle_timeout(now, false) {
                    Some(d) => deeds.push((now, d)),
                    None => break,
                }
            }
            party.speak(&mut frame);
        }
        deeds
    }

    fn find(number: &str) -> Party {
        well_known(1).find(|p| p.number == number).unwrap()
    }

    #[test]
    fn who_is_asked_presses_1_a_second_after_the_question_ends_and_never_before_it() {
        let mut p = find("5550113");
        p.begin(Time::ZERO);
        let silent = run(&mut p, Time::ZERO, 30, |_| 0);
        assert!(!silent.iter().any(|(_, d)| matches!(d, Deed::Presses(_))), "{silent:?}");
        let mut p = find("5550113");
        p.begin(Time::ZERO);
        let asked = run(&mut p, Time::ZERO, 10, |t| if (Time::secs(3)..Time::secs(5)).contains(&t) { 3000 } else { 0 });
        let (at, _) = asked.iter().find(|(_, d)| *d == Deed::Presses(Digit::new('1').unwrap())).unwrap();
        assert!((5_900..6_100).contains(&at.as_ms()), "{at}");
    }

    #[test]
    fn the_one_who_hangs_up_after_3_s_does() {
        let mut p = find("5550106");
        p.begin(Time::secs(5));
        let deeds = run(&mut p, Time::secs(5), 10, |_| 0);
        let (at, _) = deeds.iter().find(|(_, d)| *d == Deed::HangUp).unwrap();
        assert_eq!(*at, Time::secs(8));
    }

    #[test]
    fn a_talker_brought_back_from_hold_speaks_within_a_second() {
        let mut p = Party::caller("5551234", Says::Talks, None, None, 3);
        p.begin(Time::ZERO);
        run(&mut p, Time::ZERO, 8, |_| 0);
        p.put_on_hold();
        let mut frame = [0; FRAME_SAMPLES];
        assert!(!p.speak(&mut frame));
        run(&mut p, Time::secs(8), 5, |_| 0);
        p.reconnect(Time::secs(13));
        run(&mut p, Time::secs(13), 1, |_| 0);
        assert!(p.speak(&mut frame));
    }
}
