//! Two filters on one line: one that is heard, and one that finds out whether the path has changed.
//!
//! ```text
//!   path changed   error   ▁▁▁▁▆▆▆▆▆▆▆▆▆▂▁▁▁     the second filter doubts everything and learns; when it leaves less over
//!                  second      ▆▅▃▂▁ ▁▁          than the first it stops learning and has to show that it is right: so it
//!                              learns shows      is taken over
//!
//!   double talk    error   ▁▁▁▁▆▆▆▆▆▆▆▆▆▆▁▁▁     the second filter follows the talker, and as soon as it has to show
//!                  second      ▆▅▆▅▇▇▇           that it was a path, it fails: it is forgotten
//! ```
//!
//! A fast filter of many taps does follow a voice from block to block, so that an error that is small while it learns
//! proves nothing; one that stays small while it does not learn proves the path.

use super::adaptive::{Adaptive, Past};
use super::transform::{BLOCK, sum};

/// Blocks over which powers are smoothed: 64 ms.
const SMOOTHED: f32 = 8.0;
/// A second filter that has nothing to show after this many blocks is forgotten: 320 ms.
const TRIAL: u32 = 40;
/// Blocks before it may show something.
const EARLIEST: u32 = 5;
/// Blocks, with something sent in each, for which it has to show it: 96 ms.
const SHOWN: u32 = 12;
/// It has to leave less over than this share of the first one's error: 3 dB.
const BETTER: f32 = 0.5;
/// Something is wrong when the error is this much above the best that was reached, or above what any path allows: 25
/// dB.
const WORSE: f32 = 4.0;
const POOR: f32 = 0.003;
/// And above the noise of the line by this much, and above −52 dBm0.
const ABOVE_NOISE: f32 = 4.0;
const LEAST: f32 = 1500.0;
/// The best that was reached is forgotten by 1 dB a second.
const FORGOTTEN: f32 = 1.0018;
/// What is sent counts as sound from here: −41 dBm0. −65 dBm0: below it there is no echo.
const SOUND: f32 = 20_000.0;
const SILENCE: f32 = 80.0;
/// In the first two seconds of sound a path is learned from four times: each block, and the three before it again.
const YOUNG: u32 = 250;
const AGAIN: usize = 3;
/// Blocks after which what is narrow is a tone, not a vowel: 120 ms. A path that is not known any better than to 25 dB
/// learns from tones too.
const TONE: u32 = 15;
const POOR_PATH: f32 = 0.003;
/// The noise of the line is the least error of the last one to two times so many blocks: 1 s.
const NOISE_BLOCKS: u32 = 125;

/// What a block brought.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// The echo as it was expected.
    pub echo: [f32; BLOCK],
    pub echo_power: f32,
    pub error_power: f32,
}

#[derive(Clone, Debug)]
pub struct Linear {
    past: Past,
    first: Adaptive,
    second: Adaptive,
    trial: Trial,
    /// Errors of both and the echo, mean squares.
    first_power: f32,
    second_power: f32,
    echo_power: f32,
    /// Error to echo of the first filter at its best.
    best: f32,
    noise: [f32; 2],
    blocks: u32,
    /// Blocks with sound since the path was new; blocks without since there was any.
    age: u32,
    quiet: usize,
    partitions: usize,
    /// Blocks for which a tone or two were sent.
    narrow: u32,
    changes: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Trial {
    None,
    /// So many blocks.
    Learns(u32),
    Shows {
        blocks: u32,
        first: f32,
        second: f32,
    },
}

impl Linear {
    pub fn new(partitions: usize) -> Linear {
        Linear {
            past: Past::new(partitions),
            first: Adaptive::new(partitions),
            second: Adaptive::new(partitions),
            trial: Trial::None,
            first_power: 0.0,
            second_power: 0.0,
            echo_power: 0.0,
            best: 1.0,
            noise: [f32::INFINITY; 2],
            blocks: 0,
            age: 0,
            quiet: usize::MAX,
            partitions,
            narrow: 0,
            changes: 0,
        }
    }

    /// Error to echo when nobody speaks: what the filter reaches. 1 while nothing is known.
    pub fn best(&self) -> f32 {
        self.best
    }

    /// Mean square of the line's noise, as far as it was heard alone.
    pub fn noise(&self) -> f32 {
        let least = self.noise[0].min(self.noise[1]);
        if least.is_finite() { least } else { 0.0 }
    }

    /// How often the path was found to have changed.
    pub fn changes(&self) -> u32 {
        self.changes
    }

    /// Whether something was sent within the tail.
    pub fn sounding(&self) -> bool {
        self.quiet <= self.partitions
    }

