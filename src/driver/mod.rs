//! Metal: descriptors in, raw signals and audio out. One trait, thin backends, the simulated line among them.
//!
//! A backend moves bits and never decides: what a battery loss means, when to hang up and what to dial next are
//! decided above, from [`Signal`]s and audio, with the time as an argument.

pub mod dahdi;
pub mod discover;
pub mod ports;
pub mod shifted;
pub mod sim;

use crate::clock::Time;
use crate::dsp::Frame;
use crate::dsp::g711::Law;
use crate::error::{Error, Exit};
use crate::event::{Command, Signal};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use thiserror::Error as ThisError;

/// What a port is. Named by the port, never by its signalling (DAHDI's `fxsks` signalling runs an FXO port).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub enum PortKind {
    /// Faces the exchange: draws loop current, answers ringing.
    #[serde(rename = "FXO")]
    Fxo,
    /// Feeds a telephone: gives battery, rings.
    #[serde(rename = "FXS")]
    Fxs,
}

impl fmt::Display for PortKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PortKind::Fxo => "FXO",
            PortKind::Fxs => "FXS",
        })
    }
}

/// What a port can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Capabilities {
    /// Carries audio.
    pub audio: bool,
    /// Can open the loop for a chosen time.
    pub flash: bool,
    /// Sends digits by itself (`Command::Dial`); else they are sent as audio.
    pub dials: bool,
    /// Dials in pulses.
    pub pulse: bool,
    /// Tells loss of battery.
    pub battery: bool,
    /// Tells polarity reversal.
    pub reversal: bool,
    /// Cancels echo before we hear it.
    pub echo_canceller: bool,
    /// Reports digits that it heard by itself.
    pub hears_digits: bool,
}

/// A telephone port. Calls never block but [`Port::wait`].
pub trait Port: Send {
    fn selector(&self) -> &Selector;
    fn kind(&self) -> PortKind;
    fn capabilities(&self) -> Capabilities;
    /// The port's clock: real, or the simulator's.
    fn now(&self) -> Time;
    /// Returns when a signal or a frame is there to be taken, or at `until` at the latest.
    fn wait(&mut self, until: Time) -> Result<(), PortError>;
    fn command(&mut self, command: Command) -> Result<(), PortError>;
    /// The next signal and when it came.
    fn next_signal(&mut self) -> Result<Option<(Time, Signal)>, PortError>;
    /// The next 20 ms of audio; `false` when there is none yet.
    fn read(&mut self, frame: &mut Frame) -> Result<bool, PortError>;
    /// 20 ms of audio to be sent. One frame is written for every frame read.
    fn write(&mut self, frame: &Frame) -> Result<(), PortError>;
    /// The law by which what is sent is companded on its way to the line, where the driver knows it.
    fn law(&self) -> Option<Law> {
        None
    }
    /// The voltage between tip and ring in millivolts, where the card measures it; its sign is the polarity.
    fn line_millivolts(&mut self) -> Option<i32> {
        None
    }
    /// Whether our hang-up leaves two parties of ours together, where the port knows: a real line's has to be told.
    fn hang_up_connects(&self) -> Option<bool> {
        None
    }
    /// Lines of the other side's truth since the last call: only the simulator knows any.
    fn take_trace(&mut self) -> Vec<crate::record::Record> {
        Vec::new()
    }
}

/// Opens a port by its name.
pub fn open(
    selector: &Selector,
    facts: &crate::facts::Facts,
    line: Option<&crate::config::LineConfig>,
) -> Result<Box<dyn Port>, PortError> {
    match selector {
        Selector::Sim { .. } => Ok(Box::new(sim::SimPort::open(selector.clone(), facts)?)),
        Selector::Dahdi(channel) => {
            let mut options = dahdi::OpenOptions::default();
            if let Some(line) = line {
                options.receive_gain_db = line.rx_gain_db.unwrap_or(0.0);
                options.transmit_gain_db = line.tx_gain_db.unwrap_or(0.0);
                if let Some(text) = &line.echo_canceller {
                    options.echo_canceller = text.parse()?;
                }
            }
            Ok(Box::new(dahdi::DahdiPort::open(*channel, &options)?))
        }
        Selector::Modem(_) => Err(PortError::Unsupported {
            port: selector.to_string(),
            what: "be opened: modems are not driven yet".into(),
        }),
    }
}

/// How a user names a port: `dahdi/1`, `modem/<stable id>`, `modem//dev/ttyACM0`, `sim/us?seed=7`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    Dahdi(u32),
    Modem(String),
    Sim { country: String, query: Vec<(String, String)> },
}

