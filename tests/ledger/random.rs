//! Random histories over a small world: whatever is asked, in whatever order, the invariants hold after each step, and an
//! answer that is lost now and then changes nothing.

use std::collections::BTreeSet;

use proptest::prelude::*;
use sluicegate::{
    budget::{Amount, Closure, Key, Scope, Source},
    job::{
        AttemptId, Event, JobId, LeaseName, Millis, RemoteState, Roles, TaskId, Timestamp, WorkerId,
        failure::FailureClass, lifecycle, routing::Failure,
    },
    ledger::{
        BudgetChange, Command, Fence, LedgerError, Reply, Seen, Warrant,
        rows::{AttemptRow, JobRow},
    },
};

use crate::ledger::{
    orders::{Order, costly, order, reviewed, rules, task},
    world::{World, by},
};

/// One step: what, on which, and how. Numbers are taken modulo what there is.
type Move = (u8, usize, usize);

const REMOTES: [RemoteState; 8] = [
    RemoteState::Queued,
    RemoteState::InProgress,
    RemoteState::Completed,
    RemoteState::Failed,
    RemoteState::Idle,
    RemoteState::WaitingForUser,
    RemoteState::TimedOut,
    RemoteState::Cancelled,
];
const KEYS: [&str; 4] =
    ["slots/global", "slots/repository/acme/a", "unproven/template/upgrade", "pool/reviewers/ana"];

struct Player {
    world: World,
    workers: Vec<Fence>,
    jobs: Vec<JobId>,
    attempts: Vec<AttemptId>,
}

fn pick<T: Clone>(list: &[T], number: usize) -> Option<T> {
    (!list.is_empty()).then(|| list[number % list.len()].clone())
}

impl Player {
    async fn new() -> Self {
        let mut rules = rules();
        for rule in &mut rules.budgets {
            rule.limit = match rule.name.as_str() {
                "slots" if rule.per == Scope::Repository => Amount::ONE,
                "credits" => Amount::from(60),
                "starts" => Amount::from(8),
                _ => Amount::from(2),
            };
        }
        let world = World::sqlite_with(rules).await;
        world.ledger.lose_every_nth_answer(5);
        let workers = vec![world.worker];
        Self { world, workers, jobs: Vec::new(), attempts: Vec::new() }
    }

    async fn job(&self, number: usize) -> Option<JobRow> {
        Some(self.world.job(pick(&self.jobs, number)?).await)
    }

    async fn attempt(&self, number: usize) -> Option<AttemptRow> {
        self.world.ledger.attempt(pick(&self.attempts, number)?).await.unwrap()
    }

    /// Mostly the newest life.
    fn fence(&self, number: usize) -> Option<Fence> {
        if number.is_multiple_of(4) { pick(&self.workers, number / 4) } else { self.workers.last().copied() }
    }

    /// Mostly an event that can happen to the job, now and then any.
    fn event(job: &JobRow, how: usize) -> Event {
        let rare =
            |event: &Event| matches!(event, Event::Cancelled | Event::Expired) && !how.is_multiple_of(4);
        let legal: Vec<Event> = Event::ALL
            .into_iter()
            .filter(|event| !rare(event) && lifecycle::apply(job.state, *event).is_ok())
            .collect();
        if how.is_multiple_of(7) { None } else { pick(&legal, how / 7) }.unwrap_or(Event::ALL[how % 21])
    }

    async fn command(&mut self, (what, which, how): Move) -> Option<Command> {
        Some(match what % 20 {
            0 if self.jobs.len() < 12 => self.submission(which, how),
            0..=5 => self.world.admission(pick(&self.jobs, which)?, self.fence(how)?),
            6..=8 => return self.start(which, how).await,
            9..=12 => return self.sighting(which, how).await,
            13 | 14 => {
                let job = self.job(which).await?;
                let (event, id) = (Self::event(&job, how), job.id);
                Command::Step {
                    job: id,
                    event,
                    pull: None,
                    failure: None,
                    note: None,
                    due_at: None,
                    warrant: Warrant::Free,
                }
            }
            15 => {
                let job = self.job(which).await?;
                Command::Act { job: job.id, event: Self::event(&job, how), by: by() }
            }
            16 => {
                let (job, now) = (pick(&self.jobs, which)?, self.world.now());
                match how % 2 {
                    0 => Command::Replay { job, new: JobId::new(now, self.world.draw()), by: by() },
                    _ => Command::Discard { job, by: by() },
                }
            }
            17 => self.budget(which, how),
            18 => {
                self.world.pass(Millis::minutes((how % 40) as u64));
                Command::RollOver
            }
            _ => return self.worker(which, how).await,
        })
    }

