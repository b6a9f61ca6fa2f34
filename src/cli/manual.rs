//! Manual pages, generated from the parser so that they cannot disagree with it, with exit codes and worked examples.

use crate::driver::sim::scenario::{BUILT_IN, KEYS, Key, SELECTOR_ONLY, Scenario};
use crate::error::Exit;
use clap::ArgAction;
use clap::builder::Resettable::Reset;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

/// Every page: file name and roff text.
pub fn pages() -> Vec<(String, String)> {
    let parser = super::parser().disable_help_subcommand(true);
    let mut pages = vec![("tipring.1".to_string(), page(&parser, EXAMPLES))];
    add_pages(&mut pages, "tipring", &parser, EXAMPLES);
    pages.push(("tipring.toml.5".to_string(), CONFIGURATION.to_string()));
    pages.push(("tipring-scenario.5".to_string(), scenarios()));
    pages
}

/// A page for each command below this one, and for those below them.
fn add_pages(pages: &mut Vec<(String, String)>, above: &str, parser: &clap::Command, examples: &[(&str, &str)]) {
    for command in parser.get_subcommands().filter(|c| !c.is_hide_set()) {
        let examples: Vec<(&str, &str)> =
            examples.iter().copied().filter(|(c, _)| uses(c, command.get_name())).collect();
        let name = format!("{above}-{}", command.get_name());
        let called = name.replace('-', " ");
        let titled = command.clone().name(clap::builder::Str::from(name.clone())).bin_name(called);
        pages.push((format!("{name}.1"), page(&titled, &examples)));
        add_pages(pages, &name, command, &examples);
    }
}

/// Every key of a scenario, from the list that the reader of scenarios is held against.
fn scenarios() -> String {
    let mut page = Roff::new();
    let version = format!("tipring {}", env!("CARGO_PKG_VERSION"));
    page.control("TH", ["TIPRING-SCENARIO", "5", DATE, version.as_str(), "File Formats"]);
    page.control("SH", ["NAME"]);
    page.text([roman("tipring-scenario - what happens on a simulated line")]);
    page.control("SH", ["DESCRIPTION"]);
    page.text([roman(
        "A scenario says who calls, who can be called, what the line is like and what is wrong with it. It is one of \
         the built-in ones, by its name, or a TOML file: what has a slash or ends in .toml. It is given in the name of a \
         simulated line, sim/us?scenario=incoming, or to tipring exchange run. Unknown keys are errors, and so is what \
         contradicts itself. All times count from the opening of the line.",
    )]);
    page.control("PP", []);
    page.text([roman(
        "A real port of tipring exchange run does all of it but four faults, which it refuses before anything rings: \
         unplugged_at_s, device_removed_at_s, parallel_takes_battery, and a battery_lost_at_s that lasts longer than \
         500 ms.",
    )]);
    page.control("SH", ["IN THE NAME OF A LINE"]);
    page.text([roman(
        "sim/COUNTRY?name=value&name=value. Besides these every key of [pair] can stand there, and goes before the \
         scenario's.",
    )]);
    SELECTOR_ONLY.iter().for_each(|key| describe(&mut page, key));
    let tables = [
        ("", "AT THE TOP", ""),
        ("line", "[line]", "What the subscriber of this line gets."),
        ("pair", "[pair]", "The two wires."),
        ("fault", "[fault]", "What is wrong with the line or the exchange."),
        ("call", "[[call]]", "A call to us; there can be several."),
        (
            "subscriber",
            "[[subscriber]]",
            "Somebody to be called, besides the well-known numbers; there can be several.",
        ),
        ("burst", "[[burst]]", "Noise on the pair at its time; there can be several."),
    ];
    for (table, title, what) in tables {
        page.control("SH", [title]);
        if !what.is_empty() {
            page.text([roman(what)]);
        }
        KEYS.iter().filter(|k| k.table == table).for_each(|key| describe(&mut page, key));
    }
    page.control("SH", ["BUILT-IN SCENARIOS"]);
    for (name, _) in BUILT_IN {
        page.control("TP", []);
        page.text([bold(name)]);
        // a test loads each of them
        page.text([roman(Scenario::load(name).map_or(String::new(), |s| format!("{}.", capital(&s.about))))]);
    }
    page.control("SH", ["EXAMPLE"]);
    page.control("nf", []);
    for line in EXAMPLE_SCENARIO.lines() {
        page.text([roman(line)]);
    }
    page.control("fi", []);
    page.control("SH", ["SEE ALSO"]);
    page.text([
        bold("tipring"),
        roman("(1), "),
        bold("tipring-exchange"),
        roman("(1), "),
        bold("tipring.toml"),
        roman("(5)"),
    ]);
    in_ascii(&page.render())
}

