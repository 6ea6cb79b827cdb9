//! The pipeline against the stand-in for GitHub over real HTTP, from request to end.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test may stop at the first surprise"
)]

use std::{sync::Arc, time::Duration};

use sluicegate::{
    agent::github::{GitHub, GitHubOptions, Identity},
    boot::{Daemon, Parts},
    budget::{Amount, BudgetRule, Kind, Member, Period, Pool, Rules, Scope},
    clock::{Entropy, SystemClock},
    gate::memory::MemoryGate,
    job::{State, cadence::CadenceRule, time::Millis},
    ledger::{Location, query::JobFilter},
    notify::LogSink,
    pipeline::{Policy, Tuning},
    policy::{Catalog, Request},
    simulator::{self, Options},
};

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
        budgets: vec![slots(Scope::Global, 3), slots(Scope::Repository, 1)],
        pools: [("reviewers".to_owned(), pool)].into(),
    }
}

const TEMPLATE: &str = r#"
name = "bump"
version = 1
summary = "Bump a dependency"
owner = "platform"
team = "platform"
repositories = ["acme/*"]
labels = ["agent"]
reviewers = "reviewers"
model = "gpt-5.4"
pull_request = true
estimate_credits = 100
prompt = "Bump {{ inputs.package | data }} in {{ repository.full_name }}."
[inputs]
type = "object"
required = ["package"]
[inputs.properties.package]
type = "string"
[scope]
may_change = ["**"]
[retry]
max_attempts = 3
base_ms = 200
max_ms = 1000
on = ["infrastructure", "rate_limited"]
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twelve_repositories_come_to_their_ends() {
    let folder = tempfile::tempdir().unwrap();
    let port_file = folder.path().join("port");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let options = Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        scenario: Some("config/scenarios/demo.toml".into()),
        seed: Some(1),
        port_file: Some(port_file.clone()),
    };
    let simulator = tokio::spawn(simulator::serve(options, async move { drop(stopped.await) }));
    let base_url = loop {
        if let Ok(url) = tokio::fs::read_to_string(&port_file).await {
            break url.trim().to_owned();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let clock = Arc::new(SystemClock);
    let github = Arc::new(
        GitHub::new(
            GitHubOptions {
                base_url,
                identities: vec![Identity { name: "bot".into(), token: "sim-token".to_owned().into() }],
                min_write_gap_ms: 0,
                ..GitHubOptions::default()
            },
            clock.clone(),
        )
        .unwrap(),
    );
    let rules = Arc::new(rules());
    let parts = Parts {
        location: Location {
            url: format!("sqlite:{}", folder.path().join("ledger.db").display()),
            password: None,
            full_durability: true,
        },
        policy: Policy {
            catalog: Catalog::load(vec![("bump/1.toml".into(), TEMPLATE.into())]).expect("template"),
            rules: rules.clone(),
            allowed: vec!["acme/*".into()],
            identity: "bot".into(),
            default_model: None,
        },
        tuning: Tuning {
            cadence: CadenceRule {
                running_ms: 200,
                waiting_ms: 300,
                review_ms: 300,
                ..CadenceRule::default()
            },
            look_up_window: Millis::seconds(5),
            sweep: Millis(500),
            ..Tuning::default()
        },
        gate: Arc::new(MemoryGate::new(rules)),
        agent: github.clone(),
        forge: github,
        sink: Arc::new(LogSink),
        clock,
        entropy: Arc::new(Entropy::from_seed(1)),
        name: "test".into(),
        drain: Millis::seconds(5),
    };
    let daemon = Daemon::start(parts).await.unwrap();
    let names = [
        "api", "web", "billing", "search", "auth", "mobile", "docs", "infra", "ledger", "mailer", "reports",
        "gateway",
    ];
    let request = Request::parse_json(
        serde_json::json!({
            "template": "bump", "requester": "carla", "inputs": {"package": "serde"},
            "repositories": names.map(|name| format!("acme/{name}")),
        })
        .to_string()
        .as_bytes(),
    )
    .unwrap();
    let accepted = daemon.context.submit(request).await.unwrap();
    let mut last = String::new();
    for _ in 0..600 {
        let jobs = daemon
            .context
            .list_jobs(&JobFilter { request: Some(accepted.request), ..JobFilter::default() })
            .await
            .unwrap();
        let line = jobs
            .iter()
            .map(|job| {
                format!(
                    "{}={} [{}]",
                    job.repository.name(),
                    job.state,
                    job.wait.as_ref().map(|w| w.text.as_str()).unwrap_or("")
                )
            })
            .collect::<Vec<_>>()
            .join("\n  ");
        if line != last {
            println!("{}\n  {line}", sluicegate::clock::Clock::now(&SystemClock));
            last = line;
        }
        if jobs.iter().all(|job| job.state.is_terminal()) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let jobs = daemon.context.list_jobs(&JobFilter::default()).await.unwrap();
    let count = |state| jobs.iter().filter(|job| job.state == state).count();
    println!("{:?}", daemon.context.ledger.broken_invariants().await.unwrap());
    assert_eq!((count(State::Succeeded), count(State::Rejected), count(State::Dead)), (9, 1, 2));
    assert!(daemon.context.ledger.broken_invariants().await.unwrap().is_empty());
    daemon.stop().await.unwrap();
    drop(stop);
    simulator.await.unwrap().unwrap();
}
