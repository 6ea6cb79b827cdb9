//! Which work an event is about, so that it is looked at now instead of at its next turn.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::job::repository::Repository;

/// The longest name of a branch that is taken for one.
const BRANCH_BYTES_MAX: usize = 255;

/// What an event touches: these pull requests, and whatever has the branch or the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concern {
    pub repository: Repository,
    pub pulls: BTreeSet<u64>,
    pub branch: Option<String>,
    pub sha: Option<String>,
}

/// What an event of GitHub is about; None: nothing that is waited for. A payload of another shape is about nothing.
pub fn concern(event: &str, payload: &Value) -> Option<Concern> {
    let repository = payload.pointer("/repository/full_name")?.as_str()?.parse().ok()?;
    let (pulls, branch, sha) = match event {
        "pull_request" | "pull_request_review" => {
            let pull = payload.get("pull_request")?;
            (std::slice::from_ref(pull), pull.pointer("/head/ref"), pull.pointer("/head/sha"))
        }
        "check_suite" | "workflow_run" => {
            let of = payload.get(event)?;
            (pulls_of(of), of.get("head_branch"), of.get("head_sha"))
        }
        "check_run" => {
            let of = payload.get(event)?;
            (pulls_of(of), of.pointer("/check_suite/head_branch"), of.get("head_sha"))
        }
        "status" => (Default::default(), None, payload.get("sha")),
        _ => return None,
    };
    let concern = Concern {
        repository,
        pulls: pulls.iter().filter_map(|pull| pull.get("number")?.as_u64()).collect(),
        branch: branch.and_then(Value::as_str).filter(|name| is_branch(name)).map(str::to_owned),
        sha: sha.and_then(Value::as_str).filter(|sha| is_sha(sha)).map(str::to_ascii_lowercase),
    };
    let about = !concern.pulls.is_empty() || concern.branch.is_some() || concern.sha.is_some();
    about.then_some(concern)
}

/// Empty for a branch of another repository: GitHub names its pull requests there only.
fn pulls_of(of: &Value) -> &[Value] {
    of.get("pull_requests").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn is_branch(name: &str) -> bool {
    (1..=BRANCH_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control)
}

fn is_sha(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn each_event_is_about_its_pull_requests_branch_and_commit() {
        let repository = json!({ "full_name": "Acme/API" });
        let head = json!({ "ref": "copilot/x", "sha": SHA });
        let pull = json!({ "repository": repository, "pull_request": { "number": 7, "head": head } });
        let run = json!({ "head_branch": "copilot/x", "head_sha": SHA, "pull_requests": [{ "number": 7 }, { "number": 9 }] });
        let check =
            json!({ "head_sha": SHA, "pull_requests": [], "check_suite": { "head_branch": "copilot/x" } });
        let of = |event: &str, payload: Value| {
            let found = concern(event, &payload).unwrap();
            assert_eq!(found.repository.full_name(), "acme/api");
            assert_eq!(found.sha.as_deref(), Some(SHA));
            (found.pulls.into_iter().collect::<Vec<_>>(), found.branch)
        };
        let branch = || Some("copilot/x".to_owned());
        assert_eq!(of("pull_request", pull.clone()), (vec![7], branch()));
        assert_eq!(of("pull_request_review", pull), (vec![7], branch()));
        for event in ["check_suite", "workflow_run"] {
            let payload = json!({ "repository": repository, event: run });
            assert_eq!(of(event, payload), (vec![7, 9], branch()));
        }
        assert_eq!(
            of("check_run", json!({ "repository": repository, "check_run": check })),
            (vec![], branch())
        );
        assert_eq!(of("status", json!({ "repository": repository, "sha": SHA })), (vec![], None));
    }

    #[test]
    fn other_events_and_other_shapes_are_about_nothing() {
        let repository = json!({ "full_name": "acme/api" });
        for (event, payload) in [
            ("issues", json!({ "repository": repository, "issue": { "number": 7 } })),
            ("pull_request", json!({ "pull_request": { "number": 7 } })),
            (
                "pull_request",
                json!({ "repository": { "full_name": "a/b/c" }, "pull_request": { "number": 7 } }),
            ),
            ("pull_request", json!({ "repository": repository, "pull_request": { "number": -7 } })),
            (
                "check_suite",
                json!({ "repository": repository, "check_suite": { "head_sha": "../x", "head_branch": 7 } }),
            ),
            ("status", json!({ "repository": repository })),
            ("workflow_run", json!([])),
        ] {
            assert_eq!(concern(event, &payload), None, "{event} {payload}");
        }
    }
}
