//! How many times faster than the clock a simulated line runs: `cargo bench --bench sim_speed`.

use std::time::{Duration, Instant};
use tipring::driver::Port;
use tipring::driver::sim::SimPort;
use tipring::dsp::dtmf::{DtmfGenerator, DtmfTiming};
use tipring::dsp::{Frame, Source};
use tipring::event::Command;
use tipring::facts::Facts;

fn open(selector: &str) -> SimPort {
    match selector.parse().map(|s| SimPort::open(s, Facts::embedded())) {
        Ok(Ok(port)) => port,
        other => panic!("{:?}", other.map(|r| r.err())),
    }
}

fn run(port: &mut SimPort, frames: u32, mut source: Option<&mut dyn Source>) {
    let mut frame = Frame::default();
    for _ in 0..frames {
        frame.0.fill(0);
        if let Some(s) = &mut source {
            s.add_to(&mut frame.0);
        }
        let _ = port.write(&frame);
        let _ = port.wait(port.now() + Duration::from_millis(20));
        while matches!(port.read(&mut frame), Ok(true)) {}
    }
    port.take_trace();
}

fn measure(what: &str, port: &mut SimPort) {
    let frames = 200_000;
    let begun = Instant::now();
    run(port, frames, None);
    let per_frame = begun.elapsed().as_secs_f64() / f64::from(frames);
    println!("{what:<28} {:>6.2} us a frame, {:>7.0} x real time", per_frame * 1e6, 0.02 / per_frame);
}

fn main() {
    let mut port = open("sim/us?clock=virtual");
    measure("idle", &mut port);
    let mut port = open("sim/us?clock=virtual&hum_hz=60");
    measure("idle, with hum", &mut port);
    for (what, number) in [
        ("ringback", "5550102"),
        ("busy, then howler", "5550101"),
        ("somebody talks", "5550100"),
        ("1004 Hz", "5550109"),
        ("silence in a call", "5550112"),
    ] {
        let mut port = open("sim/us?clock=virtual");
        let _ = port.command(Command::OffHook);
        run(&mut port, 60, None);
        let Ok(number) = number.parse() else { continue };
        let mut digits = DtmfGenerator::new(&number, DtmfTiming::default());
        run(&mut port, 60, Some(&mut digits));
        run(&mut port, 700, None);
        measure(what, &mut port);
    }
    let mut port = open("sim/us?clock=virtual");
    let _ = port.command(Command::OffHook);
    run(&mut port, 30, None);
    let begun = Instant::now();
    run(&mut port, 700, None);
    let per_frame = begun.elapsed().as_secs_f64() / 700.0;
    println!("{:<28} {:>6.2} us a frame", "dial tone, register waits", per_frame * 1e6);
}
