//! The public Redis streams of a worker process: from settings to the tasks that read and write them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::task::JoinHandle;

use crate::{
    boot::wire,
    config::{ConfigError, Loaded, sections},
    intake::redis::{self as intake, Intake, IntakeOptions},
    pipeline::Context,
    redis_link::{RedisLink, RedisLocation},
    streams::{Names, Publisher},
};

/// The tasks of the streams; empty when the streams are off. They end at the context's shutdown.
#[derive(Debug)]
pub struct Streams(Vec<JoinHandle<()>>);

impl Streams {
    /// Starts what the settings ask for. Redis need not be there: each task waits for it by itself.
    pub fn open(
        loaded: &Loaded,
        env: &BTreeMap<String, String>,
        context: &Arc<Context>,
    ) -> anyhow::Result<Self> {
        let settings = &loaded.settings.streams;
        let Some(location) = location(loaded, env)? else { return Ok(Self(Vec::new())) };
        let link = RedisLink::new(&location)?;
        let mut tasks = Vec::new();
        if settings.intake {
            let options = intake_options(settings, context.fence.worker.to_string());
            let intake = Intake { context: Arc::clone(context), link: link.clone(), options };
            tasks.push(tokio::spawn(intake::run(intake)));
        }
        if settings.publish {
            let (ledger, name) = (context.ledger.clone(), context.fence.worker.to_string());
            let names = Names::new(settings.prefix.clone());
            let publisher = Publisher::new(ledger, &link, names, name, settings.events_max);
            tasks.push(tokio::spawn(publisher.run(context.shutdown.clone())));
        }
        Ok(Self(tasks))
    }

    /// Resolves when all of them have ended.
    pub async fn ended(self) {
        for task in self.0 {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task of the Redis streams ended badly");
            }
        }
    }
}

/// None: no address is known.
fn location(loaded: &Loaded, env: &BTreeMap<String, String>) -> Result<Option<RedisLocation>, ConfigError> {
    let (streams, gate) = (&loaded.settings.streams, &loaded.settings.gate);
    let on_redis = gate.url.starts_with("redis");
    let Some(url) = streams.url.clone().or_else(|| on_redis.then(|| gate.url.clone())) else {
        return Ok(None);
    };
    let same = url == gate.url;
    let password = streams.password.as_ref().or(if same { gate.password.as_ref() } else { None });
    let password = password.map(|reference| wire::secret(reference, env, loaded)).transpose()?;
    Ok(Some(RedisLocation { url, password }))
}

fn intake_options(settings: &sections::Streams, consumer: String) -> IntakeOptions {
    IntakeOptions {
        names: Names::new(settings.prefix.clone()),
        consumer,
        batch_max: settings.batch_max,
        request_bytes_max: settings.request_bytes_max,
        claim_after: Duration::from_millis(settings.claim_after_ms),
        deliveries_max: settings.deliveries_max,
        rejected_max: settings.rejected_max,
    }
}
