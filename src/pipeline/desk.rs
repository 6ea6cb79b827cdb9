//! What needs a person, whose it is, and since when; and telling them again when nobody acts.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    job::{
        id::{JobId, RequestId},
        remote::RemoteState,
        repository::Repository,
        state::State,
        time::{Millis, Timestamp},
    },
    ledger::{
        Command, LedgerError,
        desk::DESK_MAX,
        rows::{DeskRow, JobRow, NoticeRow, ScheduleRow, WavesRow},
    },
    pipeline::{By, Context, OperateError, operate::done},
    policy::{
        breaker::State as BreakerState,
        desk::{Kind as DeskKind, Rules as DeskRules},
        request::sha256,
        text::shorten,
    },
};

/// A token is on the desk this long before its end.
const TOKEN_SOON: Millis = Millis::hours(7 * 24);
/// Characters of a reason that somebody wrote elsewhere.
const WHY_MAX: usize = 200;
/// Hexadecimal digits by which people name a thing.
const HANDLE: usize = 8;

/// What is said of it, as the callers of the pipeline say it.
pub type DeskAct = crate::ledger::command::DeskAct;

/// One thing that needs a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DeskItem {
    /// By which people name it.
    pub id: String,
    /// Kind, what it is about, and since when.
    pub item: String,
    pub kind: DeskKind,
    pub what: String,
    pub what_to_do: String,
    /// Whose it is: whom it was given to, else the owner.
    pub owner: Option<String>,
    pub since: Timestamp,
    /// When somebody should have acted.
    pub due_at: Timestamp,
    pub overdue: bool,
    pub link: Option<String>,
    pub job: Option<JobId>,
    pub request: Option<RequestId>,
    pub repository: Option<Repository>,
    pub acknowledged_by: Option<String>,
    pub snoozed_until: Option<Timestamp>,
    pub assignee: Option<String>,
}

impl DeskItem {
    /// Somebody has it, or it can wait.
    pub fn rests(&self, now: Timestamp) -> bool {
        self.acknowledged_by.is_some() || self.snoozed_until.is_some_and(|until| until > now)
    }
}

/// The whole desk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DeskView {
    /// Overdue ones first, then the oldest.
    pub items: Vec<DeskItem>,
    /// Acknowledged or snoozed, and not in the list unless everything is asked for.
    pub resting: u64,
    /// There are more of a kind than are listed.
    pub more: bool,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    #[error("there is nothing `{0}` on the desk: it was done with, or see `sluice desk list --all`")]
    Unknown(String),
    #[error(transparent)]
    Operate(#[from] OperateError),
}

impl From<LedgerError> for DeskError {
    fn from(error: LedgerError) -> Self {
        Self::Operate(error.into())
    }
}

/// What is known of one thing before anybody has said anything of it.
struct Found {
    kind: DeskKind,
    subject: String,
    since: Timestamp,
    what: String,
    what_to_do: String,
    owner: Option<String>,
    link: Option<String>,
    job: Option<(JobId, Repository)>,
    request: Option<RequestId>,
}

impl Context {
    pub async fn desk(&self, all: bool) -> Result<DeskView, LedgerError> {
        let now = self.now();
        let (mut items, more) = self.desk_items().await?;
        let resting = items.iter().filter(|item| item.rests(now)).count() as u64;
        items.retain(|item| all || !item.rests(now));
        Ok(DeskView { items, resting, more })
    }

    /// `name`: as the list shows it, or the whole item.
    pub async fn desk_act(&self, name: &str, act: DeskAct, by: By) -> Result<DeskItem, DeskError> {
        let find = async || -> Result<DeskItem, DeskError> {
            let (items, _) = self.desk_items().await?;
            let found = items.into_iter().find(|item| item.id == name || item.item == name);
            found.ok_or_else(|| DeskError::Unknown(shorten(name, 60)))
        };
        let found = find().await?;
        let command = Command::Desk { item: found.item, request: found.request, job: found.job, act, by };
        done(self.ledger.write(command).await?)?;
        find().await
    }

