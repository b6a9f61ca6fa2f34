//! Manual pages, generated from the parser so that they cannot disagree with it, with exit codes and worked examples.

use crate::error::Exit;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

/// Every page: file name and roff text.
pub fn pages() -> Vec<(String, String)> {
    let parser = super::parser().disable_help_subcommand(true);
    let mut pages = vec![("tipring.1".to_string(), page(&parser, EXAMPLES))];
    for command in parser.get_subcommands().filter(|c| !c.is_hide_set()) {
        let examples: Vec<(&str, &str)> =
            EXAMPLES.iter().copied().filter(|(c, _)| uses(c, command.get_name())).collect();
        let name = format!("tipring-{}", command.get_name());
        let titled = command.clone().name(clap::builder::Str::from(name.clone()));
        pages.push((format!("{name}.1"), page(&titled, &examples)));
    }
    pages.push(("tipring.toml.5".to_string(), CONFIGURATION.to_string()));
    pages
}

fn uses(example: &str, command: &str) -> bool {
    example.split_whitespace().any(|w| w == command)
}

fn page(command: &clap::Command, examples: &[(&str, &str)]) -> String {
    let mut text = Vec::new();
    let man = Man::new(command.clone()).date("2026-11-21").source(format!("tipring {}", env!("CARGO_PKG_VERSION")));
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
    more.control("SH", ["EXIT STATUS"]);
    for exit in Exit::ALL.into_iter().filter(|e| !e.is_reserved()) {
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
    more.text([bold("tipring"), roman("(1), "), bold("tipring.toml"), roman("(5)")]);
    let _ = more.to_writer(&mut text);
    String::from_utf8_lossy(&text).into_owned()
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
         see tipring.toml(5)), clock=virtual (as fast as the machine can) or clock=real, speed=N (N times real time). \
         Quote it for the shell.",
    ),
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
    ("tipring --line dahdi/1 hangup", "End it."),
    (
        "tipring --line 'sim/us?scenario=incoming&clock=virtual' --timeout 20s watch",
        "Ringing and caller ID as they come.",
    ),
    ("tipring decode call.wav --country se --plot call.png", "What is on a recording, as lines and as a picture."),
    ("arecord -r 8000 -f S16_LE | tipring --json decode -", "The same live, as JSON Lines."),
    ("tipring --line 'sim/gb' --dry-run dial 5550100", "The plan of a call: nothing is touched."),
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
    fn every_command_has_a_worked_example() {
        for command in crate::cli::parser().get_subcommands().filter(|c| !c.is_hide_set()) {
            let name = command.get_name();
            if !["help", "completions"].contains(&name) {
                assert!(EXAMPLES.iter().any(|(e, _)| uses(e, name)), "{name}");
            }
        }
    }

    #[test]
    fn every_key_of_the_configuration_is_in_its_page() {
        for key in crate::config::KEYS {
            assert!(CONFIGURATION.contains(&format!(".B {key}")), "{key}");
        }
    }
}
