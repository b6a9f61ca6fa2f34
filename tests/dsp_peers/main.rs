//! What others send we hear, and what we send they hear: spandsp, multimon-ng, minimodem and sox.
//!
//! A generator and a detector written together can agree on the same mistake. These programs were written by others.

mod peers;

use peers::{recorded_speech, resampled, run, sox_says, spandsp, spandsp_says, to_bytes, to_samples, wav};
use tipring::clock::Time;
use tipring::dsp::caller_id::{self, Alert, Layout, Sender};
use tipring::dsp::dtmf::{self, DtmfGenerator, DtmfTiming};
use tipring::dsp::ear::Ear;
use tipring::dsp::fsk::Standard;
use tipring::dsp::tone::ToneGenerator;
use tipring::dsp::{Source, render};
use tipring::event::{CallerId, CallerIdFormat, Event, FaxTone, Heard, Tone, ToneKind};
use tipring::facts::Facts;
use tipring::number::{Digit, PartyNumber};

const DIGITS: &str = "0123456789ABCD*#";

fn digits_heard(samples: &[i16]) -> String {
    let mut out = Vec::new();
    let mut receiver = dtmf::Receiver::new(Time::ZERO);
    receiver.feed(samples, &mut out);
    receiver.feed(&[0; 800], &mut out);
    out.iter().filter_map(|h| if let Heard::Digit { digit, .. } = h { Some(digit.as_char()) } else { None }).collect()
}

fn digits_sent(timing: DtmfTiming) -> Vec<i16> {
    let mut samples = vec![0; 1600];
    samples.extend(render(&mut DtmfGenerator::new(&DIGITS.parse().unwrap(), timing), usize::MAX));
    samples.extend([0; 1600]);
    samples
}

fn caller() -> CallerId {
    CallerId {
        number: PartyNumber::from_network(b"5550142"),
        name: Some("DOE JANE".into()),
        absent: None,
        date: Some([11, 21, 9, 5]),
        format: CallerIdFormat::Bell202,
    }
}

fn caller_id_sent(layout: Layout) -> Vec<i16> {
    let mut samples = vec![0; 4000];
    samples.extend(render(&mut Sender::with_layout(&caller(), layout, Sender::LEVEL_DBM0), usize::MAX));
    samples.extend([0; 8000]);
    samples
}

fn caller_id_heard(samples: &[i16]) -> Vec<Event> {
    let mut out = Vec::new();
    let mut receiver = caller_id::Receiver::new();
    receiver.feed(samples, &mut out);
    receiver.feed(&[0; 4000], &mut out);
    out
}

fn tones_heard(country: &str, samples: &[i16]) -> Vec<Tone> {
    let mut out = Vec::new();
    Ear::new(Facts::embedded().country(country).unwrap(), Time::ZERO).feed(samples, &mut out);
    out.iter().filter_map(|h| if let Heard::Tone { tone, .. } = h { Some(*tone) } else { None }).collect()
}

#[test]
fn the_digits_that_spandsp_sends_are_heard() {
    for (on, off) in [("50", "50"), ("70", "70"), ("100", "60")] {
        assert_eq!(digits_heard(&spandsp_says(&["dtmf-tx", DIGITS, on, off])), DIGITS, "{on}/{off} ms");
    }
}

#[test]
fn spandsp_hears_the_digits_that_we_send() {
    let heard = spandsp(&["dtmf-rx"], &digits_sent(DtmfTiming::default()));
    assert_eq!(String::from_utf8_lossy(&heard), DIGITS);
}

#[test]
fn multimon_hears_the_digits_that_we_send() {
    let samples = resampled(&digits_sent(DtmfTiming::default()), "22050");
    let heard = run("multimon-ng", &["-q", "-t", "raw", "-a", "DTMF", "-"], &samples);
    let heard = String::from_utf8_lossy(&heard);
    let digits: String =
        heard.lines().filter_map(|l| l.strip_prefix("DTMF: ")).flat_map(|d| d.trim().chars()).collect();
    // it writes the letters A to D and the rest as on the keypad
    assert_eq!(digits, DIGITS, "{heard}");
}

