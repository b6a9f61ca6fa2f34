//! The file: opened, brought to this version's schema, moved aside when it is damaged.

use super::JournalError;
use super::owner::Owner;
use super::place::{Surroundings, regular};
use nix::fcntl::{Flock, FlockArg};
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// `tprg`: in the file's header, so that file(1) and we know whose it is.
const APPLICATION_ID: i64 = 0x7470_7267;

/// By number: what is published is never changed, only followed by the next one.
const MIGRATIONS: [&str; 1] = [include_str!("migrations/0001_calls.sql")];

/// An open journal.
#[derive(Debug)]
pub struct Store {
    pub(super) connection: Connection,
    path: PathBuf,
    inode: Option<(u64, u64)>,
}

/// How sure a commit is when it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It outlives this process.
    Process,
    /// It outlives a power cut.
    Power,
}

impl Store {
    /// For writing; made if it is not there.
    pub fn open(place: &Surroundings, busy: Duration) -> Result<Store, JournalError> {
        let path = place.prepare()?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut store = Store::connect(&path, flags, busy)?;
        if store.check()? < MIGRATIONS.len() as i64 || store.is_new()? {
            store.migrate(busy)?;
        }
        store.has_all_tables()?;
        store.sql(|c| c.pragma_update(None, "foreign_keys", true))?;
        Ok(store)
    }

