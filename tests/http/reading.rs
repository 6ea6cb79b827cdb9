//! What holds for all that is read: pages, tags, the description, pages of errors, and how often a token may ask.

use axum::http::{StatusCode, header};
use sluicegate::http::{Access, Code, Limits, guarded};

use crate::house::{House, TOKEN, by};

#[tokio::test]
async fn requests_are_paged_without_a_gap_and_without_a_repetition() {
    let house = House::new().await;
    let mut made = Vec::new();
    for number in 0..7 {
        made.push(house.submit(&[&format!("acme/r{number}")], true).await.0);
    }
    made.reverse();
    let mut found = Vec::new();
    let mut path = "/v1/requests?limit=3".to_owned();
    loop {
        let page = house.get(&path).await.ok();
        let views = page["requests"].as_array().unwrap();
        found.extend(views.iter().map(|view| view["request"]["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/requests?limit=3&after={next}");
    }
    // Those of one moment stand in the order of their ids.
    let (mut sorted, mut expected) = (found.clone(), made.clone());
    sorted.sort();
    expected.sort();
    assert_eq!((found.len(), sorted), (7, expected));
}

#[tokio::test]
async fn a_cursor_that_names_nothing_is_refused() {
    let house = House::new().await;
    let nobody = "0193d6f0-5d7c-7b57-9d4c-4a4f3c9b8a11";
    for list in ["requests", "notices"] {
        let answer = house.get(&format!("/v1/{list}?after={nobody}")).await;
        assert_eq!(answer.error(), (400, "bad-cursor"), "{list}");
        assert_eq!(house.get(&format!("/v1/{list}?after=x")).await.error(), (400, "bad-filter"), "{list}");
    }
}

#[tokio::test]
async fn budgets_are_paged_by_their_keys() {
    let house = House::new().await;
    house.submit(&["acme/api", "acme/web"], false).await;
    let whole = house.get("/v1/budgets").await.ok();
    let keys = |page: &serde_json::Value| {
        let views = page["budgets"].as_array().unwrap().iter();
        views.map(|view| view["key"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let mut found = Vec::new();
    let mut after = String::new();
    loop {
        let page = house.get(&format!("/v1/budgets?limit=1&after={after}")).await.ok();
        found.extend(keys(&page));
        let Some(next) = page["next"].as_str() else { break };
        after = next.to_owned();
    }
    assert_eq!(found, keys(&whole));
    assert!(found.len() > 1, "{found:?}");
}

#[tokio::test]
async fn jobs_are_found_by_template_and_team() {
    let house = House::new().await;
    house.submit(&["acme/api"], true).await;
    for (query, found) in [
        ("template=bump", 1),
        ("template=other", 0),
        ("team=platform", 1),
        ("team=web", 0),
        ("template=bump&team=platform&repository=acme/api&state=held", 1),
    ] {
        let page = house.get(&format!("/v1/jobs?{query}")).await.ok();
        assert_eq!(page["jobs"].as_array().unwrap().len(), found, "{query}");
    }
}

#[tokio::test]
async fn what_the_asker_has_already_is_not_sent_again() {
    let house = House::new().await;
    let (_, jobs) = house.submit(&["acme/api"], true).await;
    let path = format!("/v1/jobs/{}", jobs[0]);
    let first = house.get(&path).await;
    let tag = first.headers[header::ETAG].to_str().unwrap().to_owned();
    assert!(tag.starts_with("W/\""), "{tag}");
    let again = house.send("GET", &path, &[("if-none-match", &tag)], "").await;
    assert_eq!((again.status, again.body.as_str()), (StatusCode::NOT_MODIFIED, Some("")));
    assert_eq!(again.headers[header::ETAG].to_str().unwrap(), tag);
    house.post(&format!("{path}/cancel"), &by("ana", "no")).await.ok();
    let changed = house.send("GET", &path, &[("if-none-match", &tag)], "").await;
    assert_ne!(changed.headers[header::ETAG].to_str().unwrap(), tag);
    assert_eq!(changed.ok()["job"]["state"], "cancelled");
    let missing = house.get("/v1/jobs/abcd").await;
    assert!(missing.headers.get(header::ETAG).is_none());
}

#[tokio::test]
async fn the_description_and_the_pages_of_errors_are_open_to_everybody() {
    let house = House::new().await;
    let open = |path: &str| {
        let request = axum::http::Request::builder().uri(path).body(axum::body::Body::empty()).unwrap();
        house.raw(request)
    };
    let api = open("/openapi.json").await.ok();
    assert_eq!(api["openapi"], "3.1.0");
    for code in Code::ALL {
        let page = open(&format!("/errors/{}", code.as_str())).await;
        assert_eq!(page.headers[header::CONTENT_TYPE], "text/markdown; charset=utf-8");
        assert!(page.ok().as_str().unwrap().starts_with(&format!("# `{}`", code.as_str())));
    }
    assert_eq!(open("/errors/nothing").await.error(), (404, "unknown-route"));
}

#[tokio::test]
async fn a_token_that_asks_too_often_is_told_when_to_come_back() {
    let house = House::new().await;
    let limits = Limits { requests_per_second: 1, burst: 2 };
    let router = guarded(std::sync::Arc::clone(&house.context), Access::local(TOKEN.into()), limits);
    let house = House { router, ..house };
    for _ in 0..2 {
        house.get("/v1/workers").await.ok();
    }
    let answer = house.get("/v1/workers").await;
    assert_eq!(answer.error(), (429, "rate-limited"));
    assert_eq!(answer.headers[header::RETRY_AFTER], "1");
    // A wrong token is refused as such, and uses nothing up.
    let wrong =
        axum::http::Request::builder().uri("/v1/workers").header(header::AUTHORIZATION, "Bearer nobody");
    let answer = house.raw(wrong.body(axum::body::Body::empty()).unwrap()).await;
    assert_eq!(answer.error(), (401, "unauthorised"));
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_given_up() {
    let house = House::new().await;
    tokio::time::pause();
    let body = axum::body::Body::from_stream(futures::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let request = axum::http::Request::builder()
        .method("POST")
        .uri("/v1/requests")
        .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"))
        .header(header::CONTENT_TYPE, "application/json");
    let answer = house.raw(request.body(body).unwrap()).await;
    assert_eq!(answer.error(), (408, "body-too-slow"));
}
