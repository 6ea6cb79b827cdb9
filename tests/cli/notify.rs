//! `sluice notify`: what it asks, what it says, and how it ends.

use serde_json::{Value, json};

use crate::daemon::Daemon;

const ID: &str = "0193d6f0-5d7c-7b57-9d4c-4a4f3c9b8a11";

fn notice() -> Value {
    let delivery = |sink: &str, state: &str, error: Value| {
        json!({
            "sink": sink, "state": state, "digest": null, "due_at": 0, "next_at": null,
            "delivered_at": if state == "delivered" { json!(1_000) } else { Value::Null },
            "dead_at": if state == "given-up" { json!(2_000) } else { Value::Null }, "tries": 1, "error": error,
        })
    };
    json!({
        "id": ID, "kind": "job.dead", "severity": "warning", "job": null, "request": null, "created_at": 0,
        "state": "given-up", "route": "team", "delivered_at": null, "dead_at": 2_000, "tries": 2,
        "deliveries": [delivery("mail", "given-up", json!("answered 410\u{1b}[31m")), delivery("slack", "delivered", Value::Null)],
    })
}

fn tried(delivered: bool) -> String {
    let (reason, error) = if delivered { (None, None) } else { (Some("tls"), Some("no certificate")) };
    json!({
        "sink": "mail", "kind": "email", "id": ID, "delivered": delivered, "reason": reason, "error": error,
        "may_pass": true,
    })
    .to_string()
}

#[test]
fn the_log_is_listed_and_one_notice_is_told_in_full() {
    let list = json!({ "notices": [notice()], "next": ID }).to_string();
    let one = json!({ "notice": notice(), "data": { "owner": "dana\u{1b}" } }).to_string();
    let daemon = Daemon::start(vec![("GET /v1/notices/", 200, one), ("GET /v1/notices", 200, list)]);
    let left = daemon.run(&["notify", "list", "--state", "given-up", "--to", "mail", "--kind", "job.*"]);
    assert_eq!(left.code, Some(0), "{left:?}");
    assert_eq!(daemon.last().line, "GET /v1/notices?state=given-up&sink=mail&kind=job.*&limit=50");
    assert!(left.out.contains("mail (given-up), slack") && left.out.contains("--after"), "{}", left.out);
    let left = daemon.run(&["notify", "show", ID]);
    for word in ["job.dead", "route     team", "given up", "1 try: answered 410", "delivered", "dana"] {
        assert!(left.out.contains(word), "{word}: {}", left.out);
    }
    assert!(!left.out.contains('\u{1b}'), "{:?}", left.out);
}

#[test]
fn a_test_ends_with_1_if_a_receiver_did_not_take_it_and_says_why() {
    let fine = Daemon::start(vec![("POST /v1/notices/test", 200, tried(true))]);
    let left = fine.run(&["notify", "test", "mail", "--reason", "set up"]);
    assert_eq!(left.code, Some(0), "{left:?}");
    assert!(left.out.contains("mail (email): took the test"), "{}", left.out);
    let decision = json!({ "route": "team", "to": [
        { "sink": "mail", "at": 0, "digest": false }, { "sink": "slack", "at": 0, "digest": true },
    ]});
    let bad = Daemon::start(vec![
        ("POST /v1/notices/test", 200, tried(false)),
        ("GET /v1/notices/route", 200, decision.to_string()),
    ]);
    let left = bad.run(&["notify", "test", "--route", "job.dead", "--team", "core"]);
    assert_eq!(left.code, Some(1), "{left:?}");
    assert!(left.out.contains("not delivered (tls): no certificate"), "{}", left.out);
    let left = bad.run(&["notify", "test", "mail", "--json"]);
    let told: Value = serde_json::from_str(&left.out).unwrap();
    assert_eq!((left.code, &told["tried"][0]["reason"]), (Some(1), &json!("tls")));
    let left =
        bad.run(&["notify", "route", "job.dead", "--severity", "warning", "--at", "2026-12-01T22:00:00Z"]);
    assert_eq!(
        bad.last().line,
        "GET /v1/notices/route?kind=job.dead&severity=warning&at=2026-12-01T22%3A00%3A00Z"
    );
    assert!(
        left.out.contains("to mail: at once") && left.out.contains("to slack: in a digest"),
        "{}",
        left.out
    );
    let usual = json!({ "route": "no route", "to": [{ "sink": "log", "at": 0, "digest": false }] });
    let usual = Daemon::start(vec![("GET /v1/notices/route", 200, usual.to_string())]);
    let left = usual.run(&["notify", "route", "job.dead"]);
    assert_eq!(left.out, "no route fits: it goes to the usual receiver\nto log: at once\n");
    assert_eq!(bad.run(&["notify", "test"]).code, Some(2));
    assert_eq!(bad.run(&["notify", "route", "x", "--severity", "bad"]).code, Some(2));
}

#[test]
fn a_retry_names_the_receiver_and_who_asks() {
    let one = json!({ "notice": notice(), "data": {} }).to_string();
    let daemon = Daemon::start(vec![("POST /v1/notices/", 200, one)]);
    let left = daemon.run(&["notify", "retry", ID, "--at", "mail", "--actor", "ana"]);
    assert_eq!(left.code, Some(0), "{left:?}");
    let asked = daemon.last();
    assert!(asked.line.starts_with(&format!("POST /v1/notices/{ID}/retry")), "{}", asked.line);
    let body: Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!((&body["sink"], &body["actor"]), (&json!("mail"), &json!("ana")));
}
