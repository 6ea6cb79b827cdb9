//! Who is let in: the local operator, holders of named tokens, and, where it is configured, whom an identity provider vouches
//! for. Every denial is logged and counted; what was presented appears in no log and no answer.

mod book;
mod caller;
mod failures;
mod oidc;
pub mod table;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::{Extensions, HeaderMap, HeaderValue, Method, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
pub use caller::Caller;
pub use failures::{Failures, network};
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};

use self::{book::Book, caller::Who, oidc::Verifier, table::Rule};
use crate::{
    config::endpoint::Oidc,
    http::fault::{Code, Fault},
    pipeline::Context,
    policy::{
        access::{Grant, bearer},
        text,
    },
    telemetry::denials::{self, Denial},
};

/// No token of anyone is longer.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// What decides on who is let in.
pub struct Access {
    /// Of the local operator, who may do everything and name anyone as the one who acts.
    pub local: SecretString,
    pub oidc: Option<Oidc>,
    /// The last address in `X-Forwarded-For` is the client's.
    pub behind_proxy: bool,
    /// `/metrics` is shown without a token.
    pub metrics_open: bool,
}

impl Access {
    /// The local operator alone.
    pub const fn local(token: SecretString) -> Self {
        Self { local: token, oidc: None, behind_proxy: false, metrics_open: false }
    }
}

/// The address at the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// Why somebody is not let in; the detail must not hold what was presented.
struct Refusal {
    denial: Denial,
    code: Code,
    detail: String,
    /// As far as it is known.
    who: Option<String>,
    retry_after_s: Option<u64>,
}

impl Refusal {
    fn new(denial: Denial, code: Code, detail: impl Into<String>) -> Self {
        Self { denial, code, detail: detail.into(), who: None, retry_after_s: None }
    }
    fn of(mut self, who: &str) -> Self {
        self.who = Some(who.to_owned());
        self
    }
}

/// What was asked for, for the log.
#[derive(Clone, Debug)]
struct Asked {
    method: Method,
    path: String,
    peer: Option<std::net::IpAddr>,
}

impl Asked {
    /// Logs and counts a denial, and makes the answer of it.
    fn denied(&self, refusal: Refusal) -> Fault {
        let Refusal { denial, code, detail, who, retry_after_s } = refusal;
        denials::count(denial);
        let peer = self.peer.map(|peer| peer.to_string());
        tracing::warn!(
            reason = denial.as_str(), who, peer, method = %self.method, path = self.path, why = detail,
            "a request was denied"
        );
        // What an identity provider's token lacks is for the log: one answer for all of it.
        let told = match code {
            Code::Unauthorised => "the token is not accepted here: see the daemon's log for why".to_owned(),
            _ => detail,
        };
        Fault { retry_after_s, ..Fault::new(code, told) }
    }
}

/// Somebody who is known, and everything that they are granted.
struct Known {
    who: Who,
    grants: Vec<Grant>,
}

/// Knows the local token's fingerprint, not the token.
pub struct Gatekeeper {
    context: Arc<Context>,
    key: hmac::Key,
    local: hmac::Tag,
    book: Arc<Book>,
    failures: Failures,
    oidc: Option<Verifier>,
    behind_proxy: bool,
}

