//! The one-line notation of a tone, as people write it: `480+620/500,0/500`.
//!
//! ```text
//!  !350+440/100,!0/100,350+440     parts, comma between
//!  !                               played once, before what repeats; with `!` on every part nothing repeats
//!   350+440    400*25    0         sounded together; first modulated in amplitude by second; silence
//!   425@-10                        softer than the other parts by so many dB
//!           /100                   milliseconds; without it, without end (only the last part may be)
//! ```

use super::{Sound, ToneStep};
use std::ops::Range;
use std::time::Duration;

/// What a notation says.
#[derive(Clone, Debug, PartialEq)]
pub struct Cadence {
    pub intro: Vec<ToneStep>,
    pub steps: Vec<ToneStep>,
    pub repeats: bool,
}

/// What is wrong with it, and where in its text (bytes).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotationError {
    pub message: String,
    pub at: Range<usize>,
}

/// The longest in the tables has 60 parts; more than this is no tone that anybody could recognise.
const MAX_PARTS: usize = 100;
const MAX_TOGETHER: usize = 4;
/// The telephone band, and the slowest beat of a modulated tone.
pub const FREQUENCY_HZ: std::ops::RangeInclusive<f32> = 10.0..=4000.0;
/// What is softer than that is a gap.
pub const RELATIVE_DB: std::ops::RangeInclusive<i8> = -15..=0;
pub const STEP_MS: std::ops::RangeInclusive<u32> = 10..=60_000;

pub fn parse(text: &str) -> Result<Cadence, NotationError> {
    let mut intro = Vec::new();
    let mut steps: Vec<ToneStep> = Vec::new();
    let mut start = 0;
    for (i, part) in text.split(',').enumerate() {
        let at = start..start + part.len();
        start = at.end + 1;
        let fail = |message: String| Err(NotationError { message, at: at.clone() });
        if i == MAX_PARTS {
            return fail(format!("a tone has at most {MAX_PARTS} parts"));
        }
        let open_ended = steps.last().or(intro.last()).is_some_and(|s: &ToneStep| s.lasts.is_none());
        if open_ended {
            return fail("nothing can follow a part without end; give the part before it a duration".into());
        }
        match part.strip_prefix('!') {
            Some(rest) if steps.is_empty() => intro.push(step(rest, at.start + 1)?),
            Some(_) => return fail("a part played once (`!`) comes before those that repeat".into()),
            None => steps.push(step(part, at.start)?),
        }
    }
    if intro.iter().chain(&steps).all(|s| s.sound == Sound::Silence) {
        return Err(NotationError { message: "it is silent throughout".into(), at: 0..text.len() });
    }
    Ok(match steps.is_empty() {
        true => Cadence { intro: Vec::new(), steps: intro, repeats: false },
        false => Cadence { intro, steps, repeats: true },
    })
}

fn step(text: &str, offset: usize) -> Result<ToneStep, NotationError> {
    let (sound, lasts) = match text.split_once('/') {
        None => (text, None),
        Some((sound, ms)) => (sound, Some(duration(ms, offset + sound.len() + 1)?)),
    };
    let (sound, relative_db) = match sound.split_once('@') {
        None => (sound, 0.0),
        Some((sound, db)) => (sound, softer_by(db, offset + sound.len() + 1)?),
    };
    Ok(ToneStep { sound: parse_sound(sound, offset)?, relative_db, lasts })
}

fn softer_by(text: &str, offset: usize) -> Result<f32, NotationError> {
    match text.parse::<i8>() {
        Ok(db) if RELATIVE_DB.contains(&db) => Ok(db.into()),
        _ => Err(NotationError {
            message: format!(
                "after `@` come decibels against the other parts, {} to {}: not `{}`",
                RELATIVE_DB.start(),
                RELATIVE_DB.end(),
                text.escape_debug()
            ),
            at: offset..offset + text.len(),
        }),
    }
}

fn duration(text: &str, offset: usize) -> Result<Duration, NotationError> {
    match text.parse::<u32>() {
        Ok(ms) if STEP_MS.contains(&ms) => Ok(Duration::from_millis(ms.into())),
        _ => Err(NotationError {
            message: format!(
                "after `/` come milliseconds, {} to {}: not `{}`",
                STEP_MS.start(),
                STEP_MS.end(),
                text.escape_debug()
            ),
            at: offset..offset + text.len(),
        }),
    }
}

