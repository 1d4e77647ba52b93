//! The stores behind the engine. All SQL of the program is in this crate.
//!
//! Promise: every method of [`vestibule_engine::store::Store`] is one atomic step; a guard is a predicate of the very
//! statement that changes the row; what was acknowledged is on disk. A contract suite in `tests/` holds each store to
//! that.

#[macro_use]
#[path = "statements/columns.rs"]
mod columns;
pub mod dialect;
mod listing;
pub mod migrate;
pub mod plan;
mod reading;
pub mod rows;
mod sqlite;
pub mod statements;
pub mod value;

pub use sqlite::{OpenError, Options, SqliteStore};
