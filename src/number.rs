//! What is dialled and who calls: parsed once, safe to send afterwards, printed masked.
//!
//! A [`DialString`] holds nothing but the sixteen DTMF digits and pauses, so no caller, file or script can smuggle a
//! command into an AT line, a kernel dial string or a terminal through it. Digits may be a PIN: `Debug` and the journal
//! show a mask, the same mask for the same number, so that a masked journal still tells one number from another.

use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// One of the sixteen DTMF signals (ITU-T Q.23).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digit(u8);

impl Digit {
    /// All of them, in the keypad's order: row by row.
    pub const KEYPAD: [u8; 16] = *b"123A456B789C*0#D";

    pub fn new(c: char) -> Option<Digit> {
        let b = u8::try_from(c).ok()?.to_ascii_uppercase();
        Digit::KEYPAD.contains(&b).then_some(Digit(b))
    }

    /// The key at (row, column) of the keypad: 697…941 Hz by 1209…1633 Hz.
    pub fn at(row: usize, column: usize) -> Digit {
        Digit(Digit::KEYPAD[(row & 3) * 4 + (column & 3)])
    }

    /// Row and column on the keypad.
    pub fn position(self) -> (usize, usize) {
        let i = Digit::KEYPAD.iter().position(|&k| k == self.0).unwrap_or(0);
        (i / 4, i % 4)
    }

    pub fn as_char(self) -> char {
        char::from(self.0)
    }

    /// How many breaks dial this digit in pulses: 1…9, ten for 0. `*`, `#` and A…D cannot be pulsed.
    pub fn pulses(self) -> Option<u8> {
        match self.0 {
            b'0' => Some(10),
            b'1'..=b'9' => Some(self.0 - b'0'),
            _ => None,
        }
    }
}

impl fmt::Display for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_char())
    }
}

impl fmt::Debug for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digit")
    }
}

/// One step of dialling.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum DialStep {
    Digit(Digit),
    /// `,` – wait one second, as modems do.
    Pause,
}

/// Digits to be sent, at most [`DialString::MAX`] steps.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DialString(Vec<DialStep>);

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NumberError {
    #[error("it is empty")]
    Empty,
    #[error("no contact is called that, and it is no number")]
    NoSuchName,
    #[error("it has {0} digits, and no exchange takes more than {max}", max = DialString::MAX)]
    TooLong(usize),
    #[error("{0} at position {1} cannot be dialled")]
    NotDialable(String, usize),
    #[error("`+` is only understood at the beginning")]
    PlusInside,
    #[error("`+` needs the line's international prefix, which is not known here")]
    NoInternationalPrefix,
    #[error("a country code alone is no number")]
    CountryAlone,
}

/// What is dialled for a `+` on one line: it is not dialled itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plus<'a> {
    /// `011`, `00`.
    pub international_prefix: Option<&'a str>,
    /// The line's own country code (E.164), and what goes in its place at home: `1` and `1`, `44` and `0`, `39` and nothing.
    pub home: Option<(&'a str, &'a str)>,
}

impl Plus<'_> {
    fn dialled(self, steps: &[DialStep]) -> Result<Vec<DialStep>, NumberError> {
        let digits = |text: &str| text.chars().filter_map(Digit::new).map(DialStep::Digit).collect::<Vec<_>>();
        let home = self.home.and_then(|(code, prefix)| Some((steps.strip_prefix(&digits(code)[..])?, prefix)));
        let (rest, prefix) = match home {
            Some((rest, prefix)) if !rest.is_empty() => (rest, prefix),
            Some(_) => return Err(NumberError::CountryAlone),
            None => (steps, self.international_prefix.ok_or(NumberError::NoInternationalPrefix)?),
        };
        let mut all = digits(prefix);
        all.extend_from_slice(rest);
        Ok(all)
    }
}

impl DialString {
    /// DAHDI's dial string holds 255 characters; no number plan needs more than this.
    pub const MAX: usize = 64;

    pub fn steps(&self) -> &[DialStep] {
        &self.0
    }

    pub fn digits(&self) -> impl Iterator<Item = Digit> + '_ {
        self.0.iter().filter_map(|s| match s {
            DialStep::Digit(d) => Some(*d),
            DialStep::Pause => None,
        })
    }

    /// The characters that go on the wire. Not for logs: use `Display`, which masks.
    pub fn reveal(&self) -> String {
        self.0
            .iter()
            .map(|s| match s {
                DialStep::Digit(d) => d.as_char(),
                DialStep::Pause => ',',
            })
            .collect()
    }

    /// Parses what people write.
    pub fn parse(text: &str, plus: Plus<'_>) -> Result<DialString, NumberError> {
        if text.trim().trim_start_matches('+').trim().is_empty() {
            return Err(NumberError::Empty);
        }
        // +44 (0)20: the digit in brackets is the one that is dialled at home only, and the home's prefix brings it
        let bracketed =
            if text.trim_start().starts_with('+') { text.replacen("(0)", "   ", 1) } else { text.to_string() };
        let text = bracketed.as_str();
        let (mut steps, mut is_international) = (Vec::new(), false);
        for (i, c) in text.trim().chars().enumerate() {
            match c {
                // people write numbers with these; nothing is dialled for them
                ' ' | '-' | '.' | '/' | '(' | ')' => {}
                ',' => steps.push(DialStep::Pause),
                '+' if !steps.is_empty() || is_international => return Err(NumberError::PlusInside),
                '+' => is_international = true,
                c => match Digit::new(c) {
                    Some(d) => steps.push(DialStep::Digit(d)),
                    None => {
                        // escape_debug: the offender may be a control character, and this text reaches a terminal
                        return Err(NumberError::NotDialable(format!("`{}`", c.escape_debug()), i + 1));
                    }
                },
            }
            if steps.len() > DialString::MAX {
                return Err(NumberError::TooLong(text.chars().filter(|c| !c.is_whitespace()).count()));
            }
        }
        if !steps.iter().any(|s| matches!(s, DialStep::Digit(_))) {
            return Err(NumberError::Empty);
        }
        if is_international {
            steps = plus.dialled(&steps)?;
            if steps.len() > DialString::MAX {
                return Err(NumberError::TooLong(steps.len()));
            }
        }
        Ok(DialString(steps))
    }
}

