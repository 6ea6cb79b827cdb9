//! `sluice budgets`: what is used of what, and who holds it.

use clap::Args;
use serde::Deserialize;

use crate::{
    budget::{Amount, Key},
    cli::{
        Session,
        exit::{CliError, Exit},
        screen::Tone,
        table::{Cell, Table},
        words,
    },
    job::time::Timestamp,
    pipeline::view::{BudgetView, Holder},
    policy::credits,
};

#[derive(Args, Clone, Debug)]
pub struct BudgetsArgs {
    /// Who holds this budget, such as slots/global or pool/platform-reviewers
    #[arg(long, value_name = "KEY")]
    holders: Option<String>,
}

/// Every budget that is known to the daemon.
#[derive(Debug, Deserialize)]
pub struct Listed {
    pub budgets: Vec<BudgetView>,
}

#[derive(Debug, Deserialize)]
struct Held {
    holders: Vec<Holder>,
}

pub async fn run(args: &BudgetsArgs, session: &mut Session) -> Result<Exit, CliError> {
    if let Some(key) = &args.holders {
        return holders(key, session).await;
    }
    let answer = session.client.get(&["v1", "budgets"], &[]).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let listed: Listed = answer.read()?;
    if listed.budgets.is_empty() {
        screen.line("no budget has been used yet")?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["budget", "used", "limit", ""]);
    for budget in listed.budgets.iter().filter(|budget| !has_opened(budget, answer.at)) {
        let full = budget.limit.is_some_and(|limit| budget.used >= limit) || budget.closed.is_some();
        table.row([
            Cell::new(budget.key.as_str()),
            Cell::toned(used(budget), if full { Tone::Attention } else { Tone::Plain }),
            Cell::new(
                budget.limit.map_or_else(|| "-".to_owned(), |limit| amount(limit, budget.nano_credits)),
            ),
            Cell::toned(remark(budget, answer.at), Tone::Attention),
        ]);
    }
    let paint = screen.paint;
    screen.lines(table.lines(paint))?;
    Ok(Exit::Ok)
}

/// A gate that has opened by itself is no longer in anybody's way; the daemon forgets it when it is used next.
fn has_opened(budget: &BudgetView, now: Option<Timestamp>) -> bool {
    let opens = budget.closed.as_ref().and_then(|closure| closure.opens_at);
    budget.key.is_gate() && opens.is_some_and(|at| now.is_some_and(|now| at <= now))
}

/// What is used is shown with one decimal, since no one sets it.
fn used(budget: &BudgetView) -> String {
    if budget.nano_credits {
        format!("{} credits", words::credits(budget.used.get()))
    } else {
        budget.used.to_string()
    }
}

/// Credits as people write them, anything else as a number.
pub fn amount(amount: Amount, nano_credits: bool) -> String {
    if nano_credits { format!("{} credits", credits::show(amount)) } else { amount.to_string() }
}

fn remark(budget: &BudgetView, now: Option<Timestamp>) -> String {
    if let Some(closure) = &budget.closed {
        let opens = closure
            .opens_at
            .map(|at| format!(", opens at {}", words::moment_and_age(at, now)))
            .unwrap_or_default();
        return format!("closed by {}: {}{opens}", closure.actor, closure.reason);
    }
    match budget.limit {
        Some(limit) if budget.used > limit => {
            format!(
                "overdraft of {}: no start until it is worked off",
                amount(budget.used.minus(limit), budget.nano_credits)
            )
        }
        _ if budget.limit_set_by_operator => "limit set by an operator".to_owned(),
        _ => String::new(),
    }
}

async fn holders(key: &str, session: &mut Session) -> Result<Exit, CliError> {
    let query = ("key", Some(key.to_owned()));
    let answer = session.client.get(&["v1", "budgets", "holders"], &[query]).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let held: Held = answer.read()?;
    let listed: Listed = session.client.get(&["v1", "budgets"], &[]).await?.read()?;
    let is_spend = |key: &Key| listed.budgets.iter().any(|budget| budget.nano_credits && budget.key == *key);
    let screen = &mut session.screen;
    if held.holders.is_empty() {
        screen.line(format!("nobody holds {}", words::clean(Key::new(key).as_str())))?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["budget", "amount", "job", "repository", "state", "since"]);
    for holder in &held.holders {
        table.row([
            Cell::new(holder.budget.as_str()),
            Cell::new(amount(holder.amount, is_spend(&holder.budget))),
            Cell::toned(holder.job.short(), Tone::Strong),
            Cell::new(holder.repository.full_name()),
            Cell::toned(holder.state.as_str(), Tone::of(holder.state)),
            Cell::new(words::moment_and_age(holder.since, answer.at)),
        ]);
    }
    let paint = screen.paint;
    screen.lines(table.lines(paint))?;
    Ok(Exit::Ok)
}
