//! Waves: a request is widened step by step, and each step waits for the proof of the one before. Here: what people write, and
//! into how many jobs each wave it cuts them.

pub mod draw;
pub mod planned;
pub mod proof;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{
    job::time::Millis,
    policy::{
        approval::APPROVER,
        problem::{Code, Problem},
    },
};

/// The most waves of one request.
const WAVES_MAX: usize = 20;
/// 90 days.
const SOAK_MINUTES_MAX: u32 = 90 * 24 * 60;
/// The most approvals of one wave.
const APPROVALS_MAX: u32 = 10;

/// How a request is widened: in a template, and in a request that wants it stricter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WavesRule)]
pub struct Rule {
    pub sizes: Vec<Size>,
    #[serde(default)]
    pub proven: Proven,
    /// From the moment that a wave has proven itself until the next one may open.
    #[serde(default)]
    pub soak_minutes: u32,
    /// Asked for before each wave but the first; left out: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals: Option<Approvals>,
}

/// The waves of one request, fixed with its plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Waves {
    pub rule: Rule,
    /// Of the draw that chose who goes first.
    pub seed: u32,
    /// How many jobs each wave has.
    pub jobs: Vec<usize>,
}

/// The size of one wave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// So many jobs.
    Jobs(u32),
    /// So much of all jobs, in percent, rounded up.
    Percent(u8),
    /// Everything that is left.
    Rest,
}

/// When a wave has proven itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Proven {
    /// Of the wave's jobs; those withdrawn by people do not count.
    pub share: Share,
    pub by: By,
}

/// 1 to 100, written `"80%"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(pub u8);

/// What proves one job.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[schema(as = ProvenBy)]
pub enum By {
    /// Its checks are green.
    Green,
    /// Its change is merged.
    #[default]
    Merged,
}

/// So many people of a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Approvals {
    pub count: u32,
    pub role: String,
}

impl Default for Approvals {
    fn default() -> Self {
        Self { count: 1, role: APPROVER.to_owned() }
    }
}

impl Default for Share {
    fn default() -> Self {
        Self(100)
    }
}

fn percent(text: &str) -> Result<u8, String> {
    let number = text.strip_suffix('%').and_then(|number| number.parse::<u32>().ok());
    match number {
        Some(0) => Err("`0%` is nothing: write 1% to 100%".to_owned()),
        Some(number) => match u8::try_from(number) {
            Ok(number) if number <= 100 => Ok(number),
            _ => Err(format!("`{number}%` is over 100%: write 1% to 100%")),
        },
        None => Err(format!("`{}` is not a share such as 25%", crate::policy::text::shorten(text, 40))),
    }
}

impl Size {
    fn read(text: &str) -> Result<Self, String> {
        if text == "rest" {
            return Ok(Self::Rest);
        }
        if text.ends_with('%') {
            return percent(text).map(Self::Percent);
        }
        match text.parse::<u32>() {
            Ok(0) => Err("a wave of 0 jobs proves nothing: write 1 or more".to_owned()),
            Ok(number) => Ok(Self::Jobs(number)),
            Err(_) => Err(format!(
                "`{}` is not the size of a wave: write a number of jobs, a share such as 25%, or rest",
                crate::policy::text::shorten(text, 40)
            )),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jobs(number) => number.fmt(f),
            Self::Percent(number) => write!(f, "{number}%"),
            Self::Rest => f.write_str("rest"),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

impl Serialize for Size {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl Serialize for Share {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Written).and_then(|text| Self::read(&text).map_err(de::Error::custom))
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Written).and_then(|text| percent(&text).map(Self).map_err(de::Error::custom))
    }
}

/// A text, or a number without quotes.
struct Written;

impl de::Visitor<'_> for Written {
    type Value = String;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text such as \"5\", \"25%\" or \"rest\"")
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<String, E> {
        Ok(number.to_string())
    }
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<String, E> {
        Ok(number.to_string())
    }
}

/// What is wrong with a rule: where in it, what, what to do.
pub type Fault = (Vec<&'static str>, String, &'static str);

impl Rule {
    pub fn soak(&self) -> Millis {
        Millis::minutes(u64::from(self.soak_minutes))
    }

