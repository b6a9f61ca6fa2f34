//! The simulated exchange as a port: `sim/us`, `sim/se?seed=7&scenario=incoming&clock=virtual`.
//!
//! ```text
//!   SimPort ── commands ──▶ card ── loop current ──▶ exchange ──▶ parties
//!      ▲                     │  ◀── ring, battery ──    │
//!      ╰── signals, audio ───┴──────── pair ────────────╯
//! ```
//!
//! A run is its seed: the same seed, scenario and commands give the same signals, samples and trace, byte for byte.
//! With the virtual clock [`Port::wait`] advances one frame of 20 ms and never sleeps; with the real one it sleeps
//! to the end of the frame. Whatever is commanded takes place at the port's present, or at exact instants after it.
//!
//! The trace is told by [`Port::take_trace`], in the form of every record:
//!
//! | who | says |
//! |---|---|
//! | `exchange` | `ring us`, `tone busy`, `sees off-hook`, `sees flash 600ms`, `ignores a break of 62ms`, `digit 5`, `routes 5550100`, `forward-disconnect 500ms`, `conference`, `connects A and B`, `reverses the line`, `sends caller-id by Bell 202`, `misses that flash`, `battery fails` … |
//! | `card` | `unplugged`, `plugged in`, `removed`, `another telephone on the pair is lifted`, `the other telephone is hung up` |
//! | `caller`, `peer` | a number and `calls us`, `waits`, `is forwarded to N`, `rings`, `answers`, `presses 1`, `is on hold`, `talks with us`, `talks with N`, `hangs up`, `is released`, `is lost: how` |
//!
//! Numbers stand in it as they are: nobody in it exists.

mod call_waiting;
mod card;
pub mod census;
mod codes;
pub mod exchange;
pub mod exchange_on_port;
mod line_class;
mod line_faults;
mod local_loop;
mod number_display;
mod party;
mod plan;
mod programme;
mod register;
mod ringing;
mod rng;
pub mod scenario;
mod subscriber_line;
mod three_way;
mod tones_off;

use super::{Capabilities, Port, PortError, PortKind, Selector};
use crate::clock::Time;
use crate::dsp::Frame;
use crate::dsp::voice::Speech;
use crate::event::{Command, DialMethod, Signal};
use crate::facts::Facts;
use crate::record::{Actor, Record};
use card::Card;
use exchange::Exchange;
use line_faults::{LineFault, Schedule};
use local_loop::{LocalLoop, PARALLEL_DBM0, Pair};
use scenario::{Faults, KEYS, PairOptions, SELECTOR_ONLY, Scenario};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

const FRAME: Duration = Duration::from_millis(20);
/// Frames that wait to be read: a second of them, as a card's buffers would.
const UNREAD_MAX: usize = 50;
/// Frames that wait to be sent.
const UNSENT_MAX: usize = 8;

/// An FXO port on a line of the simulated exchange.
pub struct SimPort {
    selector: Selector,
    exchange: Exchange,
    card: Card,
    pair: LocalLoop,
    faults: Faults,
    schedule: Schedule,
    seed: u64,
    /// Real time, or so many times as fast; `None`: virtual.
    clock: Option<Clock>,
    now: Time,
    unread: VecDeque<Frame>,
    unsent: VecDeque<Frame>,
    said: [i16; crate::dsp::FRAME_SAMPLES],
    overrun: bool,
    removed: bool,
    trace: Vec<Record>,
}

/// The wall clock, sped up.
#[derive(Clone, Copy)]
struct Clock {
    began: Instant,
    speed: f64,
}

impl Clock {
    fn now(self) -> Time {
        Time::ZERO + self.began.elapsed().mul_f64(self.speed)
    }

    /// How long to sleep for so much of the line's time.
    fn real(self, d: Duration) -> Duration {
        d.div_f64(self.speed)
    }
}

/// What a selector asks for.
struct Options {
    seed: u64,
    scenario: String,
    /// How fast the wall clock goes; `None`: virtual time.
    speed: Option<f64>,
    pair: PairOptions,
}

