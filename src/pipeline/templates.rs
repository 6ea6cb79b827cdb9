//! Templates for people: which there are, where they come from, and whether a file is still what was first used.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    job::time::Timestamp,
    ledger::{LedgerError, rows::TemplateRow},
    pipeline::context::Context,
    policy::{Problem, Template, template::Risk},
};

/// One version of a template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TemplateView {
    /// `name@version`.
    pub id: String,
    pub summary: String,
    pub owner: String,
    pub team: String,
    pub risk: Risk,
    pub digest: String,
    pub replaces: Option<String>,
    pub replaced_by: Vec<String>,
    pub deprecated: Option<String>,
    /// None: never.
    pub first_used_at: Option<Timestamp>,
    /// The file is not what it was at its first use: nothing can be submitted with it.
    pub changed: bool,
}

/// With everything that is in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TemplateDetail {
    #[serde(flatten)]
    pub view: TemplateView,
    /// JSON Schema of the inputs.
    pub inputs: Value,
    /// The file as it is.
    pub source: String,
}

/// A template that was looked for and not found.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    #[error("{0}")]
    Unknown(Problem),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Context {
    /// By name and version.
    pub async fn list_templates(&self) -> Result<Vec<TemplateView>, LedgerError> {
        let used = self.ledger.templates_used().await?;
        Ok(self.policy.catalog.iter().map(|template| self.template_view(template, &used)).collect())
    }

    /// `name`, which is the newest version, or `name@version`.
    pub async fn template_detail(&self, id: &str) -> Result<TemplateDetail, TemplateError> {
        let (name, version) = match id.split_once('@') {
            None => (id, None),
            Some((name, version)) => (name, Some(version.parse().unwrap_or(0))),
        };
        let template = self.policy.catalog.get(name, version).map_err(TemplateError::Unknown)?;
        let used = self.ledger.templates_used().await?;
        Ok(TemplateDetail {
            view: self.template_view(template, &used),
            inputs: template.inputs.clone(),
            source: template.source.clone(),
        })
    }

    fn template_view(&self, template: &Template, used: &[TemplateRow]) -> TemplateView {
        let id = template.id();
        let first = used.iter().find(|row| row.id == id);
        TemplateView {
            summary: template.summary.clone(),
            owner: template.owner.clone(),
            team: template.team.clone(),
            risk: template.risk,
            digest: template.digest.clone(),
            replaces: template.replaces.clone(),
            replaced_by: self.policy.catalog.replaced_by(&id).map(|other| other.id()).collect(),
            deprecated: template.deprecated.clone(),
            first_used_at: first.map(|row| row.first_used_at),
            changed: first.is_some_and(|row| row.digest != template.digest),
            id,
        }
    }
}
