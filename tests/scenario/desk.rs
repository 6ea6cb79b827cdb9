//! The desk through the program: what is held for an approval is on it, and what people say of it is kept.

use serde_json::{Value, json};

use crate::{
    stage::{Settings, Stage, eventually},
    world::scenario,
};

#[test]
fn what_is_held_for_an_approval_is_on_the_desk_until_it_is_given() {
    let more = "[desk]\nact_within_hours = 1\nact_within_hours_by_kind = { approval = 2 }\nremind_hours = 4\nescalate_to = \"erin\"\n";
    let settings = Settings { more: more.to_owned(), ..Settings::default() };
    let mut stage = Stage::set(&scenario(""), &settings);
    stage.open();
    assert!(stage.sluice(&["desk"]).out.contains("nothing needs a person"));
    let request = stage.submit("bump", &["api"], &json!({ "hold": true }));
    let listed = stage.sluice(&["desk"]);
    for part in ["approval", "dana", "1 job of request ", "sluice approve --request "] {
        assert!(listed.out.contains(part), "{part}: {}", listed.out);
    }
    let item = stage.json(&["desk"])["items"][0]["id"].as_str().unwrap().to_owned();
    let said = |words: &[&str]| {
        let ran = stage.sluice(&[&["desk"], words, &["--reason", "seen", "--actor", "ana"]].concat());
        assert_eq!(ran.code, 0, "{words:?}: {ran:?}");
        ran.out
    };
    assert!(said(&["snooze", &item, "--until", "2h"]).contains("rests until "));
    assert!(stage.sluice(&["desk"]).out.contains("1 more thing"), "{:?}", stage.sluice(&["desk"]));
    assert!(said(&["acknowledge", &item]).contains("ana has seen it"));
    assert!(stage.sluice(&["desk", "list", "--all"]).out.contains("ana has seen it"));
    assert!(said(&["reassign", &item, "--to", "ben"]).contains("given to ben"));
    let all = stage.json(&["desk", "list", "--all"]);
    assert_eq!(all["items"][0]["owner"], "ben");
    assert_eq!(stage.sluice(&["desk", "acknowledge", "00000000", "--reason", "x"]).code, 5);
    assert_eq!(
        stage.sluice(&["approve", "--request", &request, "--reason", "fine", "--actor", "ana"]).code,
        0
    );
    eventually("an empty desk", || {
        (stage.json(&["desk", "list", "--all"])["items"] == Value::Array(Vec::new())).then_some(())
    });
}
