//! Echo cancellers on the same lines: how soon and how much they take out, after the path has changed, and while two
//! talk.
//!
//! The lines are those of our own tests: six hybrids, four pairs of talkers, µ-law both ways, noise of the line. What a
//! program leaves of the echo is the difference to what it makes of the same line without one, so that its other
//! filters (a high pass, say) are not counted against it.

#[path = "../../tests/dsp_echo/line.rs"]
mod line;

use crate::corpus::{self, Recording};
use crate::peers;
use crate::report::Report;
use line::{Line, SECOND, db, hybrid, median, power};
use std::sync::LazyLock;
use tipring::dsp::echo::{Canceller, Config, DELAY_SAMPLES, Tail};
use tipring::dsp::g711::Law;

const PATHS: [(u64, usize, f32); 6] =
    [(0, 4, 12.0), (1, 20, 8.0), (2, 60, 15.0), (3, 10, 6.0), (4, 35, 20.0), (5, 90, 10.0)];
const PROGRAMS: [&str; 3] = ["tipring", "speexdsp", "spandsp"];
const SECONDS: usize = 14;

/// What of these lines comes out, each through a fresh canceller, without its delay, and the time that it took.
fn cancelled(program: &str, tail: Tail, law: Option<Law>, lines: &[Line]) -> (Vec<Vec<i16>>, f64) {
    if program != "tipring" {
        let both: Vec<(&[i16], &[i16])> = lines.iter().map(|l| (&l.sent[..], &l.received[..])).collect();
        return peers::echo(program, tail.samples(), &both);
    }
    let config = Config { tail, law, non_linear: false, ..Config::default() };
    let mut outs: Vec<Vec<i16>> = lines.iter().map(|l| l.received.clone()).collect();
    let before = peers::own_cpu_s();
    for (line, out) in lines.iter().zip(&mut outs) {
        let mut canceller = Canceller::new(config);
        for (sent, received) in line.sent.chunks(160).zip(out.chunks_mut(160)) {
            canceller.process(sent, received);
        }
    }
    let took = peers::own_cpu_s() - before;
    for out in &mut outs {
        out.drain(..DELAY_SAMPLES);
        out.extend([0; DELAY_SAMPLES]);
    }
    (outs, took)
}

/// The same lines, and what of each is left of its echo.
fn left_over(program: &str, tail: Tail, law: Option<Law>, lines: &mut [Line]) -> Vec<Vec<f32>> {
    let (with, _) = cancelled(program, tail, law, lines);
    let silent: Vec<Line> = lines
        .iter()
        .map(|l| {
            let received = l.near.iter().zip(&l.noise).map(|(a, b)| Law::Mu.decode(Law::Mu.encode((a + b) as i16)));
            Line {
                sent: vec![0; l.sent.len()],
                received: received.collect(),
                echo: Vec::new(),
                near: Vec::new(),
                noise: Vec::new(),
            }
        })
        .collect();
    let (without, _) = cancelled(program, tail, law, &silent);
    lines
        .iter_mut()
        .zip(with.iter().zip(without))
        .map(|(line, (with, without))| {
            let near = std::mem::replace(&mut line.near, without.iter().map(|s| f32::from(*s)).collect());
            let noise = std::mem::replace(&mut line.noise, vec![0.0; with.len()]);
            let left = line.left(with, 0);
            (line.near, line.noise) = (near, noise);
            left
        })
        .collect()
}

/// What is connected, and who speaks. The default is what the aims are measured on.
struct Setup {
    tail: Tail,
    sent_dbm0: f32,
    near_dbm0: f32,
    noise_dbm0: f32,
    /// Six hybrids from this one on.
    hybrids: u64,
    /// People of Debian's packages, in place of generated voices.
    recorded: bool,
    /// The canceller knows the law of the channel: only ours can.
    told_law: bool,
    seeds: u64,
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            tail: Tail::Ms32,
            sent_dbm0: -15.0,
            near_dbm0: -15.0,
            noise_dbm0: -60.0,
            hybrids: 0,
            recorded: false,
            told_law: true,
            seeds: 4,
        }
    }
}

