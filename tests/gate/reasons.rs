//! Conformance: what the gate says of itself: why a job waits, how many do, when to come back.

use sluicegate::{
    budget::{Amount, Demand, Key, RefusalKind},
    gate::{Counts, Verdict, WaitReason},
    job::time::Millis,
};

use super::{Build, Hall, START, ask, ask_pool, at, class, closure, member, slots, with_pool};

/// Each of the four reasons, with the place in line.
pub async fn every_job_in_line_has_its_reason(build: Build) {
    let mut hall = Hall::new(build, slots(1)).await;
    let class = class(&[ask("slots/global", 1)]);
    let offered = hall.offer(&class, "f", 3).await;
    let timed = hall.offer_with(&class, |offer| offer.due_at = Some(at(60))).await;
    hall.pass(Millis::seconds(5));
    let turn = hall.explain(offered[1]).await;
    assert_eq!((turn.reason, turn.since, turn.ahead), (WaitReason::Turn, START, 1));
    hall.propose(9).await;
    let proposed = hall.explain(offered[0]).await;
    assert_eq!((proposed.reason, proposed.since), (WaitReason::Proposed, hall.now));
    let parked = hall.explain(offered[2]).await;
    assert_eq!((parked.since, parked.ahead), (hall.now, 1));
    let WaitReason::Budget(refusal) = parked.reason else { panic!("{:?}", parked.reason) };
    assert_eq!(
        (refusal.kind, refusal.used, refusal.limit),
        (RefusalKind::Full, Amount::ONE, Some(Amount::ONE))
    );
    assert_eq!(hall.explain(timed).await.reason, WaitReason::Time(at(60)));
    let stranger = hall.id();
    assert_eq!(hall.gate.explain(stranger, hall.now).await.unwrap(), None);
}

/// The figures shown are those of the moment, not those of the moment it was parked.
pub async fn a_reason_keeps_up_with_the_figures(build: Build) {
    let mut hall = Hall::new(build, slots(1)).await;
    hall.observe("slots/global", 1, Some(1)).await;
    let gated = class(&[Demand::gate(Key::new("gate/global")), ask("slots/global", 1)]);
    let offered = hall.offer(&gated, "f", 1).await;
    hall.propose(9).await;
    hall.observe("slots/global", 5, Some(4)).await;
    let said = |reason: WaitReason| match reason {
        WaitReason::Budget(refusal) => refusal.to_string(),
        other => format!("{other:?}"),
    };
    assert_eq!(said(hall.explain(offered[0]).await.reason), "slots/global: 5 of 4 in use, 1 needed");
    let mut closed = hall.truth("gate/global", 0, None);
    closed.closed = Some(closure(None));
    hall.gate.observe(&[closed], hall.now).await.unwrap();
    assert_eq!(said(hall.explain(offered[0]).await.reason), "gate/global is closed: release freeze");
    hall.observe("gate/global", 0, None).await;
    hall.observe("slots/global", 0, Some(4)).await;
    assert_eq!(said(hall.explain(offered[0]).await.reason), "Turn");
}

/// A pool's reason tells when somebody is back.
pub async fn an_absence_is_given_as_the_reason_with_its_end(build: Build) {
    let mut hall = Hall::new(build, with_pool(slots(9), vec![member("ana", 1, &[(0, 60)])])).await;
    let offered = hall.offer(&class(&[ask_pool("kim")]), "f", 1).await;
    hall.propose(9).await;
    let WaitReason::Budget(refusal) = hall.explain(offered[0]).await.reason else { panic!("not parked") };
    assert_eq!((refusal.kind, refusal.clears_at), (RefusalKind::NobodyAvailable, Some(at(60))));
    assert_eq!(hall.gate.next_wake(hall.now).await.unwrap(), Some(at(60)));
}

/// Every job is counted once.
pub async fn the_counts_add_up(build: Build) {
    let mut hall = Hall::new(build, slots(1)).await;
    let (one, two) =
        (class(&[ask("slots/global", 1)]), class(&[ask("slots/global", 1), ask("slots/model/x", 1)]));
    hall.offer(&one, "f", 3).await;
    hall.offer(&two, "f", 2).await;
    hall.offer_with(&one, |offer| offer.due_at = Some(at(60))).await;
    let expected = Counts { waiting: 5, timed_jobs: 1, classes: 2, ready_classes: 2, ..Counts::default() };
    assert_eq!(hall.gate.counts().await.unwrap(), expected);
    let open = hall.propose(9).await;
    let expected =
        Counts { waiting: 4, proposed: 1, timed_jobs: 1, classes: 2, parked_classes: 2, ..Counts::default() };
    assert_eq!(hall.gate.counts().await.unwrap(), expected);
    assert_eq!(hall.gate.jobs().await.unwrap().len(), 6);
    hall.settle(&open[0], Verdict::Gone, &[]).await;
    let counts = hall.gate.counts().await.unwrap();
    assert_eq!((counts.proposed, counts.dirty_budgets), (0, 1));
}

/// By the name alone: there may be a budget for each of a million repositories.
pub async fn what_holds_jobs_up_is_told_by_the_name_of_the_budget(build: Build) {
    let mut hall = Hall::new(build, slots(1)).await;
    hall.observe("slots/global", 1, Some(1)).await;
    for model in ["x", "y"] {
        hall.offer(&class(&[ask("slots/global", 1), ask(&format!("slots/model/{model}"), 1)]), "f", 3).await;
    }
    let closed =
        sluicegate::budget::Truth { closed: Some(closure(None)), ..hall.truth("gate/team/blue", 0, None) };
    hall.gate.observe(&[closed], hall.now).await.unwrap();
    hall.offer(&class(&[ask("gate/team/blue", 0)]), "f", 2).await;
    hall.propose(9).await;
    let expected = std::collections::BTreeMap::from([("gate".to_owned(), 2), ("slots".to_owned(), 6)]);
    assert_eq!(hall.gate.held_up().await.unwrap(), expected);
    hall.offer(&class(&[ask("turns/global", 1)]), "f", 4).await;
    assert_eq!(hall.gate.held_up().await.unwrap(), expected, "what is ready is held up by nothing");
}

/// Nothing will change by time alone.
pub async fn a_gate_that_waits_for_no_time_has_no_next_wake(build: Build) {
    let mut hall = Hall::new(build, slots(1)).await;
    assert_eq!(hall.gate.next_wake(hall.now).await.unwrap(), None);
    hall.offer(&class(&[ask("slots/global", 1)]), "f", 3).await;
    assert_eq!(hall.gate.next_wake(hall.now).await.unwrap(), Some(hall.now));
    let open = hall.propose(9).await;
    let truth = hall.truth("slots/global", 1, Some(1));
    hall.settle(&open[0], Verdict::Admitted, &[truth]).await;
    hall.propose(9).await;
    assert_eq!(hall.gate.next_wake(hall.now).await.unwrap(), None);
}

/// The place in line is counted, whoever leaves before.
pub async fn the_place_in_line_follows_those_ahead(build: Build) {
    let mut hall = Hall::new(build, slots(1)).await;
    let offered = hall.offer(&class(&[ask("slots/global", 1)]), "f", 100).await;
    hall.gate.withdraw(&offered[10..40]).await.unwrap();
    hall.propose(9).await;
    assert_eq!(hall.explain(offered[99]).await.ahead, 68);
    assert_eq!(hall.explain(offered[5]).await.ahead, 4);
}
