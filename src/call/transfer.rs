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
//! The same machine holds a caller for a user who wants to consult by hand (`hold`, `dtmf`, `retrieve`), and brings all
//! three together (`conference`, and lines where our hang-up would drop the other two):
//!
//! ```text
//!  recall tone ─(hold)─▶ held ─digits─▶ consulting ─answer─▶ consulted ─┬ join ─▶ joined
//!                         ╰────────────────┴─────────────────┴──────────┴ back ─▶ retrieved
//! ```
//!
//! Nothing is believed without hearing it. Measured with Asterisk's own flash logic: hang up while the target is busy
//! and the caller is dropped; flash back first and the caller is there. So the receiver is never put down before
//! ringback or an answer was heard.

mod back;
mod brief;
mod consult;
mod flash;
mod join;
mod leave;

use super::progress::Progress;
use super::{Completion, Ending, Evidence, Manners, Outbox, Output, Step, Target};
use crate::clock::{Time, Timers};
use crate::event::{Action, Event, Heard, Tone, ToneKind};
use crate::line;
use crate::number::PartyNumber;
use std::sync::Arc;
use std::time::Duration;

/// What is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct TransferPlan {
    pub goal: Goal,
    /// Tried in order.
    pub targets: Vec<Target>,
    /// Leave only when the target has answered; else as soon as it rings.
    pub warm: bool,
    pub no_answer_after: Duration,
    /// Played to a target who answered, and who then accepts with 1 or refuses with 2.
    pub brief: Option<Arc<[i16]>>,
    /// Who gets the caller when no target took him.
    pub voicemail: Option<Target>,
    /// Where the targets may be called instead, and connected by us.
    pub second_line: Option<SecondLine>,
}

/// A line beside the caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondLine {
    /// Its name in the configuration, or its port.
    pub name: String,
    /// At once, and not only where the caller's exchange takes no flash or drops all when we leave.
    pub always: bool,
}

/// What the flash is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Goal {
    /// The caller and a target talk without us.
    #[default]
    Transfer,
    /// The caller waits, and what follows is a user's to say.
    Hold,
    /// All three talk.
    Conference,
}

impl TransferPlan {
    /// To the first of these who takes the call.
    pub fn to(targets: Vec<Target>, warm: bool, no_answer_after: Duration) -> TransferPlan {
        TransferPlan {
            goal: Goal::Transfer,
            targets,
            warm,
            no_answer_after,
            brief: None,
            voicemail: None,
            second_line: None,
        }
    }

    pub fn hold() -> TransferPlan {
        let no_answer_after = Duration::from_secs(3600);
        TransferPlan { goal: Goal::Hold, ..TransferPlan::to(Vec::new(), true, no_answer_after) }
    }

    pub fn conference(target: Target, no_answer_after: Duration) -> TransferPlan {
        TransferPlan { goal: Goal::Conference, ..TransferPlan::to(vec![target], true, no_answer_after) }
    }
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
    /// Nobody took it; we took the way back, no tone came, and nobody has spoken.
    CallerUnproven,
    /// The exchange did not take any flash; the call was never touched.
    FlashUnanswered,
    /// No flash brought a recall tone, and since then nobody has spoken: the caller may be there, or on a silent hold.
    FlashUnproven,
    /// The caller hung up meanwhile, and the exchange said so.
    CallerGone,
    /// We could not get back to the caller.
    PartyLost,
    /// On this line our hang-up would drop both parties.
    Refused,
    /// No target took it, and the mailbox named for that case did.
    Voicemail { proof: Vec<String> },
    /// The caller is on hold, and the exchange waits for digits. The machine lives on.
    Held { heard: String },
    /// He is with us again, as was asked.
    Retrieved { evidence: Evidence },
    /// All three are together. The machine lives on: our hang-up may drop the other two.
    Joined { target: Option<usize>, evidence: Evidence },
    /// The target was called on a second line, and we connect the two.
    Bridged { target: usize, evidence: Evidence, voicemail: bool },
    /// The exchange did not bring the three together; the caller is still on hold. The machine lives on.
    NotJoined { heard: String },
}

