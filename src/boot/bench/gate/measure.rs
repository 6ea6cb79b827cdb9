//! What is measured of a gate, whichever it is: through the port alone.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tokio::sync::{
    Notify,
    mpsc::{UnboundedReceiver, unbounded_channel},
};

use crate::{
    boot::bench::{gate::crowd::Crowd, per_second},
    budget::ClassId,
    gate::{Gate, Proposal, Proposals, Standing, Verdict},
    job::{id::JobId, time::Millis},
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
    Ok(gate.settle(admitted_all(proposals), &truths, crowd.now).await?)
}

fn admitted_all(proposals: &[Proposal]) -> Vec<(JobId, u64, Verdict)> {
    proposals.iter().map(|proposal| (proposal.job, proposal.token, Verdict::Admitted)).collect()
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

/// Jobs per second that are in line already, each of which works for a time; as many at once as there are slots. As in a
/// worker, work begins with the ledger's commit, and what has ended is told while others are admitted.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures by the monotonic clock")]
pub async fn bounded(
    gate: &dyn Gate,
    crowd: &mut Crowd,
    jobs: usize,
    slots: usize,
    work: Duration,
) -> anyhow::Result<f64> {
    let now = crowd.now;
    let (crowd, busy, room) = (Mutex::new(crowd), AtomicUsize::new(0), Notify::new());
    let (begin, mut ended) = agents(work);
    let begun = Instant::now();
    let admitting = async {
        let mut admitted = 0;
        while admitted < jobs {
            let free = slots.saturating_sub(busy.load(Ordering::Relaxed));
            let proposals = if free == 0 { Proposals::default() } else { gate.propose(free, now).await? };
            if proposals.list.is_empty() {
                anyhow::ensure!(busy.load(Ordering::Relaxed) > 0, "nothing runs and nothing is proposed");
                if !proposals.more {
                    room.notified().await;
                }
                continue;
            }
            let count = proposals.list.len();
            let truths = of(&crowd).take(&proposals.list);
            busy.fetch_add(count, Ordering::Relaxed);
            admitted += count;
            begin.send((Instant::now(), proposals.list.iter().map(|proposal| proposal.class).collect()))?;
            gate.settle(admitted_all(&proposals.list), &truths, now).await?;
        }
        anyhow::Ok(())
    };
    let ending = async {
        let mut done = 0;
        while done < jobs {
            let mut classes = ended.recv().await.context("the agents are gone")?;
            while let Ok(more) = ended.try_recv() {
                classes.extend(more);
            }
            let truths = of(&crowd).give_back(&classes);
            gate.observe(&truths, now).await?;
            busy.fetch_sub(classes.len(), Ordering::Relaxed);
            done += classes.len();
            room.notify_one();
        }
        Ok(())
    };
    tokio::try_join!(admitting, ending)?;
    Ok(per_second(jobs, begun.elapsed()))
}

fn of<'a, 'b>(crowd: &'b Mutex<&'a mut Crowd>) -> MutexGuard<'b, &'a mut Crowd> {
    crowd.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Jobs that begin together, with when.
type Begun = (Instant, Vec<ClassId>);

/// What works for so long and then says so. It has a thread of its own, since the runtime's timer counts whole milliseconds.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures by the monotonic clock")]
fn agents(work: Duration) -> (mpsc::Sender<Begun>, UnboundedReceiver<Vec<ClassId>>) {
    let (begin, begun) = mpsc::channel::<Begun>();
    let (end, ended) = unbounded_channel();
    std::thread::spawn(move || {
        for (since, classes) in begun {
            std::thread::sleep((since + work).saturating_duration_since(Instant::now()));
            if end.send(classes).is_err() {
                return;
            }
        }
    });
    (begin, ended)
}

/// What was admitted, and how long that took.
pub struct Drained {
    pub jobs: usize,
    pub span: Duration,
    /// Of it, until they were proposed.
    pub proposing: Duration,
}

/// Admits whatever fits.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures by the monotonic clock")]
pub async fn drain(gate: &dyn Gate, crowd: &mut Crowd, batch: usize) -> anyhow::Result<Drained> {
    let begun = Instant::now();
    let (mut jobs, mut proposing) = (0, Duration::ZERO);
    loop {
        let asked = Instant::now();
        let proposals = gate.propose(batch, crowd.now).await?;
        proposing += asked.elapsed();
        if !proposals.list.is_empty() {
            admit(gate, crowd, &proposals.list).await?;
            jobs += proposals.list.len();
        } else if !proposals.more {
            return Ok(Drained { jobs, span: begun.elapsed(), proposing });
        }
    }
}
