//! Tokens end: they are read again where they are kept, people are told in time, and nothing is started that would outlive one.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use serde_json::json;

use crate::{
    budget::{Closure, Key, Scope, Source},
    job::time::{Millis, Timestamp},
    ledger::{BudgetChange, By, Command, LedgerError, rows::TokenRow},
    pipeline::context::Context,
};

const DAY: Millis = Millis::hours(24);
/// Days before the end at which people are told, each once.
const WARNED: [u64; 3] = [30, 7, 1];
/// The same for a token or the certificate of this interface.
pub(super) const WARNED_OF_ACCESS: [u64; 3] = [14, 7, 1];
/// Between two looks at the tokens, or the certificate, of this interface.
pub(super) const LOOKED: Millis = Millis::hours(1);
/// Between two questions to the provider; more often while a token is about to end.
const ASKED: (Millis, Millis) = (Millis::hours(6), Millis::minutes(5));

/// When the provider was last asked about each identity, and what end was known then.
#[derive(Debug, Default)]
pub struct Tokens {
    asked: Mutex<BTreeMap<String, (Timestamp, Option<Timestamp>)>>,
    /// When the tokens of this interface were last looked at.
    looked: AtomicI64,
}

impl Tokens {
    fn asked(&self) -> MutexGuard<'_, BTreeMap<String, (Timestamp, Option<Timestamp>)>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a task may run: a token must last that long after a start.
pub const fn run_time(context: &Context) -> Millis {
    Millis(context.tuning.cadence.give_up_ms)
}

/// The least of the warnings that is due; None: it is too early.
pub(super) fn due(left: Millis, warned: [u64; 3]) -> Option<u64> {
    warned.into_iter().filter(|days| left.0 <= DAY.0.saturating_mul(*days)).min()
}

impl Context {
    /// Looks at every identity's token: warns, and closes or opens its gate. For the worker that keeps house.
    pub async fn watch_tokens(&self) -> Result<(), LedgerError> {
        for rule in &self.policy.identities {
            let name = rule.name.as_str();
            self.ask_about_token(name).await;
            let ends = self.agent.token_expires_at(name);
            self.tokens.asked().entry(name.to_owned()).and_modify(|(_, end)| *end = ends);
            if let Some(ends) = ends {
                self.warn_of_end(name, ends).await?;
            }
            self.keep_gate(name, ends).await?;
        }
        Ok(())
    }

    /// Asks the provider, unless it was asked a while ago.
    pub async fn ask_about_token(&self, name: &str) {
        let known = self.agent.token_expires_at(name);
        let soon = known.is_some_and(|at| at.since(self.now()) <= run_time(self));
        let again = if soon { ASKED.1 } else { ASKED.0 };
        if self.is_asking_due(name, known, again)
            && let Err(error) = self.forge.probe(name).await
        {
            tracing::warn!(identity = name, %error, "the provider could not be asked about a token");
        }
    }

    /// Also at once when an end is no longer known: another token is in use.
    fn is_asking_due(&self, name: &str, known: Option<Timestamp>, every: Millis) -> bool {
        let now = self.now();
        let mut asked = self.tokens.asked();
        let due = asked
            .get(name)
            .is_none_or(|(last, end)| now.since(*last) >= every || (end.is_some() && known.is_none()));
        if due {
            asked.insert(name.to_owned(), (now, known));
        }
        due
    }

    /// Once at each of the days.
    async fn warn_of_end(&self, name: &str, ends: Timestamp) -> Result<(), LedgerError> {
        let Some(days) = due(ends.since(self.now()), WARNED) else { return Ok(()) };
        let dedup = format!("identity/{name}/expires/{}/{days}", ends.0);
        let body = json!({
            "identity": name, "expires_at": ends.to_string(), "within_days": days,
            "what_to_do": "put a new token where the configuration refers to it; no restart is needed if that is a file",
        });
        self.ledger
            .write(Command::Notice { dedup, kind: "identity.expiring".into(), job: None, body })
            .await?;
        Ok(())
    }

    /// Tells once at each of the days that a token of this interface ends, unless its name has one that lasts longer.
    pub async fn watch_access_tokens(&self) -> Result<(), LedgerError> {
        let now = self.now();
        let looked = Timestamp(self.tokens.looked.load(Ordering::Relaxed));
        if now.since(looked) < LOOKED {
            return Ok(());
        }
        let rows = self.ledger.access_tokens().await?;
        let lasting: Vec<&TokenRow> = rows.iter().filter(|row| row.is_valid(now)).collect();
        for row in &lasting {
            let Some(ends) = row.expires_at else { continue };
            let Some(days) = due(ends.since(now), WARNED_OF_ACCESS) else { continue };
            let longer = |other: &&&TokenRow| -> bool {
                other.name == row.name && other.expires_at.is_none_or(|other| other > ends)
            };
            if lasting.iter().any(|other| longer(&other)) {
                continue;
            }
            let dedup = format!("token/{}/expires/{days}", row.id);
            let body = json!({
                "token": row.id, "what": format!("the token of {} ends on {ends}", row.name), "to": row.name,
                "expires_at": ends.to_string(), "within_days": days,
                "what_to_do": format!("make another one with `sluice token create --name {}`, and give it to whoever uses this one", row.name),
            });
            let kind = "token.expiring".to_owned();
            self.ledger.write(Command::Notice { dedup, kind, job: None, body }).await?;
        }
        self.tokens.looked.store(now.0, Ordering::Relaxed);
        Ok(())
    }

    /// Closed while a task that is started now could outlive the token.
    async fn keep_gate(&self, name: &str, ends: Option<Timestamp>) -> Result<(), LedgerError> {
        let (now, run_time) = (self.now(), run_time(self));
        let key = Key::gate(Scope::Identity, name);
        let rows = self.ledger.closed_gates().await?;
        let row = rows.into_iter().find(|row| row.id == key);
        let known = row.and_then(|row| row.closed_by().get(&Source::Token).cloned());
        let wanted = ends.filter(|ends| *ends <= now.plus(run_time)).map(|ends| {
            format!("the token of {name} ends on {ends}, and a task may run for {run_time}: renew the token")
        });
        let change = match (wanted, known) {
            (Some(reason), Some(known)) if known.reason == reason => return Ok(()),
            (None, None) => return Ok(()),
            (Some(reason), _) => {
                let actor = "sluicegate".to_owned();
                BudgetChange::Close(Source::Token, Closure { reason, actor, since: now, opens_at: None })
            }
            (None, Some(_)) => BudgetChange::Open(Source::Token),
        };
        let by = By::ourselves("the token was renewed");
        for answer in self.ledger.write_all(vec![Command::Budget { key, change, by }]).await {
            self.closures.learn(&answer?.1.truths);
        }
        self.queues.admit.poke();
        Ok(())
    }

    /// Why this identity starts nothing now: its token would end before the task.
    pub fn outlived(&self, identity: &str) -> Option<String> {
        let ends = self.agent.token_expires_at(identity)?;
        let run_time = run_time(self);
        (ends <= self.now().plus(run_time))
            .then(|| format!("the token of {identity} ends on {ends}, and a task may run for {run_time}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_thirty_seven_and_one_days_before() {
        let days = |days: u64| due(Millis(DAY.0 * days), WARNED);
        assert_eq!(
            [days(31), days(30), days(8), days(7), days(2), days(1), days(0)],
            [None, Some(30), Some(30), Some(7), Some(7), Some(1), Some(1)]
        );
    }
}
