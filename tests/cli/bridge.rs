//! Transfers over a second line: the caller never leaves, and the two are connected by the program itself.

use crate::Tipring;
use serde_json::Value;

const SECOND: &str = "sim/us?clock=virtual";

fn step<'a>(json: &'a Value, name: &str, result: &str) -> Option<&'a Value> {
    json["steps"].as_array()?.iter().find(|s| s["step"] == name && s["result"] == result)
}

/// A caller who stays for so long after we answered, on a line of this kind.
fn scenario(tipring: &Tipring, lines: &str, stays_s: f64) -> String {
    let text = format!(
        "about = \"a test's\"\n{lines}\n[[call]]\nat_s = 1.0\nfrom = \"5551234\"\nhangs_up_after_s = {stays_s}\n"
    );
    let path = tipring.file("scenario.toml", &text);
    format!("sim/us?clock=virtual&scenario={path}")
}

#[test]
fn a_second_line_reaches_past_a_busy_and_a_silent_target() {
    let tipring = Tipring::start();
    let line = scenario(&tipring, "", 90.0);
    let targets = "5550101,5550102,5550100";
    let args = ["--line", &line, "--json", "answer", "--transfer-to", targets, "--warm", "--second-line", SECOND];
    let run = tipring.run(&args).exits(0);
    let json = run.json();
    assert_eq!(json["outcome"], "bridged");
    assert_eq!(json["transfer"]["target"], "5550100");
    for (name, result) in [("dial", "busy"), ("dial", "no-answer"), ("bridge", "connected here")] {
        assert!(step(&json, name, result).is_some(), "no {name} {result}: {json:#}");
    }
    assert!(!run.stdout.contains("\"flash\""), "the caller's line is left alone");
    // until the caller hangs up, and not longer
    let lasted = json["seconds"].as_f64().unwrap();
    assert!((94.0..110.0).contains(&lasted), "{lasted}");
}

/// The test tone of 5550109 is heard in what was sent to the caller, and only while the two are connected.
#[test]
fn who_is_connected_hears_the_other_line() {
    let tipring = Tipring::start();
    let line = scenario(&tipring, "", 40.0);
    let wav = tipring.path().join("call.wav").to_string_lossy().into_owned();
    let args =
        ["--line", &line, "answer", "--transfer-to", "5550109", "--warm", "--second-line", SECOND, "--record", &wav];
    tipring.run(&args).exits(0);
    let decoded = tipring.run(&["decode", &wav, "--json", "--country", "us"]).exits(0);
    let tone = |channel: u64| {
        decoded.stdout.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok()).find(|e| {
            e["channel"] == channel
                && e["hz"]
                    .as_array()
                    .is_some_and(|hz| hz.iter().any(|f| (f.as_f64().unwrap_or(0.0) - 1004.0).abs() < 12.0))
        })
    };
    let sent = tone(1).unwrap_or_else(|| panic!("no test tone towards the caller:\n{}", decoded.stdout));
    assert!(sent["dur"].as_f64().unwrap() > 5.0, "{sent}");
}

/// The second line's hybrid gives back a good part of what it is sent: to who speaks, an echo of himself.
#[test]
fn who_is_connected_does_not_hear_himself_from_the_other_line() {
    let tipring = Tipring::start();
    let line = scenario(&tipring, "", 60.0);
    let pair = "about = \"a test's\"\n[pair]\necho_loss_db = 8.0\necho_delay_ms = 10.0\n";
    let second = format!("{SECOND}&scenario={}", tipring.file("other.toml", pair));
    let wav = tipring.path().join("call.wav").to_string_lossy().into_owned();
    let returned_db = |canceller: &str| {
        let other = format!("[line.other]\nport = \"{second}\"\n{canceller}");
        let config = tipring.file("tipring.toml", &format!("[line.office]\nport = \"{line}\"\n{other}"));
        // who is called says nothing
        let args = ["--config", &config, "--line", "office", "answer", "--transfer-to", "5550112", "--warm"];
        tipring.run(&[&args[..], &["--second-line", "other", "--record", &wav]].concat()).exits(0);
        let samples: Vec<f64> =
            hound::WavReader::open(&wav).unwrap().samples::<i16>().map(|s| s.unwrap().into()).collect();
        let talk = &samples[samples.len() - 2 * 8000 * 25..samples.len() - 2 * 8000 * 5];
        let energy = |channel: usize| talk.iter().skip(channel).step_by(2).map(|s| s * s).sum::<f64>();
        10.0 * (energy(1) / energy(0)).log10()
    };
    let (with, without) = (returned_db(""), returned_db("echo_canceller = \"off\"\n"));
    println!("{with:.1} dB come back, {without:.1} where nobody cancels");
    assert!((-20.0..-10.0).contains(&without), "{without} dB come back where nobody cancels");
    assert!(with < without - 20.0, "{with} dB for {without}");
}

