//! What a decision reads: the keys that find it, and the facts that are found.

use std::collections::{BTreeMap, BTreeSet};

use vestibule_wire::{OrganizationId, OtpId, SessionProfileId, TemplateId, TokenId, UserId};

use crate::limits::Counter;
use crate::model::{
    ActivityRecord, ContactKey, ContactLimits, Credential, Definition, DefinitionKind, IdentifierKey,
    IdentifierLimits, Millis, Organization, Otp, ProxyConfig, TemplateOffer, Token, User, UserRecord,
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
    /// Stored templates of the tenant.
    pub template: Option<TemplateKey>,
    /// Templates of the tenant that must exist.
    pub named_templates: Vec<TemplateId>,
    /// The target's auth proxy config.
    pub proxy_config: bool,
    /// All users of the target.
    pub users: bool,
    /// All definitions of the target of these kinds.
    pub definitions: Vec<DefinitionKind>,
    /// A session profile of the tenant.
    pub session_profile: Option<SessionProfileId>,
    /// An activity of the tenant by its fingerprint: the one that is voted on.
    pub voted: Option<[u8; 32]>,
    /// Shared counters of the tenant, at most [`crate::limits::MAX_COUNTERS`].
    pub counters: BTreeSet<String>,
}

/// Which stored template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateKey {
    /// This one.
    Id(TemplateId),
    /// All of them, the most recent first, at most a thousand: the choice follows the language.
    All,
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
    /// The templates.
    pub templates: Vec<TemplateOffer>,
    /// Those of the named templates that exist.
    pub named_templates: Vec<TemplateId>,
    /// The auth proxy config.
    pub proxy_config: Option<ProxyConfig>,
    /// All users of the target, newest first.
    pub users: Vec<UserRecord>,
    /// The definitions asked for, oldest first.
    pub definitions: Vec<Definition>,
    /// The session profile.
    pub session_profile: Option<Definition>,
    /// The activity that is voted on.
    pub voted: Option<ActivityRecord>,
    /// Those of the counters that exist.
    pub counters: BTreeMap<String, Counter>,
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
