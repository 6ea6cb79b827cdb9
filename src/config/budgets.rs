//! What [[budget]] and [[pool]] mean: the rules that budgets are decided by.

use std::collections::BTreeSet;

use jiff::civil::Date;

use crate::{
    budget::{
        Amount, BudgetRule, Kind, Member, Period, Pool, Scope,
        key::{GATE, POOL, RETRIES},
    },
    config::{
        limits::Faults,
        sections::{self, Retries, Settings},
    },
    job::time::{Millis, Timestamp},
    policy::text,
};

/// The budgets that only retries take from.
fn retries(written: Retries) -> impl Iterator<Item = BudgetRule> {
    let rule = |kind, per, limit: Option<u32>, period| {
        let rule = |limit| BudgetRule { name: RETRIES.to_owned(), kind, per, matching: None, limit, period };
        limit.map(Amount::from).map(rule)
    };
    let request = rule(Kind::Count, Scope::Request, written.per_request, Period::Lifetime);
    let template = rule(Kind::Window, Scope::Template, written.per_template_day, Period::Day);
    request.into_iter().chain(template)
}

impl Faults<'_> {
    pub(super) fn budgets(&mut self, settings: &mut Settings) {
        let mut rules: Vec<BudgetRule> = Vec::new();
        for (index, budget) in settings.budgets.iter().enumerate() {
            let index = index.to_string();
            self.name(&["budget", &index, "name"], &budget.name);
            if [GATE, POOL, RETRIES].contains(&budget.name.as_str()) {
                let what = format!("a budget cannot be named `{}`", budget.name);
                self.add(
                    &["budget", &index, "name"],
                    what,
                    "choose another name: this one is used by Sluicegate itself",
                );
            }
            let limit = match budget.kind {
                Kind::Spend => budget.limit.credits(),
                Kind::Slots | Kind::Change | Kind::Window | Kind::Count => budget.limit.whole(),
            };
            let limit = limit.unwrap_or_else(|why| {
                self.add(&["budget", &index, "limit"], why, "only `spend` counts parts of a credit");
                Amount::ZERO
            });
            let period = period(budget.kind, budget.period.as_deref()).unwrap_or_else(|(what, hint)| {
                let key = if budget.period.is_some() { "period" } else { "kind" };
                self.add(&["budget", &index, key], what, hint);
                Period::Lifetime
            });
            if budget.per == Scope::Global && budget.matching.is_some() {
                self.add(
                    &["budget", &index, "match"],
                    "a global budget has nothing to match",
                    "leave `match` out",
                );
            }
            let rule = BudgetRule {
                name: budget.name.clone(),
                kind: budget.kind,
                per: budget.per,
                matching: matching(budget),
                limit,
                period,
            };
            if limit == Amount::ZERO {
                self.warnings.push(format!(
                    "the budget `{}` per {} has limit 0: nothing of it can start unless a limit was set with `sluice limit`",
                    rule.name, rule.per
                ));
            }
            let same = |other: &&BudgetRule| other.name == rule.name && other.per == rule.per;
            if rules.iter().filter(same).any(|other| other.matching == rule.matching) {
                let what =
                    format!("the budget `{}` per {} is there twice for the same values", rule.name, rule.per);
                self.add(&["budget", &index], what, "keep one, or tell them apart with `match`");
            } else if rules
                .iter()
                .filter(same)
                .any(|other| other.kind != rule.kind || other.period != rule.period)
            {
                let what =
                    format!("the budget `{}` per {} has two kinds or two periods", rule.name, rule.per);
                self.add(&["budget", &index], what, "give one of them another name");
            }
            rules.push(rule);
        }
        rules.extend(retries(settings.retries));
        settings.rules.budgets = rules;
    }

    pub(super) fn pools(&mut self, settings: &mut Settings) {
        for (index, pool) in settings.pools.iter().enumerate() {
            let index = index.to_string();
            self.name(&["pool", &index, "name"], &pool.name);
            if pool.members.is_empty() {
                let what = format!("the pool `{}` has no member", pool.name);
                self.add(&["pool", &index], what, "add [[pool.member]] with login and open_reviews");
            }
            let mut seen = BTreeSet::new();
            let mut members = Vec::new();
            for (place, member) in pool.members.iter().enumerate() {
                let place = place.to_string();
                let path = ["pool", &index, "member", &place, "login"];
                if !text::is_login(&member.login) {
                    self.add(
                        &path,
                        format!("`{}` is not a login", text::shorten(&member.login, 80)),
                        "write the GitHub login",
                    );
                }
                if !seen.insert(member.login.to_ascii_lowercase()) {
                    self.add(&path, format!("`{}` is in the pool twice", member.login), "keep one");
                }
                if member.open_reviews == 0 {
                    self.warnings.push(format!(
                        "`{}` in the pool `{}` has open_reviews 0: never asked",
                        member.login, pool.name
                    ));
                }
                let mut away = Vec::new();
                for (number, text) in member.away.iter().enumerate() {
                    match absence(text) {
                        Some(span) => away.push(span),
                        None => self.add(
                            &["pool", &index, "member", &place, "away", &number.to_string()],
                            format!("`{}` is not an absence", text::shorten(text, 80)),
                            "write the first and the last day: 2026-12-24/2027-01-02",
                        ),
                    }
                }
                members.push(Member {
                    login: member.login.clone(),
                    limit: Amount::from(member.open_reviews),
                    away,
                });
            }
            let pool = Pool { name: pool.name.clone(), members };
            if let Some(other) = settings.rules.pools.insert(pool.name.clone(), pool) {
                self.add(
                    &["pool", &index, "name"],
                    format!("the pool `{}` is there twice", other.name),
                    "keep one",
                );
            }
        }
    }
}

