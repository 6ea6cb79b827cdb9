//! A daemon's inside without its workers: the ledger on SQLite, the gate in memory, an agent that starts when told to.
//! What the workers would do is done here by hand, so that no test waits for time to pass.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode, header},
};
use serde_json::{Value, json};
use sluicegate::{
    agent::{Agent, AgentError, Atlas, Capabilities, FailKind, Forge, Found, Probe, Reached, StartOrder},
    budget::{Amount, BudgetRule, Kind, Member, Period, Pool, Rules, Scope},
    clock::{Entropy, ManualClock},
    gate::memory::MemoryGate,
    http::router,
    job::{
        Checks, Event, JobId, Marker, Pull, RemoteState, Repository, Roles, Task, TaskId,
        time::{Millis, Timestamp},
    },
    ledger::{Command, Committed, Ledger, Location, Reply, Warrant},
    news::Silence,
    notify::Sinks,
    pipeline::{
        Context, Policy, Queues, Tuning,
        catch_up::History,
        context::{Closures, Sent, Specs, Work},
        feed,
        freezes::Freezes,
        hooks::Hooks,
        meters::Meters,
        nudge::Nudges,
        rebuild::Barrier,
        resume::{self, Newcomer},
        tokens::Tokens,
        tracker::Tracker,
    },
    policy::template::PullRequestText,
    policy::{Catalog, RepositoryFacts, RepositoryRules, Wanted},
};
use tempfile::TempDir;
use tokio::sync::{Mutex, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

pub const TOKEN: &str = "correct-horse-battery-staple";

pub const TEMPLATE: &str = include_str!("bump.toml");

/// Starts when given leave, and says so when asked.
pub struct Actor {
    pub asked: Semaphore,
    pub leave: Semaphore,
    /// What is told of repositories, by full name; nobody can be asked about others.
    pub estate: BTreeMap<String, RepositoryFacts>,
}

fn failed() -> AgentError {
    AgentError { kind: FailKind::Unreachable, message: "nobody is there in this test".into() }
}

#[async_trait]
impl Agent for Actor {
    fn capabilities(&self) -> Capabilities {
        Capabilities { idempotent_start: false, cancel: false, answer: false, push: false }
    }
    async fn start(&self, _: &str, _: &StartOrder) -> Result<Task, AgentError> {
        self.asked.add_permits(1);
        self.leave.acquire().await.unwrap().forget();
        Ok(task("task-1"))
    }
    async fn find(&self, _: &str, _: &Repository, _: &Marker, _: Timestamp) -> Result<Found, AgentError> {
        Err(failed())
    }
    async fn list_changed(&self, _: &str, _: Option<Timestamp>, _: bool) -> Result<Vec<Task>, AgentError> {
        Err(failed())
    }
    async fn observe(&self, _: &str, _: &TaskId) -> Result<Task, AgentError> {
        Err(failed())
    }
}

#[async_trait]
impl Forge for Actor {
    async fn find_pull(
        &self,
        _: &str,
        _: &Repository,
        _: &str,
        _: Option<i64>,
    ) -> Result<Option<Pull>, AgentError> {
        Err(failed())
    }
    async fn pull(&self, _: &str, _: &Repository, _: u64) -> Result<Pull, AgentError> {
        Err(failed())
    }
    async fn changed_paths(&self, _: &str, _: &Repository, _: u64) -> Result<Vec<String>, AgentError> {
        Err(failed())
    }
    async fn checks(&self, _: &str, _: &Repository, _: &str) -> Result<Checks, AgentError> {
        Err(failed())
    }
    async fn named_checks(
        &self,
        _: &str,
        _: &Repository,
        _: &str,
    ) -> Result<BTreeMap<String, Checks>, AgentError> {
        Err(failed())
    }
    async fn add_labels(&self, _: &str, _: &Repository, _: u64, _: &[String]) -> Result<(), AgentError> {
        Err(failed())
    }
    async fn describe(&self, _: &str, _: &Repository, _: u64, _: &PullRequestText) -> Result<(), AgentError> {
        Err(failed())
    }
    async fn request_review(&self, _: &str, _: &Repository, _: u64, _: &str) -> Result<(), AgentError> {
        Err(failed())
    }
    async fn probe(&self, _: &str) -> Result<Probe, AgentError> {
        Err(failed())
    }
}

#[async_trait]
impl Atlas for Actor {
    async fn survey(&self, _: &str, asked: &Repository, _: &Wanted) -> Result<RepositoryFacts, AgentError> {
        self.estate.get(asked.full_name()).cloned().ok_or_else(failed)
    }
    async fn reach(&self, _: &str) -> Result<Vec<Reached>, AgentError> {
        Err(failed())
    }
}

pub fn task(id: &str) -> Task {
    Task {
        id: TaskId(id.into()),
        state: RemoteState::Queued,
        name: None,
        html_url: Some(format!("https://github.com/acme/api/tasks/{id}")),
        created_at: Timestamp(0),
        updated_at: None,
        session_count: None,
        artifacts: Vec::new(),
        sessions: None,
    }
}

fn rules() -> Rules {
    let slots = |per, limit: u32| BudgetRule {
        name: "slots".into(),
        kind: Kind::Slots,
        per,
        matching: None,
        limit: Amount::from(limit),
        period: Period::Lifetime,
    };
    let member = |login: &str| Member { login: login.into(), limit: Amount::from(2), away: Vec::new() };
    let pool = Pool { name: "reviewers".into(), members: vec![member("ana"), member("ben")] };
    Rules {
        budgets: vec![slots(Scope::Global, 1), slots(Scope::Repository, 1)],
        pools: [("reviewers".to_owned(), pool)].into(),
        ..Rules::default()
    }
}

/// An answer as it came.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    /// Status and code of an error, whose form is checked.
    pub fn error(&self) -> (u16, &str) {
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json", "{}", self.body);
        let code = self.body["code"].as_str().unwrap();
        assert_eq!(self.body["type"], format!("/errors/{code}"));
        assert_eq!(self.body["status"], self.status.as_u16());
        assert!(!self.body["title"].as_str().unwrap().is_empty(), "{}", self.body);
        assert!(!self.body["detail"].as_str().unwrap().is_empty(), "{}", self.body);
        (self.status.as_u16(), code)
    }
    /// The body of a 200.
    pub fn ok(self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        self.body
    }
    /// Where the problems are.
    pub fn places(&self) -> Vec<&str> {
        let problems = self.body["problems"].as_array().unwrap();
        problems.iter().map(|problem| problem["at"].as_str().unwrap_or_default()).collect()
    }
}

