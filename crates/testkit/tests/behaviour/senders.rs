//! Two parent organizations on one server: each sends from its own domains, and its codes belong to its own site.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};
use vestibule_delivery::channel::{Accepted, Channel, Delivery, SendError};
use vestibule_delivery::render::Rendered;
use vestibule_delivery::routing::Routing;
use vestibule_delivery::worker::{Worker, WorkerParts, WorkerSettings};
use vestibule_delivery::{MessageSettings, MessageTable};
use vestibule_engine::Clock;
use vestibule_testkit::{Tenant, TestServer};
use vestibule_wire::{ActivityType, OrganizationId, OtpType};

/// Keeps what it is given.
#[derive(Default)]
struct Kept(Mutex<Vec<Rendered>>);

#[async_trait]
impl Channel for Kept {
    fn name(&self) -> &'static str {
        "kept"
    }

    fn carries(&self, _: OtpType) -> bool {
        true
    }

    async fn send(&self, delivery: &Delivery) -> Result<Accepted, SendError> {
        self.0.lock().expect("the messages").push(delivery.message.clone());
        Ok(Accepted { provider_message_id: None })
    }
}

struct Subject {
    server: TestServer,
    /// A second parent organization.
    other: Tenant,
    kept: Arc<Kept>,
    worker: Worker<dyn vestibule_engine::store::Store>,
}

impl Subject {
    /// The first parent has what all have, the second has its own.
    async fn start() -> Self {
        let server = TestServer::start().await;
        let other = server.another_tenant().await;
        let kept = Arc::new(Kept::default());
        let settings = |domain: &str| {
            MessageSettings::new("no-reply@mail.example")
                .and_then(|settings| settings.with_allowed_sender_domains([domain]))
                .and_then(|settings| settings.with_sms_origin(&format!("app.{domain}")))
                .expect("settings")
        };
        let table = MessageTable::from(settings("first.example"));
        let worker = Worker::new(WorkerParts {
            id: uuid::Uuid::from_u128(1),
            store: server.store.clone(),
            clock: Arc::clone(&server.clock) as Arc<dyn Clock>,
            keys: server.keys.clone(),
            routing: Routing::single("kept", Arc::clone(&kept) as _).expect("a provider"),
            messages: table.with(other.organization_id, settings("second.example")),
            settings: WorkerSettings::default(),
        });
        Self { server, other, kept, worker }
    }

    /// What is sent when a parent's key asks for this.
    async fn sent(
        &self,
        tenant: &Tenant,
        activity: ActivityType,
        target: OrganizationId,
        asked: Value,
    ) -> Rendered {
        self.server.clock.advance_s(600);
        self.server.submit(&tenant.key, activity, target, asked).await.text("otpId");
        self.worker.drain().await.expect("the store answers");
        self.kept.0.lock().expect("the messages").pop().expect("a message")
    }

    /// Sender and Reply-To of an e-mail that is asked for as from `app@sender` with answers to `help@sender`.
    async fn from(&self, tenant: &Tenant, sender: &str) -> (String, Option<String>) {
        let asked = json!({
            "otpType": "OTP_TYPE_EMAIL", "contact": "ann@example.com", "appName": "Acme",
            "sendFromEmailAddress": format!("app@{sender}"), "replyToEmailAddress": format!("help@{sender}"),
        });
        let target = tenant.organization_id;
        let Rendered::Email(email) = self.sent(tenant, ActivityType::InitOtpV3, target, asked).await else {
            panic!("an e-mail was asked for")
        };
        (email.from.address, email.reply_to)
    }

    /// The site a text message belongs to.
    async fn site(&self, tenant: &Tenant) -> String {
        let asked = json!({ "otpType": "OTP_TYPE_SMS", "contact": "+14155552671", "appName": "Acme" });
        let target = tenant.organization_id;
        let Rendered::Sms(sms) = self.sent(tenant, ActivityType::InitOtpV3, target, asked).await else {
            panic!("an SMS was asked for")
        };
        let last = sms.text.lines().last().expect("a line");
        last.split(' ').next().expect("a word").to_owned()
    }
}

#[tokio::test]
async fn a_parent_sends_from_its_own_domains_and_not_from_anothers() {
    let s = Subject::start().await;
    let (first, second) = (&s.server.tenant, &s.other);
    let own = |domain: &str| (format!("app@{domain}"), Some(format!("help@{domain}")));
    let usual = ("no-reply@mail.example".to_owned(), None);
    assert_eq!(s.from(first, "first.example").await, own("first.example"));
    assert_eq!(s.from(first, "second.example").await, usual);
    assert_eq!(s.from(second, "second.example").await, own("second.example"));
    assert_eq!(s.from(second, "first.example").await, usual);
}

#[tokio::test]
async fn a_code_belongs_to_the_site_of_the_parent_that_sent_it() {
    let s = Subject::start().await;
    assert_eq!(s.site(&s.server.tenant).await, "@app.first.example");
    assert_eq!(s.site(&s.other).await, "@app.second.example");
}

#[tokio::test]
async fn a_sub_organization_sends_as_its_parent_does() {
    let s = Subject::start().await;
    let account = s.server.create_user("ann@example.com").await;
    let asked = |sender: &str| {
        json!({
            "otpType": "OTP_TYPE_EMAIL", "contact": "ann@example.com", "emailCustomization": { "appName": "Acme" },
            "sendFromEmailAddress": sender,
        })
    };
    for (sender, expected) in
        [("app@first.example", "app@first.example"), ("app@second.example", "no-reply@mail.example")]
    {
        let target = account.organization_id;
        let sent = s.sent(&s.server.tenant, ActivityType::InitOtpAuth, target, asked(sender)).await;
        let Rendered::Email(email) = sent else { panic!("an e-mail was asked for") };
        assert_eq!(email.from.address, expected);
    }
}