impl Transferred {
    pub fn ending(&self) -> Ending {
        match self {
            Transferred::Completed { .. } => Ending::Transferred,
            Transferred::Unproven { .. } => Ending::TransferUnproven,
            Transferred::CallerBack { .. } => Ending::TransferFailed,
            Transferred::FlashUnanswered => Ending::FlashUnanswered,
            Transferred::CallerUnproven => Ending::CallerUnproven,
            Transferred::FlashUnproven => Ending::FlashUnproven,
            Transferred::CallerGone => Ending::FarHangUp,
            Transferred::PartyLost => Ending::PartyLost,
            Transferred::Refused => Ending::TransferRefused,
            Transferred::Voicemail { .. } | Transferred::Bridged { voicemail: true, .. } => Ending::Voicemail,
            Transferred::Bridged { .. } => Ending::Bridged,
            Transferred::Joined { .. } => Ending::Joined,
            Transferred::Held { .. } | Transferred::Retrieved { .. } => Ending::Completed,
            Transferred::NotJoined { .. } => Ending::NotJoined,
        }
    }

    /// The result's name in answers.
    pub fn name(&self) -> &'static str {
        match self {
            Transferred::Held { .. } => "held",
            Transferred::Retrieved { .. } => "retrieved",
            _ => self.ending().name(),
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
    /// To bring all three together.
    Join,
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
    /// The target is told who calls, and asked to accept.
    Briefing,
    AwaitingKey,
    /// The caller is on hold and the exchange waits for digits.
    Held,
    /// A second party talks with us, and the caller is on hold.
    Consulted,
    /// The flash that joins is done: does a tone say that it was taken for something else?
    Joining,
    Joined,
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
    /// The target had time enough to press a key.
    NoKey,
    /// What is left on its way of the recall tone is over: it goes on.
    ToneGoesOn,
    /// Nobody rang us back.
    NoRecallRing,
    /// It has rung for as long as caller ID takes.
    WhoRings,
    NoDialTone,
}

/// What this exchange has shown to give for a flash.
#[derive(Clone, Debug, Default)]
struct Recall {
    /// Which flash width is being tried, and which one this exchange took.
    width: usize,
    width_taken: Option<usize>,
    /// A flash was not hidden by another telephone: the exchange may have taken it.
    went_out: bool,
    /// Flashes of a known width that brought no recall tone, one after the other.
    unanswered: u32,
    /// What came after the flash for the consultation.
    tone: Option<Tone>,
    /// From the flash until that tone was known, the last time.
    tone_took: Duration,
    /// A flash was answered by what may be a new call's dial tone: we are going back to hear that the caller is there.
    checking: Option<Tone>,
    /// The tone after a flash that brought the caller back: this exchange's recall tone.
    checked: Option<Tone>,
}

/// What was heard since the last flash: the next one begins anew.
#[derive(Clone, Debug, Default)]
struct SinceFlash {
    speech: bool,
    /// A silence was heard where the caller should be.
    silence: bool,
    /// A steady sound that no exchange makes: somebody is there.
    strange_tone: bool,
    /// Beeps of a waiting call where the tone of a failed call may go on.
    beeped: bool,
    /// A tone came before the recall code was sent: the exchange was ready for it.
    tone_before_code: bool,
    /// The code was sent twice.
    code_again: bool,
    /// The recall tone is heard again after the code: its end, still on its way, or it goes on.
    tail: Option<(Tone, Time)>,
    /// The exchange rang us back after we had left.
    rung_back: bool,
    /// And showed the number of whom we had left.
    his_number: bool,
    /// Another telephone on the pair kept the loop closed during our flash: what the line said.
    loop_held: Option<String>,
}

/// One way back to the caller, of one flash or several.
#[derive(Clone, Debug, Default)]
struct WayBack {
    /// Flashes after which a tone came, and those that another telephone on the pair has hidden.
    attempts: u32,
    hidden: u32,
    /// A flash of it was seen by the exchange: the tone of the failed call did not go on.
    seen: bool,
    /// By a digit, it is gone once more where it is followed by silence.
    asked_again: bool,
    /// The battery was gone for a moment: what follows tells whether the caller is.
    disconnected: bool,
    /// For as long as exchanges take it away when the far side hangs up.
    let_go: bool,
    /// No flash took the second party out of a three-way call.
    released_in_vain: bool,
    /// It led to the tone that who is left alone hears, each time.
    nobody_held: bool,
}

/// Whoever answered the second call.
#[derive(Clone, Debug, Default)]
struct Second {
    /// He was not heard to go: a voice after the flash back may be his.
    is_there: bool,
    /// He is silent since then: a pause, or the silence before the tone of his hang-up. `None`: he speaks.
    quiet_since: Option<Time>,
    /// The first word after that silence is the proof that he is there.
    waits_for_a_voice: bool,
    /// A voice was heard before any ringback.
    may_be_an_announcement: bool,
    /// How often he was told who calls.
    briefed: u32,
    /// He was ringing when the transfer was completed.
    not_answered_yet: bool,
}

/// A call that waits on this line: a flash would take it.
#[derive(Clone, Debug)]
struct Waiting {
    /// It waits until then, as far as was heard.
    until: Time,
    /// Since when a flash has been put off for it.
    put_off: Option<Time>,
}

/// The machine. It begins in a call that is up, and leaves the line off-hook unless it completes.
#[derive(Clone, Debug)]
pub struct Transfer {
    plan: TransferPlan,
    manners: Manners,
    state: State,
    timers: Timers<Timer>,
    target: usize,
    recall: Recall,
    since_flash: SinceFlash,
    back: WayBack,
    second: Second,
    waiting: Waiting,
    last_heard: Option<ToneKind>,
    voicemail_tried: bool,
    flashed_at: Time,
    code_sent_at: Time,
    /// Nobody is on hold: no flash yet, or the last one brought the caller back.
    caller_here: bool,
    /// The last way back was silent, and a silent register would have been as silent.
    unproven: bool,
    /// A completion whose outcome the exchange did not make clear: the way back tells whether it was taken.
    in_doubt: bool,
    /// Flashes brought no recall tone and nobody spoke since: is the caller there, or on a hold that gave no tone?
    silent_hold: bool,
    /// A register that waits for digits would have sounded the same: what follows is done, and not proven.
    doubtful: bool,
    /// What brought the second party about was the tone of a new call as much as a recall tone: nobody may be on hold.
    may_hold_nobody: bool,
    /// A dial tone came where this exchange has another recall tone: a flash of ours was a hang-up, and this is a new call.
    new_call: bool,
    /// We lifted the receiver in the moment in which it rang: for a recall, or for a call of somebody else.
    lifted_into_it: bool,
    /// Back with the caller by a flash alone, which may have made a three-way call: the recall tone will tell that the
    /// second party is out of it.
    releasing: bool,
    /// No way back led to the caller, and we have hung up: the exchange may ring us back for him.
    lost: bool,
    /// Another telephone on the pair is lifted, as far as the line has told: any voice may be its.
    others: bool,
    /// Whose call is being moved, where his number was shown.
    caller: Option<PartyNumber>,
    /// The user wants it to end: no further target.
    aborted: bool,
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
const CODE_DELAY: Duration = Duration::from_millis(1500);
/// By then who hung up as soon as he had answered is silent to the ear, which ends speech after a second without a voice.
const CONFIRM: Duration = Duration::from_millis(4500);
/// No tone for this long on the way back: slower than the slowest cadence of busy and reorder (Sweden: 1 s).
const NO_TONE: Duration = Duration::from_millis(2500);
const BACK_ATTEMPTS: u32 = 4;
/// Call-waiting tones come again after ten seconds at most, as long as somebody waits; but they are short, and a voice may drown
/// several of them.
const WAITING_TONE_REPEATS: Duration = Duration::from_secs(60);
/// Who calls gives up by then.
const PUT_OFF_MAX: Duration = Duration::from_secs(150);
/// When we are told to end, one who waits is rung for by our hanging up.
const PUT_OFF_AT_THE_END: Duration = Duration::from_secs(12);
const UNANSWERED_MAX: u32 = 3;

impl Transfer {
    pub fn new(now: Time, plan: TransferPlan, manners: Manners) -> Transfer {
        let mut t = Transfer {
            state: State::Settling(Why::Consult),
            timers: Timers::new(),
            target: 0,
            recall: Recall::default(),
            since_flash: SinceFlash::default(),
            back: WayBack::default(),
            second: Second::default(),
            waiting: Waiting { until: now, put_off: None },
            last_heard: None,
            voicemail_tried: false,
            flashed_at: now,
            code_sent_at: now,
            caller_here: true,
            unproven: false,
            in_doubt: false,
            silent_hold: false,
            doubtful: false,
            may_hold_nobody: false,
            new_call: false,
            lifted_into_it: false,
            releasing: false,
            lost: false,
            others: false,
            caller: None,
            aborted: false,
            progress: None,
            out: Outbox::default(),
            plan,
            manners,
        };
        if t.plan.goal == Goal::Transfer && t.manners.complete == Completion::Never {
            let why = "refused: our hang-up would drop both parties; transfer.complete = \"stay\" in tipring.toml \
                       stays with them instead";
            t.out.tell(Step::new(now, "transfer").result(why));
            t.end(Transferred::Refused);
        } else if t.plan.goal != Goal::Hold && t.plan.targets.is_empty() {
            t.end(Transferred::CallerBack { evidence: Evidence::NoTone });
        } else {
            t.timers.set(Timer::Settled, now + SETTLE);
        }
        t
    }

