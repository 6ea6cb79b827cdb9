//! Gates that answer only when nothing is on its way any more, the kill switch, and what is worked on behind a gate.

use sluicegate::notify::{Found, Handle, Outgoing, Sink, SinkError};
use std::sync::Arc;

use futures::FutureExt as _;
use serde_json::{Value, json};
use sluicegate::{
    budget::{Closure, Key, Scope, Source},
    job::{Event, State},
    ledger::{BudgetChange, By, Command},
    pipeline::start,
};

use crate::house::{House, by, no_hooks, task};

#[tokio::test]
async fn a_pause_is_acknowledged_when_no_start_is_on_its_way_any_more() {
    let house = Arc::new(House::new().await);
    let (_, jobs) = house.submit(&["acme/api", "acme/web"], false).await;
    let work = house.admit(jobs[0]).await;
    let starting = tokio::spawn(start::run(Arc::clone(&house.context), work));
    house.actor.asked.acquire().await.unwrap().forget();

    let body = json!({ "scope": "organisation", "value": "Acme", "actor": "ana", "reason": "freeze" });
    let asked = Arc::clone(&house);
    let mut closing = tokio::spawn(async move { asked.post("/v1/gates/close", &body).await });
    // The closing is recorded, and still there is no answer.
    loop {
        tokio::task::yield_now().await;
        let list = house.context.list_budgets().await.unwrap();
        if list.iter().any(|view| view.closed.is_some()) {
            break;
        }
    }
    assert!((&mut closing).now_or_never().is_none());
    house.actor.leave.add_permits(1);
    let closed = closing.await.unwrap().ok();
    assert_eq!(closed["key"], "gate/organisation/acme");
    assert_eq!((&closed["closure"]["actor"], &closed["closure"]["opens_at"]), (&json!("ana"), &Value::Null));
    starting.await.unwrap();
    assert_eq!(house.context.find_job(&jobs[0].to_string()).await.unwrap().state, State::Running);
    assert_eq!(house.get("/v1/overview").await.ok()["closed"][0]["key"], "gate/organisation/acme");
}

#[tokio::test]
async fn after_an_acknowledged_pause_an_admitted_job_is_not_started() {
    let house = House::new().await;
    let (_, jobs) = house.submit(&["acme/api"], false).await;
    let work = house.admit(jobs[0]).await;
    let body = json!({ "scope": "global", "actor": "ana", "reason": "incident" });
    house.post("/v1/gates/close", &body).await.ok();
    house.actor.leave.add_permits(1);
    start::run(Arc::clone(&house.context), work).await;
    assert_eq!(house.actor.asked.available_permits(), 0);
    house.catch_up().await;
    house.context.gate.propose(8, house.context.now()).await.unwrap();
    let why = house.get(&format!("/v1/jobs/{}/why", jobs[0])).await.ok();
    assert_eq!((&why["state"], &why["wait"]["reason"]), (&json!("queued"), &json!("closed")), "{why}");
    assert!(why["wait"]["text"].as_str().unwrap().contains("incident"), "{why}");

    let opened = house.post("/v1/gates/open", &json!({ "scope": "global", "actor": "ana" })).await.ok();
    assert_eq!(opened, json!({ "key": "gate/global", "closure": null }));
    assert_eq!(house.get("/v1/overview").await.ok()["closed"], json!([]));
    house.admit(jobs[0]).await;
}

#[tokio::test]
async fn a_person_opens_what_people_closed_and_is_told_what_stays_closed() {
    let house = House::new().await;
    let (_, jobs) = house.submit(&["acme/api"], false).await;
    let key = Key::gate(Scope::Global, "");
    let closure = Closure {
        reason: "year end".to_owned(),
        actor: "calendar".to_owned(),
        since: house.context.now(),
        opens_at: None,
    };
    let by = By::new("calendar", "");
    let change = BudgetChange::Close(Source::freeze("year-end"), closure);
    house.context.ledger.write(Command::Budget { key, change, by }).await.unwrap();
    house
        .post("/v1/gates/close", &json!({ "scope": "global", "actor": "ana", "reason": "incident" }))
        .await
        .ok();
    house.catch_up().await;
    let why = house.get(&format!("/v1/jobs/{}/why", jobs[0])).await.ok();
    assert_eq!(why["gates"][0]["closed_by"].as_array().unwrap().len(), 2, "{why}");
    let opened = house.post("/v1/gates/open", &json!({ "scope": "global", "actor": "ana" })).await.ok();
    assert_eq!(opened["closure"]["reason"], "year end");
    assert_eq!(opened["closed_by"][0]["source"], "freeze/year-end");
    assert_eq!(opened["closed_by"].as_array().unwrap().len(), 1);
    assert_eq!(house.get("/v1/gates").await.ok()["gates"][0]["closed_by"][0]["source"], "freeze/year-end");
}

