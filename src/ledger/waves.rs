//! What the rows say of the waves of a request, in the words that the decision is made in. It changes nothing.

use std::collections::HashSet;

use crate::{
    job::{failure::FailureClass, id::JobId, lifecycle::Event, pull::Checks, time::Timestamp},
    ledger::{
        command::About,
        rows::{ApprovalRow, JobRow, WavesRow, WavesState},
    },
    policy::{
        approval::{self, APPROVER, Approval, Need, Subject},
        waves::{
            Waves,
            proof::{Course, Ended, Pause, Seen, Tally},
        },
    },
};

/// Where the waves are; None: nothing can follow.
pub fn course<'a>(
    row: &WavesRow,
    plan: &'a Waves,
    jobs: &[JobRow],
    words: &[ApprovalRow],
    subject: Subject<'_>,
    now: Timestamp,
) -> Option<Course<'a>> {
    let paused = match row.state {
        WavesState::Over | WavesState::Aborted => return None,
        WavesState::Open => None,
        WavesState::Doubtful => Some(Pause::Doubt),
        WavesState::Paused => Some(Pause::Person),
    };
    let words = given(words, &[About::Wave(row.opened.saturating_add(1))]);
    let role = plan.rule.approvals.as_ref().map_or(APPROVER, |asked| asked.role.as_str());
    // What was said before a pause was said of something else.
    let since = paused.map(|_| row.since);
    Some(Course {
        rule: &plan.rule,
        waves: row.total,
        opened: row.opened,
        paused,
        newest: tally(jobs, plan, |wave| wave == row.opened),
        earlier: tally(jobs, plan, |wave| wave < row.opened),
        approved: approval::count(role, subject, &words, since, now),
    })
}

/// The words about some things.
pub fn given<'a>(words: impl IntoIterator<Item = &'a ApprovalRow>, about: &[About]) -> Vec<Approval> {
    let about: Vec<String> = about.iter().map(ToString::to_string).collect();
    words.into_iter().filter(|word| about.contains(&word.about)).map(ApprovalRow::approval).collect()
}

/// What a held job needs, its wave aside.
pub fn needs(hold: bool, job: &JobRow) -> Vec<Need> {
    let needs = approval::needs(hold, &job.decision());
    // Held by a version that kept no reason: one approval, as ever.
    if needs.is_empty() && job.wave == 0 { vec![Need::one("hold")] } else { needs }
}

/// The jobs of some waves. A dead letter that was tried again counts as its replay.
pub fn tally(jobs: &[JobRow], plan: &Waves, which: impl Fn(u32) -> bool) -> Tally {
    let replayed: HashSet<JobId> = jobs.iter().filter_map(|job| job.replay_of).collect();
    let of = jobs.iter().filter(|job| job.wave > 0 && which(job.wave) && !replayed.contains(&job.id));
    of.map(|job| seen(job).fate(plan.rule.proven.by)).collect()
}

fn seen(job: &JobRow) -> Seen {
    let outcome: serde_json::Value =
        job.outcome_json.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let word = |event: Event| outcome.get("event").and_then(|word| word.as_str()) == Some(event.as_str());
    let ended_by = if word(Event::Expired) {
        Ended::Expired
    } else if word(Event::Refused) {
        Ended::Refused
    } else {
        Ended::Otherwise
    };
    let class = outcome.get("failure").and_then(|failure| failure.get("class"));
    let green = job.checks().filter(|seen| seen.checks == Checks::Green);
    Seen {
        state: job.state,
        since: job.state_since,
        ended_by,
        class: class.and_then(|class| serde_json::from_value::<FailureClass>(class.clone()).ok()),
        green_since: green.map(|seen| seen.since),
    }
}
