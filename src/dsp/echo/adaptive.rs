//! The adaptive filter: a Kalman filter in the frequency domain, in partitions of 8 ms.
//!
//! ```text
//!   sent ──▶ X₀ ──▶ X₁ ──▶ X₂ ──▶ … X₁₅      spectra of the last 16, 8 ms apart
//!            ·W₀    ·W₁    ·W₂      ·W₁₅     what we believe of the path, and P: how unsure we are of it
//!             └──────┴──────┴─ Σ ────┘ ──▶ the echo as we expect it
//! ```
//!
//! In each bin the path is a vector with an uncertainty P, the error is what we do not know of it plus what is none of
//! ours: the far party's voice and the noise, of power V. A step is P·X*/(ΣP|X|² + 2V): all when V is small against
//! what we are unsure of, next to none while somebody speaks. That is double-talk control without a detector, bin by
//! bin. (Enzner and Vary 2006; in partitions Kuech, Mabande and Enzner 2014. V is estimated our way.)

// bins of several spectra side by side are told best by their number
#![allow(clippy::needless_range_loop)]

use super::transform::{BLOCK, Bins, forward, inverse, sum};

/// The spectra of what was sent, newest first.
#[derive(Clone, Debug)]
pub struct Past {
    partitions: usize,
    spectra: Vec<Bins>,
    powers: Vec<[f32; BLOCK]>,
    newest: usize,
    before: [f32; BLOCK],
    /// Squared magnitudes over the last 64 ms or so.
    recent: [f32; BLOCK],
    /// What came back, newest first.
    received: [[f32; BLOCK]; KEPT_BLOCKS],
}

/// Blocks of which what was received is kept, to learn from them more than once.
pub const KEPT_BLOCKS: usize = 4;

/// Two tones fill at most so many bins.
const NARROW_BINS: f32 = 3.3;

impl Past {
    pub fn new(partitions: usize) -> Past {
        let room = partitions + KEPT_BLOCKS - 1;
        Past {
            partitions,
            spectra: vec![Bins::ZERO; room],
            powers: vec![[0.0; BLOCK]; room],
            newest: 0,
            before: [0.0; BLOCK],
            recent: [0.0; BLOCK],
            received: [[0.0; BLOCK]; KEPT_BLOCKS],
        }
    }

    pub fn push(&mut self, sent: &[f32; BLOCK], received: &[f32; BLOCK]) {
        self.newest = if self.newest == 0 { self.spectra.len() - 1 } else { self.newest - 1 };
        let spectrum = forward(&self.before, sent);
        let powers = spectrum.powers();
        self.recent.iter_mut().zip(powers).for_each(|(r, p)| *r += (p - *r) / 8.0);
        self.powers[self.newest] = powers;
        self.spectra[self.newest] = spectrum;
        self.before = *sent;
        self.received.rotate_right(1);
        self.received[0] = *received;
    }
    /// What is sent is a tone or two: it says nothing of the path but at their frequencies. A voice fills twice as many
    /// bins.
    pub fn is_narrow(&self) -> bool {
        let all = sum(&self.recent);
        all * all < NARROW_BINS * sum(&self.recent.map(|p| p * p))
    }

    /// As they were so many blocks ago, newest first, with their squared magnitudes.
    fn iter(&self, ago: usize) -> impl Iterator<Item = (&Bins, &[f32; BLOCK])> {
        let (late, early) = self.spectra.split_at(self.newest);
        let (late_powers, early_powers) = self.powers.split_at(self.newest);
        let all = early.iter().chain(late).zip(early_powers.iter().chain(late_powers));
        all.skip(ago).take(self.partitions)
    }
}

/// The path as it is believed to be.
#[derive(Clone, Debug)]
pub struct Adaptive {
    weights: Vec<Bins>,
    unsure: Vec<[f32; BLOCK]>,
    /// How much of the path lies in each partition, as a factor of what we are unsure of.
    focus: Vec<f32>,
    /// Power of what is none of ours in the error, by bin.
    other: [f32; BLOCK],
    /// The partition that is brought back to 64 taps next.
    turn: usize,
}

