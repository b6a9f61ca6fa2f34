//! Eight sines, looked for in ten milliseconds.
//!
//! A window is even about its middle, a cosine too, a sine odd: what lies equally far before and after the middle is added
//! for the one and subtracted for the other, and half of the products remain. They are laid out by frequency, eight lanes
//! side by side, which a compiler puts into registers.

use super::{HIGH_HZ, LOW_HZ};
use crate::dsp::wide::{across, plus};
use std::f64::consts::TAU;
use std::sync::LazyLock;

/// Samples of a window.
pub const WINDOW: usize = 80;
const HALF: usize = WINDOW / 2;

/// What a window has of each frequency, low group first: a sine of peak 1 is 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sines {
    pub re: [f32; 8],
    pub im: [f32; 8],
    /// Mean square of everything in the window.
    pub power: f32,
}

/// The windowed sines of the eight frequencies.
pub struct Bank {
    /// From the middle outwards.
    cosines: [[f32; 8]; HALF],
    sines: [[f32; 8]; HALF],
    weight: [f32; HALF],
}

static BANK: LazyLock<Bank> = LazyLock::new(|| {
    let turn = |hz: f32, n: usize| TAU * f64::from(hz) / 8000.0 * (n as f64 + 0.5);
    // Hann, the sum of the whole window 1
    let hann = |n: usize| (1.0 + (TAU * (n as f64 + 0.5) / WINDOW as f64).cos()) / WINDOW as f64;
    Bank {
        // twice: a sine of peak 1 sums to 1
        cosines: std::array::from_fn(|n| std::array::from_fn(|i| (2.0 * hann(n) * turn(NOMINAL[i], n).cos()) as f32)),
        sines: std::array::from_fn(|n| std::array::from_fn(|i| (-2.0 * hann(n) * turn(NOMINAL[i], n).sin()) as f32)),
        // of the sum and the difference: their squares have each sample twice
        weight: std::array::from_fn(|n| (hann(n) / 2.0) as f32),
    }
});

impl Bank {
    pub fn get() -> &'static Bank {
        &BANK
    }

    /// Looks at a window; phases are those in its middle.
    #[inline(always)]
    pub fn look<const FUSED: bool>(&self, window: &[f32; WINDOW]) -> Sines {
        let (before, after) = window.split_at(HALF);
        let (mut sum, mut difference) = ([0f32; HALF], [0f32; HALF]);
        for n in 0..HALF {
            (sum[n], difference[n]) = (after[n] + before[HALF - 1 - n], after[n] - before[HALF - 1 - n]);
        }
        // four sums each: one alone would wait for itself, four cycles a sample
        let (mut re, mut im) = ([[0f32; 8]; 4], [[0f32; 8]; 4]);
        for n in (0..HALF).step_by(4) {
            for k in 0..4 {
                for i in 0..8 {
                    re[k][i] = plus::<FUSED>(re[k][i], sum[n + k], self.cosines[n + k][i]);
                    im[k][i] = plus::<FUSED>(im[k][i], difference[n + k], self.sines[n + k][i]);
                }
            }
        }
        let mut sines = Sines::default();
        for i in 0..8 {
            sines.re[i] = (re[0][i] + re[1][i]) + (re[2][i] + re[3][i]);
            sines.im[i] = (im[0][i] + im[1][i]) + (im[2][i] + im[3][i]);
        }
        let mut powers = [0f32; 8];
        let eights = sum.as_chunks::<8>().0.iter().zip(difference.as_chunks::<8>().0);
        for ((sum, difference), weight) in eights.zip(self.weight.as_chunks::<8>().0) {
            for i in 0..8 {
                powers[i] += (sum[i] * sum[i] + difference[i] * difference[i]) * weight[i];
            }
        }
        sines.power = across(powers);
        sines
    }
}

/// Their frequencies, Hz.
pub const NOMINAL: [f32; 8] = {
    let ([a, b, c, d], [e, f, g, h]) = (LOW_HZ, HIGH_HZ);
    [a, b, c, d, e, f, g, h]
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::voice::Random;

    /// As the books have it: every sample with every sine.
    fn plainly(window: &[f32; WINDOW]) -> [(f64, f64); 8] {
        std::array::from_fn(|i| {
            let mut sum = (0.0, 0.0);
            for (n, x) in window.iter().enumerate() {
                let hann = (1.0 - (TAU * (n as f64 + 0.5) / WINDOW as f64).cos()) / WINDOW as f64;
                let turn = TAU * f64::from(NOMINAL[i]) / 8000.0 * (n as f64 + 0.5 - HALF as f64);
                sum.0 += 2.0 * hann * f64::from(*x) * turn.cos();
                sum.1 -= 2.0 * hann * f64::from(*x) * turn.sin();
            }
            sum
        })
    }

    #[test]
    fn folded_sums_are_the_plain_ones() {
        let mut random = Random::new(3);
        for _ in 0..50 {
            let window: [f32; WINDOW] = std::array::from_fn(|_| (random.unit() - 0.5) * 60_000.0);
            let (folded, plain) = (Bank::get().look::<false>(&window), plainly(&window));
            let fused = Bank::get().look::<true>(&window);
            for (i, (re, im)) in plain.into_iter().enumerate() {
                assert!((re - f64::from(folded.re[i])).abs() < 0.05 && (im - f64::from(folded.im[i])).abs() < 0.05);
                assert!((fused.re[i] - folded.re[i]).abs() < 0.05 && (fused.im[i] - folded.im[i]).abs() < 0.05);
            }
        }
    }

    #[test]
    fn a_sine_of_peak_one_is_one_and_its_power_a_half() {
        for (i, hz) in NOMINAL.into_iter().enumerate() {
            let window = std::array::from_fn(|n| (TAU * f64::from(hz) / 8000.0 * n as f64 + 0.3).sin() as f32);
            let sines = Bank::get().look::<true>(&window);
            let amplitude = sines.re[i].hypot(sines.im[i]);
            assert!((amplitude - 1.0).abs() < 0.02 && (sines.power - 0.5).abs() < 0.02, "{amplitude} {}", sines.power);
        }
    }
}
