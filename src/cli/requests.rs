//! `sluice requests`: what was handed in, newest first.

use clap::Args;

use crate::{
    cli::{
        Session,
        exit::{CliError, Exit},
        screen::Tone,
        table::{Cell, Table},
        words,
    },
    client::RequestPage,
    job::id::RequestId,
    pipeline::view::RequestView,
};

#[derive(Args, Clone, Debug)]
pub struct RequestsArgs {
    /// List so many at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: u32,
    /// Only requests before this one, which is the `next` of an earlier list
    #[arg(long, value_name = "ID")]
    after: Option<RequestId>,
}

pub async fn run(args: &RequestsArgs, session: &mut Session) -> Result<Exit, CliError> {
    let query = [("after", args.after.map(|id| id.to_string())), ("limit", Some(args.limit.to_string()))];
    let answer = session.client.get(&["v1", "requests"], &query).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let listed: RequestPage = answer.read()?;
    if listed.requests.is_empty() {
        screen.line("no requests yet: `sluice submit --help` says how to hand one in")?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["request", "template", "asked by", "accepted", "jobs", "states"]);
    for view in &listed.requests {
        let request = &view.request;
        let accepted = answer
            .at
            .map_or_else(|| words::moment(request.created_at), |now| words::age(request.created_at, now));
        table.row([
            Cell::toned(request.id.to_string(), Tone::Strong),
            Cell::new(format!("{}@{}", request.template, request.template_version)),
            Cell::new(&request.requester),
            Cell::new(accepted),
            Cell::new(request.jobs.to_string()),
            Cell::toned(states(view), if view.ended { Tone::Faint } else { Tone::Plain }),
        ]);
    }
    let paint = screen.paint;
    screen.lines(table.lines(paint))?;
    if let Some(next) = listed.next {
        screen.line(format!("there are more: add --after {next}, or a larger --limit"))?;
    }
    Ok(Exit::Ok)
}

/// `3 running, 9 queued`.
pub fn states(view: &RequestView) -> String {
    let counts: Vec<String> =
        view.states.iter().map(|count| format!("{} {}", count.jobs, count.state)).collect();
    counts.join(", ")
}
