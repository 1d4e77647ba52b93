//! The description of the API, as JSON and as a page. Both are made once, are embedded in the program, and fetch nothing
//! from anywhere else.

use std::sync::LazyLock;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use vestibule_crypto::fingerprint::sha256;
use vestibule_wire::Refusal;
use vestibule_wire::openapi;

const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
/// Kept, and asked about each time: a new version of the program is shown at once, and costs a few bytes otherwise.
const ASK: HeaderValue = HeaderValue::from_static("no-cache");
const NO_SNIFF: HeaderValue = HeaderValue::from_static("nosniff");

const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const ICON: &str = "image/svg+xml";

struct Document {
    name: &'static str,
    kind: &'static str,
    text: Bytes,
    tag: HeaderValue,
}

impl Document {
    fn new(name: &'static str, kind: &'static str, text: impl Into<Bytes>) -> Self {
        let text = text.into();
        let mut tag = String::from("\"");
        for byte in &sha256(&text)[..16] {
            tag.push_str(&format!("{byte:02x}"));
        }
        tag.push('"');
        let tag = HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""));
        Self { name, kind, text, tag }
    }
}

macro_rules! file {
    ($name:literal, $kind:expr, $path:literal) => {
        Document::new($name, $kind, Bytes::from_static(include_bytes!(concat!("../../../dashboard/", $path))))
    };
}

static DOCUMENTS: LazyLock<[Document; 9]> = LazyLock::new(|| {
    [
        Document::new("public.json", JSON, openapi::public().to_string()),
        Document::new("proxy.json", JSON, openapi::auth_proxy().to_string()),
        file!("docs", HTML, "docs/index.html"),
        file!("docs.css", STYLE, "docs/docs.css"),
        file!("docs.js", SCRIPT, "docs/docs.js"),
        file!("schema.js", SCRIPT, "docs/schema.js"),
        file!("style.css", STYLE, "assets/style.css"),
        file!("dom.js", SCRIPT, "assets/dom.js"),
        file!("favicon.svg", ICON, "assets/favicon.svg"),
    ]
});

/// Names of the descriptions, under `/openapi/`.
pub const DESCRIPTIONS: &[&str] = &["public.json", "proxy.json"];

/// Names of what the page is made of, under `/docs/`.
pub const PAGE_FILES: &[&str] = &["docs.css", "docs.js", "schema.js", "style.css", "dom.js", "favicon.svg"];

/// `GET /openapi/<name>`, `GET /docs` and `GET /docs/<name>`
pub fn answer(name: &str, headers: &HeaderMap) -> Result<Response, Refusal> {
    let document = DOCUMENTS.iter().find(|document| document.name == name).ok_or(Refusal::UnknownPath)?;
    let known = headers.get_all(header::IF_NONE_MATCH).iter().any(|tags| mentions(tags, &document.tag));
    let mut response = Response::new(if known { Body::empty() } else { Body::from(document.text.clone()) });
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(document.kind));
    headers.insert(header::CACHE_CONTROL, ASK);
    headers.insert(header::ETAG, document.tag.clone());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NO_SNIFF);
    if document.kind == HTML {
        headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    }
    Ok(response)
}

fn mentions(tags: &HeaderValue, tag: &HeaderValue) -> bool {
    let (Ok(tags), Ok(tag)) = (tags.to_str(), tag.to_str()) else { return false };
    tags.split(',').map(str::trim).any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_table_has_its_document() {
        for name in DESCRIPTIONS.iter().chain(PAGE_FILES).chain(&["docs"]) {
            let response = answer(name, &HeaderMap::new()).unwrap();
            assert_eq!(response.status(), StatusCode::OK, "{name}");
        }
        assert_eq!(answer("index.html", &HeaderMap::new()).unwrap_err(), Refusal::UnknownPath);
    }

    #[test]
    fn what_a_client_has_is_not_sent_again() {
        let tag = answer("public.json", &HeaderMap::new()).unwrap().headers()[header::ETAG].clone();
        let asked = |known: HeaderValue| {
            let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, known)]);
            answer("public.json", &headers).unwrap().status()
        };
        assert_eq!(asked(tag.clone()), StatusCode::NOT_MODIFIED);
        let listed = format!("\"other\", W/{}", tag.to_str().unwrap());
        assert_eq!(asked(HeaderValue::from_str(&listed).unwrap()), StatusCode::NOT_MODIFIED);
        assert_eq!(asked(HeaderValue::from_static("\"other\"")), StatusCode::OK);
    }

    #[test]
    fn the_page_asks_for_nothing_that_is_not_embedded() {
        let page = include_str!("../../../dashboard/docs/index.html");
        let mut files = 0;
        for attribute in ["href=\"docs/", "src=\"docs/"] {
            for part in page.split(attribute).skip(1) {
                let name = part.split('"').next().unwrap();
                assert!(PAGE_FILES.contains(&name), "{name}");
                files += 1;
            }
        }
        assert!(files >= 4, "{files}");
        assert!(!page.contains("http://") && !page.contains("https://"));
    }
}
