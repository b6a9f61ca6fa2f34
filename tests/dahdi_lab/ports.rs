//! What a port does: hook, flash, ringing, dialling, polarity, audio, echo, gains, cords.

use crate::process::Talker;
use crate::rig::*;
use crate::tests;
use std::time::Duration;
use tipring::clock::Time;
use tipring::driver::Port;
use tipring::driver::PortError;
use tipring::driver::dahdi::{BufferPolicy, Coding, Direction, EchoCanceller, OpenOptions, ioctl};
use tipring::dsp::g711::Law;
use tipring::event::{Alarm, Command, DialMethod, Signal};
use tipring::number::{DialString, Digit};

tests! {
    Wire:
        hook_is_seen_by_the_other_side,
        flashes_of_80_to_1200_ms_are_as_long_as_asked_for,
        a_flash_asked_for_while_the_port_debounces_is_done_afterwards,
        the_kernels_flash_time_is_put_back_after_a_flash,
        ringing_follows_its_cadence_and_stops_when_told,
        dtmf_digits_arrive_in_order_and_dial_done_follows,
        a_pause_in_a_number_lasts_a_second,
        pulses_arrive_as_digits,
        stop_dialling_stops_and_audio_goes_on,
        audio_goes_both_ways_at_its_level_and_without_a_gap,
        audio_goes_through_in_each_law_and_in_other_block_sizes,
        audio_waits_for_its_buffers_with_the_other_policies,
        gains_of_the_kernels_tables_change_the_level,
        a_reader_that_lags_is_told_of_the_overrun,
        a_write_queue_run_dry_is_told_as_underrun_and_filled_again,
        battery_is_lost_and_back_when_the_far_end_hangs_up,
        an_open_loop_lasts_as_long_as_asked_for,
        signals_come_through_the_port_trait_in_order_with_their_times,
        many_ports_of_a_card_share_a_thread;
    Labline:
        polarity_reverses_on_hook_and_off_hook,
        sound_reaches_an_on_hook_telephone_only_during_on_hook_transmission,
        message_waiting_is_told,
        each_echo_canceller_of_the_kernel_cancels_a_hybrids_echo,
        the_cards_own_gain_changes_the_level,
        a_pulled_cord_is_an_alarm_and_no_battery_and_refuses_off_hook,
        line_voltage_tells_hook_state_and_polarity;
    Loc: what_a_card_cannot_do_is_said;
}

fn hook_is_seen_by_the_other_side(lab: &Lab) {
    let (mut fxo, mut fxs) = lab.pair();
    fxo.ask(Command::OffHook);
    let took = expect(&mut [&mut fxs, &mut fxo], Signal::OffHook, ms(200));
    run(&mut [&mut fxs, &mut fxo], ms(700));
    fxo.ask(Command::OnHook);
    let hung_up = expect(&mut [&mut fxs, &mut fxo], Signal::OnHook, ms(1500));
    // on-hook is believed once it outlasts a flash
    assert!(took < ms(60) && hung_up > ms(1200) && hung_up < ms(1330), "{took:?} {hung_up:?}");
}

fn flashes_of_80_to_1200_ms_are_as_long_as_asked_for(lab: &Lab) {
    let (mut fxo, mut fxs) = lab.call();
    for asked in [80, 100, 150, 250, 400, 600, 800, 1000, 1200] {
        fxo.forget();
        fxs.forget();
        let began = fxo.port.now();
        fxo.ask(Command::Flash(ms(asked)));
        expect(&mut [&mut fxo, &mut fxs], Signal::HookDone, ms(asked + 300));
        let done = fxo.port.now().since(began);
        assert!(done >= ms(asked) && done < ms(asked + 40), "{asked} ms took {done:?}");
        run(&mut [&mut fxo, &mut fxs], ms(600));
        let seen: Vec<&Signal> = fxs.signals.iter().map(|(_, s)| s).collect();
        match seen.as_slice() {
            // the kernel takes 15 to 200 ms for a dial pulse
            [Signal::PulseDigit(d)] if asked <= 200 => assert_eq!(d.as_char(), '1'),
            [Signal::Flash(Some(open))] if asked > 200 => {
                let off = open.as_millis() as i64 - asked as i64;
                assert!((-25..=25).contains(&off), "asked {asked} ms, seen {open:?}");
                println!("   asked {asked} ms, the far side saw {} ms", open.as_millis());
            }
            other => panic!("a flash of {asked} ms is seen as {other:?}"),
        }
    }
}

