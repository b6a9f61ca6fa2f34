//! Asking the owner of a line, for commands: blocking, and every failure in what, why, next.

use super::lock::holder;
use super::place::{GROUP, Places, file_name};
use super::request::{Answer, Ask, WireEvent};
use super::sse::{Message, Reader};
use crate::error::{Error, Exit};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};
use tokio::net::UnixStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// A report of the longest transfer is far below it.
const ANSWER_MAX: usize = 1024 * 1024;
/// For an owner to begin a stream of events: nothing is waited for there.
const BEGIN: Duration = Duration::from_secs(5);
/// Between an owner's lock and its socket: no more than the opening of a card.
const COMES_OR_GOES: Duration = Duration::from_secs(1);
/// An owner with nothing to tell says so three times in it ([`Limits::keep_alive`](super::server::Limits)).
const SILENT: Duration = Duration::from_secs(45);

/// Puts `ask` to the owner of `line` and waits for the answer, at most `within`. The owner's own errors come back as
/// errors, so an `Ok` is something done.
pub fn ask(places: &Places, line: &str, ask: &Ask, within: Duration) -> Result<Answer, Error> {
    ask.check()?;
    let request = request(line, ask)?;
    runtime(line)?.block_on(async {
        // what is asked may take minutes; whether anybody is there is known at once
        let present = async {
            // what the socket answers by itself, and the line is not asked for
            let look = Request::get("/v1/openapi.json").header("host", "tipring").body(Full::default());
            let look = look.map_err(|e| cannot_ask(line, &e.to_string()))?;
            send(places, line, look).await.map(|_| ())
        };
        timeout(BEGIN.min(within), present).await.unwrap_or_else(|_| Err(silent(places, line, BEGIN.min(within))))?;
        let answer = async {
            let (_, response) = send(places, line, request).await?;
            let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await.map_err(|_| left(line))?;
            understood(line, &body.to_bytes())
        };
        timeout(within, answer).await.unwrap_or_else(|_| Err(no_answer(line, within)))
    })
}

/// What happens on `line`, from now on. The iterator blocks, and ends when the owner leaves.
pub fn events(places: &Places, line: &str) -> Result<Events, Error> {
    events_within(places, line, None)
}

/// The same, and it ends after so long too.
pub fn events_within(places: &Places, line: &str, within: Option<Duration>) -> Result<Events, Error> {
    let until = within.map(|within| Instant::now() + within);
    let begin = within.map_or(BEGIN, |within| within.min(BEGIN));
    let runtime = runtime(line)?;
    let request = Request::get("/v1/events").header("host", "tipring").body(Full::default());
    let request = request.map_err(|e| cannot_ask(line, &e.to_string()))?;
    let body = runtime.block_on(async {
        let begun = timeout(begin, send(places, line, request)).await;
        let (status, response) = begun.unwrap_or_else(|_| Err(silent(places, line, begin)))?;
        if status == StatusCode::OK {
            return Ok(response.into_body());
        }
        let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await.map_err(|_| left(line))?;
        Err(understood(line, &body.to_bytes()).err().unwrap_or_else(|| not_understood(line)))
    })?;
    let reader = Reader::default();
    let (ready, line, places) = (VecDeque::new(), line.into(), places.clone());
    Ok(Events { runtime, body, reader, ready, line, places, until, over: false, last: 0.0 })
}

/// See [`events`].
#[derive(Debug)]
pub struct Events {
    runtime: Runtime,
    body: Incoming,
    reader: Reader,
    ready: VecDeque<Message>,
    line: String,
    places: Places,
    until: Option<Instant>,
    over: bool,
    last: f64,
}

impl Iterator for Events {
    type Item = Result<WireEvent, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.ready.pop_front() {
                Some(Message::Event(event)) => {
                    self.last = event.t;
                    return Some(Ok(event));
                }
                // a gap that is not shown would read as silence on the line
                Some(Message::Missed(n)) => {
                    let what = format!("missed {n} events: they came faster than they were read");
                    return Some(Ok(WireEvent { t: self.last, who: "cli".into(), what }));
                }
                Some(Message::End) => {
                    self.over = true;
                    self.ready.clear();
                }
                Some(Message::Garbled) => {
                    self.over = true;
                    self.ready.clear();
                    return Some(Err(not_understood(&self.line)));
                }
                None if self.over => return None,
                None => match self.next_frame() {
                    Ok(Some(Ok(frame))) => {
                        let data = frame.into_data().unwrap_or_default();
                        self.ready.extend(self.reader.feed(&data));
                    }
                    Ok(Some(Err(_)) | None) => {
                        self.over = true;
                        return Some(Err(left(&self.line)));
                    }
                    Err(waited) => {
                        self.over = true;
                        // the time is over, and all was well; but who is stopped has not merely nothing to say
                        let on_time = waited < SILENT && stopped_owner(&self.places, &self.line).is_none();
                        return (!on_time).then(|| Err(silent(&self.places, &self.line, waited)));
                    }
                },
            }
        }
    }
}

impl Events {
    /// What comes next on the stream; or how long nothing came, when it is not to be waited for any longer.
    fn next_frame(&mut self) -> Result<Option<Result<Frame<Bytes>, hyper::Error>>, Duration> {
        let left = self.until.map(|until| until.saturating_duration_since(Instant::now()));
        let wait = left.map_or(SILENT, |left| left.min(SILENT));
        let body = &mut self.body;
        self.runtime.block_on(async { timeout(wait, body.frame()).await }).map_err(|_| wait)
    }
}

