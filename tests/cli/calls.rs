//! `tipring calls`: what is listed, shown, noted, tagged and exported.

use crate::{Run, Tipring};
use serde_json::Value;
use std::io::Write;
use std::process::Stdio;

const INCOMING: &str = "sim/us?scenario=incoming&clock=virtual";

/// A machine on which two calls were made: a busy one, and one that was transferred.
fn after_two_calls() -> Tipring {
    let t = Tipring::start();
    t.run(&["-q", "--line", "sim/us?clock=virtual", "dial", "5550101"]).exits(10);
    t.run(&["-q", "--line", INCOMING, "answer", "--transfer-to", "5550101,5550100", "--warm"]).exits(0);
    t
}

fn listed(t: &Tipring, more: &[&str]) -> Vec<Value> {
    let mut args = vec!["--json", "calls", "list"];
    args.extend(more);
    let json = t.run(&args).exits(0).json();
    assert_eq!(json["schema"], "tipring.calls/1");
    json["calls"].as_array().unwrap().clone()
}

fn id_of(call: &Value) -> &str {
    call["id"].as_str().unwrap()
}

#[test]
fn before_the_first_call_the_list_is_empty() {
    let t = Tipring::start();
    assert_eq!(listed(&t, &[]).len(), 0);
    assert_eq!(t.run(&["calls"]).exits(0).stdout, "no calls\n");
    assert_eq!(t.run(&["calls", "export"]).exits(0).stdout, "");
    assert!(t.run(&["calls", "export", "--format", "csv"]).exits(0).stdout.starts_with("id,state,"));
    let run = t.run(&["calls", "show", "last"]).exits(1);
    assert!(run.stderr.contains("no call is called `last`"), "{}", run.all());
}

#[test]
fn each_call_is_listed_with_its_parties_and_what_became_of_it_the_latest_first() {
    let t = after_two_calls();
    let calls = listed(&t, &[]);
    assert_eq!(calls.len(), 2);
    let (moved, busy) = (&calls[0], &calls[1]);
    assert_eq!(
        (&busy["direction"], &busy["number"], &busy["outcome"]),
        (&"out".into(), &"5550101".into(), &"busy".into())
    );
    assert_eq!((&busy["exit"], &busy["state"]), (&10.into(), &"ended".into()));
    assert_eq!((&moved["direction"], &moved["number"]), (&"in".into(), &"5551234".into()));
    assert_eq!((&moved["name"], &moved["target"]), (&"ALICE EXAMPLE".into(), &"5550100".into()));
    assert_eq!((&moved["outcome"], &moved["exit"]), (&"transferred".into(), &0.into()));
    assert!(moved["seconds"].as_f64().unwrap() > moved["answered_after"].as_f64().unwrap());
    let text = t.run(&["calls"]).exits(0).stdout;
    assert!(text.lines().count() == 3 && text.contains("transferred to 5550100"), "{text}");
}

#[test]
fn a_call_shows_its_legs_its_intents_with_what_came_of_them_and_masked_events() {
    let t = after_two_calls();
    let json = t.run(&["--json", "calls", "show", "last"]).exits(0).json();
    assert_eq!(json["schema"], "tipring.call/1");
    let legs: Vec<_> = json["legs"].as_array().unwrap().iter().map(|l| (&l["number"], &l["outcome"])).collect();
    let leg = |number: &str, outcome: &str| (Value::from(number), Value::from(outcome));
    let expected = [leg("5551234", "transferred"), leg("5550101", "busy"), leg("5550100", "answered")];
    assert_eq!(legs, expected.iter().map(|(n, o)| (n, o)).collect::<Vec<_>>());
    let intents = json["intents"].as_array().unwrap();
    let flash = intents.iter().find(|i| i["what"] == "flash 600ms").expect("the flash was announced");
    assert_eq!(flash["outcome"], "flash 600ms heard recall-dial");
    assert!(intents.iter().all(|i| i["outcome"].is_string()), "{json:#}");
    let events = json["events"].as_array().unwrap();
    let events: Vec<&str> = events.iter().map(|e| e.as_str().unwrap()).collect();
    assert!(events.iter().any(|e| e.ends_with("call      dial xxxxx01 heard busy -> busy")), "{events:#?}");
    assert!(events.iter().all(|e| !e.contains("5551234") && !e.contains("ALICE")), "{events:#?}");
    for event in &events {
        let record: tipring::record::Record = event.parse().expect("a line of the one format");
        assert_eq!(&record.to_string(), event);
    }
}

