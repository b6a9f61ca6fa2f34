//! What surrounds the lines: locks of other programs, clocks, the disk, the state directory.

use super::{Finding, Machine, Room, Status, listed};
use crate::control::uucp;
use crate::error::printable;
use crate::journal::{JournalError, Store, place::FILE_NAME};
use std::path::Path;
use std::time::Duration;

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
        match uucp::pid_in(&file) {
            Some(pid) => match m.text(&format!("proc/{pid}/comm")) {
                Some(command) if command.trim_end() == "tipring" => {
                    found.push(Finding::ok(check, format!("{device} is held by tipring (pid {pid})")));
                }
                Some(command) => found.push(Finding::bad(
                    Status::Warn,
                    check,
                    format!("{device} is held by {} (pid {pid})", printable(command.trim_end())),
                    format!("it made {path}"),
                    format!("end that program, or kill {pid}"),
                )),
                None => found.push(Finding::bad(
                    Status::Warn,
                    check,
                    format!("{device} was held by pid {pid}, which is gone"),
                    format!("it left {path} behind; tipring takes it over, others may not"),
                    format!("rm {path}"),
                )),
            },
            None => found.push(Finding::bad(
                Status::Warn,
                check,
                format!("{device} has a lock that does not say whose it is"),
                format!("{path} holds no pid"),
                format!("rm {path}"),
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
        let help = "timedatectl set-ntp true, or hwclock --hctosys";
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
            "timedatectl timesync-status; see that UDP port 123 is open",
        ),
        Some(name) => Finding::ok(check, format!("kept by {name}")),
        None => Finding::bad(
            Status::Warn,
            check,
            "nothing keeps the clock",
            "the journal's times, and what is switched by the calendar, drift with it",
            "apt install systemd-timesyncd && timedatectl set-ntp true",
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
        Some(better) => format!("echo {better} > /{dir}/current_clocksource"),
        None => "see `dmesg | grep -i clocksource`: the kernel found the processor's own unstable".to_string(),
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
    let help = format!("make room: du -xh --max-depth=2 {} | sort -h | tail", there.display());
    let why = format!("{mib} MiB are free where {shown} is");
    vec![match room.free {
        free if free < ROOM_FAIL => Finding::bad(Status::Fail, check, "the disk is full", why, help),
        free if free < ROOM_WARN => Finding::bad(Status::Warn, check, "the disk is nearly full", why, help),
        _ => Finding::ok(check, why),
    }]
}

pub fn state_directory(m: &Machine) -> Vec<Finding> {
    let check = "state directory";
    let dir = match m.state.state_dir() {
        Ok(dir) => dir,
        Err(e) => return vec![journal(&e)],
    };
    let mut found = Vec::new();
    let shown = dir.display();
    let writable = |path: &Path| {
        let wanted = nix::unistd::AccessFlags::W_OK | nix::unistd::AccessFlags::X_OK;
        nix::unistd::eaccess(path, wanted).is_ok()
    };
    if dir.exists() && !dir.is_dir() {
        let help = format!("move {shown} away, or set TIPRING_STATE_DIR");
        return vec![Finding::bad(
            Status::Fail,
            check,
            format!("{shown} is not a directory"),
            "something lies in its place",
            help,
        )];
    }
    let there = dir.ancestors().find(|d| d.is_dir()).unwrap_or(Path::new("/"));
    if !writable(there) {
        let why = format!("{} may not write to {}", m.user, there.display());
        let help = format!("chown {} {shown}, or set TIPRING_STATE_DIR", m.user);
        found.push(Finding::bad(Status::Fail, check, format!("{shown} cannot be written"), why, help));
    } else {
        found.push(Finding::ok(
            check,
            format!("{shown}{}", if dir.is_dir() { "" } else { " (made with the first call)" }),
        ));
    }
    let path = dir.join(FILE_NAME);
    let examined = Store::read(&path, Duration::from_secs(2)).and_then(|store| store.examine());
    found.push(match examined {
        Ok(()) => Finding::ok("journal", format!("{} is whole", path.display())),
        Err(JournalError::Missing(_)) => Finding::ok("journal", "not begun yet"),
        Err(e) => journal(&e),
    });
    let aside = listed(&dir).into_iter().find(|f| {
        let name = f.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        name.starts_with("journal.db.damaged-") && !name.ends_with("-wal") && !name.ends_with("-shm")
    });
    if let Some(aside) = aside {
        let aside = printable(&aside.to_string_lossy());
        let why = "a new one was begun; the calls before it are there";
        let help = format!("sqlite3 {aside} .recover > calls.sql, and remove it");
        found.push(Finding::bad(Status::Warn, "journal", format!("a damaged journal lies in {aside}"), why, help));
    }
    found
}

fn journal(e: &JournalError) -> Finding {
    let status = if matches!(e, JournalError::Locked(_)) { Status::Warn } else { Status::Fail };
    Finding::bad(status, "journal", "the journal of calls cannot be used", e.to_string(), e.explain("").next)
}
