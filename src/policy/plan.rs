//! A request evaluated: what would run where, with which prompt, and what it would take. The same request
//! under the same policy gives the same plan.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use crate::{
    budget::{Demand, Rules, Subject, demand::UNROUTED, glob::matches},
    job::{
        Repository, RequestId,
        time::{Millis, Timestamp},
    },
    policy::{
        Catalog, Decision, Facts, Finding, IdentityRule, Models, Outcome, Outline, Problem, RepositoryRules,
        Request, Template, Wanted,
        approval::People,
        eligibility::{self, Case},
        facts::OpenPull,
        identity, inputs,
        models::Choice,
        problem::Code,
        render::{Prompts, Rendered},
        repositories::Class,
        request::{REPOSITORIES_MAX, sha256},
        surroundings::Surroundings,
        template::PullRequestText,
        text,
        waves::{Waves, planned},
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
    pub models: &'a Models,
    /// Who may give approvals.
    pub people: &'a People,
    pub request_id: RequestId,
    pub repositories: &'a RepositoryRules,
    /// What was found out of the repositories, as far as it is wanted.
    pub facts: &'a Facts,
    pub now: Timestamp,
}

impl<'a> PlanContext<'a> {
    fn case(&self, repository: &'a Repository, template: &'a Template, requester: &'a str) -> Case<'a> {
        Case {
            repository,
            template,
            rules: self.repositories,
            rule: self.repositories.of(repository),
            facts: self.facts.of(repository),
            requester,
            pools: &self.rules.pools,
            now: self.now,
        }
    }
}

/// One job to be.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedJob {
    pub repository: Repository,
    /// As rendered, without the marker.
    pub prompt: String,
    /// SHA-256 of the prompt, in hex.
    pub prompt_digest: String,
    pub pull_text: PullRequestText,
    /// None: not routed, the provider chooses.
    pub model: Option<String>,
    /// What named the model: `request`, a route, `template`, `default` or `provider`.
    pub model_by: String,
    pub subject: Subject,
    /// What an attempt takes, coarse to fine.
    pub demands: Vec<Demand>,
    pub decision: Decision,
    /// The open pull request that the task goes on with.
    pub adopts: Option<OpenPull>,
    /// From 1; 0: the request has no waves.
    pub wave: u32,
}

/// A repository that was named and is left out.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Skip {
    pub repository: String,
    /// A stable token.
    pub reason: String,
    pub text: String,
    /// Everything that was found, this reason included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

impl Skip {
    /// A repository that a decision denies; None if it does not.
    fn denied(repository: &Repository, decision: &Decision) -> Option<Self> {
        let decisive = decision.decisive().filter(|finding| finding.outcome == Outcome::Deny)?;
        Some(Self {
            repository: repository.to_string(),
            reason: decisive.reason.clone(),
            text: decisive.text.clone(),
            findings: decision.findings.clone(),
        })
    }
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
    /// None: every job may start at once.
    pub waves: Option<Waves>,
}

/// The most bytes of all prompts of one request together.
pub const PLAN_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Problems of one kind that are told one by one.
const TOLD_MAX: usize = 20;

/// Plans a request. Either everything in it is right and something of it is left to do, or nothing of it is taken.
pub fn plan(request: &Request, context: &PlanContext<'_>) -> Result<Plan, Vec<Problem>> {
    let plan = evaluate(request, context, None)?;
    if plan.jobs.is_empty() { Err(nothing_left(&plan.skipped)) } else { Ok(plan) }
}

/// Evaluates a request, also one of which nothing is left. `seed`: of the draw of its waves; None: the one that follows from it.
pub fn evaluate(
    request: &Request,
    context: &PlanContext<'_>,
    seed: Option<u32>,
) -> Result<Plan, Vec<Problem>> {
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
    let mut jobs = jobs(&request, &template, context, chosen, &mut skipped).map_err(one)?;
    let waves = planned::widened(&request, &template, seed, &mut jobs, context.facts).map_err(one)?;
    planned::approvable(&request, waves.as_ref(), &jobs, context.people).map_err(one)?;
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
        waves,
    };
    plan.digest = Outline::of(&plan).digest();
    Ok(plan)
}

