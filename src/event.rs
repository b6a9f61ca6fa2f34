//! The vocabulary in the middle: what a line tells us, and what we ask of it.
//!
//! ```text
//!  driver ──Signal──▶ line + dsp ──Event──▶ call
//!  driver ◀─Command── line       ◀─Action── call
//! ```
//!
//! [`Signal`] and [`Command`] are what a port knows (hook, ringing current, battery); [`Event`] is what it means;
//! [`Action`] is what a call decides.

use crate::clock::Time;
use crate::number::{DialString, Digit, PartyNumber};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What a port senses on the pair. Which of them a port can tell is in its `Capabilities`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// FXO: a burst of ringing current began. FXS: our own ringer went on.
    RingBegin,
    /// FXO: the burst ended. FXS: our own ringer went off: between bursts caller ID is sent.
    RingEnd,
    /// FXO: no battery. A short loss in a call is a forward disconnect (CPC), a long one a dead or unplugged line.
    BatteryLost,
    /// FXO: battery is back.
    BatteryBack,
    /// FXO: tip and ring changed places.
    Reversal,
    /// FXO: message waiting by high voltage.
    MessageWaiting(bool),
    /// FXS: the telephone closed the loop.
    OffHook,
    /// FXS: the loop stayed open longer than a flash.
    OnHook,
    /// FXS: a hook flash, as long as the port could measure it.
    Flash(Option<Duration>),
    /// FXS: a digit dialled in pulses.
    PulseDigit(Digit),
    /// A digit that the hardware or its driver heard by itself.
    HardwareDigit(Digit),
    /// The flash, ring or wink that was asked for is over.
    HookDone,
    /// The digits that were asked for are on the line.
    DialDone,
    /// The port is in alarm: nothing said on it reaches anybody.
    Alarm(Alarm),
    AlarmCleared,
    /// The card or modem is gone.
    Removed,
    /// Audio that nobody read in time was lost.
    Overrun,
    /// Audio was missing and the line heard a gap.
    Underrun,
    /// The echo canceller was switched off by a tone on the line (a modem or fax), or on again.
    EchoCanceller(bool),
}

/// Alarms as DAHDI names them (`DAHDI_ALARM_*`); an analog port knows only red.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alarm {
    Red,
    Yellow,
    Blue,
    Loopback,
    Recovering,
    NotOpen,
    Other,
}

/// What a port is asked to do. Durations are exact wishes: what the hardware made of them is in its documentation.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    OffHook,
    OnHook,
    /// Open the loop for this long, then close it (hook flash, register recall).
    Flash(Duration),
    /// Send these digits (only ports whose `Capabilities::dials` is set: others get them as audio).
    Dial(DialString, DialMethod),
    StopDialling,
    /// FXS: ring with this cadence (on, off, on, off…) until told otherwise.
    Ring(Vec<Duration>),
    RingOff,
    /// FXS: `true` reverses tip and ring.
    Reverse(bool),
    /// FXS: open the loop for this long: forward disconnect.
    OpenLoop(Duration),
    /// FXS: let audio through to the on-hook telephone for this long (caller ID).
    OnHookTransmission(Duration),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DialMethod {
    #[default]
    Tone,
    Pulse,
}

/// What we heard and sensed, as it matters to a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A burst of ringing began; the first of a call is burst 1.
    Ringing {
        burst: u32,
    },
    /// No burst for longer than the cadence allows: the caller gave up.
    RingingStopped,
    CallerId(CallerId),
    /// Something that looked like caller ID failed its checksum: its bytes, and never a number.
    CallerIdGarbled(Vec<u8>),
    Heard(Heard),
    /// Battery went and came back within the time of a forward disconnect: the far end is gone.
    ForwardDisconnect {
        open: Duration,
    },
    /// No battery for longer than that: the pair is dead, unplugged or cut.
    LineLost,
    LineBack,
    /// Another telephone on the pair was lifted while we are on-hook, and what it leaves of the voltage.
    OtherTelephoneLifted {
        millivolts: u32,
    },
    OtherTelephoneHungUp,
    /// In our flash the loop stayed closed: another telephone is lifted.
    LoopHeld {
        millivolts: u32,
    },
    Reversal,
    FlashDone,
    DialDone,
    /// What was to be played has been played.
    PlayDone,
    Alarm(Alarm),
    AlarmCleared,
    DeviceRemoved,
    MessageWaiting(bool),
    /// FXS ports: what the telephone did.
    OffHook,
    OnHook,
    Flash,
    PulseDigit(Digit),
    Overrun,
    Underrun,
}

