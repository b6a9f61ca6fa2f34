//! The owner's socket: what it takes, what it refuses, and that the line never waits for it.

use super::support::{Child, LIMITS, LINE, Owner, done, exchange, json, me, mode, request};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tipring::call::Step;
use tipring::clock::Time;
use tipring::control::server::{Asked, Limits, Server};
use tipring::control::{Answer, Ask, CallStatus, LineLock, OnFail, Places, TargetAsk, TransferReport, WireEvent};
use tipring::control::{client, request};
use tipring::error::Exit;
use tipring::record::{Actor, Record};
use tokio::sync::broadcast;

const SOON: Duration = Duration::from_secs(20);
/// Something that is only reached when a test fails.
const NEVER: Duration = Duration::from_secs(60);

fn status() -> Answer {
    Answer::Status(CallStatus {
        line: LINE.into(),
        pid: 4711,
        stage: "talking".into(),
        t: 12.5,
        answered_at: Some(8.0),
        caller_number: Some("5551234".into()),
        caller_name: None,
    })
}

fn report() -> Answer {
    Answer::Transfer(TransferReport {
        result: "transfer-failed".into(),
        exit: 20,
        warm: true,
        target: None,
        assumes: None,
        proof: vec!["talking to 5551234 again".into()],
        steps: vec![Step::new(Time::ms(9_000), "flash").ms(500).heard("recall-dial")],
    })
}

fn transfer() -> Ask {
    let target = TargetAsk { name: Some("desk".into()), number: "5550100".into() };
    Ask::Transfer {
        targets: vec![target],
        warm: true,
        no_answer_after_ms: Some(20_000),
        on_fail: OnFail::Hangup,
        voicemail: None,
        brief: None,
        second_line: None,
    }
}

fn an_owner() -> Owner {
    Owner::answering(|ask| match ask {
        Ask::Status => status(),
        Ask::Transfer { .. } => report(),
        Ask::Flash { .. } => Answer::Done { heard: Some("recall-dial".into()) },
        _ => done(),
    })
}

#[test]
fn every_ask_reaches_the_line_and_every_answer_comes_back() {
    let mut owner = an_owner();
    let asks = [Ask::Status, Ask::Flash { ms: Some(600) }, Ask::Dtmf { digits: "12#".into() }, transfer(), Ask::HangUp];
    let answers: Vec<_> = asks.iter().map(|a| client::ask(&owner.places, LINE, a, SOON).unwrap()).collect();
    let heard = Answer::Done { heard: Some("recall-dial".into()) };
    assert_eq!(answers, [status(), heard, done(), report(), done()]);
    assert_eq!(owner.leave(), asks);
}

#[test]
fn plain_http_gets_plain_json() {
    let mut owner = an_owner();
    let ask = |method, path, body| exchange(owner.connect(), &request(method, path, body));
    let (code, body) = ask("GET", "/v1/call", "");
    assert_eq!(code, 200);
    assert_eq!(
        body,
        "{\"answer\":\"status\",\"line\":\"sim/us?scenario=incoming&clock=virtual\",\"pid\":4711,\"stage\":\"talking\",\
         \"t\":12.5,\"answered_at\":8.0,\"caller_number\":\"5551234\"}\n"
    );
    assert_eq!(ask("POST", "/v1/call/flash", "").1, "{\"answer\":\"done\",\"heard\":\"recall-dial\"}\n");
    assert_eq!(ask("POST", "/v1/call/dtmf", "{\"digits\": \"12#\"}").0, 200);
    let (code, body) = ask("POST", "/v1/call/transfer", "{\"targets\":[{\"number\":\"5550101\"}]}");
    assert_eq!((code, json(&body)["result"].as_str()), (200, Some("transfer-failed")), "an outcome is an answer");
    assert_eq!(ask("POST", "/v1/call/hangup", "").0, 200);
    assert_eq!(owner.leave().len(), 5);
}

