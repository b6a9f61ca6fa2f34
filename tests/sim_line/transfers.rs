//! Who has whom after each way of leaving, by line class.

use crate::line::Line;

fn answered(selector: &str) -> Line {
    let mut line = Line::open(selector);
    line.answer();
    line
}

const US: &str = "sim/us?scenario=incoming&clock=virtual";

#[test]
fn hanging_up_when_the_target_has_answered_connects_the_two_and_they_talk_to_their_end() {
    let mut line = answered(US);
    line.consult(600, "5550100");
    line.until("5550100 answers", 15);
    line.run(2000);
    line.on_hook();
    line.until("connects 5551234 and 5550100", 3);
    line.run(100);
    assert_eq!(line.condition("5551234"), "talking with 5550100");
    assert_eq!(line.condition("5550100"), "talking with 5551234");
    line.until("5551234 hangs up", 100);
    line.until("5550100 hangs up", 1);
    assert!(line.lost().is_empty());
    // and our line is free for the next call
    line.off_hook();
    line.until("tone dial", 3);
}

#[test]
fn hanging_up_while_the_target_rings_leaves_it_ringing_and_it_gets_the_caller() {
    let mut line = answered(US);
    line.consult(600, "5550100");
    line.until("5550100 rings", 3);
    line.run(1000);
    line.on_hook();
    line.until("connects", 3);
    assert_eq!((line.condition("5551234"), line.condition("5550100")), ("calling".into(), "ringing".into()));
    line.until("5550100 talks with 5551234", 15);
    assert!(line.lost().is_empty());
}

#[test]
fn a_cold_transferred_target_that_never_answers_brings_the_caller_back_to_us() {
    let mut line = answered(US);
    line.consult(600, "5550102");
    line.until("5550102 rings", 3);
    line.run(1000);
    line.on_hook();
    let left = line.until("connects", 3);
    let back = line.until("recalls us for 5551234", 30);
    assert_eq!(back.since(left).as_secs(), 20);
    assert_eq!(line.condition("5550102"), "idle");
    line.run(1000);
    line.off_hook();
    line.until("5551234 talks with us", 2);
    assert!(line.level(3000) > -35.0);
    assert!(line.lost().is_empty());
}

#[test]
fn a_caller_brought_back_whom_nobody_answers_is_lost() {
    let mut line = answered(US);
    line.consult(600, "5550102");
    line.until("5550102 rings", 3);
    line.on_hook();
    line.until("5551234 is lost: handed on, and not taken back", 100);
    assert_eq!(line.lost(), ["5551234"]);
}

#[test]
fn hanging_up_on_a_busy_target_drops_the_caller() {
    for number in ["5550101", "5550104", "5550105"] {
        let mut line = answered(US);
        line.consult(600, number);
        line.run(4000);
        line.on_hook();
        line.until("5551234 is lost: dropped while on hold", 3);
        assert_eq!(line.lost(), ["5551234"]);
    }
}

#[test]
fn on_a_line_that_recalls_hanging_up_on_a_busy_target_rings_us_with_the_caller() {
    let mut line = answered("sim/us?scenario=recalls&clock=virtual");
    line.consult(600, "5550101");
    line.until("tone busy", 3);
    line.on_hook();
    line.until("recalls us for 5551234", 5);
    line.run(2500);
    line.off_hook();
    line.until("5551234 talks with us", 2);
    assert!(line.lost().is_empty());
}

#[test]
fn hanging_up_at_the_recall_tone_drops_the_caller() {
    let mut line = answered(US);
    line.flash(600);
    line.until("tone recall-dial", 3);
    line.on_hook();
    line.run(2000);
    assert_eq!(line.lost(), ["5551234"]);
}

#[test]
fn where_the_three_way_call_dies_with_our_hang_up_everybody_is_lost() {
    let mut line = answered("sim/us?scenario=three-way-dies&clock=virtual");
    line.consult(600, "5550100");
    line.until("5550100 answers", 15);
    line.run(1000);
    line.on_hook();
    line.run(2000);
    assert_eq!(line.lost(), ["5551234", "5550100"]);
}

