//! `--dry-run`: the plan is what would be done, and nothing is done.

use crate::Tipring;
use crate::owner::{LINE, Owner};

/// The steps, which are the same for people and for programs.
#[track_caller]
fn plan(t: &Tipring, args: &[&str]) -> Vec<String> {
    let text = t.run(&[&["--dry-run"], args].concat()).exits(0).stdout;
    let json = t.run(&[&["--dry-run", "--json"], args].concat()).exits(0).json();
    assert_eq!(json["schema"], "tipring.plan/1");
    let steps: Vec<String> = json["plan"].as_array().unwrap().iter().map(|s| s.as_str().unwrap().to_string()).collect();
    assert_eq!(text.lines().collect::<Vec<_>>(), steps);
    steps
}

/// Where a step of these words is.
#[track_caller]
fn at(steps: &[String], words: &str) -> usize {
    steps.iter().position(|s| s.contains(words)).unwrap_or_else(|| panic!("`{words}` is missing: {steps:#?}"))
}

#[test]
fn a_plan_has_the_brief_its_question_and_the_voicemail_that_nobody_has_to_accept() {
    let t = Tipring::start();
    let brief = crate::answer::brief(&t);
    let moved = ["5550101", "--warm", "--brief", &brief, "--on-fail", "voicemail=5559000"];
    let answer = plan(&t, &[&["--line", "sim/us", "answer", "--transfer-to"], &moved[..]].concat());
    let transfer = plan(&t, &[&["--line", "sim/us", "transfer"], &moved[..]].concat());
    for steps in [&answer, &transfer] {
        let order = [
            at(steps, "dial 5550101"),
            at(steps, "give up after 25 s of ringback"),
            at(steps, "play the brief of "),
            at(steps, "on a 1: hang up"),
            at(steps, "on to the voicemail at 5559000"),
            steps.iter().position(|s| s == "dial 5559000").expect("the voicemail is called"),
            at(steps, "on an answer: hang up"),
        ];
        assert!(order.is_sorted(), "{steps:#?}");
        assert_eq!(steps.iter().filter(|s| s.contains("play the brief")).count(), 1, "{steps:#?}");
        assert!(steps[at(steps, "play the brief")].contains("1 (accepts) or 2 (refuses)"), "{steps:#?}");
    }
    assert_eq!(answer[answer.len() - 2], "nobody took it: stay with the caller 30 s, then hang up");
    assert_eq!(transfer[transfer.len() - 1], "nobody took it: the caller is back with whoever holds the call");
}

#[test]
fn a_plan_says_that_a_caller_whom_nobody_took_is_hung_up_on() {
    let t = Tipring::start();
    let hangs_up = "nobody took it: hang up on the caller";
    for command in [&["answer", "--transfer-to", "5550101"][..], &["transfer", "5550101"]] {
        let steps = plan(&t, &[&["--line", "sim/us"], command, &["--on-fail", "hangup"]].concat());
        assert!(steps.iter().any(|s| s == hangs_up), "{steps:#?}");
        assert!(steps.iter().all(|s| !s.contains(" 0 s")), "{steps:#?}");
    }
}

#[test]
fn over_a_second_line_the_brief_and_the_voicemail_are_in_the_plan_too() {
    let t = Tipring::start();
    let brief = crate::answer::brief(&t);
    let steps = plan(
        &t,
        &[
            "--line",
            "sim/us",
            "transfer",
            "5550101",
            "--second-line",
            "sim/gb",
            "--brief",
            &brief,
            "--on-fail",
            "voicemail=5559000",
        ],
    );
    let order = [
        at(&steps, "dial 5550101 on sim/gb, the caller waits in silence"),
        at(&steps, "play the brief of "),
        at(&steps, "on a 1: connect the two here"),
        at(&steps, "dial 5559000 on sim/gb, the caller waits with the ringback; on an answer connect the two here"),
    ];
    assert!(order.is_sorted(), "{steps:#?}");
}

#[test]
fn a_plan_says_that_a_process_is_left_behind_and_how_long_a_call_lasts() {
    let t = Tipring::start();
    for command in [&["dial", "5550100"][..], &["answer"]] {
        let detached = plan(&t, &[&["--line", "sim/us"], command, &["--detach"]].concat());
        assert_eq!(at(&detached, "start a process that stays behind with the line"), 0, "{detached:#?}");
        at(&detached, "stay until the far side hangs up");
        let attached = plan(&t, &[&["--line", "sim/us"], command].concat());
        assert!(attached.iter().all(|s| !s.contains("process")), "{attached:#?}");
        // what cannot be done has no plan
        let line = ["--dry-run", "--line", "sim/us?clock=virtual"];
        t.run(&[&line, command, &["--detach"]].concat()).exits(2);
    }
    at(&plan(&t, &["--line", "sim/us", "dial", "5550100"]), "hold it for 8 s, then hang up");
    let brief = crate::answer::brief(&t);
    let steps = plan(&t, &["--line", "sim/us", "dial", "5550100", "--play", &brief, "--record", "call.wav"]);
    assert!(at(&steps, "record the call to call.wav") < at(&steps, "when the call is up: play "), "{steps:#?}");
}

#[test]
fn whatever_would_run_for_ever_or_write_a_file_only_says_so() {
    let t = Tipring::start();
    // on the real clock, without an end: this returns, or the test does not
    let steps = plan(&t, &["--line", "sim/us", "watch"]);
    assert!(at(&steps, "take the line") < at(&steps, "end when interrupted"), "{steps:#?}");
    at(&plan(&t, &["--line", "sim/us", "--timeout", "5s", "watch"]), "end after 5 s");
    let run = ["exchange", "run", "--port", "dahdi/98", "--port", "dahdi/99", "--country", "gb"];
    assert_eq!(plan(&t, &run).len(), 2);
    assert_eq!(plan(&t, &["calls", "export", "-o", "calls.csv"]), ["write the calls to calls.csv"]);
    let brief = crate::answer::brief(&t);
    at(&plan(&t, &["decode", &brief, "--plot", "picture.png"]), "write picture.png");
    assert!(!t.path().join("calls.csv").exists() && !t.path().join("picture.png").exists());
}

#[test]
fn a_plan_for_a_line_that_cannot_be_is_refused_as_the_command_is() {
    let t = Tipring::start();
    for query in ["speed=nan", "seed=-1", "clock=fast", "noise=1", "seed=1&seed=2", "scenario=nope", "scenario="] {
        let line = format!("sim/us?{query}");
        for command in [&["dial", "5550101"][..], &["answer"], &["transfer", "5550100"], &["watch"]] {
            let run = t.run(&[&["--line", &line, "--dry-run"][..], command].concat());
            assert!(matches!(run.code, Some(2 | 3)), "{query}, {command:?}: {}", run.all());
        }
    }
}

#[test]
fn watching_a_line_with_an_owner_only_listens_and_the_plan_says_so() {
    let t = Tipring::start();
    let owner = Owner::answering(&t);
    let steps = plan(&t, &["--line", LINE, "watch"]);
    assert!(steps[0].starts_with("listen to the process that holds the line (pid "), "{steps:#?}");
    t.run(&["--line", LINE, "hangup"]).exits(0);
    owner.ends().exits(0);
}
