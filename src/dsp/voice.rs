//! Somebody speaking, for simulated parties: no words, but what detectors look at.
//!
//! Glottal pulses at a moving pitch through three moving resonances (the formants of vowels), hiss for consonants, three to
//! five syllables a second in phrases of a second or two, and pauses for breath. Each seed is another speaker: another
//! pitch, vocal tract and tempo. Cheap (a few operations a sample) and the same on every machine.

use super::oscillator::{Sine, phase_step};
use super::{Source, add_sample, level};

/// The first three formants of some vowels, Hz (after Peterson and Barney's averages).
const VOWELS: [[f32; 3]; 8] = [
    [270.0, 2290.0, 3010.0],
    [390.0, 1990.0, 2550.0],
    [530.0, 1840.0, 2480.0],
    [660.0, 1720.0, 2410.0],
    [730.0, 1090.0, 2440.0],
    [570.0, 840.0, 2410.0],
    [300.0, 870.0, 2240.0],
    [490.0, 1350.0, 1690.0],
];
const BANDWIDTH_HZ: [f32; 3] = [60.0, 90.0, 130.0];
/// What the resonances take from the excitation, on the average over speakers.
const MAKE_UP_DB: f32 = 13.5;
/// Formants and pitch move this often.
const STEP_SAMPLES: u32 = 40;

/// An endless talker.
#[derive(Clone, Debug)]
pub struct Speech {
    random: Random,
    gain: f32,
    /// Fundamental of this speaker, scale of the tract, length of a syllable in samples.
    pitch_hz: f32,
    tract: f32,
    tempo: u32,
    formants: [Resonator; 3],
    /// The fundamental, which is strong in every voice.
    voice_bar: Resonator,
    target: [f32; 3],
    now: [f32; 3],
    phase: u32,
    phase_step: u32,
    glottis: f32,
    hiss: f32,
    voicing: f32,
    voicing_target: f32,
    hiss_target: f32,
    part: Part,
    left: u32,
    syllables: u32,
    until_step: u32,
    inflection: f32,
    /// The voice rises or falls through a vowel.
    glide: f32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Pause,
    Consonant,
    Vowel,
}

impl Speech {
    /// A speaker of this seed, with this active speech level (its loudest vowels lie some 6 dB above).
    pub fn new(seed: u64, level_dbm0: f32) -> Speech {
        let mut random = Random::new(seed);
        let high_voice = random.below(2) == 1;
        let (low, span) = if high_voice { (170.0, 60.0) } else { (90.0, 50.0) };
        let pitch_hz = low + span * random.unit();
        let tract = if high_voice { 1.08 } else { 0.94 } + 0.08 * random.unit();
        let tempo = 1300 + random.below(900);
        let mut speech = Speech {
            gain: level::rms(level_dbm0 + MAKE_UP_DB),
            random,
            pitch_hz,
            tract,
            tempo,
            formants: [Resonator::default(); 3],
            voice_bar: Resonator::default(),
            target: VOWELS[4],
            now: VOWELS[4],
            phase: 0,
            phase_step: phase_step(pitch_hz),
            glottis: 0.0,
            hiss: 0.0,
            voicing: 0.0,
            voicing_target: 0.0,
            hiss_target: 0.0,
            part: Part::Pause,
            left: 0,
            syllables: 0,
            until_step: 0,
            inflection: 0.0,
            glide: 0.0,
        };
        speech.next_part();
        speech
    }

    fn next_part(&mut self) {
        let r = &mut self.random;
        self.part = match self.part {
            Part::Vowel if self.syllables == 0 => Part::Pause,
            Part::Vowel | Part::Pause => Part::Consonant,
            Part::Consonant => Part::Vowel,
        };
        match self.part {
            Part::Pause => {
                self.left = 2000 + r.below(5000);
                self.syllables = 4 + r.below(7);
                (self.voicing_target, self.hiss_target) = (0.0, 0.0);
            }
            Part::Consonant => {
                if self.syllables == 0 {
                    self.syllables = 4 + r.below(7);
                }
                self.left = self.tempo / 4 + r.below(self.tempo / 4);
                // fricatives hiss, stops are silent, nasals and liquids are voiced weakly
                (self.voicing_target, self.hiss_target) = match r.below(3) {
                    0 => (0.0, 0.10 + 0.15 * r.unit()),
                    1 => (0.0, 0.01),
                    _ => (0.3, 0.0),
                };
            }
            Part::Vowel => {
                self.left = self.tempo / 2 + r.below(self.tempo);
                self.syllables = self.syllables.saturating_sub(1);
                self.target = VOWELS[r.below(VOWELS.len() as u32) as usize].map(|f| f * self.tract);
                self.inflection = 0.85 + 0.35 * r.unit();
                self.glide = 0.012 * (r.unit() - 0.6);
                (self.voicing_target, self.hiss_target) = (0.6 + 0.5 * r.unit(), 0.01);
            }
        }
    }

