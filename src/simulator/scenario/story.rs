//! What happens to a task: how long it takes, how it ends, what it leaves and who reviews it.
//! A story is the built-in one, overlaid by `[defaults]` and by every `[[stories]]` that matches.

use std::sync::Arc;

use serde::Deserialize;

use super::changed_file::ChangedFile;
use super::pattern::Pattern;
use super::range::Range;

/// How the first session of a task ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Completed,
    Failed,
    TimedOut,
    Cancelled,
    WaitingForUser,
    Idle,
    UnknownState,
    Reopened,
}

/// What the agent leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Leaves {
    /// A pull request unless `create_pull_request` is false; then only a branch.
    AsAsked,
    PullRequest,
    Branch,
    Nothing,
}

/// What becomes of the pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Review {
    Merged,
    Closed,
    LeftOpen,
}

/// When the time of the review begins to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReviewStart {
    /// When the task is completed and its pull request is open.
    Completed,
    /// When somebody is asked for a review.
    Requested,
}

/// One check run on the head of the branch.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Check {
    pub name: String,
    #[serde(default)]
    pub queued_ms: u64,
    #[serde(default)]
    pub run_ms: u64,
    #[serde(default)]
    pub conclusion: Conclusion,
}

/// How a check ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Conclusion {
    #[default]
    Success,
    Failure,
    Neutral,
    Cancelled,
    Skipped,
    TimedOut,
    ActionRequired,
}

impl Conclusion {
    /// GitHub's word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Conclusion::Success => "success",
            Conclusion::Failure => "failure",
            Conclusion::Neutral => "neutral",
            Conclusion::Cancelled => "cancelled",
            Conclusion::Skipped => "skipped",
            Conclusion::TimedOut => "timed_out",
            Conclusion::ActionRequired => "action_required",
        }
    }
}

/// A legacy commit status.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CommitStatus {
    pub context: String,
    pub state: StatusState,
    #[serde(default)]
    pub description: String,
}

/// The four values of a legacy status, worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StatusState {
    Success,
    Pending,
    Failure,
    Error,
}

impl StatusState {
    /// GitHub's word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            StatusState::Success => "success",
            StatusState::Pending => "pending",
            StatusState::Failure => "failure",
            StatusState::Error => "error",
        }
    }
}

/// Declares the story with its built-in values, the table that may replace them, and the overlay.
macro_rules! story {
    ($($(#[$doc:meta])* $key:ident: $kind:ty = $value:expr;)+) => {
        /// The full story of one task.
        #[derive(Debug, Clone)]
        pub(crate) struct Story { $($(#[$doc])* pub $key: $kind,)+ }

        /// The keys of a story that a scenario sets.
        #[derive(Debug, Clone, Default, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct StoryPatch {
            /// Repositories the story is for; all when absent.
            #[serde(rename = "match")]
            pub covers: Option<Pattern>,
            /// The n-th task of the repository, counted from 1; all when absent.
            pub attempt: Option<u64>,
            $($(#[$doc])* pub $key: Option<$kind>,)+
        }

        impl Default for Story {
            fn default() -> Story { Story { $($key: $value,)+ } }
        }

        impl Story {
            /// Replaces what the patch sets.
            pub(crate) fn overlay(&mut self, patch: &StoryPatch) {
                $(if let Some(value) = &patch.$key { self.$key.clone_from(value); })+
            }
        }
    };
}

story! {
    /// Time in `queued`.
    queued_ms: Range = Range::exactly(400);
    /// Time in `in_progress`.
    run_ms: Range = Range { low: 1_000, high: 2_000 };
    /// How the task ends.
    outcome: Outcome = Outcome::Completed;
    /// The sentence of a failed session.
    message: Arc<str> = Arc::from("The agent failed to complete the task");
    /// The state string of `outcome = "unknown_state"`.
    unknown_state: Arc<str> = Arc::from("hibernating");
    /// How long the agent works before it waits, idles or enters the unknown state.
    waits_after_ms: Range = Range::exactly(500);
    /// Answers a waiting task by itself after so long; `never` when absent.
    answer_after_ms: Option<Range> = None;
    /// Reopens a completed task after so long, for `outcome = "reopened"`.
    reopen_after_ms: Range = Range::exactly(1_000);
    /// What the agent leaves behind.
    leaves: Leaves = Leaves::AsAsked;
    /// From the start of the work to the artifacts.
    artifact_delay_ms: Range = Range::exactly(300);
    /// From the creation to the first session.
    session_delay_ms: Range = Range::exactly(200);
    /// A task and each of its changes is invisible in lists for so long.
    list_lag_ms: u64 = 0;
    /// The model that runs when none was asked for.
    model: Arc<str> = Arc::from("claude-sonnet-4.6");
    /// The model that runs, whatever was asked for; the one that was asked for when empty.
    runs_model: Arc<str> = Arc::from("");
    /// AI credits used by a session.
    credits: Range = Range { low: 20, high: 90 };
    /// Files that the branch changes.
    files: Arc<[ChangedFile]> = Arc::from([ChangedFile::modified("README.md")]);
    /// What becomes of the pull request.
    review: Review = Review::LeftOpen;
    /// When the review's time begins.
    review_starts: ReviewStart = ReviewStart::Completed;
    /// From the start of the review to its outcome.
    review_after_ms: Range = Range { low: 2_000, high: 4_000 };
    /// An approval is given before the merge.
    approve: bool = true;
    /// Who reviews; the first requested reviewer when empty.
    reviewed_by: Arc<str> = Arc::from("");
    /// Check runs on the head of the branch.
    checks: Arc<[Check]> = Arc::from([Check { name: "ci".to_owned(), queued_ms: 100, run_ms: 400, conclusion: Conclusion::Success }]);
    /// Legacy statuses on the head of the branch.
    statuses: Arc<[CommitStatus]> = Arc::from([]);
}
