//! Frequency shift keying at 1200 bit/s: Bell 202 and V.23, as caller ID uses them.
//!
//! | | mark | space | tolerance |
//! |---|---|---|---|
//! | Bell 202 (GR-30) | 1200 Hz | 2200 Hz | 1 % |
//! | V.23 (EN 300 659-1) | 1300 Hz | 2100 Hz | 1.5 % |
//!
//! ```text
//!  mark ▔▔▔▔▔▔▔▔\▁▁▁/▔▔▔\▁▁▁▁▁▁▁▁▁▁▁/▔▔▔▔▔▔▔▔▔▔▔\▁▁▁/▔▔▔▔▔▔▔▔   a byte: start bit, eight from the least
//!       idle   start 1   0   0   0   1   1   1   0  stop            significant, stop bit; 8.3 ms
//! ```
//!
//! A bit is 6⅔ samples. Receivers are asked to take −12 to −36 dBm with some noise and a line that tilts; ours is tested at
//! −35 dBm0, 14 dB of noise below, 10 dB of twist either way, and a beginning that ringing clipped.

use super::filter::Biquad;
use super::oscillator::{Oscillator, Sine, phase_step};
use super::{Source, add_sample, level};
use crate::clock::SAMPLE_RATE_HZ;
use std::sync::LazyLock;

/// Bits a second of both.
pub const BIT_RATE: u32 = 1200;

/// Bits of one byte on the line: a start bit (space), eight from the least significant, a stop bit (mark).
pub const FRAME_BITS: u32 = 10;

/// Which pair of frequencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standard {
    /// Mark 1200 Hz, space 2200 Hz (GR-30).
    Bell202,
    /// Mark 1300 Hz, space 2100 Hz (V.23, EN 300 659-1).
    V23,
}

impl Standard {
    pub const fn mark_hz(self) -> f32 {
        match self {
            Standard::Bell202 => 1200.0,
            Standard::V23 => 1300.0,
        }
    }

    pub const fn space_hz(self) -> f32 {
        match self {
            Standard::Bell202 => 2200.0,
            Standard::V23 => 2100.0,
        }
    }
}

/// Sends bits (`true` is mark) without jumps of phase.
#[derive(Clone, Debug)]
pub struct Modulator<B> {
    bits: B,
    sender: Oscillator,
    mark: u32,
    space: u32,
    peak: f32,
    /// How much of a bit is left, in 1/8000 bits: a sample takes 1200 of them.
    left: i32,
    finished: bool,
}

impl<B: Iterator<Item = bool>> Modulator<B> {
    pub fn new(standard: Standard, level_dbm0: f32, bits: B) -> Modulator<B> {
        Modulator {
            bits,
            sender: Oscillator::new(standard.mark_hz()),
            mark: phase_step(standard.mark_hz()),
            space: phase_step(standard.space_hz()),
            peak: level::peak(level_dbm0),
            left: 0,
            finished: false,
        }
    }
}

impl<B: Iterator<Item = bool>> Source for Modulator<B> {
    fn add_to(&mut self, out: &mut [i16]) -> bool {
        let sine = Sine::table();
        for o in out {
            // the remainder of a sample goes to the next bit, so that bits keep their length on the average
            while !self.finished && self.left < BIT_RATE as i32 / 2 {
                match self.bits.next() {
                    Some(bit) => {
                        self.sender.retune(if bit { self.mark } else { self.space });
                        self.left += SAMPLE_RATE_HZ as i32;
                    }
                    None => self.finished = true,
                }
            }
            if self.finished {
                return false;
            }
            add_sample(o, self.peak * self.sender.next(sine));
            self.left -= BIT_RATE as i32;
        }
        true
    }
}

/// What a demodulator makes of a burst of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    /// Marks, long enough to be the beginning of a message. `seized`: alternating bits came before them.
    Begins {
        standard: Standard,
        seized: bool,
    },
    Byte(u8),
    /// A byte without its stop bit.
    Framing,
    /// The carrier is gone, or says nothing more.
    Ends,
}

