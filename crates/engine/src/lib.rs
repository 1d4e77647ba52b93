//! What every activity means: authenticate, read, decide, commit.
//!
//! Promise: no effect and no answer from stored data before the stamp is verified; every decision is a pure function;
//! every effect commits with its cause or not at all.

mod clock;
pub mod model;
pub mod store;

pub use clock::Clock;
pub use vestibule_crypto::entropy::Entropy;
