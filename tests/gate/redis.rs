//! Gates in Redis for tests: a real server, and a fleet of its own for each gate.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use sluicegate::{
    budget::Rules,
    gate::{Gate, redis::RedisGate},
    redis_link::{RedisLink, RedisLocation},
};

use super::START;
use crate::support::RedisServer;

/// A name that no other gate of this test program has.
pub fn own_fleet() -> String {
    static MADE: AtomicU64 = AtomicU64::new(0);
    format!("fleet-{}", MADE.fetch_add(1, Ordering::Relaxed))
}

pub fn link(server: &RedisServer) -> RedisLink {
    RedisLink::new(&RedisLocation { url: server.url(), password: None }).unwrap()
}

/// A gate on the server that all tests share, built and opened.
pub async fn open_gate(fleet: &str, rules: Rules) -> RedisGate {
    let gate = RedisGate::new(link(RedisServer::shared()), fleet, Arc::new(rules));
    opened(gate).await
}

pub async fn opened(gate: RedisGate) -> RedisGate {
    assert!(gate.rebuild(START).await.unwrap());
    assert!(gate.open(START).await.unwrap());
    gate
}