fn a_flash_asked_for_while_the_port_debounces_is_done_afterwards(lab: &Lab) {
    let (mut fxo, mut fxs) = lab.pair();
    fxo.ask(Command::OffHook);
    run(&mut [&mut fxo, &mut fxs], ms(100));
    fxo.ask(Command::Flash(ms(300)));
    let took = expect(&mut [&mut fxo, &mut fxs], Signal::HookDone, ms(1500));
    // 500 ms of debouncing are left, then the flash
    assert!(took > ms(780) && took < ms(860), "{took:?}");
    run(&mut [&mut fxo, &mut fxs], ms(50));
    assert!(fxs.signals.iter().any(|(_, s)| matches!(s, Signal::Flash(_))), "{}", fxs.names());
}

fn the_kernels_flash_time_is_put_back_after_a_flash(lab: &Lab) {
    // seen from a second descriptor: parameters of any channel can be read from the control node
    let ctl = std::fs::OpenOptions::new().read(true).write(true).open("/dev/dahdi/ctl").unwrap();
    let times = || {
        let mut p = {
            let raw = Raw::open(lab.fxo + 1);
            ioctl::get_params(raw.fd()).unwrap()
        };
        p.channo = lab.fxo as i32;
        ioctl::get_params_of(std::os::fd::AsFd::as_fd(&ctl), &mut p).unwrap();
        (p.flashtime, p.preflashtime)
    };
    let (mut fxo, mut fxs) = lab.call();
    assert_eq!(times(), (750, 50));
    fxo.ask(Command::Flash(ms(120)));
    assert_eq!(times(), (120, 1));
    expect(&mut [&mut fxo, &mut fxs], Signal::HookDone, ms(500));
    assert_eq!(times(), (750, 50));
    fxo.ask(Command::Flash(ms(400)));
    run(&mut [&mut fxo, &mut fxs], ms(100));
    fxo.ask(Command::OnHook);
    assert_eq!(times(), (750, 50));
}

fn ringing_follows_its_cadence_and_stops_when_told(lab: &Lab) {
    let (mut fxo, mut fxs) = lab.pair();
    run(&mut [&mut fxo, &mut fxs], ms(1500));
    // the British double ring
    fxs.ask(Command::Ring(vec![ms(400), ms(200), ms(400), ms(2000)]));
    run(&mut [&mut fxo, &mut fxs], ms(3700));
    let begins: Vec<Time> = fxo.signals.iter().filter(|(_, s)| *s == Signal::RingBegin).map(|(t, _)| *t).collect();
    assert_eq!(begins.len(), 4, "{}", fxo.names());
    let gaps: Vec<u128> = begins.windows(2).map(|w| w[1].since(w[0]).as_millis()).collect();
    assert!((580..640).contains(&gaps[0]) && (2350..2450).contains(&gaps[1]), "{gaps:?}");
    fxs.ask(Command::RingOff);
    run(&mut [&mut fxo, &mut fxs], ms(300));
    fxo.forget();
    run(&mut [&mut fxo, &mut fxs], ms(3000));
    assert!(fxo.signals.is_empty(), "{}", fxo.names());
    assert_eq!(fxs.count(&Signal::RingBegin), fxs.count(&Signal::RingEnd), "{}", fxs.names());
}

