//! The auth proxy: calls from browsers, authenticated by a configuration id and held to its origins (protocol 04).

use axum::http::{HeaderMap, header};
use axum::response::Response;
use vestibule_engine::limits::Visit;
use vestibule_engine::{Challenged, Engine};
use vestibule_wire::Refusal;

use crate::visitor::Visitor;
use crate::{answer, public_api::single};

/// `POST /v1/<name>`
pub(crate) async fn call(
    engine: &Engine,
    challenged: &dyn Challenged,
    visitor: Option<&Visitor<'_>>,
    name: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Refusal> {
    let id = single(headers, "x-auth-proxy-config-id").map_err(|_| Refusal::InvalidProxyConfigId)?;
    let config = engine.proxy_config(id).await?;
    if !allows_origin(&config.settings.allowed_origins, headers) {
        return Err(Refusal::OriginNotAllowed);
    }
    let languages = languages(headers);
    let run =
        async |visit| engine.proxy_call(&config, name, body, languages.as_deref(), challenged, visit).await;
    let answered = match visitor {
        Some(visitor) => visitor.call(name, body, run).await,
        None => run(Visit::default()).await,
    };
    answer::json(&answered?.body)
}

/// The languages of the browser; several headers are one list (RFC 9110, section 5.3).
fn languages(headers: &HeaderMap) -> Option<String> {
    let values: Vec<&str> =
        headers.get_all(header::ACCEPT_LANGUAGE).iter().filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// Whether the request's origin is listed, to the letter. One without an origin is not from a browser (G-PXY-2).
fn allows_origin(allowed: &[String], headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ORIGIN)
        .iter()
        .all(|origin| allowed.iter().any(|entry| entry == "*" || entry.as_bytes() == origin.as_bytes()))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn from(origins: &[&'static str]) -> HeaderMap {
        origins.iter().map(|origin| (header::ORIGIN, HeaderValue::from_static(origin))).collect()
    }

    #[test]
    fn an_origin_must_be_listed_to_the_letter() {
        let listed = ["https://app.example.com".to_owned(), "http://localhost:3000".to_owned()];
        assert!(allows_origin(&listed, &from(&["https://app.example.com"])));
        assert!(allows_origin(&listed, &from(&["http://localhost:3000"])));
        for other in [
            "http://app.example.com",
            "https://app.example.com:8443",
            "https://app.example.com.example.net",
            "https://example.com",
            "http://localhost",
            "null",
        ] {
            assert!(!allows_origin(&listed, &from(&[other])), "{other}");
        }
        assert!(!allows_origin(&listed, &from(&["https://app.example.com", "https://example.net"])));
    }

    #[test]
    fn a_star_lists_every_origin_and_no_origin_needs_no_listing() {
        assert!(allows_origin(&["*".to_owned()], &from(&["null"])));
        assert!(allows_origin(&[], &from(&[])));
        assert!(!allows_origin(&[], &from(&["https://app.example.com"])));
    }
}
