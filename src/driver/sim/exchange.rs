//! The central office, serving one subscriber line and everybody who can be called from it. Sans-IO.
//!
//! ```text
//!   on-hook ──off-hook──▶ dial tone ──digits──▶ routing ──▶ ringback ──▶ talking ──▶ far end gone
//!      ▲                      │ nobody dials        └─▶ busy, reorder, SIT     │         │ forward disconnect
//!      │ on-hook              ▼                                          flash │         ▼ or a tone
//!      ╰───────────────── reorder, howler                        three_way.rs ◀╯
//! ```
//!
//! The line is fed as [`LineInput`]: loop current with exact times where the exchange sees the loop (a simulated pair),
//! or what a real FXS port's driver made of it. Audio passes through [`Exchange::process`], 20 ms at a time, and that
//! is also its clock. Everything that happens is told in the trace.

use super::call_waiting::Waiting;
use super::census::{Census, Condition, With};
use super::codes::Forwarding;
use super::line_class::LineClass;
use super::party::{self, After, Deed, Party, Reach};
use super::plan::{self, Verdict};
use super::programme::{self, Cue, Entry, Player};
use super::register::Register;
use super::rng::Rng;
use super::scenario::{Faults, Scenario};
use super::subscriber_line::{Hook, HookEvent};
use super::three_way::Liaison;
use super::tones_off::put_off;
use crate::clock::{Time, Timers};
use crate::dsp::FRAME_SAMPLES;
use crate::event::ToneKind;
use crate::facts::Country;
use crate::number::Digit;
use crate::record::{Actor, Record};
use std::collections::VecDeque;
use std::time::Duration;

/// How well a driver measures the width of a flash.
const MEASURED_WITHIN: Duration = Duration::from_millis(20);

/// What happens on the subscriber's side of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineInput {
    /// The loop as it is, for an exchange that times it itself.
    LoopClosed,
    LoopOpened,
    /// What a real FXS port's driver made of the loop.
    OffHook,
    OnHook,
    /// A flash by the driver's own window, with its width if it measured one.
    Flash(Option<Duration>),
    /// A digit by pulses. DAHDI takes every break from 15 to 200 ms for a pulse, so a European recall key (80 to
    /// 130 ms) comes as a "1": in a call it is taken as recall where the window lies below 200 ms.
    PulseDigit(Digit),
}

/// What the exchange does on the pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineOutput {
    /// Ring with this cadence (on, off, on, off…) until told otherwise.
    Ring(Vec<Duration>),
    RingOff,
    Reverse(bool),
    /// Forward disconnect.
    OpenLoop(Duration),
    /// What is said in this time is for the on-hook telephone.
    OnHookTransmission(Duration),
}

/// Our line, as the exchange holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    OnHook,
    /// We are being rung for the active leg.
    Ringing,
    /// We lifted for its number, and will be rung (Japan).
    Displaying,
    OffHook,
}

/// One of our calls.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leg {
    /// `None`: the number belongs to nobody.
    pub party: Option<usize>,
    pub progress: Progress,
    /// When the next thing happens by itself.
    pub next: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Routing,
    Alerting,
    /// The target was refused by itself or by the network, and we hear why.
    Failed,
    Answered,
    /// The far end hung up.
    Gone,
}

