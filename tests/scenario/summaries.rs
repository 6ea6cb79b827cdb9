//! One comment at GitHub for each request, kept up to date while the request goes on, and made anew when somebody deletes it.

use serde_json::{Value, json};
use sluicegate::{
    clock::{Clock as _, SystemClock},
    job::time::Millis,
};

use crate::{
    aftermath::assert_sound,
    stage::{BOT_TOKEN, Settings, Stage, wire},
    week::{
        setting::{BEGINS, with_moved_clocks},
        time::{STEP_MS, ms, step},
    },
    world::{scenario, story},
};

const TOLD: &str = r#"
[[notices.sink]]
name = "tracking"
kind = "github_comment"
repository = "acme/operations"
number = 3
[[notices.summary]]
to = "tracking"
teams = ["platform"]
"#;
const ISSUE: &str = "[[repositories]]\nmatch = \"acme/operations\"\nissues = 3\n";
/// Of our own time.
const PATIENCE: Millis = Millis::minutes(3);

/// A stage on which time goes on as the test tells it.
struct Tracking {
    stage: Stage,
    now_ms: i64,
}

/// What the bot asks of the stand-in.
fn forge(stage: &Stage, method: &str, path: &str) -> (u16, String) {
    let bearer = format!("Bearer {BOT_TOKEN}");
    wire::exchange(&stage.simulator_url, method, path, &[("authorization", &bearer)], b"").unwrap()
}

impl Tracking {
    /// The comments on the issue: id and text.
    fn comments(&self) -> Vec<(u64, String)> {
        let (status, body) = forge(&self.stage, "GET", "/repos/acme/operations/issues/3/comments");
        assert_eq!(status, 200, "{body}");
        let listed: Vec<Value> = serde_json::from_str(&body).unwrap();
        let read = |one: Value| (one["id"].as_u64().unwrap(), one["body"].as_str().unwrap().to_owned());
        listed.into_iter().map(read).collect()
    }

    /// Goes on until the only comment says this; gives its id and text.
    fn until_told(&mut self, what: &str) -> (u64, String) {
        let patience = SystemClock.now().plus(PATIENCE);
        loop {
            let mut comments = self.comments();
            assert!(comments.len() <= 1, "one message for a request: {comments:#?}");
            if let Some(told) = comments.pop().filter(|(_, text)| text.contains(what)) {
                return told;
            }
            assert!(SystemClock.now() < patience, "not told within {PATIENCE}: {what}");
            self.now_ms = step(&self.stage, self.now_ms, STEP_MS);
        }
    }
}

#[test]
fn a_request_is_one_comment_that_is_edited_and_made_anew_when_somebody_deletes_it() {
    let settings =
        Settings { slots: 2, reviewers: vec![("ana", 20)], more: TOLD.to_owned(), ..Settings::default() };
    let clock = format!("[server]\nmanual_clock_from = \"{BEGINS}\"\n");
    let times = story("*", "run_ms = [600000, 900000]\nreview_after_ms = [3600000, 7200000]");
    let mut stage = Stage::set(&scenario(&format!("{clock}{ISSUE}{times}")), &settings);
    with_moved_clocks(&mut stage, &settings);
    stage.open();
    let mut tracking = Tracking { stage, now_ms: ms(BEGINS) };
    let names = ["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8"];
    let request = tracking.stage.submit("bump", &names, &json!({}));

    let (first, text) = tracking.until_told("Jobs: `8: ");
    assert!(text.contains(&request) && text.contains("Owner: `dana`"), "{text}");
    assert!(!text.contains("Time left"), "nobody can tell yet: {text}");
    let (edited, text) = tracking.until_told("Time left: `about ");
    assert_eq!(edited, first, "{text}");
    assert!(text.contains("at the pace so far") && text.contains("waits for its review by ana"), "{text}");

    // Nothing more can be said of how long it takes while the line stands still.
    tracking.stage.json(&["pause", "global", "--reason", "a look at the first ones"]);
    let (status, said) =
        forge(&tracking.stage, "DELETE", &format!("/repos/acme/operations/issues/comments/{first}"));
    assert_eq!(status, 204, "{said}");
    let (anew, text) = tracking.until_told("in review");
    assert_ne!(anew, first, "{text}");
    assert!(!text.contains("Time left"), "{text}");

    tracking.stage.json(&["resume", "global", "--reason", "they are fine"]);
    let (last, text) = tracking.until_told("bump@\u{200b}1 for platform: done");
    assert_eq!(last, anew, "{text}");
    assert!(text.contains("Jobs: `8: 8 succeeded`") && !text.contains("Time left"), "{text}");
    assert_sound(tracking.stage, &settings, &[]);
}