fn describe(page: &mut Roff, key: &Key) {
    page.control("TP", []);
    page.text([bold(key.name), roman(format!(" = {}", key.value))]);
    page.text([roman(format!("{} Default: {}.", key.about, key.default).replace('`', ""))]);
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |c| c.to_uppercase().chain(chars).collect())
}

const EXAMPLE_SCENARIO: &str = "\
about = \"the first flash is missed, and 5550200 is busy\"

[line]
transfer = \"on-hang-up\"

[pair]
loss_db = 6.0
hum_dbm0 = -45.0

[fault]
flash_ignored = [1]

[[call]]
at_s = 1.0
from = \"5551234\"

[[subscriber]]
number = \"5550200\"
does = \"busy\"";

const DATE: &str = "2026-11-21";

fn uses(example: &str, command: &str) -> bool {
    example.split_whitespace().any(|w| w == command)
}

fn page(command: &clap::Command, examples: &[(&str, &str)]) -> String {
    let mut text = Vec::new();
    // the page has a section of its own for what stands below the help
    let command = command.clone().after_help(Reset).after_long_help(Reset);
    let title = command.get_name().to_uppercase();
    let man =
        Man::new(command.clone()).title(title).date(DATE).source(format!("tipring {}", env!("CARGO_PKG_VERSION")));
    // writing to memory does not fail
    let _ = man.render(&mut text);
    let mut more = Roff::new();
    if command.get_name() == "tipring" {
        more.control("SH", ["PORTS"]);
        more.text([roman("A line is a name from tipring.toml(5), or a port:")]);
        for (port, what) in PORTS {
            more.control("TP", []);
            more.text([bold(*port)]);
            more.text([roman(*what)]);
        }
    }
    if command.get_name() == "tipring" {
        for (section, entries) in [("VALUES", VALUES), ("ENVIRONMENT", ENVIRONMENT), ("FILES", FILES)] {
            more.control("SH", [section]);
            for (name, what) in entries {
                more.control("TP", []);
                more.text([bold(*name)]);
                more.text([roman(*what)]);
            }
        }
    }
    more.control("SH", ["EXIT STATUS"]);
    for exit in Exit::ALL {
        more.control("TP", []);
        more.text([bold(exit.code().to_string())]);
        more.text([roman(exit.meaning())]);
    }
    if !examples.is_empty() {
        more.control("SH", ["EXAMPLES"]);
        for (command, what) in examples {
            more.control("TP", []);
            more.text([bold(*command)]);
            more.text([roman(*what)]);
        }
    }
    more.control("SH", ["SEE ALSO"]);
    let pages = [bold("tipring"), roman("(1), "), bold("tipring.toml"), roman("(5), "), bold("tipring-scenario")];
    more.text(pages.into_iter().chain([roman("(5)")]).collect::<Vec<_>>());
    let _ = more.to_writer(&mut text);
    // an empty line and a break where one of them is enough: mandoc complains of it
    let text = String::from_utf8_lossy(&text).replace("\n.br\n\n.br\n", "\n.sp\n").replace("\n\n.br\n", "\n.sp\n");
    in_ascii(&with_synopsis(&text, &command))
}

