//! Every port there is, also those that may not be opened, and why.
//!
//! Nothing is opened to find out: the kernel tells of a DAHDI channel in `/proc/dahdi/SPAN` and in sysfs, and who may open
//! it stands on its node. The files are looked for below a root, `/` but for tests.

use super::dahdi::signal::Signalling;
use super::{PortError, PortKind};
use crate::event::Alarm;
use nix::unistd::{AccessFlags, Gid, Group};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What the DAHDI driver knows.
#[derive(Clone, Debug, Default)]
pub struct Dahdi {
    pub spans: Vec<Span>,
    /// Why there are no spans, or why none of them can be used.
    pub problem: Option<PortError>,
}

/// A card, or one of its groups of channels with a clock of their own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Span {
    pub number: u32,
    pub name: String,
    pub description: String,
    /// Gives the clock to all the others.
    pub master: bool,
    pub alarm: Option<Alarm>,
    /// Interrupts that the card raised and nobody served in time: each is a gap in the audio.
    pub irq_misses: u64,
    pub timing_slips: u64,
    /// As sysfs says it: `FXO`, `FXS`, `ANALOG`, `E1`…
    pub span_type: Option<String>,
    pub device: Option<Device>,
    pub channels: Vec<Channel>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    pub manufacturer: String,
    pub model: String,
    /// Where it is: PCI slot, USB port.
    pub location: String,
    pub hardware_id: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Channel {
    pub number: u32,
    pub name: String,
    pub signalling: Signalling,
    /// Of the signalling; of what the hardware can be where none is set.
    pub kind: Option<PortKind>,
    pub in_use: bool,
    pub alarm: Option<Alarm>,
    pub echo_canceller: Option<String>,
    /// Why it may not be opened now.
    pub problem: Option<PortError>,
}

impl Dahdi {
    pub fn channels(&self) -> impl Iterator<Item = (&Span, &Channel)> {
        self.spans.iter().flat_map(|s| s.channels.iter().map(move |c| (s, c)))
    }

    pub fn channel(&self, number: u32) -> Option<(&Span, &Channel)> {
        self.channels().find(|(_, c)| c.number == number)
    }

    /// `1-4, 9`, for messages.
    pub fn numbers(&self) -> String {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for n in self.channels().map(|(_, c)| c.number).collect::<BTreeSet<_>>() {
            match ranges.last_mut() {
                Some((_, to)) if *to + 1 == n => *to = n,
                _ => ranges.push((n, n)),
            }
        }
        let text: Vec<String> =
            ranges.iter().map(|(a, b)| if a == b { a.to_string() } else { format!("{a}-{b}") }).collect();
        text.join(", ")
    }
}

/// All DAHDI spans and their channels.
pub fn dahdi(root: &Path) -> Dahdi {
    let mut spans = Vec::new();
    for file in listed(&root.join("proc/dahdi")) {
        let number = file.file_name().and_then(OsStr::to_str).and_then(|n| n.parse::<u32>().ok());
        if let (Some(number), Ok(text)) = (number, read(&file)) {
            let mut span = parse_span(number, &text);
            add_sysfs(root, &mut span);
            spans.push(span);
        }
    }
    spans.sort_by_key(|s| s.number);
    let problem = if spans.is_empty() { Some(no_spans(root)) } else { access(root, &root.join(CHANNEL_NODE)).err() };
    for span in &mut spans {
        for i in 0..span.channels.len() {
            span.channels[i].problem = why_not(root, span, &span.channels[i], problem.as_ref());
        }
    }
    Dahdi { spans, problem }
}

/// The node that becomes any channel by `DAHDI_SPECIFY`.
pub(super) const CHANNEL_NODE: &str = "dev/dahdi/channel";

fn why_not(root: &Path, span: &Span, c: &Channel, problem: Option<&PortError>) -> Option<PortError> {
    let port = format!("dahdi/{}", c.number);
    if c.signalling.port().is_none() {
        return Some(not_analog(&port, c.number, c.signalling, c.kind));
    }
    if c.in_use {
        return Some(PortError::InUse { port, holder: holder(root, span, c) });
    }
    match problem {
        Some(_) if own_nodes(root, span, c).iter().any(|n| access(root, n).is_ok()) => None,
        other => other.cloned(),
    }
}

/// The signalling is not that of a telephone port: with the line of the configuration that mends it.
pub(super) fn not_analog(port: &str, number: u32, found: Signalling, kind: Option<PortKind>) -> PortError {
    let wanted = match kind {
        Some(kind) => format!("`{}`", Signalling::line_for(kind, number)),
        None => format!(
            "`{}` (an FXO port) or `{}` (an FXS port)",
            Signalling::line_for(PortKind::Fxo, number),
            Signalling::line_for(PortKind::Fxs, number)
        ),
    };
    PortError::Signalling { port: port.to_string(), found: found.name().to_string(), wanted }
}

