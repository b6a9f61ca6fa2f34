//! One owner per line, and the others are told who he is.

use super::support::{Child, me, mode};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tipring::control::lock::{TakeError, holder};
use tipring::control::place::Surroundings;
use tipring::control::{Held, LineLock, Places};
use tipring::error::Exit;

const LINE: &str = "dahdi/1";

fn held(taken: Result<LineLock, TakeError>) -> Held {
    match taken {
        Err(TakeError::Held(held)) => *held,
        other => panic!("expected the line to be held: {other:?}"),
    }
}

#[test]
fn of_ten_threads_that_want_a_line_one_has_it_and_nine_know_who() {
    let dir = tempfile::tempdir().unwrap();
    let places = Places::at(dir.path());
    for round in 0..20 {
        let line = format!("sim/us?round={round}");
        let (begin, end) = (Barrier::new(10), Barrier::new(10));
        let taken: Vec<_> = std::thread::scope(|s| {
            let take = |i: usize| {
                let (places, line, begin, end) = (&places, &line, &begin, &end);
                move || {
                    begin.wait();
                    let taken = LineLock::take(places, line, &format!("tipring answer {i}"));
                    end.wait();
                    taken.map(|lock| (i, lock.line().to_string())).map_err(|e| (i, e))
                }
            };
            let threads: Vec<_> = (0..10).map(|i| s.spawn(take(i))).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        let winners: Vec<_> = taken.iter().filter_map(|t| t.as_ref().ok()).collect();
        assert_eq!(winners.len(), 1, "{taken:?}");
        let winner = format!("tipring answer {}", winners[0].0);
        for (_, loss) in taken.iter().filter_map(|t| t.as_ref().err()) {
            let TakeError::Held(held) = loss else { panic!("{loss:?}") };
            assert_eq!(held.pid, Some(std::process::id()));
            assert_eq!(held.command.as_deref(), Some(winner.as_str()));
        }
    }
}

#[test]
fn of_ten_processes_that_want_a_line_one_has_it_and_nine_know_who() {
    if let Some(mut child) = Child::me() {
        child.wait_for("go");
        match LineLock::take(&child.places(), LINE, "tipring answer") {
            Ok(_lock) => {
                child.say("won");
                child.wait_for("end");
            }
            Err(TakeError::Held(held)) => child.say(&format!("lost {}", held.pid.unwrap_or(0))),
            Err(TakeError::Failed(e)) => child.say(&format!("failed {e}")),
        }
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let name = "of_ten_processes_that_want_a_line_one_has_it_and_nine_know_who";
    let mut children: Vec<_> = (0..10).map(|_| Child::spawn("lock", name, dir.path())).collect();
    children.iter_mut().for_each(|c| c.say("go"));
    let said: Vec<_> = children.iter_mut().map(|c| (c.pid(), c.hear())).collect();
    let winners: Vec<_> = said.iter().filter(|(_, said)| said == "won").collect();
    assert_eq!(winners.len(), 1, "{said:?}");
    let told = format!("lost {}", winners[0].0);
    assert_eq!(said.iter().filter(|(_, said)| *said == told).count(), 9, "{said:?}");
    let at_hand = holder(&Places::at(dir.path()), LINE).unwrap();
    assert_eq!((at_hand.pid, at_hand.command.as_deref()), (Some(winners[0].0), Some("tipring answer")));
    children.iter_mut().for_each(Child::end);
    assert_eq!(holder(&Places::at(dir.path()), LINE), None);
}

#[test]
fn a_holder_that_is_killed_leaves_the_line_free_at_once() {
    if let Some(mut child) = Child::me() {
        let _lock = LineLock::take(&child.places(), LINE, "tipring dial").unwrap();
        child.say("held");
        child.wait_for("never");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let places = Places::at(dir.path());
    let mut child = Child::spawn("lock", "a_holder_that_is_killed_leaves_the_line_free_at_once", dir.path());
    assert_eq!(child.hear(), "held");
    let told = held(LineLock::take(&places, LINE, "tipring answer"));
    assert_eq!((told.pid, told.command.as_deref()), (Some(child.pid()), Some("tipring dial")));
    assert!(told.since.is_some_and(|s| s.len() == 20 && s.ends_with('Z')));

    kill(Pid::from_raw(child.pid() as i32), Signal::SIGKILL).unwrap();
    child.end();
    let left = fs::read_to_string(dir.path().join("dahdi.1.lock")).unwrap();
    assert!(left.contains("tipring dial"), "the dead process's words are still there: {left}");
    assert_eq!(holder(&places, LINE), None, "and nobody believes them");
    let lock = LineLock::take(&places, LINE, "tipring answer").unwrap();
    assert_eq!(held(LineLock::take(&places, LINE, "tipring dial")).command.as_deref(), Some("tipring answer"));
    drop(lock);
}

#[test]
fn a_holder_that_says_nothing_is_named_by_the_kernel() {
    let dir = tempfile::tempdir().unwrap();
    let places = Places::at(dir.path());
    // the words of one who went long ago; then somebody locks the file who signs nothing
    let path = dir.path().join("dahdi.1.lock");
    fs::write(&path, "{\"pid\":1,\"command\":\"tipring\\u001b[2J answer\",\"user\":\"root\"}\n").unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let _lock = nix::fcntl::Flock::lock(file, nix::fcntl::FlockArg::LockExclusiveNonblock).unwrap();
    let told = held(LineLock::take(&places, LINE, "tipring answer"));
    assert_eq!(told.pid, Some(std::process::id()));
    assert_ne!(told.command.as_deref(), Some("tipring answer"));
    assert!(!told.to_string().contains('\u{1b}'));
}

#[test]
fn a_line_let_go_is_free_and_its_file_stays() {
    let dir = tempfile::tempdir().unwrap();
    let places = Places::at(dir.path());
    assert_eq!(holder(&places, LINE), None);
    let lock = LineLock::take(&places, LINE, "tipring answer").unwrap();
    assert_eq!(lock.socket_path(), dir.path().join("dahdi.1.sock"));
    let path = dir.path().join("dahdi.1.lock");
    assert_eq!(mode(&path), 0o660);
    drop(lock);
    assert_eq!(fs::read_to_string(&path).unwrap(), "", "whoever opened it before can still only lock this one");
    assert_eq!(holder(&places, LINE), None);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left");
}

#[test]
fn another_line_is_another_lock() {
    let dir = tempfile::tempdir().unwrap();
    let places = Places::at(dir.path());
    let _one = LineLock::take(&places, "sim/us?seed=1", "tipring answer").unwrap();
    let _two = LineLock::take(&places, "sim/us?seed=2", "tipring answer").unwrap();
    let _bare = LineLock::take(&places, "sim/us", "tipring answer").unwrap();
    held(LineLock::take(&places, "sim/us?seed=1", "tipring answer"));
}

#[test]
fn looking_never_costs_anybody_the_line() {
    let dir = tempfile::tempdir().unwrap();
    let places = Places::at(dir.path());
    drop(LineLock::take(&places, LINE, "tipring answer").unwrap());
    let done = AtomicBool::new(false);
    std::thread::scope(|s| {
        s.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                holder(&places, LINE);
            }
        });
        let taken: Vec<_> = (0..200).map(|_| LineLock::take(&places, LINE, "tipring answer").is_ok()).collect();
        done.store(true, Ordering::Relaxed);
        assert!(taken.iter().all(|t| *t));
    });
}

#[test]
fn a_waiter_gets_the_line_when_it_is_let_go() {
    let dir = tempfile::tempdir().unwrap();
    let places = Places::at(dir.path());
    let mut first = Some(LineLock::take(&places, LINE, "tipring answer").unwrap());
    let mut told = None;
    let let_go = |held: &Held| {
        told = held.command.clone();
        first = None;
        true
    };
    let second = LineLock::take_wait(&places, LINE, "tipring dial", Duration::from_secs(60), let_go).unwrap();
    assert_eq!(told.as_deref(), Some("tipring answer"));
    assert_eq!(holder(&places, LINE).unwrap().command.as_deref(), Some("tipring dial"));
    drop(second);
}

#[test]
fn a_waiter_gives_up_when_his_time_is_over_or_he_is_told_to() {
    let dir = tempfile::tempdir().unwrap();
    let places = Places::at(dir.path());
    let _first = LineLock::take(&places, LINE, "tipring answer").unwrap();
    let waited = Duration::from_millis(30);
    let mut asked = 0;
    let count = |_: &Held| {
        asked += 1;
        true
    };
    let told = held(LineLock::take_wait(&places, LINE, "tipring dial", waited, count));
    assert!(asked <= 1, "far fewer tries than milliseconds: {asked}");
    assert_eq!(told.still_busy(LINE, waited).exit, Exit::StillBusy);
    held(LineLock::take_wait(&places, LINE, "tipring dial", Duration::from_secs(60), |_| false));
    held(LineLock::take_wait(&places, LINE, "tipring dial", Duration::ZERO, |_| panic!("no time to wait")));
}

#[test]
fn a_lock_taken_in_the_session_holds_in_the_shared_directory_too() {
    let root = tempfile::tempdir().unwrap();
    let run = root.path().join("run");
    fs::create_dir(&run).unwrap();
    let tmp = root.path().join("tmp");
    fs::create_dir(&tmp).unwrap();
    let (dev, uucp) = (root.path().join("dev"), root.path().join("lock"));
    let user = Surroundings { explicit: None, run, session: None, tmp, dev, uucp, uid: me() };
    // before there was a shared directory: a file keeps even root from making it
    fs::write(user.run.join("tipring"), "").unwrap();
    let places = Places::new(user.clone());
    let lock = LineLock::take(&places, LINE, "tipring answer").unwrap();
    assert!(lock.socket_path().starts_with(&user.tmp));
    fs::remove_file(user.run.join("tipring")).unwrap();
    fs::create_dir(user.run.join("tipring")).unwrap();

    assert_eq!(places.own().unwrap(), user.run.join("tipring"));
    assert_eq!(held(LineLock::take(&places, LINE, "tipring dial")).command.as_deref(), Some("tipring answer"));
    assert!(holder(&places, LINE).is_some());
    drop(lock);
    LineLock::take(&places, LINE, "tipring dial").unwrap();
}

/// A machine with a device node and a directory for the locks of other programs.
fn machine_with_a_node(root: &tempfile::TempDir) -> Surroundings {
    let at = |name: &str| root.path().join(name);
    for dir in ["own", "dev/dahdi", "lock"] {
        fs::create_dir_all(at(dir)).unwrap();
    }
    fs::write(at("dev/dahdi/1"), "").unwrap();
    Surroundings {
        explicit: Some(at("own")),
        run: at("run"),
        session: None,
        tmp: at("tmp"),
        dev: at("dev"),
        uucp: at("lock"),
        uid: me(),
    }
}

#[test]
fn other_programs_see_our_lock_and_it_goes_when_we_do() {
    let root = tempfile::tempdir().unwrap();
    let around = machine_with_a_node(&root);
    let places = Places::new(around.clone());
    let lock = LineLock::take(&places, LINE, "tipring answer").unwrap();
    let theirs = around.uucp.join("LCK..dahdi_1");
    assert_eq!(fs::read_to_string(&theirs).unwrap(), format!("{:>10}\n", std::process::id()));
    // the second of us is told by our own lock, with more to say
    let told = held(LineLock::take(&places, LINE, "tipring dial"));
    assert_eq!(told.command.as_deref(), Some("tipring answer"));
    assert_eq!(told.lock_file, Some(root.path().join("own/dahdi.1.lock")));
    drop(lock);
    assert!(!theirs.exists());
    let other = LineLock::take(&places, "dahdi/2", "tipring answer").unwrap();
    assert_eq!(fs::read_dir(&around.uucp).unwrap().count(), 0, "a line without a node has nothing to lock");
    drop(other);
}

#[test]
fn a_line_that_another_program_holds_is_refused_with_its_pid_its_name_and_its_lock_file() {
    let root = tempfile::tempdir().unwrap();
    let around = machine_with_a_node(&root);
    let places = Places::new(around.clone());
    let mut minicom = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
    // the kernel names a process a moment after it let us go on
    while fs::read_to_string(format!("/proc/{}/comm", minicom.id())).unwrap() != "cat\n" {
        std::thread::yield_now();
    }
    let theirs = around.uucp.join("LCK..dahdi_1");
    fs::write(&theirs, format!("{:>10} minicom ann\n", minicom.id())).unwrap();
    let told = held(LineLock::take(&places, LINE, "tipring answer"));
    assert_eq!((told.pid, told.command.as_deref()), (Some(minicom.id()), Some("cat")));
    let text = told.explain(LINE).to_string();
    for part in [&format!("pid {}", minicom.id()), "(cat)", "LCK..dahdi_1"] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(holder(&places, LINE).map(|h| h.pid), Some(Some(minicom.id())), "and `lines` shows it");
    minicom.kill().unwrap();
    minicom.wait().unwrap();
    // its lock is stale now, and is ours
    let _lock = LineLock::take(&places, LINE, "tipring answer").unwrap();
    assert_eq!(fs::read_to_string(&theirs).unwrap(), format!("{:>10}\n", std::process::id()));
}

#[test]
fn a_link_or_a_pipe_in_the_place_of_the_lock_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let places = Places::at(dir.path());
    let path = dir.path().join("dahdi.1.lock");
    let victim = dir.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, &path).unwrap();
    let failed = |taken: Result<LineLock, TakeError>| match taken {
        Err(TakeError::Failed(e)) => e,
        other => panic!("{other:?}"),
    };
    let e = failed(LineLock::take(&places, LINE, "tipring answer"));
    assert!(e.exit == Exit::Port && e.why.ends_with("is a symbolic link"), "{e}");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    assert_eq!(holder(&places, LINE), None);

    fs::remove_file(&path).unwrap();
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(failed(LineLock::take(&places, LINE, "tipring answer")).why.contains("not a plain file"));
    assert_eq!(holder(&places, LINE), None);
}

#[test]
fn a_directory_or_a_link_in_the_place_of_another_programs_lock_is_refused_and_left_there() {
    let root = tempfile::tempdir().unwrap();
    let around = machine_with_a_node(&root);
    let places = Places::new(around.clone());
    let theirs = around.uucp.join("LCK..dahdi_1");
    let refused = |what: &str| match LineLock::take(&places, LINE, "tipring answer") {
        Err(TakeError::Failed(e)) => {
            assert!(e.exit == Exit::Port && e.why.ends_with(what) && e.why.contains("LCK..dahdi_1"), "{e}");
            assert_eq!(fs::read_dir(&around.uucp).unwrap().count(), 1, "it is where it was, alone");
        }
        other => panic!("{other:?}"),
    };
    fs::create_dir(&theirs).unwrap();
    refused("is a directory");
    assert!(theirs.is_dir());
    fs::remove_dir(&theirs).unwrap();
    symlink(root.path().join("nowhere"), &theirs).unwrap();
    refused("is a symbolic link");
    assert_eq!(holder(&places, LINE), None);
    fs::remove_file(&theirs).unwrap();
    LineLock::take(&places, LINE, "tipring answer").unwrap();
}
