//! From method and path to the call that is meant. A trailing slash, a wrong method and an unknown
//! path are all "not found", as at GitHub.

use std::borrow::Cow;

use crate::simulator::scenario::{Access, Permission};

/// What is asked of one repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RepoCall<'p> {
    ListTasks,
    CreateTask,
    GetTask(&'p str),
    Get,
    AgentConfiguration,
    Languages,
    Workflows,
    Contents(&'p [Cow<'p, str>]),
    Branch(&'p [Cow<'p, str>]),
    DeleteBranch(&'p [Cow<'p, str>]),
    ListPulls,
    OpenPull,
    GetPull(u64),
    EditPull(u64),
    PullFiles(u64),
    IsMerged(u64),
    MergePull(u64),
    Reviewers(u64),
    AskReviewers(u64),
    UnaskReviewers(u64),
    Reviews(u64),
    GiveReview(u64),
    Labels(u64),
    AddLabels(u64),
    SetLabels(u64),
    RemoveLabel(u64, &'p str),
    Comments(u64),
    AddComment(u64),
    EditComment(u64),
    DeleteComment(u64),
    CheckRuns(&'p [Cow<'p, str>]),
    CombinedStatus(&'p [Cow<'p, str>]),
    CommitPulls(&'p str),
    Runs,
    Run(u64),
    CancelRun(u64),
    ApproveRun(u64),
}

/// The call that a request means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call<'p> {
    User,
    UserRepositories,
    OrganisationAgent(&'p str),
    RateLimit,
    Graphql,
    UserTasks,
    UserTask(&'p str),
    Repository { owner: &'p str, name: &'p str, call: RepoCall<'p> },
}

/// A call with the name of its route and what a token needs for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route<'p> {
    pub call: Call<'p>,
    pub template: &'static str,
    pub needs: (Permission, Access),
}

/// Splits a path and decodes its parts; `None` if the path is not absolute or badly encoded.
pub(crate) fn segments(path: &str) -> Option<Vec<Cow<'_, str>>> {
    path.strip_prefix('/')?.split('/').map(decode).collect()
}

/// Decodes `%41` and the like.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'%' {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = tail.get(2..)?;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// Finds the route of a method and the decoded parts of a path.
pub(crate) fn find<'p>(method: &str, path: &'p [Cow<'p, str>]) -> Option<Route<'p>> {
    let words: Vec<&str> = path.iter().map(AsRef::as_ref).collect();
    let found =
        |call, template, permission, access| Some(Route { call, template, needs: (permission, access) });
    match (method, words.as_slice()) {
        ("GET", ["user"]) => found(Call::User, "/user", Permission::Metadata, Access::Read),
        ("GET", ["user", "repos"]) => {
            found(Call::UserRepositories, "/user/repos", Permission::Metadata, Access::Read)
        }
        ("GET", ["orgs", _, "copilot", "coding-agent", "permissions"]) => found(
            Call::OrganisationAgent(path.get(1)?),
            "/orgs/{org}/copilot/coding-agent/permissions",
            Permission::Administration,
            Access::Read,
        ),
        ("GET", ["rate_limit"]) => found(Call::RateLimit, "/rate_limit", Permission::Metadata, Access::Read),
        ("POST", ["graphql"]) => found(Call::Graphql, "/graphql", Permission::PullRequests, Access::Read),
        ("GET", ["agents", "tasks"]) => {
            found(Call::UserTasks, "/agents/tasks", Permission::AgentTasks, Access::Read)
        }
        ("GET", ["agents", "tasks", _]) => {
            let id = path.get(2)?;
            found(Call::UserTask(id), "/agents/tasks/{task_id}", Permission::AgentTasks, Access::Read)
        }
        (_, ["agents", "repos", _, _, rest @ ..]) => {
            let (call, template, access) = agent_call(method, rest, path.get(4..)?)?;
            let call = Call::Repository { owner: path.get(2)?, name: path.get(3)?, call };
            found(call, template, Permission::AgentTasks, access)
        }
        (_, ["repos", _, _, rest @ ..]) => {
            let tail = path.get(3..)?;
            let (call, template, permission, access) = pull_call(method, rest)
                .or_else(|| issue_call(method, rest, tail))
                .or_else(|| code_call(method, rest, tail))?;
            let call = Call::Repository { owner: path.get(1)?, name: path.get(2)?, call };
            found(call, template, permission, access)
        }
        _ => None,
    }
}

type Found<'p> = Option<(RepoCall<'p>, &'static str, Permission, Access)>;

fn agent_call<'p>(
    method: &str,
    words: &[&str],
    path: &'p [Cow<'p, str>],
) -> Option<(RepoCall<'p>, &'static str, Access)> {
    match (method, words) {
        ("GET", ["tasks"]) => Some((RepoCall::ListTasks, "/agents/repos/{owner}/{repo}/tasks", Access::Read)),
        ("POST", ["tasks"]) => {
            Some((RepoCall::CreateTask, "/agents/repos/{owner}/{repo}/tasks", Access::Write))
        }
        ("GET", ["tasks", _]) => Some((
            RepoCall::GetTask(path.get(1)?),
            "/agents/repos/{owner}/{repo}/tasks/{task_id}",
            Access::Read,
        )),
        _ => None,
    }
}

