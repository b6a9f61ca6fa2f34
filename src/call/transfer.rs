//! Moving a call by hook flash, and the way back from every step.
//!
//! ```text
//!  talking ─flash─▶ recall tone? ─digits─▶ progress ─┬ ringback (cold), answer (warm) ─▶ complete ─▶ prove ─▶ done
//!     ▲               │ none: next width             │ busy, reorder, SIT, no answer                  │
//!     │               ▼ no width left: still talking ▼                                                │ recall ring
//!     └──────────── flash back, prove the caller is there ◀───────── answer the recall ◀──────────────┘
//!                      │ next target, else: the caller is back
//! ```
//!
//! Nothing is believed without hearing it. Measured with Asterisk's own flash logic: hang up while the target is busy
//! and the caller is dropped; flash back first and the caller is there. So the receiver is never put down before
//! ringback or an answer was heard.

use super::progress::{Progress, Progressed};
use super::{Completion, Ending, Evidence, Manners, Outbox, Output, Step, Target};
use crate::clock::{Time, Timers};
use crate::event::{Action, Event, Heard, ToneKind};
use crate::number::DialString;
use std::time::Duration;

/// What is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct TransferPlan {
    /// Tried in order.
    pub targets: Vec<Target>,
    /// Leave only when the target has answered; else as soon as it rings.
    pub warm: bool,
    pub no_answer_after: Duration,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Transferred {
    /// Held party and target are together, and we saw our line released.
    Completed { target: usize, proof: Vec<String> },
    /// We left, nobody rang us back, and yet the line did not prove to be free.
    Unproven { target: usize },
    /// Nobody took it: the caller is with us again.
    CallerBack { evidence: Evidence },
    /// The exchange did not take any flash; the call was never touched.
    FlashUnanswered,
    /// The caller hung up meanwhile, and the exchange said so.
    CallerGone,
    /// We could not get back to the caller.
    PartyLost,
    /// On this line our hang-up would drop both parties.
    Refused,
}

