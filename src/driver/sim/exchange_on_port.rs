//! The simulated exchange behind a real FXS port: `tipring exchange run`.
//!
//! ```text
//!   telephone or FXO port ── pair ── FXS port ── signals, audio ──▶ Exchange
//!                                       ◀── ring, reverse, open loop, audio ──
//! ```
//!
//! Here the port's driver times the loop, and the exchange gets what it made of it. DAHDI takes 15 to 200 ms for a
//! dial pulse, 200 to 1250 ms for a flash and more for a hang-up, whatever the country: where the recall window lies
//! below 200 ms a lone pulse "1" in a call is taken as recall (`pulse_one_is_recall` in the scenario's `[line]`).
//!
//! The scenario's pair, noise and bursts lie over the audio of the real one. A second telephone is played too: what the
//! real one does with the loop is kept from the exchange while it is lifted. What cannot be done from here (a plug, a
//! card, a long loss of battery) is refused before anything rings.

use super::exchange::{Exchange, LineInput, LineOutput};
use super::line_faults::{LineFault, Schedule};
use super::local_loop::{LocalLoop, PARALLEL_DBM0, Pair};
use super::scenario::{PairOptions, Scenario};
use crate::clock::Time;
use crate::driver::{Port, PortError, PortKind};
use crate::dsp::voice::Speech;
use crate::dsp::{FRAME_SAMPLES, Frame};
use crate::event::{Command, Signal};
use crate::facts::Country;
use crate::record::{Actor, Record};
use std::time::Duration;

/// The longest open loop that DAHDI's kewlstart makes.
const OPEN_LOOP_MAX: Duration = Duration::from_millis(500);
/// After our own open loop a driver may still tell of the break that it saw.
const BREAK_IS_OURS: Duration = Duration::from_millis(300);
/// What we say lies in the port's queues for so long before it is on the pair (DAHDI: three blocks in the kernel, and up to
/// as many frames before them); the end of caller ID must not find the transmission closed.
const UNDER_WAY: Duration = Duration::from_millis(250);
const LOOK_ROUND: Duration = Duration::from_millis(50);

pub struct ExchangeOnPort {
    port: Box<dyn Port>,
    exchange: Exchange,
    pair: LocalLoop,
    schedule: Schedule,
    said: [i16; FRAME_SAMPLES],
    /// Time of the port when the service began.
    began: Time,
    /// Another telephone on the pair, played by us: lifted, and who talks into it.
    parallel: bool,
    parallel_voice: Speech,
    /// The telephone, as the driver told.
    off_hook: bool,
    /// Breaks until then are our own forward disconnect.
    our_break: Time,
    /// The loop was opened, and battery is to be given again when it is closed.
    opened: bool,
    trace: Vec<Record>,
}

impl ExchangeOnPort {
    pub fn new(port: Box<dyn Port>, country: &Country, scenario: &Scenario, seed: u64) -> Result<Self, PortError> {
        let name = port.selector().to_string();
        if port.kind() != PortKind::Fxs {
            let what = "be an exchange's: it is an FXO port, and faces one itself".into();
            return Err(PortError::Unsupported { port: name, what });
        }
        scenario.fits_port(&name, OPEN_LOOP_MAX)?;
        let pair = scenario.pair(country, &PairOptions::default(), Pair::CLEAN);
        let level = if scenario.fault.parallel_silent { f32::NEG_INFINITY } else { PARALLEL_DBM0 };
        Ok(ExchangeOnPort {
            exchange: Exchange::new(country.clone(), scenario, seed),
            pair: LocalLoop::new(&pair, scenario.noise_bursts(), seed),
            schedule: Schedule::new(scenario),
            said: [0; FRAME_SAMPLES],
            began: port.now(),
            parallel: false,
            parallel_voice: Speech::new(seed ^ 0x7061_7261, level),
            port,
            off_hook: false,
            our_break: Time::ZERO,
            opened: false,
            trace: Vec::new(),
        })
    }

    pub fn port(&self) -> &dyn Port {
        self.port.as_ref()
    }

    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// Waits for the port once, and serves what is there.
    pub fn step(&mut self) -> Result<(), PortError> {
        self.port.wait(self.port.now() + LOOK_ROUND)?;
        while let Some((at, signal)) = self.port.next_signal()? {
            self.sensed(at, signal)?;
        }
        let mut frame = Frame::default();
        while self.port.read(&mut frame)? {
            let now = self.port.now();
            self.pair.begin_frame(None, self.off_hook);
            let (mut heard, mut said) = (Frame::default(), Frame::default());
            self.pair.towards_exchange(&frame.0, &self.said, &mut heard.0);
            self.exchange.process(now, &heard.0, &mut self.said);
            self.pair.towards_us(&self.said, &frame.0, &mut said.0);
            self.port.write(&said)?;
            self.obey(now)?;
            self.go_wrong(now)?;
        }
        self.trace.extend(self.exchange.take_trace());
        Ok(())
    }

