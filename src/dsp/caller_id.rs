//! Who calls: SDMF and MDMF over FSK, or DTMF (GR-30-CORE, EN 300 659-1).

pub use super::caller_id_receiver::{Received, Receiver};
use super::dtmf::{DtmfGenerator, DtmfTiming};
use super::fsk::{self, Modulator, Standard};
use super::oscillator::Oscillator;
use super::{FRAME_SAMPLES, Source, add_sample, level};
use crate::event::{Absent, CallerId, CallerIdFormat};
use crate::facts::CallerIdSpec;
use crate::number::{DialString, Digit};
use std::time::Duration;

/// How the message is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Multiple data message format: number, name, date, reasons of absence as tagged parameters.
    Mdmf(Standard),
    /// Single data message format: date and number only.
    Sdmf(Standard),
    /// Digits between a start and an end digit: `A…C` in most countries, `A…#` in Denmark, `D…C` and others elsewhere.
    Dtmf { start: Digit, end: Digit },
}

impl Layout {
    /// The usual layout of a format.
    pub fn of(format: CallerIdFormat) -> Layout {
        match format {
            CallerIdFormat::Bell202 => Layout::Mdmf(Standard::Bell202),
            CallerIdFormat::V23 => Layout::Mdmf(Standard::V23),
            CallerIdFormat::Dtmf => Layout::Dtmf { start: Digit::at(0, 3), end: Digit::at(2, 3) },
        }
    }
}

/// Sends one caller's identity: the data burst only. Alert, ringing and reversal around it are the exchange's business.
pub struct Sender(Signal);

enum Signal {
    Fsk(Modulator<Burst>),
    Dtmf(DtmfGenerator),
}

impl Sender {
    /// GR-30 and EN 300 659 both send about −13.5 dBm at the exchange.
    pub const LEVEL_DBM0: f32 = -13.5;

    pub fn new(id: &CallerId, spec: &CallerIdSpec, level_dbm0: f32) -> Sender {
        Self::with_layout(id, Layout::of(spec.format), level_dbm0)
    }

    pub fn with_layout(id: &CallerId, layout: Layout, level_dbm0: f32) -> Sender {
        match layout {
            Layout::Mdmf(standard) => Self::message(&mdmf(id), standard, level_dbm0),
            Layout::Sdmf(standard) => Self::message(&sdmf(id), standard, level_dbm0),
            Layout::Dtmf { start, end } => {
                Sender(Signal::Dtmf(DtmfGenerator::new(&dtmf_digits(id, start, end), dtmf_timing(level_dbm0))))
            }
        }
    }

    /// Any message (type, length, body): the checksum is added here.
    pub fn message(message: &[u8], standard: Standard, level_dbm0: f32) -> Sender {
        let mut bytes = message.to_vec();
        bytes.push(checksum(message));
        Self::raw(bytes, standard, level_dbm0)
    }

    /// Bytes as they are, checksum and all: for tests of what receivers make of wrong ones.
    pub fn raw(bytes: Vec<u8>, standard: Standard, level_dbm0: f32) -> Sender {
        Sender(Signal::Fsk(Modulator::new(standard, level_dbm0, Burst::on_hook(bytes))))
    }

    /// Message waiting on or off (MDMF type 82, visual indicator 0B).
    pub fn message_waiting(on: bool, standard: Standard, level_dbm0: f32) -> Sender {
        Self::message(&[0x82, 3, 0x0B, 1, if on { 0xFF } else { 0 }], standard, level_dbm0)
    }
}

impl Source for Sender {
    fn add_to(&mut self, out: &mut [i16]) -> bool {
        match &mut self.0 {
            Signal::Fsk(m) => m.add_to(out),
            Signal::Dtmf(g) => g.add_to(out),
        }
    }
}

/// The dual-tone alert (DT-AS; CAS off-hook): 2130 and 2750 Hz together.
#[derive(Clone, Debug)]
pub struct Alert {
    tones: [Oscillator; 2],
    peak: f32,
    left: usize,
}

impl Alert {
    pub const HZ: [f32; 2] = [2130.0, 2750.0];

    /// Before data on an on-hook line: 88 to 110 ms.
    pub fn on_hook(level_dbm0: f32) -> Alert {
        Self::lasting(800, level_dbm0)
    }

    /// In a call (call waiting): 75 to 85 ms.
    pub fn off_hook(level_dbm0: f32) -> Alert {
        Self::lasting(640, level_dbm0)
    }

    fn lasting(samples: usize, level_dbm0: f32) -> Alert {
        Alert { tones: Self::HZ.map(Oscillator::new), peak: level::peak(level_dbm0), left: samples }
    }
}

