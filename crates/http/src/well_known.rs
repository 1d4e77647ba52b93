//! What anybody may ask: the public keys, and whether the server works.

use std::time::Duration;

use axum::http::{HeaderValue, header};
use axum::response::Response;
use serde_json::json;
use vestibule_crypto::keyset::KeySet;
use vestibule_engine::Engine;
use vestibule_engine::store::Store;
use vestibule_wire::Refusal;

use crate::answer;

/// A store that is slower than this is not ready.
const READY_WITHIN: Duration = Duration::from_secs(2);

/// `GET /.well-known/vestibule/keys`: the signers' public keys (protocol 05, section 13).
pub fn keys(keys: &KeySet) -> Result<Response, Refusal> {
    answer::json(&keys.public_document())
}

/// A key is published well before it signs (`keys.activation_seconds`); a cache must be younger than that.
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=15");

/// `GET /.well-known/jwks.json`: the keys that ordinary tokens are signed with (RFC 7517, section 5).
pub fn jwks(keys: &KeySet) -> Result<Response, Refusal> {
    let mut response = answer::json(&keys.jwks())?;
    response.headers_mut().insert(header::CACHE_CONTROL, CACHED);
    Ok(response)
}

/// What the hosted service says of its set (protocol 03). A key of this set begins to sign a day after it is published.
const CACHED_FOR_A_DAY: HeaderValue =
    HeaderValue::from_static("public, max-age=86400, s-maxage=86400, stale-if-error=604800");

/// `GET /public/v1/discovery/webhooks/jwks`: the keys that webhook deliveries are signed with (protocol 03).
pub fn webhook_jwks(engine: &Engine) -> Result<Response, Refusal> {
    let mut response = answer::json(&engine.webhook_jwks())?;
    response.headers_mut().insert(header::CACHE_CONTROL, CACHED_FOR_A_DAY);
    Ok(response)
}

/// `GET /healthz`: the process answers.
pub fn health() -> Result<Response, Refusal> {
    answer::json(&json!({ "status": "ok" }))
}

/// `GET /readyz`: the store reads and writes.
pub async fn ready(store: &dyn Store) -> Result<Response, Refusal> {
    match tokio::time::timeout(READY_WITHIN, store.ready()).await {
        Ok(Ok(())) => answer::json(&json!({ "status": "ready" })),
        Ok(Err(error)) => {
            tracing::warn!(%error, "not ready");
            Err(Refusal::Unavailable)
        }
        Err(_) => {
            tracing::warn!("not ready: the store did not answer in time");
            Err(Refusal::Unavailable)
        }
    }
}
