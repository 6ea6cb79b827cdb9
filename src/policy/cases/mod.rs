//! Tests of a policy, as tables beside it: a request, what is known of its repositories, a time, and what must be decided. Here:
//! how they are written. Strict: an unknown key is a mistake.

mod judge;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::{
    job::time::Timestamp,
    policy::{
        Problem, RepositoryFacts, Request,
        document::Document,
        facts::{About, AgentSettings, FileFact, OpenPull},
        problem::Code,
        repositories::Class,
    },
};

/// When a case says no time: a Monday, at noon UTC.
const AT: &str = "2026-01-05T12:00:00Z";

/// One file of cases, with its text for the places of failures.
#[derive(Clone, Debug)]
pub struct Cases {
    name: String,
    text: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    case: Vec<Case>,
}

/// One `[[case]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default = "noon")]
    at: String,
    request: Request,
    /// Of each repository of the request.
    #[serde(default)]
    facts: Facts,
    expect: Expect,
}

fn noon() -> String {
    AT.to_owned()
}

/// What is different from a repository in which everything is right.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Facts {
    /// It does not exist, or cannot be seen.
    missing: bool,
    archived: bool,
    disabled: bool,
    read_only: bool,
    /// Its name now, if it has moved.
    full_name: Option<String>,
    default_branch: Option<String>,
    size_kb: u64,
    languages: Option<Vec<String>>,
    agent: Agent,
    /// Workflows on the agent's pull requests wait for a click.
    workflow_approval: bool,
    workflows: Option<Vec<String>>,
    codeowners: Option<String>,
    /// Labels of each open pull request of the agent.
    open_pulls: Vec<Vec<String>>,
    files: BTreeMap<String, String>,
    absent: Vec<String>,
    /// Parts or paths that the identity may not read.
    hidden: BTreeSet<String>,
}

/// The agent's settings there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Agent {
    #[default]
    Enabled,
    Disabled,
    Hidden,
}

/// What must be decided; what is left out is not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Expect {
    outcome: Option<Expected>,
    /// Every token that denies or holds.
    reasons: Option<BTreeSet<String>>,
    /// Every token that does neither.
    remarks: Option<BTreeSet<String>>,
    /// Empty: the provider chooses.
    model: Option<String>,
    model_by: Option<String>,
    identity: Option<String>,
    pull_request: Option<bool>,
    class: Option<Class>,
    /// Jobs of each wave.
    waves: Option<Vec<usize>>,
    /// Name of a freeze; empty: none.
    frozen: Option<String>,
    prompt_contains: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Expected {
    Allow,
    NeedsApproval,
    Deny,
    /// The request as a whole is not accepted.
    Refused,
}

impl Cases {
    pub fn parse(name: &str, text: &str) -> Result<Self, Problem> {
        let document = Document { name, text };
        let file: File = document.parse(Code::BadPolicyTest)?;
        let wrong = |index: usize, path: &str, what: String, hint: &str| {
            let problem = Problem::new(Code::BadPolicyTest, what).hint(hint);
            document.point_at(problem, &["case", &index.to_string(), path])
        };
        for (index, case) in file.case.iter().enumerate() {
            if Timestamp::parse(&case.at).is_none() {
                let what = format!("`at` of the case `{}` is not a time in RFC 3339", case.name);
                return Err(wrong(index, "at", what, "write a time such as 2026-12-24T10:00:00Z"));
            }
            if case.expect == Expect::default() {
                let what = format!("the case `{}` expects nothing", case.name);
                return Err(wrong(index, "name", what, "add `outcome = \"allow\"` under [case.expect]"));
            }
        }
        if file.case.is_empty() {
            let problem = Problem::new(Code::BadPolicyTest, "there is no case").at(name);
            return Err(problem.hint("add [[case]] with a request and what is expected"));
        }
        Ok(Self { name: name.to_owned(), text: text.to_owned(), cases: file.case })
    }

    pub fn len(&self) -> usize {
        self.cases.len()
    }

    pub fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }
}

impl Case {
    fn time(&self) -> Timestamp {
        Timestamp::parse(&self.at).unwrap_or_default()
    }
}

impl Facts {
    /// As if it had been asked.
    fn told(&self) -> RepositoryFacts {
        if self.missing {
            return RepositoryFacts { visible: Some(false), ..RepositoryFacts::default() };
        }
        let pull = |(number, labels): (u64, &Vec<String>)| OpenPull {
            number,
            head_ref: "copilot/earlier".to_owned(),
            base_ref: "main".to_owned(),
            labels: labels.clone(),
            html_url: None,
        };
        let files = self.files.iter().map(|(path, text)| (path.clone(), FileFact::Text(text.clone())));
        let absent = self.absent.iter().map(|path| (path.clone(), FileFact::Absent));
        RepositoryFacts {
            visible: Some(true),
            about: Some(About {
                full_name: self.full_name.clone(),
                archived: self.archived,
                disabled: self.disabled,
                can_push: Some(!self.read_only),
                default_branch: self.default_branch.clone().unwrap_or_else(|| "main".to_owned()),
                size_kb: self.size_kb,
                language: self.languages.as_ref().and_then(|all| all.first().cloned()),
                ..About::default()
            }),
            languages: self.languages.clone(),
            agent: Some(match self.agent {
                Agent::Enabled => {
                    AgentSettings::Enabled { workflow_approval: self.workflow_approval, firewall: true }
                }
                Agent::Disabled => AgentSettings::Disabled,
                Agent::Hidden => AgentSettings::Hidden,
            }),
            workflows: self.workflows.clone(),
            codeowners: self.codeowners.clone(),
            pulls: Some((1_u64..).zip(&self.open_pulls).map(pull).collect()),
            hidden: self.hidden.clone(),
            files: files.chain(absent).collect(),
        }
    }
}
