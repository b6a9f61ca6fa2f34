//! Audio between the kernel's blocks and our frames.
//!
//! ```text
//!  read ──block──▶ Incoming ──frames of 160──▶ ring ──▶ Port::read
//!  write ◀─block── Outgoing ◀─frames of 160─── ring ◀── Port::write
//! ```
//!
//! The kernel hands out whole blocks of the size asked for (`DAHDI_SET_BUFINFO`), linear (`DAHDI_SETLINEAR`) or in the
//! channel's own law, and takes them back the same way. What it carries is always G.711: linear costs it a table.

use crate::dsp::g711::Law;
use crate::dsp::{FRAME_SAMPLES, Frame};
use std::collections::VecDeque;

/// How samples cross to the kernel and back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Linear,
    Companded(Law),
}

impl Coding {
    pub fn bytes_per_sample(self) -> usize {
        match self {
            Coding::Linear => 2,
            Coding::Companded(_) => 1,
        }
    }
}

/// From blocks to frames.
#[derive(Debug)]
pub struct Incoming {
    coding: Coding,
    frame: Frame,
    filled: usize,
}

impl Incoming {
    pub fn new(coding: Coding) -> Incoming {
        Incoming { coding, frame: Frame::default(), filled: 0 }
    }

    /// Takes what one `read` gave and hands every completed frame to `full`.
    pub fn feed(&mut self, bytes: &[u8], mut full: impl FnMut(&Frame)) {
        match self.coding {
            Coding::Linear => {
                for pair in bytes.chunks_exact(2) {
                    self.push(i16::from_ne_bytes([pair[0], pair[1]]), &mut full);
                }
            }
            Coding::Companded(law) => {
                for code in bytes {
                    self.push(law.decode(*code), &mut full);
                }
            }
        }
    }

    fn push(&mut self, sample: i16, full: &mut impl FnMut(&Frame)) {
        self.frame.0[self.filled] = sample;
        self.filled += 1;
        if self.filled == FRAME_SAMPLES {
            self.filled = 0;
            full(&self.frame);
        }
    }
}

/// From frames to blocks.
#[derive(Debug)]
pub struct Outgoing {
    coding: Coding,
    block_samples: usize,
    queue: VecDeque<i16>,
}

impl Outgoing {
    pub fn new(coding: Coding, block_samples: usize) -> Outgoing {
        Outgoing { coding, block_samples, queue: VecDeque::with_capacity(block_samples + FRAME_SAMPLES) }
    }

    /// The next block, from the frames that `next` has; silence for what is missing. Gives the samples of silence.
    pub fn block(&mut self, bytes: &mut Vec<u8>, mut next: impl FnMut() -> Option<Frame>) -> usize {
        while self.queue.len() < self.block_samples {
            let Some(frame) = next() else { break };
            self.queue.extend(frame.0);
        }
        let have = self.queue.len().min(self.block_samples);
        let missing = self.block_samples - have;
        bytes.clear();
        let samples = self.queue.drain(..have).chain(std::iter::repeat_n(0, missing));
        match self.coding {
            Coding::Linear => samples.for_each(|s| bytes.extend_from_slice(&s.to_ne_bytes())),
            Coding::Companded(law) => bytes.extend(samples.map(|s| law.encode(s))),
        }
        missing
    }

    /// Forgets what was not sent.
    pub fn clear(&mut self) {
        self.queue.clear();
    }
}

/// The kernel's gain table (`struct dahdi_gains`): for each code, the code that is `gain_db` louder.
pub fn gain_table(law: Law, gain_db: f32) -> [u8; 256] {
    let factor = 10f32.powf(gain_db / 20.0);
    let mut table = [0; 256];
    for (code, out) in (0..=255u8).zip(&mut table) {
        let scaled = f32::from(law.decode(code)) * factor;
        // the kernel takes only its own table for "no gain", so that one must come out exactly
        *out = if gain_db == 0.0 { code } else { law.encode(scaled.round().clamp(-32768.0, 32767.0) as i16) };
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn six_decibels_double_a_sample_and_no_gain_leaves_every_code_alone() {
        for law in [Law::Mu, Law::A] {
            let table = gain_table(law, 6.02);
            let louder = law.decode(table[law.encode(4000) as usize]);
            assert!((7600..8400).contains(&louder), "{louder}");
            assert!(gain_table(law, 0.0).into_iter().eq(0..=255));
            assert_eq!(law.decode(gain_table(law, 40.0)[law.encode(30000) as usize]), law.decode(law.encode(32767)));
        }
    }

    #[test]
    fn what_nobody_wrote_is_silence_and_is_counted() {
        let mut out = Outgoing::new(Coding::Companded(Law::A), 200);
        let mut frames = vec![Frame([1000; FRAME_SAMPLES])].into_iter();
        let mut bytes = Vec::new();
        assert_eq!(out.block(&mut bytes, || frames.next()), 40);
        assert_eq!(bytes.len(), 200);
        assert_eq!(Law::A.decode(bytes[0]), Law::A.decode(Law::A.encode(1000)));
        assert!(Law::A.decode(bytes[199]).abs() <= 8);
    }

    proptest! {
        #[test]
        fn any_block_size_carries_the_same_frames(block in 16usize..1024, samples in proptest::collection::vec(any::<i16>(), 0..2000)) {
            let frames: Vec<Frame> = samples
                .chunks_exact(FRAME_SAMPLES)
                .map(|c| { let mut f = Frame::default(); f.0.copy_from_slice(c); f })
                .collect();
            let mut source = frames.iter().copied();
            let mut out = Outgoing::new(Coding::Linear, block);
            let mut back = Incoming::new(Coding::Linear);
            let mut heard = Vec::new();
            let mut bytes = Vec::new();
            for _ in 0..frames.len() * FRAME_SAMPLES / block + 1 {
                out.block(&mut bytes, || source.next());
                prop_assert_eq!(bytes.len(), block * 2);
                back.feed(&bytes, |f| heard.push(*f));
            }
            prop_assert!(heard.len() >= frames.len().saturating_sub(1));
            for (a, b) in heard.iter().zip(&frames) {
                prop_assert_eq!(a, b);
            }
        }
    }
}
