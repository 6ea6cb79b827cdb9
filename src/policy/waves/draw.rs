//! Who goes first: a draw that takes the most different repositories first, the same one for the same seed.

use std::collections::HashMap;

/// What tells repositories apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traits<'a> {
    /// `owner/name`.
    pub repository: &'a str,
    pub owner: &'a str,
    /// None: not known.
    pub language: Option<&'a str>,
    /// Kilobytes; None: not known.
    pub size: Option<u64>,
}

/// The first so many are chosen for being different; behind them the seed alone decides.
const CHOSEN_MAX: usize = 64;

/// Orders the repositories, by their places in the list.
pub fn order(seed: u64, traits: &[Traits<'_>]) -> Vec<usize> {
    let mut drawn: Vec<(u64, usize)> =
        traits.iter().enumerate().map(|(place, of)| (lot(seed, of.repository), place)).collect();
    drawn.sort_unstable();
    let mut left: Vec<usize> = drawn.into_iter().map(|(_, place)| place).collect();
    let mut met: HashMap<(&str, u64), u32> = HashMap::new();
    let mut chosen = Vec::with_capacity(left.len());
    while chosen.len() < CHOSEN_MAX {
        // The first of the least familiar, in the order of the lots.
        let familiar = |place: &usize| traits.get(*place).map_or(u32::MAX, |of| familiarity(&met, of));
        let Some(at) =
            left.iter().enumerate().min_by_key(|(at, place)| (familiar(place), *at)).map(|(at, _)| at)
        else {
            break;
        };
        let place = left.remove(at);
        chosen.push(place);
        for mark in traits.get(place).into_iter().flat_map(marks) {
            let count = met.entry(mark).or_default();
            *count = count.saturating_add(1);
        }
    }
    chosen.extend(left);
    chosen
}

/// The wave of each repository, from 1, by its place in the list.
pub fn assign(cut: &[usize], order: &[usize]) -> Vec<u32> {
    let mut waves = vec![0; order.len()];
    let numbers = (1_u32..).zip(cut).flat_map(|(wave, jobs)| std::iter::repeat_n(wave, *jobs));
    for (place, wave) in order.iter().zip(numbers) {
        if let Some(own) = waves.get_mut(*place) {
            *own = wave;
        }
    }
    waves
}

fn marks<'a>(of: &Traits<'a>) -> [(&'a str, u64); 3] {
    // A size counts by its number of digits in binary: repositories of about the same size are alike.
    let size = of.size.map_or(0, |size| u64::from(size.checked_ilog2().unwrap_or(0)).saturating_add(1));
    [(of.owner, 1_000), (of.language.unwrap_or_default(), 1_001), ("", size)]
}

fn familiarity(met: &HashMap<(&str, u64), u32>, of: &Traits<'_>) -> u32 {
    marks(of).iter().fold(0, |sum, mark| sum.saturating_add(met.get(mark).copied().unwrap_or(0)))
}

/// Mixed well, so that names that are alike draw lots that are not.
fn lot(seed: u64, name: &str) -> u64 {
    let mut bits = crate::budget::demand::digest(name.as_bytes()) ^ seed;
    for factor in [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb] {
        bits = (bits ^ (bits >> 30)).wrapping_mul(factor);
    }
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'a>(repository: &'a str, language: &'a str, size: u64) -> Traits<'a> {
        let owner = repository.split('/').next().unwrap();
        Traits { repository, owner, language: Some(language), size: Some(size) }
    }

    #[test]
    fn canaries_differ_in_language_owner_and_size() {
        let mut all: Vec<Traits<'_>> = Vec::new();
        let names: Vec<String> = (0..40).map(|n| format!("acme/rust-{n}")).collect();
        all.extend(names.iter().map(|name| of(name, "Rust", 900)));
        all.push(of("acme/tool", "Go", 10));
        all.push(of("beta/site", "TypeScript", 100_000));
        for seed in 0..50 {
            let first: Vec<usize> = order(seed, &all).into_iter().take(3).collect();
            assert!(first.contains(&40) && first.contains(&41), "seed {seed}: {first:?}");
        }
    }

    #[test]
    fn a_draw_is_the_same_for_the_same_seed_and_leaves_nobody_out() {
        let names: Vec<String> = (0..200).map(|n| format!("acme/r{n}")).collect();
        let all: Vec<Traits<'_>> = names
            .iter()
            .map(|name| Traits { repository: name, owner: "acme", language: None, size: None })
            .collect();
        let one = order(7, &all);
        assert_eq!(one, order(7, &all));
        assert_ne!(one, order(8, &all));
        let mut sorted = one.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..200).collect::<Vec<_>>());
        let waves = assign(&[1, 5, 194], &one);
        assert_eq!([1, 2, 3].map(|n| waves.iter().filter(|wave| **wave == n).count()), [1, 5, 194]);
        assert_eq!(waves[one[0]], 1);
    }
}
