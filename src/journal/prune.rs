//! Old calls removed for good: what nobody may keep for ever, or wants to.
//!
//! A few calls a transaction, so that an owner's intent never waits behind a long one. What was removed is overwritten in
//! the file; the file itself does not become smaller, its room is used again. Calls under way are never removed, and
//! those with notes or tags only when that is asked for: somebody meant to keep them.

use super::store::Durability;
use super::{JournalError, Store};
use rusqlite::{Connection, params};
use std::time::Duration;

/// Calls in one transaction: some milliseconds.
pub const AT_ONCE: u32 = 10;

/// Which calls are old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Old {
    /// Milliseconds since 1970: calls that began before.
    pub before_ms: i64,
    /// Also those with notes or tags.
    pub noted: bool,
}

/// How many there are of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    pub calls: u64,
    /// They are as old, and stay for their notes or tags.
    pub spared: u64,
}

const ENDED_BEFORE: &str = "begun_ms < ?1 AND outcome IS NOT NULL";
const NOTED: &str = "(EXISTS (SELECT 1 FROM note WHERE note.call = call.key)
    OR EXISTS (SELECT 1 FROM tag WHERE tag.call = call.key))";

impl Store {
    /// What [`prune_some`](Store::prune_some) would remove, time and again.
    pub fn count_old(&self, old: Old) -> Result<Count, JournalError> {
        let count = |c: &Connection, clause: &str| {
            let sql = format!("SELECT count(*) FROM call WHERE {ENDED_BEFORE} {clause}");
            c.query_row(&sql, [old.before_ms], |r| r.get::<_, i64>(0))
        };
        self.sql(|c| {
            let (all, noted) = (count(c, "")?, count(c, &format!("AND {NOTED}"))?);
            let spared = if old.noted { 0 } else { noted };
            Ok(Count { calls: (all - spared).max(0) as u64, spared: spared as u64 })
        })
    }

    /// Removes the oldest of them, a few; how many. None: there are no more.
    pub fn prune_some(&mut self, old: Old) -> Result<usize, JournalError> {
        self.sql(|c| c.pragma_update(None, "secure_delete", true))?;
        let path = self.path().to_path_buf();
        let removed = self.transaction(Durability::Power, |t| {
            // all that belongs to a call goes with it
            let sql = format!(
                "DELETE FROM call WHERE key IN
                     (SELECT key FROM call WHERE {ENDED_BEFORE} AND (?2 OR NOT {NOTED}) ORDER BY begun_ms LIMIT ?3)"
            );
            t.execute(&sql, params![old.before_ms, old.noted, AT_ONCE])
        });
        removed.map_err(|e| JournalError::of_sql(&path, &e))
    }

    /// The same at the end of a call: only when no other process is writing right now.
    pub(super) fn prune_in_passing(&mut self, keep: Duration, now_ms: i64) -> Result<usize, JournalError> {
        let before_ms = now_ms.saturating_sub(i64::try_from(keep.as_millis()).unwrap_or(i64::MAX));
        let old = Old { before_ms, noted: false };
        if self.count_old(old)?.calls == 0 {
            return Ok(0);
        }
        self.sql(|c| c.busy_timeout(Duration::ZERO))?;
        self.prune_some(old)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::place::Surroundings;

    /// Calls at 1, 2, 3 … ms; the first is under way, the second has a note, the third a tag.
    fn journal(dir: &std::path::Path, calls: i64) -> Store {
        let place = Surroundings { explicit: Some(dir.to_path_buf()), ..Default::default() };
        let store = Store::open(&place, Duration::from_secs(5)).unwrap();
        for key in 1..=calls {
            let outcome = (key > 1).then_some("busy");
            let number = format!("555{key:04}");
            let c = &store.connection;
            c.execute(
                "INSERT INTO call VALUES (?1,?2,'l','p','dial','out',?3,NULL,?1,0,0,0,'s',?4,0,0,NULL,NULL,1,1,'')",
                params![key, format!("id{key}"), number, outcome],
            )
            .unwrap();
            c.execute("INSERT INTO leg VALUES (?1, 0, ?2, NULL, 0, NULL, NULL)", params![key, number]).unwrap();
            c.execute("INSERT INTO event VALUES (?1, 0, 0, 'us', 'off-hook')", [key]).unwrap();
        }
        store.connection.execute("INSERT INTO note (call, at_ms, author, text) VALUES (2, 0, 'ann', 'x')", []).unwrap();
        store.connection.execute("INSERT INTO tag VALUES (3, 'vip')", []).unwrap();
        store
    }

    fn keys(store: &Store) -> Vec<i64> {
        let mut statement = store.connection.prepare("SELECT key FROM call ORDER BY key").unwrap();
        let keys = statement.query_map([], |r| r.get(0)).unwrap();
        keys.collect::<Result<_, _>>().unwrap()
    }

    fn prune(store: &mut Store, old: Old) -> usize {
        std::iter::from_fn(|| Some(store.prune_some(old).unwrap())).take_while(|n| *n > 0).sum()
    }

    #[test]
    fn calls_older_than_that_go_with_all_that_belongs_to_them_but_no_call_under_way_and_none_that_was_noted() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = journal(dir.path(), 40);
        let old = Old { before_ms: 31, noted: false };
        assert_eq!(store.count_old(old), Ok(Count { calls: 27, spared: 2 }));
        assert_eq!(prune(&mut store, old), 27);
        let left: Vec<i64> = [1, 2, 3].into_iter().chain(31..=40).collect();
        assert_eq!(keys(&store), left);
        let count = |table: &str| {
            let sql = format!("SELECT count(*) FROM {table}");
            store.connection.query_row(&sql, [], |r| r.get::<_, i64>(0)).unwrap()
        };
        assert_eq!((count("leg"), count("event"), count("note"), count("tag")), (13, 13, 1, 1));
        assert_eq!(store.count_old(old), Ok(Count { calls: 0, spared: 2 }));
        let noted = Old { noted: true, ..old };
        assert_eq!(store.count_old(noted), Ok(Count { calls: 2, spared: 0 }));
        assert_eq!(prune(&mut store, noted), 2);
        assert_eq!(keys(&store), [1].into_iter().chain(31..=40).collect::<Vec<_>>());
        assert_eq!(store.examine(), Ok(()));
    }

    #[test]
    fn what_was_removed_is_not_to_be_read_in_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = journal(dir.path(), 30);
        prune(&mut store, Old { before_ms: 100, noted: true });
        drop(store);
        // the last to close it brings its log into the file
        let file = std::fs::read(dir.path().join("journal.db")).unwrap();
        assert!(!file.windows(7).any(|w| w == b"5550017"));
        assert!(file.windows(7).any(|w| w == b"5550001"), "the call under way is there");
    }

    #[test]
    fn in_passing_a_few_go_and_nobody_who_writes_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = journal(dir.path(), 30);
        let keep = Duration::from_millis(10);
        let lock = rusqlite::Connection::open(dir.path().join("journal.db")).unwrap();
        lock.execute_batch("BEGIN IMMEDIATE").unwrap();
        let begun = std::time::Instant::now();
        assert!(store.prune_in_passing(keep, 1_000).is_err());
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        lock.execute_batch("ROLLBACK").unwrap();
        assert_eq!(store.prune_in_passing(keep, 1_000), Ok(AT_ONCE as usize));
        assert_eq!(store.prune_in_passing(keep, 10), Ok(0), "none is as old");
    }
}
