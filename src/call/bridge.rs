//! Moving a call over a second line: the target is called on it, and this program connects the two for as long as they
//! talk. For lines whose exchange takes no flash, or drops everybody when we leave a three-way call.
//!
//! ```text
//!  opening ─▶ calling ─┬ answered ─(brief ─ 1)─▶ connected ─ one of them leaves ─▶ over
//!     │          ▲     │ busy, reorder, SIT, no answer, 2
//!     │          ╰─────┤ next target, after the exchange has had its on-hook
//!     ▼ no line        ▼ none left
//!     ╰──────────▶ the caller is where he was: he never left
//! ```
//!
//! The caller is never on hold here, so he cannot get lost on the way: what can go wrong happens on the other line.

use super::originate::{Originate, Originated};
use super::talk::{Talk, TalkPlan};
use super::transfer::{TransferPlan, Transferred};
use super::{ANNOUNCED_AGAIN, Ending, Evidence, Manners, Output, Step, shown};
use crate::clock::{Time, Timers};
use crate::event::{Action, Event, Heard, Tone, ToneKind};
use std::collections::VecDeque;
use std::time::Duration;

/// What the machine says. The caller's line is never touched: only its audio is connected.
#[derive(Clone, Debug, PartialEq)]
pub enum BridgeOutput {
    /// The second line is wanted, by its name or port.
    Open(String),
    /// Something to be done on it.
    Do(Action),
    /// Whether the two hear each other.
    Connect(bool),
    Step(Step),
    /// How the transfer went. After [`Transferred::Bridged`] the machine lives on.
    Done(Transferred),
    /// One of the two has left.
    Left(Left),
}

/// Who left the two who were connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    Caller,
    Target,
    /// The caller's line is gone.
    CallersLine(Ending),
    /// The second line is gone, and the caller is still on his.
    SecondLine,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Opening,
    Calling,
    Briefing,
    AwaitingKey,
    Connected,
    /// On-hook between two targets.
    Resting,
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Timer {
    /// The exchange has let go of the last call.
    Rested,
    NoKey,
    /// The target has not hung up again: the call is his.
    Stayed,
}

#[derive(Clone, Debug)]
pub struct Bridge {
    plan: TransferPlan,
    line: String,
    manners: Option<Manners>,
    state: State,
    timers: Timers<Timer>,
    target: usize,
    voicemail_tried: bool,
    briefed: u32,
    connected: bool,
    /// It was told that the call is the target's.
    told: bool,
    talking_since: Option<Time>,
    evidence: Evidence,
    /// Ringback was heard.
    rang: bool,
    /// Tells when the caller has gone.
    caller: Talk,
    origin: Option<Originate>,
    /// Tells when the target has gone.
    far: Option<Talk>,
    out: VecDeque<BridgeOutput>,
}

/// On-hook for less than this may be taken for a flash: windows end at 1.5 s at most, and exchanges want a little more.
const REST: Duration = Duration::from_millis(2200);
/// How long the target may think after the brief, and how often he hears it.
const KEY_WAIT: Duration = Duration::from_secs(8);
const BRIEFS: u32 = 2;
/// A target who hung up within a second of answering is known to have done so by then.
const STAYS: Duration = Duration::from_millis(3500);
/// Each of them listens to the other, or waits: a silence after a loose contact is no hang-up, and a tone will tell.
const LISTENS: TalkPlan = TalkPlan { listens: true, ..TalkPlan::UNTIL_TOLD };

/// An announcement that was taken for an answer has come to its tones again.
fn not_in_service(event: &Event) -> Option<Tone> {
    match event {
        Event::Heard(Heard::Tone { tone, .. }) if tone.is(ToneKind::Sit) => Some(*tone),
        _ => None,
    }
}

