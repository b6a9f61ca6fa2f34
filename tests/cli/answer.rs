use crate::{COUNTRIES, Tipring};
use serde_json::Value;

fn answer(country: &str, targets: &str, warm: bool) -> (i32, Value) {
    let line = format!("sim/{country}?scenario=incoming&clock=virtual");
    let mut args = vec!["--line", &line, "--json", "answer", "--transfer-to", targets];
    if warm {
        args.push("--warm");
    }
    let run = Tipring::start().run(&args);
    (run.code.expect("an exit code"), run.json())
}

fn results(json: &Value) -> Vec<(String, String)> {
    let text = |v: &Value| v.as_str().unwrap_or("").to_string();
    json["steps"].as_array().into_iter().flatten().map(|s| (text(&s["step"]), text(&s["result"]))).collect()
}

#[test]
fn the_first_target_that_takes_the_call_gets_it_in_every_country() {
    for country in COUNTRIES {
        let (code, json) = answer(country, "5550101,5550102,5550100", true);
        assert_eq!(code, 0, "{country}: {json:#}");
        assert_eq!(json["schema"], "tipring.answer/1");
        assert_eq!(json["outcome"], "transferred");
        assert_eq!(json["transfer"]["target"], "5550100");
        let results: Vec<String> = results(&json).into_iter().map(|(_, r)| r).collect();
        for wanted in ["busy", "no-answer", "answered", "caller is back", "proven"] {
            assert!(results.iter().any(|r| r == wanted), "{country}: no {wanted} in {results:?}");
        }
        assert!(json["steps"].as_array().unwrap().iter().any(|s| s["step"] == "dial" && s["heard"] == "busy"));
        assert!(json["transfer"]["proof"].as_array().is_some_and(|p| p.len() == 2), "{country}: {json:#}");
    }
}

/// The exchange has hung up on the caller, and gives dial tone as it does after a recall: who answers then is nobody's
/// target.
#[test]
fn a_flash_that_the_exchange_takes_for_a_hang_up_is_never_told_as_a_transfer() {
    for country in ["us", "ca", "gb", "de", "se", "jp", "nz", "au", "fr", "it"] {
        let line = format!("sim/{country}?scenario=flash-hangs-up&clock=virtual");
        let run = Tipring::start().run(&["--line", &line, "--json", "answer", "--transfer-to", "5550100", "--warm"]);
        assert!(matches!(run.code, Some(21 | 31)), "{country}: {}", run.all());
        assert!(!run.stdout.contains("5550100"), "{country}: nobody is called: {}", run.all());
        let why = run.json()["transfer"]["proof"][0].to_string();
        assert!(run.code != Some(21) || why.contains("flash taken for a hang-up"), "{country}: {}", run.all());
    }
}

#[test]
fn a_lone_busy_target_leaves_the_caller_with_us_in_every_country() {
    for country in COUNTRIES {
        let (code, json) = answer(country, "5550101", true);
        assert_eq!(code, 20, "{country}: {json:#}");
        assert_eq!(json["outcome"], "transfer-failed");
        assert!(results(&json).iter().any(|(_, r)| r == "caller is back"), "{country}: {json:#}");
        assert!(!results(&json).iter().any(|(s, _)| s == "hang-up"), "{country}: {json:#}");
    }
}

#[test]
fn caller_id_is_read_in_each_countrys_format() {
    for (country, format) in [("us", "bell202"), ("gb", "v23")] {
        let (_, json) = answer(country, "5550100", true);
        assert_eq!(json["caller"]["number"], "5551234", "{country}: {json:#}");
        assert_eq!(json["caller"]["format"], format, "{country}");
    }
    for country in ["de", "se"] {
        let (_, json) = answer(country, "5550100", true);
        assert_eq!(json["caller"]["number"], "5551234", "{country}: {json:#}");
    }
}

#[test]
fn cold_transfer_leaves_on_ringback_where_the_exchange_allows_it() {
    let (code, json) = answer("us", "5550101,5550115", false);
    assert_eq!(code, 0, "{json:#}");
    assert_eq!(json["transfer"]["target"], "5550115");
    assert!(!results(&json).iter().any(|(_, r)| r == "answered"), "{json:#}");
}

#[test]
fn every_way_a_target_can_fail_brings_the_caller_back() {
    for target in ["5550101", "5550102", "5550103", "5550104", "5550105"] {
        let (code, json) = answer("us", target, true);
        assert_eq!(code, 20, "{target}: {json:#}");
        assert!(results(&json).iter().any(|(_, r)| r == "caller is back"), "{target}: {json:#}");
    }
}

#[test]
fn nobody_calling_ends_with_its_own_code() {
    Tipring::start().run(&["--line", "sim/us?clock=virtual", "answer", "--within", "30s"]).exits(75);
}

