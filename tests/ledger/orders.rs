//! What the scenarios ask for and what they see: requests, budgets and tasks of a small world. It must not touch a ledger.

use std::collections::BTreeMap;

use sluicegate::{
    budget::{Amount, BudgetRule, Kind, Member, Period, Pool, Rules, Scope},
    job::{Millis, RemoteState, Session, Task, TaskId, Timestamp, remote::Usage},
    ledger::rows::AttemptRow,
    policy::{
        Decision, breaker,
        waves::{Rule, Waves},
    },
};

pub const HOUR: Millis = Millis::hours(1);
pub const START: &str = "2026-11-20T10:00:00Z";

/// What is asked for; the rest is the same for all.
#[derive(Clone, Debug)]
pub struct Order {
    pub key: Option<&'static str>,
    pub body: &'static str,
    pub template: &'static str,
    pub template_digest: &'static str,
    pub requester: &'static str,
    pub pool: Option<&'static str>,
    pub estimate: u32,
    pub repositories: Vec<String>,
    /// How it is widened, as TOML; the jobs are put into the waves in their order.
    pub waves: Option<&'static str>,
    /// Of the first job: what policy found.
    pub found: Option<Decision>,
    pub hold: bool,
    pub breaker: Option<breaker::Rule>,
}

/// An order for these repositories of `acme`, reviewed by nobody and free of charge.
pub fn order(names: &[&str]) -> Order {
    Order {
        key: None,
        body: "body",
        template: "upgrade",
        template_digest: "digest",
        requester: "olga",
        pool: None,
        estimate: 0,
        repositories: names.iter().map(|name| format!("acme/{name}")).collect(),
        waves: None,
        found: None,
        hold: false,
        breaker: None,
    }
}

/// The same, reviewed by a person, and 10 credits a try.
pub fn reviewed(names: &[&str]) -> Order {
    Order { pool: Some("reviewers"), estimate: 10, ..order(names) }
}

fn budget(name: &str, kind: Kind, per: Scope, limit: u32, period: Period) -> BudgetRule {
    BudgetRule { name: name.into(), kind, per, matching: None, limit: Amount::from(limit), period }
}

/// Three agents at once, one per repository; four changes under way; ten starts an hour; a hundred credits a
/// day; ana and ben review two each, and zoe is away for an hour.
pub fn rules() -> Rules {
    let from = Timestamp::parse(START).unwrap();
    let member = |login: &str, away| Member { login: login.into(), limit: Amount::from(2), away };
    let pool = Pool {
        name: "reviewers".into(),
        members: vec![
            member("ana", Vec::new()),
            member("ben", Vec::new()),
            member("zoe", vec![(from, from.plus(HOUR))]),
        ],
    };
    Rules {
        budgets: vec![
            budget("slots", Kind::Slots, Scope::Global, 3, Period::Lifetime),
            budget("slots", Kind::Slots, Scope::Repository, 1, Period::Lifetime),
            budget("unproven", Kind::Change, Scope::Template, 4, Period::Lifetime),
            budget("starts", Kind::Window, Scope::Global, 10, Period::Rolling(HOUR)),
            budget("credits", Kind::Spend, Scope::Team, 100, Period::Day),
        ],
        pools: BTreeMap::from([("reviewers".to_owned(), pool)]),
    }
}

/// The attempt's task as it is seen.
pub fn task(attempt: &AttemptRow, state: RemoteState) -> Task {
    Task {
        id: TaskId(format!("task-of-{}", attempt.id)),
        state,
        name: None,
        html_url: Some("https://example.test/task".into()),
        created_at: attempt.intent_at,
        updated_at: None,
        session_count: Some(1),
        artifacts: Vec::new(),
        sessions: None,
    }
}

pub fn costly(mut task: Task, credits: u64) -> Task {
    let session = Session {
        id: "session".into(),
        state: task.state.clone(),
        prompt: None,
        model: Some("model-1".into()),
        head_ref: Some("agent/fix".into()),
        base_ref: Some("main".into()),
        usage: Some(Usage::AiNanoCredits(credits)),
        error: None,
    };
    task.sessions = Some(vec![session]);
    task
}

impl Order {
    /// The waves of the order's jobs.
    pub fn waves(&self) -> Option<Waves> {
        let rule: Rule = toml::from_str(self.waves?).unwrap();
        let jobs = rule.cut(self.repositories.len());
        Some(Waves { rule, seed: 7, jobs })
    }
}
