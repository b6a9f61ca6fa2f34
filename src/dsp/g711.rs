//! A-law and µ-law (ITU-T G.711), to and from 16 bit linear.
//!
//! µ-law is 14 bit and A-law 13 bit wide; both are carried in the upper bits of 16, as everywhere in telephony software.
//! Eight segments a sign, each twice as coarse as the one below; A-law inverts the even bits on the line, µ-law all.
//! Encoders are arithmetic (a count of leading zeros), decoders tables made at compile time.

/// Which law a channel speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    Mu,
    A,
}

impl Law {
    /// What an idle channel carries: zero.
    pub const fn idle(self) -> u8 {
        match self {
            Law::Mu => 0xFF,
            Law::A => 0xD5,
        }
    }

    #[inline]
    pub fn encode(self, linear: i16) -> u8 {
        match self {
            Law::Mu => mu_encode(linear),
            Law::A => a_encode(linear),
        }
    }

    #[inline]
    pub fn decode(self, code: u8) -> i16 {
        match self {
            Law::Mu => MU_DECODE[code as usize],
            Law::A => A_DECODE[code as usize],
        }
    }
}

/// Table 2 of G.711 has its first decision value at 1 and its segments at powers of two once 33 is added: 33 × 4 = 132 here.
const MU_BIAS: i32 = 132;
/// The last decision value, 8,159 × 4, less one step: what is beyond is the last code.
const MU_CLIP: i32 = 32_635;

fn mu_encode(linear: i16) -> u8 {
    let sign = if linear < 0 { 0x80 } else { 0 };
    let biased = i32::from(linear).abs().min(MU_CLIP) + MU_BIAS;
    // biased is 132…32,767: its top bit is 7…14
    let segment = 24 - (biased as u32).leading_zeros();
    let step = (biased >> (segment + 3)) & 0x0F;
    !(sign | (segment << 4) as u8 | step as u8)
}

fn a_encode(linear: i16) -> u8 {
    // ones' complement: A-law has no zero, and −1 is as near to it as 0 is
    let (sign, magnitude) = if linear < 0 { (0, !i32::from(linear)) } else { (0x80, i32::from(linear)) };
    let m = magnitude >> 3;
    // m is 0…4,095: segments 0 and 1 have the same step
    let segment = 27u32.saturating_sub((m as u32).leading_zeros());
    let step = (m >> segment.max(1)) & 0x0F;
    (sign | (segment << 4) as u8 | step as u8) ^ 0x55
}

static MU_DECODE: [i16; 256] = {
    let mut table = [0i16; 256];
    let mut code = 0;
    while code < 256 {
        let c = !(code as u8);
        let magnitude = (((((c & 0x0F) as i32) << 3) + MU_BIAS) << ((c >> 4) & 7)) - MU_BIAS;
        table[code] = if c & 0x80 != 0 { -magnitude as i16 } else { magnitude as i16 };
        code += 1;
    }
    table
};

static A_DECODE: [i16; 256] = {
    let mut table = [0i16; 256];
    let mut code = 0;
    while code < 256 {
        let c = code as u8 ^ 0x55;
        let segment = (c >> 4) & 7;
        let base = (((c & 0x0F) as i32) << 4) + 8;
        let magnitude = if segment == 0 { base } else { (base + 256) << (segment - 1) };
        table[code] = if c & 0x80 != 0 { magnitude as i16 } else { -magnitude as i16 };
        code += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_comes_back_as_itself() {
        for code in 0..=255u8 {
            assert_eq!(Law::A.encode(Law::A.decode(code)), code);
            // µ-law has two zeros; the negative one is sent as the positive
            let expected = if code == 0x7F { 0xFF } else { code };
            assert_eq!(Law::Mu.encode(Law::Mu.decode(code)), expected);
        }
    }

    /// Corner values of tables 1a to 2b: the first and last output of both laws.
    #[test]
    fn known_values_of_the_recommendation() {
        assert_eq!((Law::Mu.decode(0xFF), Law::Mu.decode(0x80), Law::Mu.decode(0x00)), (0, 32_124, -32_124));
        assert_eq!((Law::A.decode(0xD5), Law::A.decode(0xAA), Law::A.decode(0x2A)), (8, 32_256, -32_256));
        assert_eq!((Law::Mu.encode(0), Law::A.encode(0)), (Law::Mu.idle(), Law::A.idle()));
        assert_eq!((Law::Mu.encode(i16::MIN), Law::Mu.encode(i16::MAX)), (0x00, 0x80));
        assert_eq!((Law::A.encode(i16::MIN), Law::A.encode(i16::MAX)), (0x2A, 0xAA));
    }

    /// Each output lies in the middle of its two decision values.
    #[test]
    fn what_is_encoded_is_off_by_half_a_step_at_most() {
        for law in [Law::Mu, Law::A] {
            for x in -32_256..=32_256 {
                let code = law.encode(x as i16);
                let (inverted, first) = if law == Law::Mu { (!code, 0) } else { (code ^ 0x55, 1) };
                let segment = (i32::from(inverted >> 4) & 7).max(first);
                let half_step = 4 << segment;
                let off = (i32::from(law.decode(code)) - x).abs();
                assert!(off <= half_step, "{law:?} {x}: off by {off}, half a step is {half_step}");
            }
        }
    }
}
