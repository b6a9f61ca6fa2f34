//! What can be wrong on a machine, found before a call finds it: each thing with the one line that mends it.
//!
//! Nothing is changed and no line is touched. Everything is read below a root, `/` but for tests: `/proc`, `/sys`, `/etc`,
//! `/lib/modules`; no other program is run.

mod driver;
mod host;
mod permissions;
pub use permissions::RULES;
#[cfg(test)]
mod tests;

use crate::journal::place::Surroundings;
use serde::Serialize;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    Ok,
    /// Calls work, and something will be missed one day.
    Warn,
    /// Something of tipring does not work.
    Fail,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Warn => "warn",
            Status::Fail => "fail",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub status: Status,
    /// What was looked at: a word that stays.
    pub check: &'static str,
    pub what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The one line that mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, what: impl Into<String>) -> Finding {
        Finding { status: Status::Ok, check, what: what.into(), why: None, help: None }
    }

    fn bad(
        status: Status,
        check: &'static str,
        what: impl Into<String>,
        why: impl Into<String>,
        help: impl Into<String>,
    ) -> Finding {
        Finding { status, check, what: what.into(), why: Some(why.into()), help: Some(help.into()) }
    }
}

/// Room on the disk of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    pub free: u64,
    pub total: u64,
}

/// The machine that is looked at.
pub struct Machine {
    pub root: PathBuf,
    /// Who asks, and the groups of this process.
    pub user: String,
    pub uid: u32,
    pub groups: Vec<u32>,
    /// Where the journal is.
    pub state: Surroundings,
    /// Where locks and sockets are.
    pub runtime: crate::control::place::Surroundings,
    pub room: fn(&Path) -> Option<Room>,
    /// Seconds since 1970, as the machine believes.
    pub now: u64,
    /// How long a journal that another process writes to is waited for.
    pub patience: Duration,
}

impl Machine {
    pub fn this(state: Surroundings) -> Machine {
        let uid = nix::unistd::Uid::effective();
        let mut groups = nix::unistd::getgroups().unwrap_or_default();
        groups.push(nix::unistd::Gid::effective());
        Machine {
            root: "/".into(),
            user: crate::control::place::user_name(uid.as_raw()),
            uid: uid.as_raw(),
            groups: groups.into_iter().map(nix::unistd::Gid::as_raw).collect(),
            state,
            runtime: crate::control::place::Surroundings::of_this_process(),
            room: host::room,
            now: std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs(),
            patience: Duration::from_secs(2),
        }
    }

    /// Looks at everything.
    pub fn examine(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        found.extend(permissions::group(self));
        found.extend(permissions::udev_rule(self));
        found.extend(permissions::modem_manager(self));
        found.extend(driver::module(self));
        found.extend(driver::spans(self));
        found.extend(host::locks(self));
        found.extend(host::lock_directory(self));
        found.extend(host::clock(self));
        found.extend(host::clock_source(self));
        found.extend(host::disk(self));
        found.extend(host::state_directory(self));
        found
    }

    /// A line that root has to run, as this user can run it.
    fn as_root(&self, line: impl Into<String>) -> String {
        let line = line.into();
        // what stands behind it is for who reads it
        let (line, remark) = match line.split_once("  # ") {
            Some((line, remark)) => (line, format!("  # {remark}")),
            None => (line.as_str(), String::new()),
        };
        if self.uid == 0 {
            format!("{line}{remark}")
        } else if line.contains(['&', '|', ';', '>', '$']) {
            format!("sudo sh -c {}{remark}", quoted(line))
        } else {
            format!("sudo {line}{remark}")
        }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn text(&self, path: &str) -> Option<String> {
        fs::read(self.at(path)).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The processes of this name: their pids.
    fn running(&self, name: &str) -> Vec<u32> {
        let mut pids: Vec<u32> = listed(&self.at("proc"))
            .into_iter()
            .filter_map(|dir| dir.file_name().and_then(OsStr::to_str).and_then(|n| n.parse().ok()))
            .filter(|pid: &u32| self.text(&format!("proc/{pid}/comm")).is_some_and(|comm| comm.trim_end() == name))
            .collect();
        pids.sort_unstable();
        pids
    }
}

/// A word of a line for the shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:,@%=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_string();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn listed(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect();
    paths.sort();
    paths
}
