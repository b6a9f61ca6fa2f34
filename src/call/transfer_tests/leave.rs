//! Leaving the two together, and what proves it.

use super::*;

/// What who is left alone hears right after a code.
fn busy_at_once() -> Vec<(u64, Event)> {
    vec![(900, tone(ToneKind::Busy))]
}

#[test]
fn warm_transfer_leaves_only_after_the_answer_and_proves_the_line_is_free() {
    let exchange = Exchange {
        flash: [recall()].into(),
        dial: [answers()].into(),
        off_hook: [dial_tone()].into(),
        ..Default::default()
    };
    let run = run(&["5550100"], true, manners(), exchange);
    assert!(
        matches!(run.result, Transferred::Completed { target: 0, ref proof } if proof.len() == 2),
        "{:?}",
        run.result
    );
    assert!(hung_up_while(&run, "speech"), "{:#?}", run.steps);
    assert_eq!(run.actions.last(), Some(&Action::OnHook));
}

#[test]
fn recall_ringing_after_leaving_brings_the_caller_back() {
    let exchange = Exchange {
        flash: [recall()].into(),
        dial: [answers()].into(),
        on_hook: [vec![(3_000, Event::Ringing { burst: 1 })]].into(),
        off_hook: [vec![(1_500, speech())]].into(),
        ..Default::default()
    };
    let run = run(&["5550100"], false, manners(), exchange);
    assert_eq!(run.result, Transferred::CallerBack { evidence: Evidence::Speech });
}

#[test]
fn no_dial_tone_after_leaving_is_never_told_as_proven() {
    let exchange = Exchange { flash: [recall()].into(), dial: [answers()].into(), ..Default::default() };
    let run = run(&["5550100"], true, manners(), exchange);
    assert_eq!(run.result, Transferred::Unproven { target: 0 });
    assert_eq!(run.actions.last(), Some(&Action::OnHook));
}

#[test]
fn a_dial_tone_after_the_code_has_it_sent_again_and_only_when_that_stops_the_tone_is_our_line_free() {
    let dial_tone_after = || vec![(900, tone(ToneKind::Dial))];
    let freed = Exchange {
        flash: [recall(), recall()].into(),
        dial: [answers(), dial_tone_after(), vec![]].into(),
        off_hook: [dial_tone()].into(),
        ..Default::default()
    };
    let freed = run(&["5550100"], true, etsi(), freed);
    assert!(matches!(freed.result, Transferred::Completed { .. }), "{:#?}", freed.steps);
    assert_eq!(dialled(&freed), ["5550100", "4", "4"]);

    // a register that gets no digit at all: it is the recall tone that goes on, and both are still held
    let deaf = Exchange {
        flash: [recall(), recall(), recall()].into(),
        dial: [answers(), dial_tone_after(), dial_tone_after(), caller_speaks()].into(),
        ..Default::default()
    };
    let deaf = run(&["5550100"], true, etsi(), deaf);
    assert_eq!(deaf.result, Transferred::CallerBack { evidence: Evidence::Speech }, "{:#?}", deaf.steps);
    assert!(!deaf.actions.contains(&Action::OnHook));
}

#[test]
fn a_release_tone_after_the_code_is_believed_when_the_way_back_leads_to_nobody() {
    let released = || vec![(900, tone(ToneKind::Congestion))];
    let exchange = Exchange {
        flash: [recall(), recall(), vec![], vec![], vec![]].into(),
        dial: [answers(), released(), released(), released(), released()].into(),
        off_hook: [dial_tone()].into(),
        ..Default::default()
    };
    let run = run(&["5550100"], true, etsi(), exchange);
    assert!(matches!(run.result, Transferred::Completed { .. }), "{:#?}", run.steps);
    assert_eq!(dialled(&run), ["5550100", "4", "1", "1", "1"]);
}

#[test]
fn a_way_back_that_begins_with_a_recall_tone_tells_that_the_code_was_not_taken() {
    // the code is refused; the caller hangs up on hold, and every way back leads to nobody
    let exchange = Exchange {
        flash: [recall(), recall(), recall(), vec![], vec![], vec![]].into(),
        dial: [answers(), busy_at_once(), busy_at_once(), busy_at_once(), busy_at_once(), busy_at_once()].into(),
        ..Default::default()
    };
    let run = run(&["5550100"], true, etsi(), exchange);
    assert_eq!(run.result, Transferred::CallerGone, "{:#?}", run.steps);
}

