//! How often one token may ask: a bucket that fills evenly (GCRA). What is over it is told when to come back, and costs nothing.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    extract::{Request, State},
    http::header,
    middleware::Next,
    response::{IntoResponse, Response},
};
use ring::digest::{SHA256, digest};
use tokio::time::Instant;

use crate::http::fault::{Code, Fault};

/// Tokens known at once; those that have rested long enough are forgotten first.
const TOKENS_MAX: usize = 4_096;

/// What one token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// 0: as often as it likes.
    pub requests_per_second: u32,
    /// So many at once, after a rest.
    pub burst: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { requests_per_second: 1_000, burst: 2_000 }
    }
}

/// Counts for each token, known by its digest.
#[derive(Debug)]
pub struct Meter {
    limits: Limits,
    /// When the bucket of a token will be full again.
    full_at: Mutex<HashMap<[u8; 32], Instant>>,
}

impl Meter {
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, full_at: Mutex::default() })
    }

    /// Err: how long to wait.
    fn take(&self, token: &[u8], now: Instant) -> Result<(), Duration> {
        let Limits { requests_per_second, burst } = self.limits;
        let Some(each) = Duration::from_secs(1).checked_div(requests_per_second) else { return Ok(()) };
        let mut name = [0; 32];
        for (to, from) in name.iter_mut().zip(digest(&SHA256, token).as_ref()) {
            *to = *from;
        }
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if full_at.len() >= TOKENS_MAX {
            full_at.retain(|_, at| *at > now);
        }
        let at = full_at.entry(name).or_insert(now);
        let after = (*at).max(now) + each;
        let ahead = after.saturating_duration_since(now);
        let room = each.saturating_mul(burst.max(1));
        if ahead > room {
            return Err(ahead.saturating_sub(room));
        }
        *at = after;
        Ok(())
    }
}

/// Lets past as often as the token may. Only tokens that were let in are counted.
pub async fn limit(State(meter): State<Arc<Meter>>, request: Request, next: Next) -> Response {
    let token = request.headers().get(header::AUTHORIZATION).map(http::HeaderValue::as_bytes);
    match meter.take(token.unwrap_or_default(), Instant::now()) {
        Ok(()) => next.run(request).await,
        Err(wait) => {
            let most = meter.limits.requests_per_second;
            let detail = format!("more than {most} requests a second with this token");
            let seconds = wait.as_secs().saturating_add(1);
            Fault::slow_down(Code::RateLimited, detail, seconds).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_token_has_its_burst_and_then_its_rate_and_takes_nothing_from_others() {
        let meter = Meter::new(Limits { requests_per_second: 10, burst: 3 });
        let (ana, ben) = (b"ana".as_slice(), b"ben".as_slice());
        let now = Instant::now();
        for _ in 0..3 {
            assert_eq!(meter.take(ana, now), Ok(()));
        }
        assert_eq!(meter.take(ana, now), Err(Duration::from_millis(100)));
        assert_eq!(meter.take(ben, now), Ok(()));
        let later = now + Duration::from_millis(100);
        assert_eq!(meter.take(ana, later), Ok(()));
        assert!(meter.take(ana, later).is_err());
        let rested = now + Duration::from_mins(1);
        assert_eq!((0..9).filter(|_| meter.take(ana, rested).is_ok()).count(), 3);
        let free = Meter::new(Limits { requests_per_second: 0, burst: 0 });
        assert!((0..10_000).all(|_| free.take(ana, now).is_ok()));
    }
}
