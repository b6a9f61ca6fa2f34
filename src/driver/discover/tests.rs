//! Discovery on trees of files like the kernel's.

use super::*;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use tempfile::TempDir;

const FXO: &str = "Span 2: LABFXO/0 \"labline FXO board\" (MASTER) RED \n\tIRQ misses: 3\n\n\
    \t   5 LABFXO/0/0 FXSKS (In use) (EC: MG2 - INACTIVE) \n\
    \t   6 LABFXO/0/1 FXSKS RED \n\
    \t   7 LABFXO/0/2 \n\
    \t   8 LABFXO/0/3 Clear \n";

/// A root with this `/proc/dahdi/2`.
fn tree(proc: &str) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("proc/dahdi")).unwrap();
    fs::create_dir_all(root.path().join("dev/dahdi/chan/002")).unwrap();
    fs::write(root.path().join("proc/dahdi/2"), proc).unwrap();
    // no device can be made without privileges; this we may open
    fs::write(root.path().join(CHANNEL_NODE), "").unwrap();
    let device = root.path().join("sys/devices/platform/labline/labline:1");
    fs::create_dir_all(device.join("span-2")).unwrap();
    fs::create_dir_all(root.path().join("sys/bus/dahdi_spans/devices")).unwrap();
    for (file, text) in [("manufacturer", "tipring lab\n"), ("type", "labline FXO\n"), ("location", "labline 1\n")] {
        fs::write(device.join(file), text).unwrap();
    }
    fs::write(device.join("hardware_id"), "labline:fxo\n").unwrap();
    fs::write(device.join("span-2/spantype"), "FXO\n").unwrap();
    let channel = root.path().join("sys/bus/dahdi_channels/devices/dahdi!chan!002!003");
    fs::create_dir_all(&channel).unwrap();
    fs::write(channel.join("sigcap"), "FXSLS FXSKS Clear SF (ToneOnly)\n").unwrap();
    symlink(device.join("span-2"), root.path().join("sys/bus/dahdi_spans/devices/span-2")).unwrap();
    root
}

/// A process of that tree, with these descriptors.
fn process(root: &TempDir, pid: u32, name: &str, links: &[&str]) {
    let dir = root.path().join(format!("proc/{pid}"));
    fs::create_dir_all(dir.join("fd")).unwrap();
    fs::write(dir.join("comm"), format!("{name}\n")).unwrap();
    for (i, link) in links.iter().enumerate() {
        symlink(link, dir.join(format!("fd/{i}"))).unwrap();
    }
}

#[test]
fn a_span_is_read_as_the_kernel_writes_it() {
    let span = parse_span(2, FXO);
    assert_eq!((span.name.as_str(), span.description.as_str()), ("LABFXO/0", "labline FXO board"));
    assert_eq!((span.master, span.alarm, span.irq_misses), (true, Some(Alarm::Red), 3));
    let c: Vec<_> = span.channels.iter().map(|c| (c.number, c.signalling, c.in_use, c.alarm)).collect();
    assert_eq!(
        c,
        [
            (5, Signalling::FxsKewlStart, true, None),
            (6, Signalling::FxsKewlStart, false, Some(Alarm::Red)),
            (7, Signalling::None, false, None),
            (8, Signalling::Clear, false, None),
        ]
    );
    assert_eq!(span.channels[0].echo_canceller.as_deref(), Some("MG2"));
}

#[test]
fn spans_of_digital_cards_and_odd_names_are_read_without_harm() {
    let text = "Span 1: TE2/0/1 \"T2XXP (PCI) Card 0 Span 1 \"quoted\": x\" HDB3/CCS/CRC4 YELLOW ClockSource \n\
        \tTiming slips: 12\n\tBPV count: 7\n\n\
        \t   1 TE2/0/1/1 Clear (In use) (EC: VPMOCT128 - ACTIVE) \n\
        \t  16 TE2/0/1/16 Hardware-assisted HDLC (In use) \n\
        \t  17 TE2/0/1/17 SF (ToneOnly) \n\
        \t  18 TE2/0/1/18 Reserved \n\
        \t  19 TE2/0/1/19 RED \n";
    let span = parse_span(1, text);
    assert_eq!(span.description, "T2XXP (PCI) Card 0 Span 1 \"quoted\": x");
    assert_eq!((span.timing_slips, span.alarm), (12, Some(Alarm::Yellow)));
    assert_eq!(span.channels.len(), 5);
    assert!(span.channels.iter().all(|c| c.kind.is_none()));
    assert_eq!(span.channels[4].signalling, Signalling::None);
    assert_eq!(span.channels[4].alarm, Some(Alarm::Red));
}

