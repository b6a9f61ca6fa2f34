//! Whatever country the facts know is an exchange that works: its tones, its ringing, its recall.

use crate::line::Line;
use tipring::driver::Port;
use tipring::facts::Facts;

#[test]
fn every_country_rings_holds_gives_busy_and_takes_the_caller_back() {
    for code in Facts::embedded().codes() {
        let country = Facts::embedded().country(code).unwrap();
        let Some(window) = country.recall.first() else { continue };
        let typical = window.typical.as_millis() as u64;
        let mut line = Line::open(&format!("sim/{code}?clock=virtual&scenario=incoming"));
        line.answer();
        assert_eq!(line.condition("5551234"), "talking with us", "{code}");
        line.consult(typical, "5550101");
        line.until("tone busy", 3);
        assert_eq!(line.condition("5551234"), "on hold", "{code}");
        line.run(1000);
        if country.transfer.back == "R" {
            line.flash(typical);
        } else {
            line.r(typical, "1");
        }
        line.run(300);
        assert_eq!(line.condition("5551234"), "talking with us", "{code}\n{}", line.story());
        line.on_hook();
        line.run(3000);
        assert!(line.lost().is_empty(), "{code}");
        let now = line.port.now();
        line.call("5550100");
        line.until("5550100 answers", 20);
        assert!(line.port.now() > now);
    }
}

#[test]
fn every_country_sends_the_caller_s_number_in_its_format_except_where_the_set_answers_first() {
    use tipring::facts::CallerIdTiming;
    for code in Facts::embedded().codes() {
        let country = Facts::embedded().country(code).unwrap();
        let Some(spec) = country.caller_id.first() else { continue };
        let mut line = Line::open(&format!("sim/{code}?clock=virtual&scenario=incoming"));
        line.until("ring us", 10);
        line.run(8000);
        let sent = line.saw("sends caller-id");
        assert_eq!(sent, spec.timing != CallerIdTiming::OffHookExchange, "{code}\n{}", line.story());
    }
}
