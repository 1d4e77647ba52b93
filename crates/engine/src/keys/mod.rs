//! The server's own keys, as every node sees them: those that seal from the node's file, the others from the table.
//!
//! Promise: which key signs follows from the table and the store's time alone, not from when a node looked. A new key
//! begins only after every node had time to learn of it, and one request uses one key set from start to end.

mod rewrap;
mod rotate;
mod table;

use std::sync::{Arc, PoisonError, RwLock};

use vestibule_crypto::entropy::Entropy;
use vestibule_crypto::keyset::{KeyFile, KeySet, KeySetError};

use crate::store::{CommitError, Store, StoreError};

pub use rewrap::Rewrapped;
pub use rotate::KeyStatus;
pub use table::accept;

use table::Table;

/// Why the keys of a file and of the database do not go together.
#[derive(Debug, thiserror::Error)]
pub enum KeyTableError {
    /// The store is away.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Together they are no key set.
    #[error(transparent)]
    Keys(#[from] KeySetError),
    /// A database without a table was started with other keys. Both are fingerprints of key files.
    #[error("known: {known}, given: {given}")]
    OtherFile {
        /// What the database was started with.
        known: String,
        /// What the file holds.
        given: String,
    },
    /// The names of sealing keys under which the database holds something.
    #[error("the key file lacks the sealing key {}, or has another key under that name", .0.join(", "))]
    LacksSealingKeys(Vec<String>),
    /// The key that would seal from now on.
    #[error("the first sealing key of the key file, {0}, is new to the database")]
    NewSealingKey(String),
    /// Keys of the file that are not in the table.
    #[error("the database does not have {} of the key file", .0.join(", "))]
    NewKeys(Vec<String>),
    /// Keys that the table holds as active.
    #[error("{} is retired in the key file and active in the database", .0.join(", "))]
    RetiredInFile(Vec<String>),
    /// The name of a key.
    #[error("the database has another key named {0}: give the new one a name of its own")]
    NameTaken(String),
    /// Others changed the table again and again.
    #[error("the keys in the database keep changing; try again")]
    Contended,
}

impl KeyTableError {
    /// Whether the operator must say that the keys were changed on purpose: [`accept`] then takes them.
    pub fn needs_acceptance(&self) -> bool {
        match self {
            Self::OtherFile { .. }
            | Self::LacksSealingKeys(_)
            | Self::NewSealingKey(_)
            | Self::NewKeys(_)
            | Self::RetiredInFile(_)
            | Self::NameTaken(_) => true,
            Self::Store(_) | Self::Keys(_) | Self::Contended => false,
        }
    }
}

/// The keys in use. Whoever handles a request takes [`KeyRing::current`] once.
#[derive(Debug)]
pub struct KeyRing {
    file: KeyFile,
    current: RwLock<Arc<KeySet>>,
}

impl KeyRing {
    /// The keys of a database. One without keys takes those of the file, which then must have every role; another one
    /// must know the file's.
    pub async fn open(
        store: &dyn Store,
        file: KeyFile,
        entropy: &dyn Entropy,
    ) -> Result<Self, KeyTableError> {
        let set = table::open(store, &file, entropy).await?;
        Ok(Self { file, current: RwLock::new(Arc::new(set)) })
    }

    /// The keys of a file that has every role, without a database.
    pub fn of_file(file: KeyFile) -> Result<Self, KeySetError> {
        let set = KeySet::of_file(&file)?;
        Ok(Self { file, current: RwLock::new(Arc::new(set)) })
    }

    /// The keys as they were read last.
    pub fn current(&self) -> Arc<KeySet> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The key file of this node.
    pub fn file(&self) -> &KeyFile {
        &self.file
    }

    /// Reads the table again; true where something changed. After an error the keys stay as they were.
    pub async fn refresh(&self, store: &dyn Store, entropy: &dyn Entropy) -> Result<bool, KeyTableError> {
        let table = Table::read(store, &self.file).await?;
        table.all_open()?;
        if !table.knows_sealing_key(&self.file) {
            // Somebody sealed everything anew for another key, and this node still seals under its own: a key file
            // without that key must not be taken for complete.
            tracing::warn!(
                key = self.file.sealing_key().id(),
                "this server seals under a key that was re-wrapped; restart it with the new key file and run `keys rewrap` again"
            );
            match store.commit(table::sealing_row(&self.file, entropy)).await {
                Ok(()) | Err(CommitError::Conflict(_)) => {}
                Err(CommitError::Unavailable(error)) => return Err(error.into()),
            }
        }
        let set = table.join(&self.file)?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let changed = **current != set;
        if changed {
            tracing::info!(keys = ?set, "the server's keys changed");
            *current = Arc::new(set);
        }
        Ok(changed)
    }
}
