//! One call from beginning to end: a plan, what users ask for while it lasts, and one ending.

use super::bridge::{Bridge, BridgeOutput, Left};
use super::originate::{Originate, Originated};
use super::receive::{AnswerRule, Receive, Received};
use super::talk::{Talk, TalkPlan};
use super::transfer::{Goal, Transfer, TransferPlan, Transferred};
use super::{Completion, Ending, Manners, Output, Step, Target};
use crate::clock::{Time, Timers};
use crate::event::{Action, CallerId, Event, Heard};
use crate::number::DialString;
use std::collections::VecDeque;
use std::time::Duration;

/// What this process was started for.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub begin: Begin,
    /// Move the call as soon as it is up.
    pub transfer: Option<TransferPlan>,
    pub talk: TalkPlan,
    /// After a transfer that failed: how long to stay with the caller; `None`: until he hangs up or we are told.
    pub stay: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Begin {
    Dial(Dialling),
    Answer(Answering),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Dialling {
    pub target: Target,
    pub no_answer_after: Duration,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Answering {
    pub rule: AnswerRule,
}

/// What a user may ask of the call in progress.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    HangUp,
    Flash(Option<Duration>),
    /// To the far side; with the caller on hold, the number of a second party.
    Dtmf(DialString),
    Transfer(TransferPlan),
    /// The caller waits, and we have the recall tone.
    Hold,
    /// The caller again; a second party is left.
    Retrieve,
    /// All three together: with this target, or with the second party that was dialled on hold.
    Conference(Option<TransferPlan>),
    /// The process is told to end: leave the line on-hook, at once.
    Interrupt,
    /// The time that the user gave is over.
    TimeOut,
}

/// The answer to a request, by the number it was given.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    Done {
        heard: Option<String>,
    },
    Transferred(Transferred),
    /// Not possible now, and why.
    Refused(String),
    /// The call ended before it could be done.
    CallEnded(Ending),
}

#[derive(Clone, Debug, PartialEq)]
pub enum CallOutput {
    Do(Action),
    Second(Second),
    Step(Step),
    Reply(u64, Reply),
    /// The scripted part is through; the call may go on.
    ScriptDone(Ending),
    /// The call is over and the line was told to go on-hook.
    Over(Ending),
}

/// What is wanted of a second line.
#[derive(Clone, Debug, PartialEq)]
pub enum Second {
    /// By its name or port; [`Call::second_opened`] tells what came of it.
    Open(String),
    Do(Action),
    /// Whether the two lines hear each other.
    Connect(bool),
    /// On-hook, and somebody else's from now on.
    Close,
}

/// Where a call is, for `lines`, status and refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    Dialling,
    Waiting,
    Talking,
    Transferring,
    OnHold,
    Conference,
    Bridged,
    Over,
}

impl Stage {
    pub fn name(self) -> &'static str {
        match self {
            Stage::Dialling => "dialling",
            Stage::Waiting => "waiting for a call",
            Stage::Talking => "talking",
            Stage::Transferring => "transferring",
            Stage::OnHold => "on hold",
            Stage::Conference => "in conference",
            Stage::Bridged => "bridged",
            Stage::Over => "over",
        }
    }
}

#[derive(Clone, Debug)]
enum Machine {
    Originate(Box<Originate>),
    Receive(Box<Receive>),
    Talk(Box<Talk>),
    Transfer(Box<Transfer>),
    Bridge(Box<Bridge>),
    Over,
}

