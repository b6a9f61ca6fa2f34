//! From what the user calls a line to an open port with its country's facts, its lock taken.

use super::Global;
use crate::call::Manners;
use crate::call::transfer::SecondLine;
use crate::config::{Config, LineConfig};
use crate::control::lock::{LineLock, TakeError};
use crate::control::place::Places;
use crate::driver::{self, Port, Selector};
use crate::error::{Error, Exit, printable};
use crate::event::Signal;
use crate::facts::{Country, Facts};
use crate::line::voltage::is_in_use;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A line that was named, before anything is touched.
#[derive(Clone)]
pub struct Named {
    /// As the user calls it: for messages, locks and sockets.
    pub name: String,
    pub selector: Selector,
    pub config: Option<LineConfig>,
    pub country: Arc<Country>,
    pub facts: &'static Facts,
}

impl Named {
    /// Whether the port leaves its echo to us.
    pub fn cancels_echo(&self, port: &dyn Port) -> bool {
        !port.capabilities().echo_canceller && self.config.as_ref().is_none_or(LineConfig::cancels_echo)
    }

    /// Finds the line that `--line` (or the configuration, or the machine) means.
    pub fn find(global: &Global, config: &Config, given: Option<&str>) -> Result<Named, Error> {
        Named::find_among(config, given.or(global.line.as_deref()))
    }

    /// Finds the line that is called so, or the port.
    pub fn find_called(config: &Config, name: &str) -> Result<Named, Error> {
        Named::find_among(config, Some(name))
    }

    fn find_among(config: &Config, given: Option<&str>) -> Result<Named, Error> {
        let facts = facts(config)?;
        let (name, selector, line) = match given {
            Some(text) => match config.lines.get(text) {
                Some(line) => (text.to_string(), line.port.clone(), Some(line.clone())),
                None => {
                    let selector: Selector = text.parse().map_err(|e| unknown_line(text, config, e))?;
                    let line = config.lines.values().find(|l| l.port == selector).cloned();
                    (selector.to_string(), selector, line)
                }
            },
            None => only_line(config)?,
        };
        let code = match (&selector, &line) {
            (Selector::Sim { country, .. }, _) => Some(country.clone()),
            (_, Some(line)) => line.country.clone(),
            _ => None,
        };
        let code = code.or_else(|| config.country.clone()).unwrap_or_else(|| "itu".into());
        let country = facts.country(&code).cloned().ok_or_else(|| {
            let known: Vec<&str> = facts.codes().collect();
            let next = format!("known are: {}", known.join(", "));
            Error::new(
                Exit::Usage,
                format!("no facts about the country `{}`", printable(&code)),
                "it is not in the tables",
                next,
            )
        })?;
        Ok(Named { name, selector, config: line, country: Arc::new(country), facts })
    }

    /// How this line's exchange wants to be treated.
    pub fn manners(&self) -> Manners {
        let mut manners = Manners::of(&self.country);
        if let Some(line) = &self.config {
            line.apply(&mut manners);
        }
        manners
    }

    /// The name under which the line is locked and its owner found: the port, however it was named. A simulated line
    /// on the virtual clock lives inside one process and is shared with nobody.
    pub fn lock_name(&self) -> Option<String> {
        (!self.is_on_virtual_clock()).then(|| self.selector.to_string())
    }

    /// Whether time on this line runs as fast as it can.
    pub fn is_on_virtual_clock(&self) -> bool {
        let Selector::Sim { query, .. } = &self.selector else { return false };
        query.iter().any(|(k, v)| k == "clock" && v == "virtual")
    }

    /// Takes the lock and opens the port.
    pub fn open(&self, global: &Global, command: &str) -> Result<(Box<dyn Port>, Option<LineLock>), Error> {
        let lock = match self.lock_name() {
            None => None,
            Some(name) => Some(take_lock(&name, command, global.wait, &self.name)?),
        };
        let deadline = global.wait.map(|w| Instant::now() + w);
        loop {
            match driver::open(&self.selector, self.facts, self.config.as_ref()) {
                Ok(port) => return Ok((port, lock)),
                // held by a program that knows nothing of our locks: it may let go within --wait
                Err(driver::PortError::InUse { .. }) if deadline.is_some_and(|d| Instant::now() < d) => {
                    std::thread::sleep(Duration::from_millis(100));
                }
                Err(e) => {
                    let mut error = e.explain(&self.name);
                    if global.wait.is_some() && error.exit == Exit::InUse {
                        error.exit = Exit::StillBusy;
                    }
                    return Err(error);
                }
            }
        }
    }
}

