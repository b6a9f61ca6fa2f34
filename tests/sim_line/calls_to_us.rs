use crate::line::Line;
use tipring::event::Signal;

#[test]
fn the_incoming_call_rings_after_a_second_with_the_country_s_cadence() {
    let mut line = Line::open("sim/us?scenario=incoming&clock=virtual");
    let at = line.until("5551234 calls us", 3);
    assert_eq!(at.as_ms(), 1000);
    line.run(13_000);
    let times = |s: Signal| line.signals.iter().filter(|(_, x)| *x == s).map(|(t, _)| t.as_ms()).collect::<Vec<_>>();
    let (on, off) = (times(Signal::RingBegin), times(Signal::RingEnd));
    assert_eq!((on.len(), off.len()), (3, 2), "{on:?} {off:?}");
    for (i, (on, off)) in on.iter().zip(&off).enumerate() {
        let due = 1000 + 6000 * i as u64;
        assert!((due + 20..=due + 80).contains(on), "{on}");
        assert!((due + 2020..=due + 2080).contains(off), "{off}");
    }
}

#[test]
fn caller_id_is_sent_between_the_first_two_rings_in_north_america() {
    let mut line = Line::open("sim/us?scenario=incoming&clock=virtual");
    let ring = line.until("ring us", 3);
    let data = line.until("sends caller-id by Bell 202", 5);
    assert_eq!(data.since(ring).as_millis(), 2560, "{}", line.story());
    line.audio.clear();
    line.run(1000);
    assert!(tipring::dsp::level::dbm0(&line.audio) > -22.0);
}

#[test]
fn in_the_uk_the_line_is_reversed_and_alerted_before_it_rings() {
    let mut line = Line::open("sim/gb?scenario=incoming&clock=virtual");
    line.until("reverses the line", 3);
    line.until("sends dual-tone alert", 1);
    assert!(line.share(&[2130.0, 2750.0], 90) > 0.8);
    line.until("sends caller-id by V.23", 1);
    line.until("reverses the line back", 3);
    line.until("ring us", 1);
    line.run(200);
    let order: Vec<_> = line.signals.iter().map(|(_, s)| s.clone()).collect();
    assert_eq!(order[..3], [Signal::Reversal, Signal::Reversal, Signal::RingBegin]);
}

#[test]
fn in_germany_v23_follows_the_first_ring_and_in_sweden_dtmf_comes_before_it() {
    let mut line = Line::open("sim/de?scenario=incoming&clock=virtual");
    line.until("ring us", 3);
    line.until("sends caller-id by V.23", 3);
    let mut line = Line::open("sim/se?scenario=incoming&clock=virtual");
    line.until("sends caller-id by DTMF", 2);
    line.until("ring us", 4);
}

#[test]
fn the_caller_s_number_can_be_heard_by_a_dtmf_receiver_in_sweden() {
    use tipring::clock::Time;
    use tipring::dsp::dtmf::Receiver;
    use tipring::event::Heard;
    let mut line = Line::open("sim/se?scenario=incoming&clock=virtual");
    line.until("ring us", 6);
    let mut heard = Vec::new();
    Receiver::new(Time::ZERO).feed(&line.audio, &mut heard);
    let digits: String = heard
        .iter()
        .filter_map(|h| match h {
            Heard::Digit { digit, .. } => Some(digit.as_char()),
            _ => None,
        })
        .collect();
    assert_eq!(digits, "A5551234C");
}

#[test]
fn an_answered_caller_speaks_and_hears_us_until_somebody_hangs_up() {
    let mut line = Line::open("sim/us?scenario=incoming&clock=virtual");
    line.answer();
    assert_eq!(line.condition("5551234"), "talking with us");
    assert!(line.level(4000) > -35.0);
    assert!(line.saw("sees off-hook: answered"));
    line.on_hook();
    line.until("5551234 is released", 3);
    assert!(line.lost().is_empty());
}

#[test]
fn ringing_stops_at_once_when_we_answer_in_a_burst() {
    let mut line = Line::open("sim/us?scenario=incoming&clock=virtual");
    line.until("ring us", 3);
    line.run(500);
    line.off_hook();
    line.run(10_000);
    let rings: Vec<_> = line.signals.iter().filter(|(_, s)| *s == Signal::RingBegin).collect();
    assert_eq!(rings.len(), 1);
    let end = line.signal_at(Signal::RingEnd).unwrap();
    assert!((1540..1700).contains(&end.as_ms()), "{end}");
    assert!(!line.saw("caller-id"));
}

