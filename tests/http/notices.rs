//! Notices on their way to real receivers: one that is fine, one that is down for a while, one that is gone for good; nights,
//! digests, messages that are kept up to date, and what people see and do about it.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
};
use futures::FutureExt as _;
use serde_json::{Value, json};
use sluicegate::{
    http::router,
    job::{
        JobId,
        role::LeaseName,
        time::{Millis, Timestamp},
    },
    ledger::Command,
    notify::{
        Handle, Outgoing, Sink, SinkError, SinkErrorKind, SinkReason, Sinks, Target, WebhookSink,
        post::TIMEOUT_DEFAULT,
    },
    pipeline::{deliver, outbox},
    policy::{
        notices::{
            Route, Rules, Summary,
            written::{self, Receiver},
        },
        standard_webhooks::SigningKey,
    },
    worker::{Outcome, Source as _},
};
use tokio::net::TcpListener;

use crate::house::{House, TOKEN, by};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What came, and how each path answers: by default 204.
#[derive(Clone, Default)]
struct Inbox {
    came: Arc<Mutex<Vec<(String, String, Value)>>>,
    answers: Arc<Mutex<std::collections::HashMap<String, u16>>>,
}

impl Inbox {
    fn answer(&self, path: &str, status: u16) {
        self.answers.lock().unwrap().insert(path.into(), status);
    }
    /// Ids and events at a path, in order.
    fn at(&self, path: &str) -> Vec<(String, Value)> {
        let came = self.came.lock().unwrap();
        came.iter().filter(|(at, ..)| at == path).map(|(_, id, body)| (id.clone(), body.clone())).collect()
    }
}

/// A status of 0 stands for no answer at all.
async fn receive(State(inbox): State<Inbox>, uri: Uri, headers: HeaderMap, body: Bytes) -> StatusCode {
    let path = uri.path().trim_start_matches('/').to_owned();
    let id = headers["webhook-id"].to_str().unwrap().to_owned();
    let event: Value = serde_json::from_slice(&body).unwrap();
    inbox.came.lock().unwrap().push((path.clone(), id, event));
    let status = inbox.answers.lock().unwrap().get(&path).copied().unwrap_or(204);
    if status == 0 {
        std::future::pending::<()>().await;
    }
    StatusCode::from_u16(status).unwrap()
}

async fn post_box() -> (String, Inbox) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let inbox = Inbox::default();
    let app = Router::new().fallback(receive).with_state(inbox.clone());
    tokio::spawn(async move { axum::serve(socket, app).await });
    (address, inbox)
}

fn webhook(house: &House, address: &str, name: &str) -> Arc<dyn Sink> {
    let target = Target {
        name: name.into(),
        url: format!("http://{address}/{name}"),
        timeout: TIMEOUT_DEFAULT,
        allow_private: vec!["127.0.0.0/8".parse().unwrap()],
    };
    let key = SigningKey::parse(&SECRET.into()).unwrap();
    Arc::new(WebhookSink::new(target, key, house.clock.clone()).unwrap())
}

fn routes(written: &[&str]) -> Vec<Route> {
    let receivers: Vec<Receiver<'_>> =
        ["fine", "down", "gone"].iter().map(|name| Receiver { name, edits: false }).collect();
    let read = |(index, text): (usize, &&str)| {
        let route = toml::from_str(text).unwrap_or_else(|error| panic!("{error}"));
        written::route(&route, index + 1, &receivers).unwrap_or_else(|problems| panic!("{problems:?}"))
    };
    written.iter().enumerate().map(read).collect()
}

impl House {
    /// With these receivers and rules, and the duty to deliver.
    fn delivers(&mut self, sinks: Vec<Arc<dyn Sink>>, rules: Rules) {
        self.router = Router::new();
        let context = Arc::get_mut(&mut self.context).unwrap();
        context.sinks = Sinks::of(sinks);
        context.tuning.notices = rules;
        context.life.hold(LeaseName::notify());
        self.router = router(Arc::clone(&self.context), TOKEN.into());
    }

