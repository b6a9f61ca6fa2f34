//! One port's condition: idle, ringing, off-hook, flashing, dead; what it senses and hears, as events; what is to be
//! done on it, as commands and sound. Sans-IO.
//!
//! ```text
//!  Signal ─▶ ring, battery ─┐                      Action ─▶ hook, flash ──▶ Command
//!  Frame  ─▶ ear, caller ID ┴─▶ Event                     └▶ digits, sound ─▶ Frame
//! ```
//!
//! The ear is deaf while we make noise ourselves: the hybrid sends our own digits back at us, and a flash clicks.

pub mod across;
pub mod battery;
pub mod ring;
pub mod voltage;

use crate::clock::{Time, Timers};
use crate::driver::{Capabilities, PortKind};
use crate::dsp::caller_id;
use crate::dsp::dtmf::{DtmfGenerator, DtmfTiming};
use crate::dsp::ear::Ear;
use crate::dsp::{FRAME_SAMPLES, Frame, Source};
use crate::event::{Action, CallerIdFormat, Command, DialMethod, Event, Heard, Signal};
use crate::facts::Country;
use battery::{Battery, Loop};
use ring::{Ring, Ringing};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use voltage::OtherTelephones;

#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    Command(Command),
    Event(Event),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    OnHook,
    OffHook,
    /// The loop is open for a flash and will be closed again.
    Flashing,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Timer {
    /// The flash should long be over; some drivers never say so.
    FlashOver,
    /// What a port that dials by itself takes at most.
    DialOver,
    /// The ear may listen again.
    EarOpen,
}

/// What we are sending.
enum Voice {
    Silent,
    Digits(DtmfGenerator),
    Sound(Arc<[i16]>, usize),
}

pub struct Line {
    kind: PortKind,
    capabilities: Capabilities,
    country: Arc<Country>,
    dtmf: DtmfTiming,
    hook: Hook,
    ring: Ring,
    battery: Loop,
    /// Battery went during our own flash, and has not come back.
    lost_in_flash: bool,
    others: OtherTelephones,
    /// When the loop is to be measured in the flash under way.
    measure_flash: Option<Time>,
    /// Listens off-hook.
    ear: Ear,
    ear_now: Time,
    deaf: bool,
    /// Listens on-hook.
    caller_id: caller_id::Receiver,
    voice: Voice,
    timers: Timers<Timer>,
    heard: Vec<Heard>,
    ids: Vec<Event>,
    out: VecDeque<Output>,
}

/// After our own noise, before the ear listens again: the tail of the hybrid's echo and a driver's buffers.
const EAR_GUARD: Duration = Duration::from_millis(120);
/// Off-hook, the first instants are clicks of relays and the collapse of ringing.
const SEIZE_GUARD: Duration = Duration::from_millis(60);

impl Line {
    pub fn new(kind: PortKind, capabilities: Capabilities, country: Arc<Country>, now: Time) -> Line {
        let offs = country.ringing.cadence.iter().skip(1).step_by(2);
        let longest_gap = offs.max().copied().unwrap_or(Duration::from_secs(4));
        Line {
            kind,
            capabilities,
            dtmf: DtmfTiming::default(),
            hook: Hook::OnHook,
            ring: Ring::new(longest_gap),
            battery: Loop::default(),
            lost_in_flash: false,
            others: OtherTelephones::new(now),
            measure_flash: None,
            ear: Ear::new(&country, now),
            ear_now: now,
            deaf: false,
            caller_id: caller_id::Receiver::new(),
            voice: Voice::Silent,
            timers: Timers::new(),
            heard: Vec::new(),
            ids: Vec::new(),
            out: VecDeque::new(),
            country,
        }
    }

    pub fn hook(&self) -> Hook {
        self.hook
    }

    pub fn is_ringing(&self) -> bool {
        self.ring.is_ringing()
    }

    // -- commands flow down ------------------------------------------------------------------------------------