fn dtmf_digits_arrive_in_order_and_dial_done_follows(lab: &Lab) {
    let (mut fxo, mut fxs) = lab.call();
    fxo.ask(Command::Dial("5551234*0#".parse().unwrap(), DialMethod::Tone));
    let took = expect(&mut [&mut fxo, &mut fxs], Signal::DialDone, ms(4000));
    run(&mut [&mut fxo, &mut fxs], ms(100));
    assert_eq!(digits(&fxs.heard), "5551234*0#");
    assert_eq!(fxo.port.statistics().write_underruns, 0, "a dial is no gap");
    println!("   ten digits in {} ms", took.as_millis());
    // and sound goes on afterwards
    fxo.say.extend(tone(1004.0, 8000.0, ms(500)));
    run(&mut [&mut fxo, &mut fxs], ms(400));
    assert!(level(last(&fxs.heard, ms(100)), 1004.0) > 7000.0);
    // the other way too: an exchange's port may dial
    fxo.forget();
    fxs.ask(Command::Dial("42".parse().unwrap(), DialMethod::Tone));
    expect(&mut [&mut fxs, &mut fxo], Signal::DialDone, ms(2000));
    run(&mut [&mut fxo, &mut fxs], ms(100));
    assert_eq!(digits(&fxo.heard), "42");
}

fn a_pause_in_a_number_lasts_a_second(lab: &Lab) {
    let (mut fxo, mut fxs) = lab.call();
    let number: DialString = "1,2".parse().unwrap();
    fxo.ask(Command::Dial(number, DialMethod::Tone));
    let with = expect(&mut [&mut fxo, &mut fxs], Signal::DialDone, ms(4000));
    fxo.ask(Command::Dial("12".parse().unwrap(), DialMethod::Tone));
    let without = expect(&mut [&mut fxo, &mut fxs], Signal::DialDone, ms(4000));
    let pause = with.saturating_sub(without);
    assert!((ms(950)..ms(1100)).contains(&pause), "{pause:?}");
}

fn pulses_arrive_as_digits(lab: &Lab) {
    let (mut fxo, mut fxs) = lab.call();
    fxo.ask(Command::Dial("30".parse().unwrap(), DialMethod::Pulse));
    expect(&mut [&mut fxo, &mut fxs], Signal::DialDone, ms(5000));
    let seen: String = fxs
        .signals
        .iter()
        .filter_map(|(_, s)| match s {
            Signal::PulseDigit(d) => Some(d.as_char()),
            _ => None,
        })
        .collect();
    assert_eq!(seen, "30", "{}", fxs.names());
    let e = fxo.port.command(Command::Dial("1#".parse().unwrap(), DialMethod::Pulse)).unwrap_err();
    assert!(matches!(e, PortError::Unsupported { .. }), "{e}");
    assert!(Digit::new('#').unwrap().pulses().is_none());
}

fn stop_dialling_stops_and_audio_goes_on(lab: &Lab) {
    let (mut fxo, mut fxs) = lab.call();
    fxo.ask(Command::Dial("1234567890".parse().unwrap(), DialMethod::Tone));
    run(&mut [&mut fxo, &mut fxs], ms(700));
    fxo.ask(Command::StopDialling);
    run(&mut [&mut fxo, &mut fxs], ms(200));
    let sent = digits(&fxs.heard);
    assert!((1..=4).contains(&sent.len()), "{sent}");
    fxs.forget();
    fxo.say.extend(tone(700.0, 8000.0, ms(1000)));
    run(&mut [&mut fxo, &mut fxs], ms(900));
    assert_eq!(digits(&fxs.heard), "");
    assert!(level(last(&fxs.heard, ms(300)), 700.0) > 7000.0);
    assert!(!fxo.had(&Signal::DialDone), "{}", fxo.names());
}

/// 20 ms blocks in which a steady tone is off its level.
fn gaps(samples: &[i16], hz: f64, amplitude: f64) -> usize {
    samples.chunks_exact(160).filter(|b| (level(b, hz) - amplitude).abs() > 0.06 * amplitude).count()
}