fn request(line: &str, ask: &Ask) -> Result<Request<Full<Bytes>>, Error> {
    let broken = |e: String| cannot_ask(line, &e);
    let path = match ask {
        Ask::Status => "/v1/call",
        Ask::HangUp => "/v1/call/hangup",
        Ask::Flash { .. } => "/v1/call/flash",
        Ask::Dtmf { .. } => "/v1/call/dtmf",
        Ask::Transfer { .. } => "/v1/call/transfer",
        Ask::Hold => "/v1/call/hold",
        Ask::Retrieve => "/v1/call/retrieve",
        Ask::Conference { .. } => "/v1/call/conference",
    };
    let mut fields = serde_json::to_value(ask).map_err(|e| broken(e.to_string()))?;
    if let Some(fields) = fields.as_object_mut() {
        // the route says it
        fields.shift_remove("ask");
    }
    // with HTTP/1.1 a request without this header is refused by some
    let request = Request::builder().uri(path).header("host", "tipring");
    let request = match ask {
        Ask::Status => request.body(Full::default()),
        _ => request.method("POST").header("content-type", "application/json").body(Full::from(fields.to_string())),
    };
    request.map_err(|e| broken(e.to_string()))
}

async fn send(
    places: &Places,
    line: &str,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Response<Incoming>), Error> {
    let stream = connect(places, line).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|_| left(line))?;
    tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(|_| left(line))?;
    Ok((response.status(), response))
}

/// An owner has the line a moment before it listens and a moment after it did: then it is looked for again.
async fn connect(places: &Places, line: &str) -> Result<UnixStream, Error> {
    let until = Instant::now() + COMES_OR_GOES;
    loop {
        match connect_now(places, line).await {
            Err(e) if e.exit == Exit::InUse && Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            done => return done,
        }
    }
}

async fn connect_now(places: &Places, line: &str) -> Result<UnixStream, Error> {
    let name = format!("{}.sock", file_name(line));
    let mut failed = None;
    for dir in places.dirs() {
        let path = dir.join(&name);
        match UnixStream::connect(&path).await {
            Ok(stream) => return Ok(stream),
            // none, or left by an owner that was killed
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {}
            Err(e) => failed = Some((path, e)),
        }
    }
    Err(match failed {
        Some((path, e)) if e.kind() == io::ErrorKind::PermissionDenied => Error::new(
            Exit::Port,
            format!("cannot act on the call on {line}"),
            format!("permission denied on {}", path.display()),
            format!("join the group {GROUP} and log in again"),
        ),
        Some((path, e)) => cannot_ask(line, &format!("{}: {e}", path.display())),
        None => match holder(places, line) {
            Some(held) => Error::new(
                Exit::InUse,
                format!("no call on {line} that could be acted on"),
                format!("it is {held}, which does not take commands"),
                "wait for it, or end that process",
            ),
            None => Error::new(
                Exit::Failed,
                format!("no call on {line}"),
                "nobody holds it",
                "begin one with `tipring dial` or `tipring answer`",
            ),
        },
    })
}

fn understood(line: &str, body: &[u8]) -> Result<Answer, Error> {
    match serde_json::from_slice(body) {
        Ok(Answer::Error { what, why, next, exit }) => {
            Err(Error::new(Exit::from_code(exit).unwrap_or(Exit::Failed), what, why, next))
        }
        Ok(answer) => Ok(answer),
        Err(_) => Err(not_understood(line)),
    }
}

fn runtime(line: &str) -> Result<Runtime, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|e| cannot_ask(line, &e.to_string()))
}

fn cannot_ask(line: &str, why: &str) -> Error {
    Error::new(Exit::Failed, format!("cannot ask the owner of {line}"), why, "see `tipring doctor`")
}

fn no_answer(line: &str, within: Duration) -> Error {
    let why = format!("it said nothing for {} s", within.as_secs_f32());
    let next = "wait longer with --timeout; what was asked may still be done";
    Error::new(Exit::StillBusy, format!("no answer from the owner of {line}"), why, next)
}

/// The owner, when it is stopped (SIGSTOP, a debugger).
fn stopped_owner(places: &Places, line: &str) -> Option<u32> {
    holder(places, line)?.pid.filter(|pid| is_stopped(*pid))
}

/// Whether a process is stopped (SIGSTOP, a debugger).
pub fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // proc(5): the state follows the name, which is in brackets
    stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with(['T', 't']))
}

fn silent(places: &Places, line: &str, within: Duration) -> Error {
    let seconds = within.as_secs_f32();
    let (why, next) = match stopped_owner(places, line) {
        Some(pid) => (
            format!("process {pid} is stopped, and has said nothing for {seconds} s"),
            format!("let it go on with `kill -CONT {pid}`; `kill -KILL {pid}` ends it, and its call"),
        ),
        None => (
            format!("it has said nothing for {seconds} s: busy, or on a machine that stands still"),
            "try again; `tipring lines` says which process it is".to_string(),
        ),
    };
    Error::new(Exit::StillBusy, format!("no answer from the owner of {line}"), why, next)
}

fn left(line: &str) -> Error {
    let why = "the process that held it ended before it answered";
    Error::new(Exit::Failed, format!("lost the owner of {line}"), why, "see `tipring lines`")
}

fn not_understood(line: &str) -> Error {
    let why = "its answer is none that this version knows";
    let next = "restart the owner: it runs another version of tipring";
    Error::new(Exit::Failed, format!("cannot understand the owner of {line}"), why, next)
}
