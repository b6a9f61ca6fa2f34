//! Caller ID as it is received on an idle line, in whatever format the exchange sends it.
//!
//! Bell 202, V.23 and DTMF are listened for at once. A message is believed only when its checksum is right; one that is
//! not is told with its bytes and never as a number (GR-30-CORE, EN 300 659-1 and -3; DTMF: EN 300 659-1 annex B).

use super::demodulator::{Demodulator, Framed};
use super::dtmf;
use super::fsk::Standard;
use crate::clock::Time;
use crate::event::{Absent, CallerId, CallerIdFormat, Heard};
use crate::number::{Digit, PartyNumber};
use std::time::Duration;

/// What was received.
#[derive(Clone, Debug, PartialEq)]
pub enum Received {
    CallerId(CallerId),
    /// It began as a message and failed its checksum or its framing: the bytes as they came.
    Garbled(Vec<u8>),
    /// Message waiting, on or off (parameter 0B).
    MessageWaiting(bool),
}

/// Listens to one on-hook line.
#[derive(Debug)]
pub struct Receiver {
    fsk: [Message; 2],
    digits: dtmf::Receiver,
    dialled: Dialled,
    heard: Vec<Heard>,
    samples: u64,
}

/// The longest message: a type, a length and what that can count, and a checksum.
const LONGEST: usize = 258;
const SDMF_CALL: u8 = 0x04;
const SDMF_WAITING: u8 = 0x06;
const MDMF_CALL: u8 = 0x80;
const MDMF_WAITING: u8 = 0x82;

impl Default for Receiver {
    fn default() -> Receiver {
        Receiver::new()
    }
}

impl Receiver {
    pub fn new() -> Receiver {
        Receiver {
            fsk: [Message::new(Standard::Bell202), Message::new(Standard::V23)],
            digits: dtmf::Receiver::new(Time::ZERO),
            dialled: Dialled::default(),
            heard: Vec::new(),
            samples: 0,
        }
    }

    pub fn feed(&mut self, samples: &[i16], out: &mut Vec<Received>) {
        for sample in samples {
            for message in &mut self.fsk {
                message.feed(*sample);
            }
            self.judge(out);
        }
        self.samples += samples.len() as u64;
        self.digits.feed(samples, &mut self.heard);
        let now = Time::samples(self.samples);
        for heard in self.heard.drain(..) {
            if let Heard::Digit { digit, .. } = heard {
                self.dialled.digit(now, digit, out);
            }
        }
        self.dialled.pass(now, out);
    }

    /// Both demodulators hear the same message. Whole from either is whole; where both are, the one that fits the signal
    /// better names the format; broken is told only when the other is not still at it.
    fn judge(&mut self, out: &mut Vec<Received>) {
        let [a, b] = &mut self.fsk;
        let whole = |m: &Message| matches!(m.ended, Some(Ended::Whole(_)));
        let chosen = match (&a.ended, &b.ended) {
            (None, None) => return,
            (Some(_), Some(_)) if whole(a) == whole(b) => {
                if a.quality >= b.quality {
                    a.take()
                } else {
                    b.take()
                }
            }
            (Some(_), _) if whole(a) && !b.is_collecting() => a.take(),
            (_, Some(_)) if whole(b) && !a.is_collecting() => b.take(),
            (Some(_), None) if !whole(a) && !b.is_collecting() => a.take(),
            (None, Some(_)) if !whole(b) && !a.is_collecting() => b.take(),
            _ => return,
        };
        for message in &mut self.fsk {
            message.reset();
        }
        match chosen {
            Some((Ended::Whole(bytes), format)) => out.extend(understand(&bytes, format)),
            Some((Ended::Broken(bytes), _)) => out.push(Received::Garbled(bytes)),
            None => {}
        }
    }
}

#[derive(Debug)]
enum Ended {
    Whole(Vec<u8>),
    Broken(Vec<u8>),
}

/// One demodulator and the message it is collecting.
#[derive(Debug)]
struct Message {
    demodulator: Demodulator,
    format: CallerIdFormat,
    /// Mark has been heard long enough for a message to begin.
    ready: bool,
    bytes: Vec<u8>,
    bad: bool,
    /// How well this standard explained the signal while the message came.
    quality: f32,
    ended: Option<Ended>,
}

impl Message {
    fn new(standard: Standard) -> Message {
        Message {
            demodulator: Demodulator::new(standard),
            format: match standard {
                Standard::Bell202 => CallerIdFormat::Bell202,
                Standard::V23 => CallerIdFormat::V23,
            },
            ready: false,
            bytes: Vec::with_capacity(LONGEST),
            bad: false,
            quality: 0.0,
            ended: None,
        }
    }

