//! The inbox of development: messages stay in memory, for the developer to read.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde::Serialize;
use tokio::sync::broadcast;
use vestibule_engine::model::{MessagePurpose, Millis};
use vestibule_wire::{Contact, MessageId, OtpId, OtpType};

use super::{Accepted, Channel, Delivery, SendError};
use crate::render::Rendered;

/// Messages kept, at most; the oldest go first.
const MAX_MESSAGES: usize = 1000;
/// Bytes of all bodies kept, at most.
const MAX_BYTES: usize = 32 * 1024 * 1024;
/// Messages a slow subscriber may lag behind before it misses some.
const LAG: usize = 64;

/// A message as `GET /dev/messages` shows it.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InboxMessage {
    /// Id of the outbox message.
    pub id: MessageId,
    /// `email` or `sms`.
    pub channel: &'static str,
    /// Address as given, or E.164 number.
    pub to: String,
    /// `Name <address>`; empty for SMS.
    pub from: String,
    /// Empty for SMS.
    pub subject: String,
    /// The text body, or the SMS.
    pub text: String,
    /// The HTML body; empty for SMS.
    pub html: String,
    /// The code alone; empty where it carries a bundle.
    pub otp_code: String,
    /// The bundle alone; empty where it carries a code.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub credential_bundle: String,
    /// The attempt it belongs to.
    pub otp_id: OtpId,
    /// When the message was made, RFC 3339 in UTC.
    pub created_at: String,
}

impl std::fmt::Debug for InboxMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InboxMessage").field("id", &self.id).finish_non_exhaustive()
    }
}

struct Kept {
    /// The normalised contact.
    key: String,
    bytes: usize,
    message: Arc<InboxMessage>,
}

#[derive(Default)]
struct Messages {
    /// Oldest first.
    kept: VecDeque<Kept>,
    bytes: usize,
}

/// Keeps the last 1000 messages of both channels (or 32 MiB of them) in memory, and tells subscribers of new ones.
pub struct Inbox {
    messages: Mutex<Messages>,
    news: broadcast::Sender<Arc<InboxMessage>>,
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Inbox {
    /// An empty one.
    pub fn new() -> Self {
        Self { messages: Mutex::default(), news: broadcast::Sender::new(LAG) }
    }

    /// What was sent to a contact in any of its spellings, or everything; newest first. A number may be written without
    /// its `+`, which a query string turns into a blank.
    pub fn list(&self, to: Option<&str>) -> Vec<Arc<InboxMessage>> {
        let key = to.map(normalised);
        let messages = self.lock();
        let wanted = |kept: &&Kept| key.as_ref().is_none_or(|key| *key == kept.key);
        messages.kept.iter().rev().filter(wanted).map(|kept| Arc::clone(&kept.message)).collect()
    }

    /// Messages from now on. A receiver that falls 64 messages behind is told so and goes on with newer ones.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<InboxMessage>> {
        self.news.subscribe()
    }

    fn keep(&self, message: InboxMessage) {
        let message = Arc::new(message);
        let bytes = message.text.len() + message.html.len() + message.subject.len();
        let mut messages = self.lock();
        // A try whose outcome was lost is made again; the person it is for sees one message.
        if messages.kept.iter().rev().any(|kept| kept.message.id == message.id) {
            return;
        }
        messages.bytes += bytes;
        messages.kept.push_back(Kept { key: normalised(&message.to), bytes, message: Arc::clone(&message) });
        while messages.kept.len() > MAX_MESSAGES || (messages.bytes > MAX_BYTES && messages.kept.len() > 1) {
            let Some(oldest) = messages.kept.pop_front() else { break };
            messages.bytes -= oldest.bytes;
        }
        drop(messages);
        // An error means that nobody listens.
        let _ = self.news.send(message);
    }

    fn lock(&self) -> MutexGuard<'_, Messages> {
        // Nothing panics while the lock is held, and a half-kept message would do no harm.
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Channel for Inbox {
    fn name(&self) -> &'static str {
        "inbox"
    }

    fn carries(&self, _: OtpType) -> bool {
        true
    }

    async fn send(&self, delivery: &Delivery) -> Result<Accepted, SendError> {
        let Delivery { message_id: id, otp_id, created_at, purpose, code, message, .. } = delivery;
        let created_at = rfc3339(*created_at)?;
        let (id, otp_id) = (*id, *otp_id);
        let (otp_code, credential_bundle) = match purpose {
            MessagePurpose::Code => (code.clone(), String::new()),
            MessagePurpose::SignInBundle | MessagePurpose::RecoveryBundle => (String::new(), code.clone()),
        };
        self.keep(match message.clone() {
            Rendered::Email(email) => InboxMessage {
                id,
                channel: "email",
                to: email.to,
                from: format!("{} <{}>", email.from.name, email.from.address),
                subject: email.subject,
                text: email.text,
                html: email.html,
                otp_code,
                credential_bundle,
                otp_id,
                created_at,
            },
            Rendered::Sms(sms) => InboxMessage {
                id,
                channel: "sms",
                to: sms.to,
                from: String::new(),
                subject: String::new(),
                text: sms.text,
                html: String::new(),
                otp_code,
                credential_bundle,
                otp_id,
                created_at,
            },
        });
        Ok(Accepted::default())
    }
}

