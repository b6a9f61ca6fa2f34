//! Scenario files: who calls us, who can be called, what the line is like, and what is wrong with it.
//!
//! ```toml
//! [line]                        # what the subscriber of this line gets; all keys have the country's defaults
//! transfer = "on-hang-up"       # or "explicit" (R4), or "none": hanging up drops everybody
//! flash_service = true          # false: a hook flash does nothing
//! busy_hangup = "drop"            # or "recall": what hanging up does with a held party that cannot be connected
//! forward_disconnect_ms = 500   # 0: none, the disconnect tone instead
//!
//! [pair]
//! loss_db = 3.0
//! noise_dbm0 = -70.0
//!
//! [fault]
//! dial_tone_delay_ms = 4000
//!
//! [[call]]
//! at_s = 1.0
//! from = "5551234"
//! name = "ALICE EXAMPLE"
//!
//! [[subscriber]]
//! number = "5550200"
//! does = "speaks"
//! rings = 3
//! ```
//!
//! Unknown keys are errors. Values are checked as they are read, so that every complaint has its line.

use super::local_loop::{Hum, Pair};
use crate::error::{Error, Exit};
use crate::number::Digit;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use std::path::Path;
use std::time::Duration;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// One line for people.
    #[serde(default)]
    pub about: String,
    #[serde(default)]
    pub line: LineOptions,
    #[serde(default)]
    pub pair: PairOptions,
    #[serde(default)]
    pub fault: Faults,
    #[serde(default, rename = "call")]
    pub calls: Vec<CallToUs>,
    #[serde(default, rename = "subscriber")]
    pub subscribers: Vec<Subscriber>,
}

/// What the line's subscriber has and has not. Absent keys are the country's.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineOptions {
    pub transfer: Option<TransferClass>,
    pub flash_service: Option<bool>,
    pub busy_hangup: Option<BusyHangup>,
    /// Whether a call may be left while the target still rings.
    pub while_ringing: Option<bool>,
    /// A cold-transferred target that does not answer for so long brings the held party back to us.
    pub recall_after_s: Option<Seconds>,
    /// 0: none.
    pub forward_disconnect_ms: Option<Millis>,
    pub dial_tone_delay_ms: Option<Millis>,
    pub first_digit_s: Option<Seconds>,
    pub inter_digit_s: Option<Seconds>,
    pub caller_id: Option<bool>,
    /// Stutter dial tone: something is waiting, or set.
    pub stutter: Option<bool>,
    /// Real FXS ports: a lone pulse "1" in a call is taken as recall (see [`super::LineInput::PulseDigit`]).
    pub pulse_one_is_recall: Option<bool>,
}

/// How a call is handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransferClass {
    /// Hanging up connects the other two.
    OnHangUp,
    /// Only R4 does (ETSI explicit call transfer).
    Explicit,
    /// The three-way call dies with our hang-up.
    None,
}

/// What becomes of a held party when we hang up and there is nobody to connect it to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BusyHangup {
    /// It is dropped: measured with Asterisk.
    Drop,
    /// We are rung, and answering brings it back.
    Recall,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairOptions {
    pub loss_db: Option<Decibels>,
    pub noise_dbm0: Option<Decibels>,
    pub hum_hz: Option<HumHz>,
    pub hum_dbm0: Option<Decibels>,
    pub echo_loss_db: Option<Decibels>,
    pub echo_delay_ms: Option<EchoDelay>,
}

impl PairOptions {
    /// `self` where it says something, else `below`.
    pub fn apply(&self, below: Pair) -> Pair {
        let hum = self.hum_hz.map(|hz| Hum { hz: hz.0, dbm0: self.hum_dbm0.map_or(-45.0, |d| d.0) });
        let hum = hum.or_else(|| below.hum.map(|h| Hum { dbm0: self.hum_dbm0.map_or(h.dbm0, |d| d.0), ..h }));
        Pair {
            loss_db: self.loss_db.map_or(below.loss_db, |d| d.0),
            noise_dbm0: self.noise_dbm0.map_or(below.noise_dbm0, |d| d.0),
            hum,
            echo_loss_db: self.echo_loss_db.map_or(below.echo_loss_db, |d| d.0),
            echo_delay_samples: self.echo_delay_ms.map_or(below.echo_delay_samples, |d| d.0),
        }
    }
}

