//! A command line that cannot be understood, told as every error is: what, why, what to do next.

use crate::error::{Error, Exit};
use crate::output::Style;
use clap::error::ErrorKind;
use std::ffi::OsString;

/// The parser's own words, which are a paragraph, at times tips, and at times how the command is used.
pub fn error(e: &clap::Error, arguments: impl Iterator<Item = OsString>) -> Error {
    if e.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let named = named(arguments.skip(1));
        let why = format!("`{named}` is not a whole command");
        return Error::new(Exit::Usage, "cannot read this command line", why, format!("see `{named} --help`"));
    }
    let text = e.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let mut paragraphs = text.split("\n\n");
    let why = joined(paragraphs.next().unwrap_or_default());
    let mut next = Vec::new();
    // where the parser does not say how it is used, the words that are commands tell
    let mut help = format!("{} --help", named(arguments.skip(1)));
    for paragraph in paragraphs {
        let paragraph = paragraph.trim();
        if let Some(usage) = paragraph.strip_prefix("Usage: ") {
            help = format!("{} --help", command_of(usage));
            next.push(format!("usage: {}", joined(usage)));
        } else if !paragraph.starts_with("For more information") {
            next.push(
                joined(paragraph).trim_start_matches("tip: ").trim_start_matches('[').trim_end_matches(']').to_string(),
            );
        }
    }
    next.push(format!("see `{help}`"));
    Error::new(Exit::Usage, "cannot read this command line", why, next.join("; "))
}

/// The command that these arguments name, with those above it.
fn named(arguments: impl Iterator<Item = OsString>) -> String {
    let mut parser = super::parser();
    let mut name = String::from("tipring");
    for argument in arguments.take_while(|a| a != "--") {
        if let Some(below) = parser.find_subcommand(&argument).cloned() {
            name = format!("{name} {}", below.get_name());
            parser = below;
        }
    }
    name
}

/// The words before the first argument or option.
fn command_of(usage: &str) -> String {
    let words = usage.split_whitespace();
    words.take_while(|w| w.chars().all(|c| c.is_ascii_lowercase())).collect::<Vec<_>>().join(" ")
}

fn joined(paragraph: &str) -> String {
    paragraph.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How errors are wanted, of arguments that were not understood.
pub fn style(arguments: impl Iterator<Item = OsString>) -> Style {
    let json = arguments.take_while(|a| a != "--").any(|a| a == "--json");
    Style { json, quiet: false, verbose: 0 }
}
