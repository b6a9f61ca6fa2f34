//! The non-linear processor: what the filter leaves is not played while nobody but us speaks (the NLP of G.168).
//!
//! ```text
//!   we speak          ▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆
//!   left by filter    ▁▁▁▁▁▁▁▆▅▆▆▇▆▁▁▁▁▁▁▁     more than the filter ever leaves: the far party speaks, all is played
//!   played            ┈┈┈┈┈┈┈▆▅▆▆▇▆▁▁▁┈┈┈┈     ┈ noise as loud and as dark as the line's own
//!                                  └ 100 ms ┘
//! ```

use super::linear::{Linear, Outcome, mean_square};
use super::transform::BLOCK;
use crate::dsp::comfort_noise::{Analyser, Description, Generator};
use crate::dsp::level;

/// The far party speaks when more is left than this times what the filter leaves: 9 dB.
const ABOVE_REST: f32 = 8.0;
/// Or, while the filter does not know the path, when more comes than the weakest hybrid returns: 6 dB below what was
/// sent.
const HYBRID: f32 = 0.25;
/// The filter knows the path from here: 10 dB.
const KNOWN: f32 = 0.1;
/// And always when it is above the noise of the line by this: 6 dB.
const ABOVE_NOISE: f32 = 4.0;
/// Blocks for which the far party is not cut off after its last sound: 104 ms.
const HANGOVER: u32 = 13;
/// Blocks for which an echo may still come back: the tail, at most.
const REMEMBERED: f32 = 0.8;
/// Samples of a fade: 2 ms.
const FADE: usize = 16;
/// Noise is what is not louder than this times the least of the last seconds: 4 dB.
const LIKE_NOISE: f32 = 2.5;

#[derive(Clone, Debug)]
pub struct NonLinear {
    analyser: Analyser,
    generator: Generator,
    /// What was sent and what was expected back, the loudest of late, fading.
    sent: f32,
    echo: f32,
    near: u32,
    suppress: bool,
    /// How much of what is left is played.
    gain: f32,
    heard_noise: bool,
}

impl NonLinear {
    pub fn new() -> NonLinear {
        NonLinear {
            analyser: Analyser::new(),
            generator: Generator::new(0x4543_484F),
            sent: 0.0,
            echo: 0.0,
            near: 0,
            suppress: false,
            gain: 1.0,
            heard_noise: false,
        }
    }

    /// Decides on a block; whether the far party speaks.
    pub fn judge(
        &mut self,
        linear: &Linear,
        outcome: &Outcome,
        sent_power: f32,
        received_power: f32,
        left: &[f32; BLOCK],
    ) -> bool {
        self.sent = sent_power.max(REMEMBERED * self.sent);
        self.echo = outcome.echo_power.max(REMEMBERED * self.echo);
        let noise = linear.noise();
        let left_power = outcome.error_power.min(received_power);
        let rest = if linear.best() < KNOWN { linear.best() * self.echo } else { HYBRID / ABOVE_REST * self.sent };
        let speaks = left_power > ABOVE_REST * rest + ABOVE_NOISE * noise + 100.0;
        self.near = if speaks { HANGOVER } else { self.near.saturating_sub(1) };
        // we are heard back only while we speak, and only where it is above the line's own noise
        self.suppress = linear.sounding() && self.near == 0 && self.sent > 100.0;
        if !linear.sounding() && self.near == 0 && left_power < LIKE_NOISE * noise.max(1.0) {
            left.iter().for_each(|x| self.analyser.feed_sample(*x));
            self.heard_noise = true;
        }
        self.near > 0
    }

    /// Plays a block, or noise in its place.
    pub fn pass(&mut self, left: &mut [f32; BLOCK]) {
        let target = if self.suppress { 0.0 } else { 1.0 };
        if target == 1.0 && self.gain == 1.0 {
            return;
        }
        if self.suppress {
            // what was never heard alone is not made up louder than what there is
            let mut noise = if self.heard_noise { self.analyser.description() } else { Description::SILENCE };
            let there = level::dbm0_of_power(mean_square(left));
            if !self.heard_noise {
                noise = Description::white(there.min(-65.0));
            }
            self.generator.set(&noise);
        }
        for x in left {
            let step = 1.0 / FADE as f32;
            self.gain =
                if target > self.gain { (self.gain + step).min(target) } else { (self.gain - step).max(target) };
            // two noises that have nothing to do with each other: powers add up
            *x = *x * self.gain + self.generator.next_sample() * (1.0 - self.gain * self.gain).sqrt();
        }
    }
}
