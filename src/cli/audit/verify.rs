//! `sluice audit verify`: is the history whole, as the daemon reads it?

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::cli::{
    Session,
    audit::{AuditVerifyArgs, entries},
    exit::{CliError, Exit},
    screen::Tone,
    words,
};

#[derive(Debug, Deserialize)]
struct Verified {
    entries: i64,
    hash: String,
    broken: Option<String>,
    #[serde(default)]
    redacted: u64,
    #[serde(default)]
    checkpoints: u64,
    #[serde(default)]
    keys: BTreeSet<String>,
}

pub async fn run(args: &AuditVerifyArgs, session: &mut Session) -> Result<Exit, CliError> {
    if !args.trust.is_empty() || args.checkpoints.is_some() {
        return Err(CliError::new(Exit::Usage, "--trust and --checkpoints are for files and for --ledger")
            .hint("the daemon trusts the keys of its configuration; give --ledger URL to check it without the daemon"));
    }
    let answer = session.client.get(&["v1", "audit", "verify"], &[]).await?;
    let verified: Verified = answer.read()?;
    let screen = &mut session.screen;
    if screen.json {
        screen.answer(&answer)?;
        return Ok(if verified.broken.is_some() { Exit::Failure } else { Exit::Ok });
    }
    if let Some(broken) = verified.broken {
        let what =
            format!("the history is broken after {}: {}", entries(verified.entries), words::clean(&broken));
        return Err(CliError::new(Exit::Failure, what)
            .hint("keep a copy of the ledger as it is, then compare it with your last backup"));
    }
    let paint = screen.paint;
    screen.line(format!(
        "{}: {}, each follows from the one before; the last one has the hash {}",
        paint.with(Tone::Good, "whole"),
        entries(verified.entries),
        verified.hash
    ))?;
    if verified.redacted > 0 {
        screen.line(format!("redacted entries: {}, each told of in the history", verified.redacted))?;
    }
    if verified.checkpoints > 0 {
        let keys: Vec<String> = verified.keys.into_iter().collect();
        let points = words::count(verified.checkpoints, "checkpoint");
        screen.line(format!("{points}, signed with {}", keys.join(", ")))?;
    }
    Ok(Exit::Ok)
}
