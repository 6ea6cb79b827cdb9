//! Waves on the ledger: whoever asks, the decision is made here again from the rows, and what follows is written with it.

use serde_json::json;

use crate::{
    job::{
        id::{JobId, RequestId, WorkerId},
        lifecycle::Event,
        pull::ChecksSeen,
        role::LeaseName,
        state::State,
    },
    ledger::{
        apply::{
            approvals,
            notices::put_notice,
            step::{Detail, check_warrant, take_step},
        },
        command::{By, Reply, Warrant, WavesChange},
        rows::{ApprovalRow, JobRow, RequestRow, WavesRow, WavesState},
        waves,
        working_set::{About as Entry, Shared, WorkingSet},
    },
    policy::{
        approval::Subject,
        waves::{
            Waves,
            proof::{Course, Next, next},
        },
    },
};

/// The first wave is open from the start.
pub fn begin(set: &mut WorkingSet, request: &RequestRow, plan: Option<&Waves>) {
    let Some(plan) = plan else { return };
    let row = WavesRow {
        request_id: request.id,
        total: u32::try_from(plan.jobs.len()).unwrap_or(u32::MAX).max(1),
        opened: 1,
        opened_at: set.now,
        state: WavesState::Open,
        since: set.now,
        actor: "sluicegate".to_owned(),
        note: None,
    };
    set.waves.put(request.id, row);
    let body = json!({ "wave": 1, "of": plan.jobs.len(), "jobs": plan.jobs.first(), "seed": plan.seed });
    set.enter("wave.opened", about(request.id), "sluicegate", &body);
}

const fn about(request: RequestId) -> Entry {
    Entry { request: Some(request), job: None, attempt: None }
}

pub fn widen(set: &mut WorkingSet, request: RequestId, worker: WorkerId) -> Reply {
    let lease = LeaseName::upkeep();
    if set.leases.get(&lease).is_none_or(|row| row.worker_id != worker) {
        set.fenced = set.fenced.saturating_add(1);
        return Reply::Stale(format!("worker {worker} does not hold the lease {lease} any more"));
    }
    match set.requests.get(&request).cloned() {
        Some(shared) => {
            advance(set, &shared, "sluicegate");
            Reply::Done
        }
        None => Reply::Stale(format!("request {request} is not known")),
    }
}

/// Does what follows from where the waves are.
pub fn advance(set: &mut WorkingSet, shared: &Shared, actor: &str) {
    // A pause that ends is followed by one more look.
    for _ in 0..2 {
        let Some(course) = course(set, shared) else { return };
        match next(&course, set.now) {
            Next::Wait(_) => return,
            Next::Resume => resume(set, shared.row.id, actor),
            Next::Open => return open(set, shared, actor),
            Next::Over => {
                mark(set, shared.row.id, WavesState::Over, "sluicegate", None);
                return set.enter("wave.over", about(shared.row.id), "sluicegate", &json!({}));
            }
            Next::Pause(doubt) => return doubted(set, &shared.row, &doubt.to_string()),
        }
    }
}

/// Where the waves are, with what this batch has changed already; None: nothing can follow.
fn course<'a>(set: &WorkingSet, shared: &'a Shared) -> Option<Course<'a>> {
    let plan = shared.spec.waves.as_ref()?;
    let row = set.waves.get(&shared.row.id)?;
    let current = |job: &JobRow| set.jobs.get(&job.id).unwrap_or(job).clone();
    let jobs: Vec<JobRow> = set.in_waves.get(&shared.row.id)?.iter().map(current).collect();
    let words: Vec<ApprovalRow> =
        set.approvals.map.values().filter(|word| word.request_id == shared.row.id).cloned().collect();
    let subject = Subject { digest: &shared.row.plan_digest, requester: &shared.row.requester };
    waves::course(row, plan, &jobs, &words, subject, set.now)
}

fn mark(set: &mut WorkingSet, request: RequestId, state: WavesState, actor: &str, note: Option<&str>) {
    let now = set.now;
    if let Some(row) = set.waves.edit(&request) {
        (row.state, row.since) = (state, now);
        (row.actor, row.note) = (actor.to_owned(), note.map(ToOwned::to_owned));
    }
}

fn resume(set: &mut WorkingSet, request: RequestId, actor: &str) {
    mark(set, request, WavesState::Open, actor, None);
    set.enter("wave.resumed", about(request), actor, &json!({}));
}

