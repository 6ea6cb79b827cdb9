//! Conformance: what fits, and what wakes those for whom there was no room.

use std::sync::Arc;

use sluicegate::{
    budget::{Class, Demand, Key, Scope},
    gate::Verdict,
    job::time::Millis,
};

use super::{Build, Hall, ask, ask_pool, at, class, closure, jobs, member, rule, slots, with_pool};

/// Also within one batch.
pub async fn a_batch_admits_no_more_than_fits(build: Build) {
    let mut hall = Hall::new(build, slots(7)).await;
    let heavy = class(&[ask("slots/global", 3)]);
    hall.offer(&heavy, "f", 9).await;
    assert_eq!(hall.propose(9).await.len(), 2);
}

/// A proposal counts until it is settled; then the ledger's figure does.
pub async fn open_proposals_count_until_they_are_settled(build: Build) {
    let mut hall = Hall::new(build, slots(2)).await;
    hall.offer(&class(&[ask("slots/global", 1)]), "f", 9).await;
    let open = hall.propose(9).await;
    assert_eq!((open.len(), hall.propose(9).await.len()), (2, 0));
    let truth = hall.truth("slots/global", 1, Some(2));
    hall.settle(&open[0], Verdict::Admitted, &[truth]).await;
    assert_eq!(hall.propose(9).await.len(), 0);
    hall.settle(&open[1], Verdict::Gone, &[]).await;
    assert_eq!(hall.propose(9).await.len(), 1);
}

/// Until the ledger tells, limits are the configured ones and nothing is used.
pub async fn the_limit_is_the_configured_one_until_the_ledger_tells_another(build: Build) {
    let mut hall = Hall::new(build, slots(2)).await;
    hall.offer(&class(&[ask("slots/global", 1)]), "f", 9).await;
    assert_eq!(hall.propose(9).await.len(), 2);
    hall.observe("slots/global", 0, Some(5)).await;
    assert_eq!(hall.propose(9).await.len(), 3);
    hall.observe("slots/global", 0, None).await;
    assert_eq!(hall.propose(9).await.len(), 4);
}

/// Figures may come late, twice and out of order.
pub async fn an_older_or_equal_figure_is_ignored(build: Build) {
    let mut hall = Hall::new(build, slots(2)).await;
    hall.offer(&class(&[ask("slots/global", 1)]), "f", 9).await;
    let old = hall.truth("slots/global", 0, Some(9));
    let mut new = hall.truth("slots/global", 2, Some(2));
    hall.gate.observe(&[new.clone(), old], hall.now).await.unwrap();
    assert_eq!(hall.propose(9).await.len(), 0);
    new.limit = None;
    hall.gate.observe(&[new], hall.now).await.unwrap();
    assert_eq!(hall.propose(9).await.len(), 0);
}

/// As many as there is room for, in their order, and no more.
pub async fn a_release_wakes_as_many_as_fit(build: Build) {
    let mut hall = Hall::new(build, slots(4)).await;
    hall.observe("slots/global", 4, Some(4)).await;
    let offered = hall.offer(&class(&[ask("slots/global", 1)]), "f", 9).await;
    assert_eq!(hall.propose(9).await.len(), 0);
    hall.observe("slots/global", 2, Some(4)).await;
    assert_eq!(jobs(&hall.propose(9).await), offered[..2]);
}

/// More may be used than the limit allows; then nothing starts until that is worked off.
pub async fn an_overdraft_is_worked_off_first(build: Build) {
    let mut hall = Hall::new(build, slots(4)).await;
    hall.observe("slots/global", 4, Some(2)).await;
    hall.offer(&class(&[ask("slots/global", 1)]), "f", 9).await;
    for (used, fitting) in [(3, 0), (2, 0), (1, 1)] {
        assert_eq!(hall.propose(9).await.len(), 0);
        hall.observe("slots/global", used, Some(2)).await;
        assert_eq!(hall.propose(9).await.len(), fitting, "{used} used");
    }
}

