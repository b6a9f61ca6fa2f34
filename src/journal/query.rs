//! Looking at the journal, and writing to its margins: notes and tags.

use super::owner::Owner;
use super::store::{Durability, in_flight};
use super::when::utc;
use super::{JournalError, Store};
use crate::clock::Time;
use crate::record::Record;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use std::time::{SystemTime, UNIX_EPOCH};

/// Which calls.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Milliseconds since 1970, both ends included.
    pub since_ms: Option<i64>,
    pub until_ms: Option<i64>,
    /// Any of them, as the line was called or as its port.
    pub lines: Vec<String>,
    /// All of them.
    pub tags: Vec<String>,
    /// Any of them.
    pub outcomes: Vec<String>,
    /// The latest so many.
    pub limit: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Its owner holds the line now.
    UnderWay,
    Ended,
    /// Its owner was killed, or the power went.
    Interrupted,
}

/// A call in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    pub id: String,
    pub state: State,
    pub line: String,
    pub port: String,
    pub command: String,
    /// `in`, `out`.
    pub direction: String,
    pub number: Option<String>,
    pub name: Option<String>,
    /// RFC 3339, UTC.
    pub begun: String,
    /// From begin to end.
    pub seconds: Option<f64>,
    /// From begin to answer.
    pub answered_after: Option<f64>,
    pub outcome: Option<String>,
    pub exit: Option<u8>,
    pub q850: Option<u8>,
    /// Who took the call in the end.
    pub target: Option<String>,
    /// What an owner that is gone was doing.
    pub in_flight: Option<String>,
    pub tags: Vec<String>,
    pub note_count: u32,
    #[serde(skip)]
    pub begun_ms: i64,
    #[serde(skip)]
    key: i64,
}

/// All that is known of a call.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Whole {
    #[serde(flatten)]
    pub summary: Summary,
    pub legs: Vec<LegSeen>,
    pub intents: Vec<IntentSeen>,
    pub notes: Vec<Note>,
    /// The lines of the record, masked; times are since the line was opened.
    pub events: Vec<String>,
}

/// One party of a call: the first is whom it began with.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LegSeen {
    pub number: Option<String>,
    pub name: Option<String>,
    pub t: f64,
    pub answered_t: Option<f64>,
    pub outcome: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IntentSeen {
    pub t: f64,
    pub what: String,
    /// Absent: nobody knows whether it was done.
    pub outcome: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Note {
    pub at: String,
    pub author: String,
    pub text: String,
    #[serde(skip)]
    pub at_ms: i64,
}

/// Which call is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Call(String),
    None,
    /// The beginning of several: some of them.
    Several(Vec<String>),
}

impl Store {
    /// The calls that fit, the latest first.
    pub fn list(&self, filter: &Filter) -> Result<Vec<Summary>, JournalError> {
        self.sql(|c| list(c, filter))
    }

    /// `last`, an id, or the beginning of one.
    pub fn find(&self, text: &str) -> Result<Found, JournalError> {
        let ids = |sql: &str, text: &str| {
            self.sql(|c| c.prepare(sql)?.query_map([text], |r| r.get(0))?.collect::<rusqlite::Result<Vec<String>>>())
        };
        let mut found = match text {
            "last" => ids("SELECT id FROM call WHERE ?1 <> '' ORDER BY begun_ms DESC, key DESC LIMIT 1", text)?,
            // compared by characters: LIKE has wildcards of its own
            _ => ids(
                "SELECT id FROM call WHERE substr(id, 1, length(?1)) = ?1 AND length(?1) > 0
                 ORDER BY begun_ms DESC LIMIT 9",
                &text.to_ascii_lowercase(),
            )?,
        };
        Ok(match found.len() {
            0 => Found::None,
            1 => Found::Call(found.remove(0)),
            _ => Found::Several(found),
        })
    }

    pub fn show(&self, id: &str) -> Result<Option<Whole>, JournalError> {
        self.sql(|c| show(c, id))
    }

