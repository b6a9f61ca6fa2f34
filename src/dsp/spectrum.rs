//! One look at the spectrum: fine below 760 Hz, where the tones of exchanges lie, and quick above.
//!
//! ```text
//!  below 760 Hz   2 kHz samples, up to 128 ms   lines 20 Hz apart are two (400 + 425, 413 + 438 Hz)
//!  above          8 kHz samples, up to 32 ms    lines 80 Hz apart are two (SIT, howler, fax, beeps)
//! ```
//!
//! Both are real and 256 points long, so one complex transform does for both. The windows cover what belongs to the
//! burst that is on the line and nothing before it.

use super::oscillator::{Sine, phase_step};
use super::wide::{Wide, across, plus, wide};
use std::sync::LazyLock;

/// Points of both windows.
pub const POINTS: usize = 256;
const HALF: usize = POINTS / 2;
/// Where the two meet, Hz.
const SPLIT_HZ: f32 = 760.0;
const LOW_BIN_HZ: f32 = 2000.0 / POINTS as f32;
const HIGH_BIN_HZ: f32 = 8000.0 / POINTS as f32;
/// Below this there is hum.
const LOW_FROM: usize = 17;
const LOW_TO: usize = (SPLIT_HZ / LOW_BIN_HZ) as usize;
const HIGH_FROM: usize = (SPLIT_HZ / HIGH_BIN_HZ) as usize + 1;
const HIGH_TO: usize = 124;

/// A maximum of the spectrum.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Line {
    pub hz: f32,
    /// Mean square of the pure tone that has this maximum.
    pub height: f32,
    /// Mean square of all that lies around it.
    pub power: f32,
}

/// What was seen.
#[derive(Clone, Debug)]
pub struct Look {
    low: [f32; HALF],
    high: [f32; HALF],
    /// Mean square of it all.
    pub total: f32,
    /// The strongest maxima, strongest first.
    lines: [Line; MAX_LINES],
    count: usize,
    /// Length of the windows, seconds.
    low_s: f32,
    high_s: f32,
}

const MAX_LINES: usize = 10;

impl Default for Look {
    fn default() -> Self {
        Look {
            low: [0.0; HALF],
            high: [0.0; HALF],
            total: 0.0,
            lines: [Line::default(); MAX_LINES],
            count: 0,
            low_s: 0.0,
            high_s: 0.0,
        }
    }
}

impl Look {
    /// `low` at 2 kHz and `high` at 8 kHz, both ending now, at most [`POINTS`] each.
    pub fn take(&mut self, low: &[f32], high: &[f32]) {
        let low = &low[low.len().saturating_sub(POINTS)..];
        let high = &high[high.len().saturating_sub(POINTS)..];
        let (mut re, mut im) = ([0f32; POINTS], [0f32; POINTS]);
        let low_weight = windowed(low, &mut im);
        let high_weight = windowed(high, &mut re);
        transform(&mut re, &mut im);
        self.low_s = low.len() as f32 / 2000.0;
        self.high_s = high.len() as f32 / 8000.0;
        wide(Measure { look: self, re: &re, im: &im, low_weight, high_weight });
        self.find_lines();
    }

    pub fn lines(&self) -> &[Line] {
        &self.lines[..self.count]
    }

    /// Lines nearer to each other than this are one.
    pub fn resolution_hz(&self, hz: f32) -> f32 {
        2.6 / self.window_s(hz)
    }

    /// A line is this wide to either side.
    pub fn half_width_hz(&self, hz: f32) -> f32 {
        2.0 / self.window_s(hz)
    }

    /// How far off a line may be found from where it is.
    pub fn accuracy_hz(&self, hz: f32) -> f32 {
        0.15 / self.window_s(hz)
    }

    /// The share of all power that lies in the three strongest lines.
    pub fn concentration(&self) -> f32 {
        let strongest: f32 = self.lines().iter().take(3).map(|l| l.power).sum();
        (strongest / self.total.max(1.0)).min(1.0)
    }

