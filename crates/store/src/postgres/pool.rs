//! Connections: how one is opened, and the few that are kept.

use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{
    self, Metrics, PoolConfig, PoolError, QueueMode, RecycleError, RecycleResult, TimeoutType, Timeouts,
};
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;
use vestibule_engine::store::StoreError;

use super::OpenPostgresError;
use super::connection::{Connection, PLAIN};
use super::options::PostgresOptions;

/// How long a transaction may stand open without a word: one whose node died must not keep its locks.
const IDLE_IN_TRANSACTION_MS: u32 = 10_000;

/// The connections of this node.
pub(super) type Pool = managed::Pool<Opener>;

/// A connection lent by the pool.
pub(super) type Lent = managed::Object<Opener>;

/// Opens connections.
pub(super) struct Opener {
    config: tokio_postgres::Config,
    tls: Option<MakeRustlsConnect>,
    settings: String,
}

impl Opener {
    fn new(options: &PostgresOptions) -> Result<Self, OpenPostgresError> {
        let tls = match options.config.get_ssl_mode() {
            SslMode::Disable => None,
            _ => Some(MakeRustlsConnect::new(client_config(options)?)),
        };
        let limit = options.statement.as_millis();
        // Every statement finds its rows by a key: one plan serves all values, and stays right while a table that was
        // empty when the plan was made grows.
        let settings = format!(
            "SET statement_timeout = {limit}; SET lock_timeout = {limit}; \
             SET idle_in_transaction_session_timeout = {IDLE_IN_TRANSACTION_MS}; \
             SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET jit = off"
        );
        let mut config = options.config.clone();
        config.connect_timeout(options.connect);
        Ok(Self { config, tls, settings })
    }

    async fn open(&self) -> Result<Connection, tokio_postgres::Error> {
        let conn = match &self.tls {
            Some(tls) => {
                let (client, driver) = self.config.connect(tls.clone()).await?;
                Connection::new(client, driver)
            }
            None => {
                let (client, driver) = self.config.connect(PLAIN).await?;
                Connection::new(client, driver)
            }
        };
        conn.client.batch_execute(&self.settings).await?;
        Ok(conn)
    }
}

impl managed::Manager for Opener {
    type Type = Connection;
    type Error = tokio_postgres::Error;

    async fn create(&self) -> Result<Connection, tokio_postgres::Error> {
        let opened = self.open().await;
        metrics::counter!("vestibule_database_connections_total", "outcome" => if opened.is_ok() { "opened" } else { "failed" })
            .increment(1);
        opened
    }

    async fn recycle(&self, conn: &mut Connection, _: &Metrics) -> RecycleResult<tokio_postgres::Error> {
        match conn.client.is_closed() {
            true => Err(RecycleError::message("closed by the database")),
            false => Ok(()),
        }
    }
}

/// Makes a pool; opens nothing yet.
pub(super) fn new(options: &PostgresOptions) -> Result<Pool, OpenPostgresError> {
    let config = PoolConfig {
        max_size: options.connections.max(1) as usize,
        timeouts: Timeouts {
            wait: Some(options.wait),
            create: Some(options.connect + Duration::from_secs(1)),
            recycle: Some(options.connect),
        },
        // The one that came back last is the warmest, and those above the usual load are closed by nobody's use.
        queue_mode: QueueMode::Lifo,
    };
    let pool = Pool::builder(Opener::new(options)?).config(config).runtime(Runtime::Tokio1).build();
    // Only a missing runtime can make it fail.
    Ok(pool.expect("the pool has a runtime"))
}

/// What is said of a connection that could not be had.
pub(super) fn unavailable(error: PoolError<tokio_postgres::Error>) -> StoreError {
    StoreError(match error {
        PoolError::Timeout(TimeoutType::Wait) => {
            "every database connection is busy; raise database.connections or look for slow statements"
                .to_owned()
        }
        PoolError::Timeout(_) => "the database does not answer".to_owned(),
        PoolError::Backend(error) => describe(&error),
        other => other.to_string(),
    })
}

/// A connection error with its causes, without parameters.
pub(super) fn describe(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    text
}

/// TLS that verifies the server's certificate and name, against the named authorities or else the system's.
fn client_config(options: &PostgresOptions) -> Result<ClientConfig, OpenPostgresError> {
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| OpenPostgresError::Tls(error.to_string()))?;
    let Some(path) = &options.authority else {
        let verified =
            builder.with_platform_verifier().map_err(|error| OpenPostgresError::Tls(error.to_string()))?;
        return Ok(verified.with_no_client_auth());
    };
    let problem = |cause: String| OpenPostgresError::Tls(format!("{}: {cause}", path.display()));
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| problem(error.to_string()))? {
        let certificate = certificate.map_err(|error| problem(error.to_string()))?;
        roots.add(certificate).map_err(|error| problem(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(problem("it holds no certificate".to_owned()));
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
