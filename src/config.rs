//! `tipring.toml`: lines by name, contacts, the user's own facts. Every mistake is shown where it stands.
//!
//! ```toml
//! country = "us"
//!
//! [line.office]
//! port = "dahdi/1"
//! flash_ms = [600, 750]
//!
//! [contacts]
//! alice = "555 0100"
//! ```

use crate::call::{Completion, Manners, Target};
use crate::driver::Selector;
use crate::driver::dahdi::EchoCanceller;
use crate::error::{Error, Exit, printable};
use crate::event::DialMethod;
use crate::journal::when::age;
use crate::number::{DialString, NumberError, Plus};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;

/// Every key there is, for the manual.
pub const KEYS: [&str; 20] = [
    "country",
    "facts",
    "speech",
    "state_dir",
    "keep",
    "port",
    "flash_ms",
    "transfer.back",
    "transfer.complete",
    "transfer.join",
    "transfer.second_line",
    "transfer.while_ringing",
    "dial",
    "answer_after_rings",
    "dial_tone_wait_s",
    "recall_ring_watch_s",
    "echo_canceller",
    "rx_gain_db",
    "tx_gain_db",
    "country",
];

#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Where it was read; `None`: there is no file, and that is fine.
    pub path: Option<PathBuf>,
    pub country: Option<String>,
    pub facts: Option<PathBuf>,
    /// The program that speaks texts, and its arguments; empty: espeak-ng.
    pub speech: Vec<String>,
    /// Where the journal of calls is, instead of the usual place.
    pub state_dir: Option<PathBuf>,
    /// How long calls are kept in the journal; `None`: for ever.
    pub keep: Option<Duration>,
    pub lines: BTreeMap<String, LineConfig>,
    pub contacts: BTreeMap<String, DialString>,
}

#[derive(Clone, Debug)]
pub struct LineConfig {
    pub port: Selector,
    pub country: Option<String>,
    pub flash: Vec<Duration>,
    pub back: Option<String>,
    pub complete: Option<Completion>,
    pub join: Option<String>,
    /// A line, by name or port, on which targets may be called instead.
    pub second_line: Option<String>,
    pub while_ringing: Option<bool>,
    pub dial: Option<DialMethod>,
    pub answer_after_rings: Option<u32>,
    pub dial_tone_wait: Option<Duration>,
    pub recall_ring_watch: Option<Duration>,
    pub echo_canceller: Option<String>,
    pub rx_gain_db: Option<f32>,
    pub tx_gain_db: Option<f32>,
}

impl LineConfig {
    /// Whether echo that the port leaves is ours to take out.
    pub fn cancels_echo(&self) -> bool {
        self.echo_canceller.as_deref() != Some("off")
    }

    /// The country's manners with this line's own laid over them.
    pub fn apply(&self, manners: &mut Manners) {
        if !self.flash.is_empty() {
            manners.flash_widths.clone_from(&self.flash);
        }
        if let Some(back) = &self.back {
            manners.back.clone_from(back);
        }
        if let Some(complete) = &self.complete {
            manners.complete = complete.clone();
            manners.complete_is_known = true;
        }
        if self.join.is_some() {
            manners.join.clone_from(&self.join);
        }
        if let Some(ringing) = self.while_ringing {
            manners.while_ringing = ringing;
        }
        if let Some(dial) = self.dial {
            manners.dial_method = dial;
        }
        if let Some(wait) = self.dial_tone_wait {
            manners.dial_tone_wait = wait;
        }
        if let Some(watch) = self.recall_ring_watch {
            manners.recall_ring_watch = watch;
        }
    }
}

