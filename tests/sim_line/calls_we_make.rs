use crate::line::Line;
use tipring::clock::Time;
use tipring::event::Signal;

fn us() -> Line {
    Line::open("sim/us?clock=virtual&noise_dbm0=-90")
}

#[test]
fn dial_tone_comes_after_off_hook_in_the_country_s_frequencies() {
    for (country, hz) in [("us", &[350.0, 440.0][..]), ("gb", &[350.0, 440.0]), ("de", &[425.0]), ("se", &[425.0])] {
        let mut line = Line::open(&format!("sim/{country}?clock=virtual"));
        line.run(500);
        assert!(line.level(200) < -60.0, "{country}: an idle line is quiet");
        line.off_hook();
        let at = line.until("tone dial", 2);
        assert!((Time::ms(900)..Time::ms(1700)).contains(&at), "{country}: {at}");
        line.run(100);
        let share = line.share(hz, 1000);
        assert!(share > 0.95, "{country}: {share}");
    }
}

#[test]
fn dial_tone_stops_at_the_first_digit() {
    let mut line = us();
    line.off_hook();
    line.until("tone dial", 2);
    line.run(300);
    line.dial("5");
    line.run(100);
    assert!(line.level(500) < -60.0);
}

#[test]
fn who_does_not_dial_hears_reorder_then_the_howler() {
    let mut line = us();
    line.off_hook();
    let dial = line.until("tone dial", 2);
    let reorder = line.until("tone reorder", 20);
    assert_eq!(reorder.since(dial).as_secs(), 16);
    let share = line.share(&[480.0, 620.0], 5000);
    assert!(share > 0.9, "{share}");
    let words = line.until("announcement", 25);
    assert_eq!(words.since(reorder).as_secs(), 20);
    line.until("tone howler", 25);
    line.run(100);
    let share = line.share(&[1400.0, 2060.0, 2450.0, 2600.0], 2000);
    // bursts of 100 ms begin in the middle of the blocks that are looked at
    assert!(share > 0.7, "{share}");
    line.run(40_000);
    assert!(line.level(5000) < -60.0, "in the end the line is left alone");
}

#[test]
fn where_no_howler_is_known_the_line_falls_silent_after_reorder_and_a_scenario_says_otherwise() {
    let mut line = Line::open("sim/se?clock=virtual");
    line.off_hook();
    line.until("tone reorder", 20);
    line.run(20_500);
    assert!(line.level(5000) < -60.0);
    assert!(!line.saw("tone howler"));
    let text = "[line]\nfirst_digit_s = 5\npermanent_signal = ['busy', 'announcement', 'howler']\n";
    let mut line = Line::scripted("se", text, 1);
    line.off_hook();
    let dial = line.until("tone dial", 2);
    let busy = line.until("tone busy", 10);
    assert_eq!(busy.since(dial).as_secs(), 5);
    line.until("announcement", 25);
    line.until("tone howler", 10);
}

#[test]
fn digits_in_pulses_are_counted_from_the_breaks_and_the_inter_digit_time_runs_from_the_last() {
    let mut line = us();
    line.off_hook();
    line.until("tone dial", 2);
    line.pulse("9073");
    let digits: Vec<String> = line.trace.iter().map(|r| r.to_string()).filter(|r| r.contains("digit ")).collect();
    let digits: String = digits.iter().filter_map(|d| d.chars().last()).collect();
    assert_eq!(digits, "9073");
    let last = line.trace.iter().rfind(|r| r.what == "digit 3").unwrap().at;
    let reorder = line.until("tone reorder", 12);
    assert_eq!(reorder.since(last).as_secs(), 8);
}

#[test]
fn dial_tone_stutters_when_a_message_waits_and_the_telephone_is_told_when_it_is_on_hook() {
    use tipring::dsp::caller_id::Receiver;
    use tipring::event::Event;
    for country in ["us", "de"] {
        let mut line = Line::scripted(country, "[line]\nmessage_waiting_at_s = 3\n", 1);
        line.off_hook();
        line.until("tone dial", 2);
        line.run(3000);
        assert!(!line.saw("a message is waiting"), "no data goes to a telephone in use");
        line.on_hook();
        line.until("sends message-waiting indication", 4);
        line.audio.clear();
        line.run(2000);
        let mut heard = Vec::new();
        Receiver::new().feed(&line.audio, &mut heard);
        assert_eq!(heard, [Event::MessageWaiting(true)], "{country}");
        line.off_hook();
        line.until("tone stutter-dial", 2);
    }
}

#[test]
fn stutter_dial_tone_is_broken_at_its_beginning_in_north_america() {
    let mut line = Line::scripted("us", "[line]\nstutter = true\n[pair]\nnoise_dbm0 = -99\n", 1);
    line.off_hook();
    line.until("tone stutter-dial", 2);
    line.audio.clear();
    line.run(2500);
    let silent = |ms: usize| tipring::dsp::level::dbm0(&line.audio[ms * 8..ms * 8 + 160]) < -60.0;
    assert!((0..11).filter(|i| silent(100 * i + 40)).count() >= 5, "six bursts with gaps");
    assert!(!silent(1500) && !silent(1540) && !silent(1600));
}

