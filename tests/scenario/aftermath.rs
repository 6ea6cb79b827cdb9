//! What must hold after every test: the invariants of the design, from the ledger, from the daemon's own answer, and from
//! the simulator's record. Nothing is excused here but what the caller names.

use std::{collections::BTreeMap, fs, sync::Arc};

use serde_json::Value;
use sluicegate::{
    budget::{Release, key::RETRIES},
    config::Settings as Config,
    job::{id::JobId, state::State},
    ledger::{
        Ledger, Location,
        pages::JobFilter,
        rows::{AttemptRow, BudgetRow, EntryRow, HoldRow, JobRow, NoticeRow, Phase, WorkerRow},
    },
    policy::standard_webhooks::SigningKey,
};

use crate::{
    oracle,
    stage::{BOT_TOKEN, HOOK_SECRET, Settings, Stage, eventually},
};

/// The ledger as it was left.
pub struct Books {
    pub jobs: Vec<JobRow>,
    pub attempts: BTreeMap<JobId, Vec<AttemptRow>>,
    pub holds: Vec<HoldRow>,
    pub entries: Vec<EntryRow>,
    pub notices: Vec<NoticeRow>,
    budgets: Vec<BudgetRow>,
    workers: Vec<WorkerRow>,
    broken: Vec<String>,
}

impl Books {
    async fn read(stage: &Stage, settings: &Settings) -> Self {
        let config = Config::load(Some(&stage.path("sluice.toml")), &BTreeMap::new()).unwrap();
        let url = settings.ledger.clone().unwrap_or_else(|| config.settings.ledger.url.clone());
        let location = Location { url, password: None, full_durability: true };
        let ledger = Ledger::open_read_only(&location, Arc::new(config.settings.rules)).await.unwrap();
        let filter = JobFilter { limit: Some(10_000), ..JobFilter::default() };
        let jobs = ledger.jobs(&filter).await.unwrap();
        let (mut attempts, mut holds) = (BTreeMap::new(), Vec::new());
        for job in &jobs {
            attempts.insert(job.id, ledger.attempts_of(job.id).await.unwrap());
            holds.extend(ledger.holds_of(job.id).await.unwrap());
        }
        let books = Self {
            jobs,
            attempts,
            holds,
            entries: ledger.entries_after(0, i64::MAX).await.unwrap(),
            notices: ledger.notices().await.unwrap(),
            budgets: ledger.budgets().await.unwrap(),
            workers: ledger.workers().await.unwrap(),
            broken: ledger.broken_invariants().await.unwrap(),
        };
        assert_eq!(ledger.verify().await.unwrap().broken, None);
        ledger.close().await;
        books
    }

    /// The job in a repository; the newest one.
    pub fn job(&self, name: &str) -> &JobRow {
        self.jobs.iter().rfind(|job| job.repository.name() == name).unwrap()
    }

    pub fn attempts_of(&self, name: &str) -> &[AttemptRow] {
        &self.attempts[&self.job(name).id]
    }

    /// The kinds of everything that the history tells of the job in a repository.
    pub fn told_of(&self, name: &str) -> Vec<&str> {
        let job = self.job(name).id;
        self.entries
            .iter()
            .filter(|entry| entry.job_id == Some(job))
            .map(|entry| entry.kind.as_str())
            .collect()
    }

    pub fn notices_of(&self, name: &str, kind: &str) -> usize {
        let job = Some(self.job(name).id);
        self.notices.iter().filter(|notice| notice.job_id == job && notice.kind == kind).count()
    }

    /// I1, I3, I4, I11, I14: jobs, attempts and holds as a quiet ledger has them.
    fn assert_settled(&self) {
        for job in &self.jobs {
            assert!(job.state.is_terminal(), "{} is {}", job.repository, job.state);
            let attempts = &self.attempts[&job.id];
            assert!(attempts.iter().all(|attempt| attempt.phase == Phase::Ended), "{attempts:?}");
            let counted: u32 = attempts.iter().map(|attempt| u32::from(attempt.counted)).sum();
            assert_eq!(job.attempts, counted, "I11 {}", job.repository);
            let history = self.told_of(job.repository.name());
            assert!(job.state != State::Dead || !history.is_empty(), "I14 {}", job.repository);
        }
        for hold in self.holds.iter().filter(|hold| hold.released_at.is_none()) {
            let lasting = matches!(hold.release, Release::Settled | Release::Expiry);
            // So many retries ever are not given back.
            let ends = hold.expires_at.is_some() || hold.budget_id.name() == RETRIES;
            assert!(lasting && ends, "I4 left over: {hold:?}");
        }
        for budget in &self.budgets {
            let active =
                self.holds.iter().filter(|hold| hold.budget_id == budget.id && hold.released_at.is_none());
            let sum: u64 = active.map(|hold| hold.amount.get()).sum();
            assert_eq!(budget.used.get(), sum, "I3 {}", budget.id);
        }
        assert!(self.workers.iter().all(|worker| worker.stopped_at.is_some()), "{:?}", self.workers);
    }