fn audio_goes_both_ways_at_its_level_and_without_a_gap(lab: &Lab) {
    let (mut fxo, mut fxs) = lab.call();
    fxo.say.extend(tone(1000.0, 8000.0, ms(6000)));
    fxs.say.extend(tone(450.0, 8000.0, ms(6000)));
    run(&mut [&mut fxo, &mut fxs], ms(300));
    let heard_before = fxo.heard.iter().position(|s| s.abs() > 1000).unwrap();
    fxo.forget_heard();
    fxs.forget_heard();
    let began = fxo.port.now();
    run(&mut [&mut fxo, &mut fxs], ms(5000));
    let took = fxo.port.now().since(began).as_millis() as usize;
    for (side, hz, own) in [(&fxo, 450.0, 1000.0), (&fxs, 1000.0, 450.0)] {
        assert_eq!(gaps(&side.heard, hz, 8000.0), 0, "gaps in {hz} Hz");
        assert!(level(&side.heard, own) < 100.0, "own sound comes back");
        assert!((side.heard.len() / 8).abs_diff(took) <= 45, "{} samples in {took} ms", side.heard.len());
        let s = side.port.statistics();
        assert_eq!((s.read_overruns, s.write_underruns, s.frames_not_read, s.frames_not_written), (0, 0, 0, 0));
    }
    println!("   first sound {} ms after it was said; real-time: {}", heard_before / 8, fxo.port.realtime());
}

fn audio_goes_through_in_each_law_and_in_other_block_sizes(lab: &Lab) {
    for (coding, block_samples, buffers) in [
        (Coding::Companded(Law::Mu), 160, 8),
        (Coding::Companded(Law::A), 160, 8),
        (Coding::Linear, 80, 12),
        (Coding::Linear, 200, 6),
        (Coding::Companded(Law::Mu), 40, 16),
    ] {
        let options = OpenOptions { coding, block_samples, buffers, ..quiet() };
        // a loc span carries the codes as they are: both ends must speak one law
        let (mut fxo, mut fxs) = (lab.fxo_with(&options), lab.fxs_with(&options));
        run(&mut [&mut fxo, &mut fxs], ms(1000));
        fxo.ask(Command::OffHook);
        expect(&mut [&mut fxs, &mut fxo], Signal::OffHook, ms(300));
        fxs.ask(Command::OffHook);
        fxo.say.extend(tone(1000.0, 8000.0, ms(3000)));
        fxs.say.extend(tone(450.0, 8000.0, ms(3000)));
        run(&mut [&mut fxo, &mut fxs], ms(1000));
        fxo.forget_heard();
        fxs.forget_heard();
        run(&mut [&mut fxo, &mut fxs], ms(1000));
        let bad = (gaps(&fxo.heard, 450.0, 8000.0), gaps(&fxs.heard, 1000.0, 8000.0));
        assert_eq!(bad, (0, 0), "{coding:?} in blocks of {block_samples}");
    }
}

fn audio_waits_for_its_buffers_with_the_other_policies(lab: &Lab) {
    for policy in [BufferPolicy::WhenFull, BufferPolicy::HalfFull] {
        let options = OpenOptions { policy, buffers: 6, ..quiet() };
        let (mut fxo, mut fxs) = (lab.fxo_with(&options), lab.fxs());
        run(&mut [&mut fxo, &mut fxs], ms(1000));
        fxo.ask(Command::OffHook);
        run(&mut [&mut fxo, &mut fxs], ms(800));
        fxo.say.extend(tone(1000.0, 8000.0, ms(3000)));
        run(&mut [&mut fxo, &mut fxs], ms(800));
        fxs.forget_heard();
        run(&mut [&mut fxo, &mut fxs], ms(1000));
        assert_eq!(gaps(&fxs.heard, 1000.0, 8000.0), 0, "{policy:?}");
    }
}

