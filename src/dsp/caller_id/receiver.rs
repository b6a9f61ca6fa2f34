//! The receiver: bytes or digits into who calls, and nothing into a number that is not certain.

use super::checksum;
use crate::clock::Time;
use crate::dsp::FRAME_SAMPLES;
use crate::dsp::dtmf;
use crate::dsp::fsk::{self, Data, Standard};
use crate::event::{Absent, CallerId, CallerIdFormat, Event, Heard};
use crate::number::{DialString, PartyNumber};
use std::time::Duration;

/// Where a message of digits begins and ends without any more than this of a pause.
const DIGITS_APART: Duration = Duration::from_millis(600);

/// Hears who calls, on a line that is on-hook: Bell 202 and V.23, SDMF and MDMF, and DTMF, found by itself.
///
/// Pushes [`Event::CallerId`] for a message whose checksum is right, [`Event::CallerIdGarbled`] with the bytes as they came
/// for one that is not or that breaks off, and [`Event::MessageWaiting`]. A message of digits has no checksum: it counts
/// when it has its beginning and its end.
#[derive(Clone, Debug, Default)]
pub struct Receiver {
    demodulator: fsk::Demodulator,
    message: Vec<u8>,
    standard: Option<Standard>,
    seized: bool,
    dtmf: Option<Box<dtmf::Receiver>>,
    heard: Vec<Heard>,
    digits: Vec<u8>,
    last_digit: Time,
    now: Time,
}

impl Receiver {
    /// The longest message: type, length, 255 bytes, checksum.
    const LONGEST: usize = 258;

    pub fn new() -> Receiver {
        Receiver {
            message: Vec::with_capacity(Self::LONGEST),
            digits: Vec::with_capacity(DialString::MAX),
            dtmf: Some(Box::new(dtmf::Receiver::new(Time::ZERO))),
            ..Receiver::default()
        }
    }

    pub fn feed(&mut self, samples: &[i16], out: &mut Vec<Event>) {
        let Receiver { demodulator, message, standard, seized, .. } = self;
        demodulator.feed(samples, |demodulator, data| match data {
            Data::Begins { standard: heard, seized: was_seized } => {
                message.clear();
                (*standard, *seized) = (Some(heard), was_seized);
            }
            Data::Byte(byte) => {
                let Some(heard) = *standard else { return };
                message.push(byte);
                let known = is_message_type(message[0]);
                if !known && !*seized {
                    // a steady tone that broke off: no message
                    *standard = None;
                    demodulator.leave();
                } else if message.len() >= 2 && message.len() == 3 + usize::from(message[1]) {
                    *standard = None;
                    demodulator.leave();
                    out.push(decode(message, heard));
                }
            }
            Data::Framing | Data::Ends => {
                demodulator.leave();
                if standard.take().is_some() && message.len() >= FEWEST_BYTES {
                    out.push(Event::CallerIdGarbled(message.clone()));
                }
            }
        });
        self.listen_for_digits(samples, out);
    }

    /// Forgets what it heard so far: the line was rung, or answered.
    pub fn reset(&mut self) {
        *self = Receiver::new();
    }

    fn listen_for_digits(&mut self, samples: &[i16], out: &mut Vec<Event>) {
        // in pieces, so that a pause is found wherever the caller splits
        for piece in samples.chunks(FRAME_SAMPLES) {
            self.now += Duration::from_micros(piece.len() as u64 * 125);
            let Some(dtmf) = &mut self.dtmf else { return };
            dtmf.feed(piece, &mut self.heard);
            for heard in self.heard.drain(..) {
                let Heard::Digit { digit, since, lasted } = heard else { continue };
                if since.since(self.last_digit) > DIGITS_APART {
                    self.digits.clear();
                }
                self.last_digit = since + lasted;
                if self.digits.len() < DialString::MAX {
                    self.digits.push(digit.as_char() as u8);
                }
                if matches!(digit.as_char(), 'C' | '#') {
                    out.extend(decode_digits(&self.digits).map(Event::CallerId));
                    self.digits.clear();
                }
            }
        }
    }
}

/// Fewer bytes than these are noise, not a message that broke off.
const FEWEST_BYTES: usize = 4;

/// SDMF number and message waiting, MDMF call set-up, message waiting, advice of charge, Japan's number display.
fn is_message_type(byte: u8) -> bool {
    matches!(byte, 0x04 | 0x06 | 0x40 | 0x80 | 0x81 | 0x82 | 0x86)
}

/// A whole message, checksum and all.
fn decode(message: &[u8], standard: Standard) -> Event {
    let garbled = || Event::CallerIdGarbled(message.to_vec());
    let [kind, _, body @ .., sum] = message else { return garbled() };
    if *sum != checksum(&message[..message.len() - 1]) {
        return garbled();
    }
    let format = match standard {
        Standard::Bell202 => CallerIdFormat::Bell202,
        Standard::V23 => CallerIdFormat::V23,
    };
    match kind {
        0x04 => Event::CallerId(read_sdmf(body, format)),
        0x06 => Event::MessageWaiting(body.first() == Some(&0x42)),
        0x82 => match parameters(body).find(|(tag, _)| *tag == 0x0B) {
            Some((_, value)) => Event::MessageWaiting(value.first().is_some_and(|v| *v != 0)),
            None => garbled(),
        },
        0x40 | 0x80 | 0x81 => Event::CallerId(read_mdmf(body, format)),
        _ => garbled(),
    }
}

/// Tag, length, value, one after the other; what does not fit is left out.
fn parameters(body: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = body;
    std::iter::from_fn(move || {
        let [tag, len, after @ ..] = rest else { return None };
        let value = after.get(..usize::from(*len))?;
        rest = &after[value.len()..];
        Some((*tag, value))
    })
}