impl SimPort {
    pub fn open(selector: Selector, facts: &Facts) -> Result<SimPort, PortError> {
        let Selector::Sim { country, query } = &selector else {
            return Err(PortError::BadOption(format!("{selector} is not a simulated line")));
        };
        let options = Options::parse(query)?;
        let scenario = Scenario::load(&options.scenario).map_err(|e| PortError::Scenario(Box::new(e)))?;
        let Some(country) = facts.country(country) else {
            let known: Vec<&str> = facts.codes().collect();
            return Err(PortError::BadOption(format!("there is no sim/{country}: countries are {}", known.join(", "))));
        };
        scenario.fits(country).map_err(|e| PortError::Scenario(Box::new(e)))?;
        let merged = options.pair.over(&scenario.pair);
        if let Some(why) = merged.contradiction() {
            return Err(PortError::BadOption(why));
        }
        let pair = scenario.pair(country, &options.pair, Pair::default());
        let exchange = Exchange::new(country.clone(), &scenario, options.seed);
        Ok(SimPort::with(selector, exchange, &scenario, &pair, options.seed, options.speed))
    }

    /// A line of this exchange, in virtual time: for tests with scenarios of their own.
    pub fn on(country: &crate::facts::Country, scenario: &Scenario, seed: u64) -> SimPort {
        let exchange = Exchange::new(country.clone(), scenario, seed);
        let query = vec![("seed".into(), seed.to_string()), ("clock".into(), "virtual".into())];
        let selector = Selector::Sim { country: country.code.clone(), query };
        let pair = scenario.pair(country, &PairOptions::default(), Pair::default());
        SimPort::with(selector, exchange, scenario, &pair, seed, None)
    }

    fn with(
        selector: Selector,
        exchange: Exchange,
        scenario: &Scenario,
        pair: &Pair,
        seed: u64,
        speed: Option<f64>,
    ) -> SimPort {
        let mut port = SimPort {
            selector,
            exchange,
            card: Card::new(seed),
            pair: LocalLoop::new(pair, scenario.noise_bursts(), seed),
            faults: scenario.fault.clone(),
            schedule: Schedule::new(scenario),
            seed,
            clock: speed.map(|speed| Clock { began: Instant::now(), speed }),
            now: Time::ZERO,
            unread: VecDeque::with_capacity(UNREAD_MAX),
            unsent: VecDeque::with_capacity(UNSENT_MAX),
            said: [0; crate::dsp::FRAME_SAMPLES],
            overrun: false,
            removed: false,
            trace: Vec::new(),
        };
        // what is so from the beginning is so before anybody listens
        port.apply_faults(Time::ZERO, Time::us(1));
        port
    }

    /// The other side's truth, for tests.
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// The 20 ms from `now` on: contacts, audio both ways, what was sensed.
    fn advance_frame(&mut self) {
        let (start, end) = (self.now, self.now + FRAME);
        self.now = end;
        self.apply_faults(start, end);
        self.card.advance(start, end, &mut self.exchange);

        let mut sent = self.unsent.pop_front().unwrap_or_default().0;
        let live = self.card.has_battery();
        if !live {
            sent.fill(0);
        }
        for (from, to) in self.card.open_parts() {
            sent[*from..*to].fill(0);
        }
        let mut heard = Frame::default();
        self.pair.begin_frame(self.card.clicked(), self.card.is_closed());
        if live && self.card.carries_speech() {
            self.pair.towards_exchange(&sent, &self.said, &mut heard.0);
        }
        let transmitted = self.exchange.transmits_on_hook();
        self.exchange.process(end, &heard.0, &mut self.said);
        let on_hook_data = transmitted || self.exchange.transmits_on_hook() || self.card.overhears();
        let mut said = self.said;
        if !live {
            said.fill(0);
        } else if !on_hook_data {
            for (from, to) in self.card.open_parts() {
                said[*from..*to].fill(0);
            }
        }
        self.pair.towards_us(&said, &sent, &mut heard.0);
        while let Some(output) = self.exchange.poll_output() {
            self.card.feed(end, output);
        }
        self.card.sense(end);
        if self.unread.len() == UNREAD_MAX {
            self.unread.pop_front();
            if !std::mem::replace(&mut self.overrun, true) {
                self.card.report(end, Signal::Overrun);
            }
        }
        self.unread.push_back(heard);
    }