/// Nothing is in `/proc/dahdi`.
fn no_spans(root: &Path) -> PortError {
    let proc = root.join("proc/dahdi");
    let help = if proc.is_dir() {
        "the DAHDI core is loaded without a card: load the card's driver (`modprobe wctdm24xxp`, wctdm, wcaxx, \
         xpp_usb …) or see `dmesg`; where spans wait to be assigned, `dahdi auto_assign_spans=1` does it"
    } else {
        "load the driver: `modprobe dahdi` and that of the card, then `dahdi_cfg`"
    };
    PortError::Missing { node: proc, help: help.to_string() }
}

/// Whether this process may open the node, and what stands against it.
pub(super) fn access(root: &Path, node: &Path) -> Result<(), PortError> {
    let meta = match fs::metadata(node) {
        Ok(meta) => meta,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(missing_node(root, node)),
        Err(e) => return Err(PortError::NotPermitted { node: node.to_path_buf(), detail: e.kind().to_string() }),
    };
    if nix::unistd::access(node, AccessFlags::R_OK | AccessFlags::W_OK).is_ok() {
        return Ok(());
    }
    Err(PortError::NotPermitted { node: node.to_path_buf(), detail: whose(&meta) })
}

/// The node is not there: is the driver, and who should have made the node?
pub(super) fn missing_node(root: &Path, node: &Path) -> PortError {
    let help = if root.join("proc/dahdi").is_dir() {
        "the driver is loaded and its nodes are not: see that devtmpfs is mounted on /dev, and restart udev"
    } else {
        "load the driver: `modprobe dahdi` and that of the card, then `dahdi_cfg`"
    };
    PortError::Missing { node: node.to_path_buf(), help: help.to_string() }
}

/// `it belongs to group dahdi, and you are not in it`
fn whose(meta: &fs::Metadata) -> String {
    let mode = meta.permissions().mode() & 0o777;
    if !meta.file_type().is_char_device() {
        return "it is not a device".to_string();
    }
    let group = Group::from_gid(Gid::from_raw(meta.gid())).ok().flatten();
    let group = group.map_or_else(|| format!("number {}", meta.gid()), |g| g.name);
    match mode & 0o060 {
        0o060 => format!("it belongs to group {group}, and you are not in it"),
        _ => format!("it belongs to group {group} with mode {mode:04o}, which lets only its owner in"),
    }
}

/// The nodes of this one channel: the kernel's own, and the numbered one that DAHDI's udev rules add.
pub(super) fn own_nodes(root: &Path, span: &Span, c: &Channel) -> Vec<PathBuf> {
    let position = span.channels.iter().position(|x| x.number == c.number).map_or(1, |i| i + 1);
    vec![
        root.join(format!("dev/dahdi/chan/{:03}/{position:03}", span.number)),
        root.join(format!("dev/dahdi/{}", c.number)),
    ]
}

/// Who has the channel open, as far as it can be seen: the links in `/proc/PID/fd`.
///
/// A descriptor of the shared node says nothing of its channel, so a process that has that open is only suspected;
/// tipring keeps the channel's own node open beside it (`O_PATH`, which does not open the device) to be told apart.
pub(super) fn holder(root: &Path, span: &Span, c: &Channel) -> String {
    let own: Vec<PathBuf> = own_nodes(root, span, c).iter().map(|n| below_root(root, n)).collect();
    let chan_dir = below_root(root, &root.join("dev/dahdi/chan"));
    let shared = below_root(root, &root.join(CHANNEL_NODE));
    let (mut certain, mut suspected, mut hidden) = (Vec::new(), Vec::new(), false);
    for process in listed(&root.join("proc")) {
        let Some(pid) = process.file_name().and_then(OsStr::to_str).and_then(|n| n.parse::<u32>().ok()) else {
            continue;
        };
        let links: Vec<PathBuf> = match fs::read_dir(process.join("fd")) {
            Ok(fds) => fds.flatten().filter_map(|f| fs::read_link(f.path()).ok()).collect(),
            Err(e) => {
                hidden |= e.kind() == io::ErrorKind::PermissionDenied;
                continue;
            }
        };
        let name = read(&process.join("comm")).unwrap_or_default();
        let who = match pid {
            own if own == std::process::id() => "this process itself".to_string(),
            _ => format!("{} (process {pid})", crate::error::printable(name.trim())),
        };
        let others = links.iter().filter(|l| l.starts_with(&chan_dir) && !own.contains(l)).count();
        if links.iter().any(|l| own.contains(l)) {
            certain.push(who);
        } else if links.iter().filter(|l| **l == shared).count() > others {
            suspected.push(who);
        }
    }
    match (certain.first(), suspected.as_slice(), hidden) {
        (Some(one), _, _) => one.clone(),
        (None, [one], false) => one.clone(),
        (None, [one], true) => format!("{one}, or by a process of another user"),
        (None, [_, ..], _) => format!("one of {}", suspected.join(", ")),
        (None, [], true) => "a process of another user; root can see which".to_string(),
        (None, [], false) => "a process that is not visible here, perhaps in another container".to_string(),
    }
}