// -- the file as it is written ---------------------------------------------------------------------------------------

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    country: Option<Spanned<String>>,
    facts: Option<PathBuf>,
    speech: Option<Spanned<Vec<String>>>,
    state_dir: Option<Spanned<PathBuf>>,
    #[serde(default)]
    journal: JournalTable,
    #[serde(default)]
    line: BTreeMap<String, LineTable>,
    #[serde(default)]
    contacts: BTreeMap<Spanned<String>, Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct JournalTable {
    keep: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LineTable {
    port: Spanned<String>,
    country: Option<Spanned<String>>,
    flash_ms: Option<Spanned<Vec<Spanned<u64>>>>,
    #[serde(default)]
    transfer: TransferTable,
    dial: Option<DialMethod>,
    answer_after_rings: Option<Spanned<u32>>,
    dial_tone_wait_s: Option<Spanned<f64>>,
    recall_ring_watch_s: Option<Spanned<f64>>,
    echo_canceller: Option<Spanned<String>>,
    rx_gain_db: Option<Spanned<f64>>,
    tx_gain_db: Option<Spanned<f64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TransferTable {
    back: Option<Spanned<String>>,
    complete: Option<Spanned<String>>,
    join: Option<Spanned<String>>,
    second_line: Option<Spanned<String>>,
    while_ringing: Option<bool>,
}

/// One mistake and where it stands.
struct Mistake {
    span: Range<usize>,
    message: String,
    label: String,
}

impl Config {
    /// Reads the file that was named, or the first that there is of the user's and the system's.
    pub fn load(named: Option<&Path>) -> Result<Config, Error> {
        let (path, must_exist) = match named {
            Some(path) => (path.to_path_buf(), true),
            // a link that leads nowhere or a directory that may not be entered is no missing file: what stands in it counts
            None => match default_paths().into_iter().find(|p| !is_missing(p)) {
                Some(path) => (path, false),
                None => return Ok(Config::default()),
            },
        };
        let shown = printable(&path.to_string_lossy());
        let text = crate::input::text(&path).map_err(|e| {
            let next =
                if must_exist { "name a readable file with --config, or leave it out" } else { "make it readable" };
            Error::new(Exit::Config, format!("cannot read the configuration {shown}"), e.to_string(), next)
        })?;
        let mut config = Config::parse(&text, &shown)?;
        config.path = Some(path);
        Ok(config)
    }

    pub fn parse(text: &str, name: &str) -> Result<Config, Error> {
        let file: File = toml::from_str(text).map_err(|e| {
            let span = e.span().unwrap_or(0..0);
            let message = in_the_users_words(e.message().lines().next().unwrap_or("not understood"));
            complain(text, name, &[Mistake { span, label: message.clone(), message }])
        })?;
        let mut mistakes = Vec::new();
        let config = file.check(&mut mistakes);
        mistakes.sort_by_key(|m| m.span.start);
        if mistakes.is_empty() { Ok(config) } else { Err(complain(text, name, &mistakes)) }
    }

    /// A second line is another line of this file, or a port.
    fn check_second_lines(&self, seconds: &[(String, Spanned<String>)], mistakes: &mut Vec<Mistake>) {
        for (first, second) in seconds {
            let name = second.get_ref();
            let label = if name == first {
                "it is the same line"
            } else if !self.lines.contains_key(name) && name.parse::<Selector>().is_err() {
                "must be another line of this file, or a port"
            } else {
                continue;
            };
            let message = format!("`{}` cannot be the second line of `{}`", printable(name), printable(first));
            mistakes.push(Mistake { span: second.span(), message, label: label.into() });
        }
    }

    /// Somebody to reach: a name from `[contacts]`, or a number.
    pub fn target(&self, text: &str, plus: Plus<'_>) -> Result<Target, Error> {
        if let Some(number) = self.contacts.get(text) {
            return Ok(Target { name: Some(text.to_string()), number: number.clone() });
        }
        // a tone A to D is a capital, and comes with digits: a word of these letters is a name that is not listed
        let letters = text.chars().any(|c| c.is_ascii_lowercase())
            || (text.chars().any(|c| c.is_alphabetic())
                && !text.chars().any(|c| c.is_ascii_digit() || "*#".contains(c)));
        let parsed = match letters {
            true => Err(NumberError::NoSuchName),
            false => DialString::parse(text, plus),
        };
        match parsed {
            Ok(number) => Ok(Target { name: None, number }),
            Err(why) => {
                let shown: String = text.chars().take(60).collect();
                let next = if self.contacts.is_empty() {
                    "give digits, * and #; names can be listed under [contacts] in tipring.toml".to_string()
                } else {
                    let names: Vec<&str> = self.contacts.keys().map(String::as_str).take(8).collect();
                    format!("give digits, * and #, or a name from [contacts]: {}", names.join(", "))
                };
                Err(Error::new(Exit::Usage, format!("cannot dial `{}`", printable(&shown)), why.to_string(), next))
            }
        }
    }
}

/// The user's file first, then the system's. An empty or relative directory counts as none (XDG Base Directory Specification):
/// it would be whatever lies where the command is run.
fn default_paths() -> Vec<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let user = absolute("XDG_CONFIG_HOME")
        .or_else(|| absolute("HOME").map(|h| h.join(".config")))
        .map(|c| c.join("tipring/tipring.toml"));
    user.into_iter().chain([PathBuf::from("/etc/tipring/tipring.toml")]).collect()
}

fn is_missing(path: &Path) -> bool {
    // a file in the place of one of its directories is none of ours
    let none = |e: std::io::Error| matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory);
    path.symlink_metadata().is_err_and(none)
}

