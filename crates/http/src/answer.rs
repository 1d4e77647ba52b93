//! Answers as bytes.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use serde::Serialize;
use vestibule_wire::Refusal;

/// Exactly so, without parameters: one client compares the whole value (protocol 00, section 2).
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Answers hold tokens and sessions; no cache has business with them.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// JSON text as an answer.
pub fn bytes(status: StatusCode, text: Bytes) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, JSON);
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    response
}

/// A value as a successful answer.
pub fn json<T: Serialize>(value: &T) -> Result<Response, Refusal> {
    match serde_json::to_vec(value) {
        Ok(text) => Ok(bytes(StatusCode::OK, text.into())),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            Err(Refusal::Internal("answer".to_owned()))
        }
    }
}

/// An answer without a body.
pub fn empty() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}
