//! Our signals against programs that we did not write: spandsp, multimon-ng, minimodem and sox, both ways. Our simulator
//! was made by the same hands as our ears, so that the two agree proves nothing; these do.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use tipring::clock::Time;
use tipring::dsp::caller_id::{Layout, Receiver, Sender};
use tipring::dsp::dtmf::{self, DtmfGenerator, DtmfTiming};
use tipring::dsp::ear::Ear;
use tipring::dsp::fsk::Standard;
use tipring::dsp::tone::ToneGenerator;
use tipring::dsp::{Source, render};
use tipring::event::{CallerId, CallerIdFormat, Event, Heard, ToneKind};
use tipring::facts::Facts;
use tipring::number::PartyNumber;

const APT: &str = "apt-get install gcc libspandsp-dev multimon-ng minimodem sox (scripts/test does it)";
const DIGITS: &str = "0123456789*#ABCD";

/// spandsp behind a pipe, built from tests/peers/spandsp.c with this machine's library.
static SPANDSP: LazyLock<PathBuf> = LazyLock::new(|| {
    let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("spandsp_peer-{}", std::process::id()));
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/spandsp.c");
    let built = Command::new("cc").args(["-O1", "-o"]).arg(&program).args([source, "-lspandsp", "-lm"]).status();
    assert!(built.is_ok_and(|s| s.success()), "spandsp's peer does not build: {APT}");
    program
});

fn pipe(program: impl AsRef<std::ffi::OsStr>, args: &[&str], input: &[u8]) -> Vec<u8> {
    let name = program.as_ref().to_string_lossy().into_owned();
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|e| panic!("{name}: {e}: {APT}"));
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    // a program that ends early closes its end: what it has said by then is what counts
    let feeder = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().expect("its output").stdout;
    feeder.join().expect("the pipe was fed");
    output
}

fn bytes(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|s| s.to_le_bytes()).collect()
}

fn samples(bytes: &[u8]) -> Vec<i16> {
    bytes.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn our_digits() -> Vec<i16> {
    let digits = DIGITS.parse().expect("digits");
    let mut all = vec![0; 2000];
    all.extend(render(&mut DtmfGenerator::new(&digits, DtmfTiming::default()), 80_000));
    all.extend([0; 2000]);
    all
}

fn alice() -> CallerId {
    CallerId {
        number: PartyNumber::from_network(b"5551234"),
        name: Some("ALICE EXAMPLE".into()),
        ..CallerId::default()
    }
}

fn our_caller_id(standard: Standard) -> Vec<i16> {
    let mut all = vec![0; 4000];
    all.extend(render(&mut Sender::with_layout(&alice(), Layout::Mdmf(standard), Sender::LEVEL_DBM0), 40_000));
    all.extend([0; 4000]);
    all
}

#[test]
fn spandsp_hears_our_digits() {
    assert_eq!(text(&pipe(&*SPANDSP, &["dtmf-rx"], &bytes(&our_digits()))).trim(), DIGITS);
}

#[test]
fn multimon_ng_hears_our_digits() {
    let raw = ["-t", "raw", "-r", "8000", "-e", "signed", "-b", "16", "-c", "1", "-"];
    let fast = ["-t", "raw", "-r", "22050", "-e", "signed", "-b", "16", "-c", "1", "-"];
    let converted = pipe("sox", &[&raw[..], &fast[..]].concat(), &bytes(&our_digits()));
    let said = text(&pipe("multimon-ng", &["-q", "-a", "DTMF", "-t", "raw", "-"], &converted));
    let heard: String = said.lines().filter_map(|l| l.strip_prefix("DTMF: ")).collect();
    assert_eq!(heard.replace('E', "*").replace('F', "#"), DIGITS, "{said}");
}

#[test]
fn we_hear_spandsps_digits() {
    let sent = samples(&pipe(&*SPANDSP, &["dtmf-tx", DIGITS], &[]));
    let (mut receiver, mut heard) = (dtmf::Receiver::new(Time::ZERO), Vec::new());
    receiver.feed(&sent, &mut heard);
    let digits: String = heard
        .iter()
        .filter_map(|h| match h {
            Heard::Digit { digit, .. } => Some(digit.as_char()),
            _ => None,
        })
        .collect();
    assert_eq!(digits, DIGITS);
}

#[test]
fn spandsp_reads_our_caller_id_of_both_standards() {
    for (standard, number) in [(Standard::Bell202, "1"), (Standard::V23, "2")] {
        let said = text(&pipe(&*SPANDSP, &["cid-rx", number], &bytes(&our_caller_id(standard))));
        let wanted: String = b"5551234".iter().map(|b| format!("{b:02x}")).collect();
        assert!(said.starts_with("80") && said.contains(&wanted), "{standard:?}: {said}");
    }
}

#[test]
fn minimodem_reads_our_bell_202_bytes() {
    let raw = ["-t", "raw", "-r", "8000", "-e", "signed", "-b", "16", "-c", "1", "-"];
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("bell202-{}.wav", std::process::id()));
    let path = file.to_string_lossy().into_owned();
    pipe("sox", &[&raw[..], &["-r", "48000", path.as_str()]].concat(), &bytes(&our_caller_id(Standard::Bell202)));
    let said = text(&pipe("minimodem", &["--rx", "-q", "-f", &path, "1200"], &[]));
    let _ = std::fs::remove_file(&file);
    assert!(said.contains("5551234") && said.contains("ALICE EXAMPLE"), "{said:?}");
}

