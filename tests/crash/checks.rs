//! What must be true at the end of every test, asked of the daemon and of the simulator's own log.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sluicegate::{job::marker::Marker, policy::standard_webhooks::SigningKey};

use crate::{house::House, setting::SECRET};

/// Every promise, once all jobs have ended.
pub async fn all_is_well(house: &House, request: &str) {
    let look = async |path: &str| house.look(path).await.expect("the daemon answers");
    assert_eq!(look("/v1/invariants").await["broken"], serde_json::json!([]));
    assert_eq!(look("/v1/audit/verify").await["broken"], Value::Null);
    let requests = look("/v1/requests").await;
    let ids: Vec<_> = list(&requests["requests"]).iter().map(|view| &view["request"]["id"]).collect();
    assert_eq!(ids, [request], "one key, one request");
    let mut jobs = Vec::new();
    for job in list(&look("/v1/jobs").await["jobs"]) {
        jobs.push(look(&format!("/v1/jobs/{}", text(&job["id"]))).await);
    }
    ends(house, &jobs);
    starts(house, &jobs).await;
    let overview = look("/v1/overview").await;
    assert_eq!((&overview["live_tasks"], &overview["waiting_at_gate"]), (&0.into(), &0.into()));
    nothing_is_held(&look("/v1/budgets").await);
    notices(house, &jobs).await;
}

/// Every repository has one job, and it ended as its story says.
fn ends(house: &House, jobs: &[Value]) {
    let found: BTreeMap<_, _> = jobs
        .iter()
        .map(|job| (text(&job["job"]["repository"]).to_owned(), text(&job["job"]["state"])))
        .collect();
    let told: BTreeMap<_, _> =
        house.setting.repositories().map(|(repository, story)| (repository, story.end())).collect();
    assert_eq!(found, told);
    assert_eq!(found.len(), jobs.len());
}

/// Every create was authorised by an attempt of its own and is known by it, and no job ever had two tasks at work.
async fn starts(house: &House, jobs: &[Value]) {
    let mut authorised = BTreeMap::new();
    for attempt in jobs.iter().flat_map(|job| list(&job["attempts"])) {
        let marker = ["job_id", "id", "nonce"].map(|part| text(&attempt[part])).join("/");
        authorised.insert(marker, attempt);
    }
    let mut created = BTreeSet::new();
    for create in house.oracle("creates").await {
        let marker = text(&create["marker"]).to_owned();
        assert!(marker.parse::<Marker>().is_ok(), "{marker}");
        let attempt = authorised.get(&marker).unwrap_or_else(|| panic!("{marker} was never authorised"));
        assert_eq!(attempt["task_id"], create["task_id"], "the ledger does not know the task of {marker}");
        assert!(created.insert(marker.clone()), "{marker} was sent twice");
    }
    for (marker, attempt) in &authorised {
        assert!(
            attempt["task_id"].is_null() || created.contains(marker),
            "{marker} has somebody else's task"
        );
    }
    let mut works: BTreeMap<String, Vec<(i64, i64)>> = BTreeMap::new();
    for task in house.oracle("tasks").await {
        let job = text(&task["marker"]).split('/').next().unwrap().to_owned();
        let end = task["ended_ms"].as_i64().unwrap_or(i64::MAX);
        works.entry(job).or_default().push((task["created_ms"].as_i64().unwrap(), end));
    }
    for (job, mut spans) in works {
        spans.sort_unstable();
        let apart = spans.windows(2).all(|pair| pair[0].1 <= pair[1].0);
        assert!(apart, "job {job} had two live tasks: {spans:?}");
    }
    for (repository, story) in house.setting.repositories() {
        let job = jobs.iter().find(|job| job["job"]["repository"] == *repository).unwrap();
        let tasks = list(&job["attempts"]).iter().filter(|attempt| !attempt["task_id"].is_null()).count();
        assert_eq!(tasks, story.tasks(), "{repository}");
    }
}

/// What a job holds while it lives has come back.
fn nothing_is_held(budgets: &Value) {
    let mut seen = BTreeSet::new();
    for budget in list(&budgets["budgets"]) {
        let key = text(&budget["key"]);
        let name = key.split('/').next().unwrap();
        if ["slots", "unproven", "pool"].contains(&name) {
            assert_eq!(budget["used"], 0, "{key}");
            seen.insert(name);
        }
        assert_eq!(budget["closed"], Value::Null, "{key}");
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
}

/// People were told once of each episode, however often the message was sent, and each message is signed.
async fn notices(house: &House, jobs: &[Value]) {
    let key = SigningKey::parse(&SECRET.into()).unwrap();
    let mut told: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for delivery in house.oracle("webhooks").await {
        let header = |name: &str| text(&delivery["headers"][name]);
        let (id, body) = (header("webhook-id"), text(&delivery["body"]));
        let sent_at = header("webhook-timestamp").parse().unwrap();
        assert!(key.verify(id, sent_at, body.as_bytes(), header("webhook-signature")), "{delivery}");
        let event: Value = serde_json::from_str(body).unwrap();
        assert_eq!(event["id"], *id);
        let about = (text(&event["subject"]).to_owned(), text(&event["type"]).to_owned());
        told.entry(about).or_default().insert(id.to_owned());
    }
    let mut owed = BTreeMap::new();
    for job in jobs {
        for (entry, kind) in [("job.needs_user", "needs_user"), ("job.gave_up", "dead")] {
            let episodes = list(&job["history"]).iter().filter(|found| found["kind"] == *entry).count();
            if episodes > 0 {
                let about = (text(&job["job"]["id"]).to_owned(), format!("dev.sluicegate.job.{kind}"));
                owed.insert(about, episodes);
            }
        }
    }
    let told: BTreeMap<_, _> = told.into_iter().map(|(about, ids)| (about, ids.len())).collect();
    assert_eq!(told, owed, "one notice for each episode");
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("not a list: {value}"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}"))
}
