//! What must hold after every scenario: the invariants of the design, from the ledger, from Redis, and from the simulator's
//! own record of what was created. Nothing is excused.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sluicegate::{budget::Release, ledger::rows::Phase};

use crate::{
    books::{Books, text},
    fleet::Fleet,
    plan::{FLEET, Story},
};

/// Keys of a gate without a job: what it is, its figures, and where each flow's turn is.
const OF_AN_IDLE_GATE: [&str; 7] = ["meta", "wake", "budgets", "pools", "flows", "flow_names", "resting"];
const OF_THE_STREAMS: [&str; 6] = [
    "sluice:requests",
    "sluice:rejected",
    "sluice:events",
    "sluice:dead",
    "sluice:notices",
    "sluice:publisher",
];

/// Waits for the end of everything, ends every process in order, and judges.
pub fn all_is_well(mut fleet: Fleet) -> Books {
    fleet.until_quiet();
    let closed = fleet.close();
    let url = fleet.ledger_url();
    let books = fleet.reader.books(&url);
    assert_eq!(books.broken, Vec::<String>::new());
    let stopped = books.workers.iter().filter(|worker| worker.stopped_at.is_some()).count();
    assert!(stopped >= closed, "I12 {closed} ended in order: {:?}", books.workers);
    ends(&fleet, &books);
    settled(&books);
    creates(&fleet, &books);
    told(&fleet, &books);
    if fleet.plan.redis {
        keys(&fleet);
    }
    books
}

/// I1, I14: whatever was accepted is there, once, and ended as its story says.
fn ends(fleet: &Fleet, books: &Books) {
    let known: BTreeSet<&str> = books.requests.iter().map(String::as_str).collect();
    for request in &fleet.accepted {
        assert!(known.contains(request.as_str()), "I1 {request} was accepted and is lost");
    }
    assert_eq!(known.len(), fleet.accepted.len(), "I1 one key, one request");
    let repositories: BTreeSet<_> = books.jobs.iter().map(|job| &job.repository).collect();
    assert_eq!(repositories.len(), books.jobs.len(), "I1 one job for each repository");
    for job in &books.jobs {
        let end = Story::of(job.repository.name()).end();
        assert_eq!(job.state.to_string(), end, "{}: {:?}", job.repository, job.outcome_json);
    }
}

/// I3, I4, I11: jobs, attempts and holds as a quiet ledger has them.
fn settled(books: &Books) {
    for job in &books.jobs {
        let attempts = &books.attempts[&job.id];
        assert!(attempts.iter().all(|attempt| attempt.phase == Phase::Ended), "{attempts:?}");
        let counted: u32 = attempts.iter().map(|attempt| u32::from(attempt.counted)).sum();
        assert_eq!(job.attempts, counted, "I11 {}", job.repository);
    }
    for hold in books.holds.iter().filter(|hold| hold.released_at.is_none()) {
        let lasting = matches!(hold.release, Release::Settled | Release::Expiry);
        assert!(lasting && hold.expires_at.is_some(), "I4 left over: {hold:?}");
    }
}

/// I2 by the record of an outsider: every create was authorised by an attempt of its own, which knows its task. Gives the
/// markers.
pub fn authorised<'c>(creates: &'c [Value], books: &Books) -> BTreeSet<&'c str> {
    let mut authorised: BTreeMap<String, Option<String>> = BTreeMap::new();
    for attempt in books.attempts.values().flatten() {
        authorised.insert(attempt.marker().to_string(), attempt.task_id.as_ref().map(ToString::to_string));
    }
    let mut markers = BTreeSet::new();
    for create in creates {
        let marker = text(create, "marker");
        let known = authorised.get(marker).unwrap_or_else(|| panic!("I2 nobody authorised {create}"));
        assert_eq!(known.as_deref(), Some(text(create, "task_id")), "I2 the ledger does not know {create}");
        assert!(markers.insert(marker), "I2 one attempt, two tasks: {create}");
    }
    markers
}

