//! A repository that somebody has asked for: its tasks, branches and pull requests.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::TaskKey;
use super::index::ListIndex;
use super::pull::{Comment, Pulls};
use super::users::Person;
use crate::simulator::draw::Draw;
use crate::simulator::scenario::{Check, CommitStatus, RepositoryTraits};

/// A branch that the agent pushed.
#[derive(Debug, Clone)]
pub(crate) struct Branch {
    pub sha: Arc<str>,
    pub pushed_ms: i64,
    pub task: TaskKey,
    pub checks: Arc<[Check]>,
    pub statuses: Arc<[CommitStatus]>,
    /// Id of the workflow run that the push started.
    pub run_id: u64,
}

/// A repository.
#[derive(Debug)]
pub(crate) struct Repository {
    pub id: u64,
    pub owner: Person,
    pub name: Arc<str>,
    pub full_name: Arc<str>,
    pub traits: RepositoryTraits,
    pub tasks: Vec<TaskKey>,
    pub index: ListIndex,
    pub pulls: Pulls,
    /// Comments of each issue that is no pull request.
    pub conversations: BTreeMap<u64, Vec<Comment>>,
    /// Comments that somebody has deleted: their ids are never given again.
    pub deleted_comments: u64,
    pub branches: HashMap<Arc<str>, Branch>,
    /// Branch of each head commit there ever was.
    pub commits: HashMap<Arc<str>, Arc<str>>,
    /// Task of each Actions run of the agent.
    pub runs: HashMap<u64, TaskKey>,
    pub default_sha: Arc<str>,
}

impl Repository {
    /// A repository nobody has used yet.
    pub(crate) fn new(seed: u64, owner: Person, name: &str, traits: RepositoryTraits) -> Repository {
        let full_name: Arc<str> = Arc::from(format!("{}/{name}", owner.login));
        let mut draw = Draw::new(seed, &full_name.to_ascii_lowercase(), 0);
        let id = draw.between(100_000_000, 999_999_999);
        // Issues and pull requests share their numbers.
        let first_pull = draw.between(11, 900).max(traits.issues.saturating_add(1));
        Repository {
            id,
            owner,
            name: Arc::from(name),
            full_name,
            traits,
            tasks: Vec::new(),
            index: ListIndex::default(),
            pulls: Pulls::new(first_pull),
            conversations: BTreeMap::new(),
            deleted_comments: 0,
            branches: HashMap::new(),
            commits: HashMap::new(),
            runs: HashMap::new(),
            default_sha: Arc::from(draw.sha()),
        }
    }

    /// The comments of an issue or a pull request; None: there is neither.
    pub(crate) fn comments(&self, number: u64) -> Option<&[Comment]> {
        if let Some(pull) = self.pulls.get(number) {
            return Some(&pull.comments);
        }
        let issue = (1..=self.traits.issues).contains(&number);
        issue.then(|| self.conversations.get(&number).map_or(&[][..], Vec::as_slice))
    }

    /// May the login be asked for a review?
    pub(crate) fn has_collaborator(&self, login: &str) -> bool {
        self.traits.collaborators.iter().any(|name| name == "*" || name.eq_ignore_ascii_case(login))
    }

    /// May the team be asked for a review?
    pub(crate) fn has_team(&self, slug: &str) -> bool {
        self.traits.teams.iter().any(|name| name == "*" || name.eq_ignore_ascii_case(slug))
    }

    /// The branch of a name or of a head commit.
    pub(crate) fn branch_of(&self, reference: &str) -> Option<(&Arc<str>, &Branch)> {
        let reference = reference.strip_prefix("heads/").unwrap_or(reference);
        let name = self.commits.get(reference).map_or(reference, |name| &**name);
        self.branches.get_key_value(name)
    }
}
