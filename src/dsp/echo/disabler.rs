//! The tone disabler: a fax or a modem that wants no canceller says so (G.168 clause 7, G.165, V.25, V.8).
//!
//! ```text
//!   2100 Hz  ──────────╲╱──────────╲╱──────────╲╱────      phase reversed every 450 ms
//!                 450 ms     450 ms                         after the second reversal: disabled, within a second
//!   then the data, for as long as there is signal either way; 250 ms of nothing both ways: enabled again
//! ```
//!
//! Without reversals the tone disables only echo suppressors (G.164), and we are none. Both directions are heard:
//! either end may answer. Frequency 2100 ± 21 Hz, −31 dBm0 and more; reversals 180° ± 45° at 425…475 ms and some more.

use super::transform::BLOCK;
use crate::dsp::level;
use std::f32::consts::{PI, TAU};
use std::sync::LazyLock;

/// Samples of a look: 5 ms, ten and a half periods.
const LOOK: usize = 40;
/// Looks with a steady tone before a reversal counts: 100 ms.
const STEADY: u32 = 20;
/// Looks from one reversal to the next: 400…500 ms.
const APART: std::ops::RangeInclusive<u32> = 80..=100;
/// Looks without a tone after which it is over: what a reversal spoils, and one to spare.
const LOST: u32 = 3;
/// The tone's share of all that is heard.
const SHARE: f32 = 0.7;
/// 22 Hz off turn the phase this much in a look, and noise a little more.
const DRIFT: f32 = TAU * 22.0 * 0.005 + 0.2;
/// A step of the phase from look to look that is none, and a reversal's distance from half a turn.
const SAME: f32 = 0.5;
const REVERSED: f32 = PI / 4.0 + 0.1;
/// Blocks of silence both ways after which it is enabled again: 248 ms.
const RELEASE: u32 = 31;

static TABLE: LazyLock<[(f32, f32); 2 * LOOK]> = LazyLock::new(|| {
    std::array::from_fn(|n| {
        let turn = n as f64 * 2100.0 / 8000.0 * std::f64::consts::TAU;
        (turn.cos() as f32, turn.sin() as f32)
    })
});

#[derive(Clone, Debug)]
pub struct Disabler {
    sent: Listener,
    received: Listener,
    disabled: bool,
    silent: u32,
}

#[derive(Clone, Debug, Default)]
struct Listener {
    at: usize,
    re: f32,
    im: f32,
    power: f32,
    phase: f32,
    /// Phase from look to look: how far off 2100 Hz it is.
    advance: f32,
    steady: u32,
    missing: u32,
    /// Looks since the last reversal, and reversals at the right distance.
    since: u32,
    reversals: u32,
}

impl Disabler {
    pub fn new() -> Disabler {
        Disabler { sent: Listener::default(), received: Listener::default(), disabled: false, silent: 0 }
    }

    pub fn is_disabled(&self) -> bool {
        self.disabled
    }

    pub fn feed(&mut self, sent: &[f32; BLOCK], received: &[f32; BLOCK]) {
        let table: &[(f32, f32); 2 * LOOK] = &TABLE;
        let heard = self.sent.feed(sent, table) | self.received.feed(received, table);
        if heard {
            self.disabled = true;
            self.silent = 0;
        }
        if self.disabled {
            let limit = level::power(-36.0);
            let quiet = super::mean_square(sent) < limit && super::mean_square(received) < limit;
            self.silent = if quiet { self.silent + 1 } else { 0 };
            if self.silent >= RELEASE {
                *self = Disabler::new();
            }
        }
    }
}

impl Listener {
    /// Whether the tone has just asked for it.
    fn feed(&mut self, block: &[f32; BLOCK], table: &[(f32, f32); 2 * LOOK]) -> bool {
        let mut asked = false;
        for &x in block {
            let (cos, sin) = table[self.at];
            self.re += x * cos;
            self.im -= x * sin;
            self.power += x * x;
            self.at += 1;
            if self.at == LOOK || self.at == 2 * LOOK {
                self.at %= 2 * LOOK;
                asked |= self.look();
                (self.re, self.im, self.power) = (0.0, 0.0, 0.0);
            }
        }
        asked
    }

