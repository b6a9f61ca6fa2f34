//! Tones of exchanges: right name and no wrong one, and what is heard where there is none.

use crate::corpus::{self, Dice, Recording, add_hum, add_noise, compand};
use crate::peers;
use crate::report::{Report, percent};
use std::time::Duration;
use tipring::call::Manners;
use tipring::call::progress::{Progress, Progressed};
use tipring::clock::Time;
use tipring::dsp::ear::Ear;
use tipring::dsp::g711::Law;
use tipring::dsp::tone::ToneGenerator;
use tipring::dsp::{Source, level};
use tipring::event::{Event, Heard, Tone, ToneKind};
use tipring::facts::{Country, Facts, Sound, ToneSpec};

/// The kinds on which calls depend.
const TOLD: [ToneKind; 5] = [ToneKind::Dial, ToneKind::Ringback, ToneKind::Busy, ToneKind::Congestion, ToneKind::Sit];
/// The others.
const REST: [ToneKind; 9] = [
    ToneKind::StutterDial,
    ToneKind::RecallDial,
    ToneKind::SpecialDial,
    ToneKind::CallWaiting,
    ToneKind::Confirmation,
    ToneKind::Howler,
    ToneKind::Disconnect,
    ToneKind::RecordWarning,
    ToneKind::NumberUnobtainable,
];
const COUNTRIES: [&str; 30] = [
    "us", "ca", "mx", "br", "gb", "ie", "fr", "de", "at", "ch", "it", "es", "pt", "nl", "be", "dk", "se", "no", "fi",
    "pl", "cz", "hu", "gr", "tr", "ru", "il", "in", "cn", "jp", "au",
];

#[derive(Clone, Copy)]
struct Hardship {
    name: &'static str,
    level_dbm0: (f32, f32),
    snr_db: f32,
    detuned: f32,
    cadence: f32,
    hum_dbm0: Option<f32>,
    companded: bool,
    lost: f32,
}

const LINES: [Hardship; 4] = [
    Hardship {
        name: "clean",
        level_dbm0: (-25.0, -10.0),
        snr_db: 40.0,
        detuned: 0.0,
        cadence: 0.0,
        hum_dbm0: None,
        companded: false,
        lost: 0.0,
    },
    Hardship {
        name: "usual: 25 dB SNR, ±0.5 %, ±5 % in time, companded",
        level_dbm0: (-25.0, -10.0),
        snr_db: 25.0,
        detuned: 0.005,
        cadence: 0.05,
        hum_dbm0: Some(-50.0),
        companded: true,
        lost: 0.0,
    },
    Hardship {
        name: "hard: 15 dB SNR, ±1.5 %, ±10 %, hum, companded",
        level_dbm0: (-30.0, -8.0),
        snr_db: 15.0,
        detuned: 0.015,
        cadence: 0.1,
        hum_dbm0: Some(-35.0),
        companded: true,
        lost: 0.0,
    },
    Hardship {
        name: "harder: 12 dB SNR, 2 % of packets lost besides",
        level_dbm0: (-30.0, -8.0),
        snr_db: 12.0,
        detuned: 0.015,
        cadence: 0.1,
        hum_dbm0: Some(-35.0),
        companded: true,
        lost: 0.02,
    },
];

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

impl Hardship {
    fn line(&self, spec: &ToneSpec, dice: &mut Dice) -> Vec<i16> {
        self.long_line(spec, dice, 12)
    }

    fn long_line(&self, spec: &ToneSpec, dice: &mut Dice, seconds: usize) -> Vec<i16> {
        let pitch = 1.0 + dice.between(-self.detuned, self.detuned);
        let tempo = 1.0 + dice.between(-self.cadence, self.cadence);
        let level = dice.between(self.level_dbm0.0, self.level_dbm0.1);
        let from = 5440 + dice.below(160);
        let mut samples = vec![0i16; from + 8000 * seconds + 8_000];
        ToneGenerator::at_level(&altered(spec, pitch, tempo), level).add_to(&mut samples[from..from + 8000 * seconds]);
        let loudest = samples[from..].chunks(160).map(level::dbm0).fold(-100.0, f32::max);
        add_noise(&mut samples, dice.seed(), loudest - self.snr_db);
        if let Some(hum) = self.hum_dbm0 {
            add_hum(&mut samples, hum);
        }
        if self.companded {
            compand(&mut samples, if dice.below(2) == 0 { Law::Mu } else { Law::A });
        }
        if self.lost > 0.0 {
            corpus::lose(&mut samples, dice, self.lost, true);
        }
        samples
    }
}

