//! What people and the agent do to pull requests: open, ask, approve, merge, close, revert.

use std::sync::Arc;

use super::agenda::Event;
use super::pull::{Merge, Pull, ReviewGiven};
use super::state::TaskState;
use super::users::Person;
use super::{PullKey, RepositoryKey, TaskKey, World};
use crate::simulator::draw::Draw;
use crate::simulator::scenario::{ChangedFile, Review, ReviewStart, StandingPull};

/// What a new pull request is made of.
#[derive(Debug)]
pub(crate) struct NewPull {
    pub task: Option<TaskKey>,
    pub author: Person,
    pub title: String,
    pub body: Option<String>,
    pub draft: bool,
    pub head_ref: Arc<str>,
    pub base_ref: Arc<str>,
    pub files: Arc<[ChangedFile]>,
}

impl World {
    /// Opens a pull request and returns its number.
    pub(crate) fn open_pull(&mut self, repository: RepositoryKey, new: NewPull, at_ms: i64) -> Option<u64> {
        let seed = self.scenario.seed;
        let home = self.repository_mut(repository)?;
        let number = home.pulls.next_number();
        let mut draw = Draw::new(seed, &home.full_name.to_ascii_lowercase(), number ^ (1 << 40));
        let head_sha = home.branches.get(&new.head_ref).map(|branch| Arc::clone(&branch.sha));
        let pull = Pull {
            number,
            id: draw.between(4_000_000_000, 4_899_999_999),
            node_id: Arc::from(format!("PR_kwDO{:016X}", draw.next())),
            task: new.task,
            author: new.author,
            title: new.title,
            body: new.body,
            draft: new.draft,
            head_ref: new.head_ref,
            head_sha: head_sha.unwrap_or_else(|| Arc::from(draw.sha())),
            base_ref: new.base_ref,
            base_sha: Arc::clone(&home.default_sha),
            created_ms: at_ms,
            updated_ms: at_ms,
            closed_ms: None,
            merge: None,
            auto_merge: None,
            labels: Vec::new(),
            reviewers: Vec::new(),
            teams: Vec::new(),
            reviews: Vec::new(),
            comments: Vec::new(),
            files: new.files,
            commits: 2,
            review_planned: false,
        };
        let node_id = Arc::clone(&pull.node_id);
        home.pulls.add(pull);
        self.pull_by_node.insert(node_id, PullKey { repository, number });
        Some(number)
    }

    /// A pull request that was there before anybody looked.
    pub(crate) fn stand_pull(&mut self, repository: RepositoryKey, standing: &StandingPull) {
        let Some(home) = self.repository(repository) else { return };
        let base = standing.base.as_deref().unwrap_or(&home.traits.default_branch);
        let base_ref = Arc::from(base);
        let author = standing.author.as_deref().map_or_else(Person::agent, |login| self.users.find(login));
        let new = NewPull {
            task: None,
            author,
            title: standing.title.clone(),
            body: None,
            draft: standing.draft,
            head_ref: Arc::from(standing.head.as_str()),
            base_ref,
            files: Arc::from([]),
        };
        let Some(number) = self.open_pull(repository, new, 0) else { return };
        if let Some(pull) = self.pull_mut(PullKey { repository, number }) {
            pull.labels.clone_from(&standing.labels);
        }
    }

    /// The draft that the agent opens for its branch.
    pub(crate) fn open_agent_pull(&mut self, key: TaskKey, branch: &Arc<str>, at_ms: i64) -> Option<u64> {
        let task = self.task(key)?;
        let new = NewPull {
            task: Some(key),
            author: Person::agent(),
            title: task.name.clone(),
            body: Some("What I changed, and why.".to_owned()),
            draft: true,
            head_ref: Arc::clone(branch),
            base_ref: Arc::clone(&task.base_ref),
            files: Arc::clone(&task.story.files),
        };
        let repository = task.repository;
        self.open_pull(repository, new, at_ms)
    }

    /// Plans the story's review of a pull request, once.
    pub(crate) fn plan_review(&mut self, key: PullKey, at_ms: i64) {
        let Some(task) =
            self.pull(key).filter(|pull| pull.is_open() && !pull.review_planned).and_then(|pull| pull.task)
        else {
            return;
        };
        let Some(task) = self.task_mut(task) else { return };
        let due_ms = at_ms.saturating_add(task.story.review_after_ms.draw(&mut task.draw));
        if let Some(pull) = self.pull_mut(key) {
            pull.review_planned = true;
        }
        self.agenda.plan(due_ms, Event::Review { pull: key });
    }

