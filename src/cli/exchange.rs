//! `tipring exchange run`: the simulated exchange as a process of its own.

use super::Global;
use crate::error::{Error, Exit};
use clap::{Args, Subcommand};

/// The simulated exchange as a process of its own
#[derive(Args, Debug)]
pub struct Exchange {
    #[command(subcommand)]
    pub command: ExchangeCommand,
}

#[derive(Debug, Subcommand)]
pub enum ExchangeCommand {
    /// Serve real FXS ports with the simulated exchange and its subscribers
    Run(Run),
}

#[derive(Args, Debug)]
pub struct Run {
    /// The FXS ports to serve
    #[arg(long = "port", required = true, value_name = "PORT")]
    pub ports: Vec<String>,
    /// The country's exchange to be
    #[arg(long, default_value = "us", value_name = "CC")]
    pub country: String,
    /// A built-in scenario or a file
    #[arg(long, default_value = "idle", value_name = "NAME|FILE")]
    pub scenario: String,
    /// What is drawn by chance is drawn from this
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

impl Exchange {
    pub fn run(self, _global: &Global) -> Result<Exit, Error> {
        Ok(Exit::Failed)
    }
}
