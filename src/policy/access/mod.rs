//! Who may use the HTTP interface, and for what: roles, and the teams and templates that they reach.

pub mod bearer;

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    budget::glob::matches,
    policy::{
        problem::{Code, Problem},
        text,
    },
};

/// What somebody may do over the HTTP interface. No role contains another one, but that all but `delegate` may look.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[schema(as = AccessRole)]
pub enum Role {
    /// Looks, and changes nothing.
    Viewer,
    /// Plans and hands in, and withdraws.
    Producer,
    /// Lets pass or refuses what waits for a person's word.
    Approver,
    /// Runs the installation: gates, limits, freezes, breakers, dead letters.
    Operator,
    /// Does everything, and gives out tokens.
    Admin,
    /// In addition to others: may name somebody else as the one who acts, as a portal does for its users.
    Delegate,
}

impl Role {
    pub const ALL: [Self; 6] =
        [Self::Viewer, Self::Producer, Self::Approver, Self::Operator, Self::Admin, Self::Delegate];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Producer => "producer",
            Self::Approver => "approver",
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Delegate => "delegate",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|role| role.as_str() == word).ok_or_else(|| {
            let shown = text::shorten(word, 40);
            format!("`{shown}` is no role: write viewer, producer, approver, operator, admin or delegate")
        })
    }
}

/// Teams and templates; an empty list stands for all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Reach {
    pub teams: Vec<String>,
    /// Globs of names, without versions.
    pub templates: Vec<String>,
}

impl Reach {
    pub const fn is_whole(&self) -> bool {
        self.teams.is_empty() && self.templates.is_empty()
    }
    /// True if work of this team with this template is within.
    pub fn covers(&self, team: &str, template: &str) -> bool {
        (self.teams.is_empty() || self.teams.iter().any(|own| own == team))
            && (self.templates.is_empty() || self.templates.iter().any(|glob| matches(glob, template)))
    }
}

/// Roles, and how far they reach.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Grant {
    pub roles: BTreeSet<Role>,
    #[serde(flatten)]
    pub reach: Reach,
}

impl Grant {
    /// Everything that is wrong with it; `at` begins the places.
    pub fn problems(&self, at: &str) -> Vec<Problem> {
        let wrong = |field: &str, what: String, hint: &str| {
            Problem::new(Code::BadAccess, what).at(format!("{at}{field}")).hint(hint)
        };
        let mut problems = Vec::new();
        if self.roles.iter().all(|role| *role == Role::Delegate) {
            let hint = "name viewer, producer, approver, operator or admin; delegate comes in addition";
            problems.push(wrong("roles", "there is no role that lets anybody do something".to_owned(), hint));
        }
        if self.roles.contains(&Role::Admin) && !self.reach.is_whole() {
            let hint = "leave teams and templates out, or take another role";
            problems.push(wrong("roles", "an admin is not limited to teams or templates".to_owned(), hint));
        }
        for team in self.reach.teams.iter().filter(|team| !text::is_name(team)) {
            let what = format!("`{}` is not a team's name", text::shorten(team, 80));
            problems.push(wrong("teams", what, "use lower-case letters, digits and `-`, at most 64"));
        }
        for glob in self.reach.templates.iter().filter(|glob| !text::is_name(&glob.replace('*', "x"))) {
            let what = format!("`{}` fits no template", text::shorten(glob, 80));
            let hint = "write a template's name without the version; `*` stands for any run of characters";
            problems.push(wrong("templates", what, hint));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(roles: &[Role], teams: &[&str], templates: &[&str]) -> Grant {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        let reach = Reach { teams: texts(teams), templates: texts(templates) };
        Grant { roles: roles.iter().copied().collect(), reach }
    }

    #[test]
    fn a_reach_needs_both_the_team_and_the_template() {
        let both = grant(&[Role::Producer], &["platform"], &["bump-*", "fix"]).reach;
        assert!(both.covers("platform", "bump-serde") && both.covers("platform", "fix"));
        assert!(!both.covers("web", "fix") && !both.covers("platform", "fixes"));
        assert!(Reach::default().covers("web", "anything") && Reach::default().is_whole());
        assert!(grant(&[], &[], &["fix"]).reach.covers("web", "fix"));
    }

    #[test]
    fn a_grant_that_grants_nothing_or_not_what_it_says_is_refused() {
        assert!(grant(&[Role::Producer, Role::Delegate], &["platform"], &["*"]).problems("").is_empty());
        for (grant, places) in [
            (grant(&[], &[], &[]), vec!["roles"]),
            (grant(&[Role::Delegate], &[], &[]), vec!["roles"]),
            (grant(&[Role::Admin], &["platform"], &[]), vec!["roles"]),
            (grant(&[Role::Viewer], &["Platform"], &["bump@1", ""]), vec!["teams", "templates", "templates"]),
        ] {
            let found: Vec<String> = grant.problems("").into_iter().filter_map(|one| one.at).collect();
            assert_eq!(found, places, "{grant:?}");
        }
    }

    #[test]
    fn roles_are_written_and_read_alike() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        }
        assert!("root".parse::<Role>().is_err());
    }
}
