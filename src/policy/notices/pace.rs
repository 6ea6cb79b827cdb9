//! How long agents may still need, where that can be told: from how long those have taken that they are through with.

use crate::job::time::Millis;

/// Fewer say nothing of the others.
const THROUGH_MIN: u64 = 3;
/// Below the first, told in steps of the second: nobody can tell it any closer.
const STEPS: [(Millis, Millis); 3] = [
    (Millis::minutes(10), Millis::minutes(1)),
    (Millis::hours(1), Millis::minutes(5)),
    (Millis::hours(24), Millis::minutes(10)),
];

/// For so many more jobs, after so many in `worked`; None: it cannot be told.
pub fn left(through: u64, more: u64, worked: Millis) -> Option<Millis> {
    if through < THROUGH_MIN || more == 0 {
        return None;
    }
    let needed = u128::from(worked.0).saturating_mul(more.into()) / u128::from(through);
    let needed = u64::try_from(needed).unwrap_or(u64::MAX);
    let step = STEPS.iter().find(|(below, _)| needed <= below.0).map_or(Millis::hours(1), |(_, step)| *step);
    Some(Millis(needed.max(1).div_ceil(step.0).saturating_mul(step.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_as_it_went_so_far_and_is_told_no_closer_than_it_is_known() {
        let told = |through, more, minutes| {
            left(through, more, Millis::minutes(minutes)).map(|left| left.to_string())
        };
        assert_eq!(told(10, 20, 62).as_deref(), Some("2 h 10 min"), "2 h 4 min");
        assert_eq!(told(3, 1, 3).as_deref(), Some("1 min"));
        assert_eq!(told(5, 4, 16).as_deref(), Some("15 min"));
        assert_eq!(told(4, 100, 61).as_deref(), Some("1 d 2 h"));
        assert_eq!(
            told(3, 1, 0).as_deref(),
            Some("1 min"),
            "nobody is through before the first second is over"
        );
        assert!(left(3, u64::MAX, Millis(u64::MAX)).is_some());
    }

    #[test]
    fn few_tell_nothing_of_the_others_and_nothing_is_left_to_tell_at_the_end() {
        assert_eq!((left(2, 9, Millis::hours(1)), left(9, 0, Millis::hours(1))), (None, None));
    }
}