    fn reset(&mut self) {
        self.bytes.clear();
        self.ready = false;
        self.bad = false;
        self.quality = 0.0;
        self.ended = None;
    }

    /// In the middle of a message.
    fn is_collecting(&self) -> bool {
        self.ended.is_none() && !self.bytes.is_empty()
    }

    fn take(&mut self) -> Option<(Ended, CallerIdFormat)> {
        self.ended.take().map(|e| (e, self.format))
    }

    fn feed(&mut self, sample: i16) {
        if self.ended.is_some() {
            return;
        }
        let (mut framed, mut lost) = (None, false);
        self.demodulator.feed(sample, |f| match f {
            Framed::Lost => lost = true,
            other => framed = Some(other),
        });
        match framed {
            Some(Framed::Idle) if self.bytes.is_empty() => self.ready = true,
            // no message has so long a pause in it
            Some(Framed::Idle) => self.end(),
            Some(Framed::Byte(byte)) if self.ready => self.byte(byte),
            Some(Framed::BadByte) if !self.bytes.is_empty() => self.bad = true,
            Some(Framed::BadByte) => self.ready = false,
            _ => {}
        }
        if lost {
            self.end();
            self.ready = self.ready && self.ended.is_some();
        }
    }

    fn byte(&mut self, byte: u8) {
        if self.bytes.is_empty() && ![SDMF_CALL, SDMF_WAITING, MDMF_CALL, MDMF_WAITING].contains(&byte) {
            self.ready = false;
            return;
        }
        self.quality = self.quality.max(self.demodulator.share());
        self.bytes.push(byte);
        let whole = self.bytes.get(1).map_or(LONGEST, |length| usize::from(*length) + 3);
        if self.bytes.len() == whole {
            self.end();
        }
    }

    /// The message is over, whole or not.
    fn end(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.ready = false;
        let whole = bytes.get(1).is_some_and(|length| bytes.len() == usize::from(*length) + 3);
        let sum = bytes.iter().fold(0u8, |sum, b| sum.wrapping_add(*b));
        if whole && !self.bad && sum == 0 {
            self.ended = Some(Ended::Whole(bytes));
        } else if bytes.len() >= 3 {
            self.ended = Some(Ended::Broken(bytes));
        }
        self.bad = false;
    }
}

/// A message whose checksum is right. Parameters that we do not know are passed over, as the standards ask.
fn understand(message: &[u8], format: CallerIdFormat) -> Option<Received> {
    let body = message.get(2..message.len().checked_sub(1)?)?;
    match message[0] {
        SDMF_CALL => {
            let mut id = CallerId { format, date: body.get(..8).and_then(date), ..CallerId::default() };
            number_or_absence(body.get(8..).unwrap_or_default(), &mut id);
            Some(Received::CallerId(id))
        }
        MDMF_CALL => {
            let mut id = CallerId { format, ..CallerId::default() };
            for (tag, value) in parameters(body) {
                match tag {
                    0x01 => id.date = date(value),
                    0x02 => number_or_absence(value, &mut id),
                    0x04 => id.absent = absence(value),
                    0x07 => id.name = printable_name(value),
                    _ => {}
                }
            }
            Some(Received::CallerId(id))
        }
        SDMF_WAITING => Some(Received::MessageWaiting(body.first().is_some_and(|b| *b != 0 && *b != 0x6F))),
        MDMF_WAITING => parameters(body)
            .find(|(tag, _)| *tag == 0x0B)
            .map(|(_, v)| Received::MessageWaiting(v.first() == Some(&0xFF))),
        _ => None,
    }
}

/// Tag, length, value; what does not fit is the end.
fn parameters(body: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = body;
    std::iter::from_fn(move || {
        let (&tag, &length) = (rest.first()?, rest.get(1)?);
        let value = rest.get(2..2 + usize::from(length))?;
        rest = &rest[2 + usize::from(length)..];
        Some((tag, value))
    })
}

fn number_or_absence(value: &[u8], id: &mut CallerId) {
    match absence(value) {
        Some(absent) if value.len() == 1 => id.absent = Some(absent),
        _ => id.number = PartyNumber::from_network(value),
    }
}

fn absence(value: &[u8]) -> Option<Absent> {
    match value.first()? {
        b'P' => Some(Absent::Private),
        b'O' => Some(Absent::Unavailable),
        _ => None,
    }
}

