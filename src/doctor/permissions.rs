//! The group, the udev rules, and ModemManager, which takes modems for its own.

use super::{Finding, Machine, Status, listed, quoted};
use crate::control::place::GROUP;
use std::collections::BTreeMap;
use std::fs;

/// The rules that come with this version.
pub const RULES: &str = include_str!("../../udev/70-tipring.rules");
const RULES_NAME: &str = "70-tipring.rules";
/// In the order in which udev prefers them (udev(7)).
const RULES_DIRS: [&str; 4] = ["etc/udev/rules.d", "run/udev/rules.d", "usr/lib/udev/rules.d", "lib/udev/rules.d"];

/// From anywhere: the rules are in the program. They are printed by the user, whose program root may not find.
fn install_rules(m: &Machine) -> String {
    let file = format!("/etc/udev/rules.d/{RULES_NAME}");
    // a masked file is a link to /dev/null, and what is written to it is lost
    let linked = m.at(&file[1..]).is_symlink();
    let sudo = if m.uid == 0 { "" } else { "sudo " };
    let unlink = if linked { format!("{sudo}rm {file} && ") } else { String::new() };
    format!(
        "{unlink}tipring doctor --print-udev | {sudo}tee {file} > /dev/null && {sudo}udevadm control --reload && \
         {sudo}udevadm trigger"
    )
}

/// What stands between this user and the nodes.
pub fn let_in(m: &Machine) -> String {
    let groups = m.text("etc/group").unwrap_or_default();
    let gid = groups.lines().find_map(|l| l.strip_prefix(GROUP)?.split(':').nth(2)?.parse().ok());
    if installed(m).is_none_or(|(_, text)| text != RULES) {
        install_rules(m)
    } else if gid.is_some_and(|gid: u32| m.groups.contains(&gid)) {
        // the nodes are older than the rules
        m.as_root("udevadm control --reload && udevadm trigger")
    } else {
        join_group(m)
    }
}

fn join_group(m: &Machine) -> String {
    m.as_root(format!("usermod -aG {GROUP} {}  # and log in again", quoted(&m.user)))
}

pub fn group(m: &Machine) -> Vec<Finding> {
    let check = "group";
    let groups = m.text("etc/group").unwrap_or_default();
    let line = groups.lines().map(|l| l.split(':').collect::<Vec<_>>()).find(|fields| fields.first() == Some(&GROUP));
    let Some(fields) = line else {
        let why = "without it only root may use lines and act on the calls of others";
        let help = m.as_root(format!("groupadd --system {GROUP}"));
        return vec![Finding::bad(Status::Warn, check, format!("there is no group {GROUP}"), why, help)];
    };
    let gid: Option<u32> = fields.get(2).and_then(|gid| gid.parse().ok());
    let listed = fields.get(3).is_some_and(|members| members.split(',').any(|member| member == m.user));
    let in_group = gid.is_some_and(|gid| m.groups.contains(&gid));
    let user = &m.user;
    vec![match (m.uid == 0, in_group, listed) {
        (true, ..) => Finding::ok(check, format!("group {GROUP} is there; root needs no group")),
        (_, true, _) => Finding::ok(check, format!("{user} is in group {GROUP}")),
        (_, false, true) => Finding::bad(
            Status::Warn,
            check,
            format!("{user} is in group {GROUP}, and this session does not know it yet"),
            "groups are given at login",
            format!("newgrp {GROUP}  # for this shell; for all, log in again"),
        ),
        _ => Finding::bad(
            Status::Warn,
            check,
            format!("{user} is not in group {GROUP}"),
            "the nodes of the lines belong to it",
            join_group(m),
        ),
    }]
}

/// The rules as they are installed: the file that udev takes.
fn installed(m: &Machine) -> Option<(String, String)> {
    RULES_DIRS.iter().map(|dir| format!("{dir}/{RULES_NAME}")).find_map(|path| Some((path.clone(), m.text(&path)?)))
}

pub fn udev_rule(m: &Machine) -> Vec<Finding> {
    let check = "udev rule";
    if !RULES_DIRS.iter().any(|dir| m.at(dir).is_dir()) {
        let what = "there is no udev here (a container?): the nodes' owner is decided outside";
        return vec![Finding::ok(check, what)];
    }
    vec![match installed(m) {
        None => Finding::bad(
            Status::Warn,
            check,
            format!("{RULES_NAME} is not installed"),
            "the nodes stay with the group that DAHDI's rules give them, and ModemManager takes voice modems",
            install_rules(m),
        ),
        Some((path, text)) if text == RULES => Finding::ok(check, format!("/{path} is that of this version")),
        // a link to /dev/null is how udev is told to leave rules out
        Some((path, text)) if text.is_empty() => {
            let why = format!("/{path} is empty: it switches the rules off");
            Finding::bad(Status::Warn, check, format!("{RULES_NAME} is masked"), why, install_rules(m))
        }
        Some((path, _)) => {
            let why = format!("/{path} is of another version, or was changed");
            Finding::bad(
                Status::Warn,
                check,
                format!("{RULES_NAME} is not that of this version"),
                why,
                install_rules(m),
            )
        }
    }]
}

pub fn modem_manager(m: &Machine) -> Vec<Finding> {
    let check = "modemmanager";
    let Some(pid) = m.running("ModemManager").first().copied() else {
        return vec![Finding::ok(check, "ModemManager is not running")];
    };
    let known = known_modems(RULES);
    let attached: Vec<String> = listed(&m.at("sys/bus/usb/devices"))
        .into_iter()
        .filter_map(|device| {
            let id = |name| fs::read_to_string(device.join(name)).ok().map(|t| t.trim().to_string());
            let id = format!("{}:{}", id("idVendor")?, id("idProduct")?);
            known.get(&id).map(|name| format!("{name} ({id})"))
        })
        .collect();
    let told = installed(m).is_some_and(|(_, rules)| rules.contains("ID_MM_DEVICE_IGNORE"));
    vec![match (told, attached.first()) {
        (true, _) => Finding::ok(check, format!("ModemManager (pid {pid}) is told to leave our modems alone")),
        (false, None) => Finding::ok(check, format!("ModemManager (pid {pid}) runs, and there is no modem of ours")),
        (false, Some(modem)) => Finding::bad(
            Status::Fail,
            check,
            format!("ModemManager (pid {pid}) takes {modem}"),
            "it opens every modem that it is not told to leave, and sends commands to it",
            install_rules(m),
        ),
    }]
}

/// `0572:1321` → what is written above it.
pub fn known_modems(rules: &str) -> BTreeMap<String, String> {
    let (mut known, mut above) = (BTreeMap::new(), "");
    for line in rules.lines() {
        let value = |key: &str| line.split_once(&format!("{key}==\""))?.1.split('"').next();
        if let (Some(vendor), Some(product)) = (value("ATTRS{idVendor}"), value("ATTRS{idProduct}")) {
            known.insert(format!("{vendor}:{product}"), above.trim_start_matches("# ").to_string());
        }
        above = line;
    }
    known
}
