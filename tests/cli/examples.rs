//! What the README and the manual show is run: every example that needs no hardware.

use crate::Tipring;

/// Splits a command line as a shell does for words and single quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|w| !w.is_empty());
    words
}

fn run(line: &str) -> (i32, String) {
    let words = words(line);
    let args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
    let run = Tipring::start().run(&args);
    (run.code.unwrap_or(-1), run.all())
}

#[test]
fn the_manuals_examples_do_what_they_say() {
    let mut ran = 0;
    for (command, what) in tipring::cli::manual::EXAMPLES {
        if !command.contains("sim/") && *command != "tipring lines" {
            continue;
        }
        let wanted =
            what.split("exit ").nth(1).and_then(|r| r.split([',', ':']).next()).map_or(0, |c| c.parse().unwrap());
        let (code, all) = run(command);
        assert_eq!(code, wanted, "{command}\n{all}");
        ran += 1;
    }
    assert!(ran >= 5);
}

#[test]
fn the_readmes_console_example_ends_as_it_shows() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let example = readme.lines().find_map(|l| l.strip_prefix("$ ")).expect("a console example");
    let (code, all) = run(example);
    assert_eq!(code, 0, "{all}");
    // each line of the transcript is a line of the run
    let shown: Vec<&str> =
        readme.lines().skip_while(|l| !l.starts_with("$ ")).skip(1).take_while(|l| !l.starts_with("```")).collect();
    assert!(!shown.is_empty());
    for line in shown.iter().filter(|l| !l.trim().is_empty()) {
        assert!(all.lines().any(|l| l == *line), "README shows `{line}`, the run does not:\n{all}");
    }
}

#[test]
fn every_variable_that_is_read_is_in_the_manual() {
    fn sources(dir: &std::path::Path, all: &mut String) {
        for entry in std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()) {
            if entry.is_dir() {
                sources(&entry, all);
            } else if entry.extension().is_some_and(|e| e == "rs") {
                all.push_str(&std::fs::read_to_string(entry).unwrap());
            }
        }
    }
    let mut text = String::new();
    sources(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut text);
    let (_, page) = tipring::cli::manual::pages().into_iter().find(|(name, _)| name == "tipring.1").unwrap();
    let read = text.split(['"', '\'']).filter(|w| w.starts_with("TIPRING_") || (w.starts_with("XDG_") && w.len() > 4));
    let read: std::collections::BTreeSet<_> =
        read.filter(|w| w.chars().all(|c| c.is_ascii_uppercase() || c == '_')).collect();
    assert!(read.len() >= 6, "{read:?}");
    // a parent's word to its own child
    for name in read.into_iter().filter(|name| *name != "TIPRING_DETACHED") {
        assert!(page.contains(name), "{name} is read and not described");
    }
}
