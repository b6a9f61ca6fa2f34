//! One process per line: a lock that dies with its holder, and that says who he is.
//!
//! The truth is the kernel's: flock(2) on `<line>.lock`, gone the moment its holder is, however he went. What the file
//! says (pid, command, user, since) is only for people, and is checked against the kernel's own list. The file is never
//! removed: whoever had opened it before would lock a file that nobody else can find.
//!
//! flock has no way to ask without locking, so a look at a lock is a shared lock for some microseconds, and a taker who
//! meets one tries again. To read the kernel's list instead would stop all locking of the machine for milliseconds, and
//! on btrfs, on overlays and from other containers it numbers things differently: it is only asked who holds what we
//! know to be held.
//!
//! A line with a device node is also locked the way that other programs know: see [`uucp`](super::uucp).

use super::place::{Places, file_name, group, user_name};
use super::uucp::{self, Refused, UucpLock};
use crate::error::{Error, Exit};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::libc;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{fmt, fs, thread};

/// The right to a line, while it lives.
#[derive(Debug)]
pub struct LineLock {
    line: String,
    socket: PathBuf,
    /// Goes before the kernel's lock, under which it was taken.
    _uucp: Option<UucpLock>,
    file: Flock<File>,
    /// systemd-tmpfiles leaves alone what lies in a locked directory (tmpfiles.d(5)): `/tmp` is swept by age.
    _dir: Option<Flock<File>>,
}

/// Who has the line. What is not known is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// As the owner knows it: the name of the file may be a hash of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// UTC, `2026-02-03T14:05:06Z`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The file that says so.
    #[serde(skip)]
    pub lock_file: Option<PathBuf>,
    /// It is another's, `user`'s, and we may not read it.
    #[serde(skip)]
    pub closed: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum TakeError {
    Held(Box<Held>),
    /// There is no place for locks, or it cannot be written.
    Failed(Error),
}

/// How often a waiter tries: far below what a person notices, far above what a processor does.
const RETRY: Duration = Duration::from_millis(50);
/// A look at a lock lasts microseconds.
const LOOKED_AT: Duration = Duration::from_millis(2);
const TRIES: u32 = 8;
/// A lock file is one line; a longer one is not ours.
const CONTENTS_MAX: u64 = 4096;

