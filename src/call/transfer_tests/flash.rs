//! The first flash, its widths, and the tone that it brings.

use super::*;

#[test]
fn without_recall_tone_every_width_is_tried_and_the_caller_who_speaks_on_is_left_alone() {
    let speaks_on = vec![(900, speech()), (8_000, speech())];
    let exchange = Exchange { flash: [vec![], vec![], speaks_on].into(), ..Default::default() };
    let run = run(&["5550100"], true, manners(), exchange);
    assert_eq!(run.result, Transferred::FlashUnanswered);
    assert_eq!(flashes(&run), [600, 850, 450]);
}

#[test]
fn dial_tone_after_a_flash_is_a_recall_only_when_the_caller_is_heard_behind_it() {
    let dial = || vec![(900, tone(ToneKind::Dial))];
    // a hang-up to this exchange: each flash back is a call of its own again
    let exchange = Exchange { flash: [dial(), dial(), dial(), dial(), dial()].into(), ..Default::default() };
    let hung_up = run(&["5550100"], true, manners(), exchange);
    assert_eq!(hung_up.result, Transferred::PartyLost);
    assert!(!hung_up.actions.iter().any(|a| matches!(a, Action::Dial(..))), "{:?}", hung_up.actions);
    assert!(hung_up.steps.iter().any(|s| s.result.as_deref() == Some("flash taken for a hang-up")));

    // the same tone from an exchange that holds the caller: asked once, and then believed
    let answered = vec![(2_000, tone(ToneKind::Ringback)), (6_000, speech())];
    let (flash, dialled) = ([dial(), vec![(1_500, speech())], dial()].into(), [answered].into());
    let idle = [vec![(800, tone(ToneKind::Dial))]].into();
    let held =
        run(&["5550100"], true, manners(), Exchange { flash, dial: dialled, off_hook: idle, ..Default::default() });
    assert!(matches!(held.result, Transferred::Completed { .. }), "{:?} {:#?}", held.result, held.steps);
    let flashed = |run: &Run| run.actions.iter().filter(|a| matches!(a, Action::Flash(_))).count();
    assert_eq!(flashed(&held), 3);
}

#[test]
fn a_hold_without_a_tone_is_undone_until_the_caller_speaks() {
    // the exchange takes 850 ms and toggles; now and then it says a word, which is not the caller's
    let said = || vec![(600, speech())];
    let speaks_on = vec![(900, speech()), (8_000, speech())];
    let exchange = Exchange { flash: [said(), vec![], said(), vec![], speaks_on].into(), ..Default::default() };
    let run = run(&["5550100"], true, manners(), exchange);
    assert_eq!(run.result, Transferred::FlashUnanswered);
    assert_eq!(flashes(&run), [600, 850, 450, 450, 850]);
}

#[test]
fn where_no_flash_is_answered_and_nobody_speaks_nothing_is_claimed() {
    let run = run(&["5550100"], true, manners(), Exchange::default());
    assert_eq!(run.result, Transferred::FlashUnproven);
    assert_eq!(flashes(&run), [600, 850, 450, 450, 850, 600]);
}

#[test]
fn the_width_that_the_exchange_took_is_used_from_then_on() {
    let exchange =
        Exchange { flash: [vec![], recall(), caller_speaks()].into(), dial: [busy()].into(), ..Default::default() };
    let run = run(&["5550101"], true, manners(), exchange);
    let last = run.actions.iter().rev().find(|a| matches!(a, Action::Flash(_)));
    assert_eq!(last, Some(&Action::Flash(Duration::from_millis(850))));
    let named = run.steps.iter().filter_map(|s| s.result.as_deref()).find(|r| r.contains("too short"));
    assert_eq!(named, Some("600ms was too short for this exchange"));
}

#[test]
fn a_three_way_call_with_the_failed_leg_is_taken_apart_before_the_next_target() {
    // as Asterisk does it: the flash back conferences the busy leg, the next flash drops it, the one after recalls
    let exchange = Exchange {
        flash: [recall(), caller_speaks(), caller_speaks(), recall()].into(),
        dial: [busy(), answers()].into(),
        off_hook: [dial_tone()].into(),
        ..Default::default()
    };
    let run = run(&["5550101", "5550100"], true, manners(), exchange);
    assert!(matches!(run.result, Transferred::Completed { target: 1, .. }), "{:#?}", run.steps);
}

