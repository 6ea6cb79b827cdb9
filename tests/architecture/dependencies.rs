//! Each dependency in Cargo.toml must be named by the code that it is declared for: what nobody uses is
//! still built, still shipped and still to be kept up to date.

use crate::source::Source;

/// Declared for the features that they switch on, each with its reason.
const FOR_FEATURES_ONLY: &[(&str, &str)] = &[];

/// Names in the table `section` of a manifest that no source uses.
pub fn unused(manifest: &str, section: &str, sources: &[Source]) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().unwrap();
    let declared = manifest.get(section).and_then(toml::Value::as_table).cloned().unwrap_or_default();
    let excused =
        |name: &str| FOR_FEATURES_ONLY.iter().any(|(known, reason)| *known == name && !reason.is_empty());
    let names = declared.keys().filter(|name| !excused(name));
    names.filter(|name| !sources.iter().any(|source| names_crate(source, name))).cloned().collect()
}

fn names_crate(source: &Source, name: &str) -> bool {
    let word = name.replace('-', "_");
    (0..source.tokens.len()).any(|at| {
        source.text(at) == word
            && source.before(at) != "::"
            && (source.text(at + 1) == "::" || source.before(at) == "use")
    })
}
