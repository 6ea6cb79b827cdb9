//! The forge's side: pull requests, their files, checks, labels and reviewers; and what a token is.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::{
    agent::{
        AgentError, FailKind, Forge, Probe,
        github::{
            GitHub,
            client::Call,
            limits::{self, Need},
            wire::{self, list, text},
        },
    },
    job::{
        pull::{Checks, Pull},
        repository::Repository,
        time::Timestamp,
    },
    policy::template::PullRequestText,
};
use http::Method;

/// Pull requests of one branch: more than a few are a mistake.
const PULL_PAGES_MAX: usize = 10;
/// GitHub tells of 3,000 files at most, then ends the list.
const FILE_PAGES_MAX: usize = 30;
/// GitHub tells of the runs of 1,000 check suites at most.
const CHECK_PAGES_MAX: usize = 30;

#[async_trait]
impl Forge for GitHub {
    async fn find_pull(
        &self,
        identity: &str,
        repository: &Repository,
        branch: &str,
        database_id: Option<i64>,
    ) -> Result<Option<Pull>, AgentError> {
        let head = format!("{}:{branch}", repository.owner());
        let what = format!("finding the pull request of `{branch}` in {repository}");
        let query = [("head", head.as_str()), ("state", "all"), ("per_page", "100")];
        let call = self.at("pulls", what, repository, &["pulls"], &query)?;
        let not_a_list = call.unreadable(identity);
        let mut best: Option<Pull> = None;
        for page in self.pages(identity, call, PULL_PAGES_MAX).await? {
            let items = page.as_array().ok_or_else(|| not_a_list.clone())?;
            // The branch is compared again: GitHub ignores a `head` that it cannot make sense of.
            let of_branch = items.iter().filter_map(wire::pull).filter(|pull| pull.head_ref == branch);
            let wanted = of_branch.filter(|pull| database_id.is_none_or(|id| pull.database_id == id));
            best = best.into_iter().chain(wanted).max_by_key(|pull| (pull.open, pull.number));
        }
        match best {
            Some(pull) => self.pull(identity, repository, pull.number).await.map(Some),
            None => Ok(None),
        }
    }

    async fn pull(&self, identity: &str, repository: &Repository, number: u64) -> Result<Pull, AgentError> {
        let what = format!("looking at pull request {repository}#{number}");
        let call = self.at("pull", what, repository, &["pulls", &number.to_string()], &[])?;
        let answer = self.read(identity, &call).await?;
        answer.json().as_ref().and_then(wire::pull).ok_or_else(|| call.unreadable(identity))
    }

    async fn changed_paths(
        &self,
        identity: &str,
        repository: &Repository,
        number: u64,
    ) -> Result<Vec<String>, AgentError> {
        let what = format!("reading the changed files of {repository}#{number}");
        let path = ["pulls", &number.to_string(), "files"];
        let call = self.at("files", what, repository, &path, &[("per_page", "100")])?;
        let unreadable = call.unreadable(identity);
        let mut paths = BTreeSet::new();
        for page in self.pages(identity, call, FILE_PAGES_MAX).await? {
            for file in page.as_array().ok_or_else(|| unreadable.clone())? {
                // A path that is passed over would pass the scope check: better no answer.
                paths.insert(text(file, "filename").ok_or_else(|| unreadable.clone())?);
                paths.extend(text(file, "previous_filename"));
            }
        }
        Ok(paths.into_iter().collect())
    }

    async fn checks(&self, identity: &str, repository: &Repository, sha: &str) -> Result<Checks, AgentError> {
        let every = self.every_check(identity, repository, sha).await?;
        let checks = every.into_iter().map(|(_, check)| check).fold(Checks::None, worse);
        match checks {
            Checks::None | Checks::Green if self.waits_for_click(identity, repository, sha).await? => {
                Ok(Checks::ActionRequired)
            }
            _ => Ok(checks),
        }
    }

    async fn named_checks(
        &self,
        identity: &str,
        repository: &Repository,
        sha: &str,
    ) -> Result<BTreeMap<String, Checks>, AgentError> {
        let mut named = BTreeMap::new();
        for (name, check) in self.every_check(identity, repository, sha).await? {
            let known = named.entry(name.unwrap_or_default()).or_insert(Checks::None);
            *known = worse(*known, check);
        }
        Ok(named)
    }

    async fn describe(
        &self,
        identity: &str,
        repository: &Repository,
        number: u64,
        wanted: &PullRequestText,
    ) -> Result<(), AgentError> {
        let what = format!("describing {repository}#{number}");
        let mut call = self.at("pull", what, repository, &["pulls", &number.to_string()], &[])?;
        let now = self.read(identity, &call).await?.json().ok_or_else(|| call.unreadable(identity))?;
        let mut change = serde_json::Map::new();
        if let Some(title) = wanted.title.as_ref().filter(|title| text(&now, "title").as_ref() != Some(title))
        {
            change.insert("title".to_owned(), json!(title));
        }
        // GitHub keeps line ends as they were typed.
        let written = text(&now, "body").unwrap_or_default().replace("\r\n", "\n");
        if let Some(lead) = wanted.body.as_ref().filter(|lead| !written.starts_with(lead.as_str())) {
            let body = format!("{lead}\n\n{written}");
            change.insert("body".to_owned(), json!(body.trim_end()));
        }
        if change.is_empty() {
            return Ok(());
        }
        call.body = Some((Method::PATCH, Value::Object(change)));
        self.write(identity, &call, None).await.map(drop)
    }

