//! Epochs: a gate that was emptied or went back in time is noticed, rebuilt by one, and followed by the others.

use std::{sync::Arc, time::Duration};

use sluicegate::{
    budget::Rules,
    gate::{Gate, Offer, REBUILD_LAPSES, Standing, Verdict, redis::RedisGate},
    job::{id::JobId, time::Millis},
};

use crate::{
    gate::{
        START, ask, at, class, jobs, offer,
        redis::{link, opened},
        rule, slots,
    },
    support::RedisServer,
};

/// A process of the fleet `main`.
fn process(server: &RedisServer, rules: Rules) -> RedisGate {
    RedisGate::new(link(server), "main", Arc::new(rules))
}

fn id(number: u32) -> JobId {
    JobId::new(START, u128::from(number) << 32)
}

/// Jobs `from..to` of one class.
fn offers(from: u32, to: u32) -> Vec<Offer> {
    let class = class(&[ask("slots/global", 1)]);
    (from..to).map(|number| offer(id(number), &class, i64::from(number))).collect()
}

async fn command(server: &RedisServer, words: &[&str]) {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]).exec_async(&mut link(server).connection()).await.unwrap();
}

/// Everything in the server, as it is now.
async fn snapshot(server: &RedisServer) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut connection = link(server).connection();
    let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    let mut all = Vec::new();
    for key in keys {
        let dump = redis::cmd("DUMP").arg(&key).query_async(&mut connection).await.unwrap();
        all.push((key, dump));
    }
    all
}

async fn restore(server: &RedisServer, snapshot: &[(Vec<u8>, Vec<u8>)]) {
    let mut connection = link(server).connection();
    redis::cmd("FLUSHALL").exec_async(&mut connection).await.unwrap();
    for (key, dump) in snapshot {
        redis::cmd("RESTORE").arg(key).arg(0).arg(dump).exec_async(&mut connection).await.unwrap();
    }
}

async fn reason(gate: &RedisGate) -> String {
    gate.propose(9, START).await.unwrap_err().to_string()
}

async fn is_lost(gate: &RedisGate) -> bool {
    matches!(gate.standing(START).await.unwrap(), Standing::Lost(_))
}

#[tokio::test]
async fn scripts_that_the_server_forgot_are_loaded_again() {
    let server = RedisServer::start();
    let gate = opened(process(&server, slots(9))).await;
    gate.offer(offers(0, 2), START).await.unwrap();
    command(&server, &["SCRIPT", "FLUSH"]).await;
    assert_eq!(jobs(&gate.propose(9, START).await.unwrap().list), [id(0), id(1)]);
}

#[tokio::test]
async fn an_emptied_redis_closes_the_gate_until_it_is_rebuilt() {
    let server = RedisServer::start();
    let gate = opened(process(&server, slots(1))).await;
    gate.offer(offers(0, 2), START).await.unwrap();
    let open = gate.propose(1, START).await.unwrap().list;
    command(&server, &["FLUSHALL"]).await;
    assert!(reason(&gate).await.contains("emptied"));
    assert!(is_lost(&gate).await);
    assert!(gate.rebuild(START).await.unwrap());
    assert_eq!(gate.offer(offers(0, 2), START).await.unwrap(), 2);
    assert!(gate.open(START).await.unwrap());
    let again = gate.propose(1, START).await.unwrap().list;
    assert!(again[0].token > open[0].token);
    // The token from before is worth nothing: the job of the new proposal stays.
    gate.settle(vec![(open[0].job, open[0].token, Verdict::Gone)], &[], START).await.unwrap();
    assert_eq!(gate.counts().await.unwrap().proposed, 1);
}

#[tokio::test]
async fn an_answer_from_before_takes_its_job_out_of_the_rebuilt_line() {
    let server = RedisServer::start();
    let gate = opened(process(&server, slots(9))).await;
    let other = process(&server, slots(9));
    gate.offer(offers(0, 3), START).await.unwrap();
    let open = gate.propose(2, START).await.unwrap().list;
    command(&server, &["FLUSHALL"]).await;
    // The ledger had not yet written what the first worker asks of it when the second one read.
    assert!(is_lost(&other).await);
    assert!(other.rebuild(at(1)).await.unwrap());
    other.offer(offers(0, 3), at(1)).await.unwrap();
    let verdicts = vec![
        (open[0].job, open[0].token, Verdict::Admitted),
        (open[1].job, open[1].token, Verdict::Unanswered),
    ];
    gate.settle(verdicts, &[], at(1)).await.unwrap();
    assert!(other.open(at(1)).await.unwrap());
    assert_eq!(jobs(&gate.propose(9, at(1)).await.unwrap().list), [id(1), id(2)]);
}