/// The page with a synopsis that has the options' values, and says what may be given again.
fn with_synopsis(text: &str, command: &clap::Command) -> String {
    let mut synopsis = Roff::new();
    synopsis.control("SH", ["SYNOPSIS"]);
    synopsis.text(usage(command));
    let (Some((before, _)), Some((_, after))) =
        (text.split_once(".SH SYNOPSIS\n"), text.split_once(".SH DESCRIPTION\n"))
    else {
        return text.to_string();
    };
    format!("{before}{}.SH DESCRIPTION\n{after}", synopsis.to_roff())
}

fn usage(command: &clap::Command) -> Vec<Inline> {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let mut words = vec![bold(name)];
    let (positional, mut options): (Vec<_>, Vec<_>) =
        command.get_arguments().filter(|a| !a.is_hide_set()).partition(|a| a.is_positional());
    // what has to be given stands behind what can be
    options.sort_by_key(|o| o.is_required_set());
    for arg in options.into_iter().chain(positional) {
        let values = arg.get_value_names().map(|v| v.iter().map(|v| v.to_string()).collect::<Vec<_>>().join(" "));
        let values = values.unwrap_or_else(|| arg.get_id().as_str().to_uppercase());
        let takes_values = arg.get_action().takes_values();
        let again = matches!(arg.get_action(), ArgAction::Append | ArgAction::Count);
        let (open, close) = if arg.is_required_set() { ("", "") } else { ("[", "]") };
        words.push(roman(format!(" {open}")));
        let short = arg.get_short().map(|c| format!("-{c}"));
        let long = arg.get_long().map(|l| format!("--{l}"));
        for (i, name) in short.iter().chain(&long).enumerate() {
            words.extend((i > 0).then(|| roman("|")));
            words.push(bold(name));
        }
        if arg.is_positional() {
            words.push(italic(if arg.is_required_set() { format!("<{values}>") } else { values }));
        } else if takes_values {
            words.extend([roman(" "), italic(values)]);
        }
        words.push(roman(format!("{close}{}", if again { "..." } else { "" })));
    }
    if command.has_subcommands() {
        words.push(italic(if command.is_subcommand_required_set() { " <COMMAND>" } else { " [COMMAND]" }));
    }
    words
}

/// Every other character by its number: troff reads bytes, and not everybody runs preconv before it (groff_char(7)).
fn in_ascii(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii() { c.to_string() } else { format!("\\[u{:04X}]", u32::from(c)) }).collect()
}

/// How ports are written.
const PORTS: &[(&str, &str)] = &[
    ("dahdi/N", "Channel N of a DAHDI card, as the kernel numbers them: tipring lines lists them."),
    (
        "sim/CC",
        "A simulated exchange of the country CC: sim/us, sim/gb, ... Its subscribers 5550100 to 5550115 are the same in \
         each country: one answers, one is busy, one never answers, and so on.",
    ),
    (
        "sim/CC?NAME=VALUE&NAME=VALUE",
        "The same with options: seed=N (same seed, same run), scenario=NAME or scenario=FILE (what happens on the line; \
         see tipring-scenario(5)), clock=virtual (as fast as the machine can) or clock=real, speed=N (N times real time). \
         Quote it for the shell.",
    ),
];

/// How arguments are written.
const VALUES: &[(&str, &str)] = &[
    ("DUR", "A duration: 500ms, 20s, 2m, 1h, 1m30s; a bare number is seconds. At most a week."),
    (
        "NUMBER",
        "Digits, * and #, A to D, and a comma for a pause of a second; blanks, dots, dashes, slashes and brackets are not dialled. \
         A + at the beginning becomes the international prefix of the line's country, and its national prefix where the \
         country code is its own: +1 212 555 0100 is dialled as 1 212 555 0100 on sim/us, +44 20 7946 0000 as 011 44 ...",
    ),
    ("TARGET", "A NUMBER, or a name from [contacts] of tipring.toml(5)."),
];

