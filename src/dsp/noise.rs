//! Noise of a line as people hear it: weighted by C-message (dBrnC0) or psophometrically (dBm0p).
//!
//! ```text
//!    dB
//!   0 ┤           ________________          C-message:      0 dB at 1000 Hz, readings in dBrn: −90 dBm is 0
//!     │        _/                 \_        psophometric:   0 dB at 800 Hz, readings in dBm0p
//! −20 ┤     _/                      \       hum of the mains counts for next to nothing, hiss for what it is
//!     │   _/
//! −60 ┤ _/
//!     └─┬─────┬──────┬──────┬──────┬─ Hz
//!      60    200    800   2000   3500
//! ```
//!
//! The curves are the tables of IEEE Std 743 (C-message) and of ITU-T O.41 table 1 (telephone circuits), between whose
//! points decibels run straight over the logarithm of the frequency. The meter passes samples at 8 kHz through a filter
//! of linear phase with that curve and takes the mean square. Above 4 kHz there is nothing to weigh at this rate.

use super::level;
use std::sync::LazyLock;

/// A row of a standard's table: frequency in Hz, weight and its tolerance (±) in dB.
pub type Row = (f32, f32, f32);

/// C-message, IEEE Std 743: the rows up to 3.5 kHz, and 4 kHz and beyond, which shape the fall.
pub const C_MESSAGE: [Row; 22] = [
    (60.0, -55.7, 2.0),
    (100.0, -42.5, 2.0),
    (200.0, -25.1, 2.0),
    (300.0, -16.3, 2.0),
    (400.0, -11.2, 1.0),
    (500.0, -7.7, 1.0),
    (600.0, -5.0, 1.0),
    (700.0, -2.8, 1.0),
    (800.0, -1.3, 1.0),
    (900.0, -0.3, 1.0),
    (1000.0, 0.0, 0.1),
    (1200.0, -0.4, 1.0),
    (1300.0, -0.7, 1.0),
    (1500.0, -1.2, 1.0),
    (1800.0, -1.3, 1.0),
    (2000.0, -1.1, 1.0),
    (2500.0, -1.1, 1.0),
    (2800.0, -2.0, 1.0),
    (3000.0, -3.0, 1.0),
    (3300.0, -5.1, 2.0),
    (3500.0, -7.1, 2.0),
    (4000.0, -14.6, 3.0),
];

/// Psophometric, telephone circuits: ITU-T O.41 table 1.
pub const PSOPHOMETRIC: [Row; 21] = [
    (16.66, -85.0, 3.0),
    (50.0, -63.0, 2.0),
    (100.0, -41.0, 2.0),
    (200.0, -21.0, 2.0),
    (300.0, -10.6, 1.0),
    (400.0, -6.3, 1.0),
    (500.0, -3.6, 1.0),
    (600.0, -2.0, 1.0),
    (700.0, -0.9, 1.0),
    (800.0, 0.0, 0.1),
    (900.0, 0.6, 1.0),
    (1000.0, 1.0, 1.0),
    (1200.0, 0.0, 1.0),
    (1400.0, -0.9, 1.0),
    (1600.0, -1.7, 1.0),
    (1800.0, -2.4, 1.0),
    (2000.0, -3.0, 1.0),
    (2500.0, -4.2, 1.0),
    (3000.0, -5.6, 1.0),
    (3500.0, -8.5, 2.0),
    (4000.0, -15.0, 3.0),
];

/// How a meter weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weighting {
    /// Not at all: all that 8 kHz carry.
    Flat,
    CMessage,
    Psophometric,
}

impl Weighting {
    /// The weight of a frequency in dB, as the standard's table has it.
    pub fn db(self, hz: f32) -> f32 {
        let table: &[Row] = match self {
            Weighting::Flat => return 0.0,
            Weighting::CMessage => &C_MESSAGE,
            Weighting::Psophometric => &PSOPHOMETRIC,
        };
        // beyond both ends the first and last pieces go on
        let above = table.partition_point(|row| row.0 < hz).clamp(1, table.len() - 1);
        let ((from, low, _), (to, high, _)) = (table[above - 1], table[above]);
        low + (high - low) * (hz.max(1.0) / from).ln() / (to / from).ln()
    }

