//! Delivers to one receiver at a time what waits for it, each notice until it is delivered or given up. What one receiver does
//! not take holds up no other.

use std::{cmp::Reverse, collections::HashMap, future::ready, sync::Arc};

use futures::{StreamExt as _, stream};

use crate::{
    job::{
        id::NoticeId,
        retry::backoff,
        role::LeaseName,
        time::{Millis, Timestamp},
    },
    ledger::{
        Command, LedgerError,
        mail::Mail,
        rows::{MailingRow, NoticeRow},
    },
    notify::{
        Outgoing, Sink, SinkError, SinkErrorKind,
        message::{Digest, Digested},
    },
    pipeline::{context::Context, outbox, summaries},
    policy::notices::Severity,
    telemetry::failpoint,
};

/// Until what could not be tried is taken up again.
pub(super) const LATER: Millis = Millis::seconds(15);
/// The longest wait between two tries.
const WAIT_MAX: Millis = Millis::hours(1);
/// Read at a time, and in one digest at most: a message names no more.
const PAGE: i64 = 50;
/// On their way to one receiver at once.
const AT_ONCE: usize = 4;

/// What is to be done about notices.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Errand {
    /// Decide where new ones go.
    Route,
    /// Deliver what waits for this receiver.
    Sink(String),
    /// Tell anew what requests come to.
    Summaries,
}

/// One thing to send, with the notices that it tells.
struct Letter {
    notices: Vec<NoticeId>,
    /// That it was tried before.
    tries: u32,
    outgoing: Outgoing,
}

pub async fn run(context: Arc<Context>, errand: Errand) {
    if !context.life.holds(&LeaseName::notify()) {
        return;
    }
    let soon = context.now().plus(Millis::seconds(1));
    if !context.life.may_act(context.now()) {
        return context.queues.notices.push(errand.clone(), soon, errand);
    }
    let done = match &errand {
        Errand::Route => outbox::route(&context).await,
        Errand::Sink(name) => deliver(&context, name).await,
        Errand::Summaries => summaries::tell(&context).await,
    };
    if let Err(error) = done {
        tracing::warn!(%error, ?errand, "notices wait for the ledger");
        context.queues.notices.push(errand.clone(), soon, errand);
    }
}

/// When a failed try is made again; None: it is given up.
pub fn again(context: &Context, kind: SinkErrorKind, tries: u32) -> Option<Timestamp> {
    let over = kind == SinkErrorKind::Permanent || tries >= context.tuning.notice_tries_max;
    let wait = backoff(context.tuning.notice_base, WAIT_MAX, tries, context.entropy.draw());
    (!over).then(|| context.now().plus(wait))
}

/// Why what waits for a receiver that is configured no more is given up.
pub fn gone(name: &str) -> String {
    format!("there is no receiver `{name}` in the configuration any more")
}

async fn deliver(context: &Context, name: &str) -> Result<(), LedgerError> {
    let Some(sink) = context.sinks.get(name) else { return give_up(context, name).await };
    let now = context.now();
    let mut due = context.ledger.mailings_due(name, now, PAGE).await?;
    let loose = |row: &&MailingRow| row.bundled == 1 && row.digest_id.is_none();
    let notices: Vec<NoticeId> = due.iter().filter(loose).map(|row| row.notice_id).collect();
    if !notices.is_empty() {
        // Under a name that the ledger knows: a repetition after a crash is the same message with the same notices.
        let bundle = Mail::Bundled { notices, sink: name.to_owned() };
        context.ledger.write(Command::Mail(bundle)).await?;
        due = context.ledger.mailings_due(name, now, PAGE).await?;
    }
    let letters = letters(context, due).await?;
    let sent = stream::iter(letters).map(|letter| send(context, sink.as_ref(), letter));
    let tried = sent.buffer_unordered(AT_ONCE).fold(true, |all, one| ready(all && one)).await;
    if let Some(at) = context.ledger.next_delivery(name).await? {
        let errand = Errand::Sink(name.to_owned());
        let at = if tried { at } else { at.max(now.plus(LATER)) };
        context.queues.notices.push(errand.clone(), at, errand);
    }
    Ok(())
}

