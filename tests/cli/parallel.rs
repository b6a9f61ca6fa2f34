//! Another telephone on the same pair: the card measures what it leaves of the voltage.

use crate::Tipring;

const CALL: &str = "[[call]]\nat_s = 1.0\nfrom = \"5551234\"\n";

fn line(tipring: &Tipring, faults: &str, calls: &str) -> String {
    let text = format!("about = \"a test's\"\n[fault]\n{faults}{calls}");
    format!("sim/us?clock=virtual&scenario={}", tipring.file("scenario.toml", &text))
}

#[test]
fn a_line_on_which_another_telephone_is_lifted_is_not_seized() {
    let tipring = Tipring::start();
    let lifted = line(&tipring, "parallel_lifted_at_s = 0.0\nparallel_hung_up_after_s = 10.0\n", "");
    let run = tipring.run(&["--line", &lifted, "dial", "5550100"]).exits(5);
    assert!(run.stderr.contains("another telephone") && run.stderr.contains("7.0 V"), "{}", run.all());
    tipring.run(&["--line", &lifted, "--wait", "5s", "dial", "5550100"]).exits(75);
    tipring.run(&["--line", &lifted, "--wait", "15s", "dial", "5550100"]).exits(0);
}

#[test]
fn a_call_that_is_answered_on_another_telephone_is_left_there() {
    let tipring = Tipring::start();
    let line = line(&tipring, "parallel_lifted_at_s = 2.5\nparallel_hung_up_after_s = 8.0\n", CALL);
    let run = tipring.run(&["--line", &line, "--json", "-v", "answer", "--within", "20s"]).exits(75);
    assert!(run.stdout.contains("answered there"), "{}", run.all());
    assert!(!run.stderr.contains("us        off-hook"), "{}", run.all());
    assert!(run.stderr.contains("the other telephone hung up"), "{}", run.all());
}

#[test]
fn a_flash_that_another_telephone_hides_is_told_as_that_and_the_call_goes_on() {
    let tipring = Tipring::start();
    let line = line(&tipring, "parallel_lifted_at_s = 5.0\nparallel_hung_up_after_s = 30.0\n", CALL);
    let run = tipring.run(&["--line", &line, "--json", "answer", "--transfer-to", "5550100", "--warm"]).exits(22);
    let json = run.json();
    let flashes: Vec<_> = json["steps"].as_array().unwrap().iter().filter(|s| s["step"] == "flash").collect();
    assert_eq!(flashes.len(), 1, "no other width is tried: {json:#}");
    assert_eq!(flashes[0]["heard"], "another telephone keeps the loop closed 7.0V");
    assert_eq!(flashes[0]["result"], "not seen by the exchange");
}

#[test]
fn a_hang_up_that_another_telephone_hides_proves_nothing() {
    let tipring = Tipring::start();
    let line = line(&tipring, "parallel_lifted_at_s = 12.0\nparallel_hung_up_after_s = 20.0\n", CALL);
    let run = tipring.run(&["--line", &line, "--json", "answer", "--transfer-to", "5550100", "--warm"]).exits(31);
    assert!(run.stdout.contains("another telephone lifted 7.0V"), "{}", run.all());
}