/// A party, and what the exchange knows of it.
pub(super) struct Set {
    pub party: Party,
    pub condition: Condition,
    /// When its patience ends: ringing us, on hold, hearing busy.
    pub gives_up: Time,
    /// It is being rung back to us.
    pub rung_back: bool,
    /// The scenario's own: behind a PBX one of its extensions.
    pub own: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Timer {
    DialTone,
    RecallTone,
    FirstDigit,
    InterDigit,
}

pub struct Exchange {
    pub(super) country: Country,
    pub(super) class: LineClass,
    pub(super) faults: Faults,
    pub(super) seed: u64,
    pub(super) rng: Rng,
    pub(super) hook: Hook,
    pub(super) sets: Vec<Set>,
    pub(super) service: Service,
    pub(super) active: Option<Leg>,
    pub(super) held: Option<Leg>,
    pub(super) conference: bool,
    /// Who waits while we talk.
    pub(super) waiting: Option<Waiting>,
    /// The two of ours are one that waited and one that we had: a flash swaps them.
    pub(super) swaps: bool,
    pub(super) register: Option<Register>,
    pub(super) player: Player,
    pub(super) timers: Timers<Timer>,
    pub(super) ringing: super::ringing::Plan,
    pub(super) liaisons: Vec<Liaison>,
    /// Who will call us, and when.
    pub(super) calls: Vec<(Time, usize)>,
    /// Who calls us in the moment in which we lift.
    pub(super) meets_us: Option<usize>,
    /// When a message comes, and whether one is there.
    pub(super) message_at: Time,
    pub(super) message: bool,
    pub(super) forwarding: Forwarding,
    /// Polarity tells that a call of ours is answered.
    pub(super) reversed: bool,
    /// Recalls seen so far.
    pub(super) flashes: u32,
    /// When we last hung up, and on whom: in case it was no hang-up.
    pub(super) hung_up_on: Option<(Time, usize)>,
    pub(super) outputs: VecDeque<LineOutput>,
    pub(super) trace: Vec<Record>,
}

impl Exchange {
    pub fn new(mut country: Country, scenario: &Scenario, seed: u64) -> Exchange {
        let class = LineClass::new(&country, scenario);
        put_off(&mut country, &scenario.fault);
        let mut sets: Vec<Set> = party::well_known(seed).map(Set::new).collect();
        for s in &scenario.subscribers {
            let after = s.rings.map(|r| After::Rings(r.0)).or(s.answers_after_s.map(|a| After::Time(a.0)));
            let hangs_up = s.hangs_up_after_s.map(|h| h.0);
            let mut party = Party::subscriber(&s.number.0, s.does, after, hangs_up, seed);
            party.patience = s.patience_s.map(|p| p.0);
            // a scenario may give a well-known number other habits
            sets.retain(|o| o.party.number != party.number);
            sets.push(Set { own: true, ..Set::new(party) });
        }
        let mut calls = Vec::new();
        for (i, c) in scenario.calls.iter().enumerate() {
            let mut party =
                Party::caller(&c.from.0, c.says, c.patience_s.map(|p| p.0), c.hangs_up_after_s.map(|h| h.0), seed);
            party.name = c.name.as_ref().map(|n| n.0.clone());
            party.withheld = c.withheld;
            party.rings_us = c.rings.0;
            sets.insert(i, Set::new(party));
            calls.push((Time::ZERO + c.at_s.0, i));
        }
        let meets_us = (scenario.fault.glare && !calls.is_empty()).then(|| calls.remove(0).1);
        Exchange {
            hook: Hook::new(class.window),
            faults: scenario.fault.clone(),
            rng: Rng::new(seed, 0x6F66_6669),
            country,
            class,
            seed,
            sets,
            service: Service::OnHook,
            active: None,
            held: None,
            conference: false,
            waiting: None,
            swaps: false,
            register: None,
            player: Player::default(),
            timers: Timers::new(),
            ringing: super::ringing::Plan::default(),
            liaisons: Vec::new(),
            calls,
            meets_us,
            message_at: scenario.line.message_waiting_at_s.map_or(Time::NEVER, |s| Time::ZERO + s.0),
            message: false,
            forwarding: Forwarding::default(),
            reversed: false,
            flashes: 0,
            hung_up_on: None,
            outputs: VecDeque::new(),
            trace: Vec::new(),
        }
    }

    pub fn class(&self) -> &LineClass {
        &self.class
    }

    /// One thing happened on the line.
    pub fn handle(&mut self, now: Time, input: LineInput) {
        match input {
            LineInput::LoopClosed => self.hook.handle(now, true),
            LineInput::LoopOpened => self.hook.handle(now, false),
            LineInput::OffHook => self.off_hook(now),
            LineInput::OnHook => self.on_hook(now, now),
            LineInput::Flash(Some(d)) if d + MEASURED_WITHIN < self.class.window.min => self.break_ignored(now, d),
            LineInput::Flash(Some(d)) if d > self.class.window.max + MEASURED_WITHIN => {
                self.on_hook(now, now);
                self.off_hook(now);
            }
            LineInput::Flash(Some(d)) => self.recall(now, d),
            // a driver's flash lasts 200 ms at least: too long for the short European window
            LineInput::Flash(None) if self.class.window.max < Duration::from_millis(200) => {
                self.on_hook(now, now);
                self.off_hook(now);
            }
            LineInput::Flash(None) => self.recall(now, self.class.window.min),
            LineInput::PulseDigit(d) => {
                let dialling = self.register.as_ref().is_some_and(|r| !r.recall);
                if !dialling && d.as_char() == '1' && self.class.pulse_one_is_recall {
                    self.recall(now, self.class.window.min);
                } else if self.register.is_some() {
                    self.digit(now, d);
                }
            }
        }
        self.drain_hook();
    }

