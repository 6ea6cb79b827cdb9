//! The rows that a batch of commands needs, loaded once, changed in memory by the pure `apply` functions, and
//! written back in bulk. What was not changed is not written. As long as nobody else has written, the rows stay good for the next
//! batch.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use serde_json::{Value, json};

use crate::{
    budget::{Amount, Books as _, Demand, Key, Rules, Take},
    job::{
        id::{AttemptId, DeliveryId, JobId, NoticeId, RequestId, WorkerId},
        role::LeaseName,
        time::Timestamp,
    },
    ledger::{
        chain::{self, Salts},
        command::Fence,
        load_audit::Bulk,
        mail::Post,
        meters::Happened,
        rows::{
            ApprovalRow, AttemptRow, BreakerRow, BudgetRow, DeliveryRow, EntryRow, EvidenceRow, ExemptionRow,
            FreezeRow, HeadRow, HoldRow, JobRow, LeaseRow, NoticeRow, PayloadRow, PromptRow, RequestRow,
            RequestSpec, ScheduleRow, TemplateRow, TokenRow, WavesRow, WorkerRow,
        },
    },
};

/// A request with its parsed spec; immutable, so it may be cached.
#[derive(Debug)]
pub struct Shared {
    pub row: RequestRow,
    pub spec: RequestSpec,
}

impl Shared {
    /// True for the requester, and for the token that handed it in for them: neither may let it pass.
    pub fn was_asked_by(&self, actor: &str) -> bool {
        let asked = [Some(&self.row.requester), self.spec.through.as_ref()];
        asked.into_iter().flatten().any(|asker| asker.eq_ignore_ascii_case(actor))
    }
}

/// Rows by key, with the keys of those that changed.
#[derive(Debug)]
pub struct Rows<K, R> {
    pub map: HashMap<K, R>,
    pub changed: BTreeSet<K>,
    /// Those of the changed that the store does not have yet.
    pub new: BTreeSet<K>,
}

impl<K: Ord + std::hash::Hash + Eq + Clone, R: Clone> Rows<K, R> {
    pub(super) fn new() -> Self {
        Self { map: HashMap::new(), changed: BTreeSet::new(), new: BTreeSet::new() }
    }
    pub fn get(&self, key: &K) -> Option<&R> {
        self.map.get(key)
    }
    /// For changing; marks the row as changed.
    pub fn edit(&mut self, key: &K) -> Option<&mut R> {
        let row = self.map.get_mut(key)?;
        self.changed.insert(key.clone());
        Some(row)
    }
    pub fn put(&mut self, key: K, row: R) {
        self.changed.insert(key.clone());
        if self.map.insert(key.clone(), row).is_none() {
            self.new.insert(key);
        }
    }
    pub fn load(&mut self, key: K, row: R) {
        self.map.insert(key, row);
    }
    pub fn has(&self, key: &K) -> bool {
        self.map.contains_key(key)
    }
    pub fn new_rows(&self) -> Vec<&R> {
        self.new.iter().filter_map(|key| self.map.get(key)).collect()
    }
    /// Changed and not new.
    pub fn old_rows(&self) -> Vec<&R> {
        self.changed.difference(&self.new).filter_map(|key| self.map.get(key)).collect()
    }
    pub fn clear_changes(&mut self) {
        self.changed.clear();
        self.new.clear();
    }
    pub fn changed_rows(&self) -> Vec<&R> {
        self.changed.iter().filter_map(|key| self.map.get(key)).collect()
    }
}

/// Jobs, budgets or requests beyond which rows are not kept for the next batch.
const KEPT_MAX: usize = 4_096;

