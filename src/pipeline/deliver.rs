//! Delivers notices from the outbox, each until it is delivered or given up.

use std::sync::Arc;

use crate::{
    job::{retry::backoff, role::LeaseName, time::Millis},
    ledger::{Command, rows::NoticeRow},
    notify::{Outgoing, SinkErrorKind},
    pipeline::context::Context,
    telemetry::failpoint,
};

/// Until a notice is taken up again that could not be tried.
const LATER: Millis = Millis::seconds(15);
/// The longest wait between two tries.
const WAIT_MAX: Millis = Millis::hours(1);

pub async fn run(context: Arc<Context>, queued: NoticeRow) {
    if !context.life.holds(&LeaseName::notify()) {
        return;
    }
    if !context.life.may_act(context.now()) {
        return context.queues.notices.push(queued.id, context.now().plus(Millis::seconds(1)), queued);
    }
    // It may have been queued again while it was being delivered: the outbox knows.
    let now = context.now();
    let notice = match context.ledger.notice(queued.id).await {
        Ok(Some(notice)) => notice,
        Ok(None) => return,
        Err(error) => {
            tracing::warn!(%error, notice = %queued.id, "a notice waits for the ledger");
            return context.queues.notices.push(queued.id, now.plus(Millis::seconds(1)), queued);
        }
    };
    match notice.next_at {
        None => return,
        Some(at) if at > now => return context.queues.notices.push(notice.id, at, notice),
        Some(_) => {}
    }
    let sink = context.sinks.usual();
    let outgoing = Outgoing {
        id: notice.id.to_string(),
        kind: notice.kind.clone(),
        occurred_at: notice.created_at,
        subject: notice.job_id.map(|job| job.to_string()).unwrap_or_default(),
        data: serde_json::from_str(&notice.body_json).unwrap_or_default(),
        pull: None,
    };
    let Some(delivered) = context.hand_over(sink.as_ref(), outgoing, None).await else {
        return context.queues.notices.push(notice.id, now.plus(LATER), notice);
    };
    failpoint::hit("notice.delivered");
    let command = match delivered {
        Ok(_) => Command::Delivered { notice: notice.id },
        Err(error) => {
            let tries = notice.tries.saturating_add(1);
            let over = error.kind == SinkErrorKind::Permanent || tries >= context.tuning.notice_tries_max;
            let wait = backoff(context.tuning.notice_base, WAIT_MAX, tries, context.entropy.draw());
            let next_at = (!over).then(|| context.now().plus(wait));
            tracing::warn!(notice = %notice.id, sink = sink.name(), error = %error.message, over, "a notice was not delivered");
            Command::Undelivered { notice: notice.id, error: error.message, next_at }
        }
    };
    // A failed try comes back through the outbox: the commit tells the feed that there is something to deliver.
    context.record(command).await;
    failpoint::hit("notice.recorded");
}
