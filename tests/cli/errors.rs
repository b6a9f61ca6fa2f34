use crate::{Run, Tipring};

/// One error in three lines, and nothing on stdout.
#[track_caller]
fn one_error(run: Run, code: i32, contains: &[&str]) {
    assert_eq!(run.code, Some(code), "{}", run.all());
    assert_eq!(run.stdout, "", "{}", run.all());
    let count = |prefix: &str| run.stderr.lines().filter(|l| l.starts_with(prefix)).count();
    assert_eq!((count("error: "), count("cause: "), count(" help: ")), (1, 1, 1), "{}", run.all());
    for text in contains {
        assert!(run.stderr.contains(text), "`{text}` is missing: {}", run.all());
    }
}

#[test]
fn hostile_numbers_are_refused_before_anything_is_touched() {
    for number in ["5551234;ATH", "$(reboot)", "555\r\nATZ", "\u{1b}[31m", "🤙", "", " ", &"9".repeat(500)] {
        let run = Tipring::start().run(&["--line", "sim/us?clock=virtual", "dial", number]);
        assert!(!run.stderr.contains('\u{1b}'), "{}", run.all());
        one_error(run, 2, &["cannot dial"]);
    }
}

#[test]
fn unknown_lines_are_refused_with_where_to_look() {
    for line in ["isdn/3", "dahdi/0", "dahdi/x", "sim/XX", "office", "../../etc/passwd", ""] {
        one_error(
            Tipring::start().run(&["--line", line, "dial", "5550100"]),
            2,
            &["no line is called", "tipring lines"],
        );
    }
    one_error(Tipring::start().run(&["--line", "sim/zz", "dial", "5550100"]), 2, &["no facts about the country"]);
    let t = Tipring::start();
    let config = t.file("lines.toml", "[line.office]\nport = \"sim/us\"\n[line.shop]\nport = \"sim/gb\"\n");
    for command in [&["dial", "5550100"][..], &["hangup"], &["watch"]] {
        let run = t.run(&[&["--config", &config, "--line", "ofice"], command].concat());
        let told =
            ["lines.toml has no line of that name", "did you mean `office`?", "in the configuration: office, shop;"];
        one_error(run, 2, &told);
    }
    one_error(Tipring::start().run(&["--line", "sim/us?colour=red", "dial", "5550100"]), 2, &["colour", "seed"]);
}

#[test]
fn a_missing_dahdi_channel_says_what_to_load() {
    if std::path::Path::new("/dev/dahdi").exists() {
        return; // on a machine with DAHDI the channel may be there; the kernel lab shows these errors
    }
    one_error(Tipring::start().run(&["--line", "dahdi/1", "dial", "5550100"]), 4, &["dahdi/1", "modprobe"]);
}

#[test]
fn a_broken_configuration_is_shown_where_it_is_broken() {
    let t = Tipring::start();
    let config = t.file("bad.toml", "[line.office]\nport = \"sim/us\"\nflash_ms = [5000]\n");
    let run = t.run(&["--config", &config, "--line", "office", "dial", "5550100"]);
    assert!(run.stderr.starts_with("error: cannot use the configuration"), "what goes first: {}", run.all());
    one_error(run, 3, &["bad.toml:3:13", "must be 50..=1500 ms"]);
    let config = t.file("echo.toml", "[line.office]\nport = \"sim/us\"\necho_canceller = \"maybe\"\n");
    let run = t.run(&["--config", &config, "--line", "office", "dial", "5550100"]);
    one_error(run, 3, &["echo.toml:3:18", "`maybe`", "mg2:128"]);
    let json = t.run(&["--config", &config, "--json", "lines"]).exits(3).json();
    assert!(json["detail"].as_str().is_some_and(|detail| detail.contains("echo.toml:3:18")), "{json:#}");
    let config = t.file("worse.toml", "[line\n");
    one_error(t.run(&["--config", &config, "--line", "sim/us", "dial", "1"]), 3, &["worse.toml:1"]);
    one_error(t.run(&["--config", "/no/such/file", "--line", "sim/us", "dial", "1"]), 3, &["/no/such/file"]);
}

#[test]
fn a_broken_scenario_is_an_error_of_its_own() {
    let t = Tipring::start();
    let scenario = t.file("bad-scenario.toml", "[[call]]\nat = \"yesterday\"\n");
    let line = format!("sim/us?clock=virtual&scenario={scenario}");
    let run = t.run(&["--line", &line, "answer"]);
    assert!(matches!(run.code, Some(2 | 3)), "{}", run.all());
    let code = run.code.unwrap_or(0);
    one_error(run, code, &["bad-scenario.toml"]);
}

#[test]
fn without_a_line_the_way_to_one_is_told() {
    if std::path::Path::new("/dev/dahdi").exists() {
        return;
    }
    one_error(Tipring::start().run(&["dial", "5550100"]), 2, &["--line sim/us"]);
}