impl Transferred {
    pub fn ending(&self) -> Ending {
        match self {
            Transferred::Completed { .. } => Ending::Transferred,
            Transferred::Unproven { .. } => Ending::TransferUnproven,
            Transferred::CallerBack { .. } => Ending::TransferFailed,
            Transferred::FlashUnanswered => Ending::FlashUnanswered,
            Transferred::CallerGone => Ending::FarHangUp,
            Transferred::PartyLost => Ending::PartyLost,
            Transferred::Refused => Ending::TransferRefused,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// To get the recall tone for a consultation call.
    Consult,
    /// To get back to the held party.
    Back,
    /// To connect the two where the exchange wants a recall code for it.
    Complete,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// Between steps: the exchange must have settled before the next flash.
    Settling(Why),
    Flashing(Why),
    /// The flash is on the line; what does the exchange say?
    Listening(Why),
    Dialling,
    Consulting,
    /// The target answered; it must still be there a moment later.
    Confirming,
    /// The recall code (`R1`, `R4`) is being sent.
    SendingCode(Why),
    /// Code for completion sent: does the exchange let us go?
    CompletionHeard,
    ProvingCaller,
    /// On-hook; if the exchange rings us back, the transfer failed.
    Watching,
    /// Recall rang and we lifted.
    AnsweringRecall,
    /// Off-hook again: dial tone proves that nobody is left on our line.
    CheckingIdle,
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Timer {
    Settled,
    /// No recall tone came.
    NoRecallTone,
    /// The digit receiver is ready, or the exchange gives no tone before a recall code.
    SendDigits,
    /// The target answered and stayed.
    Confirmed,
    /// No tone of the exchange for long enough: the caller's line it is.
    NoToneHeard,
    /// Nobody rang us back.
    NoRecallRing,
    NoDialTone,
}

/// The machine. It begins in a call that is up, and leaves the line off-hook unless it completes.
#[derive(Clone, Debug)]
pub struct Transfer {
    plan: TransferPlan,
    manners: Manners,
    state: State,
    timers: Timers<Timer>,
    target: usize,
    /// Which flash width is being tried, and which one this exchange took.
    width: usize,
    width_taken: Option<usize>,
    back_attempts: u32,
    /// Flashes of a known width that brought no recall tone, one after the other.
    unanswered: u32,
    /// A steady sound that no exchange makes: somebody is there.
    strange_tone: bool,
    last_heard: Option<ToneKind>,
    progress: Option<Progress>,
    out: Outbox<Transferred>,
}

/// A flash sooner than this after the line came up, or after another flash, is lost or taken for a hang-up: DAHDI's FXO
/// ports are in debounce for 600 ms after off-hook, and Asterisk drops both calls on a hang-up within 2 s of a flash.
const SETTLE: Duration = Duration::from_millis(1000);
const SETTLE_BETWEEN_FLASHES: Duration = Duration::from_millis(2100);
/// Between hearing the recall tone and the first digit.
const RECEIVER_READY: Duration = Duration::from_millis(200);
/// The exchange expects a recall code within about two seconds, and many give no tone before it.
const CODE_DELAY: Duration = Duration::from_millis(700);
const CONFIRM: Duration = Duration::from_millis(1200);
/// No tone for this long on the way back: slower than the slowest cadence of busy and reorder (Sweden: 1 s).
const NO_TONE: Duration = Duration::from_millis(2500);
const BACK_ATTEMPTS: u32 = 4;
const UNANSWERED_MAX: u32 = 3;

impl Transfer {
    pub fn new(now: Time, plan: TransferPlan, manners: Manners) -> Transfer {
        let mut t = Transfer {
            state: State::Settling(Why::Consult),
            timers: Timers::new(),
            target: 0,
            width: 0,
            width_taken: None,
            back_attempts: 0,
            unanswered: 0,
            strange_tone: false,
            last_heard: None,
            progress: None,
            out: Outbox::default(),
            plan,
            manners,
        };
        if t.manners.complete == Completion::Never {
            t.out.tell(Step::new(now, "transfer").result("refused: our hang-up would drop both parties"));
            t.end(Transferred::Refused);
        } else if t.plan.targets.is_empty() {
            t.end(Transferred::CallerBack { evidence: Evidence::NoTone });
        } else {
            t.timers.set(Timer::Settled, now + SETTLE);
        }
        t
    }

    pub fn handle(&mut self, now: Time, event: &Event) {
        match event {
            _ if self.state == State::Over => return,
            Event::DeviceRemoved | Event::LineLost | Event::Alarm(_) => {
                let heard = if *event == Event::DeviceRemoved { "device removed" } else { "line lost" };
                self.out.tell(Step::new(now, "transfer").heard(heard).result("party-lost"));
                return self.end(Transferred::PartyLost);
            }
            _ => {}
        }
        match self.state {
            State::Flashing(why) if *event == Event::FlashDone => self.flashed(now, why),
            State::Listening(why) => self.listening(now, why, event),
            State::Dialling if *event == Event::DialDone => {
                self.progress = Some(Progress::new(now, self.plan.no_answer_after, self.manners.slowest_refusal));
                self.state = State::Consulting;
            }
            State::Consulting => {
                if let Some(p) = &mut self.progress {
                    p.handle(now, event);
                }
                self.follow(now);
            }
            State::Confirming => self.confirming(now, event),
            State::SendingCode(why) if *event == Event::DialDone => self.code_sent(now, why),
            State::CompletionHeard => self.completion_heard(now, event),
            State::ProvingCaller => self.proving(now, event),
            State::Watching | State::CheckingIdle => self.left(now, event),
            _ => {}
        }
    }

    pub fn handle_timeout(&mut self, now: Time) {
        while let Some(timer) = self.timers.expire(now) {
            match (timer, self.state) {
                (Timer::Settled, State::Settling(why)) => self.flash(now, why),
                (Timer::NoRecallTone, State::Listening(Why::Consult)) => self.no_recall_tone(now),
                (Timer::SendDigits, State::Listening(Why::Consult)) => {
                    self.state = State::Dialling;
                    let number = self.plan.targets[self.target].number.clone();
                    self.out.act(Action::Dial(number, self.manners.dial_method));
                }
                (Timer::SendDigits, State::Listening(why)) => {
                    self.state = State::SendingCode(why);
                    let code = self.code(why).unwrap_or_else(|| DialString::from_iter([]));
                    self.out.act(Action::Dial(code, self.manners.dial_method));
                }
                (Timer::Confirmed, State::Confirming) => self.complete(now),
                (Timer::Confirmed, State::CompletionHeard) => self.leave(now, "nothing"),
                (Timer::NoToneHeard, State::ProvingCaller) => {
                    let evidence = if self.strange_tone { Evidence::OtherTone } else { Evidence::NoTone };
                    self.caller_back(now, evidence);
                }
                (Timer::Settled, State::AnsweringRecall) => self.prove_caller(now),
                (Timer::NoRecallRing, State::Watching) => {
                    self.state = State::CheckingIdle;
                    self.out.act(Action::OffHook);
                    self.timers.set(Timer::NoDialTone, now + self.manners.dial_tone_wait);
                }
                (Timer::NoDialTone, State::CheckingIdle) => {
                    self.out.act(Action::OnHook);
                    self.out.tell(Step::new(now, "check-line").heard("no dial tone").result("unproven"));
                    self.end(Transferred::Unproven { target: self.target });
                }
                _ => {}
            }
        }
        if let Some(p) = &mut self.progress {
            p.handle_timeout(now);
            self.follow(now);
        }
    }

    pub fn poll_timeout(&self) -> Option<Time> {
        let progress = self.progress.as_ref().and_then(Progress::poll_timeout);
        self.timers.next().into_iter().chain(progress).min()
    }

    pub fn poll_output(&mut self) -> Option<Output<Transferred>> {
        self.out.pop()
    }

    // -- flashing ----------------------------------------------------------------------------------------------

    fn flash(&mut self, _now: Time, why: Why) {
        self.state = State::Flashing(why);
        self.out.act(Action::Flash(self.flash_width()));
    }

    fn flash_width(&self) -> Duration {
        let i = self.width_taken.unwrap_or(self.width);
        self.manners.flash_widths.get(i).copied().unwrap_or(Duration::from_millis(500))
    }

    fn flashed(&mut self, now: Time, why: Why) {
        self.state = State::Listening(why);
        match why {
            Why::Consult => self.timers.set(Timer::NoRecallTone, now + self.manners.recall_tone_wait),
            Why::Back if self.code(why).is_none() => self.prove_caller(now),
            Why::Back | Why::Complete => self.timers.set(Timer::SendDigits, now + CODE_DELAY),
        }
    }

    /// The digits that follow the recall for this purpose, if any.
    fn code(&self, why: Why) -> Option<DialString> {
        match (why, &self.manners.complete) {
            (Why::Complete, Completion::Recall(code)) => Some(code.clone()),
            (Why::Back, _) => self.manners.back.trim_start_matches('R').trim().parse().ok(),
            _ => None,
        }
    }

    fn listening(&mut self, now: Time, why: Why, event: &Event) {
        let Event::Heard(Heard::Tone { tone, .. }) = event else { return };
        if why == Why::Consult && tone.kind.is_dial_tone() && self.timers.is_armed(Timer::NoRecallTone) {
            self.width_taken = Some(self.width_taken.unwrap_or(self.width));
            self.unanswered = 0;
            self.timers.stop_all();
            self.timers.set(Timer::SendDigits, now + RECEIVER_READY);
            let ms = self.flash_width().as_millis() as u64;
            self.out.tell(Step::new(now, "flash").ms(ms).heard(tone.to_string()));
        }
    }

    fn no_recall_tone(&mut self, now: Time) {
        let ms = self.flash_width().as_millis() as u64;
        self.out.tell(Step::new(now, "flash").ms(ms).heard("no recall tone"));
        if self.width_taken.is_none() {
            self.width += 1;
            if self.width < self.manners.flash_widths.len() {
                self.settle(now, Why::Consult);
            } else {
                self.end(Transferred::FlashUnanswered);
            }
            return;
        }
        // This exchange takes this width. Where the flash back had made a three-way call with the failed leg, this one
        // has dropped that leg (Asterisk does so, and the three-way service of North America): the next one recalls.
        self.unanswered += 1;
        if self.unanswered < UNANSWERED_MAX {
            self.settle(now, Why::Consult);
        } else {
            self.unanswered = 0;
            self.back_attempts = 0;
            self.prove_caller(now);
        }
    }

    fn settle(&mut self, now: Time, why: Why) {
        self.state = State::Settling(why);
        self.timers.stop_all();
        self.timers.set(Timer::Settled, now + SETTLE_BETWEEN_FLASHES);
    }

    // -- consulting ----------------------------------------------------------------------------------------------

    fn follow(&mut self, now: Time) {
        while let Some(progressed) = self.progress.as_mut().and_then(Progress::poll_output) {
            if self.state != State::Consulting {
                continue;
            }
            let step = Step::new(now, "dial").target(super::shown(&self.plan.targets[self.target]));
            match progressed {
                Progressed::Alerting { .. } => {
                    self.last_heard = Some(ToneKind::Ringback);
                    self.out.tell(step.heard("ringback").result("alerting"));
                    if !self.plan.warm && self.manners.while_ringing {
                        self.progress = None;
                        self.complete(now);
                    }
                }
                Progressed::Answered(answer) => {
                    self.last_heard = None;
                    self.out.tell(step.heard(answer.how.name()).result("answered"));
                    self.progress = None;
                    self.state = State::Confirming;
                    self.timers.stop_all();
                    self.timers.set(Timer::Confirmed, now + CONFIRM);
                }
                Progressed::Failed { ending, heard } => {
                    self.last_heard = heard;
                    self.out.tell(step.heard(heard.map_or("nothing", ToneKind::name)).result(ending.name()));
                    self.progress = None;
                    self.go_back(now);
                }
            }
        }
    }

    fn confirming(&mut self, now: Time, event: &Event) {
        let gone = match event {
            Event::Heard(Heard::Tone { tone, .. }) => Some(tone.to_string()),
            Event::ForwardDisconnect { .. } => Some("forward disconnect".into()),
            _ => None,
        };
        if let Some(heard) = gone {
            let target = super::shown(&self.plan.targets[self.target]);
            self.out.tell(Step::new(now, "consult").target(target).heard(heard).result("target hung up"));
            self.go_back(now);
        }
    }

    // -- completing ----------------------------------------------------------------------------------------------

    fn complete(&mut self, now: Time) {
        match self.manners.complete {
            Completion::Recall(_) => {
                self.timers.stop_all();
                self.flash(now, Why::Complete);
            }
            _ => self.leave(now, ""),
        }
    }

    fn code_sent(&mut self, now: Time, why: Why) {
        match why {
            Why::Back => self.prove_caller(now),
            _ => {
                self.state = State::CompletionHeard;
                self.timers.set(Timer::Confirmed, now + Duration::from_secs(3));
            }
        }
    }

    fn completion_heard(&mut self, now: Time, event: &Event) {
        match event {
            // let go: dial tone, disconnect tone, or the loop opened
            Event::Heard(Heard::Tone { tone, .. }) => self.leave(now, tone.kind.name()),
            Event::ForwardDisconnect { .. } => self.leave(now, "forward disconnect"),
            Event::Heard(Heard::Speech { .. }) => {
                // somebody still talks to us: the code was not taken, and hanging up now could drop both
                let target = super::shown(&self.plan.targets[self.target]);
                self.out.tell(Step::new(now, "complete").target(target).heard("speech").result("code not taken"));
                self.go_back(now);
            }
            _ => {}
        }
    }

    fn leave(&mut self, now: Time, heard: &str) {
        self.timers.stop_all();
        self.progress = None;
        let mut step = Step::new(now, "hang-up").target(super::shown(&self.plan.targets[self.target]));
        if !heard.is_empty() {
            step = step.heard(heard);
        }
        self.out.tell(step);
        self.out.act(Action::OnHook);
        self.state = State::Watching;
        self.timers.set(Timer::NoRecallRing, now + self.manners.recall_ring_watch);
    }

    fn left(&mut self, now: Time, event: &Event) {
        match event {
            Event::Ringing { .. } => {
                self.out.tell(Step::new(now, "watch").heard("recall ringing").result("recalled"));
                self.recalled(now);
            }
            Event::Heard(Heard::Tone { tone, .. }) if self.state == State::CheckingIdle && tone.kind.is_dial_tone() => {
                self.out.act(Action::OnHook);
                let heard = format!("no recall ringing, {tone} tone");
                self.out.tell(Step::new(now, "check-line").heard(heard).result("proven"));
                let watched = self.manners.recall_ring_watch.as_secs_f64();
                let proof = vec![format!("no recall ringing in {watched} s"), format!("{tone} tone on our line")];
                self.end(Transferred::Completed { target: self.target, proof });
            }
            Event::Heard(Heard::Speech { .. }) if self.state == State::CheckingIdle => {
                // we lifted into a call: the exchange never let go of us, or rang us back this very moment
                self.out.tell(Step::new(now, "check-line").heard("speech").result("still in the call"));
                self.caller_back(now, Evidence::Speech);
            }
            _ => {}
        }
    }

    fn recalled(&mut self, now: Time) {
        self.timers.stop_all();
        self.state = State::AnsweringRecall;
        self.out.act(Action::OffHook);
        self.timers.set(Timer::Settled, now + SETTLE);
    }

    // -- the way back ----------------------------------------------------------------------------------------------

    fn go_back(&mut self, now: Time) {
        self.timers.stop_all();
        self.progress = None;
        self.back_attempts = 0;
        self.flash(now, Why::Back);
    }

    fn prove_caller(&mut self, now: Time) {
        self.state = State::ProvingCaller;
        self.strange_tone = false;
        self.timers.stop_all();
        // after ringback a silence may be its pause, not the caller's
        let listen = if self.last_heard == Some(ToneKind::Ringback) {
            self.manners.ringback_gap + Duration::from_millis(2500)
        } else {
            NO_TONE
        };
        self.timers.set(Timer::NoToneHeard, now + listen);
    }

    fn proving(&mut self, now: Time, event: &Event) {
        match event {
            Event::Heard(Heard::Speech { .. }) => self.caller_back(now, Evidence::Speech),
            Event::ForwardDisconnect { .. } => {
                self.out.tell(Step::new(now, "back").heard("forward disconnect").result("caller hung up"));
                self.end(Transferred::CallerGone);
            }
            Event::Heard(Heard::OtherTone { .. }) => self.strange_tone = true,
            Event::Heard(Heard::Tone { tone, .. }) if tone.is(ToneKind::CallWaiting) => {}
            Event::Heard(Heard::Tone { tone, .. }) => {
                self.back_attempts += 1;
                let ms = self.flash_width().as_millis() as u64;
                let step = Step::new(now, "back").ms(ms).heard(tone.to_string());
                if self.back_attempts < BACK_ATTEMPTS {
                    self.out.tell(step.result("again"));
                    self.last_heard = Some(tone.kind);
                    self.settle(now, Why::Back);
                } else {
                    self.out.tell(step.result("party-lost"));
                    self.end(Transferred::PartyLost);
                }
            }
            _ => {}
        }
    }

    fn caller_back(&mut self, now: Time, evidence: Evidence) {
        self.timers.stop_all();
        self.last_heard = None;
        self.out.tell(Step::new(now, "back").heard(evidence.name()).result("caller is back"));
        self.target += 1;
        if self.target < self.plan.targets.len() {
            self.settle(now, Why::Consult);
        } else {
            self.end(Transferred::CallerBack { evidence });
        }
    }

    fn end(&mut self, with: Transferred) {
        if self.state != State::Over {
            self.state = State::Over;
            self.timers.stop_all();
            self.progress = None;
            self.out.done(with);
        }
    }
}
