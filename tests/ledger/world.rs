//! A small world to try the ledger in: one store, a clock that is moved by hand, and short words for the
//! commands. It must not look behind the ledger's public face, except where a test tampers on purpose.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use sluicegate::{
    budget::{Amount, Key, Rules},
    clock::{Clock as _, Entropy, ManualClock},
    job::{AttemptId, Event, JobId, Millis, RemoteState, RequestId, Roles, State, Task, Timestamp, WorkerId},
    ledger::{
        By, Command, Fence, Ledger, LedgerError, Location, NewJob, Reply, Seen, Warrant,
        rows::{AttemptRow, JobRow, RequestRow, RequestSpec},
    },
    policy::template::PullRequestText,
};
use sqlx::Connection as _;
use tempfile::TempDir;

use crate::{
    ledger::orders::{Order, START, costly, rules, task},
    support::Postgres,
};

/// Runs each scenario on both stores and ends with the invariants.
macro_rules! on_both_stores {
    ($($name:ident),* $(,)?) => {
        mod on_sqlite {$(
            #[tokio::test]
            async fn $name() {
                let world = crate::ledger::world::World::sqlite().await;
                super::$name(&world).await;
                world.end().await;
            }
        )*}
        mod on_postgres {$(
            #[tokio::test]
            async fn $name() {
                let world = crate::ledger::world::World::postgres().await;
                super::$name(&world).await;
                world.end().await;
            }
        )*}
    };
}
pub(crate) use on_both_stores;

/// One ledger and its surroundings.
pub struct World {
    pub ledger: Ledger,
    pub clock: Arc<ManualClock>,
    pub rules: Arc<Rules>,
    pub location: Location,
    pub worker: Fence,
    drawn: AtomicU64,
    /// Rows were changed behind the ledger's back, or the ledger was closed: there is nothing to check at the end.
    unchecked: AtomicBool,
    directory: Option<TempDir>,
}

impl World {
    pub async fn sqlite() -> Self {
        Self::sqlite_with(rules()).await
    }
    pub async fn sqlite_with(rules: Rules) -> Self {
        let directory = TempDir::new().unwrap();
        let url = format!("sqlite:{}", directory.path().join("ledger.db").display());
        Self::at(&url, Some(directory), rules, false).await
    }
    /// A file that several processes may write.
    pub async fn shared_sqlite_with(rules: Rules) -> Self {
        let directory = TempDir::new().unwrap();
        let url = format!("sqlite:{}", directory.path().join("ledger.db").display());
        Self::at(&url, Some(directory), rules, true).await
    }
    pub async fn postgres() -> Self {
        Self::postgres_with(rules()).await
    }
    pub async fn postgres_with(rules: Rules) -> Self {
        Self::at(&Postgres::shared().database(), None, rules, false).await
    }

