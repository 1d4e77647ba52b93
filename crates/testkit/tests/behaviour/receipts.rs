//! What providers tell of messages that they took, from the request they send to what a client is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::{Method, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use vestibule_delivery::channel::receipt::{Fate, Ours, Receipt, ReceiptRefused, ReceiptRequest, Receipts};
use vestibule_delivery::channel::{Accepted, Channel, Delivery, SendError};
use vestibule_delivery::receipts::{ReceiptKeeper, ReceiptNotKept, ReceiptParts};
use vestibule_delivery::routing::Routing;
use vestibule_delivery::worker::{Worker, WorkerParts, WorkerSettings};
use vestibule_delivery::{MessageSettings, SuppressionSettings};
use vestibule_engine::Clock;
use vestibule_engine::limits::Limit;
use vestibule_engine::model::{ContactKey, MessageFate};
use vestibule_http::{
    AddressLimits, App, AppState, IncomingReceipt, ReceiptDoor, ReceiptSurface, RequestLimits,
};
use vestibule_testkit::TestServer;
use vestibule_wire::{ActivityType, Contact, MessageId, OtpType, Refusal};

const PATH: &str = "/vestibule/v1/receipts/mailer";
const EMAIL: &str = "Ann@example.com";

/// A provider that calls a message by its own id with `p-` before it, and signs by a header. What it tells is JSON: the message's
/// name, its fate, how many milliseconds ago (null: it has no clock), and perhaps our id of it and its recipient.
struct Mailer;

#[async_trait]
impl Channel for Mailer {
    fn name(&self) -> &'static str {
        "mailer"
    }

    fn carries(&self, _: OtpType) -> bool {
        true
    }

    async fn send(&self, delivery: &Delivery) -> Result<Accepted, SendError> {
        Ok(Accepted { provider_message_id: Some(format!("p-{}", delivery.otp_id)) })
    }
}

#[async_trait]
impl Receipts for Mailer {
    async fn read(&self, request: &ReceiptRequest<'_>, now: i64) -> Result<Vec<Receipt>, ReceiptRefused> {
        match request.header("x-signed") {
            Some(url) if url == request.url => {}
            Some("unknown") => return Err(ReceiptRefused::Unverifiable),
            Some("old") => return Err(ReceiptRefused::Stale),
            _ => return Err(ReceiptRefused::Signature),
        }
        let told: Value = serde_json::from_slice(request.body)
            .map_err(|_| ReceiptRefused::malformed("receipt", "not JSON"))?;
        let missing = |member| ReceiptRefused::malformed(member, "missing");
        let fate = match told["fate"].as_str().ok_or(missing("fate"))? {
            "delivered" => Fate::Delivered,
            "delayed" => Fate::Delayed,
            "gone" => Fate::Bounced { permanent: true },
            "full" => Fate::Bounced { permanent: false },
            "spam" => Fate::Complained,
            _ => Fate::Failed,
        };
        Ok(vec![Receipt {
            provider_message_id: told["message"].as_str().ok_or(missing("message"))?.to_owned(),
            fate,
            diagnostic: Some("smtp; 550 5.1.1".to_owned()),
            at: told["ago"].as_i64().map(|ago| now - ago),
            ours: told["ours"].as_str().map(|id| {
                let contact = Contact::phone(told["to"].as_str().expect("a number")).expect("a number");
                Ours {
                    message_id: MessageId(id.parse().expect("an id")),
                    channel: OtpType::Sms,
                    contact_key: ContactKey::of(&contact),
                }
            }),
        }])
    }
}

struct Door(ReceiptKeeper);

#[async_trait]
impl ReceiptDoor for Door {
    async fn take(&self, receipt: IncomingReceipt<'_>) -> Result<(), Refusal> {
        let IncomingReceipt { provider, url, headers, body, client } = receipt;
        let kept = self.0.keep(provider, &ReceiptRequest { url, headers, body, client }).await;
        kept.map_err(|not| match not {
            ReceiptNotKept::Refused => Refusal::ReceiptRefused,
            ReceiptNotKept::Malformed { member, problem } => {
                Refusal::InvalidMember { path: member.to_owned(), problem }
            }
            ReceiptNotKept::Later => Refusal::Unavailable,
        })
    }
}

struct Subject {
    server: TestServer,
    app: App,
    worker: Worker<dyn vestibule_engine::store::Store>,
}

impl Subject {
    async fn start() -> Self {
        Self::limited(AddressLimits { enabled: false, ..AddressLimits::default() }).await
    }

