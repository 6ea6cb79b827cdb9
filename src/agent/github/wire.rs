//! GitHub's JSON in our words. Only what cannot be done without is required: any other field may be absent,
//! null, or of a kind we do not expect, and an unknown word stays a word.

use serde_json::Value;

use crate::job::{
    pull::Pull,
    remote::{Artifact, RemoteState, Session, Task, TaskId, Usage},
    time::Timestamp,
};

/// None: not an object with `id`, `state` and `created_at`.
pub(super) fn task(value: &Value) -> Option<Task> {
    let artifacts = list(value, "artifacts").iter().filter_map(artifact).collect();
    let sessions = value.get("sessions").and_then(Value::as_array).map(|list| sessions(list));
    Some(Task {
        id: TaskId(text(value, "id")?),
        state: RemoteState::from(text(value, "state")?),
        name: text(value, "name"),
        html_url: text(value, "html_url"),
        created_at: time(value, "created_at")?,
        updated_at: time(value, "updated_at"),
        session_count: whole(value.get("session_count")).and_then(|count| u32::try_from(count).ok()),
        artifacts,
        sessions,
    })
}

/// The tasks of one page, and how many items of it cannot be read. None: not a page of tasks.
pub(super) fn tasks(page: &Value) -> Option<(Vec<Task>, usize)> {
    let items = page.get("tasks")?.as_array()?;
    let tasks: Vec<Task> = items.iter().filter_map(task).collect();
    let unreadable = items.len().saturating_sub(tasks.len());
    Some((tasks, unreadable))
}

/// Oldest first, since no order is promised.
fn sessions(list: &[Value]) -> Vec<Session> {
    let mut sessions: Vec<_> =
        list.iter().filter(|value| value.is_object()).map(|v| (time(v, "created_at"), session(v))).collect();
    sessions.sort_by_key(|(created_at, _)| *created_at);
    sessions.into_iter().map(|(_, session)| session).collect()
}

fn session(value: &Value) -> Session {
    Session {
        id: text(value, "id").unwrap_or_default(),
        state: RemoteState::from(text(value, "state").unwrap_or_default()),
        prompt: text(value, "prompt"),
        // Empty on sessions that a person drives from a terminal.
        model: text(value, "model").filter(|model| !model.is_empty()),
        head_ref: text(value, "head_ref"),
        base_ref: text(value, "base_ref"),
        usage: value.get("usage").and_then(usage),
        error: value.get("error").and_then(|error| text(error, "message")),
    }
}

fn artifact(value: &Value) -> Option<Artifact> {
    let data = value.get("data")?;
    match value.get("type")?.as_str()? {
        "pull" => Some(Artifact::Pull {
            database_id: data.get("id")?.as_i64()?,
            node_id: text(data, "global_id").or_else(|| text(data, "node_id")),
        }),
        "branch" => Some(Artifact::Branch {
            head_ref: text(data, "head_ref")?,
            base_ref: text(data, "base_ref").unwrap_or_default(),
        }),
        _ => None,
    }
}

/// `amount` is documented, `credits` was seen in its place.
fn usage(value: &Value) -> Option<Usage> {
    let amount = value.get("amount").filter(|amount| amount.is_number()).or_else(|| value.get("credits"))?;
    match value.get("type").and_then(Value::as_str) {
        Some("ai_credits") | None => whole(Some(amount)).map(Usage::AiNanoCredits),
        Some("premium_requests") => {
            let milli = (amount.as_f64()? * 1_000.0).round();
            from_double(milli).map(Usage::MilliPremiumRequests)
        }
        Some(_) => None,
    }
}

/// None: not a pull request with `number`, `id`, `head` and `base`.
pub(super) fn pull(value: &Value) -> Option<Pull> {
    let (head, base) = (value.get("head")?, value.get("base")?);
    let merged_flag = value.get("merged").and_then(Value::as_bool).unwrap_or(false);
    let login = |name| value.get(name).and_then(|person| text(person, "login"));
    let names = |list: &[Value], name| list.iter().filter_map(|item| text(item, name)).collect();
    Some(Pull {
        number: value.get("number")?.as_u64()?,
        database_id: value.get("id")?.as_i64()?,
        node_id: text(value, "node_id"),
        html_url: text(value, "html_url"),
        title: text(value, "title").unwrap_or_default(),
        open: value.get("state").and_then(Value::as_str) == Some("open"),
        draft: value.get("draft").and_then(Value::as_bool).unwrap_or(false),
        // Lists carry only the time.
        merged: merged_flag || value.get("merged_at").is_some_and(Value::is_string),
        head_ref: text(head, "ref")?,
        head_sha: text(head, "sha")?,
        base_ref: text(base, "ref")?,
        labels: names(list(value, "labels"), "name"),
        requested_reviewers: names(list(value, "requested_reviewers"), "login"),
        merged_by: login("merged_by"),
        author: login("user"),
        updated_at: time(value, "updated_at"),
        changed_files: whole(value.get("changed_files")),
        changed_lines: whole(value.get("additions"))
            .zip(whole(value.get("deletions")))
            .map(|(added, removed)| added.saturating_add(removed)),
    })
}

pub(super) fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().map(str::to_owned)
}

pub(super) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn time(value: &Value, name: &str) -> Option<Timestamp> {
    Timestamp::parse(value.get(name)?.as_str()?)
}

/// A whole number, also when written as a double (`4e11`); a fraction is rounded up, since it is spent.
pub(super) fn whole(value: Option<&Value>) -> Option<u64> {
    let value = value?;
    value.as_u64().or_else(|| from_double(value.as_f64()?.ceil()))
}

/// Exact below 2^53; above, as near as a double can say.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "negative and endless numbers are excluded, and the cast saturates"
)]
fn from_double(number: f64) -> Option<u64> {
    (number.is_finite() && number >= 0.0).then_some(number as u64)
}
