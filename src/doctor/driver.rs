//! The DAHDI driver: there, for this kernel, loaded; its cards, their nodes, alarms and interrupts.

use super::{Finding, Machine, Status, listed, permissions};
use crate::driver::PortError;
use crate::driver::discover;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// Who makes cards that DAHDI drives: the vendor's number on the bus.
const PCI_VENDORS: [(&str, &str); 5] = [
    ("0xd161", "a Digium card"),
    ("0xe159", "a card with a Tiger Jet chip (TDM400P, A400P)"),
    ("0x1923", "a Sangoma card"),
    ("0x1b74", "an OpenVox card"),
    ("0xb0b", "a Rhino card"),
];
/// The core, and the drivers of most cards: those that have none of theirs do nothing.
const LOAD: &str = "modprobe dahdi && modprobe -a wctdm24xxp wctdm wcaxx; dahdi_cfg";
const USB_VENDORS: [(&str, &str); 1] = [("e4e4", "a Xorcom Astribank")];

pub fn module(m: &Machine) -> Vec<Finding> {
    let check = "dahdi driver";
    if m.at("proc/dahdi").is_dir() {
        let version = m.text("sys/module/dahdi/version").map(|v| format!(", version {}", v.trim())).unwrap_or_default();
        return vec![Finding::ok(check, format!("loaded{version}"))];
    }
    let card = card(m);
    // who has no card has no need of it
    let status = if card.is_some() { Status::Fail } else { Status::Warn };
    let why_no_card = "no card was found either: simulated lines work without";
    let why = card.map_or_else(|| why_no_card.to_string(), |card| format!("there is {card}, which it drives"));
    let Some(release) = m.text("proc/sys/kernel/osrelease").map(|r| r.trim().to_string()) else {
        return vec![Finding::bad(status, check, "not loaded", why, m.as_root(LOAD))];
    };
    let built: Vec<(String, PathBuf)> = listed(&m.at("lib/modules"))
        .iter()
        .filter_map(|dir| Some((dir.file_name()?.to_str()?.to_string(), find_module(dir)?)))
        .collect();
    let ours = built.iter().find(|(kernel, _)| *kernel == release);
    let others: Vec<&str> = built.iter().map(|(kernel, _)| kernel.as_str()).filter(|k| *k != release).collect();
    vec![match ours {
        Some((_, file)) => match made_for(file).filter(|kernel| *kernel != release) {
            Some(kernel) => Finding::bad(
                Status::Fail,
                check,
                format!("built for kernel {kernel}, and this is {release}"),
                format!("{} does not load into this kernel", shown(m, file)),
                rebuild(m, &release),
            ),
            None => Finding::bad(status, check, "not loaded", why, m.as_root(LOAD)),
        },
        None if !others.is_empty() => Finding::bad(
            Status::Fail,
            check,
            format!("not built for this kernel, {release}"),
            format!("there is one for {}{}", others.join(", "), no_headers(m, &release)),
            rebuild(m, &release),
        ),
        None => Finding::bad(
            status,
            check,
            "not installed",
            format!("{why}{}", no_headers(m, &release)),
            install(m, &release),
        ),
    }]
}

/// What a module for the running kernel is built with, and how it is had.
enum Headers {
    There,
    /// A package, by the command that installs it.
    Package(String),
    /// No package has them: the kernel came from elsewhere.
    Elsewhere,
}

fn headers(m: &Machine, release: &str) -> Headers {
    if m.at(&format!("lib/modules/{release}/build")).exists() {
        return Headers::There;
    }
    let flavour = release.rsplit('-').next().unwrap_or_default();
    match distribution(m) {
        Distribution::Debian if is_packaged(m, release) => {
            Headers::Package(format!("apt install linux-headers-{release}"))
        }
        Distribution::Debian => Headers::Elsewhere,
        Distribution::Fedora => Headers::Package(format!("dnf install kernel-devel-{release}")),
        Distribution::Suse => Headers::Package(format!("zypper install kernel-{flavour}-devel")),
        Distribution::Arch => Headers::Package(match flavour {
            "lts" | "zen" | "hardened" => format!("pacman -S linux-{flavour}-headers"),
            _ => "pacman -S linux-headers".into(),
        }),
        Distribution::Alpine => Headers::Package(format!("apk add linux-{flavour}-dev")),
        Distribution::Unknown => Headers::Elsewhere,
    }
}

