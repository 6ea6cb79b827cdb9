//! The rows that a batch of commands needs, loaded once, changed in memory by the pure `apply` functions, and
//! written back in bulk. What was not changed is not written.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use serde_json::Value;

use crate::{
    budget::{Amount, Books, Demand, Key, MemberView, Rules, Take, View},
    job::{
        id::{AttemptId, JobId, NoticeId, RequestId, WorkerId},
        time::Timestamp,
    },
    ledger::{
        chain,
        rows::{
            AttemptRow, BudgetRow, EntryRow, EvidenceRow, HeadRow, HoldRow, JobRow, NoticeRow, PromptRow,
            RequestRow, RequestSpec, TemplateRow, WorkerRow,
        },
    },
};

/// A request with its parsed spec; immutable, so it may be cached.
#[derive(Debug)]
pub struct Shared {
    pub row: RequestRow,
    pub spec: RequestSpec,
}

/// Rows by key, with the keys of those that changed.
#[derive(Debug)]
pub struct Rows<K, R> {
    pub map: HashMap<K, R>,
    pub changed: BTreeSet<K>,
}

impl<K: Ord + std::hash::Hash + Eq + Clone, R: Clone> Rows<K, R> {
    fn new() -> Self {
        Self { map: HashMap::new(), changed: BTreeSet::new() }
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
        self.map.insert(key, row);
    }
    pub fn load(&mut self, key: K, row: R) {
        self.map.insert(key, row);
    }
    pub fn changed_rows(&self) -> Vec<R> {
        self.changed.iter().filter_map(|key| self.map.get(key)).cloned().collect()
    }
}

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
    /// Active holds and those touched; by job for release.
    pub holds: Rows<String, HoldRow>,
    pub holds_of_job: HashMap<JobId, Vec<String>>,
    pub budgets: Rows<Key, BudgetRow>,
    pub notices: Rows<NoticeId, NoticeRow>,
    pub dedups: BTreeSet<String>,
    pub workers: Rows<WorkerId, WorkerRow>,
    pub replays: BTreeMap<JobId, JobId>,
    pub new_requests: Vec<RequestRow>,
    pub new_prompts: Vec<PromptRow>,
    pub new_evidence: Vec<EvidenceRow>,
    pub prompts: HashMap<JobId, String>,
    pub entries: Vec<EntryRow>,
    pub last_token: i64,
    /// Drawn numbers for ids made here, used from the end.
    pub drawn: Vec<u128>,
}

/// What an entry is about.
#[derive(Clone, Copy, Debug, Default)]
pub struct About {
    pub request: Option<RequestId>,
    pub job: Option<JobId>,
    pub attempt: Option<AttemptId>,
}

impl WorkingSet {
    pub fn new(now: Timestamp, rules: Arc<Rules>, head: HeadRow) -> Self {
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
            holds: Rows::new(),
            holds_of_job: HashMap::new(),
            budgets: Rows::new(),
            notices: Rows::new(),
            dedups: BTreeSet::new(),
            workers: Rows::new(),
            replays: BTreeMap::new(),
            new_requests: Vec::new(),
            new_prompts: Vec::new(),
            new_evidence: Vec::new(),
            prompts: HashMap::new(),
            entries: Vec::new(),
            last_token: 0,
            drawn: Vec::new(),
        }
    }

    /// Appends to the history.
    pub fn enter(&mut self, kind: &str, about: About, actor: &str, body: &Value) {
        let seq = self.head.seq.saturating_add(1);
        let mut entry = EntryRow {
            seq,
            at: self.now,
            kind: kind.to_owned(),
            request_id: about.request,
            job_id: about.job,
            attempt_id: about.attempt,
            actor: actor.to_owned(),
            body_json: body.to_string(),
            prev: self.head.hash.clone(),
            hash: String::new(),
        };
        entry.hash = chain::hash(&entry);
        self.head = HeadRow { id: 1, seq, hash: entry.hash.clone(), at: self.now };
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

    /// Everything that a job demands, by today's rules.
    pub fn demands(&self, job: &JobRow) -> Vec<Demand> {
        self.request_of(job)
            .map(|shared| self.rules.demands(&job.subject(&shared.row, &shared.spec)))
            .unwrap_or_default()
    }

    pub fn load_hold(&mut self, hold: HoldRow) {
        self.holds_of_job.entry(hold.job_id).or_default().push(hold.id.clone());
        self.holds.load(hold.id.clone(), hold);
    }

    /// Takes holds for an attempt; the caller has decided that they may be taken.
    pub fn take(&mut self, job: JobId, attempt: AttemptId, takes: &[Take]) {
        // The position of the entry that follows makes ids of a later re-take differ from the first ones.
        let seq = self.head.seq.saturating_add(1);
        for (number, take) in takes.iter().enumerate() {
            let id = format!("{attempt}:{seq}:{number}");
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
        let ids = self.holds_of_job.get(&job).cloned().unwrap_or_default();
        let mut keys = Vec::new();
        for id in ids {
            let active = self
                .holds
                .get(&id)
                .is_some_and(|hold| hold.released_at.is_none() && hold.attempt_id == attempt && which(hold));
            if active {
                keys.extend(self.release_hold(&id, why));
            }
        }
        keys
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
            || !self.workers.changed.is_empty()
            || !self.notices.changed.is_empty()
            || !self.new_evidence.is_empty()
    }
}

impl Books for WorkingSet {
    fn view(&self, key: &Key) -> View {
        let row = self.budgets.get(key);
        View {
            used: row.map_or(Amount::ZERO, |row| row.used),
            limit: row.and_then(|row| row.limit_override).or_else(|| self.rules.limit(key)),
            closed: row.and_then(BudgetRow::closure),
        }
    }

    fn members(&self, pool: &Key, now: Timestamp) -> Vec<MemberView> {
        let Some(found) = self.rules.pool(pool) else { return Vec::new() };
        let view = |member: &crate::budget::Member| {
            let key = Key::member(&found.name, &member.login);
            MemberView {
                login: member.login.clone(),
                view: self.view(&key),
                key,
                away_until: member.away_until(now),
            }
        };
        found.members.iter().map(view).collect()
    }
}