    /// 20 ms that end at `now`: what the exchange heard, and what it said meanwhile.
    pub fn process(&mut self, now: Time, heard: &[i16; FRAME_SAMPLES], said: &mut [i16; FRAME_SAMPLES]) {
        said.fill(0);
        self.handle_timeout(now);
        if let Some(register) = &mut self.register
            && let Some(digit) = register.hear(heard)
        {
            self.digit(now, digit);
        }
        self.advance_waiting(now, heard);
        if self.service == Service::OffHook
            && self.register.is_none()
            && !self.waiting.as_ref().is_some_and(Waiting::mutes)
        {
            for leg in [self.active, self.held.filter(|_| self.conference)].into_iter().flatten() {
                if let (Progress::Answered, Some(p)) = (leg.progress, leg.party) {
                    let party = &mut self.sets[p].party;
                    party.hear(now, heard);
                    party.speak(said);
                }
            }
        }
        // behind a recall tone nothing of the waiting call is heard
        let quiet = self.register.is_some() || self.timers.is_armed(Timer::RecallTone);
        if let Some(waiting) = self.waiting.as_mut().filter(|_| !quiet) {
            waiting.speak(said);
        }
        self.player.speak(said);
        self.ringing.speak(said);
    }

    pub fn poll_output(&mut self) -> Option<LineOutput> {
        self.outputs.pop_front()
    }

    pub fn take_trace(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.trace)
    }

    /// Who is where.
    pub fn census(&self) -> Census {
        Census(self.sets.iter().map(|s| (s.party.number.clone(), s.condition.clone())).collect())
    }

    /// What the exchange says now is meant for an on-hook telephone.
    pub fn transmits_on_hook(&self) -> bool {
        self.ringing.transmits()
    }

    fn handle_timeout(&mut self, now: Time) {
        self.hook.handle_timeout(now);
        self.drain_hook();
        while let Some(timer) = self.timers.expire(now) {
            match timer {
                Timer::DialTone => self.attach_register(now, false),
                Timer::RecallTone => self.attach_register(now, true),
                Timer::FirstDigit if self.active.is_some() => self.resume(now),
                Timer::FirstDigit => self.dialling_timed_out(now, "waited in vain for a digit"),
                Timer::InterDigit => self.digits_ended(now),
            }
        }
        self.advance_leg(now);
        self.advance_ringing(now);
        self.advance_parties(now);
        self.advance_liaisons(now);
        while let Some(cue) = self.player.handle_timeout(now, &self.country, self.seed) {
            match cue {
                Cue::Tone(kind) => self.tell(now, format!("tone {kind}")),
                Cue::Announcement => self.tell(now, "announcement"),
                Cue::OpenLoop(d) => {
                    self.tell(now, format!("forward-disconnect {}ms", d.as_millis()));
                    self.outputs.push_back(LineOutput::OpenLoop(d));
                }
                Cue::Register => self.attach_register(now, false),
            }
        }
    }

    fn drain_hook(&mut self) {
        while let Some((at, event)) = self.hook.poll_output() {
            match event {
                HookEvent::OffHook => self.off_hook(at),
                HookEvent::OnHook { opened } => self.on_hook(at, opened),
                HookEvent::Recall { lasted } => self.recall(at, lasted),
                HookEvent::PulseDigit(d) => self.digit(at, d),
                HookEvent::Ignored { lasted } => self.break_ignored(at, lasted),
            }
        }
    }

    pub(super) fn off_hook(&mut self, now: Time) {
        match self.service {
            Service::OnHook => {
                self.tell(now, "sees off-hook");
                self.service = Service::OffHook;
                self.was_it_a_hang_up(now);
                self.stop_ringing_quietly();
                if let Some(p) = self.meets_us.take() {
                    self.glare(now, p);
                    return;
                }
                let delay = self.class.dial_tone_delay + self.rng.ms(0, 200);
                let late = self.faults.dial_tone_delay_ms.map_or(Duration::ZERO, |m| m.0);
                self.timers.set(Timer::DialTone, now + delay + late);
            }
            Service::Ringing => {
                if self.takes_data(now) {
                    return;
                }
                self.tell(now, "sees off-hook: answered");
                self.service = Service::OffHook;
                self.stop_ringing();
                if let Some(leg) = self.active {
                    self.answered_by_us(now, leg);
                }
            }
            Service::OffHook | Service::Displaying => {}
        }
    }

