//! A second caller while we talk.

use crate::line::Line;
use tipring::clock::Time;
use tipring::dsp::caller_id::Receiver;
use tipring::event::Event;

const BOTH: &str = "[line]\ncall_waiting = true\n[[call]]\nat_s = 1\nfrom = '5551234'\n\
                    [[call]]\nat_s = 12\nfrom = '5555678'\nname = 'BOB'\nrings = 4\n";

/// In a call, with the other caller waiting.
fn waiting(country: &str) -> Line {
    let mut line = Line::scripted(country, BOTH, 1);
    line.answer();
    line.until("tone call-waiting", 12);
    line
}

#[test]
fn the_tone_is_heard_in_the_country_s_frequency_and_cadence_and_the_caller_waits() {
    let mut line = Line::scripted(
        "us",
        &format!("{BOTH}[pair]\nnoise_dbm0 = -99\n").replace("'5551234'", "'5551234'\nsays = 'nothing'"),
        1,
    );
    line.answer();
    line.until("tone call-waiting", 12);
    assert!(line.share(&[440.0], 280) > 0.9);
    line.run(1000);
    assert!(line.level(8000) < -60.0, "and then nothing for ten seconds");
    line.run(900);
    assert!(line.level(300) > -25.0, "the tone comes again");
    assert_eq!(line.condition("5555678"), "calling");
    assert_eq!(line.condition("5551234"), "talking with us");
}

#[test]
fn without_call_waiting_the_second_caller_hears_busy() {
    let mut line = Line::scripted("us", &BOTH.replace("call_waiting = true", ""), 1);
    line.answer();
    line.until("5555678 hears busy", 12);
}

#[test]
fn a_flash_takes_the_waiting_call_and_further_ones_swap_the_two() {
    let mut line = waiting("us");
    line.run(1500);
    line.flash(600);
    line.until("5555678 talks with us", 1);
    assert_eq!(line.condition("5551234"), "on hold");
    line.run(500);
    assert!(line.level(3000) > -35.0);
    line.flash(600);
    line.run(100);
    assert_eq!((line.condition("5551234"), line.condition("5555678")), ("talking with us".into(), "on hold".into()));
    line.flash(600);
    line.run(100);
    assert_eq!((line.condition("5551234"), line.condition("5555678")), ("on hold".into(), "talking with us".into()));
    assert!(!line.saw("conference"));
}

#[test]
fn hanging_up_on_one_of_the_two_rings_us_with_the_other_and_never_joins_them() {
    let mut line = waiting("us");
    line.run(1500);
    line.flash(600);
    line.until("5555678 talks with us", 1);
    line.on_hook();
    line.until("recalls us for 5551234", 5);
    assert_eq!(line.condition("5555678"), "released");
    line.run(3000);
    line.off_hook();
    line.until("5551234 talks with us", 2);
    assert!(line.lost().is_empty());
}

#[test]
fn hanging_up_before_taking_it_lets_the_waiting_call_ring() {
    let mut line = waiting("us");
    line.run(1500);
    line.on_hook();
    line.until("5551234 is released", 3);
    line.until("ring us", 5);
    line.run(2500);
    line.off_hook();
    line.until("5555678 talks with us", 1);
}

#[test]
fn a_waiting_caller_gives_up_and_the_tone_ends() {
    let mut line = waiting("us");
    let gone = line.until("5555678 hangs up", 40);
    assert!(gone > Time::secs(30));
    line.flash(600);
    line.run(500);
    assert_eq!(line.condition("5551234"), "on hold", "an ordinary flash again");
}

#[test]
fn when_the_first_hangs_up_the_second_still_waits() {
    let text = BOTH.replace("from = '5551234'", "from = '5551234'\nhangs_up_after_s = 14");
    let mut line = Line::scripted("us", &text, 1);
    line.answer();
    line.until("tone call-waiting", 12);
    line.until("5551234 hangs up", 20);
    line.run(200);
    line.on_hook();
    line.until("ring us", 5);
    line.run(500);
    line.off_hook();
    line.until("5555678 talks with us", 1);
}

#[test]
fn r2_holds_and_takes_r1_ends_and_takes_r0_refuses() {
    for (country, r) in [("de", 250), ("se", 100)] {
        let mut line = waiting(country);
        line.r(r, "2");
        assert_eq!(
            (line.condition("5551234"), line.condition("5555678")),
            ("on hold".into(), "talking with us".into())
        );
        line.r(r, "2");
        assert_eq!(
            (line.condition("5551234"), line.condition("5555678")),
            ("talking with us".into(), "on hold".into())
        );
        let mut line = waiting(country);
        line.r(r, "1");
        assert_eq!(
            (line.condition("5551234"), line.condition("5555678")),
            ("released".into(), "talking with us".into())
        );
        let mut line = waiting(country);
        line.r(r, "0");
        assert_eq!(line.condition("5551234"), "talking with us");
        line.until("5555678 hears busy", 1);
        assert!(line.lost().is_empty());
    }
}

#[test]
fn a_telephone_that_answers_the_alert_is_told_who_waits() {
    for country in ["us", "de"] {
        let mut line = waiting(country);
        line.until("sends alert for caller-id", 2);
        let share = line.share(&[2130.0, 2750.0], 40);
        assert!(share > 0.9, "{country}: {share}");
        // after the alert's 80 ms
        line.run(60);
        line.dial("D");
        line.until("hears acknowledgement D", 1);
        line.until("sends caller-id", 1);
        line.audio.clear();
        line.run(1500);
        let mut heard = Vec::new();
        Receiver::new().feed(&line.audio, &mut heard);
        let Some(Event::CallerId(id)) = heard.first() else { panic!("{country}: {heard:?}") };
        assert_eq!((id.number.as_ref().unwrap().reveal(), id.name.as_deref()), ("5555678", Some("BOB")));
    }
}

#[test]
fn a_telephone_that_does_not_answer_the_alert_gets_no_data_and_the_call_goes_on() {
    let mut line = waiting("us");
    line.until("hears no acknowledgement", 2);
    line.run(500);
    let sent = line.trace.iter().filter(|r| r.what.contains("caller-id by")).count();
    assert_eq!(sent, 1, "only with the first caller's ring");
    assert!(line.level(4000) > -35.0, "the caller is heard again");
    line.dial("D");
    line.run(1000);
    assert!(!line.saw("hears acknowledgement"), "too late");
}

#[test]
fn no_alert_is_sent_where_caller_id_is_not_subscribed_or_goes_by_dtmf() {
    for (country, line) in [("us", "call_waiting_id = false"), ("us", "caller_id = false"), ("se", "")] {
        let mut line =
            Line::scripted(country, &BOTH.replace("call_waiting = true", &format!("call_waiting = true\n{line}")), 1);
        line.answer();
        line.until("tone call-waiting", 12);
        line.run(3000);
        assert!(!line.saw("sends alert"), "{country}");
    }
}
