//! Small filters that several detectors share.

use super::wide::{across, plus};

/// Second-order section, transposed direct form II.
#[derive(Clone, Copy, Debug)]
pub struct Biquad {
    b: [f32; 3],
    a: [f32; 2],
}

impl Biquad {
    /// What comes in goes out.
    pub const NONE: Biquad = Biquad::new([1.0, 0.0, 0.0], [0.0; 2]);

    /// Coefficients with a0 = 1.
    pub const fn new(b: [f32; 3], a: [f32; 2]) -> Biquad {
        Biquad { b, a }
    }

    /// One sample, as the books have it; `z` is the memory.
    fn pass(&self, z: &mut [f64], x: f64) -> f64 {
        let [b, a] = [self.b.map(f64::from), [self.a[0], self.a[1], 0.0].map(f64::from)];
        let y = b[0] * x + z[0];
        z[0] = b[1] * x - a[0] * y + z[1];
        z[1] = b[2] * x - a[1] * y;
        y
    }
}

/// Two sections in a row, made for eight samples at a time.
///
/// Sample by sample each output waits for the one before it, some twelve cycles. Here the eight outputs, and the memory after
/// them, are sums of the eight inputs and the memory before them: products side by side that wait for little.
#[derive(Clone, Debug)]
pub struct Cascade {
    /// What each input adds to the eight outputs, and what each part of the memory does.
    outputs: [[f32; LANES]; LANES + PARTS],
    /// What they add to the memory.
    memory: [[f32; PARTS]; LANES + PARTS],
}

/// Samples at a time.
const LANES: usize = 8;
/// Parts of the memory.
const PARTS: usize = 4;

/// The memory of a [`Cascade`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory([f32; PARTS]);

impl Cascade {
    /// The sections tell, when each input and each part of the memory is one and the rest nothing.
    pub fn of(sections: [Biquad; 2]) -> Cascade {
        let mut cascade = Cascade { outputs: [[0.0; LANES]; LANES + PARTS], memory: [[0.0; PARTS]; LANES + PARTS] };
        for cause in 0..LANES + PARTS {
            let mut z = [0.0; PARTS];
            if cause >= LANES {
                z[cause - LANES] = 1.0;
            }
            for n in 0..LANES {
                let (first, second) = z.split_at_mut(2);
                let x = f64::from(u8::from(n == cause));
                cascade.outputs[cause][n] = sections[1].pass(second, sections[0].pass(first, x)) as f32;
            }
            cascade.memory[cause] = z.map(|z| z as f32);
        }
        cascade
    }

    /// Filters in place; so many samples that they go into eights.
    #[inline(always)]
    pub fn pass<const FUSED: bool>(&self, memory: &mut Memory, samples: &mut [f32]) {
        let mut z = memory.0;
        let [y0, y1, y2, y3] = *self.outputs.last_chunk().unwrap_or(&[[0.0; LANES]; PARTS]);
        let [z0, z1, z2, z3] = *self.memory.last_chunk().unwrap_or(&[[0.0; PARTS]; PARTS]);
        for eight in samples.as_chunks_mut::<LANES>().0 {
            // two sums each: half as long a wait
            let (mut y, mut next) = ([[0.0; LANES]; 2], [[0.0; PARTS]; 2]);
            for (k, ((output, memory), x)) in self.outputs.iter().zip(&self.memory).zip(*eight).enumerate() {
                for n in 0..LANES {
                    y[k % 2][n] = plus::<FUSED>(y[k % 2][n], output[n], x);
                }
                for n in 0..PARTS {
                    next[k % 2][n] = plus::<FUSED>(next[k % 2][n], memory[n], x);
                }
            }
            // what waits for the eight before is added up last, two and two
            let before = z;
            for n in 0..LANES {
                eight[n] = fed::<FUSED>([y[0][n], y[1][n]], [y0[n], y1[n], y2[n], y3[n]], before);
            }
            for n in 0..PARTS {
                z[n] = fed::<FUSED>([next[0][n], next[1][n]], [z0[n], z1[n], z2[n], z3[n]], before);
            }
        }
        // a memory that has died away is silence, before it turns into denormals, which are slow
        memory.0 = z.map(|z| if z.abs() < 1e-12 { 0.0 } else { z });
    }
}

/// Two sums, and what the memory adds to them.
#[inline(always)]
fn fed<const FUSED: bool>(sum: [f32; 2], by: [f32; PARTS], z: [f32; PARTS]) -> f32 {
    plus::<FUSED>(plus::<FUSED>(sum[0], by[0], z[0]), by[1], z[1])
        + plus::<FUSED>(plus::<FUSED>(sum[1], by[2], z[2]), by[3], z[3])
}

/// The sum of squares, eight lanes side by side, which a compiler may put into registers.
#[inline(always)]
pub fn power(samples: &[f32]) -> f32 {
    let (eights, rest) = samples.as_chunks::<8>();
    let mut sums = [0f32; 8];
    for eight in eights {
        for i in 0..8 {
            sums[i] += eight[i] * eight[i];
        }
    }
    across(sums) + rest.iter().map(|x| x * x).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::voice::Random;

    #[test]
    fn eight_at_a_time_are_what_one_at_a_time_is() {
        // poles near the circle and zeros on it, as our filters have them
        let sections = [
            Biquad::new([0.781_367_3, -1.562_734_5, 0.781_367_3], [-1.674_661, 0.704_858_7]),
            Biquad::new([1.0, -2.0, 1.0], [-1.833_125_3, 0.866_180_5]),
        ];
        let cascade = Cascade::of(sections);
        let (mut memory, mut random) = (Memory::default(), Random::new(1));
        let mut z = [0.0; PARTS];
        for _ in 0..500 {
            let x: [f32; 40] = std::array::from_fn(|_| (random.unit() - 0.5) * 60_000.0);
            let mut y = x;
            let (mut fused, mut memory_fused) = (x, memory);
            cascade.pass::<true>(&mut memory_fused, &mut fused);
            cascade.pass::<false>(&mut memory, &mut y);
            for ((x, y), fused) in x.into_iter().zip(y).zip(fused) {
                let (first, second) = z.split_at_mut(2);
                let plain = sections[1].pass(second, sections[0].pass(first, f64::from(x)));
                assert!((plain - f64::from(y)).abs() < 0.1 && (y - fused).abs() < 0.1, "{plain} {y} {fused}");
            }
        }
    }
}