#[test]
fn acting_on_a_line_that_nobody_holds_says_so() {
    for command in [vec!["hangup"], vec!["flash"], vec!["dtmf", "1"], vec!["transfer", "5550100"]] {
        let mut args = vec!["--line", "sim/us"];
        args.extend(command);
        one_error(Tipring::start().run(&args), 1, &["no call"]);
    }
}

#[test]
fn an_error_is_also_a_document_for_who_asked_for_json() {
    let run = Tipring::start().run(&["--json", "--line", "isdn/1", "dial", "5550100"]).exits(2);
    let json = run.json();
    assert_eq!(json["schema"], "tipring.error/1");
    assert_eq!(json["exit"], 2);
}

#[test]
fn usage_errors_have_code_two() {
    for args in [&["frobnicate"][..], &["dial"], &["--wait", "soon", "lines"], &["answer", "--after", "0"], &[]] {
        assert_eq!(Tipring::start().run(args).code, Some(2), "{args:?}");
    }
}

#[test]
fn half_a_command_is_an_error_in_a_document_for_who_asked_for_one() {
    for args in [&["--json", "exchange"][..], &["--json"]] {
        let run = Tipring::start().run(args).exits(2);
        assert_eq!(run.json()["schema"], "tipring.error/1", "{args:?}: {}", run.all());
    }
}

#[test]
fn no_configuration_is_taken_from_where_the_command_happens_to_run() {
    let t = Tipring::start();
    let theirs = "[contacts]\nmallory = \"5550100\"\n";
    for dir in ["tipring", ".config/tipring"] {
        std::fs::create_dir_all(t.path().join(dir)).unwrap();
        t.file(&format!("{dir}/tipring.toml"), theirs);
    }
    for (name, value) in [("XDG_CONFIG_HOME", ""), ("XDG_CONFIG_HOME", "."), ("HOME", ""), ("HOME", ".")] {
        let mut command = t.command();
        command.env(name, value).args(["--line", "sim/us?clock=virtual", "--dry-run", "dial", "mallory"]);
        if name == "XDG_CONFIG_HOME" {
            command.env_remove("HOME");
        }
        let run = crate::Run::of(command.output().unwrap());
        assert_eq!(run.code, Some(2), "{name}={value}: {}", run.all());
    }
    // the user's own is read
    t.run(&["--line", "sim/us?clock=virtual", "--dry-run", "dial", "mallory"]).exits(0);
}

#[test]
fn a_configuration_that_is_there_and_cannot_be_had_is_no_missing_one() {
    let t = Tipring::start();
    std::fs::create_dir_all(t.path().join(".config/tipring")).unwrap();
    std::os::unix::fs::symlink("/nonexistent", t.path().join(".config/tipring/tipring.toml")).unwrap();
    one_error(t.run(&["--line", "sim/us", "--dry-run", "dial", "1"]), 3, &["cannot read the configuration"]);
}

#[test]
fn a_variable_that_is_set_to_nothing_is_not_set() {
    let t = Tipring::start();
    let mut command = t.command();
    command.env("TIPRING_CONFIG", "").env("TIPRING_LINE", "");
    crate::Run::of(command.args(["--line", "sim/us", "--dry-run", "dial", "1"]).output().unwrap()).exits(0);
}

#[test]
fn files_that_never_end_or_never_begin_are_refused_at_once() {
    let t = Tipring::start();
    let fifo = t.path().join("fifo.toml");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    let fifo = fifo.to_string_lossy().into_owned();
    let facts = t.file("facts.toml", "facts = \"/dev/zero\"\n");
    for path in ["/dev/zero", &fifo, "/"] {
        let scenario = format!("sim/us?clock=virtual&scenario={path}");
        one_error(t.run(&["--config", path, "--line", "sim/us", "dial", "1"]), 3, &["not an ordinary file"]);
        one_error(t.run(&["--line", &scenario, "answer"]), 3, &["not an ordinary file"]);
        let play = ["--line", "sim/us?clock=virtual", "dial", "5550100", "--play", path];
        one_error(t.run(&play), 3, &["not an ordinary file"]);
    }
    one_error(t.run(&["--config", &facts, "--line", "sim/us", "dial", "1"]), 3, &["not an ordinary file"]);
}

#[test]
fn an_empty_list_of_flash_times_is_shown_where_it_stands() {
    let t = Tipring::start();
    let config = t.file("empty.toml", "[line.office]\nport = \"sim/us\"\nflash_ms = []\n");
    one_error(t.run(&["--config", &config, "--line", "office", "dial", "1"]), 3, &["empty.toml:3:12"]);
}

#[test]
fn watching_a_clock_that_nobody_can_follow_needs_an_end() {
    let t = Tipring::start();
    one_error(t.run(&["--line", "sim/us?clock=virtual", "watch"]), 2, &["--timeout"]);
    t.run(&["--line", "sim/us?clock=virtual", "--timeout", "5s", "watch"]).exits(0);
}

