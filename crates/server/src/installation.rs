//! An installation on disk: a data directory with its keys, opened under its lock.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use vestibule_crypto::entropy::SystemEntropy;
use vestibule_crypto::keyset::KeySet;
use vestibule_engine::store::Store;
use vestibule_engine::{Engine, Services, Settings};
use vestibule_store::{OpenError, SqliteStore};

use crate::cli;
use crate::clock::SystemClock;
use crate::config;
use crate::dev::{self, clock_offset_ms};
use crate::files;
use crate::keys::{self, DEV_KEY_FILE, KeyLocation};

/// The database within a data directory.
const DATABASE: &str = "vestibule.db";

/// Where an installation is and how it is set up.
pub struct Place {
    /// The data directory.
    pub data_dir: PathBuf,
    /// Where its keys are.
    pub keys: KeyLocation,
    /// What its engine does.
    pub settings: Settings,
    /// The command that accepts a changed key set.
    how_to_accept: String,
}

impl Place {
    /// The installation that a command line names.
    pub fn find(named: &cli::Installation) -> Result<Self> {
        match &named.config {
            Some(path) => Self::of_config(path, &config::load(path)?),
            None => {
                let data_dir = &named.data_dir;
                if !data_dir.join(DEV_KEY_FILE).exists() {
                    bail!(
                        "there is no development server's data in {}; name another directory with --data-dir, or the \
                         configuration of a production server with --config",
                        data_dir.display()
                    );
                }
                Ok(Self::of_development(data_dir))
            }
        }
    }

    /// The installation of a configuration file.
    pub fn of_config(path: &Path, config: &config::Config) -> Result<Self> {
        Ok(Self {
            data_dir: config.server.data_dir.clone(),
            keys: config.keys()?,
            settings: config.engine_settings(),
            how_to_accept: format!("vestibule keys accept --config {}", path.display()),
        })
    }

    /// The installation of `dev`.
    pub fn of_development(data_dir: &Path) -> Self {
        Self {
            data_dir: data_dir.to_owned(),
            keys: KeyLocation::File(data_dir.join(DEV_KEY_FILE)),
            settings: dev::settings(),
            how_to_accept: format!("vestibule keys accept --data-dir {}", data_dir.display()),
        }
    }

    /// Opens the store, under the lock of the data directory.
    pub fn open_store(&self, clock: Arc<SystemClock>) -> Result<Arc<SqliteStore>> {
        let opened = SqliteStore::open(&self.data_dir, clock);
        opened.map(Arc::new).map_err(|error| match error {
            OpenError::Locked(_) => {
                anyhow::anyhow!("{} is in use by another process", self.data_dir.display())
            }
            other => anyhow::Error::new(other)
                .context(format!("cannot open the database in {}", self.data_dir.display())),
        })
    }
}

/// An opened installation.
pub struct Opened {
    /// The database.
    pub store: Arc<SqliteStore>,
    /// What decides.
    pub engine: Arc<Engine>,
    /// The server's keys.
    pub keys: Arc<KeySet>,
    /// The clock.
    pub clock: Arc<SystemClock>,
}

impl Opened {
    /// Opens an installation for a server, which makes the data directory and the database.
    pub async fn new(place: &Place, load_keys: impl FnOnce() -> Result<KeySet>) -> Result<Self> {
        files::private_directory(&place.data_dir)?;
        let clock = Arc::new(SystemClock::default());
        let store = place.open_store(Arc::clone(&clock))?;
        // Behind the lock: two servers that start at once must not make two sets of keys.
        let keys = Arc::new(load_keys()?);
        keys::recognise(&*store, &keys, &SystemEntropy, &place.how_to_accept).await?;
        clock.set_offset(clock_offset_ms(&*store).await?);
        let services = Services {
            store: Arc::clone(&store) as Arc<dyn Store>,
            clock: Arc::clone(&clock) as _,
            entropy: Arc::new(SystemEntropy),
            keys: Arc::clone(&keys),
        };
        let engine = Arc::new(Engine::new(services, place.settings.clone()));
        Ok(Self { store, engine, keys, clock })
    }

    /// Opens an installation that was in use before, for a command.
    pub async fn existing(place: &Place) -> Result<Self> {
        if !place.data_dir.join(DATABASE).exists() {
            bail!("there is no database in {} yet; start the server once", place.data_dir.display());
        }
        let keys = place.keys.load()?;
        Self::new(place, || Ok(keys))
            .await
            .context("the server does not answer, and its data cannot be opened")
    }

    /// Closes the database: everything is on disk, and the lock is free.
    pub async fn close(self) {
        let Self { store, engine, keys: _, clock: _ } = self;
        drop(engine);
        store.close();
    }
}
