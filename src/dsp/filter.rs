//! Small filters that several detectors share.

/// Second-order section, transposed direct form II.
#[derive(Clone, Copy, Debug)]
pub struct Biquad {
    b: [f32; 3],
    a: [f32; 2],
    z: [f32; 2],
}

impl Biquad {
    /// Coefficients with a0 = 1.
    pub const fn new(b: [f32; 3], a: [f32; 2]) -> Biquad {
        Biquad { b, a, z: [0.0; 2] }
    }

    #[inline]
    pub fn pass(&mut self, x: f32) -> f32 {
        let y = self.b[0] * x + self.z[0];
        self.z[0] = self.b[1] * x - self.a[0] * y + self.z[1];
        self.z[1] = self.b[2] * x - self.a[1] * y;
        y
    }

    /// To be called now and then: a memory that has died away is silence, before it turns into denormals, which are slow.
    pub fn settle(&mut self) {
        for z in &mut self.z {
            if z.abs() < 1e-12 {
                *z = 0.0;
            }
        }
    }
}
