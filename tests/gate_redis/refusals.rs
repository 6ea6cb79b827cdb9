//! A Redis that does not do what it is asked: the gate says why, and is usable again by itself when Redis is well.

use std::sync::Arc;

use sluicegate::{
    gate::{Gate, Offer, Standing, redis::RedisGate},
    job::id::JobId,
    redis_link::{RedisLink, RedisLocation},
};

use crate::{
    gate::{
        START, ask, class, offer,
        redis::{link, opened},
        slots,
    },
    support::RedisServer,
};

async fn started(server: &RedisServer) -> RedisGate {
    opened(RedisGate::new(link(server), "main", Arc::new(slots(9)))).await
}

fn offers(from: u32, to: u32) -> Vec<Offer> {
    let class = class(&[ask("slots/global", 1)]);
    let one = |number| offer(JobId::new(START, u128::from(number) << 32), &class, i64::from(number));
    (from..to).map(one).collect()
}

async fn command(server: &RedisServer, words: &[&str]) {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]).exec_async(&mut link(server).connection()).await.unwrap();
}

#[tokio::test]
async fn a_full_redis_refuses_whole_calls_and_goes_on_when_it_has_room() {
    let server = RedisServer::start();
    let gate = started(&server).await;
    gate.offer(offers(0, 5), START).await.unwrap();
    command(&server, &["CONFIG", "SET", "maxmemory", "1"]).await;
    for error in [
        gate.offer(offers(5, 9), START).await.unwrap_err(),
        gate.propose(9, START).await.unwrap_err(),
        gate.withdraw(&[offers(0, 1)[0].job]).await.unwrap_err(),
    ] {
        assert!(error.to_string().contains("OOM"), "{error}");
    }
    command(&server, &["CONFIG", "SET", "maxmemory", "0"]).await;
    assert_eq!(gate.standing(START).await.unwrap(), Standing::Open);
    assert_eq!(gate.offer(offers(0, 9), START).await.unwrap(), 4);
    assert_eq!(gate.propose(9, START).await.unwrap().list.len(), 9);
}

#[tokio::test]
async fn a_replica_refuses_and_goes_on_when_it_is_promoted() {
    let server = RedisServer::start();
    let gate = started(&server).await;
    command(&server, &["REPLICAOF", "127.0.0.1", "1"]).await;
    let error = gate.offer(offers(0, 5), START).await.unwrap_err().to_string();
    assert!(error.contains("READONLY") || error.contains("read only"), "{error}");
    command(&server, &["REPLICAOF", "NO", "ONE"]).await;
    assert_eq!(gate.offer(offers(0, 5), START).await.unwrap(), 5);
}

#[tokio::test]
async fn a_redis_that_evicts_keys_is_not_used() {
    let server = RedisServer::start();
    let gate = started(&server).await;
    command(&server, &["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    let error = gate.standing(START).await.unwrap_err().to_string();
    assert!(error.contains("allkeys-lru") && error.contains("noeviction"), "{error}");
    let newcomer = RedisGate::new(link(&server), "main", Arc::new(slots(9)));
    assert!(newcomer.propose(9, START).await.is_err());
    assert!(newcomer.rebuild(START).await.is_err());
    // The running one, too, from the moment it has noticed.
    assert!(gate.propose(9, START).await.unwrap_err().to_string().contains("noeviction"));
    command(&server, &["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    assert_eq!(gate.standing(START).await.unwrap(), Standing::Open);
    assert!(gate.propose(9, START).await.is_ok());
}

#[tokio::test]
async fn a_missing_password_is_told() {
    let server = RedisServer::start();
    command(&server, &["CONFIG", "SET", "requirepass", "open sesame"]).await;
    let gate = RedisGate::new(link(&server), "main", Arc::new(slots(9)));
    let error = gate.propose(9, START).await.unwrap_err().to_string();
    assert!(error.contains("uthent"), "{error}");
    let location = RedisLocation { url: server.url(), password: Some("open sesame".to_owned().into()) };
    let gate = RedisGate::new(RedisLink::new(&location).unwrap(), "main", Arc::new(slots(9)));
    opened(gate).await;
}

#[tokio::test]
async fn without_redis_every_call_says_so_and_none_hangs() {
    let url = "redis://127.0.0.1:1/".to_owned();
    let link = RedisLink::new(&RedisLocation { url, password: None }).unwrap();
    let gate = RedisGate::new(link, "main", Arc::new(slots(9)));
    assert!(gate.standing(START).await.is_err());
    assert!(gate.propose(9, START).await.is_err());
    assert!(gate.offer(offers(0, 5), START).await.is_err());
    assert!(gate.rebuild(START).await.is_err());
}

#[tokio::test]
async fn a_change_that_broke_off_is_believed_by_nobody() {
    let server = RedisServer::start();
    let gate = started(&server).await;
    let other = RedisGate::new(link(&server), "main", Arc::new(slots(9)));
    gate.offer(offers(0, 5), START).await.unwrap();
    assert_eq!(other.counts().await.unwrap().waiting, 5);
    let mut connection = link(&server).connection();
    let epoch: String = redis::cmd("HGET")
        .arg("sluice:{main}:g:meta")
        .arg("epoch")
        .query_async(&mut connection)
        .await
        .unwrap();
    let key = format!("sluice:{{main}}:g:{epoch}:classes");
    command(&server, &["SET", &key, "not what it was"]).await;
    let error = gate.propose(9, START).await.unwrap_err().to_string();
    assert!(error.contains("WRONGTYPE"), "{error}");
    for one in [&gate, &other] {
        assert!(one.propose(9, START).await.unwrap_err().to_string().contains("rebuilt"));
        let Standing::Lost(why) = one.standing(START).await.unwrap() else { panic!("not lost") };
        assert!(why.contains("WRONGTYPE"), "{why}");
    }
    let gate = opened(gate).await;
    gate.offer(offers(0, 5), START).await.unwrap();
    assert_eq!(other.propose(9, START).await.unwrap().list.len(), 5);
}
