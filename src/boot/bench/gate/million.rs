//! A gate with a million jobs in line, most of them in parked classes: what an admission costs it, and how much a job weighs.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use redis::{Value, cmd};

use crate::{
    boot::bench::{
        Figure, Sizes,
        gate::{
            House,
            crowd::{Asks, Crowd, UNLIMITED},
            measure,
        },
        number,
        raw::Raw,
    },
    budget::ClassId,
    gate::Gate,
};

/// Sizes of batches whose admission is measured.
const BATCHES: [usize; 4] = [1, 16, 32, 64];
/// Repositories with room, beside those that are full.
const FREE: usize = 1_000;

/// Microseconds of an admission, by size of the batch.
struct Costs(Vec<(usize, Vec<f64>)>);

pub async fn run(house: &mut House, sizes: Sizes) -> anyhow::Result<Vec<Figure>> {
    let (full, waiting) = (sizes.of(10_000, 100), sizes.of(1_000_000, 1_000));
    let mut crowd = Crowd::new(full + FREE, UNLIMITED, 1, Asks::Budgets)?;
    let gate = house.fresh(&crowd).await?;
    let empty = costs(house, &gate, &mut crowd, full, sizes).await?;
    let before = memory(house).await?;
    let truths = crowd.occupy(0, full);
    gate.observe(&truths, crowd.now).await?;
    measure::offer(gate.as_ref(), &mut crowd, 0, full, waiting).await?;
    measure::drain(gate.as_ref(), &mut crowd, 64).await?;
    let counts = gate.counts().await?;
    anyhow::ensure!(counts.waiting == waiting as u64, "{} of {waiting} jobs wait", counts.waiting);
    let after = memory(house).await?;
    let crowded = costs(house, &gate, &mut crowd, full, sizes).await?;
    let mut figures = Vec::new();
    let name = house.name();
    let what = if matches!(house, House::Memory) { "admission" } else { "admission's script" };
    for ((batch, mut empty), (_, mut crowded)) in empty.0.into_iter().zip(crowded.0) {
        let (low, high) = (percentile(&mut empty, 99), percentile(&mut crowded, 99));
        let title =
            format!("{name}: {what}, batches of {batch}, p99, {waiting} waiting in {full} parked classes");
        figures.push(Figure::new(title, high, "us"));
        figures.push(Figure::new("  the same, p50", percentile(&mut crowded, 50), "us"));
        figures.push(Figure::new("  ratio to an empty line, p99 (aim: 3 or less)", high / low, ""));
    }
    if let (Some(before), Some(after)) = (before, after) {
        let bytes = number(usize::try_from(after.saturating_sub(before))?) / number(waiting);
        figures.push(Figure::new(format!("{name}: memory per waiting job (aim: below 180)"), bytes, "B"));
    }
    Ok(figures)
}

async fn memory(house: &mut House) -> anyhow::Result<Option<u64>> {
    Ok(match house {
        House::Memory => None,
        House::Redis { raw, .. } => Some(raw.told("memory", "used_memory").await?),
    })
}

/// Admits batches of jobs that fit, beside whatever waits.
async fn costs(
    house: &mut House,
    gate: &Arc<dyn Gate>,
    crowd: &mut Crowd,
    first: usize,
    sizes: Sizes,
) -> anyhow::Result<Costs> {
    let mut costs = Vec::new();
    for batch in BATCHES {
        let rounds = sizes.of(20_000, 20).div_ceil(batch).clamp(10, 2_000);
        let scripts = match house {
            House::Memory => None,
            House::Redis { raw, .. } => Some(scripts_of_a_proposal(raw, gate.as_ref(), crowd).await?),
        };
        let here = rounds_of(gate.as_ref(), crowd, first, batch, rounds).await?;
        let spent = match (house as &mut House, scripts) {
            (House::Redis { raw, .. }, Some(scripts)) => {
                let logged = slow_log(raw).await?;
                let ours = logged.into_iter().filter(|(script, _)| scripts.contains(script));
                ours.map(|(_, micros)| micros).collect()
            }
            _ => here,
        };
        anyhow::ensure!(spent.len() * 2 >= rounds, "{} of {rounds} admissions were measured", spent.len());
        costs.push((batch, spent));
    }
    Ok(Costs(costs))
}

/// Microseconds of each proposal as the caller sees it.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures by the monotonic clock")]
async fn rounds_of(
    gate: &dyn Gate,
    crowd: &mut Crowd,
    first: usize,
    batch: usize,
    rounds: usize,
) -> anyhow::Result<Vec<f64>> {
    let mut spent = Vec::with_capacity(rounds);
    for round in 0..rounds {
        let begin = first + (round * batch) % (FREE - batch + 1);
        gate.offer(crowd.offers(begin, batch, batch), crowd.now).await?;
        let begun = Instant::now();
        let proposals = gate.propose(batch, crowd.now).await?.list;
        spent.push(begun.elapsed().as_secs_f64() * 1e6);
        anyhow::ensure!(proposals.len() == batch, "{} of {batch} were proposed", proposals.len());
        measure::admit(gate, crowd, &proposals).await?;
        let classes: Vec<ClassId> = proposals.into_iter().map(|proposal| proposal.class).collect();
        let truths = crowd.give_back(&classes);
        gate.observe(&truths, crowd.now).await?;
    }
    Ok(spent)
}

/// Has the server log every command, and learns which scripts a proposal calls.
async fn scripts_of_a_proposal(
    raw: &mut Raw,
    gate: &dyn Gate,
    crowd: &Crowd,
) -> anyhow::Result<BTreeSet<String>> {
    for (name, value) in [("slowlog-log-slower-than", "0"), ("slowlog-max-len", "100000")] {
        let _: String = cmd("CONFIG").arg("SET").arg(name).arg(value).query_async(raw.connection()).await?;
    }
    forget(raw).await?;
    gate.propose(1, crowd.now).await?;
    let scripts = slow_log(raw).await?.into_iter().map(|(script, _)| script).collect();
    forget(raw).await?;
    Ok(scripts)
}

async fn forget(raw: &mut Raw) -> anyhow::Result<()> {
    let _: String = cmd("SLOWLOG").arg("RESET").query_async(raw.connection()).await?;
    Ok(())
}

/// Number, time, microseconds, arguments, client's address, client's name.
type Logged = (i64, i64, u32, Vec<Value>, Value, Value);

/// Scripts that ran, with their microseconds.
async fn slow_log(raw: &mut Raw) -> anyhow::Result<Vec<(String, f64)>> {
    let log: Vec<Logged> = cmd("SLOWLOG").arg("GET").arg(100_000).query_async(raw.connection()).await?;
    let script = |arguments: &[Value]| {
        let mut words =
            arguments.iter().map(|word| redis::from_redis_value_ref::<String>(word).unwrap_or_default());
        let is_script = words.next().is_some_and(|verb| verb.eq_ignore_ascii_case("EVALSHA"));
        words.next().filter(|_| is_script)
    };
    Ok(log.into_iter().filter_map(|entry| Some((script(&entry.3)?, f64::from(entry.2)))).collect())
}

fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (values.len() * percent).div_ceil(100).saturating_sub(1);
    values.get(place).copied().unwrap_or_default()
}
