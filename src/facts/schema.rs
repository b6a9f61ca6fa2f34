//! A facts file as written, checked record by record. The same for the embedded files and a user's own.

use super::error::Fault;
use super::notation::{self, STEP_MS};
use super::{
    CallerIdSpec, CallerIdTiming, Confidence, Dialling, Provenance, RecallWindow, Ringing, ToneSpec, TransferManners,
};
use crate::event::{CallerIdFormat, ToneKind};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;
use toml::Spanned;

/// What one file says of one country. Absent is unknown; an empty list says that there is none.
#[derive(Clone, Debug, Default)]
pub(super) struct Records {
    pub name: Option<String>,
    /// Whose records stand in for those that are missing.
    pub like: Option<(String, Range<usize>)>,
    pub tones: BTreeMap<ToneKind, Vec<ToneSpec>>,
    pub ringing: Option<Ringing>,
    pub recall: Option<Vec<RecallWindow>>,
    pub transfer: Option<TransferManners>,
    pub caller_id: Option<Vec<CallerIdSpec>>,
    pub dialling: Option<Dialling>,
}

/// Who wrote the file: ours must name a source and a confidence for everything, a user knows their own line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Author {
    Project,
    User,
}

/// Country code → its records, with the place of the code.
pub(super) type File = BTreeMap<String, (Range<usize>, Records)>;

