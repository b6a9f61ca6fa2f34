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