/// A flash or digits that a user asked for, and what is being waited for.
#[derive(Clone, Debug)]
struct Errand {
    id: u64,
    flash: bool,
    sent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Timer {
    /// Long enough after a flash to have heard what the exchange says to it.
    ErrandHeard,
    /// There was as much talk as the user wanted: all is hung up.
    TalkLimit,
}

const HEARD_AFTER_FLASH: Duration = Duration::from_millis(3000);

pub struct Call {
    plan: Plan,
    manners: Manners,
    machine: Machine,
    timers: Timers<Timer>,
    errand: Option<Errand>,
    /// Who asked for the transfer under way; `None`: the plan did.
    transfer_asked_by: Option<u64>,
    /// How the scripted part ended: the call's ending, whatever comes after.
    verdict: Option<Ending>,
    answered_at: Option<Time>,
    caller: Option<CallerId>,
    result: Option<Transferred>,
    /// The talk is one of three: our hang-up may drop the other two.
    joined: bool,
    /// How the call ends as soon as nobody is on hold any more.
    winding_down: Option<Ending>,
    /// What is left of the limit on talk. While somebody waits on hold or is being moved, nothing of it is used.
    talk_left: Option<Duration>,
    talking_since: Option<Time>,
    out: VecDeque<CallOutput>,
}

impl Call {
    pub fn new(now: Time, plan: Plan, manners: Manners) -> Call {
        let machine = match &plan.begin {
            Begin::Dial(d) => {
                Machine::Originate(Box::new(Originate::new(now, d.target.clone(), d.no_answer_after, manners.clone())))
            }
            Begin::Answer(a) => Machine::Receive(Box::new(Receive::new(now, a.rule.clone(), manners.clone()))),
        };
        let mut call = Call {
            talk_left: plan.talk.limit,
            talking_since: None,
            plan,
            manners,
            machine,
            timers: Timers::new(),
            errand: None,
            transfer_asked_by: None,
            verdict: None,
            answered_at: None,
            caller: None,
            result: None,
            joined: false,
            winding_down: None,
            out: VecDeque::new(),
        };
        call.follow(now);
        call
    }

    pub fn stage(&self) -> Stage {
        match &self.machine {
            Machine::Originate(_) => Stage::Dialling,
            Machine::Receive(_) => Stage::Waiting,
            Machine::Talk(_) if self.joined => Stage::Conference,
            Machine::Talk(_) => Stage::Talking,
            Machine::Transfer(m) if m.is_resting() => Stage::OnHold,
            Machine::Transfer(_) => Stage::Transferring,
            Machine::Bridge(m) if m.is_connected() => Stage::Bridged,
            Machine::Bridge(_) => Stage::Transferring,
            Machine::Over => Stage::Over,
        }
    }

    pub fn answered_at(&self) -> Option<Time> {
        self.answered_at
    }

    pub fn caller(&self) -> Option<&CallerId> {
        self.caller.as_ref()
    }

    /// The last transfer's outcome.
    pub fn transferred(&self) -> Option<&Transferred> {
        self.result.as_ref()
    }

    pub fn handle(&mut self, now: Time, event: &Event) {
        // another caller's, while this call is up, is not this call's
        if let (Event::CallerId(id), None) = (event, self.answered_at) {
            self.caller = Some(id.clone());
        }
        match &mut self.machine {
            Machine::Originate(m) => m.handle(now, event),
            Machine::Receive(m) => m.handle(now, event),
            // what the exchange says to a flash of the user's is his to judge: it does not end the call
            Machine::Talk(_) if self.errand.is_some() && is_tone(event) => {}
            Machine::Talk(m) => m.handle(now, event),
            Machine::Transfer(m) => m.handle(now, event),
            Machine::Bridge(m) => m.handle_caller(now, event),
            Machine::Over => {}
        }
        self.errand_handle(now, event);
        self.follow(now);
    }

    /// Something happened on the second line.
    pub fn handle_second(&mut self, now: Time, event: &Event) {
        if let Machine::Bridge(m) = &mut self.machine {
            m.handle_target(now, event);
        }
        self.follow(now);
    }

    /// The second line is open, with the manners of its exchange; or why it is not.
    pub fn second_opened(&mut self, now: Time, line: Result<Manners, String>) {
        if let Machine::Bridge(m) = &mut self.machine {
            m.opened(now, line);
        }
        self.follow(now);
    }

