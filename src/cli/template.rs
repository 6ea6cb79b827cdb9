//! `sluice template`: list, show, compare; `check` reads files without a daemon, which `boot` does.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Deserialize;

use crate::{
    cli::{
        Session, Shared,
        exit::{CliError, Exit},
        screen::Tone,
        table::{Cell, Table},
        words,
    },
    pipeline::templates::{TemplateDetail, TemplateView},
    policy::line_diff::{Line, line_diff},
};

#[derive(Clone, Debug, Subcommand)]
pub enum TemplateCommand {
    /// List all versions, newest last
    List,
    /// Show one version: where it comes from, and its file
    Show(TemplateShowArgs),
    /// Check files, also against what the ledger says was first used; needs no daemon
    Check(TemplateCheckArgs),
    /// Compare two versions line by line
    Diff(TemplateDiffArgs),
}

#[derive(Args, Clone, Debug)]
pub struct TemplateShowArgs {
    /// As name, which is the newest version, or name@version
    template: String,
}

/// `sluice template check`.
#[derive(Args, Clone, Debug, Default)]
pub struct TemplateCheckArgs {
    /// Files to check; each must end in NAME/VERSION.toml
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    #[arg(skip)]
    pub shared: Shared,
}

#[derive(Args, Clone, Debug)]
pub struct TemplateDiffArgs {
    /// The older one, as name@version
    from: String,
    /// The newer one, as name@version
    to: String,
}

#[derive(Debug, Deserialize)]
struct Listed {
    templates: Vec<TemplateView>,
}

pub async fn run(command: &TemplateCommand, session: &mut Session) -> Result<Exit, CliError> {
    match command {
        TemplateCommand::List => list(session).await,
        TemplateCommand::Show(args) => show(args, session).await,
        TemplateCommand::Diff(args) => diff(args, session).await,
        TemplateCommand::Check(_) => {
            Err(CliError::new(Exit::Failure, "this command does not talk to a daemon"))
        }
    }
}

async fn list(session: &mut Session) -> Result<Exit, CliError> {
    let answer = session.client.get(&["v1", "templates"], &[]).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let listed: Listed = answer.read()?;
    let mut table = Table::new(&["template", "risk", "team", "first used", "", "summary"]);
    for view in &listed.templates {
        let (word, tone) = standing(view);
        table.row([
            Cell::toned(&view.id, Tone::Strong),
            Cell::new(view.risk.as_str()),
            Cell::new(&view.team),
            Cell::new(view.first_used_at.map_or_else(|| "never".to_owned(), words::moment)),
            Cell::toned(word, tone),
            Cell::new(&view.summary),
        ]);
    }
    let paint = screen.paint;
    screen.lines(table.lines(paint))?;
    Ok(Exit::Ok)
}

fn standing(view: &TemplateView) -> (&'static str, Tone) {
    if view.changed {
        ("CHANGED", Tone::Bad)
    } else if view.deprecated.is_some() {
        ("deprecated", Tone::Faint)
    } else if !view.replaced_by.is_empty() {
        ("replaced", Tone::Faint)
    } else {
        ("", Tone::Plain)
    }
}

async fn show(args: &TemplateShowArgs, session: &mut Session) -> Result<Exit, CliError> {
    let answer = session.client.get(&["v1", "templates", &args.template], &[]).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let detail: TemplateDetail = answer.read()?;
    let view = &detail.view;
    let paint = screen.paint;
    screen.line(format!(
        "{}: {}",
        paint.with(Tone::Strong, &words::clean(&view.id)),
        words::clean(&view.summary)
    ))?;
    let used =
        view.first_used_at.map_or_else(|| "never".to_owned(), |at| words::moment_and_age(at, answer.at));
    let fields = [
        ("digest", view.digest.clone()),
        ("owner", format!("{}, team {}", view.owner, view.team)),
        ("risk", view.risk.as_str().to_owned()),
        ("first used", used),
        ("replaces", view.replaces.clone().unwrap_or_default()),
        ("replaced by", view.replaced_by.join(", ")),
        ("deprecated", view.deprecated.clone().unwrap_or_default()),
        (
            "changed",
            if view.changed {
                "the file is not what it was at its first use: give it a new version"
            } else {
                ""
            }
            .to_owned(),
        ),
    ];
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        screen.line(format!(
            "  {} {}",
            paint.with(Tone::Faint, &format!("{name:<12}")),
            words::clean(value)
        ))?;
    }
    screen.line("")?;
    screen.line(words::clean_lines(&detail.source))?;
    Ok(Exit::Ok)
}

async fn diff(args: &TemplateDiffArgs, session: &mut Session) -> Result<Exit, CliError> {
    let mut details = Vec::new();
    for id in [&args.from, &args.to] {
        let detail: TemplateDetail = session.client.get(&["v1", "templates", id], &[]).await?.read()?;
        details.push(detail);
    }
    let [from, to] = details.as_slice() else { return Ok(Exit::Ok) };
    let lines = line_diff(&from.source, &to.source);
    let screen = &mut session.screen;
    if screen.json {
        let text = serde_json::json!({ "from": from.view, "to": to.view, "lines": lines }).to_string();
        screen.line(text)?;
        return Ok(Exit::Ok);
    }
    let paint = screen.paint;
    if from.view.digest == to.view.digest {
        screen.line("they are the same")?;
        return Ok(Exit::Ok);
    }
    for (sign, view, tone) in [("---", &from.view, Tone::Bad), ("+++", &to.view, Tone::Good)] {
        screen.line(paint.with(
            tone,
            &format!("{sign} {}  {}", words::clean(&view.id), words::shorten(&view.digest, 13)),
        ))?;
    }
    for line in lines {
        let (sign, text, tone) = match &line {
            Line::Same(text) => (" ", text, Tone::Plain),
            Line::Removed(text) => ("-", text, Tone::Bad),
            Line::Added(text) => ("+", text, Tone::Good),
            Line::LeftOut(count) => {
                screen.line(
                    paint.with(Tone::Faint, &format!("@ {} unchanged", words::count(*count, "line"))),
                )?;
                continue;
            }
        };
        screen.line(paint.with(tone, &format!("{sign}{}", words::clean(text))))?;
    }
    Ok(Exit::Ok)
}
