//! A quantity of a budget: slots, starts, or nano-credits. Whole, never negative, and below 2^53, so that
//! every store and script on the way can hold it exactly (Lua numbers are doubles).

use std::fmt;

use serde::{Deserialize, Serialize};

/// 0 to 2^53 - 1.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(try_from = "u64", into = "u64")]
pub struct Amount(u64);

/// A number that no amount can hold.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0} is over the largest amount, 9007199254740991 (2^53 - 1)")]
pub struct TooLarge(pub u64);

impl Amount {
    pub const ZERO: Self = Self(0);
    pub const ONE: Self = Self(1);
    pub const MAX: Self = Self((1 << 53) - 1);

    pub const fn new(value: u64) -> Result<Self, TooLarge> {
        if value <= Self::MAX.0 { Ok(Self(value)) } else { Err(TooLarge(value)) }
    }
    pub const fn get(self) -> u64 {
        self.0
    }
    /// For a store that keeps signed 64-bit integers.
    pub const fn as_i64(self) -> i64 {
        self.0.cast_signed()
    }
    /// None if the number is negative or too large.
    pub fn from_i64(value: i64) -> Option<Self> {
        u64::try_from(value).ok().and_then(|value| Self::new(value).ok())
    }
    /// None above the largest amount.
    #[must_use]
    pub const fn plus(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) if sum <= Self::MAX.0 => Some(Self(sum)),
            _ => None,
        }
    }
    /// Zero when `other` is larger.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl TryFrom<u64> for Amount {
    type Error = TooLarge;
    fn try_from(value: u64) -> Result<Self, TooLarge> {
        Self::new(value)
    }
}
impl From<Amount> for u64 {
    fn from(amount: Amount) -> Self {
        amount.0
    }
}
impl From<u32> for Amount {
    fn from(value: u32) -> Self {
        Self(u64::from(value))
    }
}
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
