//! What a simulator plays: people, repositories, stories, limits and faults, read from TOML.
//! `docs/simulator.md` lists every key.

mod changed_file;
mod fault;
mod instant;
mod pattern;
mod people;
mod range;
mod repository;
mod story;

use serde::Deserialize;

pub(crate) use changed_file::ChangedFile;
pub(crate) use fault::{Fault, When};
pub(crate) use people::{Access, AgentPolicy, Model, Organisation, Permission, Token, TokenChange, User};
pub(crate) use repository::{RepositoryPatch, RepositoryTraits, StandingPull};
pub(crate) use story::{
    Check, CommitStatus, Conclusion, Leaves, Outcome, Review, ReviewStart, StatusState, Story,
};

use crate::simulator::clock::SimClock;
use crate::simulator::error::SimulatorError;
use instant::Instant;
use story::StoryPatch;

const DEFAULT: &str = include_str!("../../../config/scenarios/default.toml");

/// A checked scenario.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    #[serde(default)]
    pub(crate) seed: u64,
    #[serde(default)]
    pub(crate) server: Server,
    #[serde(default)]
    pub(crate) limits: Limits,
    #[serde(default)]
    defaults: StoryPatch,
    #[serde(default)]
    stories: Vec<StoryPatch>,
    #[serde(default)]
    repositories: Vec<RepositoryPatch>,
    #[serde(default)]
    organisations: Vec<Organisation>,
    /// Every model is there when empty.
    #[serde(default)]
    pub(crate) models: Vec<Model>,
    #[serde(default)]
    pub(crate) users: Vec<User>,
    #[serde(default)]
    pub(crate) tokens: Vec<Token>,
    #[serde(default)]
    pub(crate) faults: Vec<Fault>,
}

/// Switches of the server itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Server {
    /// GETs carry an `etag` and answer 304 to a matching `if-none-match`.
    pub etags: bool,
    /// Time stands at this point and moves only by `POST /_control/clock`.
    pub manual_clock_from: Option<Instant>,
    /// API versions that are understood; the first one is the default.
    pub api_versions: Vec<String>,
}

impl Default for Server {
    fn default() -> Server {
        let api_versions = vec!["2022-11-28".to_owned(), "2026-03-10".to_owned()];
        Server { etags: true, manual_clock_from: None, api_versions }
    }
}

/// Rate limits; what is absent is not limited.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Requests per hour of all tokens of one user together.
    pub requests_per_hour: Option<u64>,
    /// Tasks that one user may create in any 60 seconds.
    pub creates_per_minute: Option<u64>,
    /// Status of a refused create.
    pub secondary_status: SecondaryStatus,
    /// `retry-after` of a refused create, in seconds; to the end of the window when absent.
    pub retry_after_s: Option<u64>,
}

/// GitHub answers either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "u16")]
pub(crate) enum SecondaryStatus {
    #[default]
    Forbidden,
    TooManyRequests,
}

impl TryFrom<u16> for SecondaryStatus {
    type Error = &'static str;

    fn try_from(status: u16) -> Result<SecondaryStatus, &'static str> {
        match status {
            403 => Ok(SecondaryStatus::Forbidden),
            429 => Ok(SecondaryStatus::TooManyRequests),
            _ => Err("secondary_status is 403 or 429"),
        }
    }
}

impl Scenario {
    /// Reads a scenario; an unknown key, a wrong type or an empty pattern is refused with its place.
    ///
    /// ```
    /// use sluicegate::simulator::Scenario;
    ///
    /// let error = Scenario::from_toml("sed = 7", "mine.toml").err().map(|error| error.to_string());
    /// assert!(error.is_some_and(|text| text.contains("mine.toml:1:1")));
    /// ```
    pub fn from_toml(text: &str, name: &str) -> Result<Scenario, SimulatorError> {
        let scenario: Scenario = toml::from_str(text).map_err(|error| refused(text, name, &error))?;
        match scenario.contradiction() {
            Some(message) => {
                Err(SimulatorError::Scenario { name: name.to_owned(), line: 1, column: 1, message })
            }
            None => Ok(scenario),
        }
    }

    /// The scenario that is played when none is given: everything is allowed and ends well.
    pub fn friendly() -> Result<Scenario, SimulatorError> {
        Scenario::from_toml(DEFAULT, "config/scenarios/default.toml")
    }

    /// The same scenario with another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Scenario {
        self.seed = seed;
        self
    }

    /// The clock the scenario asks for.
    pub fn clock(&self) -> SimClock {
        self.server.manual_clock_from.map_or(SimClock::Real, |start| SimClock::manual(start.0))
    }

    /// The story of the n-th task of a repository.
    pub(crate) fn story(&self, repository: &str, attempt: u64) -> Story {
        let mut story = Story::default();
        story.overlay(&self.defaults);
        let matching = self.stories.iter().filter(|patch| {
            patch.covers.as_ref().is_none_or(|pattern| pattern.covers(repository))
                && patch.attempt.is_none_or(|wanted| wanted == attempt)
        });
        for patch in matching {
            story.overlay(patch);
        }
        story
    }

    /// What a repository is like; `None` if it does not exist.
    pub(crate) fn repository(&self, full_name: &str) -> Option<RepositoryTraits> {
        let mut found = false;
        let mut traits = RepositoryTraits::default();
        for patch in self.repositories.iter().filter(|patch| patch.covers.covers(full_name)) {
            found = true;
            traits.overlay(patch);
        }
        let owner = full_name.split('/').next().unwrap_or_default();
        traits.agent_enabled &= self.agent_policy(owner) != AgentPolicy::None;
        found.then_some(traits)
    }

    /// Where the agent may work in an organisation.
    pub(crate) fn agent_policy(&self, organisation: &str) -> AgentPolicy {
        let found = self.organisations.iter().rfind(|known| known.login.eq_ignore_ascii_case(organisation));
        found.map_or(AgentPolicy::All, |known| known.agent)
    }

    /// Repositories that are named in full, as far as a pattern can name one.
    pub(crate) fn named_repositories(&self) -> impl Iterator<Item = &str> {
        let names = self.repositories.iter().map(|patch| patch.covers.text());
        names.filter(|text| !text.contains(['*', '?', '[', '{', '!']) && text.contains('/'))
    }

    /// What the shape of the file cannot express.
    fn contradiction(&self) -> Option<String> {
        if self.server.api_versions.is_empty() {
            return Some("server.api_versions is empty".to_owned());
        }
        let bad_fault = self.faults.iter().position(|fault| fault.problem().is_some());
        let bad_default = self.defaults.covers.is_some() || self.defaults.attempt.is_some();
        match (bad_fault, bad_default) {
            (Some(at), _) => {
                self.faults.get(at).and_then(Fault::problem).map(|why| format!("fault {}: {why}", at + 1))
            }
            (None, true) => Some("[defaults] is for every task: it has no match and no attempt".to_owned()),
            (None, false) => None,
        }
    }
}

fn refused(text: &str, name: &str, error: &toml::de::Error) -> SimulatorError {
    let offset = error.span().map_or(0, |span| span.start).min(text.len());
    let before = text.get(..offset).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |tail| tail.chars().count()) + 1;
    SimulatorError::Scenario { name: name.to_owned(), line, column, message: error.message().to_owned() }
}
