//! The port's reading of recorded driver events, and what is refused before the kernel is asked.

use super::signal::{KernelEvent, Sense, Signalling, Tracker, alarm};
use super::*;

/// Replays one side of a recording as the card's thread would: events as they came, the state every 20 ms. Gives each
/// signal with its millisecond.
fn replay(recording: &str, side: PortKind) -> Vec<(u64, Signal)> {
    let who = if side == PortKind::Fxo { "fxo" } else { "fxs" };
    let mut tracker = Tracker::new(side);
    let mut lines = recording
        .lines()
        .filter(|l| !l.starts_with('#'))
        .map(|l| l.split(' ').collect::<Vec<_>>())
        .filter(|l| l[1] == who)
        .peekable();
    let number = |text: &str| text.parse::<i32>().unwrap();
    let (mut state, mut told) = ((4, 0), Vec::new());
    for ms in (0..10_000u64).step_by(20) {
        while let Some(line) = lines.next_if(|l| number(l[0]) as u64 <= ms) {
            match line[2] {
                "event" => tracker.event(Time::ms(ms), KernelEvent::from_code(number(line[3])), 0),
                _ => state = (number(line[3]), number(line[4]) as u32),
            }
        }
        tracker.sense(Time::ms(ms), Sense::from_rxhooksig(state.0), state.1);
        while let Some(s) = tracker.poll_output() {
            told.push((ms, s));
        }
    }
    told
}

fn names(told: &[(u64, Signal)]) -> Vec<Signal> {
    told.iter().map(|(_, s)| s.clone()).collect()
}

#[test]
fn a_call_that_is_answered_and_hung_up_by_the_far_end_reads_as_such() {
    let recording = include_str!("../../../tests/data/dahdi/answered.events");
    let fxo = replay(recording, PortKind::Fxo);
    use Signal::*;
    // the trailer of the second burst comes after off-hook at 3517 ms, and ends that burst: no third one began
    assert_eq!(names(&fxo), [RingBegin, RingEnd, RingBegin, RingEnd, BatteryLost, BatteryBack]);
    let open = fxo[5].0 - fxo[4].0;
    assert!((480..540).contains(&open), "{fxo:?}");
    let fxs = replay(recording, PortKind::Fxs);
    // RINGEROFF of the first burst, RINGERON of the second: the first one's beginning is told by the command
    assert_eq!(names(&fxs), [RingEnd, RingBegin, OffHook, HookDone, OnHook]);
}

#[test]
fn battery_lost_while_off_hook_debounces_is_told_from_the_state_and_the_late_event_is_no_ring() {
    let fxo = replay(include_str!("../../../tests/data/dahdi/early-drop.events"), PortKind::Fxo);
    assert_eq!(names(&fxo), [Signal::BatteryLost, Signal::BatteryBack]);
    assert!(fxo[0].0 < 450 && fxo[1].0 < 950, "the event comes at 1869 ms: {fxo:?}");
}

#[test]
fn a_ring_that_the_kernel_keeps_back_is_told_from_the_state_once_it_lasted() {
    let fxo = replay(include_str!("../../../tests/data/dahdi/debounced-ring.events"), PortKind::Fxo);
    assert_eq!(names(&fxo), [Signal::RingBegin, Signal::RingEnd]);
    assert!((1880..1960).contains(&fxo[0].0), "{fxo:?}");
}

#[test]
fn a_transient_of_hanging_up_is_no_ring() {
    let mut t = Tracker::new(PortKind::Fxo);
    t.sense(Time::ZERO, Sense::Closed, 0);
    for ms in [20, 40, 60, 80] {
        t.sense(Time::ms(ms), Sense::Ring, 0);
    }
    t.sense(Time::ms(100), Sense::Closed, 0);
    t.event(Time::ms(150), KernelEvent::RingOffHook, 0);
    assert_eq!(t.poll_output(), None);
}

#[test]
fn on_hook_times_read_as_pulse_flash_and_hang_up_by_their_length() {
    let fxs = replay(include_str!("../../../tests/data/dahdi/flashes.events"), PortKind::Fxs);
    use Signal::*;
    let one = Digit::new('1').unwrap();
    let told = names(&fxs);
    assert!(
        matches!(
            told.as_slice(),
            [OffHook, PulseDigit(d), Flash(Some(open)), OnHook, OffHook, OnHook]
                if *d == one && (580..=620).contains(&open.as_millis())
        ),
        "{fxs:?}"
    );
    let fxo = replay(include_str!("../../../tests/data/dahdi/flashes.events"), PortKind::Fxo);
    assert_eq!(names(&fxo), [HookDone, HookDone, HookDone]);
}

#[test]
fn an_off_hook_that_reads_as_a_flash_or_pulse_on_a_fresh_channel_is_an_off_hook() {
    for code in [3, 14] {
        let mut t = Tracker::new(PortKind::Fxs);
        t.event(Time::ms(300), KernelEvent::from_code(code), 0);
        // the digit of the pulse that was none
        t.event(Time::ms(560), KernelEvent::PulseDigit(b'1'), 0);
        assert_eq!(t.poll_output(), Some(Signal::OffHook));
        if code == 14 {
            assert_eq!(t.poll_output(), None);
        }
        // and afterwards a flash is a flash
        while t.poll_output().is_some() {}
        t.event(Time::secs(5), KernelEvent::WinkFlash, 0);
        assert_eq!(t.poll_output(), Some(Signal::Flash(None)));
    }
}

