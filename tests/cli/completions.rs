//! Completions as each shell understands them: the script is sourced, and the shell is asked.

use crate::Tipring;
use std::process::{Command, Stdio};

/// Runs `script` in a shell without anybody's configuration; `$1` is the file of completions.
fn ask(shell: &str, options: &[&str], script: &str) -> String {
    let t = Tipring::start();
    t.file("run.txt", "a file that may be offered");
    let file = t.file(&format!("tipring.{shell}"), &t.run(&["completions", shell]).exits(0).stdout);
    // a shell that waits for what never comes is a failure, not a test without end
    let mut command = Command::new("timeout");
    command.args(["60", shell]).args(options).args(["-c", script]);
    // fish has no $0
    if shell != "fish" {
        command.arg(shell);
    }
    let output = command
        .arg(&file)
        .env_clear()
        .current_dir(t.path())
        .env("HOME", t.path())
        .env("TERM", "xterm")
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::null())
        .output()
        .expect("timeout(1) runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && complaint.is_empty(),
        "{shell} ({}; scripts/test installs it): {text}{complaint}",
        output.status
    );
    text
}

#[test]
fn bash_completes_commands_options_and_their_values() {
    let complete = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let (current, previous) = (words[words.len() - 1], words[words.len() - 2]);
        let script = format!(
            "compopt() {{ :; }}; source \"$1\"; COMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}}; COMP_WORDS=({line}); COMP_CWORD={}; \
             _tipring tipring '{current}' '{previous}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            words.len() - 1
        );
        ask("bash", &["--norc", "--noprofile"], &script).lines().map(str::to_string).collect::<Vec<_>>()
    };
    assert_eq!(complete("tipring tran"), ["transfer"]);
    assert_eq!(complete("tipring calls ex"), ["export"]);
    assert!(complete("tipring calls export --fo").contains(&"--format".to_string()));
    assert_eq!(complete("tipring calls export --format c"), ["csv"]);
    let countries = complete("tipring decode --country ");
    assert!(crate::COUNTRIES.iter().all(|c| countries.iter().any(|o| o == c)), "{countries:?}");
    assert_eq!(complete("tipring exchange run --country u"), ["us"]);
    assert_eq!(complete("tipring transfer --on-fail "), ["return", "hangup", "voicemail="]);
    assert_eq!(complete("tipring calls list --outcome no-a"), ["no-answer"]);
    // files only where a file is wanted
    assert_eq!(complete("tipring dial --line run"), ["run"], "what was typed, and no file");
    assert_eq!(complete("tipring dial --journal run"), ["run.txt"]);
    assert!(!complete("tipring ").contains(&"man".to_string()), "what is hidden is not offered");
}

#[test]
fn fish_completes_commands_options_and_their_values() {
    let complete = |line: &str| {
        let script = format!("source $argv[1]; complete -C '{line}'");
        let text = ask("fish", &["--no-config"], &script);
        text.lines().map(|l| l.split('\t').next().unwrap_or_default().to_string()).collect::<Vec<_>>()
    };
    let shells = complete("tipring completions ");
    assert!(["bash", "fish", "zsh"].iter().all(|s| shells.iter().any(|o| o == s)), "{shells:?}");
    assert!(!shells.iter().any(|o| o.contains("run.txt")), "{shells:?}");
    assert_eq!(complete("tipring transfer --on-fail h"), ["hangup"]);
    assert_eq!(complete("tipring decode --country g"), ["gb", "gr"]);
    assert_eq!(complete("tipring calls list --outcome no-a"), ["no-answer"]);
    assert_eq!(complete("tipring dial --line run"), [""; 0]);
    assert_eq!(complete("tipring dial --journal run"), ["run.txt"]);
    assert_eq!(complete("tipring tran"), ["transfer"]);
    assert_eq!(complete("tipring calls ex"), ["export"]);
    assert!(complete("tipring calls export --fo").contains(&"--format".to_string()));
    assert_eq!(complete("tipring calls export --format c"), ["csv"]);
}

#[test]
fn zsh_completes_commands_options_and_their_values() {
    // zsh completes only where somebody types: it is given a terminal of its own
    let complete = |line: &str, expected: &str| {
        let script = format!(
            "zmodload zsh/zpty
             zpty typist 'zsh -f -i'
             zpty -w typist 'PS1=; stty -echo; autoload -Uz compinit; compinit -u -D; source '${{(q)1}}'; print re''ady'
             zpty -r -m typist heard '*ready*'
             zpty -w -n typist '{line}'$'\\t'
             zpty -r -m typist heard '*{expected}*'
             print -r -- $heard
             zpty -d typist"
        );
        let text = ask("zsh", &["-f"], &script);
        assert!(text.contains(expected), "{line}: {text}");
    };
    complete("tipring tran", "transfer");
    complete("tipring calls ex", "export");
    complete("tipring calls export --form", "--format");
    complete("tipring calls export --format c", "csv");
    complete("tipring transfer --on-fail h", "hangup");
    complete("tipring calls list --outcome no-a", "no-answer");
}
