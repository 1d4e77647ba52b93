//! PostgreSQL clusters that live as long as a test, and a TCP proxy that misbehaves on demand.
//!
//! A test that only needs a database calls [`fresh_database`]: it is made on the cluster that `cargo xtask test` started,
//! or else on one started for this process. A test that breaks things starts a [`Cluster`] of its own, and puts a
//! [`FaultProxy`] before it where the network is to fail.
//!
//! Nothing stays behind: a cluster ends, and its files go, with the process that started it, however that one ends.
//! This crate is no part of the product. It waits by polling with a bound, and its calls block: async tests run them with
//! `spawn_blocking`, or before and after what they measure.

mod account;
mod binaries;
mod cluster;
mod endpoint;
mod postmaster;
mod proxy;
mod reaper;
mod shared;
mod standby;

pub use binaries::{BIN_VARIABLE, Binaries};
pub use cluster::{Cluster, Options};
pub use endpoint::{Counts, Database, Endpoint};
pub use proxy::{Counters, Direction, FaultProxy, When};
pub use shared::{SHARED_VARIABLE, fresh_database, shared};