#[test]
fn the_answer_of_a_call_says_what_it_is_called_in_the_journal() {
    let t = Tipring::start();
    let json = t.run(&["--json", "--line", "sim/us?clock=virtual", "dial", "5550101"]).exits(10).json();
    assert_eq!(json["call"], listed(&t, &[])[0]["id"]);
}

#[test]
fn calls_are_found_by_time_line_tag_and_outcome() {
    let t = after_two_calls();
    let ids = |more: &[&str]| listed(&t, more).iter().map(|c| id_of(c).to_string()).collect::<Vec<_>>();
    let all = ids(&[]);
    t.run(&["calls", "tag", &all[1], "+vip"]).exits(0);
    assert_eq!(ids(&["--outcome", "busy"]), all[1..]);
    assert_eq!(ids(&["--outcome", "busy", "--outcome", "transferred"]), all);
    assert_eq!(ids(&["--tag", "vip"]), all[1..]);
    assert_eq!(ids(&["--tag", "vip", "--tag", "other"]).len(), 0);
    assert_eq!(ids(&["--line", INCOMING]), all[..1]);
    assert_eq!(ids(&["--limit", "1"]), all[..1]);
    assert_eq!(ids(&["--limit", "1", "--outcome", "busy"]), all[1..], "the limit counts what is found");
    assert_eq!(ids(&["--since", "1h"]), all);
    assert_eq!(ids(&["--since", "yesterday", "--until", "today"]), all);
    assert_eq!(ids(&["--until", "2020-01-01"]).len(), 0);
    assert_eq!(t.run(&["calls", "list", "--outcome", "bussy"]).exits(2).stdout, "");
    t.run(&["calls", "list", "--since", "soonish"]).exits(2);
    t.run(&["calls", "--since", "1h", "show", "last"]).exits(2);
}

#[test]
fn a_line_is_found_by_its_name_and_by_its_port() {
    let t = Tipring::start();
    t.file("tipring.toml", "[line.office]\nport = \"sim/us?clock=virtual\"\n");
    let run = |args: &[&str]| t.run(&[&["--config", "tipring.toml", "--json"], args].concat());
    run(&["--line", "office", "dial", "5550101"]).exits(10);
    run(&["--line", "sim/us?clock=virtual", "dial", "5550101"]).exits(10);
    let count = |line: &str| run(&["--line", line, "calls"]).exits(0).json()["calls"].as_array().unwrap().len();
    assert_eq!((count("office"), count("sim/us?clock=virtual"), count("sim/gb")), (2, 2, 0));
}

#[test]
fn the_journal_is_where_the_configuration_says() {
    let t = Tipring::start();
    let elsewhere = t.path().join("elsewhere");
    let config = t.file("tipring.toml", &format!("state_dir = \"{}\"\n", elsewhere.display()));
    let mut command = t.command();
    command.env_remove("TIPRING_STATE_DIR").args([
        "--config",
        &config,
        "--line",
        "sim/us?clock=virtual",
        "dial",
        "5550101",
    ]);
    Run::of(command.output().unwrap()).exits(10);
    assert!(elsewhere.join("journal.db").exists());
    let config = t.file("bad.toml", "state_dir = \"here\"\n");
    let run = t.run(&["--config", &config, "calls"]).exits(3);
    assert!(run.stderr.contains("must be an absolute path"), "{}", run.all());
}

#[test]
fn old_calls_are_removed_when_that_is_asked_for_and_noted_ones_stay() {
    let t = after_two_calls();
    t.run(&["calls", "prune"]).exits(2);
    t.run(&["calls", "prune", "--older-than", "1 fortnight"]).exits(2);
    assert_eq!(t.run(&["--json", "calls", "prune", "--older-than", "1h"]).exits(0).json()["calls"], 0);
    t.run(&["calls", "note", "last", "keep me"]).exits(0);
    let plan = t.run(&["--dry-run", "calls", "prune", "--older-than", "0h"]).exits(0);
    assert!(
        plan.stdout.starts_with("remove 1 calls") && plan.stdout.contains("1 with notes or tags stay"),
        "{}",
        plan.all()
    );
    assert_eq!(listed(&t, &[]).len(), 2, "nothing was touched");
    let json = t.run(&["--json", "calls", "prune", "--older-than", "0h"]).exits(0).json();
    assert_eq!((&json["schema"], &json["calls"], &json["spared"]), (&"tipring.prune/1".into(), &1.into(), &1.into()));
    assert_eq!(listed(&t, &[]).len(), 1);
    t.run(&["calls", "prune", "--older-than", "0h", "--noted"]).exits(0);
    assert_eq!(listed(&t, &[]).len(), 0);
    let fresh = Tipring::start();
    assert_eq!(fresh.run(&["--json", "calls", "prune", "--older-than", "1d"]).exits(0).json()["calls"], 0);
}

