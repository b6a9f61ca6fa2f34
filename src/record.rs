//! One line per thing that happened: the journal, `tipring watch`, the script a test plays and the simulator's trace
//! are all this text, so that a user's dropped call becomes a test by copying.
//!
//! ```text
//!     0.000  exchange  ring us
//!     4.000  us        off-hook
//!     9.000  us        flash 600ms
//!     9.800  exchange  tone recall-dial
//! ```

use crate::clock::Time;
use std::fmt;
use std::str::FromStr;

/// Whose doing a line of the record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Actor {
    /// The central office, as far as the line lets us tell, or as the simulator knows.
    Exchange,
    /// Our port: what we did on the pair.
    Us,
    /// What we heard on the pair.
    Heard,
    /// Who calls us.
    Caller,
    /// Whom we call or consult.
    Peer,
    /// A command of a user.
    Cli,
    /// What the call made of it: steps and outcomes.
    Call,
    /// The port's hardware or driver.
    Card,
}

impl Actor {
    const ALL: [Actor; 8] =
        [Actor::Exchange, Actor::Us, Actor::Heard, Actor::Caller, Actor::Peer, Actor::Cli, Actor::Call, Actor::Card];

    pub fn name(self) -> &'static str {
        match self {
            Actor::Exchange => "exchange",
            Actor::Us => "us",
            Actor::Heard => "heard",
            Actor::Caller => "caller",
            Actor::Peer => "peer",
            Actor::Cli => "cli",
            Actor::Call => "call",
            Actor::Card => "card",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub at: Time,
    pub who: Actor,
    pub what: String,
}

impl Record {
    pub fn new(at: Time, who: Actor, what: impl Into<String>) -> Record {
        Record { at, who, what: what.into() }
    }
}

impl Record {
    /// The record as it is kept: numbers masked (the same mask for the same number), names hidden. Times, widths and
    /// levels are shorter than any telephone number and stay; what follows a word for digits is masked at any length,
    /// or a number could be put together again from its digits.
    pub fn masked(&self) -> Record {
        // a name may hold a quotation mark of its own: it ends at the last one
        let name = self.what.find('"').map(|open| open..self.what.rfind('"').map_or(self.what.len(), |end| end + 1));
        let (before, name, after) = match name {
            Some(n) if n.end > n.start + 1 => (&self.what[..n.start], &self.what[n.clone()], &self.what[n.end..]),
            Some(n) => (&self.what[..n.start], &self.what[n.start..], ""),
            None => (self.what.as_str(), "", ""),
        };
        let hidden: String = name.chars().map(|c| if matches!(c, '"' | ' ') { c } else { 'x' }).collect();
        let what = format!("{}{hidden}{}", mask_words(before), mask_words(after));
        Record { at: self.at, who: self.who, what }
    }
}

/// Words after which every digit is one that was dialled.
const DIGITS_FOLLOW: [&str; 4] = ["digit", "dial", "dtmf", "digits"];

fn mask_words(text: &str) -> String {
    let mut masked = String::new();
    let mut last = "";
    for word in text.split_inclusive(' ') {
        let bare = word.trim_end();
        let dialled = bare.chars().all(|c| c.is_ascii_digit() || matches!(c, '*' | '#' | ',' | '+' | 'A'..='D'));
        if DIGITS_FOLLOW.contains(&last) && dialled && !bare.is_empty() {
            let short = bare.chars().filter(char::is_ascii_digit).count() < 5;
            let hide = |c: char| if c == ',' { c } else { 'x' };
            let hidden: String = if short { bare.chars().map(hide).collect() } else { crate::number::mask(bare) };
            masked.push_str(&hidden);
            masked.push_str(&word[bare.len()..]);
        } else {
            masked.push_str(&mask_long_numbers(word));
        }
        last = bare;
    }
    masked
}

fn mask_long_numbers(word: &str) -> String {
    let (mut masked, mut digits) = (String::new(), String::new());
    for c in word.chars().chain(['\n']) {
        if c.is_ascii_digit() || matches!(c, '*' | '#' | '+') {
            digits.push(c);
            continue;
        }
        let number = digits.chars().filter(char::is_ascii_digit).count() >= 5;
        masked.push_str(&if number { crate::number::mask(&digits) } else { std::mem::take(&mut digits) });
        digits.clear();
        if c != '\n' {
            masked.push(c);
        }
    }
    masked
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>9}  {:<8}  {}", self.at, self.who.name(), crate::error::printable(&self.what))
    }
}

impl FromStr for Record {
    type Err = String;

    fn from_str(line: &str) -> Result<Record, String> {
        let mut words = line.trim().splitn(3, char::is_whitespace);
        let (Some(at), Some(rest)) = (words.next(), line.trim().split_once(char::is_whitespace)) else {
            return Err("a record is: seconds, who, what".into());
        };
        let (who, what) = rest.1.trim_start().split_once(char::is_whitespace).unwrap_or((rest.1.trim(), ""));
        let who = Actor::ALL
            .into_iter()
            .find(|a| a.name() == who)
            .ok_or_else(|| format!("nobody here is called `{}`", crate::error::printable(who)))?;
        Ok(Record { at: parse_seconds(at)?, who, what: what.trim().to_string() })
    }
}

fn parse_seconds(text: &str) -> Result<Time, String> {
    let bad = || format!("`{}` is not a time in seconds", crate::error::printable(text));
    let (s, frac) = text.split_once('.').unwrap_or((text, ""));
    let digits = |t: &str| t.chars().all(|c| c.is_ascii_digit());
    if s.is_empty() || s.len() > 9 || frac.len() > 6 || !digits(s) || !digits(frac) {
        return Err(bad());
    }
    let s: u64 = s.parse().map_err(|_| bad())?;
    let us: u64 = format!("{frac:0<6}").parse().map_err(|_| bad())?;
    Ok(Time::us(s * 1_000_000 + us))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_record_prints_in_columns_and_reads_back() {
        let r = Record::new(Time::ms(9_800), Actor::Exchange, "tone recall-dial");
        assert_eq!(r.to_string(), "    9.800  exchange  tone recall-dial");
        assert_eq!(r.to_string().parse::<Record>().unwrap(), r);
    }

    #[test]
    fn a_kept_record_shows_neither_numbers_nor_names() {
        let r = |what: &str| Record::new(Time::ZERO, Actor::Call, what).masked().what;
        assert_eq!(
            r("answer heard caller ID 5551234 \"ALICE EXAMPLE\""),
            "answer heard caller ID xxxxx34 \"xxxxx xxxxxxx\""
        );
        assert_eq!(r("dial +4687654321 heard busy"), "dial xxxxxxxxx21 heard busy");
        assert_eq!(r("flash 600ms"), "flash 600ms");
        assert_eq!(r("tone dial since 12.345"), "tone dial since 12.345");
    }

    proptest! {
        #[test]
        fn no_text_panics_the_record_parser(text in ".*") {
            let _ = text.parse::<Record>();
        }

        #[test]
        fn records_print_and_parse_back(ms in 0u64..100_000_000, what in "[a-z0-9-]{1,8}( [a-z0-9]{1,8}){0,3}") {
            let r = Record::new(Time::ms(ms), Actor::Peer, what);
            prop_assert_eq!(r.to_string().parse::<Record>().unwrap(), r);
        }
    }
}
