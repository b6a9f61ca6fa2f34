//! Whoever owns a line: the one loop that feeds the machines and carries out what they say.
//!
//! ```text
//!  wait ─▶ signals, frames ─▶ Line ─▶ events ─▶ Call ─▶ actions ─▶ Line ─▶ commands, frames ─▶ port
//!    ▲                                           ▲ requests of other processes
//!    └──────────── the earliest deadline ────────┘
//! ```

use crate::call::transfer::Transferred;
use crate::call::{Call, CallOutput, Ending, Plan, Reply, Request, Stage, Step};
use crate::clock::Time;
use crate::control::request::OnFail;
use crate::control::{Answer, Ask, CallStatus, TransferReport};
use crate::driver::{Port, PortError};
use crate::dsp::Frame;
use crate::error::{Error, Exit};
use crate::event::{Action, Command, Event};
use crate::line::{Line, Output, describe};
use crate::record::{Actor, Record};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;
use tokio::sync::oneshot;

/// What wants to see the call go by.
pub trait Witness {
    /// One thing happened. An error means that nobody can see it any more (a closed pipe): the call is interrupted.
    fn record(&mut self, record: &Record) -> std::io::Result<()>;
    /// What it means to the call.
    fn event(&mut self, _now: Time, _event: &Event) {}
    /// Something is about to be done to the line: it is done when this returns.
    fn about_to(&mut self, _now: Time, _stage: Stage, _action: &Action) {}
    fn step(&mut self, _step: &Step) {}
    /// 20 ms heard and sent.
    fn audio(&mut self, _heard: &Frame, _sent: &Frame) -> std::io::Result<()> {
        Ok(())
    }
    /// The scripted part is through; the call may go on.
    fn script_done(&mut self, _report: &CallReport) -> std::io::Result<()> {
        Ok(())
    }
    /// For a progress display.
    fn stage(&mut self, _now: Time, _stage: Stage) {}
}

/// One question of another process, and where its answer goes.
pub type Asked = (Ask, oneshot::Sender<Answer>);

/// How a call went.
#[derive(Clone, Debug)]
pub struct CallReport {
    pub ending: Ending,
    pub caller: Option<crate::event::CallerId>,
    pub answered_at: Option<Time>,
    pub transfer: Option<TransferReport>,
    pub steps: Vec<Step>,
    pub lasted: Time,
}

/// Turns what users write into targets; the owner's configuration decides.
pub type Resolve = Box<dyn Fn(&Ask) -> Result<Request, Error> + Send>;

pub struct Owner<'a> {
    name: String,
    port: Box<dyn Port>,
    line: Line,
    call: Call,
    warm: bool,
    targets: Vec<String>,
    steps: Vec<Step>,
    witness: &'a mut dyn Witness,
    asks: Option<mpsc::Receiver<Asked>>,
    resolve: Option<Resolve>,
    pending: BTreeMap<u64, Pending>,
    next_id: u64,
    interrupted: &'a AtomicBool,
    ending: Option<Ending>,
    silent_pipe: bool,
    deadline: Option<Time>,
}

struct Pending {
    reply: oneshot::Sender<Answer>,
    /// Steps told before this one are not part of its report.
    first_step: usize,
    warm: bool,
    targets: Vec<String>,
    hang_up_on_fail: bool,
}

/// At least this often the loop looks at signals and requests, on a line without audio.
const LOOK_ROUND: Duration = Duration::from_millis(50);