    async fn limited(addresses: AddressLimits) -> Self {
        let server = TestServer::start().await;
        let clock = Arc::clone(&server.clock) as Arc<dyn Clock>;
        let keeper = ReceiptKeeper::new(ReceiptParts {
            store: server.store.clone(),
            clock: Arc::clone(&clock),
            readers: BTreeMap::from([("mailer".to_owned(), Arc::new(Mailer) as Arc<dyn Receipts>)]),
            suppression: SuppressionSettings::default(),
        });
        let public_url = Some("https://login.example.com".to_owned());
        let app = App::new(AppState {
            engine: server.engine.clone(),
            keys: server.keys.clone(),
            store: server.store.clone(),
            entropy: server.entropy.clone(),
            limits: RequestLimits { addresses, ..RequestLimits::default() },
            receipts: Some(ReceiptSurface { public_url, door: Box::new(Door(keeper)) }),
            captcha: None,
            dev: None,
        });
        let worker = Worker::new(WorkerParts {
            id: uuid::Uuid::from_u128(1),
            store: server.store.clone(),
            clock,
            keys: server.keys.clone(),
            routing: Routing::single("mailer", Arc::new(Mailer)).expect("a provider"),
            messages: MessageSettings::new("no-reply@mail.example").expect("an address").into(),
            settings: WorkerSettings::default(),
        });
        Self { server, app, worker }
    }

    /// Sends a code; what the provider calls its message.
    async fn code(&self, kind: &str, contact: &str) -> String {
        let parameters = json!({ "otpType": kind, "contact": contact, "appName": "Acme" });
        let otp = self.server.backend(ActivityType::InitOtpV3, parameters).await.text("otpId");
        self.worker.drain().await.expect("the store answers");
        self.server.clock.advance_s(1);
        format!("p-{otp}")
    }

    async fn post(&self, path: &str, signed: &str, body: String) -> (u16, Value) {
        let request = Request::builder().method(Method::POST).uri(path).header("x-signed", signed);
        let peer = Some("192.0.2.7".parse().expect("an address"));
        let response = self.app.handle(peer, request.body(Body::from(body)).expect("a request")).await;
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        (status, serde_json::from_slice(&bytes).expect("JSON"))
    }

    /// A receipt as the provider signs it.
    async fn tell(&self, message: &str, fate: &str, ago: i64) -> u16 {
        self.tell_all(json!({ "message": message, "fate": fate, "ago": ago })).await
    }

    async fn tell_all(&self, told: Value) -> u16 {
        self.post(PATH, &format!("https://login.example.com{PATH}"), told.to_string()).await.0
    }

    async fn events(&self, email: &str) -> Vec<Value> {
        let Self { server, .. } = self;
        let tenant = server.tenant.organization_id;
        let asked = json!({ "email": email });
        let reply = server.query(&server.tenant.key, "list_email_events", tenant, asked).await;
        reply.body["emailEvents"].as_array().expect("a list").clone()
    }

    async fn init(&self, kind: &str, contact: &str) -> vestibule_testkit::Reply {
        let parameters = json!({ "otpType": kind, "contact": contact, "appName": "Acme" });
        self.server.backend(ActivityType::InitOtpV3, parameters).await
    }
}

#[tokio::test]
async fn a_receipt_updates_its_message_and_is_listed_once() {
    let s = Subject::start().await;
    let message = s.code("OTP_TYPE_EMAIL", EMAIL).await;
    assert_eq!(s.tell(&message, "delayed", 0).await, 200);
    s.server.clock.advance_s(1);
    for _ in 0..3 {
        assert_eq!(s.tell(&message, "delivered", 500).await, 200, "providers repeat themselves");
    }
    let events = s.events("ann@example.com").await;
    let types: Vec<_> = events.iter().map(|event| event["eventType"].as_str().expect("a type")).collect();
    assert_eq!(types, ["Delivery", "DeliveryDelay", "Send"]);
    assert_eq!(events[0]["details"], json!({ "deliveryProcessingTimeMillis": "1500" }));
    assert_eq!(events[0]["toAddress"], EMAIL);
    assert_eq!(events[0]["messageId"], events[2]["messageId"]);
    assert_eq!(events[0]["timestamp"], s.server.clock.now().to_string());
    let handed = s.server.store.handed_over("mailer", &message).await.expect("the store answers");
    assert_eq!(handed.map(|handed| handed.fate), Some(MessageFate::Delivered));
    assert!(s.init("OTP_TYPE_EMAIL", EMAIL).await.status == 200, "an address that takes mail gets more");
}

