//! Identities for people: what each may reach, how its token stands, and what it did in a month.

use crate::{
    budget::glob::matches,
    job::time::Timestamp,
    ledger::{LedgerError, query::Used},
    pipeline::{
        context::Context,
        view::{IdentityCheck, IdentityReview, IdentityView},
    },
    policy::IdentityRule,
};

impl Context {
    /// A process that has no work at the provider has not been told of tokens either: it asks once in a while.
    pub async fn identity_views(&self) -> Vec<IdentityView> {
        for rule in &self.policy.identities {
            if self.agent.token_expires_at(&rule.name).is_none() {
                self.ask_about_token(&rule.name).await;
            }
        }
        let view = |rule: &IdentityRule| IdentityView {
            identity: rule.clone(),
            default: rule.name == self.policy.identity,
            token_expires_at: self.agent.token_expires_at(&rule.name),
            held_back: self.outlived(&rule.name),
        };
        self.policy.identities.iter().map(view).collect()
    }

    /// Asks the provider about each token.
    pub async fn check_identities(&self) -> Vec<IdentityCheck> {
        self.agent.renew_tokens();
        let mut checks = Vec::new();
        for rule in &self.policy.identities {
            let (probe, problem) = match self.forge.probe(&rule.name).await {
                Ok(probe) => (Some(probe), None),
                Err(error) => (None, Some(error.message)),
            };
            // Whoever reviews must not be whoever works.
            let other = probe
                .as_ref()
                .map(|probe| probe.login.clone())
                .filter(|login| rule.login.as_ref().is_some_and(|said| !said.eq_ignore_ascii_case(login)));
            let problem = problem.or_else(|| {
                let (login, said) = (other?, rule.login.as_deref().unwrap_or_default());
                Some(format!("the token is of {login}, and the configuration says login = \"{said}\""))
            });
            let held_back = self.outlived(&rule.name);
            checks.push(IdentityCheck {
                name: rule.name.clone(),
                login: probe.as_ref().map(|probe| probe.login.clone()),
                token_expires_at: probe.as_ref().and_then(|probe| probe.expires_at),
                requests_left: probe.and_then(|probe| probe.requests_left),
                problem: problem.or(held_back),
            });
        }
        checks
    }

    /// What each identity started in a span, and what of its reach it never used in it.
    pub async fn review_identities(
        &self,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<IdentityReview>, LedgerError> {
        let mut all = self.ledger.used(from, to).await?;
        let mut reviews = Vec::new();
        for rule in &self.policy.identities {
            let used: Vec<Used> = all.extract_if(.., |used| used.identity == rule.name).collect();
            let idle = |globs: &[String], of: fn(&Used) -> &str| {
                let idle = globs.iter().filter(|glob| !used.iter().any(|used| matches(glob, of(used))));
                idle.cloned().collect::<Vec<_>>()
            };
            reviews.push(IdentityReview {
                never_used_repositories: idle(&rule.repositories, |used| used.repository.full_name()),
                never_used_templates: idle(&rule.templates, |used| &used.template),
                identity: rule.clone(),
                configured: true,
                used,
            });
        }
        // What worked and is no longer configured.
        while let Some(first) = all.first() {
            let name = first.identity.clone();
            let used: Vec<Used> = all.extract_if(.., |used| used.identity == name).collect();
            let identity = IdentityRule::new(&name);
            let (never_used_repositories, never_used_templates) = (Vec::new(), Vec::new());
            reviews.push(IdentityReview {
                identity,
                configured: false,
                used,
                never_used_repositories,
                never_used_templates,
            });
        }
        Ok(reviews)
    }
}
