//! A whole call on the simulated exchange, with the exchange's own books beside it: who talked with whom, who was lost.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tipring::call::receive::AnswerRule;
use tipring::call::talk::TalkPlan;
use tipring::call::transfer::{SecondLine, TransferPlan};
use tipring::call::{Answering, Begin, Completion, Manners, Plan, Target};
use tipring::clock::Time;
use tipring::driver::sim::SimPort;
use tipring::driver::sim::scenario::Scenario;
use tipring::driver::{Capabilities, Port, PortError, PortKind, Selector};
use tipring::dsp::Frame;
use tipring::error::Exit;
use tipring::event::{Command, Signal};
use tipring::facts::Facts;
use tipring::line::Line;
use tipring::owner::{Owner, Witness};
use tipring::record::{Actor, Record};

/// What a line's exchange does with our hang-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Hanging up connects the two (North America, with transfer).
    HangUp,
    /// A recall code does (ETSI: R4).
    Code,
    /// Hanging up drops them: we stay with both.
    Dies,
}

impl Class {
    pub const ALL: [Class; 3] = [Class::HangUp, Class::Code, Class::Dies];

    pub fn name(self) -> &'static str {
        match self {
            Class::HangUp => "us, hang-up",
            Class::Code => "de, R4",
            Class::Dies => "us, three-way dies",
        }
    }

    fn country(self) -> &'static str {
        if self == Class::Code { "de" } else { "us" }
    }
}

/// Two seconds that change in pitch and level as speech does: who is asked waits for somebody to have spoken.
fn brief() -> Arc<[i16]> {
    let sample = |i: u32| {
        let t = f64::from(i) / 8000.0;
        let level = 6000.0 * (0.6 + 0.4 * (t * 25.0).sin());
        (level * (t * std::f64::consts::TAU * (180.0 + 40.0 * (t * 3.0).sin())).sin()) as i16
    };
    (0..16_000).map(sample).collect()
}

/// One call to us, and what becomes of it.
#[derive(Clone, Debug)]
pub struct Case {
    pub class: Class,
    pub country: &'static str,
    pub targets: Vec<&'static str>,
    pub warm: bool,
    pub brief: bool,
    /// Who gets the caller when no target took him.
    pub voicemail: bool,
    /// Another line of the same country, for the targets.
    pub second_line: bool,
    /// Lines of the scenario's `[line]`.
    pub line: String,
    /// Lines of the scenario's `[fault]`.
    pub faults: String,
    /// More of the scenario: subscribers of one's own.
    pub more: String,
    /// Lines of the caller's `[[call]]`.
    pub caller: String,
    /// Seconds that the caller holds on.
    pub patience_s: Option<f64>,
    /// When we are told to end.
    pub interrupt_at: Option<Time>,
    /// When our process is killed.
    pub kill_at: Option<Time>,
    pub seed: u64,
}

impl Case {
    pub fn new(class: Class, targets: &[&'static str]) -> Case {
        Case {
            class,
            country: class.country(),
            targets: targets.to_vec(),
            warm: true,
            brief: false,
            voicemail: false,
            second_line: false,
            line: String::new(),
            faults: String::new(),
            more: String::new(),
            caller: String::new(),
            patience_s: None,
            interrupt_at: None,
            kill_at: None,
            seed: 7,
        }
    }

    /// What the exchange said to one of our flashes was covered by noise, or the battery was gone in that moment.
    fn unheard_at_a_flash(&self, trace: &[Record]) -> bool {
        let seconds = |text: &str, key: &str| -> Option<f64> {
            Some(text.split_once(key)?.1.split('\n').next()?.parse().expect("a time in seconds"))
        };
        let flashes = || {
            let done = trace.iter().filter(|r| r.who == Actor::Us && r.what == "flash done");
            done.map(|r| r.at.since(Time::ZERO).as_secs_f64())
        };
        let noise = seconds(&self.more, "[[burst]]\nat_s = ");
        let battery = seconds(&self.faults, "battery_lost_at_s = ");
        let covered = |at: f64| flashes().any(|flash| (flash - 1.0..flash + 3.0).contains(&at));
        noise.into_iter().chain(battery).any(covered)
    }
}

pub struct Outcome {
    pub exit: Exit,
    pub name: &'static str,
    pub trace: Vec<Record>,
    /// That the caller left by himself is not to be heard: the exchange says nothing of it or of the recall, or takes a flash
    /// for a hang-up, or the line was gone first.
    nothing_tells: bool,
}

struct Books {
    trace: Vec<Record>,
    interrupt_at: Option<Time>,
    kill_at: Option<Time>,
    /// Two talk through us: they would for ever, and have for long enough.
    enough_at: Option<Time>,
    interrupted: Arc<AtomicBool>,
}

const TOGETHER: [&str; 2] = ["-> joined", "-> connected here"];

/// What a killed process leaves off with.
struct Killed;

impl Witness for Books {
    fn record(&mut self, record: &Record) -> std::io::Result<()> {
        if record.who == Actor::Call && TOGETHER.iter().any(|how| record.what.ends_with(how)) {
            self.enough_at = Some(record.at + Duration::from_secs(20));
        }
        self.trace.push(record.clone());
        Ok(())
    }

