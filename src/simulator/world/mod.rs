//! Everything the simulator knows, under one lock: people, repositories, tasks, pull requests, and
//! the agenda of what is still to happen. It knows nothing of HTTP.

pub(crate) mod agenda;
pub(crate) mod comments;
pub(crate) mod faults;
pub(crate) mod index;
pub(crate) mod limits;
pub(crate) mod log;
pub(crate) mod models;
pub(crate) mod pull;
pub(crate) mod repository;
pub(crate) mod review;
pub(crate) mod state;
pub(crate) mod task;
pub(crate) mod timeline;
pub(crate) mod users;

use std::collections::HashMap;
use std::sync::Arc;

use crate::simulator::draw::{self, Draw};
use crate::simulator::scenario::{RepositoryPatch, Scenario, Token, TokenChange};
use agenda::Agenda;
use faults::Faults;
use index::ListIndex;
use limits::RateLimits;
use log::{CreateRecord, RequestLog, Sink};
use models::Models;
use pull::Pull;
use repository::Repository;
use state::TaskState;
use task::{Task, TaskRequest};
use users::Users;

/// A task, by order of creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct TaskKey(usize);

/// A repository, by order of first use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct RepositoryKey(usize);

/// A pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PullKey {
    pub repository: RepositoryKey,
    pub number: u64,
}

/// The whole state.
#[derive(Debug)]
pub(crate) struct World {
    pub scenario: Arc<Scenario>,
    pub users: Users,
    pub faults: Faults,
    pub limits: RateLimits,
    pub creates: Vec<CreateRecord>,
    pub requests: RequestLog,
    pub sink: Sink,
    pub agenda: Agenda,
    pub models: Models,
    /// What the control interface changed of repositories, over the scenario.
    changes: Vec<RepositoryPatch>,
    tokens: HashMap<String, Arc<Token>>,
    repositories: Vec<Repository>,
    repository_by_name: HashMap<String, RepositoryKey>,
    tasks: Vec<Task>,
    task_by_id: HashMap<Arc<str>, TaskKey>,
    pull_by_node: HashMap<Arc<str>, PullKey>,
    by_creator: HashMap<i64, ListIndex>,
}

impl World {
    /// An empty world that plays the scenario.
    pub(crate) fn new(scenario: Scenario) -> World {
        let scenario = Arc::new(scenario);
        let tokens =
            scenario.tokens.iter().map(|token| (token.secret.clone(), Arc::new(token.clone()))).collect();
        World {
            users: Users::new(scenario.seed, &scenario.users),
            faults: Faults::new(scenario.seed, &scenario.faults),
            limits: RateLimits::new(&scenario.limits),
            creates: Vec::new(),
            requests: RequestLog::default(),
            sink: Sink::default(),
            agenda: Agenda::default(),
            models: Models::new(&scenario.models),
            changes: Vec::new(),
            tokens,
            repositories: Vec::new(),
            repository_by_name: HashMap::new(),
            tasks: Vec::new(),
            task_by_id: HashMap::new(),
            pull_by_node: HashMap::new(),
            by_creator: HashMap::new(),
            scenario,
        }
    }

    /// The token of a secret.
    pub(crate) fn token(&self, secret: &str) -> Option<Arc<Token>> {
        self.tokens.get(secret).cloned()
    }

    /// Changes the token of a name; false if there is none.
    pub(crate) fn change_token(&mut self, name: &str, change: TokenChange) -> bool {
        let Some(token) = self.tokens.values().find(|token| token.name == name).cloned() else {
            return false;
        };
        let changed = token.changed(change);
        self.tokens.remove(&token.secret);
        self.tokens.insert(changed.secret.clone(), Arc::new(changed));
        true
    }

    /// Changes what repositories are like, those that nobody has asked for yet as well.
    pub(crate) fn change_repositories(&mut self, patch: RepositoryPatch) {
        for home in self.repositories.iter_mut().filter(|home| patch.covers.covers(&home.full_name)) {
            home.traits.overlay(&patch);
        }
        self.changes.push(patch);
    }

    /// Repositories that a list can name: those named in full by the scenario, and those that were asked for.
    pub(crate) fn listed_repositories(&mut self) -> Vec<RepositoryKey> {
        let scenario = Arc::clone(&self.scenario);
        for (owner, name) in scenario.named_repositories().filter_map(|full| full.split_once('/')) {
            self.find_repository(owner, name);
        }
        (0..self.repositories.len()).map(RepositoryKey).collect()
    }

