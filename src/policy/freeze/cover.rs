//! Which gates a freeze closes when no single one stands before exactly what it reaches: those of repositories, then those
//! of requests, of which every waiting job is frozen. What is left over is stopped by the last look before its start.

use std::collections::{BTreeMap, BTreeSet};

use super::Frozen;
use crate::{
    budget::{Key, Scope},
    job::{id::RequestId, repository::Repository},
};

/// A waiting job, and what keeps it still.
#[derive(Clone, Debug)]
pub struct Waiting {
    pub repository: Repository,
    pub request: RequestId,
    pub frozen: Option<Frozen>,
}

/// The gates to close, each until the first job behind it is free again.
pub fn cover(waiting: &[Waiting]) -> BTreeMap<Key, Frozen> {
    let repository = |job: &Waiting| Key::gate(Scope::Repository, job.repository.full_name());
    let request = |job: &Waiting| Key::gate(Scope::Request, &job.request.to_string());
    let mut closed = wholly_frozen(waiting.iter(), repository);
    let left = waiting.iter().filter(|job| !closed.contains_key(&repository(job)));
    let requests = wholly_frozen(left, request);
    // A request is closed only if nothing of it may go on, in whatever repository.
    let free: BTreeSet<Key> = waiting.iter().filter(|job| job.frozen.is_none()).map(request).collect();
    closed.extend(requests.into_iter().filter(|(key, _)| !free.contains(key)));
    closed
}

fn wholly_frozen<'a>(
    jobs: impl Iterator<Item = &'a Waiting>,
    key: impl Fn(&Waiting) -> Key,
) -> BTreeMap<Key, Frozen> {
    let mut found: BTreeMap<Key, Option<Frozen>> = BTreeMap::new();
    let end = |frozen: &Frozen| frozen.until.map_or(i64::MAX, |at| at.0);
    for job in jobs {
        let known = found.entry(key(job)).or_insert_with(|| job.frozen.clone());
        match (&known, &job.frozen) {
            (_, None) => *known = None,
            (Some(old), Some(new)) if end(new) < end(old) => *known = Some(new.clone()),
            _ => {}
        }
    }
    found.into_iter().filter_map(|(key, frozen)| Some((key, frozen?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::time::Timestamp;

    fn job(repository: &str, request: u128, frozen: bool) -> Waiting {
        let request = RequestId::new(Timestamp(0), request);
        let frozen = frozen.then(|| Frozen { name: "f".into(), reason: "r".into(), until: None });
        Waiting { repository: repository.parse().unwrap(), request, frozen }
    }

    fn closed(waiting: &[Waiting]) -> Vec<String> {
        cover(waiting).into_keys().map(|key| key.scope().unwrap().0.to_string()).collect()
    }

    #[test]
    fn nothing_that_may_go_on_stands_behind_a_gate_that_is_closed() {
        assert_eq!(closed(&[job("a/a", 1, true), job("a/b", 1, false)]), ["repository"]);
        // One job of the repository is exempt: the other's request is closed instead.
        assert_eq!(closed(&[job("a/a", 1, true), job("a/a", 2, false)]), ["request"]);
        // Neither fits: the last look is left.
        let mixed = [job("a/a", 1, true), job("a/a", 2, false), job("a/b", 1, false)];
        assert_eq!(closed(&mixed), [""; 0]);
    }
}
