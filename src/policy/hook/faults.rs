//! What is wrong with the rules of a hook as far as templates tell: every request of such a rule would be refused.

use super::{Hook, Input, Rule};
use crate::policy::{
    Catalog, Template, hint, inputs,
    problem::{Code, Problem},
};

impl Hook {
    pub fn faults(&self, catalog: &Catalog) -> Vec<Problem> {
        let mut faults = Vec::new();
        for rule in &self.rules {
            let template =
                rule.fixed.template_version().and_then(|(name, version)| catalog.get(name, version));
            let found = match template {
                Ok(template) => inputs_of(rule, template),
                Err(problem) => vec![problem],
            };
            faults.extend(found.into_iter().map(|problem| {
                let name = &self.name;
                let what =
                    format!("every request of this rule of hook {name} would be refused: {}", problem.what);
                Problem { what, ..problem }.at(&rule.at)
            }));
        }
        faults
    }
}

/// Inputs that the template does not have, or would not take, or does not get.
fn inputs_of(rule: &Rule, template: &Template) -> Vec<Problem> {
    let known: Vec<&str> = inputs::properties(&template.inputs).map(|(name, _)| name.as_str()).collect();
    let wrong = |what: String| Problem::new(Code::WrongInput, what);
    let mut faults = Vec::new();
    for (name, input) in &rule.inputs {
        let Some((_, schema)) = inputs::properties(&template.inputs).find(|(known, _)| *known == name) else {
            let what = format!("the template has no input `{name}`");
            faults.push(wrong(what).hint(hint::did_you_mean(name, &known)));
            continue;
        };
        if let Input::Fixed(value) = input
            && inputs::compile(schema).is_ok_and(|schema| !schema.is_valid(value))
        {
            faults.push(wrong(format!("the template does not take {value} for the input `{name}`")));
        }
    }
    for (name, schema) in inputs::properties(&template.inputs) {
        if schema.get("default").is_none() && !rule.inputs.iter().any(|(given, _)| given == name) {
            let what = format!("the input `{name}` is missing");
            faults.push(wrong(what).hint(format!("add it to `inputs`: `{name} = \"...\"`, an expression")));
        }
    }
    faults
}
