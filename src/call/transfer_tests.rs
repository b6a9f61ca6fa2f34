//! The transfer machine against a scripted exchange: each action has its answers, after so many milliseconds.

use super::transfer::{Transfer, TransferPlan, Transferred};
use super::{Completion, Evidence, Manners, Output, Step, Target};
use crate::clock::Time;
use crate::event::{Action, Event, Heard, Tone, ToneKind};
use std::collections::VecDeque;
use std::time::Duration;

fn tone(kind: ToneKind) -> Event {
    Event::Heard(Heard::Tone { tone: Tone::from(kind), since: Time::ZERO })
}

fn speech() -> Event {
    Event::Heard(Heard::Speech { since: Time::ZERO })
}

fn manners() -> Manners {
    Manners {
        flash_widths: vec![Duration::from_millis(600), Duration::from_millis(850), Duration::from_millis(450)],
        flash_is_known: false,
        back: "R".into(),
        complete: Completion::HangUp,
        complete_is_known: true,
        join: Some("R".into()),
        while_ringing: true,
        dial_tone_wait: Duration::from_secs(5),
        recall_tone_wait: Duration::from_secs(3),
        recall_ring_watch: Duration::from_secs(6),
        dial_method: Default::default(),
        ringback_gap: Duration::from_secs(4),
        ringback_period: Duration::from_secs(6),
        slowest_refusal: Duration::from_millis(2500),
        ringing_gap: Duration::from_secs(4),
        caller_id_after_first_ring: true,
    }
}

/// What the exchange says to our next action of each kind, in order.
#[derive(Default)]
struct Exchange {
    flash: VecDeque<Vec<(u64, Event)>>,
    dial: VecDeque<Vec<(u64, Event)>>,
    off_hook: VecDeque<Vec<(u64, Event)>>,
    on_hook: VecDeque<Vec<(u64, Event)>>,
    play: VecDeque<Vec<(u64, Event)>>,
}

struct Run {
    result: Transferred,
    actions: Vec<Action>,
    steps: Vec<Step>,
}

fn run(targets: &[&str], warm: bool, manners: Manners, exchange: Exchange) -> Run {
    run_plan(plan(targets, warm), manners, exchange)
}

fn plan(targets: &[&str], warm: bool) -> TransferPlan {
    let targets = targets.iter().map(|t| Target { name: None, number: t.parse().unwrap() }).collect();
    TransferPlan::to(targets, warm, Duration::from_secs(20))
}

fn briefed(targets: &[&str]) -> TransferPlan {
    TransferPlan { brief: Some([0i16; 160].into()), ..plan(targets, true) }
}

fn run_plan(plan: TransferPlan, manners: Manners, mut exchange: Exchange) -> Run {
    let mut machine = Transfer::new(Time::ZERO, plan, manners);
    let mut coming: Vec<(u64, Event)> = Vec::new();
    let (mut actions, mut steps) = (Vec::new(), Vec::new());
    for ms in (0..300_000).step_by(10) {
        let now = Time::ms(ms);
        while let Some(i) = coming.iter().position(|(at, _)| *at <= ms) {
            let (_, mut event) = coming.remove(i);
            if let Event::Heard(Heard::Tone { since, .. }) = &mut event {
                *since = Time::ms(ms.saturating_sub(300));
            }
            machine.handle(now, &event);
        }
        machine.handle_timeout(now);
        while let Some(output) = machine.poll_output() {
            match output {
                Output::Step(step) => steps.push(step),
                Output::Done(result) => {
                    assert_eq!(machine.poll_timeout(), None, "a finished transfer leaves no timer");
                    return Run { result, actions, steps };
                }
                Output::Do(action) => {
                    let (answers, own) = match &action {
                        Action::Flash(_) => (&mut exchange.flash, Some((700, Event::FlashDone))),
                        Action::Dial(..) => (&mut exchange.dial, Some((900, Event::DialDone))),
                        Action::OffHook => (&mut exchange.off_hook, None),
                        Action::OnHook => (&mut exchange.on_hook, None),
                        Action::Play(_) => (&mut exchange.play, Some((500, Event::PlayDone))),
                        Action::StopPlaying => continue,
                    };
                    // an action after which the exchange is to say something else forgets what it was saying
                    coming.clear();
                    let offset = own.as_ref().map_or(0, |(at, _)| *at);
                    coming.extend(own.map(|(at, e)| (ms + at, e)));
                    coming.extend(
                        answers.pop_front().unwrap_or_default().into_iter().map(|(at, e)| (ms + offset + at, e)),
                    );
                    actions.push(action);
                }
            }
        }
    }
    panic!("the transfer never ended: {steps:#?}");
}

