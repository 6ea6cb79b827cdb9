//! What may run, and how: templates, requests, scopes, and the plan that a request becomes. Pure: texts are
//! handed in, nothing is read, no clock is asked.

pub mod catalog;
pub mod checks;
mod closing;
pub mod codeowners;
pub mod credits;
pub mod decision;
pub mod document;
pub mod estimate;
pub mod facts;
mod free_text;
pub mod freeze;
pub mod glob;
pub mod hint;
pub mod identity;
pub mod inputs;
pub mod line_diff;
pub mod models;
pub mod outline;
pub mod plan;
pub mod problem;
pub mod render;
pub mod repositories;
pub mod request;
mod request_schema;
pub mod requires;
pub mod scope;
pub mod template;
pub mod template_file;
mod template_terms;
pub mod text;
pub mod version;

pub use catalog::Catalog;
pub use decision::{Decision, Finding, Outcome};
pub use facts::{Facts, RepositoryFacts, Wanted};
pub use identity::IdentityRule;
pub use models::Models;
pub use outline::Outline;
pub use plan::{Plan, PlanContext, PlannedJob, Skip, plan};
pub use problem::{Code, Problem};
pub use request::Request;
pub use request_schema::request_schema;
pub use scope::{ChangeScope, Verdict};
pub use template::Template;