#[test]
fn names_from_the_configuration_are_targets() {
    let t = Tipring::start();
    let config = t.file("tipring.toml", "[contacts]\nalice = \"555 0101\"\nbob = \"5550100\"\n");
    let line = "sim/us?scenario=incoming&clock=virtual";
    let run = t
        .run(&["--config", &config, "--line", line, "--json", "answer", "--transfer-to", "alice,bob", "--warm"])
        .exits(0);
    assert_eq!(run.json()["transfer"]["target"], "bob");
}

/// A brief of two seconds: a WAV file of a low hum, in the test's directory.
pub fn brief(t: &Tipring) -> String {
    let path = t.path().join("brief.wav");
    let spec =
        hound::WavSpec { channels: 1, sample_rate: 8000, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut wav = hound::WavWriter::create(&path, spec).expect("a file");
    for i in 0..16_000 {
        // changing in pitch and level, as speech does: who is asked waits for somebody to have spoken
        let t = f64::from(i) / 8000.0;
        let level = 6000.0 * (0.6 + 0.4 * (t * 25.0).sin());
        wav.write_sample((level * (t * std::f64::consts::TAU * (180.0 + 40.0 * (t * 3.0).sin())).sin()) as i16)
            .unwrap();
    }
    wav.finalize().unwrap();
    path.to_string_lossy().into_owned()
}

fn briefed(country: &str, targets: &str) -> (i32, Value) {
    let t = Tipring::start();
    let brief = brief(&t);
    let line = format!("sim/{country}?scenario=incoming&clock=virtual");
    let run = t.run(&["--line", &line, "--json", "answer", "--transfer-to", targets, "--brief", &brief]);
    (run.code.expect("an exit code"), run.json())
}

#[test]
fn a_briefed_target_accepts_with_1_in_every_country() {
    for country in COUNTRIES {
        let (code, json) = briefed(country, "5550113");
        assert_eq!(code, 0, "{country}: {json:#}");
        assert!(results(&json).contains(&("brief".into(), "accepted".into())), "{country}: {json:#}");
    }
}

#[test]
fn a_briefed_target_who_refuses_with_2_is_left_and_the_next_one_tried() {
    for country in COUNTRIES {
        let (code, json) = briefed(country, "5550114,5550113");
        assert_eq!(code, 0, "{country}: {json:#}");
        assert_eq!(json["transfer"]["target"], "5550113", "{country}: {json:#}");
        let told = results(&json);
        assert!(told.contains(&("brief".into(), "refused".into())), "{country}: {json:#}");
        assert!(told.contains(&("back".into(), "caller is back".into())), "{country}: {json:#}");
    }
}

#[test]
fn an_answering_machine_accepts_nothing_and_the_caller_comes_back() {
    for country in COUNTRIES {
        let (code, json) = briefed(country, "5550107");
        assert_eq!(code, 20, "{country}: {json:#}");
        assert!(results(&json).contains(&("brief".into(), "not accepted".into())), "{country}: {json:#}");
    }
}

#[test]
fn whom_nobody_took_goes_to_the_mailbox_that_was_named() {
    for country in COUNTRIES {
        let line = format!("sim/{country}?scenario=incoming&clock=virtual");
        let moving = ["--transfer-to", "5550101,5550104", "--warm", "--on-fail", "voicemail=5550107"];
        let run = Tipring::start().run(&[&["--line", &line, "--json", "answer"], &moving[..]].concat());
        let json = run.json();
        assert_eq!(run.code, Some(0), "{country}: {json:#}");
        assert_eq!(json["outcome"], "voicemail", "{country}: {json:#}");
        assert_eq!(json["transfer"]["target"], "5550107", "{country}: {json:#}");
    }
}

#[test]
fn where_our_hang_up_would_drop_both_we_stay_with_them_or_refuse() {
    let t = Tipring::start();
    for (complete, code, result) in [("stay", 75, "joined"), ("never", 32, "transfer-refused")] {
        let line = "[line.office]\nport = \"sim/us?scenario=three-way-dies&clock=virtual\"\n";
        let config = t.file("tipring.toml", &format!("{line}transfer.complete = \"{complete}\"\n"));
        // the two would talk on for ever with us between them
        let args = ["--timeout", "120s", "answer", "--transfer-to", "5550101,5550100", "--warm"];
        let run = t.run(&[&["--config", &config, "--json"], &args[..]].concat());
        let json = run.json();
        assert_eq!(run.code, Some(code), "{json:#}");
        assert_eq!(json["transfer"]["result"], result, "{json:#}");
        let seen = t.run(&[&["--config", &config, "-v"], &args[..]].concat());
        let before_the_end = seen.stderr.split("call      over").next().unwrap_or_default();
        assert!(!before_the_end.contains("is lost"), "{}", seen.all());
    }
}

/// The simulated line says what its exchange does, and nobody else has.
#[test]
fn on_a_line_that_says_itself_that_a_hang_up_drops_both_they_are_bridged_or_the_transfer_is_refused() {
    let t = Tipring::start();
    let line = "sim/us?scenario=three-way-dies&clock=virtual";
    let args =
        ["-v", "--timeout", "100s", "--line", line, "--json", "answer", "--transfer-to", "5550101,5550100", "--warm"];
    let alone = t.run(&args).exits(32);
    assert_eq!(alone.json()["outcome"], "transfer-refused", "{}", alone.all());
    // connected here, the two would talk on for ever
    let bridged = t.run(&[&args[..], &["--second-line", "sim/us?clock=virtual"]].concat()).exits(75);
    assert_eq!(bridged.json()["transfer"]["result"], "bridged", "{}", bridged.all());
    for run in [alone, bridged] {
        assert!(!run.stderr.contains("is lost"), "{}", run.all());
    }
    let plan = t.run(&["--dry-run", "--line", line, "answer", "--transfer-to", "5550100"]).exits(0);
    assert!(plan.stdout.contains("refuse"), "{}", plan.all());
}

#[test]
fn cold_who_refuses_is_not_left_with_the_caller_while_there_is_somebody_else() {
    let (code, json) = answer("us", "5550103,5550115", false);
    assert_eq!(code, 0, "{json:#}");
    assert_eq!(json["transfer"]["target"], "5550115");
    assert!(
        json["transfer"]["proof"].as_array().unwrap().iter().any(|p| p == "still ringing when we left"),
        "{json:#}"
    );
}

#[test]
fn what_becomes_of_an_untaken_caller_is_one_of_three() {
    let run = Tipring::start().run(&["--line", "sim/us", "answer", "--transfer-to", "1", "--on-fail", "apologise"]);
    assert_eq!(run.code, Some(2), "{}", run.all());
    assert!(run.stderr.contains("voicemail=NUM"), "{}", run.all());
}

#[test]
fn what_only_a_transfer_can_heed_is_refused_without_one() {
    for option in
        [["--on-fail", "hangup"], ["--stay", "5s"], ["--target-no-answer-after", "5s"], ["--second-line", "sim/us"]]
    {
        let args = [&["--line", "sim/us?scenario=incoming&clock=virtual", "answer"], &option[..]].concat();
        let run = Tipring::start().run(&args).exits(2);
        assert!(run.stderr.contains("--transfer-to"), "{}", run.all());
    }
}

#[test]
fn a_call_is_waited_for_no_longer_than_was_said() {
    let t = Tipring::start();
    for wait in
        [&["--wait", "5s", "answer"][..], &["answer", "--within", "5s"], &["--wait", "1h", "answer", "--within", "5s"]]
    {
        let run = t.run(&[&["--json", "--line", "sim/us?clock=virtual"], wait].concat()).exits(75);
        assert!(run.json()["seconds"].as_f64().unwrap() < 10.0, "{}", run.all());
    }
}

/// The way to a busy target and back takes its time, which is no talk.
#[test]
fn talk_that_is_limited_ends_for_a_caller_who_came_back_and_for_three_together() {
    let t = Tipring::start();
    let config = t.file(
        "tipring.toml",
        "[line.a]\nport = \"sim/us?clock=virtual&scenario=incoming\"\ntransfer.complete = \"stay\"\n",
    );
    for (target, code, result) in [("5550101", 20, "hung up"), ("5550100", 0, "all hung up")] {
        let moved = ["answer", "--transfer-to", target, "--warm", "--hangup-after", "12s"];
        let json =
            t.run(&[&["--config", &config, "--json", "--timeout", "10m"][..], &moved].concat()).exits(code).json();
        let steps = json["steps"].as_array().unwrap();
        let [.., before, last] = &steps[..] else { panic!("{json:#}") };
        assert_eq!((last["step"].as_str(), last["result"].as_str()), (Some("talk"), Some(result)), "{json:#}");
        let seconds = last["t"].as_f64().unwrap() - before["t"].as_f64().unwrap();
        assert!((11.9..15.0).contains(&seconds), "{seconds} s of talk: {json:#}");
    }
}

#[test]
fn what_is_played_in_a_call_is_refused_where_the_call_is_moved_on_at_once() {
    let t = Tipring::start();
    for option in ["--play", "--say"] {
        let run = t.run(&["--line", "sim/us?clock=virtual", "answer", "--transfer-to", "5550100", option, "x.wav"]);
        assert!(run.stderr.contains(option) && run.stderr.contains("--brief"), "{}", run.all());
        run.exits(2);
    }
}

#[test]
fn a_plan_says_how_long_talk_may_last() {
    let t = Tipring::start();
    let args = ["--dry-run", "--line", "sim/us", "answer", "--transfer-to", "5550100", "--hangup-after", "3m"];
    let run = t.run(&args).exits(0);
    assert!(run.stdout.contains("after 180 s of talk that is left on this line: hang up"), "{}", run.all());
}