/// A closed gate holds everything behind it, and lets it through when it opens.
pub async fn a_closed_gate_holds_its_jobs_until_it_opens(build: Build) {
    let mut hall = Hall::new(build, slots(9)).await;
    let gated = class(&[Demand::gate(Key::new("gate/global")), ask("slots/global", 1)]);
    let mut closed = hall.truth("gate/global", 0, None);
    closed.closed = Some(closure(None));
    hall.gate.observe(&[closed], hall.now).await.unwrap();
    let offered = hall.offer(&gated, "f", 3).await;
    assert_eq!(hall.propose(9).await.len(), 0);
    hall.pass(Millis::hours(99));
    assert_eq!(hall.propose(9).await.len(), 0);
    hall.observe("gate/global", 0, None).await;
    assert_eq!(jobs(&hall.propose(9).await), offered);
}

/// A gate with an opening time opens by itself, also if that time was set while the jobs were parked.
pub async fn a_gate_opens_at_its_time(build: Build) {
    let mut hall = Hall::new(build, slots(9)).await;
    let gated = class(&[Demand::gate(Key::new("gate/global")), ask("slots/global", 1)]);
    let mut closed = hall.truth("gate/global", 0, None);
    closed.closed = Some(closure(None));
    hall.gate.observe(&[closed], hall.now).await.unwrap();
    let offered = hall.offer(&gated, "f", 3).await;
    assert_eq!((hall.propose(9).await.len(), hall.gate.next_wake(hall.now).await.unwrap()), (0, None));
    let mut closed = hall.truth("gate/global", 0, None);
    closed.closed = Some(closure(Some(at(60))));
    hall.gate.observe(&[closed], hall.now).await.unwrap();
    assert_eq!(
        (hall.propose(9).await.len(), hall.gate.next_wake(hall.now).await.unwrap()),
        (0, Some(at(60)))
    );
    hall.now = at(60);
    let open = hall.propose(9).await;
    assert_eq!(jobs(&open), offered);
    for proposal in &open {
        hall.settle(proposal, Verdict::Gone, &[]).await;
    }
    assert_eq!(hall.gate.next_wake(hall.now).await.unwrap(), None);
}

/// Room that comes while the gate is closed is found when it opens by time.
pub async fn room_that_comes_behind_a_closed_gate_is_not_forgotten(build: Build) {
    let mut hall = Hall::new(build, slots(1)).await;
    hall.observe("slots/global", 1, Some(1)).await;
    let offered = hall.offer(&class(&[ask("slots/global", 1)]), "f", 1).await;
    assert_eq!(hall.propose(9).await.len(), 0);
    let mut closed = hall.truth("slots/global", 0, Some(1));
    closed.closed = Some(closure(Some(at(60))));
    hall.gate.observe(&[closed], hall.now).await.unwrap();
    assert_eq!(hall.propose(9).await.len(), 0);
    hall.now = at(60);
    assert_eq!(jobs(&hall.propose(9).await), offered);
}

/// Two repositories behind one slot; the first to be woken is held up by its repository, so the second gets it.
pub async fn a_wake_up_that_one_cannot_use_reaches_the_next(build: Build) {
    let mut rules = slots(2);
    rules.budgets.push(rule("slots", Scope::Repository, 1));
    let mut hall = Hall::new(build, rules).await;
    let of = |repository: &str| {
        class(&[ask("slots/global", 1), ask(&format!("slots/repository/{repository}"), 1)])
    };
    hall.observe("slots/global", 2, Some(2)).await;
    let api = hall.offer(&of("acme/api"), "f", 2).await;
    let web = hall.offer(&of("acme/web"), "f", 1).await;
    assert_eq!(hall.propose(9).await.len(), 0);
    hall.observe("slots/repository/acme/api", 1, Some(1)).await;
    hall.observe("slots/global", 1, Some(2)).await;
    assert_eq!(jobs(&hall.propose(9).await), web);
    hall.observe("slots/repository/acme/api", 0, Some(1)).await;
    assert_eq!(hall.propose(9).await.len(), 0);
    hall.observe("slots/global", 0, Some(2)).await;
    assert_eq!(jobs(&hall.propose(9).await), api[..1]);
}