#[tokio::test]
async fn a_gate_closes_until_a_time_to_come() {
    let house = House::new().await;
    let close = async |until: &str| {
        let body =
            json!({ "scope": "template", "value": "bump", "actor": "ana", "reason": "x", "until": until });
        house.post("/v1/gates/close", &body).await
    };
    let closed = close("2026-11-20T11:00:00Z").await.ok();
    assert_eq!(
        closed["closure"]["opens_at"],
        house.clock.cell().load(std::sync::atomic::Ordering::SeqCst) + 3_600_000
    );
    for until in ["2026-11-20T10:00:00Z", "tomorrow", ""] {
        let answer = close(until).await;
        assert_eq!(answer.error(), (422, "invalid-request"), "{until}");
        assert_eq!(answer.places(), ["until"]);
    }
}

#[tokio::test]
async fn a_gate_that_would_close_nothing_is_refused() {
    let house = House::new().await;
    for (scope, value) in [
        ("global", "all"),
        ("repository", "api"),
        ("template", "bump@1"),
        ("organisation", ""),
        ("planet", "earth"),
    ] {
        for path in ["/v1/gates/close", "/v1/gates/open"] {
            let body = json!({ "scope": scope, "value": value, "actor": "ana", "reason": "x" });
            assert_eq!(house.post(path, &body).await.error(), (422, "invalid-request"), "{scope} {value}");
        }
    }
    let silent = json!({ "scope": "global", "actor": "ana", "reason": "" });
    assert_eq!(house.post("/v1/gates/close", &silent).await.places(), ["reason"]);
    assert_eq!(house.get("/v1/overview").await.ok()["closed"], json!([]));
}

#[tokio::test]
async fn a_template_or_an_identity_that_nothing_goes_by_is_a_slip() {
    let house = House::new().await;
    let body =
        |scope: &str, value: &str| json!({ "scope": scope, "value": value, "actor": "ana", "reason": "x" });
    for (scope, value, code, meant) in [
        ("template", "bmup", "unknown-template", "there is no template `bmup`: did you mean `bump`?"),
        ("identity", "bto", "unknown-identity", "there is no identity `bto`: did you mean `bot`?"),
    ] {
        for path in ["/v1/gates/close", "/v1/gates/open"] {
            let answer = house.post(path, &body(scope, value)).await;
            assert_eq!(answer.error(), (404, code), "{path}");
            assert_eq!(answer.body["detail"], meant);
        }
    }
    assert_eq!(house.get("/v1/gates").await.ok()["gates"], json!([]));
    // One that was closed before the configuration lost it is opened, as often as somebody likes.
    let closure = Closure {
        reason: "bad prompt".to_owned(),
        actor: "ana".to_owned(),
        since: house.context.now(),
        opens_at: None,
    };
    let (key, by) = (Key::gate(Scope::Template, "lost"), By::new("ana", ""));
    let change = BudgetChange::Close(Source::Operator, closure);
    house.context.ledger.write(Command::Budget { key, change, by }).await.unwrap();
    for remarks in [Value::Null, json!(["it was not closed"])] {
        let opened = house.post("/v1/gates/open", &body("template", "lost")).await.ok();
        assert_eq!((&opened["closure"], &opened["remarks"]), (&Value::Null, &remarks));
    }
    // So is one that a job still goes by.
    house.submit(&["acme/api"], false).await;
    let lost = house.again_with(&[], no_hooks()).await;
    lost.post("/v1/gates/close", &body("template", "bump")).await.ok();
    assert_eq!(lost.post("/v1/gates/close", &body("template", "other")).await.error().1, "unknown-template");
}

