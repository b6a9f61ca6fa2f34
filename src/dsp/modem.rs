//! What modems and faxes say to each other before their data: answer tones that are more than a steady 2100 Hz, and the
//! preamble of V.21.
//!
//! | | signal | clause |
//! |---|---|---|
//! | ANS, CED | 2100 ± 15 Hz, 2.6 to 4 s | V.25, T.30 4.4 |
//! | ANS with reversals | the same, its phase turned over every 450 ± 25 ms: echo cancellers off | V.25, G.168 |
//! | ANSam | the same, its amplitude a fifth up and down at 15 ± 0.1 Hz: a V.8 modem | V.8 6.3 |
//! | preamble | flags (01111110) for a second at 300 bit/s, 1850 Hz for 0 and 1650 Hz for 1 | T.30 5.3, V.21 channel 2 |
//!
//! ```text
//!  ANSam, reversed    ∿∿∿∿∿∿∿∿∿∿∿╳∿∿∿∿∿∿∿∿∿∿∿╳∿∿∿∿∿∿     blocks of 5 ms: amplitude, and by how much the phase has turned
//!  preamble           ▔▔▔▔▔▔▁▁▔▔▔▔▔▔▁▁▔▔▔▔▔▔▁▁▔▔▔▔▔▔     20 ms of 1650 Hz, 6⅔ of 1850, over and over
//! ```

use super::filter;
use super::wide::{Wide, across, plus, wide};
use crate::clock::Time;
use std::f64::consts::TAU;
use std::sync::LazyLock;
use std::time::Duration;

/// Samples of a block: 5 ms.
const BLOCK: usize = 40;
/// Nothing softer than this is a modem: −48 dBm0, as a mean square.
const LEAST_POWER: f32 = 4100.0;

/// Cosine and sine of a frequency that comes back to where it began after so many samples.
struct Carrier<const N: usize> {
    cos: [f32; N],
    sin: [f32; N],
}

impl<const N: usize> Carrier<N> {
    fn new(hz: f64) -> Carrier<N> {
        let turn = |n: usize| n as f64 * hz / 8000.0 * TAU;
        Carrier {
            cos: std::array::from_fn(|n| turn(n).cos() as f32),
            sin: std::array::from_fn(|n| -turn(n).sin() as f32),
        }
    }

    /// The complex amplitude in these samples, of which the first has this place in the table.
    #[inline(always)]
    fn mix<const FUSED: bool>(&self, samples: &[f32], from: usize) -> Complex {
        let (mut re, mut im) = ([0f32; 8], [0f32; 8]);
        let eights = samples.as_chunks::<8>().0;
        for ((x, cos), sin) in
            eights.iter().zip(self.cos[from..].as_chunks::<8>().0).zip(self.sin[from..].as_chunks::<8>().0)
        {
            for i in 0..8 {
                re[i] = plus::<FUSED>(re[i], x[i], cos[i]);
                im[i] = plus::<FUSED>(im[i], x[i], sin[i]);
            }
        }
        Complex { re: across(re), im: across(im) }
    }
}

/// Mixes a block with one of the carriers.
struct Mix<'a, const N: usize>(&'a Carrier<N>, &'a [f32; BLOCK], usize);

