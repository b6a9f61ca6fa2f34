//! Every step × every fault × three line classes, as a table that a person can read: tests/parties/matrix.md.

use crate::rig::{Case, Class, Outcome, run};
use std::fmt::Write;
use tipring::clock::Time;
use tipring::error::Exit;
use tipring::record::Actor;

/// One fault: what a person reads, the targets, and what it makes of the case.
type Row = (&'static str, &'static [&'static str], fn(&mut Case));

/// What a table is called, its rows, and what all of them have in common.
type Table = (&'static str, &'static [Row], fn(&mut Case));

/// What the target does, and what the exchange does wrong.
const FAULTS: &[Row] = &[
    ("nothing is wrong", &["5550100"], |_| {}),
    ("target busy, then one who answers", &["5550101", "5550100"], |_| {}),
    ("target busy", &["5550101"], |_| {}),
    ("target never answers", &["5550102"], |_| {}),
    ("target rejects", &["5550103"], |_| {}),
    ("target not in service", &["5550104"], |_| {}),
    ("congestion", &["5550105"], |_| {}),
    ("target is a fax", &["5550108"], |_| {}),
    ("target is a test tone", &["5550109"], |_| {}),
    ("target repeats what it hears", &["5550111"], |_| {}),
    ("target says nothing", &["5550112"], |_| {}),
    ("target answers late", &["5550115"], |_| {}),
    ("target hangs up 0.3 s after answering", &["5550201"], |c| hangs_up(c, 0.3)),
    ("target hangs up 0.8 s after answering", &["5550201"], |c| hangs_up(c, 0.8)),
    ("target hangs up 1.4 s after answering", &["5550201"], |c| hangs_up(c, 1.4)),
    ("target hangs up after 0.8 s, then one who answers", &["5550201", "5550100"], |c| hangs_up(c, 0.8)),
    ("a silent target hangs up after 1 s", &["5550201"], |c| {
        c.more = subscriber("quiet", "hangs_up_after_s = 1.0\n");
    }),
    ("no recall tone", &["5550100"], |c| c.faults = "no_recall_tone = true\n".into()),
    ("no recall tone, and a voice to who dials nothing", &["5550100"], |c| {
        c.faults = "no_recall_tone = true\n".into();
        c.line = "first_digit_s = 10\npermanent_signal = [\"announcement\"]\n".into();
    }),
    ("recall tone 0.6 s late", &["5550101", "5550100"], |c| c.faults = "recall_tone_delay_ms = 600\n".into()),
    ("recall tone 1.4 s late", &["5550101", "5550100"], |c| c.faults = "recall_tone_delay_ms = 1400\n".into()),
    ("recall tone 2.5 s late", &["5550101", "5550100"], |c| c.faults = "recall_tone_delay_ms = 2500\n".into()),
    ("recall tone 4 s late", &["5550101", "5550100"], |c| c.faults = "recall_tone_delay_ms = 4000\n".into()),
    ("an announcement for a recall tone", &["5550100"], |c| c.faults = "recall_announcement = true\n".into()),
    ("first flash unseen", &["5550101", "5550100"], |c| c.faults = "flash_ignored = [1]\n".into()),
    ("second flash unseen", &["5550101", "5550100"], |c| c.faults = "flash_ignored = [2]\n".into()),
    ("third flash unseen", &["5550101", "5550100"], |c| c.faults = "flash_ignored = [3]\n".into()),
    ("every other flash unseen", &["5550101", "5550100"], |c| c.faults = "flash_ignored = [2, 4, 6]\n".into()),
    ("first flash taken for a hang-up", &["5550101"], |c| c.faults = "flash_taken_as_hang_up = [1]\n".into()),
    ("first flash taken for a hang-up, and the target answers", &["5550100"], |c| {
        c.faults = "flash_taken_as_hang_up = [1]\n".into();
    }),
    ("second flash taken for a hang-up", &["5550101"], |c| c.faults = "flash_taken_as_hang_up = [2]\n".into()),
    ("third flash taken for a hang-up", &["5550101", "5550100"], |c| {
        c.faults = "flash_taken_as_hang_up = [3]\n".into();
    }),
    ("tones 3 % off", &["5550101", "5550100"], |c| c.faults = "tone_frequency_percent = 3.0\n".into()),
    ("tones 12 % slow, not in service", &["5550104"], |c| c.faults = "tone_cadence_percent = 12.0\n".into()),
    ("the first digit after each flash missed", &["95550101", "95550100"], |c| {
        c.faults = "digits_missed = [1]\n".into();
    }),
    ("a satellite", &["5550101", "5550100"], |c| c.more = "[pair]\ndelay_ms = 300\n".into()),
    ("caller says nothing", &["5550101"], |c| c.caller = "says = \"nothing\"\n".into()),
    ("another call waits before the first flash", &["5550101", "5550100"], |c| waits(c, 3.0)),
    ("another call waits while the target rings", &["5550102", "5550100"], |c| waits(c, 15.0)),
    ("another call waits on the way back", &["5550101", "5550100"], |c| waits(c, 12.0)),
    ("caller tires of holding while the target rings", &["5550102"], |c| c.patience_s = Some(8.0)),
];

/// Without `--warm`: who rings is left with the caller, when nobody else is to be tried.
const COLD: &[Row] = &[
    ("target answers", &["5550100"], |_| {}),
    ("target answers late", &["5550115"], |_| {}),
    ("target busy", &["5550101"], |_| {}),
    ("target busy, then one who answers", &["5550101", "5550100"], |_| {}),
    ("target rejects, then one who answers", &["5550103", "5550100"], |_| {}),
    ("target never answers, then one who does", &["5550102", "5550100"], |_| {}),
    ("target not in service", &["5550104"], |_| {}),
    ("congestion", &["5550105"], |_| {}),
    ("the only target rejects when we have left", &["5550103"], |_| {}),
    ("no recall tone", &["5550100"], |c| c.faults = "no_recall_tone = true\n".into()),
    ("second flash unseen", &["5550101", "5550100"], |c| c.faults = "flash_ignored = [2]\n".into()),
];

/// With `--brief`.
const BRIEFED: &[Row] = &[
    ("target accepts", &["5550113"], |_| {}),
    ("target refuses", &["5550114"], |_| {}),
    ("target refuses, then one who accepts", &["5550114", "5550113"], |_| {}),
    ("an answering machine", &["5550107"], |_| {}),
    ("an answering machine, then one who accepts", &["5550107", "5550113"], |_| {}),
    ("target refuses, second flash unseen", &["5550114"], |c| c.faults = "flash_ignored = [2]\n".into()),
    ("target refuses, third flash unseen", &["5550114"], |c| c.faults = "flash_ignored = [3]\n".into()),
    ("target refuses, no flash seen after the first", &["5550114"], |c| {
        c.faults = "flash_ignored = [2, 3, 4, 5, 6, 7, 8, 9]\n".into();
    }),
    ("an answering machine, second flash unseen", &["5550107"], |c| c.faults = "flash_ignored = [2]\n".into()),
    ("target hangs up while he is told", &["5550201"], |c| hangs_up(c, 3.0)),
];

/// With `--on-fail voicemail=5550107`, and with `--second-line`.
const ELSEWHERE: &[Row] = &[
    ("voicemail: target busy", &["5550101"], |c| c.voicemail = true),
    ("voicemail: target never answers", &["5550102"], |c| c.voicemail = true),
    ("voicemail: cold, target rejects", &["5550103"], |c| {
        c.voicemail = true;
        c.warm = false;
    }),
    ("second line: no flash service", &["5550101", "5550106"], |c| {
        c.second_line = true;
        c.faults = "no_recall_tone = true\nflash_ignored = [1, 2, 3, 4, 5, 6, 7, 8, 9]\n".into();
    }),
    ("second line: nobody takes it", &["5550101", "5550103"], |c| {
        c.second_line = true;
        c.faults = "flash_ignored = [1, 2, 3, 4, 5, 6, 7, 8, 9]\n".into();
    }),
    ("second line: nothing is wrong", &["5550106"], |c| c.second_line = true),
];

fn subscriber(does: &str, habits: &str) -> String {
    format!("[[subscriber]]\nnumber = \"5550201\"\ndoes = \"{does}\"\n{habits}")
}

/// Of somebody who gives up after eight rings.
fn waits(case: &mut Case, seconds: f64) {
    case.line = "call_waiting = true\n".into();
    case.more = format!("[[call]]\nat_s = {seconds:.1}\nfrom = \"5559999\"\nrings = 8\n");
}

fn hangs_up(case: &mut Case, seconds: f64) {
    case.more = subscriber("speaks", &format!("hangs_up_after_s = {seconds:.1}\n"));
}

/// What happens at a step.
const AT_A_STEP: [&str; 8] = [
    "pair cut",
    "card gone",
    "no battery for 120 ms",
    "no battery for 300 ms",
    "a burst of noise",
    "caller hangs up",
    "told to end",
    "process killed",
];

/// The exchange itself drops a party, or nobody can reach it any more: then the exit code has to say so.
fn is_the_exchanges_doing(fault: &str) -> bool {
    fault.contains("taken for a hang-up") || fault.starts_with("pair cut") || fault.starts_with("card gone")
}

fn cell(fault: &str, case: &Case) -> String {
    let outcome = run(case);
    if outcome.name == "killed" {
        return format!("caller {}", outcome.fate());
    }
    if let Some(lie) = outcome.lie() {
        panic!("{fault}, {}: {lie}\n{}", case.class.name(), outcome.story());
    }
    let lost = outcome.lost_by_us();
    if !lost.is_empty() && !is_the_exchanges_doing(fault) {
        panic!("{fault}, {}: we lost {lost:?}\n{}", case.class.name(), outcome.story());
    }
    let what = match (lost.is_empty(), outcome.lost().is_empty()) {
        (false, _) => ", dropped by the exchange",
        (true, false) => ", and then the target refused",
        (true, true) if outcome.exit == Exit::Done && outcome.caller().ends_with("hangs up") => ", the caller had left",
        (true, true) => "",
    };
    format!("{} {}{what}", outcome.exit.code(), outcome.name)
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
         was lost. In the tables of steps: a transfer past a busy target (5550101) to one who answers (5550100).\n",
    );
    let heading = |text: &mut String, first: &str| {
        let names: Vec<&str> = Class::ALL.map(Class::name).to_vec();
        let _ = writeln!(text, "| {first} | {} |\n|---|---|---|---|", names.join(" | "));
    };
    let warm: fn(&mut Case) = |_| {};
    let tables: [Table; 4] = [
        ("warm", FAULTS, warm),
        ("cold", COLD, |c| c.warm = false),
        ("with a brief", BRIEFED, |c| c.brief = true),
        ("other ways", ELSEWHERE, warm),
    ];
    for (name, rows, how) in tables {
        text.push('\n');
        heading(&mut text, name);
        for (fault, targets, change) in rows {
            let cells = Class::ALL.map(|class| {
                let mut case = Case::new(class, targets);
                how(&mut case);
                change(&mut case);
                cell(fault, &case)
            });
            let _ = writeln!(text, "| {fault} | {} |", cells.join(" | "));
        }
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
                        "no battery for 120 ms" | "no battery for 300 ms" => {
                            let ms = if fault.contains("120") { 120 } else { 300 };
                            case.faults = format!("battery_lost_at_s = {seconds:.3}\nbattery_lost_ms = {ms}\n");
                        }
                        "a burst of noise" => {
                            case.more = format!("[[burst]]\nat_s = {seconds:.3}\nlasts_ms = 400\ndbm0 = -20.0\n");
                        }
                        "caller hangs up" => {
                            case.patience_s = Some((seconds - steps[0].1.as_ms() as f64 / 1000.0).max(0.1))
                        }
                        "process killed" => case.kill_at = Some(at),
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
