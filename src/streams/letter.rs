//! Dead letters and notices as the streams tell them, with their bodies. Pure.

use crate::{
    job::time::Timestamp,
    ledger::{
        meaning::Words,
        rows::{JobRow, NoticeRow, RequestRow},
    },
};

/// The fields of a dead letter.
pub const LETTER_FIELDS: &[&str] = &[
    "at",
    "job",
    "request",
    "key",
    "repository",
    "template",
    "requester",
    "team",
    "owner",
    "attempts",
    "inputs",
    "outcome",
];
/// The fields of a notice.
pub const NOTICE_FIELDS: &[&str] = &["at", "notice", "kind", "job", "request", "body"];

/// A job that is a dead letter since `at`.
pub fn letter(at: Timestamp, job: &JobRow, request: &RequestRow) -> Words {
    let values = [
        Some(at.to_string()),
        Some(job.id.to_string()),
        Some(job.request_id.to_string()),
        request.idempotency_key.clone(),
        Some(job.repository.to_string()),
        Some(format!("{}@{}", request.template, request.template_version)),
        Some(request.requester.clone()),
        Some(request.team.clone()),
        Some(request.owner.clone()),
        Some(job.attempts.to_string()),
        Some(request.inputs_json.clone()),
        job.outcome_json.clone(),
    ];
    named(LETTER_FIELDS, values)
}

pub fn notice(row: &NoticeRow) -> Words {
    let values = [
        Some(row.created_at.to_string()),
        Some(row.id.to_string()),
        Some(row.kind.clone()),
        row.job_id.map(|id| id.to_string()),
        row.request_id.map(|id| id.to_string()),
        Some(row.body_json.clone()),
    ];
    named(NOTICE_FIELDS, values)
}

fn named<const N: usize>(names: &[&'static str], values: [Option<String>; N]) -> Words {
    names.iter().zip(values).filter_map(|(name, value)| Some((*name, value?))).collect()
}
