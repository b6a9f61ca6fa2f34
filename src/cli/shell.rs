//! The program as such: its log, completions, man pages.

use crate::error::{Error, Exit};
use crate::output::Style;
use clap::Args;
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
        super::read(io::stdout().lock().write_all(&text))?;
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
