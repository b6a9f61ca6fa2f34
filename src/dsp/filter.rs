//! Small filters that several detectors share.

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

/// Two sections in a row, made for four samples at a time.
///
/// Sample by sample each output waits for the one before it, some twelve cycles. Here the four outputs, and the memory after
/// them, are sums of the four inputs and the memory before them: sixteen products of four lanes each that wait for little.
#[derive(Clone, Debug)]
pub struct Cascade {
    /// What each input adds to the four outputs, and what each part of the memory does.
    outputs: [[f32; LANES]; 2 * LANES],
    /// What they add to the memory.
    memory: [[f32; LANES]; 2 * LANES],
}

/// Samples at a time, and parts of the memory.
const LANES: usize = 4;

/// The memory of a [`Cascade`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory([f32; LANES]);

impl Cascade {
    /// The sections tell, when each input and each part of the memory is one and the rest nothing.
    pub fn of(sections: [Biquad; 2]) -> Cascade {
        let mut cascade = Cascade { outputs: [[0.0; LANES]; 2 * LANES], memory: [[0.0; LANES]; 2 * LANES] };
        for cause in 0..2 * LANES {
            let mut z = [0.0; LANES];
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

    /// Filters in place; so many samples that they go into fours.
    #[inline(always)]
    pub fn pass(&self, memory: &mut Memory, samples: &mut [f32]) {
        let mut z = memory.0;
        for four in samples.as_chunks_mut::<LANES>().0 {
            let (x, mut y, mut next) = (*four, [0.0; LANES], [0.0; LANES]);
            for ((output, memory), x) in self.outputs.iter().zip(&self.memory).zip(x) {
                for n in 0..LANES {
                    y[n] += output[n] * x;
                    next[n] += memory[n] * x;
                }
            }
            // what waits for the four before is added up last, two and two
            let [_, _, _, _, y0, y1, y2, y3] = &self.outputs;
            let [_, _, _, _, z0, z1, z2, z3] = &self.memory;
            for n in 0..LANES {
                y[n] += (y0[n] * z[0] + y1[n] * z[1]) + (y2[n] * z[2] + y3[n] * z[3]);
                next[n] += (z0[n] * z[0] + z1[n] * z[1]) + (z2[n] * z[2] + z3[n] * z[3]);
            }
            *four = y;
            z = next;
        }
        // a memory that has died away is silence, before it turns into denormals, which are slow
        memory.0 = z.map(|z| if z.abs() < 1e-12 { 0.0 } else { z });
    }
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
    let [a, b, c, d, e, f, g, h] = sums;
    // four and four: one after the other, the compiler would take two at a time throughout
    ((a + e) + (c + g)) + ((b + f) + (d + h)) + rest.iter().map(|x| x * x).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::voice::Random;

    #[test]
    fn four_at_a_time_are_what_one_at_a_time_is() {
        // poles near the circle and zeros on it, as our filters have them
        let sections = [
            Biquad::new([0.781_367_3, -1.562_734_5, 0.781_367_3], [-1.674_661, 0.704_858_7]),
            Biquad::new([1.0, -2.0, 1.0], [-1.833_125_3, 0.866_180_5]),
        ];
        let cascade = Cascade::of(sections);
        let (mut memory, mut random) = (Memory::default(), Random::new(1));
        let mut z = [0.0; LANES];
        for _ in 0..500 {
            let x: [f32; 40] = std::array::from_fn(|_| (random.unit() - 0.5) * 60_000.0);
            let mut y = x;
            cascade.pass(&mut memory, &mut y);
            for (x, y) in x.into_iter().zip(y) {
                let (first, second) = z.split_at_mut(2);
                let plain = sections[1].pass(second, sections[0].pass(first, f64::from(x)));
                assert!((plain - f64::from(y)).abs() < 0.05, "{plain} {y}");
            }
        }
    }
}
