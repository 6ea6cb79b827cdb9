//! The five operations of the agent tasks API.

use std::collections::HashSet;
use std::sync::Arc;

use serde::Serialize;

use super::Context;
use super::body::Fields;
use super::render_task::{self, TaskView};
use crate::simulator::clock;
use crate::simulator::http::query::{Page, bad};
use crate::simulator::http::reply::{Answer, Reply};
use crate::simulator::world::index::{IndexQuery, ListIndex};
use crate::simulator::world::log::CreateRecord;
use crate::simulator::world::state::TaskState;
use crate::simulator::world::task::TaskRequest;
use crate::simulator::world::{RepositoryKey, TaskKey, World};

#[derive(Debug, Serialize)]
struct TaskList<'t> {
    tasks: Vec<TaskView<'t>>,
    total_active_count: usize,
    total_archived_count: usize,
}

/// `POST /agents/repos/{owner}/{repo}/tasks`.
pub(crate) fn create(mut context: Context<'_>, repository: RepositoryKey) -> Answer {
    let mut fields = Fields::read(context.body)?;
    let prompt = fields.needed_text("prompt");
    let request = TaskRequest {
        prompt: Arc::from(prompt.unwrap_or_default()),
        model: fields.text("model").map(Arc::from),
        custom_agent: fields.text("custom_agent").map(Arc::from),
        create_pull_request: fields.flag("create_pull_request"),
        base_ref: fields.text("base_ref").map(Arc::from),
        head_ref: fields.text("head_ref").map(Arc::from),
    };
    fields.end()?;
    usable(&context, repository, &request)?;
    let user = context.caller.person.id;
    context
        .world
        .limits
        .take_create(user, context.now_ms)
        .map_err(|(status, retry_after_s)| Reply::secondary_limit(status, Some(retry_after_s)))?;
    let key =
        context.world.create_task(repository, user, request, context.now_ms).ok_or_else(Reply::not_found)?;
    record(&mut context, key).ok_or_else(Reply::not_found)?;
    let task = context.world.task(key).ok_or_else(Reply::not_found)?;
    let home = context.world.repository(repository).ok_or_else(Reply::not_found)?;
    Ok(Reply::json(201, &render_task::created(task, home, context.base)))
}

/// A model that is gone or a custom agent that is not there is refused.
fn usable(context: &Context<'_>, repository: RepositoryKey, request: &TaskRequest) -> Result<(), Reply> {
    let home = context.world.repository(repository).ok_or_else(Reply::not_found)?;
    let agents = &home.traits.custom_agents;
    let no_model = request.model.as_ref().filter(|model| !context.world.models.has(model, context.now_ms));
    let no_agent = request
        .custom_agent
        .as_ref()
        .filter(|agent| !agents.iter().any(|name| name == "*" || **name == ***agent));
    match (no_model, no_agent) {
        (Some(model), _) => Err(bad("model", &format!("`{model}` is not available"))),
        (None, Some(agent)) => Err(bad("custom_agent", &format!("`{agent}` was not found"))),
        (None, None) => Ok(()),
    }
}

/// Appends the create to the log; it counts as answered only once the answer is on its way.
fn record(context: &mut Context<'_>, key: TaskKey) -> Option<()> {
    let task = context.world.task(key)?;
    let record = CreateRecord {
        seq: context.world.creates.len() + 1,
        at: clock::milliseconds(context.now_ms),
        at_ms: context.now_ms,
        task_id: Arc::clone(&task.id),
        repository: Arc::clone(&context.world.repository(task.repository)?.full_name),
        token: context.caller.token.name.clone(),
        marker: task.marker.clone(),
        model: task.request.model.clone(),
        create_pull_request: task.request.create_pull_request,
        answered: false,
    };
    context.world.creates.push(record);
    Some(())
}

/// `GET …/tasks/{task_id}`, under a repository or not.
pub(crate) fn get(context: &Context<'_>, id: &str, within: Option<RepositoryKey>) -> Answer {
    let key = context.world.task_of(id).ok_or_else(Reply::not_found)?;
    let task = context.world.task(key).ok_or_else(Reply::not_found)?;
    let home = context.world.repository(task.repository).ok_or_else(Reply::not_found)?;
    let elsewhere = within.is_some_and(|repository| repository != task.repository);
    if elsewhere || !context.caller.token.sees(&home.full_name) {
        return Err(Reply::not_found());
    }
    Ok(Reply::json(200, &render_task::full(task, home, context.base)))
}

/// `GET /agents/tasks`: the tasks of the caller.
pub(crate) fn list_of_user(context: Context<'_>) -> Answer {
    let (page, query) = list_query(&context)?;
    let world = &*context.world;
    let empty = ListIndex::default();
    let index = world.tasks_by_creator(context.caller.person.id).unwrap_or(&empty);
    let token = &context.caller.token;
    let visible = |key| {
        let home = world.task(key).and_then(|task| world.repository(task.repository));
        home.is_some_and(|home| token.sees(&home.full_name))
    };
    let found = index.find(&query, visible, page.skip(), page.size + 1);
    Ok(render_list(&context, index, found, page))
}

/// `GET /agents/repos/{owner}/{repo}/tasks`.
pub(crate) fn list_of_repository(context: Context<'_>, repository: RepositoryKey) -> Answer {
    let (page, query) = list_query(&context)?;
    let creators: Result<HashSet<i64>, _> = context.query.all("creator_id").map(str::parse).collect();
    let creators = creators.map_err(|_| bad("creator_id", "is not an integer"))?;
    let world = &*context.world;
    let home = world.repository(repository).ok_or_else(Reply::not_found)?;
    let keep =
        |key| creators.is_empty() || world.task(key).is_some_and(|task| creators.contains(&task.creator));
    let found = home.index.find(&query, keep, page.skip(), page.size + 1);
    Ok(render_list(&context, &home.index, found, page))
}

fn list_query(context: &Context<'_>) -> Result<(Page, IndexQuery), Reply> {
    let query = context.query;
    let states: Option<Vec<TaskState>> = match query.get("state") {
        Some(words) => words.split(',').map(|word| TaskState::published(word.trim())).collect(),
        None => Some(Vec::new()),
    };
    let states = states.ok_or_else(|| bad("state", "has an unknown state"))?;
    let sort = query.word("sort", &["updated_at", "created_at"])?;
    let direction = query.word("direction", &["asc", "desc"])?;
    let index_query = IndexQuery {
        states,
        archived: query.flag("is_archived")?.unwrap_or(false),
        since_ms: query.time("since")?,
        by_creation: sort == Some("created_at"),
        ascending: direction == Some("asc"),
    };
    Ok((query.page()?, index_query))
}

fn render_list(context: &Context<'_>, index: &ListIndex, mut found: Vec<TaskKey>, page: Page) -> Reply {
    let more = found.len() > page.size;
    found.truncate(page.size);
    let world: &World = context.world;
    let tasks: Vec<_> = found
        .iter()
        .filter_map(|key| {
            let task = world.task(*key)?;
            render_task::listed(task, world.repository(task.repository)?, context.base)
        })
        .collect();
    let (active, archived) = index.counts();
    let body = TaskList { tasks, total_active_count: active, total_archived_count: archived };
    Reply::json(200, &body).with("link", context.query.link(context.base, context.path, page, more))
}
