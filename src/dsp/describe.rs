//! Tones that are in nobody's plan: regular ones, described by what they are.
//!
//! ```text
//!  ▇▇▇▇▇▇____▇▇▇▇▇▇____▇▇▇▇▇▇____     three bursts of the same frequencies, lengths and gaps: 1400 Hz, 240/160 ms
//!  ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇     one that lasts two seconds: 620 + 480 Hz, steady
//! ```
//!
//! This needs no facts, and costs another look at the spectrum every 20 ms: for recordings, not for lines.

use super::front::{BLOCK, Front, LOW_BLOCK};
use super::level;
use super::spectrum::Look;
use crate::clock::Time;
use std::fmt;
use std::time::Duration;

/// A regular tone that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Regular {
    pub since: Time,
    pub lasted: Duration,
    /// At most four, ascending.
    pub hz: Vec<u16>,
    /// `None`: steady.
    pub on: Option<Duration>,
    pub off: Option<Duration>,
    pub bursts: u32,
}

impl Regular {
    /// As the tables write it: `480+620/500,0/500`.
    pub fn notation(&self) -> String {
        let hz = self.hz.iter().map(u16::to_string).collect::<Vec<_>>().join("+");
        // what is measured in steps of 5 ms, as people would write it
        let round = |d: Duration| {
            let unit = if d.as_millis() < 400 { 10 } else { 20 };
            (d.as_millis() + unit / 2) / unit * unit
        };
        match (self.on, self.off) {
            (Some(on), Some(off)) => format!("{hz}/{},0/{}", round(on).max(10), round(off).max(10)),
            _ => hz,
        }
    }
}

impl fmt::Display for Regular {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hz = self.hz.iter().map(u16::to_string).collect::<Vec<_>>().join("+");
        match (self.on, self.off) {
            (Some(on), Some(off)) => write!(f, "{hz} Hz, {}/{} ms", on.as_millis(), off.as_millis()),
            _ => write!(f, "{hz} Hz, steady"),
        }
    }
}

const BLOCK_TIME: Duration = Duration::from_millis(5);
/// Below this is nothing: −48 dBm0.
const LEAST_POWER: f32 = level::POWER_0_DBM0 * 1.585e-5;
/// Gaps of fewer blocks are none.
const GAP: u32 = 6;
/// A tone as long as that is regular by itself.
const STEADY: Duration = Duration::from_secs(2);
/// Bursts that make a cadence.
const ENOUGH: u32 = 3;
const LINES: usize = 4;
/// Frequencies of a burst that are counted.
const KNOWN: usize = 8;

#[derive(Clone, Debug)]
pub struct Describer {
    front: Front,
    block: [i16; BLOCK],
    filled: usize,
    blocks: u64,
    floor: f32,
    look: Look,
    burst: Option<Burst>,
    run: Option<Run>,
}

#[derive(Clone, Debug)]
struct Burst {
    since: u64,
    level: f32,
    age: u32,
    below: u32,
    looks: u32,
    pure: u32,
    /// Frequency and how often it was there.
    lines: [(f32, u32); KNOWN],
    count: usize,
}

/// Bursts that are alike.
#[derive(Clone, Debug)]
struct Run {
    since: u64,
    hz: [f32; LINES],
    lines: usize,
    bursts: u32,
    on: f64,
    gaps: u32,
    off: f64,
    last_end: u64,
}

impl Default for Describer {
    fn default() -> Self {
        Self::new()
    }
}

impl Describer {
    pub fn new() -> Describer {
        Describer {
            front: Front::new(),
            block: [0; BLOCK],
            filled: 0,
            blocks: 0,
            floor: level::power(-60.0),
            look: Look::default(),
            burst: None,
            run: None,
        }
    }

    pub fn feed(&mut self, samples: &[i16], out: &mut Vec<Regular>) {
        for &s in samples {
            self.block[self.filled] = s;
            self.filled += 1;
            if self.filled == BLOCK {
                self.filled = 0;
                self.take_block(out);
            }
        }
    }

    /// When what may yet be regular began.
    pub fn since(&self) -> Option<Time> {
        let run = self.run.as_ref().map(|r| r.since);
        let first = run.or(self.burst.as_ref().map(|b| b.since))?;
        Some(Time::ZERO + BLOCK_TIME * u32::try_from(first).unwrap_or(u32::MAX))
    }

    /// The recording is over.
    pub fn finish(&mut self, out: &mut Vec<Regular>) {
        if let Some(burst) = self.burst.take() {
            self.burst_over(&burst, self.blocks, out);
        }
        self.run_over(out);
    }