    /// What happened since the last call: the exchange's truth.
    pub fn take_trace(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.trace)
    }

    /// Leaves the line as an idle one: no ringing, no reversal.
    pub fn release(&mut self) {
        // a port that cannot be told is gone, and nothing is left to be put back
        let _ = self.port.command(Command::RingOff);
        let _ = self.port.command(Command::Reverse(false));
        if !self.off_hook {
            let _ = self.port.command(Command::OnHook);
        }
    }

    fn sensed(&mut self, at: Time, signal: Signal) -> Result<(), PortError> {
        let ours = at < self.our_break;
        let input = match signal {
            Signal::OffHook => {
                let again = std::mem::replace(&mut self.off_hook, true);
                // the loop closes again after our own break: no new call
                if again || ours {
                    return Ok(());
                }
                self.command(at, Command::OffHook)?;
                if self.parallel {
                    return Ok(());
                }
                LineInput::OffHook
            }
            Signal::OnHook => {
                self.off_hook = false;
                self.opened = false;
                self.command(at, Command::OnHook)?;
                if self.parallel {
                    return Ok(());
                }
                LineInput::OnHook
            }
            // the other telephone keeps the loop closed
            Signal::Flash(_) | Signal::PulseDigit(_) if self.parallel => return Ok(()),
            Signal::Flash(_) | Signal::PulseDigit(_) if ours => return Ok(()),
            Signal::Flash(width) => LineInput::Flash(width),
            Signal::PulseDigit(d) => LineInput::PulseDigit(d),
            Signal::HookDone if std::mem::take(&mut self.opened) && self.off_hook => {
                self.our_break = at + BREAK_IS_OURS;
                return self.command(at, Command::OffHook);
            }
            Signal::Removed => {
                return Err(PortError::Removed { port: self.port.selector().to_string() });
            }
            Signal::Alarm(alarm) => {
                self.tell(at, format!("alarm {alarm:?}"));
                return Ok(());
            }
            // its own ringing, its own polarity, and what an FXS port has no use for
            _ => return Ok(()),
        };
        self.exchange.handle(at, input);
        self.obey(at)
    }

    /// The scenario's faults that are due. Its times count from the beginning of the service.
    fn go_wrong(&mut self, now: Time) -> Result<(), PortError> {
        while let Some((_, fault)) = self.schedule.next(Time::ZERO + now.since(self.began)) {
            match fault {
                LineFault::BatteryFails(Some(open)) => {
                    self.tell(now, "battery fails".into());
                    self.open_loop(now, open)?;
                }
                LineFault::BatteryBack => self.tell(now, "battery is back".into()),
                LineFault::ParallelLifted | LineFault::ParallelHungUp => {
                    self.parallel = fault == LineFault::ParallelLifted;
                    let what = if self.parallel {
                        "another telephone on the pair is lifted"
                    } else {
                        "the other telephone is hung up"
                    };
                    self.tell(now, what.into());
                    self.pair.set_parallel(self.parallel.then(|| self.parallel_voice.clone()));
                    if !self.off_hook {
                        let input = if self.parallel { LineInput::OffHook } else { LineInput::OnHook };
                        self.exchange.handle(now, input);
                        self.obey(now)?;
                    }
                }
                // refused when the service began
                LineFault::BatteryFails(None)
                | LineFault::Unplugged
                | LineFault::PluggedIn
                | LineFault::DeviceRemoved => {}
            }
        }
        Ok(())
    }

    fn open_loop(&mut self, now: Time, d: Duration) -> Result<(), PortError> {
        let open = d.min(OPEN_LOOP_MAX);
        self.our_break = now + open + BREAK_IS_OURS;
        self.opened = true;
        self.command(now, Command::OpenLoop(open))
    }

    fn obey(&mut self, now: Time) -> Result<(), PortError> {
        while let Some(output) = self.exchange.poll_output() {
            let command = match output {
                LineOutput::Ring(cadence) => Command::Ring(cadence),
                LineOutput::RingOff => Command::RingOff,
                LineOutput::Reverse(on) => Command::Reverse(on),
                LineOutput::OnHookTransmission(d) => Command::OnHookTransmission(d + UNDER_WAY),
                LineOutput::OpenLoop(d) => {
                    self.open_loop(now, d)?;
                    continue;
                }
            };
            self.command(now, command)?;
        }
        Ok(())
    }

    /// A port that cannot do one thing still serves the rest; the trace says so.
    fn command(&mut self, now: Time, command: Command) -> Result<(), PortError> {
        match self.port.command(command) {
            Err(e @ (PortError::Unsupported { .. } | PortError::BadOption(_) | PortError::InAlarm { .. })) => {
                self.tell(now, e.to_string());
                Ok(())
            }
            other => other,
        }
    }

    fn tell(&mut self, now: Time, what: String) {
        self.trace.push(Record::new(now, Actor::Card, what));
    }
}
