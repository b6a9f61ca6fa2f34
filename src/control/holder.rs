//! Who has a device node open: for a channel or modem that the kernel calls busy though no lock of ours is on it.

use super::place::user_name;
use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::{fmt, io};

/// A process that has the node open.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Holder {
    pub pid: u32,
    /// The program's name, as the kernel keeps it.
    pub comm: String,
    pub cmdline: String,
    pub user: String,
}

/// What a look at all processes gave.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Holders {
    pub found: Vec<Holder>,
    /// So many processes do not let us see their descriptors: the holder may be one of them.
    pub unseen: usize,
}

/// Who has the node `path` open, under whatever name. All of `/proc` is read: to be asked when a port is busy, not on
/// every start.
pub fn holder_of_node(path: &Path) -> io::Result<Holders> {
    let node = Node::of(&fs::metadata(path)?);
    let mut holders = Holders::default();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else { continue };
        match has_open(&entry.path(), &node) {
            Ok(true) => holders.found.push(Holder::of(pid, &entry.path())),
            Ok(false) => {}
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => holders.unseen += 1,
            // it ended while we looked
            Err(_) => {}
        }
    }
    holders.found.sort_by_key(|h| h.pid);
    Ok(holders)
}

impl Holder {
    fn of(pid: u32, proc_dir: &Path) -> Holder {
        let comm = fs::read_to_string(proc_dir.join("comm")).unwrap_or_default();
        let cmdline = fs::read(proc_dir.join("cmdline")).unwrap_or_default();
        let words: Vec<_> = cmdline.split(|&b| b == 0).filter(|w| !w.is_empty()).map(String::from_utf8_lossy).collect();
        Holder {
            pid,
            comm: comm.trim_end().to_string(),
            cmdline: words.join(" "),
            user: fs::metadata(proc_dir).map(|m| user_name(m.uid())).unwrap_or_default(),
        }
    }
}

/// `pid 811 (asterisk, user asterisk)`, or why nobody can be named.
impl fmt::Display for Holders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.found.is_empty() {
            return match self.unseen {
                0 => f.write_str("no process that is still there"),
                1 => f.write_str("a process that only root can look into"),
                n => write!(f, "one of {n} processes that only root can look into"),
            };
        }
        for (i, holder) in self.found.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}pid {} ({}, user {})", holder.pid, holder.comm, holder.user)?;
        }
        Ok(())
    }
}

/// What makes two names the same node: devices by their number, all others by their inode.
#[derive(PartialEq)]
enum Node {
    Device { block: bool, number: u64 },
    Inode(u64, u64),
}

impl Node {
    fn of(meta: &Metadata) -> Node {
        let kind = meta.file_type();
        if kind.is_char_device() || kind.is_block_device() {
            Node::Device { block: kind.is_block_device(), number: meta.rdev() }
        } else {
            Node::Inode(meta.dev(), meta.ino())
        }
    }
}

fn has_open(proc_dir: &Path, node: &Node) -> io::Result<bool> {
    for fd in fs::read_dir(proc_dir.join("fd"))? {
        // a descriptor closed meanwhile is no longer held
        if fs::metadata(fd?.path()).is_ok_and(|meta| Node::of(&meta) == *node) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_we_have_open_is_held_by_us() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node");
        assert!(holder_of_node(&path).is_err(), "a node that is not there");
        let open = fs::File::create(&path).unwrap();
        let holders = holder_of_node(&path).unwrap();
        assert_eq!(holders.found.iter().map(|h| h.pid).collect::<Vec<_>>(), [std::process::id()]);
        assert!(!holders.found[0].comm.is_empty() && holders.found[0].cmdline.contains("tipring"));
        assert!(holders.to_string().starts_with(&format!("pid {} (", std::process::id())));
        drop(open);
        assert!(holder_of_node(&path).unwrap().found.is_empty());
    }

    #[test]
    fn a_device_is_found_under_another_name() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("zero");
        std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
        let _open = fs::File::open("/dev/zero").unwrap();
        assert!(holder_of_node(&link).unwrap().found.iter().any(|h| h.pid == std::process::id()));
    }

    #[test]
    fn what_may_not_be_seen_is_said() {
        let unseen = Holders { found: Vec::new(), unseen: 12 };
        assert_eq!(unseen.to_string(), "one of 12 processes that only root can look into");
    }
}
