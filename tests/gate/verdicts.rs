//! Conformance: what the ledger's answers do.

use sluicegate::{
    budget::{Amount, Key, Refusal, RefusalKind},
    gate::{PROPOSAL_LAPSES, Proposal, Verdict, WaitReason},
    job::time::{Millis, Timestamp},
};

use super::{Build, Hall, ask, class, jobs, slots};

fn full(key: &str, used: u32, limit: u32) -> Refusal {
    Refusal {
        key: Key::new(key),
        kind: RefusalKind::Full,
        need: Amount::ONE,
        used: Amount::from(used),
        limit: Some(Amount::from(limit)),
        clears_at: None,
        reason: None,
    }
}

async fn one_of_three(build: Build) -> (Hall, Vec<sluicegate::job::id::JobId>, Proposal) {
    let mut hall = Hall::new(build, slots(1)).await;
    let offered = hall.offer(&class(&[ask("slots/global", 1)]), "f", 3).await;
    let proposed = hall.propose(9).await;
    assert_eq!(jobs(&proposed), offered[..1]);
    (hall, offered, proposed[0].clone())
}

/// It leaves the gate; what it holds is in the ledger's figure from then on.
pub async fn an_admitted_job_leaves(build: Build) {
    let (mut hall, offered, proposal) = one_of_three(build).await;
    let truth = hall.truth("slots/global", 1, Some(1));
    hall.settle(&proposal, Verdict::Admitted, &[truth]).await;
    assert_eq!((hall.propose(9).await.len(), hall.gate.jobs().await.unwrap().len()), (0, 2));
    hall.observe("slots/global", 0, Some(1)).await;
    assert_eq!(jobs(&hall.propose(9).await), offered[1..2]);
}

/// It waits on at the head of its class, for the reason that the ledger's figures show.
pub async fn a_refused_job_waits_at_the_head_of_its_class(build: Build) {
    let (mut hall, offered, proposal) = one_of_three(build).await;
    let truth = hall.truth("slots/global", 4, Some(4));
    hall.settle(&proposal, Verdict::Refused(full("slots/global", 4, 4)), &[truth]).await;
    assert_eq!(hall.propose(9).await.len(), 0);
    assert_eq!(hall.explain(offered[0]).await.reason, WaitReason::Budget(full("slots/global", 4, 4)));
    hall.observe("slots/global", 3, Some(4)).await;
    assert_eq!(jobs(&hall.propose(9).await), offered[..1]);
}

/// Room came between the refusal and its arrival here: the figures say so, and it is proposed again.
pub async fn a_refusal_that_newer_figures_overtake_does_not_park(build: Build) {
    let (mut hall, offered, proposal) = one_of_three(build).await;
    hall.observe("slots/global", 0, Some(1)).await;
    hall.settle(&proposal, Verdict::Refused(full("slots/global", 1, 1)), &[]).await;
    let again = hall.propose(9).await;
    assert_eq!(jobs(&again), offered[..1]);
    assert!(again[0].token > proposal.token);
}

/// The ledger refuses what all known figures allow: asked again after a moment, not in a hot loop. Meanwhile the
/// ledger's words are the reason.
pub async fn a_refusal_that_the_figures_do_not_show_is_not_asked_again_at_once(build: Build) {
    let (mut hall, offered, proposal) = one_of_three(build).await;
    let refusal = full("slots/global", 1, 1);
    hall.settle(&proposal, Verdict::Refused(refusal.clone()), &[]).await;
    assert_eq!(hall.propose(9).await.len(), 0);
    assert_eq!(hall.explain(offered[0]).await.reason, WaitReason::Budget(refusal));
    let wake = hall.gate.next_wake(hall.now).await.unwrap().unwrap();
    assert!(wake > hall.now && wake <= hall.now.plus(Millis::minutes(1)));
    hall.now = wake;
    assert_eq!(jobs(&hall.propose(9).await), offered[..1]);
}

/// Nothing is known of the budgets, so it may be tried again as soon as the caller likes.
pub async fn an_unanswered_job_returns_to_the_head_of_its_class(build: Build) {
    let (hall, offered, proposal) = one_of_three(build).await;
    hall.settle(&proposal, Verdict::Unanswered, &[]).await;
    assert_eq!(jobs(&hall.propose(9).await), offered[..1]);
}

/// It leaves, and what its proposal charged is free.
pub async fn a_job_that_is_gone_frees_what_it_charged(build: Build) {
    let (hall, offered, proposal) = one_of_three(build).await;
    hall.settle(&proposal, Verdict::Gone, &[]).await;
    assert_eq!(jobs(&hall.propose(9).await), offered[1..2]);
    assert_eq!(hall.gate.explain(offered[0], hall.now).await.unwrap(), None);
}

