//! What is measured of a gate, whichever it is: through the port alone.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::{
    boot::bench::{gate::crowd::Crowd, per_second},
    budget::ClassId,
    gate::{Gate, Proposal, Standing, Verdict},
    job::time::Millis,
};

/// Jobs offered in one call.
const OFFERED: usize = 512;

/// A gate that is new is built, of nothing.
pub async fn open(gate: &dyn Gate, crowd: &Crowd) -> anyhow::Result<()> {
    if gate.standing(crowd.now).await? != Standing::Open {
        anyhow::ensure!(gate.rebuild(crowd.now).await?, "another process builds the gate of this benchmark");
        anyhow::ensure!(gate.open(crowd.now).await?, "the gate was not opened");
    }
    Ok(())
}

/// Puts jobs in line, one repository after another.
pub async fn offer(
    gate: &dyn Gate,
    crowd: &mut Crowd,
    first: usize,
    among: usize,
    jobs: usize,
) -> anyhow::Result<()> {
    let mut offered = 0;
    while offered < jobs {
        let begin = offered % among.max(1);
        let some = (jobs - offered).min(OFFERED).min(among - begin);
        gate.offer(crowd.offers(first + begin, some, some), crowd.now).await?;
        offered += some;
    }
    Ok(())
}

/// The ledger admits all of them.
pub async fn admit(gate: &dyn Gate, crowd: &mut Crowd, proposals: &[Proposal]) -> anyhow::Result<()> {
    let truths = crowd.take(proposals);
    let verdicts =
        proposals.iter().map(|proposal| (proposal.job, proposal.token, Verdict::Admitted)).collect();
    Ok(gate.settle(verdicts, &truths, crowd.now).await?)
}

/// Jobs per second that are offered, admitted and released in batches of a size.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures by the monotonic clock")]
pub async fn cycle(gate: &dyn Gate, crowd: &mut Crowd, jobs: usize, batch: usize) -> anyhow::Result<f64> {
    let repositories = crowd.repositories();
    let begun = Instant::now();
    let (mut done, mut first) = (0, 0);
    while done < jobs {
        let some = batch.min(jobs - done).min(repositories - first);
        gate.offer(crowd.offers(first, some, some), crowd.now).await?;
        first = (first + some) % repositories;
        let mut left = some;
        while left > 0 {
            let proposals = gate.propose(left, crowd.now).await?.list;
            anyhow::ensure!(!proposals.is_empty(), "nothing was proposed");
            admit(gate, crowd, &proposals).await?;
            let classes: Vec<ClassId> = proposals.into_iter().map(|proposal| proposal.class).collect();
            gate.observe(&crowd.give_back(&classes), crowd.now).await?;
            left -= classes.len();
        }
        done += some;
        crowd.now = crowd.now.plus(Millis(1));
    }
    Ok(per_second(jobs, begun.elapsed()))
}

/// Jobs per second that are in line already, each of which works for a time; as many at once as there are slots.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures by the monotonic clock")]
pub async fn bounded(
    gate: &dyn Gate,
    crowd: &mut Crowd,
    jobs: usize,
    slots: usize,
    work: Duration,
) -> anyhow::Result<f64> {
    let mut running: VecDeque<(Instant, ClassId)> = VecDeque::new();
    let (mut done, mut look) = (0, true);
    let begun = Instant::now();
    while done < jobs {
        let ended = running.partition_point(|(end, _)| *end <= Instant::now());
        if ended > 0 {
            let classes: Vec<ClassId> = running.drain(..ended).map(|(_, class)| class).collect();
            gate.observe(&crowd.give_back(&classes), crowd.now).await?;
            done += ended;
            look = true;
        }
        if look && running.len() < slots {
            let proposals = gate.propose(slots - running.len(), crowd.now).await?;
            look = proposals.more;
            if !proposals.list.is_empty() {
                admit(gate, crowd, &proposals.list).await?;
                let end = Instant::now() + work;
                running.extend(proposals.list.into_iter().map(|proposal| (end, proposal.class)));
            }
            continue;
        }
        let Some((end, _)) = running.front() else {
            anyhow::bail!(
                "after {done} of {jobs} jobs nothing runs and nothing is proposed: {:?}",
                gate.counts().await?
            )
        };
        let wait = end.saturating_duration_since(Instant::now());
        // The runtime's own timer counts whole milliseconds.
        tokio::task::block_in_place(|| std::thread::sleep(wait));
    }
    Ok(per_second(jobs, begun.elapsed()))
}

/// Admits whatever fits; how long that took and how many there were.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures by the monotonic clock")]
pub async fn drain(gate: &dyn Gate, crowd: &mut Crowd, batch: usize) -> anyhow::Result<(Duration, usize)> {
    let begun = Instant::now();
    let mut admitted = 0;
    loop {
        let proposals = gate.propose(batch, crowd.now).await?;
        if !proposals.list.is_empty() {
            admit(gate, crowd, &proposals.list).await?;
            admitted += proposals.list.len();
        } else if !proposals.more {
            return Ok((begun.elapsed(), admitted));
        }
    }
}
