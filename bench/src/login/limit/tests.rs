//! The list of operations against what a server reports of a real login.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::http::Method;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::instrument::WithSubscriber;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry;
use vestibule_crypto::entropy::SystemEntropy;
use vestibule_crypto::keyset::KeyFile;
use vestibule_testkit::{EPOCH_MS, TestServer};

use super::*;

/// How often each primitive ran.
#[derive(Clone, Default)]
struct Counts(Arc<Mutex<BTreeMap<String, u32>>>);

impl<S: tracing::Subscriber> Layer<S> for Counts {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        struct Op(Option<String>);
        impl Visit for Op {
            fn record_str(&mut self, field: &Field, value: &str) {
                if field.name() == "op" {
                    self.0 = Some(value.to_owned());
                }
            }
            fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
        }
        if event.metadata().target() == "vestibule::crypto" {
            let mut op = Op(None);
            event.record(&mut op);
            let op = op.0.expect("each event names its operation");
            *self.0.lock().unwrap().entry(op).or_default() += 1;
        }
    }
}

impl Counts {
    /// Sends a request as the load generator does and counts what the server does about it.
    async fn server_side(&self, server: &TestServer, request: Stamped) -> Value {
        let headers = [("x-stamp", request.stamp.as_str())];
        let reply = server.send(Method::POST, &request.path, &headers, request.body.clone());
        let reply = reply.with_subscriber(registry().with(self.clone())).await;
        reply.result().clone()
    }
}

#[tokio::test]
async fn the_limit_runs_what_a_server_runs_for_a_login() {
    let server = TestServer::start().await;
    let account = server.create_user("user-12345@mail.example").await;
    let backend = Backend {
        key: server.tenant.key.clone(),
        parent: server.tenant.organization_id.to_string(),
        now: || EPOCH_MS,
    };
    let text = |value: &Value, member: &str| value[member].as_str().unwrap().to_owned();
    let client = SigningKey::generate(&SystemEntropy);

    let real = Counts::default();
    let init = real.server_side(&server, backend.init("user-12345@mail.example")).await;
    let delivery = server.code("user-12345@mail.example");
    let code = delivery.with_subscriber(registry().with(real.clone())).await;
    let bundle = server.encrypt(&text(&init, "otpEncryptionTargetBundle"), &code, &client);
    let verify = real.server_side(&server, backend.verify(&text(&init, "otpId"), &bundle)).await;
    let token = text(&verify, "verificationToken");
    let login = backend.login(&account.organization_id.to_string(), &token, &client).unwrap();
    real.server_side(&server, login).await;

    let listed = Counts::default();
    let limit = Limit::new(server.keys.file().to_json().expose()).unwrap();
    tracing::subscriber::with_default(registry().with(listed.clone()), || {
        limit.operations.iter().for_each(|operation| (operation.run)());
    });
    let (real, listed) = (real.0.lock().unwrap().clone(), listed.0.lock().unwrap().clone());
    assert_eq!(listed, real);
    assert_eq!(real["ecdsa_verify"], 4);
}

#[test]
fn the_limit_is_the_time_of_all_operations() {
    let costs = [Cost { name: "a", times: 3, micros: 100.0 }, Cost { name: "b", times: 1, micros: 200.0 }];
    assert_eq!(logins_per_second(&costs), 2000.0);
}

#[test]
fn every_operation_is_measured() {
    let keys = KeyFile::generate(&SystemEntropy);
    let costs = Limit::new(keys.to_json().expose()).unwrap().measure(Duration::ZERO).unwrap();
    assert!(costs.iter().all(|cost| cost.micros > 0.0), "{costs:?}");
}
