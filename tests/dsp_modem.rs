//! What modems and faxes begin with, and the alert before caller ID in a call: generated here by their definitions, on lines as
//! they are.

mod pieces;

use pieces::pieces;
use proptest::prelude::*;
use std::f64::consts::TAU;
use std::time::Duration;
use tipring::clock::Time;
use tipring::dsp::caller_id::{self, Alert, Receiver, Sender};
use tipring::dsp::ear::Ear;
use tipring::dsp::fsk::Standard;
use tipring::dsp::g711::Law;
use tipring::dsp::voice::{Noise, Speech};
use tipring::dsp::{Source, level, render};
use tipring::event::{CallerId, CallerIdFormat, Event, FaxTone, Heard};
use tipring::facts::Facts;
use tipring::number::PartyNumber;

fn heard(samples: &[i16]) -> Vec<Heard> {
    let mut out = Vec::new();
    Ear::new(Facts::embedded().country("us").unwrap(), Time::ZERO).feed(samples, &mut out);
    out
}

fn faxes(heard: &[Heard]) -> Vec<FaxTone> {
    heard.iter().filter_map(|h| if let Heard::Fax { tone, .. } = h { Some(*tone) } else { None }).collect()
}

/// An answer tone after half a second, for three.
struct Answer {
    hz: f64,
    level_dbm0: f32,
    reversals: bool,
    /// Of the amplitude.
    depth: f64,
}

impl Answer {
    fn samples(&self, noise: (u64, f32), law: Option<Law>) -> Vec<i16> {
        let peak = f64::from(level::peak(self.level_dbm0));
        let mut samples = vec![0i16; 8000 * 4];
        for (n, s) in samples[4000..28_000].iter_mut().enumerate() {
            let t = n as f64 / 8000.0;
            let half_turns = if self.reversals { (t / 0.45).floor() } else { 0.0 };
            let envelope = 1.0 + self.depth * (TAU * 15.0 * t).sin();
            *s = (peak * envelope * (TAU * self.hz * t + half_turns * TAU / 2.0).sin()) as i16;
        }
        on_the_line(samples, noise, law)
    }
}

fn on_the_line(mut samples: Vec<i16>, (seed, level_dbm0): (u64, f32), law: Option<Law>) -> Vec<i16> {
    Noise::new(seed, level_dbm0).add_to(&mut samples);
    if let Some(law) = law {
        samples.iter_mut().for_each(|s| *s = law.decode(law.encode(*s)));
    }
    samples
}

/// Flags at 300 bit/s, phase-continuous: zeros are 1850 Hz, ones 1650.
fn flags(level_dbm0: f32, off_hz: f64, ms: usize, noise: (u64, f32)) -> Vec<i16> {
    let peak = f64::from(level::peak(level_dbm0));
    let mut samples = vec![0i16; 8000 + ms * 8];
    let mut phase = 0.0;
    for (n, s) in samples[4000..4000 + ms * 8].iter_mut().enumerate() {
        let bit = n * 300 / 8000 % 8;
        phase += TAU * (if bit == 0 || bit == 7 { 1850.0 } else { 1650.0 } + off_hz) / 8000.0;
        *s = (peak * phase.sin()) as i16;
    }
    on_the_line(samples, noise, None)
}

#[test]
fn answer_tones_are_told_apart_on_lines_as_they_are() {
    use FaxTone::{AnsReversals, Ansam, AnsamReversals, Ced};
    for (reversals, depth, expected) in [
        (false, 0.0, &[Ced][..]),
        (true, 0.0, &[Ced, AnsReversals]),
        (false, 0.2, &[Ansam]),
        (true, 0.2, &[Ansam, AnsamReversals]),
    ] {
        for (seed, (hz, level_dbm0, below)) in
            [(2100.0, -12.0, 40.0), (2085.0, -20.0, 25.0), (2115.0, -33.0, 20.0), (2102.0, -15.0, 15.0)]
                .into_iter()
                .enumerate()
        {
            for law in [None, Some(Law::Mu), Some(Law::A)] {
                let answer = Answer { hz, level_dbm0, reversals, depth };
                let heard = heard(&answer.samples((seed as u64, (level_dbm0 - below).max(-62.0)), law));
                assert_eq!(faxes(&heard), expected, "{hz} Hz, {level_dbm0} dBm0, {law:?}: {heard:?}");
                let else_heard = heard.iter().any(|h| !matches!(h, Heard::Fax { .. } | Heard::Silence { .. }));
                assert!(!else_heard, "{hz} Hz, {level_dbm0} dBm0, {law:?}: {heard:?}");
            }
        }
    }
}

