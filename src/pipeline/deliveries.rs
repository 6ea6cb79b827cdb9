//! Going through deliveries that are kept: the jobs that one is about are looked at soon, and the request that the mapping makes
//! of it is handed in like any other. Everything that it brings is written in one transaction with its end, so that a crash, or
//! a second worker, does nothing twice.

use std::sync::Arc;

use crate::{
    job::{
        id::{DeliveryId, JobId, RequestId},
        state::State,
        time::{Millis, Timestamp},
    },
    ledger::{
        By, Command, DeliveryChange, LedgerError, Reply,
        rows::{DeliveryRow, DeliveryState, JobRow},
    },
    pipeline::{context::Context, delivery_acts::DeliveryFilter, hooks::reason, submit::SubmitError},
    policy::{
        hook::{self, Delivery, Hook, Kind, Mapped, Outcome, signature},
        waves::By as ProvenBy,
    },
    telemetry::failpoint,
};

/// Before a try that failed is made again.
const SOON: Millis = Millis::seconds(2);
/// One that was found lying is left alone by others for so long.
const HANDS_OFF: Millis = Millis::seconds(30);
/// One that was begun so often without coming to an end is given up: it may be what ends workers.
const TRIES_MAX: i64 = 5;
/// Found lying in one look.
const LYING_MAX: i64 = 200;
/// Removed in one step, and steps in one look.
const PRUNED: (i64, usize) = (500, 10);

/// Goes through one delivery.
pub async fn run(context: Arc<Context>, id: DeliveryId) {
    let again = match context.go_through(id).await {
        Ok(again) => again,
        Err(error) => {
            tracing::warn!(delivery = %id, %error, "a delivery will be gone through again");
            Some(context.now().plus(SOON))
        }
    };
    if let Some(at) = again {
        context.queues.deliveries.push(id, at, id);
    }
}

/// Jobs that a delivery is about, with their requests.
type Concerns = Vec<(JobId, RequestId)>;

/// What became of an earlier delivery with the same key, and so of this one.
struct Before {
    state: DeliveryState,
    why: String,
    request: Option<RequestId>,
}

impl Context {
    /// Looks for deliveries that nobody has gone on with, and lets go of old ones. Without hooks it is looked once in a while
    /// whether any are left of earlier ones.
    pub(super) async fn keep_deliveries(&self) -> Result<(), LedgerError> {
        let now = self.now();
        let prunes = self.hooks.may_prune(now);
        if self.hooks.is_empty() && !(prunes && self.has_deliveries().await?) {
            return Ok(());
        }
        if prunes {
            self.prune_deliveries(now).await?;
        }
        for row in self.ledger.deliveries_lying(now, LYING_MAX).await? {
            // It stands in our line, or somebody here is at it: nobody has left it lying.
            if self.queues.deliveries.knows(&row.id) {
                continue;
            }
            if row.attempts >= TRIES_MAX {
                let why = format!(
                    "begun {} times without coming to an end, or its hook is not in the configuration any more",
                    row.attempts
                );
                self.end(&row, DeliveryState::Unmapped, &why, None, Concerns::new()).await?;
                continue;
            }
            let change = DeliveryChange::Postpone { until: now.plus(HANDS_OFF), why: None, again: true };
            let mine = !self.change_delivery(row.id, change).await?.is_stale();
            if mine && self.hooks.door(&row.hook).is_some() {
                self.queues.deliveries.push(row.id, now, row.id);
            }
        }
        Ok(())
    }

    async fn has_deliveries(&self) -> Result<bool, LedgerError> {
        let one = DeliveryFilter { limit: 1, ..DeliveryFilter::default() };
        Ok(!self.ledger.deliveries(&one).await?.is_empty())
    }

