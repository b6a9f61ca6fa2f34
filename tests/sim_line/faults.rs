use crate::line::Line;
use tipring::driver::sim::SimPort;
use tipring::driver::{Port, PortError};
use tipring::dsp::Frame;
use tipring::error::Exit;
use tipring::event::{Command, Signal};
use tipring::facts::Facts;

const CALL: &str = "[[call]]\nat_s = 1\nfrom = '5551234'\n";

#[test]
fn a_moved_recall_window_takes_other_widths() {
    let text = format!("[fault]\nrecall_min_ms = 700\nrecall_max_ms = 900\n{CALL}");
    for (ms, condition) in [(600, "talking with us"), (800, "on hold")] {
        let mut line = Line::scripted("us", &text, 1);
        line.answer();
        line.flash(ms);
        line.run(1500);
        assert_eq!(line.condition("5551234"), condition, "{ms}");
    }
}

#[test]
fn dial_tone_may_be_late_or_missing_and_digits_are_taken_when_the_register_is_there() {
    let mut line = Line::scripted("us", "[fault]\ndial_tone_delay_ms = 4000\n", 1);
    line.off_hook();
    let at = line.until("tone dial", 6);
    assert!(at.as_ms() > 4000);
    let mut line = Line::scripted("us", "[fault]\nno_dial_tone = true\n", 1);
    line.off_hook();
    line.run(2000);
    assert!(line.level(1000) < -60.0);
    line.dial("5550101");
    line.until("tone busy", 3);
}

#[test]
fn digits_before_the_dial_tone_are_not_heard() {
    let mut line = Line::scripted("us", "[fault]\ndial_tone_delay_ms = 1000\n", 1);
    line.off_hook();
    line.run(200);
    line.dial("5550101");
    line.until("tone reorder", 30);
    assert!(!line.saw("routes 5550101"));
}

#[test]
fn without_forward_disconnect_the_far_hang_up_is_a_tone() {
    let mut line = Line::scripted("us", "[fault]\nno_forward_disconnect = true\n", 1);
    line.call("5550106");
    line.until("hangs up", 15);
    line.until("tone disconnect", 3);
    assert_eq!(line.signal_at(Signal::BatteryLost), None);
}

#[test]
fn battery_lost_and_back_is_sensed_and_the_line_is_dead_meanwhile() {
    let text = format!("[fault]\nbattery_lost_at_s = 8\nbattery_lost_ms = 2000\n[pair]\nnoise_dbm0 = -99\n{CALL}");
    let mut line = Line::scripted("us", &text, 1);
    line.answer();
    line.until("battery fails", 5);
    line.run(200);
    assert!(line.level(1500) < -90.0);
    line.until("battery is back", 3);
    line.run(200);
    assert_eq!(line.signal_at(Signal::BatteryLost).unwrap().as_ms(), 8064);
    assert_eq!(line.signal_at(Signal::BatteryBack).unwrap().as_ms(), 10_064);
    assert_eq!(line.condition("5551234"), "talking with us");
}

#[test]
fn an_unplugged_line_is_a_hang_up_for_the_exchange_and_no_battery_for_us() {
    let text = format!("[fault]\nunplugged_at_s = 8\nplugged_in_after_s = 5\n{CALL}");
    let mut line = Line::scripted("us", &text, 1);
    line.answer();
    line.until("unplugged", 5);
    line.until("sees on-hook", 3);
    assert_eq!(line.condition("5551234"), "released");
    assert!(line.signal_at(Signal::BatteryLost).is_some());
    line.until("plugged in", 10);
    line.until("tone dial", 3);
}

#[test]
fn a_removed_device_says_so_and_every_use_of_it_is_an_error() {
    let mut line = Line::scripted("us", "[fault]\ndevice_removed_at_s = 2\n", 1);
    line.off_hook();
    line.run(2100);
    assert!(line.signal_at(Signal::Removed).is_some());
    assert!(matches!(line.port.command(Command::OnHook), Err(PortError::Removed { .. })));
    assert!(matches!(line.port.read(&mut Frame::default()), Err(PortError::Removed { .. })));
    line.until("sees on-hook", 3);
}

#[test]
fn an_option_that_is_not_known_is_refused_with_those_that_are() {
    let open = |s: &str| SimPort::open(s.parse().unwrap(), Facts::embedded());
    for (selector, word) in [
        ("sim/us?sed=7", "seed"),
        ("sim/us?clock=fast", "virtual"),
        ("sim/us?seed=x", "whole number"),
        ("sim/us?loss_db=lots", "decibels"),
        ("sim/us?hum_hz=16", "50 or 60"),
        ("sim/us?clock=virtual&speed=8", "exclude each other"),
        ("sim/us?speed=8&clock=virtual", "exclude each other"),
        ("sim/us?seed=1&seed=2", "twice"),
        ("sim/us?noise_dbm0=-50%0Aloss_db", "decibels"),
        ("sim/us?noise_dbm0=nan", "decibels"),
        ("sim/us?burst_ms=100", "bursts_per_minute"),
        ("sim/us?speed=fast", "200 times"),
        ("sim/xx", "us"),
    ] {
        match open(selector) {
            Err(PortError::BadOption(why)) => assert!(why.contains(word), "{selector}: {why}"),
            other => panic!("{selector}: {:?}", other.err()),
        }
    }
    let error = open("sim/us?scenario=nothing-of-the-kind").err().unwrap().explain("sim/us");
    assert_eq!(error.exit, Exit::Config);
    assert!(error.why.contains("incoming"), "{error}");
}

