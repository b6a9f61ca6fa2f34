//! Comfort noise: the noise of a line described by its level and colour, and made again from that (RFC 3389).
//!
//! ```text
//!   noise ──▶ Analyser ──▶ Description ──▶ 1 + 10 bytes ──▶ Description ──▶ Generator ──▶ noise, as loud and as dark
//!             (silence only)               (RTP type 13)
//! ```
//!
//! The colour is an all-pole model in reflection coefficients (RFC 3389 clause 3.2). Their sign here: a first order
//! filter is y(n) = e(n) − k₁·y(n−1), so a noise with more low than high has a negative k₁.

use super::voice::Random;
use super::{Source, add_sample, level};

/// Order of the model: what G.711 Appendix II and others send.
pub const ORDER: usize = 10;

/// dBm0 of the overload point that the level byte counts from, the square wave of a µ-law channel (RFC 3389 clause
/// 3.1).
const OVERLOAD_DBM0: f32 = 6.18;
/// Samples of a look: 20 ms.
const WINDOW: usize = 160;
/// Every so many samples the colour and the level move a little towards where they are going: 5 ms.
const STEP: u32 = 40;
/// A model is no sharper than this: stable in single precision, and no whistle.
const SHARPEST: f32 = 0.98;

/// Noise as it is described.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Description {
    pub level_dbm0: f32,
    /// Reflection coefficients, each between −1 and 1; zeros are white.
    pub reflection: [f32; ORDER],
}

impl Description {
    pub const SILENCE: Description = Description { level_dbm0: level::FLOOR_DBM0, reflection: [0.0; ORDER] };

    pub const fn white(level_dbm0: f32) -> Description {
        Description { level_dbm0, reflection: [0.0; ORDER] }
    }

    /// The payload of RFC 3389 clause 3: the level below overload in dB, then the coefficients, 8 bits each.
    pub fn to_payload(&self) -> [u8; 1 + ORDER] {
        let mut payload = [0u8; 1 + ORDER];
        payload[0] = (OVERLOAD_DBM0 - self.level_dbm0).round().clamp(0.0, 127.0) as u8;
        for (byte, k) in payload[1..].iter_mut().zip(self.reflection) {
            *byte = (k * 32_768.0 / 258.0 + 127.0).round().clamp(0.0, 254.0) as u8;
        }
        payload
    }

    /// Reads a payload of any model order; what is beyond ours is dropped, as clause 3 allows. `None` without a level.
    pub fn from_payload(payload: &[u8]) -> Option<Description> {
        let (&level, coefficients) = payload.split_first()?;
        let mut description = Description::white(OVERLOAD_DBM0 - f32::from(level & 0x7F));
        for (k, &byte) in description.reflection.iter_mut().zip(coefficients) {
            *k = (258.0 * (f32::from(byte) - 127.0) / 32_768.0).clamp(-SHARPEST, SHARPEST);
        }
        Some(description)
    }
}

/// Describes noise. To be fed while nobody speaks; every 20 ms count for a tenth.
#[derive(Clone, Debug)]
pub struct Analyser {
    window: [f32; WINDOW],
    filled: usize,
    correlation: [f32; ORDER + 1],
    power: f32,
    looks: u32,
}

impl Default for Analyser {
    fn default() -> Self {
        Self::new()
    }
}

impl Analyser {
    pub fn new() -> Analyser {
        Analyser { window: [0.0; WINDOW], filled: 0, correlation: [0.0; ORDER + 1], power: 0.0, looks: 0 }
    }

    pub fn feed(&mut self, noise: &[i16]) {
        for &s in noise {
            self.feed_sample(f32::from(s));
        }
    }

    /// The same for samples that are not rounded.
    pub fn feed_sample(&mut self, x: f32) {
        self.window[self.filled] = x;
        self.filled += 1;
        if self.filled == WINDOW {
            self.filled = 0;
            self.look();
        }
    }

    /// What was heard so far; silence before the first 20 ms.
    pub fn description(&self) -> Description {
        Description { level_dbm0: level::dbm0_of_power(self.power), reflection: reflection(&self.correlation) }
    }

