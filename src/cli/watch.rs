//! `tipring watch`: what happens on a line, as it happens.

use super::Global;
use super::open::Named;
use crate::control::lock::{self, Held};
use crate::control::{client, place::Places, request::WireEvent};
use crate::driver::{Port, PortError};
use crate::dsp::Frame;
use crate::error::{Error, Exit};
use crate::event::Event;
use crate::line::{Line, Output, describe};
use crate::record::{Actor, Record};
use clap::Args;
use serde_json::json;
use std::time::Duration;

/// Live events of a line, one readable line each
///
/// Where another process holds the line it only listens to that one, and shows its call. A line that nobody holds it takes
/// for as long as it runs - another command on that line, as `answer --detach`, then ends with exit 5 - and shows ringing,
/// caller ID, battery and alarms. Ends with --timeout, or when it is interrupted. An owner that says nothing at all - it is
/// stopped, or its machine stands still - is told of with exit 75, after --timeout or 45 seconds.
#[derive(Args, Debug)]
pub struct Watch {
    /// The line, instead of --line
    pub line: Option<String>,
}

impl Watch {
    pub fn run(self, global: &Global) -> Result<Exit, Error> {
        let config = global.load_config()?;
        let named = Named::find(global, &config, self.line.as_deref())?;
        let owned = named.lock_name().and_then(|n| Some((lock::holder(&Places::of_this_process(), &n)?, n)));
        if global.dry_run {
            super::plan::known_manners(&named)?;
            return plan(global, &named, owned.map(|(held, _)| held));
        }
        match owned {
            Some((_, name)) => watch_owner(global, &name),
            None => watch_port(global, &named),
        }
    }
}

fn plan(global: &Global, named: &Named, owner: Option<Held>) -> Result<Exit, Error> {
    let mut steps = match owner {
        Some(held) => {
            let pid = held.pid.map_or(String::new(), |pid| format!(" (pid {pid})"));
            vec![format!("listen to the process that holds the line{pid}, and leave the line alone")]
        }
        None => vec![
            "take the line, which stays on-hook; other commands cannot use it meanwhile".into(),
            "show ringing, caller ID, battery and alarms as they come".into(),
        ],
    };
    steps.push(match global.timeout {
        Some(after) => format!("end after {} s", after.as_secs_f64()),
        None => "end when interrupted".into(),
    });
    super::plan::show(global, named, steps)
}

fn watch_owner(global: &Global, name: &str) -> Result<Exit, Error> {
    for event in client::events_within(&Places::of_this_process(), name, global.timeout)? {
        show(global, &event?)?;
    }
    Ok(Exit::Done)
}

fn watch_port(global: &Global, named: &Named) -> Result<Exit, Error> {
    let interrupted = super::hold_line::interrupted();
    if named.is_on_virtual_clock() && global.timeout.is_none() {
        return Err(Error::new(
            Exit::Usage,
            format!("cannot watch {}", named.name),
            "its clock runs as fast as it can, and nothing ends it",
            "say how long with --timeout, or leave out clock=virtual",
        ));
    }
    let (mut port, _lock) = named.open(global, "watch")?;
    let mut line = Line::new(port.kind(), port.capabilities(), named.country.clone(), port.now());
    let end = global.timeout.map(|t| port.now() + t);
    let (mut heard, silence) = (Frame::default(), Frame::default());
    while !interrupted() && end.is_none_or(|end| port.now() < end) {
        let now = port.now();
        let until =
            line.poll_timeout().unwrap_or(now + Duration::from_millis(100)).min(now + Duration::from_millis(100));
        let step = step(port.as_mut(), &mut line, until, &mut heard, &silence);
        let now = port.now();
        line.handle_timeout(now);
        for record in port.take_trace() {
            show(global, &WireEvent::from(&record))?;
        }
        while let Some(output) = line.poll_output() {
            if let Output::Event(event) = output {
                let who = if matches!(event, Event::Heard(_)) { Actor::Heard } else { Actor::Exchange };
                show(global, &WireEvent::from(&Record::new(now, who, describe(&event))))?;
            }
        }
        match step {
            Ok(()) => {}
            Err(PortError::Removed { .. }) => {
                show(global, &WireEvent::from(&Record::new(now, Actor::Card, "device removed")))?;
                return Err(PortError::Removed { port: named.name.clone() }.explain(&named.name));
            }
            Err(e) => return Err(e.explain(&named.name)),
        }
    }
    Ok(if interrupted() { Exit::Interrupted } else { Exit::Done })
}

fn step(
    port: &mut dyn Port,
    line: &mut Line,
    until: crate::clock::Time,
    heard: &mut Frame,
    silence: &Frame,
) -> Result<(), PortError> {
    port.wait(until)?;
    while let Some((at, signal)) = port.next_signal()? {
        line.handle(at, signal);
    }
    while port.read(heard)? {
        line.hear(port.now(), heard);
        port.write(silence)?;
    }
    Ok(())
}

fn show(global: &Global, event: &WireEvent) -> Result<(), Error> {
    let document = json!({ "schema": "tipring.event/1", "t": event.t, "who": event.who, "what": event.what });
    let line = format!("{:>9.3}  {:<8}  {}", event.t, event.who, crate::error::printable(&event.what));
    super::told(global.style().stream(&document, &line))
}
