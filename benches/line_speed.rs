//! How much faster than real time one line runs on one core: exchange, pair, ear and call logic together, as whole calls
//! in virtual time. The aim is more than 1,000 times. Run it with `cargo bench --bench line_speed`.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use tipring::call::receive::AnswerRule;
use tipring::call::talk::TalkPlan;
use tipring::call::transfer::TransferPlan;
use tipring::call::{Answering, Begin, Dialling, Manners, Plan, Target};
use tipring::driver::Port;
use tipring::driver::sim::SimPort;
use tipring::driver::sim::scenario::Scenario;
use tipring::facts::Facts;
use tipring::line::Line;
use tipring::owner::{Owner, Witness};
use tipring::record::Record;

struct Nobody;

impl Witness for Nobody {
    fn record(&mut self, _: &Record) -> std::io::Result<()> {
        Ok(())
    }
}

fn target(number: &str) -> Target {
    Target { name: None, number: number.parse().expect("digits") }
}

/// One call to its end; how long it lasted on the line.
fn call(country: &str, scenario: &str, seed: u64, begin: Begin, transfer: Option<TransferPlan>) -> Duration {
    let country = Facts::embedded().country(country).expect("a country of the facts");
    let scenario = Scenario::load(scenario).expect("a built-in scenario");
    let port = SimPort::on(country, &scenario, seed);
    let manners = Manners::of(country);
    let line = Line::new(port.kind(), port.capabilities(), Arc::new(country.clone()), port.now());
    let stay = Some(Duration::ZERO);
    let talk = TalkPlan { hang_up_after: Some(Duration::from_secs(30)), ..TalkPlan::default() };
    let plan = Plan { begin, transfer, talk, stay };
    let interrupted = AtomicBool::new(false);
    let mut nobody = Nobody;
    let owner = Owner::new("sim".into(), Box::new(port), line, plan, manners, &mut nobody, &interrupted);
    let report = owner.run().expect("a call that ends");
    report.lasted.since(tipring::clock::Time::ZERO)
}

fn measure(what: &str, mut one: impl FnMut(u64) -> Duration) {
    one(0); // tables, facts
    let (began, mut simulated, mut seed) = (Instant::now(), Duration::ZERO, 1);
    while began.elapsed() < Duration::from_millis(700) {
        simulated += one(seed);
        seed += 1;
    }
    let ratio = simulated.as_secs_f64() / began.elapsed().as_secs_f64();
    println!("{what:<52} {ratio:>8.0} x real time");
}

fn main() {
    for country in ["us", "gb", "de", "se"] {
        measure(&format!("{country}: dial, talk for 30 s"), |seed| {
            let begin = Begin::Dial(Dialling { target: target("5550100"), no_answer_after: Duration::from_secs(60) });
            call(country, "idle", seed, begin, None)
        });
        measure(&format!("{country}: answer, transfer past busy and no answer"), |seed| {
            let begin = Begin::Answer(Answering { rule: AnswerRule { wait: None, after_rings: None } });
            let targets = ["5550101", "5550102", "5550100"].map(target).to_vec();
            let plan = TransferPlan::to(targets, true, Duration::from_secs(20));
            call(country, "incoming", seed, begin, Some(plan))
        });
    }
}