impl LineLock {
    /// Takes the line for `command` (`tipring answer`), or says who has it.
    pub fn take(places: &Places, line: &str, command: &str) -> Result<LineLock, TakeError> {
        let dir = places.own()?;
        let path = dir.join(format!("{}.lock", file_name(line)));
        let failed = |e: io::Error| cannot_lock(line, &path, &e);
        let mut attempt = 0;
        loop {
            attempt += 1;
            let file = open_or_create(&path).map_err(failed)?;
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                // somebody removed the file between the two calls: it locks nothing
                Ok(file) if !same_file(&file, &path) && attempt < TRIES => continue,
                Ok(file) => {
                    // a session, cron and root may have different directories, and the line is one
                    if let Some(held) = places.dirs().iter().filter(|d| **d != dir).find_map(|d| holder_in(d, line)) {
                        return Err(TakeError::Held(Box::new(held)));
                    }
                    let uucp = match places.uucp(line).map(|(dir, name)| UucpLock::take(dir, &name)) {
                        Some(Err(Refused::Held(holder))) => return Err(TakeError::Held(Box::new(Held::from(holder)))),
                        Some(Err(Refused::InTheWay { path, what })) => return Err(in_the_way(line, &path, what)),
                        Some(Ok(uucp)) => uucp,
                        None => None,
                    };
                    let mut lock = LineLock {
                        _uucp: uucp,
                        line: line.to_string(),
                        socket: dir.join(format!("{}.sock", file_name(line))),
                        file,
                        _dir: File::open(&dir).ok().and_then(|d| Flock::lock(d, FlockArg::LockSharedNonblock).ok()),
                    };
                    lock.sign(command);
                    return Ok(lock);
                }
                Err((file, Errno::EWOULDBLOCK)) => {
                    if kernels_holder(&file).is_some() || attempt >= TRIES {
                        return Err(TakeError::Held(Box::new(described(&file, &path))));
                    }
                    thread::sleep(LOOKED_AT);
                }
                Err((_, Errno::EINTR)) => {}
                Err((_, e)) => return Err(failed(e.into())),
            }
        }
    }

    /// The same, patiently: tries until `within` has passed. `go_on` is asked before every wait and told who has the
    /// line: `false` gives up at once (a signal came).
    pub fn take_wait(
        places: &Places,
        line: &str,
        command: &str,
        within: Duration,
        mut go_on: impl FnMut(&Held) -> bool,
    ) -> Result<LineLock, TakeError> {
        let begin = Instant::now();
        loop {
            let held = match LineLock::take(places, line, command) {
                Err(TakeError::Held(held)) => held,
                done => return done,
            };
            let left = within.saturating_sub(begin.elapsed());
            if left.is_zero() || !go_on(&held) {
                return Err(TakeError::Held(held));
            }
            thread::sleep(RETRY.min(left));
        }
    }

    pub fn line(&self) -> &str {
        &self.line
    }

    /// Where the owner of this line listens.
    pub fn socket_path(&self) -> &Path {
        &self.socket
    }

    /// A full disk must not stop a call: unsigned, the lock still locks, and the kernel still knows the pid.
    fn sign(&mut self, command: &str) {
        let held = Held {
            line: Some(self.line.clone()),
            pid: Some(std::process::id()),
            command: Some(command.to_string()),
            user: Some(user_name(nix::unistd::Uid::effective().as_raw())),
            since: Some(utc(SystemTime::now())),
            ..Held::default()
        };
        let line = serde_json::to_string(&held).unwrap_or_default();
        let file: &mut File = &mut self.file;
        let written =
            file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0))).and_then(|_| writeln!(file, "{line}"));
        if written.is_err() {
            let _ = file.set_len(0);
        }
    }
}

impl Drop for LineLock {
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
    }
}

/// Who has the line, if anybody; for `lines`.
pub fn holder(places: &Places, line: &str) -> Option<Held> {
    places.dirs().iter().find_map(|dir| holder_in(dir, line)).or_else(|| stranger(places, line))
}

