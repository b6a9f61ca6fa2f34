//! The owner's ear: a thread of its own with a Unix socket, so that the line is never kept waiting by whoever asks.
//!
//! Everything between it and the line's thread is a queue that the line's thread does not wait for: asks come to it
//! over an unbounded channel of which at most [`Limits::asks`] are under way, events leave it over a broadcast that
//! forgets the oldest. What a client does (sends nothing, reads nothing, goes away) costs a slot for [`Limits`]' time, or
//! until somebody else wants it.

use super::connections::Connections;
use super::lock::LineLock;
use super::peer::Peer;
use super::place::{SOCKET_PATH_MAX, group};
use super::request::{Answer, Ask, WireEvent};
use super::routes;
use crate::error::{Error, Exit};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, broadcast, oneshot, watch};
use tokio::task::JoinSet;

/// An ask, and where its answer goes. An answer to a client that has left goes nowhere, and that is all right.
pub type Asked = (Ask, oneshot::Sender<Answer>);

/// How long and how much a client may make us wait for him.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A request's head, or the next request on an idle connection.
    pub head: Duration,
    /// A request's body.
    pub body: Duration,
    /// A watcher that takes no event for this long is let go.
    pub stalled: Duration,
    /// A comment on a silent stream, so that a watcher who has left is noticed.
    pub keep_alive: Duration,
    /// When the owner leaves: for answers on their way. It delays the owner's end, not the line's.
    pub leave: Duration,
    pub connections: usize,
    /// Of one process: a program that opens one after the other takes nobody's place but its own.
    pub per_process: usize,
    /// Of these so many may watch: there is always room for a `hangup`.
    pub watchers: usize,
    /// Asks under way.
    pub asks: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            head: Duration::from_secs(5),
            body: Duration::from_secs(5),
            stalled: Duration::from_secs(10),
            keep_alive: Duration::from_secs(15),
            leave: Duration::from_millis(250),
            connections: 64,
            per_process: 8,
            watchers: 32,
            asks: 16,
        }
    }
}

/// Serves a line's socket while it lives. To be dropped when the line is on-hook and before its [`LineLock`].
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
    inode: (u64, u64),
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens beside `lock`, whose holder alone may: a socket that lies there was left by a killed owner.
    pub fn start(
        lock: &LineLock,
        asks: mpsc::Sender<Asked>,
        events: broadcast::Sender<WireEvent>,
    ) -> Result<Server, Error> {
        Server::with_limits(lock, asks, events, Limits::default())
    }

    pub fn with_limits(
        lock: &LineLock,
        asks: mpsc::Sender<Asked>,
        events: broadcast::Sender<WireEvent>,
        limits: Limits,
    ) -> Result<Server, Error> {
        Server::listen(lock, asks, events, limits, Peer::may_act)
    }

    fn listen(
        lock: &LineLock,
        asks: mpsc::Sender<Asked>,
        events: broadcast::Sender<WireEvent>,
        limits: Limits,
        may_act: fn(Peer) -> bool,
    ) -> Result<Server, Error> {
        let path = lock.socket_path().to_path_buf();
        let failed = |e: io::Error| cannot_listen(lock.line(), &path, &e);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (listener, inode) = bind(&path).map_err(failed)?;
        let (stop, stopped) = watch::channel(false);
        let mut server = Server { path: path.clone(), inode, stop, thread: None };
        let listener = {
            let _inside = runtime.enter();
            UnixListener::from_std(listener).map_err(failed)?
        };
        let shared = Shared {
            line: lock.line().to_string(),
            asks,
            events,
            limits,
            may_act,
            asks_under_way: Semaphore::new(limits.asks),
            watchers: Arc::new(Semaphore::new(limits.watchers)),
            connections: Arc::default(),
            stopped,
        };
        let serve = move || {
            // signals are for the thread that has the line: they must interrupt its waiting, not ours
            let _ = nix::sys::signal::SigSet::all().thread_block();
            runtime.block_on(accept(listener, Arc::new(shared)));
            // look-ups of users may hang on a network; nobody waits for them any more
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("control".into()).spawn(serve).map_err(failed)?;
        server.thread = Some(thread);
        Ok(server)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // first the name, so that nobody new comes; only if it is still ours
        if fs::symlink_metadata(&self.path).is_ok_and(|m| (m.dev(), m.ino()) == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What every connection needs.
pub(super) struct Shared {
    pub line: String,
    pub asks: mpsc::Sender<Asked>,
    pub events: broadcast::Sender<WireEvent>,
    pub limits: Limits,
    may_act: fn(Peer) -> bool,
    pub asks_under_way: Semaphore,
    pub watchers: Arc<Semaphore>,
    connections: Arc<Connections>,
    stopped: watch::Receiver<bool>,
}

impl Shared {
    /// Returns when the owner leaves.
    pub async fn stopped(&self) {
        // an error is a sender gone without a word, which is the same
        let _ = self.stopped.clone().wait_for(|stop| *stop).await;
    }
}

async fn accept(listener: UnixListener, shared: Arc<Shared>) {
    let router = routes::router(shared.clone());
    let mut connections = JoinSet::new();
    loop {
        // who makes room is gone in a moment: a bound all the same, of tasks and descriptors
        let room = connections.len() < 2 * shared.limits.connections;
        tokio::select! {
            biased;
            () = shared.stopped() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if room => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, router.clone(), shared.clone()));
                }
                // out of descriptors, most likely: it will not be better at once
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
        }
    }
    drop(listener);
    let all_gone = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(shared.limits.leave, all_gone).await;
}

