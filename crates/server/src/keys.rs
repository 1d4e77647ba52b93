//! The server's keys: where they come from, and whether the database knows them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use vestibule_crypto::entropy::Entropy;
use vestibule_crypto::keyset::{KeyFile, KeySetError};
use vestibule_crypto::secret::Secret;
use vestibule_engine::Engine;
use vestibule_engine::keys::{KeyRing, KeyTableError};
use vestibule_engine::store::Store;

use crate::files;
use crate::lifecycle::Shutdown;

/// Holds a whole key file; stands in for `keys.file`.
pub const KEYS_VARIABLE: &str = "VESTIBULE_KEYS";

/// The key file of a development data directory.
pub const DEV_KEY_FILE: &str = "keys.json";

/// Where a key file is kept.
#[derive(Debug, Clone)]
pub enum KeyLocation {
    /// In this file.
    File(PathBuf),
    /// In the variable [`KEYS_VARIABLE`].
    Environment(Secret<String>),
}

impl KeyLocation {
    /// Reads the keys.
    pub fn load(&self) -> Result<KeyFile> {
        match self {
            Self::File(path) => {
                let document = files::read_secret(path);
                let missing = !path.try_exists().unwrap_or(true);
                let document = if missing {
                    document.context(
                        "without keys the server cannot start; `vestibule keys generate --out FILE` makes them",
                    )?
                } else {
                    document?
                };
                KeyFile::from_json(document.expose())
                    .with_context(|| format!("{} is not a key file", path.display()))
            }
            Self::Environment(document) => KeyFile::from_json(document.expose())
                .with_context(|| format!("{KEYS_VARIABLE} is not a key set")),
        }
    }
}

/// Writes keys to a new file.
pub fn write(path: &Path, keys: &KeyFile) -> Result<()> {
    files::write_new(path, keys.to_json().expose())
}

/// The keys of a development data directory, made when absent.
pub fn of_development(data_dir: &Path, entropy: &dyn Entropy) -> Result<KeyFile> {
    let path = data_dir.join(DEV_KEY_FILE);
    match path.try_exists().with_context(|| format!("cannot read {}", path.display()))? {
        true => KeyLocation::File(path).load(),
        false => {
            let keys = KeyFile::generate(entropy);
            write(&path, &keys)?;
            Ok(keys)
        }
    }
}

/// The keys of a database, which takes those of the file where it has none. Refuses keys that are not its own.
pub async fn recognise(
    store: &dyn Store,
    file: KeyFile,
    entropy: &dyn Entropy,
    how_to_accept: &str,
) -> Result<KeyRing> {
    KeyRing::open(store, file, entropy).await.map_err(|error| match error {
        error if error.needs_acceptance() => anyhow!(
            "the keys are not those this database was started with ({error}). If that is a mistake, give the server its own \
             key file back: with other keys it cannot open what it stored. If you changed the key file on purpose, run \
             `{how_to_accept}` once"
        ),
        KeyTableError::Keys(KeySetError::MissingRole(_)) => anyhow!(error).context(
            "a database without keys takes its first ones from the key file, which must have every role; \
             `vestibule keys generate --out FILE` makes them",
        ),
        error => anyhow!(error),
    })
}

/// Lets a database know a key file that was changed on purpose. Returns whether anything changed.
pub async fn accept(
    store: &dyn Store,
    file: &KeyFile,
    entropy: &dyn Entropy,
    activation_ms: i64,
    forget_sealed: bool,
) -> Result<bool> {
    match vestibule_engine::keys::accept(store, file, entropy, activation_ms, forget_sealed).await {
        Ok(changed) => Ok(changed),
        Err(KeyTableError::LacksSealingKeys(ids)) => bail!(
            "the key file lacks the sealing key {}, or has another key under that name: what is sealed under it (signing keys, \
             auth proxy keys, waiting messages, live codes) would be lost. Keep it in the file with \"state\": \"retired\" until \
             `vestibule keys rewrap` has moved all of that, or run this again with --forget-sealed",
            ids.join(", ")
        ),
        Err(error) => Err(error.into()),
    }
}

/// Reads the key table at an interval, so that this server knows every key long before any signs.
pub async fn refresh(engine: Arc<Engine>, every: Duration, shutdown: Shutdown) {
    let stopped = shutdown.requested();
    tokio::pin!(stopped);
    loop {
        tokio::select! {
            () = &mut stopped => return,
            () = tokio::time::sleep(every) => {}
        }
        if let Err(error) = engine.refresh_keys().await {
            tracing::warn!(%error, "the keys in the database cannot be read; going on with those known");
        }
    }
}