    fn take_block(&mut self, out: &mut Vec<Regular>) {
        let power = self.front.take(&self.block);
        self.blocks += 1;
        let threshold = (4.0 * self.floor).max(LEAST_POWER);
        let mut over = false;
        match &mut self.burst {
            None if power > threshold => self.burst = Some(Burst::new(self.blocks - 1, power)),
            None => self.floor = (1.02 * self.floor).min(power).max(level::power(-75.0)) * 0.9 + 0.1 * power,
            Some(burst) => {
                burst.age += 1;
                if power < (0.1 * burst.level).max(0.7 * threshold) {
                    burst.below += 1;
                    over = burst.below == GAP;
                } else {
                    burst.below = 0;
                    burst.level += (power - burst.level) / burst.age.min(16) as f32;
                }
                if burst.below == 0 && burst.age >= 8 && self.blocks.is_multiple_of(4) {
                    // a window of the burst alone
                    let age = burst.age as usize;
                    let low = (age * LOW_BLOCK).saturating_sub(2 * LOW_BLOCK).max(3 * LOW_BLOCK);
                    self.look.take(self.front.low(low, 0), self.front.high(age * BLOCK - BLOCK, 0));
                    burst.look(&self.look);
                }
            }
        }
        if over && let Some(burst) = self.burst.take() {
            self.burst_over(&burst, self.blocks - u64::from(GAP), out);
        }
        if self.burst.is_none() && self.run.as_ref().is_some_and(|r| r.is_overdue(self.blocks)) {
            self.run_over(out);
        }
    }

    fn burst_over(&mut self, burst: &Burst, end: u64, out: &mut Vec<Regular>) {
        let (hz, lines) = burst.tones();
        if lines == 0 {
            // what is no tone ends what was one, unless it is a click
            if end.saturating_sub(burst.since) >= 8 {
                self.run_over(out);
            }
            return;
        }
        let on = (end - burst.since) as f64;
        if let Some(run) = self.run.as_mut().filter(|r| r.goes_on(&hz, lines, on, burst.since)) {
            run.off += (burst.since - run.last_end) as f64;
            run.gaps += 1;
            run.on += on;
            run.bursts += 1;
            run.last_end = end;
            return;
        }
        self.run_over(out);
        self.run = Some(Run { since: burst.since, hz, lines, bursts: 1, on, gaps: 0, off: 0.0, last_end: end });
    }

    fn run_over(&mut self, out: &mut Vec<Regular>) {
        let Some(run) = self.run.take() else { return };
        let ms = |blocks: f64| Duration::from_secs_f64(blocks * 0.005);
        let steady = run.bursts == 1 && ms(run.on) >= STEADY;
        if run.bursts < ENOUGH && !steady {
            return;
        }
        out.push(Regular {
            since: Time::ZERO + BLOCK_TIME * u32::try_from(run.since).unwrap_or(u32::MAX),
            lasted: ms((run.last_end - run.since) as f64),
            hz: run.hz[..run.lines].iter().map(|f| f.round() as u16).collect(),
            on: (!steady).then(|| ms(run.on / f64::from(run.bursts))),
            off: (!steady).then(|| ms(run.off / f64::from(run.gaps.max(1)))),
            bursts: run.bursts,
        });
    }
}

impl Burst {
    fn new(since: u64, level: f32) -> Burst {
        Burst { since, level, age: 1, below: 0, looks: 0, pure: 0, lines: [(0.0, 0); KNOWN], count: 0 }
    }

    fn look(&mut self, look: &Look) {
        self.looks += 1;
        let Some(strongest) = look.lines().iter().map(|l| l.height).max_by(f32::total_cmp) else { return };
        let strong = || look.lines().iter().filter(|l| l.height > 0.06 * strongest);
        let share: f32 = strong().map(|l| l.power).sum::<f32>() / look.total.max(1.0);
        if strong().count() > LINES || share < 0.7 {
            return;
        }
        self.pure += 1;
        for line in strong() {
            let near = |known: &&mut (f32, u32)| (known.0 - line.hz).abs() < 0.015 * line.hz + 4.0;
            match self.lines[..self.count].iter_mut().find(near) {
                Some(known) => {
                    known.1 += 1;
                    known.0 += (line.hz - known.0) / known.1.min(50) as f32;
                }
                None if self.count < KNOWN => {
                    self.lines[self.count] = (line.hz, 1);
                    self.count += 1;
                }
                None => {}
            }
        }
    }

    /// The lines that were there most of the time, ascending; none when it was no tone.
    fn tones(&self) -> ([f32; LINES], usize) {
        let mut hz = [f32::MAX; LINES];
        let mut n = 0;
        if self.looks == 0 || self.pure * 10 < self.looks * 7 {
            return (hz, 0);
        }
        for (f, times) in &self.lines[..self.count] {
            if times * 10 >= self.pure * 6 {
                if n == LINES {
                    return (hz, 0);
                }
                hz[n] = *f;
                n += 1;
            }
        }
        hz.sort_by(f32::total_cmp);
        (hz, n)
    }
}

