//! The second call: who answers it, and who does not.

use super::*;

#[test]
fn cold_transfer_leaves_on_ringback() {
    let exchange = Exchange {
        flash: [recall()].into(),
        dial: [answers()].into(),
        off_hook: [dial_tone()].into(),
        ..Default::default()
    };
    let run = run(&["5550100"], false, manners(), exchange);
    assert!(matches!(run.result, Transferred::Completed { .. }));
    assert!(hung_up_while(&run, "ringback"), "{:#?}", run.steps);
}

#[test]
fn busy_target_is_left_by_flash_and_the_next_one_is_tried() {
    let exchange = Exchange {
        flash: [recall(), caller_speaks(), recall()].into(),
        dial: [busy(), answers()].into(),
        off_hook: [dial_tone()].into(),
        ..Default::default()
    };
    let run = run(&["5550101", "5550100"], true, manners(), exchange);
    assert!(matches!(run.result, Transferred::Completed { target: 1, .. }), "{:?}", run.result);
    let flashes = run.actions.iter().filter(|a| matches!(a, Action::Flash(_))).count();
    assert_eq!(flashes, 3);
    assert_eq!(run.actions.iter().position(|a| *a == Action::OnHook), Some(5), "hung up once, after the answer");
}

#[test]
fn a_target_that_hangs_up_at_once_is_not_a_transfer() {
    let quick = vec![(2_500, tone(ToneKind::Ringback)), (8_000, speech()), (8_800, tone(ToneKind::Busy))];
    let exchange = Exchange { flash: [recall(), caller_speaks()].into(), dial: [quick].into(), ..Default::default() };
    let run = run(&["5550106"], true, manners(), exchange);
    assert_eq!(run.result, Transferred::CallerBack { evidence: Evidence::Speech });
}

#[test]
fn who_falls_silent_after_answering_is_waited_for_until_a_tone_would_have_told_that_he_hung_up() {
    // flash done at 1.7 s, dialled at 3.2 s; he answers at 11.2 s, and his last word is 3.3 s later
    let says_a_word = |then: (u64, Event)| {
        let answer = [(2_500, tone(ToneKind::Ringback)), (8_000, speech()), (12_300, silent_from(14_500)), then];
        Exchange {
            flash: [recall(), caller_speaks()].into(),
            dial: [answer.into()].into(),
            off_hook: [dial_tone()].into(),
            ..Default::default()
        }
    };
    let gone = run(&["5550201"], true, manners(), says_a_word((13_000, tone(ToneKind::Busy))));
    assert_eq!(gone.result, Transferred::CallerBack { evidence: Evidence::Speech });
    assert!(!gone.actions.contains(&Action::OnHook), "{:#?}", gone.steps);

    let left_at = |run: &Run| run.steps.iter().find(|s| s.step == "hang-up").map(|s| s.at);
    let speaks_on = run(&["5550201"], true, manners(), says_a_word((13_000, speech())));
    let is_silent = run(&["5550201"], true, manners(), says_a_word((60_000, speech())));
    assert!(matches!(speaks_on.result, Transferred::Completed { .. }), "{:#?}", speaks_on.steps);
    assert!(matches!(is_silent.result, Transferred::Completed { .. }), "{:#?}", is_silent.steps);
    assert!(left_at(&speaks_on) < left_at(&is_silent), "the first word is enough: {:#?}", speaks_on.steps);
}

#[test]
fn cold_a_target_who_may_refuse_is_not_left_ringing_while_there_is_somebody_else() {
    let refuses = vec![(2_500, tone(ToneKind::Ringback)), (8_000, tone(ToneKind::Congestion))];
    let exchange = Exchange {
        flash: [recall(), caller_speaks(), recall()].into(),
        dial: [refuses, answers()].into(),
        off_hook: [dial_tone()].into(),
        ..Default::default()
    };
    let run = run(&["5550103", "5550100"], false, manners(), exchange);
    let Transferred::Completed { target: 1, proof } = &run.result else { panic!("{:#?}", run.steps) };
    assert!(proof.iter().any(|p| p == "still ringing when we left"), "the last one is: {proof:?}");
}

#[test]
fn after_a_target_who_answered_and_refused_only_the_recall_tone_tells_that_the_caller_is_alone_with_us() {
    // North America: the flash back makes a three-way call, the next one takes the target out of it
    let exchange = |flash: [Vec<(u64, Event)>; 6]| Exchange {
        flash: flash.into(),
        dial: [answers()].into(),
        play: [vec![(900, presses('2'))]].into(),
        ..Default::default()
    };
    let speaks = caller_speaks;
    let released = run_plan(
        briefed(&["5550114"]),
        manners(),
        exchange([recall(), speaks(), speaks(), recall(), speaks(), vec![]]),
    );
    assert_eq!(released.result, Transferred::CallerBack { evidence: Evidence::Speech }, "{:#?}", released.steps);
    assert_eq!(flash_count(&released), 5);
    assert!(released.steps.iter().any(|s| s.result.as_deref() == Some("second party released")));

    let in_vain = run_plan(
        briefed(&["5550114"]),
        manners(),
        exchange([recall(), speaks(), speaks(), speaks(), speaks(), speaks()]),
    );
    assert_eq!(in_vain.result, Transferred::CallerUnproven, "{:#?}", in_vain.steps);
}

#[test]
fn a_voice_before_any_ringback_is_listened_to_until_an_announcement_would_have_come_to_its_tones_again() {
    let said = |then: &[(u64, Event)]| {
        let dial = [[&[(1_500, speech())], then].concat()].into();
        let flash = [recall(), caller_speaks()].into();
        run(
            &["5550104"],
            true,
            manners(),
            Exchange { flash, dial, off_hook: [dial_tone()].into(), ..Default::default() },
        )
    };
    let announced = said(&[(9_000, tone(ToneKind::Sit)), (10_000, speech())]);
    assert_eq!(announced.result, Transferred::CallerBack { evidence: Evidence::Speech }, "{:#?}", announced.steps);
    assert!(announced.steps.iter().any(|s| s.step == "consult" && s.result.as_deref() == Some("not-in-service")));
    assert!(!announced.actions.contains(&Action::OnHook), "nobody is left with an announcement");
    let answered = said(&[]);
    assert!(matches!(answered.result, Transferred::Completed { .. }), "{:#?}", answered.steps);
    let silent = said(&[(6_000, silent_from(8_000))]);
    assert!(!silent.actions.contains(&Action::OnHook), "an announcement without tones is over: {:#?}", silent.steps);
}

#[test]
fn a_loose_contact_while_a_target_is_listened_to_is_not_his_hang_up() {
    let answer =
        vec![(2_500, tone(ToneKind::Ringback)), (8_000, speech()), (9_000, disconnect(120)), (11_000, speech())];
    let exchange = Exchange {
        flash: [recall()].into(),
        dial: [answer].into(),
        off_hook: [dial_tone()].into(),
        ..Default::default()
    };
    let run = run(&["5550100"], true, manners(), exchange);
    assert!(matches!(run.result, Transferred::Completed { .. }), "{:#?}", run.steps);
}