/// The driver is there, and not for this kernel.
fn rebuild(m: &Machine, release: &str) -> String {
    let by_dkms = m.at("var/lib/dkms/dahdi").is_dir() || matches!(distribution(m), Distribution::Debian);
    let build = if by_dkms { format!("dkms autoinstall -k {release}") } else { FROM_SOURCE.to_string() };
    m.as_root(match headers(m, release) {
        Headers::There => build,
        Headers::Package(install) => format!("{install} && {build}"),
        Headers::Elsewhere => packaged_kernel(m, "").unwrap_or_else(|| format!("{build}  # {}", needs(release))),
    })
}

/// There is no driver at all.
fn install(m: &Machine, release: &str) -> String {
    let debian = matches!(distribution(m), Distribution::Debian);
    let driver = if debian { "apt install dahdi-dkms" } else { FROM_SOURCE };
    m.as_root(match headers(m, release) {
        Headers::There => format!("{driver} && modprobe dahdi"),
        Headers::Package(_) if debian => format!("{driver} linux-headers-{release} && modprobe dahdi"),
        Headers::Package(install) => format!("{install} gcc make git && {driver} && modprobe dahdi"),
        Headers::Elsewhere => packaged_kernel(m, " dahdi-dkms")
            .unwrap_or_else(|| format!("{driver} && modprobe dahdi  # {}", needs(release))),
    })
}

/// Why the line that mends it brings another kernel, or has a condition.
fn no_headers(m: &Machine, release: &str) -> String {
    match headers(m, release) {
        Headers::There | Headers::Package(_) => String::new(),
        Headers::Elsewhere => format!("; kernel {release} is of no package known here, and neither are its headers"),
    }
}

const FROM_SOURCE: &str =
    "cd \"$(mktemp -d)\" && git clone --depth 1 https://github.com/asterisk/dahdi-linux . && make install";

/// Where no package is known that has the headers, only its maker can say where they are.
fn needs(release: &str) -> String {
    format!("once the headers of this kernel are in /lib/modules/{release}/build: its maker has them")
}

/// A kernel of the distribution's, with its headers, instead of one for which it has none.
fn packaged_kernel(m: &Machine, more: &str) -> Option<String> {
    if !matches!(distribution(m), Distribution::Debian) {
        return None;
    }
    let text = m.text("etc/os-release").or_else(|| m.text("usr/lib/os-release")).unwrap_or_default();
    let flavour = if text.contains("ubuntu") { "generic" } else { "$(dpkg --print-architecture)" };
    Some(format!("apt install linux-image-{flavour} linux-headers-{flavour}{more} && reboot"))
}

/// Whose packages there are (os-release(5)).
enum Distribution {
    Debian,
    Fedora,
    Suse,
    Arch,
    Alpine,
    Unknown,
}

fn distribution(m: &Machine) -> Distribution {
    let text = m.text("etc/os-release").or_else(|| m.text("usr/lib/os-release")).unwrap_or_default();
    let value = |key: &str| {
        let line = text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches(['"', '\'']).to_string()
    };
    // its own name goes before the families that it is like
    let words = format!("{} {}", value("ID"), value("ID_LIKE"));
    let known = words.split_whitespace().find_map(|word| match word {
        "debian" | "ubuntu" | "raspbian" => Some(Distribution::Debian),
        "fedora" | "rhel" | "centos" => Some(Distribution::Fedora),
        "suse" | "opensuse" | "sles" => Some(Distribution::Suse),
        "arch" => Some(Distribution::Arch),
        "alpine" => Some(Distribution::Alpine),
        _ => None,
    });
    match known {
        None if m.at("etc/debian_version").exists() => Distribution::Debian,
        known => known.unwrap_or(Distribution::Unknown),
    }
}

/// Whether dpkg brought the running kernel: only then is there a package of its headers. A machine of a hoster, a container
/// or a kernel of one's own has none.
fn is_packaged(m: &Machine, release: &str) -> bool {
    ["linux-image", "linux-image-unsigned", "linux-modules"]
        .iter()
        .any(|package| m.at(&format!("var/lib/dpkg/info/{package}-{release}.list")).exists())
}