/// Only the last token of a job counts, once.
pub async fn a_stale_or_unknown_token_changes_nothing(build: Build) {
    let (mut hall, offered, old) = one_of_three(build).await;
    hall.settle(&old, Verdict::Unanswered, &[]).await;
    let new = hall.propose(9).await.remove(0);
    assert_eq!(new.job, old.job);
    for (job, token) in [(old.job, old.token), (new.job, new.token + 1), (offered[1], new.token)] {
        for verdict in [Verdict::Admitted, Verdict::Gone, Verdict::Unanswered] {
            hall.gate.settle(vec![(job, token, verdict)], &[], hall.now).await.unwrap();
        }
    }
    assert_eq!((hall.propose(9).await.len(), hall.gate.jobs().await.unwrap().len()), (0, 3));
    let truth = hall.truth("slots/global", 1, Some(1));
    let twice = vec![(new.job, new.token, Verdict::Admitted), (new.job, new.token, Verdict::Unanswered)];
    hall.gate.settle(twice, &[truth], hall.now).await.unwrap();
    assert_eq!((hall.propose(9).await.len(), hall.gate.jobs().await.unwrap().len()), (0, 2));
}

/// So a ledger can refuse the lower of two.
pub async fn tokens_grow_with_each_proposal(build: Build) {
    let mut hall = Hall::new(build, slots(9)).await;
    hall.offer(&class(&[ask("slots/global", 1)]), "f", 9).await;
    let mut last = 0;
    for _ in 0..3 {
        for proposal in hall.propose(3).await {
            assert!(proposal.token > last);
            last = proposal.token;
            hall.settle(&proposal, Verdict::Unanswered, &[]).await;
        }
    }
}

/// Figures first: jobs of one call are judged by all that the call tells.
pub async fn a_batch_of_verdicts_is_judged_by_all_its_figures(build: Build) {
    let mut hall = Hall::new(build, slots(2)).await;
    let offered = hall.offer(&class(&[ask("slots/global", 1)]), "f", 3).await;
    let open = hall.propose(9).await;
    let truth = hall.truth("slots/global", 1, Some(2));
    let verdicts = vec![
        (open[1].job, open[1].token, Verdict::Refused(full("slots/global", 2, 2))),
        (open[0].job, open[0].token, Verdict::Admitted),
    ];
    hall.gate.settle(verdicts, &[truth], hall.now).await.unwrap();
    assert_eq!(jobs(&hall.propose(9).await), offered[1..2]);
}

/// A start that failed at once can bring the job back before the answer to its proposal has come here.
pub async fn a_job_that_is_back_before_its_verdict_is_not_lost(build: Build) {
    let (mut hall, offered, proposal) = one_of_three(build).await;
    let mut again = super::offer(proposal.job, &class(&[ask("slots/global", 1)]), 1);
    again.due_at = Some(super::at(20));
    assert_eq!(hall.gate.offer(vec![again], hall.now).await.unwrap(), 0);
    hall.settle(&proposal, Verdict::Admitted, &[]).await;
    assert_eq!(jobs(&hall.propose(1).await), offered[1..2]);
    hall.now = super::at(20);
    hall.observe("slots/global", 0, None).await;
    assert_eq!(jobs(&hall.propose(9).await), [offered[2], offered[0]]);
}

/// Its worker died: what it had is proposed again, and its late answer changes nothing but the figures.
pub async fn a_proposal_that_nobody_answers_lapses(build: Build) {
    let (mut hall, offered, old) = one_of_three(build).await;
    assert_eq!(hall.gate.next_wake(hall.now).await.unwrap(), Some(hall.now.plus(PROPOSAL_LAPSES)));
    hall.pass(PROPOSAL_LAPSES);
    hall.now = Timestamp(hall.now.0 - 1);
    assert_eq!(hall.propose(9).await.len(), 0);
    hall.pass(Millis(1));
    let new = hall.propose(9).await;
    assert_eq!(jobs(&new), offered[..1]);
    assert!(new[0].token > old.token);
    let truth = hall.truth("slots/global", 1, Some(2));
    hall.settle(&old, Verdict::Admitted, &[truth]).await;
    assert_eq!((hall.propose(9).await.len(), hall.gate.jobs().await.unwrap().len()), (0, 3));
    hall.observe("slots/global", 1, Some(3)).await;
    assert_eq!(jobs(&hall.propose(9).await), offered[1..2]);
    let counts = hall.gate.counts().await.unwrap();
    assert_eq!((counts.proposed, counts.waiting), (2, 1));
}
