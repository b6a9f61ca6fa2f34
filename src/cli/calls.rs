//! `tipring calls`: the journal of calls, its notes and tags.

use super::Global;
use super::suggest::Suggested;
use crate::control::place::user_name;
use crate::error::{Error, Exit, printable};
use crate::journal::export::{self, ExportError, Format, document};
use crate::journal::place::Surroundings;
use crate::journal::prune::{Count, Old};
use crate::journal::query::{Filter, Found, State, Summary, Whole};
use crate::journal::when::{self, Edge};
use crate::journal::{JournalError, Store};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The journal of calls: list, show, note, tag, export, prune
///
/// Every call that tipring makes or takes is written to the journal in the state directory ($TIPRING_STATE_DIR, else
/// /var/lib/tipring for root, else ~/.local/state/tipring). Without a subcommand the latest calls are listed.
#[derive(Args, Debug)]
pub struct Calls {
    #[command(subcommand)]
    pub command: Option<CallsCommand>,
    #[command(flatten)]
    pub list: List,
}

#[derive(Debug, Subcommand)]
pub enum CallsCommand {
    /// The calls, the latest first
    List(List),
    /// All that is known of a call: parties, what was done and heard, notes
    Show(Show),
    /// Write a note to a call
    Note(Note),
    /// Put tags on a call, and take them off
    Tag(Tag),
    /// The calls for other programs: JSON Lines or CSV, the oldest first
    Export(Export),
    Prune(Prune),
}

#[derive(Args, Debug, Default, PartialEq)]
pub struct Which {
    /// Calls since then: 2026-02-03, 2026-02-03T14:05, 14:05, today, yesterday, or 2h, 3d ago
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// Calls until then; a day is meant to its end
    #[arg(long, value_name = "WHEN")]
    pub until: Option<String>,
    /// Calls that have this tag; may be given again: all of them
    #[arg(long, value_name = "TAG")]
    pub tag: Vec<String>,
    /// Calls that ended so: busy, no-answer, transferred, interrupted, …; may be given again: any of them
    #[arg(long, value_name = "OUTCOME", value_parser = Suggested::<String>::new(outcomes()), hide_possible_values = true)]
    pub outcome: Vec<String>,
}

#[derive(Args, Debug, Default, PartialEq)]
pub struct List {
    #[command(flatten)]
    pub which: Which,
    /// The latest so many; 0: all
    #[arg(long, value_name = "N")]
    pub limit: Option<u32>,
}

#[derive(Args, Debug)]
pub struct Show {
    /// A call's id, the beginning of one, or `last`
    pub id: String,
}

#[derive(Args, Debug)]
pub struct Note {
    /// A call's id, the beginning of one, or `last`
    pub id: String,
    /// The note; `-` reads it from standard input
    pub text: String,
}

#[derive(Args, Debug)]
pub struct Tag {
    /// A call's id, the beginning of one, or `last`
    pub id: String,
    /// +TAG puts it on, -TAG takes it off
    #[arg(required = true, allow_hyphen_values = true, value_name = "+TAG|-TAG")]
    pub tags: Vec<String>,
}