    /// Tells people of what is overdue, each step once. Without reminders in the configuration nothing is asked.
    pub async fn remind(&self) -> Result<(), LedgerError> {
        let rules = &self.tuning.desk;
        if rules.remind.is_none() && rules.escalate.is_none() {
            return Ok(());
        }
        let now = self.now();
        let (items, _) = self.desk_items().await?;
        let due: Vec<(String, &DeskItem, Option<String>)> =
            items.iter().flat_map(|item| steps(rules, item, now)).collect();
        let dedups: Vec<String> = due.iter().map(|(dedup, ..)| dedup.clone()).collect();
        let told = self.ledger.notices_by_dedup(&dedups).await?;
        let told: HashSet<&str> = told.iter().map(|row: &NoticeRow| row.dedup.as_str()).collect();
        for (dedup, item, escalated) in due.iter().filter(|(dedup, ..)| !told.contains(dedup.as_str())) {
            let kind = if escalated.is_some() { "desk.escalated" } else { "desk.reminder" };
            let body = json!({
                "item": item.id, "about": item.kind, "what": item.what, "what_to_do": item.what_to_do,
                "to": escalated.as_ref().or(item.owner.as_ref()), "since": item.since.to_string(),
                "due_at": item.due_at.to_string(), "link": item.link,
            });
            let (dedup, kind) = (dedup.clone(), kind.to_owned());
            self.ledger.write(Command::Notice { dedup, kind, job: item.job, body }).await?;
        }
        Ok(())
    }

    async fn desk_items(&self) -> Result<(Vec<DeskItem>, bool), LedgerError> {
        let now = self.now();
        let mut found = Vec::new();
        let lost_before = now.minus(Millis(self.tuning.look_up_window.0.saturating_mul(2)));
        let jobs = self.ledger.desk_jobs(lost_before).await?;
        let approvals = self.ledger.desk_approvals().await?;
        let waves = self.ledger.desk_waves().await?;
        let full = |length: usize| i64::try_from(length).is_ok_and(|length| length >= DESK_MAX);
        let mut more = full(jobs.len()) || full(approvals.len()) || full(waves.len());
        self.find_jobs(&jobs, &mut found).await?;
        for held in approvals {
            let shared = self.spec(held.request).await?;
            found.push(Found {
                kind: DeskKind::Approval,
                subject: held.request.to_string(),
                since: held.since,
                what: format!(
                    "{} of request {} held for an approval",
                    jobs_of(held.jobs),
                    held.request.short()
                ),
                what_to_do: format!(
                    "sluice why a job of it, then sluice approve --request {} --reason ...",
                    held.request.short()
                ),
                owner: Some(shared.request.owner.clone()),
                link: None,
                job: None,
                request: Some(held.request),
            });
        }
        for row in waves {
            found.push(self.found_wave(&row, row.note.clone().unwrap_or_default()).await?);
        }
        for (row, why) in self.waves_awaiting().await? {
            found.push(self.found_wave(&row, why).await?);
        }
        self.find_tokens(&mut found);
        self.find_breakers(&mut found).await?;
        self.find_schedules(&mut found).await?;
        more |= full(self.find_deliveries(&mut found).await?);
        let mut items = self.said(found).await?;
        items.sort_by_key(|item| (!item.overdue, item.since, item.item.clone()));
        Ok((items, more))
    }