/// I2, I3: no job has more tasks than its story takes, or two that live at once, and no more live than slots are there.
fn creates(fleet: &Fleet, books: &Books) {
    let creates = fleet.control("creates");
    let markers = authorised(&creates, books);
    let mut made: BTreeMap<&str, usize> = BTreeMap::new();
    for marker in &markers {
        *made.entry(marker.split('/').next().unwrap()).or_default() += 1;
    }
    for job in &books.jobs {
        let made = made.get(job.id.to_string().as_str()).copied().unwrap_or(0);
        assert_eq!(
            made,
            Story::of(job.repository.name()).tasks(),
            "I2 tasks of {} {}",
            job.id,
            job.repository
        );
    }
    let tasks: Vec<(String, i64, i64)> = fleet.control("tasks").iter().map(span).collect();
    for (job, from, _) in &tasks {
        let live = |(_, begun, ended): &&(String, i64, i64)| begun <= from && from < ended;
        let own = tasks.iter().filter(live).filter(|(other, _, _)| other == job).count();
        assert!(own <= 1, "I2 job {job} had {own} live tasks");
    }
    slots(fleet, &tasks, books);
}

/// I3: tasks that wait for people have given their slot back, so they are not counted; nor are others while one that was
/// answered has taken its slot back above the limit.
fn slots(fleet: &Fleet, tasks: &[(String, i64, i64)], books: &Books) {
    let asks: BTreeSet<String> = books
        .jobs
        .iter()
        .filter(|job| Story::of(job.repository.name()) == Story::Asks)
        .map(|job| job.id.to_string())
        .collect();
    let counted: Vec<_> = tasks.iter().filter(|(job, _, _)| !asks.contains(job)).collect();
    for (_, from, _) in &counted {
        let live = counted.iter().filter(|(_, begun, ended)| begun <= from && from < ended).count();
        assert!(live <= fleet.plan.slots as usize, "I3 {live} tasks at once");
    }
}

/// Job, begin and end of a task; an end that has not come is far away.
fn span(task: &Value) -> (String, i64, i64) {
    let job = text(task, "marker").split('/').next().unwrap().to_owned();
    (job, task["created_ms"].as_i64().unwrap(), task["ended_ms"].as_i64().unwrap_or(i64::MAX))
}

/// I6, I7, I17: with nothing left to do the gate holds no job and no class, and no earlier epoch has left anything.
fn keys(fleet: &Fleet) {
    let root = format!("sluice:{{{FLEET}}}:g:");
    let keys = fleet.redis().keys();
    let epochs: BTreeSet<&str> = keys
        .iter()
        .filter_map(|key| key.strip_prefix(&root)?.split_once(':'))
        .map(|(epoch, _)| epoch)
        .collect();
    assert!(epochs.len() <= 1, "I17 left over: {keys:?}");
    for key in &keys {
        let name = key.strip_prefix(&root).map(|rest| rest.split_once(':').map_or(rest, |(_, name)| name));
        let known = match name {
            Some(name) => OF_AN_IDLE_GATE.iter().any(|idle| name.split(':').next() == Some(idle)),
            None => OF_THE_STREAMS.contains(&key.as_str()),
        };
        assert!(known, "I17 {key} has no owner: {keys:?}");
    }
}

/// I15: one notice for each episode; each was received, under its one id.
fn told(fleet: &Fleet, books: &Books) {
    let mut received: BTreeSet<String> = BTreeSet::new();
    for delivery in fleet.control("webhooks") {
        received.insert(text(&delivery["headers"], "webhook-id").to_owned());
    }
    for notice in &books.notices {
        let id = notice.id.to_string();
        assert!(notice.delivered_at.is_some() && received.remove(&id), "I15 not received: {notice:?}");
    }
    assert!(received.is_empty(), "I15 the ledger does not know of {received:?}");
}
