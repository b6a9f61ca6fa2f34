//! A call that one process holds, and other processes that act on it. These run on the real clock, which the simulator
//! turns thirty times as fast.

use crate::{Run, Tipring};
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

pub const LINE: &str = "sim/us?scenario=incoming&speed=30";

pub struct Owner {
    child: Child,
}

impl Owner {
    /// Starts `answer` and returns when the call is up.
    pub fn answering(t: &Tipring) -> Owner {
        Owner::answering_with(t, &[])
    }

    fn answering_with(t: &Tipring, options: &[&str]) -> Owner {
        let mut child = t
            .command()
            .args(["-v", "--line", LINE, "answer"])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("tipring runs");
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let mut lines = stderr.lines();
        let up = lines.any(|l| l.is_ok_and(|l| l.contains("call      answer") || l.contains("us        off-hook")));
        assert!(up, "the owner answers the call");
        // keep reading: a full pipe would look like a hung reader
        std::thread::spawn(move || lines.for_each(drop));
        let owner = Owner { child };
        // off-hook was told; half a second of the line's time later the call is talking
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            let run = t.run(&["--line", LINE, "dtmf", "5"]);
            if run.code == Some(0) {
                return owner;
            }
        }
        panic!("the call never came up");
    }

    pub fn ends(mut self) -> Run {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if self.child.try_wait().expect("a child").is_some() {
                return Run::of(self.child.wait_with_output().expect("its output"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        panic!("the owner did not end");
    }
}

#[test]
fn transfer_works_on_a_call_that_another_process_holds() {
    let t = Tipring::start();
    let owner = Owner::answering(&t);
    let run = t.run(&["--line", LINE, "--json", "transfer", "5550101", "5550100", "--warm"]).exits(0);
    let json = run.json();
    assert_eq!(json["schema"], "tipring.transfer/1");
    assert_eq!(json["target"], "5550100");
    assert!(json["steps"].as_array().unwrap().iter().any(|s| s["heard"] == "busy"), "{json:#}");
    owner.ends().exits(0);
}

#[test]
fn a_failed_transfer_leaves_the_call_with_its_owner() {
    let t = Tipring::start();
    let owner = Owner::answering(&t);
    t.run(&["--line", LINE, "transfer", "5550101"]).exits(20);
    t.run(&["--line", LINE, "flash"]).exits(0);
    t.run(&["--line", LINE, "hangup"]).exits(0);
    owner.ends().exits(0);
}

#[test]
fn a_call_in_progress_is_moved_over_a_second_line_and_that_line_is_held_meanwhile() {
    let t = Tipring::start();
    let owner = Owner::answering(&t);
    let second = "sim/us?speed=30&seed=2";
    let args = ["--line", LINE, "--json", "transfer", "5550101", "5550100", "--warm", "--second-line", second];
    let json = t.run(&args).exits(0).json();
    assert_eq!(json["result"], "bridged", "{json:#}");
    let run = t.run(&["--line", second, "dial", "5550100"]).exits(5);
    assert!(run.stderr.contains("second line"), "{}", run.all());
    let refused = t.run(&["--line", LINE, "dtmf", "5"]);
    assert!(refused.stderr.contains("bridged"), "{}", refused.all());
    t.run(&["--line", LINE, "hangup"]).exits(0);
    owner.ends().exits(0);
    t.run(&["--line", second, "dial", "5550101"]).exits(10);
}

#[test]
fn the_second_process_that_wants_the_line_is_told_who_holds_it() {
    let t = Tipring::start();
    let owner = Owner::answering(&t);
    let run = t.run(&["--line", LINE, "dial", "5550100"]).exits(5);
    let pid = owner.child.id().to_string();
    assert!(run.stderr.contains(&pid) && run.stderr.contains("answer"), "{}", run.all());
    t.run(&["--line", LINE, "hangup"]).exits(0);
    owner.ends().exits(0);
}

#[test]
fn a_simulated_line_that_is_held_is_listed_however_it_was_named() {
    let t = Tipring::start();
    let held = |t: &Tipring| {
        let json = t.run(&["--json", "lines"]).exits(0).json();
        let rows = json["lines"].as_array().unwrap();
        rows.iter().find(|row| row["port"] == LINE).map(|row| row["holder"].as_str().unwrap_or_default().to_string())
    };
    assert_eq!(held(&t), None);
    let owner = Owner::answering(&t);
    let pid = owner.child.id().to_string();
    assert!(held(&t).is_some_and(|holder| holder.contains(&pid)), "{:?}", held(&t));
    owner.ends_by_hangup(&t);
    assert_eq!(held(&t), None, "a lock file that nobody holds is no line");
}

#[test]
fn of_ten_processes_at_once_one_has_the_line_and_nine_are_told_who() {
    let t = Tipring::start();
    let args = ["--line", "sim/us?speed=8", "dial", "5550111", "--hangup-after", "never"];
    let mut children: Vec<Child> = (0..10)
        .map(|_| t.command().args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("tipring runs"))
        .collect();
    let deadline = Instant::now() + Duration::from_secs(30);
    let running = |children: &mut Vec<Child>| {
        children.iter_mut().filter_map(|c| c.try_wait().unwrap().is_none().then(|| c.id())).collect::<Vec<_>>()
    };
    while running(&mut children).len() > 1 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    let winners = running(&mut children);
    assert_eq!(winners.len(), 1, "{winners:?}");
    t.run(&["--line", "sim/us?speed=8", "hangup"]).exits(0);
    for child in children {
        let (pid, run) = (child.id(), Run::of(child.wait_with_output().unwrap()));
        if pid == winners[0] {
            run.exits(0);
        } else {
            let run = run.exits(5);
            let told = format!("held by pid {} (tipring dial)", winners[0]);
            assert!(run.stderr.contains(&told) && run.stderr.contains("sim.us~"), "{}", run.all());
        }
    }
}

#[test]
fn an_interrupt_leaves_the_line_on_hook_and_says_so_in_the_exit_code() {
    for signal in [nix::sys::signal::Signal::SIGINT, nix::sys::signal::Signal::SIGTERM] {
        let t = Tipring::start();
        let owner = Owner::answering(&t);
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(owner.child.id() as i32), signal).unwrap();
        owner.ends().exits(130);
    }
}

#[test]
fn a_line_whose_owner_was_killed_is_free_at_once() {
    let t = Tipring::start();
    let mut owner = Owner::answering(&t);
    owner.child.kill().unwrap();
    owner.child.wait().unwrap();
    t.run(&["--line", LINE, "hangup"]).exits(1);
    t.run(&["--line", "sim/us?speed=30", "dial", "5550101"]).exits(10);
    Owner::answering(&t).ends_by_hangup(&t);
}

impl Owner {
    fn ends_by_hangup(self, t: &Tipring) {
        t.run(&["--line", LINE, "hangup"]).exits(0);
        self.ends().exits(0);
    }
}

#[test]
fn a_closed_pipe_ends_the_call() {
    let t = Tipring::start();
    let mut owner = Owner::answering(&t);
    drop(owner.child.stdout.take());
    owner.ends().exits(130);
}

#[test]
fn an_owner_that_is_stopped_is_told_at_once_and_named() {
    let t = Tipring::start();
    let owner = Owner::answering(&t);
    let pid = owner.child.id();
    let signal = |signal| nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid as i32), signal).unwrap();
    signal(nix::sys::signal::Signal::SIGSTOP);
    let run = t.run(&["--line", LINE, "--timeout", "200ms", "hangup"]).exits(75);
    assert!(run.stderr.contains(&format!("kill -CONT {pid}")), "{}", run.all());
    signal(nix::sys::signal::Signal::SIGCONT);
    t.run(&["--line", LINE, "hangup"]).exits(0);
    owner.ends().exits(0);
}

