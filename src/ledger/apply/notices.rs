//! The outbox: one notice per thing to tell.

use serde_json::{Value, json};

use crate::{
    job::{
        id::{AttemptId, JobId, NoticeId},
        remote::TaskId,
    },
    ledger::{
        command::Reply,
        rows::NoticeRow,
        working_set::{About, WorkingSet},
    },
};

/// Puts a notice into the outbox, once per `dedup`.
pub fn put_notice(
    set: &mut WorkingSet,
    dedup: String,
    kind: &str,
    job: Option<JobId>,
    mut body: Value,
) -> bool {
    if !set.dedups.insert(dedup.clone()) {
        return false;
    }
    let row = job.and_then(|job| set.jobs.get(&job)).cloned();
    let shared = row.as_ref().and_then(|row| set.request_of(row));
    if let (Some(row), Some(map)) = (&row, body.as_object_mut()) {
        let attempt = row.attempt_id.and_then(|attempt| set.attempts.get(&attempt));
        map.insert("job".into(), json!(row.id));
        map.insert("request".into(), json!(row.request_id));
        map.insert("repository".into(), json!(row.repository));
        map.insert("state".into(), json!(row.state));
        map.insert("owner".into(), json!(shared.as_ref().map(|shared| shared.row.owner.clone())));
        map.insert("task_url".into(), json!(attempt.and_then(|attempt| attempt.task_url.clone())));
    }
    let id = NoticeId::new(set.now, set.draw());
    let notice = NoticeRow {
        id,
        dedup,
        kind: kind.to_owned(),
        job_id: job,
        request_id: row.map(|row| row.request_id),
        body_json: body.to_string(),
        created_at: set.now,
        tries: 0,
        next_at: Some(set.now),
        delivered_at: None,
        dead_at: None,
        last_error: None,
        route: None,
    };
    set.notices.put(id, notice);
    true
}

pub fn notice(set: &mut WorkingSet, dedup: &str, kind: &str, job: Option<JobId>, body: Value) -> Reply {
    let about = job.map_or_else(About::default, |job| set.about(job));
    if put_notice(set, dedup.to_owned(), kind, job, body) {
        set.enter("notice.queued", about, "sluicegate", &json!({ "kind": kind, "dedup": dedup }));
    }
    Reply::Done
}

/// Further tasks with the marker of one attempt; told once.
pub fn doubles(set: &mut WorkingSet, job: JobId, attempt: AttemptId, tasks: &[TaskId]) -> Reply {
    let dedup = format!("{attempt}/doubles");
    if put_notice(set, dedup.clone(), "job.duplicate_tasks", Some(job), json!({ "tasks": tasks })) {
        let body = json!({ "tasks": tasks, "dedup": dedup });
        set.enter("attempt.duplicate_tasks", set.about(job), "sluicegate", &body);
    }
    Reply::Done
}
