//! FSK at 1200 bit/s into bytes: Bell 202 (GR-30) and V.23 (EN 300 659-1).
//!
//! ```text
//!  samples ─▶ × e^-jωt, summed over a bit ─▶ |mark|² against |space|² ─▶ start bit, eight bits, stop bit ─▶ byte
//! ```
//!
//! Each standard is demodulated with its own frequencies: the one that explains more of the signal is the one sent. The
//! comparison is weighted by what either tone carried lately, so that twist (a cable is louder at 1200 than at 2200 Hz, by
//! 6 dB and more) does not move the edges.

use super::fsk::{FRAME_BITS, Standard};
use super::level;
use super::oscillator::{Sine, phase_step};

/// What came out of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framed {
    Byte(u8),
    /// A byte whose stop bit is no mark: noise, or the end of the signal.
    BadByte,
    /// Mark for longer than between bytes: what went before is over, and a message may begin.
    Idle,
    /// No such signal any more.
    Lost,
}

/// Samples in one bit, as the sum over it: 6.67 at 8 kHz.
const SPAN: usize = 7;
/// Bits are 6.67 samples long: positions count thirds of a sample, of which a bit has 20.
const THIRDS: u32 = 3;
const BIT_THIRDS: u32 = 20;
/// Up to ten marks may lie between bytes (GR-30); a preamble has fifty and more.
const IDLE_BITS: u32 = 20;
const FLOOR_DBM0: f32 = -48.0;

#[derive(Clone, Debug)]
struct Arm {
    step: u32,
    phase: u32,
    history: [(f32, f32); SPAN],
    sum: (f32, f32),
    /// What this tone carries while it is the one sent: a slow average.
    carried: f32,
}

impl Arm {
    fn new(hz: f32) -> Arm {
        Arm { step: phase_step(hz), phase: 0, history: [(0.0, 0.0); SPAN], sum: (0.0, 0.0), carried: 0.0 }
    }

    fn power(&mut self, sine: Sine, at: usize, x: f32) -> f32 {
        let new = (x * sine.cos(self.phase), x * sine.at(self.phase));
        self.phase = self.phase.wrapping_add(self.step);
        let old = std::mem::replace(&mut self.history[at], new);
        self.sum = (self.sum.0 + new.0 - old.0, self.sum.1 + new.1 - old.1);
        (self.sum.0 * self.sum.0 + self.sum.1 * self.sum.1) * (2.0 / (SPAN * SPAN) as f32)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Bit {
    /// Waiting for a start bit; how many thirds of mark there were.
    Waiting { marked: u32 },
    /// Inside a byte: thirds since the start bit's edge, the bits so far, how many.
    Reading { since: u32, bits: u16, read: u32 },
}

/// One standard's demodulator.
#[derive(Clone, Debug)]
pub struct Demodulator {
    mark: Arm,
    space: Arm,
    at: usize,
    /// Power of the signal over about ten bits, and what the two tones explain of it.
    total: f32,
    explained: f32,
    present: bool,
    idle_told: bool,
    bit: Bit,
}

impl Demodulator {
    pub fn new(standard: Standard) -> Demodulator {
        Demodulator {
            mark: Arm::new(standard.mark_hz()),
            space: Arm::new(standard.space_hz()),
            at: 0,
            total: 0.0,
            explained: 0.0,
            present: false,
            idle_told: false,
            bit: Bit::Waiting { marked: 0 },
        }
    }

    /// How much of the signal the two tones explain: 0 to about 1.
    pub fn share(&self) -> f32 {
        if self.total > 0.0 { self.explained / self.total } else { 0.0 }
    }

    pub fn feed(&mut self, sample: i16, mut tell: impl FnMut(Framed)) {
        let sine = Sine::table();
        let x = f32::from(sample);
        let mark = self.mark.power(sine, self.at, x);
        let space = self.space.power(sine, self.at, x);
        self.at = (self.at + 1) % SPAN;
        const SLOW: f32 = 1.0 / 64.0;
        self.total += (x * x - self.total) * SLOW;
        self.explained += (mark.max(space) - self.explained) * SLOW;
        let present = self.total > level::power(FLOOR_DBM0) && self.share() > 0.45;
        if !present {
            if std::mem::take(&mut self.present) {
                self.bit = Bit::Waiting { marked: 0 };
                self.idle_told = false;
                (self.mark.carried, self.space.carried) = (0.0, 0.0);
                tell(Framed::Lost);
            }
            return;
        }
        self.present = true;
        // each tone against what it carries itself, as far as both are known
        let arm = if mark > space { &mut self.mark } else { &mut self.space };
        arm.carried += (mark.max(space) - arm.carried) * SLOW;
        let both = self.mark.carried > 0.0 && self.space.carried > 0.01 * self.mark.carried;
        let weight = if both { (self.mark.carried / self.space.carried).clamp(0.05, 20.0).sqrt() } else { 1.0 };
        self.level(mark > space * weight, tell);
    }

    /// One sample of mark or space.
    fn level(&mut self, mark: bool, mut tell: impl FnMut(Framed)) {
        match &mut self.bit {
            Bit::Waiting { marked } if mark => {
                *marked += THIRDS;
                if *marked > IDLE_BITS * BIT_THIRDS && !self.idle_told {
                    self.idle_told = true;
                    tell(Framed::Idle);
                }
            }
            Bit::Waiting { .. } => self.bit = Bit::Reading { since: 0, bits: 0, read: 0 },
            Bit::Reading { since, bits, read } => {
                *since += THIRDS;
                // the middle of bit n lies half a bit and n bits after the edge
                if *since < *read * BIT_THIRDS + BIT_THIRDS / 2 {
                    return;
                }
                let (n, value) = (*read, *bits | u16::from(mark) << *read);
                (*read, *bits) = (n + 1, value);
                if n == 0 && mark {
                    // a start bit that is over before its middle was a click
                    self.bit = Bit::Waiting { marked: 0 };
                } else if n + 1 == FRAME_BITS {
                    self.idle_told = false;
                    self.bit = Bit::Waiting { marked: 0 };
                    tell(if mark { Framed::Byte((value >> 1) as u8) } else { Framed::BadByte });
                }
            }
        }
    }
}
