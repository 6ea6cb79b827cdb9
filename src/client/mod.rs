//! A small client of the HTTP interface, used by the command line itself.
//!
//! ```no_run
//! use sluicegate::client::{Client, ClientError, Endpoint, JobQuery};
//! use sluicegate::policy::Request;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let token = std::fs::read_to_string(".sluice/token")?;
//! let client = Client::new(Endpoint::new("http://127.0.0.1:4280", token.trim())?)?;
//!
//! let request = Request::parse_json(
//!     br#"{"template": "dependency-upgrade", "repositories": ["acme/api"], "requester": "carla",
//!          "inputs": {"ecosystem": "cargo", "package": "serde", "to_version": "1.0.228"},
//!          "idempotency_key": "ticket-4711"}"#,
//! )?;
//! let accepted = match client.submit(&request).await {
//!     Ok(accepted) => accepted,
//!     Err(ClientError::Refused(refusal)) => return Err(format!("{}: {}", refusal.code, refusal.detail).into()),
//!     // It may have been accepted: with the same key it is accepted once.
//!     Err(_) => client.submit(&request).await?,
//! };
//!
//! let mut events = client.events(&[("request", Some(accepted.request.to_string()))], None).await?;
//! while let Some(event) = events.next().await? {
//!     println!("{} {}: {}", event.id, event.kind, event.text("state").unwrap_or_default());
//! }
//! let query = JobQuery { request: Some(accepted.request.to_string()), ..JobQuery::default() };
//! for job in client.jobs(&query).await?.jobs {
//!     println!("{} is {}", job.repository, job.state);
//! }
//! # Ok(())
//! # }
//! ```

mod calls;
mod error;
mod events;

use std::time::Duration;

use http::{
    HeaderMap, Method,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderValue},
};
use reqwest::{Certificate, RequestBuilder, Url, redirect::Policy};
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

pub use self::{
    calls::{JobPage, JobQuery, RequestPage},
    error::{ClientError, Refusal},
    events::{Event, Events},
};
use crate::{job::time::Timestamp, policy::access::bearer};

/// Whoever does not answer by then does not answer. Checking a long history takes a while.
const TIMEOUT: Duration = Duration::from_mins(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Events and downloads last as long as there is something to come.
const LONG: Duration = Duration::from_hours(24);
/// Names the file of a body, for messages.
const FILE_NAME: &str = "x-file-name";

/// A daemon that can be talked to.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub server: Url,
    pub token: SecretString,
    /// Certificates that are trusted besides those of the system.
    pub trusted: Vec<Certificate>,
}

impl Endpoint {
    pub fn new(server: &str, token: impl Into<SecretString>) -> Result<Self, ClientError> {
        let wrong = |why: &str| ClientError::Address { what: format!("`{server}`"), why: why.to_owned() };
        let url = Url::parse(server).map_err(|error| wrong(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
            return Err(wrong("it must begin with http:// or https://"));
        }
        if url.username() != "" || url.password().is_some() {
            // The text is not repeated: it holds a secret.
            let why = "it must not hold a name or password".to_owned();
            return Err(ClientError::Address { what: "what was given".to_owned(), why });
        }
        Ok(Self { server: url, token: token.into(), trusted: Vec::new() })
    }
}

/// The daemon's answer as it came.
#[derive(Clone, Debug)]
pub struct Answer {
    pub body: String,
    /// The daemon's clock, in whole seconds.
    pub at: Option<Timestamp>,
}

impl Answer {
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_str(&self.body).map_err(|error| ClientError::Unreadable(error.to_string()))
    }
}

/// What is sent.
pub enum Body<'a> {
    Json(Value),
    /// Files for people, with their names for messages.
    JsonFile {
        name: &'a str,
        bytes: Vec<u8>,
    },
    Toml {
        name: &'a str,
        bytes: Vec<u8>,
    },
}

impl Body<'_> {
    pub fn json(value: &impl Serialize) -> Result<Self, ClientError> {
        serde_json::to_value(value)
            .map(Body::Json)
            .map_err(|error| ClientError::Unwritable(error.to_string()))
    }
}

/// Only what is set is sent.
pub type Query<'a> = [(&'a str, Option<String>)];

/// A connection to one daemon.
pub struct Client {
    http: reqwest::Client,
    endpoint: Endpoint,
    bearer: HeaderValue,
    /// Who acts where nobody is named; None: the token says it.
    actor: Option<String>,
}

