//! What a client does: stamped activities on one kept-alive connection.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::net::TcpStream;
use vestibule_crypto::client_signature::ClientSignature;
use vestibule_crypto::p256::SigningKey;
use vestibule_crypto::stamp::ApiStamp;
use vestibule_crypto::token;
use vestibule_wire::ActivityType;

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

/// The time of this machine, epoch milliseconds.
#[expect(clippy::disallowed_methods, reason = "the server judges requests by the time they name")]
pub fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
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
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context("cannot connect to the server")?;
        stream.set_nodelay(true).context("cannot set up a connection")?;
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.context("cannot set up a connection")?;
        tokio::task::spawn_local(async move {
            // Whoever waits for an answer is told as well.
            let _ = connection.await;
        });
        Ok(Self { sender, host: address.to_string() })
    }

    /// Sends an activity, which must complete.
    pub async fn submit(&mut self, request: Stamped) -> Result<Answer> {
        let Stamped { path, stamp, body } = request;
        let request = Request::post(&path)
            .header("host", &self.host)
            .header("content-type", "application/json")
            .header("x-stamp", stamp)
            .body(Full::new(Bytes::from(body)))
            .context("a request cannot be made")?;
        let start = Instant::now();
        let response = self.sender.send_request(request).await.context("the server hung up")?;
        let status = response.status();
        let body = response.into_body().collect().await.context("the server hung up")?.to_bytes();
        let took = start.elapsed();
        if status != StatusCode::OK {
            bail!("{path} answered {status}: {}", String::from_utf8_lossy(&body));
        }
        let Body { activity } = serde_json::from_slice(&body).context("an answer is no activity")?;
        if activity.status != "ACTIVITY_STATUS_COMPLETED" {
            bail!("{path} ended as {}", activity.status);
        }
        let result = activity.result.into_values().next().context("an activity has no result")?;
        Ok(Answer { took, result })
    }
}
