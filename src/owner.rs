//! Whoever owns a line: the one loop that feeds the machines and carries out what they say.
//!
//! ```text
//!  wait ─▶ signals, frames ─▶ Line ─▶ events ─▶ Call ─▶ actions ─▶ Line ─▶ commands, frames ─▶ port
//!    ▲                                           ▲ requests of other processes
//!    └──────────── the earliest deadline ────────┘
//! ```

use crate::call::transfer::Transferred;
use crate::call::{Call, CallOutput, Completion, Ending, Evidence, Manners, Plan, Reply, Request, Second, Stage, Step};
use crate::clock::Time;
use crate::control::request::OnFail;
use crate::control::{Answer, Ask, CallStatus, TransferReport};
use crate::driver::shifted::Shifted;
use crate::driver::{Port, PortError};
use crate::dsp::Frame;
use crate::error::{Error, Exit};
use crate::event::{Action, Command, Event};
use crate::line::across::Across;
use crate::line::{Line, Output, describe};
use crate::record::{Actor, Record};
use std::collections::{BTreeMap, VecDeque};
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

/// A line beside the first one, and what keeps others from it.
pub struct SecondLine {
    pub name: String,
    pub port: Box<dyn Port>,
    pub line: Line,
    pub manners: Manners,
    /// Its echo is ours to take out.
    pub cancels_echo: bool,
    /// Dropped after the port.
    pub lock: Option<crate::control::lock::LineLock>,
}

/// Opens the second line of that name; its [`Line`] begins at this time.
pub type OpenSecond<'a> = Box<dyn FnMut(&str, Time) -> Result<SecondLine, Error> + 'a>;

/// The second line while it is ours, and the sound on its way between the two.
struct Beside {
    line: SecondLine,
    connected: bool,
    to_us: VecDeque<Frame>,
    from_us: VecDeque<Frame>,
    /// What the first line, and what this one gives to the other.
    of_first: Across,
    of_second: Across,
}

