//! How tasks move: plays what is due on the agenda, and lets the control interface force a turn.

use std::sync::Arc;

use super::agenda::Event;
use super::repository::Branch;
use super::state::TaskState;
use super::task::{Artifact, Listed, Step};
use super::{PullKey, TaskKey, World};
use crate::simulator::scenario::{Leaves, ReviewStart};

impl World {
    /// Plays everything that is due at `now_ms`, each at its own time.
    pub(crate) fn advance(&mut self, now_ms: i64) {
        while let Some((at_ms, event)) = self.agenda.due(now_ms) {
            match event {
                Event::Step { task, generation, step } => {
                    if self.task(task).is_some_and(|found| found.generation == generation) {
                        self.step(task, at_ms, &step);
                    }
                }
                Event::Publish { task, listed } => self.list_as(task, listed),
                Event::Review { pull } => self.review_by_story(pull, at_ms),
            }
        }
    }

    /// Plans steps at offsets from a time.
    pub(crate) fn plan_steps(&mut self, task: TaskKey, from_ms: i64, steps: Vec<(i64, Step)>) {
        let generation = self.task(task).map_or(0, |found| found.generation);
        for (after_ms, step) in steps {
            self.agenda.plan(from_ms.saturating_add(after_ms), Event::Step { task, generation, step });
        }
    }

    /// Voids what was planned for the task and takes a step now.
    pub(crate) fn force(&mut self, task: TaskKey, now_ms: i64, step: &Step) {
        if let Some(found) = self.task_mut(task) {
            found.generation += 1;
        }
        if matches!(step, Step::End(TaskState::Completed, _)) {
            self.step(task, now_ms, &Step::LeaveArtifacts);
        }
        self.step(task, now_ms, &Step::ShowSession);
        self.step(task, now_ms, step);
    }

    /// Lets a waiting or ended task work again from now to completion.
    pub(crate) fn resume(&mut self, task: TaskKey, now_ms: i64, from_queue: Option<Arc<str>>) {
        let queued = from_queue.is_some();
        if let Some(prompt) = from_queue {
            self.force(task, now_ms, &Step::Reopen(prompt));
        } else {
            self.force(task, now_ms, &Step::Resume);
        }
        if let Some(found) = self.task_mut(task) {
            let rest = found.plan_rest(queued);
            self.plan_steps(task, now_ms, rest);
        }
    }

    /// Archives a task or takes it out of the archive.
    pub(crate) fn archive(&mut self, task: TaskKey, now_ms: i64, archived: bool) {
        if let Some(found) = self.task_mut(task) {
            found.archived_ms = archived.then_some(now_ms);
            found.updated_ms = now_ms;
        }
        self.publish(task, now_ms);
    }

    /// Makes a change visible in lists, at once or after the story's lag.
    pub(crate) fn publish(&mut self, task: TaskKey, at_ms: i64) {
        let Some(found) = self.task(task) else { return };
        let listed = found.to_listed();
        match i64::try_from(found.story.list_lag_ms) {
            Ok(0) | Err(_) => self.list_as(task, listed),
            Ok(lag) => self.agenda.plan(at_ms.saturating_add(lag), Event::Publish { task, listed }),
        }
    }

    fn list_as(&mut self, key: TaskKey, listed: Listed) {
        let Some(task) = self.tasks.get_mut(key.0) else { return };
        let Some(repository) = self.repositories.get_mut(task.repository.0) else { return };
        let of_creator = self.by_creator.entry(task.creator).or_default();
        for index in [&mut repository.index, of_creator] {
            if let Some(old) = &task.listed {
                index.remove(&old.state, old.archived_ms.is_some(), old.updated_ms, key);
            }
            index.insert(&listed.state, listed.archived_ms.is_some(), listed.updated_ms, key);
        }
        task.listed = Some(listed);
    }

    fn step(&mut self, key: TaskKey, at_ms: i64, step: &Step) {
        match step {
            Step::LeaveArtifacts => self.leave_artifacts(key, at_ms),
            Step::Reopen(prompt) => self.reopen(key, at_ms, prompt),
            Step::ShowSession | Step::Start | Step::Pause(_) | Step::Resume | Step::End(..) => {
                self.move_on(key, at_ms, step);
            }
        }
        self.publish(key, at_ms);
        if matches!(step, Step::End(TaskState::Completed, _)) {
            self.begin_review(key, at_ms);
        }
    }

