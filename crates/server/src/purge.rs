//! Removes what is over, at the start and then at an interval.

use std::sync::Arc;
use std::time::Duration;

use vestibule_engine::store::{Retention, Store};

use crate::lifecycle::Shutdown;

/// Purges until told to stop; a purge under way is finished.
pub async fn run(store: Arc<dyn Store>, retention: Retention, every: Duration, shutdown: Shutdown) {
    let stopped = shutdown.requested();
    tokio::pin!(stopped);
    loop {
        match store.purge(&retention).await {
            Ok(0) => {}
            Ok(rows) => tracing::info!(rows, "removed what was over"),
            Err(error) => tracing::warn!(%error, "could not remove what was over; trying again later"),
        }
        tokio::select! {
            () = &mut stopped => return,
            () = tokio::time::sleep(every) => {}
        }
    }
}
