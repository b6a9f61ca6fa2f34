//! The receiver: samples into bytes.

use super::{BIT_RATE, Data, Standard};
use crate::clock::SAMPLE_RATE_HZ;
use crate::dsp::filter::{Biquad, Cascade, Memory};
use crate::dsp::wide::{Wide, across, plus, wide};
use std::f64::consts::TAU;
use std::sync::LazyLock;

/// Hears both standards with one pair of filters: a bit lasts 6⅔ samples, so 50 Hz more or less do not matter to it; the
/// frequency of the marks tells which of the two it was.
///
/// Each sample has a soft bit: by how much the power at mark exceeds that at space, weighted by what both were of late, so
/// that a twist of 10 dB moves the edges little. A byte is read when all of it is there, at the alignment that makes its bits surest.
///
/// The arithmetic is done on 40 samples at a time, in arrays that a compiler turns into vectors; what follows the bits goes
/// on in steps of eight samples, or at once where no marks are long enough, and a quiet line costs its high-pass only.
#[derive(Clone, Debug)]
pub struct Demodulator {
    /// Samples that wait for a whole block.
    waiting: [i16; BLOCK],
    filled: usize,
    /// Samples so far, of whole blocks.
    count: u64,
    high_pass: Memory,
    /// Filtered samples: the last of them, and room for a block.
    past: [f32; BEFORE + BLOCK],
    /// Complex amplitudes at mark, which turn as the signal does: a while back, and room for a block.
    marks: [[f32; TURN + BLOCK]; 2],
    soft: [f32; KEPT + BLOCK],
    /// Loudest power at mark and at space of late.
    levels: [f32; 2],
    /// Power of either, over a bit or so.
    power: f32,
    /// Peaks, slowly forgotten.
    loudness: f32,
    /// Whether the last sample was a mark: 0 or 1.
    before: u64,
    /// Where mark and space changed in the last samples; the latest is the highest bit.
    edges_before: u64,
    turn: (f32, f32),
    mark_run: u32,
    alternations: u32,
    seized: bool,
    /// Samples without carrier, in a row.
    faint: u32,
    reading: Reading,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Reading {
    /// No message.
    Nothing,
    /// The marks before a message.
    Marks,
    /// The bits of a byte, the edge of whose start bit was at this sample and a fraction.
    Byte { edge: f64 },
    /// Marks between two bytes, since then.
    Between { since: f64 },
}

/// Eight samples: which of a block, and what is known of them. In the bits, the first sample is the lowest.
struct Step {
    step: usize,
    newest: f64,
    /// Samples without carrier, in a row.
    faint: u32,
    /// Marks, with a carrier.
    carried: u8,
    /// Spaces, after a mark.
    falls: u8,
}

/// Samples that are worked on at a time: 5 ms. The tables repeat after four.
const BLOCK: usize = 40;
/// Samples of a step.
const STEP: usize = 8;
/// Steps of a block.
const STEPS: usize = BLOCK / STEP;
/// A bit for each sample of a block.
const ALL: u64 = (1 << BLOCK) - 1;
/// Samples of a bit.
const BIT: f64 = SAMPLE_RATE_HZ as f64 / BIT_RATE as f64;
/// Samples that a sum over a bit reaches back.
const BEFORE: usize = 6;
/// Soft bits that are remembered: more than a byte and its edges.
const KEPT: usize = 120;
/// Samples between two looks at the phase of a mark.
const TURN: usize = 20;
/// Marks before a message: 55 bits are the fewest that any exchange sends (BT), and some are lost to the filters.
const MARKS: u32 = (20.0 * BIT) as u32;
/// Alternating bits that are a channel seizure: 96 are the fewest (ETSI).
const SEIZURE: u32 = 60;
/// Marks between bytes: GR-30 allows 10 bits; more than 40 is the end.
const LONGEST_IDLE: f64 = 40.0 * BIT;
/// No message has longer marks before it.
const LONGEST_MARKS: u32 = (600.0 * BIT) as u32;
/// Nothing softer than this is data: −48 dBm0, as the filters count it.
const LEAST: f32 = 91_553.0;
/// No sample of data stays below this for a block: −55 dBm0.
const STILL: f32 = 40.0;
/// In proportion to the louder of mark and space, what is below this is no carrier: −13 dB.
const FAINT: f32 = 0.05;
/// A soft bit of this much is beyond doubt.
const SURE: f32 = 0.5;
/// Samples without carrier that end it.
const GONE: u32 = 12;
/// What is left of a level after a block: 0.9995 a sample.
const LEVEL_DECAY: f32 = 0.980_2;
/// What a step adds to the power: a tenth a sample.
const POWER_SHARE: f32 = 0.569_533;
/// What is left of the loudness after a block: 0.98 a sample.
const LOUDNESS_DECAY: f32 = 0.445_7;

impl Default for Demodulator {
    fn default() -> Self {
        Self::new()
    }
}

impl Demodulator {
    /// Between the two marks, and between the two spaces.
    const CENTRES_HZ: [f64; 2] = [1250.0, 2150.0];

