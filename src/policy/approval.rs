//! Approvals: whose word counts, and how many are missing. An approval is of one plan, by its digest, and never by who asked.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    job::time::Timestamp,
    policy::{Decision, Outcome},
};

/// The role that is asked for unless a rule names another.
pub const APPROVER: &str = "approver";

/// Who may give approvals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    pub login: String,
    #[serde(default = "approver")]
    pub roles: Vec<String>,
}

fn approver() -> Vec<String> {
    vec![APPROVER.to_owned()]
}

/// The people of an installation. Without any, everybody who may use the endpoint is an approver, and has no other role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct People(pub Vec<Person>);

impl People {
    /// The roles of somebody; empty: may approve nothing.
    pub fn roles(&self, login: &str) -> Vec<String> {
        if self.0.is_empty() {
            return approver();
        }
        let found = self.0.iter().find(|person| person.login.eq_ignore_ascii_case(login));
        found.map(|person| person.roles.clone()).unwrap_or_default()
    }

    /// Who has a role, without the requester; None: everybody may.
    pub fn holding(&self, role: &str, requester: &str) -> Option<Vec<&str>> {
        if self.0.is_empty() && role == APPROVER {
            return None;
        }
        let holds = |person: &&Person| {
            person.roles.iter().any(|own| own == role) && !person.login.eq_ignore_ascii_case(requester)
        };
        Some(self.0.iter().filter(holds).map(|person| person.login.as_str()).collect())
    }

    /// Err: too few people could ever give it.
    pub fn can_meet(&self, need: &Need, requester: &str) -> Result<(), usize> {
        match self.holding(&need.role, requester) {
            None => Ok(()),
            Some(people) if people.len() >= usize::try_from(need.count).unwrap_or(usize::MAX) => Ok(()),
            Some(people) => Err(people.len()),
        }
    }
}

/// Approvals that are asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// What it is asked for: `hold`, or the reason of a finding.
    pub reason: String,
    pub count: u32,
    pub role: String,
}

impl Need {
    pub fn one(reason: &str) -> Self {
        Self { reason: reason.to_owned(), count: 1, role: APPROVER.to_owned() }
    }
}

/// One person's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    pub actor: String,
    /// Of the actor, when it was given.
    pub roles: Vec<String>,
    /// Of the plan that was approved.
    pub digest: String,
    pub at: Timestamp,
    pub expires_at: Timestamp,
}

/// What is approved, and asked for by whom.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub digest: &'a str,
    pub requester: &'a str,
}

/// Different people of the role whose word counts now. `since`: only words given then or later.
pub fn count<'a>(
    role: &str,
    subject: Subject<'_>,
    given: impl IntoIterator<Item = &'a Approval>,
    since: Option<Timestamp>,
    now: Timestamp,
) -> u32 {
    let counts = |approval: &&Approval| {
        approval.digest == subject.digest
            && !approval.actor.eq_ignore_ascii_case(subject.requester)
            && approval.roles.iter().any(|own| own == role)
            && now < approval.expires_at
            && since.is_none_or(|since| approval.at >= since)
    };
    let people: BTreeSet<String> =
        given.into_iter().filter(counts).map(|approval| approval.actor.to_ascii_lowercase()).collect();
    u32::try_from(people.len()).unwrap_or(u32::MAX)
}

/// What a held job needs before it may queue, its wave aside.
pub fn needs(hold: bool, decision: &Decision) -> Vec<Need> {
    let asked = decision.findings.iter().filter(|finding| finding.outcome == Outcome::NeedsApproval);
    let of = |finding: &crate::policy::Finding| {
        let mut need = Need::one(&finding.reason);
        if let Some(rule) = &finding.approvals {
            (need.count, need.role) = (rule.count, rule.role.clone());
        }
        need
    };
    hold.then(|| Need::one("hold")).into_iter().chain(asked.map(of)).collect()
}

/// The needs that are not met, each with how many approvals it has.
pub fn missing<'a>(
    needs: &'a [Need],
    subject: Subject<'_>,
    given: &[Approval],
    now: Timestamp,
) -> Vec<(&'a Need, u32)> {
    let have = |need: &Need| count(&need.role, subject, given, None, now);
    needs.iter().map(|need| (need, have(need))).filter(|(need, have)| *have < need.count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Finding;

    fn word(actor: &str, role: &str, digest: &str) -> Approval {
        let roles = vec![role.to_owned()];
        Approval {
            actor: actor.into(),
            roles,
            digest: digest.into(),
            at: Timestamp(10),
            expires_at: Timestamp(100),
        }
    }

    #[test]
    fn only_different_people_of_the_role_count_for_this_plan_in_time() {
        let subject = Subject { digest: "d", requester: "Carla" };
        let given = [
            word("ana", "approver", "d"),
            word("ANA", "approver", "d"),
            word("carla", "approver", "d"),
            word("ben", "approver", "old"),
            word("dora", "reader", "d"),
        ];
        let counted = |since, now| count(APPROVER, subject, &given, since, Timestamp(now));
        assert_eq!(counted(None, 50), 1);
        assert_eq!(counted(None, 100), 0, "expired");
        assert_eq!(counted(Some(Timestamp(11)), 50), 0, "given before");
    }

    #[test]
    fn a_held_job_needs_what_its_findings_ask_for() {
        let mut decision = Decision::default();
        decision.add(
            Finding::new(Outcome::NeedsApproval, "class-needs-approval", "regulated").needing(2, "security"),
        );
        decision.add(Finding::new(Outcome::Allow, "remark", "fine"));
        let needs = needs(true, &decision);
        assert_eq!(
            needs.iter().map(|need| (need.reason.as_str(), need.count)).collect::<Vec<_>>(),
            [("hold", 1), ("class-needs-approval", 2)]
        );
        let subject = Subject { digest: "d", requester: "carla" };
        let both = Approval { roles: vec!["approver".into(), "security".into()], ..word("ana", "", "d") };
        let left = missing(&needs, subject, std::slice::from_ref(&both), Timestamp(50));
        assert_eq!(
            left.iter().map(|(need, have)| (need.role.as_str(), *have)).collect::<Vec<_>>(),
            [("security", 1)]
        );
        let more = [both, word("ben", "security", "d")];
        assert!(missing(&needs, subject, &more, Timestamp(50)).is_empty());
    }

    #[test]
    fn without_configured_people_everybody_approves_and_nobody_has_another_role() {
        let nobody = People::default();
        assert_eq!((nobody.roles("ana"), nobody.holding(APPROVER, "x")), (approver(), None));
        assert_eq!(nobody.can_meet(&Need { role: "security".into(), ..Need::one("x") }, "x"), Err(0));
        let people = People(vec![Person { login: "Ana".into(), roles: approver() }]);
        assert_eq!((people.roles("ana"), people.roles("ben")), (approver(), Vec::new()));
        assert_eq!(people.can_meet(&Need::one("x"), "ANA"), Err(0));
    }
}
