//! Digits: inside the limits of Q.24, at their corners, outside them, and how soon.

use crate::corpus::{self, Dice, Recording, add_hum, add_noise, add_sine, compand};
use crate::peers;
use crate::report::{Report, percent};
use tipring::clock::Time;
use tipring::dsp::Source;
use tipring::dsp::dtmf::{HIGH_HZ, LOW_HZ, Receiver};
use tipring::dsp::g711::Law;
use tipring::dsp::voice::Speech;
use tipring::event::Heard;

const KEYS: [char; 16] = ['1', '2', '3', 'A', '4', '5', '6', 'B', '7', '8', '9', 'C', '*', '0', '#', 'D'];

#[derive(Clone, Copy)]
struct Key {
    key: usize,
    /// Off nominal, low and high.
    off: [f32; 2],
    level_dbm0: [f32; 2],
    on_ms: f32,
    pause_ms: f32,
}

impl Key {
    fn char(&self) -> char {
        KEYS[self.key]
    }
}

/// 16 digits a clip, and silence before and after.
struct Clip {
    sent: String,
    began: Vec<usize>,
    ended: Vec<usize>,
    samples: Vec<i16>,
}

fn clip(dice: &mut Dice, keys: &[Key]) -> Clip {
    let mut samples = vec![0i16; 2400 + dice.below(160)];
    let (mut began, mut ended) = (Vec::new(), Vec::new());
    for key in keys {
        let from = samples.len();
        let on = (key.on_ms * 8.0).round() as usize;
        samples.resize(from + on, 0);
        let hz = [LOW_HZ[key.key / 4], HIGH_HZ[key.key % 4]];
        for ((hz, off), level_dbm0) in hz.into_iter().zip(key.off).zip(key.level_dbm0) {
            let phase = dice.between(0.0, std::f32::consts::TAU);
            add_sine(&mut samples[from..], hz * (1.0 + off), level_dbm0, phase);
        }
        began.push(from);
        ended.push(from + on);
        samples.resize(samples.len() + (key.pause_ms * 8.0).round() as usize, 0);
    }
    samples.resize(samples.len() + 2400, 0);
    Clip { sent: keys.iter().map(Key::char).collect(), began, ended, samples }
}

fn plain(dice: &mut Dice) -> Vec<Key> {
    let mut order: Vec<usize> = (0..16).collect();
    for i in (1..16).rev() {
        order.swap(i, dice.below(i + 1));
    }
    let key = |key| Key { key, off: [0.0; 2], level_dbm0: [-10.0; 2], on_ms: 70.0, pause_ms: 70.0 };
    order.into_iter().map(key).collect()
}

/// What is in the one and in the same order in the other.
fn common(sent: &str, heard: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (sent.chars().collect(), heard.chars().collect());
    let mut row = vec![0usize; b.len() + 1];
    for x in &a {
        let mut diagonal = 0;
        for (j, y) in b.iter().enumerate() {
            let up = row[j + 1];
            row[j + 1] = if x == y { diagonal + 1 } else { up.max(row[j]) };
            diagonal = up;
        }
    }
    row[b.len()]
}

fn ours(clips: &[Vec<i16>]) -> (Vec<String>, f64) {
    let before = peers::own_cpu_s();
    let heard = clips.iter().map(|c| digits(c)).collect();
    (heard, peers::own_cpu_s() - before)
}

fn digits(samples: &[i16]) -> String {
    let mut out = Vec::new();
    Receiver::new(Time::ZERO).feed(samples, &mut out);
    out.iter().filter_map(|h| if let Heard::Digit { digit, .. } = h { Some(digit.as_char()) } else { None }).collect()
}

fn of_spandsp(said: &str) -> String {
    said.split_whitespace().filter_map(|d| d.chars().next()).collect()
}

struct Condition {
    name: &'static str,
    make: fn(&mut Dice) -> Clip,
}

fn offset(dice: &mut Dice, keys: &mut [Key], share: f32) {
    keys.iter_mut().for_each(|k| k.off = [dice.between(-share, share), dice.between(-share, share)]);
}

fn twist(dice: &mut Dice, keys: &mut [Key]) {
    for k in keys {
        let high_over_low = dice.between(-8.0, 4.0);
        let mean = (k.level_dbm0[0] + k.level_dbm0[1]) / 2.0;
        k.level_dbm0 = [mean - high_over_low / 2.0, mean + high_over_low / 2.0];
    }
}

fn level(dice: &mut Dice, keys: &mut [Key], low: f32, high: f32) {
    for k in keys {
        let by = dice.between(low, high) - k.level_dbm0[0];
        k.level_dbm0 = k.level_dbm0.map(|l| l + by);
    }
}