    /// Finds a repository in any case of letters; the first use fixes how its name is written.
    pub(crate) fn find_repository(&mut self, owner: &str, name: &str) -> Option<RepositoryKey> {
        let lower = format!("{owner}/{name}").to_ascii_lowercase();
        if let Some(known) = self.repository_by_name.get(&lower) {
            return Some(*known);
        }
        let mut traits = self.scenario.repository(&lower)?;
        for patch in self.changes.iter().filter(|patch| patch.covers.covers(&lower)) {
            traits.overlay(patch);
        }
        let standing = Arc::clone(&traits.open_pulls);
        let owner = self.users.find(owner);
        let key = RepositoryKey(self.repositories.len());
        self.repositories.push(Repository::new(self.scenario.seed, owner, name, traits));
        self.repository_by_name.insert(lower, key);
        for pull in standing.iter() {
            self.stand_pull(key, pull);
        }
        Some(key)
    }

    /// Repositories that were asked for, in that order.
    pub(crate) fn repositories(&self) -> impl Iterator<Item = &Repository> {
        self.repositories.iter()
    }

    /// A repository.
    pub(crate) fn repository(&self, key: RepositoryKey) -> Option<&Repository> {
        self.repositories.get(key.0)
    }

    /// A repository, to change it.
    pub(crate) fn repository_mut(&mut self, key: RepositoryKey) -> Option<&mut Repository> {
        self.repositories.get_mut(key.0)
    }

    /// A task.
    pub(crate) fn task(&self, key: TaskKey) -> Option<&Task> {
        self.tasks.get(key.0)
    }

    /// A task, to change it; call `changed` afterwards.
    pub(crate) fn task_mut(&mut self, key: TaskKey) -> Option<&mut Task> {
        self.tasks.get_mut(key.0)
    }

    /// The task of an id.
    pub(crate) fn task_of(&self, id: &str) -> Option<TaskKey> {
        self.task_by_id.get(id).copied()
    }

    /// All tasks, oldest first.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.iter()
    }

    /// A pull request.
    pub(crate) fn pull(&self, key: PullKey) -> Option<&Pull> {
        self.repository(key.repository)?.pulls.get(key.number)
    }

    /// A pull request, to change it.
    pub(crate) fn pull_mut(&mut self, key: PullKey) -> Option<&mut Pull> {
        self.repository_mut(key.repository)?.pulls.get_mut(key.number)
    }

    /// The pull request of a GraphQL id.
    pub(crate) fn pull_of_node(&self, node_id: &str) -> Option<PullKey> {
        self.pull_by_node.get(node_id).copied()
    }

    /// The tasks that lists of one creator draw from.
    pub(crate) fn tasks_by_creator(&self, user: i64) -> Option<&ListIndex> {
        self.by_creator.get(&user)
    }

    /// Starts a task and plans its story.
    pub(crate) fn create_task(
        &mut self,
        repository: RepositoryKey,
        creator: i64,
        request: TaskRequest,
        now_ms: i64,
    ) -> Option<TaskKey> {
        let key = TaskKey(self.tasks.len());
        let scenario = Arc::clone(&self.scenario);
        let home = self.repository_mut(repository)?;
        let attempt = u64::try_from(home.tasks.len()).unwrap_or(u64::MAX).saturating_add(1);
        let lower = home.full_name.to_ascii_lowercase();
        let mut draw = Draw::new(scenario.seed, &lower, attempt);
        let id: Arc<str> = Arc::from(draw.uuid());
        let base_ref = request.base_ref.clone().unwrap_or_else(|| Arc::clone(&home.traits.default_branch));
        // A head_ref without an open pull request is ignored without a word.
        let continued = request.head_ref.as_deref().and_then(|head| home.pulls.open_between(head, &base_ref));
        let mut task = Task {
            id: Arc::clone(&id),
            repository,
            creator,
            name: draw::title(&mut draw, &home.name),
            marker: task::marker(&request.prompt),
            base_ref,
            story: scenario.story(&lower, attempt),
            state: TaskState::Queued,
            created_ms: now_ms,
            updated_ms: now_ms,
            ended_ms: None,
            archived_ms: None,
            sessions: Vec::with_capacity(1),
            sessions_shown: false,
            artifacts: Arc::from([]),
            pull: continued.map(|pull| pull.number),
            listed: None,
            generation: 0,
            request,
            draw,
        };
        let run = task.open_session(Arc::clone(&task.request.prompt), now_ms);
        home.tasks.push(key);
        home.runs.insert(run, key);
        let steps = task.plan();
        self.tasks.push(task);
        self.task_by_id.insert(id, key);
        self.plan_steps(key, now_ms, steps);
        self.publish(key, now_ms);
        Some(key)
    }
}
