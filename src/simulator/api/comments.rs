//! Comments on issues and pull requests, under the path of the issue.

use serde_json::{Value, json};

use super::body::Fields;
use super::{Context, pulls, render_pull};
use crate::simulator::clock::seconds;
use crate::simulator::http::reply::{Answer, Reply};
use crate::simulator::scenario::{Access, Permission};
use crate::simulator::world::comments::Unchanged;
use crate::simulator::world::pull::Comment;
use crate::simulator::world::repository::Repository;
use crate::simulator::world::{PullKey, RepositoryKey};

/// `GET …/issues/{number}/comments`.
pub(super) fn list(context: &Context<'_>, key: PullKey) -> Answer {
    let home = context.world.repository(key.repository).ok_or_else(Reply::not_found)?;
    let comments = home.comments(key.number).ok_or_else(Reply::not_found)?;
    permitted(context, key, Access::Read)?;
    let (page, since_ms) = (context.query.page()?, context.query.time("since")?);
    let wanted = comments.iter().filter(|comment| since_ms.is_none_or(|since| comment.updated_ms >= since));
    let (comments, more) = page.cut(wanted);
    let items: Vec<Value> =
        comments.into_iter().map(|comment| view(comment, key.number, home, context.base)).collect();
    Ok(pulls::paged(context, &items, page, more))
}

/// `POST …/issues/{number}/comments`.
pub(super) fn add(context: Context<'_>, key: PullKey) -> Answer {
    permitted(&context, key, Access::Write)?;
    let body = text(context.body)?;
    let user = context.caller.person.clone();
    let comment = context.world.comment(key, user, body, context.now_ms).ok_or_else(Reply::not_found)?;
    let home = context.world.repository(key.repository).ok_or_else(Reply::not_found)?;
    Ok(Reply::json(201, &view(&comment, key.number, home, context.base)))
}

/// `PATCH …/issues/comments/{id}`.
pub(super) fn edit(context: Context<'_>, repository: RepositoryKey, id: u64) -> Answer {
    let body = text(context.body)?;
    let change = (&context.caller.person, body);
    let (number, comment) =
        context.world.edit_comment(repository, id, change, context.now_ms).map_err(|why| match why {
            Unchanged::Missing => Reply::not_found(),
            Unchanged::NotTheirs => Reply::error(403, "Must have admin rights to Repository."),
        })?;
    let home = context.world.repository(repository).ok_or_else(Reply::not_found)?;
    Ok(Reply::json(200, &view(&comment, number, home, context.base)))
}

/// `DELETE …/issues/comments/{id}`: whoever may write to the repository may do it.
pub(super) fn delete(context: Context<'_>, repository: RepositoryKey, id: u64) -> Answer {
    let at = context.world.place_of_comment(repository, id).ok_or_else(Reply::not_found)?;
    permitted(&context, at, Access::Write)?;
    context.world.delete_comment(at, id);
    Ok(Reply::empty(204))
}

/// An issue that is no pull request is reached by the permission for issues alone.
fn permitted(context: &Context<'_>, key: PullKey, needed: Access) -> Result<(), Reply> {
    if context.world.pull(key).is_some() || context.caller.token.access(Permission::Issues) >= needed {
        return Ok(());
    }
    Err(Reply::error(403, "Resource not accessible by personal access token"))
}

/// GitHub takes 65,536 characters.
fn text(body: &[u8]) -> Result<String, Reply> {
    let mut fields = Fields::read(body)?;
    let text = fields.needed_text("body").unwrap_or_default();
    fields.end()?;
    if text.chars().count() > 65_536 {
        return Err(Reply::error(422, "body is too long (maximum is 65536 characters)"));
    }
    Ok(text)
}

fn view(comment: &Comment, number: u64, home: &Repository, base: &str) -> Value {
    let api = format!("{base}/repos/{}/issues", home.full_name);
    let page = if home.pulls.get(number).is_some() { "pull" } else { "issues" };
    json!({
        "id": comment.id, "node_id": format!("IC_kwDO{:X}", comment.id), "url": format!("{api}/comments/{}", comment.id),
        "html_url": format!("{base}/{}/{page}/{number}#issuecomment-{}", home.full_name, comment.id),
        "issue_url": format!("{api}/{number}"), "body": comment.body, "user": render_pull::person(&comment.user, base),
        "created_at": seconds(comment.created_ms), "updated_at": seconds(comment.updated_ms),
        "author_association": "MEMBER",
    })
}
