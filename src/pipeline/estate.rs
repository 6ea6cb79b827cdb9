//! What people ask about repositories: the rules, which one counts for a repository, what is known of it, and what each template
//! would find there.

use serde::{Deserialize, Serialize};

use crate::{
    agent::{AgentError, FailKind, Reached},
    job::{repository::Repository, time::Timestamp},
    pipeline::context::Context,
    policy::{
        Decision, Finding, Outcome, RepositoryFacts, RepositoryRule, Wanted,
        eligibility::{self, Case},
        repositories::Standing,
    },
};

/// Every rule, the one that counts first, first.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RulesView {
    pub rules: Vec<RepositoryRule>,
}

/// One repository.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RepositoryView {
    pub repository: Repository,
    /// The installation may touch it.
    pub allowed: bool,
    /// The rules that cover it, the one that counts first.
    pub standings: Vec<Standing>,
    pub facts: RepositoryFacts,
    pub asked_at: Option<Timestamp>,
    pub templates: Vec<TemplateStanding>,
}

/// What a template would find in a repository.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TemplateStanding {
    pub template: String,
    pub outcome: Outcome,
    pub findings: Vec<Finding>,
}

/// A repository that an identity reaches.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReachedView {
    #[serde(flatten)]
    pub reached: Reached,
    /// A rule covers it.
    pub covered: bool,
    /// The installation may touch it.
    pub allowed: bool,
}

/// Repositories could not be asked about.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EstateError {
    #[error("{0}")]
    UnknownIdentity(String),
    #[error("the provider could not be asked: {why}; try again after {until}")]
    Later { why: String, until: Timestamp },
    #[error(transparent)]
    Ledger(#[from] crate::ledger::LedgerError),
}

impl Context {
    pub fn repository_rules(&self) -> RulesView {
        RulesView { rules: self.policy.repositories.iter().cloned().collect() }
    }

    fn touches(&self, repository: &Repository) -> bool {
        let name = repository.full_name();
        self.policy.allowed.iter().any(|glob| crate::budget::glob::matches(&glob.to_ascii_lowercase(), name))
    }

    /// Looks at one repository, with what is kept of it where that is fresh enough. A repository that the installation may not
    /// touch is not asked about.
    pub async fn repository_view(&self, repository: Repository) -> Result<RepositoryView, EstateError> {
        let rules = &self.policy.repositories;
        let allowed = self.touches(&repository);
        let rule = rules.of(&repository);
        let everything = Wanted {
            about: true,
            languages: true,
            agent: true,
            workflows: true,
            codeowners: true,
            ..Wanted::default()
        };
        let newest = self.newest_templates();
        let wanted =
            newest.iter().fold(everything, |all, template| all.and(eligibility::wanted(template, rule)));
        let (mut facts, mut asked_at) = (RepositoryFacts::default(), None);
        if allowed {
            let known = self.known_of(&self.policy.identity, &[(repository.clone(), wanted)]).await?;
            for one in known {
                (facts, asked_at) = (one.facts, Some(one.asked_at));
            }
        }
        let judged = |template: &std::sync::Arc<crate::policy::Template>| {
            let case = Case {
                repository: &repository,
                template,
                rules,
                rule,
                facts: &facts,
                requester: "",
                pools: &self.policy.rules.pools,
                now: self.now(),
            };
            let decision = Decision { findings: eligibility::judge(&case) };
            let name = format!("{}@{}", template.name, template.version);
            TemplateStanding { template: name, outcome: decision.outcome(), findings: decision.findings }
        };
        let templates = newest.iter().map(judged).collect();
        let standings = rules.standings(&repository);
        Ok(RepositoryView { repository, allowed, standings, facts, asked_at, templates })
    }

    fn newest_templates(&self) -> Vec<std::sync::Arc<crate::policy::Template>> {
        let mut newest: Vec<std::sync::Arc<crate::policy::Template>> = Vec::new();
        // By name, then version: a later one takes the place of an earlier one.
        for template in self.policy.catalog.iter() {
            if newest.last().is_some_and(|last| last.name == template.name) {
                newest.pop();
            }
            newest.push(std::sync::Arc::clone(template));
        }
        newest
    }

    /// What an identity reaches, and what of it no rule covers yet.
    pub async fn reached(&self, identity: Option<&str>) -> Result<Vec<ReachedView>, EstateError> {
        let identity = identity.unwrap_or(&self.policy.identity);
        let later = |error: &AgentError| {
            let (why, until) = self.until(error);
            EstateError::Later { why, until }
        };
        let reached = self.atlas.reach(identity).await.map_err(|error| match error.kind {
            FailKind::Unauthorised => EstateError::UnknownIdentity(error.to_string()),
            _ => later(&error),
        })?;
        let view = |reached: Reached| ReachedView {
            covered: self.policy.repositories.of(&reached.repository).is_some(),
            allowed: self.touches(&reached.repository),
            reached,
        };
        Ok(reached.into_iter().map(view).collect())
    }
}
