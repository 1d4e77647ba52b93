//! What browsers on other origins may read (protocol 00 section 2, protocol 04 section 1).

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use crate::answer;

const ANY: HeaderValue = HeaderValue::from_static("*");
const BY_ORIGIN: HeaderValue = HeaderValue::from_static("Origin");
const EXPOSED: HeaderValue = HeaderValue::from_static("x-request-id, retry-after");
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
const PUBLIC_METHODS: HeaderValue = HeaderValue::from_static("POST, GET, OPTIONS");
const PUBLIC_HEADERS: HeaderValue = HeaderValue::from_static(
    "content-type, x-stamp, x-stamp-webauthn, x-stamp-attested, x-session, x-client-version, x-request-id",
);
const PROXY_METHODS: HeaderValue = HeaderValue::from_static("POST, OPTIONS");
const PROXY_HEADERS: HeaderValue = HeaderValue::from_static(
    "content-type, x-auth-proxy-config-id, x-captcha-token, x-client-version, x-request-id",
);

/// How a path treats other origins. It hangs on the path's beginning alone, so that a browser can read a 404, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cors {
    /// Any origin: every request carries its own proof.
    Public,
    /// The origins of the auth proxy configuration; the request names it, a preflight does not.
    Proxy,
    /// No other origin.
    Closed,
}

impl Cors {
    /// The treatment of a path.
    pub fn of(path: &str) -> Self {
        if path.starts_with(crate::receipts::PREFIX) {
            Self::Closed
        } else if ["/public/", "/vestibule/", "/.well-known/", "/openapi/"]
            .iter()
            .any(|own| path.starts_with(own))
        {
            Self::Public
        } else if path.starts_with("/v1/") {
            Self::Proxy
        } else {
            Self::Closed
        }
    }

    /// The answer to a preflight, still to be opened; none where no other origin has business.
    pub fn preflight(self) -> Option<Response> {
        let (methods, allowed) = match self {
            Self::Public => (PUBLIC_METHODS, PUBLIC_HEADERS),
            Self::Proxy => (PROXY_METHODS, PROXY_HEADERS),
            Self::Closed => return None,
        };
        let mut response = answer::empty();
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        Some(response)
    }

    /// Lets the asking origin read the answer.
    pub fn open(self, origin: Option<&HeaderValue>, answer: &mut HeaderMap) {
        let origin = match self {
            Self::Public => ANY,
            Self::Proxy => {
                answer.insert(header::VARY, BY_ORIGIN);
                match origin {
                    Some(origin) => origin.clone(),
                    None => return,
                }
            }
            Self::Closed => return,
        };
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }

    /// Says that the answer hangs on the origin, and lets no origin read it.
    pub fn shut(self, answer: &mut HeaderMap) {
        match self {
            Self::Proxy => {
                answer.insert(header::VARY, BY_ORIGIN);
            }
            Self::Public | Self::Closed => {}
        }
    }
}
