//! The client signature of a login or sign-up: the holder of a verification token's key says what the token is used for
//! (protocol 05, section 10).
//!
//! [`ClientSignature::check`] verifies key and signature and yields the message; the message is then compared with the
//! request **by value**: member order is free, `null` and absent are equal, exactly one usage member is present.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::p256::{PublicKey, SigningKey};

/// The one scheme (05, section 10).
pub const SCHEME: &str = "CLIENT_SIGNATURE_SCHEME_API_P256";

const LOGIN: &str = "USAGE_TYPE_LOGIN";
const SIGNUP: &str = "USAGE_TYPE_SIGNUP";

/// The `clientSignature` member of a request, as it travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientSignature {
    /// The token's `public_key`, hex.
    pub public_key: String,
    /// [`SCHEME`].
    pub scheme: String,
    /// The signed text, JSON.
    pub message: String,
    /// Hex of the raw signature `r || s` (128 characters) over SHA-256 of `message`; DER is tolerated.
    pub signature: String,
}

/// Why a client signature was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClientSignatureError {
    /// Not [`SCHEME`].
    #[error("unknown client signature scheme")]
    Scheme,
    /// The public key is not the token's, or is no P-256 key.
    #[error("the client signature names another key than the token")]
    Key,
    /// The signature does not verify.
    #[error("bad client signature")]
    Signature,
    /// The message is not a JSON object with `type`, `tokenId` and exactly one usage member.
    #[error("malformed client signature message")]
    Message,
}

impl ClientSignature {
    /// Verifies that the signature is by the token's key, given as hex, and reads the message.
    pub fn check(&self, token_public_key: &str) -> Result<UsageMessage, ClientSignatureError> {
        self.check_with(&PublicKey::from_hex(token_public_key).map_err(|_| ClientSignatureError::Key)?)
    }

    /// As [`ClientSignature::check`], with the token's key already parsed.
    pub fn check_with(&self, token_key: &PublicKey) -> Result<UsageMessage, ClientSignatureError> {
        if self.scheme != SCHEME {
            return Err(ClientSignatureError::Scheme);
        }
        if !self.public_key.eq_ignore_ascii_case(&token_key.to_hex()) {
            return Err(ClientSignatureError::Key);
        }
        let signature = hex::decode(&self.signature).map_err(|_| ClientSignatureError::Signature)?;
        let message = self.message.as_bytes();
        match signature.len() {
            64 => token_key.verify_raw(message, &signature),
            _ => token_key.verify_der(message, &signature),
        }
        .map_err(|_| ClientSignatureError::Signature)?;
        UsageMessage::parse(&self.message)
    }

    /// Signs `message` as a client does: raw signature.
    pub fn make(key: &SigningKey, message: String) -> Self {
        Self {
            public_key: key.public_key().to_hex(),
            scheme: SCHEME.to_owned(),
            signature: hex::encode(key.sign_raw(message.as_bytes())),
            message,
        }
    }

    /// The client signature of a login: the token `token_id` is used for a session of `session_public_key` (hex).
    pub fn make_login(key: &SigningKey, token_id: Uuid, session_public_key: &str) -> Self {
        let message = serde_json::json!({
            "login": { "publicKey": session_public_key },
            "tokenId": token_id,
            "type": LOGIN,
        });
        Self::make(key, message.to_string())
    }

    /// The client signature of a sign-up (`signupV2`, or `signup` when `legacy`).
    pub fn make_signup(
        key: &SigningKey,
        token_id: Uuid,
        expected: &SignupExpectation<'_>,
        legacy: bool,
    ) -> Self {
        let mut usage = expected.members();
        usage.retain(|_, value| !value.is_null());
        let mut message = Map::new();
        message.insert(if legacy { "signup" } else { "signupV2" }.to_owned(), Value::from(usage));
        message.insert("tokenId".to_owned(), token_id.to_string().into());
        message.insert("type".to_owned(), SIGNUP.into());
        Self::make(key, Value::from(message).to_string())
    }
}

/// A signed message: one use of one token.
#[derive(Debug, Clone, PartialEq)]
pub struct UsageMessage {
    kind: String,
    token_id: String,
    usage: Usage,
    content: Map<String, Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Usage {
    Login,
    LoginV2,
    Signup,
    SignupV2,
    SignupV3,
}

/// What a login request says, to be compared with a strict `loginV2` message.
#[derive(Debug, Clone, Copy, Default)]
pub struct LoginExpectation<'a> {
    /// The session key, hex.
    pub public_key: &'a str,
    /// `organizationId` of the request.
    pub organization_id: &'a str,
    /// `invalidateExisting`; absent is `false`.
    pub invalidate_existing: bool,
    /// `expirationSeconds` as given.
    pub expiration_seconds: Option<&'a str>,
    /// `sessionProfileId` as given.
    pub session_profile_id: Option<&'a str>,
}

/// What a sign-up request says, to be compared with the message.
#[derive(Debug, Clone)]
pub struct SignupExpectation<'a> {
    /// The request's `apiKeys`, in order.
    pub api_keys: Value,
    /// The request's `authenticators`, in order.
    pub authenticators: Value,
    /// The request's `oauthProviders`, in order.
    pub oauth_providers: Value,
    /// The root user's e-mail address as given.
    pub email: Option<&'a str>,
    /// The root user's telephone number as given.
    pub phone_number: Option<&'a str>,
}

