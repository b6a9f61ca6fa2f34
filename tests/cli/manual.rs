//! The manual as its readers meet it: no program that shows it complains, and nothing of it is lost on the way.

use std::path::{Path, PathBuf};
use std::process::Command;
use tipring::error::Exit;

fn pages() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
    let mut pages: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    pages.sort();
    assert!(pages.len() > 20);
    pages
}

/// What it prints, and what it complains of.
fn output(command: &mut Command) -> (String, String) {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.env("LC_ALL", "C.UTF-8").env("MANWIDTH", "80").env_remove("MANROFFOPT").output();
    let output = output.unwrap_or_else(|e| panic!("{program}: {e}; scripts/test installs it"));
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (text(output.stdout), text(output.stderr))
}

/// Words as they are read, whatever line they were broken into.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn no_page_has_anything_that_mandoc_or_groff_complain_of() {
    for page in pages() {
        let (said, _) = output(Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).arg(&page));
        assert_eq!(said, "", "{}", page.display());
        let (_, complaint) = output(Command::new("man").args(["--warnings=all", "-l"]).arg(&page));
        assert_eq!(complaint, "", "{}", page.display());
        // not everybody reads it through man, which runs preconv
        let (_, complaint) = output(Command::new("groff").args(["-man", "-Tutf8", "-ww"]).arg(&page));
        assert_eq!(complaint, "", "{}", page.display());
        let title = page.file_stem().unwrap().to_string_lossy().to_uppercase();
        let text = std::fs::read_to_string(&page).unwrap();
        assert!(text.lines().any(|l| l.starts_with(&format!(".TH {title} "))), "{}", page.display());
    }
}

#[test]
fn what_is_shown_of_a_page_has_its_commands_options_exit_codes_and_examples() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
    // without hyphens at the ends of lines, which only a reader takes for what they are
    let shown = |name: &str| {
        let mut man = Command::new("man");
        words(&output(man.args(["--nh", "--nj", "-l"]).arg(dir.join(name))).0)
    };
    let main = shown("tipring.1");
    for command in tipring::cli::parser().get_subcommands().filter(|c| !c.is_hide_set()) {
        let name = command.get_name();
        assert!(main.contains(&format!("tipring-{name}(1)")), "{name}: {main}");
        let page = shown(&format!("tipring-{name}.1"));
        for option in command.get_arguments().filter_map(|a| a.get_long()) {
            assert!(page.contains(&format!("--{option}")), "{name}: --{option}: {page}");
        }
    }
    // what a command says at length is not lost behind its one line
    for (page, words) in [
        ("tipring-watch.1", "then ends with exit 5"),
        ("tipring-transfer.1", "the caller is back (exit 20)"),
        ("tipring-dial.1", "held for eight seconds"),
        ("tipring-calls-prune.1", "notes or tags stay"),
    ] {
        assert!(shown(page).contains(words), "{page}: {words}");
    }
    let synopsis = |name: &str| {
        let page = shown(name);
        page.split_once("SYNOPSIS ").unwrap().1.split_once(" DESCRIPTION").unwrap().0.to_string()
    };
    for (page, wanted) in [
        (
            "tipring.1",
            &["tipring [--line LINE] [--config FILE]", "[-v|--verbose]...", "[--timeout DUR]", " <COMMAND>"][..],
        ),
        (
            "tipring-transfer.1",
            &["[--on-fail return|hangup|voicemail=NUM]", "[--warm]", "[--brief TEXT|FILE]", " <TARGET>..."],
        ),
        ("tipring-exchange-run.1", &["tipring exchange run [--country CC]", " --port PORT..."]),
        ("tipring-answer.1", &["[--transfer-to TARGET,…]"]),
        ("tipring-calls.1", &["[--tag TAG]...", " [COMMAND]"]),
        ("tipring-watch.1", &[" [LINE]"]),
        ("tipring-dial.1", &[" <NUMBER>"]),
    ] {
        let synopsis = synopsis(page);
        assert!(wanted.iter().all(|w| synopsis.contains(w)), "{page}: {synopsis}");
    }
    for exit in Exit::ALL {
        assert!(main.contains(&words(&format!("{} {}", exit.code(), exit.meaning()))), "{exit:?}: {main}");
    }
    for (example, what) in tipring::cli::manual::EXAMPLES {
        assert!(main.contains(&words(example)) && main.contains(&words(what)), "{example}: {main}");
    }
    let configuration = shown("tipring.toml.5");
    for key in tipring::config::KEYS {
        assert!(configuration.contains(key), "{key}");
    }
}
