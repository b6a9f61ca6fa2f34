//! The way back to the caller.

use super::*;

#[test]
fn the_receiver_is_never_put_down_while_the_only_target_is_busy() {
    let exchange = Exchange { flash: [recall(), caller_speaks()].into(), dial: [busy()].into(), ..Default::default() };
    let run = run(&["5550101"], false, manners(), exchange);
    assert_eq!(run.result, Transferred::CallerBack { evidence: Evidence::Speech });
    assert!(!run.actions.contains(&Action::OnHook));
}

#[test]
fn a_silent_caller_is_proven_by_the_absence_of_any_tone() {
    let exchange = Exchange { flash: [recall(), vec![]].into(), dial: [busy()].into(), ..Default::default() };
    let run = run(&["5550101"], true, manners(), exchange);
    assert_eq!(run.result, Transferred::CallerBack { evidence: Evidence::NoTone });
}

#[test]
fn ringback_still_heard_after_the_flash_back_is_not_the_caller() {
    // nobody answers for 20 s; the first flash back is lost, and ringback goes on after one of its pauses
    let rings = vec![(2_500, tone(ToneKind::Ringback))];
    let exchange = Exchange {
        flash: [recall(), vec![(4_900, tone(ToneKind::Ringback))], caller_speaks()].into(),
        dial: [rings].into(),
        ..Default::default()
    };
    let run = run(&["5550102"], true, manners(), exchange);
    assert_eq!(run.result, Transferred::CallerBack { evidence: Evidence::Speech });
    assert!(run.steps.iter().any(|s| s.step == "back" && s.result.as_deref() == Some("again")), "{:#?}", run.steps);
}

#[test]
fn a_caller_who_plays_a_tone_is_told_from_silence() {
    let plays = vec![(400, Event::Heard(Heard::OtherTone { hz: 1004, since: Time::ZERO }))];
    let exchange = Exchange { flash: [recall(), plays].into(), dial: [busy()].into(), ..Default::default() };
    let run = run(&["5550101"], true, manners(), exchange);
    assert_eq!(run.result, Transferred::CallerBack { evidence: Evidence::OtherTone });
}

#[test]
fn dial_tone_on_every_way_back_is_told_as_a_lost_party() {
    let back = || vec![(500, tone(ToneKind::Dial))];
    let exchange = Exchange {
        flash: [recall(), back(), back(), back(), back()].into(),
        dial: [busy()].into(),
        ..Default::default()
    };
    let run = run(&["5550101"], true, manners(), exchange);
    assert_eq!(run.result, Transferred::PartyLost);
}

#[test]
fn an_announcement_that_goes_on_after_the_flash_back_is_not_the_caller() {
    let sit = || vec![(2_000, tone(ToneKind::Sit))];
    let goes_on = vec![(300, speech()), (6_000, tone(ToneKind::Sit))];
    let exchange =
        Exchange { flash: [recall(), goes_on, caller_speaks()].into(), dial: [sit()].into(), ..Default::default() };
    let run = run(&["5550104"], true, manners(), exchange);
    let back: Vec<_> = run.steps.iter().filter(|s| s.step == "back").filter_map(|s| s.result.as_deref()).collect();
    assert_eq!(back, ["again", "caller is back"]);
    assert_eq!(run.actions.iter().filter(|a| matches!(a, Action::Flash(_))).count(), 3);
}

#[test]
fn a_flash_hidden_by_another_telephone_after_one_that_was_not_claims_no_caller() {
    let targets = vec![Target { name: None, number: "5550100".parse().unwrap() }];
    let mut machine = Transfer::new(Time::ZERO, TransferPlan::to(targets, true, Duration::from_secs(20)), manners());
    let hidden = Event::LoopHeld { millivolts: 7_000 };
    let mut now = Time::ZERO;
    let mut flashes = 0;
    let result = loop {
        match machine.poll_output() {
            Some(Output::Do(Action::Flash(_))) => {
                flashes += 1;
                now += Duration::from_millis(700);
                if flashes > 1 {
                    machine.handle(now, &hidden);
                }
                machine.handle(now, &Event::FlashDone);
            }
            Some(Output::Done(result)) => break result,
            Some(_) => {}
            None => {
                now = machine.poll_timeout().expect("it goes on");
                machine.handle_timeout(now);
            }
        }
    };
    assert!(!matches!(result, Transferred::FlashUnanswered), "the first flash may have put him on hold: {result:?}");
}

