//! What may be asked of whoever owns a line, and the answers, as data. These are the bodies of the HTTP API.

use crate::call::Step;
use serde::{Deserialize, Serialize};

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
    Transfer {
        targets: Vec<TargetAsk>,
        #[serde(default)]
        warm: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        no_answer_after_ms: Option<u64>,
        /// What becomes of the caller when nobody takes the call: he stays with us, or we hang up.
        #[serde(default)]
        on_fail: OnFail,
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
    Error { what: String, why: String, next: String, exit: u8 },
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
    pub steps: Vec<Step>,
}
