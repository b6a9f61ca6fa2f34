use crate::line::Line;
use tipring::driver::Port;
use tipring::event::Signal;

/// What a flash of this width did in a call.
fn after_flash(country: &str, ms: u64) -> String {
    let mut line = Line::open(&format!("sim/{country}?scenario=incoming&clock=virtual"));
    line.answer();
    line.flash(ms);
    line.run(1500);
    line.condition("5551234")
}

#[test]
fn a_flash_within_the_country_s_window_holds_a_shorter_one_does_nothing_and_a_longer_one_hangs_up() {
    let lost = "lost: a break was taken for a hang-up";
    for (country, short, fits, long) in [
        ("us", &[40, 100, 280][..], &[300, 600, 1100][..], &[1140, 1400][..]),
        ("gb", &[20, 40], &[50, 100, 130], &[140, 300, 600]),
        ("de", &[100, 150], &[170, 250, 310], &[330, 600]),
        ("se", &[20, 50], &[60, 100, 150], &[160, 600]),
    ] {
        for ms in short {
            assert_eq!(after_flash(country, *ms), "talking with us", "{country} {ms} ms");
        }
        for ms in fits {
            assert_eq!(after_flash(country, *ms), "on hold", "{country} {ms} ms");
        }
        for ms in long {
            assert_eq!(after_flash(country, *ms), lost, "{country} {ms} ms");
        }
    }
}

#[test]
fn the_loop_is_open_for_exactly_the_time_that_was_asked_for() {
    for ms in [65, 93, 100, 117] {
        let mut line = Line::open("sim/de?scenario=incoming&clock=virtual");
        line.answer();
        let from = line.port.now();
        line.flash(ms);
        line.run(200);
        assert!(line.saw(&format!("ignores a break of {ms}ms")), "{}", line.story());
        let done = line.signal_at(Signal::HookDone).unwrap();
        assert_eq!(done.since(from).as_millis() as u64, ms);
    }
}

#[test]
fn recall_tone_is_heard_and_the_held_party_is_not() {
    let mut line = Line::open("sim/us?scenario=incoming&clock=virtual");
    line.answer();
    line.flash(600);
    line.until("tone recall-dial", 2);
    assert!(line.share(&[350.0, 440.0], 2000) > 0.9);
    assert_eq!(line.condition("5551234"), "on hold");
}

#[test]
fn a_second_flash_goes_back_from_dial_tone_ringback_busy_and_intercept() {
    for number in ["", "555", "5550101", "5550102", "5550104", "5550105"] {
        let mut line = Line::open("sim/us?scenario=incoming&clock=virtual");
        line.answer();
        line.flash(600);
        line.until("tone recall-dial", 3);
        line.run(300);
        if !number.is_empty() {
            line.dial(number);
        }
        line.run(6000);
        line.flash(600);
        line.run(200);
        assert_eq!(line.condition("5551234"), "talking with us", "{number}");
        assert!(line.level(3000) > -35.0, "{number}: the caller is heard again");
        if number == "5550102" {
            assert_eq!(line.condition(number), "idle");
        }
    }
}

#[test]
fn the_held_party_can_be_taken_back_before_the_recall_tone() {
    let text = "[fault]\nrecall_tone_delay_ms = 2000\n[[call]]\nat_s = 1\nfrom = '5551234'\n";
    let mut line = Line::scripted("us", text, 1);
    line.answer();
    line.flash(600);
    line.flash(600);
    line.run(4000);
    assert_eq!(line.condition("5551234"), "talking with us");
    assert!(!line.saw("tone recall-dial"));
}

