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
            writeln!(out, "{}", one_line(document))?;
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
            writeln!(out, "{}", one_line(document))?;
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

/// A document as one line that no terminal obeys: JSON escapes the control characters of ASCII, and those after it are
/// control characters all the same.
pub fn one_line(document: &Value) -> String {
    let text = document.to_string();
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // inside a string: there are none elsewhere
            '\u{7f}'..='\u{9f}' => safe.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => safe.push(c),
        }
    }
    safe
}

/// Something is wrong, and what was asked for is done all the same: one line on stderr. Who closed it loses the words.
pub fn warn(text: &str) {
    let _ = writeln!(io::stderr().lock(), "warning: {}", crate::error::printable(text));
}

/// The three lines of an error on stderr, and as a document on stdout for who asked for JSON.
pub fn report_error(style: Style, error: &Error) -> Exit {
    let _ = writeln!(io::stderr().lock(), "{error}");
    if style.json {
        let mut document = json!({
            "schema": "tipring.error/1",
            "error": error.what,
            "cause": error.why,
            "help": error.next,
            "exit": error.exit.code(),
        });
        if let Some(detail) = &error.detail {
            document["detail"] = detail.as_str().into();
        }
        let _ = writeln!(io::stdout().lock(), "{}", one_line(&document));
    }
    error.exit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_document_drives_a_terminal_and_each_reads_back() {
        let document = json!({ "name": "\u{1b}[31m\u{9b}2J\u{7f}é" });
        let line = one_line(&document);
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), document);
    }
}
