//! Digits in tones, made and heard (ITU-T Q.23, Q.24).

use super::oscillator::{Oscillator, phase_step};
use super::{FRAME_SAMPLES, Source, add_sample, level, samples_of};
use crate::number::{DialStep, DialString, Digit};
use std::time::Duration;

/// The rows of the keypad, Hz.
pub const LOW_HZ: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
/// Its columns.
pub const HIGH_HZ: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];

/// How digits are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DtmfTiming {
    pub on: Duration,
    pub off: Duration,
    /// Mean level of the two tones.
    pub level_dbm0: f32,
    /// The high tone is this much louder than the low one.
    pub twist_db: f32,
}

impl Default for DtmfTiming {
    /// 70 ms on and off pass every receiver of Q.24's table (the slowest cycle there is 125 ms); the high group is sent 2 dB
    /// louder, because the pair takes more from it.
    fn default() -> Self {
        DtmfTiming { on: Duration::from_millis(70), off: Duration::from_millis(70), level_dbm0: -9.0, twist_db: 2.0 }
    }
}

/// Sends a dial string as tones; a pause is one second of silence.
#[derive(Clone, Debug)]
pub struct DtmfGenerator {
    digits: DialString,
    timing: DtmfTiming,
    low_peak: f32,
    high_peak: f32,
    low: Oscillator,
    high: Oscillator,
    /// The step being sent, and how many of its samples are out.
    at: usize,
    done: u64,
}

impl DtmfGenerator {
    const PAUSE: Duration = Duration::from_secs(1);

    pub fn new(digits: &DialString, timing: DtmfTiming) -> DtmfGenerator {
        Self::of(digits.clone(), timing)
    }

    /// One digit.
    pub fn digit(digit: Digit, timing: DtmfTiming) -> DtmfGenerator {
        Self::of(std::iter::once(digit).collect(), timing)
    }

    fn of(digits: DialString, timing: DtmfTiming) -> DtmfGenerator {
        DtmfGenerator {
            digits,
            timing,
            low_peak: level::peak(timing.level_dbm0 - timing.twist_db / 2.0),
            high_peak: level::peak(timing.level_dbm0 + timing.twist_db / 2.0),
            low: Oscillator::new(LOW_HZ[0]),
            high: Oscillator::new(HIGH_HZ[0]),
            at: 0,
            done: 0,
        }
    }
}

impl Source for DtmfGenerator {
    fn add_to(&mut self, out: &mut [i16]) -> bool {
        let mut rest = out;
        while let Some(&step) = self.digits.steps().get(self.at) {
            if rest.is_empty() {
                return true;
            }
            let (on, whole) = match step {
                DialStep::Pause => (0, samples_of(Self::PAUSE)),
                DialStep::Digit(_) => {
                    let on = samples_of(self.timing.on);
                    (on, on + samples_of(self.timing.off))
                }
            };
            if let (DialStep::Digit(digit), 0) = (step, self.done) {
                let (row, column) = digit.position();
                self.low.retune(phase_step(LOW_HZ[row]));
                self.high.retune(phase_step(HIGH_HZ[column]));
            }
            let until = if self.done < on { on } else { whole };
            let n = rest.len().min(usize::try_from(until - self.done).unwrap_or(usize::MAX));
            let (now, later) = rest.split_at_mut(n);
            if self.done < on {
                for chunk in now.chunks_mut(FRAME_SAMPLES) {
                    let mut mix = [0f32; FRAME_SAMPLES];
                    let mix = &mut mix[..chunk.len()];
                    self.low.mix(self.low_peak, mix);
                    self.high.mix(self.high_peak, mix);
                    chunk.iter_mut().zip(mix).for_each(|(o, m)| add_sample(o, *m));
                }
            }
            rest = later;
            self.done += n as u64;
            if self.done == whole {
                self.at += 1;
                self.done = 0;
            }
        }
        false
    }
}
