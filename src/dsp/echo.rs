//! Line echo canceller (ITU-T G.168): takes out of what a line brings what our own voice has left in it.
//!
//! ```text
//!   sent ────────┬───────────────────────────────────────────▶ line ─╮
//!                ▼                                                   hybrid: what is sent comes back,
//!          ┌───────────┐                                            ╭─╯     6…30 dB down, 0…128 ms late
//!          │two filters│  linear.rs, adaptive.rs                    ▼
//!          └─────┬─────┘                                         received
//!                ▼ echo as expected                                  │
//!   out ◀── non-linear ◀──────────────── − ◀─────────────────────────┘
//!           processor, nlp.rs            tone disabler, disabler.rs, listens to both
//! ```
//!
//! What is sent is known, the path it takes is not, and it changes: somebody lifts a second telephone, a call is put
//! through, the loop is opened for a flash. The filters learn the path in a fifth of a second and believe nothing that
//! they learn while the far party speaks; the non-linear processor takes out the rest while only we speak, and puts in
//! noise as loud and as dark as the line's own; a fax or a modem says by its answer tone with phase reversals that it
//! cancels echoes itself, and the canceller steps aside (G.168 clause 7).
//!
//! Shapes: 8 kHz, 16 bit linear, any number of samples at a time; what comes out is later by [`DELAY_SAMPLES`] (8 ms).
//! Everything is allocated when it is made. [`crate::dsp::g711::Law`] tells what the line makes of what is sent: a
//! canceller that knows the companded samples is not limited by the companding.
//!
//! It is meant for channels on which the driver offers no canceller of its own; where one runs in hardware, that one
//! has no delay. Two of DAHDI's software cancellers, `sec` and `sec2`, write outside their memory (2.11) and are never
//! to be asked for.

mod adaptive;
mod disabler;
mod linear;
mod nlp;
mod transform;

use super::g711::Law;
use super::level;
use disabler::Disabler;
use linear::{Linear, mean_square};
use nlp::NonLinear;
use transform::BLOCK;

/// What comes out is later than what comes in by so many samples: 8 ms.
pub const DELAY_SAMPLES: usize = BLOCK;

/// The longest echo that is taken out: delay and ringing of the hybrid together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tail {
    Ms16,
    /// Enough for a line into the next exchange.
    #[default]
    Ms32,
    Ms64,
    Ms128,
}

impl Tail {
    pub const ALL: [Tail; 4] = [Tail::Ms16, Tail::Ms32, Tail::Ms64, Tail::Ms128];

    pub const fn samples(self) -> usize {
        match self {
            Tail::Ms16 => 128,
            Tail::Ms32 => 256,
            Tail::Ms64 => 512,
            Tail::Ms128 => 1024,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    pub tail: Tail,
    /// The law of the channel, when what is sent is companded on its way to the line.
    pub law: Option<Law>,
    /// Takes out what the filter leaves, while only we speak (the NLP of G.168).
    pub non_linear: bool,
    /// Steps aside for 2100 Hz with phase reversals (G.168 clause 7).
    pub tone_disabler: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config { tail: Tail::default(), law: None, non_linear: true, tone_disabler: true }
    }
}

/// How a canceller is doing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report {
    /// Echo return loss enhancement of the filter alone, at its best of the last seconds, dB. 0 while nothing is known.
    pub erle_db: f32,
    /// Level of the echo that is taken out at present.
    pub echo_dbm0: f32,
    /// The far party speaks.
    pub near_end: bool,
    /// A fax or a modem has asked that echoes be left alone.
    pub disabled: bool,
    /// How often the path was found to have changed.
    pub path_changes: u32,
}

/// Blocks for which a line is not believed after it was opened or went dead: 160 ms.
const SHY: u32 = 20;
/// A line on which nothing comes back for longer than this is a line without an echo: 1.5 s, longer than any flash.
const DEAD_LIMIT: u32 = 190;
/// An echo that should be louder than this, −45 dBm0, and is less than a sixteenth of it: the loop is open.
const DEAD_ECHO: f32 = 8_200.0;
const DEAD_SHARE: f32 = 1.0 / 16.0;
/// Blocks over which it is judged whether the filter does more harm than good: 256 ms.
const SLOW: f32 = 32.0;

/// The canceller of one line.
#[derive(Clone, Debug)]
pub struct Canceller {
    config: Config,
    linear: Linear,
    non_linear: NonLinear,
    disabler: Disabler,
    /// The block that is filling, and what is played meanwhile.
    sent: [f32; BLOCK],
    received: [f32; BLOCK],
    out: [i16; BLOCK],
    filled: usize,
    open: bool,
    shy: u32,
    dead: u32,
    /// How much of the expected echo is taken out: all, or none where that would make things worse.
    share: f32,
    /// Error and what was received, over a quarter of a second.
    slow: [f32; 2],
    report: Report,
}

