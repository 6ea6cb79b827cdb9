//! Drives a daemon over its sockets: many who read the events, while requests are handed in at a steady rate. Then what every reader
//! saw, and every answer, is compared with what the ledger tells. `ops/load` starts the daemon and runs this.
#![expect(clippy::print_stdout, reason = "prints what it finds")]

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use clap::Parser;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use sluicegate::{
    client::{Client, ClientError, Endpoint, Events, JobQuery},
    policy::Request,
};
use tokio::{sync::watch, task::JoinSet, time::Instant};

/// Connections over which requests are handed in.
const CLIENTS: u64 = 64;
/// One reader in so many reads all events; the others read those of one request each.
const WHOLE: usize = 100;
/// Jobs of a request that a reader follows. All are cancelled, one after the other: that is what it must see.
const FOLLOWED_JOBS: u64 = 3;
/// Jobs that are cancelled at once.
const CANCELS: usize = 16;
/// Repositories that take turns.
const REPOSITORIES: u64 = 200;
/// The last reader must have seen the last event by then.
const CATCH_UP_MAX: Duration = Duration::from_mins(1);
/// How often somebody who hears nothing looks up.
const LOOK_UP: Duration = Duration::from_millis(200);
/// How often a request is handed in until it is accepted.
const TRIES: u32 = 10;
/// So much of the rate must be reached.
const RATE_PERCENT: u64 = 90;
/// Handed in after all others: the record up to here is compared.
const END: &str = "load-end";

#[derive(Parser)]
struct Args {
    #[arg(long)]
    server: String,
    #[arg(long)]
    token_file: PathBuf,
    /// The daemon's, whose memory is looked at
    #[arg(long)]
    pid: u32,
    #[arg(long)]
    seconds: u64,
    /// Seconds of the same load before, in which the daemon's caches fill; its memory is looked at afterwards
    #[arg(long)]
    warm_up: u64,
    #[arg(long)]
    readers: usize,
    /// Requests a second
    #[arg(long)]
    rate: u64,
    /// How much more memory it may have in the last seconds than in the first, in percent
    #[arg(long)]
    growth: f64,
}

impl Args {
    fn whole(&self) -> u64 {
        self.seconds.saturating_add(self.warm_up)
    }
}

/// The last event that each reader must see, by the request that it follows; None: not known yet.
type Goal = watch::Receiver<Option<Arc<HashMap<Option<String>, i64>>>>;

/// What one reader saw.
struct Seen {
    /// It must have seen everything after this.
    from: i64,
    request: Option<String>,
    events: Vec<i64>,
}

/// What the ledger tells.
struct Record {
    /// Positions of the events of each request; under None those of all.
    events: HashMap<Option<String>, Vec<i64>>,
    /// Ids of accepted requests, by their keys.
    accepted: HashMap<String, Vec<String>>,
    upto: i64,
}

/// What one run found.
struct Found {
    record: Record,
    readers: Vec<Seen>,
    /// Keys with the ids that were given for them.
    answers: Vec<(String, String)>,
    /// In MiB, each second.
    memory: Vec<f64>,
}

struct Run {
    client: Client,
    /// Readers that hear.
    hearing: AtomicU64,
    resumed: AtomicU64,
    repeated: AtomicU64,
}

fn request(key: &str, first: u64, jobs: u64) -> anyhow::Result<Request> {
    let repositories: Vec<String> =
        (first..first.saturating_add(jobs)).map(|n| format!("load/r{}", n % REPOSITORIES)).collect();
    // Held: a line in memory grows by design, and `sluice bench gate` tells what each job in it costs.
    let document = serde_json::json!({
        "template": "load", "repositories": repositories, "requester": "load", "inputs": {}, "hold": true,
        "idempotency_key": key,
    });
    Request::parse_json(document.to_string().as_bytes()).map_err(|problem| anyhow::anyhow!("{problem:?}"))
}