    async fn tell(&self, kind: &str, job: Option<JobId>) {
        let dedup = format!("{kind}/{}", self.context.entropy.draw());
        let body = json!({ "reason": "because" });
        self.write(Command::Notice { dedup, kind: kind.into(), job, body }).await;
    }

    /// What the worker that delivers does until nothing is due any more.
    async fn work(&self) {
        let queue = &self.context.queues.notices;
        while let Some(Some((key, errand))) = queue.next().now_or_never() {
            deliver::run(Arc::clone(&self.context), errand).await;
            queue.finish(key, Outcome::Done).await;
            self.catch_up().await;
        }
    }

    async fn later(&self, span: Millis) {
        self.clock.set(self.context.now().plus(span));
        self.work().await;
    }

    pub async fn log(&self, query: &str) -> Vec<Value> {
        let page = self.get(&format!("/v1/notices{query}")).await.ok();
        page["notices"].as_array().unwrap().clone()
    }
}

#[tokio::test]
async fn one_receiver_that_is_down_and_one_that_is_gone_hold_up_no_other() {
    let mut house = House::new().await;
    let (address, inbox) = post_box().await;
    let sinks = ["fine", "down", "gone"].map(|name| webhook(&house, &address, name)).to_vec();
    let all = routes(&[r#"to = ["fine", "down", "gone"]"#]);
    house.delivers(sinks, Rules { routes: all, ..Rules::default() });
    inbox.answer("down", 503);
    inbox.answer("gone", 410);
    for kind in ["job.overdue", "job.dead"] {
        house.tell(kind, None).await;
    }
    house.work().await;
    assert_eq!((inbox.at("fine").len(), inbox.at("down").len(), inbox.at("gone").len()), (2, 2, 2));
    house.work().await;
    assert_eq!(inbox.at("gone").len(), 2, "a refusal is for good");
    let newest = house.log("").await.remove(0);
    assert_eq!((&newest["kind"], &newest["state"]), (&json!("job.dead"), &json!("waiting")));
    assert_eq!((&newest["route"], &newest["severity"]), (&json!("route 1"), &json!("warning")));
    let states: Vec<_> =
        newest["deliveries"].as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["waiting", "delivered", "given-up"], "down, fine, gone");
    inbox.answer("down", 204);
    house.later(Millis::hours(1)).await;
    let ids = |path: &str| {
        let mut ids: Vec<String> = inbox.at(path).into_iter().map(|(id, _)| id).collect();
        ids.sort();
        ids
    };
    assert_eq!(inbox.at("down").len(), 4);
    let mut twice = ids("fine");
    twice.extend(ids("fine"));
    twice.sort();
    assert_eq!(ids("down"), twice, "the same id at each try");
    house.later(Millis::hours(2)).await;
    assert_eq!((inbox.at("fine").len(), inbox.at("down").len()), (2, 4));
    assert_eq!(house.log("?state=given-up&sink=gone").await.len(), 2);
    assert!(house.log("?state=given-up&sink=fine").await.is_empty());
    assert_eq!(house.context.ledger.broken_invariants().await.unwrap(), Vec::<String>::new());
    let page = house.get("/metrics").await.body;
    let page = page.as_str().unwrap();
    assert!(page.contains("sluice_outbox_waiting{sink=\"down\"} 0"), "{page}");
}

#[tokio::test]
async fn what_was_given_up_is_seen_and_tried_again_by_a_person() {
    let mut house = House::new().await;
    let (address, inbox) = post_box().await;
    let gone = webhook(&house, &address, "gone");
    house.delivers(vec![gone], Rules::default());
    inbox.answer("gone", 410);
    house.tell("job.dead", None).await;
    house.work().await;
    let given_up = house.log("?state=given-up").await.remove(0);
    let id = given_up["id"].as_str().unwrap();
    assert_eq!(given_up["route"], "no route", "without routes everything goes to the usual receiver");
    let error = given_up["deliveries"][0]["error"].as_str().unwrap();
    assert!(error.contains("410") && error.contains("gone"), "{error}");
    let detail = house.get(&format!("/v1/notices/{id}")).await.ok();
    assert_eq!(detail["data"]["reason"], "because");
    inbox.answer("gone", 200);
    let viewer = house.token("vera", &["viewer"], json!({})).await;
    let retry = format!("/v1/notices/{id}/retry");
    assert_eq!(house.post_as(&viewer, &retry, &json!({})).await.error(), (403, "role-missing"));
    house.post(&retry, &by("ana", "it is back")).await.ok();
    house.work().await;
    assert_eq!(house.log("?kind=job.*").await[0]["state"], "delivered");
    assert_eq!(house.post(&retry, &by("ana", "again")).await.error(), (409, "notice-conflict"));
    assert_eq!(house.get(&format!("/v1/notices/{}", &id[28..])).await.ok()["notice"]["id"], id);
    assert_eq!(
        house.post(&format!("/v1/notices/{}/retry", &id[28..]), &by("ana", "again")).await.error(),
        (409, "notice-conflict")
    );
    let nobody = "0193d6f0-5d7c-7b57-9d4c-4a4f3c9b8a11";
    for named in [nobody, "x", "ffffffff"] {
        assert_eq!(house.get(&format!("/v1/notices/{named}")).await.error(), (404, "unknown-notice"));
    }
    assert_eq!(house.get("/v1/notices?state=lost").await.error(), (400, "bad-filter"));
    let entries = house.context.ledger.entries_after(0, 1_000).await.unwrap();
    let retried = entries.iter().find(|entry| entry.kind == "notice.retried").unwrap();
    assert_eq!(retried.actor, "ana");
}

#[tokio::test]
async fn notices_are_asked_for_by_the_end_of_the_id_of_their_job_or_request() {
    let house = House::new().await;
    let (request, jobs) = house.submit(&["acme/api", "acme/web"], false).await;
    for job in &jobs {
        house.tell("job.overdue", Some(*job)).await;
    }
    let found = house.log(&format!("?job={}", jobs[1].short())).await;
    assert_eq!((found.len(), &found[0]["job"]), (1, &json!(jobs[1])));
    assert_eq!(house.log(&format!("?request={}", &request[28..])).await.len(), 2);
    for (query, code) in [("job=ffffffff", "unknown-job"), ("request=ffffffff", "unknown-request")] {
        assert_eq!(house.get(&format!("/v1/notices?{query}")).await.error(), (404, code));
    }
}

/// Nights in Berlin, where it is an hour later than UTC in November.
const NIGHT: &str = r#"
name = "team"
to = ["fine"]
quiet = { zone = "Europe/Berlin", from = "20:00", to = "07:00" }
"#;

#[tokio::test]
async fn a_night_is_quiet_but_for_what_is_urgent_and_ends_with_one_digest() {
    let mut house = House::new().await;
    let (address, inbox) = post_box().await;
    let fine = webhook(&house, &address, "fine");
    house.delivers(vec![fine], Rules { routes: routes(&[NIGHT]), ..Rules::default() });
    house.clock.set(Timestamp::parse("2026-11-20T22:00:00Z").unwrap());
    for kind in ["job.dead", "model.differs", "job.quarantined"] {
        house.tell(kind, None).await;
    }
    house.work().await;
    let at_night = inbox.at("fine");
    assert_eq!(at_night.len(), 1);
    assert_eq!(at_night[0].1["type"], "dev.sluicegate.job.quarantined");
    let page = house.get("/metrics").await.body;
    assert!(page.as_str().unwrap().contains("sluice_outbox_oldest_seconds 0"), "what waits is not overdue");
    house.later(Millis::hours(7)).await;
    assert_eq!(inbox.at("fine").len(), 1, "05:00Z is 06:00 there");
    // The worker dies between the answer and its record: the future is dropped, as kill -9 would do it.
    inbox.answer("fine", 0);
    let morning = house.later(Millis::hours(1));
    tokio::time::timeout(std::time::Duration::from_secs(2), morning).await.unwrap_err();
    inbox.answer("fine", 204);
    house.tell("wave.paused", None).await;
    house.context.life.hold(LeaseName::notify());
    let again = deliver::Errand::Sink("fine".into());
    deliver::run(Arc::clone(&house.context), again).await;
    deliver::run(Arc::clone(&house.context), deliver::Errand::Route).await;
    deliver::run(Arc::clone(&house.context), deliver::Errand::Sink("fine".into())).await;
    let came = inbox.at("fine");
    assert_eq!(came.len(), 4, "{came:?}");
    assert_eq!(came[1], came[2], "the same message with the same members under the same id");
    let told: Vec<_> =
        came[1].1["data"]["notices"].as_array().unwrap().iter().map(|one| one["kind"].clone()).collect();
    assert_eq!(told, ["job.dead", "model.differs"], "the worst first");
    assert_eq!(came[3].1["type"], "dev.sluicegate.wave.paused", "by day it goes alone");
    let log = house.log("?state=delivered").await;
    assert_eq!(log.len(), 4);
    assert_eq!(log[2]["deliveries"][0]["digest"], json!(came[1].0));
}

#[tokio::test]
async fn a_receiver_that_is_configured_no_more_gives_up_what_waits_for_it() {
    let mut house = House::new().await;
    let (address, inbox) = post_box().await;
    inbox.answer("down", 503);
    let down = webhook(&house, &address, "down");
    house.delivers(vec![down], Rules::default());
    house.tell("job.dead", None).await;
    house.work().await;
    assert_eq!(house.log("?state=waiting").await.len(), 1);
    let fine = webhook(&house, &address, "fine");
    house.delivers(vec![fine], Rules::default());
    outbox::take_up(&house.context).await.unwrap();
    house.work().await;
    let given_up = house.log("?state=given-up&sink=down").await.remove(0);
    let error = given_up["deliveries"][0]["error"].as_str().unwrap();
    assert_eq!(error, "there is no receiver `down` in the configuration any more");
}

#[tokio::test]
async fn a_rule_that_drops_is_on_record_and_routes_can_be_asked() {
    let mut house = House::new().await;
    let (address, inbox) = post_box().await;
    let fine = webhook(&house, &address, "fine");
    let silence = "name = \"silence\"\nkinds = [\"model.*\"]\nto = []";
    house.delivers(vec![fine], Rules { routes: routes(&[silence, NIGHT]), ..Rules::default() });
    house.tell("model.differs", None).await;
    house.work().await;
    assert!(inbox.at("fine").is_empty());
    assert_eq!(house.log("?state=dropped").await[0]["route"], "silence");
    let route = async |query: &str| house.get(&format!("/v1/notices/route?{query}")).await.ok();
    assert_eq!(route("kind=model.differs").await, json!({ "route": "silence", "to": [] }));
    let night = route("kind=job.dead&at=2026-11-20T22:00:00Z").await;
    assert_eq!((&night["route"], &night["to"][0]["digest"]), (&json!("team"), &json!(true)));
    let urgent = route("kind=job.dead&severity=urgent&at=2026-11-20T22:00:00Z").await;
    assert_eq!(urgent["to"][0]["digest"], false);
    assert_eq!(house.get("/v1/notices/route?kind=job.dead&at=noon").await.error(), (400, "bad-filter"));
    let unknown = house.get("/v1/notices/route?kind=job.daed").await;
    assert!(
        unknown.body["detail"].as_str().unwrap().contains("did you mean `job.dead`?"),
        "{}",
        unknown.body
    );
    assert_eq!(unknown.error(), (400, "bad-filter"));
}

#[tokio::test]
async fn a_test_tells_in_words_what_came_of_it_and_is_on_record() {
    let mut house = House::new().await;
    let (address, inbox) = post_box().await;
    let sinks = ["fine", "gone"].map(|name| webhook(&house, &address, name)).to_vec();
    house.delivers(sinks, Rules::default());
    inbox.answer("gone", 401);
    let test = async |sink: &str| {
        let body = json!({ "sink": sink, "actor": "ana", "reason": "set up" });
        house.post("/v1/notices/test", &body).await
    };
    let fine = test("fine").await.ok();
    assert_eq!((&fine["delivered"], &fine["reason"]), (&json!(true), &Value::Null));
    assert_eq!(inbox.at("fine")[0].1["data"]["test"], true);
    let refused = test("gone").await.ok();
    assert_eq!((&refused["delivered"], &refused["reason"]), (&json!(false), &json!("unauthorised")));
    assert!(refused["error"].as_str().unwrap().contains("401"), "{refused}");
    let unknown = test("fnie").await;
    assert!(unknown.body["detail"].as_str().unwrap().contains("did you mean `fine`?"), "{}", unknown.body);
    assert_eq!(unknown.error(), (404, "unknown-receiver"));
    assert!(house.log("").await.is_empty(), "a test is no notice");
    let entries = house.context.ledger.entries_after(0, 1_000).await.unwrap();
    let tested = entries.iter().filter(|entry| entry.kind == "notice.tested" && entry.actor == "ana");
    assert_eq!(tested.count(), 2);
}

/// Keeps messages that can be changed; finds its own again by their ids, as one that writes comments does.
#[derive(Clone, Default)]
struct Board {
    messages: Arc<Mutex<Vec<(String, Value)>>>,
    writes: Arc<Mutex<u32>>,
    loses_answers: Arc<Mutex<bool>>,
}

impl Board {
    fn write(&self, notice: &Outgoing) -> Result<Handle, SinkError> {
        *self.writes.lock().unwrap() += 1;
        let mut messages = self.messages.lock().unwrap();
        let known = messages.iter().position(|(id, _)| *id == notice.id);
        let at = known.unwrap_or(messages.len());
        if known.is_some() {
            messages[at].1 = notice.data.clone();
        } else {
            messages.push((notice.id.clone(), notice.data.clone()));
        }
        if *self.loses_answers.lock().unwrap() {
            let (kind, reason) = (SinkErrorKind::Transient, SinkReason::Timeout);
            return Err(SinkError { kind, reason, message: "no answer".into() });
        }
        Ok(Handle(at.to_string()))
    }
}

#[async_trait]
impl Sink for Board {
    fn name(&self) -> &'static str {
        "board"
    }
    fn kind(&self) -> &'static str {
        "board"
    }
    async fn deliver(&self, notice: &Outgoing) -> Result<Option<Handle>, SinkError> {
        self.write(notice).map(Some)
    }
    fn edits(&self) -> bool {
        true
    }
    async fn update(&self, _: &Handle, notice: &Outgoing) -> Result<bool, SinkError> {
        self.write(notice).map(|_| true)
    }
}