    fn taps(self) -> Option<&'static [f32; TAPS]> {
        static C: LazyLock<Box<[f32; TAPS]>> = LazyLock::new(|| design(Weighting::CMessage));
        static P: LazyLock<Box<[f32; TAPS]>> = LazyLock::new(|| design(Weighting::Psophometric));
        match self {
            Weighting::Flat => None,
            Weighting::CMessage => Some(&C),
            Weighting::Psophometric => Some(&P),
        }
    }
}

/// Length of the weighting filter: 128 ms, for below 100 Hz the curves fall by 20 dB in 50 Hz.
const TAPS: usize = 1024;

/// A noise meter. Takes samples in pieces of any length; reads the mean since it was started.
#[derive(Clone, Debug)]
pub struct NoiseMeter {
    weighting: Weighting,
    /// The last samples, twice over: a window of them is always in one piece.
    past: Box<[f32; 2 * TAPS]>,
    at: usize,
    /// Samples heard in all: the filter is full after [`TAPS`].
    heard: u64,
    sum: f64,
    count: u64,
}

impl NoiseMeter {
    pub fn new(weighting: Weighting) -> NoiseMeter {
        NoiseMeter { weighting, past: Box::new([0.0; 2 * TAPS]), at: 0, heard: 0, sum: 0.0, count: 0 }
    }

    /// Listens. What the first 128 ms bring is not counted: the filter is still filling.
    pub fn feed(&mut self, samples: &[i16]) {
        let taps = self.weighting.taps();
        for &s in samples {
            let x = f32::from(s);
            let weighed = match taps {
                None => x,
                Some(taps) => {
                    (self.past[self.at], self.past[self.at + TAPS]) = (x, x);
                    self.at = (self.at + 1) % TAPS;
                    dot(taps, &self.past[self.at..self.at + TAPS])
                }
            };
            self.heard += 1;
            if taps.is_none() || self.heard >= TAPS as u64 {
                self.sum += f64::from(weighed) * f64::from(weighed);
                self.count += 1;
            }
        }
    }

    /// What comes next does not follow what was heard: the mean goes on when the filter has filled anew.
    pub fn interrupt(&mut self) {
        self.heard = 0;
    }

    /// The time of which this is the mean.
    pub fn measured_s(&self) -> f64 {
        self.count as f64 / 8000.0
    }

    /// Begins another mean; the filter stays full.
    pub fn restart(&mut self) {
        (self.sum, self.count) = (0.0, 0);
    }

    /// The weighted level in dBm0; for [`Weighting::Psophometric`] this is dBm0p. The floor of −100 before there is
    /// any.
    pub fn dbm0(&self) -> f32 {
        level::dbm0_of_power((self.sum / self.count.max(1) as f64) as f32)
    }

    /// The same above the reference noise of −90 dBm: dBrnC0 for [`Weighting::CMessage`], dBrn0 for the others.
    pub fn dbrn0(&self) -> f32 {
        self.dbm0() + 90.0
    }
}

/// A filter of linear phase whose gain is the curve: its cosine transform under a window.
fn design(weighting: Weighting) -> Box<[f32; TAPS]> {
    const POINTS: usize = 4096;
    let gain = |k: usize| f64::from(level::gain(weighting.db(k as f32 * 4000.0 / POINTS as f32)));
    let gains: Vec<f64> = (0..=POINTS).map(|k| if k == 0 { 0.0 } else { gain(k) }).collect();
    let cosines: Vec<f64> = (0..2 * POINTS).map(|i| (i as f64 / POINTS as f64 * std::f64::consts::PI).cos()).collect();
    // the middle is a sample, so that the curve is free at 4 kHz: one tap less than there is room for
    let middle = TAPS / 2;
    let mut taps = Box::new([0f32; TAPS]);
    for n in 0..middle {
        let ends = 0.5 * (gains[0] + gains[POINTS] * cosines[(n * POINTS) % (2 * POINTS)]);
        let sum: f64 = (1..POINTS).map(|k| gains[k] * cosines[(n * k) % (2 * POINTS)]).sum();
        let turn = n as f64 / middle as f64 * std::f64::consts::PI;
        let tap = ((ends + sum) / POINTS as f64 * (0.5 + 0.5 * turn.cos())) as f32;
        (taps[middle + n], taps[middle - n]) = (tap, tap);
    }
    taps
}

