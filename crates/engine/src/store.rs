//! What the engine asks of a store: one read that loads all a decision needs, and one atomic commit of guarded writes.
//!
//! A guard is a predicate on a write. When it matches no row, the whole change set is undone and comes back as a
//! [`Conflict`]; the engine then reads and decides again. Guards on expiry use the store's own time.

mod codes;
mod keys;

pub use codes::{channel_code, channel_from_code, flavour_code, flavour_from_code};
pub use keys::{KeyWrite, NewServerKey, Reseal, SealedPlace, SealedRow, SealedValue};

use async_trait::async_trait;
use vestibule_wire::view::ActivityStatus;
use vestibule_wire::{
    ActivityId, Feature, MessageId, OrganizationId, OtpId, ProxyConfigId, TemplateId, TokenId, UserId,
};

use crate::model::{
    ActivityRecord, ContactKey, ContactLimits, Credential, IdentifierKey, IdentifierLimits, Millis,
    Organization, Otp, OutboxMessage, ProxyConfig, ServerKey, Template, Token, User, UserRecord,
};

/// How a store names the caller it shall find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallerKey {
    /// The credential a stamp names, anywhere in the target's tenant.
    Credential(Vec<u8>),
    /// The verified contact an attested stamp proves, anywhere in the target's tenant.
    Contact(ContactKey),
    /// A user of the target or of its parent: the auth proxy's service user.
    User(UserId),
}

/// Everything one request may need to know; a store answers all of it in one round trip.
#[derive(Debug, Clone)]
pub struct ReadKeys {
    /// The organization the request names.
    pub organization: OrganizationId,
    /// Who asks.
    pub caller: CallerKey,
    /// Hash of the body, for activities.
    pub fingerprint: Option<[u8; 32]>,
    /// What the intent needs.
    pub intent: IntentKeys,
}

/// The keys an intent adds to a read.
#[derive(Debug, Clone, Default)]
pub struct IntentKeys {
    /// An attempt of the target organization; also tells whether this body was already refused as a guess (D-14).
    pub otp: Option<OtpId>,
    /// Limits of a contact in the tenant.
    pub contact_limits: Option<ContactKey>,
    /// Limits of an identifier, and whether it succeeded with the contact before.
    pub identifier: Option<(ContactKey, IdentifierKey)>,
    /// A token issued in the tenant.
    pub token: Option<TokenId>,
    /// Users of the target organization with this contact, verified or not: verified ones first, at most eight.
    pub contact_in_target: Option<ContactKey>,
    /// The first users of the tenant in which this contact is verified (at most three, the target's first).
    pub verified_contact: Option<ContactKey>,
    /// Credentials of the target organization with these look-up bytes.
    pub existing_credentials: Vec<Vec<u8>>,
    /// A user of the target organization with its credentials.
    pub user: Option<UserId>,
    /// A stored template of the tenant.
    pub template: Option<TemplateKey>,
    /// Templates of the tenant that must exist.
    pub named_templates: Vec<TemplateId>,
    /// The target's auth proxy config.
    pub proxy_config: bool,
}

/// Which stored template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateKey {
    /// This one.
    Id(TemplateId),
    /// The most recent one.
    Latest,
}

/// What a store found; absent things are `None` or empty.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The store's time.
    pub now: Millis,
    /// The organization named.
    pub organization: Option<Organization>,
    /// Its parent.
    pub parent: Option<Organization>,
    /// Candidates for the caller: those of the target first, then of its parent, then at most two of other
    /// organizations of the tenant. A contact yields at most three of the target and three of its parent.
    pub callers: Vec<CallerMatch>,
    /// The activity with this fingerprint in the tenant.
    pub activity: Option<ActivityRecord>,
    /// The submitter of that activity.
    pub submitter: Option<UserRecord>,
    /// The attempt.
    pub otp: Option<Otp>,
    /// Whether this very body was already refused as a guess.
    pub refused_guess: bool,
    /// The contact's limits.
    pub contact_limits: ContactLimits,
    /// The identifier's limits.
    pub identifier_limits: IdentifierLimits,
    /// Whether the identifier succeeded with the contact before.
    pub trusted_identifier: bool,
    /// The token.
    pub token: Option<Token>,
    /// Users of the target with the contact.
    pub contact_in_target: Vec<ContactHolder>,
    /// Users of the tenant in which the contact is verified.
    pub verified_contact: Vec<ContactHolder>,
    /// Credentials that exist.
    pub existing_credentials: Vec<Credential>,
    /// The user.
    pub user: Option<UserRecord>,
    /// The template.
    pub template: Option<Template>,
    /// Those of the named templates that exist.
    pub named_templates: Vec<TemplateId>,
    /// The auth proxy config.
    pub proxy_config: Option<ProxyConfig>,
}

