//! What holds for every route: a time limit, and errors of the framework told like our own.

use std::{sync::Arc, time::Duration};

use axum::{
    body::to_bytes,
    extract::{MatchedPath, Request, State},
    http::{Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{
    http::fault::{Code, Fault, MEDIA_TYPE},
    pipeline::Context,
};

/// Of an error text of the framework, in bytes.
const TEXT_MAX: usize = 4_096;

/// Gives up a request that takes too long.
pub async fn time(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    let asked = format!("{} {}", request.method(), request.uri().path());
    if let Ok(response) = tokio::time::timeout(limit, next.run(request)).await {
        return response;
    }
    tracing::warn!(asked, "no answer within {} s", limit.as_secs());
    let detail = format!(
        "no answer within {} s; what was asked for may have been done: look before asking again",
        limit.as_secs()
    );
    Fault::new(Code::TimedOut, detail).into_response()
}

/// Counts every answer, by the route's pattern and not by what was asked: that has no bound.
pub async fn count(State(context): State<Arc<Context>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    // Others are not answered with success, and anybody can make some up.
    let method = match *request.method() {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "other",
    };
    let response = next.run(request).await;
    context.meters.http.add((route, method.to_owned(), response.status().as_u16()), 1);
    response
}

/// There is nothing at this path.
pub async fn nowhere(method: Method, uri: Uri) -> Fault {
    Fault::new(Code::UnknownRoute, format!("{method} {}", uri.path()))
}

/// Turns an error that no handler of ours wrote into a problem document.
pub async fn explain(request: Request, next: Next) -> Response {
    let asked = format!("{} {}", request.method(), request.uri().path());
    let response = next.run(request).await;
    let status = response.status();
    let media = response.headers().get(header::CONTENT_TYPE);
    // The framework's own errors are plain text.
    let ours = media.is_some_and(|value| [MEDIA_TYPE, "application/json"].iter().any(|ours| value == *ours));
    if ours || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let said = to_bytes(body, TEXT_MAX).await.unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let detail = if said.is_empty() { asked } else { format!("{asked}: {said}") };
    let mut answer = Fault::new(code(status), detail).into_response();
    if let Some(allow) = parts.headers.get(header::ALLOW) {
        answer.headers_mut().insert(header::ALLOW, allow.clone());
    }
    answer
}

fn code(status: StatusCode) -> Code {
    match status {
        StatusCode::NOT_FOUND => Code::UnknownRoute,
        StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => Code::BodyTooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::UnsupportedMediaType,
        status if status.is_client_error() => Code::BadRequest,
        _ => Code::Internal,
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, middleware::from_fn_with_state, routing::get};
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_request_that_takes_too_long_is_given_up() {
        let router: Router = Router::new()
            .route("/never", get(std::future::pending::<()>))
            .layer(from_fn_with_state(Duration::from_secs(30), time));
        let before = tokio::time::Instant::now();
        let request = Request::builder().uri("/never").body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        assert_eq!(before.elapsed(), Duration::from_secs(30));
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let body = to_bytes(response.into_body(), 4_096).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["code"], "timed-out");
    }
}
