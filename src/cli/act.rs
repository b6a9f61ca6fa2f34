//! `tipring hangup`, `flash`, `dtmf`, `transfer`: act on the call in progress, whoever holds it.

use super::answer::FailPolicy;
use super::open::Named;
use super::{Global, render, speech};
use crate::call::Target;
use crate::control::place::Places;
use crate::control::request::{BRIEF_MAX, pack_brief};
use crate::control::{Answer, Ask, TargetAsk, client};
use crate::duration;
use crate::error::{Error, Exit};
use clap::Args;
use serde_json::{Value, json};
use std::time::Duration;

/// End the call in progress on a line
#[derive(Args, Debug)]
pub struct Hangup {}

/// Send a hook flash (register recall) in the call in progress
#[derive(Args, Debug)]
pub struct Flash {
    /// How long the loop is opened; else the first width of the line's profile
    #[arg(long, value_name = "DUR", value_parser = duration::parse)]
    pub width: Option<Duration>,
}

/// Send digits in the call in progress
#[derive(Args, Debug)]
pub struct Dtmf {
    /// Digits, *, #, A to D; a comma waits one second
    pub digits: String,
}

/// Move the call in progress to the first target that takes it
///
/// Cold (default): leave as soon as the target rings, where the exchange allows that, else when it answers. Warm: leave
/// when it has answered. A target that is busy, refuses,
/// is not in service or does not answer is left again with a flash, the caller is heard to be there, and the next one is
/// tried; when none is left the caller is back (exit 20).
#[derive(Args, Debug)]
pub struct Transfer {
    /// Numbers, or names from [contacts]
    #[arg(required = true, value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Leave only when the target has answered
    #[arg(long)]
    pub warm: bool,
    /// Try the next target when one rang for so long
    #[arg(long, value_name = "DUR", value_parser = duration::parse_some, default_value = "25s")]
    pub no_answer_after: Duration,
    /// Call the targets on this line instead, and connect the two in the line's owner
    #[arg(long, value_name = "LINE")]
    pub second_line: Option<String>,
    /// What becomes of the caller when nobody takes the call
    #[arg(long, default_value_t, value_name = "return|hangup|voicemail=NUM", value_parser = FailPolicy::parser(), hide_possible_values = true)]
    pub on_fail: FailPolicy,
    /// Play this to a target who answered - a WAV file, or words to be spoken -, who accepts with 1 or refuses with 2
    #[arg(long, value_name = "TEXT|FILE")]
    pub brief: Option<String>,
}

/// Put the caller on hold: a hook flash, and the exchange's recall tone heard
///
/// Then `dtmf NUMBER` calls a second party, `conference` brings all three together, and `retrieve` goes back to the caller.
#[derive(Args, Debug)]
pub struct Hold {}

/// Take the caller back from hold, and hear that he is there; a second party is left
#[derive(Args, Debug)]
pub struct Retrieve {}

/// Bring all three together
///
/// Without a target: the caller on hold and whom `dtmf` has called. With one: the whole of it - hold, call, wait for the
/// answer, join; when the target does not answer, the caller is back (exit 20).
#[derive(Args, Debug)]
pub struct Conference {
    /// A number, or a name from [contacts]
    pub target: Option<String>,
    /// Give up when it rang for so long
    #[arg(long, value_name = "DUR", value_parser = duration::parse_some, default_value = "25s")]
    pub no_answer_after: Duration,
}

impl Hangup {
    pub fn run(self, global: &Global) -> Result<Exit, Error> {
        simple(global, "hangup", Ask::HangUp)
    }
}

impl Flash {
    pub fn run(self, global: &Global) -> Result<Exit, Error> {
        simple(global, "flash", Ask::Flash { ms: self.width.map(|w| w.as_millis() as u64) })
    }
}

impl Dtmf {
    pub fn run(self, global: &Global) -> Result<Exit, Error> {
        if let Err(e) = self.digits.parse::<crate::number::DialString>() {
            let next = "give digits, *, #, A to D, and commas for pauses";
            return Err(Error::new(Exit::Usage, "cannot send these digits", e.to_string(), next));
        }
        simple(global, "dtmf", Ask::Dtmf { digits: self.digits })
    }
}

impl Transfer {
    pub fn run(self, global: &Global) -> Result<Exit, Error> {
        let config = global.load_config()?;
        let named = Named::find(global, &config, None)?;
        let plus = named.country.dialling.plus();
        let mut targets = Vec::new();
        for text in &self.targets {
            let target = config.target(text, plus)?;
            targets.push(TargetAsk { name: target.name.clone(), number: target.number.reveal() });
        }
        let rings = self.no_answer_after * u32::try_from(targets.len()).unwrap_or(1);
        let as_ask = |t: Target| TargetAsk { name: t.name.clone(), number: t.number.reveal() };
        let brief = self.brief.as_deref().map(|b| speech::text_or_file(&config, b)).transpose()?;
        if let Some(sound) = brief.as_ref().filter(|s| s.len() > BRIEF_MAX) {
            let why = format!("it lasts {:.0} s", sound.len() as f64 / 8000.0);
            return Err(Error::new(Exit::Config, "cannot use the brief", why, "give a minute at most"));
        }
        let ask = Ask::Transfer {
            targets,
            warm: self.warm,
            no_answer_after_ms: Some(self.no_answer_after.as_millis() as u64),
            on_fail: self.on_fail.on_fail(),
            voicemail: self.on_fail.voicemail(&config, plus)?.map(as_ask),
            brief: brief.as_deref().map(pack_brief),
            second_line: self.second_line.clone(),
        };
        if global.dry_run {
            return super::plan::ask(global, &named, &ask);
        }
        let briefing = brief.map_or(Duration::ZERO, |b| Duration::from_secs(2 * (b.len() as u64 / 8000 + 10)));
        // beyond the ringing, a target takes a flash, digits and the way back: half a minute covers the slowest
        let each = briefing + Duration::from_secs(30);
        let limit = global.timeout.unwrap_or(rings + each * (self.targets.len() as u32 + 3));
        moved(global, "transfer", &named, &ask, limit)
    }
}

