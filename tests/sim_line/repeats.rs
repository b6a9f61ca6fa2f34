//! A run is its seed.

use crate::line::Line;
use tipring::driver::Port;
use tipring::driver::sim::SimPort;
use tipring::dsp::Frame;
use tipring::event::Command;
use tipring::facts::Facts;

/// A whole transfer: trace, signals and every sample, as text.
fn run(country: &str, seed: u64) -> String {
    let mut line = Line::open(&format!("sim/{country}?scenario=incoming&clock=virtual&seed={seed}"));
    let r = if country == "us" { 600 } else { 100 };
    line.answer();
    line.consult(r, "5550101");
    line.run(3000);
    line.flash(r);
    line.run(2000);
    line.on_hook();
    line.run(5000);
    let sum = line.audio.iter().fold(0u64, |h, s| h.wrapping_mul(1_000_003).wrapping_add(*s as u16 as u64));
    format!("{}{:?}{sum}", line.story(), line.signals)
}

#[test]
fn the_same_seed_and_scenario_give_the_same_bytes() {
    for seed in [1, 2, 7, 1234567, u64::MAX] {
        assert_eq!(run("us", seed), run("us", seed), "seed {seed}");
    }
    assert_eq!(run("gb", 3), run("gb", 3));
    assert_ne!(run("us", 1), run("us", 2));
}

/// A number drawn from the seed and what it is for.
fn draw(seed: u64, what: u64, of: usize) -> usize {
    let mut random = tipring::dsp::voice::Random::new(seed.wrapping_mul(0x9E37_79B9).wrapping_add(what << 40));
    (random.bits() >> 20) as usize % of
}

/// A short call, whose line, faults and course are drawn from the seed: all that can be known of it, as text.
fn some_call(seed: u64) -> String {
    const COUNTRIES: [&str; 12] = ["us", "gb", "de", "se", "fr", "tr", "cn", "no", "cz", "au", "jp", "nl"];
    const LINES: [&str; 8] = [
        "",
        "call_waiting = true",
        "transfer = 'none'",
        "class = 'pbx-extension'",
        "busy_hangup = 'recall'",
        "answer_reversal = true",
        "stutter = true",
        "flash_service = false",
    ];
    const PAIRS: [&str; 5] =
        ["", "hum_dbm0 = -45", "delay_ms = 20\necho_loss_db = 12", "clicks_per_minute = 60", "bursts_per_minute = 30"];
    const FAULTS: [&str; 10] = [
        "",
        "flash_ignored = [1]",
        "flash_taken_as_hang_up = [1]",
        "recall_announcement = true",
        "tone_level_db = -6",
        "parallel_lifted_at_s = 4\nparallel_hung_up_after_s = 2",
        "battery_lost_at_s = 4\nbattery_lost_ms = 150",
        "no_recall_tone = true",
        "unplugged_at_s = 6\nplugged_in_after_s = 1",
        "caller_id_garbled = true",
    ];
    const NUMBERS: [&str; 8] = ["5550100", "5550101", "5550102", "5550104", "5550105", "5550106", "5550109", "5550113"];
    let country = COUNTRIES[draw(seed, 1, COUNTRIES.len())];
    let incoming = draw(seed, 2, 3) > 0;
    let mut text = format!(
        "[line]\ndial_tone_delay_ms = 100\n{}\n[pair]\n{}\n[fault]\n{}\n",
        LINES[draw(seed, 3, LINES.len())],
        PAIRS[draw(seed, 4, PAIRS.len())],
        FAULTS[draw(seed, 5, FAULTS.len())]
    );
    if incoming {
        text += "[[call]]\nat_s = 0.1\nfrom = '5551234'\nname = 'ALICE'\n[[call]]\nat_s = 6\nfrom = '5555678'\n";
    }
    let mut line = Line::scripted(country, &text, seed);
    let window = Facts::embedded().country(country).unwrap().recall.first();
    let flash = window.map_or(100, |w| w.typical.as_millis() as u64);
    let number = NUMBERS[draw(seed, 6, NUMBERS.len())];
    if incoming {
        line.run(2000 + 500 * draw(seed, 7, 4) as u64);
        line.off_hook();
        line.run(600);
        line.flash(flash);
        line.run(500);
        line.dial(number);
        line.run(1000 + 500 * draw(seed, 8, 6) as u64);
        match draw(seed, 9, 3) {
            0 => line.flash(flash),
            1 => {}
            _ => {
                line.flash(flash);
                line.run(400);
                line.dial(["1", "2", "3", "4"][draw(seed, 10, 4)]);
            }
        }
        line.run(500);
    } else {
        line.off_hook();
        line.run(500);
        if draw(seed, 7, 4) == 0 {
            // as far as it comes: the loop may be cut meanwhile
            let _ = line.port.command(Command::Dial("55".parse().unwrap(), tipring::event::DialMethod::Pulse));
            line.run(3000);
        } else {
            line.dial(number);
        }
        line.run(2000 + 1000 * draw(seed, 8, 4) as u64);
    }
    line.on_hook();
    line.run(1000);
    let sum = line.audio.iter().fold(0u64, |h, s| h.wrapping_mul(1_000_003).wrapping_add(*s as u16 as u64));
    format!("{country}\n{text}{}{:?}{}{sum}", line.story(), line.signals, line.port.exchange().census())
}

