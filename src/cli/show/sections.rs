//! Who asked for a job, for what, and how it stands.

use serde_json::Value;

use crate::{
    cli::{dead, exit::CliError, screen::Tone, words},
    ledger::rows::RequestRow,
    pipeline::view::JobDetail,
};

use super::Page;

pub fn head(detail: &JobDetail, page: &mut Page<'_>) -> Result<(), CliError> {
    let job = &detail.job;
    let paint = page.screen.paint;
    page.screen.line(format!(
        "job {} in {}: {}",
        paint.with(Tone::Strong, &job.id.to_string()),
        job.repository,
        paint.with(Tone::of(job.state), job.state.as_str())
    ))?;
    page.field("since", &page.moment(job.state_since))?;
    if let Some(wait) = &job.wait {
        page.field("waits", &wait.text)?;
        if let Some(at) = wait.clears_at {
            page.field("clears", &page.moment(at))?;
        }
    } else if job.outcome.is_some() {
        let (why, advice) = dead::reason(job);
        page.field("because", &why)?;
        page.field("what to do", advice.as_deref().unwrap_or_default())?;
    }
    page.field("pull request", job.pull_url.as_deref().unwrap_or_default())?;
    page.field("reviewer", job.reviewer.as_deref().unwrap_or_default())?;
    if let Some(dead) = job.replay_of {
        page.field("retries", &format!("dead letter {dead}"))?;
    }
    page.field("discarded", if job.discarded { "by an operator" } else { "" })
}

pub fn asked(detail: &JobDetail, page: &mut Page<'_>) -> Result<(), CliError> {
    page.section("asked")?;
    page.field("request", &detail.request.id.to_string())?;
    request(&detail.request, page)
}

/// Who asked for what, and why.
pub fn request(request: &RequestRow, page: &mut Page<'_>) -> Result<(), CliError> {
    page.field("by", &format!("{}, team {}", request.requester, request.team))?;
    page.field("accepted", &page.moment(request.created_at))?;
    page.field("reason", request.reason.as_deref().unwrap_or_default())?;
    page.field("owner", &request.owner)?;
    page.field("key", request.idempotency_key.as_deref().unwrap_or_default())?;
    page.field("inputs", &inputs(&request.inputs_json))
}

/// `package = serde, count = 3`.
fn inputs(json: &str) -> String {
    let Ok(Value::Object(inputs)) = serde_json::from_str::<Value>(json) else { return String::new() };
    let shown = inputs.iter().filter(|(_, value)| value.as_str() != Some(""));
    let pairs = shown.map(|(key, value)| match value.as_str() {
        Some(text) => format!("{key} = {}", words::shorten(text, 120)),
        None => format!("{key} = {}", words::shorten(&value.to_string(), 120)),
    });
    pairs.collect::<Vec<_>>().join(", ")
}

pub fn work(detail: &JobDetail, page: &mut Page<'_>) -> Result<(), CliError> {
    let (job, request) = (&detail.job, &detail.request);
    page.section("work")?;
    page.field("template", &format!("{}, digest {}", job.template, request.template_digest))?;
    let bytes = detail.prompt.as_ref().map(|prompt| format!(", {} bytes", prompt.len())).unwrap_or_default();
    page.field("prompt", &format!("digest {}{bytes} (--prompt shows it)", detail.prompt_digest))?;
    page.field("plan", &format!("digest {}", request.plan_digest))?;
    page.field("model", job.model.as_deref().unwrap_or("not routed: the provider chooses"))?;
    for finding in &detail.job.findings {
        page.field(
            "finding",
            &format!("{}: {} ({})", finding.outcome.as_str(), finding.text, finding.reason),
        )?;
    }
    page.field("identity", &request.identity)?;
    page.field("usage", &format!("{} credits in {}", words::credits(detail.nano_credits), tries(detail)))
}

fn tries(detail: &JobDetail) -> String {
    words::count(detail.attempts.len(), "attempt")
}
