//! Holding a line for the length of a call: lock, port, socket, signals, recording; in the foreground, or detached.

use super::Global;
use super::open::{Named, free_of_other_telephones};
use crate::call::transfer::TransferPlan;
use crate::call::{Begin, Plan, Request, Stage, Step, Target};
use crate::clock::Time;
use crate::config::Config;
use crate::control::client::is_stopped;
use crate::control::request::unpack_brief;
use crate::control::server::Server;
use crate::control::{Ask, TargetAsk};
use crate::driver::{Port, PortError, PortKind};
use crate::dsp::Frame;
use crate::error::{Error, Exit, printable};
use crate::event::{Action, Event};
use crate::journal::{CallLog, Direction, NewCall, place::Surroundings};
use crate::line::Line;
use crate::number::DialString;
use crate::output::Style;
use crate::output::progress::Progress;
use crate::output::wav::Recording;
use crate::owner::{CallReport, Owner, SecondLine, Witness};
use crate::record::{Actor, Record};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use serde_json::Value;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Set by SIGINT, SIGTERM, SIGHUP or a closed pipe: the call ends and the line is left on-hook.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);
/// A detached owner that we wait for, and that our own interrupt must end.
static CHILD: AtomicU32 = AtomicU32::new(0);

/// What a command wants of the line.
pub struct Wish<'a> {
    pub command: &'static str,
    pub plan: Plan,
    pub record: Option<PathBuf>,
    pub detach: bool,
    /// Renders the report as this command's JSON document.
    pub render: &'a dyn Fn(&CallReport) -> Value,
    /// … and as lines for people.
    pub lines: &'a dyn Fn(&CallReport) -> Vec<String>,
}

/// Runs the call and prints its report; the exit code is the ending's.
pub fn run(global: &Global, config: Config, named: Named, wish: Wish) -> Result<Exit, Error> {
    if wish.detach && !is_detached() {
        return detach(global, &named);
    }
    for path in global.journal.iter().chain(&wish.record) {
        super::not_the_journal(&config, path)?;
    }
    catch_signals();
    let style = global.style();
    let (mut port, lock) = named.open(global, wish.command)?;
    faces_an_exchange(&*port, &named, wish.command)?;
    if matches!(wish.plan.begin, Begin::Dial(_)) {
        let wait = global.wait.map(|w| global.timeout.map_or(w, |t| w.min(t)));
        free_of_other_telephones(&mut *port, &named.name, wait)?;
    }
    let line = Line::new(port.kind(), port.capabilities(), named.country.clone(), port.now());
    let (events, _) = tokio::sync::broadcast::channel(1024);
    let mut witness = Live {
        style,
        journal: global.journal.as_ref().map(|p| create_journal(p)).transpose()?,
        recording: wish.record.as_deref().map(Recording::create).transpose()?,
        progress: Progress::new(style.wants_progress() && !is_detached()),
        calls: start_call_log(&config, &named, &wish),
        events: events.clone(),
        looked: 0,
        // a detached owner tells its starter as soon as the scripted part is through
        told: None,
        render: wish.render,
        detached: is_detached(),
        lifted: false,
    };
    let manners = named.manners();
    let cancels_echo = named.cancels_echo(&*port);
    let mut owner = Owner::new(named.name.clone(), port, line, wish.plan, manners, &mut witness, &INTERRUPTED);
    owner.give_up_after(global.timeout);
    owner.cancel_echo(cancels_echo);
    let seconds = config.clone();
    owner.bridge_over(Box::new(move |name, now| open_second(&seconds, name, wish.command, now)));
    if is_detached() {
        owner.outlive_the_script();
    }
    let server = match &lock {
        Some(lock) => {
            let (ask, asks) = mpsc::channel();
            owner.listen(asks, resolver(config, named.clone()));
            Some(Server::start(lock, ask, events)?)
        }
        None => None,
    };
    let report = owner.run();
    // the socket goes before the lock: who finds the line free finds no socket of ours
    drop(server);
    drop(lock);
    let told = witness.told.take();
    witness.close(report.as_ref().ok());
    let report = report?;
    if told.is_none() {
        let document = witness.document(&report);
        let lines = (wish.lines)(&report);
        let came = format!("{} (exit {})", lines.last().cloned().unwrap_or_default(), report.ending.exit().code());
        super::told_after(style.answer(&document, || lines), &came, in_journal(&document))?;
    }
    if style.quiet && !style.json && report.ending.exit() != Exit::Done {
        // quiet is for success: a cron mail without a reason helps nobody
        let reason = format!("tipring: {}: {} (exit {})", named.name, report.ending, report.ending.exit().code());
        let _ = writeln!(io::stderr(), "{}", printable(&reason));
    }
    Ok(report.ending.exit())
}

