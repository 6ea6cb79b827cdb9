//! Freezes at work: the file's and those that people made, the gates that they close, and the last look before a start or
//! before a pull request is moved on.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    budget::{Closure, Key, Source},
    job::{
        id::{JobId, RequestId},
        repository::Repository,
        time::{Millis, Timestamp},
    },
    ledger::{
        BudgetChange, By, Command, LedgerError,
        rows::{ExemptionRow, JobRow},
    },
    pipeline::context::{Context, SharedSpec},
    policy::freeze::{self, Exempt, Exemption, Freeze, Frozen, InForce, Subject, Waiting, written},
};

/// Who keeps a gate closed for a freeze of the file.
const FILE: &str = "the freezes file";
/// A job that no gate keeps back is looked at again after this time at the latest.
const AGAIN: Millis = Millis::minutes(5);
/// Reading every waiting job takes at most one part in so many of the time.
const READING_SHARE: u64 = 10;

/// Everything that may keep work still, as far as this process knows.
#[derive(Debug, Default)]
pub struct Freezes {
    configured: Arc<[Freeze]>,
    now: Mutex<Arc<Known>>,
    closed: Mutex<Option<Closed>>,
}

/// How things stood when gates were last closed one by one.
#[derive(Debug)]
struct Closed {
    /// The position of the history.
    head: i64,
    /// What was in force, and every exception.
    force: String,
    /// Reading all that waits is not worth it again before.
    next: Timestamp,
}

/// The freezes of the file and of the ledger, and the exceptions from both.
#[derive(Debug, Default)]
pub struct Known {
    pub freezes: Vec<Freeze>,
    pub exemptions: Vec<Exemption>,
    /// Who made those of the ledger.
    pub actors: BTreeMap<String, String>,
}

impl Known {
    pub fn frozen(&self, subject: &Subject<'_>, now: Timestamp) -> Option<Frozen> {
        if self.freezes.is_empty() {
            return None;
        }
        freeze::active(&self.in_force(now), &self.exemptions, subject, now)
    }

    /// Without those that were lifted for a time.
    fn in_force(&self, now: Timestamp) -> Vec<InForce<'_>> {
        let lifted = |name: &str| {
            let all = self.exemptions.iter().filter(|exemption| exemption.exempt == Exempt::Everything);
            all.into_iter().any(|exemption| exemption.touches(name, now))
        };
        freeze::in_force(self.freezes.iter().filter(|freeze| !lifted(&freeze.name)), now)
    }
}

impl Freezes {
    pub fn new(configured: Arc<[Freeze]>) -> Self {
        let known = Known { freezes: configured.to_vec(), ..Known::default() };
        Self { configured, now: Mutex::new(Arc::new(known)), closed: Mutex::default() }
    }
    pub fn known(&self) -> Arc<Known> {
        Arc::clone(&self.now.lock().unwrap_or_else(PoisonError::into_inner))
    }
    fn closed(&self) -> MutexGuard<'_, Option<Closed>> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub fn is_configured(&self, name: &str) -> bool {
        self.configured.iter().any(|freeze| freeze.name == name)
    }
}

impl Context {
    /// Takes in what the ledger says of freezes.
    pub async fn learn_freezes(&self) -> Result<(), LedgerError> {
        let (rows, exemptions) = (self.ledger.freezes().await?, self.ledger.exemptions(self.now()).await?);
        let mut known = Known { freezes: self.freezes.configured.to_vec(), ..Known::default() };
        for row in rows {
            let read = serde_json::from_str(&row.body_json).map_err(|error| error.to_string()).and_then(
                |text: freeze::Written| {
                    let read = written::read(&text, &written::Calendars::new());
                    read.map_err(|problems| problems.iter().map(ToString::to_string).collect())
                },
            );
            let freeze = read
                .map_err(|why: String| LedgerError::Corrupt(format!("freeze {}: {why}", row.name).into()))?;
            known.actors.insert(row.name, row.actor);
            known.freezes.push(freeze);
        }
        known.exemptions = exemptions.iter().filter_map(ExemptionRow::exemption).collect();
        *self.freezes.now.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
        Ok(())
    }

    /// What keeps a job still at this moment.
    pub fn frozen(&self, job: &JobRow, shared: &SharedSpec) -> Option<Frozen> {
        let subject = self.frozen_subject(&job.repository, job.request_id, job.id, shared);
        self.freezes.known().frozen(&subject, self.now())
    }