pub struct House {
    pub context: Arc<Context>,
    pub clock: Arc<ManualClock>,
    pub actor: Arc<Actor>,
    pub router: Router,
    pub commits: Mutex<mpsc::UnboundedReceiver<Arc<Committed>>>,
    pub folder: Arc<TempDir>,
    /// Each life draws numbers of its own.
    pub lives: u64,
}

impl House {
    pub async fn new() -> Self {
        Self::with(&[TEMPLATE], BTreeMap::new(), |_| {}).await
    }

    /// An installation with templates of its own, what the provider tells of repositories, and anything else in its policy.
    pub async fn with(
        templates: &[&str],
        estate: BTreeMap<String, RepositoryFacts>,
        change: impl FnOnce(&mut Policy),
    ) -> Self {
        Self::build((Arc::new(tempfile::tempdir().unwrap()), 0), templates, estate, change, no_hooks()).await
    }

    pub async fn with_hooks(hooks: Hooks) -> Self {
        Self::build((Arc::new(tempfile::tempdir().unwrap()), 0), &[TEMPLATE], BTreeMap::new(), |_| {}, hooks)
            .await
    }

    /// The same ledger, opened again by an installation with other templates and hooks.
    pub async fn again_with(&self, templates: &[&str], hooks: Hooks) -> Self {
        self.context.ledger.close().await;
        let lives = self.lives + 1;
        Self::build((Arc::clone(&self.folder), lives), templates, BTreeMap::new(), |_| {}, hooks).await
    }

    /// An installation with rules of repositories, which make plans ask the provider.
    pub async fn with_rules(rules: &str) -> Self {
        let rules = RepositoryRules::parse("repositories.toml", rules).unwrap();
        Self::with(&[TEMPLATE], BTreeMap::new(), |policy| policy.repositories = rules).await
    }