impl Run {
    /// Hands in until it is accepted; the key makes it safe to try again. Gives the request's id.
    async fn submit(&self, key: &str, first: u64, jobs: u64) -> anyhow::Result<String> {
        let request = request(key, first, jobs)?;
        let mut tried = 1;
        loop {
            match self.client.submit(&request).await {
                Ok(accepted) => return Ok(accepted.request.to_string()),
                Err(error) if tried >= TRIES => bail!("{key} was not accepted: {error}"),
                Err(_) => {
                    tried = tried.saturating_add(1);
                    self.repeated.fetch_add(1, Relaxed);
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
        }
    }

    async fn open(&self, request: Option<&String>, after: Option<i64>) -> Result<Events, ClientError> {
        self.client.events(&[("request", request.cloned())], after).await
    }

    /// Reads until the goal, or until a while has passed since it is known.
    async fn read(self: Arc<Self>, request: Option<String>, goal: Goal) -> anyhow::Result<Seen> {
        let mut stream = self.open(request.as_ref(), None).await?;
        let (mut from, mut events): (Option<i64>, Vec<i64>) = (None, Vec::new());
        let mut end = None;
        loop {
            let next = tokio::time::timeout(LOOK_UP, stream.next()).await;
            if from.is_none() && stream.last().is_some() {
                ensure!(next.is_err(), "something happened before all were listening");
                from = stream.last();
                self.hearing.fetch_add(1, Relaxed);
            }
            match next {
                Ok(Ok(Some(event))) => events.push(event.id),
                Ok(Ok(None) | Err(_)) => {
                    // Cut off: it comes back with the last id that it has.
                    self.resumed.fetch_add(1, Relaxed);
                    tokio::time::sleep(LOOK_UP).await;
                    stream = self.open(request.as_ref(), stream.last()).await?;
                }
                Err(_) => {}
            }
            if let Some(last) = goal.borrow().as_ref().and_then(|last| last.get(&request).copied()) {
                let end = *end.get_or_insert_with(|| Instant::now() + CATCH_UP_MAX);
                if events.last().is_some_and(|seen| *seen >= last) || Instant::now() > end {
                    return Ok(Seen { from: from.unwrap_or_default(), request, events });
                }
            }
        }
    }

    /// Requests to follow, with their jobs.
    async fn followed(self: &Arc<Self>, number: u64) -> anyhow::Result<Vec<(String, Vec<String>)>> {
        let each = move |run: Arc<Self>, client: u64| async move {
            let mut mine = Vec::new();
            for n in (client..number).step_by(usize::try_from(CLIENTS)?) {
                let id = run.submit(&format!("followed-{n}"), n, FOLLOWED_JOBS).await?;
                let query = JobQuery { request: Some(id.clone()), ..JobQuery::default() };
                let jobs = run.client.jobs(&query).await?.jobs;
                mine.push((id, jobs.into_iter().map(|job| job.id.to_string()).collect()));
            }
            anyhow::Ok(mine)
        };
        let clients: JoinSet<_> = (0..CLIENTS).map(|client| each(Arc::clone(self), client)).collect();
        let all = clients.join_all().await.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
        Ok(all.concat())
    }

    /// Hands in at a steady rate: each request has its time, whatever became of the one before. Gives keys with ids.
    async fn load(self: &Arc<Self>, rate: u64, until: Instant) -> anyhow::Result<Vec<(String, String)>> {
        let begun = Instant::now();
        let next = Arc::new(AtomicU64::new(0));
        let each = |run: Arc<Self>, next: Arc<AtomicU64>| async move {
            let mut mine = Vec::new();
            loop {
                let n = next.fetch_add(1, Relaxed);
                let due = begun + Duration::from_micros(n.saturating_mul(1_000_000) / rate.max(1));
                if due.max(Instant::now()) >= until {
                    return anyhow::Ok(mine);
                }
                tokio::time::sleep_until(due).await;
                let key = format!("load-{n}");
                let id = run.submit(&key, n, 1).await?;
                mine.push((key, id));
            }
        };
        let clients: JoinSet<_> = (0..CLIENTS).map(|_| each(Arc::clone(self), Arc::clone(&next))).collect();
        let all = clients.join_all().await.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
        Ok(all.concat())
    }

    /// Each at its time, several at once.
    async fn cancel(self: Arc<Self>, jobs: Vec<String>, over: Duration) -> anyhow::Result<()> {
        let begun = Instant::now();
        let pause = over.checked_div(u32::try_from(jobs.len())?).unwrap_or_default();
        let client = &self.client;
        let each = |(n, job): (u32, String)| async move {
            tokio::time::sleep_until(begun + pause.saturating_mul(n)).await;
            client.cancel(&job, "load", "for those who follow it").await.context("cancelling a job").map(drop)
        };
        stream::iter((0..).zip(jobs)).map(each).buffer_unordered(CANCELS).try_collect().await
    }

    /// Reads the ledger from a position up to the last request.
    async fn record(&self, from: i64) -> anyhow::Result<Record> {
        let mut stream = self.open(None, Some(from)).await?;
        let mut record = Record { events: HashMap::new(), accepted: HashMap::new(), upto: from };
        loop {
            let next =
                tokio::time::timeout(CATCH_UP_MAX, stream.next()).await.context("reading the ledger")??;
            let Some(event) = next else {
                stream = self.open(None, stream.last()).await?;
                continue;
            };
            let request = event.text("request").map(str::to_owned);
            record.events.entry(None).or_default().push(event.id);
            if request.is_some() {
                record.events.entry(request.clone()).or_default().push(event.id);
            }
            record.upto = event.id;
            if let (Some(key), Some(id)) = (event.text("key"), request) {
                record.accepted.entry(key.to_owned()).or_default().push(id);
                if key == END {
                    return Ok(record);
                }
            }
        }
    }
}

impl Record {
    /// The last position for each request, and for who reads everything.
    fn goal(&self) -> HashMap<Option<String>, i64> {
        let last =
            |(request, positions): (&Option<String>, &Vec<i64>)| Some((request.clone(), *positions.last()?));
        self.events.iter().filter_map(last).collect()
    }
}

/// Resident memory of a process in MiB.
fn resident_mib(pid: u32) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).context("the daemon has ended")?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:"));
    let kib: f64 = line.and_then(|line| line.split_whitespace().nth(1)).context("no VmRSS")?.parse()?;
    Ok(kib / 1024.0)
}

