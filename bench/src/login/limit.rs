//! The crypto-only limit: what one login makes the server compute, and nothing else.
//!
//! Each operation is the very call the server makes, with inputs of the same form and size; a test holds the list
//! against the operations that a server reports of a real login. What lies between the calls (HTTP, JSON, the database,
//! mail) is what a server adds.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;
use uuid::Uuid;
use vestibule_crypto::bundle::{open_otp_bundle, seal_otp_bundle, target_bundle};
use vestibule_crypto::client_signature::ClientSignature;
use vestibule_crypto::entropy::{SystemEntropy, array};
use vestibule_crypto::fingerprint::sha256;
use vestibule_crypto::keyset::KeySet;
use vestibule_crypto::otp_code;
use vestibule_crypto::p256::{AgreementKey, PublicKey, SigningKey};
use vestibule_crypto::seal::place;
use vestibule_crypto::stamp::{ApiStamp, StampKey};
use vestibule_crypto::token::{self, SessionJwt, VerificationToken};
use vestibule_wire::OtpType;

use super::client::{Backend, Stamped};
use crate::client::now_ms;

/// Instants the tokens expire; no operation looks at the time.
const EXPIRES_AT_MS: i64 = 1_800_000_000_000;

/// What one operation costs.
#[derive(Debug, Clone)]
pub struct Cost {
    /// What it is.
    pub name: &'static str,
    /// How often a login needs it.
    pub times: u32,
    /// One of them.
    pub micros: f64,
}

/// Logins per second if these operations were all there is.
pub fn logins_per_second(costs: &[Cost]) -> f64 {
    1e6 / costs.iter().map(|cost| cost.micros * f64::from(cost.times)).sum::<f64>()
}

struct Operation {
    name: &'static str,
    times: u32,
    /// Does all `times` of them.
    run: Box<dyn Fn()>,
}

/// The operations of one login, ready to run.
pub struct Limit {
    operations: Vec<Operation>,
}

/// One login as it went over the wire, and what the server keeps of it between requests.
struct Sample {
    backend: Backend,
    client: SigningKey,
    organization: Uuid,
    otp_id: Uuid,
    code: String,
    code_hash: [u8; 32],
    target: Vec<u8>,
    sealed_target: Vec<u8>,
    message: Vec<u8>,
    sealed_message: Vec<u8>,
    guess: String,
    token: String,
    requests: [Stamped; 3],
    /// What is sealed of each activity.
    secrets: [Vec<u8>; 3],
    signature: ClientSignature,
    session: SessionJwt,
}

