//! Where sound begins and ends, and what sounds of the country it may be.
//!
//! ```text
//!  power  ____▁▇▇▇▇▇▇▇▇▇▇▇▁______   began at the first block above, believed after 25 ms
//!  looks          ·  ·  ·           every 20 ms: which sounds fit
//!                                   a sound that changes without a gap (SIT) is two bursts
//! ```
//!
//! The threshold follows the noise of the line, and the level of the burst itself: 10 dB below it is a gap, whatever the
//! hybrid returns of our own voice. What fits no sound for 160 ms is something else (speech, music, another tone).

use super::front::{BLOCK, Front, LOW_BLOCK};
use super::level;
use super::sound::{SoundSet, Sounds};
use super::spectrum::Look;
use crate::clock::Time;
use std::time::Duration;

/// 5 ms.
const BLOCK_TIME: Duration = Duration::from_micros(BLOCK as u64 * 125);
/// A burst is believed when it is so old; what is shorter is a click.
const BELIEVED: u32 = 5;
/// A burst is looked at when it is so old.
const YOUNG: u32 = 8;
/// A burst that is no tone so far, and gets louder by 6 dB for four blocks, is another one.
const RISE: f32 = 4.0;
const RISEN: u32 = 4;
/// A pause that is none of music's.
const QUIET: Duration = Duration::from_millis(100);
/// An exchange's tone stays as loud as it began: within 1.5 dB, in means of 80 ms.
const LEVEL: std::ops::Range<f32> = 0.7..1.42;
const LEVEL_BLOCKS: u32 = 16;
/// Looks are taken every so many blocks.
const LOOK_EVERY: u64 = 4;
const LOOK_TIME: Duration = Duration::from_millis(20);
/// A burst that fits no sound for so long is no tone of the country.
const LIMBO: Duration = Duration::from_millis(170);
/// Nothing below this is a sound: −48 dBm0.
const LEAST_POWER: f32 = level::POWER_0_DBM0 * 1.585e-5;
/// The noise is assumed to be at −60 dBm0 before it is known, and between −75 and −20.
const FLOOR_DBM0: f32 = -60.0;
const LEAST_FLOOR: f32 = level::POWER_0_DBM0 * 3.162e-8;
const MOST_FLOOR: f32 = level::POWER_0_DBM0 * 1e-2;
/// What is 9 dB below a tone is in its gap: echo of our own voice, noise.
const GAP_SHARE: f32 = 0.126;
/// Noise has this much of its power, at most, in its strongest lines.
const NOISE_CONCENTRATION: f32 = 0.4;
/// So many looks at noise are the noise of the line, and no consonant.
const NOISE_LOOKS: u32 = 9;

/// What the tracker tells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Edge {
    /// `partial`: it may have begun before. `after_quiet`: nothing sounded until it began, or another of the country's tones.
    Began { at: Time, partial: bool, after_quiet: bool },
    /// What fits after another look.
    Fits(SoundSet),
    /// Over, and these sounds fitted for most of it. Empty: none did. `power`: its mean square.
    Ended { at: Time, fitted: SoundSet, power: f32 },
    /// It is none of the country's tones; since then.
    Strange { at: Time },
}

/// One direction of a line, burst by burst.
#[derive(Clone, Debug)]
pub struct Tracker {
    sounds: Sounds,
    /// Fewer blocks than these without sound are bridged.
    gap_blocks: u32,
    /// Below this share of the last tone's power is a gap.
    gap_share: f32,
    burst: Option<Burst>,
    quiet_since: Time,
    /// Before this we heard nothing.
    listening_since: Time,
    floor: f32,
    /// Level of the last burst that was a sound of the country.
    tone_level: f32,
    look: Look,
    looked: Option<SoundSet>,
    powers: [f32; POWERS],
    blocks: u64,
    /// Looks at noise, in a row.
    noise_looks: u32,
    /// Blocks above the threshold of the line itself, short gaps included, and how many below it at their end.
    soft: u32,
    soft_below: u32,
}

/// Blocks of which the power is remembered: 160 ms.
const POWERS: usize = 32;

#[derive(Clone, Debug)]
struct Burst {
    since: Time,
    /// In blocks, those below included.
    age: u32,
    /// Mean square while it sounds.
    level: f32,
    /// Sum of the first blocks after its edge, and how many.
    first: f32,
    first_blocks: u32,
    /// Blocks below the threshold, in a row, and since when.
    below: u32,
    below_since: Time,
    /// Something else sounded until it began: looks need not wait.
    risen: bool,
    /// Blocks far above what it was before, in a row, and since when.
    above: u32,
    above_since: Time,
    believed: bool,
    tally: Tally,
    last_fit: Time,
    /// It is none of the country's tones.
    strange: bool,
    /// What the last looks fitted, newest first.
    recent: [SoundSet; 3],
}

