//! The program as such: its log, plans that are only shown, completions, man pages.

use super::Global;
use super::open::Named;
use crate::call::transfer::SecondLine;
use crate::call::{Begin, Completion, Manners, Plan};
use crate::control::Ask;
use crate::driver::{self, Selector};
use crate::error::{Error, Exit};
use crate::output::Style;
use clap::Args;
use clap_complete::Shell;
use serde_json::json;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

/// Our own log goes to stderr: warnings, and with -vv what the program thinks. Never numbers: they print masked.
pub fn start_log(style: Style) {
    let level = match style.verbose {
        0 | 1 => "warn",
        2 => "info",
        _ => "debug",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("TIPRING_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .without_time()
        // its own complaint about a closed stderr would be a panic
        .log_internal_errors(false)
        .try_init();
}

/// Completions for a shell, to be sourced
#[derive(Args, Debug)]
pub struct Completions {
    #[arg(value_enum)]
    pub shell: Shell,
}

impl Completions {
    pub fn run(self) -> Result<Exit, Error> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut offered(super::parser()), "tipring", &mut text);
        super::told(io::stdout().lock().write_all(&text))?;
        Ok(Exit::Done)
    }
}

/// The parser without what is hidden: the generators offer that too.
fn offered(parser: clap::Command) -> clap::Command {
    clap::Command::new("tipring")
        .args(parser.get_arguments().cloned())
        .subcommands(parser.get_subcommands().filter(|c| !c.is_hide_set()).cloned())
}

/// The manual pages, generated from this parser
#[derive(Args, Debug)]
pub struct Man {
    /// Write them into this directory
    pub directory: PathBuf,
}

impl Man {
    pub fn run(self) -> Result<Exit, Error> {
        let fail = |e: io::Error| {
            let what = format!("cannot write manual pages to {}", self.directory.display());
            Error::new(Exit::Config, what, e.to_string(), "name a directory that can be written")
        };
        std::fs::create_dir_all(&self.directory).map_err(fail)?;
        for (name, text) in crate::cli::manual::pages() {
            std::fs::write(self.directory.join(name), text).map_err(fail)?;
        }
        Ok(Exit::Done)
    }
}

// -- --dry-run -------------------------------------------------------------------------------------------------------