impl<const N: usize> Wide for Mix<'_, N> {
    type Out = Complex;

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> Complex {
        self.0.mix::<FUSED>(self.1, self.2)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Complex {
    re: f32,
    im: f32,
}

impl Complex {
    fn square(self) -> f32 {
        self.re * self.re + self.im * self.im
    }

    fn plus(self, other: Complex) -> Complex {
        Complex { re: self.re + other.re, im: self.im + other.im }
    }

    fn times(self, other: Complex) -> Complex {
        Complex { re: self.re * other.re - self.im * other.im, im: self.re * other.im + self.im * other.re }
    }

    /// By how much this has turned since the other.
    fn since(self, before: Complex) -> Complex {
        self.times(Complex { im: -before.im, ..before })
    }

    fn unit(self) -> Complex {
        let size = self.square().sqrt().max(f32::MIN_POSITIVE);
        Complex { re: self.re / size, im: self.im / size }
    }
}

/// 2100 Hz come back after 80 samples: two blocks.
static ANSWER: LazyLock<Carrier<80>> = LazyLock::new(|| Carrier::new(2100.0));

/// What kind of answer tone is on the line.
#[derive(Clone, Debug)]
pub struct AnswerTone {
    blocks: u64,
    /// Of the last blocks, newest last.
    recent: [Complex; 4],
    run: Option<Run>,
    /// Amplitudes of the last 400 ms, six periods of 15 Hz, in a ring.
    amplitudes: [f32; SIX_PERIODS],
}

const SIX_PERIODS: usize = 80;

/// A tone that goes on.
#[derive(Clone, Copy, Debug)]
struct Run {
    since: Time,
    blocks: u32,
    /// Blocks that are no such tone, in a row.
    strange: u32,
    /// By how much a block turns, on the average.
    turn: Complex,
    /// When the phase was last turned over, and how often at the right distance.
    reversed: Option<Time>,
    reversals: u32,
}

/// The share of the power that the tone must have: 12 dB of signal to noise leave 0.94.
const MIN_SHARE: f32 = 0.7;
/// A reversal spoils two blocks, and a lost packet two to four.
const MOST_STRANGE: u32 = 5;
/// 18 Hz off turn a block by 32 degrees: the cosine.
const MAX_TURN_COS: f32 = 0.84;
/// Between reversals, with the two blocks that we may be off.
const REVERSAL_APART: std::ops::RangeInclusive<Duration> = Duration::from_millis(410)..=Duration::from_millis(490);
/// A block or two see the same reversal.
const SAME_REVERSAL: Duration = Duration::from_millis(50);
/// V.8: a fifth, ± 1 %; lines and companding leave that much.
const DEPTH: std::ops::RangeInclusive<f32> = 0.1..=0.35;

impl Default for AnswerTone {
    fn default() -> Self {
        AnswerTone { blocks: 0, recent: [Complex::default(); 4], run: None, amplitudes: [0.0; SIX_PERIODS] }
    }
}

impl AnswerTone {
    /// Takes the block that ended at `now`, hum taken off, and its mean square.
    pub fn take(&mut self, block: &[f32; BLOCK], power: f32, now: Time) {
        let carrier: &Carrier<80> = &ANSWER;
        let heard = wide(Mix(carrier, block, self.blocks as usize % 2 * BLOCK));
        self.recent.rotate_left(1);
        self.recent[3] = heard;
        self.amplitudes[self.blocks as usize % SIX_PERIODS] = heard.square().sqrt();
        self.blocks += 1;
        let share = heard.square() / (power.max(1.0) * (BLOCK * BLOCK) as f32 / 2.0);
        let is_tone = power > LEAST_POWER && share > MIN_SHARE;
        match &mut self.run {
            None if is_tone => {
                let since = now - Duration::from_millis(5);
                let turn = Complex { re: 1.0, im: 0.0 };
                self.run = Some(Run { since, blocks: 1, strange: 0, turn, reversed: None, reversals: 0 });
            }
            None => {}
            Some(run) => {
                run.blocks += 1;
                run.strange = if is_tone { 0 } else { run.strange + 1 };
                if run.strange > MOST_STRANGE || (run.blocks > 20 && run.turn.unit().re < MAX_TURN_COS) {
                    self.run = None;
                    return;
                }
                if is_tone {
                    run.watch(&self.recent, now);
                }
            }
        }
    }

    /// How long a tone of 2100 Hz has been there, and since when.
    pub fn lasting(&self, now: Time) -> Option<(Time, Duration)> {
        self.run.filter(|run| run.strange == 0).map(|run| (run.since, now.since(run.since)))
    }

    /// The phase was turned over twice, as far apart as V.25 wants it.
    pub fn is_reversed(&self) -> bool {
        self.run.is_some_and(|run| run.reversals >= 2)
    }

    /// The amplitude goes up and down fifteen times a second.
    pub fn is_modulated(&self) -> bool {
        if self.run.is_none_or(|run| (run.blocks as usize) < SIX_PERIODS) {
            return false;
        }
        let mean = self.amplitudes.iter().sum::<f32>() / SIX_PERIODS as f32;
        let (mut wave, mut square) = (Complex::default(), 0.0);
        for (n, amplitude) in self.amplitudes.iter().enumerate() {
            let (sin, cos) = (n as f32 * 6.0 / SIX_PERIODS as f32 * std::f32::consts::TAU).sin_cos();
            let off = amplitude - mean;
            wave = wave.plus(Complex { re: off * cos, im: off * sin });
            square += off * off;
        }
        let depth = 2.0 * wave.square().sqrt() / SIX_PERIODS as f32 / mean.max(1.0);
        // of all that is unsteady: half, so that fading is none
        let of_the_wave = 2.0 * wave.square() / SIX_PERIODS as f32;
        DEPTH.contains(&depth) && of_the_wave > 0.5 * square
    }
}

impl Run {
    /// By how much the phase turned in the last block, and over the last three: a reversal is inside one or two of them.
    fn watch(&mut self, recent: &[Complex; 4], now: Time) {
        let turn = recent[3].since(recent[2]).unit();
        if turn.since(self.turn.unit()).re > 0.0 || self.blocks < 4 {
            let share = 1.0 / self.blocks.min(40) as f32;
            self.turn = Complex {
                re: self.turn.re + share * (turn.re - self.turn.re),
                im: self.turn.im + share * (turn.im - self.turn.im),
            };
        }
        let one = self.turn.unit();
        let expected = recent[0].times(one).times(one).times(one);
        if self.blocks > 8
            && recent[3].since(expected).unit().re < -0.8
            && self.reversed.is_none_or(|at| now.since(at) > SAME_REVERSAL)
        {
            let regular = self.reversed.is_some_and(|at| REVERSAL_APART.contains(&now.since(at)));
            self.reversals = if regular { (self.reversals + 1).max(2) } else { 1 };
            self.reversed = Some(now);
        }
    }
}

/// 1650 and 1850 Hz come back after 160 samples: four blocks.
static MARK: LazyLock<Carrier<160>> = LazyLock::new(|| Carrier::new(1650.0));
static SPACE: LazyLock<Carrier<160>> = LazyLock::new(|| Carrier::new(1850.0));

/// Between the two.
static MIDDLE: LazyLock<Carrier<BLOCK>> = LazyLock::new(|| Carrier::new(1750.0));
/// The share of the power of a block that it has between them: a block of mark or of space alone, 15 Hz off, has 0.29.
const LEAST_IN_BAND: f32 = 0.1;

struct Flags<'a> {
    preamble: &'a mut Preamble,
    block: &'a [f32; BLOCK],
    from: usize,
    now: Time,
}

