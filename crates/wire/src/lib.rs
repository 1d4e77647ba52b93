//! The public contract of Vestibule: ids, activity types and versions, intents, results and error codes. No I/O.
//!
//! Promise: whatever this crate parses is well-formed and bounded, and whatever it writes has exactly the member names
//! of the protocol reference.

mod contact;
mod ids;

pub use contact::{Contact, ContactError, OtpType, UnknownOtpType};
pub use ids::*;