fn parse_sound(text: &str, offset: usize) -> Result<Sound, NotationError> {
    if text == "0" {
        return Ok(Sound::Silence);
    }
    if let Some((carrier, by)) = text.split_once('*') {
        return Ok(Sound::Modulated {
            carrier_hz: frequency(carrier, offset)?,
            by_hz: frequency(by, offset + carrier.len() + 1)?,
        });
    }
    let mut hz = Vec::new();
    let mut start = offset;
    for f in text.split('+') {
        if hz.len() == MAX_TOGETHER {
            return Err(NotationError {
                message: format!("at most {MAX_TOGETHER} frequencies sound together"),
                at: start..start + f.len(),
            });
        }
        hz.push(frequency(f, start)?);
        start += f.len() + 1;
    }
    Ok(Sound::Sum(hz))
}

fn frequency(text: &str, offset: usize) -> Result<f32, NotationError> {
    // only digits and a point: `parse` would also take `inf` and `1e3`
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    match text.parse::<f32>() {
        Ok(hz) if plain && FREQUENCY_HZ.contains(&hz) => Ok(hz),
        _ => Err(NotationError {
            message: format!(
                "a frequency is {} to {} Hz (or 0 for silence): not `{}`",
                FREQUENCY_HZ.start(),
                FREQUENCY_HZ.end(),
                text.escape_debug()
            ),
            at: offset..offset + text.len(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(ms: u64) -> Option<Duration> {
        Some(Duration::from_millis(ms))
    }

    #[test]
    fn a_pair_with_a_pause_repeats() {
        assert_eq!(
            parse("480+620/500,0/500"),
            Ok(Cadence {
                intro: vec![],
                steps: vec![
                    ToneStep { sound: Sound::Sum(vec![480.0, 620.0]), relative_db: 0.0, lasts: ms(500) },
                    ToneStep { sound: Sound::Silence, relative_db: 0.0, lasts: ms(500) },
                ],
                repeats: true,
            })
        );
    }

    #[test]
    fn parts_marked_once_come_before_those_that_repeat() {
        let tone = parse("!425/100,!0/100,425").unwrap();
        assert_eq!(tone.intro.len(), 2);
        assert_eq!(tone.steps, [ToneStep { sound: Sound::Sum(vec![425.0]), relative_db: 0.0, lasts: None }]);
        assert!(tone.repeats);
    }

    #[test]
    fn a_tone_of_nothing_but_once_is_not_repeated() {
        let tone = parse("!985.2/380,!1428.5/274,!1776.7/380").unwrap();
        assert_eq!((tone.intro.len(), tone.steps.len(), tone.repeats), (0, 3, false));
        assert_eq!(tone.steps[0].sound, Sound::Sum(vec![985.2]));
    }

    #[test]
    fn an_asterisk_is_modulation() {
        assert_eq!(parse("400*25").unwrap().steps[0].sound, Sound::Modulated { carrier_hz: 400.0, by_hz: 25.0 });
    }

    #[test]
    fn a_part_may_be_softer_than_the_others() {
        let steps = parse("425/375,0/375,425@-10/375,0/375").unwrap().steps;
        assert_eq!(steps.iter().map(|s| s.relative_db).collect::<Vec<_>>(), [0.0, 0.0, -10.0, 0.0]);
        assert_eq!(steps[2].sound, steps[0].sound);
    }

    #[test]
    fn faults_are_shown_where_they_are() {
        for (text, at, message) in [
            ("425/500,0/5", 10..11, "after `/` come milliseconds, 10 to 60000: not `5`"),
            ("425+9000/500", 4..8, "a frequency is 10 to 4000 Hz (or 0 for silence): not `9000`"),
            ("", 0..0, "a frequency is 10 to 4000 Hz (or 0 for silence): not ``"),
            ("400*/9", 5..6, "after `/` come milliseconds, 10 to 60000: not `9`"),
            ("425,0/100", 4..9, "nothing can follow a part without end; give the part before it a duration"),
            ("!425,0/100", 5..10, "nothing can follow a part without end; give the part before it a duration"),
            ("425/100,!0/100", 8..14, "a part played once (`!`) comes before those that repeat"),
            ("0/100", 0..5, "it is silent throughout"),
            ("1+2", 0..1, "a frequency is 10 to 4000 Hz (or 0 for silence): not `1`"),
            ("425@3/375", 4..5, "after `@` come decibels against the other parts, -15 to 0: not `3`"),
            ("425@-40", 4..7, "after `@` come decibels against the other parts, -15 to 0: not `-40`"),
            ("1e3", 0..3, "a frequency is 10 to 4000 Hz (or 0 for silence): not `1e3`"),
            ("400+425+450+475+500", 16..19, "at most 4 frequencies sound together"),
        ] {
            assert_eq!(parse(text), Err(NotationError { message: message.into(), at }), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_the_fault_lies_within_it(text in "[0-9!+*/,.x@-]{0,40}") {
            if let Err(e) = parse(&text) {
                prop_assert!(e.at.start <= e.at.end && e.at.end <= text.len());
            }
        }
    }
}