/// What must be known before the request can be planned: for each repository that may be worked on. Err: the request is not
/// acceptable, whatever would be found out. Empty without rules and requirements.
pub fn wanted(
    request: &Request,
    context: &PlanContext<'_>,
) -> Result<Vec<(Repository, Wanted)>, Vec<Problem>> {
    let one = |problem: Problem| vec![problem];
    let (name, version) = request.template_version().map_err(one)?;
    let template = context.catalog.get(name, version).map_err(one)?;
    if template.wanted.is_nothing() && context.repositories.is_empty() {
        return Ok(Vec::new());
    }
    let request = normalised(request.clone().checked().map_err(one)?, template);
    let problems = inputs::check(&template.validator, &template.inputs, &request.inputs);
    if !problems.is_empty() {
        return Err(problems);
    }
    let (chosen, _) = eligible(&request.repositories, template, context.allowed)?;
    let of_one = |repository: Repository| {
        let rule = context.repositories.of(&repository);
        // A repository that is denied by rule is not looked at.
        let closed = rule.is_some_and(|rule| !rule.allows(&template.name));
        let wanted = eligibility::wanted(template, rule);
        (!closed && !wanted.is_nothing()).then_some((repository, wanted))
    };
    Ok(chosen.into_iter().filter_map(of_one).collect())
}

/// Every repository that is named is left out: with the reason of each.
fn nothing_left(skipped: &[Skip]) -> Vec<Problem> {
    let what = "every repository that is named is left out";
    let hint = "nothing was kept; see the reasons";
    let reason = |skip: &Skip| {
        Problem::new(Code::NoRepositories, format!("{} ({})", skip.text, skip.reason)).at(&skip.repository)
    };
    let first = Problem::new(Code::NoRepositories, what).at("repositories").hint(hint);
    std::iter::once(first).chain(skipped.iter().take(TOLD_MAX).map(reason)).collect()
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
    let lower =
        |globs: &[String]| -> Vec<String> { globs.iter().map(|glob| glob.to_ascii_lowercase()).collect() };
    let excluded = lower(&template.exclude);
    let lists = AllowLists { installation: lower(allowed), template: lower(&template.repositories) };
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
        if let Some(problem) = lists.refused(&repository) {
            problems.push(problem.at(at));
        } else if let Some(glob) = covering(&excluded, &repository) {
            let text = format!("the template `{}` leaves out `{glob}`", template.name);
            let finding = Finding::new(Outcome::Deny, "excluded-by-template", text).by(template.id());
            skipped.extend(Skip::denied(&repository, &Decision { findings: vec![finding] }));
        } else {
            chosen.push(repository);
        }
    }
    if problems.is_empty() { Ok((chosen, skipped)) } else { Err(told(problems)) }
}

/// Nobody's token may work there.
fn no_identity(repository: &Repository, template: &Template) -> Finding {
    let text = format!("no identity may work in {repository} with the template `{}`", template.name);
    Finding::new(Outcome::Deny, "identity-none", text).by("[[identity]]")
}

/// The glob that covers the repository.
fn covering<'a>(globs: &'a [String], repository: &Repository) -> Option<&'a String> {
    globs.iter().find(|glob| matches(glob, repository.full_name()))
}

/// Where may be worked, as globs in lower case.
struct AllowLists {
    installation: Vec<String>,
    template: Vec<String>,
}

