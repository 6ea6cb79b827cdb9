//! What is known of repositories when a request is planned. A part is known, or it was not asked for: nothing is ever
//! guessed. Gathered by others and handed in.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::job::{Repository, time::Timestamp};

/// What is to be asked of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The repository itself: archived, writable, default branch, size.
    pub about: bool,
    pub languages: bool,
    /// The agent's settings there.
    pub agent: bool,
    pub workflows: bool,
    pub codeowners: bool,
    /// Open pull requests of agents.
    pub pulls: bool,
    /// Files, by path, with what is in them.
    pub files: BTreeSet<String>,
}

impl Wanted {
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Both together.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.about |= other.about;
        self.languages |= other.languages;
        self.agent |= other.agent;
        self.workflows |= other.workflows;
        self.codeowners |= other.codeowners;
        self.pulls |= other.pulls;
        self.files.extend(other.files);
        self
    }

    /// What of it is not known yet. Of a repository that cannot be seen nothing more can be known.
    #[must_use]
    pub fn missing_in(&self, known: &RepositoryFacts) -> Self {
        if known.visible == Some(false) {
            return Self::default();
        }
        let open = |part: &str| !known.hidden.contains(part);
        let unknown = |path: &&String| !known.files.contains_key(*path) && open(path);
        Self {
            about: self.about && known.about.is_none(),
            languages: self.languages && known.languages.is_none() && open("languages"),
            agent: self.agent && known.agent.is_none(),
            workflows: self.workflows && known.workflows.is_none() && open("workflows"),
            codeowners: self.codeowners && known.codeowners.is_none() && open("codeowners"),
            pulls: self.pulls && known.pulls.is_none() && open("pulls"),
            files: self.files.iter().filter(unknown).cloned().collect(),
        }
    }
}

/// What is known of one repository; None: not asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct RepositoryFacts {
    /// False: it does not exist, or the identity cannot see it; the two look alike.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visible: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<About>,
    /// By bytes of source, the most first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub languages: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentSettings>,
    /// Names of the workflows that are switched on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflows: Option<Vec<String>>,
    /// The text of CODEOWNERS; empty: there is no such file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codeowners: Option<String>,
    /// Open pull requests of agents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pulls: Option<Vec<OpenPull>>,
    /// What was asked for and the identity may not read: `languages`, `workflows`, `codeowners`, `pulls`, or a path.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub hidden: BTreeSet<String>,
    /// Files that were asked for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, FileFact>,
}

/// The repository itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
#[schema(as = RepositoryAbout)]
pub struct About {
    /// As the provider writes it: another one than asked for if the repository has moved.
    pub full_name: Option<String>,
    pub node_id: Option<String>,
    /// `public`, `private` or `internal`.
    pub visibility: Option<String>,
    pub archived: bool,
    pub disabled: bool,
    /// Whether the identity may push; None: the provider does not say.
    pub can_push: Option<bool>,
    pub default_branch: String,
    pub size_kb: u64,
    /// The language with the most source.
    pub language: Option<String>,
    pub topics: Vec<String>,
}

/// The agent's settings in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AgentSettings {
    Enabled {
        /// Workflows on its pull requests wait until a person clicks.
        workflow_approval: bool,
        firewall: bool,
    },
    Disabled,
    /// The identity may not read them.
    Hidden,
}

/// An open pull request of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct OpenPull {
    pub number: u64,
    pub head_ref: String,
    pub base_ref: String,
    pub labels: Vec<String>,
    pub html_url: Option<String>,
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileFact {
    Absent,
    /// Something, but not a text that is read: a folder, a link, bytes, or a file over the limit.
    Present,
    Text(String),
}

