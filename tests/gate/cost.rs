//! What a call looks at must not depend on how many jobs wait or are blocked. Counted, not timed.

use std::sync::Arc;

use sluicegate::{
    budget::{Amount, Class, Key, Truth},
    gate::{
        Gate,
        memory::{MemoryGate, Work},
    },
    job::id::JobId,
};

use crate::gate::{START, ask, ask_pool, class, member, offer, slots, with_pool};

/// So many jobs behind one slot and one reviewer, each with a repository and therefore a class of its own.
async fn blocked(count: u32) -> MemoryGate {
    let gate = MemoryGate::new(Arc::new(with_pool(slots(1), vec![member("ana", 1, &[])])));
    tell(&gate, "slots/global", 1, 1).await;
    tell(&gate, "pool/reviewers/ana", 1, 1).await;
    let offers = (0..count).map(|n| {
        let class: Arc<Class> = class(&[
            ask("slots/global", 1),
            ask(&format!("slots/repository/acme/{n}"), 1),
            ask_pool(&format!("person-{n}")),
        ]);
        offer(JobId::new(START, u128::from(n + 1) << 32), &class, i64::from(n))
    });
    gate.offer(offers.collect(), START).await.unwrap();
    while gate.propose(1_000, START).await.unwrap().more {}
    gate
}

async fn tell(gate: &MemoryGate, key: &str, used: u32, version: i64) {
    let limit = Some(Amount::ONE);
    let truth = Truth { key: Key::new(key), used: Amount::from(used), limit, closed: None, version };
    gate.observe(&[truth], START).await.unwrap();
}

/// What one round of frees and fills costs: the slot without a reviewer, the reviewer without a slot, then both.
async fn round(gate: &MemoryGate, version: i64) -> (Work, usize) {
    let before = gate.work().unwrap();
    let mut proposed = 0;
    let figures = [
        ("slots/global", 0),
        ("slots/global", 1),
        ("pool/reviewers/ana", 0),
        ("pool/reviewers/ana", 1),
        ("slots/global", 0),
        ("pool/reviewers/ana", 0),
    ];
    for (n, (key, used)) in figures.into_iter().enumerate() {
        tell(gate, key, used, version + i64::try_from(n).unwrap()).await;
        loop {
            let proposals = gate.propose(10, START).await.unwrap();
            let settled = proposals.list.iter();
            let settled = settled.map(|one| (one.job, one.token, sluicegate::gate::Verdict::Admitted));
            proposed += proposals.list.len();
            let full = ["slots/global", "pool/reviewers/ana"].map(|key| Truth {
                key: Key::new(key),
                used: Amount::ONE,
                limit: Some(Amount::ONE),
                closed: None,
                version: version + 10,
            });
            let truths = if proposals.list.is_empty() { &[][..] } else { &full };
            gate.settle(settled.collect(), truths, START).await.unwrap();
            if !proposals.more {
                break;
            }
        }
    }
    let after = gate.work().unwrap();
    let work = Work {
        steps: after.steps - before.steps,
        tests: after.tests - before.tests,
        looks: after.looks - before.looks,
    };
    (work, proposed)
}

#[tokio::test]
async fn an_admission_looks_at_as_much_whether_ten_or_a_hundred_thousand_are_blocked() {
    let mut all = Vec::new();
    for count in [10, 10_000, 100_000] {
        let gate = blocked(count).await;
        let mut work = Vec::new();
        for n in 0..5 {
            let (cost, proposed) = round(&gate, 100 + 100 * n).await;
            assert_eq!(proposed, 1);
            assert!(cost.steps <= 40 && cost.tests <= 12 && cost.looks <= 20, "{count} blocked: {cost:?}");
            work.push(cost);
        }
        all.push(work);
    }
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{all:?}");
}

#[tokio::test]
async fn a_call_takes_a_bounded_number_of_steps_and_says_that_there_is_more() {
    let gate = MemoryGate::new(Arc::new(slots(0)));
    let offers = (0..10_000).map(|n| {
        let class = class(&[ask("slots/global", 1), ask(&format!("slots/repository/acme/{n}"), 1)]);
        offer(JobId::new(START, u128::from(n + 1_u32) << 32), &class, i64::from(n))
    });
    gate.offer(offers.collect(), START).await.unwrap();
    let proposals = gate.propose(10, START).await.unwrap();
    assert!(proposals.list.is_empty() && proposals.more);
    assert!(gate.work().unwrap().steps <= 104, "{:?}", gate.work());
}

#[tokio::test]
async fn a_thousand_closed_gates_that_open_together_wake_nobody_in_vain() {
    // One gate, many classes behind it, and one slot: opening it tests one class, and one more to see it is full.
    let gate = MemoryGate::new(Arc::new(slots(1)));
    let closed =
        |closed| Truth { key: Key::new("gate/global"), used: Amount::ZERO, limit: None, closed, version: 1 };
    gate.observe(&[closed(Some(crate::gate::closure(Some(crate::gate::at(60)))))], START).await.unwrap();
    let offers = (0..1_000).map(|n| {
        let class = class(&[
            ask("gate/global", 0),
            ask("slots/global", 1),
            ask(&format!("slots/repository/acme/{n}"), 1),
        ]);
        offer(JobId::new(START, u128::from(n + 1_u32) << 32), &class, i64::from(n))
    });
    gate.offer(offers.collect(), START).await.unwrap();
    while gate.propose(1_000, START).await.unwrap().more {}
    let before = gate.work().unwrap().tests;
    let mut proposed = 0;
    loop {
        let proposals = gate.propose(10, crate::gate::at(60)).await.unwrap();
        proposed += proposals.list.len();
        if !proposals.more {
            break;
        }
    }
    let tests = gate.work().unwrap().tests - before;
    assert_eq!(proposed, 1);
    assert!(tests <= 4, "{tests} tests");
}
