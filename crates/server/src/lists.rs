//! The lists of domains, while the server runs.

use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};
use vestibule_delivery::domains::Domains;

use crate::config::Addresses;

/// Reads the lists anew at each SIGHUP, from the files that the configuration named when the server started. A list that
/// cannot be read leaves all as they were.
pub fn reread_on_hangup(domains: Option<Arc<Domains>>, addresses: Addresses) -> Result<()> {
    let mut hangup = signal(SignalKind::hangup()).context("cannot wait for SIGHUP")?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            let Some(domains) = &domains else {
                tracing::info!("SIGHUP: there are no lists of domains to read");
                continue;
            };
            match addresses.lists() {
                Ok(lists) => {
                    domains.replace_lists(lists);
                    tracing::info!("SIGHUP: the lists of domains were read anew");
                }
                Err(error) => {
                    tracing::error!(
                        error = format!("{error:#}"),
                        "SIGHUP: the lists of domains stay as they were"
                    );
                }
            }
        }
    });
    Ok(())
}
