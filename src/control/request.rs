//! What may be asked of whoever owns a line, and the answers, as data. These are the bodies of the HTTP API.

use crate::call::Step;
use crate::dsp::g711::Law;
use crate::error::{Error, Exit, printable};
use crate::number::DialString;
use crate::record::Record;
use base64::Engine;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// One thing asked of the owner of a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Ask {
    Status,
    HangUp,
    Flash {
        /// How long the loop is opened; the line's profile decides when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ms: Option<u64>,
    },
    Dtmf {
        digits: String,
    },
    /// The caller waits, and the exchange takes digits.
    Hold,
    /// The caller again.
    Retrieve,
    /// All three together: with the second party that was dialled on hold, or with this target.
    Conference {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target: Option<TargetAsk>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        no_answer_after_ms: Option<u64>,
    },
    Transfer {
        targets: Vec<TargetAsk>,
        #[serde(default)]
        warm: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        no_answer_after_ms: Option<u64>,
        /// What becomes of the caller when nobody takes the call: he stays with us, or we hang up.
        #[serde(default)]
        on_fail: OnFail,
        /// Who gets the caller when no target took him.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        voicemail: Option<TargetAsk>,
        /// Played to a target who answered: 8 kHz G.711 µ-law in Base64. He accepts with 1 and refuses with 2.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        brief: Option<String>,
        /// Call the targets on this line, by its name or port, and connect the two here.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        second_line: Option<String>,
    },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFail {
    #[default]
    Return,
    Hangup,
}

/// Whom to reach.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetAsk {
    /// The name it goes by in `[contacts]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// As dialled.
    pub number: String,
}

/// The owner's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    Status(CallStatus),
    /// Done; `heard` is what the exchange said to it.
    Done {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        heard: Option<String>,
    },
    Transfer(TransferReport),
    /// Not done, in the three lines of every error, with its exit code.
    Error {
        what: String,
        why: String,
        next: String,
        exit: u8,
    },
}

/// The call that the owner holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallStatus {
    pub line: String,
    pub pid: u32,
    /// `dialling`, `waiting`, `talking`, `transferring`, `over`.
    pub stage: String,
    /// Seconds since the line was opened.
    pub t: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller_number: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller_name: Option<String>,
}

/// A transfer from beginning to end, each step with what was heard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransferReport {
    /// `transferred`, `transfer-failed`, `flash-unanswered`, …: the names of `call::Ending`.
    pub result: String,
    pub exit: u8,
    pub warm: bool,
    /// Who took it, as the user named them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What proves it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proof: Vec<String>,
    /// What a completed transfer rests on that was not heard: what hanging up does on this line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assumes: Option<String>,
    pub steps: Vec<Step>,
}

/// Longer than any line's name or port.
const NAME_MAX: usize = 200;

/// One thing that happened on a line, as watchers are told it: a [`Record`] over the socket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WireEvent {
    /// Seconds since the line was opened.
    pub t: f64,
    pub who: String,
    pub what: String,
}

impl WireEvent {
    pub const SCHEMA: &'static str = "tipring.event/1";

    /// One line: an event of the stream, and of `watch --json`.
    pub fn to_json(&self) -> String {
        serde_json::json!({ "schema": Self::SCHEMA, "t": self.t, "who": self.who, "what": self.what }).to_string()
    }
}

impl From<&Record> for WireEvent {
    fn from(record: &Record) -> WireEvent {
        // milliseconds, as the record line shows
        let t = record.at.as_ms() as f64 / 1000.0;
        WireEvent { t, who: record.who.name().into(), what: record.what.clone() }
    }
}

/// As one line of text, the record line's shape.
impl fmt::Display for WireEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>9.3}  {:<8}  {}", self.t, printable(&self.who), printable(&self.what))
    }
}

