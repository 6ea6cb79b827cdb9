//! A request evaluated: what would run where, with which prompt, and what it would take. The same request
//! under the same policy gives the same plan.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::json;

use crate::{
    budget::{Demand, Key, Rules, Scope, Subject, rules::matches},
    job::{Repository, RequestId, time::Millis},
    policy::{
        Catalog, Decision, IdentityRule, Problem, Request, Template, identity, inputs,
        problem::Code,
        render::Prompts,
        request::{REPOSITORIES_MAX, sha256},
        text,
    },
};

/// What a request is evaluated under.
#[derive(Clone, Copy, Debug)]
pub struct PlanContext<'a> {
    pub catalog: &'a Catalog,
    pub rules: &'a Rules,
    /// Globs of the repositories that this installation may touch.
    pub allowed: &'a [String],
    /// Every configured credential.
    pub identities: &'a [IdentityRule],
    /// Name of the one that works where several fit equally.
    pub identity: &'a str,
    /// For templates that name no model.
    pub default_model: Option<&'a str>,
    pub request_id: RequestId,
}

/// One job to be.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedJob {
    pub repository: Repository,
    /// As rendered, without the marker.
    pub prompt: String,
    /// SHA-256 of the prompt, in hex.
    pub prompt_digest: String,
    /// None: not routed, the provider chooses.
    pub model: Option<String>,
    pub subject: Subject,
    /// What an attempt takes, coarse to fine.
    pub demands: Vec<Demand>,
    pub decision: Decision,
}

/// A repository that was named and is left out.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Skip {
    pub repository: String,
    /// A stable token.
    pub reason: String,
    pub text: String,
}

/// The evaluated request.
#[derive(Clone, Debug)]
pub struct Plan {
    pub template: Arc<Template>,
    pub jobs: Vec<PlannedJob>,
    pub skipped: Vec<Skip>,
    /// SHA-256 over everything that was decided, in hex; equal for equal decisions under any request id.
    pub digest: String,
    /// With version, team, priority, deadline and defaults of the inputs filled in, repositories in lower case.
    pub request: Request,
    /// Band, 0 first.
    pub priority: u8,
    pub weight: u32,
    pub team: String,
    pub deadline: Option<Millis>,
}

/// The most bytes of all prompts of one request together.
pub const PLAN_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Problems of one kind that are told one by one.
const TOLD_MAX: usize = 20;
/// What budgets of models count a job as when no model was chosen.
const UNROUTED: &str = "unrouted";

/// Evaluates a request. Either everything in it is right, or nothing of it is taken.
pub fn plan(request: &Request, context: &PlanContext<'_>) -> Result<Plan, Vec<Problem>> {
    let one = |problem: Problem| vec![problem];
    let request = request.clone().checked().map_err(one)?;
    let (name, version) = request.template_version().map_err(one)?;
    let template = Arc::clone(context.catalog.get(name, version).map_err(one)?);
    let request = normalised(request, &template);
    let mut problems = inputs::check(&template.validator, &template.inputs, &request.inputs);
    problems.extend(reviewable(&template, &request, context).err());
    let (chosen, mut skipped) = match eligible(&request.repositories, &template, context.allowed) {
        Ok(found) => found,
        Err(found) => {
            problems.extend(found);
            return Err(problems);
        }
    };
    if !problems.is_empty() {
        return Err(problems);
    }
    let team = request.team.clone().unwrap_or_default();
    let chosen = routed(&template, context, chosen, &mut skipped).map_err(one)?;
    let jobs = jobs(&request, &template, context, chosen).map_err(one)?;
    let mut plan = Plan {
        priority: request.priority.unwrap_or(template.priority),
        weight: template.weight,
        deadline: request.deadline_minutes.map(|minutes| Millis::minutes(u64::from(minutes))),
        team,
        request,
        digest: String::new(),
        template,
        jobs,
        skipped,
    };
    plan.digest = digest(&plan);
    Ok(plan)
}

/// Fills in what the request leaves to the template.
fn normalised(request: Request, template: &Template) -> Request {
    let mut inputs = request.inputs;
    inputs::fill(&template.inputs, &mut inputs);
    let minutes = |span: Millis| u32::try_from(span.0 / 60_000).unwrap_or(u32::MAX);
    Request {
        template: format!("{}@{}", template.name, template.version),
        repositories: request.repositories.into_iter().map(|name| name.to_ascii_lowercase()).collect(),
        inputs,
        team: request.team.or_else(|| Some(template.team.clone())),
        priority: request.priority.or(Some(template.priority)),
        deadline_minutes: request.deadline_minutes.or(template.deadline.map(minutes)),
        ..request
    }
}

