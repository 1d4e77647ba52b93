//! Moving everything sealed to another sealing key, while servers run.

use serde::{Deserialize, Serialize};
use vestibule_crypto::keyset::{KeyFile, KeyRole};
use vestibule_wire::{ActivityId, MessageId, OrganizationId, OtpId, ProxyConfigId, Refusal};

use super::table::{Table, delete, sealed_key};
use crate::activities::{proxy_key_place, target_place};
use crate::engine::{Engine, unavailable};
use crate::outbox;
use crate::records::secrets_place;
use crate::store::{ChangeSet, CommitError, KeyWrite, Reseal, SealedPlace, SealedRow, SealedValue, Write};

/// Rows per look and commit, so that neither holds up others for long.
const PAGE: u32 = 100;

/// How often everything is looked through. A look that finds nothing ends it; each further one means that a server
/// sealed under another key meanwhile.
const LOOKS: usize = 5;

/// How often the keys themselves are moved because another node changed them.
const ROUNDS: usize = 5;

/// What was moved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rewrapped {
    /// The key under which everything is sealed now.
    pub sealing_key: String,
    /// Sealing keys that nothing needs any more: they may leave the key file.
    pub superseded: Vec<String>,
    /// Signing and code keys moved.
    pub keys: u64,
    /// Encryption targets of codes moved.
    pub otp_targets: u64,
    /// Activities whose secrets moved.
    pub activities: u64,
    /// Waiting messages moved.
    pub messages: u64,
    /// Keys of auth proxies moved.
    pub proxy_keys: u64,
    /// Values that no key of the file opens; they were lost before, and stay as they are.
    pub unreadable: u64,
}

impl Rewrapped {
    fn count(&mut self, place: SealedPlace) -> &mut u64 {
        match place {
            SealedPlace::OtpTarget => &mut self.otp_targets,
            SealedPlace::ActivitySecrets => &mut self.activities,
            SealedPlace::Message => &mut self.messages,
            SealedPlace::ProxyKey => &mut self.proxy_keys,
        }
    }
}

/// What a value is bound to: the same place as where it was sealed first.
fn aad(place: SealedPlace, row: SealedRow) -> Vec<u8> {
    let SealedRow(first, second) = row;
    match place {
        SealedPlace::OtpTarget => target_place(OtpId(second)),
        SealedPlace::ActivitySecrets => secrets_place(OrganizationId(first), ActivityId(second)),
        SealedPlace::Message => outbox::payload_place(MessageId(first)),
        SealedPlace::ProxyKey => proxy_key_place(ProxyConfigId(second)),
    }
}

impl Engine {
    /// Seals everything anew that is sealed under another key than the first active one of this server's key file.
    ///
    /// May be run again at any time. Refused where values go on being sealed under another key, which a server with an
    /// older key file does.
    pub async fn rewrap(&self) -> Result<Rewrapped, Refusal> {
        let file = self.services.keys.file();
        let mut done = Rewrapped { sealing_key: file.sealing_key().id().to_owned(), ..Rewrapped::default() };
        let mut looks = 0;
        loop {
            done.unreadable = 0;
            let mut moved = 0;
            for place in SealedPlace::ALL {
                moved += self.rewrap_place(file, place, &mut done).await?;
            }
            looks += 1;
            if moved == 0 {
                break;
            }
            if looks == LOOKS {
                return Err(Refusal::InvalidField(
                    "values go on being sealed under another key: restart every server with the new key file, and run this again",
                ));
            }
        }
        self.rewrap_keys(file, &mut done).await?;
        Ok(done)
    }

    /// One look at one kind of place; how many values it moved.
    async fn rewrap_place(
        &self,
        file: &KeyFile,
        place: SealedPlace,
        done: &mut Rewrapped,
    ) -> Result<u64, Refusal> {
        let (store, entropy) = (&*self.services.store, &*self.services.entropy);
        let (mut after, mut moved) = (SealedRow::START, 0);
        loop {
            let page = store.sealed_values(place, after, PAGE).await.map_err(|error| unavailable(&error))?;
            let full = page.len() >= PAGE as usize;
            let Some(last) = page.last() else { return Ok(moved) };
            after = last.row;
            let mut changes = ChangeSet::new();
            for SealedValue { row, sealed } in page {
                let Some(was) = sealed else { continue };
                match file.reseal(entropy, &aad(place, row), &was) {
                    Ok(None) => {}
                    Ok(Some(becomes)) => {
                        changes.push(Write::Reseal(Box::new(Reseal { place, row, was, becomes })));
                    }
                    Err(_) => done.unreadable += 1,
                }
            }
            let count = changes.writes.len() as u64;
            if count > 0 {
                match store.commit(changes).await {
                    Ok(()) => {}
                    // None of these writes has a guard.
                    Err(CommitError::Conflict(_)) => return Err(Refusal::Unavailable),
                    Err(CommitError::Unavailable(error)) => return Err(unavailable(&error)),
                }
                moved += count;
                *done.count(place) += count;
            }
            if !full {
                return Ok(moved);
            }
        }
    }

    /// Moves the keys of the table, and last of all forgets the sealing keys that are not needed any more.
    async fn rewrap_keys(&self, file: &KeyFile, done: &mut Rewrapped) -> Result<(), Refusal> {
        let (store, entropy) = (&*self.services.store, &*self.services.entropy);
        for _ in 0..ROUNDS {
            let table = Table::read(store, file).await.and_then(|table| table.all_open().map(|()| table));
            let table = table.map_err(|error| {
                tracing::error!(%error, "the keys in the database cannot be read");
                Refusal::Unavailable
            })?;
            let (mut changes, mut superseded, mut keys) = (ChangeSet::new(), Vec::new(), 0);
            for row in &table.rows {
                let (id, version) = (row.id.clone(), row.version);
                if row.role == KeyRole::SealingKey {
                    if row.id != done.sealing_key {
                        superseded.push(id.clone());
                        changes.push(delete(id, version));
                    }
                    continue;
                }
                let sealed = file.reseal(entropy, &sealed_key(row).place(), &row.sealed);
                if let Some(sealed) = sealed.map_err(|_| Refusal::Unavailable)? {
                    keys += 1;
                    changes.push(Write::ServerKey(KeyWrite::Reseal { id, sealed, version }));
                }
            }
            match store.commit(changes).await {
                Ok(()) => {
                    (done.superseded, done.keys) = (superseded, keys);
                    return Ok(());
                }
                Err(CommitError::Conflict(_)) => {}
                Err(CommitError::Unavailable(error)) => return Err(unavailable(&error)),
            }
        }
        Err(Refusal::Unavailable)
    }
}
