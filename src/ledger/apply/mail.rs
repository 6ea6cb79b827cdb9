//! The way of a notice: which receivers it goes to, and how it went with each. A notice is open until none of them waits for it.

use serde_json::{Value, json};

use crate::{
    job::{id::NoticeId, time::Timestamp},
    ledger::{
        command::{By, OURSELVES, Reply},
        mail::{Mail, MailingRow, NoticeAct},
        working_set::{About, WorkingSet},
    },
    policy::notices::Decision,
};

pub fn mail(set: &mut WorkingSet, mail: &Mail) -> Reply {
    match mail {
        Mail::Routed { notice, decision } => routed(set, *notice, decision),
        Mail::Bundled { notices, sink } => bundled(set, notices, sink),
        Mail::Delivered { notices, sink } => each(set, notices, |set, notice| delivered(set, notice, sink)),
        Mail::Failed { notices, sink, error, next_at } => {
            each(set, notices, |set, notice| failed(set, notice, (sink, error), *next_at))
        }
        Mail::Summaries { rows } => {
            set.post.summaries.extend(rows.iter().cloned());
            Reply::Done
        }
    }
}

pub fn act(set: &mut WorkingSet, act: &NoticeAct, by: &By) -> Reply {
    match act {
        NoticeAct::Retry { notice, sink } => retry(set, *notice, sink.as_deref(), by),
        NoticeAct::Test { sink, outcome } => {
            let body = json!({ "sink": sink, "outcome": outcome, "reason": by.reason });
            set.enter("notice.tested", About::default(), &by.actor, &body);
            Reply::Done
        }
    }
}

/// Stale if it was for none of them.
fn each(
    set: &mut WorkingSet,
    notices: &[NoticeId],
    one: impl Fn(&mut WorkingSet, NoticeId) -> bool,
) -> Reply {
    let mut any = false;
    for notice in notices {
        any |= one(set, *notice);
    }
    if any { Reply::Done } else { Reply::Stale("no such notice waits for this receiver".to_owned()) }
}

fn routed(set: &mut WorkingSet, notice: NoticeId, decision: &Decision) -> Reply {
    let open = set.notices.get(&notice).is_some_and(|row| row.next_at.is_some() && row.route.is_none());
    if !open {
        return Reply::Stale(format!("notice {notice} does not wait for a route"));
    }
    if let Some(row) = set.notices.edit(&notice) {
        row.route = Some(decision.route.clone());
        row.next_at = decision.to.iter().map(|deposit| deposit.at).min();
    }
    for deposit in &decision.to {
        let id = MailingRow::key(notice, &deposit.sink);
        let row = MailingRow {
            id: id.clone(),
            notice_id: notice,
            sink: deposit.sink.clone(),
            due_at: deposit.at,
            bundled: deposit.digest.into(),
            digest_id: None,
            tries: 0,
            next_at: Some(deposit.at),
            delivered_at: None,
            dead_at: None,
            last_error: None,
        };
        set.post.mailings.put(id, row);
    }
    if decision.to.is_empty() {
        tell(set, notice, "notice.dropped", json!({ "route": decision.route }));
    }
    Reply::Done
}

fn bundled(set: &mut WorkingSet, notices: &[NoticeId], sink: &str) -> Reply {
    let id = NoticeId::new(set.now, set.draw());
    each(set, notices, |set, notice| {
        let Some(row) = waiting(set, notice, sink).filter(|row| row.digest_id.is_none()) else {
            return false;
        };
        row.digest_id = Some(id);
        true
    })
}

fn delivered(set: &mut WorkingSet, notice: NoticeId, sink: &str) -> bool {
    let now = set.now;
    let Some(row) = waiting(set, notice, sink) else { return false };
    row.delivered_at = Some(now);
    row.next_at = None;
    row.tries = row.tries.saturating_add(1);
    let told = json!({ "sink": sink, "tries": row.tries, "digest": row.digest_id });
    sum_up(set, notice, None);
    tell(set, notice, "notice.delivered", told);
    true
}

