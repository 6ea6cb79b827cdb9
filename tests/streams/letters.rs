//! Dead letters and notices: never trimmed while they are open, gone when they are done with, and there again after a loss.

use std::collections::BTreeSet;

use sluicegate::{
    job::{Event, JobId, State},
    ledger::{By, Command},
    policy::Request,
};

use crate::{
    house::{Place, Worker, eventually, request, sqlite},
    support::RedisServer,
};

fn by() -> By {
    By::new("ana", "seen")
}

/// Accepts so many requests and lets each job miss its deadline.
pub async fn deaths(worker: &Worker, number: usize) -> Vec<JobId> {
    let context = &worker.daemon.context;
    for n in 0..number {
        let request = Request::parse_json(request(&format!("dead-{n}")).to_string().as_bytes()).unwrap();
        context.submit(request).await.unwrap();
    }
    let jobs = context.ledger.jobs_in(State::Queued, -1, 10_000).await.unwrap();
    let expire = |job| Command::Step {
        job,
        event: Event::Expired,
        pull: None,
        failure: None,
        note: Some("its deadline passed".to_owned()),
        due_at: None,
        warrant: sluicegate::ledger::Warrant::Free,
    };
    let ids: Vec<JobId> = jobs.into_iter().map(|job| job.id).collect();
    for done in context.ledger.write_all(ids.iter().map(|job| expire(*job)).collect()).await {
        done.unwrap();
    }
    ids
}

async fn letters(place: &Place) -> BTreeSet<String> {
    let entries = place.entries("dead").await;
    entries.into_iter().map(|(_, fields)| String::from_utf8(fields["job"].clone()).unwrap()).collect()
}

pub async fn letters_are(place: &Place, wanted: &[JobId]) {
    let wanted: BTreeSet<String> = wanted.iter().map(ToString::to_string).collect();
    eventually("the open dead letters", async || (letters(place).await == wanted).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_stays_until_it_is_retried_or_discarded() {
    let place = Place::new(sqlite(), "").await;
    let worker = place.worker().await;
    let jobs = deaths(&worker, 4).await;
    letters_are(&place, &jobs).await;
    let (_, fields) = place.entries("dead").await.remove(0);
    assert_eq!(fields["repository"], b"acme/dead-0");
    assert!(String::from_utf8(fields["outcome"].clone()).unwrap().contains("its deadline passed"));
    let ledger = &worker.daemon.context.ledger;
    let new = JobId::new(worker.daemon.context.now(), 7);
    ledger.write(Command::Replay { job: jobs[1], new, by: by() }).await.unwrap();
    ledger.write(Command::Discard { job: jobs[2], by: by() }).await.unwrap();
    letters_are(&place, &[jobs[0], jobs[3]]).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn open_dead_letters_outlive_trimming_and_a_loss() {
    let redis = RedisServer::start();
    let place = Place::on(&redis, sqlite(), "events_max = 1000").await;
    let worker = place.worker().await;
    let jobs = deaths(&worker, 700).await;
    let ledger = worker.daemon.context.ledger.clone();
    ledger.write(Command::Discard { job: jobs[0], by: by() }).await.unwrap();
    letters_are(&place, &jobs[1..]).await;
    for n in 0..1_500 {
        place.add(request(&format!("r{n}")).to_string()).await;
    }
    place.is_settled().await;
    place.ask(&["FLUSHALL"]).await;
    ledger.write(Command::Discard { job: jobs[1], by: by() }).await.unwrap();
    letters_are(&place, &jobs[2..]).await;
    let ids: Vec<String> = place.entries("dead").await.into_iter().map(|(id, _)| id).collect();
    let positions: Vec<i64> = ids.iter().map(|id| id.split('-').next().unwrap().parse().unwrap()).collect();
    assert!(positions.is_sorted(), "in the order in which they died");
    assert!(ledger.head().await.unwrap().seq - positions[0] > 1_000, "older than what is kept of the events");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_notice_is_there_once_with_its_body() {
    let place = Place::new(sqlite(), "").await;
    let worker = place.worker().await;
    let jobs = deaths(&worker, 3).await;
    let ledger = &worker.daemon.context.ledger;
    let operator = Command::Notice {
        dedup: "operator/1".to_owned(),
        kind: "operator.note".to_owned(),
        job: None,
        body: serde_json::json!({ "text": "look at this" }),
    };
    ledger.write(operator).await.unwrap();
    eventually("the notices", async || (place.entries("notices").await.len() >= 4).then_some(())).await;
    let notices = place.entries("notices").await;
    let known: BTreeSet<String> =
        ledger.notices().await.unwrap().into_iter().map(|row| row.id.to_string()).collect();
    let told: BTreeSet<String> =
        notices.iter().map(|(_, fields)| String::from_utf8(fields["notice"].clone()).unwrap()).collect();
    assert_eq!((told, notices.len()), (known, jobs.len() + 1));
    assert!(String::from_utf8(notices[3].1["body"].clone()).unwrap().contains("look at this"));
    worker.stop().await;
}
