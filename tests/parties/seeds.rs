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

/// Whom a call may be moved to; 5550201 hangs up when he likes.
const NUMBERS: [&str; 16] = [
    "5550100", "5550101", "5550102", "5550103", "5550104", "5550105", "5550106", "5550107", "5550108", "5550109",
    "5550111", "5550112", "5550113", "5550114", "5550115", "5550201",
];

/// Beside Germany: where a recall code connects the two.
const CODE: [&str; 14] = ["at", "au", "be", "br", "ch", "cn", "cz", "dk", "es", "fr", "it", "nl", "no", "se"];
/// Beside the United States: where our hang-up does.
const HANG_UP: [&str; 4] = ["ca", "gb", "jp", "nz"];

pub fn case(seed: u64) -> Case {
    let mut draw = Draw(seed);
    let class = Class::ALL[draw.below(3) as usize];
    let targets: Vec<&'static str> = (0..=draw.below(3)).map(|_| NUMBERS[draw.below(16) as usize]).collect();
    let mut case = Case::new(class, &targets);
    case.seed = seed;
    case.warm = !draw.one_in(4);
    case.brief = draw.one_in(5);
    case.voicemail = draw.one_in(8);
    case.second_line = draw.one_in(8);
    let after = draw.below(60) as f64 / 10.0;
    case.more = format!(
        "[[subscriber]]\nnumber = \"5550201\"\ndoes = \"{}\"\nhangs_up_after_s = {after:.1}\n",
        if draw.one_in(3) { "quiet" } else { "speaks" }
    );
    let at_s = |draw: &mut Draw| 4.0 + draw.below(400) as f64 / 10.0;
    if draw.one_in(2) {
        let faults = [
            "no_recall_tone = true\n".to_string(),
            format!("recall_tone_delay_ms = {}\n", 200 + draw.below(4000)),
            "recall_announcement = true\n".to_string(),
            format!("flash_ignored = [{}, {}]\n", 1 + draw.below(4), 5 + draw.below(4)),
            format!("tone_frequency_percent = {:.1}\n", draw.below(30) as f64 / 10.0 - 1.5),
            format!("tone_level_db = {}\n", -(draw.below(12) as i64)),
            format!("tone_cadence_percent = {:.1}\n", draw.below(160) as f64 / 10.0 - 8.0),
            format!("{TAKEN} = [{}]\n", 1 + draw.below(3)),
            "no_forward_disconnect = true\n".to_string(),
            format!("digits_missed = [{}]\n", 1 + draw.below(7)),
            format!("battery_lost_at_s = {:.1}\nbattery_lost_ms = {}\n", at_s(&mut draw), 70 + draw.below(180)),
            format!("unplugged_at_s = {:.1}\n", at_s(&mut draw)),
            format!("device_removed_at_s = {:.1}\n", at_s(&mut draw)),
            format!("parallel_lifted_at_s = {:.1}\nparallel_hung_up_after_s = 9.0\n", at_s(&mut draw)),
        ];
        case.faults = faults[draw.below(faults.len() as u64) as usize].clone();
    }
    if draw.one_in(6) {
        let noise = [(-30, 400), (-20, 300), (-25, 900)][draw.below(3) as usize];
        let at = at_s(&mut draw);
        case.more += &format!("[[burst]]\nat_s = {at:.1}\nlasts_ms = {}\ndbm0 = {}.0\n", noise.1, noise.0);
    }
    if draw.one_in(6) {
        case.line = "call_waiting = true\n".into();
        let (at, rings) = (at_s(&mut draw), 2 + draw.below(10));
        case.more += &format!("[[call]]\nat_s = {at:.1}\nfrom = \"5559999\"\nrings = {rings}\n");
    }
    if draw.one_in(10) {
        case.caller = "says = \"nothing\"\n".into();
    }
    if draw.one_in(6) {
        case.patience_s = Some(1.0 + draw.below(300) as f64 / 10.0);
    }
    if draw.one_in(6) {
        case.interrupt_at = Some(Time::ms(4_000 + draw.below(60_000)));
    }
    if draw.one_in(2) {
        let countries = if class == Class::Code { &CODE[..] } else { &HANG_UP[..] };
        case.country = countries[draw.below(countries.len() as u64) as usize];
    }
    case
}

/// The exchange itself drops a party, or nobody can reach it any more.
fn is_the_exchanges_doing(faults: &str) -> bool {
    [TAKEN, "unplugged", "device_removed"].iter().any(|f| faults.contains(f))
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
                    let lost = outcome.lost_by_us();
                    (!lost.is_empty() && !is_the_exchanges_doing(&case.faults))
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
    let shown: Vec<&String> = failures.iter().take(60).collect();
    assert!(
        failures.is_empty(),
        "{} of {count} seeds failed:\n{}",
        failures.len(),
        shown.iter().map(|s| s.as_str()).collect::<Vec<_>>().join("\n")
    );
}