    async fn prune_deliveries(&self, now: Timestamp) -> Result<(), LedgerError> {
        let before = now.minus(self.hooks.keep);
        let (step, steps) = PRUNED;
        for _ in 0..steps {
            let gone = self.ledger.prune_deliveries(before, step).await?;
            if gone > 0 {
                tracing::info!(deliveries = gone, %before, "old deliveries were removed");
            }
            if i64::try_from(gone).is_ok_and(|gone| gone < step) {
                return Ok(());
            }
        }
        self.hooks.prune_again();
        Ok(())
    }

    async fn change_delivery(&self, id: DeliveryId, change: DeliveryChange) -> Result<Reply, LedgerError> {
        self.ledger.write(Command::Delivery { id, change, by: By::ourselves("") }).await
    }

    /// Some: to be gone through again then.
    async fn go_through(&self, id: DeliveryId) -> Result<Option<Timestamp>, LedgerError> {
        let Some(row) = self.ledger.delivery(id).await?.filter(|row| row.state == DeliveryState::Received)
        else {
            return Ok(None);
        };
        let Some(door) = self.hooks.door(&row.hook) else { return Ok(None) };
        let kept = self.ledger.payload(id).await?.map(|kept| kept.payload_json).unwrap_or_default();
        let payload = match signature::read(door.hook.kind, kept.as_bytes()) {
            Ok(payload) => payload,
            Err(problem) => {
                let why = problem.to_string();
                return self.end(&row, DeliveryState::Unmapped, &why, None, Concerns::new()).await;
            }
        };
        let jobs = self.concerned(&door.hook, &row, &payload).await?;
        let now = self.now();
        let ids: Vec<JobId> = jobs.iter().map(|job| job.id).collect();
        let claimed = match self.hooks.claim(&ids, id.made_at(), now) {
            Ok(claimed) => claimed,
            Err(at) => return Ok(Some(at)),
        };
        let told = |job: &&JobRow| claimed.contains(&job.id);
        let concerns: Concerns = jobs.iter().filter(told).map(|job| (job.id, job.request_id)).collect();
        let delivery = Delivery { id: &row.sender_id, event: &row.event };
        let done = match hook::map(&door.hook, delivery, &payload) {
            Outcome::Request(mapped) => self.hand_in(&door.hook, &row, *mapped, concerns).await,
            Outcome::Unmapped { rule, problem } => {
                let why = format!("{rule}: {problem}");
                self.end(&row, DeliveryState::Unmapped, &why, None, concerns).await
            }
            Outcome::Ignored { .. } if !jobs.is_empty() => {
                self.end(&row, DeliveryState::Done, &looked_at(jobs.len()), None, concerns).await
            }
            Outcome::Ignored { reason } => {
                self.end(&row, DeliveryState::Ignored, &reason, None, concerns).await
            }
        };
        if !matches!(done, Ok(None)) {
            self.hooks.give_back(&claimed);
        }
        done
    }

    /// The jobs that an event of GitHub is about, as far as a look at them can find anything.
    async fn concerned(
        &self,
        hook: &Hook,
        row: &DeliveryRow,
        payload: &serde_json::Value,
    ) -> Result<Vec<JobRow>, LedgerError> {
        let concern = if hook.kind == Kind::Github { hook::concern(&row.event, payload) } else { None };
        let Some(concern) = concern else { return Ok(Vec::new()) };
        let mut jobs = self.ledger.jobs_about(&concern).await?;
        if matches!(row.event.as_str(), "check_run" | "check_suite" | "status" | "workflow_run") {
            let specs = self.specs_of(&jobs).await?;
            // Nobody else waits for checks once the pull request is under review.
            let waits = |job: &JobRow| {
                let waves = specs.get(&job.request_id).and_then(|shared| shared.spec.waves.as_ref());
                waves.is_some_and(|waves| waves.rule.proven.by == ProvenBy::Green)
            };
            jobs.retain(|job| job.state != State::InReview || waits(job));
        }
        Ok(jobs)
    }

