//! Reads every source file and fails with file and line where the layering or a house rule is broken.
//! It must not be silenced by an exception that is not written, with its reason, in `layers.rs`.

#[cfg(test)]
mod dependencies;
#[cfg(test)]
mod layers;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod selftest;
#[cfg(test)]
mod source;

#[cfg(test)]
mod tree {
    use std::{
        fs,
        path::{Path, PathBuf},
    };

    use crate::{dependencies, rules, source::Source};

    fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                rust_files(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }

    fn sources(folder: &str) -> Vec<Source> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = Vec::new();
        if root.join(folder).is_dir() {
            rust_files(&root.join(folder), &mut files);
        }
        files.sort();
        let read = |path: &PathBuf| {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            Source::new(name, &fs::read_to_string(path).unwrap())
        };
        files.iter().map(read).collect()
    }

    #[test]
    fn every_source_file_keeps_to_the_layering() {
        let sources = sources("src");
        assert!(sources.len() > 20, "only {} files were read", sources.len());
        let offences: Vec<String> = sources.iter().flat_map(rules::layering).collect();
        assert!(offences.is_empty(), "{} offences\n{}", offences.len(), offences.join("\n"));
    }

    #[test]
    fn every_file_keeps_to_the_house_rules() {
        let sources = ["src", "tests", "benches"].map(sources).concat();
        let offences: Vec<String> = sources.iter().flat_map(rules::house).collect();
        assert!(offences.is_empty(), "{} offences\n{}", offences.len(), offences.join("\n"));
    }
    #[test]
    fn every_dependency_is_used() {
        let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
        let unused = dependencies::unused(&manifest, "dependencies", &sources("src"));
        assert!(unused.is_empty(), "nothing in src names {}", unused.join(", "));
        let everywhere = ["src", "tests", "benches"].map(sources).concat();
        let unused = dependencies::unused(&manifest, "dev-dependencies", &everywhere);
        assert!(unused.is_empty(), "no test names {}", unused.join(", "));
    }
}