    /// The call comes from there: a call from elsewhere is no recall.
    pub fn of_caller(mut self, number: Option<PartyNumber>) -> Transfer {
        self.caller = number;
        self
    }

    /// The caller waits, alone or beside a second party, for what the user wants next.
    pub fn is_resting(&self) -> bool {
        let by_hand = self.plan.goal == Goal::Hold;
        match self.state {
            State::Held | State::Consulted | State::Joined => true,
            State::Dialling | State::Consulting | State::Confirming => by_hand,
            _ => false,
        }
    }

    /// What is left to be tried another way.
    pub fn rest(&self) -> (TransferPlan, usize) {
        (self.plan.clone(), self.target)
    }

    /// The call is to end: no further target is tried, and a caller on hold is taken back first, so that nobody is left
    /// ringing or holding behind our hang-up. False when that needs no time.
    pub fn abort(&mut self, now: Time) -> bool {
        self.aborted = true;
        match self.state {
            State::Over | State::Joined => false,
            State::Settling(_) if self.caller_here => false,
            // on its way, one way or the other
            State::Watching
            | State::CheckingIdle
            | State::AnsweringRecall
            | State::ProvingCaller
            | State::CompletionHeard
            | State::Flashing(_)
            | State::SendingCode(_)
            | State::Settling(Why::Back) => true,
            _ => {
                if matches!(self.state, State::Briefing) {
                    self.out.act(Action::StopPlaying);
                }
                if self.progress.is_some() {
                    // it is about to ring, or rings: after a flash that is not seen, whoever answers would be heard
                    self.last_heard = Some(ToneKind::Ringback);
                }
                // so soon after a flash another one would be lost, or taken for a hang-up
                match now.since(self.flashed_at) < SETTLE_BETWEEN_FLASHES {
                    true => {
                        self.progress = None;
                        self.forget_attempts();
                        self.settle(now, Why::Back);
                        self.timers.set(Timer::Settled, self.flashed_at + SETTLE_BETWEEN_FLASHES);
                    }
                    false => self.go_back(now),
                }
                true
            }
        }
    }