#[tokio::test]
async fn an_address_that_bounced_for_good_gets_no_more_until_the_time_is_over_or_the_operator_lifts_it() {
    let s = Subject::start().await;
    let message = s.code("OTP_TYPE_EMAIL", EMAIL).await;
    assert_eq!(s.tell(&message, "gone", 0).await, 200);
    let details = json!({ "bounceType": "Permanent", "diagnosticCode": "smtp; 550 5.1.1" });
    assert_eq!(s.events(EMAIL).await[0]["details"], details);

    s.server.clock.advance_s(600);
    let refused = s.init("OTP_TYPE_EMAIL", "ann@EXAMPLE.com").await;
    assert_eq!((refused.status, refused.body["code"].clone()), (400, json!(3)));
    assert_eq!(refused.body["message"], "could not reach email");
    assert_eq!(refused.body["turnkeyErrorCode"], "INVALID_FQDN");
    assert!(s.init("OTP_TYPE_EMAIL", "bob@example.com").await.status == 200, "others are not concerned");
    let (tenant, other) = (&s.server.tenant, s.server.another_tenant().await);
    let parameters = json!({ "otpType": "OTP_TYPE_EMAIL", "contact": EMAIL, "appName": "Other" });
    let elsewhere =
        s.server.submit(&other.key, ActivityType::InitOtpV3, other.organization_id, parameters).await;
    assert_eq!(elsewhere.status, 200, "one tenant learns nothing of another");

    let (engine, organization) = (&s.server.engine, tenant.organization_id);
    let standing = engine.contact_standing(organization, OtpType::Email, EMAIL).await.expect("a standing");
    let until = standing.suppressed.expect("it is left alone").until;
    assert_eq!(until - s.server.clock.now(), 7 * 24 * 3_600_000 - 600_000);
    let told: Vec<_> = standing.messages.iter().map(|sent| (&sent.provider_message_id, sent.fate)).collect();
    assert_eq!(told, [(&message, MessageFate::Bounced)], "the operator sees what became of it");
    engine.lift_suppression(organization, OtpType::Email, EMAIL).await.expect("it is lifted");
    let again = engine.lift_suppression(organization, OtpType::Email, EMAIL).await;
    assert!(matches!(again, Err(Refusal::NotFound { .. })), "{again:?}");
    let message = s.code("OTP_TYPE_EMAIL", EMAIL).await;

    assert_eq!(s.tell(&message, "spam", 0).await, 200);
    assert_eq!(s.events(EMAIL).await[0]["eventType"], "Complaint");
    assert_eq!(s.init("OTP_TYPE_EMAIL", EMAIL).await.status, 400);
    s.server.clock.advance_s(30 * 24 * 3600);
    assert_eq!(s.init("OTP_TYPE_EMAIL", EMAIL).await.status, 200);
}

