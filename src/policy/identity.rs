//! Which credential works where: of those that may, the one that reaches least.

use serde::{Deserialize, Serialize};

use crate::{
    budget::glob::{Narrow, matches},
    job::repository::Repository,
};

/// A named credential and what it is for; never the token itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct IdentityRule {
    pub name: String,
    /// Globs of repositories, in lower case; empty: every one.
    pub repositories: Vec<String>,
    /// Globs of template names; empty: every one.
    pub templates: Vec<String>,
    /// What it is there for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// Whom to ask about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// On whose behalf it works, if that is said: never chosen to review.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
}

impl IdentityRule {
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// How narrowly it fits; None: it may not. Repositories weigh before templates.
    fn fits(&self, repository: &Repository, template: &str) -> Option<(Narrow, Narrow)> {
        let repository = narrow(&self.repositories, repository.full_name())?;
        Some((repository, narrow(&self.templates, template)?))
    }
}

/// Of the globs that fit, the narrowest; no list at all fits everything.
fn narrow(globs: &[String], text: &str) -> Option<Narrow> {
    if globs.is_empty() {
        return Some(Narrow::Everything);
    }
    globs.iter().filter(|glob| matches(glob, text)).map(|glob| Narrow::of(glob)).max()
}

/// The narrowest that fits. Of equals: the default, then the first in the file.
pub fn route<'a>(
    identities: &'a [IdentityRule],
    default: &str,
    repository: &Repository,
    template: &str,
) -> Option<&'a IdentityRule> {
    let fitting = identities.iter().filter_map(|rule| Some((rule.fits(repository, template)?, rule)));
    // The last of equals is taken, so the file is read from its end.
    fitting.rev().max_by_key(|(narrow, rule)| (*narrow, rule.name == default)).map(|(_, rule)| rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str, repositories: &[&str], templates: &[&str]) -> IdentityRule {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        IdentityRule {
            repositories: texts(repositories),
            templates: texts(templates),
            ..IdentityRule::new(name)
        }
    }

    #[test]
    fn the_narrowest_identity_that_fits_works() {
        let all = [
            rule("wide", &[], &[]),
            rule("other-wide", &[], &[]),
            rule("acme", &["acme/*"], &[]),
            rule("acme-upgrades", &["acme/*"], &["upgrade-*"]),
            rule("payments", &["acme/pay-*", "acme/bank"], &[]),
            rule("exact", &["acme/pay-api"], &["new"]),
        ];
        let routed = |default: &str, repository: &str, template: &str| {
            route(&all, default, &repository.parse().unwrap(), template).unwrap().name.clone()
        };
        for (repository, template, name) in [
            ("other/x", "new", "wide"),
            ("acme/web", "new", "acme"),
            ("acme/web", "upgrade-rust", "acme-upgrades"),
            ("acme/pay-web", "upgrade-rust", "payments"),
            ("acme/bank", "new", "payments"),
            ("acme/pay-api", "new", "exact"),
            ("acme/pay-api", "upgrade-rust", "payments"),
        ] {
            assert_eq!(routed("wide", repository, template), name, "{repository} {template}");
        }
        assert_eq!(routed("other-wide", "other/x", "new"), "other-wide");
        assert_eq!(routed("none", "other/x", "new"), "wide", "of equals the first in the file");
        assert_eq!(route(&all[2..], "acme", &"other/x".parse().unwrap(), "new"), None);
    }
}