impl File {
    fn check(self, mistakes: &mut Vec<Mistake>) -> Config {
        if let Some(country) = &self.country {
            check_country(country, mistakes);
        }
        if let Some(speech) = self.speech.as_ref().filter(|s| s.get_ref().first().is_none_or(String::is_empty)) {
            mistakes.push(Mistake {
                span: speech.span(),
                message: "no program to speak texts with".into(),
                label: "must be a program and its arguments, as in [\"espeak-ng\", \"--stdout\", \"--stdin\"]".into(),
            });
        }
        if let Some(dir) = self.state_dir.as_ref().filter(|d| !d.get_ref().is_absolute()) {
            mistakes.push(Mistake {
                span: dir.span(),
                message: "the state directory has to be one wherever a command is run".into(),
                label: "must be an absolute path".into(),
            });
        }
        let keep = self.journal.keep.as_ref().and_then(|keep| {
            let day = Duration::from_secs(86_400);
            let age = age(keep.get_ref()).and_then(|age| {
                // less is a slip of the pen, and calls do not come back
                if age < day { Err("must be a day at least".to_string()) } else { Ok(age) }
            });
            let mistake = |label| Mistake { span: keep.span(), message: "how long are calls kept?".into(), label };
            age.map_err(|label| mistakes.push(mistake(label))).ok()
        });
        let mut config = Config {
            keep,
            path: None,
            country: self.country.map(Spanned::into_inner),
            facts: self.facts,
            speech: self.speech.map(Spanned::into_inner).unwrap_or_default(),
            state_dir: self.state_dir.map(Spanned::into_inner),
            lines: BTreeMap::new(),
            contacts: BTreeMap::new(),
        };
        let mut seconds = Vec::new();
        for (name, table) in self.line {
            if name.is_empty() || name.parse::<Selector>().is_ok() {
                mistakes.push(Mistake {
                    span: table.port.span(),
                    message: format!("a line cannot be called `{}`", printable(&name)),
                    label: "this port's line needs a name that is not itself a port".into(),
                });
            }
            if let Some(second) = &table.transfer.second_line {
                seconds.push((name.clone(), second.clone()));
            }
            if let Some(line) = table.check(mistakes) {
                config.lines.insert(name, line);
            }
        }
        config.check_second_lines(&seconds, mistakes);
        for (name, number) in self.contacts {
            let text = name.get_ref();
            // 911 must stay 911, and a comma parts the targets of a transfer
            if text.is_empty() || text.contains(',') || !text.chars().any(char::is_alphabetic) {
                mistakes.push(Mistake {
                    span: name.span(),
                    message: "a contact's name needs a letter, and no comma".into(),
                    label: "it would be taken for a number".into(),
                });
            }
            match number.get_ref().parse() {
                Ok(number) => {
                    config.contacts.insert(name.into_inner(), number);
                }
                Err(e) => mistakes.push(Mistake {
                    span: number.span(),
                    message: format!("`{}` cannot be dialled", printable(number.get_ref())),
                    label: format!("{e}"),
                }),
            }
        }
        config
    }
}