fn gains_of_the_kernels_tables_change_the_level(lab: &Lab) {
    let (mut fxo, mut fxs) = lab.call();
    let mut hear = |receive: f32, transmit: f32| {
        fxo.port.set_gains(receive, transmit).unwrap();
        for s in [&mut fxo, &mut fxs] {
            s.forget();
            s.say.extend(tone(1000.0, 4000.0, ms(600)));
        }
        run(&mut [&mut fxo, &mut fxs], ms(500));
        (level(last(&fxo.heard, ms(200)), 1000.0), level(last(&fxs.heard, ms(200)), 1000.0))
    };
    let (flat_in, flat_out) = hear(0.0, 0.0);
    let (loud_in, soft_out) = hear(6.0, -6.0);
    let db = |a: f64, b: f64| 20.0 * (a / b).log10();
    assert!((5.5..6.5).contains(&db(loud_in, flat_in)), "{loud_in} {flat_in}");
    assert!((-6.5..-5.5).contains(&db(soft_out, flat_out)), "{soft_out} {flat_out}");
    let options = OpenOptions { receive_gain_db: 3.0, ..quiet() };
    drop(fxo);
    let mut fxo = lab.fxo_with(&options);
    fxo.ask(Command::OffHook);
    run(&mut [&mut fxo, &mut fxs], ms(800));
    fxs.say.extend(tone(1000.0, 4000.0, ms(600)));
    run(&mut [&mut fxo, &mut fxs], ms(500));
    let opened_so = level(last(&fxo.heard, ms(200)), 1000.0);
    assert!((2.5..3.5).contains(&db(opened_so, flat_in)), "{opened_so} {flat_in}");
}

fn a_reader_that_lags_is_told_of_the_overrun(lab: &Lab) {
    let mut fxo = lab.fxo();
    run(&mut [&mut fxo], ms(300));
    fxo.forget();
    // half a second of audio waits; the rest is lost, and that is told once
    sleep(ms(1000));
    run(&mut [&mut fxo], ms(100));
    assert_eq!(fxo.count(&Signal::Overrun), 1, "{}", fxo.names());
    let lost = fxo.port.statistics().frames_not_read;
    assert!((15..40).contains(&lost), "{lost}");
    assert_eq!(fxo.port.statistics().read_overruns, 0, "the kernel lost nothing: the thread went on");
    fxo.forget();
    run(&mut [&mut fxo], ms(500));
    assert!(!fxo.had(&Signal::Overrun), "{}", fxo.names());
}

fn a_write_queue_run_dry_is_told_as_underrun_and_filled_again(lab: &Lab) {
    // the kernel's own word, with nobody writing
    {
        let raw = Raw::open(lab.fxs);
        raw.audio();
        ioctl::buffer_events(raw.fd(), 1).unwrap();
        std::io::Write::write_all(&mut &raw.0, &[0u8; 320]).unwrap();
        assert_eq!(raw.event(ms(200)), Some(30), "WRITE_UNDERRUN");
        let overrun = (0..20).find_map(|_| raw.event(ms(50)));
        assert_eq!(overrun, Some(29), "READ_OVERRUN");
    }
    // a process that is stopped for longer than the kernel's buffers last, both ways
    let mut fxs = lab.fxs();
    run(&mut [&mut fxs], ms(1000));
    let mut talker = Talker::new(lab.fxo);
    expect(&mut [&mut fxs], Signal::OffHook, ms(500));
    fxs.ask(Command::OffHook);
    run(&mut [&mut fxs], ms(1000));
    fxs.forget_heard();
    run(&mut [&mut fxs], ms(500));
    assert_eq!(gaps(&fxs.heard, 1000.0, 8000.0), 0);
    talker.stop_for(ms(400), |d| run(&mut [&mut fxs], d));
    fxs.forget_heard();
    run(&mut [&mut fxs], ms(800));
    assert_eq!(gaps(last(&fxs.heard, ms(600)), 1000.0, 8000.0), 0, "it goes on");
    let told = talker.end();
    let count = |what: &str| told.iter().filter(|l| *l == what).count();
    assert_eq!((count("Underrun"), count("Overrun")), (1, 1), "{told:?}");
}

fn battery_is_lost_and_back_when_the_far_end_hangs_up(lab: &Lab) {
    let (mut fxo, mut fxs) = lab.call();
    fxs.ask(Command::OnHook);
    let lost = expect(&mut [&mut fxo, &mut fxs], Signal::BatteryLost, ms(200));
    let open = expect(&mut [&mut fxo, &mut fxs], Signal::BatteryBack, ms(800));
    assert!((ms(440)..ms(560)).contains(&open), "{open:?}");
    println!("   battery lost after {} ms, for {} ms", lost.as_millis(), open.as_millis());
}

