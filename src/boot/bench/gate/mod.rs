//! The gate: in memory, and in Redis beside what Redis itself can do in the same run.

mod crowd;
mod measure;
mod million;

use std::{sync::Arc, time::Duration};

use crate::{
    boot::bench::{
        Figure, Report, Sizes,
        gate::crowd::{Asks, Crowd, UNLIMITED},
        raw::Raw,
        servers::{self, Server},
    },
    budget::Rules,
    gate::{Gate, memory::MemoryGate, redis::RedisGate},
    redis_link::{RedisLink, RedisLocation},
};

const REPOSITORIES: usize = 1_000;
/// Sizes of batches; the first one is what a worker asks for unless it is configured otherwise.
const BATCHES: [usize; 4] = [16, 32, 64, 128];
/// Of the bounded keys.
const SLOTS: usize = 50;
const WORK: Duration = Duration::from_millis(5);

/// Which gate, and where.
pub(crate) enum House {
    Memory,
    Redis { raw: Box<Raw>, server: Box<Server> },
}

impl House {
    async fn redis() -> anyhow::Result<Self> {
        let server = servers::redis().await?;
        Ok(Self::Redis { raw: Box::new(Raw::connect(&server.url).await?), server: Box::new(server) })
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Redis { .. } => "Redis",
        }
    }

    /// A gate without jobs.
    async fn fresh(&mut self, crowd: &Crowd) -> anyhow::Result<Arc<dyn Gate>> {
        let gate: Arc<dyn Gate> = match self {
            Self::Memory => Arc::new(MemoryGate::new(Arc::clone(&crowd.rules))),
            Self::Redis { raw, server } => {
                raw.empty().await?;
                redis_gate(&server.url, &crowd.rules)?
            }
        };
        measure::open(gate.as_ref(), crowd).await?;
        Ok(gate)
    }
}

/// Everything about both gates.
pub async fn run(sizes: Sizes, report: &mut Report) -> anyhow::Result<()> {
    let mut redis = House::redis().await?;
    if let House::Redis { raw, .. } = &mut redis {
        report.add(raw.empty_scripts(sizes).await?)?;
    }
    for mut house in [House::Memory, redis] {
        report.add(loops(&mut house, sizes).await?)?;
        report.add(bounded_keys(&mut house, sizes).await?)?;
        report.add(blocked_head(&mut house, sizes).await?)?;
        report.add(million::run(&mut house, sizes).await?)?;
    }
    Ok(())
}