    fn submission(&self, which: usize, how: usize) -> Command {
        let names = [&["a"][..], &["a", "b"], &["c"]][which % 3];
        let plain = if how.is_multiple_of(3) { order(names) } else { reviewed(names) };
        let key = how.is_multiple_of(5).then_some("key");
        let requester = if how.is_multiple_of(2) { "ana" } else { "olga" };
        self.world.submission(&Order { key, requester, ..plain }).0
    }

    /// Mostly who drives the attempt, now and then anybody.
    fn driver(&self, row: &AttemptRow, how: usize) -> Option<Fence> {
        if how.is_multiple_of(5) {
            return self.fence(how);
        }
        Some(Fence { worker: row.worker_id, token: row.token })
    }

    async fn start(&self, which: usize, how: usize) -> Option<Command> {
        let row = self.attempt(which).await?;
        let (job, attempt, fence) = (row.job_id, row.id, self.driver(&row, how / 8)?);
        let failure = Failure::new(FailureClass::Refused, "no");
        Some(match how % 8 {
            0..=3 => {
                let task = Box::new(task(&row, RemoteState::Queued));
                Command::Started { job, attempt, fence, task, found: how.is_multiple_of(2) }
            }
            4 => Command::StartLost { job, attempt, fence, why: "reset".into() },
            5 => {
                let (gate, opens) =
                    (Key::gate(Scope::Identity, "bot"), self.world.now().plus(Millis::minutes(3)));
                let close = how.is_multiple_of(3).then(|| (gate, closure(Some(opens))));
                let why = "429".to_owned();
                Command::NotStarted {
                    job,
                    attempt,
                    fence,
                    why,
                    counts: which.is_multiple_of(2),
                    due_at: None,
                    close,
                }
            }
            6 => Command::StartRejected { job, attempt, fence, failure, advice: "mend".into() },
            _ => Command::Doubles { job, attempt, tasks: vec![TaskId("other".into())] },
        })
    }

    async fn sighting(&self, which: usize, how: usize) -> Option<Command> {
        let row = self.attempt(which).await?;
        let job = self.world.job(row.job_id).await;
        let mut task = task(&row, REMOTES[how % 8].clone());
        if !how.is_multiple_of(3) {
            task = costly(task, (which % 30) as u64);
        }
        let event = (!how.is_multiple_of(4)).then(|| Self::event(&job, how / 4));
        let seen = Seen { task, event, failure: None, advice: None, due_at: None };
        let fence = self.driver(&row, how / 8)?;
        Some(Command::Seen { job: job.id, attempt: row.id, fence, seen: Box::new(seen) })
    }

    fn budget(&self, which: usize, how: usize) -> Command {
        let opens = self.world.now().plus(Millis::minutes(2));
        let source = if which.is_multiple_of(3) { Source::freeze("year-end") } else { Source::Operator };
        let change = match how % 4 {
            0 => BudgetChange::Close(source, closure(how.is_multiple_of(8).then_some(opens))),
            1 => BudgetChange::Limit(None),
            2 => BudgetChange::Limit(Some(Amount::from(u32::try_from(how % 3).unwrap()))),
            _ => BudgetChange::Open(source),
        };
        Command::Budget { key: Key::new(KEYS[which % 4]), change, by: by() }
    }

