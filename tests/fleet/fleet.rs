//! All processes together, and what people do from outside: submit, look, break things.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, time::Duration};

use rand::{Rng, rngs::SmallRng};
use ring::hmac;
use serde_json::{Value, json};
use sluicegate::{
    clock::{Clock, SystemClock},
    config::Settings,
    gate::Counts,
    job::{
        id::JobId,
        time::{Millis, Timestamp},
    },
};
use tempfile::TempDir;

use crate::{
    books::Reader,
    member::{Command, Member, Ports},
    plan::{Database, FLEET, Plan, Store, Story, template},
    soak::{KILLS, MINUTES, told},
    stage::{BOT_TOKEN, HOOK_SECRET, Process, eventually, wire},
    support::{Postgres, RedisServer, Weather},
};

/// The daemon's name; the workers are `worker-1` and so on.
pub const DAEMON: &str = "daemon";
/// Jobs that wait or run while a fleet is kept busy, at least.
const PILE: usize = 10;
/// After which a producer puts its request on the stream again.
const REPEAT_EVERY: Millis = Millis::seconds(3);
/// Between two looks at the ledger.
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub struct Fleet {
    pub plan: Plan,
    pub members: Vec<Member>,
    /// None while it is down.
    pub redis: Option<RedisServer>,
    own: Option<Postgres>,
    database: Database,
    _simulator: Process,
    pub simulator_url: String,
    pub reader: Reader,
    /// Requests whose acceptance was answered.
    pub accepted: Vec<String>,
    submitted: usize,
    seed: u64,
    /// Last: what fails shows its logs before they go.
    folder: Option<TempDir>,
}

impl Fleet {
    /// Everything runs and is ready.
    pub fn start(plan: Plan) -> Self {
        let mut fleet = Self::set(plan);
        for name in fleet.names() {
            fleet.open(&name);
        }
        fleet
    }

