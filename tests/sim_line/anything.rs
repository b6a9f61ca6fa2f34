//! Whatever a hand does on the telephone, the exchange keeps its books: nobody is in two calls, and when we have hung
//! up and everybody is through, nobody is left in any.

use crate::line::Line;
use proptest::prelude::*;
use tipring::driver::sim::census::{Census, Condition, With};

#[derive(Clone, Debug)]
enum Act {
    Lift,
    HangUp,
    Flash(u64),
    Dial(&'static str),
    Wait(u64),
}

fn act() -> impl Strategy<Value = Act> {
    let numbers = prop::sample::select(vec![
        "5550100",
        "5550101",
        "5550102",
        "5550103",
        "5550104",
        "5550105",
        "5550106",
        "5550110",
        "5550113",
        "5551234",
        "0",
        "1",
        "2",
        "3",
        "4",
        "55",
        "#",
        "5559999",
        "5550201",
        "201",
        "*725550100",
        "*73",
        "*21*5550100#",
        "#21#",
        "D",
    ]);
    prop_oneof![
        2 => Just(Act::Lift),
        1 => Just(Act::HangUp),
        3 => prop::sample::select(vec![20, 70, 100, 250, 305, 600, 1090, 1300]).prop_map(Act::Flash),
        4 => numbers.prop_map(Act::Dial),
        4 => (0u64..15_000).prop_map(Act::Wait),
    ]
}

fn books_are_right(census: &Census, story: &dyn Fn() -> String) {
    let mut with_us = 0;
    for (number, condition) in &census.0 {
        match condition {
            Condition::Talking(With::Us) => with_us += 1,
            Condition::Talking(With::Party(other)) => {
                let there = census.of(other);
                assert_eq!(there, Some(&Condition::Talking(With::Party(number.clone()))), "{other}\n{}", story());
            }
            Condition::Talking(With::Both(other)) => {
                let there = census.of(other);
                assert_eq!(there, Some(&Condition::Talking(With::Both(number.clone()))), "{other}\n{}", story());
            }
            _ => {}
        }
    }
    assert!(with_us <= 1, "{with_us} parties talk with us\n{}", story());
}

/// 60 hands, or as many as `PROPTEST_CASES` says.
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn nobody_is_in_two_calls_and_nobody_is_left_in_one(
        country in prop::sample::select(vec!["us", "gb", "de", "se"]),
        scenario in prop::sample::select(vec![
            "incoming", "recalls", "three-way-dies", "impatient-caller", "call-waiting", "pbx-extension", "glare",
            "flash-ignored", "flash-hangs-up", "unplugged", "fickle-target",
        ]),
        seed in any::<u32>(),
        acts in prop::collection::vec(act(), 1..25),
    ) {
        let mut line = Line::open(&format!("sim/{country}?clock=virtual&scenario={scenario}&seed={seed}"));
        let mut lifted = false;
        for act in acts {
            match act {
                Act::Lift => line.off_hook(),
                Act::HangUp => line.on_hook(),
                Act::Flash(ms) if lifted => line.flash(ms),
                Act::Flash(ms) => line.run(ms),
                Act::Dial(digits) => line.dial(digits),
                Act::Wait(ms) => line.run(ms),
            }
            match act {
                Act::Lift => lifted = true,
                Act::HangUp => lifted = false,
                _ => {}
            }
            let census = line.port.exchange().census();
            books_are_right(&census, &|| line.story());
        }
        line.on_hook();
        // a party to be rung back to us is on hold until our line is free, and then up to five seconds
        line.run(10_000);
        let census = line.port.exchange().census();
        books_are_right(&census, &|| line.story());
        let ours = |c: &Condition| matches!(c, Condition::Talking(With::Us | With::Both(_)) | Condition::OnHold);
        prop_assert!(!census.0.iter().any(|(_, c)| ours(c)), "{census}{}", line.story());
        // recall ringing, last words, callers who give up
        line.run(300_000);
        let census = line.port.exchange().census();
        prop_assert!(census.0.iter().all(|(_, c)| c.is_free()), "{census}{}", line.story());
    }
}
