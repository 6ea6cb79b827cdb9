//! What is known of repositories by rule: team, class, owners, which templates may work there. One rule counts for a repository:
//! the one that names it, else the longest glob that covers it.

use std::{collections::HashMap, fmt};

use serde::{Deserialize, Serialize};

use crate::{
    budget::glob::{Narrow, letters, matches},
    job::Repository,
    policy::{
        document::Document,
        facts::Wanted,
        glob::names_overlap,
        problem::{Code, Problem},
        text,
    },
};

/// How careful one must be with a repository, from the least to the most.
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
#[schema(as = RepositoryClass)]
pub enum Class {
    #[default]
    Standard,
    Sensitive,
    Regulated,
}

impl Class {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Sensitive => "sensitive",
            Self::Regulated => "regulated",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How bad it is when the repository is out of order.
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
pub enum Criticality {
    Low,
    #[default]
    Normal,
    High,
}

/// What becomes of a repository where an agent's pull request of the same template stands open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnOpenPull {
    /// The new task goes on with it.
    Adopt,
    Skip,
}

/// One `[[repository]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RepositoryRule {
    /// Glob of `owner/name`, in lower case; `*` stands for any run of characters.
    #[serde(rename = "match")]
    pub matching: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    #[serde(default)]
    pub class: Class,
    #[serde(default)]
    pub criticality: Criticality,
    /// Globs of template names.
    #[serde(default = "everything")]
    pub templates: Vec<String>,
    /// Logins of whom one, other than the requester, must be there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<String>,
    /// The members of a reviewer pool, as owners.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owners_pool: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_command: Option<String>,
    /// None: it is not looked for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_open_pull: Option<OnOpenPull>,
    /// `file:line`, for messages.
    #[serde(default)]
    pub at: String,
}

fn everything() -> Vec<String> {
    vec!["*".to_owned()]
}

impl RepositoryRule {
    pub fn covers(&self, repository: &Repository) -> bool {
        matches(&self.matching, repository.full_name())
    }
    pub fn allows(&self, template: &str) -> bool {
        self.templates.iter().any(|glob| matches(glob, template))
    }
    /// What must be known of a repository under this rule.
    pub fn wanted(&self) -> Wanted {
        Wanted { about: true, agent: true, pulls: self.on_open_pull.is_some(), ..Wanted::default() }
    }
    fn narrow(&self) -> Narrow {
        Narrow::of(&self.matching)
    }
    fn is_exact(&self) -> bool {
        self.narrow() == Narrow::Exact
    }
    fn weight(&self) -> usize {
        letters(&self.matching)
    }
    fn same_as(&self, other: &Self) -> bool {
        let plain = |rule: &Self| Self { matching: String::new(), at: String::new(), ..rule.clone() };
        plain(self) == plain(other)
    }
}

/// All rules of an installation.
#[derive(Clone, Debug, Default)]
pub struct RepositoryRules {
    /// The one that counts first, first.
    rules: Vec<RepositoryRule>,
    exact: HashMap<String, usize>,
    /// Where the globs begin.
    globs: usize,
    /// Classes that need an approval.
    approval: Vec<Class>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default = "regulated")]
    approval_classes: Vec<Class>,
    #[serde(default, rename = "repository")]
    repositories: Vec<RepositoryRule>,
}

fn regulated() -> Vec<Class> {
    vec![Class::Regulated]
}

/// How a rule stands to a repository that it covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = RuleStanding)]
pub struct Standing {
    pub rule: RepositoryRule,
    /// True for one rule at most.
    pub counts: bool,
    pub why: String,
}