impl Tracker {
    /// `gap_blocks`: fewer blocks of 5 ms without sound are no gap. `softest_db`: how much softer than the others the softest
    /// burst of a tone is.
    pub fn new(sounds: Sounds, gap_blocks: u32, softest_db: f32, start: Time) -> Tracker {
        Tracker {
            sounds,
            gap_blocks,
            gap_share: GAP_SHARE * level::gain(softest_db).powi(2),
            burst: None,
            quiet_since: start,
            listening_since: start,
            floor: level::power(FLOOR_DBM0),
            tone_level: 0.0,
            look: Look::default(),
            looked: None,
            powers: [0.0; POWERS],
            blocks: 0,
            noise_looks: 0,
            soft: 0,
            soft_below: 0,
        }
    }

    /// Takes the block that ended at `now`. `following`: a cadence is being followed, and what is much softer than its
    /// bursts is its gap.
    pub fn take(&mut self, front: &Front, power: f32, now: Time, following: bool, mut tell: impl FnMut(Edge)) {
        self.powers[self.blocks as usize % POWERS] = power;
        self.blocks += 1;
        self.looked = None;
        let began = now - BLOCK_TIME;
        let threshold = self.threshold().max(if following { self.gap_share * self.tone_level } else { 0.0 });
        match &mut self.burst {
            None if power > threshold => self.burst = Some(Burst::new(began, power, SoundSet::NONE, 0)),
            None => {}
            Some(burst) => {
                burst.hear(power, began, threshold);
                if burst.above == RISEN && !burst.tally.knows() {
                    // what was there before was noise, or a consonant: the sound begins here
                    let (since, believed, noise) = (burst.above_since, burst.believed, self.noise_looks > 0);
                    *burst = Burst::new(since, power, SoundSet::NONE, if believed { RISEN } else { 0 });
                    (burst.age, burst.risen) = (RISEN, believed);
                    if believed {
                        tell(Edge::Strange { at: since });
                        tell(Edge::Began { at: since, partial: false, after_quiet: noise });
                    }
                }
                if !burst.believed && burst.below == 0 && burst.age >= BELIEVED {
                    burst.believed = true;
                    let partial = burst.since.since(self.listening_since) < Duration::from_millis(30);
                    // nothing has sounded since we began to listen, or for long enough
                    let first = self.quiet_since <= self.listening_since;
                    let after_quiet = partial || first || burst.since.since(self.quiet_since) >= QUIET;
                    tell(Edge::Began { at: burst.since, partial, after_quiet });
                }
                if !burst.believed && burst.below > self.gap_blocks / 2 {
                    self.burst = None;
                } else if burst.believed && burst.below >= self.gap_blocks {
                    self.end(front, &mut tell);
                } else if burst.believed
                    && burst.below == 0
                    && (burst.age >= YOUNG || burst.risen)
                    && self.blocks.is_multiple_of(LOOK_EVERY)
                {
                    self.look_at_burst(front, now, &mut tell);
                }
            }
        }
        if power > self.threshold() {
            (self.soft, self.soft_below) = (self.soft + 1, 0);
        } else {
            self.soft_below += 1;
            self.soft = if self.soft_below < self.gap_blocks { self.soft + 1 } else { 0 };
        }
        if self.blocks.is_multiple_of(LOOK_EVERY) {
            if self.burst.is_none() && self.soft_below == 0 && self.soft >= YOUNG {
                // too soft to be heard beside the tone that is followed, but somebody may be speaking
                self.take_look(front, self.soft, 0);
                self.looked = Some(SoundSet::NONE);
            }
            self.follow_floor();
        }
    }

    /// Time that nobody heard.
    pub fn skip(&mut self, now: Time) {
        self.burst = None;
        self.quiet_since = now;
        self.listening_since = now;
    }

    /// The burst that is on is as loud as in its beginning.
    pub fn is_level(&self) -> bool {
        let Some(burst) = self.burst.as_ref().filter(|b| b.first_blocks == LEVEL_BLOCKS) else { return false };
        let newest = self.blocks as usize + POWERS - 1;
        let last = (0..LEVEL_BLOCKS as usize).map(|i| self.powers[(newest - i) % POWERS]).sum::<f32>();
        LEVEL.contains(&(last / burst.first.max(1.0)))
    }

