//! What a line gives to another one with which it is connected here: what comes from its far end, and not what went there.
//!
//! ```text
//!            ╭── heard ──▶ Across ──▶ sent ──╮
//!   line A ──┤                               ├── line B
//!            ╰── sent ◀── Across ◀── heard ──╯
//! ```
//!
//! Each hybrid sends a share of what it is given back. Between two lines that share returns to whoever speaks, later by
//! the buffers of both ports: where the driver does not take it out we do. The line's own ear and a recording get what
//! is on the pair, with its echo.

use super::Hook;
use crate::dsp::Frame;
use crate::dsp::echo::{Canceller, Config, Tail};
use crate::dsp::g711::Law;

/// A driver has 60 ms of what we send waiting, and hands over 20 ms at once: the hybrid comes on top of that.
const TAIL: Tail = Tail::Ms128;

pub struct Across {
    canceller: Option<Canceller>,
    /// What is on its way to the line.
    sent: Frame,
}

impl Across {
    /// `law`: by which the driver compands what is sent. An echo of that is cancelled deeper than one of what it was before.
    pub fn new(cancels_echo: bool, law: Option<Law>) -> Across {
        let config = Config { tail: TAIL, law, ..Config::default() };
        Across { canceller: cancels_echo.then(|| Canceller::new(config)), sent: Frame::default() }
    }

    /// What of a frame is for the other line; `sends` is what the line is given next.
    pub fn pass(&mut self, hook: Hook, heard: &Frame, sends: &Frame) -> Frame {
        let mut passed = *heard;
        if let Some(canceller) = &mut self.canceller {
            canceller.set_open(hook != Hook::OffHook);
            canceller.process(&self.sent.0, &mut passed.0);
        }
        self.sent = *sends;
        passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::voice::Speech;
    use crate::dsp::{FRAME_SAMPLES, level, render};

    /// Levels of what is passed on and of what is heard, from the third second on, of a line that gives back what it is
    /// sent, 12 dB down and so many samples later.
    fn echo(cancels: bool, delay: usize) -> (f32, f32) {
        echo_of(cancels, None, delay)
    }

    /// The same where the driver compands what is sent, and we know the law or do not.
    fn echo_of(cancels: bool, law: Option<Law>, delay: usize) -> (f32, f32) {
        let said = render(&mut Speech::new(3, -15.0), 8 * 8000);
        let on_the_pair = |s: i16| law.map_or(s, |law| law.decode(law.encode(s)));
        let returned: Vec<i16> =
            (0..said.len()).map(|n| if n < delay { 0 } else { on_the_pair(said[n - delay]) / 4 }).collect();
        let mut across = Across::new(cancels, law);
        let mut passed = Vec::new();
        let frame = |samples: &[i16]| Frame(std::array::from_fn(|n| samples[n]));
        for n in (0..said.len()).step_by(FRAME_SAMPLES) {
            // what is sent beside a frame is heard with the next one at the earliest
            let next = n + FRAME_SAMPLES;
            let sends = said.get(next..next + FRAME_SAMPLES).map(frame).unwrap_or_default();
            passed.extend(across.pass(Hook::OffHook, &frame(&returned[n..next]), &sends).0);
        }
        (level::dbm0(&passed[16_000..]), level::dbm0(&returned[16_000..]))
    }

    #[test]
    fn what_was_sent_is_not_passed_on_however_many_blocks_a_driver_keeps() {
        for delay in [5, 200, 660, 800] {
            let (passed, heard) = echo(true, delay);
            assert!(passed < heard - 25.0, "{delay}: {passed} of {heard} dBm0");
        }
        for law in [Law::Mu, Law::A] {
            let (passed, heard) = echo_of(true, Some(law), 200);
            assert!(passed < heard - 25.0, "{law:?}: {passed} of {heard} dBm0");
        }
        let (passed, heard) = echo(false, 200);
        assert_eq!(passed, heard);
    }
}
