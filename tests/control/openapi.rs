//! The document about the socket, held against the socket: what one says and the other does not fails here, both ways.

use super::support::{Owner, exchange, json, request};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use tipring::call::Step;
use tipring::clock::Time;
use tipring::control::routes::{ACTS, OPENAPI, routes};
use tipring::control::{Answer, Ask, CallStatus, OnFail, TargetAsk, TransferReport, WireEvent};

fn document() -> Value {
    serde_json::from_str(OPENAPI).expect("the document is JSON")
}

/// What a reference means.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(path) => document.pointer(path.trim_start_matches('#')).unwrap_or_else(|| panic!("{path} leads nowhere")),
        None => schema,
    }
}

/// The part of JSON Schema that the document uses; a word of it that is not known here fails.
fn check(document: &Value, schema: &Value, value: &Value, at: &str, seen: &mut BTreeSet<String>) {
    let schema = resolved(document, schema);
    for (word, rule) in schema.as_object().expect("a schema is an object") {
        match word.as_str() {
            "description" => {}
            "type" => assert_eq!(rule.as_str(), Some(kind(value, rule)), "{at}: {value}"),
            "const" => assert_eq!(rule, value, "{at}"),
            "enum" => assert!(rule.as_array().unwrap().contains(value), "{at}: {value}"),
            "minimum" => assert!(value.as_f64() >= rule.as_f64(), "{at}: {value}"),
            "maximum" => assert!(value.as_f64() <= rule.as_f64(), "{at}: {value}"),
            "additionalProperties" => assert_eq!(rule, &Value::Bool(false), "{at}"),
            "required" => {
                for field in rule.as_array().unwrap() {
                    assert!(value.get(field.as_str().unwrap()).is_some(), "{at}: {field} is missing in {value}");
                }
            }
            "properties" => {
                for (field, value) in value.as_object().unwrap() {
                    let at = format!("{at}.{field}");
                    let rule = rule.get(field).unwrap_or_else(|| panic!("{at} is not in the document"));
                    check(document, rule, value, &at, seen);
                    seen.insert(at);
                }
            }
            "items" => value.as_array().unwrap().iter().for_each(|v| check(document, rule, v, at, seen)),
            other => panic!("{at}: this test does not know `{other}`"),
        }
    }
}

fn kind<'a>(value: &Value, wanted: &'a Value) -> &'a str {
    let wanted = wanted.as_str().unwrap();
    let is = match wanted {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        _ => false,
    };
    if is { wanted } else { "something else" }
}

/// Every field that a schema has, with those of the schemas in it.
fn fields(document: &Value, schema: &Value, at: &str, all: &mut BTreeSet<String>) {
    let schema = resolved(document, schema);
    for (field, rule) in schema["properties"].as_object().into_iter().flatten() {
        let at = format!("{at}.{field}");
        fields(document, rule, &at, all);
        all.insert(at);
    }
    if let Some(items) = schema.get("items") {
        fields(document, items, at, all);
    }
}

/// `value`, with every field that there is filled, says exactly what the schema says.
fn agree(schema: &Value, value: &Value, what: &str) {
    let document = document();
    let (mut seen, mut all) = (BTreeSet::new(), BTreeSet::new());
    check(&document, schema, value, what, &mut seen);
    fields(&document, schema, what, &mut all);
    assert_eq!(seen, all, "{what}: the document has fields that nothing has");
}

fn operation<'a>(document: &'a Value, method: &str, path: &str) -> &'a Value {
    document["paths"]
        .get(path)
        .and_then(|p| p.get(method))
        .unwrap_or_else(|| panic!("{method} {path} is not described"))
}

fn answer_schema<'a>(document: &'a Value, method: &str, path: &str, status: &str) -> &'a Value {
    let response = resolved(document, &operation(document, method, path)["responses"][status]);
    let content = response["content"].as_object().unwrap_or_else(|| panic!("{method} {path} {status}"));
    &content.values().next().unwrap()["schema"]
}

/// An ask with every field that it can have. A new one needs a line here, and one in the document.
fn full_ask(tag: &str) -> Ask {
    match tag {
        "hang-up" => Ask::HangUp,
        "flash" => Ask::Flash { ms: Some(600) },
        "dtmf" => Ask::Dtmf { digits: "12#".into() },
        "transfer" => Ask::Transfer {
            targets: vec![TargetAsk { name: Some("desk".into()), number: "5550100".into() }],
            warm: true,
            no_answer_after_ms: Some(20_000),
            on_fail: OnFail::Hangup,
            voicemail: Some(TargetAsk { name: Some("mailbox".into()), number: "5550107".into() }),
            brief: Some(tipring::control::request::pack_brief(&[0; 160])),
            second_line: Some("dahdi/6".into()),
        },
        "hold" => Ask::Hold,
        "retrieve" => Ask::Retrieve,
        "conference" => Ask::Conference {
            target: Some(TargetAsk { name: Some("desk".into()), number: "5550100".into() }),
            no_answer_after_ms: Some(20_000),
        },
        other => panic!("no ask with every field is given for `{other}`"),
    }
}

