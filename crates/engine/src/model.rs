//! What is stored. Rows are destructured fully wherever they are read, so that a new column breaks the build there.

mod definitions;
mod deliberation;
mod handover;
mod limits;
mod messages;
mod routes;
mod templates;
mod webhooks;

pub use definitions::*;
pub use deliberation::*;
pub use handover::*;
pub use limits::*;
pub use messages::*;
pub use routes::*;
pub use templates::*;
pub use webhooks::*;

use vestibule_crypto::keyset::{KeyRole, KeyState};
use vestibule_wire::view::{ActivityStatus, CredentialType, Quorum};
use vestibule_wire::{
    ActivityId, Contact, Feature, FeatureName, Locale, MessageId, OrganizationId, OtpFlavour, OtpId, OtpType,
    ProxyConfigId, ProxySettings, TagId, TemplateId, TokenId, UserId, VoteId,
};

/// Epoch milliseconds by the store's clock.
pub type Millis = i64;

/// When an id of version 7 was made.
pub fn made_at(id: uuid::Uuid) -> Millis {
    let [a, b, c, d, e, f, ..] = *id.as_bytes();
    i64::from_be_bytes([0, 0, a, b, c, d, e, f])
}

/// Hash under which a contact is looked up and counted: SHA-256 over its kind and normalised form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContactKey(pub [u8; 32]);

impl ContactKey {
    /// The key of a contact.
    pub fn of(contact: &Contact) -> Self {
        let kind = contact.kind().as_str();
        Self(vestibule_crypto::fingerprint::sha256(format!("{kind}\0{}", contact.normalised()).as_bytes()))
    }
}

/// Hash of a caller's `userIdentifier`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdentifierKey(pub [u8; 32]);

impl IdentifierKey {
    /// The key of an identifier that callers use in one organization: nobody uses up that of another organization.
    pub fn of(organization: OrganizationId, identifier: &str) -> Self {
        let mut text = organization.as_bytes().to_vec();
        text.extend_from_slice(identifier.as_bytes());
        Self(vestibule_crypto::fingerprint::sha256(&text))
    }
}

/// A key of the server as the key table holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerKey {
    /// Unique among all keys of the server.
    pub id: String,
    /// What it is for.
    pub role: KeyRole,
    /// Whether it is in use.
    pub state: KeyState,
    /// From when on it may sign or hash.
    pub activates_at: Millis,
    /// Its secret under a sealing key of the key file; for a sealing key, a probe.
    pub sealed: Vec<u8>,
    /// When it was made.
    pub created_at: Millis,
    /// When it last changed.
    pub updated_at: Millis,
    /// Rises with each change; the guard of changes.
    pub version: i64,
}

/// A parent or a sub-organization.
#[derive(Debug, Clone, PartialEq)]
pub struct Organization {
    /// Id.
    pub id: OrganizationId,
    /// `None` for a parent.
    pub parent_id: Option<OrganizationId>,
    /// Display name.
    pub name: String,
    /// Switches, in the order they were set.
    pub features: Vec<Feature>,
    /// Root users and how many must approve.
    pub quorum: Quorum,
    /// Its webhook endpoints, oldest first.
    pub webhooks: Vec<WebhookEndpoint>,
    /// When the operator suspended it.
    pub suspended_at: Option<Millis>,
    /// Language of messages for whom none was asked for; only a parent has one, and its sub-organizations share it.
    pub locale: Option<Locale>,
    /// Rises with each change; the guard of changes.
    pub version: i64,
    /// When it was made.
    pub created_at: Millis,
    /// When it last changed.
    pub updated_at: Millis,
}

impl Organization {
    /// The parent, or itself: the first key of every table.
    pub fn tenant(&self) -> OrganizationId {
        self.parent_id.unwrap_or(self.id)
    }

    /// Whether a feature is on.
    pub fn has(&self, name: FeatureName) -> bool {
        self.features.iter().any(|f| f.name == name)
    }
}