#[test]
fn leaving_a_conference_keeps_the_other_two_together() {
    let mut line = answered(US);
    line.consult(600, "5550100");
    line.until("5550100 answers", 15);
    line.flash(600);
    line.until("conference", 1);
    line.on_hook();
    line.run(2000);
    assert_eq!(line.condition("5551234"), "talking with 5550100");
}

#[test]
fn r4_connects_the_two_and_our_line_hears_that_its_call_is_over() {
    for (country, r) in [("de", 250), ("se", 100)] {
        let mut line = answered(&format!("sim/{country}?scenario=incoming&clock=virtual"));
        line.consult(r, "5550100");
        line.until("5550100 answers", 15);
        line.run(1000);
        line.r(r, "4");
        assert_eq!(line.condition("5551234"), "talking with 5550100", "{country}");
        line.until("tone disconnect", 2);
        line.on_hook();
        line.run(1000);
        assert!(line.lost().is_empty());
    }
}

#[test]
fn r4_is_refused_while_the_target_rings_where_the_country_does_not_allow_it() {
    let mut line = answered("sim/de?scenario=incoming&clock=virtual");
    line.consult(250, "5550102");
    line.until("5550102 rings", 3);
    line.run(500);
    line.r(250, "4");
    line.until("does not offer R4 here", 1);
    assert_eq!(line.condition("5551234"), "on hold");
    assert_eq!(line.condition("5550102"), "ringing");
    line.r(250, "1");
    assert_eq!(line.condition("5551234"), "talking with us");
}

#[test]
fn hanging_up_with_a_held_party_where_only_r4_transfers_drops_it() {
    let mut line = answered("sim/de?scenario=incoming&clock=virtual");
    line.consult(250, "5550100");
    line.until("5550100 answers", 15);
    line.on_hook();
    line.run(2000);
    assert_eq!(line.lost(), ["5551234"]);
    assert_eq!(line.condition("5550100"), "released");
}

#[test]
fn who_talks_with_somebody_else_is_busy_for_us() {
    let mut line = answered(US);
    line.consult(600, "5550100");
    line.until("5550100 answers", 15);
    line.on_hook();
    line.until("connects", 3);
    line.run(3000);
    line.call("5550100");
    line.until("tone busy", 3);
}

#[test]
fn the_target_that_hangs_up_after_3_s_does_so_also_when_it_has_the_caller() {
    let mut line = answered(US);
    line.consult(600, "5550106");
    line.until("5550106 answers", 15);
    line.run(500);
    line.on_hook();
    line.until("5550106 hangs up", 5);
    line.until("5551234 hangs up", 1);
    assert!(line.lost().is_empty());
}

#[test]
fn an_extension_flashes_with_its_pbx_s_window_and_hanging_up_transfers_in_every_country() {
    // the recall windows that the tables have for PBXes: 60 to 150 ms in Germany, 160 to 1500 in North America
    for (country, flash) in [("us", 200), ("de", 100)] {
        let mut line = answered(&format!("sim/{country}?scenario=pbx-extension&clock=virtual"));
        line.consult(flash, "202");
        line.until("tone busy", 3);
        line.flash(flash);
        line.run(200);
        assert_eq!(line.condition("5551234"), "talking with us", "{country}: a flash alone goes back");
        line.consult(flash, "201");
        line.until("201 rings", 3);
        line.run(500);
        line.on_hook();
        line.until("201 talks with 5551234", 20);
        assert!(line.lost().is_empty());

        let mut line = answered(&format!("sim/{country}?scenario=pbx-extension&clock=virtual"));
        line.consult(flash, "202");
        line.until("tone busy", 3);
        line.on_hook();
        line.until("recalls us for 5551234", 5);
        assert!(line.lost().is_empty());
    }
}

#[test]
fn a_target_that_hangs_up_before_it_is_handed_the_caller_leaves_it_on_hold() {
    let mut line = answered("sim/us?scenario=fickle-target&clock=virtual");
    line.consult(600, "5550201");
    line.until("5550201 hangs up", 15);
    line.until("tone disconnect", 3);
    assert_eq!(line.condition("5551234"), "on hold");
    line.flash(600);
    line.run(300);
    assert_eq!(line.condition("5551234"), "talking with us");
}