pub(super) fn read(text: &str, author: Author) -> Result<File, Fault> {
    let raw: BTreeMap<Spanned<String>, RawCountry> = toml::from_str(text)?;
    let reader = Reader { text, author };
    raw.into_iter()
        .map(|(code, country)| {
            let span = code.span();
            let code = code.into_inner();
            reader.code(&code, &span)?;
            Ok((code, (span, reader.country(country)?)))
        })
        .collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCountry {
    name: Option<String>,
    like: Option<Spanned<String>>,
    #[serde(default)]
    tones: BTreeMap<ToneKind, Vec<Spanned<RawTone>>>,
    ringing: Option<Spanned<RawRinging>>,
    recall: Option<Spanned<Vec<Spanned<RawRecall>>>>,
    transfer: Option<Spanned<RawTransfer>>,
    caller_id: Option<Vec<Spanned<RawCallerId>>>,
    dialling: Option<Spanned<RawDialling>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTone {
    notation: Spanned<String>,
    level_dbm0: Option<Spanned<f32>>,
    source: Option<String>,
    confidence: Option<Confidence>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRinging {
    cadence_ms: Spanned<Vec<u32>>,
    source: Option<String>,
    confidence: Option<Confidence>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRecall {
    exchange: String,
    min_ms: Spanned<u32>,
    typical_ms: Spanned<u32>,
    max_ms: Spanned<u32>,
    source: Option<String>,
    confidence: Option<Confidence>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTransfer {
    back: Spanned<String>,
    complete: Spanned<String>,
    conference: Option<Spanned<String>>,
    #[serde(default)]
    while_ringing: bool,
    source: Option<String>,
    confidence: Option<Confidence>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCallerId {
    format: CallerIdFormat,
    timing: CallerIdTiming,
    source: Option<String>,
    confidence: Option<Confidence>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDialling {
    international_prefix: Option<Spanned<String>>,
    country_code: Option<Spanned<String>>,
    national_prefix: Option<Spanned<String>>,
    #[serde(default)]
    emergency: Vec<Spanned<String>>,
    source: Option<String>,
    confidence: Option<Confidence>,
}

/// Levels that can be on a line: the howler is the loudest, and below this nothing is heard.
const LEVEL_DBM0: std::ops::RangeInclusive<f32> = -60.0..=10.0;
/// Shorter is line noise; longer than two seconds hangs up everywhere.
const RECALL_MS: std::ops::RangeInclusive<u32> = 20..=2_000;

struct Reader<'a> {
    text: &'a str,
    author: Author,
}

impl Reader<'_> {
    /// Codes stand in line names (`sim/us`), so they hold nothing that means something there.
    fn code(&self, code: &str, span: &Range<usize>) -> Result<(), Fault> {
        let good = (2..=32).contains(&code.len())
            && code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        match good {
            true => Ok(()),
            false => Err(Fault::new(span.clone(), format!("`{}` is no country code", code.escape_debug()))
                .help("two to 32 small letters, digits or hyphens: `us`, `itu`, `our-pbx`")),
        }
    }

    fn country(&self, raw: RawCountry) -> Result<Records, Fault> {
        let tones = raw
            .tones
            .into_iter()
            .map(|(kind, list)| {
                let list = list.into_iter().map(|t| self.tone(kind, t)).collect::<Result<_, _>>()?;
                Ok((kind, list))
            })
            .collect::<Result<_, Fault>>()?;
        Ok(Records {
            name: raw.name,
            like: raw.like.map(|l| {
                let span = l.span();
                (l.into_inner(), span)
            }),
            tones,
            ringing: raw.ringing.map(|r| self.ringing(r)).transpose()?,
            recall: raw.recall.map(|r| self.recall(r)).transpose()?,
            transfer: raw.transfer.map(|t| self.transfer(t)).transpose()?,
            caller_id: raw.caller_id.map(|list| list.into_iter().map(|c| self.caller_id(c)).collect()).transpose()?,
            dialling: raw.dialling.map(|d| self.dialling(d)).transpose()?,
        })
    }

    fn tone(&self, kind: ToneKind, raw: Spanned<RawTone>) -> Result<ToneSpec, Fault> {
        let span = raw.span();
        let raw = raw.into_inner();
        let cadence = notation::parse(raw.notation.as_ref())
            .map_err(|e| Fault::new(self.within(&raw.notation, &e.at), e.message))?;
        if let Some(level) = raw.level_dbm0.as_ref().filter(|l| !LEVEL_DBM0.contains(l.as_ref())) {
            return Err(Fault::new(level.span(), "a level is -60 to 10 dBm0"));
        }
        Ok(ToneSpec {
            kind,
            intro: cadence.intro,
            steps: cadence.steps,
            repeats: cadence.repeats,
            level_dbm0: raw.level_dbm0.map(Spanned::into_inner),
            provenance: self.provenance(raw.source, raw.confidence, span)?,
        })
    }

    fn ringing(&self, raw: Spanned<RawRinging>) -> Result<Ringing, Fault> {
        let span = raw.span();
        let raw = raw.into_inner();
        let cadence = raw.cadence_ms.as_ref();
        if cadence.is_empty() || cadence.len() % 2 == 1 || cadence.len() > 16 {
            return Err(Fault::new(raw.cadence_ms.span(), "a ringing cadence is one to eight pairs of on and off"));
        }
        if let Some(ms) = cadence.iter().find(|ms| !STEP_MS.contains(ms)) {
            return Err(Fault::new(
                raw.cadence_ms.span(),
                format!("a burst or pause of ringing lasts 10 to 60000 ms: not {ms}"),
            ));
        }
        Ok(Ringing {
            cadence: cadence.iter().map(|&ms| millis(ms)).collect(),
            provenance: self.provenance(raw.source, raw.confidence, span)?,
        })
    }

    fn recall(&self, raw: Spanned<Vec<Spanned<RawRecall>>>) -> Result<Vec<RecallWindow>, Fault> {
        if raw.as_ref().is_empty() {
            return Err(Fault::new(raw.span(), "at least one window is needed: a line without recall cannot transfer")
                .help("leave `recall` out to take the default"));
        }
        raw.into_inner().into_iter().map(|w| self.window(w)).collect()
    }

    fn window(&self, raw: Spanned<RawRecall>) -> Result<RecallWindow, Fault> {
        let span = raw.span();
        let raw = raw.into_inner();
        for ms in [&raw.min_ms, &raw.typical_ms, &raw.max_ms] {
            if !RECALL_MS.contains(ms.as_ref()) {
                return Err(Fault::new(ms.span(), format!("a recall lasts 20 to 2000 ms: not {}", ms.as_ref())));
            }
        }
        let (min, typical, max) = (*raw.min_ms.as_ref(), *raw.typical_ms.as_ref(), *raw.max_ms.as_ref());
        if min >= max {
            return Err(Fault::new(raw.max_ms.span(), format!("the window is empty: {min} to {max} ms")));
        }
        if !(min..=max).contains(&typical) {
            return Err(Fault::new(
                raw.typical_ms.span(),
                format!("{typical} ms lies outside the window of {min} to {max} ms"),
            ));
        }
        Ok(RecallWindow {
            exchange: raw.exchange,
            min: millis(min),
            max: millis(max),
            typical: millis(typical),
            provenance: self.provenance(raw.source, raw.confidence, span)?,
        })
    }

    fn transfer(&self, raw: Spanned<RawTransfer>) -> Result<TransferManners, Fault> {
        let span = raw.span();
        let raw = raw.into_inner();
        for keys in [Some(&raw.back), raw.conference.as_ref()].into_iter().flatten() {
            self.keys(keys, false)?;
        }
        self.keys(&raw.complete, true)?;
        Ok(TransferManners {
            back: raw.back.into_inner(),
            complete: raw.complete.into_inner(),
            conference: raw.conference.map(Spanned::into_inner),
            while_ringing: raw.while_ringing,
            provenance: self.provenance(raw.source, raw.confidence, span)?,
        })
    }

    /// `R`, then what is dialled after it; or, where that ends the call, `H`.
    fn keys(&self, keys: &Spanned<String>, may_hang_up: bool) -> Result<(), Fault> {
        let text = keys.as_ref();
        let (flashes, hangs_up) = match text.strip_suffix('H') {
            Some(rest) => (rest, true),
            None => (text.as_str(), false),
        };
        let good = flashes.len() <= 16
            && flashes.bytes().all(|b| b == b'R' || b.is_ascii_digit() || matches!(b, b'*' | b'#'))
            && (flashes.starts_with('R') || (flashes.is_empty() && hangs_up))
            && (may_hang_up || !hangs_up);
        if good {
            return Ok(());
        }
        let may = if may_hang_up { "; `H` at the end is hanging up" } else { "" };
        Err(Fault::new(keys.span(), format!("`{}` cannot be done on a line", text.escape_debug())).help(format!(
            "`R` is a recall, digits are dialled after it{may}: `R`, `R4`{}",
            if may_hang_up { ", `H`" } else { "" }
        )))
    }

    fn caller_id(&self, raw: Spanned<RawCallerId>) -> Result<CallerIdSpec, Fault> {
        let span = raw.span();
        let raw = raw.into_inner();
        Ok(CallerIdSpec {
            format: raw.format,
            timing: raw.timing,
            provenance: self.provenance(raw.source, raw.confidence, span)?,
        })
    }

    fn dialling(&self, raw: Spanned<RawDialling>) -> Result<Dialling, Fault> {
        let span = raw.span();
        let raw = raw.into_inner();
        let prefixes = raw.international_prefix.iter().chain(&raw.country_code).chain(&raw.national_prefix);
        for number in raw.emergency.iter().chain(prefixes) {
            let text = number.as_ref();
            let may_be_empty = raw.national_prefix.as_ref().is_some_and(|n| std::ptr::eq(n, number));
            if text.is_empty() && !may_be_empty || text.len() > 16 || !text.bytes().all(|b| b.is_ascii_digit()) {
                return Err(Fault::new(number.span(), format!("`{}` is not 1 to 16 digits", text.escape_debug())));
            }
        }
        Ok(Dialling {
            international_prefix: raw.international_prefix.map(Spanned::into_inner),
            country_code: raw.country_code.map(Spanned::into_inner),
            national_prefix: raw.national_prefix.map(Spanned::into_inner),
            emergency: raw.emergency.into_iter().map(Spanned::into_inner).collect(),
            provenance: self.provenance(raw.source, raw.confidence, span)?,
        })
    }

    fn provenance(
        &self,
        source: Option<String>,
        confidence: Option<Confidence>,
        record: Range<usize>,
    ) -> Result<Provenance, Fault> {
        let source = source.filter(|s| !s.trim().is_empty());
        match (source, confidence, self.author) {
            (Some(source), Some(confidence), _) => Ok(Provenance { source, confidence }),
            (source, confidence, Author::User) => Ok(Provenance {
                source: source.unwrap_or_else(|| "the user's facts file".into()),
                confidence: confidence.unwrap_or(Confidence::High),
            }),
            (None, _, Author::Project) => Err(Fault::new(record, "no `source` is given")),
            (_, None, Author::Project) => Err(Fault::new(record, "no `confidence` is given")),
        }
    }

    /// The place of a part of a string: exact unless it was written with escapes.
    fn within(&self, value: &Spanned<String>, part: &Range<usize>) -> Range<usize> {
        let span = value.span();
        let inside = span.start + 1..span.end.saturating_sub(1);
        match self.text.get(inside.clone()) == Some(value.as_ref().as_str()) {
            // an empty place cannot be shown: then it is the whole string
            true if part.start < part.end => inside.start + part.start..inside.start + part.end,
            _ => span,
        }
    }
}

fn millis(ms: u32) -> Duration {
    Duration::from_millis(ms.into())
}
