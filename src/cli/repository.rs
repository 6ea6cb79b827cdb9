//! `sluice repository list|show|import`: rules of repositories, what is known of one and what each template would find there, and
//! entries for repositories that no rule covers yet.

use std::{fs, path::PathBuf};

use clap::{Args, Subcommand};
use serde::Deserialize;

use crate::{
    cli::{
        Session,
        exit::{CliError, Exit},
        screen::{Screen, Tone},
        table::{Cell, Table},
        words,
    },
    job::{repository::Repository, time::Timestamp},
    pipeline::estate::{ReachedView, RepositoryView, RulesView},
    policy::{Outcome, RepositoryRule, document, facts::AgentSettings, problem::Problem, repositories_csv},
};

#[derive(Clone, Debug, Subcommand)]
pub enum RepositoryCommand {
    /// List the rules, the one that counts first, first
    List,
    /// Tell which rule counts for a repository and why, what is known of it, and what each template would find there
    Show(ShowArgs),
    /// Print entries for repositories that no rule covers yet, to be added to the rules
    Import(ImportArgs),
}

#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// owner/name
    repository: Repository,
}

#[derive(Args, Clone, Debug)]
#[group(id = "from", required = true, multiple = false)]
pub struct ImportArgs {
    /// A table whose first line names its columns: repository, and any of team, class, criticality, owners, test_command
    #[arg(long, value_name = "FILE", group = "from")]
    csv: Option<PathBuf>,
    /// What this identity reaches at the provider
    #[arg(long, value_name = "NAME", group = "from")]
    identity: Option<String>,
}

pub async fn run(command: &RepositoryCommand, session: &mut Session) -> Result<Exit, CliError> {
    match command {
        RepositoryCommand::List => list(session).await,
        RepositoryCommand::Show(args) => show(args, session).await,
        RepositoryCommand::Import(ImportArgs { csv: Some(path), .. }) => import_csv(path, session).await,
        RepositoryCommand::Import(ImportArgs { identity, .. }) => {
            import_reached(identity.clone().unwrap_or_default(), session).await
        }
    }
}

async fn list(session: &mut Session) -> Result<Exit, CliError> {
    let answer = session.client.get(&["v1", "repositories"], &[]).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let view: RulesView = answer.read()?;
    if view.rules.is_empty() {
        screen.line("there are no rules: [policy] repositories_file names their file")?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["match", "team", "class", "templates", "owners", "at"]);
    for rule in &view.rules {
        table.row([
            Cell::new(&rule.matching),
            Cell::new(rule.team.as_deref().unwrap_or_default()),
            Cell::new(rule.class.as_str()),
            Cell::new(rule.templates.join(" ")),
            Cell::new(owners(rule)),
            Cell::toned(&rule.at, Tone::Faint),
        ]);
    }
    let paint = screen.paint;
    screen.lines(table.lines(paint))?;
    Ok(Exit::Ok)
}

fn owners(rule: &RepositoryRule) -> String {
    rule.owners_pool.as_ref().map_or_else(|| rule.owners.join(" "), |pool| format!("pool {pool}"))
}

async fn show(args: &ShowArgs, session: &mut Session) -> Result<Exit, CliError> {
    let (owner, name) = (args.repository.owner(), args.repository.name());
    let answer = session.client.get(&["v1", "repositories", owner, name], &[]).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let view: RepositoryView = answer.read()?;
    let paint = screen.paint;
    screen.line(paint.with(Tone::Strong, view.repository.full_name()))?;
    if !view.allowed {
        screen.line("this installation may not touch it: it is outside [policy] repositories")?;
    }
    if view.standings.is_empty() {
        screen.line("no rule covers it")?;
    }
    for standing in &view.standings {
        let rule = &standing.rule;
        let head = if standing.counts { "counts" } else { "does not" };
        let of = format!("team {}, {}", rule.team.as_deref().unwrap_or("-"), rule.class);
        screen.line(format!(
            "rule `{}` {head}: {} ({of}; {})",
            words::clean(&rule.matching),
            words::clean(&standing.why),
            words::clean(&rule.at)
        ))?;
    }
    facts(&view, answer.at, screen)?;
    for template in &view.templates {
        let (word, tone) = match template.outcome {
            Outcome::Allow => ("may work here", Tone::Good),
            Outcome::NeedsApproval => ("needs an approval", Tone::Attention),
            Outcome::Deny => ("is left out", Tone::Bad),
        };
        screen.line(format!("{} {}", words::clean(&template.template), paint.with(tone, word)))?;
        for finding in &template.findings {
            screen.line(format!("  {}: {}", finding.reason, words::clean(&finding.text)))?;
        }
    }
    Ok(Exit::Ok)
}

