//! Conformance: who goes before whom.

use sluicegate::{gate::Verdict, job::time::Millis};

use super::{Build, Hall, ask, at, class, jobs, offer, slots};

/// First in, first out inside a class.
pub async fn jobs_of_a_class_go_first_in_first_out(build: Build) {
    let mut hall = Hall::new(build, slots(3)).await;
    let offered = hall.offer(&class(&[ask("slots/global", 1)]), "f", 5).await;
    assert_eq!(jobs(&hall.propose(10).await), offered[..3]);
}

/// The order of the list that offers them does not matter: pages of a rebuild may come in any order inside.
pub async fn jobs_offered_together_stand_in_order_of_acceptance(build: Build) {
    let mut hall = Hall::new(build, slots(3)).await;
    let class = class(&[ask("slots/global", 1)]);
    let (early, late) = (hall.id(), hall.id());
    let offers = vec![offer(late, &class, 2), offer(early, &class, 1)];
    hall.gate.offer(offers, hall.now).await.unwrap();
    assert_eq!(jobs(&hall.propose(10).await), [early, late]);
}

/// Classes take turns by the acceptance of their first jobs.
pub async fn classes_of_one_flow_go_in_order_of_acceptance(build: Build) {
    let mut hall = Hall::new(build, slots(9)).await;
    let (one, two) =
        (class(&[ask("slots/global", 1)]), class(&[ask("slots/global", 1), ask("slots/model/x", 1)]));
    let mut offered = hall.offer(&one, "f", 1).await;
    offered.extend(hall.offer(&two, "f", 1).await);
    offered.extend(hall.offer(&one, "f", 1).await);
    assert_eq!(jobs(&hall.propose(10).await), offered);
}

/// All of a lower band go before any of a higher one.
pub async fn a_lower_band_goes_first_whatever_its_age(build: Build) {
    let mut hall = Hall::new(build, slots(9)).await;
    let class = class(&[ask("slots/global", 1)]);
    let old = hall.offer(&class, "f", 2).await;
    let urgent = hall.offer_with(&class, |offer| offer.band = 0).await;
    assert_eq!(jobs(&hall.propose(10).await), [urgent, old[0], old[1]]);
}

/// Five jobs are not behind a thousand: the flows take turns from the moment the small one comes.
pub async fn a_small_flow_interleaves_with_a_backlog_at_once(build: Build) {
    let mut hall = Hall::new(build, slots(10_000)).await;
    let class = class(&[ask("slots/global", 1)]);
    hall.offer(&class, "migration", 1_000).await;
    hall.propose(100).await;
    let small = hall.offer(&class, "release", 5).await;
    let next = jobs(&hall.propose(12).await);
    assert!(small.iter().all(|job| next.contains(job)), "{small:?} not all in {next:?}");
}

/// Twice the weight, twice the turns.
pub async fn a_flow_of_weight_two_gets_two_turns_for_one(build: Build) {
    let mut hall = Hall::new(build, slots(10_000)).await;
    let class = class(&[ask("slots/global", 1)]);
    let mut heavy = Vec::new();
    for _ in 0..60 {
        hall.offer(&class, "light", 1).await;
        let change = |offer: &mut sluicegate::gate::Offer| (offer.weight, offer.flow) = (2, "heavy".into());
        heavy.push(hall.offer_with(&class, change).await);
    }
    let next = jobs(&hall.propose(60).await);
    let turns = next.iter().filter(|job| heavy.contains(job)).count();
    assert!((39..=41).contains(&turns), "{turns} of 60");
}

/// A job that is known is left where it is, whatever the second offer says.
pub async fn offering_a_job_again_leaves_it_where_it_is(build: Build) {
    let mut hall = Hall::new(build, slots(9)).await;
    let class = class(&[ask("slots/global", 1)]);
    let offered = hall.offer(&class, "f", 2).await;
    let mut again = offer(offered[1], &class, 0);
    again.band = 0;
    assert_eq!(hall.gate.offer(vec![again.clone(), again], hall.now).await.unwrap(), 0);
    assert_eq!(jobs(&hall.propose(10).await), offered);
}

