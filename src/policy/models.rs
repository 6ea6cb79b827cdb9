//! Which model works on a job: what the request asks for, else the most specific route, else the template's, else the default.
//! A model that is blocked for a class of repositories is not used there, whoever asks for it.

use crate::{
    budget::glob::{Narrow, matches},
    policy::{
        decision::{Finding, Outcome},
        glob::names_overlap,
        problem::{Code, Problem},
        repositories::Class,
        request::Request,
        template::{Risk, Template},
        text,
    },
};

/// Of repositories, the mildest first.
pub const CLASSES: [&str; 3] =
    [Class::Standard.as_str(), Class::Sensitive.as_str(), Class::Regulated.as_str()];
/// Names every class in `blocked_for`.
pub const EVERY_CLASS: &str = "*";

/// Where jobs of some kind go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The rule's name in findings, such as `route 2`.
    pub name: String,
    /// Glob of the templates; None: all.
    pub template: Option<String>,
    pub risk: Option<Risk>,
    /// Of the repository.
    pub class: Option<Class>,
    pub model: String,
}

impl Route {
    /// A class weighs more than a risk, and a risk more than a template.
    fn rank(&self) -> (bool, bool, Narrow) {
        let template = self.template.as_deref().map_or(Narrow::Everything, Narrow::of);
        (self.class.is_some(), self.risk.is_some(), template)
    }

    fn fits(&self, template: &str, risk: Risk, class: Class) -> bool {
        self.template.as_deref().is_none_or(|glob| matches(glob, template))
            && self.risk.is_none_or(|wanted| wanted == risk)
            && self.class.is_none_or(|wanted| wanted == class)
    }

    /// True if some job fits both, neither outranks the other, and they name different models.
    pub fn contradicts(&self, other: &Self) -> bool {
        let template = match (&self.template, &other.template) {
            (Some(one), Some(two)) => names_overlap(one, two),
            (None, None) => true,
            _ => false,
        };
        self.rank() == other.rank()
            && self.risk == other.risk
            && self.class == other.class
            && template
            && self.model != other.model
    }
}

/// A model that the operator knows of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// A glob.
    pub name: String,
    /// Classes of repositories in which it is not used.
    pub blocked_for: Vec<String>,
}

/// Everything that is configured of models.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Models {
    pub routes: Vec<Route>,
    /// Empty: every model counts as known.
    pub known: Vec<Known>,
    /// Globs of the models that may be used; empty: all.
    pub allowed: Vec<String>,
    pub default: Option<String>,
}

/// The model of a job and how it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// None: the provider chooses.
    pub model: Option<String>,
    /// `request`, a route's name, `template`, `default` or `provider`.
    pub by: String,
    pub findings: Vec<Finding>,
}

impl Models {
    /// Chooses for one class of repositories.
    pub fn choose(&self, template: &Template, class: Class, request: &Request) -> Result<Choice, Problem> {
        let (routed, by) = self.routed(template, class);
        let mut findings = Vec::new();
        let (model, by) = match request.model.as_deref() {
            Some(wanted) if routed != Some(wanted) => {
                findings.push(escalation(request, wanted, routed, &by)?);
                (Some(wanted), "request".to_owned())
            }
            _ => (routed, by),
        };
        findings.extend(self.judge(model, class, &by));
        Ok(Choice { model: model.map(str::to_owned), by, findings })
    }

