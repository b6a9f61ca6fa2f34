//! Lock files as every other program that opens telephone devices knows them: `/var/lock/LCK..NAME`.
//!
//! minicom, mgetty, uucico, pppd and fax programs look there and not at our locks. The file holds the holder's pid as ten
//! characters and a line end (the format of HDB UUCP, which the Filesystem Hierarchy Standard, 5.9 "/var/lock", took over);
//! some old ones write four bytes. One whose process is gone is stale, and whoever finds it may take it away.
//!
//! NAME is the device below `/dev`; a slash in it becomes `_`, as mgetty and picocom write it: `LCK..ttyACM0`,
//! `LCK..dahdi_1`. Among ourselves the kernel's lock decides; this one is taken under it, so that only strangers race.

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A lock file of ours, while it lives.
#[derive(Debug)]
pub struct UucpLock {
    path: PathBuf,
    pid: u32,
}

/// Who has the device. What is not known is absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    pub pid: Option<u32>,
    pub command: Option<String>,
    pub path: PathBuf,
    /// Whose the lock file is, when we may not read it.
    pub closed_by: Option<u32>,
}

/// Why a lock cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    Held(Holder),
    /// Something lies in its place that no program makes: `a directory`.
    InTheWay {
        path: PathBuf,
        what: &'static str,
    },
}

/// What lies where a lock file would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing, as far as we can see.
    Absent,
    Pid(u32),
    /// Nothing that is a pid: not written yet, or not by us; since when.
    Nothing(Option<Duration>),
    /// A lock file that we may not read, and whose it is: who keeps others from reading has not let go.
    Unreadable(u32),
    /// No regular file: `a directory`.
    Other(&'static str),
}

/// Between making a lock file and writing the pid to it lie microseconds; one that says nothing for so long never will.
const BEING_WRITTEN: Duration = Duration::from_secs(10);
const CONTENTS_MAX: u64 = 64;
const TRIES: u32 = 8;

impl UucpLock {
    /// Takes `name` in `dir` for this process. `Ok(None)`: there is no such directory, or no right or room to write to it,
    /// which is no reason to leave a line alone that nobody else holds.
    pub fn take(dir: &Path, name: &str) -> Result<Option<UucpLock>, Refused> {
        let pid = std::process::id();
        let path = path_of(dir, name);
        // where we may not write, others may have
        let Ok(new) = write_new(dir, pid) else { return is_free(&path).map(|()| None) };
        let taken = UucpLock::link(&new, &path, pid);
        let _ = fs::remove_file(&new);
        taken
    }

    fn link(new: &Path, path: &Path, pid: u32) -> Result<Option<UucpLock>, Refused> {
        for _ in 0..TRIES {
            match fs::hard_link(new, path) {
                Ok(()) => return Ok(Some(UucpLock { path: path.to_path_buf(), pid })),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(_) => return Ok(None),
            }
            is_free(path)?;
            if !take_away(path) {
                return Ok(None);
            }
        }
        Err(Refused::Held(Holder { pid: None, command: None, path: path.to_path_buf(), closed_by: None }))
    }
}

impl Drop for UucpLock {
    fn drop(&mut self) {
        // only while it is ours: somebody may have found it stale after our process was stopped for long
        if look(&self.path) == Found::Pid(self.pid) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Who has `name`, if anybody.
pub fn holder(dir: &Path, name: &str) -> Option<Holder> {
    holder_of(&path_of(dir, name))
}

/// The name of a device's lock: `dahdi/1` is `dahdi_1`.
pub fn lock_name(device: &Path, dev: &Path) -> Option<String> {
    let name = device.strip_prefix(dev).ok()?.to_str()?.replace('/', "_");
    (!name.is_empty() && !name.starts_with('.')).then_some(name)
}

/// Whether it is the name of a lock of this kind.
pub fn is_lock(path: &Path) -> bool {
    path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with("LCK.."))
}

fn path_of(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("LCK..{name}"))
}

fn holder_of(path: &Path) -> Option<Holder> {
    let holder = Holder { pid: None, command: None, path: path.to_path_buf(), closed_by: None };
    match look(path) {
        Found::Absent | Found::Other(_) => None,
        // left by a process of our number that was killed: we hold the kernel's lock
        Found::Pid(pid) if pid == std::process::id() => None,
        Found::Pid(pid) if is_gone(pid) => None,
        Found::Pid(pid) => Some(Holder { pid: Some(pid), command: command(pid), ..holder }),
        Found::Nothing(age) => age.is_none_or(|age| age <= BEING_WRITTEN).then_some(holder),
        Found::Unreadable(owner) => Some(Holder { closed_by: Some(owner), ..holder }),
    }
}

/// Whether nothing lies there, or what a process that is gone has left.
fn is_free(path: &Path) -> Result<(), Refused> {
    if let Found::Other(what) = look(path) {
        return Err(Refused::InTheWay { path: path.to_path_buf(), what });
    }
    holder_of(path).map_or(Ok(()), |holder| Err(Refused::Held(holder)))
}