    /// A block. `learning` is off while the line cannot be believed.
    pub fn block(&mut self, sent: &[f32; BLOCK], received: &[f32; BLOCK], learning: bool) -> Outcome {
        self.past.push(sent, received);
        let sent_power = mean_square(sent);
        self.quiet = if sent_power > SILENCE { 0 } else { self.quiet.saturating_add(1) };
        if !self.sounding() {
            let error_power = mean_square(received);
            self.follow(0.0, error_power);
            return Outcome { echo: [0.0; BLOCK], echo_power: 0.0, error_power };
        }
        let echo = self.first.output(&self.past);
        let error: [f32; BLOCK] = std::array::from_fn(|n| received[n] - echo[n]);
        let (echo_power, error_power) = (mean_square(&echo), mean_square(&error));
        let outcome = Outcome { echo, echo_power, error_power };
        if !learning {
            self.trial = Trial::None;
            return outcome;
        }
        self.follow(echo_power, error_power);
        let ratio = self.first_power / self.echo_power.max(1.0);
        self.best = (self.best * FORGOTTEN).min(ratio.max(1e-4)).min(1.0);
        // a filter that fits a tone fits any path at its frequency: nothing is proven by it
        let narrow = self.past.is_narrow();
        let sound = sent_power > SOUND && !narrow;
        self.narrow = if narrow { self.narrow.saturating_add(1) } else { 0 };
        self.age = self.age.saturating_add(u32::from(sound));
        let suspicious =
            (ratio > WORSE * self.best || ratio > POOR) && self.first_power > LEAST.max(ABOVE_NOISE * self.noise());
        if self.trial != Trial::None
            && let Some(outcome) = self.try_second(received, error_power, sound, suspicious)
        {
            return outcome;
        }
        if self.trial == Trial::None && suspicious && !narrow {
            self.second.copy(&self.first);
            self.second.doubt();
            self.second_power = self.first_power;
            self.trial = Trial::Learns(0);
        }
        // what speech has taught is not unlearned for a tone
        if self.narrow < TONE || self.best > POOR_PATH {
            self.first.learn(&self.past, &error, if self.age < YOUNG { AGAIN } else { 0 });
        }
        outcome
    }

    /// The second filter's block; what it brought when it has won.
    fn try_second(
        &mut self,
        received: &[f32; BLOCK],
        first_error: f32,
        sound: bool,
        suspicious: bool,
    ) -> Option<Outcome> {
        let echo = self.second.output(&self.past);
        let error: [f32; BLOCK] = std::array::from_fn(|n| received[n] - echo[n]);
        let error_power = mean_square(&error);
        self.second_power += (error_power - self.second_power) / SMOOTHED;
        self.trial = match self.trial {
            Trial::None => Trial::None,
            Trial::Learns(blocks) => {
                self.second.learn(&self.past, &error, AGAIN);
                if sound && self.second_power < BETTER * self.first_power && blocks + 1 >= EARLIEST {
                    Trial::Shows { blocks: 0, first: 0.0, second: 0.0 }
                } else if blocks + 1 >= TRIAL || !suspicious {
                    Trial::None
                } else {
                    Trial::Learns(blocks + 1)
                }
            }
            Trial::Shows { blocks, first, second } => {
                let (first, second) = (first + first_error, second + error_power);
                let blocks = blocks + u32::from(sound);
                if blocks < SHOWN {
                    Trial::Shows { blocks, first, second }
                } else if second < BETTER * first {
                    self.first.copy(&self.second);
                    self.first_power = self.second_power;
                    self.trial = Trial::None;
                    self.changes += 1;
                    self.age = 0;
                    return Some(Outcome { echo, echo_power: mean_square(&echo), error_power });
                } else {
                    Trial::Learns(0)
                }
            }
        };
        None
    }

    fn follow(&mut self, echo_power: f32, error_power: f32) {
        self.echo_power += (echo_power - self.echo_power) / SMOOTHED;
        self.first_power += (error_power - self.first_power) / SMOOTHED;
        self.blocks += 1;
        // the first blocks are the smoothing's, not the line's
        if self.blocks == NOISE_BLOCKS {
            self.blocks = 0;
            self.noise = [self.first_power, self.noise[0]];
        } else if self.noise[1].is_finite() || self.blocks > 4 * SMOOTHED as u32 {
            self.noise[0] = self.noise[0].min(self.first_power);
        }
    }
}

pub fn mean_square(block: &[f32; BLOCK]) -> f32 {
    sum(&block.map(|x| x * x)) / BLOCK as f32
}