    pub fn act(&mut self, now: Time, action: Action) {
        match action {
            Action::OffHook => {
                self.command(Command::OffHook);
                self.hook = Hook::OffHook;
                self.ring.clear();
                self.open_ear_at(now, SEIZE_GUARD);
            }
            Action::OnHook => {
                if self.hook != Hook::OnHook {
                    self.command(Command::OnHook);
                }
                self.hook = Hook::OnHook;
                self.others.hung_up_ourselves(now);
                self.voice = Voice::Silent;
                self.timers.stop_all();
                self.deaf = false;
                self.caller_id = caller_id::Receiver::new();
            }
            Action::Flash(width) => {
                self.hook = Hook::Flashing;
                self.deaf = true;
                self.voice = Voice::Silent;
                // twice the width and a second: a driver adds its own guard times (DAHDI 50 ms before)
                self.timers.set(Timer::FlashOver, now + width * 2 + Duration::from_secs(1));
                // late in the break: the pair's capacitance has had its time, and a driver's guard time is over
                self.measure_flash = Some(now + width * 3 / 4);
                self.command(Command::Flash(width));
            }
            Action::Dial(digits, method) => {
                self.deaf = true;
                if self.capabilities.dials || method == DialMethod::Pulse {
                    // ten pulses and a pause take 1.75 s a digit at most; tones a fifth of a second
                    let longest = Duration::from_secs(2) * u32::try_from(digits.steps().len()).unwrap_or(64);
                    self.timers.set(Timer::DialOver, now + longest + Duration::from_secs(3));
                    self.command(Command::Dial(digits, method));
                } else {
                    self.voice = Voice::Digits(DtmfGenerator::new(&digits, self.dtmf));
                }
            }
            Action::Play(sound) => self.voice = Voice::Sound(sound, 0),
            Action::StopPlaying => self.voice = Voice::Silent,
        }
    }

    /// The next 20 ms of what we send.
    pub fn speak(&mut self, now: Time, frame: &mut Frame) {
        frame.0.fill(0);
        match &mut self.voice {
            Voice::Silent => {}
            Voice::Digits(generator) => {
                if !generator.add_to(&mut frame.0) {
                    self.voice = Voice::Silent;
                    self.dialled(now);
                }
            }
            Voice::Sound(sound, at) => {
                let rest = &sound[(*at).min(sound.len())..];
                let n = rest.len().min(FRAME_SAMPLES);
                frame.0[..n].copy_from_slice(&rest[..n]);
                *at += n;
                if rest.len() <= FRAME_SAMPLES {
                    self.voice = Voice::Silent;
                    self.tell(Event::PlayDone);
                }
            }
        }
    }

    // -- signals flow up ---------------------------------------------------------------------------------------

    pub fn handle(&mut self, now: Time, signal: Signal) {
        match signal {
            Signal::RingBegin if self.hook == Hook::OnHook => {
                if let Some(Ringing::Burst(burst)) = self.ring.begin(now) {
                    self.tell(Event::Ringing { burst });
                }
            }
            // off-hook: the last burst's own trailer, or a line that still rings because it was never seized
            Signal::RingBegin => self.tell(Event::Ringing { burst: 1 }),
            Signal::RingEnd => self.ring.end(now),
            // our own break may look like it; what is still gone when the loop is closed again is the exchange's doing
            Signal::BatteryLost if self.hook == Hook::Flashing => self.lost_in_flash = true,
            Signal::BatteryLost => self.battery.lost(now),
            Signal::BatteryBack => {
                let in_flash = std::mem::take(&mut self.lost_in_flash);
                let in_call = self.hook == Hook::OffHook && !in_flash;
                match self.battery.back(now, in_call) {
                    Some(Battery::ForwardDisconnect { open }) => self.tell(Event::ForwardDisconnect { open }),
                    Some(Battery::Back) => self.tell(Event::LineBack),
                    _ => {}
                }
            }
            Signal::Reversal => {
                // on-hook it announces caller ID in some countries; off-hook it is answer or release supervision
                if self.hook == Hook::OffHook {
                    self.tell(Event::Reversal);
                }
            }
            Signal::MessageWaiting(on) => self.tell(Event::MessageWaiting(on)),
            Signal::OffHook => self.tell(Event::OffHook),
            Signal::OnHook => self.tell(Event::OnHook),
            Signal::Flash(_) => self.tell(Event::Flash),
            Signal::PulseDigit(d) => self.tell(Event::PulseDigit(d)),
            Signal::HardwareDigit(digit) => {
                let lasted = Duration::ZERO;
                self.tell(Event::Heard(Heard::Digit { digit, since: now, lasted }));
            }
            Signal::HookDone if self.hook == Hook::Flashing => self.flashed(now),
            Signal::HookDone => {}
            Signal::DialDone => {
                if self.timers.is_armed(Timer::DialOver) {
                    self.dialled(now);
                }
            }
            Signal::Alarm(alarm) => self.tell(Event::Alarm(alarm)),
            Signal::AlarmCleared => self.tell(Event::AlarmCleared),
            Signal::Removed => self.tell(Event::DeviceRemoved),
            Signal::Overrun => self.tell(Event::Overrun),
            Signal::Underrun => self.tell(Event::Underrun),
            Signal::EchoCanceller(_) => {}
        }
    }