impl LineTable {
    fn check(self, mistakes: &mut Vec<Mistake>) -> Option<LineConfig> {
        let port = match self.port.get_ref().parse::<Selector>() {
            Ok(port) => Some(port),
            Err(e) => {
                mistakes.push(Mistake { span: self.port.span(), message: "unknown port".into(), label: e.to_string() });
                None
            }
        };
        if let Some(country) = &self.country {
            check_country(country, mistakes);
        }
        if let Some(widths) = self.flash_ms.as_ref().filter(|w| w.get_ref().is_empty()) {
            mistakes.push(Mistake {
                span: widths.span(),
                message: "no hook-flash time is given".into(),
                label: "name one or more in ms, or leave the key out for the country's".into(),
            });
        }
        let flash = self
            .flash_ms
            .iter()
            .flat_map(|widths| widths.get_ref())
            .filter(|ms| {
                within(ms, *ms.get_ref() as f64, 50.0..=1500.0, "hook-flash time out of range", "ms", mistakes)
            })
            .map(|ms| Duration::from_millis(*ms.get_ref()))
            .collect();
        let mut seconds = |value: &Option<Spanned<f64>>, what: &str| {
            let value = value.as_ref()?;
            within(value, *value.get_ref(), 0.5..=120.0, &format!("{what} out of range"), "s", mistakes)
                .then(|| Duration::from_secs_f64(*value.get_ref()))
        };
        let dial_tone_wait = seconds(&self.dial_tone_wait_s, "wait for dial tone");
        let recall_ring_watch = seconds(&self.recall_ring_watch_s, "watch for recall ringing");
        let mut gain = |value: &Option<Spanned<f64>>| {
            let value = value.as_ref()?;
            within(value, *value.get_ref(), -30.0..=30.0, "gain out of range", "dB", mistakes)
                .then_some(*value.get_ref() as f32)
        };
        let (rx_gain_db, tx_gain_db) = (gain(&self.rx_gain_db), gain(&self.tx_gain_db));
        if let Some(rings) = &self.answer_after_rings {
            within(rings, f64::from(*rings.get_ref()), 1.0..=20.0, "rings out of range", "rings", mistakes);
        }
        // on every port: a line may be moved to a card tomorrow
        if let Some(text) = &self.echo_canceller
            && let Err(e) = text.get_ref().parse::<EchoCanceller>()
        {
            mistakes.push(Mistake {
                span: text.span(),
                message: format!("unknown echo canceller `{}`", printable(text.get_ref())),
                label: format!("{e}; or \"default\", \"own\", \"off\""),
            });
        }
        let complete = self.transfer.complete.as_ref().and_then(|c| parse_completion(c, mistakes));
        let ways = [
            (&self.transfer.back, "unknown way back to the held party"),
            (&self.transfer.join, "unknown way to bring all three together"),
        ];
        for (way, message) in ways {
            let Some(way) = way else { continue };
            let digits = way.get_ref().strip_prefix('R');
            if !digits.is_some_and(|d| d.is_empty() || d.parse::<DialString>().is_ok()) {
                mistakes.push(Mistake {
                    span: way.span(),
                    message: message.into(),
                    label: "must be `R`, or `R` and digits as in `R1`".into(),
                });
            }
        }
        Some(LineConfig {
            port: port?,
            country: self.country.map(Spanned::into_inner),
            flash,
            back: self.transfer.back.map(Spanned::into_inner),
            complete,
            join: self.transfer.join.map(Spanned::into_inner),
            second_line: self.transfer.second_line.map(Spanned::into_inner),
            while_ringing: self.transfer.while_ringing,
            dial: self.dial,
            answer_after_rings: self.answer_after_rings.map(Spanned::into_inner),
            dial_tone_wait,
            recall_ring_watch,
            echo_canceller: self.echo_canceller.map(Spanned::into_inner),
            rx_gain_db,
            tx_gain_db,
        })
    }
}

