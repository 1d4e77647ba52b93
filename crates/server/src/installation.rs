//! An installation on disk: a data directory with its keys, opened under its lock.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use vestibule_crypto::entropy::SystemEntropy;
use vestibule_crypto::keyset::KeyFile;
use vestibule_delivery::webhooks::SystemResolver;
use vestibule_engine::keys::KeyRing;
use vestibule_engine::store::Store;
use vestibule_engine::{Engine, Services, Settings};
use vestibule_store::{OpenError, PostgresOptions, PostgresStore, SqliteStore};

use crate::cli;
use crate::clock::SystemClock;
use crate::config;
use crate::dev::{self, clock_offset_ms};
use crate::files;
use crate::keys::{self, DEV_KEY_FILE, KeyLocation};

/// The database within a data directory.
const DATABASE: &str = "vestibule.db";

/// The lock within a data directory; the embedded store uses the same.
const LOCK: &str = "lock";

/// Where an installation is and how it is set up.
pub struct Place {
    /// The data directory.
    pub data_dir: PathBuf,
    /// Where its keys are.
    pub keys: KeyLocation,
    /// Its PostgreSQL database; none: the embedded one in the data directory.
    pub database: Option<PostgresOptions>,
    /// What its engine does.
    pub settings: Settings,
    /// The command that accepts a changed key set.
    how_to_accept: String,
}

impl Place {
    /// The installation that a command line names.
    pub fn find(named: &cli::Installation) -> Result<Self> {
        match &named.config {
            Some(path) => Self::of_config(path, &config::load(path)?, named.database_url.as_deref()),
            None => {
                let data_dir = &named.data_dir;
                if !data_dir.join(DEV_KEY_FILE).exists() {
                    bail!(
                        "there is no development server's data in {}; name another directory with --data-dir, or the \
                         configuration of a production server with --config",
                        data_dir.display()
                    );
                }
                Self::of_development(data_dir, named.database_url.as_deref())
            }
        }
    }

    /// The installation of a configuration file.
    pub fn of_config(path: &Path, config: &config::Config, database_url: Option<&str>) -> Result<Self> {
        Ok(Self {
            data_dir: config.server.data_dir.clone(),
            keys: config.keys()?,
            database: config.database_options(database_url)?,
            settings: config.engine_settings(),
            how_to_accept: format!("vestibule keys accept --config {}", path.display()),
        })
    }

    /// The installation of `dev`.
    pub fn of_development(data_dir: &Path, database_url: Option<&str>) -> Result<Self> {
        Ok(Self {
            data_dir: data_dir.to_owned(),
            keys: KeyLocation::File(data_dir.join(DEV_KEY_FILE)),
            database: database_url.map(PostgresOptions::from_url).transpose()?,
            settings: dev::settings(),
            how_to_accept: format!("vestibule keys accept --data-dir {}", data_dir.display()),
        })
    }

    /// Opens the store. The embedded one takes the lock of the data directory; for a database elsewhere it is taken here,
    /// so that no two servers share a directory's keys, socket and settings.
    pub async fn open_store(&self, clock: Arc<SystemClock>) -> Result<(Arc<dyn Store>, Option<File>)> {
        if let Some(options) = &self.database {
            let lock = files::lock(&self.data_dir.join(LOCK))?
                .with_context(|| format!("{} is in use by another process", self.data_dir.display()))?;
            let store = PostgresStore::open(options, clock).await?;
            return Ok((Arc::new(store), Some(lock)));
        }
        match SqliteStore::open(&self.data_dir, clock) {
            Ok(store) => Ok((Arc::new(store), None)),
            Err(OpenError::Locked(_)) => bail!("{} is in use by another process", self.data_dir.display()),
            Err(other) => Err(anyhow::Error::new(other)
                .context(format!("cannot open the database in {}", self.data_dir.display()))),
        }
    }

    /// Brings the schema of the database up to date; returns how many files that took.
    pub async fn migrate(&self) -> Result<usize> {
        let options = self.database.as_ref().context(
            "this installation uses the embedded store, which brings itself up to date when it is opened; name a PostgreSQL \
             database with --database-url or in the configuration",
        )?;
        Ok(PostgresStore::migrate(options, &SystemClock::default()).await?)
    }
}

/// An opened installation.
pub struct Opened {
    /// The database.
    pub store: Arc<dyn Store>,
    /// What decides.
    pub engine: Arc<Engine>,
    /// The server's keys.
    pub keys: Arc<KeyRing>,
    /// The clock.
    pub clock: Arc<SystemClock>,
    /// Held for as long as the installation is open.
    lock: Option<File>,
}

impl Opened {
    /// Opens an installation for a server, which makes the data directory and the database.
    pub async fn new(place: &Place, load_keys: impl FnOnce() -> Result<KeyFile>) -> Result<Self> {
        files::private_directory(&place.data_dir)?;
        let clock = Arc::new(SystemClock::default());
        let (store, lock) = place.open_store(Arc::clone(&clock)).await?;
        // Behind the lock: two servers that start at once must not make two sets of keys.
        let file = load_keys()?;
        let keys = keys::recognise(&*store, file, &SystemEntropy, &place.how_to_accept).await?;
        let keys = Arc::new(keys);
        clock.set_offset(clock_offset_ms(&*store).await?);
        let services = Services {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock) as _,
            entropy: Arc::new(SystemEntropy),
            keys: Arc::clone(&keys),
        };
        let engine = Engine::new(services, place.settings.clone());
        let engine = Arc::new(engine.with_resolver(Arc::new(SystemResolver::default())));
        Ok(Self { store, engine, keys, clock, lock })
    }

    /// Opens an installation that was in use before, for a command.
    pub async fn existing(place: &Place) -> Result<Self> {
        if place.database.is_none() && !place.data_dir.join(DATABASE).exists() {
            bail!("there is no database in {} yet; start the server once", place.data_dir.display());
        }
        let keys = place.keys.load()?;
        Self::new(place, || Ok(keys))
            .await
            .context("the server does not answer, and its data cannot be opened")
    }

    /// Closes the database: everything is on disk, and the lock is free.
    pub async fn close(self) {
        let Self { store, engine, keys: _, clock: _, lock } = self;
        drop(engine);
        store.close();
        drop(lock);
    }
}
