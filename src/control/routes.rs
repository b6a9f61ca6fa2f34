//! What the socket understands. Bodies are the variants of [`Ask`] without their tag; answers are [`Answer`]s.
//!
//! | route | ask |
//! |---|---|
//! | `GET /v1/call` | status |
//! | `POST /v1/call/hangup` | hang up |
//! | `POST /v1/call/flash` | `{"ms": 500}`, or nothing: as the line's profile says |
//! | `POST /v1/call/dtmf` | `{"digits": "123#"}` |
//! | `POST /v1/call/transfer` | `{"targets": [{"number": "5550100"}], "warm": true}` |
//! | `POST /v1/call/hold`, `POST /v1/call/retrieve` | put the caller on hold, take him back |
//! | `POST /v1/call/conference` | nothing: with who was dialled on hold, or `{"target": {"number": "5550100"}}` |
//! | `GET /v1/events` | a stream of [`WireEvent`](super::WireEvent)s |
//! | `GET /v1/openapi.json` | all this for programs; a test holds it against the routes and the bodies |

use super::connections::Connection;
use super::peer::Peer;
use super::place::{GROUP, user_name};
use super::request::{Answer, Ask, WireEvent};
use super::server::Shared;
use super::sse;
use crate::error::{Error, Exit};
use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use http_body_util::BodyExt;
use hyper::body::{Bytes, Frame};
use serde_json::{Map, Value};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::timeout;

/// A transfer with a minute's brief is two thirds of it.
pub const BODY_MAX: usize = 1024 * 1024;
/// So much more is read and thrown away, for a client that reads only when it has written everything.
const DRAIN_MAX: usize = 2 * 1024 * 1024;
/// Path and tag of what may be posted.
pub const ACTS: [(&str, &str); 7] = [
    ("/v1/call/hangup", "hang-up"),
    ("/v1/call/flash", "flash"),
    ("/v1/call/dtmf", "dtmf"),
    ("/v1/call/transfer", "transfer"),
    ("/v1/call/hold", "hold"),
    ("/v1/call/retrieve", "retrieve"),
    ("/v1/call/conference", "conference"),
];

/// What the socket understands, for programs.
pub const OPENAPI: &str = include_str!("openapi.json");

/// Method and path of everything that is answered: the router is made of it.
pub fn routes() -> impl Iterator<Item = (&'static str, &'static str)> {
    let gets = LOOKS.into_iter().map(|path| ("get", path));
    gets.chain(ACTS.into_iter().map(|(path, _)| ("post", path)))
}

/// What may be looked at.
const LOOKS: [&str; 3] = ["/v1/call", "/v1/events", "/v1/openapi.json"];

pub(super) fn router(shared: Arc<Shared>) -> Router {
    let mut router = Router::new();
    for (_, path) in routes() {
        router = router.route(path, handler(path));
    }
    router.fallback(no_such_route).method_not_allowed_fallback(wrong_method).with_state(shared)
}

fn handler(path: &'static str) -> MethodRouter<Arc<Shared>> {
    match path {
        "/v1/call" => get(status),
        "/v1/events" => get(events),
        "/v1/openapi.json" => get(openapi),
        path => {
            let tag = ACTS.iter().find(|(p, _)| *p == path).map_or("", |(_, tag)| tag);
            post(move |State(shared): State<Arc<Shared>>, request: Request| act(shared, tag, request))
        }
    }
}