#[test]
fn we_read_spandsps_caller_id_of_both_standards() {
    for (number, format) in [("1", CallerIdFormat::Bell202), ("2", CallerIdFormat::V23)] {
        let mut sent = samples(&pipe(&*SPANDSP, &["cid-tx", number, "5551234", "ALICE EXAMPLE"], &[]));
        sent.extend([0; 4000]);
        let (mut receiver, mut heard) = (Receiver::new(), Vec::new());
        receiver.feed(&sent, &mut heard);
        let [Event::CallerId(id)] = heard.as_slice() else { panic!("{format:?}: {heard:?}") };
        assert_eq!(
            (id.number.as_ref().map(|n| n.reveal()), id.name.as_deref()),
            (Some("5551234"), Some("ALICE EXAMPLE"))
        );
        assert_eq!(id.format, format);
    }
}

/// What our ear names of sound that sox made, heard as on a line: half a second of nothing before it.
fn named(country: &str, synth: &[&str]) -> Vec<ToneKind> {
    let head = ["-n", "-t", "raw", "-r", "8000", "-e", "signed", "-b", "16", "-c", "1", "-"];
    let made = samples(&pipe("sox", &[&head[..], synth].concat(), &[]));
    assert!(made.len() > 8000, "sox made nothing: {APT}");
    let mut ear = Ear::new(Facts::embedded().country(country).expect("a country"), Time::ZERO);
    let mut heard = Vec::new();
    ear.feed(&[0; 4000], &mut heard);
    ear.feed(&made, &mut heard);
    ear.feed(&[0; 16000], &mut heard);
    heard
        .into_iter()
        .filter_map(|h| match h {
            Heard::Tone { tone, .. } => Some(tone.kind),
            _ => None,
        })
        .collect()
}

#[test]
fn we_name_the_tones_that_sox_makes() {
    let steady =
        |a: &'static str, b: &'static str| vec!["synth", "3", "sine", a, "synth", "3", "sine", "mix", b, "vol", "0.15"];
    assert_eq!(named("us", &steady("350", "440")), [ToneKind::Dial]);
    let cadence = |hz: &[&'static str], on: &'static str, off: &'static str, times: &'static str| {
        let mut args = vec!["synth", on, "sine", hz[0]];
        if let Some(second) = hz.get(1) {
            args.extend(["synth", on, "sine", "mix", second]);
        }
        args.extend(["vol", "0.15", "pad", "0", off, "repeat", times]);
        args
    };
    assert_eq!(named("us", &cadence(&["480", "620"], "0.5", "0.5", "5")), [ToneKind::Busy]);
    assert_eq!(named("us", &cadence(&["480", "620"], "0.25", "0.25", "8")), [ToneKind::Congestion]);
    assert_eq!(named("us", &cadence(&["440", "480"], "2", "4", "2")), [ToneKind::Ringback]);
    assert_eq!(named("de", &cadence(&["425"], "0.48", "0.48", "5")), [ToneKind::Busy]);
    assert_eq!(named("se", &cadence(&["425"], "0.25", "0.75", "5")), [ToneKind::Congestion]);
}

#[test]
fn sox_measures_our_dial_tone_at_its_two_frequencies() {
    let us = Facts::embedded().country("us").expect("us");
    let tone = us.tone(ToneKind::Dial).expect("dial tone");
    let mut sound = vec![0i16; 16_000];
    ToneGenerator::new(tone, -13.0).add_to(&mut sound);
    let raw = ["-t", "raw", "-r", "8000", "-e", "signed", "-b", "16", "-c", "1", "-"];
    // what is left after each frequency's narrow band: both bands hold power, the ones beside them next to none
    let power = |hz: &str| {
        let out = pipe("sox", &[&raw[..], &raw[..], &["bandpass", hz, "8h"]].concat(), &bytes(&sound));
        let heard = samples(&out);
        heard[8000..].iter().map(|v| f64::from(*v).powi(2)).sum::<f64>()
    };
    let (low, between, high, above) = (power("350"), power("395"), power("440"), power("620"));
    assert!(low > 20.0 * between && high > 20.0 * between && low > 100.0 * above, "{low} {between} {high} {above}");
}