#[test]
fn channels_that_may_not_be_opened_are_listed_with_the_reason() {
    let root = tree(FXO);
    process(&root, 71, "asterisk", &["/dev/null", "/dev/dahdi/channel"]);
    let all = dahdi(root.path());
    assert_eq!(all.numbers(), "5-8");
    let problem = |n| all.channel(n).unwrap().1.problem.clone();
    assert_eq!(problem(5), Some(PortError::InUse { port: "dahdi/5".into(), holder: "asterisk (process 71)".into() }));
    assert_eq!(problem(6), None, "an alarm is no reason not to open");
    assert_eq!(problem(7).unwrap().to_string(), "dahdi/7 is configured with no signalling, and `fxsks=7` is needed");
    // nobody said what channel 8 can be
    assert!(problem(8).unwrap().to_string().contains("clear signalling, and `fxsks=8` (an FXO port) or `fxoks=8`"));
    let (span, c) = all.channel(7).unwrap();
    assert_eq!(c.kind, Some(PortKind::Fxo), "what the hardware can be says what an unconfigured channel is");
    let device = span.device.as_ref().unwrap();
    assert_eq!((device.model.as_str(), device.location.as_str()), ("labline FXO", "labline 1"));
}

#[test]
fn of_two_that_have_the_shared_node_the_one_with_the_channels_own_is_the_holder() {
    let root = tree(FXO);
    process(&root, 71, "asterisk", &["/dev/dahdi/channel"]);
    process(&root, 72, "tipring", &["/dev/dahdi/channel", "/dev/dahdi/chan/002/001"]);
    process(&root, 73, "tipring", &["/dev/dahdi/channel", "/dev/dahdi/chan/002/002"]);
    let all = dahdi(root.path());
    let (span, c) = all.channel(5).unwrap();
    assert_eq!(holder(root.path(), span, c), "tipring (process 72)");
    // without it: whoever has a descriptor of the shared node that no marker accounts for
    fs::remove_dir_all(root.path().join("proc/72")).unwrap();
    assert_eq!(holder(root.path(), span, c), "asterisk (process 71)");
    process(&root, 74, "chan\x1b[2J", &["/dev/dahdi/channel"]);
    assert_eq!(holder(root.path(), span, c), "one of asterisk (process 71), chan\\u{1b}[2J (process 74)");
}

#[test]
fn without_driver_card_or_nodes_the_help_says_what_to_do() {
    let root = tempfile::tempdir().unwrap();
    let help = |all: &Dahdi| match &all.problem {
        Some(PortError::Missing { help, .. }) => help.clone(),
        other => panic!("{other:?}"),
    };
    assert!(help(&dahdi(root.path())).contains("modprobe dahdi"));
    fs::create_dir_all(root.path().join("proc/dahdi")).unwrap();
    assert!(help(&dahdi(root.path())).contains("without a card"));
    fs::write(root.path().join("proc/dahdi/2"), FXO).unwrap();
    let all = dahdi(root.path());
    assert!(help(&all).contains("udev"));
    assert!(matches!(all.channel(6).unwrap().1.problem, Some(PortError::Missing { .. })));
}

#[test]
fn what_is_not_a_device_is_not_taken_for_one() {
    let root = tempfile::tempdir().unwrap();
    let node = root.path().join("node");
    let _socket = UnixListener::bind(&node).unwrap();
    let meta = fs::metadata(&node).unwrap();
    assert_eq!(whose(&meta), "it is not a device");
    // a real one: whose group and mode decide
    let null = fs::metadata("/dev/tty").or_else(|_| fs::metadata("/dev/null")).unwrap();
    assert!(whose(&null).starts_with("it belongs to group "), "{}", whose(&null));
}

#[test]
fn hostile_files_do_not_panic() {
    for text in
        ["", "Span", "Span 1", "Span 1: ", "\t", "5", " 5 ", "5 x (EC: ", "Span 2: a \"b", ": ", "99999999999 x FXSKS"]
    {
        let span = parse_span(3, text);
        assert!(span.channels.len() <= 1, "{text:?}");
    }
}
