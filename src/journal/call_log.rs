//! One call, as it is told to the journal by whoever has the line. Nothing here fails, and only an intent waits.

use super::place::Surroundings;
use super::writer::{self, Leg, Order, Row, Told};
use crate::call::{Stage, Step};
use crate::clock::Time;
use crate::event::{Action, CallerId, Event};
use crate::owner::CallReport;
use crate::record::{Actor, Record};
use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// In a call an intent waits for the disk no longer than the line's buffers hold.
const IN_CALL: Duration = Duration::from_millis(150);
/// Before it there is no audio to be lost.
const BEFORE_CALL: Duration = Duration::from_secs(1);
/// After it there is nothing to be late for, and somebody who waits for the answer.
const AFTER_CALL: Duration = Duration::from_secs(3);
/// Digits that an exchange takes as a recall code (`R4`) and not as a number.
const RECALL_CODE_MAX: usize = 2;
const EARLY_MAX: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Somebody calls us.
    In,
    Out,
}

/// What is known before anything happens.
#[derive(Clone, Debug)]
pub struct NewCall {
    /// As the user calls it.
    pub line: String,
    pub port: String,
    /// `dial`, `answer`.
    pub command: &'static str,
    pub direction: Direction,
    /// The far party's number and name, where they are known.
    pub number: Option<String>,
    pub name: Option<String>,
}

/// A call being written. Dropped without [`finish`](CallLog::finish) it stays under way in the journal, and is marked as
/// interrupted when its process is gone.
pub struct CallLog {
    orders: Option<mpsc::Sender<Order>>,
    thread: Option<std::thread::JoinHandle<()>>,
    told: Arc<Told>,
    row: Row,
    /// `answer` may wait for hours: a call begins with its first ring, or with what we do first.
    begun: bool,
    stage: Stage,
    now: Time,
    intents: usize,
    open_intent: Option<usize>,
    legs: Vec<Leg>,
    /// Lines of the record before the call began, the latest first.
    early: VecDeque<Record>,
    warned: bool,
    /// Calls are kept so long.
    keep: Option<Duration>,
    /// An intent that was not waited for any longer.
    late: Option<mpsc::Receiver<bool>>,
}

