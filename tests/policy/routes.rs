//! Routes and models as the configuration has them: wrong ones are told with file, line and hint, good ones mean what they say.

use std::{collections::BTreeMap, fs};

use sluicegate::{
    config::{Loaded, Settings},
    policy::{repositories::Class, template::Risk},
};

fn load(text: &str) -> Result<Loaded, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sluice.toml");
    fs::write(&path, text).unwrap();
    let place = format!("{}/", folder.path().display());
    Settings::load(Some(&path), &BTreeMap::new()).map_err(|error| error.to_string().replace(&place, ""))
}

#[test]
fn wrong_routes_and_models_are_told_with_their_lines() {
    for (text, parts) in [
        ("[[route]]\ntemplate = \"a\"\n", &["sluice.toml:1:", "the key `model` is missing"][..]),
        ("[[route]]\nmodel = \"\"\n", &["sluice.toml:2:9: `` is not the name of a model"]),
        ("[[route]]\nmodel = \"a b\"\n", &["sluice.toml:2:9: `a b` is not the name of a model", "no blanks"]),
        (
            "[[route]]\nmodel = \"a\"\nrisk = \"hgih\"\n",
            &["sluice.toml:3:8: unknown word `hgih`", "did you mean `high`?"],
        ),
        (
            "[[route]]\nmodel = \"a\"\nclass = \"regulatd\"\n",
            &["sluice.toml:3:9: unknown word `regulatd`", "did you mean `regulated`?"],
        ),
        (
            "[[route]]\nmodel = \"a\"\ntemplate = \"A b\"\n",
            &["sluice.toml:3:12: `A b` is not a glob of templates"],
        ),
        (
            "[[model]]\nname = \"a\"\nblocked_for = [\"secret\"]\n",
            &["sluice.toml:3:16: `secret` is not a class"],
        ),
        (
            "[[model]]\nname = \"a\"\n[[model]]\nname = \"a\"\n",
            &["sluice.toml:4:8: the model `a` is there twice, first at sluice.toml:2:8", "keep one"],
        ),
        (
            "[[route]]\nmodel = \"a\"\n[[route]]\nmodel = \"b\"\n",
            &[
                "sluice.toml:4:9: a job can fit this route (`b`) and the one at sluice.toml:2:9 (`a`)",
                "(contradictory-routes)",
                "add a `class`, a `risk` or a longer `template`",
            ],
        ),
        (
            "[[route]]\ntemplate = \"dep-*\"\nmodel = \"a\"\n[[route]]\ntemplate = \"*-dep\"\nmodel = \"b\"\n",
            &["sluice.toml:6:9: ", "sluice.toml:3:9"],
        ),
        (
            "[policy]\nmodels = [\"gpt-*\"]\n[[route]]\nmodel = \"claude-a\"\n",
            &["sluice.toml:4:9: the model `claude-a` is not allowed", "gpt-*"],
        ),
        (
            "[[model]]\nname = \"gpt-*\"\nblocked_for = [\"regulated\"]\n[[route]]\nclass = \"regulated\"\nmodel = \"gpt-5\"\n",
            &["sluice.toml:6:9: the route leads to `gpt-5`, which `gpt-*` blocks there"],
        ),
    ] {
        let told = load(text).unwrap_err();
        for part in parts {
            assert!(told.contains(part), "{text}\n{part}\n{told}");
        }
    }
}

#[test]
fn good_routes_mean_what_they_say_and_a_model_that_nobody_knows_is_a_warning() {
    let text = "[policy]\ndefault_model = \"d\"\n[[model]]\nname = \"claude-*\"\nblocked_for = [\"*\"]\n[[model]]\nname = \"d\"\n\
        [[route]]\nrisk = \"high\"\nclass = \"sensitive\"\nmodel = \"gpt-5\"\n[[route]]\nmodel = \"gpt-5\"\n[[route]]\nmodel = \"gpt-5\"\n";
    let loaded = load(text).unwrap();
    let models = &loaded.settings.models;
    assert_eq!((models.routes.len(), models.known.len(), models.default.as_deref()), (3, 2, Some("d")));
    let route = &models.routes[0];
    assert_eq!(
        (route.name.as_str(), route.risk, route.class),
        ("route 1", Some(Risk::High), Some(Class::Sensitive))
    );
    assert!(
        loaded.warnings.iter().any(|warning| warning.contains("`gpt-5`, which no [[model]] knows")),
        "{:?}",
        loaded.warnings
    );
}
