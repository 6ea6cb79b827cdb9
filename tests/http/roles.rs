//! The table of roles: every route is in it, the page shows it, and every pair of role and route is as the page has it.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::json;
use sluicegate::{http::access::table, policy::access::Role};

use crate::house::House;

/// Writes the page's table instead of comparing it.
const RENEW: &str = "SLUICE_RENEW";
const BEGIN: &str = "<!-- table of roles: begin -->\n";
const END: &str = "<!-- table of roles: end -->\n";

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/access.md")).unwrap()
}

/// Something that fits the path and is not there.
fn named(path: &str) -> String {
    // A stream that is open has no end.
    let path = if path == "/v1/events" { "/v1/events?request=abcd" } else { path };
    path.replace("{owner}/{name}", "acme/api").replace("{id}", "abcd").replace("{name}", "nightly")
}

/// The routes as they are registered and described at once: `METHOD path`.
fn registered() -> Vec<String> {
    let api = sluicegate::http::description();
    let paths = api["paths"].as_object().unwrap().iter();
    let mut found: Vec<String> = paths
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    found.sort();
    found
}

#[test]
fn every_route_of_the_source_is_in_the_table_and_the_other_way_round() {
    let mut table: Vec<String> =
        table::TABLE.iter().map(|rule| format!("{} {}", rule.method, rule.path)).collect();
    table
        .extend(["/healthz", "/readyz", "/openapi.json", "/errors/{code}"].map(|open| format!("GET {open}")));
    table.push("POST /v1/hooks/{name}".to_owned());
    table.sort();
    assert_eq!(registered(), table, "a route without a row in src/http/access/table.rs lets nobody in");
    let mut once = table.clone();
    once.dedup();
    assert_eq!(once, table, "one row each");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the switch that renews the page; read by this test only")]
fn the_page_shows_the_table() {
    let page = page();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (shown, after) = rest.split_once(END).unwrap();
    if std::env::var_os(RENEW).is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/access.md");
        fs::write(path, format!("{before}{BEGIN}{}{END}{after}", table::markdown())).unwrap();
        return;
    }
    assert!(
        shown == table::markdown(),
        "docs/access.md is stale; renew it with: {RENEW}=1 cargo test --test http -- the_page_shows_the_table"
    );
}

#[tokio::test]
async fn every_pair_of_role_and_route_is_as_the_page_has_it() {
    let house = House::new().await;
    let page = page();
    let mut lines = page.lines().skip_while(|line| !line.starts_with("| route |"));
    let heads: Vec<&str> = lines.next().unwrap().split('|').map(str::trim).collect();
    let mut tokens = BTreeMap::new();
    for role in Role::ALL.iter().filter(|role| **role != Role::Delegate) {
        let name = format!("the-{role}");
        tokens.insert(role.as_str(), house.token(&name, &[role.as_str()], json!({})).await);
    }
    let mut pairs = 0;
    for line in lines.skip(1).take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let (method, path) = cells[1].trim_matches('`').split_once(' ').unwrap();
        for (head, cell) in heads.iter().zip(&cells) {
            let Some(token) = tokens.get(head) else { continue };
            let json = [("content-type", "application/json")];
            let answer = house.send_as(token, method, &named(path), &json, "{}").await;
            pairs += 1;
            if *cell == "yes" {
                let status = answer.status.as_u16();
                assert!(![401, 403, 405].contains(&status), "{head} {method} {path}: {}", answer.body);
                assert_ne!(answer.body["code"], "unknown-route", "{method} {path}");
            } else {
                assert_eq!(answer.error(), (403, "role-missing"), "{head} {method} {path}");
            }
        }
    }
    assert_eq!(pairs, table::TABLE.len() * (Role::ALL.len() - 1));
}

#[tokio::test]
async fn a_path_takes_only_the_methods_of_the_table() {
    let house = House::new().await;
    for rule in table::TABLE {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let listed = table::TABLE.iter().any(|other| (other.method, other.path) == (method, rule.path));
            if !listed {
                let answer = house.send(method, &named(rule.path), &[], "").await;
                assert_eq!(answer.error(), (405, "method-not-allowed"), "{method} {}", rule.path);
            }
        }
    }
}