    pub fn new() -> Demodulator {
        Demodulator {
            waiting: [0; BLOCK],
            filled: 0,
            count: 0,
            high_pass: Memory::default(),
            past: [0.0; BEFORE + BLOCK],
            marks: [[0.0; TURN + BLOCK]; 2],
            soft: [0.0; KEPT + BLOCK],
            levels: [0.0; 2],
            power: 0.0,
            loudness: 0.0,
            before: 0,
            edges_before: 0,
            turn: (0.0, 0.0),
            mark_run: 0,
            alternations: 0,
            seized: false,
            faint: 0,
            reading: Reading::Nothing,
        }
    }

    /// Forgets the message that is being read: the rest of it is not for us.
    pub fn leave(&mut self) {
        self.reading = Reading::Nothing;
        self.mark_run = 0;
        self.seized = false;
    }

    /// Whether it is in the middle of a message, or of the marks before one.
    pub fn is_reading(&self) -> bool {
        self.reading != Reading::Nothing
    }

    pub fn feed(&mut self, samples: &[i16], tell: impl FnMut(&mut Self, Data)) {
        wide(Listen { demodulator: self, samples, tell });
    }

    #[inline(always)]
    fn listen<const FUSED: bool>(&mut self, samples: &[i16], mut tell: impl FnMut(&mut Self, Data)) {
        let mut rest = samples;
        while !rest.is_empty() {
            let whole: [i16; BLOCK];
            match rest.split_first_chunk() {
                Some((block, later)) if self.filled == 0 => (whole, rest) = (*block, later),
                _ => {
                    let (now, later) = rest.split_at(rest.len().min(BLOCK - self.filled));
                    self.waiting[self.filled..self.filled + now.len()].copy_from_slice(now);
                    self.filled += now.len();
                    rest = later;
                    if self.filled < BLOCK {
                        break;
                    }
                    (self.filled, whole) = (0, self.waiting);
                }
            }
            self.take_block::<FUSED>(&whole, &mut tell);
        }
    }

    #[inline(always)]
    fn take_block<const FUSED: bool>(&mut self, block: &[i16; BLOCK], tell: &mut impl FnMut(&mut Self, Data)) {
        let mut x = [0f32; BLOCK];
        x.iter_mut().zip(block).for_each(|(x, s)| *x = f32::from(*s));
        HIGH_PASS.pass::<FUSED>(&mut self.high_pass, &mut x);
        self.loudness = most(peak(&x), LOUDNESS_DECAY * self.loudness);
        if self.loudness < STILL && self.reading == Reading::Nothing {
            self.rest();
            return;
        }
        let powers = self.correlate::<FUSED>(&x);
        let both = self.soft_bits(&powers);
        let faint = self.watch_power(&both);
        let marks = self.soft.last_chunk().map_or(0, |soft| above(soft, 0.0));
        // where the sample before was a mark
        let after_mark = (marks << 1 | self.before) & ALL;
        self.before = marks >> (BLOCK - 1);
        self.watch_edges(marks ^ after_mark, &faint);
        let carried = marks & above(&both, LEAST);
        if self.reading != Reading::Nothing || !self.stays_without_marks(carried) {
            // the newest sample of a step
            let mut newest = self.first() + (KEPT + STEP - 1) as f64;
            for (step, faint) in faint.into_iter().enumerate() {
                let of = |bits: u64| (bits >> (step * STEP)) as u8;
                self.track::<FUSED>(
                    Step { step, newest, faint, carried: of(carried), falls: of(after_mark & !marks) },
                    tell,
                );
                newest += STEP as f64;
            }
        }
        self.count += BLOCK as u64;
    }