    /// Length of the window that sees this frequency.
    pub fn window_s(&self, hz: f32) -> f32 {
        if hz < SPLIT_HZ { self.low_s } else { self.high_s }.max(1e-3)
    }

    /// Mean square between two frequencies, in steps of the bins.
    pub fn power_between(&self, from_hz: f32, to_hz: f32) -> f32 {
        let sum = |bins: &[f32], bin_hz: f32, first: usize, last: usize| {
            let from = ((from_hz / bin_hz).round().max(0.0) as usize).clamp(first, last);
            let to = ((to_hz / bin_hz).round().max(0.0) as usize + 1).clamp(first, last);
            crate::dsp::spectrum::sum(&bins[from..to.max(from)])
        };
        sum(&self.low, LOW_BIN_HZ, LOW_FROM, LOW_TO) + sum(&self.high, HIGH_BIN_HZ, HIGH_FROM, HIGH_TO)
    }

    fn find_lines(&mut self) {
        self.count = 0;
        let mut lines = [Line::default(); MAX_LINES];
        let mut count = 0;
        let mut add = |line: Line| {
            let at = lines[..count].iter().position(|l| l.power < line.power).unwrap_or(count);
            if at < MAX_LINES {
                count = (count + 1).min(MAX_LINES);
                lines[at..count].rotate_right(1);
                lines[at] = line;
            }
        };
        let least = 0.002 * self.total;
        // where the two meet a maximum may be just outside of what is summed; a line belongs to the half in which it lies,
        // and is rather seen by both than by none
        let halves = [
            (&self.low, LOW_BIN_HZ, LOW_FROM, LOW_TO, self.low_s, LOW_FROM..LOW_TO + 2, 0.0..SPLIT_HZ),
            (&self.high, HIGH_BIN_HZ, HIGH_FROM, HIGH_TO, self.high_s, HIGH_FROM - 1..HIGH_TO, SPLIT_HZ - 1.0..4000.0),
        ];
        for (bins, bin_hz, first, last, window_s, looked_at, own) in halves {
            // the widest a line of this window can be, in bins
            let reach = (1.5 / (window_s.max(1e-3) * bin_hz)).ceil() as usize;
            for k in looked_at {
                let (before, here, after) = (bins[k - 1], bins[k], bins[k + 1]);
                if here < least || here <= before || here < after {
                    continue;
                }
                let (offset, height) = interpolate(before, here, after);
                let hz = (k as f32 + offset) * bin_hz;
                if !own.contains(&hz) {
                    continue;
                }
                let mut power: f32 = bins[k.saturating_sub(reach).max(first)..(k + reach + 1).min(last)].iter().sum();
                if (hz - SPLIT_HZ).abs() < HIGH_BIN_HZ {
                    // some of it is in the other half
                    power += if hz < SPLIT_HZ {
                        self.high[HIGH_FROM..HIGH_FROM + 2].iter().sum::<f32>()
                    } else {
                        self.low[LOW_TO - 4..LOW_TO].iter().sum::<f32>()
                    };
                }
                add(Line { hz, height: height * 1.5 / (window_s.max(1e-3) * bin_hz), power });
            }
        }
        self.lines = lines;
        self.count = count;
    }
}

/// Mean square in each of 128 bins of 31.25 Hz, of at most [`POINTS`] samples at 8 kHz: for pictures.
pub fn bins(samples: &[f32]) -> [f32; HALF] {
    let (mut re, mut im) = ([0f32; POINTS], [0f32; POINTS]);
    let weight = windowed(&samples[samples.len().saturating_sub(POINTS)..], &mut re);
    transform(&mut re, &mut im);
    std::array::from_fn(|k| (re[k] * re[k] + im[k] * im[k]) * 2.0 / (POINTS as f32 * weight))
}