impl<'a> Owner<'a> {
    pub fn new(
        name: String,
        port: Box<dyn Port>,
        line: Line,
        plan: Plan,
        manners: crate::call::Manners,
        witness: &'a mut dyn Witness,
        interrupted: &'a AtomicBool,
    ) -> Owner<'a> {
        let (warm, targets) = plan.transfer.as_ref().map_or((false, Vec::new()), describe_plan);
        let call = Call::new(port.now(), plan, manners);
        Owner {
            name,
            port,
            line,
            call,
            warm,
            targets,
            steps: Vec::new(),
            witness,
            asks: None,
            resolve: None,
            pending: BTreeMap::new(),
            next_id: 1,
            interrupted,
            ending: None,
            silent_pipe: false,
            deadline: None,
        }
    }

    /// The whole call, from now on, may take so long and no longer.
    pub fn give_up_after(&mut self, limit: Option<Duration>) {
        self.deadline = limit.map(|limit| self.port.now() + limit);
    }

    /// Questions of other processes are answered from now on.
    pub fn listen(&mut self, asks: mpsc::Receiver<Asked>, resolve: Resolve) {
        self.asks = Some(asks);
        self.resolve = Some(resolve);
    }

    /// Runs the call to its end. Whatever happens, the line is left on-hook.
    pub fn run(mut self) -> Result<CallReport, Error> {
        let result = self.run_to_the_end();
        // also on an error: the port may still take it, and dropping the port is the last resort
        let _ = self.port.command(Command::OnHook);
        for (_, pending) in std::mem::take(&mut self.pending) {
            let _ = pending.reply.send(refused("the call ended".into(), Exit::Failed));
        }
        result.map(|ending| self.report(ending))
    }

    fn run_to_the_end(&mut self) -> Result<Ending, Error> {
        let (mut heard, mut sent) = (Frame::default(), Frame::default());
        loop {
            let now = self.port.now();
            self.requests(now);
            self.pump(now)?;
            if let Some(ending) = self.ending {
                self.trace()?;
                return Ok(ending);
            }
            let deadlines = [self.line.poll_timeout(), self.call.poll_timeout(), Some(now + LOOK_ROUND)];
            let until = deadlines.into_iter().flatten().min().unwrap_or(now);
            let waited = self.port.wait(until);
            self.port_result(waited)?;
            loop {
                match self.port.next_signal() {
                    Ok(Some((at, signal))) => {
                        self.line.handle(at, signal);
                        self.pump(at)?;
                    }
                    Ok(None) => break,
                    Err(e) => {
                        self.port_result(Err(e))?;
                        break;
                    }
                }
            }
            loop {
                let read = self.port.read(&mut heard);
                match read {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(e) => {
                        self.port_result(Err(e))?;
                        break;
                    }
                }
                let now = self.port.now();
                self.line.hear(now, &heard);
                self.line.speak(now, &mut sent);
                let written = self.port.write(&sent);
                self.port_result(written)?;
                let kept = self.witness.audio(&heard, &sent);
                self.witnessed(kept);
                self.pump(now)?;
            }
            let now = self.port.now();
            self.line.handle_timeout(now);
            self.pump(now)?;
            self.call.handle_timeout(now);
            self.pump(now)?;
            self.trace()?;
            self.witness.stage(now, self.call.stage());
        }
    }

    /// A port that is gone is an event of the call; anything else is an error of ours.
    fn port_result(&mut self, result: Result<(), PortError>) -> Result<(), Error> {
        match result {
            Ok(()) => Ok(()),
            Err(PortError::Removed { .. }) => {
                let now = self.port.now();
                self.event(now, Event::DeviceRemoved);
                self.pump(now)
            }
            Err(e) => Err(e.explain(&self.name)),
        }
    }

    fn pump(&mut self, now: Time) -> Result<(), Error> {
        loop {
            if let Some(output) = self.line.poll_output() {
                match output {
                    Output::Command(command) => {
                        let done = self.port.command(command);
                        self.port_result(done)?;
                    }
                    Output::Event(event) => self.event(now, event),
                }
            } else if let Some(output) = self.call.poll_output() {
                self.call_said(now, output);
            } else {
                return Ok(());
            }
        }
    }

    fn event(&mut self, now: Time, event: Event) {
        let who = match event {
            Event::Heard(_) => Actor::Heard,
            Event::FlashDone | Event::DialDone | Event::PlayDone => Actor::Us,
            Event::Overrun | Event::Underrun | Event::DeviceRemoved => Actor::Card,
            _ => Actor::Exchange,
        };
        self.witness.event(now, &event);
        self.tell(Record::new(now, who, describe(&event)));
        self.call.handle(now, &event);
    }

    fn call_said(&mut self, now: Time, output: CallOutput) {
        match output {
            CallOutput::Do(action) => {
                self.tell(Record::new(now, Actor::Us, describe_action(&action)));
                self.witness.about_to(now, self.call.stage(), &action);
                self.line.act(now, action);
            }
            CallOutput::Step(step) => {
                self.tell(Record::new(now, Actor::Call, step.to_string()));
                self.witness.step(&step);
                self.steps.push(step);
            }
            CallOutput::Reply(id, reply) => self.reply(now, id, reply),
            CallOutput::ScriptDone(ending) => {
                let report = self.report(ending);
                let told = self.witness.script_done(&report);
                self.witnessed(told);
            }
            CallOutput::Over(ending) => {
                self.tell(Record::new(now, Actor::Call, format!("over {ending}")));
                self.ending = Some(ending);
            }
        }
    }

    fn trace(&mut self) -> Result<(), Error> {
        for record in self.port.take_trace() {
            self.tell(record);
        }
        Ok(())
    }

    fn tell(&mut self, record: Record) {
        let told = self.witness.record(&record);
        self.witnessed(told);
    }

    /// Nobody sees what we do any more: that is an interrupt, told once.
    fn witnessed(&mut self, told: std::io::Result<()>) {
        if told.is_err() && !std::mem::replace(&mut self.silent_pipe, true) {
            self.interrupted.store(true, Ordering::Relaxed);
        }
    }

    // -- what other processes ask ----------------------------------------------------------------------------------

    fn requests(&mut self, now: Time) {
        if self.interrupted.load(Ordering::Relaxed) && self.call.stage() != Stage::Over {
            self.call.request(now, 0, Request::Interrupt);
        }
        if self.deadline.is_some_and(|d| now >= d) && self.call.stage() != Stage::Over {
            self.call.request(now, 0, Request::TimeOut);
        }
        while let Some((ask, reply)) = self.asks.as_ref().and_then(|a| a.try_recv().ok()) {
            self.tell(Record::new(now, Actor::Cli, describe_ask(&ask)));
            if ask == Ask::Status {
                let _ = reply.send(Answer::Status(self.status(now)));
                continue;
            }
            let resolved = self.resolve.as_ref().map(|r| r(&ask));
            match resolved {
                Some(Ok(request)) => {
                    let id = self.next_id;
                    self.next_id += 1;
                    let (warm, targets) = match &request {
                        Request::Transfer(plan) | Request::Conference(Some(plan)) => describe_plan(plan),
                        _ => (false, Vec::new()),
                    };
                    let hang_up_on_fail = matches!(ask, Ask::Transfer { on_fail: OnFail::Hangup, .. });
                    let first_step = self.steps.len();
                    self.pending.insert(id, Pending { reply, first_step, warm, targets, hang_up_on_fail });
                    self.call.request(now, id, request);
                }
                Some(Err(e)) => {
                    let _ = reply.send(Answer::Error { what: e.what, why: e.why, next: e.next, exit: e.exit.code() });
                }
                None => {
                    let _ = reply.send(refused("this line takes no requests".into(), Exit::Failed));
                }
            }
        }
    }

    fn reply(&mut self, now: Time, id: u64, reply: Reply) {
        let Some(pending) = self.pending.remove(&id) else { return };
        let answer = match reply {
            Reply::Done { heard } => Answer::Done { heard },
            Reply::Refused(why) => refused(why, Exit::Failed),
            Reply::CallEnded(ending) => refused(format!("the call ended: {ending}"), ending.exit()),
            Reply::Transferred(result) => {
                let failed = matches!(result, Transferred::CallerBack { .. });
                if failed && pending.hang_up_on_fail {
                    self.call.request(now, 0, Request::HangUp);
                }
                let steps = self.steps[pending.first_step..].to_vec();
                Answer::Transfer(transfer_report(&result, pending.warm, &pending.targets, steps))
            }
        };
        // whoever asked may be gone: the answer is in the record all the same
        let _ = pending.reply.send(answer);
    }

    fn status(&self, now: Time) -> CallStatus {
        let caller = self.call.caller();
        CallStatus {
            line: self.name.clone(),
            pid: std::process::id(),
            stage: self.call.stage().name().to_string(),
            t: now.as_ms() as f64 / 1000.0,
            answered_at: self.call.answered_at().map(|t| t.as_ms() as f64 / 1000.0),
            caller_number: caller.and_then(|c| c.number.as_ref()).map(|n| n.reveal().to_string()),
            caller_name: caller.and_then(|c| c.name.clone()),
        }
    }

    fn report(&self, ending: Ending) -> CallReport {
        let transfer = self.call.transferred().filter(|_| !self.targets.is_empty());
        CallReport {
            ending,
            caller: self.call.caller().cloned(),
            answered_at: self.call.answered_at(),
            transfer: transfer.map(|t| transfer_report(t, self.warm, &self.targets, self.steps.clone())),
            steps: self.steps.clone(),
            lasted: self.port.now(),
        }
    }
}

