//! Who may do what, as a pure function.
//!
//! Promise: a [`Permit`] exists only where a rule of this crate allowed it, and the engine commits nothing without one.
//! The order is that of protocol 00 section 5.2: root quorum, explicit denials, allowances, implicit rights, refusal.

pub mod facts;
pub mod judgement;
pub mod language;

pub use judgement::Permit;