#[test]
fn the_digits_that_sox_mixes_are_heard() {
    for (row, low) in ["697", "770", "852", "941"].into_iter().enumerate() {
        for (column, high) in ["1209", "1336", "1477", "1633"].into_iter().enumerate() {
            let samples = sox_says(&[
                "synth", "0.06", "sine", low, "synth", "sine", "mix", high, "gain", "-12", "pad", "0.2", "0.2",
            ]);
            assert_eq!(digits_heard(&samples), Digit::at(row, column).as_char().to_string(), "{low}+{high}");
        }
    }
}

#[test]
fn decode_reads_what_sox_writes() {
    let samples = digits_sent(DtmfTiming::default());
    let path = |name: &str| {
        let name = format!("sox-writes-{}-{name}", std::process::id());
        std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
    };
    let cases: [(&str, &str, &[&str]); 12] = [
        ("8-bit.wav", "8000", &["-b", "8"]),
        ("16-bit.wav", "44100", &["-b", "16"]),
        ("24-bit.wav", "48000", &["-b", "24"]),
        ("32-bit.wav", "16000", &["-b", "32"]),
        ("float.wav", "11025", &["-e", "floating-point", "-b", "32"]),
        ("double.wav", "8000", &["-e", "floating-point", "-b", "64"]),
        ("mu.wav", "8000", &["-e", "mu-law"]),
        ("a.wav", "8000", &["-e", "a-law"]),
        ("stereo.wav", "22050", &["-c", "2"]),
        ("linear.au", "8000", &["-b", "16"]),
        ("mu.au", "8000", &["-e", "mu-law"]),
        ("float.au", "96000", &["-e", "floating-point", "-b", "32"]),
    ];
    for (name, rate, format) in cases {
        let file = path(name);
        let raw = ["-q", "-D", "-t", "raw", "-e", "signed", "-b", "16", "-c", "1", "-r", "8000", "-", "-r", rate];
        run("sox", &[&raw[..], format, &[file.to_str().unwrap()]].concat(), &to_bytes(&samples));
        let heard = run(env!("CARGO_BIN_EXE_tipring"), &["decode", "--json", file.to_str().unwrap()], &[]);
        let _ = std::fs::remove_file(&file);
        let mut digits = [String::new(), String::new()];
        for line in String::from_utf8_lossy(&heard).lines() {
            let found: serde_json::Value = serde_json::from_str(line).unwrap();
            if found["event"] == "dtmf" {
                digits[found["channel"].as_u64().unwrap() as usize] += found["value"].as_str().unwrap();
            }
        }
        let right = if name == "stereo.wav" { DIGITS } else { "" };
        assert_eq!(digits, [DIGITS, right], "{name}");
    }
}

#[test]
fn the_alert_before_caller_id_that_spandsp_sends_is_heard() {
    let samples = spandsp_says(&["alert-tx"]);
    let mut out = Vec::new();
    Ear::new(Facts::embedded().country("gb").unwrap(), Time::ZERO).feed(&samples, &mut out);
    let alerts: Vec<_> = out
        .iter()
        .filter_map(|h| if let Heard::Alert { lasted, .. } = h { Some(lasted.as_millis()) } else { None })
        .collect();
    assert!(matches!(alerts[..], [105..=115]), "{out:?}");
}

