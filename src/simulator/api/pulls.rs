//! Pull requests: list, open, read, edit, files.

use std::sync::Arc;

use serde_json::{Value, json};

use super::body::Fields;
use super::{Context, render_pull};
use crate::simulator::http::query::Page;
use crate::simulator::http::reply::{Answer, Reply};
use crate::simulator::world::pull::Pull;
use crate::simulator::world::review::NewPull;
use crate::simulator::world::{PullKey, RepositoryKey};

/// A page of JSON values with the `Link` header of the older paths.
pub(super) fn paged(context: &Context<'_>, items: &[Value], page: Page, more: bool) -> Reply {
    let reply = Reply::json(200, items);
    match context.query.plain_link(context.base, context.path, page, more) {
        Some(link) => reply.with("link", link),
        None => reply,
    }
}

/// `GET /repos/{owner}/{repo}/pulls`. There is no label filter.
pub(super) fn list(context: &Context<'_>, repository: RepositoryKey) -> Answer {
    let query = context.query;
    let home = context.world.repository(repository).ok_or_else(Reply::not_found)?;
    let state = query.word("state", &["open", "closed", "all"])?.unwrap_or("open");
    let sort =
        query.word("sort", &["created", "updated", "popularity", "long-running"])?.unwrap_or("created");
    let direction = query.word("direction", &["asc", "desc"])?;
    // Newest first when sorted by creation or unsorted, oldest first otherwise: GitHub's rule.
    let ascending = direction.map_or(sort != "created" && query.get("sort").is_some(), |word| word == "asc");
    let page = query.page()?;
    // A head without its owner is ignored, as GitHub does.
    let head = query.get("head").and_then(|head| head.split_once(':'));
    let candidates: Box<dyn DoubleEndedIterator<Item = &Pull>> = match head {
        Some((owner, _)) if !owner.eq_ignore_ascii_case(&home.owner.login) => Box::new(std::iter::empty()),
        Some((_, branch)) => Box::new(home.pulls.of_branch(branch)),
        None if state == "open" => Box::new(home.pulls.open()),
        None => Box::new(home.pulls.all()),
    };
    let wanted = |pull: &&Pull| {
        let base = query.get("base").is_none_or(|base| base == &*pull.base_ref);
        base && (state == "all" || (state == "open") == pull.is_open())
    };
    let mut found: Vec<&Pull> = candidates.filter(wanted).collect();
    if sort == "updated" {
        found.sort_by_key(|pull| (pull.updated_ms, pull.number));
    }
    if !ascending {
        found.reverse();
    }
    let (pulls, more) = page.cut(found.into_iter());
    let version = &context.caller.version;
    let items: Vec<Value> = pulls
        .into_iter()
        .map(|pull| render_pull::in_list(pull, home, context.world, context.base, version))
        .collect();
    Ok(paged(context, &items, page, more))
}

/// `GET /repos/{owner}/{repo}/commits/{sha}/pulls`.
pub(super) fn of_commit(context: &Context<'_>, repository: RepositoryKey, sha: &str) -> Answer {
    let home = context.world.repository(repository).ok_or_else(Reply::not_found)?;
    let branch =
        home.commits.get(sha).ok_or_else(|| Reply::error(422, &format!("No commit found for SHA: {sha}")))?;
    let version = &context.caller.version;
    let items: Vec<Value> = home
        .pulls
        .of_branch(branch)
        .map(|pull| render_pull::in_list(pull, home, context.world, context.base, version))
        .collect();
    Ok(Reply::json(200, &items))
}