/// MMDDHHMM.
fn date(value: &[u8]) -> Option<[u8; 4]> {
    let pair = |i: usize| {
        let digits = value.get(i..i + 2)?;
        digits.iter().all(u8::is_ascii_digit).then(|| (digits[0] - b'0') * 10 + digits[1] - b'0')
    };
    let date = [pair(0)?, pair(2)?, pair(4)?, pair(6)?];
    let sane = (1..=12).contains(&date[0]) && (1..=31).contains(&date[1]) && date[2] < 24 && date[3] < 60;
    sane.then_some(date)
}

/// Names end on terminals and in scripts: printable ASCII stays, Latin-1 letters become themselves, the rest goes.
fn printable_name(value: &[u8]) -> Option<String> {
    let name: String =
        value.iter().map(|b| char::from(*b)).filter(|c| !c.is_control() && *c != '\u{ad}').take(50).collect();
    let name = name.trim().to_string();
    (!name.is_empty()).then_some(name)
}

/// Digits of a caller ID sent as DTMF: `A number [D redirecting] [B info] C`, or ended by `#`.
#[derive(Debug, Default)]
struct Dialled {
    digits: Vec<u8>,
    last: Option<Time>,
}

impl Dialled {
    /// The pause after which nothing more comes.
    const OVER: Duration = Duration::from_millis(600);

    fn digit(&mut self, now: Time, digit: Digit, out: &mut Vec<Received>) {
        let c = digit.as_char() as u8;
        self.last = Some(now);
        if self.digits.len() < 64 {
            self.digits.push(c);
        }
        if matches!(c, b'C' | b'#') {
            self.end(out);
        }
    }

    fn pass(&mut self, now: Time, out: &mut Vec<Received>) {
        if self.last.is_some_and(|last| now.since(last) > Self::OVER) {
            self.end(out);
        }
    }

    fn end(&mut self, out: &mut Vec<Received>) {
        self.last = None;
        let digits = std::mem::take(&mut self.digits);
        let (start, rest) = match digits.first() {
            Some(start @ (b'A' | b'B' | b'D')) => (*start, &digits[1..]),
            _ => (0, &digits[..]),
        };
        let ended = matches!(rest.last(), Some(b'C' | b'#'));
        // without either mark it could be anybody's digits
        if !ended || rest.len() < 2 {
            return;
        }
        let field = |from: &[u8]| -> Vec<u8> { from.iter().copied().take_while(u8::is_ascii_digit).collect() };
        let mut id = CallerId { format: CallerIdFormat::Dtmf, ..CallerId::default() };
        let first = field(rest);
        match (start, first.as_slice()) {
            (b'B', code) => id.absent = reason(code),
            (b'D', [b'1']) => id.absent = Some(Absent::Private),
            (b'D', [b'2' | b'3']) => id.absent = Some(Absent::Unavailable),
            // some exchanges put the reason where the number would be
            _ if reason(&first).is_some() => id.absent = reason(&first),
            _ => id.number = PartyNumber::from_network(&first),
        }
        if let Some(at) = rest.iter().position(|c| *c == b'B') {
            id.absent = id.absent.or(reason(&field(&rest[at + 1..])));
        }
        if id.number.is_some() || id.absent.is_some() {
            out.push(Received::CallerId(id));
        }
    }
}