    /// Whether the voltage between tip and ring would tell something now: on-hook between rings, and once in a flash.
    pub fn wants_voltage(&self, now: Time) -> bool {
        match self.hook {
            Hook::OnHook => self.kind == PortKind::Fxo && !self.ring.in_burst() && self.others.wants_measurement(now),
            Hook::Flashing => self.measure_flash.is_some_and(|at| now >= at),
            Hook::OffHook => false,
        }
    }

    /// What it is.
    pub fn measured(&mut self, now: Time, millivolts: i32) {
        let millivolts = millivolts.unsigned_abs();
        if self.hook == Hook::Flashing {
            self.measure_flash = None;
            if voltage::is_in_use(millivolts) {
                self.tell(Event::LoopHeld { millivolts });
            }
            return;
        }
        match self.others.measured(now, millivolts) {
            Some(voltage::Changed::Lifted) => self.tell(Event::OtherTelephoneLifted { millivolts }),
            Some(voltage::Changed::HungUp) => self.tell(Event::OtherTelephoneHungUp),
            None => {}
        }
    }

    /// 20 ms from the pair; `now` is the end of it.
    pub fn hear(&mut self, now: Time, frame: &Frame) {
        let kind = self.kind;
        if self.hook == Hook::OnHook && kind == PortKind::Fxo {
            self.caller_id.feed(&frame.0, &mut self.ids);
            self.out.extend(self.ids.drain(..).map(Output::Event));
            return;
        }
        if self.deaf || self.hook == Hook::Flashing {
            return;
        }
        // frames lost on the way up leave a hole in the ear's time: close it, or every `since` is early from then on
        let began = now - Time::samples(FRAME_SAMPLES as u64).since(Time::ZERO);
        let hole = began.since(self.ear_now);
        if hole > Duration::from_millis(60) {
            self.ear.skip(Time::us(hole.as_micros() as u64).as_samples());
            self.ear_now += hole;
        }
        let mut heard = std::mem::take(&mut self.heard);
        self.ear.feed(&frame.0, &mut heard);
        self.ear_now += Time::samples(FRAME_SAMPLES as u64).since(Time::ZERO);
        let talking = matches!(self.voice, Voice::Sound(..));
        for what in heard.drain(..) {
            // our own sound comes back through the hybrid: speech heard while we play may be ours; a digit is not, and
            // who knows the question already need not hear it out
            if talking && matches!(what, Heard::Speech { .. } | Heard::OtherTone { .. }) {
                continue;
            }
            self.tell(Event::Heard(what));
        }
        self.heard = heard;
    }

    pub fn handle_timeout(&mut self, now: Time) {
        if let Some(Ringing::Stopped) = self.ring.handle_timeout(now) {
            self.tell(Event::RingingStopped);
        }
        if let Some(Battery::Lost) = self.battery.handle_timeout(now) {
            self.tell(Event::LineLost);
        }
        while let Some(timer) = self.timers.expire(now) {
            match timer {
                Timer::FlashOver => self.flashed(now),
                Timer::DialOver => self.dialled(now),
                Timer::EarOpen => {
                    self.deaf = false;
                    // what was not listened to is time gone by, and nothing of before it counts
                    self.ear.skip(Time::us(now.since(self.ear_now).as_micros() as u64).as_samples());
                    self.ear.reset();
                    self.ear_now = now;
                }
            }
        }
    }