/// A telephone that is lifted on the same pair has the line: lifting ours too would put us into its call. Told by the
/// voltage, on cards that measure it.
pub fn free_of_other_telephones(port: &mut dyn Port, name: &str, wait: Option<Duration>) -> Result<(), Error> {
    let deadline = port.now() + wait.unwrap_or_default();
    let (mut in_use, mut free_from) = (0, port.now());
    while let Some(millivolts) = port.line_millivolts().map(i32::unsigned_abs) {
        let now = port.now();
        let lifted = is_in_use(millivolts);
        if !lifted && now >= free_from {
            break;
        }
        in_use += u32::from(lifted);
        if lifted && in_use >= MEASUREMENTS {
            free_from = free_from.max(now + HANG_UP);
            if super::hold_line::is_interrupted() {
                return Err(interrupted(name));
            }
            if now < deadline {
                if wait_unheard(port, now + BETWEEN_MEASUREMENTS, name)? {
                    free_from = now + RINGS_ON;
                }
                continue;
            }
            let (exit, next) = match wait {
                None => (Exit::InUse, "wait for it with --wait 60s, or hang it up"),
                Some(_) => (Exit::StillBusy, "wait longer, or hang it up"),
            };
            let volts = f64::from(millivolts) / 1000.0;
            let why = format!("another telephone on the line is lifted: {volts:.1} V are left of about 48 V");
            return Err(Error::new(exit, format!("{name} is in use"), why, next));
        }
        if wait_unheard(port, now + BETWEEN_MEASUREMENTS, name)? {
            // somebody calls: who lifts now is in his call
            free_from = now + RINGS_ON;
            if now >= deadline || super::hold_line::is_interrupted() {
                let why = "somebody calls on it";
                return Err(Error::new(
                    Exit::InUse,
                    format!("{name} is in use"),
                    why,
                    "take the call with `tipring answer`",
                ));
            }
        }
    }
    Ok(())
}

fn interrupted(name: &str) -> Error {
    let why = "a signal came while it was waited for";
    Error::new(Exit::Interrupted, format!("{name} was not used"), why, "nothing was done; ask again")
}

/// Let time pass without listening. Did it ring?
fn wait_unheard(port: &mut dyn Port, until: crate::clock::Time, name: &str) -> Result<bool, Error> {
    let mut rang = false;
    while port.now() < until {
        port.wait(until).map_err(|e| e.explain(name))?;
        let mut unheard = crate::dsp::Frame::default();
        while port.read(&mut unheard).is_ok_and(|there| there) {}
        while let Some((_, signal)) = port.next_signal().map_err(|e| e.explain(name))? {
            rang |= matches!(signal, Signal::RingBegin | Signal::RingEnd);
        }
    }
    Ok(rang)
}

/// Ringing current swings through these voltages as well, 16 to 50 times a second: this many measurements so far apart do
/// not all meet it there.
const MEASUREMENTS: u32 = 5;
const BETWEEN_MEASUREMENTS: Duration = Duration::from_millis(37);
/// Longer than the pause between two rings.
const RINGS_ON: Duration = Duration::from_secs(7);
/// A loop that closes again sooner was never hung up for the exchange: ours would go on with the other's call.
const HANG_UP: Duration = Duration::from_secs(2);

/// The line over which a transfer may go: the one that was named for it, or the one that the configuration has.
pub fn second_line(config: &Config, named: &Named, given: Option<&str>) -> Result<Option<SecondLine>, Error> {
    let configured = named.config.as_ref().and_then(|c| c.second_line.as_deref());
    let Some(name) = given.or(configured) else { return Ok(None) };
    let second = Named::find_called(config, name)?;
    let refuse = |why: &str, next: &str| {
        let what = format!("{} cannot be the second line of {}", second.name, named.name);
        Err(Error::new(Exit::Usage, what, why, next))
    };
    if second.lock_name().is_some() && second.selector == named.selector {
        return refuse("it is the same line", "name another FXO port");
    }
    if second.is_on_virtual_clock() != named.is_on_virtual_clock() {
        return refuse("one of them is on the virtual clock", "give both clock=virtual, or neither");
    }
    Ok(Some(SecondLine { name: name.to_string(), always: given.is_some() }))
}

/// The facts: embedded, with the user's own laid over them.
pub fn facts(config: &Config) -> Result<&'static Facts, Error> {
    let Some(path) = &config.facts else { return Ok(Facts::embedded()) };
    // beside the configuration that names it: a cron job has another directory than who wrote it
    let beside = config.path.as_deref().and_then(|c| c.parent()).unwrap_or(std::path::Path::new(""));
    let path = &beside.join(path);
    let shown = printable(&path.to_string_lossy());
    let text = crate::input::text(path).map_err(|e| {
        Error::new(
            Exit::Config,
            format!("cannot read the facts {shown}"),
            e.to_string(),
            "mend `facts` in tipring.toml",
        )
    })?;
    // read once, and wanted to the end of the process
    Facts::with_user_file(&text).map(|facts| &*Box::leak(Box::new(facts))).map_err(|e| {
        let mut error = Error::new(
            Exit::Config,
            format!("cannot use the facts {shown}"),
            e.to_string(),
            e.help.clone().unwrap_or_else(|| "mend the line shown".into()),
        );
        error.detail = Some(crate::config::show_place(&text, &shown, e.span.clone(), &e.message));
        error
    })
}

