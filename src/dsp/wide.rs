//! The widest registers that the machine has, and products added in one step where it can.

use std::sync::LazyLock;

/// Arithmetic that profits from wide registers. What is to profit must be inlined into `run`: functions marked so, and loops in
/// place of closures given to the library (`array::from_fn` calls its own).
pub trait Wide {
    type Out;

    /// `FUSED`: the machine adds a product in one step. Where it cannot, `mul_add` is a call that takes longer than all else.
    fn run<const FUSED: bool>(self) -> Self::Out;
}

/// Does this with the widest registers that the machine has: the same sums, eight lanes at a time in place of four.
#[inline(always)]
pub fn wide<W: Wide>(work: W) -> W::Out {
    static ARCH: LazyLock<pulp::Arch> = LazyLock::new(pulp::Arch::new);
    ARCH.dispatch(Widest(work))
}

struct Widest<W>(W);

impl<W: Wide> pulp::WithSimd for Widest<W> {
    type Output = W::Out;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> W::Out {
        if S::IS_SCALAR { self.0.run::<false>() } else { self.0.run::<true>() }
    }
}

/// `sum + a · b`.
#[inline(always)]
pub fn plus<const FUSED: bool>(sum: f32, a: f32, b: f32) -> f32 {
    if FUSED { a.mul_add(b, sum) } else { sum + a * b }
}

/// The products of two stretches of one length, which goes into eights, added up.
#[inline(always)]
pub fn dot<const FUSED: bool>(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; 8];
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        for i in 0..8 {
            sums[i] = plus::<FUSED>(sums[i], a[i], b[i]);
        }
    }
    across(sums)
}

/// Eight sums into one, four and four: one after the other, the compiler would take two at a time throughout.
#[inline(always)]
pub fn across(sums: [f32; 8]) -> f32 {
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}