fn an_open_loop_lasts_as_long_as_asked_for(lab: &Lab) {
    for asked in [250, 400, 500] {
        let (mut fxo, mut fxs) = lab.call();
        fxs.ask(Command::OpenLoop(ms(asked)));
        expect(&mut [&mut fxo, &mut fxs], Signal::BatteryLost, ms(200));
        let open = expect(&mut [&mut fxo, &mut fxs], Signal::BatteryBack, ms(800));
        let off = open.as_millis() as i64 - asked as i64;
        assert!((-40..=40).contains(&off), "asked {asked} ms, {open:?}");
        run(&mut [&mut fxo, &mut fxs], ms(50));
        assert!(fxs.had(&Signal::HookDone), "{}", fxs.names());
    }
    let (_fxo, mut fxs) = lab.pair();
    let e = fxs.port.command(Command::OpenLoop(ms(300))).unwrap_err();
    assert!(e.to_string().contains("outside of a call"), "{e}");
    let e = fxs.port.command(Command::OpenLoop(ms(800))).unwrap_err();
    assert!(e.to_string().contains("500 ms at most"), "{e}");
}

fn signals_come_through_the_port_trait_in_order_with_their_times(lab: &Lab) {
    let (fxo, mut fxs) = lab.pair();
    let Side { mut port, .. } = fxo;
    let port: &mut dyn Port = &mut port;
    run(&mut [&mut fxs], ms(1500));
    let before = port.now();
    fxs.ask(Command::Ring(vec![ms(300), ms(1000)]));
    let mut seen = Vec::new();
    let until = port.now() + ms(500);
    while port.now() < until {
        port.wait(until).unwrap();
        while let Some((at, s)) = port.next_signal().unwrap() {
            if at >= before {
                seen.push((at, s));
            }
        }
        let mut frame = tipring::dsp::Frame::default();
        while port.read(&mut frame).unwrap() {
            port.write(&frame).unwrap();
        }
    }
    let names: Vec<&Signal> = seen.iter().map(|(_, s)| s).collect();
    assert_eq!(names, [&Signal::RingBegin, &Signal::RingEnd]);
    let burst = seen[1].0.since(seen[0].0);
    assert!(burst > ms(300) && burst < ms(400), "{burst:?}");
    // a wait without anything to come ends when it was told to
    let (at, limit) = (port.now(), ms(7));
    let mut frame = tipring::dsp::Frame::default();
    while port.read(&mut frame).unwrap() {}
    port.wait(at + limit).unwrap();
    assert!(port.now().since(at) <= ms(10));
}

fn many_ports_of_a_card_share_a_thread(lab: &Lab) {
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let before = threads();
    let mut all: Vec<Side> = (0..3).map(|i| Side::open(lab.fxo + i, &quiet())).collect();
    assert_eq!(threads(), before + 1);
    let mut sides: Vec<&mut Side> = all.iter_mut().collect();
    run(&mut sides, ms(100));
    for s in sides.iter_mut() {
        s.forget();
    }
    run(&mut sides, ms(1000));
    for s in &sides {
        assert!((48..=52).contains(&s.frames), "{}", s.frames);
    }
    // each in turn can be opened again as soon as it was dropped
    drop(all.remove(1));
    let again = Side::open(lab.fxo + 1, &quiet());
    drop((all, again));
    sleep(ms(100));
    assert_eq!(threads(), before);
}

fn polarity_reverses_on_hook_and_off_hook(lab: &Lab) {
    let (mut fxo, mut fxs) = lab.pair();
    assert!(fxo.port.capabilities().reversal);
    fxs.ask(Command::Reverse(true));
    expect(&mut [&mut fxo, &mut fxs], Signal::Reversal, ms(200));
    fxs.ask(Command::Reverse(false));
    expect(&mut [&mut fxo, &mut fxs], Signal::Reversal, ms(200));
    fxo.ask(Command::OffHook);
    expect(&mut [&mut fxs, &mut fxo], Signal::OffHook, ms(200));
    fxs.ask(Command::OffHook);
    run(&mut [&mut fxo, &mut fxs], ms(700));
    fxs.ask(Command::Reverse(true));
    expect(&mut [&mut fxo, &mut fxs], Signal::Reversal, ms(200));
    fxs.ask(Command::Reverse(false));
    expect(&mut [&mut fxo, &mut fxs], Signal::Reversal, ms(200));
    let e = fxo.port.command(Command::Reverse(true)).unwrap_err();
    assert!(e.to_string().contains("FXO port"), "{e}");
}