impl Bridge {
    /// `line` is the second line's name or port; `target` the first of the plan's targets that is still to be tried.
    pub fn new(now: Time, plan: TransferPlan, line: String, target: usize) -> Bridge {
        let mut bridge = Bridge {
            manners: None,
            state: State::Opening,
            timers: Timers::new(),
            target,
            voicemail_tried: false,
            briefed: 0,
            connected: false,
            told: false,
            talking_since: None,
            evidence: Evidence::NoTone,
            rang: false,
            caller: Talk::new(now, LISTENS),
            origin: None,
            far: None,
            out: VecDeque::from([BridgeOutput::Open(line.clone())]),
            plan,
            line,
        };
        if bridge.plan.targets.get(target).is_none() {
            bridge.out.clear();
            bridge.end(Transferred::CallerBack { evidence: Evidence::NeverLeft });
        }
        bridge
    }

    pub fn is_connected(&self) -> bool {
        self.state == State::Connected
    }

    /// The second line is open and ours, or it cannot be had, and why.
    pub fn opened(&mut self, now: Time, line: Result<Manners, String>) {
        if self.state != State::Opening {
            return;
        }
        match line {
            Ok(manners) => {
                self.manners = Some(manners);
                self.call(now);
            }
            Err(why) => {
                self.tell(Step::new(now, "second-line").target(&self.line).heard(why).result("not to be had"));
                self.end(Transferred::CallerBack { evidence: Evidence::NeverLeft });
            }
        }
    }

    /// What happens on the caller's line.
    pub fn handle_caller(&mut self, now: Time, event: &Event) {
        if self.state != State::Over {
            self.caller.handle(now, event);
            self.follow_caller();
        }
    }

    /// What happens on the second line.
    pub fn handle_target(&mut self, now: Time, event: &Event) {
        match self.state {
            State::Calling => {
                if let Some(origin) = &mut self.origin {
                    origin.handle(now, event);
                }
                self.follow_origin(now);
            }
            State::Briefing | State::AwaitingKey => self.briefing(now, event),
            State::Connected => match not_in_service(event).filter(|_| !self.told) {
                Some(tone) => {
                    let step = Step::new(now, "bridge").target(self.shown_target()).heard(tone.to_string());
                    self.tell(step.result(Ending::NotInService.name()));
                    self.far = None;
                    self.next_target(now, Ending::NotInService);
                }
                None => {
                    if let Some(far) = &mut self.far {
                        far.handle(now, event);
                    }
                    self.follow_target(now);
                }
            },
            State::Opening | State::Resting | State::Over => {}
        }
    }

    pub fn handle_timeout(&mut self, now: Time) {
        if self.state == State::Over {
            return;
        }
        while let Some(timer) = self.timers.expire(now) {
            match timer {
                Timer::Rested => self.call(now),
                Timer::NoKey if self.briefed < BRIEFS => self.brief(now),
                Timer::NoKey => self.briefed_says(now, "no key", "not accepted"),
                Timer::Stayed => self.tell_bridged(),
            }
        }
        self.caller.handle_timeout(now);
        self.follow_caller();
        if let Some(origin) = &mut self.origin {
            origin.handle_timeout(now);
        }
        self.follow_origin(now);
        if let Some(far) = &mut self.far {
            far.handle_timeout(now);
        }
        self.follow_target(now);
    }

    pub fn poll_timeout(&self) -> Option<Time> {
        let origin = self.origin.as_ref().and_then(Originate::poll_timeout);
        let far = self.far.as_ref().and_then(Talk::poll_timeout);
        [self.timers.next(), self.caller.poll_timeout(), origin, far].into_iter().flatten().min()
    }

    pub fn poll_output(&mut self) -> Option<BridgeOutput> {
        self.out.pop_front()
    }

    fn call(&mut self, now: Time) {
        let (Some(manners), Some(target)) = (&self.manners, self.plan.targets.get(self.target)) else { return };
        self.origin = Some(Originate::new(now, target.clone(), self.plan.no_answer_after, manners.clone()));
        self.state = State::Calling;
        self.briefed = 0;
        self.rang = false;
        self.tell(Step::new(now, "second-line").target(&self.line));
        self.follow_origin(now);
    }

