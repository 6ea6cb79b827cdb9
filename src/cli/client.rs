//! Talks to a running daemon over its HTTP interface: one method for reading, one for acting. It decides nothing; what the
//! daemon refuses becomes an error with the right exit code.

use std::{collections::BTreeMap, error::Error, time::Duration};

use http::{
    HeaderMap, Method, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderValue},
};
use reqwest::{Url, redirect::Policy};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    cli::{
        Shared,
        endpoint::Endpoint,
        exit::{CliError, Exit},
        words,
    },
    job::time::Timestamp,
    policy::{Problem, access::bearer},
};

/// Whoever does not answer by then does not answer. Checking a long history takes a while.
const TIMEOUT: Duration = Duration::from_mins(2);
/// A download may last as long as there is something to come.
const LONG: Duration = Duration::from_hours(24);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Names the file of a body, for messages.
const FILE_NAME: &str = "x-file-name";

/// The daemon's answer as it came.
#[derive(Clone, Debug)]
pub struct Answer {
    pub body: String,
    /// The daemon's clock, in whole seconds.
    pub at: Option<Timestamp>,
}

impl Answer {
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, CliError> {
        serde_json::from_str(&self.body).map_err(|error| {
            CliError::new(Exit::Failure, format!("the daemon's answer cannot be read: {error}"))
                .hint("daemon and command may be of different versions: compare `sluice --version` with `sluice doctor`")
        })
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
    pub fn json(value: &impl Serialize) -> Result<Self, CliError> {
        serde_json::to_value(value).map(Body::Json).map_err(|error| {
            CliError::new(Exit::Failure, format!("the request cannot be written as JSON: {error}"))
        })
    }
}

/// A connection to one daemon.
pub struct Client {
    http: reqwest::Client,
    endpoint: Endpoint,
    /// Who acts if nobody is named; None: the token says it.
    actor: Option<String>,
}

impl Client {
    pub fn connect(shared: &Shared, env: &BTreeMap<String, String>) -> Result<Self, CliError> {
        let client = Self::to(Endpoint::find(shared, env)?)?;
        let user = env.get("USER").filter(|user| !user.is_empty() && client.actor.is_some()).cloned();
        Ok(Self { actor: user.or(client.actor), ..client })
    }

