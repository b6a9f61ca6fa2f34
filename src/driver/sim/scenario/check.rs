//! What no single value shows: contradictions within a scenario, and with the country or the port it is to run on.

use super::{Faults, PairOptions, Scenario};
use crate::driver::PortError;
use crate::driver::sim::line_class::LineClass;
use crate::error::{Error, Exit};
use crate::facts::Country;
use std::time::Duration;
use toml::de::{DeTable, DeValue};

/// A contradiction, and the key that it can be mended at.
#[derive(Debug)]
pub(super) struct Mistake {
    table: &'static str,
    /// Of a list of tables, which.
    index: usize,
    key: &'static str,
    pub why: String,
}

impl Mistake {
    fn new(table: &'static str, key: &'static str, why: impl Into<String>) -> Mistake {
        Mistake { table, index: 0, key, why: why.into() }
    }

    /// Where in the file that key stands.
    pub fn place(&self, text: &str) -> Option<usize> {
        let file = DeTable::parse(text).ok()?;
        let at =
            |table: &DeTable, key: &str| table.iter().find(|(k, _)| k.get_ref() == key).map(|(k, _)| k.span().start);
        let (name, value) = file.get_ref().iter().find(|(k, _)| k.get_ref() == self.table)?;
        let inner = match value.get_ref() {
            DeValue::Table(table) => at(table, self.key),
            DeValue::Array(list) => match list.get(self.index)?.get_ref() {
                DeValue::Table(table) => at(table, self.key),
                _ => None,
            },
            _ => None,
        };
        inner.or(Some(name.span().start))
    }
}

impl Scenario {
    pub(super) fn check(&self) -> Result<(), Mistake> {
        for (index, s) in self.subscribers.iter().enumerate() {
            let mistake = |key, why| Mistake { table: "subscriber", index, key, why };
            if self.subscribers[..index].iter().any(|t| t.number == s.number) {
                return Err(mistake("number", format!("two subscribers have the number {}", s.number.0)));
            }
            if s.rings.is_some() && s.answers_after_s.is_some() {
                let why = format!("subscriber {} has both `rings` and `answers_after_s`", s.number.0);
                return Err(mistake("answers_after_s", why));
            }
        }
        let l = &self.line;
        if l.call_waiting_id == Some(true) && l.call_waiting != Some(true) {
            return Err(Mistake::new("line", "call_waiting_id", "without `call_waiting = true` no call waits"));
        }
        if l.flash_service == Some(false) && l.call_waiting == Some(true) {
            let why = "a waiting call is taken by a flash, and `flash_service` is false";
            return Err(Mistake::new("line", "call_waiting", why));
        }
        self.pair.check()?;
        self.fault.check()?;
        if self.fault.glare && self.calls.is_empty() {
            return Err(Mistake::new("fault", "glare", "nobody calls us: a `[[call]]` is needed to meet"));
        }
        Ok(())
    }

    /// What the country makes of it.
    pub fn fits(&self, country: &Country) -> Result<(), Error> {
        let window = LineClass::new(country, self).window;
        if window.min > window.max {
            let why = format!(
                "the recall window would be empty: {} to {} ms",
                window.min.as_millis(),
                window.max.as_millis()
            );
            let what = format!("the scenario does not fit the line of {}", country.name);
            return Err(Error::new(Exit::Config, what, why, "give both `recall_min_ms` and `recall_max_ms`"));
        }
        Ok(())
    }

    /// What a real FXS port cannot be made to do. `open_max`: the longest break of battery that it makes.
    pub(in crate::driver::sim) fn fits_port(&self, port: &str, open_max: Duration) -> Result<(), PortError> {
        let f = &self.fault;
        let breaks = f.battery_lost_ms.is_none_or(|m| m.0 > open_max);
        let keys = [
            (f.unplugged_at_s.is_some(), "unplugged_at_s"),
            (f.device_removed_at_s.is_some(), "device_removed_at_s"),
            (f.parallel_takes_battery, "parallel_takes_battery"),
            (f.battery_lost_at_s.is_some() && breaks, "battery_lost_at_s"),
        ];
        let Some((_, key)) = keys.into_iter().find(|(asked, _)| *asked) else { return Ok(()) };
        let how = match key {
            "battery_lost_at_s" => format!(": it opens the loop for {} ms at most", open_max.as_millis()),
            _ => ": pull the plug yourself".to_string(),
        };
        Err(PortError::Unsupported { port: port.into(), what: format!("do the scenario's fault `{key}`{how}") })
    }
}