    fn move_on(&mut self, key: TaskKey, at_ms: i64, step: &Step) {
        let Some(task) = self.task_mut(key) else { return };
        task.updated_ms = at_ms;
        let state = match step {
            Step::ShowSession => {
                task.sessions_shown = true;
                return;
            }
            Step::Pause(state) | Step::End(state, _) => state.clone(),
            _ => TaskState::InProgress,
        };
        let credits = task.story.credits;
        let usage = task.draw.between(credits.low.saturating_mul(NANO), credits.high.saturating_mul(NANO));
        let asked = task.request.model.as_ref().unwrap_or(&task.story.model);
        let asked = if task.story.runs_model.is_empty() { asked } else { &task.story.runs_model };
        let ended = state.is_ended();
        if let Some(session) = task.sessions.last_mut() {
            session.state = state.clone();
            session.updated_ms = at_ms;
            if session.model.is_none() {
                session.model = Some(Arc::from(format!("sweagent-capi:{asked}")));
            }
            session.completed_ms = ended.then_some(at_ms);
            session.usage = ended.then_some(usage);
            if let Step::End(_, message) = step {
                session.error.clone_from(message);
            }
        }
        task.ended_ms = ended.then_some(at_ms);
        task.state = state;
    }

    fn reopen(&mut self, key: TaskKey, at_ms: i64, prompt: &Arc<str>) {
        let Some(task) = self.task_mut(key) else { return };
        let run = task.open_session(Arc::clone(prompt), at_ms);
        task.state = TaskState::Queued;
        task.ended_ms = None;
        task.updated_ms = at_ms;
        let repository = task.repository;
        if let Some(home) = self.repository_mut(repository) {
            home.runs.insert(run, key);
        }
    }

    /// Pushes the branch and opens or continues the pull request, as the request and story want it.
    fn leave_artifacts(&mut self, key: TaskKey, at_ms: i64) {
        let Some(task) = self.task(key) else { return };
        let given_up = matches!(task.state, TaskState::Failed | TaskState::TimedOut | TaskState::Cancelled);
        let asked_for_pull = task.request.create_pull_request != Some(false);
        let wants_pull = match task.story.leaves {
            Leaves::AsAsked => asked_for_pull,
            Leaves::PullRequest => true,
            Leaves::Branch => false,
            Leaves::Nothing => return,
        };
        if given_up || !task.artifacts.is_empty() {
            return;
        }
        let (repository, base_ref, completed) =
            (task.repository, Arc::clone(&task.base_ref), task.state == TaskState::Completed);
        let continued = task.pull;
        let Some(branch) = self.push_branch(key, at_ms, continued) else { return };
        let pull = match continued {
            Some(number) => Some(number),
            None if wants_pull => self.open_agent_pull(key, &branch, at_ms),
            None => None,
        };
        let pull_artifact = pull
            .and_then(|number| self.pull(PullKey { repository, number }))
            .map(|pull| Artifact::Pull { id: pull.id, node_id: Arc::clone(&pull.node_id) });
        let branch_artifact = Artifact::Branch { head_ref: Arc::clone(&branch), base_ref };
        if let Some(task) = self.task_mut(key) {
            task.artifacts = pull_artifact.into_iter().chain([branch_artifact]).collect();
            task.pull = pull;
            task.updated_ms = at_ms;
            if let Some(session) = task.sessions.last_mut() {
                session.head_ref = Some(branch);
            }
        }
        if completed {
            self.begin_review(key, at_ms);
        }
    }

    fn push_branch(&mut self, key: TaskKey, at_ms: i64, continued: Option<u64>) -> Option<Arc<str>> {
        let task = self.tasks.get_mut(key.0)?;
        let repository = self.repositories.get_mut(task.repository.0)?;
        let sha: Arc<str> = Arc::from(task.draw.sha());
        let run_id = task.draw.between(10_000_000_000, 19_999_999_999);
        let pull = continued.and_then(|number| repository.pulls.get_mut(number));
        let name = if let Some(pull) = pull {
            pull.head_sha = Arc::clone(&sha);
            pull.updated_ms = at_ms;
            pull.commits += 1;
            if pull.task.is_none() {
                // It stood there before: now it is this task's.
                pull.task = Some(key);
                pull.files = Arc::clone(&task.story.files);
            }
            Arc::clone(&pull.head_ref)
        } else {
            let words = task.draw.pick(&["fix", "update", "migrate", "refresh", "harden"]);
            Arc::from(format!("copilot/{words}-{:08x}", task.draw.next() >> 32))
        };
        let branch = Branch {
            sha: Arc::clone(&sha),
            pushed_ms: at_ms,
            task: key,
            checks: Arc::clone(&task.story.checks),
            statuses: Arc::clone(&task.story.statuses),
            run_id,
        };
        repository.branches.insert(Arc::clone(&name), branch);
        repository.commits.insert(sha, Arc::clone(&name));
        Some(name)
    }

    /// Plans the story's review once the task is completed and its pull request is there.
    fn begin_review(&mut self, key: TaskKey, at_ms: i64) {
        let Some(task) = self.task(key) else { return };
        let (Some(number), ReviewStart::Completed) = (task.pull, task.story.review_starts) else { return };
        let pull = PullKey { repository: task.repository, number };
        self.plan_review(pull, at_ms);
    }
}

/// Nano credits in one AI credit.
const NANO: u64 = 1_000_000_000;
