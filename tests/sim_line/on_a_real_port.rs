//! The exchange behind an FXS port whose driver classifies the loop, as DAHDI's does.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tipring::clock::Time;
use tipring::driver::sim::exchange_on_port::ExchangeOnPort;
use tipring::driver::sim::scenario::Scenario;
use tipring::driver::{Capabilities, Port, PortError, PortKind, Selector};
use tipring::dsp::dtmf::{DtmfGenerator, DtmfTiming};
use tipring::dsp::{Frame, Source, level};
use tipring::event::{Command, Signal};
use tipring::facts::Facts;

/// What the port and the telephone on it share.
#[derive(Default)]
struct Wire {
    now: Time,
    signals: VecDeque<(Time, Signal)>,
    commands: Vec<Command>,
    /// On-hook transmissions: from which sample heard, and how long.
    transmissions: Vec<(usize, Duration)>,
    heard: Vec<i16>,
    says: Option<DtmfGenerator>,
    unread: u32,
}

struct FxsPort {
    selector: Selector,
    kind: PortKind,
    wire: Arc<Mutex<Wire>>,
}

impl Port for FxsPort {
    fn selector(&self) -> &Selector {
        &self.selector
    }
    fn kind(&self) -> PortKind {
        self.kind
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities { audio: true, ..Capabilities::default() }
    }
    fn now(&self) -> Time {
        self.wire.lock().unwrap().now
    }
    fn wait(&mut self, _until: Time) -> Result<(), PortError> {
        let mut w = self.wire.lock().unwrap();
        w.now += Duration::from_millis(20);
        w.unread += 1;
        Ok(())
    }
    fn command(&mut self, command: Command) -> Result<(), PortError> {
        // as a port that cannot reverse its polarity
        if matches!(command, Command::Reverse(_)) {
            return Err(PortError::Unsupported { port: "dahdi/1".into(), what: "reverse".into() });
        }
        let mut w = self.wire.lock().unwrap();
        if let Command::OnHookTransmission(lasts) = command {
            let from = w.heard.len();
            w.transmissions.push((from, lasts));
        }
        w.commands.push(command);
        Ok(())
    }
    fn next_signal(&mut self) -> Result<Option<(Time, Signal)>, PortError> {
        Ok(self.wire.lock().unwrap().signals.pop_front())
    }
    fn read(&mut self, frame: &mut Frame) -> Result<bool, PortError> {
        let mut w = self.wire.lock().unwrap();
        if w.unread == 0 {
            return Ok(false);
        }
        w.unread -= 1;
        *frame = Frame::default();
        if w.says.as_mut().is_some_and(|s| !s.add_to(&mut frame.0)) {
            w.says = None;
        }
        Ok(true)
    }
    fn write(&mut self, frame: &Frame) -> Result<(), PortError> {
        self.wire.lock().unwrap().heard.extend(frame.0);
        Ok(())
    }
}

struct Office {
    exchange: ExchangeOnPort,
    wire: Arc<Mutex<Wire>>,
    story: String,
}

impl Office {
    fn open(country: &str, scenario: &str) -> Office {
        Office::with(country, &Scenario::load(scenario).unwrap())
    }

    fn scripted(country: &str, scenario: &str) -> Office {
        Office::with(country, &Scenario::parse("test", scenario).unwrap())
    }

    fn with(country: &str, scenario: &Scenario) -> Office {
        let wire = Arc::new(Mutex::new(Wire::default()));
        let port = FxsPort { selector: Selector::Dahdi(1), kind: PortKind::Fxs, wire: wire.clone() };
        let country = Facts::embedded().country(country).unwrap();
        let exchange = ExchangeOnPort::new(Box::new(port), country, scenario, 1).unwrap();
        Office { exchange, wire, story: String::new() }
    }

    fn run(&mut self, ms: u64) {
        for _ in 0..ms / 20 {
            self.exchange.step().unwrap();
            for r in self.exchange.take_trace() {
                self.story += &format!("{r}\n");
            }
        }
    }

    fn signal(&mut self, signal: Signal) {
        let mut w = self.wire.lock().unwrap();
        let now = w.now;
        w.signals.push_back((now, signal));
    }

    fn until(&mut self, what: &str, secs: u64) {
        for _ in 0..secs * 50 {
            if self.story.contains(what) {
                return;
            }
            self.run(20);
        }
        panic!("`{what}` did not happen:\n{}", self.story);
    }

    fn dial(&mut self, digits: &str) {
        self.wire.lock().unwrap().says = Some(DtmfGenerator::new(&digits.parse().unwrap(), DtmfTiming::default()));
        self.run(digits.len() as u64 * 140 + 100);
    }

    fn commands(&self) -> Vec<Command> {
        self.wire.lock().unwrap().commands.clone()
    }

    fn level(&mut self, ms: u64) -> f32 {
        self.wire.lock().unwrap().heard.clear();
        self.run(ms);
        level::dbm0(&self.wire.lock().unwrap().heard)
    }

    fn condition(&self, number: &str) -> String {
        self.exchange.exchange().census().of(number).unwrap().to_string()
    }