impl Ask {
    /// Is it something an owner could do at all? Said before any line is touched, and in the same words for a command
    /// and for whoever writes to the socket.
    pub fn check(&self) -> Result<(), Error> {
        let refuse = |what: String, why: String, next: &str| Err(Error::new(Exit::Usage, what, why, next));
        match self {
            Ask::Status | Ask::HangUp | Ask::Hold | Ask::Retrieve | Ask::Flash { ms: None } => Ok(()),
            Ask::Conference { target, no_answer_after_ms } => {
                check_targets("cannot bring them together", target.as_slice())?;
                check_no_answer(*no_answer_after_ms)
            }
            Ask::Flash { ms: Some(ms) } if (FLASH_MS_MIN..=FLASH_MS_MAX).contains(ms) => Ok(()),
            Ask::Flash { ms: Some(ms) } => refuse(
                format!("cannot flash for {ms} ms"),
                format!(
                    "a flash is {FLASH_MS_MIN} to {FLASH_MS_MAX} ms; a longer break is a hang-up to every exchange"
                ),
                "leave the width out: the line's country decides",
            ),
            Ask::Dtmf { digits } => match dialable(digits) {
                Ok(()) => Ok(()),
                Err(why) => refuse("cannot send these digits".into(), why, "digits are 0 to 9, *, # and A to D"),
            },
            Ask::Transfer { targets, no_answer_after_ms, voicemail, brief, second_line, .. } => {
                if targets.is_empty() || targets.len() > TARGETS_MAX {
                    let why = format!("{} targets are named, and 1 to {TARGETS_MAX} are possible", targets.len());
                    return refuse("cannot transfer".into(), why, "name whom to reach, in the order to be tried");
                }
                check_targets("cannot transfer", targets)?;
                check_targets("cannot transfer to voicemail", voicemail.as_slice())?;
                if let Some(brief) = brief {
                    unpack_brief(brief)?;
                }
                if let Some(name) = second_line.as_ref().filter(|n| n.is_empty() || n.len() > NAME_MAX) {
                    let why = format!("a line's name has 1 to {NAME_MAX} bytes, and this one {}", name.len());
                    return refuse("cannot use that second line".into(), why, "`tipring lines` lists what there is");
                }
                check_no_answer(*no_answer_after_ms)
            }
        }
    }
}

fn check_targets(what: &str, targets: &[TargetAsk]) -> Result<(), Error> {
    for (i, target) in targets.iter().enumerate() {
        let fail = |why: &str, next: &str| {
            Err(Error::new(Exit::Usage, format!("{what}: target {} is no use", i + 1), why, next))
        };
        if let Err(why) = dialable(&target.number) {
            return fail(&why, "a target is a number as dialled on this line");
        }
        if target.name.as_ref().is_some_and(|n| n.len() > 200 || n.chars().any(char::is_control)) {
            return fail("its name is too long or has control characters", "leave the name out");
        }
    }
    Ok(())
}

fn check_no_answer(ms: Option<u64>) -> Result<(), Error> {
    match ms {
        Some(ms) if !(1..=NO_ANSWER_MS_MAX).contains(&ms) => Err(Error::new(
            Exit::Usage,
            format!("cannot wait {ms} ms for an answer"),
            format!("a wait is 1 to {NO_ANSWER_MS_MAX} ms"),
            "leave it out: the line's profile decides",
        )),
        _ => Ok(()),
    }
}

/// Sound as a brief travels: µ-law in Base64, a fifth of what its samples would take.
pub fn pack_brief(samples: &[i16]) -> String {
    let bytes: Vec<u8> = samples.iter().map(|s| Law::Mu.encode(*s)).collect();
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

pub fn unpack_brief(text: &str) -> Result<Arc<[i16]>, Error> {
    let fail = |why: String| {
        Err(Error::new(Exit::Usage, "cannot use the brief", why, "8 kHz \u{b5}-law in Base64, at most a minute of it"))
    };
    match base64::engine::general_purpose::STANDARD.decode(text) {
        Err(e) => fail(e.to_string()),
        Ok(bytes) if bytes.is_empty() || bytes.len() > BRIEF_MAX => {
            fail(format!("it lasts {:.1} s", bytes.len() as f64 / 8000.0))
        }
        Ok(bytes) => Ok(bytes.iter().map(|b| Law::Mu.decode(*b)).collect()),
    }
}

/// Nobody listens for longer before he may press a key.
pub const BRIEF_MAX: usize = 60 * 8000;
/// No exchange's recall window reaches this far.
const FLASH_MS_MAX: u64 = 2_000;
/// The shortest break that any driver makes.
const FLASH_MS_MIN: u64 = 20;
const TARGETS_MAX: usize = 32;
const NO_ANSWER_MS_MAX: u64 = 3_600_000;

fn dialable(number: &str) -> Result<(), String> {
    // what `+` stands for only the owner knows: here any prefix will do
    DialString::parse(number, Some("00")).map(|_| ()).map_err(|e| e.to_string())
}

impl From<Error> for Answer {
    fn from(e: Error) -> Answer {
        Answer::Error { what: e.what, why: e.why, next: e.next, exit: e.exit.code() }
    }
}
