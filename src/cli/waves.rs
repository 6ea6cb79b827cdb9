//! `sluice wave show|approve|hold|abort REQUEST`: how far the waves of a request are, and what people decide about them.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::{
    cli::{
        Session,
        act::By,
        client::{Answer, Body},
        exit::{CliError, Exit},
        screen::Tone,
        table::{Cell, Table},
        words,
    },
    job::repository::Repository,
    pipeline::view::{WaveView, WavesView},
};

#[derive(Subcommand, Debug)]
pub enum WaveCommand {
    /// Tell how far the waves are, and what the next one waits for
    Show(ShowArgs),
    /// Approve the next wave; after a doubt or a hold this lets it go on
    Approve(ApproveArgs),
    /// Open nothing more until somebody approves it
    Hold(ActArgs),
    /// Open nothing more at all, and cancel what was not open
    Abort(ActArgs),
}

#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// Id of the request, or the end of it (four characters or more)
    request: String,
}

#[derive(Args, Clone, Debug)]
pub struct ActArgs {
    /// Id of the request, or the end of it (four characters or more)
    request: String,
    #[command(flatten)]
    by: By,
}

#[derive(Args, Clone, Debug)]
pub struct ApproveArgs {
    /// Id of the request, or the end of it (four characters or more)
    request: String,
    #[command(flatten)]
    by: By,
    /// The wave that is to open; refused if it is not the next one
    #[arg(long, value_name = "N")]
    wave: Option<u32>,
    /// Digest of the plan that you looked at, or its first 12 characters; refused if the request goes by another plan
    #[arg(long, value_name = "DIGEST")]
    digest: Option<String>,
}

pub async fn run(command: &WaveCommand, session: &mut Session) -> Result<Exit, CliError> {
    let answer = match command {
        WaveCommand::Show(args) => {
            session.client.get(&["v1", "requests", &args.request, "waves"], &[]).await?
        }
        WaveCommand::Approve(args) => {
            let body = json!({
                "actor": args.by.actor, "reason": args.by.reason, "wave": args.wave, "digest": args.digest,
            });
            let path = ["v1", "requests", &args.request, "waves", "approve"];
            session.client.post(&path, Body::json(&body)?).await?
        }
        WaveCommand::Hold(args) => act("hold", args, session).await?,
        WaveCommand::Abort(args) => act("abort", args, session).await?,
    };
    show(&answer, session)
}

async fn act(word: &str, args: &ActArgs, session: &Session) -> Result<Answer, CliError> {
    Ok(session.client.post(&["v1", "requests", &args.request, "waves", word], Body::json(&args.by)?).await?)
}

fn show(answer: &Answer, session: &mut Session) -> Result<Exit, CliError> {
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(answer)?;
        return Ok(Exit::Ok);
    }
    let view: WavesView = answer.read()?;
    let rule = &view.rule;
    let sizes: Vec<String> = rule.sizes.iter().map(ToString::to_string).collect();
    let mut proof = format!("proven by {}", rule.proven);
    if rule.soak_minutes > 0 {
        proof = format!("{proof}, soaks {} min", rule.soak_minutes);
    }
    if let Some(asked) = &rule.approvals {
        proof = format!("{proof}, {} of role {}", words::count(asked.count, "approval"), asked.role);
    }
    screen.line(format!("request {}: wave {} of {} is open", view.request, view.opened, view.waves.len()))?;
    screen.line(format!("  {}", screen.paint.with(Tone::Strong, &words::clean(&view.waits_for))))?;
    screen.line(format!("  waves of {}; {proof}", sizes.join(", ")))?;
    screen.line(format!("  plan {}, draw {}", view.plan_digest, view.seed))?;
    let mut table = Table::new(&[
        "wave",
        "jobs",
        "",
        "good",
        "pending",
        "failed",
        "no verdict",
        "withdrawn",
        "repositories",
    ]);
    for wave in &view.waves {
        table.row([
            Cell::toned(wave.number.to_string(), Tone::Strong),
            Cell::new(wave.jobs.to_string()),
            Cell::toned(
                if wave.open { "open" } else { "waits" },
                if wave.open { Tone::Good } else { Tone::Faint },
            ),
            Cell::new(wave.good.to_string()),
            Cell::new(wave.pending.to_string()),
            Cell::toned(wave.failed.to_string(), if wave.failed > 0 { Tone::Attention } else { Tone::Plain }),
            Cell::new(wave.unjudged.to_string()),
            Cell::new(wave.withdrawn.to_string()),
            Cell::new(some_of(wave)),
        ]);
    }
    let paint = screen.paint;
    screen.lines(table.lines(paint))?;
    for word in &view.approvals {
        let counts = if word.counts { "counts until" } else { "expired at" };
        screen.line(format!(
            "  {} approved {} at {}, {counts} {}: {}",
            words::clean(&word.actor),
            word.about,
            words::moment_and_age(word.at, answer.at),
            words::moment(word.expires_at),
            words::clean(&word.reason)
        ))?;
    }
    Ok(Exit::Ok)
}

fn some_of(wave: &WaveView) -> String {
    let names: Vec<&str> = wave.repositories.iter().map(Repository::full_name).collect();
    let more = wave.jobs.saturating_sub(names.len());
    if more == 0 { names.join(", ") } else { format!("{}, and {more} more", names.join(", ")) }
}