fn in_journal(document: &Value) -> String {
    match document["call"].as_str() {
        Some(id) => format!("`tipring calls show {id}` has all of it"),
        None => "look at where stdout goes; the journal has nothing of this call either".into(),
    }
}

fn faces_an_exchange(port: &dyn Port, named: &Named, command: &str) -> Result<(), Error> {
    match port.kind() {
        PortKind::Fxo => Ok(()),
        kind => {
            let what = format!("{command}: it is an {kind} port, and feeds a telephone");
            Err(PortError::Unsupported { port: named.name.clone(), what }.explain(&named.name))
        }
    }
}

/// A line beside the one that the call is on. It is not waited for: the caller listens.
fn open_second(config: &Config, name: &str, command: &str, now: Time) -> Result<SecondLine, Error> {
    let named = Named::find_called(config, name)?;
    let (mut port, lock) =
        named.open(&Global { wait: None, ..Global::default() }, &format!("{command} (second line)"))?;
    faces_an_exchange(&*port, &named, command)?;
    free_of_other_telephones(&mut *port, &named.name, None)?;
    let line = Line::new(port.kind(), port.capabilities(), named.country.clone(), now);
    let cancels_echo = named.cancels_echo(&*port);
    Ok(SecondLine { manners: named.manners(), name: named.name, port, line, cancels_echo, lock })
}

/// Requests of other processes, with our contacts and our country's prefix.
fn resolver(config: Config, line: Named) -> crate::owner::Resolve {
    let wait = |ms: &Option<u64>| ms.map_or(super::answer::NO_ANSWER_AFTER, Duration::from_millis);
    Box::new(move |ask| {
        let resolve = |t: &TargetAsk| {
            let mut target: Target = config.target(&t.number, line.country.dialling.plus())?;
            target.name = t.name.clone().or(target.name);
            Ok::<Target, Error>(target)
        };
        Ok(match ask {
            Ask::Status | Ask::HangUp => Request::HangUp,
            Ask::Flash { ms } => Request::Flash(ms.map(Duration::from_millis)),
            Ask::Dtmf { digits } => Request::Dtmf(digits.parse::<DialString>().map_err(|e| {
                Error::new(Exit::Usage, "cannot send these digits", e.to_string(), "give digits, * and #")
            })?),
            Ask::Hold => Request::Hold,
            Ask::Retrieve => Request::Retrieve,
            Ask::Conference { target, no_answer_after_ms } => {
                let target = target.as_ref().map(&resolve).transpose()?;
                Request::Conference(target.map(|t| TransferPlan::conference(t, wait(no_answer_after_ms))))
            }
            Ask::Transfer { targets, warm, no_answer_after_ms, voicemail, brief, second_line, on_fail: _ } => {
                let targets = targets.iter().map(&resolve).collect::<Result<_, _>>()?;
                let mut plan = TransferPlan::to(targets, *warm, wait(no_answer_after_ms));
                plan.voicemail = voicemail.as_ref().map(&resolve).transpose()?;
                plan.brief = brief.as_deref().map(unpack_brief).transpose()?;
                plan.second_line = super::open::second_line(&config, &line, second_line.as_deref())?;
                Request::Transfer(plan)
            }
        })
    })
}

/// The call in the journal of calls. Whatever is wrong with that, the call goes on.
fn start_call_log(config: &Config, named: &Named, wish: &Wish) -> CallLog {
    let (direction, target) = match &wish.plan.begin {
        Begin::Dial(dialling) => (Direction::Out, Some(&dialling.target)),
        Begin::Answer(_) => (Direction::In, None),
    };
    let new = NewCall {
        line: named.name.clone(),
        port: named.selector.to_string(),
        command: wish.command,
        direction,
        number: target.map(|t| t.number.reveal()),
        name: target.and_then(|t| t.name.clone()),
    };
    let mut log = CallLog::start(Surroundings::of_this_process(config.state_dir.as_deref()), new);
    log.keep(config.keep);
    log
}

/// Every line is written at once: what a killed process had seen is what is wanted most. An older journal is never cut.
fn create_journal(path: &std::path::Path) -> Result<io::LineWriter<File>, Error> {
    // without O_NONBLOCK a pipe that nobody reads would keep us in open(2)
    let flags = nix::fcntl::OFlag::O_NONBLOCK.bits();
    let open = File::options().append(true).create(true).custom_flags(flags).open(path);
    open.map(io::LineWriter::new).map_err(|e| {
        let shown = printable(&path.to_string_lossy());
        Error::new(
            Exit::Config,
            format!("cannot write the journal {shown}"),
            e.to_string(),
            "name a file that can be written",
        )
    })
}

