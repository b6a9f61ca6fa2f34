//! What is wrong with a facts file, and where.

use std::ops::Range;
use thiserror::Error;

/// A fault in a facts file. `span` are bytes of its text, for a picture of the place; `line` and `column` count from 1.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}, column {column}: {message}")]
pub struct FactsError {
    pub message: String,
    pub span: Range<usize>,
    pub line: usize,
    pub column: usize,
    /// What to do about it, where that is not plain from the message.
    pub help: Option<String>,
}

impl FactsError {
    pub(super) fn new(text: &str, fault: Fault) -> FactsError {
        let len = text.len();
        let span = fault.span.start.min(len)..fault.span.end.min(len);
        let before = text.get(..span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        FactsError {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: fault.message,
            span,
            help: fault.help,
        }
    }
}

/// A fault before its line and column are worked out.
#[derive(Debug)]
pub(super) struct Fault {
    pub span: Range<usize>,
    pub message: String,
    pub help: Option<String>,
}

impl Fault {
    pub fn new(span: Range<usize>, message: impl Into<String>) -> Fault {
        Fault { span, message: message.into(), help: None }
    }

    pub fn help(mut self, help: impl Into<String>) -> Fault {
        self.help = Some(help.into());
        self
    }
}

impl From<toml::de::Error> for Fault {
    fn from(e: toml::de::Error) -> Fault {
        Fault::new(e.span().unwrap_or(0..0), crate::config::in_the_users_words(e.message()))
    }
}