/// Hears both standards with one pair of filters: a bit lasts 6⅔ samples, so 50 Hz more or less do not matter to it; the
/// frequency of the marks tells which of the two it was.
///
/// Each sample has a soft bit: by how much the power at mark exceeds that at space, weighted by what both were of late, so
/// that a twist of 10 dB moves the edges little. A byte is read when all of it is there, at the alignment that makes its bits surest.
#[derive(Clone, Debug)]
pub struct Demodulator {
    high_pass: Biquad,
    /// Samples so far.
    count: u64,
    products: [[i32; 4]; 8],
    sums: [i32; 4],
    /// Loudest power at mark and at space of late.
    levels: [f32; 2],
    /// Power of either, over a bit or so.
    power: f32,
    /// Peaks, slowly forgotten.
    loudness: f32,
    soft: [f32; HISTORY],
    /// Complex amplitudes at mark, a while back.
    marks: [(f32, f32); TURN],
    turn: (f32, f32),
    mark_run: u32,
    alternations: u32,
    last_edge: u64,
    seized: bool,
    faint: u32,
    reading: Reading,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Reading {
    /// No message.
    Nothing,
    /// The marks before a message.
    Marks,
    /// The bits of a byte, the edge of whose start bit was at this sample and a fraction.
    Byte { edge: f64 },
    /// Marks between two bytes, since then.
    Between { since: f64 },
}

/// Samples of a bit.
const BIT: f64 = SAMPLE_RATE_HZ as f64 / BIT_RATE as f64;
/// Soft bits that are remembered: more than a byte.
const HISTORY: usize = 128;
/// Samples between two looks at the phase of a mark.
const TURN: usize = 20;
/// Marks before a message: 55 bits are the fewest that any exchange sends (BT), and some are lost to the filters.
const MARKS: u32 = (20.0 * BIT) as u32;
/// Alternating bits that are a channel seizure: 96 are the fewest (ETSI).
const SEIZURE: u32 = 60;
/// Marks between bytes: GR-30 allows 10 bits; more than 40 is the end.
const LONGEST_IDLE: f64 = 40.0 * BIT;
/// No message has longer marks before it.
const LONGEST_MARKS: u32 = (600.0 * BIT) as u32;
/// Nothing softer than this is data: −48 dBm0, as the filters count it.
const LEAST: f32 = 9.6e10;
/// No sample of data stays below this for a bit: −55 dBm0.
const STILL: f32 = 40.0;
/// In proportion to the louder of mark and space, what is below this is no carrier: −13 dB.
const FAINT: f32 = 0.05;
/// A soft bit of this much is beyond doubt.
const SURE: f32 = 0.5;
/// Samples without carrier that end it.
const GONE: u32 = 12;

impl Default for Demodulator {
    fn default() -> Self {
        Self::new()
    }
}

impl Demodulator {
    /// Between the two marks, and between the two spaces.
    const CENTRES_HZ: [f32; 2] = [1250.0, 2150.0];

    pub fn new() -> Demodulator {
        Demodulator {
            high_pass: HIGH_PASS,
            count: 0,
            products: [[0; 4]; 8],
            sums: [0; 4],
            levels: [0.0; 2],
            power: 0.0,
            loudness: 0.0,
            soft: [0.0; HISTORY],
            marks: [(0.0, 0.0); TURN],
            turn: (0.0, 0.0),
            mark_run: 0,
            alternations: 0,
            last_edge: 0,
            seized: false,
            faint: 0,
            reading: Reading::Nothing,
        }
    }

    /// Forgets the message that is being read: the rest of it is not for us.
    pub fn leave(&mut self) {
        self.reading = Reading::Nothing;
        self.mark_run = 0;
        self.seized = false;
    }

    pub fn feed(&mut self, samples: &[i16], mut tell: impl FnMut(&mut Self, Data)) {
        let tables: &[[[i32; 160]; 2]; 2] = &CARRIERS;
        for &sample in samples {
            let x = self.high_pass.pass(f32::from(sample));
            self.loudness = x.abs().max(0.98 * self.loudness);
            if self.loudness < STILL && self.reading == Reading::Nothing {
                self.rest();
            } else {
                self.correlate(x as i32, tables);
                self.track(&mut tell);
            }
        }
        self.high_pass.settle();
    }

