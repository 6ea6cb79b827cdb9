//! Looking at jobs, acting on them, and the dead-letter queue.

use std::sync::Arc;

use axum::Router;
use serde_json::{Value, json};
use sluicegate::{
    http::router,
    job::{Event, JobId, RequestId, Role, Timestamp},
    ledger::{Command, NewJob},
    policy::template::PullRequestText,
};

use crate::house::{House, TOKEN, by};

fn ids(page: &Value) -> Vec<&str> {
    page["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn jobs_are_listed_by_filter_and_page() {
    let house = House::new().await;
    let (first, jobs) = house.submit(&["acme/a", "acme/b", "acme/c"], false).await;
    let (_, held) = house.submit(&["acme/a"], true).await;
    let all = house.get("/v1/jobs").await.ok();
    assert_eq!((ids(&all).len(), &all["next"]), (4, &Value::Null));
    let held = held[0].to_string();
    assert_eq!(ids(&house.get("/v1/jobs?state=held").await.ok()), [held.as_str()]);
    let short = &first[first.len() - 6..];
    let filter = format!("/v1/jobs?request={short}&repository=Acme/A&state=queued");
    assert_eq!(ids(&house.get(&filter).await.ok()), [jobs[0].to_string()]);

    let mut after = String::new();
    let mut seen = Vec::new();
    loop {
        let page = house.get(&format!("/v1/jobs?limit=3{after}")).await.ok();
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        match page["next"].as_i64() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ids(&all));
}

#[tokio::test]
async fn a_filter_that_is_none_is_refused() {
    let house = House::new().await;
    for query in [
        "state=sleeping",
        "repository=api",
        "limit=0",
        "limit=10001",
        "limit=-1",
        "after=x",
        "sate=held",
        "state=held&state=held",
    ] {
        let answer = house.get(&format!("/v1/jobs?{query}")).await;
        assert_eq!(answer.error(), (400, "bad-filter"), "{query}");
    }
    assert_eq!(house.get("/v1/dead?all=perhaps").await.error(), (400, "bad-filter"));
    assert_eq!(house.get("/v1/jobs?request=abcd").await.error(), (404, "unknown-request"));
}

#[tokio::test]
async fn a_job_is_found_by_the_end_of_its_id_if_that_names_one() {
    let house = House::new().await;
    let (request, jobs) = house.submit(&["acme/api"], false).await;
    let id = jobs[0].to_string();
    let detail = house.get(&format!("/v1/jobs/{}", &id[id.len() - 8..])).await.ok();
    assert_eq!(detail["job"]["id"], id.as_str());
    assert!(detail["prompt"].as_str().unwrap().starts_with("Bump serde in acme/api."), "{detail}");
    assert_eq!(detail["request"]["id"], request.as_str());
    assert_eq!(detail["holds"], json!([]));

    // Two more jobs whose ids end alike.
    let row = house.context.find_job(&id).await.unwrap();
    let request_row = house.context.ledger.request(request.parse().unwrap()).await.unwrap().unwrap();
    let mut again = request_row.row.clone();
    again.id = RequestId::new(Timestamp(1), 1);
    let job = |at: i64| {
        let mut row = row.clone();
        (row.id, row.request_id) = (JobId::new(Timestamp(at), 0xabcd), again.id);
        NewJob { row, prompt: "x".into(), pull_text: PullRequestText::default() }
    };
    let jobs = vec![job(1), job(2)];
    let id = jobs[0].row.id.to_string();
    let end = &id[id.len() - 4..];
    house.write(Command::Submit { request: Box::new(again.clone()), jobs }).await;
    for path in [format!("/v1/jobs/{end}"), format!("/v1/jobs/{end}/why")] {
        assert_eq!(house.get(&path).await.error(), (409, "ambiguous-id"), "{path}");
    }
    let cancel = format!("/v1/jobs/{end}/cancel");
    assert_eq!(house.post(&cancel, &by("ana", "why not")).await.error(), (409, "ambiguous-id"));
}

#[tokio::test]
async fn a_job_that_is_not_there_is_unknown_everywhere() {
    let house = House::new().await;
    let none = "0193d6f0-5d7c-7b57-9d4c-4a4f3c9b8a11";
    for name in [none, "9b8a11", "abc", "____", "%25%25%25%25"] {
        for path in [format!("/v1/jobs/{name}"), format!("/v1/jobs/{name}/why")] {
            assert_eq!(house.get(&path).await.error(), (404, "unknown-job"), "{path}");
        }
        for act in ["jobs/{}/cancel", "jobs/{}/approve", "dead/{}/retry", "dead/{}/discard"] {
            let path = format!("/v1/{}", act.replace("{}", name));
            assert_eq!(
                house.post(&path, &by("ana", "because")).await.error(),
                (404, "unknown-job"),
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn why_names_the_budget_and_who_holds_it() {
    let house = House::new().await;
    let (_, jobs) = house.submit(&["acme/api", "acme/web"], false).await;
    house.admit(jobs[0]).await;
    house.context.gate.propose(8, house.context.now()).await.unwrap();
    let why = house.get(&format!("/v1/jobs/{}/why", jobs[1])).await.ok();
    assert_eq!(why["wait"]["reason"], "budget", "{why}");
    assert_eq!(why["wait"]["budget"]["key"], "slots/global");
    assert_eq!(why["holders"][0]["job"], jobs[0].to_string());
    assert_eq!(why["ahead"], 0);
}

#[tokio::test]
async fn why_says_that_nobody_calls_up_while_nobody_does() {
    let mut house = House::new().await;
    house.router = Router::new();
    Arc::get_mut(&mut house.context).unwrap().life.roles = [Role::Track].into_iter().collect();
    house.router = router(Arc::clone(&house.context), TOKEN.into());
    let (_, jobs) = house.submit(&["acme/api"], false).await;
    let wait = async || house.get(&format!("/v1/jobs/{}/why", jobs[0])).await.ok()["wait"].clone();
    let alone = wait().await;
    let text = "no living worker has the roles `admit` and `start`: nothing leaves the line";
    assert_eq!(alone["reason"], "worker", "{alone}");
    assert!(alone["text"].as_str().unwrap().starts_with(text), "{alone}");
    let workers = house.context.ledger.workers_at_work().await.unwrap();
    // The ledger knows this worker with every role.
    house.context.life.learn_starters(&workers, house.context.now());
    assert_eq!(wait().await["reason"], "turn");
    house.post("/v1/gates/close", &json!({ "scope": "global", "actor": "ana", "reason": "no" })).await.ok();
    house.context.life.learn_starters(&[], house.context.now());
    house.context.gate.propose(8, house.context.now()).await.unwrap();
    assert_eq!(wait().await["reason"], "closed", "what a person did is told first");
}

#[tokio::test]
async fn each_act_moves_the_job_where_the_lifecycle_says() {
    let house = House::new().await;
    let (_, held) = house.submit(&["acme/a", "acme/b", "acme/c"], true).await;
    let act = async |job: JobId, act: &str, reason: &str| {
        house.post(&format!("/v1/jobs/{job}/{act}"), &by("ana", reason)).await
    };
    let state = |answer: crate::house::Answer| answer.ok()["state"].as_str().unwrap().to_owned();
    assert_eq!(state(act(held[0], "approve", "").await), "queued");
    assert_eq!(state(act(held[1], "refuse", "not now").await), "rejected");
    assert_eq!(state(act(held[2], "cancel", "not needed").await), "cancelled");

    let (_, jobs) = house.submit(&["acme/d", "acme/e"], false).await;
    house.quarantine(jobs[0]).await;
    assert_eq!(state(act(jobs[0], "release", "looked at it").await), "verifying");
    house.quarantine(jobs[1]).await;
    assert_eq!(state(act(jobs[1], "discard-result", "touches CI").await), "dead");

    // Who and why are in the history.
    let detail = house.get(&format!("/v1/jobs/{}", held[1])).await.ok();
    let last = detail["history"].as_array().unwrap().last().unwrap().to_string();
    assert!(last.contains("ana") && last.contains("not now"), "{last}");
}

#[tokio::test]
async fn an_act_that_the_state_does_not_allow_is_refused() {
    let house = House::new().await;
    let (_, jobs) = house.submit(&["acme/api"], false).await;
    for act in ["approve", "refuse", "release", "discard-result"] {
        let answer = house.post(&format!("/v1/jobs/{}/{act}", jobs[0]), &by("ana", "because")).await;
        assert_eq!(answer.error(), (409, "illegal-event"), "{act}");
        assert!(answer.body["detail"].as_str().unwrap().contains("queued"), "{}", answer.body);
    }
    for act in ["retry", "discard"] {
        let answer = house.post(&format!("/v1/dead/{}/{act}", jobs[0]), &by("ana", "because")).await;
        assert_eq!(answer.error(), (409, "illegal-event"), "{act}");
    }
}

#[tokio::test]
async fn an_act_without_a_person_or_a_reason_is_refused() {
    let house = House::new().await;
    let (_, jobs) = house.submit(&["acme/api"], false).await;
    for act in
        ["jobs/{}/cancel", "jobs/{}/refuse", "jobs/{}/release", "jobs/{}/discard-result", "dead/{}/discard"]
    {
        let path = format!("/v1/{}", act.replace("{}", &jobs[0].to_string()));
        let answer = house.post(&path, &by("", " ")).await;
        assert_eq!(answer.error(), (422, "invalid-request"), "{act}");
        assert_eq!(answer.places(), ["actor", "reason"]);
    }
    let path = format!("/v1/jobs/{}/cancel", jobs[0]);
    let more = json!({ "actor": "ana", "reason": "x", "force": true });
    let answer = house.post(&path, &more).await;
    assert!(answer.body["detail"].as_str().unwrap().contains("force"), "{}", answer.body);
    assert_eq!(house.post(&path, &json!({ "reason": "x" })).await.error().0, 422);
    assert_eq!(house.get("/v1/jobs").await.ok()["jobs"][0]["state"], "queued");
}

#[tokio::test]
async fn dead_letters_are_retried_once_and_discarded_with_a_reason() {
    let house = House::new().await;
    let (_, jobs) = house.submit(&["acme/a", "acme/b"], false).await;
    for job in &jobs {
        house.step(*job, Event::Expired).await;
    }
    let (a, b) = (jobs[0].to_string(), jobs[1].to_string());
    assert_eq!(ids(&house.get("/v1/dead").await.ok()), [a.as_str(), b.as_str()]);

    let retry = format!("/v1/dead/{a}/retry");
    let first = house.post(&retry, &json!({ "actor": "ana" })).await.ok();
    assert_eq!((first["dead"].as_str(), &first["already"]), (Some(a.as_str()), &json!(false)));
    let again = house.post(&retry, &by("ben", "again")).await.ok();
    assert_eq!((&again["job"], &again["already"]), (&first["job"], &json!(true)));

    let discard = format!("/v1/dead/{b}/discard");
    let view = house.post(&discard, &by("ana", "repository is gone")).await.ok();
    assert_eq!((view["state"].as_str(), &view["discarded"]), (Some("dead"), &json!(true)));
    assert_eq!(house.post(&format!("/v1/dead/{b}/retry"), &by("ana", "")).await.error().1, "illegal-event");
    assert_eq!(ids(&house.get("/v1/dead").await.ok()), [a.as_str()]);
    let all = house.get("/v1/dead?all=true&limit=1").await.ok();
    assert_eq!(ids(&all), [a.as_str()]);
    let rest = house.get(&format!("/v1/dead?all=true&after={}", all["next"])).await.ok();
    assert_eq!((ids(&rest), &rest["next"]), (vec![b.as_str()], &Value::Null));
}
