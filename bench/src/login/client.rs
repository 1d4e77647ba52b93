//! What a client does: stamped activities on one kept-alive connection.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use vestibule_crypto::client_signature::ClientSignature;
use vestibule_crypto::p256::SigningKey;
use vestibule_crypto::stamp::ApiStamp;
use vestibule_crypto::token;
use vestibule_wire::ActivityType;

use crate::client;

/// A request ready to be sent.
pub struct Stamped {
    /// Where it goes.
    pub path: String,
    /// Header value.
    pub stamp: String,
    /// Exactly what the stamp covers.
    pub body: String,
}

/// A backend: the holder of a key of the parent organization.
#[derive(Clone)]
pub struct Backend {
    /// Its key.
    pub key: SigningKey,
    /// The parent organization.
    pub parent: String,
    /// The time, epoch milliseconds.
    pub now: fn() -> i64,
}

impl Backend {
    /// Makes a user with a sub-organization of its own.
    pub fn create(&self, email: &str) -> Stamped {
        let parameters = json!({
            "subOrganizationName": "user",
            "rootUsers": [{
                "userName": email, "userEmail": email,
                "apiKeys": [], "authenticators": [], "oauthProviders": [],
            }],
            "rootQuorumThreshold": 1,
        });
        self.stamped(ActivityType::CreateSubOrganizationV8, &self.parent, &parameters)
    }

    /// Has a code sent.
    pub fn init(&self, email: &str) -> Stamped {
        let parameters = json!({ "otpType": "OTP_TYPE_EMAIL", "contact": email, "appName": "Acme" });
        self.stamped(ActivityType::InitOtpV3, &self.parent, &parameters)
    }

    /// Shows the code, encrypted.
    pub fn verify(&self, otp_id: &str, bundle: &str) -> Stamped {
        let parameters = json!({ "otpId": otp_id, "encryptedOtpBundle": bundle });
        self.stamped(ActivityType::VerifyOtpV2, &self.parent, &parameters)
    }

    /// Turns the token into a session of `session`, the key that the token names.
    pub fn login(&self, organization: &str, token: &str, session: &SigningKey) -> Result<Stamped> {
        let public_key = session.public_key().to_hex();
        let token_id = token::peek(token).context("the verification token cannot be read")?.id;
        let parameters = json!({
            "verificationToken": token,
            "publicKey": public_key,
            "clientSignature": ClientSignature::make_login(session, token_id, &public_key),
        });
        Ok(self.stamped(ActivityType::OtpLoginV2, organization, &parameters))
    }

    fn stamped(&self, activity: ActivityType, organization: &str, parameters: &Value) -> Stamped {
        let body = json!({
            "type": activity.name(),
            "timestampMs": (self.now)().to_string(),
            "organizationId": organization,
            "parameters": parameters,
        })
        .to_string();
        let path = format!("/public/v1/submit/{}", activity.path());
        Stamped { stamp: ApiStamp::make(&self.key, body.as_bytes()), path, body }
    }
}

/// A completed activity: its result's members, and how long the answer took.
pub struct Answer {
    /// From the first byte sent to the last byte read.
    pub took: Duration,
    result: Map<String, Value>,
}

impl Answer {
    /// A text member of the result.
    pub fn text(&self, member: &str) -> Result<&str> {
        self.result.get(member).and_then(Value::as_str).with_context(|| format!("the answer has no {member}"))
    }
}

#[derive(Deserialize)]
struct Body {
    activity: Activity,
}

#[derive(Deserialize)]
struct Activity {
    status: String,
    result: HashMap<String, Map<String, Value>>,
}

/// One connection, one request at a time.
pub struct Connection(client::Connection);

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        client::Connection::open(address).await.map(Self)
    }

    /// Sends an activity, which must complete.
    pub async fn submit(&mut self, request: Stamped) -> Result<Answer> {
        let Stamped { path, stamp, body } = request;
        let (took, body) = self.0.post(&path, &[("x-stamp", &stamp)], body).await?;
        let Body { activity } = serde_json::from_slice(&body).context("an answer is no activity")?;
        if activity.status != "ACTIVITY_STATUS_COMPLETED" {
            bail!("{path} ended as {}", activity.status);
        }
        let result = activity.result.into_values().next().context("an activity has no result")?;
        Ok(Answer { took, result })
    }
}
