//! `GET /v1/events`: what happens, as it happens, as server-sent events. A reader names the last event that it has, and misses
//! nothing; one that is too slow is cut off and comes back the same way.

mod tail;

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, header},
    response::IntoResponse,
};
use futures::stream;
use serde::Deserialize;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, broadcast, broadcast::error::RecvError},
    time::Instant,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    http::{
        access::Caller,
        events::tail::{Frame, PAGE, Tail, Told},
        fault::{Code, Fault},
        read::{Answer, Filter},
    },
    job::id::{JobId, RequestId},
    pipeline::{Context, LedgerError},
};

/// Readers at once.
const READERS_MAX: usize = 2_000;
/// Readers that read what they have missed at once; the others wait for them.
const CATCHING_UP_MAX: usize = 4;
/// A reader hears something at least this often.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A stream ends after this time, so that whoever comes back is looked at anew: a token may have been revoked.
const STREAM_MAX: Duration = Duration::from_mins(15);
/// When a reader that lost its connection should come back, in milliseconds.
const COME_BACK_MS: u32 = 2_000;
const LAST_EVENT_ID: &str = "last-event-id";

pub fn routes() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::new().routes(routes!(events))
}

/// What all readers share.
pub struct Readers {
    tail: Arc<Tail>,
    places: Arc<Semaphore>,
    catching_up: Semaphore,
}

impl Readers {
    pub fn new() -> Arc<Self> {
        let places = Arc::new(Semaphore::new(READERS_MAX));
        Arc::new(Self { tail: Tail::new(), places, catching_up: Semaphore::new(CATCHING_UP_MAX) })
    }
}

/// Which events.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Only those of this request: its id, or the end of it.
    request: Option<String>,
    /// Only those of this job: its id, or the end of it.
    job: Option<String>,
}

/// Tells what happens, as it happens.
///
/// Server-sent events: `id` is a position of the history, `event` the kind, `data` an object as `docs/schemas/event.schema.json`
/// has it. Comments and lone ids keep the connection alive.
#[utoipa::path(
    get,
    path = "/v1/events",
    tag = "events",
    params(
        Which,
        ("Last-Event-ID" = Option<i64>, Header, description = "The last event that the reader has. Left out: from now on.")
    ),
    responses((status = 200, body = String, content_type = "text/event-stream")),
    extensions(("x-codes" = json!(["bad-cursor", "unknown-request", "unknown-job", "ambiguous-id", "too-many-readers"])))
)]
async fn events(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Extension(readers): Extension<Arc<Readers>>,
    Filter(which): Filter<Which>,
    headers: HeaderMap,
) -> Answer {
    let request = match &which.request {
        Some(id) => Some(caller.request(&context, id).await?),
        None => None,
    };
    let job = match &which.job {
        Some(id) => Some(caller.job(&context, id).await?.id),
        None => None,
    };
    if request.is_none() && job.is_none() && !caller.is_whole() {
        let detail = "this token is limited to teams or templates: name a request or a job";
        return Err(Fault::new(Code::BadFilter, detail));
    }
    let place = Arc::clone(&readers.places).try_acquire_owned().map_err(|_| {
        Fault::slow_down(Code::TooManyReaders, format!("{READERS_MAX} read the events already"), 5)
    })?;
    // Before the head is read, so that nothing falls between.
    let told = readers.tail.listen(&context);
    let head = context.ledger.head().await?.seq;
    let at = match headers.get(LAST_EVENT_ID) {
        None => head,
        Some(given) => position(given.to_str().unwrap_or_default(), head)?,
    };
    let greeting = format!("retry: {COME_BACK_MS}\nid: {at}\n\n").into();
    let reader = Reader {
        context,
        readers,
        told,
        request,
        job,
        at,
        caught_up: false,
        fresh: true,
        ends: Instant::now() + STREAM_MAX,
        ready: VecDeque::from([greeting]),
        _place: place,
    };
    let frames = stream::unfold(reader, |mut reader| async move {
        let frame = reader.next().await?;
        Some((Ok::<Bytes, Infallible>(frame), reader))
    });
    let kind = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    // A proxy that collects what it passes on would hold events back.
    Ok((kind, [("x-accel-buffering", "no")], Body::from_stream(frames)).into_response())
}

fn position(given: &str, head: i64) -> Result<i64, Fault> {
    match given.trim().parse::<i64>() {
        Ok(at) if (0..=head).contains(&at) => Ok(at),
        _ => {
            Err(Fault::new(Code::BadCursor, "Last-Event-ID: this history has no such position: leave it out"))
        }
    }
}

/// One who reads the events.
struct Reader {
    context: Arc<Context>,
    readers: Arc<Readers>,
    told: broadcast::Receiver<Arc<Told>>,
    request: Option<RequestId>,
    job: Option<JobId>,
    /// Everything up to here was told or is none of its business.
    at: i64,
    /// From then on the tail tells everything.
    caught_up: bool,
    /// It has not listened to the tail since it caught up: what it missed meanwhile is not its fault.
    fresh: bool,
    ends: Instant,
    ready: VecDeque<Bytes>,
    _place: OwnedSemaphorePermit,
}

impl Reader {
    /// None: the end of the stream.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Some(frame);
            }
            if !self.caught_up {
                if let Err(error) = self.catch_up().await {
                    tracing::warn!(%error, "a reader of the events is cut off: what it missed cannot be read");
                    return None;
                }
                continue;
            }
            let shutdown = self.context.shutdown.clone();
            tokio::select! {
                told = self.told.recv() => match told {
                    Ok(told) => self.take(&told),
                    Err(RecvError::Lagged(_)) if self.fresh => self.caught_up = false,
                    // It comes back with the last id that it has, and reads on from the ledger.
                    Err(RecvError::Lagged(_) | RecvError::Closed) => return None,
                },
                () = tokio::time::sleep(HEARTBEAT) => return Some(format!("id: {}\n\n", self.at).into()),
                () = tokio::time::sleep_until(self.ends) => return None,
                () = shutdown.cancelled() => return None,
            }
        }
    }

    /// One page of what it has missed.
    async fn catch_up(&mut self) -> Result<(), LedgerError> {
        let readers = Arc::clone(&self.readers);
        let Ok(_turn) = readers.catching_up.acquire().await else { return Ok(()) };
        if let Some(chapter) = self.context.events_after(self.at, PAGE).await? {
            let told = Told::of(self.at, chapter);
            self.take(&told);
        } else {
            (self.caught_up, self.fresh) = (true, true);
        }
        Ok(())
    }

    fn take(&mut self, told: &Told) {
        self.fresh = false;
        if told.from > self.at {
            self.caught_up = false;
            return;
        }
        let (at, request, job) = (self.at, self.request, self.job);
        let wanted = |frame: &&Frame| {
            frame.position > at
                && (request.is_none() || frame.request == request)
                && (job.is_none() || frame.job == job)
        };
        self.ready.extend(told.frames.iter().filter(wanted).map(|frame| frame.bytes.clone()));
        self.at = told.upto.max(at);
    }
}
