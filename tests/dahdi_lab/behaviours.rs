//! What a program must know of the kernel driver that no header says: each shown on the kernel itself, and what the port
//! makes of it.

use crate::rig::*;
use crate::tests;
use std::io::{Read, Write};
use tipring::driver::Port;
use tipring::driver::dahdi::signal::{KernelEvent, Signalling};
use tipring::driver::dahdi::{DahdiPort, EchoCanceller, OpenOptions, ioctl};
use tipring::driver::{PortError, PortKind};
use tipring::dsp::Frame;
use tipring::event::{Command, Signal};

tests! {
    Wire:
        b01_read_and_write_fail_while_an_event_is_queued_and_no_audio_is_lost_to_it,
        b02_ring_and_flash_answer_einprogress_and_hook_complete_follows,
        b03_ringing_in_the_two_seconds_after_on_hook_is_told_although_the_kernel_keeps_it_back,
        b04_battery_lost_in_the_600_ms_after_off_hook_is_told_although_no_event_comes,
        b05_off_hook_after_hanging_up_in_a_call_is_done_as_soon_as_the_kernel_is_no_longer_busy,
        b06_the_trailer_after_answering_a_ring_is_not_a_new_call,
        b08_ringing_without_a_tone_zone_is_an_error_with_the_mending_line,
        b10_a_channel_opens_in_a_guest_that_has_only_the_kernels_own_nodes,
        b11_the_sec_echo_cancellers_are_refused_by_name;
    Labline: b07_the_first_off_hook_of_a_freshly_configured_channel_is_an_off_hook;
    Loc: b09_the_neighbours_bits_on_a_loc_span_do_no_harm;
}

fn b01_read_and_write_fail_while_an_event_is_queued_and_no_audio_is_lost_to_it(lab: &Lab) {
    {
        let (fxo, fxs) = (Raw::open(lab.fxo), Raw::open(lab.fxs));
        fxs.audio();
        sleep(ms(1100));
        ioctl::flush(fxs.fd(), ioctl::FLUSH_EVENT).unwrap();
        fxo.hook(ioctl::OFFHOOK);
        sleep(ms(100));
        let mut block = [0u8; 320];
        let read = (&fxs.0).read(&mut block).unwrap_err();
        let write = (&fxs.0).write(&block).unwrap_err();
        assert_eq!((read.raw_os_error(), write.raw_os_error()), (Some(ioctl::ELAST), Some(ioctl::ELAST)));
        assert_eq!(fxs.event(ms(10)), Some(2));
        assert_eq!((&fxs.0).read(&mut block).unwrap(), 320);
    }
    // a flood of events, and every frame arrives: 50 a second
    let (mut fxo, mut fxs) = lab.call();
    let tone = tone(1004.0, 8000.0, ms(4000));
    fxs.say.extend(&tone);
    fxs.say.extend(&tone);
    run(&mut [&mut fxo, &mut fxs], ms(400));
    fxo.forget();
    let began = fxo.port.now();
    for _ in 0..5 {
        fxo.ask(Command::Flash(ms(300)));
        run(&mut [&mut fxo, &mut fxs], ms(600));
    }
    let expected = fxo.port.now().since(began).as_millis() / 20;
    assert!(fxo.frames.abs_diff(expected as usize) <= 2, "{} frames, {expected} were due", fxo.frames);
    assert_eq!(fxo.count(&Signal::HookDone), 5, "{}", fxo.names());
    assert_eq!(fxo.port.statistics().read_overruns, 0);
}

fn b02_ring_and_flash_answer_einprogress_and_hook_complete_follows(lab: &Lab) {
    {
        let (fxo, fxs) = (Raw::open(lab.fxo), Raw::open(lab.fxs));
        sleep(ms(1100));
        assert_eq!(ioctl::hook(fxs.fd(), ioctl::RING), Err(nix::errno::Errno::EINPROGRESS));
        fxs.hook(ioctl::RINGOFF);
        fxo.hook(ioctl::OFFHOOK);
        sleep(ms(700));
        assert_eq!(ioctl::hook(fxo.fd(), ioctl::FLASH), Err(nix::errno::Errno::EINPROGRESS));
    }
    let (mut fxo, mut fxs) = lab.call();
    fxo.ask(Command::Flash(ms(500)));
    let took = expect(&mut [&mut fxo, &mut fxs], Signal::HookDone, ms(1000));
    assert!((ms(495)..ms(530)).contains(&took), "{took:?}");
    fxs.ask(Command::OnHook);
    fxo.ask(Command::OnHook);
    run(&mut [&mut fxo, &mut fxs], ms(3000));
    fxs.ask(Command::Ring(vec![ms(1000), ms(2000)]));
    expect(&mut [&mut fxo, &mut fxs], Signal::RingBegin, ms(300));
}