/// Many classes ask for a slot and for a reviewer. Whichever of the two becomes free first, the one that becomes
/// free second lets a job through.
pub async fn two_contended_budgets_let_a_job_through_whichever_frees_last(build: Build) {
    let rules = with_pool(slots(1), vec![member("ana", 1, &[])]);
    let mut hall = Hall::new(build, rules).await;
    let of = |n: usize| -> Arc<Class> {
        class(&[ask("slots/global", 1), ask(&format!("slots/repository/a/{n}"), 1), ask_pool("kim")])
    };
    hall.observe("slots/global", 1, Some(1)).await;
    hall.observe("pool/reviewers/ana", 1, Some(1)).await;
    let mut offered = Vec::new();
    for n in 0..20 {
        offered.extend(hall.offer(&of(n), "f", 1).await);
    }
    assert_eq!(hall.propose(9).await.len(), 0);
    for (n, expected) in offered.iter().enumerate() {
        let mut keys = ["slots/global", "pool/reviewers/ana"];
        if n % 3 == 0 {
            keys.reverse();
        }
        hall.observe(keys[0], 0, Some(1)).await;
        assert_eq!(hall.propose(9).await.len(), 0);
        if n % 2 == 0 {
            hall.observe(keys[0], 1, Some(1)).await;
            hall.observe(keys[1], 0, Some(1)).await;
            assert_eq!(hall.propose(9).await.len(), 0);
            hall.observe(keys[0], 0, Some(1)).await;
        } else {
            hall.observe(keys[1], 0, Some(1)).await;
        }
        let through = hall.propose(9).await;
        assert_eq!(jobs(&through), [*expected], "turn {n}");
        let truths = [hall.truth(keys[0], 1, Some(1)), hall.truth(keys[1], 1, Some(1))];
        hall.settle(&through[0], Verdict::Admitted, &truths).await;
        assert_eq!(hall.propose(9).await.len(), 0);
    }
}

/// The least loaded member who is there and did not ask; proposals count as load.
pub async fn a_pool_lets_through_as_many_as_its_members_take(build: Build) {
    let rules = with_pool(slots(9), vec![member("ana", 1, &[]), member("bob", 2, &[])]);
    let mut hall = Hall::new(build, rules).await;
    let by_ana = hall.offer(&class(&[ask_pool("ANA")]), "f", 3).await;
    let by_kim = hall.offer(&class(&[ask_pool("kim")]), "f", 3).await;
    assert_eq!(jobs(&hall.propose(9).await), [by_ana[0], by_ana[1], by_kim[0]]);
    hall.observe("pool/reviewers/ana", 0, Some(2)).await;
    assert_eq!(jobs(&hall.propose(9).await), by_kim[1..2]);
}

/// An absent member's place is used from the moment of the return.
pub async fn a_returning_member_wakes_the_pool(build: Build) {
    let rules = with_pool(slots(9), vec![member("ana", 1, &[(0, 60), (60, 90)]), member("bob", 1, &[])]);
    let mut hall = Hall::new(build, rules).await;
    let offered = hall.offer(&class(&[ask_pool("kim")]), "f", 2).await;
    let open = hall.propose(9).await;
    assert_eq!(jobs(&open), offered[..1]);
    let truth = hall.truth("pool/reviewers/bob", 1, Some(1));
    hall.settle(&open[0], Verdict::Admitted, &[truth]).await;
    hall.now = at(60);
    assert_eq!(hall.propose(9).await.len(), 0);
    assert_eq!(hall.gate.next_wake(hall.now).await.unwrap(), Some(at(90)));
    hall.now = at(90);
    assert_eq!(jobs(&hall.propose(9).await), offered[1..]);
}

/// The same budget asked for twice counts twice.
pub async fn a_budget_asked_for_twice_must_fit_the_sum(build: Build) {
    let mut hall = Hall::new(build, slots(3)).await;
    hall.offer(&class(&[ask("slots/global", 2), ask("slots/global", 1)]), "f", 2).await;
    assert_eq!(hall.propose(9).await.len(), 1);
    hall.observe("slots/global", 0, Some(5)).await;
    assert_eq!(hall.propose(9).await.len(), 0);
    hall.observe("slots/global", 0, Some(6)).await;
    assert_eq!(hall.propose(9).await.len(), 1);
}