/// Where the call is seen: live lines, the journal file, the recording, other processes' `watch`.
struct Live<'a> {
    style: Style,
    journal: Option<io::LineWriter<File>>,
    calls: CallLog,
    recording: Option<Recording>,
    progress: Progress,
    events: tokio::sync::broadcast::Sender<crate::control::request::WireEvent>,
    looked: u32,
    told: Option<()>,
    render: &'a dyn Fn(&CallReport) -> Value,
    detached: bool,
    /// The receiver is up: where a call was waited for, somebody has been answered.
    lifted: bool,
}

impl Live<'_> {
    /// The line is on-hook; what is left to write is written.
    fn close(&mut self, report: Option<&CallReport>) {
        if let Some(mut journal) = self.journal.take()
            && let Err(e) = journal.flush()
        {
            crate::output::warn(&format!("the end of the journal file is lost: {e}"));
        }
        self.recording = None;
        self.calls.finish(report);
        self.warn_of_journal();
    }

    fn warn_of_journal(&mut self) {
        if let Some(warning) = self.calls.take_warning() {
            self.progress.line(&printable(&format!("warning: {warning}")));
        }
    }

    fn document(&self, report: &CallReport) -> Value {
        let mut document = (self.render)(report);
        if let Some(id) = self.calls.id() {
            document["call"] = id.into();
        }
        document
    }
}

impl Witness for Live<'_> {
    fn event(&mut self, now: Time, event: &Event) {
        self.calls.event(now, event);
    }

    fn about_to(&mut self, now: Time, stage: Stage, action: &Action) {
        self.lifted |= *action == Action::OffHook;
        self.calls.about_to(now, stage, action);
    }

    fn step(&mut self, step: &Step) {
        self.calls.step(step);
    }

    fn record(&mut self, record: &Record) -> io::Result<()> {
        let shown = match self.style.verbose {
            0 => !self.style.quiet && !self.style.json && record.who == Actor::Call,
            _ => true,
        };
        if shown {
            self.progress.line(&record.to_string());
        }
        if let Some(journal) = &mut self.journal
            && let Err(e) = writeln!(journal, "{}", record.masked())
        {
            // a full disk never stops a call
            self.progress.line(&format!("warning: the journal file ends here: {e}"));
            self.journal = None;
        }
        self.calls.record(record);
        let _ = self.events.send(record.into());
        Ok(())
    }

    fn audio(&mut self, heard: &Frame, sent: &Frame) -> io::Result<()> {
        if let Some(recording) = &mut self.recording {
            recording.write(heard, sent);
        }
        Ok(())
    }

    fn script_done(&mut self, report: &CallReport) -> io::Result<()> {
        if self.detached {
            self.told = Some(());
            let mut out = io::stdout().lock();
            let mut document = self.document(report);
            if report.ending == crate::call::Ending::Completed {
                // the call is up, and has no ending yet
                document["outcome"] = "in-call".into();
                document["q850"] = Value::Null;
            }
            // a starter that was killed meanwhile reads nothing: the party is on the line all the same, and a control command
            // finds us
            let _ = writeln!(out, "{document}").and_then(|()| out.flush());
            drop(out);
            // from here on nobody reads us; whoever waits for the end of our starter's output must not wait for us
            let null = File::options().write(true).open("/dev/null")?;
            nix::unistd::dup2_stdout(&null)?;
            nix::unistd::dup2_stderr(&null)?;
            self.style.verbose = 0;
            self.style.quiet = true;
        }
        Ok(())
    }

    fn stage(&mut self, now: Time, stage: Stage) {
        self.progress.stage(now, stage);
        self.calls.stage(now, stage);
        self.warn_of_journal();
        self.looked += 1;
        // A pipe whose reader has gone is told by poll alone while there is nothing to write: look twice a second. A detached
        // owner without its starter goes on with whoever is on the line, and takes or makes no call that nobody knows of.
        let nobody_yet = stage == Stage::Dialling || (stage == Stage::Waiting && !self.lifted);
        let goes_on = self.detached && !nobody_yet;
        if self.looked.is_multiple_of(25) && !goes_on && reader_is_gone() {
            INTERRUPTED.store(true, Ordering::Relaxed);
        }
    }
}

/// For commands with a loop of their own: signals are caught, and this tells whether one came.
pub fn interrupted() -> impl Fn() -> bool {
    catch_signals();
    || INTERRUPTED.load(Ordering::Relaxed) || reader_is_gone()
}

/// A signal came, or nobody reads us any more.
pub fn is_interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

fn reader_is_gone() -> bool {
    let out = io::stdout();
    let mut fds = [PollFd::new(out.as_fd(), PollFlags::empty())];
    poll(&mut fds, PollTimeout::ZERO).is_ok_and(|n| n > 0)
        && fds[0].revents().is_some_and(|r| r.contains(PollFlags::POLLERR))
}

