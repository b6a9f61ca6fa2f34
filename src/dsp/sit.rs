//! Which of North America's special information tones: the meaning is in frequencies and lengths (GR-674 as summarised by
//! vendors; the rest of the world sends 950, 1400, 1800 Hz for everything).
//!
//! ```text
//!   first 913.8 or 985.2 Hz   second 1370.6 or 1428.5 Hz   third 1776.7 Hz
//!   ▂▂▂▂ 274 or 380 ms        ▄▄▄▄ 274 or 380 ms           ▆▆▆▆ 380 ms
//! ```

use super::oscillator::{Sine, phase_step};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// As the trade abbreviates it.
    pub name: &'static str,
    pub means: &'static str,
}

const LOW_HZ: [f32; 2] = [913.8, 985.2];
const MIDDLE_HZ: [f32; 2] = [1370.6, 1428.5];
const HIGH_HZ: f32 = 1776.7;
/// Between 274 and 380 ms.
const LONG_MS: usize = 327;
/// A look: 10 ms.
const STEP: usize = 80;

/// The name of the tone with which these samples begin; `None` for one that is none of them.
pub fn name(samples: &[i16]) -> Option<Meaning> {
    // which of the three sounds, step by step: −1 for none
    let segment = |step: &[i16]| {
        let total: f32 = step.iter().map(|s| f32::from(*s) * f32::from(*s)).sum::<f32>() / step.len() as f32;
        let powers = [949.5, 1399.5, HIGH_HZ].map(|hz| power(step, hz));
        let best = (0..3).max_by(|a, b| powers[*a].total_cmp(&powers[*b]))?;
        (powers[best] > 0.3 * total && total > 500.0).then_some(best)
    };
    let steps: Vec<Option<usize>> = samples.chunks_exact(STEP).take(160).map(segment).collect();
    let mut at = steps.iter().position(|s| *s == Some(0))?;
    let mut spans = [(0usize, 0usize); 3];
    for (wanted, span) in spans.iter_mut().enumerate() {
        let from = at + steps[at..].iter().take(4).position(|s| *s == Some(wanted))?;
        let mut end = from;
        // one look may be between two segments
        while end < steps.len() && (steps[end] == Some(wanted) || steps.get(end + 1) == Some(&Some(wanted))) {
            end += 1;
        }
        *span = (from, end);
        at = end;
    }
    let ms = |s: (usize, usize)| (s.1 - s.0) * 10;
    if spans.iter().any(|s| !(220..=440).contains(&ms(*s))) {
        return None;
    }
    let nearer = |span: (usize, usize), hz: [f32; 2]| {
        let middle = &samples[(span.0 + 2) * STEP..(span.1 - 2) * STEP];
        let (low, high) = (power(middle, hz[0]), power(middle, hz[1]));
        // neither, as where 950 and 1400 Hz are sent
        let total: f32 = middle.iter().map(|s| f32::from(*s) * f32::from(*s)).sum::<f32>() / middle.len() as f32;
        (low.max(high) > 0.5 * total).then_some(high > low)
    };
    let (first_high, second_high) = (nearer(spans[0], LOW_HZ)?, nearer(spans[1], MIDDLE_HZ)?);
    let (first_long, second_long) = (ms(spans[0]) > LONG_MS, ms(spans[1]) > LONG_MS);
    let (name, means) = match (first_high, first_long, second_high, second_long) {
        (false, false, true, true) => ("RO'", "reorder, within the area"),
        (true, false, false, true) => ("RO\"", "reorder, by another carrier"),
        (true, true, false, false) => ("VC", "vacant code: no such number"),
        (true, true, true, true) => ("NC'", "no circuit, within the area"),
        (false, true, false, true) => ("NC\"", "no circuit, by another carrier"),
        (false, false, false, false) => ("IC", "intercept: changed or disconnected"),
        (false, true, true, false) => ("IO", "ineffective for another reason"),
        _ => return None,
    };
    Some(Meaning { name, means })
}

/// Mean square at one frequency.
fn power(samples: &[i16], hz: f32) -> f32 {
    let (sine, step) = (Sine::table(), phase_step(hz));
    let (mut re, mut im, mut phase) = (0f32, 0f32, 0u32);
    for s in samples {
        re += f32::from(*s) * sine.cos(phase);
        im += f32::from(*s) * sine.at(phase);
        phase = phase.wrapping_add(step);
    }
    let n = samples.len().max(1) as f32;
    2.0 * (re * re + im * im) / (n * n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::Source;
    use crate::dsp::tone::ToneGenerator;
    use crate::dsp::voice::{Noise, Speech};
    use std::time::Duration;

    fn sit(parts: [(f32, u64); 3]) -> Vec<i16> {
        let mut samples = vec![0i16; 8000 * 3];
        let mut at = 100;
        for (hz, ms) in parts {
            let mut tone = ToneGenerator::sine(hz, -24.0, Some(Duration::from_millis(ms)));
            tone.add_to(&mut samples[at..]);
            at += ms as usize * 8;
        }
        Speech::new(1, -20.0).add_to(&mut samples[at..]);
        Noise::new(1, -45.0).add_to(&mut samples);
        samples
    }

    #[test]
    fn the_seven_are_told_apart_and_the_rest_of_the_world_has_none_of_them() {
        let (l, h, m, n, t) = (LOW_HZ[0], LOW_HZ[1], MIDDLE_HZ[0], MIDDLE_HZ[1], HIGH_HZ);
        for (parts, expected) in [
            ([(l, 274), (n, 380), (t, 380)], "RO'"),
            ([(h, 274), (m, 380), (t, 380)], "RO\""),
            ([(h, 380), (m, 274), (t, 380)], "VC"),
            ([(h, 380), (n, 380), (t, 380)], "NC'"),
            ([(l, 380), (m, 380), (t, 380)], "NC\""),
            ([(l, 274), (m, 274), (t, 380)], "IC"),
            ([(l, 380), (n, 274), (t, 380)], "IO"),
        ] {
            assert_eq!(name(&sit(parts)).map(|m| m.name), Some(expected));
        }
        assert_eq!(name(&sit([(950.0, 330), (1400.0, 330), (1800.0, 330)])), None);
        assert_eq!(name(&[]), None);
    }
}