fn country(code: &str) -> &'static Country {
    Facts::embedded().country(code).expect("a country")
}

fn heard(country: &Country, samples: &[i16]) -> Vec<Heard> {
    let mut out = Vec::new();
    let mut ear = Ear::new(country, Time::ZERO);
    for frame in samples.chunks(160) {
        ear.feed(frame, &mut out);
    }
    out
}

/// As one who knows spandsp would write the plan: durations ±20 %, and a steady tone is one that is longer than any burst.
fn for_spandsp(spec: &ToneSpec, longest_ms: u32) -> Option<String> {
    let step = |s: &tipring::facts::ToneStep| {
        let (f1, f2) = match &s.sound {
            Sound::Silence => (0, 0),
            Sound::Sum(hz) => (*hz.first()? as i32, hz.get(1).map_or(0, |f| *f as i32)),
            Sound::Modulated { carrier_hz, .. } => (*carrier_hz as i32, 0),
        };
        let (least, most) = s
            .lasts
            .map_or((longest_ms * 5 / 4, 0), |d| ((d.as_millis() * 4 / 5) as u32, (d.as_millis() * 6 / 5) as u32));
        Some(format!("{f1}+{f2}/{least}-{most}"))
    };
    let steps: Option<Vec<String>> = spec.intro.iter().chain(&spec.steps).map(step).collect();
    steps.map(|s| s.join(","))
}

struct Plan {
    tones: Vec<(ToneKind, String)>,
}

impl Plan {
    fn of(country: &Country) -> Plan {
        let told = country.tones.iter().filter(|t| TOLD.contains(&t.kind));
        let bursts =
            country.tones.iter().filter(|t| TOLD.contains(&t.kind)).flat_map(|t| t.intro.iter().chain(&t.steps));
        let sounding = bursts.filter(|s| s.sound != Sound::Silence).filter_map(|s| s.lasts);
        let longest_ms = sounding.max().map_or(400, |d| d.as_millis() as u32);
        Plan { tones: told.filter_map(|t| Some((t.kind, for_spandsp(t, longest_ms)?))).collect() }
    }

    fn hear(&self, clips: &[Vec<i16>]) -> (Vec<Vec<usize>>, f64) {
        let arguments: Vec<&str> = std::iter::once("tones").chain(self.tones.iter().map(|t| t.1.as_str())).collect();
        let said = peers::spandsp(&arguments, clips);
        let number = |s: &str| s.split_once('@')?.0.parse().ok();
        (said.clips.iter().map(|c| c.split_whitespace().filter_map(number).collect()).collect(), said.cpu_s)
    }

    /// The same cadence under another name is as good.
    fn is(&self, number: usize, kind: ToneKind) -> bool {
        let same = |t: &&(ToneKind, String)| t.1 == self.tones[number].1;
        self.tones.iter().filter(same).any(|t| t.0 == kind)
    }
}