impl Canceller {
    pub fn new(config: Config) -> Canceller {
        Canceller {
            config,
            linear: Linear::new(config.tail.samples() / BLOCK),
            non_linear: NonLinear::new(),
            disabler: Disabler::new(),
            sent: [0.0; BLOCK],
            received: [0.0; BLOCK],
            out: [0; BLOCK],
            filled: 0,
            open: false,
            shy: 0,
            dead: 0,
            share: 1.0,
            slow: [0.0; 2],
            report: Report {
                erle_db: 0.0,
                echo_dbm0: level::FLOOR_DBM0,
                near_end: false,
                disabled: false,
                path_changes: 0,
            },
        }
    }

    /// Takes the echo of `sent` out of `received`, in place and [`DELAY_SAMPLES`] later.
    ///
    /// Sample for sample, the one that was written to the line while the other was read from it; what `sent` is shorter
    /// by counts as silence, what it is longer by is not looked at. How a stretch is split into calls makes no
    /// difference.
    pub fn process(&mut self, sent: &[i16], received: &mut [i16]) {
        let law = self.config.law;
        for (i, r) in received.iter_mut().enumerate() {
            let s = sent.get(i).copied().unwrap_or(0);
            self.sent[self.filled] = f32::from(law.map_or(s, |law| law.decode(law.encode(s))));
            self.received[self.filled] = f32::from(*r);
            *r = self.out[self.filled];
            self.filled += 1;
            if self.filled == BLOCK {
                self.filled = 0;
                self.block();
            }
        }
    }

    /// The loop is opened (a flash begins) or closed again: what comes meanwhile says nothing of the path, which is
    /// kept. A loop that opens without a word is noticed by the echo that is missing.
    pub fn set_open(&mut self, open: bool) {
        self.shy = if open != self.open { SHY } else { self.shy };
        self.open = open;
    }

    pub fn report(&self) -> Report {
        self.report
    }

    fn block(&mut self) {
        if self.config.tone_disabler {
            self.disabler.feed(&self.sent, &self.received);
            if self.disabler.is_disabled() != self.report.disabled {
                self.report.disabled = !self.report.disabled;
                self.shy = SHY;
            }
        }
        let learning = !self.open && self.shy == 0 && !self.report.disabled;
        self.shy = self.shy.saturating_sub(u32::from(!self.open));
        let received_power = mean_square(&self.received);
        let outcome = self.linear.block(&self.sent, &self.received, learning && !self.looks_dead(received_power));
        self.note_dead(outcome.echo_power, received_power);

        self.report.erle_db = -10.0 * self.linear.best().log10();
        self.report.echo_dbm0 = level::dbm0_of_power(outcome.echo_power);
        self.report.path_changes = self.linear.changes();
        // an echo that is not there must not be put there: half a block is faded
        let worse = self.is_worse(outcome.error_power, received_power, learning);
        let (before, after) = (self.share, if worse || self.report.disabled { 0.0 } else { 1.0 });
        self.share = after;
        let mut left = [0f32; BLOCK];
        for (n, (left, (received, echo))) in left.iter_mut().zip(self.received.iter().zip(&outcome.echo)).enumerate() {
            let fade = (n as f32 + 1.0) / (BLOCK / 2) as f32;
            let share = before + (after - before) * fade.min(1.0);
            *left = received - share * echo;
        }
        let near_end = self.non_linear.judge(&self.linear, &outcome, mean_square(&self.sent), received_power, &left);
        self.report.near_end = near_end;
        if self.config.non_linear && !self.report.disabled {
            self.non_linear.pass(&mut left);
        }
        for (o, x) in self.out.iter_mut().zip(left) {
            // the conversion saturates
            *o = (x + 0.5f32.copysign(x)) as i16;
        }
    }

    /// More is left than came: at once when it is far more, else over a quarter of a second. Two talkers whose waves
    /// happen to be opposed look like it for a block.
    fn is_worse(&mut self, error_power: f32, received_power: f32, learning: bool) -> bool {
        let [error, received] = &mut self.slow;
        // an open loop says nothing of the filter
        if learning && self.dead == 0 {
            *error += (error_power - *error) / SLOW;
            *received += (received_power - *received) / SLOW;
        }
        error_power > 6.0 * received_power || *error > 1.5 * *received
    }

    /// Nothing comes back although something should: the loop is open, or the path is gone. A flash is over in 1.5 s.
    fn looks_dead(&self, received_power: f32) -> bool {
        self.dead > 0 && self.dead < DEAD_LIMIT && received_power < DEAD_ECHO * 4.0
    }

    fn note_dead(&mut self, echo_power: f32, received_power: f32) {
        if echo_power > DEAD_ECHO {
            if received_power < DEAD_SHARE * echo_power {
                self.dead = (self.dead + 1).min(DEAD_LIMIT);
                if self.dead < DEAD_LIMIT {
                    self.shy = self.shy.max(SHY / 4);
                }
            } else if received_power > 0.25 * echo_power {
                if self.dead > 0 && self.dead < DEAD_LIMIT {
                    self.shy = self.shy.max(SHY / 2);
                }
                self.dead = 0;
            }
        }
    }
}
