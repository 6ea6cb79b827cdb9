//! `sluice notify`: what became of notices, trying again, trying out a receiver, and where one would go.

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::json;

use crate::{
    cli::{
        Session,
        act::Who,
        client::{Answer, Body},
        exit::{CliError, Exit},
        screen::Tone,
        table::{Cell, Table},
        words,
    },
    job::time::Timestamp,
    pipeline::notices::{MailingView, NoticeDetail, NoticeState, NoticeView, Tried},
    policy::notices::{Decision, Severity, USUAL},
};

#[derive(Args, Debug)]
pub struct NotifyArgs {
    #[command(subcommand)]
    command: NotifyCommand,
}

#[derive(Debug, Subcommand)]
pub enum NotifyCommand {
    /// List notices, newest first
    List(ListArgs),
    /// Show what a notice says, and what became of it at each receiver
    Show {
        /// Its id, or the end of it (four characters or more)
        id: String,
    },
    /// Try again what was given up
    Retry {
        /// Its id, or the end of it (four characters or more)
        id: String,
        /// Only at this receiver
        #[arg(long, value_name = "RECEIVER")]
        at: Option<String>,
        #[command(flatten)]
        by: Who,
    },
    /// Send a message that says it is a test, and tell what came of it
    Test {
        /// Name of the receiver in the configuration
        #[arg(required_unless_present = "route", conflicts_with = "route")]
        receiver: Option<String>,
        /// To every receiver that a notice of this kind would go to now
        #[arg(long, value_name = "KIND")]
        route: Option<String>,
        #[command(flatten)]
        about: About,
        #[command(flatten)]
        by: Who,
    },
    /// Tell where a notice would go and by which route; nothing is sent
    Route {
        /// Such as job.dead
        kind: String,
        #[command(flatten)]
        about: About,
        /// By the clock at this time (2026-12-01T22:00:00Z), instead of now
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
    },
}