#[test]
fn a_scenario_file_is_read_from_disk_and_its_mistakes_name_file_and_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("own.toml");
    std::fs::write(&file, "[[call]]\nat_s = 0.5\nfrom = '5557777'\n").unwrap();
    let mut line = Line::open(&format!("sim/us?clock=virtual&scenario={}", file.display()));
    line.until("5557777 calls us", 2);
    std::fs::write(&file, "[[call]]\nat_s = 0.5\nform = '5557777'\n").unwrap();
    let selector = format!("sim/us?scenario={}", file.display()).parse().unwrap();
    let error = SimPort::open(selector, Facts::embedded()).err().unwrap().explain("sim/us");
    assert!(error.what.contains("own.toml, line 3"), "{error}");
    assert!(error.why.contains("form"), "{error}");
}

#[test]
fn tones_may_be_too_soft_too_high_and_too_slow() {
    let tone = |fault: &str| {
        let mut line = Line::scripted("us", &format!("[fault]\n{fault}\n[pair]\nnoise_dbm0 = -99\n"), 1);
        line.off_hook();
        line.until("tone dial", 2);
        line.run(100);
        let level = line.level(1000);
        (level, crate::line::share(&line.audio, &[350.0, 440.0]), crate::line::share(&line.audio, &[367.5, 462.0]))
    };
    let (right, soft, high) = (tone(""), tone("tone_level_db = -9"), tone("tone_frequency_percent = 5"));
    assert!((right.0 - soft.0 - 9.0).abs() < 0.2, "{right:?} {soft:?}");
    assert!(right.1 > 0.95 && high.1 < 0.9 && high.2 > 0.95, "{right:?} {high:?}");

    let bursts = |fault: &str| {
        let mut line = Line::scripted("us", &format!("[fault]\n{fault}\n[pair]\nnoise_dbm0 = -99\n"), 1);
        line.call("5550101");
        line.until("tone busy", 3);
        line.audio.clear();
        line.run(12_000);
        let on: Vec<bool> = line.audio.chunks(160).map(|c| tipring::dsp::level::dbm0(c) > -40.0).collect();
        on.windows(2).filter(|w| !w[0] && w[1]).count()
    };
    assert_eq!((bursts(""), bursts("tone_cadence_percent = 50")), (12, 8));
    assert_eq!(bursts("tone_cadence_percent = 50\ntones_off = ['reorder']"), 12, "busy is as it should be");
}

#[test]
fn somebody_speaks_where_the_recall_tone_should_be_and_digits_are_taken() {
    let mut line = Line::open("sim/us?scenario=recall-spoken&clock=virtual");
    line.answer();
    line.flash(600);
    line.until("announcement", 2);
    assert!(line.level(2000) > -35.0);
    assert!(line.share(&[350.0, 440.0], 1000) < 0.5);
    assert!(!line.saw("tone recall-dial"));
    line.dial("5550101");
    line.until("tone busy", 3);
    assert_eq!(line.condition("5551234"), "on hold");
}

#[test]
fn the_exchange_misses_one_flash_and_takes_the_next() {
    let mut line = Line::open("sim/us?scenario=flash-ignored&clock=virtual");
    line.answer();
    line.flash(600);
    line.run(2000);
    assert!(line.saw("misses that flash"));
    assert_eq!(line.condition("5551234"), "talking with us");
    line.flash(600);
    line.until("tone recall-dial", 2);
    assert_eq!(line.condition("5551234"), "on hold");
}

#[test]
fn a_flash_taken_for_a_hang_up_costs_the_caller_and_gives_dial_tone() {
    let mut line = Line::open("sim/us?scenario=flash-hangs-up&clock=virtual");
    line.answer();
    line.flash(600);
    line.until("tone dial", 2);
    assert_eq!(line.lost(), ["5551234"]);
    assert_eq!(line.condition("5551234"), "lost: a break was taken for a hang-up");
}

#[test]
fn a_digit_that_the_register_misses_makes_another_number() {
    let mut line = Line::scripted("us", "[fault]\ndigits_missed = [3]\n", 1);
    line.off_hook();
    line.until("tone dial", 2);
    line.run(200);
    line.dial("5550101");
    line.until("misses a digit", 1);
    line.until("the number is incomplete", 12);
    assert!(!line.saw("routes"));
}

#[test]
fn in_glare_whoever_lifts_to_dial_has_the_caller_and_no_dial_tone() {
    let mut line = Line::open("sim/us?scenario=glare&clock=virtual");
    line.run(5000);
    assert!(!line.saw("calls us"), "it waits for the moment in which we lift");
    line.off_hook();
    line.until("5551234 talks with us", 1);
    line.run(2000);
    assert!(!line.saw("tone dial") && !line.saw("ring us"));
    assert!(line.level(3000) > -35.0);
    line.on_hook();
    line.run(2000);
    line.off_hook();
    line.until("tone dial", 2);
}