    async fn worker(&mut self, which: usize, how: usize) -> Option<Command> {
        let fence = pick(&self.workers, which)?;
        Some(match how % 6 {
            0 => {
                let (now, drawn) = (self.world.now(), self.world.draw());
                let worker = WorkerId::new(now, drawn);
                Command::Register {
                    worker,
                    name: "another".into(),
                    roles: Roles::all(),
                    lease_until: now.plus(Millis::minutes(1)),
                }
            }
            1 => Command::Stop { worker: fence.worker },
            2 => Command::Renew {
                worker: fence.worker,
                lease_until: self.world.now().plus(Millis::minutes(1)),
                seen: 0,
            },
            3 => Command::Claim { name: LeaseName::track("bot"), fence },
            4 => Command::Expire { worker: fence.worker },
            _ => {
                let row = self.attempt(how / 6).await?;
                Command::TakeOver { job: row.job_id, attempt: row.id, fence }
            }
        })
    }

    /// As callers do: again, until there is an answer.
    async fn write(&mut self, commands: Vec<Command>) {
        let mut left = commands;
        while !left.is_empty() {
            let answers = self.world.ledger.write_all(left.clone()).await;
            let mut again = Vec::new();
            for (command, answer) in left.into_iter().zip(answers) {
                match answer {
                    Ok((reply, _)) => self.learn(&command, reply),
                    Err(LedgerError::Unavailable(_)) => again.push(command),
                    Err(error) => panic!("{command:?}: {error}"),
                }
            }
            left = again;
        }
    }

    fn learn(&mut self, command: &Command, reply: Reply) {
        match (command, reply) {
            (Command::Submit { jobs, .. }, Reply::Submitted { request, .. })
                if jobs[0].row.request_id == request.id =>
            {
                self.jobs.extend(
                    jobs.iter()
                        .map(|job| job.row.id)
                        .filter(|job| !self.jobs.contains(job))
                        .collect::<Vec<_>>(),
                );
            }
            (Command::Register { worker, .. }, Reply::Registered { token }) => {
                self.workers.push(Fence { worker: *worker, token });
            }
            (_, Reply::Admitted { attempt, .. }) => self.attempts.push(attempt.id),
            (_, Reply::Replayed { job, .. }) if !self.jobs.contains(&job) => self.jobs.push(job),
            _ => {}
        }
    }

    /// More may be used than the limit allows only where the history says why.
    async fn limits_hold(&self) -> Result<(), TestCaseError> {
        let entries = self.world.ledger.entries_after(0, 100_000).await.unwrap();
        let mut explained: BTreeSet<String> = BTreeSet::new();
        for entry in &entries {
            let body: serde_json::Value = serde_json::from_str(&entry.body_json).unwrap();
            let over = body["overdraft"].as_array().into_iter().flatten();
            explained.extend(over.map(|key| key.as_str().unwrap().to_owned()));
            if entry.kind == "budget.limit_set" {
                explained.insert(body["budget"].as_str().unwrap().to_owned());
            }
        }
        for truth in self.world.ledger.truths().await.unwrap() {
            let over = truth.limit.is_some_and(|limit| truth.used > limit);
            prop_assert!(!over || explained.contains(truth.key.as_str()), "{truth:?} is over its limit");
        }
        Ok(())
    }
}

fn closure(opens_at: Option<Timestamp>) -> Closure {
    Closure { reason: "pause".into(), actor: "olga".into(), since: Timestamp(0), opens_at }
}

async fn play(moves: Vec<Vec<Move>>) -> Result<(), TestCaseError> {
    let mut player = Player::new().await;
    for together in moves {
        let mut commands = Vec::new();
        for one in &together {
            commands.extend(player.command(*one).await);
        }
        let said = format!("{commands:?}");
        player.write(commands).await;
        let broken = player.world.broken().await;
        prop_assert!(broken.is_empty(), "{broken:#?} after {said}");
        player.limits_hold().await?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 400, ..ProptestConfig::default() })]
    #[test]
    fn no_history_breaks_an_invariant(
        moves in prop::collection::vec(prop::collection::vec((any::<u8>(), 0_usize..1_000, 0_usize..1_000), 1..5), 20..45)
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(play(moves))?;
    }
}
