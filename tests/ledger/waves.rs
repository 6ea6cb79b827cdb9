//! Waves and approvals on the ledger: what opens, what does not, and whose word counts.

use sluicegate::{
    job::{Event, JobId, Millis, RequestId, State, role::LeaseName},
    ledger::{
        By, Command, Reply,
        command::{About, WavesChange, Word},
        rows::WavesState,
    },
    policy::{Decision, Finding, Outcome},
};

use crate::ledger::{
    orders::{Order, order},
    world::{World, on_both_stores},
};

on_both_stores![
    a_wave_opens_when_the_one_before_it_is_merged_and_not_before,
    a_failure_stops_the_waves_until_a_person_has_approved_after_it,
    a_wave_waits_for_its_soak_and_for_its_approvals,
    a_held_request_opens_nothing_and_an_aborted_one_cancels_what_was_not_open,
    an_approval_counts_for_its_plan_alone_and_never_from_the_requester,
    a_job_needs_every_approval_that_its_findings_ask_for,
    a_job_of_a_later_wave_that_needs_an_approval_queues_when_it_has_both,
    only_the_worker_that_does_upkeep_widens_and_twice_is_once,
    an_approval_that_has_expired_does_not_count,
];

fn widened(names: &[&str], rule: &'static str) -> Order {
    Order { waves: Some(rule), ..order(names) }
}

const PLAIN: &str = "sizes = [\"1\", \"2\", \"rest\"]";

async fn holder(world: &World) {
    let claim = Command::Claim { name: LeaseName::upkeep(), fence: world.worker };
    assert!(matches!(world.write(claim).await, Reply::Done));
}

async fn widen(world: &World, request: RequestId) {
    holder(world).await;
    let command = Command::Widen { request, worker: world.worker.worker };
    assert!(matches!(world.write(command).await, Reply::Done));
}

fn said(actor: &str) -> By {
    By::new(actor, "looks good")
}

fn word(world: &World, request: RequestId, about: About, actor: &str) -> Word {
    let expires_at = world.now().plus(Millis::hours(1));
    Word {
        request,
        about,
        digest: "plan".into(),
        roles: vec!["approver".into()],
        expires_at,
        by: said(actor),
    }
}

async fn approve(world: &World, word: Word) -> Reply {
    world.write(Command::Approve(Box::new(word))).await
}

fn refused(reply: &Reply) -> &str {
    match reply {
        Reply::Conflict(why) => why,
        other => panic!("{other:?}"),
    }
}

async fn of(world: &World, order: Order) -> (RequestId, Vec<JobId>) {
    let jobs = world.submit(order).await;
    (world.job(jobs[0]).await.request_id, jobs)
}

/// Takes a job from the queue to an end.
async fn ends(world: &World, job: JobId, event: Event) {
    let attempt = world.running(job).await;
    world.see(&attempt, sluicegate::job::RemoteState::Completed, Some(Event::Completed)).await;
    assert!(matches!(world.step(job, Event::ReviewRequested).await, Reply::Done));
    assert!(matches!(world.step(job, event).await, Reply::Done));
}

async fn states(world: &World, jobs: &[JobId]) -> Vec<State> {
    let mut states = Vec::new();
    for job in jobs {
        states.push(world.state(*job).await);
    }
    states
}

async fn kinds(world: &World, request: RequestId) -> Vec<String> {
    let entries = world.ledger.entries_of_request(request).await.unwrap();
    let own = entries.into_iter().filter(|entry| entry.job_id.is_none());
    own.map(|entry| entry.kind).filter(|kind| kind.starts_with("wave.")).collect()
}