impl FromStr for DialString {
    type Err = NumberError;
    fn from_str(s: &str) -> Result<Self, NumberError> {
        DialString::parse(s, Plus::default())
    }
}

impl FromIterator<Digit> for DialString {
    fn from_iter<I: IntoIterator<Item = Digit>>(digits: I) -> Self {
        DialString(digits.into_iter().take(DialString::MAX).map(DialStep::Digit).collect())
    }
}

impl fmt::Display for DialString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask(&self.reveal()))
    }
}

impl fmt::Debug for DialString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DialString({self})")
    }
}

/// A number that the network sent (caller ID): kept as sent, printed masked, revealed on purpose.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PartyNumber(String);

impl PartyNumber {
    /// Keeps digits, `+`, `*` and `#`; a network may send anything, and this ends on terminals and in scripts.
    pub fn from_network(bytes: &[u8]) -> Option<PartyNumber> {
        let kept: String = bytes
            .iter()
            .map(|&b| char::from(b))
            .filter(|c| c.is_ascii_digit() || matches!(c, '+' | '*' | '#'))
            .take(32)
            .collect();
        (!kept.is_empty()).then_some(PartyNumber(kept))
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PartyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask(&self.0))
    }
}

impl fmt::Debug for PartyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PartyNumber({self})")
    }
}

/// The mask of a number: its length is kept and so are its last two signs when there are at least five digits; the rest are
/// crosses. Short strings (codes, PINs, with or without a `#` after them) are hidden whole.
pub fn mask(number: &str) -> String {
    let n = number.chars().count();
    let digits = number.chars().filter(char::is_ascii_digit).count();
    number
        .chars()
        .enumerate()
        .map(|(i, c)| match c {
            ',' => ',',
            _ if digits >= 5 && i + 2 >= n => c,
            _ => 'x',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_short_code_is_masked_whole_with_what_ends_it() {
        assert_eq!((mask("4711#").as_str(), mask("5550100").as_str()), ("xxxxx", "xxxxx00"));
    }

    #[test]
    fn people_may_write_numbers_with_spaces_and_brackets() {
        assert_eq!("(555) 010-0".parse::<DialString>().unwrap().reveal(), "5550100");
        assert_eq!("0,*21#".parse::<DialString>().unwrap().reveal(), "0,*21#");
    }

    #[test]
    fn a_plus_is_dialled_as_the_international_prefix_and_as_the_national_one_at_home() {
        const ABROAD: Plus<'_> = Plus { international_prefix: Some("00"), home: None };
        let us = Plus { international_prefix: Some("011"), home: Some(("1", "1")) };
        let it = Plus { international_prefix: Some("00"), home: Some(("39", "")) };
        let gb = Plus { home: Some(("44", "0")), ..it };
        let dialled = |text: &str, plus| DialString::parse(text, plus).unwrap().reveal();
        assert_eq!(dialled("+1 (212) 555-0100", us), "12125550100");
        assert_eq!(dialled("+44 20 7946 0000", us), "011442079460000");
        assert_eq!(dialled("+44 20 7946 0000", gb), "02079460000");
        assert_eq!(dialled("+39 06 1234", it), "061234");
        assert_eq!(dialled("+390", it), "0");
        assert_eq!(DialString::parse("+39", it), Err(NumberError::CountryAlone));
        assert_eq!(dialled("+44 (0)20 7946 0000", gb), "02079460000");
        assert_eq!(dialled("+44 (0)20 7946 0000", us), "011442079460000");
        assert_eq!(dialled("(0)20 7946 0000", gb), "02079460000");
        assert_eq!(DialString::parse("+46 8 123", ABROAD).unwrap().reveal(), "00468123");
        assert_eq!(DialString::parse("+46", Plus::default()), Err(NumberError::NoInternationalPrefix));
        assert_eq!(DialString::parse("0+46", ABROAD), Err(NumberError::PlusInside));
    }

    #[test]
    fn nothing_but_digits_reaches_the_line() {
        for hostile in ["5551234;ATH", "555\r\nATZ", "555\0", "５５５", "$(reboot)", "555x"] {
            assert!(matches!(hostile.parse::<DialString>(), Err(NumberError::NotDialable(..))), "{hostile:?}");
        }
        assert_eq!("".parse::<DialString>(), Err(NumberError::Empty));
        assert_eq!(",,".parse::<DialString>(), Err(NumberError::Empty));
        assert!(matches!("1".repeat(65).parse::<DialString>(), Err(NumberError::TooLong(65))));
    }

    #[test]
    fn numbers_print_masked_with_their_last_two_digits() {
        let n: DialString = "5550123".parse().unwrap();
        assert_eq!(n.to_string(), "xxxxx23");
        assert_eq!(format!("{n:?}"), "DialString(xxxxx23)");
        assert_eq!("1234".parse::<DialString>().unwrap().to_string(), "xxxx");
    }

    proptest! {
        #[test]
        fn no_text_panics_the_parser_and_what_parses_prints_back(text in ".*") {
            if let Ok(n) = text.parse::<DialString>() {
                prop_assert_eq!(n.reveal().parse::<DialString>().unwrap(), n);
            }
        }
    }
}
