//! Packets that are lost, played by tipring, by spandsp and as silence: how near it is to what was said.
//!
//! Three figures, means over the gaps in which somebody spoke: what was said over the difference to it, and how far apart
//! the spectra are, both of what was lost; and the first of the packet after it, into which each has to find its way back.

use crate::corpus::{Dice, Recording};
use crate::peers;
use crate::report::Report;
use tipring::dsp::concealment::{Concealer, DELAY_SAMPLES};
use tipring::dsp::level;

/// Packets of a burst, of these many samples, and the share of packets that begin one.
const LOSSES: [(&str, usize, usize, f32); 5] = [
    ("10 ms, 1 % lost", 80, 1, 0.01),
    ("10 ms, 5 % lost", 80, 1, 0.05),
    ("20 ms, 5 % lost", 160, 1, 0.05),
    ("20 ms, bursts of two", 160, 2, 0.03),
    ("20 ms, bursts of four", 160, 4, 0.02),
];

pub fn losses(report: &mut Report, speech: &[Recording]) {
    let all: Vec<i16> = speech.iter().flat_map(|r| r.samples.iter().copied()).collect();
    report.table(
        &format!(
            "Lost packets ({:.1} min of recorded people): SNR, distance of spectra; SNR of the packet after",
            all.len() as f64 / 480_000.0
        ),
        &["lost", "tipring", "spandsp", "silence"],
    );
    let (mut ours_s, mut spandsp_s) = (0.0, 0.0);
    for (name, packet, burst, share) in LOSSES {
        let mut dice = Dice::new(packet as u64 + burst as u64);
        let mut lost = vec![false; all.len().div_ceil(packet)];
        for i in 2..lost.len().saturating_sub(burst) {
            if dice.between(0.0, 1.0) < share {
                lost[i..i + burst].fill(true);
            }
        }
        let mut ours = all.clone();
        let before = peers::own_cpu_s();
        let mut concealer = Concealer::new();
        for (block, lost) in ours.chunks_mut(packet).zip(&lost) {
            if *lost { concealer.lost(block) } else { concealer.received(block) }
        }
        ours_s += peers::own_cpu_s() - before;
        ours.drain(..DELAY_SAMPLES);
        let flags: Vec<i16> = (0..all.len()).map(|n| i16::from(lost[n / packet])).collect();
        let (spandsp, took) = peers::echo("plc", packet, &[(&all, &flags)]);
        spandsp_s += took;
        let silent: Vec<i16> = all.iter().zip(&flags).map(|(s, lost)| if *lost == 0 { *s } else { 0 }).collect();
        let cell = |played: &[i16]| {
            let [snr, distance, after] = nearness(&all, played, &lost, packet);
            format!("{snr:.1} dB, {distance:.2} dB; {after:.1} dB")
        };
        report.row(&[name.into(), cell(&ours), cell(&spandsp[0]), cell(&silent)]);
    }
    let times = |cpu: f64| format!("{:.0}×", all.len() as f64 / 8000.0 * LOSSES.len() as f64 / cpu.max(1e-9));
    report.row(&["speed".into(), times(ours_s), times(spandsp_s), "–".into()]);
    report.figure("speed: lost packets concealed", "–", &times(ours_s), &times(spandsp_s));
    report.note("Delay added: tipring 3.75 ms, spandsp none.");
}

fn nearness(said: &[i16], played: &[i16], lost: &[bool], packet: usize) -> [f32; 3] {
    let (mut sums, mut count) = ([0f32; 3], 0);
    let mut i = 0;
    while i < lost.len() {
        if !lost[i] {
            i += 1;
            continue;
        }
        let gap = lost[i..].iter().take_while(|l| **l).count();
        let (from, to) = (i * packet, (i + gap) * packet);
        i += gap;
        let (Some(said), Some(played)) = (said.get(from..to + packet), played.get(from..to + packet)) else { break };
        if level::dbm0(said) < -40.0 {
            continue;
        }
        let (said, said_after) = said.split_at(to - from);
        let (played, played_after) = played.split_at(to - from);
        sums[0] += snr(said, played);
        sums[1] += apart(said, played);
        sums[2] += snr(said_after, played_after);
        count += 1;
    }
    sums.map(|s| s / count.max(1) as f32)
}

fn snr(said: &[i16], played: &[i16]) -> f32 {
    let energy: f32 = said.iter().map(|s| f32::from(*s).powi(2)).sum();
    let off: f32 = said.iter().zip(played).map(|(a, b)| (f32::from(*a) - f32::from(*b)).powi(2)).sum();
    (10.0 * ((energy + 1.0) / (off + 1.0)).log10()).clamp(-10.0, 30.0)
}

/// Root mean square of the difference of two spectra in sixteen bands of 200 Hz, in dB; below −60 dBm0 all is alike.
fn apart(a: &[i16], b: &[i16]) -> f32 {
    let band = |x: &[i16], hz: f32| {
        let power = |hz: f32| {
            let (mut re, mut im) = (0.0, 0.0);
            for (n, s) in x.iter().enumerate() {
                let window = 0.5 - 0.5 * ((n as f32 + 0.5) / x.len() as f32 * std::f32::consts::TAU).cos();
                let turn = n as f32 * hz / 8000.0 * std::f32::consts::TAU;
                re += window * f32::from(*s) * turn.cos();
                im += window * f32::from(*s) * turn.sin();
            }
            8.0 * (re * re + im * im) / (x.len() * x.len()) as f32 / 2.0
        };
        level::dbm0_of_power(power(hz) + power(hz + 66.0) + power(hz + 132.0)).max(-60.0)
    };
    let sum: f32 =
        (0..16).map(|k| (band(a, 250.0 + 200.0 * k as f32) - band(b, 250.0 + 200.0 * k as f32)).powi(2)).sum();
    (sum / 16.0).sqrt()
}