pub fn progress(report: &mut Report, times: usize) {
    report.table(
        &format!("Tones of {} countries: the right name and no wrong one", COUNTRIES.len()),
        &["line", "tones", "tipring", "spandsp, tuned to the country"],
    );
    let mut total = (0, 0, 0);
    for line in &LINES {
        let (mut count, mut mine, mut theirs) = (0, 0, 0);
        for code in COUNTRIES {
            let country = country(code);
            let mut dice = Dice::new(11);
            let plan = Plan::of(country);
            let specs = country.tones.iter().filter(|t| TOLD.contains(&t.kind));
            let clips: Vec<(ToneKind, Vec<i16>)> =
                specs.flat_map(|s| (0..times).map(|_| (s.kind, line.line(s, &mut dice))).collect::<Vec<_>>()).collect();
            for (kind, samples) in &clips {
                let named: Vec<_> = heard(country, samples)
                    .into_iter()
                    .filter_map(|h| if let Heard::Tone { tone, .. } = h { Some(tone) } else { None })
                    .collect();
                let right = !named.is_empty() && named.iter().all(|t| t.is(*kind));
                if !right {
                    eprintln!("  {} {code} {kind}: {named:?}", line.name);
                }
                mine += usize::from(right);
            }
            let audio: Vec<Vec<i16>> = clips.iter().map(|c| c.1.clone()).collect();
            for ((kind, _), numbers) in clips.iter().zip(plan.hear(&audio).0) {
                theirs += usize::from(!numbers.is_empty() && numbers.iter().all(|n| plan.is(*n, *kind)));
            }
            count += clips.len();
        }
        report.row(&[line.name.into(), count.to_string(), percent(mine, count), percent(theirs, count)]);
        total = (total.0 + count, total.1 + mine, total.2 + theirs);
    }
    report.row(&["**all**".into(), total.0.to_string(), percent(total.1, total.0), percent(total.2, total.0)]);
    report.figure(
        "call progress, 30 countries, clean to harder lines",
        "≥ 95 %",
        &percent(total.1, total.0),
        &percent(total.2, total.0),
    );
}

/// The kinds that spandsp is not asked for: stutter, call waiting, confirmation and so on.
pub fn others(report: &mut Report, times: usize) {
    report.table("The other tones, all countries, tipring alone", &["tone", "clean", "usual", "hard"]);
    for kind in REST {
        let mut cells = vec![kind.name().to_string()];
        for line in &LINES[..3] {
            let (mut count, mut right) = (0, 0);
            for code in Facts::embedded().codes() {
                let country = country(code);
                let mut dice = Dice::new(12);
                for spec in country.tones.iter().filter(|t| t.kind == kind) {
                    // some lists give one period of a dial tone, which goes on until somebody dials
                    let spec = &ToneSpec { repeats: spec.repeats || kind.is_dial_tone(), ..spec.clone() };
                    // three records that are the same are told by two of their names
                    let same =
                        |t: &Tone| country.tones_of(t.kind).any(|r| r.steps == spec.steps && r.intro == spec.intro);
                    // some come every fifteen seconds
                    let seconds = if kind == ToneKind::RecordWarning { 36 } else { 12 };
                    for _ in 0..times {
                        let named: Vec<_> = heard(country, &line.long_line(spec, &mut dice, seconds))
                            .into_iter()
                            .filter_map(|h| if let Heard::Tone { tone, .. } = h { Some(tone) } else { None })
                            .collect();
                        count += 1;
                        let is_right = |t: &Tone| t.is(kind) || same(t);
                        // a dial tone that may yet turn out to be a special one is called a dial tone until it has
                        let may_be = |t: &Tone| is_right(t) || (kind.is_dial_tone() && t.is(ToneKind::Dial));
                        let good = named.last().is_some_and(is_right) && named.iter().all(may_be);
                        right += usize::from(good);
                        if !good && line.name == "clean" {
                            eprintln!("  {code} {kind} {:?}: {named:?}", spec.steps);
                        }
                    }
                }
            }
            cells.push(format!("{} of {count}", percent(right, count)));
        }
        report.row(&cells);
    }
    report.note(
        "The last name is the right one; a special dial tone may be called a dial tone before it is known to be special. What \
         is not named: bursts of 30 to 40 ms (il, tr, ro), one of 100 ms alone (br), gaps of 10 ms (se).",
    );
}

