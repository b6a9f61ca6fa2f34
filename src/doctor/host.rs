//! What surrounds the lines: locks of other programs, clocks, the disk, the state directory.

use super::{Finding, Machine, Room, Status, listed, quoted};
use crate::control::place::{Places, Refused, user_name};
use crate::control::uucp::{self, Found};
use crate::error::printable;
use crate::journal::{JournalError, Store, place::FILE_NAME};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::Path;

const ANOTHER_STATE_DIR: &str = "export TIPRING_STATE_DIR=/var/tmp/tipring  # or any directory of yours, or HOME";
/// A year of busy lines is some tens of megabytes; a recording of an hour is 115.
const ROOM_WARN: u64 = 500 * 1024 * 1024;
const ROOM_FAIL: u64 = 20 * 1024 * 1024;
/// When this was written: a clock before it is one that was never set.
const WRITTEN: u64 = 1_767_225_600;

pub fn room(path: &Path) -> Option<Room> {
    let said = nix::sys::statvfs::statvfs(path).ok()?;
    let unit = said.fragment_size();
    Some(Room { free: said.blocks_available() * unit, total: said.blocks() * unit })
}

/// Locks of telephone devices, whoever made them.
pub fn locks(m: &Machine) -> Vec<Finding> {
    let check = "locks";
    let dir = m.at("var/lock");
    let mut found = Vec::new();
    for file in listed(&dir) {
        let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let Some(device) = name.strip_prefix("LCK..").filter(|d| is_telephone(d)) else { continue };
        let (device, path) = (printable(device), printable(&format!("/var/lock/{name}")));
        let remove = || m.as_root(format!("rm {}", quoted(&path)));
        match uucp::look(&file) {
            Found::Absent => {}
            Found::Pid(pid) => match m.text(&format!("proc/{pid}/comm")) {
                Some(command) if command.trim_end() == "tipring" => {
                    found.push(Finding::ok(check, format!("{device} is held by tipring (pid {pid})")));
                }
                // init opens no telephone: the number is of before the machine, or the container, was started anew
                Some(command) if pid == 1 => found.push(Finding::bad(
                    Status::Warn,
                    check,
                    format!("{device} has a lock with the number of {} (pid 1)", printable(command.trim_end())),
                    format!("{path} was most likely left by a process that is gone; the line counts as in use"),
                    format!("{}  # unless pid 1 is the program that uses it", remove()),
                )),
                Some(command) => found.push(Finding::bad(
                    Status::Warn,
                    check,
                    format!("{device} is held by {} (pid {pid})", printable(command.trim_end())),
                    format!("it made {path}"),
                    m.as_root(format!("kill {pid}")),
                )),
                None => found.push(Finding::bad(
                    Status::Warn,
                    check,
                    format!("{device} was held by pid {pid}, which is gone"),
                    format!("it left {path} behind; tipring takes it over, others may not"),
                    remove(),
                )),
            },
            Found::Unreadable(owner) => found.push(Finding::bad(
                Status::Warn,
                check,
                format!("{device} is in use, by whom cannot be seen"),
                format!("{path} belongs to {}, and {} may not read it", user_name(owner), m.user),
                m.as_root(format!("cat {}  # the pid of the program that holds it", quoted(&path))),
            )),
            // what is in it is for its owner to say
            Found::Other(what) => found.push(Finding::bad(
                Status::Fail,
                check,
                format!("{device} cannot be locked"),
                format!("{path} is {what}: no program makes such a lock"),
                match what {
                    "a directory" => {
                        let aside = quoted(&printable(&format!("/var/lock/aside.{name}")));
                        m.as_root(format!("mv {} {aside}", quoted(&path)))
                    }
                    _ => remove(),
                },
            )),
            Found::Nothing(_) => found.push(Finding::bad(
                Status::Warn,
                check,
                format!("{device} has a lock that does not say whose it is"),
                format!("{path} holds no pid"),
                remove(),
            )),
        }
    }
    if found.is_empty() {
        found.push(Finding::ok(check, "no other program holds a line"));
    }
    found
}

fn is_telephone(device: &str) -> bool {
    ["dahdi", "tty", "modem", "chan_"].iter().any(|prefix| device.starts_with(prefix))
}

