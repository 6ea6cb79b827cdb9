//! Waves: looks at every request that is being widened and has the ledger do what follows. The ledger decides again from its own
//! rows, so that being asked twice, late, or by two workers opens nothing twice.

use crate::{
    job::{
        id::{JobId, RequestId},
        time::Timestamp,
    },
    ledger::{
        By, Command, LedgerError, Reply,
        command::{About, WavesChange, Word},
        rows::{ApprovalRow, WavesRow, WavesState},
        waves,
    },
    pipeline::{
        context::{Context, SharedSpec},
        operate::{OperateError, done},
        view::{ApprovalView, WaveView, WavesView},
    },
    policy::{
        approval::{APPROVER, Approval, Subject},
        waves::{
            Waves,
            proof::{Next, Wait, next},
        },
    },
    telemetry::failpoint,
};

/// Shortest part of a plan's digest that names it.
const DIGEST_MIN: usize = 12;

/// One look at all of them, by the worker that does upkeep.
pub async fn run(context: &Context) -> Result<(), LedgerError> {
    for row in context.ledger.waves_at_work().await? {
        let shared = context.spec(row.request_id).await?;
        let Some(plan) = &shared.spec.waves else { continue };
        let follows = context.follows(&row, plan, &shared).await?;
        failpoint::hit("widen.decided");
        match follows {
            Next::Wait(Wait::Soak { until }) => context.queues.upkeep.beat_at(until),
            Next::Wait(_) => {}
            Next::Open | Next::Resume | Next::Over | Next::Pause(_) => {
                let command = Command::Widen { request: row.request_id, worker: context.fence.worker };
                if let Reply::Stale(why) = context.ledger.write(command).await? {
                    tracing::info!(why, "waves were looked at too late");
                }
                failpoint::hit("widen.recorded");
            }
        }
    }
    Ok(())
}

impl Context {
    async fn follows(&self, row: &WavesRow, plan: &Waves, shared: &SharedSpec) -> Result<Next, LedgerError> {
        let jobs = self.ledger.jobs_of_request(row.request_id).await?;
        let words = self.ledger.approvals_of(row.request_id).await?;
        let subject = Subject { digest: &shared.request.plan_digest, requester: &shared.request.requester };
        let course = waves::course(row, plan, &jobs, &words, subject, self.now());
        Ok(course.map_or(Next::Over, |course| next(&course, self.now())))
    }

    /// Open waves that are proven and that somebody must approve.
    pub(super) async fn waves_awaiting(&self) -> Result<Vec<(WavesRow, String)>, LedgerError> {
        let mut awaiting = Vec::new();
        for row in self.ledger.waves_at_work().await? {
            let shared = self.spec(row.request_id).await?;
            let Some(plan) = shared.spec.waves.as_ref().filter(|plan| plan.rule.approvals.is_some()) else {
                continue;
            };
            if let Next::Wait(wait @ Wait::Approvals { .. }) = self.follows(&row, plan, &shared).await? {
                awaiting.push((row, wait.to_string()));
            }
        }
        Ok(awaiting)
    }

    /// The waves of a request for people; None: it has none.
    pub async fn waves(&self, id: RequestId) -> Result<Option<WavesView>, LedgerError> {
        let Some(row) = self.ledger.waves_of(id).await? else { return Ok(None) };
        let shared = self.spec(id).await?;
        let Some(plan) = &shared.spec.waves else { return Ok(None) };
        let jobs = self.ledger.jobs_of_request(id).await?;
        let words = self.ledger.approvals_of(id).await?;
        let subject = Subject { digest: &shared.request.plan_digest, requester: &shared.request.requester };
        let now = self.now();
        let follows = waves::course(&row, plan, &jobs, &words, subject, now).map(|course| next(&course, now));
        let wave = |number: u32| {
            let tally = waves::tally(&jobs, plan, |wave| wave == number);
            let own: Vec<_> = jobs.iter().filter(|job| job.wave == number).collect();
            WaveView {
                number,
                jobs: own.len(),
                open: number <= row.opened,
                good: tally.good.len(),
                pending: tally.pending,
                failed: tally.failed,
                unjudged: tally.unjudged,
                withdrawn: tally.withdrawn,
                repositories: own.iter().take(5).map(|job| job.repository.clone()).collect(),
            }
        };
        Ok(Some(WavesView {
            request: id,
            plan_digest: shared.request.plan_digest.clone(),
            rule: plan.rule.clone(),
            seed: plan.seed,
            state: row.state,
            since: row.since,
            opened: row.opened,
            waits_for: self.waits_for(&row, follows.as_ref(), &shared),
            waves: (1..=row.total).map(wave).collect(),
            approvals: words.iter().map(|word| approval_view(word, now)).collect(),
        }))
    }