    /// For how many samples there has been no carrier, at the end of each step.
    #[inline(always)]
    fn watch_power(&mut self, both: &[f32; BLOCK]) -> [u32; STEPS] {
        let least = most(FAINT * most(self.levels[0], self.levels[1]), LEAST);
        let mut faint = [0; STEPS];
        for (both, now) in both.as_chunks::<STEP>().0.iter().zip(&mut faint) {
            self.power += POWER_SHARE * (across(*both) / STEP as f32 - self.power);
            self.faint = if self.power < least { self.faint + STEP as u32 } else { 0 };
            *now = self.faint;
        }
        faint
    }

    /// A block of a line on which nobody sends.
    fn rest(&mut self) {
        if self.past.iter().any(|x| *x != 0.0) {
            self.past = [0.0; BEFORE + BLOCK];
            self.marks = [[0.0; TURN + BLOCK]; 2];
            self.soft = [0.0; KEPT + BLOCK];
            (self.mark_run, self.alternations, self.seized) = (0, 0, false);
            (self.before, self.edges_before) = (0, 0);
        }
        self.count += BLOCK as u64;
    }

    /// The powers at mark and at space over the last bit, for each sample.
    ///
    /// To mix with a carrier and add up is to weigh with the carrier's samples, but for a turn that no power has.
    #[inline(always)]
    fn correlate<const FUSED: bool>(&mut self, x: &[f32; BLOCK]) -> [[f32; BLOCK]; 2] {
        let weights: &[[f32; BEFORE + 1]; 4] = &WEIGHTS;
        self.past.copy_within(BLOCK.., 0);
        self.past[BEFORE..].copy_from_slice(x);
        for marks in &mut self.marks {
            marks.copy_within(BLOCK.., 0);
        }
        let mut powers = [[0f32; BLOCK]; 2];
        for at in (0..BLOCK).step_by(STEP) {
            let Some(x) = self.past[at..].first_chunk::<{ BEFORE + STEP }>() else { break };
            let mut sums = [[0f32; STEP]; 4];
            for k in 0..=BEFORE {
                for (sum, weights) in sums.iter_mut().zip(weights) {
                    for n in 0..STEP {
                        sum[n] = plus::<FUSED>(sum[n], x[k + n], weights[k]);
                    }
                }
            }
            let [mark_re, mark_im, space_re, space_im] = &sums;
            self.marks[0][TURN + at..TURN + at + STEP].copy_from_slice(mark_re);
            self.marks[1][TURN + at..TURN + at + STEP].copy_from_slice(mark_im);
            for n in 0..STEP {
                powers[0][at + n] = plus::<FUSED>(mark_re[n] * mark_re[n], mark_im[n], mark_im[n]);
                powers[1][at + n] = plus::<FUSED>(space_re[n] * space_re[n], space_im[n], space_im[n]);
            }
        }
        powers
    }

    /// The soft bits of a block, and the power of mark and space together.
    #[inline(always)]
    fn soft_bits(&mut self, powers: &[[f32; BLOCK]; 2]) -> [f32; BLOCK] {
        let [mark, space] = powers;
        for (level, powers) in self.levels.iter_mut().zip(powers) {
            *level = most(peak(powers), LEVEL_DECAY * *level);
        }
        // half of the twist is taken out: all of it would make a strong mark's share in the filter of a weak space a space
        let balance = (most(self.levels[1], 1e-6) / most(self.levels[0], 1e-6)).sqrt().clamp(0.25, 4.0);
        self.soft.copy_within(BLOCK.., 0);
        let soft = &mut self.soft[KEPT..];
        let mut both = [0f32; BLOCK];
        for n in 0..BLOCK {
            let weighted = mark[n] * balance;
            both[n] = mark[n] + space[n];
            soft[n] = (weighted - space[n]) / most(weighted + space[n], 1e-6);
        }
        both
    }

    /// The first sample of what is kept.
    fn first(&self) -> f64 {
        self.count as f64 - KEPT as f64
    }