#[test]
fn one_connection_carries_many_requests() {
    let owner = an_owner();
    let mut stream = owner.connect();
    for _ in 0..3 {
        stream.write_all(b"GET /v1/call HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut reply = vec![0; 4096];
        let n = stream.read(&mut reply).unwrap();
        assert!(reply[..n].starts_with(b"HTTP/1.1 200 OK\r\n"));
    }
}

#[test]
fn what_cannot_be_understood_is_refused_in_three_lines_and_the_line_hears_nothing() {
    let mut owner = an_owner();
    let large = format!("{{\"digits\":\"{}\"}}", "1".repeat(1024 * 1024));
    let deep = "[".repeat(60_000);
    for (method, path, body, expected) in [
        ("GET", "/", "", 404),
        ("GET", "/v2/call", "", 404),
        ("GET", "/v1/call/../../etc/passwd", "", 404),
        ("DELETE", "/v1/call", "", 405),
        ("GET", "/v1/call/hangup", "", 405),
        ("POST", "/v1/events", "", 405),
        ("POST", "/v1/call/hangup", "{\"really\":true}", 400),
        ("POST", "/v1/call/flash", "{\"ms\":", 400),
        ("POST", "/v1/call/flash", "\u{0}\u{1}", 400),
        ("POST", "/v1/call/flash", "{\"ms\":1e999}", 400),
        ("POST", "/v1/call/dtmf", "{\"digits\":\"1;ATH\\r\"}", 400),
        ("POST", "/v1/call/dtmf", &large, 413),
        ("POST", "/v1/call/transfer", &deep, 400),
        ("POST", "/v1/call/transfer", "{\"targets\":[]}", 400),
    ] {
        let (code, body) = exchange(owner.connect(), &request(method, path, body));
        assert_eq!(code, expected, "{method} {path}: {body}");
        let body = json(&body);
        assert!(["what", "why", "next"].iter().all(|k| body[k].as_str().is_some_and(|s| !s.is_empty())), "{body}");
        assert_eq!(body["exit"], 2, "{body}");
    }
    assert_eq!(owner.leave(), []);
}

#[test]
fn bytes_that_are_no_http_do_no_harm() {
    let mut owner = an_owner();
    let (code, _) = exchange(owner.connect(), b"\x16\x03\x01 hello\r\n\r\n");
    assert_eq!(code, 400);
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(1024 * 1024));
    let (code, _) = exchange(owner.connect(), long.as_bytes());
    assert!(code == 0 || (400..500).contains(&code), "{code}");
    drop(owner.connect());
    let mut half = owner.connect();
    half.write_all(b"POST /v1/call/hangup HTTP/1.1\r\nContent-Length: 100\r\n\r\n{").unwrap();
    drop(half);
    let (code, _) = exchange(owner.connect(), b"POST /v1/call/hangup HTTP/1.1\r\nContent-Length: -1\r\n\r\n");
    assert_eq!(code, 400);
    assert_eq!(client::ask(&owner.places, LINE, &Ask::Status, SOON).unwrap(), status());
    assert_eq!(owner.leave(), [Ask::Status]);
}

#[test]
fn a_client_that_does_not_go_on_is_let_go() {
    let quick = Duration::from_millis(20);
    let owner = Owner::with_limits(Limits { head: quick, body: quick, ..LIMITS }, |_| done());
    let (code, body) = exchange(owner.connect(), b"POST /v1/call/dtmf HTTP/1.1\r\nContent-Length: 9\r\n\r\n{");
    assert_eq!((code, json(&body)["exit"].as_u64()), (408, Some(2)));
    // closed, whether or not with a word
    exchange(owner.connect(), b"GET /v1/ca");
    exchange(owner.connect(), b"");
}

/// All from one process here, which has the stricter limit; of many processes is told beside the rule itself.
#[test]
fn who_only_sits_there_keeps_nobody_out_and_watchers_stay() {
    let limits = Limits { head: NEVER, connections: 12, per_process: 12, ..LIMITS };
    let owner = Owner::with_limits(limits, |_| status());
    let mut events = client::events(&owner.places, LINE).unwrap();
    // silent, half a request, a whole one and then silent
    let mut idle = Vec::new();
    for n in 0..130 {
        let mut stream = owner.connect();
        let _ = match n % 3 {
            0 => Ok(()),
            1 => stream.write_all(b"POST /v1/call/dtmf HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"),
            _ => stream.write_all(b"GET /v1/call HTTP/1.1\r\nHost: x\r\n\r\n"),
        };
        idle.push(stream);
    }
    let begin = Instant::now();
    assert_eq!(client::ask(&owner.places, LINE, &Ask::Status, SOON).unwrap(), status());
    assert!(begin.elapsed() < SOON);
    owner.events.send(WireEvent { t: 1.0, who: "us".into(), what: "on-hook".into() }).unwrap();
    assert_eq!(events.next().unwrap().unwrap().what, "on-hook", "who watches is not idle");
    drop(idle);
}

