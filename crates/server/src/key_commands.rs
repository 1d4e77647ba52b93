//! `vestibule keys`.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use vestibule_crypto::entropy::SystemEntropy;
use vestibule_crypto::keyset::KeyFile;
use vestibule_http::admin::{AdminAnswer, AdminCommand};

use crate::admin;
use crate::cli::{Installation, KeySource, Keys};
use crate::clock::SystemClock;
use crate::config;
use crate::installation::Place;
use crate::keys::{self, DEV_KEY_FILE, KeyLocation};
use crate::output::say;

/// Runs the command.
pub async fn run(command: Keys) -> Result<()> {
    match command {
        Keys::Generate { out, sealing_only } => {
            let made = match sealing_only {
                true => KeyFile::generate_sealing(&SystemEntropy),
                false => KeyFile::generate(&SystemEntropy),
            };
            keys::write(&out, &made)?;
            say!(
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
            say!("{document:#}");
            Ok(())
        }
        Keys::Accept { place, forget_sealed } => {
            let place = Place::find(&place)?;
            let keys = place.keys.load()?;
            let (store, _lock) = place
                .open_store(Arc::new(SystemClock::default()))
                .await
                .context("stop the server first: keys are accepted while it does not run")?;
            let accepted =
                keys::accept(&*store, &keys, &SystemEntropy, place.settings.key_activation_ms, forget_sealed)
                    .await;
            store.close();
            match accepted? {
                true => say!("Accepted. Fingerprint {}.", keys.fingerprint()),
                false => say!("These keys are known already; nothing to do."),
            }
            Ok(())
        }
        Keys::List { place } => admin::run(&place, AdminCommand::KeyList {}).await,
        Keys::Rotate { place, role, after_seconds } => {
            admin::run(&place, AdminCommand::KeyRotate { role: role.into(), after_seconds }).await
        }
        Keys::Retire { place, id } => admin::run(&place, AdminCommand::KeyRetire { id }).await,
        Keys::Rewrap { place } => rewrap(&place).await,
    }
}

/// Moves what is sealed, and checks that it went to where the key file says: a server that runs goes by the file it was
/// started with.
async fn rewrap(place: &Installation) -> Result<()> {
    let wanted = Place::find(place)?.keys.load()?;
    let answer = admin::send(place, AdminCommand::KeyRewrap {}).await?;
    admin::print(&answer)?;
    let AdminAnswer::Rewrapped { rewrapped } = answer else { bail!("the server answered something else") };
    if rewrapped.sealing_key != wanted.sealing_key().id() {
        bail!(
            "the server that runs seals under {}, and the key file begins with {}: restart it, and run this again",
            rewrapped.sealing_key,
            wanted.sealing_key().id()
        );
    }
    Ok(())
}

fn location(source: KeySource) -> Result<KeyLocation> {
    match source {
        KeySource { config: Some(path), .. } => config::load(&path)?.keys(),
        KeySource { data_dir: Some(directory), .. } => Ok(KeyLocation::File(directory.join(DEV_KEY_FILE))),
        KeySource { file, .. } => file.map(KeyLocation::File).context("name a key file with --file"),
    }
}
