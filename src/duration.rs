//! Durations as people write them: `20s`, `500ms`, `2m`, `1h`, `1m30s`.

use std::time::Duration;

/// Parses a duration; a bare number is seconds.
pub fn parse(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{}` is not a duration: write 500ms, 20s, 2m or 1h", crate::error::printable(text));
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(bad());
    }
    let mut total = 0.0f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let unit = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let number: f64 = number.parse().map_err(|_| bad())?;
        let seconds = match unit.trim() {
            "ms" => 0.001,
            "s" => 1.0,
            "" if rest == text.trim() => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            _ => return Err(bad()),
        };
        total += number * seconds;
        rest = after;
    }
    if total > 86_400.0 * 7.0 {
        return Err(format!("`{text}` is longer than a week"));
    }
    Ok(Duration::from_secs_f64(total))
}

/// The same, where none at all makes no sense.
pub fn parse_some(text: &str) -> Result<Duration, String> {
    match parse(text)? {
        Duration::ZERO => Err(format!("`{text}` is no time at all: write 500ms, 20s, 2m or 1h")),
        some => Ok(some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_written_with_units_and_bare_numbers_are_seconds() {
        for (text, ms) in
            [("20s", 20_000), ("500ms", 500), ("2m", 120_000), ("1h", 3_600_000), ("1m30s", 90_000), ("7", 7_000)]
        {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_the_duration(text in ".*") {
            let _ = parse(&text);
        }
    }

    #[test]
    fn no_time_at_all_is_refused_where_some_is_needed() {
        assert_eq!(parse("0s"), Ok(Duration::ZERO));
        assert!(parse_some("0ms").is_err());
        assert_eq!(parse_some("1ms"), Ok(Duration::from_millis(1)));
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in ["", "s", "5x", "-3s", "1.2.3s", "20 parsecs", "1s5", "999999h", "NaN", "inf"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
