//! The journal under everything that can happen to a file, a disk and a process: the call goes on, and what was
//! acknowledged stays.

use crate::{Run, Tipring};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const DIAL: [&str; 5] = ["--json", "--line", "sim/us?clock=virtual", "dial", "5550101"];

fn journal(t: &Tipring) -> PathBuf {
    t.path().join("state/journal.db")
}

fn calls(t: &Tipring) -> Vec<Value> {
    t.run(&["--json", "calls", "list", "--limit", "0"]).exits(0).json()["calls"].as_array().unwrap().clone()
}

/// The call was made, and the journal's trouble told once.
#[track_caller]
fn goes_on_with_one_warning(run: Run, about: &str) {
    let run = run.exits(10);
    assert_eq!(run.json()["outcome"], "busy");
    assert_eq!(run.stderr.matches("warning").count(), 1, "{}", run.all());
    assert!(run.stderr.contains(about), "{}", run.all());
}

#[test]
fn a_locked_journal_does_not_stop_a_call_and_a_note_says_that_it_is_locked() {
    let t = Tipring::start();
    t.run(&DIAL).exits(10);
    let db = rusqlite::Connection::open(journal(&t)).unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    let begun = Instant::now();
    goes_on_with_one_warning(t.run(&DIAL), "journal");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    let run = t.run(&["--wait", "200ms", "calls", "note", "last", "x"]).exits(75);
    assert!(run.stderr.contains("locked") && run.stderr.matches("error:").count() == 1, "{}", run.all());
    assert_eq!(calls(&t).len(), 1, "and reading goes on");
    db.execute_batch("ROLLBACK").unwrap();
    t.run(&["calls", "note", "last", "x"]).exits(0);
}