    /// A sample of a line on which nobody sends.
    fn rest(&mut self) {
        if self.sums != [0; 4] || self.mark_run > 0 {
            (self.products, self.sums) = ([[0; 4]; 8], [0; 4]);
            (self.mark_run, self.alternations, self.seized) = (0, 0, false);
        }
        self.soft[self.count as usize % HISTORY] = 0.0;
        self.count += 1;
    }

    /// The sums over the last bit, and the soft bit that they make.
    fn correlate(&mut self, x: i32, tables: &[[[i32; 160]; 2]; 2]) {
        let n = (self.count % 160) as usize;
        let new = [x * tables[0][0][n], x * tables[0][1][n], x * tables[1][0][n], x * tables[1][1][n]];
        let at = (self.count % 8) as usize;
        // six samples whole, and two thirds of the seventh
        let old = self.products[(at + 2) % 8];
        let partial = old;
        for i in 0..4 {
            self.sums[i] += new[i] - old[i];
        }
        self.products[at] = new;
        let sum = |i: usize| self.sums[i] as f32 + partial[i] as f32 * 0.666_67;
        let (mark, space) = ((sum(0), sum(1)), (sum(2), sum(3)));
        let powers = [mark.0 * mark.0 + mark.1 * mark.1, space.0 * space.0 + space.1 * space.1];
        for (level, power) in self.levels.iter_mut().zip(powers) {
            *level = (*level * 0.9995).max(power);
        }
        // half of the twist is taken out: all of it would make a strong mark's share in the filter of a weak space a space
        let most = self.levels[0].max(self.levels[1]).max(1.0);
        let balance = (self.levels[1].max(1.0) / self.levels[0].max(1.0)).sqrt().clamp(0.25, 4.0);
        let soft = (powers[0] * balance - powers[1]) / (powers[0] * balance + powers[1]).max(1.0);
        self.soft[self.count as usize % HISTORY] = soft;
        self.power += 0.1 * (powers[0] + powers[1] - self.power);
        self.faint = if self.power < (FAINT * most).max(LEAST) { self.faint + 1 } else { 0 };

        let back = &mut self.marks[self.count as usize % TURN];
        let before = std::mem::replace(back, mark);
        if soft > 0.0 && powers[0] + powers[1] > LEAST {
            self.mark_run += 1;
            if self.mark_run as usize > TURN + 8 {
                self.turn.0 += (mark.0 * before.0 + mark.1 * before.1) / most;
                self.turn.1 += (mark.1 * before.0 - mark.0 * before.1) / most;
            }
        } else {
            self.mark_run = 0;
            if self.reading != Reading::Marks {
                self.turn = (0.0, 0.0);
            }
        }
        self.count += 1;
    }

    /// The soft bit at a moment, counted in samples; linear between two.
    fn soft_at(&self, at: f64) -> f32 {
        let whole = at.floor();
        let i = whole as usize;
        let (a, b) = (self.soft[i % HISTORY], self.soft[(i + 1) % HISTORY]);
        a + (b - a) * (at - whole) as f32
    }

    /// Mark to space between the samples before this one and this one, and where.
    fn falls_at(&self, i: u64) -> Option<f64> {
        let (a, b) = (self.soft[(i - 1) as usize % HISTORY], self.soft[i as usize % HISTORY]);
        (a > 0.0 && b <= 0.0).then(|| (i - 1) as f64 + f64::from(a / (a - b)))
    }

