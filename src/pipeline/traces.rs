//! The trace of a job: one span for each state that it has left, under one for the whole. Its ids follow from the job's own, so
//! that every process that moves a job tells its part of the same trace.

use serde_json::{Value, json};

use crate::{
    budget::demand::digest,
    job::{id::JobId, state::State, time::Timestamp},
    ledger::{
        Committed,
        meters::Moved,
        rows::{AttemptRow, JobRow},
    },
    pipeline::context::{Context, SharedSpec},
    telemetry::traces::Span,
};

impl Context {
    /// Tells of what a commit of this process has ended.
    pub(super) async fn trace(&self, committed: &Committed) {
        let Some(tracer) = self.meters.tracer() else { return };
        for moved in &committed.happened.moved {
            let Some(job) = committed.job(moved.job) else { continue };
            let Ok(shared) = self.spec(moved.request).await else { continue };
            let attempt = moved.attempt.and_then(|attempt| committed.attempt(attempt));
            for span in spans(moved, job, attempt, &shared) {
                tracer.record(span);
            }
        }
    }
}

/// What a state is called, as something that is done.
const fn deed(state: State) -> Option<&'static str> {
    match state {
        State::Held => Some("hold"),
        State::Queued => Some("wait"),
        State::Starting => Some("start"),
        State::StartUnknown => Some("recover"),
        State::Running => Some("run"),
        State::WaitingForUser => Some("answer"),
        State::Verifying => Some("verify"),
        State::InReview => Some("review"),
        State::Quarantined => Some("quarantine"),
        State::Succeeded | State::Rejected | State::Dead | State::Cancelled => None,
    }
}

/// `cicd.pipeline.result` of OpenTelemetry.
const fn result(state: State) -> &'static str {
    match state {
        State::Succeeded => "success",
        State::Cancelled => "cancellation",
        State::Rejected => "failure",
        _ => "error",
    }
}

fn id_of(job: JobId, what: &str, at: Timestamp) -> u64 {
    digest(format!("{job}/{what}/{}", at.0).as_bytes())
}

fn root_of(job: JobId) -> u64 {
    digest(job.to_string().as_bytes())
}

/// The spans that a move ends: the state that was left; at the first move also the submission; at an admission that; at
/// the end the whole.
fn spans(moved: &Moved, job: &JobRow, attempt: Option<&AttemptRow>, shared: &SharedSpec) -> Vec<Span> {
    let span = |name: &str, from, to| Span {
        trace: *job.id.as_bytes(),
        id: id_of(job.id, name, from),
        parent: Some(root_of(job.id)),
        name: name.to_owned(),
        from,
        to,
        attributes: task(name, job, attempt),
        error: None,
        link: None,
    };
    let mut spans = Vec::new();
    if moved.since == job.created_at {
        spans.push(span("submit", job.id.made_at(), job.created_at));
    }
    if let Some(name) = deed(moved.from) {
        let failed = matches!(moved.to, State::Dead | State::Quarantined) || is_lost(moved);
        let error = failed.then(|| format!("{} -> {}", moved.from, moved.to));
        spans.push(Span { error, ..span(name, moved.since, moved.at) });
    }
    if let (State::Starting, Some(attempt)) = (moved.to, attempt) {
        spans.push(span("admit", attempt.id.made_at(), moved.at));
    }
    if moved.to.is_terminal() {
        spans.push(whole(moved, job, shared));
    }
    spans
}

/// A start that did not become a task.
fn is_lost(moved: &Moved) -> bool {
    moved.from == State::Starting && moved.to != State::Running && moved.to != State::Cancelled
}

fn whole(moved: &Moved, job: &JobRow, shared: &SharedSpec) -> Span {
    let request = &shared.request;
    let template = format!("{}@{}", request.template, request.template_version);
    let mut attributes = vec![
        ("cicd.pipeline.name", json!(template)),
        ("cicd.pipeline.run.id", json!(job.id)),
        ("cicd.pipeline.result", json!(result(moved.to))),
        ("sluicegate.request.id", json!(request.id)),
        ("sluicegate.team", json!(request.team)),
        ("sluicegate.attempts", json!(job.attempts)),
    ];
    attributes.extend(place(job));
    let bad = matches!(moved.to, State::Dead | State::Rejected);
    Span {
        trace: *job.id.as_bytes(),
        id: root_of(job.id),
        parent: None,
        name: format!("job {template}"),
        from: job.id.made_at(),
        to: moved.at,
        attributes,
        error: bad.then(|| moved.to.to_string()),
        link: job.replay_of.map(|other| (*other.as_bytes(), root_of(other))),
    }
}

/// Where the work is done.
fn place(job: &JobRow) -> Vec<(&'static str, Value)> {
    let mut attributes = vec![
        ("vcs.provider.name", json!("github")),
        ("vcs.owner.name", json!(job.repository.owner())),
        ("vcs.repository.name", json!(job.repository.name())),
    ];
    attributes.extend(job.pull_number.map(|number| ("vcs.change.id", json!(number.to_string()))));
    attributes
}

fn task(name: &str, job: &JobRow, attempt: Option<&AttemptRow>) -> Vec<(&'static str, Value)> {
    let mut attributes = vec![("cicd.pipeline.task.name", json!(name))];
    attributes.extend(place(job));
    let Some(attempt) = attempt else { return attributes };
    attributes.push(("cicd.pipeline.task.run.id", json!(attempt.id)));
    attributes.push(("sluicegate.identity", json!(attempt.identity)));
    if name == "run" {
        attributes.push(("gen_ai.operation.name", json!("invoke_agent")));
        attributes.push(("gen_ai.provider.name", json!("github.copilot")));
        let told = [
            ("gen_ai.request.model", attempt.model.clone()),
            ("gen_ai.response.model", attempt.model_used.clone()),
            ("gen_ai.conversation.id", attempt.task_id.as_ref().map(|task| task.0.clone())),
        ];
        attributes.extend(told.into_iter().filter_map(|(key, value)| Some((key, json!(value?)))));
        attributes.extend(attempt.nano_credits.map(|nano| ("sluicegate.nano_credits", json!(nano))));
    }
    attributes
}