impl PairOptions {
    pub(super) fn check(&self) -> Result<(), Mistake> {
        if self.bursts_per_minute.is_none_or(|n| n.0 == 0.0) {
            let why = "bursts by chance need `bursts_per_minute`; one at its time is a `[[burst]]`";
            for (is, key) in [(self.burst_ms.is_some(), "burst_ms"), (self.burst_dbm0.is_some(), "burst_dbm0")] {
                if is {
                    return Err(Mistake::new("pair", key, why));
                }
            }
        }
        Ok(())
    }

    /// The same for options that stand in a port's name.
    pub(in crate::driver::sim) fn contradiction(&self) -> Option<String> {
        self.check().err().map(|m| format!("`{}`: {}", m.key, m.why))
    }
}

impl Faults {
    fn check(&self) -> Result<(), Mistake> {
        let wrong = |key, why: &str| Err(Mistake::new("fault", key, why));
        if let (Some(min), Some(max)) = (self.recall_min_ms, self.recall_max_ms)
            && min.0 > max.0
        {
            return wrong("recall_max_ms", "`recall_min_ms` is greater than `recall_max_ms`");
        }
        if let (Some(ignored), Some(taken)) = (&self.flash_ignored, &self.flash_taken_as_hang_up)
            && ignored.0.iter().any(|n| taken.0.contains(n))
        {
            return wrong("flash_taken_as_hang_up", "a flash cannot be ignored and taken for a hang-up");
        }
        if self.no_dial_tone && self.dial_tone_delay_ms.is_some() {
            return wrong("dial_tone_delay_ms", "dial tone cannot be late: `no_dial_tone` is true");
        }
        if self.no_recall_tone && self.recall_announcement {
            return wrong("recall_announcement", "either nothing is heard (`no_recall_tone`) or an announcement");
        }
        let confirmed = [
            ("no_confirmation", self.no_confirmation),
            ("confirmation_announcement", self.confirmation_announcement),
            ("codes_refused", self.codes_refused),
        ];
        if let Some((key, _)) = confirmed.iter().filter(|(_, is)| *is).nth(1) {
            let why = "one of `no_confirmation`, `confirmation_announcement` and `codes_refused` at most";
            return wrong(key, why);
        }
        let off =
            [self.tone_level_db.is_some(), self.tone_frequency_percent.is_some(), self.tone_cadence_percent.is_some()];
        if self.tones_off.is_some() && off == [false; 3] {
            return wrong(
                "tones_off",
                "off by what? `tone_level_db`, `tone_frequency_percent`, `tone_cadence_percent`",
            );
        }
        for (is, key, needs, there) in [
            (self.battery_lost_ms.is_some(), "battery_lost_ms", "battery_lost_at_s", self.battery_lost_at_s.is_some()),
            (self.plugged_in_after_s.is_some(), "plugged_in_after_s", "unplugged_at_s", self.unplugged_at_s.is_some()),
            (
                self.parallel_hung_up_after_s.is_some(),
                "parallel_hung_up_after_s",
                "parallel_lifted_at_s",
                self.parallel_lifted_at_s.is_some(),
            ),
            (self.parallel_silent, "parallel_silent", "parallel_lifted_at_s", self.parallel_lifted_at_s.is_some()),
            (
                self.parallel_takes_battery,
                "parallel_takes_battery",
                "parallel_lifted_at_s",
                self.parallel_lifted_at_s.is_some(),
            ),
        ] {
            if is && !there {
                return wrong(key, &format!("it means nothing without `{needs}`"));
            }
        }
        Ok(())
    }
}
