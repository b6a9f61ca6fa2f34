//! Times of day as people write them, and as they are shown.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan, Zoned};
use std::time::{Duration, SystemTime};

/// Which end of a time that is a whole day is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    Begin,
    End,
}

/// `2026-02-03`, `2026-02-03 14:05`, `14:05`, `today`, `yesterday`, `90m`, `2d`, `1w` (so long ago), or RFC 3339. Where
/// no zone is written, the time is of the machine's. Milliseconds since 1970.
pub fn parse(text: &str, edge: Edge) -> Result<i64, String> {
    let now = Zoned::now();
    parse_at(text, edge, &now)
}

fn parse_at(text: &str, edge: Edge, now: &Zoned) -> Result<i64, String> {
    let text = text.trim();
    let bad = || {
        let shown = crate::error::printable(text);
        format!("`{shown}` is not a time: write 2026-02-03, 2026-02-03T14:05, 14:05, today, yesterday, 2h or 3d")
    };
    let of_day = |date: Date| {
        let day = match edge {
            Edge::Begin => Ok(date),
            Edge::End => date.checked_add(1.day()),
        };
        let begin = day.and_then(|d| d.to_zoned(now.time_zone().clone())).map_err(|_| bad())?;
        Ok(begin.timestamp().as_millisecond() - i64::from(edge == Edge::End))
    };
    match text {
        "now" => return Ok(now.timestamp().as_millisecond()),
        "today" => return of_day(now.date()),
        "yesterday" => return of_day(now.date().checked_sub(1.day()).map_err(|_| bad())?),
        _ => {}
    }
    if let Some(ago) = span_ago(text) {
        return Ok(now.checked_sub(ago).map_err(|_| bad())?.timestamp().as_millisecond());
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at.as_millisecond());
    }
    // a date alone would be read as its midnight
    if text.len() <= 10
        && let Ok(date) = text.parse::<Date>()
    {
        return of_day(date);
    }
    let local = text.parse::<DateTime>().or_else(|_| text.parse().map(|time| now.date().to_datetime(time)));
    let zoned = local.and_then(|at| at.to_zoned(now.time_zone().clone())).map_err(|_| bad())?;
    Ok(zoned.timestamp().as_millisecond())
}

/// An age: `400d`, `52w`, `36h`.
pub fn age(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{}` is no age: write 400d, 52w or 36h", crate::error::printable(text));
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
    let n: u64 = text[..split].parse().map_err(|_| bad())?;
    let unit = match &text[split..] {
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return Err(bad()),
    };
    // a century: what is meant to be kept for ever has no age
    n.checked_mul(unit).filter(|s| *s <= 36_525 * 86_400).map(Duration::from_secs).ok_or_else(bad)
}

fn span_ago(text: &str) -> Option<Span> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let n: i64 = text[..split].parse().ok()?;
    let span = Span::new();
    match &text[split..] {
        "s" => span.try_seconds(n),
        "m" | "min" => span.try_minutes(n),
        "h" => span.try_hours(n),
        "d" => span.try_days(n),
        "w" => span.try_weeks(n),
        _ => return None,
    }
    .ok()
}

/// `2026-02-03T14:05:06.789Z`, for programs.
pub fn utc(ms: i64) -> String {
    let at = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// `2026-02-03 14:05:06` in the machine's zone, for people.
pub fn local(ms: i64) -> String {
    local_in(ms, TimeZone::system())
}

fn local_in(ms: i64, zone: TimeZone) -> String {
    let at = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
    at.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// `20260203T140506Z`, for the name of a file.
pub fn stamp(at: SystemTime) -> String {
    let at = Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn now() -> Zoned {
        "2026-02-03T14:05:06+01:00[Europe/Stockholm]".parse().unwrap()
    }

    fn read(text: &str, edge: Edge) -> String {
        utc(parse_at(text, edge, &now()).unwrap())
    }

    #[test]
    fn times_are_written_as_dates_times_or_how_long_ago_in_the_machines_zone() {
        for (text, utc) in [
            ("2026-02-01", "2026-01-31T23:00:00.000Z"),
            ("2026-02-01T08:30", "2026-02-01T07:30:00.000Z"),
            ("2026-02-01 08:30:15", "2026-02-01T07:30:15.000Z"),
            ("2026-02-01T08:30:00Z", "2026-02-01T08:30:00.000Z"),
            ("2026-02-01T08:30:00+05:00", "2026-02-01T03:30:00.000Z"),
            ("08:30", "2026-02-03T07:30:00.000Z"),
            ("today", "2026-02-02T23:00:00.000Z"),
            ("yesterday", "2026-02-01T23:00:00.000Z"),
            ("90m", "2026-02-03T11:35:06.000Z"),
            ("1w", "2026-01-27T13:05:06.000Z"),
            ("now", "2026-02-03T13:05:06.000Z"),
        ] {
            assert_eq!(read(text, Edge::Begin), utc, "{text}");
        }
    }

    #[test]
    fn until_a_day_is_through_its_end_also_when_the_clocks_change() {
        assert_eq!(read("2026-02-01", Edge::End), "2026-02-01T22:59:59.999Z");
        assert_eq!(read("today", Edge::End), "2026-02-03T22:59:59.999Z");
        assert_eq!(read("2026-03-29", Edge::End), "2026-03-29T21:59:59.999Z", "a day of 23 hours");
    }

    #[test]
    fn ages_are_written_in_hours_days_and_weeks() {
        assert_eq!(age("36h"), Ok(Duration::from_secs(36 * 3600)));
        assert_eq!(age(" 400d"), Ok(Duration::from_secs(400 * 86_400)));
        assert_eq!(age("2w"), age("14d"));
        for bad in ["", "d", "400", "400 d", "-1d", "1m", "1y", "1.5d", "36526d", "99999999999999999999d"] {
            assert!(age(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_what_would_be_understood() {
        for bad in ["", "soon", "2026-13-01", "25:00", "-3d", "3 parsecs", "99999999999999999999d", "2026-02-01Tx"] {
            let e = parse_at(bad, Edge::Begin, &now()).unwrap_err();
            assert!(e.contains("yesterday"), "{bad}: {e}");
        }
    }

    #[test]
    fn people_are_shown_their_own_zone() {
        assert_eq!(local_in(1_770_123_906_789, TimeZone::get("Europe/Stockholm").unwrap()), "2026-02-03 14:05:06");
        assert_eq!(utc(1_770_123_906_789), "2026-02-03T13:05:06.789Z");
    }

    proptest! {
        #[test]
        fn no_text_panics_the_time(text in ".{0,40}") {
            let _ = parse_at(&text, Edge::End, &now());
        }
    }
}