/// A possible caller.
#[derive(Debug, Clone)]
pub struct CallerMatch {
    /// The user with all credentials.
    pub record: UserRecord,
    /// Where it lives.
    pub organization: Organization,
    /// The credential that matched; `None` for contacts and service users.
    pub credential: Option<Credential>,
}

/// A user that has a contact.
#[derive(Debug, Clone, PartialEq)]
pub struct ContactHolder {
    /// The user.
    pub user: User,
    /// Whether the contact was proved.
    pub verified: bool,
}

/// An ordered list of writes that is applied whole or not at all.
#[derive(Debug, Clone, Default)]
pub struct ChangeSet {
    /// In the order of application.
    pub writes: Vec<Write>,
}

impl ChangeSet {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a write.
    pub fn push(&mut self, write: Write) {
        self.writes.push(write);
    }
}

/// One statement with its guard.
#[derive(Debug, Clone)]
pub enum Write {
    /// Guard: no activity of the tenant has this fingerprint.
    InsertActivity(Box<ActivityRecord>),
    /// Changes nothing. Guard: this credential still exists and lives, so that nothing is done in the name of one that
    /// was revoked since the read.
    RequireCredential {
        /// Tenant.
        tenant: OrganizationId,
        /// Where its user lives.
        organization: OrganizationId,
        /// Look-up bytes.
        lookup: Vec<u8>,
    },
    /// Remembers a refused guess (D-14). Guard: this body was not refused before.
    RememberRefusedGuess {
        /// Organization of the attempt.
        organization: OrganizationId,
        /// Hash of the body.
        fingerprint: [u8; 32],
        /// The attempt.
        otp: OtpId,
        /// When it may be forgotten.
        expires_at: Millis,
    },
    /// Takes one send and one live slot of a contact. Guard: see the fields.
    TakeSend(TakeSend),
    /// Takes one send of an identifier. Guard: the oldest of its three sends is older than `window_ms`.
    TakeIdentifierSend {
        /// Tenant.
        tenant: OrganizationId,
        /// The identifier.
        identifier: IdentifierKey,
        /// Length of the window.
        window_ms: i64,
    },
    /// A new attempt.
    InsertOtp(Box<Otp>),
    /// Lowers attempts by one, and drops the target key with the last. Guard: as many attempts remain as were read, at
    /// least one, and the attempt is neither consumed nor expired.
    SpendAttempt {
        /// Organization of the attempt.
        organization: OrganizationId,
        /// The attempt.
        otp: OtpId,
        /// As read, at least 1.
        attempts_left: i64,
    },
    /// Marks an attempt as used and drops its target key. Guard: attempts remain, neither consumed nor expired.
    ConsumeOtp {
        /// Organization of the attempt.
        organization: OrganizationId,
        /// The attempt.
        otp: OtpId,
    },
    /// Marks an attempt as used if it still lives; no guard. Made when the reserve takes its slot.
    RetireOtp {
        /// The attempt.
        otp: OtpId,
        /// Tenant, because the attempt may belong to a sub-organization.
        tenant: OrganizationId,
    },
    /// Counts one wrong guess against a contact; no guard. Frees the slot of `locked`.
    CountFailure {
        /// Tenant.
        tenant: OrganizationId,
        /// The contact.
        contact: ContactKey,
        /// The attempt, when this guess was its last.
        locked: Option<OtpId>,
    },
    /// Clears the failures of a contact and frees the attempt's slot; no guard.
    ClearFailures {
        /// Tenant.
        tenant: OrganizationId,
        /// The contact.
        contact: ContactKey,
        /// The attempt that succeeded.
        otp: Option<OtpId>,
    },
    /// Clears the failures of a contact that this user has proved to be its own; does nothing for any other. No guard.
    ClearOwnFailures {
        /// Tenant.
        tenant: OrganizationId,
        /// The contact.
        contact: ContactKey,
        /// Where the user lives.
        organization: OrganizationId,
        /// The user.
        user: UserId,
    },
    /// Remembers that an identifier succeeded with a contact; no guard.
    TrustIdentifier {
        /// Tenant.
        tenant: OrganizationId,
        /// The contact.
        contact: ContactKey,
        /// The identifier.
        identifier: IdentifierKey,
    },
    /// A message to be sent.
    Enqueue(Box<OutboxMessage>),
    /// A token that was issued.
    InsertToken(Box<Token>),
    /// Guard: the token exists, has not expired and signed nobody up yet (D-1).
    UseTokenForSignup {
        /// Tenant.
        tenant: OrganizationId,
        /// The token.
        token: TokenId,
    },
    /// A new organization.
    InsertOrganization(Box<Organization>),
    /// A new user.
    InsertUser(Box<User>),
    /// A contact of a user.
    InsertContact {
        /// Tenant.
        tenant: OrganizationId,
        /// The contact.
        contact: ContactKey,
        /// Where the user lives.
        organization: OrganizationId,
        /// The user.
        user: UserId,
        /// When it was proved.
        verified_at: Option<Millis>,
    },
    /// Claims a contact for the one account that a sign-up through the proxy makes (D-12). Guard: unclaimed.
    ClaimContact {
        /// Tenant.
        tenant: OrganizationId,
        /// The contact.
        contact: ContactKey,
    },
    /// Marks a user's contact as proved and claims it, whoever claimed it before. Guard: the user has the contact.
    VerifyContact {
        /// Tenant.
        tenant: OrganizationId,
        /// The contact.
        contact: ContactKey,
        /// Where the user lives.
        organization: OrganizationId,
        /// The user.
        user: UserId,
    },
    /// A new credential. Guard: the organization has none with its look-up bytes.
    InsertCredential(Box<Credential>),
    /// A session key: new, or extended (expiry, profile, name and times replaced). Guard: no other credential of the organization has
    /// its look-up bytes, save a session key of the same user.
    PutSessionKey(Box<Credential>),
    /// Deletes a user's credentials of one type, except the one with these look-up bytes; no guard.
    DeleteCredentialsOfType {
        /// Where the user lives.
        organization: OrganizationId,
        /// The user.
        user: UserId,
        /// The type.
        kind: vestibule_wire::view::CredentialType,
        /// Look-up bytes that stay.
        except: Vec<u8>,
    },
    /// Keeps a user's `keep` best expiring keys: expired ones go first, then the oldest; the one with look-up bytes
    /// `except` stays. Keys that expired less than 24 h ago do not count, and stay, so that their users are told so. No guard.
    TrimExpiringKeys {
        /// Where the user lives.
        organization: OrganizationId,
        /// The user.
        user: UserId,
        /// How many live ones stay.
        keep: u32,
        /// Look-up bytes that stay.
        except: Vec<u8>,
    },
    /// Deletes one credential. Guard: the user has it.
    DeleteCredential {
        /// Where the user lives.
        organization: OrganizationId,
        /// The user.
        user: UserId,
        /// The credential.
        id: uuid::Uuid,
    },
    /// Changes nothing. Guard: the user exists. Of two change sets that hold one user, the second sees what the first one
    /// left; before writes that replace or trim its credentials.
    HoldUser {
        /// Where the user lives.
        organization: OrganizationId,
        /// The user.
        user: UserId,
    },
    /// Raises a user's version. Guard: it is still the one that was read.
    TouchUser {
        /// Where the user lives.
        organization: OrganizationId,
        /// The user.
        user: UserId,
        /// As read.
        version: i64,
    },
    /// Removes a user with its contacts and credentials, and the claims of contacts that no other user has proved. Guard:
    /// it exists.
    DeleteUser {
        /// Where the user lives.
        organization: OrganizationId,
        /// The user.
        user: UserId,
    },
    /// Replaces the features. Guard: the organization's version is still the one that was read.
    SetFeatures {
        /// The organization.
        organization: OrganizationId,
        /// All of them.
        features: Vec<Feature>,
        /// As read.
        version: i64,
    },
    /// Suspends or resumes a parent. Guard: it exists and is a parent.
    SetSuspended {
        /// The parent.
        organization: OrganizationId,
        /// When; `None` resumes.
        suspended_at: Option<Millis>,
    },
    /// A new auth proxy config. Guard: the organization has none.
    InsertProxyConfig(Box<ProxyConfig>),
    /// Replaces the settings. Guard: the version is still `config.version`; it is raised by one.
    UpdateProxyConfig(Box<ProxyConfig>),
    /// Removes the config. Guard: it exists.
    DeleteProxyConfig {
        /// The parent.
        organization: OrganizationId,
    },
    /// A new template.
    InsertTemplate(Box<Template>),
    /// Removes a template. Guard: it exists.
    DeleteTemplate {
        /// The parent.
        organization: OrganizationId,
        /// The template.
        template: TemplateId,
    },
    /// A setting of the installation. Guard: it was never set.
    InsertMeta {
        /// Its name.
        key: String,
        /// What it is set to.
        value: String,
    },
    /// Changes the table of the server's own keys.
    ServerKey(KeyWrite),
    /// Replaces a sealed value where it still is the one that was read; no guard.
    Reseal(Box<Reseal>),
}

