//! A whole call on the simulated exchange, with the exchange's own books beside it: who talked with whom, who was lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tipring::call::receive::AnswerRule;
use tipring::call::talk::TalkPlan;
use tipring::call::transfer::TransferPlan;
use tipring::call::{Answering, Begin, Completion, Manners, Plan, Target};
use tipring::clock::Time;
use tipring::driver::Port;
use tipring::driver::sim::SimPort;
use tipring::driver::sim::scenario::Scenario;
use tipring::error::Exit;
use tipring::facts::Facts;
use tipring::line::Line;
use tipring::owner::{Owner, Witness};
use tipring::record::{Actor, Record};

/// What a line's exchange does with our hang-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Hanging up connects the two (North America, with transfer).
    HangUp,
    /// A recall code does (ETSI: R4).
    Code,
    /// Hanging up drops them: we stay with both.
    Dies,
}

impl Class {
    pub const ALL: [Class; 3] = [Class::HangUp, Class::Code, Class::Dies];

    pub fn name(self) -> &'static str {
        match self {
            Class::HangUp => "us, hang-up",
            Class::Code => "de, R4",
            Class::Dies => "us, three-way dies",
        }
    }

    fn country(self) -> &'static str {
        if self == Class::Code { "de" } else { "us" }
    }
}

/// One call to us, and what becomes of it.
#[derive(Clone, Debug)]
pub struct Case {
    pub class: Class,
    pub targets: Vec<&'static str>,
    pub warm: bool,
    /// Lines of the scenario's `[fault]`.
    pub faults: String,
    /// Seconds that the caller holds on.
    pub patience_s: Option<f64>,
    /// When we are told to end.
    pub interrupt_at: Option<Time>,
    pub seed: u64,
}

impl Case {
    pub fn new(class: Class, targets: &[&'static str]) -> Case {
        Case {
            class,
            targets: targets.to_vec(),
            warm: true,
            faults: String::new(),
            patience_s: None,
            interrupt_at: None,
            seed: 7,
        }
    }
}

pub struct Outcome {
    pub exit: Exit,
    pub name: &'static str,
    pub trace: Vec<Record>,
}

struct Books {
    trace: Vec<Record>,
    interrupt_at: Option<Time>,
    interrupted: Arc<AtomicBool>,
}

impl Witness for Books {
    fn record(&mut self, record: &Record) -> std::io::Result<()> {
        self.trace.push(record.clone());
        Ok(())
    }

    fn stage(&mut self, now: Time, _: tipring::call::Stage) {
        if self.interrupt_at.is_some_and(|at| now >= at) {
            self.interrupted.store(true, Ordering::Relaxed);
        }
    }
}

pub fn run(case: &Case) -> Outcome {
    let patience = case.patience_s.map(|s| format!("patience_s = {s:.1}\n")).unwrap_or_default();
    let line = if case.class == Class::Dies { "[line]\ntransfer = \"none\"\n" } else { "" };
    let text = format!("{line}[fault]\n{}[[call]]\nat_s = 1.0\nfrom = \"5551234\"\n{patience}", case.faults);
    let scenario = Scenario::parse("case", &text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let country = Facts::embedded().country(case.class.country()).expect("its facts");
    let port = SimPort::on(country, &scenario, case.seed);
    let mut manners = Manners::of(country);
    if case.class == Class::Dies {
        manners.complete = Completion::Stay;
    }
    let target = |n: &&str| Target { name: None, number: n.parse().expect("digits") };
    let targets = case.targets.iter().map(target).collect();
    let plan = Plan {
        begin: Begin::Answer(Answering { rule: AnswerRule { wait: Some(Duration::from_secs(60)), after_rings: None } }),
        transfer: Some(TransferPlan::to(targets, case.warm, Duration::from_secs(25))),
        talk: TalkPlan::default(),
        stay: Some(Duration::from_secs(2)),
    };
    let line = Line::new(port.kind(), port.capabilities(), Arc::new(country.clone()), port.now());
    let interrupted = Arc::new(AtomicBool::new(false));
    let mut books = Books { trace: Vec::new(), interrupt_at: case.interrupt_at, interrupted: Arc::clone(&interrupted) };
    let mut owner = Owner::new("sim".into(), Box::new(port), line, plan, manners, &mut books, &interrupted);
    // three who talk would talk for ever
    owner.give_up_after(Some(Duration::from_secs(400)));
    let report = owner.run().unwrap_or_else(|e| panic!("{case:?}: {e}"));
    let joined = books.trace.iter().any(|r| r.who == Actor::Call && r.what.ends_with("-> joined"));
    let (exit, name) = match report.ending.name() {
        // the limit above ended it, and it was what was wanted
        "timed-out" if joined => (Exit::Done, "joined"),
        name => (report.ending.exit(), name),
    };
    Outcome { exit, name, trace: books.trace }
}

impl Outcome {
    /// Who was lost, in the exchange's words, before we put the receiver down for good.
    pub fn lost(&self) -> Vec<&str> {
        let last = self.trace.iter().rposition(|r| r.who == Actor::Us && r.what == "on-hook").unwrap_or(0);
        let joined = self.name == "joined";
        let counts = |(i, r): &(usize, &Record)| r.what.contains(" is lost: ") && !(joined && *i >= last);
        self.trace.iter().enumerate().filter(counts).map(|(_, r)| r.what.as_str()).collect()
    }

    /// Where the exchange has the caller when the call's part of ours ends.
    pub fn caller(&self) -> &str {
        let end = self.trace.iter().rposition(|r| r.who == Actor::Us && r.what == "on-hook");
        let caller = |r: &&Record| r.who == Actor::Caller && r.what.starts_with("5551234 ");
        let until = &self.trace[..end.unwrap_or(self.trace.len())];
        until.iter().rev().find(caller).map_or("", |r| &r.what["5551234 ".len()..])
    }

    pub fn story(&self) -> String {
        self.trace.iter().map(|r| format!("{r}\n")).collect()
    }

    /// What we claim against what the exchange knows. `None` when they agree.
    pub fn lie(&self) -> Option<String> {
        let (lost, caller) = (self.lost(), self.caller());
        let with_us = caller == "talks with us" || caller.contains("hangs up");
        let wrong = match self.exit {
            Exit::Done if !lost.is_empty() => "done, and somebody is lost",
            Exit::TransferFailed if !lost.is_empty() => "the caller is back, and somebody is lost",
            Exit::TransferFailed if !with_us => "the caller is back, and the exchange has him elsewhere",
            Exit::NoFlashAnswer if !with_us => "the call is where it was, and the exchange has the caller elsewhere",
            _ => return None,
        };
        Some(format!("{wrong}: exit {}, lost {lost:?}, caller {caller}", self.exit.code()))
    }
}