#[test]
fn a_call_that_is_to_end_takes_the_caller_off_hold_first() {
    let targets = vec![Target { name: None, number: "5550101".parse().unwrap() }];
    let plan = TransferPlan::to(targets, true, Duration::from_secs(20));
    let mut machine = Transfer::new(Time::ZERO, plan, manners());
    assert!(!machine.clone().abort(Time::ms(500)), "nobody is on hold yet");
    machine.handle_timeout(Time::secs(2));
    machine.handle(Time::ms(2_700), &Event::FlashDone);
    machine.handle(Time::ms(3_000), &tone(ToneKind::RecallDial));
    assert!(machine.abort(Time::ms(3_100)));
    // not so soon after the first one that it would be lost, or taken for a hang-up
    machine.handle_timeout(Time::ms(4_700));
    assert_eq!(machine.poll_timeout(), Some(Time::ms(4_800)));
    machine.handle_timeout(Time::ms(4_800));
    machine.handle(Time::ms(5_500), &Event::FlashDone);
    machine.handle(Time::ms(6_200), &speech());
    let mut flashes = 0;
    let result = loop {
        match machine.poll_output() {
            Some(Output::Do(Action::Flash(_))) => flashes += 1,
            Some(Output::Done(result)) => break result,
            Some(Output::Do(action)) => panic!("{action:?}"),
            Some(Output::Step(_)) => {}
            None => panic!("it did not end"),
        }
    };
    assert_eq!((flashes, result), (2, Transferred::CallerBack { evidence: Evidence::Speech }));
}

#[test]
fn nobody_is_flashed_away_for_a_call_that_waits() {
    let mut machine = Transfer::new(Time::ZERO, plan(&["5550100"], true), manners());
    machine.handle(Time::ms(500), &tone(ToneKind::CallWaiting));
    machine.handle_timeout(Time::secs(2));
    let said: Vec<_> = std::iter::from_fn(|| machine.poll_output()).collect();
    assert!(!said.iter().any(|o| matches!(o, Output::Do(Action::Flash(_)))), "{said:?}");
    // the tone comes again as long as he waits
    machine.handle(Time::ms(10_500), &tone(ToneKind::CallWaiting));
    machine.handle_timeout(Time::ms(60_600));
    assert!(machine.poll_output().is_none());
    assert_eq!(machine.poll_timeout(), Some(Time::ms(70_500)));
    machine.handle_timeout(Time::ms(70_500));
    assert!(matches!(machine.poll_output(), Some(Output::Do(Action::Flash(_)))));

    // and where he never gives up, the call is where it was
    let mut machine = Transfer::new(Time::ZERO, plan(&["5550100"], true), manners());
    for at in (500..200_000).step_by(10_000) {
        machine.handle(Time::ms(at), &tone(ToneKind::CallWaiting));
        machine.handle_timeout(Time::ms(at + 2_000));
    }
    let said: Vec<_> = std::iter::from_fn(|| machine.poll_output()).collect();
    assert_eq!(said.last(), Some(&Output::Done(Transferred::FlashUnanswered)), "{said:?}");
    assert!(!said.iter().any(|o| matches!(o, Output::Do(_))), "{said:?}");
}

#[test]
fn a_first_voice_when_an_exchange_would_tell_us_to_dial_or_hang_up_is_not_taken_for_the_caller() {
    let told_to_hang_up = vec![(10_000, speech())];
    let speaks_on = vec![(900, speech()), (8_000, speech())];
    let exchange = Exchange { flash: [vec![], vec![], told_to_hang_up, speaks_on].into(), ..Default::default() };
    let run = run(&["5550100"], true, manners(), exchange);
    assert_eq!(run.result, Transferred::FlashUnanswered);
    assert_eq!(flashes(&run), [600, 850, 450, 450]);
}
