//! Tones that are not what the tables say: an exchange, or the equipment between it and us, that is out of adjustment.

use super::programme::TONE_DBM0;
use super::scenario::Faults;
use crate::facts::{Country, Sound, ToneStep};

/// The country's tones, off by what the scenario says.
pub fn put_off(country: &mut Country, faults: &Faults) {
    let level_db = faults.tone_level_db.map_or(0.0, |d| d.0);
    let frequency = 1.0 + faults.tone_frequency_percent.map_or(0.0, |p| p.0) / 100.0;
    let cadence = 1.0 + faults.tone_cadence_percent.map_or(0.0, |p| p.0) / 100.0;
    if (level_db, frequency, cadence) == (0.0, 1.0, 1.0) {
        return;
    }
    let meant = |kind| faults.tones_off.as_ref().is_none_or(|list| list.0.iter().any(|t| t.0 == kind));
    for tone in country.tones.iter_mut().filter(|t| meant(t.kind)) {
        tone.level_dbm0 = Some(tone.level_dbm0.unwrap_or(TONE_DBM0) + level_db);
        for ToneStep { sound, lasts, .. } in tone.intro.iter_mut().chain(&mut tone.steps) {
            *lasts = lasts.map(|d| d.mul_f32(cadence));
            match sound {
                Sound::Silence => {}
                Sound::Sum(hz) => hz.iter_mut().for_each(|f| *f *= frequency),
                Sound::Modulated { carrier_hz, .. } => *carrier_hz *= frequency,
            }
        }
    }
}
