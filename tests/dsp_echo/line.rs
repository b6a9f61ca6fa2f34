//! A line with an echo, of which everything is known: what is sent, what comes back of it, who speaks at the far end,
//! the noise. For the tests, and for the comparison with other programs.

use tipring::dsp::g711::Law;
use tipring::dsp::level;
use tipring::dsp::render;
use tipring::dsp::voice::{Noise, Random, Speech};

pub const SECOND: usize = 8000;

/// A hybrid and what lies before it, in the manner of ITU-T G.168 Annex D: an impulse response that rings between the
/// edges of the telephone band, after a delay.
pub fn hybrid(number: u64, delay: usize, loss_db: f32) -> Vec<f32> {
    let mut random = Random::new(0x4859_4252 + number);
    // how long it rings, and how many reflections there are: from a short loop to a loaded cable
    let (tau_ms, reflections) = [(0.35, 1), (0.6, 1), (0.9, 2), (1.3, 2), (1.8, 3), (0.5, 3)][(number % 6) as usize];
    let mut taps = vec![0f32; delay + 96];
    for r in 0..reflections {
        let at = delay + r * (9 + random.below(12) as usize);
        let size = 0.6f32.powi(r as i32) * if random.below(2) == 0 { 1.0 } else { -1.0 };
        for _ in 0..3 {
            let hz = 350.0 + 2900.0 * random.unit();
            let (phase, share) = (random.unit() * std::f32::consts::TAU, 0.4 + random.unit());
            for (n, tap) in taps[at..].iter_mut().enumerate() {
                let t = n as f32 / 8000.0;
                let rise = 1.0 - (-t / 0.0002).exp();
                let ring = (-t / (tau_ms * 1e-3)).exp() * (std::f32::consts::TAU * hz * t + phase).cos();
                *tap += size * share * rise * ring;
            }
        }
    }
    let energy: f32 = taps.iter().map(|t| t * t).sum();
    let gain = level::gain(-loss_db) / energy.sqrt();
    taps.iter_mut().for_each(|t| *t *= gain);
    taps
}

/// What happens on a line.
pub struct Line {
    pub sent: Vec<i16>,
    pub received: Vec<i16>,
    pub echo: Vec<f32>,
    pub near: Vec<f32>,
    pub noise: Vec<f32>,
}

impl Line {
    /// Somebody of this seed speaks into the line at this active level.
    pub fn speech(seed: u64, dbm0: f32, samples: usize) -> Vec<i16> {
        // the talker begins with a pause of its own length: it is cut off, so that time counts from the first word
        let said = render(&mut Speech::new(seed, dbm0), samples + 2 * SECOND);
        let first = said.iter().position(|s| s.abs() > 200).unwrap_or(0).min(2 * SECOND);
        said[first..first + samples].to_vec()
    }

    /// `paths` are impulse responses, each from this sample on; the line speaks µ-law both ways.
    pub fn new(sent: &[i16], paths: &[(usize, Vec<f32>)], near: Vec<f32>, noise_dbm0: f32, seed: u64) -> Line {
        let sent: Vec<i16> = sent.to_vec();
        let on_line: Vec<f32> = sent.iter().map(|&s| f32::from(Law::Mu.decode(Law::Mu.encode(s)))).collect();
        let noise: Vec<f32> =
            render(&mut Noise::new(seed, noise_dbm0), sent.len()).iter().map(|&s| f32::from(s)).collect();
        let echo: Vec<f32> = (0..sent.len())
            .map(|n| {
                let (_, taps) = paths.iter().rev().find(|(from, _)| *from <= n).expect("a path from the start");
                taps.iter().take(n + 1).enumerate().map(|(i, t)| t * on_line[n - i]).sum()
            })
            .collect();
        let received = (0..sent.len())
            .map(|n| {
                let sum = echo[n] + near[n] + noise[n];
                Law::Mu.decode(Law::Mu.encode(sum.round().clamp(-32768.0, 32767.0) as i16))
            })
            .collect();
        Line { sent, received, echo, near, noise }
    }

    /// What is left of the echo, of an output that is later by so many samples: all in it that is neither the talker
    /// nor the noise of the line.
    pub fn left(&self, out: &[i16], delay: usize) -> Vec<f32> {
        (0..out.len() - delay).map(|n| f32::from(out[n + delay]) - self.near[n] - self.noise[n]).collect()
    }

    /// Echo return loss enhancement over a stretch.
    pub fn erle_db(&self, left: &[f32], stretch: std::ops::Range<usize>) -> f32 {
        db(power(&self.echo[stretch.clone()]) / power(&left[stretch]).max(1e-3))
    }

    /// Seconds from a sample until the echo, over 64 ms, is 20 dB down for the first time and stays 17 dB down on the
    /// whole of the second after it.
    pub fn time_to_20_db(&self, left: &[f32], from: usize) -> f32 {
        const WINDOW: usize = 512;
        let end = left.len().saturating_sub(SECOND + WINDOW);
        let mut at = from;
        while at < end {
            let window = at..at + WINDOW;
            if self.erle_db(left, window.clone()) >= 20.0
                && power(&self.echo[window]) > level::power(-45.0)
                && self.erle_db(left, at + WINDOW..at + WINDOW + SECOND) >= 17.0
            {
                return (at + WINDOW - from) as f32 / SECOND as f32;
            }
            at += 40;
        }
        f32::INFINITY
    }
}

pub fn power(samples: &[f32]) -> f32 {
    samples.iter().map(|x| x * x).sum::<f32>() / samples.len().max(1) as f32
}

pub fn db(ratio: f32) -> f32 {
    10.0 * ratio.max(1e-12).log10()
}

pub fn median(mut values: Vec<f32>) -> f32 {
    values.sort_by(f32::total_cmp);
    values[values.len() / 2]
}
