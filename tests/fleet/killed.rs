//! Processes are killed at random moments while the others run and take over what they drove; nothing is created that was
//! not to be.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::SmallRng};

use crate::{fleet::Fleet, judge, plan::Plan};

const KILLS: u32 = 12;
/// Between two kills.
const LIFE_MS: std::ops::Range<u64> = 200..1_500;

#[test]
fn kills_at_random_moments_make_no_extra_task() {
    let mut fleet = Fleet::start(Plan::default());
    let mut draw = SmallRng::seed_from_u64(11);
    for _ in 0..KILLS {
        fleet.busy_for(2);
        std::thread::sleep(Duration::from_millis(draw.random_range(LIFE_MS)));
        let names = fleet.names();
        let victim = &names[draw.random_range(0..names.len())];
        fleet.member(victim).kill();
        fleet.begin(victim, &[]);
    }
    judge::all_is_well(fleet);
}
