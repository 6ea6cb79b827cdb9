//! What GitHub tells of repositories. A repository or a part that may not be read is told as such; whatever else goes
//! wrong is an error, so that nothing is taken for known that is not.

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::{
    agent::{
        AgentError, Atlas, FailKind, Reached,
        github::{
            GitHub,
            client::Call,
            limits::Need,
            wire::{self, list, text, whole},
        },
    },
    job::repository::Repository,
    policy::{
        RepositoryFacts, Wanted,
        facts::{About, AgentSettings, FileFact, OpenPull},
    },
};

/// Open pull requests of one repository that are looked through.
const PULL_PAGES_MAX: usize = 10;
const WORKFLOW_PAGES_MAX: usize = 10;
/// Repositories of one identity: 100 to a page.
const REACH_PAGES_MAX: usize = 200;
/// A longer file is known to be there, and not read.
pub(super) const FILE_BYTES_MAX: usize = 256 * 1024;
/// Where CODEOWNERS may be; the first one counts.
const CODEOWNERS: [&str; 3] = [".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"];
/// The agent's branches begin so.
const AGENT_BRANCH: &str = "copilot/";
const AGENT_LOGINS: [&str; 2] = ["Copilot", "copilot-swe-agent[bot]"];

const HUNDRED: [(&str, &str); 1] = [("per_page", "100")];

#[async_trait]
impl Atlas for GitHub {
    async fn survey(
        &self,
        identity: &str,
        repository: &Repository,
        wanted: &Wanted,
    ) -> Result<RepositoryFacts, AgentError> {
        let ask = Ask { github: self, identity, repository };
        let mut facts = RepositoryFacts::default();
        if wanted.about {
            match ask.about().await {
                Ok(about) => (facts.visible, facts.about) = (Some(true), Some(about)),
                Err(error) if is_closed(&error) => {
                    facts.visible = Some(false);
                    return Ok(facts);
                }
                Err(error) => return Err(error),
            }
        }
        if wanted.languages {
            facts.languages = readable(&mut facts, "languages", ask.languages().await)?;
        }
        if wanted.agent {
            facts.agent = Some(ask.agent().await?);
        }
        if wanted.workflows {
            facts.workflows = readable(&mut facts, "workflows", ask.workflows().await)?;
        }
        if wanted.pulls {
            facts.pulls = readable(&mut facts, "pulls", ask.pulls().await)?;
        }
        if wanted.codeowners {
            facts.codeowners = readable(&mut facts, "codeowners", ask.codeowners().await)?;
        }
        for path in &wanted.files {
            if let Some(file) = readable(&mut facts, path, ask.file(path).await)? {
                facts.files.insert(path.clone(), file);
            }
        }
        Ok(facts)
    }

    async fn reach(&self, identity: &str) -> Result<Vec<Reached>, AgentError> {
        let call = Call {
            endpoint: "reach",
            what: "listing the repositories that are reached".to_owned(),
            url: self.url(&["user", "repos"], &HUNDRED)?,
            body: None,
            need: Need::Other,
        };
        let unreadable = call.unreadable(identity);
        let mut reached = Vec::new();
        for page in self.pages(identity, call, REACH_PAGES_MAX).await? {
            let items = page.as_array().ok_or_else(|| unreadable.clone())?;
            reached.extend(items.iter().filter_map(one_reached));
        }
        Ok(reached)
    }
}

/// None and noted if the identity may not read a part.
fn readable<T>(
    facts: &mut RepositoryFacts,
    part: &str,
    answer: Result<T, AgentError>,
) -> Result<Option<T>, AgentError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_closed(&error) => {
            facts.hidden.insert(part.to_owned());
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

const fn is_closed(error: &AgentError) -> bool {
    matches!(error.kind, FailKind::NotFound | FailKind::Forbidden)
}

/// Questions about one repository.
struct Ask<'a> {
    github: &'a GitHub,
    identity: &'a str,
    repository: &'a Repository,
}

