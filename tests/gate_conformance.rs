//! One suite for every gate. Each case is a sentence that must be true of any of them.

#[cfg(test)]
#[path = "gate/cost.rs"]
mod cost;
#[cfg(test)]
#[allow(dead_code, reason = "this program uses a part of what the gates' tests share")]
mod gate;
#[cfg(test)]
mod support;

macro_rules! conformance {
    ($build:path; $($module:ident: $($case:ident),+ $(,)?;)+) => {
        $($(
            #[tokio::test]
            async fn $case() {
                crate::gate::$module::$case($build).await;
            }
        )+)+
    };
}

macro_rules! suite {
    ($build:path) => {
        conformance! { $build;
            order:
                jobs_of_a_class_go_first_in_first_out,
                jobs_offered_together_stand_in_order_of_acceptance,
                classes_of_one_flow_go_in_order_of_acceptance,
                a_lower_band_goes_first_whatever_its_age,
                a_small_flow_interleaves_with_a_backlog_at_once,
                a_flow_of_weight_two_gets_two_turns_for_one,
                offering_a_job_again_leaves_it_where_it_is,
                a_job_is_not_proposed_before_it_is_due,
                a_withdrawn_job_leaves_from_wherever_it_is,
                a_call_gives_at_most_what_was_asked_and_says_when_there_is_more,
                a_call_gives_as_many_as_were_asked_for,
                an_urgent_job_moves_its_parked_class_forward;
            rooms:
                a_batch_admits_no_more_than_fits,
                open_proposals_count_until_they_are_settled,
                the_limit_is_the_configured_one_until_the_ledger_tells_another,
                an_older_or_equal_figure_is_ignored,
                a_release_wakes_as_many_as_fit,
                an_overdraft_is_worked_off_first,
                a_closed_gate_holds_its_jobs_until_it_opens,
                a_gate_opens_at_its_time,
                room_that_comes_behind_a_closed_gate_is_not_forgotten,
                a_wake_up_that_one_cannot_use_reaches_the_next,
                two_contended_budgets_let_a_job_through_whichever_frees_last,
                a_pool_lets_through_as_many_as_its_members_take,
                a_returning_member_wakes_the_pool,
                a_budget_asked_for_twice_must_fit_the_sum;
            verdicts:
                an_admitted_job_leaves,
                a_refused_job_waits_at_the_head_of_its_class,
                a_refusal_that_newer_figures_overtake_does_not_park,
                a_refusal_that_the_figures_do_not_show_is_not_asked_again_at_once,
                an_unanswered_job_returns_to_the_head_of_its_class,
                a_job_that_is_gone_frees_what_it_charged,
                a_stale_or_unknown_token_changes_nothing,
                tokens_grow_with_each_proposal,
                a_batch_of_verdicts_is_judged_by_all_its_figures,
                a_job_that_is_back_before_its_verdict_is_not_lost,
                a_proposal_that_nobody_answers_lapses;
            reasons:
                every_job_in_line_has_its_reason,
                a_reason_keeps_up_with_the_figures,
                an_absence_is_given_as_the_reason_with_its_end,
                the_counts_add_up,
                what_holds_jobs_up_is_told_by_the_name_of_the_budget,
                a_gate_that_waits_for_no_time_has_no_next_wake,
                the_place_in_line_follows_those_ahead;
            reservations:
                room_is_kept_for_a_heavy_job_that_waited_too_long,
                a_reservation_holds_up_nobody_elsewhere,
                a_reservation_expires_and_is_given_once,
                a_withdrawn_job_gives_its_reservation_back,
                nothing_is_kept_for_a_job_over_the_limit,
                a_reservation_ends_when_another_budget_holds_the_job_up;
        }
    };
}

#[cfg(test)]
mod memory {
    //! The gate in process memory.

    use std::sync::Arc;

    use futures::future::BoxFuture;
    use sluicegate::{
        budget::Rules,
        gate::{Gate, memory::MemoryGate},
    };

    fn build(rules: Rules) -> BoxFuture<'static, Arc<dyn Gate>> {
        Box::pin(async move { Arc::new(MemoryGate::new(Arc::new(rules))) as Arc<dyn Gate> })
    }

    suite! { build }
}

#[cfg(test)]
mod redis {
    //! The gate in Redis: a fleet for each gate, all on one server.

    use std::sync::Arc;

    use futures::future::BoxFuture;
    use sluicegate::{budget::Rules, gate::Gate};

    use crate::gate::redis::{open_gate, own_fleet};

    fn build(rules: Rules) -> BoxFuture<'static, Arc<dyn Gate>> {
        Box::pin(async move { Arc::new(open_gate(&own_fleet(), rules).await) as Arc<dyn Gate> })
    }

    suite! { build }
}

#[cfg(test)]
mod random {
    //! The gates against the brute-force model.

    use std::{sync::Arc, thread};

    use sluicegate::gate::{Gate, memory::MemoryGate};

    use crate::gate::{
        history::{Pace, play, rules},
        redis::{open_gate, own_fleet},
    };

    /// Plays histories on two threads; the first difference of each.
    fn play_all(seeds: std::ops::Range<u64>, pace: Pace, make: fn() -> Arc<dyn Gate>) -> Vec<String> {
        let half = move |odd: u64| {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let mut seeds = seeds.clone().filter(move |seed| seed % 2 == odd);
            seeds.find_map(|seed| runtime.block_on(play(make(), seed, pace)).err())
        };
        thread::scope(|scope| {
            let halves = [0, 1].map(|odd| {
                let half = half.clone();
                scope.spawn(move || half(odd))
            });
            halves.into_iter().filter_map(|half| half.join().unwrap()).collect()
        })
    }

    fn memory() -> Arc<dyn Gate> {
        Arc::new(MemoryGate::new(Arc::new(rules())))
    }

    #[test]
    fn the_gate_does_what_the_brute_force_model_does() {
        assert_eq!(play_all(0..600, Pace::Seconds, memory), Vec::<String>::new());
    }

    /// Fewer: the comparison with the gate in memory plays the many.
    #[tokio::test]
    async fn the_gate_in_redis_does_what_the_brute_force_model_does() {
        for seed in 0..40 {
            let pace = if seed % 3 == 0 { Pace::Minutes } else { Pace::Seconds };
            let gate = open_gate(&own_fleet(), rules()).await;
            assert_eq!(play(Arc::new(gate), seed, pace).await, Ok(()));
        }
    }

    #[test]
    fn only_a_reservation_makes_the_gate_wait_longer_than_the_model() {
        assert_eq!(play_all(0..300, Pace::Minutes, memory), Vec::<String>::new());
    }
}

#[cfg(all(test, feature = "failpoints"))]
mod mutants {
    //! Known faults, each of which the comparison with the model must catch: else it would catch no unknown ones.

    use std::sync::Arc;

    use sluicegate::gate::memory::{MemoryGate, Mutant};

    use crate::gate::history::{Pace, play, rules};

    #[tokio::test]
    async fn every_mutant_is_caught_by_the_brute_force_model() {
        let mut alive = Vec::new();
        for mutant in Mutant::ALL {
            let mut difference = None;
            for seed in 0..600 {
                let gate = Arc::new(MemoryGate::with_mutant(Arc::new(rules()), mutant));
                difference = play(gate, seed, Pace::Seconds).await.err();
                if difference.is_some() {
                    break;
                }
            }
            match difference {
                Some(difference) => println!("{mutant:?}: {difference:.160}"),
                None => alive.push(mutant),
            }
        }
        assert_eq!(alive, [], "not caught");
    }
}
