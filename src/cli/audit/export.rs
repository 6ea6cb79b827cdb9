//! `sluice audit export`: writes as it comes, so that nothing of it is kept in memory.

use std::{fs::File, io::Write, path::PathBuf};

use clap::{Args, ValueEnum};

use crate::cli::{
    Session,
    exit::{CliError, Exit},
};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// Entries as they are in the ledger; can be verified without it
    #[default]
    Jsonl,
    /// Entries for spreadsheets
    Csv,
    /// An in-toto statement for each attempt, signed if there is a key
    Intoto,
}

#[derive(Args, Clone, Debug)]
pub struct ExportArgs {
    /// Not before this time, such as 2026-11-20T10:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: ExportFormat,
    /// Only this request, by its id or the end of it
    #[arg(long, value_name = "ID")]
    request: Option<String>,
    /// Gets it; must not be there yet [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub async fn run(args: &ExportArgs, session: &mut Session) -> Result<Exit, CliError> {
    let format = args.format.to_possible_value().map(|value| value.get_name().to_owned());
    let query = [
        ("since", args.since.clone()),
        ("until", args.until.clone()),
        ("format", format),
        ("request", args.request.clone()),
    ];
    let path = ["v1", "audit", "export"];
    let Some(out) = &args.out else {
        session.client.download(&path, &query, &mut std::io::stdout()).await?;
        return Ok(Exit::Ok);
    };
    let failed = |error: std::io::Error| CliError::new(Exit::Failure, format!("{}: {error}", out.display()));
    let mut file = File::options().write(true).create_new(true).open(out).map_err(failed)?;
    let done = session.client.download(&path, &query, &mut file).await;
    if let Err(error) = done {
        // Half a file would be taken for a whole one.
        std::fs::remove_file(out).ok();
        return Err(error);
    }
    file.flush().and_then(|()| file.sync_all()).map_err(failed)?;
    Ok(Exit::Ok)
}