    fn answered(country: &str) -> Office {
        let mut office = Office::open(country, "incoming");
        office.until("ring us", 10);
        office.run(1000);
        office.signal(Signal::OffHook);
        office.run(1000);
        office
    }
}

#[test]
fn an_fxo_port_cannot_be_served() {
    let wire = Arc::new(Mutex::new(Wire::default()));
    let port = FxsPort { selector: Selector::Dahdi(5), kind: PortKind::Fxo, wire };
    let us = Facts::embedded().country("us").unwrap();
    assert!(ExchangeOnPort::new(Box::new(port), us, &Scenario::default(), 1).is_err());
}

#[test]
fn a_telephone_on_the_port_gets_dial_tone_and_its_call() {
    let mut office = Office::open("us", "idle");
    office.run(200);
    office.signal(Signal::OffHook);
    office.run(1000);
    assert!(office.level(500) > -15.0, "dial tone");
    office.dial("5550100");
    office.until("5550100 answers", 15);
    assert!(office.level(1000) > -35.0);
    office.signal(Signal::OnHook);
    office.run(100);
    assert_eq!(office.condition("5550100"), "released");
    assert_eq!(office.commands(), [Command::OffHook, Command::OnHook]);
}

#[test]
fn the_telephone_is_rung_with_the_cadence_and_sent_caller_id_until_it_answers() {
    let office = Office::answered("us");
    let secs = Duration::from_secs;
    assert_eq!(
        office.commands(),
        [Command::Ring(vec![secs(2), secs(4)]), Command::OffHook, Command::RingOff],
        "{}",
        office.story
    );
    assert_eq!(office.condition("5551234"), "talking with us");

    let mut office = Office::open("us", "incoming");
    office.until("sends caller-id", 10);
    assert!(matches!(office.commands()[1], Command::OnHookTransmission(_)));
    assert!(office.level(600) > -25.0);
}

#[test]
fn a_flash_of_the_driver_is_recall_by_its_width() {
    let mut office = Office::answered("us");
    office.signal(Signal::Flash(Some(Duration::from_millis(250))));
    office.run(500);
    assert_eq!(office.condition("5551234"), "talking with us");
    office.signal(Signal::Flash(None));
    office.run(1000);
    assert_eq!(office.condition("5551234"), "on hold");
    office.dial("5550101");
    office.until("tone busy", 3);
    office.signal(Signal::Flash(Some(Duration::from_millis(290))));
    office.run(200);
    assert_eq!(office.condition("5551234"), "talking with us");
}

#[test]
fn a_lone_pulse_is_the_european_recall_key_and_a_long_flash_a_hang_up_there() {
    let one = || Signal::PulseDigit("1".parse::<tipring::number::DialString>().unwrap().digits().next().unwrap());
    let mut office = Office::answered("se");
    office.signal(one());
    office.until("tone recall-dial", 2);
    assert_eq!(office.condition("5551234"), "on hold");
    office.run(300);
    office.dial("1");
    assert_eq!(office.condition("5551234"), "talking with us");
    office.signal(Signal::Flash(None));
    office.run(200);
    assert_eq!(office.condition("5551234"), "lost: a break was taken for a hang-up");

    let mut office = Office::answered("us");
    office.signal(one());
    office.run(1000);
    assert_eq!(office.condition("5551234"), "talking with us", "no recall in North America");
}

#[test]
fn forward_disconnect_is_no_longer_than_the_kernel_s_and_its_own_break_is_no_flash() {
    let mut office = Office::open("us", "idle");
    office.signal(Signal::OffHook);
    office.run(1000);
    office.dial("5550106");
    office.until("forward-disconnect", 20);
    assert!(office.commands().contains(&Command::OpenLoop(Duration::from_millis(500))));
    office.run(500);
    office.signal(Signal::Flash(Some(Duration::from_millis(500))));
    office.signal(Signal::HookDone);
    office.run(2000);
    assert_eq!(office.commands().last(), Some(&Command::OffHook), "battery is given again");
    assert!(!office.story.contains("sees flash"), "{}", office.story);
    assert!(office.story.contains("tone dial"));
}

#[test]
fn what_a_port_cannot_do_is_told_and_the_rest_goes_on() {
    let mut office = Office::open("gb", "incoming");
    office.until("ring us", 10);
    assert!(office.story.contains("dahdi/1 cannot reverse"), "{}", office.story);
    assert!(office.commands().iter().any(|c| matches!(c, Command::Ring(_))));
}

#[test]
fn a_removed_port_ends_the_service() {
    let mut office = Office::open("us", "idle");
    office.signal(Signal::Removed);
    assert!(matches!(office.exchange.step(), Err(PortError::Removed { .. })));
}

#[test]
fn on_hook_transmission_outlasts_the_caller_id_by_what_a_driver_keeps_in_its_queues() {
    for country in ["us", "gb"] {
        let mut office = Office::open(country, "incoming");
        office.run(6_000);
        let w = office.wire.lock().unwrap();
        let (from, open) = *w.transmissions.last().unwrap();
        let end = from + w.heard[from..].iter().rposition(|s| *s != 0).unwrap() + 1;
        let lasted = Duration::from_millis((end - from) as u64 / 8);
        assert!(lasted > Duration::from_millis(300), "{country}: no caller ID but {lasted:?}");
        assert!(open >= lasted + Duration::from_millis(200), "{country}: {open:?} for {lasted:?}");
    }
}

