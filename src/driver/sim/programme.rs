//! What the exchange itself says on the line: tones and announcements, one after the other.
//!
//! ```text
//!  intercept:  SIT · announcement · pause · SIT · announcement · reorder · howler · silence
//!  no digits:  dial tone · reorder · announcement (us) · howler, where there is one · silence
//!  far end gone (us):  silence · forward disconnect · silence · dial tone
//!  far end gone (eu):  silence · disconnect tone · howler · silence
//! ```

use crate::clock::Time;
use crate::dsp::tone::ToneGenerator;
use crate::dsp::voice::Speech;
use crate::dsp::{FRAME_SAMPLES, Source};
use crate::event::ToneKind;
use crate::facts::{Country, Sound, ToneSpec};
use std::collections::VecDeque;
use std::time::Duration;

/// For tones whose sources give no level.
pub const TONE_DBM0: f32 = -13.0;
const ANNOUNCEMENT_DBM0: f32 = -17.0;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Item {
    Silence,
    Tone(ToneKind),
    Announcement,
    /// Forward disconnect, for as long as the item lasts.
    OpenLoop,
    /// A register is attached and dial tone given, as after a seizure.
    Register,
}

/// One item, and how long it lasts; `None`: without end.
pub type Entry = (Item, Option<Duration>);

const fn ms(n: u64) -> Option<Duration> {
    Some(Duration::from_millis(n))
}

pub fn one(kind: ToneKind) -> Vec<Entry> {
    vec![(Item::Tone(kind), None)]
}

/// In the place of a tone somebody speaks.
pub fn spoken() -> Vec<Entry> {
    vec![(Item::Announcement, ms(4500)), (Item::Silence, None)]
}

/// A tone that refuses, and what becomes of a handset that nobody hangs up: the line's `lock_out` without the tone that
/// it begins with.
pub fn refused(kind: ToneKind, lock_out: &[Entry]) -> Vec<Entry> {
    [(Item::Tone(kind), ms(45_000))].iter().chain(after_the_first(lock_out)).copied().collect()
}

fn after_the_first(lock_out: &[Entry]) -> &[Entry] {
    lock_out.get(1..).unwrap_or_default()
}

pub fn intercept(sit: Duration, lock_out: &[Entry]) -> Vec<Entry> {
    let once = [(Item::Tone(ToneKind::Sit), Some(sit)), (Item::Announcement, ms(4500)), (Item::Silence, ms(1200))];
    once.iter().chain(&once).chain(lock_out).copied().collect()
}

/// How long the tone before the announcement sounds: one pass of three tones, without the pause in which a country's list
/// repeats them; of a single tone two bursts, which is what tells it from others.
pub fn sit_lasts(country: &Country) -> Duration {
    let least = Duration::from_millis(1060);
    let Some(spec) = country.tone(ToneKind::Sit) else { return least };
    let mut steps: Vec<_> = spec.intro.iter().chain(&spec.steps).collect();
    if steps.iter().filter(|s| s.sound != Sound::Silence).count() == 1 && spec.repeats {
        steps.extend(steps.clone());
    }
    while steps.last().is_some_and(|s| s.sound == Sound::Silence) {
        steps.pop();
    }
    steps.iter().filter_map(|s| s.lasts).sum::<Duration>().max(least)
}

/// The far end hung up and nobody is left: by opening the loop where the line has that, by a tone otherwise.
pub fn far_end_gone(forward_disconnect: Option<(Duration, Duration)>, lock_out: &[Entry]) -> Vec<Entry> {
    match forward_disconnect {
        Some((after, open)) => vec![
            (Item::Silence, Some(after)),
            (Item::OpenLoop, Some(open)),
            (Item::Silence, ms(900)),
            (Item::Register, None),
        ],
        None => consulted_party_gone(lock_out),
    }
}

/// The consulted party hung up while somebody is held: told by a tone, and the loop is left alone.
pub fn consulted_party_gone(lock_out: &[Entry]) -> Vec<Entry> {
    let tone = [(Item::Silence, ms(400)), (Item::Tone(ToneKind::Disconnect), ms(30_000))];
    tone.iter().chain(after_the_first(lock_out)).copied().collect()
}

/// The country's tone of this kind, or what its exchanges send in its place.
pub fn tone_spec(country: &Country, kind: ToneKind) -> Option<&ToneSpec> {
    use ToneKind::*;
    let instead: &[ToneKind] = match kind {
        RecallDial => &[StutterDial, SecondDial, Dial],
        StutterDial => &[SpecialDial, RecallDial, Dial],
        SecondDial => &[Dial],
        Disconnect => &[Busy, Congestion],
        Congestion => &[Busy],
        Sit => &[NumberUnobtainable, Congestion, Busy],
        NumberUnobtainable => &[Sit, Congestion, Busy],
        Howler => &[Congestion, Busy],
        _ => &[],
    };
    std::iter::once(&kind).chain(instead).find_map(|k| country.tone(*k))
}

/// What the programme asks of the exchange when it comes to an item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cue {
    Tone(ToneKind),
    Announcement,
    OpenLoop(Duration),
    Register,
}

#[derive(Default)]
pub struct Player {
    queue: VecDeque<Entry>,
    sound: Option<Box<dyn Source + Send>>,
    until: Option<Time>,
}

impl Player {
    pub fn play(&mut self, now: Time, programme: Vec<Entry>) {
        self.queue = programme.into();
        self.sound = None;
        self.until = Some(now);
    }

    pub fn stop(&mut self) {
        self.queue.clear();
        self.sound = None;
        self.until = None;
    }

    /// Comes to the next item when it is due.
    pub fn handle_timeout(&mut self, now: Time, country: &Country, seed: u64) -> Option<Cue> {
        if self.until.is_none_or(|u| now < u) {
            return None;
        }
        let Some((item, lasts)) = self.queue.pop_front() else {
            self.stop();
            return None;
        };
        self.until = lasts.map(|d| now + d);
        let (sound, cue): (Option<Box<dyn Source + Send>>, _) = match item {
            Item::Silence => (None, None),
            Item::Tone(kind) => {
                let made = tone_spec(country, kind).map(|t| ToneGenerator::new(t, TONE_DBM0));
                (made.map(|t| Box::new(t) as Box<dyn Source + Send>), Some(Cue::Tone(kind)))
            }
            Item::Announcement => (Some(Box::new(Speech::new(seed, ANNOUNCEMENT_DBM0))), Some(Cue::Announcement)),
            Item::OpenLoop => (None, lasts.map(Cue::OpenLoop)),
            Item::Register => (None, Some(Cue::Register)),
        };
        self.sound = sound;
        cue
    }

    /// Adds what is playing; whether anything is.
    pub fn speak(&mut self, said: &mut [i16; FRAME_SAMPLES]) -> bool {
        let Some(sound) = &mut self.sound else { return false };
        if !sound.add_to(said) {
            self.sound = None;
        }
        true
    }
}
