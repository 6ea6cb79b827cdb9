//! Repositories, their languages and branches.

use serde_json::{Map, Value, json};

use super::{Context, pulls, render_pull};
use crate::simulator::clock::seconds;
use crate::simulator::http::reply::{Answer, Reply};
use crate::simulator::scenario::{Access, Permission};
use crate::simulator::world::RepositoryKey;

/// Addresses that every repository object carries, with what follows the repository's own address.
const ADDRESSES: [(&str, &str); 36] = [
    ("archive_url", "/{archive_format}{/ref}"),
    ("assignees_url", "/assignees{/user}"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("branches_url", "/branches{/branch}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("comments_url", "/comments{/number}"),
    ("commits_url", "/commits{/sha}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("contents_url", "/contents/{+path}"),
    ("contributors_url", "/contributors"),
    ("deployments_url", "/deployments"),
    ("downloads_url", "/downloads"),
    ("events_url", "/events"),
    ("forks_url", "/forks"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("hooks_url", "/hooks"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("issue_events_url", "/issues/events{/number}"),
    ("issues_url", "/issues{/number}"),
    ("keys_url", "/keys{/key_id}"),
    ("labels_url", "/labels{/name}"),
    ("languages_url", "/languages"),
    ("merges_url", "/merges"),
    ("milestones_url", "/milestones{/number}"),
    ("notifications_url", "/notifications{?since,all,participating}"),
    ("pulls_url", "/pulls{/number}"),
    ("releases_url", "/releases{/id}"),
    ("stargazers_url", "/stargazers"),
    ("statuses_url", "/statuses/{sha}"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("tags_url", "/tags"),
    ("teams_url", "/teams"),
    ("trees_url", "/git/trees{/sha}"),
];

/// `GET /repos/{owner}/{repo}`.
pub(super) fn get(context: &Context<'_>, key: RepositoryKey) -> Answer {
    view(context, key).map(|view| Reply::json(200, &view)).ok_or_else(Reply::not_found)
}

fn view(context: &Context<'_>, key: RepositoryKey) -> Option<Value> {
    let home = context.world.repository(key)?;
    let mut view = render_pull::minimal_repository(home, context.base);
    let web = format!("{}/{}", context.base, home.full_name);
    let open = home.pulls.open().count();
    let traits = &home.traits;
    let writes = traits.push && context.caller.token.access(Permission::Contents) == Access::Write;
    let language = traits.languages.iter().max_by_key(|(_, bytes)| **bytes).map(|(name, _)| name);
    let more = json!({
        "clone_url": format!("{web}.git"), "git_url": format!("{web}.git"), "ssh_url": format!("{web}.git"),
        "svn_url": web, "mirror_url": null, "homepage": null, "language": language, "license": null,
        "forks": 0, "forks_count": 0, "stargazers_count": 0, "watchers": 0, "watchers_count": 0, "size": traits.size_kb,
        "open_issues": open, "open_issues_count": open, "network_count": 0, "subscribers_count": 0,
        "has_issues": true, "has_projects": false, "has_wiki": false, "has_pages": false, "has_discussions": false,
        "disabled": traits.disabled, "visibility": if traits.private { "private" } else { "public" },
        "allow_auto_merge": true, "allow_squash_merge": true, "allow_merge_commit": true, "allow_rebase_merge": true,
        "delete_branch_on_merge": false, "topics": *traits.topics,
        "permissions": {"admin": false, "maintain": writes, "push": writes, "triage": writes, "pull": true},
        "created_at": "2020-01-01T00:00:00Z", "updated_at": seconds(context.now_ms), "pushed_at": seconds(context.now_ms),
    });
    let api = format!("{}/repos/{}", context.base, home.full_name);
    let addresses: Map<String, Value> =
        ADDRESSES.iter().map(|(name, tail)| ((*name).to_owned(), json!(format!("{api}{tail}")))).collect();
    if let (Some(fields), Value::Object(more)) = (view.as_object_mut(), more) {
        fields.extend(more);
        fields.extend(addresses);
    }
    Some(view)
}

/// `GET …/languages`: bytes by language.
pub(super) fn languages(context: &Context<'_>, key: RepositoryKey) -> Answer {
    let home = context.world.repository(key).ok_or_else(Reply::not_found)?;
    Ok(Reply::json(200, &*home.traits.languages))
}

/// `GET /user/repos`: what the token sees, in the order of first use.
pub(super) fn list_of_user(context: Context<'_>) -> Answer {
    let page = context.query.page()?;
    let keys = context.world.listed_repositories();
    let seen = |key: &RepositoryKey| {
        context.world.repository(*key).is_some_and(|home| context.caller.token.sees(&home.full_name))
    };
    let (keys, more) = page.cut(keys.into_iter().filter(seen));
    let items: Vec<Value> = keys.into_iter().filter_map(|key| view(&context, key)).collect();
    Ok(pulls::paged(&context, &items, page, more))
}

/// `GET …/branches/{branch}`, in brief.
pub(super) fn branch(context: &Context<'_>, key: RepositoryKey, name: &str) -> Answer {
    let home = context.world.repository(key).ok_or_else(Reply::not_found)?;
    let default = name == &*home.traits.default_branch;
    let sha = match home.branches.get(name) {
        Some(branch) => &branch.sha,
        None if default => &home.default_sha,
        None => return Err(Reply::error(404, "Branch not found")),
    };
    let url = format!("{}/repos/{}/commits/{sha}", context.base, home.full_name);
    let body = json!({"name": name, "commit": {"sha": **sha, "url": url}, "protected": default});
    Ok(Reply::json(200, &body))
}

/// `DELETE …/git/refs/heads/{branch}`; its open pull request is closed with it.
pub(super) fn delete_branch(context: Context<'_>, key: RepositoryKey, name: &str) -> Answer {
    let home = context.world.repository_mut(key).ok_or_else(Reply::not_found)?;
    if home.branches.remove(name).is_none() {
        return Err(Reply::unprocessable("Reference does not exist"));
    }
    let open: Vec<u64> =
        home.pulls.of_branch(name).filter(|pull| pull.is_open()).map(|pull| pull.number).collect();
    for number in open {
        context.world.close(crate::simulator::world::PullKey { repository: key, number }, context.now_ms);
    }
    Ok(Reply::empty(204))
}