#[derive(Args, Debug)]
pub struct Export {
    #[command(flatten)]
    pub which: Which,
    /// The latest so many
    #[arg(long, value_name = "N")]
    pub limit: Option<u32>,
    /// How; else by the ending of --output's name, else jsonl
    #[arg(long, value_enum)]
    pub format: Option<ExportFormat>,
    /// Write to this file, whole or not at all
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Remove old calls for good
///
/// Calls that have notes or tags stay, and so does a call under way. With --dry-run they are only counted; `tipring calls
/// export` writes them to a file before. The journal's file does not become smaller: its room is used again.
#[derive(Args, Debug)]
pub struct Prune {
    /// Calls that began longer ago: 400d, 52w, 36h; else as `keep` under [journal] of tipring.toml says
    #[arg(long, value_name = "AGE")]
    pub older_than: Option<String>,
    /// Also those that have notes or tags
    #[arg(long)]
    pub noted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// One document a line
    Jsonl,
    /// One row a call
    Csv,
}

const LIST_LIMIT: u32 = 50;
const NOTE_MAX: usize = 64 * 1024;
const TAG_MAX: usize = 64;
/// SQLite lets a waiting writer look again after 25 ms at the latest.
const BETWEEN_PRUNES: Duration = Duration::from_millis(30);
/// For a journal that another process is writing to.
const BUSY: Duration = Duration::from_secs(5);

impl Calls {
    pub fn run(self, global: &Global) -> Result<Exit, Error> {
        let Some(command) = self.command else { return self.list.run(global) };
        if self.list != List::default() {
            let why = "they are of the list that is shown without a subcommand";
            return Err(Error::new(Exit::Usage, "misplaced options", why, "write them behind the subcommand"));
        }
        match command {
            CallsCommand::List(c) => c.run(global),
            CallsCommand::Show(c) => c.run(global),
            CallsCommand::Note(c) => c.run(global),
            CallsCommand::Tag(c) => c.run(global),
            CallsCommand::Export(c) => c.run(global),
            CallsCommand::Prune(c) => c.run(global),
        }
    }
}

impl List {
    fn run(self, global: &Global) -> Result<Exit, Error> {
        let journal = Journal::of(global)?;
        let limit = Some(self.limit.unwrap_or(LIST_LIMIT)).filter(|n| *n > 0);
        let filter = self.which.filter(global, limit)?;
        let calls = match journal.read() {
            Ok(store) => store.list(&filter).map_err(|e| e.explain(CANNOT_READ))?,
            // nobody has called yet
            Err(JournalError::Missing(_)) => Vec::new(),
            Err(e) => return Err(e.explain(CANNOT_READ)),
        };
        let document = json!({ "schema": "tipring.calls/1", "calls": calls });
        super::read(global.style().answer(&document, || table(&calls)))?;
        Ok(Exit::Done)
    }
}

impl Show {
    fn run(self, global: &Global) -> Result<Exit, Error> {
        let (_, store, id) = Journal::find(global, &self.id, CANNOT_SHOW)?;
        show(global, &store, &id)
    }
}

impl Note {
    fn run(self, global: &Global) -> Result<Exit, Error> {
        let what = "cannot write the note";
        let refuse = |why: String| Error::new(Exit::Usage, what, why, "write up to 64 KiB of text");
        let text = match self.text.as_str() {
            "-" => {
                let mut bytes = Vec::new();
                let limited = io::stdin().lock().take(NOTE_MAX as u64 + 1).read_to_end(&mut bytes);
                limited.map_err(|e| refuse(format!("standard input: {e}")))?;
                String::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8".into()))?
            }
            text => text.to_string(),
        };
        let text = text.trim_end();
        if text.is_empty() || text.len() > NOTE_MAX {
            return Err(refuse(if text.is_empty() { "it is empty" } else { "it is too long" }.into()));
        }
        let (journal, store, id) = Journal::find(global, &self.id, what)?;
        if global.dry_run {
            return plan(global, format!("note to {id}: {}", printable(text)));
        }
        let author = user_name(nix::unistd::Uid::current().as_raw());
        let mut writer = journal.write().map_err(|e| e.explain(what))?;
        let there = writer.note(&id, &author, text).map_err(|e| e.explain(what))?;
        written(global, &store, &id, there)
    }
}

impl Tag {
    fn run(self, global: &Global) -> Result<Exit, Error> {
        let what = "cannot tag the call";
        let (mut add, mut remove) = (Vec::new(), Vec::new());
        for text in &self.tags {
            if text.starts_with("--") {
                let why = format!("`{}` is no tag: all that follows the call's id is", printable(text));
                return Err(Error::new(Exit::Usage, what, why, "write options before the id"));
            }
            let (list, other, tag) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
                (Some(tag), _) => (&mut add, &mut remove, tag),
                (_, Some(tag)) => (&mut remove, &mut add, tag),
                _ => {
                    let why = format!("`{}` says neither on nor off", printable(text));
                    return Err(Error::new(Exit::Usage, what, why, "write +TAG to put it on, -TAG to take it off"));
                }
            };
            let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
            if tag.is_empty()
                || tag.len() > TAG_MAX
                || !tag.starts_with(char::is_alphanumeric)
                || !tag.chars().all(fits)
            {
                let why = format!("`{}` is no tag", printable(&tag.chars().take(80).collect::<String>()));
                return Err(Error::new(
                    Exit::Usage,
                    what,
                    why,
                    "letters, digits, - _ . and :, up to 64, a letter or a digit first",
                ));
            }
            // of two words about one tag the later counts
            other.retain(|earlier: &String| earlier != tag);
            list.push(tag.to_string());
        }
        let (journal, store, id) = Journal::find(global, &self.id, what)?;
        if global.dry_run {
            return plan(global, format!("tags of {id}: {}", self.tags.join(" ")));
        }
        let mut writer = journal.write().map_err(|e| e.explain(what))?;
        let there = writer.tag(&id, &add, &remove).map_err(|e| e.explain(what))?;
        written(global, &store, &id, there)
    }
}

