//! Fax machines and modems: calling tone, answering tone, the preamble of V.21.

use crate::corpus::{self, Dice, add_hum, add_noise, add_sine, compand};
use crate::peers;
use crate::report::{Report, percent};
use std::f64::consts::TAU;
use tipring::clock::Time;
use tipring::dsp::ear::Ear;
use tipring::dsp::g711::Law;
use tipring::dsp::level;
use tipring::event::{FaxTone, Heard};
use tipring::facts::Facts;

#[derive(Clone, Copy)]
struct Line {
    name: &'static str,
    level_dbm0: (f32, f32),
    snr_db: f32,
    detuned: f32,
    hum: bool,
    companded: bool,
    lost: f32,
}

const LINES: [Line; 6] = [
    Line {
        name: "clean",
        level_dbm0: (-15.0, -10.0),
        snr_db: 50.0,
        detuned: 0.0,
        hum: false,
        companded: false,
        lost: 0.0,
    },
    Line {
        name: "−40…−20 dBm0",
        level_dbm0: (-40.0, -20.0),
        snr_db: 30.0,
        detuned: 0.0,
        hum: false,
        companded: false,
        lost: 0.0,
    },
    Line {
        name: "frequency at its limits (CNG ±38, CED ±15 Hz)",
        level_dbm0: (-25.0, -10.0),
        snr_db: 40.0,
        detuned: 1.0,
        hum: false,
        companded: false,
        lost: 0.0,
    },
    Line {
        name: "noise 12 dB below",
        level_dbm0: (-25.0, -10.0),
        snr_db: 12.0,
        detuned: 0.3,
        hum: false,
        companded: true,
        lost: 0.0,
    },
    Line {
        name: "hum, companded, 20 dB SNR",
        level_dbm0: (-30.0, -15.0),
        snr_db: 20.0,
        detuned: 0.5,
        hum: true,
        companded: true,
        lost: 0.0,
    },
    Line {
        name: "3 % of packets lost, concealed",
        level_dbm0: (-20.0, -12.0),
        snr_db: 30.0,
        detuned: 0.2,
        hum: false,
        companded: true,
        lost: 0.03,
    },
];

impl Line {
    /// What this line does to a signal of this level.
    fn spoil(&self, samples: &mut [i16], level_dbm0: f32, dice: &mut Dice) {
        add_noise(samples, dice.seed(), (level_dbm0 - self.snr_db).max(-70.0));
        if self.hum {
            add_hum(samples, -35.0);
        }
        if self.companded {
            compand(samples, Law::A);
        }
        if self.lost > 0.0 {
            corpus::lose(samples, dice, self.lost, true);
        }
    }
}

fn clip(line: &Line, dice: &mut Dice, answers: bool) -> Vec<i16> {
    let level = dice.between(line.level_dbm0.0, line.level_dbm0.1);
    let mut samples = vec![0i16; 8000 * 9];
    if answers {
        let hz = 2100.0 + 15.0 * line.detuned * dice.sign();
        let lasts = dice.between(2600.0, 4000.0);
        let from = 8000 + dice.below(800);
        add_sine(&mut samples[from..from + (lasts * 8.0) as usize], hz, level, dice.between(0.0, 6.0));
    } else {
        let hz = 1100.0 + 38.0 * line.detuned * dice.sign();
        // T.30: half a second and three, 15 % either way
        let scale = 1.0 + dice.between(-0.15, 0.15) * if line.detuned > 0.0 { 1.0 } else { 0.0 };
        let from = 8000 + dice.below(800);
        for n in 0..2 {
            let at = from + n * 28_000;
            add_sine(&mut samples[at..at + (4000.0 * scale) as usize], hz, level, 0.0);
        }
    }
    line.spoil(&mut samples, level, dice);
    samples
}

pub fn hits(report: &mut Report, times: usize) {
    let mut dice = Dice::new(21);
    let us = Facts::embedded().country("us").expect("us");
    report.table(
        "Fax: heard, and nothing else that is fax",
        &["line", "calls", "CNG: tipring", "CNG: spandsp", "CED: tipring", "CED: spandsp"],
    );
    let mut sums = [0usize; 4];
    let mut all = 0;
    for line in &LINES {
        let mut cells = vec![line.name.to_string(), times.to_string()];
        all += times;
        for (i, (answers, wanted, kind)) in
            [(false, FaxTone::Cng, "1"), (true, FaxTone::Ced, "2")].into_iter().enumerate()
        {
            let clips: Vec<Vec<i16>> = (0..times).map(|_| clip(line, &mut dice, answers)).collect();
            let mut mine = 0;
            for c in &clips {
                let mut out = Vec::new();
                Ear::new(us, Time::ZERO).feed(c, &mut out);
                let fax: Vec<FaxTone> = out
                    .iter()
                    .filter_map(|h| if let Heard::Fax { tone, .. } = h { Some(*tone) } else { None })
                    .collect();
                let good = !fax.is_empty() && fax.iter().all(|t| *t == wanted);
                mine += usize::from(good);
                if !good {
                    eprintln!("  {} {wanted:?}: {out:?}", line.name);
                }
            }
            let said = peers::spandsp(&["fax", "1", "2"], &clips).clips;
            let right = |s: &&String| {
                s.split_whitespace().any(|t| t.starts_with(kind)) && s.split_whitespace().all(|t| t.starts_with(kind))
            };
            let theirs = said.iter().filter(right).count();
            cells.extend([percent(mine, times), percent(theirs, times)]);
            sums[2 * i] += mine;
            sums[2 * i + 1] += theirs;
        }
        report.row(&cells);
    }
    let share = |i: usize| percent(sums[i], all);
    report.figure(
        "fax CNG / CED",
        "≥ 98 %",
        &format!("{} / {}", share(0), share(2)),
        &format!("{} / {}", share(1), share(3)),
    );
}

