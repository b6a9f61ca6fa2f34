//! What the kernel says of a channel, as [`Signal`]s.
//!
//! DAHDI names a channel's *signalling* after what is at the other end of the pair: `fxsks` (an FXS is over there) runs
//! an FXO port. That reversal is undone here and nowhere else; everything above speaks of ports.
//!
//! The kernel tells some things as events and others only when asked (`DAHDI_GET_PARAMS`: the debounced state of the
//! pair, `rxhooksig`). A [`Tracker`] takes both and tells each change once:
//!
//! ```text
//!  FXO   events: RINGBEGIN, RINGOFFHOOK (50 ms after a burst, off-hook too), ONHOOK (battery lost, only in a call)
//!        state:  ring | battery | no battery          the only word on battery while on-hook, on its return, on its loss
//!                                                     in the 600 ms after off-hook, on ringing in the 2 s after on-hook
//!  FXS   events: RINGOFFHOOK, ONHOOK (after the flash window), WINKFLASH, PULSEDIGIT, RINGERON, RINGEROFF
//!        state:  loop open | closed                   how long a flash lasted
//! ```

use crate::clock::Time;
use crate::driver::PortKind;
use crate::event::{Alarm, Signal};
use crate::number::Digit;
use std::collections::VecDeque;
use std::time::Duration;

/// What a channel of `/etc/dahdi/system.conf` is set up as (`sigtype` of `struct dahdi_params`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signalling {
    None,
    FxsLoopStart,
    FxsGroundStart,
    FxsKewlStart,
    FxoLoopStart,
    FxoGroundStart,
    FxoKewlStart,
    Clear,
    /// Something digital, or E&M.
    Other(i32),
}

const SIG_FXO: i32 = 1 << 12;
const SIG_FXS: i32 = 1 << 13;
const SIG_CLEAR: i32 = 1 << 7;

impl Signalling {
    pub fn from_sigtype(sigtype: i32) -> Signalling {
        match sigtype {
            0 => Signalling::None,
            s if s == SIG_FXS | 1 => Signalling::FxsLoopStart,
            s if s == SIG_FXS | 1 << 1 => Signalling::FxsGroundStart,
            s if s == SIG_FXS | 1 << 2 => Signalling::FxsKewlStart,
            s if s == SIG_FXO | 1 << 3 => Signalling::FxoLoopStart,
            s if s == SIG_FXO | 1 << 4 => Signalling::FxoGroundStart,
            s if s == SIG_FXO | 1 << 5 => Signalling::FxoKewlStart,
            SIG_CLEAR => Signalling::Clear,
            s => Signalling::Other(s),
        }
    }

    /// As `/proc/dahdi` and sysfs write it (`FXSKS`).
    pub fn from_name(name: &str) -> Signalling {
        match name.trim() {
            "FXSLS" => Signalling::FxsLoopStart,
            "FXSGS" => Signalling::FxsGroundStart,
            "FXSKS" => Signalling::FxsKewlStart,
            "FXOLS" => Signalling::FxoLoopStart,
            "FXOGS" => Signalling::FxoGroundStart,
            "FXOKS" => Signalling::FxoKewlStart,
            "Clear" => Signalling::Clear,
            "" | "Unconfigured" | "Reserved" => Signalling::None,
            _ => Signalling::Other(-1),
        }
    }

    /// The port that this signalling runs: the reverse of its name.
    pub fn port(self) -> Option<PortKind> {
        match self {
            Signalling::FxsLoopStart | Signalling::FxsGroundStart | Signalling::FxsKewlStart => Some(PortKind::Fxo),
            Signalling::FxoLoopStart | Signalling::FxoGroundStart | Signalling::FxoKewlStart => Some(PortKind::Fxs),
            Signalling::None | Signalling::Clear | Signalling::Other(_) => None,
        }
    }

    /// What the hardware can be, from `sigcap` of `struct dahdi_params`; `None` when it can be either, as a digital
    /// channel can.
    pub fn hardware(sigcap: i32) -> Option<PortKind> {
        match (sigcap & SIG_FXS != 0, sigcap & SIG_FXO != 0) {
            (true, false) => Some(PortKind::Fxo),
            (false, true) => Some(PortKind::Fxs),
            _ => None,
        }
    }

    /// The same, from the words that sysfs writes.
    pub fn hardware_by_names(sigcap: &str) -> Option<PortKind> {
        let kinds = sigcap.split_whitespace().filter_map(|w| Signalling::from_name(w).port());
        let both = kinds.fold((false, false), |(fxo, fxs), k| (fxo | (k == PortKind::Fxo), fxs | (k == PortKind::Fxs)));
        match both {
            (true, false) => Some(PortKind::Fxo),
            (false, true) => Some(PortKind::Fxs),
            _ => None,
        }
    }