/// Calls are found by their time, forwarding is switched by it.
pub fn clock(m: &Machine) -> Vec<Finding> {
    let check = "clock";
    if m.now < WRITTEN {
        let why = "its time lies before this program was written";
        let help = m.as_root("timedatectl set-ntp true || hwclock --hctosys");
        return vec![Finding::bad(Status::Fail, check, "the clock was never set", why, help)];
    }
    if m.at("run/systemd/timesync/synchronized").exists() {
        return vec![Finding::ok(check, "synchronized by systemd-timesyncd")];
    }
    let keeper = ["chronyd", "ntpd", "ntpsec", "openntpd", "ptp4l", "systemd-timesyn"]
        .into_iter()
        .find(|name| !m.running(name).is_empty());
    vec![match keeper {
        Some("systemd-timesyn") => Finding::bad(
            Status::Warn,
            check,
            "systemd-timesyncd runs and has not synchronized the clock yet",
            "no server has answered it",
            "timedatectl timesync-status  # UDP port 123 has to be open",
        ),
        Some(name) => Finding::ok(check, format!("kept by {name}")),
        None => Finding::bad(
            Status::Warn,
            check,
            "nothing keeps the clock",
            "the journal's times, and what is switched by the calendar, drift with it",
            m.as_root("apt install systemd-timesyncd && timedatectl set-ntp true"),
        ),
    }]
}

/// What the kernel counts time with: the audio of every call runs by it.
pub fn clock_source(m: &Machine) -> Vec<Finding> {
    let check = "clock source";
    let dir = "sys/devices/system/clocksource/clocksource0";
    let Some(source) = m.text(&format!("{dir}/current_clocksource")) else { return Vec::new() };
    let source = printable(source.trim());
    let slow = ["acpi_pm", "hpet", "jiffies", "pit", "refined-jiffies"].contains(&source.as_str());
    if !slow {
        return vec![Finding::ok(check, source)];
    }
    let others = m.text(&format!("{dir}/available_clocksource")).unwrap_or_default();
    let better = others.split_whitespace().find(|s| ["tsc", "kvm-clock", "arch_sys_counter"].contains(s));
    let help = match better {
        Some(better) => m.as_root(format!("echo {better} > /{dir}/current_clocksource")),
        None => m.as_root("dmesg | grep -i clocksource  # why the kernel found the processor's own unstable"),
    };
    let why = "reading it is slow, and audio that is timed by it comes late under load";
    vec![Finding::bad(Status::Warn, check, format!("the kernel counts time with {source}"), why, help)]
}

pub fn disk(m: &Machine) -> Vec<Finding> {
    let check = "disk";
    let Ok(dir) = m.state.state_dir() else { return Vec::new() };
    // the directory itself may not be there yet
    let Some(there) = dir.ancestors().find(|d| d.is_dir()) else { return Vec::new() };
    let Some(room) = (m.room)(there) else { return Vec::new() };
    let mib = room.free / (1024 * 1024);
    let shown = dir.display();
    let help = what_fills(there);
    let why = format!("{mib} MiB are free where {shown} is");
    vec![match room.free {
        free if free < ROOM_FAIL => Finding::bad(Status::Fail, check, "the disk is full", why, help),
        free if free < ROOM_WARN => Finding::bad(Status::Warn, check, "the disk is nearly full", why, help),
        _ => Finding::ok(check, why),
    }]
}

/// Where calls put their locks and sockets: chosen as they choose it, and nothing made.
pub fn lock_directory(m: &Machine) -> Vec<Finding> {
    let check = "lock directory";
    vec![match Places::new(m.runtime.clone()).look() {
        Ok(dir) => {
            let later = if dir.exists() { "" } else { " (made with the first call)" };
            Finding::ok(check, format!("{}{later}", dir.display()))
        }
        Err(Refused { dir, why }) => {
            let shown = dir.display().to_string();
            let help = match &m.runtime.explicit {
                // what was named may be anybody's: it is not for us to have it changed
                Some(_) => "unset TIPRING_RUNTIME_DIR  # or set it to a directory that only you write to".to_string(),
                // none is there, and none can be made where they usually are
                None if dir == m.runtime.tmp || dir.symlink_metadata().is_err() => {
                    "export TIPRING_RUNTIME_DIR=\"$HOME\"/.tipring  # or any directory that only you write to"
                        .to_string()
                }
                // not mended: whoever made it may hold files open in it
                None => m.as_root(format!("mv {} {}", quoted(&shown), quoted(&format!("{shown}.aside")))),
            };
            let what = format!("no call can keep its locks in {shown}");
            Finding::bad(Status::Fail, check, what, why, help)
        }
    }]
}