#[test]
fn a_process_that_is_busy_on_all_its_connections_is_told_so_and_others_are_served() {
    let (asks, asked) = mpsc::channel::<Asked>();
    let owner = Owner::silent(Limits { per_process: 2, ..LIMITS }, asks);
    let busy: Vec<_> = (0..2)
        .map(|_| {
            let stream = owner.connect();
            let client = std::thread::spawn(move || exchange(stream, &request("POST", "/v1/call/hangup", "")));
            (client, asked.recv().unwrap().1)
        })
        .collect();
    let (code, body) = exchange(owner.connect(), &request("GET", "/v1/call", ""));
    assert_eq!((code, json(&body)["exit"].as_u64()), (503, Some(5)), "{body}");
    let curl = std::process::Command::new("curl")
        .args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket"])
        .arg(owner.path())
        .arg("http://tipring/v1/openapi.json")
        .output()
        .expect("curl runs");
    assert_eq!(String::from_utf8_lossy(&curl.stdout), "200");
    for (client, answer) in busy {
        answer.send(done()).unwrap();
        assert_eq!(client.join().unwrap().0, 200);
    }
}

#[test]
fn the_owners_own_errors_keep_their_exit_codes() {
    let refuse =
        |exit: Exit| Answer::Error { what: "no".into(), why: "so".into(), next: "then".into(), exit: exit.code() };
    let owner = Owner::answering(move |ask| refuse(if *ask == Ask::Status { Exit::Bug } else { Exit::NoFlashAnswer }));
    let e = client::ask(&owner.places, LINE, &Ask::HangUp, SOON).unwrap_err();
    assert_eq!((e.exit, e.to_string()), (Exit::NoFlashAnswer, "error: no\ncause: so\n help: then".into()));
    assert_eq!(exchange(owner.connect(), &request("POST", "/v1/call/hangup", "")).0, 409);
    assert_eq!(exchange(owner.connect(), &request("GET", "/v1/call", "")).0, 500);
}