async fn watch_memory(pid: u32, seconds: u64) -> anyhow::Result<Vec<f64>> {
    let mut every = tokio::time::interval(Duration::from_secs(1));
    let mut found = Vec::new();
    for _ in 0..seconds {
        every.tick().await;
        found.push(resident_mib(pid)?);
    }
    Ok(found)
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// How many readers did not see exactly what the record has after their beginning.
fn wronged(record: &Record, readers: &[Seen]) -> usize {
    let wronged = readers.iter().filter(|reader| {
        let all = record.events.get(&reader.request).map(Vec::as_slice).unwrap_or_default();
        let must = all.iter().filter(|id| **id > reader.from);
        let seen = reader.events.iter().filter(|id| **id <= record.upto);
        let wrong = !seen.clone().eq(must.clone());
        if wrong {
            let name = reader.request.as_deref().unwrap_or("everything");
            println!("NOT WHOLE: a reader of {name} saw {} events of {}", seen.count(), must.count());
        }
        wrong
    });
    wronged.count()
}

/// Prints what was found; Err: it is not as it must be.
fn judge(args: &Args, run: &Run, found: &Found) -> anyhow::Result<()> {
    let Found { record, readers, answers, memory } = found;
    let lost =
        answers.iter().filter(|(key, id)| record.accepted.get(key).is_none_or(|ids| !ids.contains(id)));
    let lost = lost.count();
    let twice = record.accepted.values().filter(|ids| ids.len() != 1).count();
    let others = readers.len().saturating_add(1);
    let others = others.saturating_sub(readers.iter().filter(|reader| reader.request.is_none()).count());
    let unasked = record.accepted.len().saturating_sub(answers.len().saturating_add(others));
    let accepted = u64::try_from(answers.len())?;
    let rate = accepted / args.whole().max(1);
    println!(
        "requests: {accepted} accepted, {rate} a second of {} asked for; {} sent again; {lost} lost, {twice} twice, {unasked} that \
         nobody sent",
        args.rate,
        run.repeated.load(Relaxed)
    );
    let events: usize = readers.iter().map(|reader| reader.events.len()).sum();
    let wronged = wronged(record, readers);
    println!(
        "readers: {} saw {events} events; {} times one was cut off and came back; {wronged} did not see all and nothing else",
        readers.len(),
        run.resumed.load(Relaxed)
    );
    let memory = memory.get(usize::try_from(args.warm_up)?..).unwrap_or_default();
    let part = memory.len().div_ceil(3).min(10);
    let (first, last) = (memory.get(..part), memory.get(memory.len().saturating_sub(part)..));
    let (first, last) = (median(first.unwrap_or_default()), median(last.unwrap_or_default()));
    let growth = (last / first - 1.0) * 100.0;
    println!(
        "memory of the daemon: {first:.1} MiB in the first {part} s after {} s of warm-up, {last:.1} MiB in the last {part} s: {growth:+.0} % \
         (at most {:.0} %)",
        args.warm_up, args.growth
    );
    println!("ledger: {} requests", record.accepted.len());
    let wrong = lost + twice + unasked + wronged;
    ensure!(wrong == 0, "something is lost, or there is too much");
    ensure!(growth <= args.growth, "the daemon's memory grows");
    ensure!(rate.saturating_mul(100) >= args.rate.saturating_mul(RATE_PERCENT), "the rate was not reached");
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let token = std::fs::read_to_string(&args.token_file).context("the token file")?;
    let client = Client::new(Endpoint::new(&args.server, token.trim().to_owned())?)?;
    let run = Arc::new(Run {
        client,
        hearing: AtomicU64::new(0),
        resumed: AtomicU64::new(0),
        repeated: AtomicU64::new(0),
    });
    let whole = args.readers.div_ceil(WHOLE);
    let followed = run.followed(u64::try_from(args.readers.saturating_sub(whole))?).await?;
    let (say, goal) = watch::channel(None);
    let requests = followed.iter().map(|(id, _)| Some(id.clone())).chain((0..whole).map(|_| None));
    let readers: JoinSet<_> = requests.map(|request| Arc::clone(&run).read(request, goal.clone())).collect();
    while run.hearing.load(Relaxed) < u64::try_from(args.readers)? {
        ensure!(readers.len() == args.readers, "a reader has ended");
        tokio::time::sleep(LOOK_UP).await;
    }
    println!("{} readers hear, {whole} of them everything; loading for {} s", args.readers, args.whole());

    let over = Duration::from_secs(args.whole());
    let (mut early, mut late) = (Vec::new(), Vec::new());
    for (_, mut jobs) in followed {
        late.extend(jobs.pop());
        early.extend(jobs);
    }
    let memory = tokio::spawn(watch_memory(args.pid, args.whole()));
    let cancelling = tokio::spawn(Arc::clone(&run).cancel(early, over));
    let answers = run.load(args.rate, Instant::now() + over).await?;
    cancelling.await??;
    let memory = memory.await??;
    Arc::clone(&run).cancel(late, Duration::ZERO).await?;
    run.submit(END, 0, 1).await?;

    println!("reading the record");
    let record = run.record(0).await?;
    say.send_replace(Some(Arc::new(record.goal())));
    let readers = readers.join_all().await.into_iter().collect::<anyhow::Result<Vec<Seen>>>()?;
    judge(&args, &run, &Found { record, readers, answers, memory })
}