impl Run {
    fn goes_on(&self, hz: &[f32; LINES], lines: usize, on: f64, since: u64) -> bool {
        let like = |a: f64, b: f64| (a - b).abs() <= 0.1 * a.max(b) + 3.0;
        let same =
            lines == self.lines && hz.iter().zip(&self.hz).take(lines).all(|(a, b)| (a - b).abs() < 0.015 * a + 3.0);
        let off = (since - self.last_end) as f64;
        same && like(on, self.on / f64::from(self.bursts))
            && (self.gaps == 0 || like(off, self.off / f64::from(self.gaps)))
    }

    /// The next burst should have come; the first gap may take six seconds.
    fn is_overdue(&self, now: u64) -> bool {
        let quiet = now.saturating_sub(self.last_end) as f64;
        quiet > if self.gaps == 0 { 1200.0 } else { 1.2 * self.off / f64::from(self.gaps) + 20.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::Source;
    use crate::dsp::tone::ToneGenerator;
    use crate::dsp::voice::{Noise, Speech};
    use crate::facts::notation;
    use crate::facts::{Confidence, Provenance, ToneSpec};
    use proptest::prelude::*;

    fn describe(text: &str, seconds: usize) -> Vec<Regular> {
        let cadence = notation::parse(text).unwrap();
        let provenance = Provenance { source: "test".into(), confidence: Confidence::High };
        let kind = crate::event::ToneKind::Busy;
        let spec = ToneSpec {
            kind,
            intro: cadence.intro,
            steps: cadence.steps,
            repeats: cadence.repeats,
            level_dbm0: None,
            provenance,
        };
        let mut samples = vec![0i16; 8000 * (seconds + 3)];
        ToneGenerator::at_level(&spec, -18.0).add_to(&mut samples[4000..4000 + 8000 * seconds]);
        Noise::new(3, -55.0).add_to(&mut samples);
        let mut out = Vec::new();
        let mut describer = Describer::new();
        describer.feed(&samples, &mut out);
        describer.finish(&mut out);
        out
    }

    #[test]
    fn a_tone_that_no_country_has_is_described_as_it_is() {
        for text in ["1234/240,0/160", "333+777/500,0/300", "500/1000,0/1000", "900+1100+1300/150,0/150"] {
            let found = describe(text, 8);
            assert_eq!(found.iter().map(Regular::notation).collect::<Vec<_>>(), [text], "{found:?}");
        }
        assert_eq!(describe("555+777", 4)[0].notation(), "555+777");
    }

    #[test]
    fn no_frequency_is_between_two_stools() {
        for hz in (350..2600).step_by(7).map(|hz| hz as f32 + 0.4) {
            let mut samples = vec![0i16; 8000 * 3];
            ToneGenerator::sine(hz, -18.0, Some(Duration::from_millis(2400))).add_to(&mut samples[2000..]);
            Noise::new(1, -58.0).add_to(&mut samples);
            let (mut out, mut describer) = (Vec::new(), Describer::new());
            describer.feed(&samples, &mut out);
            describer.finish(&mut out);
            assert!(
                matches!(&out[..], [one] if matches!(one.hz[..], [f] if (f32::from(f) - hz).abs() < 2.0)),
                "{hz}: {out:?}"
            );
        }
    }

    #[test]
    fn talkers_are_not_regular() {
        for seed in 0..10 {
            let mut samples = vec![0i16; 8000 * 30];
            Speech::new(seed, -18.0).add_to(&mut samples);
            let mut out = Vec::new();
            Describer::new().feed(&samples, &mut out);
            assert_eq!(out, [], "{seed}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn any_split_of_the_audio_gives_the_same_descriptions(
            sizes in proptest::collection::vec(1usize..900, 1..20),
            hz in 500f32..1800.0,
            seed in 0u64..100,
        ) {
            let mut samples = vec![0i16; 8000 * 6];
            ToneGenerator::sine(hz, -18.0, Some(Duration::from_millis(2500))).add_to(&mut samples[4000..]);
            Speech::new(seed, -20.0).add_to(&mut samples[32_000..]);
            Noise::new(seed, -58.0).add_to(&mut samples);
            let (mut whole, mut pieces) = (Vec::new(), Vec::new());
            let mut describer = Describer::new();
            describer.feed(&samples, &mut whole);
            describer.finish(&mut whole);
            prop_assert!(!whole.is_empty());
            let (mut describer, mut rest) = (Describer::new(), &samples[..]);
            for n in sizes.into_iter().cycle() {
                let (now, later) = rest.split_at(n.min(rest.len()));
                describer.feed(now, &mut pieces);
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            describer.finish(&mut pieces);
            prop_assert_eq!(whole, pieces);
        }
    }
}
