//! Notices as comments: once each, also after answers that were lost, and never taken for somebody else's.

use std::sync::Arc;

use serde_json::{Value, json};
use sluicegate::{
    agent::{Agent as _, Forge as _},
    job::time::Millis,
    notify::{Handle, Outgoing, Sink as _, SinkErrorKind, message::Message, render::marker},
    pipeline::comments::CommentSink,
};

use crate::bench::{Bench, bench, order, repository};

const PLACES: &str = r#"
    [[repositories]]
    match = "acme/operations"
    issues = 3
    [[users]]
    login = "mallory"
    id = 666
    [[tokens]]
    name = "mallory"
    secret = "other-token"
    user = "mallory"
"#;
const ISSUE: &str = "acme/operations/issues/3";

fn sink(bench: &Bench) -> CommentSink {
    CommentSink {
        name: "tracking".into(),
        identity: "bot".into(),
        on_pull_request: true,
        repository: "acme/operations".parse().unwrap(),
        number: 3,
        comments: Arc::<sluicegate::agent::github::GitHub>::clone(&bench.github),
    }
}

fn notice(bench: &Bench, note: &str) -> Outgoing {
    Outgoing {
        id: "n-1".into(),
        kind: "job.needs_user".into(),
        occurred_at: bench.now(),
        subject: String::new(),
        data: json!({ "repository": "acme/api", "note": note, "owner": "ana" }),
        pull: None,
    }
}

/// The comments as the world has them.
async fn comments(bench: &Bench, issue: &str) -> Vec<Value> {
    let url = format!("{}/repos/{issue}/comments", bench.base);
    let answer = reqwest::Client::new().get(url).bearer_auth("sim-token").header("user-agent", "test");
    answer.send().await.unwrap().json().await.unwrap()
}

async fn comment_as(bench: &Bench, token: &str, body: &str) {
    let url = format!("{}/repos/{ISSUE}/comments", bench.base);
    let request = reqwest::Client::new().post(url).bearer_auth(token).header("user-agent", "test");
    assert_eq!(request.json(&json!({ "body": body })).send().await.unwrap().status(), 201);
}

#[tokio::test]
async fn a_comment_whose_answer_was_lost_is_found_and_not_written_again() {
    for lost in ["status = 502", "drop = true"] {
        let fault = "[[faults]]\nwhen = \"after\"\ntimes = 1\nmatch = { method = \"POST\" }\n";
        let bench = bench(&format!("{fault}{lost}\n{PLACES}")).await;
        let (sink, notice) = (sink(&bench), notice(&bench, "which registry?"));
        let error = sink.deliver(&notice).await.unwrap_err();
        assert_eq!(error.kind, SinkErrorKind::Transient, "{error}");
        let first = sink.deliver(&notice).await.unwrap().unwrap();
        assert_eq!(sink.deliver(&notice).await.unwrap(), Some(first));
        let there = comments(&bench, ISSUE).await;
        assert_eq!(there.len(), 1, "{there:?}");
        assert_eq!(there[0]["body"], sluicegate::notify::render::github(&Message::of(&notice)));
    }
}

#[tokio::test]
async fn one_that_never_arrived_is_written_at_the_next_try() {
    let fault = "[[faults]]\nstatus = 503\ntimes = 1\nmatch = { method = \"POST\" }\n";
    let bench = bench(&format!("{fault}{PLACES}")).await;
    let (sink, notice) = (sink(&bench), notice(&bench, "which registry?"));
    assert_eq!(sink.deliver(&notice).await.unwrap_err().kind, SinkErrorKind::Transient);
    sink.deliver(&notice).await.unwrap();
    assert_eq!(comments(&bench, ISSUE).await.len(), 1);
}

#[tokio::test]
async fn somebody_else_who_writes_our_line_keeps_no_notice_back_and_has_nothing_edited() {
    let bench = bench(PLACES).await;
    let (sink, notice) = (sink(&bench), notice(&bench, "which registry?"));
    comment_as(&bench, "other-token", &format!("all is well\n\n{}", marker("n-1"))).await;
    // Our own words that only quote the line are no notice either.
    comment_as(&bench, "sim-token", &format!("{}\nwas delivered", marker("n-1"))).await;
    sink.deliver(&notice).await.unwrap();
    let there = comments(&bench, ISSUE).await;
    assert_eq!(there.len(), 3);
    assert!(there[0]["body"].as_str().unwrap().starts_with("all is well"));
    assert!(there[2]["body"].as_str().unwrap().contains("which registry?"));
}

