//! `sluice freeze add|list|lift|exempt|check`: times in which nothing is started and no pull request is moved on.

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::json;

use crate::{
    cli::{
        Session,
        act::By,
        client::{Answer, Body},
        exit::{CliError, Exit},
        gates::Until,
        screen::Tone,
        table::{Cell, Table},
        words,
    },
    job::time::Timestamp,
    pipeline::view::{FreezeCheck, FreezeView},
    policy::freeze::{Exempt, Exemption},
};

#[derive(Debug, Subcommand)]
pub enum FreezeCommand {
    /// Add a freeze; with --now it returns when nothing that it reaches is being started any more
    Add(AddArgs),
    /// List the freezes that are in force or to come, and the exceptions
    List,
    /// Lift a freeze; one of the file is lifted until its present time is over
    Lift(LiftArgs),
    /// Let one job or request through until a time
    Exempt(ExemptArgs),
    /// Tell whether a repository is frozen at a time
    Check(CheckArgs),
}

#[derive(Args, Clone, Debug)]
pub struct AddArgs {
    /// Its name
    #[arg(default_value = "emergency")]
    name: String,
    /// What it keeps still: global, organisation:NAME, repository:GLOB, team:NAME, template:NAME or class:NAME
    #[arg(long, default_value = "global")]
    scope: String,
    /// A scope that it leaves alone; may be repeated
    #[arg(long, value_name = "SCOPE")]
    except: Vec<String>,
    /// Zone of its times, by its IANA name
    #[arg(long, default_value = "UTC")]
    zone: String,
    /// It begins now
    #[arg(long, conflicts_with_all = ["from", "cron"], required_unless_present_any = ["from", "cron"])]
    now: bool,
    /// Its first day (2026-12-18) or its beginning (2026-12-18T18:00)
    #[arg(long, value_name = "TIME", conflicts_with = "cron")]
    from: Option<String>,
    /// Its last day, which is included, or its end; left out: until it is lifted
    #[arg(long, value_name = "TIME", conflicts_with = "cron")]
    until: Option<String>,
    /// When a window opens, as five fields of cron: "0 16 * * fri"
    #[arg(long, requires = "length")]
    cron: Option<String>,
    /// How long a window lasts: 90s, 30m, 60h, 2d
    #[arg(long = "for", value_name = "SPAN", requires = "cron")]
    length: Option<String>,
    #[command(flatten)]
    by: By,
}

#[derive(Args, Clone, Debug)]
pub struct LiftArgs {
    /// Its name
    name: String,
    #[command(flatten)]
    by: By,
}

#[derive(Args, Clone, Debug)]
pub struct ExemptArgs {
    /// Id of the job, or the end of it
    #[arg(long, required_unless_present = "request", conflicts_with = "request")]
    job: Option<String>,
    /// Id of the request, or the end of it
    #[arg(long)]
    request: Option<String>,
    /// From this freeze only; left out: from every freeze
    #[arg(long)]
    freeze: Option<String>,
    /// A time such as 2026-12-01T08:00:00Z, or a span such as 30m, 2h, 1d
    #[arg(long, value_name = "TIME")]
    until: Until,
    #[command(flatten)]
    by: By,
}

#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// owner/name
    repository: String,
    /// A time such as 2026-12-24T10:00:00Z; left out: now
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// For jobs of this template
    #[arg(long)]
    template: Option<String>,
    /// For jobs of this team
    #[arg(long)]
    team: Option<String>,
}

#[derive(Deserialize)]
struct Listed {
    freezes: Vec<FreezeView>,
    exemptions: Vec<Exemption>,
}

pub async fn run(command: &FreezeCommand, session: &mut Session) -> Result<Exit, CliError> {
    match command {
        FreezeCommand::Add(args) => add(args, session).await,
        FreezeCommand::List => {
            let answer = session.client.get(&["v1", "freezes"], &[]).await?;
            show(&answer, session)
        }
        FreezeCommand::Lift(args) => {
            let body = json!({ "name": args.name, "actor": args.by.actor, "reason": args.by.reason });
            let answer = session.client.post(&["v1", "freezes", "lift"], Body::json(&body)?).await?;
            done(&answer, &format!("freeze {} is lifted", words::clean(&args.name)), session)
        }
        FreezeCommand::Exempt(args) => exempt(args, session).await,
        FreezeCommand::Check(args) => check(args, session).await,
    }
}