/// What lies there. Nothing is followed and nothing waited for.
pub fn look(path: &Path) -> Found {
    let Ok(meta) = fs::symlink_metadata(path) else { return Found::Absent };
    if let Some(what) = no_file(&meta) {
        return Found::Other(what);
    }
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Found::Absent,
        Err(_) => return Found::Unreadable(meta.uid()),
    };
    // another may lie there by now
    let Ok(meta) = file.metadata() else { return Found::Unreadable(meta.uid()) };
    if let Some(what) = no_file(&meta) {
        return Found::Other(what);
    }
    let mut bytes = Vec::new();
    if file.take(CONTENTS_MAX).read_to_end(&mut bytes).is_err() {
        return Found::Unreadable(meta.uid());
    }
    match parse(&bytes) {
        Some(pid) => Found::Pid(pid),
        None => Found::Nothing(meta.modified().ok().and_then(|m| SystemTime::now().duration_since(m).ok())),
    }
}

/// What it is, if it is no regular file.
fn no_file(meta: &fs::Metadata) -> Option<&'static str> {
    let kind = meta.file_type();
    match () {
        () if kind.is_file() => None,
        () if kind.is_symlink() => Some("a symbolic link"),
        () if kind.is_dir() => Some("a directory"),
        () if kind.is_fifo() => Some("a pipe"),
        () if kind.is_socket() => Some("a socket"),
        () => Some("a device"),
    }
}

/// The pid in a lock file.
fn parse(bytes: &[u8]) -> Option<u32> {
    // the pid, and what some write behind it (minicom: its name and its user)
    let text = String::from_utf8_lossy(bytes);
    // a number of a process has a zero byte among its four (they end at 2^22), and may begin as digits do: 3127 is `7`, a
    // form feed and two zeros
    let binary = bytes.contains(&0).then(|| bytes.try_into().ok().map(i32::from_ne_bytes)).flatten();
    let ascii = || text.split_whitespace().next().and_then(|word| word.parse::<i32>().ok());
    binary.or_else(ascii).and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0)
}

fn is_gone(pid: u32) -> bool {
    i32::try_from(pid).map_or(true, |pid| kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH))
}

fn command(pid: u32) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(crate::error::printable(name.trim_end()))
}

/// Takes a stale lock away, and no other: between reading it and removing it somebody may have put his own there.
fn take_away(path: &Path) -> bool {
    let aside = temporary(path.parent().unwrap_or(Path::new("/")));
    if let Err(e) = fs::rename(path, &aside) {
        return e.kind() == io::ErrorKind::NotFound;
    }
    // a directory has one name only; where a file lies by now, it does not take its place
    if is_free(&aside).is_err() && fs::hard_link(&aside, path).is_err() && aside.is_dir() {
        let _ = fs::rename(&aside, path);
    }
    fs::remove_file(&aside).is_ok()
}

fn write_new(dir: &Path, pid: u32) -> io::Result<PathBuf> {
    let path = temporary(dir);
    let _ = fs::remove_file(&path);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        // others have to read who holds it
        .mode(0o644)
        .open(&path)
        .and_then(|mut file| writeln!(file, "{pid:>10}"));
    if written.is_err() {
        let _ = fs::remove_file(&path);
    }
    written.map(|()| path)
}

