//! One entry of the stream: from its fields to a request, or to the reason why it is none. No I/O.

use crate::{
    intake::redis::refusal::{Code, Refusal},
    policy::{Request, text},
};

/// The one field of an entry.
pub const FIELD: &str = "request";

/// An entry as it was delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// `milliseconds-number`, unique in one life of the stream.
    pub id: String,
    /// None: it was removed from the stream after its delivery.
    pub fields: Option<Vec<(Vec<u8>, Vec<u8>)>>,
}

impl Entry {
    /// Bytes of all its fields.
    pub fn size(&self) -> usize {
        let fields = self.fields.as_deref().unwrap_or_default();
        fields.iter().map(|(name, value)| name.len().saturating_add(value.len())).sum()
    }

    /// The original bytes of the request; empty if it has none.
    pub fn body(&self) -> &[u8] {
        let fields = self.fields.as_deref().unwrap_or_default();
        fields.iter().find(|(name, _)| name == FIELD.as_bytes()).map_or(&[], |(_, value)| value)
    }

    /// Reads the request. One without an idempotency key gets `key`, which is the same at every delivery.
    pub fn request(&self, key: &str, bytes_max: usize) -> Result<Request, Refusal> {
        let body = self.only_field()?;
        if body.len() > bytes_max {
            let detail = format!("the request has {} bytes, at most {bytes_max} are taken", body.len());
            return Err(Refusal::new(Code::BodyTooLarge, detail));
        }
        let mut request = Request::parse_json(body).map_err(|problem| Refusal::invalid(vec![problem]))?;
        request.idempotency_key.get_or_insert_with(|| key.to_owned());
        Ok(request)
    }

    fn only_field(&self) -> Result<&[u8], Refusal> {
        let wrong = |what: String| {
            let advice = "an entry has the one field `request`, which holds the request as JSON";
            Err(Refusal::new(Code::BadRequest, format!("{what}: {advice}")))
        };
        match self.fields.as_deref().unwrap_or_default() {
            [] => wrong("the entry has no field".to_owned()),
            [(name, value)] if name == FIELD.as_bytes() => Ok(value),
            fields => {
                let other = fields.iter().map(|(name, _)| name).find(|name| *name != FIELD.as_bytes());
                match other {
                    None => wrong("the field `request` is there twice".to_owned()),
                    Some(name) => wrong(format!("there is a field `{}`", shown(name))),
                }
            }
        }
    }
}

/// A name that anybody may have written, for a message.
fn shown(name: &[u8]) -> String {
    let plain = String::from_utf8_lossy(name).replace(char::is_control, "\u{fffd}");
    text::shorten(&plain, 80)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(fields: &[(&str, &str)]) -> Entry {
        let bytes = |text: &str| text.as_bytes().to_vec();
        let fields = fields.iter().map(|(name, value)| (bytes(name), bytes(value))).collect();
        Entry { id: "1-0".to_owned(), fields: Some(fields) }
    }

    const GOOD: &str = r#"{"template":"t","repositories":["a/b"],"requester":"carla"}"#;

    #[test]
    fn a_request_without_a_key_gets_that_of_its_entry_and_keeps_its_own() {
        let read = entry(&[("request", GOOD)]).request("s/l/1-0", 1_000).unwrap();
        assert_eq!(read.idempotency_key.as_deref(), Some("s/l/1-0"));
        let own = GOOD.replace("\"template\"", "\"idempotency_key\":\"mine\",\"template\"");
        let read = entry(&[("request", &own)]).request("s/l/1-0", 1_000).unwrap();
        assert_eq!(read.idempotency_key.as_deref(), Some("mine"));
    }

    #[test]
    fn an_entry_with_other_fields_is_refused_and_says_which() {
        for (fields, told) in [
            (vec![], "no field"),
            (vec![("Request", GOOD)], "`Request`"),
            (vec![("request", GOOD), ("request", GOOD)], "twice"),
            (vec![("request", GOOD), ("trace\u{7}", "x")], "`trace\u{fffd}`"),
        ] {
            let refusal = entry(&fields).request("k", 1_000).unwrap_err();
            assert_eq!(refusal.code, Code::BadRequest);
            assert!(refusal.detail.contains(told), "{}", refusal.detail);
        }
    }

    #[test]
    fn what_is_too_large_is_not_even_read() {
        let refusal = entry(&[("request", &"[".repeat(11))]).request("k", 10).unwrap_err();
        assert_eq!(refusal.code, Code::BodyTooLarge);
    }
}