fn pull_call<'p>(method: &str, words: &[&str]) -> Found<'p> {
    let (pulls, rest) = words.split_first()?;
    if *pulls != "pulls" {
        return None;
    }
    let (call, template, access) = match (method, rest) {
        ("GET", []) => (RepoCall::ListPulls, "/repos/{owner}/{repo}/pulls", Access::Read),
        ("POST", []) => (RepoCall::OpenPull, "/repos/{owner}/{repo}/pulls", Access::Write),
        (_, [number, tail @ ..]) => numbered_pull_call(method, number.parse().ok()?, tail)?,
        _ => return None,
    };
    Some((call, template, Permission::PullRequests, access))
}

fn numbered_pull_call<'p>(
    method: &str,
    number: u64,
    tail: &[&str],
) -> Option<(RepoCall<'p>, &'static str, Access)> {
    const PULL: &str = "/repos/{owner}/{repo}/pulls/{pull_number}";
    const MERGE: &str = "/repos/{owner}/{repo}/pulls/{pull_number}/merge";
    const REVIEWERS: &str = "/repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers";
    const REVIEWS: &str = "/repos/{owner}/{repo}/pulls/{pull_number}/reviews";
    let found = match (method, tail) {
        ("GET", []) => (RepoCall::GetPull(number), PULL, Access::Read),
        ("PATCH", []) => (RepoCall::EditPull(number), PULL, Access::Write),
        ("GET", ["files"]) => {
            (RepoCall::PullFiles(number), "/repos/{owner}/{repo}/pulls/{pull_number}/files", Access::Read)
        }
        ("GET", ["merge"]) => (RepoCall::IsMerged(number), MERGE, Access::Read),
        ("PUT", ["merge"]) => (RepoCall::MergePull(number), MERGE, Access::Write),
        ("GET", ["requested_reviewers"]) => (RepoCall::Reviewers(number), REVIEWERS, Access::Read),
        ("POST", ["requested_reviewers"]) => (RepoCall::AskReviewers(number), REVIEWERS, Access::Write),
        ("DELETE", ["requested_reviewers"]) => (RepoCall::UnaskReviewers(number), REVIEWERS, Access::Write),
        ("GET", ["reviews"]) => (RepoCall::Reviews(number), REVIEWS, Access::Read),
        ("POST", ["reviews"]) => (RepoCall::GiveReview(number), REVIEWS, Access::Write),
        _ => return None,
    };
    Some(found)
}

