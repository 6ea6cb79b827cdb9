//! Why an entry was not accepted, as a problem document (RFC 9457) with the codes that HTTP answers with.

use serde_json::json;

use crate::policy::Problem;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $token:literal, $status:literal, $title:literal;)*) => {
        /// Names a kind of refusal for machines.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            pub const ALL: &[Self] = &[$(Self::$name,)*];
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $token,)* }
            }
            /// The status that HTTP gives this refusal.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

codes! {
    /// The entry has other fields than the one with the request.
    BadRequest = "bad-request", 400, "the request cannot be read";
    IdempotencyConflict = "idempotency-conflict", 409, "the idempotency key belongs to another request";
    TemplateChanged = "template-changed", 409, "the template is not what it was at its first use";
    BodyTooLarge = "body-too-large", 413, "the request is larger than is taken here";
    InvalidRequest = "invalid-request", 422, "what was sent is not acceptable";
    /// Delivered too often without an end.
    GivenUp = "given-up", 500, "the request was read too often without an end";
    /// The store would not take it, or a mistake in this program.
    Internal = "internal", 500, "a mistake in this program";
}

/// An entry that was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: Code,
    pub detail: String,
    /// What is wrong with the request, all of it at once.
    pub problems: Vec<Problem>,
}

impl Refusal {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), problems: Vec::new() }
    }

    /// Something in the request is wrong.
    pub fn invalid(problems: Vec<Problem>) -> Self {
        let detail = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        Self { code: Code::InvalidRequest, detail, problems }
    }

    /// The problem document as JSON text.
    pub fn document(&self) -> String {
        let mut body = json!({
            "type": format!("urn:sluicegate:problem:{}", self.code.as_str()),
            "title": self.code.title(),
            "status": self.code.status(),
            "detail": self.detail,
            "code": self.code.as_str(),
        });
        if let (false, Some(map)) = (self.problems.is_empty(), body.as_object_mut()) {
            map.insert("problems".to_owned(), json!(self.problems));
        }
        body.to_string()
    }
}
