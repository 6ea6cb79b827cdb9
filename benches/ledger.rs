//! The ledger alone: whole lives of jobs per second, and what an admission costs when many wait. A SQLite file with full
//! durability, four budgets a job. `cargo bench --bench ledger -- [JOBS] [IN_FLIGHT]`; it must not measure anything else of the
//! pipeline.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "prints figures that it takes by the clock"
)]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use sluicegate::{
    budget::{Amount, BudgetRule, Kind, Period, Rules, Scope},
    clock::{Clock, Entropy, SystemClock},
    job::{
        AttemptId, Event, JobId, Millis, RemoteState, RequestId, Session, State, Task, TaskId, WorkerId,
        remote::Usage, retry::RetryRule,
    },
    ledger::{
        Command, Fence, Ledger, Location, NewJob, Reply, Seen,
        rows::{AttemptRow, JobRow, RequestRow, RequestSpec},
    },
    policy::template::PullRequestText,
};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let numbers: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    if let [jobs, in_flight] = *numbers {
        return lives(jobs, in_flight).await;
    }
    lives(10_000, 256).await?;
    lives(10_000, 64).await?;
    for waiting in [10, 10_000, 1_000_000] {
        admission(waiting).await?;
    }
    Ok(())
}

/// Every job through submit, admit, started, completed and accepted; `in_flight` of them at once.
async fn lives(jobs: usize, in_flight: usize) -> anyhow::Result<()> {
    let bench = Bench::open("lives").await?;
    let begun = Instant::now();
    let ids = bench.submit(jobs).await?;
    let accepted = begun.elapsed();
    let mut spent = [Duration::ZERO; 4];
    for some in ids.chunks(in_flight) {
        let mut attempts = Vec::with_capacity(some.len());
        for reply in
            bench.timed(&mut spent[0], some.iter().map(|job| bench.admission(*job)).collect()).await?
        {
            let Reply::Admitted { attempt, .. } = reply else { bail!("not admitted: {reply:?}") };
            attempts.push(*attempt);
        }
        let started = attempts.iter().map(|attempt| bench.started(attempt)).collect();
        bench.timed(&mut spent[1], started).await?;
        let seen = attempts.iter().map(|attempt| bench.completed(attempt)).collect();
        bench.timed(&mut spent[2], seen).await?;
        bench.timed(&mut spent[3], some.iter().map(|job| accept(*job)).collect()).await?;
    }
    let whole = begun.elapsed();
    bench.check(jobs).await?;
    let parts: Vec<String> = ["admit", "start", "complete", "accept"]
        .iter()
        .zip(spent)
        .map(|(name, spent)| format!("{name} {:.2} s", spent.as_secs_f64()))
        .collect();
    println!(
        "{jobs} whole lives, {in_flight} in flight: {:.0} jobs/s (accepted in {:.2} s, {}; {:.0} bytes a job)",
        per_second(jobs, whole),
        accepted.as_secs_f64(),
        parts.join(", "),
        bench.bytes()? / f64::from(u32::try_from(jobs)?),
    );
    Ok(())
}

/// Admissions and their refunds, a few at a time, while `waiting` jobs wait.
async fn admission(waiting: usize) -> anyhow::Result<()> {
    const ROUNDS: usize = 100;
    const TOGETHER: usize = 10;
    let bench = Bench::open("admission").await?;
    let mut ids = Vec::new();
    let mut left = waiting;
    while left > 0 {
        ids.extend(bench.submit(left.min(10_000)).await?);
        left = left.saturating_sub(10_000);
    }
    let stride = (ids.len() / TOGETHER).max(1);
    let some: Vec<JobId> = ids.into_iter().step_by(stride).take(TOGETHER).collect();
    let (mut spent, mut unmeasured) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..ROUNDS {
        let commands = some.iter().map(|job| bench.admission(*job)).collect();
        let replies = bench.timed(&mut spent, commands).await?;
        let back: Vec<Command> = replies
            .iter()
            .filter_map(|reply| match reply {
                Reply::Admitted { attempt, .. } => Some(bench.not_started(attempt)),
                _ => None,
            })
            .collect();
        anyhow::ensure!(back.len() == some.len(), "not all were admitted");
        bench.timed(&mut unmeasured, back).await?;
    }
    let each = spent.as_secs_f64() * 1e6 / f64::from(u32::try_from(some.len() * ROUNDS)?);
    println!("{waiting} waiting: {each:.0} us an admission, {} at a time", some.len());
    Ok(())
}

