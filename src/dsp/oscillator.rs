//! Sines without calls to `sin`: a phase accumulator of 32 bits into a table with linear interpolation.
//!
//! A step of the phase is 8000 / 2³² Hz = 1.9 µHz, so frequencies are exact; 1,024 points leave an error of −106 dB, below
//! what 16 bit can hold. The phase is the sample number times the step, wrapping: a tone that is gated goes on under
//! the gate, as in an exchange.

use crate::clock::SAMPLE_RATE_HZ;
use std::sync::LazyLock;

const POINTS: usize = 1024;
const SHIFT: u32 = 32 - POINTS.trailing_zeros();

/// One period of a sine, and its first point again at the end.
static SINE: LazyLock<[f32; POINTS + 1]> =
    LazyLock::new(|| std::array::from_fn(|i| (i as f64 / POINTS as f64 * std::f64::consts::TAU).sin() as f32));

/// The table, looked up once before a loop.
#[derive(Clone, Copy)]
pub struct Sine(&'static [f32; POINTS + 1]);

impl Sine {
    pub fn table() -> Sine {
        Sine(&SINE)
    }

    /// The sine of a phase; a whole turn is 2³².
    #[inline]
    pub fn at(self, phase: u32) -> f32 {
        let i = (phase >> SHIFT) as usize;
        let fraction = (phase << (32 - SHIFT)) as f32 * (1.0 / 4_294_967_296.0);
        let (a, b) = (self.0[i], self.0[i + 1]);
        a + (b - a) * fraction
    }

    /// The cosine of a phase.
    #[inline]
    pub fn cos(self, phase: u32) -> f32 {
        self.at(phase.wrapping_add(1 << 30))
    }
}

/// The phase that passes in one sample at this frequency.
pub fn phase_step(hz: f32) -> u32 {
    (f64::from(hz) / f64::from(SAMPLE_RATE_HZ) * 4_294_967_296.0).round() as i64 as u32
}

/// A sine that runs.
#[derive(Clone, Copy, Debug)]
pub struct Oscillator {
    phase: u32,
    step: u32,
}

impl Oscillator {
    pub fn new(hz: f32) -> Oscillator {
        Oscillator { phase: 0, step: phase_step(hz) }
    }

    /// Another frequency from here on, without a jump in phase.
    pub fn retune(&mut self, step: u32) {
        self.step = step;
    }

    /// The phase that it has after this many samples from zero.
    pub fn restart_at(&mut self, samples: u64) {
        self.phase = self.step.wrapping_mul(samples as u32);
    }

    #[inline]
    pub fn next(&mut self, sine: Sine) -> f32 {
        let v = sine.at(self.phase);
        self.phase = self.phase.wrapping_add(self.step);
        v
    }

    /// Adds the next samples at this peak to a mix.
    pub fn mix(&mut self, peak: f32, mix: &mut [f32]) {
        let sine = Sine::table();
        for m in mix {
            *m += peak * self.next(sine);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_a_sine() {
        let sine = Sine::table();
        for i in 0..10_000u32 {
            let phase = i.wrapping_mul(429_497);
            let exact = (f64::from(phase) / 4_294_967_296.0 * std::f64::consts::TAU).sin();
            assert!((f64::from(sine.at(phase)) - exact).abs() < 6e-6);
        }
    }

    #[test]
    fn a_gated_sine_runs_on_under_the_gate() {
        let (mut a, mut b) = (Oscillator::new(425.0), Oscillator::new(425.0));
        let mut mix = [0.0; 1234];
        a.mix(1.0, &mut mix);
        b.restart_at(1234);
        assert_eq!(a.next(Sine::table()), b.next(Sine::table()));
    }
}