/// Repositories and organisations compare without case.
fn matching(budget: &sections::Budget) -> Option<String> {
    let lower = matches!(budget.per, Scope::Repository | Scope::Organisation);
    budget.matching.as_ref().map(|glob| if lower { glob.to_ascii_lowercase() } else { glob.clone() })
}

/// What is wrong with a period, and what to do.
type BadPeriod = (String, &'static str);

fn period(kind: Kind, text: Option<&str>) -> Result<Period, BadPeriod> {
    match (kind, text) {
        (Kind::Window | Kind::Spend, Some(text)) => parse_period(text).ok_or_else(|| {
            let what = format!("`{}` is not a period", text::shorten(text, 80));
            (what, "write 90s, 15m, 1h, 7d, day, month or lifetime")
        }),
        (Kind::Window, None) => {
            Err(("a window budget needs a period".to_owned(), "add `period = \"1h\"`, or day, or month"))
        }
        (Kind::Spend | Kind::Slots | Kind::Change | Kind::Count, None) => Ok(Period::Lifetime),
        (Kind::Slots | Kind::Change | Kind::Count, Some(_)) => Err((
            "this kind of budget has no period".to_owned(),
            "leave `period` out: slots and changes are given back by themselves, a count never is",
        )),
    }
}

fn parse_period(text: &str) -> Option<Period> {
    match text {
        "day" => return Some(Period::Day),
        "month" => return Some(Period::Month),
        "lifetime" => return Some(Period::Lifetime),
        _ => {}
    }
    let unit = match text.chars().last()? {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return None,
    };
    let number: u64 = text.get(..text.len().checked_sub(1)?)?.parse().ok()?;
    (1..=31_536_000).contains(&number).then(|| Period::Rolling(Millis(number.saturating_mul(unit))))
}

/// From the first instant of the first day to the first instant after the last one.
fn absence(text: &str) -> Option<(Timestamp, Timestamp)> {
    let (first, last) = text.split_once('/').unwrap_or((text, text));
    let start = |day: Date| {
        let zoned = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(Timestamp(zoned.timestamp().as_millisecond()))
    };
    let first = start(first.trim().parse().ok()?)?;
    let end = start(last.trim().parse::<Date>().ok()?.tomorrow().ok()?)?;
    (first < end).then_some((first, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_read_as_people_write_them() {
        assert_eq!(parse_period("90s"), Some(Period::Rolling(Millis::seconds(90))));
        assert_eq!(parse_period("7d"), Some(Period::Rolling(Millis::hours(168))));
        assert_eq!(parse_period("month"), Some(Period::Month));
        for text in ["", "s", "0h", "1w", "-1h", "1 h", "h1", "ö"] {
            assert_eq!(parse_period(text), None, "{text}");
        }
    }

    #[test]
    fn an_absence_includes_its_last_day() {
        let span = absence("2026-12-24/2027-01-02").unwrap();
        assert_eq!(span.0.to_string(), "2026-12-24T00:00:00.000Z");
        assert_eq!(span.1.to_string(), "2027-01-03T00:00:00.000Z");
        assert_eq!(absence("2026-12-24").unwrap().1.to_string(), "2026-12-25T00:00:00.000Z");
        for text in ["", "2026-13-01", "2026-12-24/2026-12-23", "tomorrow", "2026-12-24T10:00:00Z/x"] {
            assert_eq!(absence(text), None, "{text}");
        }
    }
}
