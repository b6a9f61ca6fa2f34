//! The command line: the list of commands and what they share. One file per command: parse, call the library, render.

pub mod act;
pub mod answer;
pub mod calls;
pub mod decode;
pub mod dial;
pub mod doctor;
pub mod exchange;
pub mod hold_line;
pub mod lines;
pub mod manual;
pub mod open;
pub mod plan;
pub mod render;
pub mod shell;
pub mod speech;
pub mod suggest;
mod usage;
pub mod watch;

use crate::config::Config;
use crate::duration;
use crate::error::{Error, Exit, printable};
use crate::journal::place::{FILE_NAME, Surroundings};
use crate::output::Style;
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand, ValueHint};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Landlines from the shell: analog lines dialled, answered, transferred by hook flash, and proven.
#[derive(Debug, Parser)]
#[command(name = "tipring", bin_name = "tipring", version, max_term_width = 100, after_help = after_help())]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// How ports are written, and every exit code.
fn after_help() -> String {
    let mut text = String::from(
        "A line is a name from tipring.toml or a port: dahdi/1, sim/us, 'sim/gb?scenario=incoming&clock=virtual'.\n\n\
         Exit codes:\n",
    );
    for exit in Exit::ALL {
        text.push_str(&format!("{:>5}  {}\n", exit.code(), exit.meaning()));
    }
    text.push_str("See tipring(1).");
    text
}

#[derive(Args, Debug, Default)]
pub struct Global {
    /// The line to use: a name from the configuration, or a port
    #[arg(long, global = true, env = "TIPRING_LINE", value_name = "LINE")]
    pub line: Option<String>,
    /// The configuration file, instead of the user's or the system's
    #[arg(long, global = true, env = "TIPRING_CONFIG", value_name = "FILE", value_hint = ValueHint::FilePath)]
    // the variable may be empty
    #[arg(value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub config: Option<PathBuf>,
    /// Answer with one JSON document (streams: JSON Lines)
    #[arg(long, global = true)]
    pub json: bool,
    /// Print nothing when all is well
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Tell more: every event as it happens (-v), and the program's own log (-vv)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Print the exact plan - hook, flash, digits, waits - and touch nothing
    #[arg(long, global = true)]
    pub dry_run: bool,
    /// Wait this long for a line that another process holds
    #[arg(long, global = true, value_name = "DUR", value_parser = duration::parse)]
    pub wait: Option<Duration>,
    /// Give up after this long, whatever is going on (exit 75; `watch` ends well)
    #[arg(long, global = true, value_name = "DUR", value_parser = duration::parse)]
    pub timeout: Option<Duration>,
    /// Append every event of the call to this file, one line each; numbers and names of callers are masked
    #[arg(long, global = true, value_name = "FILE")]
    pub journal: Option<PathBuf>,
}

impl Global {
    pub fn style(&self) -> Style {
        Style { json: self.json, quiet: self.quiet, verbose: self.verbose }
    }

    pub fn load_config(&self) -> Result<Config, Error> {
        Config::load(self.config.as_deref())
    }
}

// without words of their own: these would stand before, and the long help of each command would be lost
#[derive(Debug, Subcommand)]
pub enum Command {
    Lines(lines::Lines),
    Watch(watch::Watch),
    Dial(dial::Dial),
    Answer(answer::Answer),
    Hangup(act::Hangup),
    Flash(act::Flash),
    Dtmf(act::Dtmf),
    Hold(act::Hold),
    Retrieve(act::Retrieve),
    Conference(act::Conference),
    Transfer(act::Transfer),
    Decode(decode::Decode),
    Calls(calls::Calls),
    Doctor(doctor::Doctor),
    Exchange(exchange::Exchange),
    Completions(shell::Completions),
    #[command(hide = true)]
    Man(shell::Man),
}

