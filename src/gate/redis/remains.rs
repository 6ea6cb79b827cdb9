//! What earlier epochs left: removed in the background, a little at a time, by whoever began the new one. It touches no
//! key of the epoch that is in use.

use std::{sync::Arc, time::Duration};

use crate::{gate::redis::desk::Desk, redis_link::RedisFault};

/// Keys looked at in one go.
const PAGE: usize = 500;
/// Between two goes, so that the server has time for others.
const PAUSE: Duration = Duration::from_millis(5);

/// Removes every key of the fleet's gate that belongs to another epoch, while `epoch` is the one in use.
pub(super) async fn remove(desk: Arc<Desk>, epoch: String) {
    match remove_all(&desk, &epoch).await {
        Ok(count) => tracing::debug!(count, epoch, "what earlier epochs of the gate left is removed"),
        Err(error) => {
            tracing::warn!(%error, epoch, "earlier epochs of the gate are removed with the next rebuild");
        }
    }
}

async fn remove_all(desk: &Desk, epoch: &str) -> Result<usize, RedisFault> {
    let mut connection = desk.connection();
    let (mut cursor, mut count) = (String::from("0"), 0);
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(&cursor).arg("MATCH").arg(desk.keys.pattern()).arg("COUNT").arg(PAGE);
        // Some keys end in raw bytes.
        let (next, keys): (String, Vec<Vec<u8>>) = scan.query_async(&mut connection).await?;
        let other = |key: &Vec<u8>| desk.keys.is_of_another(&String::from_utf8_lossy(key), epoch);
        let others: Vec<Vec<u8>> = keys.into_iter().filter(other).collect();
        // Asked after the keys were seen: had a newer epoch begun before, they could be its own.
        let current: Option<String> =
            redis::cmd("HGET").arg(&desk.keys.meta).arg("epoch").query_async(&mut connection).await?;
        if current.as_deref() != Some(epoch) {
            return Ok(count);
        }
        if !others.is_empty() {
            count += others.len();
            redis::cmd("UNLINK").arg(&others).query_async::<()>(&mut connection).await?;
        }
        if next == "0" {
            return Ok(count);
        }
        cursor = next;
        tokio::time::sleep(PAUSE).await;
    }
}