    fn look(&mut self) {
        let w = &self.window;
        let power = w.iter().map(|x| x * x).sum::<f32>() / WINDOW as f32;
        let share = if self.looks < 10 { 1.0 / (self.looks + 1) as f32 } else { 0.1 };
        self.looks = self.looks.saturating_add(1);
        self.power += share * (power - self.power);
        for (lag, c) in self.correlation.iter_mut().enumerate() {
            let sum: f32 = w[lag..].iter().zip(w).map(|(a, b)| a * b).sum();
            *c += share * (sum - *c);
        }
    }
}

/// Levinson and Durbin's recursion: the reflection coefficients of an autocorrelation.
fn reflection(correlation: &[f32; ORDER + 1]) -> [f32; ORDER] {
    let mut k = [0f32; ORDER];
    // as if white noise 40 dB below were there too: a pure tone does not become an oscillator
    let mut error = correlation[0] * 1.0001;
    if error <= 1e-3 {
        return k;
    }
    let mut a = [0f32; ORDER + 1];
    a[0] = 1.0;
    for m in 1..=ORDER {
        let sum: f32 = (0..m).map(|i| a[i] * correlation[m - i]).sum();
        let r = (-sum / error).clamp(-SHARPEST, SHARPEST);
        k[m - 1] = r;
        let before = a;
        for i in 1..=m {
            a[i] = before[i] + r * before[m - i];
        }
        error *= 1.0 - r * r;
    }
    k
}

/// Makes noise. Level and colour glide to what was last described, so that an update is not heard.
#[derive(Clone, Debug)]
pub struct Generator {
    random: Random,
    target: Description,
    reflection: [f32; ORDER],
    gain: f32,
    target_gain: f32,
    until_step: u32,
    memory: [f32; ORDER + 1],
    fresh: bool,
}

impl Generator {
    /// Silent until it is told what to make. A seed is a noise.
    pub fn new(seed: u64) -> Generator {
        Generator {
            random: Random::new(seed),
            target: Description::SILENCE,
            reflection: [0.0; ORDER],
            gain: 0.0,
            target_gain: 0.0,
            until_step: 0,
            memory: [0.0; ORDER + 1],
            fresh: true,
        }
    }

    /// From here on like this. The first one at once, later ones within some 20 ms.
    pub fn set(&mut self, description: &Description) {
        self.target = *description;
        self.target.reflection.iter_mut().for_each(|k| *k = k.clamp(-SHARPEST, SHARPEST));
        let quiet = description.level_dbm0 <= level::FLOOR_DBM0;
        let lost: f32 = self.target.reflection.iter().map(|k| 1.0 - k * k).product();
        self.target_gain = if quiet { 0.0 } else { level::rms(description.level_dbm0.min(3.0)) * lost.sqrt() };
        if self.fresh {
            (self.fresh, self.gain, self.reflection) = (false, self.target_gain, self.target.reflection);
        }
    }

    /// The next sample.
    #[inline]
    pub fn next_sample(&mut self) -> f32 {
        if self.until_step == 0 {
            self.until_step = STEP;
            self.gain += 0.3 * (self.target_gain - self.gain);
            for (k, target) in self.reflection.iter_mut().zip(self.target.reflection) {
                *k += 0.3 * (target - *k);
            }
            if self.gain < 1e-3 {
                self.memory = [0.0; ORDER + 1];
            }
        }
        self.until_step -= 1;
        let bits = self.random.bits();
        let sum: i32 = (0..4).map(|i| i32::from((bits >> (16 * i)) as u16)).sum();
        // four numbers of 16 bits: mean 4 × 32,767.5, variance 4/12 of their range squared
        let mut forward = self.gain * (sum as f32 - 131_070.0) * (1.732_05 / 65_536.0);
        for i in (0..ORDER).rev() {
            let k = self.reflection[i];
            forward -= k * self.memory[i];
            self.memory[i + 1] = self.memory[i] + k * forward;
        }
        self.memory[0] = forward;
        forward
    }
}