async fn openapi() -> Response {
    let mut response = Response::new(Body::from(OPENAPI));
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

/// For a peer that may not act: every route says so.
pub(super) fn refusing(line: &str, peer: Peer) -> Router {
    let user = user_name(peer.uid);
    let refusal = Error::new(
        Exit::Port,
        format!("cannot act on line {line}"),
        format!("user {user} is not its owner, not root and not in the group {GROUP}"),
        format!("join the group {GROUP} and log in again"),
    );
    Router::new().fallback(move || async move { error(StatusCode::FORBIDDEN, refusal) })
}

/// For who comes when all connections that there may be, of one process or of all, are busy.
pub(super) fn crowded(line: &str) -> Router {
    let why = "there are as many connections to its owner as there may be, and all of them are busy";
    let refusal = Error::new(Exit::InUse, format!("cannot ask line {line}"), why, "close one of them, or try again");
    Router::new().fallback(move || async move { error(StatusCode::SERVICE_UNAVAILABLE, refusal) })
}

async fn status(State(shared): State<Arc<Shared>>, Extension(connection): Extension<Connection>) -> Response {
    put(&shared, &connection, Ask::Status).await
}

async fn act(shared: Arc<Shared>, tag: &str, request: Request) -> Response {
    let connection = request.extensions().get::<Connection>().cloned().unwrap_or_default();
    let body = match timeout(shared.limits.body, read(request.into_body())).await {
        Ok(Ok(body)) => body,
        Ok(Err(refused)) => return refused,
        Err(_) => return error(StatusCode::REQUEST_TIMEOUT, not_a_request("its body did not come in time")),
    };
    match parse(tag, &body) {
        Ok(ask) => put(&shared, &connection, ask).await,
        Err(e) => error(StatusCode::BAD_REQUEST, e),
    }
}

/// The ask that a body is.
fn parse(tag: &str, body: &[u8]) -> Result<Ask, Error> {
    let mut fields: Map<String, Value> = if body.trim_ascii().is_empty() {
        Map::new()
    } else {
        serde_json::from_slice(body).map_err(|e| not_a_request(&e.to_string()))?
    };
    if let Some(field) = fields.keys().find(|k| *k == "ask" || matches!(tag, "hang-up" | "hold" | "retrieve")) {
        return Err(not_a_request(&format!("unknown field `{field}`")));
    }
    fields.insert("ask".into(), tag.into());
    let ask: Ask = serde_json::from_value(Value::Object(fields)).map_err(|e| not_a_request(&e.to_string()))?;
    ask.check()?;
    Ok(ask)
}

/// Puts an ask to the line's thread and waits for its answer.
async fn put(shared: &Shared, connection: &Connection, ask: Ask) -> Response {
    let Ok(_slot) = shared.asks_under_way.try_acquire() else {
        let why = format!("{} commands wait for it already", shared.limits.asks);
        let busy = Error::new(Exit::InUse, format!("cannot ask line {}", shared.line), why, "try again");
        return error(StatusCode::SERVICE_UNAVAILABLE, busy);
    };
    let _busy = connection.begin();
    let (answer_to, mut answer) = oneshot::channel();
    if shared.asks.send((ask, answer_to)).is_err() {
        return gone(shared);
    }
    tokio::select! {
        // an answer given before leaving counts
        biased;
        answer = &mut answer => answer.map_or_else(|_| gone(shared), reply),
        () = shared.stopped() => gone(shared),
    }
}

async fn events(State(shared): State<Arc<Shared>>, Extension(connection): Extension<Connection>) -> Response {
    let Ok(slot) = shared.watchers.clone().try_acquire_owned() else {
        let why = format!("{} others watch it already", shared.limits.watchers);
        let full = Error::new(Exit::InUse, format!("cannot watch line {}", shared.line), why, "end one of them");
        return error(StatusCode::SERVICE_UNAVAILABLE, full);
    };
    // a watcher with nothing to see is not idle
    let busy = connection.begin();
    let events = shared.events.subscribe();
    let (chunks, body) = mpsc::channel(1);
    tokio::spawn(async move {
        if !stream(&shared, events, &chunks).await {
            connection.cut();
        }
        drop((slot, busy));
    });
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    let mut response = Response::new(Body::new(Chunks(body)));
    for (name, value) in headers {
        response.headers_mut().insert(name, header::HeaderValue::from_static(value));
    }
    response
}

/// Sends events until the owner or the watcher leaves; `false` when the watcher is there and does not read.
async fn stream(shared: &Shared, mut events: broadcast::Receiver<WireEvent>, to: &mpsc::Sender<Bytes>) -> bool {
    let mut text = sse::KEEP_ALIVE.to_string();
    loop {
        match timeout(shared.limits.stalled, to.send(text.into())).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return true,
            Err(_) => return false,
        }
        text = tokio::select! {
            biased;
            () = to.closed() => return true,
            event = events.recv() => match event {
                Ok(event) => sse::event(&event),
                Err(RecvError::Lagged(n)) => sse::missed(n),
                Err(RecvError::Closed) => break,
            },
            () = shared.stopped() => break,
            () = tokio::time::sleep(shared.limits.keep_alive) => sse::KEEP_ALIVE.to_string(),
        };
    }
    // what was said up to the end, in one piece: there is little time
    let mut text = String::new();
    loop {
        match events.try_recv() {
            Ok(event) => text.push_str(&sse::event(&event)),
            Err(TryRecvError::Lagged(n)) => text.push_str(&sse::missed(n)),
            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
        }
    }
    text.push_str(sse::END);
    matches!(timeout(shared.limits.stalled, to.send(text.into())).await, Ok(Ok(())))
}

/// A body that comes piece by piece.
struct Chunks(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|chunk| chunk.map(|bytes| Ok(Frame::data(bytes))))
    }
}

