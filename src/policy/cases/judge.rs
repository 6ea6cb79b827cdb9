//! Holds a policy against its cases: each failure is told with the line of what was expected, and what was decided instead.

use std::collections::BTreeSet;

use super::{Case, Cases, Expect, Expected};
use crate::{
    job::Repository,
    policy::{
        Facts, Finding, Outcome, Plan, PlanContext, Problem, RepositoryFacts, Wanted,
        document::Document,
        evaluate,
        freeze::{self, Freeze, Subject},
        problem::Code,
        repositories::Class,
        text, wanted,
    },
};

/// What was decided of one repository.
struct Seen<'a> {
    repository: &'a str,
    outcome: Expected,
    findings: &'a [Finding],
    model: Option<&'a str>,
    model_by: Option<&'a str>,
    identity: Option<&'a str>,
    prompt: Option<&'a str>,
}

/// A key of `expect`, and what is wrong with it.
type Failure = (&'static str, String);

impl Cases {
    /// Everything that is not as expected, under a policy. Facts and time of the context are those of each case.
    pub fn failures(&self, policy: &PlanContext<'_>, freezes: &[Freeze]) -> Vec<Problem> {
        let document = Document { name: &self.name, text: &self.text };
        let mut problems = Vec::new();
        for (index, case) in self.cases.iter().enumerate() {
            for (key, what) in case.failures(policy, freezes) {
                let what = format!("case `{}`: {what}", text::shorten(&case.name, 120));
                let problem = Problem::new(Code::PolicyTestFailed, what);
                problems.push(document.point_at(problem, &["case", &index.to_string(), "expect", key]));
            }
        }
        problems
    }
}

impl Case {
    fn failures(&self, policy: &PlanContext<'_>, freezes: &[Freeze]) -> Vec<Failure> {
        let mut facts = Facts::default();
        let told = self.facts.told();
        for name in &self.request.repositories {
            if let Ok(repository) = name.parse::<Repository>() {
                facts.learn(repository, told.clone(), self.time());
            }
        }
        let context = PlanContext { facts: &facts, now: self.time(), ..*policy };
        let untold = wanted(&self.request, &context).map(|wanted| untold(&wanted, &told));
        if let Ok(Some(untold)) = untold {
            return vec![("outcome", untold)];
        }
        let expect = &self.expect;
        let mut failures = Vec::new();
        match evaluate(&self.request, &context, None) {
            Ok(plan) => {
                for seen in seen(&plan) {
                    failures.extend(expect.held_against(&seen));
                }
                failures.extend(expect.of_plan(&plan));
            }
            Err(problems) => failures.extend(expect.refused(&problems)),
        }
        failures.extend(self.placed(&context, freezes));
        failures
    }

    /// What depends on where and when alone.
    fn placed(&self, context: &PlanContext<'_>, freezes: &[Freeze]) -> Vec<Failure> {
        let template = self.request.template_version().ok();
        let template = template.and_then(|(name, version)| context.catalog.get(name, version).ok());
        let team = self.request.team.as_deref().or(template.map(|template| template.team.as_str()));
        let force = freeze::in_force(freezes, context.now);
        let mut failures = Vec::new();
        for repository in self.request.repositories.iter().filter_map(|name| name.parse().ok()) {
            let class = context.repositories.class_of(&repository);
            let subject = Subject {
                repository: &repository,
                template: template.map(|template| template.name.as_str()).unwrap_or_default(),
                team: team.unwrap_or_default(),
                class: Some(class.as_str()),
                request: None,
                job: None,
            };
            let frozen = freeze::active(&force, &[], &subject, context.now);
            let frozen = frozen.as_ref().map_or("", |frozen| frozen.name.as_str());
            let name = repository.full_name();
            let named = self.expect.class.map(Class::as_str);
            failures.extend(unlike("class", name, named, Some(class.as_str())));
            failures.extend(unlike("frozen", name, self.expect.frozen.as_deref(), Some(frozen)));
        }
        failures
    }
}

impl Expect {
    fn held_against(&self, seen: &Seen<'_>) -> Vec<Failure> {
        let name = seen.repository;
        let mut failures = Vec::new();
        if let Some(wanted) = self.outcome.filter(|wanted| *wanted != seen.outcome) {
            let decisive = seen.findings.iter().filter(|finding| finding.outcome > Outcome::Allow);
            let why: Vec<String> =
                decisive.map(|found| format!("{} ({})", found.text, found.reason)).collect();
            let why = if why.is_empty() { String::new() } else { format!(": {}", why.join("; ")) };
            let what = format!("{name}: expected {}, got {}{why}", wanted.as_str(), seen.outcome.as_str());
            failures.push(("outcome", what));
        }
        let tokens = |strict: bool| -> BTreeSet<&str> {
            let of_kind = seen.findings.iter().filter(|found| (found.outcome > Outcome::Allow) == strict);
            of_kind.map(|found| found.reason.as_str()).collect()
        };
        failures.extend(unlike_set("reasons", name, self.reasons.as_ref(), &tokens(true)));
        failures.extend(unlike_set("remarks", name, self.remarks.as_ref(), &tokens(false)));
        failures.extend(unlike("model", name, self.model.as_deref(), seen.model));
        failures.extend(unlike("model_by", name, self.model_by.as_deref(), seen.model_by));
        failures.extend(unlike("identity", name, self.identity.as_deref(), seen.identity));
        for part in self.prompt_contains.iter().flatten() {
            if !seen.prompt.is_some_and(|prompt| prompt.contains(part)) {
                let what = format!("{name}: the prompt does not contain `{}`", text::shorten(part, 80));
                failures.push(("prompt_contains", what));
            }
        }
        failures
    }

    fn of_plan(&self, plan: &Plan) -> Vec<Failure> {
        let mut failures = Vec::new();
        if let Some(wanted) = self.pull_request.filter(|wanted| *wanted != plan.template.pull_request) {
            let what = format!("expected {wanted}, got {}", plan.template.pull_request);
            failures.push(("pull_request", what));
        }
        let cut = plan.waves.as_ref().map(|waves| waves.jobs.clone()).unwrap_or_default();
        if let Some(wanted) = self.waves.as_ref().filter(|wanted| **wanted != cut) {
            failures.push(("waves", format!("expected {wanted:?}, got {cut:?}")));
        }
        failures
    }

    /// What a request that is refused as a whole is held against: nothing but that and why.
    fn refused(&self, problems: &[Problem]) -> Vec<Failure> {
        let mut failures = Vec::new();
        if self.outcome != Some(Expected::Refused) {
            let why: Vec<String> = problems.iter().map(ToString::to_string).collect();
            let what = format!("the request is refused: {}", why.join("; ").replace('\n', " "));
            failures.push(("outcome", what));
        }
        let codes: BTreeSet<&str> = problems.iter().map(|problem| problem.code.as_str()).collect();
        failures.extend(unlike_set("reasons", "the request", self.reasons.as_ref(), &codes));
        failures
    }
}

impl Expected {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => Outcome::Allow.as_str(),
            Self::NeedsApproval => Outcome::NeedsApproval.as_str(),
            Self::Deny => Outcome::Deny.as_str(),
            Self::Refused => "refused",
        }
    }
}

