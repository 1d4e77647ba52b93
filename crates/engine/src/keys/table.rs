//! The table of keys against the file of a node: filling it, checking it, and taking over what an operator changed.

use std::collections::BTreeMap;

use vestibule_crypto::entropy::Entropy;
use vestibule_crypto::keyset::{Key, KeyFile, KeyRole, KeySet, KeySetError, KeyState, SealedKey};
use vestibule_crypto::seal::{place, sealed_key_id};

use super::KeyTableError;
use crate::model::ServerKey;
use crate::store::{ChangeSet, CommitError, KeyWrite, NewServerKey, Store, Write};

/// Set with the first keys, so that of nodes that start at once with different files one fills the table.
const FIRST_KEYS: &str = "first_keys";

/// Fingerprint of the key file a database was started with before it had a table.
const OLD_FINGERPRINT: &str = "key_set_fingerprint";

/// What was sealed under the sealing keys of such a database: a JSON object from names to hex.
const OLD_PROBES: &str = "key_set_probes";

/// How often the table is read anew because another node changed it.
const ROUNDS: usize = 5;

pub(super) fn sealed_key(row: &ServerKey) -> SealedKey<'_> {
    let ServerKey { id, role, state, activates_at, sealed, created_at: _, updated_at, version: _ } = row;
    SealedKey { id, role: *role, state: *state, activates_at: *activates_at, changed_at: *updated_at, sealed }
}

/// The table, opened with the keys of a file.
pub(super) struct Table {
    /// In the order in which keys are published, the same on every node.
    pub(super) rows: Vec<ServerKey>,
    keys: Vec<Key>,
    /// Names of the sealing keys that the file lacks.
    lacking: Vec<String>,
    /// Rows that cannot be opened.
    lost: Vec<ServerKey>,
}

impl Table {
    pub(super) async fn read(store: &dyn Store, file: &KeyFile) -> Result<Self, KeyTableError> {
        let mut rows = store.server_keys().await?;
        rows.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        let (mut keys, mut lacking, mut lost) = (Vec::new(), Vec::new(), Vec::new());
        for row in &rows {
            match file.open_key(&sealed_key(row)) {
                Ok(key) => keys.extend(key),
                Err(_) => {
                    let under = sealed_key_id(&row.sealed).unwrap_or(&row.id).to_owned();
                    if !lacking.contains(&under) {
                        lacking.push(under);
                    }
                    lost.push(row.clone());
                }
            }
        }
        Ok(Self { rows, keys, lacking, lost })
    }

    pub(super) fn all_open(&self) -> Result<(), KeyTableError> {
        match self.lost.is_empty() {
            true => Ok(()),
            false => Err(KeyTableError::LacksSealingKeys(self.lacking.clone())),
        }
    }

    /// Whether the database knows that something is sealed under the file's first sealing key.
    pub(super) fn knows_sealing_key(&self, file: &KeyFile) -> bool {
        let id = file.sealing_key().id();
        let known = |rows: &[ServerKey]| rows.iter().any(|r| r.role == KeyRole::SealingKey && r.id == id);
        known(&self.rows) && !known(&self.lost)
    }

    pub(super) fn join(self, file: &KeyFile) -> Result<KeySet, KeySetError> {
        KeySet::join(file, self.keys)
    }

    /// Refuses a file that is not this database's, or was changed since.
    fn check(&self, file: &KeyFile) -> Result<(), KeyTableError> {
        self.all_open()?;
        if !self.knows_sealing_key(file) {
            return Err(KeyTableError::NewSealingKey(file.sealing_key().id().to_owned()));
        }
        let (mut new, mut retired) = (Vec::new(), Vec::new());
        for key in table_keys(file) {
            match self.keys.iter().find(|known| known.is_twin(key)) {
                None => new.push(key.id().to_owned()),
                Some(known) if is_active(known) && !is_active(key) => retired.push(key.id().to_owned()),
                Some(_) => {}
            }
        }
        if !new.is_empty() {
            return Err(KeyTableError::NewKeys(new));
        }
        if !retired.is_empty() {
            return Err(KeyTableError::RetiredInFile(retired));
        }
        Ok(())
    }

    fn has(&self, role: KeyRole) -> bool {
        self.rows.iter().any(|row| row.role == role)
    }

