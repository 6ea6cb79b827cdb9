//! What auditors ask for and do: the story of a job, exports, checkpoints, redaction, and moving old documents to files.

mod csv;
mod export;
mod keep;
mod redact;
mod statement;
mod story;

use std::{path::PathBuf, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use export::{END, Export, Format, HEAD, pieces};
pub use redact::{RedactError, Redaction};
pub use statement::{PAYLOAD_TYPE, PREDICATE_TYPE, pre_authenticated};

use crate::{
    job::{
        id::JobId,
        repository::Repository,
        state::State,
        time::{Millis, Timestamp},
    },
    ledger::{
        audit::Document,
        command::{Command, Moved},
        rows::{ArchiveRow, EntryRow, RequestRow},
        signing::Signer,
        verify::{Trust, Verified},
    },
    pipeline::{By, Context, LedgerError, OperateError, operate::done, view::JobDetail},
};

/// A checkpoint, as the callers of the pipeline see it.
pub type Checkpoint = crate::ledger::signing::Checkpoint;
/// A document that was moved, as the callers of the pipeline tell of it.
pub type MovedDocument = Moved;
/// A document that may be moved, as the callers of the pipeline get it.
pub type MovableDocument = Document;
/// Which part of the history, as the callers of the pipeline name it.
pub type Span = crate::ledger::audit::Span;

/// How the history is kept trustworthy.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// None: nothing is signed.
    pub signer: Option<Arc<Signer>>,
    /// After so many entries, or so long if there was any, a checkpoint is made.
    pub every_entries: i64,
    pub every: Millis,
    /// Gets a copy of each checkpoint.
    pub file: Option<PathBuf>,
    pub trust: Trust,
}

/// Everything about one job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobStory {
    pub sentence: String,
    pub detail: JobDetail,
    /// What was moved to files.
    pub archived: Vec<ArchiveRow>,
}

/// Everything about one request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequestStory {
    pub sentence: String,
    pub request: RequestRow,
    /// With every reason.
    pub skipped: Value,
    pub jobs: Vec<JobLine>,
    /// Of the request itself; each job has its own.
    pub history: Vec<EntryRow>,
}

/// One job of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobLine {
    pub id: JobId,
    pub repository: Repository,
    pub state: State,
    pub sentence: String,
}

impl Context {
    /// Checks the history against the keys that the configuration trusts.
    pub async fn verify(&self) -> Result<Verified, LedgerError> {
        self.ledger.verify_with(&self.tuning.audit.trust).await
    }

    /// What may be moved to files.
    pub async fn movable(
        &self,
        before: Timestamp,
        after: i64,
        limit: i64,
    ) -> Result<(Vec<MovableDocument>, Option<i64>), LedgerError> {
        self.ledger.movable(before, after, limit).await
    }

    /// Takes documents out of the ledger that stand in files.
    pub async fn archive(
        &self,
        documents: Vec<MovedDocument>,
        place: String,
        by: By,
    ) -> Result<(), OperateError> {
        done(self.ledger.write(Command::Archive { documents, place, by }).await?)
    }
}