/// Every line that one of us holds, whatever it is called; for `lines`.
pub fn all_held(places: &Places) -> Vec<(String, Held)> {
    let files = places.dirs().into_iter().filter_map(|dir| fs::read_dir(dir).ok()).flatten().flatten();
    let mut all: Vec<(String, Held)> = files
        .filter_map(|file| {
            let path = file.path();
            let name = path.file_name()?.to_str()?.strip_suffix(".lock")?.to_string();
            let held = holder_at(&path)?;
            // whoever may lock may write: a line that is not of this file's name is not believed
            let told = held.line.as_deref().filter(|line| file_name(line) == name).map(str::to_string);
            let line = told.or_else(|| (!name.contains('~')).then(|| name.replace('.', "/")))?;
            Some((line, held))
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all.dedup_by(|a, b| a.0 == b.0);
    all
}

/// A program that knows nothing of us.
fn stranger(places: &Places, line: &str) -> Option<Held> {
    let (dir, name) = places.uucp(line)?;
    uucp::holder(dir, &name).map(Held::from)
}

impl From<uucp::Holder> for Held {
    fn from(holder: uucp::Holder) -> Held {
        let runs_as = || holder.pid.and_then(|pid| fs::metadata(format!("/proc/{pid}")).ok()).map(|m| m.uid());
        Held {
            line: None,
            pid: holder.pid,
            command: holder.command,
            user: holder.closed_by.or_else(runs_as).map(user_name),
            since: None,
            lock_file: Some(holder.path),
            closed: holder.closed_by.is_some(),
        }
    }
}

fn holder_in(dir: &Path, line: &str) -> Option<Held> {
    holder_at(&dir.join(format!("{}.lock", file_name(line))))
}

fn holder_at(path: &Path) -> Option<Held> {
    let file = open(path, false).ok()?;
    match Flock::lock(file, FlockArg::LockSharedNonblock) {
        Ok(_) => None,
        Err((file, _)) => {
            let held = described(&file, path);
            // whom nobody knows has let go of it in the meantime, or is another system's
            let gone = held.pid.is_none() && Flock::lock(file, FlockArg::LockSharedNonblock).is_ok();
            (!gone).then_some(held)
        }
    }
}

impl Held {
    /// As an error: for the command that wanted the line now.
    pub fn explain(&self, line: &str) -> Error {
        let ours = "act on its call with hangup, flash, dtmf or transfer, or wait for the line with --wait";
        let next = match self.of_a_stranger() {
            None => ours.to_string(),
            Some(how) => format!("wait for the line with --wait, or {how}"),
        };
        Error::new(Exit::InUse, format!("line {line} is in use"), self.to_string(), next)
    }

    /// And for the command that waited in vain.
    pub fn still_busy(&self, line: &str, waited: Duration) -> Error {
        let what = format!("line {line} is still in use after {} s", waited.as_secs_f32());
        let how = self.of_a_stranger().unwrap_or_else(|| "end its call with hangup".into());
        Error::new(Exit::StillBusy, what, self.to_string(), format!("wait longer with --wait, or {how}"))
    }

    /// How to have the line from a program that knows nothing of us and does what none of our commands say.
    fn of_a_stranger(&self) -> Option<String> {
        let file = self.lock_file.as_ref().filter(|f| uucp::is_lock(f))?;
        let shown = crate::error::printable(&file.to_string_lossy());
        let user = self.user.as_deref().unwrap_or("its user");
        let ours =
            nix::unistd::Uid::effective().is_root() || self.user == Some(user_name(nix::unistd::getuid().as_raw()));
        let sudo = if ours { "" } else { "sudo " };
        Some(match self.pid {
            _ if self.closed => format!("ask {user}; `sudo cat {shown}` says which pid holds it"),
            // a number of before the machine, or the container, was started anew
            Some(1) => format!("remove its lock if pid 1 is no program of that line's: `{sudo}rm {shown}`"),
            Some(pid) => format!("ask {user} to end it, or end it yourself: `{sudo}kill {pid}`"),
            None => format!("ask who uses that line; {shown} does not say which process it is"),
        })
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "held by pid {pid}")?,
            None => write!(f, "held by another process")?,
        }
        if let Some(command) = &self.command {
            write!(f, " ({command})")?;
        }
        if let Some(since) = &self.since {
            write!(f, ", since {since}")?;
        }
        if let Some(file) = &self.lock_file {
            write!(f, ", lock file {}", crate::error::printable(&file.to_string_lossy()))?;
        }
        if self.closed {
            write!(f, ", which belongs to {} and cannot be read", self.user.as_deref().unwrap_or("another user"))?;
        }
        Ok(())
    }
}

impl TakeError {
    pub fn explain(self, line: &str) -> Error {
        match self {
            TakeError::Held(held) => held.explain(line),
            TakeError::Failed(e) => e,
        }
    }
}

impl From<Error> for TakeError {
    fn from(e: Error) -> TakeError {
        TakeError::Failed(e)
    }
}

/// What is known of the holder of this file. The kernel's pid goes before the file's: between locking and signing the
/// file still tells of the one before.
fn described(file: &File, path: &Path) -> Held {
    Held { lock_file: Some(path.to_path_buf()), ..told_or_kernels(file) }
}

fn told_or_kernels(file: &File) -> Held {
    let pid = kernels_holder(file);
    for _ in 0..TRIES {
        let told = contents(file);
        match (pid, told) {
            (None, Some(told)) => return told,
            (Some(pid), Some(told)) if told.pid == Some(pid) => return told,
            _ => thread::sleep(LOOKED_AT / 2),
        }
    }
    let Some(pid) = pid else { return Held::default() };
    let proc_dir = PathBuf::from(format!("/proc/{pid}"));
    Held {
        pid: Some(pid),
        command: fs::read_to_string(proc_dir.join("comm")).ok().map(|c| shortened(c.trim_end())),
        user: fs::metadata(&proc_dir).ok().map(|m| user_name(m.uid())),
        ..Held::default()
    }
}

