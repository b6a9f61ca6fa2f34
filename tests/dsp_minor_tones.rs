//! The tones on which no call depends, but which a technician wants named: stutter and special dial tones, call waiting,
//! confirmation, record warning, howler.

use std::time::Duration;
use tipring::clock::Time;
use tipring::dsp::Source;
use tipring::dsp::ear::Ear;
use tipring::dsp::g711::Law;
use tipring::dsp::tone::ToneGenerator;
use tipring::dsp::voice::{Noise, Speech};
use tipring::event::{Heard, Tone, ToneKind};
use tipring::facts::{Country, Facts, Sound, ToneSpec};

/// After 0.7 s of the line alone, for half a minute: record warning comes every fifteen seconds and more.
fn line(spec: &ToneSpec, seed: u64) -> Vec<i16> {
    let mut samples = vec![0i16; 8000 * 36];
    ToneGenerator::at_level(spec, -18.0).add_to(&mut samples[5600..8000 * 32]);
    Noise::new(seed, -52.0).add_to(&mut samples);
    samples.iter_mut().for_each(|s| *s = Law::A.decode(Law::A.encode(*s)));
    samples
}

/// Dial tones are listened for before anything is dialled.
fn names(country: &Country, samples: &[i16], before_dialling: bool) -> Vec<Tone> {
    let mut out = Vec::new();
    let mut ear = Ear::new(country, Time::ZERO);
    ear.before_dialling(before_dialling);
    ear.feed(samples, &mut out);
    out.iter().filter_map(|h| if let Heard::Tone { tone, .. } = h { Some(*tone) } else { None }).collect()
}

/// One burst of a tenth of a second and no more (Brazil's confirmation): nothing that an ear should name.
fn is_a_blip(spec: &ToneSpec) -> bool {
    let mut bursts = spec.intro.iter().chain(&spec.steps).filter(|s| s.sound != Sound::Silence);
    let first = bursts.next().and_then(|s| s.lasts);
    !spec.repeats && bursts.next().is_none() && first.is_some_and(|d| d <= Duration::from_millis(100))
}

/// Bursts or gaps of 50 ms and less: the ear bridges gaps of 30 ms, as lost packets and beats leave them, and a burst of
/// 40 ms is not yet one to it. Such tones (five countries have one) are heard as what they are without their gaps, or not.
fn flutters(spec: &ToneSpec) -> bool {
    spec.steps.iter().any(|s| s.lasts.is_some_and(|d| d <= Duration::from_millis(50)))
}

/// Of all countries' tones of these kinds: how many there are, and those that were not called by their names.
fn misnamed(kinds: &[ToneKind]) -> (usize, Vec<String>) {
    let (mut count, mut failed) = (0, Vec::new());
    for code in Facts::embedded().codes() {
        let country = Facts::embedded().country(code).unwrap();
        for spec in country.tones.iter().filter(|t| kinds.contains(&t.kind) && !flutters(t) && !is_a_blip(t)) {
            let heard = names(country, &line(spec, count as u64), spec.kind.is_dial_tone());
            count += 1;
            // where three tones are the same, two of them are named
            let same =
                |tone: &Tone| country.tones_of(tone.kind).any(|t| t.steps == spec.steps && t.intro == spec.intro);
            if !heard.iter().any(|tone| tone.is(spec.kind) || same(tone)) {
                let heard: Vec<String> = heard.iter().map(Tone::to_string).collect();
                failed.push(format!("{code} {}: {heard:?} {:?} {:?}", spec.kind, spec.intro, spec.steps));
            }
        }
    }
    (count, failed)
}

