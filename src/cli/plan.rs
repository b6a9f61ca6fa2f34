//! `--dry-run`: what a command would do, step by step; nothing is touched.

use super::dial::Talking;
use super::open::{Named, second_line};
use super::{Global, hold_line};
use crate::call::transfer::SecondLine;
use crate::call::{Begin, Completion, Manners, Plan};
use crate::control::Ask;
use crate::control::request::{OnFail, unpack_brief};
use crate::driver::{self, Selector};
use crate::error::{Error, Exit, printable};
use serde_json::json;
use std::time::Duration;

/// What `dial` and `answer` would do.
pub fn call(global: &Global, named: &Named, plan: &Plan, talking: &Talking) -> Result<Exit, Error> {
    let manners = known_manners(named)?;
    let mut steps = Vec::new();
    if talking.detach {
        hold_line::may_detach(named)?;
        steps.push(
            "start a process that stays behind with the line and does what follows; return when the call is up, or \
             its transfer through"
                .into(),
        );
    }
    if let Some(file) = &talking.record {
        steps.push(format!("record the call to {}", printable(&file.to_string_lossy())));
    }
    match &plan.begin {
        Begin::Dial(d) => {
            steps.push(format!("off-hook, wait {} for dial tone", seconds(manners.dial_tone_wait)));
            steps.push(format!("dial {}", d.target.number.reveal()));
            steps.push(gives_up(d.no_answer_after));
        }
        Begin::Answer(a) => {
            let wait = a.rule.wait.map_or("as long as it takes".into(), seconds);
            let rings = match a.rule.after_rings {
                Some(n) => format!("on ring {n}"),
                None => "as soon as caller ID is in".into(),
            };
            steps.push(format!("wait {wait} for ringing, answer {rings}"));
        }
    }
    if let Some(transfer) = &plan.transfer {
        let moving = Moving {
            manners: &manners,
            warm: transfer.warm,
            no_answer_after: transfer.no_answer_after,
            brief: transfer.brief.as_deref().map(length),
            second: transfer.second_line.as_ref(),
        };
        let numbers: Vec<String> = transfer.targets.iter().map(|t| t.number.reveal()).collect();
        let voicemail = transfer.voicemail.as_ref().map(|t| t.number.reveal());
        moving.steps(&numbers, voicemail.as_deref(), &mut steps);
        steps.push(match plan.stay {
            None => "nobody took it: stay with the caller until told".into(),
            Some(Duration::ZERO) => "nobody took it: hang up on the caller".into(),
            Some(stay) => format!("nobody took it: stay with the caller {}, then hang up", seconds(stay)),
        });
    } else {
        talk(plan, &mut steps);
    }
    if let Some(limit) = plan.talk.limit {
        let what = if plan.transfer.is_some() { "of talk that is left on this line" } else { "of talk" };
        steps.push(format!("after {} {what}: hang up", seconds(limit)));
    }
    steps.push("on-hook".into());
    show(global, named, steps)
}

/// What is done in a call that is not moved on.
fn talk(plan: &Plan, steps: &mut Vec<String>) {
    match (&plan.talk.play, plan.talk.hang_up_after) {
        (Some(sound), _) => {
            let then = if plan.talk.hang_up_when_played { ", then hang up" } else { "" };
            steps.push(format!("when the call is up: play {}{then}", seconds(length(sound))));
        }
        (None, Some(hold)) if plan.talk.limit.is_none() => {
            steps.push(format!("when the call is up: hold it for {}, then hang up", seconds(hold)));
        }
        (None, Some(_)) => {}
        (None, None) => steps.push("when the call is up: stay until the far side hangs up, or until told".into()),
    }
}

/// What a request to a call in progress would do.
pub fn ask(global: &Global, named: &Named, ask: &Ask) -> Result<Exit, Error> {
    let manners = known_manners(named)?;
    let mut steps = Vec::new();
    match ask {
        Ask::Status => {}
        Ask::HangUp => steps.push("on-hook".into()),
        Ask::Flash { ms } => {
            let width = ms.unwrap_or(manners.flash_widths.first().map_or(500, |w| w.as_millis() as u64));
            steps.push(format!("flash {width} ms"));
        }
        Ask::Dtmf { digits } => steps.push(format!("dial {digits}")),
        Ask::Hold => steps.push(format!("flash {}, wait for recall tone", widths(&manners))),
        Ask::Retrieve => steps.push(format!("{} back to the caller, and hear that he is there", manners.back)),
        Ask::Conference { target, .. } => {
            if let Some(t) = target {
                let wait = seconds(manners.recall_tone_wait);
                steps.push(format!("flash, wait {wait} for recall tone, dial {}, wait for an answer", t.number));
            }
            let join = manners.join.as_deref().unwrap_or("R");
            steps.push(format!("{join}, and hear who speaks"));
        }
        Ask::Transfer { targets, warm, second_line: second, brief, voicemail, no_answer_after_ms, on_fail } => {
            let second = second_line(&global.load_config()?, named, second.as_deref())?;
            let moving = Moving {
                manners: &manners,
                warm: *warm,
                no_answer_after: no_answer_after_ms.map_or(super::answer::NO_ANSWER_AFTER, Duration::from_millis),
                brief: brief.as_deref().map(unpack_brief).transpose()?.as_deref().map(length),
                second: second.as_ref(),
            };
            let numbers: Vec<String> = targets.iter().map(|t| t.number.clone()).collect();
            moving.steps(&numbers, voicemail.as_ref().map(|t| t.number.as_str()), &mut steps);
            steps.push(match on_fail {
                OnFail::Hangup => "nobody took it: hang up on the caller".into(),
                OnFail::Return => "nobody took it: the caller is back with whoever holds the call".into(),
            });
        }
    }
    show(global, named, steps)
}

