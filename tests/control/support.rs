//! What the tests share: owners, other processes, and a client that knows no HTTP but bytes.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;
use tempfile::TempDir;
use tipring::control::server::{Asked, Limits, Server};
use tipring::control::{Answer, Ask, LineLock, Places, WireEvent};
use tokio::sync::broadcast;

pub const LINE: &str = "sim/us?scenario=incoming&clock=virtual";

pub fn me() -> u32 {
    nix::unistd::Uid::effective().as_raw()
}

pub fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Another process: this test once more, which finds out by [`Child::me`] that it is the other one.
pub enum Child {
    Parent(std::process::Child, BufReader<std::process::ChildStdout>),
    Me(PathBuf),
}

impl Child {
    pub fn me() -> Option<Child> {
        std::env::var_os("TIPRING_TEST_CHILD").map(|dir| Child::Me(dir.into()))
    }

    pub fn spawn(module: &str, test: &str, dir: &Path) -> Child {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([&format!("control::{module}::{test}"), "--exact", "--nocapture", "--quiet"])
            .env("TIPRING_TEST_CHILD", dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Child::Parent(child, stdout)
    }

    pub fn places(&self) -> Places {
        match self {
            Child::Me(dir) => Places::at(dir),
            Child::Parent(..) => panic!("for the child"),
        }
    }

    pub fn pid(&self) -> u32 {
        match self {
            Child::Parent(child, _) => child.id(),
            Child::Me(_) => std::process::id(),
        }
    }

    /// One line to the other process; marked, as the test harness talks too.
    pub fn say(&mut self, word: &str) {
        match self {
            Child::Parent(child, _) => writeln!(child.stdin.as_mut().unwrap(), "{word}").unwrap(),
            Child::Me(_) => {
                // past the harness's lock and capture
                let mut out = std::io::stdout();
                writeln!(out, "\n>{word}").unwrap();
                out.flush().unwrap();
            }
        }
    }

    /// The next line that the child says.
    pub fn hear(&mut self) -> String {
        let Child::Parent(_, stdout) = self else { panic!("for the parent") };
        for line in stdout.lines() {
            if let Some(word) = line.unwrap().strip_prefix('>') {
                return word.to_string();
            }
        }
        "gone".into()
    }

    /// In the child: until the parent says it, or is gone.
    pub fn wait_for(&mut self, word: &str) {
        for line in std::io::stdin().lines() {
            if line.unwrap() == word {
                return;
            }
        }
    }

    pub fn end(&mut self) {
        if let Child::Parent(child, _) = self {
            drop(child.stdin.take());
            child.wait().unwrap();
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Child::Parent(child, _) = self {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// An owner of a line: what its thread is asked goes to `carry_out`.
pub struct Owner {
    pub server: Option<Server>,
    pub events: broadcast::Sender<WireEvent>,
    pub places: Places,
    thread: Option<JoinHandle<Vec<Ask>>>,
    _lock: LineLock,
    dir: TempDir,
}

/// Short enough that a test of slowness is quick, long enough for a loaded machine to be in time.
pub const LIMITS: Limits = Limits {
    head: Duration::from_secs(20),
    body: Duration::from_secs(20),
    stalled: Duration::from_secs(20),
    keep_alive: Duration::from_secs(20),
    leave: Duration::from_millis(500),
    connections: 64,
    per_process: 8,
    watchers: 32,
    asks: 16,
};

impl Owner {
    pub fn answering(carry_out: impl FnMut(&Ask) -> Answer + Send + 'static) -> Owner {
        Owner::with_limits(LIMITS, carry_out)
    }

    pub fn with_limits(limits: Limits, mut carry_out: impl FnMut(&Ask) -> Answer + Send + 'static) -> Owner {
        let (asks, asked) = mpsc::channel::<Asked>();
        let mut owner = Owner::silent(limits, asks);
        owner.thread = Some(std::thread::spawn(move || {
            let mut asks = Vec::new();
            while let Ok((ask, answer)) = asked.recv() {
                let _ = answer.send(carry_out(&ask));
                asks.push(ask);
            }
            asks
        }));
        owner
    }

    /// The asks are the test's own to answer.
    pub fn silent(limits: Limits, asks: mpsc::Sender<Asked>) -> Owner {
        let dir = tempfile::tempdir().unwrap();
        let places = Places::at(dir.path());
        let lock = LineLock::take(&places, LINE, "tipring answer").unwrap();
        let (events, _) = broadcast::channel(64);
        let server = Server::with_limits(&lock, asks, events.clone(), limits).unwrap();
        Owner { server: Some(server), events, places, thread: None, _lock: lock, dir }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn path(&self) -> PathBuf {
        self.server.as_ref().unwrap().path().to_path_buf()
    }

    pub fn connect(&self) -> UnixStream {
        UnixStream::connect(self.path()).unwrap()
    }

    /// Leaves; what it was asked.
    pub fn leave(&mut self) -> Vec<Ask> {
        self.server = None;
        self.thread.take().map(|t| t.join().unwrap()).unwrap_or_default()
    }
}

pub fn done() -> Answer {
    Answer::Done { heard: None }
}

/// Sends bytes and reads until the other side closes: status and body.
pub fn exchange(mut stream: UnixStream, bytes: &[u8]) -> (u16, String) {
    // the server may close before it has all of a hopeless request
    let _ = stream.write_all(bytes);
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply);
    let reply = String::from_utf8(reply).unwrap();
    let status = reply.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    (status, reply.split_once("\r\n\r\n").map(|(_, body)| body.to_string()).unwrap_or_default())
}

pub fn request(method: &str, path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}").into()
}

pub fn json(body: &str) -> serde_json::Value {
    serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {body:?}"))
}