/// The signals that end us are taken by a thread of their own, so that no machine is interrupted half way: the first
/// ends the call in order, a second one ends the process (and the kernel puts the line on-hook).
fn catch_signals() {
    let mut signals = SigSet::empty();
    for s in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        signals.add(s);
    }
    if signals.thread_block().is_err() {
        return;
    }
    let wait = move || {
        while signals.wait().is_ok() {
            if INTERRUPTED.swap(true, Ordering::Relaxed) {
                std::process::exit(Exit::Interrupted.code().into());
            }
            let child = CHILD.load(Ordering::Relaxed);
            if let Some(pid) = i32::try_from(child).ok().filter(|p| *p > 0) {
                let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGTERM);
            }
        }
    };
    let _ = std::thread::Builder::new().name("signals".into()).spawn(wait);
}

// -- detached owners -----------------------------------------------------------------------------------------------

const DETACHED: &str = "TIPRING_DETACHED";

fn is_detached() -> bool {
    std::env::var_os(DETACHED).is_some()
}

/// Starts this same command as an owner of its own, in a session of its own, and waits until its script is through.
fn detach(global: &Global, named: &Named) -> Result<Exit, Error> {
    let fail = |why: io::Error| {
        Error::new(Exit::Failed, "cannot leave a line owner behind", why.to_string(), "run it without --detach")
    };
    catch_signals();
    may_detach(named)?;
    let exe = std::env::current_exe().map_err(fail)?;
    let mut child = Command::new(exe)
        .args(std::env::args_os().skip(1))
        .env(DETACHED, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(fail)?;
    CHILD.store(child.id(), Ordering::Relaxed);
    let (told, tells) = mpsc::channel();
    if let Some(out) = child.stdout.take() {
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(out).read_line(&mut line);
            let _ = told.send(read.map(|_| line));
        });
    }
    let began = Instant::now();
    let line = loop {
        match tells.recv_timeout(LOOKS_EVERY) {
            Ok(line) => break line.map_err(fail)?,
            Err(mpsc::RecvTimeoutError::Disconnected) => break String::new(),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
        // it gives up by itself after `--timeout`; who is stopped, or stands still, does not
        let late = global.timeout.and_then(|t| began.elapsed().checked_sub(t));
        if late.is_some_and(|late| late > GIVES_UP_BY || is_stopped(child.id())) {
            return Err(stands_still(&named.name, child.id()));
        }
    };
    let style = global.style();
    match serde_json::from_str::<Value>(&line) {
        Ok(document) => {
            let exit = document["exit"].as_u64().and_then(|c| u8::try_from(c).ok()).and_then(Exit::from_code);
            let mut document = document;
            document["owner_pid"] = child.id().into();
            let outcome = document["outcome"].as_str().unwrap_or("?");
            let text = format!("{}: {outcome} (owner: pid {})", named.name, child.id());
            super::told_after(style.answer(&document, || vec![text.clone()]), &text, in_journal(&document))?;
            Ok(exit.unwrap_or(Exit::Failed))
        }
        // it ended before its script did, and has said why
        Err(_) => {
            let status = child.wait().map_err(fail)?;
            let code = status.code().and_then(|c| u8::try_from(c).ok()).and_then(Exit::from_code);
            Ok(code.unwrap_or(Exit::Failed))
        }
    }
}

/// What lives inside one command cannot be left behind by it.
pub fn may_detach(named: &Named) -> Result<(), Error> {
    if named.lock_name().is_some() {
        return Ok(());
    }
    Err(Error::new(
        Exit::Usage,
        format!("cannot leave {} to a process of its own", named.name),
        "on the virtual clock it lives inside one command, and nobody could reach it",
        "leave out clock=virtual, or --detach",
    ))
}

/// A call that is told to end takes a caller off hold first, and may have to wait until nobody waits on the line.
const GIVES_UP_BY: Duration = Duration::from_secs(200);
const LOOKS_EVERY: Duration = Duration::from_millis(100);

fn stands_still(name: &str, pid: u32) -> Error {
    Error::new(
        Exit::StillBusy,
        format!("{name}: the owner that was left behind says nothing"),
        format!("pid {pid} has not ended its call after --timeout: it is stopped, or stands still"),
        format!("look at it with `ps -o stat,wchan {pid}`; `kill -CONT {pid}` lets it go on"),
    )
}

/// A detached owner leaves its starter's session, so that closing the terminal does not end the call, and lets go of what
/// it inherited: a lock or a pipe of the script that started it must not live as long as the call. Called before anything
/// of our own is open.
pub fn leave_session_when_detached() {
    if !is_detached() {
        return;
    }
    let _ = nix::unistd::setsid();
    let open = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let numbers: Vec<i32> = open.filter_map(|e| e.file_name().to_str()?.parse().ok()).filter(|fd| *fd > 2).collect();
    for fd in numbers {
        // the listing's own is gone by now: an error says so, and nothing else
        let _ = nix::unistd::close(fd);
    }
}