#[test]
fn a_second_flash_with_the_target_talking_makes_a_conference_and_a_third_drops_the_last() {
    let mut line = Line::open("sim/us?scenario=incoming&clock=virtual");
    line.answer();
    line.consult(600, "5550100");
    line.until("5550100 answers", 15);
    line.run(1000);
    line.flash(600);
    line.until("conference", 1);
    assert_eq!(line.condition("5551234"), "in conference with us and 5550100");
    assert_eq!(line.condition("5550100"), "in conference with us and 5551234");
    line.run(1000);
    line.flash(600);
    line.run(500);
    assert_eq!(line.condition("5551234"), "talking with us");
    assert_eq!(line.condition("5550100"), "released");
}

#[test]
fn r1_goes_back_and_r2_swaps_where_recall_takes_a_digit() {
    for (country, r) in [("gb", 100), ("de", 250), ("se", 100)] {
        let mut line = Line::open(&format!("sim/{country}?scenario=incoming&clock=virtual"));
        line.answer();
        line.consult(r, "5550100");
        line.until("5550100 answers", 15);
        line.run(1000);
        line.r(r, "2");
        assert_eq!(line.condition("5551234"), "talking with us", "{country}");
        assert_eq!(line.condition("5550100"), "on hold", "{country}");
        line.r(r, "2");
        assert_eq!(line.condition("5550100"), "talking with us", "{country}");
        line.r(r, "1");
        assert_eq!(line.condition("5551234"), "talking with us", "{country}");
        assert_eq!(line.condition("5550100"), "released", "{country}");
    }
}

#[test]
fn r1_leaves_a_busy_target_and_a_plain_r1_takes_the_held_party_back() {
    let mut line = Line::open("sim/de?scenario=incoming&clock=virtual");
    line.answer();
    line.consult(250, "5550101");
    line.until("tone busy", 3);
    line.r(250, "1");
    assert_eq!(line.condition("5551234"), "talking with us");
    line.r(250, "1");
    assert_eq!(line.condition("5551234"), "talking with us");
}

#[test]
fn r3_makes_a_conference() {
    let mut line = Line::open("sim/se?scenario=incoming&clock=virtual");
    line.answer();
    line.consult(100, "5550100");
    line.until("5550100 answers", 15);
    line.r(100, "3");
    assert_eq!(line.condition("5551234"), "in conference with us and 5550100");
}

#[test]
fn without_a_digit_after_r_the_call_goes_on_as_it_was() {
    let mut line = Line::open("sim/de?scenario=incoming&clock=virtual");
    line.answer();
    line.consult(250, "5550100");
    line.until("5550100 answers", 15);
    line.flash(250);
    line.until("tone recall-dial", 3);
    assert_eq!(line.condition("5550100"), "on hold");
    line.run(17_000);
    assert_eq!(line.condition("5550100"), "talking with us");
    assert_eq!(line.condition("5551234"), "on hold");
}

#[test]
fn a_line_without_flash_service_ignores_the_flash() {
    let mut line = Line::open("sim/us?scenario=no-flash-service&clock=virtual");
    line.answer();
    line.flash(600);
    line.run(2000);
    assert!(line.saw("offers no flash service"));
    assert_eq!(line.condition("5551234"), "talking with us");
}

#[test]
fn a_caller_who_runs_out_of_patience_on_hold_is_gone_and_flashing_back_finds_nobody() {
    let mut line = Line::open("sim/us?scenario=impatient-caller&clock=virtual");
    line.answer();
    line.consult(600, "5550102");
    line.until("5551234 hangs up", 10);
    line.run(500);
    line.flash(600);
    line.until("forward-disconnect", 3);
    assert_eq!(line.condition("5551234"), "hung up");
    assert!(line.lost().is_empty());
}

#[test]
fn the_consulted_party_hanging_up_leaves_the_held_one_where_it_is() {
    let mut line = Line::open("sim/us?scenario=incoming&clock=virtual");
    line.answer();
    line.consult(600, "5550106");
    line.until("5550106 hangs up", 15);
    line.until("tone disconnect", 3);
    assert_eq!(line.condition("5551234"), "on hold");
    line.flash(600);
    line.run(300);
    assert_eq!(line.condition("5551234"), "talking with us");
}
