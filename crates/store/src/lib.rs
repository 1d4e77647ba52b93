//! The stores behind the engine. All SQL of the program is in this crate.
//!
//! Promise: every method of [`vestibule_engine::store::Store`] is one atomic step; a guard is a predicate of the very
//! statement that changes the row; what was acknowledged is on disk. A contract suite in `tests/` holds each store to
//! that.

#[macro_use]
#[path = "statements/columns.rs"]
mod columns;
pub mod contents;
pub mod copy;
pub mod dialect;
mod listing;
pub mod migrate;
pub mod plan;
mod postgres;
mod reading;
pub mod rows;
mod sqlite;
pub mod statements;
mod upkeep;
pub mod value;

pub use postgres::{OpenPostgresError, PostgresOptions, PostgresStore, UrlError};
pub use sqlite::{
    BackupContents, BackupError, NewFileError, OpenError, Options, Restored, SqliteStore, backup, restore,
};

use vestibule_engine::model::Millis;
use vestibule_wire::ActivityId;

/// The milliseconds that an id of version 7 begins with (RFC 9562, section 5.7).
fn created_at(id: ActivityId) -> Millis {
    id.as_bytes()[..6].iter().fold(0, |ms, byte| ms << 8 | Millis::from(*byte))
}
