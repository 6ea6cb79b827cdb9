//! Labels of a pull request, under the path of its issue.

use serde_json::Value;

use super::body::Fields;
use super::{Context, render_pull};
use crate::simulator::http::reply::{Answer, Reply};
use crate::simulator::world::PullKey;

/// `GET …/issues/{number}/labels`.
pub(super) fn list(context: &Context<'_>, key: PullKey) -> Answer {
    let home = context.world.repository(key.repository).ok_or_else(Reply::not_found)?;
    let pull = context.world.pull(key).ok_or_else(Reply::not_found)?;
    let labels: Vec<Value> =
        pull.labels.iter().map(|name| render_pull::label(name, home, context.base)).collect();
    Ok(Reply::json(200, &labels))
}

/// `POST …/issues/{number}/labels`: adds.
pub(super) fn add(context: Context<'_>, key: PullKey) -> Answer {
    change(context, key, false)
}

/// `PUT …/issues/{number}/labels`: replaces.
pub(super) fn set(context: Context<'_>, key: PullKey) -> Answer {
    change(context, key, true)
}

/// `DELETE …/issues/{number}/labels/{name}`.
pub(super) fn remove(context: Context<'_>, key: PullKey, name: &str) -> Answer {
    let pull = context.world.pull_mut(key).ok_or_else(Reply::not_found)?;
    let before = pull.labels.len();
    pull.labels.retain(|label| !label.eq_ignore_ascii_case(name));
    if pull.labels.len() == before {
        return Err(Reply::error(404, "Label does not exist"));
    }
    pull.updated_ms = context.now_ms;
    list(&context, key)
}

fn change(context: Context<'_>, key: PullKey, replace: bool) -> Answer {
    let key = context.pull_key(key.repository, key.number)?;
    let names = names(context.body)?;
    let pull = context.world.pull_mut(key).ok_or_else(Reply::not_found)?;
    if replace {
        pull.labels.clear();
    }
    for name in names {
        if !pull.labels.iter().any(|label| label.eq_ignore_ascii_case(&name)) {
            pull.labels.push(name);
        }
    }
    pull.updated_ms = context.now_ms;
    list(&context, key)
}

/// `{"labels": […]}`, or only the array.
fn names(body: &[u8]) -> Result<Vec<String>, Reply> {
    if let Ok(names) = serde_json::from_slice(body) {
        return Ok(names);
    }
    let mut fields = Fields::read(body)?;
    let names = fields.texts("labels");
    fields.end()?;
    Ok(names.unwrap_or_default())
}