impl Export {
    fn run(self, global: &Global) -> Result<Exit, Error> {
        let what = "cannot export the calls";
        let journal = Journal::of(global)?;
        let filter = self.which.filter(global, self.limit.filter(|n| *n > 0))?;
        let by_name = self.output.as_ref().and_then(|o| o.extension()).filter(|e| e.eq_ignore_ascii_case("csv"));
        let format = match self.format {
            Some(ExportFormat::Jsonl) => Format::JsonLines,
            Some(ExportFormat::Csv) => Format::Csv,
            None if by_name.is_some() => Format::Csv,
            None => Format::JsonLines,
        };
        if let Some(path) = &self.output {
            super::not_the_journal(&global.load_config()?, path)?;
        }
        let store = match journal.read() {
            Ok(store) => Some(store),
            // nobody has called yet: no calls are exported, which is no error
            Err(JournalError::Missing(_)) => None,
            Err(e) => return Err(e.explain(what)),
        };
        if let (true, Some(path)) = (global.dry_run, &self.output) {
            return plan(global, format!("write the calls to {}", printable(&path.to_string_lossy())));
        }
        let write = |out: &mut dyn Write| export::export(store.as_ref(), &filter, format, out);
        let Some(path) = &self.output else {
            return match write(&mut io::BufWriter::new(io::stdout().lock())) {
                Ok(_) => Ok(Exit::Done),
                Err(ExportError::Journal(e)) => Err(e.explain(what)),
                Err(ExportError::Output(e)) => super::read(Err(e)).map(|()| Exit::Done),
            };
        };
        let count = whole_file(path, write).map_err(|e| match e {
            ExportError::Journal(e) => e.explain(what),
            ExportError::Output(e) => {
                let what = format!("cannot write {}", path.display());
                Error::new(Exit::Config, what, e.to_string(), "name a file that can be written, with room for it")
            }
        })?;
        let shown = path.to_string_lossy();
        let document = json!({ "schema": "tipring.export/1", "file": shown, "calls": count });
        super::read(global.style().answer(&document, || vec![format!("{count} calls in {}", printable(&shown))]))?;
        Ok(Exit::Done)
    }
}

impl Prune {
    fn run(self, global: &Global) -> Result<Exit, Error> {
        let what = "cannot remove old calls";
        let given = self.older_than.as_deref().map(when::age).transpose();
        let given = given
            .map_err(|e| Error::new(Exit::Usage, "cannot read --older-than", e, "see `man tipring-calls-prune`"))?;
        let Some(age) = given.or(global.load_config()?.keep) else {
            let why = "neither --older-than nor `keep` under [journal] of tipring.toml says how old";
            return Err(Error::new(Exit::Usage, what, why, "write --older-than 400d, and --dry-run to see how many"));
        };
        let before = std::time::SystemTime::now().checked_sub(age).unwrap_or(std::time::UNIX_EPOCH);
        let since = before.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let old = Old { before_ms: i64::try_from(since.as_millis()).unwrap_or(i64::MAX), noted: self.noted };
        let journal = Journal::of(global)?;
        let count = match journal.read() {
            Ok(store) => store.count_old(old).map_err(|e| e.explain(what))?,
            // nobody has called yet
            Err(JournalError::Missing(_)) => Count { calls: 0, spared: 0 },
            Err(e) => return Err(e.explain(what)),
        };
        let told = |calls: u64| {
            let spared = match count.spared {
                0 => String::new(),
                n => format!("; {n} with notes or tags stay"),
            };
            format!("{calls} calls from before {}{spared}", when::local(old.before_ms))
        };
        if global.dry_run {
            return plan(global, format!("remove {}", told(count.calls)));
        }
        let mut removed = 0;
        if count.calls > 0 {
            let mut writer = journal.write().map_err(|e| e.explain(what))?;
            loop {
                match writer.prune_some(old).map_err(|e| e.explain(what))? {
                    0 => break,
                    n => removed += n as u64,
                }
                // between two of ours whoever has a line comes to write
                std::thread::sleep(BETWEEN_PRUNES);
            }
        }
        let document = json!({
            "schema": "tipring.prune/1", "calls": removed, "spared": count.spared, "before": when::utc(old.before_ms),
        });
        super::read(global.style().answer(&document, || vec![format!("removed {}", told(removed))]))?;
        Ok(Exit::Done)
    }
}

