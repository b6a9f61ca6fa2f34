//! Every structure and request number of `ioctl.rs` against the installed `<dahdi/user.h>` and `<dahdi/wctdm_user.h>`.

use std::collections::BTreeMap;
use std::mem::{offset_of, size_of};
use std::path::Path;
use std::process::Command;
use tipring::driver::dahdi::ioctl;

const HEADER: &str = "/usr/include/dahdi/user.h";

/// A structure: its name in C, its size, its fields with their offsets, as we have them.
struct Structure {
    name: &'static str,
    size: usize,
    fields: Vec<(&'static str, usize)>,
}

macro_rules! structure {
    ($c:literal = $ty:ident { $($field:ident),* $(,)? }) => {
        Structure {
            name: $c,
            size: size_of::<ioctl::$ty>(),
            fields: vec![$((stringify!($field), offset_of!(ioctl::$ty, $field))),*],
        }
    };
}

fn structures() -> Vec<Structure> {
    vec![
        structure!(
            "dahdi_params" = Params {
                channo,
                spanno,
                chanpos,
                sigtype,
                sigcap,
                rxisoffhook,
                rxbits,
                txbits,
                txhooksig,
                rxhooksig,
                curlaw,
                idlebits,
                name,
                prewinktime,
                preflashtime,
                winktime,
                flashtime,
                starttime,
                rxwinktime,
                rxflashtime,
                debouncetime,
                pulsebreaktime,
                pulsemaketime,
                pulseaftertime,
                chan_alarms,
            }
        ),
        structure!(
            "dahdi_spaninfo" = SpanInfo {
                spanno,
                name,
                desc,
                alarms,
                txlevel,
                rxlevel,
                bpvcount,
                crc4count,
                ebitcount,
                fascount,
                fecount,
                cvcount,
                becount,
                prbs,
                errsec,
                irqmisses,
                syncsrc,
                numchans,
                totalchans,
                totalspans,
                lbo,
                lineconfig,
                lboname,
                location,
                manufacturer,
                devicetype,
                irq,
                linecompat,
                spantype,
            }
        ),
        structure!("dahdi_confinfo" = ConfInfo { chan, confno, confmode }),
        structure!("dahdi_gains" = Gains { chan, rxgain, txgain }),
        structure!("dahdi_chanconfig" = ChanConfig { chan, name, sigtype, deflaw, master, idlebits, netdev_name }),
        structure!("dahdi_bufferinfo" = BufferInfo { txbufpolicy, rxbufpolicy, numbufs, bufsize, readbufs, writebufs }),
        structure!("dahdi_dialparams" = DialParams { mfv1_tonelen, dtmf_tonelen, mfr2_tonelen, reserved }),
        structure!("dahdi_dialoperation" = DialOperation { op, dialstr }),
        structure!("dahdi_ring_cadence" = RingCadence { ringcadence }),
        structure!("dahdi_versioninfo" = VersionInfo { version, echo_canceller }),
        structure!("dahdi_attach_echocan" = AttachEchocan { chan, echocan }),
        structure!("dahdi_dynamic_span" = DynamicSpan { driver, addr, numchans, timing, spanno }),
        // `tx` is a bit field there, and has no offset: see below
        structure!("dahdi_hwgain" = HwGain { newgain }),
        structure!("dahdi_vmwi_info" = VmwiInfo { vmwi_type }),
        structure!("wctdm_stats" = WctdmStats { tipvolt, ringvolt, batvolt }),
    ]
}

fn constants() -> Vec<(&'static str, i64)> {
    vec![
        ("ELAST", ioctl::ELAST.into()),
        ("DAHDI_ONHOOK", ioctl::ONHOOK.into()),
        ("DAHDI_OFFHOOK", ioctl::OFFHOOK.into()),
        ("DAHDI_FLASH", ioctl::FLASH.into()),
        ("DAHDI_START", ioctl::START.into()),
        ("DAHDI_RING", ioctl::RING.into()),
        ("DAHDI_RINGOFF", ioctl::RINGOFF.into()),
        ("DAHDI_FLUSH_ALL", ioctl::FLUSH_ALL.into()),
        ("DAHDI_DIAL_OP_REPLACE", ioctl::DIAL_OP_REPLACE.into()),
        ("DAHDI_DIAL_OP_CANCEL", ioctl::DIAL_OP_CANCEL.into()),
        ("DAHDI_LAW_MULAW", ioctl::LAW_MULAW.into()),
        ("DAHDI_LAW_ALAW", ioctl::LAW_ALAW.into()),
        ("DAHDI_POLICY_WHEN_FULL", ioctl::POLICY_WHEN_FULL.into()),
        ("DAHDI_POLICY_HALF_FULL", ioctl::POLICY_HALF_FULL.into()),
        ("DAHDI_MAX_DTMF_BUF", ioctl::MAX_DTMF_BUF as i64),
        ("DAHDI_MAX_CADENCE", ioctl::MAX_CADENCE as i64),
    ]
}

/// `DAHDI_EVENT_*` in the order of their numbers, with our word for each.
const EVENTS: [(&str, &str); 31] = [
    ("NONE", "None"),
    ("ONHOOK", "OnHook"),
    ("RINGOFFHOOK", "RingOffHook"),
    ("WINKFLASH", "WinkFlash"),
    ("ALARM", "Alarm"),
    ("NOALARM", "NoAlarm"),
    ("ABORT", "Abort"),
    ("OVERRUN", "Overrun"),
    ("BADFCS", "BadFcs"),
    ("DIALCOMPLETE", "DialComplete"),
    ("RINGERON", "RingerOn"),
    ("RINGEROFF", "RingerOff"),
    ("HOOKCOMPLETE", "HookComplete"),
    ("BITSCHANGED", "BitsChanged"),
    ("PULSE_START", "PulseStart"),
    ("TIMER_EXPIRED", "TimerExpired"),
    ("TIMER_PING", "TimerPing"),
    ("POLARITY", "Polarity"),
    ("RINGBEGIN", "RingBegin"),
    ("EC_DISABLED", "EcDisabled"),
    ("REMOVED", "Removed"),
    ("NEONMWI_ACTIVE", "NeonMwiActive"),
    ("NEONMWI_INACTIVE", "NeonMwiInactive"),
    ("TX_CED_DETECTED", "TxCedDetected"),
    ("RX_CED_DETECTED", "RxCedDetected"),
    ("TX_CNG_DETECTED", "TxCngDetected"),
    ("RX_CNG_DETECTED", "RxCngDetected"),
    ("EC_NLP_DISABLED", "EcNlpDisabled"),
    ("EC_NLP_ENABLED", "EcNlpEnabled"),
    ("READ_OVERRUN", "ReadOverrun"),
    ("WRITE_UNDERRUN", "WriteUnderrun"),
];

const SIGNALLINGS: [(&str, &str); 7] = [
    ("DAHDI_SIG_FXSLS", "fxsls"),
    ("DAHDI_SIG_FXSGS", "fxsgs"),
    ("DAHDI_SIG_FXSKS", "fxsks"),
    ("DAHDI_SIG_FXOLS", "fxols"),
    ("DAHDI_SIG_FXOGS", "fxogs"),
    ("DAHDI_SIG_FXOKS", "fxoks"),
    ("DAHDI_SIG_CLEAR", "clear"),
];

/// What the header says, by name: a C program that prints it is compiled and run.
fn header() -> BTreeMap<String, i64> {
    assert!(
        Path::new(HEADER).exists(),
        "{HEADER} is not there: apt-get install -y --no-install-recommends dahdi-source gcc libc6-dev"
    );
    let mut c = String::from("#include <stdio.h>\n#include <stddef.h>\n#include <string.h>\n#include <dahdi/user.h>\n");
    c += "#include <dahdi/wctdm_user.h>\n#define P(n, v) printf(\"%s %lld\\n\", n, (long long)(v))\nint main(void) {\n";
    for s in structures() {
        c += &format!("P(\"{0}\", sizeof(struct {0}));\n", s.name);
        for (field, _) in &s.fields {
            c += &format!("P(\"{0}.{field}\", offsetof(struct {0}, {field}));\n", s.name);
        }
    }
    let names = ioctl::REQUESTS.iter().map(|(n, _)| *n).chain(constants().into_iter().map(|(n, _)| n));
    for name in names.chain(SIGNALLINGS.map(|(n, _)| n)) {
        c += &format!("P(\"{name}\", {name});\n");
    }
    for (name, _) in EVENTS {
        c += &format!("P(\"DAHDI_EVENT_{name}\", DAHDI_EVENT_{name});\n");
    }
    c += "P(\"DAHDI_EVENT_PULSEDIGIT\", DAHDI_EVENT_PULSEDIGIT); P(\"DAHDI_EVENT_DTMFDOWN\", DAHDI_EVENT_DTMFDOWN);\n";
    c += "P(\"DAHDI_EVENT_DTMFUP\", DAHDI_EVENT_DTMFUP); P(\"DAHDI_ALARM_RED\", DAHDI_ALARM_RED);\n";
    c += "struct dahdi_hwgain g; unsigned w[2]; memset(&g, 0, sizeof g); g.tx = 1; memcpy(w, &g, sizeof w);\n";
    c += "P(\"hwgain.tx\", w[1]);\nreturn 0; }\n";
    let dir = tempfile::tempdir().unwrap();
    let (source, program) = (dir.path().join("abi.c"), dir.path().join("abi"));
    std::fs::write(&source, c).unwrap();
    let built =
        Command::new("cc").arg("-o").arg(&program).arg(&source).output().expect("cc: apt-get install gcc libc6-dev");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let out = Command::new(&program).output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    text.lines()
        .map(|l| {
            let (name, value) = l.split_once(' ').unwrap();
            (name.to_string(), value.parse().unwrap())
        })
        .collect()
}

#[test]
fn structures_requests_and_numbers_are_those_of_the_installed_header() {
    let header = header();
    let mut wrong = Vec::new();
    let mut compare = |name: &str, ours: i64| {
        let theirs = header[name];
        if ours != theirs {
            wrong.push(format!("{name}: ours {ours:#x}, the header's {theirs:#x}"));
        }
    };
    for s in structures() {
        compare(s.name, s.size as i64);
        for (field, offset) in &s.fields {
            compare(&format!("{}.{field}", s.name), *offset as i64);
        }
    }
    for (name, number) in ioctl::REQUESTS {
        compare(name, *number as i64);
    }
    for (name, value) in constants() {
        compare(name, value);
    }
    compare("hwgain.tx", 1);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(ioctl::REQUESTS.len() > 40);
}

#[test]
fn events_alarms_and_signalling_have_the_headers_numbers() {
    use tipring::driver::dahdi::signal::{KernelEvent, Signalling, alarm};
    let header = header();
    for (name, ours) in EVENTS {
        let code = header[&format!("DAHDI_EVENT_{name}")];
        assert_eq!(format!("{:?}", KernelEvent::from_code(code as i32)), ours);
    }
    let digit = |name: &str| KernelEvent::from_code(header[name] as i32 | i32::from(b'7'));
    assert_eq!(digit("DAHDI_EVENT_PULSEDIGIT"), KernelEvent::PulseDigit(b'7'));
    assert_eq!(digit("DAHDI_EVENT_DTMFDOWN"), KernelEvent::DtmfDown(b'7'));
    assert_eq!(digit("DAHDI_EVENT_DTMFUP"), KernelEvent::DtmfUp(b'7'));
    assert_eq!(alarm(header["DAHDI_ALARM_RED"] as u32), Some(tipring::event::Alarm::Red));
    for (name, ours) in SIGNALLINGS {
        assert_eq!(Signalling::from_sigtype(header[name] as i32).name(), ours);
    }
}
