//! Jobs per second through the whole pipeline with an agent that takes no time, and how long a gate takes to be built anew.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    boot::{
        Daemon, Parts,
        bench::{
            Figure, Report, Sizes,
            agent::InstantAgent,
            gate::redis_gate,
            per_second, servers,
            submit::{Folder, SCENARIO},
            world,
        },
    },
    clock::SystemClock,
    job::{State, cadence::CadenceRule},
    news::RedisNews,
    redis_link::{RedisLink, RedisLocation},
    simulator::SimClock,
};

/// Jobs of one request.
const REQUEST: usize = 10_000;
const SLOTS: u32 = 2_048;

/// Which stores.
#[derive(Clone, Copy, Debug)]
struct Stores {
    postgres: bool,
    redis: bool,
}

impl std::fmt::Display for Stores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (ledger, gate) = (
            if self.postgres { "PostgreSQL" } else { "SQLite" },
            if self.redis { "Redis" } else { "memory" },
        );
        write!(f, "ledger on {ledger}, gate in {gate}")
    }
}

/// Every pair of stores.
pub async fn run(sizes: Sizes, report: &mut Report) -> anyhow::Result<()> {
    for (postgres, redis, aim) in
        [(false, false, 3_000), (false, true, 3_000), (true, false, 2_000), (true, true, 2_000)]
    {
        let stores = Stores { postgres, redis };
        let (mut rates, mut accepted) = (Vec::new(), Vec::new());
        for _ in 0..sizes.runs().min(3) {
            let (rate, submitted) = through(stores, sizes.of(10_000, 50)).await?;
            rates.push(rate);
            accepted.push(submitted);
        }
        let rate = Figure::of(format!("end to end, {stores} (aim: {aim})"), &mut rates, "1/s");
        report.add(vec![rate, Figure::of("  requests for them were accepted in", &mut accepted, "s")])?;
    }
    report.add(rebuild(sizes).await?)
}

/// What a daemon of the benchmark stands on; in the order in which it must end.
struct Ground {
    parts: Parts,
    _servers: Vec<servers::Server>,
    _folder: Folder,
}

async fn ground(stores: Stores, slots: u32) -> anyhow::Result<Ground> {
    let folder = Folder::new()?;
    let clock = Arc::new(SystemClock);
    let cadence = CadenceRule { running_ms: 20, overlap_ms: 200, ..CadenceRule::default() };
    let (mut parts, _) = world::parts(SCENARIO, SimClock::Real, clock.clone(), &folder.0, slots, cadence)?;
    let agent = Arc::new(InstantAgent::new(clock));
    (parts.agent, parts.forge) = (agent.clone(), agent);
    let mut running = Vec::new();
    if stores.postgres {
        let server = servers::postgres().await?;
        parts.location.url.clone_from(&server.url);
        running.push(server);
    }
    if stores.redis {
        let server = servers::redis().await?;
        parts.gate = redis_gate(&server.url, &parts.policy.rules)?;
        let link = RedisLink::new(&RedisLocation { url: server.url.clone(), password: None })?;
        (parts.news, parts.fleet) = (Arc::new(RedisNews::new(link, "bench", "own")), true);
        running.push(server);
    }
    Ok(Ground { parts, _servers: running, _folder: folder })
}

/// Jobs per second from the first submit to the last end, and the seconds until all were accepted.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures by the monotonic clock")]
async fn through(stores: Stores, jobs: usize) -> anyhow::Result<(f64, f64)> {
    let Ground { parts, _servers, _folder } = ground(stores, SLOTS).await?;
    let daemon = Daemon::start(parts).await?;
    let begun = Instant::now();
    submit(&daemon, jobs).await?;
    let submitted = begun.elapsed();
    until_ended(&daemon).await?;
    let elapsed = begun.elapsed();
    let broken = daemon.context.ledger.broken_invariants().await?;
    anyhow::ensure!(broken.is_empty(), "broken invariants: {broken:?}");
    daemon.stop().await?;
    Ok((per_second(jobs, elapsed), submitted.as_secs_f64()))
}

/// Hands in requests for so many jobs.
pub(super) async fn submit(daemon: &Daemon, jobs: usize) -> anyhow::Result<()> {
    let mut first = 0;
    while first < jobs {
        let some = jobs.saturating_sub(first).min(REQUEST);
        daemon.context.submit(world::request(first, some)).await?;
        first = first.saturating_add(some);
    }
    Ok(())
}

/// Waits until every job has ended, and ended well.
pub(super) async fn until_ended(daemon: &Daemon) -> anyhow::Result<()> {
    loop {
        // Each look reads every job: looking more often would be measured too.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let counts = daemon.context.ledger.counts(None).await?;
        if counts.iter().all(|count| count.state.is_terminal()) {
            let bad: i64 =
                counts.iter().filter(|count| count.state != State::Succeeded).map(|count| count.jobs).sum();
            anyhow::ensure!(bad == 0, "{bad} jobs did not succeed");
            return Ok(());
        }
    }
}

/// A ledger full of waiting jobs, and a gate that knows none of them.
async fn rebuild(sizes: Sizes) -> anyhow::Result<Vec<Figure>> {
    let jobs = sizes.of(1_000_000, 500);
    let Ground { parts, _servers, _folder } = ground(Stores { postgres: false, redis: false }, 0).await?;
    let location = parts.location.clone();
    let filling = Daemon::start(parts).await?;
    submit(&filling, jobs).await?;
    filling.stop().await?;
    let mut figures = Vec::new();
    for redis in [false, true] {
        let stores = Stores { postgres: false, redis };
        let Ground { mut parts, _servers, _folder } = ground(stores, 0).await?;
        parts.location = location.clone();
        let took = until_built(parts, jobs).await?;
        let place = if redis { "Redis" } else { "memory" };
        let name = format!("a worker starts and builds a gate in {place} of {jobs} waiting jobs (aim: 30)");
        figures.push(Figure::new(name, took.as_secs_f64(), "s"));
    }
    Ok(figures)
}

/// From the start of a worker until the gate knows every job.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures by the monotonic clock")]
async fn until_built(parts: Parts, jobs: usize) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let daemon = Daemon::start(parts).await?;
    while daemon.context.gate.counts().await.map_or(0, |counts| counts.waiting) < jobs as u64 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = begun.elapsed();
    daemon.stop().await?;
    Ok(took)
}