/// The top of the parabola through three logarithms: how far off the middle, and how high.
fn interpolate(before: f32, here: f32, after: f32) -> (f32, f32) {
    let (a, b, c) = (before.max(1e-9).ln(), here.max(1e-9).ln(), after.max(1e-9).ln());
    let curve = a - 2.0 * b + c;
    if curve >= -1e-6 {
        return (0.0, here);
    }
    let offset = (0.5 * (a - c) / curve).clamp(-0.5, 0.5);
    (offset, (b - 0.25 * (a - c) * offset).exp())
}

/// Puts samples under a Hann window of their length; the rest stays zero. Returns the sum of the window's squares.
fn windowed(samples: &[f32], out: &mut [f32; POINTS]) -> f32 {
    let n = samples.len();
    if let Some(window) = TABLES.windows.get(n / WINDOW_STEP).filter(|_| n.is_multiple_of(WINDOW_STEP) || n == POINTS) {
        let window = if n == POINTS { &TABLES.hann } else { window };
        for ((o, s), w) in out.iter_mut().zip(samples).zip(window) {
            *o = s * w;
        }
    } else if n > 0 {
        let sine = Sine::table();
        let step = phase_step(8000.0 / n as f32);
        let mut phase = step / 2;
        for (o, s) in out.iter_mut().zip(samples) {
            *o = s * (0.5 - 0.5 * sine.cos(phase));
            phase = phase.wrapping_add(step);
        }
    }
    // the mean of a Hann window's square is 3/8
    (n.max(1) as f32) * 0.375
}

#[inline(always)]
fn sum(values: &[f32]) -> f32 {
    let (eights, rest) = values.as_chunks::<8>();
    let mut sums = [0f32; 8];
    for eight in eights {
        for i in 0..8 {
            sums[i] += eight[i];
        }
    }
    across(sums) + rest.iter().sum::<f32>()
}

/// What both halves have at each frequency, from the transform of both.
struct Measure<'a> {
    look: &'a mut Look,
    re: &'a [f32; POINTS],
    im: &'a [f32; POINTS],
    low_weight: f32,
    high_weight: f32,
}

impl Wide for Measure<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Measure { look, re, im, low_weight, high_weight } = self;
        // z = high + i·low: the even part of the transform is the one's, the odd part the other's
        let (low_scale, high_scale) = (0.5 / (POINTS as f32 * low_weight), 0.5 / (POINTS as f32 * high_weight));
        for k in 1..HALF {
            let m = POINTS - k;
            let (even_re, even_im) = (re[k] + re[m], im[k] - im[m]);
            let (odd_re, odd_im) = (im[k] + im[m], re[m] - re[k]);
            look.high[k] = plus::<FUSED>(even_re * even_re, even_im, even_im) * high_scale;
            look.low[k] = plus::<FUSED>(odd_re * odd_re, odd_im, odd_im) * low_scale;
        }
        (look.low[0], look.high[0]) = (0.0, 0.0);
        look.total = sum(&look.low[LOW_FROM..LOW_TO]) + sum(&look.high[HIGH_FROM..HIGH_TO]);
    }
}

/// Bursts are looked at in blocks of 5 ms: of ten samples at the lower rate.
const WINDOW_STEP: usize = 10;

struct Tables {
    hann: [f32; POINTS],
    /// Hann windows of whole blocks, by their number.
    windows: [[f32; POINTS]; POINTS / WINDOW_STEP + 1],
    /// For each pass and each of the three parts that are turned: by how much, at each place of a quarter.
    turns: [Turns; PASSES],
}

type Turns = [([f32; QUARTER], [f32; QUARTER]); 3];

