//! The facts of every country: embedded files, a user's own over them, and what stands in where neither knows.
//!
//! A country's file is parsed when somebody asks for the country: a command that needs one does not wait for forty.

use super::error::{FactsError, Fault};
use super::schema::{self, Author, Records};
use super::{Confidence, Country, Dialling, Provenance};
use crate::event::ToneKind;
use std::collections::BTreeMap;
use std::sync::{LazyLock, OnceLock};

/// All the facts there are.
#[derive(Debug)]
pub struct Facts {
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug, Default)]
struct Entry {
    embedded: Option<&'static str>,
    user: Option<Records>,
    records: OnceLock<Records>,
    country: OnceLock<Country>,
}

/// The last to stand in for a country that does not know.
const DEFAULT: &str = "itu";

impl Facts {
    /// What the program knows by itself.
    pub fn embedded() -> &'static Facts {
        static FACTS: LazyLock<Facts> = LazyLock::new(|| Facts { entries: entries() });
        &FACTS
    }

    /// The embedded facts with a user's over them: record by record, where the file has one, it holds. Emergency numbers
    /// are added, never taken away.
    pub fn with_user_file(text: &str) -> Result<Facts, FactsError> {
        Facts::overlay(text).map_err(|fault| FactsError::new(text, fault))
    }

    /// One country, complete: what its own records do not say is taken from the country it is like, or from the
    /// ITU-T default, and its provenance says so.
    pub fn country(&self, code: &str) -> Option<&Country> {
        let entry = self.entries.get(code)?;
        Some(entry.country.get_or_init(|| self.resolve(code)))
    }

    /// The codes of all countries, in alphabetical order.
    pub fn codes(&self) -> impl Iterator<Item = &str> + '_ {
        self.entries.keys().map(String::as_str)
    }

    fn overlay(text: &str) -> Result<Facts, Fault> {
        let mut facts = Facts { entries: entries() };
        let file = schema::read(text, Author::User)?;
        let mut likes = Vec::new();
        for (code, (span, records)) in file {
            likes.extend(records.like.clone().map(|like| (code.clone(), like)));
            let entry = facts.entries.entry(code).or_default();
            if entry.embedded.is_none() && records.name.is_none() {
                return Err(Fault::new(span, "a country of your own needs a `name`")
                    .help("to change one that exists, use its code: two small letters, as in `us`"));
            }
            entry.user = Some(records);
        }
        for (code, (like, span)) in likes {
            if code == DEFAULT {
                return Err(Fault::new(span, "`itu` is the default of all others and is like nobody"));
            }
            if !facts.entries.contains_key(&like) {
                return Err(Fault::new(span, format!("there is no country `{}` to be like", like.escape_debug())));
            }
            if facts.line_of(&code).iter().skip(1).any(|c| *c == code) {
                return Err(Fault::new(span, format!("`{code}` would be like itself")));
            }
        }
        Ok(facts)
    }

    /// A country and those that stand in for it, nearest first. Stops where it would turn in a circle.
    fn line_of<'a>(&'a self, code: &'a str) -> Vec<&'a str> {
        let mut line = vec![code];
        let mut at = code;
        while let Some((like, _)) = self.records(at).and_then(|r| r.like.as_ref()) {
            line.push(like);
            if line[..line.len() - 1].contains(&like.as_str()) {
                return line;
            }
            at = like;
        }
        line
    }

    fn records(&self, code: &str) -> Option<&Records> {
        let entry = self.entries.get(code)?;
        Some(entry.records.get_or_init(|| {
            let mut records = entry.embedded.map(|text| embedded_records(code, text)).unwrap_or_default();
            if let Some(user) = &entry.user {
                records.put_over(user.clone());
            }
            records
        }))
    }

    fn resolve(&self, code: &str) -> Country {
        let named: Vec<(&str, &Records)> =
            self.line_of(code).into_iter().filter_map(|c| Some((c, self.records(c)?))).collect();
        // the emergency numbers of the country that a line is said to be like are valid on it too
        let emergency: Vec<&Dialling> = named.iter().filter_map(|(_, r)| r.dialling.as_ref()).collect();
        let mut line = named.clone();
        if code != DEFAULT && !line.iter().any(|(c, _)| *c == DEFAULT) {
            line.extend(self.records(DEFAULT).map(|r| (DEFAULT, r)));
        }
        let own = |from: &str| from == code;

        let mut tones = Vec::new();
        for kind in ToneKind::ALL {
            if let Some((from, specs)) = first(&line, |r| r.tones.get(&kind)) {
                tones.extend(specs.iter().cloned().map(|mut spec| {
                    spec.provenance.stand_in(from, own(from));
                    spec
                }));
            }
        }
        let (from, mut ringing) = taken(&line, |r| r.ringing.as_ref());
        ringing.provenance.stand_in(from, own(from));
        let (from, mut recall) = taken(&line, |r| r.recall.as_ref());
        recall.iter_mut().for_each(|w| w.provenance.stand_in(from, own(from)));
        let (from, mut transfer) = taken(&line, |r| r.transfer.as_ref());
        transfer.provenance.stand_in(from, own(from));
        let (from, mut caller_id) = taken(&line, |r| r.caller_id.as_ref());
        caller_id.iter_mut().for_each(|c| c.provenance.stand_in(from, own(from)));
        let (from, mut dialling) = taken(&line, |r| r.dialling.as_ref());
        dialling.provenance.stand_in(from, own(from));
        for number in emergency.iter().flat_map(|d| &d.emergency) {
            if !dialling.emergency.contains(number) {
                dialling.emergency.push(number.clone());
            }
        }
        Country {
            code: code.to_owned(),
            name: named.first().and_then(|(_, r)| r.name.clone()).unwrap_or_else(|| code.to_owned()),
            tones,
            ringing,
            recall,
            transfer,
            caller_id,
            dialling,
        }
    }
}