/// Runs the program; the exit code is the answer to scripts.
pub fn main() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // help is no document
        Err(e)
            if e.use_stderr()
                && (e.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                    || usage::style(std::env::args_os()).json) =>
        {
            return crate::output::report_error(
                usage::style(std::env::args_os()),
                &usage::error(&e, std::env::args_os()),
            );
        }
        Err(e) => {
            return match e.print() {
                _ if e.use_stderr() => Exit::Usage,
                Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Exit::Failed,
                _ => Exit::Done,
            };
        }
    };
    let mut cli = cli;
    // a variable that is set to nothing is not set
    let unset = |name: &str| std::env::var_os(name).is_some_and(|v| v.is_empty());
    if unset("TIPRING_LINE") {
        cli.global.line = cli.global.line.filter(|l| !l.is_empty());
    }
    if unset("TIPRING_CONFIG") {
        cli.global.config = cli.global.config.filter(|c| !c.as_os_str().is_empty());
    }
    let style = cli.global.style();
    shell::start_log(style);
    match run(cli) {
        Ok(exit) => exit,
        Err(error) => crate::output::report_error(style, &error),
    }
}

fn run(cli: Cli) -> Result<Exit, Error> {
    let global = &cli.global;
    match cli.command {
        Command::Lines(c) => c.run(global),
        Command::Watch(c) => c.run(global),
        Command::Dial(c) => c.run(global),
        Command::Answer(c) => c.run(global),
        Command::Hangup(c) => c.run(global),
        Command::Flash(c) => c.run(global),
        Command::Dtmf(c) => c.run(global),
        Command::Hold(c) => c.run(global),
        Command::Retrieve(c) => c.run(global),
        Command::Conference(c) => c.run(global),
        Command::Transfer(c) => c.run(global),
        Command::Decode(c) => c.run(global),
        Command::Calls(c) => c.run(global),
        Command::Doctor(c) => c.run(global),
        Command::Exchange(c) => c.run(global),
        Command::Completions(c) => c.run(),
        Command::Man(c) => c.run(),
    }
}

/// The parser as data, for man pages, completions and tests.
pub fn parser() -> clap::Command {
    Cli::command()
}

/// A file that the user wants written is none of the journal's own: all calls, notes and tags would be gone.
fn not_the_journal(config: &Config, path: &Path) -> Result<(), Error> {
    let place = Surroundings::of_this_process(config.state_dir.as_deref()).state_dir();
    let Ok(dir) = place else { return Ok(()) };
    let identity = |path: &Path| path.metadata().ok().map(|m| (m.dev(), m.ino()));
    let Some(named) = identity(path) else { return Ok(()) };
    let own = ["", "-wal", "-shm"].map(|end| dir.join(format!("{FILE_NAME}{end}")));
    match own.iter().any(|file| identity(file) == Some(named)) {
        false => Ok(()),
        true => Err(Error::new(
            Exit::Usage,
            format!("cannot write {}", printable(&path.to_string_lossy())),
            "it is the journal of calls itself",
            "name another file",
        )),
    }
}

/// The answer of a command that has done something: where it cannot be written, stderr has what came of it.
pub fn told_after(result: std::io::Result<()>, came: &str, next: impl Into<String>) -> Result<(), Error> {
    told(result).map_err(|mut e| {
        e.why = format!("{}; what came of it: {came}", e.why);
        e.next = next.into();
        e
    })
}

/// The answer of a command that has no line: who stops reading it has read enough, and the command's own exit stands.
pub fn read(result: std::io::Result<()>) -> Result<(), Error> {
    match result {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => told(result),
    }
}

/// A broken pipe on our own stdout: whoever read us is gone, which is no error of the line.
pub fn told(result: std::io::Result<()>) -> Result<(), Error> {
    match result {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Err(Error::new(
            Exit::Interrupted,
            "nobody reads the answer any more",
            "the pipe was closed",
            "the line was left on-hook",
        )),
        Err(e) => Err(Error::new(Exit::Failed, "cannot write the answer", e.to_string(), "look at where stdout goes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_has_every_exit_code_with_its_meaning() {
        let help = parser().render_long_help().to_string();
        for exit in Exit::ALL {
            let line = format!("{:>5}  {}", exit.code(), exit.meaning());
            assert!(help.lines().any(|l| l == line), "`{line}` is missing:\n{help}");
        }
    }
}