    async fn find_jobs(&self, jobs: &[JobRow], found: &mut Vec<Found>) -> Result<(), LedgerError> {
        let ids: Vec<JobId> = jobs.iter().map(|job| job.id).collect();
        let attempts: HashMap<JobId, _> = self
            .ledger
            .with_attempts(&ids)
            .await?
            .into_iter()
            .map(|(job, attempt)| (job.id, attempt))
            .collect();
        let specs = self.specs_of(jobs).await?;
        for job in jobs {
            let attempt = attempts.get(&job.id);
            let idle = attempt.is_some_and(|row| row.remote_state == Some(RemoteState::Idle));
            let task = attempt.and_then(|row| row.task_url.clone());
            let pull = job.pull().and_then(|pull| pull.html_url);
            let id = job.id.short();
            let (kind, what, what_to_do, link) = match job.state {
                State::WaitingForUser if idle => (
                    DeskKind::Idle,
                    "the agent does nothing and asks nothing",
                    format!("look at its task and tell it to go on, or sluice cancel {id} --reason ..."),
                    task,
                ),
                State::WaitingForUser => (
                    DeskKind::Question,
                    "the agent waits for an answer",
                    "answer it at its task".to_owned(),
                    task,
                ),
                State::Quarantined => (
                    DeskKind::Quarantine,
                    "its result must not be used until a person has looked",
                    format!(
                        "sluice show {id}, then sluice release {id} --reason ... or sluice discard-result {id} --reason ..."
                    ),
                    pull.or(task),
                ),
                _ => (
                    DeskKind::LostStart,
                    "the answer to its start is lost, and its task was not found",
                    format!("sluice why {id}; ops/runbooks/stuck-start.md"),
                    None,
                ),
            };
            let why = job.outcome_text().filter(|_| job.state == State::Quarantined);
            let why = why.map(|why| format!(": {}", shorten(&why, WHY_MAX))).unwrap_or_default();
            found.push(Found {
                kind,
                subject: job.id.to_string(),
                since: job.state_since,
                what: format!("{}: {what}{why}", job.repository),
                what_to_do,
                owner: specs.get(&job.request_id).map(|shared| shared.request.owner.clone()),
                link,
                job: Some((job.id, job.repository.clone())),
                request: Some(job.request_id),
            });
        }
        Ok(())
    }

    async fn found_wave(&self, row: &WavesRow, why: String) -> Result<Found, LedgerError> {
        let shared = self.spec(row.request_id).await?;
        let id = row.request_id.short();
        Ok(Found {
            kind: DeskKind::Wave,
            subject: format!("{}/{}", row.request_id, row.opened),
            since: row.since,
            what: format!("wave {} of {} of request {id}: {why}", row.opened, row.total),
            what_to_do: format!(
                "sluice wave show {id}, then sluice wave approve {id} --reason ... or sluice wave abort {id} --reason ..."
            ),
            owner: Some(shared.request.owner.clone()),
            link: None,
            job: None,
            request: Some(row.request_id),
        })
    }

    fn find_tokens(&self, found: &mut Vec<Found>) {
        for rule in &self.policy.identities {
            let Some(ends) = self.agent.token_expires_at(&rule.name) else { continue };
            if ends.since(self.now()) > TOKEN_SOON {
                continue;
            }
            found.push(Found {
                kind: DeskKind::Token,
                subject: rule.name.clone(),
                since: ends.minus(TOKEN_SOON),
                what: format!("the token of identity {} ends on {ends}", rule.name),
                what_to_do: "put a new token where the configuration refers to it".to_owned(),
                owner: rule.owner.clone(),
                link: None,
                job: None,
                request: None,
            });
        }
    }

    async fn find_breakers(&self, found: &mut Vec<Found>) -> Result<(), LedgerError> {
        for row in self.ledger.breakers_open().await? {
            let state = if row.state == BreakerState::Open { "open" } else { "half open" };
            let reason = row.reason.unwrap_or_default();
            found.push(Found {
                kind: DeskKind::Breaker,
                subject: row.id.clone(),
                since: row.since,
                what: format!("the breaker of {} is {state}: {reason}", row.template),
                what_to_do: format!(
                    "look at its dead letters, then sluice breaker reset {} --reason ...",
                    row.id
                ),
                owner: None,
                link: None,
                job: None,
                request: None,
            });
        }
        Ok(())
    }

