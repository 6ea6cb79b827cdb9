//! What is known of every task that is being followed, kept in memory so that one list call serves all of them. Rebuilt from
//! the ledger at start.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    job::{
        cadence::{CadenceRule, Look, plan},
        id::{AttemptId, JobId, RequestId},
        remote::{RemoteState, Task, TaskId},
        state::State,
        time::{Millis, Timestamp},
    },
    ledger::rows::{AttemptRow, JobRow, Phase},
};

/// One followed task.
#[derive(Clone, Debug)]
pub struct Followed {
    pub job: JobId,
    pub request: RequestId,
    pub attempt: AttemptId,
    pub identity: String,
    /// Fencing token of the attempt.
    pub token: i64,
    pub state: State,
    /// Counted attempts of the job.
    pub attempts: u32,
    /// It works within the smaller scope already.
    pub fallen_back: bool,
    pub phase: Phase,
    /// None until it was seen once.
    pub remote: Option<RemoteState>,
    pub remote_since: Timestamp,
    pub updated_at: Option<Timestamp>,
    pub sessions: Option<u32>,
    pub started_at: Timestamp,
    /// When it was last found in a list, or looked at.
    pub seen_at: Timestamp,
}

impl Followed {
    /// True if a list shows something that is not known yet.
    pub fn differs(&self, task: &Task) -> bool {
        self.remote.as_ref() != Some(&task.state)
            || (task.session_count.is_some() && task.session_count != self.sessions)
    }
}

#[derive(Debug, Default)]
struct Inner {
    tasks: HashMap<TaskId, Followed>,
    by_job: HashMap<JobId, TaskId>,
    sweeps: BTreeMap<String, SweepTimes>,
}

/// When an identity was last swept.
#[derive(Clone, Copy, Debug, Default)]
pub struct SweepTimes {
    pub last: Option<Timestamp>,
    pub last_full: Option<Timestamp>,
}

/// The followed tasks.
#[derive(Debug, Default)]
pub struct Tracker(Mutex<Inner>);

impl Tracker {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what the ledger says of an attempt and its job. True if it is new here.
    pub fn learn(&self, job: &JobRow, attempt: &AttemptRow, now: Timestamp) -> bool {
        let Some(task) = &attempt.task_id else { return false };
        if attempt.phase == Phase::Ended {
            self.forget(task);
            return false;
        }
        let mut inner = self.inner();
        inner.by_job.insert(job.id, task.clone());
        let new = !inner.tasks.contains_key(task);
        let followed = inner.tasks.entry(task.clone()).or_insert_with(|| Followed {
            job: job.id,
            request: job.request_id,
            attempt: attempt.id,
            identity: attempt.identity.clone(),
            token: attempt.token,
            state: job.state,
            attempts: job.attempts,
            fallen_back: job.fallen_back == 1,
            phase: attempt.phase,
            remote: attempt.remote_state.clone(),
            remote_since: attempt.remote_since.unwrap_or(now),
            updated_at: attempt.remote_updated_at,
            sessions: attempt.session_count,
            started_at: attempt.started_at.unwrap_or(now),
            seen_at: now,
        });
        followed.state = job.state;
        followed.attempts = job.attempts;
        followed.phase = attempt.phase;
        followed.token = attempt.token;
        if attempt.remote_state.is_some() {
            followed.remote.clone_from(&attempt.remote_state);
        }
        followed.remote_since = attempt.remote_since.unwrap_or(followed.remote_since);
        followed.sessions = attempt.session_count.or(followed.sessions);
        new
    }

    /// Stops following a task.
    pub fn forget(&self, task: &TaskId) {
        let mut inner = self.inner();
        let Some(followed) = inner.tasks.remove(task) else { return };
        if inner.by_job.get(&followed.job) == Some(task) {
            inner.by_job.remove(&followed.job);
        }
    }

    /// Takes in a job whose attempt did not change.
    pub fn learn_job(&self, job: &JobRow) {
        let mut inner = self.inner();
        let Some(task) = inner.by_job.get(&job.id).cloned() else { return };
        if let Some(followed) = inner.tasks.get_mut(&task) {
            followed.state = job.state;
            followed.attempts = job.attempts;
        }
    }

