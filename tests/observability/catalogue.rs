//! Compares `docs/metrics.md` with the catalogue that its tables are printed from.

use sluicegate::telemetry::metrics::catalogue;

use crate::tools::{read, root};

/// Writes the page instead of comparing it.
const RENEW: &str = "SLUICE_RENEW";
/// What stands before it is written by hand.
const MARK: &str = "<!-- printed from src/telemetry/metrics/catalogue.rs -->\n";

fn printed() -> String {
    let mut page = String::from(MARK);
    for (title, metrics) in catalogue::GROUPS {
        page.extend(["\n## ", title, "\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n"]);
        for metric in *metrics {
            let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            let row = format!(
                "| `{}` | {} | {} | {} |\n",
                metric.name,
                metric.kind.as_str(),
                labels.join(", "),
                metric.help
            );
            page.push_str(&row);
        }
    }
    page
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the switch that renews the page; read by this test only")]
fn the_page_is_what_the_catalogue_prints() {
    let kept = read("docs/metrics.md");
    let (head, tables) = kept.split_once(MARK).expect("the mark of the printed part is missing");
    let printed = printed();
    if std::env::var_os(RENEW).is_some() {
        std::fs::write(root().join("docs/metrics.md"), format!("{head}{printed}")).unwrap();
        return;
    }
    assert!(
        format!("{MARK}{tables}") == printed,
        "docs/metrics.md is stale; renew it with: {RENEW}=1 cargo test --features failpoints --test observability catalogue"
    );
}
