//! What all detectors of one direction share: hum taken off, power in blocks of 5 ms, and the last samples at two rates.

use super::filter::{self, Biquad, Cascade, Memory};
use super::spectrum::POINTS;
use super::wide::{Wide, dot, wide};
use std::sync::LazyLock;

/// Samples of a block: 5 ms.
pub const BLOCK: usize = 40;
/// Samples at 2 kHz in a block.
pub const LOW_BLOCK: usize = BLOCK / 4;
/// How far back looks may reach beyond their window: a burst is looked at when its gap is certain.
const MARGIN: usize = 12;

/// Butterworth high-pass, fourth order at 240 Hz: hum of 50 to 120 Hz is down by 55 to 24 dB, the lowest tone of any
/// exchange (200 Hz) by 7, dial tones by less than one.
static HUM: LazyLock<Cascade> = LazyLock::new(|| {
    Cascade::of([
        Biquad::new([0.781_367_3, -1.562_734_5, 0.781_367_3], [-1.674_661, 0.704_858_7]),
        Biquad::new([1.0, -2.0, 1.0], [-1.833_125_3, 0.866_180_5]),
    ])
});

#[derive(Clone, Debug)]
pub struct Front {
    hum: Memory,
    high: Tail,
    low: Tail,
}

impl Front {
    pub fn new() -> Front {
        Front {
            hum: Memory::default(),
            high: Tail::new(POINTS + MARGIN * BLOCK),
            low: Tail::new(POINTS + MARGIN * LOW_BLOCK),
        }
    }

    /// What comes next has nothing to do with what was before it: no look reaches back.
    pub fn forget(&mut self) {
        self.hum = Memory::default();
        self.high.samples.fill(0.0);
        self.low.samples.fill(0.0);
    }

    /// Takes a block and returns its mean square.
    pub fn take(&mut self, block: &[i16; BLOCK]) -> f32 {
        wide(Take { front: self, block })
    }

    #[inline(always)]
    fn filter<const FUSED: bool>(&mut self, block: &[i16; BLOCK]) -> f32 {
        let high = self.high.extend(BLOCK);
        high.iter_mut().zip(block).for_each(|(slot, &s)| *slot = f32::from(s));
        HUM.pass::<FUSED>(&mut self.hum, high);
        let power = filter::power(high);
        let recent = self.high.last(BLOCK + TAPS - 4, 0);
        let low = self.low.extend(LOW_BLOCK);
        let taps: &[f32; TAPS] = &DECIMATE;
        for (i, slot) in low.iter_mut().enumerate() {
            *slot = dot::<FUSED>(&recent[4 * i..4 * i + TAPS], taps);
        }
        power / BLOCK as f32
    }

    /// The last `points` samples at 2 kHz before the one that came `blocks_ago`.
    pub fn low(&self, points: usize, blocks_ago: usize) -> &[f32] {
        self.low.last(points.min(POINTS), blocks_ago.min(MARGIN) * LOW_BLOCK)
    }

    /// The same at 8 kHz.
    pub fn high(&self, points: usize, blocks_ago: usize) -> &[f32] {
        self.high.last(points.min(POINTS), blocks_ago.min(MARGIN) * BLOCK)
    }
}

/// The last samples of a stream, in one piece.
#[derive(Clone, Debug)]
struct Tail {
    samples: Box<[f32]>,
    keep: usize,
    end: usize,
}

impl Tail {
    fn new(keep: usize) -> Tail {
        // moved to the front every few blocks only
        Tail { samples: vec![0.0; 4 * keep].into_boxed_slice(), keep, end: keep }
    }

    /// Room for `n` more, which is at most what is kept.
    #[inline(always)]
    fn extend(&mut self, n: usize) -> &mut [f32] {
        if self.end + n > self.samples.len() {
            self.samples.copy_within(self.end - self.keep..self.end, 0);
            self.end = self.keep;
        }
        let from = self.end;
        self.end += n;
        &mut self.samples[from..from + n]
    }

    #[inline(always)]
    fn last(&self, n: usize, before: usize) -> &[f32] {
        let end = self.end - before;
        &self.samples[end - n..end]
    }
}

/// Low-pass at 1 kHz before every fourth sample is taken: what would fold below 790 Hz is 50 dB down.
const TAPS: usize = 64;

static DECIMATE: LazyLock<[f32; TAPS]> = LazyLock::new(|| {
    let taps: [f64; TAPS] = std::array::from_fn(|n| {
        let x = n as f64 - (TAPS - 1) as f64 / 2.0;
        let turn = std::f64::consts::PI * x / 4.0;
        let hamming = 0.54 - 0.46 * (std::f64::consts::TAU * n as f64 / (TAPS - 1) as f64).cos();
        turn.sin() / turn * hamming
    });
    let sum: f64 = taps.iter().sum();
    taps.map(|t| (t / sum) as f32)
});

struct Take<'a> {
    front: &'a mut Front,
    block: &'a [i16; BLOCK],
}

impl Wide for Take<'_> {
    type Out = f32;

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> f32 {
        self.front.filter::<FUSED>(self.block)
    }
}