/// Takes a send; which slot and what must still hold were decided from the facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakeSend {
    /// Tenant.
    pub tenant: OrganizationId,
    /// The contact.
    pub contact: ContactKey,
    /// The new attempt.
    pub otp: OtpId,
    /// How long its slot is live, from the store's time on.
    pub lifetime_ms: i64,
    /// Index of the slot, 0 to 2. Guard: it is free, or holds `replaces`.
    pub slot: usize,
    /// The attempt that gives way; only the reserve may do that.
    pub replaces: Option<OtpId>,
    /// Takes from the reserve of two sends instead of the three ordinary ones.
    pub reserved: bool,
    /// Guard: the oldest of the counted sends is at least this old.
    pub window_ms: i64,
    /// Guard: no failures were counted since the read.
    pub seen_failures: i64,
}

/// Why a change set was not applied.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// A guard matched no row: something changed since the read. Names the write.
    #[error("conflict at {0}")]
    Conflict(&'static str),
    /// The store is away; nothing is known to have been applied.
    #[error(transparent)]
    Unavailable(#[from] StoreError),
}

/// The store cannot answer. The cause is for logs.
#[derive(Debug, thiserror::Error)]
#[error("store unavailable: {0}")]
pub struct StoreError(pub String);

/// A filter for lists of sub-organizations, with contacts and keys in their look-up forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubOrganizationFilter {
    /// Look-up bytes of a credential (key or credential id).
    Credential(Vec<u8>),
    /// Name of the organization.
    Name(String),
    /// Name of a user.
    Username(String),
    /// A contact, verified or not.
    Contact(ContactKey),
    /// A verified contact.
    VerifiedContact(ContactKey),
    /// Any verified contact of this kind or any kind.
    AnyVerifiedContact,
}

