//! Scenario files: who calls us, who can be called, what the line is like, and what is wrong with it.
//!
//! ```toml
//! [line]                        # what the subscriber of this line gets; all keys have the country's defaults
//! transfer = "on-hang-up"       # or "explicit" (R4), or "none": hanging up drops everybody
//! flash_service = true          # false: a hook flash does nothing
//! busy_hangup = "drop"          # or "recall": what hanging up does with a held party that cannot be connected
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
//!
//! [[burst]]
//! at_s = 12.0
//! lasts_ms = 300
//! dbm0 = -20.0
//! ```
//!
//! Every key stands in [`KEYS`], with its unit, default and meaning: the manual page is made from it. Unknown keys are
//! errors. Values are checked as they are read, and what contradicts itself afterwards, so that every complaint has its
//! line.

mod check;
mod keys;
mod value;

pub use keys::{KEYS, Key, SELECTOR_ONLY};
pub use value::{
    CadenceError, CallerName, Count, Decibels, Delay, EchoDelay, FrequencyError, HumHz, Millis, NonEmpty, Number,
    Ordinal, PerMinute, Seconds, ToneLevel, ToneName,
};

use super::local_loop::{Burst, Hum, Pair, mains_hz};
use crate::clock::Time;
use crate::error::{Error, Exit};
use crate::facts::Country;
use serde::Deserialize;
use std::path::Path;

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
    #[serde(default, rename = "burst")]
    pub bursts: Vec<NoiseBurst>,
}

/// What the line's subscriber has and has not. Absent keys are the country's.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineOptions {
    pub class: Option<Class>,
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
    pub permanent_signal: Option<NonEmpty<Reminder>>,
    pub caller_id: Option<bool>,
    /// Where caller ID is for a set that answers twice, it is sent; else such a line sends none.
    pub number_display: Option<bool>,
    /// Stutter dial tone: something is waiting, or set.
    pub stutter: Option<bool>,
    /// A message comes to be waiting then.
    pub message_waiting_at_s: Option<Seconds>,
    pub call_waiting: Option<bool>,
    pub call_waiting_id: Option<bool>,
    /// The line is reversed while a call of ours is answered.
    pub answer_reversal: Option<bool>,
    /// Forwarding by service code is subscribed.
    pub forwarding: Option<bool>,
    /// Digits before a number outside, and a second dial tone after them.
    pub outside_line: Option<Number>,
    /// Real FXS ports: a lone pulse "1" in a call is taken as recall (see [`super::exchange::LineInput::PulseDigit`]).
    pub pulse_one_is_recall: Option<bool>,
}

/// Whose line it is: what the other keys of `[line]` are by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// The carrier's.
    #[default]
    Exchange,
    /// A PBX's: its recall window where the tables have one, a flash goes back, hanging up transfers, whoever cannot be
    /// connected rings back, and no forward disconnect.
    PbxExtension,
}

/// What an unattended handset hears, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reminder {
    Busy,
    Reorder,
    Announcement,
    Howler,
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
    pub delay_ms: Option<Delay>,
    pub clicks_per_minute: Option<PerMinute>,
    pub bursts_per_minute: Option<PerMinute>,
    pub burst_ms: Option<Millis>,
    pub burst_dbm0: Option<Decibels>,
}

/// How loud mains hum is when only its frequency is asked for.
const HUM_DBM0: f32 = -45.0;

impl PairOptions {
    /// `self` where it says something, else `below`.
    pub fn over(&self, below: &PairOptions) -> PairOptions {
        PairOptions {
            loss_db: self.loss_db.or(below.loss_db),
            noise_dbm0: self.noise_dbm0.or(below.noise_dbm0),
            hum_hz: self.hum_hz.or(below.hum_hz),
            hum_dbm0: self.hum_dbm0.or(below.hum_dbm0),
            echo_loss_db: self.echo_loss_db.or(below.echo_loss_db),
            echo_delay_ms: self.echo_delay_ms.or(below.echo_delay_ms),
            delay_ms: self.delay_ms.or(below.delay_ms),
            clicks_per_minute: self.clicks_per_minute.or(below.clicks_per_minute),
            bursts_per_minute: self.bursts_per_minute.or(below.bursts_per_minute),
            burst_ms: self.burst_ms.or(below.burst_ms),
            burst_dbm0: self.burst_dbm0.or(below.burst_dbm0),
        }
    }

