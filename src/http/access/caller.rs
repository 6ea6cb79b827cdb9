//! Whoever asks, once they are let in: under which name they act, and what they may see and touch.

use std::sync::Arc;

use axum::{extract::FromRequestParts, http::request::Parts};

use super::{Asked, Book, Refusal, table::Rule};
use crate::{
    http::{
        fault::{Code, Fault},
        read::{self, Reason, wrong},
    },
    job::id::RequestId,
    pipeline::{By, Context, FindError, Job, LedgerError},
    policy::{
        self,
        access::{Grant, Reach, Role},
        text,
    },
    telemetry::denials::Denial,
};

/// Who somebody is.
pub enum Who {
    /// The local operator, who names whoever acts.
    Local,
    /// The holder of a token of ours, by its name.
    Token(String),
    /// Vouched for by the identity provider, by the name it gives.
    Vouched(String),
}

impl Who {
    pub fn name(&self) -> &str {
        match self {
            Self::Local => "the local operator",
            Self::Token(name) | Self::Vouched(name) => name,
        }
    }
}

/// Whoever asks, at one route.
#[derive(Clone)]
pub struct Caller(Arc<Inner>);

struct Inner {
    who: Who,
    /// Everything that they are granted, here or elsewhere.
    grants: Vec<Grant>,
    /// How far each of the grants that let them in here reaches.
    reaches: Vec<Reach>,
    /// May name somebody else as the one who acts.
    delegate: bool,
    asked: Asked,
    book: Arc<Book>,
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        let missing = || Fault::new(Code::Internal, "nobody has looked at who asks");
        parts.extensions.get::<Self>().cloned().ok_or_else(missing)
    }
}

impl Caller {
    pub(super) fn new(
        who: Who,
        grants: &[Grant],
        rule: Option<&Rule>,
        asked: Asked,
        book: &Arc<Book>,
    ) -> Self {
        let local = matches!(who, Who::Local);
        let here: Vec<&Grant> =
            grants.iter().filter(|grant| rule.is_some_and(|rule| rule.lets(&grant.roles))).collect();
        let delegate = here.iter().any(|grant| grant.roles.contains(&Role::Delegate));
        let mut reaches: Vec<Reach> = here.into_iter().map(|grant| grant.reach.clone()).collect();
        reaches.extend(local.then(Reach::default));
        Self(Arc::new(Inner {
            who,
            grants: grants.to_vec(),
            reaches,
            delegate,
            asked,
            book: Arc::clone(book),
        }))
    }

    pub(super) fn is_granted(&self) -> bool {
        !self.0.reaches.is_empty()
    }

    /// Limited to no team and no template.
    pub fn is_whole(&self) -> bool {
        self.0.reaches.iter().any(Reach::is_whole)
    }

    /// None: the local operator, who has no name of their own.
    pub fn name(&self) -> Option<&str> {
        match &self.0.who {
            Who::Local => None,
            Who::Token(name) | Who::Vouched(name) => Some(name),
        }
    }

    pub fn grants(&self) -> &[Grant] {
        &self.0.grants
    }

    /// Tokens were changed by this process.
    pub fn tokens_changed(&self) {
        self.0.book.forget();
    }

    fn covers(&self, team: &str, template: &str) -> bool {
        self.0.reaches.iter().any(|reach| reach.covers(team, template))
    }

    fn denied(&self, denial: Denial, code: Code, detail: String) -> Fault {
        self.0.asked.denied(Refusal::new(denial, code, detail).of(self.0.who.name()))
    }

    /// The token that acts for somebody else; None: whoever asks is the person, or is nobody by name.
    fn through(&self, person: &str) -> Result<Option<String>, Fault> {
        match self.name() {
            None => Ok(None),
            Some(own) if own.eq_ignore_ascii_case(person) => Ok(None),
            Some(own) if self.0.delegate => Ok(Some(own.to_owned())),
            Some(own) => {
                let person = text::shorten(person, 100);
                let detail = format!(
                    "this token acts as {own} and not as {person}: name {own} or leave it out; only a token with the \
                     role delegate names others"
                );
                Err(self.denied(Denial::ActorMismatch, Code::ActorMismatch, detail))
            }
        }
    }

    /// Who acts and why. A named token acts under its own name, unless it is a delegate.
    pub fn by(&self, actor: Option<String>, reason: String, need: Reason) -> Result<By, Fault> {
        let actor = actor.or_else(|| self.name().map(str::to_owned));
        let Some(actor) = actor else {
            let hint = "write the login or name of the person who acts, 1 to 100 printable characters";
            return Err(Fault::invalid(vec![wrong("actor", "missing", hint)]));
        };
        let by = read::by(actor, reason, need)?;
        let through = self.through(&by.actor)?;
        Ok(By { through, ..by })
    }

    /// Whether a request, with its jobs, is within reach.
    pub async fn sees(&self, context: &Context, request: RequestId) -> Result<bool, LedgerError> {
        if self.is_whole() {
            return Ok(true);
        }
        let shared = context.ledger.request(request).await?;
        Ok(shared.is_some_and(|shared| self.covers(&shared.row.team, &shared.row.template)))
    }

    /// A request that is named; what is out of reach is not there.
    pub async fn request(&self, context: &Context, named: &str) -> Result<RequestId, Fault> {
        let found = context.find_request(named).await.map_err(Fault::request)?;
        if self.sees(context, found).await? {
            return Ok(found);
        }
        self.hidden(named, "request");
        Err(Fault::request(FindError::unknown(named, "request")))
    }

    /// A job that is named; what is out of reach is not there.
    pub async fn job(&self, context: &Context, named: &str) -> Result<Job, Fault> {
        let found = context.find_job(named).await.map_err(Fault::job)?;
        if self.sees(context, found.request_id).await? {
            return Ok(found);
        }
        self.hidden(named, "job");
        Err(Fault::job(FindError::unknown(named, "job")))
    }

    /// Logs and counts; the answer must not tell that there is something.
    fn hidden(&self, named: &str, noun: &str) {
        let detail = format!("the {noun} {} is of a team or template out of reach", text::shorten(named, 60));
        drop(self.denied(Denial::OutsideReach, Code::OutsideReach, detail));
    }

    /// Whether a request may be planned. What names no template is left to the plan to tell.
    pub fn check_reach(&self, context: &Context, request: &policy::Request) -> Result<(), Fault> {
        if self.is_whole() {
            return Ok(());
        }
        let Ok((name, version)) = request.template_version() else { return Ok(()) };
        let Ok(template) = context.policy.catalog.get(name, version) else { return Ok(()) };
        let team = request.team.as_ref().unwrap_or(&template.team);
        if self.covers(team, &template.name) {
            return Ok(());
        }
        let detail = format!(
            "{} may not hand in work of the team {team} with the template {}: see what it may at /v1/me",
            self.0.who.name(),
            template.name
        );
        Err(self.denied(Denial::OutsideReach, Code::OutsideReach, detail))
    }

    /// Whether a request may be handed in; the token that does it for the requester, if another one asks.
    pub fn check_order(&self, context: &Context, request: &policy::Request) -> Result<Option<String>, Fault> {
        self.check_reach(context, request)?;
        self.through(&request.requester)
    }
}
