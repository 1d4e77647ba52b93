//! `vestibule backup` and `vestibule restore`, for the embedded store.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use vestibule_store::BackupContents;

use crate::cli::{Backup, Installation, Restore};
use crate::config;
use crate::db;
use crate::keys::{DEV_KEY_FILE, KEYS_VARIABLE, KeyLocation};
use crate::output::say;

/// Runs `vestibule backup`.
pub fn backup(arguments: &Backup) -> Result<()> {
    let Backup { place, out } = arguments;
    let Files { data_dir, keys } = Files::of(place)?;
    let contents = vestibule_store::backup(&data_dir, out).context("there is no backup")?;
    say!("Wrote {}.", out.display());
    print(&contents);
    say!(
        "The sealing key is not in it. Keep a copy of {keys} apart from it: without that key it cannot be put to work again."
    );
    Ok(())
}

/// Runs `vestibule restore`.
pub fn restore(arguments: &Restore) -> Result<()> {
    let Restore { place, from } = arguments;
    let Files { data_dir, keys } = Files::of(place)?;
    let restored = vestibule_store::restore(from, &data_dir).context("nothing was restored")?;
    say!("Restored {} into {}.", from.display(), data_dir.display());
    print(&restored.contents);
    if !restored.contents.compared {
        say!(
            "`vestibule backup` did not write this file: its structure is sound, its rows could not be compared."
        );
    }
    say!(
        "Given up: {} messages and events that waited to be sent, {} codes that could still be entered.\n\
         Start the server with the sealing key it had, in {keys}.",
        restored.messages_held_back,
        restored.codes_ended
    );
    Ok(())
}

fn print(contents: &BackupContents) {
    let BackupContents { tables, schema_version, bytes, sha256, compared: _ } = contents;
    db::print(tables);
    say!("schema version {schema_version}, {bytes} bytes\nSHA-256 {}", hex::encode(sha256));
}

/// Where an installation has its data, and its keys in words.
struct Files {
    data_dir: PathBuf,
    keys: String,
}

impl Files {
    fn of(named: &Installation) -> Result<Self> {
        let embedded = |url: Option<&str>| {
            ensure!(
                url.is_none(),
                "this installation is on PostgreSQL, which has its own tools for backups; docs/operations.md says how"
            );
            Ok(())
        };
        embedded(named.database_url.as_deref())?;
        let Some(path) = &named.config else {
            let data_dir = named.data_dir.clone();
            return Ok(Self { keys: data_dir.join(DEV_KEY_FILE).display().to_string(), data_dir });
        };
        let config = config::load(path)?;
        embedded(config.database.url.as_deref())?;
        let keys = match config.keys()? {
            KeyLocation::File(path) => path.display().to_string(),
            KeyLocation::Environment(_) => format!("the variable {KEYS_VARIABLE}"),
        };
        Ok(Self { data_dir: config.server.data_dir, keys })
    }
}