/// `POST /repos/{owner}/{repo}/pulls`.
pub(super) fn open(context: Context<'_>, repository: RepositoryKey) -> Answer {
    let mut fields = Fields::read(context.body)?;
    let title = fields.needed_text("title");
    let head = fields.needed_text("head").unwrap_or_default();
    let base = fields.needed_text("base").unwrap_or_default();
    let (text, draft) = (fields.text("body"), fields.flag("draft").unwrap_or(false));
    fields.flag("maintainer_can_modify");
    fields.ignore("head_repo");
    fields.end()?;
    let home = context.world.repository(repository).ok_or_else(Reply::not_found)?;
    let head = head.split_once(':').map_or(head.as_str(), |(_, branch)| branch);
    let Some((head_ref, branch)) = home.branches.get_key_value(head) else {
        return Err(Reply::unprocessable("head is invalid: the branch does not exist"));
    };
    if home.pulls.open_between(head, &base).is_some() {
        let owner = &home.owner.login;
        return Err(Reply::unprocessable(&format!("A pull request already exists for {owner}:{head}.")));
    }
    let files = context.world.task(branch.task).map(|task| Arc::clone(&task.story.files));
    let new = NewPull {
        task: Some(branch.task),
        author: context.caller.person.clone(),
        title: title.unwrap_or_default(),
        body: text,
        draft,
        head_ref: Arc::clone(head_ref),
        base_ref: Arc::from(base),
        files: files.unwrap_or_default(),
    };
    let number = context.world.open_pull(repository, new, context.now_ms).ok_or_else(Reply::not_found)?;
    let key = PullKey { repository, number };
    context.world.pull_opened(key, context.now_ms);
    get(&context, key).map(|reply| Reply { status: 201, ..reply })
}

/// `GET /repos/{owner}/{repo}/pulls/{number}`.
pub(super) fn get(context: &Context<'_>, key: PullKey) -> Answer {
    let home = context.world.repository(key.repository).ok_or_else(Reply::not_found)?;
    let pull = context.world.pull(key).ok_or_else(Reply::not_found)?;
    let version = &context.caller.version;
    Ok(Reply::json(200, &render_pull::full(pull, home, context.world, context.base, version)))
}

/// `PATCH /repos/{owner}/{repo}/pulls/{number}`; it cannot change whether it is a draft.
pub(super) fn edit(context: Context<'_>, key: PullKey) -> Answer {
    let key = context.pull_key(key.repository, key.number)?;
    let mut fields = Fields::read(context.body)?;
    let (title, body) = (fields.text("title"), fields.text("body"));
    let (state, base) = (fields.text("state"), fields.text("base"));
    fields.flag("maintainer_can_modify");
    fields.end()?;
    let now_ms = context.now_ms;
    if !matches!(state.as_deref(), None | Some("open" | "closed")) {
        return Err(Reply::unprocessable("state is not open or closed"));
    }
    let pull = context.world.pull_mut(key).ok_or_else(Reply::not_found)?;
    if state.as_deref() == Some("open") && pull.merge.is_some() {
        return Err(Reply::unprocessable("state cannot be changed. The pull request is merged."));
    }
    pull.updated_ms = now_ms;
    pull.title = title.unwrap_or_else(|| pull.title.clone());
    pull.body = body.or_else(|| pull.body.take());
    if let Some(base) = base {
        pull.base_ref = Arc::from(base);
    }
    match state.as_deref() {
        Some("closed") => context.world.close(key, now_ms),
        Some(_) => {
            pull.closed_ms = None;
            if let Some(home) = context.world.repository_mut(key.repository) {
                home.pulls.settle(key.number);
            }
        }
        None => {}
    }
    get(&context, key)
}

/// `GET /repos/{owner}/{repo}/pulls/{number}/files`.
pub(super) fn files(context: &Context<'_>, key: PullKey) -> Answer {
    let home = context.world.repository(key.repository).ok_or_else(Reply::not_found)?;
    let pull = context.world.pull(key).ok_or_else(Reply::not_found)?;
    let page = context.query.page()?;
    let (files, more) = page.cut(pull.files.iter());
    let items: Vec<Value> = files
        .into_iter()
        .map(|file| {
            let at = format!("{}/{}", pull.head_sha, file.path);
            let mut view = json!({
                "sha": *pull.head_sha, "filename": file.path, "status": file.status.word(),
                "additions": file.additions, "deletions": file.deletions, "changes": file.additions + file.deletions,
                "blob_url": format!("{}/{}/blob/{at}", context.base, home.full_name),
                "raw_url": format!("{}/{}/raw/{at}", context.base, home.full_name),
                "contents_url": format!("{}/repos/{}/contents/{}", context.base, home.full_name, file.path),
                "patch": "@@ -1 +1 @@\n-before\n+after",
            });
            if let (Some(previous), Some(fields)) = (&file.previous_path, view.as_object_mut()) {
                fields.insert("previous_filename".to_owned(), json!(previous));
            }
            view
        })
        .collect();
    Ok(paged(context, &items, page, more))
}