/// Two clocks that drift need no more than a frame between them; what waits longer than two would be an echo of its own.
const BETWEEN_LINES: usize = 2;

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
    outlives_its_script: bool,
    assumes: Option<String>,
    open_second: Option<OpenSecond<'a>>,
    second: Option<Beside>,
    cancels_echo: bool,
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
        mut manners: crate::call::Manners,
        witness: &'a mut dyn Witness,
        interrupted: &'a AtomicBool,
    ) -> Owner<'a> {
        manners.learn(port.hang_up_connects());
        let (warm, targets) = plan.transfer.as_ref().map_or((false, Vec::new()), describe_plan);
        let assumes = (manners.complete == Completion::HangUp && !manners.complete_is_known).then(|| {
            let country = &line.country().code;
            format!(
                "that hanging up connects the two, as exchanges in {country} do; of this line nobody has said so. Let the \
                 two talk once, and put transfer.complete = \"hang-up\" or \"stay\" under its [line.NAME] in tipring.toml"
            )
        });
        let call = Call::new(port.now(), plan, manners);
        let cancels_echo = !port.capabilities().echo_canceller;
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
            outlives_its_script: false,
            assumes,
            open_second: None,
            second: None,
            cancels_echo,
        }
    }

    /// The whole call, from now on, may take so long and no longer.
    pub fn give_up_after(&mut self, limit: Option<Duration>) {
        self.deadline = limit.map(|limit| self.port.now() + limit);
    }

    /// The limit is for the scripted part: the call that it leaves behind may last.
    pub fn outlive_the_script(&mut self) {
        self.outlives_its_script = true;
    }

    /// Questions of other processes are answered from now on.
    pub fn listen(&mut self, asks: mpsc::Receiver<Asked>, resolve: Resolve) {
        self.asks = Some(asks);
        self.resolve = Some(resolve);
    }

    /// Transfers may go over a second line.
    pub fn bridge_over(&mut self, open: OpenSecond<'a>) {
        self.open_second = Some(open);
    }

    /// Whether the line's echo is taken out of what a second line is given: it is, unless the port does it.
    pub fn cancel_echo(&mut self, cancels: bool) {
        self.cancels_echo = cancels;
    }

    /// Runs the call to its end. Whatever happens, the line is left on-hook.
    pub fn run(mut self) -> Result<CallReport, Error> {
        let result = self.run_to_the_end();
        // also on an error: the port may still take it, and dropping the port is the last resort
        let _ = self.port.command(Command::OnHook);
        self.close_second();
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
                if self.line.wants_voltage(now)
                    && let Some(millivolts) = self.port.line_millivolts()
                {
                    self.line.measured(now, millivolts);
                }
                self.line.speak(now, &mut sent);
                if let Some(second) = self.second.as_mut().filter(|s| s.connected) {
                    sent = second.to_us.pop_front().unwrap_or_default();
                    push(&mut second.from_us, second.of_first.pass(self.line.hook(), &heard, &sent));
                }
                let written = self.port.write(&sent);
                self.port_result(written)?;
                let kept = self.witness.audio(&heard, &sent);
                self.witnessed(kept);
                self.pump(now)?;
            }
            let now = self.port.now();
            self.run_second(now)?;
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
            } else if let Some(output) = self.second.as_mut().and_then(|s| s.line.line.poll_output()) {
                match output {
                    Output::Command(command) => self.command_second(now, command),
                    Output::Event(event) => self.second_event(now, event),
                }
            } else if let Some(output) = self.call.poll_output() {
                self.call_said(now, output);
            } else {
                return Ok(());
            }
        }
    }

    fn event(&mut self, now: Time, event: Event) {
        self.witness.event(now, &event);
        self.tell(Record::new(now, whose(&event), describe(&event)));
        self.call.handle(now, &event);
    }

    fn call_said(&mut self, now: Time, output: CallOutput) {
        match output {
            CallOutput::Do(action) => {
                self.tell(Record::new(now, Actor::Us, describe_action(&action)));
                self.witness.about_to(now, self.call.stage(), &action);
                self.line.act(now, action);
            }
            CallOutput::Second(wish) => self.second_wish(now, wish),
            CallOutput::Step(step) => {
                self.tell(Record::new(now, Actor::Call, step.to_string()));
                self.witness.step(&step);
                self.steps.push(step);
            }
            CallOutput::Reply(id, reply) => self.reply(now, id, reply),
            CallOutput::ScriptDone(ending) => {
                if self.outlives_its_script {
                    self.deadline = None;
                }
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
        let trace = self.second.as_mut().map(|s| s.line.port.take_trace()).unwrap_or_default();
        for record in trace {
            self.tell(of_second(record));
        }
        Ok(())
    }

    // -- the second line ---------------------------------------------------------------------------------------------

    fn second_wish(&mut self, now: Time, wish: Second) {
        match wish {
            Second::Open(name) => {
                let opened = match &mut self.open_second {
                    Some(open) => open(&name, now),
                    None => {
                        let next = "name it in tipring.toml";
                        Err(Error::new(Exit::Config, "no second line", "this process may open none", next))
                    }
                };
                let manners = match opened {
                    Ok(mut second) => {
                        second.port = Box::new(Shifted::to(now, second.port));
                        let manners = second.manners.clone();
                        self.second = Some(Beside {
                            connected: false,
                            to_us: VecDeque::new(),
                            from_us: VecDeque::new(),
                            of_first: Across::new(self.cancels_echo, self.port.law()),
                            of_second: Across::new(second.cancels_echo, second.port.law()),
                            line: second,
                        });
                        Ok(manners)
                    }
                    Err(e) => Err(format!("{}: {}", e.what, e.why)),
                };
                self.call.second_opened(now, manners);
            }
            Second::Do(action) => {
                self.tell(of_second(Record::new(now, Actor::Us, describe_action(&action))));
                self.witness.about_to(now, self.call.stage(), &action);
                if let Some(second) = &mut self.second {
                    second.line.line.act(now, action);
                }
            }
            Second::Connect(on) => {
                if let Some(second) = &mut self.second {
                    second.connected = on;
                    second.to_us.clear();
                    second.from_us.clear();
                }
            }
            Second::Close => {
                if self.second.is_some() {
                    self.tell(of_second(Record::new(now, Actor::Us, "on-hook")));
                }
                self.close_second();
            }
        }
    }

    fn close_second(&mut self) {
        if let Some(mut second) = self.second.take() {
            let _ = second.line.port.command(Command::OnHook);
        }
    }

    fn command_second(&mut self, now: Time, command: Command) {
        let Some(second) = &mut self.second else { return };
        if second.line.port.command(command).is_err() {
            self.second_failed(now);
        }
    }

    /// Whatever is wrong with it: to the call it is a line that is gone.
    fn second_failed(&mut self, now: Time) {
        self.second_event(now, Event::DeviceRemoved);
    }

    fn second_event(&mut self, now: Time, event: Event) {
        self.tell(of_second(Record::new(now, whose(&event), describe(&event))));
        self.call.handle_second(now, &event);
    }

    /// Brings the second line up to the first one's time.
    fn run_second(&mut self, until: Time) -> Result<(), Error> {
        let (mut heard, mut sent) = (Frame::default(), Frame::default());
        // a second behind is as much as its buffers hold
        for _ in 0..50 {
            let Some(second) = &mut self.second else { return Ok(()) };
            let mut failed = second.line.port.wait(until).is_err();
            loop {
                let Some(second) = &mut self.second else { return Ok(()) };
                match second.line.port.next_signal() {
                    Ok(Some((at, signal))) => {
                        second.line.line.handle(at, signal);
                        self.pump(at)?;
                    }
                    Ok(None) => break,
                    Err(_) => {
                        failed = true;
                        break;
                    }
                }
            }
            loop {
                let Some(second) = &mut self.second else { return Ok(()) };
                match second.line.port.read(&mut heard) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(_) => {
                        failed = true;
                        break;
                    }
                }
                let now = second.line.port.now();
                second.line.line.hear(now, &heard);
                second.line.line.speak(now, &mut sent);
                if second.connected {
                    sent = second.from_us.pop_front().unwrap_or_default();
                    push(&mut second.to_us, second.of_second.pass(second.line.line.hook(), &heard, &sent));
                }
                failed |= second.line.port.write(&sent).is_err();
                self.pump(now)?;
            }
            let Some(second) = &mut self.second else { return Ok(()) };
            let now = second.line.port.now();
            second.line.line.handle_timeout(now);
            self.pump(now)?;
            if failed {
                self.second_failed(until);
                return self.pump(until);
            }
            if now >= until {
                break;
            }
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
                let report = transfer_report(&result, pending.warm, &pending.targets, steps);
                Answer::Transfer(self.with_assumption(&result, report))
            }
        };
        // whoever asked may be gone: the answer is in the record all the same
        let _ = pending.reply.send(answer);
    }

    /// From our end of the line two parties who talk without us sound like two whom the exchange has dropped: where the
    /// user has not said what hanging up does on this line, the report says whose word it rests on.
    fn with_assumption(&self, result: &Transferred, mut report: TransferReport) -> TransferReport {
        use Transferred::{Completed, Unproven, Voicemail};
        if matches!(result, Completed { .. } | Voicemail { .. } | Unproven { .. }) {
            report.assumes = self.assumes.clone();
        }
        report
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
            transfer: transfer.map(|t| {
                let report = transfer_report(t, self.warm, &self.targets, self.steps.clone());
                self.with_assumption(t, report)
            }),
            steps: self.steps.clone(),
            lasted: self.port.now(),
        }
    }
}

