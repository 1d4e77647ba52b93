//! Messages: rendering, channels and the outbox worker.
//!
//! Promise: a message is sent outside any transaction, under a lease, and never after its code has expired; what a
//! caller put into it cannot add a header, a recipient or markup; contacts, codes and bodies reach the channel and
//! nothing else: no log line, no error and no `Debug` output has them.

mod cause;
pub mod channel;
pub mod domains;
mod gsm7;
mod outbox;
pub mod preview;
pub mod receipts;
pub mod render;
pub mod routing;
mod settings;
mod suppression;
pub mod template;
pub mod webhooks;
pub mod worker;

pub use gsm7::{SmsEncoding, SmsSize, gsm7_segments};
pub use settings::{MessageSettings, MessageTable, SettingsError};
pub use suppression::SuppressionSettings;
