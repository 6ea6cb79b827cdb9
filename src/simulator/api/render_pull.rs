//! Pull requests, users and labels as the API shows them.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::{Value, json};

use crate::simulator::clock::seconds;
use crate::simulator::world::World;
use crate::simulator::world::pull::Pull;
use crate::simulator::world::repository::Repository;
use crate::simulator::world::users::Person;

/// The version that still shows `merge_commit_sha` and `assignee`.
const OLD_VERSION: &str = "2022-11-28";
/// GitHub cuts long texts.
const BODY_CHARS_MAX: usize = 60_000;

/// A user in its short form.
pub(crate) fn person(person: &Person, base: &str) -> Value {
    let api = format!("{base}/users/{}", person.login);
    json!({
        "login": *person.login, "id": person.id, "node_id": format!("U_kgDO{:X}", person.id),
        "avatar_url": format!("{base}/avatars/{}", person.id), "gravatar_id": "",
        "url": api, "html_url": format!("{base}/{}", person.login),
        "followers_url": format!("{api}/followers"), "following_url": format!("{api}/following"),
        "gists_url": format!("{api}/gists"), "starred_url": format!("{api}/starred"),
        "subscriptions_url": format!("{api}/subscriptions"), "organizations_url": format!("{api}/orgs"),
        "repos_url": format!("{api}/repos"), "events_url": format!("{api}/events"),
        "received_events_url": format!("{api}/received_events"),
        "type": person.kind(), "site_admin": false,
    })
}

/// A team in its short form.
pub(crate) fn team(slug: &str, home: &Repository, base: &str) -> Value {
    let url = format!("{base}/orgs/{}/teams/{slug}", home.owner.login);
    json!({
        "id": hash(slug), "node_id": format!("T_kwDO{:X}", hash(slug)), "name": slug, "slug": slug,
        "description": null, "privacy": "closed", "permission": "push", "parent": null,
        "url": url, "html_url": url, "members_url": format!("{url}/members"), "repositories_url": format!("{url}/repos"),
        "type": "organization", "organization_id": home.owner.id,
    })
}

/// A label.
pub(crate) fn label(name: &str, home: &Repository, base: &str) -> Value {
    json!({
        "id": hash(name), "node_id": format!("LA_kwDO{:X}", hash(name)),
        "url": format!("{base}/repos/{}/labels/{name}", home.full_name),
        "name": name, "color": "ededed", "default": false, "description": "",
    })
}

/// The repository as it stands inside other objects.
pub(crate) fn minimal_repository(home: &Repository, base: &str) -> Value {
    json!({
        "id": home.id, "node_id": format!("R_kgDO{:X}", home.id), "name": *home.name, "full_name": *home.full_name,
        "owner": person(&home.owner, base), "private": home.traits.private, "fork": false, "description": null,
        "html_url": format!("{base}/{}", home.full_name), "url": format!("{base}/repos/{}", home.full_name),
        "default_branch": *home.traits.default_branch, "archived": home.traits.archived,
    })
}

