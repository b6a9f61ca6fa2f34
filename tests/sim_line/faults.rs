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