    fn stage(&mut self, now: Time, _: tipring::call::Stage) {
        if self.interrupt_at.into_iter().chain(self.enough_at).any(|at| now >= at) {
            self.interrupted.store(true, Ordering::Relaxed);
        }
        if self.kill_at.is_some_and(|at| now >= at) {
            // nothing of ours runs after it; unwinding only frees the memory
            std::panic::resume_unwind(Box::new(Killed));
        }
    }
}

/// The port as the kernel keeps it: a process that is killed no longer has it, and the driver hangs up.
#[derive(Clone)]
struct Kept(Arc<Mutex<SimPort>>, Selector);

impl Kept {
    fn port(&self) -> std::sync::MutexGuard<'_, SimPort> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The descriptor is closed, and half a minute goes by.
    fn closed(&self) -> Vec<Record> {
        let mut port = self.port();
        port.command(Command::OnHook).expect("a port that still is");
        let until = port.now() + Duration::from_secs(30);
        let mut frame = Frame::default();
        while port.now() < until {
            port.wait(until).expect("a port that still is");
            while port.next_signal().expect("a port that still is").is_some() {}
            while port.read(&mut frame).expect("a port that still is") {}
        }
        port.take_trace()
    }
}

impl Port for Kept {
    fn selector(&self) -> &Selector {
        &self.1
    }
    fn kind(&self) -> PortKind {
        self.port().kind()
    }
    fn capabilities(&self) -> Capabilities {
        self.port().capabilities()
    }
    fn now(&self) -> Time {
        self.port().now()
    }
    fn wait(&mut self, until: Time) -> Result<(), PortError> {
        self.port().wait(until)
    }
    fn command(&mut self, command: Command) -> Result<(), PortError> {
        // a killed process gives no commands, also not while its memory is freed
        if std::thread::panicking() { Ok(()) } else { self.port().command(command) }
    }
    fn next_signal(&mut self) -> Result<Option<(Time, Signal)>, PortError> {
        self.port().next_signal()
    }
    fn read(&mut self, frame: &mut Frame) -> Result<bool, PortError> {
        self.port().read(frame)
    }
    fn write(&mut self, frame: &Frame) -> Result<(), PortError> {
        self.port().write(frame)
    }
    fn line_millivolts(&mut self) -> Option<i32> {
        self.port().line_millivolts()
    }
    fn hang_up_connects(&self) -> Option<bool> {
        self.port().hang_up_connects()
    }
    fn take_trace(&mut self) -> Vec<Record> {
        self.port().take_trace()
    }
}

pub fn run(case: &Case) -> Outcome {
    let patience = case.patience_s.map(|s| format!("patience_s = {s:.1}\n")).unwrap_or_default();
    let transfer = if case.class == Class::Dies { "transfer = \"none\"\n" } else { "" };
    let text = format!(
        "[line]\n{transfer}{}[fault]\n{}[[call]]\nat_s = 1.0\nfrom = \"5551234\"\n{patience}{}{}",
        case.line, case.faults, case.caller, case.more
    );
    let scenario = Scenario::parse("case", &text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let country = Facts::embedded().country(case.country).expect("its facts");
    let port = SimPort::on(country, &scenario, case.seed);
    let selector = port.selector().clone();
    let kept = Kept(Arc::new(Mutex::new(port)), selector);
    let mut manners = Manners::of(country);
    if case.class == Class::Dies && !case.second_line {
        manners.complete = Completion::Stay;
    }
    let target = |n: &str| Target { name: None, number: n.parse().expect("digits") };
    let targets = case.targets.iter().map(|n| target(n)).collect();
    let transfer = TransferPlan {
        brief: case.brief.then(brief),
        voicemail: case.voicemail.then(|| target("5550107")),
        second_line: case.second_line.then(|| SecondLine { name: "second".into(), always: false }),
        ..TransferPlan::to(targets, case.warm, Duration::from_secs(25))
    };
    let plan = Plan {
        begin: Begin::Answer(Answering { rule: AnswerRule { wait: Some(Duration::from_secs(60)), after_rings: None } }),
        transfer: Some(transfer),
        talk: TalkPlan::default(),
        stay: Some(Duration::from_secs(2)),
    };
    let line = Line::new(kept.kind(), kept.capabilities(), Arc::new(country.clone()), kept.now());
    let interrupted = Arc::new(AtomicBool::new(false));
    let mut books = Books {
        trace: Vec::new(),
        interrupt_at: case.interrupt_at,
        kill_at: case.kill_at,
        enough_at: None,
        interrupted: Arc::clone(&interrupted),
    };
    let mut owner = Owner::new("sim".into(), Box::new(kept.clone()), line, plan, manners, &mut books, &interrupted);
    owner.give_up_after(Some(Duration::from_secs(400)));
    owner.bridge_over(Box::new(|name, now| Ok(second(case, name, now))));
    let ran = std::panic::catch_unwind(AssertUnwindSafe(|| owner.run()));
    let report = match ran {
        Ok(report) => report.unwrap_or_else(|e| panic!("{case:?}: {e}")),
        Err(killed) if killed.is::<Killed>() => {
            books.trace.extend(kept.closed());
            return Outcome { exit: Exit::Failed, name: "killed", trace: books.trace, nothing_tells: false };
        }
        Err(bug) => std::panic::resume_unwind(bug),
    };
    let together = |how: &str| books.trace.iter().any(|r| r.who == Actor::Call && r.what.ends_with(how));
    let (exit, name) = match report.ending.name() {
        // we ended it, and it was what was wanted
        "interrupted" if case.interrupt_at.is_none() && together(TOGETHER[0]) => (Exit::Done, "joined"),
        "interrupted" if case.interrupt_at.is_none() && together(TOGETHER[1]) => (Exit::Done, "bridged"),
        name => (report.ending.exit(), name),
    };
    let nothing_tells = SILENT.iter().any(|fault| case.faults.contains(fault)) || case.unheard_at_a_flash(&books.trace);
    Outcome { exit, name, trace: books.trace, nothing_tells }
}

/// The line beside the caller's.
fn second(case: &Case, name: &str, now: Time) -> tipring::owner::SecondLine {
    let country = Facts::embedded().country(case.country).expect("its facts");
    let port = SimPort::on(country, &Scenario::parse("second", "").expect("an idle line"), case.seed);
    let line = Line::new(port.kind(), port.capabilities(), Arc::new(country.clone()), now);
    let manners = Manners::of(country);
    tipring::owner::SecondLine {
        name: name.into(),
        port: Box::new(port),
        line,
        manners,
        cancels_echo: true,
        lock: None,
    }
}

/// Faults in which nothing tells us that the caller hung up.
const SILENT: [&str; 6] = [
    "no_recall_tone",
    "recall_announcement",
    "no_forward_disconnect",
    "flash_taken_as_hang_up",
    "unplugged",
    "device_removed",
];

impl Outcome {
    /// Who was lost, in the exchange's words, before we put the receiver down for good.
    pub fn lost(&self) -> Vec<&str> {
        let ours = |what: &'static str| move |r: &Record| r.who == Actor::Us && r.what == what;
        let lifted = self.trace.iter().rposition(ours("off-hook")).unwrap_or(0);
        let last = self.trace[lifted..].iter().position(ours("on-hook")).map_or(0, |i| lifted + i);
        let joined = self.name == "joined";
        // who is joined through us is so for as long as our line is: until we end it, or it is cut
        let cut = self.trace.iter().position(|r| r.what == "unplugged").unwrap_or(usize::MAX).min(last);
        // and who could not be brought back is told to be lost when we hang up
        let told = if self.name == "party-lost" { last } else { usize::MAX };
        let counts = |(i, r): &(usize, &Record)| r.what.contains(" is lost: ") && !(joined && *i >= cut) && *i < told;
        self.trace.iter().enumerate().filter(counts).map(|(_, r)| r.what.as_str()).collect()
    }

    /// Where the exchange has the caller when the call's part of ours ends.
    pub fn caller(&self) -> &str {
        let end = self.trace.iter().rposition(|r| r.who == Actor::Us && r.what == "on-hook");
        let caller = |r: &&Record| r.who == Actor::Caller && r.what.starts_with("5551234 ");
        let until = &self.trace[..end.unwrap_or(self.trace.len())];
        until.iter().rev().find(caller).map_or("", |r| &r.what["5551234 ".len()..])
    }

    /// What became of the caller in the end, in the exchange's words.
    pub fn fate(&self) -> &str {
        let caller = |r: &&Record| r.who == Actor::Caller && r.what.starts_with("5551234 ");
        self.trace.iter().rfind(caller).map_or("", |r| &r.what["5551234 ".len()..])
    }

    pub fn story(&self) -> String {
        self.trace.iter().map(|r| format!("{r}\n")).collect()
    }

    /// Who was lost though the exchange still had him, and we could have known. What a target does whom we were right to
    /// leave with the caller is between the two: he was left ringing (cold) and then refused, or he hung up in the moment
    /// in which we left, before his exchange told anybody.
    pub fn lost_by_us(&self) -> Vec<&str> {
        if self.target_refused_as_we_left() || self.target_hung_up_as_we_left() {
            return Vec::new();
        }
        let mut lost = self.lost();
        lost.retain(|what| !what.ends_with("handed on, and not taken back"));
        lost
    }

    /// He was left ringing, and the exchange takes a second to know a hang-up from a flash.
    fn target_refused_as_we_left(&self) -> bool {
        let of_call =
            |how: &str| self.trace.iter().rfind(|r| r.who == Actor::Call && r.what.ends_with(how)).map(|r| r.at);
        let hang_up = self.trace.iter().rfind(|r| r.who == Actor::Call && r.what.starts_with("hang-up")).map(|r| r.at);
        let refused = self.trace.iter().rfind(|r| r.who == Actor::Peer && r.what.ends_with(" rejects")).map(|r| r.at);
        let gone = self.trace.iter().rfind(|r| r.who == Actor::Peer && r.what.ends_with(" hangs up")).map(|r| r.at);
        hang_up.is_some() && of_call("-> alerting") == hang_up && refused.max(gone) > hang_up
    }

    /// Not before he had been there for a second and a half, nor so long before we hung up that his exchange has told us.
    fn target_hung_up_as_we_left(&self) -> bool {
        let Some(hang_up) = self.trace.iter().position(|r| r.who == Actor::Call && r.what.starts_with("hang-up"))
        else {
            return false;
        };
        let left = self.trace[hang_up].at;
        let target = self.trace[hang_up].what.split(' ').nth(1).unwrap_or_default();
        let peer = |what: &str| {
            let what = format!("{target} {what}");
            self.trace.iter().rfind(|r| r.who == Actor::Peer && r.what == what).map(|r| r.at)
        };
        let (Some(answered), Some(gone)) = (peer("answers"), peer("hangs up")) else { return false };
        gone.since(answered) >= Duration::from_millis(1500) && gone + TOLD_BY >= left
    }

    /// Another call came to wait in the moment of a flash, which took it before its tone was to be heard.
    fn waiting_call_taken_unheard(&self) -> bool {
        let Some(waits) = self.trace.iter().position(|r| r.who == Actor::Caller && r.what.ends_with(" waits")) else {
            return false;
        };
        let after = &self.trace[waits..];
        let flash = after.iter().position(|r| r.who == Actor::Exchange && r.what.starts_with("sees flash"));
        let sign = |r: &Record| r.what.starts_with("alert") || r.what.contains("call-waiting");
        let heard = after.iter().position(|r| r.who == Actor::Heard && sign(r));
        flash.is_some_and(|flash| heard.is_none_or(|heard| heard > flash))
    }

    /// Back he was, until the cord was pulled.
    fn was_back_when_unplugged(&self) -> bool {
        let unplugged = self.trace.iter().position(|r| r.what == "unplugged");
        let caller = |r: &&Record| r.who == Actor::Caller && r.what.starts_with("5551234 ");
        unplugged
            .is_some_and(|at| self.trace[..at].iter().rfind(caller).is_some_and(|r| r.what.ends_with(" talks with us")))
    }

    /// Another call rang after we had left, and showed no number: it may have been the exchange's recall.
    fn rung_by_nobody_in_particular(&self) -> bool {
        let left = self.trace.iter().rposition(|r| r.who == Actor::Call && r.what.starts_with("hang-up"));
        let after = &self.trace[left.unwrap_or(self.trace.len())..];
        let rung = after.iter().any(|r| r.who == Actor::Caller && r.what.starts_with("5559999 calls us"));
        rung && !after.iter().any(|r| r.what.starts_with("caller ID"))
    }

    /// The exchange took one flash for a hang-up that it had not taken for one before, and the tone of the new call is the
    /// recall tone of that country: nothing told.
    fn taken_unheard(&self) -> bool {
        let taken = self.trace.iter().position(|r| r.what == "takes that flash for a hang-up");
        let after = &self.trace[taken.unwrap_or(self.trace.len())..];
        let tone = after.iter().find(|r| r.who == Actor::Heard && r.what.starts_with("tone "));
        tone.is_some_and(|r| r.what.starts_with("tone dial/recall-dial"))
    }

    /// Where a recall code connects the two, the tone before it tells that somebody is held.
    fn proven_by_a_code(&self) -> bool {
        self.exit == Exit::Done && self.trace.iter().any(|r| r.who == Actor::Us && r.what == "dial 4")
    }

    /// Who hung up on hold unheard was taken for the one who was silent when we went back (told in the README).
    fn silence_stood_for_him(&self) -> bool {
        let gone = self.trace.iter().position(|r| r.who == Actor::Caller && r.what == "5551234 hangs up");
        let after = &self.trace[gone.unwrap_or(self.trace.len())..];
        let silent = ["back heard no-tone -> caller is back", "back heard nobody speaks -> again"];
        after.iter().any(|r| r.who == Actor::Call && silent.contains(&r.what.as_str()))
    }

    /// What we claim against what the exchange knows. `None` when they agree.
    pub fn lie(&self) -> Option<String> {
        if self.waiting_call_taken_unheard() || (self.taken_unheard() && !self.proven_by_a_code()) {
            return None;
        }
        // the voice of who lifts another telephone cannot be told from the caller's
        let anybodys = self.trace.iter().any(|r| r.what.starts_with("another telephone"));
        let (lost, caller) = (self.lost_by_us(), self.caller());
        let with_us = caller.starts_with("talks with us") || caller.contains("hangs up");
        let cut =
            |r: &Record| r.who == Actor::Call && (r.what.contains("line lost") || r.what.contains("device removed"));
        let unreachable = self.trace.iter().any(cut);
        let wrong = match self.exit {
            Exit::Done if !lost.is_empty() => "done, and somebody is lost",
            Exit::TransferFailed if !lost.is_empty() => "the caller is back, and somebody is lost",
            Exit::TransferFailed | Exit::NoFlashAnswer | Exit::PartyLost | Exit::FarHangUp if anybodys => return None,
            Exit::TransferFailed if self.rung_by_nobody_in_particular() => return None,
            Exit::TransferFailed if !with_us && !self.was_back_when_unplugged() => {
                "the caller is back, and the exchange has him elsewhere"
            }
            Exit::NoFlashAnswer if !with_us => "the call is where it was, and the exchange has the caller elsewhere",
            Exit::FarHangUp if !caller.contains("hangs up") => "the caller hung up, and the exchange still has him",
            Exit::PartyLost if !unreachable && caller.starts_with("talks with us") => "lost, and the caller is with us",
            Exit::PartyLost if caller.contains("hangs up") && !self.nothing_tells && !self.silence_stood_for_him() => {
                "lost, and the caller has hung up himself"
            }
            _ => return None,
        };
        Some(format!("{wrong}: exit {}, lost {lost:?}, caller {caller}", self.exit.code()))
    }
}

/// In which every exchange here has told its subscriber that the other side hung up, and we have heard it.
const TOLD_BY: Duration = Duration::from_millis(2600);