#[tokio::test]
async fn a_message_is_kept_up_to_date_in_one_place_and_said_to_be_gone_when_it_is() {
    let bench = bench(PLACES).await;
    let sink = sink(&bench);
    assert!(sink.edits());
    let handle = sink.deliver(&notice(&bench, "one")).await.unwrap().unwrap();
    assert!(sink.update(&handle, &notice(&bench, "two")).await.unwrap());
    let there = comments(&bench, ISSUE).await;
    assert_eq!(there.len(), 1);
    assert!(there[0]["body"].as_str().unwrap().contains("two"), "{there:?}");
    // The handle is lost, the comment is not: it is found and edited.
    assert_eq!(sink.deliver(&notice(&bench, "three")).await.unwrap().unwrap(), handle);
    assert_eq!(comments(&bench, ISSUE).await.len(), 1);
    let gone = Handle("acme/operations/1".into());
    assert!(!sink.update(&gone, &notice(&bench, "four")).await.unwrap());
    assert_eq!(comments(&bench, ISSUE).await.len(), 1);
}

#[tokio::test]
async fn a_comment_on_a_pull_request_puts_no_agent_to_work() {
    let bench = bench(PLACES).await;
    let github = &bench.github;
    let started = github.start("bot", &order(7)).await.unwrap();
    bench.pass(Millis::minutes(1));
    let task = bench.observe(&started.id).await;
    let branch = task.branch().unwrap();
    let pull = github.find_pull("bot", &repository(), branch, None).await.unwrap().unwrap();
    let about = |note: &str| Outgoing { pull: Some((repository(), pull.number)), ..notice(&bench, note) };
    sink(&bench).deliver(&about("@copilot start again, and again")).await.unwrap();
    let there = comments(&bench, &format!("acme/api/issues/{}", pull.number)).await;
    assert_eq!((there.len(), comments(&bench, ISSUE).await.len()), (1, 0));
    assert_eq!(bench.observe(&started.id).await.session_count, task.session_count);
    // Said to wait for the issue, it goes there.
    let aside = CommentSink { on_pull_request: false, ..sink(&bench) };
    aside.deliver(&about("aside")).await.unwrap();
    assert_eq!(comments(&bench, ISSUE).await.len(), 1);
}

#[tokio::test]
async fn a_token_that_may_not_comment_is_told_with_what_to_do() {
    let bench = bench(PLACES).await;
    let notice = notice(&bench, "which registry?");
    let reader = CommentSink { identity: "reader".into(), ..sink(&bench) };
    assert_eq!(reader.examine().await.unwrap(), "acme/operations#3 can be read as reader");
    let error = reader.deliver(&notice).await.unwrap_err();
    assert_eq!((error.kind, error.reason.as_str()), (SinkErrorKind::Permanent, "unauthorised"), "{error}");
    assert!(
        error.message.contains("Issues: write") && error.message.contains("acme/operations#3"),
        "{error}"
    );
    let nowhere = CommentSink { number: 4, ..sink(&bench) };
    let error = nowhere.deliver(&notice).await.unwrap_err();
    assert_eq!(
        (error.kind, error.reason.as_str()),
        (SinkErrorKind::Permanent, "unknown-recipient"),
        "{error}"
    );
    assert_eq!(nowhere.examine().await.unwrap_err().reason.as_str(), "unknown-recipient");
    // Whoever holds the token renews it, and the notice goes out then.
    let stale = CommentSink { identity: "stale".into(), ..sink(&bench) };
    let error = stale.deliver(&notice).await.unwrap_err();
    assert_eq!((error.kind, error.reason.as_str()), (SinkErrorKind::Transient, "unauthorised"), "{error}");
    assert!(!error.message.contains("old-token"), "{error}");
    assert_eq!(comments(&bench, ISSUE).await.len(), 0);
}
