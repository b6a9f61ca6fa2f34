//! What an ear says, and when: the promises that calls rely on.

mod pieces;

use pieces::pieces;
use proptest::prelude::*;
use std::time::Duration;
use tipring::clock::Time;
use tipring::dsp::dtmf::{DtmfGenerator, DtmfTiming};
use tipring::dsp::ear::Ear;
use tipring::dsp::g711::Law;
use tipring::dsp::tone::ToneGenerator;
use tipring::dsp::voice::{Noise, Speech};
use tipring::dsp::{Source, level};
use tipring::event::{FaxTone, Heard, Tone, ToneKind};
use tipring::facts::{Country, Facts};

fn country(code: &str) -> &'static Country {
    Facts::embedded().country(code).unwrap()
}

/// A line on which things happen one after the other, over a little noise.
struct Line {
    country: &'static Country,
    samples: Vec<i16>,
}

impl Line {
    fn of(code: &str) -> Line {
        Line { country: country(code), samples: Vec::new() }
    }

    fn silence(mut self, ms: usize) -> Line {
        self.samples.resize(self.samples.len() + ms * 8, 0);
        self
    }

    fn plays(mut self, mut source: impl Source, ms: usize) -> Line {
        let from = self.samples.len();
        self.samples.resize(from + ms * 8, 0);
        source.add_to(&mut self.samples[from..]);
        self
    }

    fn tone(self, kind: ToneKind, ms: usize) -> Line {
        let tone = ToneGenerator::at_level(self.country.tone(kind).unwrap(), -16.0);
        self.plays(tone, ms)
    }

    fn speech(self, seed: u64, ms: usize) -> Line {
        self.plays(Speech::new(seed, -20.0), ms)
    }

    fn sine(self, hz: f32, ms: usize) -> Line {
        self.plays(ToneGenerator::sine(hz, -15.0, None), ms)
    }

    fn samples(mut self) -> Vec<i16> {
        Noise::new(1, -62.0).add_to(&mut self.samples);
        self.samples
    }

    /// Everything heard, with the moment at which it was told.
    fn heard(self) -> Vec<(Time, Heard)> {
        let mut ear = Ear::new(self.country, Time::ZERO);
        let (mut told, mut out) = (Vec::new(), Vec::new());
        for (i, frame) in self.samples().chunks(160).enumerate() {
            ear.feed(frame, &mut out);
            told.extend(out.drain(..).map(|h| (Time::ms(20 * (i as u64 + 1)), h)));
        }
        told
    }
}

fn named(heard: &[(Time, Heard)]) -> Vec<(Time, Tone, Time)> {
    let tone = |(told, h): &(Time, Heard)| match h {
        Heard::Tone { tone, since } => Some((*told, *tone, *since)),
        _ => None,
    };
    heard.iter().filter_map(tone).collect()
}

fn ended(heard: &[(Time, Heard)]) -> Vec<(Time, Tone, Time)> {
    let tone = |(told, h): &(Time, Heard)| match h {
        Heard::ToneEnded { tone, at } => Some((*told, *tone, *at)),
        _ => None,
    };
    heard.iter().filter_map(tone).collect()
}

fn near(a: Time, b: u64) -> bool {
    a.as_ms().abs_diff(b) <= 15
}

#[test]
fn a_dial_tone_is_named_within_400_ms_and_ended_when_it_stops() {
    for code in ["us", "gb", "ca"] {
        let heard = Line::of(code).silence(500).tone(ToneKind::Dial, 3000).silence(500).heard();
        let [(told, tone, since)] = named(&heard)[..] else { panic!("{code}: {heard:?}") };
        assert!(tone.is(ToneKind::Dial) && told <= Time::ms(900) && near(since, 500), "{code}: {heard:?}");
        let [(told, _, at)] = ended(&heard)[..] else { panic!("{code}: {heard:?}") };
        assert!(told <= Time::ms(3560) && near(at, 3500), "{code}: {heard:?}");
    }
}

#[test]
fn a_dial_tone_that_could_be_ringback_waits_until_it_is_too_long_for_it() {
    let heard = Line::of("de").silence(500).tone(ToneKind::Dial, 3000).heard();
    let [(told, tone, _)] = named(&heard)[..] else { panic!("{heard:?}") };
    assert!(tone.is(ToneKind::Dial) && told > Time::ms(1500) && told < Time::ms(1800), "{heard:?}");
}

