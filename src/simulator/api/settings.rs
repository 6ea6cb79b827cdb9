//! Settings of repositories and organisations, as far as the agent is concerned.

use serde_json::{Value, json};

use super::Context;
use crate::simulator::draw::Draw;
use crate::simulator::http::reply::{Answer, Reply};
use crate::simulator::scenario::AgentPolicy;
use crate::simulator::world::RepositoryKey;

/// `GET …/copilot/cloud-agent/configuration`.
pub(super) fn agent_configuration(context: &Context<'_>, key: RepositoryKey) -> Answer {
    let home = context.world.repository(key).ok_or_else(Reply::not_found)?;
    if !home.traits.agent_enabled {
        return Err(Reply::not_found());
    }
    let body = json!({
        "mcp_configuration": null,
        "enabled_tools": {
            "codeql": true, "copilot_code_review": true, "secret_scanning": true, "dependency_vulnerability_checks": true,
        },
        "require_actions_workflow_approval": home.traits.workflow_approval,
        "is_firewall_enabled": home.traits.firewall,
        "is_firewall_recommended_allowlist_enabled": home.traits.firewall,
        "custom_allowlist": [], "is_automations_enabled": false, "require_write_access_for_automation_triggers": true,
    });
    Ok(Reply::json(200, &body))
}

/// `GET /orgs/{org}/copilot/coding-agent/permissions`.
pub(super) fn organisation(context: &Context<'_>, login: &str) -> Reply {
    let policy = context.world.scenario.agent_policy(login);
    let mut body = json!({"enabled_repositories": policy});
    if let (AgentPolicy::Selected, Some(fields)) = (policy, body.as_object_mut()) {
        let url = format!("{}/orgs/{login}/copilot/coding-agent/permissions/repositories", context.base);
        fields.insert("selected_repositories_url".to_owned(), json!(url));
    }
    Reply::json(200, &body)
}

/// `GET …/actions/workflows`.
pub(super) fn workflows(context: &Context<'_>, key: RepositoryKey) -> Answer {
    let home = context.world.repository(key).ok_or_else(Reply::not_found)?;
    let page = context.query.page()?;
    let (names, more) = page.cut(home.traits.workflows.iter());
    let items: Vec<Value> = names
        .into_iter()
        .map(|name| {
            let mut draw = Draw::new(home.id, name, 0);
            let id = draw.between(10_000_000, 99_999_999);
            let path = format!(".github/workflows/{}.yml", name.to_ascii_lowercase().replace(' ', "-"));
            let web = format!("{}/{}", context.base, home.full_name);
            json!({
                "id": id, "node_id": format!("W_kwDO{:016X}", draw.next()), "name": name, "path": path,
                "state": "active", "created_at": "2020-01-01T00:00:00Z", "updated_at": "2020-01-01T00:00:00Z",
                "url": format!("{}/repos/{}/actions/workflows/{id}", context.base, home.full_name),
                "html_url": format!("{web}/blob/{}/{path}", home.traits.default_branch),
                "badge_url": format!("{web}/workflows/{name}/badge.svg"),
            })
        })
        .collect();
    let body = json!({"total_count": home.traits.workflows.len(), "workflows": items});
    let reply = Reply::json(200, &body);
    Ok(match context.query.plain_link(context.base, context.path, page, more) {
        Some(link) => reply.with("link", link),
        None => reply,
    })
}