/// The call that is just over stays, however short the time.
#[test]
fn calls_that_are_older_than_they_are_to_be_kept_go_when_a_later_one_is_over() {
    let t = after_two_calls();
    let old = rusqlite::Connection::open(t.path().join("state/journal.db")).unwrap();
    old.execute("UPDATE call SET begun_ms = begun_ms - 3 * 86400000", []).unwrap();
    drop(old);
    let call = |config: &str| {
        let config = t.file("tipring.toml", config);
        t.run(&["--config", &config, "-q", "--line", "sim/us?clock=virtual", "dial", "5550101"]).exits(10);
        listed(&t, &[]).len()
    };
    assert_eq!(call(""), 3);
    assert_eq!(call("[journal]\nkeep = \"4d\"\n"), 4);
    assert_eq!(call("[journal]\nkeep = \"2d\"\n"), 3, "two went, one came");
    let config = t.file("tipring.toml", "[journal]\nkeep = \"2d\"\n");
    assert_eq!(t.run(&["--config", &config, "--json", "calls", "prune"]).exits(0).json()["calls"], 0);
}

#[test]
fn an_id_may_be_shortened_as_long_as_it_is_one() {
    let t = after_two_calls();
    for call in listed(&t, &[]) {
        let id = id_of(&call);
        let shown = t.run(&["--json", "calls", "show", &id[..7]]).exits(0).json();
        assert_eq!(shown["id"], id);
    }
    for nobody in ["zzzzzzzzz", "%", "_______", ""] {
        let run = t.run(&["calls", "show", nobody]).exits(1);
        assert!(run.stderr.starts_with("error: cannot show the call\n"), "{}", run.all());
    }
    let db = rusqlite::Connection::open(t.path().join("state/journal.db")).unwrap();
    db.execute_batch("UPDATE call SET id = 'twin' || key").unwrap();
    let run = t.run(&["calls", "show", "twin"]).exits(2);
    assert!(run.stderr.contains("twin1") && run.stderr.contains("twin2"), "{}", run.all());
}

