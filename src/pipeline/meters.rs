//! Everything that this process can tell in figures. What is its own is read from counters at each scrape; what is the whole
//! fleet's is asked of ledger and gate, and kept for a few seconds, so that nobody can wear them out by asking.

use std::{
    collections::BTreeSet,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{
    budget::{Key, Kind, Rules, Scope, Truth, key::GATE},
    job::{
        role::LeaseName,
        state::State,
        time::{Millis, Timestamp},
    },
    ledger::figures::Figures,
    pipeline::context::Context,
    telemetry::{
        denials,
        metrics::{self, Page, Tally, catalogue},
        traces::Tracer,
    },
    worker::Statistics,
};

/// How long the fleet's figures are shown again.
const FRESH: Millis = Millis::seconds(10);
/// How long ledger and gate may take to tell them.
const PATIENCE: Duration = Duration::from_secs(5);
/// Nano-credits of one AI credit.
const NANO: f64 = 1e9;

/// Route, method and status of an answered request.
type Answered = (String, String, u16);

/// What no other part counts by itself.
#[derive(Debug, Default)]
pub struct Meters {
    /// Jobs of which gate and ledger had different ideas, and that were set right.
    pub repairs: AtomicU64,
    /// Gates built anew.
    pub rebuilds: AtomicU64,
    pub http: Tally<Answered>,
    /// Deliveries by hook and what became of them.
    pub hooks: Tally<(String, &'static str)>,
    tracer: Option<Tracer>,
    steps: OnceLock<Statistics>,
    kept: tokio::sync::Mutex<Option<(Timestamp, Page)>>,
}

impl Meters {
    /// None: nobody wants traces.
    pub fn new(tracer: Option<Tracer>) -> Self {
        Self { tracer, ..Self::default() }
    }
    pub(super) const fn tracer(&self) -> Option<&Tracer> {
        self.tracer.as_ref()
    }
    /// Told once, when the steps are known.
    pub fn follow(&self, steps: Statistics) {
        drop(self.steps.set(steps));
    }
}

impl Context {
    /// A page of metrics. What cannot be asked is left out, and said to be.
    pub async fn metrics(&self) -> Page {
        let now = self.now();
        let mut page = self.fleet_page(now).await;
        self.ledger.meters(&mut page);
        self.gate.meters(&mut page);
        self.agent.meters(&mut page, now);
        self.own_meters(&mut page, now);
        metrics::process(&mut page);
        page
    }

    /// The fleet's figures, asked by one at a time.
    async fn fleet_page(&self, now: Timestamp) -> Page {
        let mut kept = self.meters.kept.lock().await;
        if let Some((at, page)) = kept.as_ref().filter(|(at, _)| now.since(*at) < FRESH && *at <= now) {
            tracing::trace!(%at, "the fleet's figures are shown again");
            return page.clone();
        }
        let mut page = Page::default();
        let up = match tokio::time::timeout(PATIENCE, self.ask_fleet(&mut page, now)).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the ledger could not be read for metrics");
                false
            }
            Err(_) => {
                tracing::warn!("the ledger took longer than {} s for metrics", PATIENCE.as_secs());
                false
            }
        };
        page.count(&catalogue::LEDGER_UP, &[], u64::from(up));
        *kept = Some((now, page.clone()));
        page
    }

    async fn ask_fleet(&self, page: &mut Page, now: Timestamp) -> Result<(), crate::ledger::LedgerError> {
        let budgets = self.shown_budgets();
        let keys: Vec<Key> = budgets.iter().map(|shown| shown.key.clone()).collect();
        let figures = self.ledger.fleet_figures(&keys, self.policy.breaker.is_some(), now).await?;
        for state in State::ALL {
            page.count(&catalogue::JOBS, &[state.as_str()], jobs_in(&figures, state));
        }
        page.count(&catalogue::DEAD_LETTERS, &[], figures.dead_letters);
        page.count(&catalogue::OUTBOX, &[], figures.outbox);
        let age = figures.oldest_notice.map_or(Millis(0), |at| now.since(at));
        page.put(&catalogue::OUTBOX_AGE, &[], seconds(age));
        self.waiting_by_sink(page, &figures, now);
        if !self.hooks.is_empty() {
            let (waiting, oldest, trouble) = self.ledger.delivery_figures().await?;
            page.count(&catalogue::DELIVERIES_WAITING, &[], waiting);
            let age = oldest.map_or(Millis(0), |at| now.since(at));
            page.put(&catalogue::DELIVERIES_AGE, &[], seconds(age));
            page.count(&catalogue::DELIVERIES_TROUBLE, &[], trouble);
        }
        page.count(&catalogue::WORKERS, &[], figures.workers);
        for (state, number) in &figures.breakers {
            page.count(&catalogue::BREAKERS, &[state.as_str()], *number);
        }
        for shown in &budgets {
            shown.put(page, figures.budgets.iter().find(|truth| truth.key == shown.key), &self.policy.rules);
        }
        self.waits(page, &figures).await;
        Ok(())
    }

    /// Only configured receivers have a name here: there are never more of them than somebody has written.
    fn waiting_by_sink(&self, page: &mut Page, figures: &Figures, now: Timestamp) {
        let (known, others): (Vec<_>, Vec<_>) =
            figures.sinks.iter().partition(|waiting| self.sinks.get(&waiting.sink).is_some());
        for name in self.sinks.names() {
            let waiting = known.iter().find(|waiting| waiting.sink == name);
            page.count(&catalogue::SINK_WAITING, &[name], waiting.map_or(0, |waiting| waiting.number));
            let age = waiting.map_or(Millis(0), |waiting| now.since(waiting.due_at));
            page.put(&catalogue::SINK_AGE, &[name], seconds(age));
        }
        let number = others.iter().fold(0_u64, |sum, waiting| sum.saturating_add(waiting.number));
        page.count(&catalogue::SINK_WAITING, &["other"], number);
    }

    /// By the words of `sluice why`.
    async fn waits(&self, page: &mut Page, figures: &Figures) {
        for (state, reason) in [
            (State::Held, "held"),
            (State::StartUnknown, "lost_start"),
            (State::WaitingForUser, "person"),
            (State::InReview, "review"),
            (State::Quarantined, "quarantine"),
        ] {
            page.count(&catalogue::WAITING, &[reason, ""], jobs_in(figures, state));
        }
        let asked = match self.barrier.reason() {
            Some(_) => None,
            None => self.gate.counts().await.ok().zip(self.gate.held_up().await.ok()),
        };
        let Some((counts, held_up)) = asked else {
            return page.count(&catalogue::WAITING, &["gate", ""], jobs_in(figures, State::Queued));
        };
        let parked = held_up.values().fold(0, |sum: u64, jobs| sum.saturating_add(*jobs));
        page.count(&catalogue::WAITING, &["turn", ""], counts.waiting.saturating_sub(parked));
        page.count(&catalogue::WAITING, &["time", ""], counts.timed_jobs);
        page.count(&catalogue::WAITING, &["ledger", ""], counts.proposed);
        for (name, jobs) in held_up {
            let reason = if name == GATE { "closed" } else { "budget" };
            page.count(&catalogue::WAITING, &[reason, &name], jobs);
        }
    }

    /// What only this process knows.
    fn own_meters(&self, page: &mut Page, now: Timestamp) {
        page.count(&catalogue::BUILD, &[env!("CARGO_PKG_VERSION")], 1);
        page.count(&catalogue::REPAIRS, &[], self.meters.repairs.load(Ordering::Relaxed));
        page.count(&catalogue::REBUILDS, &[], self.meters.rebuilds.load(Ordering::Relaxed));
        page.count(&catalogue::GATE_OPEN, &[], u64::from(self.barrier.reason().is_none()));
        page.put(&catalogue::LEASE_LEFT, &[], seconds(self.life.lease_left(now)));
        page.count(&catalogue::KILL_SWITCH, &[], u64::from(self.closures.kill_switch().is_some()));
        for (scope, number) in self.closures.by_scope(now) {
            page.count(&catalogue::GATES_CLOSED, &[scope.as_str()], number);
        }
        for step in self.meters.steps.get().map(Statistics::steps).unwrap_or_default() {
            page.count(&catalogue::STEP_HANDLED, &[step.name], step.handled);
            page.count(&catalogue::STEP_PANICS, &[step.name], step.panicked);
            page.count(&catalogue::STEP_RUNNING, &[step.name], step.in_flight as u64);
        }
        for (identity, tasks) in self.tracker.by_identity() {
            page.count(&catalogue::TRACKED, &[&identity], tasks);
            if self.life.holds(&LeaseName::track(&identity)) {
                let last = self.tracker.sweep_times(&identity).last;
                let since = last.or_else(|| self.tracker.oldest_start(&identity)).unwrap_or(now);
                page.put(&catalogue::TRACKING_AGE, &[&identity], seconds(now.since(since)));
            }
        }
        if let Some(tracer) = self.meters.tracer() {
            tracer.meters(page);
        }
        for ((route, method, status), count) in self.meters.http.read() {
            page.count(&catalogue::HTTP, &[&route, &method, &status.to_string()], count);
        }
        for ((hook, result), count) in self.meters.hooks.read() {
            page.count(&catalogue::HOOKS, &[&hook, result], count);
        }
        if let Some((_, ends)) = self.certificate.end() {
            page.put(&catalogue::CERTIFICATE_ENDS, &[], seconds(ends.since(Timestamp(0))));
        }
        for (reason, count) in denials::counts() {
            page.count(&catalogue::DENIALS, &[reason], count);
        }
    }

    /// The budgets of which the number is bounded by the configuration: never those of repositories, requests, or owners.
    fn shown_budgets(&self) -> Vec<Shown> {
        let policy = &self.policy;
        let rules = policy.rules.budgets.iter();
        let mut shown: Vec<Shown> = rules
            .flat_map(|rule| {
                self.known_values(rule.per).into_iter().map(|value| Shown {
                    key: Key::scoped(&rule.name, rule.per, &value),
                    name: rule.name.clone(),
                    kind: kind(rule.kind),
                    scope: rule.per.as_str().to_owned(),
                    value,
                })
            })
            .filter(|shown| policy.rules.limit(&shown.key).is_some())
            .collect();
        shown.extend(policy.rules.pools.values().flat_map(|pool| {
            pool.members.iter().map(|member| Shown {
                key: Key::member(&pool.name, &member.login),
                name: "pool".to_owned(),
                kind: "pool",
                scope: pool.name.clone(),
                value: member.login.clone(),
            })
        }));
        shown.sort_by(|one, other| one.key.cmp(&other.key));
        shown.dedup_by(|one, other| one.key == other.key);
        shown
    }

    /// What the configuration knows of a scope.
    fn known_values(&self, scope: Scope) -> BTreeSet<String> {
        let policy = &self.policy;
        let templates = policy.catalog.iter();
        match scope {
            Scope::Global => BTreeSet::from([String::new()]),
            Scope::Team => templates.map(|template| template.team.clone()).collect(),
            Scope::Template => templates.map(|template| template.name.clone()).collect(),
            Scope::Identity => policy.identities.iter().map(|identity| identity.name.clone()).collect(),
            Scope::Model => {
                let routes = policy.models.routes.iter().map(|route| route.model.clone());
                templates.filter_map(|template| template.model.clone()).chain(routes).collect()
            }
            Scope::Organisation | Scope::Request | Scope::Repository => BTreeSet::new(),
        }
    }
}

