//! Chance that repeats itself: every number is a hash of the seed and of what it is drawn for, so
//! the same seed and the same requests give the same ids, titles and durations, in any order.

use std::fmt::Write as _;

/// A source of numbers for one subject, such as the third task of one repository.
#[derive(Debug, Clone)]
pub(crate) struct Draw {
    state: u64,
}

impl Draw {
    /// Numbers that depend only on the seed, the subject's name and its ordinal.
    pub(crate) fn new(seed: u64, subject: &str, ordinal: u64) -> Draw {
        let mut state = mix(seed ^ 0x9e37_79b9_7f4a_7c15);
        for chunk in subject.as_bytes().chunks(8) {
            let word = chunk.iter().fold(0_u64, |word, byte| (word << 8) | u64::from(*byte));
            state = mix(state ^ word);
        }
        Draw { state: mix(state ^ ordinal) }
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        let span = high.saturating_sub(low).saturating_add(1);
        low.saturating_add(self.next() % span.max(1))
    }

    /// True in `percent_of_million` out of a million draws.
    pub(crate) fn chance(&mut self, parts_per_million: u64) -> bool {
        self.next() % 1_000_000 < parts_per_million
    }

    /// Text in the shape of a version 4 UUID.
    pub(crate) fn uuid(&mut self) -> String {
        let bytes = uuid::Uuid::from_u64_pair(self.next(), self.next()).into_bytes();
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    /// Forty hexadecimal digits, as a commit has them.
    pub(crate) fn sha(&mut self) -> String {
        let mut text = String::with_capacity(48);
        for _ in 0..3 {
            let word = self.next();
            // Writing into a String cannot fail.
            write!(text, "{word:016x}").unwrap_or_default();
        }
        text.truncate(40);
        text
    }

    /// One of the given words.
    pub(crate) fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        let at = usize::try_from(self.next() % 65_536).unwrap_or(0) % words.len().max(1);
        words.get(at).copied().unwrap_or_default()
    }
}

/// The finaliser of splitmix64.
fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// A human title that does not repeat the prompt, as GitHub writes one.
pub(crate) fn title(draw: &mut Draw, repository: &str) -> String {
    let verb =
        draw.pick(&["Update", "Modernise", "Refresh", "Tidy", "Rework", "Align", "Harden", "Simplify"]);
    let thing = draw.pick(&[
        "build setup",
        "dependencies",
        "configuration",
        "workflow files",
        "error handling",
        "tests",
        "code paths",
    ]);
    format!("{verb} {thing} in {repository}")
}