#[test]
fn before_anything_is_dialled_a_dial_tone_need_not_be_told_from_ringback() {
    for code in ["de", "se", "fr", "it", "nl", "pl"] {
        let samples = Line::of(code).silence(400).tone(ToneKind::Dial, 3000).samples();
        let mut ear = Ear::new(country(code), Time::ZERO);
        ear.before_dialling(true);
        let mut out = Vec::new();
        ear.feed(&samples[..8 * 1200], &mut out);
        assert!(matches!(out[..], [Heard::Tone { tone, .. }] if tone.kind == ToneKind::Dial), "{code}: {out:?}");
    }
    let ringback = Line::of("de").silence(400).tone(ToneKind::Ringback, 3000).samples();
    let mut ear = Ear::new(country("de"), Time::ZERO);
    ear.before_dialling(true);
    let mut out = Vec::new();
    ear.feed(&ringback, &mut out);
    assert!(!out.iter().any(|h| matches!(h, Heard::Tone { tone, .. } if tone.is(ToneKind::Ringback))), "{out:?}");
}

#[test]
fn ringback_is_named_after_its_first_burst_and_ended_when_the_next_is_overdue() {
    for (code, burst_ms, gap_ms) in [("us", 2000, 4000), ("de", 1000, 4000), ("se", 1000, 5000)] {
        let two_bursts = (2 * burst_ms + gap_ms) as usize;
        let heard = Line::of(code).silence(400).tone(ToneKind::Ringback, two_bursts).silence(8000).heard();
        let [(told, tone, since)] = named(&heard)[..] else { panic!("{code}: {heard:?}") };
        assert!(tone.is(ToneKind::Ringback) && near(since, 400), "{code}: {heard:?}");
        assert!(told <= Time::ms(400 + burst_ms + 80), "{code}: {heard:?}");
        let [(told, _, at)] = ended(&heard)[..] else { panic!("{code}: {heard:?}") };
        assert!(near(at, 400 + two_bursts as u64), "{code}: {heard:?}");
        assert!(told > at + Duration::from_millis(gap_ms), "{code}: {heard:?}");
        assert!(told < at + Duration::from_millis(gap_ms * 6 / 4), "{code}: {heard:?}");
    }
}

#[test]
fn busy_takes_two_periods_and_its_first_burst_is_nothing() {
    for (code, period_ms) in [("us", 1000), ("gb", 750), ("de", 960), ("se", 500)] {
        let heard = Line::of(code).silence(400).tone(ToneKind::Busy, 5000).heard();
        let [(told, tone, since)] = named(&heard)[..] else { panic!("{code}: {heard:?}") };
        assert!(tone.is(ToneKind::Busy) && near(since, 400), "{code}: {heard:?}");
        assert!(told <= Time::ms(400 + 2 * period_ms + 250), "{code}: {heard:?}");
        if code == "de" {
            // half a second and four of silence begin one of its ringbacks
            continue;
        }
        let one = Line::of(code).silence(400).tone(ToneKind::Busy, period_ms as usize / 2).silence(2000).heard();
        assert_eq!(named(&one), vec![], "{code}: one burst of busy");
    }
}

#[test]
fn a_first_burst_that_is_cut_short_makes_busy_no_call_waiting_for_good() {
    // Spain: two bursts of 175 ms are its call waiting, and 200 ms is busy
    let heard = Line::of("es").silence(400).sine(425.0, 145).silence(200).tone(ToneKind::Busy, 4000).heard();
    let (_, last, _) = *named(&heard).last().expect("a name");
    assert!(last.is(ToneKind::Busy), "{heard:?}");
}

#[test]
fn congestion_is_not_busy() {
    for code in ["us", "de", "se", "gb"] {
        let heard = Line::of(code).silence(400).tone(ToneKind::Congestion, 6000).heard();
        let [(_, tone, _)] = named(&heard)[..] else { panic!("{code}: {heard:?}") };
        assert!(tone.is(ToneKind::Congestion) && !tone.is(ToneKind::Busy), "{code}: {heard:?}");
    }
}

#[test]
fn where_only_softer_bursts_tell_congestion_from_busy_both_are_named_at_any_level() {
    // Australia: every second burst of congestion is 10 dB softer
    for (dbm0, noise_dbm0) in [(-10.0, -60.0), (-18.0, -50.0), (-27.0, -60.0), (-18.0, -30.0)] {
        for kind in [ToneKind::Busy, ToneKind::Congestion] {
            let tone = ToneGenerator::at_level(country("au").tone(kind).unwrap(), dbm0);
            let mut line = Line::of("au").silence(500).plays(tone, 6000).silence(2000);
            Noise::new(7, noise_dbm0).add_to(&mut line.samples);
            let heard = line.heard();
            let names: Vec<Tone> = named(&heard).iter().map(|n| n.1).collect();
            assert_eq!(names, [Tone::from(kind)], "{dbm0} dBm0: {heard:?}");
        }
    }
}

