//! What people and programs say on issues and pull requests.

use std::sync::Arc;

use super::pull::Comment;
use super::state::TaskState;
use super::users::Person;
use super::{PullKey, RepositoryKey, World};
use crate::simulator::draw::Draw;

/// Why a comment is not changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unchanged {
    Missing,
    /// Somebody else wrote it.
    NotTheirs,
}

impl World {
    /// Adds a comment to an issue or a pull request; None: there is neither. One that mentions `@copilot` on an open pull
    /// request puts its task to work.
    pub(crate) fn comment(
        &mut self,
        key: PullKey,
        user: Person,
        body: String,
        now_ms: i64,
    ) -> Option<Comment> {
        let seed = self.scenario.seed;
        let home = self.repository_mut(key.repository)?;
        let there = u64::try_from(home.comments(key.number)?.len()).unwrap_or(0);
        let ordinal = there + home.deleted_comments;
        let Some(pull) = home.pulls.get_mut(key.number) else {
            let id = Draw::new(seed, &format!("comment/{}", home.full_name), key.number << 32 | ordinal);
            let comment = new(id, user, body, now_ms);
            home.conversations.entry(key.number).or_default().push(comment.clone());
            return Some(comment);
        };
        let comment = new(Draw::new(seed, "comment", pull.id ^ ordinal), user, body, now_ms);
        pull.comments.push(comment.clone());
        pull.updated_ms = now_ms;
        let called = pull.is_open() && comment.body.to_ascii_lowercase().contains("@copilot");
        let task = pull.task.filter(|_| called);
        let idle = task
            .and_then(|key| self.task(key))
            .is_some_and(|task| !matches!(task.state, TaskState::Queued | TaskState::InProgress));
        if let (Some(task), true) = (task, idle) {
            self.resume(task, now_ms, Some(Arc::from(comment.body.as_str())));
        }
        Some(comment)
    }

    /// Puts another text into a comment; gives the number of its issue or pull request, and the comment.
    pub(crate) fn edit_comment(
        &mut self,
        repository: RepositoryKey,
        id: u64,
        (user, body): (&Person, String),
        now_ms: i64,
    ) -> Result<(u64, Comment), Unchanged> {
        let home = self.repository_mut(repository).ok_or(Unchanged::Missing)?;
        let of_issues = home.conversations.iter_mut().map(|(number, comments)| (*number, comments));
        let of_pulls = home.pulls.all_mut().map(|pull| (pull.number, &mut pull.comments));
        let mut every = of_issues
            .chain(of_pulls)
            .flat_map(|(number, comments)| comments.iter_mut().map(move |comment| (number, comment)));
        let (number, comment) = every.find(|(_, comment)| comment.id == id).ok_or(Unchanged::Missing)?;
        if comment.user.id != user.id {
            return Err(Unchanged::NotTheirs);
        }
        (comment.body, comment.updated_ms) = (body, now_ms);
        Ok((number, comment.clone()))
    }

    /// The issue or pull request of a comment.
    pub(crate) fn place_of_comment(&self, repository: RepositoryKey, id: u64) -> Option<PullKey> {
        let home = self.repository(repository)?;
        let of_issues = home.conversations.iter().map(|(number, comments)| (*number, comments));
        let of_pulls = home.pulls.all().map(|pull| (pull.number, &pull.comments));
        let mut every = of_issues.chain(of_pulls);
        let (number, _) = every.find(|(_, comments)| comments.iter().any(|comment| comment.id == id))?;
        Some(PullKey { repository, number })
    }

    pub(crate) fn delete_comment(&mut self, at: PullKey, id: u64) {
        let Some(home) = self.repository_mut(at.repository) else { return };
        let of_pull = home.pulls.get_mut(at.number).map(|pull| &mut pull.comments);
        if let Some(comments) = of_pull.or_else(|| home.conversations.get_mut(&at.number)) {
            comments.retain(|comment| comment.id != id);
            home.deleted_comments += 1;
        }
    }
}

fn new(mut id: Draw, user: Person, body: String, now_ms: i64) -> Comment {
    let id = id.between(3_000_000_000, 3_999_999_999);
    Comment { id, user, body, created_ms: now_ms, updated_ms: now_ms }
}