impl RepositoryRules {
    /// Reads the file; every mistake is told with its line.
    pub fn parse(name: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let document = Document { name, text };
        let file: File = document.parse(Code::BadConfig).map_err(|problem| vec![problem])?;
        let mut problems = Vec::new();
        let mut rules = file.repositories;
        for (index, rule) in rules.iter_mut().enumerate() {
            if !rule.at.is_empty() {
                let problem = Problem::new(Code::BadConfig, "unknown key `at`").hint("remove it");
                problems.push(document.point_at(problem, &["repository", &index.to_string(), "at"]));
            }
            rule.matching = rule.matching.to_ascii_lowercase();
            let place = document
                .point_at(Problem::new(Code::BadConfig, ""), &["repository", &index.to_string(), "match"]);
            rule.at = place
                .at
                .map(|at| at.rsplit_once(':').map_or(at.clone(), |(line, _)| line.to_owned()))
                .unwrap_or_default();
            for (key, what, hint) in faults(rule) {
                let problem = Problem::new(Code::BadConfig, what).hint(hint);
                problems.push(document.point_at(problem, &["repository", &index.to_string(), key]));
            }
        }
        problems.extend(ties(&rules));
        if !problems.is_empty() {
            return Err(problems);
        }
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.narrow()));
        let globs = rules.partition_point(RepositoryRule::is_exact);
        let exact =
            rules.iter().take(globs).enumerate().map(|(at, rule)| (rule.matching.clone(), at)).collect();
        Ok(Self { rules, exact, globs, approval: file.approval_classes })
    }

    /// The rule that counts.
    pub fn of(&self, repository: &Repository) -> Option<&RepositoryRule> {
        if let Some(at) = self.exact.get(repository.full_name()) {
            return self.rules.get(*at);
        }
        self.rules.iter().skip(self.globs).find(|rule| rule.covers(repository))
    }

    /// The class of a repository; without a rule it is a standard one.
    pub fn class_of(&self, repository: &Repository) -> Class {
        self.of(repository).map(|rule| rule.class).unwrap_or_default()
    }

    /// Every rule that covers the repository, the one that counts first, each with why it counts or does not.
    pub fn standings(&self, repository: &Repository) -> Vec<Standing> {
        let covering: Vec<&RepositoryRule> =
            self.rules.iter().filter(|rule| rule.covers(repository)).collect();
        let Some(winner) = covering.first().copied() else { return Vec::new() };
        let why = |rule: &RepositoryRule| match (rule.is_exact(), winner.is_exact()) {
            (true, _) => "it names the repository".to_owned(),
            (false, true) => {
                format!("`{}` names the repository, and a name counts before a glob", winner.matching)
            }
            (false, false) if rule == winner => {
                "it is the longest glob that covers the repository".to_owned()
            }
            (false, false) if rule.weight() == winner.weight() => {
                format!("it says the same as `{}`", winner.matching)
            }
            (false, false) => {
                format!("`{}` is longer ({} letters to {})", winner.matching, winner.weight(), rule.weight())
            }
        };
        let standing = |(at, rule): (usize, &&RepositoryRule)| Standing {
            rule: (*rule).clone(),
            counts: at == 0,
            why: why(rule),
        };
        covering.iter().enumerate().map(standing).collect()
    }

    pub fn iter(&self) -> impl Iterator<Item = &RepositoryRule> {
        self.rules.iter()
    }
    pub fn needs_approval(&self, class: Class) -> bool {
        self.approval.contains(&class)
    }
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

/// What is wrong with one rule: key, what, hint.
fn faults(rule: &RepositoryRule) -> Vec<(&'static str, String, &'static str)> {
    let mut found = Vec::new();
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/' | b'*');
    if rule.matching.is_empty() || rule.matching.len() > 200 || !rule.matching.bytes().all(plain) {
        let what = format!("`{}` is not a glob of repositories", text::shorten(&rule.matching, 80));
        found.push(("match", what, "write owner/name; `*` stands for any run of characters"));
    } else if rule.is_exact() && rule.matching.parse::<Repository>().is_err() {
        let what = format!("`{}` names no repository", rule.matching);
        found.push(("match", what, "write owner/name, or a glob such as \"acme/*\""));
    }
    for (key, name) in [("team", &rule.team), ("owners_pool", &rule.owners_pool)] {
        if name.as_ref().is_some_and(|name| !text::is_name(name)) {
            found.push((
                key,
                format!("`{key}` is not a name"),
                "use lower-case letters, digits and `-`, at most 64",
            ));
        }
    }
    if let Some(login) = rule.owners.iter().find(|login| !text::is_login(login)) {
        let what = format!("`{}` is not a login", text::shorten(login, 60));
        found.push(("owners", what, "write logins as GitHub has them, without `@`"));
    }
    if !rule.owners.is_empty() && rule.owners_pool.is_some() {
        let what = "both `owners` and `owners_pool` say who owns it".to_owned();
        found.push(("owners_pool", what, "keep one of them"));
    }
    if let Some(command) = &rule.test_command
        && (command.trim().is_empty()
            || command.len() > 500
            || text::check(command, "test_command").is_err()
            || command.contains('\n'))
    {
        let what = "`test_command` is empty, longer than 500 bytes, or not one plain line".to_owned();
        found.push(("test_command", what, "write one command line"));
    }
    found
}