#[test]
fn a_thousand_calls_are_the_same_whenever_their_seed_is_played() {
    let threads = std::thread::available_parallelism().map_or(2, |n| n.get());
    let next = std::sync::atomic::AtomicU64::new(0);
    let kinds = std::sync::Mutex::new(std::collections::BTreeSet::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if seed >= 1000 {
                        break;
                    }
                    let (first, second) = (some_call(seed), some_call(seed));
                    assert!(first == second, "seed {seed}:\n{first}\nand then\n{second}");
                    kinds.lock().unwrap().insert(first);
                }
            });
        }
    });
    assert_eq!(kinds.into_inner().unwrap().len(), 1000, "every seed is a call of its own");
}

#[test]
fn the_virtual_clock_advances_one_frame_a_wait_and_reads_give_one_frame_each() {
    let mut port = SimPort::open("sim/us?clock=virtual".parse().unwrap(), Facts::embedded()).unwrap();
    let mut frame = Frame::default();
    assert!(!port.read(&mut frame).unwrap());
    for i in 1..=10 {
        port.wait(port.now() + std::time::Duration::from_secs(9)).unwrap();
        assert_eq!(port.now().as_ms(), 20 * i);
        assert!(port.read(&mut frame).unwrap());
        assert!(!port.read(&mut frame).unwrap());
    }
    port.wait(port.now()).unwrap();
    assert_eq!(port.now().as_ms(), 200, "there was nothing to wait for");
}

#[test]
fn what_is_not_read_in_time_is_an_overrun_told_once() {
    let mut port = SimPort::open("sim/us?clock=virtual".parse().unwrap(), Facts::embedded()).unwrap();
    port.command(Command::OffHook).unwrap();
    for _ in 0..100 {
        port.wait(port.now() + std::time::Duration::from_millis(20)).unwrap();
    }
    let signals: Vec<_> = std::iter::from_fn(|| port.next_signal().unwrap()).collect();
    assert_eq!(signals.len(), 1, "{signals:?}");
    let mut frame = Frame::default();
    let unread = std::iter::from_fn(|| port.read(&mut frame).unwrap().then_some(())).count();
    assert_eq!(unread, 50);
}

#[test]
fn the_real_clock_gives_a_frame_every_20_ms() {
    let mut port = SimPort::open("sim/us".parse().unwrap(), Facts::embedded()).unwrap();
    let begun = std::time::Instant::now();
    let mut frame = Frame::default();
    for _ in 0..3 {
        while !port.read(&mut frame).unwrap() {
            port.wait(port.now() + std::time::Duration::from_millis(50)).unwrap();
        }
    }
    assert!(begun.elapsed().as_millis() >= 60);
    assert!(port.now().as_ms() >= 60);
    let from = port.now();
    port.wait(from).unwrap();
    assert!(port.now() >= from);
}
