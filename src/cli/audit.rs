//! `sluice audit verify`: is the history whole? Asks the daemon, or with `--ledger` reads the store itself, which `boot` does.

use clap::{Args, Subcommand};
use serde::Deserialize;

use crate::cli::{
    Session, Shared,
    exit::{CliError, Exit},
    screen::Tone,
    words,
};

#[derive(Clone, Debug, Subcommand)]
pub enum AuditCommand {
    /// Check every entry of the history against its hash
    Verify(AuditVerifyArgs),
}

/// `sluice audit verify`.
#[derive(Args, Clone, Debug, Default)]
pub struct AuditVerifyArgs {
    /// Read this ledger without a daemon: sqlite:PATH or postgres://USER@HOST/DATABASE
    #[arg(long, value_name = "URL")]
    pub ledger: Option<String>,
    #[arg(skip)]
    pub shared: Shared,
}

impl AuditCommand {
    /// What to read without a daemon, if that is wanted.
    pub fn offline(&self) -> Option<&AuditVerifyArgs> {
        let Self::Verify(args) = self;
        args.ledger.is_some().then_some(args)
    }
}

#[derive(Debug, Deserialize)]
struct Verified {
    entries: i64,
    hash: String,
    broken: Option<String>,
}

pub(super) async fn verify(session: &mut Session) -> Result<Exit, CliError> {
    let answer = session.client.get(&["v1", "audit", "verify"], &[]).await?;
    let verified: Verified = answer.read()?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(if verified.broken.is_some() { Exit::Failure } else { Exit::Ok });
    }
    let entries = match verified.entries {
        1 => "1 entry".to_owned(),
        entries => format!("{entries} entries"),
    };
    if let Some(broken) = verified.broken {
        let what = format!("the history is broken after {entries}: {}", words::clean(&broken));
        return Err(CliError::new(Exit::Failure, what)
            .hint("keep a copy of the ledger as it is, then compare it with your last backup"));
    }
    let paint = screen.paint;
    screen.line(format!(
        "{}: {entries}, each follows from the one before; the last one has the hash {}",
        paint.with(Tone::Good, "whole"),
        verified.hash
    ))?;
    Ok(Exit::Ok)
}
