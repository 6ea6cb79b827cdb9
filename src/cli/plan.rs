//! `sluice plan` and `sluice apply`: what a request would become, kept in a file, and handed in if it still holds.

use std::{fs, path::PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::{
    budget::Amount,
    cli::{
        Session,
        client::{Answer, Body},
        exit::{CliError, Exit},
        screen::{Screen, Tone},
        submit::{Asked, input, tell},
        table::{Cell, Table},
        words,
    },
    pipeline::{
        plan_view::{Applicable, MetBudget, PlanView, PlannedView},
        view::Accepted,
    },
    policy::{
        Outcome,
        estimate::{Estimate, Range},
    },
};

/// Names the layout of a plan file.
const FORMAT: &str = "sluicegate-plan/1";
/// Repositories, and skipped ones, that are shown one by one.
const SHOWN_MAX: usize = 50;

#[derive(Args, Clone, Debug)]
pub struct PlanArgs {
    #[command(flatten)]
    asked: Asked,
    /// Show the rendered prompt for this repository
    #[arg(long, value_name = "OWNER/NAME")]
    prompt: Option<String>,
    /// Keep the plan in this file, for `sluice apply`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
pub struct ApplyArgs {
    /// File that `sluice plan --out` has written
    plan: PathBuf,
}

/// What is written to the file.
#[derive(Debug, Serialize, Deserialize)]
struct PlanFile {
    format: String,
    #[serde(flatten)]
    applicable: Applicable,
}

pub async fn run(args: &PlanArgs, session: &mut Session) -> Result<Exit, CliError> {
    let input = args.asked.input()?;
    let body = args.asked.body(input.as_ref())?;
    let query = [
        ("prompt", Some(args.prompt.clone().unwrap_or_default())),
        ("applicable", args.out.as_ref().map(|_| "true".to_owned())),
    ];
    let answer = session.client.post_with(&["v1", "plans"], &query, body).await?;
    let mut plan: PlanView = answer.read()?;
    if let (Some(path), Some(applicable)) = (&args.out, plan.applicable.take()) {
        write(path, keyed(applicable, &answer))?;
    }
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    show(&plan, screen)?;
    if args.prompt.is_some()
        && let Some(job) = plan.jobs.iter().find(|job| job.prompt.is_some())
    {
        show_prompt(job, screen)?;
    }
    let after = match &args.out {
        Some(path) => {
            format!("nothing was started: `sluice apply {}` hands it in if it still holds", path.display())
        }
        None => "nothing was started or kept: `--out FILE` keeps it for `sluice apply`".to_owned(),
    };
    let paint = screen.paint;
    screen.line(paint.with(Tone::Faint, &after))?;
    Ok(Exit::Ok)
}

/// With an idempotency key, so that a plan that is applied twice becomes one request.
fn keyed(mut applicable: Applicable, answer: &Answer) -> Applicable {
    let at = answer.at.map(|at| at.0).unwrap_or_default();
    let digest: String = applicable.digest.chars().take(32).collect();
    applicable.request.idempotency_key.get_or_insert_with(|| format!("plan-{digest}-{at}"));
    applicable
}

fn write(path: &PathBuf, applicable: Applicable) -> Result<(), CliError> {
    let file = PlanFile { format: FORMAT.to_owned(), applicable };
    let text = serde_json::to_string_pretty(&file).map_err(|error| {
        CliError::new(Exit::Failure, format!("the plan cannot be written as JSON: {error}"))
    })?;
    fs::write(path, text + "\n").map_err(|error| {
        CliError::new(Exit::Failure, format!("{} cannot be written: {error}", path.display()))
            .hint("check the path and who may write it")
    })
}

pub async fn apply(args: &ApplyArgs, session: &mut Session) -> Result<Exit, CliError> {
    let read = input::read(&args.plan)?;
    let name = args.plan.display();
    let wrong = |what: String| {
        CliError::new(Exit::Refused, format!("{name}: {what}"))
            .hint("write it with `sluice plan REQUEST --out FILE`, and leave it as it is")
    };
    let file: PlanFile =
        serde_json::from_slice(&read.bytes).map_err(|error| wrong(format!("this is not a plan: {error}")))?;
    if file.format != FORMAT {
        return Err(wrong(format!(
            "its format is `{}`, and not `{FORMAT}`",
            words::shorten(&file.format, 60)
        )));
    }
    let body = Body::json(&file.applicable)?;
    let answer = session.client.post(&["v1", "plans", "apply"], body).await?;
    if session.screen.json {
        session.screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let accepted: Accepted = answer.read()?;
    tell(&accepted, false, &mut session.screen)?;
    Ok(Exit::Ok)
}

/// The plan for people.
pub fn show(plan: &PlanView, screen: &mut Screen) -> Result<(), CliError> {
    let paint = screen.paint;
    let held = plan.jobs.iter().filter(|job| job.outcome > Outcome::Allow).count();
    screen.line(format!(
        "{} would become {} of {} (risk {}), team {}, priority {}: {} admitted, {} held for approval, {} skipped",
        paint.with(Tone::Strong, "this request"),
        words::count(plan.jobs.len(), "job"),
        words::clean(&plan.template),
        plan.risk.as_str(),
        words::clean(&plan.team),
        plan.priority,
        plan.jobs.len() - held,
        held,
        plan.skipped.len(),
    ))?;
    screen.line(format!("  plan          {}", plan.digest))?;
    pull_request(plan, screen)?;
    jobs(plan, screen)?;
    for skip in plan.skipped.iter().take(SHOWN_MAX) {
        let line = format!("skipped  {}: {} ({})", skip.repository, skip.text, skip.reason);
        screen.line(paint.with(Tone::Faint, &words::clean(&line)))?;
    }
    if plan.skipped.len() > SHOWN_MAX {
        screen.line(format!("and {} more skipped", plan.skipped.len() - SHOWN_MAX))?;
    }
    for gate in &plan.closed {
        let why = gate.closure.as_ref().map(|closure| format!(": {}", closure.reason)).unwrap_or_default();
        screen.line(paint.with(Tone::Bad, &words::clean(&format!("closed   {}{why}", gate.key))))?;
    }
    budgets(&plan.budgets, screen)?;
    estimate(&plan.estimate, screen)
}

fn pull_request(plan: &PlanView, screen: &mut Screen) -> Result<(), CliError> {
    let policy = &plan.pull_request;
    let mut parts = vec![if policy.wanted { "wanted" } else { "none: a branch only" }.to_owned()];
    parts.extend(policy.base_ref.as_ref().map(|name| format!("onto {name}")));
    parts.extend(policy.reviewers.as_ref().map(|pool| format!("reviewed by {pool}")));
    if !policy.labels.is_empty() {
        parts.push(format!("labelled {}", policy.labels.join(" ")));
    }
    if !policy.required_checks.is_empty() {
        parts.push(format!("once green: {}", policy.required_checks.join(" ")));
    }
    screen.line(words::clean(&format!("  pull request  {}", parts.join(", "))))
}

fn jobs(plan: &PlanView, screen: &mut Screen) -> Result<(), CliError> {
    let mut table = Table::new(&["repository", "", "model", "by", "identity", "reasons"]);
    for job in plan.jobs.iter().take(SHOWN_MAX) {
        let (word, tone) = match job.outcome {
            Outcome::Allow => ("admitted", Tone::Good),
            Outcome::NeedsApproval => ("held", Tone::Strong),
            Outcome::Deny => ("denied", Tone::Bad),
        };
        let word = if job.wave == 0 { word.to_owned() } else { format!("{word}, wave {}", job.wave) };
        let reasons: Vec<String> =
            job.findings.iter().map(|finding| format!("{} ({})", finding.text, finding.reason)).collect();
        table.row([
            Cell::new(job.repository.full_name()),
            Cell::toned(word, tone),
            Cell::new(job.model.as_deref().unwrap_or("not routed")),
            Cell::new(&job.model_by),
            Cell::new(&job.identity),
            Cell::toned(reasons.join("; "), Tone::Faint),
        ]);
    }
    let paint = screen.paint;
    screen.lines(table.lines(paint))?;
    if plan.jobs.len() > SHOWN_MAX {
        screen.line(format!("and {} more", plan.jobs.len() - SHOWN_MAX))?;
    }
    Ok(())
}

fn budgets(met: &[MetBudget], screen: &mut Screen) -> Result<(), CliError> {
    if met.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["budget", "asked", "used", "limit", ""]);
    for one in met {
        let shown = |amount: Amount| {
            if one.budget.nano_credits { words::credits(amount.get()) } else { amount.to_string() }
        };
        let over = one
            .budget
            .limit
            .is_some_and(|limit| one.budget.used.plus(one.asked).is_none_or(|sum| sum > limit));
        let word = match (&one.budget.closed, over) {
            (Some(_), _) => "closed",
            (None, true) => "jobs will wait here",
            (None, false) => "",
        };
        table.row([
            Cell::new(one.budget.key.as_str()),
            Cell::new(shown(one.asked)),
            Cell::new(shown(one.budget.used)),
            Cell::new(one.budget.limit.map_or_else(|| "none".to_owned(), shown)),
            Cell::toned(word, Tone::Faint),
        ]);
    }
    let paint = screen.paint;
    screen.lines(table.lines(paint))
}

fn estimate(estimate: &Estimate, screen: &mut Screen) -> Result<(), CliError> {
    let between =
        |range: Range, show: &dyn Fn(u64) -> String| format!("{} to {}", show(range.low), show(range.high));
    let credits = estimate.nano_credits.map(|range| between(range, &words::credits));
    let hours = |ms: u64| {
        let tenths = ms / 360_000;
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    let review = estimate.review_ms.map(|range| between(range, &hours));
    let finish =
        estimate.finish.map(|(low, high)| format!("{} to {}", words::moment(low), words::moment(high)));
    let none = || "no history".to_owned();
    screen.line(format!("  credits       {}", credits.unwrap_or_else(none)))?;
    screen.line(format!("  review hours  {}", review.unwrap_or_else(none)))?;
    let finish = match (finish, estimate.rounds) {
        (Some(finish), _) => finish,
        (None, None) => "never, as the limits are now".to_owned(),
        (None, Some(_)) => none(),
    };
    screen.line(format!("  finished      {finish}"))?;
    if estimate.without_history > 0 {
        screen.line(format!(
            "  {} of {} are of a kind of which fewer than five have run, and are not counted",
            estimate.without_history,
            words::count(estimate.jobs, "job")
        ))?;
    }
    Ok(())
}

pub fn show_prompt(job: &PlannedView, screen: &mut Screen) -> Result<(), CliError> {
    let paint = screen.paint;
    screen.line("")?;
    screen.line(paint.with(Tone::Faint, &format!("the prompt for {}:", job.repository)))?;
    screen.line(words::clean_lines(job.prompt.as_deref().unwrap_or_default()))
}