fn short(keys: &mut [Key]) {
    keys.iter_mut().for_each(|k| (k.on_ms, k.pause_ms) = (40.0, 40.0));
}

fn noisy(dice: &mut Dice, mut c: Clip, snr_db: f32) -> Clip {
    // of the two tones at −10 dBm0 each
    add_noise(&mut c.samples, dice.seed(), -7.0 - snr_db);
    c
}

const CONDITIONS: [Condition; 22] = [
    Condition {
        name: "70 ms on, 70 off, −10 dBm0",
        make: |d| {
            let k = plain(d);
            clip(d, &k)
        },
    },
    Condition {
        name: "40 ms on, 40 off",
        make: |d| {
            let mut k = plain(d);
            short(&mut k);
            clip(d, &k)
        },
    },
    Condition {
        name: "frequencies to ±1.5 %",
        make: |d| {
            let mut k = plain(d);
            offset(d, &mut k, 0.015);
            clip(d, &k)
        },
    },
    Condition {
        name: "twist −8…+4 dB",
        make: |d| {
            let mut k = plain(d);
            twist(d, &mut k);
            clip(d, &k)
        },
    },
    Condition {
        name: "0…−25 dBm0",
        make: |d| {
            let mut k = plain(d);
            level(d, &mut k, -25.0, 0.0);
            clip(d, &k)
        },
    },
    Condition {
        name: "−25…−40 dBm0",
        make: |d| {
            let mut k = plain(d);
            level(d, &mut k, -40.0, -25.0);
            clip(d, &k)
        },
    },
    Condition {
        name: "all of these at random",
        make: |d| {
            let mut k = plain(d);
            offset(d, &mut k, 0.015);
            twist(d, &mut k);
            level(d, &mut k, -25.0, -2.0);
            short(&mut k);
            clip(d, &k)
        },
    },
    Condition {
        name: "noise 20 dB below",
        make: |d| {
            let k = plain(d);
            let c = clip(d, &k);
            noisy(d, c, 20.0)
        },
    },
    Condition {
        name: "noise 12 dB below",
        make: |d| {
            let k = plain(d);
            let c = clip(d, &k);
            noisy(d, c, 12.0)
        },
    },
    Condition {
        name: "noise 12 dB below, 40 ms, ±1.5 %",
        make: |d| {
            let mut k = plain(d);
            offset(d, &mut k, 0.015);
            short(&mut k);
            let c = clip(d, &k);
            noisy(d, c, 12.0)
        },
    },
    Condition {
        name: "over dial tone 350 + 440 Hz, −16 dBm0",
        make: |d| {
            let k = plain(d);
            let mut c = clip(d, &k);
            add_sine(&mut c.samples, 350.0, -16.0, 0.0);
            add_sine(&mut c.samples, 440.0, -16.0, 0.0);
            c
        },
    },
    Condition {
        name: "over dial tone 425 Hz, −10 dBm0",
        make: |d| {
            let k = plain(d);
            let mut c = clip(d, &k);
            add_sine(&mut c.samples, 425.0, -10.0, 0.0);
            c
        },
    },
    Condition {
        name: "hum at −20 dBm0",
        make: |d| {
            let k = plain(d);
            let mut c = clip(d, &k);
            add_hum(&mut c.samples, -20.0);
            c
        },
    },
    Condition {
        name: "µ-law, at random",
        make: |d| {
            let mut k = plain(d);
            offset(d, &mut k, 0.015);
            twist(d, &mut k);
            level(d, &mut k, -30.0, -2.0);
            let mut c = clip(d, &k);
            compand(&mut c.samples, Law::Mu);
            c
        },
    },
    Condition {
        name: "A-law, at random",
        make: |d| {
            let mut k = plain(d);
            offset(d, &mut k, 0.015);
            twist(d, &mut k);
            level(d, &mut k, -30.0, -2.0);
            let mut c = clip(d, &k);
            compand(&mut c.samples, Law::A);
            c
        },
    },
    Condition {
        name: "a break of 10 ms in each",
        make: |d| {
            let k = plain(d);
            let mut c = clip(d, &k);
            let mid: Vec<usize> = c.began.iter().map(|b| b + 240).collect();
            mid.iter().for_each(|m| c.samples[*m..m + 80].fill(0));
            c
        },
    },
    Condition {
        name: "one 10 ms block lost in each, anywhere",
        make: |d| {
            let k = plain(d);
            let mut c = clip(d, &k);
            let began = c.began.clone();
            for b in began {
                let at = b + 80 * d.below(6);
                c.samples[at..at + 80].fill(0);
            }
            c
        },
    },
    Condition {
        name: "5 % of 10 ms blocks lost, concealed",
        make: |d| {
            let k = plain(d);
            let mut c = clip(d, &k);
            corpus::lose(&mut c.samples, d, 0.05, true);
            c
        },
    },
    Condition {
        name: "echo 16 dB below after 25 ms",
        make: |d| {
            let k = plain(d);
            let mut c = clip(d, &k);
            let dry = c.samples.clone();
            for i in 200..dry.len() {
                c.samples[i] =
                    (i32::from(c.samples[i]) + i32::from(dry[i - 200]) * 10 / 63).clamp(-32768, 32767) as i16;
            }
            c
        },
    },
    Condition {
        name: "over a voice (our prompt returned) 15 dB below",
        make: |d| {
            let k = plain(d);
            let mut c = clip(d, &k);
            Speech::new(d.seed(), -22.0).add_to(&mut c.samples);
            c
        },
    },
    Condition {
        name: "4 km of cable (8 dB tilt), 25 dB SNR",
        make: |d| {
            let k = plain(d);
            let mut c = clip(d, &k);
            corpus::tilt(&mut c.samples, 8.0);
            add_noise(&mut c.samples, d.seed(), -34.0);
            c
        },
    },
    Condition {
        name: "level 3 dB over full scale, clipped",
        make: |d| {
            let mut k = plain(d);
            level(d, &mut k, -1.0, 1.0);
            clip(d, &k)
        },
    },
];