#[test]
fn a_way_back_that_only_silence_follows_is_gone_once_more() {
    // the register got no digit the first time: the caller is still on hold
    let exchange = Exchange {
        flash: [recall(), vec![], vec![]].into(),
        dial: [busy(), vec![], caller_speaks()].into(),
        ..Default::default()
    };
    let run = run(&["5550101"], true, etsi(), exchange);
    assert_eq!(dialled(&run), ["5550101", "1", "1"]);
    assert_eq!(run.result, Transferred::CallerBack { evidence: Evidence::Speech });
}

#[test]
fn battery_that_fails_for_a_moment_on_the_way_back_is_a_hang_up_only_by_what_follows() {
    let back = |events: &[(u64, Event)]| {
        let flash = [recall(), events.to_vec()].into();
        run(&["5550101"], true, manners(), Exchange { flash, dial: [busy()].into(), ..Default::default() })
    };
    let loose = back(&[(300, disconnect(250)), (4_000, speech())]);
    assert_eq!(loose.result, Transferred::CallerBack { evidence: Evidence::Speech });
    let silent = back(&[(300, disconnect(500))]);
    assert_eq!(silent.result, Transferred::CallerUnproven, "{:#?}", silent.steps);
    let left = || vec![(300, disconnect(500)), (6_000, tone(ToneKind::Dial))];
    let flash = [recall(), left(), dial_tone()].into();
    let gone = run(&["5550101"], true, manners(), Exchange { flash, dial: [busy()].into(), ..Default::default() });
    assert_eq!(gone.result, Transferred::CallerGone, "{:#?}", gone.steps);
    // the busy tone was left on the line by a flash that was not seen: that is not the caller's hang-up
    let flash = [recall(), vec![(300, disconnect(250)), (1_500, tone(ToneKind::Busy))], caller_speaks()].into();
    let unseen = run(&["5550101"], true, manners(), Exchange { flash, dial: [busy()].into(), ..Default::default() });
    assert_eq!(unseen.result, Transferred::CallerBack { evidence: Evidence::Speech });
}

#[test]
fn who_hangs_up_before_the_first_flash_is_told_to_have_done_so() {
    let gone = || vec![(500, tone(ToneKind::Busy))];
    let by_tone = Exchange { flash: [gone(), gone(), gone()].into(), ..Default::default() };
    assert_eq!(run(&["5550100"], true, manners(), by_tone).result, Transferred::CallerGone);
    let opened = vec![(100, disconnect(500)), (900, tone(ToneKind::Dial))];
    let by_loop = Exchange { flash: [opened, dial_tone(), dial_tone(), dial_tone()].into(), ..Default::default() };
    assert_eq!(run(&["5550100"], true, manners(), by_loop).result, Transferred::CallerGone);
}

#[test]
fn where_a_recall_tone_leads_back_its_absence_makes_a_voice_nobodys() {
    let exchange = |flash: [Vec<(u64, Event)>; 3]| Exchange {
        flash: flash.into(),
        dial: [answers(), caller_speaks(), caller_speaks()].into(),
        play: [vec![(900, presses('2'))]].into(),
        ..Default::default()
    };
    let seen = run_plan(briefed(&["5550114"]), etsi(), exchange([recall(), recall(), vec![]]));
    assert_eq!(seen.result, Transferred::CallerBack { evidence: Evidence::Speech }, "{:#?}", seen.steps);
    assert_eq!(flash_count(&seen), 2);
    let unseen_once = run_plan(briefed(&["5550114"]), etsi(), exchange([recall(), vec![], recall()]));
    assert_eq!(unseen_once.result, Transferred::CallerBack { evidence: Evidence::Speech }, "{:#?}", unseen_once.steps);
    assert_eq!(flash_count(&unseen_once), 3);
    let never_seen = run_plan(briefed(&["5550114", "5550100"]), etsi(), exchange([recall(), vec![], vec![]]));
    assert_eq!(never_seen.result, Transferred::CallerUnproven, "{:#?}", never_seen.steps);
    assert_eq!(back_steps(&never_seen), ["again", "whose voice it is, nothing tells"]);
}

#[test]
fn noise_over_the_tone_of_a_failed_call_is_not_the_caller() {
    let reorder = || vec![(800, tone(ToneKind::Congestion))];
    let noise = vec![(100, speech()), (1_700, tone(ToneKind::Congestion))];
    let flash = [recall(), reorder(), noise, caller_speaks()].into();
    let dial = [vec![(2_500, tone(ToneKind::Congestion))]].into();
    let run = run(&["5550105"], true, manners(), Exchange { flash, dial, ..Default::default() });
    assert_eq!(back_steps(&run), ["again", "again", "caller is back"]);
    assert_eq!(run.result, Transferred::CallerBack { evidence: Evidence::Speech });
}

