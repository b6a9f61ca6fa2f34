//! Every country's tones, made from its facts and heard by its ear: each is called by its own name, and by no other, on a
//! clean line and on lines as they are.

use tipring::clock::Time;
use tipring::dsp::ear::Ear;
use tipring::dsp::g711::Law;
use tipring::dsp::tone::ToneGenerator;
use tipring::dsp::voice::{Noise, Random, Speech};
use tipring::dsp::{Source, level};
use tipring::event::{Heard, Tone, ToneKind};
use tipring::facts::{Country, Facts, Sound, ToneSpec, ToneStep};

/// The kinds on which calls depend.
const TOLD: [ToneKind; 5] = [ToneKind::Dial, ToneKind::Ringback, ToneKind::Busy, ToneKind::Congestion, ToneKind::Sit];

/// What a line and an exchange do to a tone.
#[derive(Clone, Copy)]
struct Condition {
    level_dbm0: (f32, f32),
    snr_db: f32,
    /// Frequencies and durations, off by up to this share.
    detuned: f32,
    cadence: f32,
    hum: bool,
    law: Option<Law>,
    /// Our own voice, returned by the hybrid this much below the tone.
    echo_db: Option<f32>,
}

const CLEAN: Condition = Condition {
    level_dbm0: (-25.0, -10.0),
    snr_db: 20.0,
    detuned: 0.0,
    cadence: 0.0,
    hum: false,
    law: None,
    echo_db: None,
};

impl Condition {
    /// The tone after 0.7 s of the line alone, for 12 s, and 2 s of the line after it.
    fn line(&self, spec: &ToneSpec, random: &mut Random) -> Vec<i16> {
        let mut between = |low: f32, high: f32| low + (high - low) * random.unit();
        let spec =
            altered(spec, 1.0 + between(-self.detuned, self.detuned), 1.0 + between(-self.cadence, self.cadence));
        let level = between(self.level_dbm0.0, self.level_dbm0.1);
        let from = 5600 - between(0.0, 160.0) as usize;
        let mut samples = vec![0i16; 5600 + 96_000 + 16_000];
        ToneGenerator::at_level(&spec, level).add_to(&mut samples[from..from + 96_000]);
        let loudest = samples[from..].chunks(160).map(level::dbm0).fold(-100.0, f32::max);
        Noise::new(random.bits(), loudest - self.snr_db).add_to(&mut samples);
        if self.hum {
            for (hz, level) in [(50.0, -32.0), (100.0, -40.0), (150.0, -42.0), (250.0, -50.0)] {
                ToneGenerator::sine(hz, level, None).add_to(&mut samples);
            }
        }
        if let Some(below) = self.echo_db {
            Speech::new(random.bits(), level - below).add_to(&mut samples);
        }
        if let Some(law) = self.law {
            samples.iter_mut().for_each(|s| *s = law.decode(law.encode(*s)));
        }
        samples
    }

    /// Every told tone of every country, `times` over: how many there were, and those that were not called by their names.
    fn hear(&self, times: usize) -> (usize, Vec<String>) {
        let mut random = Random::new(7);
        let (mut count, mut failed) = (0, Vec::new());
        for code in Facts::embedded().codes() {
            let country = Facts::embedded().country(code).unwrap();
            for spec in country.tones.iter().filter(|t| TOLD.contains(&t.kind)) {
                for _ in 0..times {
                    let tones = names(country, &self.line(spec, &mut random));
                    count += 1;
                    if tones.is_empty() || !tones.iter().all(|(tone, _)| tone.is(spec.kind)) {
                        let heard: Vec<String> = tones.iter().map(|(t, at)| format!("{t} at {at}")).collect();
                        failed.push(format!("{code} {} {}: {heard:?}", spec.kind, notation(spec)));
                    }
                }
            }
        }
        (count, failed)
    }

    /// At most this many of a thousand fail.
    fn fails_at_most(&self, per_thousand: usize) {
        let (count, failed) = self.hear(1);
        assert!(count > 200, "{count}");
        assert!(failed.len() * 1000 <= count * per_thousand, "{} of {count}:\n{}", failed.len(), failed.join("\n"));
    }
}

