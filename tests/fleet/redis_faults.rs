//! Redis goes, comes back empty or older, forgets, stalls, is full, takes no writes. The gate is rebuilt from the ledger;
//! nothing is lost and nothing starts twice.

use rand::{SeedableRng, rngs::SmallRng};

use crate::{
    faults::{Fault, Server},
    fleet::Fleet,
    judge,
    plan::Plan,
    support::Weather,
};

/// Strikes with each while the fleet is busy.
fn survives(faults: &[Fault], long: bool) {
    let mut draw = SmallRng::seed_from_u64(23);
    let mut fleet = Fleet::start(Plan::default());
    for fault in faults {
        fleet.busy_for(6);
        println!("{fault:?}");
        fault.strike(&mut fleet, &mut draw, long);
    }
    fleet.busy_for(10);
    judge::all_is_well(fleet);
}

#[test]
fn a_redis_that_comes_back_empty_is_filled_from_the_ledger() {
    survives(&[Fault::RedisRestartedEmpty, Fault::RedisAway, Fault::RedisRestartedEmpty], false);
}

#[test]
fn a_redis_that_is_flushed_in_mid_load_loses_nothing_and_starts_nothing_twice() {
    survives(&[Fault::Flushed, Fault::ScriptsForgotten, Fault::Flushed, Fault::Flushed], false);
}

#[test]
fn a_redis_that_went_back_in_time_is_not_believed() {
    survives(&[Fault::RedisRolledBack, Fault::RedisRolledBack], false);
}

#[test]
fn a_redis_that_is_silent_full_or_read_only_delays_and_harms_nothing() {
    survives(&[Fault::RedisPaused, Fault::RedisFull, Fault::RedisReadOnly, Fault::RedisEvicts], true);
}

#[test]
fn a_network_to_redis_that_fails_delays_and_harms_nothing() {
    let bad = [Weather::Cut, Weather::Deaf, Weather::Stalled, Weather::Slow(100)];
    let faults =
        bad.map(|weather| [Fault::Link(Server::Redis, weather), Fault::Links(Server::Redis, weather)]);
    survives(&faults.concat(), false);
}