/// What the ear made of the audio. Times are of the line, not of the moment of recognition.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    Tone {
        tone: Tone,
        since: Time,
    },
    ToneEnded {
        tone: Tone,
        at: Time,
    },
    Speech {
        since: Time,
    },
    SpeechEnded {
        at: Time,
    },
    /// Nothing above the line's noise since then; told once per silence, after half a second of it.
    Silence {
        since: Time,
    },
    Digit {
        digit: Digit,
        since: Time,
        lasted: Duration,
    },
    Fax {
        tone: FaxTone,
        since: Time,
    },
    /// 2130 and 2750 Hz together, when they are over: somebody else calls (CAS, 80 ms) or data follow (DT-AS, 100 ms).
    Alert {
        since: Time,
        lasted: Duration,
    },
    /// A single tone that is in nobody's tone plan: test tones, answering-machine beeps.
    OtherTone {
        hz: u16,
        since: Time,
    },
    OtherToneEnded {
        hz: u16,
        lasted: Duration,
        at: Time,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaxTone {
    /// 1100 Hz, half a second in three and a half: a calling fax (T.30).
    Cng,
    /// 2100 Hz: an answering fax or modem (T.30, V.25).
    Ced,
    /// The same, turned over every 450 ms: an answering modem that wants no echo cancellers (V.25).
    AnsReversals,
    /// 2100 Hz, louder and softer fifteen times a second: an answering modem that can do more (V.8).
    Ansam,
    /// Both.
    AnsamReversals,
    /// Flags at 300 bit/s: a fax is about to say what it can do (T.30, V.21).
    V21Preamble,
}

impl FaxTone {
    /// The name in journals and JSON.
    pub fn name(self) -> &'static str {
        match self {
            FaxTone::Cng => "cng",
            FaxTone::Ced => "ced",
            FaxTone::AnsReversals => "ans-reversals",
            FaxTone::Ansam => "ansam",
            FaxTone::AnsamReversals => "ansam-reversals",
            FaxTone::V21Preamble => "v21-preamble",
        }
    }
}

/// A tone of the country's plan. Where two of its tones cannot be told apart, `or` names the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tone {
    pub kind: ToneKind,
    pub or: Option<ToneKind>,
}

impl Tone {
    pub fn is(self, kind: ToneKind) -> bool {
        self.kind == kind || self.or == Some(kind)
    }
}

impl From<ToneKind> for Tone {
    fn from(kind: ToneKind) -> Tone {
        Tone { kind, or: None }
    }
}

/// Call-progress tones by their function (ITU-T E.180, E.182).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToneKind {
    Dial,
    StutterDial,
    RecallDial,
    SecondDial,
    SpecialDial,
    Ringback,
    Busy,
    /// Reorder in North America: no path, and not the called party's doing.
    Congestion,
    CallWaiting,
    /// Special information tone: an announcement follows.
    Sit,
    Confirmation,
    Howler,
    Disconnect,
    RecordWarning,
    NumberUnobtainable,
}

impl ToneKind {
    pub const ALL: [ToneKind; 15] = [
        ToneKind::Dial,
        ToneKind::StutterDial,
        ToneKind::RecallDial,
        ToneKind::SecondDial,
        ToneKind::SpecialDial,
        ToneKind::Ringback,
        ToneKind::Busy,
        ToneKind::Congestion,
        ToneKind::CallWaiting,
        ToneKind::Sit,
        ToneKind::Confirmation,
        ToneKind::Howler,
        ToneKind::Disconnect,
        ToneKind::RecordWarning,
        ToneKind::NumberUnobtainable,
    ];

    /// The name in journals, scripts and JSON.
    pub fn name(self) -> &'static str {
        match self {
            ToneKind::Dial => "dial",
            ToneKind::StutterDial => "stutter-dial",
            ToneKind::RecallDial => "recall-dial",
            ToneKind::SecondDial => "second-dial",
            ToneKind::SpecialDial => "special-dial",
            ToneKind::Ringback => "ringback",
            ToneKind::Busy => "busy",
            ToneKind::Congestion => "reorder",
            ToneKind::CallWaiting => "call-waiting",
            ToneKind::Sit => "sit",
            ToneKind::Confirmation => "confirmation",
            ToneKind::Howler => "howler",
            ToneKind::Disconnect => "disconnect",
            ToneKind::RecordWarning => "record-warning",
            ToneKind::NumberUnobtainable => "number-unobtainable",
        }
    }

    /// Beeps into a conversation, which goes on under them.
    pub fn is_in_conversation(self) -> bool {
        matches!(self, ToneKind::CallWaiting | ToneKind::RecordWarning)
    }

    /// Any of the tones that invite to dial.
    pub fn is_dial_tone(self) -> bool {
        matches!(
            self,
            ToneKind::Dial
                | ToneKind::StutterDial
                | ToneKind::RecallDial
                | ToneKind::SecondDial
                | ToneKind::SpecialDial
        )
    }
}

impl fmt::Display for ToneKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `busy`, or `busy/reorder` where the country's plan does not let them be told apart.
impl fmt::Display for Tone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.or {
            None => self.kind.fmt(f),
            Some(other) => write!(f, "{}/{other}", self.kind),
        }
    }
}

/// Who calls, as the network says. On an analog line nothing of it is authenticated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallerId {
    pub number: Option<PartyNumber>,
    /// Printable characters only: it ends on terminals and in scripts.
    pub name: Option<String>,
    pub absent: Option<Absent>,
    /// Month, day, hour, minute as sent by the exchange.
    pub date: Option<[u8; 4]>,
    pub format: CallerIdFormat,
}

/// Why there is no number (GR-30 and EN 300 659-3, parameter 04).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Absent {
    /// "P": the caller withheld it.
    Private,
    /// "O": the network does not know it.
    Unavailable,
}

/// How it was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallerIdFormat {
    #[default]
    Bell202,
    V23,
    Dtmf,
}

/// What a call asks of its line.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    OffHook,
    OnHook,
    Flash(Duration),
    Dial(DialString, DialMethod),
    /// Play samples at 8 kHz; `PlayDone` follows.
    Play(Arc<[i16]>),
    StopPlaying,
}
