//! The transfer machine against a scripted exchange: each action has its answers, after so many milliseconds.

mod back;
mod consult;
mod flash;
mod leave;

use super::transfer::{Transfer, TransferPlan, Transferred};
use super::{Completion, Evidence, Manners, Output, Step, Target};
use crate::clock::Time;
use crate::event::{Action, CallerId, CallerIdFormat, Event, Heard, Tone, ToneKind};
use crate::number::PartyNumber;
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

fn run_plan(plan: TransferPlan, manners: Manners, exchange: Exchange) -> Run {
    run_machine(Transfer::new(Time::ZERO, plan, manners), exchange)
}

fn run_machine(mut machine: Transfer, mut exchange: Exchange) -> Run {
    let mut coming: Vec<(u64, Event)> = Vec::new();
    let (mut actions, mut steps) = (Vec::new(), Vec::new());
    for ms in (0..300_000).step_by(10) {
        let now = Time::ms(ms);
        while let Some(i) = coming.iter().position(|(at, _)| *at <= ms) {
            let (_, mut event) = coming.remove(i);
            if let Event::Heard(Heard::Tone { since, .. } | Heard::Speech { since }) = &mut event {
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
                    let due = |at, event: &Event| match event {
                        // it is told while the flash lasts
                        Event::LoopHeld { .. } => ms + at,
                        _ => ms + offset + at,
                    };
                    coming.extend(answers.pop_front().unwrap_or_default().into_iter().map(|(at, e)| (due(at, &e), e)));
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

fn flashes(run: &Run) -> Vec<u128> {
    let widths = run.actions.iter().map(|a| match a {
        Action::Flash(w) => w.as_millis(),
        other => panic!("nothing but flashes: {other:?}"),
    });
    widths.collect()
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

fn flash_count(run: &Run) -> usize {
    run.actions.iter().filter(|a| matches!(a, Action::Flash(_))).count()
}

fn number(digits: &str) -> Option<PartyNumber> {
    PartyNumber::from_network(digits.as_bytes())
}

fn caller_id(digits: &str) -> Event {
    Event::CallerId(CallerId {
        number: number(digits),
        name: None,
        absent: None,
        format: CallerIdFormat::Bell202,
        date: None,
    })
}
