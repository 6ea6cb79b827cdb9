//! The answer of one sentence to "what was done here, by whom, and what became of it". It says so where something is not known or has
//! not happened.

use serde_json::Value;

use crate::{
    job::{id::RequestId, state::State},
    ledger::{
        LedgerError,
        audit::Span,
        pages::JobFilter,
        rows::{AttemptRow, JobRow, RequestRow},
    },
    pipeline::{
        Context,
        audit::{JobLine, JobStory, RequestStory},
    },
};

/// Jobs of a request that are told one by one.
const JOBS_MAX: u32 = 10_000;
/// Entries of the request itself.
const ENTRIES_MAX: i64 = 10_000;
/// Characters of a digest that are shown in a sentence.
const DIGEST_SHOWN: usize = 12;
const NANO: u64 = 1_000_000_000;

impl Context {
    pub async fn job_story(&self, job: &JobRow) -> Result<JobStory, LedgerError> {
        let detail = self.detail(job).await?;
        let sentence = sentence(&detail.request, job, &detail.attempts);
        Ok(JobStory { sentence, detail, archived: self.ledger.archived(job.id).await? })
    }

    pub async fn request_story(&self, id: RequestId) -> Result<Option<RequestStory>, LedgerError> {
        let Some(shared) = self.ledger.request(id).await? else { return Ok(None) };
        let request = shared.row.clone();
        let filter = JobFilter { request: Some(id), limit: Some(JOBS_MAX), ..JobFilter::default() };
        let mut jobs = Vec::new();
        for job in self.ledger.jobs(&filter).await? {
            let attempts = self.ledger.attempts_of(job.id).await?;
            let sentence = sentence(&request, &job, &attempts);
            jobs.push(JobLine { id: job.id, repository: job.repository.clone(), state: job.state, sentence });
        }
        let span = Span { request: Some(id), ..Span::default() };
        let history = self.ledger.entries_in(&span, 0, ENTRIES_MAX).await?;
        let history = history.into_iter().filter(|entry| entry.job_id.is_none()).collect();
        let skipped: Value = serde_json::from_str(&request.skipped_json).unwrap_or_default();
        let sentence = of_request(&request, &jobs, skipped.as_array().map_or(0, Vec::len));
        Ok(Some(RequestStory { sentence, request, skipped, jobs, history }))
    }
}

fn of_request(request: &RequestRow, jobs: &[JobLine], skipped: usize) -> String {
    let count = |which: fn(State) -> bool| jobs.iter().filter(|job| which(job.state)).count();
    let good = count(|state| state == State::Succeeded);
    let open = count(|state| !state.is_terminal());
    let bad = jobs.len().saturating_sub(good).saturating_sub(open);
    let reason = request
        .reason
        .as_ref()
        .map_or_else(|| "no reason was given".to_owned(), |why| format!("because: {why}"));
    format!(
        "Request {} by {} of team {} at {} asked workflow {} for {}, under plan {} and template {} ({reason}); {good} \
         succeeded, {bad} ended otherwise, {open} not ended yet, {skipped} left out.",
        request.id,
        request.requester,
        request.team,
        request.created_at,
        request.template,
        plural(jobs.len(), "job"),
        short(&request.plan_digest),
        template(request),
    )
}

fn plural(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

fn short(digest: &str) -> String {
    digest.chars().take(DIGEST_SHOWN).collect()
}

fn template(request: &RequestRow) -> String {
    format!("{}@{} ({})", request.template, request.template_version, short(&request.template_digest))
}

/// "workflow W started task T for repository R, ..."
pub fn sentence(request: &RequestRow, job: &JobRow, attempts: &[AttemptRow]) -> String {
    let workflow = &request.template;
    let last = attempts.iter().rev().find(|attempt| attempt.task_id.is_some());
    let did = match last.and_then(|attempt| Some((attempt, attempt.task_id.as_ref()?))) {
        Some((attempt, task)) => {
            let of = if attempts.len() > 1 {
                format!(" (attempt {} of {})", attempt.number, attempts.len())
            } else {
                String::new()
            };
            format!("started task {task}{of} for repository {}", job.repository)
        }
        None if attempts.is_empty() => format!("started no task for repository {} yet", job.repository),
        None => format!(
            "started no task for repository {} that is known of ({})",
            job.repository,
            plural(attempts.len(), "attempt")
        ),
    };
    let identity = last.map_or(job.identity.as_str(), |attempt| attempt.identity.as_str());
    let origin = format!(
        "with identity {identity}, under plan {} and template {}, from request {} by {}",
        short(&request.plan_digest),
        template(request),
        request.id,
        request.requester
    );
    if last.is_none() {
        return format!("Workflow {workflow} {did}, {origin}; the job is {}{}.", job.state, why(job));
    }
    format!(
        "Workflow {workflow} {did}, {origin}; it changed {}, cost {}, {}.",
        files(job),
        cost(attempts),
        end(job)
    )
}

fn files(job: &JobRow) -> String {
    match job.pull().map(|pull| pull.changed_files) {
        Some(Some(1)) => "1 file".to_owned(),
        Some(Some(files)) => format!("{files} files"),
        Some(None) => "a number of files that is not known".to_owned(),
        None => "no file in a pull request that is known of".to_owned(),
    }
}

fn cost(attempts: &[AttemptRow]) -> String {
    let told: Vec<u64> = attempts.iter().filter_map(|attempt| attempt.nano_credits).collect();
    if told.is_empty() {
        return "an amount that is not known".to_owned();
    }
    let nano = told.into_iter().fold(0, u64::saturating_add);
    let fraction = format!("{:09}", nano % NANO);
    let fraction = fraction.trim_end_matches('0');
    let gap = if fraction.is_empty() { "" } else { "." };
    format!("{}{gap}{fraction} credits", nano / NANO)
}

fn end(job: &JobRow) -> String {
    let pull = job.pull();
    let number = pull.as_ref().map(|pull| format!(" (pull request {})", pull.number)).unwrap_or_default();
    let review = match &job.reviewer {
        Some(reviewer) => format!("was given to {reviewer} for review{number}"),
        None => format!("was given to nobody for review{number}"),
    };
    let then = match (&pull, job.state) {
        (Some(pull), _) if pull.merged => {
            let by = pull.merged_by.as_ref().map_or_else(|| "somebody".to_owned(), Clone::clone);
            format!("merged by {by} as {}", pull.head_sha)
        }
        (_, State::Succeeded) => "ended well without a merge that is known of".to_owned(),
        (_, State::Rejected) => "closed without a merge".to_owned(),
        (_, state) => format!("has not been merged: the job is {state}{}", why(job)),
    };
    format!("{review}, and {then}")
}

/// What is said of how it ended.
fn why(job: &JobRow) -> String {
    job.outcome_text().map(|text| format!(": {text}")).unwrap_or_default()
}
