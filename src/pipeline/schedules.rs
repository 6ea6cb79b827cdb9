//! Requests that come by the clock. The worker that has the house-keeping looks at every schedule; the ledger considers each
//! nominal time once, so that a second look, a second scheduler and a crash in between hand nothing in twice.

use std::sync::Arc;

use crate::{
    job::{id::RequestId, role::LeaseName, time::Timestamp},
    ledger::{
        By, Command, LedgerError, Reply, ScheduleChange,
        rows::{Became, ScheduleRow},
    },
    pipeline::{context::Context, submit::SubmitError},
    policy::{
        Problem, Request,
        schedule::{Overlap, Schedule},
        text,
    },
    telemetry::failpoint,
};

/// The most bytes of a refusal that are kept.
const WHY_BYTES_MAX: usize = 2_000;

/// One look at all of them.
pub async fn run(context: Arc<Context>) {
    if !context.may_schedule() {
        return;
    }
    if let Err(error) = look(&context).await {
        tracing::warn!(%error, "the schedules will be looked at again");
    }
}

async fn look(context: &Context) -> Result<(), LedgerError> {
    let rows = context.ledger.schedules().await?;
    for schedule in context.policy.schedules.iter() {
        let row = rows.iter().find(|row| row.name == schedule.name);
        match context.look_at(schedule, row).await {
            Ok(Some(next)) => context.queues.schedules.beat_at(next),
            Ok(None) => {}
            // The others must not wait for this one.
            Err(error) => {
                tracing::warn!(schedule = schedule.name, %error, "a schedule will be looked at again");
            }
        }
    }
    Ok(())
}

/// What became of one nominal time.
enum Step {
    Done,
    /// The provider must be asked first, and cannot be.
    Later(Timestamp),
}

impl Context {
    fn may_schedule(&self) -> bool {
        self.life.holds(&LeaseName::upkeep())
            && self.life.may_act(self.now())
            && !self.shutdown.is_cancelled()
    }

    async fn schedule(&self, schedule: &Schedule, change: ScheduleChange) -> Result<Reply, LedgerError> {
        let command = Command::Schedule { name: schedule.name.clone(), change, by: By::ourselves("") };
        let reply = self.ledger.write(command).await?;
        if let Reply::Stale(why) = &reply {
            tracing::info!(why, "a schedule was looked at too late");
        }
        Ok(reply)
    }

    /// Does what is due; gives when to look again.
    async fn look_at(
        &self,
        schedule: &Schedule,
        row: Option<&ScheduleRow>,
    ) -> Result<Option<Timestamp>, LedgerError> {
        let times = if schedule.enabled { schedule.times.to_string() } else { String::new() };
        let now = self.now();
        let Some(row) = row.filter(|row| row.times == times) else {
            self.schedule(schedule, ScheduleChange::Begin { times }).await?;
            return Ok(schedule.due(now, now).next.filter(|_| schedule.enabled));
        };
        if !schedule.enabled || row.paused_at.is_some() {
            return Ok(None);
        }
        let due = schedule.due(row.considered_at, now);
        if let Some((first, last)) = due.missed {
            let span = if first == last { last.to_string() } else { format!("{first} to {last}") };
            self.leave(schedule, last, Became::Missed, format!("nobody was there in time ({span})")).await?;
        }
        let mut before = row.last_request;
        for nominal in due.take {
            if !self.may_schedule() {
                return Ok(None);
            }
            if let Step::Later(until) = self.take(schedule, nominal, &mut before).await? {
                return Ok(Some(until));
            }
        }
        Ok(due.next)
    }

    async fn leave(
        &self,
        schedule: &Schedule,
        nominal: Timestamp,
        became: Became,
        why: String,
    ) -> Result<Step, LedgerError> {
        tracing::info!(schedule = schedule.name, %nominal, became = became.as_str(), why, "a time of a schedule is left out");
        let why = text::shorten(&why, WHY_BYTES_MAX);
        let owner = schedule.owner.clone();
        self.schedule(schedule, ScheduleChange::Leave { nominal, became, why, owner }).await?;
        Ok(Step::Done)
    }

    /// Hands in the request of a nominal time, or keeps why not. `before`: the newest request of the schedule.
    async fn take(
        &self,
        schedule: &Schedule,
        nominal: Timestamp,
        before: &mut Option<RequestId>,
    ) -> Result<Step, LedgerError> {
        failpoint::hit("schedule.due");
        if let (Overlap::Skip, Some(request)) = (schedule.overlap, *before)
            && !self.ledger.has_ended(request).await?
        {
            let why = format!("request {request} before it has not ended");
            return self.leave(schedule, nominal, Became::Skipped, why).await;
        }
        let draft = match self.draft_for(schedule.request(nominal)).await {
            Ok(draft) => draft,
            Err(SubmitError::Ledger(error)) => return Err(error),
            Err(SubmitError::Later { why, until }) => {
                tracing::warn!(schedule = schedule.name, %nominal, why, "a schedule waits for the provider");
                return Ok(Step::Later(until));
            }
            Err(refused) => return self.leave(schedule, nominal, Became::Refused, refused.to_string()).await,
        };
        failpoint::hit("schedule.drafted");
        let (request, jobs) = draft.into_parts();
        let replaces = before.filter(|_| schedule.overlap == Overlap::ReplaceWaiting);
        let change = ScheduleChange::Take { nominal, request: Box::new(request), jobs, replaces };
        match self.schedule(schedule, change).await? {
            Reply::Submitted { request, .. } => {
                *before = Some(request.id);
                tracing::info!(schedule = schedule.name, %nominal, request = %request.id, "handed in by a schedule");
            }
            Reply::Conflict(why) => {
                self.leave(schedule, nominal, Became::Refused, why).await?;
            }
            _ => {}
        }
        failpoint::hit("schedule.taken");
        Ok(Step::Done)
    }

    pub(super) async fn draft_for(
        &self,
        request: Result<Request, Problem>,
    ) -> Result<super::Draft, SubmitError> {
        let request = request.map_err(|problem| SubmitError::Invalid(vec![problem]))?;
        let facts = self.survey(&request).await?;
        self.draft(&request, &facts)
    }
}
