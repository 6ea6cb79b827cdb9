//! May a template work in a repository? Every rule that has something to say adds a finding with a stable token; the strictest
//! counts. What is not known is not judged.

use std::collections::BTreeMap;

use crate::{
    budget::Pool,
    job::{Repository, time::Timestamp},
    policy::{
        Finding, Outcome, RepositoryFacts, Template, Wanted,
        codeowners::Codeowners,
        facts::{About, AgentSettings, FileFact, OpenPull},
        repositories::{OnOpenPull, RepositoryRule, RepositoryRules},
    },
};

/// One repository of one request.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    pub repository: &'a Repository,
    pub template: &'a Template,
    pub rules: &'a RepositoryRules,
    /// The one of them that counts here.
    pub rule: Option<&'a RepositoryRule>,
    pub facts: &'a RepositoryFacts,
    pub requester: &'a str,
    pub pools: &'a BTreeMap<String, Pool>,
    pub now: Timestamp,
}

/// What must be known of a repository before a template may be judged there.
pub fn wanted(template: &Template, rule: Option<&RepositoryRule>) -> Wanted {
    let by_rule = rule.map(RepositoryRule::wanted).unwrap_or_default();
    template.wanted.clone().and(by_rule)
}

/// The open pull request that a new task goes on with, if the rule says so and there is one.
pub fn adopted<'a>(case: &Case<'a>) -> Option<&'a OpenPull> {
    if case.rule?.on_open_pull != Some(OnOpenPull::Adopt) {
        return None;
    }
    standing(case.template, case.facts)
}

/// Everything that is found; nothing found is allowed.
pub fn judge(case: &Case<'_>) -> Vec<Finding> {
    let rule = case.rule;
    let mut found = Vec::new();
    if let Some(rule) = rule {
        found.extend(by_rule(case, rule).into_iter().map(|finding| finding.by(&rule.matching)));
    }
    if case.facts.visible == Some(false) {
        let text = format!("`{}` does not exist, or the identity cannot see it", case.repository);
        found.push(deny("not-found", text));
        return found;
    }
    if let Some(about) = &case.facts.about {
        found.extend(of_itself(case.repository, about));
    }
    found.extend(case.facts.agent.and_then(|agent| of_agent(case.template, agent)));
    found.extend(hidden(case));
    found.extend(compatible(case));
    if rule.is_some_and(|rule| rule.on_open_pull.is_some()) {
        found.extend(open_pull(case));
    }
    found.extend(owned(case, rule));
    found
}

fn deny(reason: &str, text: String) -> Finding {
    Finding::new(Outcome::Deny, reason, text)
}

fn by_rule(case: &Case<'_>, rule: &RepositoryRule) -> Vec<Finding> {
    let mut found = Vec::new();
    let name = &case.template.name;
    if !rule.allows(name) {
        let text = format!("`{}` is not open to the template `{name}`", case.repository);
        found.push(deny("template-not-eligible", text));
    }
    if case.rules.needs_approval(rule.class) {
        let text = format!("`{}` is of class {}, which needs an approval", case.repository, rule.class);
        found.push(Finding::new(Outcome::NeedsApproval, "class-needs-approval", text));
    }
    found
}

fn of_itself(repository: &Repository, about: &About) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(name) =
        about.full_name.as_deref().filter(|name| !name.eq_ignore_ascii_case(repository.full_name()))
    {
        found.push(deny("repository-moved", format!("`{repository}` is now `{name}`: name it so")));
    }
    if about.archived {
        found.push(deny("repository-archived", format!("`{repository}` is archived")));
    }
    if about.disabled {
        found.push(deny("repository-disabled", format!("`{repository}` is disabled")));
    }
    if about.can_push == Some(false) {
        found.push(deny("no-write-access", format!("the identity may not write to `{repository}`")));
    }
    found
}

fn of_agent(template: &Template, agent: AgentSettings) -> Option<Finding> {
    let green = template.needs_green_checks();
    match agent {
        AgentSettings::Disabled => {
            Some(deny("agent-disabled", "the agent is switched off in the repository".to_owned()))
        }
        AgentSettings::Enabled { workflow_approval: true, .. } if green => {
            let text = "the template needs green checks, and workflows on the agent's pull requests wait for a click";
            Some(Finding::new(Outcome::NeedsApproval, "ci-waits-for-click", text))
        }
        AgentSettings::Hidden => {
            let outcome = if green { Outcome::NeedsApproval } else { Outcome::Allow };
            let text = "the identity may not read the agent's settings, so nobody knows whether workflows wait for a click";
            Some(Finding::new(outcome, "agent-settings-hidden", text))
        }
        AgentSettings::Enabled { .. } => None,
    }
}