    fn follow_origin(&mut self, now: Time) {
        while let Some(output) = self.origin.as_mut().and_then(Originate::poll_output) {
            match output {
                Output::Do(action) => self.out.push_back(BridgeOutput::Do(action)),
                Output::Step(step) => {
                    // who is moved without being asked hears what he would hear on a line of his own
                    if step.result.as_deref() == Some("alerting") {
                        self.rang = true;
                        if !self.plan.warm && self.plan.brief.is_none() {
                            self.connect(true);
                        }
                    }
                    self.tell(step);
                }
                Output::Done(Originated::Answered(answer)) => {
                    self.origin = None;
                    self.evidence = answer.how;
                    self.brief(now);
                }
                Output::Done(Originated::Failed(ending)) => {
                    self.origin = None;
                    self.next_target(now, ending);
                }
            }
        }
    }

    fn brief(&mut self, now: Time) {
        self.timers.stop_all();
        let Some(sound) = self.plan.brief.clone() else { return self.talk(now) };
        self.connect(false);
        self.state = State::Briefing;
        self.briefed += 1;
        if self.briefed == 1 {
            self.tell(Step::new(now, "brief").target(self.shown_target()));
        }
        self.out.push_back(BridgeOutput::Do(Action::Play(sound)));
    }

    fn briefing(&mut self, now: Time, event: &Event) {
        if let Some((ending, heard)) = super::line_gone(event) {
            self.tell(Step::new(now, "brief").target(self.shown_target()).heard(heard).result(ending.name()));
            return self.next_target(now, ending);
        }
        match event {
            Event::PlayDone if self.state == State::Briefing => {
                self.state = State::AwaitingKey;
                self.timers.set(Timer::NoKey, now + KEY_WAIT);
            }
            Event::Heard(Heard::Digit { digit, .. }) if digit.as_char() == '1' => {
                self.stop_brief(now, "digit 1", "accepted");
                self.talk(now);
            }
            Event::Heard(Heard::Digit { digit, .. }) if digit.as_char() == '2' => {
                self.briefed_says(now, "digit 2", "refused");
            }
            Event::Heard(Heard::Tone { tone, .. }) => self.briefed_says(now, &tone.to_string(), "target hung up"),
            Event::ForwardDisconnect { .. } => self.briefed_says(now, "forward disconnect", "target hung up"),
            _ => {}
        }
    }

    fn stop_brief(&mut self, now: Time, heard: &str, result: &'static str) {
        self.timers.stop_all();
        if self.state == State::Briefing {
            self.out.push_back(BridgeOutput::Do(Action::StopPlaying));
        }
        self.tell(Step::new(now, "brief").target(self.shown_target()).heard(heard).result(result));
    }

    fn briefed_says(&mut self, now: Time, heard: &str, result: &'static str) {
        self.stop_brief(now, heard, result);
        self.next_target(now, Ending::Rejected);
    }

    fn talk(&mut self, now: Time) {
        self.state = State::Connected;
        self.far = Some(Talk::new(now, LISTENS));
        self.connect(true);
        let step = Step::new(now, "bridge").target(self.shown_target());
        self.tell(step.heard(self.evidence.name()).result("connected here"));
        self.talking_since = Some(now);
        let may_be_announced = self.evidence == Evidence::Speech && !self.rang;
        self.timers.set(Timer::Stayed, now + if may_be_announced { ANNOUNCED_AGAIN } else { STAYS });
    }

    /// When the target who has the call was connected.
    pub fn talking_since(&self) -> Option<Time> {
        self.talking_since
    }

    fn tell_bridged(&mut self) {
        if !std::mem::replace(&mut self.told, true) {
            let (target, evidence, voicemail) = (self.target, self.evidence, self.voicemail_tried);
            self.out.push_back(BridgeOutput::Done(Transferred::Bridged { target, evidence, voicemail }));
        }
    }

