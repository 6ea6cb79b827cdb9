//! `sluice audit`: what auditors ask and do. Most of it asks the daemon; checking files or a ledger, and making keys, is done in this
//! process by `boot`.

mod archive;
mod export;
mod show;
mod verify;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::{
    cli::{
        Session, Shared,
        act::{By, Who},
        client::Body,
        exit::{CliError, Exit},
        screen::Tone,
        words,
    },
    pipeline::audit::{Checkpoint, Redaction},
};

#[derive(Clone, Debug, Subcommand)]
pub enum AuditCommand {
    /// What was done, by whom, and what became of it: one sentence, then the whole trail
    Show(show::AuditShowArgs),
    /// Check every entry of the history, of a ledger or of exported files
    Verify(AuditVerifyArgs),
    /// Write the history, or statements about attempts, to standard output or a file
    Export(export::ExportArgs),
    /// Sign the history as it ends, now
    Checkpoint(CheckpointArgs),
    /// Keys that sign: new
    #[command(subcommand)]
    Key(KeyCommand),
    /// Move prompts and evidence of old, ended requests to files
    Archive(archive::ArchiveArgs),
    /// Take a person's name out of everything that is kept
    Redact(RedactArgs),
}

/// `sluice audit verify`.
#[derive(Args, Clone, Debug, Default)]
pub struct AuditVerifyArgs {
    /// Exported files (JSON lines, or signed statements); left out: the ledger
    #[arg(value_name = "FILE", conflicts_with = "ledger")]
    pub files: Vec<PathBuf>,
    /// Read this ledger without a daemon: sqlite:PATH or postgres://USER@HOST/DATABASE
    #[arg(long, value_name = "URL")]
    pub ledger: Option<String>,
    /// Public key that may have signed; may be given several times [default: those of the configuration, else every one]
    #[arg(long = "trust", value_name = "KEY")]
    pub trust: Vec<String>,
    /// File with copies of checkpoints: what they tell of must be there
    #[arg(long, value_name = "FILE")]
    pub checkpoints: Option<PathBuf>,
    #[arg(skip)]
    pub shared: Shared,
}

/// `sluice audit key`.
#[derive(Clone, Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key, write it to a file that only you can read, and show its public half
    New(KeyNewArgs),
}

/// `sluice audit key new`.
#[derive(Args, Clone, Debug, Default)]
pub struct KeyNewArgs {
    /// Gets the private key; must not be there yet
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    #[arg(skip)]
    pub shared: Shared,
}

#[derive(Args, Clone, Debug)]
pub struct CheckpointArgs {
    #[command(flatten)]
    by: Who,
}

#[derive(Args, Clone, Debug)]
pub struct RedactArgs {
    /// Login or name, as the records have it
    #[arg(long, value_name = "NAME")]
    person: String,
    #[command(flatten)]
    by: By,
}

/// What runs in this process.
pub enum Local<'a> {
    Verify(&'a AuditVerifyArgs),
    KeyNew(&'a KeyNewArgs),
}

impl AuditCommand {
    /// None: it asks the daemon.
    pub fn local(&self) -> Option<Local<'_>> {
        match self {
            Self::Verify(args) if args.ledger.is_some() || !args.files.is_empty() => {
                Some(Local::Verify(args))
            }
            Self::Key(KeyCommand::New(args)) => Some(Local::KeyNew(args)),
            _ => None,
        }
    }

    pub(super) fn hand_down(&mut self, shared: Shared) {
        match self {
            Self::Verify(args) => args.shared = shared,
            Self::Key(KeyCommand::New(args)) => args.shared = shared,
            _ => {}
        }
    }
}

pub(super) async fn run(command: &AuditCommand, session: &mut Session) -> Result<Exit, CliError> {
    match command {
        AuditCommand::Show(args) => show::run(args, session).await,
        AuditCommand::Verify(args) => verify::run(args, session).await,
        AuditCommand::Export(args) => export::run(args, session).await,
        AuditCommand::Checkpoint(args) => checkpoint(args, session).await,
        AuditCommand::Archive(args) => archive::run(args, session).await,
        AuditCommand::Redact(args) => redact(args, session).await,
        AuditCommand::Key(_) => Err(CliError::new(Exit::Failure, "this command does not talk to a daemon")),
    }
}

async fn checkpoint(args: &CheckpointArgs, session: &mut Session) -> Result<Exit, CliError> {
    let answer = session.client.post(&["v1", "audit", "checkpoints"], Body::json(&args.by)?).await?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(Exit::Ok);
    }
    let point: Checkpoint = answer.read()?;
    screen.line(format!(
        "checkpoint: {} with the hash {}, signed with key {}",
        entries(point.entries),
        point.hash,
        point.key
    ))?;
    Ok(Exit::Ok)
}

async fn redact(args: &RedactArgs, session: &mut Session) -> Result<Exit, CliError> {
    let body = json!({ "person": args.person, "actor": args.by.actor, "reason": args.by.reason });
    let answer = session.client.post(&["v1", "audit", "redactions"], Body::json(&body)?).await?;
    let redaction: Redaction = answer.read()?;
    let screen = &mut session.screen;
    let exit = if redaction.left.is_empty() { Exit::Ok } else { Exit::Failure };
    if screen.json {
        screen.answer(&answer)?;
        return Ok(exit);
    }
    let rows = words::count(redaction.rows, "row");
    screen.line(format!("{rows} changed; {} stands for the person from now on", redaction.person))?;
    for (table, rows) in &redaction.left {
        let text = format!(
            "{} of {table} still hold the word, since it is the name of something else there",
            words::count(*rows, "row")
        );
        let text = screen.paint.with(Tone::Attention, &text);
        screen.line(text)?;
    }
    if redaction.archived > 0 {
        let documents = words::count(redaction.archived, "document");
        screen.line(format!(
            "{documents} stand in files that this cannot look into: search there for the name, and remove the files that hold it"
        ))?;
    }
    Ok(exit)
}

/// `3 entries`.
fn entries(number: i64) -> String {
    if number == 1 { "1 entry".to_owned() } else { format!("{number} entries") }
}
