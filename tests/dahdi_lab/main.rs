//! The DAHDI driver on real kernel drivers: two channels wired to each other, one an FXO port and one an FXS port.
//!
//! Runs in the kernel lab's guest (`scripts/lab`), on the `labline` module or on cross-connected `dahdi_dynamic_loc`
//! spans. Where there is no DAHDI every test is skipped, by name; `TIPRING_IN_LAB=1` makes that a failure. As libtest:
//! `dahdi_lab [FILTER...] [--list] [--exact]`.

mod behaviours;
mod errors;
mod measure;
mod ports;
mod process;
mod rig;

use rig::Lab;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

/// What a test needs of the lab.
#[derive(Clone, Copy, PartialEq)]
pub enum Needs {
    /// Any two channels wired to each other.
    Wire,
    /// Voltages, polarity, cords: the `labline` module.
    Labline,
    /// Two dynamic spans, of which one can be taken away.
    Loc,
}

pub struct Test {
    pub name: &'static str,
    pub needs: Needs,
    pub run: fn(&Lab),
}

/// `tests![module: needs => name, name; …]`
#[macro_export]
macro_rules! tests {
    ($($needs:ident: $($name:ident),* $(,)?;)*) => {
        pub const TESTS: &[$crate::Test] = &[$($($crate::Test {
            name: concat!(module_path!(), "::", stringify!($name)),
            needs: $crate::Needs::$needs,
            run: $name,
        },)*)*];
    };
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|a| a == "--child") {
        return process::child(&args[1..]);
    }
    let all = [behaviours::TESTS, ports::TESTS, errors::TESTS, process::TESTS, measure::TESTS].concat_refs();
    let (mut filters, mut list, mut exact, mut skip_values) = (Vec::new(), false, false, false);
    for a in &args {
        match a.as_str() {
            _ if std::mem::take(&mut skip_values) => {}
            "--list" => list = true,
            "--exact" => exact = true,
            "--test-threads" | "--format" | "--color" | "--skip" | "--logfile" => skip_values = true,
            a if a.starts_with('-') => {}
            a => filters.push(a.to_string()),
        }
    }
    let short = |t: &Test| t.name.split_once("::").map_or(t.name, |(_, n)| n);
    let wanted = |t: &&&Test| {
        // measurements assert little and take minutes: they run when asked for by name
        (filters.is_empty() && (list || !short(t).starts_with("measure::")))
            || filters.iter().any(|f| if exact { short(t) == f } else { short(t).contains(f.as_str()) })
    };
    let chosen: Vec<&Test> = all.iter().filter(wanted).copied().collect();
    if list {
        for t in &chosen {
            println!("{}: test", short(t));
        }
        return ExitCode::SUCCESS;
    }
    let must = std::env::var_os("TIPRING_IN_LAB").is_some_and(|v| v == "1");
    let lab = match Lab::find() {
        Ok(lab) => Some(lab),
        Err(why) if must => {
            println!("FAILED: no lab here: {why}");
            return ExitCode::FAILURE;
        }
        Err(why) => {
            let names: Vec<&str> = chosen.iter().map(|t| short(t)).collect();
            println!("skipped ({why}): {}", names.join(" "));
            None
        }
    };
    let Some(lab) = lab else {
        println!("0 passed, 0 failed, {} skipped", chosen.len());
        return ExitCode::SUCCESS;
    };
    println!("lab: {lab}");
    std::panic::set_hook(Box::new(|_| {}));
    let (mut passed, mut failed, mut skipped) = (0, Vec::new(), 0);
    for t in &chosen {
        if !lab.has(t.needs) {
            println!("skipped {} (not on this wire)", short(t));
            skipped += 1;
            continue;
        }
        let began = Instant::now();
        lab.reset();
        match catch_unwind(AssertUnwindSafe(|| (t.run)(&lab))) {
            Ok(()) => {
                println!("ok {} ({:.1} s)", short(t), began.elapsed().as_secs_f64());
                passed += 1;
            }
            Err(panic) => {
                let why = panic.downcast_ref::<String>().cloned();
                let why = why.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default();
                println!("FAILED {}: {why}", short(t));
                failed.push(short(t));
            }
        }
    }
    println!("{passed} passed, {} failed, {skipped} skipped", failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

trait ConcatRefs<'a> {
    fn concat_refs(self) -> Vec<&'a Test>;
}

impl<'a, const N: usize> ConcatRefs<'a> for [&'a [Test]; N] {
    fn concat_refs(self) -> Vec<&'a Test> {
        self.into_iter().flatten().collect()
    }
}
