//! `sluice desk`: what needs a person, and saying that somebody has seen it, that it can wait, or whose it is.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    cli::{
        Session,
        act::By,
        client::Body,
        exit::{CliError, Exit},
        gates::Until,
        screen::Tone,
        table::{Cell, Table},
        words,
    },
    pipeline::desk::{DeskItem, DeskView},
};

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct DeskArgs {
    #[command(subcommand)]
    command: Option<DeskCommand>,
    /// Also what somebody has, and what can wait
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Subcommand)]
pub enum DeskCommand {
    /// List what needs a person (this is what `sluice desk` alone does)
    List {
        /// Also what somebody has, and what can wait
        #[arg(long)]
        all: bool,
    },
    /// Say that you have seen it and see to it: nobody is reminded any more
    Acknowledge {
        /// As the list names it
        item: String,
        #[command(flatten)]
        by: By,
    },
    /// Let it rest for a while
    Snooze {
        /// As the list names it
        item: String,
        /// 2h, 1d, or a time such as 2026-12-01T08:00:00Z
        #[arg(long, value_name = "WHEN")]
        until: Until,
        #[command(flatten)]
        by: By,
    },
    /// Give it to somebody else
    Reassign {
        /// As the list names it
        item: String,
        /// Login of the person
        #[arg(long, value_name = "LOGIN")]
        to: String,
        #[command(flatten)]
        by: By,
    },
}

pub async fn run(args: &DeskArgs, session: &mut Session) -> Result<Exit, CliError> {
    match &args.command {
        None => list(args.all, session).await,
        Some(DeskCommand::List { all }) => list(*all, session).await,
        Some(DeskCommand::Acknowledge { item, by }) => say("acknowledge", item, json!({}), by, session).await,
        Some(DeskCommand::Snooze { item, until, by }) => {
            let until = until.at(session).await?.to_string();
            say("snooze", item, json!({ "until": until }), by, session).await
        }
        Some(DeskCommand::Reassign { item, to, by }) => {
            say("reassign", item, json!({ "to": to }), by, session).await
        }
    }
}

async fn say(
    act: &str,
    item: &str,
    mut body: Value,
    by: &By,
    session: &mut Session,
) -> Result<Exit, CliError> {
    if let Value::Object(body) = &mut body {
        body.insert("item".to_owned(), json!(item));
        body.insert("actor".to_owned(), json!(by.actor));
        body.insert("reason".to_owned(), json!(by.reason));
    }
    let answer = session.client.post(&["v1", "desk", act], Body::json(&body)?).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let item: DeskItem = answer.read()?;
    screen.line(format!("{}: {}", item.id, words::clean(&standing(&item))))?;
    Ok(Exit::Ok)
}

/// What was said of it.
fn standing(item: &DeskItem) -> String {
    let seen = item.acknowledged_by.as_ref().map(|who| format!("{who} has seen it"));
    let rests = item.snoozed_until.map(|until| format!("rests until {}", words::moment(until)));
    let given = item.assignee.as_ref().map(|who| format!("given to {who}"));
    let said: Vec<String> = [seen, rests, given].into_iter().flatten().collect();
    said.join(", ")
}

async fn list(all: bool, session: &mut Session) -> Result<Exit, CliError> {
    let answer = session.client.get(&["v1", "desk"], &[("all", all.then(|| "true".to_owned()))]).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let view: DeskView = answer.read()?;
    if view.items.is_empty() {
        screen.line("nothing needs a person")?;
    }
    let mut table = Table::new(&["item", "kind", "owner", "waits", "due", "what"]);
    for item in &view.items {
        let tone = if item.overdue { Tone::Bad } else { Tone::Plain };
        let due = match answer.at {
            Some(now) if item.overdue => format!("{} ago", now.since(item.due_at)),
            Some(now) => format!("in {}", item.due_at.since(now)),
            None => words::moment(item.due_at),
        };
        table.row([
            Cell::toned(&item.id, Tone::Strong),
            Cell::new(item.kind.as_str()),
            Cell::new(item.owner.as_deref().unwrap_or("-")),
            Cell::new(words::span(item.since, answer.at)),
            Cell::toned(due, tone),
            Cell::new(&item.what),
        ]);
        let link = item.link.as_ref().map(|link| format!(": {link}")).unwrap_or_default();
        let hint = Cell::toned(format!("{}{link}", item.what_to_do), Tone::Faint);
        table.row([Cell::new(""), Cell::new(""), Cell::new(""), Cell::new(""), Cell::new(""), hint]);
        let said = standing(item);
        if !said.is_empty() {
            let said = Cell::toned(said, Tone::Faint);
            table.row([Cell::new(""), Cell::new(""), Cell::new(""), Cell::new(""), Cell::new(""), said]);
        }
    }
    if !view.items.is_empty() {
        let paint = screen.paint;
        screen.lines(table.lines(paint))?;
    }
    if view.resting > 0 && !all {
        screen.line(format!(
            "{} that somebody has, or that can wait: --all",
            words::count(view.resting, "more thing")
        ))?;
    }
    if view.more {
        screen.line("there are more of a kind than are listed here")?;
    }
    Ok(Exit::Ok)
}