fn recall() -> Vec<(u64, Event)> {
    vec![(400, tone(ToneKind::RecallDial))]
}

fn answers() -> Vec<(u64, Event)> {
    vec![(2_500, tone(ToneKind::Ringback)), (8_000, speech())]
}

fn busy() -> Vec<(u64, Event)> {
    vec![(2_500, tone(ToneKind::Busy))]
}

fn dial_tone() -> Vec<(u64, Event)> {
    vec![(500, tone(ToneKind::Dial))]
}

fn caller_speaks() -> Vec<(u64, Event)> {
    vec![(900, speech())]
}

fn hung_up_while(run: &Run, heard: &str) -> bool {
    let last_heard = run.steps.iter().take_while(|s| s.step != "hang-up").last();
    run.steps.iter().any(|s| s.step == "hang-up") && last_heard.is_some_and(|s| s.heard.as_deref() == Some(heard))
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

    // who has given this line's width has been here before
    let answered = vec![(2_000, tone(ToneKind::Ringback)), (6_000, speech())];
    let idle = [vec![(800, tone(ToneKind::Dial))]].into();
    let exchange = Exchange { flash: [dial()].into(), dial: [answered].into(), off_hook: idle, ..Default::default() };
    let known = run(&["5550100"], true, Manners { flash_is_known: true, ..manners() }, exchange);
    assert!(matches!(known.result, Transferred::Completed { .. }), "{:?}", known.result);
    assert_eq!(flashed(&known), 1);
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

fn flashes(run: &Run) -> Vec<u128> {
    let widths = run.actions.iter().map(|a| match a {
        Action::Flash(w) => w.as_millis(),
        other => panic!("nothing but flashes: {other:?}"),
    });
    widths.collect()
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
fn a_caller_who_plays_a_tone_is_told_from_silence() {
    let plays = vec![(400, Event::Heard(Heard::OtherTone { hz: 1004, since: Time::ZERO }))];
    let exchange = Exchange { flash: [recall(), plays].into(), dial: [busy()].into(), ..Default::default() };
    let run = run(&["5550101"], true, manners(), exchange);
    assert_eq!(run.result, Transferred::CallerBack { evidence: Evidence::OtherTone });
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
fn a_target_that_hangs_up_at_once_is_not_a_transfer() {
    let quick = vec![(2_500, tone(ToneKind::Ringback)), (8_000, speech()), (8_800, tone(ToneKind::Busy))];
    let exchange = Exchange { flash: [recall(), caller_speaks()].into(), dial: [quick].into(), ..Default::default() };
    let run = run(&["5550106"], true, manners(), exchange);
    assert_eq!(run.result, Transferred::CallerBack { evidence: Evidence::Speech });
}

fn etsi() -> Manners {
    Manners { back: "R1".into(), complete: Completion::Recall("4".parse().unwrap()), ..manners() }
}

fn dialled(run: &Run) -> Vec<String> {
    let dials = run.actions.iter().filter_map(|a| match a {
        Action::Dial(d, _) => Some(d.reveal()),
        _ => None,
    });
    dials.collect()
}

#[test]
fn explicit_call_transfer_dials_its_code_when_the_recall_tone_invites_to() {
    let exchange = Exchange {
        flash: [recall(), recall()].into(),
        dial: [answers(), vec![(900, tone(ToneKind::Dial))]].into(),
        off_hook: [dial_tone()].into(),
        ..Default::default()
    };
    let run = run(&["5550100"], true, etsi(), exchange);
    assert!(matches!(run.result, Transferred::Completed { .. }), "{:#?}", run.steps);
    assert_eq!(dialled(&run), ["5550100", "4"]);
}

#[test]
fn a_release_tone_after_the_code_is_believed_when_the_way_back_leads_to_nobody() {
    let released = || vec![(900, tone(ToneKind::Congestion))];
    let exchange = Exchange {
        flash: [recall(), recall(), vec![], vec![]].into(),
        dial: [answers(), released(), released(), released()].into(),
        off_hook: [dial_tone()].into(),
        ..Default::default()
    };
    let run = run(&["5550100"], true, etsi(), exchange);
    assert!(matches!(run.result, Transferred::Completed { .. }), "{:#?}", run.steps);
    assert_eq!(dialled(&run), ["5550100", "4", "1", "1"]);
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
        flash: [recall(), vec![]].into(),
        dial: [answers(), vec![(300, tone(ToneKind::RecallDial))], vec![(900, tone(ToneKind::Dial))]].into(),
        off_hook: [dial_tone()].into(),
        ..Default::default()
    };
    let run = run(&["5550100"], true, etsi(), exchange);
    assert!(matches!(run.result, Transferred::Completed { .. }), "{:#?}", run.steps);
    assert_eq!(dialled(&run), ["5550100", "4", "4"]);
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

fn silent_from(ms: u64) -> Event {
    Event::Heard(Heard::SpeechEnded { at: Time::ms(ms) })
}

fn disconnect(ms: u64) -> Event {
    Event::ForwardDisconnect { open: Duration::from_millis(ms) }
}

fn presses(digit: char) -> Event {
    let digit = crate::number::Digit::new(digit).unwrap();
    Event::Heard(Heard::Digit { digit, since: Time::ZERO, lasted: Duration::from_millis(80) })
}

fn back_steps(run: &Run) -> Vec<&str> {
    run.steps.iter().filter(|s| s.step == "back").filter_map(|s| s.result.as_deref()).collect()
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
fn who_hangs_up_before_the_first_flash_is_told_to_have_done_so() {
    let gone = || vec![(500, tone(ToneKind::Busy))];
    let by_tone = Exchange { flash: [gone(), gone(), gone()].into(), ..Default::default() };
    assert_eq!(run(&["5550100"], true, manners(), by_tone).result, Transferred::CallerGone);
    let opened = vec![(100, disconnect(500)), (900, tone(ToneKind::Dial))];
    let by_loop = Exchange { flash: [opened, dial_tone(), dial_tone(), dial_tone()].into(), ..Default::default() };
    assert_eq!(run(&["5550100"], true, manners(), by_loop).result, Transferred::CallerGone);
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

fn flash_count(run: &Run) -> usize {
    run.actions.iter().filter(|a| matches!(a, Action::Flash(_))).count()
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
fn a_call_of_somebody_else_in_the_seconds_after_leaving_is_no_recall() {
    let number = |n: &str| crate::number::PartyNumber::from_network(n.as_bytes());
    let id = |n: &str| {
        Event::CallerId(crate::event::CallerId {
            number: number(n),
            name: None,
            absent: None,
            format: crate::event::CallerIdFormat::Bell202,
            date: None,
        })
    };
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
        flash.extend([consult(), before_code, vec![], vec![]]);
        dial.extend([answers(), released(), released(), released()]);
        run(&["5550100"], true, etsi(), Exchange { flash, dial, off_hook: [dial_tone()].into(), ..Default::default() })
    };
    let proven = |run: &Run| matches!(run.result, Transferred::Completed { .. });
    let silent = transferred(plain, vec![]);
    assert_eq!(silent.result, Transferred::Unproven { target: 0 }, "{:#?}", silent.steps);
    assert!(proven(&transferred(plain, plain())), "the tone before the code tells that somebody is held");
    assert!(proven(&transferred(recall, vec![])), "and so does a recall tone that is none of a new call's");
}

#[test]
fn a_code_waits_for_as_long_as_the_recall_tone_took() {
    let late = || vec![(2_400, tone(ToneKind::RecallDial))];
    let flash = [late(), late()].into();
    let dial = [answers(), vec![(900, tone(ToneKind::Dial))]].into();
    let run =
        run(&["5550100"], true, etsi(), Exchange { flash, dial, off_hook: [dial_tone()].into(), ..Default::default() });
    assert!(matches!(run.result, Transferred::Completed { .. }), "{:#?}", run.steps);
    assert_eq!(dialled(&run), ["5550100", "4"], "once, when the register is there");
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

#[test]
fn a_reorder_that_comes_when_the_exchange_has_waited_for_digits_is_no_release() {
    let (at_once, late) = (800, 2_600);
    for (after, proven) in [(at_once, true), (late, false)] {
        let refused = move || vec![(after, tone(ToneKind::Congestion))];
        let exchange = Exchange {
            flash: [recall(), recall(), vec![], vec![]].into(),
            dial: [answers(), refused(), refused(), refused()].into(),
            off_hook: [dial_tone()].into(),
            ..Default::default()
        };
        let run = run(&["5550100"], true, etsi(), exchange);
        assert_eq!(matches!(run.result, Transferred::Completed { .. }), proven, "{after}: {:#?}", run.steps);
    }
}
