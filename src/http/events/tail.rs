//! One tail of the ledger for all who read the events: the history is read once and handed to everybody. Without readers
//! nothing is read. What a slow reader does not take is forgotten here; the ledger still has it.

use std::{
    sync::{Arc, Once},
    time::Duration,
};

use axum::body::Bytes;
use tokio::sync::{Notify, broadcast};

use crate::{
    job::id::{JobId, RequestId},
    pipeline::{
        Context,
        events::{Chapter, Event},
    },
};

/// Entries read at a time.
pub const PAGE: i64 = 200;
/// Chapters kept for readers that are behind.
const CHAPTERS: usize = 64;
/// Commits that come within this time are told together.
const LINGER: Duration = Duration::from_millis(20);
/// How often is looked for what other processes have written.
const FOREIGN: Duration = Duration::from_secs(1);

/// A part of the history as it is sent.
#[derive(Debug)]
pub struct Told {
    /// After this position: a reader that is not there yet has missed something.
    pub from: i64,
    pub upto: i64,
    pub frames: Vec<Frame>,
}

/// One event as it is sent.
#[derive(Clone, Debug)]
pub struct Frame {
    pub position: i64,
    pub request: Option<RequestId>,
    pub job: Option<JobId>,
    pub bytes: Bytes,
}

impl Told {
    pub fn of(from: i64, chapter: Chapter) -> Self {
        Self { from, upto: chapter.upto, frames: chapter.events.into_iter().map(frame).collect() }
    }
}

fn frame(event: Event) -> Frame {
    let Event { position, kind, request, job, body } = event;
    // A body in one line: JSON has no line breaks but those it escapes.
    let bytes = format!("id: {position}\nevent: {kind}\ndata: {body}\n\n").into();
    Frame { position, request, job, bytes }
}

/// Reads while anybody listens.
pub struct Tail {
    told: broadcast::Sender<Arc<Told>>,
    wanted: Notify,
    started: Once,
}

impl Tail {
    pub fn new() -> Arc<Self> {
        let told = broadcast::Sender::new(CHAPTERS);
        Arc::new(Self { told, wanted: Notify::new(), started: Once::new() })
    }

    /// The first one who listens starts the task, which ends with the daemon.
    pub fn listen(self: &Arc<Self>, context: &Arc<Context>) -> broadcast::Receiver<Arc<Told>> {
        let told = self.told.subscribe();
        self.started.call_once(|| {
            let (running, context) = (Arc::clone(self), Arc::clone(context));
            tokio::spawn(async move {
                let shutdown = context.shutdown.clone();
                tokio::select! {
                    () = running.run(&context) => {}
                    () = shutdown.cancelled() => {}
                }
            });
        });
        self.wanted.notify_one();
        told
    }

    async fn run(&self, context: &Context) {
        let mut committed = context.ledger.committed();
        let mut at = None;
        loop {
            if self.told.receiver_count() == 0 {
                // Whoever comes reads up to the head alone before it listens.
                at = None;
                self.wanted.notified().await;
            }
            committed.mark_unchanged();
            match self.tell(context, &mut at).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%error, "the events cannot be read; trying again");
                    tokio::time::sleep(FOREIGN).await;
                    continue;
                }
            }
            let foreign = async {
                if context.life.alone {
                    std::future::pending::<()>().await;
                } else {
                    tokio::time::sleep(FOREIGN).await;
                }
            };
            tokio::select! {
                changed = committed.changed() => match changed {
                    Ok(()) => tokio::time::sleep(LINGER).await,
                    // The ledger's writer has ended, and so does the daemon.
                    Err(_) => return std::future::pending().await,
                },
                () = foreign => {}
                () = self.wanted.notified() => {}
            }
        }
    }

    /// True: there may be more.
    async fn tell(
        &self,
        context: &Context,
        at: &mut Option<i64>,
    ) -> Result<bool, crate::pipeline::LedgerError> {
        let Some(position) = *at else {
            let head = context.ledger.head().await?.seq;
            *at = Some(head);
            // Whoever has read up to an earlier position reads once more.
            self.send(Told { from: head, upto: head, frames: Vec::new() });
            return Ok(true);
        };
        let Some(chapter) = context.events_after(position, PAGE).await? else { return Ok(false) };
        *at = Some(chapter.upto);
        self.send(Told::of(position, chapter));
        Ok(true)
    }

    fn send(&self, told: Told) {
        // An error says that nobody listens any more.
        drop(self.told.send(Arc::new(told)));
    }
}
