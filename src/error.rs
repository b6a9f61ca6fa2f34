//! One error: what, why, what to do next; and the exit code that scripts see.
//!
//! Inside, each module has a small enum of its own. At the edge it becomes an [`Error`], printed as
//!
//! ```text
//! error: cannot open port dahdi/1
//! cause: permission denied on /dev/dahdi/1: it belongs to group dahdi, and you are not in it
//!  help: install udev/70-tipring.rules and re-plug the card, or join the group and log in again
//! ```

use std::fmt;

/// Exit codes: the same for every command, and a promise to scripts. They grow; they do not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    Config = 3,
    Port = 4,
    InUse = 5,
    NoDialTone = 6,
    Busy = 10,
    NoAnswer = 11,
    Congestion = 12,
    NotInService = 13,
    FarHangUp = 14,
    TransferFailed = 20,
    PartyLost = 21,
    NoFlashAnswer = 22,
    ForwardRefused = 30,
    Unknown = 31,
    Denied = 32,
    ForwardDiffers = 33,
    Bug = 70,
    StillBusy = 75,
    Interrupted = 130,
}

impl Exit {
    pub const ALL: [Exit; 22] = [
        Exit::Done,
        Exit::Failed,
        Exit::Usage,
        Exit::Config,
        Exit::Port,
        Exit::InUse,
        Exit::NoDialTone,
        Exit::Busy,
        Exit::NoAnswer,
        Exit::Congestion,
        Exit::NotInService,
        Exit::FarHangUp,
        Exit::TransferFailed,
        Exit::PartyLost,
        Exit::NoFlashAnswer,
        Exit::ForwardRefused,
        Exit::Unknown,
        Exit::Denied,
        Exit::ForwardDiffers,
        Exit::Bug,
        Exit::StillBusy,
        Exit::Interrupted,
    ];

    pub fn code(self) -> u8 {
        self as u8
    }

    pub fn from_code(code: u8) -> Option<Exit> {
        Exit::ALL.into_iter().find(|e| e.code() == code)
    }

    /// One phrase, for `--help`, man pages and reports.
    pub fn meaning(self) -> &'static str {
        match self {
            Exit::Done => "done, and proven where proof exists",
            Exit::Failed => "failed for a reason not below",
            Exit::Usage => "usage",
            Exit::Config => "configuration or input file",
            Exit::Port => "port missing, not permitted, or broken",
            Exit::InUse => "line in use, by a process or a parallel telephone",
            Exit::NoDialTone => "no dial tone, or the line is dead",
            Exit::Busy => "busy",
            Exit::NoAnswer => "no answer",
            Exit::Congestion => "congestion (reorder) or rejected",
            Exit::NotInService => "not in service or misdialled (SIT, intercept)",
            Exit::FarHangUp => "the far side hung up first",
            Exit::TransferFailed => "transfer failed, the caller is back",
            Exit::PartyLost => "transfer failed, a party was lost",
            Exit::NoFlashAnswer => "the exchange did not answer the flash",
            Exit::ForwardRefused => "forwarding refused by the carrier (kept for it: no command does that yet)",
            Exit::Unknown => "outcome unknown: dialled, not proven",
            Exit::Denied => "denied by policy, or because leaving would drop both parties",
            Exit::ForwardDiffers => "forwarding is not in the state asked about (kept for it, too)",
            Exit::Bug => "our bug",
            Exit::StillBusy => "still busy, or not through, after --wait or --timeout",
            Exit::Interrupted => "interrupted (lines are left on-hook)",
        }
    }
}

/// What the user is told. Every field is one line of plain text without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub what: String,
    pub why: String,
    pub next: String,
    pub exit: Exit,
    /// Lines to be shown below the three, as they are: where a file's mistakes stand.
    pub detail: Option<String>,
}

impl Error {
    pub fn new(exit: Exit, what: impl Into<String>, why: impl Into<String>, next: impl Into<String>) -> Error {
        Error { what: what.into(), why: why.into(), next: next.into(), exit, detail: None }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", printable(&self.what))?;
        if !self.why.is_empty() {
            write!(f, "\ncause: {}", printable(&self.why))?;
        }
        if !self.next.is_empty() {
            write!(f, "\n help: {}", printable(&self.next))?;
        }
        for line in self.detail.iter().flat_map(|d| d.lines()) {
            write!(f, "\n{}", printable(line))?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// `text` with control characters escaped: what a file, a caller or the network sent must not drive a terminal.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { c.escape_debug().to_string() } else { c.to_string() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_three_lines_what_why_next() {
        let e = Error::new(Exit::Port, "cannot open port dahdi/1", "no such node", "load the driver");
        assert_eq!(e.to_string(), "error: cannot open port dahdi/1\ncause: no such node\n help: load the driver");
    }

    #[test]
    fn where_a_files_mistakes_stand_comes_after_what_why_and_next() {
        let mut e = Error::new(Exit::Config, "what", "why", "next");
        e.detail = Some("here\nand here\x1b".into());
        assert_eq!(e.to_string(), "error: what\ncause: why\n help: next\nhere\nand here\\u{1b}");
    }

    #[test]
    fn control_characters_of_the_input_never_reach_the_terminal() {
        let e = Error::new(Exit::Usage, "bad \x1b[31m\r", "", "");
        assert_eq!(e.to_string(), "error: bad \\u{1b}[31m\\r");
    }

    #[test]
    fn exit_codes_are_distinct_and_keep_their_numbers() {
        for e in Exit::ALL {
            assert_eq!(Exit::from_code(e.code()), Some(e));
        }
        assert_eq!(Exit::TransferFailed.code(), 20);
        assert_eq!(Exit::Interrupted.code(), 130);
    }
}
