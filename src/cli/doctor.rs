//! `tipring doctor`: what is wrong on this machine, and the line that mends it.

use super::Global;
use crate::doctor::{Finding, Machine, RULES, Status};
use crate::error::{Error, Exit, printable};
use crate::journal::place::Surroundings;
use clap::Args;
use serde_json::json;
use std::io::Write;

/// What is wrong on this machine, and for each thing the one line that mends it
///
/// Looks at the group, udev rules, ModemManager, the DAHDI driver, its cards and nodes, alarms, locks of other programs, the
/// directory for our own, clocks, the disk, the state directory and the journal. Changes nothing. Exit 0 when nothing fails; warnings do not.
#[derive(Args, Debug)]
pub struct Doctor {
    /// Print the udev rules of this version instead, to be written to /etc/udev/rules.d/70-tipring.rules
    #[arg(long)]
    pub print_udev: bool,
}

impl Doctor {
    pub fn run(self, global: &Global) -> Result<Exit, Error> {
        if self.print_udev {
            super::read(std::io::stdout().lock().write_all(RULES.as_bytes()))?;
            return Ok(Exit::Done);
        }
        let config = global.load_config()?;
        let findings = Machine::this(Surroundings::of_this_process(config.state_dir.as_deref())).examine();
        let fails = findings.iter().any(|f| f.status == Status::Fail);
        let exit = if fails { Exit::Failed } else { Exit::Done };
        let document = json!({ "schema": "tipring.doctor/1", "ok": !fails, "exit": exit.code(), "findings": findings });
        super::read(global.style().answer(&document, || findings.iter().flat_map(lines).collect()))?;
        Ok(exit)
    }
}

fn lines(finding: &Finding) -> Vec<String> {
    let mut lines = vec![format!("{:<4}  {:<15}  {}", finding.status.name(), finding.check, printable(&finding.what))];
    for (word, text) in [("why", &finding.why), ("help", &finding.help)] {
        lines.extend(text.iter().map(|text| format!("{:>21}  {}", format!("{word}:"), printable(text))));
    }
    lines
}
