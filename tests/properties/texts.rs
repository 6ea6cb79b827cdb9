//! Texts that carry meaning: globs, keys, markers, ids, amounts, times.

use proptest::prelude::*;
use sluicegate::{
    budget::{Amount, Key, Scope, glob::matches},
    job::{AttemptId, JobId, Marker, Repository, Timestamp},
};

/// The plain definition of a glob, letter by letter and exponential; right by reading.
fn plainly_matches(glob: &[u8], text: &[u8]) -> bool {
    match (glob.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), None) => plainly_matches(rest, text),
        (Some((b'*', rest)), Some((_, tail))) => plainly_matches(rest, text) || plainly_matches(glob, tail),
        (Some((wanted, rest)), Some((found, tail))) => wanted == found && plainly_matches(rest, tail),
        _ => false,
    }
}

proptest! {
    #[test]
    fn a_glob_matches_what_its_definition_matches(glob in "[ab/*]{0,7}", text in "[ab/]{0,9}") {
        prop_assert_eq!(matches(&glob, &text), plainly_matches(glob.as_bytes(), text.as_bytes()));
    }

    #[test]
    fn a_glob_without_a_star_matches_itself_alone(text in "\\PC{0,20}", other in "\\PC{0,20}") {
        prop_assume!(!text.contains('*'));
        prop_assert!(matches(&text, &text) && matches("*", &text));
        prop_assert_eq!(matches(&text, &other), text == other);
    }

    #[test]
    fn a_key_gives_back_its_parts(
        name in "[a-z]{1,8}", scope in prop::sample::select(&Scope::ALL), value in "[a-z0-9./-]{1,20}",
        login in "[a-z0-9-]{1,20}",
    ) {
        prop_assume!(name != "pool");
        let key = Key::scoped(&name, scope, &value);
        prop_assert_eq!(key.name(), name.as_str());
        let expected = if scope == Scope::Global { "" } else { value.as_str() };
        prop_assert_eq!(key.scope(), Some((scope, expected)));
        prop_assert_eq!(key.pool_of_member(), None);
        let member = Key::member(&name, &login);
        prop_assert_eq!(member.pool_of_member(), Some(Key::pool(&name)));
        prop_assert_eq!((member.member_login(), member.scope()), (Some(login.as_str()), None));
    }

    #[test]
    fn a_stamped_prompt_is_found_by_its_own_marker_only(
        prompt in "(?s).{0,300}", job: u128, attempt: u128, nonce: u64, other: u64,
    ) {
        let job = JobId::new(Timestamp(1_700_000_000_000), job);
        let attempt = AttemptId::new(Timestamp(1_700_000_000_001), attempt);
        let marker = Marker { job, attempt, nonce };
        let sent = marker.stamp(&prompt);
        prop_assert!(marker.is_in(&sent));
        prop_assert!(sent.starts_with(prompt.trim_end()));
        prop_assert_eq!(Marker { nonce: other, ..marker }.is_in(&sent), nonce == other);
        prop_assert_eq!(marker.to_string().parse(), Ok(marker));
    }

    #[test]
    fn no_text_breaks_a_parser(text in "\\PC{0,60}") {
        if let Ok(repository) = text.parse::<Repository>() {
            let lower = text.to_lowercase();
            prop_assert_eq!(repository.full_name(), lower.as_str());
            prop_assert_eq!(format!("{}/{}", repository.owner(), repository.name()), lower);
        }
        prop_assert!(text.parse::<Marker>().is_err());
        prop_assert!(Timestamp::parse(&text).is_none_or(|at| Timestamp::parse(&at.to_string()) == Some(at)));
    }

    #[test]
    fn an_amount_never_leaves_its_range(one: u64, two: u64) {
        prop_assert_eq!(Amount::new(one).is_ok(), one <= Amount::MAX.get());
        let (small, large) = (one >> 11, two >> 11);
        let amount = |value| Amount::new(value).unwrap();
        let sum = amount(small).plus(amount(large));
        prop_assert_eq!(sum.map(Amount::get), Some(small + large).filter(|sum| *sum <= Amount::MAX.get()));
        prop_assert_eq!(amount(small).minus(amount(large)).get(), small.saturating_sub(large));
        prop_assert_eq!(Amount::from_i64(amount(small).as_i64()), Some(amount(small)));
    }

    #[test]
    fn a_period_ends_after_it_began(now in 0_i64..4_102_444_800_000) {
        let now = Timestamp(now);
        let (day, month) = (now.next_day(), now.next_month());
        prop_assert!(now < day && day <= month);
        prop_assert!(day.since(now).0 <= 86_400_000 && month.since(now).0 <= 31 * 86_400_000);
        prop_assert_eq!(now.since(day).0, 0);
    }
}