#[test]
fn a_telephone_that_is_off_hook_when_the_channel_is_opened_is_told_once() {
    let mut t = Tracker::new(PortKind::Fxs);
    for ms in (0..400).step_by(20) {
        t.sense(Time::ms(ms), Sense::Closed, 0);
    }
    t.event(Time::ms(500), KernelEvent::RingOffHook, 0);
    assert_eq!(t.poll_output(), Some(Signal::OffHook));
    assert_eq!(t.poll_output(), None);
}

#[test]
fn a_telephone_that_hung_up_just_before_the_channel_was_opened_is_on_hook() {
    let mut t = Tracker::new(PortKind::Fxs);
    // its loop is seen closed until the card has debounced it
    t.sense(Time::ZERO, Sense::Closed, 0);
    for ms in (4..1000).step_by(20) {
        t.sense(Time::ms(ms), Sense::Open, 0);
    }
    assert_eq!(t.poll_output(), None);
    // the kernel takes its next off-hook for the end of a flash
    t.event(Time::ms(1004), KernelEvent::WinkFlash, 0);
    assert_eq!(t.poll_output(), Some(Signal::OffHook));
    assert_eq!(t.poll_output(), None);
}

/// What a virtual line cannot make: each of the remaining events, on each kind of port.
#[test]
fn every_event_of_the_header_has_its_meaning() {
    use KernelEvent as E;
    use Signal as S;
    let told = |kind, event, alarms| {
        let mut t = Tracker::new(kind);
        t.event(Time::ZERO, event, alarms);
        std::iter::from_fn(|| t.poll_output()).collect::<Vec<_>>()
    };
    let nine = Digit::new('9').unwrap();
    for kind in [PortKind::Fxo, PortKind::Fxs] {
        for (event, signals) in [
            (E::Polarity, vec![S::Reversal]),
            (E::HookComplete, vec![S::HookDone]),
            (E::DialComplete, vec![S::DialDone]),
            (E::Removed, vec![S::Removed]),
            (E::NeonMwiActive, vec![S::MessageWaiting(true)]),
            (E::NeonMwiInactive, vec![S::MessageWaiting(false)]),
            (E::EcDisabled, vec![S::EchoCanceller(false)]),
            (E::EcNlpDisabled, vec![S::EchoCanceller(false)]),
            (E::EcNlpEnabled, vec![S::EchoCanceller(true)]),
            (E::ReadOverrun, vec![S::Overrun]),
            (E::WriteUnderrun, vec![S::Underrun]),
            (E::PulseDigit(b'9'), vec![S::PulseDigit(nine)]),
            (E::DtmfDown(b'9'), vec![S::HardwareDigit(nine)]),
            (E::DtmfDown(b'!'), vec![]),
            (E::DtmfUp(b'9'), vec![]),
            (E::NoAlarm, vec![]),
            (E::RxCngDetected, vec![]),
            (E::BitsChanged, vec![]),
            (E::Unknown(77), vec![]),
            (E::None, vec![]),
        ] {
            assert_eq!(told(kind, event, 0), signals, "{kind} {event:?}");
        }
        assert_eq!(told(kind, E::Alarm, 1 << 3), [S::Alarm(Alarm::Red)]);
        // the word was read after the alarm had cleared again
        assert_eq!(told(kind, E::Alarm, 0), [S::Alarm(Alarm::Other)]);
    }
    // a kernel built with FXSFLASH
    assert_eq!(told(PortKind::Fxo, E::WinkFlash, 0), [S::BatteryLost, S::BatteryBack]);
    assert_eq!(told(PortKind::Fxo, E::OnHook, 0), [S::BatteryLost]);
    assert_eq!(told(PortKind::Fxs, E::RingerOff, 0), [S::RingEnd]);
    assert_eq!(KernelEvent::from_code(-5), E::Unknown(-5));
    assert_eq!(KernelEvent::from_code(31), E::Unknown(31));
}

#[test]
fn an_alarm_is_named_by_the_most_serious_of_its_bits_and_told_when_it_changes() {
    assert_eq!(alarm(0), None);
    assert_eq!(alarm(1 << 3 | 1), Some(Alarm::Red));
    assert_eq!(alarm(1 << 8), Some(Alarm::Other));
    let mut t = Tracker::new(PortKind::Fxo);
    t.sense(Time::ZERO, Sense::Closed, 1 << 3);
    t.event(Time::ms(1), KernelEvent::Alarm, 1 << 3);
    t.sense(Time::ms(20), Sense::Closed, 1);
    t.event(Time::ms(40), KernelEvent::NoAlarm, 0);
    let told: Vec<Signal> = std::iter::from_fn(|| t.poll_output()).collect();
    assert_eq!(told, [Signal::Alarm(Alarm::Red), Signal::Alarm(Alarm::Recovering), Signal::AlarmCleared]);
}