fn reason(code: &[u8]) -> Option<Absent> {
    match code {
        b"10" => Some(Absent::Private),
        b"00" => Some(Absent::Unavailable),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::caller_id::{Layout, Sender};
    use super::super::voice::{Noise, Speech};
    use super::super::{Source, render};
    use super::*;

    fn alice() -> CallerId {
        CallerId {
            number: PartyNumber::from_network(b"5551234"),
            name: Some("ALICE EXAMPLE".into()),
            date: Some([11, 21, 19, 54]),
            ..CallerId::default()
        }
    }

    fn receive(samples: &[i16]) -> Vec<Received> {
        let (mut receiver, mut out) = (Receiver::new(), Vec::new());
        for part in samples.chunks(160) {
            receiver.feed(part, &mut out);
        }
        receiver.feed(&[0; 8000], &mut out);
        out
    }

    fn sent(layout: Layout, level_dbm0: f32) -> Vec<i16> {
        let mut samples = vec![0; 4000];
        samples.extend(render(&mut Sender::with_layout(&alice(), layout, level_dbm0), 40_000));
        samples.extend([0; 2000]);
        samples
    }

    fn with_noise(mut samples: Vec<i16>, level_dbm0: f32, seed: u64) -> Vec<i16> {
        Noise::new(seed, level_dbm0).add_to(&mut samples);
        samples
    }

    #[test]
    fn each_format_is_found_by_itself() {
        for (standard, format) in [(Standard::Bell202, CallerIdFormat::Bell202), (Standard::V23, CallerIdFormat::V23)] {
            let wanted = CallerId { format, ..alice() };
            assert_eq!(receive(&sent(Layout::Mdmf(standard), -13.5)), [Received::CallerId(wanted.clone())]);
            let short = CallerId { name: None, ..wanted };
            assert_eq!(receive(&sent(Layout::Sdmf(standard), -13.5)), [Received::CallerId(short)]);
        }
        let digits = Layout::of(CallerIdFormat::Dtmf);
        let wanted = CallerId { format: CallerIdFormat::Dtmf, number: alice().number, ..CallerId::default() };
        assert_eq!(receive(&sent(digits, -13.5)), [Received::CallerId(wanted)]);
    }

    #[test]
    fn a_far_and_noisy_line_is_read_too() {
        for standard in [Standard::Bell202, Standard::V23] {
            for (level, noise) in [(-5.0, -40.0), (-20.0, -36.0), (-32.0, -50.0)] {
                let right = (0..10)
                    .filter(|seed| {
                        let line = with_noise(sent(Layout::Mdmf(standard), level), noise, *seed);
                        receive(&line)
                            .iter()
                            .any(|r| matches!(r, Received::CallerId(id) if id.number == alice().number))
                    })
                    .count();
                assert!(right >= 9, "{standard:?} at {level} dBm0, noise {noise}: {right} of 10");
            }
        }
    }

    #[test]
    fn a_wrong_checksum_is_told_with_its_bytes_and_never_as_a_number() {
        let mut bytes = vec![0x80, 9, 2, 7];
        bytes.extend(b"5551234");
        bytes.push(0x11);
        let mut samples = vec![0; 4000];
        samples.extend(render(&mut Sender::raw(bytes.clone(), Standard::Bell202, -13.5), 40_000));
        assert_eq!(receive(&samples), [Received::Garbled(bytes)]);
    }

    #[test]
    fn a_burst_cut_off_in_the_middle_is_garbled() {
        let whole = sent(Layout::Mdmf(Standard::Bell202), -13.5);
        let cut = &whole[..4000 + 3200 + 1200];
        assert!(matches!(receive(cut).as_slice(), [Received::Garbled(_)]));
    }

    #[test]
    fn speech_and_noise_are_no_callers() {
        let mut samples = vec![0i16; 8000 * 60];
        Speech::new(7, -15.0).add_to(&mut samples);
        assert_eq!(receive(&with_noise(samples, -45.0, 3)), []);
    }

    #[test]
    fn withheld_and_unknown_numbers_say_why() {
        for absent in [Absent::Private, Absent::Unavailable] {
            for format in [CallerIdFormat::Bell202, CallerIdFormat::V23, CallerIdFormat::Dtmf] {
                let id = CallerId { absent: Some(absent), ..CallerId::default() };
                let samples = render(&mut Sender::with_layout(&id, Layout::of(format), -13.5), 40_000);
                let got = receive(&samples);
                let [Received::CallerId(got)] = got.as_slice() else { panic!("{format:?} {absent:?}: {got:?}") };
                assert_eq!((got.absent, &got.number), (Some(absent), &None), "{format:?}");
            }
        }
    }

    #[test]
    fn what_the_network_sends_as_a_name_cannot_drive_a_terminal() {
        let id = CallerId { name: Some("\x1b[2JEVE\r\n".into()), ..alice() };
        let samples = render(&mut Sender::with_layout(&id, Layout::Mdmf(Standard::V23), -13.5), 40_000);
        let got = receive(&samples);
        let [Received::CallerId(got)] = got.as_slice() else { panic!("{got:?}") };
        assert!(got.name.as_deref().is_some_and(|n| !n.chars().any(char::is_control)), "{got:?}");
    }

    #[test]
    fn no_message_with_a_right_checksum_panics_whatever_is_in_it() {
        let mut random = super::super::voice::Random::new(1);
        for _ in 0..20_000 {
            let length = 3 + random.below(40) as usize;
            let bytes: Vec<u8> = (0..length).map(|_| random.bits() as u8).collect();
            for kind in [SDMF_CALL, MDMF_CALL, SDMF_WAITING, MDMF_WAITING] {
                let mut message = bytes.clone();
                message[0] = kind;
                let _ = understand(&message, CallerIdFormat::V23);
            }
        }
    }
}