fn rfc3339(at: Millis) -> Result<String, SendError> {
    let at = jiff::Timestamp::from_millisecond(at)
        .map_err(|_| SendError::never("the message has no valid time"))?;
    Ok(format!("{at:.3}"))
}

/// The form contacts are compared in; what is no contact is compared as it is.
fn normalised(text: &str) -> String {
    let text = text.trim();
    let kind = if text.contains('@') { OtpType::Email } else { OtpType::Sms };
    let plus = format!("+{text}");
    [text, &plus]
        .into_iter()
        .find_map(|text| Contact::stored(kind, text).ok())
        .map_or_else(|| text.to_owned(), |contact| contact.normalised().to_owned())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::render::fixtures::{payload, settings};
    use crate::render::render;

    fn delivery(number: u128, channel: OtpType, to: &str) -> Delivery {
        Delivery {
            message_id: MessageId(Uuid::from_u128(number)),
            otp_id: OtpId(Uuid::from_u128(1)),
            attempt: 1,
            created_at: 1_782_916_051_261,
            expires_at: 1_782_916_351_261,
            now: 1_782_916_051_300,
            time: std::time::Duration::from_secs(10),
            purpose: MessagePurpose::Code,
            code: "7G3K9QW2X".to_owned(),
            message: render(channel, &payload(to), None, &settings()).message,
        }
    }

    fn email(number: u128, to: &str) -> Delivery {
        delivery(number, OtpType::Email, to)
    }

    #[tokio::test]
    async fn messages_are_listed_newest_first_with_the_documented_members() {
        let inbox = Inbox::new();
        inbox.send(&email(1, "Ann@Example.com")).await.unwrap();
        inbox.send(&delivery(2, OtpType::Sms, "+15551234567")).await.unwrap();
        let shown =
            serde_json::to_value(inbox.list(None).iter().map(|m| (**m).clone()).collect::<Vec<_>>()).unwrap();
        assert_eq!(
            shown[0],
            serde_json::json!({
                "id": "00000000-0000-0000-0000-000000000002",
                "channel": "sms",
                "to": "+15551234567",
                "from": "",
                "subject": "",
                "text": "Shop: your code is 7G3K9QW2X. It expires in 5 minutes.",
                "html": "",
                "otpCode": "7G3K9QW2X",
                "otpId": "00000000-0000-0000-0000-000000000001",
                "createdAt": "2026-07-01T14:27:31.261Z",
            })
        );
        assert_eq!(shown[1]["channel"], "email");
        assert_eq!(shown[1]["from"], "Notifications <no-reply@mail.example>");
        assert_eq!(shown[1]["subject"], "7G3K9QW2X is your Shop code");
    }

    #[tokio::test]
    async fn a_contact_is_found_in_any_of_its_spellings() {
        let inbox = Inbox::new();
        inbox.send(&email(1, "Ann@Example.com")).await.unwrap();
        inbox.send(&email(2, "bob@example.com")).await.unwrap();
        inbox.send(&delivery(3, OtpType::Sms, "+15551234567")).await.unwrap();
        let ids = |to: &str| inbox.list(Some(to)).iter().map(|m| m.id.0.as_u128()).collect::<Vec<_>>();
        assert_eq!(ids(" ann@EXAMPLE.com"), [1]);
        assert_eq!(ids("Bob@example.com"), [2]);
        for spelling in ["+15551234567", "+1 (555) 123-4567", " 15551234567"] {
            assert_eq!(ids(spelling), [3], "{spelling}");
        }
        assert_eq!(ids("nobody@example.com"), Vec::<u128>::new());
        assert_eq!(ids(""), Vec::<u128>::new());
    }

    #[tokio::test]
    async fn the_oldest_messages_give_way() {
        let inbox = Inbox::new();
        for number in 0..1005 {
            inbox.send(&email(number, "a@b.example")).await.unwrap();
        }
        let kept = inbox.list(None);
        assert_eq!(kept.len(), 1000);
        assert_eq!(kept[0].id.0.as_u128(), 1004);
        assert_eq!(kept[999].id.0.as_u128(), 5);

        let big = "x".repeat(MAX_BYTES / 2);
        for number in 2000..2004 {
            let mut delivery = email(number, "a@b.example");
            if let Rendered::Email(email) = &mut delivery.message {
                email.html = big.clone();
            }
            inbox.send(&delivery).await.unwrap();
        }
        assert_eq!(inbox.list(None).len(), 1, "two of these are more than the inbox holds");
    }

    #[tokio::test]
    async fn a_repeated_try_shows_one_message() {
        let inbox = Inbox::new();
        let mut news = inbox.subscribe();
        inbox.send(&email(1, "a@b.example")).await.unwrap();
        inbox.send(&email(1, "a@b.example")).await.unwrap();
        assert_eq!(inbox.list(None).len(), 1);
        assert_eq!(news.recv().await.unwrap().id.0.as_u128(), 1);
        assert!(news.try_recv().is_err());
    }
}