#[test]
fn who_was_not_brought_back_and_is_rung_for_when_we_hang_up_is_answered() {
    let unseen = || vec![(800, tone(ToneKind::Busy))];
    let rung = |by: Event| {
        let exchange = Exchange {
            flash: [recall(), unseen(), unseen(), unseen(), unseen(), unseen(), unseen(), unseen(), unseen()].into(),
            dial: [busy()].into(),
            on_hook: [vec![(1_500, Event::Ringing { burst: 1 }), (4_000, by)]].into(),
            off_hook: [vec![(1_800, speech())]].into(),
            ..Default::default()
        };
        let machine = Transfer::new(Time::ZERO, plan(&["5550101"], true), manners()).of_caller(number("5551234"));
        run_machine(machine, exchange).result
    };
    assert_eq!(rung(caller_id("5551234")), Transferred::CallerBack { evidence: Evidence::Speech });
    assert_eq!(rung(Event::Ringing { burst: 2 }), Transferred::CallerUnproven, "who it is, nothing tells");
    assert_eq!(rung(caller_id("5559999")), Transferred::PartyLost, "a call of its own is left to ring");
    assert_eq!(rung(Event::RingingStopped), Transferred::PartyLost);
}

#[test]
fn a_tone_that_refuses_the_code_leads_back_to_the_caller_who_is_never_hung_up_on() {
    let exchange = Exchange {
        flash: [recall(), recall(), recall()].into(),
        dial: [answers(), vec![(900, tone(ToneKind::Congestion))], caller_speaks()].into(),
        ..Default::default()
    };
    let run = run(&["5550100"], true, etsi(), exchange);
    assert_eq!(run.result, Transferred::CallerBack { evidence: Evidence::Speech });
    assert!(!run.actions.contains(&Action::OnHook));
}

#[test]
fn a_recall_tone_that_comes_after_the_code_has_the_code_sent_again() {
    let exchange = Exchange {
        flash: [recall(), vec![], vec![], vec![], vec![]].into(),
        dial: [
            answers(),
            vec![(300, tone(ToneKind::RecallDial))],
            busy_at_once(),
            busy_at_once(),
            busy_at_once(),
            busy_at_once(),
        ]
        .into(),
        off_hook: [dial_tone()].into(),
        ..Default::default()
    };
    let run = run(&["5550100"], true, etsi(), exchange);
    assert!(matches!(run.result, Transferred::Completed { .. }), "{:#?}", run.steps);
    assert_eq!(dialled(&run), ["5550100", "4", "4", "1", "1", "1"]);
}

#[test]
fn a_code_that_was_not_taken_leads_back_to_the_caller() {
    let exchange = Exchange {
        flash: [recall(), vec![], recall()].into(),
        dial: [answers(), vec![(900, speech())], caller_speaks()].into(),
        ..Default::default()
    };
    let run = run(&["5550100"], true, etsi(), exchange);
    assert_eq!(run.result, Transferred::CallerBack { evidence: Evidence::Speech });
    assert!(!run.actions.contains(&Action::OnHook));
}

#[test]
fn where_our_hang_up_drops_both_the_transfer_is_refused_untouched() {
    let dies = Manners { complete: Completion::Never, ..manners() };
    let run = run(&["5550100"], true, dies, Exchange::default());
    assert_eq!(run.result, Transferred::Refused);
    assert!(run.actions.is_empty());
}

#[test]
fn a_hang_up_of_which_nobody_has_said_what_it_does_is_never_told_as_proven() {
    let exchange = Exchange {
        flash: [recall()].into(),
        dial: [answers()].into(),
        off_hook: [dial_tone()].into(),
        ..Default::default()
    };
    let run = run(&["5550100"], true, Manners { complete_is_known: false, ..manners() }, exchange);
    assert_eq!(run.result, Transferred::Unproven { target: 0 });
}

#[test]
fn a_dip_about_the_code_is_not_the_exchange_letting_go() {
    let exchange = |code: Vec<(u64, Event)>| Exchange {
        flash: [recall(), recall(), recall()].into(),
        dial: [answers(), code, caller_speaks()].into(),
        ..Default::default()
    };
    for code in [vec![(0, disconnect(120))], vec![(300, disconnect(400))]] {
        let run = run(&["5550100"], true, etsi(), exchange(code));
        assert!(!run.actions.contains(&Action::OnHook), "{:#?}", run.steps);
        assert_eq!(run.result, Transferred::CallerBack { evidence: Evidence::Speech });
    }
}

