//! Service codes, as far as the exchange answers them.

use crate::line::Line;

fn code(line: &mut Line, digits: &str) {
    line.off_hook();
    line.until("dial", 3);
    line.run(300);
    line.dial(digits);
}

#[test]
fn a_code_is_confirmed_and_from_then_on_dial_tone_stutters_and_calls_go_elsewhere() {
    let call = "[[call]]\nat_s = 20\nfrom = '5551234'\n";
    for (country, on, off) in [("us", "*725550100", "*73"), ("de", "*21*5550100#", "#21#")] {
        let mut line = Line::scripted(country, call, 1);
        code(&mut line, on);
        line.until("does what the code says", 2);
        // only where the tables have such a tone; elsewhere the network speaks
        line.until(if country == "us" { "tone confirmation" } else { "announcement" }, 2);
        line.run(3000);
        line.on_hook();
        line.until("5551234 is forwarded to 5550100", 20);
        line.run(5000);
        assert!(!line.saw("ring us"), "{country}");
        line.off_hook();
        line.until("tone stutter-dial", 2);
        line.run(200);
        line.dial(off);
        line.until("does what the code says", 2);
        line.on_hook();
        line.run(2000);
        line.off_hook();
        line.until("tone dial", 2);
    }
}

#[test]
fn after_72_a_second_dial_tone_invites_to_the_number() {
    let mut line = Line::open("sim/us?clock=virtual");
    code(&mut line, "*72");
    line.until("tone second-dial", 1);
    line.run(100);
    assert!(line.share(&[350.0, 440.0], 1000) > 0.9);
    line.dial("5550100");
    line.until("tone confirmation", 2);
    line.run(40);
    assert!(line.level(60) > -30.0);
}

#[test]
fn the_network_can_be_asked_and_says_no_by_reorder() {
    let mut line = Line::open("sim/gb?clock=virtual");
    for (digits, answer) in [
        ("*#21#", "tone reorder"),
        ("*21*5550100#", "tone confirmation"),
        ("*#21#", "tone confirmation"),
        ("##21#", "tone confirmation"),
        ("*21#", "tone reorder"),
    ] {
        code(&mut line, digits);
        line.until(answer, 2);
        line.on_hook();
        line.run(2000);
    }
}

#[test]
fn confirmation_may_be_missing_spoken_or_refused_and_the_service_not_subscribed() {
    let answer = |scenario: &str| {
        let mut line = Line::scripted("us", scenario, 1);
        code(&mut line, "*725550100");
        line.run(4000);
        (line.story(), line.level(500))
    };
    let (story, level) = answer("[fault]\nno_confirmation = true\n");
    assert!(story.contains("does what") && !story.contains("confirmation") && level < -60.0, "{story}");
    let (story, level) = answer("[fault]\nconfirmation_announcement = true\n");
    assert!(story.contains("does what") && story.contains("announcement") && level > -45.0, "{story}");
    let (story, _) = answer("[fault]\ncodes_refused = true\n");
    assert!(story.contains("does not do what") && story.contains("tone reorder"), "{story}");
    let (story, _) = answer("[line]\nforwarding = false\n");
    assert!(story.contains("offers no forwarding") && story.contains("tone sit"), "{story}");
}

#[test]
fn a_code_that_is_none_leads_nowhere() {
    let mut line = Line::open("sim/us?clock=virtual");
    code(&mut line, "*99");
    line.until("the number is incomplete", 10);
    line.until("tone reorder", 1);
}
