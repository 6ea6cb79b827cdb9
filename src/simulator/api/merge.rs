//! Merging pull requests.

use serde_json::json;

use super::Context;
use super::body::Fields;
use crate::simulator::http::reply::{Answer, Reply};
use crate::simulator::scenario::{Access, Permission};
use crate::simulator::world::PullKey;

/// `GET /repos/{owner}/{repo}/pulls/{number}/merge`: 204 when merged, else 404.
pub(super) fn is_merged(context: &Context<'_>, key: PullKey) -> Answer {
    let merged = context.world.pull(key).is_some_and(|pull| pull.merge.is_some());
    if merged { Ok(Reply::empty(204)) } else { Err(Reply::not_found()) }
}

/// `PUT /repos/{owner}/{repo}/pulls/{number}/merge`.
pub(super) fn merge(context: Context<'_>, key: PullKey) -> Answer {
    let key = context.pull_key(key.repository, key.number)?;
    let mut fields = Fields::read(context.body)?;
    let (sha, method) = (fields.text("sha"), fields.text("merge_method"));
    fields.text("commit_title");
    fields.text("commit_message");
    fields.end()?;
    if !matches!(method.as_deref(), None | Some("merge" | "squash" | "rebase")) {
        return Err(Reply::unprocessable("merge_method is not merge, squash or rebase"));
    }
    if context.caller.token.access(Permission::Contents) < Access::Write {
        return Err(Reply::error(403, "Resource not accessible by personal access token"));
    }
    let pull = context.world.pull(key).ok_or_else(Reply::not_found)?;
    if !pull.is_open() {
        return Err(Reply::error(405, "Pull Request is not mergeable"));
    }
    if pull.draft {
        return Err(Reply::error(405, "Pull Request is still a draft"));
    }
    if sha.is_some_and(|sha| *sha != *pull.head_sha) {
        return Err(Reply::error(409, "Head branch was modified. Review and try the merge again."));
    }
    let by = context.caller.person.clone();
    let sha = context.world.merge(key, by, context.now_ms).ok_or_else(Reply::not_found)?;
    Ok(Reply::json(200, &json!({"sha": *sha, "merged": true, "message": "Pull Request successfully merged"})))
}
