//! Finding out what a plan must know of repositories: asked once, kept for a while, and never guessed. Whoever cannot be asked
//! makes the whole request wait.

use std::collections::BTreeMap;

use futures::{StreamExt as _, stream};

use crate::{
    agent::{AgentError, FailKind},
    job::{
        id::RequestId,
        repository::Repository,
        time::{Millis, Timestamp},
    },
    ledger::facts::KeptFacts,
    pipeline::{
        context::{Context, Policy},
        estate::EstateError,
        submit::SubmitError,
    },
    policy::{self, Facts, Request, Wanted, identity},
};

/// Repositories that are asked about at once.
const AT_ONCE: usize = 12;
/// Repositories whose answers are kept together: a survey that is cut short goes on there.
const TOGETHER: usize = 60;
/// When the provider says nothing of a time.
const TRY_AGAIN: Millis = Millis::seconds(30);

impl Policy {
    /// What is wanted, by the identity that would work there. A repository that no identity reaches is left out: the plan skips it for that.
    pub(super) fn by_identity(
        &self,
        request: &Request,
        wanted: Vec<(Repository, Wanted)>,
    ) -> BTreeMap<&str, Vec<(Repository, Wanted)>> {
        let template = request.template_version().map_or(request.template.as_str(), |(name, _)| name);
        let mut parts: BTreeMap<&str, Vec<(Repository, Wanted)>> = BTreeMap::new();
        for (repository, wanted) in wanted {
            let (all, default) = (&self.identities, &self.identity);
            if let Some(rule) = identity::route(all, default, &repository, template) {
                parts.entry(&rule.name).or_default().push((repository, wanted));
            }
        }
        parts
    }
}

impl Context {
    /// What a plan of the request must know. Asks nobody for a request that is not acceptable anyway.
    pub async fn survey(&self, request: &Request) -> Result<Facts, SubmitError> {
        let mut facts = Facts::default();
        if !self.policy.surveys() {
            return Ok(facts);
        }
        let nobody = RequestId::new(self.now(), 0);
        let wanted =
            policy::wanted(request, &self.plan_context(nobody, &facts)).map_err(SubmitError::Invalid)?;
        // What one credential may do in a repository says nothing of another: the one that would work is asked.
        for (identity, wanted) in self.policy.by_identity(request, wanted) {
            for part in wanted.chunks(TOGETHER) {
                let known = self.known_of(identity, part).await.map_err(|error| match error {
                    EstateError::Ledger(error) => SubmitError::Ledger(error),
                    EstateError::Later { why, until } => SubmitError::Later { why, until },
                    EstateError::UnknownIdentity(why) => {
                        SubmitError::Later { why, until: self.now().plus(TRY_AGAIN) }
                    }
                })?;
                for kept in known {
                    facts.learn(kept.repository, kept.facts, kept.asked_at);
                }
            }
        }
        Ok(facts)
    }

    /// What is known of some repositories, after asking for what is not.
    pub(super) async fn known_of(
        &self,
        identity: &str,
        part: &[(Repository, Wanted)],
    ) -> Result<Vec<KeptFacts>, EstateError> {
        let now = self.now();
        let mut kept = self.ledger.facts(identity, part.iter().map(|(repository, _)| repository)).await?;
        let oldest = Timestamp(now.0.saturating_sub_unsigned(self.tuning.facts_max_age.0));
        kept.retain(|_, kept| kept.asked_at >= oldest && kept.asked_at <= now);
        let mut known: Vec<KeptFacts> = Vec::with_capacity(part.len());
        let mut open: Vec<(usize, Wanted)> = Vec::new();
        for (at, (repository, wanted)) in part.iter().enumerate() {
            let fresh = || KeptFacts {
                repository: repository.clone(),
                asked_at: now,
                facts: policy::RepositoryFacts::default(),
            };
            let one = kept.remove(repository).unwrap_or_else(fresh);
            let missing = wanted.missing_in(&one.facts);
            if !missing.is_nothing() {
                open.push((at, missing));
            }
            known.push(one);
        }
        let asked: Vec<(usize, Repository, Wanted)> =
            open.into_iter().filter_map(|(at, wanted)| Some((at, part.get(at)?.0.clone(), wanted))).collect();
        let (failed, changed) = self.ask(identity, asked, &mut known).await;
        // What was learnt is kept also when the rest was not: the next try has less to ask.
        let news: Vec<KeptFacts> = changed.into_iter().filter_map(|at| known.get(at)).map(lasting).collect();
        if let Err(error) = self.ledger.keep_facts(identity, &news).await {
            tracing::warn!(%error, "facts of repositories could not be kept, and will be asked again");
        }
        match failed {
            Some(error) => {
                let (why, until) = self.until(&error);
                Err(EstateError::Later { why, until })
            }
            None => Ok(known),
        }
    }

    /// Asks, and adds what is told to what is known. Ends at the first that cannot be asked.
    async fn ask(
        &self,
        identity: &str,
        open: Vec<(usize, Repository, Wanted)>,
        known: &mut [KeptFacts],
    ) -> (Option<AgentError>, Vec<usize>) {
        let question = |(at, repository, wanted): (usize, Repository, Wanted)| async move {
            (at, self.atlas.survey(identity, &repository, &wanted).await)
        };
        let mut answers = stream::iter(open).map(question).buffer_unordered(AT_ONCE);
        let mut changed = Vec::new();
        while let Some((at, answer)) = answers.next().await {
            match answer {
                Ok(news) => {
                    if let Some(one) = known.get_mut(at) {
                        one.facts.learn(news);
                        changed.push(at);
                    }
                }
                Err(error) => return (Some(error), changed),
            }
        }
        (None, changed)
    }

    /// Why the provider could not be asked, and when it is worth another try.
    pub(super) fn until(&self, error: &AgentError) -> (String, Timestamp) {
        let until = match error.kind {
            FailKind::RateLimited { until } => until,
            _ => self.now().plus(TRY_AGAIN),
        };
        (error.to_string(), until)
    }
}

/// Without what changes while we work: open pull requests are asked for each time.
fn lasting(kept: &KeptFacts) -> KeptFacts {
    let mut kept = kept.clone();
    kept.facts.pulls = None;
    kept
}
