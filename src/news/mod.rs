//! News between the processes of a fleet: somebody has written to the ledger, look. News carries a position of the history and nothing
//! else; whoever hears it reads the ledger. News may be lost: the next heartbeat finds what was missed.

mod redis;

use async_trait::async_trait;

pub use redis::RedisNews;

/// The port.
#[async_trait]
pub trait News: Send + Sync + 'static {
    /// Tells the others that the history has come to a position. Failing is no harm.
    async fn tell(&self, position: i64);
    /// Returns when others have written, or may have without our hearing of it. Cancel-safe; what comes while nobody waits is one piece
    /// of news for the next call.
    async fn hear(&self);
}

/// For a process that has its ledger to itself: there is nobody to tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silence;

#[async_trait]
impl News for Silence {
    async fn tell(&self, _: i64) {}
    async fn hear(&self) {
        std::future::pending::<()>().await;
    }
}