    /// Nothing has sounded since then.
    pub fn quiet_since(&self) -> Option<Time> {
        self.burst.as_ref().is_none_or(|b| !b.believed).then_some(self.quiet_since)
    }

    /// The look that was taken with the last block, and what it fitted.
    pub fn looked(&self) -> Option<(&Look, SoundSet)> {
        self.looked.map(|set| (&self.look, set))
    }

    /// The last block was one of those at which looks are taken: every 20 ms.
    pub fn ticked(&self) -> bool {
        self.blocks.is_multiple_of(LOOK_EVERY)
    }

    /// What is above this is sound.
    fn threshold(&self) -> f32 {
        (4.0 * self.floor).max(LEAST_POWER)
    }

    fn look_at_burst(&mut self, front: &Front, now: Time, tell: &mut impl FnMut(Edge)) {
        let Some(age) = self.burst.as_ref().map(|b| b.age.max(YOUNG)) else { return };
        let set = self.take_look(front, age, 0);
        self.looked = Some(set);
        let Some(burst) = &mut self.burst else { return };
        burst.recent = [set, burst.recent[0], burst.recent[1]];
        let steady = burst.recent[0].and(burst.recent[1]).and(burst.recent[2]);
        let before = burst.tally.alive();
        burst.tally.add(set);
        if !burst.strange {
            // a syllable over a tone makes it doubtful for a moment, and then it is what it was
            burst.tally.forgive(steady.and(burst.tally.most()));
        }
        let alive = burst.tally.alive();
        if set.meets(before) || (burst.tally.looks <= 2 && !set.is_empty()) {
            burst.last_fit = now;
        }
        if !steady.is_empty() && (burst.strange || !steady.meets(alive)) {
            // another sound has taken its place: half of it in the window is where looks stop to fit the one or the other
            let window = Duration::from_secs_f32(self.look.window_s(self.look.lines().first().map_or(0.0, |l| l.hz)));
            let first_fit = now - 2 * LOOK_TIME;
            let middle = burst.last_fit + first_fit.since(burst.last_fit) / 2;
            let at = (middle - window / 2).max(burst.since + BLOCK_TIME);
            let age = (now.since(at).as_micros() / BLOCK_TIME.as_micros()) as u32;
            let (partial, fitted, power) = (burst.strange, burst.tally.most(), burst.level);
            let mut next = Burst::new(at, burst.level, steady, age);
            next.recent = burst.recent;
            next.last_fit = now;
            self.burst = Some(next);
            let follows_tone = !fitted.is_empty() && !partial;
            tell(if follows_tone { Edge::Ended { at, fitted, power } } else { Edge::Strange { at } });
            tell(Edge::Began { at, partial, after_quiet: follows_tone });
            // after another tone, what these looks fitted is told with the next one: they have some of it in them, and two
            // tones of which one stops look like two others for a moment
            if !follows_tone {
                tell(Edge::Fits(steady));
            }
        } else if !burst.strange && !alive.is_empty() {
            if !set.is_empty() {
                self.tone_level = burst.level;
            }
            tell(Edge::Fits(alive));
        } else if !burst.strange && now.since(burst.last_fit) > LIMBO {
            burst.strange = true;
            tell(Edge::Strange { at: burst.last_fit });
        }
    }

    /// The burst is over: its gap is long enough.
    fn end(&mut self, front: &Front, tell: &mut impl FnMut(Edge)) {
        let Some(mut burst) = self.burst.take() else { return };
        if burst.tally.looks == 0 {
            let set = self.take_look(front, burst.age - burst.below, burst.below as usize);
            burst.tally.add(set);
        }
        self.quiet_since = burst.below_since;
        let fitted = if burst.strange { SoundSet::NONE } else { burst.tally.most() };
        if !fitted.is_empty() {
            self.tone_level = burst.level;
        }
        tell(Edge::Ended { at: burst.below_since, fitted, power: burst.level });
    }

