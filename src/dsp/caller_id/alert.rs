//! Hears the dual-tone alert: somebody else is calling (CAS, in a call), or data follow on an on-hook line (DT-AS).
//!
//! 2130 and 2750 Hz together, each within 0.5 %, for 75 to 85 ms in a call and 88 to 110 ms before data; levels of −14 to −32
//! dBm0, within 6 dB of each other (GR-30-CORE, EN 300 659-1 and -2). Voices have both for a moment, but not as two lines that
//! stay where they are for a dozen blocks of 5 ms, and little else.

use super::Alert;
use crate::clock::Time;
use crate::dsp::wide::{Wide, dot, wide};
use crate::event::Heard;
use std::f64::consts::TAU;
use std::sync::LazyLock;
use std::time::Duration;

/// Samples of a block: 5 ms.
const BLOCK: usize = 40;
/// The share of the power that the two must have.
const MIN_SHARE: f32 = 0.6;
/// Nothing softer than this: each of them −42 dBm0, as a mean square of both.
const LEAST_POWER: f32 = 32_700.0;
/// One may have so much more power than the other: 8 dB.
const MAX_TWIST: f32 = 6.3;
/// Off by more than 1.2 % in frequency is another tone.
const MAX_OFF: f64 = 0.012;
/// How long it may be, our edges included.
const LASTS: std::ops::RangeInclusive<Duration> = Duration::from_millis(62)..=Duration::from_millis(130);
/// A block that has as much of the amplitude is full.
const FULL: f32 = 0.93;
/// Blocks that may be spoilt in the middle of it.
const SPOILT: u32 = 1;

/// One of the two tones in a block: a complex amplitude.
type Line = [f32; 2];

struct Tables {
    cos: [[f32; BLOCK]; 2],
    sin: [[f32; BLOCK]; 2],
    /// By how much each turns in a block.
    turn: [Line; 2],
    /// The cosine of what a tone may be off in a block.
    nearest: [f32; 2],
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let of = |n: f64, i: usize| n * f64::from(Alert::HZ[i]) / 8000.0 * TAU;
    let each = |f: fn(f64) -> f64| std::array::from_fn(|i| std::array::from_fn(|n| f(of(n as f64, i)) as f32));
    Tables {
        cos: each(f64::cos),
        sin: each(|turn| -turn.sin()),
        turn: std::array::from_fn(|i| [of(BLOCK as f64, i).cos() as f32, of(BLOCK as f64, i).sin() as f32]),
        nearest: std::array::from_fn(|i| (of(BLOCK as f64, i) * MAX_OFF).cos() as f32),
    }
});

/// One direction of a line.
#[derive(Clone, Debug, Default)]
pub struct AlertDetector {
    before: [Line; 2],
    run: Option<Run>,
    /// The power of the two in the last blocks, newest first: the first block of an alert is seldom full of it.
    powers: [f32; 2],
}

#[derive(Clone, Copy, Debug)]
struct Run {
    since: Time,
    /// Of the two together, while it lasts.
    power: f32,
    blocks: u32,
    spoilt: u32,
}

impl AlertDetector {
    /// Takes the block that ended at `now`, and its mean square.
    pub fn take(&mut self, block: &[f32; BLOCK], power: f32, now: Time, out: &mut Vec<Heard>) {
        let began = now - Duration::from_millis(5);
        if power < LEAST_POWER {
            self.end(began, 0.0, out);
            self.powers = [0.0; 2];
            return;
        }
        let tables: &Tables = &TABLES;
        let lines = wide(Lines(block));
        let squares = lines.map(|[re, im]| (re * re + im * im) * 2.0 / (BLOCK * BLOCK) as f32);
        let both = squares[0] + squares[1];
        let alike = squares[0] < MAX_TWIST * squares[1] && squares[1] < MAX_TWIST * squares[0];
        let is_alert = both > MIN_SHARE * power && alike;
        let steady = (0..2).all(|i| stays(self.before[i], lines[i], tables.turn[i], tables.nearest[i]));
        self.before = lines;
        match &mut self.run {
            None if is_alert && steady => {
                // some or all of the block before was part of it, and then some of the one before that
                let [last, first] = self.powers.map(|power| (power / both).clamp(0.0, 1.0).sqrt());
                let early = if last > FULL { 1.0 + first } else { last };
                let since = began - Duration::from_micros((5000.0 * early) as u64);
                self.run = Some(Run { since, power: both, blocks: 2, spoilt: 0 });
            }
            None => {}
            Some(run) if is_alert && steady && both > 0.5 * run.power => {
                run.blocks += 1;
                run.spoilt = 0;
                run.power += (both - run.power) / run.blocks.min(8) as f32;
            }
            Some(run) if run.spoilt < SPOILT && both > 0.5 * run.power => run.spoilt += 1,
            Some(run) => {
                let share = (both / run.power).clamp(0.0, 1.0).sqrt();
                self.end(began, share, out);
            }
        }
        self.powers = [both, self.powers[0]];
    }

    /// It was over when this share of a block after `at` was heard.
    fn end(&mut self, at: Time, share: f32, out: &mut Vec<Heard>) {
        let Some(run) = self.run.take() else { return };
        let at = at + Duration::from_micros((5000.0 * share) as u64);
        let lasted = at.since(run.since);
        if LASTS.contains(&lasted) {
            out.push(Heard::Alert { since: run.since, lasted });
        }
    }
}

/// Whether a line has turned from block to block as its frequency wants it.
fn stays(before: Line, now: Line, turn: Line, nearest: f32) -> bool {
    let expected = [before[0] * turn[0] - before[1] * turn[1], before[0] * turn[1] + before[1] * turn[0]];
    let along = expected[0] * now[0] + expected[1] * now[1];
    let sizes = (expected[0] * expected[0] + expected[1] * expected[1]) * (now[0] * now[0] + now[1] * now[1]);
    along > 0.0 && along * along > nearest * nearest * sizes
}

/// The two in a block.
struct Lines<'a>(&'a [f32; BLOCK]);

impl Wide for Lines<'_> {
    type Out = [Line; 2];

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> [Line; 2] {
        let tables: &Tables = &TABLES;
        let mut lines = [[0.0; 2]; 2];
        for (i, line) in lines.iter_mut().enumerate() {
            *line = [dot::<FUSED>(self.0, &tables.cos[i]), dot::<FUSED>(self.0, &tables.sin[i])];
        }
        lines
    }
}