#[test]
fn polarity_tells_of_the_answer_where_the_line_has_that_and_is_put_back_at_the_end() {
    let mut line = Line::scripted("us", "[line]\nanswer_reversal = true\n", 1);
    line.call("5550106");
    line.run(1000);
    assert_eq!(line.signal_at(Signal::Reversal), None);
    let answers = line.until("5550106 answers", 15);
    line.run(200);
    let reversed = line.signal_at(Signal::Reversal).unwrap();
    assert!((64..=84).contains(&reversed.since(answers).as_millis()), "{:?}", reversed.since(answers));
    line.until("reverses the line back", 5);
    line.run(200);
    assert_eq!(line.signals.iter().filter(|(_, s)| *s == Signal::Reversal).count(), 2);
}

#[test]
fn behind_a_pbx_numbers_outside_take_a_prefix_and_a_second_dial_tone() {
    let text = "[line]\nclass = 'pbx-extension'\noutside_line = '9'\n[[subscriber]]\nnumber = '201'\ndoes = 'speaks'\n";
    let mut line = Line::scripted("us", text, 1);
    line.call("201");
    line.until("201 rings", 3);
    let mut line = Line::scripted("us", text, 1);
    line.off_hook();
    line.until("tone dial", 2);
    line.dial("9");
    line.until("tone second-dial", 1);
    assert!(line.level(500) > -25.0);
    line.dial("5550101");
    line.until("tone busy", 3);
    let mut line = Line::scripted("us", text, 1);
    line.off_hook();
    line.until("tone dial", 2);
    line.dial("5550101");
    line.until("tone sit", 3);
    assert!(!line.saw("tone busy"), "no number of the network without the prefix");
}

#[test]
fn a_number_broken_off_hears_reorder_after_the_inter_digit_time() {
    let mut line = us();
    line.off_hook();
    line.until("tone dial", 2);
    line.run(200);
    line.dial("55501");
    let last = line.until("digit 1", 1);
    let reorder = line.until("tone reorder", 12);
    assert_eq!(reorder.since(last).as_secs(), 8);
}

#[test]
fn the_subscriber_answers_after_two_rings_and_speaks() {
    let mut line = us();
    line.call("5550100");
    let rings = line.until("5550100 rings", 3);
    line.run(100);
    assert!(line.share(&[440.0, 480.0], 1500) > 0.95);
    let answers = line.until("5550100 answers", 15);
    assert!((8_000..10_000).contains(&(answers.since(rings).as_millis())), "{:?}", answers.since(rings));
    assert!(line.level(1500) > -35.0, "speech");
    assert_eq!(line.condition("5550100"), "talking with us");
    line.on_hook();
    line.until("5550100 is released", 3);
    assert!(line.lost().is_empty());
}

#[test]
fn a_number_may_be_dialled_in_pulses() {
    for country in ["us", "se"] {
        let mut line = Line::open(&format!("sim/{country}?clock=virtual"));
        line.off_hook();
        line.until("tone dial", 2);
        line.run(200);
        line.pulse("5550101");
        line.until("routes 5550101", 2);
        line.until("tone busy", 2);
    }
}

#[test]
fn refusals_are_heard_as_each_country_s_tones() {
    for (number, tone) in [("5550101", "tone busy"), ("5550105", "tone reorder"), ("5550104", "tone sit")] {
        for country in ["us", "gb", "de", "se"] {
            let mut line = Line::open(&format!("sim/{country}?clock=virtual"));
            line.call(number);
            line.until(tone, 3);
        }
    }
    let mut line = us();
    line.call("5550101");
    line.until("tone busy", 3);
    line.run(20);
    assert!(line.share(&[480.0, 620.0], 3000) > 0.9);
}

#[test]
fn a_number_out_of_service_and_one_that_does_not_exist_get_the_three_tones_and_words() {
    for number in ["5550104", "5559876"] {
        let mut line = us();
        line.call(number);
        line.until("tone sit", 3);
        let share = line.share(&[950.0, 1400.0, 1800.0], 980);
        assert!(share > 0.9, "{share}");
        line.until("announcement", 2);
        assert!(line.level(2000) > -35.0);
    }
}

#[test]
fn the_one_who_rejects_rings_once_and_is_reorder_then() {
    let mut line = us();
    line.call("5550103");
    let rings = line.until("5550103 rings", 3);
    let rejects = line.until("5550103 rejects", 10);
    assert!((2_000..4_000).contains(&rejects.since(rings).as_millis()));
    line.until("tone reorder", 1);
}

#[test]
fn the_one_who_never_answers_rings_for_minutes() {
    let mut line = us();
    line.call("5550102");
    line.until("5550102 rings", 3);
    line.run(120_000);
    assert_eq!(line.condition("5550102"), "ringing");
    line.on_hook();
    line.until("5550102 stops ringing", 3);
}