async fn read(mut body: Body) -> Result<Vec<u8>, Response> {
    let mut bytes = Vec::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| error(StatusCode::BAD_REQUEST, not_a_request("its body broke off")))?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length <= BODY_MAX {
            bytes.extend_from_slice(&data);
        } else if length > DRAIN_MAX {
            break;
        }
    }
    if length > BODY_MAX {
        let why = format!("its body is larger than {} KiB", BODY_MAX / 1024);
        return Err(error(StatusCode::PAYLOAD_TOO_LARGE, not_a_request(&why)));
    }
    Ok(bytes)
}

async fn no_such_route(request: Request) -> Response {
    error(StatusCode::NOT_FOUND, not_a_request(&format!("there is no {}", shown(request.uri().path()))))
}

async fn wrong_method(request: Request) -> Response {
    let why = format!("{} does not take {}", shown(request.uri().path()), shown(request.method().as_str()));
    error(StatusCode::METHOD_NOT_ALLOWED, not_a_request(&why))
}

fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

fn not_a_request(why: &str) -> Error {
    let next = "GET /v1/call, POST /v1/call/{hangup,flash,dtmf,transfer,hold,retrieve,conference}, GET /v1/events; \
                all of it: GET /v1/openapi.json";
    Error::new(Exit::Usage, "cannot understand the request", why, next)
}

fn gone(shared: &Shared) -> Response {
    let e = Error::new(
        Exit::Failed,
        format!("no call on {}", shared.line),
        "the process that held it is ending",
        "see `tipring lines`",
    );
    error(StatusCode::SERVICE_UNAVAILABLE, e)
}

fn error(status: StatusCode, e: Error) -> Response {
    json(status, &e.into())
}

/// An outcome is an answer, be it good or bad; only what was not done at all is an error of HTTP.
fn reply(answer: Answer) -> Response {
    let status = match &answer {
        Answer::Error { exit, .. } => match Exit::from_code(*exit) {
            Some(Exit::Usage | Exit::Config) => StatusCode::BAD_REQUEST,
            Some(Exit::Denied) => StatusCode::FORBIDDEN,
            Some(Exit::Port | Exit::Interrupted) => StatusCode::SERVICE_UNAVAILABLE,
            Some(Exit::Bug) | None => StatusCode::INTERNAL_SERVER_ERROR,
            Some(_) => StatusCode::CONFLICT,
        },
        _ => StatusCode::OK,
    };
    json(status, &answer)
}

fn json(status: StatusCode, answer: &Answer) -> Response {
    // a number that is not one (NaN) has no JSON: what is sent then is no answer, and the client says so
    let mut text = serde_json::to_string(answer).unwrap_or_default();
    text.push('\n');
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_body_is_the_ask_without_its_tag() {
        assert_eq!(parse("hang-up", b"").unwrap(), Ask::HangUp);
        assert_eq!(parse("flash", b" \n").unwrap(), Ask::Flash { ms: None });
        assert_eq!(parse("flash", br#"{"ms":600}"#).unwrap(), Ask::Flash { ms: Some(600) });
        assert_eq!(parse("dtmf", br#"{"digits":"12#"}"#).unwrap(), Ask::Dtmf { digits: "12#".into() });
        assert!(matches!(
            parse("transfer", br#"{"targets":[{"number":"5550100"}],"warm":true}"#).unwrap(),
            Ask::Transfer { warm: true, .. }
        ));
    }

    #[test]
    fn a_body_that_says_something_else_is_refused() {
        for (tag, body) in [
            ("hang-up", r#"{"why":"because"}"#),
            ("flash", r#"{"ask":"hang-up"}"#),
            ("flash", r#"{"ms":0}"#),
            ("flash", r#"{"ms":99999}"#),
            ("flash", r#"{"ms":-1}"#),
            ("flash", r#"{"millis":5}"#),
            ("flash", "[]"),
            ("flash", "{"),
            ("dtmf", r#"{"digits":"12;ATH"}"#),
            ("dtmf", "{}"),
            ("transfer", r#"{"targets":[]}"#),
            ("transfer", r#"{"targets":[{"number":"1\r\nATD2"}]}"#),
            ("transfer", r#"{"targets":[{"number":"1","name":"\u001b[31m"}]}"#),
            ("transfer", r#"{"targets":[{"number":"1"}],"no_answer_after_ms":0}"#),
        ] {
            assert_eq!(parse(tag, body.as_bytes()).map_err(|e| e.exit), Err(Exit::Usage), "{tag} {body}");
        }
    }

    proptest! {
        #[test]
        fn no_body_panics_us(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            for (_, tag) in ACTS {
                let _ = parse(tag, &body);
            }
        }
    }
}
