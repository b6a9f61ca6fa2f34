//! Our end of the pair: the contacts of an FXO port and what its hardware senses, with a card's delays.
//!
//! Commands move contacts at exact instants, also between two samples of a frame's beginning and end: a flash of 100 ms
//! opens the loop for 100 ms. What happens on the pair is reported as a driver does, after a debounce: 20 to 60 ms for
//! ringing, 64 ms for battery and polarity (DAHDI's defaults for wctdm).

use super::exchange::{Exchange, LineInput, LineOutput};
use super::rng::Rng;
use crate::clock::Time;
use crate::event::Signal;
use crate::number::{DialStep, DialString};
use std::collections::VecDeque;
use std::time::Duration;

const DEBOUNCE: Duration = Duration::from_millis(64);
/// 60 ms break, 40 ms make: ten pulses a second.
const BREAK: Duration = Duration::from_millis(60);
const MAKE: Duration = Duration::from_millis(40);
const BETWEEN_DIGITS: Duration = Duration::from_millis(750);
const DIAL_PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    Close,
    Open,
    HookDone,
    DialDone,
}

/// A reported state and the one it may change to.
#[derive(Debug)]
struct Debounced {
    reported: bool,
    changing: Option<(Time, bool)>,
}

impl Debounced {
    fn new(reported: bool) -> Debounced {
        Debounced { reported, changing: None }
    }

    fn set(&mut self, at: Time, after: Duration, state: bool) {
        self.changing = (state != self.reported).then_some((at + after, state));
    }

    /// The new state, once it has stood long enough, and when it had.
    fn take(&mut self, now: Time) -> Option<(Time, bool)> {
        let change = self.changing.filter(|(at, _)| *at <= now)?;
        self.changing = None;
        self.reported = change.1;
        Some(change)
    }
}

/// The exchange's ringing current as it comes over the pair.
#[derive(Debug)]
struct Ringer {
    cadence: Vec<Duration>,
    at: usize,
    next: Time,
}

#[derive(Debug)]
pub struct Card {
    rng: Rng,
    /// The contacts: closed is off-hook.
    closed: bool,
    moves: VecDeque<(Time, Move)>,
    /// Whether the pair is whole, and the exchange feeds it.
    plugged: bool,
    fed: bool,
    /// Another telephone on the pair draws current, and whether it leaves too little voltage for us to sense.
    parallel: bool,
    sagged: bool,
    /// The loop as the exchange was last told of it.
    loop_closed: bool,
    /// Forward disconnect until then.
    open_until: Time,
    ringer: Option<Ringer>,
    ring: Debounced,
    battery: Debounced,
    polarity: Debounced,
    signals: VecDeque<(Time, Signal)>,
    /// Parts of the frame in which the loop is open, as sample numbers; filled by `advance`.
    open: Vec<(usize, usize)>,
    clicked: Option<usize>,
}

impl Card {
    pub fn new(seed: u64) -> Card {
        Card {
            rng: Rng::new(seed, 0x6361_7264),
            closed: false,
            moves: VecDeque::new(),
            plugged: true,
            fed: true,
            parallel: false,
            sagged: false,
            loop_closed: false,
            open_until: Time::ZERO,
            ringer: None,
            ring: Debounced::new(false),
            battery: Debounced::new(true),
            polarity: Debounced::new(false),
            signals: VecDeque::new(),
            open: Vec::new(),
            clicked: None,
        }
    }

    pub fn off_hook(&mut self, now: Time) {
        self.moves.clear();
        self.moves.push_back((now, Move::Close));
    }

    pub fn on_hook(&mut self, now: Time) {
        self.moves.clear();
        self.moves.push_back((now, Move::Open));
    }

    /// For an off-hook line.
    pub fn flash(&mut self, now: Time, width: Duration) {
        let from = self.free_from(now);
        let to = from + width;
        self.moves.extend([(from, Move::Open), (to, Move::Close), (to, Move::HookDone)]);
    }

