//! A pull request and what hangs on it: labels, reviewers, reviews, comments.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::TaskKey;
use super::users::Person;
use crate::simulator::scenario::ChangedFile;

/// A review that was given.
#[derive(Debug, Clone)]
pub(crate) struct ReviewGiven {
    pub id: u64,
    pub user: Person,
    pub state: &'static str,
    pub body: String,
    pub commit: Arc<str>,
    pub submitted_ms: i64,
}

/// A comment on the conversation.
#[derive(Debug, Clone)]
pub(crate) struct Comment {
    pub id: u64,
    pub user: Person,
    pub body: String,
    pub created_ms: i64,
    pub updated_ms: i64,
}

/// How a pull request was merged.
#[derive(Debug, Clone)]
pub(crate) struct Merge {
    pub at_ms: i64,
    pub by: Person,
    pub sha: Arc<str>,
}

/// A pull request.
#[derive(Debug, Clone)]
pub(crate) struct Pull {
    pub number: u64,
    pub id: u64,
    pub node_id: Arc<str>,
    pub task: Option<TaskKey>,
    pub author: Person,
    pub title: String,
    /// Given by a client; the agent's own text is made when it is read.
    pub body: Option<String>,
    pub draft: bool,
    pub head_ref: Arc<str>,
    pub head_sha: Arc<str>,
    pub base_ref: Arc<str>,
    pub base_sha: Arc<str>,
    pub created_ms: i64,
    pub updated_ms: i64,
    pub closed_ms: Option<i64>,
    pub merge: Option<Merge>,
    pub auto_merge: Option<Person>,
    pub labels: Vec<String>,
    pub reviewers: Vec<Person>,
    pub teams: Vec<String>,
    pub reviews: Vec<ReviewGiven>,
    pub comments: Vec<Comment>,
    pub files: Arc<[ChangedFile]>,
    pub commits: u64,
    /// A story's review is on its way.
    pub review_planned: bool,
}

impl Pull {
    /// Neither merged nor closed.
    pub(crate) fn is_open(&self) -> bool {
        self.closed_ms.is_none()
    }

    /// Takes a person out of those who were asked, as an answered request goes away.
    pub(crate) fn answered_by(&mut self, person: &Person) {
        self.reviewers.retain(|reviewer| reviewer.id != person.id);
    }
}

/// The pull requests of one repository.
#[derive(Debug)]
pub(crate) struct Pulls {
    first_number: u64,
    all: Vec<Pull>,
    open: BTreeSet<u64>,
    by_head: HashMap<Arc<str>, Vec<u64>>,
}

impl Pulls {
    /// No pull request yet; the first will get this number.
    pub(crate) fn new(first_number: u64) -> Pulls {
        Pulls { first_number, all: Vec::new(), open: BTreeSet::new(), by_head: HashMap::new() }
    }

    /// The number the next pull request gets.
    pub(crate) fn next_number(&self) -> u64 {
        self.first_number + u64::try_from(self.all.len()).unwrap_or(u64::MAX)
    }

    /// Adds a pull request whose number is `next_number`.
    pub(crate) fn add(&mut self, pull: Pull) {
        if pull.is_open() {
            self.open.insert(pull.number);
        }
        self.by_head.entry(Arc::clone(&pull.head_ref)).or_default().push(pull.number);
        self.all.push(pull);
    }

    /// The pull request of a number.
    pub(crate) fn get(&self, number: u64) -> Option<&Pull> {
        self.all.get(usize::try_from(number.checked_sub(self.first_number)?).ok()?)
    }

    /// The pull request of a number, to change it; call `settle` after opening or closing it.
    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut Pull> {
        self.all.get_mut(usize::try_from(number.checked_sub(self.first_number)?).ok()?)
    }

    /// Takes note of whether a pull request is open.
    pub(crate) fn settle(&mut self, number: u64) {
        if self.get(number).is_some_and(Pull::is_open) {
            self.open.insert(number);
        } else {
            self.open.remove(&number);
        }
    }

    /// All of them, oldest first.
    pub(crate) fn all(&self) -> impl DoubleEndedIterator<Item = &Pull> {
        self.all.iter()
    }

    pub(crate) fn all_mut(&mut self) -> impl Iterator<Item = &mut Pull> {
        self.all.iter_mut()
    }

    /// The open ones, oldest first.
    pub(crate) fn open(&self) -> impl DoubleEndedIterator<Item = &Pull> {
        self.open.iter().filter_map(|number| self.get(*number))
    }

    /// Those from a branch, oldest first.
    pub(crate) fn of_branch(&self, head_ref: &str) -> impl DoubleEndedIterator<Item = &Pull> {
        self.by_head.get(head_ref).into_iter().flatten().filter_map(|number| self.get(*number))
    }

    /// The open one from a branch into a base.
    pub(crate) fn open_between(&self, head_ref: &str, base_ref: &str) -> Option<&Pull> {
        self.of_branch(head_ref).find(|pull| pull.is_open() && &*pull.base_ref == base_ref)
    }
}
