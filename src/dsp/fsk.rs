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

mod demodulator;

pub use demodulator::Demodulator;

use super::oscillator::{Oscillator, Sine, phase_step};
use super::{Source, add_sample, level};
use crate::clock::SAMPLE_RATE_HZ;

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
