//! The public contract of Vestibule: ids, activity types and versions, intents, results and error codes. No I/O.
//!
//! Promise: whatever this crate parses is well-formed and bounded, and whatever it writes has exactly the member names
//! of the protocol reference.

mod activity_type;
mod contact;
mod destination;
mod ids;
mod intent;
pub mod json;
mod locale;
pub mod openapi;
pub mod proxy;
pub mod query;
mod refusal;
pub mod results;
pub(crate) mod schema;
mod text;
pub mod token;
pub mod view;

pub use activity_type::{Action, ActivityType, Resource};
pub use contact::{
    AliasRules, Contact, ContactError, Country, MailDomain, NotACountry, NotADomain, OtpType, UnknownOtpType,
};
pub use destination::{Destination, Reach, reach};
pub use ids::*;
pub use intent::*;
pub use locale::{Locale, MAX_LOCALES, NotALocale, choose, preferences};
pub use refusal::{Counted, Expression, Labelled, PolicyOutcome, Refusal};
pub use text::{DecimalText, Label, List, MAX_LABEL, MAX_LIST, Text, label, seconds};