pub fn spans(m: &Machine) -> Vec<Finding> {
    if !m.at("proc/dahdi").is_dir() {
        return Vec::new();
    }
    let dahdi = discover::dahdi(&m.root);
    let mut found = Vec::new();
    if dahdi.spans.is_empty() {
        let help = m.as_root(LOAD);
        return vec![Finding::bad(
            Status::Fail,
            "dahdi cards",
            "no card",
            "the core of the driver is loaded alone",
            help,
        )];
    }
    let mut blocked = None;
    for (span, channel) in dahdi.channels() {
        let port = format!("dahdi/{}", channel.number);
        match &channel.problem {
            None => {}
            Some(PortError::InUse { holder, .. }) => {
                found.push(Finding::ok("dahdi nodes", format!("{port} is held by {holder}")));
            }
            // the signalling is each channel's own; who may open the nodes is told once
            Some(problem @ PortError::Signalling { .. }) => {
                let e = problem.explain(&port);
                found.push(Finding::bad(Status::Warn, "dahdi nodes", format!("{port}: {}", e.what), e.why, e.next));
            }
            Some(problem) => blocked = blocked.or_else(|| Some((port.clone(), problem.clone()))),
        }
        if let Some(alarm) = channel.alarm.or(span.alarm) {
            let what = format!("{port} ({}) is in {} alarm", channel.name, format!("{alarm:?}").to_lowercase());
            let why = "there is no battery on the pair: nothing is plugged in, or the line is dead";
            found.push(Finding::bad(Status::Warn, "alarms", what, why, "plug in the line and look again"));
        }
    }
    if let Some((port, problem)) = blocked {
        let e = problem.explain(&port);
        let help = match &problem {
            PortError::NotPermitted { .. } => permissions::let_in(m),
            PortError::Missing { .. } => m.as_root("udevadm control --reload && udevadm trigger && dahdi_cfg"),
            _ => e.next,
        };
        found.push(Finding::bad(Status::Fail, "dahdi nodes", e.what, e.why, help));
    } else {
        let count = dahdi.channels().count();
        let usable = dahdi.channels().filter(|(_, c)| c.problem.is_none()).count();
        found.push(Finding::ok("dahdi nodes", format!("{usable} of {count} channels may be opened now")));
    }
    for span in dahdi.spans.iter().filter(|s| s.irq_misses > 0) {
        let what = format!("{} missed {} interrupts", span.description, span.irq_misses);
        let why = "each is a gap in the audio: a flash may come out too long, a digit may be lost";
        let help = "move the card to a slot with an interrupt of its own (see /proc/interrupts)";
        found.push(Finding::bad(Status::Warn, "interrupts", what, why, help));
    }
    found
}

/// A card on the bus that the driver would drive.
fn card(m: &Machine) -> Option<&'static str> {
    let among = |dir: &str, file: &str, vendors: &'static [(&'static str, &'static str)]| {
        listed(&m.at(dir)).iter().find_map(|device| {
            let id = fs::read_to_string(device.join(file)).ok()?;
            vendors.iter().find(|(vendor, _)| *vendor == id.trim()).map(|(_, name)| *name)
        })
    };
    among("sys/bus/pci/devices", "vendor", &PCI_VENDORS)
        .or_else(|| among("sys/bus/usb/devices", "idVendor", &USB_VENDORS))
}

/// `dahdi.ko`, packed or not, below the directory of one kernel.
fn find_module(dir: &Path) -> Option<PathBuf> {
    // updates/dkms, extra, kernel/drivers/...: the tree is of thousands of files, so known places go first
    ["updates/dkms", "dahdi", "extra", "updates", "kernel/drivers/telephony/dahdi"]
        .iter()
        .find_map(|place| listed(&dir.join(place)).into_iter().find(|f| is_module(f)))
        .or_else(|| {
            let index = fs::read(dir.join("modules.dep")).ok()?;
            let index = String::from_utf8_lossy(&index).into_owned();
            index.lines().filter_map(|l| l.split(':').next()).map(|f| dir.join(f)).find(|f| is_module(f))
        })
}

fn is_module(file: &Path) -> bool {
    let name = file.file_name().and_then(OsStr::to_str).unwrap_or_default();
    ["dahdi.ko", "dahdi.ko.xz", "dahdi.ko.zst", "dahdi.ko.gz"].contains(&name)
}

/// The kernel that an unpacked module was made for, as modinfo(8) shows it: `vermagic=6.1.0-18-amd64 SMP …`.
fn made_for(file: &Path) -> Option<String> {
    const KEY: &[u8] = b"vermagic=";
    if file.extension().and_then(OsStr::to_str) != Some("ko") {
        return None;
    }
    let bytes = fs::read(file).ok()?;
    let at = bytes.windows(KEY.len()).position(|w| w == KEY)? + KEY.len();
    let magic = bytes.get(at..)?.split(|b| *b == 0 || *b == b' ').next()?;
    Some(String::from_utf8_lossy(magic).into_owned())
}

fn shown(m: &Machine, path: &Path) -> String {
    Path::new("/").join(path.strip_prefix(&m.root).unwrap_or(path)).display().to_string()
}