    pub fn handle_timeout(&mut self, now: Time) {
        while let Some(timer) = self.timers.expire(now) {
            match timer {
                Timer::ErrandHeard => self.errand_done(Some("nothing new".into())),
                Timer::TalkLimit => self.talked_enough(now),
            }
        }
        match &mut self.machine {
            Machine::Originate(m) => m.handle_timeout(now),
            Machine::Receive(m) => m.handle_timeout(now),
            Machine::Talk(m) => m.handle_timeout(now),
            Machine::Transfer(m) => m.handle_timeout(now),
            Machine::Bridge(m) => m.handle_timeout(now),
            Machine::Over => {}
        }
        self.follow(now);
    }

    pub fn poll_timeout(&self) -> Option<Time> {
        let inner = match &self.machine {
            Machine::Originate(m) => m.poll_timeout(),
            Machine::Receive(m) => m.poll_timeout(),
            Machine::Talk(m) => m.poll_timeout(),
            Machine::Transfer(m) => m.poll_timeout(),
            Machine::Bridge(m) => m.poll_timeout(),
            Machine::Over => None,
        };
        inner.into_iter().chain(self.timers.next()).min()
    }

    pub fn poll_output(&mut self) -> Option<CallOutput> {
        self.out.pop_front()
    }

    /// Somebody asks something of the call; the reply carries `id`.
    pub fn request(&mut self, now: Time, id: u64, request: Request) {
        let stage = self.stage();
        match request {
            // told again and again while we wind down
            Request::Interrupt | Request::TimeOut if self.winding_down.is_some() => {}
            Request::Interrupt => self.wind_down(now, Ending::Interrupted),
            Request::TimeOut => self.wind_down(now, Ending::TimedOut),
            Request::HangUp => {
                self.out.push_back(CallOutput::Reply(id, Reply::Done { heard: None }));
                self.wind_down(now, Ending::HungUpByCommand);
            }
            _ if self.winding_down.is_some() => self.refuse(id, "the call is being ended"),
            _ if self.errand.is_some() => {
                self.refuse(id, "another flash or digit string is still being sent");
            }
            Request::Dtmf(digits) if stage == Stage::OnHold => {
                self.errand = Some(Errand { id, flash: false, sent: false });
                self.out.push_back(CallOutput::Step(Step::new(now, "dtmf").target(digits.to_string())));
                match &mut self.machine {
                    Machine::Transfer(m) if m.takes_number() => m.dial(digits),
                    _ => self.out.push_back(CallOutput::Do(Action::Dial(digits, self.manners.dial_method))),
                }
            }
            Request::Retrieve if stage == Stage::OnHold => {
                if let Machine::Transfer(m) = &mut self.machine {
                    self.transfer_asked_by = Some(id);
                    m.retrieve(now);
                }
            }
            Request::Conference(None) if stage == Stage::OnHold => {
                if let Machine::Transfer(m) = &mut self.machine {
                    if m.join(now) {
                        self.transfer_asked_by = Some(id);
                    } else {
                        self.refuse(id, "no second party has answered yet");
                    }
                }
            }
            _ if stage == Stage::OnHold => {
                self.refuse(id, "the caller is on hold: retrieve him, dial somebody with dtmf, or bring all together");
            }
            _ if !matches!(stage, Stage::Talking | Stage::Conference) => {
                let why = match stage {
                    Stage::Over => "the call is over".to_string(),
                    stage => format!("the call is {}, not talking", stage.name()),
                };
                self.refuse(id, &why);
            }
            Request::Retrieve => self.refuse(id, "nobody is on hold"),
            Request::Conference(None) => self.refuse(id, "there is no second party: name one, or hold and dial first"),
            Request::Hold | Request::Transfer(_) | Request::Conference(_) if stage == Stage::Conference => {
                self.refuse(id, "all three are together: a flash drops the last one, a hang-up ends our part");
            }
            Request::Hold => self.begin_asked(now, id, TransferPlan::hold()),
            Request::Conference(Some(plan)) => self.begin_asked(now, id, plan),
            Request::Flash(width) => {
                let width = width.or(self.manners.flash_widths.first().copied()).unwrap_or(Duration::from_millis(500));
                self.errand = Some(Errand { id, flash: true, sent: false });
                self.out.push_back(CallOutput::Do(Action::Flash(width)));
                self.out.push_back(CallOutput::Step(Step::new(now, "flash").ms(width.as_millis() as u64)));
            }
            Request::Dtmf(digits) => {
                self.errand = Some(Errand { id, flash: false, sent: false });
                self.out.push_back(CallOutput::Step(Step::new(now, "dtmf").target(digits.to_string())));
                self.out.push_back(CallOutput::Do(Action::Dial(digits, self.manners.dial_method)));
            }
            Request::Transfer(plan) => self.begin_asked(now, id, plan),
        }
        self.follow(now);
    }

