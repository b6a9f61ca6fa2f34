//! Where locks and sockets live, and what they are called.
//!
//! | directory | when | mode |
//! |---|---|---|
//! | `$TIPRING_RUNTIME_DIR` | it is set: then no other | 0700 if we make it |
//! | `/run/tipring` | it is there and we may write; root makes it | 2775 root:tipring, 0755 without that group |
//! | `$XDG_RUNTIME_DIR/tipring`, `/run/user/UID/tipring` | the login session's | 0700 |
//! | `/tmp/tipring-UID` | the rest | 0700 |
//!
//! The second name of the session's directory is for cron, sudo and services: they have no `XDG_RUNTIME_DIR`, and must
//! find the lock that the same user took from a terminal. `/tmp` is anybody's: a directory there that is a link, that is
//! not ours or that others may enter is refused, never mended, because whoever made it may hold descriptors in it.

use crate::error::{Error, Exit};
use nix::unistd::{AccessFlags, Gid, Group, Uid};
use std::ffi::OsString;
use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Whoever is in it may act on the lines of a machine.
pub const GROUP: &str = "tipring";

/// The longest path of a Unix socket (`sun_path` less its final zero, unix(7)).
pub const SOCKET_PATH_MAX: usize = 107;

/// What the choice depends on, so that a test can have its own.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// `TIPRING_RUNTIME_DIR`.
    pub explicit: Option<PathBuf>,
    /// `/run`.
    pub run: PathBuf,
    /// `XDG_RUNTIME_DIR`.
    pub session: Option<PathBuf>,
    /// `/tmp`.
    pub tmp: PathBuf,
    /// `/dev`: a line with a node there is locked for strangers too.
    pub dev: PathBuf,
    /// `/var/lock`: where strangers look.
    pub uucp: PathBuf,
    pub uid: u32,
}

impl Surroundings {
    pub fn of_this_process() -> Surroundings {
        let dir = |value: Option<OsString>| value.filter(|v| !v.is_empty()).map(PathBuf::from);
        Surroundings {
            explicit: dir(std::env::var_os("TIPRING_RUNTIME_DIR")),
            run: "/run".into(),
            session: dir(std::env::var_os("XDG_RUNTIME_DIR")),
            tmp: "/tmp".into(),
            dev: "/dev".into(),
            uucp: "/var/lock".into(),
            uid: Uid::effective().as_raw(),
        }
    }
}

/// The directories that locks and sockets may be in. Making one creates nothing.
#[derive(Clone, Debug)]
pub struct Places {
    around: Surroundings,
}

/// A directory that may hold our files, and whom it has to belong to.
#[derive(Clone, Debug, PartialEq)]
enum Candidate {
    /// Its parent vouches for it (`/run`, or the user named it himself).
    Given(PathBuf),
    /// In a place where others write too: only this user's own, closed to all others.
    Private(PathBuf, u32),
}

/// What to do about a directory that is not there.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Absent {
    Make,
    /// Only see whether it could be made.
    Leave,
}

/// A directory that cannot hold locks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub dir: PathBuf,
    pub why: String,
}

impl Places {
    pub fn of_this_process() -> Places {
        Places { around: Surroundings::of_this_process() }
    }

    pub fn new(around: Surroundings) -> Places {
        Places { around }
    }

    /// One directory and no other, as with `TIPRING_RUNTIME_DIR`.
    pub fn at(dir: impl Into<PathBuf>) -> Places {
        Places { around: Surroundings { explicit: Some(dir.into()), ..Surroundings::of_this_process() } }
    }

    /// The directory where this process puts its locks and sockets, made if need be.
    pub fn own(&self) -> Result<PathBuf, Error> {
        self.choose(Absent::Make).map_err(Refused::explain)
    }

    /// Which one [`own`](Places::own) would be; nothing is made.
    pub fn look(&self) -> Result<PathBuf, Refused> {
        let dir = self.choose(Absent::Leave)?;
        match dir.exists() && !writable(&dir) {
            true => Err(Refused { dir, why: "it is not writable".into() }),
            false => Ok(dir),
        }
    }

    fn choose(&self, absent: Absent) -> Result<PathBuf, Refused> {
        let around = &self.around;
        if let Some(dir) = &around.explicit {
            return Candidate::Given(dir.clone()).settle(absent);
        }
        if let Some(dir) = self.shared(absent) {
            return Ok(dir);
        }
        let mut refused = None;
        for candidate in self.private() {
            match candidate.settle(absent) {
                Ok(dir) if writable(&dir) || !dir.exists() => return Ok(dir),
                Ok(_) => {}
                Err(why) => refused = Some(why),
            }
        }
        // the last one is the reason: it could have been made whatever the session lacks
        Err(refused.unwrap_or_else(|| Refused { dir: around.tmp.clone(), why: "it is not writable".into() }))
    }

