//! Which of a country's sounds a look at the spectrum may be.
//!
//! A country's tones use few distinct sounds: single frequencies, sums, a modulated carrier. A look fits a sound when its
//! lines are the sound's (each within 2 % and 2 Hz), nothing else is nearly as strong, and little power is left over.
//! A short look cannot tell lines that are near each other: it then fits both sounds, and a later one decides.

use super::spectrum::Look;
use crate::event::ToneKind;
use crate::facts::{Sound, ToneSpec};

/// A set of sounds, by their place in [`Sounds`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SoundSet(u64);

impl SoundSet {
    pub const NONE: SoundSet = SoundSet(0);

    pub fn one(index: usize) -> SoundSet {
        SoundSet(1u64.checked_shl(index as u32).unwrap_or(0))
    }

    /// Those of which this is so.
    pub fn of(pick: impl Fn(usize) -> bool) -> SoundSet {
        SoundSet((0..64).fold(0, |set, i| set | u64::from(pick(i)) << i))
    }

    pub fn has(self, index: usize) -> bool {
        self.0 >> index & 1 != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn meets(self, other: SoundSet) -> bool {
        self.0 & other.0 != 0
    }

    pub fn and(self, other: SoundSet) -> SoundSet {
        SoundSet(self.0 & other.0)
    }

    pub fn with(self, other: SoundSet) -> SoundSet {
        SoundSet(self.0 | other.0)
    }
}

/// A line must be within this of where it belongs: exchanges keep 0.5 to 1.5 %, and 400 and 425 Hz must stay apart.
const TOLERANCE: f32 = 0.02;
const TOLERANCE_HZ: f32 = 2.0;
/// E.180 allows ±50 Hz for special information tones, and North America uses that for meanings of its own. A little less,
/// to stay clear of the test tone of 1004 Hz.
const SIT_TOLERANCE_HZ: f32 = 47.0;
/// Sounds with lines as near to each other as this are one: exchanges are no better.
const ALIKE: f32 = 0.013;
const SIT_HZ: [f32; 3] = [950.0, 1400.0, 1800.0];
/// Calling fax: 1100 Hz ± 38 (T.30).
const CNG_TOLERANCE_HZ: f32 = 40.0;
/// A line weaker than the strongest by this factor (12 dB) does not count.
const WEAK: f32 = 0.063;
/// Share of the power that a sound's lines must have.
const MIN_SHARE: f32 = 0.75;
/// Variance of the power over its mean squared: a steady sine has none, one modulated by nine tenths 0.9, two sines ½.
const UNSTEADY: f32 = 0.2;
/// A single line through noise, and with an echo of speech 15 dB below it; a vowel has more.
const STEADY: f32 = 0.15;

/// Most sounds that a country can have: more than any has.
const MAX_SOUNDS: usize = 60;

/// Some countries announce other things with the three tones too.
fn is_sit(spec: &ToneSpec) -> bool {
    let has = |wanted: f32| {
        let mut steps = spec.intro.iter().chain(&spec.steps);
        steps.any(|s| matches!(&s.sound, Sound::Sum(hz) if hz.len() == 1 && (hz[0] - wanted).abs() <= 60.0))
    };
    spec.kind == ToneKind::Sit || SIT_HZ.into_iter().all(has)
}

#[derive(Clone, Debug, PartialEq)]
struct Pattern {
    /// In ascending order.
    lines: Vec<Place>,
    /// A carrier with side bands this far away.
    modulated_by: Option<f32>,
}

impl Pattern {
    /// So near that no ear tells them apart.
    fn is_like(&self, other: &Pattern) -> bool {
        let near =
            |a: &Place, b: &Place| a.tolerance_hz.max(b.tolerance_hz) < 50.0 && (a.hz - b.hz).abs() < ALIKE * a.hz;
        self.lines.len() == other.lines.len()
            && self.lines.iter().zip(&other.lines).all(|(a, b)| a == b || near(a, b))
            && match (self.modulated_by, other.modulated_by) {
                (None, None) => true,
                (Some(a), Some(b)) => (a - b).abs() < 0.25 * a,
                _ => false,
            }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Place {
    hz: f32,
    tolerance_hz: f32,
}

impl Place {
    fn new(hz: f32) -> Place {
        Place { hz, tolerance_hz: hz * TOLERANCE + TOLERANCE_HZ }
    }
}

/// All sounds of one country, and the two of fax machines.
#[derive(Clone, Debug)]
pub struct Sounds {
    patterns: Vec<Pattern>,
}

impl Sounds {
    pub const CNG: SoundSet = SoundSet(1);
    pub const CED: SoundSet = SoundSet(2);

    pub fn new() -> Sounds {
        let one = |hz, tolerance_hz| Pattern { lines: vec![Place { hz, tolerance_hz }], modulated_by: None };
        Sounds { patterns: vec![one(1100.0, CNG_TOLERANCE_HZ), one(2100.0, 18.0)] }
    }

    /// The place of a sound, which is new or known already. Silence is no sound.
    pub fn add(&mut self, spec: &ToneSpec, sound: &Sound) -> SoundSet {
        let pattern = match sound {
            Sound::Silence => return SoundSet::NONE,
            Sound::Sum(hz) => {
                let mut lines: Vec<Place> = hz.iter().map(|&f| Place::new(f)).collect();
                if let (&[f], true) = (&hz[..], is_sit(spec))
                    && let Some(nominal) = SIT_HZ.into_iter().find(|s| (s - f).abs() <= 60.0)
                {
                    // Israel's first is 1000 Hz
                    let hz = if (nominal - f).abs() <= 40.0 { nominal } else { f };
                    lines = vec![Place { hz, tolerance_hz: SIT_TOLERANCE_HZ }];
                }
                lines.sort_by(|a, b| a.hz.total_cmp(&b.hz));
                lines.dedup_by(|a, b| a.hz - b.hz < 1.0);
                if lines.is_empty() {
                    return SoundSet::NONE;
                }
                Pattern { lines, modulated_by: None }
            }
            Sound::Modulated { carrier_hz, by_hz } => {
                Pattern { lines: vec![Place::new(*carrier_hz)], modulated_by: Some(*by_hz) }
            }
        };
        let index = self.patterns.iter().position(|p| p.is_like(&pattern)).unwrap_or_else(|| {
            self.patterns.push(pattern);
            self.patterns.len() - 1
        });
        // a plan with more sounds than that is none: what is beyond is not recognised
        if index < MAX_SOUNDS { SoundSet::one(index) } else { SoundSet::NONE }
    }

    /// Whether gaps shorter than the beats of this country's sounds can be trusted: their lines are nowhere near each other.
    pub fn beat(&self) -> bool {
        self.patterns.iter().any(|p| p.modulated_by.is_some() || p.lines.windows(2).any(|w| (w[1].hz - w[0].hz) < 60.0))
    }

    /// The sounds that this look may be. `unsteadiness` is the variance of the power over its mean squared.
    pub fn fit(&self, look: &Look, unsteadiness: f32) -> SoundSet {
        let Some(strongest) = look.lines().iter().map(|l| l.height).max_by(f32::total_cmp) else {
            return SoundSet::NONE;
        };
        let mut set = SoundSet::NONE;
        for (i, pattern) in self.patterns.iter().enumerate().take(MAX_SOUNDS) {
            if self.fits(pattern, look, strongest, unsteadiness) {
                set = set.with(SoundSet::one(i));
            }
        }
        set
    }

    fn fits(&self, pattern: &Pattern, look: &Look, strongest: f32, unsteadiness: f32) -> bool {
        match pattern.modulated_by {
            Some(by) => {
                let carrier = pattern.lines[0];
                let wide = by + carrier.tolerance_hz;
                let mut strong = look.lines().iter().filter(|l| l.height > WEAK * strongest);
                unsteadiness > UNSTEADY
                    && strong.all(|l| (l.hz - carrier.hz).abs() < wide + look.accuracy_hz(l.hz))
                    && self.share(look, &[(carrier.hz - wide, carrier.hz + wide)]) > MIN_SHARE
                    && (self.middle(look, carrier.hz - wide, carrier.hz + wide) - carrier.hz).abs()
                        < carrier.tolerance_hz + 0.1 * by
            }
            None => {
                if pattern.lines.len() == 1 && unsteadiness > STEADY {
                    return false;
                }
                // groups of lines too near to be told apart, as ranges of frequency
                let mut groups = [(0f32, 0f32); 8];
                let mut count = 0;
                let mut last_hz = f32::MIN;
                for place in &pattern.lines {
                    let slack = place.tolerance_hz + look.accuracy_hz(place.hz);
                    let apart = place.hz - last_hz;
                    if count > 0 && apart < look.resolution_hz(place.hz) {
                        // within one beat their common maximum is anywhere
                        let wander = if look.window_s(place.hz) * apart < 1.5 { apart } else { 0.0 };
                        groups[count - 1].0 -= wander;
                        groups[count - 1].1 = place.hz + slack + wander;
                    } else if count < groups.len() {
                        groups[count] = (place.hz - slack, place.hz + slack);
                        count += 1;
                    } else {
                        return false;
                    }
                    last_hz = place.hz;
                }
                let groups = &groups[..count];
                let within = |hz: f32, g: &(f32, f32)| g.0 <= hz && hz <= g.1;
                let strong = || look.lines().iter().filter(|l| l.height > WEAK * strongest);
                strong().all(|l| groups.iter().any(|g| within(l.hz, g)))
                    && groups.iter().all(|g| strong().any(|l| within(l.hz, g)))
                    && self.share(look, groups) > MIN_SHARE
            }
        }
    }

    /// The share of all power that lies in these ranges and the skirts of the lines in them.
    fn share(&self, look: &Look, ranges: &[(f32, f32)]) -> f32 {
        let mut power = 0.0;
        let mut done = 0f32;
        for &(from, to) in ranges {
            let skirt = look.half_width_hz(from);
            let from = (from - skirt).max(done);
            done = to + skirt;
            power += look.power_between(from, done);
        }
        power / look.total.max(1.0)
    }

    /// The centre of what lies between two frequencies.
    fn middle(&self, look: &Look, from: f32, to: f32) -> f32 {
        let (mut sum, mut weight) = (0.0, 1e-6);
        for line in look.lines().iter().filter(|l| from <= l.hz && l.hz <= to) {
            sum += line.hz * line.height;
            weight += line.height;
        }
        sum / weight
    }
}
