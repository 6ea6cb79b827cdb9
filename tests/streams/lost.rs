//! Redis lost, emptied or begun anew, and a ledger that cannot be written: nothing accepted is lost or doubled.

use redis::Value;
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::{
    house::{Place, eventually, keyed, postgres, request, sqlite},
    support::RedisServer,
};

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_repeat_after_redis_was_emptied_belong_to_other_requests() {
    let redis = RedisServer::start();
    let place = Place::on(&redis, sqlite(), "").await;
    let worker = place.worker().await;
    place.add_as("5-1", request("one").to_string()).await;
    place.add_as("5-2", keyed("two", "two")).await;
    place.is_settled().await;
    place.ask(&["FLUSHALL"]).await;
    // The same ids: another request, an equal one that is meant a second time, and a producer's repetition.
    place.add_as("5-1", request("one").to_string()).await;
    place.add_as("5-2", request("three").to_string()).await;
    place.add_as("5-3", keyed("two", "two")).await;
    place.is_settled().await;
    assert_eq!(place.rejections().await, []);
    assert_eq!(worker.requests().await.len(), 4);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_comes_back_after_its_connections_were_cut() {
    let redis = RedisServer::start();
    let place = Place::on(&redis, sqlite(), "").await;
    let worker = place.worker().await;
    for n in 0..20 {
        place.add(keyed(&format!("r{n}"), &format!("key-{n}"))).await;
        let _: Value = place.ask(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
    }
    place.is_settled().await;
    assert_eq!(worker.requests().await.len(), 20);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_runs_without_redis() {
    let redis = RedisServer::start();
    let place = Place::on(&redis, sqlite(), "").await;
    drop(redis);
    let worker = place.worker().await;
    let request = sluicegate::policy::Request::parse_json(keyed("one", "one").as_bytes()).unwrap();
    assert!(!worker.daemon.context.submit(request).await.unwrap().replayed);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_makes_no_second_request() {
    let place = Place::new(sqlite(), "batch_max = 10").await;
    let worker = place.worker().await;
    worker.daemon.context.ledger.lose_every_nth_answer(2);
    for n in 0..100 {
        place.add(request(&format!("r{n}")).to_string()).await;
    }
    place.is_settled().await;
    worker.daemon.context.ledger.lose_every_nth_answer(0);
    assert_eq!(worker.requests().await.len(), 100);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_acknowledged_while_the_ledger_cannot_be_written() {
    let url = postgres();
    let (server, name) = url.rsplit_once('/').unwrap();
    let place = Place::new(url.clone(), "").await;
    let worker = place.worker().await;
    place.add(keyed("before", "before")).await;
    place.is_settled().await;
    let mut admin = PgConnection::connect(&format!("{server}/postgres")).await.unwrap();
    shut(&mut admin, name, false).await;
    for n in 0..10 {
        place.add(keyed(&format!("r{n}"), &format!("key-{n}"))).await;
    }
    let pending = eventually("requests that were read", async || {
        let groups = format!("{:?}", place.ask(&["XINFO", "GROUPS", &place.stream("requests")]).await);
        (!groups.contains("bulk-string('\"pending\"'), int(0)")).then_some(())
    });
    pending.await;
    assert_eq!(place.entries("requests").await.len(), 10, "all are still there");
    shut(&mut admin, name, true).await;
    place.is_settled().await;
    assert_eq!(worker.requests().await.len(), 11);
    assert_eq!(place.rejections().await, []);
    worker.stop().await;
}

/// Opens or closes a database to everybody.
async fn shut(admin: &mut PgConnection, name: &str, open: bool) {
    let allow = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {open}");
    admin.execute(sqlx::AssertSqlSafe(allow)).await.unwrap();
    let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    admin.execute(sqlx::AssertSqlSafe(end)).await.unwrap();
}
