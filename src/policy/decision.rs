//! What policy says of one job: allowed, allowed once people have approved it, or denied; and why. Whatever several rules
//! find is put together, and the strictest counts: no approval lifts a denial.

use serde::{Deserialize, Serialize};

use crate::policy::waves::Approvals;

/// From the mildest to the strictest.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    #[default]
    Allow,
    NeedsApproval,
    Deny,
}

impl Outcome {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::NeedsApproval => "needs_approval",
            Self::Deny => "deny",
        }
    }
}

/// What one rule found. With `Allow` it is a remark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Finding {
    pub outcome: Outcome,
    /// A stable token, such as `repository-archived`.
    pub reason: String,
    /// The reason as a sentence.
    pub text: String,
    /// The rule that says so, by the name that its file gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The approvals that a job with this finding needs; None: one of an approver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals: Option<Approvals>,
}

impl Finding {
    pub fn new(outcome: Outcome, reason: &str, text: impl Into<String>) -> Self {
        Self { outcome, reason: reason.to_owned(), text: text.into(), rule: None, approvals: None }
    }
    #[must_use]
    pub fn by(mut self, rule: impl Into<String>) -> Self {
        self.rule = Some(rule.into());
        self
    }
    /// Asks for so many people of a role.
    #[must_use]
    pub fn needing(mut self, count: u32, role: &str) -> Self {
        self.approvals = Some(Approvals { count, role: role.to_owned() });
        self
    }
}

/// Everything that was found of one job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
pub struct Decision {
    pub findings: Vec<Finding>,
}

impl Decision {
    /// The strictest of all findings.
    pub fn outcome(&self) -> Outcome {
        self.findings.iter().map(|finding| finding.outcome).max().unwrap_or_default()
    }
    pub fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }
    /// The first of the strictest findings, if any forbids or holds.
    pub fn decisive(&self) -> Option<&Finding> {
        let outcome = self.outcome();
        self.findings.iter().find(|finding| finding.outcome == outcome && outcome > Outcome::Allow)
    }
    /// As the ledger keeps it; None: nothing was found.
    pub fn to_json(&self) -> Option<String> {
        if self.findings.is_empty() { None } else { serde_json::to_string(self).ok() }
    }
}

impl Extend<Finding> for Decision {
    fn extend<T: IntoIterator<Item = Finding>>(&mut self, findings: T) {
        self.findings.extend(findings);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strictest_finding_counts_and_nothing_found_is_allowed() {
        let mut decision = Decision::default();
        assert_eq!(
            (decision.outcome(), decision.decisive(), decision.to_json()),
            (Outcome::Allow, None, None)
        );
        decision.add(Finding::new(Outcome::Allow, "model-unknown", "a remark"));
        assert_eq!((decision.outcome(), decision.decisive()), (Outcome::Allow, None));
        decision.add(Finding::new(Outcome::NeedsApproval, "regulated", "ask first").by("payments"));
        decision.add(Finding::new(Outcome::Deny, "repository-archived", "it is archived"));
        decision.add(Finding::new(Outcome::NeedsApproval, "escalated-model", "ask first"));
        assert_eq!(decision.outcome(), Outcome::Deny);
        assert_eq!(decision.decisive().map(|finding| finding.reason.as_str()), Some("repository-archived"));
        let kept: Decision = serde_json::from_str(&decision.to_json().unwrap()).unwrap();
        assert_eq!(kept, decision);
    }
}