    /// What no single value can tell.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = Vec::new();
        let mut add = |path: &[&'static str], what: String, hint| faults.push((path.to_vec(), what, hint));
        let ends = "end the list with \"rest\", and only there: then every job is in some wave";
        if self.sizes.last() != Some(&Size::Rest)
            || self.sizes.iter().rev().skip(1).any(|size| *size == Size::Rest)
        {
            add(&["sizes"], "`rest` must be the last wave, and no other".to_owned(), ends);
        }
        if self.sizes.len() > WAVES_MAX {
            add(&["sizes"], format!("more than {WAVES_MAX} waves"), "make the later ones larger");
        }
        let shares = self.sizes.iter().map(|size| match size {
            Size::Percent(percent) => u32::from(*percent),
            Size::Jobs(_) | Size::Rest => 0,
        });
        let sum = shares.fold(0, u32::saturating_add);
        if sum > 100 {
            add(&["sizes"], format!("the shares add up to {sum}%, which is over 100%"), "make them smaller");
        }
        if self.soak_minutes > SOAK_MINUTES_MAX {
            add(&["soak_minutes"], "out of range".to_owned(), "write 0 to 129600 (90 days)");
        }
        if let Some(approvals) = &self.approvals {
            if !(1..=APPROVALS_MAX).contains(&approvals.count) {
                add(
                    &["approvals", "count"],
                    "out of range".to_owned(),
                    "write 1 to 10, or leave `approvals` out",
                );
            }
            if !crate::policy::text::is_name(&approvals.role) {
                let hint = "use lower-case letters, digits and `-`, at most 64";
                add(&["approvals", "role"], "not the name of a role".to_owned(), hint);
            }
        }
        faults
    }

    /// How many jobs each wave has, of `jobs` in all. Waves for which nothing is left are dropped.
    pub fn cut(&self, jobs: usize) -> Vec<usize> {
        let mut left = jobs;
        let mut waves = Vec::with_capacity(self.sizes.len());
        for size in &self.sizes {
            let wanted = match size {
                Size::Jobs(number) => usize::try_from(*number).unwrap_or(usize::MAX),
                Size::Percent(percent) => jobs.saturating_mul(usize::from(*percent)).div_ceil(100),
                Size::Rest => left,
            };
            let taken = wanted.min(left);
            left = left.saturating_sub(taken);
            if taken > 0 {
                waves.push(taken);
            }
        }
        waves
    }

    /// Err if this lets something out earlier, or on a weaker proof, than `other` does for the same jobs.
    pub fn at_least_as_strict_as(&self, other: &Self, jobs: usize) -> Result<(), (&'static str, String)> {
        let ahead =
            reached(&self.cut(jobs)).zip(reached(&other.cut(jobs))).position(|(own, most)| own > most);
        if let Some(wave) = ahead {
            let wave = wave.saturating_add(1);
            return Err((
                "waves.sizes",
                format!("after wave {wave} more jobs are out than the template allows"),
            ));
        }
        if self.proven.share < other.proven.share || self.proven.by < other.proven.by {
            return Err(("waves.proven", format!("a weaker proof than the template's, {}", other.proven)));
        }
        if self.soak_minutes < other.soak_minutes {
            let what = format!("a shorter soak than the template's {} minutes", other.soak_minutes);
            return Err(("waves.soak_minutes", what));
        }
        let Some(wanted) = &other.approvals else { return Ok(()) };
        let own = self.approvals.as_ref().filter(|own| own.role == wanted.role && own.count >= wanted.count);
        if own.is_none() {
            let what = format!("the template asks for {} of role `{}`", wanted.count, wanted.role);
            return Err(("waves.approvals", what));
        }
        Ok(())
    }
}

impl fmt::Display for Proven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = match self.by {
            By::Green => "green",
            By::Merged => "merged",
        };
        write!(f, "{} {by}", self.share)
    }
}

/// Jobs that are out after each wave.
fn reached(waves: &[usize]) -> impl Iterator<Item = usize> + '_ {
    waves.iter().scan(0_usize, |sum, wave| {
        *sum = sum.saturating_add(*wave);
        Some(*sum)
    })
}

