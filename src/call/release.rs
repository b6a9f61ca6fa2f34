//! How calls end: who ended it and how we know (causes after ITU-T Q.850), and the exit code of each ending.

use crate::error::Exit;
use serde::Serialize;
use std::fmt;

/// Every way a call or an attempt ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// We did what was asked and hung up.
    Completed,
    /// The transfer is done and proven.
    Transferred,
    /// The transfer was sent on its way, and no proof could be had.
    TransferUnproven,
    /// No target took the call, and the mailbox named for that case did.
    Voicemail,
    /// All three are together, and we stay with them.
    Joined,
    /// Caller and target were connected by us, over a second line.
    Bridged,
    /// The exchange did not bring the three together; the caller is on hold.
    NotJoined,
    /// No target took the call; the caller is back with us.
    TransferFailed,
    /// A party is gone that should not be.
    PartyLost,
    /// The exchange did not answer any flash; the call is where it was.
    FlashUnanswered,
    /// No target took the call; on the way back no tone came, and nobody has spoken.
    CallerUnproven,
    /// The exchange gave no tone for any flash, and nobody has spoken since.
    FlashUnproven,
    /// Leaving would drop both parties on this line.
    TransferRefused,
    /// Nobody called within the time given.
    NobodyCalled,
    /// No dial tone.
    NoDialTone,
    /// Somebody was calling in at the moment we wanted to call out.
    Glare,
    Busy,
    NoAnswer,
    Congestion,
    /// It rang, and then the network said no.
    Rejected,
    /// SIT, intercept, number unobtainable.
    NotInService,
    /// Dial tone came back: the exchange did not take the digits.
    DigitsNotTaken,
    /// Nothing that we know was heard after dialling.
    NothingHeard,
    FarHangUp,
    LineLost,
    DeviceRemoved,
    HungUpByCommand,
    Interrupted,
    /// Not through within `--timeout`.
    TimedOut,
    /// The line itself failed us: an error was told.
    PortFailed,
}

impl Ending {
    pub const ALL: [Ending; 30] = [
        Ending::Completed,
        Ending::Transferred,
        Ending::TransferUnproven,
        Ending::Voicemail,
        Ending::Joined,
        Ending::Bridged,
        Ending::NotJoined,
        Ending::FlashUnproven,
        Ending::CallerUnproven,
        Ending::TransferFailed,
        Ending::PartyLost,
        Ending::FlashUnanswered,
        Ending::TransferRefused,
        Ending::NobodyCalled,
        Ending::NoDialTone,
        Ending::Glare,
        Ending::Busy,
        Ending::NoAnswer,
        Ending::Congestion,
        Ending::Rejected,
        Ending::NotInService,
        Ending::DigitsNotTaken,
        Ending::NothingHeard,
        Ending::FarHangUp,
        Ending::LineLost,
        Ending::DeviceRemoved,
        Ending::HungUpByCommand,
        Ending::Interrupted,
        Ending::TimedOut,
        Ending::PortFailed,
    ];

    pub fn exit(self) -> Exit {
        match self {
            Ending::Completed
            | Ending::Transferred
            | Ending::Voicemail
            | Ending::Joined
            | Ending::Bridged
            | Ending::HungUpByCommand => Exit::Done,
            Ending::NotJoined => Exit::Failed,
            Ending::TransferUnproven | Ending::NothingHeard | Ending::FlashUnproven | Ending::CallerUnproven => {
                Exit::Unknown
            }
            Ending::TransferFailed => Exit::TransferFailed,
            Ending::PartyLost => Exit::PartyLost,
            Ending::FlashUnanswered => Exit::NoFlashAnswer,
            Ending::TransferRefused => Exit::Denied,
            Ending::NobodyCalled | Ending::TimedOut => Exit::StillBusy,
            Ending::NoDialTone | Ending::LineLost => Exit::NoDialTone,
            Ending::Glare => Exit::InUse,
            Ending::Busy => Exit::Busy,
            Ending::NoAnswer => Exit::NoAnswer,
            Ending::Congestion | Ending::Rejected => Exit::Congestion,
            Ending::NotInService | Ending::DigitsNotTaken => Exit::NotInService,
            Ending::FarHangUp => Exit::FarHangUp,
            Ending::DeviceRemoved | Ending::PortFailed => Exit::Port,
            Ending::Interrupted => Exit::Interrupted,
        }
    }

    /// The nearest cause of ITU-T Q.850, where one fits. An analog line tells none: it is derived from tones.
    pub fn q850(self) -> Option<u8> {
        match self {
            Ending::Completed
            | Ending::Transferred
            | Ending::Voicemail
            | Ending::Joined
            | Ending::Bridged
            | Ending::HungUpByCommand
            | Ending::FarHangUp => Some(16),
            Ending::Busy => Some(17),
            Ending::NoAnswer => Some(19),
            Ending::Rejected => Some(21),
            Ending::NotInService => Some(1),
            Ending::DigitsNotTaken => Some(28),
            Ending::Congestion => Some(42),
            Ending::NoDialTone | Ending::LineLost | Ending::DeviceRemoved => Some(27),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Ending::Completed => "completed",
            Ending::Transferred => "transferred",
            Ending::TransferUnproven => "transfer-unproven",
            Ending::Voicemail => "voicemail",
            Ending::Joined => "joined",
            Ending::Bridged => "bridged",
            Ending::NotJoined => "not-joined",
            Ending::TransferFailed => "transfer-failed",
            Ending::PartyLost => "party-lost",
            Ending::FlashUnanswered => "flash-unanswered",
            Ending::CallerUnproven => "caller-unproven",
            Ending::FlashUnproven => "flash-unproven",
            Ending::TransferRefused => "transfer-refused",
            Ending::NobodyCalled => "nobody-called",
            Ending::NoDialTone => "no-dial-tone",
            Ending::Glare => "glare",
            Ending::Busy => "busy",
            Ending::NoAnswer => "no-answer",
            Ending::Congestion => "congestion",
            Ending::Rejected => "rejected",
            Ending::NotInService => "not-in-service",
            Ending::DigitsNotTaken => "digits-not-taken",
            Ending::NothingHeard => "nothing-heard",
            Ending::FarHangUp => "far-hang-up",
            Ending::LineLost => "line-lost",
            Ending::DeviceRemoved => "device-removed",
            Ending::HungUpByCommand => "hung-up-by-command",
            Ending::Interrupted => "interrupted",
            Ending::TimedOut => "timed-out",
            Ending::PortFailed => "port-failed",
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How we know that somebody answered, or is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    Speech,
    /// Ringback stopped and no other tone came.
    RingbackStopped,
    /// The exchange reversed tip and ring: answer supervision.
    Reversal,
    Fax,
    /// A tone in nobody's plan: a test line.
    OtherTone,
    /// No tone of the exchange: the pair carries only its noise.
    NoTone,
    DialTone,
    /// The caller was never put on hold.
    NeverLeft,
}

impl Evidence {
    pub fn name(self) -> &'static str {
        match self {
            Evidence::Speech => "speech",
            Evidence::RingbackStopped => "ringback-stopped",
            Evidence::Reversal => "reversal",
            Evidence::Fax => "fax",
            Evidence::OtherTone => "other-tone",
            Evidence::NoTone => "no-tone",
            Evidence::DialTone => "dial-tone",
            Evidence::NeverLeft => "never-left",
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
