//! Where the database is and how it is reached.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

/// Where the database is, and what may be asked of it.
#[derive(Clone)]
pub struct PostgresOptions {
    pub(super) config: Config,
    pub(super) authority: Option<PathBuf>,
    /// Connections of this node, at most.
    pub connections: u32,
    /// How long a request waits for a free connection.
    pub wait: Duration,
    /// How long it may take to open one.
    pub connect: Duration,
    /// How long one statement may take, and one may wait for a lock.
    pub statement: Duration,
}

impl fmt::Debug for PostgresOptions {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("hosts", &self.config.get_hosts())
            .field("database", &self.config.get_dbname())
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}

/// Why a database URL was refused. Shows nothing of the URL, which may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// Not a URL of the form `postgres://user@host:port/database`.
    #[error("the database URL is not of the form postgres://USER@HOST:PORT/DATABASE: {0}")]
    Malformed(String),
    /// A host over a network without TLS, which was not asked for by `sslmode=disable`.
    #[error("the database URL has an unknown sslmode; use disable, require or verify-full")]
    SslMode,
    /// It names no user or no database.
    #[error("the database URL lacks the {0}")]
    Lacks(&'static str),
}

impl PostgresOptions {
    /// Reads a URL such as `postgres://vestibule@db.internal/vestibule?sslmode=verify-full&sslrootcert=ca.pem`.
    ///
    /// TLS is required, and the server's certificate verified, for every host that is not this machine, whatever the
    /// `sslmode`, unless it is `disable`. Several hosts may be named (`@a:5432,b:5432/`); the one that takes writes is used.
    pub fn from_url(url: &str) -> Result<Self, UrlError> {
        let (url, ssl_mode, authority) = split_query(url);
        let mut config = Config::from_str(&url).map_err(|error| UrlError::Malformed(cause(&error)))?;
        if config.get_user().is_none() {
            return Err(UrlError::Lacks("user"));
        }
        if config.get_dbname().is_none() {
            return Err(UrlError::Lacks("database"));
        }
        if config.get_hosts().is_empty() {
            return Err(UrlError::Lacks("host"));
        }
        let local = config.get_hosts().iter().all(is_local);
        config.ssl_mode(match ssl_mode.as_deref() {
            Some("disable") => SslMode::Disable,
            Some("require" | "verify-ca" | "verify-full") => SslMode::Require,
            Some("prefer" | "allow") | None if local => SslMode::Prefer,
            Some("prefer" | "allow") | None => SslMode::Require,
            Some(_) => return Err(UrlError::SslMode),
        });
        if config.get_target_session_attrs() == TargetSessionAttrs::Any {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        if config.get_application_name().is_none() {
            config.application_name("vestibule");
        }
        // A peer that is gone without a word is noticed within half a minute.
        config.tcp_user_timeout(Duration::from_secs(15)).keepalives_idle(Duration::from_secs(15));
        config.keepalives_interval(Duration::from_secs(5)).keepalives_retries(3);
        Ok(Self {
            config,
            authority: authority.map(PathBuf::from),
            connections: 16,
            wait: Duration::from_secs(3),
            connect: Duration::from_secs(5),
            statement: Duration::from_secs(10),
        })
    }

    /// Trusts the certificate authorities in this PEM file instead of the system's.
    pub fn trust(&mut self, authority: &Path) {
        self.authority = Some(authority.to_owned());
    }

    /// Whether the URL held a password.
    pub fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }

    /// Sets the password.
    pub fn set_password(&mut self, password: &str) {
        self.config.password(password);
    }

    /// Names the place without secrets, for messages: `host:port,.../database`.
    pub fn place(&self) -> String {
        let ports = self.config.get_ports();
        let hosts = self.config.get_hosts().iter().enumerate().map(|(index, host)| {
            let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                Host::Unix(path) => path.display().to_string(),
            }
        });
        let hosts: Vec<String> = hosts.collect();
        format!("{}/{}", hosts.join(","), self.config.get_dbname().unwrap_or_default())
    }
}

/// The cause of a refused URL, which names an option and never its value.
fn cause(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text = inner.to_string();
        source = inner.source();
    }
    text
}

/// Takes out of a URL what its parser does not know: libpq's modes of verification and its file of authorities.
fn split_query(url: &str) -> (String, Option<String>, Option<String>) {
    let Some((base, query)) = url.split_once('?') else { return (url.to_owned(), None, None) };
    let (mut mode, mut authority, mut rest) = (None, None, Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("sslmode", value)) => mode = Some(value.to_owned()),
            Some(("sslrootcert", value)) => authority = Some(value.replace("%2F", "/").replace("%2f", "/")),
            _ => rest.push(pair),
        }
    }
    let url = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
    (url, mode, authority)
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        Host::Unix(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> SslMode {
        PostgresOptions::from_url(url).unwrap().config.get_ssl_mode()
    }

    #[test]
    fn another_machine_is_reached_by_tls_unless_it_is_disabled() {
        assert_eq!(mode("postgres://v@127.0.0.1/v"), SslMode::Prefer);
        assert_eq!(mode("postgres://v@localhost:5433/v"), SslMode::Prefer);
        assert_eq!(mode("postgres://v@db.internal/v"), SslMode::Require);
        assert_eq!(mode("postgres://v@db.internal/v?sslmode=prefer"), SslMode::Require);
        assert_eq!(mode("postgres://v@127.0.0.1,db.internal/v"), SslMode::Require);
        assert_eq!(mode("postgres://v@db.internal/v?sslmode=verify-full"), SslMode::Require);
        assert_eq!(mode("postgres://v@db.internal/v?sslmode=disable"), SslMode::Disable);
        assert!(PostgresOptions::from_url("postgres://v@db.internal/v?sslmode=maybe").is_err());
    }

    #[test]
    fn a_file_of_authorities_is_taken_from_the_url() {
        let url = "postgresql://v@db.internal/v?sslrootcert=%2Fetc%2Fca.pem&connect_timeout=2";
        let options = PostgresOptions::from_url(url).unwrap();
        assert_eq!(options.authority.as_deref(), Some(Path::new("/etc/ca.pem")));
        assert_eq!(options.config.get_connect_timeout(), Some(&Duration::from_secs(2)));
    }

    #[test]
    fn a_refused_url_is_not_shown() {
        for url in ["postgres://v:secret@host/v?unknown=secret", "secret", "postgres://v:secret@host"] {
            let error = PostgresOptions::from_url(url).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
        let options = PostgresOptions::from_url("postgres://v:secret@a:1,b:2/d").unwrap();
        assert!(options.has_password());
        assert!(!format!("{options:?}").contains("secret"));
        assert_eq!(options.place(), "a:1,b:2/d");
    }
}