    /// Those that fail and that nobody has stopped. Known by the first failure: each further one is no new matter.
    async fn find_schedules(&self, found: &mut Vec<Found>) -> Result<(), LedgerError> {
        if self.policy.schedules.is_empty() {
            return Ok(());
        }
        let rows = self.ledger.schedules().await?;
        for schedule in self.policy.schedules.iter().filter(|schedule| schedule.enabled) {
            let row = rows.iter().find(|row| row.name == schedule.name && row.paused_at.is_none());
            let failing = row.map(ScheduleRow::failing).unwrap_or_default();
            let (Some(first), Some(last)) = (failing.first(), failing.last()) else { continue };
            let (name, number) = (&schedule.name, failing.len());
            let times = if number == 1 { String::new() } else { format!("{number} times, the last ") };
            let why: Vec<&str> = last.why.iter().flat_map(|why| why.lines()).map(str::trim).collect();
            found.push(Found {
                kind: DeskKind::Schedule,
                subject: name.clone(),
                since: first.at,
                what: format!("schedule {name} was {times}{} for {}: {}", last.became.as_str(), last.nominal, why.join("; ")),
                what_to_do: format!(
                    "mend the schedule or what stops it (sluice schedule list --history), then sluice schedule run {name} --reason ..."
                ),
                owner: Some(schedule.owner.clone()),
                link: None,
                job: None,
                request: None,
            });
        }
        Ok(())
    }

    /// Without hooks nothing is asked. Gives how many there are.
    async fn find_deliveries(&self, found: &mut Vec<Found>) -> Result<usize, LedgerError> {
        if self.hooks.is_empty() {
            return Ok(0);
        }
        let rows = self.ledger.desk_deliveries().await?;
        let number = rows.len();
        for row in rows {
            let reason = shorten(&row.reason.unwrap_or_default(), WHY_MAX);
            let id = row.id.short();
            found.push(Found {
                kind: DeskKind::Delivery,
                subject: row.id.to_string(),
                since: row.settled_at.unwrap_or(row.received_at),
                what: format!("hook {}, event {}: {}: {reason}", row.hook, row.event, row.state.as_str()),
                what_to_do: format!(
                    "sluice deliveries show {id}, mend the mapping, then sluice deliveries replay {id} --reason ..."
                ),
                owner: None,
                link: None,
                job: None,
                request: row.request_id,
            });
        }
        Ok(number)
    }

    /// With what people have said.
    async fn said(&self, found: Vec<Found>) -> Result<Vec<DeskItem>, LedgerError> {
        let (rules, now) = (&self.tuning.desk, self.now());
        let item = |found: &Found| format!("{}/{}/{}", found.kind.as_str(), found.subject, found.since.0);
        let ids: Vec<String> = found.iter().map(item).collect();
        let rows = self.ledger.desk_among(&ids).await?;
        let mut rows: HashMap<String, DeskRow> = rows.into_iter().map(|row| (row.id.clone(), row)).collect();
        let items = ids.into_iter().zip(found).map(|(item, found)| {
            let said = rows.remove(&item);
            let due_at = found.since.plus(rules.within(found.kind));
            let assignee = said.as_ref().and_then(|row| row.assignee.clone());
            DeskItem {
                id: sha256(item.as_bytes()).chars().take(HANDLE).collect(),
                item,
                kind: found.kind,
                what: found.what,
                what_to_do: found.what_to_do,
                owner: assignee.clone().or(found.owner),
                since: found.since,
                due_at,
                overdue: now >= due_at,
                link: found.link,
                job: found.job.as_ref().map(|(id, _)| *id),
                request: found.request,
                repository: found.job.map(|(_, repository)| repository),
                acknowledged_by: said.as_ref().and_then(|row| row.acknowledged_by.clone()),
                snoozed_until: said.as_ref().and_then(|row| row.snoozed_until),
                assignee,
            }
        });
        Ok(items.collect())
    }
}

fn jobs_of(number: i64) -> String {
    if number == 1 { "1 job".to_owned() } else { format!("{number} jobs") }
}

/// What is to be told of an item by now: what makes the notice single, and to whom if it is not to the owner.
fn steps<'a>(
    rules: &DeskRules,
    item: &'a DeskItem,
    now: Timestamp,
) -> Vec<(String, &'a DeskItem, Option<String>)> {
    if item.rests(now) || now < item.due_at {
        return Vec::new();
    }
    let (step, other) = rules.steps(now.since(item.due_at));
    // Whoever it was given to has not been told yet.
    let whom = item.assignee.as_deref().unwrap_or_default();
    let reminder = step.map(|step| (format!("desk/{}/{whom}/{step}", item.item), item, None));
    let escalation = other.map(|to| (format!("desk/{}/escalated", item.item), item, Some(to.to_owned())));
    reminder.into_iter().chain(escalation).collect()
}
