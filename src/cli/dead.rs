//! `sluice dead list|show|retry|discard`: what was given up, with its reason and an advice. Nothing is ever removed; a retry is
//! a new job that names the dead one.

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    cli::{
        Session,
        act::By,
        client::Body,
        exit::{CliError, Exit},
        screen::Tone,
        show,
        table::{Cell, Table},
        words,
    },
    pipeline::view::{JobView, Replayed},
};

#[derive(Clone, Debug, Subcommand)]
pub enum DeadCommand {
    /// List dead letters
    List(ListArgs),
    /// Tell everything about one
    Show(show::ShowArgs),
    /// Try again, as a new job
    Retry(LetterArgs),
    /// Mark as done with; it stays on the record
    Discard(LetterArgs),
}

#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    /// Also those that were discarded
    #[arg(long)]
    all: bool,
}

#[derive(Args, Clone, Debug)]
pub struct LetterArgs {
    /// Id of the dead job, or the end of it (four characters or more)
    job: String,
    #[command(flatten)]
    by: By,
}

#[derive(Debug, Deserialize)]
struct Listed {
    jobs: Vec<JobView>,
}

pub async fn run(command: &DeadCommand, session: &mut Session) -> Result<Exit, CliError> {
    match command {
        DeadCommand::List(args) => list(args, session).await,
        DeadCommand::Show(args) => show::run(args, session).await,
        DeadCommand::Retry(args) => retry(args, session).await,
        DeadCommand::Discard(args) => discard(args, session).await,
    }
}

async fn list(args: &ListArgs, session: &mut Session) -> Result<Exit, CliError> {
    let all = ("all", args.all.then(|| "true".to_owned()));
    let answer = session.client.get(&["v1", "dead"], &[all]).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let listed: Listed = answer.read()?;
    if listed.jobs.is_empty() {
        screen.line("no dead letters")?;
        return Ok(Exit::Ok);
    }
    let paint = screen.paint;
    for job in &listed.jobs {
        let mark = if job.discarded { " (discarded)" } else { "" };
        let died =
            answer.at.map_or_else(|| words::moment(job.state_since), |now| words::age(job.state_since, now));
        let mut head = Table::default();
        head.row([
            Cell::toned(job.id.short(), Tone::Strong),
            Cell::new(job.repository.full_name()),
            Cell::new(&job.template),
            Cell::new(format!("{}, {died}{mark}", words::count(job.attempts, "attempt"))),
        ]);
        screen.lines(head.lines(paint).into_iter().skip(1))?;
        let (why, advice) = reason(job);
        screen.line(format!("  {}", paint.with(Tone::Bad, &why)))?;
        if let Some(advice) = advice {
            screen.line(format!("  {}", paint.with(Tone::Faint, &advice)))?;
        }
    }
    Ok(Exit::Ok)
}

/// Why a job ended as it did, and what to do about it.
pub fn reason(job: &JobView) -> (String, Option<String>) {
    let outcome = job.outcome.as_ref();
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(words::clean);
    let failure = outcome.and_then(|outcome| outcome.get("failure")).filter(|failure| failure.is_object());
    let advice = text(outcome.and_then(|outcome| outcome.get("advice")));
    let event =
        || text(outcome.and_then(|outcome| outcome.get("event"))).unwrap_or_else(|| job.state.to_string());
    match failure {
        Some(failure) => {
            let message = text(failure.get("message")).unwrap_or_default();
            let class = text(failure.get("class")).unwrap_or_default();
            (format!("{class}: {message}"), advice)
        }
        None => (advice.unwrap_or_else(event), None),
    }
}

async fn retry(args: &LetterArgs, session: &mut Session) -> Result<Exit, CliError> {
    let answer = session.client.post(&["v1", "dead", &args.job, "retry"], Body::json(&args.by)?).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let replayed: Replayed = answer.read()?;
    let before = if replayed.already { "was retried before, as" } else { "is retried as" };
    screen.line(format!("dead letter {} {before} job {}", replayed.dead, replayed.job))?;
    Ok(Exit::Ok)
}

async fn discard(args: &LetterArgs, session: &mut Session) -> Result<Exit, CliError> {
    let answer = session.client.post(&["v1", "dead", &args.job, "discard"], Body::json(&args.by)?).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
    } else {
        screen.line(format!("dead letter {} is done with; it stays on the record", args.job))?;
    }
    Ok(Exit::Ok)
}
