//! `tipring dial`: place a call.

use super::answer::{Moving, duration_default};
use super::open::Named;
use super::{Global, hold_line, render, speech};
use crate::call::talk::TalkPlan;
use crate::call::{Begin, Dialling, Plan};
use crate::config::Config;
use crate::duration;
use crate::error::{Error, Exit};
use crate::output::wav;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// Place a call: dial tone, digits, progress, answer
///
/// The exit code says what became of it: 0 answered, 10 busy, 11 no answer, 12 congestion or rejected, 13 not in
/// service, 14 the far side hung up before we were through. Without anything to do in the call it is held for eight
/// seconds, which proves the answer, and then hung up.
#[derive(Args, Debug)]
pub struct Dial {
    /// A number, or a name from [contacts]
    pub number: String,
    /// Give up when nobody answered after so long of ringback
    #[arg(long, value_name = "DUR", value_parser = duration::parse_some, default_value = "60s")]
    pub no_answer_after: Duration,
    #[command(flatten)]
    pub talk: Talking,
    #[command(flatten)]
    pub moving: Moving,
}

/// What is done while a call lasts.
#[derive(Args, Debug, Default)]
pub struct Talking {
    /// Play this WAV file (any rate) when the call is up, then hang up
    #[arg(long, value_name = "FILE")]
    pub play: Option<PathBuf>,
    /// Speak this text when the call is up, then hang up (with espeak-ng, or `speech` of the configuration)
    #[arg(long, value_name = "TEXT", conflicts_with = "play")]
    pub say: Option<String>,
    /// Record the call to this WAV file: heard left, sent right
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Hang up after so long of talk; `never` stays until the far side hangs up
    ///
    /// With --transfer-to the talk is what comes of it on our line: all three together, the two connected here, or the
    /// caller back with us. A hold or a transfer on its way is never cut short, and its time does not count.
    #[arg(long, value_name = "DUR")]
    pub hangup_after: Option<String>,
    /// Leave the call to a process of its own and return as soon as it is up
    #[arg(long)]
    pub detach: bool,
}

impl Talking {
    /// `default`: how long a call with nothing to do in it is held.
    pub fn plan(&self, config: &Config, default: Option<Duration>) -> Result<TalkPlan, Error> {
        let play = match (&self.play, &self.say) {
            (Some(path), _) => Some(wav::read(path)?),
            (None, Some(text)) => Some(speech::say(config, text)?),
            (None, None) => None,
        };
        let hang_up_after = match self.hangup_after.as_deref() {
            Some("never") => None,
            Some(text) => {
                let next = "write --hangup-after 30s, or never";
                Some(
                    duration::parse(text)
                        .map_err(|e| Error::new(Exit::Usage, "cannot read --hangup-after", e, next))?,
                )
            }
            None if play.is_some() || self.detach => None,
            None => default,
        };
        let limit = hang_up_after.filter(|_| self.hangup_after.is_some());
        let far_hang_up_is_the_end = hang_up_after.is_none() && play.is_none();
        let hang_up_when_played = play.is_some();
        Ok(TalkPlan { play, hang_up_after, limit, hang_up_when_played, far_hang_up_is_the_end, ..TalkPlan::UNTIL_TOLD })
    }
}

impl Dial {
    pub fn run(self, global: &Global) -> Result<Exit, Error> {
        let config = global.load_config()?;
        let named = Named::find(global, &config, None)?;
        let target = config.target(&self.number, named.country.dialling.plus())?;
        let transfer = self.moving.plan(&config, &named, &self.talk)?;
        let talk = self.talk.plan(&config, Some(duration_default::HOLD))?;
        let plan = Plan {
            begin: Begin::Dial(Dialling { target, no_answer_after: self.no_answer_after }),
            transfer,
            talk,
            stay: self.moving.stay(&self.talk),
        };
        if global.dry_run {
            return super::plan::call(global, &named, &plan, &self.talk);
        }
        let name = named.name.clone();
        let number = self.number.clone();
        let wish = hold_line::Wish {
            command: "dial",
            plan,
            record: self.talk.record.clone(),
            detach: self.talk.detach,
            render: &|report| {
                let mut document = render::call("tipring.dial/1", &name, report);
                document["number"] = number.clone().into();
                document
            },
            lines: &|report| render::lines(&name, report),
        };
        hold_line::run(global, config, named, wish)
    }
}
