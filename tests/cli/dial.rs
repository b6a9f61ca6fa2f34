use crate::Tipring;

/// The well-known subscribers and the exit code that a call to each has, in every country.
const SUBSCRIBERS: [(&str, i32, &str); 17] = [
    ("5550100", 0, "answers after two rings and speaks"),
    ("5550101", 10, "busy"),
    ("5550102", 11, "never answers"),
    ("5550103", 12, "rejects"),
    ("5550104", 13, "not in service"),
    ("5550105", 12, "congestion"),
    ("5550106", 14, "answers, hangs up after 3 s"),
    ("5550107", 0, "answering machine"),
    ("5550108", 0, "fax machine"),
    ("5550109", 0, "test tone"),
    ("5550110", 0, "calls back"),
    ("5550111", 0, "echo test"),
    ("5550112", 0, "quiet termination"),
    ("5550113", 0, "answers, presses 1"),
    ("5550114", 0, "answers, presses 2"),
    ("5550115", 0, "answers after 20 s"),
    ("5559999", 13, "no such number"),
];

fn every_subscriber(country: &str) {
    let t = Tipring::start();
    let mut wrong = Vec::new();
    for (number, exit, what) in SUBSCRIBERS {
        let line = format!("sim/{country}?clock=virtual");
        let run = t.run(&["--line", &line, "--json", "dial", number]);
        if run.code != Some(exit) {
            wrong.push(format!("{country} {number} ({what}): wanted {exit}, {}", run.all()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_subscriber_has_its_exit_code_in_the_united_states() {
    every_subscriber("us");
}

#[test]
fn each_subscriber_has_its_exit_code_in_the_united_kingdom() {
    every_subscriber("gb");
}

#[test]
fn each_subscriber_has_its_exit_code_in_germany() {
    every_subscriber("de");
}

#[test]
fn each_subscriber_has_its_exit_code_in_sweden() {
    every_subscriber("se");
}

#[test]
fn each_subscriber_has_its_exit_code_in_turkey() {
    every_subscriber("tr");
}

#[test]
fn each_subscriber_has_its_exit_code_in_china() {
    every_subscriber("cn");
}

#[test]
fn each_subscriber_has_its_exit_code_in_norway() {
    every_subscriber("no");
}

#[test]
fn each_subscriber_has_its_exit_code_in_czechia() {
    every_subscriber("cz");
}

#[test]
fn each_subscriber_has_its_exit_code_in_france() {
    every_subscriber("fr");
}

#[test]
fn each_subscriber_has_its_exit_code_in_australia() {
    every_subscriber("au");
}

#[test]
fn a_number_that_is_not_in_service_is_told_in_every_country() {
    let t = Tipring::start();
    let countries = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/data/countries")).unwrap();
    let countries: Vec<_> =
        countries.map(|e| e.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    assert!(countries.len() > 30);
    for country in countries {
        t.run(&["--line", &format!("sim/{country}?clock=virtual"), "dial", "5550104"]).exits(13);
    }
}

#[test]
fn the_answer_names_what_was_heard() {
    let run = Tipring::start().run(&["--line", "sim/us?clock=virtual", "--json", "dial", "5550101"]).exits(10);
    let json = run.json();
    assert_eq!(json["schema"], "tipring.dial/1");
    assert_eq!(json["outcome"], "busy");
    assert_eq!(json["q850"], 17);
    let steps = json["steps"].as_array().unwrap();
    assert_eq!(steps[0]["step"], "off-hook");
    assert!(steps[0]["heard"].as_str().unwrap().contains("dial"), "{steps:?}");
    assert_eq!(steps.last().unwrap()["heard"], "busy");
}

#[test]
fn quiet_prints_nothing_on_success() {
    let run = Tipring::start().run(&["--line", "sim/us?clock=virtual", "-q", "dial", "5550100"]).exits(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
}

#[test]
fn a_call_can_be_recorded_and_played_to() {
    let t = Tipring::start();
    let record = t.path().join("call.wav");
    let run = t
        .run(&[
            "--line",
            "sim/us?clock=virtual",
            "dial",
            "5550100",
            "--record",
            record.to_str().unwrap(),
            "--hangup-after",
            "2s",
        ])
        .exits(0);
    let reader = hound::WavReader::open(&record).unwrap_or_else(|e| panic!("{e} {}", run.all()));
    assert_eq!(reader.spec().channels, 2);
    assert!(reader.duration() > 8 * 8000, "dial tone, ringing and two seconds of the call");
    let again =
        t.run(&["--line", "sim/us?clock=virtual", "--json", "dial", "5550100", "--play", record.to_str().unwrap()]);
    assert_eq!(again.code, Some(0), "{}", again.all());
}

#[test]
fn the_same_seed_gives_the_same_journal_to_the_byte() {
    let t = Tipring::start();
    let journal = |name: &str, seed: u32| {
        let path = t.path().join(name);
        let line = format!("sim/us?clock=virtual&scenario=incoming&seed={seed}");
        t.run(&[
            "--line",
            &line,
            "-q",
            "--journal",
            path.to_str().unwrap(),
            "answer",
            "--transfer-to",
            "5550101,5550100",
            "--warm",
        ])
        .exits(0);
        std::fs::read_to_string(path).unwrap()
    };
    let first = journal("a", 5);
    assert!(first.lines().count() > 20, "{first}");
    assert_eq!(first, journal("b", 5));
    assert_ne!(first, journal("c", 6), "another seed is another run");
}

#[test]
fn a_dry_run_shows_the_plan_and_touches_nothing() {
    let run = Tipring::start().run(&["--line", "dahdi/99", "--dry-run", "dial", "5550100"]).exits(0);
    assert!(run.stdout.contains("wait 5 s for dial tone") && run.stdout.contains("dial 5550100"), "{}", run.all());
}

#[test]
fn time_out_ends_a_call_that_takes_too_long() {
    Tipring::start().run(&["--line", "sim/us?clock=virtual", "--timeout", "10s", "dial", "5550102"]).exits(75);
}