pub fn busy_or_reorder(report: &mut Report) {
    let mut dice = Dice::new(13);
    report.table("Busy told from reorder", &["country", "lines", "tipring", "spandsp"]);
    let mut sum = (0, 0, 0);
    for code in ["us", "ca", "kr"] {
        let country = country(code);
        let plan = Plan::of(country);
        let (mut count, mut mine, mut theirs) = (0, 0, 0);
        for kind in [ToneKind::Busy, ToneKind::Congestion] {
            let Some(spec) = country.tone(kind) else { continue };
            for line in &LINES {
                let clips: Vec<Vec<i16>> = (0..5).map(|_| line.line(spec, &mut dice)).collect();
                count += clips.len();
                for c in &clips {
                    let named: Vec<_> = heard(country, c)
                        .into_iter()
                        .filter_map(
                            |h| if let Heard::Tone { tone, .. } = h { Some((tone.kind, tone.or)) } else { None },
                        )
                        .collect();
                    if named != [(kind, None)] {
                        eprintln!("  {code} {kind}, {}: {named:?}", line.name);
                    }
                    mine += usize::from(named == [(kind, None)]);
                }
                let right = |n: &Vec<usize>| !n.is_empty() && n.iter().all(|n| plan.is(*n, kind));
                theirs += plan.hear(&clips).0.iter().filter(|n| right(n)).count();
            }
        }
        report.row(&[code.into(), count.to_string(), percent(mine, count), percent(theirs, count)]);
        sum = (sum.0 + count, sum.1 + mine, sum.2 + theirs);
    }
    report.figure("busy told from reorder (us, ca, kr)", "told apart", &percent(sum.1, sum.0), &percent(sum.2, sum.0));
}

pub fn false_tones(report: &mut Report, kind: &str, aim: &str, recordings: &[Recording]) {
    let audio: Vec<Vec<i16>> =
        recordings.iter().map(|r| [vec![0; 2400], r.samples.clone(), vec![0; 4000]].concat()).collect();
    let (mut mine, mut theirs, mut hours, mut other) = (0, 0, 0.0, 0);
    for code in ["us", "de", "gb", "fr", "jp"] {
        let country = country(code);
        for (samples, r) in audio.iter().zip(recordings) {
            hours += samples.len() as f32 / 28_800_000.0;
            for h in heard(country, samples) {
                match h {
                    Heard::Tone { tone, since } => {
                        mine += 1;
                        eprintln!("  {code} {tone} at {since} in {}", r.name);
                    }
                    Heard::Fax { tone, since } => {
                        mine += 1;
                        eprintln!("  {code} fax {tone:?} at {since} in {}", r.name);
                    }
                    Heard::OtherTone { .. } => other += 1,
                    _ => {}
                }
            }
        }
        for part in audio.chunks(500) {
            theirs += Plan::of(country).hear(part).0.iter().map(Vec::len).sum::<usize>();
        }
    }
    let each = |n: usize| format!("{:.2}", n as f32 / hours);
    report.row(&[kind.into(), format!("{hours:.1} h"), each(mine), each(theirs), each(other)]);
    report.figure_low(&format!("false tones per hour of {kind}"), aim, &each(mine), &each(theirs));
}