#[test]
fn an_answer_tone_has_its_beginning() {
    for reversals in [false, true] {
        let answer = Answer { hz: 2100.0, level_dbm0: -15.0, reversals, depth: 0.2 };
        for h in heard(&answer.samples((3, -60.0), None)) {
            let Heard::Fax { since, .. } = h else { continue };
            assert!(since.as_ms().abs_diff(500) <= 10, "{since}");
        }
    }
}

#[test]
fn flags_of_a_fax_are_heard_and_are_no_speech() {
    for (seed, (level, off, below)) in
        [(-12.0, 0.0, 40.0), (-30.0, 6.0, 20.0), (-20.0, -6.0, 15.0), (-40.0, 0.0, 20.0)].into_iter().enumerate()
    {
        let heard = heard(&flags(level, off, 1000, (seed as u64, level - below)));
        let [since] = heard
            .iter()
            .filter_map(|h| match h {
                Heard::Fax { tone: FaxTone::V21Preamble, since } => Some(*since),
                _ => None,
            })
            .collect::<Vec<_>>()[..]
        else {
            panic!("{level} dBm0: {heard:?}")
        };
        assert!(since.as_ms().abs_diff(500) <= 40, "{since}");
        assert!(!heard.iter().any(|h| matches!(h, Heard::Speech { .. } | Heard::Tone { .. })), "{heard:?}");
    }
}

#[test]
fn too_few_flags_and_other_data_are_no_preamble() {
    let few = heard(&flags(-15.0, 0.0, 150, (1, -60.0)));
    assert_eq!(faxes(&few), vec![], "{few:?}");
    let id = CallerId { number: PartyNumber::from_network(b"5550142"), ..CallerId::default() };
    let mut data = vec![0; 4000];
    data.extend(render(&mut Sender::in_call(&id, Standard::V23, -15.0), usize::MAX));
    assert_eq!(faxes(&heard(&data)), vec![]);
}

fn alerts(heard: &[Heard]) -> Vec<(Time, Duration)> {
    heard
        .iter()
        .filter_map(|h| if let Heard::Alert { since, lasted } = h { Some((*since, *lasted)) } else { None })
        .collect()
}

#[test]
fn an_alert_is_heard_with_its_length_in_silence_and_over_a_voice() {
    for (lasts_ms, mut alert) in
        [(80, Alert::off_hook(-20.0)), (100, Alert::on_hook(-20.0)), (80, Alert::off_hook(-32.0))]
    {
        let tones = render(&mut alert, usize::MAX);
        let level = level::dbm0(&tones[80..600]);
        for voice_below in [None, Some(15.0)] {
            for shift in [0, 13, 27] {
                let mut samples = vec![0i16; 16_000 + shift];
                if let Some(below) = voice_below {
                    Speech::new(5, level - below).add_to(&mut samples);
                }
                for (s, tone) in samples[8000 + shift..].iter_mut().zip(&tones) {
                    *s = s.saturating_add(*tone);
                }
                let heard = heard(&on_the_line(samples, (1, -60.0), Some(Law::Mu)));
                let [(since, lasted)] = alerts(&heard)[..] else { panic!("{voice_below:?}: {heard:?}") };
                let began_us = (8000 + shift as u64) * 125;
                assert!(since.since(Time::ZERO).as_micros().abs_diff(began_us.into()) < 5000, "{since} {shift}");
                assert!(lasted.as_millis().abs_diff(lasts_ms) <= 5, "{lasted:?}");
            }
        }
    }
}

