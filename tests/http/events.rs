//! Events as they happen: filters, going on after the last one, and many readers.

use axum::{
    body::{Body, BodyDataStream},
    http::{Request, header},
};
use futures::StreamExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::house::{House, TOKEN, by};

/// An open stream.
struct Reader {
    body: BodyDataStream,
    text: String,
}

impl Reader {
    async fn open(house: &House, query: &str, last: Option<i64>) -> Self {
        let mut request = Request::builder().uri(format!("/v1/events{query}"));
        request = request.header(header::AUTHORIZATION, format!("Bearer {TOKEN}"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = house.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        Self { body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// The next event: id, kind, body. Blocks without data are passed over.
    async fn next(&mut self) -> (i64, String, Value) {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    block
                        .lines()
                        .find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(": ")?.to_owned()))
                };
                let found = field("data").map(|data| {
                    (
                        field("id").unwrap().parse().unwrap(),
                        field("event").unwrap(),
                        serde_json::from_str(&data).unwrap(),
                    )
                });
                self.text = rest.to_owned();
                if let Some(found) = found {
                    return found;
                }
            }
            let chunk = self.body.next().await.expect("the stream ended").unwrap();
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

#[tokio::test]
async fn a_reader_is_told_what_happens_from_then_on() {
    let house = House::new().await;
    house.submit(&["acme/before"], true).await;
    let mut reader = Reader::open(&house, "", None).await;
    let (request, jobs) = house.submit(&["acme/api"], true).await;
    let (position, kind, body) = reader.next().await;
    assert_eq!(
        (kind.as_str(), body["request"].as_str()),
        ("request.accepted", Some(request.as_str())),
        "{body}"
    );
    house.post(&format!("/v1/jobs/{}/cancel", jobs[0]), &by("ana", "not now")).await.ok();
    loop {
        let (later, kind, body) = reader.next().await;
        assert!(later > position);
        if kind == "job.cancelled" {
            assert_eq!(body["state"], "cancelled");
            assert_eq!((body["actor"].as_str(), body["reason"].as_str()), (Some("ana"), Some("not now")));
            break;
        }
    }
}

#[tokio::test]
async fn one_who_comes_back_misses_nothing_and_hears_nothing_twice() {
    let house = House::new().await;
    let (_, jobs) = house.submit(&["acme/api", "acme/web"], true).await;
    for job in &jobs {
        house.post(&format!("/v1/jobs/{job}/cancel"), &by("ana", "no")).await.ok();
    }
    let head = house.context.ledger.head().await.unwrap().seq;
    let mut whole = Vec::new();
    let mut reader = Reader::open(&house, "", Some(0)).await;
    while whole.last().is_none_or(|last| *last < head) {
        whole.push(reader.next().await.0);
    }
    for (index, last) in whole.iter().enumerate().take(whole.len() - 1) {
        let mut again = Reader::open(&house, "", Some(*last)).await;
        for expected in &whole[index + 1..] {
            assert_eq!(again.next().await.0, *expected);
        }
    }
}

#[tokio::test]
async fn a_reader_hears_only_of_what_it_asked_for() {
    let house = House::new().await;
    let (one, jobs) = house.submit(&["acme/api", "acme/web"], true).await;
    house.submit(&["acme/other"], true).await;
    for job in &jobs {
        house.post(&format!("/v1/jobs/{job}/cancel"), &by("ana", "no")).await.ok();
    }
    let mut of_request = Reader::open(&house, &format!("?request={one}"), Some(0)).await;
    let mut of_job = Reader::open(&house, &format!("?job={}", jobs[1]), Some(0)).await;
    loop {
        let (_, kind, body) = of_request.next().await;
        assert_eq!(body["request"], one);
        if kind == "job.cancelled" && body["job"] == jobs[1].to_string() {
            break;
        }
    }
    let (_, kind, body) = of_job.next().await;
    assert_eq!((kind.as_str(), body["job"].as_str()), ("job.cancelled", Some(jobs[1].to_string().as_str())));
}

#[tokio::test]
async fn a_thousand_readers_hear_everything_over_one_tail() {
    let house = House::new().await;
    let mut readers = Vec::new();
    for _ in 0..1_000 {
        readers.push(Reader::open(&house, "", None).await);
    }
    let (_, jobs) = house.submit(&["acme/api"], true).await;
    let listening = readers.into_iter().map(|mut reader| async move {
        let mut kinds = Vec::new();
        while kinds.last().is_none_or(|kind| kind != "job.cancelled") {
            kinds.push(reader.next().await.1);
        }
        kinds
    });
    let cancel = async {
        house.post(&format!("/v1/jobs/{}/cancel", jobs[0]), &by("ana", "no")).await.ok();
    };
    let (heard, ()) = tokio::join!(futures::future::join_all(listening), cancel);
    assert!(heard.iter().all(|kinds| *kinds == heard[0] && kinds[0] == "request.accepted"), "{:?}", heard[0]);
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_cut_off_and_goes_on_from_where_it_was() {
    let house = House::new().await;
    let mut slow = Reader::open(&house, "", None).await;
    // It listens while something happens: one that has not listened yet is not slow.
    let ((mut last, _, _), _) = tokio::join!(slow.next(), async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        house.submit(&["acme/first"], true).await
    });
    let mut quick = Reader::open(&house, "", Some(last)).await;
    let mut all = Vec::new();
    // More than is kept for readers that are behind. The quick one listens meanwhile, so that each is told for itself.
    for number in 0..120 {
        let repository = format!("acme/r{number}");
        let repositories = [repository.as_str()];
        let ((id, kind, _), _) = tokio::join!(quick.next(), house.submit(&repositories, true));
        assert_eq!(kind, "request.accepted");
        all.push(id);
    }
    let mut told = Vec::new();
    let end = format!("id: {}\n", all.last().unwrap());
    while let Some(Ok(chunk)) = slow.body.next().await {
        slow.text.push_str(std::str::from_utf8(&chunk).unwrap());
        assert!(!slow.text.contains(&end), "it was not cut off");
    }
    for line in slow.text.lines().filter_map(|line| line.strip_prefix("id: ")) {
        last = line.parse().unwrap();
        told.push(last);
    }
    let mut again = Reader::open(&house, "", Some(last)).await;
    while told.last() != all.last() {
        told.push(again.next().await.0);
    }
    for id in &all {
        assert!(told.contains(id), "{id} was lost");
    }
}

#[tokio::test]
async fn a_position_that_the_history_does_not_have_is_refused() {
    let house = House::new().await;
    for last in ["-1", "9999999", "x", ""] {
        let answer = house.send("GET", "/v1/events", &[("last-event-id", last)], "").await;
        assert_eq!(answer.error(), (400, "bad-cursor"), "{last}");
    }
    assert_eq!(house.get("/v1/events?request=abcd").await.error(), (404, "unknown-request"));
    assert_eq!(house.get("/v1/events?kind=x").await.error(), (400, "bad-filter"));
}

#[tokio::test]
async fn the_stream_ends_with_the_daemon() {
    let house = House::new().await;
    let mut reader = Reader::open(&house, "", None).await;
    house.context.shutdown.cancel();
    while let Some(chunk) = reader.body.next().await {
        chunk.unwrap();
    }
}