fn names(country: &Country, samples: &[i16]) -> Vec<(Tone, Time)> {
    let mut out = Vec::new();
    Ear::new(country, Time::ZERO).feed(samples, &mut out);
    out.iter().filter_map(|h| if let Heard::Tone { tone, since } = h { Some((*tone, *since)) } else { None }).collect()
}

fn altered(spec: &ToneSpec, pitch: f32, tempo: f32) -> ToneSpec {
    let mut spec = spec.clone();
    for step in spec.intro.iter_mut().chain(&mut spec.steps) {
        step.lasts = step.lasts.map(|d| d.mul_f32(tempo));
        match &mut step.sound {
            Sound::Silence => {}
            Sound::Sum(hz) => hz.iter_mut().for_each(|f| *f *= pitch),
            Sound::Modulated { carrier_hz, .. } => *carrier_hz *= pitch,
        }
    }
    spec
}

fn notation(spec: &ToneSpec) -> String {
    let step = |s: &ToneStep| {
        let ms = s.lasts.map_or(String::new(), |d| format!("/{}", d.as_millis()));
        let hz = match &s.sound {
            Sound::Silence => "0".into(),
            Sound::Sum(hz) => hz.iter().map(f32::to_string).collect::<Vec<_>>().join("+"),
            Sound::Modulated { carrier_hz, by_hz } => format!("{carrier_hz}*{by_hz}"),
        };
        hz + &ms
    };
    let intro: Vec<String> = spec.intro.iter().map(|s| "!".to_string() + &step(s)).collect();
    let steps: Vec<String> = spec.steps.iter().map(step).collect();
    [intro, steps].concat().join(",") + if spec.repeats { "" } else { " once" }
}

#[test]
fn every_tone_of_every_country_is_called_by_its_own_name() {
    let (count, failed) = CLEAN.hear(3);
    assert!(failed.is_empty(), "{} of {count}:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn exchanges_may_be_out_of_tune_by_one_and_a_half_percent() {
    Condition { detuned: 0.015, ..CLEAN }.fails_at_most(5);
}

#[test]
fn exchanges_may_be_out_of_time_by_ten_percent() {
    Condition { cadence: 0.1, ..CLEAN }.fails_at_most(5);
}

#[test]
fn tones_may_be_soft_or_loud() {
    Condition { level_dbm0: (-35.0, -30.0), ..CLEAN }.fails_at_most(5);
    Condition { level_dbm0: (-7.0, -4.0), ..CLEAN }.fails_at_most(5);
}

#[test]
fn noise_may_be_twelve_decibels_below() {
    Condition { snr_db: 12.0, ..CLEAN }.fails_at_most(5);
}

#[test]
fn lines_may_hum() {
    Condition { hum: true, ..CLEAN }.fails_at_most(5);
}

#[test]
fn our_own_voice_may_come_back_over_the_tone() {
    Condition { echo_db: Some(18.0), ..CLEAN }.fails_at_most(10);
}

#[test]
fn everything_may_be_wrong_at_once() {
    for law in [Law::Mu, Law::A] {
        let condition = Condition {
            level_dbm0: (-30.0, -8.0),
            snr_db: 15.0,
            detuned: 0.015,
            cadence: 0.1,
            hum: true,
            law: Some(law),
            echo_db: None,
        };
        condition.fails_at_most(15);
    }
}

/// A country is heard through its own plan; where another's tones are on the line, a wrong name is worse than none.
#[test]
fn the_tones_of_another_country_are_rarely_mistaken() {
    let mut wrong = Vec::new();
    let mut random = Random::new(3);
    for (ear, mouth) in [("us", "de"), ("us", "gb"), ("de", "us"), ("se", "us"), ("gb", "se"), ("fr", "us")] {
        let (ear, mouth) = (Facts::embedded().country(ear).unwrap(), Facts::embedded().country(mouth).unwrap());
        for kind in [ToneKind::Dial, ToneKind::Ringback, ToneKind::Busy, ToneKind::Congestion] {
            let Some(spec) = mouth.tone(kind) else { continue };
            for (tone, _) in names(ear, &CLEAN.line(spec, &mut random)) {
                if !tone.is(kind) {
                    wrong.push(format!("{} {kind} is {tone} in {}", mouth.code, ear.code));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
