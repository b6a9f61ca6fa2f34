//! Levels: dBm0 ↔ 16 bit linear.
//!
//! dBm0 is power relative to the zero transmission level point. G.711 puts the overload of a sine at +3.17 dBm0 (µ-law) and
//! +3.14 dBm0 (A-law); with full scale at 32,768 that makes 0 dBm0 a sine of peak 22,767, near enough for both laws.
//! A sine and a noise of the same dBm0 have the same mean power: rms 16,099 at 0 dBm0.

/// Peak of a sine at 0 dBm0.
pub const PEAK_0_DBM0: f32 = 22_767.0;

/// Mean square at 0 dBm0.
pub const POWER_0_DBM0: f32 = PEAK_0_DBM0 * PEAK_0_DBM0 / 2.0;

/// What is said of silence: nothing on a line is below it (a single unit of 16 bit is −84 dBm0).
pub const FLOOR_DBM0: f32 = -100.0;

/// Peak of a sine with this level.
pub fn peak(dbm0: f32) -> f32 {
    PEAK_0_DBM0 * 10f32.powf(dbm0 / 20.0)
}

/// Root mean square of anything with this level.
pub fn rms(dbm0: f32) -> f32 {
    peak(dbm0) * std::f32::consts::FRAC_1_SQRT_2
}

/// Mean square of anything with this level.
pub fn power(dbm0: f32) -> f32 {
    POWER_0_DBM0 * 10f32.powf(dbm0 / 10.0)
}

/// The level of a mean square.
pub fn dbm0_of_power(mean_square: f32) -> f32 {
    if mean_square <= 0.0 { FLOOR_DBM0 } else { (10.0 * (mean_square / POWER_0_DBM0).log10()).max(FLOOR_DBM0) }
}

/// The level of these samples.
pub fn dbm0(samples: &[i16]) -> f32 {
    if samples.is_empty() {
        return FLOOR_DBM0;
    }
    let sum: i64 = samples.iter().map(|&s| i64::from(s) * i64::from(s)).sum();
    dbm0_of_power(sum as f32 / samples.len() as f32)
}

/// The factor of an amplitude that a gain in dB makes.
pub fn gain(db: f32) -> f32 {
    10f32.powf(db / 20.0)
}

/// Makes samples louder or softer by so many dB; what does not fit is held at full scale. Returns how many did not.
pub fn amplify(samples: &mut [i16], db: f32) -> usize {
    let factor = gain(db);
    let mut clipped = 0;
    for s in samples {
        let x = (f32::from(*s) * factor).round();
        clipped += usize::from(!(-32_768.0..=32_767.0).contains(&x));
        // the conversion saturates
        *s = x as i16;
    }
    clipped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gain_is_linear_until_it_saturates() {
        let mut samples = [100, -100, 1, 0, 20_000, -20_000, i16::MIN, i16::MAX];
        assert_eq!(amplify(&mut samples, 6.0206), 4);
        assert_eq!(samples, [200, -200, 2, 0, i16::MAX, i16::MIN, i16::MIN, i16::MAX]);
        let mut samples = [1000, -1000];
        assert_eq!((amplify(&mut samples, -20.0), samples), (0, [100, -100]));
    }

    #[test]
    fn a_sine_of_peak_22767_is_0_dbm0() {
        let sine: Vec<i16> =
            (0..8000).map(|n| (22_767.0 * (n as f32 * 0.125 * std::f32::consts::TAU).sin()) as i16).collect();
        assert!(dbm0(&sine).abs() < 0.01, "{}", dbm0(&sine));
        assert!((peak(-20.0) - 2_276.7).abs() < 0.1);
        assert!((dbm0_of_power(power(-37.5)) + 37.5).abs() < 1e-3);
    }

    #[test]
    fn silence_has_a_level_too() {
        assert_eq!(dbm0(&[]), FLOOR_DBM0);
        assert_eq!(dbm0(&[0; 160]), FLOOR_DBM0);
    }
}
