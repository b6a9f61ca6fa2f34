//! Every way not to get a channel, with the line that mends it.

use crate::rig::*;
use crate::tests;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tipring::driver::dahdi::signal::Signalling;
use tipring::driver::dahdi::{DahdiPort, OpenOptions, ioctl};
use tipring::driver::{PortError, PortKind, discover};

tests! {
    Wire:
        a_channel_of_another_port_in_this_process_is_in_use_by_this_process,
        a_channel_that_is_not_there_names_those_that_are,
        missing_nodes_are_said_to_be_missing_with_what_makes_them,
        the_wrong_kind_of_port_is_refused,
        an_unconfigured_and_a_clear_channel_want_their_line_in_system_conf,
        discovery_lists_every_channel_and_what_is_the_matter_with_it,
        a_port_that_may_not_be_opened_names_the_group;
}

fn why(channel: u32, options: &OpenOptions) -> PortError {
    DahdiPort::open(channel, options).err().expect("it opened")
}

fn a_channel_of_another_port_in_this_process_is_in_use_by_this_process(lab: &Lab) {
    let _fxo = lab.fxo();
    let e = why(lab.fxo, &quiet());
    assert_eq!(e, PortError::InUse { port: format!("dahdi/{}", lab.fxo), holder: "this process itself".into() }, "{e}");
}

fn a_channel_that_is_not_there_names_those_that_are(_lab: &Lab) {
    let e = why(99, &quiet());
    let all = discover::dahdi(Path::new("/")).numbers();
    assert!(matches!(&e, PortError::Missing { help, .. } if help.contains(&all)), "{e:?}");
    assert_eq!(all, "1-8");
}

fn missing_nodes_are_said_to_be_missing_with_what_makes_them(lab: &Lab) {
    std::fs::rename("/dev/dahdi", "/dev/dahdi.away").unwrap();
    let e = why(lab.fxo, &quiet());
    std::fs::rename("/dev/dahdi.away", "/dev/dahdi").unwrap();
    assert!(matches!(&e, PortError::Missing { help, .. } if help.contains("udev")), "{e:?}");
}

fn the_wrong_kind_of_port_is_refused(lab: &Lab) {
    let e = why(lab.fxo, &OpenOptions { kind: Some(PortKind::Fxs), ..quiet() });
    assert!(e.to_string().contains("be an FXS port: it is an FXO port (fxsks signalling)"), "{e}");
    let e = why(lab.fxs, &OpenOptions { kind: Some(PortKind::Fxo), ..quiet() });
    assert!(e.to_string().contains("be an FXO port: it is an FXS port (fxoks signalling)"), "{e}");
}

fn an_unconfigured_and_a_clear_channel_want_their_line_in_system_conf(lab: &Lab) {
    let ctl = std::fs::OpenOptions::new().read(true).write(true).open("/dev/dahdi/ctl").unwrap();
    let spare = lab.fxo + 3;
    let configure = |sigtype: i32| {
        let mut c = ioctl::ChanConfig {
            chan: spare as i32,
            name: [0; 40],
            sigtype,
            deflaw: 0,
            master: 0,
            idlebits: 0,
            netdev_name: [0; 16],
        };
        ioctl::chanconfig(std::os::fd::AsFd::as_fd(&ctl), &mut c).unwrap();
    };
    // none; clear
    for (sigtype, found) in [(0, "no"), (1 << 7, "clear")] {
        configure(sigtype);
        let e = why(spare, &quiet());
        let listed = discover::dahdi(Path::new("/"));
        let (_, c) = listed.channel(spare).unwrap();
        let listed = c.problem.clone();
        configure(1 << 2 | 1 << 13);
        match &e {
            PortError::Signalling { found: f, wanted, .. } => {
                assert_eq!(f, found);
                assert!(wanted.contains(&format!("fxsks={spare}")), "{wanted}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(listed, Some(e));
    }
}

fn discovery_lists_every_channel_and_what_is_the_matter_with_it(lab: &Lab) {
    let held = lab.fxo();
    let all = discover::dahdi(Path::new("/"));
    assert_eq!(all.channels().count(), 8);
    let (span, c) = all.channel(lab.fxo).unwrap();
    assert!(c.in_use && c.kind == Some(PortKind::Fxo) && c.signalling == Signalling::FxsKewlStart);
    assert!(matches!(&c.problem, Some(PortError::InUse { holder, .. }) if holder == "this process itself"));
    let (_, other) = all.channel(lab.fxo + 1).unwrap();
    assert_eq!((other.in_use, &other.problem), (false, &None));
    if lab.labline {
        assert_eq!(span.span_type.as_deref(), Some("FXO"));
        let device = span.device.as_ref().unwrap();
        assert_eq!((device.model.as_str(), device.hardware_id.as_str()), ("labline FXO", "labline:fxo"));
    }
    drop(held);
    assert!(!discover::dahdi(Path::new("/")).channel(lab.fxo).unwrap().1.in_use);
}

fn a_port_that_may_not_be_opened_names_the_group(lab: &Lab) {
    // root may open anything: a child of another user says what it sees
    let node = Path::new("/dev/dahdi/channel");
    let before = std::fs::metadata(node).unwrap().permissions();
    std::fs::set_permissions(node, std::fs::Permissions::from_mode(0o660)).unwrap();
    let out = crate::process::me().args(["--child", "as-nobody", &lab.fxo.to_string()]).output().unwrap();
    std::fs::set_permissions(node, before).unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(said.contains("permission denied on /dev/dahdi/channel: it belongs to group"), "{said}");
    assert!(said.contains("and you are not in it"), "{said}");
    assert!(said.contains("udev/70-tipring.rules"), "{said}");
}