impl From<Outcome> for Expected {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Allow => Self::Allow,
            Outcome::NeedsApproval => Self::NeedsApproval,
            Outcome::Deny => Self::Deny,
        }
    }
}

fn seen(plan: &Plan) -> Vec<Seen<'_>> {
    let held = if plan.request.hold { Outcome::NeedsApproval } else { Outcome::Allow };
    let jobs = plan.jobs.iter().map(|job| Seen {
        repository: job.repository.full_name(),
        outcome: held.max(job.decision.outcome()).into(),
        findings: &job.decision.findings,
        model: Some(job.model.as_deref().unwrap_or_default()),
        model_by: Some(&job.model_by),
        identity: Some(&job.subject.identity),
        prompt: Some(&job.prompt),
    });
    let skipped = plan.skipped.iter().map(|skip| Seen {
        repository: &skip.repository,
        outcome: Expected::Deny,
        findings: &skip.findings,
        model: None,
        model_by: None,
        identity: None,
        prompt: None,
    });
    jobs.chain(skipped).collect()
}

fn unlike(key: &'static str, name: &str, wanted: Option<&str>, got: Option<&str>) -> Option<Failure> {
    let wanted = wanted.filter(|wanted| got != Some(*wanted))?;
    let got = match got {
        None => "nothing: it is left out".to_owned(),
        Some("") => "none".to_owned(),
        Some(got) => format!("`{got}`"),
    };
    let wanted = if wanted.is_empty() { "none".to_owned() } else { format!("`{wanted}`") };
    Some((key, format!("{name}: expected {wanted}, got {got}")))
}

fn unlike_set(
    key: &'static str,
    name: &str,
    wanted: Option<&BTreeSet<String>>,
    got: &BTreeSet<&str>,
) -> Option<Failure> {
    let wanted: BTreeSet<&str> = wanted?.iter().map(String::as_str).collect();
    let said = |set: &BTreeSet<&str>| set.iter().copied().collect::<Vec<_>>().join(", ");
    (wanted != *got).then(|| (key, format!("{name}: expected [{}], got [{}]", said(&wanted), said(got))))
}

/// What the policy wants to know and the case does not say.
fn untold(all: &[(Repository, Wanted)], told: &RepositoryFacts) -> Option<String> {
    let (repository, missing) =
        all.iter().map(|(name, wanted)| (name, wanted.missing_in(told))).find(|(_, it)| !it.is_nothing())?;
    let mut parts: Vec<&str> = [
        (missing.languages, "languages"),
        (missing.workflows, "workflows"),
        (missing.codeowners, "codeowners"),
    ]
    .into_iter()
    .filter(|(missing, _)| *missing)
    .map(|(_, part)| part)
    .collect();
    parts.extend(missing.files.iter().map(String::as_str));
    let parts = parts.join(", ");
    Some(format!("{repository}: the policy wants to know what [case.facts] does not say: {parts}"))
}
