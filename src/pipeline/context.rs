//! What every step works with: the ports, this worker's identity, the queues between the steps.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::{
    agent::{Agent, Atlas, Forge},
    budget::{Closure, Key, Rules, Scope, Truth},
    clock::{Clock, Entropy},
    gate::Gate,
    job::{
        cadence::CadenceRule,
        id::{AttemptId, DeliveryId, JobId, RequestId},
        time::{Millis, Timestamp},
    },
    ledger::{
        Command, Fence, Ledger, LedgerError, Reply, Shared,
        rows::{AttemptRow, JobRow, RequestSpec},
    },
    news::News,
    notify::Sinks,
    pipeline::{
        audit::Audit, catch_up::History, certificate::Certificate, deliver::Errand, freezes::Freezes,
        hooks::Hooks, life::Life, meters::Meters, nudge::Nudges, outbox::Outbox, rebuild::Barrier,
        tokens::Tokens, tracker::Tracker,
    },
    policy::{
        Catalog, Facts, IdentityRule, Models, PlanContext, RepositoryRules, approval::People, breaker,
        freeze::Freeze, schedule::Schedule,
    },
    worker::{DueQueue, Pulse},
};

/// Bounds and intervals of the pipeline.
#[derive(Clone, Debug)]
pub struct Tuning {
    pub cadence: CadenceRule,
    /// Jobs that one call to the gate proposes; 1 to 512.
    pub admit_batch: usize,
    /// Starts on their way at once.
    pub starts_in_flight: usize,
    /// A start that was not sent within this time of its intent is not sent.
    pub start_within: Millis,
    /// How long a lost start is looked for before it is proven not to have happened.
    pub look_up_window: Millis,
    /// After this silence a worker counts as gone.
    pub lease: Millis,
    /// How often what is free is claimed, and leftovers are looked for.
    pub sweep: Millis,
    /// How long a completed task may take to show what it left.
    pub result_within: Millis,
    pub notice_tries_max: u32,
    pub notice_base: Millis,
    /// What was found out of a repository is believed for so long.
    pub facts_max_age: Millis,
    pub audit: Audit,
    pub desk: crate::policy::desk::Rules,
    pub notices: crate::policy::notices::Rules,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            cadence: CadenceRule::default(),
            admit_batch: 16,
            starts_in_flight: 16,
            start_within: Millis::seconds(60),
            look_up_window: Millis::seconds(180),
            lease: Millis::seconds(20),
            sweep: Millis::seconds(10),
            result_within: Millis::minutes(2),
            notice_tries_max: 12,
            notice_base: Millis::seconds(10),
            facts_max_age: Millis::minutes(15),
            audit: Audit::default(),
            desk: crate::policy::desk::Rules::default(),
            notices: crate::policy::notices::Rules::default(),
        }
    }
}

/// The policy in force.
#[derive(Clone)]
pub struct Policy {
    pub catalog: Catalog,
    pub rules: Arc<Rules>,
    /// Globs of the repositories of this installation.
    pub allowed: Vec<String>,
    /// Works where several fit equally.
    pub identity: String,
    /// Who may give approvals.
    pub people: People,
    /// None: failures are not counted.
    pub breaker: Option<breaker::Rule>,
    /// How long an approval counts.
    pub approval_counts: Millis,
    pub identities: Vec<IdentityRule>,
    pub models: Models,
    pub repositories: RepositoryRules,
    /// Of the file; those that people make are in the ledger.
    pub freezes: Arc<[Freeze]>,
    pub schedules: Arc<[Schedule]>,
}

impl Policy {
    /// What a request is evaluated under at some time.
    pub fn plan_context<'a>(
        &'a self,
        request_id: RequestId,
        facts: &'a Facts,
        now: Timestamp,
    ) -> PlanContext<'a> {
        PlanContext {
            catalog: &self.catalog,
            rules: &self.rules,
            allowed: &self.allowed,
            identities: &self.identities,
            identity: &self.identity,
            people: &self.people,
            models: &self.models,
            request_id,
            repositories: &self.repositories,
            facts,
            now,
        }
    }

    /// Whether anything could ever be asked of repositories.
    pub fn surveys(&self) -> bool {
        !self.repositories.is_empty() || self.catalog.iter().any(|template| !template.wanted.is_nothing())
    }
}

/// A job with the attempt that its step is about.
#[derive(Clone, Debug)]
pub struct Work {
    pub job: JobRow,
    pub attempt: AttemptRow,
}

impl Work {
    /// By which its driver writes to it. Once another one drives it, the ledger refuses what is written by this.
    pub const fn fence(&self) -> Fence {
        Fence { worker: self.attempt.worker_id, token: self.attempt.token }
    }
}

