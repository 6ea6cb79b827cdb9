//! Requests per second from a Redis stream into the ledger: read, planned, committed, acknowledged. The requests wait in the stream
//! before the clock starts, each for one repository; no job starts.

use std::{sync::Arc, time::Duration};

use redis::cmd;

use crate::{
    boot::{
        Daemon,
        bench::{Figure, Report, Sizes, servers, submit, world},
    },
    clock::SystemClock,
    intake::redis::{self as intake, Intake, IntakeOptions},
    job::cadence::CadenceRule,
    ledger::Location,
    redis_link::{RedisConnection, RedisLink, RedisLocation},
    simulator::SimClock,
    streams::{Names, Publisher},
};

/// Added to the stream in one go.
const ADDED_AT_ONCE: usize = 1_000;
/// Between two looks at the stream.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Measures each ledger, in rounds.
pub async fn run(sizes: Sizes, report: &mut Report) -> anyhow::Result<()> {
    let requests = sizes.of(20_000, 200);
    let redis = servers::redis().await?;
    let postgres = servers::postgres().await?;
    for (name, url) in [("SQLite, full durability", None), ("PostgreSQL", Some(&postgres.url))] {
        let (mut rates, mut lags) = (Vec::new(), Vec::new());
        for _ in 0..sizes.runs() {
            let (rate, lag) = round(&redis.url, url.cloned(), requests).await?;
            rates.push(rate);
            lags.push(lag);
        }
        report.add(vec![
            Figure::of(
                format!("requests accepted over Redis, {name}, {requests} a round"),
                &mut rates,
                "1/s",
            ),
            Figure::of(format!("then until every event was told, {name}"), &mut lags, "s"),
        ])?;
    }
    Ok(())
}

/// One round with a worker and a publisher of its own: requests per second, and seconds from the last one until the stream of
/// events was complete. None: a SQLite file of its own.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures by the monotonic clock")]
async fn round(redis: &str, ledger: Option<String>, requests: usize) -> anyhow::Result<(f64, f64)> {
    let folder = submit::Folder::new()?;
    let clock = Arc::new(SystemClock);
    // No slot is free, so nothing but the intake is measured.
    let (mut parts, _) =
        world::parts(submit::SCENARIO, SimClock::Real, clock, &folder.0, 0, CadenceRule::default())?;
    if let Some(url) = ledger {
        parts.location = Location { url, password: None, full_durability: true };
    }
    let daemon = Daemon::start(parts).await?;
    let link = RedisLink::new(&RedisLocation { url: redis.to_owned(), password: None })?;
    let names = Names::new("bench");
    let mut connection = link.connection();
    cmd("FLUSHALL").query_async::<()>(&mut connection).await?;
    fill(&link, &names.requests(), requests).await?;
    let options = IntakeOptions {
        names: names.clone(),
        consumer: "bench".to_owned(),
        batch_max: 500,
        request_bytes_max: 1_048_576,
        claim_after: Duration::from_mins(1),
        deliveries_max: 5,
        rejected_max: 10_000,
    };
    let begun = std::time::Instant::now();
    let reading = tokio::spawn(intake::run(Intake {
        context: Arc::clone(&daemon.context),
        link: link.clone(),
        options,
    }));
    let publisher =
        Publisher::new(daemon.context.ledger.clone(), &link, names.clone(), "bench".to_owned(), 100_000);
    let publishing = tokio::spawn(publisher.run(daemon.context.shutdown.clone()));
    loop {
        let left: usize = cmd("XLEN").arg(names.requests()).query_async(&mut connection).await?;
        if left == 0 {
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let elapsed = begun.elapsed();
    let rejected: usize = cmd("XLEN").arg(names.rejected()).query_async(&mut connection).await?;
    anyhow::ensure!(rejected == 0, "{rejected} requests were rejected");
    let head = daemon.context.ledger.head().await?.seq;
    while told(&names.events(), &mut connection).await? < head {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let lag = begun.elapsed().saturating_sub(elapsed);
    daemon.context.shutdown.cancel();
    reading.await?;
    publishing.await?;
    daemon.stop().await?;
    Ok((f64::from(u32::try_from(requests)?) / elapsed.as_secs_f64(), lag.as_secs_f64()))
}

/// The position up to which the stream tells the history.
async fn told(stream: &str, connection: &mut RedisConnection) -> anyhow::Result<i64> {
    let about: redis::streams::StreamInfoStreamReply =
        cmd("XINFO").arg("STREAM").arg(stream).query_async(connection).await?;
    Ok(about.last_generated_id.split('-').next().unwrap_or_default().parse()?)
}

async fn fill(link: &RedisLink, stream: &str, requests: usize) -> anyhow::Result<()> {
    let mut connection = link.connection();
    let numbers: Vec<usize> = (0..requests).collect();
    for some in numbers.chunks(ADDED_AT_ONCE) {
        let mut adds = redis::pipe();
        for number in some {
            let request = serde_json::to_string(&world::request(*number, 1))?;
            adds.cmd("XADD").arg(stream).arg("*").arg("request").arg(request).ignore();
        }
        adds.query_async::<()>(&mut connection).await?;
    }
    Ok(())
}