impl Client {
    pub fn new(endpoint: Endpoint) -> Result<Self, ClientError> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // An error says that another thread was faster, which is as good.
            drop(rustls::crypto::ring::default_provider().install_default());
        }
        let header = format!("Bearer {}", endpoint.token.expose_secret());
        let mut header = HeaderValue::from_str(&header).map_err(|_| ClientError::Token)?;
        header.set_sensitive(true);
        let builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .redirect(Policy::none())
            .no_proxy()
            .tls_certs_merge(endpoint.trusted.clone());
        let http = builder.build().map_err(|error| ClientError::Setup(error::causes(&error)))?;
        let named = bearer::names_its_bearer(endpoint.token.expose_secret());
        Ok(Self { http, endpoint, bearer: header, actor: (!named).then(|| "operator".to_owned()) })
    }

    /// Names who acts where nobody is named. A token that names its bearer is left to do so.
    #[must_use]
    pub fn acting_as(self, actor: &str) -> Self {
        Self { actor: self.actor.map(|_| actor.to_owned()), ..self }
    }

    pub async fn get(&self, path: &[&str], query: &Query<'_>) -> Result<Answer, ClientError> {
        self.answer(self.ask(Method::GET, path, query)?).await
    }

    pub async fn post(&self, path: &[&str], body: Body<'_>) -> Result<Answer, ClientError> {
        self.post_with(path, &[], body).await
    }

    pub async fn post_with(
        &self,
        path: &[&str],
        query: &Query<'_>,
        body: Body<'_>,
    ) -> Result<Answer, ClientError> {
        let request = self.ask(Method::POST, path, query)?;
        let (media, name, bytes) = match body {
            Body::Json(mut value) => {
                if let Some(actor) = value.get_mut("actor").filter(|actor| actor.is_null()) {
                    *actor = Value::from(self.actor.clone());
                }
                ("application/json", None, value.to_string().into_bytes())
            }
            Body::JsonFile { name, bytes } => ("application/json", Some(name), bytes),
            Body::Toml { name, bytes } => ("application/toml", Some(name), bytes),
        };
        let mut request = request.header(CONTENT_TYPE, media).body(bytes);
        if let Some(name) = name {
            request = request.header(FILE_NAME, header_text(name));
        }
        self.answer(request).await
    }

    /// What happens from now on, or after an event that is known. Filters: `request` and `job`.
    pub async fn events(&self, query: &Query<'_>, after: Option<i64>) -> Result<Events, ClientError> {
        let mut request = self.ask(Method::GET, &["v1", "events"], query)?;
        request = request.header(ACCEPT, "text/event-stream").timeout(LONG);
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        Ok(Events::new(self.open(request).await?, after))
    }

    /// A long answer, piece by piece.
    pub async fn download(&self, path: &[&str], query: &Query<'_>) -> Result<Download, ClientError> {
        Ok(Download(self.open(self.ask(Method::GET, path, query)?.timeout(LONG)).await?))
    }

    /// An answer that is read later.
    async fn open(&self, request: RequestBuilder) -> Result<reqwest::Response, ClientError> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = response.text().await.map_err(|error| self.unreachable(&error))?;
        Err(ClientError::Refused(Box::new(Refusal::read(status, body))))
    }

    fn ask(&self, method: Method, path: &[&str], query: &Query<'_>) -> Result<RequestBuilder, ClientError> {
        let mut url = self.endpoint.server.clone();
        let Ok(mut segments) = url.path_segments_mut() else {
            let what = format!("`{}`", self.endpoint.server);
            return Err(ClientError::Address { what, why: "nothing can be below it".to_owned() });
        };
        segments.pop_if_empty().extend(path);
        drop(segments);
        for (name, value) in query.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
            url.query_pairs_mut().append_pair(name, value);
        }
        Ok(self.http.request(method, url).header(AUTHORIZATION, self.bearer.clone()))
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Answer, ClientError> {
        let answer = request.send().await.map_err(|error| self.unreachable(&error))?;
        let (status, at) = (answer.status(), date(answer.headers()));
        let bytes = answer.bytes().await.map_err(|error| self.unreachable(&error))?;
        let body = String::from_utf8_lossy(&bytes).into_owned();
        if status.is_success() {
            Ok(Answer { body, at })
        } else {
            Err(ClientError::Refused(Box::new(Refusal::read(status, body))))
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> ClientError {
        let server = self.endpoint.server.origin().ascii_serialization();
        ClientError::Unreachable { server, why: error::causes(error), sent: !error.is_connect() }
    }
}

/// A long answer that is read as it comes.
pub struct Download(reqwest::Response);

impl Download {
    /// None: that was all of it.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, ClientError> {
        let server = self.0.url().origin().ascii_serialization();
        let piece = self.0.chunk().await;
        let lost = |error| ClientError::Unreachable { server, why: error::causes(&error), sent: true };
        Ok(piece.map_err(lost)?.map(|piece| piece.to_vec()))
    }
}

/// What a header can carry of a file's name.
fn header_text(name: &str) -> String {
    name.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect()
}

fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let text = headers.get(DATE)?.to_str().ok()?;
    let zoned = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(Timestamp(zoned.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_daemons_clock_is_read_from_its_answers() {
        let headers =
            HeaderMap::from_iter([(DATE, HeaderValue::from_static("Fri, 20 Nov 2026 10:00:00 GMT"))]);
        assert_eq!(date(&headers), Timestamp::parse("2026-11-20T10:00:00Z"));
        assert_eq!(date(&HeaderMap::new()), None);
        assert_eq!(header_text("weekly plän.toml"), "weekly pl?n.toml");
    }

    #[test]
    fn what_is_no_address_is_refused_and_a_password_in_it_is_not_repeated() {
        for text in ["", "127.0.0.1:4280", "ftp://x", "unix:/x", "mailto:x"] {
            assert!(matches!(Endpoint::new(text, "t"), Err(ClientError::Address { .. })), "{text}");
        }
        let error = Endpoint::new("http://me:hunter2@localhost", "t").unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
    }
}