#[test]
fn what_is_nearly_an_alert_is_none() {
    let tones = |hz: [f64; 2], ms: usize| {
        let mut samples = vec![0i16; 12_000];
        for (n, s) in samples[4000..4000 + ms * 8].iter_mut().enumerate() {
            *s = hz.iter().map(|hz| 2000.0 * (TAU * hz * n as f64 / 8000.0).sin()).sum::<f64>() as i16;
        }
        samples
    };
    assert_eq!(alerts(&heard(&tones([2130.0, 2750.0], 80))).len(), 1);
    for (hz, ms) in [([2130.0, 2750.0], 40), ([2130.0, 2750.0], 200), ([2200.0, 2750.0], 80), ([2130.0, 2680.0], 80)] {
        assert_eq!(alerts(&heard(&tones(hz, ms))), vec![], "{hz:?} for {ms} ms");
    }
    for seed in 0..20 {
        let talk = render(&mut Speech::new(seed, -15.0), 8000 * 60);
        let heard = heard(&talk);
        assert_eq!((alerts(&heard), faxes(&heard)), (vec![], vec![]), "talker {seed}");
    }
}

/// Somebody talks, is told that somebody waits, and goes on: alert, answer, data.
#[test]
fn who_waits_is_heard_in_the_middle_of_a_call() {
    let id = CallerId {
        number: PartyNumber::from_network(b"2025550143"),
        name: Some("A WAITER".into()),
        date: Some([11, 22, 9, 5]),
        ..CallerId::default()
    };
    for (standard, format) in [(Standard::Bell202, CallerIdFormat::Bell202), (Standard::V23, CallerIdFormat::V23)] {
        let mut samples = render(&mut Speech::new(9, -20.0), 8000 * 3);
        samples.extend(render(&mut Alert::off_hook(-20.0), usize::MAX));
        samples.extend([0; 800]);
        samples.extend(render(&mut caller_id::acknowledgement(-9.0), usize::MAX));
        samples.extend([0; 480]);
        samples.extend(render(&mut Sender::in_call(&id, standard, -18.0), usize::MAX));
        samples.extend([0; 400]);
        samples.extend(render(&mut Speech::new(10, -20.0), 8000 * 2));
        let samples = on_the_line(samples, (4, -50.0), Some(Law::Mu));
        let heard = heard(&samples);
        let told: Vec<_> = heard.iter().filter(|h| matches!(h, Heard::Alert { .. } | Heard::Digit { .. })).collect();
        assert!(
            matches!(told[..], [Heard::Alert { .. }, Heard::Digit { digit, .. }] if digit.as_char() == 'D'),
            "{told:?}"
        );
        let mut events = Vec::new();
        Receiver::new().feed(&samples, &mut events);
        assert_eq!(events, vec![Event::CallerId(CallerId { format, ..id.clone() })]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn any_split_of_the_audio_gives_the_same_modems_and_alerts(
        sizes in proptest::collection::vec(1usize..900, 1..20),
        reversals in any::<bool>(),
        depth in 0.0f64..0.25,
        seed in any::<u64>(),
    ) {
        let answer = Answer { hz: 2103.0, level_dbm0: -18.0, reversals, depth };
        let mut samples = answer.samples((seed, -50.0), None);
        samples.extend(flags(-18.0, 0.0, 600, (seed, -50.0)));
        samples.extend(render(&mut Alert::off_hook(-20.0), usize::MAX));
        samples.extend([0; 4000]);
        let whole = heard(&samples);
        prop_assert_eq!(alerts(&whole).len(), 1);
        let (mut ear, mut split) = (Ear::new(Facts::embedded().country("us").unwrap(), Time::ZERO), Vec::new());
        pieces(&samples, &sizes).for_each(|piece| ear.feed(piece, &mut split));
        prop_assert_eq!(whole, split);
    }
}