fn temporary(dir: &Path) -> PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    dir.join(format!("LTMP.{}.{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use std::process::{Child, Command, Stdio};

    /// A process that is not us: `cat`, until its input ends with the test.
    struct Somebody(Child);

    impl Somebody {
        fn new() -> Somebody {
            let child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
            // the kernel names a process a moment after it let us go on
            while command(child.id()).as_deref() != Some("cat") {
                std::thread::yield_now();
            }
            Somebody(child)
        }

        fn gone() -> u32 {
            Somebody::new().0.id()
        }
    }

    impl Drop for Somebody {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn the_lock_is_ten_characters_and_a_line_end_and_goes_with_its_holder() {
        let dir = tempfile::tempdir().unwrap();
        let lock = UucpLock::take(dir.path(), "dahdi_1").unwrap().unwrap();
        let text = fs::read_to_string(dir.path().join("LCK..dahdi_1")).unwrap();
        assert_eq!(text, format!("{:>10}\n", std::process::id()));
        assert_eq!(text.len(), 11);
        drop(lock);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left behind");
    }

    #[test]
    fn a_device_that_another_program_holds_is_left_to_it_and_we_know_who() {
        let dir = tempfile::tempdir().unwrap();
        let child = Somebody::new();
        let path = dir.path().join("LCK..ttyACM0");
        let pid = child.0.id();
        for text in [
            format!("{pid:>10}\n").into_bytes(),
            format!("{pid:>10} minicom ann\n").into_bytes(),
            pid.to_ne_bytes().to_vec(),
        ] {
            fs::write(&path, text).unwrap();
            let holder = Holder { pid: Some(pid), command: Some("cat".into()), path: path.clone(), closed_by: None };
            assert_eq!(UucpLock::take(dir.path(), "ttyACM0").unwrap_err(), Refused::Held(holder.clone()));
            assert_eq!(super::holder(dir.path(), "ttyACM0"), Some(holder));
        }
        assert!(path.exists());
    }

    #[test]
    fn a_binary_number_whose_bytes_look_like_digits_is_read_as_what_it_is() {
        for pid in [3127i32, 0x20_31, 0x3931, 49, 0x0a_35_36] {
            assert_eq!(parse(&pid.to_ne_bytes()), Some(pid as u32));
        }
        assert_eq!(parse(b"123\n"), Some(123));
    }

    #[test]
    fn a_lock_of_a_process_that_is_gone_is_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("LCK..dahdi_1");
        for text in
            [format!("{:>10}\n", Somebody::gone()), format!("{:>10}\n", std::process::id()), "2147483646\n".into()]
        {
            fs::write(&path, &text).unwrap();
            assert_eq!(super::holder(dir.path(), "dahdi_1"), None);
            let lock = UucpLock::take(dir.path(), "dahdi_1").unwrap().unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{:>10}\n", std::process::id()));
            drop(lock);
        }
    }

    #[test]
    fn a_lock_that_says_nothing_yet_is_held_and_one_that_never_will_is_stale() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("LCK..dahdi_1");
        fs::write(&path, "").unwrap();
        assert!(matches!(
            UucpLock::take(dir.path(), "dahdi_1"),
            Err(Refused::Held(Holder { pid: None, closed_by: None, .. }))
        ));
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
        assert!(UucpLock::take(dir.path(), "dahdi_1").unwrap().is_some());
    }

    #[test]
    fn a_lock_that_somebody_took_over_is_not_removed() {
        let dir = tempfile::tempdir().unwrap();
        let lock = UucpLock::take(dir.path(), "dahdi_1").unwrap().unwrap();
        let child = Somebody::new();
        fs::write(dir.path().join("LCK..dahdi_1"), format!("{:>10}\n", child.0.id())).unwrap();
        drop(lock);
        assert!(super::holder(dir.path(), "dahdi_1").is_some());
    }

    #[test]
    fn without_a_directory_for_locks_the_line_can_be_used() {
        assert!(UucpLock::take(Path::new("/nonexistent/lock"), "dahdi_1").unwrap().is_none());
    }

    /// As a user who is not root: only the calling thread's view of files changes (setfsuid(2)).
    fn as_nobody<T: Send>(f: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|s| {
            let nobody = s.spawn(|| {
                nix::unistd::setfsuid(nix::unistd::Uid::from_raw(65_534));
                f()
            });
            nobody.join().unwrap()
        })
    }

    #[test]
    fn a_lock_that_may_not_be_read_is_held_by_we_know_not_whom() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("LCK..dahdi_1");
        let child = Somebody::new();
        fs::write(&path, format!("{:>10}\n", child.0.id())).unwrap();
        let chmod = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        chmod(&path, 0o000);
        let owner = fs::metadata(&path).unwrap().uid();
        let closed = Holder { pid: None, command: None, path: path.clone(), closed_by: Some(owner) };
        // a directory that everybody writes to, and one for root alone
        for mode in [0o1777, 0o755] {
            chmod(dir.path(), mode);
            let taken = as_nobody(|| UucpLock::take(dir.path(), "dahdi_1"));
            assert_eq!(taken.unwrap_err(), Refused::Held(closed.clone()), "{mode:o}");
            assert_eq!(as_nobody(|| super::holder(dir.path(), "dahdi_1")), Some(closed.clone()));
        }
        chmod(&path, 0o444);
        let taken = as_nobody(|| UucpLock::take(dir.path(), "dahdi_1"));
        assert!(matches!(taken, Err(Refused::Held(Holder { pid: Some(_), .. }))), "{taken:?}");
        chmod(dir.path(), 0o755);
    }

    #[test]
    fn what_is_no_lock_file_is_left_where_it_lies() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("LCK..dahdi_1");
        let refused = |what: &'static str| {
            let taken = UucpLock::take(dir.path(), "dahdi_1").unwrap_err();
            assert_eq!(taken, Refused::InTheWay { path: path.clone(), what });
            assert_eq!(super::holder(dir.path(), "dahdi_1"), None);
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing moved and nothing left");
        };
        fs::create_dir(&path).unwrap();
        refused("a directory");
        fs::remove_dir(&path).unwrap();
        std::os::unix::fs::symlink("/nonexistent/lock", &path).unwrap();
        refused("a symbolic link");
        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        refused("a pipe");
    }

    #[test]
    fn a_device_is_named_by_its_path_below_dev() {
        let name = |device: &str| lock_name(Path::new(device), Path::new("/dev"));
        assert_eq!(name("/dev/ttyACM0").as_deref(), Some("ttyACM0"));
        assert_eq!(name("/dev/dahdi/1").as_deref(), Some("dahdi_1"));
        assert_eq!(name("/tmp/x"), None);
        assert_eq!(name("/dev"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_in_a_lock_panic_us(bytes in proptest::collection::vec(any::<u8>(), 0..70)) {
            let _ = parse(&bytes);
        }
    }
}