#[test]
fn caller_id_that_lost_a_part_is_no_number() {
    use tipring::dsp::caller_id::Receiver;
    use tipring::event::Event;
    for country in ["us", "gb", "de"] {
        let text = "[fault]\ncaller_id_garbled = true\n[[call]]\nat_s = 1\nfrom = '5551234'\nname = 'ALICE EXAMPLE'\n";
        let mut line = Line::scripted(country, text, 1);
        line.until("sends caller-id", 6);
        line.audio.clear();
        line.run(2000);
        let mut heard = Vec::new();
        Receiver::new().feed(&line.audio, &mut heard);
        assert!(matches!(heard[..], [Event::CallerIdGarbled(_)]), "{country}: {heard:?}");
    }
}

#[test]
fn a_parallel_telephone_is_heard_weakens_us_and_hides_our_flash_and_our_hang_up() {
    let text = format!("[fault]\nparallel_lifted_at_s = 12\nparallel_hung_up_after_s = 15\n{CALL}");
    let mut line = Line::scripted("us", &text.replace("'5551234'", "'5551234'\nsays = 'nothing'"), 1);
    line.answer();
    assert!(line.level(2000) < -55.0);
    line.until("another telephone on the pair is lifted", 10);
    assert!(line.level(3000) > -30.0, "somebody talks into it");
    line.flash(600);
    line.run(500);
    assert!(!line.saw("sees flash"));
    line.on_hook();
    line.run(5000);
    assert_eq!(line.condition("5551234"), "talking with us", "it keeps the loop closed");
    assert!(line.level(3000) > -30.0, "an on-hook port overhears it");
    line.until("the other telephone is hung up", 10);
    line.until("sees on-hook", 3);
    assert_eq!(line.condition("5551234"), "released");
    assert!(!line.signals.iter().any(|(_, s)| *s == Signal::BatteryLost));
}

#[test]
fn two_telephones_share_the_voice_and_one_beside_ours_may_leave_no_battery_to_sense() {
    let text = "[fault]\nparallel_lifted_at_s = 15\nparallel_silent = true\nparallel_takes_battery = true\n\
                parallel_hung_up_after_s = 5\n";
    let mut line = Line::scripted("us", text, 1);
    line.call("5550109");
    line.until("sends a tone", 12);
    line.run(500);
    let alone = line.level(500);
    line.until("another telephone", 12);
    line.run(100);
    let shared = line.level(500);
    assert!((alone - shared - 3.5).abs() < 0.2, "{alone} {shared}");
    line.until("the other telephone is hung up", 6);
    line.run(200);
    let (lost, back) = (line.signal_at(Signal::BatteryLost).unwrap(), line.signal_at(Signal::BatteryBack).unwrap());
    assert_eq!(back.since(lost).as_secs(), 5);
}

#[test]
fn a_parallel_telephone_answers_what_rings() {
    let text = format!("[fault]\nparallel_lifted_at_s = 4\nparallel_hung_up_after_s = 6\n{CALL}");
    let mut line = Line::scripted("us", &text, 1);
    line.until("5551234 talks with us", 6);
    line.run(500);
    let rings = line.signals.iter().filter(|(_, s)| *s == Signal::RingBegin).count();
    assert_eq!(rings, 1, "and our set does not ring on");
    line.until("5551234 is released", 8);
}

#[test]
fn a_dip_shorter_than_a_port_s_debounce_is_a_click_and_a_longer_one_is_sensed() {
    for (ms, sensed) in [(30, false), (200, true)] {
        let text = format!("[fault]\nbattery_lost_at_s = 8\nbattery_lost_ms = {ms}\n{CALL}");
        let mut line = Line::scripted("us", &text, 1);
        line.answer();
        line.until("battery is back", 6);
        line.run(500);
        assert_eq!(line.signal_at(Signal::BatteryLost).is_some(), sensed, "{ms} ms");
        assert_eq!(line.condition("5551234"), "talking with us");
    }
}

#[test]
fn a_held_target_may_run_out_of_patience_too() {
    let text = format!("{CALL}[[subscriber]]\nnumber = '5550200'\ndoes = 'speaks'\npatience_s = 4\n");
    let mut line = Line::scripted("de", &text, 1);
    line.answer();
    line.consult(250, "5550200");
    line.until("5550200 answers", 10);
    line.run(500);
    line.r(250, "2");
    assert_eq!(line.condition("5551234"), "talking with us");
    line.until("5550200 hangs up", 5);
    line.r(250, "2");
    line.run(500);
    assert!(line.lost().is_empty());
}

#[test]
fn every_built_in_scenario_runs_on_the_line_of_every_country() {
    use tipring::driver::sim::scenario::BUILT_IN;
    for code in Facts::embedded().codes() {
        for (name, _) in BUILT_IN {
            // a window that is written out in milliseconds is a window everywhere
            let mut line = Line::open(&format!("sim/{code}?clock=virtual&scenario={name}"));
            line.run(1500);
        }
    }
}
