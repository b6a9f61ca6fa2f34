//! The values of a scenario, each with its limits: out of them is an error with a line number.

use crate::event::ToneKind;
use crate::number::Digit;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use std::time::Duration;

/// Digits of a telephone number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number(pub String);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Number, D::Error> {
        let text = String::deserialize(d)?;
        let fits = !text.is_empty() && text.len() <= 20 && text.chars().all(|c| Digit::new(c).is_some());
        if fits { Ok(Number(text)) } else { Err(D::Error::custom("a number has 1 to 20 digits and nothing else")) }
    }
}

/// A caller's name: what fits into a caller-ID message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerName(pub String);

impl<'de> Deserialize<'de> for CallerName {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<CallerName, D::Error> {
        let text = String::deserialize(d)?;
        let fits = !text.is_empty() && text.chars().count() <= 50 && !text.chars().any(char::is_control);
        if fits { Ok(CallerName(text)) } else { Err(D::Error::custom("a name has 1 to 50 printable characters")) }
    }
}

/// A quantity with its limits.
macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident($inner:ty) from $raw:ty, $what:literal, $lo:expr, $hi:expr, |$v:ident| $make:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name(pub $inner);

        impl $name {
            /// Within its limits, or what is wanted instead.
            pub fn new($v: $raw) -> Result<$name, String> {
                if !($lo..=$hi).contains(&$v) {
                    return Err(format!("{} from {} to {} is wanted", $what, $lo, $hi));
                }
                Ok($name($make))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<$name, D::Error> {
                $name::new(<$raw>::deserialize(d)?).map_err(D::Error::custom)
            }
        }
    };
}

quantity!(Seconds(Duration) from f64, "a number of seconds", 0.0, 86_400.0, |v| Duration::from_millis((v * 1000.0).round() as u64));
quantity!(Millis(Duration) from u64, "a number of milliseconds", 0, 600_000, |v| Duration::from_millis(v));
quantity!(Count(u32) from u32, "a count", 0, 1000, |v| v);
quantity!(Decibels(f32) from f32, "a level or loss in decibels", -120.0, 120.0, |v| v);
quantity!(PerMinute(f32) from f32, "a number of times in a minute", 0.0, 600.0, |v| v);
quantity!(
    /// In milliseconds in the file, in samples here.
    EchoDelay(usize) from f32, "a delay in milliseconds", 0.0, 64.0, |v| (v * 8.0).round() as usize
);
quantity!(
    /// Likewise; half a second is a satellite and back.
    Delay(usize) from f32, "a delay in milliseconds", 0.0, 500.0, |v| (v * 8.0).round() as usize
);
quantity!(ToneLevel(f32) from f32, "a change of level in decibels", -40.0, 10.0, |v| v);
quantity!(FrequencyError(f32) from f32, "an error of frequency in percent", -20.0, 20.0, |v| v);
quantity!(CadenceError(f32) from f32, "an error of cadence in percent", -60.0, 100.0, |v| v);

/// 50 or 60.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HumHz(pub u8);

impl HumHz {
    pub fn new(hz: u8) -> Result<HumHz, String> {
        if matches!(hz, 50 | 60) { Ok(HumHz(hz)) } else { Err("mains hum has 50 or 60 Hz".into()) }
    }
}

impl<'de> Deserialize<'de> for HumHz {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<HumHz, D::Error> {
        HumHz::new(u8::deserialize(d)?).map_err(D::Error::custom)
    }
}

/// A tone by its name in the trace: `busy`, `recall-dial`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToneName(pub ToneKind);

impl<'de> Deserialize<'de> for ToneName {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<ToneName, D::Error> {
        let text = String::deserialize(d)?;
        ToneKind::ALL.into_iter().find(|k| k.name() == text).map(ToneName).ok_or_else(|| {
            let known: Vec<&str> = ToneKind::ALL.iter().map(|k| k.name()).collect();
            D::Error::custom(format!("a tone is one of {}", known.join(", ")))
        })
    }
}

/// Which of several, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ordinal(pub u32);

impl<'de> Deserialize<'de> for Ordinal {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Ordinal, D::Error> {
        match u32::deserialize(d)? {
            n @ 1..=1000 => Ok(Ordinal(n)),
            _ => Err(D::Error::custom("they are counted from 1 to 1000")),
        }
    }
}

/// A list that says something: an empty one would be as good as none, and is a slip of the pen.
#[derive(Clone, Debug, PartialEq)]
pub struct NonEmpty<T>(pub Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for NonEmpty<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<NonEmpty<T>, D::Error> {
        let list = Vec::deserialize(d)?;
        if list.is_empty() {
            return Err(D::Error::custom("the list is empty: name at least one, or leave the key out"));
        }
        Ok(NonEmpty(list))
    }
}
