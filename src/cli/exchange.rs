//! `tipring exchange run`: the simulated exchange as a process of its own.

use super::Global;
use super::hold_line::interrupted;
use super::open::{Named, facts};
use crate::control::request::WireEvent;
use crate::driver::Selector;
use crate::driver::sim::exchange_on_port::ExchangeOnPort;
use crate::driver::sim::scenario::Scenario;
use crate::error::{Error, Exit, printable};
use crate::record::Record;
use clap::{Args, Subcommand};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

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
    #[arg(long, default_value = "us", value_name = "CC", value_parser = super::suggest::countries(), hide_possible_values = true)]
    pub country: String,
    /// A built-in scenario or a file
    #[arg(long, default_value = "idle", value_name = "NAME|FILE")]
    pub scenario: String,
    /// What is drawn by chance is drawn from this
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

impl Exchange {
    pub fn run(self, global: &Global) -> Result<Exit, Error> {
        let ExchangeCommand::Run(run) = self.command;
        run.run(global)
    }
}

impl Run {
    fn run(self, global: &Global) -> Result<Exit, Error> {
        let config = global.load_config()?;
        let facts = facts(&config)?;
        let country = facts.country(&self.country).ok_or_else(|| {
            let known: Vec<&str> = facts.codes().collect();
            let what = format!("no facts about the country `{}`", printable(&self.country));
            Error::new(Exit::Usage, what, "it is not in the tables", format!("known are: {}", known.join(", ")))
        })?;
        let scenario = Scenario::load(&self.scenario)?;
        scenario.fits(country)?;
        if global.dry_run {
            let as_what =
                format!("be the exchange of {} with the scenario {}", country.name, printable(&self.scenario));
            let ports = self.ports.iter().map(|port| format!("open {}: {as_what}", printable(port)));
            return super::plan::show_steps(global, ports.collect());
        }
        let interrupted = interrupted();
        let mut served = Vec::new();
        for (i, name) in self.ports.iter().enumerate() {
            let named = Named::find(global, &config, Some(name))?;
            if matches!(named.selector, Selector::Sim { .. }) {
                return Err(Error::new(
                    Exit::Usage,
                    format!("cannot serve {name}"),
                    "a simulated line has its own exchange",
                    "name FXS ports: `tipring lines` shows them",
                ));
            }
            let (port, lock) = named.open(global, "exchange run")?;
            // one seed, and yet each line has parties of its own
            let seed = self.seed.wrapping_add(i as u64);
            let line = ExchangeOnPort::new(port, country, &scenario, seed).map_err(|e| e.explain(name))?;
            served.push((name.clone(), line, lock));
        }
        // a thread a line: each waits for its own port, and one that is gone does not hold the others up
        let (tell, told) = mpsc::channel();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for (name, line, lock) in served.drain(..) {
                let (tell, stop) = (tell.clone(), &stop);
                scope.spawn(move || {
                    serve(&name, line, &tell, stop);
                    drop(lock);
                });
            }
            drop(tell);
            let result = follow(global, &told, &interrupted);
            stop.store(true, Ordering::Relaxed);
            result
        })?;
        Ok(Exit::Interrupted)
    }
}

type Told = Result<(String, Record), Error>;

fn serve(name: &str, mut line: ExchangeOnPort, tell: &mpsc::Sender<Told>, stop: &AtomicBool) {
    let mut result = Ok(());
    while result.is_ok() && !stop.load(Ordering::Relaxed) {
        result = line.step().map_err(|e| e.explain(name));
        for record in line.take_trace() {
            let _ = tell.send(Ok((name.to_string(), record)));
        }
    }
    line.release();
    if let Err(e) = result {
        let _ = tell.send(Err(e));
    }
}

/// Prints what happens until we are told to end. A line that fails is told; the others go on, until none is left.
fn follow(global: &Global, told: &mpsc::Receiver<Told>, interrupted: &impl Fn() -> bool) -> Result<(), Error> {
    let mut failed = None;
    while !interrupted() {
        match told.recv_timeout(Duration::from_millis(100)) {
            Ok(Ok((line, record))) => {
                let event = WireEvent::from(&record);
                let document = serde_json::json!({
                    "schema": "tipring.event/1", "line": line, "t": event.t, "who": event.who, "what": event.what,
                });
                if !global.quiet {
                    super::told(global.style().stream(&document, &format!("{line:<10} {record}")))?;
                }
            }
            Ok(Err(e)) => {
                let _ = writeln!(std::io::stderr(), "{e}");
                failed = Some(e);
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => return failed.map_or(Ok(()), Err),
        }
    }
    Ok(())
}