impl Source for Alert {
    fn add_to(&mut self, out: &mut [i16]) -> bool {
        let n = out.len().min(self.left);
        for chunk in out[..n].chunks_mut(FRAME_SAMPLES) {
            let mut mix = [0f32; FRAME_SAMPLES];
            let mix = &mut mix[..chunk.len()];
            self.tones.iter_mut().for_each(|t| t.mix(self.peak, mix));
            chunk.iter_mut().zip(mix).for_each(|(o, m)| add_sample(o, *m));
        }
        self.left -= n;
        self.left > 0
    }
}

/// The bits of one burst: seizure, marks, bytes, and a little mark at the end for receivers that lag.
#[derive(Clone, Debug)]
struct Burst {
    seizure: u32,
    marks: u32,
    bytes: Vec<u8>,
    byte: usize,
    bit: u32,
    tail: u32,
}

impl Burst {
    /// 300 bits of 0101… and 180 of mark (GR-30; EN 300 659-1 allows 96 to 315 and 180 ± 25).
    fn on_hook(bytes: Vec<u8>) -> Burst {
        Burst { seizure: 300, marks: 180, bytes, byte: 0, bit: 0, tail: 10 }
    }
}

impl Iterator for Burst {
    type Item = bool;

    fn next(&mut self) -> Option<bool> {
        if self.seizure > 0 {
            self.seizure -= 1;
            // begins with space and ends with mark
            return Some(self.seizure.is_multiple_of(2));
        }
        if self.marks > 0 {
            self.marks -= 1;
            return Some(true);
        }
        if let Some(&byte) = self.bytes.get(self.byte) {
            let bit = match self.bit {
                0 => false,
                i @ 1..=8 => byte >> (i - 1) & 1 == 1,
                _ => true,
            };
            self.bit += 1;
            if self.bit == fsk::FRAME_BITS {
                self.bit = 0;
                self.byte += 1;
            }
            return Some(bit);
        }
        self.tail = self.tail.checked_sub(1)?;
        Some(true)
    }
}

/// Two's complement of the sum of all bytes before it.
fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0u8, |sum, b| sum.wrapping_add(*b)).wrapping_neg()
}

fn mdmf(id: &CallerId) -> Vec<u8> {
    let mut body = Vec::new();
    let mut add = |tag: u8, value: &[u8]| {
        let value = &value[..value.len().min(50)];
        body.extend_from_slice(&[tag, value.len() as u8]);
        body.extend_from_slice(value);
    };
    if let Some(date) = id.date {
        add(0x01, &date_digits(date));
    }
    match (&id.number, id.absent) {
        (Some(number), _) => add(0x02, number.reveal().as_bytes()),
        (None, absent) => add(0x04, &[absent_letter(absent)]),
    }
    match (&id.name, id.absent) {
        (Some(name), _) => add(0x07, &latin1(name)),
        (None, Some(absent)) => add(0x08, &[absent_letter(Some(absent))]),
        (None, None) => {}
    }
    let mut message = vec![0x80, body.len() as u8];
    message.extend(body);
    message
}

fn sdmf(id: &CallerId) -> Vec<u8> {
    let mut body = date_digits(id.date.unwrap_or([1, 1, 0, 0])).to_vec();
    match &id.number {
        Some(number) => body.extend_from_slice(number.reveal().as_bytes()),
        None => body.push(absent_letter(id.absent)),
    }
    let mut message = vec![0x04, body.len() as u8];
    message.extend(body);
    message
}

fn absent_letter(absent: Option<Absent>) -> u8 {
    match absent {
        Some(Absent::Private) => b'P',
        Some(Absent::Unavailable) | None => b'O',
    }
}

/// MMDDHHMM.
fn date_digits(date: [u8; 4]) -> [u8; 8] {
    let mut digits = [b'0'; 8];
    for (pair, value) in digits.chunks_mut(2).zip(date) {
        pair[0] = b'0' + value / 10 % 10;
        pair[1] = b'0' + value % 10;
    }
    digits
}

/// EN 300 659-3 sends names in a superset of ISO 8859-1's printable characters.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect()
}

/// Absence is sent as codes: `D1#`-like messages differ by network, `00` withheld and `10` unavailable are EN 300 659-1's.
fn dtmf_digits(id: &CallerId, start: Digit, end: Digit) -> DialString {
    let number = match (&id.number, id.absent) {
        (Some(n), _) => n.reveal().to_string(),
        (None, Some(Absent::Private)) => "00".into(),
        (None, _) => "10".into(),
    };
    std::iter::once(start).chain(number.chars().filter_map(Digit::new)).chain(std::iter::once(end)).collect()
}

fn dtmf_timing(level_dbm0: f32) -> DtmfTiming {
    DtmfTiming { on: Duration::from_millis(70), off: Duration::from_millis(70), level_dbm0, ..DtmfTiming::default() }
}