/// The part of a plan that moves the caller on.
struct Moving<'a> {
    manners: &'a Manners,
    warm: bool,
    no_answer_after: Duration,
    /// How long it lasts.
    brief: Option<Duration>,
    second: Option<&'a SecondLine>,
}

impl Moving<'_> {
    fn steps(&self, numbers: &[String], voicemail: Option<&str>, steps: &mut Vec<String>) {
        if self.manners.complete == Completion::Never && self.second.is_none() {
            return steps.push("refuse: on this line our hang-up would drop both parties".into());
        }
        for (i, number) in numbers.iter().enumerate() {
            let last = i + 1 == numbers.len() && voicemail.is_none();
            let answered = self.warm || self.brief.is_some() || !last;
            self.target(number, answered, steps);
        }
        if let Some(number) = voicemail {
            steps.push(format!("nobody took it: on to the voicemail at {number}"));
            // a mailbox accepts nothing and refuses nothing
            Moving { brief: None, ..*self }.target(number, self.warm, steps);
        }
    }

    /// `answered`: the target has to answer before we leave, whether or not the transfer is warm.
    fn target(&self, number: &str, answered: bool, steps: &mut Vec<String>) {
        let manners = self.manners;
        let at_once = |s: &&SecondLine| s.always || manners.complete == Completion::Never;
        if let Some(second) = self.second.filter(at_once) {
            let meanwhile = if self.warm || self.brief.is_some() { "in silence" } else { "with the ringback" };
            let dial = format!("dial {number} on {}, the caller waits {meanwhile}", second.name);
            let connect = "connect the two here, until one hangs up";
            if self.brief.is_some() {
                steps.push(dial);
                self.brief_of_who_answers(steps);
                steps.push(format!("on a 1: {connect}"));
            } else {
                steps.push(format!("{dial}; on an answer {connect}"));
            }
            return steps.push(gives_up(self.no_answer_after));
        }
        let wait = seconds(manners.recall_tone_wait);
        steps.push(format!("flash {}, wait {wait} for recall tone", widths(manners)));
        if let Some(second) = self.second {
            steps.push(format!("if no flash brings one: dial {number} on {}, and connect the two here", second.name));
        }
        steps.push(format!("dial {number}"));
        steps.push(gives_up(self.no_answer_after));
        self.brief_of_who_answers(steps);
        let until = match self.brief {
            Some(_) => "a 1",
            None if answered || !manners.while_ringing => "an answer",
            None => "ringback",
        };
        let complete = match &manners.complete {
            Completion::Stay => "flash, and stay with both".into(),
            Completion::Recall(code) => format!("flash, dial {}, hang up", code.reveal()),
            _ => "hang up".into(),
        };
        let known = manners.complete != Completion::HangUp || manners.complete_is_known;
        let unsaid =
            if known { "" } else { " (whether it connects the two nobody has said: transfer.complete; exit 31)" };
        steps.push(format!(
            "on {until}: {complete}{unsaid}; watch {} for recall ringing, then dial tone",
            seconds(manners.recall_ring_watch)
        ));
        steps.push(format!("on anything else: {} back to the caller, and hear that he is there", manners.back));
    }

    fn brief_of_who_answers(&self, steps: &mut Vec<String>) {
        if let Some(length) = self.brief {
            steps.push(format!(
                "on an answer: play the brief of {}, to be answered with 1 (accepts) or 2 (refuses); without either once \
                 more, then he refuses",
                seconds(length)
            ));
        }
    }
}

/// With what the line itself knows of its exchange, where that can be had without touching anything.
pub fn known_manners(named: &Named) -> Result<Manners, Error> {
    let mut manners = named.manners();
    if let Selector::Sim { .. } = named.selector {
        let port = driver::open(&named.selector, named.facts, named.config.as_ref());
        manners.learn(port.map_err(|e| e.explain(&named.name))?.hang_up_connects());
    }
    Ok(manners)
}

fn gives_up(after: Duration) -> String {
    format!("listen; give up after {} of ringback", seconds(after))
}

fn widths(manners: &Manners) -> String {
    manners.flash_widths.iter().map(|w| format!("{} ms", w.as_millis())).collect::<Vec<_>>().join(", else ")
}

/// Of a sound at 8 kHz, to the tenth of a second.
fn length(sound: &[i16]) -> Duration {
    Duration::from_millis((sound.len() as u64).div_ceil(800) * 100)
}

fn seconds(d: Duration) -> String {
    format!("{} s", d.as_secs_f64())
}

/// The plan of a command on a line.
pub fn show(global: &Global, named: &Named, steps: Vec<String>) -> Result<Exit, Error> {
    let document =
        json!({ "schema": "tipring.plan/1", "line": named.name, "country": named.country.code, "plan": steps });
    super::read(global.style().answer(&document, || steps.clone()))?;
    Ok(Exit::Done)
}

/// The plan of a command that has no line, or several.
pub fn show_steps(global: &Global, steps: Vec<String>) -> Result<Exit, Error> {
    let document = json!({ "schema": "tipring.plan/1", "plan": steps });
    super::read(global.style().answer(&document, || steps.clone()))?;
    Ok(Exit::Done)
}
