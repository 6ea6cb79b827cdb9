//! Freezes over HTTP, and the last look before a start.

use serde_json::{Value, json};
use sluicegate::{
    job::State,
    ledger::{By, Command, FreezeChange},
    pipeline::start,
};

use crate::house::House;

fn freeze(name: &str, more: &Value) -> Value {
    let mut freeze = json!({ "name": name, "reason": "annual accounts", "entry": [{}] });
    freeze.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "freeze": freeze, "now": true, "actor": "ben" })
}

async fn why(house: &House, job: impl std::fmt::Display) -> Value {
    house.context.gate.propose(8, house.context.now()).await.unwrap();
    house.get(&format!("/v1/jobs/{job}/why")).await.ok()
}

#[tokio::test]
async fn an_emergency_freeze_closes_the_gate_and_lifting_it_opens_it() {
    let house = House::new().await;
    let (_, jobs) = house.submit(&["acme/api"], false).await;
    let view = house.post("/v1/freezes", &freeze("incident", &json!({}))).await.ok();
    assert_eq!(
        (&view["in_force"], &view["made_by"], &view["until"]),
        (&json!(true), &json!("ben"), &Value::Null)
    );
    let told = why(&house, jobs[0]).await;
    assert_eq!(told["wait"]["reason"], "closed", "{told}");
    assert!(told["wait"]["text"].as_str().unwrap().contains("freeze incident: annual accounts"), "{told}");
    assert_eq!(told["gates"][0]["closed_by"][0]["source"], "freeze/incident");
    // A person's resume lifts no freeze.
    house.post("/v1/gates/open", &json!({ "scope": "global", "actor": "ana" })).await.ok();
    assert_eq!(why(&house, jobs[0]).await["wait"]["reason"], "closed");
    let lift = json!({ "name": "incident", "actor": "ben", "reason": "over" });
    let left = house.post("/v1/freezes/lift", &lift).await.ok();
    assert_eq!(left["freezes"], json!([]));
    house.admit(jobs[0]).await;
}

#[tokio::test]
async fn an_exception_lets_one_job_through_and_no_other() {
    let house = House::new().await;
    let (request, jobs) = house.submit(&["acme/api", "acme/web"], false).await;
    house.post("/v1/freezes", &freeze("incident", &json!({}))).await.ok();
    let exempt = |actor: &str, body: Value| {
        let mut all = json!({ "until": "2026-11-20T12:00:00Z", "actor": actor, "reason": "hot fix" });
        all.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        all
    };
    let one = json!({ "job": jobs[0].to_string() });
    let own = house.post("/v1/freezes/exempt", &exempt("Carla", one.clone())).await;
    assert_eq!(own.error(), (409, "freeze-conflict"), "whoever asked cannot exempt it");
    let unknown = json!({ "request": request, "freeze": "other" });
    assert_eq!(
        house.post("/v1/freezes/exempt", &exempt("ben", unknown)).await.error(),
        (404, "unknown-freeze")
    );
    let both = json!({ "job": jobs[0].to_string(), "request": request });
    assert_eq!(house.post("/v1/freezes/exempt", &exempt("ben", both)).await.places(), ["job"]);

    let listed = house.post("/v1/freezes/exempt", &exempt("ben", one)).await.ok();
    assert_eq!(listed["exemptions"][0]["reason"], "hot fix");
    assert_eq!(why(&house, jobs[1]).await["wait"]["reason"], "closed");
    house.admit(jobs[0]).await;
    let entries = house.context.ledger.entries_of(jobs[0]).await.unwrap();
    assert!(entries.iter().any(|entry| entry.kind == "freeze.exempted" && entry.actor == "ben"));
}

