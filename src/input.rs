//! Reading what the user named: an ordinary file of a sensible size, or one clear reason why not.
//!
//! A device never ends and a pipe may never begin; either would leave a call that has not even started hanging.

use nix::fcntl::OFlag;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The longest text that is read: configurations, facts and scenarios have hundreds of lines, not millions.
pub const TEXT_MAX_BYTES: u64 = 1 << 20;

/// An ordinary file, open for reading.
pub fn open(path: &Path) -> io::Result<File> {
    // without O_NONBLOCK a pipe that nobody writes to would keep us in open(2) for ever
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    let kind = file.metadata()?.file_type();
    match kind.is_file() {
        true => Ok(file),
        false => {
            let what = if kind.is_dir() { "a directory" } else { "a device or a pipe" };
            Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what}, not an ordinary file")))
        }
    }
}

/// A whole text file of at most [`TEXT_MAX_BYTES`].
pub fn text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    open(path)?.take(TEXT_MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > TEXT_MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it has more than 1 MiB"));
    }
    String::from_utf8(bytes).map_err(|e| {
        let line = 1 + e.as_bytes()[..e.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count();
        io::Error::new(io::ErrorKind::InvalidData, format!("line {line} is not UTF-8 text"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_an_ordinary_file_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for (path, said) in [(fifo.as_path(), "pipe"), (Path::new("/dev/zero"), "device"), (dir.path(), "directory")] {
            let why = text(path).unwrap_err().to_string();
            assert!(why.contains(said), "{path:?}: {why}");
        }
    }

    #[test]
    fn a_text_of_a_mebibyte_is_read_and_one_byte_more_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("text");
        std::fs::write(&file, vec![b'#'; 1 << 20]).unwrap();
        assert_eq!(text(&file).unwrap().len(), 1 << 20);
        std::fs::write(&file, vec![b'#'; (1 << 20) + 1]).unwrap();
        assert_eq!(text(&file).unwrap_err().to_string(), "it has more than 1 MiB");
    }

    #[test]
    fn bytes_that_are_no_text_are_told_with_their_line() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("text");
        std::fs::write(&file, b"one\ntwo\xff\n").unwrap();
        assert_eq!(text(&file).unwrap_err().to_string(), "line 2 is not UTF-8 text");
    }
}
