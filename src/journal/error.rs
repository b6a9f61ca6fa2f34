//! What can be wrong with a journal, and what to do about it.

use crate::error::{Error, Exit};
use rusqlite::ErrorCode;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error as ThisError;

#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum JournalError {
    #[error("there is no place for it: {0}")]
    NoPlace(String),
    #[error("{path} does not exist", path = .0.display())]
    Missing(PathBuf),
    #[error("{path}: {why}", path = .path.display())]
    NotPermitted { path: PathBuf, why: String },
    #[error("{path} is locked by another process", path = .0.display())]
    Locked(PathBuf),
    #[error("{path}: no space left on the disk", path = .0.display())]
    Full(PathBuf),
    /// Where the journal or its directory would be.
    #[error("{path} is {what}", path = .path.display())]
    InTheWay { path: PathBuf, what: &'static str },
    #[error("{path} is damaged: {why}", path = .path.display())]
    Damaged { path: PathBuf, why: String },
    #[error("{path} was written by a newer version (schema {schema}, this one knows {known})", path = .path.display())]
    Newer { path: PathBuf, schema: i64, known: i64 },
    #[error("{path} is a database of another program", path = .0.display())]
    NotOurs(PathBuf),
    #[error("{path}: {why}", path = .path.display())]
    Io { path: PathBuf, why: String },
}

impl JournalError {
    pub(super) fn of_sql(path: &Path, e: &rusqlite::Error) -> JournalError {
        let path = path.to_path_buf();
        let why = e.to_string();
        match e.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => JournalError::Locked(path),
            Some(ErrorCode::DiskFull) => JournalError::Full(path),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => JournalError::Damaged { path, why },
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                JournalError::NotPermitted { path, why }
            }
            // SQLite calls a table that is gone a mistake of the query
            _ if why.starts_with("no such table") => JournalError::Damaged { path, why },
            _ => JournalError::Io { path, why },
        }
    }

    pub(super) fn of_io(path: &Path, e: &io::Error) -> JournalError {
        if let Some(file) = path.ancestors().skip(1).find(|dir| dir.exists()).filter(|dir| !dir.is_dir()) {
            return JournalError::InTheWay { path: file.into(), what: "not a directory" };
        }
        let path = path.to_path_buf();
        match e.kind() {
            io::ErrorKind::NotFound => JournalError::Missing(path),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => JournalError::Full(path),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                JournalError::NotPermitted { path, why: e.to_string() }
            }
            _ => JournalError::Io { path, why: e.to_string() },
        }
    }

    /// As the error of a command that could not do `what`.
    pub fn explain(&self, what: &str) -> Error {
        let (exit, next) = match self {
            JournalError::Locked(_) => (Exit::StillBusy, "try again"),
            JournalError::Full(_) => (Exit::Failed, "make room on that disk"),
            JournalError::Io { .. } => (Exit::Failed, "look at the disk: `tipring doctor`"),
            JournalError::Missing(_) => {
                (Exit::Failed, "it begins with the first call; TIPRING_STATE_DIR says where it is")
            }
            JournalError::NoPlace(_) => (Exit::Config, "set HOME, or TIPRING_STATE_DIR"),
            JournalError::NotPermitted { .. } => {
                (Exit::Config, "make it readable and writable for you, or set TIPRING_STATE_DIR")
            }
            JournalError::InTheWay { .. } => {
                (Exit::Config, "move it away, or set TIPRING_STATE_DIR to a directory of its own")
            }
            JournalError::Damaged { .. } => {
                (Exit::Config, "move it away, or make a call: that moves it aside and begins a new one")
            }
            JournalError::Newer { .. } => (Exit::Config, "update tipring, or set TIPRING_STATE_DIR"),
            JournalError::NotOurs(_) => (Exit::Config, "set TIPRING_STATE_DIR to a directory of its own"),
        };
        Error::new(exit, what, self.to_string(), next)
    }
}
