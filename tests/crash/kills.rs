//! SIGKILL at random moments, again and again, then peace. `SLUICE_CRASH_SEED=2` draws other moments.

use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::time::Duration;

use crate::{
    checks,
    house::{House, now, seconds},
    points::SEATS,
    setting::Setting,
    story::Story,
    support::Postgres,
};

const JOBS: usize = 20;
const KILLS: u32 = 15;
/// From one life's beginning to its kill.
const LIFE_MS: std::ops::Range<u64> = 30..450;
/// Draws other moments with another number.
const SEED: &str = "SLUICE_CRASH_SEED";

#[expect(clippy::disallowed_methods, reason = "to repeat a run that failed")]
pub fn seed() -> u64 {
    std::env::var(SEED).map_or(1, |text| text.parse().unwrap())
}

async fn survives_kills(ledger: Option<String>) {
    let _seat = SEATS.acquire().await.unwrap();
    let begun = now();
    let stories: Vec<_> = Story::QUICK.into_iter().cycle().take(JOBS).collect();
    let house = House::build(Setting { stories, run_ms: 250, ledger, ..Setting::default() }).await;
    let mut draw = SmallRng::seed_from_u64(seed());
    println!("{SEED}={}", seed());
    for _ in 0..KILLS {
        let mut life = house.begin(None);
        let moment = tokio::time::sleep(Duration::from_millis(draw.random_range(LIFE_MS)));
        let outside = async {
            if house.is_ready(&mut life).await {
                house.submit().await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = moment => {}
            () = outside => {}
        }
        assert_eq!(life.has_ended(), None, "the daemon ended by itself");
        life.kill().await;
    }
    println!("after the kills: {:.1} s, {} tasks", seconds(begun), house.oracle("creates").await.len());
    let mut last = house.begin(None);
    assert!(house.is_ready(&mut last).await, "the last life ended");
    let request = house.submit().await.expect("the daemon answers");
    house.rest(&mut last).await;
    checks::all_is_well(&house, &request).await;
    assert!(last.terminate().await.success());
    println!("at rest: {:.1} s", seconds(begun));
}

#[tokio::test]
async fn kills_at_random_moments_neither_lose_nor_double_anything() {
    survives_kills(None).await;
}

#[tokio::test]
async fn kills_at_random_moments_are_as_harmless_with_a_ledger_on_postgres() {
    let url = tokio::task::spawn_blocking(|| Postgres::shared().database()).await.unwrap();
    survives_kills(Some(url)).await;
}
