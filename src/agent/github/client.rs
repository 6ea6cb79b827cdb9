//! The client's means: where GitHub is, who speaks to it, reading with retries and page by page, writing once. What
//! the calls are is said in `tasks` and `pulls`; one request is in `exchange`.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use backon::{BackoffBuilder, ExponentialBuilder};
use reqwest::Url;
use serde_json::Value;

use crate::{
    agent::{
        AgentError, FailKind,
        github::{
            GitHubOptions, HttpTransport, Reread, Transport, answer::Answer, counters::Counters,
            credential::Credential, etags::ETags, limits::Need, links,
        },
    },
    clock::Clock,
    job::time::{Millis, Timestamp},
};
use http::Method;

/// Of a read.
const RETRIES: usize = 2;

/// The client. Cheap to share, holds no task state.
pub struct GitHub {
    base: Url,
    credentials: HashMap<String, Credential>,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) counters: Counters,
    pub(super) etags: Option<ETags>,
    /// Requests of an hour that only starts may use.
    pub(super) reserve: u64,
    write_gap: Millis,
    reread: Option<Reread>,
}

impl fmt::Debug for GitHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let identities: Vec<_> = self.credentials.keys().collect();
        f.debug_struct("GitHub")
            .field("base", &self.base.as_str())
            .field("identities", &identities)
            .finish_non_exhaustive()
    }
}

/// One call, ready to be sent.
#[derive(Debug)]
pub(super) struct Call {
    /// A word from a closed set, for the counters.
    pub(super) endpoint: &'static str,
    /// For errors: `starting a task in acme/api`.
    pub(super) what: String,
    pub(super) url: Url,
    /// None: a read.
    pub(super) body: Option<(Method, Value)>,
    pub(super) need: Need,
}

impl Call {
    pub(super) fn error(&self, identity: &str, kind: FailKind, detail: &str) -> AgentError {
        AgentError { kind, message: format!("{} as `{identity}` failed: {detail}", self.what) }
    }
    /// A success whose body is not what was promised; a write may have taken effect.
    pub(super) fn unreadable(&self, identity: &str) -> AgentError {
        self.error(identity, FailKind::Ambiguous, "the answer cannot be read")
    }
}

impl GitHub {
    /// Over the network.
    pub fn new(options: GitHubOptions, clock: Arc<dyn Clock>) -> Result<Self, AgentError> {
        let base = base(&options.base_url)?;
        let transport = HttpTransport::new(&base, Duration::from_millis(options.request_timeout_ms))?;
        Self::with_transport(options, clock, Arc::new(transport))
    }

    /// Over any transport.
    pub fn with_transport(
        options: GitHubOptions,
        clock: Arc<dyn Clock>,
        transport: Arc<dyn Transport>,
    ) -> Result<Self, AgentError> {
        let mut credentials = HashMap::new();
        for identity in options.identities {
            let name = identity.name.clone();
            if credentials.insert(name.clone(), Credential::new(identity)?).is_some() {
                let message = format!("identity `{name}` is given twice");
                return Err(AgentError { kind: FailKind::Invalid, message });
            }
        }
        Ok(Self {
            base: base(&options.base_url)?,
            credentials,
            transport,
            clock,
            counters: Counters::default(),
            etags: options.use_etags.then(ETags::default),
            reserve: u64::from(options.requests_per_hour_reserve_for_starts),
            write_gap: Millis(options.min_write_gap_ms),
            reread: options.reread,
        })
    }

    /// Requests by endpoint and result (`ok`, `not_modified`, `redirected`, `held_back` by us, or the kind of
    /// failure), since the start of the process.
    pub fn counters(&self) -> Vec<(String, String, u64)> {
        self.counters.read()
    }

    /// As last told by GitHub; None: not told yet, or the token does not expire.
    pub fn token_expires_at(&self, identity: &str) -> Option<Timestamp> {
        self.credentials.get(identity)?.token_expires_at()
    }

    /// Reads an identity's token where it is kept; true if another one is in use now.
    pub(super) fn renew(&self, who: &Credential) -> bool {
        let found = self.reread.as_ref().and_then(|Reread(read)| read(&who.name));
        let renewed = found.is_some_and(|token| who.renew(&token));
        if renewed {
            tracing::info!(identity = who.name, "another token is in use");
        }
        renewed
    }