#[test]
fn after_noise_the_tone_of_a_failed_call_has_as_long_as_at_first_to_be_known_again() {
    let reorder = || vec![(800, tone(ToneKind::Congestion))];
    let silent = Event::Heard(Heard::Silence { since: Time::ZERO });
    let noise = vec![(100, speech()), (1_000, silent), (3_300, tone(ToneKind::Congestion))];
    let flash = [recall(), reorder(), noise, caller_speaks()].into();
    let dial = [vec![(2_500, tone(ToneKind::Congestion))]].into();
    let run = run(&["5550105"], true, manners(), Exchange { flash, dial, ..Default::default() });
    assert_eq!(back_steps(&run), ["again", "again", "caller is back"]);
}

#[test]
fn who_left_is_told_from_one_who_was_lost_also_where_noise_has_cut_into_the_tone() {
    let after = |events: Vec<(u64, Event)>| {
        let dial = [vec![(2_500, tone(ToneKind::Congestion))], events, busy(), busy(), busy()].into();
        let flash = [recall(), recall(), recall(), recall(), recall()].into();
        run(&["5550103"], true, etsi(), Exchange { flash, dial, ..Default::default() }).result
    };
    let cut = (2_600, tone(ToneKind::Busy));
    assert_eq!(after(vec![cut.clone()]), Transferred::CallerGone);
    // the exchange has waited for digits, and may still hold him
    let silent = (900, Event::Heard(Heard::Silence { since: Time::ZERO }));
    assert_eq!(after(vec![silent, cut]), Transferred::PartyLost);
    assert_eq!(after(vec![(3_600, tone(ToneKind::Busy))]), Transferred::PartyLost);
}

#[test]
fn a_silence_that_sounds_break_is_no_proof_of_the_caller() {
    // a busy tone that goes on after a flash that was not seen; noise has cut into it, and it is known late
    let silent = |at: u64, since: u64| (at, Event::Heard(Heard::Silence { since: Time::ms(since) }));
    let at_flash = 6_400;
    let cut = vec![silent(700, at_flash + 1_100), silent(1_700, at_flash + 2_100), (4_300, tone(ToneKind::Busy))];
    let flash = [recall(), cut, caller_speaks()].into();
    let run = run(&["5550101"], true, manners(), Exchange { flash, dial: [busy()].into(), ..Default::default() });
    assert_eq!(back_steps(&run), ["again", "caller is back"]);
    assert_eq!(run.result, Transferred::CallerBack { evidence: Evidence::Speech });
}

#[test]
fn a_caller_who_left_is_told_from_one_who_was_lost_also_after_a_flash_that_was_not_seen() {
    let busy_tone = || vec![(900, tone(ToneKind::Busy))];
    let unseen = || vec![(300, tone(ToneKind::Congestion))];
    let dial = [vec![(2_500, tone(ToneKind::Congestion))], vec![(900, tone(ToneKind::Congestion))]];
    let dial = dial.into_iter().chain([busy_tone(), busy_tone(), busy_tone()]).collect();
    let flash = [recall(), unseen(), recall(), recall(), recall()].into();
    let run = run(&["5550103"], true, etsi(), Exchange { flash, dial, ..Default::default() });
    assert_eq!(run.result, Transferred::CallerGone, "{:#?}", run.steps);
}

#[test]
fn where_no_flash_brought_a_tone_a_long_opening_and_dial_tone_tell_that_the_caller_hung_up() {
    let after = |open_ms, kind| {
        let opened = vec![(1_000, disconnect(open_ms)), (2_500, tone(kind))];
        let again = || vec![(500, tone(kind))];
        let flash = [vec![], vec![], vec![], opened, again(), again(), again()].into();
        run(&["5550100"], true, manners(), Exchange { flash, ..Default::default() }).result
    };
    assert_eq!(after(500, ToneKind::Dial), Transferred::CallerGone);
    // a loose contact, or the recall tone of an exchange that holds him and takes its time
    assert_eq!(after(120, ToneKind::Dial), Transferred::PartyLost);
    assert_eq!(after(500, ToneKind::RecallDial), Transferred::PartyLost);
}

#[test]
fn a_beep_into_the_callers_words_is_not_the_tone_of_somebody_left_alone() {
    let flash = [recall(), vec![(300, tone(ToneKind::RecordWarning)), (900, speech())]].into();
    let run = run(&["5550101"], true, manners(), Exchange { flash, dial: [busy()].into(), ..Default::default() });
    assert_eq!(run.result, Transferred::CallerBack { evidence: Evidence::Speech });
    assert_eq!(flash_count(&run), 2);
}