    /// The word in `/etc/dahdi/system.conf`.
    pub fn name(self) -> &'static str {
        match self {
            Signalling::None => "no",
            Signalling::FxsLoopStart => "fxsls",
            Signalling::FxsGroundStart => "fxsgs",
            Signalling::FxsKewlStart => "fxsks",
            Signalling::FxoLoopStart => "fxols",
            Signalling::FxoGroundStart => "fxogs",
            Signalling::FxoKewlStart => "fxoks",
            Signalling::Clear => "clear",
            Signalling::Other(_) => "other than analog",
        }
    }

    /// The line of `/etc/dahdi/system.conf` that makes channel `n` a port of this kind.
    pub fn line_for(kind: PortKind, n: u32) -> String {
        match kind {
            PortKind::Fxo => format!("fxsks={n}"),
            PortKind::Fxs => format!("fxoks={n}"),
        }
    }
}

/// `enum dahdi_rxsig` of the kernel: what the port senses on the pair, debounced by the card's driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sense {
    /// FXO: no battery. FXS: the loop is open.
    Open,
    /// FXO: battery. FXS: the loop is closed.
    Closed,
    /// FXO: ringing current.
    Ring,
    /// The card has not looked yet.
    Unknown,
}

impl Sense {
    pub fn from_rxhooksig(rxhooksig: i32) -> Sense {
        match rxhooksig {
            0 => Sense::Open,
            1 => Sense::Closed,
            3 => Sense::Ring,
            // 2 is ground start's, 4 is the state before the first look
            _ => Sense::Unknown,
        }
    }
}

/// The most serious of the alarms in a `chan_alarms` word.
pub fn alarm(bits: u32) -> Option<Alarm> {
    match bits {
        0 => None,
        b if b & (1 << 3) != 0 => Some(Alarm::Red),
        b if b & (1 << 4) != 0 => Some(Alarm::Blue),
        b if b & (1 << 2) != 0 => Some(Alarm::Yellow),
        b if b & (1 << 5) != 0 => Some(Alarm::NotOpen),
        b if b & (1 << 1) != 0 => Some(Alarm::Loopback),
        b if b & 1 != 0 => Some(Alarm::Recovering),
        // loss of signal, of framing, of multi-framing: of a digital span
        _ => Some(Alarm::Other),
    }
}

/// `DAHDI_EVENT_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelEvent {
    None,
    OnHook,
    RingOffHook,
    WinkFlash,
    Alarm,
    NoAlarm,
    Abort,
    Overrun,
    BadFcs,
    DialComplete,
    RingerOn,
    RingerOff,
    HookComplete,
    BitsChanged,
    PulseStart,
    TimerExpired,
    TimerPing,
    Polarity,
    RingBegin,
    EcDisabled,
    Removed,
    NeonMwiActive,
    NeonMwiInactive,
    TxCedDetected,
    RxCedDetected,
    TxCngDetected,
    RxCngDetected,
    EcNlpDisabled,
    EcNlpEnabled,
    ReadOverrun,
    WriteUnderrun,
    PulseDigit(u8),
    DtmfDown(u8),
    DtmfUp(u8),
    Unknown(i32),
}

impl KernelEvent {
    pub fn from_code(code: i32) -> KernelEvent {
        use KernelEvent::*;
        const PLAIN: [KernelEvent; 31] = [
            None,
            OnHook,
            RingOffHook,
            WinkFlash,
            Alarm,
            NoAlarm,
            Abort,
            Overrun,
            BadFcs,
            DialComplete,
            RingerOn,
            RingerOff,
            HookComplete,
            BitsChanged,
            PulseStart,
            TimerExpired,
            TimerPing,
            Polarity,
            RingBegin,
            EcDisabled,
            Removed,
            NeonMwiActive,
            NeonMwiInactive,
            TxCedDetected,
            RxCedDetected,
            TxCngDetected,
            RxCngDetected,
            EcNlpDisabled,
            EcNlpEnabled,
            ReadOverrun,
            WriteUnderrun,
        ];
        let digit = (code & 0xFF) as u8;
        match code {
            c if c & !0xFF == 1 << 16 => PulseDigit(digit),
            c if c & !0xFF == 1 << 17 => DtmfDown(digit),
            c if c & !0xFF == 1 << 18 => DtmfUp(digit),
            c => usize::try_from(c).ok().and_then(|i| PLAIN.get(i).copied()).unwrap_or(Unknown(c)),
        }
    }
}