fn sound_reaches_an_on_hook_telephone_only_during_on_hook_transmission(lab: &Lab) {
    let (mut fxo, mut fxs) = lab.pair();
    // cards send sound for 6 s after a ring, without being asked
    run(&mut [&mut fxo, &mut fxs], ms(6000));
    let mut hear = |during: Option<Duration>| {
        fxo.forget();
        fxs.forget();
        if let Some(d) = during {
            fxs.ask(Command::OnHookTransmission(d));
        }
        fxs.say.extend(tone(1200.0, 5000.0, ms(600)));
        run(&mut [&mut fxo, &mut fxs], ms(1000));
        fxo.heard.chunks(800).map(|c| level(c, 1200.0)).fold(0.0, f64::max)
    };
    assert!(hear(None) < 100.0);
    assert!(hear(Some(ms(900))) > 4000.0);
}

fn message_waiting_is_told(lab: &Lab) {
    let (mut fxo, mut fxs) = lab.pair();
    drop(fxs);
    let raw = Raw::open(lab.fxs);
    ioctl::vmwi_config(raw.fd(), &mut ioctl::VmwiInfo { vmwi_type: 1 << 2 }).unwrap();
    ioctl::vmwi(raw.fd(), &mut 3).unwrap();
    expect(&mut [&mut fxo], Signal::MessageWaiting(true), ms(500));
    ioctl::vmwi(raw.fd(), &mut 0).unwrap();
    expect(&mut [&mut fxo], Signal::MessageWaiting(false), ms(500));
    drop(raw);
    fxs = lab.fxs();
    run(&mut [&mut fxs], ms(20));
}

fn each_echo_canceller_of_the_kernel_cancels_a_hybrids_echo(lab: &Lab) {
    let (mut fxo, mut fxs) = lab.call();
    labline("echo_fxo", 64);
    let mut loss = |canceller: EchoCanceller| {
        fxo.port.set_echo_canceller(&canceller).unwrap_or_else(|e| panic!("{e}"));
        fxo.forget();
        let sent = noise(ms(4800));
        fxo.say.extend(&sent);
        run(&mut [&mut fxo, &mut fxs], ms(4700));
        let echo = rms(last(&fxo.heard, ms(1000))).max(0.5);
        (20.0 * (rms(&sent) / echo).log10(), fxo.port.capabilities().echo_canceller)
    };
    let (off, running) = loss(EchoCanceller::Off);
    assert!((8.0..16.0).contains(&off) && !running, "{off}");
    for name in ["mg2", "kb1", "oslec"] {
        let (db, running) = loss(EchoCanceller::Named { name: name.into(), taps: 128 });
        println!("   {name}: {db:.1} dB return loss, {off:.1} dB without");
        assert!(db > off + 20.0 && running, "{name}: {db}");
    }
    let nosuch = EchoCanceller::Named { name: "nosuch".into(), taps: 128 };
    let e = fxo.port.set_echo_canceller(&nosuch).unwrap_err();
    assert!(e.to_string().contains("modprobe dahdi_echocan_nosuch"), "{e}");
    drop(fxo);
    // what was attached stays with the channel, and is what "configured" then means
    let mut fxo = lab.fxo_with(&OpenOptions::default());
    assert!(fxo.port.capabilities().echo_canceller);
    fxo.port.set_echo_canceller(&EchoCanceller::Off).unwrap();
    let ctl = std::fs::OpenOptions::new().read(true).write(true).open("/dev/dahdi/ctl").unwrap();
    let mut none = ioctl::AttachEchocan { chan: lab.fxo as i32, echocan: [0; 16] };
    ioctl::attach_echocan(std::os::fd::AsFd::as_fd(&ctl), &mut none).unwrap();
    drop(fxo);
    assert!(!lab.fxo_with(&OpenOptions::default()).port.capabilities().echo_canceller);
}