#[test]
fn a_call_of_somebody_else_in_the_seconds_after_leaving_is_no_recall() {
    let id = caller_id;
    let left = || {
        let mut machine = Transfer::new(Time::ZERO, plan(&["5550100"], true), manners()).of_caller(number("5551234"));
        machine.handle_timeout(Time::secs(2));
        machine.handle(Time::ms(2_700), &Event::FlashDone);
        machine.handle(Time::ms(3_100), &tone(ToneKind::RecallDial));
        machine.handle_timeout(Time::ms(3_400));
        machine.handle(Time::ms(4_400), &Event::DialDone);
        machine.handle(Time::ms(7_000), &tone(ToneKind::Ringback));
        machine.handle(Time::ms(12_000), &speech());
        machine.handle_timeout(Time::ms(17_000));
        while machine.poll_output().is_some() {}
        machine.handle(Time::ms(18_000), &Event::Ringing { burst: 1 });
        machine
    };
    let mut machine = left();
    machine.handle(Time::ms(20_000), &id("5559999"));
    let said: Vec<_> = std::iter::from_fn(|| machine.poll_output()).collect();
    assert!(matches!(said.last(), Some(Output::Done(Transferred::Completed { .. }))), "{said:?}");
    assert!(!said.contains(&Output::Do(Action::OffHook)), "he is left to ring: {said:?}");

    for again in [id("5551234"), Event::Ringing { burst: 2 }] {
        let mut machine = left();
        machine.handle(Time::ms(20_000), &again);
        machine.handle_timeout(Time::ms(22_600));
        let said: Vec<_> = std::iter::from_fn(|| machine.poll_output()).collect();
        assert!(said.contains(&Output::Do(Action::OffHook)), "{said:?}");
    }
    // who gave up meanwhile is nobody's recall
    let mut machine = left();
    machine.handle(Time::ms(20_000), &Event::RingingStopped);
    machine.handle_timeout(Time::ms(21_500));
    machine.handle(Time::ms(22_500), &tone(ToneKind::Dial));
    let said: Vec<_> = std::iter::from_fn(|| machine.poll_output()).collect();
    assert!(matches!(said.last(), Some(Output::Done(Transferred::Completed { .. }))), "{said:?}");
}

#[test]
fn a_call_that_is_lifted_into_while_the_line_is_checked_may_be_anybodys() {
    let lifted = |first: Event| Exchange {
        flash: [recall()].into(),
        dial: [answers()].into(),
        off_hook: [vec![(30, first), (1_200, speech())], vec![(1_200, speech())]].into(),
        ..Default::default()
    };
    let silent = Event::Heard(Heard::Silence { since: Time::ZERO });
    for first in [Event::Ringing { burst: 1 }, silent] {
        let run = run(&["5550100", "5550101"], true, manners(), lifted(first));
        assert_eq!(run.result, Transferred::CallerUnproven, "{:#?}", run.steps);
        assert_eq!(dialled(&run), ["5550100"], "whoever it is, he is not moved to the next target");
    }
}

#[test]
fn a_release_after_a_code_without_a_tone_proves_nothing_where_the_caller_may_never_have_been_held() {
    let plain = || vec![(400, tone(ToneKind::Dial))];
    let released = || vec![(900, tone(ToneKind::Congestion))];
    let transferred = |consult: fn() -> Vec<(u64, Event)>, before_code: Vec<(u64, Event)>| {
        // where the tone is a dial tone, the caller is heard behind it first
        let (mut flash, mut dial) = (VecDeque::new(), VecDeque::new());
        if consult() == vec![(400, tone(ToneKind::Dial))] {
            flash.extend([consult(), plain()]);
            dial.push_back(caller_speaks());
        }
        flash.extend([consult(), before_code, vec![], vec![], vec![]]);
        dial.extend([answers(), released(), released(), released(), released()]);
        run(&["5550100"], true, etsi(), Exchange { flash, dial, off_hook: [dial_tone()].into(), ..Default::default() })
    };
    let proven = |run: &Run| matches!(run.result, Transferred::Completed { .. });
    let silent = transferred(plain, vec![]);
    assert_eq!(silent.result, Transferred::Unproven { target: 0 }, "{:#?}", silent.steps);
    assert!(proven(&transferred(plain, plain())), "the tone before the code tells that somebody is held");
    let unseen = transferred(recall, vec![]);
    assert_eq!(unseen.result, Transferred::Unproven { target: 0 }, "the flash before the code may not have been seen");
}

