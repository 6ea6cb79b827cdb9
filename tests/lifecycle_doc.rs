//! Compares `docs/lifecycle.md` with the code that it is printed from.

#[cfg(test)]
mod page {
    use std::{fs, path::Path};

    use sluicegate::job::document::lifecycle_markdown;

    /// Writes the page instead of comparing it.
    const RENEW: &str = "SLUICE_RENEW";

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the switch that renews the page; read by this test only")]
    fn the_page_is_what_the_code_prints() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/lifecycle.md");
        let printed = lifecycle_markdown();
        if std::env::var_os(RENEW).is_some() {
            fs::write(&path, &printed).unwrap();
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        let differs = printed.lines().zip(kept.lines()).position(|(new, old)| new != old);
        let line = differs.unwrap_or_else(|| printed.lines().count().min(kept.lines().count())) + 1;
        assert!(
            kept == printed,
            "docs/lifecycle.md is stale from line {line}; renew it with: {RENEW}=1 cargo test --test lifecycle_doc"
        );
    }

    #[test]
    fn the_page_names_every_state_and_only_legal_moves_of_it() {
        use sluicegate::job::{Event, State, lifecycle::apply};
        let printed = lifecycle_markdown();
        for state in State::ALL {
            assert!(printed.contains(&format!("### `{state}`")), "{state}");
            for event in Event::ALL {
                let row = format!("\n| `{state}` | `{}` |", event.as_str());
                assert_eq!(printed.contains(&row), apply(state, event).is_ok(), "{row}");
            }
        }
    }
}