fn check_country(country: &Spanned<String>, mistakes: &mut Vec<Mistake>) {
    if crate::facts::Facts::embedded().country(country.get_ref()).is_none() {
        mistakes.push(Mistake {
            span: country.span(),
            message: format!("no facts about the country `{}`", printable(country.get_ref())),
            label: "a code of two small letters (us, gb, de …), or itu for the ITU-T default".into(),
        });
    }
}

fn within<T>(
    at: &Spanned<T>,
    value: f64,
    range: std::ops::RangeInclusive<f64>,
    message: &str,
    unit: &str,
    mistakes: &mut Vec<Mistake>,
) -> bool {
    let ok = range.contains(&value);
    if !ok {
        let label = format!("must be {}..={} {unit}", range.start(), range.end());
        mistakes.push(Mistake { span: at.span(), message: message.into(), label });
    }
    ok
}

fn parse_completion(text: &Spanned<String>, mistakes: &mut Vec<Mistake>) -> Option<Completion> {
    let digits = |t: &str| t.strip_prefix('R').and_then(|d| d.parse::<DialString>().ok());
    match text.get_ref().as_str() {
        "hang-up" | "H" => Some(Completion::HangUp),
        "stay" => Some(Completion::Stay),
        "never" => Some(Completion::Never),
        other => match digits(other) {
            Some(code) => Some(Completion::Recall(code)),
            None => {
                mistakes.push(Mistake {
                    span: text.span(),
                    message: "unknown way to complete a transfer".into(),
                    label: "must be `hang-up`, `stay`, `never`, or a recall code such as `R4`".into(),
                });
                None
            }
        },
    }
}

/// The parser of TOML names our types and its own.
pub fn in_the_users_words(message: &str) -> String {
    let mut words = message.replace("invalid type: ", "").replace("expected a sequence", "expected a list");
    words = words.replace("expected a map", "expected a table");
    if let Some((before, after)) = words.split_once("expected struct ") {
        words = format!("{before}expected a table{}", after.trim_start_matches(char::is_alphanumeric));
    }
    words
}

/// One place in a file, drawn as compilers do.
pub fn show_place(text: &str, name: &str, span: Range<usize>, message: &str) -> String {
    draw(text, name, &Mistake { span, message: message.into(), label: message.into() })
}

fn draw(text: &str, name: &str, mistake: &Mistake) -> String {
    use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
    // a value without end is shown by its beginning
    let start = mistake.span.start.min(text.len());
    let shown = text[start..].char_indices().take(120).last().map_or(start, |(i, c)| start + i + c.len_utf8());
    let span = start..mistake.span.end.clamp(start, shown);
    let line_start = text[..start].rfind('\n').map_or(0, |i| i + 1);
    let cut = (start - line_start > 300 || shown < mistake.span.end).then(|| mistake.message.clone());
    if let Some(message) = cut {
        let line = text[..start].matches('\n').count() + 1;
        return format!("{} ({name}, line {line})", message.chars().take(200).collect::<String>());
    }
    let snippet = Snippet::source(text).path(name).annotation(AnnotationKind::Primary.span(span).label(&mistake.label));
    let drawn = Renderer::plain().render(&[Level::ERROR.primary_title(&mistake.message).element(snippet)]).to_string();
    // `error: ` begins our own three lines, once
    drawn.strip_prefix("error: ").map_or(drawn.clone(), str::to_string)
}

/// Who has more of them than this mends one thing, not each.
const MISTAKES_SHOWN: usize = 20;