/// No name of the configuration and no port: what there is, and what was meant most likely.
fn unknown_line(text: &str, config: &Config, why: driver::SelectorError) -> Error {
    let names: Vec<&str> = config.lines.keys().map(String::as_str).collect();
    let ports: Vec<String> = driver::ports::all().iter().map(|p| p.selector.to_string()).collect();
    let known: Vec<&str> = names.iter().copied().chain(ports.iter().map(String::as_str)).collect();
    let shown: String = text.chars().take(60).collect();
    let why = match (&why, &config.path) {
        // it was meant to be a port, and the reason is all there is to say
        (why, _) if text.contains('/') => why.to_string(),
        (why, Some(path)) => format!("{} has no line of that name, and {why}", path.display()),
        (why, None) => format!("there is no configuration that names lines, and {why}"),
    };
    let mut next = Vec::new();
    if let Some(nearest) = nearest(text, &known) {
        next.push(format!("did you mean `{nearest}`?"));
    }
    if names.is_empty() {
        next.push("`tipring lines` lists what there is; name a line under [line.NAME] in tipring.toml".to_string());
    } else {
        let more = names.len().saturating_sub(NAMES_SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let names: Vec<&str> = names.into_iter().take(NAMES_SHOWN).collect();
        next.push(format!("lines in the configuration: {}{more}; `tipring lines` lists every port", names.join(", ")));
    }
    Error::new(Exit::Usage, format!("no line is called `{}`", printable(&shown)), why, next.join(" "))
}

const NAMES_SHOWN: usize = 12;

/// Which of these was most likely meant: no more than a third of it is mistyped.
fn nearest<'a>(text: &str, known: &[&'a str]) -> Option<&'a str> {
    if text.len() > 60 {
        return None;
    }
    let near = known.iter().map(|name| (distance(&text.to_lowercase(), &name.to_lowercase()), *name));
    let (distance, name) = near.min()?;
    (distance <= name.chars().count().div_ceil(3)).then_some(name)
}

/// How many letters are to be put in, left out or changed (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut before = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let changed = before + usize::from(x != *y);
            before = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(before + 1);
        }
    }
    row[b.len()]
}

/// With a single usable line, `--line` may be left out.
fn only_line(config: &Config) -> Result<(String, Selector, Option<LineConfig>), Error> {
    let missing = |why: String| {
        Error::new(Exit::Usage, "which line?", why, "name one with --line, or try the simulated one: --line sim/us")
    };
    let mut lines = config.lines.iter();
    match (lines.next(), lines.next()) {
        (Some((name, line)), None) => Ok((name.clone(), line.port.clone(), Some(line.clone()))),
        (Some(_), Some(_)) => {
            let names: Vec<&str> = config.lines.keys().map(String::as_str).collect();
            Err(missing(format!("the configuration has several: {}", names.join(", "))))
        }
        (None, _) => {
            let found = driver::ports::all();
            let mut usable = found.iter().filter(|p| p.usable && p.kind == Some(driver::PortKind::Fxo));
            match (usable.next(), usable.next()) {
                (Some(port), None) => Ok((port.selector.to_string(), port.selector.clone(), None)),
                (None, _) => Err(missing("no FXO port that may be opened was found on this machine".into())),
                _ => Err(missing("this machine has several FXO ports".into())),
            }
        }
    }
}

fn take_lock(name: &str, command: &str, wait: Option<Duration>, shown: &str) -> Result<LineLock, Error> {
    let places = Places::of_this_process();
    let command = format!("tipring {command}");
    match wait {
        None => LineLock::take(&places, name, &command).map_err(|e| e.explain(shown)),
        Some(wait) => LineLock::take_wait(&places, name, &command, wait, |_| !super::hold_line::is_interrupted())
            .map_err(|e| match e {
                TakeError::Held(_) if super::hold_line::is_interrupted() => interrupted(shown),
                TakeError::Held(held) => held.still_busy(shown, wait),
                TakeError::Failed(e) => e,
            }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_name_is_recognised_and_another_one_is_not() {
        let known = ["office", "Lab 2", "dahdi/1"];
        let near = |text| nearest(text, &known);
        assert_eq!(
            [near("ofice"), near("OFFICE"), near("lab"), near("dadhi/1")],
            [Some("office"), Some("office"), Some("Lab 2"), Some("dahdi/1")]
        );
        assert_eq!([near("kitchen"), near(""), near(&"office".repeat(100))], [None; 3]);
        assert_eq!(nearest("office", &[]), None);
    }
}