/// What modems begin with: an answer tone with reversals, modulated, both; flags at 300 bit/s. The number is spandsp's.
const MODEMS: [(FaxTone, &str, &str); 4] = [
    (FaxTone::AnsReversals, "ANS with reversals", "3"),
    (FaxTone::Ansam, "ANSam", "4"),
    (FaxTone::AnsamReversals, "ANSam with reversals", "5"),
    (FaxTone::V21Preamble, "V.21 preamble", "6"),
];

fn modem_clip(line: &Line, dice: &mut Dice, tone: FaxTone) -> Vec<i16> {
    let level = dice.between(line.level_dbm0.0, line.level_dbm0.1);
    let peak = f64::from(level::peak(level));
    let off_hz = f64::from(15.0 * line.detuned * dice.sign());
    let reversals = matches!(tone, FaxTone::AnsReversals | FaxTone::AnsamReversals);
    let depth = if matches!(tone, FaxTone::Ansam | FaxTone::AnsamReversals) { 0.2 } else { 0.0 };
    let mut samples = vec![0i16; 8000 * 5];
    let from = 8000 + dice.below(800);
    let mut phase = f64::from(dice.between(0.0, 6.0));
    for (n, s) in samples[from..from + 24_000].iter_mut().enumerate() {
        let t = n as f64 / 8000.0;
        let (hz, amplitude) = match tone {
            // T.30: a second of it, ± 15 %
            FaxTone::V21Preamble if t > 1.0 => break,
            // V.21 allows 6 Hz
            FaxTone::V21Preamble if matches!(n * 300 / 8000 % 8, 0 | 7) => (1850.0 + 0.4 * off_hz, 1.0),
            FaxTone::V21Preamble => (1650.0 + 0.4 * off_hz, 1.0),
            _ => {
                let sign = if reversals && (t / 0.45) as u32 % 2 == 1 { -1.0 } else { 1.0 };
                (2100.0 + off_hz, sign * (1.0 + depth * (TAU * 15.0 * t).sin()))
            }
        };
        phase += TAU * hz / 8000.0;
        *s = (peak * amplitude * phase.sin()) as i16;
    }
    line.spoil(&mut samples, level, dice);
    samples
}

/// Named rightly at the end, whatever it was called before: reversals are known when they have come.
pub fn modems(report: &mut Report, times: usize) {
    let mut dice = Dice::new(22);
    let us = Facts::embedded().country("us").expect("us");
    let mut columns = vec!["line".to_string(), "clips each".to_string()];
    for (_, name, _) in MODEMS {
        columns.extend([format!("{name}: tipring"), "spandsp".to_string()]);
    }
    report.table(
        "Modems: what kind of answer, by its last name",
        &columns.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    let (mut sums, mut all) = ([0usize; 2], 0);
    for line in &LINES {
        let mut cells = vec![line.name.to_string(), times.to_string()];
        for (tone, _, number) in MODEMS {
            let clips: Vec<Vec<i16>> = (0..times).map(|_| modem_clip(line, &mut dice, tone)).collect();
            let mut mine = 0;
            for c in &clips {
                let mut out = Vec::new();
                Ear::new(us, Time::ZERO).feed(c, &mut out);
                let last =
                    out.iter().rev().find_map(|h| if let Heard::Fax { tone, .. } = h { Some(*tone) } else { None });
                mine += usize::from(last == Some(tone));
                if last != Some(tone) {
                    eprintln!("  {} {tone:?}: {out:?}", line.name);
                }
            }
            let asked = if tone == FaxTone::V21Preamble { "6" } else { "5" };
            let said = peers::spandsp(&["fax", asked], &clips).clips;
            let right = |s: &&String| s.split_whitespace().last().and_then(|t| t.split('@').next()) == Some(number);
            let theirs = said.iter().filter(right).count();
            cells.extend([percent(mine, times), percent(theirs, times)]);
            (sums[0], sums[1], all) = (sums[0] + mine, sums[1] + theirs, all + times);
        }
        report.row(&cells);
    }
    report.figure(
        "modem answers and V.21 preamble, named rightly",
        "≥ 98 %",
        &percent(sums[0], all),
        &percent(sums[1], all),
    );
}