    async fn add_labels(
        &self,
        identity: &str,
        repository: &Repository,
        number: u64,
        labels: &[String],
    ) -> Result<(), AgentError> {
        if labels.is_empty() {
            return Ok(());
        }
        let what = format!("labelling {repository}#{number}");
        let mut call =
            self.at("labels", what, repository, &["issues", &number.to_string(), "labels"], &[])?;
        call.body = Some((Method::POST, json!({ "labels": labels })));
        self.write(identity, &call, None).await.map(drop)
    }

    async fn request_review(
        &self,
        identity: &str,
        repository: &Repository,
        number: u64,
        login: &str,
    ) -> Result<(), AgentError> {
        let what = format!("asking {login} to review {repository}#{number}");
        let path = ["pulls", &number.to_string(), "requested_reviewers"];
        let mut call = self.at("reviewers", what, repository, &path, &[])?;
        call.body = Some((Method::POST, json!({ "reviewers": [login] })));
        self.write(identity, &call, None).await.map(drop)
    }

    async fn probe(&self, identity: &str) -> Result<Probe, AgentError> {
        let call = self.user_call()?;
        let answer = self.read(identity, &call).await?;
        let user = answer.json().unwrap_or_default();
        let id = user.get("id").and_then(Value::as_i64);
        let (Some(login), Some(user_id)) = (text(&user, "login"), id) else {
            return Err(call.unreadable(identity));
        };
        let limit_call = Call {
            endpoint: "rate_limit",
            what: "asking for the request budget".to_owned(),
            url: self.url(&["rate_limit"], &[])?,
            ..call
        };
        let limit = match self.read(identity, &limit_call).await {
            Ok(answer) => answer.json().unwrap_or_default(),
            // Where limits are switched off there is none to tell of.
            Err(error) if error.kind == FailKind::NotFound => Value::Null,
            Err(error) => return Err(error),
        };
        let core = limit.pointer("/resources/core");
        let reset_seconds = core.and_then(|core| core.get("reset")).and_then(Value::as_i64);
        Ok(Probe {
            login,
            user_id,
            expires_at: self.token_expires_at(identity),
            requests_left: core.and_then(|core| wire::whole(core.get("remaining"))),
            limit_resets_at: reset_seconds.map(|seconds| Timestamp(seconds.saturating_mul(1_000))),
            remote_now: limits::date(&answer.headers),
        })
    }
}

impl GitHub {
    /// Check runs, then statuses.
    async fn every_check(
        &self,
        identity: &str,
        repository: &Repository,
        sha: &str,
    ) -> Result<Vec<(Option<String>, Checks)>, AgentError> {
        let hundred = [("per_page", "100")];
        let what = format!("reading the check runs of {repository}@{sha}");
        let call = self.at("check_runs", what, repository, &["commits", sha, "check-runs"], &hundred)?;
        let mut every = Vec::new();
        for page in self.pages(identity, call, CHECK_PAGES_MAX).await? {
            let runs = list(&page, "check_runs");
            every.extend(runs.iter().map(|run| (text(run, "name"), check_run(run))));
        }
        let what = format!("reading the statuses of {repository}@{sha}");
        let call = self.at("status", what, repository, &["commits", sha, "status"], &hundred)?;
        for page in self.pages(identity, call, CHECK_PAGES_MAX).await? {
            let statuses = list(&page, "statuses");
            every.extend(statuses.iter().map(|one| (text(one, "context"), status(one))));
        }
        Ok(every)
    }

    /// A workflow that waits for someone to allow it reports no check at all; only its run tells. A token that
    /// may not read runs cannot be told.
    async fn waits_for_click(
        &self,
        identity: &str,
        repository: &Repository,
        sha: &str,
    ) -> Result<bool, AgentError> {
        let what = format!("reading the workflow runs of {repository}@{sha}");
        let query = [("head_sha", sha), ("status", "action_required"), ("per_page", "1")];
        let call = self.at("runs", what, repository, &["actions", "runs"], &query)?;
        match self.read(identity, &call).await {
            Ok(answer) => Ok(!list(&answer.json().unwrap_or_default(), "workflow_runs").is_empty()),
            Err(error) if matches!(error.kind, FailKind::Forbidden | FailKind::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A read below `/repos/OWNER/NAME`.
    pub(super) fn at(
        &self,
        endpoint: &'static str,
        what: String,
        repository: &Repository,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Call, AgentError> {
        let path = [&["repos", repository.owner(), repository.name()], path].concat();
        Ok(Call { endpoint, what, url: self.url(&path, query)?, body: None, need: Need::Other })
    }
}

/// The one that weighs more: what failed, then what waits for a person, then what is not done.
fn worse(one: Checks, other: Checks) -> Checks {
    let weight = |checks| match checks {
        Checks::None => 0,
        Checks::Green => 1,
        Checks::Pending => 2,
        Checks::ActionRequired => 3,
        Checks::Red => 4,
    };
    if weight(other) > weight(one) { other } else { one }
}

fn check_run(run: &Value) -> Checks {
    let word = |name| run.get(name).and_then(Value::as_str);
    match (word("status"), word("conclusion")) {
        (Some("completed"), Some("success" | "neutral" | "skipped")) => Checks::Green,
        (Some("completed"), Some("action_required")) => Checks::ActionRequired,
        (Some("completed"), Some("failure" | "timed_out" | "cancelled" | "startup_failure" | "stale")) => {
            Checks::Red
        }
        // Under way, or a word that we do not know: not proven.
        _ => Checks::Pending,
    }
}

fn status(status: &Value) -> Checks {
    match status.get("state").and_then(Value::as_str) {
        Some("success") => Checks::Green,
        Some("failure" | "error") => Checks::Red,
        _ => Checks::Pending,
    }
}