#[test]
fn a_caller_whom_nobody_answers_hangs_up_after_his_rings() {
    let text = "[[call]]\nat_s = 1\nfrom = '5551234'\nrings = 3\n";
    let mut line = Line::scripted("us", text, 1);
    let ring = line.until("ring us", 3);
    let gone = line.until("5551234 hangs up", 30);
    assert!((14_000..18_000).contains(&gone.since(ring).as_millis()));
    let count = |l: &Line| l.signals.iter().filter(|(_, s)| *s == Signal::RingBegin).count();
    line.run(100);
    let rings = count(&line);
    line.run(20_000);
    assert_eq!((rings, count(&line)), (3, 3));
    assert_eq!(line.condition("5551234"), "hung up");
}

#[test]
fn a_caller_finds_us_busy_while_we_are_off_hook() {
    let mut line = Line::open("sim/us?scenario=incoming&clock=virtual");
    line.off_hook();
    line.until("5551234 hears busy", 3);
    line.until("5551234 hangs up", 6);
}

#[test]
fn a_withheld_number_is_not_sent() {
    let with = "[[call]]\nat_s = 1\nfrom = '5551234'\nname = 'ALICE EXAMPLE'\n";
    let without = format!("{with}withheld = true\n");
    let data = |text: &str| {
        let mut line = Line::scripted("us", text, 1);
        line.until("sends caller-id", 6);
        line.audio.clear();
        line.run(1500);
        // 1200 Hz and above: the burst's length tells how much was sent
        line.audio.chunks(160).filter(|c| tipring::dsp::level::dbm0(c) > -30.0).count()
    };
    assert!(data(&without) + 5 < data(with));
}

#[test]
fn a_caller_who_says_how_long_he_talks_hangs_up_then() {
    let text = "[[call]]\nat_s = 1\nfrom = '5551234'\nhangs_up_after_s = 6\n";
    let mut line = Line::scripted("us", text, 1);
    line.until("ring us", 3);
    line.run(3000);
    line.off_hook();
    let talks = line.until("talks with us", 2);
    let gone = line.until("5551234 hangs up", 8);
    assert_eq!(gone.since(talks).as_millis() / 20, 6000 / 20);
    line.until("forward-disconnect", 3);
}

#[test]
fn in_japan_a_set_lifts_for_the_number_hangs_up_and_is_rung() {
    use tipring::dsp::fsk::{Data, Demodulator};
    let text = "[line]\nnumber_display = true\n[[call]]\nat_s = 1\nfrom = '0355501234'\n";
    let mut line = Line::scripted("jp", text, 1);
    line.until("reverses the line", 2);
    line.until("ring us", 2);
    line.run(1500);
    line.off_hook();
    line.until("sends the number first", 1);
    line.until("sends caller-id by V.23 (number display)", 1);
    line.audio.clear();
    line.run(1200);
    let mut bytes = Vec::new();
    Demodulator::new().feed(&line.audio, |_, data| {
        if let Data::Byte(b) = data {
            bytes.push(b & 0x7F);
        }
    });
    assert_eq!(bytes.get(9..19), Some(&b"0355501234"[..]), "{bytes:x?}");
    line.on_hook();
    line.until("the number was taken", 3);
    assert_eq!(line.condition("0355501234"), "calling");
    line.until("ring us", 2);
    line.run(1500);
    line.off_hook();
    line.until("0355501234 talks with us", 1);
}

#[test]
fn in_japan_a_set_that_does_not_lift_for_the_number_is_rung_and_one_that_stays_has_answered() {
    let text = "[line]\nnumber_display = true\n[[call]]\nat_s = 1\nfrom = '0355501234'\n";
    let mut line = Line::scripted("jp", text, 1);
    let asked = line.until("ring us", 3);
    let rung = line.until("ring us", 8);
    assert_eq!(rung.since(asked).as_millis() / 100, 62);
    line.run(1500);
    line.off_hook();
    line.until("sees off-hook: answered", 1);

    let mut line = Line::scripted("jp", text, 1);
    line.until("ring us", 3);
    line.run(1000);
    line.off_hook();
    line.until("takes it for an answer", 10);
    line.until("0355501234 talks with us", 1);
    line.on_hook();
    line.until("0355501234 is released", 3);
}
