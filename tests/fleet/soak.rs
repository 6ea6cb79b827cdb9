//! A seeded random sequence of all faults, for as long as it is told to. Every round has a fleet of its own and ends with
//! all invariants. `SOAK_MINUTES=60 SOAK_SEED=7` makes a longer run; without them it is one short round.

use rand::{Rng, SeedableRng, rngs::SmallRng, seq::IndexedRandom};
use sluicegate::job::time::Millis;

use crate::{
    faults::{Fault, OF_REDIS, Server},
    fleet::{Fleet, now},
    judge,
    plan::{Plan, Store},
    support::Weather,
};

/// Faults of one round.
const FAULTS: std::ops::Range<u32> = 6..14;
const FAULTS_WHEN_SHORT: std::ops::Range<u32> = 3..4;
pub const MINUTES: &str = "SOAK_MINUTES";
pub const KILLS: &str = "SOAK_KILLS";
pub const SEED: &str = "SOAK_SEED";

/// A number that whoever runs it may give.
#[expect(clippy::disallowed_methods, reason = "how long a soak lasts is for whoever runs it")]
pub fn told(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a whole number, not `{text}`")))
}

/// Everything that may strike such a fleet, each as likely as any other of its kind.
fn faults(plan: &Plan) -> Vec<Fault> {
    let mut all = vec![Fault::SqlRestarted, Fault::Terminated, Fault::Stopped];
    // What costs most elsewhere is tried most here.
    all.extend([Fault::Killed; 6]);
    let mut servers = vec![Server::Sql, Server::GitHub];
    if plan.redis {
        all.extend(OF_REDIS);
        servers.push(Server::Redis);
    }
    for weather in [Weather::Cut, Weather::Deaf, Weather::Stalled, Weather::Slow(50)] {
        for server in &servers {
            all.extend([Fault::Link(*server, weather), Fault::Links(*server, weather)]);
        }
    }
    // A start that the network delivers after its caller has given up is beyond every promise.
    let late = |fault: &Fault| {
        matches!(
            fault,
            Fault::Link(Server::GitHub, Weather::Stalled) | Fault::Links(Server::GitHub, Weather::Stalled)
        )
    };
    all.retain(|fault| !late(fault));
    all
}

/// A fleet of its own for this round.
fn plan(draw: &mut SmallRng) -> Plan {
    let teams: [&[&str]; 3] = [&["", ""], &["", "", ""], &["admit,start", "track,review,notify", ""]];
    Plan {
        store: Store::OwnPostgres,
        workers: teams.choose(draw).unwrap().to_vec(),
        slots: draw.random_range(2..16),
        run_ms: draw.random_range(50..600),
        create_ms: draw.random_range(0..300),
        lost_answers: if draw.random_bool(0.3) { 3 } else { 0 },
        ..Plan::default()
    }
}

/// One round; gives the tasks that were created, and the kills.
fn round(seed: u64, count: std::ops::Range<u32>) -> (usize, usize) {
    let mut draw = SmallRng::seed_from_u64(seed);
    let plan = plan(&mut draw);
    println!("round {seed}: {plan:?}");
    let mut fleet = Fleet::start(plan);
    let (all, mut kills) = (faults(&fleet.plan), 0);
    for _ in 0..draw.random_range(count) {
        fleet.busy_for(draw.random_range(1..12));
        let fault = *all.choose(&mut draw).unwrap();
        let long = draw.random_bool(0.2);
        println!("  {} {fault:?}{}", now(), if long { ", for long" } else { "" });
        fault.strike(&mut fleet, &mut draw, long);
        kills += usize::from(fault == Fault::Killed);
    }
    fleet.busy_for(10);
    let created = fleet.control("creates").len();
    let books = judge::all_is_well(fleet);
    println!("  all is well: {} jobs, {created} tasks", books.jobs.len());
    (created, kills)
}

#[test]
fn soak_in_random_faults_ends_with_every_invariant() {
    let begun = now();
    let Some(minutes) = told(MINUTES) else {
        round(told(SEED).unwrap_or(1), FAULTS_WHEN_SHORT);
        return;
    };
    let seed = told(SEED).unwrap_or_else(|| begun.0.unsigned_abs());
    let (mut rounds, mut created, mut kills) = (0, 0, 0);
    let until = begun.plus(Millis::minutes(minutes));
    while now() < until {
        let (more, killed) = round(seed + rounds, FAULTS);
        (rounds, created, kills) = (rounds + 1, created + more, kills + killed);
        let minutes = now().since(begun).0.div_ceil(60_000).max(1);
        println!("{rounds} rounds, {kills} kills, {created} tasks, {} a minute", created as u64 / minutes);
    }
}