    /// Looks at the last `age` blocks before the last `ago`.
    fn take_look(&mut self, front: &Front, age: u32, ago: usize) -> SoundSet {
        let age = age as usize;
        // the rim of a burst is not the burst: the decimator's delay and the block in which it began are left out
        let low = (age * LOW_BLOCK).saturating_sub(2 * LOW_BLOCK).max(3 * LOW_BLOCK);
        let high = (age * BLOCK).saturating_sub(BLOCK);
        self.look.take(front.low(low, ago), front.high(high, ago));
        let blocks = age.saturating_sub(2).clamp(1, POWERS - ago.min(POWERS / 2));
        let newest = self.blocks as usize + 2 * POWERS - 1 - ago.min(POWERS / 2);
        let power = |i: usize| self.powers[(newest - i) % POWERS];
        let mean = (0..blocks).map(power).sum::<f32>() / blocks as f32;
        let square = (0..blocks).map(|i| power(i) * power(i)).sum::<f32>() / blocks as f32;
        let unsteadiness = square / (mean * mean).max(1.0) - 1.0;
        self.sounds.fit(&self.look, unsteadiness)
    }

    /// The noise of the line: down quickly, up slowly, and hardly while there is a tone or a voice.
    fn follow_floor(&mut self) {
        let newest = self.blocks as usize + POWERS - 1;
        let power =
            (0..LOOK_EVERY as usize).map(|i| self.powers[(newest - i) % POWERS]).sum::<f32>() / LOOK_EVERY as f32;
        let noise_like =
            self.looked.is_some_and(|set| set.is_empty() && self.look.concentration() < NOISE_CONCENTRATION);
        self.noise_looks = if noise_like { self.noise_looks + 1 } else { 0 };
        if power < self.floor {
            self.floor += 0.3 * (power - self.floor);
        } else if self.noise_looks >= NOISE_LOOKS {
            self.floor = power;
        } else if self.burst.is_none() && self.looked.is_none() {
            self.floor = (1.08 * self.floor).min(power);
        } else {
            self.floor *= 1.0005;
        }
        self.floor = self.floor.clamp(LEAST_FLOOR, MOST_FLOOR);
    }
}

impl Burst {
    fn new(since: Time, power: f32, sounds: SoundSet, age: u32) -> Burst {
        let mut tally = Tally::new();
        if !sounds.is_empty() {
            tally.add(sounds);
        }
        Burst {
            since,
            age: age.max(1),
            level: power,
            first: 0.0,
            first_blocks: 0,
            below: 0,
            below_since: since,
            risen: false,
            above: 0,
            above_since: since,
            believed: age > 0,
            tally,
            last_fit: since,
            strange: false,
            recent: [SoundSet::NONE; 3],
        }
    }

    fn hear(&mut self, power: f32, began: Time, threshold: f32) {
        self.age += 1;
        if self.age > 3 && self.first_blocks < LEVEL_BLOCKS {
            self.first += power;
            self.first_blocks += 1;
        }
        if power > RISE * self.level && (self.above > 0 || self.believed) {
            if self.above == 0 {
                self.above_since = began;
            }
            self.above += 1;
            return;
        }
        self.above = 0;
        if power < (0.1 * self.level).max(0.7 * threshold) {
            if self.below == 0 {
                self.below_since = began;
            }
            self.below += 1;
        } else {
            self.below = 0;
            self.level += (power - self.level) / self.age.min(16) as f32;
        }
    }
}

/// Votes of the looks at one burst.
#[derive(Clone, Debug)]
struct Tally {
    looks: u32,
    fitted: [u32; 64],
    /// Rises with every look that does not fit, falls with those that do.
    doubt: [u8; 64],
}

impl Tally {
    fn new() -> Tally {
        Tally { looks: 0, fitted: [0; 64], doubt: [0; 64] }
    }

    fn add(&mut self, set: SoundSet) {
        self.looks += 1;
        for (i, (fitted, doubt)) in self.fitted.iter_mut().zip(&mut self.doubt).enumerate() {
            if set.has(i) {
                *fitted += 1;
                *doubt = doubt.saturating_sub(1);
            } else {
                *doubt = (*doubt + 3).min(9);
            }
        }
    }

    fn forgive(&mut self, set: SoundSet) {
        if set.is_empty() {
            return;
        }
        for (i, doubt) in self.doubt.iter_mut().enumerate() {
            if set.has(i) {
                *doubt = 0;
            }
        }
    }

    /// One look that does not fit may be noise, two in a row are another sound.
    fn alive(&self) -> SoundSet {
        self.set(|i| self.doubt[i] < 5)
    }

    /// Something fitted for most of it.
    fn knows(&self) -> bool {
        self.looks > 0 && !self.most().is_empty()
    }

    /// What fitted at least half of the time.
    fn most(&self) -> SoundSet {
        self.set(|i| self.fitted[i] * 2 >= self.looks.max(1))
    }

    fn set(&self, pick: impl Fn(usize) -> bool) -> SoundSet {
        SoundSet::of(pick)
    }
}