    fn waits_for(&self, row: &WavesRow, follows: Option<&Next>, shared: &SharedSpec) -> String {
        let note = row.note.as_deref().unwrap_or("no reason given");
        let next_wave = row.opened.saturating_add(1);
        let role = role(shared);
        match (row.state, follows) {
            (WavesState::Over, _) => "nothing: every job of every wave has ended".to_owned(),
            (WavesState::Aborted, _) => format!("nothing: ended by {} ({note})", row.actor),
            (WavesState::Doubtful, Some(Next::Wait(wait))) => {
                format!("{note}; {wait}, by {}", self.may_approve(role, &shared.request.requester))
            }
            (WavesState::Paused, Some(Next::Wait(wait))) => {
                let who = self.may_approve(role, &shared.request.requester);
                format!("held by {} ({note}); {wait}, by {who}", row.actor)
            }
            (_, Some(Next::Wait(wait @ Wait::Approvals { .. }))) => {
                let who = self.may_approve(role, &shared.request.requester);
                format!("wave {}: {wait}, by {who}", row.opened)
            }
            (_, Some(Next::Wait(wait))) => format!("wave {}: {wait}", row.opened),
            (_, Some(Next::Pause(doubt))) => format!("wave {}: {doubt}", row.opened),
            (_, Some(Next::Open | Next::Resume)) => format!("wave {next_wave} is about to open"),
            (_, Some(Next::Over) | None) => "nothing: every job of every wave has ended".to_owned(),
        }
    }

    /// Who may give an approval, as words.
    pub(super) fn may_approve(&self, role: &str, requester: &str) -> String {
        match self.policy.people.holding(role, requester) {
            None => format!("anybody but {requester}"),
            Some(people) => format!("{} (role {role})", people.join(", ")),
        }
    }

    /// Gives one person's word. `digest`: of the plan that was looked at, whole or its beginning; None: as the request stands.
    pub async fn approve(
        &self,
        (request, about): (RequestId, Approved),
        digest: Option<&str>,
        by: By,
    ) -> Result<(), OperateError> {
        let shared = self.spec(request).await?;
        let known = &shared.request.plan_digest;
        let digest = match digest {
            Some(part) if part.len() >= DIGEST_MIN && known.starts_with(part) => known.clone(),
            Some(part) => part.to_owned(),
            None => known.clone(),
        };
        let about = match about {
            Approved::Request => About::Request,
            Approved::Job(job) => About::Job(job),
            Approved::Wave(Some(number)) => About::Wave(number),
            Approved::Wave(None) => {
                let row = self.ledger.waves_of(request).await?;
                About::Wave(row.map_or(0, |row| row.opened).saturating_add(1))
            }
        };
        let roles = self.policy.people.roles(&by.actor);
        let expires_at = self.now().plus(self.policy.approval_counts);
        let word = Word { request, about, digest, roles, expires_at, by };
        done(self.ledger.write(Command::Approve(Box::new(word))).await?)
    }

    /// Nothing more of the request opens until somebody approves it.
    pub async fn hold_waves(&self, request: RequestId, by: By) -> Result<(), OperateError> {
        done(self.ledger.write(Command::Waves { request, change: WavesChange::Hold, by }).await?)
    }

    /// Nothing more of the request opens at all; what was not open is cancelled.
    pub async fn abort_waves(&self, request: RequestId, by: By) -> Result<(), OperateError> {
        done(self.ledger.write(Command::Waves { request, change: WavesChange::Abort, by }).await?)
    }
}

/// What somebody approves.
#[derive(Clone, Copy, Debug)]
pub enum Approved {
    Request,
    Job(JobId),
    /// None: the next one.
    Wave(Option<u32>),
}

fn role(shared: &SharedSpec) -> &str {
    let asked = shared.spec.waves.as_ref().and_then(|waves| waves.rule.approvals.as_ref());
    asked.map_or(APPROVER, |asked| asked.role.as_str())
}

fn approval_view(word: &ApprovalRow, now: Timestamp) -> ApprovalView {
    let Approval { actor, roles, digest, at, expires_at } = word.approval();
    let counts = now < expires_at;
    ApprovalView {
        about: word.about.clone(),
        actor,
        roles,
        digest,
        at,
        expires_at,
        reason: word.reason.clone(),
        counts,
    }
}