/// Places of a quarter.
const QUARTER: usize = POINTS / 4;
/// 256 is 4⁴.
const PASSES: usize = 4;

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let turn = |i: f64| i / POINTS as f64 * std::f64::consts::TAU;
    let hann =
        |n: usize, points: usize| (0.5 - 0.5 * turn((n as f64 + 0.5) * (POINTS as f64 / points as f64)).cos()) as f32;
    Tables {
        hann: std::array::from_fn(|n| hann(n, POINTS)),
        windows: std::array::from_fn(|blocks| {
            let points = blocks * WINDOW_STEP;
            std::array::from_fn(|n| if n < points { hann(n, points) } else { 0.0 })
        }),
        turns: std::array::from_fn(|pass| {
            let stride = 1 << (2 * pass);
            let by = |part: usize, place: usize| turn(((part + 1) * (place / stride * stride)) as f64);
            std::array::from_fn(|part| {
                (
                    std::array::from_fn(|place| by(part, place).cos() as f32),
                    std::array::from_fn(|place| -by(part, place).sin() as f32),
                )
            })
        }),
    }
});

/// Fourier transform, Stockham's order, radix 4: 256 is 4⁴, so the result is back where it began.
fn transform(re: &mut [f32; POINTS], im: &mut [f32; POINTS]) {
    let mut other = ([0f32; POINTS], [0f32; POINTS]);
    let tables: &Tables = &TABLES;
    let mut stride = 1;
    for turns in tables.turns.as_chunks::<2>().0 {
        wide(Pass { turns: &turns[0], stride, from: (re, im), to: (&mut other.0, &mut other.1) });
        wide(Pass { turns: &turns[1], stride: 4 * stride, from: (&other.0, &other.1), to: (re, im) });
        stride *= 16;
    }
}

/// A pass, eight places of a quarter at a time, whatever the stride. Each is a call: all four in one are more code than a
/// processor keeps at hand.
struct Pass<'a> {
    turns: &'a Turns,
    stride: usize,
    from: (&'a [f32; POINTS], &'a [f32; POINTS]),
    to: (&'a mut [f32; POINTS], &'a mut [f32; POINTS]),
}

impl Wide for Pass<'_> {
    type Out = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Pass { turns, stride, from, to } = self;
        for at in (0..QUARTER).step_by(8) {
            let (mut re, mut im) = ([[0f32; 8]; 4], [[0f32; 8]; 4]);
            for i in 0..4 {
                re[i].copy_from_slice(&from.0[i * QUARTER + at..][..8]);
                im[i].copy_from_slice(&from.1[i * QUARTER + at..][..8]);
            }
            let ([ar, br, cr, dr], [ai, bi, ci, di]) = (re, im);
            for n in 0..8 {
                let (sum_r, sum_i, dif_r, dif_i) = (ar[n] + cr[n], ai[n] + ci[n], ar[n] - cr[n], ai[n] - ci[n]);
                let (sum2_r, sum2_i, dif2_r, dif2_i) = (br[n] + dr[n], bi[n] + di[n], br[n] - dr[n], bi[n] - di[n]);
                (re[0][n], im[0][n]) = (sum_r + sum2_r, sum_i + sum2_i);
                (re[1][n], im[1][n]) = (dif_r + dif2_i, dif_i - dif2_r);
                (re[2][n], im[2][n]) = (sum_r - sum2_r, sum_i - sum2_i);
                (re[3][n], im[3][n]) = (dif_r - dif2_i, dif_i + dif2_r);
            }
            for (i, (cos, sin)) in turns.iter().enumerate() {
                let (cos, sin) = (&cos[at..at + 8], &sin[at..at + 8]);
                for n in 0..8 {
                    let (x, y) = (re[i + 1][n], im[i + 1][n]);
                    re[i + 1][n] = plus::<FUSED>(-(y * sin[n]), x, cos[n]);
                    im[i + 1][n] = plus::<FUSED>(y * cos[n], x, sin[n]);
                }
            }
            store(&re, to.0, at, stride);
            store(&im, to.1, at, stride);
        }
    }
}