impl Which {
    fn filter(&self, global: &Global, limit: Option<u32>) -> Result<Filter, Error> {
        let config = global.load_config()?;
        let time = |text: &Option<String>, option: &str, edge| {
            let parsed = text.as_deref().map(|text| when::parse(text, edge)).transpose();
            parsed.map_err(|e| Error::new(Exit::Usage, format!("cannot read {option}"), e, "see `man tipring-calls`"))
        };
        for outcome in &self.outcome {
            if !outcomes().any(|known| known == outcome) {
                let why = format!("no call ends `{}`", printable(outcome));
                let known: Vec<&str> = outcomes().collect();
                return Err(Error::new(
                    Exit::Usage,
                    "cannot read --outcome",
                    why,
                    format!("known: {}", known.join(", ")),
                ));
            }
        }
        // a line has a name and a port, and calls were made under either
        let mut lines: Vec<String> = global.line.iter().cloned().collect();
        lines.extend(global.line.as_ref().and_then(|l| config.lines.get(l)).map(|l| l.port.to_string()));
        Ok(Filter {
            since_ms: time(&self.since, "--since", Edge::Begin)?,
            until_ms: time(&self.until, "--until", Edge::End)?,
            lines,
            tags: self.tag.iter().map(|t| t.trim_start_matches('+').to_string()).collect(),
            outcomes: self.outcome.clone(),
            limit,
        })
    }
}

/// Every word that an outcome can be.
fn outcomes() -> impl Iterator<Item = &'static str> {
    crate::call::Ending::ALL.into_iter().map(crate::call::Ending::name).chain(["under-way"])
}

const CANNOT_READ: &str = "cannot read the journal";
const CANNOT_SHOW: &str = "cannot show the call";

/// Where the journal is, and how patient we are with it.
struct Journal {
    place: Surroundings,
    path: PathBuf,
    busy: Duration,
}

impl Journal {
    fn of(global: &Global) -> Result<Journal, Error> {
        let config = global.load_config()?;
        let place = Surroundings::of_this_process(config.state_dir.as_deref());
        let path = place.path().map_err(|e| e.explain(CANNOT_READ))?;
        Ok(Journal { place, path, busy: global.wait.unwrap_or(BUSY) })
    }

    /// Calls whose owner is gone are marked first, where that can be done.
    fn read(&self) -> Result<Store, JournalError> {
        let store = Store::read(&self.path, self.busy)?;
        if let Ok(mut writer) = self.write() {
            let _ = writer.mark_interrupted();
        }
        Ok(store)
    }

    fn write(&self) -> Result<Store, JournalError> {
        Store::open(&self.place, self.busy)
    }

    /// The one call that is meant.
    fn find(global: &Global, text: &str, what: &str) -> Result<(Journal, Store, String), Error> {
        let journal = Journal::of(global)?;
        let none = || {
            let why = format!("no call is called `{}`", printable(&text.chars().take(60).collect::<String>()));
            Error::new(Exit::Failed, what, why, "`tipring calls` lists them")
        };
        let store = match journal.read() {
            Ok(store) => store,
            Err(JournalError::Missing(_)) => return Err(none()),
            Err(e) => return Err(e.explain(what)),
        };
        match store.find(text).map_err(|e| e.explain(what))? {
            Found::Call(id) => Ok((journal, store, id)),
            Found::None => Err(none()),
            Found::Several(ids) => {
                let why = format!("`{}` begins {}", printable(text), ids.join(", "));
                Err(Error::new(Exit::Usage, what, why, "write more of it"))
            }
        }
    }
}

fn written(global: &Global, store: &Store, id: &str, there: bool) -> Result<Exit, Error> {
    if !there {
        let why = format!("{id} is gone from the journal");
        return Err(Error::new(Exit::Failed, "cannot write to the call", why, "`tipring calls` lists them"));
    }
    // what was written to it, and not again every event
    tell(global, store, id, head)
}

fn show(global: &Global, store: &Store, id: &str) -> Result<Exit, Error> {
    tell(global, store, id, lines)
}

fn tell(global: &Global, store: &Store, id: &str, lines: fn(&Whole) -> Vec<String>) -> Result<Exit, Error> {
    let call = store.show(id).map_err(|e| e.explain(CANNOT_READ))?;
    let call = call.ok_or_else(|| {
        Error::new(Exit::Failed, CANNOT_SHOW, format!("{id} is gone from the journal"), "`tipring calls` lists them")
    })?;
    super::read(global.style().answer(&document(&call), || lines(&call)))?;
    Ok(Exit::Done)
}

fn plan(global: &Global, step: String) -> Result<Exit, Error> {
    super::plan::show_steps(global, vec![step])
}