    /// On the disk when this returns. `false`: there is no such call.
    pub fn note(&mut self, id: &str, author: &str, text: &str) -> Result<bool, JournalError> {
        let at_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64;
        self.write(|t| {
            let insert = "INSERT INTO note (call, at_ms, author, text) SELECT key, ?2, ?3, ?4 FROM call WHERE id = ?1";
            Ok(t.execute(insert, params![id, at_ms, author, text])? > 0)
        })
    }

    /// The same: adds tags that are not there, takes away those that are.
    pub fn tag(&mut self, id: &str, add: &[String], remove: &[String]) -> Result<bool, JournalError> {
        self.write(|t| {
            let Some(key) =
                t.query_row("SELECT key FROM call WHERE id = ?1", [id], |r| r.get::<_, i64>(0)).optional()?
            else {
                return Ok(false);
            };
            for tag in remove {
                t.execute("DELETE FROM tag WHERE call = ?1 AND tag = ?2", params![key, tag])?;
            }
            for tag in add {
                t.execute("INSERT OR IGNORE INTO tag VALUES (?1, ?2)", params![key, tag])?;
            }
            Ok(true)
        })
    }

    fn write<T>(&mut self, f: impl FnOnce(&rusqlite::Transaction) -> rusqlite::Result<T>) -> Result<T, JournalError> {
        let path = self.path().to_path_buf();
        self.transaction(Durability::Power, f).map_err(|e| JournalError::of_sql(&path, &e))
    }
}

const SUMMARY: &str = "SELECT key, id, line, port, command, direction, number, name, begun_ms, begun_us, lasted_us,
    answered_us, stage, outcome, exit, q850, target, in_flight, owner_pid, owner_start, owner_boot,
    (SELECT count(*) FROM note WHERE note.call = call.key) FROM call";

fn list(c: &Connection, filter: &Filter) -> rusqlite::Result<Vec<Summary>> {
    let (mut wanted, mut values) = (Vec::new(), Vec::new());
    let mut want = |clause: &str, value: Value| {
        values.push(value);
        wanted.push(clause.replace("?", &format!("?{}", values.len())));
    };
    if let Some(since) = filter.since_ms {
        want("begun_ms >= ?", since.into());
    }
    if let Some(until) = filter.until_ms {
        want("begun_ms <= ?", until.into());
    }
    if !filter.lines.is_empty() {
        // one value, however many lines: a JSON list is one
        want("EXISTS (SELECT 1 FROM json_each(?) WHERE value = line OR value = port)", json_list(&filter.lines));
    }
    for tag in &filter.tags {
        want("EXISTS (SELECT 1 FROM tag WHERE tag.call = call.key AND tag = ?)", tag.clone().into());
    }
    let mut sql = SUMMARY.to_string();
    if !wanted.is_empty() {
        sql.push_str(&format!(" WHERE {}", wanted.join(" AND ")));
    }
    sql.push_str(" ORDER BY begun_ms DESC, key DESC");
    let mut statement = c.prepare(&sql)?;
    let mut rows = statement.query(rusqlite::params_from_iter(values))?;
    let mut calls = Vec::new();
    // the outcome of a call whose owner has just gone is not in the file yet: it is asked for here, and so is the limit
    while let Some(row) = rows.next()? {
        if filter.limit.is_some_and(|limit| calls.len() >= limit as usize) {
            break;
        }
        let call = summary(c, row)?;
        let outcome = call.outcome.as_deref().unwrap_or("under-way");
        if filter.outcomes.is_empty() || filter.outcomes.iter().any(|o| o == outcome) {
            calls.push(call);
        }
    }
    Ok(calls)
}

fn json_list(texts: &[String]) -> Value {
    serde_json::to_string(texts).unwrap_or_default().into()
}