/// What a path's squared gain may be in all partitions together at first: echoes come back 6 dB down and more.
const UNSURE: f32 = 0.06;
/// Paths drift: the share of a partition's squared gain that becomes unsure in every block.
const DRIFT: f32 = 5e-6;
/// How much surer a block makes us. In theory 0.5; voices are so alike from block to block that it is less.
const LEARNED: f32 = 0.2;
/// The least that there is beside the echo, −72 dBm0: rounding, and what companding adds to silence.
const LEAST_OTHER: f32 = 64.0 * 16.0;
/// How much of the estimate of what is none of ours is kept from block to block.
const KEPT: f32 = 0.8;
/// An error of less than this share of what we expected of it says that we were surer than we thought.
const LESS: f32 = 0.1;
/// A block of which less than this was expected to be ours is not learned from twice.
const OURS: f32 = 0.01;
/// The share of what we are unsure of that is spread over all partitions alike; the rest goes where the path is.
const EVEN: f32 = 0.1;
/// Squared gain of a path of which nothing is known yet: below it, all is spread alike.
const UNKNOWN: f32 = 1.0;
/// Partitions that are brought back to 64 taps after each block.
const CONSTRAINED: usize = 2;

impl Adaptive {
    pub fn new(partitions: usize) -> Adaptive {
        Adaptive {
            weights: vec![Bins::ZERO; partitions],
            unsure: vec![[UNSURE / partitions as f32; BLOCK]; partitions],
            focus: vec![1.0; partitions],
            other: [LEAST_OTHER; BLOCK],
            turn: 0,
        }
    }

    /// Takes over all that another believes.
    pub fn copy(&mut self, from: &Adaptive) {
        self.weights.copy_from_slice(&from.weights);
        self.unsure.copy_from_slice(&from.unsure);
        self.focus.copy_from_slice(&from.focus);
        self.other = from.other;
        self.turn = from.turn;
    }

    /// Keeps the path as the place to start from, but is as unsure of it as on the first day.
    pub fn doubt(&mut self) {
        let even = UNSURE / self.unsure.len() as f32;
        self.unsure.iter_mut().for_each(|p| *p = [even; BLOCK]);
        self.other = [LEAST_OTHER; BLOCK];
    }

    /// The echo of the newest block.
    pub fn output(&self, past: &Past) -> [f32; BLOCK] {
        self.output_of(past, 0)
    }

    fn output_of(&self, past: &Past, ago: usize) -> [f32; BLOCK] {
        let mut sum = Bins::ZERO;
        for ((x, _), w) in past.iter(ago).zip(&self.weights) {
            for k in 0..BLOCK {
                sum.re[k] += x.re[k] * w.re[k] - x.im[k] * w.im[k];
                sum.im[k] += x.re[k] * w.im[k] + x.im[k] * w.re[k];
            }
        }
        inverse(&sum).1
    }

    /// Learns from what was left over in the newest block, and so many times from those before it.
    pub fn learn(&mut self, past: &Past, error: &[f32; BLOCK], again: usize) {
        // next to all of it was none of ours: once is often enough
        if self.step(past, error, 0) >= OURS {
            for ago in 1..=again.min(KEPT_BLOCKS - 1) {
                let echo = self.output_of(past, ago);
                let left = std::array::from_fn(|n| past.received[ago][n] - echo[n]);
                self.step(past, &left, ago);
            }
        }
        self.constrain();
    }