/// Offer, admit, release; against the raw dequeue where there is one.
async fn loops(house: &mut House, sizes: Sizes) -> anyhow::Result<Vec<Figure>> {
    let jobs = sizes.of(20_000, 200);
    let mut figures = Vec::new();
    for (asks, words) in
        [(Asks::Budgets, "4 budgets"), (Asks::BudgetsAndGates, "4 budgets behind every gate")]
    {
        for batch in BATCHES {
            let (mut rates, mut floors, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..sizes.runs() {
                let floor = match house {
                    House::Memory => None,
                    House::Redis { raw, .. } => Some(raw.dequeue(jobs, batch).await?),
                };
                let mut crowd = Crowd::new(REPOSITORIES, UNLIMITED, UNLIMITED, asks)?;
                let gate = house.fresh(&crowd).await?;
                let rate = measure::cycle(gate.as_ref(), &mut crowd, jobs, batch).await?;
                rates.push(rate);
                floors.extend(floor);
                ratios.extend(floor.map(|floor| rate / floor));
            }
            let name = format!("{}: offer, admit, release; {words}, batches of {batch}", house.name());
            figures.push(Figure::of(name, &mut rates, "1/s"));
            if !ratios.is_empty() {
                figures.push(Figure::of(
                    format!("  ten-call dequeue, batches of {batch}"),
                    &mut floors,
                    "1/s",
                ));
                figures.push(Figure::of("  ratio of the two (aim: 0.6 or more)", &mut ratios, ""));
            }
        }
    }
    Ok(figures)
}

/// A thousand repositories, one job at a time in each.
async fn bounded_keys(house: &mut House, sizes: Sizes) -> anyhow::Result<Vec<Figure>> {
    let jobs = sizes.of(20_000, 500);
    let mut rates = Vec::new();
    for _ in 0..sizes.runs().min(3) {
        let mut crowd = Crowd::new(REPOSITORIES, SLOTS as u64, 1, Asks::BudgetsAndGates)?;
        let gate = house.fresh(&crowd).await?;
        measure::offer(gate.as_ref(), &mut crowd, 0, REPOSITORIES, jobs).await?;
        rates.push(measure::bounded(gate.as_ref(), &mut crowd, jobs, SLOTS, WORK).await?);
    }
    let name = format!(
        "{}: {REPOSITORIES} repositories, one at a time each, 5 ms a job, {SLOTS} slots (possible: 10,000; aim: 8,500)",
        house.name()
    );
    Ok(vec![Figure::of(name, &mut rates, "1/s")])
}

/// Most wait for full repositories, ahead of a few that fit.
async fn blocked_head(house: &mut House, sizes: Sizes) -> anyhow::Result<Vec<Figure>> {
    let (full, free) = (sizes.of(990, 99), sizes.of(1_000, 10));
    let blocked = full * sizes.of(100, 10);
    let (mut took, mut proposed, mut idle) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..sizes.runs().min(3) {
        let mut crowd = Crowd::new(full + free, UNLIMITED, 1, Asks::BudgetsAndGates)?;
        let gate = house.fresh(&crowd).await?;
        let truths = crowd.occupy(0, full);
        gate.observe(&truths, crowd.now).await?;
        measure::offer(gate.as_ref(), &mut crowd, 0, full, blocked).await?;
        measure::offer(gate.as_ref(), &mut crowd, full, free, free).await?;
        let drained = measure::drain(gate.as_ref(), &mut crowd, 128).await?;
        anyhow::ensure!(drained.jobs == free, "{} of {free} runnable jobs were admitted", drained.jobs);
        proposed.push(drained.proposing.as_secs_f64());
        took.push(drained.span.as_secs_f64());
        if let House::Redis { raw, .. } = house {
            idle.push(idle_commands(raw, gate.as_ref(), sizes).await?);
        }
    }
    let name =
        format!("{}: {free} that fit behind {blocked} that do not, all proposed (aim: 0.1)", house.name());
    let mut figures = vec![
        Figure::of(name, &mut proposed, "s"),
        Figure::of("  the same, with the ledger's answers to them", &mut took, "s"),
    ];
    if !idle.is_empty() {
        figures.push(Figure::of("Redis: commands while nothing fits and a worker listens", &mut idle, "1/s"));
    }
    Ok(figures)
}

/// Commands per second while nobody asks for anything.
async fn idle_commands(raw: &mut Raw, gate: &dyn Gate, sizes: Sizes) -> anyhow::Result<f64> {
    let span = Duration::from_millis(sizes.of(3_000, 50) as u64);
    let before = raw.told("stats", "total_commands_processed").await?;
    let listening = async {
        loop {
            gate.woken().await;
        }
    };
    // It never ends by itself.
    drop(tokio::time::timeout(span, listening).await);
    let after = raw.told("stats", "total_commands_processed").await?;
    let asked = usize::try_from(after.saturating_sub(before).saturating_sub(1))?;
    Ok(super::per_second(asked, span))
}

/// A gate in Redis, for a fleet of the benchmark's own.
pub fn redis_gate(url: &str, rules: &Arc<Rules>) -> anyhow::Result<Arc<dyn Gate>> {
    let link = RedisLink::new(&RedisLocation { url: url.to_owned(), password: None })?;
    Ok(Arc::new(RedisGate::new(link, "bench", Arc::clone(rules))))
}