/// Everything at its limit at once.
fn corners(dice: &mut Dice, snr_db: Option<f32>) -> Vec<Clip> {
    let mut clips = Vec::new();
    for low in [-0.015, 0.015] {
        for high in [-0.015, 0.015] {
            // high over low
            for twist in [-8.0, 4.0] {
                // the louder at 0 dBm0, or the softer at −25 and at −40
                for level in [0.0, -25.0, -40.0] {
                    for (on_ms, pause_ms) in [(40.0, 40.0), (40.0, 30.0)] {
                        let levels: [f32; 2] = match (level, twist) {
                            (0.0, t) if t < 0.0 => [0.0, t],
                            (0.0, t) => [-t, 0.0],
                            (l, t) if t < 0.0 => [l - t, l],
                            (l, t) => [l, l + t],
                        };
                        let mut keys = plain(dice);
                        for k in &mut keys {
                            *k = Key { off: [low, high], level_dbm0: levels, on_ms, pause_ms, ..*k };
                        }
                        let mut c = clip(dice, &keys);
                        if let Some(snr) = snr_db {
                            let softer = levels[0].min(levels[1]);
                            add_noise(&mut c.samples, dice.seed(), softer - snr);
                        }
                        clips.push(c);
                    }
                }
            }
        }
    }
    clips
}

/// What every administration wants rejected: 16 digits in 108 ways, 1,728.
fn rejects(dice: &mut Dice) -> Vec<Clip> {
    let mut clips = Vec::new();
    let mut add = |dice: &mut Dice, off: [f32; 2], levels: [f32; 2], on_ms: f32| {
        let mut keys = plain(dice);
        for k in &mut keys {
            *k = Key { off, level_dbm0: levels, on_ms, pause_ms: 80.0, ..*k };
        }
        clips.push(clip(dice, &keys));
    };
    for level in [-5.0, -15.0, -25.0] {
        for off in [0.035, -0.035, 0.04, -0.04, 0.05, -0.05] {
            for (low, high) in [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, -1.0)] {
                add(dice, [off * low, off * high], [level; 2], 70.0);
            }
        }
        for on_ms in [10.0, 15.0, 20.0, 23.0] {
            for twist in [-3.0, 3.0] {
                add(dice, [0.0; 2], [level, level + twist], on_ms);
            }
        }
    }
    for level in [-55.0, -57.0, -60.0, -65.0] {
        for twist in [-3.0, 0.0, 3.0] {
            add(dice, [0.0; 2], [level, level + twist], 70.0);
        }
    }
    clips
}

fn samples(clips: &[Clip]) -> Vec<Vec<i16>> {
    clips.iter().map(|c| c.samples.clone()).collect()
}