impl Records {
    fn put_over(&mut self, user: Records) {
        self.tones.extend(user.tones);
        if let Some(mut dialling) = user.dialling {
            if let Some(before) = self.dialling.take() {
                dialling.international_prefix = dialling.international_prefix.or(before.international_prefix);
                dialling.country_code = dialling.country_code.or(before.country_code);
                dialling.national_prefix = dialling.national_prefix.or(before.national_prefix);
                dialling.emergency.extend(before.emergency);
                let mut seen = Vec::new();
                dialling.emergency.retain(|n| {
                    !seen.contains(n) && {
                        seen.push(n.clone());
                        true
                    }
                });
            }
            self.dialling = Some(dialling);
        }
        self.name = user.name.or(self.name.take());
        self.like = user.like.or(self.like.take());
        self.ringing = user.ringing.or(self.ringing.take());
        self.recall = user.recall.or(self.recall.take());
        self.transfer = user.transfer.or(self.transfer.take());
        self.caller_id = user.caller_id.or(self.caller_id.take());
    }
}

impl Provenance {
    /// Marks a record that was taken from another country.
    fn stand_in(&mut self, from: &str, own: bool) {
        if own {
            return;
        }
        // a country that is said to be like another shares its plan; the default is only better than nothing
        let at_most = if from == DEFAULT { Confidence::Low } else { Confidence::Medium };
        self.confidence = self.confidence.min(at_most);
        self.source = format!("not known here, `{from}` stands in: {}", self.source);
    }
}

fn first<'a, T: ?Sized>(
    line: &[(&'a str, &'a Records)],
    get: impl Fn(&'a Records) -> Option<&'a T>,
) -> Option<(&'a str, &'a T)> {
    line.iter().find_map(|&(code, records)| Some((code, get(records)?)))
}

/// For the records that `itu.toml` has: a test sees that it has them, and a user's file can replace but not remove them.
fn taken<'a, T: Clone + 'a>(
    line: &[(&'a str, &'a Records)],
    get: impl Fn(&'a Records) -> Option<&'a T>,
) -> (&'a str, T) {
    let (code, value) = first(line, get).expect("itu.toml is complete: tested");
    (code, value.clone())
}

fn embedded_records(code: &str, text: &str) -> Records {
    let mut file = schema::read(text, Author::Project).expect("every embedded file is read by a test");
    file.remove(code).expect("an embedded file holds the country of its name: tested").1
}

fn entries() -> BTreeMap<String, Entry> {
    super::embedded::FILES
        .iter()
        .map(|&(code, text)| (code.to_owned(), Entry { embedded: Some(text), ..Entry::default() }))
        .collect()
}