async fn a_wave_opens_when_the_one_before_it_is_merged_and_not_before(world: &World) {
    use State::{Held, Queued, Succeeded};
    let (request, jobs) = of(world, widened(&["a", "b", "c", "d"], PLAIN)).await;
    assert_eq!(states(world, &jobs).await, [Queued, Held, Held, Held]);
    widen(world, request).await;
    assert_eq!(states(world, &jobs).await, [Queued, Held, Held, Held], "nothing is proven yet");
    ends(world, jobs[0], Event::Merged).await;
    assert_eq!(world.state(jobs[1]).await, Held, "a merge alone opens nothing");
    widen(world, request).await;
    assert_eq!(states(world, &jobs).await, [Succeeded, Queued, Queued, Held]);
    ends(world, jobs[1], Event::Merged).await;
    widen(world, request).await;
    assert_eq!(world.state(jobs[3]).await, Held, "half of a wave proves nothing");
    ends(world, jobs[2], Event::Merged).await;
    widen(world, request).await;
    assert_eq!(world.state(jobs[3]).await, Queued);
    ends(world, jobs[3], Event::Merged).await;
    widen(world, request).await;
    let row = world.ledger.waves_of(request).await.unwrap().unwrap();
    assert_eq!((row.opened, row.state), (3, WavesState::Over));
    assert_eq!(kinds(world, request).await, ["wave.opened", "wave.opened", "wave.opened", "wave.over"]);
}

async fn a_failure_stops_the_waves_until_a_person_has_approved_after_it(world: &World) {
    let (request, jobs) = of(world, widened(&["a", "b", "c", "d"], PLAIN)).await;
    // Said before anything went wrong: it must not count for what comes.
    assert!(matches!(approve(world, word(world, request, About::Wave(2), "ana")).await, Reply::Done));
    world.pass(Millis::seconds(1));
    ends(world, jobs[0], Event::Closed).await;
    widen(world, request).await;
    widen(world, request).await;
    let row = world.ledger.waves_of(request).await.unwrap().unwrap();
    assert_eq!((row.opened, row.state), (1, WavesState::Doubtful));
    assert!(row.note.unwrap().contains("1 of its jobs failed or were turned down"));
    let told = world.ledger.notices().await.unwrap();
    assert_eq!(told.iter().filter(|notice| notice.kind == "wave.paused").count(), 1, "told once");
    let wrong = approve(world, word(world, request, About::Wave(3), "ana")).await;
    assert!(refused(&wrong).contains("wave 3 is not the next one"), "{wrong:?}");
    assert!(matches!(approve(world, word(world, request, About::Wave(2), "ana")).await, Reply::Done));
    assert_eq!(states(world, &jobs[1..]).await, [State::Queued, State::Queued, State::Held]);
    // The failure of the first wave is still one: the next wave needs a person again.
    ends(world, jobs[1], Event::Merged).await;
    ends(world, jobs[2], Event::Merged).await;
    widen(world, request).await;
    assert_eq!(world.state(jobs[3]).await, State::Held);
    let kinds = kinds(world, request).await;
    assert_eq!(kinds, ["wave.opened", "wave.paused", "wave.opened", "wave.paused"]);
}

async fn a_wave_waits_for_its_soak_and_for_its_approvals(world: &World) {
    let rule = "sizes = [\"1\", \"rest\"]\nsoak_minutes = 30\napprovals = { count = 2, role = \"lead\" }";
    let (request, jobs) = of(world, widened(&["a", "b"], rule)).await;
    ends(world, jobs[0], Event::Merged).await;
    let lead = |actor: &str| {
        let roles = vec!["lead".to_owned()];
        Word {
            roles,
            expires_at: world.now().plus(Millis::hours(9)),
            ..word(world, request, About::Wave(2), actor)
        }
    };
    let wrong = approve(world, word(world, request, About::Wave(2), "ana")).await;
    assert!(refused(&wrong).contains("no role that is asked for"), "{wrong:?}");
    approve(world, lead("ana")).await;
    approve(world, lead("ANA")).await;
    world.pass(Millis::minutes(31));
    widen(world, request).await;
    assert_eq!(world.state(jobs[1]).await, State::Held, "one person is not two");
    approve(world, lead("ben")).await;
    assert_eq!(world.state(jobs[1]).await, State::Queued);
    let (request, jobs) =
        of(world, Order { body: "two", ..widened(&["c", "d"], "sizes = [1, \"rest\"]\nsoak_minutes = 30") })
            .await;
    ends(world, jobs[0], Event::Merged).await;
    world.pass(Millis::minutes(29));
    widen(world, request).await;
    assert_eq!(world.state(jobs[1]).await, State::Held);
    world.pass(Millis::minutes(1));
    widen(world, request).await;
    assert_eq!(world.state(jobs[1]).await, State::Queued);
}