pub fn state_directory(m: &Machine) -> Vec<Finding> {
    let check = "state directory";
    let dir = match m.state.state_dir() {
        Ok(dir) => dir,
        Err(e) => return vec![journal(m, Path::new("/"), &e)],
    };
    let mut found = Vec::new();
    let shown = dir.display();
    let writable = |path: &Path| {
        let wanted = nix::unistd::AccessFlags::W_OK | nix::unistd::AccessFlags::X_OK;
        nix::unistd::eaccess(path, wanted).is_ok()
    };
    if let Some(file) = dir.ancestors().find(|d| d.exists()).filter(|d| !d.is_dir()) {
        // a device or a part of the path is another's
        let help = match dir.is_file() {
            true => m.as_root(format!("mv {0} {0}.aside", quoted(&shown.to_string()))),
            false => ANOTHER_STATE_DIR.to_string(),
        };
        return vec![Finding::bad(
            Status::Fail,
            check,
            format!("{} is not a directory", file.display()),
            "something lies in its place",
            help,
        )];
    }
    let there = dir.ancestors().find(|d| d.is_dir()).unwrap_or(Path::new("/"));
    let cannot = format!("{shown} cannot be written");
    if let Some(mount) = mount_of(m, there).filter(|mount| mount.read_only) {
        let why = format!("{} is mounted read-only", mount.at);
        let help = m.as_root(format!("mount -o remount,rw {}", quoted(&mount.at)));
        found.push(Finding::bad(Status::Fail, check, cannot, why, help));
    } else if !writable(there) {
        let why = format!("{} may not write to {}", m.user, there.display());
        found.push(Finding::bad(Status::Fail, check, cannot, why, make_ours(m, &dir)));
    } else {
        found.push(Finding::ok(
            check,
            format!("{shown}{}", if dir.is_dir() { "" } else { " (made with the first call)" }),
        ));
    }
    let path = dir.join(FILE_NAME);
    let examined = Store::read(&path, m.patience).and_then(|store| store.examine());
    found.push(match examined {
        // who may not write to the directory has been told
        Ok(()) if !found.iter().all(|f| f.status == Status::Ok) => {
            Finding::ok("journal", format!("{} is whole", path.display()))
        }
        Ok(()) => match takes_no_writing(m, &path) {
            Some(finding) => finding,
            None => Finding::ok("journal", format!("{} is whole", path.display())),
        },
        Err(JournalError::Missing(_)) => Finding::ok("journal", "not begun yet"),
        Err(e) => journal(m, &path, &e),
    });
    let aside = listed(&dir).into_iter().find(|f| {
        let name = f.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        name.starts_with("journal.db.damaged-") && !name.ends_with("-wal") && !name.ends_with("-shm")
    });
    if let Some(aside) = aside {
        let aside = printable(&aside.to_string_lossy());
        let why = "a new one was begun; the calls before it are there";
        let help = format!("sqlite3 {0} .recover > ~/calls.sql && rm {0}", quoted(&aside));
        found.push(Finding::bad(Status::Warn, "journal", format!("a damaged journal lies in {aside}"), why, help));
    }
    found
}

pub(super) fn journal(m: &Machine, path: &Path, e: &JournalError) -> Finding {
    let no_room = || {
        let there = path.ancestors().find(|d| d.is_dir())?;
        (m.room)(there).filter(|room| room.free < ROOM_FAIL).map(|_| what_fills(there))
    };
    let dir = path.parent().unwrap_or(path);
    let file = quoted(&path.to_string_lossy());
    let help = match e {
        JournalError::Locked(_) => return locked(m, path),
        JournalError::Full(_) => what_fills(dir),
        // what SQLite cannot make beside the file, on a full disk, it tells as any error
        JournalError::Io { .. } => no_room().unwrap_or_else(|| {
            m.as_root("dmesg --level=emerg,alert,crit,err | tail  # what the kernel says of the disk")
        }),
        JournalError::NotPermitted { .. } => no_room().unwrap_or_else(|| make_ours(m, dir)),
        JournalError::InTheWay { path: there, .. } if there != path => ANOTHER_STATE_DIR.into(),
        JournalError::Damaged { .. } | JournalError::InTheWay { .. } => {
            format!("mv {file} {}", quoted(&format!("{}.aside", path.display())))
        }
        JournalError::NoPlace(_) => ANOTHER_STATE_DIR.into(),
        JournalError::Missing(_) | JournalError::Newer { .. } | JournalError::NotOurs(_) => {
            "export TIPRING_STATE_DIR=~/tipring  # a directory of its own; or update tipring".into()
        }
    };
    Finding::bad(Status::Fail, "journal", "the journal of calls cannot be used", e.to_string(), help)
}

