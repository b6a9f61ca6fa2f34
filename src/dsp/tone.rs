//! Call-progress tones (ITU-T E.180, E.182), made from a country's facts.
//!
//! ```text
//!  dial       ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇   recall dial   ▇_▇_▇_▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇
//!  ringback   ▇▇▇▇▇▇▇▇________________▇▇▇▇▇▇▇▇   busy          ▇▇▇▇____▇▇▇▇____▇▇▇▇____
//!  special information  ▂▂▂▄▄▄▆▆▆                congestion    ▇▇__▇▇__▇▇__▇▇__▇▇__▇▇__
//! ```
//!
//! Frequencies, cadence and, where a source gives one, level come from the country; E.180 asks for −10 dBm0 ± 5. They are
//! recognised in the order of the signal: `front` (power, hum off), `burst` (where sound begins and ends), `spectrum` and
//! `sound` (which of the country's sounds), `cadence` (which tone), all driven by [`super::ear::Ear`].

use super::oscillator::{Oscillator, Sine};
use super::{FRAME_SAMPLES, Source, add_sample, level, samples_of};
use crate::facts::{Sound, ToneSpec, ToneStep};

/// How deep a modulated tone is modulated: E.180 names none, exchanges and their imitations use nine tenths.
const DEPTH: f32 = 0.9;

/// A tone of an exchange, without end where the tone has none.
///
/// The level is that of each frequency where several sound together (as the precise tone plan of North America counts it),
/// and of the whole where a carrier is modulated. The oscillators run on under the gate, so bursts begin at any phase.
#[derive(Clone, Debug)]
pub struct ToneGenerator {
    steps: Vec<Step>,
    /// Where to go on after the last step; `None`: nowhere.
    again_from: Option<usize>,
    at: usize,
    left: u64,
    elapsed: u64,
}

#[derive(Clone, Debug)]
struct Step {
    sound: Voice,
    /// Samples; `u64::MAX` without end.
    lasts: u64,
}

#[derive(Clone, Debug)]
enum Voice {
    Silence,
    Sum { oscillators: Vec<Oscillator>, peak: f32 },
    Modulated { carrier: Oscillator, by: Oscillator, peak: f32 },
}

impl ToneGenerator {
    /// The tone at its own level, or at `default_level_dbm0` where no source gives one.
    pub fn new(spec: &ToneSpec, default_level_dbm0: f32) -> ToneGenerator {
        Self::at_level(spec, spec.level_dbm0.unwrap_or(default_level_dbm0))
    }

    /// The tone at this level, whatever its sources say.
    pub fn at_level(spec: &ToneSpec, level_dbm0: f32) -> ToneGenerator {
        let make = |s: &ToneStep| {
            let peak = level::peak(level_dbm0 + s.relative_db);
            let sound = match &s.sound {
                Sound::Silence => Voice::Silence,
                Sound::Sum(hz) => Voice::Sum { oscillators: hz.iter().map(|&f| Oscillator::new(f)).collect(), peak },
                Sound::Modulated { carrier_hz, by_hz } => Voice::Modulated {
                    carrier: Oscillator::new(*carrier_hz),
                    by: Oscillator::new(*by_hz),
                    peak: peak / (1.0 + DEPTH * DEPTH / 2.0).sqrt(),
                },
            };
            Step { sound, lasts: s.lasts.map_or(u64::MAX, samples_of) }
        };
        let steps: Vec<Step> = spec.intro.iter().chain(&spec.steps).map(make).collect();
        // a loop that takes no time would never let go
        let turns = steps[spec.intro.len().min(steps.len())..].iter().any(|s| s.lasts > 0);
        let again_from = (spec.repeats && turns).then_some(spec.intro.len());
        let left = steps.first().map_or(0, |s| s.lasts);
        ToneGenerator { steps, again_from, at: 0, left, elapsed: 0 }
    }

    /// A single frequency for a while: milliwatt, test and answering tones.
    pub fn sine(hz: f32, level_dbm0: f32, lasts: Option<std::time::Duration>) -> ToneGenerator {
        let voice = Voice::Sum { oscillators: vec![Oscillator::new(hz)], peak: level::peak(level_dbm0) };
        let lasts = lasts.map_or(u64::MAX, samples_of);
        ToneGenerator { steps: vec![Step { sound: voice, lasts }], again_from: None, at: 0, left: lasts, elapsed: 0 }
    }

    /// Goes to the next step; `false` at the end.
    fn advance(&mut self) -> bool {
        while self.left == 0 {
            self.at = match (self.at + 1 < self.steps.len(), self.again_from) {
                (true, _) => self.at + 1,
                (false, Some(first)) => first,
                (false, None) => {
                    self.at = self.steps.len();
                    return false;
                }
            };
            self.left = self.steps[self.at].lasts;
            let elapsed = self.elapsed;
            self.steps[self.at].sound.catch_up(elapsed);
        }
        true
    }
}

impl Source for ToneGenerator {
    fn add_to(&mut self, out: &mut [i16]) -> bool {
        let mut rest = out;
        while !rest.is_empty() {
            if self.at >= self.steps.len() || !self.advance() {
                return false;
            }
            let n = rest.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
            let (now, later) = rest.split_at_mut(n);
            self.steps[self.at].sound.add_to(now);
            rest = later;
            self.elapsed += n as u64;
            if self.left != u64::MAX {
                self.left -= n as u64;
            }
        }
        self.at < self.steps.len() && self.advance()
    }
}

