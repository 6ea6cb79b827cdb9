//! The request budget of an identity: the reserve for starts, refusals without asking, entity tags.

use std::sync::Arc;

use sluicegate::{
    agent::{
        Agent, FailKind, Forge,
        github::{GitHub, GitHubOptions, Identity, Transport},
    },
    clock::{Clock, ManualClock},
    job::{
        remote::{RemoteState, TaskId},
        time::{Millis, Timestamp},
    },
};

use crate::{scripted::*, start::order};

fn task() -> TaskId {
    TaskId("t-1".to_owned())
}

fn budget(remaining: &str, reset: &str, status: u16, body: String) -> Outcome {
    let headers = [
        ("x-ratelimit-limit", "5000"),
        ("x-ratelimit-remaining", remaining),
        ("x-ratelimit-reset", reset),
        ("x-ratelimit-resource", "core"),
    ];
    reply(status, &headers, body)
}

#[tokio::test]
async fn reads_stop_at_the_reserve_while_starts_go_on_until_nothing_is_left() {
    let reset = in_seconds(600);
    let bench = bench_of([
        budget("101", &reset, 200, fixture("task")),
        budget("100", &reset, 200, fixture("task")),
        budget("1", &reset, 201, fixture("task_created")),
        budget("0", &reset, 201, fixture("task_created")),
        budget("4999", &in_seconds(4_200), 200, fixture("task")),
    ]);
    let until = NOW.plus(Millis::seconds(600));
    bench.github.observe("bot", &task()).await.unwrap();
    bench.github.observe("bot", &task()).await.unwrap();
    let refused = bench.github.observe("bot", &task()).await.unwrap_err();
    assert_eq!(refused.kind, FailKind::RateLimited { until });
    bench.github.start("bot", &order()).await.unwrap();
    bench.github.start("bot", &order()).await.unwrap();
    let refused = bench.github.start("bot", &order()).await.unwrap_err();
    assert_eq!(refused.kind, FailKind::RateLimited { until });
    assert_eq!(
        (bench.asked().len(), bench.count("task", "held_back"), bench.count("start", "held_back")),
        (4, 1, 1)
    );
    bench.pass(Millis::seconds(600));
    bench.github.observe("bot", &task()).await.unwrap();
}

/// Answers once told to.
struct Gated(tokio::sync::Semaphore);

#[async_trait::async_trait]
impl Transport for Gated {
    async fn send(&self, _: http::Request<Vec<u8>>) -> Outcome {
        self.0.acquire().await.unwrap().forget();
        budget("103", &in_seconds(600), 200, fixture("task"))
    }
}

#[tokio::test]
async fn reads_under_way_together_leave_the_reserve_alone() {
    let gate = Arc::new(Gated(tokio::sync::Semaphore::new(1)));
    let clock = Arc::new(Jumping(ManualClock::new(NOW)));
    let github = GitHub::with_transport(options(), clock, Arc::<Gated>::clone(&gate)).unwrap();
    let task = task();
    github.observe("bot", &task).await.unwrap();
    let reads = futures::future::join_all((0..5).map(|_| github.observe("bot", &task)));
    let (results, ()) = tokio::join!(reads, async { gate.0.add_permits(5) });
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 3, "103 left, 100 reserved");
}

#[tokio::test]
async fn an_identity_that_was_told_to_wait_is_not_called_before_the_time() {
    let bench = bench_of([
        reply(429, &[("retry-after", "30")], ""),
        ok(fixture("task")),
        reply(201, &[], fixture("task_created")),
    ]);
    bench.github.start("bot", &order()).await.unwrap_err();
    let until = NOW.plus(Millis::seconds(30));
    for _ in 0..3 {
        let start = bench.github.start("bot", &order()).await.unwrap_err();
        let read = bench.github.observe("bot", &task()).await.unwrap_err();
        assert_eq!(
            (start.kind, read.kind),
            (FailKind::RateLimited { until }, FailKind::RateLimited { until })
        );
    }
    assert_eq!(bench.asked().len(), 1);
    bench.pass(Millis::seconds(30));
    bench.github.observe("bot", &task()).await.unwrap();
    bench.github.start("bot", &order()).await.unwrap();
}