impl Ask<'_> {
    fn call(
        &self,
        endpoint: &'static str,
        what: &str,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Call, AgentError> {
        let what = format!("reading {what} of {}", self.repository);
        self.github.at(endpoint, what, self.repository, path, query)
    }

    /// One answer, made sense of.
    async fn one<T>(&self, call: Call, read: impl Fn(&Value) -> Option<T>) -> Result<T, AgentError> {
        let answer = self.github.read(self.identity, &call).await?;
        answer.json().as_ref().and_then(read).ok_or_else(|| call.unreadable(self.identity))
    }

    async fn about(&self) -> Result<About, AgentError> {
        self.one(self.call("repository", "the repository", &[], &[])?, about).await
    }

    async fn languages(&self) -> Result<Vec<String>, AgentError> {
        let call = self.call("languages", "the languages", &["languages"], &[])?;
        self.one(call, languages).await
    }

    async fn agent(&self) -> Result<AgentSettings, AgentError> {
        let path = ["copilot", "cloud-agent", "configuration"];
        let call = self.call("agent_configuration", "the agent's settings", &path, &[])?;
        match self.one(call, agent_settings).await {
            Err(error) if error.kind == FailKind::NotFound => Ok(AgentSettings::Disabled),
            Err(error) if error.kind == FailKind::Forbidden => Ok(AgentSettings::Hidden),
            other => other,
        }
    }

    async fn workflows(&self) -> Result<Vec<String>, AgentError> {
        let call = self.call("workflows", "the workflows", &["actions", "workflows"], &HUNDRED)?;
        let mut names = Vec::new();
        for page in self.github.pages(self.identity, call, WORKFLOW_PAGES_MAX).await? {
            let active =
                list(&page, "workflows").iter().filter(|one| text(one, "state").as_deref() == Some("active"));
            names.extend(active.filter_map(|one| text(one, "name")));
        }
        Ok(names)
    }

    async fn pulls(&self) -> Result<Vec<OpenPull>, AgentError> {
        let query = [("state", "open"), ("per_page", "100")];
        let call = self.call("pulls", "the open pull requests", &["pulls"], &query)?;
        let unreadable = call.unreadable(self.identity);
        let mut found = Vec::new();
        for page in self.github.pages(self.identity, call, PULL_PAGES_MAX).await? {
            let items = page.as_array().ok_or_else(|| unreadable.clone())?;
            found.extend(items.iter().filter_map(agent_pull));
        }
        Ok(found)
    }

    async fn codeowners(&self) -> Result<String, AgentError> {
        for path in CODEOWNERS {
            if let FileFact::Text(text) = self.file(path).await? {
                return Ok(text);
            }
        }
        Ok(String::new())
    }

    async fn file(&self, path: &str) -> Result<FileFact, AgentError> {
        let parts: Vec<&str> = ["contents"].into_iter().chain(path.split('/')).collect();
        let call = self.call("contents", &format!("`{path}`"), &parts, &[])?;
        match self.one(call, |value| Some(file(value))).await {
            Err(error) if error.kind == FailKind::NotFound => Ok(FileFact::Absent),
            other => other,
        }
    }
}

fn flag(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool).unwrap_or(false)
}

fn about(value: &Value) -> Option<About> {
    let words = |name| list(value, name).iter().filter_map(Value::as_str).map(str::to_owned).collect();
    Some(About {
        full_name: text(value, "full_name"),
        node_id: text(value, "node_id"),
        visibility: text(value, "visibility"),
        archived: flag(value, "archived"),
        disabled: flag(value, "disabled"),
        can_push: value.pointer("/permissions/push").and_then(Value::as_bool),
        default_branch: text(value, "default_branch")?,
        size_kb: whole(value.get("size")).unwrap_or(0),
        language: text(value, "language"),
        topics: words("topics"),
    })
}

fn languages(value: &Value) -> Option<Vec<String>> {
    let mut bytes: Vec<(u64, &String)> =
        value.as_object()?.iter().map(|(name, bytes)| (bytes.as_u64().unwrap_or(0), name)).collect();
    bytes.sort_by(|(more, a), (less, b)| less.cmp(more).then(a.cmp(b)));
    Some(bytes.into_iter().map(|(_, name)| name.clone()).collect())
}

/// None: the answer is not what is documented.
fn agent_settings(value: &Value) -> Option<AgentSettings> {
    Some(AgentSettings::Enabled {
        workflow_approval: value.get("require_actions_workflow_approval")?.as_bool()?,
        firewall: flag(value, "is_firewall_enabled"),
    })
}

fn agent_pull(value: &Value) -> Option<OpenPull> {
    let pull = wire::pull(value).filter(|pull| pull.open)?;
    let author = pull.author.as_deref().unwrap_or_default();
    let agent = pull.head_ref.starts_with(AGENT_BRANCH) || AGENT_LOGINS.contains(&author);
    agent.then_some(OpenPull {
        number: pull.number,
        head_ref: pull.head_ref,
        base_ref: pull.base_ref,
        labels: pull.labels,
        html_url: pull.html_url,
    })
}

fn file(value: &Value) -> FileFact {
    let encoded = text(value, "content").filter(|_| text(value, "encoding").as_deref() == Some("base64"));
    let bytes = encoded.and_then(|encoded| {
        let plain: String = encoded.split_whitespace().collect();
        STANDARD.decode(plain).ok()
    });
    let text =
        bytes.filter(|bytes| bytes.len() <= FILE_BYTES_MAX).and_then(|bytes| String::from_utf8(bytes).ok());
    text.map_or(FileFact::Present, FileFact::Text)
}

fn one_reached(value: &Value) -> Option<Reached> {
    Some(Reached {
        repository: text(value, "full_name")?.parse().ok()?,
        archived: flag(value, "archived"),
        can_push: value.pointer("/permissions/push").and_then(Value::as_bool).unwrap_or(false),
        private: flag(value, "private"),
    })
}
