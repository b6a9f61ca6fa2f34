//! 128 real samples ↔ 64 complex bins at the odd frequencies (k + ½) · 62.5 Hz.
//!
//! Between whole multiples of 62.5 Hz there is neither a bin at zero nor one at 4 kHz: all are alike, and 128 real
//! samples are 64 complex numbers, x(n) + i·x(n + 64), turned by n/256 of a circle, through a plain transform of 64
//! points (right-angle circular convolution). Products of such spectra are convolutions that come round negated;
//! overlap-save throws away what came round. Bins lie in the order of the transform: neighbours in it are 125 Hz apart
//! and it closes on itself at both ends of the band, because every second one is the mirror image of a negative
//! frequency.

use std::sync::LazyLock;

/// Samples of a block, and bins of a spectrum.
pub const BLOCK: usize = 64;

/// A spectrum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bins {
    pub re: [f32; BLOCK],
    pub im: [f32; BLOCK],
}

impl Bins {
    pub const ZERO: Bins = Bins { re: [0.0; BLOCK], im: [0.0; BLOCK] };

    /// Squared magnitudes.
    pub fn powers(&self) -> [f32; BLOCK] {
        std::array::from_fn(|k| self.re[k] * self.re[k] + self.im[k] * self.im[k])
    }
}

/// The sum of a block: eight sums side by side, for one after the other would have to wait for each addition.
pub fn sum(block: &[f32; BLOCK]) -> f32 {
    let mut sums = [0f32; 8];
    for chunk in block.chunks_exact(8) {
        for (s, x) in sums.iter_mut().zip(chunk) {
            *s += x;
        }
    }
    sums.iter().sum()
}

struct Tables {
    /// A quarter turn over 64 steps.
    twist_re: [f32; BLOCK],
    twist_im: [f32; BLOCK],
    /// Between the two passes of eight.
    middle_re: [f32; BLOCK],
    middle_im: [f32; BLOCK],
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let turn = |i: usize, of: f64| i as f64 / of * std::f64::consts::TAU;
    Tables {
        twist_re: std::array::from_fn(|n| turn(n, 256.0).cos() as f32),
        twist_im: std::array::from_fn(|n| turn(n, 256.0).sin() as f32),
        middle_re: std::array::from_fn(|i| turn((i / 8) * (i % 8), 64.0).cos() as f32),
        middle_im: std::array::from_fn(|i| -turn((i / 8) * (i % 8), 64.0).sin() as f32),
    }
});

/// The spectrum of 128 samples, in two halves.
pub fn forward(first: &[f32; BLOCK], second: &[f32; BLOCK]) -> Bins {
    let t: &Tables = &TABLES;
    let mut z = Bins::ZERO;
    for n in 0..BLOCK {
        z.re[n] = first[n] * t.twist_re[n] - second[n] * t.twist_im[n];
        z.im[n] = first[n] * t.twist_im[n] + second[n] * t.twist_re[n];
    }
    fft(&mut z.re, &mut z.im, t);
    z
}

/// The samples of a spectrum, in two halves.
pub fn inverse(bins: &Bins) -> ([f32; BLOCK], [f32; BLOCK]) {
    let t: &Tables = &TABLES;
    // with real and imaginary part exchanged before and after, a transform is its own inverse
    let (mut re, mut im) = (bins.im, bins.re);
    fft(&mut re, &mut im, t);
    let (mut first, mut second) = ([0f32; BLOCK], [0f32; BLOCK]);
    const SCALE: f32 = 1.0 / BLOCK as f32;
    for n in 0..BLOCK {
        first[n] = (im[n] * t.twist_re[n] + re[n] * t.twist_im[n]) * SCALE;
        second[n] = (re[n] * t.twist_re[n] - im[n] * t.twist_im[n]) * SCALE;
    }
    (first, second)
}

/// 64 points as 8 × 8: columns, a turn, and columns of the transposed.
fn fft(re: &mut [f32; BLOCK], im: &mut [f32; BLOCK], t: &Tables) {
    eights(re, im);
    let (mut turned_re, mut turned_im) = ([0f32; BLOCK], [0f32; BLOCK]);
    for i in 0..BLOCK {
        turned_re[i] = re[i] * t.middle_re[i] - im[i] * t.middle_im[i];
        turned_im[i] = re[i] * t.middle_im[i] + im[i] * t.middle_re[i];
    }
    for row in 0..8 {
        for column in 0..8 {
            re[8 * column + row] = turned_re[8 * row + column];
            im[8 * column + row] = turned_im[8 * row + column];
        }
    }
    eights(re, im);
}

