//! News over Redis: one channel a fleet, `sluice:{<fleet>}:news`. A message is the sender's name and a position of the history.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::StreamExt;
use tokio::{sync::Notify, task::JoinHandle};

use crate::{
    news::News,
    redis_link::{RedisFault, RedisLink},
};

/// Between two tries to subscribe; doubles up to the second.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Publishes and subscribes. The subscription ends when this is dropped.
pub struct RedisNews {
    link: RedisLink,
    channel: String,
    own: String,
    heard: Arc<Notify>,
    listener: JoinHandle<()>,
}

impl RedisNews {
    /// `own` must differ between the processes of a fleet: what one tells it does not hear. Must be called on a tokio runtime.
    pub fn new(link: RedisLink, fleet: &str, own: &str) -> Self {
        let channel = format!("sluice:{{{fleet}}}:news");
        let heard = Arc::new(Notify::new());
        let listener = Listener {
            link: link.clone(),
            channel: channel.clone(),
            own: own.to_owned(),
            heard: Arc::clone(&heard),
        };
        let listener = tokio::spawn(listener.run());
        Self { link, channel, own: own.to_owned(), heard, listener }
    }
}

impl Drop for RedisNews {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

#[async_trait]
impl News for RedisNews {
    async fn tell(&self, position: i64) {
        let mut connection = self.link.connection();
        let told: Result<(), redis::RedisError> = redis::cmd("PUBLISH")
            .arg(&self.channel)
            .arg(format!("{} {position}", self.own))
            .query_async(&mut connection)
            .await;
        if let Err(error) = told {
            tracing::debug!(error = %RedisFault::from(error), "news was not told; the others find it at their next heartbeat");
        }
    }

    async fn hear(&self) {
        self.heard.notified().await;
    }
}

struct Listener {
    link: RedisLink,
    channel: String,
    own: String,
    heard: Arc<Notify>,
}

impl Listener {
    async fn run(self) {
        let mut wait = RETRY.0;
        loop {
            match self.listen().await {
                // The connection was there and is lost: try again at once, and then more slowly.
                Ok(()) => wait = RETRY.0,
                Err(error) => tracing::debug!(%error, "not listening for news; trying again"),
            }
            tokio::time::sleep(wait).await;
            wait = wait.saturating_mul(2).min(RETRY.1);
        }
    }

    /// Until the connection is lost.
    async fn listen(&self) -> Result<(), RedisFault> {
        let mut pubsub = self.link.pubsub().await?;
        pubsub.subscribe(&self.channel).await?;
        // Something may have been told while nobody listened.
        self.heard.notify_one();
        let mut messages = pubsub.on_message();
        while let Some(message) = messages.next().await {
            let ours = |text: String| text.split(' ').next() == Some(self.own.as_str());
            if !message.get_payload::<String>().is_ok_and(ours) {
                self.heard.notify_one();
            }
        }
        Ok(())
    }
}
