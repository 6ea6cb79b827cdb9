//! The stream of events: every one of them, in order, once, by any number of workers, and again after a loss.

use redis::Value;
use sluicegate::{
    budget::{Closure, Key, Scope, Source},
    ledger::{BudgetChange, By, Command, Ledger},
};

use crate::{
    house::{Place, Worker, eventually, keyed, postgres, request, sqlite},
    support::RedisServer,
};

/// Ids of what the stream has to tell of this ledger.
async fn expected(ledger: &Ledger) -> Vec<String> {
    let mut ids = Vec::new();
    let mut after = 0;
    loop {
        let page = ledger.entries_after(after, 1_000).await.unwrap();
        let Some(last) = page.last() else { return ids };
        after = last.seq;
        let told = |kind: &str| {
            ["request.", "job.", "attempt.", "budget."].iter().any(|start| kind.starts_with(start))
        };
        ids.extend(page.iter().filter(|entry| told(&entry.kind)).map(|entry| format!("{}-0", entry.seq)));
    }
}

async fn ids(place: &Place) -> Vec<String> {
    place.entries("events").await.into_iter().map(|(id, _)| id).collect()
}

/// Waits until the stream tells all that the ledger knows, and exactly that.
pub async fn is_complete(place: &Place, worker: &Worker) {
    let ledger = &worker.daemon.context.ledger;
    eventually("a complete stream of events", async || {
        (ids(place).await == expected(ledger).await).then_some(())
    })
    .await;
}

async fn close(worker: &Worker, reason: &str) {
    let closure = Closure {
        reason: reason.to_owned(),
        actor: "ana".to_owned(),
        since: worker.daemon.context.now(),
        opens_at: None,
    };
    let by = By::new("ana", reason);
    let command = Command::Budget {
        key: Key::gate(Scope::Global, ""),
        change: BudgetChange::Close(Source::Operator, closure),
        by,
    };
    worker.daemon.context.ledger.write(command).await.unwrap();
}

async fn all_is_told(ledger: String) {
    let place = Place::new(ledger, "").await;
    let worker = place.worker().await;
    for n in 0..700 {
        place.add(keyed(&format!("r{n}"), &format!("key-{n}"))).await;
    }
    place.is_settled().await;
    close(&worker, "incident 7").await;
    is_complete(&place, &worker).await;
    let entries = place.entries("events").await;
    let text = |fields: &std::collections::BTreeMap<String, Vec<u8>>, name: &str| {
        fields.get(name).map(|value| String::from_utf8(value.clone()).unwrap())
    };
    let (_, accepted) =
        entries.iter().find(|(_, fields)| text(fields, "key").as_deref() == Some("key-3")).unwrap();
    assert_eq!(text(accepted, "kind").as_deref(), Some("request.accepted"));
    assert_eq!(text(accepted, "jobs").as_deref(), Some("1"));
    let row = worker.daemon.context.ledger.request_by_idempotency_key("key-3").await.unwrap().unwrap();
    assert_eq!(text(accepted, "request"), Some(row.id.to_string()));
    let (_, closed) = entries.last().unwrap();
    assert_eq!(text(closed, "kind").as_deref(), Some("budget.closed"));
    assert_eq!(text(closed, "reason").as_deref(), Some("incident 7"));
    assert_eq!(text(closed, "actor").as_deref(), Some("ana"));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_told_in_order_and_once_from_sqlite() {
    all_is_told(sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_told_in_order_and_once_from_postgres() {
    all_is_told(postgres()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_workers_write_one_stream_without_gaps_and_doubles() {
    let place = Place::new(postgres(), "batch_max = 5").await;
    let workers = [place.worker().await, place.worker().await, place.worker().await];
    for n in 0..400 {
        place.add(request(&format!("r{n}")).to_string()).await;
    }
    place.is_settled().await;
    is_complete(&place, &workers[0]).await;
    for worker in workers {
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_redis_lost_is_written_again_and_goes_on_with_the_same_ids() {
    let redis = RedisServer::start();
    let place = Place::on(&redis, sqlite(), "").await;
    let worker = place.worker().await;
    place.add(keyed("one", "one")).await;
    is_complete(&place, &worker).await;
    place.is_settled().await;
    let before = ids(&place).await;
    for command in
        [vec!["FLUSHALL"], vec!["SCRIPT", "FLUSH"], vec!["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]]
    {
        let _: Value = place.ask(&command).await;
        place.add(keyed("more", command[0])).await;
        eventually("the next event", async || (ids(&place).await.len() > before.len()).then_some(())).await;
        is_complete(&place, &worker).await;
    }
    assert_eq!(ids(&place).await[..before.len()], before);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_another_history_is_written_anew() {
    let place = Place::new(sqlite(), "").await;
    for name in ["events", "dead", "notices"] {
        let stream = place.stream(name);
        place.ask(&["XADD", &stream, "1000000-0", "kind", "of another ledger"]).await;
    }
    let worker = place.worker().await;
    place.add(request("one").to_string()).await;
    place.is_settled().await;
    is_complete(&place, &worker).await;
    assert!(place.entries("dead").await.is_empty());
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_events_are_trimmed_and_not_written_again_after_a_loss() {
    let redis = RedisServer::start();
    let place = Place::on(&redis, sqlite(), "events_max = 1000").await;
    let worker = place.worker().await;
    for n in 0..3_000 {
        place.add(request(&format!("r{n}")).to_string()).await;
    }
    place.is_settled().await;
    let ledger = &worker.daemon.context.ledger;
    let last = expected(ledger).await.pop().unwrap();
    let told = async || ids(&place).await.last() == Some(&last);
    eventually("the last event", async || told().await.then_some(())).await;
    // Redis trims by whole nodes, so there may be some more.
    assert!((1_000..1_300).contains(&ids(&place).await.len()), "{}", ids(&place).await.len());
    place.ask(&["FLUSHALL"]).await;
    close(&worker, "go on").await;
    let last = expected(ledger).await.pop().unwrap();
    eventually("the last event", async || (ids(&place).await.last() == Some(&last)).then_some(())).await;
    let all = expected(ledger).await;
    let kept = ids(&place).await;
    assert!((900..=1_100).contains(&kept.len()), "{}", kept.len());
    assert_eq!(kept, all[all.len() - kept.len()..]);
    worker.stop().await;
}