    /// For reading. A journal that nobody has begun is [`JournalError::Missing`].
    pub fn read(path: &Path, busy: Duration) -> Result<Store, JournalError> {
        regular(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let store = Store::connect(path, flags, busy)?;
        let version = match store.check() {
            // SQLite wants to write beside the file even to read it. Where we may not, and nobody else is writing, the
            // file alone is the whole truth.
            Err(JournalError::NotPermitted { .. }) if !has_log(path) => {
                let uri = format!("file:{}?immutable=1", percent_encoded(path));
                let flags = flags | OpenFlags::SQLITE_OPEN_URI;
                let store = Store::new(path, sql(path, Connection::open_with_flags(uri, flags))?);
                store.check()?;
                return store.not_empty();
            }
            version => version?,
        };
        if version < MIGRATIONS.len() as i64 {
            return store.not_empty();
        }
        Ok(store)
    }

    /// A file without a schema is a journal that nobody has written to yet.
    fn not_empty(self) -> Result<Store, JournalError> {
        match self.check()? {
            0 => Err(JournalError::Missing(self.path)),
            _ => Ok(self),
        }
    }

    fn connect(path: &Path, flags: OpenFlags, busy: Duration) -> Result<Store, JournalError> {
        let connection = sql(path, Connection::open_with_flags(path, flags))?;
        let store = Store::new(path, connection);
        store.sql(|c| c.busy_timeout(busy))?;
        // what a file of a stranger defines is not run by opening it
        store.sql(|c| c.pragma_update(None, "trusted_schema", false))?;
        Ok(store)
    }

    /// Whose it is, and which version.
    fn check(&self) -> Result<i64, JournalError> {
        // seen at one moment: another process may be making the tables right now
        let (application, schema, tables) = self.sql(|c| {
            let moment = c.unchecked_transaction()?;
            let pragma = |name| moment.pragma_query_value(None, name, |r| r.get::<_, i64>(0));
            let count = "SELECT count(*) FROM sqlite_schema WHERE type = 'table'";
            let tables: i64 = moment.query_row(count, [], |r| r.get(0))?;
            Ok((pragma("application_id")?, pragma("user_version")?, tables))
        })?;
        if application != APPLICATION_ID && (tables > 0 || schema != 0) {
            return Err(JournalError::NotOurs(self.path.clone()));
        }
        let known = MIGRATIONS.len() as i64;
        if schema > known {
            return Err(JournalError::Newer { path: self.path.clone(), schema, known });
        }
        Ok(schema)
    }

    fn is_new(&self) -> Result<bool, JournalError> {
        let mode: String = self.sql(|c| c.pragma_query_value(None, "journal_mode", |r| r.get(0)))?;
        Ok(mode != "wal")
    }

    fn migrate(&mut self, busy: Duration) -> Result<(), JournalError> {
        let deadline = Instant::now() + busy;
        // readers never wait for the writer then; where the file system cannot do it, they wait. SQLite itself does not
        // wait here for others who do the same.
        loop {
            let mode = self.sql(|c| c.pragma_update_and_check(None, "journal_mode", "wal", |r| r.get::<_, String>(0)));
            match mode {
                Err(JournalError::Locked(_)) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(e) => return Err(e),
                Ok(_) => break,
            }
        }
        let path = self.path.clone();
        self.transaction(Durability::Power, |t| {
            // another process may have been faster
            let from: u32 = t.pragma_query_value(None, "user_version", |r| r.get(0))?;
            for (number, migration) in MIGRATIONS.iter().enumerate().skip(from as usize) {
                t.execute_batch(migration)?;
                t.pragma_update(None, "user_version", number as i64 + 1)?;
            }
            t.pragma_update(None, "application_id", APPLICATION_ID)
        })
        .map_err(|e| JournalError::of_sql(&path, &e))
    }

    /// One transaction, whole or not at all.
    pub(super) fn transaction<T>(
        &mut self,
        durability: Durability,
        write: impl FnOnce(&rusqlite::Transaction) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let synchronous = match durability {
            Durability::Process => "normal",
            Durability::Power => "full",
        };
        self.connection.pragma_update(None, "synchronous", synchronous)?;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = write(&transaction)?;
        transaction.commit()?;
        Ok(done)
    }

    /// Calls whose owner is gone get the ending that nobody gave them. How many.
    pub fn mark_interrupted(&mut self) -> Result<usize, JournalError> {
        // asked first without locking: nearly always there are none
        if self.sql(orphans)?.is_empty() {
            return Ok(0);
        }
        let path = self.path.clone();
        self.transaction(Durability::Power, |t| {
            let orphans = orphans(t)?;
            for (key, in_flight) in &orphans {
                t.execute(
                    "UPDATE call SET outcome = 'interrupted', in_flight = ?2,
                         lasted_us = (SELECT max(at_us) FROM event WHERE call = ?1)
                     WHERE key = ?1 AND outcome IS NULL",
                    (key, in_flight),
                )?;
            }
            Ok(orphans.len())
        })
        .map_err(|e| JournalError::of_sql(&path, &e))
    }

    /// Reads all of it; what is wrong with it.
    pub fn examine(&self) -> Result<(), JournalError> {
        let said: String = self.sql(|c| c.query_row("PRAGMA quick_check(1)", [], |r| r.get(0)))?;
        match said.as_str() {
            "ok" => self.has_all_tables(),
            _ => Err(JournalError::Damaged { path: self.path.clone(), why: said }),
        }
    }

    /// A file can be whole to SQLite, and a table gone that some hand has dropped.
    fn has_all_tables(&self) -> Result<(), JournalError> {
        let version = self.check()?.clamp(0, MIGRATIONS.len() as i64) as usize;
        let names = |c: &Connection| -> rusqlite::Result<Vec<String>> {
            let mut tables = c.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?;
            tables.query_map([], |r| r.get(0))?.collect()
        };
        let wanted = Connection::open_in_memory().and_then(|c| {
            MIGRATIONS[..version].iter().try_for_each(|migration| c.execute_batch(migration))?;
            names(&c)
        });
        let (wanted, there) = (sql(&self.path, wanted)?, self.sql(names)?);
        match wanted.iter().find(|table| !there.contains(table)) {
            None => Ok(()),
            Some(table) => {
                Err(JournalError::Damaged { path: self.path.clone(), why: format!("its table `{table}` is gone") })
            }
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn sql<T>(&self, f: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, JournalError> {
        sql(&self.path, f(&self.connection))
    }

    fn new(path: &Path, connection: Connection) -> Store {
        Store { connection, path: path.to_path_buf(), inode: Store::inode_of(path) }
    }

    /// Which file it is: the name may mean another one by now.
    pub(super) fn inode(&self) -> Option<(u64, u64)> {
        self.inode
    }

    pub(super) fn inode_of(path: &Path) -> Option<(u64, u64)> {
        fs::metadata(path).ok().map(|m| (m.dev(), m.ino()))
    }
}

/// Moves a damaged journal aside; where to. `None`: another process did so already. `inode`: which file is damaged.
pub(super) fn move_aside(path: &Path, inode: Option<(u64, u64)>, stamp: &str) -> Result<Option<PathBuf>, JournalError> {
    let failed = |e: std::io::Error| JournalError::of_io(path, &e);
    // two owners find it at once, and the second must not move away the first one's new journal
    let lock = path.with_extension("lock");
    // nor does a pipe in its place hold anybody up
    let flags = nix::libc::O_NONBLOCK;
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600).custom_flags(flags);
    let file = options.open(lock).map_err(failed)?;
    let _lock = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, e)| failed(e.into()))?;
    if Store::inode_of(path) != inode {
        return Ok(None);
    }
    let aside = (0..100)
        .map(|n| match n {
            0 => format!("journal.db.damaged-{stamp}"),
            n => format!("journal.db.damaged-{stamp}-{n}"),
        })
        .map(|name| path.with_file_name(name))
        .find(|aside| !aside.exists())
        .unwrap_or_else(|| path.with_extension("db.damaged"));
    // its log goes first and along: a new journal must not find the log of another
    for suffix in ["-wal", "-shm"] {
        let beside = |of: &Path| {
            let mut name = of.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        match fs::rename(beside(path), beside(&aside)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(failed(e)),
            _ => {}
        }
    }
    fs::rename(path, &aside).map_err(failed)?;
    if let Some(dir) = path.parent() {
        let _ = File::open(dir).and_then(|d| d.sync_all());
    }
    Ok(Some(aside))
}

/// Calls under way whose owner is gone, and what they were doing.
fn orphans(c: &Connection) -> rusqlite::Result<Vec<(i64, String)>> {
    let mut under_way =
        c.prepare("SELECT key, owner_pid, owner_start, owner_boot, stage FROM call WHERE outcome IS NULL")?;
    let rows = under_way.query_map([], |r| {
        let owner = Owner { pid: r.get(1)?, start: r.get::<_, i64>(2)? as u64, boot: r.get(3)? };
        Ok((r.get::<_, i64>(0)?, owner, r.get::<_, String>(4)?))
    })?;
    let mut orphans = Vec::new();
    for row in rows {
        let (key, owner, stage) = row?;
        if owner.is_gone() {
            orphans.push((key, in_flight(c, key, &stage)?));
        }
    }
    Ok(orphans)
}

/// `transferring: flash 600ms`, or only where it was.
pub(super) fn in_flight(c: &Connection, key: i64, stage: &str) -> rusqlite::Result<String> {
    let open = c
        .query_row("SELECT what FROM intent WHERE call = ?1 AND outcome IS NULL ORDER BY n DESC LIMIT 1", [key], |r| {
            r.get::<_, String>(0)
        })
        .optional()?;
    Ok(match open {
        Some(what) => format!("{stage}: {what}"),
        None => stage.to_string(),
    })
}

fn sql<T>(path: &Path, result: rusqlite::Result<T>) -> Result<T, JournalError> {
    result.map_err(|e| JournalError::of_sql(path, &e))
}

/// Is there anything that is not in the file yet?
fn has_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    fs::metadata(log).is_ok_and(|m| m.len() > 0)
}

fn percent_encoded(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-_.~".contains(&b);
    let encode = |b: &u8| if plain(*b) { char::from(*b).to_string() } else { format!("%{b:02X}") };
    path.as_os_str().as_bytes().iter().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    fn place(dir: &Path) -> Surroundings {
        Surroundings { explicit: Some(dir.to_path_buf()), ..Default::default() }
    }

    #[test]
    fn a_new_journal_has_this_versions_schema_and_says_whose_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&place(dir.path()), SOON).unwrap();
        assert_eq!(store.check(), Ok(MIGRATIONS.len() as i64));
        let pragma = |name| store.connection.pragma_query_value(None, name, |r| r.get::<_, String>(0)).unwrap();
        assert_eq!(pragma("journal_mode"), "wal");
        assert_eq!(store.examine(), Ok(()));
    }

    #[test]
    fn a_journal_opens_twice_and_keeps_what_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let one = Store::open(&place(dir.path()), SOON).unwrap();
        let two = Store::open(&place(dir.path()), SOON).unwrap();
        one.connection
            .execute_batch(
                "INSERT INTO call VALUES (1,'a','l','p','dial','out',NULL,NULL,0,0,0,0,'s','x',0,0,NULL,NULL,1,1,'')",
            )
            .unwrap();
        assert_eq!(two.connection.query_row("SELECT count(*) FROM call", [], |r| r.get(0)), Ok(1));
    }

    #[test]
    fn many_who_begin_the_journal_at_once_all_have_it() {
        for _ in 0..10 {
            let dir = tempfile::tempdir().unwrap();
            let begin = std::sync::Barrier::new(8);
            std::thread::scope(|s| {
                for _ in 0..8 {
                    s.spawn(|| {
                        begin.wait();
                        Store::open(&place(dir.path()), SOON).unwrap();
                    });
                }
            });
        }
    }

    #[test]
    fn a_journal_of_a_newer_version_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&place(dir.path()), SOON).unwrap();
        store.connection.pragma_update(None, "user_version", 99).unwrap();
        drop(store);
        let e = Store::open(&place(dir.path()), SOON).unwrap_err();
        assert!(matches!(e, JournalError::Newer { schema: 99, .. }), "{e}");
        assert!(matches!(Store::read(&dir.path().join("journal.db"), SOON), Err(JournalError::Newer { .. })));
    }

    #[test]
    fn a_database_of_another_program_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let other = Connection::open(dir.path().join("journal.db")).unwrap();
        other.execute_batch("CREATE TABLE recipes (cake TEXT)").unwrap();
        let e = Store::open(&place(dir.path()), SOON).unwrap_err();
        assert!(matches!(e, JournalError::NotOurs(_)), "{e}");
    }

    #[test]
    fn what_is_no_database_is_damaged_and_an_empty_file_is_new() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        fs::write(&path, "this is no database at all, but long enough for a header".repeat(100)).unwrap();
        assert!(matches!(Store::open(&place(dir.path()), SOON), Err(JournalError::Damaged { .. })));
        fs::write(&path, "").unwrap();
        assert!(matches!(Store::read(&path, SOON), Err(JournalError::Missing(_))));
        assert!(Store::open(&place(dir.path()), SOON).is_ok());
    }

    #[test]
    fn a_journal_without_one_of_its_tables_is_damaged_to_who_writes_and_to_who_examines_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&place(dir.path()), SOON).unwrap();
        store.connection.execute_batch("DROP TABLE tag").unwrap();
        let gone = |e: JournalError| matches!(&e, JournalError::Damaged { why, .. } if why.contains("`tag`"));
        assert!(gone(store.examine().unwrap_err()));
        assert!(gone(Store::open(&place(dir.path()), SOON).unwrap_err()));
    }

    #[test]
    fn what_is_no_file_is_refused_at_once_and_a_link_to_a_file_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let link = |to: &Path| std::os::unix::fs::symlink(to, &path).unwrap();
        let in_the_way = |expected: &str| {
            for e in [Store::open(&place(dir.path()), SOON).unwrap_err(), Store::read(&path, SOON).unwrap_err()] {
                assert!(matches!(e, JournalError::InTheWay { what, .. } if what == expected), "{e}");
                assert_eq!(e.explain("cannot").exit, crate::error::Exit::Config);
            }
        };
        // the end that makes opening it not wait: a test that fails rather than hangs
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let end = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        in_the_way("a pipe");
        drop(end);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        in_the_way("a directory");
        fs::remove_dir(&path).unwrap();
        link(Path::new("/nonexistent/journal.db"));
        in_the_way("a link to nowhere");
        fs::remove_file(&path).unwrap();
        link(Path::new("/dev/null"));
        in_the_way("a link to what is no file");
        fs::remove_file(&path).unwrap();
        fs::write(dir.path().join("elsewhere.db"), "").unwrap();
        link(&dir.path().join("elsewhere.db"));
        assert!(Store::open(&place(dir.path()), SOON).is_ok());
    }

    #[test]
    fn a_file_in_the_place_of_the_directory_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("state");
        fs::write(&file, "").unwrap();
        for state in [file.clone(), file.join("deeper")] {
            let opened = Store::open(&place(&state), SOON).unwrap_err();
            let read = Store::read(&state.join("journal.db"), SOON).unwrap_err();
            for e in [opened, read] {
                assert_eq!(e, JournalError::InTheWay { path: file.clone(), what: "not a directory" });
            }
        }
    }

    #[test]
    fn of_two_who_find_the_damage_one_moves_it_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        fs::write(&path, "damaged").unwrap();
        fs::write(dir.path().join("journal.db-wal"), "its log").unwrap();
        let inode = Store::inode_of(&path);
        let aside = move_aside(&path, inode, "20260203").unwrap().unwrap();
        assert_eq!(fs::read_to_string(&aside).unwrap(), "damaged");
        assert_eq!(fs::read_to_string(dir.path().join("journal.db.damaged-20260203-wal")).unwrap(), "its log");
        fs::write(&path, "the new one").unwrap();
        assert_eq!(move_aside(&path, inode, "20260203"), Ok(None));
        assert_eq!(fs::read_to_string(&path).unwrap(), "the new one");
    }
}
