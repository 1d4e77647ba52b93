//! A backend that talks to a server process: stamps bodies, sends them, reads codes from the inbox of `dev` or from a
//! provider of the test's own.

#![allow(dead_code, reason = "each test file uses its own part")]

pub mod provider;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use vestibule_crypto::bundle::seal_otp_bundle;
use vestibule_crypto::client_signature::ClientSignature;
use vestibule_crypto::entropy::{Entropy, SeededEntropy};
use vestibule_crypto::p256::{PublicKey, SigningKey};
use vestibule_crypto::stamp::ApiStamp;
use vestibule_crypto::token;
use vestibule_wire::ActivityType;

use crate::support::{Server, env_file};

use provider::{Provider, Text};

/// Status, `turnkeyErrorCode` and message of every refused guess.
pub const WRONG: (u16, &str, &str) = (400, "REQUEST_INVALID", "Invalid OTP code");

/// How long anything may take before a test gives up on it.
pub const DEADLINE: Duration = Duration::from_secs(60);
const POLL_EVERY: Duration = Duration::from_millis(5);

/// What outlives a server process: the clients' randomness, and a number for every body.
#[derive(Debug)]
pub struct Source {
    pub entropy: SeededEntropy,
    bodies: AtomicU64,
}

impl Source {
    pub fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self { entropy: SeededEntropy::new(seed), bodies: AtomicU64::new(0) })
    }

    pub fn key(&self) -> SigningKey {
        SigningKey::generate(&self.entropy)
    }

    pub fn number(&self, below: u64) -> u64 {
        let mut bytes = [0; 8];
        self.entropy.fill(&mut bytes);
        u64::from_be_bytes(bytes) % below
    }

    /// Codes are never made of these characters.
    pub fn wrong_code(&self) -> String {
        format!("OOOOO{:04}", self.bodies.fetch_add(1, Ordering::Relaxed) % 10_000)
    }
}

/// A stamped body, ready to be sent any number of times.
#[derive(Debug, Clone)]
pub struct Request {
    path: String,
    body: String,
    stamp: String,
}

impl Request {
    /// What is sent.
    pub fn bytes(&self) -> &[u8] {
        self.body.as_bytes()
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    pub status: u16,
    pub body: Value,
}

impl Reply {
    /// The activity, which must be completed.
    pub fn activity(&self) -> &Value {
        assert_eq!(self.status, 200, "{}", self.body);
        assert_eq!(self.body["activity"]["status"], "ACTIVITY_STATUS_COMPLETED", "{}", self.body);
        &self.body["activity"]
    }

    /// The result's one member.
    pub fn result(&self) -> &Value {
        let members = self.activity()["result"].as_object();
        members
            .and_then(|members| members.values().next())
            .unwrap_or_else(|| panic!("no result in {}", self.body))
    }

    /// A text member of the result.
    pub fn text(&self, member: &str) -> String {
        let text = self.result()[member].as_str();
        text.unwrap_or_else(|| panic!("no {member} in {}", self.body)).to_owned()
    }

    pub fn refusal(&self) -> (u16, &str, &str) {
        let text = |name: &str| self.body[name].as_str().unwrap_or_default();
        (self.status, text("turnkeyErrorCode"), text("message"))
    }
}

/// How an attempt wants its code.
#[derive(Debug, Clone)]
pub enum Lock {
    /// In the clear, by VERIFY_OTP.
    Clear,
    /// Encrypted to this target bundle, by VERIFY_OTP_V2.
    Encrypted(String),
}

/// A code that was sent.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub contact: String,
    pub otp_id: String,
    pub lock: Lock,
}

impl Attempt {
    /// The attempt that an init activity made.
    pub fn of(contact: &str, reply: &Reply) -> Self {
        let lock = match reply.activity()["type"].as_str() {
            Some("ACTIVITY_TYPE_INIT_OTP_V3") => Lock::Encrypted(reply.text("otpEncryptionTargetBundle")),
            _ => Lock::Clear,
        };
        Self { contact: contact.to_owned(), otp_id: reply.text("otpId"), lock }
    }
}

/// Where the codes arrive.
#[derive(Clone)]
pub enum Inbox {
    /// In the inbox of `dev`.
    Dev,
    /// At this provider of SMS.
    Provider(Arc<Provider>),
}

/// The root user of an organization, against one server process.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    key: SigningKey,
    bundle_signer: PublicKey,
    inbox: Inbox,
    pub organization: String,
    pub source: Arc<Source>,
}

impl Client {
    /// Uses what `dev` wrote into `directory/vestibule-data`.
    pub fn of_dev(server: &Server, directory: &Path, source: &Arc<Source>) -> Self {
        let env = env_file(&directory.join("vestibule-data/dev.env"));
        Self::new(
            server,
            source,
            &env["VESTIBULE_ORGANIZATION_ID"],
            &env["VESTIBULE_API_PRIVATE_KEY"],
            &env["VESTIBULE_BUNDLE_SIGNER_PUBLIC_KEY"],
        )
    }