/// A job that nobody may review would wait for ever.
fn reviewable(template: &Template, request: &Request, context: &PlanContext<'_>) -> Result<(), Problem> {
    let Some(name) = &template.reviewers else { return Ok(()) };
    let Some(pool) = context.rules.pools.get(name) else {
        let what = format!("the template's reviewer pool `{name}` is not configured");
        return Err(Problem::new(Code::UnknownPool, what).at("template").hint("add it under [[pool]]"));
    };
    // Where every identity is one person's, that person does not review either.
    let only = match context.identities {
        [one] => one.login.as_deref().unwrap_or_default(),
        _ => "",
    };
    let other =
        |login: &String| !login.eq_ignore_ascii_case(&request.requester) && !login.eq_ignore_ascii_case(only);
    if pool.members.iter().any(|member| other(&member.login)) {
        return Ok(());
    }
    let what = format!("the reviewer pool `{name}` has nobody but the requester `{}`", request.requester);
    let hint = "nobody reviews what they asked for: add another member to the pool";
    Err(Problem::new(Code::NobodyMayReview, what).at("requester").hint(hint))
}

/// The repositories to work on, and those left out.
fn eligible(
    names: &[String],
    template: &Template,
    allowed: &[String],
) -> Result<(Vec<Repository>, Vec<Skip>), Vec<Problem>> {
    let problem = |code, what: String, hint: &str| Problem::new(code, what).at("repositories").hint(hint);
    if names.is_empty() {
        let what = "no repository is named".to_owned();
        return Err(vec![problem(Code::NoRepositories, what, "list at least one owner/name")]);
    }
    if names.len() > REPOSITORIES_MAX {
        let what = format!("{} repositories are named, at most {REPOSITORIES_MAX} are allowed", names.len());
        return Err(vec![problem(Code::TooManyRepositories, what, "split the request")]);
    }
    let (mut chosen, mut skipped, mut problems) = (Vec::with_capacity(names.len()), Vec::new(), Vec::new());
    let mut seen: BTreeMap<Repository, usize> = BTreeMap::new();
    for (index, name) in names.iter().enumerate() {
        let at = format!("repositories[{index}]");
        let repository: Repository = match name.parse::<Repository>() {
            Ok(repository) => repository,
            Err(error) => {
                problems.push(Problem::new(Code::BadRepository, error.to_string()).at(at));
                continue;
            }
        };
        if let Some(first) = seen.get(&repository) {
            let what = format!("`{repository}` is named twice, at repositories[{first}] and {at}");
            let hint = "name it once; upper and lower case are the same";
            problems.push(Problem::new(Code::DuplicateRepository, what).at(at).hint(hint));
            continue;
        }
        seen.insert(repository.clone(), index);
        if let Some(problem) = refused(&repository, template, allowed) {
            problems.push(problem.at(at));
        } else if let Some(glob) = covering(&template.exclude, &repository) {
            let text = format!("the template `{}` leaves out `{glob}`", template.name);
            skipped.push(Skip { repository: name.clone(), reason: "excluded-by-template".to_owned(), text });
        } else {
            chosen.push(repository);
        }
    }
    if problems.is_empty() && chosen.is_empty() {
        let what = "the template leaves out every repository that is named".to_owned();
        problems.push(problem(Code::NoRepositories, what, "see `exclude` in the template"));
    }
    if problems.is_empty() { Ok((chosen, skipped)) } else { Err(told(problems)) }
}

/// Each repository with the name of its identity; those that none may work in are left out.
fn routed<'a>(
    template: &Template,
    context: &PlanContext<'a>,
    repositories: Vec<Repository>,
    skipped: &mut Vec<Skip>,
) -> Result<Vec<(Repository, &'a str)>, Problem> {
    let mut routed = Vec::with_capacity(repositories.len());
    for repository in repositories {
        match identity::route(context.identities, context.identity, &repository, &template.name) {
            Some(identity) => routed.push((repository, identity.name.as_str())),
            None => {
                let text =
                    format!("no identity may work in {repository} with the template `{}`", template.name);
                let repository = repository.full_name().to_owned();
                skipped.push(Skip { repository, reason: "identity-none".to_owned(), text });
            }
        }
    }
    if routed.is_empty() {
        let what = format!(
            "no identity may work in any of these repositories with the template `{}`",
            template.name
        );
        let hint = "widen `repositories` or `templates` of an [[identity]], or add one";
        return Err(Problem::new(Code::NoRepositories, what).at("repositories").hint(hint));
    }
    Ok(routed)
}