/// What a call would do, step by step; nothing is touched.
pub fn dry_run(global: &Global, named: &Named, plan: &Plan) -> Result<Exit, Error> {
    let manners = known_manners(named);
    let mut steps = Vec::new();
    match &plan.begin {
        Begin::Dial(d) => {
            steps.push(format!("off-hook, wait {} for dial tone", seconds(manners.dial_tone_wait)));
            steps.push(format!("dial {}", d.target.number.reveal()));
            steps.push(format!("listen; give up after {} of ringback", seconds(d.no_answer_after)));
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
        for (i, t) in transfer.targets.iter().enumerate() {
            let last = i + 1 == transfer.targets.len() && transfer.voicemail.is_none();
            let answered = transfer.warm || transfer.brief.is_some() || !last;
            let (number, second) = (t.number.reveal(), transfer.second_line.as_ref());
            transfer_steps(&manners, &number, (transfer.warm, answered), second, &mut steps);
        }
        steps.push(format!("nobody took it: stay {}", plan.stay.map_or("until told".into(), seconds)));
    }
    if let Some(limit) = plan.talk.limit {
        let what = if plan.transfer.is_some() { "of talk that is left on this line" } else { "of talk" };
        steps.push(format!("after {} {what}: hang up", seconds(limit)));
    }
    steps.push("on-hook".into());
    show(global, named, steps)
}

/// What a request to a call in progress would do.
pub fn dry_ask(global: &Global, named: &Named, ask: &Ask) -> Result<Exit, Error> {
    let manners = known_manners(named);
    let mut steps = Vec::new();
    match ask {
        Ask::Status => {}
        Ask::HangUp => steps.push("on-hook".into()),
        Ask::Flash { ms } => {
            let width = ms.unwrap_or(manners.flash_widths.first().map_or(500, |w| w.as_millis() as u64));
            steps.push(format!("flash {width} ms"));
        }
        Ask::Dtmf { digits } => steps.push(format!("dial {digits}")),
        Ask::Hold => {
            let widths: Vec<String> = manners.flash_widths.iter().map(|w| format!("{} ms", w.as_millis())).collect();
            steps.push(format!("flash {}, wait for recall tone", widths.join(", else ")));
        }
        Ask::Retrieve => steps.push(format!("{} back to the caller, and hear that he is there", manners.back)),
        Ask::Conference { target, .. } => {
            if let Some(t) = target {
                let wait = seconds(manners.recall_tone_wait);
                steps.push(format!("flash, wait {wait} for recall tone, dial {}, wait for an answer", t.number));
            }
            let join = manners.join.as_deref().unwrap_or("R");
            steps.push(format!("{join}, and hear who speaks"));
        }
        Ask::Transfer { targets, warm, second_line, brief, voicemail, .. } => {
            let second = super::open::second_line(&global.load_config()?, named, second_line.as_deref())?;
            for (i, t) in targets.iter().enumerate() {
                let last = i + 1 == targets.len() && voicemail.is_none();
                let answered = *warm || brief.is_some() || !last;
                transfer_steps(&manners, &t.number, (*warm, answered), second.as_ref(), &mut steps);
            }
        }
    }
    show(global, named, steps)
}

/// With what the line itself knows of its exchange, where that can be had without touching anything.
fn known_manners(named: &Named) -> Manners {
    let mut manners = named.manners();
    if let Selector::Sim { .. } = named.selector
        && let Ok(port) = driver::open(&named.selector, named.facts, named.config.as_ref())
    {
        manners.learn(port.hang_up_connects());
    }
    manners
}

/// `answered`: the target has to answer before we leave, whether or not the transfer is `warm`.
fn transfer_steps(
    manners: &Manners,
    number: &str,
    (warm, answered): (bool, bool),
    second: Option<&SecondLine>,
    steps: &mut Vec<String>,
) {
    let at_once = |s: &&SecondLine| s.always || manners.complete == Completion::Never;
    if let Some(second) = second.filter(at_once) {
        let meanwhile = if warm { "in silence" } else { "with the ringback" };
        return steps.push(format!(
            "dial {number} on {}, the caller waits {meanwhile}; on an answer connect the two here, until one hangs up",
            second.name
        ));
    }
    if manners.complete == Completion::Never {
        return steps.push("refuse: on this line our hang-up would drop both parties".into());
    }
    let widths: Vec<String> = manners.flash_widths.iter().map(|w| format!("{} ms", w.as_millis())).collect();
    steps.push(format!("flash {}, wait {} for recall tone", widths.join(", else "), seconds(manners.recall_tone_wait)));
    if let Some(second) = second {
        steps.push(format!("if no flash brings one: dial {number} on {}, and connect the two here", second.name));
    }
    steps.push(format!("dial {number}"));
    let until = if answered || !manners.while_ringing { "an answer" } else { "ringback" };
    let complete = match &manners.complete {
        Completion::Stay => "flash, and stay with both".into(),
        Completion::Recall(code) => format!("flash, dial {}, hang up", code.reveal()),
        _ => "hang up".into(),
    };
    let known = manners.complete != Completion::HangUp || manners.complete_is_known;
    let unsaid = if known { "" } else { " (whether it connects the two nobody has said: transfer.complete; exit 31)" };
    steps.push(format!(
        "on {until}: {complete}{unsaid}; watch {} for recall ringing, then dial tone",
        seconds(manners.recall_ring_watch)
    ));
    steps.push(format!("on anything else: {} back to the caller, and hear that he is there", manners.back));
}

fn seconds(d: std::time::Duration) -> String {
    format!("{} s", d.as_secs_f64())
}

fn show(global: &Global, named: &Named, steps: Vec<String>) -> Result<Exit, Error> {
    let document =
        json!({ "schema": "tipring.plan/1", "line": named.name, "country": named.country.code, "plan": steps });
    super::told(global.style().answer(&document, || steps.clone()))?;
    Ok(Exit::Done)
}
