//! Every step × every fault × three line classes, as a table that a person can read: tests/parties/matrix.md.

use crate::rig::{Case, Class, Outcome, run};
use std::fmt::Write;
use tipring::clock::Time;
use tipring::record::Actor;

/// What the target does, and what the exchange does wrong.
const FAULTS: [(&str, &[&str], &str); 18] = [
    ("nothing is wrong", &["5550100"], ""),
    ("target busy, then one who answers", &["5550101", "5550100"], ""),
    ("target busy", &["5550101"], ""),
    ("target never answers", &["5550102"], ""),
    ("target rejects", &["5550103"], ""),
    ("target not in service", &["5550104"], ""),
    ("congestion", &["5550105"], ""),
    ("target is a fax", &["5550108"], ""),
    ("no recall tone", &["5550100"], "no_recall_tone = true\n"),
    ("recall tone 2.5 s late", &["5550101", "5550100"], "recall_tone_delay_ms = 2500\n"),
    ("an announcement for a recall tone", &["5550100"], "recall_announcement = true\n"),
    ("first flash unseen", &["5550101", "5550100"], "flash_ignored = [1]\n"),
    ("second flash unseen", &["5550101", "5550100"], "flash_ignored = [2]\n"),
    ("third flash unseen", &["5550101", "5550100"], "flash_ignored = [3]\n"),
    ("first flash taken for a hang-up", &["5550101"], "flash_taken_as_hang_up = [1]\n"),
    ("first flash taken for a hang-up, and the target answers", &["5550100"], "flash_taken_as_hang_up = [1]\n"),
    ("second flash taken for a hang-up", &["5550101"], "flash_taken_as_hang_up = [2]\n"),
    ("tones 3 % off", &["5550101", "5550100"], "tone_frequency_percent = 3.0\n"),
];

/// What happens at a step: the loop is cut, the card is gone, the caller has enough, we are told to end.
const AT_A_STEP: [&str; 4] = ["pair cut", "card gone", "caller hangs up", "told to end"];

/// The exchange itself drops a party, or nobody can reach it any more: then the exit code has to say so.
fn is_the_exchanges_doing(fault: &str) -> bool {
    fault.contains("taken for a hang-up") || fault.starts_with("pair cut") || fault.starts_with("card gone")
}

fn cell(fault: &str, case: &Case) -> String {
    let outcome = run(case);
    if let Some(lie) = outcome.lie() {
        panic!("{fault}, {}: {lie}\n{}", case.class.name(), outcome.story());
    }
    let lost = outcome.lost();
    if !lost.is_empty() && !is_the_exchanges_doing(fault) {
        panic!("{fault}, {}: we lost {lost:?}\n{}", case.class.name(), outcome.story());
    }
    let lost = if lost.is_empty() { "" } else { ", dropped by the exchange" };
    format!("{} {}{lost}", outcome.exit.code(), outcome.name)
}

/// When each step of a transfer past a busy target begins on this class of line, where nothing is wrong.
fn steps(class: Class) -> Vec<(String, Time)> {
    let calm: Outcome = run(&Case::new(class, &["5550101", "5550100"]));
    let ours = calm.trace.iter().filter(|r| r.who == Actor::Us || (r.who == Actor::Call && r.what.starts_with("back")));
    let first = |what: &str| what.split_whitespace().next().unwrap_or("").to_string();
    let mut seen = std::collections::BTreeMap::<String, u32>::new();
    ours.skip_while(|r| !r.what.starts_with("flash"))
        .filter(|r| !r.what.ends_with("done") && !r.what.starts_with("digits"))
        .map(|r| {
            let n = seen.entry(first(&r.what)).or_default();
            *n += 1;
            (format!("{} {n}", first(&r.what)), r.at)
        })
        .take(9)
        .collect()
}

fn table() -> String {
    let mut text = String::from(
        "# Every step, every fault, three kinds of line\n\nWhat `answer --transfer-to … --warm` comes to: exit code and \
         outcome. Made and checked by tests/parties; the exchange's own books\nwere asked in each case whether somebody \
         was lost. A transfer past a busy target (5550101) to one who answers (5550100).\n\n",
    );
    let heading = |text: &mut String, first: &str| {
        let names: Vec<&str> = Class::ALL.map(Class::name).to_vec();
        let _ = writeln!(text, "| {first} | {} |\n|---|---|---|---|", names.join(" | "));
    };
    heading(&mut text, "fault");
    for (fault, targets, faults) in FAULTS {
        let cells = Class::ALL.map(|class| {
            let mut case = Case::new(class, targets);
            case.faults = faults.into();
            cell(fault, &case)
        });
        let _ = writeln!(text, "| {fault} | {} |", cells.join(" | "));
    }
    for fault in AT_A_STEP {
        text.push('\n');
        heading(&mut text, &format!("{fault}, 0.3 s after"));
        let all = Class::ALL.map(steps);
        for i in 0..all.iter().map(Vec::len).min().unwrap_or(0) {
            let mut names: Vec<&str> = all.iter().map(|s| s[i].0.as_str()).collect();
            names.dedup();
            let cells: Vec<String> = Class::ALL
                .into_iter()
                .zip(&all)
                .map(|(class, steps)| {
                    let at = steps[i].1 + std::time::Duration::from_millis(300);
                    let seconds = at.as_ms() as f64 / 1000.0;
                    let mut case = Case::new(class, &["5550101", "5550100"]);
                    match fault {
                        "pair cut" => case.faults = format!("unplugged_at_s = {seconds:.3}\n"),
                        "card gone" => case.faults = format!("device_removed_at_s = {seconds:.3}\n"),
                        "caller hangs up" => {
                            case.patience_s = Some((seconds - steps[0].1.as_ms() as f64 / 1000.0).max(0.1))
                        }
                        _ => case.interrupt_at = Some(at),
                    }
                    cell(fault, &case)
                })
                .collect();
            let _ = writeln!(text, "| {} | {} |", names.join(" / "), cells.join(" | "));
        }
    }
    text
}

#[test]
fn no_step_and_no_fault_loses_a_party_whom_the_exchange_still_has() {
    let table = table();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parties/matrix.md");
    if std::env::var_os("TIPRING_WRITE_MATRIX").is_some() {
        std::fs::write(path, &table).expect("the table's file");
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == table,
        "tests/parties/matrix.md differs: TIPRING_WRITE_MATRIX=1 cargo test --test parties\n{table}"
    );
}
