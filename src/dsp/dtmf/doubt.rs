//! A digit, or a voice that sounds like one for the twentieth part of a second?
//!
//! A wide detector takes such moments for digits. Five things tell them apart, none of which is enough by itself:
//!
//! | | digits, 99 % of them | voices |
//! |---|---|---|
//! | share of the power above 600 Hz that the two tones have | above 0.94 (0.90 at 12 dB SNR) | 0.84 to 0.93 |
//! | what is below 600 Hz, in proportion to the digit | under 0.07, or a steady dial tone | 0.06 to 0.25 |
//! | what is left before and after, in proportion to the digit | under 0.07 | 0.01 to 1 |
//! | looks that would have found it anew | all of them (half, when a packet was lost) | half of them or more |
//! | how many those are | four and more: 40 ms have five | two, for most |
//!
//! Each is a measure of doubt between nothing and two, and the sum decides. (Measured over fifty hours of speech, and digits at
//! all limits of Q.24 at once.)

/// More than this is no digit.
const MOST: f32 = 1.6;

/// What was seen of a digit while it lasted.
#[derive(Clone, Copy, Debug)]
pub struct Doubt {
    share: f32,
    below: f32,
    looks: u32,
    before: f32,
}

/// The first look has the edge of the digit in it, which is not pure.
const EDGE: f32 = 0.03;

impl Doubt {
    /// Of the first look. `before`: the least power shortly before it, in proportion to the digit.
    pub fn new(before: f32, share: f32, below: f32) -> Doubt {
        Doubt { share: share + EDGE, below, looks: 1, before }
    }

    /// Another look at it. `below` is zero where what is below was there all the time.
    pub fn add(&mut self, share: f32, below: f32) {
        self.share += share;
        self.below += below;
        self.looks += 1;
    }

    /// `after`: the least power shortly after it, in proportion to it. `agreed`: the share of looks that found it.
    pub fn is_digit(&self, after: f32, agreed: f32) -> bool {
        let n = self.looks as f32;
        let of = |value: f32, least: f32, unit: f32| ((value - least) / unit).clamp(0.0, 2.0);
        let sum = of(-self.share / n, -0.95, 0.05)
            + of(self.below / n, 0.07, 0.07)
            + of(self.before.max(after), 0.07, 0.07)
            + of(-agreed, -1.0, 0.4)
            + of(-n, -4.0, 3.0);
        sum <= MOST
    }
}
