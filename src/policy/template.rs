//! A versioned prompt with typed inputs and the rules for what becomes of it. A released version never
//! changes; its digest tells.

use jsonschema::Validator;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    budget::Amount,
    job::{retry::RetryRule, time::Millis},
    policy::{facts::Wanted, requires::Requires, scope::ChangeScope, waves},
};

/// How much harm a wrong result could do; routes of models and rules of approval go by it.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    Low,
    #[default]
    Medium,
    High,
}

impl Risk {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// Title and description of the pull request, both rendered like the prompt: the agent is asked for them, and what it did
/// not do is done at the hand-over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PullRequestText {
    pub title: Option<String>,
    pub body: Option<String>,
}

impl PullRequestText {
    pub const fn is_given(&self) -> bool {
        self.title.is_some() || self.body.is_some()
    }
}

/// What a task that ran out of time is tried with instead: the same prompt, then these words, within a smaller scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fallback {
    /// Added to the prompt, as it is.
    pub prompt: String,
    /// Takes the place of the template's scope.
    #[serde(default)]
    pub scope: Option<ChangeScope>,
}

impl Fallback {
    /// The prompt of the second try.
    pub fn prompt_after(&self, prompt: &str) -> String {
        let what = "An earlier task with everything above ran out of time. Do only this, and leave the rest:";
        let scope = self.scope.as_ref().map(|scope| {
            let globs: Vec<String> = scope.may_change.iter().map(|glob| format!("`{glob}`")).collect();
            format!(
                "\n\nInstead of what the boundaries say, change only files that match: {}.",
                globs.join(", ")
            )
        });
        format!(
            "{}\n\n## Smaller scope\n\n{what} {}{}\n",
            prompt.trim_end(),
            self.prompt.trim(),
            scope.unwrap_or_default()
        )
    }
}

/// What must be green before anybody is asked to review.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequiredChecks {
    /// Names of check runs or contexts of statuses.
    pub names: Vec<String>,
    /// From the first look at the result.
    pub within: Millis,
}

/// One version of one template, checked: its prompt compiles and names only what it is given.
#[derive(Clone, Debug)]
pub struct Template {
    pub name: String,
    pub version: u32,
    /// Where the file is, for messages.
    pub path: String,
    /// SHA-256 of the file, in hex.
    pub digest: String,
    /// The file's text, for the record.
    pub source: String,
    pub summary: String,
    /// JSON Schema of the inputs: an object, closed to other names.
    pub inputs: Value,
    /// Source of the prompt, in minijinja.
    pub prompt: String,
    /// Globs of repositories, in lower case; the template's own allow-list.
    pub repositories: Vec<String>,
    /// Globs of repositories that are left out, with a reason, when a request names them.
    pub exclude: Vec<String>,
    pub scope: ChangeScope,
    /// What a repository must have.
    pub requires: Requires,
    /// What must be known of a repository: for what is required, and for what the prompt names.
    pub wanted: Wanted,
    pub labels: Vec<String>,
    /// Name of the reviewer pool; None: nobody is asked.
    pub reviewers: Option<String>,
    pub model: Option<String>,
    /// False: a branch only, and the job ends once it is verified.
    pub pull_request: bool,
    pub base_ref: Option<String>,
    pub custom_agent: Option<String>,
    pub retry: RetryRule,
    /// None: every job may start at once.
    pub waves: Option<waves::Rule>,
    /// Expected spend of one attempt in nano-credits.
    pub estimate: Amount,
    /// Band, 0 first, 9 last.
    pub priority: u8,
    /// 1 to 1,000: share of the turns among requests of one band.
    pub weight: u32,
    /// From acceptance, by when a job must have started.
    pub deadline: Option<Millis>,
    /// Login of who is told when a person is needed.
    pub owner: String,
    pub team: String,
    /// `name@version` that this one takes the place of.
    pub replaces: Option<String>,
    /// Why it should not be used any more, and what to use instead.
    pub deprecated: Option<String>,
    pub risk: Risk,
    /// When the agent must stop and say so.
    pub stop_conditions: Vec<String>,
    /// How a merged change is taken back.
    pub roll_back: Option<String>,
    /// What the agent must run before it is done.
    pub commands: Vec<String>,
    pub pull_request_text: PullRequestText,
    pub required_checks: Option<RequiredChecks>,
    pub fallback: Option<Fallback>,
    pub(super) validator: Validator,
}

impl Template {
    /// `name@version`.
    pub fn id(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}
