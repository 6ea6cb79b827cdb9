//! The agent's side: start, find, list, observe.

use std::collections::HashMap;

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::{
    agent::{
        Agent, AgentError, Capabilities, Contact, FailKind, Found, StartOrder,
        github::{GitHub, client::Call, limits::Need, wire},
    },
    job::{
        marker::Marker,
        remote::{Task, TaskId},
        repository::Repository,
        time::Timestamp,
    },
    telemetry::metrics::Page,
};
use http::Method;

/// Of one list.
const PAGES_MAX: usize = 100;
/// Looked at one by one in a search; the newest, since what is searched for was just started.
const CANDIDATES_MAX: usize = 300;
const ACTIVE_STATES: &str = "queued,in_progress,idle,waiting_for_user";
/// The order in which paging loses nothing: what is new comes last.
const PAGING: [(&str, &str); 3] = [("per_page", "100"), ("sort", "created_at"), ("direction", "asc")];

#[async_trait]
impl Agent for GitHub {
    fn token_expires_at(&self, identity: &str) -> Option<Timestamp> {
        Self::token_expires_at(self, identity)
    }
    fn renew_tokens(&self) {
        self.renew_all();
    }
    fn contact(&self) -> Contact {
        self.last_contact()
    }
    fn meters(&self, page: &mut Page, now: Timestamp) {
        self.fill(page, now);
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities { idempotent_start: false, cancel: false, answer: false, push: false }
    }

    async fn start(&self, identity: &str, order: &StartOrder) -> Result<Task, AgentError> {
        let repository = &order.repository;
        let call = Call {
            endpoint: "start",
            what: format!("starting a task in {repository}"),
            url: self.url(&["agents", "repos", repository.owner(), repository.name(), "tasks"], &[])?,
            body: Some((Method::POST, start_body(order))),
            need: Need::Start,
        };
        let answer = self.write(identity, &call, Some(order.send_before)).await?;
        answer.json().as_ref().and_then(wire::task).ok_or_else(|| call.unreadable(identity))
    }

    async fn find(
        &self,
        identity: &str,
        repository: &Repository,
        marker: &Marker,
        since: Timestamp,
    ) -> Result<Found, AgentError> {
        let creator = self.user_id(identity).await?.to_string();
        let since = to_the_second(since);
        let mut found = Found::default();
        let mut candidates = HashMap::new();
        // A list has either the archived tasks or the others, and someone may have archived ours.
        for archived in ["false", "true"] {
            let mut query = PAGING.to_vec();
            query.extend([("since", since.as_str()), ("creator_id", creator.as_str())]);
            query.push(("is_archived", archived));
            let call = Call {
                endpoint: "repository_tasks",
                what: format!("searching the tasks of {repository}"),
                url: self
                    .url(&["agents", "repos", repository.owner(), repository.name(), "tasks"], &query)?,
                body: None,
                need: Need::Other,
            };
            let (tasks, unreadable) = self.tasks(identity, call).await?;
            candidates.extend(tasks);
            found.unreadable = found.unreadable.saturating_add(unreadable);
        }
        let mut candidates: Vec<Task> = candidates.into_values().collect();
        candidates.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| b.id.cmp(&a.id)));
        let beyond = candidates.len().saturating_sub(CANDIDATES_MAX);
        found.unreadable = found.unreadable.saturating_add(beyond);
        for candidate in candidates.into_iter().take(CANDIDATES_MAX) {
            match self.observe(identity, &candidate.id).await {
                Ok(task) if task.carries(marker) => found.tasks.push(task),
                Ok(task) if has_hidden_prompt(&task) => found.unreadable = found.unreadable.saturating_add(1),
                Ok(_) => {}
                Err(error) if error.kind == FailKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        found.tasks.reverse();
        Ok(found)
    }

    async fn list_changed(
        &self,
        identity: &str,
        since: Option<Timestamp>,
        active: bool,
    ) -> Result<Vec<Task>, AgentError> {
        let since = since.map(to_the_second);
        let mut query = PAGING.to_vec();
        query.extend(since.as_deref().map(|since| ("since", since)));
        query.extend(active.then_some(("state", ACTIVE_STATES)));
        let call = Call {
            endpoint: "tasks",
            what: "listing the tasks".to_owned(),
            url: self.url(&["agents", "tasks"], &query)?,
            body: None,
            need: Need::Other,
        };
        let (tasks, unreadable) = self.tasks(identity, call).await?;
        if unreadable > 0 {
            tracing::warn!(identity, unreadable, "a list of tasks holds items that cannot be read");
        }
        let mut tasks: Vec<Task> = tasks.into_values().collect();
        tasks.sort_by(|a, b| a.created_at.cmp(&b.created_at).then_with(|| a.id.cmp(&b.id)));
        Ok(tasks)
    }

    async fn observe(&self, identity: &str, task: &TaskId) -> Result<Task, AgentError> {
        let call = Call {
            endpoint: "task",
            what: format!("looking at task {task}"),
            url: self.url(&["agents", "tasks", &task.0], &[])?,
            body: None,
            need: Need::Other,
        };
        let answer = self.read(identity, &call).await?;
        answer.json().as_ref().and_then(wire::task).ok_or_else(|| call.unreadable(identity))
    }
}

