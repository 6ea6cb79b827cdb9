//! `sluice jobs`: one line per job with its state and what it waits for; `--watch` keeps it true.

use clap::Args;

use crate::{
    cli::{
        Session,
        client::{Answer, Client},
        dead,
        exit::{CliError, Exit},
        follow::{Board, Changes},
        kill_switch,
        screen::{Screen, Tone},
        table::{Cell, Table},
        words,
    },
    client::JobQuery,
    job::{repository::Repository, state::State},
    pipeline::view::JobView,
};

#[derive(Args, Clone, Debug)]
pub struct JobsArgs {
    /// Only jobs of this request
    #[arg(long, value_name = "ID")]
    request: Option<String>,
    /// Only jobs in this state, such as queued or waiting_for_user
    #[arg(long, value_name = "STATE")]
    state: Option<State>,
    /// Only jobs in this repository
    #[arg(long, value_name = "OWNER/NAME")]
    repository: Option<Repository>,
    /// Only jobs of requests with this template
    #[arg(long, value_name = "NAME")]
    template: Option<String>,
    /// Only jobs of this team's requests
    #[arg(long, value_name = "NAME")]
    team: Option<String>,
    /// Only jobs after this position, which is the `next` of an earlier list
    #[arg(long, value_name = "POSITION")]
    after: Option<i64>,
    /// List so many at most
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Show what changes as it changes, until interrupted
    #[arg(long)]
    watch: bool,
}

pub type Page = crate::client::JobPage;

pub async fn run(args: &JobsArgs, session: &mut Session) -> Result<Exit, CliError> {
    if args.watch {
        return watch(args, session).await;
    }
    let answer = fetch(args, &session.client).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let page: Page = answer.read()?;
    let banner = kill_switch::banner(page.kill_switch.as_ref(), answer.at, screen);
    screen.lines(banner)?;
    if page.jobs.is_empty() {
        screen.line("no such jobs")?;
        return Ok(Exit::Ok);
    }
    let lines = table(&page.jobs, &answer).lines(screen.paint);
    screen.lines(lines)?;
    if let Some(next) = page.next {
        screen.line(format!("there are more: add --after {next}, or a larger --limit"))?;
    }
    Ok(Exit::Ok)
}

async fn fetch(args: &JobsArgs, client: &Client) -> Result<Answer, CliError> {
    let query = JobQuery {
        request: args.request.clone(),
        state: args.state,
        repository: args.repository.as_ref().map(ToString::to_string),
        template: args.template.clone(),
        team: args.team.clone(),
        after: args.after,
        limit: Some(args.limit),
    };
    Ok(client.get(&["v1", "jobs"], &query.pairs()).await?)
}

/// With `--json` one line per look that found a change.
async fn watch(args: &JobsArgs, session: &mut Session) -> Result<Exit, CliError> {
    let mut board = Board::default();
    let mut before = String::new();
    let mut changes = Changes::of(args.request.clone());
    loop {
        let answer = fetch(args, &session.client).await?;
        if session.screen.json {
            if answer.body != before {
                session.screen.answer(&answer)?;
                session.screen.flush()?;
            }
        } else {
            draw(&mut board, &answer, &mut session.screen)?;
        }
        before = answer.body;
        tokio::select! {
            () = changes.next(&session.client) => {}
            _ = tokio::signal::ctrl_c() => return Ok(Exit::Ok),
        }
    }
}

fn draw(board: &mut Board, answer: &Answer, screen: &mut Screen) -> Result<(), CliError> {
    let page: Page = answer.read()?;
    if screen.is_terminal {
        let banner = kill_switch::banner(page.kill_switch.as_ref(), answer.at, screen);
        let mut lines: Vec<String> =
            banner.into_iter().chain(table(&page.jobs, answer).lines(screen.paint)).collect();
        if page.next.is_some() {
            lines.push("and more".to_owned());
        }
        return board.redraw(&lines, screen);
    }
    let stamp = answer.at.map(words::moment).unwrap_or_default();
    let changes = page.jobs.iter().filter_map(|job| board.change(job));
    let lines: Vec<String> = changes.map(|change| format!("{stamp}  {change}")).collect();
    screen.lines(lines)?;
    screen.flush()
}

fn table(jobs: &[JobView], answer: &Answer) -> Table {
    let mut table = Table::new(&[
        "job",
        "repository",
        "template",
        "state",
        "for",
        "try",
        "reviewer",
        "what it waits for",
    ]);
    for job in jobs {
        table.row([
            Cell::toned(job.id.short(), Tone::Strong),
            Cell::new(job.repository.full_name()),
            Cell::new(&job.template),
            Cell::toned(job.state.as_str(), Tone::of(job.state)),
            Cell::new(words::span(job.state_since, answer.at)),
            Cell::new(job.attempts.to_string()),
            Cell::new(job.reviewer.as_deref().unwrap_or_default()),
            Cell::new(last_word(job)),
        ]);
    }
    table
}

/// What it waits for, or how it ended.
pub fn last_word(job: &JobView) -> String {
    match &job.wait {
        Some(wait) => wait.text.clone(),
        None if job.state == State::Succeeded => job.pull_url.clone().unwrap_or_default(),
        None => dead::reason(job).0,
    }
}
