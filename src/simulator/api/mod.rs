//! The calls: each reads its parameters strictly, changes or looks at the world, and renders the answer.

mod agent_tasks;
mod body;
mod checks;
mod comments;
mod contents;
mod graphql;
mod labels;
mod merge;
mod pulls;
mod render_pull;
mod render_task;
mod repositories;
mod reviewers;
mod reviews;
mod runs;
mod settings;
mod user;

use super::http::gate::Caller;
use super::http::query::Query;
use super::http::reply::{Answer, Reply};
use super::http::route::{Call, RepoCall};
use super::world::{PullKey, RepositoryKey, World};

/// What every call works with.
#[derive(Debug)]
pub(crate) struct Context<'r> {
    pub world: &'r mut World,
    pub now_ms: i64,
    pub caller: &'r Caller,
    /// Address of the simulator as the caller wrote it, such as `http://127.0.0.1:4300`.
    pub base: &'r str,
    pub path: &'r str,
    pub query: &'r Query,
    pub body: &'r [u8],
}

impl Context<'_> {
    /// An open or closed pull request, or 404.
    fn pull_key(&self, repository: RepositoryKey, number: u64) -> Result<PullKey, Reply> {
        let key = PullKey { repository, number };
        self.world.pull(key).map(|_| key).ok_or_else(Reply::not_found)
    }
}

/// Answers a call whose repository, if it has one, is known and visible.
pub(crate) fn call(context: Context<'_>, call: &Call<'_>, repository: Option<RepositoryKey>) -> Answer {
    match (call, repository) {
        (Call::User, _) => Ok(user::user(&context)),
        (Call::UserRepositories, _) => repositories::list_of_user(context),
        (Call::OrganisationAgent(login), _) => Ok(settings::organisation(&context, login)),
        (Call::RateLimit, _) => Ok(user::rate_limit(context)),
        (Call::Graphql, _) => graphql::call(context),
        (Call::UserTasks, _) => agent_tasks::list_of_user(context),
        (Call::UserTask(id), _) => agent_tasks::get(&context, id, None),
        (Call::Repository { call, .. }, Some(key)) => repository_call(context, *call, key),
        (Call::Repository { .. }, None) => Err(Reply::not_found()),
    }
}

fn repository_call(context: Context<'_>, call: RepoCall<'_>, key: RepositoryKey) -> Answer {
    match call {
        RepoCall::ListTasks => agent_tasks::list_of_repository(context, key),
        RepoCall::CreateTask => agent_tasks::create(context, key),
        RepoCall::GetTask(id) => agent_tasks::get(&context, id, Some(key)),
        RepoCall::Get => repositories::get(&context, key),
        RepoCall::AgentConfiguration => settings::agent_configuration(&context, key),
        RepoCall::Languages => repositories::languages(&context, key),
        RepoCall::Workflows => settings::workflows(&context, key),
        RepoCall::Contents(path) => contents::get(&context, key, &path.join("/")),
        RepoCall::Branch(name) => repositories::branch(&context, key, &name.join("/")),
        RepoCall::DeleteBranch(name) => repositories::delete_branch(context, key, &name.join("/")),
        RepoCall::ListPulls => pulls::list(&context, key),
        RepoCall::OpenPull => pulls::open(context, key),
        RepoCall::CommitPulls(sha) => pulls::of_commit(&context, key, sha),
        RepoCall::CheckRuns(reference) => checks::runs(&context, key, &reference.join("/")),
        RepoCall::CombinedStatus(reference) => checks::status(&context, key, &reference.join("/")),
        RepoCall::Runs => runs::list(&context, key),
        RepoCall::Run(id) => runs::get(&context, key, id),
        RepoCall::CancelRun(id) => runs::cancel(context, key, id),
        RepoCall::ApproveRun(id) => runs::approve(&context, key, id),
        _ => pull_call(context, call, key),
    }
}

fn pull_call(context: Context<'_>, call: RepoCall<'_>, repository: RepositoryKey) -> Answer {
    let pull = |number| context.pull_key(repository, number);
    match call {
        RepoCall::GetPull(number) => pulls::get(&context, pull(number)?),
        RepoCall::EditPull(number) => pulls::edit(context, PullKey { repository, number }),
        RepoCall::PullFiles(number) => pulls::files(&context, pull(number)?),
        RepoCall::IsMerged(number) => merge::is_merged(&context, pull(number)?),
        RepoCall::MergePull(number) => merge::merge(context, PullKey { repository, number }),
        RepoCall::Reviewers(number) => reviewers::list(&context, pull(number)?),
        RepoCall::AskReviewers(number) => reviewers::ask(context, PullKey { repository, number }),
        RepoCall::UnaskReviewers(number) => reviewers::unask(context, PullKey { repository, number }),
        RepoCall::Reviews(number) => reviews::list(&context, pull(number)?),
        RepoCall::GiveReview(number) => reviews::give(context, PullKey { repository, number }),
        RepoCall::Labels(number) => labels::list(&context, pull(number)?),
        RepoCall::AddLabels(number) => labels::add(context, PullKey { repository, number }),
        RepoCall::SetLabels(number) => labels::set(context, PullKey { repository, number }),
        RepoCall::RemoveLabel(number, name) => labels::remove(context, PullKey { repository, number }, name),
        RepoCall::Comments(number) => comments::list(&context, PullKey { repository, number }),
        RepoCall::AddComment(number) => comments::add(context, PullKey { repository, number }),
        RepoCall::EditComment(id) => comments::edit(context, repository, id),
        RepoCall::DeleteComment(id) => comments::delete(context, repository, id),
        _ => Err(Reply::not_found()),
    }
}
