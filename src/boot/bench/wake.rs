//! How soon a job that one process accepts is started by another one, and what two processes ask of Redis while nothing happens.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    boot::{
        Daemon,
        bench::{
            Figure, Report, Sizes,
            agent::InstantAgent,
            gate::redis_gate,
            number, servers,
            submit::{Folder, SCENARIO},
            world,
        },
    },
    clock::SystemClock,
    job::{
        cadence::CadenceRule,
        role::{Role, Roles},
    },
    news::RedisNews,
    redis_link::{RedisLink, RedisLocation},
    simulator::SimClock,
};

const PROCESSES: usize = 2;

/// One worker that only takes requests, another one that does all the rest, on one SQLite ledger and one Redis.
pub async fn run(sizes: Sizes, report: &mut Report) -> anyhow::Result<()> {
    let (server, folder) = (servers::redis().await?, Folder::new()?);
    let agent = Arc::new(InstantAgent::new(Arc::new(SystemClock)));
    let desk = worker(&server.url, &folder, &agent, Roles::from_iter([Role::Notify])).await?;
    let hand = worker(&server.url, &folder, &agent, Roles::all()).await?;
    let mut took = Vec::new();
    for round in 0..sizes.of(300, 5) {
        took.push(start_of(&desk, &agent, round).await?.as_secs_f64() * 1_000.0);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    took.sort_by(f64::total_cmp);
    let at = |percent: usize| took.get(took.len().saturating_mul(percent) / 100).copied().unwrap_or_default();
    let name = "from the submit at one process to the start at another one, p50 (aim: below 20)";
    report.add(vec![Figure::new(name, at(50), "ms"), Figure::new("  the same, p95", at(95), "ms")])?;
    report.add(vec![idle(&server.url, Duration::from_secs(sizes.of(30, 1) as u64)).await?])?;
    desk.stop().await?;
    hand.stop().await
}

async fn worker(
    url: &str,
    folder: &Folder,
    agent: &Arc<InstantAgent>,
    roles: Roles,
) -> anyhow::Result<Daemon> {
    let clock = Arc::new(SystemClock);
    let cadence = CadenceRule::default();
    let (mut parts, _) = world::parts(SCENARIO, SimClock::Real, clock, &folder.0, 1_000, cadence)?;
    (parts.agent, parts.forge) = (Arc::<InstantAgent>::clone(agent), Arc::<InstantAgent>::clone(agent));
    let link = RedisLink::new(&RedisLocation { url: url.to_owned(), password: None })?;
    parts.gate = redis_gate(url, &parts.policy.rules)?;
    parts.name = roles.to_string();
    parts.news = Arc::new(RedisNews::new(link, "bench", &parts.name));
    (parts.fleet, parts.roles) = (true, roles);
    parts.tuning.sweep = crate::pipeline::Tuning::default().sweep;
    // A drawn id must not be drawn by the other process as well.
    parts.entropy = Arc::new(crate::clock::Entropy::from_system());
    Daemon::start(parts).await
}

/// From the call that submits one job until the agent is asked to start it.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures by the monotonic clock")]
async fn start_of(desk: &Daemon, agent: &InstantAgent, round: usize) -> anyhow::Result<Duration> {
    let before = agent.starts();
    let begun = Instant::now();
    desk.context.submit(world::request(round, 1)).await?;
    while agent.starts() == before {
        anyhow::ensure!(begun.elapsed() < Duration::from_mins(1), "a job was not started within a minute");
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    Ok(begun.elapsed())
}

async fn idle(url: &str, span: Duration) -> anyhow::Result<Figure> {
    let mut connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    let before = commands(&mut connection).await?;
    tokio::time::sleep(span).await;
    // The question itself is one of them.
    let asked = commands(&mut connection).await?.saturating_sub(before).saturating_sub(1);
    let each = number(asked) / span.as_secs_f64() / number(PROCESSES);
    Ok(Figure::new("commands at Redis per second and idle worker (aim: below 5)", each, "1/s"))
}

async fn commands(connection: &mut redis::aio::MultiplexedConnection) -> anyhow::Result<usize> {
    let info: String = redis::cmd("INFO").arg("stats").query_async(connection).await?;
    let line = info.lines().find_map(|line| line.strip_prefix("total_commands_processed:"));
    Ok(line.unwrap_or_default().trim().parse()?)
}