    /// The same ledger, opened again by an installation whose template was edited in place.
    pub async fn with_edited_template(self) -> Self {
        self.context.ledger.close().await;
        let template = TEMPLATE.replace("Bump {{", "Raise {{");
        Self::build((Arc::clone(&self.folder), 0), &[&template], BTreeMap::new(), |_| {}, no_hooks()).await
    }

    /// A policy over these templates, as every test here has it.
    pub fn policy(templates: &[&str]) -> Policy {
        let file = |text: &&str| {
            let name = text.split('"').nth(1).unwrap();
            let version = text.split("version = ").nth(1).unwrap().split('\n').next().unwrap();
            (format!("{name}/{version}.toml"), (*text).to_owned())
        };
        let catalog = Catalog::load(templates.iter().map(file).collect());
        Policy {
            freezes: Arc::default(),
            schedules: Arc::default(),
            catalog: catalog.unwrap_or_else(|problems| panic!("{problems:#?}")),
            rules: Arc::new(rules()),
            allowed: vec!["acme/*".into()],
            identity: "bot".into(),
            people: sluicegate::policy::approval::People::default(),
            breaker: None,
            approval_counts: Millis::hours(72),
            identities: vec![sluicegate::policy::IdentityRule::new("bot")],
            models: sluicegate::policy::Models::default(),
            repositories: RepositoryRules::default(),
        }
    }

    async fn build(
        (folder, lives): (Arc<TempDir>, u64),
        templates: &[&str],
        estate: BTreeMap<String, RepositoryFacts>,
        change: impl FnOnce(&mut Policy),
        hooks: Hooks,
    ) -> Self {
        let mut policy = Self::policy(templates);
        change(&mut policy);
        let clock = Arc::new(ManualClock::new(Timestamp::parse("2026-11-20T10:00:00Z").unwrap()));
        let entropy = Arc::new(Entropy::from_seed(7 + lives));
        let rules = Arc::clone(&policy.rules);
        let ledger = open(folder.path(), &rules, &clock, &entropy).await;
        let commits = Mutex::new(ledger.feed());
        let lease = Millis::minutes(1);
        let newcomer = Newcomer { name: "test".into(), roles: Roles::all(), lease, alone: true };
        let life = resume::register(&ledger, clock.as_ref(), &entropy, newcomer).await.unwrap();
        let actor = Arc::new(Actor { asked: Semaphore::new(0), leave: Semaphore::new(0), estate });
        let tuning = Tuning::default();
        let ticking: Arc<dyn sluicegate::clock::Clock> = clock.clone();
        let context = Arc::new(Context {
            ledger,
            gate: Arc::new(MemoryGate::new(Arc::clone(&rules))),
            agent: actor.clone(),
            forge: actor.clone(),
            atlas: actor.clone(),
            sinks: Sinks::default(),
            clock: clock.clone(),
            entropy,
            policy,
            queues: Queues::new(&ticking, &tuning),
            tuning,
            fence: life.fence,
            life,
            news: Arc::new(Silence),
            history: History::default(),
            barrier: Barrier::default(),
            shutdown: CancellationToken::new(),
            tracker: Tracker::default(),
            specs: Specs::default(),
            closures: Closures::default(),
            freezes: Freezes::new(Arc::default()),
            tokens: Tokens::default(),
            certificate: sluicegate::pipeline::certificate::Certificate::default(),
            outbox: sluicegate::pipeline::outbox::Outbox::default(),
            hooks,
            nudges: Nudges::default(),
            sent: Sent::default(),
            apart: false.into(),
            meters: Meters::default(),
        });
        Self {
            router: router(Arc::clone(&context), TOKEN.into()),
            context,
            clock,
            actor,
            commits,
            folder,
            lives,
        }
    }