    /// Digits are the number of a second party now, and not for whoever is on the line.
    pub fn takes_number(&self) -> bool {
        self.state == State::Held
    }

    pub fn handle(&mut self, now: Time, event: &Event) {
        match event {
            _ if self.state == State::Over => return,
            Event::OtherTelephoneLifted { .. } => self.others = true,
            Event::OtherTelephoneHungUp => self.others = false,
            Event::Heard(Heard::Alert { .. }) => self.waiting.until = now + WAITING_TONE_REPEATS,
            Event::Heard(Heard::Tone { tone, .. }) if tone.kind == ToneKind::CallWaiting => {
                self.waiting.until = now + WAITING_TONE_REPEATS;
            }
            // told to let go, we are let go of: a long forward disconnect
            Event::LineLost if self.state == State::CompletionHeard => {
                self.doubtful |= self.code_may_be_for_nobody();
                return self.leave(now, "forward disconnect");
            }
            // or a loose contact, which may have swallowed the code
            Event::ForwardDisconnect { .. } if self.state == State::CompletionHeard => {
                return self.completion_in_doubt(now, "forward disconnect");
            }
            Event::ForwardDisconnect { .. } if self.state == State::SendingCode(Why::Complete) => return,
            Event::LineLost if matches!(self.state, State::Watching | State::CheckingIdle) => return,
            Event::DeviceRemoved | Event::LineLost | Event::Alarm(_) => {
                let heard = if *event == Event::DeviceRemoved { "device removed" } else { "line lost" };
                self.out.tell(Step::new(now, "transfer").heard(heard).result("party-lost"));
                return self.end(Transferred::PartyLost);
            }
            _ => {}
        }
        match self.state {
            State::Flashing(why) if *event == Event::FlashDone => self.flashed(now, why),
            State::Flashing(_) if matches!(event, Event::LoopHeld { .. }) => {
                self.others = true;
                self.since_flash.loop_held = Some(line::describe(event));
            }
            State::Settling(Why::Consult | Why::Back) | State::Flashing(Why::Consult) => {
                if let Event::ForwardDisconnect { open } = event {
                    self.loop_opened(*open);
                }
            }
            State::Listening(why) => self.listening(now, why, event),
            State::Dialling if *event == Event::DialDone => {
                let Manners { slowest_refusal, ringback_period, .. } = self.manners;
                self.progress = Some(Progress::new(now, self.plan.no_answer_after, slowest_refusal, ringback_period));
                self.state = State::Consulting;
            }
            State::Consulting => {
                if let Some(p) = &mut self.progress {
                    p.handle(now, event);
                }
                self.follow(now);
            }
            State::Confirming | State::Consulted => self.confirming(now, event),
            State::Briefing | State::AwaitingKey => self.briefing(now, event),
            State::Held => self.held(now, event),
            State::Joining => self.joining(now, event),
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
                (Timer::SendDigits, State::Listening(why)) => self.send_code(why),
                (Timer::Confirmed, State::Confirming) => self.still_there(now),
                (Timer::Confirmed, State::Joining) => self.join_heard(now),
                (Timer::NoKey, State::AwaitingKey) => self.no_key(now),
                (Timer::Confirmed, State::CompletionHeard) => self.completion_unanswered(now),
                (Timer::NoToneHeard, State::ProvingCaller) if self.silent_hold => self.nobody_speaks(now),
                (Timer::NoToneHeard, State::ProvingCaller) => self.no_tone_heard(now),
                (Timer::ToneGoesOn, State::ProvingCaller) => {
                    if let Some((tone, since)) = self.since_flash.tail.take() {
                        self.recall_tone_goes_on(now, tone, since);
                    }
                }
                (Timer::Settled, State::AnsweringRecall) => self.prove_caller(now),
                (Timer::WhoRings, State::Watching) => self.recalled(now),
                (Timer::NoRecallRing, State::Watching) if self.lost => self.end(Transferred::PartyLost),
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

    fn end(&mut self, with: Transferred) {
        if self.state != State::Over {
            self.state = State::Over;
            self.timers.stop_all();
            self.progress = None;
            self.out.done(with);
        }
    }
}
