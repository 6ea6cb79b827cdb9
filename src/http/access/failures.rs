//! Slows down whoever tries tokens out: after too many wrong ones, nothing is told for a while of what is wrong with another.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Each wrong token counts for so long.
const EACH: Duration = Duration::from_secs(1);
/// So many may count at once.
const BURST: u32 = 30;
/// Addresses kept in mind.
const PEERS_MAX: usize = 10_000;

/// Of each address, when its last wrong token will not count any more.
#[derive(Default)]
pub struct Failures(Mutex<HashMap<IpAddr, Instant>>);

/// A whole network of IPv6 belongs to one customer.
pub fn network(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            address.to_ipv4_mapped().map_or_else(|| [a, b, c, d, 0, 0, 0, 0].into(), IpAddr::V4)
        }
    }
}

impl Failures {
    /// Seconds until it is told again what is wrong with a token from there; None: now.
    pub fn wait(&self, peer: IpAddr) -> Option<u64> {
        let until = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&network(peer)).copied()?;
        let over = until.saturating_duration_since(Instant::now()).checked_sub(EACH.saturating_mul(BURST))?;
        (!over.is_zero()).then(|| over.as_secs().saturating_add(1))
    }

    pub fn add(&self, peer: IpAddr) {
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if peers.len() >= PEERS_MAX {
            peers.retain(|_, until| *until > now);
        }
        if peers.len() >= PEERS_MAX {
            // Whoever has so many addresses is not stopped by this; memory must not grow without bound.
            peers.clear();
        }
        let until = peers.entry(network(peer)).or_insert(now);
        *until = (*until).max(now).checked_add(EACH).unwrap_or(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn too_many_wrong_tokens_stop_an_address_for_a_while_and_no_other() {
        let failures = Failures::default();
        let peer = |text: &str| text.parse::<IpAddr>().unwrap();
        for _ in 0..BURST {
            assert_eq!(failures.wait(peer("192.0.2.1")), None);
            failures.add(peer("192.0.2.1"));
        }
        assert_eq!(failures.wait(peer("192.0.2.1")), None);
        failures.add(peer("::ffff:192.0.2.1"));
        assert_eq!(failures.wait(peer("192.0.2.1")), Some(2), "the same address, written otherwise");
        assert_eq!(failures.wait(peer("192.0.2.2")), None);
        tokio::time::advance(EACH * 2).await;
        assert_eq!(failures.wait(peer("192.0.2.1")), None);
        for _ in 0..=BURST {
            failures.add(peer("2001:db8::1"));
        }
        assert!(
            failures.wait(peer("2001:db8::ffff:2")).is_some()
                && failures.wait(peer("2001:db8:1::1")).is_none()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_kept_in_mind_has_a_bound() {
        let failures = Failures::default();
        for n in 0..=u32::try_from(PEERS_MAX).unwrap() {
            failures.add(IpAddr::V4(n.into()));
        }
        assert!(failures.0.lock().unwrap().len() <= PEERS_MAX);
    }
}