    /// The share of the error that was expected to be ours.
    fn step(&mut self, past: &Past, error: &[f32; BLOCK], ago: usize) -> f32 {
        let e = forward(&[0.0; BLOCK], error);
        let mut expected = [0f32; BLOCK];
        for (((_, power), p), f) in past.iter(ago).zip(&self.unsure).zip(&self.focus) {
            for k in 0..BLOCK {
                expected[k] += power[k] * p[k] * f;
            }
        }
        // over three bins: a single one's power says little about its mean
        let power = e.powers();
        if ago == 0 {
            // the mean of the error's power is what we expect of it and more: less means that we are surer than we
            // thought
            let (seen, ours) = (sum(&power), 0.5 * sum(&expected));
            let less = seen / (LESS * ours + 1.0);
            if less < 1.0 {
                let factor = less.max(0.5);
                self.unsure.iter_mut().flatten().for_each(|p| *p *= factor);
                expected.iter_mut().for_each(|e| *e *= factor);
            }
        }
        let mut gain = [0f32; BLOCK];
        for k in 0..BLOCK {
            let (left, right) = ((k + BLOCK - 1) % BLOCK, (k + 1) % BLOCK);
            let seen = 0.25 * (power[left] + power[right]) + 0.5 * power[k];
            let ours = 0.125 * (expected[left] + expected[right]) + 0.25 * expected[k];
            let other = (seen - ours).max(LEAST_OTHER);
            if ago == 0 {
                self.other[k] = KEPT * self.other[k] + (1.0 - KEPT) * other;
            }
            gain[k] = 1.0 / (expected[k] + 2.0 * self.other[k].max(other));
        }
        let mut step = Bins::ZERO;
        for k in 0..BLOCK {
            step.re[k] = e.re[k] * gain[k];
            step.im[k] = e.im[k] * gain[k];
        }
        for (((x, _), w), (p, focus)) in past.iter(ago).zip(&mut self.weights).zip(self.unsure.iter().zip(&self.focus))
        {
            for k in 0..BLOCK {
                let q = p[k] * focus;
                w.re[k] += q * (x.re[k] * step.re[k] + x.im[k] * step.im[k]);
                w.im[k] += q * (x.re[k] * step.im[k] - x.im[k] * step.re[k]);
            }
        }
        // the same block does not make us surer twice
        if ago == 0 {
            self.note_learned(past, &gain);
        }
        0.5 * sum(&expected) / (sum(&power) + 1.0)
    }

    /// What a step with these gains has made of our uncertainty, and where the path lies.
    fn note_learned(&mut self, past: &Past, gain: &[f32; BLOCK]) {
        let mut gains = 0.0;
        for (((_, power), w), (p, focus)) in
            past.iter(0).zip(&self.weights).zip(self.unsure.iter_mut().zip(&mut self.focus))
        {
            let mut energies = [0f32; BLOCK];
            let learned = LEARNED * *focus;
            for k in 0..BLOCK {
                energies[k] = w.re[k] * w.re[k] + w.im[k] * w.im[k];
                p[k] += DRIFT * energies[k] - learned * p[k] * p[k] * power[k] * gain[k];
            }
            *focus = sum(&energies);
            gains += *focus;
        }
        // a path is a few partitions of many: what we are unsure of is looked for where there is something
        let known = 1.0 / (gains + UNKNOWN);
        let scale = (1.0 - EVEN) * self.focus.len() as f32 * known;
        let least = EVEN + (1.0 - EVEN) * UNKNOWN * known;
        self.focus.iter_mut().for_each(|f| *f = *f * scale + least);
    }