#[test]
fn spandsp_measures_the_alert_that_we_send() {
    for (lasts_ms, mut alert) in [(80, Alert::off_hook(-20.0)), (100, Alert::on_hook(-20.0))] {
        let samples = [vec![0; 4000], render(&mut alert, usize::MAX), vec![0; 4000]].concat();
        let heard = spandsp(&["tone-rx", "2130", "2750"], &samples);
        let heard = String::from_utf8_lossy(&heard);
        let both: Vec<i32> =
            heard.lines().filter_map(|l| l.strip_prefix("0 1 ")).map(|ms| ms.trim().parse().unwrap()).collect();
        assert!(matches!(both[..], [ms] if (ms - lasts_ms).abs() <= 32), "{lasts_ms}: {heard}");
    }
}

#[test]
fn the_caller_id_that_spandsp_sends_is_heard() {
    for (standard, format) in [("class", CallerIdFormat::Bell202), ("clip", CallerIdFormat::V23)] {
        let samples = spandsp_says(&["cid-tx", standard, "5550142", "DOE JANE", "11210905"]);
        let expected = CallerId { format, ..caller() };
        assert_eq!(caller_id_heard(&samples), vec![Event::CallerId(expected)], "{standard}");
    }
    let samples = spandsp_says(&["cid-tx", "dtmf", "5550142", "", ""]);
    let expected = CallerId { format: CallerIdFormat::Dtmf, name: None, date: None, ..caller() };
    assert_eq!(caller_id_heard(&samples), vec![Event::CallerId(expected)]);
}

#[test]
fn spandsp_hears_the_caller_id_that_we_send() {
    for (name, standard) in [("class", Standard::Bell202), ("clip", Standard::V23)] {
        let heard = spandsp(&["cid-rx", name], &caller_id_sent(Layout::Mdmf(standard)));
        let heard = String::from_utf8_lossy(&heard);
        for field in ["01=11210905", "02=5550142", "07=DOE JANE"] {
            assert!(heard.lines().any(|l| l == field), "{name}: {field} is not in {heard:?}");
        }
    }
    let digits = Layout::Dtmf { start: Digit::new('A').unwrap(), end: Digit::new('C').unwrap() };
    let heard = spandsp(&["cid-rx", "dtmf"], &caller_id_sent(digits));
    assert!(String::from_utf8_lossy(&heard).contains("5550142"), "{heard:?}");
}

#[test]
fn minimodem_reads_the_bytes_that_we_send() {
    let marks: [(&str, Standard, &[&str]); 2] = [
        ("minimodem-bell202", Standard::Bell202, &["--rx", "-q", "1200", "-f"]),
        ("minimodem-v23", Standard::V23, &["--rx", "-q", "-M", "1300", "-S", "2100", "1200", "-f"]),
    ];
    for (name, standard, arguments) in marks {
        let path = wav(name, &caller_id_sent(Layout::Mdmf(standard)));
        let heard = run("minimodem", &[arguments, &[path.to_str().unwrap()]].concat(), &[]);
        let _ = std::fs::remove_file(&path);
        let message = b"\x01\x0811210905\x02\x075550142\x07\x08DOE JANE";
        assert!(heard.windows(message.len()).any(|w| w == message), "{name}: {:?}", String::from_utf8_lossy(&heard));
    }
}

#[test]
fn a_message_that_minimodem_sends_is_heard() {
    let mut message = b"\x80\x1d\x01\x0811210905\x02\x075550142\x07\x08DOE JANE".to_vec();
    message.push(message.iter().fold(0u8, |sum, b| sum.wrapping_add(*b)).wrapping_neg());
    let marks: [(&str, &str, &[&str], CallerIdFormat); 2] = [
        ("minimodem-tx-bell202", "1200", &["1200"], CallerIdFormat::Bell202),
        ("minimodem-tx-v23", "1300", &["-M", "1300", "-S", "2100", "1200"], CallerIdFormat::V23),
    ];
    for (name, mark, arguments, format) in marks {
        let path = wav(name, &[]);
        let file = path.to_str().unwrap();
        let bytes = [&["--tx", "-q", "-8", "-R", "8000", "-v", "0.3", "-f", file], arguments].concat();
        run("minimodem", &bytes, &message);
        // it sends no marks of its own before the first byte
        let mut samples = sox_says(&["synth", "0.15", "sine", mark, "gain", "-10"]);
        let raw = ["-q", "-D", file, "-t", "raw", "-e", "signed", "-b", "16", "-c", "1", "-r", "8000", "-"];
        samples.extend(to_samples(&run("sox", &raw, &[])));
        let _ = std::fs::remove_file(&path);
        assert_eq!(caller_id_heard(&samples), vec![Event::CallerId(CallerId { format, ..caller() })], "{name}");
    }
}

