//! Where the journal lives: the state directory.
//!
//! | directory | when | mode |
//! |---|---|---|
//! | `$TIPRING_STATE_DIR` | it is set | 0700 if we make it |
//! | `state_dir` of the configuration | it is set | 0700 if we make it |
//! | `/var/lib/tipring` | for root and the service | 2750 root:tipring, 0700 without that group |
//! | `$XDG_STATE_HOME/tipring`, `~/.local/state/tipring` | for users | 0700 |

use super::JournalError;
use crate::control::place::group;
use nix::unistd::Uid;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

pub const FILE_NAME: &str = "journal.db";

/// What the choice depends on, so that a test can have its own.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// `TIPRING_STATE_DIR`.
    pub explicit: Option<PathBuf>,
    /// `state_dir`.
    pub configured: Option<PathBuf>,
    /// `XDG_STATE_HOME`.
    pub xdg: Option<PathBuf>,
    pub home: Option<PathBuf>,
    pub root: bool,
}

impl Surroundings {
    pub fn of_this_process(configured: Option<&Path>) -> Surroundings {
        let dir = |value: Option<OsString>| value.filter(|v| !v.is_empty()).map(PathBuf::from);
        Surroundings {
            explicit: dir(std::env::var_os("TIPRING_STATE_DIR")),
            configured: configured.map(Path::to_path_buf),
            xdg: dir(std::env::var_os("XDG_STATE_HOME")),
            home: dir(std::env::var_os("HOME")),
            root: Uid::effective().is_root(),
        }
    }

    /// The state directory. Nothing is made.
    pub fn state_dir(&self) -> Result<PathBuf, JournalError> {
        let absolute = |dir: &PathBuf, named: &str| match dir.is_absolute() {
            true => Ok(dir.clone()),
            // it would be another one in every working directory
            false => Err(JournalError::NoPlace(format!("{named} is not an absolute path"))),
        };
        if let Some(dir) = &self.explicit {
            return absolute(dir, "TIPRING_STATE_DIR");
        }
        if let Some(dir) = &self.configured {
            return absolute(dir, "state_dir of the configuration");
        }
        if self.root {
            return Ok(PathBuf::from("/var/lib/tipring"));
        }
        // relative paths in XDG variables are to be ignored (XDG Base Directory Specification)
        let xdg = self.xdg.clone().filter(|d| d.is_absolute());
        let home = self.home.as_ref().filter(|d| d.is_absolute()).map(|h| h.join(".local/state"));
        match xdg.or(home) {
            Some(base) => Ok(base.join("tipring")),
            None => Err(JournalError::NoPlace("neither HOME nor XDG_STATE_HOME is set".into())),
        }
    }

    /// For the group too: only the machine's own journal.
    fn shared(&self) -> bool {
        self.root && self.explicit.is_none() && self.configured.is_none()
    }

    /// Makes the directory and an empty journal in it, with modes that no umask and no race can open wider.
    pub fn prepare(&self) -> Result<PathBuf, JournalError> {
        let dir = self.state_dir()?;
        let group = if self.shared() { group() } else { None };
        let made = !dir.is_dir();
        if made && fs::symlink_metadata(&dir).is_ok() {
            return Err(JournalError::InTheWay { path: dir, what: "not a directory" });
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(|e| JournalError::of_io(&dir, &e))?;
        if let (true, Some(group)) = (made, group) {
            // without its group it still serves root: that is no reason to have no journal
            let _ = std::os::unix::fs::chown(&dir, None, Some(group.as_raw()));
            let _ = fs::set_permissions(&dir, Permissions::from_mode(0o2750));
        }
        let path = dir.join(FILE_NAME);
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => {
                if let Some(group) = group {
                    let _ = nix::unistd::fchown(&file, None, Some(group));
                    let _ = file.set_permissions(Permissions::from_mode(0o640));
                }
                // a name that is not on the disk is no journal after a power cut
                if let Ok(dir) = File::open(&dir) {
                    let _ = dir.sync_all();
                }
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(JournalError::of_io(&path, &e)),
        }
        regular(&path)?;
        Ok(path)
    }

    /// The journal's file, whether it is there or not.
    pub fn path(&self) -> Result<PathBuf, JournalError> {
        Ok(self.state_dir()?.join(FILE_NAME))
    }
}

/// Only a file, or a link to one, is opened: a pipe would be waited for, a device swallows everything.
pub(super) fn regular(path: &Path) -> Result<(), JournalError> {
    let in_the_way = |what| Err(JournalError::InTheWay { path: path.to_path_buf(), what });
    let link = fs::symlink_metadata(path).map_err(|e| JournalError::of_io(path, &e))?.is_symlink();
    let kind = match fs::metadata(path) {
        Ok(meta) => meta.file_type(),
        Err(e) if link && e.kind() == io::ErrorKind::NotFound => return in_the_way("a link to nowhere"),
        Err(e) => return Err(JournalError::of_io(path, &e)),
    };
    match () {
        () if kind.is_file() => Ok(()),
        () if link => in_the_way("a link to what is no file"),
        () if kind.is_dir() => in_the_way("a directory"),
        () if kind.is_fifo() => in_the_way("a pipe"),
        () if kind.is_socket() => in_the_way("a socket"),
        () => in_the_way("a device"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_their_own_root_and_the_service_the_machines_and_what_was_named_goes_first() {
        let user = Surroundings { home: Some("/home/ann".into()), ..Default::default() };
        let dir = |s: &Surroundings| s.state_dir().unwrap().display().to_string();
        assert_eq!(dir(&user), "/home/ann/.local/state/tipring");
        assert_eq!(dir(&Surroundings { xdg: Some("/state".into()), ..user.clone() }), "/state/tipring");
        assert_eq!(dir(&Surroundings { xdg: Some("here".into()), ..user.clone() }), "/home/ann/.local/state/tipring");
        let root = Surroundings { root: true, ..user };
        assert_eq!(dir(&root), "/var/lib/tipring");
        let configured = Surroundings { configured: Some("/srv/calls".into()), ..root };
        assert_eq!(dir(&configured), "/srv/calls");
        assert_eq!(dir(&Surroundings { explicit: Some("/x".into()), ..configured }), "/x");
    }

    #[test]
    fn without_a_home_or_with_a_relative_path_there_is_no_place() {
        assert!(matches!(Surroundings::default().state_dir(), Err(JournalError::NoPlace(_))));
        let relative = Surroundings { explicit: Some("calls".into()), ..Default::default() };
        assert!(matches!(relative.state_dir(), Err(JournalError::NoPlace(_))));
    }

    #[test]
    fn the_journal_is_made_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let place = Surroundings { explicit: Some(dir.path().join("a/b")), ..Default::default() };
        let path = place.prepare().unwrap();
        let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(place.prepare(), Ok(path), "and left alone when it is there");
    }
}
