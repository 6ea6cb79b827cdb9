//! One apalis backend over any `Source`, and the layer that runs each handler in a task of its own and then
//! finishes its item. Must never return an error while polled: apalis would end the worker.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use apalis::prelude::{Backend, BoxDynError, Task, WorkerContext};
use apalis_core::backend::{BackendConfig, finalize::Ephemeral};
use futures::{
    FutureExt,
    future::{BoxFuture, Map},
};
use tokio::{
    sync::mpsc::UnboundedSender,
    task::{JoinError, JoinHandle},
};
use tokio_util::task::TaskTracker;
use tower::{Layer, Service};

use crate::{
    clock::Clock,
    worker::{
        source::{Outcome, Source},
        statistics::{Counters, Place},
    },
};

/// What one step's worker shares with its supervisor.
#[derive(Clone)]
pub(super) struct Bench {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) counters: Arc<Counters>,
    /// Every handler that runs, also those whose worker is gone.
    pub(super) running: TaskTracker,
    /// Tells which step's worker ended.
    pub(super) ends: UnboundedSender<&'static str>,
}

/// What a source gives out, as apalis carries it.
pub(super) type Delivery<S> = (<S as Source>::Key, <S as Source>::Item);

/// Feeds one worker from a source.
pub(super) struct SourceBackend<S: Source> {
    source: Arc<S>,
    bench: Bench,
    next: Option<BoxFuture<'static, Option<Delivery<S>>>>,
    closed: bool,
}

impl<S: Source> SourceBackend<S> {
    pub(super) fn new(source: Arc<S>, bench: Bench) -> Self {
        Self { source, bench, next: None, closed: false }
    }
    fn tell_end(&self) {
        if self.bench.ends.send(self.bench.counters.name).is_err() {
            tracing::debug!(step = self.bench.counters.name, "a worker ended after its supervisor");
        }
    }
}

/// However a worker ends, by return, error or panic, its backend is dropped: the one sure sign.
impl<S: Source> Drop for SourceBackend<S> {
    fn drop(&mut self) {
        self.tell_end();
    }
}

impl<S: Source> Backend for SourceBackend<S> {
    type Task = Task<Delivery<S>>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        // No waker is needed: a handler that ends wakes the worker, which asks again.
        if self.bench.counters.is_full() { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Option<Result<Self::Task, Infallible>>> {
        if self.closed {
            return Poll::Pending;
        }
        let next = self.next.get_or_insert_with(|| {
            let source = Arc::clone(&self.source);
            async move { source.next().await }.boxed()
        });
        let Poll::Ready(item) = next.poll_unpin(cx) else { return Poll::Pending };
        self.next = None;
        if let Some(delivery) = item {
            return Poll::Ready(Some(Ok(Task::new(delivery))));
        }
        // apalis would panic on an end that is no shutdown, so wait for the supervisor to begin one.
        self.closed = true;
        self.tell_end();
        Poll::Pending
    }

    fn poll_close(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        // Sources are cancel-safe: an item that was not handed out stays with its source.
        self.next = None;
        Poll::Ready(Ok(()))
    }
}

impl<S: Source> BackendConfig for SourceBackend<S> {
    type Args = Delivery<S>;
    type Id = ();
    type Kind = Ephemeral;
    type Config = ();
    type Layer = FinishLayer<S>;

    fn config(&self) -> &() {
        &()
    }
    fn middleware(&mut self, _: &mut WorkerContext) -> FinishLayer<S> {
        FinishLayer { source: Arc::clone(&self.source), bench: self.bench.clone() }
    }
}

/// Wraps a worker's service in `FinishService`.
pub(super) struct FinishLayer<S> {
    source: Arc<S>,
    bench: Bench,
}

impl<S, Inner> Layer<Inner> for FinishLayer<S> {
    type Service = FinishService<S, Inner>;
    fn layer(&self, inner: Inner) -> Self::Service {
        FinishService { source: Arc::clone(&self.source), bench: self.bench.clone(), inner }
    }
}

/// Spawns the handler, so that handlers use every core and a dying worker cannot take them along.
pub(super) struct FinishService<S, Inner> {
    source: Arc<S>,
    bench: Bench,
    inner: Inner,
}

impl<S, Inner> Service<Task<Delivery<S>>> for FinishService<S, Inner>
where
    S: Source,
    Inner: Service<Task<Delivery<S>>, Response = (), Error = BoxDynError>,
    Inner::Future: Send + 'static,
{
    type Response = ();
    type Error = BoxDynError;
    type Future = Map<JoinHandle<()>, fn(Result<(), JoinError>) -> Result<(), BoxDynError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxDynError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, task: Task<Delivery<S>>) -> Self::Future {
        let place = Place::take(&self.bench.counters, &self.bench.clock);
        let key = task.args.0.clone();
        let handler = self.inner.call(task);
        let (source, counters) = (Arc::clone(&self.source), Arc::clone(&self.bench.counters));
        let handle = self.bench.running.spawn(async move {
            let _place = place;
            // Handlers return nothing, so an error can only come from the layer that catches panics.
            let outcome = match handler.await {
                Ok(()) => Outcome::Done,
                Err(panic) => {
                    counters.count_panic();
                    tracing::error!(step = counters.name, %panic, "a handler panicked; the worker goes on");
                    Outcome::Panicked
                }
            };
            source.finish(key, outcome).await;
        });
        handle.map(|ended| ended.map_err(Into::into))
    }
}
