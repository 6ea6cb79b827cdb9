//! Traces of a real daemon, taken by a collector of our own that speaks OTLP over HTTP.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use serde_json::{Value, json};

use crate::{
    stage::{Settings, Stage, eventually, id},
    world::scenario,
};

/// Takes what is sent to `/v1/traces`; refuses the first requests.
struct Collector {
    url: String,
    taken: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Collector {
    fn start(refusals: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let taken: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let (kept, left) = (Arc::clone(&taken), AtomicU32::new(refusals));
        // Ends with the process; every answer closes its connection.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (head, body) = request(stream.try_clone().unwrap());
                let refused =
                    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
                let status = if refused { "503 Service Unavailable" } else { "200 OK" };
                let answer =
                    format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}");
                if !refused {
                    kept.lock().unwrap().push((head, serde_json::from_slice(&body).unwrap()));
                }
                drop((&stream).write_all(answer.as_bytes()));
            }
        });
        Self { url, taken }
    }

    fn spans(&self) -> Vec<Value> {
        let taken = self.taken.lock().unwrap();
        let of =
            |body: &Value| body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone();
        taken.iter().flat_map(|(_, body)| of(body)).collect()
    }
}

/// Head in lower case, and body.
fn request(mut stream: TcpStream) -> (String, Vec<u8>) {
    let (mut heard, mut piece) = (Vec::new(), [0; 4_096]);
    loop {
        let text = String::from_utf8_lossy(&heard).into_owned();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            let begin = head.len() + 4;
            if heard.len() >= begin + length.unwrap_or(0) {
                return (head, heard.split_off(begin));
            }
        }
        let read = stream.read(&mut piece).unwrap();
        assert!(read > 0, "the request breaks off: {text}");
        heard.extend_from_slice(&piece[..read]);
    }
}

fn attribute<'s>(span: &'s Value, key: &str) -> Option<&'s str> {
    let attributes = span["attributes"].as_array().unwrap();
    attributes.iter().find(|pair| pair["key"] == key)?["value"]["stringValue"].as_str()
}

fn time(span: &Value, key: &str) -> u128 {
    span[key].as_str().unwrap().parse().unwrap()
}

#[test]
fn a_job_is_one_trace_whose_spans_follow_each_other() {
    let collector = Collector::start(1);
    let more = format!("[otlp]\nendpoint = \"{}\"\ntoken = \"file:otlp-token\"\n", collector.url);
    let mut stage = Stage::set(&scenario(""), &Settings { more, ..Settings::default() });
    stage.write("otlp-token", "planted-otlp-token\n");
    stage.open();
    stage.submit("bump", &["api"], &json!({}));
    let job = stage.ends().remove(0);
    assert_eq!(job["state"], "succeeded", "{job}");
    let trace = id(&job).replace('-', "");
    let spans = eventually("the whole trace", || {
        let spans: Vec<Value> =
            collector.spans().into_iter().filter(|span| span["traceId"] == trace.as_str()).collect();
        spans.iter().any(|span| span["parentSpanId"].is_null()).then_some(spans)
    });
    let root = spans.iter().find(|span| span["parentSpanId"].is_null()).unwrap();
    assert_eq!(attribute(root, "cicd.pipeline.name"), Some("bump@1"));
    assert_eq!(attribute(root, "cicd.pipeline.result"), Some("success"));
    assert_eq!(attribute(root, "vcs.repository.name"), Some("api"));
    let mut parts: Vec<&Value> = spans.iter().filter(|span| !span["parentSpanId"].is_null()).collect();
    parts.sort_by_key(|span| (time(span, "startTimeUnixNano"), time(span, "endTimeUnixNano")));
    for part in &parts {
        assert_eq!(part["parentSpanId"], root["spanId"], "{part}");
        assert!(time(part, "startTimeUnixNano") >= time(root, "startTimeUnixNano"), "{part}");
        assert!(time(part, "startTimeUnixNano") <= time(part, "endTimeUnixNano"), "{part}");
        assert!(time(part, "endTimeUnixNano") <= time(root, "endTimeUnixNano"), "{part}");
    }
    let names: Vec<&str> = parts.iter().map(|span| span["name"].as_str().unwrap()).collect();
    for name in ["submit", "wait", "admit", "start", "run", "verify", "review"] {
        assert_eq!(names.iter().filter(|found| **found == name).count(), 1, "{name} in {names:?}");
    }
    let ids: std::collections::BTreeSet<&str> =
        spans.iter().map(|span| span["spanId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), spans.len(), "{names:?}");
    let run = parts.iter().find(|span| span["name"] == "run").unwrap();
    assert_eq!(attribute(run, "gen_ai.operation.name"), Some("invoke_agent"));
    assert_eq!(attribute(run, "gen_ai.request.model"), Some("gpt-5.4"));
    assert!(attribute(run, "gen_ai.conversation.id").is_some(), "{run}");
    let (head, body) = collector.taken.lock().unwrap()[0].clone();
    assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
    assert!(head.contains("authorization: bearer planted-otlp-token"), "{head}");
    let resource = &body["resourceSpans"][0]["resource"];
    assert_eq!(attribute(resource, "service.name"), Some("sluicegate"));
    assert!(stage.close().success());
    assert!(!stage.everything_said().contains("planted-otlp-token"));
}

#[test]
fn a_collector_that_is_away_costs_nothing_but_its_spans() {
    let more = "[otlp]\nendpoint = \"http://127.0.0.1:9\"\n".to_owned();
    let mut stage = Stage::set(&scenario(""), &Settings { more, ..Settings::default() });
    stage.open();
    stage.submit("branch", &["api"], &json!({}));
    stage.ends();
    assert!(stage.close().success());
}