#[test]
fn a_code_waits_for_as_long_as_the_recall_tone_took() {
    let late = || vec![(2_400, tone(ToneKind::RecallDial))];
    let flash = [late(), late()].into();
    let dial = [answers(), busy_at_once(), busy_at_once(), busy_at_once(), busy_at_once()].into();
    let run =
        run(&["5550100"], true, etsi(), Exchange { flash, dial, off_hook: [dial_tone()].into(), ..Default::default() });
    assert!(matches!(run.result, Transferred::Completed { .. }), "{:#?}", run.steps);
    assert_eq!(dialled(&run)[..2], ["5550100", "4"], "once, when the register is there");
}

#[test]
fn an_exchange_that_lets_go_while_three_are_joined_and_then_gives_a_tone_has_nobody_left() {
    let stays = Manners { complete: Completion::Stay, ..manners() };
    let let_go = |open: u64| {
        let flash =
            [recall(), vec![(900, disconnect(open))], dial_tone(), dial_tone(), dial_tone(), dial_tone()].into();
        run(&["5550201"], true, stays.clone(), Exchange { flash, dial: [answers()].into(), ..Default::default() })
    };
    assert_eq!(let_go(500).result, Transferred::CallerGone);
    assert_eq!(let_go(110).result, Transferred::PartyLost, "a loose contact is nobody's hang-up");
}

#[test]
fn three_are_joined_by_a_code_when_a_voice_says_so_and_a_register_that_waits_for_more_digits_is_none() {
    let stays = Manners { complete: Completion::Stay, join: Some("R3".into()), ..etsi() };
    let join = |after_code: Vec<(u64, Event)>| {
        let flash = [recall(), recall(), recall()].into();
        let dial = [answers(), after_code, caller_speaks()].into();
        run(&["5550100"], true, stays.clone(), Exchange { flash, dial, ..Default::default() })
    };
    let joined = join(vec![(1_500, speech())]);
    assert_eq!(joined.result, Transferred::Joined { target: Some(0), evidence: Evidence::Speech });
    let says_nothing = join(vec![]);
    assert_eq!(
        says_nothing.result,
        Transferred::CallerBack { evidence: Evidence::Speech },
        "{:#?}",
        says_nothing.steps
    );
    let flash = [recall(), vec![], recall()].into();
    let dial = [answers(), vec![(1_500, speech())], caller_speaks()].into();
    let unseen = run(&["5550100"], true, stays.clone(), Exchange { flash, dial, ..Default::default() });
    assert_eq!(unseen.result, Transferred::CallerBack { evidence: Evidence::Speech }, "{:#?}", unseen.steps);
    let waits = join(vec![(8_000, tone(ToneKind::Congestion))]);
    assert_eq!(waits.result, Transferred::CallerBack { evidence: Evidence::Speech }, "{:#?}", waits.steps);
}

#[test]
fn who_rings_after_we_left_and_is_gone_when_we_lift_proves_nothing() {
    let exchange = Exchange {
        flash: [recall()].into(),
        dial: [answers()].into(),
        on_hook: [vec![(3_000, Event::Ringing { burst: 1 })]].into(),
        off_hook: [vec![(1_500, tone(ToneKind::Busy))]].into(),
        ..Default::default()
    };
    let run = run(&["5550100"], true, manners(), exchange);
    assert_eq!(run.result, Transferred::Unproven { target: 0 });
    assert_eq!((flash_count(&run), run.actions.last()), (1, Some(&Action::OnHook)), "{:#?}", run.steps);
}

#[test]
fn a_reorder_that_comes_when_the_exchange_has_waited_for_digits_is_no_release() {
    let (at_once, late) = (800, 2_600);
    for (after, proven) in [(at_once, true), (late, false)] {
        let refused = move || vec![(after, tone(ToneKind::Congestion))];
        let exchange = Exchange {
            flash: [recall(), recall(), vec![], vec![], vec![]].into(),
            dial: [answers(), refused(), refused(), refused(), refused()].into(),
            off_hook: [dial_tone()].into(),
            ..Default::default()
        };
        let run = run(&["5550100"], true, etsi(), exchange);
        assert_eq!(matches!(run.result, Transferred::Completed { .. }), proven, "{after}: {:#?}", run.steps);
    }
}
