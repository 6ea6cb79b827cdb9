//! Conformance: room kept for a heavy job that has waited too long.

use std::sync::Arc;

use sluicegate::{
    budget::{Class, RefusalKind},
    gate::{
        Proposal, Verdict, WaitReason,
        memory::{RESERVATION_AFTER, RESERVATION_LASTS},
    },
    job::{
        id::JobId,
        time::{Millis, Timestamp},
    },
};

use super::{Build, Hall, ask, class, jobs, slots};

fn light() -> Arc<Class> {
    class(&[ask("slots/global", 1)])
}

/// Four slots; one light job holds one, and a job that needs all four waits.
async fn heavy_waits(build: Build) -> (Hall, JobId) {
    let mut hall = Hall::new(build, slots(4)).await;
    hall.offer(&light(), "light", 1).await;
    let running = hall.propose(9).await;
    admit(&mut hall, &running, 1).await;
    let heavy = hall.offer(&class(&[ask("slots/global", 4)]), "heavy", 1).await;
    assert_eq!(hall.propose(9).await.len(), 0);
    (hall, heavy[0])
}

/// The ledger takes the proposals; so many slots are in use then.
async fn admit(hall: &mut Hall, proposals: &[Proposal], used: u32) {
    let truth = hall.truth("slots/global", used, Some(4));
    for proposal in proposals {
        hall.settle(proposal, Verdict::Admitted, std::slice::from_ref(&truth)).await;
    }
}

/// Before the bound lighter jobs pass it; after it what becomes free is kept, and the heavy job gets through.
pub async fn room_is_kept_for_a_heavy_job_that_waited_too_long(build: Build) {
    let (mut hall, heavy) = heavy_waits(build).await;
    hall.pass(RESERVATION_AFTER);
    hall.now = Timestamp(hall.now.0 - 1);
    hall.offer(&light(), "light", 1).await;
    let passed = hall.propose(9).await;
    admit(&mut hall, &passed, 2).await;
    hall.pass(Millis(1));
    let late = hall.offer(&light(), "light", 2).await;
    assert_eq!(hall.propose(9).await.len(), 0);
    let WaitReason::Budget(refusal) = hall.explain(late[0]).await.reason else { panic!("not parked") };
    assert_eq!(
        (refusal.kind, refusal.clears_at),
        (RefusalKind::Closed, Some(hall.now.plus(RESERVATION_LASTS)))
    );
    hall.observe("slots/global", 1, Some(4)).await;
    assert_eq!(hall.propose(9).await.len(), 0);
    hall.observe("slots/global", 0, Some(4)).await;
    let through = hall.propose(9).await;
    assert_eq!(jobs(&through), [heavy]);
    // It has got its room: the others are let through as usual.
    hall.settle(&through[0], Verdict::Gone, &[]).await;
    assert_eq!(jobs(&hall.propose(9).await), late);
}

/// Whoever does not need the budget goes on.
pub async fn a_reservation_holds_up_nobody_elsewhere(build: Build) {
    let (mut hall, _) = heavy_waits(build).await;
    hall.pass(RESERVATION_AFTER);
    let other = hall.offer(&class(&[ask("slots/model/x", 1)]), "f", 3).await;
    assert_eq!(jobs(&hall.propose(9).await), other);
}

/// A reservation ends by itself, wakes those it held up, and is given once per job.
pub async fn a_reservation_expires_and_is_given_once(build: Build) {
    let (mut hall, heavy) = heavy_waits(build).await;
    hall.pass(RESERVATION_AFTER);
    let late = hall.offer(&light(), "light", 4).await;
    assert_eq!(hall.propose(9).await.len(), 0);
    let end = hall.now.plus(RESERVATION_LASTS);
    assert_eq!(hall.gate.next_wake(hall.now).await.unwrap(), Some(end));
    hall.now = end;
    let through = hall.propose(9).await;
    assert_eq!(jobs(&through), late[..3]);
    admit(&mut hall, &through, 4).await;
    hall.pass(RESERVATION_AFTER);
    hall.pass(RESERVATION_AFTER);
    hall.observe("slots/global", 3, Some(4)).await;
    assert_eq!(jobs(&hall.propose(9).await), late[3..]);
    assert!(matches!(hall.explain(heavy).await.reason, WaitReason::Budget(_)));
}

/// A heavy job that leaves takes its reservation with it.
pub async fn a_withdrawn_job_gives_its_reservation_back(build: Build) {
    let (mut hall, heavy) = heavy_waits(build).await;
    hall.pass(RESERVATION_AFTER);
    let late = hall.offer(&light(), "light", 4).await;
    assert_eq!(hall.propose(9).await.len(), 0);
    hall.gate.withdraw(&[heavy]).await.unwrap();
    assert_eq!(jobs(&hall.propose(9).await), late[..3]);
}

/// No room is kept for what can never fit.
pub async fn nothing_is_kept_for_a_job_over_the_limit(build: Build) {
    let mut hall = Hall::new(build, slots(4)).await;
    hall.offer(&class(&[ask("slots/global", 5)]), "heavy", 1).await;
    assert_eq!(hall.propose(9).await.len(), 0);
    hall.pass(RESERVATION_AFTER);
    hall.pass(RESERVATION_AFTER);
    let light = hall.offer(&light(), "light", 2).await;
    assert_eq!(jobs(&hall.propose(9).await), light);
}

/// Held up by another budget once it fits this one, it keeps nothing here.
pub async fn a_reservation_ends_when_another_budget_holds_the_job_up(build: Build) {
    let mut hall = Hall::new(build, slots(4)).await;
    hall.observe("slots/global", 3, Some(4)).await;
    hall.observe("slots/model/x", 0, Some(1)).await;
    let heavy = class(&[ask("slots/global", 2), ask("slots/model/x", 1)]);
    hall.offer(&heavy, "heavy", 1).await;
    assert_eq!(hall.propose(9).await.len(), 0);
    hall.pass(RESERVATION_AFTER);
    let late = hall.offer(&light(), "light", 3).await;
    assert_eq!(hall.propose(9).await.len(), 0);
    hall.observe("slots/model/x", 1, Some(1)).await;
    hall.observe("slots/global", 2, Some(4)).await;
    assert_eq!(jobs(&hall.propose(9).await), late[..2]);
}
