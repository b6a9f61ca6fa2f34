//! Breaks of the loop, as a recording of the line shows them: a click, a line that is dead, a click.
//!
//! ```text
//!  voice  ~~~~|________________|~~~~     opening and closing the loop are steps of some volts: both make a click of a
//!             ↑     600 ms     ↑         millisecond or two, 15 dB above what is around it on both sides of the break
//!           opens            closes
//! ```
//!
//! A hook flash is one break, a pulsed digit a train of short ones. A tone that is switched clicks too, but by no more than
//! its own peak: a click must be far above that.

use crate::clock::Time;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Break {
    pub since: Time,
    pub lasted: Duration,
}

/// Samples of a step: 2 ms.
const STEP: usize = 16;
/// Steps that are remembered: 60 ms.
const STEPS: usize = 30;
/// A click is so much louder than the middle of what is around it: 14 dB.
const ABOVE: f32 = 25.0;
/// No click is softer, in its steepness: a step of some hundreds of units.
const LEAST: f32 = 40_000.0;
/// A tone that is switched makes a step of its peak at most, which squared is four times its power when it is two.
const SWITCHED: f32 = 8.0;
/// Breaks that are looked for.
const SHORTEST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_millis(1500);
/// On a dead line there is nothing: −46 dBm0.
const DEAD: f32 = 6_500.0;

#[derive(Clone, Debug)]
pub struct Clicks {
    filled: usize,
    steps: u64,
    last: [f32; 2],
    steep: f32,
    power: f32,
    /// Peak of the second difference squared, and mean square, of the last steps.
    steepness: [f32; STEPS],
    powers: [f32; STEPS],
    open: Option<Open>,
    /// Steps in which nothing is taken for a click: the last one rings.
    blind: u32,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    at: u64,
    height: f32,
    /// Steps since then that were not dead.
    alive: u32,
}

impl Default for Clicks {
    fn default() -> Self {
        Self::new()
    }
}

impl Clicks {
    pub fn new() -> Clicks {
        Clicks {
            filled: 0,
            steps: 0,
            last: [0.0; 2],
            steep: 0.0,
            power: 0.0,
            steepness: [0.0; STEPS],
            powers: [0.0; STEPS],
            open: None,
            blind: 0,
        }
    }

    /// Listens; gives the breaks that are over.
    pub fn feed(&mut self, samples: &[i16]) -> Vec<Break> {
        let mut out = Vec::new();
        for &s in samples {
            let x = f32::from(s);
            let second = x - 2.0 * self.last[0] + self.last[1];
            self.last = [x, self.last[0]];
            self.steep = self.steep.max(second * second);
            self.power += x * x;
            self.filled += 1;
            if self.filled == STEP {
                self.filled = 0;
                self.steepness.rotate_right(1);
                self.powers.rotate_right(1);
                (self.steepness[0], self.powers[0]) = (self.steep, self.power / STEP as f32);
                (self.steep, self.power) = (0.0, 0.0);
                self.steps += 1;
                out.extend(self.step());
            }
        }
        out
    }

    /// A click is judged when what comes after it is there: the step that is 8 old.
    fn step(&mut self) -> Option<Break> {
        const AT: usize = 8;
        if self.steps < STEPS as u64 {
            return None;
        }
        let here = self.steepness[AT];
        let at = self.steps - 1 - AT as u64;
        if let Some(open) = &mut self.open {
            let since = at - open.at;
            if since >= 4 {
                open.alive += u32::from(self.powers[AT] > DEAD && here < LEAST);
            }
            // speech, a tone, or nothing that ended
            if open.alive > 4 + since as u32 / 10 || time(since) > LONGEST {
                self.open = None;
            }
        }
        if self.blind > 0 {
            self.blind -= 1;
            return None;
        }
        let middle = |from: usize, to: usize| {
            let mut around: Vec<f32> = self.steepness[from..to].to_vec();
            around.sort_by(f32::total_cmp);
            around[around.len() / 2]
        };
        // before it and after it; the two steps beside it are its own skirts
        let (after, before) = (middle(0, AT - 2), middle(AT + 3, STEPS));
        let dead_after = self.powers[1..AT - 3].iter().filter(|p| **p < DEAD).count() >= 3;
        let dead_before = self.powers[AT + 2..AT + 8].iter().filter(|p| **p < DEAD).count() >= 5;
        let loudest = (AT - 3..AT + 4).all(|i| self.steepness[i] <= here);
        let power = |from: usize, to: usize| self.powers[from..to].iter().sum::<f32>() / (to - from) as f32;
        let around = power(0, AT - 2).max(power(AT + 3, STEPS));
        if here < LEAST.max(SWITCHED * around) || !loudest {
            return None;
        }
        if let Some(open) = self.open
            && dead_before
            && here > ABOVE * before
            && here > 0.01 * open.height
        {
            let lasted = time(at - open.at);
            if lasted >= SHORTEST {
                self.blind = 3;
                // of a train of pulses the next begins soon
                self.open = (dead_after && here > ABOVE * after).then_some(Open { at, height: here, alive: 0 });
                return Some(Break { since: Time::ZERO + time(open.at), lasted });
            }
        }
        if dead_after && here > ABOVE * after && here > ABOVE / 4.0 * before {
            self.open = Some(Open { at, height: here, alive: 0 });
            self.blind = 3;
        }
        None
    }
}