    /// Ends a delivery without a new request.
    async fn end(
        &self,
        row: &DeliveryRow,
        state: DeliveryState,
        why: &str,
        request: Option<RequestId>,
        concerns: Concerns,
    ) -> Result<Option<Timestamp>, LedgerError> {
        let change = DeliveryChange::End { state, reason: reason(why), request, concerns };
        if self.change_delivery(row.id, change).await?.is_stale() {
            return Ok(None);
        }
        self.meters.hooks.add((row.hook.clone(), state.as_str()), 1);
        if state.is_trouble() {
            tracing::warn!(delivery = %row.id, hook = row.hook, event = row.event, state = state.as_str(), why, "a delivery needs a person");
        }
        Ok(None)
    }

    /// The request that has this key, and what that means: deliveries with the same key are one request, and one that asks for
    /// something else needs another key.
    async fn made_before(
        &self,
        row: &DeliveryRow,
        key: &str,
        digest: &str,
    ) -> Result<Option<Before>, LedgerError> {
        let Some(known) = self.ledger.request_by_idempotency_key(key).await? else { return Ok(None) };
        let id = known.id;
        let (state, why) = if known.body_digest == digest {
            (DeliveryState::Done, format!("request {id} was made of this before, by the same key"))
        } else {
            let why = format!(
                "request {id} has the same key and asks for something else, so that nothing was made of this"
            );
            let own = row.request_id == Some(id);
            (if own { DeliveryState::Done } else { DeliveryState::Refused }, why)
        };
        let request = (state == DeliveryState::Done).then_some(id);
        Ok(Some(Before { state, why, request }))
    }

    /// Hands in what the mapping has made of it, by the way of every request.
    async fn hand_in(
        &self,
        hook: &Hook,
        row: &DeliveryRow,
        mapped: Mapped,
        concerns: Concerns,
    ) -> Result<Option<Timestamp>, LedgerError> {
        let Mapped { request, requested_by, .. } = mapped;
        let (key, digest) = (request.idempotency_key.clone().unwrap_or_default(), request.body_digest());
        if let Some(Before { state, why, request }) = self.made_before(row, &key, &digest).await? {
            return self.end(row, state, &why, request, concerns).await;
        }
        let draft = match self.draft_for(Ok(request)).await {
            Ok(draft) => draft.noting(Some(&hook.producer()))?,
            Err(SubmitError::Ledger(error)) => return Err(error),
            Err(SubmitError::Later { why, until }) => {
                let why = Some(reason(&format!("waits for the provider: {why}")));
                self.change_delivery(row.id, DeliveryChange::Postpone { until, why, again: false }).await?;
                return Ok(Some(until));
            }
            Err(refused) => {
                let why = refused.to_string();
                return self.end(row, DeliveryState::Refused, &why, None, concerns).await;
            }
        };
        failpoint::hit("hook.drafted");
        let (request, jobs) = draft.into_parts();
        let request = Box::new(request);
        let change = DeliveryChange::Take { request, jobs, requested_by, concerns: concerns.clone() };
        match self.change_delivery(row.id, change).await? {
            Reply::Submitted { request, .. } => {
                self.meters.hooks.add((row.hook.clone(), DeliveryState::Done.as_str()), 1);
                tracing::info!(delivery = %row.id, hook = row.hook, request = %request.id, "handed in by a webhook");
            }
            Reply::Conflict(why) => {
                // Another delivery with the same key may have come first.
                let before = self.made_before(row, &key, &digest).await?;
                let refused = Before { state: DeliveryState::Refused, why, request: None };
                let Before { state, why, request } = before.unwrap_or(refused);
                return self.end(row, state, &why, request, concerns).await;
            }
            _ => {}
        }
        failpoint::hit("hook.taken");
        Ok(None)
    }
}

fn looked_at(jobs: usize) -> String {
    if jobs == 1 {
        "1 job that it is about is looked at".to_owned()
    } else {
        format!("{jobs} jobs that it is about are looked at")
    }
}