impl Setup {
    fn voice(&self, seed: u64, dbm0: f32, samples: usize) -> Vec<i16> {
        static PEOPLE: LazyLock<Vec<Recording>> = LazyLock::new(|| corpus::speech(0.5));
        if !self.recorded {
            return Line::speech(seed, dbm0, samples);
        }
        let said = PEOPLE.iter().cycle().skip(seed as usize * 7).flat_map(|r| r.samples.iter().copied());
        let said: Vec<i16> = said.skip_while(|s| s.abs() < 500).take(samples).collect();
        corpus::at_level(&said, dbm0)
    }

    /// The lines on which one speaks and the path changes after 6 s, and those on which both speak from 4 to 8 s.
    fn lines(&self) -> (Vec<Line>, Vec<Line>) {
        let n = SECONDS * SECOND;
        let (mut changing, mut double) = (Vec::new(), Vec::new());
        for seed in 0..self.seeds {
            for (number, delay, loss_db) in PATHS {
                let sent = self.voice(seed * 10 + number, self.sent_dbm0, n);
                // the longest of them must fit into the shortest tail
                let delay = if self.tail == Tail::Ms16 { delay / 4 } else { delay };
                let path = hybrid(self.hybrids + number, delay, loss_db);
                let other = hybrid(self.hybrids + (number + 1) % 6, delay + 13, loss_db - 1.0);
                let paths = [(0, path), (6 * SECOND, other)];
                changing.push(Line::new(&sent, &paths, vec![0.0; n], self.noise_dbm0, seed));
                let mut near = vec![0.0; n];
                let said = self.voice(500 + seed * 10 + number, self.near_dbm0, 4 * SECOND);
                near[4 * SECOND..8 * SECOND].iter_mut().zip(said).for_each(|(x, s)| *x = f32::from(s));
                double.push(Line::new(&sent, &paths[..1], near, self.noise_dbm0, seed + 77));
            }
        }
        (changing, double)
    }
}

const NAMES: [(&str, &str, bool); 6] = [
    ("time to 20 dB, s", "≤ 0.25", false),
    ("steady ERLE, dB", "≥ 30", true),
    ("to 20 dB after the path changed, s", "≤ 1.2", false),
    ("steady ERLE after it, dB", "≥ 30", true),
    ("near talker's SDR, both speaking, dB", "≥ 31", true),
    ("ERLE in the second after that, dB", "≥ 27", true),
];

fn measured(program: &str, tail: Tail, law: Option<Law>, changing: &mut [Line], double: &mut [Line]) -> [Vec<f32>; 6] {
    let mut out: [Vec<f32>; 6] = Default::default();
    for (left, line) in left_over(program, tail, law, changing).iter().zip(changing.iter()) {
        out[0].push(line.time_to_20_db(left, 0));
        out[1].push(line.erle_db(left, 3 * SECOND..6 * SECOND));
        out[2].push(line.time_to_20_db(left, 6 * SECOND));
        out[3].push(line.erle_db(left, 9 * SECOND..13 * SECOND));
    }
    for (left, line) in left_over(program, tail, law, double).iter().zip(double.iter()) {
        let during = 4 * SECOND..8 * SECOND;
        out[4].push(db(power(&line.near[during.clone()]) / power(&left[during])));
        out[5].push(line.erle_db(left, 8 * SECOND..9 * SECOND));
    }
    out
}

