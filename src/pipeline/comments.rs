//! A receiver of notices that is a conversation at the forge: comments on the pull request of a job, or on one issue. Each
//! comment ends with a line by which it is found again, so that an answer that was lost costs no second one.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    agent::{AgentError, Comments, FailKind},
    job::{repository::Repository, time::Millis},
    notify::{Found, Handle, Outgoing, Sink, SinkError, SinkErrorKind, SinkReason, message::Message, render},
    pipeline::Context,
};

/// The clocks of this machine and of the forge may differ by so much.
const SKEW: Millis = Millis::minutes(10);
/// What this receiver is.
pub const KIND: &str = "github_comment";

/// Where comments are written, and as whom.
pub struct CommentSink {
    pub name: String,
    pub identity: String,
    /// On the pull request of the job, where there is one.
    pub on_pull_request: bool,
    /// The issue for everything else.
    pub repository: Repository,
    pub number: u64,
    pub comments: Arc<dyn Comments>,
}

impl CommentSink {
    fn place<'a>(&'a self, notice: &'a Outgoing) -> (&'a Repository, u64) {
        let pull = notice.pull.as_ref().filter(|_| self.on_pull_request);
        pull.map_or((&self.repository, self.number), |(repository, number)| (repository, *number))
    }

    fn failed(&self, doing: &str, at: (&Repository, u64), error: &AgentError) -> SinkError {
        let (kind, reason, advice) = judge(error.kind);
        let (repository, number) = at;
        let message = format!("{doing} at {} ({repository}#{number}): {error}{advice}", self.name);
        SinkError { kind, reason, message }
    }
}

#[async_trait]
impl Sink for CommentSink {
    fn name(&self) -> &str {
        &self.name
    }
    fn kind(&self) -> &'static str {
        KIND
    }

    async fn deliver(&self, notice: &Outgoing) -> Result<Option<Handle>, SinkError> {
        match self.find(notice).await? {
            Some(Found { handle, same }) if same || self.update(&handle, notice).await? => Ok(Some(handle)),
            _ => self.add(notice).await,
        }
    }

    async fn find(&self, notice: &Outgoing) -> Result<Option<Found>, SinkError> {
        let at = self.place(notice);
        let since = notice.occurred_at.minus(SKEW);
        let marker = render::marker(&notice.id);
        let there = self.comments.find_comment(&self.identity, at, &marker, since).await;
        let there =
            there.map_err(|error| self.failed(&format!("look for notice {}", notice.id), at, &error))?;
        let body = || render::github(&Message::of(notice));
        Ok(there.map(|there| Found { handle: handle(at.0, there.id), same: there.body.trim_end() == body() }))
    }

    async fn add(&self, notice: &Outgoing) -> Result<Option<Handle>, SinkError> {
        let at = self.place(notice);
        let body = render::github(&Message::of(notice));
        let added = self.comments.add_comment(&self.identity, at, &body).await;
        let added =
            added.map_err(|error| self.failed(&format!("comment notice {}", notice.id), at, &error))?;
        Ok(Some(handle(at.0, added.id)))
    }

    async fn examine(&self) -> Result<String, SinkError> {
        let at = (&self.repository, self.number);
        let nothing = render::marker("nothing");
        // The newest moment there can be: an empty list is all that is asked for.
        let found = self.comments.find_comment(&self.identity, at, &nothing, FAR).await;
        found.map_err(|error| self.failed("look for the issue", at, &error))?;
        Ok(format!("{}#{} can be read as {}", at.0, at.1, self.identity))
    }

    fn edits(&self) -> bool {
        true
    }

    async fn update(&self, known: &Handle, notice: &Outgoing) -> Result<bool, SinkError> {
        let Some((repository, id)) = read(known) else { return Ok(false) };
        let body = render::github(&Message::of(notice));
        match self.comments.edit_comment(&self.identity, &repository, id, &body).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind == FailKind::NotFound => Ok(false),
            Err(error) => Err(self.failed(&format!("edit notice {}", notice.id), self.place(notice), &error)),
        }
    }
}

/// Later than anything that is there.
const FAR: crate::job::time::Timestamp = crate::job::time::Timestamp(4_102_444_800_000);

