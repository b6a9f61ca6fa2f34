//! The register that takes digits: attached while dial tone is given, gone when the number is complete.

use crate::dsp::FRAME_SAMPLES;
use crate::number::Digit;

pub struct Register {
    /// Attached by a recall, with somebody on hold.
    pub recall: bool,
    pub digits: String,
}

impl Register {
    pub fn new(recall: bool) -> Register {
        Register { recall, digits: String::new() }
    }
    pub fn hear(&mut self, _heard: &[i16; FRAME_SAMPLES]) -> Option<Digit> {
        None
    }
}