    /// Every directory that is there and can be trusted, our own first: where clients look.
    pub fn dirs(&self) -> Vec<PathBuf> {
        let around = &self.around;
        let mut candidates = Vec::new();
        match &around.explicit {
            Some(dir) => candidates.push(Candidate::Given(dir.clone())),
            None => {
                candidates.push(Candidate::Given(around.run.join("tipring")));
                candidates.extend(self.private());
                if around.uid == 0 {
                    candidates.extend(self.of_other_users());
                }
            }
        }
        let mut dirs: Vec<PathBuf> = Vec::new();
        for dir in candidates.iter().filter_map(|c| c.check().ok()) {
            if !dirs.contains(&dir) {
                dirs.push(dir);
            }
        }
        dirs
    }

    /// Where the lock files of other programs are, and what a line's is called there; only for a line with a node.
    pub(super) fn uucp(&self, line: &str) -> Option<(&Path, String)> {
        let dev = &self.around.dev;
        let node = match line.split_once('/') {
            Some(("dahdi", channel)) => dev.join("dahdi").join(channel),
            // other programs lock the device and not a link to it
            Some(("modem", path)) if path.starts_with('/') => std::fs::canonicalize(path).ok()?,
            _ => return None,
        };
        let name = super::uucp::lock_name(&node, dev)?;
        node.exists().then_some((self.around.uucp.as_path(), name))
    }

    /// `/run/tipring` if we may write to it; root makes it.
    fn shared(&self, absent: Absent) -> Option<PathBuf> {
        let dir = self.around.run.join("tipring");
        if self.around.uid == 0 && !dir.exists() {
            if absent == Absent::Leave {
                return absent.settle(&dir).is_ok().then_some(dir);
            }
            let group = group();
            let mode = if group.is_some() { 0o2775 } else { 0o755 };
            if make(&dir, 0o700).is_ok() {
                // a directory without its group still serves root: the lock matters more
                let _ = std::os::unix::fs::chown(&dir, None, group.map(Gid::as_raw));
                let _ = std::fs::set_permissions(&dir, Permissions::from_mode(mode));
            }
        }
        Candidate::Given(dir).check().ok().filter(|dir| writable(dir))
    }

    fn private(&self) -> Vec<Candidate> {
        let around = &self.around;
        let by_uid = around.run.join("user").join(around.uid.to_string());
        let mut candidates = Vec::new();
        for base in around.session.iter().chain([&by_uid]) {
            // a session's directory of somebody else (kept by su or sudo) is not the place of ours
            let ours = std::fs::symlink_metadata(base).is_ok_and(|m| m.is_dir() && m.uid() == around.uid);
            let candidate = Candidate::Private(base.join("tipring"), around.uid);
            if ours && !candidates.contains(&candidate) {
                candidates.push(candidate);
            }
        }
        candidates.push(Candidate::Private(around.tmp.join(format!("tipring-{}", around.uid)), around.uid));
        candidates
    }

    /// Root acts on everybody's calls.
    fn of_other_users(&self) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for name in names_in(&self.around.run.join("user")) {
            if let Ok(uid) = name.parse() {
                candidates.push(Candidate::Private(self.around.run.join("user").join(&name).join("tipring"), uid));
            }
        }
        for name in names_in(&self.around.tmp) {
            if let Some(uid) = name.strip_prefix("tipring-").and_then(|n| n.parse().ok()) {
                candidates.push(Candidate::Private(self.around.tmp.join(&name), uid));
            }
        }
        candidates
    }
}

impl Absent {
    fn settle(self, dir: &Path) -> io::Result<()> {
        match self {
            Absent::Make => make(dir, 0o700),
            Absent::Leave if dir.symlink_metadata().is_ok() => Ok(()),
            Absent::Leave => {
                let parent = dir.parent().unwrap_or(Path::new("/"));
                Ok(nix::unistd::eaccess(parent, AccessFlags::W_OK | AccessFlags::X_OK)?)
            }
        }
    }
}

impl Candidate {
    /// The directory, there or to be made.
    fn settle(&self, absent: Absent) -> Result<PathBuf, Refused> {
        let dir = self.path();
        let refuse = |why: String| Refused { dir: dir.to_path_buf(), why };
        // it would be another one in every working directory
        if !dir.is_absolute() {
            return Err(refuse("it is not an absolute path".into()));
        }
        absent.settle(dir).map_err(|e| refuse(e.to_string()))?;
        if absent == Absent::Leave && dir.symlink_metadata().is_err() {
            return Ok(dir.to_path_buf());
        }
        self.check().map_err(refuse)
    }

    fn path(&self) -> &Path {
        match self {
            Candidate::Given(dir) | Candidate::Private(dir, _) => dir,
        }
    }