fn handle(repository: &Repository, id: u64) -> Handle {
    Handle(format!("{repository}/{id}"))
}

fn read(handle: &Handle) -> Option<(Repository, u64)> {
    let (repository, id) = handle.0.rsplit_once('/')?;
    Some((repository.parse().ok()?, id.parse().ok()?))
}

fn judge(kind: FailKind) -> (SinkErrorKind, SinkReason, &'static str) {
    use SinkErrorKind::{Permanent, Transient};
    match kind {
        FailKind::RateLimited { .. } => (Transient, SinkReason::RateLimited, ""),
        // The token may be renewed without a restart.
        FailKind::Unauthorised => (Transient, SinkReason::Unauthorised, "; renew its token"),
        FailKind::Forbidden => (
            Permanent,
            SinkReason::Unauthorised,
            "; give its token `Issues: write` (and `Pull requests: write`) there, see that the conversation is not locked, \
             or name another identity for this receiver",
        ),
        FailKind::NotFound => (
            Permanent,
            SinkReason::UnknownRecipient,
            "; see that `repository` and `number` are right, and that its token reaches the repository",
        ),
        FailKind::Invalid => (Permanent, SinkReason::Rejected, ""),
        FailKind::Unreachable | FailKind::Late => (Transient, SinkReason::Unreachable, ""),
        // It may have been written: the next try looks first.
        FailKind::Ambiguous => (Transient, SinkReason::ServerError, ""),
    }
}

impl Context {
    /// Delivers a notice, or puts it in the place of what was delivered before. None: not now, and no try was made: the
    /// ledger cannot say where it goes, or the kill switch is on, under which nothing is written at the provider.
    pub async fn hand_over(
        &self,
        sink: &dyn Sink,
        notice: Outgoing,
        delivered: Option<&Handle>,
    ) -> Option<Result<Option<Handle>, SinkError>> {
        match self.told(sink, notice, delivered).await {
            Ok(handle) => Some(Ok(handle)),
            Err(error) => error.map(Err),
        }
    }

    /// Err(None): not now.
    async fn told(
        &self,
        sink: &dyn Sink,
        notice: Outgoing,
        delivered: Option<&Handle>,
    ) -> Result<Option<Handle>, Option<SinkError>> {
        let forge = sink.kind() == KIND;
        if forge && self.closures.kill_switch().is_some() {
            return Err(None);
        }
        let notice = if forge { self.with_pull(notice).await.ok_or(None)? } else { notice };
        if let Some(handle) = delivered
            && self.write_at(forge, sink.update(handle, &notice)).await?
        {
            return Ok(Some(handle.clone()));
        }
        // The answer to one that was made may have been lost, also after somebody has deleted the one before; what is deleted
        // may still be listed for a while.
        let found = sink.find(&notice).await?.filter(|found| Some(&found.handle) != delivered);
        if let Some(Found { handle, same }) = found
            && (same || self.write_at(forge, sink.update(&handle, &notice)).await?)
        {
            return Ok(Some(handle));
        }
        self.write_at(forge, sink.add(&notice)).await
    }

    /// One write. Whoever throws the kill switch waits until it has been answered, or it sees them; all that is only read, which
    /// may take long, stays outside.
    async fn write_at<T>(
        &self,
        forge: bool,
        write: impl Future<Output = Result<T, SinkError>>,
    ) -> Result<T, Option<SinkError>> {
        let _passing = if forge { Some(self.closures.pass().await) } else { None };
        if forge && self.closures.kill_switch().is_some() {
            return Err(None);
        }
        Ok(write.await?)
    }

    async fn with_pull(&self, notice: Outgoing) -> Option<Outgoing> {
        let Ok(job) = notice.subject.parse() else { return Some(notice) };
        match self.ledger.job(job).await {
            Ok(row) => {
                let pull = row.and_then(|row| Some((row.repository.clone(), row.pull_number?)));
                Some(Outgoing { pull, ..notice })
            }
            Err(error) => {
                tracing::warn!(%error, notice = %notice.id, "a notice waits for the ledger");
                None
            }
        }
    }
}