    /// A partition has 64 taps, a spectrum room for 128: what is in the later half is error of the circle.
    fn constrain(&mut self) {
        for _ in 0..CONSTRAINED {
            let w = &mut self.weights[self.turn];
            let (taps, _) = inverse(w);
            *w = forward(&taps, &[0.0; BLOCK]);
            self.turn = (self.turn + 1) % self.weights.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::voice::Random;

    type Complex = (f64, f64);

    /// The same filter as its formulas stand, in double precision, with sums for transforms: slow, and the oracle.
    struct Plain {
        past: Vec<[f64; BLOCK]>,
        weights: Vec<Vec<Complex>>,
        unsure: Vec<[f64; BLOCK]>,
        focus: Vec<f64>,
        other: [f64; BLOCK],
        turn: usize,
    }

    fn times(a: Complex, b: Complex) -> Complex {
        (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0)
    }

    fn square(a: Complex) -> f64 {
        a.0 * a.0 + a.1 * a.1
    }

    fn turn(k: usize, n: usize) -> Complex {
        let angle = n as f64 * (1.0 / 256.0 - k as f64 / 64.0) * std::f64::consts::TAU;
        (angle.cos(), angle.sin())
    }

    fn spectrum(first: &[f64], second: &[f64]) -> Vec<Complex> {
        (0..BLOCK)
            .map(|k| {
                let terms = first.iter().chain(second).enumerate().map(|(n, x)| (x * turn(k, n).0, x * turn(k, n).1));
                terms.fold((0.0, 0.0), |s, t| (s.0 + t.0, s.1 + t.1))
            })
            .collect()
    }

    fn samples(spectrum: &[Complex]) -> Vec<f64> {
        (0..2 * BLOCK)
            .map(|n| {
                let term = |k: usize| times(spectrum[k], (turn(k, n).0, -turn(k, n).1)).0;
                (0..BLOCK).map(term).sum::<f64>() / BLOCK as f64
            })
            .collect()
    }

    impl Plain {
        fn new(partitions: usize) -> Plain {
            Plain {
                past: vec![[0.0; BLOCK]; partitions + 1],
                weights: vec![vec![(0.0, 0.0); BLOCK]; partitions],
                unsure: vec![[f64::from(UNSURE) / partitions as f64; BLOCK]; partitions],
                focus: vec![1.0; partitions],
                other: [f64::from(LEAST_OTHER); BLOCK],
                turn: 0,
            }
        }

        fn block(&mut self, sent: &[f64; BLOCK], received: &[f64; BLOCK]) -> Vec<f64> {
            self.past.insert(0, *sent);
            self.past.pop();
            let partitions = self.weights.len();
            let x: Vec<Vec<Complex>> = (0..partitions).map(|p| spectrum(&self.past[p + 1], &self.past[p])).collect();
            let product: Vec<Complex> = (0..BLOCK)
                .map(|k| {
                    let terms = (0..partitions).map(|p| times(x[p][k], self.weights[p][k]));
                    terms.fold((0.0, 0.0), |s, t| (s.0 + t.0, s.1 + t.1))
                })
                .collect();
            let echo = samples(&product)[BLOCK..].to_vec();
            let error: Vec<f64> = (0..BLOCK).map(|n| received[n] - echo[n]).collect();
            let e = spectrum(&[0.0; BLOCK], &error);
            let power: Vec<f64> = e.iter().map(|e| square(*e)).collect();
            let expect = |s: &Plain, k: usize| -> f64 {
                (0..partitions).map(|p| square(x[p][k]) * s.unsure[p][k] * s.focus[p]).sum()
            };
            let all: f64 = (0..BLOCK).map(|k| 0.5 * expect(self, k)).sum();
            let less = power.iter().sum::<f64>() / (f64::from(LESS) * all + 1.0);
            if less < 1.0 {
                self.unsure.iter_mut().flatten().for_each(|p| *p *= less.max(0.5));
            }
            let expected: Vec<f64> = (0..BLOCK).map(|k| expect(self, k)).collect();
            let three = |v: &[f64], k: usize| 0.25 * (v[(k + 63) % 64] + v[(k + 1) % 64]) + 0.5 * v[k];
            let gain: Vec<f64> = (0..BLOCK)
                .map(|k| {
                    let other = (three(&power, k) - 0.5 * three(&expected, k)).max(f64::from(LEAST_OTHER));
                    self.other[k] = f64::from(KEPT) * self.other[k] + (1.0 - f64::from(KEPT)) * other;
                    1.0 / (expected[k] + 2.0 * self.other[k].max(other))
                })
                .collect();
            let mut energies = vec![0.0; partitions];
            for p in 0..partitions {
                for k in 0..BLOCK {
                    let q = self.unsure[p][k] * self.focus[p];
                    let step = times((x[p][k].0, -x[p][k].1), e[k]);
                    self.weights[p][k].0 += q * gain[k] * step.0;
                    self.weights[p][k].1 += q * gain[k] * step.1;
                    let energy = square(self.weights[p][k]);
                    let known = f64::from(LEARNED) * q * square(x[p][k]) * gain[k];
                    self.unsure[p][k] = self.unsure[p][k] * (1.0 - known) + f64::from(DRIFT) * energy;
                    energies[p] += energy;
                }
            }
            let (even, unknown) = (f64::from(EVEN), f64::from(UNKNOWN));
            let gains: f64 = energies.iter().sum();
            for (f, energy) in self.focus.iter_mut().zip(energies) {
                *f = even + (1.0 - even) * (energy * partitions as f64 + unknown) / (gains + unknown);
            }
            for _ in 0..CONSTRAINED {
                let taps = samples(&self.weights[self.turn]);
                self.weights[self.turn] = spectrum(&taps[..BLOCK], &[0.0; BLOCK]);
                self.turn = (self.turn + 1) % partitions;
            }
            echo
        }
    }

    /// Noise that is sent, and what comes back of it by a path of 150 taps, with somebody else's noise from block 20
    /// on.
    fn line(blocks: usize) -> Vec<([f32; BLOCK], [f32; BLOCK])> {
        let mut random = Random::new(4);
        let mut noise = |peak: f32| 2.0 * peak * (random.unit() - 0.5);
        let taps: Vec<f32> = (0..150).map(|n| noise(0.1) * (-(n as f32) / 40.0).exp()).collect();
        let sent: Vec<f32> = (0..blocks * BLOCK).map(|_| noise(8000.0)).collect();
        let returned = |n: usize| -> f32 { taps.iter().take(n + 1).enumerate().map(|(i, t)| t * sent[n - i]).sum() };
        let received: Vec<f32> =
            (0..sent.len()).map(|n| returned(n) + noise(if n / BLOCK >= 20 { 3000.0 } else { 10.0 })).collect();
        let block = |v: &[f32], i: usize| std::array::from_fn(|n| v[i * BLOCK + n]);
        (0..blocks).map(|i| (block(&sent, i), block(&received, i))).collect()
    }

    #[test]
    fn the_fast_filter_is_the_plain_one() {
        let (mut past, mut fast, mut plain) = (Past::new(3), Adaptive::new(3), Plain::new(3));
        for (i, (sent, received)) in line(40).iter().enumerate() {
            past.push(sent, received);
            let echo = fast.output(&past);
            let expected = plain.block(&sent.map(f64::from), &received.map(f64::from));
            for n in 0..BLOCK {
                let off = (f64::from(echo[n]) - expected[n]).abs();
                assert!(off < 0.5, "block {i}, sample {n}: {} for {}", echo[n], expected[n]);
            }
            fast.learn(&past, &std::array::from_fn(|n| received[n] - echo[n]), 0);
        }
    }

    #[test]
    fn a_path_is_learned_and_somebody_who_speaks_does_not_spoil_it() {
        let (mut past, mut filter) = (Past::new(3), Adaptive::new(3));
        let (mut left, mut came) = ([0f32; 2], [0f32; 2]);
        for (i, (sent, received)) in line(60).iter().enumerate() {
            past.push(sent, received);
            let error: [f32; BLOCK] = {
                let echo = filter.output(&past);
                std::array::from_fn(|n| received[n] - echo[n])
            };
            filter.learn(&past, &error, 3);
            if (15..20).contains(&i) || i >= 50 {
                left[usize::from(i >= 50)] += sum(&error.map(|x| x * x));
                came[usize::from(i >= 50)] += sum(&received.map(|x| x * x));
            }
        }
        assert!(left[0] < 0.003 * came[0], "{left:?} of {came:?}");
        // then the other's noise is all that is left, 3000²/3 a sample
        assert!(left[1] < 1.1 * 3_000_000.0 * (10 * BLOCK) as f32, "{left:?}");
    }
}