/// Sixteen sums side by side: as one they could not be vectorised.
fn dot(a: &[f32; TAPS], b: &[f32]) -> f32 {
    let mut sums = [0f32; 16];
    for (a, b) in a.chunks_exact(16).zip(b.chunks_exact(16)) {
        for i in 0..16 {
            sums[i] += a[i] * b[i];
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::voice::Noise;
    use crate::dsp::{Source, render, tone::ToneGenerator};

    fn reading(weighting: Weighting, samples: &[i16]) -> f32 {
        let mut meter = NoiseMeter::new(weighting);
        meter.feed(samples);
        meter.dbm0()
    }

    fn sine(hz: f32, dbm0: f32, seconds: usize) -> Vec<i16> {
        let mut samples = vec![0i16; 8000 * seconds];
        ToneGenerator::sine(hz, dbm0, None).add_to(&mut samples);
        samples
    }

    /// Above 3.9 kHz a sine at 8 kHz beats with its own image; the rows are the standards'.
    #[test]
    fn both_curves_lie_within_the_tolerances_of_their_tables() {
        for (weighting, table) in [(Weighting::CMessage, &C_MESSAGE[..]), (Weighting::Psophometric, &PSOPHOMETRIC[..])]
        {
            for &(hz, weight_db, tolerance_db) in table.iter().filter(|r| r.0 > 20.0 && r.0 < 3900.0) {
                // rounding to 16 bit is −84 dBm0: loud enough that −63 dB are far above it
                let read = reading(weighting, &sine(hz, 2.0, 2)) - 2.0;
                assert!((read - weight_db).abs() <= tolerance_db, "{weighting:?} {hz} Hz: {read} for {weight_db}");
            }
        }
    }

    #[test]
    fn the_reference_tone_reads_90_dbrnc0_at_0_dbm0() {
        let mut meter = NoiseMeter::new(Weighting::CMessage);
        meter.feed(&sine(1000.0, 0.0, 1));
        assert!((meter.dbrn0() - 90.0).abs() < 0.1, "{}", meter.dbrn0());
        // the psophometer is calibrated at 800 Hz: 1000 Hz reads 1 dB more
        assert!((reading(Weighting::Psophometric, &sine(800.0, -10.0, 1)) + 10.0).abs() < 0.1);
        assert!((reading(Weighting::Psophometric, &sine(1000.0, -10.0, 1)) + 9.0).abs() < 0.3);
    }

    /// The mean of the curves' power over 0…4 kHz: what each takes from white noise, summed here from the tables alone.
    #[test]
    fn white_noise_loses_what_the_curve_takes() {
        let noise = render(&mut Noise::new(5, -30.0), 80_000);
        for weighting in [Weighting::CMessage, Weighting::Psophometric] {
            let share = (1..4000).map(|hz| 10f32.powf(weighting.db(hz as f32) / 10.0)).sum::<f32>() / 4000.0;
            let expected = -30.0 + 10.0 * share.log10();
            let read = reading(weighting, &noise);
            assert!((read - expected).abs() < 0.3, "{weighting:?}: {read} for {expected}");
        }
        assert!((reading(Weighting::Flat, &noise) + 30.0).abs() < 0.2);
    }

    #[test]
    fn hum_of_the_mains_counts_for_next_to_nothing() {
        assert!(reading(Weighting::Psophometric, &sine(50.0, -20.0, 2)) < -79.0);
        assert!(reading(Weighting::CMessage, &sine(60.0, -20.0, 2)) < -73.0);
    }

    #[test]
    fn any_split_reads_the_same_and_nothing_reads_the_floor() {
        let noise = render(&mut Noise::new(9, -45.0), 20_000);
        let whole = reading(Weighting::CMessage, &noise);
        let mut meter = NoiseMeter::new(Weighting::CMessage);
        assert_eq!(meter.dbm0(), level::FLOOR_DBM0);
        noise.chunks(37).for_each(|c| meter.feed(c));
        assert_eq!(meter.dbm0(), whole);
        meter.restart();
        assert_eq!(meter.dbm0(), level::FLOOR_DBM0);
    }
}