#[tokio::test]
async fn a_gate_with_no_job_behind_it_is_closed_and_remarked_upon() {
    let house = House::new().await;
    house.submit(&["acme/api"], false).await;
    for (scope, value, remarked) in [
        ("team", "platform", false),
        ("team", "platfrom", true),
        ("repository", "acme/api", false),
        ("repository", "nosuch/thing", true),
        ("organisation", "acme", false),
        ("organisation", "acem", true),
        ("model", "gpt-5.2", true),
        ("template", "bump", false),
        ("global", "", false),
    ] {
        let body = json!({ "scope": scope, "value": value, "actor": "ana", "reason": "x" });
        let closed = house.post("/v1/gates/close", &body).await.ok();
        assert_eq!(closed["closure"]["reason"], "x");
        let remarks = json!(["no job is behind it now: is the name right?"]);
        assert_eq!(closed.get("remarks"), remarked.then_some(&remarks), "{scope} {value}");
    }
}

#[tokio::test]
async fn who_opens_a_gate_is_told_that_it_was_not_closed_and_that_the_kill_switch_is_on() {
    let house = House::new().await;
    let open = json!({ "scope": "global", "actor": "ana" });
    let close = json!({ "scope": "global", "actor": "ana", "reason": "incident" });
    let never = house.post("/v1/gates/open", &open).await.ok();
    assert_eq!(never["remarks"], json!(["it was not closed"]));
    house.post("/v1/gates/close", &close).await.ok();
    house.post("/v1/kill-switch/on", &by("ben", "the agent runs wild")).await.ok();
    let opened = house.post("/v1/gates/open", &open).await.ok();
    let still = "nothing starts: the kill switch is still on: the agent runs wild (thrown by ben)";
    assert_eq!(opened, json!({ "key": "gate/global", "closure": null, "remarks": [still] }));
}

#[tokio::test]
async fn a_request_is_named_by_the_end_of_its_id_or_is_unknown() {
    let house = House::new().await;
    let (request, _) = house.submit(&["acme/api"], false).await;
    let end = &request[28..];
    let act = async |act: &str, value: &str| {
        let body = json!({ "scope": "request", "value": value, "actor": "ana", "reason": "x" });
        house.post(&format!("/v1/gates/{act}"), &body).await
    };
    let key = json!(format!("gate/request/{request}"));
    assert_eq!(act("close", end).await.ok()["key"], key);
    assert_eq!(house.get("/v1/overview").await.ok()["closed"][0]["key"], key);
    assert_eq!(house.get(&format!("/v1/gates/behind?scope=request&value={end}")).await.ok()["key"], key);
    assert_eq!(act("open", end).await.ok()["closure"], Value::Null);
    let nobody = "0193d6f0-5d7c-7b57-9d4c-4a4f3c9b8a11";
    for (way, value) in [("close", "ffffffff"), ("close", nobody), ("close", "x"), ("open", "ffffffff")] {
        assert_eq!(act(way, value).await.error(), (404, "unknown-request"), "{way} {value}");
    }
    act("open", nobody).await.ok();
}