#[test]
fn who_hangs_up_on_us_is_told_by_forward_disconnect_in_north_america_and_a_tone_elsewhere() {
    let mut line = us();
    line.call("5550106");
    let answers = line.until("5550106 answers", 10);
    let gone = line.until("5550106 hangs up", 5);
    assert_eq!(gone.since(answers).as_millis(), 3000);
    line.until("forward-disconnect 500ms", 2);
    line.until("tone dial", 3);
    let (lost, back) = (line.signal_at(Signal::BatteryLost).unwrap(), line.signal_at(Signal::BatteryBack).unwrap());
    assert_eq!(back.since(lost).as_millis(), 500);

    for country in ["gb", "de", "se"] {
        let mut line = Line::open(&format!("sim/{country}?clock=virtual"));
        line.call("5550106");
        line.until("5550106 hangs up", 15);
        line.until("tone disconnect", 2);
        if country == "de" {
            line.until("tone howler", 40);
        } else {
            line.run(32_000);
            assert!(line.level(1000) < -60.0, "{country}: no howler is known");
        }
        assert_eq!(line.signal_at(Signal::BatteryLost), None);
    }
}

#[test]
fn the_answering_machine_greets_beeps_and_listens() {
    let mut line = us();
    line.call("5550107");
    line.until("5550107 answers", 15);
    assert!(line.level(4500) > -35.0);
    line.until("sends a tone", 3);
    assert!(line.share(&[1000.0], 480) > 0.95);
    line.run(100);
    assert!(line.level(5000) < -60.0);
}

#[test]
fn the_fax_answers_with_2100_hz_for_about_three_seconds() {
    let mut line = us();
    line.call("5550108");
    line.until("sends a tone", 15);
    assert!(line.share(&[2100.0], 2600) > 0.95);
    line.run(1500);
    assert!(line.level(1000) < -60.0);
}

#[test]
fn the_milliwatt_line_sends_1004_hz_at_10_below_and_the_pair_takes_its_loss() {
    let mut line = us();
    line.call("5550109");
    line.until("sends a tone", 15);
    line.run(100);
    let level = line.level(1000);
    assert!((level + 13.0).abs() < 0.3, "{level}");
    assert!(line.share(&[1004.0], 2000) > 0.99);
}

#[test]
fn the_one_who_calls_back_does_so_when_we_have_hung_up() {
    let mut line = us();
    line.call("5550110");
    line.until("5550110 answers", 10);
    line.run(3000);
    line.on_hook();
    let released = line.until("5550110 is released", 3);
    let calls = line.until("5550110 calls us", 10);
    assert!((3_000..=6_000).contains(&calls.since(released).as_millis()));
    line.run(300);
    assert!(line.signal_at(Signal::RingBegin).is_some());
    line.off_hook();
    line.until("5550110 talks with us", 2);
}

#[test]
fn the_echo_test_says_what_we_say() {
    let mut line = Line::open("sim/us?clock=virtual&echo_loss_db=60");
    line.call("5550111");
    line.until("5550111 answers", 10);
    line.run(200);
    assert!(line.level(1000) < -60.0);
    line.audio.clear();
    line.dial("5");
    line.run(100);
    assert!(tipring::dsp::level::dbm0(&line.audio) > -25.0);
}

#[test]
fn quiet_termination_is_answered_and_silent() {
    let mut line = us();
    line.call("5550112");
    line.until("5550112 answers", 10);
    line.run(100);
    assert!(line.level(10_000) < -60.0);
    assert_eq!(line.condition("5550112"), "talking with us");
}

#[test]
fn who_is_asked_presses_a_key_and_it_is_heard_on_the_line() {
    for (number, digit, hz) in [("5550113", "presses 1", [697.0, 1209.0]), ("5550114", "presses 2", [697.0, 1336.0])] {
        let mut line = us();
        line.call(number);
        line.until("answers", 10);
        line.run(2500);
        assert!(!line.saw("presses"), "nobody has asked yet");
        line.speak(3000);
        line.until(digit, 3);
        assert!(line.share(&hz, 40) > 0.9);
    }
}

#[test]
fn the_slow_one_answers_after_20_s() {
    let mut line = us();
    line.call("5550115");
    let rings = line.until("5550115 rings", 3);
    let answers = line.until("5550115 answers", 25);
    assert_eq!(answers.since(rings).as_millis(), 20_000);
}

#[test]
fn a_scenario_s_own_subscribers_can_be_called_also_by_short_numbers() {
    let text = "[[subscriber]]\nnumber = '201'\ndoes = 'speaks'\nanswers_after_s = 3\nhangs_up_after_s = 5\n";
    let mut line = Line::scripted("us", text, 1);
    line.call("201");
    let rings = line.until("201 rings", 3);
    let answers = line.until("201 answers", 5);
    assert_eq!(answers.since(rings).as_millis(), 3000);
    let gone = line.until("201 hangs up", 6);
    assert_eq!(gone.since(answers).as_millis(), 5000);
}