#[test]
fn of_two_names_for_one_tone_the_better_known_comes_first() {
    // Czechia: 165 ms on and off is congestion by two sources, and busy by one that others contradict
    let heard = Line::of("cz").silence(500).tone(ToneKind::Congestion, 4000).silence(1000).heard();
    let tone = Tone { kind: ToneKind::Congestion, or: Some(ToneKind::Busy) };
    assert_eq!(named(&heard).iter().map(|n| n.1).collect::<Vec<_>>(), [tone]);
}

#[test]
fn special_information_tones_are_named_before_the_announcement() {
    let heard = Line::of("us").silence(400).tone(ToneKind::Sit, 990).speech(3, 3000).heard();
    let [(told, tone, _)] = named(&heard)[..] else { panic!("{heard:?}") };
    assert!(tone.is(ToneKind::Sit) && told <= Time::ms(400 + 990 + 250), "{heard:?}");
}

#[test]
fn a_recall_dial_tone_is_told_from_a_plain_one() {
    let heard = Line::of("us").silence(300).tone(ToneKind::RecallDial, 3000).heard();
    let [(told, tone, _)] = named(&heard)[..] else { panic!("{heard:?}") };
    assert!(tone.is(ToneKind::RecallDial) && told <= Time::ms(300 + 600 + 350), "{heard:?}");
}

#[test]
fn a_confirmation_tone_is_heard_once_and_over() {
    let heard = Line::of("us").silence(300).tone(ToneKind::Confirmation, 600).silence(1000).heard();
    let [(_, tone, _)] = named(&heard)[..] else { panic!("{heard:?}") };
    assert!(tone.is(ToneKind::Confirmation));
    assert_eq!(ended(&heard).len(), 1);
}

#[test]
fn an_answer_in_the_gap_of_ringback_is_speech_and_the_end_of_ringback() {
    let heard = Line::of("us").silence(300).tone(ToneKind::Ringback, 8000).silence(1000).speech(7, 4000).heard();
    let answered = heard.iter().find(|(_, h)| matches!(h, Heard::Speech { .. })).expect("speech").0;
    // this talker takes a breath of half a second first
    let onset = 9850;
    assert!(answered <= Time::ms(onset + 600), "{heard:?}");
    let [(told, tone, at)] = ended(&heard)[..] else { panic!("{heard:?}") };
    assert!(tone.is(ToneKind::Ringback) && near(at, 8300) && told <= Time::ms(onset + 600), "{heard:?}");
}

#[test]
fn an_answer_during_a_burst_ends_ringback_there() {
    let heard = Line::of("de").silence(300).tone(ToneKind::Ringback, 5600).silence(3000).heard();
    let [(told, _, at)] = ended(&heard)[..] else { panic!("{heard:?}") };
    assert!(near(at, 5900) && told <= Time::ms(5960), "{heard:?}");
}

#[test]
fn talkers_are_speech_within_half_a_second_and_no_tone() {
    for code in ["us", "gb", "de", "se", "fr"] {
        for seed in 0..12 {
            // a talker begins with a pause and consonants: measured from the first vowel of a tenth of a second
            let line = Line::of(code).silence(700).speech(seed, 8000).silence(2500);
            let loud: Vec<bool> = line.samples.chunks(80).map(|f| level::dbm0(f) > -26.0).collect();
            let onset = loud.windows(10).position(|w| w.iter().all(|l| *l)).unwrap() as u64 * 10;
            let heard = line.heard();
            let told = heard.iter().find(|(_, h)| matches!(h, Heard::Speech { .. })).expect("speech").0;
            assert!(told <= Time::ms(onset + 500), "{code} {seed}: {onset}: {heard:?}");
            assert_eq!(named(&heard), vec![], "{code} {seed}");
            let over = heard.iter().filter(|(_, h)| matches!(h, Heard::SpeechEnded { .. })).count();
            assert_eq!(over, heard.iter().filter(|(_, h)| matches!(h, Heard::Speech { .. })).count());
        }
    }
}