#[tokio::test]
async fn the_kill_switch_is_lifted_by_nothing_but_itself_and_is_told_first() {
    let house = House::new().await;
    let (_, jobs) = house.submit(&["acme/api"], false).await;
    house
        .post("/v1/gates/close", &json!({ "scope": "global", "actor": "ana", "reason": "incident" }))
        .await
        .ok();
    let thrown = house.post("/v1/kill-switch/on", &by("ben", "the agent runs wild")).await.ok();
    assert_eq!(thrown["key"], "gate/kill-switch");
    assert_eq!(thrown["closure"]["actor"], "ben");
    let gates = house.get("/v1/gates").await.ok();
    let keys: Vec<&Value> = gates["gates"].as_array().unwrap().iter().map(|gate| &gate["key"]).collect();
    assert_eq!(keys, ["gate/kill-switch", "gate/global"]);

    house.post("/v1/gates/open", &json!({ "scope": "global", "actor": "ana" })).await.ok();
    assert_eq!(house.context.gate.propose(8, house.context.now()).await.unwrap().list.len(), 0);
    let why = house.get(&format!("/v1/jobs/{}/why", jobs[0])).await.ok();
    assert_eq!(why["wait"]["reason"], "kill_switch", "{why}");
    assert!(why["wait"]["text"].as_str().unwrap().contains("the agent runs wild"), "{why}");
    assert_eq!(house.get("/v1/jobs").await.ok()["kill_switch"]["actor"], "ben");

    assert_eq!(house.post("/v1/kill-switch/off", &by("ben", "")).await.places(), ["reason"]);
    let off = house.post("/v1/kill-switch/off", &by("ana", "stopped it")).await.ok();
    assert_eq!(off, json!({ "key": "gate/kill-switch", "closure": null }));
    assert_eq!(house.get("/v1/gates").await.ok()["gates"], json!([]));
    assert_eq!(house.get("/v1/jobs").await.ok().get("kill_switch"), None);
    house.admit(jobs[0]).await;

    let acts: Vec<(String, String)> = house
        .context
        .ledger
        .entries_after(0, 1_000)
        .await
        .unwrap()
        .into_iter()
        .filter(|entry| entry.body_json.contains("gate/kill-switch"))
        .map(|entry| (entry.kind, entry.actor))
        .collect();
    let wanted = [("budget.closed", "ben"), ("budget.opened", "ana")];
    assert_eq!(acts, wanted.map(|(kind, actor)| (kind.to_owned(), actor.to_owned())));
}

#[tokio::test]
async fn under_the_kill_switch_an_admitted_job_is_handed_back() {
    let house = House::new().await;
    let (_, jobs) = house.submit(&["acme/api"], false).await;
    let work = house.admit(jobs[0]).await;
    house.post("/v1/kill-switch/on", &by("ben", "stop")).await.ok();
    house.actor.leave.add_permits(1);
    start::run(Arc::clone(&house.context), work).await;
    assert_eq!(house.actor.asked.available_permits(), 0);
    let job = house.context.find_job(&jobs[0].to_string()).await.unwrap();
    assert_eq!((job.state, job.attempts), (State::Queued, 0));
}

#[tokio::test]
async fn what_is_worked_on_behind_a_gate_is_told_with_what_waits_for_people() {
    let house = House::new().await;
    let raise = json!({ "key": "slots/global", "limit": 9, "actor": "ana", "reason": "room" });
    house.post("/v1/budgets/limit", &raise).await.ok();
    let (request, jobs) = house.submit(&["acme/a", "acme/b", "acme/c", "acme/d", "acme/e"], false).await;
    for (job, events) in [
        (jobs[0], &[][..]),
        (jobs[1], &[Event::NeedsUser][..]),
        (jobs[2], &[Event::Completed][..]),
        (jobs[3], &[Event::Cancelled][..]),
    ] {
        let attempt = house.admit(job).await.attempt.id;
        let (fence, task) = (house.context.fence, Box::new(task(&format!("task-of-{job}"))));
        house.write(Command::Started { job, attempt, fence, task, found: false }).await;
        for event in events {
            if *event == Event::Cancelled {
                house.post(&format!("/v1/jobs/{job}/cancel"), &by("ana", "no")).await.ok();
            } else {
                house.step(job, *event).await;
            }
        }
    }
    let behind = |query: String| {
        let house = &house;
        async move { house.get(&format!("/v1/gates/behind?{query}")).await.ok() }
    };
    let all = behind("scope=global".to_owned()).await;
    let states: Vec<&Value> = all["working"].as_array().unwrap().iter().map(|job| &job["state"]).collect();
    assert_eq!(states, ["running", "verifying", "cancelled"], "{all}");
    assert_eq!((&all["waiting_for_people"], &all["closure"]), (&json!(1), &Value::Null));
    let one = behind("scope=repository&value=Acme/A".to_owned()).await;
    assert_eq!(
        (&one["key"], one["working"].as_array().unwrap().len()),
        (&json!("gate/repository/acme/a"), 1)
    );
    assert_eq!(
        behind(format!("scope=request&value={request}")).await["working"].as_array().unwrap().len(),
        3
    );
    assert_eq!(behind("scope=template&value=other".to_owned()).await["working"], json!([]));
    for query in ["", "?scope=planet", "?scope=repository&value=api"] {
        assert_eq!(
            house.get(&format!("/v1/gates/behind{query}")).await.error(),
            (400, "bad-filter"),
            "{query}"
        );
    }
}