impl Gatekeeper {
    pub fn new(context: Arc<Context>, access: Access) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"sluicegate local endpoint");
        let local = hmac::sign(&key, access.local.expose_secret().as_bytes());
        Self {
            context,
            key,
            local,
            book: Arc::default(),
            failures: Failures::default(),
            oidc: access.oidc.map(Verifier::new),
            behind_proxy: access.behind_proxy,
        }
    }

    /// Err: the answer to somebody who is not let in.
    async fn admit(&self, request: &Parts) -> Result<Caller, Box<Response>> {
        let asked = Asked {
            method: request.method.clone(),
            path: text::shorten(request.uri.path(), 200),
            peer: peer(&request.headers, &request.extensions, self.behind_proxy),
        };
        let refused = |fault: Fault| Box::new(fault.into_response());
        let known = self.authenticate(&request.headers, &asked).await.map_err(refused)?;
        let Some(path) = request.extensions.get::<MatchedPath>().map(MatchedPath::as_str) else {
            // There is nothing at this path, which whoever is known may hear.
            return Ok(Caller::new(known.who, &known.grants, None, asked, &self.book));
        };
        match table::rule(&asked.method, path) {
            Ok(rule) => self.authorise(known, rule, asked).map_err(refused),
            Err(allow) if allow.is_empty() => {
                tracing::error!(path, "the table of roles has no rule for this route: nobody is let in");
                let detail = "no rule says who may use this";
                let refusal = Refusal::new(Denial::RoleMissing, Code::RoleMissing, detail);
                Err(refused(asked.denied(refusal.of(known.who.name()))))
            }
            Err(allow) => Err(Box::new(other_method(&asked, &allow))),
        }
    }

    fn authorise(&self, known: Known, rule: &'static Rule, asked: Asked) -> Result<Caller, Fault> {
        let who = known.who.name().to_owned();
        let caller = Caller::new(known.who, &known.grants, Some(rule), asked.clone(), &self.book);
        if !caller.is_granted() {
            let detail = format!("{who} has no role that may do this: it takes {}", rule.roles());
            return Err(asked.denied(Refusal::new(Denial::RoleMissing, Code::RoleMissing, detail).of(&who)));
        }
        if rule.extent == table::Extent::Whole && !caller.is_whole() {
            let detail = format!("{who} is limited to teams or templates, and this is about all of them");
            let refusal = Refusal::new(Denial::OutsideReach, Code::OutsideReach, detail);
            return Err(asked.denied(refusal.of(&who)));
        }
        Ok(caller)
    }

    async fn authenticate(&self, headers: &HeaderMap, asked: &Asked) -> Result<Known, Fault> {
        let known = match presented(headers) {
            Ok(token) => self.look_up(token).await?,
            Err(refusal) => Err(refusal),
        };
        known.map_err(|refusal| asked.denied(self.weigh(refusal, asked.peer)))
    }

    /// What is told to somebody who is not known. Only then is it asked how much was guessed from there: a right token passes
    /// whatever its neighbours do, or they could keep an operator from the kill switch.
    fn weigh(&self, refusal: Refusal, peer: Option<std::net::IpAddr>) -> Refusal {
        // Whoever holds a token that was valid once does not guess.
        let guess = !matches!(
            refusal.denial,
            Denial::TokenMissing | Denial::TokenExpired | Denial::TokenRevoked | Denial::KeysUnavailable
        );
        let Some(peer) = peer.filter(|_| guess) else { return refusal };
        let Some(wait) = self.failures.wait(peer) else {
            self.failures.add(peer);
            return refusal;
        };
        let detail = "too many wrong tokens came from this address, and this one is wrong as well";
        let refusal = Refusal::new(Denial::TooManyFailures, Code::TooManyFailures, detail);
        Refusal { retry_after_s: Some(wait), ..refusal }
    }

    async fn look_up(&self, token: &str) -> Result<Result<Known, Refusal>, Fault> {
        if token.starts_with(bearer::PREFIX) {
            let Some(id) = bearer::id(token) else {
                let detail = "the token is miswritten: its checksum does not fit, copy it again as a whole";
                return Ok(Err(Refusal::new(Denial::TokenMalformed, Code::TokenMalformed, detail)));
            };
            return self.named(id, token).await;
        }
        if let Some(oidc) = self.oidc.as_ref().filter(|_| bearer::is_signed(token)) {
            let verified = oidc.verify(token, self.context.now()).await;
            return Ok(verified.map(|(name, grants)| Known { who: Who::Vouched(name), grants }));
        }
        // An empty token in the configuration must not open the door.
        if hmac::verify(&self.key, token.as_bytes(), self.local.as_ref()).is_ok() {
            return Ok(Ok(Known { who: Who::Local, grants: Vec::new() }));
        }
        Ok(Err(unknown()))
    }

    async fn named(&self, id: &str, token: &str) -> Result<Result<Known, Refusal>, Fault> {
        let Some(known) = self.book.find(&self.context, id).await? else { return Ok(Err(unknown())) };
        let kept = hmac::sign(&self.key, known.digest.as_bytes());
        if hmac::verify(&self.key, bearer::digest(token).as_bytes(), kept.as_ref()).is_err() {
            return Ok(Err(unknown()));
        }
        let (name, now) = (known.name.as_str(), self.context.now());
        if known.revoked {
            let detail = format!("the token {id} of {name} was revoked: ask for a new one");
            return Ok(Err(Refusal::new(Denial::TokenRevoked, Code::TokenRevoked, detail).of(name)));
        }
        if let Some(end) = known.expires_at.filter(|end| *end <= now) {
            let detail = format!("the token {id} of {name} ended on {end}: ask for a new one");
            return Ok(Err(Refusal::new(Denial::TokenExpired, Code::TokenExpired, detail).of(name)));
        }
        self.book.used(&self.context, &known);
        Ok(Ok(Known { who: Who::Token(known.name.clone()), grants: vec![known.grant.clone()] }))
    }
}

/// Who asks: the other end of the connection, or whom the proxy at that end names last.
pub fn peer(headers: &HeaderMap, extensions: &Extensions, behind_proxy: bool) -> Option<std::net::IpAddr> {
    let direct = extensions.get::<ConnectInfo<Peer>>().map(|info| info.0.0.ip());
    if !behind_proxy {
        return direct;
    }
    let named = headers.get_all("x-forwarded-for").iter().next_back();
    let last = named.and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
    last.or(direct)
}

fn unknown() -> Refusal {
    let detail = "a token that is not known here";
    Refusal::new(Denial::TokenUnknown, Code::Unauthorised, detail)
}

/// The token of the header.
fn presented(headers: &HeaderMap) -> Result<&str, Refusal> {
    let missing = || {
        let detail = "there is no `Authorization: Bearer TOKEN` header";
        Refusal::new(Denial::TokenMissing, Code::TokenMissing, detail)
    };
    let malformed = || {
        let detail = "the `Authorization` header is not `Bearer TOKEN`";
        Refusal::new(Denial::TokenMalformed, Code::TokenMalformed, detail)
    };
    let value = headers.get(header::AUTHORIZATION).ok_or_else(missing)?;
    let (scheme, token) =
        value.to_str().ok().and_then(|value| value.split_once(' ')).ok_or_else(malformed)?;
    let fits = scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.len() <= TOKEN_BYTES_MAX;
    if fits { Ok(token) } else { Err(malformed()) }
}

/// Not a denial: the path is there, and takes other methods.
fn other_method(asked: &Asked, allow: &str) -> Response {
    let detail = format!("{} {}", asked.method, asked.path);
    let mut answer = Fault::new(Code::MethodNotAllowed, detail).into_response();
    if let Ok(allow) = HeaderValue::from_str(allow) {
        answer.headers_mut().insert(header::ALLOW, allow);
    }
    answer
}

/// How many keys of the identity provider can be used; Err: why it cannot be asked.
pub async fn issuer_keys(settings: &Oidc) -> Result<usize, String> {
    oidc::keys_of(&settings.issuer).await
}

/// Lets nobody past who is not known and may not do what is asked.
pub async fn require(State(keeper): State<Arc<Gatekeeper>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match keeper.admit(&parts).await {
        Ok(caller) => {
            parts.extensions.insert(caller);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(answer) => *answer,
    }
}