/// Ringing that the kernel keeps back (`RING_DEBOUNCE_TIME`, two seconds after on-hook) is told once it was seen this
/// long, so that the transient of hanging up is not: cards report ringing 64 ms after it began, and a transient is over by then.
const RING_SEEN: Duration = Duration::from_millis(100);

/// A loop that was seen closed this long is off-hook, whatever the kernel has said; its own event comes sooner.
const CLOSED_SEEN: Duration = Duration::from_millis(100);
/// How much later than its cause in the state an event may be taken: one round of the card's thread.
const STATE_BEFORE_EVENT: Duration = Duration::from_millis(60);

/// One port's condition, as far as it has been told.
#[derive(Clone, Debug)]
pub struct Tracker {
    kind: PortKind,
    out: VecDeque<Signal>,
    alarm: Option<Alarm>,
    // FXO
    ringing: bool,
    ring_seen: Option<Time>,
    ring_gone: Option<Time>,
    battery: Option<bool>,
    // FXS
    off_hook: bool,
    closed: Option<Time>,
    opened: Option<Time>,
    /// The next pulse digit is none.
    no_pulse: bool,
    /// When the loop was seen closed again, and how long it had been open: the event may come after the state.
    was_open: Option<(Time, Duration)>,
}

impl Tracker {
    pub fn new(kind: PortKind) -> Tracker {
        Tracker {
            kind,
            out: VecDeque::new(),
            alarm: None,
            ringing: false,
            ring_seen: None,
            ring_gone: None,
            battery: None,
            off_hook: false,
            closed: None,
            opened: None,
            no_pulse: false,
            was_open: None,
        }
    }

    pub fn alarm(&self) -> Option<Alarm> {
        self.alarm
    }

    /// FXO: `None` until the card has looked.
    pub fn battery(&self) -> Option<bool> {
        self.battery
    }

    /// FXS: the telephone is off-hook, as far as it was told.
    pub fn off_hook(&self) -> bool {
        self.off_hook
    }

    pub fn poll_output(&mut self) -> Option<Signal> {
        self.out.pop_front()
    }

    /// The kernel queued an event. `alarms` is the channel's alarm word at that moment.
    pub fn event(&mut self, now: Time, event: KernelEvent, alarms: u32) {
        use KernelEvent as E;
        match (event, self.kind) {
            (E::RingBegin, PortKind::Fxo) => {
                self.battery_is(true);
                self.ring_begins();
            }
            // The end of a burst, and the trailer of the burst that was answered: not a new call. Without a burst it is
            // the kernel saying after 1.5 s that the loop is closed after all (battery went within 600 ms of off-hook),
            // and the state has told that already.
            (E::RingOffHook, PortKind::Fxo) => self.ring_ends(),
            (E::OnHook, PortKind::Fxo) => {
                self.ring_ends();
                self.battery_is(false);
            }
            // only of a kernel built with FXSFLASH: battery went for half a second and is back
            (E::WinkFlash, PortKind::Fxo) => {
                self.battery_is(false);
                self.battery_is(true);
            }
            (E::RingOffHook, PortKind::Fxs) => self.closes(),
            (E::OnHook, PortKind::Fxs) => {
                self.opened = None;
                if std::mem::take(&mut self.off_hook) {
                    self.out.push_back(Signal::OnHook);
                }
            }
            // A flash needs a telephone that was off-hook. In the first 1250 ms after a channel is configured the kernel
            // takes the loop for just opened, and an off-hook for the end of a flash.
            (E::WinkFlash, PortKind::Fxs) if !self.off_hook => self.closes(),
            (E::WinkFlash, PortKind::Fxs) => {
                let just_now = self.was_open.take().filter(|(at, _)| now.since(*at) <= STATE_BEFORE_EVENT);
                let open = self.opened.take().map(|t| now.since(t)).or(just_now.map(|(_, open)| open));
                self.out.push_back(Signal::Flash(open));
            }
            (E::RingerOn, PortKind::Fxs) => self.out.push_back(Signal::RingBegin),
            (E::RingerOff, PortKind::Fxs) => self.out.push_back(Signal::RingEnd),
            // the same in the first 200 ms: taken for the end of a dial pulse, whose digit will follow
            (E::PulseStart, PortKind::Fxs) if !self.off_hook => {
                self.no_pulse = true;
                self.closes();
            }
            (E::PulseDigit(_), _) if std::mem::take(&mut self.no_pulse) => {}
            (E::PulseDigit(d), _) => self.out.extend(digit(d).map(Signal::PulseDigit)),
            (E::DtmfDown(d), _) => self.out.extend(digit(d).map(Signal::HardwareDigit)),
            (E::Polarity, _) => self.out.push_back(Signal::Reversal),
            (E::NeonMwiActive, _) => self.out.push_back(Signal::MessageWaiting(true)),
            (E::NeonMwiInactive, _) => self.out.push_back(Signal::MessageWaiting(false)),
            (E::HookComplete, _) => self.out.push_back(Signal::HookDone),
            (E::DialComplete, _) => self.out.push_back(Signal::DialDone),
            // the word may have been read after the alarm cleared again: the event still says there was one
            (E::Alarm, _) => self.alarm_is(alarm(alarms).or(Some(Alarm::Other))),
            (E::NoAlarm, _) => self.alarm_is(None),
            (E::Removed, _) => self.out.push_back(Signal::Removed),
            (E::ReadOverrun, _) => self.out.push_back(Signal::Overrun),
            (E::WriteUnderrun, _) => self.out.push_back(Signal::Underrun),
            (E::EcDisabled | E::EcNlpDisabled, _) => self.out.push_back(Signal::EchoCanceller(false)),
            (E::EcNlpEnabled, _) => self.out.push_back(Signal::EchoCanceller(true)),
            // Fax tones are heard in the audio, where their length is known too; a pulse train's digit follows its first
            // pulse; the rest belongs to digital spans and to timers that we do not set.
            (E::TxCedDetected | E::RxCedDetected | E::TxCngDetected | E::RxCngDetected, _)
            | (E::PulseStart | E::DtmfUp(_), _)
            | (E::RingBegin, PortKind::Fxs)
            | (E::RingerOn | E::RingerOff, PortKind::Fxo)
            | (E::Abort | E::Overrun | E::BadFcs | E::BitsChanged | E::TimerExpired | E::TimerPing, _)
            | (E::None | E::Unknown(_), _) => {}
        }
    }

