//! Automatic gain control: a voice at one level, whoever speaks and however far the line is.
//!
//! ```text
//!  in   ▂▂▂▂▂ ▁ ▂▂▂▂   ▇▇▇▇▇ ▁ ▇▇▇▇      a quiet talker, then a loud one
//!  out  ▅▅▅▅▅ ▁ ▅▅▅▅   ▆▅▅▅▅ ▁ ▅▅▅▅      down in a quarter of a second, up slowly, and not at all in pauses
//! ```
//!
//! The level of speech is measured only while there is speech (in the spirit of ITU-T P.56): what stands 8 dB above the
//! noise of the last seconds and above the gate. In pauses the gain stays, so that noise is not pumped up. What would
//! still be louder than [`CEILING_DBFS`] is held below it by a limiter, so that nothing clips. No delay.

use super::level;

/// Peaks stay below this, dB under full scale of 16 bits.
pub const CEILING_DBFS: f32 = -1.0;

/// Samples of a step: 5 ms.
const STEP: usize = 40;
/// Speech stands this far above the noise: 8 dB.
const ABOVE_NOISE: f32 = 6.3;
/// How long the minimum of the power is remembered: two halves of so many steps, 2 s each.
const HALF: u32 = 400;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AgcConfig {
    /// Active level of speech that is aimed for.
    pub target_dbm0: f32,
    /// Never more gain than this, nor less than its opposite.
    pub max_gain_db: f32,
    /// Below this there is no speech: the gain stays.
    pub gate_dbm0: f32,
    /// How fast the gain falls and rises while there is speech, dB per second.
    pub attack_db_per_s: f32,
    pub release_db_per_s: f32,
}

impl Default for AgcConfig {
    /// −15 dBm0 is the level of speech that networks are planned for (ITU-T G.223 has −15 dBm0 as the mean of the busy
    /// hour).
    fn default() -> Self {
        AgcConfig {
            target_dbm0: -15.0,
            max_gain_db: 18.0,
            gate_dbm0: -45.0,
            attack_db_per_s: 40.0,
            release_db_per_s: 8.0,
        }
    }
}

/// One direction of one call. Blocks of any length.
#[derive(Clone, Debug)]
pub struct Agc {
    config: AgcConfig,
    filled: usize,
    sum: f32,
    /// Power of speech, over some 200 ms of speech.
    speech: f32,
    /// Minima of this half and the one before.
    quietest: [f32; 2],
    steps: u32,
    gain_db: f32,
    gain: f32,
    target_gain: f32,
    /// Of the limiter, 1 while it has nothing to do.
    limit: f32,
}

impl Agc {
    pub fn new(config: AgcConfig) -> Agc {
        Agc {
            config,
            filled: 0,
            sum: 0.0,
            speech: 0.0,
            quietest: [f32::INFINITY; 2],
            steps: 0,
            gain_db: 0.0,
            gain: 1.0,
            target_gain: 1.0,
            limit: 1.0,
        }
    }

    /// The gain as it is now, the limiter not counted.
    pub fn gain_db(&self) -> f32 {
        self.gain_db
    }

    pub fn process(&mut self, samples: &mut [i16]) {
        let ceiling = 32_768.0 * level::gain(CEILING_DBFS);
        for s in samples {
            let x = f32::from(*s);
            self.sum += x * x;
            self.filled += 1;
            if self.filled == STEP {
                self.step();
            }
            // a step's change of gain is spread over the step that follows
            self.gain += (self.target_gain - self.gain) * (2.0 / STEP as f32);
            // back to one within some 50 ms
            self.limit += (1.0 - self.limit) * 0.005;
            let y = x * self.gain;
            let peak = y.abs();
            if peak * self.limit > ceiling {
                self.limit = ceiling / peak;
            }
            *s = (y * self.limit).round() as i16;
        }
    }

