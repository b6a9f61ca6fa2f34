//! Answers to stdout, all else to stderr; `--json` one document (or JSON Lines for streams); `--quiet` nothing when all
//! is well.

pub mod progress;
pub mod wav;

use crate::error::{Error, Exit};
use serde_json::{Value, json};
use std::io::{self, IsTerminal, Write};

/// How this run speaks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    pub json: bool,
    pub quiet: bool,
    pub verbose: u8,
}

impl Style {
    /// One answer: the JSON document, or lines for people.
    pub fn answer(&self, document: &Value, lines: impl FnOnce() -> Vec<String>) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{document}")?;
        } else if !self.quiet {
            for line in lines() {
                writeln!(out, "{line}")?;
            }
        }
        out.flush()
    }

    /// One element of a stream: JSON Lines, or a line for people. Flushed at once: somebody watches.
    pub fn stream(&self, document: &Value, line: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{document}")?;
        } else {
            writeln!(out, "{line}")?;
        }
        out.flush()
    }

    /// A progress bar has its place: only on a terminal, and only when nothing else is written there.
    pub fn wants_progress(&self) -> bool {
        !self.json && !self.quiet && self.verbose == 0 && io::stderr().is_terminal()
    }
}

/// The three lines of an error on stderr, and as a document on stdout for who asked for JSON.
pub fn report_error(style: Style, error: &Error) -> Exit {
    let _ = writeln!(io::stderr().lock(), "{error}");
    if style.json {
        let document = json!({
            "schema": "tipring.error/1",
            "error": error.what,
            "cause": error.why,
            "help": error.next,
            "exit": error.exit.code(),
        });
        let _ = writeln!(io::stdout().lock(), "{document}");
    }
    error.exit
}
