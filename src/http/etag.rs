//! Whoever has an answer already is told so, instead of being sent it again: a weak tag made of the body, and 304.

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{
    http::fault::{Code, Fault},
    policy::request::sha256,
};

/// Tags what a GET answers with as JSON.
pub async fn tag(request: Request, next: Next) -> Response {
    if request.method() != Method::GET {
        return next.run(request).await;
    }
    let known = request.headers().get(header::IF_NONE_MATCH).cloned();
    let response = next.run(request).await;
    if response.status() != StatusCode::OK || !is_json(response.headers()) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    // It is in memory already, so it needs no bound.
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return Fault::new(Code::Internal, "the answer could not be read").into_response();
    };
    let tag = tag_of(&bytes);
    let unchanged = known.is_some_and(|known| names(&known, &tag));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        parts.headers.insert(header::ETAG, tag);
    }
    if !unchanged {
        return Response::from_parts(parts, Body::from(bytes));
    }
    parts.status = StatusCode::NOT_MODIFIED;
    parts.headers.remove(header::CONTENT_TYPE);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::empty())
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes() == b"application/json")
}

fn tag_of(bytes: &[u8]) -> String {
    format!("W/\"{:.32}\"", sha256(bytes))
}

/// True if a list of tags has this one, strong or weak, or is `*`.
fn names(known: &HeaderValue, tag: &str) -> bool {
    let Ok(known) = known.to_str() else { return false };
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    known.trim() == "*" || known.split(',').any(|one| bare(one) == bare(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_among_others_and_compared_weakly() {
        let tag = tag_of(b"{}");
        let strong = tag.trim_start_matches("W/").to_owned();
        for known in [tag.clone(), strong.clone(), format!("\"a\", {tag}"), "*".to_owned()] {
            assert!(names(&HeaderValue::from_str(&known).unwrap(), &tag), "{known}");
        }
        for known in ["", "\"a\"", strong.trim_matches('"')] {
            assert!(!names(&HeaderValue::from_str(known).unwrap(), &tag), "{known}");
        }
        assert_ne!(tag, tag_of(b"[]"));
    }
}