#[test]
fn silence_is_told_once_and_not_in_the_gaps_of_a_tone() {
    let heard = Line::of("us").silence(200).tone(ToneKind::Ringback, 8000).silence(9000).heard();
    let silences: Vec<_> =
        heard.iter().filter_map(|(_, h)| if let Heard::Silence { since } = h { Some(*since) } else { None }).collect();
    assert_eq!(silences.len(), 1, "{heard:?}");
    assert!(near(silences[0], 8200));
    let quiet = Line::of("us").silence(5000).heard();
    assert!(matches!(quiet[..], [(told, Heard::Silence { .. })] if told <= Time::ms(640)), "{quiet:?}");
}

#[test]
fn a_test_tone_is_another_tone_and_so_is_a_beep() {
    for code in ["us", "de", "se"] {
        let heard = Line::of(code).silence(400).sine(1004.0, 2000).silence(600).heard();
        let single: Vec<_> = heard.iter().filter(|(_, h)| !matches!(h, Heard::Silence { .. })).collect();
        let [(told, Heard::OtherTone { hz, since }), (_, Heard::OtherToneEnded { lasted, .. })] = single[..] else {
            panic!("{code}: {heard:?}")
        };
        assert!(hz.abs_diff(1004) <= 2 && near(*since, 400) && *told <= Time::ms(700), "{code}: {heard:?}");
        assert!(lasted.as_millis().abs_diff(2000) <= 30, "{code}: {heard:?}");
        let beep = Line::of(code).speech(2, 3000).silence(500).sine(1320.0, 350).silence(700).heard();
        assert!(beep.iter().any(|(_, h)| matches!(h, Heard::OtherTone { hz: 1318..=1322, .. })), "{code}: {beep:?}");
    }
}

#[test]
fn a_beep_that_could_have_begun_a_special_information_tone_is_told_when_it_has_ended() {
    for hz in [985.0, 1000.0, 1400.0] {
        let heard = Line::of("us").speech(2, 3000).silence(500).sine(hz, 400).silence(700).heard();
        let told: Vec<u16> = heard
            .iter()
            .filter_map(|(_, h)| if let Heard::OtherToneEnded { hz, .. } = h { Some(*hz) } else { None })
            .collect();
        // it is over: nobody is to take it for a tone that is there
        assert!(!heard.iter().any(|(_, h)| matches!(h, Heard::OtherTone { .. })), "{hz}: {heard:?}");
        assert!(matches!(told[..], [only] if only.abs_diff(hz as u16) <= 2), "{hz}: {heard:?}");
        assert_eq!(named(&heard), vec![], "{hz}: {heard:?}");
    }
}

#[test]
fn fax_machines_are_recognised_at_both_ends() {
    let cng = Line::of("us").silence(400).sine(1100.0, 500).silence(3000).sine(1100.0, 500).silence(1000).heard();
    let calls = cng.iter().filter(|(_, h)| matches!(h, Heard::Fax { tone: FaxTone::Cng, .. })).count();
    assert_eq!(calls, 2, "{cng:?}");
    let ced = Line::of("us").silence(400).sine(2100.0, 3000).silence(500).heard();
    let [(told, since)] = ced
        .iter()
        .filter_map(|(t, h)| match h {
            Heard::Fax { tone: FaxTone::Ced, since } => Some((*t, *since)),
            _ => None,
        })
        .collect::<Vec<_>>()[..]
    else {
        panic!("{ced:?}")
    };
    assert!(near(since, 400) && told <= Time::ms(960), "{ced:?}");
    for heard in [cng, ced] {
        assert!(!heard.iter().any(|(_, h)| matches!(h, Heard::OtherTone { .. } | Heard::Speech { .. })), "{heard:?}");
    }
}

#[test]
fn digits_are_no_speech_and_no_tone() {
    let digits = || DtmfGenerator::new(&"0123456789*#ABCD0123456789".parse().unwrap(), DtmfTiming::default());
    let heard = Line::of("us").silence(400).plays(digits(), 4000).heard();
    assert_eq!(heard.iter().filter(|(_, h)| matches!(h, Heard::Digit { .. })).count(), 26, "{heard:?}");
    assert!(heard.iter().all(|(_, h)| matches!(h, Heard::Digit { .. } | Heard::Silence { .. })), "{heard:?}");
}