fn compare(clips: &[Clip]) -> [(usize, usize, usize); 3] {
    let audio = samples(clips);
    let spandsp: Vec<String> = peers::spandsp(&["dtmf"], &audio).clips.iter().map(|s| of_spandsp(s)).collect();
    let heard = [ours(&audio).0, spandsp, peers::multimon(&audio).clips];
    heard.map(|heard| {
        let sent: usize = clips.iter().map(|c| c.sent.len()).sum();
        let hits: usize = clips.iter().zip(&heard).map(|(c, h)| common(&c.sent, h)).sum();
        let all: usize = heard.iter().map(String::len).sum();
        (sent, hits, all - hits)
    })
}

pub fn hits(report: &mut Report, clips_each: usize) {
    let mut dice = Dice::new(1);
    let mut total = [(0, 0, 0); 3];
    let cell = |(sent, hits, more): (usize, usize, usize)| {
        let extra = if more > 0 { format!(" (+{more} false)") } else { String::new() };
        percent(hits, sent) + &extra
    };
    report.table("Digits inside the limits of Q.24", &["condition", "digits", "tipring", "spandsp", "multimon-ng"]);
    for condition in &CONDITIONS {
        let clips: Vec<Clip> = (0..clips_each).map(|_| (condition.make)(&mut dice)).collect();
        let scores = compare(&clips);
        for (sum, s) in total.iter_mut().zip(scores) {
            *sum = (sum.0 + s.0, sum.1 + s.1, sum.2 + s.2);
        }
        report.row(&[
            condition.name.into(),
            scores[0].0.to_string(),
            cell(scores[0]),
            cell(scores[1]),
            cell(scores[2]),
        ]);
    }
    report.row(&["**all**".into(), total[0].0.to_string(), cell(total[0]), cell(total[1]), cell(total[2])]);
    let figure = |report: &mut Report, name: &str, aim: &str, s: [(usize, usize, usize); 3]| {
        let multimon =
            format!("{} (multimon-ng {}, and {} that were not sent)", cell(s[1]), percent(s[2].1, s[2].0), s[2].2);
        report.figure(name, aim, &cell(s[0]), &multimon);
    };
    figure(report, "DTMF inside the limits", "≥ 99 %", total);
    for (name, snr) in
        [("all limits at once", None), ("all limits at once, noise 15 dB below the softer tone", Some(15.0))]
    {
        let scores = compare(&corners(&mut dice, snr));
        report.row(&[name.into(), scores[0].0.to_string(), cell(scores[0]), cell(scores[1]), cell(scores[2])]);
        if snr.is_some() {
            figure(report, "DTMF at the corners of the limits", "≥ 75 %", scores);
        }
    }
}

pub fn rejected(report: &mut Report) {
    let mut dice = Dice::new(2);
    let clips = rejects(&mut dice);
    let sent: usize = clips.iter().map(|c| c.sent.len()).sum();
    let audio = samples(&clips);
    let count = |heard: &[String]| heard.iter().map(String::len).sum::<usize>().to_string();
    let spandsp: Vec<String> = peers::spandsp(&["dtmf"], &audio).clips.iter().map(|s| of_spandsp(s)).collect();
    let (ours, multimon) = (ours(&audio).0, peers::multimon(&audio).clips);
    report.table("Digits outside the limits, reported all the same", &["of", "tipring", "spandsp", "multimon-ng"]);
    report.row(&[sent.to_string(), count(&ours), count(&spandsp), count(&multimon)]);
    report.figure_low("digits outside the limits, of 1,728", "≤ 10", &count(&ours), &count(&spandsp));
}

/// From the beginning of a digit to the moment at which it is known.
pub fn latency(report: &mut Report) {
    let mut dice = Dice::new(3);
    let clips: Vec<Clip> = (0..40)
        .map(|_| {
            let mut keys = plain(&mut dice);
            offset(&mut dice, &mut keys, 0.01);
            level(&mut dice, &mut keys, -25.0, -5.0);
            let mut c = clip(&mut dice, &keys);
            add_noise(&mut c.samples, dice.seed(), -55.0);
            c
        })
        .collect();
    let said = peers::spandsp(&["dtmf"], &samples(&clips)).clips;
    let parse = |s: &String| -> Vec<usize> {
        s.split_whitespace().filter_map(|d| d.rsplit_once('@')?.1.parse().ok()).collect()
    };
    let theirs: Vec<f32> = clips.iter().zip(&said).flat_map(|(c, s)| late(&c.began, &parse(s))).collect();
    let (mut soon, mut end) = (Vec::new(), Vec::new());
    for c in &clips {
        let mut receiver = Receiver::new(Time::ZERO);
        let (mut out, mut began, mut ended, mut before) = (Vec::new(), Vec::new(), Vec::new(), None);
        for (i, piece) in c.samples.chunks(8).enumerate() {
            receiver.feed(piece, &mut out);
            if out.drain(..).count() > 0 {
                ended.push(8 * (i + 1));
            }
            let now = receiver.sounding().map(|(digit, _)| digit);
            if now.is_some() && now != before {
                began.push(8 * (i + 1));
            }
            before = now;
        }
        soon.extend(late(&c.began, &began));
        end.extend(late(&c.ended, &ended));
    }
    report.table("How soon a digit is known, ms", &["", "median", "95 %"]);
    for (name, values) in [
        ("tipring, after its beginning", &mut soon),
        ("tipring, its end after its end", &mut end),
        ("spandsp, after its beginning", &mut theirs.clone()),
    ] {
        report.row(&[name.into(), quantile(values, 0.5), quantile(values, 0.95)]);
    }
    let (mut a, mut b) = (soon, theirs);
    let pair = |v: &mut Vec<f32>| format!("{} / {} ms", quantile(v, 0.5), quantile(v, 0.95));
    report.figure_low("DTMF latency, median / 95 %", "31 / 36 ms", &pair(&mut a), &pair(&mut b));
}

