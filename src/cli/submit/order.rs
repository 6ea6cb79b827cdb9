//! A request from flags. Only the shape is checked here; what is allowed is the daemon's to say.

use serde_json::{Map, Value};

use crate::{
    cli::{
        client::Body,
        exit::{CliError, Exit},
        submit::{Fields, input},
    },
    policy::Request,
};

pub fn from_flags(template: &str, fields: &Fields) -> Result<Body<'static>, CliError> {
    let mut repositories = fields.repositories.clone();
    if let Some(file) = &fields.repositories_file {
        repositories.extend(input::read(file)?.entries()?);
    }
    if repositories.is_empty() {
        let what = "no repository is named";
        return Err(
            CliError::new(Exit::Usage, what).hint("add --repository OWNER/NAME, or --repositories-file FILE")
        );
    }
    Ok(Body::json(&Request {
        template: template.to_owned(),
        repositories,
        inputs: inputs(&fields.inputs)?,
        requester: fields.requester.clone().unwrap_or_default(),
        team: fields.team.clone(),
        reason: fields.reason.clone(),
        priority: fields.priority,
        idempotency_key: fields.idempotency_key.clone(),
        deadline_minutes: fields.deadline_minutes,
        hold: fields.hold,
        waves: None,
        model: fields.model.clone(),
        model_reason: fields.model_reason.clone(),
    })?)
}

/// `key=text` is a text whatever it looks like, so that a version `1.0` stays one; `key:=JSON` is anything else.
fn inputs(pairs: &[String]) -> Result<Map<String, Value>, CliError> {
    let mut inputs = Map::new();
    for pair in pairs {
        let usage = |what: String| {
            CliError::new(Exit::Usage, what).hint("write --input key=text or --input key:=JSON")
        };
        let (key, value) =
            pair.split_once('=').ok_or_else(|| usage(format!("--input {pair}: there is no `=`")))?;
        let (key, value) = match key.strip_suffix(':') {
            Some(key) => {
                let read = serde_json::from_str(value);
                (key, read.map_err(|error| usage(format!("--input {pair}: this is not JSON: {error}")))?)
            }
            None => (key, Value::String(value.to_owned())),
        };
        if key.is_empty() {
            return Err(usage(format!("--input {pair}: the key is empty")));
        }
        if inputs.insert(key.to_owned(), value).is_some() {
            return Err(usage(format!("--input {key} is given twice")));
        }
    }
    Ok(inputs)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(pairs: &[&str]) -> Result<Value, CliError> {
        let pairs: Vec<String> = pairs.iter().map(|pair| (*pair).to_owned()).collect();
        inputs(&pairs).map(Value::Object)
    }

    #[test]
    fn texts_stay_texts_and_json_is_marked() {
        let found = read(&["to_version=1.0", "note=a=b", "count:=3", "names:=[\"a\"]", "empty="]).unwrap();
        let wanted = json!({"to_version": "1.0", "note": "a=b", "count": 3, "names": ["a"], "empty": ""});
        assert_eq!(found, wanted);
    }

    #[test]
    fn what_is_no_input_is_a_usage_error() {
        for pairs in [&["version"][..], &["=x"], &["n:=three"], &["a=1", "a=2"]] {
            assert_eq!(read(pairs).unwrap_err().exit, Exit::Usage, "{pairs:?}");
        }
    }
}
