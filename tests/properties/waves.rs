//! Waves, approvals and breakers on random input: nothing opens unproven, no word counts that must not, and an open breaker
//! lets one through.

use proptest::prelude::*;
use sluicegate::{
    job::{Millis, Timestamp},
    policy::{
        approval::{Approval, Subject, count},
        breaker::{Move, State, Verdict, follow},
        waves::{
            Rule, draw,
            proof::{Course, Fate, Next, Pause, Tally, next},
        },
    },
};

const NOW: Timestamp = Timestamp(1_000_000_000);

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        2 => Just(Fate::Pending),
        8 => (0_i64..2_000_000_000).prop_map(|at| Fate::Good(Timestamp(at))),
        1 => Just(Fate::Failed),
        1 => Just(Fate::Unjudged),
        1 => Just(Fate::Withdrawn),
    ]
}

fn size() -> impl Strategy<Value = String> {
    prop_oneof![(1_u32..20).prop_map(|n| n.to_string()), (1_u32..30).prop_map(|n| format!("{n}%"))]
}

prop_compose! {
    fn rule()(
        mut sizes in prop::collection::vec(size(), 0..3), share in 1_u8..=100, green: bool, soak in 0_u32..60,
        asked in prop::option::of(1_u32..4),
    ) -> Rule {
        sizes.push("rest".to_owned());
        let by = if green { "green" } else { "merged" };
        let text = format!("sizes = {sizes:?}\nproven = {{ share = \"{share}%\", by = \"{by}\" }}\nsoak_minutes = {soak}\n");
        let approvals = asked.map(|count| format!("approvals = {{ count = {count} }}\n")).unwrap_or_default();
        toml::from_str(&(text + &approvals)).unwrap()
    }
}

fn pause() -> impl Strategy<Value = Option<Pause>> {
    prop_oneof![3 => Just(None), 1 => Just(Some(Pause::Doubt)), 1 => Just(Some(Pause::Person))]
}