async fn a_held_request_opens_nothing_and_an_aborted_one_cancels_what_was_not_open(world: &World) {
    let (request, jobs) = of(world, widened(&["a", "b", "c", "d"], PLAIN)).await;
    let change = |change| Command::Waves { request, change, by: said("olga") };
    assert!(matches!(world.write(change(WavesChange::Hold)).await, Reply::Done));
    assert!(matches!(world.write(change(WavesChange::Hold)).await, Reply::Done));
    ends(world, jobs[0], Event::Merged).await;
    widen(world, request).await;
    assert_eq!(world.state(jobs[1]).await, State::Held);
    // Whoever asked may stop it, and may not let it go on.
    let own = approve(world, word(world, request, About::Wave(2), "Olga")).await;
    assert!(refused(&own).contains("somebody else must"), "{own:?}");
    approve(world, word(world, request, About::Wave(2), "ana")).await;
    assert_eq!(states(world, &jobs[1..]).await, [State::Queued, State::Queued, State::Held]);
    assert!(matches!(world.write(change(WavesChange::Abort)).await, Reply::Done));
    assert_eq!(states(world, &jobs[1..]).await, [State::Queued, State::Queued, State::Cancelled]);
    ends(world, jobs[1], Event::Merged).await;
    ends(world, jobs[2], Event::Merged).await;
    widen(world, request).await;
    assert_eq!(world.state(jobs[3]).await, State::Cancelled);
    let late = approve(world, word(world, request, About::Wave(3), "ana")).await;
    assert!(refused(&late).contains("no wave of request"), "{late:?}");
    let kinds = kinds(world, request).await;
    assert_eq!(kinds, ["wave.opened", "wave.held", "wave.resumed", "wave.opened", "wave.aborted"]);
}

async fn an_approval_counts_for_its_plan_alone_and_never_from_the_requester(world: &World) {
    let (request, jobs) = of(world, Order { hold: true, ..order(&["a", "b"]) }).await;
    let about = About::Job(jobs[0]);
    let old = Word { digest: "an older plan".into(), ..word(world, request, about, "ana") };
    let wrong = approve(world, old).await;
    assert!(refused(&wrong).contains("the approval is of the plan"), "{wrong:?}");
    for requester in ["olga", "OLGA"] {
        let own = approve(world, word(world, request, about, requester)).await;
        assert!(refused(&own).contains("asked for this and cannot let it pass"), "{own:?}");
    }
    let nobody = Word { roles: Vec::new(), ..word(world, request, about, "ana") };
    assert!(refused(&approve(world, nobody).await).contains("no role that is asked for"));
    let way_round = world.act(jobs[0], Event::Approved).await;
    assert!(refused(&way_round).contains("comes only with its own command"), "{way_round:?}");
    assert_eq!(states(world, &jobs).await, [State::Held, State::Held]);
    assert!(world.ledger.approvals_of(request).await.unwrap().is_empty(), "what is refused is not kept");
    approve(world, word(world, request, about, "ana")).await;
    assert_eq!(states(world, &jobs).await, [State::Queued, State::Held]);
    let again = approve(world, word(world, request, about, "ana")).await;
    assert!(
        refused(&again).contains("a job that is queued cannot be approved: only one that is held"),
        "{again:?}"
    );
    approve(world, word(world, request, About::Request, "ana")).await;
    assert_eq!(world.state(jobs[1]).await, State::Queued);
    assert_eq!(world.history(jobs[0]).await, ["approval.given", "job.approved"]);
}

fn regulated() -> Decision {
    let mut decision = Decision::default();
    decision.add(
        Finding::new(Outcome::NeedsApproval, "class-needs-approval", "it is regulated")
            .needing(2, "security"),
    );
    decision.add(Finding::new(Outcome::NeedsApproval, "model-escalated", "a larger model"));
    decision
}

