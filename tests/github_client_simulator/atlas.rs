//! What GitHub tells of repositories.

use sluicegate::{
    agent::{Atlas as _, FailKind},
    policy::{
        Wanted,
        facts::{AgentSettings, FileFact},
    },
};

use crate::bench::{bench, repository};

const ESTATE: &str = r#"
    [[repositories]]
    match = "acme/api"
    size_kb = 42
    languages = { Go = 10, Rust = 90 }
    topics = ["core"]
    workflows = ["ci", "release"]
    workflow_approval = true
    codeowners = "* @ana\n"
    open_pulls = [
        { title = "Agent's", head = "copilot/x", labels = ["deps"] },
        { title = "A person's", head = "feature/y", author = "ana", labels = ["deps"] },
    ]
    [repositories.files]
    "Cargo.toml" = "[package]"
    "src/main.rs" = "fn main() {}"
    [[repositories]]
    match = "acme/quiet"
    agent_enabled = false
    push = false
    archived = true
"#;

fn everything() -> Wanted {
    let files = ["Cargo.toml", "src", "Makefile"].map(str::to_owned).into();
    Wanted {
        about: true,
        languages: true,
        agent: true,
        workflows: true,
        codeowners: true,
        pulls: true,
        files,
    }
}

#[tokio::test]
async fn everything_that_is_wanted_of_a_repository_is_told() {
    let bench = bench(ESTATE).await;
    let facts = bench.github.survey("bot", &repository(), &everything()).await.unwrap();
    assert_eq!((facts.visible, facts.hidden.len()), (Some(true), 0));
    let about = facts.about.clone().unwrap();
    assert_eq!((about.default_branch.as_str(), about.size_kb, about.can_push), ("main", 42, Some(true)));
    assert_eq!(
        (about.full_name.as_deref(), about.topics.as_slice()),
        (Some("acme/api"), &["core".to_owned()][..])
    );
    assert_eq!(facts.languages.as_deref(), Some(&["Rust".to_owned(), "Go".to_owned()][..]));
    assert_eq!(facts.workflows.as_deref(), Some(&["ci".to_owned(), "release".to_owned()][..]));
    assert_eq!(facts.agent, Some(AgentSettings::Enabled { workflow_approval: true, firewall: true }));
    assert_eq!(facts.codeowners.as_deref(), Some("* @ana\n"));
    let pulls: Vec<&str> = facts.pulls.iter().flatten().map(|pull| pull.head_ref.as_str()).collect();
    assert_eq!(pulls, ["copilot/x"], "what people have open is not the agent's");
    assert_eq!(facts.files["Cargo.toml"], FileFact::Text("[package]".to_owned()));
    assert_eq!((&facts.files["src"], &facts.files["Makefile"]), (&FileFact::Present, &FileFact::Absent));
}

#[tokio::test]
async fn only_what_is_wanted_is_asked_for() {
    let bench = bench(ESTATE).await;
    let wanted = Wanted { about: true, ..Wanted::default() };
    bench.github.survey("bot", &repository(), &wanted).await.unwrap();
    let asked: u64 = bench.github.counters().iter().map(|(_, _, count)| *count).sum();
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn what_cannot_be_seen_or_read_is_told_and_what_cannot_be_asked_is_an_error() {
    let bench = bench(ESTATE).await;
    let github = &bench.github;
    let unknown = "other/api".parse().unwrap();
    assert_eq!(github.survey("bot", &unknown, &everything()).await.unwrap().visible, Some(false));
    let quiet = github.survey("bot", &"acme/quiet".parse().unwrap(), &everything()).await.unwrap();
    let about = quiet.about.unwrap();
    assert_eq!(
        (quiet.agent, about.archived, about.can_push),
        (Some(AgentSettings::Disabled), true, Some(false))
    );
    bench
        .change("tokens/operator", r#"{"permissions": {"administration": "none", "actions": "none"}}"#)
        .await;
    let facts = github.survey("bot", &repository(), &everything()).await.unwrap();
    assert_eq!(facts.agent, Some(AgentSettings::Hidden));
    assert_eq!(facts.hidden.iter().collect::<Vec<_>>(), ["workflows"]);
    bench.change("faults", r#"{"status": 502, "match": {"route": "/repos/{owner}/{repo}/languages"}}"#).await;
    let error = github.survey("bot", &repository(), &everything()).await.unwrap_err();
    assert_eq!(error.kind, FailKind::Ambiguous);
    bench.change("tokens/operator", r#"{"revoked": true}"#).await;
    let error = github.survey("bot", &repository(), &everything()).await.unwrap_err();
    assert_eq!(error.kind, FailKind::Unauthorised);
}

#[tokio::test]
async fn every_repository_that_is_reached_is_told() {
    let bench = bench(ESTATE).await;
    let reached = bench.github.reach("bot").await.unwrap();
    let told: Vec<(String, bool, bool)> =
        reached.into_iter().map(|one| (one.repository.to_string(), one.can_push, one.archived)).collect();
    assert_eq!(told, [("acme/api".to_owned(), true, false), ("acme/quiet".to_owned(), false, true)]);
}
