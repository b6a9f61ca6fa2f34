//! Values that a shell may offer, although others are taken too: the command itself says what is wrong with one.

use crate::facts::Facts;
use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::error::ErrorKind;
use std::ffi::OsStr;
use std::str::FromStr;

/// The countries of the facts; a user's own facts may have more.
pub fn countries() -> Suggested<String> {
    Suggested::new(Facts::embedded().codes())
}

/// Words for a value that is parsed, or checked, as it always was.
#[derive(Clone, Debug)]
pub struct Suggested<T> {
    words: Vec<String>,
    of: std::marker::PhantomData<fn() -> T>,
}

impl<T> Suggested<T> {
    pub fn new(words: impl IntoIterator<Item = impl Into<String>>) -> Suggested<T> {
        Suggested { words: words.into_iter().map(Into::into).collect(), of: std::marker::PhantomData }
    }
}

impl<T> TypedValueParser for Suggested<T>
where
    T: FromStr + Clone + Send + Sync + 'static,
    T::Err: std::fmt::Display,
{
    type Value = T;

    fn parse_ref(&self, cmd: &clap::Command, arg: Option<&clap::Arg>, value: &OsStr) -> Result<T, clap::Error> {
        let text = StringValueParser::new().parse_ref(cmd, arg, value)?;
        text.parse().map_err(|e| {
            let name = arg.map_or_else(String::new, |a| format!(" for '{a}'"));
            let text = format!("invalid value '{text}'{name}: {e}\n\nFor more information, try '--help'.\n");
            clap::Error::raw(ErrorKind::ValueValidation, text).with_cmd(cmd)
        })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.words.iter().map(PossibleValue::new)))
    }
}