fn the_cards_own_gain_changes_the_level(lab: &Lab) {
    let (mut fxo, mut fxs) = lab.call();
    let mut hear = |db: f32| {
        fxo.port.set_hardware_gain(Direction::Receive, db).unwrap();
        fxo.forget();
        fxs.say.extend(tone(1000.0, 4000.0, ms(500)));
        run(&mut [&mut fxo, &mut fxs], ms(400));
        level(last(&fxo.heard, ms(200)), 1000.0)
    };
    let (flat, soft) = (hear(0.0), hear(-6.0));
    let db = 20.0 * (soft / flat).log10();
    assert!((-7.0..-5.0).contains(&db), "{db}");
}

fn a_pulled_cord_is_an_alarm_and_no_battery_and_refuses_off_hook(lab: &Lab) {
    let (mut fxo, mut fxs) = lab.pair();
    labline("unplug", 1);
    let battery = expect(&mut [&mut fxo, &mut fxs], Signal::BatteryLost, ms(300));
    expect(&mut [&mut fxo, &mut fxs], Signal::Alarm(Alarm::Red), ms(1500));
    println!("   no battery after {} ms, the alarm a second later", battery.as_millis());
    let e = fxo.port.command(Command::OffHook).unwrap_err();
    assert!(matches!(e, PortError::InAlarm { alarm: Alarm::Red, .. }), "{e}");
    assert_eq!(e.explain("x").exit.code(), 6);
    assert_eq!(fxo.port.alarm().unwrap(), Some(Alarm::Red));
    drop(fxo);
    // an alarmed port opens, and says so at once
    let mut fxo = lab.fxo();
    run(&mut [&mut fxo, &mut fxs], ms(50));
    assert!(fxo.had(&Signal::Alarm(Alarm::Red)) && fxo.had(&Signal::BatteryLost), "{}", fxo.names());
    labline("unplug", 0);
    expect(&mut [&mut fxo, &mut fxs], Signal::AlarmCleared, ms(2000));
    assert!(fxo.had(&Signal::BatteryBack), "{}", fxo.names());
    fxo.ask(Command::OffHook);
    // and in the middle of a call
    run(&mut [&mut fxo, &mut fxs], ms(800));
    fxo.forget();
    labline("unplug", 1);
    expect(&mut [&mut fxo, &mut fxs], Signal::BatteryLost, ms(300));
    expect(&mut [&mut fxo, &mut fxs], Signal::Alarm(Alarm::Red), ms(1500));
}

fn line_voltage_tells_hook_state_and_polarity(lab: &Lab) {
    let (mut fxo, mut fxs) = lab.pair();
    assert_eq!(fxo.port.line_millivolts(), Some(-48_000));
    fxs.ask(Command::Reverse(true));
    run(&mut [&mut fxo, &mut fxs], ms(100));
    assert_eq!(fxo.port.line_millivolts(), Some(48_000));
    fxs.ask(Command::Reverse(false));
    fxo.ask(Command::OffHook);
    run(&mut [&mut fxo, &mut fxs], ms(100));
    assert_eq!(fxo.port.line_millivolts(), Some(-7_000));
    let span = fxo.port.span_status().unwrap();
    assert_eq!((span.kind.as_str(), span.irq_misses, span.alarm), ("FXO", 0, None));
    assert_eq!(span.channels, 4);
}

fn what_a_card_cannot_do_is_said(lab: &Lab) {
    let (mut fxo, mut fxs) = lab.pair();
    for command in [Command::Reverse(true), Command::OnHookTransmission(ms(500))] {
        let e = fxs.port.command(command).unwrap_err();
        assert!(matches!(e, PortError::Unsupported { .. }), "{e}");
        assert!(e.to_string().contains("its driver does not offer it"), "{e}");
    }
    assert_eq!(fxo.port.line_millivolts(), None);
    assert!(matches!(fxo.port.set_hardware_gain(Direction::Receive, 3.0), Err(PortError::Unsupported { .. })));
    assert!(!fxo.port.capabilities().reversal);
    run(&mut [&mut fxo, &mut fxs], ms(20));
}