    pub(super) fn on_hook(&mut self, now: Time, opened: Time) {
        if self.service == Service::Displaying {
            self.data_was_taken(now);
        }
        if self.service != Service::OffHook {
            return;
        }
        self.tell(now, "sees on-hook");
        self.service = Service::OnHook;
        self.detach_register();
        self.timers.stop_all();
        self.player.stop();
        self.unreverse(now);
        self.hang_up(now, opened);
        self.waiting_rings(now);
    }

    /// A call to us and our own lifting met: we have the caller, and no dial tone.
    fn glare(&mut self, now: Time, p: usize) {
        self.sets[p].party.calls_us = true;
        self.told_of(now, p, "calls us");
        self.tell(now, "connects it to the line that was just lifted");
        self.answered_by_us(now, Leg { party: Some(p), progress: Progress::Alerting, next: Time::NEVER });
    }

    fn unreverse(&mut self, now: Time) {
        if std::mem::take(&mut self.reversed) {
            self.tell(now, "reverses the line back");
            self.outputs.push_back(LineOutput::Reverse(false));
        }
    }

    fn break_ignored(&mut self, now: Time, lasted: Duration) {
        self.tell(now, format!("ignores a break of {}ms", lasted.as_millis()));
    }

    fn attach_register(&mut self, now: Time, recall: bool) {
        self.player.stop();
        self.register = Some(Register::new(now, recall));
        self.hook.take_pulses(true);
        self.timers.set(Timer::FirstDigit, now + self.class.first_digit);
        let waiting = self.class.stutter || self.message || self.forwarding.is_on();
        let kind = match (recall, waiting) {
            (true, _) => ToneKind::RecallDial,
            (false, true) => ToneKind::StutterDial,
            (false, false) => ToneKind::Dial,
        };
        let silent = if recall { self.faults.no_recall_tone } else { self.faults.no_dial_tone };
        if recall && self.faults.recall_announcement {
            self.play(now, programme::spoken());
        } else if !silent {
            self.play(now, programme::one(kind));
        }
    }

    pub(super) fn detach_register(&mut self) {
        self.register = None;
        self.hook.take_pulses(false);
        for t in [Timer::FirstDigit, Timer::InterDigit, Timer::DialTone, Timer::RecallTone] {
            self.timers.stop(t);
        }
    }

    fn digit(&mut self, now: Time, digit: Digit) {
        let Some(register) = &mut self.register else { return };
        register.count += 1;
        if self.faults.digits_missed.as_ref().is_some_and(|m| m.0.iter().any(|n| n.0 == register.count)) {
            self.tell(now, "misses a digit");
            return;
        }
        register.digits.push(digit.as_char());
        let digits = register.digits.clone();
        let recall = register.recall;
        self.tell(now, format!("digit {digit}"));
        // the first digit ends the dial tone, and the next any tone that invited to go on
        self.player.stop();
        self.timers.stop(Timer::FirstDigit);
        if recall && self.r_digit(now, &digits) {
            return;
        }
        if !recall && self.service_code(now, &digits) {
            return;
        }
        let outside = self.outside();
        if !outside && self.class.outside_line.as_ref() == Some(&digits) {
            self.line_outside(now);
            return;
        }
        let numbers = self.sets.iter().filter(|s| outside || s.own).map(|s| s.party.number.as_str());
        match plan::judge(&digits, numbers.chain(self.class.outside_line.as_deref().filter(|_| !outside))) {
            Verdict::More => self.timers.set(Timer::InterDigit, now + self.class.inter_digit),
            Verdict::Complete | Verdict::Nobody => self.dialled(now, &digits),
        }
    }

    /// Whether what is dialled is a number of the network: always, but on an extension before its prefix.
    fn outside(&self) -> bool {
        self.class.outside_line.is_none() || self.register.as_ref().is_some_and(|r| r.outside)
    }

    fn line_outside(&mut self, now: Time) {
        if let Some(register) = &mut self.register {
            register.outside = true;
            register.digits.clear();
        }
        self.timers.stop(Timer::InterDigit);
        self.timers.set(Timer::FirstDigit, now + self.class.first_digit);
        self.play(now, programme::one(ToneKind::SecondDial));
    }