/// What is wrong with the line or the exchange.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Faults {
    /// The exchange's recall window is not the country's.
    pub recall_min_ms: Option<Millis>,
    pub recall_max_ms: Option<Millis>,
    /// Dial tone comes so much later.
    pub dial_tone_delay_ms: Option<Millis>,
    pub recall_tone_delay_ms: Option<Millis>,
    #[serde(default)]
    pub no_dial_tone: bool,
    #[serde(default)]
    pub no_recall_tone: bool,
    #[serde(default)]
    pub no_forward_disconnect: bool,
    /// The exchange's battery fails.
    pub battery_lost_at_s: Option<Seconds>,
    /// For so long; without it, for good.
    pub battery_lost_ms: Option<Millis>,
    /// The pair is cut, or pulled out of the wall.
    pub unplugged_at_s: Option<Seconds>,
    pub plugged_in_after_s: Option<Seconds>,
    /// The card or adapter itself goes away.
    pub device_removed_at_s: Option<Seconds>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallToUs {
    pub at_s: Seconds,
    pub from: Number,
    pub name: Option<CallerName>,
    /// The caller's identity is not shown.
    #[serde(default)]
    pub withheld: bool,
    /// Hangs up when not answered within so many rings.
    #[serde(default = "twelve")]
    pub rings: Count,
    /// Hangs up after so long on hold; without it, waits.
    pub patience_s: Option<Seconds>,
    #[serde(default)]
    pub says: Says,
    /// Hangs up so long after we answered.
    pub hangs_up_after_s: Option<Seconds>,
}

fn twelve() -> Count {
    Count(12)
}

/// What a caller does when answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Says {
    /// Talks, in spurts, waiting for answers in between.
    #[default]
    Talks,
    Nothing,
    /// Sends a calling fax's tone.
    Fax,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscriber {
    pub number: Number,
    pub does: Does,
    /// Answers after so many rings.
    pub rings: Option<Count>,
    /// Answers after so long.
    pub answers_after_s: Option<Seconds>,
    pub hangs_up_after_s: Option<Seconds>,
}

/// What a subscriber does when called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Does {
    Speaks,
    Busy,
    NeverAnswers,
    Rejects,
    NotInService,
    Congestion,
    AnsweringMachine,
    Fax,
    TestTone,
    CallsBack,
    EchoTest,
    Quiet,
    /// Hears somebody speak, waits for the pause, presses 1.
    Accepts,
    /// Likewise, and presses 2.
    Refuses,
}

/// The built-in scenarios: name and text.
pub const BUILT_IN: [(&str, &str); 7] = [
    ("idle", include_str!("../../data/scenarios/idle.toml")),
    ("incoming", include_str!("../../data/scenarios/incoming.toml")),
    ("busy-target", include_str!("../../data/scenarios/busy-target.toml")),
    ("impatient-caller", include_str!("../../data/scenarios/impatient-caller.toml")),
    ("no-flash-service", include_str!("../../data/scenarios/no-flash-service.toml")),
    ("three-way-dies", include_str!("../../data/scenarios/three-way-dies.toml")),
    ("recalls", include_str!("../../data/scenarios/recalls.toml")),
];

impl Scenario {
    /// A built-in scenario by its name, or a file: what has a slash or ends in `.toml`.
    pub fn load(name: &str) -> Result<Scenario, Error> {
        if let Some((_, text)) = BUILT_IN.iter().find(|(n, _)| *n == name) {
            return Scenario::parse(name, text);
        }
        if !name.contains('/') && !name.ends_with(".toml") {
            let known: Vec<&str> = BUILT_IN.iter().map(|(n, _)| *n).collect();
            return Err(Error::new(
                Exit::Config,
                format!("there is no scenario `{name}`"),
                format!("the built-in ones are {}", known.join(", ")),
                "name one of them, or a file: ./my.toml",
            ));
        }
        let text = crate::input::text(Path::new(name)).map_err(|e| {
            Error::new(
                Exit::Config,
                format!("cannot read the scenario {name}"),
                e.to_string(),
                "check the path: it is taken from the current directory",
            )
        })?;
        Scenario::parse(name, &text)
    }

    /// `name` is only for what is said of mistakes.
    pub fn parse(name: &str, text: &str) -> Result<Scenario, Error> {
        let bad = |line: Option<usize>, why: String| {
            let place = line.map_or_else(|| format!("scenario {name}"), |l| format!("scenario {name}, line {l}"));
            Error::new(
                Exit::Config,
                format!("{place}: cannot be used"),
                why,
                "mend that line; the keys are those of the built-in scenarios and their description in the manual",
            )
        };
        let scenario: Scenario = toml::from_str(text).map_err(|e| {
            let line = e.span().map(|s| text[..s.start.min(text.len())].matches('\n').count() + 1);
            bad(line, e.message().trim().replace('\n', ", "))
        })?;
        scenario.check().map_err(|why| bad(None, why))?;
        Ok(scenario)
    }

    /// What no single value shows.
    fn check(&self) -> Result<(), String> {
        for (i, s) in self.subscribers.iter().enumerate() {
            if self.subscribers[..i].iter().any(|t| t.number == s.number) {
                return Err(format!("two subscribers have the number {}", s.number.0));
            }
            if s.rings.is_some() && s.answers_after_s.is_some() {
                return Err(format!("subscriber {} has both `rings` and `answers_after_s`", s.number.0));
            }
        }
        let f = &self.fault;
        if let (Some(min), Some(max)) = (f.recall_min_ms, f.recall_max_ms)
            && min.0 > max.0
        {
            return Err("`recall_min_ms` is greater than `recall_max_ms`".into());
        }
        Ok(())
    }
}

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