#[test]
fn who_watches_an_owner_that_is_stopped_is_told_so_when_the_time_is_over() {
    let t = Tipring::start();
    let owner = Owner::answering(&t);
    let pid = owner.child.id();
    let signal = |signal| nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid as i32), signal).unwrap();
    let watch = |time: &str| t.run(&["--line", LINE, "--timeout", time, "watch"]);
    watch("50ms").exits(0);
    // stopped before the watcher comes, and while he watches
    signal(nix::sys::signal::Signal::SIGSTOP);
    let run = watch("100ms").exits(75);
    assert!(run.stderr.contains(&format!("kill -CONT {pid}")), "{}", run.all());
    signal(nix::sys::signal::Signal::SIGCONT);
    let mut watcher = t.command();
    watcher.args(["--line", LINE, "--timeout", "3s", "watch"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut watcher = watcher.spawn().unwrap();
    t.run(&["--line", LINE, "dtmf", "5"]).exits(0);
    let mut seen = BufReader::new(watcher.stdout.take().unwrap()).lines();
    t.run(&["--line", LINE, "dtmf", "5"]).exits(0);
    assert!(seen.any(|l| l.is_ok_and(|l| l.contains("dtmf"))), "it watches");
    signal(nix::sys::signal::Signal::SIGSTOP);
    let run = Run::of(watcher.wait_with_output().unwrap()).exits(75);
    assert!(run.stderr.contains(&format!("process {pid} is stopped")), "{}", run.all());
    signal(nix::sys::signal::Signal::SIGCONT);
    owner.ends_by_hangup(&t);
}

#[test]
fn who_leaves_an_owner_behind_does_not_wait_for_one_that_is_stopped() {
    use nix::sys::signal::Signal::{SIGCONT, SIGSTOP, SIGTERM};
    let t = Tipring::start();
    let mut starter = t.command();
    starter.args(["--line", "sim/us?speed=1", "--timeout", "300ms", "answer", "--detach"]);
    let mut starter = starter.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let children = format!("/proc/{0}/task/{0}/children", starter.id());
    let status = format!("/proc/{}/status", starter.id());
    let child = (0..5000).find_map(|_| {
        std::thread::sleep(Duration::from_millis(2));
        let child = std::fs::read_to_string(&children).ok()?.split_whitespace().next()?.parse::<i32>().ok()?;
        // until the child runs its own program the kernel keeps the starter waiting for that (vfork)
        let waits = std::fs::read_to_string(&status).ok()?.contains("\nState:\tD");
        (!waits).then_some(child)
    });
    let child = nix::unistd::Pid::from_raw(child.expect("an owner"));
    nix::sys::signal::kill(child, SIGSTOP).unwrap();
    starter.wait().unwrap();
    nix::sys::signal::kill(child, SIGTERM).unwrap();
    nix::sys::signal::kill(child, SIGCONT).unwrap();
    // the owner has our standard error as well
    let run = Run::of(starter.wait_with_output().unwrap()).exits(75);
    assert!(run.stderr.contains(&format!("kill -CONT {child}")), "{}", run.all());
}

#[test]
fn a_detached_owner_outlives_its_command() {
    let t = Tipring::start();
    let run = t.run(&["--json", "--line", LINE, "answer", "--detach"]).exits(0);
    assert_eq!(run.json()["schema"], "tipring.answer/1", "{}", run.all());
    t.run(&["--line", LINE, "transfer", "5550100", "--warm"]).exits(0);
    t.run(&["--line", LINE, "hangup"]).exits(1);
}

/// `--detach`, whose starter is killed as soon as the owner's story has these words.
fn whose_starter_is_killed(t: &Tipring, line: &str, words: &str) {
    let mut starter = t
        .command()
        .args(["-v", "--line", line, "answer", "--detach"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("tipring runs");
    let mut told = BufReader::new(starter.stderr.take().unwrap()).lines();
    assert!(told.any(|l| l.is_ok_and(|l| l.contains(words))), "`{words}` is told");
    starter.kill().unwrap();
    starter.wait().unwrap();
    // the owner writes to the same pipe: it stays open for it
    std::thread::spawn(move || told.for_each(drop));
}

#[test]
fn a_detached_owner_whose_starter_is_killed_keeps_the_party_it_has_and_answers_nobody_else() {
    let t = Tipring::start();
    let line = "sim/us?scenario=incoming&speed=5";
    whose_starter_is_killed(&t, line, "us        off-hook");
    let deadline = Instant::now() + Duration::from_secs(10);
    let up = || t.run(&["--line", line, "dtmf", "5"]).code == Some(0);
    while !up() {
        assert!(Instant::now() < deadline, "the call goes on, and can be acted on");
    }
    t.run(&["--line", line, "hangup"]).exits(0);

    whose_starter_is_killed(&t, line, "exchange  ring us");
    let deadline = Instant::now() + Duration::from_secs(10);
    // refused while it waits, and told that there is none when it has ended
    while !t.run(&["--line", line, "flash"]).exits(1).stderr.contains("no call on") {
        assert!(Instant::now() < deadline, "it ends");
    }
    let calls = t.run(&["--json", "calls", "list"]).exits(0).json()["calls"].clone();
    assert_eq!(calls[0]["outcome"], "interrupted", "{calls:#}");
    let record = t.run(&["calls", "show", "last"]).exits(0);
    assert!(!record.stdout.contains("off-hook"), "nobody was answered: {}", record.all());
}

#[test]
fn a_caller_on_hold_is_retrieved() {
    let t = Tipring::start();
    let owner = Owner::answering(&t);
    t.run(&["--line", LINE, "retrieve"]).exits(1);
    let held = t.run(&["--line", LINE, "--json", "hold"]).exits(0).json();
    assert_eq!((held["schema"].as_str(), held["result"].as_str()), (Some("tipring.hold/1"), Some("held")));
    let refused = t.run(&["--line", LINE, "transfer", "5550100"]).exits(1);
    assert!(refused.stderr.contains("on hold"), "{}", refused.all());
    let back = t.run(&["--line", LINE, "--json", "retrieve"]).exits(0).json();
    assert_eq!(back["result"], "retrieved", "{back:#}");
    t.run(&["--line", LINE, "hangup"]).exits(0);
    owner.ends().exits(0);
}

#[test]
fn talk_that_is_limited_stays_limited_after_a_hold() {
    let t = Tipring::start();
    let owner = Owner::answering_with(&t, &["--hangup-after", "60s"]);
    t.run(&["--line", LINE, "hold"]).exits(0);
    t.run(&["--line", LINE, "retrieve"]).exits(0);
    owner.ends().exits(0);
    let record = t.run(&["calls", "show", "last"]).exits(0);
    assert!(record.stdout.contains("talk heard as long as was to be -> hung up"), "{}", record.all());
}

#[test]
fn a_second_party_dialled_on_hold_is_brought_into_a_conference() {
    let t = Tipring::start();
    let owner = Owner::answering(&t);
    t.run(&["--line", LINE, "hold"]).exits(0);
    let early = t.run(&["--line", LINE, "conference"]).exits(1);
    assert!(early.stderr.contains("answered yet"), "{}", early.all());
    t.run(&["--line", LINE, "dtmf", "5550100"]).exits(0);
    let deadline = Instant::now() + Duration::from_secs(20);
    let joined = loop {
        let run = t.run(&["--line", LINE, "--json", "conference"]);
        if run.code == Some(0) || Instant::now() > deadline {
            break run.exits(0).json();
        }
    };
    assert_eq!(joined["result"], "joined", "{joined:#}");
    t.run(&["--line", LINE, "hangup"]).exits(0);
    owner.ends().exits(0);
}

#[test]
fn conference_with_a_target_is_the_whole_of_it_and_a_busy_one_leaves_the_caller_with_us() {
    let t = Tipring::start();
    let owner = Owner::answering(&t);
    let busy = t.run(&["--line", LINE, "--json", "conference", "5550101"]).exits(20).json();
    assert!(busy["steps"].as_array().unwrap().iter().any(|s| s["heard"] == "busy"), "{busy:#}");
    let joined = t.run(&["--line", LINE, "--json", "conference", "5550100"]).exits(0).json();
    assert_eq!((joined["result"].as_str(), joined["target"].as_str()), (Some("joined"), Some("5550100")));
    t.run(&["--line", LINE, "hangup"]).exits(0);
    owner.ends().exits(0);
}

#[test]
fn a_brief_travels_to_the_process_that_holds_the_call() {
    let t = Tipring::start();
    let owner = Owner::answering(&t);
    let brief = crate::answer::brief(&t);
    let run = t.run(&["--line", LINE, "--json", "transfer", "5550114", "5550113", "--brief", &brief]).exits(0);
    assert_eq!(run.json()["target"], "5550113");
    owner.ends().exits(0);
}
