//! Calls drawn from seeds: class of line, targets, faults, patience, interrupts. `scripts/sim --seeds N` runs more of them.

use crate::rig::{Case, Class, run};
use std::sync::atomic::{AtomicU64, Ordering};
use tipring::clock::Time;

/// A small generator of its own (SplitMix64): a seed means the same call for ever.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// The exchange itself lets the parties go: then the exit code has to say so, and no more can be asked.
const TAKEN: &str = "flash_taken_as_hang_up";

pub fn case(seed: u64) -> Case {
    let mut draw = Draw(seed);
    let class = Class::ALL[draw.below(3) as usize];
    let numbers =
        ["5550100", "5550101", "5550102", "5550103", "5550104", "5550105", "5550107", "5550108", "5550112", "5550113"];
    let targets: Vec<&'static str> = (0..=draw.below(3)).map(|_| numbers[draw.below(10) as usize]).collect();
    let mut case = Case::new(class, &targets);
    case.seed = seed;
    if draw.one_in(3) {
        let faults = [
            "no_recall_tone = true\n".to_string(),
            format!("recall_tone_delay_ms = {}\n", 200 + draw.below(3000)),
            "recall_announcement = true\n".to_string(),
            format!("flash_ignored = [{}]\n", 1 + draw.below(4)),
            format!("tone_frequency_percent = {:.1}\n", draw.below(30) as f64 / 10.0 - 1.5),
            format!("tone_level_db = {}\n", -(draw.below(12) as i64)),
            format!("tone_cadence_percent = {:.1}\n", draw.below(160) as f64 / 10.0 - 8.0),
            format!("{TAKEN} = [{}]\n", 1 + draw.below(3)),
        ];
        case.faults = faults[draw.below(faults.len() as u64) as usize].clone();
    }
    if draw.one_in(6) {
        case.patience_s = Some(1.0 + draw.below(300) as f64 / 10.0);
    }
    if draw.one_in(6) {
        case.interrupt_at = Some(Time::ms(4_000 + draw.below(60_000)));
    }
    case
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

#[test]
fn no_seed_loses_a_party_and_no_exit_code_lies() {
    let (from, count) = (number("TIPRING_SEED_FROM", 1), number("TIPRING_SEEDS", 400));
    let next = AtomicU64::new(from);
    let workers = std::thread::available_parallelism().map_or(2, |n| n.get());
    let failures: Vec<String> = std::thread::scope(|scope| {
        let work = || {
            let mut failed = Vec::new();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= from + count {
                    return failed;
                }
                let case = case(seed);
                let outcome = run(&case);
                let wrong = outcome.lie().or_else(|| {
                    let lost = outcome.lost();
                    (!lost.is_empty() && !case.faults.contains(TAKEN))
                        .then(|| format!("exit {}, lost {lost:?}", outcome.exit.code()))
                });
                if let Some(wrong) = wrong {
                    let story = if count == 1 { outcome.story() } else { String::new() };
                    failed.push(format!(
                        "seed {seed}: {wrong}\n  {case:?}\n  scripts/sim --from {seed} --seeds 1\n{story}"
                    ));
                }
            }
        };
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|t| t.join().expect("no panic")).collect()
    });
    let shown: Vec<&String> = failures.iter().take(20).collect();
    assert!(
        failures.is_empty(),
        "{} of {count} seeds failed:\n{}",
        failures.len(),
        shown.iter().map(|s| s.as_str()).collect::<Vec<_>>().join("\n")
    );
}
