//! Denied requests since the start of the process, by reason: the one place where they are counted.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! denials {
    ($($(#[$doc:meta])* $name:ident = $token:literal,)*) => {
        /// Why a request was denied.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Denial { $($(#[$doc])* $name,)* }

        impl Denial {
            pub const ALL: &[Self] = &[$(Self::$name,)*];
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $token,)* }
            }
        }

        static COUNTS: [AtomicU64; Denial::ALL.len()] = [const { AtomicU64::new(0) }; Denial::ALL.len()];
    };
}

denials! {
    TokenMissing = "token-missing",
    TokenMalformed = "token-malformed",
    TokenUnknown = "token-unknown",
    TokenExpired = "token-expired",
    TokenRevoked = "token-revoked",
    /// Of a token of an identity provider, as all up to `NoGrant`.
    IssuerWrong = "issuer-wrong",
    AudienceWrong = "audience-wrong",
    AlgorithmRefused = "algorithm-refused",
    KeyUnknown = "key-unknown",
    SignatureWrong = "signature-wrong",
    NotYetValid = "not-yet-valid",
    ClaimsUnusable = "claims-unusable",
    /// The identity provider could not be asked for its keys.
    KeysUnavailable = "keys-unavailable",
    /// No group of the bearer is granted anything.
    NoGrant = "no-grant",
    RoleMissing = "role-missing",
    OutsideReach = "outside-reach",
    ActorMismatch = "actor-mismatch",
    TooManyFailures = "too-many-failures",
}

/// Counts one.
pub fn count(denial: Denial) {
    if let Some(count) = COUNTS.get(denial as usize) {
        count.fetch_add(1, Relaxed);
    }
}

/// Every reason with how often it was met.
pub fn counts() -> impl Iterator<Item = (&'static str, u64)> {
    Denial::ALL.iter().zip(&COUNTS).map(|(denial, count)| (denial.as_str(), count.load(Relaxed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_counted_by_itself() {
        let read = || counts().collect::<std::collections::BTreeMap<_, _>>();
        let before = read();
        count(Denial::TooManyFailures);
        count(Denial::TooManyFailures);
        let after = read();
        assert_eq!(after.len(), Denial::ALL.len(), "every reason has a word of its own");
        assert_eq!(after["too-many-failures"], before["too-many-failures"] + 2);
        assert_eq!(after["key-unknown"], before["key-unknown"]);
    }
}
