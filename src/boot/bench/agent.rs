//! An agent without latency: every task is done as soon as it is started. It is there so that a benchmark measures us, and
//! neither a network nor a stand-in.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use crate::{
    agent::{Agent, AgentError, Capabilities, FailKind, Forge, Found, Probe, StartOrder},
    clock::Clock,
    job::{
        Checks, Marker, Pull, RemoteState, Repository, Task, TaskId,
        remote::{Artifact, Session, Usage},
        time::Timestamp,
    },
    policy::template::PullRequestText,
};

pub(super) struct InstantAgent {
    clock: Arc<dyn Clock>,
    tasks: Mutex<Tasks>,
}

#[derive(Default)]
struct Tasks {
    /// In the order of their ends.
    done: Vec<Task>,
    place: HashMap<TaskId, usize>,
    /// Those that nobody has looked at yet: they are listed as changed, however long their starts took to be recorded.
    fresh: BTreeSet<usize>,
}

impl InstantAgent {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, tasks: Mutex::default() }
    }

    /// Tasks started so far.
    pub(super) fn starts(&self) -> usize {
        self.tasks().done.len()
    }

    fn tasks(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As lists show it.
fn listed(task: &Task) -> Task {
    Task { sessions: None, ..task.clone() }
}

fn unknown(what: &str) -> AgentError {
    AgentError { kind: FailKind::NotFound, message: format!("the agent of the benchmark has no {what}") }
}

#[async_trait]
impl Agent for InstantAgent {
    fn capabilities(&self) -> Capabilities {
        Capabilities { idempotent_start: false, cancel: false, answer: false, push: false }
    }

    async fn start(&self, _: &str, order: &StartOrder) -> Result<Task, AgentError> {
        let mut tasks = self.tasks();
        let number = tasks.done.len();
        let session = Session {
            id: format!("session-{number}"),
            state: RemoteState::Completed,
            prompt: Some(order.prompt.clone()),
            model: order.model.clone(),
            head_ref: None,
            base_ref: None,
            usage: Some(Usage::AiNanoCredits(500_000_000)),
            error: None,
        };
        let now = self.clock.now();
        let branch = Artifact::Branch { head_ref: format!("agent/{number}"), base_ref: "main".to_owned() };
        let task = Task {
            id: TaskId(format!("task-{number}")),
            state: RemoteState::Completed,
            name: None,
            html_url: None,
            created_at: now,
            updated_at: Some(now),
            session_count: Some(1),
            artifacts: vec![branch],
            sessions: Some(vec![session]),
        };
        tasks.place.insert(task.id.clone(), number);
        tasks.done.push(task.clone());
        tasks.fresh.insert(number);
        Ok(listed(&task))
    }

    async fn find(
        &self,
        _: &str,
        _: &Repository,
        marker: &Marker,
        since: Timestamp,
    ) -> Result<Found, AgentError> {
        let tasks = self.tasks();
        let late = tasks.done.partition_point(|task| task.updated_at < Some(since));
        let found = tasks.done.iter().skip(late).filter(|task| task.carries(marker)).cloned().collect();
        Ok(Found { tasks: found, unreadable: 0 })
    }

    async fn list_changed(
        &self,
        _: &str,
        since: Option<Timestamp>,
        active: bool,
    ) -> Result<Vec<Task>, AgentError> {
        let tasks = self.tasks();
        if active {
            return Ok(Vec::new());
        }
        let late = tasks.done.partition_point(|task| task.updated_at < since);
        let fresh = tasks.fresh.range(..late).filter_map(|place| tasks.done.get(*place));
        Ok(fresh.chain(tasks.done.iter().skip(late)).map(listed).collect())
    }

    async fn observe(&self, _: &str, task: &TaskId) -> Result<Task, AgentError> {
        let mut tasks = self.tasks();
        let place = tasks.place.get(task).copied().ok_or_else(|| unknown("such task"))?;
        tasks.fresh.remove(&place);
        tasks.done.get(place).cloned().ok_or_else(|| unknown("such task"))
    }
}

#[async_trait]
impl Forge for InstantAgent {
    async fn find_pull(
        &self,
        _: &str,
        _: &Repository,
        _: &str,
        _: Option<i64>,
    ) -> Result<Option<Pull>, AgentError> {
        Ok(None)
    }
    async fn pull(&self, _: &str, _: &Repository, _: u64) -> Result<Pull, AgentError> {
        Err(unknown("pull requests"))
    }
    async fn changed_paths(&self, _: &str, _: &Repository, _: u64) -> Result<Vec<String>, AgentError> {
        Err(unknown("pull requests"))
    }
    async fn checks(&self, _: &str, _: &Repository, _: &str) -> Result<Checks, AgentError> {
        Err(unknown("checks"))
    }
    async fn named_checks(
        &self,
        _: &str,
        _: &Repository,
        _: &str,
    ) -> Result<BTreeMap<String, Checks>, AgentError> {
        Err(unknown("checks"))
    }
    async fn add_labels(&self, _: &str, _: &Repository, _: u64, _: &[String]) -> Result<(), AgentError> {
        Err(unknown("pull requests"))
    }
    async fn describe(&self, _: &str, _: &Repository, _: u64, _: &PullRequestText) -> Result<(), AgentError> {
        Err(unknown("pull requests"))
    }
    async fn request_review(&self, _: &str, _: &Repository, _: u64, _: &str) -> Result<(), AgentError> {
        Err(unknown("pull requests"))
    }
    async fn probe(&self, _: &str) -> Result<Probe, AgentError> {
        Err(unknown("probe"))
    }
}