async fn a_job_needs_every_approval_that_its_findings_ask_for(world: &World) {
    let (request, jobs) = of(world, Order { found: Some(regulated()), ..order(&["a", "b"]) }).await;
    assert_eq!(states(world, &jobs).await, [State::Held, State::Queued]);
    let of = |actor: &str, roles: &[&str]| {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        Word { roles, ..word(world, request, About::Job(jobs[0]), actor) }
    };
    approve(world, of("ana", &["approver"])).await;
    approve(world, of("ben", &["security"])).await;
    assert_eq!(world.state(jobs[0]).await, State::Held);
    approve(world, of("ana", &["approver", "security"])).await;
    assert_eq!(world.state(jobs[0]).await, State::Queued);
}

async fn a_job_of_a_later_wave_that_needs_an_approval_queues_when_it_has_both(world: &World) {
    // The draw is the policy's; here the first job is put into the second wave by hand.
    let rule = "sizes = [\"1\", \"rest\"]";
    let (mut command, jobs) =
        world.submission(&Order { found: Some(regulated()), ..widened(&["a", "b", "c"], rule) });
    let Command::Submit { request, jobs: rows } = &mut command else { panic!("not a submission") };
    let request = request.id;
    (rows[0].row.wave, rows[1].row.wave, rows[1].row.state) = (2, 1, State::Queued);
    world.write(command).await;
    let waits = approve(world, word(world, request, About::Job(jobs[2]), "ana")).await;
    assert!(refused(&waits).contains("needs no approval of its own; it waits for wave 2"), "{waits:?}");
    let both = |actor: &str| {
        let roles = vec!["approver".to_owned(), "security".to_owned()];
        Word { roles, ..word(world, request, About::Job(jobs[0]), actor) }
    };
    approve(world, both("ana")).await;
    ends(world, jobs[1], Event::Merged).await;
    widen(world, request).await;
    assert_eq!(states(world, &jobs).await, [State::Held, State::Succeeded, State::Queued]);
    approve(world, both("ben")).await;
    assert_eq!(world.state(jobs[0]).await, State::Queued);
}

async fn only_the_worker_that_does_upkeep_widens_and_twice_is_once(world: &World) {
    let (request, jobs) = of(world, widened(&["a", "b", "c", "d"], PLAIN)).await;
    ends(world, jobs[0], Event::Merged).await;
    let other = world.register("second").await;
    holder(world).await;
    let command = |worker| Command::Widen { request, worker };
    assert!(world.write(command(other.worker)).await.is_stale());
    assert_eq!(world.state(jobs[1]).await, State::Held);
    let twice = vec![command(world.worker.worker), command(world.worker.worker)];
    world.write_all(twice).await;
    assert_eq!(states(world, &jobs[1..]).await, [State::Queued, State::Queued, State::Held]);
    // In one transaction with what it looks at.
    let (mut whole, new) = world.submission(&Order { body: "new", ..widened(&["e", "f"], PLAIN) });
    let Command::Submit { request, .. } = &mut whole else { panic!("not a submission") };
    let widen = Command::Widen { request: request.id, worker: world.worker.worker };
    world.write_all(vec![whole, widen]).await;
    assert_eq!(states(world, &new).await, [State::Queued, State::Held]);
}

async fn an_approval_that_has_expired_does_not_count(world: &World) {
    let found = Some(regulated());
    let (request, jobs) = of(world, Order { found, ..order(&["a"]) }).await;
    let both = |actor: &str| {
        let roles = vec!["approver".to_owned(), "security".to_owned()];
        Word { roles, ..word(world, request, About::Job(jobs[0]), actor) }
    };
    approve(world, both("ana")).await;
    world.pass(Millis::hours(1));
    approve(world, both("ben")).await;
    assert_eq!(world.state(jobs[0]).await, State::Held);
    approve(world, both("ana")).await;
    assert_eq!(world.state(jobs[0]).await, State::Queued);
}