    fn track(&mut self, tell: &mut impl FnMut(&mut Self, Data)) {
        let Some(newest) = (self.count - 1).checked_sub(HISTORY as u64).map(|_| self.count - 1) else { return };
        self.watch_seizure(newest);
        match self.reading {
            Reading::Nothing if self.mark_run == MARKS => self.reading = Reading::Marks,
            Reading::Nothing => {}
            Reading::Marks => {
                if let Some(edge) = self.falls_at(newest) {
                    self.reading = Reading::Byte { edge };
                    let standard = if self.turn.1 < 0.0 { Standard::Bell202 } else { Standard::V23 };
                    let seized = std::mem::take(&mut self.seized);
                    self.turn = (0.0, 0.0);
                    tell(self, Data::Begins { standard, seized });
                } else if self.faint > GONE || self.mark_run > LONGEST_MARKS {
                    self.leave();
                }
            }
            Reading::Byte { edge } if newest as f64 >= edge + 10.0 * BIT + 2.0 => self.read_byte(edge, newest, tell),
            Reading::Byte { .. } if self.faint > GONE => self.end(tell),
            Reading::Byte { .. } => {}
            Reading::Between { since } => {
                if let Some(edge) = self.falls_at(newest) {
                    self.reading = Reading::Byte { edge };
                } else if self.faint > GONE || newest as f64 > since + LONGEST_IDLE {
                    self.end(tell);
                }
            }
        }
    }

    fn end(&mut self, tell: &mut impl FnMut(&mut Self, Data)) {
        self.leave();
        tell(self, Data::Ends);
    }

    /// All bits of a byte are there. The edge was found where the filter was half full of space, half a bit late, and where
    /// noise put it: the alignment is the one that makes all bits surest.
    fn read_byte(&mut self, edge: f64, newest: u64, tell: &mut impl FnMut(&mut Self, Data)) {
        let bit_at = |edge: f64, k: u32| self.soft_at(edge + (f64::from(k) + 0.5) * BIT);
        // a bit that is sure is sure: only those that an edge has come too near to tell alignments apart
        let sureness = |offset: f64| {
            let bit = |k| bit_at(edge + offset, k).clamp(-SURE, SURE);
            (1..=8).map(|k| bit(k).abs()).sum::<f32>() - bit(0) + bit(9) - 0.04 * offset.abs() as f32
        };
        let offsets = (-4..=4).map(|i| f64::from(i) * 0.5);
        let Some(best) = offsets.max_by(|a, b| sureness(*a).total_cmp(&sureness(*b))).map(|offset| edge + offset)
        else {
            return;
        };
        if bit_at(best, 0) > 0.0 {
            // no start bit: a click in the marks
            self.reading = Reading::Between { since: edge };
            return;
        }
        let byte = (1..=8).fold(0u8, |byte, k| byte >> 1 | if bit_at(best, k) > 0.0 { 0x80 } else { 0 });
        let stop = bit_at(best, 9) > 0.0;
        // the next start bit may have begun already
        let from = (best + 9.6 * BIT).ceil() as u64;
        self.reading = match (from..=newest).find_map(|i| self.falls_at(i)) {
            Some(edge) => Reading::Byte { edge },
            None => Reading::Between { since: newest as f64 },
        };
        tell(self, if stop { Data::Byte(byte) } else { Data::Framing });
    }

    /// Edges that are a bit apart.
    fn watch_seizure(&mut self, newest: u64) {
        let (a, b) = (self.soft[(newest - 1) as usize % HISTORY], self.soft[newest as usize % HISTORY]);
        if (a > 0.0) != (b > 0.0) {
            let apart = newest - self.last_edge;
            self.alternations = if (4..=9).contains(&apart) { self.alternations + 1 } else { 0 };
            self.last_edge = newest;
            self.seized |= self.alternations >= SEIZURE && self.faint == 0;
        }
    }
}

/// Butterworth, second order at 700 Hz: hum, dial tone and the lower half of the noise.
const HIGH_PASS: Biquad = Biquad::new([0.676_411_5, -1.352_823_1, 0.676_411_5], [-1.245_218_9, 0.460_427_2]);

/// Cosine and sine of the two centres, ×1024. Both repeat after 160 samples.
static CARRIERS: LazyLock<[[[i32; 160]; 2]; 2]> = LazyLock::new(|| {
    Demodulator::CENTRES_HZ.map(|hz| {
        let turn = |n: usize| n as f64 * f64::from(hz) / f64::from(SAMPLE_RATE_HZ) * std::f64::consts::TAU;
        [
            std::array::from_fn(|n| (turn(n).cos() * 1024.0).round() as i32),
            std::array::from_fn(|n| (-turn(n).sin() * 1024.0).round() as i32),
        ]
    })
});