#[tokio::test]
async fn a_request_is_summed_up_in_one_message_that_is_kept_up_to_date() {
    let mut house = House::new().await;
    let board = Board::default();
    let summary = Summary { to: "board".into(), teams: vec![], templates: vec!["bump".into()] };
    // Two rules for one receiver are one message.
    let again = Summary { to: "board".into(), teams: vec![], templates: vec![] };
    let rules = Rules { summaries: vec![summary, again], ..Rules::default() };
    house.delivers(vec![Arc::new(board.clone())], rules);
    let look = async || {
        outbox::take_up(&house.context).await.unwrap();
        house.work().await;
        // Notices go there too.
        let mut messages = board.messages.lock().unwrap().clone();
        messages.retain(|(id, _)| id.starts_with("summary-"));
        messages
    };
    *board.loses_answers.lock().unwrap() = true;
    let (request, jobs) = house.submit(&["acme/api", "acme/web"], true).await;
    let told = look().await;
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0].1["request"], &told[0].1["counts"]), (&json!(request), &json!({ "held": 2 })));
    *board.loses_answers.lock().unwrap() = false;
    house.clock.set(house.context.now().plus(Millis::hours(1)));
    assert_eq!(look().await.len(), 1, "after an answer that was lost it is the same message");
    let writes = *board.writes.lock().unwrap();
    for _ in 0..3 {
        look().await;
    }
    assert_eq!(*board.writes.lock().unwrap(), writes, "nothing new, nothing written");
    house.post(&format!("/v1/requests/{request}/approve"), &by("ana", "yes")).await.ok();
    house.quarantine(jobs[0]).await;
    assert_eq!(look().await[0].1["counts"], json!({ "held": 2 }), "at most once a minute");
    house.clock.set(house.context.now().plus(Millis::minutes(1)));
    // Another worker goes on: what it knows is in the ledger.
    house.context.outbox.summed_up.store(-1, std::sync::atomic::Ordering::Relaxed);
    let told = look().await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].1["counts"], json!({ "quarantined": 1, "queued": 1 }));
    assert_eq!(told[0].1["attention"][0]["repository"], "acme/api");
    house.clock.set(house.context.now().plus(Millis::minutes(1)));
    let discard = format!("/v1/jobs/{}/discard-result", jobs[0]);
    house.post(&discard, &by("ana", "no")).await.ok();
    house.post(&format!("/v1/jobs/{}/cancel", jobs[1]), &by("ana", "no")).await.ok();
    let told = look().await;
    assert_eq!((told.len(), &told[0].1["over"]), (1, &json!(true)));
}

