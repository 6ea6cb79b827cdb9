//! `sluice submit`: a request from a file or from flags; `--dry-run` only plans, `--wait` stays until every job has ended.

pub mod input;
mod order;
mod wait;

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use crate::{
    cli::{
        Session,
        client::Body,
        exit::{CliError, Exit},
        plan,
        screen::{Screen, Tone},
        submit::input::Input,
        words,
    },
    pipeline::{plan_view::PlanView, view::Accepted},
};

#[derive(Args, Clone, Debug)]
pub struct SubmitArgs {
    #[command(flatten)]
    asked: Asked,
    /// Show what would be done; nothing is kept
    #[arg(long)]
    dry_run: bool,
    /// Stay until every job has ended; exit code 7 if one ended badly
    #[arg(long, conflicts_with = "dry_run")]
    wait: bool,
}

/// A request, from a file or from flags.
#[derive(Args, Clone, Debug)]
#[command(group = ArgGroup::new("what").required(true).args(["file", "template"]))]
pub struct Asked {
    /// Request as TOML or JSON; `-` reads standard input
    file: Option<PathBuf>,
    /// Template, as name or name@version
    #[arg(long, value_name = "NAME[@VERSION]", requires = "requester")]
    template: Option<String>,
    #[command(flatten)]
    fields: Fields,
}

impl Asked {
    /// Where the request is, read if it is in a file.
    pub fn input(&self) -> Result<Option<Input>, CliError> {
        self.file.as_deref().map(input::read).transpose()
    }

    pub fn body<'a>(&self, input: Option<&'a Input>) -> Result<Body<'a>, CliError> {
        match input {
            Some(input) => Ok(input.body()),
            None => order::from_flags(self.template.as_deref().unwrap_or_default(), &self.fields),
        }
    }
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
    let input = args.asked.input()?;
    let body = args.asked.body(input.as_ref())?;
    if args.dry_run {
        let answer = session.client.post(&["v1", "plans"], body).await?;
        if session.screen.json {
            session.screen.answer(&answer)?;
            return Ok(Exit::Ok);
        }
        let plan: PlanView = answer.read()?;
        let screen = &mut session.screen;
        plan::show(&plan, screen)?;
        if let Some(first) = plan.jobs.first() {
            plan::show_prompt(first, screen)?;
        }
        let paint = screen.paint;
        screen.line(paint.with(Tone::Faint, "nothing was kept: leave --dry-run out to hand it in"))?;
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

pub fn tell(accepted: &Accepted, waits: bool, screen: &mut Screen) -> Result<(), CliError> {
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