    #[inline(always)]
    fn track<const FUSED: bool>(&mut self, step: Step, tell: &mut impl FnMut(&mut Self, Data)) {
        let Step { newest, faint, falls, .. } = step;
        if matches!(self.reading, Reading::Nothing | Reading::Marks) {
            self.watch_marks(step.step, step.carried);
        }
        if self.count < KEPT as u64 {
            return;
        }
        match self.reading {
            Reading::Nothing if self.mark_run >= MARKS => self.reading = Reading::Marks,
            Reading::Nothing => {}
            Reading::Marks => {
                if falls != 0 {
                    self.reading = Reading::Byte { edge: self.edge(step.step, falls) };
                    // the middle between the two marks turns by an eighth in so many samples
                    let standard = if self.turn.1 < self.turn.0 { Standard::Bell202 } else { Standard::V23 };
                    let seized = std::mem::take(&mut self.seized);
                    self.turn = (0.0, 0.0);
                    tell(self, Data::Begins { standard, seized });
                } else if faint > GONE || self.mark_run > LONGEST_MARKS {
                    self.leave();
                }
            }
            Reading::Byte { edge } if newest >= edge + 10.0 * BIT + 2.0 => self.read_byte::<FUSED>(edge, newest, tell),
            Reading::Byte { .. } if faint > GONE => self.end(tell),
            Reading::Byte { .. } => {}
            Reading::Between { since } => {
                if falls != 0 {
                    self.reading = Reading::Byte { edge: self.edge(step.step, falls) };
                } else if faint > GONE || newest > since + LONGEST_IDLE {
                    self.end(tell);
                }
            }
        }
    }

    fn end(&mut self, tell: &mut impl FnMut(&mut Self, Data)) {
        self.leave();
        tell(self, Data::Ends);
    }

    /// How long the marks last, and how their phase turns.
    #[inline(always)]
    fn watch_marks(&mut self, step: usize, marks: u8) {
        if marks == 0xFF {
            if self.mark_run as usize > TURN + STEP {
                let most = most(self.levels[0], self.levels[1]);
                let [re, im] = &self.marks;
                let (mut turn, at) = ((0.0, 0.0), step * STEP);
                for n in at..at + STEP {
                    turn.0 += re[n + TURN] * re[n] + im[n + TURN] * im[n];
                    turn.1 += im[n + TURN] * re[n] - re[n + TURN] * im[n];
                }
                self.turn = (self.turn.0 + turn.0 / most, self.turn.1 + turn.1 / most);
            }
            self.mark_run += STEP as u32;
        } else {
            self.mark_run = marks.leading_ones();
            if self.reading != Reading::Marks {
                self.turn = (0.0, 0.0);
            }
        }
    }

    /// Without a message: no marks that are long enough for one are in these samples, nor have begun in them so long ago that
    /// their phase is looked at. What [`Self::watch_marks`] would make of all steps is then plain.
    #[inline(always)]
    fn stays_without_marks(&mut self, marks: u64) -> bool {
        let (first, last) = (marks.trailing_ones(), (marks | !ALL).leading_ones() - ALL.leading_zeros());
        if first == BLOCK as u32 || self.mark_run + first >= MARKS || last as usize > TURN + STEP {
            return false;
        }
        self.mark_run = last;
        self.turn = (0.0, 0.0);
        true
    }

    /// Edges that are a bit apart, all at once.
    #[inline(always)]
    fn watch_edges(&mut self, edges: u64, faint: &[u32; STEPS]) {
        if !matches!(self.reading, Reading::Nothing | Reading::Marks) {
            (self.edges_before, self.alternations) = (0, 0);
            return;
        }
        let (apart, others) = self.alternating(edges);
        if self.alternations + apart.count_ones() >= SEIZURE {
            self.watch_seizure(apart, others, faint);
        } else if others == 0 {
            self.alternations += apart.count_ones();
        } else {
            self.alternations = (apart & !(u64::MAX >> others.leading_zeros())).count_ones();
        }
    }

