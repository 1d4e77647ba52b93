//! The server's keys: where they come from, and whether the database knows them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use vestibule_crypto::entropy::Entropy;
use vestibule_crypto::keyset::KeySet;
use vestibule_crypto::seal::{place, sealed_key_id};
use vestibule_crypto::secret::Secret;
use vestibule_engine::store::Store;

use crate::files;

/// Holds a whole key file; stands in for `keys.file`.
pub const KEYS_VARIABLE: &str = "VESTIBULE_KEYS";

/// The key file of a development data directory.
pub const DEV_KEY_FILE: &str = "keys.json";

const FINGERPRINT: &str = "key_set_fingerprint";
const PROBES: &str = "key_set_probes";

/// Where a key set is kept.
#[derive(Debug, Clone)]
pub enum KeyLocation {
    /// In this file.
    File(PathBuf),
    /// In the variable [`KEYS_VARIABLE`].
    Environment(Secret<String>),
}

impl KeyLocation {
    /// Reads the keys.
    pub fn load(&self) -> Result<KeySet> {
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
                KeySet::from_json(document.expose())
                    .with_context(|| format!("{} is not a key file", path.display()))
            }
            Self::Environment(document) => KeySet::from_json(document.expose())
                .with_context(|| format!("{KEYS_VARIABLE} is not a key set")),
        }
    }
}

/// Makes a key set and writes it to a new file.
pub fn generate(path: &Path, entropy: &dyn Entropy) -> Result<KeySet> {
    let keys = KeySet::generate(entropy);
    files::write_new(path, keys.to_json().expose())?;
    Ok(keys)
}

/// The keys of a development data directory, made when absent.
pub fn of_development(data_dir: &Path, entropy: &dyn Entropy) -> Result<KeySet> {
    let path = data_dir.join(DEV_KEY_FILE);
    match path.try_exists().with_context(|| format!("cannot read {}", path.display()))? {
        true => KeyLocation::File(path).load(),
        false => generate(&path, entropy),
    }
}

/// Refuses keys that are not those the database was started with; a new database takes them.
pub async fn recognise(
    store: &dyn Store,
    keys: &KeySet,
    entropy: &dyn Entropy,
    how_to_accept: &str,
) -> Result<()> {
    match store.meta(FINGERPRINT).await? {
        None => remember(store, keys, entropy, BTreeMap::new()).await,
        Some(known) if known == keys.fingerprint() => Ok(()),
        Some(known) => bail!(
            "the keys are not those this database was started with (known: {known}, given: {given}). \
             If that is a mistake, give the server its own key file back: with other keys it cannot open what it stored. \
             If you changed the key set on purpose, run `{how_to_accept}` once",
            given = keys.fingerprint(),
        ),
    }
}

/// Lets a database know another key set. Refuses one that lacks a sealing key the database was used with, unless
/// `forget_sealed`. Returns whether anything changed.
pub async fn accept(
    store: &dyn Store,
    keys: &KeySet,
    entropy: &dyn Entropy,
    forget_sealed: bool,
) -> Result<bool> {
    if store.meta(FINGERPRINT).await?.is_some_and(|known| known == keys.fingerprint()) {
        return Ok(false);
    }
    let mut probes: BTreeMap<String, String> = match store.meta(PROBES).await? {
        Some(text) => {
            serde_json::from_str(&text).context("the database's record of its sealing keys is damaged")?
        }
        None => BTreeMap::new(),
    };
    let (openable, lost): (BTreeMap<_, _>, BTreeMap<_, _>) =
        std::mem::take(&mut probes).into_iter().partition(|(_, probe)| opens(keys, probe));
    if !lost.is_empty() && !forget_sealed {
        let ids: Vec<&str> = lost.keys().map(String::as_str).collect();
        bail!(
            "the key set lacks the sealing key {}: what is sealed under it (auth proxy keys, waiting messages, live codes) would be lost. \
             Keep it in the set with \"state\": \"retired\", or run this again with --forget-sealed",
            ids.join(", ")
        );
    }
    remember(store, keys, entropy, openable).await?;
    Ok(true)
}

/// A probe is a value sealed under the key in use: it shows later whether that key is still there.
async fn remember(
    store: &dyn Store,
    keys: &KeySet,
    entropy: &dyn Entropy,
    mut probes: BTreeMap<String, String>,
) -> Result<()> {
    let probe = keys.sealing_key().seal(entropy, &probe_place(), b"probe");
    probes.insert(keys.sealing_key().id().to_owned(), hex::encode(probe));
    // The probes first: a fingerprint without them would let a later change lose a key unseen.
    store.put_meta(PROBES, &serde_json::to_string(&probes)?).await?;
    store.put_meta(FINGERPRINT, &keys.fingerprint()).await?;
    Ok(())
}

fn opens(keys: &KeySet, probe: &str) -> bool {
    let Ok(sealed) = hex::decode(probe) else { return false };
    sealed_key_id(&sealed).is_ok() && keys.open(&probe_place(), &sealed).is_ok()
}

fn probe_place() -> Vec<u8> {
    place("meta", "value", PROBES.as_bytes())
}
