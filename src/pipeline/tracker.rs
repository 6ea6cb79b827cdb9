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
    /// By identity, the earliest intent of those that no sweep has looked for yet.
    unswept: HashMap<String, Timestamp>,
}

impl Inner {
    fn await_sweep(&mut self, identity: &str, intent_at: Timestamp) {
        let earliest = self.unswept.entry(identity.to_owned()).or_insert(intent_at);
        *earliest = intent_at.min(*earliest);
    }
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
        if new {
            inner.await_sweep(&attempt.identity, attempt.intent_at);
        }
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

    /// How far a sweep that begins now must look back for tasks that none has looked for: one of them may have ended before it was
    /// heard of here, and a list of what changed since the last sweep would never show it.
    pub fn begin_sweep(&self, identity: &str) -> Option<Timestamp> {
        self.inner().unswept.remove(identity)
    }

    /// A sweep that looked back so far came to nothing: the next one does it.
    pub fn abandon_sweep(&self, identity: &str, looked_back: Option<Timestamp>) {
        if let Some(intent_at) = looked_back {
            self.inner().await_sweep(identity, intent_at);
        }
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

    /// How many tasks of each identity are followed.
    pub fn by_identity(&self) -> BTreeMap<String, u64> {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for followed in self.inner().tasks.values() {
            let count = counts.entry(followed.identity.clone()).or_default();
            *count = count.saturating_add(1);
        }
        counts
    }

    /// Followed tasks that are not at their end.
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// As the ledger has it: a task that runs, intended and known to have started at these times.
    fn running(task: &str, intent_at: i64, started_at: i64) -> (JobRow, AttemptRow) {
        let job = JobId::new(Timestamp(intent_at), 1);
        let row = json!({
            "id": job, "request_id": RequestId::new(Timestamp(1), 1), "position": 1, "repository": "acme/api",
            "identity": "bot", "model": null, "wave": 0, "findings_json": null, "prompt_digest": "", "priority": 5,
            "created_at": 1, "deadline_at": null, "replay_of": null, "adopts_json": null, "state": "running",
            "state_since": started_at, "updated_at": started_at, "due_at": null, "attempts": 1, "attempt_id": null,
            "episode": 0, "reviewer": null, "pull_number": null, "pull_json": null, "outcome_json": null,
            "discarded_at": null, "checks_json": null, "fallen_back": 0,
        });
        let attempt = json!({
            "id": AttemptId::new(Timestamp(intent_at), 2), "job_id": job, "number": 1, "nonce": "0000000000000001",
            "identity": "bot", "model": null, "intent_at": intent_at, "phase": "live",
            "worker_id": crate::job::id::WorkerId::new(Timestamp(1), 1), "token": 1, "started_at": started_at,
            "ended_at": null, "end_reason": null, "task_id": task, "task_url": null, "remote_state": null,
            "remote_since": null, "remote_updated_at": null, "session_count": null, "branch": null,
            "pull_database_id": null, "model_used": null, "nano_credits": null, "counted": 1,
        });
        (serde_json::from_value(row).unwrap(), serde_json::from_value(attempt).unwrap())
    }

    #[test]
    fn a_sweep_looks_back_to_tasks_that_may_have_ended_before_they_were_heard_of() {
        let tracker = Tracker::default();
        let learn = |task: &str, intent_at, started_at| {
            let (job, attempt) = running(task, intent_at, started_at);
            tracker.learn(&job, &attempt, Timestamp(1_000))
        };
        assert!(learn("a", 50, 900) && learn("b", 70, 80));
        assert_eq!(tracker.begin_sweep("other"), None);
        let back = tracker.begin_sweep("bot");
        assert_eq!(back, Some(Timestamp(50)), "when it was found says nothing of when it ended");
        assert_eq!(tracker.begin_sweep("bot"), None, "looked for already");
        // Learnt while that sweep went on; then the sweep came to nothing.
        assert!(learn("c", 60, 990));
        tracker.abandon_sweep("bot", back);
        assert_eq!(tracker.begin_sweep("bot"), Some(Timestamp(50)));
        assert!(!learn("a", 50, 900));
        assert_eq!(tracker.begin_sweep("bot"), None, "news of a known task");
    }
}