impl CallLog {
    pub fn start(place: Surroundings, new: NewCall) -> CallLog {
        let (orders, taken) = mpsc::channel();
        let told = Arc::new(Told::default());
        let for_writer = told.clone();
        let thread = std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || {
                // signals are for the thread that catches them
                let _ = nix::sys::signal::SigSet::all().thread_block();
                writer::run(place, &taken, for_writer);
            })
            .ok();
        let row = Row {
            id: new_id(),
            begun_ms: now_ms(),
            begun_us: 0,
            lasted_us: None,
            answered_us: None,
            stage: stage_word(Stage::Waiting),
            outcome: None,
            exit: None,
            q850: None,
            target: None,
            new,
        };
        CallLog {
            // without a thread there is nobody to order anything of
            orders: thread.is_some().then_some(orders),
            thread,
            told,
            row,
            begun: false,
            stage: Stage::Waiting,
            now: Time::ZERO,
            intents: 0,
            open_intent: None,
            legs: Vec::new(),
            early: VecDeque::new(),
            warned: false,
            keep: None,
            late: None,
        }
    }

    /// When this call is over, a few that are older go.
    pub fn keep(&mut self, keep: Option<Duration>) {
        self.keep = keep;
    }

    /// What the call is called in the journal, once it is there.
    pub fn id(&self) -> Option<&str> {
        self.told.stored.load(Ordering::Acquire).then_some(self.row.id.as_str())
    }

    /// What is wrong with the journal: told once, to be shown as one warning.
    pub fn take_warning(&mut self) -> Option<String> {
        let warning = self.told.warning.lock().ok()?.take()?;
        // one trouble has several faces: slow, then locked
        (!std::mem::replace(&mut self.warned, true)).then_some(warning)
    }

    /// One line of the record.
    pub fn record(&mut self, record: &Record) {
        let masked = record.masked();
        if self.begun {
            return self.order(Order::Event(masked));
        }
        // nobody has called yet: what led up to a call belongs to it, hours of an idle line do not
        self.early.truncate(EARLY_MAX - 1);
        self.early.push_front(masked);
    }

    pub fn event(&mut self, now: Time, event: &Event) {
        match event {
            Event::Ringing { .. } => self.begin(now),
            Event::CallerId(id) => {
                self.begin(now);
                self.caller(id);
            }
            // asked for in a call that goes on as it was: it is done, and what is heard after it has no end
            Event::FlashDone | Event::DialDone
                if matches!(self.stage, Stage::Talking | Stage::OnHold | Stage::Conference) =>
            {
                self.close_intent("done");
            }
            _ => {}
        }
    }

    /// Something is about to be done to the line. Returns when it is on the disk; or soon, when the journal cannot.
    pub fn about_to(&mut self, now: Time, stage: Stage, action: &Action) {
        let what = match action {
            Action::OffHook => "off-hook".to_string(),
            // hanging up is only in question where it completes a transfer
            Action::OnHook if stage == Stage::Transferring => "on-hook".to_string(),
            Action::Flash(width) => format!("flash {}ms", width.as_millis()),
            Action::Dial(digits, _) => format!("dial {digits}"),
            _ => return,
        };
        self.begin(now);
        self.stage(now, stage);
        if let (Stage::Transferring, Action::Dial(digits, _)) = (stage, action)
            && digits.digits().count() > RECALL_CODE_MAX
        {
            self.open_leg(Leg { number: Some(digits.reveal()), begun_us: us(now), ..Leg::default() });
        }
        // one at a time is in flight: what is begun next says that this one is through
        self.close_intent("done");
        let n = self.intents;
        self.intents += 1;
        self.open_intent = Some(n);
        let (done, waited) = mpsc::sync_channel(1);
        self.order(Order::Intent { n, at_us: us(now), what, done });
        // a journal that fails or still has the last one to write is not waited for again
        let late = self.late.take_if(|late| !matches!(late.try_recv(), Err(mpsc::TryRecvError::Empty)));
        if self.late.is_some() || self.told.failing.load(Ordering::Acquire) {
            return;
        }
        drop(late);
        let limit = if *action == Action::OffHook && stage != Stage::Transferring { BEFORE_CALL } else { IN_CALL };
        if waited.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            self.late = Some(waited);
            self.told.set_warning(format!(
                "the journal is slow: it took longer than {} ms; the call does not wait for it",
                limit.as_millis()
            ));
        }
    }

    /// What was heard after something was done to the line: that is what came of it. And what it tells about a party.
    pub fn step(&mut self, step: &Step) {
        self.begin(step.at);
        if step.heard.is_some() || step.result.is_some() {
            self.close_intent(&Record::new(step.at, Actor::Call, step.to_string()).masked().what);
        }
        let outcome = step.result.as_deref().or(step.heard.as_deref());
        match step.step.as_ref() {
            "answer" => {
                self.row.answered_us = Some(us(step.at));
                self.change_leg(|leg| leg.answered_us = Some(us(step.at)));
                self.order(Order::Row(Box::new(self.row.clone())));
            }
            "dial" => {
                let name = step.target.clone();
                self.change_leg(|leg| {
                    // called by name: the number is what was dialled
                    leg.name = name.filter(|name| leg.number.as_ref() != Some(name)).or(leg.name.take());
                    leg.outcome = outcome.map(str::to_string);
                    if outcome == Some("answered") {
                        leg.answered_us = Some(us(step.at));
                    }
                });
            }
            _ => {}
        }
    }

    pub fn stage(&mut self, now: Time, stage: Stage) {
        self.now = now;
        if std::mem::replace(&mut self.stage, stage) != stage && self.begun && stage != Stage::Over {
            self.row.stage = stage_word(stage);
            self.order(Order::Row(Box::new(self.row.clone())));
        }
    }

    /// The call is over, with its report or with an error of the line. Returns when it is written, or cannot be.
    pub fn finish(&mut self, report: Option<&CallReport>) {
        if !self.begun {
            self.leave();
            return;
        }
        let ending = report.map_or(crate::call::Ending::PortFailed, |r| r.ending);
        if let Some(report) = report {
            if let Some(id) = &report.caller {
                self.caller(id);
            }
            self.row.answered_us = report.answered_at.map(us);
            self.row.target = report.transfer.as_ref().and_then(|t| t.target.clone());
        }
        let row = &mut self.row;
        row.lasted_us = Some(us(report.map_or(self.now, |r| r.lasted)));
        row.outcome = Some(ending.name().to_string());
        row.exit = Some(ending.exit().code());
        row.q850 = ending.q850();
        if let Some(leg) = self.legs.first_mut()
            && leg.outcome.is_none()
        {
            leg.outcome = Some(ending.name().to_string());
            let leg = leg.clone();
            self.order(Order::Leg(0, leg));
        }
        self.close_intent(ending.name());
        self.order(Order::Row(Box::new(self.row.clone())));
        let (done, waited) = mpsc::sync_channel(1);
        self.order(Order::End { keep: self.keep, done });
        let _ = waited.recv_timeout(AFTER_CALL);
        self.leave();
    }

    fn close_intent(&mut self, outcome: &str) {
        if let Some(n) = self.open_intent.take() {
            self.order(Order::Outcome { n, outcome: outcome.to_string() });
        }
    }

    fn begin(&mut self, now: Time) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        (self.row.begun_ms, self.row.begun_us) = (now_ms(), us(now));
        self.row.stage = stage_word(self.stage);
        let (number, name) = (self.row.new.number.clone(), self.row.new.name.clone());
        self.order(Order::Row(Box::new(self.row.clone())));
        self.open_leg(Leg { number, name, begun_us: us(now), ..Leg::default() });
        while let Some(record) = self.early.pop_back() {
            self.order(Order::Event(record));
        }
    }

    fn caller(&mut self, id: &CallerId) {
        if self.row.new.direction != Direction::In {
            return;
        }
        self.row.new.number = id.number.as_ref().map(|n| n.reveal().to_string());
        self.row.new.name.clone_from(&id.name);
        self.order(Order::Row(Box::new(self.row.clone())));
        if let Some(leg) = self.legs.first_mut() {
            (leg.number, leg.name) = (self.row.new.number.clone(), self.row.new.name.clone());
            let leg = leg.clone();
            self.order(Order::Leg(0, leg));
        }
    }

    fn open_leg(&mut self, leg: Leg) {
        self.order(Order::Leg(self.legs.len(), leg.clone()));
        self.legs.push(leg);
    }

    fn change_leg(&mut self, change: impl FnOnce(&mut Leg)) {
        let Some(leg) = self.legs.last_mut() else { return };
        change(leg);
        let leg = leg.clone();
        let n = self.legs.len() - 1;
        self.order(Order::Leg(n, leg));
    }

    fn order(&self, order: Order) {
        if let Some(orders) = &self.orders {
            let _ = orders.send(order);
        }
    }

    /// A thread that hangs on a disk is left behind: it ends with the process.
    fn leave(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take().filter(std::thread::JoinHandle::is_finished) {
            let _ = thread.join();
        }
    }
}

