//! `tipring answer`: wait for a call, take it, and move it on.

use super::dial::Talking;
use super::open::Named;
use super::suggest::Suggested;
use super::{Global, hold_line, open, render, speech};
use crate::call::receive::AnswerRule;
use crate::call::transfer::TransferPlan;
use crate::call::{Answering, Begin, Plan, Target};
use crate::config::Config;
use crate::control::request::OnFail;
use crate::duration;
use crate::error::{Error, Exit};
use crate::number::Plus;
use clap::Args;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How long a target of a transfer may ring.
pub const NO_ANSWER_AFTER: Duration = Duration::from_secs(25);

pub mod duration_default {
    use std::time::Duration;
    /// Long enough to be sure of an answer, and that it was not somebody who hung up at once; short enough for a script.
    pub const HOLD: Duration = Duration::from_secs(8);
    /// How long we stay with a caller whom nobody took.
    pub const STAY: Duration = Duration::from_secs(30);
}

/// Wait for a call, take its caller ID, answer, and transfer it on if told to
///
/// With --transfer-to the call is moved to the first target that takes it; when none does, the caller is back on this
/// line (exit 20) and stays for --stay, in which other commands can act on the call.
#[derive(Args, Debug)]
pub struct Answer {
    /// Wait no longer than this for a call (exit 75); without it --wait goes for the call, too
    #[arg(long = "within", value_name = "DUR", value_parser = duration::parse)]
    pub within: Option<Duration>,
    /// Answer on this ring, instead of as soon as the caller ID is in
    #[arg(long, value_name = "RINGS", value_parser = clap::value_parser!(u32).range(1..=20))]
    pub after: Option<u32>,
    #[command(flatten)]
    pub talk: Talking,
    #[command(flatten)]
    pub moving: Moving,
}

/// Moving a call as part of the same command.
#[derive(Args, Debug, Default)]
pub struct Moving {
    /// Move the call to the first of these that takes it: numbers or names from [contacts]
    #[arg(long, value_name = "TARGET,…", value_delimiter = ',')]
    pub transfer_to: Vec<String>,
    /// Leave only when the target has answered, instead of as soon as the last one rings
    #[arg(long, requires = "transfer_to")]
    pub warm: bool,
    /// Call the targets on this line instead, and connect the two here
    #[arg(long, value_name = "LINE", requires = "transfer_to")]
    pub second_line: Option<String>,
    /// Try the next target when one rang for so long
    #[arg(long = "target-no-answer-after", value_name = "DUR", requires = "transfer_to", value_parser = duration::parse_some)]
    pub target_no_answer_after: Option<Duration>,
    /// What becomes of the caller when nobody takes the call
    #[arg(long, default_value_t, requires = "transfer_to", value_name = "return|hangup|voicemail=NUM", value_parser = FailPolicy::parser(), hide_possible_values = true)]
    pub on_fail: FailPolicy,
    /// Play this to a target who answered - a WAV file, or words to be spoken -, who accepts with 1 or refuses with 2
    #[arg(long, value_name = "TEXT|FILE", requires = "transfer_to")]
    pub brief: Option<String>,
    /// After a failed transfer stay with the caller for so long, then hang up; 30s when not given, and with --detach
    /// until somebody acts on the call; --hangup-after goes for it too
    #[arg(long, value_name = "DUR", requires = "transfer_to", value_parser = duration::parse)]
    pub stay: Option<Duration>,
}

/// What becomes of a caller whom nobody took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FailPolicy {
    /// He is back on this line.
    #[default]
    Return,
    /// He is hung up on.
    Hangup,
    /// He is moved on to this number.
    Voicemail(String),
}

impl FromStr for FailPolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<FailPolicy, String> {
        match text.split_once('=') {
            None if text == "return" => Ok(FailPolicy::Return),
            None if text == "hangup" => Ok(FailPolicy::Hangup),
            Some(("voicemail", number)) if !number.is_empty() => Ok(FailPolicy::Voicemail(number.into())),
            _ => Err("it is return, hangup, or voicemail=NUMBER".into()),
        }
    }
}