#[tokio::test]
async fn whether_a_user_exists_makes_no_difference_to_a_contact_that_is_left_alone() {
    let s = Subject::start().await;
    s.server.create_user("user@acme.example").await;
    let mut answers = Vec::new();
    for email in ["user@acme.example", "nobody@acme.example"] {
        let message = s.code("OTP_TYPE_EMAIL", email).await;
        assert_eq!(s.tell(&message, "gone", 0).await, 200);
        s.server.clock.advance_s(600);
        let body = json!({ "otpType": "OTP_TYPE_EMAIL", "contact": email });
        let answer = s.server.proxy("otp_init_v2", body).await;
        answers.push((answer.status, answer.body));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!((answers[0].0, &answers[0].1["message"]), (400, &json!("could not reach email")));
}

#[tokio::test]
async fn what_passes_or_is_the_providers_own_fault_leaves_nobody_alone() {
    let s = Subject::start().await;
    for (fate, kind) in [("full", "Transient"), ("trouble", "Undetermined")] {
        s.server.clock.advance_s(600);
        let message = s.code("OTP_TYPE_EMAIL", EMAIL).await;
        assert_eq!(s.tell(&message, fate, 0).await, 200);
        assert_eq!(s.events(EMAIL).await[0]["details"]["bounceType"], kind);
    }
    s.server.clock.advance_s(600);
    assert_eq!(s.init("OTP_TYPE_EMAIL", EMAIL).await.status, 200);
}

#[tokio::test]
async fn a_number_that_cannot_be_reached_is_left_alone_as_well() {
    let s = Subject::start().await;
    let number = "+14155552671";
    let message = s.code("OTP_TYPE_SMS", number).await;
    assert_eq!(s.tell(&message, "gone", 0).await, 200);
    s.server.clock.advance_s(600);
    let refused = s.init("OTP_TYPE_SMS", number).await;
    assert_eq!((refused.status, &refused.body["message"]), (400, &json!("could not reach phone number")));
    assert_eq!(refused.body["turnkeyErrorCode"], "REQUEST_INVALID");
}

#[tokio::test]
async fn forged_and_old_receipts_and_unknown_providers_are_answered_alike_and_change_nothing() {
    let s = Subject::start().await;
    let message = s.code("OTP_TYPE_EMAIL", EMAIL).await;
    let body = json!({ "message": message, "fate": "gone" }).to_string();
    let elsewhere = "/vestibule/v1/receipts/other";
    let mut answers = Vec::new();
    for (path, signed, body) in [
        (PATH, "", body.clone()),
        (PATH, "https://evil.example/vestibule/v1/receipts/mailer", body.clone()),
        (PATH, "old", body.clone()),
        (PATH, "", "{".to_owned()),
        (elsewhere, "https://login.example.com/vestibule/v1/receipts/other", body.clone()),
    ] {
        answers.push(s.post(path, signed, body).await);
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!((answers[0].0, &answers[0].1["message"]), (401, &json!("could not verify the receipt")));
    assert_eq!(s.events(EMAIL).await.len(), 1, "it was sent");
    assert_eq!(s.post(PATH, "unknown", body).await.0, 503, "it may be sent again");
    s.server.clock.advance_s(600);
    assert_eq!(s.init("OTP_TYPE_EMAIL", EMAIL).await.status, 200);
}

#[tokio::test]
async fn a_receipt_that_comes_before_its_message_is_known_is_to_come_again() {
    let s = Subject::start().await;
    assert_eq!(s.tell("p-early", "delivered", 1_000).await, 503);
    assert_eq!(s.tell("p-forgotten", "delivered", 3_600_000).await, 200, "nobody waits for it");
}

#[tokio::test]
async fn a_message_that_stays_unknown_is_asked_for_again_no_longer_than_a_minute() {
    let s = Subject::start().await;
    let told = |message: &str| json!({ "message": message, "fate": "delivered" });
    let mut statuses = Vec::new();
    // As providers do: in pauses that grow.
    for pause in [1, 8, 50, 1, 3600, 7200] {
        statuses.push(s.tell_all(told("p-unknown")).await);
        s.server.clock.advance_s(pause);
    }
    assert_eq!(statuses, [503, 503, 503, 503, 200, 200]);
    assert_eq!(s.tell_all(told("p-another")).await, 503, "each has a minute of its own");
}

#[tokio::test]
async fn a_receipt_that_names_our_message_counts_before_the_worker_has_recorded_anything() {
    let s = Subject::start().await;
    let number = "+14155552671";
    assert_eq!(s.init("OTP_TYPE_SMS", number).await.status, 200);
    let worker = uuid::Uuid::from_u128(2);
    let claimed = s.server.store.claim_messages(worker, 10, 60_000).await.expect("the store answers");
    let [message] = &claimed[..] else { panic!("one message: {claimed:?}") };
    let id = message.message.id;
    let told = json!({ "message": "p-early", "fate": "gone", "ours": id.to_string(), "to": number });
    for _ in 0..2 {
        assert_eq!(s.tell_all(told.clone()).await, 200);
    }
    s.server.clock.advance_s(600);
    let refused = s.init("OTP_TYPE_SMS", number).await;
    assert_eq!((refused.status, &refused.body["message"]), (400, &json!("could not reach phone number")));
    let handed = s.server.store.handed_over("mailer", "p-early").await.expect("the store answers");
    let handed = handed.expect("it is recorded");
    assert_eq!((handed.message_id, handed.fate), (id, MessageFate::Bounced));
    assert_eq!(handed.tenant_id, s.server.tenant.organization_id);
}

#[tokio::test]
async fn a_receipt_that_names_a_message_nobody_has_is_not_asked_for_again() {
    let s = Subject::start().await;
    let told = json!({
        "message": "p-1", "fate": "gone", "to": "+14155552671",
        "ours": "0199a7c4-5d6e-7000-8000-3f2a1b0c9d8e",
    });
    assert_eq!(s.tell_all(told).await, 200);
    assert_eq!(s.server.store.handed_over("mailer", "p-1").await.expect("the store answers"), None);
    assert_eq!(s.init("OTP_TYPE_SMS", "+14155552671").await.status, 200, "nobody is left alone for it");
}

#[tokio::test]
async fn a_signed_receipt_that_cannot_be_read_is_told_so_and_keeps_no_other_out() {
    let addresses = AddressLimits { requests: Limit::refuse(3, 3000), ..AddressLimits::default() };
    let s = Subject::limited(addresses).await;
    let message = s.code("OTP_TYPE_EMAIL", EMAIL).await;
    let right = format!("https://login.example.com{PATH}");
    for _ in 0..5 {
        let (status, answer) = s.post(PATH, &right, json!({ "message": message }).to_string()).await;
        assert_eq!((status, answer["message"].as_str()), (400, Some("invalid request body: fate: missing")));
    }
    assert_eq!(s.events(EMAIL).await.len(), 1, "it was sent");
    assert_eq!(s.tell(&message, "delivered", 0).await, 200);
}

#[tokio::test]
async fn whoever_forges_receipts_is_soon_not_listened_to() {
    let addresses = AddressLimits { requests: Limit::refuse(3, 3000), ..AddressLimits::default() };
    let s = Subject::limited(addresses).await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(s.post(PATH, "forged", "{}".to_owned()).await.0);
    }
    assert_eq!(statuses, [401, 401, 401, 429, 429]);
}
