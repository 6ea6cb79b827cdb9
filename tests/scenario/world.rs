//! Scenarios for the simulator: people and repositories that all tests share, and what each test adds.

use crate::stage::BOT_TOKEN;

/// Short stories that end well, unless `more` says otherwise.
pub fn scenario(more: &str) -> String {
    format!(
        r#"
[defaults]
queued_ms = 30
session_delay_ms = 20
artifact_delay_ms = 50
run_ms = [150, 400]
credits = [20, 90]
files = ["Cargo.toml", "src/lib.rs"]
checks = [{{ name = "ci", queued_ms = 10, run_ms = 50 }}]
review = "merged"
review_starts = "requested"
review_after_ms = [150, 300]
[[repositories]]
match = "acme/*"
collaborators = ["ana", "ben", "octo-operator"]
[[users]]
login = "octo-operator"
id = 1001
[[tokens]]
name = "operator"
secret = "{BOT_TOKEN}"
user = "octo-operator"
{more}
"#
    )
}

/// A story of one repository: its keys as TOML.
pub fn story(name: &str, keys: &str) -> String {
    format!("[[stories]]\nmatch = \"acme/{name}\"\n{keys}\n")
}

/// A fault that strikes creates in one repository, once.
pub fn create_fault(name: &str, keys: &str) -> String {
    format!(
        "[[faults]]\ntimes = 1\n{keys}\n[faults.match]\nmethod = \"POST\"\n\
         route = \"/agents/repos/{{owner}}/{{repo}}/tasks\"\nrepository = \"acme/{name}\"\n"
    )
}

/// Every create takes so long before it takes effect.
pub fn slow_creates(ms: u32) -> String {
    format!(
        "[[faults]]\nlatency_ms = {ms}\n[faults.match]\nmethod = \"POST\"\n\
         route = \"/agents/repos/{{owner}}/{{repo}}/tasks\"\n"
    )
}