fn us(at: Time) -> i64 {
    i64::try_from(at.as_us()).unwrap_or(i64::MAX)
}

pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn stage_word(stage: Stage) -> &'static str {
    match stage {
        Stage::Waiting => "waiting",
        other => other.name(),
    }
}

/// Eight letters and digits that nobody mistakes for each other (no i, l, o, u): 40 bits by chance.
fn new_id() -> String {
    const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    hasher.write_u128(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos());
    let bits = hasher.finish();
    (0..8).map(|i| char::from(LETTERS[(bits >> (5 * i) & 31) as usize])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Store;
    use crate::journal::query::{Filter, State, Whole};
    use std::path::Path;

    fn place(dir: &Path) -> Surroundings {
        Surroundings { explicit: Some(dir.to_path_buf()), ..Default::default() }
    }

    fn incoming(dir: &Path) -> CallLog {
        let (line, port) = ("office".into(), "dahdi/1".into());
        let new = NewCall { line, port, command: "answer", direction: Direction::In, number: None, name: None };
        CallLog::start(place(dir), new)
    }

    /// As another process sees it.
    fn seen(dir: &Path) -> Vec<Whole> {
        let store = Store::read(&dir.join("journal.db"), Duration::from_secs(5)).unwrap();
        let calls = store.list(&Filter::default()).unwrap();
        calls.iter().map(|c| store.show(&c.id).unwrap().unwrap()).collect()
    }

    fn flash() -> Action {
        Action::Flash(Duration::from_millis(600))
    }

    #[test]
    fn what_is_about_to_be_done_is_in_the_file_before_it_is_done_and_what_came_of_it_after() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = incoming(dir.path());
        log.about_to(Time::ms(4_000), Stage::Waiting, &Action::OffHook);
        let call = &seen(dir.path())[0];
        assert_eq!((call.intents[0].what.as_str(), &call.intents[0].outcome), ("off-hook", &None));
        assert_eq!(call.summary.state, State::UnderWay);
        log.step(&Step::new(Time::ms(4_200), "answer").heard("ringing"));
        log.about_to(Time::ms(9_000), Stage::Transferring, &flash());
        let call = &seen(dir.path())[0];
        assert_eq!(call.intents[0].outcome.as_deref(), Some("answer heard ringing"));
        assert_eq!((call.intents[1].what.as_str(), &call.intents[1].outcome), ("flash 600ms", &None));
        assert_eq!(call.intents[1].t, 9.0);
    }

    #[test]
    fn digits_that_were_sent_are_in_flight_no_more_whether_in_talk_on_hold_or_among_three() {
        for stage in [Stage::Talking, Stage::OnHold, Stage::Conference] {
            let dir = tempfile::tempdir().unwrap();
            let mut log = incoming(dir.path());
            log.stage(Time::ms(4_000), stage);
            let digits = Action::Dial("5550100".parse().unwrap(), Default::default());
            log.about_to(Time::ms(5_000), stage, &digits);
            log.event(Time::ms(6_000), &Event::DialDone);
            // the owner is killed: what it has told is written
            drop(log);
            let deadline = std::time::Instant::now() + Duration::from_secs(20);
            // on a machine that is busy there may be no journal yet
            let written = || {
                let store = Store::read(&dir.path().join("journal.db"), Duration::from_secs(5)).ok()?;
                let call = store.list(&Filter::default()).ok()?.first()?.id.clone();
                store.show(&call).ok()??.intents.first()?.outcome.clone()
            };
            while written().as_deref() != Some("done") {
                assert!(std::time::Instant::now() < deadline, "{stage:?}: still in flight");
            }
        }
    }

    #[test]
    fn a_line_that_nobody_called_on_leaves_no_call() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = incoming(dir.path());
        log.record(&Record::new(Time::ms(20), Actor::Heard, "silence since 0.000"));
        log.stage(Time::ms(40), Stage::Over);
        log.finish(None);
        assert_eq!(log.id(), None);
        drop(log);
        let path = dir.path().join("journal.db");
        let store = Store::open(&place(dir.path()), Duration::from_secs(5)).unwrap();
        assert_eq!((store.path(), store.list(&Filter::default()).unwrap().len()), (path.as_path(), 0));
    }

    #[test]
    fn a_call_has_what_led_up_to_it_and_not_hours_of_an_idle_line() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = incoming(dir.path());
        for ms in 0..10_000 {
            log.record(&Record::new(Time::ms(ms), Actor::Heard, "silence"));
        }
        log.event(Time::ms(10_000), &Event::Ringing { burst: 1 });
        log.record(&Record::new(Time::ms(10_000), Actor::Exchange, "ringing 1"));
        log.finish(None);
        let call = &seen(dir.path())[0];
        assert_eq!(call.events.len(), EARLY_MAX + 1);
        assert!(call.events[0].contains("9.968") && call.events[EARLY_MAX].contains("ringing 1"), "{:#?}", call.events);
        assert_eq!(call.summary.outcome.as_deref(), Some("port-failed"), "a line that failed us");
    }

    #[test]
    fn a_journal_that_hangs_costs_the_call_a_moment_and_one_warning() {
        let dir = tempfile::tempdir().unwrap();
        drop(Store::open(&place(dir.path()), Duration::from_secs(5)).unwrap());
        let lock = rusqlite::Connection::open(dir.path().join("journal.db")).unwrap();
        lock.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut log = incoming(dir.path());
        let begun = std::time::Instant::now();
        let mut warnings = 0;
        for n in 0..200 {
            log.about_to(Time::ms(n), Stage::Transferring, &flash());
            warnings += usize::from(log.take_warning().is_some());
        }
        // one wait in two hundred flashes, however long the lock is held
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        assert_eq!(warnings, 1);
        lock.execute_batch("ROLLBACK").unwrap();
        log.finish(None);
        assert_eq!(seen(dir.path())[0].intents.len(), 200, "and when it lets go nothing is missing");
    }

    #[test]
    fn names_of_calls_are_short_and_no_two_are_alike() {
        let ids: std::collections::HashSet<String> = (0..1000).map(|_| new_id()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.len() == 8 && !id.contains(['i', 'l', 'o', 'u'])));
    }
}