    fn digits_ended(&mut self, now: Time) {
        let Some(digits) = self.register.as_ref().map(|r| r.digits.clone()) else { return };
        if self.register.as_ref().is_some_and(|r| r.recall) && self.late_r_digit(now, &digits) {
            return;
        }
        let outside = self.outside();
        if self.sets.iter().any(|s| s.party.number == digits && (outside || s.own)) {
            self.dialled(now, &digits);
        } else {
            self.dialling_timed_out(now, "the number is incomplete");
        }
    }

    fn dialling_timed_out(&mut self, now: Time, why: &str) {
        self.tell(now, why);
        self.detach_register();
        if self.active.is_none() {
            self.active = Some(Leg { party: None, progress: Progress::Failed, next: Time::NEVER });
        }
        self.play(now, self.class.lock_out.clone());
    }

    fn dialled(&mut self, now: Time, digits: &str) {
        let outside = self.outside();
        self.detach_register();
        self.tell(now, format!("routes {digits}"));
        let party = self.sets.iter().position(|s| s.party.number == digits && (outside || s.own));
        let next = now + self.rng.ms(400, 1200);
        self.player.stop();
        self.active = Some(Leg { party, progress: Progress::Routing, next });
    }

    /// The active leg comes to its next state by itself: routed, answered, refused.
    fn advance_leg(&mut self, now: Time) {
        // while R waits for its digit nothing of the second call reaches the line
        let waits = self.register.is_some() || self.timers.is_armed(Timer::RecallTone);
        let due = |l: &Leg| now >= l.next && self.service == Service::OffHook && !waits;
        let Some(mut leg) = self.active.filter(due) else { return };
        if let Some(programme) = self.advance(now, &mut leg) {
            self.play(now, programme);
        }
        let answered = leg.progress == Progress::Answered;
        self.active = Some(leg);
        if answered && let Some(p) = leg.party {
            self.player.stop();
            self.sets[p].condition = Condition::Talking(With::Us);
            if self.class.answer_reversal && !std::mem::replace(&mut self.reversed, true) {
                self.tell(now, "reverses the line");
                self.outputs.push_back(LineOutput::Reverse(true));
            }
        }
    }

    /// What becomes of a leg that is due, and what its caller hears of it.
    pub(super) fn advance(&mut self, now: Time, leg: &mut Leg) -> Option<Vec<Entry>> {
        leg.next = Time::NEVER;
        let Some(p) = leg.party else {
            leg.progress = Progress::Failed;
            return Some(programme::intercept(self.class.sit, &self.class.lock_out));
        };
        let fail = |leg: &mut Leg, heard| {
            leg.progress = Progress::Failed;
            Some(heard)
        };
        match leg.progress {
            Progress::Routing if !self.sets[p].condition.is_free() => fail(leg, self.refused(ToneKind::Busy)),
            Progress::Routing => match self.sets[p].party.reach {
                Reach::Busy => fail(leg, self.refused(ToneKind::Busy)),
                Reach::Congestion => fail(leg, self.refused(ToneKind::Congestion)),
                Reach::NotInService => fail(leg, programme::intercept(self.class.sit, &self.class.lock_out)),
                Reach::Answers(after) => {
                    self.ring_party(now, leg, p, after);
                    Some(programme::one(ToneKind::Ringback))
                }
                Reach::Rejects => {
                    self.ring_party(now, leg, p, After::Rings(1));
                    Some(programme::one(ToneKind::Ringback))
                }
            },
            Progress::Alerting if self.sets[p].party.reach == Reach::Rejects => {
                self.told_of(now, p, "rejects");
                self.sets[p].condition = Condition::Idle;
                fail(leg, self.refused(ToneKind::Congestion))
            }
            Progress::Alerting => {
                leg.progress = Progress::Answered;
                self.told_of(now, p, "answers");
                let deed = self.sets[p].party.begin(now);
                self.done_by(now, p, deed);
                None
            }
            Progress::Failed | Progress::Answered | Progress::Gone => None,
        }
    }

    pub(super) fn refused(&self, kind: ToneKind) -> Vec<Entry> {
        programme::refused(kind, &self.class.lock_out)
    }