fn failed(
    set: &mut WorkingSet,
    notice: NoticeId,
    (sink, error): (&str, &str),
    next_at: Option<Timestamp>,
) -> bool {
    let now = set.now;
    let Some(row) = waiting(set, notice, sink) else { return false };
    row.tries = row.tries.saturating_add(1);
    row.next_at = next_at;
    row.last_error = Some(error.to_owned());
    row.dead_at = next_at.is_none().then_some(now);
    let told = json!({ "sink": sink, "tries": row.tries, "error": error });
    sum_up(set, notice, Some(error));
    if next_at.is_none() {
        tell(set, notice, "notice.given_up", told);
    }
    true
}

fn retry(set: &mut WorkingSet, notice: NoticeId, sink: Option<&str>, by: &By) -> Reply {
    let now = set.now;
    let Some(row) = set.notices.get(&notice).cloned() else {
        return Reply::Stale(format!("notice {notice} is not known"));
    };
    let of_notice = set.post.mailings.map.values().filter(|row| row.notice_id == notice);
    let given_up = of_notice.filter(|row| row.dead_at.is_some() && sink.is_none_or(|sink| row.sink == sink));
    let ids: Vec<(String, String)> = given_up.map(|row| (row.id.clone(), row.sink.clone())).collect();
    for (id, _) in &ids {
        if let Some(row) = set.post.mailings.edit(id) {
            // Whatever it went with before: now it goes alone, and anew.
            (row.bundled, row.digest_id, row.due_at) = (0, None, now);
            (row.tries, row.dead_at, row.next_at) = (0, None, Some(now));
        }
    }
    // One that was given up before there were routes is looked at as if it were new.
    let old = row.route.is_none() && row.dead_at.is_some() && sink.is_none();
    if ids.is_empty() && !old {
        return Reply::Conflict(match sink {
            Some(sink) => format!("notice {notice} was not given up at `{sink}`"),
            None => format!("notice {notice} was not given up anywhere"),
        });
    }
    if old && let Some(row) = set.notices.edit(&notice) {
        (row.dead_at, row.next_at) = (None, Some(now));
    }
    if !old {
        sum_up(set, notice, None);
    }
    let sinks: Vec<String> = ids.into_iter().map(|(_, sink)| sink).collect();
    let about = About { request: row.request_id, job: row.job_id, attempt: None };
    let body = json!({ "notice": notice, "kind": row.kind, "sinks": sinks, "reason": by.reason });
    set.enter("notice.retried", about, &by.actor, &body);
    Reply::Done
}

/// Of a notice at a receiver that does not have it yet; for changing.
fn waiting<'a>(set: &'a mut WorkingSet, notice: NoticeId, sink: &str) -> Option<&'a mut MailingRow> {
    // Not by its key, from which a person's name may have been taken.
    let is_it = |row: &&MailingRow| row.notice_id == notice && row.sink == sink && row.next_at.is_some();
    let id = set.post.mailings.map.values().find(is_it)?.id.clone();
    set.post.mailings.edit(&id)
}

/// What the notice as a whole comes to.
fn sum_up(set: &mut WorkingSet, notice: NoticeId, error: Option<&str>) {
    let now = set.now;
    let all: Vec<&MailingRow> =
        set.post.mailings.map.values().filter(|row| row.notice_id == notice).collect();
    let next_at = all.iter().filter_map(|row| row.next_at).min();
    let tries = all.iter().fold(0_u32, |sum, row| sum.saturating_add(row.tries));
    let lost = all.iter().any(|row| row.dead_at.is_some());
    if let Some(row) = set.notices.edit(&notice) {
        (row.next_at, row.tries) = (next_at, tries);
        row.delivered_at = (next_at.is_none() && !lost).then_some(now);
        row.dead_at = (next_at.is_none() && lost).then_some(now);
        if let Some(error) = error {
            row.last_error = Some(error.to_owned());
        }
    }
}

fn tell(set: &mut WorkingSet, notice: NoticeId, kind: &str, mut body: Value) {
    let Some(row) = set.notices.get(&notice) else { return };
    let about = About { request: row.request_id, job: row.job_id, attempt: None };
    if let Value::Object(body) = &mut body {
        body.insert("notice".to_owned(), json!(notice));
        body.insert("kind".to_owned(), json!(row.kind));
    }
    set.enter(kind, about, OURSELVES, &body);
}