    pub fn to(endpoint: Endpoint) -> Result<Self, CliError> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // An error says that another thread was faster, which is as good.
            drop(rustls::crypto::ring::default_provider().install_default());
        }
        let builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .redirect(Policy::none())
            .no_proxy();
        let builder = builder.tls_certs_merge(endpoint.certificates()?);
        let http = builder.build().map_err(|error| {
            CliError::new(Exit::Failure, format!("setting up the HTTP client failed: {}", causes(&error)))
        })?;
        let named = bearer::names_its_bearer(endpoint.token.expose_secret());
        Ok(Self { http, endpoint, actor: (!named).then(|| "operator".to_owned()) })
    }

    /// `query` holds only what is set.
    pub async fn get(&self, path: &[&str], query: &[(&str, Option<String>)]) -> Result<Answer, CliError> {
        let mut url = self.url(path)?;
        let set = query.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        for (name, value) in set {
            url.query_pairs_mut().append_pair(name, value);
        }
        self.send(Method::GET, url, None).await
    }

    pub async fn post(&self, path: &[&str], body: Body<'_>) -> Result<Answer, CliError> {
        self.post_with(path, &[], body).await
    }

    /// `query` holds only what is set.
    pub async fn post_with(
        &self,
        path: &[&str],
        query: &[(&str, Option<String>)],
        body: Body<'_>,
    ) -> Result<Answer, CliError> {
        let mut url = self.url(path)?;
        let set = query.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        for (name, value) in set {
            url.query_pairs_mut().append_pair(name, value);
        }
        self.send(Method::POST, url, Some(body)).await
    }

    /// Writes a long answer as it comes.
    pub async fn download(
        &self,
        path: &[&str],
        query: &[(&str, Option<String>)],
        out: &mut (dyn std::io::Write + Send),
    ) -> Result<(), CliError> {
        let mut url = self.url(path)?;
        let set = query.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        for (name, value) in set {
            url.query_pairs_mut().append_pair(name, value);
        }
        let request = self.http.request(Method::GET, url).header(AUTHORIZATION, self.bearer()?).timeout(LONG);
        let mut answer = request.send().await.map_err(|error| self.unreachable(&error))?;
        if !answer.status().is_success() {
            let status = answer.status();
            return Err(refused(status, answer.text().await.unwrap_or_default()));
        }
        while let Some(piece) = answer.chunk().await.map_err(|error| self.unreachable(&error))? {
            out.write_all(&piece)?;
        }
        out.flush()?;
        Ok(())
    }

    fn bearer(&self) -> Result<HeaderValue, CliError> {
        let bearer = format!("Bearer {}", self.endpoint.token.expose_secret());
        let mut bearer = HeaderValue::from_str(&bearer).map_err(|_| {
            CliError::new(Exit::Unauthorised, "the token holds characters that no header may hold")
        })?;
        bearer.set_sensitive(true);
        Ok(bearer)
    }

    fn url(&self, path: &[&str]) -> Result<Url, CliError> {
        let mut url = self.endpoint.server.clone();
        let Ok(mut segments) = url.path_segments_mut() else {
            let server = &self.endpoint.server;
            return Err(CliError::new(Exit::Usage, format!("`{server}` is not the address of a daemon")));
        };
        segments.pop_if_empty().extend(path);
        drop(segments);
        Ok(url)
    }

    async fn send(&self, method: Method, url: Url, body: Option<Body<'_>>) -> Result<Answer, CliError> {
        let mut request = self.http.request(method, url).header(AUTHORIZATION, self.bearer()?);
        match body {
            Some(Body::Json(mut value)) => {
                if let Some(actor) = value.get_mut("actor").filter(|actor| actor.is_null()) {
                    *actor = Value::from(self.actor.clone());
                }
                request = request.header(CONTENT_TYPE, "application/json").body(value.to_string());
            }
            Some(Body::JsonFile { name, bytes }) => {
                request = request.header(CONTENT_TYPE, "application/json");
                request = request.header(FILE_NAME, header_text(name)).body(bytes);
            }
            Some(Body::Toml { name, bytes }) => {
                request = request.header(CONTENT_TYPE, "application/toml");
                request = request.header(FILE_NAME, header_text(name)).body(bytes);
            }
            None => {}
        }
        let answer = request.send().await.map_err(|error| self.unreachable(&error))?;
        let (status, at) = (answer.status(), date(answer.headers()));
        let bytes = answer.bytes().await.map_err(|error| self.unreachable(&error))?;
        let body = String::from_utf8_lossy(&bytes).into_owned();
        if status.is_success() { Ok(Answer { body, at }) } else { Err(refused(status, body)) }
    }

    fn unreachable(&self, error: &reqwest::Error) -> CliError {
        let server = self.endpoint.server.origin().ascii_serialization();
        let why = causes(error);
        if error.is_connect() && why.contains("certificate") {
            let what = format!("the certificate of the daemon at {server} is not trusted: {why}");
            return CliError::new(Exit::Unreachable, what).hint(
                "name the host that it is made out to with --server, and the certificate of its issuer with --ca-file",
            );
        }
        if error.is_connect() {
            let what = format!("the daemon at {server} cannot be reached: {why}");
            return CliError::new(Exit::Unreachable, what)
                .hint("start it with `sluice serve`, or name another one with --server");
        }
        CliError::new(Exit::Unreachable, format!("the daemon at {server} did not answer: {why}"))
            .hint("it may have been done all the same: look with `sluice jobs` before you try again")
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

/// RFC 9457, with our code and the problems of a refused input.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Refusal {
    title: String,
    code: String,
    detail: Option<String>,
    problems: Vec<Problem>,
}