    /// I15: every notice found its receiver, signed, once.
    fn assert_told(&self, deliveries: &[Value]) {
        let key = SigningKey::parse(&HOOK_SECRET.to_owned().into()).unwrap();
        let mut received = BTreeMap::new();
        for delivery in deliveries.iter().filter(|delivery| delivery["status"] == 204) {
            let header = |name: &str| delivery["headers"][name].as_str().unwrap().to_owned();
            let (id, sent_at) = (header("webhook-id"), header("webhook-timestamp").parse().unwrap());
            let body = delivery["body"].as_str().unwrap();
            assert!(key.verify(&id, sent_at, body.as_bytes(), &header("webhook-signature")), "{delivery}");
            let event: Value = serde_json::from_str(body).unwrap();
            assert_eq!(
                (event["specversion"].as_str(), event["id"].as_str()),
                (Some("1.0"), Some(id.as_str()))
            );
            *received.entry(id).or_insert(0) += 1;
        }
        for notice in &self.notices {
            let times = received.remove(&notice.id.to_string()).unwrap_or(0);
            let expected = usize::from(notice.delivered_at.is_some());
            assert!(notice.delivered_at.is_some() || notice.dead_at.is_some(), "{notice:?}");
            assert_eq!(times, expected, "I15 {notice:?}");
        }
        assert!(received.is_empty(), "notices that the ledger does not know: {received:?}");
        let waited = self.entries.iter().filter(|entry| entry.kind == "job.needs_user").count();
        let told = self.notices.iter().filter(|notice| notice.kind == "job.needs_user").count();
        assert_eq!(waited, told, "I15");
    }
}

/// Everything at its end: asks the daemon, ends it, then judges by the ledger and the simulator's record. `apart` are
/// repositories whose tasks wait for people or wake up again: their slots come and go while the task lives.
pub fn assert_sound(mut stage: Stage, settings: &Settings, apart: &[&str]) -> Books {
    eventually("an empty outbox", || {
        let notices = stage.ask("/v1/notices?limit=1000");
        let open = |notice: &Value| notice["delivered_at"].is_null() && notice["dead_at"].is_null();
        (!notices["notices"].as_array().unwrap().iter().any(open)).then_some(())
    });
    assert_eq!(stage.ask("/v1/invariants")["broken"], Value::Array(Vec::new()));
    assert_eq!(stage.json(&["audit", "verify"])["broken"], Value::Null);
    let overview = stage.ask("/v1/overview");
    assert_eq!(
        (&overview["waiting_at_gate"], &overview["live_tasks"]),
        (&0.into(), &0.into()),
        "I7 {overview}"
    );
    let token = fs::read_to_string(stage.path("token")).unwrap();
    assert!(stage.close().success(), "{}", stage.everything_said());
    let books = tokio::runtime::Runtime::new().unwrap().block_on(Books::read(&stage, settings));
    assert_eq!(books.broken, Vec::<String>::new());
    books.assert_settled();
    books.assert_told(stage.control("webhooks").as_array().unwrap());
    oracle::assert_agrees(&stage, &books, settings.slots, apart);
    assert_no_secret(&stage, &books, token.trim());
    books
}

/// Planted secrets are nowhere but where they belong.
fn assert_no_secret(stage: &Stage, books: &Books, daemon_token: &str) {
    assert!(stage.everything_said().contains("resumed from the ledger"), "there is no log to look into");
    let mut places = vec![
        ("what was said and logged".to_owned(), stage.everything_said().into_bytes()),
        ("rows".to_owned(), format!("{:?}{:?}{:?}", books.jobs, books.entries, books.notices).into_bytes()),
        ("notices".to_owned(), stage.control("webhooks").to_string().into_bytes()),
    ];
    for file in fs::read_dir(stage.folder.path()).unwrap().map(Result::unwrap) {
        let name = file.file_name().into_string().unwrap();
        if name.starts_with("ledger.db") {
            places.push((name, fs::read(file.path()).unwrap()));
        }
    }
    let bare = HOOK_SECRET.trim_start_matches("whsec_");
    for secret in [BOT_TOKEN, bare, daemon_token] {
        for (place, bytes) in &places {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "a secret is in {place}");
        }
    }
}