    fn next_target(&mut self, now: Time, why: Ending) {
        self.timers.stop_all();
        self.connect(false);
        self.target += 1;
        if self.target >= self.plan.targets.len()
            && !self.voicemail_tried
            && let Some(mailbox) = self.plan.voicemail.clone()
        {
            self.voicemail_tried = true;
            // a mailbox accepts nothing and refuses nothing
            self.plan.brief = None;
            self.plan.targets.push(mailbox);
        }
        let line_failed = matches!(why, Ending::DeviceRemoved | Ending::LineLost | Ending::Glare | Ending::NoDialTone);
        if why != Ending::DeviceRemoved {
            self.out.push_back(BridgeOutput::Do(Action::OnHook));
        }
        if line_failed || self.target >= self.plan.targets.len() {
            self.end(Transferred::CallerBack { evidence: Evidence::NeverLeft });
        } else {
            self.state = State::Resting;
            self.timers.set(Timer::Rested, now + REST);
        }
    }

    /// The caller's end decides between gone by himself and gone with his line.
    fn follow_caller(&mut self) {
        while let Some(output) = self.caller.poll_output() {
            match output {
                Output::Do(_) => {}
                Output::Step(step) => self.tell(step),
                Output::Done(_) if self.state == State::Over => {}
                Output::Done(ending) if self.is_connected() => {
                    self.tell_bridged();
                    self.leave(if ending == Ending::FarHangUp { Left::Caller } else { Left::CallersLine(ending) });
                }
                Output::Done(Ending::FarHangUp) => self.end(Transferred::CallerGone),
                Output::Done(_) => self.end(Transferred::PartyLost),
            }
        }
    }

    fn follow_target(&mut self, now: Time) {
        while let Some(output) = self.far.as_mut().and_then(Talk::poll_output) {
            match output {
                Output::Do(_) => {}
                Output::Step(step) => self.tell(Step { step: "second-line".into(), ..step }),
                Output::Done(_) if self.state == State::Over => {}
                Output::Done(Ending::FarHangUp) if !self.told => {
                    self.tell(Step::new(now, "bridge").target(self.shown_target()).result("target hung up at once"));
                    self.far = None;
                    return self.next_target(now, Ending::Rejected);
                }
                Output::Done(Ending::FarHangUp) => self.leave(Left::Target),
                Output::Done(_) => {
                    self.tell_bridged();
                    self.tell(Step::new(now, "bridge").result("the second line is gone, and the caller is with us"));
                    self.leave(Left::SecondLine);
                }
            }
        }
    }

    fn leave(&mut self, who: Left) {
        if self.state != State::Over {
            self.state = State::Over;
            self.timers.stop_all();
            self.connect(false);
            self.out.push_back(BridgeOutput::Left(who));
        }
    }

    fn connect(&mut self, connect: bool) {
        if std::mem::replace(&mut self.connected, connect) != connect {
            self.out.push_back(BridgeOutput::Connect(connect));
        }
    }

    fn shown_target(&self) -> String {
        self.plan.targets.get(self.target).map(shown).unwrap_or_default()
    }

    fn tell(&mut self, step: Step) {
        self.out.push_back(BridgeOutput::Step(step));
    }

