//! The server while it runs: its listeners, the delivery worker and the purge, and how they end.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use vestibule_crypto::entropy::{SystemEntropy, array};
use vestibule_delivery::MessageTable;
use vestibule_delivery::receipts::{ReceiptKeeper, ReceiptParts};
use vestibule_delivery::routing::Routing;
use vestibule_delivery::webhooks::{Courier, DeliveryParts, DeliverySettings, DeliveryWorker};
use vestibule_delivery::worker::{Worker, WorkerParts, WorkerSettings};
use vestibule_engine::store::Retention;
use vestibule_http::dev::DevSurface;
use vestibule_http::{App, AppState, Captcha, ConnectionLimits, ReceiptSurface, RequestLimits};

use crate::installation::Opened;
use crate::lifecycle::{Shutdown, Stopper};
use crate::metrics::Metrics;
use crate::receipts::Receipts;
use crate::{abuse, admin, keys, purge};

/// How long the listeners for metrics and administration may take to end.
const SIDE_DRAIN: Duration = Duration::from_secs(5);

/// How long a webhook endpoint may take to answer (G-HOOK-1).
pub const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(10);

/// What a server is made of, besides its installation.
pub struct Parts {
    /// Where requests come in.
    pub listener: TcpListener,
    /// Where metrics are shown.
    pub metrics: Option<Metrics>,
    /// What connections may cost.
    pub connections: ConnectionLimits,
    /// What requests may cost.
    pub requests: RequestLimits,
    /// Scheme and host by which the world knows this server, where that is configured.
    pub public_url: Option<String>,
    /// What checks captchas.
    pub captcha: Option<Captcha>,
    /// How messages leave.
    pub routing: Routing,
    /// Who they come from, by tenant.
    pub messages: MessageTable,
    /// Limits of their worker.
    pub worker: WorkerSettings,
    /// How events reach webhook endpoints.
    pub courier: Courier,
    /// How long finished things are kept.
    pub retention: Retention,
    /// How often to look for them.
    pub purge_every: Duration,
    /// How often to read the key table.
    pub refresh_keys_every: Duration,
    /// What `dev` adds.
    pub dev: Option<DevSurface>,
}

/// Runs a server until `shutdown`; then drains requests, gives messages back and closes the database. `ready` is called
/// once connections are accepted.
pub async fn run(
    data_dir: &Path,
    opened: Opened,
    parts: Parts,
    shutdown: Shutdown,
    ready: impl FnOnce(),
) -> Result<()> {
    let Parts {
        listener,
        metrics,
        connections,
        requests,
        public_url,
        routing,
        captcha,
        messages,
        worker,
        courier,
        retention,
        purge_every,
        refresh_keys_every,
        dev,
    } = parts;
    let store = Arc::clone(&opened.store);
    let socket = admin::bind(data_dir)?;
    // Ends what runs beside the requests, after these.
    let (side_stopper, side) = Stopper::new();
    let sending = CancellationToken::new();

    let door = Box::new(Receipts(ReceiptKeeper::new(ReceiptParts {
        store: Arc::clone(&store),
        clock: Arc::clone(&opened.clock) as _,
        readers: routing.receipts(),
        suppression: worker.suppression,
    })));
    let worker = Worker::new(WorkerParts {
        id: Uuid::from_bytes(array(&SystemEntropy)),
        store: Arc::clone(&store),
        clock: Arc::clone(&opened.clock) as _,
        keys: Arc::clone(&opened.keys),
        routing,
        messages,
        settings: worker,
    });
    let worker = tokio::spawn({
        let (engine, sending) = (Arc::clone(&opened.engine), sending.clone());
        async move { worker.run(engine.message_queued(), &sending).await }
    });
    let webhooks = DeliveryWorker::new(DeliveryParts {
        id: Uuid::from_bytes(array(&SystemEntropy)),
        store: Arc::clone(&store),
        clock: Arc::clone(&opened.clock) as _,
        keys: Arc::clone(&opened.keys),
        courier,
        settings: DeliverySettings::default(),
    });
    let webhooks = tokio::spawn({
        let (engine, sending) = (Arc::clone(&opened.engine), sending.clone());
        async move { webhooks.run(engine.delivery_queued(), &sending).await }
    });
    let purge = tokio::spawn(purge::run(Arc::clone(&store), retention, purge_every, side.clone()));
    let abuse = tokio::spawn(abuse::write(Arc::clone(&opened.engine), abuse::WRITE_EVERY, side.clone()));
    let refresh = tokio::spawn(keys::refresh(Arc::clone(&opened.engine), refresh_keys_every, side.clone()));
    let admin = tokio::spawn({
        let (engine, side) = (Arc::clone(&opened.engine), side.clone());
        async move { vestibule_http::admin::serve(socket, engine, side.requested()).await }
    });
    let metrics = metrics.map(|metrics| tokio::spawn(metrics.serve(side.clone())));

    let app = App::new(AppState {
        engine: Arc::clone(&opened.engine),
        keys: Arc::clone(&opened.keys),
        store: Arc::clone(&store),
        entropy: Arc::new(SystemEntropy),
        limits: requests,
        receipts: Some(ReceiptSurface { public_url, door }),
        captcha,
        dev,
    });
    ready();
    vestibule_http::serve(listener, app, connections, shutdown.requested()).await;
    tracing::info!("no more requests; finishing messages under way");

    admin::unbind(data_dir);
    side_stopper.stop();
    sending.cancel();
    worker.await.context("the delivery worker failed")?;
    webhooks.await.context("the webhook worker failed")?;
    purge.await.context("the purge failed")?;
    abuse.await.context("writing who was limited failed")?;
    refresh.await.context("reading the key table failed")?;
    ended("administration", admin).await;
    if let Some(metrics) = metrics {
        ended("metrics", metrics).await;
    }
    drop(store);
    opened.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Waits for a listener that nothing depends on.
async fn ended(name: &str, mut task: JoinHandle<std::io::Result<()>>) {
    match tokio::time::timeout(SIDE_DRAIN, &mut task).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => tracing::warn!(%error, name, "a listener failed"),
        Ok(Err(error)) => tracing::error!(panicked = error.is_panic(), name, "a listener ended early"),
        Err(_) => {
            tracing::warn!(name, "a connection did not end in time");
            task.abort();
        }
    }
}
