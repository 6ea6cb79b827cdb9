//! Schedules for people: how each stands, when it comes next, running it now, pausing and resuming it.

use serde::{Deserialize, Serialize};

use crate::{
    job::{id::RequestId, time::Timestamp},
    ledger::{
        By, Command, LedgerError, Reply, ScheduleChange,
        rows::{Became, ScheduleRow, ScheduleTurn},
    },
    pipeline::{context::Context, operate::OperateError, submit::SubmitError, view::Accepted},
    policy::{
        Code, Problem, Request,
        schedule::{CatchUp, Overlap, Schedule},
        text,
    },
};

/// The most times that are told ahead.
pub const NEXT_MAX: u32 = 1_000;

/// A schedule and how far it has been considered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleView {
    pub name: String,
    pub cron: String,
    pub zone: String,
    pub jitter_ms: u64,
    pub catch_up: CatchUp,
    pub overlap: Overlap,
    pub enabled: bool,
    pub owner: String,
    pub template: String,
    pub repositories: Vec<String>,
    /// None: not paused.
    pub paused: Option<PausedView>,
    /// None: it is paused, switched off, or was not begun yet.
    pub next: Option<NextView>,
    pub last_request: Option<RequestId>,
    /// The latest times with what became of each, oldest first.
    pub history: Vec<TurnView>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PausedView {
    pub at: Timestamp,
    pub by: String,
    pub reason: String,
}

/// A time to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextView {
    pub nominal: Timestamp,
    /// The clock on the wall of the schedule's zone.
    pub local: String,
    /// With the jitter: when it is acted on.
    pub due_at: Timestamp,
}

/// A time that has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnView {
    pub nominal: Timestamp,
    pub at: Timestamp,
    /// `taken`, `run`, `missed`, `skipped` or `refused`.
    pub became: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl From<ScheduleTurn> for TurnView {
    fn from(turn: ScheduleTurn) -> Self {
        let ScheduleTurn { nominal, at, became, request, why } = turn;
        Self { nominal, at, became: Became::as_str(became).to_owned(), request, why }
    }
}

fn next_view(schedule: &Schedule, nominal: Timestamp) -> NextView {
    let local = schedule.times.local(nominal);
    let local = local.map(|at| at.strftime("%Y-%m-%d %H:%M %:z").to_string()).unwrap_or_default();
    NextView { nominal, local, due_at: schedule.due_at(nominal) }
}

fn view(schedule: &Schedule, row: Option<ScheduleRow>) -> ScheduleView {
    let paused = row.as_ref().and_then(|row| {
        Some(PausedView {
            at: row.paused_at?,
            by: row.paused_by.clone().unwrap_or_default(),
            reason: row.paused_reason.clone().unwrap_or_default(),
        })
    });
    let begun = row.as_ref().filter(|_| schedule.enabled && paused.is_none());
    ScheduleView {
        name: schedule.name.clone(),
        cron: schedule.times.cron().to_owned(),
        zone: schedule.times.zone().to_owned(),
        jitter_ms: schedule.jitter.0,
        catch_up: schedule.catch_up,
        overlap: schedule.overlap,
        enabled: schedule.enabled,
        owner: schedule.owner.clone(),
        template: schedule.ask.template.clone(),
        repositories: schedule.ask.repositories.clone(),
        next: begun
            .and_then(|row| schedule.times.after(row.considered_at).next())
            .map(|nominal| next_view(schedule, nominal)),
        paused,
        last_request: row.as_ref().and_then(|row| row.last_request),
        history: row.iter().flat_map(ScheduleRow::history).map(TurnView::from).collect(),
    }
}

impl Context {
    /// Every schedule of the configuration.
    pub async fn schedule_views(&self) -> Result<Vec<ScheduleView>, LedgerError> {
        if self.policy.schedules.is_empty() {
            return Ok(Vec::new());
        }
        let mut rows = self.ledger.schedules().await?;
        let mut row = |name: &str| rows.extract_if(.., |row| row.name == name).next();
        Ok(self.policy.schedules.iter().map(|schedule| view(schedule, row(&schedule.name))).collect())
    }

    pub fn find_schedule(&self, name: &str) -> Option<&Schedule> {
        self.policy.schedules.iter().find(|schedule| schedule.name == name)
    }

    /// The next times after now, as if nobody paused it.
    pub fn next_times(&self, schedule: &Schedule, count: u32) -> Vec<NextView> {
        let count = usize::try_from(count.min(NEXT_MAX)).unwrap_or(1);
        schedule.times.after(self.now()).take(count).map(|nominal| next_view(schedule, nominal)).collect()
    }

    /// Hands in the request of a schedule now, with this moment as its nominal time. Whoever does this asks for it: that person
    /// neither approves nor reviews it.
    pub async fn run_schedule(&self, schedule: &Schedule, by: By) -> Result<Accepted, SubmitError> {
        if !text::is_login(&by.actor) {
            let problem =
                Problem::new(Code::BadRequest, "not a login, and whoever runs a schedule asks for its work");
            return Err(SubmitError::Invalid(vec![problem.at("actor").hint("write your GitHub login")]));
        }
        let now = self.now();
        let request = schedule.request(now).map(|request| Request {
            requester: by.actor.clone(),
            reason: Some(format!("schedule {}, run by hand: {}", schedule.name, by.reason)),
            idempotency_key: Some(format!("schedule/{}/run/{now}", schedule.name)),
            ..request
        });
        let request = request.and_then(Request::checked);
        let (request, jobs) = self.draft_for(request).await?.noting(by.through.as_deref())?.into_parts();
        let change = ScheduleChange::Run { request: Box::new(request), jobs };
        match self.ledger.write(Command::Schedule { name: schedule.name.clone(), change, by }).await? {
            Reply::Submitted { request, replayed } => Ok(Accepted::of(&request, replayed)),
            Reply::Conflict(why) => Err(SubmitError::Conflict(why)),
            reply => {
                Err(LedgerError::Corrupt(format!("a schedule was answered with {reply:?}").into()).into())
            }
        }
    }

    /// It comes no more until it is resumed.
    pub async fn pause_schedule(&self, schedule: &Schedule, by: By) -> Result<(), OperateError> {
        self.change_schedule(schedule, ScheduleChange::Pause, by).await
    }

    /// It comes again from now on; what has passed meanwhile is not made good.
    pub async fn resume_schedule(&self, schedule: &Schedule, by: By) -> Result<(), OperateError> {
        self.change_schedule(schedule, ScheduleChange::Resume, by).await?;
        self.queues.schedules.poke();
        Ok(())
    }

    async fn change_schedule(
        &self,
        schedule: &Schedule,
        change: ScheduleChange,
        by: By,
    ) -> Result<(), OperateError> {
        super::operate::done(
            self.ledger.write(Command::Schedule { name: schedule.name.clone(), change, by }).await?,
        )
    }
}
