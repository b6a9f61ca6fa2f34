//! From one rate to another, most of all to 8 kHz: a sinc under a Hann window, cut off below the lower of the two rates' halves.
//!
//! 256 phases with a line between two of them: images are 90 dB down. Output n lies at the time of n periods of the
//! new rate, whatever the old one.

/// Zero crossings of the sinc on either side.
const CROSSINGS: f64 = 16.0;
const PHASES: usize = 256;
/// The telephone band ends at 3.4 kHz: the filter may fall off from there.
const CUT: f64 = 0.92;

/// Takes samples of one rate and gives them at another, in pieces of any length.
#[derive(Clone, Debug)]
pub struct Resampler {
    /// Input samples per output sample.
    step: f64,
    kernel: Vec<f32>,
    taps: usize,
    input: Vec<f32>,
    /// Of the first sample in `input`, which has half a kernel of silence before it.
    first: u64,
    /// Output samples so far.
    given: u64,
}

impl Resampler {
    /// From a rate of 1 to 400 kHz to that of the line.
    pub fn new(from_hz: u32) -> Resampler {
        Resampler::between(from_hz, 8000)
    }

    /// Both rates of 1 to 400 kHz.
    pub fn between(from_hz: u32, to_hz: u32) -> Resampler {
        let rate = |hz: u32| f64::from(hz.clamp(1000, 400_000));
        let step = rate(from_hz) / rate(to_hz);
        let cut = CUT * (1.0 / step).min(1.0);
        let half = (CROSSINGS / cut).ceil() as usize;
        let taps = 2 * half;
        let mut kernel = Vec::with_capacity((PHASES + 1) * taps);
        for phase in 0..=PHASES {
            let fraction = phase as f64 / PHASES as f64;
            for tap in 0..taps {
                let x = tap as f64 - (half - 1) as f64 - fraction;
                let turn = std::f64::consts::PI * x * cut;
                let sinc = if turn.abs() < 1e-9 { 1.0 } else { turn.sin() / turn };
                let window = 0.5 + 0.5 * (std::f64::consts::PI * (x / half as f64).clamp(-1.0, 1.0)).cos();
                kernel.push((sinc * window * cut) as f32);
            }
        }
        Resampler { step, kernel, taps, input: vec![0.0; half - 1], first: 0, given: 0 }
    }

    pub fn feed(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        if self.step == 1.0 {
            out.extend_from_slice(samples);
            return;
        }
        self.input.extend_from_slice(samples);
        loop {
            let at = self.given as f64 * self.step - self.first as f64;
            let whole = at as usize;
            let Some(window) = self.input.get(whole..whole + self.taps) else { break };
            let phase = (at - whole as f64) * PHASES as f64;
            let (row, between) = (phase as usize, phase.fract() as f32);
            let (a, b) = (&self.kernel[row * self.taps..], &self.kernel[(row + 1) * self.taps..]);
            let (mut low, mut high) = (0f32, 0f32);
            for ((x, a), b) in window.iter().zip(a).zip(b) {
                low += x * a;
                high += x * b;
            }
            out.push(low + (high - low) * between);
            self.given += 1;
        }
        let used = ((self.given as f64 * self.step - self.first as f64) as usize).min(self.input.len());
        if used > 4096 {
            self.input.drain(..used);
            self.first += used as u64;
        }
    }

    /// What is still inside: as if silence followed.
    pub fn finish(&mut self, out: &mut Vec<f32>) {
        if self.step == 1.0 {
            return;
        }
        let silence = vec![0.0; self.taps / 2];
        self.feed(&silence, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(rate: u32, hz: f64, seconds: f64) -> Vec<f32> {
        let n = (f64::from(rate) * seconds) as usize;
        (0..n).map(|i| (i as f64 * hz / f64::from(rate) * std::f64::consts::TAU).sin() as f32).collect()
    }

    #[test]
    fn a_tone_of_any_rate_comes_out_as_it_would_have_been_sampled_at_8_khz() {
        for rate in [6000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000] {
            let mut out = Vec::new();
            let mut resampler = Resampler::new(rate);
            for piece in sine(rate, 1004.0, 0.5).chunks(777) {
                resampler.feed(piece, &mut out);
            }
            resampler.finish(&mut out);
            assert!(out.len().abs_diff(4000) <= 2, "{rate}: {}", out.len());
            let expected = sine(8000, 1004.0, 0.5);
            let off = out.iter().zip(&expected).skip(100).take(3700).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
            assert!(off < 0.004, "{rate}: {off}");
        }
    }

    #[test]
    fn a_line_becomes_a_recording_of_any_rate_without_images() {
        for rate in [11_025, 16_000, 44_100, 48_000] {
            let mut out = Vec::new();
            let mut resampler = Resampler::between(8000, rate);
            for piece in sine(8000, 3000.0, 0.5).chunks(77) {
                resampler.feed(piece, &mut out);
            }
            resampler.finish(&mut out);
            let expected = sine(rate, 3000.0, 0.5);
            assert!(out.len().abs_diff(expected.len()) <= 8, "{rate}: {} for {}", out.len(), expected.len());
            let edge = rate as usize / 50;
            let both = out.iter().zip(&expected).skip(edge).take(expected.len() - 2 * edge);
            let off = both.map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
            assert!(off < 0.004, "{rate}: {off}");
        }
    }

    #[test]
    fn what_is_above_4_khz_does_not_fold_into_the_band() {
        let mut out = Vec::new();
        Resampler::new(48_000).feed(&sine(48_000, 7000.0, 0.3), &mut out);
        let loudest = out[200..2000].iter().fold(0f32, |m, v| m.max(v.abs()));
        assert!(loudest < 0.003, "{loudest}");
    }

    #[test]
    fn hours_need_no_more_memory_than_seconds() {
        let mut resampler = Resampler::new(44_100);
        let mut out = Vec::new();
        for _ in 0..2000 {
            out.clear();
            resampler.feed(&[0.1; 4410], &mut out);
        }
        assert!(resampler.input.capacity() < 40_000);
    }
}
