//! Prometheus metrics on their own address.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::http::header;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;

use crate::lifecycle::Shutdown;

/// Seconds; from what an embedded store takes for a commit up to the request timeout.
const BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// Seconds from a request to the moment a provider took its message: finer around the 20 milliseconds that half of them stay
/// below on one machine, and up to the life of a code.
const DELIVERY_BUCKETS: [f64; 19] = [
    0.002, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0,
    60.0, 300.0,
];

/// Recorded values are folded into the histograms this often, whether or not anybody asks for them.
const UPKEEP: Duration = Duration::from_secs(5);

/// The exposition format of Prometheus.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4";

/// The listener of `/metrics`, bound and not yet served.
pub struct Metrics {
    listener: TcpListener,
    handle: PrometheusHandle,
}

impl Metrics {
    /// Starts recording, for the whole process, and binds the address.
    pub async fn start(address: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot serve metrics at {address}; choose another address"))?;
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &BUCKETS)
            .and_then(|builder| {
                let delivery = Matcher::Full("vestibule_delivery_seconds".into());
                builder.set_buckets_for_metric(delivery, &DELIVERY_BUCKETS)
            })
            .context("the histogram buckets are not valid")?
            .build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).context("metrics were started twice")?;
        Ok(Self { listener, handle })
    }

    /// Where it listens.
    pub fn address(&self) -> Result<SocketAddr> {
        self.listener.local_addr().context("the metrics listener has no address")
    }

    /// Serves `/metrics` until told to stop.
    pub async fn serve(self, shutdown: Shutdown) -> std::io::Result<()> {
        let Self { listener, handle } = self;
        let upkeep = handle.clone();
        let render = move || async move { ([(header::CONTENT_TYPE, CONTENT_TYPE)], handle.render()) };
        let router = Router::new().route("/metrics", get(render));
        let server = axum::serve(listener, router).with_graceful_shutdown(shutdown.requested());
        let upkeep = async {
            let mut interval = tokio::time::interval(UPKEEP);
            loop {
                interval.tick().await;
                upkeep.run_upkeep();
            }
        };
        tokio::select! {
            ended = server => ended,
            () = upkeep => Ok(()),
        }
    }
}
