//! What anybody may ask: the public keys, and whether the server works.

use std::time::Duration;

use axum::response::Response;
use serde_json::json;
use vestibule_crypto::keyset::KeySet;
use vestibule_engine::store::Store;
use vestibule_wire::Refusal;

use crate::answer;

/// A store that is slower than this is not ready.
const READY_WITHIN: Duration = Duration::from_secs(2);

/// `GET /.well-known/vestibule/keys`: the signers' public keys (protocol 05, section 13).
pub fn keys(keys: &KeySet) -> Result<Response, Refusal> {
    answer::json(&keys.public_document())
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