    /// Which edges of a block come a bit after the one before them, and which come sooner or later.
    #[inline(always)]
    fn alternating(&mut self, edges: u64) -> (u64, u64) {
        let before = self.edges_before;
        // a bit where an edge was so many samples ago
        let ago = |n: u32| edges << n | before >> (u64::BITS - n);
        let near = ago(1) | ago(2) | ago(3);
        let apart = ago(4) | ago(5) | ago(6) | ago(7) | ago(8) | ago(9);
        self.edges_before = edges << (u64::BITS - BLOCK as u32);
        let apart = edges & apart & !near;
        (apart, edges & !apart)
    }

    /// The same, edge by edge: so many alternate that it may be a seizure.
    fn watch_seizure(&mut self, apart: u64, others: u64, faint: &[u32; STEPS]) {
        let mut edges = apart | others;
        while edges != 0 {
            let at = edges.trailing_zeros();
            self.alternations = if apart >> at & 1 == 1 { self.alternations + 1 } else { 0 };
            self.seized |= self.alternations >= SEIZURE && faint[at as usize / STEP] == 0;
            edges &= edges - 1;
        }
    }

    /// Where the first of these falls was: mark to space between the sample before it and it.
    fn edge(&self, step: usize, falls: u8) -> f64 {
        let i = KEPT + step * STEP + falls.trailing_zeros() as usize;
        self.first() + self.crossing(i)
    }

    /// Counted from the first soft bit that is kept; the crossing is before this one.
    fn crossing(&self, i: usize) -> f64 {
        let (a, b) = (self.soft[i - 1], self.soft[i]);
        (i - 1) as f64 + f64::from(a / (a - b))
    }

    /// All bits of a byte are there. The edge was found where the filter was half full of space, half a bit late, and where
    /// noise put it: the alignment is the one that makes all bits surest.
    #[inline(always)]
    fn read_byte<const FUSED: bool>(&mut self, edge: f64, newest: f64, tell: &mut impl FnMut(&mut Self, Data)) {
        let first = self.first();
        let (bits, offset) = align::<FUSED>(&self.soft, (edge - first) as f32);
        if bits[0] > 0.0 {
            // no start bit: a click in the marks
            self.reading = Reading::Between { since: edge };
            return;
        }
        let byte = bits[1..9].iter().fold(0u8, |byte, bit| byte >> 1 | if *bit > 0.0 { 0x80 } else { 0 });
        let stop = bits[9] > 0.0;
        // the next start bit may have begun already
        let from = (edge - first + f64::from(offset) + 9.6 * BIT).ceil() as usize;
        let falls = |i: &usize| self.soft[i - 1] > 0.0 && self.soft[*i] <= 0.0;
        self.reading = match (from..=(newest - first) as usize).find(falls) {
            Some(i) => Reading::Byte { edge: first + self.crossing(i) },
            None => Reading::Between { since: newest },
        };
        tell(self, if stop { Data::Byte(byte) } else { Data::Framing });
    }
}

struct Listen<'a, T> {
    demodulator: &'a mut Demodulator,
    samples: &'a [i16],
    tell: T,
}

impl<T: FnMut(&mut Demodulator, Data)> Wide for Listen<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        self.demodulator.listen::<FUSED>(self.samples, self.tell);
    }
}

/// Alignments that are tried, half a sample apart.
const ALIGNMENTS: usize = 9;
/// The bits of a byte, start and stop.
const BITS: usize = super::FRAME_BITS as usize;

/// The bits of a byte at the alignment that makes them surest, and that alignment in samples; `edge` is counted from the
/// first of the soft bits.
#[inline(always)]
fn align<const FUSED: bool>(soft: &[f32], edge: f32) -> ([f32; BITS], f32) {
    // a bit that is sure is sure: only those that an edge has come too near to tell alignments apart
    let mut sums: [f32; ALIGNMENTS] = std::array::from_fn(|i| -0.04 * offset(i).abs());
    let mut bits = [[0f32; ALIGNMENTS]; BITS];
    for (k, at) in bits.iter_mut().enumerate() {
        *at = at_all_alignments::<FUSED>(soft, edge + (k as f32 + 0.5) * BIT as f32);
        for (sum, bit) in sums.iter_mut().zip(&*at) {
            let sure = bit.clamp(-SURE, SURE);
            *sum += match k {
                0 => -sure,
                9 => sure,
                _ => sure.abs(),
            };
        }
    }
    let best = (0..ALIGNMENTS).max_by(|&a, &b| sums[a].total_cmp(&sums[b])).unwrap_or(ALIGNMENTS / 2);
    (bits.map(|bit| bit[best]), offset(best))
}

