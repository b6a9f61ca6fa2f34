//! `tipring hangup`, `flash`, `dtmf`, `transfer`: act on the call in progress, whoever holds it.

use super::answer::FailPolicy;
use super::open::Named;
use super::{Global, render};
use crate::control::place::Places;
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
/// Cold (default): leave as soon as the target rings. Warm: leave when it has answered. A target that is busy, refuses,
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
    #[arg(long, value_name = "DUR", value_parser = duration::parse, default_value = "20s")]
    pub no_answer_after: Duration,
    /// What becomes of the caller when nobody takes the call
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    pub on_fail: FailPolicy,
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
        let prefix = named.country.dialling.international_prefix.as_deref();
        let mut targets = Vec::new();
        for text in &self.targets {
            let target = config.target(text, prefix)?;
            targets.push(TargetAsk { name: target.name.clone(), number: target.number.reveal() });
        }
        let rings = self.no_answer_after * u32::try_from(targets.len()).unwrap_or(1);
        let ask = Ask::Transfer {
            targets,
            warm: self.warm,
            no_answer_after_ms: Some(self.no_answer_after.as_millis() as u64),
            on_fail: self.on_fail.into(),
        };
        if global.dry_run {
            return super::shell::dry_ask(global, &named, &ask);
        }
        // beyond the ringing, a target takes a flash, digits and the way back: half a minute covers the slowest
        let limit = global.timeout.unwrap_or(rings + Duration::from_secs(30 * (self.targets.len() as u64 + 2)));
        match request(&named, &ask, limit)? {
            Answer::Transfer(report) => {
                let mut document = json!({ "schema": "tipring.transfer/1", "line": named.name });
                merge(&mut document, serde_json::to_value(&report).unwrap_or_default());
                let lines = || {
                    let target = report.target.as_deref().map(|t| format!(" to {t}")).unwrap_or_default();
                    let mut lines = render::steps(&report.steps);
                    lines.push(format!("{}: {}{target}", named.name, report.result));
                    lines
                };
                super::told(global.style().answer(&document, lines))?;
                Ok(Exit::from_code(report.exit).unwrap_or(Exit::Failed))
            }
            other => Err(unexpected(&other)),
        }
    }
}

fn simple(global: &Global, command: &'static str, ask: Ask) -> Result<Exit, Error> {
    let config = global.load_config()?;
    let named = Named::find(global, &config, None)?;
    if global.dry_run {
        return super::shell::dry_ask(global, &named, &ask);
    }
    match request(&named, &ask, global.timeout.unwrap_or(Duration::from_secs(60)))? {
        Answer::Done { heard } => {
            let document =
                json!({ "schema": format!("tipring.{command}/1"), "line": named.name, "exit": 0, "heard": heard });
            let lines =
                || vec![format!("{}: done{}", named.name, heard.map(|h| format!(", heard {h}")).unwrap_or_default())];
            super::told(global.style().answer(&document, lines))?;
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