    fn apply_faults(&mut self, start: Time, end: Time) {
        while let Some((at, fault)) = self.schedule.next(end) {
            let at = at.max(start);
            let (who, what) = match fault {
                LineFault::BatteryFails(_) => (Actor::Exchange, "battery fails"),
                LineFault::BatteryBack => (Actor::Exchange, "battery is back"),
                LineFault::Unplugged => (Actor::Card, "unplugged"),
                LineFault::PluggedIn => (Actor::Card, "plugged in"),
                LineFault::DeviceRemoved => (Actor::Card, "removed"),
                LineFault::ParallelLifted => (Actor::Card, "another telephone on the pair is lifted"),
                LineFault::ParallelHungUp => (Actor::Card, "the other telephone is hung up"),
            };
            self.trace.push(Record::new(at, who, what));
            match fault {
                LineFault::BatteryFails(_) => self.card.set_fed(at, false),
                LineFault::BatteryBack => self.card.set_fed(at, true),
                LineFault::Unplugged => self.card.set_plugged(at, false, &mut self.exchange),
                LineFault::PluggedIn => self.card.set_plugged(at, true, &mut self.exchange),
                LineFault::DeviceRemoved => {
                    // a card without power lets go of the line
                    self.card.set_plugged(at, false, &mut self.exchange);
                    self.card.report(at, Signal::Removed);
                    self.removed = true;
                }
                LineFault::ParallelLifted | LineFault::ParallelHungUp => {
                    let lifted = fault == LineFault::ParallelLifted;
                    let level = if self.faults.parallel_silent { f32::NEG_INFINITY } else { PARALLEL_DBM0 };
                    self.pair.set_parallel(lifted.then(|| Speech::new(self.seed ^ 0x7061_7261, level)));
                    self.card.set_parallel(start, lifted, self.faults.parallel_takes_battery, &mut self.exchange);
                }
            }
        }
    }

    fn check(&self) -> Result<(), PortError> {
        if self.removed { Err(PortError::Removed { port: self.selector.to_string() }) } else { Ok(()) }
    }

    fn unsupported(&self, what: &str) -> PortError {
        PortError::Unsupported { port: self.selector.to_string(), what: what.into() }
    }
}

impl Port for SimPort {
    fn selector(&self) -> &Selector {
        &self.selector
    }