    fn look(&mut self) -> bool {
        const N: f32 = LOOK as f32;
        // mean squares of the tone and of all
        let tone = 2.0 * (self.re * self.re + self.im * self.im) / (N * N);
        let all = self.power / N;
        self.since = self.since.saturating_add(1);
        if all < level::power(-33.0) || tone < SHARE * all {
            self.missing += 1;
            if self.missing > LOST {
                *self = Listener { at: self.at, ..Listener::default() };
            }
            return false;
        }
        let phase = self.im.atan2(self.re);
        let gap = (self.missing + 1) as f32;
        let step = wrapped(phase - self.phase);
        let off = wrapped(step - gap * self.advance);
        self.phase = phase;
        let was_missing = std::mem::take(&mut self.missing) > 0;
        if self.steady == 0 {
            self.steady = 1;
        } else if self.steady == 1 && !was_missing && step.abs() < DRIFT {
            self.advance = step;
            self.steady = 2;
        } else if off.abs() < SAME && self.steady >= 2 {
            self.steady = self.steady.saturating_add(1);
            if !was_missing {
                self.advance += 0.2 * off;
            }
        } else if (off.abs() - PI).abs() < REVERSED && self.steady >= STEADY {
            let periodic = self.reversals == 0 || APART.contains(&self.since);
            self.reversals = if periodic { self.reversals + 1 } else { 1 };
            (self.since, self.steady) = (0, STEADY / 2);
            return self.reversals >= 2;
        } else {
            (self.steady, self.reversals) = (1, 0);
        }
        if self.advance.abs() > DRIFT {
            (self.steady, self.reversals) = (1, 0);
        }
        false
    }
}

fn wrapped(angle: f32) -> f32 {
    angle - TAU * (angle / TAU).round()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::render;
    use crate::dsp::voice::{Noise, Random, Speech};

    /// The tone, with reversals this far apart, at this offset and level, with noise below it.
    fn answer(hz: f32, reversal: Option<usize>, dbm0: f32, snr_db: f32) -> Vec<f32> {
        let noise = render(&mut Noise::new(1, dbm0 - snr_db), 26_000);
        let tone = |n: usize| {
            let sign = if reversal.is_some_and(|r| (n / r) % 2 == 1) { -1.0 } else { 1.0 };
            sign * level::peak(dbm0) * (n as f32 * hz / 8000.0 * TAU).sin()
        };
        (0..26_000).map(|n| tone(n) + f32::from(noise[n])).collect()
    }

    /// Seconds until it is disabled.
    fn disabled_after(signal: &[f32]) -> Option<f32> {
        let mut disabler = Disabler::new();
        for (i, block) in signal.chunks_exact(BLOCK).enumerate() {
            disabler.feed(&[0.0; BLOCK], block.try_into().unwrap());
            if disabler.is_disabled() {
                return Some(((i + 1) * BLOCK) as f32 / 8000.0);
            }
        }
        None
    }

    #[test]
    fn the_answer_tone_with_reversals_disables_within_a_second() {
        for hz in [2079.0, 2085.0, 2100.0, 2115.0, 2121.0] {
            for reversal in [3400, 3600, 3800] {
                for (dbm0, snr_db) in [(-31.0, 20.0), (-12.0, 12.0), (0.0, 40.0)] {
                    let after = disabled_after(&answer(hz, Some(reversal), dbm0, snr_db));
                    assert!(after.is_some_and(|s| s < 1.05), "{hz} Hz, {reversal}, {dbm0} dBm0: {after:?}");
                }
            }
        }
    }

    #[test]
    fn the_tone_without_reversals_and_its_neighbours_disable_nothing() {
        assert_eq!(disabled_after(&answer(2100.0, None, -10.0, 40.0)), None);
        assert_eq!(disabled_after(&answer(2100.0, Some(3600), -40.0, 40.0)), None);
        assert_eq!(disabled_after(&answer(2100.0, Some(1800), -10.0, 40.0)), None);
        for hz in [1950.0, 2040.0, 2160.0, 2250.0] {
            assert_eq!(disabled_after(&answer(hz, Some(3600), -10.0, 40.0)), None, "{hz}");
        }
    }

    #[test]
    fn talkers_disable_nothing() {
        for seed in 0..8 {
            let said: Vec<f32> = render(&mut Speech::new(seed, -10.0), 800_000).iter().map(|s| f32::from(*s)).collect();
            assert_eq!(disabled_after(&said), None, "{seed}");
        }
    }

    #[test]
    fn silence_both_ways_for_a_quarter_of_a_second_enables_again_and_a_short_one_does_not() {
        let mut random = Random::new(3);
        let mut disabler = Disabler::new();
        let mut feed = |disabler: &mut Disabler, ms: usize, peak: f32| {
            for _ in 0..ms / 8 {
                disabler.feed(&[0.0; BLOCK], &std::array::from_fn(|_| peak * (random.unit() - 0.5)));
            }
        };
        for block in answer(2100.0, Some(3600), -12.0, 40.0).chunks_exact(BLOCK) {
            disabler.feed(&[0.0; BLOCK], block.try_into().unwrap());
        }
        assert!(disabler.is_disabled());
        feed(&mut disabler, 2000, 8000.0);
        feed(&mut disabler, 96, 0.0);
        feed(&mut disabler, 800, 8000.0);
        assert!(disabler.is_disabled());
        feed(&mut disabler, 400, 0.0);
        assert!(!disabler.is_disabled());
    }
}