impl fmt::Display for FailPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FailPolicy::Return => f.write_str("return"),
            FailPolicy::Hangup => f.write_str("hangup"),
            FailPolicy::Voicemail(number) => write!(f, "voicemail={number}"),
        }
    }
}

impl FailPolicy {
    /// With the words that a shell may offer.
    pub fn parser() -> Suggested<FailPolicy> {
        Suggested::new(["return", "hangup", "voicemail="])
    }

    pub fn on_fail(&self) -> OnFail {
        match self {
            FailPolicy::Hangup => OnFail::Hangup,
            FailPolicy::Return | FailPolicy::Voicemail(_) => OnFail::Return,
        }
    }

    pub fn voicemail(&self, config: &Config, plus: Plus<'_>) -> Result<Option<Target>, Error> {
        match self {
            FailPolicy::Voicemail(number) => config.target(number, plus).map(Some),
            FailPolicy::Return | FailPolicy::Hangup => Ok(None),
        }
    }
}

impl Moving {
    pub fn plan(&self, config: &Config, named: &Named, talk: &Talking) -> Result<Option<TransferPlan>, Error> {
        if self.transfer_to.is_empty() {
            return Ok(None);
        }
        self.check(talk)?;
        let plus = named.country.dialling.plus();
        let targets = self.transfer_to.iter().map(|t| config.target(t, plus)).collect::<Result<_, _>>()?;
        let no_answer_after = self.target_no_answer_after.unwrap_or(NO_ANSWER_AFTER);
        let mut plan = TransferPlan::to(targets, self.warm, no_answer_after);
        plan.voicemail = self.on_fail.voicemail(config, plus)?;
        plan.brief = self.brief.as_deref().map(|b| speech::text_or_file(config, b)).transpose()?;
        plan.second_line = open::second_line(config, named, self.second_line.as_deref())?;
        Ok(Some(plan))
    }

    pub fn stay(&self, talk: &Talking) -> Option<Duration> {
        match (&self.on_fail, self.stay) {
            (FailPolicy::Hangup, _) => Some(Duration::ZERO),
            (_, Some(stay)) => Some(stay),
            // a detached owner keeps the call until somebody acts on it, and who says how long talk lasts has said it
            (_, None) if talk.detach || talk.hangup_after.is_some() => None,
            (_, None) => Some(duration_default::STAY),
        }
    }

    /// What is played in the call has no place in one that is moved on as soon as it is up.
    fn check(&self, talk: &Talking) -> Result<(), Error> {
        let given = [("--play", talk.play.is_some()), ("--say", talk.say.is_some())];
        let Some((option, _)) = given.into_iter().find(|(_, given)| *given) else { return Ok(()) };
        Err(Error::new(
            Exit::Usage,
            format!("cannot use {option} together with --transfer-to"),
            "the call is moved on as soon as it is up: nobody would hear it to its end",
            "leave it out; --brief is played to the target before he takes the call",
        ))
    }
}

impl Answer {
    pub fn run(self, global: &Global) -> Result<Exit, Error> {
        let config = global.load_config()?;
        let named = Named::find(global, &config, None)?;
        let transfer = self.moving.plan(&config, &named, &self.talk)?;
        let talk = self.talk.plan(&config, None)?;
        let after_rings = self.after.or(named.config.as_ref().and_then(|c| c.answer_after_rings));
        let wait = self.within.or(global.wait);
        let plan = Plan {
            begin: Begin::Answer(Answering { rule: AnswerRule { wait, after_rings } }),
            transfer,
            talk,
            stay: self.moving.stay(&self.talk),
        };
        if global.dry_run {
            return super::plan::call(global, &named, &plan, &self.talk);
        }
        let name = named.name.clone();
        let wish = hold_line::Wish {
            command: "answer",
            plan,
            record: self.talk.record.clone(),
            detach: self.talk.detach,
            render: &|report| render::call("tipring.answer/1", &name, report),
            lines: &|report| render::lines(&name, report),
        };
        hold_line::run(global, config, named, wish)
    }
}