/// Ringback, and somebody lifts the receiver and speaks; or nobody does; or the network says no.
pub fn answers(report: &mut Report, speech: &[Recording], times: usize) {
    let mut dice = Dice::new(14);
    let (mut count, mut right, mut in_the_end, mut silent, mut silent_right) = (0, 0, 0, 0, 0);
    for code in COUNTRIES {
        let country = country(code);
        let Some(ringback) = country.tone(ToneKind::Ringback) else { continue };
        let manners = Manners::of(country);
        for round in 0..times {
            let line = LINES[round % 3];
            let rings = 3.0 + dice.between(0.0, 9.0);
            let level = dice.between(-25.0, -12.0);
            let mut samples = vec![0i16; 8000 * 26];
            let rung = (rings * 8000.0) as usize;
            ToneGenerator::at_level(ringback, level).add_to(&mut samples[4000..4000 + rung]);
            let answered = 4000 + rung;
            // a third is never answered, or refused
            let outcome = dice.below(3);
            match outcome {
                0 => {
                    ToneGenerator::at_level(ringback, level).add_to(&mut samples[4000..]);
                    // what was rung twice is rung anew
                    samples[4000..].fill(0);
                    ToneGenerator::at_level(ringback, level).add_to(&mut samples[4000..]);
                }
                _ if !speech.is_empty() => {
                    let said = &speech[dice.below(speech.len())].samples;
                    let said = corpus::at_level(said, dice.between(-28.0, -15.0));
                    let from = answered + 800 + dice.below(8000);
                    let mut at = from;
                    while at < samples.len() {
                        let n = said.len().min(samples.len() - at).min(40_000);
                        for (s, v) in samples[at..at + n].iter_mut().zip(&said) {
                            *s = s.saturating_add(*v);
                        }
                        at += n.max(800) + 2400;
                    }
                }
                _ => {}
            }
            add_noise(&mut samples, dice.seed(), level - line.snr_db);
            if line.companded {
                compand(&mut samples, Law::A);
            }
            let mut ear = Ear::new(country, Time::ZERO);
            let mut progress =
                Progress::new(Time::ms(400), Duration::from_secs(60), manners.slowest_refusal, manners.ringback_period);
            let mut out = Vec::new();
            let mut told = None;
            for (i, frame) in samples.chunks(160).enumerate() {
                let now = Time::ms(20 * (i as u64 + 1));
                ear.feed(frame, &mut out);
                for h in out.drain(..) {
                    progress.handle(now, &Event::Heard(h));
                }
                progress.handle_timeout(now);
                while let Some(p) = progress.poll_output() {
                    if !matches!(p, Progressed::Alerting { .. }) {
                        told.get_or_insert((now, p));
                    }
                }
            }
            if outcome == 0 {
                silent += 1;
                silent_right += usize::from(told.is_none());
                if told.is_some() {
                    eprintln!("  {code} {}: nobody answered, and {told:?}", line.name);
                }
            } else {
                count += 1;
                let at = Time::ms(answered as u64 / 8);
                let good = matches!(told, Some((now, Progressed::Answered(_))) if now >= at && now <= at + Duration::from_millis(4500));
                right += usize::from(good);
                in_the_end += usize::from(matches!(told, Some((now, Progressed::Answered(_))) if now >= at));
                if !good {
                    eprintln!("  {code} {}: answered at {at}, {told:?}", line.name);
                }
            }
        }
    }
    report.table("Answer: ringback ended and somebody speaks", &["", "calls", "tipring"]);
    report.row(&[
        "answered, told within 4.5 s (the speech begins up to 1.1 s after)".into(),
        count.to_string(),
        percent(right, count),
    ]);
    report.row(&[
        "the same, told in the end (who is not heard to speak: when the next ringback would have been over)".into(),
        count.to_string(),
        percent(in_the_end, count),
    ]);
    report.row(&["never answered, and not called answered".into(), silent.to_string(), percent(silent_right, silent)]);
    report.note(
        "No library among the peers decides this; Asterisk's detector finds 37.5 % by a measurement of ours elsewhere.",
    );
    let both = |told: usize| percent(told + silent_right, count + silent);
    report.figure("answer, and no other call called answered", "≥ 95 %", &both(in_the_end), "–");
    report.figure("the same, told within 4.5 s", "–", &both(right), "–");
}

pub fn speed(report: &mut Report, speech: &[Recording]) {
    let us = country("us");
    let plan = Plan::of(us);
    let mut dice = Dice::new(15);
    let mut clips: Vec<Vec<i16>> = us.tones.iter().map(|t| LINES[1].line(t, &mut dice)).collect();
    clips.extend(speech.iter().map(|r| r.samples.clone()).take(100));
    let seconds = clips.iter().map(Vec::len).sum::<usize>() as f64 / 8000.0;
    let mut mine = || {
        let before = peers::own_cpu_s();
        for c in &clips {
            heard(us, c);
        }
        peers::own_cpu_s() - before
    };
    crate::speed_row(
        report,
        "all of one direction (digits, tones, fax, speech)",
        "2,000×",
        seconds,
        &mut [("tipring", &mut mine), ("spandsp, tones alone", &mut || plan.hear(&clips).1)],
    );
}