    fn step(&mut self) {
        let power = self.sum / STEP as f32;
        (self.sum, self.filled) = (0.0, 0);
        self.quietest[0] = self.quietest[0].min(power.max(1.0));
        self.steps += 1;
        if self.steps == HALF {
            self.steps = 0;
            self.quietest = [f32::INFINITY, self.quietest[0]];
        }
        let noise = self.quietest[0].min(self.quietest[1]);
        let gate = level::power(self.config.gate_dbm0).max(ABOVE_NOISE * noise);
        if power < gate {
            return;
        }
        // a loud beginning counts at once: it must come down before it hurts
        let share = if self.speech == 0.0 || power > 4.0 * self.speech { 0.2 } else { 0.025 };
        self.speech += share * (power - self.speech);
        let most = self.config.max_gain_db.abs();
        let wanted = (self.config.target_dbm0 - level::dbm0_of_power(self.speech)).clamp(-most, most);
        let second = STEP as f32 / 8000.0;
        let change = wanted - self.gain_db;
        self.gain_db += change.clamp(-self.config.attack_db_per_s * second, self.config.release_db_per_s * second);
        self.target_gain = level::gain(self.gain_db);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::voice::{Noise, Speech};
    use crate::dsp::{Source, render};

    fn active_dbm0(samples: &[i16]) -> f32 {
        let frames: Vec<f32> = samples.chunks(160).map(level::dbm0).collect();
        let loudest = frames.iter().cloned().fold(-100.0, f32::max);
        let active: Vec<i16> =
            samples.chunks(160).filter(|f| level::dbm0(f) > loudest - 20.0).flatten().copied().collect();
        level::dbm0(&active)
    }

    #[test]
    fn quiet_and_loud_talkers_end_at_the_same_level() {
        for dbm0 in [-32.0, -25.0, -15.0, -6.0] {
            for seed in 0..4 {
                let mut samples = render(&mut Speech::new(seed, dbm0), 160_000);
                Noise::new(seed, dbm0 - 40.0).add_to(&mut samples);
                Agc::new(AgcConfig::default()).process(&mut samples);
                let level = active_dbm0(&samples[80_000..]);
                assert!((level + 15.0).abs() < 3.0, "{dbm0} dBm0, seed {seed}: {level}");
            }
        }
    }

    #[test]
    fn no_more_gain_than_the_limit_is_given() {
        let mut agc = Agc::new(AgcConfig { max_gain_db: 6.0, ..AgcConfig::default() });
        let mut samples = render(&mut Speech::new(1, -35.0), 160_000);
        agc.process(&mut samples);
        assert!((agc.gain_db() - 6.0).abs() < 0.1, "{}", agc.gain_db());
    }

    #[test]
    fn noise_alone_is_not_pumped_up() {
        for dbm0 in [-60.0, -40.0, -25.0] {
            let mut agc = Agc::new(AgcConfig::default());
            let mut samples = render(&mut Noise::new(3, dbm0), 160_000);
            agc.process(&mut samples);
            assert!(agc.gain_db().abs() < 0.5, "{dbm0}: {}", agc.gain_db());
        }
    }

    #[test]
    fn the_gain_stays_in_the_pauses_of_a_talker() {
        let mut samples = render(&mut Speech::new(2, -28.0), 80_000);
        samples.extend([0; 80_000]);
        Noise::new(3, -55.0).add_to(&mut samples);
        let mut agc = Agc::new(AgcConfig::default());
        agc.process(&mut samples[..80_000]);
        let after_speech = agc.gain_db();
        agc.process(&mut samples[80_000..]);
        assert!(after_speech > 5.0 && agc.gain_db() == after_speech, "{after_speech}, then {}", agc.gain_db());
    }

    #[test]
    fn a_sudden_shout_neither_clips_nor_stays_loud() {
        let mut samples = render(&mut Speech::new(5, -30.0), 80_000);
        samples.extend(render(&mut Speech::new(5, 0.0), 80_000));
        Agc::new(AgcConfig::default()).process(&mut samples);
        let ceiling = (32_768.0 * level::gain(CEILING_DBFS)) as i32 + 1;
        assert!(samples.iter().all(|s| i32::from(*s).abs() <= ceiling));
        let soon = active_dbm0(&samples[88_000..96_000]);
        assert!(soon < -9.0, "one second later it is {soon} dBm0");
    }

    #[test]
    fn any_split_comes_out_the_same() {
        let speech = render(&mut Speech::new(7, -25.0), 40_000);
        let (mut whole, mut parts) = (speech.clone(), speech);
        Agc::new(AgcConfig::default()).process(&mut whole);
        let mut agc = Agc::new(AgcConfig::default());
        parts.chunks_mut(77).for_each(|c| agc.process(c));
        assert_eq!(whole, parts);
    }
}