impl Sample {
    fn new(keys: &KeySet) -> Result<Self> {
        let entropy = &SystemEntropy;
        let client = SigningKey::generate(entropy);
        let [organization, user, otp_id, token_id] =
            std::array::from_fn(|_| Uuid::from_bytes(array(entropy)));
        let backend =
            Backend { key: SigningKey::generate(entropy), parent: organization.to_string(), now: now_ms };
        let email = "user-12345@mail.example";
        let code = otp_code::generate(entropy, true, 9).expose().clone();

        let key = AgreementKey::generate(entropy);
        let bundle = target_bundle(
            keys.bundle_signer(0),
            key.public_key(),
            &organization.to_string(),
            &otp_id.to_string(),
        );
        let target = [key.secret_bytes().as_slice(), key.public_key().uncompressed()].concat();
        let message = serde_json::to_vec(&json!({
            "to": email, "code": code, "lifetime_s": 300, "app_name": "Acme", "logo_url": null,
            "magic_link_template": null, "template_variables": {}, "template_id": null, "sms_template": null,
            "send_from": null, "sender_name": null, "reply_to": null,
        }))?;
        let client_hex = client.public_key().to_hex();
        let signer = keys.bundle_signer(0);
        let guess = seal_otp_bundle(&bundle, signer.public_key(), &code, &client_hex, entropy)
            .context("our own bundle is refused")?;
        let token = verification_token(token_id, organization, &client_hex).issue(signer);
        let session = SessionJwt {
            expires_at_s: EXPIRES_AT_MS / 1000,
            public_key: client_hex.clone(),
            session_type: "SESSION_TYPE_READ_WRITE".to_owned(),
            user_id: user,
            organization_id: organization,
            session_profile_id: None,
            scope: None,
        };
        let requests = [
            backend.init(email),
            backend.verify(&otp_id.to_string(), &guess),
            backend.login(&organization.to_string(), &token, &client)?,
        ];
        let secrets = [
            json!({ "result": { "otpEncryptionTargetBundle": bundle } }),
            json!({ "result": { "verificationToken": token } }),
            json!({
                "intent": { "verificationToken": token },
                "result": { "session": session.issue(keys.session_signer(0)) },
                "message": requests[2].body,
            }),
        ];
        Ok(Self {
            code_hash: keys.code_key(0).hash(otp_id.as_bytes(), &code),
            sealed_target: keys.sealing_key().seal(entropy, &target_place(otp_id), &target),
            sealed_message: keys.sealing_key().seal(entropy, &message_place(otp_id), &message),
            signature: ClientSignature::make_login(&client, token_id, &client_hex),
            secrets: secrets.map(|value| value.to_string().into_bytes()),
            backend,
            client,
            organization,
            otp_id,
            code,
            target,
            message,
            guess,
            token,
            requests,
            session,
        })
    }
}

fn target_place(id: Uuid) -> Vec<u8> {
    place("otps", "target_key", id.as_bytes())
}

fn message_place(id: Uuid) -> Vec<u8> {
    place("outbox", "payload", id.as_bytes())
}

fn secrets_place(organization: Uuid, id: Uuid) -> Vec<u8> {
    place("activities", "sealed", &[*organization.as_bytes(), *id.as_bytes()].concat())
}

fn verification_token(id: Uuid, organization: Uuid, public_key: &str) -> VerificationToken {
    VerificationToken {
        id,
        contact: "user-12345@mail.example".to_owned(),
        verification_type: OtpType::Email,
        organization_id: organization,
        public_key: public_key.to_owned(),
        expires_at_ms: EXPIRES_AT_MS,
    }
}