    /// Uses this organization's key.
    pub fn new(server: &Server, source: &Arc<Source>, organization: &str, key: &str, signer: &str) -> Self {
        Self {
            http: http(DEADLINE),
            url: server.url.clone(),
            key: SigningKey::from_hex(key).unwrap(),
            bundle_signer: PublicKey::from_hex(signer).unwrap(),
            inbox: Inbox::Dev,
            organization: organization.to_owned(),
            source: Arc::clone(source),
        }
    }

    /// The same user, whose codes arrive at a provider.
    pub fn with_codes_at(self, provider: &Arc<Provider>) -> Self {
        Self { inbox: Inbox::Provider(Arc::clone(provider)), ..self }
    }

    /// The same user, who gives up on an answer after so long.
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { http: http(patience), ..self }
    }

    /// The same user at another server.
    pub fn at(&self, server: &Server) -> Self {
        Self { url: server.url.clone(), ..self.clone() }
    }

    /// An activity in an organization. Every call makes other bytes, and so another activity: the server ignores the
    /// member that tells them apart.
    #[expect(clippy::disallowed_methods, reason = "clients have a clock of their own")]
    pub fn activity_in(&self, organization: &str, activity: ActivityType, parameters: &Value) -> Request {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let body = json!({
            "type": activity.name(),
            "timestampMs": now.as_millis().to_string(),
            "organizationId": organization,
            "parameters": parameters,
            "nonce": self.source.bodies.fetch_add(1, Ordering::Relaxed),
        })
        .to_string();
        let stamp = ApiStamp::make(&self.key, body.as_bytes());
        Request { path: format!("/public/v1/submit/{}", activity.path()), body, stamp }
    }

    /// An activity in the own organization.
    pub fn activity(&self, activity: ActivityType, parameters: &Value) -> Request {
        self.activity_in(&self.organization, activity, parameters)
    }

    /// A code to an address or a number, for ten minutes.
    pub fn init(&self, activity: ActivityType, contact: &str) -> Request {
        self.init_for(activity, contact, 600)
    }

    /// A code that lives so many seconds.
    pub fn init_for(&self, activity: ActivityType, contact: &str, seconds: u64) -> Request {
        let mut parameters = json!({
            "otpType": "OTP_TYPE_EMAIL", "contact": contact, "appName": "Acme",
            "expirationSeconds": seconds.to_string(),
        });
        if is_number(contact) {
            parameters["otpType"] = "OTP_TYPE_SMS".into();
            parameters["smsCustomization"] = json!({ "template": "{{ .OtpCode }}" });
        }
        self.activity(activity, &parameters)
    }

    /// A code to an address or a number, sent and acknowledged.
    pub async fn initiate(&self, contact: &str) -> Attempt {
        let request = self.init(ActivityType::InitOtpV3, contact);
        Attempt::of(contact, &self.ask(&request).await)
    }

    /// A guess at a code; the token that a right one gives names `key`, if the lock takes one.
    pub fn guess(&self, attempt: &Attempt, code: &str, key: &SigningKey) -> Request {
        let otp_id = &attempt.otp_id;
        match &attempt.lock {
            Lock::Clear => {
                self.activity(ActivityType::VerifyOtp, &json!({ "otpId": otp_id, "otpCode": code }))
            }
            Lock::Encrypted(bundle) => {
                let key = key.public_key().to_hex();
                let sealed = seal_otp_bundle(bundle, &self.bundle_signer, code, &key, &self.source.entropy);
                let parameters = json!({ "otpId": otp_id, "encryptedOtpBundle": sealed.unwrap() });
                self.activity(ActivityType::VerifyOtpV2, &parameters)
            }
        }
    }

    /// A sub-organization whose root user has this address or number.
    pub fn create_user(&self, contact: &str) -> Request {
        let member = if is_number(contact) { "userPhoneNumber" } else { "userEmail" };
        self.activity(
            ActivityType::CreateSubOrganizationV8,
            &json!({
                "subOrganizationName": "user",
                "rootUsers": [{
                    "userName": contact, (member): contact,
                    "apiKeys": [], "authenticators": [], "oauthProviders": [],
                }],
                "rootQuorumThreshold": 1,
            }),
        )
    }

    /// A sign-up through the auth proxy, as a browser with a proved number sends it: no stamp, and in no activity's form.
    /// `name` makes it unlike others.
    pub fn sign_up(&self, number: &str, token: &str, key: &SigningKey, name: &str) -> Value {
        let message = json!({
            "signupV2": { "phoneNumber": number, "apiKeys": [], "authenticators": [], "oauthProviders": [] },
            "tokenId": token::peek(token).unwrap().id,
            "type": "USAGE_TYPE_SIGNUP",
        });
        json!({
            "userPhoneNumber": number, "userName": number, "organizationName": name,
            "verificationToken": token,
            "clientSignature": ClientSignature::make(key, message.to_string()),
            "apiKeys": [], "authenticators": [], "oauthProviders": [],
        })
    }

    /// Calls the auth proxy, under the configuration with this id.
    pub async fn call_proxy(&self, config: &str, endpoint: &str, body: &Value) -> Reply {
        let call =
            self.http.post(format!("{}/v1/{endpoint}", self.url)).header("x-auth-proxy-config-id", config);
        let answer = call.body(body.to_string()).send().await.unwrap();
        let status = answer.status().as_u16();
        Reply { status, body: serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap() }
    }

    /// A session for `key`, by the token that a guess of this lock gave.
    pub fn login(&self, organization: &str, lock: &Lock, token: &str, key: &SigningKey) -> Request {
        let public_key = key.public_key().to_hex();
        match lock {
            Lock::Clear => {
                let parameters = json!({ "verificationToken": token, "publicKey": public_key });
                self.activity_in(organization, ActivityType::OtpLogin, &parameters)
            }
            Lock::Encrypted(_) => {
                let id = token::peek(token).unwrap().id;
                let parameters = json!({
                    "verificationToken": token,
                    "publicKey": public_key,
                    "clientSignature": ClientSignature::make_login(key, id, &public_key),
                });
                self.activity_in(organization, ActivityType::OtpLoginV2, &parameters)
            }
        }
    }

    /// Sends a request. `None` when the connection broke before the whole answer had come.
    pub async fn send(&self, request: &Request) -> Option<Reply> {
        let Request { path, body, stamp } = request;
        let call = self.http.post(format!("{}{path}", self.url)).header("x-stamp", stamp).body(body.clone());
        let answer = call.send().await.ok()?;
        let status = answer.status().as_u16();
        let text = answer.bytes().await.ok()?;
        let body = serde_json::from_slice(&text).unwrap_or_else(|_| panic!("{path} answered no JSON"));
        Some(Reply { status, body })
    }

    /// Sends a request to a server that runs.
    pub async fn ask(&self, request: &Request) -> Reply {
        self.send(request).await.unwrap_or_else(|| panic!("no answer to {}", request.body))
    }

    /// A query stamped with `key`, ready to be sent.
    pub fn asking(&self, key: &SigningKey, name: &str, members: &Value) -> Request {
        let body = members.to_string();
        let stamp = ApiStamp::make(key, body.as_bytes());
        Request { path: format!("/public/v1/query/{name}"), body, stamp }
    }

    /// An activity of the own organization, to be read, ready to be sent.
    pub fn reading(&self, activity: &str) -> Request {
        let members = json!({ "organizationId": self.organization, "activityId": activity });
        self.asking(&self.key, "get_activity", &members)
    }

    /// A query stamped with `key`.
    pub async fn query_by(&self, key: &SigningKey, name: &str, members: &Value) -> Reply {
        self.ask(&self.asking(key, name, members)).await
    }

    /// A query stamped with the root user's key.
    pub async fn query(&self, name: &str, members: &Value) -> Reply {
        self.query_by(&self.key, name, members).await
    }

    /// The messages to an address or a number, newest first. `None` when the connection broke.
    pub async fn messages(&self, contact: &str) -> Option<Vec<Value>> {
        if let Inbox::Provider(provider) = &self.inbox {
            let message = |text: &Text| json!({ "otpId": text.otp_id, "otpCode": text.text });
            return Some(provider.texts(contact).iter().rev().map(message).collect());
        }
        let url = format!("{}/dev/messages?to={contact}", self.url);
        let text = self.http.get(url).send().await.ok()?.bytes().await.ok()?;
        let body: Value = serde_json::from_slice(&text).unwrap();
        Some(body["messages"].as_array().unwrap_or_else(|| panic!("no messages in {body}")).clone())
    }

    /// The code that was sent for an attempt, once it has arrived. `None` when the connection broke.
    pub async fn code(&self, attempt: &Attempt) -> Option<String> {
        if let Inbox::Provider(provider) = &self.inbox {
            return Some(provider.code(&attempt.otp_id).await);
        }
        let deadline = Instant::now() + DEADLINE;
        loop {
            let messages = self.messages(&attempt.contact).await?;
            if let Some(message) = messages.iter().find(|message| message["otpId"] == *attempt.otp_id) {
                return Some(message["otpCode"].as_str().unwrap().to_owned());
            }
            assert!(Instant::now() < deadline, "no code for {}", attempt.contact);
            sleep(POLL_EVERY).await;
        }
    }
}

fn is_number(contact: &str) -> bool {
    contact.starts_with('+')
}

fn http(patience: Duration) -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(patience).build().unwrap()
}
