//! Is somebody waiting? What speech and music are mistaken for the alert before caller ID in a call, and for the tones of call
//! waiting: a false one keeps a flash off for as long as a true one would.

use crate::corpus::{self, Recording};
use crate::peers;
use crate::report::Report;
use tipring::clock::Time;
use tipring::dsp::ear::Ear;
use tipring::event::{Heard, ToneKind};
use tipring::facts::{Country, Facts};

/// The alert as spandsp's general detector would be asked for it: both lines, for 60 to 130 ms.
const ALERT: &str = "2130+2750/60-130";
/// Of the three, the first is as it was recorded.
const SPEEDS: [f32; 3] = [1.0, 1.12, 0.9];

fn heard(country: &Country, samples: &[i16], mut take: impl FnMut(&Heard)) {
    let mut out = Vec::new();
    let mut ear = Ear::new(country, Time::ZERO);
    for frame in samples.chunks(160) {
        ear.feed(frame, &mut out);
        out.drain(..).for_each(|h| take(&h));
    }
}

fn per_hour(count: usize, hours: f32) -> String {
    format!("{:.2}", count as f32 / hours.max(1e-3))
}

/// How often nobody waits and it is said all the same, in each hour. `speeds`: of how many talkers.
pub fn false_ones(report: &mut Report, kind: &str, recordings: &[Recording], speeds: usize, hours_of_tones: f32) {
    let us = Facts::embedded().country("us").expect("a country");
    let (mut hours, mut mine, mut theirs) = (0.0, 0, 0);
    for speed in &SPEEDS[..speeds] {
        let audio: Vec<Vec<i16>> = recordings.iter().map(|r| corpus::at_speed(&r.samples, *speed)).collect();
        for (samples, r) in audio.iter().zip(recordings) {
            hours += samples.len() as f32 / 28_800_000.0;
            heard(us, samples, |h| {
                if let Heard::Alert { since, lasted } = h {
                    mine += 1;
                    eprintln!("  alert of {} ms at {since} in {} ({speed})", lasted.as_millis(), r.name);
                }
            });
        }
        for part in audio.chunks(500) {
            theirs += peers::spandsp(&["tones", ALERT], part)
                .clips
                .iter()
                .map(|c| c.split_whitespace().count())
                .sum::<usize>();
        }
    }
    let (alerts, spandsp) = (per_hour(mine, hours), per_hour(theirs, hours));
    report.figure_low(&format!("false alerts (CAS) per hour of {kind}"), "≤ 0.1", &alerts, &spandsp);

    // each country has its own tone: a part of the recordings, for all of them
    let has_one = |c: &&Country| c.tone(ToneKind::CallWaiting).is_some();
    let countries: Vec<&Country> =
        Facts::embedded().codes().filter_map(|c| Facts::embedded().country(c)).filter(has_one).collect();
    let (mut listened, mut tones) = (0.0, 0);
    let each = (countries.len() as f32 * corpus::hours(recordings) / hours_of_tones).max(1.0) as usize;
    for (n, country) in countries.iter().enumerate() {
        for r in recordings.iter().skip(n % each).step_by(each) {
            listened += r.samples.len() as f32 / 28_800_000.0;
            heard(country, &r.samples, |h| {
                if let Heard::Tone { tone, since } = h
                    && tone.is(ToneKind::CallWaiting)
                {
                    tones += 1;
                    eprintln!("  {} {tone} at {since} in {}", country.code, r.name);
                }
            });
        }
    }
    report.row(&[
        kind.into(),
        format!("{hours:.1} h"),
        alerts,
        spandsp,
        format!("{listened:.1} h of {} countries", countries.len()),
        per_hour(tones, listened),
    ]);
    report.figure_low(
        &format!("false call-waiting tones per hour of {kind}"),
        "≤ 0.1",
        &per_hour(tones, listened),
        "–",
    );
}
