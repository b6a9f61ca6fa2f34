//! The program as such: its log, completions, man pages.

use crate::error::{Error, Exit};
use crate::output::Style;
use clap::{Args, ValueEnum, ValueHint};
use clap_complete::Shell;
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
        if self.shell == Shell::Fish {
            // the generator knows of no positional arguments
            let shells: Vec<String> = Shell::value_variants().iter().map(Shell::to_string).collect();
            let using = "__fish_tipring_using_subcommand completions";
            text.extend(format!("complete -c tipring -n \"{using}\" -f -a \"{}\"\n", shells.join(" ")).bytes());
        }
        super::read(io::stdout().lock().write_all(&text))?;
        Ok(Exit::Done)
    }
}

/// The parser without what is hidden: the generators offer that too.
fn offered(parser: clap::Command) -> clap::Command {
    clap::Command::new("tipring")
        .args(parser.get_arguments().cloned().map(without_files))
        .subcommands(parser.get_subcommands().filter(|c| !c.is_hide_set()).cloned().map(offers_files_for_files))
}

fn offers_files_for_files(command: clap::Command) -> clap::Command {
    command.mut_args(without_files).mut_subcommands(offers_files_for_files)
}

/// Shells offer files for whatever they know nothing of.
fn without_files(arg: clap::Arg) -> clap::Arg {
    let is_file = arg.get_value_names().is_some_and(|names| names.iter().any(|n| n.contains("FILE")));
    if arg.get_action().takes_values() && arg.get_value_hint() == ValueHint::Unknown && !is_file {
        return arg.value_hint(ValueHint::Other);
    }
    arg
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