    /// The first keys of roles that the table does not know yet and that servers make by themselves. They sign at once:
    /// until now nobody signed in such a role. Servers that start together make one key, by its name.
    fn make_absent(&self, file: &KeyFile, entropy: &dyn Entropy) -> Vec<Write> {
        let names: Vec<&str> = self.rows.iter().map(|row| row.id.as_str()).collect();
        let occasion = names.join("\n");
        let absent = KeyRole::ALL.into_iter().filter(|role| role.is_made_when_absent() && !self.has(*role));
        let made = absent.map(|role| Key::generate_for(role, occasion.as_bytes(), entropy));
        made.map(|key| insert(file, &key, Some(0), entropy)).collect()
    }

    /// What makes the table agree with a file that was changed on purpose. Rows that cannot be opened go.
    fn adopt(
        &self,
        file: &KeyFile,
        entropy: &dyn Entropy,
        activation_ms: i64,
    ) -> Result<Vec<Write>, KeyTableError> {
        let mut writes: Vec<Write> =
            self.lost.iter().map(|row| delete(row.id.clone(), row.version)).collect();
        // The keys that are active in the end.
        let mut active: Vec<&Key> = self.keys.iter().filter(|key| is_active(key)).collect();
        for key in table_keys(file) {
            let known = self.keys.iter().find(|known| known.id() == key.id());
            match known {
                Some(known) if !known.is_twin(key) => {
                    return Err(KeyTableError::NameTaken(key.id().to_owned()));
                }
                Some(known) if is_active(known) && !is_active(key) => {
                    active.retain(|other| other.id() != key.id());
                    let row = self.rows.iter().find(|row| row.id == key.id());
                    writes.extend(row.map(|row| {
                        let (id, version) = (row.id.clone(), row.version);
                        Write::ServerKey(KeyWrite::SetState { id, state: KeyState::Retired, version })
                    }));
                }
                Some(_) => {}
                None => {
                    // The other nodes must learn of it before it signs, unless there is nobody to sign meanwhile.
                    let others = self.keys.iter().any(|other| other.role() == key.role() && is_active(other));
                    let wait = if others { activation_ms } else { 0 };
                    writes.push(insert(file, key, is_first(file, key).then_some(wait), entropy));
                    active.extend(is_active(key).then_some(key));
                }
            }
        }
        if let Some(role) = KeyRole::ALL
            .into_iter()
            .find(|role| *role != KeyRole::SealingKey && !active.iter().any(|key| key.role() == *role))
            .filter(|role| !role.is_made_when_absent() || self.has(*role))
        {
            return Err(KeySetError::MissingRole(role).into());
        }
        if !self.knows_sealing_key(file) {
            writes.extend(sealing_row(file, entropy).writes);
        }
        Ok(writes)
    }
}

fn is_active(key: &Key) -> bool {
    key.state() == KeyState::Active
}

/// The keys of a file that belong into the table.
fn table_keys(file: &KeyFile) -> impl Iterator<Item = &Key> {
    file.keys().filter(|key| key.role() != KeyRole::SealingKey)
}

/// Whether a key is the first active one of its role in the file, which is the one that shall sign.
fn is_first(file: &KeyFile, key: &Key) -> bool {
    let first = file.keys().find(|other| other.role() == key.role() && is_active(other));
    first.is_some_and(|first| first.id() == key.id())
}

fn insert(file: &KeyFile, key: &Key, activates_in_ms: Option<i64>, entropy: &dyn Entropy) -> Write {
    Write::ServerKey(KeyWrite::Insert(NewServerKey {
        id: key.id().to_owned(),
        role: key.role(),
        state: key.state(),
        activates_in_ms,
        sealed: key.sealed(file.sealing_key(), entropy),
    }))
}

pub(super) fn delete(id: String, version: i64) -> Write {
    Write::ServerKey(KeyWrite::Delete { id, version })
}

/// Tells the database that something is sealed under the file's first sealing key.
pub(super) fn sealing_row(file: &KeyFile, entropy: &dyn Entropy) -> ChangeSet {
    let first = file.keys().find(|key| key.role() == KeyRole::SealingKey && is_active(key));
    ChangeSet { writes: first.map(|key| insert(file, key, None, entropy)).into_iter().collect() }
}

