//! Every path that is served, as one table: routing, metrics and the tests that enumerate routes read it.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use axum::http::Method;
use vestibule_wire::{ActivityType, proxy, query};

use crate::{docs, receipts};

/// What answers on a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Surface {
    /// `POST /public/v1/submit/<name>`
    Submit,
    /// `POST /public/v1/query/<name>`
    Query,
    /// `POST /v1/<name>`, the auth proxy.
    Proxy,
    /// `POST /vestibule/v1/token`
    Token,
    /// `POST /vestibule/v1/receipts/{provider}`
    Receipts,
    /// `GET /.well-known/vestibule/keys`
    Keys,
    /// `GET /openapi/<name>`, `GET /docs` and `GET /docs/<name>`
    Docs,
    /// `GET /.well-known/jwks.json`
    Jwks,
    /// `GET /public/v1/discovery/webhooks/jwks`
    WebhookJwks,
    /// `GET /healthz`
    Health,
    /// `GET /readyz`
    Ready,
}

impl Surface {
    /// Whether the path takes this method, `OPTIONS` aside.
    pub fn takes(self, method: &Method) -> bool {
        match self {
            Self::Submit | Self::Query | Self::Proxy | Self::Token | Self::Receipts => method == Method::POST,
            Self::Keys | Self::Jwks | Self::WebhookJwks | Self::Docs | Self::Health | Self::Ready => {
                method == Method::GET || method == Method::HEAD
            }
        }
    }

    /// The `Allow` header of a refused method.
    pub fn allow(self) -> &'static str {
        match self {
            Self::Submit | Self::Query | Self::Proxy | Self::Token => "POST, OPTIONS",
            Self::Receipts => "POST",
            Self::Keys | Self::Jwks | Self::WebhookJwks => "GET, HEAD, OPTIONS",
            Self::Docs | Self::Health | Self::Ready => "GET, HEAD",
        }
    }
}

/// One path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The whole path; the `route` label of metrics and log lines, since it comes from this table and not from a client.
    pub path: String,
    /// What answers.
    pub surface: Surface,
    /// The last segment.
    pub name: &'static str,
}

/// Stands for the name of any provider.
const PROVIDER: &str = "{provider}";

static TABLE: LazyLock<HashMap<String, Route>> = LazyLock::new(|| {
    let submit: BTreeSet<&str> = ActivityType::ALL.iter().map(|t| t.path()).collect();
    let named =
        |surface, prefix: &'static str, name| Route { path: format!("{prefix}{name}"), surface, name };
    let mut routes: Vec<Route> = vec![
        named(Surface::Keys, "/.well-known/vestibule/", "keys"),
        named(Surface::Jwks, "/.well-known/", "jwks.json"),
        named(Surface::WebhookJwks, "/public/v1/discovery/webhooks/", "jwks"),
        named(Surface::Token, "/vestibule/v1/", "token"),
        named(Surface::Receipts, receipts::PREFIX, PROVIDER),
        named(Surface::Health, "/", "healthz"),
        named(Surface::Ready, "/", "readyz"),
        named(Surface::Docs, "/", "docs"),
    ];
    routes.extend(docs::DESCRIPTIONS.iter().map(|name| named(Surface::Docs, "/openapi/", *name)));
    routes.extend(docs::PAGE_FILES.iter().map(|name| named(Surface::Docs, "/docs/", *name)));
    routes.extend(submit.into_iter().map(|name| named(Surface::Submit, "/public/v1/submit/", name)));
    routes.extend(query::QUERIES.iter().map(|name| named(Surface::Query, "/public/v1/query/", *name)));
    routes.extend(proxy::ENDPOINTS.iter().map(|name| named(Surface::Proxy, "/v1/", name)));
    routes.into_iter().map(|route| (route.path.clone(), route)).collect()
});

/// The route of a path that went through [`collapse`].
pub fn find(path: &str) -> Option<&'static Route> {
    match path.strip_prefix(receipts::PREFIX) {
        // One row for all providers: their names come from a client here.
        Some(provider) if !provider.is_empty() && !provider.contains('/') => {
            TABLE.get(&*format!("{}{PROVIDER}", receipts::PREFIX))
        }
        _ => TABLE.get(path),
    }
}

/// All routes, the page and tools of `dev` aside.
pub fn all() -> impl Iterator<Item = &'static Route> {
    TABLE.values()
}

/// A path with its leading slashes made one: a base URL that ends in a slash yields `//public/...` (protocol 00, section 2).
pub fn collapse(path: &str) -> &str {
    let bare = path.trim_start_matches('/');
    match path.len() - bare.len() {
        0 | 1 => path,
        extra => &path[extra - 1..],
    }
}