/// The glob that covers the repository.
fn covering<'a>(globs: &'a [String], repository: &Repository) -> Option<&'a String> {
    globs.iter().find(|glob| matches(&glob.to_ascii_lowercase(), repository.full_name()))
}

fn refused(repository: &Repository, template: &Template, allowed: &[String]) -> Option<Problem> {
    let (whose, globs, hint) = if covering(allowed, repository).is_none() {
        ("this installation", allowed, "ask the operator to add it to [policy] repositories")
    } else if covering(&template.repositories, repository).is_none() {
        (
            "the template",
            template.repositories.as_slice(),
            "use another template, or a version that allows it",
        )
    } else {
        return None;
    };
    let globs = if globs.is_empty() { "nothing".to_owned() } else { text::shorten(&globs.join(", "), 200) };
    let what = format!("`{repository}` is outside the allow-list of {whose} ({globs})");
    Some(Problem::new(Code::RepositoryNotAllowed, what).hint(hint))
}

/// At most so many of each kind, with the number of the rest.
fn told(problems: Vec<Problem>) -> Vec<Problem> {
    let mut counts: BTreeMap<&'static str, (usize, Code)> = BTreeMap::new();
    let mut told: Vec<Problem> = Vec::new();
    for problem in problems {
        let count = counts.entry(problem.code.as_str()).or_insert((0, problem.code));
        count.0 = count.0.saturating_add(1);
        if count.0 <= TOLD_MAX {
            told.push(problem);
        }
    }
    for (count, code) in counts.into_values().filter(|(count, _)| *count > TOLD_MAX) {
        let what = format!("and {} more of this kind", count.saturating_sub(TOLD_MAX));
        told.push(Problem::new(code, what).at("repositories"));
    }
    told
}

fn jobs(
    request: &Request,
    template: &Template,
    context: &PlanContext<'_>,
    repositories: Vec<(Repository, &str)>,
) -> Result<Vec<PlannedJob>, Problem> {
    let team = request.team.as_deref().unwrap_or_default();
    let model = template.model.as_deref().or(context.default_model);
    let prompts = Prompts::new(template, request, team)?;
    let mut bytes: usize = 0;
    let mut jobs = Vec::with_capacity(repositories.len());
    for (repository, identity) in repositories {
        let prompt = prompts.render(&repository)?;
        bytes = bytes.saturating_add(prompt.len());
        if bytes > PLAN_BYTES_MAX {
            let what = format!("all prompts together are over {PLAN_BYTES_MAX} bytes (64 MiB)");
            return Err(Problem::new(Code::RequestTooLarge, what)
                .at("repositories")
                .hint("split the request"));
        }
        let subject = Subject {
            repository: repository.clone(),
            template: template.name.clone(),
            team: team.to_owned(),
            identity: identity.to_owned(),
            model: model.unwrap_or(UNROUTED).to_owned(),
            request: context.request_id.to_string(),
            requester: request.requester.clone(),
            pool: template.reviewers.clone(),
            estimate: template.estimate,
        };
        let prompt_digest = sha256(prompt.as_bytes());
        let demands = context.rules.demands(&subject);
        jobs.push(PlannedJob {
            repository,
            prompt,
            prompt_digest,
            model: model.map(str::to_owned),
            subject,
            demands,
            decision: Decision::default(),
        });
    }
    Ok(jobs)
}

/// Covers the request as normalised (without its idempotency key), the template's bytes, and each job with its
/// prompt, model, identity and demands; the request's id, which some keys carry, is left out.
fn digest(plan: &Plan) -> String {
    let jobs: Vec<serde_json::Value> = plan.jobs.iter().map(decided).collect();
    let decided = json!({
        "request": plan.request.body_digest(),
        "template": plan.template.digest,
        "jobs": jobs,
        "skipped": plan.skipped,
    });
    sha256(decided.to_string().as_bytes())
}

fn decided(job: &PlannedJob) -> serde_json::Value {
    let demands: Vec<serde_json::Value> = job
        .demands
        .iter()
        .map(|demand| {
            let key = match demand.key.scope() {
                Some((Scope::Request, _)) => Key::scoped(demand.key.name(), Scope::Request, "*"),
                _ => demand.key.clone(),
            };
            json!([key, demand.amount, demand.release, demand.expiry, demand.exclude])
        })
        .collect();
    json!([job.repository, job.prompt_digest, job.model, job.subject.identity, demands, job.decision])
}
