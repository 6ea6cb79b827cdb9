//! Where the work of a step comes from. A source orders and waits; it must not do the work.

use async_trait::async_trait;

/// How a handler ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It returned. Whether the work succeeded is the handler's own business.
    Done,
    /// It panicked; what it had done until then stands.
    Panicked,
}

/// A source of items for one step.
#[async_trait]
pub trait Source: Send + Sync + 'static {
    /// Names an item from `next` to `finish`.
    type Key: Clone + Send + Sync + 'static;
    type Item: Send + 'static;
    /// The next item; waits for one. Cancel-safe: dropping the future loses nothing. None: closed for good.
    async fn next(&self) -> Option<(Self::Key, Self::Item)>;
    /// Called exactly once for each item that was given out, after its handler ended in whatever way.
    async fn finish(&self, key: Self::Key, outcome: Outcome);
}