fn read_mdmf(body: &[u8], format: CallerIdFormat) -> CallerId {
    let mut id = CallerId { format, ..CallerId::default() };
    for (tag, value) in parameters(body) {
        match tag {
            0x01 => id.date = read_date(value),
            0x02 => (id.number, id.absent) = read_number(value),
            0x04 => id.absent = read_absent(value),
            0x07 => id.name = printable(value),
            _ => {}
        }
    }
    id
}

fn read_sdmf(body: &[u8], format: CallerIdFormat) -> CallerId {
    let (date, number) = body.split_at(body.len().min(8));
    let (number, absent) = read_number(number);
    CallerId { number, absent, date: read_date(date), name: None, format }
}

/// A number, or the letter that says why there is none.
fn read_number(value: &[u8]) -> (Option<PartyNumber>, Option<Absent>) {
    match read_absent(value) {
        Some(absent) => (None, Some(absent)),
        None => (PartyNumber::from_network(value), None),
    }
}

fn read_absent(value: &[u8]) -> Option<Absent> {
    match value {
        [b'P'] => Some(Absent::Private),
        // overseas, service conflict, coin telephone (Japan): known to the network, and not told
        [b'O' | b'S' | b'C'] => Some(Absent::Unavailable),
        _ => None,
    }
}

fn read_date(value: &[u8]) -> Option<[u8; 4]> {
    let digits: &[u8; 8] = value.try_into().ok()?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let pair = |i: usize| (digits[i] - b'0') * 10 + digits[i + 1] - b'0';
    let date = [pair(0), pair(2), pair(4), pair(6)];
    let [month, day, hour, minute] = date;
    ((1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60).then_some(date)
}

/// The printable characters of ISO 8859-1: this ends on terminals and in scripts.
fn printable(bytes: &[u8]) -> Option<String> {
    let text: String =
        bytes.iter().filter(|b| matches!(b, 0x20..=0x7E | 0xA0..=0xFF)).map(|&b| char::from(b)).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_string())
}

/// `A…C` with parts for redirection (`D`) and absence (`B`), `A…#`, `D…C`, `D1#` for absence, or a bare number and `#`.
fn decode_digits(digits: &[u8]) -> Option<CallerId> {
    let mut id = CallerId { format: CallerIdFormat::Dtmf, ..CallerId::default() };
    let (end, digits) = digits.split_last()?;
    let is_start = |d: &u8| matches!(d, b'A' | b'B' | b'D');
    // a digit of the ringing before, or of nobody: a message begins at its first letter
    let from = digits.iter().position(is_start).unwrap_or(0);
    let mut parts = digits[from..].chunk_by(|_, next| !is_start(next)).peekable();
    parts.peek()?;
    for part in parts {
        let (kind, value) = match part {
            [kind @ (b'A' | b'B' | b'D'), value @ ..] => (*kind, value),
            value => (b' ', value),
        };
        match (kind, end, value) {
            (b'D', b'#', b"1") | (b'B', _, b"10") => id.absent = Some(Absent::Private),
            (b'D', b'#', b"2" | b"3") | (b'B', _, b"00") => id.absent = Some(Absent::Unavailable),
            // the number of who forwarded the call, when the caller's came before it
            (b'D', _, _) if id.number.is_some() => {}
            (b'A' | b'D', _, _) => id.number = PartyNumber::from_network(value),
            (b' ', b'#', _) if value.len() >= 3 => id.number = PartyNumber::from_network(value),
            _ => {}
        }
    }
    if id.number.is_some() {
        id.absent = None;
    }
    (id.number.is_some() || id.absent.is_some()).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_message_panics_and_none_with_a_wrong_sum_is_a_number(message in proptest::collection::vec(any::<u8>(), 0..260)) {
            let sum = message.iter().fold(0u8, |sum, b| sum.wrapping_add(*b));
            let read = decode(&message, Standard::V23);
            if sum != 0 {
                prop_assert_eq!(read, Event::CallerIdGarbled(message));
            } else if let Event::CallerId(id) = read {
                prop_assert!(id.name.is_none_or(|n| n.chars().all(|c| !c.is_control())));
            }
        }

        #[test]
        fn no_digits_panic(digits in "[0-9A-D*#]{0,64}") {
            if let Some(id) = decode_digits(digits.as_bytes()) {
                prop_assert!(id.number.is_some() != id.absent.is_some());
            }
        }
    }

    #[test]
    fn digits_are_read_as_the_countries_send_them() {
        let read = |digits: &str| {
            let id = decode_digits(digits.as_bytes());
            id.map(|id| (id.number.map(|n| n.reveal().to_string()), id.absent))
        };
        let number = |n: &str| Some((Some(n.to_string()), None));
        assert_eq!(read("A0812345C"), number("0812345"));
        assert_eq!(read("A0812345D0899999B00C"), number("0812345"));
        assert_eq!(read("A12345678#"), number("12345678"));
        assert_eq!(read("D5550142C"), number("5550142"));
        assert_eq!(read("5550142#"), number("5550142"));
        assert_eq!(read("7A5550142C"), number("5550142"));
        assert_eq!(read("B10C"), Some((None, Some(Absent::Private))));
        assert_eq!(read("D1#"), Some((None, Some(Absent::Private))));
        assert_eq!(read("D3#"), Some((None, Some(Absent::Unavailable))));
        assert_eq!((read("C"), read("#"), read("12#"), read("AC")), (None, None, None, None));
    }
}
