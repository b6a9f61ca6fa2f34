//! Calls for other programs: JSON Lines, or CSV for a spreadsheet.

use super::query::{Filter, Whole};
use super::{JournalError, Store};
use crate::error::printable;
use serde_json::{Value, json};
use std::io::{self, Write};

pub const CALL_SCHEMA: &str = "tipring.call/1";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    JsonLines,
    Csv,
}

#[derive(Debug)]
pub enum ExportError {
    Journal(JournalError),
    Output(io::Error),
}

impl From<JournalError> for ExportError {
    fn from(e: JournalError) -> ExportError {
        ExportError::Journal(e)
    }
}

impl From<io::Error> for ExportError {
    fn from(e: io::Error) -> ExportError {
        ExportError::Output(e)
    }
}

const COLUMNS: [&str; 18] = [
    "id",
    "state",
    "line",
    "port",
    "command",
    "direction",
    "number",
    "name",
    "begun",
    "seconds",
    "answered_after",
    "outcome",
    "exit",
    "q850",
    "target",
    "in_flight",
    "tags",
    "notes",
];

/// Writes the calls that fit, the oldest first. How many.
/// `None`: a journal that nobody has begun.
pub fn export(
    store: Option<&Store>,
    filter: &Filter,
    format: Format,
    out: &mut dyn Write,
) -> Result<usize, ExportError> {
    let mut calls = store.map_or(Ok(Vec::new()), |store| store.list(filter))?;
    calls.reverse();
    let mut csv = None;
    let mut out = Some(out);
    let mut count = 0;
    if format == Format::Csv
        && let Some(out) = out.take()
    {
        let mut writer = csv::Writer::from_writer(out);
        writer.write_record(COLUMNS).map_err(csv_failed)?;
        csv = Some(writer);
    }
    for call in &calls {
        // deleted in between
        let Some(whole) = store.map_or(Ok(None), |store| store.show(&call.id))? else { continue };
        if let Some(writer) = &mut csv {
            writer.write_record(cells(&whole)).map_err(csv_failed)?;
        }
        if let Some(out) = &mut out {
            writeln!(out, "{}", crate::output::one_line(&document(&whole)))?;
        }
        count += 1;
    }
    if let Some(writer) = &mut csv {
        writer.flush()?;
    }
    if let Some(out) = &mut out {
        out.flush()?;
    }
    Ok(count)
}

/// `tipring.call/1`.
pub fn document(call: &Whole) -> Value {
    let mut document = json!({ "schema": CALL_SCHEMA });
    if let (Value::Object(into), Ok(Value::Object(fields))) = (&mut document, serde_json::to_value(call)) {
        into.extend(fields);
    }
    document
}

fn cells(call: &Whole) -> Vec<String> {
    let document = document(call);
    let cell = |column: &&str| match *column {
        "tags" => call.summary.tags.join(" "),
        "notes" => call.notes.iter().map(|n| n.text.as_str()).collect::<Vec<_>>().join("; "),
        column => match &document[column] {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        },
    };
    COLUMNS.iter().map(|column| harmless(&cell(column))).collect()
}

/// A spreadsheet takes a cell that begins like this for a formula, and a caller's name is whatever the network sends: an
/// apostrophe before it makes it text. Control characters are escaped, for the terminal that shows the file.
fn harmless(cell: &str) -> String {
    let cell = printable(cell);
    if cell.starts_with(['=', '+', '-', '@']) { format!("'{cell}") } else { cell }
}

fn csv_failed(e: csv::Error) -> io::Error {
    match e.into_kind() {
        csv::ErrorKind::Io(e) => e,
        other => io::Error::other(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_or_drives_a_terminal() {
        for (cell, safe) in [
            ("=HYPERLINK(\"http://x\")", "'=HYPERLINK(\"http://x\")"),
            ("+4687654321", "'+4687654321"),
            ("-1+1", "'-1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "\\t=1"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("ALICE", "ALICE"),
            ("", ""),
        ] {
            assert_eq!(harmless(cell), safe);
        }
    }
}