fn offset(alignment: usize) -> f32 {
    (alignment as f32 - (ALIGNMENTS / 2) as f32) * 0.5
}

/// The soft bit at a place, linear between two, and at the places around it: whole and half samples have two fractions in all.
#[inline(always)]
fn at_all_alignments<const FUSED: bool>(soft: &[f32], at: f32) -> [f32; ALIGNMENTS] {
    let whole = at as usize;
    let fraction = at - whole as f32;
    let mut out = [0.0; ALIGNMENTS];
    let from = whole.saturating_sub(2);
    let Some(near) = soft.get(from..from + 7) else { return out };
    let (shift, half) = if fraction < 0.5 { (0, fraction + 0.5) } else { (1, fraction - 0.5) };
    for i in 0..5 {
        out[2 * i] = plus::<FUSED>(near[i], near[i + 1] - near[i], fraction);
    }
    let halves = &near[shift..shift + 5];
    for i in 0..4 {
        out[2 * i + 1] = plus::<FUSED>(halves[i], halves[i + 1] - halves[i], half);
    }
    out
}

/// The largest magnitude. Without their signs, floats sort as whole numbers do, the larger of which a compiler leaves in its
/// register.
#[inline(always)]
fn peak(values: &[f32; BLOCK]) -> f32 {
    let mut peaks = [0; STEP];
    for eight in values.as_chunks::<STEP>().0 {
        for n in 0..STEP {
            peaks[n] = (eight[n].abs().to_bits() as i32).max(peaks[n]);
        }
    }
    // two and two: one after the other, each would wait for the one before
    let [a, b, c, d, e, f, g, h] = peaks;
    let most = a.max(e).max(c.max(g)).max(b.max(f).max(d.max(h)));
    f32::from_bits(most as u32)
}