    /// What `DAHDI_GET_PARAMS` says now; asked with every block of audio.
    pub fn sense(&mut self, now: Time, sense: Sense, alarms: u32) {
        self.alarm_is(alarm(alarms));
        match self.kind {
            PortKind::Fxo => self.sense_fxo(now, sense),
            PortKind::Fxs => self.sense_fxs(now, sense),
        }
    }

    fn sense_fxo(&mut self, now: Time, sense: Sense) {
        match sense {
            Sense::Ring => {
                self.ring_gone = None;
                let since = *self.ring_seen.get_or_insert(now);
                if now.since(since) >= RING_SEEN {
                    self.ring_begins();
                }
            }
            Sense::Open | Sense::Closed => {
                self.ring_seen = None;
                let gone = *self.ring_gone.get_or_insert(now);
                if now.since(gone) >= RING_SEEN {
                    self.ring_ends();
                }
            }
            Sense::Unknown => return,
        }
        self.battery_is(sense != Sense::Open);
    }

    fn sense_fxs(&mut self, now: Time, sense: Sense) {
        match sense {
            Sense::Open => {
                self.closed = None;
                if self.off_hook {
                    self.opened.get_or_insert(now);
                }
            }
            Sense::Closed => {
                // An off-hook that no event told of: one that was there before the channel was opened. Not at once: the
                // telephone may have hung up within the card's debounce time before.
                let since = *self.closed.get_or_insert(now);
                if now.since(since) >= CLOSED_SEEN {
                    self.closes();
                }
                if let Some(t) = self.opened.take() {
                    self.was_open = Some((now, now.since(t)));
                }
            }
            _ => {}
        }
    }

    fn ring_begins(&mut self) {
        if !std::mem::replace(&mut self.ringing, true) {
            self.out.push_back(Signal::RingBegin);
        }
    }

    fn ring_ends(&mut self) {
        if std::mem::take(&mut self.ringing) {
            self.out.push_back(Signal::RingEnd);
        }
    }

    fn battery_is(&mut self, there: bool) {
        match self.battery.replace(there) {
            Some(was) if was == there => {}
            // a port has battery unless told otherwise
            None if there => {}
            _ => self.out.push_back(if there { Signal::BatteryBack } else { Signal::BatteryLost }),
        }
    }

    fn closes(&mut self) {
        self.opened = None;
        if !std::mem::replace(&mut self.off_hook, true) {
            self.out.push_back(Signal::OffHook);
        }
    }

    fn alarm_is(&mut self, alarm: Option<Alarm>) {
        if self.alarm != alarm {
            self.alarm = alarm;
            self.out.push_back(alarm.map_or(Signal::AlarmCleared, Signal::Alarm));
        }
    }
}

fn digit(d: u8) -> Option<Digit> {
    Digit::new(char::from(d))
}