fn refused(status: StatusCode, body: String) -> CliError {
    let exit = match status.as_u16() {
        400 | 413 | 415 | 422 => Exit::Refused,
        401 | 403 => Exit::Unauthorised,
        404 => Exit::NotFound,
        409 | 412 => Exit::Conflict,
        502 | 504 => Exit::Unreachable,
        _ => Exit::Failure,
    };
    let refusal: Refusal = serde_json::from_str(&body).unwrap_or_default();
    let said = refusal.detail.filter(|detail| !detail.is_empty()).unwrap_or(refusal.title);
    let said =
        if said.is_empty() { format!("the daemon answered {status}") } else { words::clean_lines(&said) };
    let what = if refusal.problems.is_empty() {
        said
    } else {
        let problems: Vec<String> = refusal.problems.iter().map(indented).collect();
        let head = match refusal.code.as_str() {
            "plan-changed" => {
                "the plan does not hold any more, and nothing was started; what is different now:"
            }
            _ => "the input was refused, and nothing of it was kept:",
        };
        format!("{head}\n{}", problems.join("\n"))
    };
    let mut error = CliError::new(exit, what);
    error.hint = what_to_do(exit, &refusal.code).map(str::to_owned);
    error.answer = Some(body);
    error
}

/// None: what was said says it.
fn what_to_do(exit: Exit, code: &str) -> Option<&'static str> {
    Some(match (exit, code) {
        (Exit::Unauthorised, "role-missing" | "outside-reach") => {
            "see what your token may do with `sluice token me`, or ask for another one"
        }
        (Exit::Unauthorised, "actor-mismatch") => "leave --actor out",
        (Exit::Unauthorised, "token-expired" | "token-revoked") => {
            "ask whoever runs the daemon for a new token"
        }
        (Exit::Unauthorised, _) => {
            "name the daemon's token file, or the file with your token, with --token-file"
        }
        (_, "unknown-job") => "look for it with `sluice jobs`",
        (_, "unknown-request") => "look for it with `sluice requests`",
        (_, "unknown-template") => "look for it with `sluice template list`",
        (_, "plan-changed") => {
            "plan again with `sluice plan REQUEST --out FILE`, and look at what is different"
        }
        (_, "unknown-budget") => "look for it with `sluice budgets`",
        (_, "illegal-event") => "look at it with `sluice show`",
        (_, "ledger-unavailable" | "ledger-unreadable") => "look closer with `sluice doctor`",
        _ => return None,
    })
}

fn indented(problem: &Problem) -> String {
    let text = words::clean_lines(&problem.to_string());
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

/// An error with its causes on one line; reqwest's own text says only that something failed.
fn causes(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    let mut text = if cause.is_some() { String::new() } else { "no answer".to_owned() };
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            let gap = if text.is_empty() { "" } else { ": " };
            text.push_str(gap);
            text.push_str(&said);
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_shows_each_problem_and_has_the_exit_code_of_its_status() {
        let body = r#"{"title":"refused","status":422,"code":"invalid","problems":[
            {"code":"wrong-input","what":"expected a text","at":"inputs.package","hint":"write it in quotes"}]}"#;
        let error = refused(StatusCode::UNPROCESSABLE_ENTITY, body.to_owned());
        assert_eq!(error.exit, Exit::Refused);
        assert!(
            error
                .what
                .contains("  inputs.package: expected a text (wrong-input)\n    hint: write it in quotes")
        );
        for (status, exit) in [
            (401, Exit::Unauthorised),
            (404, Exit::NotFound),
            (409, Exit::Conflict),
            (413, Exit::Refused),
            (500, Exit::Failure),
            (503, Exit::Failure),
            (504, Exit::Unreachable),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(refused(status, "no JSON".to_owned()).exit, exit);
        }
    }

    #[test]
    fn the_daemons_clock_is_read_from_its_answers() {
        let headers =
            HeaderMap::from_iter([(DATE, HeaderValue::from_static("Fri, 20 Nov 2026 10:00:00 GMT"))]);
        assert_eq!(date(&headers), Timestamp::parse("2026-11-20T10:00:00Z"));
        assert_eq!(date(&HeaderMap::new()), None);
        assert_eq!(header_text("weekly plän.toml"), "weekly pl?n.toml");
    }
}
