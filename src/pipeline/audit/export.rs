//! The history, or statements about attempts, a page at a time: however long it is, no more than a page is in memory.

use std::sync::Arc;

use futures::{Stream, stream};
use serde::Deserialize;
use serde_json::json;

use crate::{
    ledger::{LedgerError, audit::Span},
    pipeline::{
        Context,
        audit::{csv, statement},
    },
};

/// Entries or attempts that are read together.
const PAGE: i64 = 500;
/// The first line of an export as JSON lines, and the last one, by the one field that each has.
pub const HEAD: &str = "sluicegate_export";
pub const END: &str = "sluicegate_export_end";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Entries as the ledger has them; such a file can be verified without the ledger.
    #[default]
    Jsonl,
    Csv,
    /// Statements about attempts.
    Intoto,
}

impl Format {
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Jsonl | Self::Intoto => "application/jsonl",
        }
    }
}

/// What is exported.
#[derive(Clone, Copy, Debug, Default)]
pub struct Export {
    pub format: Format,
    pub span: Span,
}

/// How far it is.
struct Way {
    context: Arc<Context>,
    export: Export,
    begun: bool,
    ended: bool,
    seq: i64,
    hash: String,
    entries: i64,
    /// The last attempt.
    attempt: String,
}

/// Pieces of the file, in order.
pub fn pieces(context: Arc<Context>, export: Export) -> impl Stream<Item = Result<String, LedgerError>> {
    let way = Way {
        context,
        export,
        begun: false,
        ended: false,
        seq: 0,
        hash: String::new(),
        entries: 0,
        attempt: String::new(),
    };
    stream::try_unfold(way, |mut way| async move {
        if way.ended {
            return Ok(None);
        }
        let mut piece = if std::mem::replace(&mut way.begun, true) { String::new() } else { way.head() };
        let more = match export_page(&mut way, &mut piece).await {
            Ok(more) => more,
            Err(error) => {
                tracing::error!(%error, "an export was cut off");
                return Err(error);
            }
        };
        if !more {
            way.ended = true;
            piece.push_str(&way.end());
        }
        Ok(Some((piece, way)))
    })
}

async fn export_page(way: &mut Way, piece: &mut String) -> Result<bool, LedgerError> {
    match way.export.format {
        Format::Intoto => way.attempts(piece).await,
        Format::Jsonl | Format::Csv => way.entries(piece).await,
    }
}

impl Way {
    fn head(&self) -> String {
        let Span { since, until, request } = self.export.span;
        match self.export.format {
            Format::Jsonl => {
                let head = json!({ HEAD: {
                    "version": 1, "since": since.map(|at| at.to_string()), "until": until.map(|at| at.to_string()),
                    "request": request,
                } });
                format!("{head}\n")
            }
            Format::Csv => csv::HEAD.to_owned(),
            Format::Intoto => String::new(),
        }
    }

    fn end(&self) -> String {
        match self.export.format {
            Format::Jsonl => {
                let end = json!({ END: { "entries": self.entries, "seq": self.seq, "hash": self.hash } });
                format!("{end}\n")
            }
            Format::Csv | Format::Intoto => String::new(),
        }
    }

    async fn entries(&mut self, piece: &mut String) -> Result<bool, LedgerError> {
        let page = self.context.ledger.entries_in(&self.export.span, self.seq, PAGE).await?;
        for entry in &page {
            match self.export.format {
                Format::Csv => piece.push_str(&csv::line(entry)),
                Format::Jsonl | Format::Intoto => {
                    piece.push_str(&serde_json::to_string(entry).map_err(unwritable)?);
                    piece.push('\n');
                }
            }
            self.seq = entry.seq;
            self.hash.clone_from(&entry.hash);
            self.entries = self.entries.saturating_add(1);
        }
        Ok(i64::try_from(page.len()).is_ok_and(|found| found >= PAGE))
    }

    async fn attempts(&mut self, piece: &mut String) -> Result<bool, LedgerError> {
        let ledger = &self.context.ledger;
        let page = ledger.attempts_in_span(&self.export.span, &self.attempt, PAGE).await?;
        let ids: Vec<_> = page.iter().map(|attempt| attempt.job_id).collect();
        let jobs = ledger.jobs_among(&ids).await?;
        let specs = self.context.specs_of(&jobs).await?;
        let signer = self.context.tuning.audit.signer.as_deref();
        for attempt in &page {
            let job = jobs.iter().find(|job| job.id == attempt.job_id);
            if let Some((job, shared)) = job.and_then(|job| Some((job, specs.get(&job.request_id)?))) {
                piece.push_str(&statement::line(&shared.request, job, attempt, signer));
            }
            self.attempt = attempt.id.to_string();
        }
        Ok(i64::try_from(page.len()).is_ok_and(|found| found >= PAGE))
    }
}

fn unwritable(error: serde_json::Error) -> LedgerError {
    LedgerError::Corrupt(error.to_string().into())
}
