//! Requests per second over HTTP into a SQLite file with full durability: each client sends one after the other over its own
//! connection, each request with an idempotency key, and waits for the answer. No job starts.

use std::{sync::Arc, time::Duration};

use tokio::{net::TcpListener, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    boot::{
        Daemon,
        bench::{Figure, Report, Sizes, number, per_second, submit, world},
    },
    client::{Client, Endpoint},
    clock::SystemClock,
    http::{self, Access, Limits},
    job::cadence::CadenceRule,
    simulator::SimClock,
};

const CLIENTS: usize = 32;
const TOKEN: &str = "bench-token-0123456789";

/// Measures in rounds.
pub async fn run(sizes: Sizes, report: &mut Report) -> anyhow::Result<()> {
    let each = sizes.of(500, 3);
    let (mut rates, mut slowest) = (Vec::new(), Vec::new());
    for _ in 0..sizes.runs() {
        let (rate, p99) = round(each).await?;
        rates.push(rate);
        slowest.push(p99);
    }
    let count = each.saturating_mul(CLIENTS);
    report.add(vec![
        Figure::of(
            format!("requests accepted over HTTP by {CLIENTS} clients, SQLite, full durability, {count} a round (aim: 1,500)"),
            &mut rates,
            "1/s",
        ),
        Figure::of("  of a hundred answers 99 came within (aim: 50)", &mut slowest, "ms"),
    ])
}

/// Requests per second, and the time in which 99 of 100 were answered, in milliseconds.
async fn round(each: usize) -> anyhow::Result<(f64, f64)> {
    let folder = submit::Folder::new()?;
    let (parts, _) = world::parts(
        submit::SCENARIO,
        SimClock::Real,
        Arc::new(SystemClock),
        &folder.0,
        // No slot is free, so that nothing but the way in is measured.
        0,
        CadenceRule::default(),
    )?;
    let daemon = Daemon::start(parts).await?;
    let free = Limits { requests_per_second: 0, burst: 1 };
    let router = http::guarded(Arc::clone(&daemon.context), Access::local(TOKEN.to_owned().into()), free);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let server = format!("http://{}", listener.local_addr()?);
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(http::serve(listener, router, shutdown.clone()));
    let begun = Instant::now();
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(ask(Client::new(Endpoint::new(&server, TOKEN.to_owned())?)?, client, each));
    }
    let mut took = Vec::with_capacity(each.saturating_mul(CLIENTS));
    while let Some(done) = clients.join_next().await {
        took.extend(done??);
    }
    let rate = per_second(took.len(), begun.elapsed());
    took.sort();
    let p99 = took.get(took.len().saturating_mul(99) / 100).copied().unwrap_or_default();
    shutdown.cancel();
    serving.await??;
    let broken = daemon.context.ledger.broken_invariants().await?;
    anyhow::ensure!(broken.is_empty(), "broken invariants: {broken:?}");
    daemon.stop().await?;
    Ok((rate, number(usize::try_from(p99.as_micros())?) / 1_000.0))
}

/// How long each answer took.
async fn ask(client: Client, number: usize, each: usize) -> anyhow::Result<Vec<Duration>> {
    let mut took = Vec::with_capacity(each);
    for turn in 0..each {
        let first = number.saturating_mul(each).saturating_add(turn);
        let mut request = world::request(first, 1);
        request.idempotency_key = Some(format!("bench-{first}"));
        let begun = Instant::now();
        let accepted = client.submit(&request).await?;
        anyhow::ensure!(!accepted.replayed && accepted.jobs == 1, "{accepted:?}");
        took.push(begun.elapsed());
    }
    Ok(took)
}
