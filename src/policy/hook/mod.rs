//! Webhooks that come in: whether a delivery is genuine, which request it becomes, and which work it is about. Decided from
//! values alone: who keeps deliveries, and what is done with the answer, is said elsewhere.

mod command;
mod concern;
mod expression;
mod faults;
mod map;
pub mod signature;
pub mod written;

pub use self::{
    command::Command,
    concern::{Concern, concern},
    expression::{Expression, Scope},
    map::map,
    written::Written,
};
use crate::{
    job::time::Millis,
    policy::{Problem, Request},
};

/// Who sends, and so which headers and fields count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Github,
    Jira,
    Linear,
    /// Anybody else.
    Generic,
}

/// How a delivery proves that it comes from who knows the secret. Names of headers are in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// HMAC with SHA-256 over the body, in hex, perhaps after `sha256=`.
    Hmac { header: String },
    /// Standard Webhooks, version `v1`.
    Standard,
    /// The secret itself; it proves nothing about the body.
    Shared { header: String },
}

/// One way in, checked.
#[derive(Clone, Debug)]
pub struct Hook {
    pub name: String,
    pub kind: Kind,
    pub proof: Proof,
    /// How far the time stamp of a delivery may be from ours, where it has one.
    pub max_age: Millis,
    /// The header that holds the name of a delivery; None: there is none, its bytes name it.
    pub id_header: Option<String>,
    /// Finds the name of the event; None: a header of GitHub has it.
    pub event: Option<Expression>,
    /// In order: the first that fits counts.
    pub rules: Vec<Rule>,
    /// Where it was written.
    pub at: String,
}

/// What becomes of some events.
#[derive(Clone, Debug)]
pub struct Rule {
    /// None: every event.
    pub event: Option<String>,
    pub when: Option<Expression>,
    pub command: Option<Command>,
    /// What all its requests have in common.
    pub fixed: Request,
    pub repositories: Repositories,
    pub inputs: Vec<(String, Input)>,
    /// The GitHub login of who asks.
    pub requester: Expression,
    /// Who it was by the sender's word, when that is somebody else.
    pub requested_by: Option<Expression>,
    /// Deliveries with the same key are one request; None: each is one.
    pub request_key: Option<Expression>,
    pub reason: Option<Expression>,
    /// Where it was written.
    pub at: String,
}

/// Where the work is to be done.
#[derive(Clone, Debug)]
pub enum Repositories {
    Named(Vec<String>),
    /// A name or a list of names.
    Found(Expression),
}

/// One input of the template.
#[derive(Clone, Debug)]
pub enum Input {
    Fixed(serde_json::Value),
    Found(Expression),
}

/// What a delivery is known by.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    pub id: &'a str,
    pub event: &'a str,
}

/// What a delivery becomes.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Nobody wants anything from it.
    Ignored { reason: String },
    /// A rule wants a request from it.
    Request(Box<Mapped>),
    /// A rule wants a request from it, and none could be made.
    Unmapped { rule: String, problem: Problem },
}

/// A request as any producer would hand it in.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapped {
    pub request: Request,
    /// Where the rule was written.
    pub rule: String,
    /// Who asked by the sender's word; nobody here has seen proof of it.
    pub requested_by: Option<String>,
}

impl Hook {
    /// Under which the ledger records what it hands in.
    pub fn producer(&self) -> String {
        format!("hook/{}", self.name)
    }
}
