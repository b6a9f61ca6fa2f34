//! `tipring decode`, as scripts and technicians use it: every kind of file, hostile ones too, and what is found where.

use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use tipring::dsp::caller_id::{Alert, Layout, Sender, acknowledgement};
use tipring::dsp::dtmf::{DtmfGenerator, DtmfTiming};
use tipring::dsp::fsk::Standard;
use tipring::dsp::g711::Law;
use tipring::dsp::tone::ToneGenerator;
use tipring::dsp::voice::{Noise, Random, Speech};
use tipring::dsp::{Source, render};
use tipring::event::{CallerId, ToneKind};
use tipring::facts::Facts;
use tipring::number::PartyNumber;

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Desk {
        Desk(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tipring"));
        command.env_clear().env("HOME", self.0.path()).current_dir(self.0.path()).arg("decode").args(arguments);
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn pipe(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        output
    }

    fn found(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.run(&[&["--json"], arguments].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        lines(&output)
    }
}

fn lines(output: &Output) -> Vec<Value> {
    String::from_utf8_lossy(&output.stdout).lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

fn digits(found: &[Value]) -> String {
    found.iter().filter(|f| f["event"] == "dtmf").map(|f| f["value"].as_str().unwrap()).collect()
}

fn dialled(text: &str) -> Vec<i16> {
    let mut samples = vec![0i16; 4000];
    samples.extend(render(&mut DtmfGenerator::new(&text.parse().unwrap(), DtmfTiming::default()), usize::MAX));
    samples.extend([0; 4000]);
    Noise::new(5, -60.0).add_to(&mut samples);
    samples
}

/// A WAV file of this format tag and width, of one channel or more, the samples interleaved.
fn wav(tag: u16, bits: u16, rate: u32, channels: u16, data: &[u8]) -> Vec<u8> {
    let align = channels * bits / 8;
    let mut out = b"RIFF".to_vec();
    out.extend((36 + data.len() as u32).to_le_bytes());
    out.extend(b"WAVEfmt \x10\0\0\0");
    out.extend([tag.to_le_bytes(), channels.to_le_bytes()].concat());
    out.extend([rate.to_le_bytes(), (rate * u32::from(align)).to_le_bytes()].concat());
    out.extend([align.to_le_bytes(), bits.to_le_bytes()].concat());
    out.extend(b"data");
    out.extend((data.len() as u32).to_le_bytes());
    out.extend(data);
    out
}

fn s16(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|s| s.to_le_bytes()).collect()
}

fn au(encoding: u32, data: &[u8]) -> Vec<u8> {
    let words = [24, data.len() as u32, encoding, 8000, 1];
    [b".snd".to_vec(), words.iter().flat_map(|w| w.to_be_bytes()).collect(), data.to_vec()].concat()
}

#[test]
fn digits_are_found_in_every_kind_of_file_with_their_times_and_levels() {
    let desk = Desk::new();
    let samples = dialled("5550142#");
    let bytes = |f: &dyn Fn(i16) -> Vec<u8>| samples.iter().flat_map(|s| f(*s)).collect::<Vec<u8>>();
    let slow: Vec<i16> = samples.iter().flat_map(|s| [*s, *s]).collect();
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("8.wav", wav(1, 8, 8000, 1, &bytes(&|s| vec![((s >> 8) + 128) as u8]))),
        ("16.wav", wav(1, 16, 8000, 1, &s16(&samples))),
        ("24.wav", wav(1, 24, 8000, 1, &bytes(&|s| (i32::from(s) << 8).to_le_bytes()[..3].to_vec()))),
        ("32.wav", wav(1, 32, 8000, 1, &bytes(&|s| (i32::from(s) << 16).to_le_bytes().to_vec()))),
        ("float.wav", wav(3, 32, 8000, 1, &bytes(&|s| (f32::from(s) / 32768.0).to_le_bytes().to_vec()))),
        ("ulaw.wav", wav(7, 8, 8000, 1, &bytes(&|s| vec![Law::Mu.encode(s)]))),
        ("alaw.wav", wav(6, 8, 8000, 1, &bytes(&|s| vec![Law::A.encode(s)]))),
        ("twice.wav", wav(1, 16, 16_000, 1, &s16(&slow))),
        ("ulaw.au", au(1, &bytes(&|s| vec![Law::Mu.encode(s)]))),
        ("16.au", au(3, &bytes(&|s| s.to_be_bytes().to_vec()))),
    ];
    for (name, file) in files {
        let path = desk.file(name, &file);
        let found = desk.found(&["--country", "us", path.to_str().unwrap()]);
        assert_eq!(digits(&found), "5550142#", "{name}: {found:?}");
        let first = found.iter().find(|f| f["event"] == "dtmf").unwrap();
        assert!((first["t"].as_f64().unwrap() - 0.5).abs() < 0.01, "{name}: {first}");
        assert!((first["dur"].as_f64().unwrap() - 0.07).abs() < 0.01, "{name}: {first}");
        assert!((first["level_dbm0"].as_f64().unwrap() + 6.0).abs() < 1.5, "{name}: {first}");
        assert!(first["confidence"].as_f64().unwrap() > 0.9 && first["channel"] == 0, "{name}: {first}");
    }
}

#[test]
fn samples_without_a_header_need_to_be_named_and_come_through_a_pipe_too() {
    let desk = Desk::new();
    let law: Vec<u8> = dialled("911").iter().map(|s| Law::A.encode(*s)).collect();
    let path = desk.file("line.alaw", &law);
    let raw = ["--raw-format", "alaw", "--country", "se", "--json"];
    assert_eq!(digits(&lines(&desk.run(&[&raw[..], &[path.to_str().unwrap()]].concat()))), "911");
    let output = desk.pipe(&[&raw[..], &["-"]].concat(), &law);
    assert!(output.status.success());
    assert_eq!(digits(&lines(&output)), "911");
    let refused = desk.run(&[path.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(3));
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(why.contains("neither WAV nor AU") && why.contains("--raw-format"), "{why}");
}

#[test]
fn a_pipe_whose_header_promises_nothing_is_decoded_as_it_comes() {
    let desk = Desk::new();
    let mut file = wav(1, 16, 8000, 1, &s16(&dialled("42")));
    file[40..44].copy_from_slice(&u32::MAX.to_le_bytes());
    let output = desk.pipe(&["--json", "-"], &file);
    assert!(output.status.success());
    assert_eq!(digits(&lines(&output)), "42");
}

#[test]
fn two_channels_are_two_directions() {
    let desk = Desk::new();
    let us = Facts::embedded().country("us").unwrap();
    let mut left = vec![0i16; 8000 * 8];
    ToneGenerator::at_level(us.tone(ToneKind::Busy).unwrap(), -15.0).add_to(&mut left[2000..]);
    let mut right = dialled("123");
    right.resize(left.len(), 0);
    let both: Vec<i16> = left.iter().zip(&right).flat_map(|(l, r)| [*l, *r]).collect();
    let path = desk.file("call.wav", &wav(1, 16, 8000, 2, &s16(&both)));
    let found = desk.found(&["--country", "us", path.to_str().unwrap()]);
    let busy = found.iter().find(|f| f["event"] == "tone").unwrap();
    assert!(busy["value"] == "busy" && busy["channel"] == 0, "{busy}");
    assert!(found.iter().filter(|f| f["event"] == "dtmf").all(|f| f["channel"] == 1));
    let text = desk.run(&["--country", "us", path.to_str().unwrap()]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.lines().any(|l| l.contains("left") && l.contains("tone busy")), "{text}");
    assert!(text.lines().any(|l| l.contains("right") && l.contains("dtmf 1")), "{text}");
}

#[test]
fn the_same_cadence_is_busy_here_and_reorder_there() {
    let desk = Desk::new();
    let se = Facts::embedded().country("se").unwrap();
    let mut samples = vec![0i16; 8000 * 6];
    ToneGenerator::at_level(se.tone(ToneKind::Busy).unwrap(), -15.0).add_to(&mut samples[4000..]);
    let path = desk.file("tone.wav", &wav(1, 16, 8000, 1, &s16(&samples)));
    let found = desk.found(&["--all", path.to_str().unwrap()]);
    let countries = |value: &str| -> Vec<String> {
        let tones = found.iter().filter(|f| f["event"] == "tone" && f["value"].as_str().unwrap().contains(value));
        tones.flat_map(|f| f["countries"].as_array().unwrap().iter().map(|c| c.as_str().unwrap().to_string())).collect()
    };
    assert!(countries("busy").iter().any(|c| c == "se"), "{found:?}");
    assert!(countries("reorder").iter().any(|c| c == "nl"), "{found:?}");
}

#[test]
fn where_two_tones_cannot_be_told_apart_both_are_said() {
    let desk = Desk::new();
    let facts = Facts::embedded();
    let alike = |code: &&str| {
        let of = |kind| facts.country(code).unwrap().tone(kind).map(|t| (&t.intro, &t.steps));
        of(ToneKind::Busy).is_some() && of(ToneKind::Busy) == of(ToneKind::Congestion)
    };
    let codes: Vec<&str> = facts.codes().filter(alike).collect();
    assert!(codes.len() > 3, "{codes:?}");
    for code in &codes[..3] {
        let mut samples = vec![0i16; 8000 * 8];
        let busy = facts.country(code).unwrap().tone(ToneKind::Busy).unwrap();
        ToneGenerator::at_level(busy, -15.0).add_to(&mut samples[4000..]);
        let path = desk.file("alike.wav", &wav(1, 16, 8000, 1, &s16(&samples)));
        let found = desk.found(&["--country", code, path.to_str().unwrap()]);
        let tones: Vec<&Value> = found.iter().filter(|f| f["event"] == "tone").collect();
        assert!(matches!(tones[..], [only] if only["value"] == "busy/reorder"), "{code}: {found:?}");
        assert!(tones[0]["confidence"].as_f64().unwrap() < 0.8, "{code}: not as sure as of one: {found:?}");
    }
}

#[test]
fn which_special_information_tone_it_is_is_said_with_its_meaning() {
    let desk = Desk::new();
    for (parts, sit) in
        [([(985.2, 380), (1370.6, 274), (1776.7, 380)], "VC"), ([(913.8, 274), (1370.6, 274), (1776.7, 380)], "IC")]
    {
        let mut samples = vec![0i16; 8000 * 5];
        let mut at = 8000;
        for (hz, ms) in parts {
            ToneGenerator::sine(hz, -20.0, Some(Duration::from_millis(ms))).add_to(&mut samples[at..]);
            at += ms as usize * 8;
        }
        Speech::new(1, -20.0).add_to(&mut samples[at + 400..]);
        Noise::new(2, -55.0).add_to(&mut samples);
        let path = desk.file("sit.wav", &wav(1, 16, 8000, 1, &s16(&samples)));
        let found = desk.found(&["--country", "us", path.to_str().unwrap()]);
        let tone = found.iter().find(|f| f["event"] == "tone").unwrap_or_else(|| panic!("{found:?}"));
        assert!(tone["value"] == "sit" && tone["sit"] == sit && tone["means"].is_string(), "{found:?}");
    }
}

#[test]
fn who_calls_is_found_with_every_field_and_a_wrong_sum_is_no_number() {
    let desk = Desk::new();
    let id = CallerId {
        number: PartyNumber::from_network(b"5550142"),
        name: Some("DOE JANE".into()),
        date: Some([11, 21, 9, 5]),
        ..CallerId::default()
    };
    let mut samples = vec![0i16; 8000];
    samples.extend(render(&mut Sender::with_layout(&id, Layout::Mdmf(Standard::V23), -14.0), usize::MAX));
    samples.extend([0; 8000]);
    let path = desk.file("id.wav", &wav(1, 16, 8000, 1, &s16(&samples)));
    let found = desk.found(&["--country", "gb", path.to_str().unwrap()]);
    let caller = found.iter().find(|f| f["event"] == "caller-id").unwrap();
    assert!(
        caller["number"] == "5550142" && caller["name"] == "DOE JANE" && caller["date"] == "11-21 09:05",
        "{caller}"
    );
    assert_eq!(caller["format"], "v23");

    let mut samples = vec![0i16; 8000];
    let mut wrong = Sender::raw(vec![0x80, 5, 0x02, 3, b'1', b'2', b'3', 0], Standard::Bell202, -14.0);
    samples.extend(render(&mut wrong, usize::MAX));
    samples.extend([0; 8000]);
    let path = desk.file("wrong.wav", &wav(1, 16, 8000, 1, &s16(&samples)));
    let found = desk.found(&["--country", "us", path.to_str().unwrap()]);
    assert!(!found.iter().any(|f| f["event"] == "caller-id"), "{found:?}");
    let garbled = found.iter().find(|f| f["event"] == "caller-id-garbled").unwrap();
    assert_eq!(garbled["bytes"], "8005020331323300");
}

#[test]
fn who_waits_is_found_in_the_middle_of_a_call_and_so_is_a_waiting_message() {
    let desk = Desk::new();
    let id = CallerId { number: PartyNumber::from_network(b"5550142"), ..CallerId::default() };
    let mut samples = render(&mut Speech::new(9, -20.0), 8000 * 3);
    samples.extend(render(&mut Alert::off_hook(-20.0), usize::MAX));
    samples.extend([0; 800]);
    samples.extend(render(&mut acknowledgement(-9.0), usize::MAX));
    samples.extend([0; 480]);
    samples.extend(render(&mut Sender::in_call(&id, Standard::Bell202, -18.0), usize::MAX));
    samples.extend([0; 8000]);
    samples.extend(render(&mut Sender::message_waiting(true, Standard::Bell202, -15.0), usize::MAX));
    samples.extend([0; 4000]);
    Noise::new(2, -60.0).add_to(&mut samples);
    let path = desk.file("waiting.wav", &wav(1, 16, 8000, 1, &s16(&samples)));
    let found = desk.found(&["--country", "us", path.to_str().unwrap()]);
    let of = |event: &str| found.iter().find(|f| f["event"] == event).unwrap_or_else(|| panic!("{event}: {found:?}"));
    assert!(of("alert")["value"] == "cas" && (of("alert")["dur"].as_f64().unwrap() - 0.08).abs() < 0.006, "{found:?}");
    assert_eq!((digits(&found), &of("dtmf")["acknowledges"]), ("D".to_string(), &Value::from("cas")));
    assert!(of("caller-id")["number"] == "5550142" && of("caller-id")["call_waiting"] == true, "{found:?}");
    assert_eq!(of("message-waiting")["value"], "on");
}

/// The alert on one side, the telephone's answer on the other; a D of somebody's own is none.
#[test]
fn what_a_telephone_says_to_an_alert_is_named_whichever_side_it_is_on() {
    let desk = Desk::new();
    let at = |from: usize, sound: Vec<i16>| [vec![0; from], sound, vec![0; 24_000]].concat();
    let exchange = at(8000, render(&mut Alert::off_hook(-20.0), usize::MAX));
    let telephone = at(8000 + 1040, render(&mut acknowledgement(-9.0), usize::MAX));
    let own = at(20_000, render(&mut acknowledgement(-9.0), usize::MAX));
    let both: Vec<i16> =
        (0..30_000).flat_map(|n| [exchange[n], telephone.get(n).copied().unwrap_or(0) + own[n]]).collect();
    let path = desk.file("both.wav", &wav(1, 16, 8000, 2, &s16(&both)));
    let path = path.to_str().unwrap();
    let found = desk.found(&["--country", "us", path]);
    let answers: Vec<&Value> = found.iter().filter(|f| f["event"] == "dtmf").map(|f| &f["acknowledges"]).collect();
    assert_eq!(answers, [&Value::from("cas"), &Value::Null], "{found:?}");
    let text = String::from_utf8_lossy(&desk.run(&["--country", "us", path]).stdout).into_owned();
    assert_eq!(text.matches("dtmf D (answers the alert)").count(), 1, "{text}");
}

/// Speech and digits between pauses do not count. Of noise that is even up to 4 kHz C-message takes 2.9 dB, the psophometric curve 3.5.
#[test]
fn the_noise_in_the_pauses_is_measured_on_each_side() {
    let desk = Desk::new();
    let mut sides = [-60.0, -45.0].map(|noise| {
        let mut samples = vec![0i16; 16_000];
        samples.extend(render(&mut Speech::new(4, -18.0), 24_000));
        samples.extend([0; 16_000]);
        samples.extend(dialled("42"));
        samples.extend([0; 24_000]);
        Noise::new(8, noise).add_to(&mut samples);
        samples
    });
    let shortest = sides[0].len().min(sides[1].len());
    sides.iter_mut().for_each(|s| s.truncate(shortest));
    let both: Vec<i16> = (0..shortest).flat_map(|n| [sides[0][n], sides[1][n]]).collect();
    let path = desk.file("noise.wav", &wav(1, 16, 8000, 2, &s16(&both)));
    let found = desk.found(&["--country", "us", path.to_str().unwrap()]);
    let noise: Vec<&Value> = found.iter().filter(|f| f["event"] == "noise").collect();
    assert_eq!(noise.len(), 2, "{found:?}");
    for (told, (channel, level)) in noise.into_iter().zip([(0, -60.0), (1, -45.0)]) {
        let of = |key: &str| told[key].as_f64().unwrap();
        assert_eq!(told["channel"], channel);
        assert!((of("level_dbm0") - level).abs() < 1.0, "{told}");
        assert!(
            (of("dbrnc0") - (level + 90.0 - 2.9)).abs() < 0.6 && (of("dbm0p") - (level - 3.5)).abs() < 0.6,
            "{told}"
        );
        assert!(of("measured_s") > 2.0, "{told}");
    }
    let text = String::from_utf8_lossy(&desk.run(&["--country", "us", path.to_str().unwrap()]).stdout).into_owned();
    assert!(text.contains("dBrnC0") && text.contains("dBm0p"), "{text}");
}

#[test]
fn an_answering_machine_beeps_when_it_has_spoken_and_a_modem_is_named_once() {
    let desk = Desk::new();
    let mut samples = render(&mut Speech::new(9, -20.0), 8000 * 4);
    samples.extend([0; 4000]);
    let from = samples.len();
    samples.resize(from + 8000 * 8, 0);
    ToneGenerator::sine(1000.0, -15.0, Some(Duration::from_millis(400))).add_to(&mut samples[from..]);
    // 2100 Hz whose phase is turned over every 450 ms
    for (n, s) in samples[from + 24_000..from + 48_000].iter_mut().enumerate() {
        let sign = if n / 3600 % 2 == 0 { 4000.0 } else { -4000.0 };
        *s = (sign * (n as f64 * 2100.0 / 8000.0 * std::f64::consts::TAU).sin()) as i16;
    }
    Noise::new(2, -60.0).add_to(&mut samples);
    let path = desk.file("machine.wav", &wav(1, 16, 8000, 1, &s16(&samples)));
    let found = desk.found(&["--country", "us", path.to_str().unwrap()]);
    let beep = found.iter().find(|f| f["event"] == "beep").unwrap_or_else(|| panic!("{found:?}"));
    assert!(beep["hz"] == 1000 && (beep["dur"].as_f64().unwrap() - 0.4).abs() < 0.03, "{beep}");
    let fax: Vec<&Value> = found.iter().filter(|f| f["event"] == "fax").collect();
    let [only] = fax[..] else { panic!("{found:?}") };
    assert!(only["value"] == "ans-reversals" && (only["dur"].as_f64().unwrap() - 3.0).abs() < 0.05, "{only}");
    assert!(!found.iter().any(|f| f["event"] == "unknown-tone"), "it has a name: {found:?}");
}

#[test]
fn a_calling_fax_is_named_burst_by_burst_and_is_no_unknown_tone() {
    let desk = Desk::new();
    let mut samples = vec![0i16; 8000 * 16];
    for burst in samples[8000..].chunks_mut(8000 * 7 / 2).take(4) {
        ToneGenerator::sine(1100.0, -20.0, Some(Duration::from_millis(500))).add_to(burst);
    }
    Noise::new(2, -60.0).add_to(&mut samples);
    let path = desk.file("calling.wav", &wav(1, 16, 8000, 1, &s16(&samples)));
    let found = desk.found(&[path.to_str().unwrap()]);
    let calls = found.iter().filter(|f| f["event"] == "fax" && f["value"] == "cng").count();
    assert_eq!(calls, 4, "{found:?}");
    let else_heard = |f: &&Value| !["fax", "silence", "noise"].contains(&f["event"].as_str().unwrap());
    assert_eq!(found.iter().find(else_heard), None, "{found:?}");
}

#[test]
fn a_tone_in_nobodys_plan_is_described_drawn_and_learned() {
    let desk = Desk::new();
    let mut samples = vec![0i16; 8000 * 7];
    for n in 0..10 {
        let from = 4000 + n * 4800;
        let mut tone = ToneGenerator::sine(1250.0, -15.0, Some(std::time::Duration::from_millis(360)));
        tone.add_to(&mut samples[from..from + 4800]);
    }
    Noise::new(2, -60.0).add_to(&mut samples);
    let path = desk.file("pbx.wav", &wav(1, 16, 8000, 1, &s16(&samples)));
    let (toml, png) = (desk.path("learned.toml"), desk.path("look.png"));
    let found = desk.found(&[
        "--country",
        "de",
        "--learn",
        toml.to_str().unwrap(),
        "--plot",
        png.to_str().unwrap(),
        path.to_str().unwrap(),
    ]);
    let tone = found.iter().find(|f| f["event"] == "unknown-tone").unwrap_or_else(|| panic!("{found:?}"));
    assert_eq!((&tone["hz"][0], &tone["notation"]), (&Value::from(1250), &Value::from("1250/360,0/240")), "{tone}");
    assert_eq!(&std::fs::read(&png).unwrap()[..8], b"\x89PNG\r\n\x1a\n");
    let learned = std::fs::read_to_string(&toml).unwrap();
    assert!(learned.contains("learned from"), "{learned}");
    // what was learned is a facts file as it stands
    let facts = Facts::with_user_file(&learned).unwrap();
    assert!(facts.country("de").unwrap().tones.iter().any(|t| t.provenance.source.starts_with("learned from")));
}

/// What a person sees who decodes a file at a terminal: the answer goes to a pipe here, what happens meanwhile to the terminal.
fn seen_at_a_terminal(desk: &Desk, arguments: &[&str]) -> (String, Output) {
    let window = nix::pty::Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    let pty = nix::pty::openpty(Some(&window), None).unwrap();
    let mut command = desk.command(arguments);
    command.env("TERM", "xterm").stdout(Stdio::piped()).stderr(Stdio::from(pty.slave));
    let child = command.spawn().unwrap();
    // the terminal is hung up when nobody has it open: neither the command that was made nor its process
    drop(command);
    let mut master = std::fs::File::from(pty.master);
    let reader = std::thread::spawn(move || {
        let (mut seen, mut piece) = (Vec::new(), [0; 4096]);
        while let Ok(n @ 1..) = std::io::Read::read(&mut master, &mut piece) {
            seen.extend_from_slice(&piece[..n]);
        }
        String::from_utf8_lossy(&seen).into_owned()
    });
    let output = child.wait_with_output().unwrap();
    (reader.join().unwrap(), output)
}

#[test]
fn a_person_sees_how_far_a_long_file_is_and_nothing_of_it_stays() {
    let desk = Desk::new();
    let mut samples = vec![0i16; 8000 * 600];
    let dialled = dialled("42");
    samples[..dialled.len()].copy_from_slice(&dialled);
    let long =
        desk.file("long.wav", &wav(7, 8, 8000, 1, &samples.iter().map(|s| Law::Mu.encode(*s)).collect::<Vec<_>>()));
    let long = long.to_str().unwrap();
    let (seen, output) = seen_at_a_terminal(&desk, &[long]);
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("dtmf 4"), "{output:?}");
    assert!(seen.contains('%') && seen.contains('\u{2588}') || seen.contains('\u{2591}'), "{seen:?}");
    assert!(seen.ends_with("\u{1b}[2K"), "cleared: {seen:?}");
    for silent in [&["--quiet", long][..], &["--json", long]] {
        assert_eq!(seen_at_a_terminal(&desk, silent).0, "", "{silent:?}");
    }
    let short = desk.file("short.wav", &wav(1, 16, 8000, 1, &s16(&dialled)));
    assert_eq!(seen_at_a_terminal(&desk, &[short.to_str().unwrap()]).0, "");
}

#[test]
fn a_hook_flash_is_found_with_its_length() {
    let desk = Desk::new();
    let mut samples = vec![0i16; 8000 * 4];
    Speech::new(4, -24.0).add_to(&mut samples);
    samples[16_000..20_800].fill(0);
    for at in [16_000, 20_800] {
        for i in 0..24 {
            samples[at + i] = samples[at + i].saturating_add((14_000.0 * 0.8f32.powi(i as i32)) as i16);
        }
    }
    let path = desk.file("flash.wav", &wav(1, 16, 8000, 1, &s16(&samples)));
    let found = desk.found(&["--country", "us", path.to_str().unwrap()]);
    let flash = found.iter().find(|f| f["event"] == "loop-break").unwrap_or_else(|| panic!("{found:?}"));
    assert!(flash["value"] == "flash" && (flash["dur"].as_f64().unwrap() - 0.6).abs() < 0.01, "{flash}");
}

#[test]
fn what_is_no_recording_is_one_clear_error() {
    let desk = Desk::new();
    let whole = wav(1, 16, 8000, 1, &s16(&dialled("1")));
    let fifo = desk.path("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let cases: Vec<(PathBuf, &str)> = vec![
        (desk.file("empty.wav", b""), "empty"),
        (desk.file("text.wav", b"hello, this is no sound"), "neither WAV nor AU"),
        (desk.file("song.wav", b"OggS\0\0\0\0"), "Ogg"),
        (desk.file("head.wav", &whole[..30]), "ends in its header"),
        (desk.file("no-data.wav", &whole[..36]), "ends in its header"),
        (desk.file("gsm.wav", &wav(0x31, 16, 8000, 1, &[0; 100])), "compression"),
        (desk.file("rate.wav", &wav(1, 16, 1, 1, &[0; 100])), "samples a second"),
        (desk.file("none.wav", &wav(1, 16, 8000, 0, &[0; 100])), "channels"),
        (desk.file("wide.wav", &wav(1, 12, 8000, 1, &[0; 100])), "bits"),
        (desk.0.path().to_path_buf(), "directory"),
        (fifo, "pipe"),
        (PathBuf::from("/dev/zero"), "device"),
        (desk.path("absent.wav"), "No such file"),
    ];
    for (path, why) in cases {
        let output = desk.run(&[path.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{path:?}: {said}");
        assert!(said.contains(why) && said.starts_with("error:") && said.contains("\n help:"), "{path:?}: {said}");
        assert!(output.stdout.is_empty(), "{path:?}");
    }
}

#[test]
fn a_recording_that_breaks_off_is_decoded_as_far_as_it_goes() {
    let desk = Desk::new();
    let whole = wav(1, 16, 8000, 1, &s16(&dialled("5551234")));
    let path = desk.file("cut.wav", &whole[..whole.len() - 6000]);
    let output = desk.run(&["--json", "--country", "us", path.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("its header promises"), "{said}");
    let found: Vec<Value> = lines(&output).into_iter().filter(|f| f["schema"] == "tipring.found/1").collect();
    assert_eq!(digits(&found), "5551234");
}

/// Files with random bytes changed, cut and put in: a result or a clear error, and never a panic. `scripts/fuzz-decode` gives
/// another seed and more rounds.
#[test]
fn no_damage_to_a_file_is_more_than_an_error() {
    use tipring::decode::{Channel, Listening, source};
    let given = |name: &str, usual: u64| std::env::var(name).map_or(usual, |v| v.parse().expect("a number"));
    let (seed, rounds) = (given("TIPRING_FUZZ_SEED", 77), given("TIPRING_FUZZ_ROUNDS", 4000));
    let mut random = Random::new(seed);
    let samples = &dialled("123")[..6000];
    let mulaw: Vec<u8> = samples.iter().map(|s| Law::Mu.encode(*s)).collect();
    let wide: Vec<u8> = samples.iter().flat_map(|s| (f32::from(*s) / 32_768.0).to_le_bytes()).collect();
    let mut seeds = vec![wav(3, 32, 48_000, 1, &wide), wav(6, 8, 8000, 1, &mulaw), wav(7, 8, 8000, 2, &mulaw)];
    seeds.extend([8, 16, 24, 32].map(|bits| wav(1, bits, 8000, 1, &s16(samples))));
    seeds.extend([1, 2, 3, 4, 5, 6, 7, 27].map(|encoding| au(encoding, &s16(samples))));
    let listening = Listening { countries: vec![Facts::embedded().country("us").unwrap()], live: true };
    let (mut read, mut opened) = (0, 0);
    for round in 0..rounds {
        let mut file = seeds[round as usize % seeds.len()].clone();
        for _ in 0..1 + random.below(6) {
            // mostly in the header
            let span = if random.below(4) > 0 { 64 } else { file.len() as u32 };
            let at = (random.below(span) as usize).min(file.len().saturating_sub(1));
            match random.below(6) {
                0 => file[at] = random.bits() as u8,
                1 => file[at] = [0, 0xFF, 0x7F, 0x80][random.below(4) as usize],
                2 => file[at] ^= 1 << random.below(8),
                3 => file.insert(at, random.bits() as u8),
                // lengths, rates and numbers of channels that nobody has
                4 => {
                    let absurd = [0, 1, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFE, 0xFFFF_FFFF][random.below(6) as usize];
                    let absurd: u32 = absurd;
                    file.iter_mut().skip(at / 4 * 4).zip(absurd.to_le_bytes()).for_each(|(f, a)| *f = a);
                }
                _ => file.truncate(at.max(1)),
            }
        }
        let source = match random.below(8) {
            0 => {
                let (_, encoding) = source::Encoding::NAMES[random.below(10) as usize % source::Encoding::NAMES.len()];
                let format =
                    source::Format { rate_hz: random.below(200_000), channels: random.below(10) as u16, encoding };
                source::Source::raw(&file[..], format)
            }
            _ => source::Source::open(&file[..]),
        };
        let mut source = match source {
            Ok(source) => source,
            Err(e) => {
                let said = e.explain("a file");
                assert!(!said.why.is_empty() && !said.next.is_empty(), "seed {seed}, round {round}");
                continue;
            }
        };
        opened += 1;
        let mut frames = Vec::new();
        let mut channel = Channel::new(0, &listening);
        let mut out = Vec::new();
        while let Ok(n @ 1..) = source.read(&mut frames) {
            assert!(frames.len() >= n && frames.iter().all(|v| v.abs() <= 1.0), "seed {seed}, round {round}");
            // a tenth of a second at a time, of however many channels: no header makes it more
            assert!(frames.capacity() < 40_000_000, "seed {seed}, round {round}: {}", frames.capacity());
            if round % 16 < 4 {
                let line: Vec<i16> = frames.iter().map(|v| (v * 32_767.0) as i16).collect();
                channel.feed(&line, &mut out);
            }
            read += n;
        }
        channel.finish(&mut out);
        for found in out {
            assert!(found.t.is_finite() && found.t >= 0.0 && !found.line(1).contains('\u{1b}'));
        }
    }
    assert!(
        opened as u64 > rounds / 20 && read > 100 * rounds as usize,
        "{opened} opened, {read} read of {rounds} rounds"
    );
}