#[test]
fn notes_and_tags_stay_with_their_call() {
    let t = after_two_calls();
    t.run(&["calls", "note", "last", "called back"]).exits(0);
    let mut child = t.command();
    let mut child =
        child.args(["calls", "note", "last", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all("two\nlines\n".as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    t.run(&["calls", "tag", "last", "+vip", "+sales"]).exits(0);
    let json = t.run(&["--json", "calls", "tag", "last", "-sales", "+vip", "+done"]).exits(0).json();
    assert_eq!(json["tags"], serde_json::json!(["done", "vip"]));
    let notes: Vec<_> = json["notes"].as_array().unwrap().iter().map(|n| n["text"].as_str().unwrap()).collect();
    assert_eq!(notes, ["called back", "two\nlines"]);
    assert_eq!(listed(&t, &[])[1]["tags"], serde_json::json!([]), "the other call has none");
}

#[test]
fn of_two_words_about_one_tag_the_later_counts() {
    let t = after_two_calls();
    let tags = |args: &[&str]| {
        t.run(&[&["--json", "calls", "tag", "last"][..], args].concat()).exits(0).json()["tags"].clone()
    };
    assert_eq!(tags(&["+a", "-a"]), serde_json::json!([]));
    assert_eq!(tags(&["-a", "+a"]), serde_json::json!(["a"]));
}

#[test]
fn nothing_else_is_written_into_the_journals_file() {
    let t = after_two_calls();
    let journal = t.path().join("state/journal.db").to_string_lossy().into_owned();
    let link = t.path().join("link.csv");
    std::os::unix::fs::symlink(&journal, &link).unwrap();
    let dial = ["--line", "sim/us?clock=virtual", "dial", "5550100"];
    for file in [&*journal, &link.to_string_lossy()] {
        for args in [&["--record", file][..], &["--journal", file]] {
            t.run(&[&dial[..], args].concat()).exits(2);
        }
    }
    let run = t.run(&["calls", "export", "-o", &journal]).exits(2);
    assert!(run.stderr.contains("the journal of calls itself"), "{}", run.all());
    assert_eq!(listed(&t, &[]).len(), 2, "all calls are still there");
}

#[test]
fn what_is_no_note_and_no_tag_is_refused_and_nothing_is_written() {
    let t = after_two_calls();
    let long = "x".repeat(65 * 1024);
    t.run(&["calls", "note", "last", "  \n"]).exits(2);
    t.run(&["calls", "note", "last", &long]).exits(2);
    for tag in ["vip", "+", "-", "+two words", "+=1+1", "+\u{1b}[31m", "--", "+-x"] {
        t.run(&["calls", "tag", "last", "+fine", tag]).exits(2);
    }
    let run = t.run(&["calls", "tag", "last", "+fine", "--json"]).exits(2);
    assert!(run.stderr.contains("write options before the id"), "{}", run.all());
    t.run(&["--dry-run", "calls", "tag", "last", "+fine"]).exits(0);
    t.run(&["--dry-run", "calls", "note", "last", "fine"]).exits(0);
    let call = &listed(&t, &[])[0];
    assert_eq!((&call["tags"], &call["note_count"]), (&serde_json::json!([]), &0.into()));
}

#[test]
fn what_the_network_or_a_note_says_never_drives_the_terminal() {
    let t = after_two_calls();
    t.run(&["calls", "note", "last", "\u{1b}[2J\u{9b}31mgotcha\u{7}\nsecond"]).exits(0);
    let db = rusqlite::Connection::open(t.path().join("state/journal.db")).unwrap();
    db.execute_batch(
        "UPDATE call SET name = char(27) || ']0;title' || char(7) || char(155) || 'A', line = 'a' || char(13)",
    )
    .unwrap();
    for args in [
        &["calls"][..],
        &["calls", "show", "last"],
        &["--json", "calls"],
        &["--json", "calls", "show", "last"],
        &["calls", "export"],
        &["calls", "export", "--format", "csv"],
    ] {
        let run = t.run(args).exits(0);
        assert!(!run.stdout.chars().any(|c| c.is_control() && c != '\n'), "{args:?}: {:?}", run.stdout);
    }
}

#[test]
fn calls_are_exported_as_json_lines_and_as_csv_that_no_spreadsheet_executes() {
    let t = after_two_calls();
    t.run(&["calls", "note", "last", "=HYPERLINK(\"http://example.invalid\")"]).exits(0);
    let run = t.run(&["calls", "export"]).exits(0);
    let calls: Vec<Value> = run.stdout.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(calls.len(), 2);
    assert!(calls.iter().all(|c| c["schema"] == "tipring.call/1" && c["events"].is_array()));
    assert_eq!(calls[0]["outcome"], "busy", "the oldest first");
    let run = t.run(&["calls", "export", "--format", "csv", "--outcome", "transferred"]).exits(0);
    let mut reader = csv::Reader::from_reader(run.stdout.as_bytes());
    let header = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 1);
    let cell = |name: &str| rows[0].get(header.iter().position(|h| h == name).unwrap()).unwrap();
    assert_eq!(cell("notes"), "'=HYPERLINK(\"http://example.invalid\")");
    assert_eq!((cell("number"), cell("target")), ("5551234", "5550100"));
}

#[test]
fn who_stops_reading_has_read_enough() {
    let t = after_two_calls();
    for args in [&["calls", "export"][..], &["calls"], &["--json", "calls", "show", "last"], &["lines"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let run = Run::of(t.command().args(args).stdout(writer).output().unwrap()).exits(0);
        assert_eq!(run.stderr, "", "{args:?}");
    }
    // a full disk is another thing
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let run = Run::of(t.command().args(["calls", "export"]).stdout(full).output().unwrap()).exits(1);
    assert!(run.stderr.contains("cannot write the answer"), "{}", run.all());
}

#[test]
fn an_exported_file_is_the_old_one_or_the_new_one_and_never_half_of_it() {
    let t = after_two_calls();
    let file = t.file("calls.csv", "the old one");
    t.run(&["calls", "export", "-o", &file]).exits(0);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("id,state,line,") && text.lines().count() == 3, "{text}");
    assert_eq!(
        std::fs::read_dir(t.path())
            .unwrap()
            .filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().ends_with(".new"))
            .count(),
        0
    );
    let run = t.run(&["calls", "export", "-o", "/dev/full"]).exits(3);
    assert!(run.stderr.contains("cannot write /dev/full"), "{}", run.all());
    t.run(&["calls", "export", "-o", "no/such/directory/calls.csv"]).exits(3);
    assert!(std::fs::metadata("/dev/full").unwrap().file_type() != std::fs::metadata(&file).unwrap().file_type());
}