/// A quantity with its limits: out of them is an error with a line number.
macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident($inner:ty) from $raw:ty, $what:literal, $lo:expr, $hi:expr, |$v:ident| $make:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name(pub $inner);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<$name, D::Error> {
                let $v = <$raw>::deserialize(d)?;
                if !($lo..=$hi).contains(&$v) {
                    return Err(D::Error::custom(format!("{} from {} to {} is wanted", $what, $lo, $hi)));
                }
                Ok($name($make))
            }
        }
    };
}

quantity!(Seconds(Duration) from f64, "a number of seconds", 0.0, 86_400.0, |v| Duration::from_millis((v * 1000.0).round() as u64));
quantity!(Millis(Duration) from u64, "a number of milliseconds", 0, 600_000, |v| Duration::from_millis(v));
quantity!(Count(u32) from u32, "a count", 0, 1000, |v| v);
quantity!(Decibels(f32) from f32, "a level or loss in decibels", -120.0, 120.0, |v| v);
quantity!(
    /// In milliseconds in the file, in samples here.
    EchoDelay(usize) from f32, "a delay in milliseconds", 0.0, 64.0, |v| (v * 8.0).round() as usize
);

/// 50 or 60.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HumHz(pub u8);

impl<'de> Deserialize<'de> for HumHz {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<HumHz, D::Error> {
        match u8::deserialize(d)? {
            hz @ (50 | 60) => Ok(HumHz(hz)),
            _ => Err(D::Error::custom("mains hum has 50 or 60 Hz")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_scenario_loads_by_its_name_and_says_what_it_is_about() {
        for (name, _) in BUILT_IN {
            let s = Scenario::load(name).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(!s.about.is_empty(), "{name}");
        }
    }

    #[test]
    fn a_mistake_is_told_with_its_line_and_what_would_be_right() {
        let text = "about = 'x'\n\n[line]\nflash_servce = true\n";
        let e = Scenario::parse("my.toml", text).unwrap_err();
        assert_eq!(e.exit, Exit::Config);
        assert_eq!(e.what, "scenario my.toml, line 4: cannot be used");
        assert!(e.why.contains("flash_servce") && e.why.contains("flash_service"), "{}", e.why);

        let wrong = [
            ("[[call]]\nat_s = 1.0\nfrom = '555-123'\n", 3, "digits"),
            ("[[call]]\nat_s = -1.0\nfrom = '5551234'\n", 2, "seconds"),
            ("[pair]\nloss_db = 3.0\nhum_hz = 55\n", 3, "50 or 60"),
            ("[[subscriber]]\nnumber = '5550200'\ndoes = 'sleeps'\n", 3, "sleeps"),
            ("[line]\ntransfer = 'maybe'\n", 2, "on-hang-up"),
            ("[fault]\nno_dial_tone = 1\n", 2, "boolean"),
            ("[weather]\nrain = true\n", 1, "weather"),
        ];
        for (text, line, word) in wrong {
            let e = Scenario::parse("f", text).unwrap_err();
            assert_eq!(e.what, format!("scenario f, line {line}: cannot be used"), "{text}");
            assert!(e.why.contains(word), "{text}: {}", e.why);
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for text in [
            "[[subscriber]]\nnumber='1'\ndoes='busy'\n[[subscriber]]\nnumber='1'\ndoes='busy'\n",
            "[[subscriber]]\nnumber='1'\ndoes='speaks'\nrings=1\nanswers_after_s=2.0\n",
            "[fault]\nrecall_min_ms=500\nrecall_max_ms=400\n",
        ] {
            assert!(Scenario::parse("f", text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_unknown_scenario_is_told_which_there_are_and_a_missing_file_its_path() {
        let e = Scenario::load("incomming").unwrap_err();
        assert!(e.why.contains("incoming"), "{e}");
        let e = Scenario::load("./nowhere/at/all.toml").unwrap_err();
        assert!(e.what.contains("./nowhere/at/all.toml"), "{e}");
    }

    #[test]
    fn pair_options_lie_over_the_defaults() {
        let s = Scenario::parse("f", "[pair]\nloss_db = 9\nhum_hz = 50\necho_delay_ms = 4\n").unwrap();
        let pair = s.pair.apply(Pair::default());
        assert_eq!(pair.loss_db, 9.0);
        assert_eq!(pair.hum, Some(Hum { hz: 50, dbm0: -45.0 }));
        assert_eq!(pair.echo_delay_samples, 32);
        assert_eq!(pair.noise_dbm0, Pair::default().noise_dbm0);
    }
}
