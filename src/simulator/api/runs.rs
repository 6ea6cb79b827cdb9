//! Actions runs: the agent's own, which can be cancelled to stop it, and the one of each push.

use serde_json::{Value, json};

use super::{Context, checks, render_pull};
use crate::simulator::clock::seconds;
use crate::simulator::http::reply::{Answer, Reply};
use crate::simulator::scenario::Conclusion;
use crate::simulator::world::repository::{Branch, Repository};
use crate::simulator::world::state::TaskState;
use crate::simulator::world::task::{Session, Step, Task};
use crate::simulator::world::{RepositoryKey, TaskKey};

/// By this path the agent's own runs are told from a repository's workflows.
const AGENT_PATH: &str = "dynamic/copilot-swe-agent/copilot";
const WORKFLOW_PATH: &str = ".github/workflows/ci.yml";

/// One run in the few facts that its answer is made of.
#[derive(Debug)]
struct Run<'w> {
    id: u64,
    path: &'static str,
    name: &'w str,
    event: &'static str,
    branch: Option<&'w str>,
    sha: &'w str,
    status: &'static str,
    conclusion: Option<&'static str>,
    created_ms: i64,
    updated_ms: i64,
}

/// `GET …/actions/runs`, newest first.
pub(super) fn list(context: &Context<'_>, repository: RepositoryKey) -> Answer {
    let query = context.query;
    let home = context.world.repository(repository).ok_or_else(Reply::not_found)?;
    let mut runs: Vec<Run<'_>> = match query.get("branch") {
        Some(name) => home
            .branch_of(name)
            .map(|(name, branch)| of_branch(context, home, name, branch))
            .unwrap_or_default(),
        None => {
            home.branches.iter().flat_map(|(name, branch)| of_branch(context, home, name, branch)).collect()
        }
    };
    runs.retain(|run| {
        query.get("head_sha").is_none_or(|sha| sha == run.sha)
            && query.get("event").is_none_or(|event| event == run.event)
            && query.get("status").is_none_or(|status| status == run.status || Some(status) == run.conclusion)
    });
    runs.sort_by_key(|run| std::cmp::Reverse((run.created_ms, run.id)));
    let total = runs.len();
    let page = query.page()?;
    let (runs, more) = page.cut(runs.iter());
    let views: Vec<Value> = runs.into_iter().map(|run| view(run, home, context.base)).collect();
    let reply = Reply::json(200, &json!({"total_count": total, "workflow_runs": views}));
    Ok(match query.plain_link(context.base, context.path, page, more) {
        Some(link) => reply.with("link", link),
        None => reply,
    })
}

/// `GET …/actions/runs/{id}`.
pub(super) fn get(context: &Context<'_>, repository: RepositoryKey, id: u64) -> Answer {
    let home = context.world.repository(repository).ok_or_else(Reply::not_found)?;
    let own = home.runs.get(&id).and_then(|key| context.world.task(*key)).and_then(|task| {
        let session = task.sessions.iter().find(|session| session.run_id == id)?;
        Some(of_session(home, task, session))
    });
    let pushed = || {
        let (name, branch) = home.branches.iter().find(|(_, branch)| branch.run_id == id)?;
        Some(of_push(context, home, name, branch))
    };
    let run = own.or_else(pushed).ok_or_else(Reply::not_found)?;
    Ok(Reply::json(200, &view(&run, home, context.base)))
}

/// `POST …/actions/runs/{id}/cancel`: stops the agent, if the run is its own and still going.
pub(super) fn cancel(context: Context<'_>, repository: RepositoryKey, id: u64) -> Answer {
    let home = context.world.repository(repository).ok_or_else(Reply::not_found)?;
    let Some(key) = home.runs.get(&id).copied() else {
        return get(&context, repository, id).and(Err(refused()));
    };
    if !is_latest_and_live(&context, key, id) {
        return Err(refused());
    }
    context.world.force(key, context.now_ms, &Step::End(TaskState::Cancelled, None));
    Ok(Reply::json(202, &json!({})))
}

/// `POST …/actions/runs/{id}/approve`: the agent's runs cannot be approved this way.
pub(super) fn approve(context: &Context<'_>, repository: RepositoryKey, id: u64) -> Answer {
    get(context, repository, id)?;
    Err(Reply::error(403, "This run is not from a fork pull request"))
}