    /// The servers run; no process of the fleet does.
    pub fn set(plan: Plan) -> Self {
        let folder = tempfile::Builder::new().prefix("sluicegate-fleet-").tempdir().unwrap();
        let path = folder.path();
        fs::create_dir_all(path.join("templates/bump")).unwrap();
        fs::write(path.join("templates/bump/1.toml"), template()).unwrap();
        fs::write(path.join("bot-token"), BOT_TOKEN).unwrap();
        fs::set_permissions(path.join("bot-token"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(path.join("scenario.toml"), plan.scenario()).unwrap();
        let line = [
            "simulate",
            "--listen",
            "127.0.0.1:0",
            "--scenario",
            "scenario.toml",
            "--port-file",
            "simulator.url",
        ];
        let simulator = Process::start("simulator", path, &line.map(str::to_owned), &[]);
        let simulator_url = eventually("the simulator's address", || {
            let url = fs::read_to_string(path.join("simulator.url")).ok()?.trim().to_owned();
            (!url.is_empty()).then_some(url)
        });
        let redis = plan.redis.then(RedisServer::start);
        let own = (plan.store == Store::OwnPostgres).then(Postgres::restartable);
        let (sql, database) = match plan.store {
            Store::Sqlite => (0, Database::Sqlite(path.join("ledger.db"))),
            Store::Postgres | Store::OwnPostgres => {
                let postgres = own.as_ref().unwrap_or_else(|| Postgres::shared());
                (postgres.port(), Database::Postgres(postgres.new_database()))
            }
        };
        let ports = Ports {
            redis: redis.as_ref().map(RedisServer::port),
            sql,
            github: simulator_url.rsplit(':').next().unwrap().parse().unwrap(),
        };
        let mut members =
            vec![Member::new((DAEMON, Command::Serve, plan.daemon), &plan, ports, &database, path)];
        for (number, roles) in plan.workers.iter().enumerate() {
            let name = format!("worker-{}", number + 1);
            // Without Redis nothing but a daemon can work: it has a gate of its own.
            let command = if plan.redis { Command::Work } else { Command::Serve };
            members.push(Member::new((&name, command, roles), &plan, ports, &database, path));
        }
        Self {
            plan,
            members,
            redis,
            own,
            database,
            _simulator: simulator,
            simulator_url,
            reader: Reader::new(),
            accepted: Vec::new(),
            submitted: 0,
            seed: 0,
            folder: Some(folder),
        }
    }

    pub fn path(&self) -> &std::path::Path {
        self.folder.as_ref().expect("the folder was kept").path()
    }

    pub fn names(&self) -> Vec<String> {
        self.members.iter().map(|member| member.name.clone()).collect()
    }

    /// One member's name.
    pub fn draw_name(&self, draw: &mut SmallRng) -> String {
        self.members[draw.random_range(0..self.members.len())].name.clone()
    }

    /// SIGTERM to one; it must end in order.
    pub fn terminate(&mut self, name: &str) {
        let ended = self.member(name).terminate();
        assert!(ended.success(), "{name}: {ended}");
    }

    pub fn member(&mut self, name: &str) -> &mut Member {
        self.members.iter_mut().find(|member| member.name == name).expect("a member's name")
    }

    /// Begins a life of a process and does not wait.
    pub fn begin(&mut self, name: &str, env: &[(&str, &str)]) {
        // Each life loses the answers of other commits.
        self.seed += 1;
        let lost = format!("{}:{}", self.plan.lost_answers, self.seed);
        let lost = (self.plan.lost_answers > 0).then_some(("SLUICE_LOST_ANSWERS", lost.as_str()));
        let env: Vec<_> = env.iter().copied().chain(lost).collect();
        let path = self.path().to_path_buf();
        self.member(name).begin(&path, &env);
    }

    /// Begins a life of a process that must become ready; again, as a supervisor does, where its first commits may seem to fail.
    pub fn open(&mut self, name: &str) {
        self.begin(name, &[]);
        while !self.member(name).is_ready() {
            assert!(self.plan.lost_answers > 0, "{name} ended");
            self.begin(name, &[]);
        }
    }

    /// SIGTERM to everybody who runs; each must end in order. Gives their number.
    pub fn close(&mut self) -> usize {
        let mut running: Vec<&mut Member> =
            self.members.iter_mut().filter_map(|member| member.is_running().then_some(member)).collect();
        for member in &mut running {
            member.process().signal("TERM");
        }
        for member in &mut running {
            let ended = member.end();
            assert!(ended.success(), "{}: {ended}", member.name);
        }
        running.len()
    }

    /// Where the ledger is, past every link.
    pub fn ledger_url(&self) -> String {
        match &self.own {
            Some(own) => self.database.url(own.port()),
            None if self.plan.store == Store::Sqlite => self.database.url(0),
            None => self.database.url(Postgres::shared().port()),
        }
    }

    /// From now on the ledger is in a new and empty database of the same server. No process of the fleet runs.
    pub fn move_ledger(&mut self) {
        self.database = Database::Postgres(Postgres::shared().new_database());
        for member in &self.members {
            member.configure(&self.plan, &self.database, self.path());
        }
    }

    /// PostgreSQL is gone at once, with whatever it was doing.
    pub fn stop_sql(&mut self) {
        self.own.as_ref().expect("a server of its own").stop();
    }

    pub fn start_sql(&mut self) {
        let port = self.own.as_ref().expect("a server of its own").start_again();
        for member in &self.members {
            member.sql.retarget(port);
        }
    }

    /// SIGKILL to Redis.
    pub fn stop_redis(&mut self) {
        drop(self.redis.take());
    }

    /// SIGKILL to Redis; then an empty one, or one with an older dump.
    pub fn replace_redis(&mut self, dump: Option<&[u8]>) {
        self.stop_redis();
        let redis = dump.map_or_else(RedisServer::start, RedisServer::restored);
        for link in self.members.iter().filter_map(|member| member.redis.as_ref()) {
            link.retarget(redis.port());
        }
        self.redis = Some(redis);
    }

    pub fn redis(&self) -> &RedisServer {
        self.redis.as_ref().expect("Redis is down")
    }

    /// Submits so many jobs as one request, and repeats it until it is accepted.
    pub fn submit(&mut self, jobs: usize) {
        let body = self.request(jobs);
        self.submit_again(&body);
    }

    /// Repeats a request until it is accepted.
    pub fn submit_again(&mut self, body: &str) {
        let accepted = eventually("the request is accepted", || self.offer(body));
        self.accepted.push(accepted);
    }

    /// The body of the next request.
    pub fn request(&mut self, jobs: usize) -> String {
        let repositories: Vec<String> = (0..jobs)
            .map(|_| {
                let story = Story::ALL[self.submitted % Story::ALL.len()];
                self.submitted += 1;
                format!("acme/{}-{}", story.name(), self.submitted)
            })
            .collect();
        let key = format!("request-{}", self.submitted);
        let body = json!({
            "template": "bump", "requester": "carla", "inputs": {"package": "serde"},
            "repositories": repositories, "idempotency_key": key,
        });
        body.to_string()
    }

    /// The body of a request that is widened in three steps, each of which goes well.
    pub fn request_in_waves(&mut self) -> String {
        let repositories: Vec<String> = (0..3)
            .map(|_| {
                self.submitted += 1;
                format!("acme/{}-{}", Story::Plain.name(), self.submitted)
            })
            .collect();
        let body = json!({
            "template": "bump", "requester": "carla", "inputs": {"package": "serde"}, "repositories": repositories,
            "idempotency_key": format!("request-{}", self.submitted), "waves": { "sizes": ["1", "1", "rest"] },
        });
        body.to_string()
    }

    /// Puts a request on the stream, and repeats it, as a producer does that may lose Redis, until the ledger has it.
    pub fn submit_on_stream(&mut self, body: &str) {
        let url = self.ledger_url();
        let key =
            serde_json::from_str::<Value>(body).unwrap()["idempotency_key"].as_str().unwrap().to_owned();
        let mut repeat_at = now();
        let accepted = eventually("the request on the stream is accepted", || {
            if now() >= repeat_at {
                repeat_at = now().plus(REPEAT_EVERY);
                self.put_on_stream(body);
            }
            std::thread::sleep(LOOK_EVERY);
            self.reader.request(&url, &key)
        });
        self.accepted.push(accepted);
    }

    /// Once. A Redis that takes it not is no harm to a producer that repeats.
    pub fn put_on_stream(&self, body: &str) {
        let mut command = redis::cmd("XADD");
        command.arg("sluice:requests").arg("*").arg("request").arg(body);
        let put: redis::RedisResult<String> = command.query(&mut self.redis().connection());
        if let Err(error) = put {
            println!("XADD: {error}");
        }
    }

    /// Offers a request once; Some if its acceptance was answered.
    pub fn offer(&self, body: &str) -> Option<String> {
        let (status, answer) = self.ask("POST", "/v1/requests", body)?;
        assert!(!(300..500).contains(&status), "{status} {answer}");
        (status < 300).then(|| answer["request"].as_str().unwrap().to_owned())
    }

    /// What the gate holds; None while it is closed.
    pub fn gate(&self) -> Option<(Vec<JobId>, Counts)> {
        let file = self.path().join(format!("{DAEMON}.toml"));
        let config = Settings::load(Some(&file), &BTreeMap::new()).unwrap();
        self.reader.gate(&self.redis().url(), FLEET, &config.settings.rules)
    }

    /// One exchange with the daemon.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> Option<(u16, Value)> {
        let daemon = self.members.first().expect("there is a daemon");
        daemon.exchange(self.path(), method, path, body)
    }

    /// A webhook of GitHub to the daemon; None: it died before it could answer.
    pub fn deliver(&self, id: &str, event: &str, body: &str) -> Option<(u16, Value)> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, HOOK_SECRET.as_bytes());
        let tag = hmac::sign(&key, body.as_bytes());
        let digits = sluicegate::policy::request::hex(tag.as_ref());
        let signature = format!("sha256={digits}");
        let headers = [
            ("content-type", "application/json"),
            ("x-github-delivery", id),
            ("x-github-event", event),
            ("x-hub-signature-256", signature.as_str()),
        ];
        let address = fs::read_to_string(self.path().join(format!("{DAEMON}.url"))).ok()?;
        let (status, answer) =
            wire::exchange(address.trim(), "POST", "/v1/hooks/github", &headers, body.as_bytes())?;
        Some((status, serde_json::from_str(&answer).unwrap_or_default()))
    }

    /// Runs a command of the program against the daemon; it must succeed and answer JSON.
    pub fn sluice(&self, line: &[&str]) -> Value {
        let address = fs::read_to_string(self.path().join(format!("{DAEMON}.url"))).unwrap();
        let config = format!("{DAEMON}.toml");
        let whole = [&["--config", &config, "--server", address.trim()], line, &["--json"]].concat();
        let whole: Vec<String> = whole.into_iter().map(str::to_owned).collect();
        let ran = crate::stage::process::run(self.path(), &whole, &[]);
        assert_eq!(ran.code, 0, "sluice {line:?}: {}{}", ran.out, ran.err);
        serde_json::from_str(&ran.out).unwrap()
    }

    /// What the simulator's control interface answers, past every link.
    pub fn control(&self, path: &str) -> Vec<Value> {
        let path = format!("/_control/{path}");
        let (status, body) = wire::exchange(&self.simulator_url, "GET", &path, &[], b"").unwrap();
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Waits until so many tasks have been created in all.
    pub fn until_created(&mut self, tasks: usize) {
        eventually(&format!("{tasks} tasks"), || (self.control("creates").len() >= tasks).then_some(()));
    }

    /// Waits until every job has ended and every notice was delivered.
    pub fn until_quiet(&mut self) {
        let url = self.ledger_url();
        eventually("the end of every job", || {
            for name in self.names() {
                if self.member(&name).has_ended() {
                    // One that the ledger did not answer at its start says so and ends: a supervisor begins it again.
                    let was_ready = self.member(&name).was_ready();
                    assert!(self.plan.lost_answers > 0 || !was_ready, "{name} ended by itself");
                    self.open(&name);
                }
            }
            std::thread::sleep(LOOK_EVERY);
            let jobs = self.reader.jobs(&url)?;
            let ended = jobs.iter().all(|job| job.state.is_terminal());
            let told = self.reader.notices(&url)?.iter().all(|notice| notice.next_at.is_none());
            (ended && told).then_some(())
        });
    }

    /// Submits whenever little is left to do, until there is something to see.
    pub fn busy_until<T>(&mut self, what: &str, mut look: impl FnMut(&mut Self) -> Option<T>) -> T {
        eventually(what, || {
            if let Some(seen) = look(self) {
                return Some(seen);
            }
            let url = self.ledger_url();
            let jobs = self.reader.jobs(&url)?;
            let open = jobs.iter().filter(|job| !job.state.is_terminal()).count();
            if open < PILE {
                self.submit_somehow();
            }
            std::thread::sleep(LOOK_EVERY);
            None
        })
    }

    /// In turn over HTTP and, where there is Redis, on its stream.
    fn submit_somehow(&mut self) {
        let body = self.request(PILE);
        if self.plan.redis && self.accepted.len() % 2 == 1 {
            self.submit_on_stream(&body);
        } else {
            self.submit_again(&body);
        }
    }

    /// Lets the work go on until so many more tasks have been created.
    pub fn busy_for(&mut self, tasks: usize) {
        let until = self.control("creates").len() + tasks;
        self.busy_until(&format!("{tasks} more tasks"), |fleet| {
            (fleet.control("creates").len() >= until).then_some(())
        });
    }

    /// What every life of a member has logged.
    pub fn logs_of(&self, name: &str) -> String {
        let read = |life: u32| fs::read_to_string(self.path().join(format!("{name}-{life}.log"))).ok();
        (1..).map_while(read).collect()
    }

    /// The same weather on the links of everybody to one kind of server.
    pub fn weather(&self, of: impl Fn(&Member) -> &crate::support::Link, weather: Weather) {
        for member in &self.members {
            of(member).set(weather);
        }
    }
}

impl Drop for Fleet {
    /// A test that fails shows what waits.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        // Kept for whoever looks at it later; other tests print their logs.
        if told(MINUTES).or_else(|| told(KILLS)).is_some()
            && let Some(folder) = self.folder.take()
        {
            println!("kept: {}", folder.keep().display());
        }
        if let Some(jobs) = self.reader.jobs(&self.ledger_url()) {
            for job in jobs.iter().filter(|job| !job.state.is_terminal()) {
                println!("{} {} is {} since {}", job.id, job.repository, job.state, job.state_since);
            }
        }
    }
}

/// The machine's time, for comparing with the simulator's record.
pub fn now() -> Timestamp {
    SystemClock.now()
}