fn issue_call<'p>(method: &str, words: &[&str], path: &'p [Cow<'p, str>]) -> Found<'p> {
    const LABELS: &str = "/repos/{owner}/{repo}/issues/{issue_number}/labels";
    const COMMENTS: &str = "/repos/{owner}/{repo}/issues/{issue_number}/comments";
    if let ("PATCH" | "DELETE", ["issues", "comments", id]) = (method, words) {
        let template = "/repos/{owner}/{repo}/issues/comments/{comment_id}";
        let call = if method == "PATCH" { RepoCall::EditComment } else { RepoCall::DeleteComment };
        return Some((call(id.parse().ok()?), template, Permission::Issues, Access::Write));
    }
    let ["issues", number, tail @ ..] = words else { return None };
    let number = number.parse().ok()?;
    let (call, template, access) = match (method, tail) {
        ("GET", ["labels"]) => (RepoCall::Labels(number), LABELS, Access::Read),
        ("POST", ["labels"]) => (RepoCall::AddLabels(number), LABELS, Access::Write),
        ("PUT", ["labels"]) => (RepoCall::SetLabels(number), LABELS, Access::Write),
        ("DELETE", ["labels", _]) => (
            RepoCall::RemoveLabel(number, path.get(3)?),
            "/repos/{owner}/{repo}/issues/{issue_number}/labels/{name}",
            Access::Write,
        ),
        ("GET", ["comments"]) => (RepoCall::Comments(number), COMMENTS, Access::Read),
        ("POST", ["comments"]) => (RepoCall::AddComment(number), COMMENTS, Access::Write),
        _ => return None,
    };
    Some((call, template, Permission::Issues, access))
}

fn code_call<'p>(method: &str, words: &[&str], path: &'p [Cow<'p, str>]) -> Found<'p> {
    let get = method == "GET";
    let last = path.len().checked_sub(1);
    let found = match words {
        [] if get => (RepoCall::Get, "/repos/{owner}/{repo}", Permission::Metadata, Access::Read),
        ["languages"] if get => {
            (RepoCall::Languages, "/repos/{owner}/{repo}/languages", Permission::Metadata, Access::Read)
        }
        ["contents", _, ..] if get => (
            RepoCall::Contents(path.get(1..)?),
            "/repos/{owner}/{repo}/contents/{path}",
            Permission::Contents,
            Access::Read,
        ),
        ["branches", _, ..] if get => (
            RepoCall::Branch(path.get(1..)?),
            "/repos/{owner}/{repo}/branches/{branch}",
            Permission::Contents,
            Access::Read,
        ),
        ["git", "refs", "heads", _, ..] if method == "DELETE" => (
            RepoCall::DeleteBranch(path.get(3..)?),
            "/repos/{owner}/{repo}/git/refs/{ref}",
            Permission::Contents,
            Access::Write,
        ),
        ["commits", _, .., "check-runs"] if get => (
            RepoCall::CheckRuns(path.get(1..last?)?),
            "/repos/{owner}/{repo}/commits/{ref}/check-runs",
            Permission::Checks,
            Access::Read,
        ),
        ["commits", _, .., "status"] if get => (
            RepoCall::CombinedStatus(path.get(1..last?)?),
            "/repos/{owner}/{repo}/commits/{ref}/status",
            Permission::Statuses,
            Access::Read,
        ),
        ["commits", _, "pulls"] if get => (
            RepoCall::CommitPulls(path.get(1)?),
            "/repos/{owner}/{repo}/commits/{commit_sha}/pulls",
            Permission::PullRequests,
            Access::Read,
        ),
        ["copilot", "cloud-agent", "configuration"] if get => (
            RepoCall::AgentConfiguration,
            "/repos/{owner}/{repo}/copilot/cloud-agent/configuration",
            Permission::Administration,
            Access::Read,
        ),
        ["actions", "workflows"] if get => (
            RepoCall::Workflows,
            "/repos/{owner}/{repo}/actions/workflows",
            Permission::Actions,
            Access::Read,
        ),
        ["actions", "runs", tail @ ..] => return run_call(method, tail),
        _ => return None,
    };
    Some(found)
}

fn run_call<'p>(method: &str, tail: &[&str]) -> Found<'p> {
    let (call, template, access) = match (method, tail) {
        ("GET", []) => (RepoCall::Runs, "/repos/{owner}/{repo}/actions/runs", Access::Read),
        ("GET", [run]) => {
            (RepoCall::Run(run.parse().ok()?), "/repos/{owner}/{repo}/actions/runs/{run_id}", Access::Read)
        }
        ("POST", [run, "cancel"]) => (
            RepoCall::CancelRun(run.parse().ok()?),
            "/repos/{owner}/{repo}/actions/runs/{run_id}/cancel",
            Access::Write,
        ),
        ("POST", [run, "approve"]) => (
            RepoCall::ApproveRun(run.parse().ok()?),
            "/repos/{owner}/{repo}/actions/runs/{run_id}/approve",
            Access::Write,
        ),
        _ => return None,
    };
    Some((call, template, Permission::Actions, access))
}
