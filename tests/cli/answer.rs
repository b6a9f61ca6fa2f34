use crate::{COUNTRIES, Tipring};
use serde_json::Value;

fn answer(country: &str, targets: &str, warm: bool) -> (i32, Value) {
    let line = format!("sim/{country}?scenario=incoming&clock=virtual");
    let mut args = vec!["--line", &line, "--json", "answer", "--transfer-to", targets];
    if warm {
        args.push("--warm");
    }
    let run = Tipring::start().run(&args);
    (run.code.expect("an exit code"), run.json())
}

fn results(json: &Value) -> Vec<(String, String)> {
    let text = |v: &Value| v.as_str().unwrap_or("").to_string();
    json["steps"].as_array().into_iter().flatten().map(|s| (text(&s["step"]), text(&s["result"]))).collect()
}

#[test]
fn the_first_target_that_takes_the_call_gets_it_in_every_country() {
    for country in COUNTRIES {
        let (code, json) = answer(country, "5550101,5550102,5550100", true);
        assert_eq!(code, 0, "{country}: {json:#}");
        assert_eq!(json["schema"], "tipring.answer/1");
        assert_eq!(json["outcome"], "transferred");
        assert_eq!(json["transfer"]["target"], "5550100");
        let results: Vec<String> = results(&json).into_iter().map(|(_, r)| r).collect();
        for wanted in ["busy", "no-answer", "answered", "caller is back", "proven"] {
            assert!(results.iter().any(|r| r == wanted), "{country}: no {wanted} in {results:?}");
        }
        assert!(json["steps"].as_array().unwrap().iter().any(|s| s["step"] == "dial" && s["heard"] == "busy"));
        assert!(json["transfer"]["proof"].as_array().is_some_and(|p| p.len() == 2), "{country}: {json:#}");
    }
}

#[test]
fn a_lone_busy_target_leaves_the_caller_with_us_in_every_country() {
    for country in COUNTRIES {
        let (code, json) = answer(country, "5550101", true);
        assert_eq!(code, 20, "{country}: {json:#}");
        assert_eq!(json["outcome"], "transfer-failed");
        assert!(results(&json).iter().any(|(_, r)| r == "caller is back"), "{country}: {json:#}");
        assert!(!results(&json).iter().any(|(s, _)| s == "hang-up"), "{country}: {json:#}");
    }
}

#[test]
fn caller_id_is_read_in_each_countrys_format() {
    for (country, format) in [("us", "bell202"), ("gb", "v23")] {
        let (_, json) = answer(country, "5550100", true);
        assert_eq!(json["caller"]["number"], "5551234", "{country}: {json:#}");
        assert_eq!(json["caller"]["format"], format, "{country}");
    }
    for country in ["de", "se"] {
        let (_, json) = answer(country, "5550100", true);
        assert_eq!(json["caller"]["number"], "5551234", "{country}: {json:#}");
    }
}

#[test]
fn cold_transfer_leaves_on_ringback_where_the_exchange_allows_it() {
    let (code, json) = answer("us", "5550101,5550115", false);
    assert_eq!(code, 0, "{json:#}");
    assert_eq!(json["transfer"]["target"], "5550115");
    assert!(!results(&json).iter().any(|(_, r)| r == "answered"), "{json:#}");
}

#[test]
fn every_way_a_target_can_fail_brings_the_caller_back() {
    for target in ["5550101", "5550102", "5550103", "5550104", "5550105"] {
        let (code, json) = answer("us", target, true);
        assert_eq!(code, 20, "{target}: {json:#}");
        assert!(results(&json).iter().any(|(_, r)| r == "caller is back"), "{target}: {json:#}");
    }
}

#[test]
fn nobody_calling_ends_with_its_own_code() {
    Tipring::start().run(&["--line", "sim/us?clock=virtual", "answer", "--within", "30s"]).exits(75);
}

#[test]
fn names_from_the_configuration_are_targets() {
    let t = Tipring::start();
    let config = t.file("tipring.toml", "[contacts]\nalice = \"555 0101\"\nbob = \"5550100\"\n");
    let line = "sim/us?scenario=incoming&clock=virtual";
    let run = t
        .run(&["--config", &config, "--line", line, "--json", "answer", "--transfer-to", "alice,bob", "--warm"])
        .exits(0);
    assert_eq!(run.json()["transfer"]["target"], "bob");
}
