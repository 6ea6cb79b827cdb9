//! What Redis itself can do here: the limit that the gate is compared with in the same run.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::future::try_join_all;
use redis::{AsyncConnectionConfig, Script, aio::MultiplexedConnection, cmd};

use crate::boot::bench::{Figure, Sizes, per_second};

const FILL: &str = include_str!("fill.lua");
const DEQUEUE: &str = include_str!("dequeue.lua");
const CLASSES: usize = 1_000;
/// A limit that nothing reaches.
const LIMIT: u64 = 1 << 50;
const CONNECTIONS: usize = 50;
const PIPELINE: usize = 16;

/// One server, by itself.
pub struct Raw {
    client: redis::Client,
    one: MultiplexedConnection,
}

impl Raw {
    pub async fn connect(url: &str) -> anyhow::Result<Self> {
        let client = redis::Client::open(url)?;
        let one = connect(&client).await.context("connecting to Redis")?;
        Ok(Self { client, one })
    }

    /// Calls of a script that does nothing, in calls per second.
    pub async fn empty_scripts(&mut self, sizes: Sizes) -> anyhow::Result<Vec<Figure>> {
        let hash: String = cmd("SCRIPT").arg("LOAD").arg("return 1").query_async(&mut self.one).await?;
        let calls = sizes.of(20_000, 200);
        let (mut alone, mut fifty, mut pipelined) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..sizes.runs() {
            let took = calls_of(self.one.clone(), hash.clone(), calls).await?;
            alone.push(per_second(calls, took));
            fifty.push(self.by_fifty(&hash, calls).await?);
            pipelined.push(self.pipelined(&hash, calls).await?);
        }
        Ok(vec![
            Figure::of("Redis: empty script, one connection", &mut alone, "1/s"),
            Figure::of(format!("Redis: empty script, {CONNECTIONS} connections"), &mut fifty, "1/s"),
            Figure::of(format!("Redis: empty script, pipelined by {PIPELINE}"), &mut pipelined, "1/s"),
        ])
    }

    #[expect(clippy::disallowed_methods, reason = "a benchmark measures by the monotonic clock")]
    async fn by_fifty(&self, hash: &str, calls: usize) -> anyhow::Result<f64> {
        let each = calls.div_ceil(CONNECTIONS);
        let opened = (0..CONNECTIONS).map(|_| connect(&self.client));
        let connections = try_join_all(opened).await?;
        let begun = Instant::now();
        try_join_all(connections.into_iter().map(|connection| calls_of(connection, hash.to_owned(), each)))
            .await?;
        Ok(per_second(each * CONNECTIONS, begun.elapsed()))
    }

    #[expect(clippy::disallowed_methods, reason = "a benchmark measures by the monotonic clock")]
    async fn pipelined(&mut self, hash: &str, calls: usize) -> anyhow::Result<f64> {
        let rounds = calls.div_ceil(PIPELINE);
        let mut pipe = redis::pipe();
        for _ in 0..PIPELINE {
            pipe.cmd("EVALSHA").arg(hash).arg(0);
        }
        let begun = Instant::now();
        for _ in 0..rounds {
            let _answers: Vec<i64> = pipe.query_async(&mut self.one).await?;
        }
        Ok(per_second(rounds * PIPELINE, begun.elapsed()))
    }

    /// Jobs per second of the ten-call dequeue in batches of a size. The database is emptied before and after.
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures by the monotonic clock")]
    pub async fn dequeue(&mut self, jobs: usize, batch: usize) -> anyhow::Result<f64> {
        self.empty().await?;
        let (fill, dequeue) = (Script::new(FILL), Script::new(DEQUEUE));
        let mut first = 0;
        while first < jobs {
            let some = (jobs - first).min(1_000);
            let mut call = fill.key("ready");
            let _: usize = call.arg(first).arg(some).arg(CLASSES).invoke_async(&mut self.one).await?;
            first += some;
        }
        let begun = Instant::now();
        let mut taken = 0;
        while taken < jobs {
            let mut call = dequeue.key("ready");
            call.key("used").key("leases").arg(batch).arg(1_000).arg(31_000).arg(LIMIT);
            let some: usize = call.invoke_async(&mut self.one).await?;
            anyhow::ensure!(some > 0, "the line of the benchmark ran dry");
            taken += some;
        }
        let rate = per_second(jobs, begun.elapsed());
        self.empty().await?;
        Ok(rate)
    }

    pub async fn empty(&mut self) -> anyhow::Result<()> {
        let _: String = cmd("FLUSHALL").arg("SYNC").query_async(&mut self.one).await?;
        Ok(())
    }

    /// A number that `INFO` tells.
    pub async fn told(&mut self, section: &str, name: &str) -> anyhow::Result<u64> {
        let info: String = cmd("INFO").arg(section).query_async(&mut self.one).await?;
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.with_context(|| format!("INFO does not tell {name}"))?.trim().parse().context("reading INFO")
    }

    /// The connection, for other commands.
    pub fn connection(&mut self) -> &mut MultiplexedConnection {
        &mut self.one
    }
}

/// The driver's own limit of half a second is shorter than emptying a large database takes.
async fn connect(client: &redis::Client) -> redis::RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    client.get_multiplexed_async_connection_with_config(&config).await
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures by the monotonic clock")]
async fn calls_of(
    mut connection: MultiplexedConnection,
    hash: String,
    calls: usize,
) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    for _ in 0..calls {
        let _: i64 = cmd("EVALSHA").arg(&hash).arg(0).query_async(&mut connection).await?;
    }
    Ok(begun.elapsed())
}