#[tokio::test]
async fn the_wait_grows_while_a_secondary_limit_goes_on() {
    let bench = bench(|_| reply(403, &[], r#"{"message":"You have exceeded a secondary rate limit."}"#));
    let mut waits = Vec::new();
    for _ in 0..4 {
        let now = bench.clock.now();
        let FailKind::RateLimited { until } = bench.github.start("bot", &order()).await.unwrap_err().kind
        else {
            panic!("not a limit");
        };
        waits.push(until.since(now).0 / 1_000);
        bench.pass(until.since(now));
    }
    assert_eq!(waits, [60, 120, 240, 480]);
}

#[tokio::test]
async fn the_limit_of_one_identity_is_not_the_limit_of_another() {
    let mut options = options();
    options.identities.push(Identity { name: "ana".to_owned(), token: "other".into() });
    let bench = bench_with(options, |request| match request.headers()["authorization"].to_str().unwrap() {
        "Bearer other" => reply(201, &[], fixture("task_created")),
        _ => reply(429, &[], ""),
    });
    bench.github.start("bot", &order()).await.unwrap_err();
    bench.github.start("ana", &order()).await.unwrap();
}

#[tokio::test]
async fn a_long_line_of_writes_is_refused_with_the_time_to_come_back() {
    struct Still(ManualClock);
    #[async_trait::async_trait]
    impl Clock for Still {
        fn now(&self) -> Timestamp {
            self.0.now()
        }
        async fn sleep_until(&self, _: Timestamp) {}
    }
    let options = GitHubOptions { min_write_gap_ms: 4_000, ..options() };
    let still = Arc::new(Still(ManualClock::new(NOW)));
    let transport = bench(|_| reply(201, &[], fixture("task_created"))).transport;
    let github = GitHub::with_transport(options, still, transport).unwrap();
    for _ in 0..3 {
        github.start("bot", &order()).await.unwrap();
    }
    let refused = github.start("bot", &order()).await.unwrap_err();
    assert_eq!(refused.kind, FailKind::RateLimited { until: NOW.plus(Millis::seconds(12)) });
}

#[tokio::test]
async fn an_unchanged_answer_is_asked_for_by_tag_and_served_from_store() {
    let mut first = true;
    let bench = bench(move |request| {
        let tag = request.headers().get("if-none-match").map(|value| value.to_str().unwrap());
        assert_eq!(tag, (!first).then_some("W/\"v1\""));
        if std::mem::take(&mut first) {
            return reply(200, &[("etag", "W/\"v1\"")], fixture("task"));
        }
        reply(304, &[], "")
    });
    let one = bench.github.observe("bot", &task()).await.unwrap();
    let two = bench.github.observe("bot", &task()).await.unwrap();
    assert_eq!((one.state.clone(), one), (RemoteState::Completed, two));
    assert_eq!((bench.count("task", "ok"), bench.count("task", "not_modified")), (1, 1));
}

#[tokio::test]
async fn a_stored_page_still_leads_to_the_next_one() {
    let bench = bench(|request| {
        let second = query(request, "page").is_some();
        match (second, request.headers().contains_key("if-none-match")) {
            (true, _) => ok(r#"{"tasks":[{"id":"b","state":"queued","created_at":"2026-01-02T00:00:00Z"}]}"#),
            (false, true) => reply(304, &[], ""),
            (false, false) => reply(
                200,
                &[("etag", "\"p1\""), ("link", "</agents/tasks?page=2>; rel=\"next\"")],
                r#"{"tasks":[{"id":"a","state":"queued","created_at":"2026-01-01T00:00:00Z"}]}"#,
            ),
        }
    });
    for _ in 0..2 {
        assert_eq!(bench.github.list_changed("bot", None, true).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn tags_are_not_sent_when_switched_off_nor_stored_for_another_identity() {
    let tagged = |request: &http::Request<Vec<u8>>| {
        assert!(!request.headers().contains_key("if-none-match"));
        reply(200, &[("etag", "\"v1\"")], fixture("task"))
    };
    let bench = bench_with(GitHubOptions { use_etags: false, ..options() }, tagged);
    bench.github.observe("bot", &task()).await.unwrap();
    bench.github.observe("bot", &task()).await.unwrap();
    let mut two = options();
    two.identities.push(Identity { name: "ana".to_owned(), token: "other".into() });
    let bench = bench_with(two, tagged);
    bench.github.observe("bot", &task()).await.unwrap();
    bench.github.observe("ana", &task()).await.unwrap();
}

#[tokio::test]
async fn a_304_that_was_not_asked_for_is_no_answer() {
    let bench = bench(|_| reply(304, &[], ""));
    assert!(bench.github.observe("bot", &task()).await.is_err());
}

#[tokio::test]
async fn a_probe_tells_who_until_when_and_how_much_is_left() {
    let bench = bench(|request| match request.uri().path() {
        "/user" => reply(
            200,
            &[
                ("date", "Sat, 21 Nov 2026 01:33:20 GMT"),
                ("github-authentication-token-expiration", "2026-12-24 18:00:00 UTC"),
            ],
            fixture("user"),
        ),
        "/rate_limit" => ok(fixture("rate_limit")),
        other => panic!("{other}"),
    });
    let probe = bench.github.probe("bot").await.unwrap();
    assert_eq!((probe.login.as_str(), probe.user_id, probe.requests_left), ("octocat", 583_231, Some(4_999)));
    let time = Timestamp::parse;
    assert_eq!(probe.expires_at, time("2026-12-24T18:00:00Z"));
    assert_eq!(probe.remote_now, time("2026-11-21T01:33:20Z"));
    assert_eq!(probe.limit_resets_at.map(|at| at.0), Some(1_795_255_200_000));
    assert_eq!(bench.github.token_expires_at("bot"), probe.expires_at);
}