/// Written beside it and moved to its place: whoever reads it finds the old one or the new one.
fn whole_file(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<usize, ExportError>,
) -> Result<usize, ExportError> {
    // what a link means; a pipe or a device is written to, not replaced
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    if fs::metadata(&path).is_ok_and(|m| !m.is_file()) {
        let mut out = io::BufWriter::new(OpenOptions::new().write(true).open(&path)?);
        let count = write(&mut out)?;
        out.flush()?;
        return Ok(count);
    }
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let new = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let _ = fs::remove_file(&new);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    let moved = fill(file, write).and_then(|count| {
        fs::rename(&new, &path)?;
        Ok(count)
    });
    if moved.is_err() {
        let _ = fs::remove_file(&new);
    }
    moved
}

fn fill(file: File, write: impl FnOnce(&mut dyn Write) -> Result<usize, ExportError>) -> Result<usize, ExportError> {
    let mut out = io::BufWriter::new(file);
    let count = write(&mut out)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok(count)
}

// -- for people --------------------------------------------------------------------------------------------------------

fn table(calls: &[Summary]) -> Vec<String> {
    if calls.is_empty() {
        return vec!["no calls".into()];
    }
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["ID", "WHEN", "LINE", "", "NUMBER", "NAME", "LASTED", "OUTCOME", "TAGS"]);
    let text = |t: &Option<String>| t.as_deref().map_or_else(|| "-".to_string(), printable);
    for call in calls {
        table.add_row([
            call.id.clone(),
            when::local(call.begun_ms),
            printable(&call.line),
            call.direction.clone(),
            text(&call.number),
            text(&call.name),
            call.seconds.map_or_else(|| "-".to_string(), |s| format!("{s:.1} s")),
            outcome(call),
            call.tags.join(" "),
        ]);
    }
    table.lines().map(|l| l.trim_end().to_string()).collect()
}

fn outcome(call: &Summary) -> String {
    let text = match (call.state, &call.outcome, &call.target) {
        (State::UnderWay, ..) => "under way".to_string(),
        (_, Some(outcome), Some(target)) => format!("{outcome} to {target}"),
        (_, Some(outcome), None) => outcome.clone(),
        (_, None, _) => "-".to_string(),
    };
    match &call.in_flight {
        Some(doing) => printable(&format!("{text} ({doing})")),
        None => printable(&text),
    }
}

fn lines(call: &Whole) -> Vec<String> {
    let s = &call.summary;
    let mut lines = head(call);
    if call.legs.len() > 1 {
        lines.push("parties:".into());
        for leg in &call.legs {
            let became = leg.outcome.as_deref().map_or("-".to_string(), printable);
            lines.push(format!("{:>9.3}  {}  {became}", leg.t, party(&leg.number, &leg.name)));
        }
    }
    let open: Vec<_> = call.intents.iter().filter(|i| i.outcome.is_none()).collect();
    if s.state == State::Interrupted && !open.is_empty() {
        lines.push("in flight:".into());
        lines.extend(open.iter().map(|i| format!("{:>9.3}  {}", i.t, printable(&i.what))));
    }
    lines.push("events:".into());
    lines.extend(call.events.iter().map(|l| printable(l)));
    lines
}

fn party(number: &Option<String>, name: &Option<String>) -> String {
    match (number, name) {
        (Some(number), Some(name)) => printable(&format!("{number} \"{name}\"")),
        (Some(number), None) => printable(number),
        (None, Some(name)) => printable(&format!("\"{name}\"")),
        (None, None) => "number unknown".into(),
    }
}

fn head(call: &Whole) -> Vec<String> {
    let s = &call.summary;
    let seconds = |what: &str, s: Option<f64>| s.map(|s| format!(", {what} {s:.1} s")).unwrap_or_default();
    let way = if s.direction == "in" { "from" } else { "to" };
    let mut lines = vec![
        format!("call {}  {}  {}", s.id, when::local(s.begun_ms), printable(&s.line)),
        format!("  {way} {}", party(&s.number, &s.name)),
        format!("  {}{}{}", outcome(s), seconds("lasted", s.seconds), seconds("answered after", s.answered_after)),
    ];
    if !s.tags.is_empty() {
        lines.push(format!("  tags: {}", s.tags.join(" ")));
    }
    for note in &call.notes {
        lines.push(format!("  note by {}, {}:", printable(&note.author), when::local(note.at_ms)));
        lines.extend(note.text.lines().map(|l| format!("    {}", printable(l))));
    }
    lines
}