    fn frozen_subject<'a>(
        &'a self,
        repository: &'a Repository,
        request: RequestId,
        job: JobId,
        shared: &'a SharedSpec,
    ) -> Subject<'a> {
        let (template, team) = (&shared.request.template, &shared.request.team);
        let class = Some(self.policy.repositories.class_of(repository).as_str());
        Subject { repository, template, team, class, request: Some(request), job: Some(job) }
    }

    /// When a frozen job that was already admitted may queue again.
    pub fn thaws(&self, frozen: &Frozen) -> Timestamp {
        let again = self.now().plus(AGAIN);
        frozen.until.map_or(again, |until| until.min(again))
    }

    /// Closes the gates of what is in force and opens those of what no longer is. Called at every sweep and at each change:
    /// doing it twice is no harm, and what it has not done yet the last look before a start does.
    pub async fn close_for_freezes(&self) -> Result<(), LedgerError> {
        let (known, now) = (self.freezes.known(), self.now());
        let force = known.in_force(now);
        let next = known.freezes.iter().filter_map(|freeze| freeze.begins(now, Millis::hours(1))).min();
        if let Some(next) = next {
            self.queues.upkeep.beat_at(next);
        }
        let rows = self.ledger.closed_gates().await?;
        let mut closed: BTreeMap<(Key, Source), Closure> = BTreeMap::new();
        for row in rows {
            for (source, closure) in row.closed_by().iter().filter(|(_, closure)| closure.holds_at(now)) {
                if matches!(source, Source::Freeze(_)) {
                    closed.insert((row.id.clone(), source.clone()), closure.clone());
                }
            }
        }
        if force.is_empty() && closed.is_empty() {
            return Ok(());
        }
        let Some(wanted) = self.wanted(&known, &force, !closed.is_empty()).await? else { return Ok(()) };
        let mut commands = Vec::new();
        for ((key, source), frozen) in &wanted {
            let reason = format!("freeze {}: {}", frozen.name, frozen.reason);
            let actor = known.actors.get(&frozen.name).map_or(FILE, String::as_str).to_owned();
            let by = By::new(actor.clone(), reason.clone());
            let same = closed.get(&(key.clone(), source.clone()));
            if same.is_none_or(|old| old.opens_at != frozen.until || old.reason != reason) {
                let closure = Closure { reason, actor, since: now, opens_at: frozen.until };
                let change = BudgetChange::Close(source.clone(), closure);
                commands.push(Command::Budget { key: key.clone(), change, by });
            }
        }
        for (key, source) in closed.into_keys().filter(|gate| !wanted.contains_key(gate)) {
            let by = By::ourselves("nothing of it is frozen any more");
            commands.push(Command::Budget { key, change: BudgetChange::Open(source), by });
        }
        if commands.is_empty() {
            return Ok(());
        }
        for answer in self.ledger.write_all(commands).await {
            self.closures.learn(&answer?.1.truths);
        }
        self.queues.admit.poke();
        Ok(())
    }

    /// The gates that shall be closed; None: as they are, since nothing has changed.
    async fn wanted(
        &self,
        known: &Known,
        force: &[InForce<'_>],
        any_closed: bool,
    ) -> Result<Option<BTreeMap<(Key, Source), Frozen>>, LedgerError> {
        let now = self.now();
        let mut wanted = BTreeMap::new();
        let mut rest = Vec::new();
        for one in force {
            let freeze = one.freeze;
            let exempt = known.exemptions.iter().any(|exemption| exemption.touches(&freeze.name, now));
            match freeze.reach.gate().filter(|_| freeze.except.is_empty() && !exempt) {
                Some(key) => {
                    let (name, reason) = (freeze.name.clone(), freeze.reason.clone());
                    let source = Source::freeze(&name);
                    wanted.insert((key, source), Frozen { name, reason, until: one.until });
                }
                None => rest.push(*one),
            }
        }
        if rest.is_empty() {
            return Ok(Some(wanted));
        }
        // Every waiting job is read only when anything has changed since, and then not all the time: until then the last
        // look before a start stops what is frozen.
        let ends: Vec<_> = force.iter().map(|one| (&one.freeze.name, one.until)).collect();
        let (head, force) = (self.ledger.head().await?.seq, format!("{ends:?} {:?}", known.exemptions));
        let stands = |before: &Closed| before.force == force && (before.head == head || now < before.next);
        if any_closed && self.freezes.closed().as_ref().is_some_and(stands) {
            return Ok(None);
        }
        for (key, frozen) in freeze::cover(&self.waiting(known, &rest).await?) {
            wanted.insert((key, Source::freeze(&frozen.name)), frozen);
        }
        let took = self.now().since(now);
        let next = self.now().plus(Millis(took.0.saturating_mul(READING_SHARE)));
        *self.freezes.closed() = Some(Closed { head, force, next });
        Ok(Some(wanted))
    }

    async fn waiting(&self, known: &Known, force: &[InForce<'_>]) -> Result<Vec<Waiting>, LedgerError> {
        let now = self.now();
        let mut waiting = Vec::new();
        let mut specs: BTreeMap<RequestId, Arc<SharedSpec>> = BTreeMap::new();
        for job in self.ledger.waiting().await? {
            let shared = match specs.entry(job.request_id) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(free) => free.insert(self.spec(job.request_id).await?),
            };
            let subject = self.frozen_subject(&job.repository, job.request_id, job.id, shared);
            let frozen = freeze::active(force, &known.exemptions, &subject, now);
            let (repository, request): (Repository, RequestId) = (job.repository, job.request_id);
            waiting.push(Waiting { repository, request, frozen });
        }
        Ok(waiting)
    }
}