fn late(true_at: &[usize], told_at: &[usize]) -> Vec<f32> {
    true_at
        .iter()
        .filter_map(|&b| told_at.iter().find(|&&t| t >= b && t < b + 1200).map(|t| (t - b) as f32 / 8.0))
        .collect()
}

fn quantile(values: &mut [f32], q: f32) -> String {
    values.sort_by(f32::total_cmp);
    values.get(((values.len().max(1) - 1) as f32 * q) as usize).map_or("–".into(), |v| format!("{v:.0}"))
}

pub fn talk_off(report: &mut Report, kind: &str, recordings: &[Recording], variations: usize) {
    let audio: Vec<Vec<i16>> = recordings.iter().map(|r| r.samples.clone()).collect();
    let mut counts = [0usize; 2];
    let mut hours = 0.0;
    let mut multi = None;
    for variation in 0..variations {
        let varied: Vec<Vec<i16>> = audio
            .iter()
            .map(|s| match variation {
                0 => s.clone(),
                1 => corpus::at_speed(s, 1.12),
                2 => corpus::at_speed(s, 0.9),
                _ => {
                    let mut louder = corpus::at_level(s, if variation % 2 == 0 { -12.0 } else { -24.0 });
                    compand(&mut louder, Law::A);
                    louder
                }
            })
            .collect();
        let h = varied.iter().map(Vec::len).sum::<usize>() as f32 / 28_800_000.0;
        hours += h;
        for (s, r) in varied.iter().zip(recordings) {
            let heard = digits(s);
            if !heard.is_empty() {
                eprintln!("  tipring: {heard} in {} ({variation})", r.name);
            }
            counts[0] += heard.len();
        }
        let mut heard: Vec<String> = Vec::new();
        for part in varied.chunks(500) {
            heard.extend(peers::spandsp(&["dtmf"], part).clips.iter().map(|s| of_spandsp(s)));
        }
        counts[1] += heard.iter().map(String::len).sum::<usize>();
        if variation == 0 {
            let whole: Vec<i16> = varied.concat();
            multi = Some((peers::multimon(&[whole]).clips[0].len(), h));
        }
    }
    let (m, mh) = multi.unwrap_or((0, 1.0));
    report.row(&[
        kind.into(),
        format!("{hours:.1} h"),
        counts[0].to_string(),
        counts[1].to_string(),
        format!("{m} in {mh:.1} h"),
    ]);
    if kind.starts_with("speech") {
        report.figure_low(
            &format!("false digits in {hours:.1} h of speech"),
            "0",
            &counts[0].to_string(),
            &counts[1].to_string(),
        );
    }
}

pub fn speed(report: &mut Report) {
    let mut dice = Dice::new(4);
    let clips: Vec<Vec<i16>> = (0..120)
        .map(|_| {
            let k = plain(&mut dice);
            let mut c = clip(&mut dice, &k).samples;
            add_noise(&mut c, dice.seed(), -45.0);
            c
        })
        .collect();
    let seconds = clips.iter().map(Vec::len).sum::<usize>() as f64 / 8000.0;
    crate::speed_row(
        report,
        "DTMF, digits all the time",
        "40,000×",
        seconds,
        &mut [
            ("tipring", &mut || ours(&clips).1),
            ("spandsp", &mut || peers::spandsp(&["dtmf"], &clips).cpu_s),
            ("multimon-ng", &mut || peers::multimon(&clips[..20]).cpu_s * 6.0),
        ],
    );
}