    /// Ends the call, but never over the head of a party on hold: it is taken back first.
    fn wind_down(&mut self, now: Time, ending: Ending) {
        let takes_time = match &mut self.machine {
            Machine::Transfer(m) => m.abort(now),
            _ => false,
        };
        if takes_time {
            self.winding_down = Some(ending);
        } else {
            self.over(ending);
        }
    }

    fn refuse(&mut self, id: u64, why: &str) {
        self.out.push_back(CallOutput::Reply(id, Reply::Refused(why.into())));
    }

    fn begin_asked(&mut self, now: Time, id: u64, plan: TransferPlan) {
        if let (Some(left), Some(since)) = (&mut self.talk_left, self.talking_since.take()) {
            *left = left.saturating_sub(now.since(since));
        }
        self.timers.stop(Timer::TalkLimit);
        self.transfer_asked_by = Some(id);
        self.begin_transfer(now, plan);
    }

    fn errand_handle(&mut self, now: Time, event: &Event) {
        let Some(errand) = &mut self.errand else { return };
        match event {
            Event::FlashDone if errand.flash => {
                errand.sent = true;
                self.timers.set(Timer::ErrandHeard, now + HEARD_AFTER_FLASH);
            }
            Event::DialDone if !errand.flash => self.errand_done(None),
            Event::Heard(Heard::Tone { tone, .. }) if errand.sent => {
                let heard = tone.to_string();
                self.errand_done(Some(heard));
            }
            _ => {}
        }
    }

    fn errand_done(&mut self, heard: Option<String>) {
        self.timers.stop(Timer::ErrandHeard);
        if let Some(errand) = self.errand.take() {
            self.out.push_back(CallOutput::Reply(errand.id, Reply::Done { heard }));
        }
    }