/// A user without its credentials.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// Where it lives.
    pub organization_id: OrganizationId,
    /// That organization's parent, or the organization.
    pub tenant_id: OrganizationId,
    /// Id.
    pub id: UserId,
    /// Label.
    pub name: String,
    /// Address as given.
    pub email: Option<String>,
    /// E.164 number.
    pub phone: Option<String>,
    /// Its tags.
    pub tags: Vec<TagId>,
    /// Its MFA policies, by their order.
    pub mfa_policies: Vec<MfaPolicy>,
    /// Rises with each change of the user or of its durable credentials; the guard of such changes.
    pub version: i64,
    /// When it was made.
    pub created_at: Millis,
    /// When it last changed.
    pub updated_at: Millis,
}

impl User {
    /// One without tags and MFA policies.
    pub fn new(
        owner: Owner,
        name: String,
        email: Option<&Contact>,
        phone: Option<&Contact>,
        now: Millis,
    ) -> Self {
        Self {
            organization_id: owner.organization_id,
            tenant_id: owner.tenant_id,
            id: owner.user_id,
            name,
            email: email.map(|contact| contact.given().to_owned()),
            phone: phone.map(|contact| contact.normalised().to_owned()),
            tags: Vec::new(),
            mfa_policies: Vec::new(),
            version: 0,
            created_at: now,
            updated_at: now,
        }
    }
}

/// An API key, session key or passkey.
#[derive(Debug, Clone, PartialEq)]
pub struct Credential {
    /// Where its user lives.
    pub organization_id: OrganizationId,
    /// That organization's parent, or the organization.
    pub tenant_id: OrganizationId,
    /// Its user.
    pub user_id: UserId,
    /// Id of the API key or authenticator.
    pub id: uuid::Uuid,
    /// Type.
    pub kind: CredentialType,
    /// Label.
    pub name: String,
    /// What a stamp names it by: the raw public key (33 bytes compressed, or 32 for Ed25519), or a raw credential id.
    pub lookup: Vec<u8>,
    /// Raw public key; for passkeys as in G-QRY-4.
    pub public_key: Vec<u8>,
    /// JSON of what only passkeys have; see [`PasskeyDetails`].
    pub passkey: Option<PasskeyDetails>,
    /// Lifetime asked for; `None` for long-lived keys.
    pub expiration_seconds: Option<u32>,
    /// `created_at` plus the lifetime.
    pub expires_at: Option<Millis>,
    /// Session profile of a session key.
    pub session_profile_id: Option<uuid::Uuid>,
    /// When and how the user of a session key authenticated.
    pub authentication: Option<Authentication>,
    /// The identity that an OAuth provider is about.
    pub oauth: Option<OauthIdentity>,
    /// When it was made, or last extended.
    pub created_at: Millis,
    /// When it last changed.
    pub updated_at: Millis,
}

/// What a passkey has beyond other credentials.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PasskeyDetails {
    /// `AUTHENTICATOR_TRANSPORT_*`
    pub transports: Vec<String>,
    /// Attestation format.
    pub attestation_type: String,
    /// UUID of the model.
    pub aaguid: String,
    /// Hex of the RP id hash seen at registration (G-WA-2).
    pub rp_id_hash: String,
    /// COSE algorithm: -7 or -257.
    pub algorithm: i32,
    /// The signature counter at registration; 0 where the authenticator keeps none.
    #[serde(default)]
    pub sign_count: u32,
}

/// The user that a credential is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// Where the user lives.
    pub organization_id: OrganizationId,
    /// That organization's parent, or the organization.
    pub tenant_id: OrganizationId,
    /// The user.
    pub user_id: UserId,
}

impl Owner {
    /// The user.
    pub fn of(user: &User) -> Self {
        Self { organization_id: user.organization_id, tenant_id: user.tenant_id, user_id: user.id }
    }
}

