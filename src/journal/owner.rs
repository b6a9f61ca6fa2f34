//! Which process writes a call, and whether it is still there.
//!
//! A pid alone is given again to somebody else; with the time at which its process started (in ticks since the machine
//! did) and the machine's start it is not.

use std::fs;
use std::path::Path;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub pid: u32,
    /// Field 22 of /proc/PID/stat (proc(5)).
    pub start: u64,
    pub boot: String,
}

impl Owner {
    pub fn this_process() -> Owner {
        let pid = std::process::id();
        let proc = Path::new("/proc");
        Owner { pid, start: start_of(proc, pid).unwrap_or(0), boot: boot(proc) }
    }

    pub fn is_gone(&self) -> bool {
        self.is_gone_from(Path::new("/proc"))
    }

    fn is_gone_from(&self, proc: &Path) -> bool {
        self.boot != boot(proc) || start_of(proc, self.pid) != Some(self.start)
    }
}

fn boot(proc: &Path) -> String {
    let id = fs::read_to_string(proc.join("sys/kernel/random/boot_id"));
    id.map(|id| id.trim().to_string()).unwrap_or_default()
}

fn start_of(proc: &Path, pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(proc.join(pid.to_string()).join("stat")).ok()?;
    // the name is in brackets and may hold brackets and spaces itself: count from the last one
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    // dead but not yet buried by its parent: it holds no line any more
    if matches!(fields.next()?, "Z" | "X" | "x") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(stat: &str, boot: &str) -> tempfile::TempDir {
        let proc = tempfile::tempdir().unwrap();
        fs::create_dir_all(proc.path().join("sys/kernel/random")).unwrap();
        fs::write(proc.path().join("sys/kernel/random/boot_id"), format!("{boot}\n")).unwrap();
        fs::create_dir_all(proc.path().join("4711")).unwrap();
        fs::write(proc.path().join("4711/stat"), stat).unwrap();
        proc
    }

    #[test]
    fn an_owner_is_gone_when_its_pid_is_another_process_or_the_machine_started_anew() {
        let stat = |state: &str, start: u32| {
            format!("4711 (tip) ring (x) {state} 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 {start} 20 21")
        };
        let owner = Owner { pid: 4711, start: 900, boot: "b1".into() };
        let gone = |stat: String, boot: &str| owner.is_gone_from(machine(&stat, boot).path());
        assert!(!gone(stat("S", 900), "b1"));
        assert!(gone(stat("S", 901), "b1"), "the pid was given again");
        assert!(gone(stat("S", 900), "b2"), "another start of the machine");
        assert!(gone(stat("Z", 900), "b1"), "dead");
        assert!(gone("nonsense".into(), "b1"));
        assert!(Owner { pid: 4712, ..owner.clone() }.is_gone_from(machine("", "b1").path()));
    }

    #[test]
    fn we_are_there() {
        assert!(!Owner::this_process().is_gone());
        assert_ne!(Owner::this_process().start, 0);
    }
}
