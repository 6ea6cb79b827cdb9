//! Comments on a pull request, under the path of its issue.

use serde_json::{Value, json};

use super::body::Fields;
use super::{Context, pulls, render_pull};
use crate::simulator::clock::seconds;
use crate::simulator::http::reply::{Answer, Reply};
use crate::simulator::world::PullKey;
use crate::simulator::world::pull::Comment;
use crate::simulator::world::repository::Repository;

/// `GET …/issues/{number}/comments`.
pub(super) fn list(context: &Context<'_>, key: PullKey) -> Answer {
    let home = context.world.repository(key.repository).ok_or_else(Reply::not_found)?;
    let pull = context.world.pull(key).ok_or_else(Reply::not_found)?;
    let (page, since_ms) = (context.query.page()?, context.query.time("since")?);
    let wanted =
        pull.comments.iter().filter(|comment| since_ms.is_none_or(|since| comment.created_ms >= since));
    let (comments, more) = page.cut(wanted);
    let items: Vec<Value> =
        comments.into_iter().map(|comment| view(comment, key.number, home, context.base)).collect();
    Ok(pulls::paged(context, &items, page, more))
}

/// `POST …/issues/{number}/comments`.
pub(super) fn add(context: Context<'_>, key: PullKey) -> Answer {
    let key = context.pull_key(key.repository, key.number)?;
    let mut fields = Fields::read(context.body)?;
    let body = fields.needed_text("body");
    fields.end()?;
    let user = context.caller.person.clone();
    let comment = context
        .world
        .comment(key, user, body.unwrap_or_default(), context.now_ms)
        .ok_or_else(Reply::not_found)?;
    let home = context.world.repository(key.repository).ok_or_else(Reply::not_found)?;
    Ok(Reply::json(201, &view(&comment, key.number, home, context.base)))
}

fn view(comment: &Comment, number: u64, home: &Repository, base: &str) -> Value {
    let api = format!("{base}/repos/{}/issues", home.full_name);
    json!({
        "id": comment.id, "node_id": format!("IC_kwDO{:X}", comment.id), "url": format!("{api}/comments/{}", comment.id),
        "html_url": format!("{base}/{}/pull/{number}#issuecomment-{}", home.full_name, comment.id),
        "issue_url": format!("{api}/{number}"), "body": comment.body, "user": render_pull::person(&comment.user, base),
        "created_at": seconds(comment.created_ms), "updated_at": seconds(comment.created_ms),
        "author_association": "MEMBER",
    })
}