    /// A client opened a pull request for a branch; its task may be long done.
    pub(crate) fn pull_opened(&mut self, key: PullKey, now_ms: i64) {
        let task = self.pull(key).and_then(|pull| pull.task).and_then(|task| self.task(task));
        let waits = task.is_some_and(|task| {
            task.story.review_starts == ReviewStart::Completed && task.state == TaskState::Completed
        });
        if waits {
            self.plan_review(key, now_ms);
        }
    }

    /// Somebody was asked for a review, which may be what the story waits for.
    pub(crate) fn review_requested(&mut self, key: PullKey, now_ms: i64) {
        let story = self.pull(key).and_then(|pull| pull.task).and_then(|task| self.task(task));
        if story.is_some_and(|task| task.story.review_starts == ReviewStart::Requested) {
            self.plan_review(key, now_ms);
        }
    }

    /// The outcome of the story's review.
    pub(crate) fn review_by_story(&mut self, key: PullKey, at_ms: i64) {
        let Some(pull) = self.pull(key).filter(|pull| pull.is_open()) else { return };
        let Some(task) = pull.task.and_then(|task| self.task(task)) else { return };
        let (outcome, approve) = (task.story.review, task.story.approve);
        let named = Some(Arc::clone(&task.story.reviewed_by)).filter(|login| !login.is_empty());
        let asked = pull.reviewers.first().map(|person| Arc::clone(&person.login));
        let reviewer = self.users.find(named.or(asked).as_deref().unwrap_or("sim-reviewer"));
        if approve && outcome != Review::Closed {
            self.give_review(key, reviewer.clone(), "APPROVED", String::new(), at_ms);
        }
        match outcome {
            Review::Merged => {
                self.merge(key, reviewer, at_ms);
            }
            Review::Closed => self.close(key, at_ms),
            Review::LeftOpen => {}
        }
    }

    /// Adds a review; the reviewer is no longer asked.
    pub(crate) fn give_review(
        &mut self,
        key: PullKey,
        user: Person,
        state: &'static str,
        body: String,
        at_ms: i64,
    ) -> Option<ReviewGiven> {
        let seed = self.scenario.seed;
        let pull = self.pull_mut(key)?;
        let ordinal = u64::try_from(pull.reviews.len()).unwrap_or(0);
        let id = Draw::new(seed, "review", pull.id ^ ordinal).between(2_000_000_000, 2_999_999_999);
        let review =
            ReviewGiven { id, user, state, body, commit: Arc::clone(&pull.head_sha), submitted_ms: at_ms };
        pull.answered_by(&review.user);
        pull.updated_ms = at_ms;
        pull.reviews.push(review.clone());
        Some(review)
    }

    /// Merges an open pull request and returns the merge commit.
    pub(crate) fn merge(&mut self, key: PullKey, by: Person, at_ms: i64) -> Option<Arc<str>> {
        let seed = self.scenario.seed;
        let home = self.repository_mut(key.repository)?;
        let pull = home.pulls.get_mut(key.number).filter(|pull| pull.is_open())?;
        let sha: Arc<str> = Arc::from(Draw::new(seed, "merge", pull.id).sha());
        pull.draft = false;
        pull.closed_ms = Some(at_ms);
        pull.updated_ms = at_ms;
        pull.merge = Some(Merge { at_ms, by, sha: Arc::clone(&sha) });
        home.pulls.settle(key.number);
        home.default_sha = Arc::clone(&sha);
        Some(sha)
    }

    /// Closes an open pull request unmerged.
    pub(crate) fn close(&mut self, key: PullKey, at_ms: i64) {
        let Some(home) = self.repository_mut(key.repository) else { return };
        if let Some(pull) = home.pulls.get_mut(key.number).filter(|pull| pull.is_open()) {
            pull.closed_ms = Some(at_ms);
            pull.updated_ms = at_ms;
        }
        home.pulls.settle(key.number);
    }

    /// Opens and merges the pull request that takes a merged one back; returns its number.
    pub(crate) fn revert(&mut self, key: PullKey, by: Person, at_ms: i64) -> Option<u64> {
        let full_name = Arc::clone(&self.repository(key.repository)?.full_name);
        let pull = self.pull(key).filter(|pull| pull.merge.is_some())?;
        let new = NewPull {
            task: None,
            author: by.clone(),
            title: format!("Revert \"{}\"", pull.title),
            body: Some(format!("Reverts {full_name}#{}", pull.number)),
            draft: false,
            head_ref: Arc::from(format!("revert-{}-{}", pull.number, pull.head_ref)),
            base_ref: Arc::clone(&pull.base_ref),
            files: Arc::clone(&pull.files),
        };
        let number = self.open_pull(key.repository, new, at_ms)?;
        self.merge(PullKey { number, ..key }, by, at_ms);
        Some(number)
    }
}