    fn end(&mut self, with: Transferred) {
        if self.state != State::Over {
            self.state = State::Over;
            self.timers.stop_all();
            self.connect(false);
            self.out.push_back(BridgeOutput::Done(with));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Target;
    use crate::facts::Facts;

    fn bridge(targets: &[&str]) -> Bridge {
        let target = |n: &&str| Target { name: None, number: n.parse().unwrap() };
        let plan = TransferPlan::to(targets.iter().map(target).collect(), true, Duration::from_secs(25));
        Bridge::new(Time::ZERO, plan, "other".into(), 0)
    }

    fn tone(kind: ToneKind, at: Time) -> Event {
        Event::Heard(Heard::Tone { tone: kind.into(), since: at })
    }

    fn all(b: &mut Bridge) -> Vec<BridgeOutput> {
        std::iter::from_fn(|| b.poll_output()).collect()
    }

    /// Up to the moment when the two are connected.
    fn connected() -> Bridge {
        let mut b = bridge(&["5550100"]);
        b.opened(Time::ZERO, Ok(Manners::of(Facts::embedded().country("us").unwrap())));
        b.handle_target(Time::ms(800), &tone(ToneKind::Dial, Time::ms(300)));
        b.handle_timeout(Time::ms(1000));
        b.handle_target(Time::ms(2000), &Event::DialDone);
        b.handle_target(Time::ms(5000), &tone(ToneKind::Ringback, Time::ms(3000)));
        b.handle_target(Time::ms(6000), &Event::Reversal);
        assert!(b.is_connected());
        let said = all(&mut b);
        assert!(said.contains(&BridgeOutput::Connect(true)), "{said:?}");
        b
    }

    #[test]
    fn a_target_who_hangs_up_as_soon_as_he_has_answered_has_not_taken_the_call() {
        let gone = Event::ForwardDisconnect { open: Duration::from_millis(500) };
        let mut b = connected();
        b.handle_target(Time::ms(8_000), &gone);
        let said = all(&mut b);
        let back = Transferred::CallerBack { evidence: Evidence::NeverLeft };
        assert_eq!(said.last(), Some(&BridgeOutput::Done(back)), "{said:?}");
        assert!(said.contains(&BridgeOutput::Connect(false)), "{said:?}");

        let mut b = connected();
        b.handle_timeout(Time::ms(9_500));
        assert!(matches!(all(&mut b)[..], [BridgeOutput::Done(Transferred::Bridged { .. })]));
    }

    #[test]
    fn a_second_line_that_cannot_be_had_leaves_the_caller_alone() {
        let mut b = bridge(&["5550100"]);
        assert_eq!(b.poll_output(), Some(BridgeOutput::Open("other".into())));
        b.opened(Time::ms(20), Err("it is in use".into()));
        let done = BridgeOutput::Done(Transferred::CallerBack { evidence: Evidence::NeverLeft });
        assert!(all(&mut b).contains(&done));
        assert_eq!(b.poll_timeout(), None);
    }

    #[test]
    fn a_second_line_that_dies_leaves_the_caller_with_us() {
        let mut b = connected();
        b.handle_target(Time::ms(6_500), &Event::DeviceRemoved);
        let said = all(&mut b);
        assert!(said.contains(&BridgeOutput::Connect(false)), "{said:?}");
        assert_eq!(said.last(), Some(&BridgeOutput::Left(Left::SecondLine)));
    }

    #[test]
    fn whoever_leaves_first_is_told() {
        let gone = Event::ForwardDisconnect { open: Duration::from_millis(800) };
        let mut b = connected();
        b.handle_timeout(Time::secs(10));
        b.handle_caller(Time::secs(60), &gone);
        assert_eq!(all(&mut b).last(), Some(&BridgeOutput::Left(Left::Caller)));
        let mut b = connected();
        b.handle_timeout(Time::secs(10));
        b.handle_target(Time::secs(60), &gone);
        assert_eq!(all(&mut b).last(), Some(&BridgeOutput::Left(Left::Target)));
    }

    #[test]
    fn between_two_targets_the_line_rests_longer_than_any_flash() {
        let mut b = bridge(&["5550101", "5550100"]);
        b.opened(Time::ZERO, Ok(Manners::of(Facts::embedded().country("us").unwrap())));
        b.handle_target(Time::ms(800), &tone(ToneKind::Congestion, Time::ms(300)));
        assert!(all(&mut b).contains(&BridgeOutput::Do(Action::OnHook)));
        let woken = b.poll_timeout().unwrap();
        assert!(woken.since(Time::ms(800)) > Duration::from_millis(1500));
        b.handle_timeout(woken);
        assert!(all(&mut b).contains(&BridgeOutput::Do(Action::OffHook)));
    }
}
