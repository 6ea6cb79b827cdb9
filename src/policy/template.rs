//! A versioned prompt with typed inputs and the rules for what becomes of it. A released version never
//! changes; its digest tells.

use jsonschema::Validator;
use serde_json::Value;

use crate::{
    budget::Amount,
    job::{retry::RetryRule, time::Millis},
    policy::{scope::ChangeScope, waves},
};

/// One version of one template, checked: its prompt compiles and names only what it is given.
#[derive(Clone, Debug)]
pub struct Template {
    pub name: String,
    pub version: u32,
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
    pub(super) validator: Validator,
}