#[test]
fn stutter_and_other_dial_tones_are_named_in_every_country() {
    let kinds = [ToneKind::StutterDial, ToneKind::RecallDial, ToneKind::SpecialDial, ToneKind::SecondDial];
    let (count, failed) = misnamed(&kinds);
    assert!(count > 40 && failed.is_empty(), "{} of {count}:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn confirmation_is_named_in_every_country_that_has_it() {
    let (count, failed) = misnamed(&[ToneKind::Confirmation]);
    assert!(count >= 5 && failed.is_empty(), "{} of {count}:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn record_warning_is_named_in_every_country() {
    let (count, failed) = misnamed(&[ToneKind::RecordWarning]);
    assert!(count > 25 && failed.is_empty(), "{} of {count}:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn call_waiting_howler_and_disconnect_are_named_in_every_country() {
    let kinds = [ToneKind::CallWaiting, ToneKind::Howler, ToneKind::Disconnect, ToneKind::NumberUnobtainable];
    let (count, failed) = misnamed(&kinds);
    assert!(count > 30 && failed.is_empty(), "{} of {count}:\n{}", failed.len(), failed.join("\n"));
}

/// A voice holds a note of a fifth of a second now and then: where call waiting comes in groups of such, one of them is nothing,
/// and a group is all of it.
#[test]
fn one_burst_as_a_voice_has_it_is_no_call_waiting_and_a_group_is() {
    for code in ["au", "ch", "es", "fi", "de", "in", "se", "mx"] {
        let country = Facts::embedded().country(code).unwrap();
        let spec = country.tone(ToneKind::CallWaiting).unwrap();
        let steps: Vec<_> = spec.intro.iter().chain(&spec.steps).take(3).cloned().collect();
        let once = |n: usize| ToneSpec { intro: vec![], steps: steps[..n].to_vec(), repeats: false, ..spec.clone() };
        let waits = |n: usize| names(country, &line(&once(n), 3), false).iter().any(|t| t.is(ToneKind::CallWaiting));
        assert!(!waits(1) && waits(3), "{code}: {steps:?}");
    }
}

/// How long after it began this tone is known, when it begins so long after the ear was opened.
fn known_after(country: &Country, spec: &ToneSpec, after_ms: usize) -> Result<usize, Option<Tone>> {
    let mut ear = Ear::new(country, Time::ZERO);
    let mut caller = vec![0i16; 16_000];
    Speech::new(7, -18.0).add_to(&mut caller);
    ear.feed(&caller, &mut Vec::new());
    ear.skip(8000);
    let mut samples = vec![0i16; 8000 * 6];
    ToneGenerator::at_level(spec, -18.0).add_to(&mut samples[8 * after_ms..]);
    Noise::new(after_ms as u64, -60.0).add_to(&mut samples);
    let mut out = Vec::new();
    for (i, frame) in samples.chunks(160).enumerate() {
        ear.feed(frame, &mut out);
        if let Some(tone) = out.drain(..).find_map(|h| if let Heard::Tone { tone, .. } = h { Some(tone) } else { None })
        {
            return if tone.is(ToneKind::RecallDial) { Ok(20 * (i + 1) - after_ms) } else { Err(Some(tone)) };
        }
    }
    Err(None)
}

/// After a flash the ear opens again, and the tone of some exchanges is there a moment later.
#[test]
fn a_recall_tone_is_known_as_soon_however_short_before_it_the_ear_was_opened() {
    let (mut count, mut failed) = (0, Vec::new());
    for code in Facts::embedded().codes() {
        let country = Facts::embedded().country(code).unwrap();
        for spec in country.tones_of(ToneKind::RecallDial).filter(|t| !flutters(t)) {
            let usual = known_after(country, spec, 500).unwrap_or_else(|other| panic!("{code}: {other:?}"));
            for after_ms in (0..=200).step_by(10) {
                count += 1;
                match known_after(country, spec, after_ms) {
                    Ok(took) if took <= usual + 60 => {}
                    heard => failed.push(format!("{code} {after_ms} ms after: {heard:?}, {usual} ms as a rule")),
                }
            }
        }
    }
    assert!(count > 500 && failed.is_empty(), "{} of {count}:\n{}", failed.len(), failed.join("\n"));
}

/// What is named when noise has cut into this tone from its beginning until then: the last name, and whether it still holds.
fn named_after_noise(country: &Country, spec: &ToneSpec, noise_ms: usize) -> Option<Tone> {
    let mut samples = vec![0i16; 8000 * 8];
    ToneGenerator::at_level(spec, -18.0).add_to(&mut samples[8 * 300..]);
    Noise::new(noise_ms as u64, -22.0).add_to(&mut samples[..8 * noise_ms]);
    Noise::new(1, -60.0).add_to(&mut samples);
    let mut out = Vec::new();
    Ear::new(country, Time::ZERO).feed(&samples, &mut out);
    out.iter().fold(None, |named, heard| match heard {
        Heard::Tone { tone, .. } => Some(*tone),
        Heard::ToneEnded { .. } => None,
        _ => named,
    })
}

/// A burst of it that is cut short is like one of another tone: that name must not outlive what follows.
#[test]
fn a_tone_that_noise_has_cut_into_is_called_by_its_name_in_the_end() {
    let (mut count, mut failed) = (0, Vec::new());
    for code in Facts::embedded().codes() {
        let country = Facts::embedded().country(code).unwrap();
        for kind in [ToneKind::Busy, ToneKind::Congestion] {
            let Some(spec) = country.tone(kind) else { continue };
            for noise_ms in (700..1700).step_by(30) {
                count += 1;
                let heard = named_after_noise(country, spec, noise_ms);
                if !heard.is_some_and(|tone| tone.is(kind)) {
                    failed.push(format!("{code} {kind}, {noise_ms} ms: {heard:?}"));
                }
            }
        }
    }
    assert!(count > 2000 && failed.is_empty(), "{} of {count}:\n{}", failed.len(), failed.join("\n"));
}