/// The waves of a request: its own rule if it has one that is strict enough, or else the template's.
pub fn in_force<'a>(
    template: Option<&'a Rule>,
    request: Option<&'a Rule>,
    jobs: usize,
) -> Result<Option<&'a Rule>, Problem> {
    let (Some(own), hint) = (request, "leave `waves` out, or make it stricter than the template's") else {
        return Ok(template);
    };
    if let Some((path, what, hint)) = own.faults().into_iter().next() {
        let at = std::iter::once("waves").chain(path).collect::<Vec<_>>().join(".");
        return Err(Problem::new(Code::BadWaves, what).at(at).hint(hint));
    }
    if let Some(template) = template
        && let Err((at, what)) = own.at_least_as_strict_as(template, jobs)
    {
        return Err(Problem::new(Code::LooserWaves, what).at(at).hint(hint));
    }
    Ok(Some(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(sizes: &str) -> Rule {
        toml::from_str(&format!("sizes = {sizes}")).unwrap()
    }

    #[test]
    fn waves_are_cut_by_number_by_share_and_by_what_is_left() {
        let cut = |sizes, jobs| rule(sizes).cut(jobs);
        assert_eq!(cut(r#"["1", 5, "25%", "rest"]"#, 100), [1, 5, 25, 69]);
        assert_eq!(cut(r#"["1", "5", "25%", "rest"]"#, 4), [1, 3]);
        assert_eq!(cut(r#"["1%", "rest"]"#, 10), [1, 9]);
        assert_eq!(cut(r#"["rest"]"#, 3), [3]);
        assert_eq!(cut(r#"["1", "rest"]"#, 0), [] as [usize; 0]);
    }

    #[test]
    fn what_is_no_wave_is_refused_with_the_reason() {
        let refused = |text: &str| toml::from_str::<Rule>(text).unwrap_err().message().to_owned();
        assert!(refused("sizes = [\"0\"]").contains("a wave of 0 jobs proves nothing"));
        assert!(refused("sizes = [\"101%\"]").contains("`101%` is over 100%"));
        assert!(refused("sizes = [\"0%\"]").contains("is nothing"));
        assert!(refused("sizes = [\"some\"]").contains("not the size of a wave"));
        assert!(refused("sizes = [-1]").contains("not the size of a wave"));
        assert!(refused("sizes = [\"rest\"]\nproven = { share = \"300%\" }").contains("over 100%"));
        let wrong =
            |sizes| rule(sizes).faults().into_iter().map(|(path, ..)| path.concat()).collect::<Vec<_>>();
        for sizes in
            ["[]", r#"["5"]"#, r#"["rest", "5"]"#, r#"["rest", "rest"]"#, r#"["60%", "60%", "rest"]"#]
        {
            assert_eq!(wrong(sizes), ["sizes"], "{sizes}");
        }
        assert!(wrong(r#"["1", "5", "rest"]"#).is_empty());
    }

    #[test]
    fn a_request_may_only_be_stricter_than_its_template() {
        let template: Rule = toml::from_str(
            "sizes = [\"2\", \"50%\", \"rest\"]\nproven = { share = \"80%\", by = \"green\" }\nsoak_minutes = 60\n\
             approvals = { count = 1 }",
        )
        .unwrap();
        let allowed = |more: &str| {
            let own: Rule = toml::from_str(more).unwrap();
            in_force(Some(&template), Some(&own), 20).map(drop).map_err(|problem| problem.at.unwrap())
        };
        let rest = "\nsoak_minutes = 60\napprovals = { count = 2 }\nproven = { share = \"80%\" }";
        assert_eq!(allowed(&format!("sizes = [\"1\", \"1\", \"9\", \"rest\"]{rest}")), Ok(()));
        assert_eq!(allowed(&format!("sizes = [\"3\", \"rest\"]{rest}")), Err("waves.sizes".into()));
        let strict = "sizes = [\"1\", \"5\", \"rest\"]\n";
        for (more, at) in [
            ("soak_minutes = 60\napprovals = {}\nproven = { share = \"70%\" }", "waves.proven"),
            ("soak_minutes = 59\napprovals = {}", "waves.soak_minutes"),
            ("soak_minutes = 60", "waves.approvals"),
            ("soak_minutes = 60\napprovals = { role = \"friend\" }", "waves.approvals"),
        ] {
            assert_eq!(allowed(&format!("{strict}{more}")), Err(at.into()), "{more}");
        }
        assert_eq!(in_force(Some(&template), None, 20), Ok(Some(&template)));
        assert_eq!(in_force(None, None, 20), Ok(None));
    }
}
