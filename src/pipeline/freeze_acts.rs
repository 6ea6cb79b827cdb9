//! What people do with freezes: add, lift, exempt, list, and ask what is frozen when.

use crate::{
    job::{
        id::{JobId, RequestId},
        repository::Repository,
        time::{Millis, Timestamp},
    },
    ledger::{By, Command, FreezeChange, Reply},
    pipeline::{
        context::Context,
        operate::OperateError,
        view::{FreezeCheck, FreezeView},
    },
    policy::{
        Problem,
        freeze::{Exempt, Exemption, Subject, Written, written},
    },
};

/// How far ahead it is looked for the next freeze.
const AHEAD: Millis = Millis::hours(24 * 92);

/// Why nothing was done with a freeze.
#[derive(Debug, thiserror::Error)]
pub enum FreezeError {
    #[error("the freeze cannot be used")]
    Invalid(Vec<Problem>),
    #[error("there is no freeze {0}: see `sluice freeze list`")]
    Unknown(String),
    #[error(transparent)]
    Operate(#[from] OperateError),
}

/// Whom to exempt.
#[derive(Clone, Copy, Debug)]
pub enum Whom {
    Job(JobId),
    Request(RequestId),
}

impl Context {
    /// Adds a freeze. When this returns and it is in force, nothing that it reaches is being started any more.
    pub async fn add_freeze(&self, text: &Written, by: By) -> Result<FreezeView, FreezeError> {
        let freeze = written::read(text, &written::Calendars::new()).map_err(FreezeError::Invalid)?;
        if freeze.is_over(self.now()) {
            let problem = Problem::new(crate::policy::Code::BadFreeze, "it is over already")
                .at("entry")
                .hint("give it an end to come");
            return Err(FreezeError::Invalid(vec![problem]));
        }
        if self.freezes.is_configured(&freeze.name) {
            let why = format!("the freezes file has a freeze {} already: choose another name", freeze.name);
            return Err(OperateError::Conflict(why).into());
        }
        let body_json = serde_json::to_string(text).unwrap_or_default();
        self.change_freezes(FreezeChange::Add { name: freeze.name.clone(), body_json }, by).await?;
        let views = self.freeze_views();
        let view = views.into_iter().find(|view| view.name == freeze.name);
        view.ok_or_else(|| {
            OperateError::Conflict(format!("freeze {} was lifted meanwhile", freeze.name)).into()
        })
    }

    /// Lifts a freeze: one that people made for good, one of the file until its present time is over.
    pub async fn lift_freeze(&self, name: &str, by: By) -> Result<(), FreezeError> {
        if !self.freezes.is_configured(name) {
            let lifted = self.change_freezes(FreezeChange::Lift { name: name.to_owned() }, by).await;
            // The one reason why it would not be lifted.
            return lifted.map_err(|error| match error {
                OperateError::Conflict(_) => FreezeError::Unknown(name.to_owned()),
                OperateError::Ledger(_) => error.into(),
            });
        }
        let known = self.freezes.known();
        let end = known
            .freezes
            .iter()
            .find(|freeze| freeze.name == name)
            .and_then(|freeze| freeze.until(self.now()));
        let until = match end {
            None => {
                let why =
                    format!("freeze {name} is not in force: change the freezes file to keep it from coming");
                return Err(OperateError::Conflict(why).into());
            }
            Some(None) => {
                let why = format!("freeze {name} of the freezes file has no end: change the file");
                return Err(OperateError::Conflict(why).into());
            }
            Some(Some(until)) => until,
        };
        let exemption = Exemption {
            freeze: Some(name.to_owned()),
            exempt: Exempt::Everything,
            until,
            reason: by.reason.clone(),
            actor: by.actor.clone(),
        };
        Ok(self.change_freezes(FreezeChange::Exempt(exemption), by).await?)
    }