    /// `self` where it says something, else `below`. Either key of the hum makes it hum, at the mains of this country.
    pub fn apply(&self, below: Pair, country: &str) -> Pair {
        let hum = (self.hum_hz.is_some() || self.hum_dbm0.is_some()).then(|| Hum {
            hz: self.hum_hz.map_or(mains_hz(country), |hz| hz.0),
            dbm0: self.hum_dbm0.map_or(HUM_DBM0, |d| d.0),
        });
        Pair {
            loss_db: self.loss_db.map_or(below.loss_db, |d| d.0),
            noise_dbm0: self.noise_dbm0.map_or(below.noise_dbm0, |d| d.0),
            hum: hum.or(below.hum),
            echo_loss_db: self.echo_loss_db.map_or(below.echo_loss_db, |d| d.0),
            echo_delay_samples: self.echo_delay_ms.map_or(below.echo_delay_samples, |d| d.0),
            delay_samples: self.delay_ms.map_or(below.delay_samples, |d| d.0),
            clicks_per_minute: self.clicks_per_minute.map_or(below.clicks_per_minute, |n| n.0),
            bursts_per_minute: self.bursts_per_minute.map_or(below.bursts_per_minute, |n| n.0),
            burst: Burst {
                lasts: self.burst_ms.map_or(below.burst.lasts, |m| m.0),
                dbm0: self.burst_dbm0.map_or(below.burst.dbm0, |d| d.0),
            },
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
    /// The exchange misses these flashes, or takes them for a hang-up: the first of the run is 1.
    pub flash_ignored: Option<NonEmpty<Ordinal>>,
    pub flash_taken_as_hang_up: Option<NonEmpty<Ordinal>>,
    /// Dial tone comes so much later.
    pub dial_tone_delay_ms: Option<Millis>,
    pub recall_tone_delay_ms: Option<Millis>,
    #[serde(default)]
    pub no_dial_tone: bool,
    #[serde(default)]
    pub no_recall_tone: bool,
    /// Somebody says something in the recall tone's place.
    #[serde(default)]
    pub recall_announcement: bool,
    /// A service code is done, and nothing is heard, or somebody says so where there should be a tone.
    #[serde(default)]
    pub no_confirmation: bool,
    #[serde(default)]
    pub confirmation_announcement: bool,
    /// Service codes are answered by reorder.
    #[serde(default)]
    pub codes_refused: bool,
    /// The register does not hear these digits of a number.
    pub digits_missed: Option<NonEmpty<Ordinal>>,
    /// Tones are off by so much: all of them, or those of `tones_off`.
    pub tone_level_db: Option<ToneLevel>,
    pub tone_frequency_percent: Option<FrequencyError>,
    pub tone_cadence_percent: Option<CadenceError>,
    pub tones_off: Option<NonEmpty<ToneName>>,
    #[serde(default)]
    pub no_forward_disconnect: bool,
    /// The first of the calls to us comes in the moment in which we lift.
    #[serde(default)]
    pub glare: bool,
    #[serde(default)]
    pub caller_id_garbled: bool,
    /// Another telephone on the same pair.
    pub parallel_lifted_at_s: Option<Seconds>,
    pub parallel_hung_up_after_s: Option<Seconds>,
    /// Nobody talks into it.
    #[serde(default)]
    pub parallel_silent: bool,
    /// With it off the hook so little voltage is left that our port senses none.
    #[serde(default)]
    pub parallel_takes_battery: bool,
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
    /// Hangs up after so long on hold; without it, waits.
    pub patience_s: Option<Seconds>,
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

/// Noise on the pair at a time of its own.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoiseBurst {
    pub at_s: Seconds,
    pub lasts_ms: Millis,
    pub dbm0: Decibels,
}

/// The built-in scenarios: name and text.
pub const BUILT_IN: [(&str, &str); 25] = [
    ("idle", include_str!("../../data/scenarios/idle.toml")),
    ("incoming", include_str!("../../data/scenarios/incoming.toml")),
    ("busy-target", include_str!("../../data/scenarios/busy-target.toml")),
    ("impatient-caller", include_str!("../../data/scenarios/impatient-caller.toml")),
    ("no-flash-service", include_str!("../../data/scenarios/no-flash-service.toml")),
    ("three-way-dies", include_str!("../../data/scenarios/three-way-dies.toml")),
    ("recalls", include_str!("../../data/scenarios/recalls.toml")),
    ("call-waiting", include_str!("../../data/scenarios/call-waiting.toml")),
    ("pbx-extension", include_str!("../../data/scenarios/pbx-extension.toml")),
    ("message-waiting", include_str!("../../data/scenarios/message-waiting.toml")),
    ("fickle-target", include_str!("../../data/scenarios/fickle-target.toml")),
    ("noisy-line", include_str!("../../data/scenarios/noisy-line.toml")),
    ("tones-off", include_str!("../../data/scenarios/tones-off.toml")),
    ("window-moved", include_str!("../../data/scenarios/window-moved.toml")),
    ("flash-ignored", include_str!("../../data/scenarios/flash-ignored.toml")),
    ("flash-hangs-up", include_str!("../../data/scenarios/flash-hangs-up.toml")),
    ("no-recall-tone", include_str!("../../data/scenarios/no-recall-tone.toml")),
    ("recall-tone-late", include_str!("../../data/scenarios/recall-tone-late.toml")),
    ("recall-spoken", include_str!("../../data/scenarios/recall-spoken.toml")),
    ("dial-tone-late", include_str!("../../data/scenarios/dial-tone-late.toml")),
    ("parallel-telephone", include_str!("../../data/scenarios/parallel-telephone.toml")),
    ("battery-dip", include_str!("../../data/scenarios/battery-dip.toml")),
    ("glare", include_str!("../../data/scenarios/glare.toml")),
    ("unplugged", include_str!("../../data/scenarios/unplugged.toml")),
    ("device-removed", include_str!("../../data/scenarios/device-removed.toml")),
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
        let bad = |at: Option<usize>, why: String| {
            let line = at.map(|at| text[..at.min(text.len())].matches('\n').count() + 1);
            let place = line.map_or_else(|| format!("scenario {name}"), |l| format!("scenario {name}, line {l}"));
            Error::new(
                Exit::Config,
                format!("{place}: cannot be used"),
                why,
                "mend that line; man 5 tipring-scenario lists every key",
            )
        };
        let scenario: Scenario =
            toml::from_str(text).map_err(|e| bad(e.span().map(|s| s.start), e.message().trim().replace('\n', ", ")))?;
        scenario.check().map_err(|m| bad(m.place(text), m.why))?;
        Ok(scenario)
    }

    /// The pair of a line in this country.
    pub(super) fn pair(&self, country: &Country, query: &PairOptions, below: Pair) -> Pair {
        query.over(&self.pair).apply(below, &country.code)
    }

    /// Noise at its times.
    pub(super) fn noise_bursts(&self) -> Vec<(Time, Burst)> {
        let burst = |b: &NoiseBurst| (Time::ZERO + b.at_s.0, Burst { lasts: b.lasts_ms.0, dbm0: b.dbm0.0 });
        self.bursts.iter().map(burst).collect()
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
    fn what_contradicts_itself_is_refused_at_the_line_where_it_can_be_mended() {
        for (text, line, word) in [
            (
                "[[subscriber]]\nnumber='1'\ndoes='busy'\n[[subscriber]]\ndoes='busy'\nnumber='1'\n",
                6,
                "two subscribers",
            ),
            ("[[subscriber]]\nnumber='1'\ndoes='speaks'\nrings=1\nanswers_after_s=2.0\n", 5, "both"),
            ("[fault]\nrecall_min_ms=500\nrecall_max_ms=400\n", 3, "greater"),
            ("[fault]\nno_dial_tone=true\n\ndial_tone_delay_ms=400\n", 4, "late"),
            ("[fault]\nno_recall_tone=true\nrecall_announcement=true\n", 3, "announcement"),
            ("[fault]\nno_confirmation=true\ncodes_refused=true\n", 3, "one of"),
            ("[fault]\nbattery_lost_ms=400\n", 2, "battery_lost_at_s"),
            ("[fault]\nplugged_in_after_s=4\n", 2, "unplugged_at_s"),
            ("[fault]\nparallel_silent=true\n", 2, "parallel_lifted_at_s"),
            ("[fault]\ntones_off=['busy']\n", 2, "off by what"),
            ("[fault]\ntones_off=[]\ntone_level_db=-3\n", 2, "empty"),
            ("[fault]\nflash_ignored=[]\n", 2, "empty"),
            ("[fault]\nflash_ignored=[0]\n", 2, "counted from 1"),
            ("[fault]\nflash_ignored=[2]\nflash_taken_as_hang_up=[1, 2]\n", 3, "cannot be ignored"),
            ("[fault]\nglare=true\n", 2, "[[call]]"),
            ("[line]\npermanent_signal=[]\n", 2, "empty"),
            ("[line]\ncall_waiting_id=true\n", 2, "call_waiting"),
            ("[line]\nflash_service=false\ncall_waiting=true\n", 3, "flash"),
            ("[pair]\nburst_ms=100\n", 2, "bursts_per_minute"),
            ("fault.tone_level_db = 11\n", 1, "decibels"),
        ] {
            let e = Scenario::parse("f", text).unwrap_err();
            assert_eq!(e.what, format!("scenario f, line {line}: cannot be used"), "{text}");
            assert!(e.why.contains(word) && !e.why.contains('\n'), "{text}: {}", e.why);
        }
    }

    #[test]
    fn a_window_that_is_empty_in_its_country_is_refused_there() {
        let facts = crate::facts::Facts::embedded();
        let s = Scenario::parse("f", "[fault]\nrecall_min_ms = 700\n").unwrap();
        assert!(s.fits(facts.country("us").unwrap()).is_ok());
        let e = s.fits(facts.country("gb").unwrap()).unwrap_err();
        assert!(e.why.contains("700 to 130 ms") && e.next.contains("recall_max_ms"), "{e}");
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
        let pair = s.pair.apply(Pair::default(), "de");
        assert_eq!(pair.loss_db, 9.0);
        assert_eq!(pair.hum, Some(Hum { hz: 50, dbm0: -45.0 }));
        assert_eq!(pair.echo_delay_samples, 32);
        assert_eq!(pair.noise_dbm0, Pair::default().noise_dbm0);
    }
}