#[tokio::test]
async fn a_summary_tells_how_long_agents_need_once_a_few_are_through_and_never_while_people_are_waited_for() {
    let mut house = House::new().await;
    let board = Board::default();
    let summary = Summary { to: "board".into(), teams: vec![], templates: vec![] };
    house.delivers(vec![Arc::new(board.clone())], Rules { summaries: vec![summary], ..Rules::default() });
    let look = async || {
        house.clock.set(house.context.now().plus(Millis::minutes(10)));
        outbox::take_up(&house.context).await.unwrap();
        house.work().await;
        let messages = board.messages.lock().unwrap();
        let told = messages.iter().find(|(id, _)| id.starts_with("summary-"));
        told.unwrap().1["left"].clone()
    };
    let names = ["acme/a", "acme/b", "acme/c", "acme/d", "acme/e", "acme/f"];
    let (_, jobs) = house.submit(&names, false).await;
    assert_eq!(look().await, Value::Null);
    for (job, left) in jobs.iter().zip([None, None, Some("about 30 min for 3 jobs, at the pace so far")]) {
        house.quarantine(*job).await;
        assert_eq!(look().await.as_str(), left);
    }
    let body = json!({ "scope": "global", "actor": "ana", "reason": "incident" });
    house.post("/v1/gates/close", &body).await.ok();
    house.context.gate.propose(8, house.context.now()).await.unwrap();
    house.post(&format!("/v1/jobs/{}/cancel", jobs[5]), &by("ana", "no")).await.ok();
    assert_eq!(look().await, Value::Null, "the line stands still until somebody opens it");
}

#[test]
fn every_kind_is_documented_with_its_severity() {
    let page = include_str!("../../docs/notice-routes.md");
    for (kind, severity, what) in sluicegate::policy::notices::KINDS {
        let row = format!("| `{kind}` | {severity} | {what} |");
        assert!(page.contains(&row), "{row}");
    }
}