#[test]
fn a_damaged_journal_is_moved_aside_and_a_new_one_begun() {
    let t = Tipring::start();
    fs::create_dir(t.path().join("state")).unwrap();
    fs::write(journal(&t), "this is no database".repeat(1000)).unwrap();
    t.run(&["calls"]).exits(3);
    goes_on_with_one_warning(t.run(&DIAL), "moved to");
    assert_eq!(calls(&t).len(), 1, "the call is in the new one");
    let aside = fs::read_dir(t.path().join("state")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let aside: Vec<_> = aside.filter(|n| n.contains("damaged")).collect();
    assert_eq!(aside.len(), 1, "{aside:?}");
    assert!(fs::read_to_string(t.path().join("state").join(&aside[0])).unwrap().starts_with("this is no database"));
}

#[test]
fn damage_in_the_middle_of_the_file_is_found_while_writing() {
    let t = Tipring::start();
    t.run(&DIAL).exits(10);
    // everything into the one file, then all pages but the first are overwritten
    let db = rusqlite::Connection::open(journal(&t)).unwrap();
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(db);
    let mut bytes = fs::read(journal(&t)).unwrap();
    bytes[4096..].fill(0x5a);
    fs::write(journal(&t), bytes).unwrap();
    goes_on_with_one_warning(t.run(&DIAL), "moved to");
    assert_eq!(calls(&t).len(), 1);
}

#[test]
fn a_full_disk_does_not_stop_a_call() {
    let t = Tipring::start();
    t.run(&DIAL).exits(10);
    // no file may grow beyond 36 KiB: to SQLite that is a disk without room
    let shell = "trap '' XFSZ; ulimit -f 36; exec \"$@\"";
    let limited = |args: &[&str]| {
        let t_command = t.command();
        let mut command = Command::new("bash");
        command.args(["-c", shell, "tipring"]).arg(t_command.get_program()).args(args);
        command.env_clear().stdin(Stdio::null()).current_dir(t.path());
        command.envs(t_command.get_envs().filter_map(|(k, v)| Some((k, v?))));
        Run::of(command.output().unwrap())
    };
    goes_on_with_one_warning(limited(&DIAL), "cannot be written");
    let run = limited(&["calls", "note", "last", &"x".repeat(60_000)]).exits(1);
    assert_eq!(run.stderr.matches("error:").count(), 1, "{}", run.all());
    t.run(&["calls", "note", "last", "room again"]).exits(0);
}

#[test]
fn a_journal_of_a_newer_version_is_left_alone_and_the_call_goes_on() {
    let t = Tipring::start();
    t.run(&DIAL).exits(10);
    let db = rusqlite::Connection::open(journal(&t)).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    goes_on_with_one_warning(t.run(&DIAL), "newer version");
    for args in [&["calls"][..], &["calls", "note", "last", "x"], &["calls", "tag", "last", "+x"], &["calls", "export"]]
    {
        let run = t.run(args).exits(3);
        assert!(run.stderr.contains("newer version") && run.stderr.contains("update tipring"), "{}", run.all());
    }
}

#[test]
fn a_journal_that_may_not_be_written_to_is_read_and_the_call_goes_on() {
    let t = Tipring::start();
    t.run(&DIAL).exits(10);
    let run_as_other = |args: &[&str]| {
        let mut command = t.command();
        // for root no mode is an obstacle
        if nix::unistd::Uid::effective().is_root() {
            command.uid(65_534).gid(65_534);
        }
        command.env("TIPRING_RUNTIME_DIR", t.path().join("other"));
        Run::of(command.args(args).output().unwrap())
    };
    let chmod = |path: PathBuf, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    fs::create_dir(t.path().join("other")).unwrap();
    std::os::unix::fs::chown(t.path().join("other"), Some(65_534), Some(65_534)).unwrap_or_default();
    let db = rusqlite::Connection::open(journal(&t)).unwrap();
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(db);
    chmod(t.path().to_path_buf(), 0o755);
    chmod(journal(&t), 0o444);
    chmod(t.path().join("state"), 0o555);
    goes_on_with_one_warning(run_as_other(&DIAL), "cannot be written");
    let listed = run_as_other(&["--json", "calls"]).exits(0).json();
    assert_eq!(listed["calls"].as_array().unwrap().len(), 1);
    let run = run_as_other(&["calls", "note", "last", "x"]).exits(3);
    assert_eq!(run.stderr.matches("error:").count(), 1, "{}", run.all());
    chmod(t.path().join("state"), 0o755);
}

#[test]
fn what_is_no_file_in_the_journals_place_is_refused_at_once_and_the_call_goes_on() {
    let t = Tipring::start();
    // a test that hangs is one that fails
    let run = |args: &[&str]| {
        let t_command = t.command();
        let mut command = Command::new("timeout");
        command.arg("20").arg(t_command.get_program()).args(args).env_clear().stdin(Stdio::null());
        command.current_dir(t.path()).envs(t_command.get_envs().filter_map(|(k, v)| Some((k, v?))));
        Run::of(command.output().unwrap())
    };
    let refused = |what: &str| {
        for args in [&["calls", "list"][..], &["calls", "export"], &["calls", "note", "last", "x"]] {
            let run = run(args).exits(3);
            assert!(run.stderr.matches("error:").count() == 1 && run.stderr.contains(what), "{}", run.all());
        }
        let findings = run(&["--json", "doctor"]).exits(1).json()["findings"].clone();
        let about =
            |f: &&Value| f["status"] == "fail" && ["journal", "state directory"].iter().any(|c| f["check"] == *c);
        let found: Vec<_> = findings.as_array().unwrap().iter().filter(about).collect();
        assert!(found.len() == 1 && found[0].to_string().contains(what), "{found:#?}");
        goes_on_with_one_warning(run(&DIAL), "journal");
    };
    fs::create_dir(t.path().join("state")).unwrap();
    nix::unistd::mkfifo(&journal(&t), nix::sys::stat::Mode::S_IRWXU).unwrap();
    refused("journal.db is a pipe");
    fs::remove_file(journal(&t)).unwrap();
    fs::create_dir(journal(&t)).unwrap();
    refused("journal.db is a directory");
    fs::remove_dir(journal(&t)).unwrap();
    std::os::unix::fs::symlink("/nonexistent/journal.db", journal(&t)).unwrap();
    refused("journal.db is a link to nowhere");
    fs::remove_file(journal(&t)).unwrap();
    fs::remove_dir(t.path().join("state")).unwrap();
    fs::write(t.path().join("state"), "").unwrap();
    refused("state is not a directory");
}

#[test]
fn a_journal_without_one_of_its_tables_is_damaged_and_a_call_begins_a_new_one() {
    let t = Tipring::start();
    t.run(&DIAL).exits(10);
    rusqlite::Connection::open(journal(&t)).unwrap().execute_batch("DROP TABLE tag").unwrap();
    let run = t.run(&["calls", "list"]).exits(3);
    assert!(run.stderr.contains("no such table: tag"), "{}", run.all());
    let told = t.run(&["--json", "doctor"]).exits(1).stdout;
    assert!(told.contains("its table `tag` is gone"), "{told}");
    goes_on_with_one_warning(t.run(&DIAL), "moved to");
    assert_eq!(calls(&t).len(), 1);
}

#[test]
fn without_any_place_for_it_the_call_goes_on() {
    let t = Tipring::start();
    let mut command = t.command();
    command.env("TIPRING_STATE_DIR", "/dev/null/state").args(DIAL);
    goes_on_with_one_warning(Run::of(command.output().unwrap()), "cannot be written");
}

#[test]
fn a_text_journal_on_a_full_disk_is_told_once_also_when_only_its_end_is_lost() {
    let t = Tipring::start();
    let run = t.run(&[&DIAL[..], &["--journal", "/dev/full"]].concat());
    goes_on_with_one_warning(run, "journal file");
}

#[test]
fn a_killed_owner_leaves_a_call_that_says_what_was_in_flight() {
    let t = Tipring::start();
    let mut child = t
        .command()
        .args(["-v", "--line", "sim/us?scenario=incoming&speed=20", "answer", "--transfer-to", "5550102", "--warm"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|l| l.is_ok_and(|l| l.contains("us        flash"))), "it flashes");
    assert_eq!(calls(&t)[0]["state"], "under-way");
    child.kill().unwrap();
    child.wait().unwrap();
    let call = &calls(&t)[0];
    assert_eq!((&call["state"], &call["outcome"]), (&"interrupted".into(), &"interrupted".into()), "{call:#}");
    assert_eq!(call["exit"], Value::Null);
    let in_flight = call["in_flight"].as_str().unwrap();
    assert!(in_flight.starts_with("transferring: flash") || in_flight.starts_with("transferring: dial"), "{in_flight}");
    assert_eq!(call["number"], "5551234", "who called is known");
    let shown = t.run(&["calls", "show", "last"]).exits(0).stdout;
    assert!(shown.contains("in flight:"), "{shown}");
    assert_eq!(
        t.run(&["--json", "calls", "list", "--outcome", "interrupted"]).exits(0).json()["calls"][0]["id"],
        call["id"]
    );
    // and the next call begins as if nothing had been
    t.run(&DIAL).exits(10);
    assert_eq!(calls(&t)[1]["state"], "interrupted", "marked for good");
}

/// How often tests with `kill -9` kill: more by scripts/kills.
fn kills(usually: u64) -> u64 {
    std::env::var("TIPRING_KILLS").map_or(usually, |n| n.parse().expect("TIPRING_KILLS is a number"))
}

#[test]
fn an_owner_killed_at_any_instant_leaves_a_journal_that_is_whole_and_says_so() {
    const LINE: &str = "sim/us?scenario=incoming&speed=200";
    const CALL: [&str; 6] = ["-q", "--line", LINE, "answer", "--transfer-to", "5550101,5550100"];
    let wanted = kills(12);
    let begun = Instant::now();
    Tipring::start().run(&CALL).exits(0);
    let takes = begun.elapsed();
    let (mut rounds, mut in_a_call, mut before, mut through) = (0, 0, 0, 0);
    while in_a_call < wanted {
        // fifty calls to a journal: what they are looked through for takes its time
        let t = Tipring::start();
        let (mut acknowledged, mut interrupted) = (0, 0);
        for _ in 0..50 {
            let mut child =
                t.command().args(CALL).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("tipring starts");
            // by the golden ratio: all over the call, and no two of a thousand at the same instant
            std::thread::sleep(takes.mul_f64(rounds as f64 * 0.618_033_988_75 % 1.0));
            rounds += 1;
            child.kill().unwrap();
            acknowledged += usize::from(child.wait().unwrap().success());
            let locked = t.run(&["--json", "--line", LINE, "hangup"]).exits(1);
            assert!(locked.stderr.contains("no call on"), "nobody has the line: {}", locked.all());
            let all = calls(&t);
            let states = |state: &str| all.iter().filter(|c| c["state"] == state).count();
            assert_eq!(states("under-way"), 0, "round {rounds}: {all:#?}");
            assert!(states("ended") >= acknowledged, "an answer was given: it is kept");
            assert!(states("interrupted") >= interrupted, "and so is every call that had begun");
            interrupted = states("interrupted");
            if in_a_call + interrupted as u64 == wanted {
                break;
            }
        }
        in_a_call += interrupted as u64;
        through += acknowledged;
        before = rounds - in_a_call as usize - through;
        assert!(rounds < 20 * wanted as usize, "{rounds} killed, and only {in_a_call} of them in a call");
        let db = rusqlite::Connection::open(journal(&t)).unwrap();
        assert_eq!(db.query_row("PRAGMA integrity_check", [], |r| r.get::<_, String>(0)).unwrap(), "ok");
    }
    println!("{in_a_call} killed in a call; {before} before it had begun, {through} when it was over");
}

#[test]
fn no_acknowledged_note_or_tag_is_lost_to_kill_9() {
    let t = Tipring::start();
    t.run(&DIAL).exits(10);
    let (mut notes, mut tags) = (Vec::new(), Vec::new());
    for round in 0..kills(30) {
        let (text, tag) = (format!("note {round}"), format!("+t{round}"));
        let args = if round % 2 == 0 { ["calls", "note", "last", &text] } else { ["calls", "tag", "last", &tag] };
        let mut child = t.command().args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(round * 1_709 % 26_000));
        let _ = child.kill();
        if child.wait().unwrap().success() {
            if round % 2 == 0 { notes.push(text) } else { tags.push(tag[1..].to_string()) }
        }
    }
    let call = t.run(&["--json", "calls", "show", "last"]).exits(0).json();
    let has = |list: &str, text: &str, field: Option<&str>| {
        call[list].as_array().unwrap().iter().any(|v| field.map_or(v, |f| &v[f]) == text)
    };
    assert!(notes.iter().all(|n| has("notes", n, Some("text"))), "{notes:?} {call:#}");
    assert!(tags.iter().all(|tag| has("tags", tag, None)), "{tags:?} {call:#}");
}

#[test]
fn many_calls_at_once_are_all_in_the_journal() {
    let t = Tipring::start();
    let children: Vec<_> = (0..8)
        .map(|_| {
            t.command().args(["-q"]).args(&DIAL[1..]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for child in children {
        let run = Run::of(child.wait_with_output().unwrap()).exits(10);
        // the reason for the exit code; of the journal no other word than that a busy disk makes it slow
        let mut words = run.stderr.lines().filter(|line| !line.contains("the journal is slow"));
        assert!(words.next().is_some_and(|w| w.starts_with("tipring: ")) && words.next().is_none(), "{}", run.all());
    }
    assert_eq!(calls(&t).len(), 8);
}