    async fn at(url: &str, directory: Option<TempDir>, rules: Rules, shared: bool) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::parse(START).unwrap()));
        let location = location(url);
        let rules = Arc::new(rules);
        let opened = if shared {
            open_shared(&location, &rules, &clock).await
        } else {
            open(&location, &rules, &clock).await
        };
        let ledger = opened.unwrap();
        let worker = Fence { worker: WorkerId::new(clock.now(), 1), token: 0 };
        let mut world = Self {
            ledger,
            clock,
            rules,
            location,
            worker,
            drawn: AtomicU64::new(1_000),
            unchecked: AtomicBool::new(false),
            directory,
        };
        world.worker = world.register("first").await;
        world
    }

    /// Another handle on the same store.
    pub async fn reopen(&self) -> Result<Ledger, LedgerError> {
        open(&self.location, &self.rules, &self.clock).await
    }

    /// The same store, as another process that shares it sees it.
    pub async fn reopen_shared(&self) -> Result<Ledger, LedgerError> {
        open_shared(&self.location, &self.rules, &self.clock).await
    }

    pub fn sqlite_path(&self) -> Option<PathBuf> {
        self.directory.as_ref().map(|directory| directory.path().join("ledger.db"))
    }

    pub fn draw(&self) -> u128 {
        u128::from(self.drawn.fetch_add(1, Ordering::Relaxed)) << 24
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn pass(&self, span: Millis) {
        self.clock.set(self.clock.now().plus(span));
    }

    pub fn is_sqlite(&self) -> bool {
        self.directory.is_some()
    }

    /// Runs statements behind the ledger's back.
    pub async fn sql(&self, statements: &str) -> Result<(), sqlx::Error> {
        self.unchecked.store(true, Ordering::Relaxed);
        let statements = sqlx::AssertSqlSafe(statements.to_owned());
        if let Some(path) = self.sqlite_path() {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
            let mut connection = sqlx::SqliteConnection::connect_with(&options).await?;
            sqlx::raw_sql(statements).execute(&mut connection).await?;
            connection.close().await
        } else {
            let mut connection = sqlx::PgConnection::connect(&self.location.url).await?;
            sqlx::raw_sql(statements).execute(&mut connection).await?;
            connection.close().await
        }
    }

    /// The one text column that a query gives.
    pub async fn texts(&self, query: &'static str) -> Vec<String> {
        let rows: Result<Vec<(String,)>, sqlx::Error> = if let Some(path) = self.sqlite_path() {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
            let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
            sqlx::query_as(query).fetch_all(&mut connection).await
        } else {
            let mut connection = sqlx::PgConnection::connect(&self.location.url).await.unwrap();
            sqlx::query_as(query).fetch_all(&mut connection).await
        };
        rows.unwrap().into_iter().map(|(text,)| text).collect()
    }

    /// Takes away what keeps the history from being changed.
    pub async fn unguard(&self) {
        let statements = if self.is_sqlite() {
            "DROP TRIGGER entries_no_update; DROP TRIGGER entries_no_delete; DROP TRIGGER entries_no_replace;"
        } else {
            "ALTER TABLE entries DISABLE TRIGGER ALL;"
        };
        self.sql(statements).await.unwrap();
    }

    pub async fn broken(&self) -> Vec<String> {
        self.ledger.broken_invariants().await.unwrap()
    }

    /// The scenario has closed its ledger and checked what it left.
    pub fn over(&self) {
        self.unchecked.store(true, Ordering::Relaxed);
    }

    /// Every scenario ends with every invariant.
    pub async fn end(&self) {
        if self.unchecked.load(Ordering::Relaxed) {
            return;
        }
        assert_eq!(self.ledger.broken_invariants().await.unwrap(), Vec::<String>::new());
    }

    pub async fn write(&self, command: Command) -> Reply {
        self.ledger.write(command).await.unwrap()
    }

    /// The commands in one transaction.
    pub async fn write_all(&self, commands: Vec<Command>) -> Vec<Reply> {
        self.ledger.write_all(commands).await.into_iter().map(|answer| answer.unwrap().0).collect()
    }

    pub async fn register(&self, name: &str) -> Fence {
        let worker = WorkerId::new(self.clock.now(), self.draw());
        let lease_until = self.clock.now().plus(Millis::minutes(1));
        match self
            .write(Command::Register { worker, name: name.into(), roles: Roles::all(), lease_until })
            .await
        {
            Reply::Registered { token } => Fence { worker, token },
            other => panic!("{other:?}"),
        }
    }

    /// The command that submits an order, and the ids of its jobs.
    pub fn submission(&self, order: &Order) -> (Command, Vec<JobId>) {
        let now = self.clock.now();
        let request = self.request(order, RequestId::new(now, self.draw()));
        let mut jobs: Vec<NewJob> =
            order.repositories.iter().map(|name| self.new_job(request.id, name)).collect();
        let cut = order.waves().map(|waves| waves.jobs).unwrap_or_default();
        let waves = (1_u32..).zip(cut).flat_map(|(wave, jobs)| std::iter::repeat_n(wave, jobs));
        for (job, wave) in jobs.iter_mut().zip(waves) {
            job.row.wave = wave;
        }
        if let (Some(found), Some(job)) = (&order.found, jobs.first_mut()) {
            job.row.findings_json = found.to_json();
            job.row.state = State::Held;
        }
        for job in jobs.iter_mut().filter(|job| order.hold || job.row.wave > 1) {
            job.row.state = State::Held;
        }
        let ids = jobs.iter().map(|job| job.row.id).collect();
        (Command::Submit { request: Box::new(request), jobs }, ids)
    }

    fn request(&self, order: &Order, id: RequestId) -> RequestRow {
        let spec = RequestSpec {
            pull_request: true,
            base_ref: None,
            custom_agent: None,
            labels: Vec::new(),
            pool: order.pool.map(Into::into),
            retry: sluicegate::job::retry::RetryRule::default(),
            estimate: Amount::from(order.estimate),
            weight: 1,
            scope: serde_json::json!({ "may": ["Cargo.lock"] }),
            hold: order.hold,
            waves: order.waves(),
            breaker: order.breaker,
            required_checks: None,
            fallback: None,
            asked: None,
            described: false,
            through: None,
        };
        RequestRow {
            id,
            idempotency_key: order.key.map(Into::into),
            body_digest: order.body.into(),
            plan_digest: "plan".into(),
            template: order.template.into(),
            template_version: 1,
            template_digest: order.template_digest.into(),
            requester: order.requester.into(),
            team: "platform".into(),
            owner: "olga".into(),
            reason: None,
            identity: "bot".into(),
            inputs_json: "{}".into(),
            spec_json: serde_json::to_string(&spec).unwrap(),
            skipped_json: "[]".into(),
            jobs: i64::try_from(order.repositories.len()).unwrap(),
            created_at: self.clock.now(),
        }
    }

    fn new_job(&self, request_id: RequestId, repository: &str) -> NewJob {
        let now = self.clock.now();
        let row = JobRow {
            id: JobId::new(now, self.draw()),
            request_id,
            position: 0,
            repository: repository.parse().unwrap(),
            identity: "bot".into(),
            model: None,
            wave: 0,
            findings_json: None,
            adopts_json: None,
            prompt_digest: "prompt".into(),
            priority: 5,
            state: State::Queued,
            state_since: now,
            created_at: now,
            updated_at: now,
            due_at: None,
            deadline_at: None,
            attempts: 0,
            attempt_id: None,
            episode: 0,
            reviewer: None,
            pull_number: None,
            pull_json: None,
            outcome_json: None,
            replay_of: None,
            discarded_at: None,
            checks_json: None,
            fallen_back: 0,
        };
        NewJob { row, prompt: format!("Upgrade {repository}."), pull_text: PullRequestText::default() }
    }

    pub async fn submit(&self, order: Order) -> Vec<JobId> {
        let (command, jobs) = self.submission(&order);
        assert!(matches!(self.write(command).await, Reply::Submitted { replayed: false, .. }));
        jobs
    }

    pub fn admission(&self, job: JobId, fence: Fence) -> Command {
        let attempt = AttemptId::new(self.clock.now(), self.draw());
        Command::Admit { job, attempt, nonce: 7, fence }
    }

    pub async fn admit(&self, job: JobId) -> Reply {
        self.write(self.admission(job, self.worker)).await
    }

    /// Admits a job that must be let in.
    pub async fn admitted(&self, job: JobId) -> AttemptRow {
        match self.admit(job).await {
            Reply::Admitted { attempt, .. } => *attempt,
            other => panic!("{other:?}"),
        }
    }

    /// Admits and starts a job.
    pub async fn running(&self, job: JobId) -> AttemptRow {
        let attempt = self.admitted(job).await;
        let task = Box::new(task(&attempt, RemoteState::Queued));
        let (attempt_id, fence) = (attempt.id, self.worker);
        let started = Command::Started { job, attempt: attempt_id, fence, task, found: false };
        assert!(matches!(self.write(started).await, Reply::Done));
        self.attempt(&attempt).await
    }

    /// The command that tells of a sighting.
    pub fn sighting(&self, attempt: &AttemptRow, task: Task, event: Option<Event>) -> Command {
        let seen = Seen { task, event, failure: None, advice: None, due_at: None };
        Command::Seen { job: attempt.job_id, attempt: attempt.id, fence: self.worker, seen: Box::new(seen) }
    }

    pub async fn see(&self, attempt: &AttemptRow, state: RemoteState, event: Option<Event>) -> Reply {
        self.write(self.sighting(attempt, task(attempt, state), event)).await
    }

    /// The same, of a task that says what it cost.
    pub async fn see_cost(&self, attempt: &AttemptRow, credits: u64, event: Event) -> Reply {
        let task = costly(task(attempt, RemoteState::Completed), credits);
        self.write(self.sighting(attempt, task, Some(event))).await
    }

    /// Proves that an attempt never started.
    pub async fn not_started(&self, attempt: &AttemptRow, counts: bool, due_at: Option<Timestamp>) {
        let (job, fence, why) = (attempt.job_id, self.worker, "refused".to_owned());
        let command =
            Command::NotStarted { job, attempt: attempt.id, fence, why, counts, due_at, close: None };
        assert!(matches!(self.write(command).await, Reply::Done));
    }

    pub async fn step(&self, job: JobId, event: Event) -> Reply {
        self.write(step(job, event)).await
    }

    pub async fn act(&self, job: JobId, event: Event) -> Reply {
        self.write(Command::Act { job, event, by: by() }).await
    }

    pub async fn job(&self, id: JobId) -> JobRow {
        self.ledger.job(id).await.unwrap().unwrap()
    }

    pub async fn state(&self, id: JobId) -> State {
        self.job(id).await.state
    }

    pub async fn attempt(&self, attempt: &AttemptRow) -> AttemptRow {
        self.ledger.attempt(attempt.id).await.unwrap().unwrap()
    }

    /// What is used of a budget.
    pub async fn used(&self, key: &str) -> u64 {
        let rows = self.ledger.budgets().await.unwrap();
        rows.iter().find(|row| row.id == Key::new(key)).map_or(0, |row| row.used.get())
    }

    /// Kinds of the job's entries, oldest first.
    pub async fn history(&self, job: JobId) -> Vec<String> {
        self.ledger.entries_of(job).await.unwrap().into_iter().map(|entry| entry.kind).collect()
    }
}

pub fn location(url: &str) -> Location {
    Location { url: url.into(), password: None, full_durability: false }
}

pub async fn open(
    location: &Location,
    rules: &Arc<Rules>,
    clock: &Arc<ManualClock>,
) -> Result<Ledger, LedgerError> {
    let clock: Arc<dyn sluicegate::clock::Clock> = Arc::<ManualClock>::clone(clock);
    Ledger::open(location, Arc::clone(rules), clock, Arc::new(Entropy::from_seed(7))).await
}

async fn open_shared(
    location: &Location,
    rules: &Arc<Rules>,
    clock: &Arc<ManualClock>,
) -> Result<Ledger, LedgerError> {
    let clock: Arc<dyn sluicegate::clock::Clock> = Arc::<ManualClock>::clone(clock);
    Ledger::open_shared(location, Arc::clone(rules), clock, Arc::new(Entropy::from_seed(8))).await
}

pub fn by() -> By {
    By::new("otto", "because")
}

pub fn step(job: JobId, event: Event) -> Command {
    Command::Step { job, event, pull: None, failure: None, note: None, due_at: None, warrant: Warrant::Free }
}