/// Everything a batch touches.
#[derive(Debug)]
pub struct WorkingSet {
    pub now: Timestamp,
    pub rules: Arc<Rules>,
    pub head: HeadRow,
    pub requests: HashMap<RequestId, Arc<Shared>>,
    pub by_idempotency_key: HashMap<String, RequestRow>,
    pub templates: Rows<String, TemplateRow>,
    pub jobs: Rows<JobId, JobRow>,
    pub attempts: Rows<AttemptId, AttemptRow>,
    /// The highest attempt number of each job.
    numbers: HashMap<JobId, u32>,
    /// What the jobs that may take holds demand, by today's rules.
    demands: HashMap<JobId, Arc<[Demand]>>,
    /// Active holds and those touched; by job for release.
    pub holds: Rows<String, HoldRow>,
    pub holds_of_job: HashMap<JobId, Vec<String>>,
    /// A budget without a row is here as an empty one.
    pub budgets: Rows<Key, BudgetRow>,
    /// Budgets that this batch has looked at.
    pub looked_at: BTreeSet<Key>,
    pub notices: Rows<NoticeId, NoticeRow>,
    pub dedups: BTreeSet<String>,
    pub post: Post,
    pub workers: Rows<WorkerId, WorkerRow>,
    pub leases: Rows<LeaseName, LeaseRow>,
    pub waves: Rows<RequestId, WavesRow>,
    pub approvals: Rows<String, ApprovalRow>,
    pub breakers: Rows<String, BreakerRow>,
    /// Gates of which every breaker is here.
    pub breakers_at: BTreeSet<Key>,
    /// Every job of the requests whose waves are looked at, as it was before this batch.
    pub in_waves: HashMap<RequestId, Vec<JobRow>>,
    pub freezes: Rows<String, FreezeRow>,
    pub tokens: Rows<String, TokenRow>,
    pub schedules: Rows<String, ScheduleRow>,
    pub deliveries: Rows<DeliveryId, DeliveryRow>,
    /// Jobs that wait, of the requests that are replaced.
    pub waiting_of: HashMap<RequestId, Vec<JobId>>,
    pub replays: BTreeMap<JobId, JobId>,
    pub new_requests: Vec<RequestRow>,
    pub new_prompts: Vec<PromptRow>,
    pub new_payloads: Vec<PayloadRow>,
    pub new_evidence: Vec<EvidenceRow>,
    pub new_exemptions: Vec<ExemptionRow>,
    pub prompts: HashMap<JobId, PromptRow>,
    pub entries: Vec<EntryRow>,
    /// The token that named the person of the present command.
    pub through: Option<String>,
    pub last_token: i64,
    /// Drawn numbers for ids made here, used from the end.
    pub drawn: Vec<u128>,
    /// Writes refused because their token was an old one.
    pub fenced: u64,
    pub salts: Salts,
    pub bulk: Bulk,
    /// What is counted once this stands.
    pub happened: Happened,
}

/// What an entry is about.
#[derive(Clone, Copy, Debug, Default)]
pub struct About {
    pub request: Option<RequestId>,
    pub job: Option<JobId>,
    pub attempt: Option<AttemptId>,
}

impl WorkingSet {
    pub fn new(now: Timestamp, rules: Arc<Rules>, head: HeadRow, salts: Salts) -> Self {
        Self {
            // History never goes back in time, even if the clock does.
            now: now.max(head.at),
            rules,
            head,
            requests: HashMap::new(),
            by_idempotency_key: HashMap::new(),
            templates: Rows::new(),
            jobs: Rows::new(),
            attempts: Rows::new(),
            numbers: HashMap::new(),
            demands: HashMap::new(),
            holds: Rows::new(),
            holds_of_job: HashMap::new(),
            budgets: Rows::new(),
            looked_at: BTreeSet::new(),
            notices: Rows::new(),
            dedups: BTreeSet::new(),
            post: Post::default(),
            workers: Rows::new(),
            leases: Rows::new(),
            waves: Rows::new(),
            approvals: Rows::new(),
            breakers: Rows::new(),
            breakers_at: BTreeSet::new(),
            in_waves: HashMap::new(),
            freezes: Rows::new(),
            tokens: Rows::new(),
            schedules: Rows::new(),
            deliveries: Rows::new(),
            waiting_of: HashMap::new(),
            replays: BTreeMap::new(),
            new_requests: Vec::new(),
            new_prompts: Vec::new(),
            new_payloads: Vec::new(),
            new_evidence: Vec::new(),
            new_exemptions: Vec::new(),
            prompts: HashMap::new(),
            entries: Vec::new(),
            through: None,
            last_token: 0,
            drawn: Vec::new(),
            fenced: 0,
            salts,
            bulk: Bulk::default(),
            happened: Happened::default(),
        }
    }

    /// The same rows for the next batch, if the history still ends where this one left it and they are not too many.
    pub fn again(mut self, now: Timestamp, head: &HeadRow) -> Option<Self> {
        if self.head != *head {
            return None;
        }
        if self.is_full() {
            self.thin_out();
        }
        if self.is_full() {
            return None;
        }
        self.now = now.max(head.at);
        self.jobs.clear_changes();
        self.attempts.clear_changes();
        self.holds.clear_changes();
        self.budgets.clear_changes();
        self.templates.clear_changes();
        self.workers.clear_changes();
        self.leases.clear_changes();
        self.breakers.clear_changes();
        self.freezes.clear_changes();
        self.schedules.clear_changes();
        Some(Self {
            notices: Rows::new(),
            post: Post::default(),
            tokens: Rows::new(),
            deliveries: Rows::new(),
            waves: Rows::new(),
            approvals: Rows::new(),
            in_waves: HashMap::new(),
            waiting_of: HashMap::new(),
            by_idempotency_key: HashMap::new(),
            looked_at: BTreeSet::new(),
            dedups: BTreeSet::new(),
            replays: BTreeMap::new(),
            new_requests: Vec::new(),
            new_prompts: Vec::new(),
            new_payloads: Vec::new(),
            new_evidence: Vec::new(),
            new_exemptions: Vec::new(),
            prompts: HashMap::new(),
            entries: Vec::new(),
            fenced: 0,
            bulk: Bulk::default(),
            happened: Happened::default(),
            ..self
        })
    }