/// A retry waits for its time and then takes its turn.
pub async fn a_job_is_not_proposed_before_it_is_due(build: Build) {
    let mut hall = Hall::new(build, slots(9)).await;
    let class = class(&[ask("slots/global", 1)]);
    let later = hall.offer_with(&class, |offer| offer.due_at = Some(at(60))).await;
    let now = hall.offer(&class, "f", 1).await;
    let open = hall.propose(10).await;
    assert_eq!(jobs(&open), now);
    hall.settle(&open[0], Verdict::Gone, &[]).await;
    assert_eq!(hall.gate.next_wake(hall.now).await.unwrap(), Some(at(60)));
    hall.now = at(60);
    assert_eq!(jobs(&hall.propose(10).await), [later]);
}

/// A withdrawn job is not proposed, wherever it was; the others are.
pub async fn a_withdrawn_job_leaves_from_wherever_it_is(build: Build) {
    let mut hall = Hall::new(build, slots(1)).await;
    let class = class(&[ask("slots/global", 1)]);
    let offered = hall.offer(&class, "f", 3).await;
    let timed = hall.offer_with(&class, |offer| offer.due_at = Some(at(20))).await;
    let stranger = hall.id();
    let proposed = hall.propose(10).await;
    assert_eq!(jobs(&proposed), offered[..1]);
    hall.gate.withdraw(&[offered[0], offered[1], timed, stranger]).await.unwrap();
    // The slot that its proposal had charged is free again, and its token is worth nothing.
    assert_eq!(jobs(&hall.propose(10).await), offered[2..]);
    hall.settle(&proposed[0], Verdict::Unanswered, &[]).await;
    hall.pass(Millis::seconds(25));
    assert_eq!(jobs(&hall.propose(10).await), []);
    assert_eq!(hall.gate.jobs().await.unwrap(), offered[2..]);
}

/// A call gives no more than asked, and says when there may be more.
pub async fn a_call_gives_at_most_what_was_asked_and_says_when_there_is_more(build: Build) {
    let mut hall = Hall::new(build, slots(9)).await;
    let offered = hall.offer(&class(&[ask("slots/global", 1)]), "f", 3).await;
    let first = hall.gate.propose(2, hall.now).await.unwrap();
    assert_eq!((jobs(&first.list), first.more), (offered[..2].to_vec(), true));
    let nothing = hall.gate.propose(0, hall.now).await.unwrap();
    assert_eq!((nothing.list.len(), nothing.more), (0, true));
    assert_eq!(jobs(&hall.propose(2).await), offered[2..]);
    let last = hall.gate.propose(2, hall.now).await.unwrap();
    assert_eq!((last.list.len(), last.more), (0, false));
}

/// However many a gate looks at in one go.
pub async fn a_call_gives_as_many_as_were_asked_for(build: Build) {
    let mut hall = Hall::new(build, slots(10_000)).await;
    let offered = hall.offer(&class(&[ask("slots/global", 1)]), "f", 700).await;
    let first = hall.gate.propose(300, hall.now).await.unwrap();
    assert_eq!((jobs(&first.list), first.more), (offered[..300].to_vec(), true));
    let rest = hall.gate.propose(512, hall.now).await.unwrap();
    assert_eq!((jobs(&rest.list), rest.more), (offered[300..].to_vec(), false));
}

/// A parked class whose new first job is urgent goes before the class that was to be next.
pub async fn an_urgent_job_moves_its_parked_class_forward(build: Build) {
    let mut hall = Hall::new(build, slots(1)).await;
    let (one, two) =
        (class(&[ask("slots/global", 1)]), class(&[ask("slots/global", 1), ask("slots/model/x", 1)]));
    hall.offer(&one, "f", 2).await;
    hall.offer(&two, "f", 1).await;
    let running = hall.propose(10).await;
    let urgent = hall.offer_with(&two, |offer| offer.band = 0).await;
    assert_eq!(jobs(&hall.propose(10).await), []);
    hall.settle(&running[0], sluicegate::gate::Verdict::Gone, &[]).await;
    assert_eq!(jobs(&hall.propose(10).await), [urgent]);
}