/// The mistakes as one error, the first of them shown where they stand.
fn complain(text: &str, name: &str, mistakes: &[Mistake]) -> Error {
    let mut shown: Vec<String> = mistakes.iter().take(MISTAKES_SHOWN).map(|m| draw(text, name, m)).collect();
    if let Some(more) = mistakes.len().checked_sub(MISTAKES_SHOWN).filter(|n| *n > 0) {
        shown.push(format!("… and {more} more"));
    }
    let count =
        if mistakes.len() == 1 { "it has a mistake".into() } else { format!("it has {} mistakes", mistakes.len()) };
    let mut error = Error::new(
        Exit::Config,
        format!("cannot use the configuration {name}"),
        count,
        "mend what is shown below; man 5 tipring.toml lists every key",
    );
    error.detail = Some(shown.join("\n"));
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_contacts_are_read() {
        let c = Config::parse(
            "country = \"us\"\n[line.office]\nport = \"dahdi/3\"\nflash_ms = [600]\ntransfer.complete = \"R4\"\n\
             [contacts]\nalice = \"555 0100\"\n",
            "t.toml",
        )
        .unwrap();
        assert_eq!(c.lines["office"].port, Selector::Dahdi(3));
        assert_eq!(c.lines["office"].flash, [Duration::from_millis(600)]);
        assert_eq!(c.target("alice", Plus::default()).unwrap().number.reveal(), "5550100");
        assert_eq!(c.target("5550199", Plus::default()).unwrap().name, None);
    }

    #[test]
    fn a_misspelt_key_is_shown_where_it_stands() {
        let e = Config::parse("[line.a]\nport = \"sim/us\"\nflahs_ms = [600]\n", "t.toml").unwrap_err();
        assert_eq!(e.exit, Exit::Config);
        let detail = e.detail.unwrap();
        assert!(detail.contains("t.toml:3:1") && detail.contains("flahs_ms"), "{detail}");
    }

    #[test]
    fn every_mistake_is_told_at_once_with_its_place() {
        let text = "[line.a]\nport = \"isdn/1\"\nflash_ms = [5000]\n[contacts]\nbob = \"555;0\"\n";
        let e = Config::parse(text, "t.toml").unwrap_err();
        let detail = e.detail.unwrap();
        for part in ["t.toml:2:8", "t.toml:3:13", "must be 50..=1500 ms", "t.toml:5:7", "3 mistakes"] {
            assert!(detail.contains(part) || e.why.contains(part), "{part}: {detail}");
        }
    }

    #[test]
    fn how_long_calls_are_kept_is_an_age_of_a_day_at_least() {
        let keep = |value: &str| Config::parse(&format!("[journal]\nkeep = \"{value}\"\n"), "t.toml");
        assert_eq!(keep("400d").unwrap().keep, Some(Duration::from_secs(400 * 86_400)));
        assert_eq!(Config::parse("", "t.toml").unwrap().keep, None);
        for bad in ["", "400", "0d", "23h", "for ever"] {
            let e = keep(bad).unwrap_err();
            assert!(e.detail.unwrap().contains("t.toml:2:8"), "{bad}");
        }
    }

    #[test]
    fn an_echo_canceller_that_there_is_not_is_a_mistake_on_every_port() {
        for port in ["sim/us", "dahdi/1"] {
            let of = |value: &str| {
                Config::parse(&format!("[line.a]\nport = \"{port}\"\necho_canceller = \"{value}\"\n"), "t.toml")
            };
            for good in ["default", "own", "off", "mg2:128", "oslec:256"] {
                of(good).unwrap();
            }
            for bad in ["", "maybe", "mg2:100", "sec:128", "mg2:128:1", "Off"] {
                let e = of(bad).unwrap_err();
                assert_eq!(e.exit, Exit::Config, "{bad}");
                assert!(e.detail.unwrap().contains("t.toml:3:18"), "{bad}");
            }
        }
    }

    #[test]
    fn a_name_that_is_no_contact_and_no_number_is_refused_with_the_names_there_are() {
        let c = Config::parse("[contacts]\nalice = \"5550100\"\n", "t").unwrap();
        let e = c.target("bob", Plus::default()).unwrap_err();
        assert_eq!(e.exit, Exit::Usage);
        assert!(e.next.contains("alice"), "{e}");
    }
}