/// What is read of the environment: a test holds it against the sources.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("TIPRING_LINE", "The line, where --line is not given."),
    ("TIPRING_CONFIG", "The configuration file, where --config is not given."),
    ("TIPRING_STATE_DIR", "The directory of the journal of calls."),
    ("TIPRING_RUNTIME_DIR", "The directory of locks and control sockets: the same for all who share lines."),
    ("TIPRING_LOG", "What of the program's own log goes to stderr, as in tipring=debug; instead of -vv."),
    ("XDG_CONFIG_HOME, XDG_STATE_HOME, XDG_RUNTIME_DIR, HOME", "Where the user's own files are: see FILES."),
];

const FILES: &[(&str, &str)] = &[
    (
        "~/.config/tipring/tipring.toml, /etc/tipring/tipring.toml",
        "The configuration: the first that is there. tipring.toml(5) has every key.",
    ),
    (
        "~/.local/state/tipring/journal.db, /var/lib/tipring/journal.db",
        "The journal of calls: a user's, and that of root and the service.",
    ),
    (
        "/run/tipring, /run/user/UID/tipring",
        "Locks and control sockets of lines: LINE.lock, LINE.sock (HTTP and JSON; GET /v1/openapi.json describes it).",
    ),
    ("/var/lock/LCK..NAME", "Locks of programs that know nothing of ours, which are heeded and made."),
];

/// Worked examples: a test runs each of those that need no hardware.
pub const EXAMPLES: &[(&str, &str)] = &[
    ("tipring lines", "What is on this machine, who holds it, and what is wrong with the rest."),
    (
        "tipring --line 'sim/us?clock=virtual' dial 5550101",
        "Call a subscriber who is busy, on the simulated exchange: exit 10, in milliseconds.",
    ),
    ("tipring --line dahdi/1 dial 5551234 --play notice.wav", "Call, play a recording when somebody answers, hang up."),
    (
        "tipring --line 'sim/us?scenario=incoming&clock=virtual' --json answer --transfer-to 5550101,5550102,5550100 --warm",
        "Take a call and move it to the first of three who answers: the first is busy, the second does not answer.",
    ),
    (
        "tipring --line 'sim/us?scenario=incoming&clock=virtual' answer --transfer-to 5550101",
        "The only target is busy: exit 20, and the caller is back on the line.",
    ),
    ("tipring --line dahdi/1 answer --detach", "Take the next call and leave it to a process of its own."),
    ("tipring --line dahdi/1 transfer alice 5551234 --warm", "Move that call to alice of [contacts], else to 5551234."),
    (
        "tipring --line dahdi/1 flash --width 600ms",
        "A hook flash of 600 ms in that call; tells what was heard after it.",
    ),
    ("tipring --line dahdi/1 dtmf 42#", "Digits in that call."),
    ("tipring --line dahdi/1 hold", "A flash, and the recall tone heard: the caller waits."),
    ("tipring --line dahdi/1 dtmf 5551234", "With the caller on hold: call a second party."),
    ("tipring --line dahdi/1 retrieve", "Leave that party, and hear that the caller is there again."),
    ("tipring --line dahdi/1 conference 5551234", "Hold the caller, call 5551234, and bring all three together."),
    (
        "tipring --line dahdi/1 transfer alice --brief 'A call from the shop' --on-fail voicemail=5559000",
        "alice hears who calls and accepts with 1; when she does not, the caller goes to the mailbox.",
    ),
    ("tipring --line dahdi/1 hangup", "End it."),
    (
        "tipring --line 'sim/us?scenario=incoming&clock=virtual' --timeout 20s watch",
        "Ringing and caller ID as they come.",
    ),
    ("tipring decode call.wav --country se --plot call.png", "What is on a recording, as lines and as a picture."),
    ("arecord -r 8000 -f S16_LE | tipring --json decode -", "The same live, as JSON Lines."),
    ("tipring --line 'sim/gb' --dry-run dial 5550100", "The plan of a call: nothing is touched."),
    ("tipring calls", "The latest calls: who, when, what became of them."),
    (
        "tipring calls list --since yesterday --outcome no-answer --outcome interrupted",
        "Whom nobody answered since yesterday, and what was cut short by a crash or a power cut.",
    ),
    ("tipring calls show last", "Parties, notes and every event of the last call."),
    ("tipring calls note k3x9 'wants to be called back'", "A note to the call whose id begins with k3x9."),
    ("echo 'a longer one' | tipring calls note last -", "A note from standard input."),
    ("tipring calls tag last +vip -new", "Puts a tag on the last call, and takes one off."),
    (
        "tipring calls export --since 2026-02-01 --until 2026-02-28 --output february.csv",
        "A month for the spreadsheet; the file is the old one or the new one, never half of it.",
    ),
    ("tipring calls export | jq -r 'select(.direction == \"in\") | .number'", "Who called, one document a line."),
    (
        "tipring calls export --until 400d --output old.csv && tipring calls prune --older-than 400d",
        "What is older goes, into a file and out of the journal; calls with notes or tags stay in it.",
    ),
    ("tipring --dry-run calls prune --older-than 52w --noted", "How many would go, those with notes and tags as well."),
    ("tipring doctor", "What is wrong on this machine, and the line that mends it."),
    (
        "tipring --json doctor | jq -r '.findings[] | select(.status == \"fail\") | .help'",
        "Only the lines that mend what fails.",
    ),
    (
        "tipring completions bash > ~/.local/share/bash-completion/completions/tipring",
        "Completions for bash; for fish: ~/.config/fish/completions/tipring.fish, for zsh: _tipring in a directory of $fpath.",
    ),
    (
        "tipring exchange run --country us --port dahdi/1 --scenario incoming",
        "Be the exchange behind a real FXS port, with the simulator's subscribers.",
    ),
];

