//! Reviews that were given.

use serde_json::{Value, json};

use super::body::Fields;
use super::{Context, pulls, render_pull};
use crate::simulator::clock::seconds;
use crate::simulator::http::reply::{Answer, Reply};
use crate::simulator::world::PullKey;
use crate::simulator::world::pull::ReviewGiven;
use crate::simulator::world::repository::Repository;

/// `GET …/pulls/{number}/reviews`.
pub(super) fn list(context: &Context<'_>, key: PullKey) -> Answer {
    let home = context.world.repository(key.repository).ok_or_else(Reply::not_found)?;
    let pull = context.world.pull(key).ok_or_else(Reply::not_found)?;
    let page = context.query.page()?;
    let (reviews, more) = page.cut(pull.reviews.iter());
    let items: Vec<Value> =
        reviews.into_iter().map(|review| view(review, key.number, home, context.base)).collect();
    Ok(pulls::paged(context, &items, page, more))
}

/// `POST …/pulls/{number}/reviews`.
pub(super) fn give(context: Context<'_>, key: PullKey) -> Answer {
    let key = context.pull_key(key.repository, key.number)?;
    let mut fields = Fields::read(context.body)?;
    let (event, body) = (fields.text("event"), fields.text("body"));
    fields.text("commit_id");
    fields.ignore("comments");
    fields.end()?;
    let state = match event.as_deref() {
        None => "PENDING",
        Some("APPROVE") => "APPROVED",
        Some("REQUEST_CHANGES") => "CHANGES_REQUESTED",
        Some("COMMENT") => "COMMENTED",
        Some(_) => return Err(Reply::unprocessable("event is not APPROVE, REQUEST_CHANGES or COMMENT")),
    };
    let user = context.caller.person.clone();
    let own = context.world.pull(key).is_some_and(|pull| pull.author.id == user.id);
    if own && state != "COMMENTED" && state != "PENDING" {
        return Err(Reply::unprocessable("Can not approve your own pull request"));
    }
    let review = context
        .world
        .give_review(key, user, state, body.unwrap_or_default(), context.now_ms)
        .ok_or_else(Reply::not_found)?;
    let home = context.world.repository(key.repository).ok_or_else(Reply::not_found)?;
    Ok(Reply::json(200, &view(&review, key.number, home, context.base)))
}

fn view(review: &ReviewGiven, number: u64, home: &Repository, base: &str) -> Value {
    let html = format!("{base}/{}/pull/{number}#pullrequestreview-{}", home.full_name, review.id);
    let pull = format!("{base}/repos/{}/pulls/{number}", home.full_name);
    json!({
        "id": review.id, "node_id": format!("PRR_kwDO{:X}", review.id), "user": render_pull::person(&review.user, base),
        "body": review.body, "state": review.state, "html_url": html, "pull_request_url": pull,
        "_links": {"html": {"href": html}, "pull_request": {"href": pull}},
        "submitted_at": seconds(review.submitted_ms), "commit_id": *review.commit, "author_association": "MEMBER",
    })
}
