//! The record of primitive operations, which other crates compare, and the absence of secrets in it.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use vestibule_crypto::bundle::{open_otp_bundle, seal_otp_bundle, target_bundle};
use vestibule_crypto::entropy::SystemEntropy;
use vestibule_crypto::otp_code::CodeKey;
use vestibule_crypto::p256::{AgreementKey, SigningKey};
use vestibule_crypto::seal::SealingKey;
use vestibule_crypto::stamp::ApiStamp;

#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<String>>>);

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{field}={value:?}").expect("a String takes text");
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("vestibule")
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut text = Text(format!("{} ", event.metadata().target()));
        event.record(&mut text);
        self.0.lock().expect("not poisoned").push(text.0);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn trace<R>(work: impl FnOnce() -> R) -> (Vec<String>, R) {
    let recorder = Recorder::default();
    let result = tracing::subscriber::with_default(recorder.clone(), work);
    let events = std::mem::take(&mut *recorder.0.lock().expect("not poisoned"));
    (events, result)
}

fn ops(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("vestibule::crypto op={name:?}")).collect()
}

#[test]
fn every_primitive_is_recorded_by_name_and_nothing_else_is() {
    let entropy = SystemEntropy;
    let (events, signer) = trace(|| SigningKey::generate(&entropy));
    assert_eq!(events, ops(&["keygen"]));
    let (events, target) = trace(|| AgreementKey::generate(&entropy));
    assert_eq!(events, ops(&["keygen"]));

    let (events, bundle) = trace(|| target_bundle(&signer, target.public_key(), "organization", "otp"));
    assert_eq!(events, ops(&["ecdsa_sign"]));
    let client = signer.public_key().to_hex();
    let (events, sealed) =
        trace(|| seal_otp_bundle(&bundle, signer.public_key(), "7G3K9QW2X", &client, &entropy));
    assert_eq!(events, ops(&["ecdsa_verify", "keygen", "ecdh", "aead_seal"]));
    let (events, opened) = trace(|| open_otp_bundle(&target, &sealed.expect("seals")));
    assert_eq!(events, ops(&["ecdh", "aead_open"]));
    assert_eq!(opened.expect("opens").otp_code.expose(), "7G3K9QW2X");

    let stamp = ApiStamp::parse(&ApiStamp::make(&signer, b"body")).expect("own stamp");
    let (events, verified) = trace(|| stamp.verify(&signer.public_key().clone().into(), b"body"));
    assert_eq!((events, verified), (ops(&["ecdsa_verify"]), Ok(())));

    let code_key = CodeKey::new("code-hmac-1", &[1; 32]);
    let (events, right) = trace(|| code_key.matches(&[0; 16], "000000", &[0; 32]));
    assert_eq!((events, right), (ops(&["hmac"]), false));

    let key = SealingKey::new("sealing-key-1", &[1; 32]);
    let (events, sealed) = trace(|| key.seal(&entropy, b"place", b"text"));
    assert_eq!(events, ops(&["aead_seal"]));
    let (events, opened) = trace(|| key.open(b"place", &sealed));
    assert_eq!(events, ops(&["aead_open"]));
    assert!(opened.is_ok());
}

#[test]
fn a_wrong_message_costs_the_same_operations_as_a_right_one() {
    let entropy = SystemEntropy;
    let [signer, other] = [(); 2].map(|()| SigningKey::generate(&entropy));
    let target = AgreementKey::generate(&entropy);
    let bundle = target_bundle(&signer, target.public_key(), "organization", "otp");
    let client = signer.public_key().to_hex();
    let sealed = seal_otp_bundle(&bundle, signer.public_key(), "000000", &client, &entropy).expect("seals");
    let (right, opened) = trace(|| open_otp_bundle(&target, &sealed));
    let stranger = AgreementKey::generate(&entropy);
    let (wrong, refused) = trace(|| open_otp_bundle(&stranger, &sealed));
    assert!(opened.is_ok() && refused.is_err());
    assert_eq!(right, wrong);

    let signature = signer.sign_der(b"message");
    let (right, verified) = trace(|| signer.public_key().verify_der(b"message", &signature));
    let (wrong, refused) = trace(|| other.public_key().verify_der(b"message", &signature));
    assert!(verified.is_ok() && refused.is_err());
    assert_eq!(right, wrong);
}