#[test]
fn where_the_recall_tone_takes_its_time_a_silence_after_the_flash_back_is_listened_to_as_long() {
    let late = || vec![(2_900, tone(ToneKind::RecallDial))];
    let flash = [late(), late(), caller_speaks()].into();
    let run = run(&["5550101"], true, manners(), Exchange { flash, dial: [busy()].into(), ..Default::default() });
    assert_eq!(back_steps(&run), ["again", "caller is back"]);
    assert_eq!(run.result, Transferred::CallerBack { evidence: Evidence::Speech });
}

#[test]
fn flashes_that_another_telephone_has_hidden_do_not_shorten_what_tells_of_the_caller() {
    let hidden = || vec![(10, Event::LoopHeld { millivolts: 7_000 })];
    // the failed call's tone was misheard at first, and goes on after the first flash that is not hidden
    let flash = [recall(), hidden(), hidden(), hidden(), busy(), caller_speaks()].into();
    let dial = [vec![(900, tone(ToneKind::Sit))]].into();
    let run = run(&["5550101"], true, manners(), Exchange { flash, dial, ..Default::default() });
    assert_eq!(run.result, Transferred::CallerUnproven, "another telephone is lifted: {:#?}", run.steps);
}

#[test]
fn a_caller_who_hangs_up_while_a_flash_back_is_put_off_is_told_to_have_done_so() {
    let targets = vec![Target { name: None, number: "5550101".parse().unwrap() }];
    let mut machine = Transfer::new(Time::ZERO, TransferPlan::to(targets, true, Duration::from_secs(20)), manners());
    machine.handle_timeout(Time::secs(2));
    machine.handle(Time::ms(2_700), &Event::FlashDone);
    machine.handle(Time::ms(3_000), &tone(ToneKind::RecallDial));
    assert!(machine.abort(Time::ms(3_100)));
    machine.handle(Time::ms(4_000), &disconnect(500));
    let mut now = Time::ms(4_800);
    let result = loop {
        match machine.poll_output() {
            Some(Output::Do(Action::Flash(_))) => {
                now += Duration::from_millis(700);
                machine.handle(now, &Event::FlashDone);
                machine.handle(now + Duration::from_millis(900), &tone(ToneKind::Dial));
            }
            Some(Output::Done(result)) => break result,
            Some(_) => {}
            None => {
                now = machine.poll_timeout().expect("it goes on");
                machine.handle_timeout(now);
            }
        }
    };
    assert_eq!(result, Transferred::CallerGone);
}

#[test]
fn the_end_of_the_recall_tone_that_a_long_way_delays_until_after_the_code_tells_nothing() {
    let ended = || Event::Heard(Heard::ToneEnded { tone: ToneKind::RecallDial.into(), at: Time::ZERO });
    let back = vec![(300, tone(ToneKind::RecallDial)), (600, ended()), (2_000, speech())];
    let exchange = Exchange { flash: [recall(), recall()].into(), dial: [busy(), back].into(), ..Default::default() };
    let run = run(&["5550101"], true, etsi(), exchange);
    assert_eq!(run.result, Transferred::CallerBack { evidence: Evidence::Speech }, "{:#?}", run.steps);
    assert_eq!(flash_count(&run), 2);
}

#[test]
fn a_receiver_that_misses_the_first_digit_after_each_flash_gets_the_code_again_without_one() {
    let goes_on = || vec![(300, tone(ToneKind::RecallDial))];
    let dial = [busy(), goes_on(), vec![(900, speech())]].into();
    let run =
        run(&["5550101"], true, etsi(), Exchange { flash: [recall(), recall()].into(), dial, ..Default::default() });
    assert_eq!(run.result, Transferred::CallerBack { evidence: Evidence::Speech }, "{:#?}", run.steps);
    assert_eq!((back_steps(&run), flash_count(&run)), (vec!["the code again", "caller is back"], 2));
}

#[test]
fn a_voice_after_a_flash_that_was_not_seen_may_be_the_target_who_rang() {
    let rings = vec![(2_500, tone(ToneKind::Ringback))];
    let dial = [rings, vec![(600, speech())], vec![(900, speech())]].into();
    let flash = [recall(), vec![], recall()].into();
    let run = run(&["5550115"], true, etsi(), Exchange { flash, dial, ..Default::default() });
    assert_eq!(run.result, Transferred::CallerBack { evidence: Evidence::Speech }, "{:#?}", run.steps);
    assert_eq!(back_steps(&run), ["again", "caller is back"]);
}