impl Credential {
    /// An API or session key, which a stamp names by the key itself; `lifetime_s` is `None` for a long-lived one.
    pub fn of_key(
        owner: Owner,
        id: uuid::Uuid,
        kind: CredentialType,
        name: String,
        public_key: Vec<u8>,
        lifetime_s: Option<u32>,
        now: Millis,
    ) -> Self {
        Self {
            organization_id: owner.organization_id,
            tenant_id: owner.tenant_id,
            user_id: owner.user_id,
            id,
            kind,
            name,
            lookup: public_key.clone(),
            public_key,
            passkey: None,
            expiration_seconds: lifetime_s,
            expires_at: lifetime_s.map(|s| now + i64::from(s) * 1000),
            session_profile_id: None,
            authentication: None,
            oauth: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// Whether it still works at `now`.
    pub fn live(&self, now: Millis) -> bool {
        self.expires_at.is_none_or(|at| at > now)
    }
}

/// A user with all its credentials, expired ones included.
#[derive(Debug, Clone, PartialEq)]
pub struct UserRecord {
    /// The user.
    pub user: User,
    /// Its credentials, oldest first.
    pub credentials: Vec<Credential>,
}

/// One OTP attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Otp {
    /// Organization of the INIT.
    pub organization_id: OrganizationId,
    /// Its parent, or itself.
    pub tenant_id: OrganizationId,
    /// Id.
    pub id: OtpId,
    /// Which flow.
    pub flavour: OtpFlavour,
    /// Kind of contact.
    pub otp_type: OtpType,
    /// As given, trimmed; becomes the token's `contact`.
    pub contact: String,
    /// Look-up form.
    pub contact_key: ContactKey,
    /// The caller's identifier, when it gave one.
    pub identifier_key: Option<IdentifierKey>,
    /// Id of the key under which the code is hashed.
    pub code_key_id: String,
    /// HMAC of the code.
    pub code_hash: [u8; 32],
    /// The user that an [`OtpFlavour::Auth`] attempt is for.
    pub user_id: Option<UserId>,
    /// Sealed target key of [`OtpFlavour::Encrypted`] attempts, gone once the attempt is over.
    pub target_key: Option<Vec<u8>>,
    /// Guesses left.
    pub attempts_left: i64,
    /// When the code dies.
    pub expires_at: Millis,
    /// When it was used, or retired for another.
    pub consumed_at: Option<Millis>,
    /// When it was made.
    pub created_at: Millis,
}

/// A verification token that was issued.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    /// Tenant whose logins may use it.
    pub tenant_id: OrganizationId,
    /// The `id` claim.
    pub id: TokenId,
    /// Organization of the INIT.
    pub organization_id: OrganizationId,
    /// SHA-256 of its text: the server knows its own tokens without checking their signature.
    pub hash: [u8; 32],
    /// Whether it is a legacy token.
    pub legacy: bool,
    /// Kind of contact.
    pub otp_type: OtpType,
    /// The contact it proves.
    pub contact: String,
    /// Look-up form.
    pub contact_key: ContactKey,
    /// The key bound into it, compressed hex.
    pub public_key: Option<String>,
    /// When it dies.
    pub expires_at: Millis,
    /// When it signed up an account (D-1).
    pub signed_up_at: Option<Millis>,
}

/// One activity as stored: secrets are `""` in `intent` and `result` and sealed beside them (D-11).
#[derive(Debug, Clone, PartialEq)]
pub struct ActivityRecord {
    /// Organization acted on.
    pub organization_id: OrganizationId,
    /// Its parent, or itself.
    pub tenant_id: OrganizationId,
    /// Id.
    pub id: ActivityId,
    /// SHA-256 of the body.
    pub fingerprint: [u8; 32],
    /// Full name.
    pub activity_type: String,
    /// Status.
    pub status: ActivityStatus,
    /// As submitted.
    pub timestamp_ms: i64,
    /// JSON of the intent's one member, without secrets.
    pub intent: String,
    /// JSON of the result's one member, without secrets.
    pub result: String,
    /// Sealed JSON of the secrets.
    pub sealed: Option<Vec<u8>>,
    /// The first approval.
    pub submitter: Submitter,
    /// Rises with each vote and with the outcome; the guard of both.
    pub version: i64,
    /// Why it came to nothing.
    pub failure: Option<StoredFailure>,
    /// Votes and what the policies said; absent where the submitter's approval was all it took.
    pub deliberation: Option<Deliberation>,
    /// When it was submitted.
    pub created_at: Millis,
    /// When it last changed.
    pub updated_at: Millis,
}

