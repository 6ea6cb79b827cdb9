//! What one admission costs with more and more jobs waiting: the gate's proposal and the ledger's transaction.

use std::sync::Arc;

use crate::{
    boot::bench::Figure,
    budget::{Amount, Class, Rules},
    gate::{Gate, Offer, Verdict, memory::MemoryGate},
    job::{Repository, time::Timestamp},
};

/// Jobs admitted for each measurement.
const ADMITTED: usize = 2_000;

/// Measures the gate with so many jobs waiting, 1,000 of them admissible and the rest blocked by their repository.
pub async fn run(waiting: &[usize]) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let mut base: Option<f64> = None;
    for count in waiting {
        let micros = measure(*count).await?;
        let of = *base.get_or_insert(micros);
        figures.push(Figure::new(format!("one admission at the gate, {count} waiting"), micros, "us"));
        figures.push(Figure::new(
            format!("ratio to {} waiting", waiting.first().copied().unwrap_or(0)),
            micros / of,
            "",
        ));
    }
    Ok(figures)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures by the monotonic clock")]
async fn measure(waiting: usize) -> anyhow::Result<f64> {
    let rules = Arc::new(super::world::rules(u32::MAX));
    let gate = MemoryGate::new(Arc::clone(&rules));
    let now = Timestamp(1_800_000_000_000);
    let keep = waiting.max(1);
    let mut number = 0_u64;
    let mut offers = Vec::with_capacity(keep);
    for _ in 0..keep {
        offers.push(offer(&rules, number, now)?);
        number += 1;
    }
    gate.offer(offers, now).await?;
    let mut spent = std::time::Duration::ZERO;
    let mut done = 0;
    // Each admitted job is followed by a new one, so that the number that waits stays the same.
    while done < ADMITTED {
        let fresh: Vec<Offer> =
            (0..8).map(|n| offer(&rules, number + n, now)).collect::<anyhow::Result<_>>()?;
        number += 8;
        let begun = std::time::Instant::now();
        let proposals = gate.propose(8, now).await?.list;
        let settled =
            proposals.iter().map(|proposal| (proposal.job, proposal.token, Verdict::Admitted)).collect();
        gate.settle(settled, &[], now).await?;
        gate.offer(fresh, now).await?;
        spent += begun.elapsed();
        done += proposals.len();
        anyhow::ensure!(!proposals.is_empty(), "nothing was proposed");
    }
    Ok(spent.as_secs_f64() * 1e6 / f64::from(u32::try_from(done)?))
}

fn offer(rules: &Rules, number: u64, now: Timestamp) -> anyhow::Result<Offer> {
    let repository: Repository = format!("bench/r{}", number % 1_000).parse()?;
    let subject = crate::budget::Subject {
        repository,
        template: "bench".to_owned(),
        team: "bench".to_owned(),
        identity: "bench".to_owned(),
        model: "auto".to_owned(),
        request: "bench".to_owned(),
        requester: "bench".to_owned(),
        pool: None,
        estimate: Amount::ONE,
    };
    Ok(Offer {
        job: super::job_id(now, number),
        class: Arc::new(Class::new(rules.demands(&subject))),
        band: 5,
        flow: "bench".into(),
        weight: 1,
        order: i64::try_from(number)?,
        due_at: None,
    })
}