/// Takes everything, as a receiver that writes at the provider.
#[derive(Default)]
struct AtTheProvider(std::sync::atomic::AtomicU32);

#[async_trait::async_trait]
impl Sink for AtTheProvider {
    fn name(&self) -> &'static str {
        "tracking"
    }
    fn kind(&self) -> &'static str {
        sluicegate::pipeline::comments::KIND
    }
    async fn deliver(&self, _notice: &Outgoing) -> Result<Option<Handle>, SinkError> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(Some(Handle("acme/api/1".into())))
    }
}

fn notice(house: &House) -> Outgoing {
    Outgoing {
        id: "n-1".into(),
        kind: "job.dead".into(),
        occurred_at: house.context.now(),
        subject: String::new(),
        data: json!({}),
        pull: None,
    }
}

#[tokio::test]
async fn while_the_kill_switch_is_on_no_notice_is_written_at_the_provider() {
    let house = House::new().await;
    let sink = AtTheProvider::default();
    let notice = notice(&house);
    let elsewhere = sluicegate::notify::LogSink::default();
    house.post("/v1/kill-switch/on", &by("ben", "the agent runs wild")).await.ok();
    assert_eq!(house.context.hand_over(&sink, notice.clone(), None).await, None);
    assert_eq!(house.context.hand_over(&elsewhere, notice.clone(), None).await, Some(Ok(None)));
    assert_eq!(sink.0.load(std::sync::atomic::Ordering::Relaxed), 0);
    house.post("/v1/kill-switch/off", &by("ana", "stopped it")).await.ok();
    let handle = Handle("acme/api/1".into());
    assert_eq!(house.context.hand_over(&sink, notice, None).await, Some(Ok(Some(handle))));
}

/// What was delivered is gone, and to look for another one takes as long as the test says.
struct Deleted {
    looks: tokio::sync::Semaphore,
    written: std::sync::atomic::AtomicU32,
}

#[async_trait::async_trait]
impl Sink for Deleted {
    fn name(&self) -> &'static str {
        "tracking"
    }
    fn kind(&self) -> &'static str {
        sluicegate::pipeline::comments::KIND
    }
    async fn find(&self, _notice: &Outgoing) -> Result<Option<Found>, SinkError> {
        self.looks.acquire().await.unwrap().forget();
        Ok(None)
    }
    async fn update(&self, _known: &Handle, _notice: &Outgoing) -> Result<bool, SinkError> {
        Ok(false)
    }
    async fn deliver(&self, _notice: &Outgoing) -> Result<Option<Handle>, SinkError> {
        self.written.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(Some(Handle("acme/api/2".into())))
    }
}

#[tokio::test]
async fn whoever_throws_the_kill_switch_does_not_wait_for_a_look_at_the_provider() {
    let house = House::new().await;
    let sink = Deleted { looks: tokio::sync::Semaphore::new(0), written: 0.into() };
    let known = Handle("acme/api/1".into());
    let mut told = Box::pin(house.context.hand_over(&sink, notice(&house), Some(&known)));
    assert!((&mut told).now_or_never().is_none(), "it looks whether another one was made");
    let body = by("ben", "the agent runs wild");
    let thrown = house.post("/v1/kill-switch/on", &body);
    tokio::time::timeout(std::time::Duration::from_secs(20), thrown).await.unwrap().ok();
    sink.looks.add_permits(2);
    assert_eq!(told.await, None, "and writes nothing after that");
    house.post("/v1/kill-switch/off", &by("ana", "stopped it")).await.ok();
    let anew = house.context.hand_over(&sink, notice(&house), Some(&known)).await;
    assert_eq!(anew, Some(Ok(Some(Handle("acme/api/2".into())))));
    assert_eq!(sink.written.load(std::sync::atomic::Ordering::Relaxed), 1);
}