/// Who submitted an activity, and with what stamp.
#[derive(Debug, Clone, PartialEq)]
pub struct Submitter {
    /// Where the user lives: the organization acted on, or its parent.
    pub organization_id: OrganizationId,
    /// The user.
    pub user_id: UserId,
    /// Id of its vote.
    pub vote_id: VoteId,
    /// Stamp key, hex.
    pub public_key: String,
    /// Stamp signature, hex.
    pub signature: String,
    /// Stamp scheme.
    pub scheme: String,
    /// The body, where it holds no secret; else `""`.
    pub message: String,
}

/// An auth proxy of a parent.
#[derive(Debug, Clone, PartialEq)]
pub struct ProxyConfig {
    /// What clients send.
    pub id: ProxyConfigId,
    /// The parent.
    pub organization_id: OrganizationId,
    /// Its service user.
    pub user_id: UserId,
    /// The service user's API key, sealed.
    pub sealed_key: Vec<u8>,
    /// Settings.
    pub settings: ProxySettings,
    /// Rises with each change; the guard of changes.
    pub version: i64,
    /// When it was made.
    pub created_at: Millis,
    /// When it last changed.
    pub updated_at: Millis,
}

/// A message waiting to be sent. The payload is sealed; delivery opens it.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxMessage {
    /// Id.
    pub id: MessageId,
    /// Organization of the INIT.
    pub organization_id: OrganizationId,
    /// Its parent, or itself.
    pub tenant_id: OrganizationId,
    /// The attempt it carries the code of; an id of its own where it carries a bundle.
    pub otp_id: OtpId,
    /// Channel.
    pub channel: OtpType,
    /// Sealed JSON of [`MessagePayload`].
    pub payload: Vec<u8>,
    /// How often sending was tried.
    pub attempts: i64,
    /// When it may be tried (again).
    pub due_at: Millis,
    /// When what it carries dies, or nobody waits for it any more; never sent after that.
    pub expires_at: Millis,
    /// When it was made.
    pub created_at: Millis,
}

/// What a message says, before it is rendered.
#[derive(Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct MessagePayload {
    /// What it is for.
    #[serde(default)]
    pub purpose: MessagePurpose,
    /// Where it goes: an address as given, or an E.164 number.
    pub to: String,
    /// The code, or the bundle.
    pub code: String,
    /// Seconds the code lives, or the bundle's key.
    pub lifetime_s: u32,
    /// Name of the app, or of the organization.
    pub app_name: String,
    /// Logo.
    pub logo_url: Option<String>,
    /// URL with `%s`.
    pub magic_link_template: Option<String>,
    /// Variables of stored templates.
    pub template_variables: std::collections::BTreeMap<String, String>,
    /// The stored template to use.
    pub template_id: Option<TemplateId>,
    /// Languages, the most wanted first: what was asked for, then the organization's.
    #[serde(default)]
    pub locales: Vec<Locale>,
    /// SMS text with the code's placeholder.
    pub sms_template: Option<String>,
    /// From address asked for.
    pub send_from: Option<String>,
    /// From display name.
    pub sender_name: Option<String>,
    /// Reply-To address asked for.
    pub reply_to: Option<String>,
}

/// Codes and contacts do not appear in logs.
impl std::fmt::Debug for MessagePayload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MessagePayload([redacted])")
    }
}
