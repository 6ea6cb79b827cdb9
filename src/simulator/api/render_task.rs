//! Task objects as the API shows them. Built from small borrowed parts, because lists of them are hot.

use serde::Serialize;

use crate::simulator::clock::seconds;
use crate::simulator::world::repository::Repository;
use crate::simulator::world::task::{Artifact, Session, Task};

#[derive(Debug, Serialize)]
struct Id<T> {
    id: T,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum ArtifactData<'t> {
    Pull { id: u64, global_id: &'t str },
    Branch { head_ref: &'t str, base_ref: &'t str },
}

#[derive(Debug, Serialize)]
struct ArtifactView<'t> {
    provider: &'static str,
    r#type: &'static str,
    data: ArtifactData<'t>,
}

#[derive(Debug, Serialize)]
struct Usage {
    r#type: &'static str,
    amount: u64,
}

#[derive(Debug, Serialize)]
struct ErrorView<'t> {
    message: &'t str,
}

#[derive(Debug, Serialize)]
struct SessionView<'t> {
    id: &'t str,
    name: &'t str,
    user: Id<i64>,
    owner: Id<i64>,
    repository: Id<u64>,
    task_id: &'t str,
    state: &'t str,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<String>,
    prompt: &'t str,
    #[serde(skip_serializing_if = "Option::is_none")]
    head_ref: Option<&'t str>,
    base_ref: &'t str,
    model: &'t str,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorView<'t>>,
}

/// A task object; `sessions` only where the API shows them.
#[derive(Debug, Serialize)]
pub(crate) struct TaskView<'t> {
    id: &'t str,
    url: String,
    html_url: String,
    name: &'t str,
    creator: Id<i64>,
    creator_type: &'static str,
    user_collaborators: [Id<i64>; 0],
    owner: Id<i64>,
    repository: Id<u64>,
    state: &'t str,
    session_count: usize,
    artifacts: Vec<ArtifactView<'t>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_agent: Option<Id<&'t str>>,
    archived_at: Option<String>,
    updated_at: String,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sessions: Option<Vec<SessionView<'t>>>,
}

/// The answer to a create: the task without its sessions.
pub(crate) fn created<'t>(task: &'t Task, home: &'t Repository, base: &str) -> TaskView<'t> {
    TaskView {
        id: &task.id,
        url: format!("{base}/agents/repos/{}/tasks/{}", home.full_name, task.id),
        html_url: format!("{base}/{}/tasks/{}", home.full_name, task.id),
        name: &task.name,
        creator: Id { id: task.creator },
        creator_type: "user",
        user_collaborators: [],
        owner: Id { id: home.owner.id },
        repository: Id { id: home.id },
        state: task.state.word(),
        session_count: task.session_count(),
        artifacts: artifacts(&task.artifacts),
        custom_agent: task.request.custom_agent.as_deref().map(|id| Id { id }),
        archived_at: task.archived_ms.map(seconds),
        updated_at: seconds(task.updated_ms),
        created_at: seconds(task.created_ms),
        sessions: None,
    }
}

/// One task by id, with its sessions as far as they are visible.
pub(crate) fn full<'t>(task: &'t Task, home: &'t Repository, base: &str) -> TaskView<'t> {
    let sessions = task.sessions.iter().take(task.session_count());
    let sessions = sessions.map(|session| session_view(task, home, session)).collect();
    TaskView { sessions: Some(sessions), ..created(task, home, base) }
}

/// A task in a list, as old as the list lag makes it; `None` while it is not listed yet.
pub(crate) fn listed<'t>(task: &'t Task, home: &'t Repository, base: &str) -> Option<TaskView<'t>> {
    let listed = task.listed.as_ref()?;
    Some(TaskView {
        state: listed.state.word(),
        session_count: listed.session_count,
        artifacts: artifacts(&listed.artifacts),
        archived_at: listed.archived_ms.map(seconds),
        updated_at: seconds(listed.updated_ms),
        ..created(task, home, base)
    })
}

fn session_view<'t>(task: &'t Task, home: &'t Repository, session: &'t Session) -> SessionView<'t> {
    SessionView {
        id: &session.id,
        name: &task.name,
        user: Id { id: task.creator },
        owner: Id { id: home.owner.id },
        repository: Id { id: home.id },
        task_id: &task.id,
        state: session.state.word(),
        created_at: seconds(session.created_ms),
        updated_at: seconds(session.updated_ms),
        completed_at: session.completed_ms.map(seconds),
        prompt: &session.prompt,
        head_ref: session.head_ref.as_deref(),
        base_ref: &task.base_ref,
        model: session.model.as_deref().unwrap_or("auto"),
        usage: session.usage.map(|amount| Usage { r#type: "ai_credits", amount }),
        error: session.error.as_deref().map(|message| ErrorView { message }),
    }
}

fn artifacts(artifacts: &[Artifact]) -> Vec<ArtifactView<'_>> {
    let view = |artifact| match artifact {
        &Artifact::Pull { id, ref node_id } => {
            let data = ArtifactData::Pull { id, global_id: node_id };
            ArtifactView { provider: "github", r#type: "pull", data }
        }
        Artifact::Branch { head_ref, base_ref } => {
            let data = ArtifactData::Branch { head_ref, base_ref };
            ArtifactView { provider: "github", r#type: "branch", data }
        }
    };
    artifacts.iter().map(view).collect()
}