async fn serve(stream: UnixStream, router: axum::Router, shared: Arc<Shared>) {
    let Ok(peer) = Peer::of(&stream) else { return };
    let slot = shared.connections.enter(peer, &shared.limits);
    // the user database may be slow: not on the thread that serves the others
    let may_act = shared.may_act;
    let may_act = tokio::task::spawn_blocking(move || may_act(peer));
    let connection = slot.connection.clone();
    let may_act = tokio::select! {
        may_act = may_act => may_act.unwrap_or(false),
        () = connection.is_cut() => return,
    };
    let router = match (may_act, slot.crowded) {
        (false, _) => routes::refusing(&shared.line, peer),
        (true, true) => routes::crowded(&shared.line),
        (true, false) => router,
    };
    let inner = TowerToHyperService::new(router);
    let service = service_fn({
        let connection = connection.clone();
        move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(connection.clone());
            inner.call(request)
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(shared.limits.head)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = pin!(served);
    // a client that breaks off or speaks no HTTP is no event of ours
    tokio::select! {
        _ = served.as_mut() => return,
        () = connection.is_cut() => return,
        () = shared.stopped() => served.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        _ = served => {}
        () = connection.is_cut() => {}
    }
}

/// Listens on `path`, whatever lay there. A socket is made with the mode that the umask leaves, so it is made in a
/// directory that only we may enter, closed, and then moved to its place: at no time is it open wider.
fn bind(path: &Path) -> io::Result<(StdListener, (u64, u64))> {
    if path.as_os_str().len() > SOCKET_PATH_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is longer than {SOCKET_PATH_MAX} bytes")));
    }
    let closed = nix::unistd::mkdtemp(&path.with_file_name(".XXXXXX"))?;
    let new = closed.join("s");
    let listening = (|| {
        let listener = StdListener::bind(&new)?;
        // there may be no such group, or we are not in it: then the socket is our own group's, and peers are asked
        let _ = std::os::unix::fs::chown(&new, None, group().map(|g| g.as_raw()));
        fs::set_permissions(&new, Permissions::from_mode(0o660))?;
        let meta = fs::symlink_metadata(&new)?;
        listener.set_nonblocking(true)?;
        fs::rename(&new, path)?;
        Ok((listener, (meta.dev(), meta.ino())))
    })();
    if listening.is_err() {
        let _ = fs::remove_file(&new);
    }
    let _ = fs::remove_dir(&closed);
    listening
}

fn cannot_listen(line: &str, path: &Path, e: &io::Error) -> Error {
    Error::new(
        Exit::Port,
        format!("cannot listen for commands on line {line}"),
        format!("{}: {e}", path.display()),
        "set TIPRING_RUNTIME_DIR to a directory of your own with a short path",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{Places, client};

    #[test]
    fn a_stranger_is_refused_on_every_route_even_where_the_socket_is_open_to_him() {
        let dir = tempfile::tempdir().unwrap();
        let places = Places::at(dir.path());
        let lock = LineLock::take(&places, "dahdi/1", "tipring answer").unwrap();
        let (asks, asked) = mpsc::channel();
        let events = broadcast::channel(1).0;
        let _server = Server::listen(&lock, asks, events, Limits::default(), |_| false).unwrap();
        let within = Duration::from_secs(20);
        for ask in [Ask::Status, Ask::HangUp, Ask::Flash { ms: None }] {
            let e = client::ask(&places, "dahdi/1", &ask, within).unwrap_err();
            assert!(e.exit == Exit::Port && e.why.contains("not in the group tipring"), "{e}");
        }
        assert_eq!(client::events(&places, "dahdi/1").unwrap_err().exit, Exit::Port);
        assert!(asked.try_recv().is_err(), "the line has heard nothing of it");
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_said_so() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d".repeat(100));
        let lock = LineLock::take(&Places::at(&deep), "dahdi/1", "tipring answer").unwrap();
        let e = Server::start(&lock, mpsc::channel().0, broadcast::channel(1).0).unwrap_err();
        assert!(e.exit == Exit::Port && e.why.contains("longer than 107 bytes"), "{e}");
    }
}