pub fn cancelling(report: &mut Report) {
    for noise_dbm0 in [-60.0, -50.0] {
        let (mut changing, mut double) = Setup { noise_dbm0, ..Setup::default() }.lines();
        for tail in [Tail::Ms32, Tail::Ms128] {
            let ms = tail.samples() / 8;
            report.table(
                &format!("Echo, tail {ms} ms, noise {noise_dbm0} dBm0: median of 24 lines (worst)"),
                &["figure", PROGRAMS[0], PROGRAMS[1], PROGRAMS[2], "aim"],
            );
            let all = PROGRAMS.map(|p| measured(p, tail, Some(Law::Mu), &mut changing, &mut double));
            for (i, (name, aim, more_is_better)) in NAMES.iter().enumerate() {
                let middle = all.each_ref().map(|m| median(m[i].clone()));
                let cell = |p: usize| {
                    let worst = all[p][i].iter().copied().reduce(if *more_is_better { f32::min } else { f32::max });
                    format!("{:.2} ({:.2})", middle[p], worst.unwrap_or(f32::NAN))
                };
                report.row(&[(*name).into(), cell(0), cell(1), cell(2), (*aim).into()]);
                if noise_dbm0 == -60.0 {
                    let best = if *more_is_better { middle[1].max(middle[2]) } else { middle[1].min(middle[2]) };
                    let figure = format!("echo, {ms} ms: {name}");
                    let judge = if *more_is_better { Report::figure } else { Report::figure_low };
                    judge(report, &figure, aim, &format!("{:.2}", middle[0]), &format!("{best:.2}"));
                }
            }
        }
    }
    report.note(
        "Delay added: tipring 8 ms, speexdsp none beyond its frame (20 ms here), spandsp none. tipring is told the law of the \
         channel; the others have no such option. spandsp's canceller of Debian overflows with tails of 64 ms and more.",
    );
}

/// The same on other hybrids, levels and tails, with people, and without a word about the law: medians of 12 lines.
pub fn conditions(report: &mut Report) {
    report.table(
        "Echo, other lines: s to 20 dB, steady ERLE, s after the path changed, near talker's SDR, ERLE after it",
        &["line", PROGRAMS[0], PROGRAMS[1], PROGRAMS[2]],
    );
    let base = || Setup { seeds: 2, ..Setup::default() };
    let setups = [
        ("six other hybrids", Setup { hybrids: 6, ..base() }),
        ("and six more", Setup { hybrids: 12, ..base() }),
        ("recorded people", Setup { recorded: true, ..base() }),
        ("we speak at −5 dBm0", Setup { sent_dbm0: -5.0, ..base() }),
        ("we speak at −25 dBm0", Setup { sent_dbm0: -25.0, ..base() }),
        ("the far party at −5 dBm0", Setup { near_dbm0: -5.0, ..base() }),
        ("the far party at −25 dBm0", Setup { near_dbm0: -25.0, ..base() }),
        ("tail 16 ms", Setup { tail: Tail::Ms16, ..base() }),
        ("tail 64 ms", Setup { tail: Tail::Ms64, ..base() }),
        ("noise −70 dBm0", Setup { noise_dbm0: -70.0, ..base() }),
        ("not told the law", Setup { told_law: false, ..base() }),
    ];
    for (name, setup) in setups {
        let (mut changing, mut double) = setup.lines();
        let law = setup.told_law.then_some(Law::Mu);
        let mut row = vec![name.to_string()];
        for program in PROGRAMS {
            let [soon, steady, changed, _, sdr, after] =
                measured(program, setup.tail, law, &mut changing, &mut double).map(median);
            row.push(format!("{soon:.2} s, {steady:.1} dB, {changed:.2} s, {sdr:.1} dB, {after:.1} dB"));
        }
        report.row(&row);
    }
}

pub fn speed(report: &mut Report) {
    let (_, double) = Setup::default().lines();
    let seconds = (double.len() * SECONDS) as f64;
    for (tail, aim) in [(Tail::Ms32, "1,000×"), (Tail::Ms128, "700×")] {
        let name = format!("echo, tail {} ms (two talkers for 4 s of 14)", tail.samples() / 8);
        crate::speed_row(
            report,
            &name,
            aim,
            seconds,
            &mut [
                ("tipring", &mut || cancelled(PROGRAMS[0], tail, Some(Law::Mu), &double).1),
                ("speexdsp", &mut || cancelled("speexdsp", tail, Some(Law::Mu), &double).1),
            ],
        );
    }
}