/// The queues between the steps, each keyed so that nothing is done twice at once.
pub struct Queues {
    pub admit: Arc<Pulse>,
    pub start: Arc<DueQueue<AttemptId, Work>>,
    pub track: Arc<DueQueue<String, String>>,
    pub settle: Arc<DueQueue<JobId, Work>>,
    pub review: Arc<DueQueue<JobId, JobId>>,
    pub recover: Arc<DueQueue<AttemptId, Work>>,
    pub notices: Arc<DueQueue<Errand, Errand>>,
    /// Deliveries of webhooks to go through.
    pub deliveries: Arc<DueQueue<DeliveryId, DeliveryId>>,
    pub upkeep: Arc<Pulse>,
    /// Looks at the schedules.
    pub schedules: Arc<Pulse>,
    /// Looks at the gate.
    pub gate: Arc<Pulse>,
}

/// Starts that were sent and whose answer the ledger does not have yet. Such a one is never handed back, whatever else is in the queues.
#[derive(Debug, Default)]
pub struct Sent(Mutex<HashSet<AttemptId>>);

impl Sent {
    fn set(&self) -> MutexGuard<'_, HashSet<AttemptId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub fn add(&self, attempt: AttemptId) {
        self.set().insert(attempt);
    }
    pub fn has(&self, attempt: AttemptId) -> bool {
        self.set().contains(&attempt)
    }
    /// The ledger has its answer.
    pub fn forget(&self, attempt: AttemptId) {
        self.set().remove(&attempt);
    }
}

/// Shared by all steps of a worker process.
pub struct Context {
    pub ledger: Ledger,
    pub gate: Arc<dyn Gate>,
    pub agent: Arc<dyn Agent>,
    pub forge: Arc<dyn Forge>,
    pub atlas: Arc<dyn Atlas>,
    pub sinks: Sinks,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<Entropy>,
    pub policy: Policy,
    pub tuning: Tuning,
    /// Of this life; an attempt may have a higher token, see `Work::fence`.
    pub fence: Fence,
    pub life: Life,
    pub news: Arc<dyn News>,
    pub history: History,
    pub barrier: Barrier,
    pub shutdown: CancellationToken,
    pub queues: Queues,
    pub tracker: Tracker,
    pub specs: Specs,
    pub closures: Closures,
    pub freezes: Freezes,
    pub tokens: Tokens,
    pub certificate: Certificate,
    pub outbox: Outbox,
    pub hooks: Hooks,
    pub nudges: Nudges,
    pub sent: Sent,
    /// Ledger and gate counted different numbers of waiting jobs at the last sweep.
    pub apart: AtomicBool,
    pub meters: Meters,
}

impl Queues {
    pub fn new(clock: &Arc<dyn Clock>, tuning: &Tuning) -> Self {
        let due = || Arc::clone(clock);
        Self {
            admit: Arc::new(Pulse::new(due(), tuning.sweep)),
            start: Arc::new(DueQueue::new(due())),
            track: Arc::new(DueQueue::new(due())),
            settle: Arc::new(DueQueue::new(due())),
            review: Arc::new(DueQueue::new(due())),
            recover: Arc::new(DueQueue::new(due())),
            notices: Arc::new(DueQueue::new(due())),
            deliveries: Arc::new(DueQueue::new(due())),
            upkeep: Arc::new(Pulse::new(due(), tuning.sweep)),
            schedules: Arc::new(Pulse::new(due(), tuning.sweep)),
            gate: Arc::new(Pulse::new(due(), tuning.sweep)),
        }
    }
}

impl Context {
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Writes until the ledger has answered: what was learnt outside must not be lost because the store is down for a while.
    /// Ends early only at shutdown; then the next life learns it again.
    pub async fn record(&self, command: Command) -> Option<Reply> {
        let mut wait = Duration::from_millis(100);
        loop {
            match self.ledger.write(command.clone()).await {
                Ok(reply) => {
                    if let Reply::Stale(why) = &reply {
                        tracing::info!(why, "a write came too late and changed nothing");
                    }
                    return Some(reply);
                }
                Err(error) => tracing::warn!(%error, "trying to record again in {} ms", wait.as_millis()),
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.shutdown.cancelled() => {
                    // One last try: a store that is back by now must not cost a look-up after the restart.
                    return self.ledger.write(command).await.ok();
                }
            }
            wait = wait.saturating_mul(2).min(Duration::from_secs(10));
        }
    }

    /// What all jobs of a request share.
    pub async fn spec(&self, request: RequestId) -> Result<Arc<SharedSpec>, LedgerError> {
        if let Some(known) = self.specs.get(request) {
            return Ok(known);
        }
        let missing = || LedgerError::Corrupt(format!("request {request} is missing").into());
        let shared = self.ledger.request(request).await?.ok_or_else(missing)?;
        Ok(self.keep_spec(&shared))
    }

    /// What the requests of many jobs share, with one question for those that are not at hand.
    pub async fn specs_of(
        &self,
        jobs: &[JobRow],
    ) -> Result<HashMap<RequestId, Arc<SharedSpec>>, LedgerError> {
        let ids: HashSet<RequestId> = jobs.iter().map(|job| job.request_id).collect();
        let mut specs: HashMap<_, _> =
            ids.iter().filter_map(|id| self.specs.get(*id).map(|spec| (*id, spec))).collect();
        let missing: Vec<RequestId> = ids.into_iter().filter(|id| !specs.contains_key(id)).collect();
        for shared in self.ledger.requests_among(&missing).await? {
            specs.insert(shared.row.id, self.keep_spec(&shared));
        }
        Ok(specs)
    }