#[test]
fn watchers_hear_what_happens_from_when_they_came() {
    let mut owner = an_owner();
    let record = Record::new(Time::ms(1_234), Actor::Heard, "tone ringback\u{1b}[2J\n");
    owner.events.send(WireEvent { t: 0.0, who: "us".into(), what: "before".into() }).unwrap_err();
    let mut events = client::events(&owner.places, LINE).unwrap();
    let mut raw = owner.connect();
    raw.write_all(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut lines = BufReader::new(raw).lines().map_while(Result::ok);
    // the stream has begun when its first comment is there
    assert!(lines.by_ref().take_while(|l| l != ":").any(|l| l.eq_ignore_ascii_case("content-type: text/event-stream")));

    owner.events.send(WireEvent::from(&record)).unwrap();
    let event = events.next().unwrap().unwrap();
    assert_eq!(event, WireEvent { t: 1.234, who: "heard".into(), what: "tone ringback\u{1b}[2J\n".into() });
    assert_eq!(event.to_string(), "    1.234  heard     tone ringback\\u{1b}[2J\\n");
    let data = lines.find(|l| l.starts_with("data")).unwrap();
    assert_eq!(
        data,
        "data: {\"schema\":\"tipring.event/1\",\"t\":1.234,\"who\":\"heard\",\"what\":\"tone ringback\\u001b[2J\\n\"}"
    );

    // the last words are heard, however quickly the owner goes after them
    for i in 0..10 {
        owner.events.send(WireEvent { t: 2.0, who: "us".into(), what: format!("on-hook {i}") }).unwrap();
    }
    owner.leave();
    let rest: Vec<_> = events.map(|e| e.unwrap().what).collect();
    assert_eq!(rest.len(), 10);
    assert_eq!(rest[9], "on-hook 9");
    assert!(lines.any(|l| l == "event: end"));
}

#[test]
fn a_watcher_who_does_not_read_is_let_go_and_nobody_waits_for_him() {
    let limits = Limits { stalled: Duration::from_millis(30), watchers: 1, ..LIMITS };
    let owner = Owner::with_limits(limits, |_| status());
    let mut lazy = owner.connect();
    lazy.write_all(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut first = [0; 1];
    lazy.read_exact(&mut first).unwrap();

    let (code, body) = exchange(owner.connect(), &request("GET", "/v1/events", ""));
    assert_eq!((code, json(&body)["exit"].as_u64()), (503, Some(5)), "the one place is taken");

    // far more than the kernel's buffers hold, and every send returns at once
    let what = "x".repeat(100_000);
    let begin = Instant::now();
    for _ in 0..200 {
        let _ = owner.events.send(WireEvent { t: 1.0, who: "us".into(), what: what.clone() });
        std::thread::sleep(Duration::from_micros(200));
    }
    assert!(begin.elapsed() < SOON);
    assert_eq!(client::ask(&owner.places, LINE, &Ask::Status, SOON).unwrap(), status());
    // his place is free again, which it only is when he is gone
    let begin = Instant::now();
    while client::events(&owner.places, LINE).is_err() {
        assert!(begin.elapsed() < SOON, "the lazy watcher is still there");
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut rest = Vec::new();
    let _ = lazy.read_to_end(&mut rest);
    assert!(!String::from_utf8_lossy(&rest).contains("event: end"), "he was cut off, not seen out");
}

#[test]
fn a_watcher_who_missed_events_is_told_how_many() {
    let owner = an_owner();
    let events = client::events(&owner.places, LINE).unwrap();
    // the broadcast keeps 64; nothing is read meanwhile, and the kernel's buffers take a few
    let what = "x".repeat(50_000);
    for _ in 0..200 {
        owner.events.send(WireEvent { t: 3.0, who: "us".into(), what: what.clone() }).unwrap();
    }
    let (mut seen, mut missed) = (0, 0);
    for event in events {
        let what = event.unwrap().what;
        match what.strip_prefix("missed ").and_then(|text| text.split(' ').next()) {
            Some(n) => missed += n.parse::<usize>().unwrap(),
            None => seen += 1,
        }
        if seen + missed >= 200 {
            break;
        }
    }
    assert!(seen + missed == 200 && missed > 0, "saw {seen}, missed {missed}");
}

#[test]
fn a_silent_stream_says_that_it_is_alive() {
    let owner = Owner::with_limits(Limits { keep_alive: Duration::from_millis(5), ..LIMITS }, |_| done());
    let mut raw = owner.connect();
    raw.write_all(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let comments = BufReader::new(raw).lines().map_while(Result::ok).filter(|l| l == ":").take(4).count();
    assert_eq!(comments, 4);
}

#[test]
fn an_answer_given_before_leaving_arrives() {
    let (asks, asked) = mpsc::channel::<Asked>();
    let mut owner = Owner::silent(LIMITS, asks);
    let places = owner.places.clone();
    let client = std::thread::spawn(move || client::ask(&places, LINE, &Ask::HangUp, NEVER));
    let (ask, answer) = asked.recv().unwrap();
    assert_eq!(ask, Ask::HangUp);
    answer.send(done()).unwrap();
    owner.leave();
    assert_eq!(client.join().unwrap(), Ok(done()));
}

#[test]
fn a_question_left_unanswered_ends_with_the_owner() {
    let (asks, asked) = mpsc::channel::<Asked>();
    let mut owner = Owner::silent(LIMITS, asks);
    let raw = owner.connect();
    let one = std::thread::spawn(move || exchange(raw, &request("POST", "/v1/call/hangup", "")));
    let unanswered = asked.recv().unwrap();
    owner.leave();
    let (code, body) = one.join().unwrap();
    assert_eq!((code, json(&body)["exit"].as_u64()), (503, Some(1)));
    drop(unanswered);
}

#[test]
fn a_line_thread_that_is_gone_is_said_so() {
    let (asks, asked) = mpsc::channel::<Asked>();
    let owner = Owner::silent(LIMITS, asks);
    drop(asked);
    let (code, body) = exchange(owner.connect(), &request("GET", "/v1/call", ""));
    assert_eq!((code, json(&body)["exit"].as_u64()), (503, Some(1)));
    let e = client::ask(&owner.places, LINE, &Ask::Status, SOON).unwrap_err();
    assert_eq!(e.exit, Exit::Failed);
}

#[test]
fn more_asks_than_the_line_can_take_are_turned_away() {
    let (asks, asked) = mpsc::channel::<Asked>();
    let owner = Owner::silent(Limits { asks: 1, ..LIMITS }, asks);
    let places = owner.places.clone();
    let first = std::thread::spawn(move || client::ask(&places, LINE, &Ask::HangUp, NEVER));
    let (_, answer) = asked.recv().unwrap();
    let (code, body) = exchange(owner.connect(), &request("GET", "/v1/call", ""));
    assert_eq!((code, json(&body)["exit"].as_u64()), (503, Some(5)));
    answer.send(done()).unwrap();
    assert_eq!(first.join().unwrap(), Ok(done()));
}

#[test]
fn an_owner_who_says_nothing_is_not_waited_for_for_ever() {
    let (asks, _asked) = mpsc::channel::<Asked>();
    let owner = Owner::silent(LIMITS, asks);
    let e = client::ask(&owner.places, LINE, &Ask::HangUp, Duration::from_millis(20)).unwrap_err();
    assert_eq!(e.exit, Exit::StillBusy);
}

#[test]
fn the_socket_is_for_owner_and_group_and_goes_with_its_server() {
    let mut owner = an_owner();
    let path = owner.path();
    assert_eq!(mode(&path), 0o660);
    let files = |owner: &Owner| fs::read_dir(owner.dir()).unwrap().count();
    assert_eq!(files(&owner), 2, "the lock and the socket");
    owner.leave();
    assert!(!path.exists());
    assert_eq!(files(&owner), 1);
}

#[test]
fn a_socket_that_is_not_ours_is_not_removed() {
    let mut owner = an_owner();
    let path = owner.path();
    fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    let inode = fs::metadata(&path).unwrap().ino();
    owner.leave();
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
}

#[test]
fn leaving_does_not_wait_for_idle_or_stuck_clients() {
    let mut owner = an_owner();
    let idle = owner.connect();
    let mut half = owner.connect();
    half.write_all(b"POST /v1/call/dtmf HTTP/1.1\r\nContent-Length: 9\r\n\r\n{").unwrap();
    let begin = Instant::now();
    owner.leave();
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    drop((idle, half));
}

#[test]
fn a_socket_left_by_a_killed_owner_is_replaced() {
    if let Some(mut child) = Child::me() {
        let lock = LineLock::take(&child.places(), LINE, "tipring dial").unwrap();
        let (asks, _asked) = mpsc::channel();
        let _server = Server::start(&lock, asks, broadcast::channel(1).0).unwrap();
        child.say("listening");
        child.wait_for("never");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let places = Places::at(dir.path());
    let mut child = Child::spawn("server", "a_socket_left_by_a_killed_owner_is_replaced", dir.path());
    assert_eq!(child.hear(), "listening");
    kill(Pid::from_raw(child.pid() as i32), Signal::SIGKILL).unwrap();
    child.end();

    let sockets =
        || fs::read_dir(dir.path()).unwrap().flatten().filter(|e| e.path().extension() == Some("sock".as_ref()));
    assert_eq!(sockets().count(), 1, "it is still there");
    let e = client::ask(&places, LINE, &Ask::Status, SOON).unwrap_err();
    assert_eq!((e.exit, e.why.as_str()), (Exit::Failed, "nobody holds it"));

    let lock = LineLock::take(&places, LINE, "tipring answer").unwrap();
    let (asks, asked) = mpsc::channel::<Asked>();
    let server = Server::start(&lock, asks, broadcast::channel(1).0).unwrap();
    let owner = std::thread::spawn(move || {
        let (_, answer) = asked.recv().unwrap();
        answer.send(status()).unwrap();
    });
    assert_eq!(client::ask(&places, LINE, &Ask::Status, SOON), Ok(status()));
    owner.join().unwrap();
    drop(server);
    assert_eq!(sockets().count(), 0);
}

#[test]
fn without_an_owner_there_is_no_call_to_act_on() {
    let dir = tempfile::tempdir().unwrap();
    let places = Places::at(dir.path());
    let e = client::ask(&places, "dahdi/1", &Ask::HangUp, SOON).unwrap_err();
    assert_eq!((e.exit, e.what.as_str(), e.why.as_str()), (Exit::Failed, "no call on dahdi/1", "nobody holds it"));
    assert_eq!(client::events(&places, "dahdi/1").err(), Some(e));

    let _lock = LineLock::take(&places, "dahdi/1", "tipring watch").unwrap();
    let e = client::ask(&places, "dahdi/1", &Ask::HangUp, SOON).unwrap_err();
    assert!(e.exit == Exit::InUse && e.why.contains("(tipring watch)"), "{e}");
}

#[test]
fn an_owner_that_has_just_taken_the_line_is_waited_for_a_moment() {
    let dir = tempfile::tempdir().unwrap();
    let places = Places::at(dir.path());
    let lock = LineLock::take(&places, LINE, "tipring answer").unwrap();
    let client = std::thread::spawn(move || client::ask(&places, LINE, &Ask::Status, SOON));
    std::thread::sleep(Duration::from_millis(30));
    let (asks, asked) = mpsc::channel::<Asked>();
    let _server = Server::start(&lock, asks, broadcast::channel(1).0).unwrap();
    let (_, answer) = asked.recv_timeout(SOON).expect("the client has not given up");
    answer.send(status()).unwrap();
    assert_eq!(client.join().unwrap(), Ok(status()));
}

#[test]
fn what_cannot_be_done_is_refused_before_anybody_is_asked() {
    let places = Places::at("/nonexistent");
    let e = client::ask(&places, LINE, &Ask::Dtmf { digits: "ATH".into() }, SOON).unwrap_err();
    assert_eq!(e.exit, Exit::Usage);
}

#[test]
fn an_owner_of_another_kind_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let places = Places::at(dir.path());
    let path = dir.path().join(format!("{}.sock", tipring::control::place::file_name(LINE)));
    let listener = UnixListener::bind(&path).unwrap();
    let replies: [&[u8]; 4] = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"SSH-2.0-nothing\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"answer\":\"done\"}",
    ];
    let other = std::thread::spawn(move || {
        for reply in replies {
            let (mut stream, _): (UnixStream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]);
            stream.write_all(reply).unwrap();
        }
    });
    for _ in replies {
        let e = client::ask(&places, LINE, &Ask::Status, SOON).unwrap_err();
        assert_eq!(e.exit, Exit::Failed, "{e}");
        assert!(!e.why.is_empty() && !e.next.is_empty());
    }
    other.join().unwrap();
}

#[test]
fn asks_are_the_same_in_json_and_out_of_it() {
    for ask in [Ask::Status, Ask::HangUp, Ask::Flash { ms: None }, transfer()] {
        let text = serde_json::to_string(&ask).unwrap();
        assert_eq!(serde_json::from_str::<request::Ask>(&text).unwrap(), ask);
    }
}

#[test]
fn a_stranger_who_gets_at_the_socket_is_refused_by_what_the_kernel_says_of_him() {
    // only root can be somebody else for a moment; the rule itself is tested beside it
    if me() != 0 {
        return;
    }
    let mut owner = an_owner();
    let chmod = |path: &std::path::Path, mode| {
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    assert_eq!(mode(&owner.path()), 0o660);
    let ask_as = |uid: u32| {
        let mut curl = std::process::Command::new("curl");
        std::os::unix::process::CommandExt::gid(&mut curl, uid);
        std::os::unix::process::CommandExt::uid(&mut curl, uid);
        curl.args(["-s", "-w", "%{http_code}", "-o", "/dev/null", "-X", "POST", "--unix-socket"]);
        let output = curl.arg(owner.path()).arg("http://tipring/v1/call/hangup").output().expect("curl runs");
        String::from_utf8(output.stdout).unwrap()
    };
    chmod(owner.dir(), 0o755);
    assert_eq!(ask_as(65_534), "000", "the mode keeps him out");
    chmod(&owner.path(), 0o666);
    assert_eq!(ask_as(65_534), "403", "and where it does not, the kernel's word on who he is");
    assert_eq!(ask_as(0), "200");
    assert_eq!(owner.leave(), [Ask::HangUp], "the line has heard root alone");
}