    pub fn get(&self, task: &TaskId) -> Option<Followed> {
        self.inner().tasks.get(task).cloned()
    }

    /// Notes that a task was in a list.
    pub fn saw(&self, task: &Task, now: Timestamp) {
        if let Some(followed) = self.inner().tasks.get_mut(&task.id) {
            followed.seen_at = now;
            followed.updated_at = task.updated_at.or(followed.updated_at);
        }
    }

    /// Tasks of an identity that idle for longer than the grace, and tasks that no list has shown for `unseen`.
    pub fn leftovers(
        &self,
        identity: &str,
        rule: &CadenceRule,
        unseen: Millis,
        now: Timestamp,
    ) -> Vec<(TaskId, Followed)> {
        let idle = |followed: &Followed| {
            followed.remote == Some(RemoteState::Idle)
                && followed.state != State::WaitingForUser
                && now.since(followed.remote_since).0 >= rule.idle_grace_ms
        };
        let lost = |followed: &Followed| now.since(followed.seen_at) >= unseen;
        self.inner()
            .tasks
            .iter()
            .filter(|(_, followed)| {
                followed.identity == identity
                    && followed.phase == Phase::Live
                    && (idle(followed) || lost(followed))
            })
            .map(|(task, followed)| (task.clone(), followed.clone()))
            .collect()
    }

    pub fn sweep_times(&self, identity: &str) -> SweepTimes {
        self.inner().sweeps.get(identity).copied().unwrap_or_default()
    }

    pub fn swept(&self, identity: &str, times: SweepTimes) {
        self.inner().sweeps.insert(identity.to_owned(), times);
    }

    /// When the oldest task that an identity follows was started: no list need look further back.
    pub fn oldest_start(&self, identity: &str) -> Option<Timestamp> {
        let inner = self.inner();
        let followed = inner.tasks.values().filter(|followed| followed.identity == identity);
        followed.map(|followed| followed.started_at).min()
    }

    /// When the identity wants to be swept next; None when it follows nothing.
    pub fn next_sweep(&self, identity: &str, rule: &CadenceRule, now: Timestamp) -> Option<Timestamp> {
        let inner = self.inner();
        let mut next: Option<Millis> = None;
        for followed in inner.tasks.values().filter(|followed| followed.identity == identity) {
            let running = RemoteState::Queued;
            let look = match followed.phase {
                Phase::Live => {
                    plan(rule, followed.remote.as_ref().unwrap_or(&running), now.since(followed.started_at))
                }
                _ => Look::After(Millis(rule.review_ms)),
            };
            let after = match look {
                Look::After(after) | Look::Overdue(after) => after,
                Look::Never => Millis(rule.running_ms),
            };
            next = Some(next.map_or(after, |known| known.min(after)));
            if after.0 <= rule.running_ms {
                break;
            }
        }
        next.map(|after| now.plus(after))
    }

    /// Identities of the followed tasks.
    pub fn identities(&self) -> BTreeSet<String> {
        self.inner().tasks.values().map(|followed| followed.identity.clone()).collect()
    }

    /// Followed tasks that are not at their end.
    /// How many tasks of each identity are followed.
    pub fn by_identity(&self) -> BTreeMap<String, u64> {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for followed in self.inner().tasks.values() {
            let count = counts.entry(followed.identity.clone()).or_default();
            *count = count.saturating_add(1);
        }
        counts
    }

    pub fn live(&self) -> usize {
        self.inner().tasks.values().filter(|followed| followed.phase == Phase::Live).count()
    }

    /// Live tasks that take suspiciously long.
    pub fn overdue(&self, rule: &CadenceRule, now: Timestamp) -> Vec<(TaskId, Followed)> {
        let inner = self.inner();
        let late = |followed: &&Followed| {
            let state = followed.remote.clone().unwrap_or(RemoteState::Queued);
            followed.phase == Phase::Live
                && matches!(plan(rule, &state, now.since(followed.started_at)), Look::Overdue(_))
        };
        inner
            .tasks
            .iter()
            .filter(|(_, followed)| late(followed))
            .map(|(t, f)| (t.clone(), f.clone()))
            .collect()
    }
}