    /// Lets one job or request through. Nobody exempts what they asked for themselves.
    pub async fn exempt(
        &self,
        whom: Whom,
        freeze: Option<String>,
        until: Timestamp,
        by: By,
    ) -> Result<(), FreezeError> {
        let known = self.freezes.known();
        if let Some(name) = freeze.as_ref().filter(|name| known.freezes.iter().all(|one| one.name != **name))
        {
            return Err(FreezeError::Unknown(name.clone()));
        }
        let (exempt, request) = match whom {
            Whom::Request(id) => (Exempt::Request(id), id),
            Whom::Job(id) => {
                let job = self.ledger.job(id).await.map_err(OperateError::from)?;
                let job = job.ok_or_else(|| OperateError::Conflict(format!("job {id} is not known")))?;
                (Exempt::Job(id), job.request_id)
            }
        };
        let shared = self.ledger.request(request).await.map_err(OperateError::from)?;
        let shared =
            shared.ok_or_else(|| OperateError::Conflict(format!("request {request} is not known")))?;
        if shared.was_asked_by(&by.actor) {
            let why = format!("{} asked for this and cannot exempt it as well: somebody else must", by.actor);
            return Err(OperateError::Conflict(why).into());
        }
        let exemption =
            Exemption { freeze, exempt, until, reason: by.reason.clone(), actor: by.actor.clone() };
        Ok(self.change_freezes(FreezeChange::Exempt(exemption), by).await?)
    }

    /// Returns when every worker knows, and nothing that did not know is on its way.
    async fn change_freezes(&self, change: FreezeChange, by: By) -> Result<(), OperateError> {
        let mut position = 0;
        for answer in self.ledger.write_all(vec![Command::Freeze { change, by }]).await {
            let (reply, committed) = answer?;
            if let Reply::Conflict(why) | Reply::Stale(why) = reply {
                return Err(OperateError::Conflict(why));
            }
            position = committed.seq;
        }
        self.learn_freezes().await?;
        self.close_for_freezes().await?;
        self.closures.settle().await;
        self.seen_by_all(position).await?;
        Ok(())
    }

    /// Every freeze that is in force or to come.
    pub fn freeze_views(&self) -> Vec<FreezeView> {
        let (known, now) = (self.freezes.known(), self.now());
        let view = |freeze: &crate::policy::freeze::Freeze| {
            let lifted = known.exemptions.iter().find(|exemption| {
                exemption.exempt == Exempt::Everything && exemption.touches(&freeze.name, now)
            });
            let end = freeze.until(now);
            FreezeView {
                name: freeze.name.clone(),
                reason: freeze.reason.clone(),
                scope: freeze.reach.to_string(),
                except: freeze.except.iter().map(ToString::to_string).collect(),
                zone: freeze.zone.clone(),
                made_by: known.actors.get(&freeze.name).cloned(),
                in_force: end.is_some() && lifted.is_none(),
                until: end.flatten(),
                lifted_by: lifted.map(|exemption| exemption.actor.clone()),
                begins: freeze.begins(now, AHEAD),
            }
        };
        known.freezes.iter().filter(|freeze| !freeze.is_over(now)).map(view).collect()
    }

    /// The exceptions that hold now.
    pub fn exemptions(&self) -> Vec<Exemption> {
        let (known, now) = (self.freezes.known(), self.now());
        known.exemptions.iter().filter(|exemption| now < exemption.until).cloned().collect()
    }

    /// Whether a repository is frozen at a time, and which freeze comes next.
    pub fn check_freeze(
        &self,
        repository: &Repository,
        template: &str,
        team: &str,
        at: Timestamp,
    ) -> FreezeCheck {
        let known = self.freezes.known();
        let class = Some(self.policy.repositories.class_of(repository).as_str());
        let subject = Subject { repository, template, team, class, request: None, job: None };
        let next = known.freezes.iter().filter(|freeze| freeze.covers(&subject));
        let next = next.filter_map(|freeze| Some((freeze.begins(at, AHEAD)?, freeze.name.clone()))).min();
        FreezeCheck {
            repository: repository.clone(),
            at,
            frozen: known.frozen(&subject, at),
            next: next.as_ref().map(|(_, name)| name.clone()),
            next_begins: next.map(|(begins, _)| begins),
        }
    }
}
