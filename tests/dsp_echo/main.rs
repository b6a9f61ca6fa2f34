//! The echo canceller on lines of which everything is known: how much it takes out, how soon, and what it does while
//! two people speak, when the path changes, for tones, flashes, faxes and noise.
//!
//! Unless a test says otherwise: both directions companded (µ-law), we speak at −15 dBm0, noise of the line −60 dBm0,
//! six hybrids of 6 to 20 dB return loss with 0.5 to 11 ms of delay, and four pairs of talkers on each. What is left of
//! the echo is all that comes out and is neither the other talker nor the line's noise, what companding adds included.

mod line;

use line::{Line, SECOND, db, hybrid, median, power};
use proptest::prelude::*;
use tipring::dsp::dtmf::{DtmfGenerator, DtmfTiming};
use tipring::dsp::echo::{Canceller, Config, DELAY_SAMPLES, Tail};
use tipring::dsp::g711::Law;
use tipring::dsp::level;
use tipring::dsp::tone::ToneGenerator;
use tipring::dsp::voice::{Noise, Random, Speech};
use tipring::dsp::{Source, render};

/// Hybrid, delay in samples, return loss.
const PATHS: [(u64, usize, f32); 6] =
    [(0, 4, 12.0), (1, 20, 8.0), (2, 60, 15.0), (3, 10, 6.0), (4, 35, 20.0), (5, 90, 10.0)];

fn linear(tail: Tail) -> Config {
    Config { tail, law: Some(Law::Mu), non_linear: false, ..Config::default() }
}

fn run(config: Config, line: &Line) -> Vec<i16> {
    let mut out = line.received.clone();
    let mut canceller = Canceller::new(config);
    for (sent, received) in line.sent.chunks(160).zip(out.chunks_mut(160)) {
        canceller.process(sent, received);
    }
    out
}

fn quiet(samples: usize) -> Vec<f32> {
    vec![0.0; samples]
}

/// Somebody at the far end, from this second to that one.
fn talker(seed: u64, dbm0: f32, from: usize, to: usize, samples: usize) -> Vec<f32> {
    let mut near = quiet(samples);
    let said = Line::speech(seed, dbm0, (to - from) * SECOND);
    near[from * SECOND..to * SECOND].iter_mut().zip(said).for_each(|(n, s)| *n = f32::from(s));
    near
}

#[derive(Default)]
struct Figures {
    time_to_20_db: Vec<f32>,
    steady_db: Vec<f32>,
    after_change: Vec<f32>,
    steady_again_db: Vec<f32>,
    near_sdr_db: Vec<f32>,
    after_double_talk_db: Vec<f32>,
}

impl Figures {
    fn measure(tail: Tail, noise_dbm0: f32) -> Figures {
        let mut f = Figures::default();
        for seed in 0..4 {
            for (number, delay, loss_db) in PATHS {
                let n = 14 * SECOND;
                let sent = Line::speech(seed * 10 + number, -15.0, n);
                let path = hybrid(number, delay, loss_db);
                // the call is put through after 6 s
                let other = hybrid((number + 1) % 6, delay + 13, loss_db - 1.0);
                let line = Line::new(&sent, &[(0, path.clone()), (6 * SECOND, other)], quiet(n), noise_dbm0, seed);
                let left = line.left(&run(linear(tail), &line), DELAY_SAMPLES);
                f.time_to_20_db.push(line.time_to_20_db(&left, 0));
                f.steady_db.push(line.erle_db(&left, 3 * SECOND..6 * SECOND));
                f.after_change.push(line.time_to_20_db(&left, 6 * SECOND));
                f.steady_again_db.push(line.erle_db(&left, 9 * SECOND..13 * SECOND));
                // the far party speaks as loud as we do, from 4 to 8 s
                let near = talker(500 + seed * 10 + number, -15.0, 4, 8, n);
                let line = Line::new(&sent, &[(0, path)], near, noise_dbm0, seed + 77);
                let left = line.left(&run(linear(tail), &line), DELAY_SAMPLES);
                let during = 4 * SECOND..8 * SECOND;
                f.near_sdr_db.push(db(power(&line.near[during.clone()]) / power(&left[during])));
                f.after_double_talk_db.push(line.erle_db(&left, 8 * SECOND..9 * SECOND));
            }
        }
        f
    }

