//! The public API: activities and queries, authenticated by a stamp over the raw body (protocol 00 and 01).

use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use vestibule_engine::{Engine, StampHeaders};
use vestibule_wire::{Refusal, view};

use crate::answer;

#[derive(Serialize)]
struct ActivityAnswer {
    activity: view::Activity,
}

/// `POST /public/v1/submit/<name>`
pub async fn submit(
    engine: &Engine,
    name: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Refusal> {
    let activity = engine.submit(name, body, &stamp_headers(headers)?).await?;
    answer::json(&ActivityAnswer { activity })
}

/// `POST /public/v1/query/<name>`
pub async fn query(
    engine: &Engine,
    name: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Refusal> {
    answer::json(&engine.query(name, body, &stamp_headers(headers)?).await?)
}

/// `POST /vestibule/v1/token`
pub async fn token(engine: &Engine, headers: &HeaderMap, body: &[u8]) -> Result<Response, Refusal> {
    answer::json(&engine.token(body, &stamp_headers(headers)?).await?)
}

/// The headers that authenticate a request, as text. Which of them counts, and that there is one, the engine judges.
fn stamp_headers(headers: &HeaderMap) -> Result<StampHeaders<'_>, Refusal> {
    let text = |name| single(headers, name).map_err(|_| Refusal::MalformedStamp);
    Ok(StampHeaders {
        stamp: text("x-stamp")?,
        webauthn: text("x-stamp-webauthn")?,
        attested: text("x-stamp-attested")?,
        session: text("x-session")?,
    })
}

/// The header occurs twice, or is not UTF-8.
#[derive(Debug, PartialEq, Eq)]
pub struct NotOneText;

/// The one value of a header, if it is there at all. A second value would leave it to chance which of them counts.
pub fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, NotOneText> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => std::str::from_utf8(value.as_bytes()).map(Some).map_err(|_| NotOneText),
        (Some(_), Some(_)) => Err(NotOneText),
    }
}
