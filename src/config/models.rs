//! What [[route]] and [[model]] mean: which model works where, and which is not used where.

use crate::{
    budget::glob::matches,
    config::{limits::Faults, sections::Settings},
    policy::{
        Models, hint,
        models::{CLASSES, EVERY_CLASS, Known, Route},
        problem::{Code, Problem},
        repositories::Class,
        text,
    },
};

impl Faults<'_> {
    pub(super) fn models(&mut self, settings: &mut Settings) {
        let known = self.known_models(settings);
        let mut routes: Vec<Route> = Vec::new();
        for (index, written) in settings.routes.iter().enumerate() {
            let at = index.to_string();
            self.model_name(&["route", &at, "model"], &written.model);
            if let Some(glob) = &written.template {
                let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'*');
                if glob.is_empty() || !glob.bytes().all(plain) {
                    let what = format!("`{}` is not a glob of templates", text::shorten(glob, 80));
                    self.add(
                        &["route", &at, "template"],
                        what,
                        "write a name; `*` stands for any run of characters",
                    );
                }
            }
            let route = Route {
                name: format!("route {}", index.saturating_add(1)),
                template: written.template.clone(),
                risk: written.risk,
                class: written.class,
                model: written.model.clone(),
            };
            self.contradiction(&route, &at, &routes);
            self.route_model(&route, &at, &known, &settings.policy.models);
            routes.push(route);
        }
        settings.models = Models {
            routes,
            known,
            allowed: settings.policy.models.clone(),
            default: settings.policy.default_model.clone(),
        };
    }

    fn known_models(&mut self, settings: &Settings) -> Vec<Known> {
        let mut known: Vec<Known> = Vec::new();
        for (index, written) in settings.known_models.iter().enumerate() {
            let at = index.to_string();
            self.model_name(&["model", &at, "name"], &written.name);
            for (place, class) in written.blocked_for.iter().enumerate() {
                self.blocked_class(&["model", &at, "blocked_for", &place.to_string()], class);
            }
            if let Some(first) = known.iter().position(|other| other.name == written.name) {
                let first = self.place(&["model", &first.to_string(), "name"]);
                let what = format!("the model `{}` is there twice, first at {first}", written.name);
                self.add(&["model", &at, "name"], what, "keep one, with all classes that it is blocked for");
            }
            known.push(Known { name: written.name.clone(), blocked_for: written.blocked_for.clone() });
        }
        known
    }

    fn contradiction(&mut self, route: &Route, at: &str, before: &[Route]) {
        let Some(first) = before.iter().position(|other| other.contradicts(route)) else { return };
        let other = before.get(first).map(|other| other.model.clone()).unwrap_or_default();
        let place = self.place(&["route", &first.to_string(), "model"]);
        let what = format!(
            "a job can fit this route (`{}`) and the one at {place} (`{other}`), and neither is more specific",
            route.model
        );
        let hint = "add a `class`, a `risk` or a longer `template` to one of them, or name the same model";
        self.told(&["route", at, "model"], Problem::new(Code::ContradictoryRoutes, what).hint(hint));
    }

    /// A route that can only lead to a denial is a mistake.
    fn route_model(&mut self, route: &Route, at: &str, known: &[Known], allowed: &[String]) {
        let model = &route.model;
        if !allowed.is_empty() && !allowed.iter().any(|glob| matches(glob, model)) {
            let what = format!("the model `{}` is not allowed", text::shorten(model, 80));
            let hint = format!("[policy] models allows: {}", text::shorten(&allowed.join(", "), 200));
            self.told(&["route", at, "model"], Problem::new(Code::ModelNotAllowed, what).hint(hint));
        }
        let mut fitting = known.iter().filter(|known| matches(&known.name, model)).peekable();
        if fitting.peek().is_none() && !known.is_empty() {
            self.warnings.push(format!("{} names `{model}`, which no [[model]] knows", route.name));
        }
        let blocks = |known: &&Known| {
            let named = |class: &String| {
                class == EVERY_CLASS || Some(class.as_str()) == route.class.map(Class::as_str)
            };
            known.blocked_for.iter().any(named)
        };
        if let Some(known) = fitting.find(blocks) {
            let what = format!("the route leads to `{model}`, which `{}` blocks there", known.name);
            self.add(
                &["route", at, "model"],
                what,
                "name another model, or take the class out of `blocked_for`",
            );
        }
    }

    fn model_name(&mut self, path: &[&str], name: &str) {
        if !(1..=100).contains(&name.len()) || !name.chars().all(|c| c.is_ascii_graphic()) {
            let what = format!("`{}` is not the name of a model", text::shorten(name, 80));
            self.add(path, what, "use 1 to 100 printable characters, no blanks");
        }
    }

    fn blocked_class(&mut self, path: &[&str], class: &str) {
        if CLASSES.contains(&class) || class == EVERY_CLASS {
            return;
        }
        let what = format!("`{}` is not a class of repositories", text::shorten(class, 80));
        self.add(path, what, &hint::did_you_mean(class, &CLASSES));
    }
}