/// A filter for lists of activities.
#[derive(Debug, Clone, Default)]
pub struct ActivityFilter {
    /// Empty: all.
    pub statuses: Vec<ActivityStatus>,
    /// Full names; empty: all.
    pub types: Vec<String>,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The provider took it; its body is destroyed.
    Sent,
    /// To be tried again then.
    Retry {
        /// When.
        at: Millis,
        /// Why, without contacts or codes.
        error: String,
    },
    /// Given up; its body is destroyed.
    Failed {
        /// Why, without contacts or codes.
        error: String,
    },
}

/// How long finished things are kept.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Activities, from their creation on. Never shorter than the liveness window, which the configuration checks.
    pub activities_ms: i64,
    /// Expired credentials, so that their users are told so (24 h at least).
    pub expired_credentials_ms: i64,
    /// Limits that have been idle.
    pub idle_limits_ms: i64,
    /// Rows per statement, so that no purge holds the writer for long.
    pub batch: u32,
}

/// Persistent state. Every method is atomic; a commit is durable before it returns.
#[async_trait]
pub trait Store: Send + Sync {
    /// Loads what a decision needs.
    async fn read(&self, keys: &ReadKeys) -> Result<Facts, StoreError>;

    /// Applies a change set, durably, or nothing of it.
    async fn commit(&self, changes: ChangeSet) -> Result<(), CommitError>;

