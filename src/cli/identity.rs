//! `sluice identity list|check|audit`: what each credential may reach, how its token stands, and what it did in a month.

use clap::Subcommand;
use serde::Deserialize;

use crate::{
    cli::{
        Session,
        exit::{CliError, Exit},
        screen::Tone,
        table::{Cell, Table},
        words,
    },
    pipeline::view::{IdentityCheck, IdentityReview, IdentityView},
};

#[derive(Debug, Subcommand)]
pub enum IdentityCommand {
    /// List the identities and what each may reach
    List,
    /// Ask the provider about each token; exit code 1 if one needs attention
    Check,
    /// What each identity did in a month, and what of its reach it never used
    Audit {
        /// Such as 2026-11, in UTC; left out: the present one
        #[arg(long, value_name = "YYYY-MM")]
        month: Option<String>,
    },
}

#[derive(Deserialize)]
struct Listed {
    identities: Vec<IdentityView>,
}
#[derive(Deserialize)]
struct Checked {
    identities: Vec<IdentityCheck>,
}
#[derive(Deserialize)]
struct Audited {
    month: String,
    identities: Vec<IdentityReview>,
}

pub async fn run(command: &IdentityCommand, session: &mut Session) -> Result<Exit, CliError> {
    match command {
        IdentityCommand::List => list(session).await,
        IdentityCommand::Check => check(session).await,
        IdentityCommand::Audit { month } => audit(month.clone(), session).await,
    }
}

fn globs(list: &[String]) -> String {
    if list.is_empty() { "every one".to_owned() } else { list.join(", ") }
}

async fn list(session: &mut Session) -> Result<Exit, CliError> {
    let answer = session.client.get(&["v1", "identities"], &[]).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let listed: Listed = answer.read()?;
    let mut table = Table::new(&["identity", "repositories", "templates", "owner", "token ends", "purpose"]);
    for view in &listed.identities {
        let rule = &view.identity;
        let name = if view.default { format!("{} (default)", rule.name) } else { rule.name.clone() };
        let tone = if view.held_back.is_some() { Tone::Bad } else { Tone::Plain };
        let ends = view.token_expires_at.map(|at| words::moment_and_age(at, answer.at));
        table.row([
            Cell::toned(name, Tone::Strong),
            Cell::new(globs(&rule.repositories)),
            Cell::new(globs(&rule.templates)),
            Cell::new(rule.owner.as_deref().unwrap_or("-")),
            Cell::toned(ends.unwrap_or_else(|| "not told".to_owned()), tone),
            Cell::new(rule.purpose.as_deref().unwrap_or("-")),
        ]);
    }
    let paint = screen.paint;
    screen.lines(table.lines(paint))?;
    Ok(Exit::Ok)
}

async fn check(session: &mut Session) -> Result<Exit, CliError> {
    let answer = session.client.get(&["v1", "identities", "check"], &[]).await?;
    let checked: Checked = answer.read()?;
    let screen = &mut session.screen;
    let bad = checked.identities.iter().any(|check| check.problem.is_some());
    let exit = if bad { Exit::Failure } else { Exit::Ok };
    if screen.json {
        screen.answer(&answer)?;
        return Ok(exit);
    }
    for check in &checked.identities {
        let login = check.login.as_deref().unwrap_or("nobody who is known");
        let ends = check.token_expires_at.map_or_else(
            || "no end told".to_owned(),
            |at| format!("ends {}", words::moment_and_age(at, answer.at)),
        );
        let left = check.requests_left.map(|left| format!(", {left} requests left")).unwrap_or_default();
        screen.line(format!("{}: is {}, {ends}{left}", check.name, words::clean(login)))?;
        if let Some(problem) = &check.problem {
            let text = screen.paint.with(Tone::Bad, &words::clean(problem));
            screen.line(format!("  {text}"))?;
        }
    }
    Ok(exit)
}

async fn audit(month: Option<String>, session: &mut Session) -> Result<Exit, CliError> {
    let answer = session.client.get(&["v1", "identities", "audit"], &[("month", month)]).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let audited: Audited = answer.read()?;
    screen.line(format!("identities in {} (UTC)", audited.month))?;
    for review in &audited.identities {
        let rule = &review.identity;
        let known = if review.configured { "" } else { " (no longer configured)" };
        let starts: u64 = review.used.iter().map(|used| used.starts).sum();
        screen.line(format!("{}{known}: {}", words::clean(&rule.name), words::count(starts, "task")))?;
        if review.configured {
            let owner = rule.owner.as_deref().unwrap_or("nobody is named");
            screen.line(format!(
                "  owner: {owner}; purpose: {}",
                rule.purpose.as_deref().unwrap_or("not said")
            ))?;
            let (repositories, templates) = (globs(&rule.repositories), globs(&rule.templates));
            screen.line(format!("  may reach: repositories {repositories}; templates {templates}"))?;
        }
        for used in &review.used {
            let last = words::moment(used.last);
            let tasks = words::count(used.starts, "task");
            screen
                .line(format!("  used: {} with {}: {tasks}, last {last}", used.repository, used.template))?;
        }
        for (what, idle) in
            [("repositories", &review.never_used_repositories), ("templates", &review.never_used_templates)]
        {
            if !idle.is_empty() {
                screen.line(format!("  never used: {what} {}", idle.join(", ")))?;
            }
        }
        if review.configured && review.used.is_empty() {
            screen.line("  never used at all: does it need its reach?")?;
        }
    }
    Ok(Exit::Ok)
}
