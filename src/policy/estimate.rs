//! What a plan will probably cost, from what jobs like it have cost. It must not guess: where there is no history it says so.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    job::time::{Millis, Timestamp},
    policy::repositories::Class,
};

/// Fewer past jobs than these are no history.
const SAMPLES_MIN: usize = 5;

/// A job that has come to its end, or to its review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    pub group: Group,
    /// Of all its attempts, in nano-credits.
    pub nano_credits: u64,
    /// From the first intent to its end; None: it has not ended.
    pub whole: Option<Millis>,
    /// From the request for a review to its end.
    pub review: Option<Millis>,
}

/// Jobs that are compared with each other; the template is the same for all.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = EstimateGroup)]
pub struct Group {
    pub model: Option<String>,
    /// Of the repository.
    pub class: Class,
}

/// From the tenth to the ninetieth of a hundred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = EstimateRange)]
pub struct Range {
    pub low: u64,
    pub high: u64,
}

impl Range {
    fn times(self, jobs: u64) -> Self {
        Self { low: self.low.saturating_mul(jobs), high: self.high.saturating_mul(jobs) }
    }
    fn plus(self, other: Self) -> Self {
        Self { low: self.low.saturating_add(other.low), high: self.high.saturating_add(other.high) }
    }
}

/// The prediction. What has no history is not counted in any range.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Estimate {
    pub jobs: u64,
    /// Of these, jobs of a kind of which too few have run.
    pub without_history: u64,
    /// Past jobs that were looked at.
    pub samples: u64,
    pub nano_credits: Option<Range>,
    /// Time in which pull requests lie with their reviewers, all together.
    pub review_ms: Option<Range>,
    /// One after the other as the limits ask for it.
    pub rounds: Option<u64>,
    pub finish: Option<(Timestamp, Timestamp)>,
}

/// `rounds`: how often the tightest limit must be filled; None: it lets nothing through.
pub fn estimate(
    jobs: &BTreeMap<Group, u64>,
    samples: &[Sample],
    rounds: Option<u64>,
    now: Timestamp,
) -> Estimate {
    let mut estimate = Estimate {
        jobs: jobs.values().sum(),
        samples: u64::try_from(samples.len()).unwrap_or(u64::MAX),
        rounds,
        ..Estimate::default()
    };
    let mut longest: Option<Range> = None;
    for (group, count) in jobs {
        let of_group: Vec<&Sample> = samples.iter().filter(|sample| sample.group == *group).collect();
        let Some(credits) = range(of_group.iter().map(|sample| sample.nano_credits).collect()) else {
            estimate.without_history = estimate.without_history.saturating_add(*count);
            continue;
        };
        estimate.nano_credits = Some(estimate.nano_credits.unwrap_or_default().plus(credits.times(*count)));
        let spans = |of: fn(&Sample) -> Option<Millis>| {
            range(of_group.iter().filter_map(|sample| of(sample)).map(|span| span.0).collect())
        };
        if let Some(review) = spans(|sample| sample.review) {
            estimate.review_ms = Some(estimate.review_ms.unwrap_or_default().plus(review.times(*count)));
        }
        if let Some(whole) = spans(|sample| sample.whole) {
            let so_far = longest.unwrap_or_default();
            longest = Some(Range { low: so_far.low.max(whole.low), high: so_far.high.max(whole.high) });
        }
    }
    if let (Some(rounds), Some(longest), 0) = (rounds, longest, estimate.without_history) {
        let span = longest.times(rounds.max(1));
        estimate.finish = Some((now.plus(Millis(span.low)), now.plus(Millis(span.high))));
    }
    estimate
}

/// The tenth and the ninetieth of a hundred, by nearest rank; None: too few.
fn range(mut values: Vec<u64>) -> Option<Range> {
    if values.len() < SAMPLES_MIN {
        return None;
    }
    values.sort_unstable();
    let rank = |hundredths: usize| {
        let rank = values.len().saturating_mul(hundredths).div_ceil(100).max(1);
        values.get(rank.saturating_sub(1)).copied()
    };
    Some(Range { low: rank(10)?, high: rank(90)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(model: &str, nano_credits: u64) -> Sample {
        Sample {
            group: Group { model: Some(model.to_owned()), class: Class::Standard },
            nano_credits,
            whole: Some(Millis(nano_credits)),
            review: None,
        }
    }

    #[test]
    fn ranges_come_from_jobs_of_the_same_kind_and_what_has_no_history_is_told() {
        let samples: Vec<Sample> = (1..=10).map(|n| sample("a", n * 100)).chain([sample("b", 1)]).collect();
        let group = |model: &str| sample(model, 0).group;
        let now = Timestamp(1_000);
        let only = estimate(&BTreeMap::from([(group("a"), 3)]), &samples, Some(2), now);
        assert_eq!(only.nano_credits, Some(Range { low: 300, high: 2_700 }));
        assert_eq!(only.finish, Some((Timestamp(1_200), Timestamp(2_800))));
        assert_eq!((only.without_history, only.review_ms), (0, None));
        let mixed = estimate(&BTreeMap::from([(group("a"), 3), (group("b"), 4)]), &samples, Some(2), now);
        assert_eq!((mixed.without_history, mixed.nano_credits, mixed.finish), (4, only.nano_credits, None));
        let none = estimate(&BTreeMap::from([(group("c"), 1)]), &[], Some(1), now);
        assert_eq!((none.without_history, none.nano_credits, none.finish), (1, None, None));
    }

    #[test]
    fn nothing_is_said_of_the_end_when_a_limit_lets_nothing_through() {
        let samples: Vec<Sample> = (1..=5).map(|n| sample("a", n)).collect();
        let jobs = BTreeMap::from([(samples[0].group.clone(), 1)]);
        assert_eq!(estimate(&jobs, &samples, None, Timestamp(0)).finish, None);
    }
}