fn contents(file: &File) -> Option<Held> {
    let mut text = String::new();
    let mut file = file;
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(CONTENTS_MAX).read_to_string(&mut text).ok()?;
    let held: Held = serde_json::from_str(&text).ok()?;
    let short = |text: Option<String>| text.map(|t| shortened(&t));
    let (command, user, since) = (short(held.command), short(held.user), short(held.since));
    Some(Held { line: held.line, pid: held.pid, command, user, since, ..Held::default() })
}

/// Whoever may lock may write: a line of text for a terminal is made of it.
fn shortened(text: &str) -> String {
    crate::error::printable(&text.chars().take(100).collect::<String>())
}

/// The pid of the process that holds this file's exclusive flock, as the kernel lists it.
fn kernels_holder(file: &File) -> Option<u32> {
    let meta = file.metadata().ok()?;
    exclusive_flock(&fs::read_to_string("/proc/locks").ok()?, meta.dev(), meta.ino())
}

/// `1: FLOCK  ADVISORY  WRITE 4711 fe:00:10010783 0 EOF` (proc(5)); after `->` come those who wait.
fn exclusive_flock(locks: &str, dev: u64, ino: u64) -> Option<u32> {
    let place = format!("{:02x}:{:02x}:{ino}", nix::sys::stat::major(dev), nix::sys::stat::minor(dev));
    locks.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (kind, _advisory, mode) = (words.next()?, words.next()?, words.next()?);
        let (pid, at) = (words.next()?, words.next()?);
        (kind == "FLOCK" && mode == "WRITE" && at == place).then(|| pid.parse().ok().filter(|&p| p > 0))?
    })
}

/// Opens the lock file, made with its final mode before anybody can find it: another member of the group who came
/// between making and `chmod` would be told that he is not permitted.
fn open_or_create(path: &Path) -> io::Result<File> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    loop {
        match open(path, true) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            done => return done,
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let new = path.with_file_name(format!(".{}.{number}.new", std::process::id()));
        // of a process of the same number that was killed just here
        let _ = fs::remove_file(&new);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        // outside the shared directory there may be no such group, or we not in it: then the file is for one user
        let _ = nix::unistd::fchown(&file, None, group());
        let linked = file.set_permissions(fs::Permissions::from_mode(0o660)).and_then(|()| fs::hard_link(&new, path));
        fs::remove_file(&new)?;
        match linked {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
            _ => {}
        }
    }
}

/// Not through a link, not waiting for a pipe's other end, not becoming a terminal's session: whatever lies there.
fn open(path: &Path, write: bool) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
    let file = OpenOptions::new().read(true).write(write).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a plain file"));
    }
    Ok(file)
}

fn same_file(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(a), Ok(b)) => a.dev() == b.dev() && a.ino() == b.ino(),
        _ => false,
    }
}

/// What no program puts there is not ours to take away.
fn in_the_way(line: &str, path: &Path, what: &str) -> TakeError {
    let path = crate::error::printable(&path.to_string_lossy());
    let next = "remove it: no program makes such a lock (`tipring doctor` says how)";
    TakeError::Failed(Error::new(Exit::Port, format!("cannot lock line {line}"), format!("{path} is {what}"), next))
}

fn cannot_lock(line: &str, path: &Path, e: &io::Error) -> TakeError {
    let (why, next) = match e.raw_os_error() {
        Some(libc::ELOOP) => (
            format!("{} is a symbolic link", path.display()),
            "remove it: nothing of tipring makes links there".to_string(),
        ),
        Some(libc::EACCES) | Some(libc::EPERM) => (
            format!("permission denied on {}", path.display()),
            format!("join the group {} and log in again", super::place::GROUP),
        ),
        _ => (
            format!("{}: {e}", path.display()),
            "set TIPRING_RUNTIME_DIR to a directory of your own that can be written".to_string(),
        ),
    };
    TakeError::Failed(Error::new(Exit::Port, format!("cannot lock line {line}"), why, next))
}