const CONFIGURATION: &str = include_str!("tipring.toml.5");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_in_man_are_those_that_the_parser_makes() {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
        let mut expected: Vec<String> = pages().into_iter().map(|(name, _)| name).collect();
        for (name, text) in pages() {
            let there = std::fs::read_to_string(dir.join(&name)).unwrap_or_default();
            assert!(there == text, "man/{name} is not what the parser makes: run `cargo run -- man man`");
        }
        let mut there: Vec<String> =
            std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        expected.sort();
        there.sort();
        assert_eq!(there, expected);
    }

    #[test]
    fn every_page_of_a_command_has_every_exit_code_with_its_meaning() {
        for (name, text) in pages().iter().filter(|(name, _)| name.ends_with(".1")) {
            for exit in Exit::ALL {
                let entry = format!(".TP\n\\fB{}\\fR\n{}\n", exit.code(), exit.meaning().replace('-', "\\-"));
                assert!(text.contains(&entry), "{name}: {entry}");
            }
        }
    }

    #[test]
    fn every_command_has_a_worked_example() {
        for command in crate::cli::parser().get_subcommands().filter(|c| !c.is_hide_set()) {
            let name = command.get_name();
            if !["help", "completions"].contains(&name) {
                assert!(EXAMPLES.iter().any(|(e, _)| uses(e, name)), "{name}");
            }
        }
    }

    #[test]
    fn every_key_of_a_scenario_and_every_built_in_one_is_in_its_page_and_its_example_is_one() {
        let page = scenarios();
        let has = |word: &str| page.contains(&format!("\\fB{}\\fR", word.replace('-', "\\-")));
        assert!(KEYS.iter().chain(SELECTOR_ONLY).all(|k| has(k.name)));
        assert!(BUILT_IN.iter().all(|(name, _)| has(name)));
        Scenario::parse("example", EXAMPLE_SCENARIO).unwrap();
    }

    #[test]
    fn every_key_of_the_configuration_is_in_its_page() {
        for key in crate::config::KEYS {
            assert!(CONFIGURATION.contains(&format!(".B {key}")), "{key}");
        }
    }
}
