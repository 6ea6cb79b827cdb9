//! Processes are killed at random moments while the others run and take over what they drove; nothing is created that was
//! not to be.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::SmallRng};

use crate::{
    fleet::Fleet,
    judge,
    plan::Plan,
    soak::{KILLS, SEED, told},
};

const KILLS_DEFAULT: u64 = 12;
/// Between two kills.
const LIFE_MS: std::ops::Range<u64> = 200..1_500;

#[test]
fn kills_at_random_moments_make_no_extra_task() {
    let mut fleet = Fleet::start(Plan::default());
    let kills = told(KILLS).unwrap_or(KILLS_DEFAULT);
    let mut draw = SmallRng::seed_from_u64(told(SEED).unwrap_or(11));
    for kill in 1..=kills {
        fleet.busy_for(2);
        std::thread::sleep(Duration::from_millis(draw.random_range(LIFE_MS)));
        let names = fleet.names();
        let victim = &names[draw.random_range(0..names.len())];
        fleet.member(victim).kill();
        fleet.begin(victim, &[]);
        println!("kill {kill} of {kills}: {victim}");
    }
    let books = judge::all_is_well(fleet);
    let jobs = books.jobs.len();
    println!("all is well after {kills} kills: {jobs} jobs, and no task too many");
}
