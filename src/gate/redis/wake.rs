//! Wake-ups: one task waits on a connection of its own for the tokens that scripts push. Between tokens it asks Redis
//! for nothing. It decides nothing: a wake-up is a reason to look, and looking in vain does no harm.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use redis::aio::MultiplexedConnection;
use tokio::{sync::Notify, task::AbortHandle};

use crate::redis_link::{RedisFault, RedisLink};

/// How long Redis holds a question for a token open before it is asked anew.
const PATIENCE_SECONDS: u32 = 60;
/// A connection on which nothing comes for longer than this is given up: the other side may be gone without a word.
const SILENCE_MAX: Duration = Duration::from_secs(75);
const PAUSE_FIRST: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(15);

/// Wakes whoever waits in this process.
#[derive(Debug)]
pub(super) struct Wake {
    link: RedisLink,
    key: String,
    notify: Arc<Notify>,
    task: OnceLock<AbortHandle>,
}

impl Wake {
    pub fn new(link: RedisLink, key: String) -> Self {
        Self { link, key, notify: Arc::new(Notify::new()), task: OnceLock::new() }
    }

    /// Returns at once if a token came since the last call.
    pub async fn woken(&self) {
        self.task.get_or_init(|| {
            let (link, key) = (self.link.clone(), self.key.clone());
            tokio::spawn(wait(link, key, Arc::clone(&self.notify))).abort_handle()
        });
        self.notify.notified().await;
    }
}

impl Drop for Wake {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

/// Never ends. Without Redis it tries again, ever more rarely.
async fn wait(link: RedisLink, key: String, notify: Arc<Notify>) {
    let mut pause = PAUSE_FIRST;
    loop {
        if let Ok(mut connection) = link.blocking().await {
            pause = PAUSE_FIRST;
            // While there was no connection a token may have been lost with Redis.
            notify.notify_one();
            while let Ok(came) = token(&mut connection, &key).await {
                if came {
                    notify.notify_one();
                }
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// True if a token came.
async fn token(connection: &mut MultiplexedConnection, key: &str) -> Result<bool, RedisFault> {
    let mut command = redis::cmd("BLPOP");
    command.arg(key).arg(PATIENCE_SECONDS);
    let asking = command.query_async::<Option<(String, String)>>(connection);
    match tokio::time::timeout(SILENCE_MAX, asking).await {
        Ok(answer) => Ok(answer?.is_some()),
        Err(_) => Err(RedisFault {
            kind: crate::redis_link::FaultKind::Unreachable,
            message: "redis: no answer".to_owned(),
            code: None,
        }),
    }
}