/// The keys of a database, which takes those of the file where it has none.
pub(super) async fn open(
    store: &dyn Store,
    file: &KeyFile,
    entropy: &dyn Entropy,
) -> Result<KeySet, KeyTableError> {
    for _ in 0..ROUNDS {
        let table = Table::read(store, file).await?;
        if !table.rows.is_empty() {
            table.check(file)?;
            let made = table.make_absent(file, entropy);
            if made.is_empty() {
                return Ok(table.join(file)?);
            }
            commit(store, made).await?;
            continue;
        }
        if let Some(known) = store.meta(OLD_FINGERPRINT).await?
            && known != file.fingerprint()
        {
            return Err(KeyTableError::OtherFile { known, given: file.fingerprint() });
        }
        let (probes, _) = old_probes(store, file).await?;
        commit(store, fill(file, entropy, &probes)?).await?;
    }
    Err(KeyTableError::Contended)
}

/// Lets a database know a file that was changed on purpose: takes over its new keys, which begin to sign `activation_ms`
/// later where others sign meanwhile, and retires those the file retired. Refuses one that lacks a sealing key the
/// database was used with, unless `forget_sealed`. Returns whether anything changed.
pub async fn accept(
    store: &dyn Store,
    file: &KeyFile,
    entropy: &dyn Entropy,
    activation_ms: i64,
    forget_sealed: bool,
) -> Result<bool, KeyTableError> {
    for _ in 0..ROUNDS {
        let table = Table::read(store, file).await?;
        if !forget_sealed {
            table.all_open()?;
        }
        let writes = if table.rows.is_empty() {
            let (probes, lacking) = old_probes(store, file).await?;
            if !lacking.is_empty() && !forget_sealed {
                return Err(KeyTableError::LacksSealingKeys(lacking));
            }
            fill(file, entropy, &probes)?
        } else {
            table.adopt(file, entropy, activation_ms)?
        };
        if writes.is_empty() {
            return Ok(false);
        }
        if commit(store, writes).await? {
            return Ok(true);
        }
    }
    Err(KeyTableError::Contended)
}

/// Commits; false when another node was faster.
async fn commit(store: &dyn Store, writes: Vec<Write>) -> Result<bool, KeyTableError> {
    match store.commit(ChangeSet { writes }).await {
        Ok(()) => Ok(true),
        Err(CommitError::Conflict(_)) => Ok(false),
        Err(CommitError::Unavailable(error)) => Err(error.into()),
    }
}

/// The first keys of a database: all of the file (what it lacks of them is made when the table is read next), and that something is sealed under the first sealing key and those named.
fn fill(file: &KeyFile, entropy: &dyn Entropy, sealing: &[String]) -> Result<Vec<Write>, KeyTableError> {
    KeySet::check_file(file)?;
    let mut writes = vec![Write::InsertMeta { key: FIRST_KEYS.to_owned(), value: file.fingerprint() }];
    for key in file.keys() {
        let first = is_first(file, key);
        if key.role() != KeyRole::SealingKey || first || sealing.iter().any(|id| id == key.id()) {
            writes.push(insert(file, key, first.then_some(0), entropy));
        }
    }
    Ok(writes)
}

/// The sealing keys that a database from before the table was used with: those the file has, and those it lacks.
async fn old_probes(store: &dyn Store, file: &KeyFile) -> Result<(Vec<String>, Vec<String>), KeyTableError> {
    let probes: BTreeMap<String, String> = match store.meta(OLD_PROBES).await? {
        // A record that cannot be read names no key.
        Some(text) => serde_json::from_str(&text).unwrap_or_default(),
        None => BTreeMap::new(),
    };
    let aad = place("meta", "value", OLD_PROBES.as_bytes());
    let opens = |probe: &str| hex::decode(probe).is_ok_and(|sealed| file.open(&aad, &sealed).is_ok());
    let (open, lacking): (Vec<_>, Vec<_>) = probes.into_iter().partition(|(_, probe)| opens(probe));
    let names = |probes: Vec<(String, String)>| probes.into_iter().map(|(id, _)| id).collect();
    Ok((names(open), names(lacking)))
}
