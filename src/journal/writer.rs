//! The one thread of a call that owns the connection. Whoever has the line only ever hands things over to it.

use super::call_log::{Direction, NewCall};
use super::owner::Owner;
use super::place::Surroundings;
use super::store::{Durability, move_aside};
use super::{JournalError, Store};
use crate::record::Record;
use rusqlite::{OptionalExtension, Transaction, params};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Events are written in batches: as rarely as this while nothing important happens.
const BATCH: Duration = Duration::from_millis(500);
/// After an attempt that failed: a disk that is full now may have room later, and must not be hammered until then.
const RETRY: Duration = Duration::from_secs(1);
/// How long another process's commit is waited for.
const BUSY: Duration = Duration::from_millis(500);
/// What is kept in memory for a journal that does not take it.
const PENDING_MAX: usize = 10_000;

/// A call as its row stands now: written whole each time, so that a new journal in the place of a damaged one has it too.
#[derive(Clone, Debug)]
pub struct Row {
    pub id: String,
    pub new: NewCall,
    pub begun_ms: i64,
    pub begun_us: i64,
    pub lasted_us: Option<i64>,
    pub answered_us: Option<i64>,
    pub stage: &'static str,
    pub outcome: Option<String>,
    pub exit: Option<u8>,
    pub q850: Option<u8>,
    pub target: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Leg {
    pub number: Option<String>,
    pub name: Option<String>,
    pub begun_us: i64,
    pub answered_us: Option<i64>,
    pub outcome: Option<String>,
}

pub enum Order {
    Row(Box<Row>),
    Event(Record),
    Leg(usize, Leg),
    /// Something is about to be done: committed at once, and told when it is (or cannot be).
    Intent {
        n: usize,
        at_us: i64,
        what: String,
        done: SyncSender<bool>,
    },
    Outcome {
        n: usize,
        outcome: String,
    },
    /// The call is over: the same. Then there is time for calls that are older than they are to be kept.
    End {
        keep: Option<Duration>,
        done: SyncSender<bool>,
    },
}

/// What the thread tells whoever has the line.
#[derive(Default)]
pub struct Told {
    /// What is wrong with the journal, once.
    pub warning: Mutex<Option<String>>,
    /// The call is in the journal.
    pub stored: std::sync::atomic::AtomicBool,
    /// The last attempt failed: there is nothing to wait for.
    pub failing: std::sync::atomic::AtomicBool,
}

impl Told {
    pub fn set_warning(&self, warning: String) {
        if let Ok(mut slot) = self.warning.lock() {
            *slot = Some(warning);
        }
    }
}

pub fn run(place: Surroundings, orders: &Receiver<Order>, told: Arc<Told>) {
    Writer {
        place,
        told,
        store: None,
        row: None,
        row_changed: false,
        events: Vec::new(),
        events_told: 0,
        legs: Vec::new(),
        intents: Vec::new(),
        outcomes: Vec::new(),
        retry_at: None,
        warned: false,
        keep: None,
    }
    .serve(orders);
}

struct Writer {
    place: Surroundings,
    told: Arc<Told>,
    store: Option<Store>,
    row: Option<Box<Row>>,
    row_changed: bool,
    events: Vec<(i64, Record)>,
    events_told: i64,
    legs: Vec<(usize, Leg)>,
    intents: Vec<(usize, i64, String)>,
    outcomes: Vec<(usize, String)>,
    retry_at: Option<Instant>,
    warned: bool,
    keep: Option<Duration>,
}

impl Writer {
    fn serve(mut self, orders: &Receiver<Order>) {
        // made ready before it is needed: the first intent has somebody waiting
        let opened = self.open();
        self.tell(opened);
        let mut flush_at: Option<Instant> = None;
        loop {
            let wait = flush_at.map_or(Duration::from_secs(3600), |at| at.saturating_duration_since(Instant::now()));
            let mut waiting = Vec::new();
            let mut ended = false;
            match orders.recv_timeout(wait) {
                Ok(order) => {
                    ended |= self.take(order, &mut waiting);
                    while let Ok(order) = orders.try_recv() {
                        ended |= self.take(order, &mut waiting);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                // the owner went without an end (it failed): what is known is written
                Err(RecvTimeoutError::Disconnected) => {
                    let _ = self.flush(Durability::Power);
                    return;
                }
            }
            let due = flush_at.is_some_and(|at| Instant::now() >= at);
            if !waiting.is_empty() || due {
                let durability = if waiting.is_empty() { Durability::Process } else { Durability::Power };
                // at the end there is no later: it is tried whenever the last attempt was
                let written = ended || self.retry_at.is_none_or(|at| Instant::now() >= at);
                let written = written && {
                    let result = self.flush(durability);
                    self.tell(result)
                };
                if ended
                    && written
                    && let (Some(keep), Some(store)) = (self.keep, &mut self.store)
                {
                    // another process is writing: another call's end has another chance
                    let _ = store.prune_in_passing(keep, super::call_log::now_ms());
                }
                for done in waiting {
                    let _ = done.try_send(written);
                }
                flush_at = None;
            }
            if self.has_pending() && flush_at.is_none() {
                flush_at = Some(self.retry_at.unwrap_or_else(|| Instant::now() + BATCH));
            }
            if ended {
                return;
            }
        }
    }

    fn take(&mut self, order: Order, waiting: &mut Vec<SyncSender<bool>>) -> bool {
        match order {
            Order::Row(row) => {
                self.row = Some(row);
                self.row_changed = true;
            }
            Order::Event(record) => {
                self.events_told += 1;
                if self.events.len() < PENDING_MAX {
                    self.events.push((self.events_told, record));
                }
            }
            Order::Leg(n, leg) => self.legs.push((n, leg)),
            Order::Intent { n, at_us, what, done } => {
                self.intents.push((n, at_us, what));
                waiting.push(done);
            }
            Order::Outcome { n, outcome } => self.outcomes.push((n, outcome)),
            Order::End { keep, done } => {
                self.keep = keep;
                waiting.push(done);
                return true;
            }
        }
        false
    }

    /// Events that came before the call began wait for it.
    fn has_pending(&self) -> bool {
        self.row.is_some()
            && (self.row_changed || !(self.events.is_empty() && self.legs.is_empty() && self.outcomes.is_empty()))
    }

    fn open(&mut self) -> Result<(), JournalError> {
        if self.store.is_some() {
            return Ok(());
        }
        let mut opened = Store::open(&self.place, BUSY);
        if let Err(JournalError::Damaged { path, why }) = &opened {
            let inode = Store::inode_of(path);
            // asked again: it may have been another's, moved away in the meantime
            opened = match Store::open(&self.place, BUSY) {
                Err(JournalError::Damaged { .. }) => {
                    self.begin_anew(path, inode, why)?;
                    Store::open(&self.place, BUSY)
                }
                other => other,
            };
        }
        let mut store = opened?;
        // of no concern to this call: the next look at the journal does it too
        let _ = store.mark_interrupted();
        self.store = Some(store);
        Ok(())
    }

    /// The damaged journal is moved aside.
    fn begin_anew(&mut self, path: &std::path::Path, inode: Option<(u64, u64)>, why: &str) -> Result<(), JournalError> {
        self.store = None;
        let stamp = super::when::stamp(std::time::SystemTime::now());
        if let Some(aside) = move_aside(path, inode, &stamp)? {
            self.warned = true;
            self.told.set_warning(format!(
                "the journal {} is damaged ({why}): it was moved to {} and a new one begun",
                path.display(),
                aside.display()
            ));
        }
        Ok(())
    }

    /// Writes everything that is pending, in one transaction.
    fn flush(&mut self, durability: Durability) -> Result<(), JournalError> {
        match self.flush_once(durability) {
            Err(JournalError::Damaged { path, why }) => {
                let inode = self.store.as_ref().and_then(Store::inode);
                self.begin_anew(&path, inode, &why)?;
                self.row_changed = true;
                self.flush_once(durability)
            }
            result => result,
        }
    }

    fn flush_once(&mut self, durability: Durability) -> Result<(), JournalError> {
        self.open()?;
        let (Some(row), Some(store)) = (&self.row, &mut self.store) else { return Ok(()) };
        let path = store.path().to_path_buf();
        let written = store.transaction(durability, |t| {
            let key = match key_of(t, row)? {
                Some(key) if !self.row_changed => key,
                key => write_row(t, key, row)?,
            };
            for (n, leg) in &self.legs {
                write_leg(t, key, *n, leg)?;
            }
            for (n, record) in &self.events {
                t.prepare("INSERT INTO event VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(params![
                    key,
                    n,
                    record.at.as_us() as i64,
                    record.who.name(),
                    record.what
                ])?;
            }
            for (n, at_us, what) in &self.intents {
                t.execute("INSERT INTO intent VALUES (?1, ?2, ?3, ?4, NULL)", params![key, *n as i64, at_us, what])?;
            }
            for (n, outcome) in &self.outcomes {
                let set = "UPDATE intent SET outcome = ?3 WHERE call = ?1 AND n = ?2";
                t.execute(set, params![key, *n as i64, outcome])?;
            }
            Ok(())
        });
        match written {
            Ok(()) => {
                self.row_changed = false;
                self.events.clear();
                self.legs.clear();
                self.intents.clear();
                self.outcomes.clear();
                self.told.stored.store(true, std::sync::atomic::Ordering::Release);
                Ok(())
            }
            Err(e) => Err(JournalError::of_sql(&path, &e)),
        }
    }

    /// What came of an attempt; `true`: it is written.
    fn tell(&mut self, result: Result<(), JournalError>) -> bool {
        let failing = result.is_err();
        self.told.failing.store(failing, std::sync::atomic::Ordering::Release);
        match result {
            Ok(()) => self.retry_at = None,
            Err(e) => {
                self.retry_at = Some(Instant::now() + RETRY);
                // a file that cannot be used now may be another one later
                self.store = None;
                if !std::mem::replace(&mut self.warned, true) {
                    let what = e.explain("").next;
                    self.told.set_warning(format!("the journal cannot be written: {e}; {what}; the call goes on"));
                }
            }
        }
        !failing
    }
}

fn key_of(t: &Transaction, row: &Row) -> rusqlite::Result<Option<i64>> {
    t.query_row("SELECT key FROM call WHERE id = ?1", [&row.id], |r| r.get(0)).optional()
}

fn write_row(t: &Transaction, key: Option<i64>, row: &Row) -> rusqlite::Result<i64> {
    let owner = Owner::this_process();
    let direction = match row.new.direction {
        Direction::In => "in",
        Direction::Out => "out",
    };
    t.prepare(
        "INSERT INTO call VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,NULL,?18,?19,?20)
         ON CONFLICT (key) DO UPDATE SET
             number = excluded.number, name = excluded.name, lasted_us = excluded.lasted_us,
             answered_us = excluded.answered_us, stage = excluded.stage, outcome = excluded.outcome,
             exit = excluded.exit, q850 = excluded.q850, target = excluded.target, in_flight = NULL",
    )?
    .execute(params![
        key,
        row.id,
        row.new.line,
        row.new.port,
        row.new.command,
        direction,
        row.new.number,
        row.new.name,
        row.begun_ms,
        row.begun_us,
        row.lasted_us,
        row.answered_us,
        row.stage,
        row.outcome,
        row.exit,
        row.q850,
        row.target,
        owner.pid,
        owner.start as i64,
        owner.boot
    ])?;
    match key {
        Some(key) => Ok(key),
        None => Ok(t.last_insert_rowid()),
    }
}

fn write_leg(t: &Transaction, key: i64, n: usize, leg: &Leg) -> rusqlite::Result<()> {
    t.prepare(
        "INSERT INTO leg VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (call, n) DO UPDATE SET number = excluded.number, name = excluded.name,
             answered_us = excluded.answered_us, outcome = excluded.outcome",
    )?
    .execute(params![key, n as i64, leg.number, leg.name, leg.begun_us, leg.answered_us, leg.outcome])?;
    Ok(())
}
