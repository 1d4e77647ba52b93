//! `vestibule keys`.

use std::sync::Arc;

use anyhow::{Context, Result};
use vestibule_crypto::entropy::SystemEntropy;

use crate::cli::{KeySource, Keys};
use crate::clock::SystemClock;
use crate::config;
use crate::installation::Place;
use crate::keys::{self, DEV_KEY_FILE, KeyLocation};

/// Runs the command.
pub async fn run(command: Keys) -> Result<()> {
    match command {
        Keys::Generate { out } => {
            let made = keys::generate(&out, &SystemEntropy)?;
            println!(
                "Wrote {}. Fingerprint {}.\nKeep a copy in a safe place: without these keys the database is of no use.",
                out.display(),
                made.fingerprint()
            );
            Ok(())
        }
        Keys::Show { keys: source } => {
            let keys = location(source)?.load()?;
            let mut document = keys.public_document();
            document["fingerprint"] = keys.fingerprint().into();
            println!("{document:#}");
            Ok(())
        }
        Keys::Accept { place, forget_sealed } => {
            let place = Place::find(&place)?;
            let keys = place.keys.load()?;
            let (store, _lock) = place
                .open_store(Arc::new(SystemClock::default()))
                .await
                .context("stop the server first: keys are accepted while it does not run")?;
            let accepted = keys::accept(&*store, &keys, &SystemEntropy, forget_sealed).await;
            store.close();
            match accepted? {
                true => println!("Accepted. Fingerprint {}.", keys.fingerprint()),
                false => println!("These keys are known already; nothing to do."),
            }
            Ok(())
        }
    }
}

fn location(source: KeySource) -> Result<KeyLocation> {
    match source {
        KeySource { config: Some(path), .. } => config::load(&path)?.keys(),
        KeySource { data_dir: Some(directory), .. } => Ok(KeyLocation::File(directory.join(DEV_KEY_FILE))),
        KeySource { file, .. } => file.map(KeyLocation::File).context("name a key file with --file"),
    }
}