    /// Takes new tokens into use, where they were changed.
    pub fn renew_all(&self) {
        for who in self.credentials.values() {
            self.renew(who);
        }
    }

    /// The address of a resource; every part is percent-encoded.
    pub(super) fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Url, AgentError> {
        let invalid = |part: &str| AgentError {
            kind: FailKind::Invalid,
            message: format!("`{part}` cannot stand in an address at {}", self.base),
        };
        // The URL rules drop these silently, which would name another resource.
        if let Some(part) = path.iter().find(|part| matches!(**part, "" | "." | "..")) {
            return Err(invalid(part));
        }
        let mut url = self.base.clone();
        url.path_segments_mut().map_err(|()| invalid(self.base.as_str()))?.pop_if_empty().extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    pub(super) fn credential(&self, identity: &str) -> Result<&Credential, AgentError> {
        self.credentials.get(identity).ok_or_else(|| AgentError {
            kind: FailKind::Unauthorised,
            message: format!("no identity `{identity}` is configured"),
        })
    }

    /// Reads, again if the answer was lost.
    pub(super) async fn read(&self, identity: &str, call: &Call) -> Result<Answer, AgentError> {
        let who = self.credential(identity)?;
        let mut waits = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(200))
            .with_max_delay(Duration::from_secs(2))
            .with_max_times(RETRIES)
            .with_jitter()
            .build();
        loop {
            let lost = match self.send(who, call).await {
                Err(error) if matches!(error.kind, FailKind::Ambiguous | FailKind::Unreachable) => error,
                other => return other,
            };
            let Some(wait) = waits.next() else { return Err(lost) };
            let wait = Millis(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
            self.clock.sleep_until(self.clock.now().plus(wait)).await;
        }
    }

    /// Reads, and follows the links to the last page.
    pub(super) async fn pages(
        &self,
        identity: &str,
        mut call: Call,
        pages_max: usize,
    ) -> Result<Vec<Value>, AgentError> {
        let mut pages = Vec::new();
        loop {
            let answer = self.read(identity, &call).await?;
            pages.push(answer.json().ok_or_else(|| call.unreadable(identity))?);
            let next = links::next(&answer.headers, &call.url)
                .map_err(|error| call.error(identity, FailKind::Ambiguous, &error.to_string()))?;
            let Some(next) = next else { return Ok(pages) };
            if pages.len() >= pages_max {
                let detail = format!("there are more than {pages_max} pages");
                return Err(call.error(identity, FailKind::Ambiguous, &detail));
            }
            call.url = next;
        }
    }

    /// Writes once, when it is the identity's turn; not at all if that comes at `before` or later.
    pub(super) async fn write(
        &self,
        identity: &str,
        call: &Call,
        before: Option<Timestamp>,
    ) -> Result<Answer, AgentError> {
        let who = self.credential(identity)?;
        let now = self.clock.now();
        self.may_go(who, call, now, 0)?;
        let turn = who.limits().write_turn(self.write_gap, now);
        match turn {
            Ok(turn) => self.clock.sleep_until(turn).await,
            Err(until) => return Err(self.held_back(who, call, until, "too many writes stand in line")),
        }
        // The last look before the request leaves: what comes after it waits for nothing but the network.
        if before.is_some_and(|before| self.clock.now() >= before) {
            self.counters.count(call.endpoint, "late");
            return Err(call.error(identity, FailKind::Late, "its turn came too late, and it was not sent"));
        }
        self.send(who, call).await
    }
}

fn base(text: &str) -> Result<Url, AgentError> {
    let invalid = |why: &str| AgentError {
        kind: FailKind::Invalid,
        message: format!("the address `{text}` of GitHub cannot be used: {why}"),
    };
    let url = Url::parse(text).map_err(|error| invalid(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid("it starts with neither https:// nor http://"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err(AgentError {
            kind: FailKind::Invalid,
            message: "the address of GitHub must hold no user, password or query".to_owned(),
        });
    }
    Ok(url)
}