    /// Moves pitch, formants and loudness a little towards where they are going.
    fn step(&mut self, sine: Sine) {
        let jitter = 1.0 + 0.03 * (self.random.unit() - 0.5);
        self.inflection *= 1.0 + self.glide;
        self.voice_bar.tune(self.pitch_hz * 1.2, 150.0, sine);
        let wanted = self.pitch_hz * self.inflection.clamp(0.6, 1.6) * jitter;
        self.phase_step = phase_step(wanted);
        self.voicing += 0.25 * (self.voicing_target - self.voicing);
        self.hiss += 0.4 * (self.hiss_target - self.hiss);
        let formants = self.formants.iter_mut().zip(&mut self.now).zip(self.target.iter().zip(BANDWIDTH_HZ));
        for ((formant, now), (target, bandwidth_hz)) in formants {
            *now += 0.12 * (target - *now);
            formant.tune(now.min(3600.0), bandwidth_hz, sine);
        }
    }

    fn next(&mut self, sine: Sine) -> f32 {
        if self.left == 0 {
            self.next_part();
        }
        self.left -= 1;
        if self.until_step == 0 {
            self.until_step = STEP_SAMPLES;
            self.step(sine);
        }
        self.until_step -= 1;
        let (phase, turned) = self.phase.overflowing_add(self.phase_step);
        self.phase = phase;
        // a pulse a period, rounded off: the glottis closes sharply and opens slowly
        let pulse = if turned { 1.0 } else { 0.0 };
        self.glottis += 0.35 * (pulse - self.glottis);
        let noise = self.random.unit() - 0.5;
        let voiced = self.glottis * self.voicing * 8.0;
        let excitation = voiced + noise * self.hiss;
        let mut sound = 0.2 * self.voice_bar.pass(voiced);
        for (f, weight) in self.formants.iter_mut().zip([1.0, 0.6, 0.35]) {
            sound += weight * f.pass(excitation);
        }
        sound + noise * self.hiss * 1.5
    }
}

impl Source for Speech {
    fn add_to(&mut self, out: &mut [i16]) -> bool {
        let sine = Sine::table();
        for o in out {
            let v = self.gain * self.next(sine);
            add_sample(o, v);
        }
        true
    }
}

/// A resonance: two poles, unit gain at zero frequency would do for a cascade; here they run side by side.
#[derive(Clone, Copy, Debug, Default)]
struct Resonator {
    a1: f32,
    a2: f32,
    gain: f32,
    y1: f32,
    y2: f32,
}

impl Resonator {
    fn tune(&mut self, hz: f32, bandwidth_hz: f32, sine: Sine) {
        // e^(−πb/f), to the second order: the same on every machine
        let x = std::f32::consts::PI * bandwidth_hz / 8000.0;
        let r = 1.0 - x + 0.5 * x * x;
        self.a1 = 2.0 * r * sine.cos(phase_step(hz));
        self.a2 = -r * r;
        self.gain = 1.0 - r;
    }

    fn pass(&mut self, x: f32) -> f32 {
        let y = self.gain * x + self.a1 * self.y1 + self.a2 * self.y2;
        self.y2 = self.y1;
        self.y1 = y;
        y
    }
}

/// SplitMix64: small, seedable, and ours, so that a seed means the same for ever.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0 to below 1.
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / 16_777_216.0
    }

    /// 0 to below `n`.
    pub fn below(&mut self, n: u32) -> u32 {
        (((self.bits() >> 32) * u64::from(n)) >> 32) as u32
    }
}

/// White noise, Gaussian near enough (a sum of four).
#[derive(Clone, Debug)]
pub struct Noise {
    random: Random,
    rms: f32,
}

impl Noise {
    pub fn new(seed: u64, level_dbm0: f32) -> Noise {
        Noise { random: Random::new(seed), rms: level::rms(level_dbm0) }
    }
}

impl Source for Noise {
    fn add_to(&mut self, out: &mut [i16]) -> bool {
        // four 16 bit numbers of one draw: variance 4/12 of their range squared
        let scale = self.rms * 1.732_05 / 65_536.0;
        for o in out {
            let bits = self.random.bits();
            let sum = (bits & 0xFFFF) + ((bits >> 16) & 0xFFFF) + ((bits >> 32) & 0xFFFF) + (bits >> 48);
            add_sample(o, (sum as f32 - 131_070.0) * scale);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::render;

    #[test]
    fn noise_has_the_level_that_was_asked_for() {
        let noise = render(&mut Noise::new(1, -30.0), 80_000);
        assert!((level::dbm0(&noise) + 30.0).abs() < 0.2, "{}", level::dbm0(&noise));
    }

    #[test]
    fn speakers_differ_and_a_seed_repeats() {
        let say = |seed| render(&mut Speech::new(seed, -20.0), 16_000);
        assert_eq!(say(1), say(1));
        assert_ne!(say(1), say(2));
    }

    #[test]
    fn speech_is_as_loud_as_asked_and_has_pauses() {
        for seed in 0..12 {
            let said = render(&mut Speech::new(seed, -20.0), 240_000);
            // active level: of the frames within 20 dB of the loudest, as P.56 counts in spirit
            let frames: Vec<f32> = said.chunks(160).map(level::dbm0).collect();
            let loudest = frames.iter().cloned().fold(-100.0, f32::max);
            let active: Vec<i16> =
                said.chunks(160).filter(|f| level::dbm0(f) > loudest - 20.0).flatten().copied().collect();
            let level = level::dbm0(&active);

            assert!((level + 20.0).abs() < 1.5, "seed {seed}: {level}");
            let quiet = frames.iter().filter(|&&l| l < loudest - 30.0).count();
            println!("{quiet} {}", frames.len());
            assert!(quiet * 200 > frames.len(), "seed {seed}: {quiet} quiet frames of {}", frames.len());
        }
    }
}
