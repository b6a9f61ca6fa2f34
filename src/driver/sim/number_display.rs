//! Caller ID in Japan (NTT's number display): a set that knows of it answers twice.
//!
//! ```text
//!  exchange   ↕ ▂_▂_▂_▂            V.23                 ↕   ▂▂▂▂____▂▂▂▂
//!             reversed, short      number                   ringing as ever
//!             bursts, 6 s at most
//!  set                 lifts ▔▔▔▔▔▔▔▔▔▔▔▔▔▔▔ hangs up                    lifts: talks
//! ```
//!
//! A set that does not lift in the short bursts is rung without a number. One that does not hang up within seven seconds
//! of its data has answered the call. The bytes have seven bits and even parity, in a frame `DLE SOH header DLE STX …
//! DLE ETX` with the CRC of V.41 over what follows `DLE SOH`; message 40 with the number (02) or why there is none (04).
//! As spandsp's adsi.h and Asterisk's callerid.c have it; NTT's own paper was not read.

use super::exchange::{Exchange, LineOutput, Service};
use super::ringing::Step;
use crate::clock::Time;
use crate::dsp::caller_id::Sender;
use crate::dsp::fsk::Standard;
use crate::dsp::render;
use crate::event::{Absent, CallerId};
use crate::facts::CallerIdTiming;
use std::time::Duration;

const DLE: u8 = 0x10;
/// The bursts that ask a set to lift, and for how long it is asked.
pub(super) const CALLS_THE_SET: [Duration; 2] = [Duration::from_millis(500); 2];
pub(super) const ASKED_FOR: Duration = Duration::from_secs(6);
/// From lifting to the data.
const BEFORE_DATA: Duration = Duration::from_millis(200);
/// How long after the data it may still hang up.
const HANGS_UP_WITHIN: Duration = Duration::from_secs(7);
/// 300 bits of seizure, which this format does not have.
const SEIZURE: usize = 300 * 20 / 3;

/// The data of one call, while it can be asked for or is being taken.
#[derive(Debug)]
pub(super) enum Display {
    Offered { until: Time, data: Vec<i16> },
    Taken { until: Time },
}

/// The frame with parity and CRC.
fn frame(id: &CallerId) -> Vec<u8> {
    let value = match (&id.number, id.absent) {
        (Some(number), _) => (0x02, number.reveal().as_bytes().to_vec()),
        (None, Some(Absent::Private)) => (0x04, vec![b'P']),
        (None, _) => (0x04, vec![b'O']),
    };
    let mut bytes = vec![DLE, 0x01, 0x07, DLE, 0x02];
    for byte in [0x40, value.1.len() as u8 + 2, value.0, value.1.len() as u8].into_iter().chain(value.1) {
        // what is no control byte is sent twice where it looks like one
        bytes.extend(std::iter::repeat_n(byte, if byte == DLE { 2 } else { 1 }));
    }
    bytes.extend([DLE, 0x03]);
    bytes.iter_mut().for_each(|b| *b |= ((b.count_ones() as u8) & 1) << 7);
    let crc = bytes[2..].iter().fold(0u16, |crc, b| {
        (0..8).fold(crc ^ u16::from(*b), |c, _| if c & 1 == 1 { (c >> 1) ^ 0x8408 } else { c >> 1 })
    });
    bytes.extend(crc.to_le_bytes());
    bytes
}

impl Exchange {
    /// What a call has to show in this way, if the line has it.
    pub(super) fn number_display(&self, id: Option<&CallerId>) -> Option<Vec<i16>> {
        let spec = self.country.caller_id.first()?;
        if !self.class.number_display || spec.timing != CallerIdTiming::OffHookExchange {
            return None;
        }
        let mut data = render(&mut Sender::raw(frame(id?), Standard::V23, Sender::LEVEL_DBM0), 5 * 8000);
        data.drain(..data.len().min(SEIZURE));
        Some(data)
    }

    /// The set was lifted while it rang: for the data?
    pub(super) fn takes_data(&mut self, now: Time) -> bool {
        let Some(Display::Offered { until, data }) = self.ringing.display.take() else { return false };
        if now >= until {
            return false;
        }
        self.tell(now, "sees off-hook: sends the number first");
        self.service = Service::Displaying;
        self.outputs.push_back(LineOutput::RingOff);
        let ends = now + BEFORE_DATA + super::ringing::lasts(&data);
        self.ringing.steps = [(now + BEFORE_DATA, Step::Transmit(data, "caller-id by V.23 (number display)"))].into();
        self.ringing.display = Some(Display::Taken { until: ends + HANGS_UP_WITHIN });
        true
    }

    /// It was hung up again, as it should be: now it rings.
    pub(super) fn data_was_taken(&mut self, now: Time) {
        self.tell(now, "sees on-hook: the number was taken");
        self.service = Service::Ringing;
        self.ringing.display = None;
        let cadence = self.country.ringing.cadence.clone();
        let ms = Duration::from_millis;
        self.ringing.steps = [(now + ms(200), Step::Reverse(false)), (now + ms(400), Step::Ring(cadence))].into();
    }

    /// It was not: whoever keeps the set lifted has answered.
    pub(super) fn advance_display(&mut self, now: Time) {
        if !matches!(self.ringing.display, Some(Display::Taken { until }) if now >= until) {
            return;
        }
        self.tell(now, "takes it for an answer");
        self.service = Service::OffHook;
        self.stop_ringing();
        if let Some(leg) = self.active {
            self.answered_by_us(now, leg);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::PartyNumber;

    #[test]
    fn a_frame_has_even_parity_and_the_number_between_its_marks() {
        let id = CallerId { number: PartyNumber::from_network(b"0355501234"), ..CallerId::default() };
        let bytes = frame(&id);
        let (crc, rest) = (bytes.len() - 2, &bytes[..bytes.len() - 2]);
        assert!(rest.iter().all(|b| b.count_ones() % 2 == 0));
        let plain: Vec<u8> = rest.iter().map(|b| b & 0x7F).collect();
        assert_eq!(plain[..9], [DLE, 1, 7, DLE, 2, 0x40, 12, 2, 10]);
        assert_eq!(plain[9..19], *b"0355501234");
        assert_eq!(plain[19..], [DLE, 3]);
        // over message and CRC together the remainder is zero
        let remainder = bytes[2..].iter().fold(0u16, |crc, b| {
            (0..8).fold(crc ^ u16::from(*b), |c, _| if c & 1 == 1 { (c >> 1) ^ 0x8408 } else { c >> 1 })
        });
        assert_eq!((remainder, crc), (0, 21));
    }
}
