//! Signals: samples into what was heard, and what is to be heard into samples. Sans-IO: no descriptor, no clock.

/// Samples of one frame: 20 ms at 8 kHz.
pub const FRAME_SAMPLES: usize = 160;

/// 20 ms of audio, 16 bit linear. 0 dBm0 is a sine of peak 22,767 (G.711: overload of a sine is +3.17 dBm0 µ-law).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame(pub [i16; FRAME_SAMPLES]);

impl Default for Frame {
    fn default() -> Self {
        Frame([0; FRAME_SAMPLES])
    }
}