impl UsageMessage {
    fn parse(text: &str) -> Result<Self, ClientSignatureError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Raw {
            #[serde(rename = "type")]
            kind: String,
            token_id: String,
            #[serde(flatten)]
            usages: Map<String, Value>,
        }
        let raw: Raw = serde_json::from_str(text).map_err(|_| ClientSignatureError::Message)?;
        let mut usages = raw.usages.into_iter().filter(|(_, value)| !value.is_null());
        let (Some((name, Value::Object(content))), None) = (usages.next(), usages.next()) else {
            return Err(ClientSignatureError::Message);
        };
        let usage = match name.as_str() {
            "login" => Usage::Login,
            "loginV2" => Usage::LoginV2,
            "signup" => Usage::Signup,
            "signupV2" => Usage::SignupV2,
            "signupV3" => Usage::SignupV3,
            _ => return Err(ClientSignatureError::Message),
        };
        Ok(Self { kind: raw.kind, token_id: raw.token_id, usage, content })
    }

    /// True for a `login` message that uses token `token_id` for a session of `session_public_key` (hex).
    ///
    /// A strict `loginV2` message says more than this can compare and is refused: see
    /// [`UsageMessage::matches_login_request`].
    pub fn matches_login(&self, token_id: Uuid, session_public_key: &str) -> bool {
        self.usage == Usage::Login
            && self.is(LOGIN, token_id)
            && self.names_key(session_public_key)
            && self.content.iter().all(|(name, value)| name == "publicKey" || is_absent(value))
    }

    /// True for a `login` message that [`UsageMessage::matches_login`] accepts, and for a `loginV2` message every member
    /// of which equals the request's.
    pub fn matches_login_request(&self, token_id: Uuid, expected: &LoginExpectation<'_>) -> bool {
        if self.usage != Usage::LoginV2 {
            return self.matches_login(token_id, expected.public_key);
        }
        let members = [
            // Compared without regard to case above.
            ("publicKey", self.content.get("publicKey").cloned().unwrap_or_default()),
            ("organizationId", expected.organization_id.into()),
            ("invalidateExisting", expected.invalidate_existing.into()),
            ("expirationSeconds", expected.expiration_seconds.into()),
            ("sessionProfileId", expected.session_profile_id.into()),
        ];
        self.is(LOGIN, token_id)
            && self.names_key(expected.public_key)
            && same_members(&self.content, &map(members))
    }

    /// True for a sign-up message that uses token `token_id` for exactly the credentials and contacts of the request:
    /// a `signup` message when `legacy`, else a `signupV2` message.
    pub fn matches_signup(&self, token_id: Uuid, expected: &SignupExpectation<'_>, legacy: bool) -> bool {
        self.usage == if legacy { Usage::Signup } else { Usage::SignupV2 }
            && self.is(SIGNUP, token_id)
            && same_members(&self.content, &expected.members())
    }

    /// True for a strict `signupV3` message whose members equal those of `expected`: `parentOrganizationId`,
    /// `subOrganizationName`, `rootUsers`, `rootQuorumThreshold`, `wallet` and the `disable*` switches of the request.
    pub fn matches_signup_v3(&self, token_id: Uuid, expected: &Map<String, Value>) -> bool {
        self.usage == Usage::SignupV3 && self.is(SIGNUP, token_id) && same_members(&self.content, expected)
    }

    fn is(&self, kind: &str, token_id: Uuid) -> bool {
        self.kind == kind && Uuid::try_parse(&self.token_id).is_ok_and(|id| id == token_id)
    }

    fn names_key(&self, public_key: &str) -> bool {
        let named = self.content.get("publicKey").and_then(Value::as_str);
        named.is_some_and(|named| named.eq_ignore_ascii_case(public_key))
    }
}

impl SignupExpectation<'_> {
    fn members(&self) -> Map<String, Value> {
        map([
            ("apiKeys", self.api_keys.clone()),
            ("authenticators", self.authenticators.clone()),
            ("oauthProviders", self.oauth_providers.clone()),
            ("email", self.email.into()),
            ("phoneNumber", self.phone_number.into()),
        ])
    }
}

fn map<const N: usize>(members: [(&str, Value); N]) -> Map<String, Value> {
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Members of the same value, in any order. An absent member equals one that says nothing.
fn same_members(left: &Map<String, Value>, right: &Map<String, Value>) -> bool {
    let within = |inner: &Map<String, Value>, outer: &Map<String, Value>| {
        inner
            .iter()
            .filter(|(_, value)| !is_absent(value))
            .all(|(name, value)| outer.get(name).is_some_and(|other| same(value, other)))
    };
    within(left, right) && within(right, left)
}

fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => same_members(left, right),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        _ => left == right,
    }
}

/// What serialisers write, or leave out, for a member that was not set: `null`, `""` (GAPS D-5), `[]` and `false`.
fn is_absent(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::Object(_) => false,
    }
}