/// A pull request as lists show it.
pub(crate) fn in_list(pull: &Pull, home: &Repository, world: &World, base: &str, version: &str) -> Value {
    let web = format!("{base}/{}/pull/{}", home.full_name, pull.number);
    let api = format!("{base}/repos/{}/pulls/{}", home.full_name, pull.number);
    let issue = format!("{base}/repos/{}/issues/{}", home.full_name, pull.number);
    let statuses = format!("{base}/repos/{}/statuses/{}", home.full_name, pull.head_sha);
    let side = |reference: &str, sha: &str| {
        json!({
            "label": format!("{}:{reference}", home.owner.login), "ref": reference, "sha": sha,
            "user": person(&home.owner, base), "repo": minimal_repository(home, base),
        })
    };
    let mut view = json!({
        "id": pull.id, "node_id": *pull.node_id, "number": pull.number,
        "url": api, "html_url": web, "diff_url": format!("{web}.diff"), "patch_url": format!("{web}.patch"),
        "issue_url": issue, "commits_url": format!("{api}/commits"), "comments_url": format!("{issue}/comments"),
        "review_comments_url": format!("{api}/comments"), "review_comment_url": format!("{api}/comments{{/number}}"),
        "statuses_url": statuses,
        "state": if pull.is_open() { "open" } else { "closed" }, "locked": false, "active_lock_reason": null,
        "title": pull.title, "body": body(pull, world), "user": person(&pull.author, base),
        "labels": pull.labels.iter().map(|name| label(name, home, base)).collect::<Vec<_>>(),
        "milestone": null, "draft": pull.draft, "author_association": "CONTRIBUTOR",
        "created_at": seconds(pull.created_ms), "updated_at": seconds(pull.updated_ms),
        "closed_at": pull.closed_ms.map(seconds),
        "merged_at": pull.merge.as_ref().map(|merge| seconds(merge.at_ms)),
        "head": side(&pull.head_ref, &pull.head_sha), "base": side(&pull.base_ref, &pull.base_sha),
        "auto_merge": auto_merge(pull, base),
        "_links": links(&api, &web, &issue, &statuses),
    });
    let people = json!({
        "assignees": [],
        "requested_reviewers": pull.reviewers.iter().map(|user| person(user, base)).collect::<Vec<_>>(),
        "requested_teams": pull.teams.iter().map(|slug| team(slug, home, base)).collect::<Vec<_>>(),
    });
    if let (Some(fields), Value::Object(people)) = (view.as_object_mut(), people) {
        fields.extend(people);
    }
    if let (OLD_VERSION, Some(fields)) = (version, view.as_object_mut()) {
        let sha = pull.merge.as_ref().map(|merge| merge.sha.to_string());
        fields.insert("merge_commit_sha".to_owned(), json!(sha));
        fields.insert("assignee".to_owned(), Value::Null);
    }
    view
}

fn links(api: &str, web: &str, issue: &str, statuses: &str) -> Value {
    json!({
        "self": {"href": api}, "html": {"href": web}, "issue": {"href": issue},
        "comments": {"href": format!("{issue}/comments")}, "commits": {"href": format!("{api}/commits")},
        "review_comments": {"href": format!("{api}/comments")},
        "review_comment": {"href": format!("{api}/comments{{/number}}")}, "statuses": {"href": statuses},
    })
}

/// One pull request by its number.
pub(crate) fn full(pull: &Pull, home: &Repository, world: &World, base: &str, version: &str) -> Value {
    let mut view = in_list(pull, home, world, base, version);
    let more = json!({
        "merged": pull.merge.is_some(),
        "merged_by": pull.merge.as_ref().map(|merge| person(&merge.by, base)),
        "mergeable": pull.is_open().then_some(true), "rebaseable": pull.is_open().then_some(true),
        "mergeable_state": mergeable_state(pull),
        "comments": pull.comments.len(), "review_comments": 0, "maintainer_can_modify": false,
        "commits": pull.commits,
        "additions": pull.files.iter().map(|file| file.additions).sum::<u64>(),
        "deletions": pull.files.iter().map(|file| file.deletions).sum::<u64>(),
        "changed_files": pull.files.len(),
    });
    if let (Some(fields), Value::Object(more)) = (view.as_object_mut(), more) {
        fields.extend(more);
    }
    view
}

fn mergeable_state(pull: &Pull) -> &'static str {
    match (pull.is_open(), pull.draft) {
        (false, _) => "unknown",
        (true, true) => "draft",
        (true, false) => "clean",
    }
}

fn auto_merge(pull: &Pull, base: &str) -> Value {
    let Some(by) = &pull.auto_merge else { return Value::Null };
    json!({"enabled_by": person(by, base), "merge_method": "squash", "commit_title": null, "commit_message": null})
}

/// The agent quotes the prompt in the text of its pull request.
fn body(pull: &Pull, world: &World) -> Value {
    let task = pull.task.and_then(|task| world.task(task));
    match (&pull.body, task) {
        (Some(text), _) => json!(text),
        (None, Some(task)) => {
            let prompt: String = task.request.prompt.chars().take(BODY_CHARS_MAX).collect();
            json!(format!(
                "{}\n\n<details>\n<summary>Original prompt</summary>\n\n{prompt}\n\n</details>\n",
                task.name
            ))
        }
        (None, None) => Value::Null,
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.to_ascii_lowercase().hash(&mut hasher);
    1_000_000_000 + hasher.finish() % 1_000_000_000
}