#[test]
fn what_no_port_can_be_made_to_do_is_refused_in_one_line_before_anything_rings() {
    for (fault, word) in [
        ("unplugged_at_s = 8", "unplugged_at_s"),
        ("device_removed_at_s = 8", "device_removed_at_s"),
        ("battery_lost_at_s = 8", "battery_lost_at_s"),
        ("battery_lost_at_s = 8\nbattery_lost_ms = 501", "500 ms at most"),
        ("parallel_lifted_at_s = 8\nparallel_takes_battery = true", "parallel_takes_battery"),
    ] {
        let port = FxsPort { selector: Selector::Dahdi(1), kind: PortKind::Fxs, wire: Arc::default() };
        let scenario = Scenario::parse("test", &format!("[fault]\n{fault}\n")).unwrap();
        let us = Facts::embedded().country("us").unwrap();
        let error = ExchangeOnPort::new(Box::new(port), us, &scenario, 1).err().unwrap();
        let line = error.to_string();
        assert!(line.starts_with("dahdi/1 cannot") && line.contains(word) && !line.contains('\n'), "{line}");
    }
}

#[test]
fn a_battery_dip_opens_the_loop_of_the_port_and_is_no_flash() {
    let mut office = Office::scripted(
        "us",
        "[fault]\nbattery_lost_at_s = 6\nbattery_lost_ms = 300\n[[call]]\nat_s = 1\nfrom = '5551234'\n",
    );
    office.until("ring us", 3);
    office.signal(Signal::OffHook);
    office.until("battery fails", 8);
    assert!(office.commands().contains(&Command::OpenLoop(Duration::from_millis(300))));
    office.run(300);
    office.signal(Signal::Flash(Some(Duration::from_millis(300))));
    office.signal(Signal::HookDone);
    office.run(1000);
    assert_eq!(office.commands().last(), Some(&Command::OffHook), "battery is given again");
    assert_eq!(office.condition("5551234"), "talking with us");
}

#[test]
fn a_scenario_s_noise_and_loss_are_heard_on_the_port_and_without_them_nothing_is_added() {
    let mut office = Office::open("us", "idle");
    assert!(office.level(500) < -90.0);
    let mut office = Office::scripted(
        "us",
        "[pair]\nnoise_dbm0 = -45\nhum_hz = 60\nhum_dbm0 = -50\n[[burst]]\nat_s = 1\nlasts_ms = 200\ndbm0 = -20\n",
    );
    let quiet = office.level(980);
    assert!((-46.0..-42.0).contains(&quiet), "{quiet}");
    let burst = office.level(200);
    assert!((-22.0..-18.0).contains(&burst), "{burst}");
    let dial_tone = |scenario: &str| {
        let mut office = Office::scripted("us", scenario);
        office.signal(Signal::OffHook);
        office.until("tone dial", 3);
        office.level(1000)
    };
    let (plain, lossy) = (dial_tone(""), dial_tone("[pair]\nloss_db = 10\n"));
    assert!((plain - lossy - 10.0).abs() < 0.3, "{plain} {lossy}");
}

#[test]
fn a_telephone_that_the_exchange_plays_beside_the_real_one_keeps_the_loop_closed() {
    let scenario =
        "[fault]\nparallel_lifted_at_s = 6\nparallel_hung_up_after_s = 10\n[[call]]\nat_s = 1\nfrom = '5551234'\n";
    let mut office = Office::scripted("us", scenario);
    office.until("ring us", 3);
    office.signal(Signal::OffHook);
    office.until("another telephone", 8);
    office.signal(Signal::Flash(Some(Duration::from_millis(600))));
    office.run(1000);
    assert_eq!(office.condition("5551234"), "talking with us");
    assert!(office.level(2000) > -30.0, "somebody talks");
    office.signal(Signal::OnHook);
    office.run(1000);
    assert_eq!(office.condition("5551234"), "talking with us");
    office.until("the other telephone is hung up", 10);
    office.run(100);
    assert_eq!(office.condition("5551234"), "released");
}

#[test]
fn polarity_tells_an_answer_and_a_waiting_call_its_tone_also_on_a_port() {
    let mut office = Office::scripted("us", "[line]\nanswer_reversal = true\n");
    office.signal(Signal::OffHook);
    office.run(1000);
    office.dial("5550100");
    office.until("reverses the line", 20);
    assert!(office.story.contains("dahdi/1 cannot reverse"), "this one cannot, and says so: {}", office.story);
    let mut office = Office::open("us", "call-waiting");
    office.until("ring us", 3);
    office.signal(Signal::OffHook);
    office.until("tone call-waiting", 25);
    office.run(2000);
    office.signal(Signal::Flash(Some(Duration::from_millis(600))));
    office.run(500);
    assert_eq!(
        (office.condition("5551234"), office.condition("5555678")),
        ("on hold".into(), "talking with us".into())
    );
}