fn describe_plan(plan: &crate::call::transfer::TransferPlan) -> (bool, Vec<String>) {
    let name = |t: &crate::call::Target| t.name.clone().unwrap_or_else(|| t.number.reveal());
    (plan.warm, plan.targets.iter().chain(&plan.voicemail).map(name).collect())
}

fn transfer_report(result: &Transferred, warm: bool, targets: &[String], steps: Vec<Step>) -> TransferReport {
    let (target, proof) = match result {
        Transferred::Completed { target, proof } => (targets.get(*target).cloned(), proof.clone()),
        Transferred::Unproven { target } => (targets.get(*target).cloned(), Vec::new()),
        Transferred::Voicemail { proof } => (targets.last().cloned(), proof.clone()),
        Transferred::CallerBack { evidence } | Transferred::Retrieved { evidence } => {
            (None, vec![format!("caller is back: {evidence}")])
        }
        Transferred::Held { heard } => (None, vec![format!("{heard} tone after the flash")]),
        Transferred::Joined { target, evidence } => {
            (target.and_then(|t| targets.get(t)).cloned(), vec![format!("after the joining flash: {evidence}")])
        }
        _ => (None, Vec::new()),
    };
    let ending = result.ending();
    TransferReport { result: result.name().into(), exit: ending.exit().code(), warm, target, proof, steps }
}