    fn kind(&self) -> PortKind {
        PortKind::Fxo
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            audio: true,
            flash: true,
            dials: false,
            pulse: true,
            battery: true,
            reversal: true,
            echo_canceller: false,
            hears_digits: false,
        }
    }

    /// Never later than the end of the frame being made: the wall clock runs on, the line waits for its frames.
    fn now(&self) -> Time {
        self.clock.map_or(self.now, |clock| clock.now().clamp(self.now, self.now + FRAME))
    }

    fn wait(&mut self, until: Time) -> Result<(), PortError> {
        let Some(clock) = self.clock else {
            if until > self.now {
                self.advance_frame();
            }
            return Ok(());
        };
        let frame_end = self.now + FRAME;
        // what is there is taken first; a line that nobody reads still runs on
        let there = self.card.has_signals() || !self.unread.is_empty();
        if there && self.unread.len() < UNREAD_MAX && clock.now() < frame_end {
            return Ok(());
        }
        let elapsed = clock.now();
        let wake = until.min(frame_end);
        if wake > elapsed {
            std::thread::sleep(clock.real(wake.since(elapsed)));
        }
        if clock.now() >= frame_end {
            self.advance_frame();
        }
        Ok(())
    }

    fn command(&mut self, command: Command) -> Result<(), PortError> {
        self.check()?;
        let now = self.now();
        match command {
            Command::OffHook => self.card.off_hook(now),
            Command::OnHook => self.card.on_hook(now),
            Command::Flash(_) | Command::Dial(_, DialMethod::Pulse) if !self.card.will_be_closed() => {
                return Err(self.unsupported("open and close a loop that is open: it is on-hook"));
            }
            Command::Flash(width) => self.card.flash(now, width),
            Command::Dial(digits, DialMethod::Pulse) if digits.digits().any(|d| d.pulses().is_none()) => {
                return Err(self.unsupported("dial *, #, A, B, C or D in pulses"));
            }
            Command::Dial(digits, DialMethod::Pulse) => self.card.pulse(now, &digits),
            Command::Dial(_, DialMethod::Tone) => {
                return Err(self.unsupported("send tones by itself: they go as audio"));
            }
            Command::StopDialling => self.card.stop_dialling(now),
            Command::Ring(_)
            | Command::RingOff
            | Command::Reverse(_)
            | Command::OpenLoop(_)
            | Command::OnHookTransmission(_) => return Err(self.unsupported("feed a telephone: it is an FXO port")),
        }
        Ok(())
    }

    fn next_signal(&mut self) -> Result<Option<(Time, Signal)>, PortError> {
        Ok(self.card.next_signal())
    }

    fn read(&mut self, frame: &mut Frame) -> Result<bool, PortError> {
        let Some(next) = self.unread.pop_front() else {
            self.check()?;
            return Ok(false);
        };
        *frame = next;
        self.overrun = false;
        Ok(true)
    }

    fn write(&mut self, frame: &Frame) -> Result<(), PortError> {
        self.check()?;
        if self.unsent.len() < UNSENT_MAX {
            self.unsent.push_back(*frame);
        }
        Ok(())
    }

    fn line_millivolts(&mut self) -> Option<i32> {
        Some(self.card.millivolts())
    }

    fn hang_up_connects(&self) -> Option<bool> {
        self.exchange.hang_up_connects()
    }

    fn take_trace(&mut self) -> Vec<Record> {
        let mut all = std::mem::take(&mut self.trace);
        all.extend(self.exchange.take_trace());
        all.sort_by_key(|r| r.at);
        all
    }
}

impl Options {
    fn parse(query: &[(String, String)]) -> Result<Options, PortError> {
        let mut o = Options { seed: 1, scenario: "idle".into(), speed: Some(1.0), pair: PairOptions::default() };
        let pair_keys = || KEYS.iter().filter(|k| k.table == "pair");
        let (mut virtual_clock, mut pair) = (false, String::new());
        for (i, (name, value)) in query.iter().enumerate() {
            let Some(key) = SELECTOR_ONLY.iter().chain(pair_keys()).find(|k| k.name == name.as_str()) else {
                let known: Vec<&str> = SELECTOR_ONLY.iter().chain(pair_keys()).map(|k| k.name).collect();
                let why = format!("a simulated line has no option `{name}`: it has {}", known.join(", "));
                return Err(PortError::BadOption(why));
            };
            let bad = || PortError::BadOption(format!("`{name}={value}`: {} is wanted", key.value));
            if query[..i].iter().any(|(n, _)| n == name) {
                return Err(PortError::BadOption(format!("the option `{name}` is given twice")));
            }
            match name.as_str() {
                "seed" => o.seed = value.parse().map_err(|_| bad())?,
                "scenario" => o.scenario = value.clone(),
                "clock" if matches!(value.as_str(), "real" | "virtual") => virtual_clock = value == "virtual",
                "clock" => return Err(bad()),
                "speed" => {
                    let v = value.parse::<f64>().ok().filter(|v| (0.1..=200.0).contains(v));
                    o.speed = Some(v.ok_or_else(bad)?);
                }
                // a key of [pair], written as it would be there: a number and nothing else
                _ => {
                    let number = value.parse::<f64>().is_ok_and(f64::is_finite);
                    let line = format!("{name} = {}\n", value.trim_start_matches('+'));
                    toml::from_str::<PairOptions>(&line).ok().filter(|_| number).ok_or_else(bad)?;
                    pair += &line;
                }
            }
        }
        if virtual_clock {
            if query.iter().any(|(n, _)| n == "speed") {
                let why = "`clock=virtual` and `speed` exclude each other: virtual time waits for nobody";
                return Err(PortError::BadOption(why.into()));
            }
            o.speed = None;
        }
        o.pair = toml::from_str(&pair).map_err(|e| PortError::BadOption(e.message().to_string()))?;
        Ok(o)
    }
}