/// Opens the next wave: its jobs queue, but for those that miss an approval of their own.
fn open(set: &mut WorkingSet, shared: &Shared, actor: &str) {
    let now = set.now;
    let id = shared.row.id;
    let Some(row) = set.waves.edit(&id) else { return };
    let in_doubt = row.state == WavesState::Doubtful;
    row.opened = row.opened.saturating_add(1);
    (row.opened_at, row.state, row.since) = (now, WavesState::Open, now);
    let doubt = row.note.take().filter(|_| in_doubt);
    actor.clone_into(&mut row.actor);
    let (wave, of) = (row.opened, row.total);
    let jobs = held(set, id, |number| number == wave);
    let body = json!({ "wave": wave, "of": of, "jobs": jobs.len(), "in_spite_of": doubt });
    set.enter("wave.opened", about(id), actor, &body);
    for job in jobs {
        // One that cannot move is told by its own state; the others must not suffer for it.
        drop(approvals::release(set, job, actor, &format!("wave {wave} of {of} opened")));
    }
}

fn doubted(set: &mut WorkingSet, request: &RequestRow, why: &str) {
    let wave = set.waves.get(&request.id).map_or(0, |row| row.opened);
    let note = format!("wave {wave}: {why}");
    mark(set, request.id, WavesState::Doubtful, "sluicegate", Some(&note));
    set.enter("wave.paused", about(request.id), "sluicegate", &json!({ "wave": wave, "reason": why }));
    let dedup = format!("{}/wave/{wave}/{}", request.id, set.head.seq);
    let body = json!({
        "request": request.id, "wave": wave, "reason": why, "owner": request.owner, "requester": request.requester,
        "what_to_do": format!("sluice wave show {}", request.id),
    });
    put_notice(set, dedup, "wave.paused", None, body);
}

/// Held jobs of some waves, in order.
pub fn held(set: &WorkingSet, request: RequestId, which: impl Fn(u32) -> bool) -> Vec<JobId> {
    let mut held: Vec<&JobRow> = set
        .jobs
        .map
        .values()
        .filter(|job| job.request_id == request && job.state == State::Held && which(job.wave))
        .collect();
    held.sort_by_key(|job| job.position);
    held.into_iter().map(|job| job.id).collect()
}

pub fn change(set: &mut WorkingSet, request: RequestId, change: WavesChange, by: &By) -> Reply {
    let Some(row) = set.waves.get(&request).cloned() else {
        return Reply::Conflict(format!("request {request} has no waves"));
    };
    let state = match change {
        WavesChange::Hold => WavesState::Paused,
        WavesChange::Abort => WavesState::Aborted,
    };
    if row.state == state {
        return Reply::Done;
    }
    if matches!(row.state, WavesState::Over | WavesState::Aborted) || row.opened >= row.total {
        return Reply::Conflict(format!("no wave of request {request} is left to open"));
    }
    if (change, row.state) == (WavesChange::Hold, WavesState::Doubtful) {
        return Reply::Conflict(format!("the waves of request {request} wait for a person already"));
    }
    mark(set, request, state, &by.actor, Some(&by.reason));
    let (kind, jobs) = match change {
        WavesChange::Hold => ("wave.held", Vec::new()),
        WavesChange::Abort => ("wave.aborted", held(set, request, |wave| wave > row.opened)),
    };
    let body = json!({ "opened": row.opened, "of": row.total, "reason": by.reason, "jobs": jobs.len() });
    set.enter(kind, about(request), &by.actor, &body);
    for job in jobs {
        let detail = Detail { note: Some(by.reason.as_str()), ..Detail::default() };
        // One that cannot move is told by its own state.
        drop(take_step(set, job, Event::Cancelled, detail, &by.actor));
    }
    Reply::Done
}

/// What was seen of the checks of a job under review; nothing is written when nothing changed.
pub fn checks(set: &mut WorkingSet, job: JobId, seen: &ChecksSeen, warrant: &Warrant) -> Reply {
    if let Err(why) = check_warrant(set, job, warrant) {
        return Reply::Stale(why);
    }
    let Some(row) = set.jobs.get(&job) else { return Reply::Stale(format!("job {job} is not known")) };
    if row.state != State::InReview {
        return Reply::Stale(format!("job {job} is not under review"));
    }
    let same = |known: ChecksSeen| (known.head_sha, known.checks) == (seen.head_sha.clone(), seen.checks);
    if row.checks().is_some_and(same) {
        return Reply::Done;
    }
    let now = set.now;
    if let Some(row) = set.jobs.edit(&job) {
        row.checks_json = serde_json::to_string(seen).ok();
        row.updated_at = now;
    }
    let body = json!({ "checks": seen.checks, "head_sha": seen.head_sha });
    set.enter("job.checks_seen", set.about(job), "sluicegate", &body);
    Reply::Done
}