fn facts(view: &RepositoryView, now: Option<Timestamp>, screen: &mut Screen) -> Result<(), CliError> {
    let Some(asked_at) = view.asked_at else { return Ok(()) };
    let facts = &view.facts;
    let mut known: Vec<String> = Vec::new();
    if facts.visible == Some(false) {
        known.push("it does not exist, or the identity cannot see it".to_owned());
    }
    if let Some(about) = &facts.about {
        known.push(format!("branch {}, {} KB", about.default_branch, about.size_kb));
    }
    let lists = [("languages", &facts.languages), ("workflows", &facts.workflows)];
    known.extend(
        lists.iter().filter_map(|(name, list)| Some(format!("{name}: {}", list.as_ref()?.join(", ")))),
    );
    known.extend(facts.agent.map(|agent| match agent {
        AgentSettings::Disabled => "the agent is switched off".to_owned(),
        AgentSettings::Hidden => "the agent's settings may not be read".to_owned(),
        AgentSettings::Enabled { workflow_approval: true, .. } => {
            "the agent's workflows wait for a click".to_owned()
        }
        AgentSettings::Enabled { .. } => "the agent's workflows run by themselves".to_owned(),
    }));
    let at = words::moment_and_age(asked_at, now);
    screen.line(format!("known since {at}: {}", words::clean(&known.join("; "))))
}

async fn import_csv(path: &PathBuf, session: &mut Session) -> Result<Exit, CliError> {
    let name = path.display().to_string();
    let refused = |problems: Vec<Problem>| {
        let told: Vec<String> =
            problems.iter().map(|problem| words::clean_lines(&problem.to_string())).collect();
        CliError::new(
            Exit::Refused,
            format!("the table was refused, and nothing of it was taken:\n{}", told.join("\n")),
        )
    };
    let bytes = fs::read(path)
        .map_err(|error| CliError::new(Exit::Refused, format!("reading {name} failed: {error}")))?;
    let text = document::utf8(&name, &bytes).map_err(|problem| refused(vec![problem]))?;
    let entries = repositories_csv::entries(&name, text).map_err(refused)?;
    let rules: RulesView = session.client.get(&["v1", "repositories"], &[]).await?.read()?;
    let covered = |name: &str| {
        name.parse::<Repository>()
            .is_ok_and(|repository| rules.rules.iter().any(|rule| rule.covers(&repository)))
    };
    let total = entries.len();
    let new: Vec<String> =
        entries.into_iter().filter(|(name, _)| !covered(name)).map(|(_, toml)| toml).collect();
    print(&new, total, &mut session.screen)
}

#[derive(Deserialize)]
struct Reach {
    repositories: Vec<ReachedView>,
}

async fn import_reached(identity: String, session: &mut Session) -> Result<Exit, CliError> {
    let answer = session.client.get(&["v1", "reach"], &[("identity", Some(identity))]).await?;
    let reach: Reach = answer.read()?;
    let total = reach.repositories.len();
    // What cannot be worked on needs no rule.
    let open = |view: &&ReachedView| !view.covered && view.reached.can_push && !view.reached.archived;
    let entry = |view: &ReachedView| format!("[[repository]]\nmatch = \"{}\"\n", view.reached.repository);
    let new: Vec<String> = reach.repositories.iter().filter(open).map(entry).collect();
    print(&new, total, &mut session.screen)
}

/// Entries as they go into the file of rules, or a count for programs.
fn print(entries: &[String], total: usize, screen: &mut Screen) -> Result<Exit, CliError> {
    if screen.json {
        screen.line(
            serde_json::json!({ "repositories": total, "new": entries.len(), "toml": entries.join("\n") })
                .to_string(),
        )?;
        return Ok(Exit::Ok);
    }
    screen.line(format!(
        "# {} of {total} repositories: the others have a rule, or cannot be worked on",
        entries.len()
    ))?;
    for entry in entries {
        screen.line("")?;
        screen.line(entry.trim_end())?;
    }
    Ok(Exit::Ok)
}
