//! Who calls: SDMF and MDMF over FSK, or DTMF (GR-30-CORE, EN 300 659-1, EN 300 659-3).
//!
//! ```text
//!  ring ──▶ 0.5…1.5 s ──▶ seizure 0101… ── marks ── type len ▒▒▒▒ sum ──▶ 0.2 s ──▶ ring    after the first ring (GR-30)
//!  reversal ▶ DT-AS 100 ms ▶ 45…500 ms ▶ seizure ── marks ── type len ▒▒▒▒ sum ──▶ ring     before it (BT, ETSI)
//!  reversal ──────────────▶ A 5 5 5 0 1 4 2 C ──▶ ring                                      digits (DK, SE, FI, BR, IN …)
//! ```
//!
//! - SDMF (type 04) is date and number; MDMF (type 80) is tag, length, value: 01 date, 02 number, 04 why there is none, 07
//!   name, 08 why there is none. The sum of all bytes is zero; a message for which it is not has no number.
//! - 300 bits of seizure and 180 of mark before the message (BT: 55 to 90 marks), at −13.5 dBm; receivers take −12 to −36.
//! - Digits: `A…C` with `D…` for a redirection and `B00`, `B10` for absence, `A…#` and `D1#` in Denmark, `D…C` elsewhere.
//!
//! Nothing of it is authenticated: anybody who reaches the line's exchange can send any number.

mod alert;
mod receiver;