    /// Takes what the running machine has to say, and moves on when it is through.
    fn follow(&mut self, now: Time) {
        loop {
            match &mut self.machine {
                Machine::Originate(m) => match m.poll_output() {
                    None => return,
                    Some(Output::Do(a)) => self.out.push_back(CallOutput::Do(a)),
                    Some(Output::Step(s)) => self.out.push_back(CallOutput::Step(s)),
                    Some(Output::Done(Originated::Answered(a))) => {
                        self.answered_at = Some(a.at);
                        self.talk_or_transfer(now);
                    }
                    Some(Output::Done(Originated::Failed(ending))) => self.over(ending),
                },
                Machine::Receive(m) => match m.poll_output() {
                    None => return,
                    Some(Output::Do(a)) => self.out.push_back(CallOutput::Do(a)),
                    Some(Output::Step(s)) => self.out.push_back(CallOutput::Step(s)),
                    Some(Output::Done(Received::Answered)) => {
                        self.caller = m.caller.clone();
                        self.answered_at = Some(now);
                        self.talk_or_transfer(now);
                    }
                    Some(Output::Done(Received::Failed(ending))) => self.over(ending),
                },
                Machine::Talk(m) => match m.poll_output() {
                    None => return,
                    Some(Output::Do(a)) => self.out.push_back(CallOutput::Do(a)),
                    Some(Output::Step(s)) => self.out.push_back(CallOutput::Step(s)),
                    Some(Output::Done(ending)) => self.over(ending),
                },
                Machine::Transfer(m) => match m.poll_output() {
                    None => return,
                    Some(Output::Do(a)) => self.out.push_back(CallOutput::Do(a)),
                    Some(Output::Step(s)) => self.out.push_back(CallOutput::Step(s)),
                    Some(Output::Done(result)) => match m.rest() {
                        // the caller was heard, and there is another way
                        (plan, target) if result == Transferred::FlashUnanswered && self.may_bridge(&plan) => {
                            self.begin_bridge(now, plan, target);
                        }
                        _ => self.transfer_done(now, result),
                    },
                },
                Machine::Bridge(m) => match m.poll_output() {
                    None => return,
                    Some(BridgeOutput::Open(line)) => self.out.push_back(CallOutput::Second(Second::Open(line))),
                    Some(BridgeOutput::Do(a)) => self.out.push_back(CallOutput::Second(Second::Do(a))),
                    Some(BridgeOutput::Connect(on)) => self.out.push_back(CallOutput::Second(Second::Connect(on))),
                    Some(BridgeOutput::Step(s)) => self.out.push_back(CallOutput::Step(s)),
                    Some(BridgeOutput::Done(result)) => self.transfer_done(now, result),
                    Some(BridgeOutput::Left(who)) => self.bridge_left(now, who),
                },
                Machine::Over => return,
            }
        }
    }

    fn talk_or_transfer(&mut self, now: Time) {
        match self.plan.transfer.take() {
            Some(plan) => self.begin_transfer(now, plan),
            None => {
                // the first talk ends by its own plan: a sound is played to its end
                self.talking_since = Some(now);
                self.machine = Machine::Talk(Box::new(Talk::new(now, self.plan.talk.clone())));
                self.out.push_back(CallOutput::ScriptDone(Ending::Completed));
            }
        }
    }

    fn may_bridge(&self, plan: &TransferPlan) -> bool {
        plan.second_line.is_some() && plan.goal == Goal::Transfer && self.winding_down.is_none()
    }

    fn begin_bridge(&mut self, now: Time, plan: TransferPlan, target: usize) {
        let line = plan.second_line.as_ref().map(|second| second.name.clone()).unwrap_or_default();
        self.machine = Machine::Bridge(Box::new(Bridge::new(now, plan, line, target)));
    }

    /// One of the two whom we connect has left.
    fn bridge_left(&mut self, now: Time, who: Left) {
        match who {
            Left::Caller | Left::Target => self.over(Ending::Completed),
            Left::CallersLine(ending) => self.over(ending),
            Left::SecondLine => {
                self.verdict = self.verdict.map(|_| Ending::PartyLost);
                let hang_up_after = self.plan.stay.filter(|_| self.verdict.is_some());
                self.talk_on(now, hang_up_after);
            }
        }
    }

    /// The caller is with us, alone.
    fn talk_on(&mut self, now: Time, hang_up_after: Option<Duration>) {
        self.close_second();
        let talk = TalkPlan { hang_up_after, far_hang_up_is_the_end: true, three: self.joined, ..TalkPlan::default() };
        self.machine = Machine::Talk(Box::new(Talk::new(now, talk)));
        self.limit_talk(now);
    }

    /// Talk goes on after a transfer, and so does its limit.
    fn limit_talk(&mut self, since: Time) {
        // two who are connected here may lose one, and the other talks on
        if let (Some(left), None) = (self.talk_left, self.talking_since) {
            self.talking_since = Some(since);
            self.timers.set(Timer::TalkLimit, since + left);
        }
    }

    fn talked_enough(&mut self, now: Time) {
        if self.winding_down.is_some() {
            return;
        }
        let who = if self.joined || matches!(self.machine, Machine::Bridge(_)) { "all hung up" } else { "hung up" };
        self.out.push_back(CallOutput::Step(Step::new(now, "talk").heard("as long as was to be").result(who)));
        self.over(Ending::Completed);
    }