async fn give_up(context: &Context, name: &str) -> Result<(), LedgerError> {
    loop {
        let all = context.ledger.mailings_due(name, Timestamp(i64::MAX), PAGE).await?;
        if all.is_empty() {
            return Ok(());
        }
        tracing::warn!(
            sink = name,
            notices = all.len(),
            "notices are given up: the receiver is configured no more"
        );
        let notices = all.into_iter().map(|row| row.notice_id).collect();
        let (sink, error) = (name.to_owned(), gone(name));
        context.ledger.write(Command::Mail(Mail::Failed { notices, sink, error, next_at: None })).await?;
    }
}

/// Whether this worker still delivers: what takes long may outlast its right to.
pub fn may_go_on(context: &Context) -> bool {
    context.life.holds(&LeaseName::notify()) && context.life.may_act(context.now())
}

/// False: it could not be tried now.
async fn send(context: &Context, sink: &dyn Sink, letter: Letter) -> bool {
    if !may_go_on(context) {
        return false;
    }
    let Letter { notices, tries, outgoing } = letter;
    let id = outgoing.id.clone();
    let Some(delivered) = context.hand_over(sink, outgoing, None).await else { return false };
    failpoint::hit("notice.delivered");
    let name = sink.name().to_owned();
    let mail = match delivered {
        Ok(_) => Mail::Delivered { notices, sink: name },
        Err(SinkError { kind, message, .. }) => {
            let next_at = again(context, kind, tries.saturating_add(1));
            let over = next_at.is_none();
            tracing::warn!(notice = id, sink = name, error = message, over, "a notice was not delivered");
            Mail::Failed { notices, sink: name, error: message, next_at }
        }
    };
    context.record(Command::Mail(mail)).await;
    failpoint::hit("notice.recorded");
    true
}

/// What goes alone, and what goes together in full, however the page was cut.
async fn letters(context: &Context, due: Vec<MailingRow>) -> Result<Vec<Letter>, LedgerError> {
    let (bundled, alone): (Vec<_>, Vec<_>) = due.into_iter().partition(|row| row.bundled == 1);
    let mut digests: Vec<NoticeId> = bundled.iter().filter_map(|row| row.digest_id).collect();
    digests.sort_unstable();
    digests.dedup();
    let mut bundles = Vec::new();
    for digest in digests {
        bundles.push((digest, context.ledger.bundle(digest).await?));
    }
    let together = bundles.iter().flat_map(|(_, rows)| rows);
    let ids: Vec<NoticeId> = alone.iter().chain(together).map(|row| row.notice_id).collect();
    let notices = context.ledger.notices_by_id(&ids).await?;
    let notices: HashMap<NoticeId, NoticeRow> =
        notices.into_iter().map(|notice| (notice.id, notice)).collect();
    let mut letters = Vec::new();
    for row in alone {
        let Some(notice) = notices.get(&row.notice_id) else { continue };
        letters.push(Letter { notices: vec![row.notice_id], tries: row.tries, outgoing: outgoing(notice) });
    }
    for (digest, rows) in bundles {
        let told: Vec<&NoticeRow> = rows.iter().filter_map(|row| notices.get(&row.notice_id)).collect();
        letters.push(Letter {
            notices: told.iter().map(|notice| notice.id).collect(),
            tries: rows.iter().map(|row| row.tries).max().unwrap_or_default(),
            outgoing: digest_of(digest, &told),
        });
    }
    Ok(letters)
}

fn outgoing(notice: &NoticeRow) -> Outgoing {
    Outgoing {
        id: notice.id.to_string(),
        kind: notice.kind.clone(),
        occurred_at: notice.created_at,
        subject: notice.job_id.map(|job| job.to_string()).unwrap_or_default(),
        data: serde_json::from_str(&notice.body_json).unwrap_or_default(),
        pull: None,
    }
}

/// Several notices as one; the worst first.
fn digest_of(id: NoticeId, notices: &[&NoticeRow]) -> Outgoing {
    let mut sorted = notices.to_vec();
    sorted.sort_by_key(|notice| (Reverse(Severity::of(&notice.kind)), notice.created_at, notice.id));
    let told = sorted.into_iter().map(|notice| {
        let Outgoing { id, kind, occurred_at, subject, data, .. } = outgoing(notice);
        Digested { id, kind, occurred_at: occurred_at.to_string(), subject, data }
    });
    // The receiver looks for what it may have since then.
    let first = notices.iter().map(|notice| notice.created_at).min().unwrap_or_default();
    let digest =
        Digest { notices: told.collect(), because: "collected by the route that sends them here".to_owned() };
    digest.outgoing(id.to_string(), first)
}