async fn add(args: &AddArgs, session: &mut Session) -> Result<Exit, CliError> {
    let entry = match &args.cron {
        Some(cron) => json!({ "cron": cron, "for": args.length }),
        None => json!({ "from": args.from, "until": args.until }),
    };
    let body = json!({
        "freeze": {
            "name": args.name, "reason": args.by.reason, "scope": args.scope, "except": args.except,
            "zone": args.zone, "entry": [entry],
        },
        "now": args.now, "actor": args.by.actor,
    });
    let answer = session.client.post(&["v1", "freezes"], Body::json(&body)?).await?;
    let view: FreezeView = answer.read()?;
    let text = match (view.in_force, view.until, view.begins) {
        (true, Some(at), _) => format!("is in force until {}", words::moment_and_age(at, answer.at)),
        (true, None, _) => "is in force until `sluice freeze lift`".to_owned(),
        (false, _, Some(at)) => format!("begins {}", words::moment_and_age(at, answer.at)),
        (false, _, None) => "is kept for later".to_owned(),
    };
    done(&answer, &format!("freeze {} {text}", view.name), session)
}

async fn exempt(args: &ExemptArgs, session: &mut Session) -> Result<Exit, CliError> {
    let until = args.until.at(session).await?;
    let body = json!({
        "job": args.job, "request": args.request, "freeze": args.freeze, "until": until.to_string(),
        "actor": args.by.actor, "reason": args.by.reason,
    });
    let answer = session.client.post(&["v1", "freezes", "exempt"], Body::json(&body)?).await?;
    let whom = args.job.as_ref().map_or("the request", |_| "the job");
    done(&answer, &format!("{whom} is exempt until {}", words::moment(until)), session)
}

fn done(answer: &Answer, text: &str, session: &mut Session) -> Result<Exit, CliError> {
    if session.screen.json {
        session.screen.answer(answer)?;
    } else {
        session.screen.line(text)?;
    }
    Ok(Exit::Ok)
}

async fn check(args: &CheckArgs, session: &mut Session) -> Result<Exit, CliError> {
    let query = [
        ("repository", Some(args.repository.clone())),
        ("template", args.template.clone()),
        ("team", args.team.clone()),
        ("at", args.at.clone()),
    ];
    let answer = session.client.get(&["v1", "freezes", "check"], &query).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let check: FreezeCheck = answer.read()?;
    let (repository, at) = (&check.repository, words::moment(check.at));
    let text = match &check.frozen {
        Some(frozen) => format!("{repository} is frozen at {at}: {}", words::clean(&frozen.to_string())),
        None => format!("{repository} is not frozen at {at}"),
    };
    screen.line(text)?;
    if let (Some(name), Some(begins)) = (&check.next, check.next_begins) {
        screen.line(format!("  freeze {name} begins {}", words::moment_and_age(begins, answer.at)))?;
    }
    Ok(Exit::Ok)
}

fn show(answer: &Answer, session: &mut Session) -> Result<Exit, CliError> {
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(answer)?;
        return Ok(Exit::Ok);
    }
    let listed: Listed = answer.read()?;
    if listed.freezes.is_empty() {
        screen.line("there is no freeze, now or to come")?;
    } else {
        let mut table = Table::new(&["freeze", "scope", "state", "next", "by", "why"]);
        for freeze in &listed.freezes {
            table.row([
                Cell::toned(&freeze.name, if freeze.in_force { Tone::Attention } else { Tone::Plain }),
                Cell::new(scope(freeze)),
                Cell::new(state(freeze, answer.at)),
                Cell::new(freeze.begins.map(words::moment).unwrap_or_default()),
                Cell::new(freeze.made_by.as_deref().unwrap_or("file")),
                Cell::new(&freeze.reason),
            ]);
        }
        let paint = screen.paint;
        screen.lines(table.lines(paint))?;
    }
    for exemption in &listed.exemptions {
        let whom = match exemption.exempt {
            Exempt::Job(id) => format!("job {}", id.short()),
            Exempt::Request(id) => format!("request {}", id.short()),
            Exempt::Everything => "everything".to_owned(),
        };
        let from = exemption.freeze.as_deref().unwrap_or("every freeze");
        screen.line(format!(
            "{whom} is exempt from {} until {}: {} ({})",
            words::clean(from),
            words::moment_and_age(exemption.until, answer.at),
            words::clean(&exemption.reason),
            words::clean(&exemption.actor)
        ))?;
    }
    Ok(Exit::Ok)
}

fn scope(freeze: &FreezeView) -> String {
    if freeze.except.is_empty() {
        return freeze.scope.clone();
    }
    format!("{} without {}", freeze.scope, freeze.except.join(", "))
}

fn state(freeze: &FreezeView, now: Option<Timestamp>) -> String {
    match (&freeze.lifted_by, freeze.in_force, freeze.until) {
        (Some(actor), _, _) => format!("lifted by {}", words::clean(actor)),
        (None, true, Some(at)) => format!("in force until {}", words::moment_and_age(at, now)),
        (None, true, None) => "in force until it is lifted".to_owned(),
        (None, false, _) => "to come".to_owned(),
    }
}