impl Limit {
    /// The operations with the keys of this document.
    pub fn new(keys: &str) -> Result<Self> {
        // Shared by all operations for as long as this program runs: one small allocation per measurement.
        let keys: &'static KeySet = Box::leak(Box::new(KeySet::from_json(keys).context("no key set")?));
        let sample: &'static Sample = Box::leak(Box::new(Sample::new(keys)?));
        let stamps: Vec<(ApiStamp, &str)> = sample
            .requests
            .iter()
            .map(|request| Ok((ApiStamp::parse(&request.stamp)?, request.body.as_str())))
            .collect::<Result<_>>()?;
        let entropy = &SystemEntropy;
        let mut operations = Vec::new();
        let mut add = |name, times, run: Box<dyn Fn()>| operations.push(Operation { name, times, run });

        let backend = sample.backend.key.public_key();
        let stamp_key: &StampKey = Box::leak(Box::new(backend.clone().into()));
        add("verify a stamp, the key parsed before", 3, {
            Box::new(move || {
                for (stamp, body) in &stamps {
                    stamp.verify(stamp_key, body.as_bytes()).expect("a good stamp");
                }
            })
        });
        add("SHA-256: bodies, contacts, tokens", 7, {
            Box::new(move || {
                for request in &sample.requests {
                    black_box(sha256(request.body.as_bytes()));
                }
                for _ in 0..2 {
                    black_box(sha256(b"OTP_TYPE_EMAIL\0user-12345@mail.example"));
                    black_box(token::hash(&sample.token));
                }
            })
        });
        add("draw a code", 1, Box::new(move || drop(black_box(otp_code::generate(entropy, true, 9)))));
        add("HMAC of a code: store, compare", 2, {
            Box::new(move || {
                let (key, id) = (keys.code_key(0), sample.otp_id.as_bytes());
                black_box(key.hash(id, &sample.code));
                assert!(key.matches(id, &sample.code, &sample.code_hash));
            })
        });
        add(
            "make the attempt's key pair",
            1,
            Box::new(move || drop(black_box(AgreementKey::generate(entropy)))),
        );
        add("sign the target bundle", 1, {
            let id = (sample.organization.to_string(), sample.otp_id.to_string());
            Box::new(move || drop(black_box(target_bundle(keys.bundle_signer(0), backend, &id.0, &id.1))))
        });
        add("seal at rest: attempt's key, message, 3 activities", 5, {
            Box::new(move || {
                let key = keys.sealing_key();
                black_box(key.seal(entropy, &target_place(sample.otp_id), &sample.target));
                black_box(key.seal(entropy, &message_place(sample.otp_id), &sample.message));
                for secrets in &sample.secrets {
                    let place = secrets_place(sample.organization, sample.otp_id);
                    black_box(key.seal(entropy, &place, secrets));
                }
            })
        });
        add("open at rest: attempt's key, message", 2, {
            Box::new(move || {
                black_box(
                    keys.open(&target_place(sample.otp_id), &sample.sealed_target).expect("sealed here"),
                );
                black_box(
                    keys.open(&message_place(sample.otp_id), &sample.sealed_message).expect("sealed here"),
                );
            })
        });
        add("load the attempt's key pair", 1, Box::new(move || drop(black_box(load_target(&sample.target)))));
        add("HPKE open of the guess, with the client's key in it", 1, {
            let target = load_target(&sample.target);
            Box::new(move || {
                drop(black_box(open_otp_bundle(&target, &sample.guess).expect("sealed to this key")))
            })
        });
        add("sign the verification token", 1, {
            let token = verification_token(sample.otp_id, sample.organization, &sample.session.public_key);
            Box::new(move || drop(black_box(token.issue(keys.bundle_signer(0)))))
        });
        add("parse the client's key", 1, {
            Box::new(move || drop(black_box(PublicKey::from_hex(&sample.session.public_key).expect("a key"))))
        });
        add("verify the client signature", 1, {
            let key = sample.client.public_key();
            Box::new(move || drop(black_box(sample.signature.check_with(key).expect("a good signature"))))
        });
        add("sign the session", 1, {
            Box::new(move || drop(black_box(sample.session.issue(keys.session_signer(0)))))
        });
        Ok(Self { operations })
    }

    /// Runs whole logins for `time`, one after the other, so that no operation finds more in the processor's caches than it
    /// left there a login ago, and tells what each operation cost on average.
    pub fn measure(&self, time: Duration) -> Result<Vec<Cost>> {
        let mut spent = vec![Duration::ZERO; self.operations.len()];
        let mut logins = 0_u32;
        let deadline = Instant::now() + time;
        while logins == 0 || Instant::now() < deadline {
            for (operation, spent) in self.operations.iter().zip(&mut spent) {
                let start = Instant::now();
                (operation.run)();
                *spent += start.elapsed();
            }
            logins += 1;
        }
        let cost = |(operation, spent): (&Operation, &Duration)| Cost {
            name: operation.name,
            times: operation.times,
            micros: spent.as_secs_f64() * 1e6 / f64::from(logins) / f64::from(operation.times),
        };
        Ok(self.operations.iter().zip(&spent).map(cost).collect())
    }
}

/// The attempt's key pair as it is kept: the private scalar, then the uncompressed public point.
fn load_target(pair: &[u8]) -> AgreementKey {
    let (secret, public) = pair.split_first_chunk::<32>().expect("a pair");
    AgreementKey::from_parts(secret, &PublicKey::from_sec1(public).expect("a point")).expect("a pair")
}

#[cfg(test)]
mod tests;
