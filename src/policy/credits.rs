//! AI credits as people write them, `2.5`, and as budgets count them: whole nano-credits. No floating point.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

use crate::budget::{Amount, Refusal, RefusalKind};

/// Nano-credits in one credit.
pub const NANO: u64 = 1_000_000_000;

/// A number as it was written: `3`, `2.5` or `"2.5"`; never negative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimal(String);

impl Decimal {
    /// As credits: at most nine decimals.
    pub fn credits(&self) -> Result<Amount, String> {
        parse(&self.0)
    }
    /// As a whole number.
    pub fn whole(&self) -> Result<Amount, String> {
        self.0
            .parse::<u64>()
            .ok()
            .and_then(|n| Amount::new(n).ok())
            .ok_or_else(|| format!("`{}` is not a whole number from 0 to {}", self.0, Amount::MAX))
    }
}

impl From<u64> for Decimal {
    fn from(number: u64) -> Self {
        Self(number.to_string())
    }
}

/// Reads credits; the answer is in nano-credits.
///
/// ```
/// use sluicegate::policy::credits::parse;
/// assert_eq!(parse("2.5").unwrap().get(), 2_500_000_000);
/// assert!(parse("0.0000000001").is_err());
/// ```
pub fn parse(text: &str) -> Result<Amount, String> {
    let wrong = || {
        format!(
            "`{text}` is not an amount of credits: write 0 to 9007199 with at most 9 decimals, such as 2.5"
        )
    };
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 9 {
        return Err(wrong());
    }
    let nano = format!("{part:0<9}").parse::<u64>().map_err(|_| wrong())?;
    let whole = whole.parse::<u64>().ok().and_then(|whole| whole.checked_mul(NANO));
    whole.and_then(|whole| whole.checked_add(nano)).and_then(|sum| Amount::new(sum).ok()).ok_or_else(wrong)
}

/// Nano-credits as credits, without needless zeros.
pub fn show(amount: Amount) -> String {
    let (whole, part) = (amount.get() / NANO, amount.get() % NANO);
    let text = format!("{whole}.{part:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A refusal of a budget of credits as a sentence; its own words would be in nano-credits.
pub fn refusal_in_credits(refusal: &Refusal) -> String {
    let (key, need, used) = (&refusal.key, show(refusal.need), show(refusal.used));
    let limit = show(refusal.limit.unwrap_or_default());
    match refusal.kind {
        RefusalKind::Full => format!("{key}: {used} of {limit} credits in use, {need} needed"),
        RefusalKind::OverLimit => format!("{key}: {need} credits needed, but the limit is {limit}"),
        RefusalKind::Closed | RefusalKind::NobodyAvailable => refusal.to_string(),
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Decimal;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number that is not negative, such as 3 or 2.5")
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Decimal, E> {
                u64::try_from(number)
                    .map(Decimal::from)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Decimal, E> {
                Ok(Decimal::from(number))
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Decimal, E> {
                // The shortest text that reads back as this number is the one that was written.
                self.visit_str(&number.to_string())
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Decimal, E> {
                parse(text).map_err(E::custom)?;
                Ok(Decimal(text.to_owned()))
            }
        }
        from.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credits_are_read_exactly_and_shown_shortly() {
        for (text, nano, shown) in [
            ("0", 0, "0"),
            ("2.5", 2_500_000_000, "2.5"),
            ("0.000000001", 1, "0.000000001"),
            ("10", 10_000_000_000, "10"),
            ("9007199.254740991", Amount::MAX.get(), "9007199.254740991"),
        ] {
            let amount = parse(text).unwrap();
            assert_eq!((amount.get(), show(amount).as_str()), (nano, shown));
        }
    }

    #[test]
    fn a_refusal_is_told_in_credits() {
        let credits = |text| parse(text).unwrap();
        let refusal = Refusal {
            key: crate::budget::Key::new("credits/global"),
            kind: RefusalKind::Full,
            need: credits("1.5"),
            used: credits("199"),
            limit: Some(credits("200")),
            clears_at: None,
            reason: None,
        };
        let said = refusal_in_credits(&refusal);
        assert_eq!(said, "credits/global: 199 of 200 credits in use, 1.5 needed");
        let said = refusal_in_credits(&Refusal { kind: RefusalKind::OverLimit, ..refusal });
        assert_eq!(said, "credits/global: 1.5 credits needed, but the limit is 200");
    }

    #[test]
    fn what_is_no_amount_of_credits_is_refused() {
        for text in ["", "-1", "1.", ".5", "1e3", "NaN", "0.0000000001", "9007200", "1,5", " 1"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_and_a_text_mean_the_same() {
        let of = |json: &str| serde_json::from_str::<Decimal>(json).unwrap().credits().unwrap();
        assert_eq!(of("0.1"), of("\"0.1\""));
        assert_eq!(of("3"), of("\"3.0\""));
        assert!(serde_json::from_str::<Decimal>("-3").is_err());
    }
}
