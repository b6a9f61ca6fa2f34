//! The pair as a port hears it, asked for in a port's name and in a scenario.

use crate::line::Line;

/// The same options both ways.
fn both(query: &str, pair: &str) -> [Line; 2] {
    let named = Line::open(&format!("sim/us?clock=virtual&{query}"));
    [named, Line::scripted("us", &format!("[pair]\n{pair}\n"), 1)]
}

/// In a call with the milliwatt: its level, and what is left when it is taken away.
fn milliwatt(line: &mut Line) {
    line.call("5550109");
    line.until("sends a tone", 15);
    line.run(700);
}

#[test]
fn loss_takes_from_the_level_of_what_is_heard() {
    for mut line in both("loss_db=12", "loss_db = 12.0") {
        milliwatt(&mut line);
        let level = line.level(1000);
        assert!((level + 22.0).abs() < 0.3, "{level}");
    }
}

#[test]
fn noise_has_its_level_on_an_idle_line() {
    for mut line in both("noise_dbm0=-48", "noise_dbm0 = -48") {
        let level = line.level(2000);
        assert!((level + 48.0).abs() < 0.5, "{level}");
    }
}

#[test]
fn hum_is_that_of_the_country_s_mains_or_as_said() {
    for (selector, hz) in [
        ("sim/us?clock=virtual&noise_dbm0=-99&hum_dbm0=-40", 60.0),
        ("sim/de?clock=virtual&noise_dbm0=-99&hum_dbm0=-40", 50.0),
        ("sim/br?clock=virtual&noise_dbm0=-99&hum_dbm0=-40", 60.0),
        ("sim/us?clock=virtual&noise_dbm0=-99&hum_dbm0=-40&hum_hz=50", 50.0),
        ("sim/us?clock=virtual&noise_dbm0=-99&hum_hz=60", 60.0),
    ] {
        let mut line = Line::open(selector);
        let level = line.level(1000);
        let wanted = if selector.contains("hum_dbm0") { -39.0 } else { -44.0 };
        assert!((level - wanted).abs() < 0.5, "{selector}: {level}");
        // whole periods of either in 100 ms
        let power = |hz: f64| {
            let block = &line.audio[..800];
            let part = |f: fn(f64) -> f64| {
                let phase = |i: usize| std::f64::consts::TAU * hz * i as f64 / 8000.0;
                block.iter().enumerate().map(|(i, s)| f64::from(*s) * f(phase(i))).sum::<f64>().powi(2)
            };
            part(f64::cos) + part(f64::sin)
        };
        let other = if hz == 50.0 { 60.0 } else { 50.0 };
        assert!(power(hz) > 100.0 * power(other), "{selector}");
    }
}

#[test]
fn the_hybrid_gives_our_own_words_back_weaker() {
    for mut line in both("echo_loss_db=10&loss_db=0&noise_dbm0=-99", "echo_loss_db = 10\nloss_db = 0\nnoise_dbm0 = -99")
    {
        line.call("5550112");
        line.until("5550112 answers", 15);
        line.run(500);
        line.audio.clear();
        line.speak(2000);
        let level = tipring::dsp::level::dbm0(&line.audio);
        assert!((-30.0..-20.0).contains(&level), "{level}");
    }
}

#[test]
fn a_delay_comes_twice_into_what_the_echo_test_says_back() {
    let round = |delay: &str| {
        let mut line = Line::open(&format!("sim/us?clock=virtual&echo_loss_db=60&noise_dbm0=-99&{delay}"));
        line.call("5550111");
        line.until("5550111 answers", 15);
        line.run(1000);
        line.audio.clear();
        line.dial("5");
        line.run(1000);
        line.audio.iter().position(|s| s.unsigned_abs() > 200).unwrap() as i64 / 8
    };
    let (short, long) = (round("delay_ms=0"), round("delay_ms=150"));
    assert!((long - short - 300).abs() <= 1, "{short} ms, {long} ms");
}

#[test]
fn clicks_and_bursts_come_by_chance_and_a_burst_of_the_scenario_at_its_time() {
    let count = |line: &mut Line| {
        line.audio.clear();
        line.run(120_000);
        let loud: Vec<bool> = line.audio.chunks(80).map(|c| c.iter().any(|s| s.unsigned_abs() > 1000)).collect();
        loud.windows(2).filter(|w| !w[0] && w[1]).count()
    };
    for mut line in both("clicks_per_minute=15", "clicks_per_minute = 15") {
        assert!((25..=35).contains(&count(&mut line)));
    }
    let asked = "bursts_per_minute=5&burst_ms=400&burst_dbm0=-15";
    for mut line in both(asked, &asked.replace('&', "\n")) {
        assert!((8..=12).contains(&count(&mut line)));
    }
    let mut line = Line::scripted("us", "[[burst]]\nat_s = 2\nlasts_ms = 300\ndbm0 = -20\n", 1);
    line.run(2000);
    assert!((line.level(300) + 20.0).abs() < 1.0);
    assert!(line.level(500) < -60.0);
}

#[test]
fn a_digit_is_taken_through_a_bad_pair() {
    let mut line = Line::open("sim/us?scenario=noisy-line&clock=virtual");
    line.call("5550101");
    line.until("tone busy", 3);
}
