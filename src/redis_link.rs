//! The connection to Redis (or Valkey): one that many share and that comes back by itself, and others that may block.
//! It knows no key and no script. A fault names what went wrong in words for people, and never a password.

mod way;

use std::{sync::Arc, time::Duration};

use redis::{AsyncConnectionConfig, ErrorKind, IntoConnectionInfo, RedisError, aio::MultiplexedConnection};
use secrecy::{ExposeSecret, SecretString};

pub use way::RedisConnection;
use way::Way;

/// Where Redis is, and with which password.
#[derive(Clone, Debug)]
pub struct RedisLocation {
    /// `redis://[USER@]HOST[:PORT][/DATABASE]`, `rediss://...` with TLS, or `redis+unix:///PATH`.
    pub url: String,
    pub password: Option<SecretString>,
}

/// The driver's own default of half a second turns every hiccup of the server into an error.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// Whoever needs an answer tries again itself, by its own rule.
const RECONNECT_TRIES: usize = 1;

/// What is wrong with Redis, as far as it changes what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// It cannot be reached, or did not answer in time: what was asked may have been done.
    Unreachable,
    /// It answers, but does not take what is asked now: loading, out of memory, read-only, a failed save.
    Unwilling,
    /// The address, the password or the rights are wrong: trying again does not help.
    Refused,
    /// It answers something that was not expected.
    Unexpected,
}

/// Redis did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct RedisFault {
    pub kind: FaultKind,
    pub message: String,
    /// The first word of the server's error, such as `OOM` or `READONLY`.
    pub code: Option<String>,
}

impl From<RedisError> for RedisFault {
    fn from(error: RedisError) -> Self {
        let code = error.code().map(str::to_owned);
        let kind = match (error.kind(), code.as_deref()) {
            (ErrorKind::AuthenticationFailed | ErrorKind::InvalidClientConfig, _)
            | (_, Some("NOAUTH" | "WRONGPASS" | "NOPERM")) => FaultKind::Refused,
            (
                _,
                Some(
                    "OOM" | "READONLY" | "MISCONF" | "LOADING" | "BUSY" | "MASTERDOWN" | "CLUSTERDOWN"
                    | "NOREPLICAS" | "TRYAGAIN" | "MOVED" | "ASK",
                ),
            ) => FaultKind::Unwilling,
            (ErrorKind::Io, _) => FaultKind::Unreachable,
            _ if error.is_timeout() || error.is_connection_dropped() => FaultKind::Unreachable,
            _ => FaultKind::Unexpected,
        };
        Self { kind, message: format!("redis: {error}"), code }
    }
}

/// The way to one Redis, or to the server of a cluster that has the keys. Cheap to clone; nothing is connected before it is
/// used.
#[derive(Clone)]
pub struct RedisLink(Arc<Way>);

impl std::fmt::Debug for RedisLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisLink").field("place", &self.place()).finish_non_exhaustive()
    }
}

impl RedisLink {
    /// Checks the address; connects when it is first used. Must be called on a tokio runtime.
    pub fn new(location: &RedisLocation) -> Result<Self, RedisFault> {
        let info = location.url.as_str().into_connection_info()?;
        let info = match &location.password {
            Some(password) => {
                let settings = info.redis_settings().clone().set_password(password.expose_secret());
                info.set_redis_settings(settings)
            }
            None => info,
        };
        Ok(Self(Arc::new(Way::to(info)?)))
    }

    /// Host and port, for messages.
    pub fn place(&self) -> &str {
        self.0.home()
    }

    /// The shared connection. What is sent on it is answered in order: nothing that blocks may be sent.
    pub fn connection(&self) -> RedisConnection {
        RedisConnection(Arc::clone(&self.0))
    }

    /// A connection of one's own for commands that wait (`BLPOP`, `XREAD BLOCK`). It does not come back by itself, and does not
    /// follow keys to another server.
    pub async fn blocking(&self) -> Result<MultiplexedConnection, RedisFault> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(None);
        Ok(self.0.client().get_multiplexed_async_connection_with_config(&config).await?)
    }

    /// For subscriptions, which any server of a cluster takes. It does not come back by itself.
    pub async fn pubsub(&self) -> Result<redis::aio::PubSub, RedisFault> {
        let client = self.0.client();
        match tokio::time::timeout(CONNECT_WITHIN, client.get_async_pubsub()).await {
            Ok(connected) => Ok(connected?),
            Err(_) => Err(RedisFault {
                kind: FaultKind::Unreachable,
                message: format!("redis: {} does not answer", self.place()),
                code: None,
            }),
        }
    }
}
