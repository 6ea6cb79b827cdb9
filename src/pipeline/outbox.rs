//! Takes notices up: asks the routes where each goes, and writes down the answer before anything is sent.

use std::sync::{Arc, atomic::AtomicI64};

use crate::{
    job::{id::RequestId, role::LeaseName, time::Timestamp},
    ledger::{Command, LedgerError, mail::Mail, rows::NoticeRow},
    pipeline::{
        context::{Context, SharedSpec},
        deliver::Errand,
    },
    policy::notices::{Decision, Severity, Told},
};

/// Taken up in one transaction.
const PAGE: i64 = 200;

/// What the holder of `notify` remembers.
#[derive(Debug)]
pub struct Outbox {
    /// Position of the history up to which requests were looked at for their summaries; below 0: not known.
    pub summed_up: AtomicI64,
}

impl Default for Outbox {
    fn default() -> Self {
        Self { summed_up: AtomicI64::new(-1) }
    }
}

/// Everything that waits, if this worker delivers: after it has come to do so, and at each sweep.
pub async fn take_up(context: &Context) -> Result<(), LedgerError> {
    if !context.life.holds(&LeaseName::notify()) {
        return Ok(());
    }
    take_up_new(context);
    for waiting in context.ledger.mailings_waiting().await? {
        // One that is gone from the configuration is not waited for.
        let known = context.sinks.get(&waiting.sink).is_some();
        let at = if known { waiting.next_at } else { context.now() };
        let errand = Errand::Sink(waiting.sink);
        context.queues.notices.push(errand.clone(), at, errand);
    }
    if !context.tuning.notices.summaries.is_empty() {
        context.queues.notices.push(Errand::Summaries, context.now(), Errand::Summaries);
    }
    Ok(())
}

/// What nobody has looked at yet, if this worker delivers.
pub fn take_up_new(context: &Context) {
    if context.life.holds(&LeaseName::notify()) {
        context.queues.notices.push(Errand::Route, context.now(), Errand::Route);
    }
}

pub async fn route(context: &Context) -> Result<(), LedgerError> {
    loop {
        let page = context.ledger.notices_unrouted(PAGE).await?;
        let mut commands = Vec::with_capacity(page.len());
        let mut errands = Vec::new();
        for notice in &page {
            let decision = context.where_to(notice).await?;
            errands.extend(decision.to.iter().map(|deposit| (deposit.sink.clone(), deposit.at)));
            commands.push(Command::Mail(Mail::Routed { notice: notice.id, decision }));
        }
        for answer in context.ledger.write_all(commands).await {
            answer?;
        }
        for (sink, at) in errands {
            let errand = Errand::Sink(sink);
            context.queues.notices.push(errand.clone(), at, errand);
        }
        if i64::try_from(page.len()).is_ok_and(|length| length < PAGE) {
            return Ok(());
        }
    }
}

impl Context {
    /// Where a notice goes if it is taken up now.
    async fn where_to(&self, notice: &NoticeRow) -> Result<Decision, LedgerError> {
        let spec = match request_of(notice) {
            // Without a route nobody asks whose it is.
            Some(request) if !self.tuning.notices.routes.is_empty() => self.known(request).await?,
            _ => None,
        };
        let told = Told {
            kind: &notice.kind,
            severity: Severity::of(&notice.kind),
            team: spec.as_ref().map(|shared| shared.request.team.as_str()),
            template: spec.as_ref().map(|shared| shared.request.template.as_str()),
        };
        Ok(self.decide(told, self.now()))
    }

    /// None: there is no such request, or nobody can read it, which holds up no notice.
    async fn known(&self, request: RequestId) -> Result<Option<Arc<SharedSpec>>, LedgerError> {
        let known = match self.ledger.request(request).await {
            Ok(None) => return Ok(None),
            Ok(Some(_)) => self.spec(request).await,
            Err(error) => Err(error),
        };
        match known {
            Ok(spec) => Ok(Some(spec)),
            Err(error @ LedgerError::Corrupt(_)) => {
                tracing::warn!(%error, %request, "a notice is routed as if its request were not known");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Where such a notice goes if it is taken up at some time.
    pub fn decide(&self, told: Told<'_>, at: Timestamp) -> Decision {
        self.tuning.notices.decide(told, self.sinks.usual().name(), at)
    }
}

/// Of its job, or the one that its body names.
fn request_of(notice: &NoticeRow) -> Option<RequestId> {
    let body = || serde_json::from_str::<serde_json::Value>(&notice.body_json).ok();
    notice.request_id.or_else(|| body()?.get("request")?.as_str()?.parse().ok())
}