fn b03_ringing_in_the_two_seconds_after_on_hook_is_told_although_the_kernel_keeps_it_back(lab: &Lab) {
    let short_ring = ioctl::RingCadence { ringcadence: [400, 4000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] };
    {
        let (fxo, fxs) = (Raw::open(lab.fxo), Raw::open(lab.fxs));
        fxo.hook(ioctl::OFFHOOK);
        sleep(ms(700));
        fxo.hook(ioctl::ONHOOK);
        sleep(ms(1000));
        ioctl::flush(fxo.fd(), ioctl::FLUSH_ALL).unwrap();
        ioctl::setcadence(fxs.fd(), &mut short_ring.clone()).unwrap();
        fxs.hook(ioctl::RING);
        assert_eq!(fxo.event(ms(900)), None, "the kernel tells nothing");
    }
    let (mut fxo, mut fxs) = lab.pair();
    fxo.ask(Command::OffHook);
    expect(&mut [&mut fxs, &mut fxo], Signal::OffHook, ms(500));
    run(&mut [&mut fxo, &mut fxs], ms(700));
    fxo.ask(Command::OnHook);
    run(&mut [&mut fxo, &mut fxs], ms(1000));
    fxo.forget();
    fxs.ask(Command::Ring(vec![ms(400), ms(4000)]));
    let began = expect(&mut [&mut fxo, &mut fxs], Signal::RingBegin, ms(400));
    expect(&mut [&mut fxo, &mut fxs], Signal::RingEnd, ms(700));
    println!("   held back by the kernel, told after {} ms", began.as_millis());
}

fn b04_battery_lost_in_the_600_ms_after_off_hook_is_told_although_no_event_comes(lab: &Lab) {
    {
        let (fxo, fxs) = (Raw::open(lab.fxo), Raw::open(lab.fxs));
        sleep(ms(1100));
        fxo.hook(ioctl::OFFHOOK);
        sleep(ms(50));
        fxs.hook(ioctl::OFFHOOK);
        sleep(ms(200));
        ioctl::flush(fxo.fd(), ioctl::FLUSH_EVENT).unwrap();
        fxs.hook(ioctl::ONHOOK);
        let e = fxo.event(ms(3000)).map(KernelEvent::from_code);
        assert_eq!(e, Some(KernelEvent::RingOffHook), "a ring/off-hook, and no on-hook");
    }
    let (mut fxo, mut fxs) = lab.pair();
    fxo.ask(Command::OffHook);
    expect(&mut [&mut fxs, &mut fxo], Signal::OffHook, ms(500));
    fxs.ask(Command::OffHook);
    run(&mut [&mut fxo, &mut fxs], ms(200));
    fxo.forget();
    fxs.ask(Command::OnHook);
    let lost = expect(&mut [&mut fxo, &mut fxs], Signal::BatteryLost, ms(300));
    let back = expect(&mut [&mut fxo, &mut fxs], Signal::BatteryBack, ms(900));
    println!("   lost after {} ms, back after {} ms more", lost.as_millis(), back.as_millis());
    run(&mut [&mut fxo, &mut fxs], ms(2000));
    assert!(!fxo.had(&Signal::RingBegin) && !fxo.had(&Signal::RingEnd), "not a ring: {}", fxo.names());
    assert_eq!(fxo.count(&Signal::BatteryLost), 1, "{}", fxo.names());
}