#[test]
fn a_call_outlives_whoever_read_its_words() {
    let t = Tipring::start();
    let dial = ["-vv", "--line", "sim/us?clock=virtual", "dial", "5550101"];
    // a full disk under stderr
    let full = std::fs::File::options().write(true).open("/dev/full").expect("/dev/full");
    let status = t.command().args(dial).stdout(std::process::Stdio::null()).stderr(full).status();
    assert_eq!(status.expect("tipring runs").code(), Some(10));
    // a reader that went before the first word
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let status = t.command().args(dial).stdout(std::process::Stdio::null()).stderr(writer).status();
    assert_eq!(status.expect("tipring runs").code(), Some(10));
}

#[test]
fn what_came_of_a_call_whose_answer_cannot_be_written_is_on_stderr() {
    let t = Tipring::start();
    let line = "sim/us?scenario=incoming&clock=virtual";
    let full = std::fs::File::options().write(true).open("/dev/full").expect("/dev/full");
    let mut command = t.command();
    command.args(["--json", "--line", line, "answer", "--transfer-to", "5550100", "--warm"]).stdout(full);
    let run = Run::of(command.output().expect("tipring runs")).exits(1);
    let id = t.run(&["--json", "calls"]).exits(0).json()["calls"][0]["id"].as_str().unwrap().to_string();
    let told = [&format!("{line}: transferred to 5550100"), "(exit 0)", &format!("`tipring calls show {id}` has all")];
    assert!(told.iter().all(|t| run.stderr.contains(*t)), "{}", run.all());
}

#[test]
fn help_that_cannot_be_written_is_not_success() {
    let full = std::fs::File::options().write(true).open("/dev/full").expect("/dev/full");
    let status = Tipring::start().command().arg("--help").stdout(full).status();
    assert_eq!(status.expect("tipring runs").code(), Some(1));
}

#[test]
fn doctor_says_what_is_wrong_in_words_and_as_a_document() {
    let t = Tipring::start();
    let run = t.run(&["--json", "doctor"]);
    let json = run.json();
    assert_eq!(json["schema"], "tipring.doctor/1");
    let findings = json["findings"].as_array().unwrap();
    let fails = findings.iter().any(|f| f["status"] == "fail");
    assert_eq!((json["ok"].as_bool(), run.code), (Some(!fails), Some(i32::from(fails))), "{}", run.all());
    assert!(findings.iter().filter(|f| f["status"] != "ok").all(|f| f["help"].is_string()), "{json:#}");
    let rules = include_str!("../../udev/70-tipring.rules");
    assert_eq!(t.run(&["doctor", "--print-udev"]).exits(0).stdout, rules);
    // a state directory that is none fails on every machine
    let mut command = t.command();
    command.env("TIPRING_STATE_DIR", "/dev/null/state").arg("doctor");
    let run = crate::Run::of(command.output().unwrap()).exits(1);
    assert!(run.stdout.lines().any(|l| l.starts_with("fail  ")) && run.stdout.contains("help:"), "{}", run.all());
}

#[test]
fn a_command_line_that_is_not_understood_is_one_error_too() {
    let t = Tipring::start();
    one_error(t.run(&["dial"]), 2, &["<NUMBER>", "usage: tipring dial", "tipring dial --help"]);
    one_error(t.run(&["dail", "5550100"]), 2, &["'dail'", "a similar subcommand exists: 'dial'"]);
    one_error(t.run(&["answer", "--within", "5q"]), 2, &["not a duration", "tipring answer --help"]);
    // whatever the program's file is called
    let link = t.path().join("tip-ring.v2");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tipring"), &link).unwrap();
    for (command, help) in [
        ("dial", "tipring dial"),
        ("transfer", "tipring transfer"),
        ("calls note", "tipring calls note"),
        ("calls bogus", "tipring calls"),
        ("calls list --bogus", "tipring calls list"),
        ("calls list --limit many", "tipring calls list"),
        ("exchange run", "tipring exchange run"),
        ("bogus", "tipring"),
    ] {
        for program in [link.as_os_str(), env!("CARGO_BIN_EXE_tipring").as_ref()] {
            let run = std::process::Command::new(program).args(command.split(' ')).output().unwrap();
            one_error(crate::Run::of(run), 2, &[&format!("see `{help} --help`")]);
        }
    }
    let hostile = t.run(&["dial", "5550100", "--\u{1b}[31m\n\nUsage: x\n\n"]);
    assert!(!hostile.stderr.contains('\u{1b}'), "{}", hostile.all());
    one_error(hostile, 2, &["unexpected argument"]);
    let json = t.run(&["--json", "dial"]).exits(2).json();
    assert_eq!((json["schema"].as_str(), json["exit"].as_i64()), (Some("tipring.error/1"), Some(2)));
}
