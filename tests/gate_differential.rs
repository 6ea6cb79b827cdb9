//! The gate in Redis does what the gate in memory does: 2,000 random histories of 300 steps, and known faults of the
//! scripts that this comparison must notice.

#[cfg(test)]
#[allow(dead_code, reason = "this program uses a part of what the gates' tests share")]
mod gate;
#[cfg(test)]
mod support;

#[cfg(test)]
mod differential {
    use std::{ops::Range, sync::Arc, thread};

    use sluicegate::gate::redis::RedisGate;

    use crate::{
        gate::{
            differential::play,
            history::rules,
            redis::{link, opened},
        },
        support::RedisServer,
    };

    /// Plays histories on a server of its own, each on an empty gate; the first difference.
    fn play_on_a_server(
        seeds: impl Iterator<Item = u64>,
        make: impl Fn(&RedisServer) -> RedisGate,
    ) -> Option<String> {
        let server = RedisServer::start();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for seed in seeds {
                redis::cmd("FLUSHALL").exec_async(&mut link(&server).connection()).await.unwrap();
                let gate = opened(make(&server)).await;
                if let Err(difference) = play(&gate, seed).await {
                    return Some(difference);
                }
            }
            None
        })
    }

    fn sound(server: &RedisServer) -> RedisGate {
        RedisGate::new(link(server), "main", Arc::new(rules()))
    }

    fn play_all(seeds: Range<u64>) -> Vec<String> {
        let half = |odd: u64| play_on_a_server(seeds.clone().filter(|seed| seed % 2 == odd), sound);
        thread::scope(|scope| {
            let halves = [0, 1].map(|odd| scope.spawn(move || half(odd)));
            halves.into_iter().filter_map(|half| half.join().unwrap()).collect()
        })
    }

    #[test]
    fn the_gate_in_redis_answers_as_the_gate_in_memory_does() {
        assert_eq!(play_all(0..2_000), Vec::<String>::new());
    }

    #[cfg(feature = "failpoints")]
    mod mutants {
        use sluicegate::gate::redis::Mutant;

        use super::*;

        #[test]
        fn every_mutant_changes_the_scripts_in_one_place() {
            for mutant in Mutant::ALL {
                assert_eq!(mutant.places(), 1, "{}", mutant.name);
            }
        }

        fn is_alive(mutant: Mutant) -> bool {
            let make = |server: &RedisServer| {
                RedisGate::with_mutant(link(server), "main", Arc::new(rules()), mutant)
            };
            let difference = play_on_a_server(0..300, make);
            println!("{}: {:.200}", mutant.name, difference.as_deref().unwrap_or("not caught"));
            difference.is_none()
        }

        #[test]
        fn every_mutant_of_the_scripts_is_caught() {
            let alive_of = |odd: usize| -> Vec<&str> {
                let mutants = Mutant::ALL.into_iter().skip(odd).step_by(2);
                mutants.filter(|mutant| is_alive(*mutant)).map(|mutant| mutant.name).collect()
            };
            let alive = thread::scope(|scope| {
                [0, 1].map(|odd| scope.spawn(move || alive_of(odd))).map(|half| half.join().unwrap()).concat()
            });
            assert_eq!(alive, Vec::<&str>::new(), "not caught");
        }
    }
}
