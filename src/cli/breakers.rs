//! `sluice breaker list|reset`: what stops a template or a request after too many like failures, and lifting it by hand.

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::json;

use crate::{
    cli::{
        Session,
        act::By,
        client::{Answer, Body},
        exit::{CliError, Exit},
        screen::Tone,
        table::{Cell, Table},
        words,
    },
    pipeline::view::BreakerView,
    policy::breaker::State,
};

#[derive(Subcommand, Debug)]
pub enum BreakerCommand {
    /// List the breakers, those that stop something first
    List(ListArgs),
    /// Forget what a breaker has counted, and let everything through again
    Reset(ResetArgs),
}

#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    /// Show how the state of each one changed as well
    #[arg(long)]
    history: bool,
}

#[derive(Args, Clone, Debug)]
pub struct ResetArgs {
    /// Id of the breaker, as `sluice breaker list` shows it
    id: String,
    #[command(flatten)]
    by: By,
}

#[derive(Deserialize)]
struct Listed {
    breakers: Vec<BreakerView>,
}

pub async fn run(command: &BreakerCommand, session: &mut Session) -> Result<Exit, CliError> {
    match command {
        BreakerCommand::List(args) => {
            let answer = session.client.get(&["v1", "breakers"], &[]).await?;
            list(&answer, args.history, session)
        }
        BreakerCommand::Reset(args) => {
            let body = json!({ "id": args.id, "actor": args.by.actor, "reason": args.by.reason });
            let answer = session.client.post(&["v1", "breakers", "reset"], Body::json(&body)?).await?;
            list(&answer, false, session)
        }
    }
}

const fn word(state: State) -> &'static str {
    match state {
        State::Closed => "closed",
        State::Open => "open",
        State::HalfOpen => "half open",
    }
}

fn list(answer: &Answer, history: bool, session: &mut Session) -> Result<Exit, CliError> {
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(answer)?;
        return Ok(Exit::Ok);
    }
    let listed: Listed = answer.read()?;
    if listed.breakers.is_empty() {
        screen.line("no breaker has counted anything: see [breaker] in the configuration")?;
        return Ok(Exit::Ok);
    }
    let mut table =
        Table::new(&["breaker", "state", "stops", "template", "model", "since", "what follows", "why"]);
    for view in &listed.breakers {
        let tone = if view.state == State::Closed { Tone::Good } else { Tone::Attention };
        let follows = match (view.state, view.tries_at, view.canary) {
            (State::Open, Some(at), _) => {
                format!("one job is tried {}", words::moment_and_age(at, answer.at))
            }
            (State::HalfOpen, _, Some(job)) => format!("job {} is tried", job.short()),
            _ => String::new(),
        };
        table.row([
            Cell::toned(&view.id, Tone::Strong),
            Cell::toned(word(view.state), tone),
            Cell::new(view.gate.as_str()),
            Cell::new(&view.template),
            Cell::new(&view.model),
            Cell::new(words::moment_and_age(view.since, answer.at)),
            Cell::new(follows),
            Cell::new(view.reason.as_deref().unwrap_or_default()),
        ]);
    }
    let paint = screen.paint;
    screen.lines(table.lines(paint))?;
    for view in listed.breakers.iter().filter(|_| history) {
        screen.line(format!("{}:", view.id))?;
        for turn in &view.history {
            let when = words::moment_and_age(turn.at, answer.at);
            let (to, by) = (word(turn.to), words::clean(&turn.actor));
            screen.line(format!("  {when}  {to} by {by}: {}", words::clean(&turn.reason)))?;
        }
    }
    Ok(Exit::Ok)
}
