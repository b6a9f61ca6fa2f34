//! What this line's subscriber gets: the country's manners, and the scenario's word over them.

use super::codes::Codes;
use super::programme::Entry;
use super::scenario::{BusyHangup, Class, Reminder, Scenario, TransferClass};
use super::subscriber_line::Window;
use crate::event::{CallerIdFormat, ToneKind};
use crate::facts::Country;
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct LineClass {
    pub flash_service: bool,
    /// Register recall with a digit (R1…R4), as in Europe; else a flash alone goes back.
    pub r_digits: bool,
    pub transfer: TransferClass,
    pub while_ringing: bool,
    pub busy_hangup: BusyHangup,
    pub recall_after: Duration,
    /// How long after the far hang-up, and how long.
    pub forward_disconnect: Option<(Duration, Duration)>,
    pub dial_tone_delay: Duration,
    pub first_digit: Duration,
    pub inter_digit: Duration,
    /// What an unattended handset hears.
    pub lock_out: Vec<Entry>,
    /// How long the special information tone sounds before its announcement.
    pub sit: Duration,
    pub caller_id: bool,
    /// Japan's way: the set answers twice.
    pub number_display: bool,
    pub stutter: bool,
    pub call_waiting: bool,
    /// By FSK, to those who answer the alert.
    pub call_waiting_id: bool,
    pub answer_reversal: bool,
    /// Codes that the exchange knows, and whether the subscriber may use them.
    pub codes: Option<Codes>,
    pub forwarding: bool,
    /// Digits before a number outside.
    pub outside_line: Option<String>,
    pub pulse_one_is_recall: bool,
    pub window: Window,
}

impl LineClass {
    pub fn new(country: &Country, scenario: &Scenario) -> LineClass {
        let ms = Duration::from_millis;
        let line = &scenario.line;
        let fault = &scenario.fault;
        let pbx = line.class == Some(Class::PbxExtension);
        let north_american = country.transfer.back == "R";
        let complete = country.transfer.complete.as_str();
        let by_country = if pbx || complete.contains('H') {
            TransferClass::OnHangUp
        } else if complete.contains('R') {
            TransferClass::Explicit
        } else {
            TransferClass::None
        };
        // the country's main line, or the PBX of its tables; where no source knows a window, the ETSI one (TBR 21)
        let behind = |name: &str| name.contains("PBX");
        let known = country.recall.iter().find(|w| pbx && behind(&w.exchange)).or(country.recall.first());
        let known = known.map_or((ms(80), ms(120)), |w| (w.min, w.max));
        let window = Window {
            min: fault.recall_min_ms.map_or(known.0, |m| m.0),
            max: fault.recall_max_ms.map_or(known.1, |m| m.0),
        };
        let forward_disconnect = match line.forward_disconnect_ms {
            Some(d) => Some(d.0).filter(|d| !d.is_zero()),
            // as long as DAHDI's kewlstart opens it
            None => (north_american && !pbx).then_some(ms(500)),
        };
        let call_waiting = line.call_waiting.unwrap_or(false);
        let fsk = country.caller_id.first().is_some_and(|c| c.format != CallerIdFormat::Dtmf);
        LineClass {
            flash_service: line.flash_service.unwrap_or(true),
            r_digits: !north_american && !pbx,
            transfer: line.transfer.unwrap_or(by_country),
            while_ringing: line.while_ringing.unwrap_or(pbx || country.transfer.while_ringing),
            busy_hangup: line.busy_hangup.unwrap_or(if pbx { BusyHangup::Recall } else { BusyHangup::Drop }),
            recall_after: line.recall_after_s.map_or(ms(20_000), |s| s.0),
            forward_disconnect: forward_disconnect.filter(|_| !fault.no_forward_disconnect).map(|d| (ms(800), d)),
            dial_tone_delay: line.dial_tone_delay_ms.map_or(ms(350), |m| m.0),
            first_digit: line.first_digit_s.map_or(ms(16_000), |s| s.0),
            inter_digit: line.inter_digit_s.map_or(ms(8_000), |s| s.0),
            lock_out: lock_out(country, line.permanent_signal.as_ref().map(|l| l.0.as_slice()), north_american),
            sit: super::programme::sit_lasts(country),
            caller_id: line.caller_id.unwrap_or(true),
            number_display: line.number_display.unwrap_or(false),
            stutter: line.stutter.unwrap_or(false),
            call_waiting,
            call_waiting_id: call_waiting && fsk && line.call_waiting_id.unwrap_or(true),
            codes: Codes::of(country),
            forwarding: line.forwarding.unwrap_or(true),
            answer_reversal: line.answer_reversal.unwrap_or(false),
            outside_line: line.outside_line.as_ref().map(|n| n.0.clone()),
            pulse_one_is_recall: line.pulse_one_is_recall.unwrap_or(window.max <= ms(200)),
            window,
        }
    }
}

/// Tones and words to a handset that nobody attends to: as the scenario has them; else reorder, in North America an
/// announcement, and the howler where the tables know of one.
fn lock_out(country: &Country, wanted: Option<&[Reminder]>, north_american: bool) -> Vec<Entry> {
    use super::programme::Item;
    use Reminder::*;
    let usual: &[Reminder] = match (north_american, country.tone(ToneKind::Howler).is_some()) {
        (true, true) => &[Reorder, Announcement, Howler],
        (true, false) => &[Reorder, Announcement],
        (false, true) => &[Reorder, Howler],
        (false, false) => &[Reorder],
    };
    let entry = |r: &Reminder| {
        let (item, secs) = match r {
            Busy => (Item::Tone(ToneKind::Busy), 20),
            Reorder => (Item::Tone(ToneKind::Congestion), 20),
            Announcement => (Item::Announcement, 5),
            Howler => (Item::Tone(ToneKind::Howler), 40),
        };
        (item, Some(Duration::from_secs(secs)))
    };
    wanted.unwrap_or(usual).iter().map(entry).chain([(Item::Silence, None)]).collect()
}
