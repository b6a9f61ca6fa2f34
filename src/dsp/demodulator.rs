//! FSK at 1200 bit/s into bytes: Bell 202 (GR-30) and V.23 (EN 300 659-1) at once.
//!
//! ```text
//!  samples ─▶ × e^-jωt at 1700 Hz ─▶ low pass 1 kHz ─▶ phase step: below 0 mark, above 0 space ─▶ start, 8 bits, stop
//! ```
//!
//! Both standards lie around 1700 Hz (1200/2200 and 1300/2100 Hz), so one discriminator hears both, and the frequency of
//! its marks tells which it is. It looks at the phase only: the twist of a cable, louder at 1200 than at 2200 Hz by 6 dB and
//! more, moves no edges.

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

const CENTRE_HZ: f32 = 1700.0;
const TAPS: usize = 17;
const CUT_HZ: f32 = 1000.0;
/// Phase steps that are averaged: short against a bit of 6.67 samples.
const SMOOTH: usize = 4;
/// Bits are 6.67 samples long: positions count thirds of a sample, of which a bit has 20.
const THIRDS: u32 = 3;
const BIT_THIRDS: u32 = 20;
/// Up to ten marks may lie between bytes (GR-30); a preamble has fifty and more.
const IDLE_BITS: u32 = 20;
const FLOOR_DBM0: f32 = -48.0;
/// So much of all that is heard must lie around the two frequencies.
const SHARE: f32 = 0.55;
const SLOW: f32 = 1.0 / 64.0;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Bit {
    /// Waiting for a start bit; how many thirds of mark there were.
    Waiting { marked: u32 },
    /// Inside a byte: thirds since the start bit's edge, the bits so far, how many.
    Reading { since: u32, bits: u16, read: u32 },
}

#[derive(Clone, Debug)]
pub struct Demodulator {
    step: u32,
    phase: u32,
    taps: [f32; TAPS],
    mixed: [(f32, f32); TAPS],
    at: usize,
    before: (f32, f32),
    steps: [(f32, f32); SMOOTH],
    step_at: usize,
    /// Power of all that is heard, and of what is near the two frequencies.
    total: f32,
    near: f32,
    present: bool,
    /// Phase step of the marks of a preamble: tells the standard.
    mark_step: f32,
    idle_told: bool,
    bit: Bit,
}

impl Default for Demodulator {
    fn default() -> Demodulator {
        Demodulator::new()
    }
}

impl Demodulator {
    pub fn new() -> Demodulator {
        let cut = CUT_HZ / 8000.0;
        let mut taps: [f32; TAPS] = std::array::from_fn(|i| {
            let x = i as f32 - (TAPS / 2) as f32;
            let angle = std::f32::consts::TAU * cut * x;
            let sinc = if x == 0.0 { 1.0 } else { angle.sin() / angle };
            sinc * (0.5 + 0.5 * (std::f32::consts::PI * x / (TAPS / 2 + 1) as f32).cos())
        });
        let sum: f32 = taps.iter().sum();
        taps.iter_mut().for_each(|t| *t /= sum);
        Demodulator {
            step: phase_step(CENTRE_HZ),
            phase: 0,
            taps,
            mixed: [(0.0, 0.0); TAPS],
            at: 0,
            before: (0.0, 0.0),
            steps: [(0.0, 0.0); SMOOTH],
            step_at: 0,
            total: 0.0,
            near: 0.0,
            present: false,
            mark_step: 0.0,
            idle_told: false,
            bit: Bit::Waiting { marked: 0 },
        }
    }

    /// The standard whose marks were heard last.
    pub fn standard(&self) -> Standard {
        let step = |hz: f32| std::f32::consts::TAU * (hz - CENTRE_HZ) / 8000.0;
        let between = step((Standard::Bell202.mark_hz() + Standard::V23.mark_hz()) / 2.0);
        if self.mark_step < between { Standard::Bell202 } else { Standard::V23 }
    }

    pub fn feed(&mut self, sample: i16, mut tell: impl FnMut(Framed)) {
        let sine = Sine::table();
        let x = f32::from(sample);
        self.mixed[self.at] = (x * sine.cos(self.phase), -x * sine.at(self.phase));
        self.phase = self.phase.wrapping_add(self.step);
        self.at = (self.at + 1) % TAPS;
        let mut z = (0.0, 0.0);
        for (i, tap) in self.taps.iter().enumerate() {
            let m = self.mixed[(self.at + i) % TAPS];
            z = (z.0 + m.0 * tap, z.1 + m.1 * tap);
        }
        let before = std::mem::replace(&mut self.before, z);
        self.steps[self.step_at] = (z.0 * before.0 + z.1 * before.1, z.1 * before.0 - z.0 * before.1);
        self.step_at = (self.step_at + 1) % SMOOTH;
        self.total += (x * x - self.total) * SLOW;
        self.near += (2.0 * (z.0 * z.0 + z.1 * z.1) - self.near) * SLOW;
        if self.total < level::power(FLOOR_DBM0) || self.near < SHARE * self.total {
            if std::mem::take(&mut self.present) {
                self.bit = Bit::Waiting { marked: 0 };
                self.idle_told = false;
                tell(Framed::Lost);
            }
            return;
        }
        self.present = true;
        let (re, im) = self.steps.iter().fold((0.0, 0.0), |s, p| (s.0 + p.0, s.1 + p.1));
        self.level(im < 0.0, (re, im), tell);
    }

    /// One sample of mark or space.
    fn level(&mut self, mark: bool, step: (f32, f32), mut tell: impl FnMut(Framed)) {
        match &mut self.bit {
            Bit::Waiting { marked } if mark => {
                *marked += THIRDS;
                // inside a long mark, where no edge is near
                if *marked > 3 * BIT_THIRDS {
                    self.mark_step += (step.1.atan2(step.0) - self.mark_step) * SLOW;
                }
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