#[test]
fn the_tones_that_sox_mixes_are_named() {
    let cases: [(&str, ToneKind, &[&str]); 8] = [
        ("us", ToneKind::Dial, &["350", "440", "4", "0", "0"]),
        ("us", ToneKind::Ringback, &["440", "480", "2", "4", "1"]),
        ("us", ToneKind::Busy, &["480", "620", "0.5", "0.5", "6"]),
        ("us", ToneKind::Congestion, &["480", "620", "0.25", "0.25", "12"]),
        ("de", ToneKind::Dial, &["425", "425", "4", "0", "0"]),
        ("de", ToneKind::Busy, &["425", "425", "0.48", "0.48", "6"]),
        ("gb", ToneKind::Busy, &["400", "400", "0.375", "0.375", "8"]),
        ("se", ToneKind::Ringback, &["425", "425", "1", "5", "1"]),
    ];
    for (country, kind, case) in cases {
        let [low, high, on, off, repeats] = case else { unreachable!() };
        let tone = ["synth", on, "sine", low, "synth", "sine", "mix", high, "gain", "-10", "pad", "0", off];
        let samples = sox_says(&[&tone[..], &["repeat", repeats, "pad", "0.4", "0.5"]].concat());
        let heard = tones_heard(country, &samples);
        assert!(heard.len() == 1 && heard[0].is(kind), "{country} {kind}: {heard:?}");
    }
}

#[test]
fn the_tones_that_spandsp_makes_are_named() {
    for (country, kind, [low, high, on, off]) in [
        ("us", ToneKind::Busy, ["480", "620", "500", "500"]),
        ("us", ToneKind::Congestion, ["480", "620", "250", "250"]),
        ("us", ToneKind::Ringback, ["440", "480", "2000", "4000"]),
        ("se", ToneKind::Busy, ["425", "0", "250", "250"]),
        ("de", ToneKind::Congestion, ["425", "0", "240", "240"]),
    ] {
        let heard = tones_heard(country, &spandsp_says(&["tone-tx", low, high, on, off]));
        assert!(heard.len() == 1 && heard[0].is(kind), "{country} {kind}: {heard:?}");
    }
}

#[test]
fn spandsp_measures_the_tones_that_we_make() {
    for (country, kind, pairs, sounds, on_ms, off_ms) in [
        ("us", ToneKind::Busy, ["480", "620", "350", "440"], "0 1", 500, 500),
        ("us", ToneKind::Congestion, ["480", "620", "350", "440"], "0 1", 250, 250),
        ("us", ToneKind::Confirmation, ["350", "440", "480", "620"], "0 1", 100, 100),
        ("de", ToneKind::Busy, ["425", "-1", "620", "-1"], "0 -1", 480, 480),
        ("gb", ToneKind::Busy, ["400", "-1", "620", "-1"], "0 -1", 375, 375),
    ] {
        let spec = Facts::embedded().country(country).unwrap().tone(kind).unwrap();
        let mut samples = vec![0; 44_000];
        ToneGenerator::at_level(spec, -15.0).add_to(&mut samples[4000..]);
        let heard = spandsp(&[&["tone-rx"], &pairs[..]].concat(), &samples);
        let heard = String::from_utf8_lossy(&heard);
        let stretches: Vec<(&str, i32)> =
            heard.lines().filter_map(|l| l.rsplit_once(' ')).map(|(f, ms)| (f, ms.parse().unwrap())).collect();
        // the first and the last are cut by where it listens; its blocks are 16 ms
        let [_, whole @ .., _] = &stretches[..] else { panic!("{country} {kind}: {heard}") };
        assert!(whole.len() >= 2, "{country} {kind}: {heard}");
        for (i, (what, ms)) in whole.iter().enumerate().take(8) {
            let (expected, length) = if i % 2 == 0 { (sounds, on_ms) } else { ("-1 -1", off_ms) };
            assert!(*what == expected && (ms - length).abs() <= 32, "{country} {kind}: {heard}");
        }
    }
}