#[derive(Args, Debug)]
pub struct ListArgs {
    /// Only in this state
    #[arg(long, value_name = "STATE", value_parser = NoticeState::ALL.map(NoticeState::as_str))]
    state: Option<String>,
    /// Only what went or goes to this receiver; the state is that at the receiver
    #[arg(long, value_name = "RECEIVER")]
    to: Option<String>,
    /// Such as job.dead or `job.*`
    #[arg(long)]
    kind: Option<String>,
    /// Id of a job, or the end of it (four characters or more)
    #[arg(long)]
    job: Option<String>,
    /// Id of a request, or the end of it (four characters or more)
    #[arg(long)]
    request: Option<String>,
    /// Older than this one
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

/// What routes ask about a notice, beside its kind.
#[derive(Args, Debug)]
pub struct About {
    /// As if its request were of this team
    #[arg(long)]
    team: Option<String>,
    /// As if its request were of this template
    #[arg(long)]
    template: Option<String>,
    /// info, warning or urgent, instead of that of the kind
    #[arg(long)]
    severity: Option<Severity>,
}

#[derive(Deserialize)]
struct Page {
    notices: Vec<NoticeView>,
    next: Option<String>,
}

pub async fn run(args: &NotifyArgs, session: &mut Session) -> Result<Exit, CliError> {
    match &args.command {
        NotifyCommand::List(args) => list(args, session).await,
        NotifyCommand::Show { id } => show(id, session).await,
        NotifyCommand::Retry { id, at, by } => retry(id, at.as_deref(), by, session).await,
        NotifyCommand::Test { receiver: Some(receiver), by, .. } => {
            test(std::slice::from_ref(receiver), by, session).await
        }
        NotifyCommand::Test { route, about, by, .. } => {
            let kind = route.as_deref().unwrap_or_default();
            let decision: Decision = decide(kind, about, None, session).await?.read()?;
            let receivers: Vec<String> = decision.to.into_iter().map(|deposit| deposit.sink).collect();
            if receivers.is_empty() {
                session.screen.line(format!("{}: nobody is told", decision.route))?;
            }
            test(&receivers, by, session).await
        }
        NotifyCommand::Route { kind, about, at } => route(kind, about, at.as_deref(), session).await,
    }
}

async fn list(args: &ListArgs, session: &mut Session) -> Result<Exit, CliError> {
    let query = [
        ("state", args.state.clone()),
        ("sink", args.to.clone()),
        ("kind", args.kind.clone()),
        ("job", args.job.clone()),
        ("request", args.request.clone()),
        ("after", args.after.clone()),
        ("limit", Some(args.limit.to_string())),
    ];
    let answer = session.client.get(&["v1", "notices"], &query).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let page: Page = answer.read()?;
    if page.notices.is_empty() {
        screen.line("no notices")?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["notice", "when", "severity", "kind", "job", "state", "receivers"]);
    for notice in &page.notices {
        let receivers: Vec<String> = notice.deliveries.iter().map(brief).collect();
        table.row([
            Cell::toned(notice.id.to_string(), Tone::Strong),
            Cell::new(words::moment(notice.created_at)),
            Cell::new(notice.severity.as_str()),
            Cell::new(&notice.kind),
            Cell::new(notice.job.map_or_else(|| "-".to_owned(), |job| job.short())),
            Cell::toned(notice.state.as_str(), tone(notice.state)),
            Cell::new(receivers.join(", ")),
        ]);
    }
    let paint = screen.paint;
    screen.lines(table.lines(paint))?;
    if let Some(next) = page.next {
        screen.line(format!("older ones: --after {next}"))?;
    }
    Ok(Exit::Ok)
}

const fn tone(state: NoticeState) -> Tone {
    match state {
        NoticeState::GivenUp => Tone::Bad,
        NoticeState::Waiting => Tone::Strong,
        NoticeState::Delivered | NoticeState::Dropped => Tone::Plain,
    }
}

fn brief(delivery: &MailingView) -> String {
    match delivery.state {
        NoticeState::Delivered => delivery.sink.clone(),
        state => format!("{} ({})", delivery.sink, state.as_str()),
    }
}

async fn show(id: &str, session: &mut Session) -> Result<Exit, CliError> {
    let answer = session.client.get(&["v1", "notices", id], &[]).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let NoticeDetail { notice, data } = answer.read()?;
    screen.line(format!("{} {}, {}", notice.kind, notice.id, notice.state.as_str()))?;
    let taken_up = notice.route.as_deref().unwrap_or("not looked at yet, or older than routes");
    screen.line(format!("severity  {}\nroute     {}", notice.severity, words::clean(taken_up)))?;
    for delivery in &notice.deliveries {
        screen.line(format!("{:<9} {}", words::clean(&delivery.sink), words::clean(&fate(delivery))))?;
    }
    let data = serde_json::to_string_pretty(&data).unwrap_or_default();
    screen.lines(data.lines().map(words::clean))?;
    Ok(Exit::Ok)
}

fn fate(delivery: &MailingView) -> String {
    let tries = words::count(u64::from(delivery.tries), "try").replace("trys", "tries");
    let error = delivery.error.as_ref().filter(|_| delivery.delivered_at.is_none());
    let error = error.map(|error| format!(": {error}")).unwrap_or_default();
    let together = delivery.digest.map(|digest| format!(" in digest {digest}")).unwrap_or_default();
    let at = |at: Option<Timestamp>| at.map(words::moment).unwrap_or_default();
    match delivery.state {
        NoticeState::Delivered => format!("delivered {}{together}, {tries}", at(delivery.delivered_at)),
        NoticeState::GivenUp => format!("given up {}, {tries}{error}", at(delivery.dead_at)),
        NoticeState::Waiting | NoticeState::Dropped => {
            format!("next try {}{together}, {tries} so far{error}", at(delivery.next_at))
        }
    }
}

async fn retry(id: &str, sink: Option<&str>, by: &Who, session: &mut Session) -> Result<Exit, CliError> {
    let body = json!({ "sink": sink, "actor": by.actor, "reason": by.reason });
    let answer = session.client.post(&["v1", "notices", id, "retry"], Body::json(&body)?).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let detail: NoticeDetail = answer.read()?;
    let waits = detail.notice.deliveries.iter().filter(|one| one.state == NoticeState::Waiting);
    let sinks: Vec<&str> = waits.map(|one| one.sink.as_str()).collect();
    screen.line(format!("{} is tried again: {}", detail.notice.id, words::clean(&sinks.join(", "))))?;
    Ok(Exit::Ok)
}

/// Not done if one of them did not take it.
async fn test(receivers: &[String], by: &Who, session: &mut Session) -> Result<Exit, CliError> {
    let mut all: Vec<Tried> = Vec::new();
    for receiver in receivers {
        let body = json!({ "sink": receiver, "actor": by.actor, "reason": by.reason });
        let answer = session.client.post(&["v1", "notices", "test"], Body::json(&body)?).await?;
        let tried: Tried = answer.read()?;
        if !session.screen.json {
            session.screen.line(words::clean_lines(&outcome(&tried)))?;
        }
        all.push(tried);
    }
    if session.screen.json {
        let list = serde_json::to_string_pretty(&json!({ "tried": all })).unwrap_or_default();
        session.screen.raw(&format!("{list}\n"))?;
    }
    Ok(if all.iter().all(|tried| tried.delivered) { Exit::Ok } else { Exit::Failure })
}

fn outcome(tried: &Tried) -> String {
    let Tried { sink, kind, id, .. } = tried;
    if tried.delivered {
        return format!("{sink} ({kind}): took the test {id}");
    }
    let error = tried.error.as_deref().unwrap_or("no answer");
    let reason = tried.reason.as_deref().unwrap_or("unknown");
    let hint =
        if tried.may_pass { "a notice would be tried again" } else { "a notice would be given up at once" };
    format!(
        "{sink} ({kind}): not delivered ({reason}): {error}\n  {hint}; docs/notices.md says what `{reason}` means"
    )
}

async fn decide(kind: &str, about: &About, at: Option<&str>, session: &Session) -> Result<Answer, CliError> {
    let query = [
        ("kind", Some(kind.to_owned())),
        ("team", about.team.clone()),
        ("template", about.template.clone()),
        ("severity", about.severity.map(|severity| severity.to_string())),
        ("at", at.map(str::to_owned)),
    ];
    Ok(session.client.get(&["v1", "notices", "route"], &query).await?)
}

async fn route(kind: &str, about: &About, at: Option<&str>, session: &mut Session) -> Result<Exit, CliError> {
    let answer = decide(kind, about, at, session).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let decision: Decision = answer.read()?;
    screen.line(if decision.route == USUAL {
        "no route fits: it goes to the usual receiver".to_owned()
    } else {
        format!("by {}", words::clean(&decision.route))
    })?;
    if decision.to.is_empty() {
        screen.line("nobody is told")?;
    }
    for deposit in &decision.to {
        let when = if deposit.digest {
            format!("in a digest, {}", words::moment(deposit.at))
        } else {
            "at once".to_owned()
        };
        screen.line(format!("to {}: {when}", words::clean(&deposit.sink)))?;
    }
    Ok(Exit::Ok)
}