impl Source for Generator {
    fn add_to(&mut self, out: &mut [i16]) -> bool {
        for o in out {
            let x = self.next_sample();
            add_sample(o, x);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::{render, voice::Noise};

    /// Dark noise: white through a pole.
    fn dark(seed: u64, dbm0: f32, pole: f32) -> Vec<i16> {
        let mut y = 0.0;
        render(&mut Noise::new(seed, dbm0), 80_000)
            .iter()
            .map(|&x| {
                y = f32::from(x) + pole * y;
                y as i16
            })
            .collect()
    }

    fn described(noise: &[i16]) -> Description {
        let mut analyser = Analyser::new();
        analyser.feed(noise);
        analyser.description()
    }

    /// The share of the power that lies above 2 kHz, in dB.
    fn brightness_db(samples: &[i16]) -> f32 {
        let mut sums = [0f32; 2];
        for chunk in samples.chunks_exact(256) {
            let floats: Vec<f32> = chunk.iter().map(|&s| f32::from(s)).collect();
            for (k, p) in crate::dsp::bins(&floats).iter().enumerate() {
                sums[usize::from(k >= 64)] += p;
            }
        }
        10.0 * (sums[1] / sums[0]).log10()
    }

    #[test]
    fn what_is_made_is_as_loud_and_as_dark_as_what_was_heard() {
        for (pole, dbm0) in [(0.0, -50.0), (0.7, -45.0), (-0.6, -60.0), (0.9, -40.0)] {
            let noise = dark(4, dbm0, pole);
            let mut generator = Generator::new(9);
            generator.set(&described(&noise));
            let made = render(&mut generator, 80_000);
            let (was, is) = (level::dbm0(&noise), level::dbm0(&made));
            assert!((was - is).abs() < 1.5, "{pole}: {is} for {was} dBm0");
            let (was, is) = (brightness_db(&noise), brightness_db(&made));
            assert!((was - is).abs() < 2.0, "{pole}: {is} for {was} dB");
        }
    }

    #[test]
    fn a_payload_keeps_level_and_colour() {
        let heard = described(&dark(5, -48.0, 0.6));
        let back = Description::from_payload(&heard.to_payload()).unwrap();
        assert!((back.level_dbm0 - heard.level_dbm0).abs() <= 0.5);
        for (a, b) in back.reflection.iter().zip(heard.reflection) {
            assert!((a - b).abs() <= 0.5 * 258.0 / 32_768.0 + 1e-6, "{a} {b}");
        }
        // a first order pole at 0.6 is k₁ = −0.6, which is 127 − 0.6·127
        assert!((f32::from(heard.to_payload()[1]) - 50.8).abs() < 4.0, "{:?}", heard.to_payload());
    }

    #[test]
    fn payloads_of_other_orders_and_hostile_ones_are_read_and_stay_finite() {
        assert_eq!(Description::from_payload(&[]), None);
        assert_eq!(Description::from_payload(&[60]).unwrap(), Description::white(6.18 - 60.0));
        for byte in [0u8, 127, 254, 255] {
            let description = Description::from_payload(&[byte; 40]).unwrap();
            let mut generator = Generator::new(1);
            generator.set(&description);
            let made = (0..80_000).map(|_| generator.next_sample());
            assert!(made.into_iter().all(|x| x.is_finite() && x.abs() < 3e5), "{byte}");
        }
    }

    #[test]
    fn silence_is_described_and_made_as_silence() {
        assert_eq!(described(&[0; 8000]), Description::SILENCE);
        assert_eq!(described(&[]), Description::SILENCE);
        let mut generator = Generator::new(2);
        generator.set(&Description::SILENCE);
        assert_eq!(render(&mut generator, 800), vec![0; 800]);
    }

    #[test]
    fn any_split_is_described_and_made_the_same() {
        let noise = dark(6, -40.0, 0.5);
        let mut analyser = Analyser::new();
        noise.chunks(7).for_each(|c| analyser.feed(c));
        assert_eq!(analyser.description(), described(&noise));
        let (mut a, mut b) = (Generator::new(3), Generator::new(3));
        a.set(&described(&noise));
        b.set(&described(&noise));
        let whole = render(&mut a, 1600);
        let mut parts = vec![0i16; 1600];
        parts.chunks_mut(33).for_each(|c| _ = b.add_to(c));
        assert_eq!(whole, parts);
    }
}