#[test]
fn dialling_over_a_dial_tone_ends_it_and_is_heard() {
    let mut line = Line::of("us").silence(300).tone(ToneKind::Dial, 1500);
    let from = line.samples.len() - 400;
    line.samples.resize(from + 8 * 800, 0);
    let digits = DtmfTiming { level_dbm0: -8.0, ..DtmfTiming::default() };
    DtmfGenerator::new(&"5551".parse().unwrap(), digits).add_to(&mut line.samples[from..]);
    let heard = line.heard();
    let dialled: String = heard
        .iter()
        .filter_map(|(_, h)| if let Heard::Digit { digit, .. } = h { Some(digit.as_char()) } else { None })
        .collect();
    assert_eq!(dialled, "5551", "{heard:?}");
    assert_eq!((named(&heard).len(), ended(&heard).len()), (1, 1), "{heard:?}");
}

#[test]
fn what_was_going_on_before_a_gap_in_hearing_is_forgotten_without_a_word() {
    let dial = Line::of("us").tone(ToneKind::Dial, 2000).samples();
    let mut ear = Ear::new(country("us"), Time::secs(5));
    let mut out = Vec::new();
    ear.feed(&dial[..8000], &mut out);
    assert!(matches!(out[..], [Heard::Tone { .. }]), "{out:?}");
    out.clear();
    ear.skip(24_000);
    ear.feed(&dial[8000..], &mut out);
    let [Heard::Tone { since, .. }] = out[..] else { panic!("{out:?}") };
    assert!(near(since, 9000), "{since}");
    out.clear();
    ear.reset();
    ear.feed(&vec![0; 8000], &mut out);
    assert!(matches!(out[..], [Heard::Silence { .. }]), "{out:?}");
}

/// A recall tone that begins under a digit of ours, whose echo drowns its three bursts: what is left of it has no beginning.
#[test]
fn a_tone_that_begins_under_our_own_digit_is_heard_when_that_is_over() {
    for code in ["fr", "us", "gb", "de"] {
        for kind in [ToneKind::Dial, ToneKind::RecallDial] {
            let Some(spec) = country(code).tone(kind) else { continue };
            for (level, echo) in [(-12.0, -12.0), (-18.0, -20.0), (-25.0, -15.0)] {
                let mut samples = vec![0i16; 8000 * 6];
                let timing = DtmfTiming { level_dbm0: echo, on: Duration::from_millis(90), ..DtmfTiming::default() };
                DtmfGenerator::new(&"5".parse().unwrap(), timing).add_to(&mut samples[8000..]);
                ToneGenerator::at_level(spec, level).add_to(&mut samples[8000 + 8 * 30..]);
                Noise::new(3, -60.0).add_to(&mut samples);
                let (mut ear, mut out) = (Ear::new(country(code), Time::ZERO), Vec::new());
                ear.feed(&samples[..4000], &mut out);
                // as a line does that is about to send
                ear.reset();
                ear.feed(&samples[4000..8000 + 8 * 2400], &mut out);
                let named: Vec<Tone> = out
                    .iter()
                    .filter_map(|h| if let Heard::Tone { tone, .. } = h { Some(*tone) } else { None })
                    .collect();
                let is_dial_tone = |t: &Tone| t.is(kind) || t.kind.is_dial_tone();
                assert!(!named.is_empty() && named.iter().all(is_dial_tone), "{code} {kind} {level} {echo}: {out:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_split_of_the_audio_gives_the_same_events(
        sizes in proptest::collection::vec(1usize..900, 1..30),
        seed in 0u64..1000,
        code in proptest::sample::select(vec!["us", "gb", "de", "au", "in"]),
    ) {
        let digits = DtmfGenerator::new(&"42#".parse().unwrap(), DtmfTiming::default());
        let samples = Line::of(code)
            .tone(ToneKind::Dial, 1400)
            .plays(digits, 600)
            .tone(ToneKind::Ringback, 3100)
            .speech(seed, 2500)
            .sine(1004.0, 600)
            .tone(ToneKind::Busy, 2500)
            .silence(700)
            .samples();
        let (mut whole, mut split) = (Vec::new(), Vec::new());
        Ear::new(country(code), Time::ms(3)).feed(&samples, &mut whole);
        let mut ear = Ear::new(country(code), Time::ms(3));
        pieces(&samples, &sizes).for_each(|piece| ear.feed(piece, &mut split));
        prop_assert_eq!(whole, split);
    }

    #[test]
    fn no_audio_panics_an_ear(samples in proptest::collection::vec(any::<i16>(), 0..6000), law in any::<bool>()) {
        let law = if law { Law::Mu } else { Law::A };
        let coarse: Vec<i16> = samples.iter().map(|&s| law.decode(law.encode(s))).collect();
        for code in ["us", "au", "jp"] {
            Ear::new(country(code), Time::ZERO).feed(&coarse, &mut Vec::new());
        }
    }
}