    fn routed<'a>(&'a self, template: &'a Template, class: Class) -> (Option<&'a str>, String) {
        let fitting = self.routes.iter().filter(|route| route.fits(&template.name, template.risk, class));
        if let Some(route) = fitting.max_by_key(|route| route.rank()) {
            return (Some(&route.model), route.name.clone());
        }
        match (&template.model, &self.default) {
            (Some(model), _) => (Some(model), "template".to_owned()),
            (None, Some(model)) => (Some(model), "default".to_owned()),
            (None, None) => (None, "provider".to_owned()),
        }
    }

    fn judge(&self, model: Option<&str>, class: Class, by: &str) -> Option<Finding> {
        let class_blocks = |known: &&Known| {
            let named = |blocked: &String| blocked == EVERY_CLASS || blocked == class.as_str();
            known.blocked_for.iter().any(named)
        };
        let told = |outcome, reason, text: String| Some(Finding::new(outcome, reason, text).by(by));
        let place = format!("{class} repositories");
        let Some(model) = model else {
            let known = self.known.iter().find(class_blocks)?;
            let text = format!(
                "no model is routed, and the provider could choose `{}`, which is blocked for {place}",
                known.name
            );
            return told(Outcome::Deny, "model-not-routed", text);
        };
        let mut fitting = self.known.iter().filter(|known| matches(&known.name, model)).peekable();
        if fitting.peek().is_none() && !self.known.is_empty() {
            let text = format!("the model `{}` is not among the known ones", text::shorten(model, 80));
            return self.outside(model, by).or_else(|| told(Outcome::Allow, "model-unknown", text));
        }
        if let Some(known) = fitting.find(class_blocks) {
            let text =
                format!("the model `{}` is blocked for {place} (`{}`)", text::shorten(model, 80), known.name);
            return told(Outcome::Deny, "model-blocked", text);
        }
        self.outside(model, by)
    }

    fn outside(&self, model: &str, by: &str) -> Option<Finding> {
        if self.allowed.is_empty() || self.allowed.iter().any(|glob| matches(glob, model)) {
            return None;
        }
        let globs = text::shorten(&self.allowed.join(", "), 200);
        let text = format!(
            "the model `{}` is outside the list of this installation ({globs})",
            text::shorten(model, 80)
        );
        Some(Finding::new(Outcome::Deny, "model-not-allowed", text).by(by))
    }
}

fn escalation(request: &Request, wanted: &str, routed: Option<&str>, by: &str) -> Result<Finding, Problem> {
    let instead = routed.unwrap_or("what the provider chooses");
    let Some(reason) = request.model_reason.as_deref().filter(|reason| !reason.trim().is_empty()) else {
        let what = format!("`{wanted}` is asked for instead of `{instead}` ({by}), and no reason is given");
        let hint = "say why in `model_reason`, or leave `model` out";
        return Err(Problem::new(Code::ReasonMissing, what).at("model_reason").hint(hint));
    };
    let text = format!(
        "asks for the model `{wanted}` instead of `{instead}` ({by}): {}",
        text::shorten(reason, 200)
    );
    Ok(Finding::new(Outcome::NeedsApproval, "model-escalated", text).by("request"))
}

/// True if the model that worked is not the one that was asked for. The provider may put a prefix and a colon before its name.
///
/// ```
/// use sluicegate::policy::models::differs;
/// assert!(!differs("claude-sonnet-4.6", "sweagent-capi:claude-sonnet-4.6"));
/// assert!(differs("claude-sonnet-4.6", "gpt-5.4"));
/// ```
pub fn differs(wanted: &str, used: &str) -> bool {
    let bare = |name: &str| name.rsplit(':').next().unwrap_or_default().trim().to_ascii_lowercase();
    // Before a session starts there is only the word that stands for a choice still to be made.
    !matches!(bare(used).as_str(), "" | "auto") && bare(wanted) != bare(used)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(template: Option<&str>, risk: Option<Risk>, class: Option<Class>, model: &str) -> Route {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Route { name: model.to_owned(), template: owned(template), risk, class, model: model.to_owned() }
    }

    #[test]
    fn routes_contradict_only_where_one_job_could_fit_both_and_neither_is_more_specific() {
        let of = |one: &Route, two: &Route| one.contradicts(two) && two.contradicts(one);
        let all = route(None, None, None, "a");
        assert!(of(&all, &route(None, None, None, "b")) && !of(&all, &route(None, None, None, "a")));
        assert!(!of(&all, &route(None, Some(Risk::High), None, "b")));
        let glob = |text, model| route(Some(text), None, None, model);
        assert!(of(&glob("dep-*", "a"), &glob("*-dep", "b")), "`dep-dep` fits both");
        assert!(!of(&glob("dep-*", "a"), &glob("new-*", "b")));
        assert!(!of(&glob("dep-*", "a"), &glob("dep-up*", "b")), "the longer one wins");
        let high = |class: Class| route(None, Some(Risk::High), Some(class), class.as_str());
        assert!(!of(&high(Class::Sensitive), &high(Class::Regulated)));
    }

    #[test]
    fn a_model_differs_by_its_own_name_and_not_before_it_is_known() {
        assert!(!differs("gpt-5.4", "sweagent-capi:GPT-5.4") && !differs("gpt-5.4", "auto"));
        assert!(!differs("gpt-5.4", "") && differs("gpt-5.4", "x:gpt-5.4-mini"));
    }
}