impl Voice {
    /// The phase that it would have, had it run since the tone began.
    fn catch_up(&mut self, elapsed: u64) {
        match self {
            Voice::Silence => {}
            Voice::Sum { oscillators, .. } => oscillators.iter_mut().for_each(|o| o.restart_at(elapsed)),
            Voice::Modulated { carrier, by, .. } => {
                carrier.restart_at(elapsed);
                by.restart_at(elapsed);
            }
        }
    }

    fn add_to(&mut self, out: &mut [i16]) {
        match self {
            Voice::Silence => {}
            Voice::Sum { oscillators, peak } => {
                for chunk in out.chunks_mut(FRAME_SAMPLES) {
                    let mut mix = [0f32; FRAME_SAMPLES];
                    let mix = &mut mix[..chunk.len()];
                    oscillators.iter_mut().for_each(|o| o.mix(*peak, mix));
                    chunk.iter_mut().zip(mix).for_each(|(o, m)| add_sample(o, *m));
                }
            }
            Voice::Modulated { carrier, by, peak } => {
                let sine = Sine::table();
                for o in out {
                    add_sample(o, *peak * (1.0 + DEPTH * by.next(sine)) * carrier.next(sine));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::render;
    use crate::event::ToneKind;
    use crate::facts::{Confidence, Provenance};
    use std::time::Duration;

    fn spec(repeats: bool, intro: Vec<ToneStep>, steps: Vec<ToneStep>) -> ToneSpec {
        let provenance = Provenance { source: "test".into(), confidence: Confidence::High };
        ToneSpec { kind: ToneKind::Busy, intro, steps, repeats, level_dbm0: None, provenance }
    }

    fn on(hz: &[f32], ms: u64) -> ToneStep {
        ToneStep { sound: Sound::Sum(hz.to_vec()), relative_db: 0.0, lasts: Some(Duration::from_millis(ms)) }
    }

    fn off(ms: u64) -> ToneStep {
        ToneStep { sound: Sound::Silence, relative_db: 0.0, lasts: Some(Duration::from_millis(ms)) }
    }

    #[test]
    fn a_cadence_repeats_for_ever_after_its_intro() {
        let spec = spec(true, vec![on(&[425.0], 100), off(100)], vec![on(&[480.0, 620.0], 500), off(500)]);
        let samples = render(&mut ToneGenerator::new(&spec, -10.0), 8000 * 60);
        assert_eq!(samples.len(), 8000 * 60);
        let level = |from_ms: usize| level::dbm0(&samples[from_ms * 8 + 80..from_ms * 8 + 800 - 80]);
        assert!((level(0) + 10.0).abs() < 0.3);
        assert_eq!(level(100), level::FLOOR_DBM0);
        for second in 0..59 {
            assert!((level(second * 1000 + 200) + 7.0).abs() < 0.6, "two tones of −10 dBm0 are −7 together");
            assert_eq!(level(second * 1000 + 700), level::FLOOR_DBM0);
        }
    }

    #[test]
    fn a_tone_that_is_played_once_ends() {
        let mut tone = ToneGenerator::new(&spec(false, vec![], vec![on(&[950.0], 330), on(&[1400.0], 330)]), -10.0);
        let mut out = [0i16; 8 * 659];
        assert!(tone.add_to(&mut out));
        let mut rest = [0i16; 160];
        assert!(!tone.add_to(&mut rest));
        assert!(rest[..8].iter().any(|&s| s != 0) && rest[8..].iter().all(|&s| s == 0));
        assert!(!tone.add_to(&mut rest));
    }

    #[test]
    fn how_it_is_asked_for_does_not_change_a_tone() {
        let spec = spec(true, vec![], vec![on(&[400.0, 450.0], 400), off(200)]);
        let whole = render(&mut ToneGenerator::new(&spec, -10.0), 16_000);
        let mut pieces = vec![0i16; 16_000];
        let mut tone = ToneGenerator::new(&spec, -10.0);
        let mut rest = &mut pieces[..];
        for n in [1, 7, 160, 3, 1000].into_iter().cycle() {
            let (now, later) = rest.split_at_mut(rest.len().min(n));
            tone.add_to(now);
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        assert_eq!(whole, pieces);
    }

    #[test]
    fn a_tone_without_length_does_not_hang() {
        assert!(!ToneGenerator::new(&spec(true, vec![], vec![on(&[425.0], 0), off(0)]), -10.0).add_to(&mut [0; 160]));
        assert!(!ToneGenerator::new(&spec(true, vec![], vec![]), -10.0).add_to(&mut [0; 160]));
    }

    #[test]
    fn a_modulated_tone_has_the_level_that_was_asked_for() {
        let sound = Sound::Modulated { carrier_hz: 400.0, by_hz: 25.0 };
        let spec = spec(true, vec![], vec![ToneStep { sound, relative_db: 0.0, lasts: None }]);
        let samples = render(&mut ToneGenerator::new(&spec, -15.0), 8000);
        assert!((level::dbm0(&samples) + 15.0).abs() < 0.2);
    }
}