impl RepositoryFacts {
    /// Takes over what the other knows.
    pub fn learn(&mut self, other: Self) {
        self.visible = other.visible.or(self.visible);
        self.about = other.about.or_else(|| self.about.take());
        self.languages = other.languages.or_else(|| self.languages.take());
        self.agent = other.agent.or(self.agent);
        self.workflows = other.workflows.or_else(|| self.workflows.take());
        self.codeowners = other.codeowners.or_else(|| self.codeowners.take());
        self.pulls = other.pulls.or_else(|| self.pulls.take());
        self.hidden.extend(other.hidden);
        self.files.extend(other.files);
    }

    /// The language with the most source, if either question about languages was asked.
    pub fn main_language(&self) -> Option<&str> {
        let listed = self.languages.as_ref().and_then(|languages| languages.first());
        let named = || self.about.as_ref().and_then(|about| about.language.as_ref());
        listed.or_else(named).map(String::as_str)
    }

    pub fn default_branch(&self) -> Option<&str> {
        self.about.as_ref().map(|about| about.default_branch.as_str())
    }

    pub fn size_kb(&self) -> Option<u64> {
        self.about.as_ref().map(|about| about.size_kb)
    }
}

/// What is known of the repositories of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    known: BTreeMap<Repository, RepositoryFacts>,
    /// When the oldest of it was asked; None: nothing was.
    pub as_of: Option<Timestamp>,
}

/// Nothing is known.
static NOTHING: RepositoryFacts = RepositoryFacts {
    visible: None,
    about: None,
    languages: None,
    agent: None,
    workflows: None,
    codeowners: None,
    pulls: None,
    hidden: BTreeSet::new(),
    files: BTreeMap::new(),
};

impl Facts {
    /// What is known of a repository, which may be nothing.
    pub fn of(&self, repository: &Repository) -> &RepositoryFacts {
        self.known.get(repository).unwrap_or(&NOTHING)
    }

    /// Takes in what was learnt at a time.
    pub fn learn(&mut self, repository: Repository, facts: RepositoryFacts, asked_at: Timestamp) {
        self.as_of = Some(self.as_of.map_or(asked_at, |before| before.min(asked_at)));
        self.known.entry(repository).or_default().learn(facts);
    }

    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_not_asked_again_and_nothing_more_of_what_cannot_be_seen() {
        let wanted = Wanted {
            about: true,
            languages: true,
            files: ["Cargo.toml".to_owned(), "Makefile".to_owned()].into(),
            ..Wanted::default()
        };
        let mut known = RepositoryFacts { languages: Some(Vec::new()), ..RepositoryFacts::default() };
        known.files.insert("Makefile".to_owned(), FileFact::Absent);
        let missing = wanted.missing_in(&known);
        assert!(missing.about && !missing.languages);
        assert_eq!(missing.files, ["Cargo.toml".to_owned()].into());
        known.visible = Some(false);
        assert!(wanted.missing_in(&known).is_nothing());
    }

    #[test]
    fn facts_come_back_from_their_text_and_add_up() {
        let mut facts = RepositoryFacts {
            visible: Some(true),
            agent: Some(AgentSettings::Enabled { workflow_approval: true, firewall: false }),
            ..RepositoryFacts::default()
        };
        facts.files.insert("a".to_owned(), FileFact::Text("x".to_owned()));
        let text = serde_json::to_string(&facts).unwrap();
        assert_eq!(serde_json::from_str::<RepositoryFacts>(&text).unwrap(), facts);
        let newer =
            RepositoryFacts { languages: Some(vec!["Rust".to_owned()]), ..RepositoryFacts::default() };
        facts.learn(newer);
        assert_eq!((facts.visible, facts.main_language()), (Some(true), Some("Rust")));
        let repository: Repository = "acme/api".parse().unwrap();
        let mut all = Facts::default();
        all.learn(repository.clone(), facts.clone(), Timestamp(7));
        all.learn(repository.clone(), RepositoryFacts::default(), Timestamp(5));
        assert_eq!((all.of(&repository), all.as_of), (&facts, Some(Timestamp(5))));
    }
}