impl GitHub {
    /// All pages, each task once, as it stood on the page read last; and how many items cannot be read.
    async fn tasks(&self, identity: &str, call: Call) -> Result<(HashMap<TaskId, Task>, usize), AgentError> {
        let not_a_list = call.unreadable(identity);
        let (mut tasks, mut unreadable) = (HashMap::new(), 0_usize);
        for page in self.pages(identity, call, PAGES_MAX).await? {
            let (listed, broken) = wire::tasks(&page).ok_or_else(|| not_a_list.clone())?;
            tasks.extend(listed.into_iter().map(|task| (task.id.clone(), task)));
            unreadable = unreadable.saturating_add(broken);
        }
        Ok((tasks, unreadable))
    }

    /// The identity's own user id, asked once.
    pub(super) async fn user_id(&self, identity: &str) -> Result<i64, AgentError> {
        let who = self.credential(identity)?;
        let ask = async || {
            let call = self.user_call()?;
            let user = self.read(identity, &call).await?.json().unwrap_or_default();
            user.get("id").and_then(Value::as_i64).ok_or_else(|| call.unreadable(identity))
        };
        who.user_id().get_or_try_init(ask).await.copied()
    }

    pub(super) fn user_call(&self) -> Result<Call, AgentError> {
        Ok(Call {
            endpoint: "user",
            what: "asking who the token belongs to".to_owned(),
            url: self.url(&["user"], &[])?,
            body: None,
            need: Need::Other,
        })
    }
}

/// `create_pull_request` is always said: left out, a pull request was opened against the documented default.
fn start_body(order: &StartOrder) -> Value {
    let mut body = json!({ "prompt": order.prompt, "create_pull_request": order.create_pull_request });
    for (name, value) in [
        ("model", &order.model),
        ("base_ref", &order.base_ref),
        ("head_ref", &order.head_ref),
        ("custom_agent", &order.custom_agent),
    ] {
        if let (Some(value), Some(fields)) = (value, body.as_object_mut()) {
            fields.insert(name.to_owned(), Value::from(value.as_str()));
        }
    }
    body
}

/// RFC 3339 without a fraction, earlier rather than later.
fn to_the_second(at: Timestamp) -> String {
    let second = jiff::Timestamp::from_second(at.0.div_euclid(1_000));
    second.map_or_else(|_| at.to_string(), |at| at.to_string())
}

/// True while a prompt of this task may still show up: it has no session, or one without its prompt.
fn has_hidden_prompt(task: &Task) -> bool {
    let sessions = task.sessions.as_deref().unwrap_or_default();
    let hidden = |prompt: &Option<String>| prompt.as_deref().is_none_or(|text| text.trim().is_empty());
    sessions.is_empty() || sessions.iter().any(|session| hidden(&session.prompt))
}
