//! A task with its sessions and artifacts, and the steps of its story.

use std::sync::Arc;

use super::RepositoryKey;
use super::state::TaskState;
use crate::simulator::draw::Draw;
use crate::simulator::scenario::{Outcome, Story};

/// The accepted body of a create.
#[derive(Debug, Clone)]
pub(crate) struct TaskRequest {
    pub prompt: Arc<str>,
    pub model: Option<Arc<str>>,
    pub custom_agent: Option<Arc<str>>,
    /// `None` when the field was left out, which is not the same as false.
    pub create_pull_request: Option<bool>,
    pub base_ref: Option<Arc<str>>,
    pub head_ref: Option<Arc<str>>,
}

/// What a task points at.
#[derive(Debug, Clone)]
pub(crate) enum Artifact {
    /// The database id, which is not the pull request's number.
    Pull {
        id: u64,
        node_id: Arc<str>,
    },
    Branch {
        head_ref: Arc<str>,
        base_ref: Arc<str>,
    },
}

/// What lists show of a task; with a list lag it is older than the task.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub state: TaskState,
    pub updated_ms: i64,
    pub archived_ms: Option<i64>,
    pub session_count: usize,
    pub artifacts: Arc<[Artifact]>,
}

/// One run of the agent inside a task.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub id: String,
    pub state: TaskState,
    pub prompt: Arc<str>,
    pub model: Option<Arc<str>>,
    pub head_ref: Option<Arc<str>>,
    pub created_ms: i64,
    pub updated_ms: i64,
    pub completed_ms: Option<i64>,
    /// Nano credits, known at completion.
    pub usage: Option<u64>,
    pub error: Option<Arc<str>>,
    /// Id of the Actions run behind the session.
    pub run_id: u64,
}

/// One step of a task's story.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    ShowSession,
    Start,
    LeaveArtifacts,
    Pause(TaskState),
    Resume,
    End(TaskState, Option<Arc<str>>),
    Reopen(Arc<str>),
}

/// A task.
#[derive(Debug)]
pub(crate) struct Task {
    pub id: Arc<str>,
    pub repository: RepositoryKey,
    /// User id of the creator.
    pub creator: i64,
    pub name: String,
    pub marker: Option<Arc<str>>,
    pub request: TaskRequest,
    pub base_ref: Arc<str>,
    pub story: Story,
    pub state: TaskState,
    pub created_ms: i64,
    pub updated_ms: i64,
    pub ended_ms: Option<i64>,
    pub archived_ms: Option<i64>,
    pub sessions: Vec<Session>,
    /// False in the first moments, when the answer counts no session.
    pub sessions_shown: bool,
    pub artifacts: Arc<[Artifact]>,
    /// Number of the pull request it opened or continues.
    pub pull: Option<u64>,
    pub listed: Option<Listed>,
    /// Raised when the story is changed; planned steps of an older one are void.
    pub generation: u32,
    pub draw: Draw,
}

impl Task {
    /// What lists would show of the task as it is.
    pub(crate) fn to_listed(&self) -> Listed {
        Listed {
            state: self.state.clone(),
            updated_ms: self.updated_ms,
            archived_ms: self.archived_ms,
            session_count: self.session_count(),
            artifacts: Arc::clone(&self.artifacts),
        }
    }

    /// Sessions that are visible by now.
    pub(crate) fn session_count(&self) -> usize {
        if self.sessions_shown { self.sessions.len() } else { 0 }
    }

    /// The branch it works on, once known.
    pub(crate) fn branch(&self) -> Option<&Arc<str>> {
        self.sessions.iter().rev().find_map(|session| session.head_ref.as_ref())
    }

    /// A fresh session, in state `queued`.
    pub(crate) fn open_session(&mut self, prompt: Arc<str>, at_ms: i64) -> u64 {
        let run_id = self.draw.between(20_000_000_000, 29_999_999_999);
        let session = Session {
            id: self.draw.uuid(),
            state: TaskState::Queued,
            prompt,
            model: None,
            head_ref: self.branch().cloned(),
            created_ms: at_ms,
            updated_ms: at_ms,
            completed_ms: None,
            usage: None,
            error: None,
            run_id,
        };
        self.sessions.push(session);
        run_id
    }

    /// The steps of a new task with the time after its creation, in milliseconds.
    pub(crate) fn plan(&mut self) -> Vec<(i64, Step)> {
        let (story, draw) = (&self.story, &mut self.draw);
        let start = story.queued_ms.draw(draw);
        let run = story.run_ms.draw(draw);
        let mut steps = vec![
            (story.session_delay_ms.draw(draw), Step::ShowSession),
            (start, Step::Start),
            (start + story.artifact_delay_ms.draw(draw), Step::LeaveArtifacts),
        ];
        let end = start + run;
        match story.outcome {
            Outcome::Completed => steps.push((end, Step::End(TaskState::Completed, None))),
            Outcome::Failed => {
                let message = Arc::clone(&story.message);
                steps.push((end, Step::End(TaskState::Failed, Some(message))));
            }
            Outcome::TimedOut => steps.push((end, Step::End(TaskState::TimedOut, None))),
            Outcome::Cancelled => steps.push((end, Step::End(TaskState::Cancelled, None))),
            Outcome::WaitingForUser => pause(story, draw, &mut steps, start, run, TaskState::WaitingForUser),
            Outcome::Idle => pause(story, draw, &mut steps, start, run, TaskState::Idle),
            Outcome::UnknownState => {
                let state = TaskState::Unknown(Arc::clone(&story.unknown_state));
                pause(story, draw, &mut steps, start, run, state);
            }
            Outcome::Reopened => {
                steps.push((end, Step::End(TaskState::Completed, None)));
                let again = end + story.reopen_after_ms.draw(draw);
                steps.push((again, Step::Reopen(Arc::from("@copilot please finish what is left"))));
                let start = again + story.queued_ms.draw(draw);
                steps.push((start, Step::Start));
                steps.push((start + story.run_ms.draw(draw), Step::End(TaskState::Completed, None)));
            }
        }
        steps
    }

    /// The steps that end a session which begins or goes on now.
    pub(crate) fn plan_rest(&mut self, from_queue: bool) -> Vec<(i64, Step)> {
        let start = if from_queue { self.story.queued_ms.draw(&mut self.draw) } else { 0 };
        let end = start + self.story.run_ms.draw(&mut self.draw);
        let first = if from_queue { Step::Start } else { Step::Resume };
        let artifacts = start + self.story.artifact_delay_ms.draw(&mut self.draw);
        vec![(start, first), (artifacts, Step::LeaveArtifacts), (end, Step::End(TaskState::Completed, None))]
    }
}

fn pause(
    story: &Story,
    draw: &mut Draw,
    steps: &mut Vec<(i64, Step)>,
    start: i64,
    run: i64,
    state: TaskState,
) {
    let waits = start + story.waits_after_ms.draw(draw);
    steps.push((waits, Step::Pause(state)));
    if let Some(answer_after) = story.answer_after_ms {
        let answered = waits + answer_after.draw(draw);
        steps.push((answered, Step::Resume));
        steps.push((answered + run, Step::End(TaskState::Completed, None)));
    }
}

/// The value of the line `Sluicegate-Job: …` in a prompt.
pub(crate) fn marker(prompt: &str) -> Option<Arc<str>> {
    const LABEL: &str = "Sluicegate-Job:";
    let (_, rest) = prompt.split_once(LABEL)?;
    let line = rest.lines().next().unwrap_or_default();
    Some(Arc::from(line.trim()))
}