    pub fn poll_timeout(&self) -> Option<Time> {
        let all = [self.timers.next(), self.ring.poll_timeout(), self.battery.poll_timeout()];
        all.into_iter().flatten().min()
    }

    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    pub fn country(&self) -> &Arc<Country> {
        &self.country
    }

    fn flashed(&mut self, now: Time) {
        self.timers.stop(Timer::FlashOver);
        self.hook = Hook::OffHook;
        if self.lost_in_flash {
            self.battery.lost(now);
        }
        self.open_ear_at(now, EAR_GUARD);
        self.tell(Event::FlashDone);
    }

    fn dialled(&mut self, now: Time) {
        self.timers.stop(Timer::DialOver);
        self.open_ear_at(now, EAR_GUARD);
        self.tell(Event::DialDone);
    }

    fn open_ear_at(&mut self, now: Time, after: Duration) {
        self.deaf = true;
        self.timers.set(Timer::EarOpen, now + after);
    }

    fn command(&mut self, command: Command) {
        self.out.push_back(Output::Command(command));
    }

    fn tell(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }
}

/// The record's words for an event. Numbers are shown: a record goes to the user who asked for it; logs mask.
pub fn describe(event: &Event) -> String {
    match event {
        Event::Ringing { burst } => format!("ringing {burst}"),
        Event::RingingStopped => "ringing stopped".into(),
        Event::CallerId(id) => {
            let format = match id.format {
                CallerIdFormat::Bell202 => "bell202",
                CallerIdFormat::V23 => "v23",
                CallerIdFormat::Dtmf => "dtmf",
            };
            format!("{} ({format})", crate::call::describe_caller(id))
        }
        Event::CallerIdGarbled(bytes) => {
            let hex: String = bytes.iter().take(48).map(|b| format!("{b:02x}")).collect();
            format!("caller ID garbled {hex}")
        }
        Event::Heard(heard) => describe_heard(heard),
        Event::ForwardDisconnect { open } => format!("forward disconnect {}ms", open.as_millis()),
        Event::LineLost => "battery lost".into(),
        Event::LineBack => "battery back".into(),
        Event::OtherTelephoneLifted { millivolts } => format!("another telephone lifted {}", volts(*millivolts)),
        Event::OtherTelephoneHungUp => "the other telephone hung up".into(),
        Event::LoopHeld { millivolts } => format!("another telephone keeps the loop closed {}", volts(*millivolts)),
        Event::Reversal => "reversal".into(),
        Event::FlashDone => "flash done".into(),
        Event::DialDone => "digits sent".into(),
        Event::PlayDone => "played".into(),
        Event::Alarm(alarm) => format!("alarm {alarm:?}").to_lowercase(),
        Event::AlarmCleared => "alarm cleared".into(),
        Event::DeviceRemoved => "device removed".into(),
        Event::MessageWaiting(on) => format!("message waiting {}", if *on { "on" } else { "off" }),
        Event::OffHook => "off-hook".into(),
        Event::OnHook => "on-hook".into(),
        Event::Flash => "flash".into(),
        Event::PulseDigit(d) => format!("pulse digit {d}"),
        Event::Overrun => "audio overrun".into(),
        Event::Underrun => "audio underrun".into(),
    }
}

fn volts(millivolts: u32) -> String {
    format!("{:.1}V", f64::from(millivolts) / 1000.0)
}

fn describe_heard(heard: &Heard) -> String {
    match heard {
        Heard::Tone { tone, since } => format!("tone {tone} since {since}"),
        Heard::ToneEnded { tone, at } => format!("tone {tone} ended {at}"),
        Heard::Speech { since } => format!("speech since {since}"),
        Heard::SpeechEnded { at } => format!("speech ended {at}"),
        Heard::Silence { since } => format!("silence since {since}"),
        Heard::Digit { digit, lasted, .. } => format!("digit {digit} {}ms", lasted.as_millis()),
        Heard::Fax { tone, .. } => format!("fax {}", tone.name()),
        Heard::Alert { lasted, .. } => format!("alert {}ms", lasted.as_millis()),
        Heard::OtherTone { hz, since } => format!("other tone {hz}Hz since {since}"),
        Heard::OtherToneEnded { hz, lasted, .. } => format!("other tone {hz}Hz ended after {}ms", lasted.as_millis()),
    }
}