fn refused() -> Reply {
    Reply::error(409, "Cannot cancel a workflow run that is completed.")
}

fn is_latest_and_live(context: &Context<'_>, key: TaskKey, id: u64) -> bool {
    let session = context.world.task(key).and_then(|task| task.sessions.last());
    session.is_some_and(|session| session.run_id == id && !session.state.is_ended())
}

fn of_branch<'w>(
    context: &'w Context<'_>,
    home: &'w Repository,
    name: &'w str,
    branch: &'w Branch,
) -> Vec<Run<'w>> {
    let task = context.world.task(branch.task);
    let sessions = task
        .into_iter()
        .flat_map(|task| task.sessions.iter().map(move |session| of_session(home, task, session)));
    sessions.chain([of_push(context, home, name, branch)]).collect()
}

fn of_session<'w>(home: &'w Repository, task: &'w Task, session: &'w Session) -> Run<'w> {
    let (status, conclusion) = match session.state {
        TaskState::Queued => ("queued", None),
        TaskState::InProgress | TaskState::WaitingForUser | TaskState::Idle | TaskState::Unknown(_) => {
            ("in_progress", None)
        }
        TaskState::Completed => ("completed", Some("success")),
        TaskState::Failed => ("completed", Some("failure")),
        TaskState::TimedOut => ("completed", Some("timed_out")),
        TaskState::Cancelled => ("completed", Some("cancelled")),
    };
    let branch = session.head_ref.as_deref();
    let pushed = branch.and_then(|name| home.branches.get(name));
    Run {
        id: session.run_id,
        path: AGENT_PATH,
        name: &task.name,
        event: "dynamic",
        branch,
        sha: pushed.map_or(&home.default_sha, |branch| &branch.sha),
        status,
        conclusion,
        created_ms: session.created_ms,
        updated_ms: session.updated_ms,
    }
}

fn of_push<'w>(context: &Context<'_>, home: &Repository, name: &'w str, branch: &'w Branch) -> Run<'w> {
    let run = |status, conclusion, updated_ms| Run {
        id: branch.run_id,
        path: WORKFLOW_PATH,
        name: "CI",
        event: "push",
        branch: Some(name),
        sha: &branch.sha,
        status,
        conclusion,
        created_ms: branch.pushed_ms,
        updated_ms,
    };
    if home.traits.workflow_approval {
        return run("completed", Some("action_required"), branch.pushed_ms);
    }
    let progress =
        branch.checks.iter().map(|check| checks::progress(check, branch.pushed_ms, context.now_ms));
    let last = progress.max_by_key(|progress| progress.completed_ms.unwrap_or(i64::MAX));
    let status = last.map_or("completed", |progress| progress.status);
    let failed = branch.checks.iter().find(|check| check.conclusion != Conclusion::Success);
    let conclusion = failed.map_or("success", |check| check.conclusion.word());
    let updated_ms = last.and_then(|progress| progress.completed_ms.or(progress.started_ms));
    run(status, (status == "completed").then_some(conclusion), updated_ms.unwrap_or(branch.pushed_ms))
}

fn view(run: &Run<'_>, home: &Repository, base: &str) -> Value {
    let api = format!("{base}/repos/{}/actions/runs/{}", home.full_name, run.id);
    let repository = render_pull::minimal_repository(home, base);
    json!({
        "id": run.id, "node_id": format!("WFR_kwLO{:X}", run.id), "name": run.name, "display_title": run.name,
        "head_branch": run.branch, "head_sha": run.sha, "path": run.path, "run_number": 1, "run_attempt": 1,
        "event": run.event, "status": run.status, "conclusion": run.conclusion, "workflow_id": 1,
        "url": api, "html_url": format!("{base}/{}/actions/runs/{}", home.full_name, run.id), "pull_requests": [],
        "created_at": seconds(run.created_ms), "updated_at": seconds(run.updated_ms), "run_started_at": seconds(run.created_ms),
        "jobs_url": format!("{api}/jobs"), "logs_url": format!("{api}/logs"), "check_suite_url": format!("{api}/suite"),
        "artifacts_url": format!("{api}/artifacts"), "cancel_url": format!("{api}/cancel"), "rerun_url": format!("{api}/rerun"),
        "previous_attempt_url": null, "workflow_url": format!("{base}/repos/{}/actions/workflows/1", home.full_name),
        "head_commit": null, "repository": repository, "head_repository": repository,
    })
}