    /// The directory, when it is one and can be trusted; else what is wrong with it.
    fn check(&self) -> Result<PathBuf, String> {
        let dir = self.path();
        if !dir.is_absolute() {
            return Err("it is not an absolute path".into());
        }
        let meta = std::fs::symlink_metadata(dir).map_err(|e| e.to_string())?;
        if meta.is_symlink() {
            return Err("it is a symbolic link".into());
        }
        if !meta.is_dir() {
            return Err("it is not a directory".into());
        }
        match self {
            Candidate::Given(_) if meta.mode() & 0o002 != 0 => return Err("everybody may write to it".into()),
            Candidate::Private(_, uid) if meta.uid() != *uid => {
                return Err(format!("it belongs to {}, not to {}", user_name(meta.uid()), user_name(*uid)));
            }
            Candidate::Private(..) if meta.mode() & 0o077 != 0 => {
                return Err(format!("others may enter it: its mode is {:04o}, not 0700", meta.mode() & 0o7777));
            }
            _ => {}
        }
        Ok(dir.to_path_buf())
    }
}

/// The file name of a line, without `.lock` or `.sock`: stable, readable, another for every line.
///
/// `dahdi/1` is `dahdi.1`. A line with anything but letters, digits, `-`, `_` and slashes, or a long one, is its
/// beginning, `~` and a hash of the whole: `sim.us~…`. No plain name has a `~`, so the two kinds never meet, and no name
/// begins with a dot or holds a slash, so none leaves the directory.
pub fn file_name(line: &str) -> String {
    const PLAIN_MAX: usize = 40;
    const READABLE_MAX: usize = 20;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let is_plain = line.chars().all(|c| plain(c) || c == '/') && line.len() <= PLAIN_MAX && line.starts_with(plain);
    if is_plain {
        return line.replace('/', ".");
    }
    let readable: String = line.split('?').next().unwrap_or("").chars().take(READABLE_MAX).collect();
    let readable: String = readable.chars().map(|c| if plain(c) { c } else { '.' }).collect();
    format!("{}~{:032x}", readable.trim_matches('.'), fnv1a(line.as_bytes()))
}

/// The group [`GROUP`], where there is one.
pub fn group() -> Option<Gid> {
    Group::from_name(GROUP).ok().flatten().map(|g| g.gid)
}

/// The name of a user, or his number.
pub fn user_name(uid: u32) -> String {
    let user = nix::unistd::User::from_uid(Uid::from_raw(uid)).ok().flatten();
    user.map_or_else(|| format!("uid {uid}"), |u| u.name)
}

/// FNV-1a in 128 bits (draft-eastlake-fnv): stable over versions and machines, unlike the standard library's hashers.
/// Two lines of one hash would only share a lock, so it need not withstand an attacker.
fn fnv1a(bytes: &[u8]) -> u128 {
    const BASIS: u128 = 0x6c62272e07bb014262b821756295c58d;
    const PRIME: u128 = 0x0000000001000000000000000000013b;
    bytes.iter().fold(BASIS, |hash, b| (hash ^ u128::from(*b)).wrapping_mul(PRIME))
}

fn make(dir: &Path, mode: u32) -> io::Result<()> {
    match DirBuilder::new().mode(mode).create(dir) {
        // whose it is and what it is, is asked after this
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        done => done,
    }
}

fn writable(dir: &Path) -> bool {
    nix::unistd::eaccess(dir, AccessFlags::W_OK | AccessFlags::X_OK).is_ok()
}

fn names_in(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|e| e.file_name().into_string().ok()).collect()
}

impl Refused {
    fn explain(self) -> Error {
        Error::new(
            Exit::Port,
            format!("cannot keep locks in {}", self.dir.display()),
            self.why,
            "remove it or set TIPRING_RUNTIME_DIR to a directory of your own",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_lines_file_is_readable_and_stable() {
        assert_eq!(file_name("dahdi/1"), "dahdi.1");
        assert_eq!(file_name("sim/us"), "sim.us");
        assert_eq!(file_name("front-desk"), "front-desk");
        assert_eq!(
            file_name("sim/us?scenario=incoming&clock=virtual"),
            "sim.us~84371d46cba77e4e655caca250bf3f19",
            "a new name would hide the locks of older versions"
        );
    }

    #[test]
    fn lines_that_look_alike_have_files_of_their_own() {
        let lines =
            ["dahdi/1", "dahdi.1", "dahdi/1/", "/dahdi/1", "dahdi//1", "dahdi~1", "dahdi 1", "", ".", "..", "~"];
        let names: std::collections::HashSet<String> = lines.iter().map(|l| file_name(l)).collect();
        assert_eq!(names.len(), lines.len());
    }

    proptest! {
        #[test]
        fn no_line_leaves_the_directory_or_outgrows_a_socket_path(line in "(\\.\\./|/|[a-z?&=:~.]|.){0,300}") {
            let name = file_name(&line);
            prop_assert!(!name.starts_with('.') && !name.is_empty() && name.len() <= 53);
            prop_assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.~".contains(c)));
        }

        #[test]
        fn two_lines_never_share_a_file(a in "[a-z./~?=]{0,6}", b in "[a-z./~?=]{0,6}") {
            prop_assert_eq!(a == b, file_name(&a) == file_name(&b));
        }
    }
}
