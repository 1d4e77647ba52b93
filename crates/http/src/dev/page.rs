//! The page of `dev`, embedded in the program: a browser fetches nothing from anywhere else.

use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use vestibule_wire::Refusal;

use super::Refused;

const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
/// A new version of the program shows its own page at once.
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

const INDEX: &str = include_str!("../../../../dashboard/index.html");
const PREVIEWS: &str = include_str!("../../../../dashboard/previews.html");

macro_rules! assets {
    ($($name:literal),* $(,)?) => {
        /// Name and text of every file beside the page.
        const ASSETS: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../../../dashboard/assets/", $name))),)*];
    };
}

assets![
    "api.js",
    "app.js",
    "bytes.js",
    "clock.js",
    "contact.js",
    "dom.js",
    "favicon.svg",
    "flow.js",
    "hints.js",
    "hpke.js",
    "inbox.css",
    "inbox.js",
    "jwt.js",
    "login.css",
    "login.js",
    "otp.js",
    "p256.js",
    "previews.css",
    "previews.js",
    "session.js",
    "stamp.js",
    "style.css",
];

/// `GET /`
pub(super) async fn index() -> Response {
    shown(INDEX)
}

/// `GET /previews`
pub(super) async fn previews() -> Response {
    shown(PREVIEWS)
}

fn shown(page: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, NO_CACHE),
    ];
    (headers, page).into_response()
}

/// `GET /assets/<name>`
pub(super) async fn asset(Path(name): Path<String>) -> Result<Response, Refused> {
    let (name, text) = ASSETS.iter().find(|(asset, _)| *asset == name).ok_or(Refusal::UnknownPath)?;
    let kind = content_type(name).ok_or(Refusal::UnknownPath)?;
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(kind)), (header::CACHE_CONTROL, NO_CACHE)];
    Ok((headers, *text).into_response())
}

fn content_type(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.')?.1 {
        "js" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_beside_the_page_is_embedded_and_has_a_type() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../dashboard/assets");
        let mut on_disk: Vec<String> = std::fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        on_disk.sort();
        let embedded: Vec<&str> = ASSETS.iter().map(|(name, _)| *name).collect();
        assert_eq!(embedded, on_disk);
        assert!(embedded.iter().all(|name| content_type(name).is_some()));
    }
}
