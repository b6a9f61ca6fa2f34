//! The register that takes digits: attached while dial tone is given, gone when the number is complete.

use crate::clock::Time;
use crate::dsp::FRAME_SAMPLES;
use crate::dsp::dtmf::Receiver;
use crate::event::Heard;
use crate::number::Digit;

pub struct Register {
    /// Attached by a recall, with somebody on hold.
    pub recall: bool,
    pub digits: String,
    /// Digits that were sent, heard or not.
    pub count: u32,
    /// The prefix of an outside line was dialled.
    pub outside: bool,
    receiver: Receiver,
    heard: Vec<Heard>,
}

impl Register {
    pub fn new(now: Time, recall: bool) -> Register {
        Register {
            recall,
            digits: String::new(),
            count: 0,
            outside: false,
            receiver: Receiver::new(now),
            heard: Vec::new(),
        }
    }

    /// A digit that ended in this frame. Two cannot: Q.24 wants 30 ms and more of each, and of what lies between.
    pub fn hear(&mut self, heard: &[i16; FRAME_SAMPLES]) -> Option<Digit> {
        self.receiver.feed(heard, &mut self.heard);
        self.heard.drain(..).find_map(|h| match h {
            Heard::Digit { digit, .. } => Some(digit),
            _ => None,
        })
    }
}