/// A path as the links in `/proc` write it: tests have their own root.
fn below_root(root: &Path, node: &Path) -> PathBuf {
    Path::new("/").join(node.strip_prefix(root).unwrap_or(node))
}

/// One file of `/proc/dahdi`:
///
/// ```text
/// Span 2: WCTDM/0 "Wildcard TDM400P REV I Board 5" (MASTER)
///         IRQ misses: 3
///
///            5 WCTDM/0/0 FXSKS (In use) RED (EC: MG2 - INACTIVE)
/// ```
pub fn parse_span(number: u32, text: &str) -> Span {
    let mut span = Span { number, ..Span::default() };
    for line in text.lines() {
        if let Some(head) = line.strip_prefix("Span ") {
            let rest = head.split_once(": ").map_or("", |(_, r)| r);
            let (name, rest) = rest.split_once(" \"").unwrap_or((rest, ""));
            let (description, tail) = rest.rsplit_once('"').unwrap_or((rest, ""));
            span.name = name.trim().to_string();
            span.description = description.to_string();
            span.master = tail.contains("(MASTER)");
            span.alarm = tail.split_whitespace().find_map(alarm_word);
        } else if let Some((what, count)) = line.trim().split_once(": ") {
            let count = count.trim().parse();
            match (what, count) {
                ("IRQ misses", Ok(n)) => span.irq_misses = n,
                ("Timing slips", Ok(n)) => span.timing_slips = n,
                _ => span.channels.extend(parse_channel(line)),
            }
        } else {
            span.channels.extend(parse_channel(line));
        }
    }
    span
}

fn parse_channel(line: &str) -> Option<Channel> {
    let line = line.trim_start();
    let (number, rest) = line.split_once(' ')?;
    let number = number.parse().ok()?;
    let (name, rest) = rest.trim_start().split_once(' ').unwrap_or((rest.trim(), ""));
    let (rest, canceller) = match rest.split_once("(EC: ") {
        Some((before, ec)) => (before, ec.split([' ', ')']).next().filter(|e| !e.is_empty())),
        None => (rest, None),
    };
    let in_use = rest.contains("(In use)");
    let alarm = rest.split_whitespace().find_map(alarm_word);
    let signalling = match rest.split("(In use)").next().map(str::trim) {
        None | Some("" | "Reserved") => Signalling::None,
        Some(words) if words.starts_with("SF ") => Signalling::Other(0),
        Some(words) => match words.split_whitespace().next() {
            // an unconfigured channel in alarm
            Some(first) if alarm_word(first).is_some() => Signalling::None,
            Some(first) => Signalling::from_name(first),
            None => Signalling::None,
        },
    };
    Some(Channel {
        number,
        name: name.to_string(),
        signalling,
        kind: signalling.port(),
        in_use,
        alarm,
        echo_canceller: canceller.map(str::to_string),
        problem: None,
    })
}

fn alarm_word(word: &str) -> Option<Alarm> {
    match word {
        "RED" => Some(Alarm::Red),
        "BLUE" => Some(Alarm::Blue),
        "YELLOW" => Some(Alarm::Yellow),
        "LOOP" => Some(Alarm::Loopback),
        "RECOVERING" => Some(Alarm::Recovering),
        "NOTOPEN" => Some(Alarm::NotOpen),
        _ => None,
    }
}

/// What sysfs adds: the card behind the span, and its type.
fn add_sysfs(root: &Path, span: &mut Span) {
    let dir = root.join(format!("sys/bus/dahdi_spans/devices/span-{}", span.number));
    let word = |path: &Path| read(path).ok().map(|t| t.trim().to_string()).filter(|t| !t.is_empty());
    span.span_type = word(&dir.join("spantype"));
    for (i, c) in span.channels.iter_mut().enumerate() {
        let name = format!("sys/bus/dahdi_channels/devices/dahdi!chan!{:03}!{:03}", span.number, i + 1);
        if c.kind.is_none() {
            c.kind = word(&root.join(name).join("sigcap")).and_then(|caps| Signalling::hardware_by_names(&caps));
        }
    }
    // the span's link leads into its device's directory
    let Some(device) = fs::canonicalize(&dir).ok().and_then(|d| d.parent().map(Path::to_path_buf)) else { return };
    let field = |name: &str| word(&device.join(name)).unwrap_or_default();
    if device.join("hardware_id").exists() {
        span.device = Some(Device {
            manufacturer: field("manufacturer"),
            model: field("type"),
            location: field("location"),
            hardware_id: field("hardware_id"),
        });
    }
}

fn listed(dir: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect();
    all.sort();
    all
}

/// A file of the kernel's, as text: names come from drivers and may be anything.
fn read(path: &Path) -> io::Result<String> {
    fs::read(path).map(|b| String::from_utf8_lossy(&b).into_owned())
}

#[cfg(test)]
mod tests;
