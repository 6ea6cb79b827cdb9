//! Prints the lifecycle as the page `docs/lifecycle.md`, so that the page can be compared with the code.
//! It must decide nothing: what it prints comes from `lifecycle::apply`.

use crate::job::{
    lifecycle::{Effect, Event, Step, apply},
    state::State,
};

/// The whole page. Ends with a newline.
///
/// ```
/// let page = sluicegate::job::document::lifecycle_markdown();
/// assert!(page.contains("| `queued` | `admitted` | `starting` |"));
/// ```
pub fn lifecycle_markdown() -> String {
    let states: Vec<String> = State::ALL.into_iter().map(section).collect();
    format!(
        "{HEAD}\n## Drawing\n\n```mermaid\n{}```\n\n## Every move\n\n{TABLE_INTRODUCTION}\n{}\n## The states\n\n{}",
        drawing(),
        table(),
        states.join("\n")
    )
}

const HEAD: &str = "\
<!-- Printed from src/job/lifecycle.rs. Do not edit; renew with: SLUICE_RENEW=1 cargo test --test lifecycle_doc -->

# The lifecycle of a job

A job is one repository's share of a request. This page is printed from the one function that decides
what follows an event (`job::lifecycle::apply`); a test fails when the two differ.
";

const TABLE_INTRODUCTION: &str = "\
The effects are written in the same ledger transaction as the move. A pair of state and event that is not
listed is illegal: it is refused by name and changes nothing. Ends take no event at all.
";

/// A legal move.
struct Edge {
    from: State,
    event: Event,
    step: Step,
}

fn edges() -> impl Iterator<Item = Edge> {
    State::ALL.into_iter().flat_map(|from| {
        let steps = Event::ALL.into_iter().filter_map(move |event| {
            let step = apply(from, event).ok()?;
            Some(Edge { from, event, step })
        });
        steps.collect::<Vec<_>>()
    })
}

/// One arrow for each pair of states, with the events that take it.
fn drawing() -> String {
    let mut lines = vec!["stateDiagram-v2".to_owned()];
    lines.extend([State::Held, State::Queued].map(|state| format!("    [*] --> {state}: submitted")));
    for from in State::ALL {
        for to in State::ALL {
            let events = edges().filter(|edge| edge.from == from && edge.step.next == to);
            let names: Vec<&str> = events.map(|edge| edge.event.as_str()).collect();
            if !names.is_empty() {
                lines.push(format!("    {from} --> {to}: {}", names.join(", ")));
            }
        }
    }
    let ends = State::ALL.into_iter().filter(|state| state.is_terminal());
    lines.extend(ends.map(|state| format!("    {state} --> [*]")));
    lines.join("\n") + "\n"
}

fn table() -> String {
    let mut lines = vec!["| state | event | next | effects |".to_owned(), "|---|---|---|---|".to_owned()];
    lines.extend(edges().map(|edge| {
        let effects: Vec<&str> = edge.step.effects.iter().copied().map(Effect::as_str).collect();
        let (from, event, next) = (edge.from, edge.event.as_str(), edge.step.next);
        format!("| `{from}` | `{event}` | `{next}` | {} |", effects.join("; "))
    }));
    lines.join("\n") + "\n"
}

fn section(state: State) -> String {
    let story = story(state);
    format!(
        "### `{state}`\n\n{}\n\n- In: {}.\n- Moved on by: {}.\n- How long: {}.\n",
        story.what,
        ways_in(state),
        story.mover,
        story.how_long
    )
}

fn ways_in(state: State) -> String {
    let submitted = match state {
        State::Held => Some("submitted, when an approval or an earlier wave is awaited".to_owned()),
        State::Queued => Some("submitted, when nothing is awaited".to_owned()),
        _ => None,
    };
    let moves = State::ALL.into_iter().filter_map(|from| {
        let events = edges().filter(|edge| edge.from == from && edge.step.next == state);
        let names: Vec<String> = events.map(|edge| format!("`{}`", edge.event.as_str())).collect();
        (!names.is_empty()).then(|| format!("from `{from}` by {}", names.join(" or ")))
    });
    submitted.into_iter().chain(moves).collect::<Vec<_>>().join("; ")
}

/// What the table cannot say.
struct Story {
    what: &'static str,
    mover: &'static str,
    how_long: &'static str,
}

const fn story(state: State) -> Story {
    let (what, mover, how_long) = match state {
        State::Held => (
            "It is on the ledger and must not be admitted yet.",
            "an approver, who is never the requester, or the wave before it that proved good",
            "until then, or until its deadline; it holds no budget",
        ),
        State::Queued => (
            "It waits for budgets, for its turn, or for the time of a retry; `sluice why JOB` says which.",
            "the ledger, which admits what the gate proposes if every budget has room",
            "without bound while a budget is used up, or until its deadline; it holds no budget and the wait uses \
             no attempt",
        ),
        State::Starting => (
            "Every hold is taken and the intent is written; one start call is on its way.",
            "the worker that drives it, with the provider's answer",
            "one call; when the worker dies first, the next one treats the answer as lost",
        ),
        State::StartUnknown => (
            "A start was sent and its answer is lost, so the task may or may not exist. The holds stay and nothing \
             is sent again.",
            "the recovery step, which looks for the marker in the prompts of the identity's tasks",
            "until the marker is found, or has not been found for the whole look-up window",
        ),
        State::Running => (
            "The remote task works, or is in a state that we do not know.",
            "the tracking step, with what it sees at the provider",
            "as long as the task works; the operator is told when that is suspiciously long",
        ),
        State::WaitingForUser => (
            "The task makes no progress until a person acts: it asked, or it idles for longer than the grace time. \
             The owner has been told, once for this episode.",
            "a person at the provider; the tracking step sees it",
            "until someone acts; the concurrency slot is free meanwhile, the reviewer and the blast radius are not",
        ),
        State::Verifying => (
            "The task says that it is done, which is a claim. Artifacts, changed paths and checks are looked at.",
            "the settle step",
            "until the pull request and its checks can be read; artifacts may come late",
        ),
        State::InReview => (
            "The pull request is open and the reserved reviewer has been asked.",
            "the reviewer, by merging or closing it; the review step sees it",
            "until then; the reviewer's place and the blast radius stay held",
        ),
        State::Quarantined => (
            "What was left must not be used: it is out of scope, or came from a task that is not ours to use.",
            "an operator, who releases or discards it",
            "until someone looks; the reviewer and the blast radius stay held",
        ),
        State::Succeeded => ("The change is merged, or no pull request was wanted.", NOBODY, FOR_EVER),
        State::Rejected => ("A person refused the approval or closed the pull request.", NOBODY, FOR_EVER),
        State::Dead => (
            "No further attempt. It is on the dead-letter queue with its reason and an advice.",
            "nothing; `sluice dead retry` makes a new job that names this one",
            FOR_EVER,
        ),
        State::Cancelled => (
            "It was withdrawn. This is a fence: a remote task may still run to its end, keeps its slot until then, \
             and its late result is never adopted.",
            NOBODY,
            FOR_EVER,
        ),
    };
    Story { what, mover, how_long }
}

const NOBODY: &str = "nothing; it is an end";
const FOR_EVER: &str = "for ever";