fn full_answer(ask: &Ask) -> Answer {
    match ask {
        Ask::Status => Answer::Status(CallStatus {
            line: "dahdi/1".into(),
            pid: 4711,
            stage: "talking".into(),
            t: 12.5,
            answered_at: Some(8.0),
            caller_number: Some("5551234".into()),
            caller_name: Some("ALICE".into()),
        }),
        Ask::Transfer { .. } | Ask::Hold | Ask::Retrieve | Ask::Conference { .. } => Answer::Transfer(TransferReport {
            result: "transferred".into(),
            exit: 0,
            warm: true,
            target: Some("desk".into()),
            proof: vec!["dial tone".into()],
            assumes: Some("hanging up connects the two".into()),
            steps: vec![Step::new(Time::ms(9_000), "dial").target("desk").ms(500).heard("ringback").result("alerting")],
        }),
        _ => Answer::Done { heard: Some("recall-dial".into()) },
    }
}

/// The body of an ask: the route says its tag.
fn body(ask: &Ask) -> Map<String, Value> {
    let mut fields = serde_json::to_value(ask).unwrap();
    let fields = fields.as_object_mut().unwrap();
    fields.shift_remove("ask");
    fields.clone()
}

#[test]
fn the_socket_serves_the_document() {
    let owner = Owner::answering(full_answer);
    let (code, served) = exchange(owner.connect(), &request("GET", "/v1/openapi.json", ""));
    assert_eq!((code, json(&served)), (200, document()));
    assert_eq!(document()["openapi"], "3.1.0");
}

#[test]
fn every_route_is_described_and_every_description_is_a_route() {
    let described: BTreeSet<(String, String)> = document()["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, ops)| ops.as_object().unwrap().keys().map(|m| (m.clone(), path.clone())).collect::<Vec<_>>())
        .collect();
    let there: BTreeSet<_> = routes().map(|(m, p)| (m.to_string(), p.to_string())).collect();
    assert_eq!(described, there);
    let owner = Owner::answering(full_answer);
    for (method, path) in routes().filter(|(_, p)| *p != "/v1/events") {
        let (code, _) = exchange(owner.connect(), &request(&method.to_uppercase(), path, ""));
        assert!(code != 404 && code != 405, "{method} {path}: {code}");
    }
}

#[test]
fn request_bodies_have_the_fields_that_are_described() {
    let document = document();
    for (path, tag) in ACTS {
        let body = body(&full_ask(tag));
        let described = operation(&document, "post", path).get("requestBody");
        let Some(described) = described else {
            assert!(body.is_empty(), "{path} takes a body");
            continue;
        };
        agree(&described["content"]["application/json"]["schema"], &Value::Object(body), path);
    }
}

#[test]
fn what_the_document_calls_required_is_required_and_the_rest_is_not() {
    let document = document();
    let owner = Owner::answering(full_answer);
    for (path, tag) in ACTS {
        let Some(described) = operation(&document, "post", path).get("requestBody") else { continue };
        let schema = resolved(&document, &described["content"]["application/json"]["schema"]);
        let required: Vec<_> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        assert_eq!(described["required"], !required.is_empty(), "{path}");
        let full = body(&full_ask(tag));
        for field in full.keys() {
            let mut without = full.clone();
            without.shift_remove(field);
            let bytes = request("POST", path, &Value::Object(without).to_string());
            let (code, said) = exchange(owner.connect(), &bytes);
            let expected = if required.contains(&field.as_str()) { 400 } else { 200 };
            assert_eq!(code, expected, "{path} without {field}: {said}");
        }
    }
}

#[test]
fn answers_have_the_fields_that_are_described() {
    let document = document();
    let owner = Owner::answering(full_answer);
    let status = exchange(owner.connect(), &request("GET", "/v1/call", ""));
    agree(answer_schema(&document, "get", "/v1/call", "200"), &json(&status.1), "status");
    for (path, tag) in ACTS {
        let text = Value::Object(body(&full_ask(tag))).to_string();
        let (code, said) = exchange(owner.connect(), &request("POST", path, if tag == "hang-up" { "" } else { &text }));
        assert_eq!(code, 200, "{path}: {said}");
        agree(answer_schema(&document, "post", path, "200"), &json(&said), path);
        let (code, said) = exchange(owner.connect(), &request("POST", path, "{\"nonsense\":1}"));
        assert_eq!(code, 400);
        agree(answer_schema(&document, "post", path, "default"), &json(&said), path);
    }
}

#[test]
fn events_have_the_fields_that_are_described() {
    let event = WireEvent { t: 1.5, who: "heard".into(), what: "tone busy".into() };
    let event: Value = serde_json::from_str(&event.to_json()).unwrap();
    agree(answer_schema(&document(), "get", "/v1/events", "200"), &event, "event");
}