pub use alert::AlertDetector;
pub use receiver::Receiver;

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

    /// Who else calls, to a line that is off-hook: no seizure, and fewer marks. The alert and its answer come before.
    pub fn in_call(id: &CallerId, standard: Standard, level_dbm0: f32) -> Sender {
        let mut bytes = mdmf(id);
        bytes.push(checksum(&bytes));
        Sender(Signal::Fsk(Modulator::new(standard, level_dbm0, Burst::off_hook(bytes))))
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

/// What a telephone in a call says to the alert before it gets data: `D` (GR-30), which those that are off-hook at several
/// extensions leave to one of them.
pub fn acknowledgement(level_dbm0: f32) -> DtmfGenerator {
    let timing = DtmfTiming { on: Duration::from_millis(60), off: Duration::ZERO, level_dbm0, ..DtmfTiming::default() };
    DtmfGenerator::digit(Digit::at(3, 3), timing)
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

    /// 80 bits of mark (GR-30; EN 300 659-2).
    fn off_hook(bytes: Vec<u8>) -> Burst {
        Burst { seizure: 0, marks: 80, ..Burst::on_hook(bytes) }
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

/// What is sent for a number that is absent depends on the layout: `B` and a code where messages end with `C`, `D` and a
/// code where they end with `#`.
fn dtmf_digits(id: &CallerId, start: Digit, end: Digit) -> DialString {
    let hash = end.as_char() == '#';
    let text = match (&id.number, id.absent) {
        (Some(n), _) => format!("{}{}", start.as_char(), n.reveal()),
        (None, Some(Absent::Private)) => if hash { "D1" } else { "B10" }.to_string(),
        (None, _) => if hash { "D3" } else { "B00" }.to_string(),
    };
    text.chars().filter_map(Digit::new).chain(std::iter::once(end)).collect()
}

fn dtmf_timing(level_dbm0: f32) -> DtmfTiming {
    DtmfTiming { on: Duration::from_millis(70), off: Duration::from_millis(70), level_dbm0, ..DtmfTiming::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::g711::Law;
    use crate::dsp::render;
    use crate::dsp::voice::{Noise, Speech};
    use crate::event::Event;
    use crate::number::PartyNumber;
    use proptest::prelude::*;

    fn caller() -> CallerId {
        CallerId {
            number: PartyNumber::from_network(b"5550142"),
            name: Some("ÅSA O'NEIL".into()),
            absent: None,
            date: Some([11, 21, 9, 5]),
            format: CallerIdFormat::Bell202,
        }
    }

    fn line(source: &mut dyn Source) -> Vec<i16> {
        let mut samples = vec![0i16; 2011];
        samples.extend(render(source, usize::MAX));
        samples.extend([0; 4000]);
        samples
    }

    fn hear(samples: &[i16]) -> Vec<Event> {
        let mut out = Vec::new();
        Receiver::new().feed(samples, &mut out);
        out
    }

    fn layouts() -> Vec<(Layout, CallerIdFormat)> {
        let digit = |c| Digit::new(c).unwrap();
        vec![
            (Layout::Mdmf(Standard::Bell202), CallerIdFormat::Bell202),
            (Layout::Mdmf(Standard::V23), CallerIdFormat::V23),
            (Layout::Sdmf(Standard::Bell202), CallerIdFormat::Bell202),
            (Layout::Sdmf(Standard::V23), CallerIdFormat::V23),
            (Layout::Dtmf { start: digit('A'), end: digit('C') }, CallerIdFormat::Dtmf),
            (Layout::Dtmf { start: digit('A'), end: digit('#') }, CallerIdFormat::Dtmf),
            (Layout::Dtmf { start: digit('D'), end: digit('C') }, CallerIdFormat::Dtmf),
        ]
    }

    /// What can be left of a caller in this layout.
    fn as_sent(id: &CallerId, layout: Layout, format: CallerIdFormat) -> CallerId {
        let mut id = CallerId { format, ..id.clone() };
        match layout {
            Layout::Mdmf(_) => {}
            Layout::Sdmf(_) => id.name = None,
            Layout::Dtmf { .. } => (id.name, id.date) = (None, None),
        }
        id
    }

    #[test]
    fn what_is_sent_in_any_format_is_heard() {
        let private = CallerId { number: None, name: None, absent: Some(Absent::Private), ..caller() };
        let unavailable = CallerId { absent: Some(Absent::Unavailable), ..private.clone() };
        for (layout, format) in layouts() {
            for id in [caller(), private.clone(), unavailable.clone()] {
                let samples = line(&mut Sender::with_layout(&id, layout, Sender::LEVEL_DBM0));
                assert_eq!(hear(&samples), vec![Event::CallerId(as_sent(&id, layout, format))], "{layout:?}");
            }
        }
    }

    #[test]
    fn a_soft_noisy_companded_line_still_tells_who_calls() {
        for (layout, format) in layouts() {
            for (level, seed) in [(-13.5, 1), (-35.0, 2), (-25.0, 3)] {
                for law in [Law::Mu, Law::A] {
                    let mut samples = line(&mut Sender::with_layout(&caller(), layout, level));
                    Noise::new(seed, level - 14.0).add_to(&mut samples);
                    samples.iter_mut().for_each(|s| *s = law.decode(law.encode(*s)));
                    let expected = as_sent(&caller(), layout, format);
                    assert_eq!(hear(&samples), vec![Event::CallerId(expected)], "{layout:?} {level}");
                }
            }
        }
    }

    #[test]
    fn ten_decibels_of_twist_and_a_clipped_beginning_are_no_hindrance() {
        // sums and differences of neighbours tilt the band: four sums by −11 dB from 1200 to 2200 Hz, two differences by +9
        for (sign, times, gain) in [(1, 4, 0.1), (-1, 2, 0.5)] {
            for standard in [Standard::Bell202, Standard::V23] {
                let layout = Layout::Mdmf(standard);
                let sent = render(&mut Sender::with_layout(&caller(), layout, -20.0), usize::MAX);
                let mut tilted: Vec<f32> = sent[1200..].iter().map(|&s| f32::from(s) * gain).collect();
                for _ in 0..times {
                    for i in (1..tilted.len()).rev() {
                        tilted[i] += sign as f32 * tilted[i - 1];
                    }
                }
                for seed in 0..10 {
                    let mut samples: Vec<i16> = tilted.iter().map(|&s| s as i16).chain([0; 4000]).collect();
                    let level = crate::dsp::level::dbm0(&samples[..8000]);
                    Noise::new(seed, level - 18.0).add_to(&mut samples);
                    let heard = hear(&samples);
                    assert!(
                        matches!(&heard[..], [Event::CallerId(id)] if id.name == caller().name),
                        "{sign} {heard:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_wrong_checksum_is_told_as_bytes_and_never_as_a_number() {
        for at in 0..12 {
            let mut bytes = sdmf(&caller());
            bytes.push(checksum(&bytes));
            bytes[at + 2] ^= 0x04;
            let heard = hear(&line(&mut Sender::raw(bytes.clone(), Standard::Bell202, -15.0)));
            assert_eq!(heard, vec![Event::CallerIdGarbled(bytes)]);
        }
    }

    #[test]
    fn a_message_that_breaks_off_is_garbled() {
        let mut samples = line(&mut Sender::with_layout(&caller(), Layout::Mdmf(Standard::V23), -15.0));
        let cut = samples.len() / 2;
        samples[cut..].fill(0);
        let heard = hear(&samples);
        assert!(matches!(&heard[..], [Event::CallerIdGarbled(bytes)] if bytes[0] == 0x80), "{heard:?}");
    }

    #[test]
    fn message_waiting_is_heard() {
        for on in [true, false] {
            let heard = hear(&line(&mut Sender::message_waiting(on, Standard::V23, -15.0)));
            assert_eq!(heard, vec![Event::MessageWaiting(on)]);
        }
    }

    #[test]
    fn hostile_names_reach_no_terminal() {
        let mut message = vec![0x80, 0, 0x02, 3, b'1', b'2', b'3', 0x07, 8];
        message.extend(b"\x1B[2J\x00\x9BmA");
        message[1] = (message.len() - 2) as u8;
        let heard = hear(&line(&mut Sender::message(&message, Standard::Bell202, -15.0)));
        let [Event::CallerId(id)] = &heard[..] else { panic!("{heard:?}") };
        assert_eq!(id.name.as_deref(), Some("[2JmA"));
    }

    #[test]
    fn talkers_and_tones_are_nobody() {
        for seed in 0..20 {
            assert_eq!(hear(&render(&mut Speech::new(seed, -15.0), 8000 * 30)), vec![]);
        }
        for hz in [1200.0, 1300.0, 1004.0, 2200.0, 425.0] {
            let mut tone = crate::dsp::tone::ToneGenerator::sine(hz, -10.0, Some(Duration::from_millis(700)));
            assert_eq!(hear(&line(&mut tone)), vec![]);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn any_caller_comes_through_noise_in_any_pieces(
            number in "[0-9]{3,15}",
            name in "[ -~]{0,15}",
            which in 0usize..7,
            level in -32.0f32..-8.0,
            seed in any::<u64>(),
            sizes in proptest::collection::vec(1usize..900, 1..20),
        ) {
            let name = Some(name.trim().to_string()).filter(|n| !n.is_empty());
            let id = CallerId { number: PartyNumber::from_network(number.as_bytes()), name, ..caller() };
            let (layout, format) = layouts()[which];
            let mut samples = line(&mut Sender::with_layout(&id, layout, level));
            Noise::new(seed, level - 15.0).add_to(&mut samples);
            let mut out = Vec::new();
            let mut receiver = Receiver::new();
            let mut rest = &samples[..];
            for n in sizes.into_iter().cycle() {
                let (now, later) = rest.split_at(n.min(rest.len()));
                receiver.feed(now, &mut out);
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(out, vec![Event::CallerId(as_sent(&id, layout, format))]);
        }
    }
}
