//! The token is in the request and nowhere else.

use std::sync::Arc;

use sluicegate::{
    agent::{
        Agent, FailKind,
        github::{GitHub, GitHubOptions, Identity, Reread, TransportError},
    },
    clock::SystemClock,
    job::remote::TaskId,
};

use crate::{scripted::*, start::order};

#[test]
fn debug_output_shows_no_token() {
    let shown = format!("{:?} {:?}", options(), bench(|_| ok("")).github);
    assert!(shown.contains("bot") && !shown.contains(TOKEN), "{shown}");
}

#[tokio::test]
async fn a_token_that_is_echoed_is_taken_out_of_the_error() {
    let echo = format!(r#"{{"message":"bad header Bearer {TOKEN}","errors":["{TOKEN}"]}}"#);
    let torn = TransportError { sent: true, message: format!("cannot send Bearer {TOKEN}") };
    for outcome in
        [reply(400, &[], echo.clone()), reply(403, &[], echo.clone()), reply(500, &[], echo), Err(torn)]
    {
        let error = bench_of([outcome]).github.start("bot", &order()).await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("[token]") && !shown.contains(TOKEN), "{shown}");
    }
}

#[tokio::test]
async fn a_request_shows_no_token_in_its_debug_output() {
    let bench = bench_of([ok(fixture("task"))]);
    bench.github.observe("bot", &TaskId("t".to_owned())).await.unwrap();
    let shown = format!("{:?}", bench.asked());
    assert!(shown.contains("Sensitive") && !shown.contains(TOKEN), "{shown}");
}

fn refused(identities: &[(&str, &str)], base_url: &str) -> String {
    let identities = identities
        .iter()
        .map(|(name, token)| Identity { name: (*name).to_owned(), token: (*token).into() })
        .collect();
    let options = GitHubOptions { identities, base_url: base_url.to_owned(), ..GitHubOptions::default() };
    GitHub::new(options, Arc::new(SystemClock)).unwrap_err().to_string()
}

#[test]
fn options_that_cannot_work_are_refused_without_naming_the_token() {
    let base = "https://api.github.com";
    assert_eq!(refused(&[("bot", "  \n")], base), "the token of identity `bot` is empty");
    assert_eq!(
        refused(&[("bot", "ghp_\u{7}x")], base),
        "the token of identity `bot` holds a character that no token has"
    );
    assert_eq!(refused(&[("bot", "a"), ("bot", "b")], base), "identity `bot` is given twice");
    assert!(refused(&[], "api.github.com").contains("`api.github.com`"));
    assert!(refused(&[], "ftp://api.github.com").contains("neither https:// nor http://"));
    assert!(!refused(&[], "https://me:hunter2@api.github.com").contains("hunter2"));
}

#[tokio::test]
async fn the_newline_that_ends_a_token_file_is_left_out() {
    let mut options = options();
    options.identities[0].token = format!("{TOKEN}\n").into();
    let bench = bench_with(options, |_| ok(fixture("task")));
    bench.github.observe("bot", &TaskId("t".to_owned())).await.unwrap();
    assert_eq!(bench.asked()[0].headers()["authorization"], format!("Bearer {TOKEN}"));
}

#[tokio::test]
async fn a_token_that_is_refused_is_read_again_once_and_used_if_it_is_another_one() {
    for (kept, sent) in [("ghp_another", 2), (TOKEN, 1), (" \n", 1)] {
        let kept = kept.to_owned();
        let reread = Reread(Arc::new(move |_| Some(kept.clone().into())));
        let options = GitHubOptions { reread: Some(reread), ..options() };
        let mut answers = 0;
        let bench = bench_with(options, move |_| {
            answers += 1;
            if answers == 1 {
                reply(401, &[], r#"{"message":"Bad credentials"}"#)
            } else {
                ok(fixture("task"))
            }
        });
        let started = bench.github.start("bot", &order()).await;
        let asked = bench.asked();
        assert_eq!(asked.len(), sent);
        if sent == 2 {
            assert_eq!(asked[1].headers()["authorization"], "Bearer ghp_another");
            started.unwrap();
        } else {
            assert_eq!(started.unwrap_err().kind, FailKind::Unauthorised);
        }
    }
}
