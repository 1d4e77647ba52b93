//! What clients do in tests: the current flow and the legacy one, step by step.

use axum::http::{HeaderMap, Method};
use serde_json::{Value, json};
use uuid::Uuid;
use vestibule_crypto::bundle::seal_otp_bundle;
use vestibule_crypto::client_signature::ClientSignature;
use vestibule_crypto::p256::SigningKey;
use vestibule_crypto::stamp::AttestedStamp;
use vestibule_crypto::token;
use vestibule_wire::{ActivityType, OrganizationId, UserId, results};

use crate::TestServer;

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`, exactly.
    pub content_type: Option<String>,
    /// All headers.
    pub headers: HeaderMap,
    /// The JSON body, or null.
    pub body: Value,
}

impl Reply {
    /// The result's one member.
    ///
    /// # Panics
    /// When the answer is not a completed activity, or its result is not what the API's description says.
    pub fn result(&self) -> &Value {
        assert_eq!(self.status, 200, "{}", self.body);
        assert_eq!(self.body["activity"]["status"], "ACTIVITY_STATUS_COMPLETED", "{}", self.body);
        let members = self.body["activity"]["result"].as_object().expect("a result object");
        assert_eq!(members.len(), 1, "{}", self.body);
        let (key, result) = members.iter().next().expect("one member");
        assert_eq!(results::mismatch(key, result), None, "{result}");
        result
    }

    /// A text member of the result.
    ///
    /// # Panics
    /// When there is none.
    pub fn text(&self, member: &str) -> String {
        self.result()[member].as_str().unwrap_or_else(|| panic!("no {member} in {}", self.body)).to_owned()
    }

    /// Status, `turnkeyErrorCode` and message of a refusal.
    pub fn refusal(&self) -> (u16, &str, &str) {
        let text = |name: &str| self.body[name].as_str().unwrap_or_default();
        (self.status, text("turnkeyErrorCode"), text("message"))
    }
}

/// A proved contact: the token, and the client's key inside it.
#[derive(Clone)]
pub struct Verified {
    /// The verification token.
    pub token: String,
    /// The key that the token names.
    pub key: SigningKey,
}

impl Verified {
    /// The token's id.
    pub fn token_id(&self) -> Uuid {
        token::peek(&self.token).expect("a token").id
    }

    /// The proof that OTP_LOGIN wants.
    pub fn login_signature(&self, session: &SigningKey) -> Value {
        let signature =
            ClientSignature::make_login(&self.key, self.token_id(), &session.public_key().to_hex());
        serde_json::to_value(signature).expect("JSON")
    }
}

/// A signed-up end user.
#[derive(Clone)]
pub struct Account {
    /// Its sub-organization.
    pub organization_id: OrganizationId,
    /// Its only user.
    pub user_id: UserId,
}

/// A fresh key of a client.
pub fn client_key(server: &TestServer) -> SigningKey {
    SigningKey::generate(&*server.entropy)
}

impl TestServer {
    /// Parameters of INIT_OTP_V3 for an address.
    pub fn init_email(&self, email: &str) -> Value {
        json!({ "otpType": "OTP_TYPE_EMAIL", "contact": email, "appName": "Acme" })
    }

    /// INIT_OTP_V3 by the backend: id of the attempt and the target bundle.
    pub async fn init(&self, email: &str) -> (String, String) {
        let reply = self.backend(ActivityType::InitOtpV3, self.init_email(email)).await;
        (reply.text("otpId"), reply.text("otpEncryptionTargetBundle"))
    }

    /// Encrypts a guess as a client does.
    pub fn encrypt(&self, bundle: &str, code: &str, key: &SigningKey) -> String {
        let signer = &self.bundle_signer();
        seal_otp_bundle(bundle, signer, code, &key.public_key().to_hex(), &*self.entropy)
            .expect("a target bundle")
    }

    /// Parameters of VERIFY_OTP_V2.
    pub fn guess(&self, otp_id: &str, bundle: &str, code: &str, key: &SigningKey) -> Value {
        json!({ "otpId": otp_id, "encryptedOtpBundle": self.encrypt(bundle, code, key) })
    }

    /// Proves an address with the code that was sent to it.
    pub async fn verify(&self, email: &str) -> Verified {
        let (otp_id, bundle) = self.init(email).await;
        let code = self.code(email).await;
        let key = client_key(self);
        let reply = self.backend(ActivityType::VerifyOtpV2, self.guess(&otp_id, &bundle, &code, &key)).await;
        Verified { token: reply.text("verificationToken"), key }
    }

    /// Makes a sub-organization whose root user has this address, not yet proved.
    pub async fn create_user(&self, email: &str) -> Account {
        let reply = self
            .backend(
                ActivityType::CreateSubOrganizationV8,
                json!({
                    "subOrganizationName": "user",
                    "rootUsers": [{
                        "userName": email, "userEmail": email,
                        "apiKeys": [], "authenticators": [], "oauthProviders": [],
                    }],
                    "rootQuorumThreshold": 1,
                }),
            )
            .await;
        let id = |value: &Value| value.as_str().expect("an id").to_owned();
        Account {
            organization_id: id(&reply.result()["subOrganizationId"]).parse().expect("a UUID"),
            user_id: id(&reply.result()["rootUserIds"][0]).parse().expect("a UUID"),
        }
    }

    /// OTP_LOGIN_V2 by the backend, with the token's key as session key.
    pub async fn login(&self, account: &Account, verified: &Verified) -> Reply {
        self.submit(
            &self.tenant.key,
            ActivityType::OtpLoginV2,
            account.organization_id,
            json!({
                "verificationToken": verified.token,
                "publicKey": verified.key.public_key().to_hex(),
                "clientSignature": verified.login_signature(&verified.key),
            }),
        )
        .await
    }

    /// A user with a proved address and a session.
    pub async fn logged_in(&self, email: &str) -> (Account, SigningKey) {
        let account = self.create_user(email).await;
        let verified = self.verify(email).await;
        self.login(&account, &verified).await.text("session");
        (account, verified.key)
    }

    /// STAMP_LOGIN with an attested stamp, as the current SDK logs in.
    pub async fn attested_login(&self, organization: OrganizationId, verified: &Verified) -> Reply {
        let parameters =
            json!({ "publicKey": verified.key.public_key().to_hex(), "expirationSeconds": "900" });
        let body = self.activity(ActivityType::StampLogin, organization, &parameters);
        let stamp = AttestedStamp::make(&verified.key, &verified.token, body.as_bytes());
        self.send(Method::POST, "/public/v1/submit/stamp_login", &[("x-stamp-attested", &stamp)], body).await
    }

    /// Body of `signup_v2` for a proved address.
    pub fn signup_body(&self, email: &str, verified: &Verified) -> Value {
        let signature = ClientSignature::make(
            &verified.key,
            json!({
                "signupV2": { "email": email, "apiKeys": [], "authenticators": [], "oauthProviders": [] },
                "tokenId": verified.token_id().to_string(),
                "type": "USAGE_TYPE_SIGNUP",
            })
            .to_string(),
        );
        json!({
            "userEmail": email, "userName": email, "organizationName": "user",
            "verificationToken": verified.token, "clientSignature": signature,
            "apiKeys": [], "authenticators": [], "oauthProviders": [],
        })
    }
}
