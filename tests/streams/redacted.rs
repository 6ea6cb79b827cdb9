//! A name that leaves the ledger leaves the streams too.

use sluicegate::ledger::By;

use crate::{
    events,
    house::{Place, eventually, sqlite},
    letters,
};

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_written_anew_without_a_name_that_was_redacted() {
    let place = Place::new(sqlite(), "").await;
    let worker = place.worker().await;
    let jobs = letters::deaths(&worker, 3).await;
    letters::letters_are(&place, &jobs).await;
    events::is_complete(&place, &worker).await;
    let texts = async || {
        let mut all = Vec::new();
        for stream in ["events", "dead", "notices"] {
            for (id, fields) in place.entries(stream).await {
                all.push(format!("{stream} {id}"));
                all.extend(fields.values().map(|value| String::from_utf8_lossy(value).into_owned()));
            }
        }
        all.join("\n")
    };
    let before = texts().await;
    assert!(before.contains("carla"), "{before}");
    let by = By::new("ana", "carla has left");
    let person = worker.daemon.context.redact("carla", by).await.unwrap().person;
    eventually("streams without the name", async || {
        let now = texts().await;
        (!now.contains("carla") && now.contains(&person)).then_some(())
    })
    .await;
    letters::letters_are(&place, &jobs).await;
    events::is_complete(&place, &worker).await;
    worker.stop().await;
}