#[test]
fn told_to_end_a_way_back_that_only_silence_follows_is_still_gone_once_more() {
    let targets = vec![Target { name: None, number: "5550112".parse().unwrap() }];
    let mut machine = Transfer::new(Time::ZERO, TransferPlan::to(targets, true, Duration::from_secs(20)), etsi());
    machine.handle_timeout(Time::secs(2));
    machine.handle(Time::ms(2_700), &Event::FlashDone);
    machine.handle(Time::ms(3_000), &tone(ToneKind::RecallDial));
    machine.handle_timeout(Time::ms(3_300));
    machine.handle(Time::ms(4_500), &Event::DialDone);
    assert!(machine.abort(Time::secs(8)));
    let (mut flashes, mut now) = (0, Time::secs(8));
    loop {
        match machine.poll_output() {
            Some(Output::Do(Action::Flash(_))) => {
                flashes += 1;
                now += Duration::from_millis(700);
                machine.handle(now, &Event::FlashDone);
            }
            Some(Output::Do(Action::Dial(..))) => {
                now += Duration::from_millis(200);
                machine.handle(now, &Event::DialDone);
            }
            Some(Output::Done(result)) => {
                assert_eq!(result, Transferred::CallerUnproven);
                break;
            }
            Some(_) => {}
            None => {
                now = machine.poll_timeout().expect("it goes on");
                machine.handle_timeout(now);
            }
        }
    }
    // the first one for the consultation
    assert_eq!(flashes, 3);
}

/// Until it is over; `answer` is given the time of each action and what it is, does what the exchange then does, and says when
/// it has done so.
fn drive(machine: &mut Transfer, mut answer: impl FnMut(&mut Transfer, Time, Action) -> Time) -> Transferred {
    let mut now = Time::ZERO;
    loop {
        match machine.poll_output() {
            Some(Output::Do(action)) => now = answer(machine, now, action),
            Some(Output::Done(result)) => return result,
            Some(_) => {}
            None => {
                now = machine.poll_timeout().expect("it goes on");
                machine.handle_timeout(now);
            }
        }
    }
}

#[test]
fn who_was_heard_to_have_left_has_left_also_for_who_is_told_to_end_meanwhile() {
    let mut machine = Transfer::new(Time::ZERO, plan(&["5550103"], true), etsi());
    let (mut flashes, mut dialled) = (0, 0);
    let result = drive(&mut machine, |machine, mut now, action| {
        match action {
            Action::Flash(_) => {
                flashes += 1;
                now += Duration::from_millis(700);
                machine.handle(now, &Event::FlashDone);
                match flashes {
                    // for the consultation, and for the way back; the code waits for it as long as it took
                    1 | 2 => {
                        now += Duration::from_millis(2_600);
                        machine.handle(now, &tone(ToneKind::RecallDial));
                    }
                    // there is nobody left whom a flash could put on hold
                    3 => assert!(machine.abort(now + Duration::from_millis(2_200))),
                    _ => {}
                }
            }
            Action::Dial(..) => {
                dialled += 1;
                now += Duration::from_millis(900);
                machine.handle(now, &Event::DialDone);
                let kind = if dialled == 1 { ToneKind::Congestion } else { ToneKind::Busy };
                now += Duration::from_millis(1_200);
                let since = Time::ms(now.as_ms() - 900);
                machine.handle(now, &Event::Heard(Heard::Tone { tone: kind.into(), since }));
            }
            _ => {}
        }
        now
    });
    assert_eq!(result, Transferred::CallerGone);
}

#[test]
fn told_to_end_before_it_rings_who_answers_after_a_flash_that_was_not_seen_is_not_the_caller() {
    let mut machine = Transfer::new(Time::ZERO, plan(&["5550114"], true), etsi());
    let (mut flashes, mut dialled) = (0, 0);
    let result = drive(&mut machine, |machine, mut now, action| {
        match action {
            Action::Flash(_) => {
                flashes += 1;
                now += Duration::from_millis(700);
                machine.handle(now, &Event::FlashDone);
                if flashes != 2 {
                    now += Duration::from_millis(400);
                    machine.handle(now, &tone(ToneKind::RecallDial));
                }
            }
            Action::Dial(..) => {
                dialled += 1;
                now += Duration::from_millis(900);
                machine.handle(now, &Event::DialDone);
                now += Duration::from_millis(1_000);
                match dialled {
                    1 => assert!(machine.abort(now)),
                    _ => machine.handle(now, &speech()),
                }
            }
            _ => {}
        }
        now
    });
    assert_eq!((result, flashes), (Transferred::CallerBack { evidence: Evidence::Speech }, 3));
}
