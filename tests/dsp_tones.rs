//! Every country's tones, made from its facts and heard by its ear: each is called by its own name, and by no other.

use tipring::clock::Time;
use tipring::dsp::ear::Ear;
use tipring::dsp::tone::ToneGenerator;
use tipring::dsp::voice::Noise;
use tipring::dsp::{Source, level};
use tipring::event::{Heard, Tone, ToneKind};
use tipring::facts::{Country, Facts, ToneSpec};

const TOLD: [ToneKind; 5] = [ToneKind::Dial, ToneKind::Ringback, ToneKind::Busy, ToneKind::Congestion, ToneKind::Sit];

/// The tone after 0.7 s of noise, and 2 s of noise after it.
fn line(spec: &ToneSpec, level_dbm0: f32, snr_db: f32, seconds: usize, seed: u64) -> Vec<i16> {
    let mut samples = vec![0i16; 5600 + 8000 * seconds + 16_000];
    ToneGenerator::at_level(spec, level_dbm0).add_to(&mut samples[5600..5600 + 8000 * seconds]);
    let loud = samples[5600..].chunks(160).map(level::dbm0).fold(-100.0, f32::max);
    Noise::new(seed, loud - snr_db).add_to(&mut samples);
    samples
}

fn hear(country: &Country, samples: &[i16]) -> Vec<Heard> {
    let mut out = Vec::new();
    Ear::new(country, Time::ZERO).feed(samples, &mut out);
    out
}

fn tones(heard: &[Heard]) -> Vec<(Tone, Time)> {
    heard
        .iter()
        .filter_map(|h| if let Heard::Tone { tone, since } = h { Some((*tone, *since)) } else { None })
        .collect()
}

fn notation(spec: &ToneSpec) -> String {
    let step = |s: &tipring::facts::ToneStep| {
        let ms = s.lasts.map_or(String::new(), |d| format!("/{}", d.as_millis()));
        let hz = match &s.sound {
            tipring::facts::Sound::Silence => "0".into(),
            tipring::facts::Sound::Sum(hz) => hz.iter().map(f32::to_string).collect::<Vec<_>>().join("+"),
            tipring::facts::Sound::Modulated { carrier_hz, by_hz } => format!("{carrier_hz}*{by_hz}"),
        };
        hz + &ms
    };
    let intro: Vec<String> = spec.intro.iter().map(|s| "!".to_string() + &step(s)).collect();
    let steps: Vec<String> = spec.steps.iter().map(step).collect();
    [intro, steps].concat().join(",") + if spec.repeats { "" } else { " once" }
}

#[test]
fn every_tone_of_every_country_is_called_by_its_own_name() {
    let mut wrong = Vec::new();
    let mut told = 0;
    for code in Facts::embedded().codes() {
        let country = Facts::embedded().country(code).unwrap();
        for spec in country.tones.iter().filter(|t| TOLD.contains(&t.kind)) {
            for (i, level) in [-10.0, -17.0, -25.0].into_iter().enumerate() {
                let heard = hear(country, &line(spec, level, 20.0, 12, i as u64));
                let tones = tones(&heard);
                told += 1;
                if tones.is_empty() || !tones.iter().all(|(t, _)| t.is(spec.kind)) {
                    let names: Vec<String> = tones.iter().map(|(t, at)| format!("{t}@{at}")).collect();
                    wrong.push(format!("{code} {} {:?} {level}: {names:?}", spec.kind, notation(spec)));
                }
            }
        }
    }
    println!("{told} tones");
    assert!(wrong.is_empty(), "{} of {told}:\n{}", wrong.len(), wrong.join("\n"));
}