/// A budget that is shown.
struct Shown {
    key: Key,
    name: String,
    kind: &'static str,
    scope: String,
    value: String,
}

impl Shown {
    /// One without a row was never used.
    #[expect(clippy::cast_precision_loss, reason = "a figure for charts")]
    fn put(&self, page: &mut Page, truth: Option<&Truth>, rules: &Rules) {
        let unit = if self.kind == "spend" { NANO } else { 1.0 };
        let labels = [self.name.as_str(), self.kind, &self.scope, &self.value];
        let used = truth.map_or(0, |truth| truth.used.get());
        page.put(&catalogue::BUDGET_USED, &labels, used as f64 / unit);
        let limit = truth.map_or_else(|| rules.limit(&self.key), |truth| truth.limit);
        if let Some(limit) = limit {
            page.put(&catalogue::BUDGET_LIMIT, &labels, limit.get() as f64 / unit);
        }
    }
}

const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Slots => "slots",
        Kind::Change => "change",
        Kind::Window => "window",
        Kind::Spend => "spend",
        Kind::Count => "count",
    }
}

fn jobs_in(figures: &Figures, state: State) -> u64 {
    let found = figures.jobs.iter().find(|count| count.state == state);
    found.and_then(|count| u64::try_from(count.jobs).ok()).unwrap_or_default()
}

fn seconds(span: Millis) -> f64 {
    span.duration().as_secs_f64()
}