impl Wide for Flags<'_> {
    type Out = Option<Time>;

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> Option<Time> {
        self.preamble.look::<FUSED>(self.block, self.from, self.now)
    }
}

/// Hears flags at 300 bit/s on V.21's second channel: a fax that is about to say what it can do.
#[derive(Clone, Debug, Default)]
pub struct Preamble {
    blocks: u64,
    /// Of the last three milliseconds, newest last: mark, space, power.
    recent: [(Complex, Complex, f32); 3],
    is_mark: bool,
    /// Milliseconds of the run of bits that is on, and of the marks before it.
    run: u32,
    marks: u32,
    flags: u32,
    since: Time,
    told: bool,
}

/// Samples of a millisecond.
const MS: usize = 8;
/// Flags that are enough: 213 ms.
const FLAGS: u32 = 8;

impl Preamble {
    /// Takes the block that ended at `now`, and gives the time of the first flag, once, when there were enough of them.
    pub fn take(&mut self, block: &[f32; BLOCK], power: f32, now: Time) -> Option<Time> {
        let from = self.blocks as usize % 4 * BLOCK;
        self.blocks += 1;
        // most of what a line carries has nothing there
        if power < LEAST_POWER
            || wide(Mix(&MIDDLE, block, 0)).square() < LEAST_IN_BAND * power * (BLOCK * BLOCK) as f32 / 2.0
        {
            self.stop();
            return None;
        }
        wide(Flags { preamble: self, block, from, now })
    }

    #[inline(always)]
    fn look<const FUSED: bool>(&mut self, block: &[f32; BLOCK], from: usize, now: Time) -> Option<Time> {
        let mut heard = None;
        for (n, ms) in block.as_chunks::<MS>().0.iter().enumerate() {
            self.recent.rotate_left(1);
            let place = from + n * MS;
            self.recent[2] = (MARK.mix::<FUSED>(ms, place), SPACE.mix::<FUSED>(ms, place), filter::power(ms));
            let at = now - Duration::from_millis(4 - n as u64);
            if self.listen(at) {
                heard = Some(self.since);
            }
        }
        heard
    }

    /// A preamble may be on the line.
    pub fn is_likely(&self) -> bool {
        self.flags >= 2
    }

    fn stop(&mut self) {
        *self = Preamble { blocks: self.blocks, since: self.since, ..Preamble::default() };
    }

    fn listen(&mut self, now: Time) -> bool {
        let sum = |of: fn(&(Complex, Complex, f32)) -> Complex| {
            self.recent.iter().map(of).fold(Complex::default(), Complex::plus).square()
        };
        let (mark, space) = (sum(|r| r.0), sum(|r| r.1));
        let power = self.recent.iter().map(|r| r.2).sum::<f32>() * (3 * MS) as f32 / 2.0;
        // where a bit changes the two share what there is
        if mark.max(space) < 0.35 * power {
            self.stop();
            return false;
        }
        let is_mark = mark > space;
        self.run += 1;
        if is_mark == self.is_mark {
            if self.run > 30 {
                (self.flags, self.told) = (0, false);
            }
            return false;
        }
        let run = std::mem::replace(&mut self.run, 0);
        self.is_mark = is_mark;
        if !is_mark {
            self.marks = run;
            return false;
        }
        // a space is over, and with it a flag
        let whole =
            (17..=23).contains(&self.marks) && (4..=10).contains(&run) && (24..=29).contains(&(self.marks + run));
        if !whole {
            (self.flags, self.told) = (0, false);
            return false;
        }
        if self.flags == 0 {
            self.since = now - Duration::from_millis(u64::from(self.marks + run));
        }
        self.flags += 1;
        let enough = self.flags >= FLAGS && !self.told;
        self.told |= enough;
        enough
    }
}