impl AllowLists {
    fn refused(&self, repository: &Repository) -> Option<Problem> {
        let (whose, globs, hint) = if covering(&self.installation, repository).is_none() {
            let hint = "ask the operator to add it to [policy] repositories";
            ("this installation", &self.installation, hint)
        } else if covering(&self.template, repository).is_none() {
            ("the template", &self.template, "use another template, or a version that allows it")
        } else {
            return None;
        };
        let globs =
            if globs.is_empty() { "nothing".to_owned() } else { text::shorten(&globs.join(", "), 200) };
        let what = format!("`{repository}` is outside the allow-list of {whose} ({globs})");
        Some(Problem::new(Code::RepositoryNotAllowed, what).hint(hint))
    }
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
    repositories: Vec<Repository>,
    skipped: &mut Vec<Skip>,
) -> Result<Vec<PlannedJob>, Problem> {
    let team = request.team.as_deref().unwrap_or_default();
    let prompts = Prompts::new(template, request, team)?;
    let mut choices: BTreeMap<Class, Choice> = BTreeMap::new();
    let mut bytes: usize = 0;
    let mut jobs = Vec::with_capacity(repositories.len());
    for repository in repositories {
        let case = context.case(&repository, template, &request.requester);
        let choice = chosen(&mut choices, &case, context, request)?;
        let mut decision = decide(&case, choice);
        let routed = identity::route(context.identities, context.identity, &repository, &template.name);
        decision.findings.extend(routed.is_none().then(|| no_identity(&repository, template)));
        let adopts = eligibility::adopted(&case).cloned();
        if let Some(skip) = Skip::denied(&repository, &decision) {
            skipped.push(skip);
            continue;
        }
        let Some(Rendered { prompt, pull_text }) = rendered(&prompts, &case, &mut decision)? else {
            skipped.extend(Skip::denied(&repository, &decision));
            continue;
        };
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
            identity: routed.map_or(context.identity, |identity| &identity.name).to_owned(),
            model: choice.model.as_deref().unwrap_or(UNROUTED).to_owned(),
            request: context.request_id.to_string(),
            requester: request.requester.clone(),
            pool: template.reviewers.clone(),
            estimate: template.estimate,
        };
        let prompt_digest = sha256(prompt.as_bytes());
        let demands = context.rules.demands(&subject);
        let (model, model_by) = (choice.model.clone(), choice.by.clone());
        jobs.push(PlannedJob {
            repository,
            prompt,
            prompt_digest,
            pull_text,
            model,
            model_by,
            subject,
            demands,
            decision,
            adopts,
            wave: 0,
        });
    }
    Ok(jobs)
}

/// The model of a class of repositories, chosen once.
fn chosen<'c>(
    choices: &'c mut BTreeMap<Class, Choice>,
    case: &Case<'_>,
    context: &PlanContext<'_>,
    request: &Request,
) -> Result<&'c Choice, Problem> {
    Ok(match choices.entry(case.rule.map(|rule| rule.class).unwrap_or_default()) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(free) => {
            let choice = context.models.choose(case.template, *free.key(), request)?;
            free.insert(choice)
        }
    })
}

/// None: the repository lacks something that the texts print. That is its own matter, and noted.
fn rendered(
    prompts: &Prompts<'_>,
    case: &Case<'_>,
    decision: &mut Decision,
) -> Result<Option<Rendered>, Problem> {
    let around = Surroundings::of(case.template, case.rule, case.facts);
    match prompts.render(case.repository, &around) {
        Err(problem) if problem.code == Code::UndefinedVariable && case.template.tells_of_repository() => {
            decision.add(Finding::new(Outcome::Deny, "context-missing", problem.what));
            Ok(None)
        }
        prompt => prompt.map(Some),
    }
}

/// Everything that policy has to say of one job.
fn decide(case: &Case<'_>, choice: &Choice) -> Decision {
    let mut decision = Decision { findings: eligibility::judge(case) };
    if let Some(why) = &case.template.deprecated {
        let id = case.template.id();
        let text = format!("the template {id} is deprecated: {why}");
        decision.add(Finding::new(Outcome::Allow, "template-deprecated", text).by(id));
    }
    decision.extend(choice.findings.iter().cloned());
    decision
}