/// What the template or a rule needs to know, and the identity may not read.
fn hidden(case: &Case<'_>) -> Option<Finding> {
    if case.facts.hidden.is_empty() {
        return None;
    }
    let wanted = wanted(case.template, case.rule);
    let needed = |part: &String| match part.as_str() {
        "languages" => wanted.languages,
        "workflows" => wanted.workflows,
        "codeowners" => wanted.codeowners,
        "pulls" => wanted.pulls,
        path => wanted.files.contains(path),
    };
    let parts: Vec<&str> = case.facts.hidden.iter().filter(|part| needed(part)).map(String::as_str).collect();
    if parts.is_empty() {
        return None;
    }
    Some(deny("facts-hidden", format!("the identity may not read what must be known: {}", parts.join(", "))))
}

fn compatible(case: &Case<'_>) -> Vec<Finding> {
    let requires = &case.template.requires;
    let file = |path: &str| case.facts.files.get(path);
    let mut why: Vec<String> = Vec::new();
    for path in requires.files.iter().filter(|path| file(path) == Some(&FileFact::Absent)) {
        why.push(format!("there is no `{path}`"));
    }
    if let Some(manifest) = &requires.manifest {
        match file(&manifest.file) {
            Some(FileFact::Text(text)) => why.extend(manifest.contradiction(text)),
            Some(FileFact::Absent) => why.push(format!("there is no `{}`", manifest.file)),
            Some(FileFact::Present) => why.push(format!("`{}` is no text that can be read", manifest.file)),
            None => {}
        }
    }
    why.into_iter().map(|why| deny("incompatible", why)).collect()
}

/// The oldest open pull request of an agent that carries every label of the template. Without labels none can be told.
fn standing<'a>(template: &Template, facts: &'a RepositoryFacts) -> Option<&'a OpenPull> {
    let labelled = |pull: &&OpenPull| {
        let has = |label: &String| pull.labels.iter().any(|name| name.eq_ignore_ascii_case(label));
        !template.labels.is_empty() && template.labels.iter().all(has)
    };
    facts.pulls.iter().flatten().filter(labelled).min_by_key(|pull| pull.number)
}

fn open_pull(case: &Case<'_>) -> Option<Finding> {
    let pull = standing(case.template, case.facts)?;
    let rule = case.rule?;
    let what = format!(
        "an agent's pull request with the template's labels is open: #{} from `{}`",
        pull.number, pull.head_ref
    );
    let finding = match adopted(case) {
        Some(_) => {
            Finding::new(Outcome::Allow, "open-agent-pull", format!("{what}; the task goes on with it"))
        }
        None => deny("open-agent-pull", what),
    };
    Some(finding.by(&rule.matching))
}

/// Somebody else than the requester must own what is changed, as far as a rule or the template asks for owners.
fn owned(case: &Case<'_>, rule: Option<&RepositoryRule>) -> Option<Finding> {
    let other = |login: &str| !login.eq_ignore_ascii_case(case.requester);
    let pool = rule.and_then(|rule| rule.owners_pool.as_ref());
    if let Some(members) = pool.and_then(|name| case.pools.get(name)).map(|pool| &pool.members) {
        let others = || members.iter().filter(|member| other(&member.login));
        let away: Option<Vec<Timestamp>> = others().map(|member| member.away_until(case.now)).collect();
        let name = pool.map(String::as_str).unwrap_or_default();
        return match away {
            Some(away) => away.into_iter().min().map_or_else(
                || {
                    Some(deny(
                        "no-owner-available",
                        format!("the owners `{name}` have nobody but the requester"),
                    ))
                },
                |back| {
                    let text = format!("every owner in `{name}` is away, the first one is back at {back}");
                    Some(Finding::new(Outcome::NeedsApproval, "no-owner-available", text))
                },
            ),
            None => None,
        };
    }
    let listed = rule.map_or(&[][..], |rule| &rule.owners);
    if listed.iter().any(|login| other(login)) {
        return None;
    }
    if !listed.is_empty() {
        return Some(deny("no-owner-available", "the repository has no owner but the requester".to_owned()));
    }
    if !case.template.requires.owners {
        return None;
    }
    let text = case.facts.codeowners.as_ref()?;
    let owners = Codeowners::parse(text).owners_among(&case.template.scope.may_change);
    let none = !owners.iter().any(|owner| other(owner.trim_start_matches('@')));
    let what = "neither a rule nor CODEOWNERS names an owner, other than the requester, of what may change";
    none.then(|| deny("no-owner-available", what.to_owned()))
}
