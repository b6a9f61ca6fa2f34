//! A hand on the telephone: lifts, dials, flashes, listens, in virtual time.

use std::time::Duration;
use tipring::clock::Time;
use tipring::driver::sim::SimPort;
use tipring::driver::sim::census::Condition;
use tipring::driver::sim::scenario::Scenario;
use tipring::driver::{Port, Selector};
use tipring::dsp::dtmf::{DtmfGenerator, DtmfTiming};
use tipring::dsp::voice::Speech;
use tipring::dsp::{Frame, Source, level};
use tipring::event::{Command, DialMethod, Signal};
use tipring::facts::Facts;
use tipring::record::Record;

pub struct Line {
    pub port: SimPort,
    pub trace: Vec<Record>,
    pub signals: Vec<(Time, Signal)>,
    /// All that was heard since it was last emptied.
    pub audio: Vec<i16>,
    /// What we say.
    source: Option<Box<dyn Source>>,
    /// Records before this one have been looked at by `until`.
    looked: usize,
}

impl Line {
    pub fn open(selector: &str) -> Line {
        let selector: Selector = selector.parse().unwrap();
        Line::with(SimPort::open(selector, Facts::embedded()).unwrap_or_else(|e| panic!("{e}")))
    }

    /// A line with a scenario of its own.
    pub fn scripted(country: &str, scenario: &str, seed: u64) -> Line {
        let scenario = Scenario::parse("test", scenario).unwrap_or_else(|e| panic!("{e}"));
        Line::with(SimPort::on(Facts::embedded().country(country).unwrap(), &scenario, seed))
    }

    fn with(port: SimPort) -> Line {
        Line { port, trace: vec![], signals: vec![], audio: vec![], source: None, looked: 0 }
    }

    fn frame(&mut self) {
        let mut out = Frame::default();
        if self.source.as_mut().is_some_and(|s| !s.add_to(&mut out.0)) {
            self.source = None;
        }
        let _ = self.port.write(&out);
        self.port.wait(self.port.now() + Duration::from_millis(20)).unwrap();
        let mut frame = Frame::default();
        while self.port.read(&mut frame).unwrap_or(false) {
            self.audio.extend(frame.0);
        }
        while let Ok(Some(s)) = self.port.next_signal() {
            self.signals.push(s);
        }
        self.trace.extend(self.port.take_trace());
    }

    pub fn run(&mut self, ms: u64) {
        let end = self.port.now() + Duration::from_millis(ms);
        while self.port.now() < end {
            self.frame();
        }
    }

    /// Runs until the trace says this, at most so many seconds; the time at which it did.
    pub fn until(&mut self, what: &str, secs: u64) -> Time {
        let end = self.port.now() + Duration::from_secs(secs);
        loop {
            while let Some(r) = self.trace.get(self.looked) {
                self.looked += 1;
                if r.to_string().contains(what) {
                    return r.at;
                }
            }
            if self.port.now() >= end {
                panic!("`{what}` did not happen within {secs} s:\n{}", self.story());
            }
            self.frame();
        }
    }

    pub fn story(&self) -> String {
        self.trace.iter().map(|r| format!("{r}\n")).collect()
    }

    pub fn saw(&self, what: &str) -> bool {
        self.trace.iter().any(|r| r.to_string().contains(what))
    }

    pub fn command(&mut self, c: Command) {
        self.port.command(c).unwrap();
    }

    pub fn off_hook(&mut self) {
        self.command(Command::OffHook);
    }

    pub fn on_hook(&mut self) {
        self.command(Command::OnHook);
    }

    pub fn flash(&mut self, ms: u64) {
        self.command(Command::Flash(Duration::from_millis(ms)));
        self.run(ms + 20);
    }

    /// Sends tones, to their end.
    pub fn dial(&mut self, digits: &str) {
        self.source = Some(Box::new(DtmfGenerator::new(&digits.parse().unwrap(), DtmfTiming::default())));
        while self.source.is_some() {
            self.frame();
        }
    }

    pub fn pulse(&mut self, digits: &str) {
        self.command(Command::Dial(digits.parse().unwrap(), DialMethod::Pulse));
        let end = self.port.now() + Duration::from_secs(60);
        while !self.signals.iter().any(|(_, s)| *s == Signal::DialDone) {
            self.frame();
            assert!(self.port.now() < end, "dialling never ended");
        }
    }

    pub fn speak(&mut self, ms: u64) {
        self.source = Some(Box::new(Speech::new(99, -15.0)));
        self.run(ms);
        self.source = None;
    }

    /// Off-hook, dial tone, number.
    pub fn call(&mut self, number: &str) {
        self.off_hook();
        self.until("tone dial", 5);
        self.run(300);
        self.dial(number);
        self.until(&format!("routes {number}"), 2);
    }

    /// Answers the incoming call of the scenario, and talks for a moment.
    pub fn answer(&mut self) {
        self.until("ring us", 10);
        self.run(4500);
        self.off_hook();
        self.until("talks with us", 1);
        self.run(2000);
    }

    /// With somebody on the line: flash, recall tone, number.
    pub fn consult(&mut self, flash_ms: u64, number: &str) {
        self.flash(flash_ms);
        self.until("tone recall-dial", 3);
        self.run(500);
        self.dial(number);
        self.until(&format!("routes {number}"), 2);
    }

    /// R and a digit.
    pub fn r(&mut self, flash_ms: u64, digit: &str) {
        self.flash(flash_ms);
        self.until("tone recall-dial", 3);
        self.run(300);
        self.dial(digit);
        self.run(200);
    }

    pub fn condition(&self, number: &str) -> String {
        self.port.exchange().census().of(number).map_or("nobody".into(), Condition::to_string)
    }

    pub fn lost(&self) -> Vec<String> {
        self.port.exchange().census().lost().into_iter().map(String::from).collect()
    }

    /// The level of the next so many milliseconds.
    pub fn level(&mut self, ms: u64) -> f32 {
        self.audio.clear();
        self.run(ms);
        level::dbm0(&self.audio)
    }

    /// How much of the next so many milliseconds' power lies at these frequencies.
    pub fn share(&mut self, hz: &[f64], ms: u64) -> f64 {
        self.audio.clear();
        self.run(ms);
        share(&self.audio, hz)
    }

    pub fn signal_at(&self, signal: Signal) -> Option<Time> {
        self.signals.iter().find(|(_, s)| *s == signal).map(|(t, _)| *t)
    }
}

/// By blocks of 50 ms at most: a tone that comes and goes is still that tone.
pub fn share(audio: &[i16], hz: &[f64]) -> f64 {
    let (mut total, mut there) = (0.0, 0.0);
    for block in audio.chunks(400) {
        let n = block.len() as f64;
        total += block.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
        for f in hz {
            let (mut re, mut im) = (0.0, 0.0);
            for (i, s) in block.iter().enumerate() {
                let phase = std::f64::consts::TAU * f * i as f64 / 8000.0;
                re += f64::from(*s) * phase.cos();
                im += f64::from(*s) * phase.sin();
            }
            there += 2.0 * (re * re + im * im) / n;
        }
    }
    there / total
}