/// Rules of equal weight that cover a common repository and say different things: nobody could tell which counts.
fn ties(rules: &[RepositoryRule]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut named: HashMap<&str, &RepositoryRule> = HashMap::new();
    let mut globs: HashMap<usize, Vec<&RepositoryRule>> = HashMap::new();
    for rule in rules {
        if rule.is_exact() {
            let first = *named.entry(&rule.matching).or_insert(rule);
            problems.extend((!rule.same_as(first)).then(|| tie(first, rule)));
            continue;
        }
        let others = globs.entry(rule.weight()).or_default();
        let contradicts =
            |other: &&RepositoryRule| !rule.same_as(other) && names_overlap(&rule.matching, &other.matching);
        problems.extend(others.iter().copied().filter(contradicts).map(|other| tie(other, rule)));
        others.push(rule);
    }
    problems
}

fn tie(first: &RepositoryRule, second: &RepositoryRule) -> Problem {
    let what = format!(
        "`{}` here and `{}` at {} cover the same repositories, weigh the same, and say different things",
        second.matching, first.matching, first.at
    );
    let hint = "make one of them longer, name the repository, or let both say the same";
    Problem::new(Code::BadConfig, what).at(&second.at).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> RepositoryRules {
        RepositoryRules::parse("repositories.toml", text).unwrap()
    }
    fn repository(name: &str) -> Repository {
        name.parse().unwrap()
    }

    #[test]
    fn a_name_counts_before_a_glob_and_a_longer_glob_before_a_shorter_one() {
        let rules = rules(
            "[[repository]]\nmatch = \"*\"\nteam = \"all\"\n[[repository]]\nmatch = \"acme/*\"\nteam = \"acme\"\n\
             [[repository]]\nmatch = \"acme/pay-*\"\nteam = \"pay\"\nclass = \"regulated\"\n\
             [[repository]]\nmatch = \"Acme/Pay-Web\"\nteam = \"web\"\n",
        );
        let team = |name: &str| rules.of(&repository(name)).and_then(|rule| rule.team.clone()).unwrap();
        assert_eq!(team("other/x"), "all");
        assert_eq!(team("acme/x"), "acme");
        assert_eq!(team("acme/pay-api"), "pay");
        assert_eq!(team("ACME/pay-web"), "web");
        let standings = rules.standings(&repository("acme/pay-web"));
        assert_eq!(standings.len(), 4);
        assert!(standings[0].counts && standings.iter().filter(|one| one.counts).count() == 1);
        assert!(standings[1].why.contains("a name counts before a glob"), "{}", standings[1].why);
        let why = &rules.standings(&repository("acme/pay-api"))[1].why;
        assert!(why.contains("`acme/pay-*` is longer (9 letters to 5)"), "{why}");
        assert!(rules.needs_approval(Class::Regulated) && !rules.needs_approval(Class::Sensitive));
    }

    #[test]
    fn a_tie_that_contradicts_is_refused_with_both_lines() {
        let text = "[[repository]]\nmatch = \"acme/*-web\"\nteam = \"a\"\n[[repository]]\nmatch = \"acme/big-*\"\nteam = \"b\"\n";
        let problems = RepositoryRules::parse("r.toml", text).unwrap_err();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].at.as_deref(), Some("r.toml:5"));
        assert!(problems[0].what.contains("r.toml:2"), "{}", problems[0].what);
        let same = text.replace("\"b\"", "\"a\"");
        assert!(RepositoryRules::parse("r.toml", &same).is_ok());
        let apart = text.replace("acme/big-*", "acme/bi-*x");
        assert!(RepositoryRules::parse("r.toml", &apart).is_ok());
        let twice = "[[repository]]\nmatch = \"acme/api\"\n[[repository]]\nmatch = \"acme/api\"\nclass = \"sensitive\"\n";
        assert_eq!(RepositoryRules::parse("r.toml", twice).unwrap_err().len(), 1);
    }

    #[test]
    fn a_wrong_rule_is_told_with_its_line() {
        for (line, place) in [
            ("match = \"acme api\"", "r.toml:2:9"),
            ("match = \"acme\"", "r.toml:2:9"),
            ("match = \"a/*\"\nowners = [\"@ana\"]", "r.toml:3:10"),
            ("match = \"a/*\"\nteam = \"Big Team\"", "r.toml:3:8"),
            ("match = \"a/*\"\nclass = \"secret\"", "r.toml:3:9"),
            ("match = \"a/*\"\ntest_command = \"\"", "r.toml:3:16"),
            ("match = \"a/*\"\ncolour = 3", "r.toml:3:1"),
            ("match = \"a/*\"\nat = \"x\"", "r.toml:3:6"),
            ("team = \"a\"", "r.toml:1:1"),
        ] {
            let problems =
                RepositoryRules::parse("r.toml", &format!("[[repository]]\n{line}\n")).unwrap_err();
            assert_eq!(problems[0].at.as_deref(), Some(place), "{line}: {}", problems[0]);
        }
    }
}