fn b05_off_hook_after_hanging_up_in_a_call_is_done_as_soon_as_the_kernel_is_no_longer_busy(lab: &Lab) {
    {
        let (fxo, fxs) = (Raw::open(lab.fxo), Raw::open(lab.fxs));
        sleep(ms(1100));
        fxo.hook(ioctl::OFFHOOK);
        sleep(ms(50));
        fxs.hook(ioctl::OFFHOOK);
        sleep(ms(800));
        fxs.hook(ioctl::ONHOOK);
        assert_eq!(ioctl::hook(fxs.fd(), ioctl::OFFHOOK), Err(nix::errno::Errno::EBUSY));
    }
    let (mut fxo, mut fxs) = lab.call();
    fxs.ask(Command::OnHook);
    fxs.ask(Command::OffHook);
    let gone = expect(&mut [&mut fxo, &mut fxs], Signal::BatteryLost, ms(300));
    let back = expect(&mut [&mut fxo, &mut fxs], Signal::BatteryBack, ms(900));
    assert!(gone + back > ms(450) && gone + back < ms(700), "{gone:?} {back:?}");
    // off-hook again once AFTERKEWL is over: audio goes through
    run(&mut [&mut fxo, &mut fxs], ms(800));
    fxs.say.extend(tone(1004.0, 8000.0, ms(1000)));
    run(&mut [&mut fxo, &mut fxs], ms(800));
    let heard = level(last(&fxo.heard, ms(200)), 1004.0);
    assert!(heard > 7000.0, "{heard}");
}

fn b06_the_trailer_after_answering_a_ring_is_not_a_new_call(lab: &Lab) {
    let (mut fxo, mut fxs) = lab.pair();
    run(&mut [&mut fxo, &mut fxs], ms(1500));
    fxs.ask(Command::Ring(vec![ms(2000), ms(4000)]));
    expect(&mut [&mut fxo, &mut fxs], Signal::RingBegin, ms(300));
    run(&mut [&mut fxo, &mut fxs], ms(500));
    fxo.forget();
    fxo.ask(Command::OffHook);
    expect(&mut [&mut fxs, &mut fxo], Signal::OffHook, ms(200));
    run(&mut [&mut fxo, &mut fxs], ms(3000));
    // the port's own ring trip stopped the ringing: nobody asked for it here
    assert_eq!(fxo.signals.iter().map(|(_, s)| s.clone()).collect::<Vec<_>>(), [Signal::RingEnd], "{}", fxo.names());
    assert!(fxs.had(&Signal::RingEnd), "{}", fxs.names());
}

/// Sets a channel up anew, as `dahdi_cfg` does.
fn configure(channel: u32, kind: PortKind) {
    let ctl = std::fs::OpenOptions::new().read(true).write(true).open("/dev/dahdi/ctl").unwrap();
    let sigtype = match kind {
        PortKind::Fxo => 1 << 2 | 1 << 13,
        PortKind::Fxs => 1 << 5 | 1 << 12,
    };
    let mut c = ioctl::ChanConfig {
        chan: channel as i32,
        name: [0; 40],
        sigtype,
        deflaw: 0,
        master: 0,
        idlebits: 0,
        netdev_name: [0; 16],
    };
    ioctl::chanconfig(std::os::fd::AsFd::as_fd(&ctl), &mut c).unwrap();
}

fn b07_the_first_off_hook_of_a_freshly_configured_channel_is_an_off_hook(lab: &Lab) {
    // the card reports the open loop when its channel is configured, and the kernel starts its flash timer: what closes
    // the loop within 200 ms is a dial pulse to it, within 1250 ms a flash
    for (wait, word) in [(ms(500), KernelEvent::WinkFlash), (ms(100), KernelEvent::PulseStart)] {
        {
            configure(lab.fxs, PortKind::Fxs);
            let (fxo, fxs) = (Raw::open(lab.fxo), Raw::open(lab.fxs));
            sleep(wait);
            fxo.hook(ioctl::OFFHOOK);
            assert_eq!(fxs.event(ms(500)).map(KernelEvent::from_code), Some(word), "{wait:?}");
        }
        sleep(ms(2000));
        configure(lab.fxs, PortKind::Fxs);
        let (mut fxo, mut fxs) = (lab.fxo(), lab.fxs());
        run(&mut [&mut fxo, &mut fxs], wait - ms(60));
        fxs.forget();
        fxo.ask(Command::OffHook);
        run(&mut [&mut fxs, &mut fxo], ms(1000));
        assert_eq!(fxs.signals.len(), 1, "{wait:?} {}", fxs.names());
        assert!(fxs.had(&Signal::OffHook), "{}", fxs.names());
        drop((fxo, fxs));
        sleep(ms(2000));
    }
}

