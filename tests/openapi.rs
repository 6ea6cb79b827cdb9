//! Compares the description of the HTTP interface and the pages of its errors with the code that they are printed from.

#[cfg(test)]
mod pages {
    use std::{fs, path::Path};

    use serde_json::Value;
    use sluicegate::http::{Code, description, page};

    /// Writes the pages instead of comparing them.
    const RENEW: &str = "SLUICE_RENEW";

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the switch that renews the pages; read by these tests only"
    )]
    fn compare(file: &str, printed: &str) {
        let path = root().join(file);
        if std::env::var_os(RENEW).is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, printed).unwrap();
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == printed, "{file} is stale; renew it with: {RENEW}=1 cargo test --test openapi");
    }

    #[test]
    fn the_description_is_what_the_code_prints() {
        compare("docs/openapi.json", &format!("{:#}\n", description()));
    }

    #[test]
    fn every_code_has_its_page_and_no_page_is_left_over() {
        for code in Code::ALL {
            compare(&format!("docs/errors/{}.md", code.as_str()), &page(*code));
        }
        for file in fs::read_dir(root().join("docs/errors")).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            assert!(Code::named(name.trim_end_matches(".md")).is_some(), "docs/errors/{name} is of no code");
        }
    }

    #[test]
    fn every_code_but_those_of_no_route_is_named_by_a_route() {
        let api = description();
        let mut told = String::new();
        for methods in api["paths"].as_object().unwrap().values() {
            for operation in methods.as_object().unwrap().values() {
                for response in operation["responses"].as_object().unwrap().values() {
                    told.push_str(response["description"].as_str().unwrap_or_default());
                }
            }
        }
        let anywhere = [Code::MethodNotAllowed];
        for code in Code::ALL.iter().filter(|code| !anywhere.contains(code)) {
            assert!(told.contains(&format!("`{}`", code.as_str())), "no route names {}", code.as_str());
        }
    }

    #[test]
    fn every_route_is_declared_with_its_description() {
        fn look(folder: &Path) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    look(&path);
                    continue;
                }
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap();
                assert!(!code.contains(".route("), "{}: use `.routes(routes!(...))`", path.display());
            }
        }
        look(&root().join("src/http"));
    }

    #[test]
    fn every_operation_has_a_name_of_its_own_a_summary_and_codes_that_exist() {
        let api = description();
        let mut names = Vec::new();
        for (path, methods) in api["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                assert!(operation["summary"].is_string(), "{method} {path} has no summary");
                names.push(operation["operationId"].as_str().unwrap().to_owned());
                assert!(operation.get("x-unknown-codes").is_none(), "{method} {path}: {operation}");
            }
        }
        let found = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), found);
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn look(api: &Value, at: &Value) {
            match at {
                Value::Object(map) => {
                    if let Some(Value::String(to)) = map.get("$ref") {
                        assert!(api.pointer(to.trim_start_matches('#')).is_some(), "{to} leads nowhere");
                    }
                    assert!(!map.get("items").is_some_and(Value::is_array), "no schema in 3.1: {at}");
                    map.values().for_each(|inner| look(api, inner));
                }
                Value::Array(list) => list.iter().for_each(|inner| look(api, inner)),
                _ => {}
            }
        }
        let api = description();
        look(&api, &api);
    }
}