    /// For an off-hook line, and digits that can be pulsed.
    pub fn pulse(&mut self, now: Time, digits: &DialString) {
        let mut at = self.free_from(now);
        for step in digits.steps() {
            let DialStep::Digit(digit) = step else {
                at += DIAL_PAUSE;
                continue;
            };
            for _ in 0..digit.pulses().unwrap_or(0) {
                self.moves.extend([(at, Move::Open), (at + BREAK, Move::Close)]);
                at += BREAK + MAKE;
            }
            at += BETWEEN_DIGITS;
        }
        self.moves.push_back((at, Move::DialDone));
    }

    /// The rest of what was asked for is forgotten, and the loop is as it was before.
    pub fn stop_dialling(&mut self, now: Time) {
        let closed = self.will_be_closed();
        self.moves.clear();
        self.moves.push_back((now, if closed { Move::Close } else { Move::Open }));
    }

    /// When the moves asked for so far are done.
    fn free_from(&self, now: Time) -> Time {
        self.moves.back().map_or(now, |(at, _)| (*at).max(now))
    }

    /// How the contacts stand when they are.
    pub fn will_be_closed(&self) -> bool {
        let last = self.moves.iter().rev().find(|(_, m)| matches!(m, Move::Close | Move::Open));
        last.map_or(self.closed, |(_, m)| *m == Move::Close)
    }

    /// Moves contacts and current through a frame, and tells the exchange what it sees of the loop.
    pub fn advance(&mut self, start: Time, end: Time, exchange: &mut Exchange) {
        self.open.clear();
        let mut open_from = (!self.closed).then_some(0);
        while let Some((at, what)) = self.moves.front().copied().filter(|(at, _)| *at < end) {
            self.moves.pop_front();
            let at = at.max(start);
            let sample = at.since(start).as_micros() as usize / 125;
            match what {
                Move::HookDone => self.signals.push_back((at, Signal::HookDone)),
                Move::DialDone => self.signals.push_back((at, Signal::DialDone)),
                Move::Open | Move::Close => {
                    let closed = what == Move::Close;
                    if closed == self.closed {
                        continue;
                    }
                    self.closed = closed;
                    self.clicked = Some(sample);
                    match open_from.take() {
                        Some(from) if closed => self.open.push((from, sample)),
                        other => open_from = if closed { None } else { other.or(Some(sample)) },
                    }
                    self.tell_loop(at, exchange);
                }
            }
        }
        if let Some(from) = open_from {
            self.open.push((from, crate::dsp::FRAME_SAMPLES));
        }
        self.ring_on(start, end);
        if self.open_until > Time::ZERO && self.open_until <= start {
            let at = std::mem::take(&mut self.open_until);
            self.battery_changed(at);
            self.clicked = Some(0);
        }
    }

    fn ring_on(&mut self, start: Time, end: Time) {
        let Some(ringer) = &mut self.ringer else { return };
        while ringer.next < end && self.plugged && self.fed {
            let at = ringer.next.max(start);
            let on = ringer.at % 2 == 0;
            ringer.next += ringer.cadence[ringer.at % ringer.cadence.len()];
            ringer.at = (ringer.at + 1) % ringer.cadence.len();
            let debounce = self.rng.ms(20, 60);
            self.ring.set(at, debounce, on);
        }
    }

    /// What the exchange does on the pair.
    pub fn feed(&mut self, now: Time, output: LineOutput) {
        match output {
            // a cadence is on and off by turns, and takes time: else it would never let go
            LineOutput::Ring(cadence) if cadence.len() % 2 == 0 && cadence.iter().any(|d| !d.is_zero()) => {
                self.ringer = Some(Ringer { cadence, at: 0, next: now });
            }
            LineOutput::Ring(_) | LineOutput::RingOff => {
                self.ringer = None;
                let debounce = self.rng.ms(20, 60);
                self.ring.set(now, debounce, false);
            }
            LineOutput::Reverse(on) => {
                self.clicked = Some(0);
                self.polarity.set(now, DEBOUNCE, on);
            }
            LineOutput::OpenLoop(d) => {
                self.open_until = now + d;
                self.battery_changed(now);
            }
            LineOutput::OnHookTransmission(_) => {}
        }
    }

