//! What the gate in Redis costs when there is little to do: nothing is left behind, nobody asks while nothing happens,
//! and large calls are cut into small ones.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use sluicegate::{
    budget::{Amount, Key, Truth},
    gate::{Gate, Offer, Verdict, redis::RedisGate},
    job::id::JobId,
};

use crate::{
    gate::{
        START, ask, ask_pool, at, class, member, offer,
        redis::{link, opened},
        slots, with_pool,
    },
    support::RedisServer,
};

/// So many jobs of some classes and flows; every fifth has a time.
fn offers(count: u32) -> Vec<Offer> {
    let one = |number: u32| {
        let repository = format!("slots/repository/acme/{}", number % 37);
        let class = class(&[ask("slots/global", 1), ask(&repository, 1), ask_pool("kim")]);
        let job = JobId::new(START, u128::from(number + 1) << 32);
        Offer {
            flow: format!("flow-{}", number % 11).into(),
            due_at: number.is_multiple_of(5).then(|| at(5)),
            ..offer(job, &class, i64::from(number))
        }
    };
    (0..count).map(one).collect()
}

/// A process of the fleet `main`.
fn process(server: &RedisServer, limit: u32) -> RedisGate {
    let rules = with_pool(slots(limit), vec![member("ana", limit, &[])]);
    RedisGate::new(link(server), "main", Arc::new(rules))
}

#[tokio::test]
async fn a_drained_gate_leaves_nothing_behind_but_what_it_was_told() {
    let server = RedisServer::start();
    let gate = opened(process(&server, 10)).await;
    let count = 1_300;
    assert_eq!(gate.offer(offers(count), START).await.unwrap(), count as usize);
    let withdrawn: Vec<JobId> = offers(count).iter().skip(700).map(|offer| offer.job).collect();
    gate.withdraw(&withdrawn).await.unwrap();
    for version in 1..1_000 {
        let open = gate.propose(128, at(10)).await.unwrap();
        if open.list.is_empty() && !open.more {
            break;
        }
        let truth = Truth {
            key: Key::new("slots/global"),
            used: Amount::ZERO,
            limit: Some(Amount::from(10)),
            closed: None,
            version,
        };
        let verdicts = open.list.iter().map(|one| (one.job, one.token, Verdict::Admitted)).collect();
        gate.settle(verdicts, &[truth], at(10)).await.unwrap();
    }
    assert_eq!(gate.counts().await.unwrap(), sluicegate::gate::Counts::default());
    // Virtual time passes until every flow has used up its credit.
    let idle = class(&[ask("slots/model/x", 1)]);
    for number in 0..1_100 {
        let job = JobId::new(START, u128::from(number + 5_000_u32) << 32);
        gate.offer(vec![offer(job, &idle, 0)], at(20)).await.unwrap();
        let one = gate.propose(1, at(20)).await.unwrap().list.remove(0);
        gate.settle(vec![(one.job, one.token, Verdict::Gone)], &[], at(20)).await.unwrap();
    }
    let mut connection = link(&server).connection();
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    let names: BTreeSet<&str> = keys.iter().map(|key| key.rsplit(':').next().unwrap()).collect();
    // The flow that was used last rests.
    let expected = ["5", "budgets", "flow_names", "flows", "meta", "pools", "wake"];
    assert_eq!(names, BTreeSet::from(expected), "{keys:?}");
    let budgets = keys.iter().find(|key| key.ends_with(":budgets")).unwrap();
    let told: Vec<String> = redis::cmd("HKEYS").arg(budgets).query_async(&mut connection).await.unwrap();
    assert_eq!(told, ["slots/global"]);
    let flows = keys.iter().find(|key| key.ends_with(":flows")).unwrap();
    let flows: u32 = redis::cmd("HLEN").arg(flows).query_async(&mut connection).await.unwrap();
    assert_eq!(flows, 1);
}

#[tokio::test]
async fn a_worker_is_woken_by_what_another_brings_and_not_without() {
    let server = RedisServer::start();
    let one = opened(process(&server, 1)).await;
    let two = process(&server, 1);
    // The first wake-ups are those of the beginning.
    while tokio::time::timeout(Duration::from_millis(300), two.woken()).await.is_ok() {}
    one.offer(offers(3).split_off(1), START).await.unwrap();
    tokio::time::timeout(Duration::from_secs(30), two.woken()).await.expect("woken by the offer");
    let open = two.propose(9, START).await.unwrap();
    assert_eq!((open.list.len(), open.more), (1, false));
    assert!(tokio::time::timeout(Duration::from_millis(300), two.woken()).await.is_err());
    let verdict = (open.list[0].job, open.list[0].token, Verdict::Gone);
    one.settle(vec![verdict], &[], START).await.unwrap();
    tokio::time::timeout(Duration::from_secs(30), two.woken()).await.expect("woken by the release");
}
