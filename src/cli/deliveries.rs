//! `sluice deliveries list|show|replay`: webhooks that came in, what became of each, and going through one again.

use clap::{Args, Subcommand};
use serde::Deserialize;

use crate::{
    cli::{
        Session,
        act::By,
        client::Body,
        exit::{CliError, Exit},
        screen::Tone,
        table::{Cell, Table},
        words,
    },
    pipeline::delivery_acts::{DeliveryDetail, DeliveryState, DeliveryView},
};

#[derive(Subcommand, Debug)]
pub enum DeliveriesCommand {
    /// List webhooks that came in, newest first
    List(ListArgs),
    /// Tell everything about one, with what it says
    Show(ShowArgs),
    /// Go through one again, by the mapping of today
    Replay(ReplayArgs),
}

#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    /// Only of this hook
    #[arg(long, value_name = "NAME")]
    hook: Option<String>,
    /// Only in this state
    #[arg(long, value_name = "STATE", value_parser = DeliveryState::ALL.map(DeliveryState::as_str))]
    state: Option<String>,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,
    /// Only older ones than this
    #[arg(long, value_name = "ID")]
    after: Option<String>,
}

#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// Its id, or the end of it (four characters or more)
    delivery: String,
}

#[derive(Args, Clone, Debug)]
pub struct ReplayArgs {
    /// Its id, or the end of it (four characters or more)
    delivery: String,
    #[command(flatten)]
    by: By,
}

#[derive(Deserialize)]
struct Listed {
    deliveries: Vec<DeliveryView>,
    next: Option<String>,
}

pub async fn run(command: &DeliveriesCommand, session: &mut Session) -> Result<Exit, CliError> {
    match command {
        DeliveriesCommand::List(args) => list(args, session).await,
        DeliveriesCommand::Show(args) => show(args, session).await,
        DeliveriesCommand::Replay(args) => replay(args, session).await,
    }
}

const fn tone(state: DeliveryState) -> Tone {
    match state {
        DeliveryState::Done => Tone::Good,
        DeliveryState::Ignored => Tone::Faint,
        DeliveryState::Received => Tone::Attention,
        DeliveryState::Unmapped | DeliveryState::Refused => Tone::Bad,
    }
}

/// What came of it, in a few words.
fn became(view: &DeliveryView) -> String {
    match (&view.reason, &view.request) {
        (Some(reason), _) => words::clean(reason),
        (None, Some(request)) => format!("request {request}"),
        (None, None) => String::new(),
    }
}

async fn list(args: &ListArgs, session: &mut Session) -> Result<Exit, CliError> {
    let query = [
        ("hook", args.hook.clone()),
        ("state", args.state.clone()),
        ("limit", Some(args.limit.to_string())),
        ("after", args.after.clone()),
    ];
    let answer = session.client.get(&["v1", "deliveries"], &query).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let Listed { deliveries, next } = answer.read()?;
    if deliveries.is_empty() {
        screen.line("no deliveries")?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["delivery", "hook", "event", "received", "state", "what became of it"]);
    for view in &deliveries {
        table.row([
            Cell::toned(view.id.short(), Tone::Strong),
            Cell::new(&view.hook),
            Cell::new(&view.event),
            Cell::new(words::moment_and_age(view.received_at, answer.at)),
            Cell::toned(view.state.as_str(), tone(view.state)),
            Cell::new(words::shorten(&became(view), 80)),
        ]);
    }
    let paint = screen.paint;
    screen.lines(table.lines(paint))?;
    if let Some(next) = next {
        screen.line(format!("there may be more: --after {next}"))?;
    }
    Ok(Exit::Ok)
}

async fn show(args: &ShowArgs, session: &mut Session) -> Result<Exit, CliError> {
    let answer = session.client.get(&["v1", "deliveries", &args.delivery], &[]).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let DeliveryDetail { delivery, headers, payload } = answer.read()?;
    let of = |name: &str, value: String| format!("{name:<12} {value}");
    let lines = [
        of("delivery", delivery.id.to_string()),
        of("hook", format!("{}, signed with secret {}", words::clean(&delivery.hook), delivery.secret)),
        of("event", words::clean(&delivery.event)),
        of("sender's id", words::clean(&delivery.sender_id)),
        of(
            "received",
            format!("{}, {} bytes", words::moment_and_age(delivery.received_at, answer.at), delivery.bytes),
        ),
        of("state", delivery.state.as_str().to_owned()),
        of("", became(&delivery)),
        of("request", delivery.request.map_or_else(|| "none".to_owned(), |id| id.to_string())),
    ];
    screen.lines(lines.into_iter().filter(|line| !line.trim().is_empty()))?;
    for (name, value) in &headers {
        screen.line(of(&words::clean(name), words::clean(value.as_str().unwrap_or_default())))?;
    }
    let text = serde_json::to_string_pretty(&payload)
        .map_err(|error| CliError::new(Exit::Failure, format!("the payload cannot be written: {error}")))?;
    screen.lines(text.lines().map(words::clean))?;
    Ok(Exit::Ok)
}

async fn replay(args: &ReplayArgs, session: &mut Session) -> Result<Exit, CliError> {
    let path = ["v1", "deliveries", &args.delivery, "replay"];
    let answer = session.client.post(&path, Body::json(&args.by)?).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let view: DeliveryView = answer.read()?;
    let id = view.id.short();
    screen.line(format!("delivery {id} is gone through again: see sluice deliveries show {id}"))?;
    Ok(Exit::Ok)
}
