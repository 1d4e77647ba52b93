//! `vestibule serve`: a server for production.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::net::TcpListener;

use crate::app::{self, Parts};
use crate::clock::SystemClock;
use crate::config::{self, Config};
use crate::installation::{Opened, Place};
use crate::metrics::Metrics;
use crate::output::{self, say};
use crate::{cli, lifecycle, lists, logging};

/// Runs the command until the server is told to stop.
pub async fn run(arguments: &cli::Serve) -> Result<()> {
    let path = &arguments.config;
    let config = config::load(path)?;
    logging::start(config.log.format, &config.log.filter)?;
    for warning in config.limits.warnings() {
        tracing::warn!("{warning}");
    }
    let shutdown = lifecycle::on_signal()?;
    let place = Place::of_config(path, &config, arguments.database_url.as_deref())?;
    // Before anything is opened or bound: what is wrong with the configuration is told first.
    let (routing, messages) = (config.routing()?, config.message_settings()?);
    let captcha = config.captcha()?;
    let domains = config.addresses.domains(Arc::new(SystemClock::default()))?;
    let keys = place.keys.load()?;
    let opened = Opened::new(&place, || Ok(keys)).await?;
    if let Some(domains) = &domains {
        opened.engine.judge_domains_by(Arc::clone(domains) as _);
    }
    lists::reread_on_hangup(domains, config.addresses.clone())?;
    let address = config.server.listen;
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}; is another server running? Change `server.listen`")
    })?;
    let address = listener.local_addr().context("the listener has no address")?;
    let metrics = match config.metrics.listen {
        Some(address) => Some(Metrics::start(address).await?),
        None => None,
    };
    if let Some(metrics) = &metrics {
        tracing::info!(address = %metrics.address()?, "metrics are served");
    }
    let parts = Parts {
        listener,
        metrics,
        connections: config.connection_limits(),
        requests: config.request_limits(),
        public_url: config.server.public_url.clone(),
        routing,
        captcha,
        messages,
        worker: config.worker_settings(),
        courier: config.courier()?,
        retention: config.retention.rules(),
        purge_every: config.retention.interval(),
        refresh_keys_every: config.keys.refresh_interval(),
        dev: None,
    };
    app::run(&place.data_dir, opened, parts, shutdown, || {
        tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "accepting requests");
        output::announce(&format!("ready http://{address}\n"));
    })
    .await
}

/// Runs `vestibule config check`: everything `serve` reads, and nothing it opens or binds.
pub fn check(path: &Path) -> Result<()> {
    let config = config::load(path)?;
    check_parts(&config).with_context(|| format!("{} would not work", path.display()))?;
    let keys = config.keys()?.load()?;
    for warning in config.limits.warnings() {
        eprintln!("warning: {warning}");
    }
    say!("{} is valid. Keys {}.", path.display(), keys.fingerprint());
    Ok(())
}

fn check_parts(config: &Config) -> Result<()> {
    config.routing()?;
    config.message_settings()?;
    config.captcha()?;
    config.addresses.lists()?;
    config.database_options(None)?;
    logging::check(&config.log.filter)
}