    fn close_second(&mut self) {
        if matches!(self.machine, Machine::Bridge(_)) {
            self.out.push_back(CallOutput::Second(Second::Close));
        }
    }

    fn begin_transfer(&mut self, now: Time, plan: TransferPlan) {
        let at_once =
            plan.second_line.as_ref().is_some_and(|second| second.always) || self.manners.complete == Completion::Never;
        if at_once && self.may_bridge(&plan) {
            return self.begin_bridge(now, plan, 0);
        }
        let number = self.caller.as_ref().and_then(|id| id.number.clone());
        let transfer = Transfer::new(now, plan, self.manners.clone()).of_caller(number);
        self.machine = Machine::Transfer(Box::new(transfer));
    }

    fn transfer_done(&mut self, now: Time, result: Transferred) {
        let ending = result.ending();
        let waits_on =
            matches!(result, Transferred::Held { .. } | Transferred::NotJoined { .. } | Transferred::Bridged { .. });
        let joined = matches!(result, Transferred::Joined { .. });
        let still_up = joined
            || matches!(
                result,
                Transferred::CallerBack { .. }
                    | Transferred::Retrieved { .. }
                    | Transferred::FlashUnanswered
                    | Transferred::FlashUnproven
                    | Transferred::CallerUnproven
                    | Transferred::Refused
            );
        self.result = Some(result.clone());
        let asked_by = self.transfer_asked_by.take();
        // the hold of a user's that a loss of battery ended was no script's
        let by_itself = asked_by.is_none() && matches!(result, Transferred::Retrieved { .. });
        let scripted = asked_by.is_none() && !by_itself;
        match asked_by {
            Some(id) => self.out.push_back(CallOutput::Reply(id, Reply::Transferred(result))),
            None if by_itself => {}
            None => {
                self.verdict = Some(ending);
                self.out.push_back(CallOutput::ScriptDone(ending));
            }
        }
        if waits_on {
            if let Machine::Bridge(bridge) = &self.machine {
                self.limit_talk(bridge.talking_since().unwrap_or(now));
            }
            return;
        }
        if let Some(why) = self.winding_down.take() {
            // what the transfer came to meanwhile is told where it matters more than why we left
            let ending = if matches!(ending, Ending::PartyLost | Ending::Transferred) { ending } else { why };
            self.verdict = None;
            return self.over(ending);
        }
        if still_up {
            self.joined = joined;
            // who is with us by a user's wish stays until the user says so; from three we never leave by ourselves
            let hang_up_after = self.plan.stay.filter(|_| scripted && !joined);
            self.talk_on(now, hang_up_after);
        } else {
            self.over(ending);
        }
    }

    fn over(&mut self, ending: Ending) {
        if matches!(self.machine, Machine::Over) {
            return;
        }
        self.close_second();
        self.machine = Machine::Over;
        self.timers.stop_all();
        // an interrupt is told as such; else the scripted part's ending is what the caller of this program asked about
        let ending = match self.verdict {
            // two talked through our line, and it failed them
            Some(Ending::Joined | Ending::Bridged) if matches!(ending, Ending::LineLost | Ending::DeviceRemoved) => {
                Ending::PartyLost
            }
            Some(verdict) if !matches!(ending, Ending::Interrupted | Ending::TimedOut) => verdict,
            _ => ending,
        };
        if let Some(errand) = self.errand.take() {
            self.out.push_back(CallOutput::Reply(errand.id, Reply::CallEnded(ending)));
        }
        if let Some(id) = self.transfer_asked_by.take() {
            self.out.push_back(CallOutput::Reply(id, Reply::CallEnded(ending)));
        }
        self.out.push_back(CallOutput::Do(Action::OnHook));
        self.out.push_back(CallOutput::Over(ending));
    }
}

fn is_tone(event: &Event) -> bool {
    matches!(event, Event::Heard(Heard::Tone { .. }))
}
