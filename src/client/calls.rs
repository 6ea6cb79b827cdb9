//! The calls that programs make most, with their types. Everything else goes through `get` and `post`.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    budget::Closure,
    client::{Body, Client, ClientError},
    job::{id::RequestId, state::State},
    pipeline::{
        plan_view::PlanView,
        view::{Accepted, JobDetail, JobView, Overview, RequestView, Why},
    },
    policy::Request,
};

/// Which jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobQuery {
    /// An id, or the end of it.
    pub request: Option<String>,
    pub state: Option<State>,
    /// `owner/name`.
    pub repository: Option<String>,
    /// Name, without a version.
    pub template: Option<String>,
    pub team: Option<String>,
    /// `next` of the page before.
    pub after: Option<i64>,
    pub limit: Option<u32>,
}

impl JobQuery {
    pub fn pairs(&self) -> [(&'static str, Option<String>); 7] {
        [
            ("request", self.request.clone()),
            ("state", self.state.map(|state| state.to_string())),
            ("repository", self.repository.clone()),
            ("template", self.template.clone()),
            ("team", self.team.clone()),
            ("after", self.after.map(|after| after.to_string())),
            ("limit", self.limit.map(|limit| limit.to_string())),
        ]
    }
}

/// A page of jobs.
#[derive(Clone, Debug, Deserialize)]
pub struct JobPage {
    pub jobs: Vec<JobView>,
    pub next: Option<i64>,
    #[serde(default)]
    pub kill_switch: Option<Closure>,
}

/// A page of requests, newest first.
#[derive(Clone, Debug, Deserialize)]
pub struct RequestPage {
    pub requests: Vec<RequestView>,
    /// An older daemon says nothing of it.
    #[serde(default)]
    pub next: Option<RequestId>,
}

#[derive(Serialize)]
struct Act<'a> {
    actor: &'a str,
    reason: &'a str,
}

impl Client {
    async fn read<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, ClientError> {
        self.get(path, &[]).await?.read()
    }

    /// With an idempotency key in it a request may be sent again at any time: it is accepted once.
    pub async fn submit(&self, request: &Request) -> Result<Accepted, ClientError> {
        self.post(&["v1", "requests"], Body::json(request)?).await?.read()
    }

    /// What a request would become, without its prompts.
    pub async fn plan(&self, request: &Request) -> Result<PlanView, ClientError> {
        let query = [("prompt", Some(String::new()))];
        self.post_with(&["v1", "plans"], &query, Body::json(request)?).await?.read()
    }

    pub async fn request(&self, id: &str) -> Result<RequestView, ClientError> {
        self.read(&["v1", "requests", id]).await
    }

    pub async fn requests(
        &self,
        after: Option<RequestId>,
        limit: Option<u32>,
    ) -> Result<RequestPage, ClientError> {
        let query =
            [("after", after.map(|id| id.to_string())), ("limit", limit.map(|limit| limit.to_string()))];
        self.get(&["v1", "requests"], &query).await?.read()
    }

    pub async fn jobs(&self, query: &JobQuery) -> Result<JobPage, ClientError> {
        self.get(&["v1", "jobs"], &query.pairs()).await?.read()
    }

    pub async fn job(&self, id: &str) -> Result<JobDetail, ClientError> {
        self.read(&["v1", "jobs", id]).await
    }

    pub async fn why(&self, id: &str) -> Result<Why, ClientError> {
        self.read(&["v1", "jobs", id, "why"]).await
    }

    pub async fn cancel(&self, id: &str, actor: &str, reason: &str) -> Result<JobView, ClientError> {
        self.post(&["v1", "jobs", id, "cancel"], Body::json(&Act { actor, reason })?).await?.read()
    }

    pub async fn overview(&self) -> Result<Overview, ClientError> {
        self.read(&["v1", "overview"]).await
    }
}
