//! The prompts of jobs that are about to be started. Starts come in crowds: those who ask while a question is on its way share
//! the next one, so that a crowd costs the store one statement.

use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::Deserialize;
use tokio::sync::oneshot;

use crate::{
    job::id::{AttemptId, JobId},
    ledger::{Ledger, LedgerError, db::Bind, figures::object},
};

/// Those who wait for a prompt.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    waiting: Mutex<Vec<Asked>>,
    /// Whoever has it asks for everybody.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Asked {
    job: JobId,
    attempt: AttemptId,
    answer: oneshot::Sender<Result<Option<String>, LedgerError>>,
}

#[derive(Deserialize)]
struct Found {
    attempt: AttemptId,
    prompt: String,
}

impl Crowd {
    fn waiting(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    /// The prompt of a job that is still to be started by this attempt, as the ledger is after this was asked.
    pub async fn prompt_to_send(
        &self,
        job: JobId,
        attempt: AttemptId,
    ) -> Result<Option<String>, LedgerError> {
        let shared = self.shared();
        let crowd = &shared.crowd;
        let (answer, mut answered) = oneshot::channel();
        crowd.waiting().push(Asked { job, attempt, answer });
        let left = |_| LedgerError::Unavailable("whoever asked for a crowd's prompts has left".into());
        tokio::select! {
            biased;
            answer = &mut answered => return answer.map_err(left)?,
            _turn = crowd.turn.lock() => {
                let asked = mem::take(&mut *crowd.waiting());
                if !asked.is_empty() {
                    let found = self.prompts_to_send(&asked).await;
                    for Asked { attempt, answer, .. } in asked {
                        let prompt = found.as_ref().map(|found| found.get(&attempt).cloned());
                        // Whoever asked may have gone.
                        drop(answer.send(prompt.map_err(Clone::clone)));
                    }
                }
            }
        }
        answered.await.map_err(left)?
    }

    async fn prompts_to_send(&self, asked: &[Asked]) -> Result<HashMap<AttemptId, String>, LedgerError> {
        let jobs: Vec<JobId> = asked.iter().map(|asked| asked.job).collect();
        let jobs = serde_json::to_string(&jobs).map_err(LedgerError::encoding)?;
        let (object, text) = object(self.db.dialect());
        let sql = format!(
            "SELECT {object}('attempt', j.attempt_id, 'prompt', p.prompt){text} FROM jobs j \
             JOIN prompts p ON p.job_id = j.id WHERE j.id IN {} AND j.state = 'starting'",
            self.db.dialect().list()
        );
        let found: Vec<Found> = self.db.json(&sql, &[Bind::Text(&jobs)]).await?;
        Ok(found.into_iter().map(|found| (found.attempt, found.prompt)).collect())
    }
}