fn time(steps: u64) -> Duration {
    Duration::from_micros(steps * STEP as u64 * 125)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::dtmf::{DtmfGenerator, DtmfTiming};
    use crate::dsp::tone::ToneGenerator;
    use crate::dsp::voice::{Noise, Speech};
    use crate::dsp::{Source, level};
    use proptest::prelude::*;

    /// A voice on a line, the loop open for a while: a click, nothing, a click.
    fn flashed(ms: usize, seed: u64) -> Vec<i16> {
        let mut samples = vec![0i16; 8000 * 4];
        Speech::new(seed, -22.0).add_to(&mut samples);
        let (from, to) = (16_000, 16_000 + ms * 8);
        samples[from..to].fill(0);
        for at in [from, to] {
            for i in 0..24 {
                samples[at + i] = samples[at + i].saturating_add((12_000.0 * 0.8f32.powi(i as i32)) as i16);
            }
        }
        Noise::new(seed, -62.0).add_to(&mut samples);
        samples
    }

    #[test]
    fn a_hook_flash_is_found_with_its_length() {
        for ms in [80, 100, 270, 600, 1000] {
            for seed in 0..6 {
                let found = Clicks::new().feed(&flashed(ms, seed));
                let [only] = found[..] else { panic!("{ms} ms, {seed}: {found:?}") };
                assert!(only.lasted.as_millis().abs_diff(ms as u128) <= 4, "{ms}: {only:?}");
                assert!(only.since.as_ms().abs_diff(2000) <= 4, "{only:?}");
            }
        }
    }

    #[test]
    fn voices_digits_and_tones_break_no_loop() {
        for seed in 0..20 {
            let mut samples = vec![0i16; 8000 * 20];
            Speech::new(seed, -18.0).add_to(&mut samples);
            assert_eq!(Clicks::new().feed(&samples), [], "{seed}");
        }
        let mut samples = vec![0i16; 8000 * 8];
        DtmfGenerator::new(&"0123456789*#ABCD0123456789".parse().unwrap(), DtmfTiming::default()).add_to(&mut samples);
        Noise::new(1, -60.0).add_to(&mut samples);
        assert_eq!(Clicks::new().feed(&samples), []);
        let busy = crate::facts::Facts::embedded().country("us").unwrap().tone(crate::event::ToneKind::Busy).unwrap();
        let mut samples = vec![0i16; 8000 * 8];
        ToneGenerator::at_level(busy, -12.0).add_to(&mut samples);
        assert!(level::dbm0(&samples) > -30.0);
        assert_eq!(Clicks::new().feed(&samples), []);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn any_split_of_the_audio_gives_the_same_breaks(
            sizes in proptest::collection::vec(1usize..900, 1..20),
            ms in 80usize..1200,
            seed in 0u64..100,
        ) {
            let samples = flashed(ms, seed);
            let whole = Clicks::new().feed(&samples);
            let (mut clicks, mut pieces, mut rest) = (Clicks::new(), Vec::new(), &samples[..]);
            for n in sizes.into_iter().cycle() {
                let (now, later) = rest.split_at(n.min(rest.len()));
                pieces.extend(clicks.feed(now));
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(whole, pieces);
        }
    }
}
