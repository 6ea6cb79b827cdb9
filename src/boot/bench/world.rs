//! The small world that benchmarks run in: a template, a stand-in without latency, the client over a transport without sockets.

use std::sync::Arc;

use async_trait::async_trait;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use crate::{
    agent::github::{GitHub, GitHubOptions, Identity, Transport, TransportError},
    boot::Parts,
    budget::{Amount, BudgetRule, Kind, Period, Rules, Scope},
    clock::{Clock, Entropy},
    gate::memory::MemoryGate,
    job::{cadence::CadenceRule, role::Roles, time::Millis},
    ledger::Location,
    news::Silence,
    notify::Sinks,
    pipeline::{Policy, Tuning, hooks::Hooks},
    policy::{Catalog, Models, RepositoryRules, Request},
    simulator::{Scenario, SimClock, Simulator},
};

const TEMPLATE: &str = r#"
name = "bench"
version = 1
summary = "A task that ends at once"
owner = "bench"
team = "bench"
repositories = ["bench/*"]
model = "gpt-5.4"
pull_request = false
estimate_credits = 1
prompt = "Touch {{ repository.full_name }}."
[scope]
may_change = ["**"]
"#;

/// Calls the stand-in's router in this process.
pub struct RouterTransport(pub axum::Router);

#[async_trait]
impl Transport for RouterTransport {
    async fn send(&self, request: http::Request<Vec<u8>>) -> Result<http::Response<Vec<u8>>, TransportError> {
        let failed = |message: String| TransportError { sent: true, message };
        let (parts, body) = request.into_parts();
        let request = http::Request::from_parts(parts, axum::body::Body::from(body));
        let answer = self.0.clone().oneshot(request).await.map_err(|error| failed(error.to_string()))?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.map_err(|error| failed(error.to_string()))?.to_bytes().to_vec();
        Ok(http::Response::from_parts(parts, body))
    }
}

/// A budget of everything in a scope, for ever.
pub fn budget(name: &str, kind: Kind, per: Scope, limit: u64) -> BudgetRule {
    BudgetRule {
        name: name.to_owned(),
        kind,
        per,
        matching: None,
        limit: Amount::new(limit).unwrap_or(Amount::MAX),
        period: Period::Lifetime,
    }
}

/// Four budgets a job, wide enough that many run at once.
pub fn rules(slots: u32) -> Rules {
    Rules {
        budgets: vec![
            budget("slots", Kind::Slots, Scope::Global, u64::from(slots)),
            budget("slots", Kind::Slots, Scope::Organisation, u64::from(slots)),
            budget("slots", Kind::Slots, Scope::Repository, 1),
            budget("credits", Kind::Spend, Scope::Template, Amount::MAX.get()),
        ],
        pools: std::collections::BTreeMap::new(),
        ..Rules::default()
    }
}

/// A worker's parts over the stand-in.
pub fn parts(
    scenario: &str,
    sim_clock: SimClock,
    clock: Arc<dyn Clock>,
    folder: &std::path::Path,
    slots: u32,
    cadence: CadenceRule,
) -> anyhow::Result<(Parts, Arc<GitHub>)> {
    let simulator = Simulator::new(Scenario::from_toml(scenario, "bench")?, sim_clock);
    let options = GitHubOptions {
        base_url: "http://simulator.invalid".to_owned(),
        identities: vec![Identity { name: "bench".to_owned(), token: "bench-token".to_owned().into() }],
        min_write_gap_ms: 0,
        use_etags: false,
        ..GitHubOptions::default()
    };
    let transport = Arc::new(RouterTransport(simulator.router()));
    let github = Arc::new(GitHub::with_transport(options, Arc::clone(&clock), transport)?);
    let rules = Arc::new(rules(slots));
    let catalog = Catalog::load(vec![("bench/1.toml".to_owned(), TEMPLATE.to_owned())])
        .map_err(|problems| anyhow::anyhow!("the bench template: {problems:?}"))?;
    let parts = Parts {
        location: Location {
            url: format!("sqlite:{}", folder.join("ledger.db").display()),
            password: None,
            full_durability: true,
        },
        fleet: false,
        roles: Roles::all(),
        news: Arc::new(Silence),
        policy: Policy {
            freezes: Arc::default(),
            schedules: Arc::default(),
            catalog,
            rules: Arc::clone(&rules),
            allowed: vec!["bench/*".to_owned()],
            identities: vec![crate::policy::IdentityRule::new("bench")],
            identity: "bench".to_owned(),
            people: crate::policy::approval::People::default(),
            breaker: None,
            approval_counts: Millis::hours(72),
            models: Models::default(),
            repositories: RepositoryRules::default(),
        },
        tuning: Tuning {
            cadence,
            admit_batch: 512,
            starts_in_flight: 512,
            sweep: Millis::seconds(5),
            ..Tuning::default()
        },
        gate: Arc::new(MemoryGate::new(rules)),
        agent: Arc::<GitHub>::clone(&github),
        forge: Arc::<GitHub>::clone(&github),
        atlas: Arc::<GitHub>::clone(&github),
        sinks: Sinks::default(),
        clock,
        entropy: Arc::new(Entropy::from_seed(7)),
        hooks: Hooks::new(Vec::new(), Millis::hours(1)),
        name: "bench".to_owned(),
        tracer: None,
        drain: Millis::seconds(10),
    };
    Ok((parts, github))
}

/// A request for so many repositories, numbered from `first`.
pub fn request(first: usize, jobs: usize) -> Request {
    Request {
        template: "bench".to_owned(),
        repositories: (first..first.saturating_add(jobs)).map(|n| format!("bench/r{n}")).collect(),
        inputs: serde_json::Map::new(),
        requester: "bench".to_owned(),
        team: None,
        reason: None,
        priority: None,
        idempotency_key: None,
        deadline_minutes: None,
        hold: false,
        waves: None,
        model: None,
        model_reason: None,
    }
}