/// The larger one. `f32::max` takes care of what is no number, which costs more than the comparison.
#[inline(always)]
fn most(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// Which are above this; the first is the lowest bit. Powers of two added up as floats, 24 bits of which are exact: bits put
/// together one by one are what a compiler takes registers apart for.
#[inline(always)]
fn above(values: &[f32; BLOCK], least: f32) -> u64 {
    let mut sums = [[0f32; STEP]; 2];
    for (step, eight) in values.as_chunks::<STEP>().0.iter().enumerate() {
        let (sum, from) = (&mut sums[step / 3], step % 3 * STEP);
        for n in 0..STEP {
            sum[n] += if eight[n] > least { (1 << (from + n)) as f32 } else { 0.0 };
        }
    }
    let [low, high] = sums.map(|sum| across(sum) as i32 as u64);
    high << (3 * STEP) | low
}

/// Butterworth, second order at 700 Hz: hum, dial tone and the lower half of the noise.
static HIGH_PASS: LazyLock<Cascade> = LazyLock::new(|| {
    let section = Biquad::new([0.676_411_5, -1.352_823_1, 0.676_411_5], [-1.245_218_9, 0.460_427_2]);
    Cascade::of([section, Biquad::NONE])
});

/// Cosine and sine of mark, and of space, over the samples of a bit: six whole, and two thirds of the first.
static WEIGHTS: LazyLock<[[f32; BEFORE + 1]; 4]> = LazyLock::new(|| {
    std::array::from_fn(|i| {
        let turn = |n: usize| n as f64 * Demodulator::CENTRES_HZ[i / 2] / f64::from(SAMPLE_RATE_HZ) * TAU;
        let share = |n: usize| if n == 0 { 2.0 / 3.0 } else { 1.0 };
        std::array::from_fn(|n| (share(n) * if i % 2 == 0 { turn(n).cos() } else { -turn(n).sin() }) as f32)
    })
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::voice::Random;

    /// One alignment after the other, one bit after the other.
    fn plainly(soft: &[f32], edge: f64) -> f32 {
        let bit_at = |offset: f64, k: u32| {
            let at = edge + offset + (f64::from(k) + 0.5) * BIT;
            let (a, b) = (soft[at as usize], soft[at as usize + 1]);
            (a + (b - a) * (at.fract()) as f32).clamp(-SURE, SURE)
        };
        let sureness = |offset: f64| {
            (1..=8).map(|k| bit_at(offset, k).abs()).sum::<f32>() - bit_at(offset, 0) + bit_at(offset, 9)
                - 0.04 * offset.abs() as f32
        };
        (0..ALIGNMENTS).map(|i| sureness(f64::from(offset(i)))).fold(f32::MIN, f32::max)
    }

    #[test]
    fn all_alignments_at_once_find_what_one_after_the_other_does() {
        let mut random = Random::new(7);
        for _ in 0..500 {
            let soft: Vec<f32> = (0..KEPT + BLOCK).map(|_| random.unit() * 2.0 - 1.0).collect();
            let edge = 20.0 + random.unit() * 40.0;
            let (bits, offset) = align::<true>(&soft, edge);
            let sure = bits.map(|b| b.clamp(-SURE, SURE));
            let sum = sure[1..9].iter().map(|b| b.abs()).sum::<f32>() - sure[0] + sure[9] - 0.04 * offset.abs();
            assert!((sum - plainly(&soft, f64::from(edge))).abs() < 1e-3);
        }
    }

    #[test]
    fn the_bits_and_the_peak_of_a_block_are_those_of_its_samples() {
        let mut random = Random::new(8);
        for _ in 0..500 {
            let values: [f32; BLOCK] = std::array::from_fn(|_| random.unit() * 2.0 - 1.0);
            let plain = (0..BLOCK).filter(|n| values[*n] > 0.3).fold(0u64, |bits, n| bits | 1 << n);
            assert_eq!(above(&values, 0.3), plain);
            assert_eq!(peak(&values), values.iter().fold(0.0, |most, x| x.abs().max(most)));
        }
        assert_eq!((above(&[1.0; BLOCK], 0.0), above(&[0.0; BLOCK], 0.0)), (ALL, 0));
    }

    #[test]
    fn edges_of_a_block_at_once_are_what_one_after_the_other_is() {
        let mut random = Random::new(9);
        let mut at_once = Demodulator::new();
        let (mut last, mut alternations, mut seized, mut seizures) = (-100i64, 0, false, 0);
        let mut next = 0i64;
        for block in 0..20_000i64 {
            let from = block * BLOCK as i64;
            let faint = std::array::from_fn(|_| if random.unit() < 0.1 { STEP as u32 } else { 0 });
            let mut edges = 0;
            while next < from + BLOCK as i64 {
                edges |= 1u64 << (next - from);
                alternations = if (4..=9).contains(&(next - last)) { alternations + 1 } else { 0 };
                seized |= alternations >= SEIZURE && faint[(next - from) as usize / STEP] == 0;
                last = next;
                let usual = random.unit() < 0.98;
                next += if usual { 4 + (random.unit() * 6.0) as i64 } else { 1 + (random.unit() * 14.0) as i64 };
            }
            at_once.watch_edges(edges, &faint);
            assert_eq!((at_once.alternations, at_once.seized), (alternations, seized), "block {block}");
            seizures += u32::from(std::mem::take(&mut seized));
            at_once.seized = false;
        }
        assert!(seizures > 100, "{seizures}");
    }

    #[test]
    fn a_block_that_stays_without_marks_is_what_its_steps_are() {
        let mut random = Random::new(10);
        let mut steps = Demodulator::new();
        steps.levels = [1.0; 2];
        let (mut same, mut left) = (0, 0);
        let mut mark = false;
        for _ in 0..20_000 {
            steps.marks.iter_mut().flatten().for_each(|x| *x = random.unit());
            let mut marks = 0u64;
            for n in 0..BLOCK {
                mark ^= random.unit() < if mark { 0.015 } else { 0.2 };
                marks |= u64::from(mark) << n;
            }
            let mut at_once = steps.clone();
            let stays = at_once.stays_without_marks(marks);
            for step in 0..STEPS {
                steps.watch_marks(step, (marks >> (step * STEP)) as u8);
                assert!(!stays || steps.mark_run < MARKS);
            }
            if stays {
                assert_eq!((at_once.mark_run, at_once.turn), (steps.mark_run, steps.turn));
            }
            *(if stays { &mut same } else { &mut left }) += 1;
        }
        assert!(same > 1000 && left > 1000, "{same} {left}");
    }
}