impl Hold {
    pub fn run(self, global: &Global) -> Result<Exit, Error> {
        act(global, "hold", Ask::Hold, Duration::from_secs(60))
    }
}

impl Retrieve {
    pub fn run(self, global: &Global) -> Result<Exit, Error> {
        act(global, "retrieve", Ask::Retrieve, Duration::from_secs(60))
    }
}

impl Conference {
    pub fn run(self, global: &Global) -> Result<Exit, Error> {
        let config = global.load_config()?;
        let named = Named::find(global, &config, None)?;
        let plus = named.country.dialling.plus();
        let target = self.target.as_deref().map(|t| config.target(t, plus)).transpose()?;
        let ask = Ask::Conference {
            target: target.map(|t| TargetAsk { name: t.name.clone(), number: t.number.reveal() }),
            no_answer_after_ms: Some(self.no_answer_after.as_millis() as u64),
        };
        act(global, "conference", ask, self.no_answer_after + Duration::from_secs(60))
    }
}

fn act(global: &Global, command: &'static str, ask: Ask, limit: Duration) -> Result<Exit, Error> {
    let config = global.load_config()?;
    let named = Named::find(global, &config, None)?;
    if global.dry_run {
        return super::plan::ask(global, &named, &ask);
    }
    moved(global, command, &named, &ask, global.timeout.unwrap_or(limit))
}

/// Asks for something that moves parties about, and tells each step.
fn moved(global: &Global, command: &'static str, named: &Named, ask: &Ask, limit: Duration) -> Result<Exit, Error> {
    match request(named, ask, limit)? {
        Answer::Transfer(report) => {
            let mut document = json!({ "schema": format!("tipring.{command}/1"), "line": named.name });
            merge(&mut document, serde_json::to_value(&report).unwrap_or_default());
            let lines = || {
                let target = report.target.as_deref().map(|t| format!(" to {t}")).unwrap_or_default();
                let mut lines = render::steps(&report.steps);
                lines.push(format!("{}: {}{target}", named.name, report.result));
                lines
            };
            let came = format!("{} (exit {})", lines().last().cloned().unwrap_or_default(), report.exit);
            super::told_after(global.style().answer(&document, lines), &came, in_journal(named))?;
            Ok(Exit::from_code(report.exit).unwrap_or(Exit::Failed))
        }
        other => Err(unexpected(&other)),
    }
}

fn simple(global: &Global, command: &'static str, ask: Ask) -> Result<Exit, Error> {
    let config = global.load_config()?;
    let named = Named::find(global, &config, None)?;
    if global.dry_run {
        return super::plan::ask(global, &named, &ask);
    }
    match request(&named, &ask, global.timeout.unwrap_or(Duration::from_secs(60)))? {
        Answer::Done { heard } => {
            let document =
                json!({ "schema": format!("tipring.{command}/1"), "line": named.name, "exit": 0, "heard": heard });
            let heard = heard.map(|h| format!(", heard {h}")).unwrap_or_default();
            let came = format!("{}: done{heard}", named.name);
            let told = global.style().answer(&document, || vec![came.clone()]);
            super::told_after(told, &came, in_journal(&named))?;
            Ok(Exit::Done)
        }
        other => Err(unexpected(&other)),
    }
}

/// Asks the owner of the line. A line that nobody holds has no call to act on.
fn request(named: &Named, ask: &Ask, limit: Duration) -> Result<Answer, Error> {
    let Some(name) = named.lock_name() else {
        return Err(Error::new(
            Exit::Failed,
            format!("no call on {}", named.name),
            "a simulated line on the virtual clock lives inside one command",
            "start the call with `tipring --line sim/us answer --detach`, without clock=virtual",
        ));
    };
    match client::ask(&Places::of_this_process(), &name, ask, limit)? {
        Answer::Error { what, why, next, exit } => {
            Err(Error::new(Exit::from_code(exit).unwrap_or(Exit::Failed), what, why, next))
        }
        answer => Ok(answer),
    }
}

/// The call is its owner's, who writes it there.
fn in_journal(named: &Named) -> String {
    format!("`tipring --line '{}' calls` has the call", named.name)
}

fn unexpected(answer: &Answer) -> Error {
    let why = format!("its owner answered {answer:?}");
    Error::new(
        Exit::Bug,
        "the line's owner speaks another language",
        why,
        "use one version of tipring for all commands",
    )
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}
