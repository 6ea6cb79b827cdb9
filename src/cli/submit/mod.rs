//! `sluice submit`: a request from a file or from flags; `--dry-run` only plans, `--wait` stays until every job has ended.

mod input;
mod order;
mod wait;

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use crate::{
    cli::{
        Session,
        exit::{CliError, Exit},
        screen::{Screen, Tone},
        table::{Cell, Table},
        words,
    },
    pipeline::view::{Accepted, PlanView},
};

#[derive(Args, Clone, Debug)]
#[command(group = ArgGroup::new("what").required(true).args(["file", "template"]))]
pub struct SubmitArgs {
    /// Request as TOML or JSON; `-` reads standard input
    file: Option<PathBuf>,
    /// Template, as name or name@version
    #[arg(long, value_name = "NAME[@VERSION]", requires = "requester")]
    template: Option<String>,
    #[command(flatten)]
    fields: Fields,
    /// Show what would be done; nothing is kept
    #[arg(long)]
    dry_run: bool,
    /// Stay until every job has ended; exit code 7 if one ended badly
    #[arg(long, conflicts_with = "dry_run")]
    wait: bool,
}

/// A request written as flags.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "With --template")]
pub struct Fields {
    /// Repository; may be given more than once
    #[arg(long = "repository", short, value_name = "OWNER/NAME", conflicts_with = "file")]
    repositories: Vec<String>,
    /// File with one repository per line; `#` begins a comment, `-` reads standard input
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    repositories_file: Option<PathBuf>,
    /// Input of the template: key=text, or key:=JSON for numbers, truth values and lists
    #[arg(long = "input", short, value_name = "KEY=VALUE", conflicts_with = "file")]
    inputs: Vec<String>,
    /// GitHub login of the person who asks; never chosen as the reviewer
    #[arg(long, value_name = "LOGIN", conflicts_with = "file")]
    requester: Option<String>,
    /// Team [default: the template's]
    #[arg(long, conflicts_with = "file")]
    team: Option<String>,
    /// Why; for the record and the prompt
    #[arg(long, value_name = "TEXT", conflicts_with = "file")]
    reason: Option<String>,
    /// Band from 0 (first) to 9 (last) [default: the template's]
    #[arg(long, value_name = "0-9", conflicts_with = "file")]
    priority: Option<u8>,
    /// The same key with the same request is the same request: safe to repeat
    #[arg(long, value_name = "KEY", conflicts_with = "file")]
    idempotency_key: Option<String>,
    /// Give up jobs that have not started after so long [default: the template's]
    #[arg(long, value_name = "N", conflicts_with = "file")]
    deadline_minutes: Option<u32>,
    /// Nothing starts before an approval
    #[arg(long, conflicts_with = "file")]
    hold: bool,
    /// Another model than the routes give; it needs an approval
    #[arg(long, value_name = "NAME", conflicts_with = "file", requires = "model_reason")]
    model: Option<String>,
    /// Why that model
    #[arg(long, value_name = "TEXT", conflicts_with = "file")]
    model_reason: Option<String>,
}

pub async fn run(args: &SubmitArgs, session: &mut Session) -> Result<Exit, CliError> {
    let input = args.file.as_deref().map(input::read).transpose()?;
    let body = match &input {
        Some(input) => input.body(),
        None => order::from_flags(args.template.as_deref().unwrap_or_default(), &args.fields)?,
    };
    if args.dry_run {
        let answer = session.client.post(&["v1", "plans"], body).await?;
        if session.screen.json {
            session.screen.answer(&answer)?;
        } else {
            show_plan(&answer.read()?, &mut session.screen)?;
        }
        return Ok(Exit::Ok);
    }
    let answer = session.client.post(&["v1", "requests"], body).await?;
    let accepted: Accepted = answer.read()?;
    if session.screen.json && !args.wait {
        session.screen.answer(&answer)?;
    } else if !session.screen.json {
        tell(&accepted, args.wait, &mut session.screen)?;
    }
    if args.wait { wait::until_ended(&accepted, session).await } else { Ok(Exit::Ok) }
}

fn tell(accepted: &Accepted, waits: bool, screen: &mut Screen) -> Result<(), CliError> {
    let before =
        if accepted.replayed { "was accepted before, under this idempotency key" } else { "is accepted" };
    let jobs = words::count(accepted.jobs, "job");
    let paint = screen.paint;
    let id = paint.with(Tone::Strong, &accepted.request.to_string());
    screen.line(format!("request {id} {before}: {jobs} of {}", words::clean(&accepted.template)))?;
    if !waits {
        screen.line(format!("follow it with: sluice jobs --request {} --watch", accepted.request.short()))?;
    }
    screen.flush()
}

/// Repositories of a plan that are shown one by one.
const SHOWN_MAX: usize = 50;

fn show_plan(plan: &PlanView, screen: &mut Screen) -> Result<(), CliError> {
    let paint = screen.paint;
    screen.line(format!(
        "{} would become {} of {}, team {}, priority {}; plan {}",
        paint.with(Tone::Strong, "this request"),
        words::count(plan.jobs.len(), "job"),
        words::clean(&plan.template),
        words::clean(&plan.team),
        plan.priority,
        words::shorten(&plan.digest, 13),
    ))?;
    let mut table = Table::new(&["repository", "model", "budgets"]);
    for job in plan.jobs.iter().take(SHOWN_MAX) {
        let budgets: Vec<&str> = job.budgets.iter().map(crate::budget::Key::as_str).collect();
        table.row([
            Cell::new(job.repository.full_name()),
            Cell::new(job.model.as_deref().unwrap_or("not routed")),
            Cell::toned(budgets.join(" "), Tone::Faint),
        ]);
    }
    screen.lines(table.lines(paint))?;
    if plan.jobs.len() > SHOWN_MAX {
        screen.line(format!("and {} more", plan.jobs.len() - SHOWN_MAX))?;
    }
    for skip in &plan.skipped {
        let text = |name: &str| skip.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
        screen.line(format!(
            "skipped: {}: {}",
            words::clean(text("repository")),
            words::clean(text("text"))
        ))?;
    }
    if let Some(first) = plan.jobs.first() {
        screen.line("")?;
        screen.line(paint.with(Tone::Faint, &format!("the prompt for {}:", first.repository)))?;
        screen.line(words::clean_lines(&first.prompt))?;
    }
    screen.line(paint.with(Tone::Faint, "nothing was kept: leave --dry-run out to hand it in"))
}