    fn ring_party(&mut self, now: Time, leg: &mut Leg, p: usize, after: After) {
        leg.progress = Progress::Alerting;
        leg.next = match after {
            After::Never => Time::NEVER,
            After::Time(d) => now + d,
            After::Rings(n) => now + self.rings(n) + self.rng.ms(500, 1500),
        };
        self.sets[p].condition = Condition::Ringing;
        self.told_of(now, p, "rings");
    }

    /// Until the end of the burst of ring `n`.
    pub(super) fn rings(&self, n: u32) -> Duration {
        let cadence = &self.country.ringing.cadence;
        let period: Duration = cadence.iter().sum();
        let pause = cadence.iter().skip(1).step_by(2).max().copied().unwrap_or_default();
        (period * n).saturating_sub(pause)
    }

    fn advance_parties(&mut self, now: Time) {
        for p in 0..self.sets.len() {
            if now >= self.sets[p].gives_up {
                self.sets[p].gives_up = Time::NEVER;
                self.party_gives_up(now, p);
            }
            // one deed a frame is more than anybody manages
            if self.sets[p].party.is_due(now) {
                let alone = matches!(self.sets[p].condition, Condition::Talking(With::Party(_)));
                let deed = self.sets[p].party.handle_timeout(now, alone);
                self.done_by(now, p, deed);
            }
        }
    }

    pub(super) fn done_by(&mut self, now: Time, p: usize, deed: Option<Deed>) {
        match deed {
            Some(Deed::HangUp) => self.party_hangs_up(now, p),
            Some(Deed::Says(what)) => self.told_of(now, p, what),
            Some(Deed::Presses(d)) => self.told_of(now, p, &format!("presses {d}")),
            None => {}
        }
    }

    pub(super) fn party_hangs_up(&mut self, now: Time, p: usize) {
        self.told_of(now, p, "hangs up");
        let set = &mut self.sets[p];
        set.condition = Condition::HungUp;
        set.gives_up = Time::NEVER;
        set.party.end();
        self.liaison_hung_up(now, p);
        if self.waiting.as_ref().is_some_and(|w| w.party == p) {
            self.waiting = None;
        }
        if let Some(held) = self.held.as_mut().filter(|l| l.party == Some(p)) {
            // whoever comes back to it hears that it is gone
            held.progress = Progress::Gone;
            if self.conference {
                self.held = None;
                self.leave_conference();
            }
        } else if self.active.is_some_and(|l| l.party == Some(p)) {
            self.active_party_gone(now);
        }
    }

    fn active_party_gone(&mut self, now: Time) {
        if self.service == Service::Ringing {
            self.stop_ringing();
            self.service = Service::OnHook;
            self.active = None;
            self.tell(now, "ringing stops");
            return;
        }
        if self.service == Service::Displaying {
            self.stop_ringing();
            self.service = Service::OffHook;
        }
        if self.conference {
            self.active = self.held.take();
            self.leave_conference();
            return;
        }
        if let Some(leg) = &mut self.active {
            leg.progress = Progress::Gone;
            leg.next = Time::NEVER;
        }
        // with a register on the line the other call waits behind its tone
        if self.register.is_none() {
            self.tell_far_end_gone(now);
        }
    }

    pub(super) fn tell_far_end_gone(&mut self, now: Time) {
        let programme = match self.held {
            Some(_) => programme::consulted_party_gone(&self.class.lock_out),
            None => programme::far_end_gone(self.class.forward_disconnect, &self.class.lock_out),
        };
        self.unreverse(now);
        if self.held.is_none() {
            // nothing is left but the line itself
            self.active = None;
        }
        self.play(now, programme);
    }

    pub(super) fn play(&mut self, now: Time, programme: Vec<Entry>) {
        self.player.play(now, programme);
    }

    /// A line of the trace: the exchange's own doing and seeing.
    pub(super) fn tell(&mut self, now: Time, what: impl Into<String>) {
        self.trace.push(Record::new(now, Actor::Exchange, what));
    }

    /// A line of the trace: what a party does.
    pub(super) fn told_of(&mut self, now: Time, p: usize, what: &str) {
        let party = &self.sets[p].party;
        let who = if party.calls_us { Actor::Caller } else { Actor::Peer };
        self.trace.push(Record::new(now, who, format!("{} {what}", party.number)));
    }
}

impl Set {
    fn new(party: Party) -> Set {
        Set { party, condition: Condition::Idle, gives_up: Time::NEVER, rung_back: false, own: false }
    }
}
