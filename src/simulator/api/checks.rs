//! Check runs and legacy statuses. They follow from the time of the push, nothing is stored.

use serde_json::{Value, json};

use super::{Context, render_pull};
use crate::simulator::clock::seconds;
use crate::simulator::draw::Draw;
use crate::simulator::http::reply::{Answer, Reply};
use crate::simulator::scenario::{Check, StatusState};
use crate::simulator::world::RepositoryKey;
use crate::simulator::world::repository::{Branch, Repository};

/// How far a check is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    pub status: &'static str,
    pub started_ms: Option<i64>,
    pub completed_ms: Option<i64>,
}

/// How far a check of a push is at a time.
pub(super) fn progress(check: &Check, pushed_ms: i64, now_ms: i64) -> Progress {
    let start = pushed_ms.saturating_add_unsigned(check.queued_ms);
    let end = start.saturating_add_unsigned(check.run_ms);
    let started_ms = (now_ms >= start).then_some(start);
    let completed_ms = (now_ms >= end).then_some(end);
    let status = match (started_ms, completed_ms) {
        (_, Some(_)) => "completed",
        (Some(_), None) => "in_progress",
        (None, None) => "queued",
    };
    Progress { status, started_ms, completed_ms }
}

/// `GET …/commits/{ref}/check-runs`. Nothing reports while workflows wait for an approval.
pub(super) fn runs(context: &Context<'_>, repository: RepositoryKey, reference: &str) -> Answer {
    let home = context.world.repository(repository).ok_or_else(Reply::not_found)?;
    let branch = branch_or_default(home, reference)?.filter(|_| !home.traits.workflow_approval);
    let name = context.query.get("check_name");
    let status = context.query.word("status", &["queued", "in_progress", "completed"])?;
    let page = context.query.page()?;
    let checks = branch.into_iter().flat_map(|branch| branch.checks.iter().map(move |check| (branch, check)));
    let views: Vec<Value> = checks
        .filter(|(_, check)| name.is_none_or(|name| name == check.name))
        .filter(|(branch, check)| {
            status.is_none_or(|status| status == progress(check, branch.pushed_ms, context.now_ms).status)
        })
        .map(|(branch, check)| view(context, home, branch, check))
        .collect();
    let total = views.len();
    let (views, _) = page.cut(views.into_iter());
    Ok(Reply::json(200, &json!({"total_count": total, "check_runs": views})))
}

/// `GET …/commits/{ref}/status`.
pub(super) fn status(context: &Context<'_>, repository: RepositoryKey, reference: &str) -> Answer {
    let home = context.world.repository(repository).ok_or_else(Reply::not_found)?;
    let branch = branch_or_default(home, reference)?;
    let sha = branch.map_or(&home.default_sha, |branch| &branch.sha);
    let statuses = branch.map(|branch| &*branch.statuses).unwrap_or_default();
    let worst = statuses.iter().map(|status| status.state).max();
    let state = match worst {
        Some(StatusState::Success) => "success",
        Some(StatusState::Failure | StatusState::Error) => "failure",
        Some(StatusState::Pending) | None => "pending",
    };
    let url = format!("{}/repos/{}/commits/{sha}", context.base, home.full_name);
    let at = seconds(branch.map_or(0, |branch| branch.pushed_ms));
    let views: Vec<Value> = statuses
        .iter()
        .map(|status| {
            let id = Draw::new(0, &status.context, 1).between(1_000_000, 9_999_999);
            json!({
                "id": id, "node_id": format!("SC_kwDO{id:X}"), "url": url, "avatar_url": null,
                "state": status.state.word(), "context": status.context, "description": status.description,
                "target_url": null, "required": null, "created_at": at, "updated_at": at,
            })
        })
        .collect();
    let body = json!({
        "state": state, "sha": **sha, "total_count": views.len(), "statuses": views,
        "repository": render_pull::minimal_repository(home, context.base),
        "commit_url": url, "url": format!("{url}/status"),
    });
    Ok(Reply::json(200, &body))
}

/// The branch of a reference, `None` for the default branch, 422 for what does not exist.
fn branch_or_default<'h>(home: &'h Repository, reference: &str) -> Result<Option<&'h Branch>, Reply> {
    if let Some((_, branch)) = home.branch_of(reference) {
        return Ok(Some(branch));
    }
    let known = *reference == *home.traits.default_branch || *reference == *home.default_sha;
    if known { Ok(None) } else { Err(Reply::unprocessable(&format!("No commit found for SHA: {reference}"))) }
}

fn view(context: &Context<'_>, home: &Repository, branch: &Branch, check: &Check) -> Value {
    let progress = progress(check, branch.pushed_ms, context.now_ms);
    let id = Draw::new(branch.run_id, &check.name, 1).between(30_000_000_000, 39_999_999_999);
    let api = format!("{}/repos/{}/check-runs/{id}", context.base, home.full_name);
    let web = format!("{}/{}/actions/runs/{}/job/{id}", context.base, home.full_name, branch.run_id);
    json!({
        "id": id, "node_id": format!("CR_kwDO{id:X}"), "head_sha": *branch.sha, "external_id": "", "name": check.name,
        "url": api, "html_url": web, "details_url": web, "status": progress.status,
        "conclusion": progress.completed_ms.map(|_| check.conclusion.word()),
        "started_at": progress.started_ms.map(seconds), "completed_at": progress.completed_ms.map(seconds),
        "output": {"title": null, "summary": null, "text": null, "annotations_count": 0, "annotations_url": format!("{api}/annotations")},
        "check_suite": {"id": branch.run_id}, "app": null, "pull_requests": [],
    })
}