#[tokio::test]
async fn an_older_state_of_redis_is_not_believed() {
    let server = RedisServer::start();
    let gate = opened(process(&server, slots(9))).await;
    gate.offer(offers(0, 2), START).await.unwrap();
    let old = snapshot(&server).await;
    gate.offer(offers(2, 4), START).await.unwrap();
    let other = process(&server, slots(9));
    assert_eq!(other.standing(START).await.unwrap(), Standing::Open);
    restore(&server, &old).await;
    assert!(reason(&gate).await.contains("back in time"));
    // The others are told, whether they can see it themselves or not.
    let newcomer = process(&server, slots(9));
    assert!(is_lost(&gate).await && is_lost(&other).await && is_lost(&newcomer).await);
    assert!(newcomer.rebuild(START).await.unwrap());
    assert!(newcomer.open(START).await.unwrap());
    assert_eq!(gate.standing(START).await.unwrap(), Standing::Open);
    assert_eq!(gate.counts().await.unwrap().waiting, 0);
    // Nor is the epoch before this one.
    restore(&server, &old).await;
    assert!(is_lost(&gate).await && is_lost(&newcomer).await);
}

#[tokio::test]
async fn one_process_rebuilds_and_the_right_lapses() {
    let server = RedisServer::start();
    let (one, two) = (process(&server, slots(9)), process(&server, slots(9)));
    assert!(is_lost(&one).await && is_lost(&two).await);
    assert!(one.rebuild(START).await.unwrap());
    assert!(!two.rebuild(START).await.unwrap());
    assert_eq!(two.standing(START).await.unwrap(), Standing::Rebuilding);
    one.offer(offers(0, 1), START).await.unwrap();
    // Called again it keeps the right, and what was offered.
    let later = START.plus(Millis::seconds(20));
    assert!(one.rebuild(later).await.unwrap());
    assert_eq!(one.counts().await.unwrap().waiting, 1);
    assert!(!two.rebuild(START.plus(REBUILD_LAPSES)).await.unwrap());
    let lapsed = later.plus(REBUILD_LAPSES);
    assert!(matches!(two.standing(lapsed).await.unwrap(), Standing::Lost(_)));
    assert!(two.rebuild(lapsed).await.unwrap());
    assert!(!one.open(lapsed).await.unwrap());
    assert_eq!(two.counts().await.unwrap().waiting, 0);
    assert!(two.open(lapsed).await.unwrap());
    // Who comes too late finds it open and leaves it as it is.
    assert!(!one.rebuild(lapsed).await.unwrap());
    assert_eq!(one.standing(lapsed).await.unwrap(), Standing::Open);
}

#[tokio::test]
async fn offers_are_taken_while_it_is_rebuilt_and_nothing_is_proposed() {
    let server = RedisServer::start();
    let (builder, other) = (process(&server, slots(9)), process(&server, slots(9)));
    assert!(builder.rebuild(START).await.unwrap());
    assert_eq!(other.offer(offers(5, 6), START).await.unwrap(), 1);
    assert_eq!(builder.offer(offers(0, 6), START).await.unwrap(), 5);
    other.withdraw(&[id(3)]).await.unwrap();
    assert!(reason(&other).await.contains("being rebuilt"));
    assert!(other.explain(id(5), START).await.unwrap().is_some());
    assert!(builder.open(START).await.unwrap());
    assert_eq!(other.propose(9, START).await.unwrap().list.len(), 5);
}

#[tokio::test]
async fn a_worker_of_the_epoch_before_goes_on_in_the_new_one() {
    let server = RedisServer::start();
    let gate = opened(process(&server, slots(9))).await;
    let other = process(&server, slots(9));
    other.offer(offers(0, 1), START).await.unwrap();
    command(&server, &["FLUSHALL"]).await;
    assert!(is_lost(&gate).await);
    opened(gate).await;
    assert_eq!(other.offer(offers(0, 2), START).await.unwrap(), 2);
    assert_eq!(other.propose(9, START).await.unwrap().list.len(), 2);
}

#[tokio::test]
async fn a_process_with_other_rules_rebuilds_and_a_running_one_follows() {
    let server = RedisServer::start();
    let old = opened(process(&server, slots(1))).await;
    let mut rules = slots(2);
    rules.budgets.push(rule("slots", sluicegate::budget::Scope::Repository, 1));
    let new = process(&server, rules);
    assert!(is_lost(&new).await);
    assert!(reason(&new).await.contains("rules"));
    let new = opened(new).await;
    new.offer(offers(0, 3), START).await.unwrap();
    assert_eq!(old.propose(9, START).await.unwrap().list.len(), 2);
}

#[tokio::test]
async fn what_earlier_epochs_left_is_removed() {
    let server = RedisServer::start();
    let gate = opened(process(&server, slots(1))).await;
    gate.offer(offers(0, 300), at(1)).await.unwrap();
    command(&server, &["HSET", "sluice:{main}:g:meta", "state", "broken"]).await;
    let gate = opened(gate).await;
    gate.offer(offers(0, 1), START).await.unwrap();
    let mut connection = link(&server).connection();
    for _ in 0..1_000 {
        let rolls: Vec<Vec<u8>> =
            redis::cmd("KEYS").arg("sluice:{main}:g:*:jobs:*").query_async(&mut connection).await.unwrap();
        if rolls.len() == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the keys of the first epoch are still there");
}