    fn keep_spec(&self, shared: &Shared) -> Arc<SharedSpec> {
        let request = shared.row.id;
        let flow = format!("{}/{}", shared.row.team, request).into();
        let spec = Arc::new(SharedSpec {
            spec: shared.spec.clone(),
            request: shared.row.clone(),
            flow,
            scope: serde_json::from_value(shared.spec.scope.clone()).unwrap_or_default(),
        });
        self.specs.put(request, Arc::clone(&spec));
        spec
    }
}

/// A request's spec, ready for use.
#[derive(Debug)]
pub struct SharedSpec {
    pub spec: RequestSpec,
    pub request: crate::ledger::rows::RequestRow,
    /// Names the flow at the gate.
    pub flow: Arc<str>,
    pub scope: crate::policy::ChangeScope,
}

/// Specs kept at most; when full, emptied.
const SPECS_MAX: usize = 4_096;

/// Requests never change, so their specs are kept.
#[derive(Debug, Default)]
pub struct Specs(Mutex<HashMap<RequestId, Arc<SharedSpec>>>);

impl Specs {
    fn map(&self) -> MutexGuard<'_, HashMap<RequestId, Arc<SharedSpec>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub(super) fn clear(&self) {
        self.map().clear();
    }
    fn get(&self, id: RequestId) -> Option<Arc<SharedSpec>> {
        self.map().get(&id).cloned()
    }
    fn put(&self, id: RequestId, spec: Arc<SharedSpec>) {
        let mut map = self.map();
        if map.len() >= SPECS_MAX {
            map.clear();
        }
        map.insert(id, spec);
    }
}

/// The gates that are closed right now, for the last look before a start is sent. Whoever closes one waits until every
/// start that was already past this look has been answered: after an acknowledged pause nothing is created.
#[derive(Debug, Default)]
pub struct Closures {
    /// By gate, with the history position that it is known from: older news changes nothing.
    known: Mutex<HashMap<Key, (i64, Option<Closure>)>>,
    passing: tokio::sync::RwLock<()>,
}

impl Closures {
    /// Takes in what the ledger says of gates.
    pub fn learn(&self, truths: &[Truth]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for truth in truths.iter().filter(|truth| truth.key.is_gate()) {
            let newer = known.get(&truth.key).is_none_or(|(version, _)| *version < truth.version);
            if newer {
                known.insert(truth.key.clone(), (truth.version, truth.closed.clone()));
            }
        }
    }

    /// Returns when no start is on its way that has not seen what was learnt before.
    pub async fn settle(&self) {
        drop(self.passing.write().await);
    }

    /// Held while a start is on its way.
    pub async fn pass(&self) -> tokio::sync::RwLockReadGuard<'_, ()> {
        self.passing.read().await
    }

    /// The closed gates of a job.
    pub fn blocking(&self, work: &Work, shared: &SharedSpec, now: Timestamp) -> Vec<(Key, Closure)> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_empty() {
            return Vec::new();
        }
        let subject = work.job.subject(&shared.request, &shared.spec);
        let closed = subject.gates().filter_map(|key| {
            let closure = known.get(&key)?.1.as_ref()?;
            closure.holds_at(now).then(|| (key.clone(), closure.clone()))
        });
        closed.collect()
    }

    /// How many gates are closed in each scope; the kill switch is none of them.
    pub fn by_scope(&self, now: Timestamp) -> BTreeMap<Scope, u64> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut closed: BTreeMap<Scope, u64> = Scope::ALL.into_iter().map(|scope| (scope, 0)).collect();
        for (key, (_, closure)) in known.iter() {
            let holds = closure.as_ref().is_some_and(|closure| closure.holds_at(now));
            if let Some(count) = key.scope().filter(|_| holds).and_then(|(scope, _)| closed.get_mut(&scope)) {
                *count = count.saturating_add(1);
            }
        }
        closed
    }

    /// Who threw the kill switch and why, while it is on.
    pub fn kill_switch(&self) -> Option<Closure> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&Key::kill_switch())?.1.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Amount;

    #[test]
    fn news_that_comes_late_does_not_open_a_gate_that_was_closed_after_it() {
        let closures = Closures::default();
        let truth = |version, closed| Truth {
            key: Key::gate(Scope::Global, ""),
            used: Amount::ZERO,
            limit: None,
            closed,
            version,
        };
        let closure =
            Closure { reason: "incident".into(), actor: "ana".into(), since: Timestamp(0), opens_at: None };
        closures.learn(&[truth(7, Some(closure.clone()))]);
        closures.learn(&[truth(6, None)]);
        let known = closures.known.lock().unwrap().get(&Key::gate(Scope::Global, "")).cloned();
        assert_eq!(known, Some((7, Some(closure))));
    }
}
