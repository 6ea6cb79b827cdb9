//! `sluice schedule list|next|run|pause|resume`: requests that come by the clock.

use clap::{Args, Subcommand};
use serde::Deserialize;

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
    pipeline::{
        schedule_acts::{NextView, ScheduleView},
        view::Accepted,
    },
};

#[derive(Subcommand, Debug)]
pub enum ScheduleCommand {
    /// List the schedules, when each comes next, and what became of its last time
    List(ListArgs),
    /// Tell when a schedule comes next
    Next(NextArgs),
    /// Hand in the request of a schedule now, whatever the time is
    Run(ActArgs),
    /// Let a schedule come no more until it is resumed
    Pause(ActArgs),
    /// Let a schedule come again from now on; what has passed meanwhile is not made good
    Resume(ActArgs),
}

#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    /// Show the latest times of each one as well
    #[arg(long)]
    history: bool,
}

#[derive(Args, Clone, Debug)]
pub struct NextArgs {
    /// Its name
    name: String,
    /// How many times
    #[arg(long, value_name = "N", default_value_t = 5)]
    count: u32,
}

#[derive(Args, Clone, Debug)]
pub struct ActArgs {
    /// Its name
    name: String,
    #[command(flatten)]
    by: By,
}

#[derive(Deserialize)]
struct Listed {
    schedules: Vec<ScheduleView>,
}

#[derive(Deserialize)]
struct Times {
    times: Vec<NextView>,
}

pub async fn run(command: &ScheduleCommand, session: &mut Session) -> Result<Exit, CliError> {
    match command {
        ScheduleCommand::List(args) => {
            let answer = session.client.get(&["v1", "schedules"], &[]).await?;
            list(&answer, args.history, session)
        }
        ScheduleCommand::Next(args) => next(args, session).await,
        ScheduleCommand::Run(args) => {
            let answer = act("run", args, session).await?;
            if session.screen.json {
                session.screen.answer(&answer)?;
            } else {
                let accepted: Accepted = answer.read()?;
                let jobs = words::count(u64::try_from(accepted.jobs).unwrap_or(0), "job");
                session.screen.line(format!("request {}: {jobs}", accepted.request))?;
            }
            Ok(Exit::Ok)
        }
        ScheduleCommand::Pause(args) => done(&act("pause", args, session).await?, session),
        ScheduleCommand::Resume(args) => done(&act("resume", args, session).await?, session),
    }
}

async fn act(word: &str, args: &ActArgs, session: &Session) -> Result<Answer, CliError> {
    Ok(session.client.post(&["v1", "schedules", &args.name, word], Body::json(&args.by)?).await?)
}

fn done(answer: &Answer, session: &mut Session) -> Result<Exit, CliError> {
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(answer)?;
        return Ok(Exit::Ok);
    }
    let view: ScheduleView = answer.read()?;
    screen.line(format!("schedule {}: {}", words::clean(&view.name), stands(&view, answer)))?;
    Ok(Exit::Ok)
}

fn stands(view: &ScheduleView, answer: &Answer) -> String {
    match (&view.paused, &view.next) {
        (Some(paused), _) => format!(
            "paused by {} {}: {}",
            words::clean(&paused.by),
            words::moment_and_age(paused.at, answer.at),
            words::clean(&paused.reason)
        ),
        _ if !view.enabled => "switched off in the configuration".to_owned(),
        (None, Some(next)) => format!("comes {}", words::moment_and_age(next.due_at, answer.at)),
        (None, None) => "about to begin".to_owned(),
    }
}

async fn next(args: &NextArgs, session: &mut Session) -> Result<Exit, CliError> {
    let query = [("count", Some(args.count.to_string()))];
    let answer = session.client.get(&["v1", "schedules", &args.name, "next"], &query).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let Times { times } = answer.read()?;
    let mut table = Table::new(&["local", "nominal", "handed in"]);
    for next in &times {
        table.row([
            Cell::toned(&next.local, Tone::Strong),
            Cell::new(words::moment(next.nominal)),
            Cell::new(words::moment_and_age(next.due_at, answer.at)),
        ]);
    }
    let paint = screen.paint;
    screen.lines(table.lines(paint))?;
    Ok(Exit::Ok)
}

fn list(answer: &Answer, history: bool, session: &mut Session) -> Result<Exit, CliError> {
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(answer)?;
        return Ok(Exit::Ok);
    }
    let Listed { schedules } = answer.read()?;
    if schedules.is_empty() {
        screen.line("there are no schedules: see [[schedule]] in the configuration")?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["schedule", "cron", "zone", "template", "owner", "stands", "last time"]);
    for view in &schedules {
        let tone = if view.next.is_some() { Tone::Good } else { Tone::Attention };
        let last = view.history.last().map(|turn| {
            let more = match (&turn.why, &turn.request) {
                (Some(why), _) => format!(": {}", words::shorten(why, 60)),
                (None, Some(request)) => format!(": request {request}"),
                (None, None) => String::new(),
            };
            format!("{} {}{more}", words::moment(turn.nominal), turn.became)
        });
        table.row([
            Cell::toned(&view.name, Tone::Strong),
            Cell::new(&view.cron),
            Cell::new(&view.zone),
            Cell::new(&view.template),
            Cell::new(&view.owner),
            Cell::toned(stands(view, answer), tone),
            Cell::new(last.unwrap_or_default()),
        ]);
    }
    let paint = screen.paint;
    screen.lines(table.lines(paint))?;
    for view in schedules.iter().filter(|_| history) {
        screen.line(format!("{}:", words::clean(&view.name)))?;
        for turn in &view.history {
            let request = turn.request.map(|request| format!(" request {request}")).unwrap_or_default();
            let why = turn.why.as_ref().map(|why| format!(": {}", words::clean(why))).unwrap_or_default();
            screen.line(format!("  {}  {}{request}{why}", words::moment(turn.nominal), turn.became))?;
        }
    }
    Ok(Exit::Ok)
}
