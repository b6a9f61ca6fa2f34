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
use std::os::unix::fs::OpenOptionsExt;
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
}

/// What a lock file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Pid(u32),
    /// Nothing that is a pid: not written yet, or not by us.
    Nothing,
}

/// Between making a lock file and writing the pid to it lie microseconds; one that says nothing for so long never will.
const BEING_WRITTEN: Duration = Duration::from_secs(10);
const CONTENTS_MAX: u64 = 64;
const TRIES: u32 = 8;

impl UucpLock {
    /// Takes `name` in `dir` for this process. `Ok(None)`: there is no such directory, or no right or room to write to it,
    /// which is no reason to leave a line alone that nobody else holds.
    pub fn take(dir: &Path, name: &str) -> Result<Option<UucpLock>, Holder> {
        let pid = std::process::id();
        let path = path_of(dir, name);
        let Ok(new) = write_new(dir, pid) else { return Ok(None) };
        let taken = UucpLock::link(&new, &path, pid);
        let _ = fs::remove_file(&new);
        taken
    }

    fn link(new: &Path, path: &Path, pid: u32) -> Result<Option<UucpLock>, Holder> {
        for _ in 0..TRIES {
            match fs::hard_link(new, path) {
                Ok(()) => return Ok(Some(UucpLock { path: path.to_path_buf(), pid })),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(_) => return Ok(None),
            }
            if let Some(holder) = holder_of(path) {
                return Err(holder);
            }
            if !take_away(path) {
                return Ok(None);
            }
        }
        Err(Holder { pid: None, command: None, path: path.to_path_buf() })
    }
}

impl Drop for UucpLock {
    fn drop(&mut self) {
        // only while it is ours: somebody may have found it stale after our process was stopped for long
        if read(&self.path) == Some(Said::Pid(self.pid)) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Who has `name`, if anybody.
pub fn holder(dir: &Path, name: &str) -> Option<Holder> {
    holder_of(&path_of(dir, name))
}

/// What a lock file says of its holder.
pub fn pid_in(path: &Path) -> Option<u32> {
    match read(path)? {
        Said::Pid(pid) => Some(pid),
        Said::Nothing => None,
    }
}

/// The name of a device's lock: `dahdi/1` is `dahdi_1`.
pub fn lock_name(device: &Path, dev: &Path) -> Option<String> {
    let name = device.strip_prefix(dev).ok()?.to_str()?.replace('/', "_");
    (!name.is_empty() && !name.starts_with('.')).then_some(name)
}

fn path_of(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("LCK..{name}"))
}

fn holder_of(path: &Path) -> Option<Holder> {
    let path = path.to_path_buf();
    match read(&path)? {
        // left by a process of our number that was killed: we hold the kernel's lock
        Said::Pid(pid) if pid == std::process::id() => None,
        Said::Pid(pid) if is_gone(pid) => None,
        Said::Pid(pid) => Some(Holder { pid: Some(pid), command: command(pid), path }),
        Said::Nothing => {
            let age = fs::metadata(&path).ok()?.modified().ok().and_then(|m| SystemTime::now().duration_since(m).ok());
            let stale = age.is_some_and(|age| age > BEING_WRITTEN);
            (!stale).then_some(Holder { pid: None, command: None, path })
        }
    }
}

/// `None`: there is no file, or none that may be read.
fn read(path: &Path) -> Option<Said> {
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
    let mut bytes = Vec::new();
    file.take(CONTENTS_MAX).read_to_end(&mut bytes).ok()?;
    Some(parse(&bytes))
}

fn parse(bytes: &[u8]) -> Said {
    // the pid, and what some write behind it (minicom: its name and its user)
    let text = String::from_utf8_lossy(bytes);
    // a number of a process has a zero byte among its four (they end at 2^22), and may begin as digits do: 3127 is `7`, a
    // form feed and two zeros
    let binary = bytes.contains(&0).then(|| bytes.try_into().ok().map(i32::from_ne_bytes)).flatten();
    let ascii = || text.split_whitespace().next().and_then(|word| word.parse::<i32>().ok());
    match binary.or_else(ascii).and_then(|pid| u32::try_from(pid).ok()) {
        Some(pid) if pid > 0 => Said::Pid(pid),
        _ => Said::Nothing,
    }
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
    if holder_of(&aside).is_some() {
        let _ = fs::hard_link(&aside, path);
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
            let holder = Holder { pid: Some(pid), command: Some("cat".into()), path: path.clone() };
            assert_eq!(UucpLock::take(dir.path(), "ttyACM0").unwrap_err(), holder);
            assert_eq!(super::holder(dir.path(), "ttyACM0"), Some(holder));
        }
        assert!(path.exists());
    }

    #[test]
    fn a_binary_number_whose_bytes_look_like_digits_is_read_as_what_it_is() {
        for pid in [3127i32, 0x20_31, 0x3931, 49, 0x0a_35_36] {
            assert!(matches!(super::parse(&pid.to_ne_bytes()), super::Said::Pid(p) if p == pid as u32), "{pid}");
        }
        assert!(matches!(super::parse(b"123\n"), super::Said::Pid(123)));
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
        assert_eq!(UucpLock::take(dir.path(), "dahdi_1").unwrap_err().pid, None);
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
