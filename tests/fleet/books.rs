//! The ledger and the simulator's own record, read past every link: what the fleet is judged by.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;
use sluicegate::{
    budget::Rules,
    clock::{Clock, SystemClock},
    gate::{Counts, Gate, Standing, redis::RedisGate},
    job::id::JobId,
    ledger::{
        Ledger, LedgerError, Location,
        pages::JobFilter,
        rows::{AttemptRow, EntryRow, HoldRow, JobRow, NoticeRow, WorkerRow},
    },
    redis_link::{RedisLink, RedisLocation},
};
use tokio::runtime::Runtime;

/// Opens and reads as a person would with `sluice audit verify`: it changes nothing.
pub struct Reader {
    runtime: Runtime,
    open: Option<(String, Ledger)>,
}

/// The ledger as it was left.
pub struct Books {
    pub jobs: Vec<JobRow>,
    pub attempts: BTreeMap<JobId, Vec<AttemptRow>>,
    pub holds: Vec<HoldRow>,
    pub entries: Vec<EntryRow>,
    pub notices: Vec<NoticeRow>,
    pub workers: Vec<WorkerRow>,
    pub requests: Vec<String>,
    pub broken: Vec<String>,
}

impl Reader {
    pub fn new() -> Self {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        Self { runtime: runtime.worker_threads(1).enable_all().build().unwrap(), open: None }
    }

    fn ledger(&mut self, url: &str) -> Result<Ledger, LedgerError> {
        if let Some((known, ledger)) = &self.open
            && known == url
        {
            return Ok(ledger.clone());
        }
        let location = Location { url: url.to_owned(), password: None, full_durability: true };
        let opening = Ledger::open_read_only(&location, Arc::new(Rules::default()));
        let ledger = self.runtime.block_on(opening)?;
        self.open = Some((url.to_owned(), ledger.clone()));
        Ok(ledger)
    }

    /// Every job; None while the ledger does not answer.
    pub fn jobs(&mut self, url: &str) -> Option<Vec<JobRow>> {
        let ledger = self.ledger(url).ok()?;
        let filter = JobFilter { limit: Some(100_000), ..JobFilter::default() };
        self.runtime.block_on(ledger.jobs(&filter)).ok()
    }

    pub fn notices(&mut self, url: &str) -> Option<Vec<NoticeRow>> {
        let ledger = self.ledger(url).ok()?;
        self.runtime.block_on(ledger.notices()).ok()
    }

    /// The id of the request with this idempotency key.
    pub fn request(&mut self, url: &str, key: &str) -> Option<String> {
        let ledger = self.ledger(url).ok()?;
        let found = self.runtime.block_on(ledger.request_by_idempotency_key(key)).ok()?;
        found.map(|request| request.id.to_string())
    }

    /// The jobs that the gate in Redis knows, sorted, and its counters; None while it is closed. It is asked as a worker of
    /// the fleet asks it.
    pub fn gate(&self, redis: &str, fleet: &str, rules: &Rules) -> Option<(Vec<JobId>, Counts)> {
        self.runtime.block_on(async {
            let location = RedisLocation { url: redis.to_owned(), password: None };
            let gate = RedisGate::new(RedisLink::new(&location).ok()?, fleet, Arc::new(rules.clone()));
            if gate.standing(SystemClock.now()).await.ok()? != Standing::Open {
                return None;
            }
            let mut jobs = gate.jobs().await.ok()?;
            jobs.sort_unstable();
            Some((jobs, gate.counts().await.ok()?))
        })
    }

    pub fn workers(&mut self, url: &str) -> Option<Vec<WorkerRow>> {
        let ledger = self.ledger(url).ok()?;
        self.runtime.block_on(ledger.workers()).ok()
    }

    /// Everything.
    pub fn books(&mut self, url: &str) -> Books {
        let ledger = self.ledger(url).unwrap();
        self.runtime.block_on(read(&ledger)).unwrap()
    }
}

async fn read(ledger: &Ledger) -> Result<Books, LedgerError> {
    let filter = JobFilter { limit: Some(100_000), ..JobFilter::default() };
    let jobs = ledger.jobs(&filter).await?;
    let (mut attempts, mut holds) = (BTreeMap::new(), Vec::new());
    for job in &jobs {
        attempts.insert(job.id, ledger.attempts_of(job.id).await?);
        holds.extend(ledger.holds_of(job.id).await?);
    }
    let mut broken = ledger.broken_invariants().await?;
    broken.extend(ledger.verify().await?.broken.map(|problem| format!("I16 {problem}")));
    Ok(Books {
        jobs,
        attempts,
        holds,
        entries: ledger.entries_after(0, i64::MAX).await?,
        notices: ledger.notices().await?,
        workers: ledger.workers().await?,
        requests: ledger.requests(i64::MAX).await?.iter().map(|request| request.id.to_string()).collect(),
        broken,
    })
}

/// A field of the simulator's record.
pub fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}
