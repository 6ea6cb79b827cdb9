//! SIGTERM in the middle of the work: the daemon ends in order, and the next life has nothing to look for.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::SmallRng};

use crate::{
    checks,
    house::{House, now},
    kills::seed,
    life::PAUSE,
    points::SEATS,
    setting::Setting,
    story::Story,
};

/// What the daemon gives itself for what is in flight.
const DRAIN: Duration = Duration::from_secs(25);

/// Lives that are told to stop.
const STOPS: u32 = 8;

#[tokio::test]
async fn orderly_ends_at_random_moments_leave_nothing_to_look_for() {
    let _seat = SEATS.acquire().await.unwrap();
    let stories = vec![Story::Plain; 24];
    let house = House::build(Setting { stories, slots: 6, ..Setting::default() }).await;
    let mut draw = SmallRng::seed_from_u64(seed());
    for _ in 0..STOPS {
        let mut life = house.begin(None);
        assert!(house.is_ready(&mut life).await);
        house.submit().await.expect("the daemon answers");
        tokio::time::sleep(Duration::from_millis(draw.random_range(0..120))).await;
        assert!(life.terminate().await.success());
    }
    let mut last = house.begin(None);
    assert!(house.is_ready(&mut last).await);
    let request = house.submit().await.expect("the daemon answers");
    house.rest(&mut last).await;
    checks::all_is_well(&house, &request).await;
    let history = house.history().await;
    assert!(history.iter().all(|entry| entry["kind"] != "job.start_lost"), "{history:#?}");
    assert!(last.terminate().await.success());
}

#[tokio::test]
async fn told_to_stop_it_hands_back_what_was_not_sent_and_the_next_life_goes_on() {
    let _seat = SEATS.acquire().await.unwrap();
    // Four are admitted; one start is on its way for half a second while three stand in line behind it.
    let setting = Setting {
        stories: vec![Story::Plain; 8],
        slots: 4,
        starts_in_flight: 1,
        slow_starts: Some((1, 500, "after")),
        ..Setting::default()
    };
    let house = House::build(setting).await;
    let mut first = house.begin(None);
    assert!(house.is_ready(&mut first).await);
    house.submit().await.expect("the daemon answers");
    while house.oracle("creates").await.is_empty() {
        tokio::time::sleep(PAUSE).await;
    }
    let told = now();
    assert!(first.terminate().await.success());
    assert!(told.elapsed() < DRAIN);
    let sent = house.oracle("creates").await;
    assert_eq!(sent.len(), 1, "nothing was sent after it was told to stop");
    let mut second = house.begin(None);
    assert!(house.is_ready(&mut second).await);
    let request = house.submit().await.expect("the daemon answers");
    house.rest(&mut second).await;
    checks::all_is_well(&house, &request).await;
    let history = house.history().await;
    let told = |word: &str| history.iter().filter(|entry| entry.to_string().contains(word)).count();
    assert_eq!((told("the worker is shutting down"), told("job.start_lost")), (3, 0));
    for job in house.look("/v1/jobs").await.unwrap()["jobs"].as_array().unwrap() {
        assert_eq!(job["attempts"], 1, "what was handed back uses up no attempt");
    }
    assert!(second.terminate().await.success());
}