/// The four parts of eight places, stretches of `stride` in turn.
#[inline(always)]
fn store(parts: &[[f32; 8]; 4], to: &mut [f32; POINTS], at: usize, stride: usize) {
    match stride {
        1 => {
            let mut mixed = [0f32; 32];
            for n in 0..8 {
                for i in 0..4 {
                    mixed[4 * n + i] = parts[i][n];
                }
            }
            to[4 * at..4 * at + 32].copy_from_slice(&mixed);
        }
        4 => {
            for (i, part) in parts.iter().enumerate() {
                to[4 * at + 4 * i..][..4].copy_from_slice(&part[..4]);
                to[4 * at + 16 + 4 * i..][..4].copy_from_slice(&part[4..]);
            }
        }
        _ => {
            for (i, part) in parts.iter().enumerate() {
                to[at / stride * 4 * stride + i * stride + at % stride..][..8].copy_from_slice(part);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sines(rate: f32, n: usize, tones: &[(f32, f32)]) -> Vec<f32> {
        let at = |i: usize, hz: f32| (i as f32 * hz / rate * std::f32::consts::TAU + hz).sin();
        (0..n).map(|i| tones.iter().map(|(hz, peak)| peak * at(i, *hz)).sum()).collect()
    }

    #[test]
    fn the_transform_is_the_sum_that_defines_it() {
        let (mut re, mut im) = ([0f32; POINTS], [0f32; POINTS]);
        for n in 0..POINTS {
            re[n] = (n as f32 * 0.37).sin() + (n % 7) as f32;
            im[n] = (n as f32 * 1.91).cos() - (n % 5) as f32;
        }
        let (x_re, x_im) = (re, im);
        transform(&mut re, &mut im);
        for k in [0, 1, 2, 17, 63, 64, 100, 128, 200, 255] {
            let (mut sum_re, mut sum_im) = (0f64, 0f64);
            for n in 0..POINTS {
                let turn = -((k * n % POINTS) as f64) / POINTS as f64 * std::f64::consts::TAU;
                let (a, b) = (f64::from(x_re[n]), f64::from(x_im[n]));
                sum_re += a * turn.cos() - b * turn.sin();
                sum_im += a * turn.sin() + b * turn.cos();
            }
            assert!((sum_re - f64::from(re[k])).abs() < 0.01 && (sum_im - f64::from(im[k])).abs() < 0.01, "{k}");
        }
    }

    #[test]
    fn lines_are_found_where_they_are_and_as_strong_as_they_are() {
        let mut look = Look::default();
        for points in [256, 200, 120] {
            look.take(&sines(2000.0, points, &[(425.0, 1.0)]), &sines(8000.0, 256, &[(425.0, 1.0)]));
            let line = look.lines()[0];
            assert!((line.hz - 425.0).abs() < 1.0, "{line:?}");
            assert!((line.power - 0.5).abs() < 0.03 && (line.height - 0.5).abs() < 0.03, "{points}: {line:?}");
            assert!((look.total - 0.5).abs() < 0.03);
        }
    }

    #[test]
    fn lines_twenty_five_hertz_apart_are_two_and_high_lines_too() {
        let mut look = Look::default();
        let low = sines(2000.0, 256, &[(400.0, 1.0), (425.0, 0.7)]);
        look.take(&low, &sines(8000.0, 256, &[(400.0, 1.0), (425.0, 0.7), (2060.0, 0.5), (2450.0, 0.5)]));
        let mut hz: Vec<f32> = look.lines().iter().take(4).map(|l| l.hz).collect();
        hz.sort_by(f32::total_cmp);
        for (got, expected) in hz.iter().zip([400.0, 425.0, 2060.0, 2450.0]) {
            assert!((got - expected).abs() < 3.0, "{hz:?}");
        }
    }

    #[test]
    fn silence_has_no_lines() {
        let mut look = Look::default();
        look.take(&[0.0; 256], &[0.0; 256]);
        assert!(look.lines().is_empty() && look.total == 0.0);
        look.take(&[], &[]);
        assert!(look.lines().is_empty() && look.total == 0.0);
    }
}
