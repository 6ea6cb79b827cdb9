//! Why a held job does not queue: which wave it is in, which approvals are missing, and who may give them.

use crate::{
    job::id::RequestId,
    ledger::{
        LedgerError,
        command::About,
        rows::{JobRow, WavesState},
        waves,
    },
    pipeline::{context::Context, view::Wait},
    policy::{
        Outcome,
        approval::{self, Need, Subject},
    },
};

/// What the job's own row tells, for lists.
pub fn in_short(job: &JobRow) -> Wait {
    let decision = job.decision();
    let text = match decision.decisive().filter(|finding| finding.outcome == Outcome::NeedsApproval) {
        Some(finding) => format!("awaits an approval: {}", finding.text),
        None if job.wave > 1 => format!("waits for wave {} to open", job.wave),
        None => "awaits an approval".to_owned(),
    };
    wait(job, decision.decisive().is_none() && job.wave > 1, text)
}

fn wait(job: &JobRow, for_wave: bool, text: String) -> Wait {
    Wait {
        reason: if for_wave { "wave" } else { "approval" }.to_owned(),
        text,
        since: job.state_since,
        clears_at: job.deadline_at,
        budget: None,
    }
}

impl Context {
    /// The whole answer.
    pub(super) async fn held(&self, job: &JobRow) -> Result<Wait, LedgerError> {
        let shared = self.spec(job.request_id).await?;
        let needs = waves::needs(shared.spec.hold, job);
        let words = self.ledger.approvals_of(job.request_id).await?;
        let given = waves::given(&words, &[About::Request, About::Job(job.id)]);
        let requester = shared.request.requester.as_str();
        let subject = Subject { digest: &shared.request.plan_digest, requester };
        let decision = job.decision();
        let said = |need: &Need| {
            let finding = decision.findings.iter().find(|finding| finding.reason == need.reason);
            finding.map_or_else(|| "its request asks for it".to_owned(), |finding| finding.text.clone())
        };
        let missing: Vec<String> = approval::missing(&needs, subject, &given, self.now())
            .into_iter()
            .map(|(need, have)| {
                let who = self.may_approve(&need.role, requester);
                format!("{have} of {} approvals for `{}` ({}), by {who}", need.count, need.reason, said(need))
            })
            .collect();
        let closed = self.closed_wave(job.request_id, job.wave).await?;
        let for_wave = missing.is_empty() && closed.is_some();
        let mut parts: Vec<String> = Vec::new();
        if !missing.is_empty() {
            parts.push(format!("has {}", missing.join("; ")));
        }
        parts.extend(closed);
        let text = if parts.is_empty() { "is about to queue".to_owned() } else { parts.join("; and ") };
        Ok(wait(job, for_wave, text))
    }

    /// What a job of a wave that is not open waits for.
    async fn closed_wave(&self, request: RequestId, wave: u32) -> Result<Option<String>, LedgerError> {
        if wave == 0 {
            return Ok(None);
        }
        let Some(view) = self.waves(request).await? else { return Ok(None) };
        if wave <= view.opened && view.state != WavesState::Aborted {
            return Ok(None);
        }
        Ok(Some(format!(
            "is in wave {wave} of {}, wave {} is open: {}",
            view.waves.len(),
            view.opened,
            view.waits_for
        )))
    }
}
