//! Whether a contact belongs to somebody shows neither in answers nor in the work that is done.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::instrument::WithSubscriber;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry;
use vestibule_testkit::{TestServer, client_key};
use vestibule_wire::{ActivityType, OtpType};

/// Statements and cryptographic operations, in order.
#[derive(Clone, Default)]
struct Trace(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> Layer<S> for Trace {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        struct Name(Option<String>);
        impl Visit for Name {
            fn record_str(&mut self, field: &Field, value: &str) {
                if matches!(field.name(), "op" | "statement") {
                    self.0 = Some(value.to_owned());
                }
            }
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                if matches!(field.name(), "op" | "statement") {
                    self.0 = Some(format!("{value:?}"));
                }
            }
        }
        if !matches!(event.metadata().target(), "vestibule::crypto" | "vestibule::store") {
            return;
        }
        let mut name = Name(None);
        event.record(&mut name);
        if let Some(name) = name.0 {
            self.0.lock().expect("no test panicked").push(name);
        }
    }
}

/// Runs a request and tells its answer, without what differs by design, and what it cost.
async fn observe(
    work: impl Future<Output = vestibule_testkit::Reply>,
) -> (u16, Vec<String>, vestibule_testkit::Reply) {
    let trace = Trace::default();
    let subscriber = registry().with(trace.clone());
    let reply = work.with_subscriber(subscriber).await;
    let names = trace.0.lock().expect("no test panicked").clone();
    (reply.status, names, reply)
}

/// The names of all members, at every level.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(members) => members.iter().map(|(k, v)| (k.clone(), shape(v))).collect(),
        Value::Array(items) => items.iter().map(shape).collect(),
        _ => Value::Null,
    }
}

#[tokio::test]
async fn existing_and_missing_contacts_get_the_same_answers_for_the_same_work() {
    let server = TestServer::start().await;
    server.logged_in("known@acme.example").await;
    server.clock.advance_s(600);
    let mut observed: Vec<Vec<(u16, Vec<String>, Value)>> = Vec::new();
    for contact in ["known@acme.example", "other@acme.example"] {
        let mut steps = Vec::new();
        let mut step = |(status, names, reply): (u16, Vec<String>, vestibule_testkit::Reply)| {
            steps.push((status, names, shape(&reply.body)));
            reply
        };
        let key = client_key(&server);
        let init = step(observe(server.backend(ActivityType::InitOtpV3, server.init_email(contact))).await);
        let (otp_id, bundle) = (init.text("otpId"), init.text("otpEncryptionTargetBundle"));
        step(
            observe(
                server.backend(ActivityType::VerifyOtpV2, server.guess(&otp_id, &bundle, "OOOOOO", &key)),
            )
            .await,
        );
        let code = server.code(contact).await;
        step(
            observe(server.backend(ActivityType::VerifyOtpV2, server.guess(&otp_id, &bundle, &code, &key)))
                .await,
        );
        let body = json!({ "otpType": "OTP_TYPE_EMAIL", "contact": contact });
        for (init, verify) in [("otp_init", "otp_verify"), ("otp_init_v2", "otp_verify_v2")] {
            let sent = step(observe(server.proxy(init, body.clone())).await);
            let code = server.code(contact).await;
            let text = |name: &str| sent.body[name].as_str().unwrap_or_default().to_owned();
            let guess = |code: &str| match verify {
                "otp_verify" => {
                    json!({ "otpId": text("otpId"), "otpCode": code, "publicKey": key.public_key().to_hex() })
                }
                _ => server.guess(&text("otpId"), &text("otpEncryptionTargetBundle"), code, &key),
            };
            step(observe(server.proxy(verify, guess("OOOOOO"))).await);
            step(observe(server.proxy(verify, guess(&code))).await);
        }
        observed.push(steps);
    }
    assert_eq!(observed[0].len(), 9);
    for (known, other) in observed[0].iter().zip(&observed[1]) {
        assert_eq!(known, other);
        assert!(known.1.len() > 5, "the trace saw the work: {:?}", known.1);
    }
}

/// A closed prefix serves contacts that were verified before, and nobody can tell which those are.
#[tokio::test]
async fn a_closed_prefix_answers_known_and_unknown_numbers_alike_for_the_same_work() {
    let server = TestServer::start().await;
    let (known, unknown) = ("+14155559999", "+14155558888");
    let sms = |number: &str| json!({ "otpType": "OTP_TYPE_SMS", "contact": number });
    let sent = server.proxy("otp_init", sms(known)).await;
    let code = server.messages(OtpType::Sms, known).await.pop().expect("a message").code;
    let guess = json!({ "otpId": sent.body["otpId"], "otpCode": code });
    assert_eq!(server.proxy("otp_verify", guess).await.status, 200);
    server.clock.advance_s(2 * 3600);
    for n in 0..20 {
        let init = if n % 2 == 0 { "otp_init" } else { "otp_init_v2" };
        assert_eq!(server.proxy(init, sms(&format!("+1415555{n:04}"))).await.status, 200);
    }
    let mut observed = Vec::new();
    for number in [known, unknown] {
        let mut steps = Vec::new();
        for init in ["otp_init", "otp_init_v2"] {
            let (status, names, reply) = observe(server.proxy(init, sms(number))).await;
            steps.push((status, names, shape(&reply.body)));
        }
        observed.push(steps);
    }
    assert_eq!(observed[0], observed[1]);
    assert_eq!(observed[0][0].0, 200);
    assert!(observed[0][0].1.len() > 10, "the trace saw the work: {:?}", observed[0][0].1);
    assert_eq!(server.messages(OtpType::Sms, known).await.len(), 3);
    assert_eq!(server.messages(OtpType::Sms, unknown).await.len(), 0);
}
