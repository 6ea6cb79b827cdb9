//! The few GraphQL operations that have no REST form: ready, draft, auto-merge, and the lookup of a
//! pull request by its node id. The query text is only searched for the operation's name; the id is
//! taken from the variables, at the top or inside `input`.

use serde_json::{Value, json};

use super::Context;
use crate::simulator::http::reply::{Answer, Reply};
use crate::simulator::scenario::{Access, Permission};
use crate::simulator::world::PullKey;
use crate::simulator::world::pull::Pull;
use crate::simulator::world::users::Person;

const MUTATIONS: [&str; 4] = [
    "markPullRequestReadyForReview",
    "convertPullRequestToDraft",
    "enablePullRequestAutoMerge",
    "disablePullRequestAutoMerge",
];

/// `POST /graphql`.
pub(super) fn call(context: Context<'_>) -> Answer {
    let request: Value =
        serde_json::from_slice(context.body).map_err(|_| Reply::error(400, "Problems parsing JSON"))?;
    let query = request.get("query").and_then(Value::as_str).unwrap_or_default();
    let id = node_id(&request).unwrap_or_default();
    let found = context.world.pull_of_node(id).filter(|key| {
        let home = context.world.repository(key.repository);
        home.is_some_and(|home| context.caller.token.sees(&home.full_name))
    });
    let Some(key) = found else {
        return Ok(failed(
            "NOT_FOUND",
            &format!("Could not resolve to a node with the global id of '{id}'."),
        ));
    };
    let mutation = MUTATIONS.iter().find(|name| query.contains(**name));
    let Some(name) = mutation else {
        let node = view(&context, key);
        return Ok(Reply::json(200, &json!({"data": {"node": node}})));
    };
    if context.caller.token.access(Permission::PullRequests) < Access::Write {
        return Ok(failed("FORBIDDEN", "Resource not accessible by personal access token"));
    }
    if let Some(message) =
        change(&context.caller.person.clone(), context.world.pull_mut(key), name, context.now_ms)
    {
        return Ok(failed("UNPROCESSABLE", message));
    }
    let mut data = serde_json::Map::new();
    data.insert((*name).to_owned(), json!({"clientMutationId": null, "pullRequest": view(&context, key)}));
    Ok(Reply::json(200, &json!({"data": data})))
}

fn node_id(request: &Value) -> Option<&str> {
    let variables = request.get("variables")?;
    let inner = variables.get("input").unwrap_or(variables);
    ["pullRequestId", "id", "nodeId"].iter().find_map(|name| inner.get(name)?.as_str())
}

fn change(by: &Person, pull: Option<&mut Pull>, name: &str, now_ms: i64) -> Option<&'static str> {
    let Some(pull) = pull.filter(|pull| pull.is_open()) else { return Some("The pull request is closed.") };
    match name {
        "markPullRequestReadyForReview" => pull.draft = false,
        "convertPullRequestToDraft" => pull.draft = true,
        "enablePullRequestAutoMerge" if pull.draft => return Some("Pull request is in draft state"),
        "enablePullRequestAutoMerge" => pull.auto_merge = Some(by.clone()),
        _ => pull.auto_merge = None,
    }
    pull.updated_ms = now_ms;
    None
}

fn view(context: &Context<'_>, key: PullKey) -> Value {
    let home = context.world.repository(key.repository);
    let pull = context.world.pull(key);
    let (Some(home), Some(pull)) = (home, pull) else { return Value::Null };
    let state = match (pull.is_open(), &pull.merge) {
        (true, _) => "OPEN",
        (false, Some(_)) => "MERGED",
        (false, None) => "CLOSED",
    };
    json!({
        "id": *pull.node_id, "fullDatabaseId": pull.id.to_string(), "number": pull.number, "state": state,
        "isDraft": pull.draft, "url": format!("{}/{}/pull/{}", context.base, home.full_name, pull.number),
        "title": pull.title, "headRefName": *pull.head_ref, "headRefOid": *pull.head_sha, "baseRefName": *pull.base_ref,
        "autoMergeRequest": pull.auto_merge.as_ref().map(|by| json!({"enabledBy": {"login": *by.login}})),
        "repository": {"nameWithOwner": *home.full_name},
    })
}

fn failed(kind: &str, message: &str) -> Reply {
    Reply::json(200, &json!({"data": null, "errors": [{"type": kind, "message": message}]}))
}