    /// Sends anything, with the token.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.send_as(TOKEN, method, path, headers, body).await
    }

    /// Sends anything, with a token of somebody.
    pub async fn send_as(
        &self,
        token: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.raw(request.body(Body::from(body.to_owned())).unwrap()).await;
        self.catch_up().await;
        answer
    }

    pub async fn raw(&self, request: Request<Body>) -> Answer {
        let (method, path) = (request.method().as_str().to_owned(), request.uri().path().to_owned());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        let answer = Answer { status: parts.status, headers: parts.headers, body };
        crate::contract::check(&method, &path, &answer);
        answer
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], &body.to_string()).await
    }

    pub async fn get_as(&self, token: &str, path: &str) -> Answer {
        self.send_as(token, "GET", path, &[], "").await
    }

    pub async fn post_as(&self, token: &str, path: &str, body: &Value) -> Answer {
        let json = [("content-type", "application/json")];
        self.send_as(token, "POST", path, &json, &body.to_string()).await
    }

    /// A new token of somebody, without end. `limits` are further fields.
    pub async fn token(&self, name: &str, roles: &[&str], limits: Value) -> String {
        let mut body =
            json!({ "name": name, "roles": roles, "expires_at": null, "actor": "olga", "beside": true });
        for (key, value) in limits.as_object().unwrap() {
            body[key] = value.clone();
        }
        let made = self.post("/v1/tokens", &body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
        made.body["token"].as_str().unwrap().to_owned()
    }

    /// Does what the feed of the daemon does.
    pub async fn catch_up(&self) {
        let mut commits = self.commits.lock().await;
        while let Ok(committed) = commits.try_recv() {
            feed::take_in(&self.context, &committed).await.unwrap();
        }
    }

    /// A request for these repositories; its id and the ids of its jobs in order.
    pub async fn submit(&self, repositories: &[&str], hold: bool) -> (String, Vec<JobId>) {
        let answer = self.post("/v1/requests", &request(repositories, hold)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        let id = answer.body["request"].as_str().unwrap().to_owned();
        let jobs = self.get(&format!("/v1/jobs?request={id}")).await.ok();
        let jobs = jobs["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().parse());
        (id, jobs.collect::<Result<_, _>>().unwrap())
    }

    pub async fn write(&self, command: Command) -> Reply {
        let reply = self.context.ledger.write(command).await.unwrap();
        self.catch_up().await;
        reply
    }

    pub async fn step(&self, job: JobId, event: Event) {
        let command = Command::Step {
            job,
            event,
            pull: None,
            failure: None,
            note: (event == Event::Quarantined).then(|| "out of scope: ci.yml: not allowed".to_owned()),
            due_at: None,
            warrant: Warrant::Free,
        };
        assert!(matches!(self.write(command).await, Reply::Done), "{event:?}");
    }

    /// Admits a job that fits.
    pub async fn admit(&self, job: JobId) -> Work {
        let context = &self.context;
        let attempt = sluicegate::job::AttemptId::new(context.now(), context.entropy.draw_wide());
        let command = Command::Admit { job, attempt, nonce: 1, fence: context.fence };
        match self.write(command).await {
            Reply::Admitted { attempt, job } => Work { job: *job, attempt: *attempt },
            reply => panic!("{reply:?}"),
        }
    }

    /// Brings a job to where its result is suspect.
    pub async fn quarantine(&self, job: JobId) {
        let attempt = self.admit(job).await.attempt.id;
        let fence = self.context.fence;
        let task = Box::new(task(&format!("task-of-{job}")));
        self.write(Command::Started { job, attempt, fence, task, found: false }).await;
        self.step(job, Event::Completed).await;
        self.step(job, Event::Quarantined).await;
    }
}

pub fn no_hooks() -> Hooks {
    Hooks::new(Vec::new(), Millis::hours(1))
}

async fn open(folder: &Path, rules: &Arc<Rules>, clock: &Arc<ManualClock>, entropy: &Arc<Entropy>) -> Ledger {
    let location = Location {
        url: format!("sqlite:{}", folder.join("ledger.db").display()),
        password: None,
        full_durability: false,
    };
    Ledger::open(&location, Arc::clone(rules), clock.clone(), Arc::clone(entropy)).await.unwrap()
}

pub fn request(repositories: &[&str], hold: bool) -> Value {
    json!({
        "template": "bump",
        "repositories": repositories,
        "requester": "carla",
        "inputs": { "package": "serde" },
        "hold": hold,
    })
}

pub fn by(actor: &str, reason: &str) -> Value {
    json!({ "actor": actor, "reason": reason })
}