#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum SelectorError {
    #[error("`{0}` is not a port: ports are called dahdi/N or sim/COUNTRY")]
    Unknown(String),
    #[error("`{0}` is not a channel number: DAHDI channels are numbered from 1")]
    BadChannel(String),
    #[error("`{0}` is not a country code of two small letters")]
    BadCountry(String),
    #[error("`{0}` is not an option: options are written ?name=value&name=value")]
    BadOption(String),
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(s: &str) -> Result<Selector, SelectorError> {
        let show = |t: &str| t.chars().take(60).collect::<String>().escape_debug().to_string();
        if let Some(n) = s.strip_prefix("dahdi/") {
            return match n.parse::<u32>() {
                Ok(n) if n > 0 && n <= 4096 => Ok(Selector::Dahdi(n)),
                _ => Err(SelectorError::BadChannel(show(n))),
            };
        }
        if let Some(id) = s.strip_prefix("modem/") {
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.' | ':' | '+');
            return if id.is_empty() || !id.chars().all(fits) {
                Err(SelectorError::Unknown(show(s)))
            } else {
                Ok(Selector::Modem(id.to_string()))
            };
        }
        let Some(rest) = s.strip_prefix("sim/") else {
            return Err(SelectorError::Unknown(show(s)));
        };
        let (country, query) = rest.split_once('?').unwrap_or((rest, ""));
        if country.len() < 2 || country.len() > 8 || !country.chars().all(|c| c.is_ascii_lowercase() || c == '-') {
            return Err(SelectorError::BadCountry(show(country)));
        }
        let mut pairs = Vec::new();
        for pair in query.split('&').filter(|p| !p.is_empty()) {
            let (k, v) = pair.split_once('=').ok_or_else(|| SelectorError::BadOption(show(pair)))?;
            pairs.push((k.to_string(), v.to_string()));
        }
        Ok(Selector::Sim { country: country.to_string(), query: pairs })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Selector::Dahdi(n) => write!(f, "dahdi/{n}"),
            Selector::Modem(id) => write!(f, "modem/{id}"),
            Selector::Sim { country, query } => {
                write!(f, "sim/{country}")?;
                for (i, (k, v)) in query.iter().enumerate() {
                    write!(f, "{}{k}={v}", if i == 0 { '?' } else { '&' })?;
                }
                Ok(())
            }
        }
    }
}

/// Why a port cannot be had or used. Variants are named by what is wrong, with what the mending line needs.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum PortError {
    #[error("{node} is not there")]
    Missing { node: PathBuf, help: String },
    #[error("permission denied on {node}: {detail}")]
    NotPermitted { node: PathBuf, detail: String },
    #[error("{port} is held by {holder}")]
    InUse { port: String, holder: String },
    #[error("{port} is in {alarm:?} alarm: no battery, or nothing is plugged in")]
    InAlarm { port: String, alarm: crate::event::Alarm },
    #[error("{port} is configured with {found} signalling, and {wanted} is needed")]
    Signalling { port: String, found: String, wanted: String },
    #[error("{port} was removed")]
    Removed { port: String },
    #[error("no tone zone is loaded for {port}, and the kernel needs one to dial and to ring")]
    NoToneZone { port: String },
    #[error("{port} cannot {what}")]
    Unsupported { port: String, what: String },
    #[error("{what} on {port}: {errno}")]
    Io { port: String, what: String, errno: String },
    #[error("{0}")]
    BadOption(String),
    /// A simulated line's scenario, with its own three lines.
    #[error("{}", .0.why)]
    Scenario(Box<Error>),
}

impl PortError {
    /// The three lines for the user.
    pub fn explain(&self, port: &str) -> Error {
        if let PortError::Scenario(error) = self {
            return (**error).clone();
        }
        let what = format!("cannot use port {port}");
        let why = self.to_string();
        let (exit, next) = match self {
            PortError::Missing { help, .. } => (Exit::Port, help.clone()),
            PortError::NotPermitted { .. } => (
                Exit::Port,
                "install udev/70-tipring.rules and re-plug the card, or join the group and log in again".into(),
            ),
            PortError::InUse { .. } => {
                (Exit::InUse, "wait for it with --wait 60s, or end the process that holds it".into())
            }
            PortError::InAlarm { .. } => {
                (Exit::NoDialTone, "plug the line in, or measure battery at the wall socket".into())
            }
            PortError::Signalling { wanted, .. } => {
                (Exit::Port, format!("set {wanted} for this channel in /etc/dahdi/system.conf and run dahdi_cfg"))
            }
            PortError::Removed { .. } => (Exit::Port, "plug it in again; `tipring lines` shows when it is back".into()),
            PortError::NoToneZone { .. } => (
                Exit::Port,
                "set loadzone= and defaultzone= to your country in /etc/dahdi/system.conf and run dahdi_cfg".into(),
            ),
            PortError::Unsupported { .. } => {
                (Exit::Port, "`tipring lines` shows what each port can do; choose another".into())
            }
            PortError::Io { .. } => (Exit::Port, "look at `dmesg` for the driver's own words".into()),
            PortError::BadOption(_) | PortError::Scenario(_) => {
                (Exit::Usage, "see PORTS in tipring(1) for how ports and their options are written".into())
            }
        };
        Error::new(exit, what, why, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ports_are_named_by_driver_and_number() {
        assert_eq!("dahdi/12".parse(), Ok(Selector::Dahdi(12)));
        assert_eq!("modem//dev/ttyACM0".parse(), Ok(Selector::Modem("/dev/ttyACM0".into())));
        let sim: Selector = "sim/us?seed=7&clock=virtual".parse().unwrap();
        assert_eq!(sim.to_string(), "sim/us?seed=7&clock=virtual");
    }

    #[test]
    fn what_is_not_a_port_is_refused_by_name() {
        for bad in ["dahdi/0", "dahdi/x", "dahdi/", "sim/", "sim/US", "isdn/1", "", "modem/", "modem/a b", "sim/us?x"] {
            assert!(bad.parse::<Selector>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_the_selector(text in ".*") {
            if let Ok(s) = text.parse::<Selector>() {
                prop_assert_eq!(s.to_string().parse::<Selector>().unwrap(), s);
            }
        }
    }
}