proptest! {
    #[test]
    fn a_later_wave_opens_only_when_the_earlier_ones_are_proven_or_a_person_lets_it(
        rule in rule(), newest in prop::collection::vec(fate(), 0..12), earlier in prop::collection::vec(fate(), 0..6),
        paused in pause(), approved in 0_u32..5, opened in 1_u32..4, waves in 1_u32..4,
    ) {
        let (newest, earlier): (Tally, Tally) = (newest.into_iter().collect(), earlier.into_iter().collect());
        let course = Course { rule: &rule, waves, opened, paused, newest: newest.clone(), earlier: earlier.clone(), approved };
        if next(&course, NOW) != Next::Open {
            return Ok(());
        }
        prop_assert!(opened < waves);
        let asked = rule.approvals.as_ref().map_or(0, |asked| asked.count);
        prop_assert!(approved >= asked);
        if paused.is_some() {
            prop_assert_eq!(paused, Some(Pause::Doubt));
            prop_assert!(approved >= 1);
            return Ok(());
        }
        prop_assert_eq!(newest.failed + earlier.failed, 0);
        let judged = newest.good.len() + newest.pending + newest.unjudged;
        let soaked = newest.good.iter().filter(|at| at.plus(rule.soak()) <= NOW).count();
        prop_assert!(soaked >= 1 && soaked * 100 >= judged * usize::from(rule.proven.share.0));
    }

    #[test]
    fn one_more_doubt_never_opens_more(
        rule in rule(), newest in prop::collection::vec(fate(), 0..10), approved in 0_u32..4,
    ) {
        let decide = |fates: Vec<Fate>, earlier: Tally| {
            let newest = fates.into_iter().collect();
            next(&Course { rule: &rule, waves: 2, opened: 1, paused: None, newest, earlier, approved }, NOW)
        };
        let mut worse = newest.clone();
        worse.push(Fate::Failed);
        prop_assert_ne!(decide(worse, Tally::default()), Next::Open);
        let failed: Tally = [Fate::Failed].into_iter().collect();
        prop_assert_ne!(decide(newest, failed), Next::Open);
    }

    #[test]
    fn waves_take_every_job_once_and_the_draw_depends_on_nothing_but_its_seed(
        rule in rule(), jobs in 0_usize..300, seed: u64,
    ) {
        let cut = rule.cut(jobs);
        prop_assert_eq!(cut.iter().sum::<usize>(), jobs);
        prop_assert!(cut.iter().all(|wave| *wave > 0));
        let names: Vec<String> = (0..jobs).map(|n| format!("acme/r{n}")).collect();
        let of = |name: &'_ String| -> usize { name.len() };
        let traits: Vec<draw::Traits<'_>> = names
            .iter()
            .map(|name| draw::Traits { repository: name, owner: "acme", language: None, size: Some(of(name) as u64) })
            .collect();
        let waves = draw::assign(&cut, &draw::order(seed, &traits));
        prop_assert_eq!(&waves, &draw::assign(&cut, &draw::order(seed, &traits)));
        for (number, size) in (1_u32..).zip(&cut) {
            prop_assert_eq!(waves.iter().filter(|wave| **wave == number).count(), *size);
        }
    }

    #[test]
    fn a_word_never_counts_for_another_plan_or_from_the_requester(
        words in prop::collection::vec(
            (prop::sample::select(vec!["ana", "ANA", "ben", "carla", "Carla"]), prop::sample::select(vec!["d", "old"]),
             prop::sample::select(vec!["approver", "lead"]), -5_i64..5),
            0..12,
        ),
    ) {
        let word = |(actor, digest, role, hours): &(&str, &str, &str, i64)| Approval {
            actor: (*actor).into(), roles: vec![(*role).into()], digest: (*digest).into(), at: NOW,
            expires_at: Timestamp(NOW.0 + hours * 3_600_000),
        };
        let all: Vec<Approval> = words.iter().map(word).collect();
        let subject = Subject { digest: "d", requester: "carla" };
        let counted = count("approver", subject, &all, None, NOW);
        prop_assert!(counted <= 2, "only ana and ben may");
        let foreign: Vec<Approval> = all.iter().filter(|word| word.digest != "d").cloned().collect();
        prop_assert_eq!(count("approver", subject, &foreign, None, NOW), 0);
        let own: Vec<Approval> = all.iter().filter(|word| word.actor.eq_ignore_ascii_case("carla")).cloned().collect();
        prop_assert_eq!(count("approver", subject, &own, None, NOW), 0);
        // Later is never more.
        prop_assert!(count("approver", subject, &all, None, NOW.plus(Millis::hours(1))) <= counted);
    }

    #[test]
    fn a_breaker_closes_only_by_the_verdict_of_its_canary(
        verdicts in prop::collection::vec((0_u8..4, any::<bool>(), any::<bool>()), 0..60),
    ) {
        let mut state = State::Closed;
        for (verdict, of_canary, storm) in verdicts {
            let verdict = match verdict {
                0 => Verdict::Good,
                1 => Verdict::Bad("x".into()),
                2 => Verdict::NotStarted,
                _ => Verdict::Unclear,
            };
            let step = follow(state, of_canary, &verdict, storm);
            match (state, step) {
                (_, Move::Stay) => {}
                (State::Closed, step) => prop_assert!(step == Move::Open && storm),
                (State::Open, step) => prop_assert!(false, "{step:?} while it was open"),
                (State::HalfOpen, step) => {
                    prop_assert!(of_canary);
                    prop_assert_eq!(step == Move::Close, verdict == Verdict::Good);
                }
            }
            state = match step {
                Move::Stay => state,
                Move::Open | Move::Again | Move::Free => State::Open,
                Move::Close => State::Closed,
            };
            // Its cool-down is over now and then, and somebody is admitted.
            if state == State::Open && storm {
                state = State::HalfOpen;
            }
        }
    }
}