    fn is_full(&self) -> bool {
        self.jobs.map.len().max(self.budgets.map.len()).max(self.requests.len()) > KEPT_MAX
    }

    /// Leaves jobs that are under way, of which the next batches will speak, with all that belongs to them.
    fn thin_out(&mut self) {
        self.jobs.map.retain(|_, row| row.attempt_id.is_some() && !row.state.is_terminal());
        let jobs = &self.jobs.map;
        self.attempts.map.retain(|_, row| jobs.contains_key(&row.job_id));
        self.holds.map.retain(|_, row| jobs.contains_key(&row.job_id));
        self.holds_of_job.retain(|job, _| jobs.contains_key(job));
        self.numbers.retain(|job, _| jobs.contains_key(job));
        self.demands.retain(|job, _| jobs.contains_key(job));
        let requests: BTreeSet<RequestId> = jobs.values().map(|row| row.request_id).collect();
        self.requests.retain(|id, _| requests.contains(id));
        let held: BTreeSet<&Key> = self.holds.map.values().map(|row| &row.budget_id).collect();
        self.budgets.map.retain(|key, _| held.contains(key));
    }

    /// Appends to the history.
    pub fn enter(&mut self, kind: &str, about: About, actor: &str, body: &Value) {
        let body = match (&self.through, body.as_object()) {
            (Some(token), Some(object)) => {
                let mut both = object.clone();
                both.insert("through".to_owned(), json!(token));
                &Value::Object(both)
            }
            _ => body,
        };
        let seq = self.head.seq.saturating_add(1);
        let mut entry = EntryRow {
            seq,
            at: self.now,
            kind: kind.to_owned(),
            request_id: about.request,
            job_id: about.job,
            attempt_id: about.attempt,
            // No store keeps a NUL in text, and what is hashed must be what is kept.
            actor: actor.replace('\0', "\u{fffd}"),
            body_json: body.to_string(),
            prev: self.head.hash.clone(),
            hash: String::new(),
            salt: Some(self.salts.salt(seq, &self.head.hash)),
            digest: None,
            redacted: None,
        };
        entry.hash = chain::hash(&entry).unwrap_or_default();
        self.head = HeadRow { id: 1, seq, hash: entry.hash.clone(), at: self.now, writes: self.head.writes };
        self.entries.push(entry);
    }

    pub fn about(&self, job: JobId) -> About {
        let row = self.jobs.get(&job);
        About {
            request: row.map(|row| row.request_id),
            job: Some(job),
            attempt: row.and_then(|row| row.attempt_id),
        }
    }

    pub fn request_of(&self, job: &JobRow) -> Option<Arc<Shared>> {
        self.requests.get(&job.request_id).cloned()
    }

    /// Everything that a job demands, by today's rules. Worked out once per batch.
    pub fn demands(&mut self, job: &JobRow) -> Arc<[Demand]> {
        if let Some(known) = self.demands.get(&job.id) {
            return Arc::clone(known);
        }
        let demands = self
            .request_of(job)
            .map(|shared| self.rules.demands(&job.subject(&shared.row, &shared.spec)))
            .unwrap_or_default();
        let demands: Arc<[Demand]> = demands.into();
        self.demands.insert(job.id, Arc::clone(&demands));
        demands
    }

    /// Err unless the worker is registered under this token and has not stopped.
    pub fn check_worker(&self, fence: Fence) -> Result<(), String> {
        match self.workers.get(&fence.worker) {
            Some(worker) if worker.token == fence.token && worker.stopped_at.is_none() => Ok(()),
            _ => Err(format!("worker {} is not registered with token {}", fence.worker, fence.token)),
        }
    }

    /// The worker that holds a lease and lives.
    pub fn holder(&self, lease: &LeaseName) -> Option<&WorkerRow> {
        let worker = self.workers.get(&self.leases.get(lease)?.worker_id)?;
        worker.lives(self.now).then_some(worker)
    }

    /// The number of the job's newest attempt; 0 when it has none.
    pub fn last_number(&self, job: JobId) -> u32 {
        self.numbers.get(&job).copied().unwrap_or(0)
    }

    pub fn load_attempt(&mut self, attempt: AttemptRow) {
        let number = self.numbers.entry(attempt.job_id).or_default();
        *number = attempt.number.max(*number);
        self.attempts.load(attempt.id, attempt);
    }