/// No gate is closed: the duty that closes it is late.
#[tokio::test]
async fn nothing_is_started_in_a_freeze_even_if_no_gate_is_closed_yet() {
    let house = House::new().await;
    let (_, jobs) = house.submit(&["acme/api"], false).await;
    let work = house.admit(jobs[0]).await;
    house.context.gate.withdraw(&jobs).await.unwrap();
    let written = json!({
        "name": "late", "reason": "accounts", "scope": "repository:acme/*", "zone": "Europe/Berlin",
        "entry": [{ "from": "2026-11-20", "until": "2026-11-20" }],
    });
    let change = FreezeChange::Add { name: "late".to_owned(), body_json: written.to_string() };
    let by = By::new("ben", "");
    house.context.ledger.write(Command::Freeze { change, by }).await.unwrap();
    house.context.learn_freezes().await.unwrap();
    house.actor.leave.add_permits(1);
    start::run(std::sync::Arc::clone(&house.context), work).await;
    assert_eq!(house.actor.asked.available_permits(), 0, "it was sent");
    let job = house.context.find_job(&jobs[0].to_string()).await.unwrap();
    assert_eq!((job.state, job.attempts), (State::Queued, 0));
    house.catch_up().await;
    let told = why(&house, jobs[0]).await;
    assert!(told["wait"]["text"].as_str().unwrap().contains("freeze late: accounts"), "{told}");
    assert_eq!(told["wait"]["clears_at"], json!(1_795_215_600_000_i64), "midnight in Berlin");
    // Then the duty closes the one gate that is needed.
    house.context.close_for_freezes().await.unwrap();
    let gates = house.get("/v1/gates").await.ok();
    assert_eq!(gates["gates"][0]["key"], "gate/repository/acme/api");
}

#[tokio::test]
async fn whether_a_repository_is_frozen_is_told_for_any_time() {
    let house = House::new().await;
    let more = json!({
        "scope": "organisation:acme", "zone": "Europe/Berlin",
        "entry": [{ "from": "2026-12-18", "until": "2026-12-31" }],
    });
    let mut body = freeze("year-end", &more);
    body["now"] = json!(false);
    let view = house.post("/v1/freezes", &body).await.ok();
    assert_eq!(view["in_force"], false);
    let check = async |at: &str, name: &str| {
        house.get(&format!("/v1/freezes/check?repository={name}&at={at}")).await.ok()
    };
    let frozen = check("2026-12-24T00:00:00Z", "Acme/API").await;
    assert_eq!(frozen["frozen"]["name"], "year-end");
    let before = check("2026-12-01T00:00:00Z", "acme/api").await;
    assert_eq!((&before["frozen"], &before["next"]), (&Value::Null, &json!("year-end")));
    assert_eq!(check("2026-12-24T00:00:00Z", "other/api").await["frozen"], Value::Null);
    for query in ["repository=api", "repository=acme/api&at=soon", "repository=acme/api&when=now"] {
        assert_eq!(
            house.get(&format!("/v1/freezes/check?{query}")).await.error(),
            (400, "bad-filter"),
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_freeze_that_cannot_be_meant_is_refused() {
    let house = House::new().await;
    for (more, place) in [
        (json!({ "scope": "planet:earth" }), "scope"),
        (json!({ "zone": "Mars/Base" }), "zone"),
        (json!({ "reason": "" }), "reason"),
        (json!({ "name": "A b" }), "name"),
        (json!({ "entry": [{ "until": "2026-11-19" }] }), "entry.0.until"),
        (json!({ "entry": [{ "from": "2026-11-19" }] }), "now"),
        (json!({ "entry": [{ "calendar": "/etc/passwd" }] }), "now"),
    ] {
        let answer = house.post("/v1/freezes", &freeze("f", &more)).await;
        assert_eq!((answer.error().0, answer.places()), (422, vec![place]), "{more}");
    }
    let mut over = freeze("f", &json!({ "entry": [{ "from": "2026-11-01", "until": "2026-11-02" }] }));
    over["now"] = json!(false);
    assert_eq!(house.post("/v1/freezes", &over).await.places(), ["entry"]);
    let lift = json!({ "name": "f", "actor": "ben", "reason": "x" });
    assert_eq!(house.post("/v1/freezes/lift", &lift).await.error(), (404, "unknown-freeze"));
    house.post("/v1/freezes", &freeze("f", &json!({}))).await.ok();
    let other = freeze("f", &json!({ "scope": "team:pay" }));
    assert_eq!(house.post("/v1/freezes", &other).await.error(), (409, "freeze-conflict"));
}