/// A journal that can be read and not be written to. Nothing is written to find out.
fn takes_no_writing(m: &Machine, path: &Path) -> Option<Finding> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let begun = Connection::open_with_flags(path, flags).and_then(|c| {
        c.busy_timeout(m.patience)?;
        c.execute_batch("BEGIN IMMEDIATE; ROLLBACK")
    });
    match begun.err()?.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Some(locked(m, path)),
        Some(ErrorCode::DiskFull) => Some(journal(m, path, &JournalError::Full(path.into()))),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            let why = format!("{} may not write to it", m.user);
            Some(journal(m, path, &JournalError::NotPermitted { path: path.into(), why }))
        }
        _ => {
            let why = "it takes no writing".to_string();
            Some(journal(m, path, &JournalError::Io { path: path.into(), why }))
        }
    }
}

fn locked(m: &Machine, path: &Path) -> Finding {
    let e = JournalError::Locked(path.into());
    let holder = lock_holder(m, path);
    let command = holder.and_then(|pid| m.text(&format!("proc/{pid}/comm")));
    let who = match (holder, command) {
        (Some(pid), Some(command)) => format!(": {} (pid {pid})", printable(command.trim_end())),
        (Some(pid), None) => format!(": pid {pid}"),
        (None, _) => String::new(),
    };
    let help = match holder {
        Some(pid) => m.as_root(format!("kill {pid}")),
        None => m.as_root(format!("fuser -v {}*  # who has it open", quoted(&path.to_string_lossy()))),
    };
    let what = "the journal of calls cannot be written to now";
    Finding::bad(Status::Warn, "journal", what, format!("{e}{who}"), help)
}

/// Who holds a lock for writing on the journal, or on what SQLite keeps beside it (proc_locks(5)).
fn lock_holder(m: &Machine, path: &Path) -> Option<u32> {
    let inodes: Vec<u64> = ["", "-shm", "-wal"]
        .iter()
        .filter_map(|more| std::fs::metadata(format!("{}{more}", path.display())).ok())
        .map(|meta| std::os::unix::fs::MetadataExt::ino(&meta))
        .collect();
    // 1: POSIX  ADVISORY  WRITE 4711 fe:01:262147 120 120
    m.text("proc/locks")?.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().filter(|w| *w != "->").collect();
        let inode: u64 = words.get(5)?.rsplit(':').next()?.parse().ok()?;
        let pid: u32 = words.get(4)?.parse().ok()?;
        (words.get(3) == Some(&"WRITE") && inodes.contains(&inode) && pid != std::process::id()).then_some(pid)
    })
}

fn what_fills(dir: &Path) -> String {
    let dir = quoted(&dir.to_string_lossy());
    format!("du -xh --max-depth=2 \"$(stat -c %m {dir})\" | sort -h | tail  # the largest: remove what nobody needs")
}

/// The state directory, and all that is in it, for this user.
pub(super) fn make_ours(m: &Machine, dir: &Path) -> String {
    let (user, shown) = (quoted(&m.user), quoted(&dir.to_string_lossy()));
    m.as_root(match dir.is_dir() {
        true => format!("chown -R {user} {shown}"),
        false => format!("install -d -m 700 -o {user} {shown}"),
    })
}

struct Mount {
    at: String,
    read_only: bool,
}

/// Where the file system of a path is mounted (proc_mounts(5)).
fn mount_of(m: &Machine, path: &Path) -> Option<Mount> {
    let text = m.text("proc/self/mounts")?;
    let mut found: Option<Mount> = None;
    for line in text.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let [_, at, _, options, ..] = fields[..] else { continue };
        let at = at.replace(r"\040", " ").replace(r"\011", "\t").replace(r"\134", r"\");
        // what was mounted over another one stands below it
        if path.starts_with(&at) && found.as_ref().is_none_or(|f| f.at.len() <= at.len()) {
            found = Some(Mount { at, read_only: options.split(',').any(|o| o == "ro") });
        }
    }
    found
}