    pub fn put_attempt(&mut self, attempt: AttemptRow) {
        let number = self.numbers.entry(attempt.job_id).or_default();
        *number = attempt.number.max(*number);
        self.attempts.put(attempt.id, attempt);
    }

    /// `[budget, amount, used, limit]` of each, for the history: it shows that no limit was passed, or by how much.
    pub fn figures(&self, takes: &[Take]) -> Value {
        let figure = |take: &Take| {
            let view = self.view(&take.key);
            json!([take.key, take.amount, view.used, view.limit])
        };
        takes.iter().map(figure).collect()
    }

    pub fn load_hold(&mut self, hold: HoldRow) {
        if self.holds.has(&hold.id) {
            return;
        }
        self.holds_of_job.entry(hold.job_id).or_default().push(hold.id.clone());
        self.holds.load(hold.id.clone(), hold);
    }

    /// Takes holds for an attempt; the caller has decided that they may be taken.
    pub fn take(&mut self, job: JobId, attempt: AttemptId, takes: &[Take]) {
        // Named after the entry that tells of it, which follows.
        let seq = self.head.seq.saturating_add(1);
        for (number, take) in takes.iter().enumerate() {
            let id = format!("{seq}:{number}");
            let hold = HoldRow {
                id: id.clone(),
                attempt_id: attempt,
                job_id: job,
                budget_id: take.key.clone(),
                amount: take.amount,
                release: take.release,
                taken_at: self.now,
                expires_at: take.expires_at,
                released_at: None,
                released_by: None,
            };
            self.holds_of_job.entry(job).or_default().push(id.clone());
            self.holds.put(id, hold);
            self.charge(&take.key, take.amount);
        }
    }

    /// Gives back the active holds of an attempt that `which` names; returns their budgets.
    pub fn release(
        &mut self,
        job: JobId,
        attempt: AttemptId,
        why: &str,
        which: impl Fn(&HoldRow) -> bool,
    ) -> Vec<Key> {
        let ids = self.active_holds(job, attempt, which);
        ids.iter().filter_map(|id| self.release_hold(id, why)).collect()
    }

    /// Ids of the active holds of an attempt that `which` names.
    pub fn active_holds(
        &self,
        job: JobId,
        attempt: AttemptId,
        which: impl Fn(&HoldRow) -> bool,
    ) -> Vec<String> {
        let holds = self.holds_of_job.get(&job).into_iter().flatten().filter_map(|id| self.holds.get(id));
        holds
            .filter(|hold| hold.released_at.is_none() && hold.attempt_id == attempt && which(hold))
            .map(|hold| hold.id.clone())
            .collect()
    }

    /// Gives back one hold; a second time changes nothing.
    pub fn release_hold(&mut self, id: &String, why: &str) -> Option<Key> {
        let now = self.now;
        if self.holds.get(id).is_none_or(|hold| hold.released_at.is_some()) {
            return None;
        }
        let hold = self.holds.edit(id)?;
        hold.released_at = Some(now);
        hold.released_by = Some(why.to_owned());
        let (key, amount) = (hold.budget_id.clone(), hold.amount);
        self.discharge(&key, amount);
        Some(key)
    }

    /// Adds to a budget's use; above the limit is the caller's decision.
    pub fn charge(&mut self, key: &Key, amount: Amount) {
        let row = self.budget(key);
        row.used = row.used.plus(amount).unwrap_or(Amount::MAX);
    }

    pub fn discharge(&mut self, key: &Key, amount: Amount) {
        let row = self.budget(key);
        row.used = row.used.minus(amount);
    }

    /// The budget's row for changing; made when it is missing.
    pub fn budget(&mut self, key: &Key) -> &mut BudgetRow {
        self.budgets.changed.insert(key.clone());
        self.budgets.map.entry(key.clone()).or_insert_with(|| BudgetRow::new(key.clone()))
    }

    /// 128 drawn bits; the writer loads enough for the batch.
    pub fn draw(&mut self) -> u128 {
        // Mixed with the position, so that running out could not make two ids equal.
        let position = u128::from(self.head.seq.unsigned_abs());
        self.drawn.pop().unwrap_or_default() ^ (position << 16)
    }

    pub fn has_changes(&self) -> bool {
        !self.entries.is_empty()
            || !self.jobs.changed.is_empty()
            || !self.attempts.changed.is_empty()
            || !self.workers.changed.is_empty()
            || !self.leases.changed.is_empty()
            || !self.notices.changed.is_empty()
            || !self.post.is_empty()
            || !self.waves.changed.is_empty()
            || !self.approvals.changed.is_empty()
            || !self.breakers.changed.is_empty()
            || !self.tokens.changed.is_empty()
            || !self.schedules.changed.is_empty()
            || !self.deliveries.changed.is_empty()
            || !self.new_evidence.is_empty()
    }
}