fn summary(c: &Connection, r: &Row) -> rusqlite::Result<Summary> {
    let key: i64 = r.get(0)?;
    let begun_us: i64 = r.get(9)?;
    let after = |us: Option<i64>| us.map(|us| (us.saturating_sub(begun_us)).max(0) as f64 / 1e6);
    let rounded = |s: Option<f64>| s.map(|s| (s * 1000.0).round() / 1000.0);
    let stage: String = r.get(12)?;
    let mut outcome: Option<String> = r.get(13)?;
    let mut in_flight_then: Option<String> = r.get(17)?;
    let mut state = if in_flight_then.is_some() { State::Interrupted } else { State::Ended };
    if outcome.is_none() {
        state = State::UnderWay;
        let owner = Owner { pid: r.get(18)?, start: r.get::<_, i64>(19)? as u64, boot: r.get(20)? };
        // a journal that may not be written to still tells the truth
        if owner.is_gone() {
            state = State::Interrupted;
            outcome = Some("interrupted".into());
            in_flight_then = Some(in_flight(c, key, &stage)?);
        }
    }
    let tags = c
        .prepare("SELECT tag FROM tag WHERE call = ?1 ORDER BY tag")?
        .query_map([key], |r| r.get(0))?
        .collect::<rusqlite::Result<Vec<String>>>()?;
    let begun_ms = r.get(8)?;
    Ok(Summary {
        id: r.get(1)?,
        state,
        line: r.get(2)?,
        port: r.get(3)?,
        command: r.get(4)?,
        direction: r.get(5)?,
        number: r.get(6)?,
        name: r.get(7)?,
        begun: utc(begun_ms),
        seconds: rounded(after(r.get(10)?)),
        answered_after: rounded(after(r.get(11)?)),
        outcome,
        exit: r.get(14)?,
        q850: r.get(15)?,
        target: r.get(16)?,
        in_flight: in_flight_then,
        tags,
        note_count: r.get(21)?,
        begun_ms,
        key,
    })
}

fn show(c: &Connection, id: &str) -> rusqlite::Result<Option<Whole>> {
    let mut statement = c.prepare(&format!("{SUMMARY} WHERE id = ?1"))?;
    let mut rows = statement.query([id])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let summary = summary(c, row)?;
    let key = summary.key;
    let seconds = |us: i64| (us / 1000) as f64 / 1000.0;
    let legs = c
        .prepare("SELECT number, name, begun_us, answered_us, outcome FROM leg WHERE call = ?1 ORDER BY n")?
        .query_map([key], |r| {
            Ok(LegSeen {
                number: r.get(0)?,
                name: r.get(1)?,
                t: seconds(r.get(2)?),
                answered_t: r.get::<_, Option<i64>>(3)?.map(seconds),
                outcome: r.get(4)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    let intents = c
        .prepare("SELECT at_us, what, outcome FROM intent WHERE call = ?1 ORDER BY n")?
        .query_map([key], |r| Ok(IntentSeen { t: seconds(r.get(0)?), what: r.get(1)?, outcome: r.get(2)? }))?
        .collect::<rusqlite::Result<_>>()?;
    let notes = c
        .prepare("SELECT at_ms, author, text FROM note WHERE call = ?1 ORDER BY key")?
        .query_map([key], |r| {
            let at_ms = r.get(0)?;
            Ok(Note { at: utc(at_ms), author: r.get(1)?, text: r.get(2)?, at_ms })
        })?
        .collect::<rusqlite::Result<_>>()?;
    let events = c
        .prepare("SELECT at_us, who, what FROM event WHERE call = ?1 ORDER BY n")?
        .query_map([key], |r| Ok(line(r.get(0)?, &r.get::<_, String>(1)?, &r.get::<_, String>(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Some(Whole { summary, legs, intents, notes, events }))
}

/// The line as `watch` prints it; of a newer version's actor too.
fn line(at_us: i64, who: &str, what: &str) -> String {
    let at = Time::us(at_us.max(0) as u64);
    let text = format!("{at} {who} {what}");
    text.parse::<Record>().map_or(text, |record| record.to_string())
}
