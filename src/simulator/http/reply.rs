//! An answer before it becomes an HTTP response, and the shapes of GitHub's errors.

use serde::Serialize;
use serde_json::json;

/// Where GitHub's errors point to.
const DOCS: &str = "https://docs.github.com/rest";

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub status: u16,
    pub content_type: &'static str,
    pub body: Vec<u8>,
    pub headers: Vec<(&'static str, String)>,
}

/// What a handler gives: an answer, or an answer that ends it early.
pub(crate) type Answer = Result<Reply, Reply>;

/// One entry of `errors` in a 422.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Flaw {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    pub code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl Reply {
    /// JSON with a status.
    pub(crate) fn json<T: Serialize + ?Sized>(status: u16, value: &T) -> Reply {
        let body = serde_json::to_vec(value).unwrap_or_default();
        Reply { status, content_type: "application/json; charset=utf-8", body, headers: Vec::new() }
    }

    /// Only a status.
    pub(crate) fn empty(status: u16) -> Reply {
        Reply { status, content_type: "", body: Vec::new(), headers: Vec::new() }
    }

    /// Plain text.
    pub(crate) fn text(status: u16, text: &str) -> Reply {
        Reply {
            status,
            content_type: "text/plain; charset=utf-8",
            body: text.as_bytes().to_vec(),
            headers: Vec::new(),
        }
    }

    /// An error in GitHub's shape.
    pub(crate) fn error(status: u16, message: &str) -> Reply {
        Reply::json(
            status,
            &json!({"message": message, "documentation_url": DOCS, "status": status.to_string()}),
        )
    }

    /// "Not Found", which is also the answer to what may not be seen.
    pub(crate) fn not_found() -> Reply {
        Reply::error(404, "Not Found")
    }

    /// A 422 that lists what is wrong with the request.
    pub(crate) fn invalid(flaws: &[Flaw]) -> Reply {
        Reply::json(
            422,
            &json!({"message": "Validation Failed", "errors": flaws, "documentation_url": DOCS, "status": "422"}),
        )
    }

    /// A 422 with one sentence.
    pub(crate) fn unprocessable(message: &str) -> Reply {
        Reply::invalid(&[Flaw {
            resource: None,
            field: None,
            code: "custom",
            message: Some(message.to_owned()),
        }])
    }

    /// A secondary rate limit, as 403 or 429.
    pub(crate) fn secondary_limit(status: u16, retry_after_s: Option<u64>) -> Reply {
        let message =
            "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
        let reply = Reply::error(status, message);
        match retry_after_s {
            Some(seconds) => reply.with("retry-after", seconds.to_string()),
            None => reply,
        }
    }

    /// The same answer with one more header.
    pub(crate) fn with(mut self, name: &'static str, value: String) -> Reply {
        self.headers.push((name, value));
        self
    }
}
