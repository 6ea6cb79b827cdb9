//! The public contract: the schemas that are checked in are those of the types, and both agree on what is good.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::{Value, json};
use sluicegate::{
    policy::{Request, request_schema},
    streams::event_schema,
};

use crate::house::{Place, keyed, request, sqlite};

/// Writes the schemas instead of comparing them.
const RENEW: &str = "SLUICE_RENEW";

#[test]
#[expect(clippy::disallowed_methods, reason = "the switch that renews the schemas; read by this test only")]
fn the_schemas_are_what_the_code_prints() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas");
    for (name, schema) in [("request", request_schema()), ("event", event_schema())] {
        let path = folder.join(format!("{name}.schema.json"));
        let printed = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        if std::env::var_os(RENEW).is_some() {
            fs::write(&path, &printed).unwrap();
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == printed,
            "{} is stale; renew it with: {RENEW}=1 cargo test --test streams the_schemas",
            path.display()
        );
    }
}

/// A request with every field.
fn full() -> Value {
    let mut full = request("one");
    for (name, value) in [
        ("team", json!("platform")),
        ("reason", json!("CVE-2026-1234")),
        ("priority", json!(3)),
        ("idempotency_key", json!("nightly 7")),
        ("deadline_minutes", json!(90)),
        ("hold", json!(true)),
        ("model", json!("gpt-5.4")),
        ("model_reason", json!("it knows the language")),
        ("waves", json!({ "sizes": ["1", "rest"] })),
    ] {
        full[name] = value;
    }
    full
}

fn is_read(request: &Value) -> bool {
    Request::parse_json(request.to_string().as_bytes()).is_ok()
}

#[test]
fn the_schema_knows_every_field_of_the_type_and_no_other() {
    let schema = request_schema();
    let described: BTreeSet<String> = schema["properties"].as_object().unwrap().keys().cloned().collect();
    // What the type writes, and what it says that it knows.
    let written = serde_json::to_value(Request::parse_json(full().to_string().as_bytes()).unwrap()).unwrap();
    let written: BTreeSet<String> = written.as_object().unwrap().keys().cloned().collect();
    let told = serde_json::from_value::<Request>(json!({ "unknown": 1 })).unwrap_err().to_string();
    let known: BTreeSet<String> = told.split('`').skip(3).step_by(2).map(str::to_owned).collect();
    assert_eq!((&described, &described), (&written, &known));
}

#[test]
fn schema_and_type_agree_on_what_is_good() {
    let validator = jsonschema::validator_for(&request_schema()).unwrap();
    assert!(validator.is_valid(&full()) && is_read(&full()));
    let values = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1),
        json!(9),
        json!(10),
        json!(1.5),
        json!(129_600),
        json!(129_601),
        json!(9_007_199_254_740_993_i64),
        json!(""),
        json!("x"),
        json!("A-b_c"),
        json!("bot[bot]"),
        json!("a b"),
        json!("-a"),
        json!("e\u{301}"),
        json!("x".repeat(64)),
        json!("x".repeat(65)),
        json!("x".repeat(200)),
        json!("x".repeat(201)),
        json!("x".repeat(2_001)),
        json!([]),
        json!(["a/b"]),
        json!([1]),
        json!({}),
        json!({ "a": 1 }),
    ];
    let mut seen = (0, 0);
    for name in full().as_object().unwrap().keys() {
        let mut without = full();
        without.as_object_mut().unwrap().remove(name);
        assert_eq!(validator.is_valid(&without), is_read(&without), "without {name}");
        for value in &values {
            let mut changed = full();
            changed[name] = value.clone();
            let read = is_read(&changed);
            assert_eq!(validator.is_valid(&changed), read, "{name} = {value}");
            if read { seen.0 += 1 } else { seen.1 += 1 }
        }
    }
    assert!(seen.0 > 30 && seen.1 > 100, "{seen:?}");
    for other in [json!([]), json!(null), json!({ "x": 1 })] {
        assert!(!validator.is_valid(&other) && !is_read(&other), "{other}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_as_its_schema_says_and_no_stream_holds_a_secret() {
    let place = Place::new(sqlite(), "").await;
    let worker = place.worker().await;
    place.add(keyed("one", "one")).await;
    place.add("no json").await;
    place.is_settled().await;
    crate::events::is_complete(&place, &worker).await;
    let validator = jsonschema::validator_for(&event_schema()).unwrap();
    let events = place.entries("events").await;
    assert!(!events.is_empty());
    let mut all = String::new();
    for (_, fields) in events.into_iter().chain(place.entries("rejected").await) {
        let text = |value: Vec<u8>| String::from_utf8(value).unwrap();
        let fields: serde_json::Map<String, Value> =
            fields.into_iter().map(|(name, value)| (name, json!(text(value)))).collect();
        let event = Value::Object(fields);
        assert!(event.get("entry").is_some() || validator.is_valid(&event), "{event}");
        all.push_str(&event.to_string());
    }
    assert!(!all.contains("token-of-nobody"));
    worker.stop().await;
}