#[test]
fn talk_that_is_limited_ends_for_the_two_who_are_connected_here() {
    let tipring = Tipring::start();
    let line = scenario(&tipring, "", 600.0);
    let moved = ["answer", "--transfer-to", "5550100", "--warm", "--second-line", SECOND, "--hangup-after", "40s"];
    let json = tipring.run(&[&["--line", &line, "--json"][..], &moved].concat()).exits(0).json();
    assert_eq!(json["outcome"], "bridged", "{json:#}");
    let talked = step(&json, "talk", "all hung up").unwrap_or_else(|| panic!("it is not said: {json:#}"));
    let connected = step(&json, "bridge", "connected here").unwrap();
    let seconds = talked["t"].as_f64().unwrap() - connected["t"].as_f64().unwrap();
    assert!((39.9..40.2).contains(&seconds), "{seconds} s of talk: {json:#}");
}

#[test]
fn nobody_reached_leaves_the_caller_where_he_was() {
    let tipring = Tipring::start();
    let line = scenario(&tipring, "", 600.0);
    let args = ["--line", &line, "--json", "answer", "--transfer-to", "5550101,5550103", "--second-line", SECOND];
    let json = tipring.run(&args).exits(20).json();
    assert_eq!(json["transfer"]["proof"][0], "the caller never left");
}

#[test]
fn the_target_is_briefed_on_the_second_line_and_accepts_or_refuses() {
    let tipring = Tipring::start();
    let line = scenario(&tipring, "", 120.0);
    let wav = tipring.path().join("who.wav");
    let spec =
        hound::WavSpec { channels: 1, sample_rate: 8000, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(&wav, spec).unwrap();
    for n in 0..4000 {
        writer.write_sample(((n as f32 * 0.4).sin() * 3000.0) as i16).unwrap();
    }
    writer.finalize().unwrap();
    let (brief, targets) = (wav.to_string_lossy().into_owned(), "5550114,5550113");
    let args =
        ["--line", &line, "--json", "answer", "--transfer-to", targets, "--brief", &brief, "--second-line", SECOND];
    let json = tipring.run(&args).exits(0).json();
    assert!(step(&json, "brief", "refused").is_some(), "{json:#}");
    assert_eq!(json["transfer"]["target"], "5550113", "{json:#}");
}

#[test]
fn a_line_that_takes_no_flash_is_left_for_its_second_line() {
    let tipring = Tipring::start();
    for (class, tried) in [("[line]\nflash_service = false\n", true), ("[line]\ntransfer = \"none\"\n", false)] {
        let line = scenario(&tipring, class, 120.0);
        let never = if tried { "" } else { "transfer.complete = \"never\"\n" };
        let config = tipring.file(
            "tipring.toml",
            &format!("[line.office]\nport = \"{line}\"\ntransfer.second_line = \"other\"\n{never}[line.other]\nport = \"{SECOND}\"\n"),
        );
        let args = ["--config", &config, "--line", "office", "--json", "answer", "--transfer-to", "5550100", "--warm"];
        let run = tipring.run(&args).exits(0);
        let json = run.json();
        assert_eq!(json["outcome"], "bridged", "{json:#}");
        assert_eq!(run.stdout.contains("\"flash\""), tried, "{json:#}");
    }
}

#[test]
fn a_caller_who_hangs_up_meanwhile_ends_the_other_call() {
    let tipring = Tipring::start();
    let line = scenario(&tipring, "", 12.0);
    let args = ["--line", &line, "-v", "answer", "--transfer-to", "5550102", "--second-line", SECOND];
    let run = tipring.run(&args).exits(14);
    assert!(run.stderr.contains("second line: on-hook"), "{}", run.all());
}

#[test]
fn a_second_line_that_cannot_be_is_refused_before_anything_rings() {
    let tipring = Tipring::start();
    let answer = ["answer", "--transfer-to", "5550100", "--second-line"];
    for (line, second, why) in [
        ("sim/us?clock=virtual", "sim/us", "virtual clock"),
        ("dahdi/1", "dahdi/1", "the same line"),
        ("sim/us?clock=virtual", "nowhere", "nowhere"),
    ] {
        let mut args = vec!["--line", line];
        args.extend(answer);
        args.push(second);
        let run = tipring.run(&args).exits(2);
        assert!(run.stderr.contains(why), "{}", run.all());
    }
    let config = tipring.file("t.toml", "[line.a]\nport = \"sim/us\"\ntransfer.second_line = \"a\"\n");
    let run = tipring.run(&["--config", &config, "lines"]).exits(3);
    assert!(run.stderr.contains("it is the same line"), "{}", run.all());
}
