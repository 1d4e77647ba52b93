//! `vestibule dev`: a server that is ready to use, for one developer on one machine.

mod previews;
mod surface;
mod tenant;

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::net::TcpListener;
use vestibule_crypto::entropy::SystemEntropy;
use vestibule_delivery::MessageSettings;
use vestibule_delivery::channel::Inbox;
use vestibule_delivery::routing::Routing;
use vestibule_delivery::webhooks::{Courier, SystemResolver};
use vestibule_delivery::worker::WorkerSettings;
use vestibule_engine::limits::{EVERYWHERE, Pumping};
use vestibule_engine::{Clock, KnownProvider, Settings};
use vestibule_http::dev::{DevConfig, DevSurface};
use vestibule_http::{AddressLimits, ConnectionLimits, RequestLimits};

use crate::app::{self, Parts, WEBHOOK_TIMEOUT};
use crate::cli::{DEV_DATA_DIR, Dev};
use crate::config;
use crate::installation::{Opened, Place};
use crate::metrics::Metrics;
use crate::{keys, lifecycle, logging, output};

use previews::Samples;
pub use surface::clock_offset_ms;
use surface::{MovedClock, ShownInbox};
use tenant::{ENV_FILE, Tenant};

/// Sender of the messages in the inbox.
const SENDER: &str = "no-reply@vestibule.localhost";

/// What the inbox is called in routes.
const INBOX: &str = "inbox";

/// How the engine is set in development.
pub fn settings() -> Settings {
    Settings {
        sandbox: true,
        development: true,
        email_enabled: true,
        sms_enabled: true,
        account_requires_token: false,
        providers: vec![KnownProvider { name: INBOX.to_owned(), email: true, sms: true }],
        loopback_webhooks: true,
        // Whoever tries things out leaves many codes unused, and none of them costs anything.
        pumping: Pumping { record_only: true, countries: vec![EVERYWHERE.to_owned()], ..Pumping::default() },
        ..Settings::default()
    }
}

/// Runs the command until the server is told to stop.
pub async fn run(arguments: &Dev) -> Result<()> {
    check_address(arguments)?;
    logging::start(logging::Format::Text, "info")?;
    let shutdown = lifecycle::on_signal()?;
    let place = Place::of_development(&arguments.data_dir, arguments.database_url.as_deref())?;
    let opened = Opened::new(&place, || keys::of_development(&place.data_dir, &SystemEntropy)).await?;
    let tenant = Tenant::of(&*opened.store, &opened.engine, opened.keys.file(), &SystemEntropy).await?;

    let listener = TcpListener::bind(arguments.listen).await.with_context(|| {
        format!(
            "cannot listen on {}; choose another address with --listen, for example --listen 127.0.0.1:0 for a free port",
            arguments.listen
        )
    })?;
    let address = listener.local_addr().context("the listener has no address")?;
    let url = format!("http://{address}");
    let metrics = match arguments.metrics_listen {
        Some(address) => Some(Metrics::start(address).await?),
        None => None,
    };
    tenant.write_env(&place.data_dir, &url, &opened.keys.current(), opened.clock.now_ms())?;
    let mut greeting = greeting(&url, arguments, &tenant);
    if let Some(metrics) = &metrics {
        writeln!(greeting, "metrics http://{}/metrics", metrics.address()?)?;
    }

    let inbox = Arc::new(Inbox::new());
    let store = Arc::clone(&opened.store);
    let defaults = config::Retention::default();
    let parts = Parts {
        listener,
        metrics,
        connections: ConnectionLimits {
            drain_timeout: Duration::from_secs(5),
            ..ConnectionLimits::default()
        },
        requests: RequestLimits {
            addresses: AddressLimits { enabled: false, ..AddressLimits::default() },
            ..RequestLimits::default()
        },
        public_url: None,
        routing: Routing::single(INBOX, Arc::clone(&inbox) as _)?,
        captcha: None,
        messages: MessageSettings::new(SENDER)?.into(),
        worker: WorkerSettings::default(),
        courier: Courier::new(Arc::new(SystemResolver::default()), WEBHOOK_TIMEOUT, true)?,
        retention: defaults.rules(),
        purge_every: defaults.interval(),
        refresh_keys_every: config::Keys::default().refresh_interval(),
        dev: Some(DevSurface {
            inbox: Arc::new(ShownInbox(inbox)),
            clock: Arc::new(MovedClock::new(Arc::clone(&opened.clock), store)),
            previews: Arc::new(Samples {
                engine: Arc::clone(&opened.engine),
                organization: tenant.organization_id,
                messages: MessageSettings::new(SENDER)?,
            }),
            config: shown_config(&opened, &tenant, url),
            listen: address,
        }),
    };
    drop(tenant);
    app::run(&place.data_dir, opened, parts, shutdown, || output::announce(&greeting)).await
}

/// What the page needs to know, with the keys that sign when it asks.
fn shown_config(opened: &Opened, tenant: &Tenant, url: String) -> Box<dyn Fn() -> DevConfig + Send + Sync> {
    let (keys, clock) = (Arc::clone(&opened.keys), Arc::clone(&opened.clock));
    let (organization_id, auth_proxy_config_id) = (tenant.organization_id, tenant.auth_proxy_config_id);
    Box::new(move || {
        let (keys, now) = (keys.current(), clock.now_ms());
        DevConfig {
            organization_id,
            auth_proxy_config_id,
            bundle_signer_public_key: keys.bundle_signer(now).public_key().to_uncompressed_hex(),
            session_signer_public_key: keys.session_signer(now).public_key().to_uncompressed_hex(),
            url: url.clone(),
        }
    })
}

/// Codes lie open in development, so other machines are kept out unless somebody says twice that they may come in.
fn check_address(arguments: &Dev) -> Result<()> {
    let address: SocketAddr = arguments.listen;
    if address.ip().is_loopback() || (arguments.allow_remote && arguments.expose_codes) {
        return Ok(());
    }
    bail!(
        "{address} can be reached from other machines, and `dev` shows every code to everybody who reaches it. Listen on \
         127.0.0.1, use `vestibule serve` for a real server, or, in a network where you trust everybody, add \
         --allow-remote --expose-codes"
    )
}

/// What is printed once the server accepts connections.
fn greeting(url: &str, arguments: &Dev, tenant: &Tenant) -> String {
    let program = std::env::args().next().unwrap_or_else(|| "vestibule".into());
    let env_file = arguments.data_dir.join(ENV_FILE);
    let env_file = env_file.display();
    let config_id = tenant.auth_proxy_config_id;
    let named = match arguments.data_dir.as_os_str() == DEV_DATA_DIR {
        true => String::new(),
        false => format!(" --env-file {env_file}"),
    };
    format!(
        "ready {url}\n\
         \n\
         Log in and read the codes in your browser:\n\
         \x20   {url}/\n\
         Send a code, as a web app would, and read it:\n\
         \x20   curl -s {url}/v1/otp_init_v2 -H 'X-Auth-Proxy-Config-Id: {config_id}' -d '{{\"otpType\":\"OTP_TYPE_EMAIL\",\"contact\":\"you@example.com\"}}'\n\
         \x20   curl -s '{url}/dev/messages?to=you@example.com'\n\
         Send a stamped request, as a backend would:\n\
         \x20   {program} request{named} --path /public/v1/query/whoami\n\
         Keys and ids for the SDKs are in {env_file}.\n"
    )
}