    pub fn set_fed(&mut self, at: Time, fed: bool) {
        self.fed = fed;
        self.battery_changed(at);
    }

    /// The pair is cut or whole again; the exchange sees the loop end there.
    pub fn set_plugged(&mut self, at: Time, plugged: bool, exchange: &mut Exchange) {
        if plugged == self.plugged {
            return;
        }
        self.plugged = plugged;
        self.tell_loop(at, exchange);
        if !plugged {
            self.ring.set(at, DEBOUNCE, false);
        }
        self.battery_changed(at);
    }

    /// Another telephone on the pair is lifted or hung up; the exchange sees one loop.
    pub fn set_parallel(&mut self, at: Time, lifted: bool, takes_battery: bool, exchange: &mut Exchange) {
        self.parallel = lifted;
        self.sagged = lifted && takes_battery;
        self.clicked = Some(0);
        self.tell_loop(at, exchange);
        self.battery_changed(at);
    }

    fn tell_loop(&mut self, at: Time, exchange: &mut Exchange) {
        let closed = self.parallel || (self.closed && self.plugged);
        if closed != self.loop_closed {
            self.loop_closed = closed;
            exchange.handle(at, if closed { LineInput::LoopClosed } else { LineInput::LoopOpened });
        }
    }

    fn battery_changed(&mut self, at: Time) {
        let there = self.has_battery() && !self.sagged;
        self.battery.set(at, DEBOUNCE, there);
    }

    pub fn has_battery(&self) -> bool {
        self.plugged && self.fed && self.open_until == Time::ZERO
    }

    /// Between tip and ring: 48 V of an office battery behind some hundred ohms, of which telephones leave 7 V, two of them
    /// less, and a greedy one almost nothing.
    pub fn millivolts(&self) -> i32 {
        match (self.has_battery(), self.closed, self.parallel) {
            (false, _, _) => 0,
            (true, _, true) if self.sagged => 2_000,
            (true, true, true) => 5_000,
            (true, true, false) | (true, false, true) => 7_000,
            (true, false, false) => 48_000,
        }
    }

    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Somebody speaks into the pair: our set or the other telephone.
    pub fn carries_speech(&self) -> bool {
        self.closed || self.parallel
    }

    /// What is on the pair is heard also by an on-hook port: it listens for caller ID.
    pub fn overhears(&self) -> bool {
        self.parallel
    }

    /// The parts of the frame just advanced in which the loop was open.
    pub fn open_parts(&self) -> &[(usize, usize)] {
        &self.open
    }

    /// Where in that frame something clicked.
    pub fn clicked(&mut self) -> Option<usize> {
        self.clicked.take()
    }

    pub fn report(&mut self, at: Time, signal: Signal) {
        self.signals.push_back((at, signal));
    }

    /// What has been sensed by now.
    pub fn next_signal(&mut self) -> Option<(Time, Signal)> {
        self.signals.pop_front()
    }

    pub fn has_signals(&self) -> bool {
        !self.signals.is_empty()
    }

    /// Debounced changes become signals.
    pub fn sense(&mut self, now: Time) {
        if let Some((at, on)) = self.ring.take(now) {
            self.signals.push_back((at, if on { Signal::RingBegin } else { Signal::RingEnd }));
        }
        if let Some((at, there)) = self.battery.take(now) {
            self.signals.push_back((at, if there { Signal::BatteryBack } else { Signal::BatteryLost }));
        }
        if let Some((at, _)) = self.polarity.take(now) {
            self.signals.push_back((at, Signal::Reversal));
        }
    }
}