    /// Prints all, gives the medians in the order of the fields.
    fn medians(&self, title: &str) -> [f32; 6] {
        let all = [
            ("time to 20 dB, s", &self.time_to_20_db),
            ("steady ERLE, dB", &self.steady_db),
            ("to 20 dB after a change, s", &self.after_change),
            ("steady ERLE then, dB", &self.steady_again_db),
            ("near talker's SDR, dB", &self.near_sdr_db),
            ("ERLE after double talk, dB", &self.after_double_talk_db),
        ];
        println!("{title}");
        all.map(|(name, values)| {
            let (low, high) = values.iter().fold((f32::MAX, f32::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
            let middle = median(values.clone());
            println!("  {name:28} {low:6.2} … {middle:6.2} … {high:6.2}");
            middle
        })
    }
}

fn least(values: &[f32]) -> f32 {
    values.iter().copied().fold(f32::MAX, f32::min)
}

fn most(values: &[f32]) -> f32 {
    values.iter().copied().fold(f32::MIN, f32::max)
}

#[test]
fn echoes_are_taken_out_soon_and_well_and_two_talkers_do_not_harm_it() {
    for (tail, worst_db) in [(Tail::Ms32, 19.0), (Tail::Ms128, 13.0)] {
        let f = Figures::measure(tail, -60.0);
        let [soon, steady, changed, again, sdr, after] = f.medians(&format!("{tail:?}, noise −60 dBm0"));
        assert!(soon <= 0.25, "{tail:?}: {soon} s to 20 dB");
        assert!(steady >= 30.0 && again >= 30.0, "{tail:?}: steady {steady}, {again} dB");
        assert!(changed <= 1.2, "{tail:?}: {changed} s after a change");
        assert!(sdr >= 31.0 && after >= 27.0, "{tail:?}: near talker {sdr} dB, then {after} dB");
        // and the worst of the 24 lines, which is the hybrid that returns least
        assert!(least(&f.steady_db) > worst_db && least(&f.near_sdr_db) > 22.0);
        assert!(most(&f.time_to_20_db) < 2.0 && most(&f.after_change) < 2.5);
    }
}

#[test]
fn a_noisy_line_costs_a_little() {
    for (tail, steady_db) in [(Tail::Ms32, 28.5), (Tail::Ms128, 24.5)] {
        let [soon, steady, changed, _, sdr, after] = Figures::measure(tail, -50.0).medians("noise −50 dBm0");
        assert!(soon <= 0.5 && changed <= 1.2 && steady > steady_db && sdr > 28.0 && after > 25.0, "{tail:?}");
    }
}

#[test]
fn every_tail_takes_out_what_fits_into_it() {
    for tail in Tail::ALL {
        let sent = Line::speech(3, -15.0, 8 * SECOND);
        let delay = (tail.samples() - 110).min(600);
        let line = Line::new(&sent, &[(0, hybrid(0, delay, 10.0))], quiet(sent.len()), -60.0, 4);
        let left = line.left(&run(linear(tail), &line), DELAY_SAMPLES);
        let erle = line.erle_db(&left, 3 * SECOND..7 * SECOND);
        println!("{tail:?}: {erle:.1} dB at a delay of {} ms", delay / 8);
        assert!(erle > 29.0, "{tail:?}: {erle}");
    }
}

#[test]
fn tones_and_digits_that_are_sent_do_not_spoil_what_speech_taught() {
    for name in ["1004 Hz", "300 Hz", "digits"] {
        for (number, delay, loss_db) in PATHS {
            let mut sent = Line::speech(number, -15.0, 10 * SECOND);
            sent[4 * SECOND..7 * SECOND].fill(0);
            let mut sound: Box<dyn Source> = match name {
                "1004 Hz" => Box::new(ToneGenerator::sine(1004.0, -6.0, None)),
                "300 Hz" => Box::new(ToneGenerator::sine(300.0, -10.0, None)),
                _ => Box::new(DtmfGenerator::new(&"1234567890123456789".parse().unwrap(), DtmfTiming::default())),
            };
            sound.add_to(&mut sent[4 * SECOND..7 * SECOND]);
            let line = Line::new(&sent, &[(0, hybrid(number, delay, loss_db))], quiet(sent.len()), -60.0, 5);
            let left = line.left(&run(linear(Tail::Ms32), &line), DELAY_SAMPLES);
            let (before, after) =
                (line.erle_db(&left, 3 * SECOND..4 * SECOND), line.erle_db(&left, 7 * SECOND..8 * SECOND));
            let during = line.erle_db(&left, 5 * SECOND..7 * SECOND - 200);
            println!("{name}, hybrid {number}: {before:.1} dB, during {during:.1}, after {after:.1}");
            assert!(
                during > 20.0 && after > before - 6.0 && after > 15.0,
                "{name} {number}: {before} {during} {after}"
            );
        }
    }
}

/// Between 4 and 4.6 s the loop is open: two clicks and nothing between them.
fn flashed(line: &mut Line) -> std::ops::Range<usize> {
    let flash = 4 * SECOND..4 * SECOND + 4800;
    line.received[flash.clone()].fill(0);
    for edge in [flash.start, flash.end] {
        for (i, r) in line.received[edge..edge + 24].iter_mut().enumerate() {
            *r = (25_000.0 * (-(i as f32) / 6.0).exp() * if i % 2 == 0 { 1.0 } else { -0.6 }) as i16;
        }
    }
    flash
}

#[test]
fn a_hook_flash_leaves_the_path_as_it_was_told_or_not() {
    for (number, delay, loss_db) in PATHS {
        let sent = Line::speech(number + 20, -15.0, 8 * SECOND);
        let mut line = Line::new(&sent, &[(0, hybrid(number, delay, loss_db))], quiet(sent.len()), -60.0, 6);
        let flash = flashed(&mut line);
        for told in [false, true] {
            let mut out = line.received.clone();
            let mut canceller = Canceller::new(linear(Tail::Ms32));
            for (at, (sent, received)) in line.sent.chunks(80).zip(out.chunks_mut(80)).enumerate() {
                if told && at * 80 == flash.start {
                    canceller.set_open(true);
                }
                if told && at * 80 == flash.end {
                    canceller.set_open(false);
                }
                canceller.process(sent, received);
            }
            let left = line.left(&out, DELAY_SAMPLES);
            let before = line.erle_db(&left, 3 * SECOND..4 * SECOND);
            let after = line.erle_db(&left, flash.end + 100..flash.end + 4000);
            // a canceller must not put an echo where there is none
            let in_flash: Vec<f32> = out[flash.start + 900..flash.end].iter().map(|s| f32::from(*s)).collect();
            let made_up = level::dbm0_of_power(power(&in_flash));
            println!("hybrid {number}, told {told}: {before:.1} dB, after {after:.1}; in the flash {made_up:.1} dBm0");
            assert!(after > before - 8.0 && after > 14.0, "hybrid {number}, told {told}: {before}, then {after}");
            assert!(made_up < -38.0, "hybrid {number}, told {told}: {made_up} dBm0");
        }
    }
}

/// An open pair is no load to the hybrid: all that is sent comes back, by a path that is gone when the loop is closed.
#[test]
fn who_is_told_of_a_flash_does_not_learn_the_open_pair() {
    let (mut told_db, mut untold_db) = (Vec::new(), Vec::new());
    for (number, delay, loss_db) in PATHS {
        let sent = Line::speech(number + 60, -15.0, 8 * SECOND);
        let flash = 4 * SECOND..5 * SECOND;
        let path = hybrid(number, delay, loss_db);
        let open = hybrid(number + 7, delay, 2.0);
        let paths = [(0, path.clone()), (flash.start, open), (flash.end, path)];
        let line = Line::new(&sent, &paths, quiet(sent.len()), -60.0, 6);
        for (told, after) in [(true, &mut told_db), (false, &mut untold_db)] {
            let mut out = line.received.clone();
            let mut canceller = Canceller::new(linear(Tail::Ms32));
            for (at, (sent, received)) in line.sent.chunks(80).zip(out.chunks_mut(80)).enumerate() {
                if told && (at * 80 == flash.start || at * 80 == flash.end) {
                    canceller.set_open(at * 80 == flash.start);
                }
                canceller.process(sent, received);
            }
            let left = line.left(&out, DELAY_SAMPLES);
            let then = flash.end + 200..flash.end + 2200;
            if power(&line.echo[then.clone()]) > level::power(-50.0) {
                after.push(line.erle_db(&left, then));
            }
        }
    }
    println!("in the quarter second after the flash: told {told_db:.1?}, not told {untold_db:.1?}");
    assert!(told_db.len() >= 4 && least(&told_db) > 15.0, "{told_db:?}");
    assert!(median(told_db) > 28.0 && median(untold_db) < 10.0);
}

#[test]
fn steps_of_level_are_followed() {
    for (number, delay, loss_db) in PATHS.into_iter().filter(|p| p.2 > 7.0) {
        // what we say falls by 20 dB and comes back; the gain of the receiver rises by 6 dB
        let mut sent = Line::speech(number + 30, -12.0, 14 * SECOND);
        level::amplify(&mut sent[4 * SECOND..6 * SECOND], -20.0);
        let path = hybrid(number, delay, loss_db);
        let louder = path.iter().map(|t| t * 2.0).collect();
        let line = Line::new(&sent, &[(0, path), (9 * SECOND, louder)], quiet(sent.len()), -60.0, 7);
        let left = line.left(&run(linear(Tail::Ms32), &line), DELAY_SAMPLES);
        let again = line.erle_db(&left, 6 * SECOND..7 * SECOND);
        let louder = line.time_to_20_db(&left, 9 * SECOND);
        println!("hybrid {number}: {again:.1} dB after the step, {louder:.2} s after the gain");
        assert!(again > 19.0 && louder < 1.7, "hybrid {number}: {again} dB, {louder} s");
    }
}

#[test]
fn a_line_without_an_echo_is_left_as_it_is() {
    let sent = Line::speech(1, -15.0, 8 * SECOND);
    for (from, least_db) in [(0, 10.0), (2, 25.0)] {
        let near = talker(2, -18.0, from, 8, sent.len());
        let line = Line::new(&sent, &[(0, vec![0.0])], near, -60.0, 8);
        let left = line.left(&run(linear(Tail::Ms32), &line), DELAY_SAMPLES);
        for second in from..7 {
            let part = second * SECOND..(second + 1) * SECOND;
            println!("from {from}, {second}: {:.1} dB", db(power(&line.near[part.clone()]) / power(&left[part])));
        }
        let sdr = db(power(&line.near[2 * SECOND..7 * SECOND]) / power(&left[2 * SECOND..7 * SECOND]));
        assert!(sdr > least_db, "the far party speaks from {from} s: {sdr} dB");
    }
}

#[test]
fn what_the_filter_leaves_is_replaced_by_noise_like_the_lines_own() {
    for noise_dbm0 in [-60.0, -45.0] {
        for (number, delay, loss_db) in PATHS {
            let mut sent = Line::speech(number + 40, -15.0, 12 * SECOND);
            // pauses, in which the line is heard alone
            sent[3 * SECOND..4 * SECOND].fill(0);
            let near = talker(700 + number, -20.0, 7, 9, sent.len());
            let line = Line::new(&sent, &[(0, hybrid(number, delay, loss_db))], near, noise_dbm0, 9);
            let out = run(Config { non_linear: true, ..linear(Tail::Ms32) }, &line);
            let played = level::dbm0(&out[5 * SECOND..7 * SECOND - 400]);
            assert!((played - noise_dbm0).abs() < 3.0, "hybrid {number}: {played} for {noise_dbm0} dBm0");
            // and the other party is heard from the first sound on
            let left = line.left(&out, DELAY_SAMPLES);
            let (talks, rest) = (&line.near[7 * SECOND..9 * SECOND], &left[7 * SECOND..9 * SECOND]);
            let sdr = db(power(talks) / power(rest));
            println!("hybrid {number}: noise {played:.1} for {noise_dbm0}, near talker {sdr:.1} dB");
            assert!(sdr > 12.0, "hybrid {number}: {sdr} dB");
        }
    }
}

#[test]
fn a_fax_with_phase_reversals_turns_it_off_until_there_is_silence() {
    let n = 9 * SECOND;
    let mut sent = Line::speech(5, -15.0, n);
    sent[2 * SECOND..6 * SECOND].fill(0);
    let mut near = quiet(n);
    for (i, x) in near[2 * SECOND..4 * SECOND].iter_mut().enumerate() {
        let sign = if (i / 3600) % 2 == 1 { -1.0 } else { 1.0 };
        *x = sign * level::peak(-12.0) * (i as f32 * 2100.0 / 8000.0 * std::f32::consts::TAU).sin();
    }
    // then the data, and then nothing either way for half a second
    let data = render(&mut Noise::new(4, -15.0), 2 * SECOND - 4000);
    near[4 * SECOND..6 * SECOND - 4000].iter_mut().zip(&data).for_each(|(x, d)| *x = f32::from(*d));
    sent[4 * SECOND..6 * SECOND - 4000].copy_from_slice(&render(&mut Noise::new(5, -12.0), 2 * SECOND - 4000));
    let line = Line::new(&sent, &[(0, hybrid(1, 20, 8.0))], near, -65.0, 10);
    let out = run(Config { non_linear: true, ..linear(Tail::Ms32) }, &line);
    let untouched = 3 * SECOND + 800..6 * SECOND - 4100;
    let later = untouched.start + DELAY_SAMPLES..untouched.end + DELAY_SAMPLES;
    assert_eq!(out[later], line.received[untouched]);
    let left = line.left(&run(linear(Tail::Ms32), &line), DELAY_SAMPLES);
    assert!(line.erle_db(&left, 6 * SECOND + 1000..8 * SECOND) > 20.0);
}

#[test]
fn nothing_that_comes_makes_it_lose_its_way_for_good() {
    let mut random = Random::new(11);
    let n = 8 * SECOND;
    let mut sent = Line::speech(6, -15.0, n);
    let mut line = {
        for s in &mut sent[..2 * SECOND] {
            *s = if random.below(2) == 0 { i16::MIN } else { i16::MAX };
        }
        Line::new(&sent, &[(0, hybrid(0, 10, 10.0))], quiet(n), -60.0, 11)
    };
    for r in &mut line.received[SECOND..2 * SECOND] {
        *r = if random.below(2) == 0 { i16::MIN } else { i16::MAX };
    }
    let left = line.left(&run(linear(Tail::Ms32), &line), DELAY_SAMPLES);
    let erle = line.erle_db(&left, 5 * SECOND..7 * SECOND);
    assert!(erle > 27.0, "{erle} dB");
    let mut silence = [0i16; 800];
    Canceller::new(Config::default()).process(&[], &mut silence);
    assert_eq!(silence, [0; 800]);
}

#[test]
fn it_tells_how_it_is_doing() {
    let sent = Line::speech(7, -15.0, 6 * SECOND);
    let near = talker(8, -15.0, 5, 6, sent.len());
    let line = Line::new(&sent, &[(0, hybrid(1, 10, 8.0))], near, -60.0, 12);
    let mut canceller = Canceller::new(linear(Tail::Ms32));
    let mut spoke = [0usize; 6];
    for (i, (sent, received)) in line.sent.chunks(160).zip(line.received.clone().chunks_mut(160)).enumerate() {
        canceller.process(sent, received);
        spoke[i / 50] += usize::from(canceller.report().near_end);
    }
    let report = canceller.report();
    assert!(report.erle_db > 27.0 && !report.disabled, "{report:?}");
    assert!(spoke[3] + spoke[4] < 10 && spoke[5] > 20, "{spoke:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_split_of_the_audio_comes_out_the_same(cuts in prop::collection::vec(1usize..400, 1..30), seed in 0u64..20) {
        let mut sent = vec![0i16; 2 * SECOND];
        Speech::new(seed, -15.0).add_to(&mut sent);
        let near = talker(seed + 50, -20.0, 1, 2, sent.len());
        let line = Line::new(&sent, &[(0, hybrid(seed % 6, 20, 10.0))], near, -55.0, seed);
        let config = Config { tail: Tail::Ms16, ..Config::default() };
        let whole = run(config, &line);
        let mut parts = line.received.clone();
        let mut canceller = Canceller::new(config);
        let (mut sent, mut rest) = (&line.sent[..], &mut parts[..]);
        for cut in cuts.iter().cycle() {
            let n = (*cut).min(rest.len());
            let (now, later) = rest.split_at_mut(n);
            canceller.process(&sent[..n], now);
            (sent, rest) = (&sent[n..], later);
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(parts, whole);
    }
}
