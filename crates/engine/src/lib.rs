//! What every activity means: authenticate, read, decide, commit.
//!
//! Promise: no effect and no answer from stored data before the stamp is verified; every decision is a pure function;
//! every effect commits with its cause or not at all.

mod abuse;
mod activities;
mod addresses;
mod admin;
mod authority;
mod caller;
mod captcha;
mod clock;
mod delivery;
pub mod destinations;
mod engine;
pub mod events;
pub mod keys;
pub mod limits;
pub mod model;
pub mod outbox;
mod passkeys;
mod proxy;
mod queries;
mod read_only;
mod records;
mod settings;
pub mod store;
mod tokens;
mod views;
mod votes;

pub use abuse::{ALERTING, AbuseFilter};
pub use addresses::{DomainCheck, DomainVerdict};
pub use admin::{CreatedOrganization, NewTemplate, WebhookStatus};
pub use caller::StampHeaders;
pub use captcha::{CaptchaProvider, CaptchaWidget, Challenged, Unchallenged};
pub use clock::Clock;
pub use delivery::{ContactStanding, SentMessage};
pub use engine::{Engine, Services};
pub use proxy::ProxyAnswer;
pub use settings::{KnownProvider, Settings, TOKEN_ISSUER};
pub use vestibule_crypto::entropy::Entropy;