#[test]
fn a_dead_pair_is_told_at_once_when_the_port_is_opened() {
    let mut t = Tracker::new(PortKind::Fxo);
    t.sense(Time::ZERO, Sense::Unknown, 0);
    assert_eq!(t.poll_output(), None);
    t.sense(Time::ZERO, Sense::Open, 0);
    assert_eq!(t.poll_output(), Some(Signal::BatteryLost));
}

#[test]
fn ports_are_the_reverse_of_their_signalling() {
    assert_eq!(Signalling::from_sigtype(0x2004).port(), Some(PortKind::Fxo));
    assert_eq!(Signalling::from_sigtype(0x1020).port(), Some(PortKind::Fxs));
    assert_eq!(Signalling::line_for(PortKind::Fxo, 5), "fxsks=5");
    assert_eq!(Signalling::line_for(PortKind::Fxs, 1), "fxoks=1");
    for name in ["FXSLS", "FXSGS", "FXSKS", "FXOLS", "FXOGS", "FXOKS", "Clear"] {
        assert_eq!(Signalling::from_name(name).name(), name.to_lowercase());
    }
    assert_eq!(Signalling::from_name("HDLCFCS").port(), None);
}

#[test]
fn options_that_the_kernel_would_bend_or_die_of_are_refused() {
    let bad = [
        OpenOptions { block_samples: 8, ..Default::default() },
        OpenOptions { block_samples: 5000, ..Default::default() },
        OpenOptions { buffers: 1, ..Default::default() },
        OpenOptions { queued_blocks: 9, ..Default::default() },
        OpenOptions { queued_blocks: 0, ..Default::default() },
        OpenOptions { receive_gain_db: f32::NAN, ..Default::default() },
        OpenOptions { transmit_gain_db: 80.0, ..Default::default() },
        OpenOptions { longest_flash: Some(Duration::from_secs(60)), ..Default::default() },
    ];
    for options in bad {
        assert!(matches!(options.check(), Err(PortError::BadOption(_))), "{options:?}");
    }
    let named = |name: &str, taps| OpenOptions {
        echo_canceller: EchoCanceller::Named { name: name.into(), taps },
        ..Default::default()
    };
    assert!(named("mg2", 128).check().is_ok());
    for (name, taps) in
        [("mg2", 100), ("", 128), ("sec", 128), ("Sec2", 128), ("a\nb", 128), ("averylongnamethisis", 128)]
    {
        assert!(named(name, taps).check().is_err(), "{name:?} {taps}");
    }
    let sec = named("sec", 128).check().unwrap_err();
    assert!(sec.to_string().contains("writes outside its memory"), "{sec}");
    assert!(OpenOptions::default().check().is_ok());
}

#[test]
fn what_system_conf_attached_runs_unless_it_takes_the_kernel_down() {
    for name in ["MG2", "OSLEC", "KB1", "VPMOCT032", "secure"] {
        assert_eq!(taps_for_attached(Some(name)), Some(128), "{name}");
    }
    for name in [Some("SEC"), Some("SEC2"), Some("sec"), None] {
        assert_eq!(taps_for_attached(name), None, "{name:?}");
    }
    assert_eq!("own".parse(), Ok(EchoCanceller::Off));
    assert!("sec2:128".parse::<EchoCanceller>().is_err());
}

#[test]
fn a_policy_that_waits_for_full_buffers_gets_full_buffers() {
    let depth = |policy| OpenOptions { policy, buffers: 8, queued_blocks: 3, ..Default::default() }.depth();
    assert_eq!(depth(BufferPolicy::Immediate), 3);
    assert_eq!(depth(BufferPolicy::WhenFull), 8);
    assert_eq!(depth(BufferPolicy::HalfFull), 4);
}

#[test]
fn the_wrong_kind_and_the_wrong_signalling_are_two_errors() {
    let e = suitable("dahdi/5", 5, Signalling::FxsKewlStart, 0x6085, Some(PortKind::Fxs)).unwrap_err();
    assert_eq!(e.to_string(), "dahdi/5 cannot be an FXS port: it is an FXO port (fxsks signalling)");
    let e = suitable("dahdi/5", 5, Signalling::Clear, 0x6085, None).unwrap_err();
    assert_eq!(e.to_string(), "dahdi/5 is configured with clear signalling, and `fxsks=5` is needed");
    let e = suitable("dahdi/5", 5, Signalling::None, 0x7085, None).unwrap_err();
    assert!(e.to_string().ends_with("`fxsks=5` (an FXO port) or `fxoks=5` (an FXS port) is needed"), "{e}");
    assert_eq!(suitable("dahdi/1", 1, Signalling::FxoKewlStart, 0x50f8, None), Ok(PortKind::Fxs));
}

#[test]
fn without_a_driver_opening_says_how_to_load_it() {
    let root = tempfile::tempdir().unwrap();
    let e = open_channel(root.path(), 1, "dahdi/1").unwrap_err();
    assert!(matches!(&e, PortError::Missing { help, .. } if help.contains("modprobe dahdi")), "{e:?}");
}

use crate::number::Digit;