fn per_second(count: usize, time: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / time.as_secs_f64()
}

struct Bench {
    ledger: Ledger,
    entropy: Arc<Entropy>,
    fence: Fence,
    folder: Folder,
}

/// Removed at the end.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn rules() -> Rules {
    let budget = |name: &str, kind, per, period| BudgetRule {
        name: name.to_owned(),
        kind,
        per,
        matching: None,
        limit: Amount::MAX,
        period,
    };
    Rules {
        budgets: vec![
            budget("slots", Kind::Slots, Scope::Global, Period::Lifetime),
            budget("unproven", Kind::Change, Scope::Template, Period::Lifetime),
            budget("starts", Kind::Window, Scope::Global, Period::Rolling(Millis::hours(1))),
            budget("credits", Kind::Spend, Scope::Team, Period::Day),
        ],
        pools: BTreeMap::new(),
        ..Rules::default()
    }
}

impl Bench {
    async fn open(name: &str) -> anyhow::Result<Self> {
        let folder =
            Folder(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id())));
        let url = format!("sqlite:{}", folder.0.join("ledger.db").display());
        let location = Location { url, password: None, full_durability: true };
        let entropy = Arc::new(Entropy::from_seed(1));
        let ledger =
            Ledger::open(&location, Arc::new(rules()), Arc::new(SystemClock), Arc::clone(&entropy)).await?;
        let now = SystemClock.now();
        let worker = WorkerId::new(now, entropy.draw_wide());
        let register = Command::Register {
            worker,
            name: "bench".to_owned(),
            roles: sluicegate::job::Roles::all(),
            lease_until: now.plus(Millis::hours(1)),
        };
        let Reply::Registered { token } = ledger.write(register).await? else { bail!("not registered") };
        Ok(Self { ledger, entropy, fence: Fence { worker, token }, folder })
    }

    /// Writes the commands together and adds the time that it took.
    async fn timed(&self, spent: &mut Duration, commands: Vec<Command>) -> anyhow::Result<Vec<Reply>> {
        let begun = Instant::now();
        let answers = self.ledger.write_all(commands).await;
        *spent += begun.elapsed();
        answers.into_iter().map(|answer| Ok(answer?.0)).collect()
    }

    async fn submit(&self, jobs: usize) -> anyhow::Result<Vec<JobId>> {
        let request = self.request(jobs)?;
        let rows: Vec<NewJob> =
            (0..jobs).map(|number| self.new_job(request.id, number)).collect::<Result<_, _>>()?;
        let ids = rows.iter().map(|job| job.row.id).collect();
        let reply = self.ledger.write(Command::Submit { request: Box::new(request), jobs: rows }).await?;
        anyhow::ensure!(matches!(reply, Reply::Submitted { replayed: false, .. }), "{reply:?}");
        Ok(ids)
    }

    fn request(&self, jobs: usize) -> anyhow::Result<RequestRow> {
        let now = SystemClock.now();
        let spec = RequestSpec {
            pull_request: false,
            base_ref: None,
            custom_agent: None,
            labels: vec!["automated".to_owned()],
            pool: None,
            retry: RetryRule::default(),
            estimate: Amount::ONE,
            weight: 1,
            scope: serde_json::json!({ "may_change": ["Cargo.toml", "Cargo.lock"], "files_max": 2 }),
            hold: false,
            waves: None,
            breaker: None,
            required_checks: None,
            fallback: None,
            asked: None,
            described: false,
            through: None,
        };
        Ok(RequestRow {
            id: RequestId::new(now, self.entropy.draw_wide()),
            idempotency_key: None,
            body_digest: "0".repeat(64),
            plan_digest: "0".repeat(64),
            template: "dependency-upgrade".to_owned(),
            template_version: 1,
            template_digest: "0".repeat(64),
            requester: "olga".to_owned(),
            team: "platform".to_owned(),
            owner: "olga".to_owned(),
            reason: None,
            identity: "bot".to_owned(),
            inputs_json: r#"{"dependency":"serde","version":"1.0.228"}"#.to_owned(),
            spec_json: serde_json::to_string(&spec)?,
            skipped_json: "[]".to_owned(),
            jobs: i64::try_from(jobs)?,
            created_at: now,
        })
    }

    fn new_job(&self, request_id: RequestId, number: usize) -> anyhow::Result<NewJob> {
        let now = SystemClock.now();
        let row = JobRow {
            id: JobId::new(now, self.entropy.draw_wide()),
            request_id,
            position: 0,
            repository: format!("acme/service-{number}").parse().context("a repository")?,
            identity: "bot".to_owned(),
            model: None,
            wave: 0,
            findings_json: None,
            prompt_digest: "0".repeat(64),
            priority: 5,
            state: State::Queued,
            state_since: now,
            created_at: now,
            updated_at: now,
            due_at: None,
            deadline_at: None,
            attempts: 0,
            attempt_id: None,
            episode: 0,
            reviewer: None,
            pull_number: None,
            pull_json: None,
            outcome_json: None,
            replay_of: None,
            adopts_json: None,
            discarded_at: None,
            checks_json: None,
            fallen_back: 0,
        };
        Ok(NewJob {
            row,
            prompt: "Upgrade serde to 1.0.228. Change Cargo.toml and Cargo.lock only. ".repeat(10),
            pull_text: PullRequestText::default(),
        })
    }

    fn admission(&self, job: JobId) -> Command {
        let attempt = AttemptId::new(SystemClock.now(), self.entropy.draw_wide());
        Command::Admit { job, attempt, nonce: self.entropy.draw(), fence: self.fence }
    }

    fn started(&self, attempt: &AttemptRow) -> Command {
        let task = Box::new(task(attempt, RemoteState::Queued));
        Command::Started { job: attempt.job_id, attempt: attempt.id, fence: self.fence, task, found: false }
    }

    fn completed(&self, attempt: &AttemptRow) -> Command {
        let task = task(attempt, RemoteState::Completed);
        let seen = Seen { task, event: Some(Event::Completed), failure: None, advice: None, due_at: None };
        Command::Seen { job: attempt.job_id, attempt: attempt.id, fence: self.fence, seen: Box::new(seen) }
    }

    fn not_started(&self, attempt: &AttemptRow) -> Command {
        Command::NotStarted {
            job: attempt.job_id,
            attempt: attempt.id,
            fence: self.fence,
            why: "bench".to_owned(),
            counts: false,
            due_at: None,
            close: None,
        }
    }

    async fn check(&self, jobs: usize) -> anyhow::Result<()> {
        let counts = self.ledger.counts(None).await?;
        let done: i64 =
            counts.iter().filter(|count| count.state == State::Succeeded).map(|count| count.jobs).sum();
        anyhow::ensure!(done == i64::try_from(jobs)?, "{counts:?}");
        let broken = self.ledger.broken_invariants().await?;
        anyhow::ensure!(broken.is_empty(), "{broken:?}");
        Ok(())
    }

    /// Of the ledger's files.
    fn bytes(&self) -> anyhow::Result<f64> {
        let mut bytes = 0.0;
        for file in std::fs::read_dir(&self.folder.0)? {
            bytes += f64::from(u32::try_from(file?.metadata()?.len())?);
        }
        Ok(bytes)
    }
}

fn accept(job: JobId) -> Command {
    Command::Step {
        job,
        event: Event::Accepted,
        pull: None,
        failure: None,
        note: None,
        due_at: None,
        warrant: sluicegate::ledger::Warrant::Free,
    }
}

fn task(attempt: &AttemptRow, state: RemoteState) -> Task {
    let session = Session {
        id: "session".to_owned(),
        state: state.clone(),
        prompt: None,
        model: Some("model-1".to_owned()),
        head_ref: Some("agent/upgrade".to_owned()),
        base_ref: Some("main".to_owned()),
        usage: Some(Usage::AiNanoCredits(1)),
        error: None,
    };
    Task {
        id: TaskId(attempt.id.to_string()),
        state,
        name: None,
        html_url: Some(format!("https://github.com/acme/service/agents/{}", attempt.id)),
        created_at: attempt.intent_at,
        updated_at: Some(attempt.intent_at),
        session_count: Some(1),
        artifacts: Vec::new(),
        sessions: Some(vec![session]),
    }
}