/// Transforms of eight points down each of eight columns, side by side.
#[inline]
fn eights(re: &mut [f32; BLOCK], im: &mut [f32; BLOCK]) {
    const H: f32 = std::f32::consts::FRAC_1_SQRT_2;
    for q in 0..8 {
        let (r, i) = (|n: usize| re[8 * n + q], |n: usize| im[8 * n + q]);
        let (a0r, a0i, a1r, a1i) = (r(0) + r(4), i(0) + i(4), r(0) - r(4), i(0) - i(4));
        let (a2r, a2i, a3r, a3i) = (r(2) + r(6), i(2) + i(6), r(2) - r(6), i(2) - i(6));
        let (b0r, b0i, b1r, b1i) = (r(1) + r(5), i(1) + i(5), r(1) - r(5), i(1) - i(5));
        let (b2r, b2i, b3r, b3i) = (r(3) + r(7), i(3) + i(7), r(3) - r(7), i(3) - i(7));
        let (e0r, e0i, e2r, e2i) = (a0r + a2r, a0i + a2i, a0r - a2r, a0i - a2i);
        let (e1r, e1i, e3r, e3i) = (a1r + a3i, a1i - a3r, a1r - a3i, a1i + a3r);
        let (o0r, o0i, o2r, o2i) = (b0r + b2r, b0i + b2i, b0r - b2r, b0i - b2i);
        let (o1r, o1i, o3r, o3i) = (b1r + b3i, b1i - b3r, b1r - b3i, b1i + b3r);
        // times (1 − i)/√2 and −(1 + i)/√2
        let (p1r, p1i) = ((o1r + o1i) * H, (o1i - o1r) * H);
        let (p3r, p3i) = ((o3i - o3r) * H, -(o3r + o3i) * H);
        (re[q], im[q]) = (e0r + o0r, e0i + o0i);
        (re[8 + q], im[8 + q]) = (e1r + p1r, e1i + p1i);
        (re[16 + q], im[16 + q]) = (e2r + o2i, e2i - o2r);
        (re[24 + q], im[24 + q]) = (e3r + p3r, e3i + p3i);
        (re[32 + q], im[32 + q]) = (e0r - o0r, e0i - o0i);
        (re[40 + q], im[40 + q]) = (e1r - p1r, e1i - p1i);
        (re[48 + q], im[48 + q]) = (e2r - o2i, e2i + o2r);
        (re[56 + q], im[56 + q]) = (e3r - p3r, e3i - p3i);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::voice::Random;

    fn noise(seed: u64) -> [f32; BLOCK] {
        let mut random = Random::new(seed);
        std::array::from_fn(|_| random.unit() - 0.5)
    }

    /// The sums that define it, slowly: the oracle.
    #[test]
    fn the_transform_is_the_sum_that_defines_it() {
        let (a, b) = (noise(1), noise(2));
        let got = forward(&a, &b);
        for k in 0..BLOCK {
            let (mut re, mut im) = (0f64, 0f64);
            for n in 0..2 * BLOCK {
                let x = f64::from(if n < BLOCK { a[n] } else { b[n - BLOCK] });
                let turn = n as f64 * (1.0 / 256.0 - k as f64 / 64.0) * std::f64::consts::TAU;
                re += x * turn.cos();
                im += x * turn.sin();
            }
            assert!((re - f64::from(got.re[k])).abs() < 1e-4 && (im - f64::from(got.im[k])).abs() < 1e-4, "{k}");
        }
    }

    #[test]
    fn the_inverse_brings_the_samples_back() {
        let (a, b) = (noise(3), noise(4));
        let (c, d) = inverse(&forward(&a, &b));
        for n in 0..BLOCK {
            assert!((a[n] - c[n]).abs() < 1e-6 && (b[n] - d[n]).abs() < 1e-6, "{n}");
        }
    }

    #[test]
    fn the_later_half_of_a_product_is_a_convolution() {
        let (before, now, taps) = (noise(5), noise(6), noise(7));
        let (x, w) = (forward(&before, &now), forward(&taps, &[0.0; BLOCK]));
        let mut y = Bins::ZERO;
        for k in 0..BLOCK {
            y.re[k] = x.re[k] * w.re[k] - x.im[k] * w.im[k];
            y.im[k] = x.re[k] * w.im[k] + x.im[k] * w.re[k];
        }
        let (_, got) = inverse(&y);
        let all: Vec<f32> = before.iter().chain(&now).copied().collect();
        for (n, got) in got.iter().enumerate() {
            let sum: f32 = (0..BLOCK).map(|i| taps[i] * all[BLOCK + n - i]).sum();
            assert!((sum - got).abs() < 1e-5, "{n}: {got} for {sum}");
        }
    }
}
