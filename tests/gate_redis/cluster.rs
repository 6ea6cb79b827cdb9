//! A gate on Redis Cluster: whichever server is configured, the one that has the fleet's keys is asked, also after they have
//! moved to another one.

use std::{sync::Arc, time::Duration};

use sluicegate::{
    gate::{Gate, Standing, redis::RedisGate},
    job::id::JobId,
};

use crate::{
    gate::{
        START, ask, class, offer,
        redis::{link, opened},
        slots,
    },
    support::Cluster,
};

const FLEET: &str = "main";
const META: &str = "sluice:{main}:g:meta";

#[tokio::test]
async fn the_server_that_has_the_keys_is_asked_whichever_is_configured() {
    let cluster = Cluster::start();
    let (owner, others) = cluster.owner_and_others(META);
    let gate = opened(RedisGate::new(link(&cluster.0[others[0]]), FLEET, Arc::new(slots(2)))).await;
    let other = RedisGate::new(link(&cluster.0[others[1]]), FLEET, Arc::new(slots(2)));
    let kind = class(&[ask("slots/global", 1)]);
    let offers = (1..=3_u32)
        .map(|number| offer(JobId::new(START, u128::from(number) << 32), &kind, i64::from(number)))
        .collect();
    assert_eq!(gate.offer(offers, START).await.unwrap(), 3);
    // The token that was pushed is on the same server.
    tokio::time::timeout(Duration::from_secs(10), other.woken()).await.expect("nobody was woken");
    assert_eq!(other.standing(START).await.unwrap(), Standing::Open);
    let proposed = other.propose(9, START).await.unwrap().list;
    assert_eq!(proposed.len(), 2);
    assert_eq!(gate.counts().await.unwrap().proposed, 2);
    assert!(!cluster.0[owner].keys().is_empty());
    assert!(others.iter().all(|at| cluster.0[*at].keys().is_empty()));
}

#[tokio::test]
async fn keys_that_have_moved_to_another_server_are_followed_when_the_old_one_is_gone() {
    let mut cluster = Cluster::start();
    let (owner, others) = cluster.owner_and_others(META);
    let gate = opened(RedisGate::new(link(&cluster.0[others[0]]), FLEET, Arc::new(slots(2)))).await;
    cluster.0[owner].ask::<()>(&["FLUSHALL"]);
    cluster.move_slot(META, others[1]);
    drop(cluster.0.remove(owner));
    // The first question finds the old server silent, the next one asks the configured one.
    let mut standing = gate.standing(START).await;
    for _ in 0..100 {
        if standing.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        standing = gate.standing(START).await;
    }
    assert!(matches!(standing, Ok(Standing::Lost(_))), "{standing:?}");
    let gate = opened(gate).await;
    assert_eq!(gate.standing(START).await.unwrap(), Standing::Open);
    let with_keys = cluster.0.iter().filter(|server| !server.keys().is_empty()).count();
    assert_eq!(with_keys, 1);
}