    /// A user of an organization with its credentials.
    async fn user(
        &self,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<Option<UserRecord>, StoreError>;

    /// All users of an organization, newest first.
    async fn users(&self, organization: OrganizationId) -> Result<Vec<UserRecord>, StoreError>;

    /// One activity of an organization, or of a sub-organization of it (G-ENV-6).
    async fn activity(
        &self,
        organization: OrganizationId,
        activity: ActivityId,
    ) -> Result<Option<ActivityRecord>, StoreError>;

    /// Activities of an organization, newest first.
    async fn activities(
        &self,
        organization: OrganizationId,
        filter: &ActivityFilter,
        page: vestibule_wire::query::Page,
    ) -> Result<Vec<ActivityRecord>, StoreError>;

    /// Ids of sub-organizations, newest first.
    async fn sub_organizations(
        &self,
        parent: OrganizationId,
        filter: Option<&SubOrganizationFilter>,
        page: vestibule_wire::query::Page,
    ) -> Result<Vec<OrganizationId>, StoreError>;

    /// One organization.
    async fn organization(&self, organization: OrganizationId) -> Result<Option<Organization>, StoreError>;

    /// All parents, newest first.
    async fn parents(&self) -> Result<Vec<Organization>, StoreError>;

    /// An auth proxy config by the id that clients send.
    async fn proxy_config(&self, id: ProxyConfigId) -> Result<Option<ProxyConfig>, StoreError>;

    /// The auth proxy config of a parent.
    async fn proxy_config_of(&self, organization: OrganizationId) -> Result<Option<ProxyConfig>, StoreError>;

    /// A template of a parent.
    async fn template(
        &self,
        organization: OrganizationId,
        id: TemplateId,
    ) -> Result<Option<Template>, StoreError>;

    /// All templates of a parent, newest first.
    async fn templates(&self, organization: OrganizationId) -> Result<Vec<Template>, StoreError>;

    /// Claims due messages for `worker` under a lease, which is told as their `due_at`: from then on another worker may
    /// claim them. A claim counts as an attempt. Messages past their expiry are failed, not claimed.
    async fn claim_messages(
        &self,
        worker: uuid::Uuid,
        limit: u32,
        lease_ms: i64,
    ) -> Result<Vec<OutboxMessage>, StoreError>;

    /// Records what became of a claimed message; false when the lease went to another worker.
    async fn settle_message(
        &self,
        id: MessageId,
        worker: uuid::Uuid,
        outcome: &Outcome,
    ) -> Result<bool, StoreError>;

    /// When the next message is due, if any waits.
    async fn next_message_due(&self) -> Result<Option<Millis>, StoreError>;

    /// Removes what is over; returns how many rows went.
    async fn purge(&self, retention: &Retention) -> Result<u64, StoreError>;

    /// A setting of the installation.
    async fn meta(&self, key: &str) -> Result<Option<String>, StoreError>;

    /// Sets a setting of the installation.
    async fn put_meta(&self, key: &str, value: &str) -> Result<(), StoreError>;

    /// All keys of the server, in any order.
    async fn server_keys(&self) -> Result<Vec<ServerKey>, StoreError>;

    /// The next `limit` rows behind `after` of those that may hold a sealed value, in the order of their names. A walk
    /// begins behind [`SealedRow::START`] and ends with an answer of fewer rows.
    async fn sealed_values(
        &self,
        place: SealedPlace,
        after: SealedRow,
        limit: u32,
    ) -> Result<Vec<SealedValue>, StoreError>;

    /// Whether reads and writes work now.
    async fn ready(&self) -> Result<(), StoreError>;

    /// Ends the store: what waits is finished, later calls are refused as unavailable. May block for as long.
    fn close(&self);
}