/// A frame on its way to the other line; the oldest is dropped when that one is behind.
fn push(queue: &mut VecDeque<Frame>, frame: Frame) {
    if queue.len() == BETWEEN_LINES {
        queue.pop_front();
    }
    queue.push_back(frame);
}

fn of_second(record: Record) -> Record {
    Record { what: format!("second line: {}", record.what), ..record }
}

fn whose(event: &Event) -> Actor {
    match event {
        Event::Heard(_) => Actor::Heard,
        Event::FlashDone | Event::DialDone | Event::PlayDone => Actor::Us,
        Event::Overrun | Event::Underrun | Event::DeviceRemoved => Actor::Card,
        _ => Actor::Exchange,
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
        Transferred::CallerBack { evidence: Evidence::NeverLeft } => (None, vec!["the caller never left".into()]),
        Transferred::CallerBack { evidence } | Transferred::Retrieved { evidence } => {
            (None, vec![format!("caller is back: {evidence}")])
        }
        Transferred::Held { heard } => (None, vec![format!("{heard} tone after the flash")]),
        Transferred::Joined { target, evidence } => {
            (target.and_then(|t| targets.get(t)).cloned(), vec![format!("after the joining flash: {evidence}")])
        }
        Transferred::Bridged { target, evidence, .. } => {
            (targets.get(*target).cloned(), vec![format!("the target on the second line: {evidence}")])
        }
        // what was heard last is why
        _ => (
            None,
            steps.iter().rfind(|s| s.heard.is_some() && s.result.is_some()).map(Step::to_string).into_iter().collect(),
        ),
    };
    let ending = result.ending();
    TransferReport {
        assumes: None,
        result: result.name().into(),
        exit: ending.exit().code(),
        warm,
        target,
        proof,
        steps,
    }
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
        Action::Dial(digits, _) => format!("dial {}", digits.reveal()),
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
