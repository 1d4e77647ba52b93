//! Recorded histories of concurrent clients against several nodes, and the checker that holds them against what
//! Vestibule promises.
//!
//! Promise: the checker accuses only with proof. What it reports cannot have come from a server that keeps its word,
//! whatever order the requests took effect in, and whatever became of those that were never answered. A request takes
//! effect, if at all, at one moment between its sending and its answer; without an answer (a lost connection, or a
//! 503) at any later moment, or never. Requests with the same bytes share one effect, so that a later answer to the
//! same bytes settles an earlier silence.

mod check;
mod event;
mod file;

pub use check::{Bounds, Report, Rule, Violation, check};
pub use event::{Delivery, Event, Fault, Header, History, Ids, Line, Operation, Outcome};
pub use file::{FileError, read, write};

/// The message of every refused guess, whatever was wrong with it.
pub const INVALID_CODE: &str = "Invalid OTP code";