fn fax_heard(samples: &[i16]) -> Vec<(FaxTone, Time)> {
    let mut out = Vec::new();
    Ear::new(Facts::embedded().country("us").unwrap(), Time::ZERO).feed(samples, &mut out);
    assert!(!out.iter().any(|h| matches!(h, Heard::Speech { .. } | Heard::Tone { .. })), "{out:?}");
    out.iter().filter_map(|h| if let Heard::Fax { tone, since } = h { Some((*tone, *since)) } else { None }).collect()
}

#[test]
fn what_modems_of_spandsp_begin_with_is_heard() {
    use FaxTone::{AnsReversals, Ansam, AnsamReversals, Ced, Cng, V21Preamble};
    for (kind, expected) in [
        ("1", &[Cng, Cng][..]),
        ("2", &[Ced]),
        ("3", &[Ced, AnsReversals]),
        ("4", &[Ansam]),
        ("5", &[Ansam, AnsamReversals]),
    ] {
        let heard = fax_heard(&spandsp_says(&["modem-tx", kind]));
        assert_eq!(heard.iter().map(|h| h.0).collect::<Vec<_>>(), expected, "{kind}: {heard:?}");
    }
    let heard = fax_heard(&spandsp_says(&["flags-tx"]));
    assert!(matches!(heard[..], [(V21Preamble, since)] if since < Time::ms(460)), "{heard:?}");
}

#[test]
fn recorded_speech_is_speech_and_neither_digit_nor_tone() {
    let recordings = recorded_speech();
    let seconds = recordings.iter().map(|(_, s)| s.len()).sum::<usize>() / 8000;
    assert!(seconds > 1200, "twenty minutes of it, at least: {seconds} s");
    for code in ["us", "de"] {
        let country = Facts::embedded().country(code).unwrap();
        let (mut wrong, mut spoken) = (Vec::new(), 0);
        for (name, samples) in &recordings {
            let mut out = Vec::new();
            let mut ear = Ear::new(country, Time::ZERO);
            ear.feed(&[0; 4000], &mut out);
            ear.feed(samples, &mut out);
            spoken += usize::from(out.iter().any(|h| matches!(h, Heard::Speech { .. })));
            let is_wrong = |h: &&Heard| {
                matches!(
                    h,
                    Heard::Digit { .. }
                        | Heard::Tone { .. }
                        | Heard::Fax { .. }
                        | Heard::Alert { .. }
                        | Heard::OtherTone { .. }
                )
            };
            wrong.extend(out.iter().filter(is_wrong).map(|h| format!("{name}: {h:?}")));
        }
        // a vowel held like the beep of call waiting, once in half an hour, is what today's ear makes of it
        assert!(wrong.iter().all(|w| w.contains("CallWaiting")) && wrong.len() <= 1, "{code}: {wrong:#?}");
        assert!(spoken * 100 >= recordings.len() * 98, "{code}: speech in {spoken} of {}", recordings.len());
    }
}

#[test]
fn samples_survive_the_way_to_the_peers_and_back() {
    let samples = [0, 1, -1, i16::MAX, i16::MIN, 12_345];
    assert_eq!(to_samples(&to_bytes(&samples)), samples);
}