/// RFC 3339 in UTC. The days are counted in eras of 400 years that begin in March, so that the leap day ends a year.
fn utc(at: SystemTime) -> String {
    let seconds = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (h, m, s) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_loser_is_told_who_holds_the_line_in_one_sentence() {
        let held = Held {
            pid: Some(4711),
            command: Some("tipring answer".into()),
            user: Some("alice".into()),
            since: Some("2026-02-03T14:05:06Z".into()),
            lock_file: Some("/run/tipring/dahdi.1.lock".into()),
            ..Held::default()
        };
        assert_eq!(
            held.to_string(),
            "held by pid 4711 (tipring answer), since 2026-02-03T14:05:06Z, lock file /run/tipring/dahdi.1.lock"
        );
        assert_eq!(held.explain("dahdi/1").exit, Exit::InUse);
        assert_eq!(held.still_busy("dahdi/1", Duration::from_secs(5)).exit, Exit::StillBusy);
    }

    #[test]
    fn the_holder_that_is_not_one_of_us_is_not_to_be_asked_by_our_commands() {
        let minicom = Held {
            pid: Some(4711),
            command: Some("minicom".into()),
            user: Some("bob".into()),
            lock_file: Some("/var/lock/LCK..dahdi_1".into()),
            ..Held::default()
        };
        let next = |held: &Held| {
            let (now, later) = (held.explain("dahdi/1"), held.still_busy("dahdi/1", Duration::from_secs(5)));
            assert!(!format!("{}{}", now.next, later.next).contains("hangup"), "{now} {later}");
            assert_eq!(now.exit, Exit::InUse);
            now.next
        };
        assert!(next(&minicom).contains("ask bob") && next(&minicom).contains("kill 4711`"), "{}", next(&minicom));
        let init = Held { pid: Some(1), ..minicom.clone() };
        assert!(!next(&init).contains("kill") && next(&init).contains("rm /var/lock/LCK..dahdi_1`"), "{}", next(&init));
        let closed = Held { pid: None, command: None, user: Some("root".into()), closed: true, ..minicom.clone() };
        assert!(next(&closed).contains("ask root; `sudo cat /var/lock/LCK..dahdi_1`"), "{}", next(&closed));
        assert_eq!(
            closed.to_string(),
            "held by another process, lock file /var/lock/LCK..dahdi_1, which belongs to root and cannot be read"
        );
        assert!(!next(&Held { pid: None, ..minicom }).contains("kill"));
    }

    #[test]
    fn the_kernels_list_names_the_holder_and_nobody_who_looks_or_waits() {
        let list = "1: FLOCK  ADVISORY  WRITE 41 fe:00:12 0 EOF\n1: -> FLOCK  ADVISORY  WRITE 42 fe:00:12 0 EOF\n\
                    2: POSIX  ADVISORY  WRITE 43 fe:00:13 0 EOF\n3: FLOCK  ADVISORY  READ  44 fe:00:14 0 EOF\n\
                    4: FLOCK  ADVISORY  WRITE 45 fe:01:13 0 EOF\n5: FLOCK  ADVISORY  WRITE -1 fe:00:15 0 EOF\n";
        let dev = nix::sys::stat::makedev(0xfe, 0);
        let holders: Vec<_> = (12..=15).map(|ino| exclusive_flock(list, dev, ino)).collect();
        assert_eq!(holders, [Some(41), None, None, None]);
    }

    #[test]
    fn times_are_written_in_utc() {
        let at = |s| utc(UNIX_EPOCH + Duration::from_secs(s));
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_827_696), "2000-02-29T12:34:56Z");
        assert_eq!(at(1_767_225_599), "2025-12-31T23:59:59Z");
        assert_eq!(at(4_107_542_400), "2100-03-01T00:00:00Z");
    }

    proptest! {
        #[test]
        fn no_list_of_locks_panics_us(text in ".*") {
            let _ = exclusive_flock(&text, 1, 2);
        }
    }
}