fn refused(why: String, exit: Exit) -> Answer {
    Answer::Error {
        what: "the call did not do it".into(),
        why,
        next: "`tipring watch` shows what the line is doing".into(),
        exit: exit.code(),
    }
}

fn describe_action(action: &Action) -> String {
    match action {
        Action::OffHook => "off-hook".into(),
        Action::OnHook => "on-hook".into(),
        Action::Flash(d) => format!("flash {}ms", d.as_millis()),
        Action::Dial(digits, _) => format!("dial {digits}"),
        Action::Play(sound) => format!("play {:.1}s", sound.len() as f64 / 8000.0),
        Action::StopPlaying => "stop playing".into(),
    }
}

fn describe_ask(ask: &Ask) -> String {
    match ask {
        Ask::Status => "status".into(),
        Ask::HangUp => "hangup".into(),
        Ask::Flash { ms: None } => "flash".into(),
        Ask::Flash { ms: Some(ms) } => format!("flash {ms}ms"),
        Ask::Dtmf { digits } => format!("dtmf {}", crate::number::mask(digits)),
        Ask::Hold => "hold".into(),
        Ask::Retrieve => "retrieve".into(),
        Ask::Conference { target: None, .. } => "conference".into(),
        Ask::Conference { target: Some(t), .. } => {
            format!("conference {}", t.name.clone().unwrap_or_else(|| crate::number::mask(&t.number)))
        }
        Ask::Transfer { targets, warm, .. } => {
            let name = |t: &crate::control::TargetAsk| t.name.clone().unwrap_or_else(|| crate::number::mask(&t.number));
            let all: Vec<String> = targets.iter().map(name).collect();
            format!("transfer {}{}", all.join(","), if *warm { " warm" } else { "" })
        }
    }
}