fn b08_ringing_without_a_tone_zone_is_an_error_with_the_mending_line(lab: &Lab) {
    let mut fxs = lab.fxs();
    run(&mut [&mut fxs], ms(1000));
    let ctl = std::fs::OpenOptions::new().read(true).write(true).open("/dev/dahdi/ctl").unwrap();
    // take the only zone away, and bring it back however the test ends
    struct Zone;
    impl Drop for Zone {
        fn drop(&mut self) {
            let conf = std::env::var("TIPRING_LAB_CONF").unwrap_or_else(|_| "/tmp/system.conf".into());
            let _ = std::process::Command::new("dahdi_cfg").args(["-c", &conf]).status();
        }
    }
    let _zone = Zone;
    drop(fxs);
    let zone = {
        let raw = Raw::open(lab.fxs);
        ioctl::gettonezone(raw.fd()).unwrap()
    };
    ioctl::freezone(std::os::fd::AsFd::as_fd(&ctl), zone).unwrap();
    let mut fxs = lab.fxs();
    run(&mut [&mut fxs], ms(100));
    let ring = fxs.port.command(Command::Ring(vec![ms(1000), ms(2000)])).unwrap_err();
    let dial = fxs.port.command(Command::Dial("1".parse().unwrap(), Default::default())).unwrap_err();
    for e in [ring, dial] {
        assert_eq!(e, PortError::NoToneZone { port: format!("dahdi/{}", lab.fxs) });
        assert!(e.explain("x").next.contains("loadzone="), "{}", e.explain("x"));
    }
}

fn b09_the_neighbours_bits_on_a_loc_span_do_no_harm(lab: &Lab) {
    let (mut fxo, mut fxs) = lab.call();
    let raw_bits = {
        // the four bits of the other side, and in the upper half those of its neighbour
        let raw = Raw::open(lab.fxo + 1);
        ioctl::getrxbits(raw.fd()).unwrap()
    };
    println!("   receive bits of the next channel: {raw_bits:#x}");
    let mut neighbours = (Side::open(lab.fxo + 1, &quiet()), Side::open(lab.fxs + 1, &quiet()));
    run(&mut [&mut neighbours.0, &mut neighbours.1, &mut fxo, &mut fxs], ms(1000));
    fxo.forget();
    fxs.forget();
    neighbours.0.ask(Command::OffHook);
    run(&mut [&mut neighbours.0, &mut neighbours.1, &mut fxo, &mut fxs], ms(800));
    neighbours.0.ask(Command::OnHook);
    run(&mut [&mut neighbours.0, &mut neighbours.1, &mut fxo, &mut fxs], ms(2000));
    assert!(fxo.signals.is_empty() && fxs.signals.is_empty(), "{} {}", fxo.names(), fxs.names());
    assert_eq!(fxo.port.signalling(), Signalling::FxsKewlStart);
}

fn b10_a_channel_opens_in_a_guest_that_has_only_the_kernels_own_nodes(lab: &Lab) {
    assert!(!std::path::Path::new(&format!("/dev/dahdi/{}", lab.fxo)).exists(), "this guest has udev's nodes too");
    let port = DahdiPort::open(lab.fxo, &quiet()).unwrap();
    assert_eq!(port.kind(), PortKind::Fxo);
    drop(port);
    // without the shared node too, by the channel's own
    std::fs::rename("/dev/dahdi/channel", "/dev/dahdi/channel.away").unwrap();
    let again = DahdiPort::open(lab.fxo, &quiet());
    std::fs::rename("/dev/dahdi/channel.away", "/dev/dahdi/channel").unwrap();
    let mut port = again.unwrap_or_else(|e| panic!("{e}"));
    let until = port.now() + ms(500);
    let mut frame = Frame::default();
    while port.now() < until && !port.read(&mut frame).unwrap() {
        port.wait(until).unwrap();
    }
    assert!(port.statistics().frames_read > 0);
}

fn b11_the_sec_echo_cancellers_are_refused_by_name(lab: &Lab) {
    for name in ["sec", "sec2", "SEC2"] {
        let canceller = EchoCanceller::Named { name: name.into(), taps: 128 };
        let e = DahdiPort::open(lab.fxo, &OpenOptions { echo_canceller: canceller.clone(), ..OpenOptions::default() });
        let e = e.err().expect("refused").to_string();
        assert!(e.contains(name) && e.contains("writes outside its memory"), "{e}");
        let mut port = DahdiPort::open(lab.fxo, &quiet()).unwrap();
        assert!(port.set_echo_canceller(&canceller).is_err());
    }
}
