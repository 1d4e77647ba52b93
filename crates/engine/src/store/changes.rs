//! What a decision writes: an ordered list of guarded writes.

use vestibule_wire::{Locale, MessageId, OrganizationId, OtpId, OtpType, TemplateId, TokenId, UserId};

use crate::limits::{Bucket, CounterWindow};
use crate::model::{
    AbuseRecord, ActivityRecord, ContactKey, Credential, Definition, DefinitionKind, EmailEvent,
    IdentifierKey, MessageFate, Millis, Organization, Otp, OutboxMessage, ProxyConfig, StoredRoutes,
    Template, Token, User, WebhookDelivery,
};

use super::{KeyWrite, Reseal, SuppressContact};

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
    /// Replaces status, result, sealed part, failure and deliberation, and raises the version. Guard: it is still
    /// `record.version`.
    UpdateActivity(Box<ActivityRecord>),
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
    /// Takes one send of a contact for a message that carries no code to be guessed: no live slot, whatever the failures.
    /// Guard: the oldest of the last `sends` is at least this old.
    TakeMail {
        /// Tenant.
        tenant: OrganizationId,
        /// The contact.
        contact: ContactKey,
        /// Milliseconds.
        window_ms: i64,
        /// How many a window takes, 1 to 3.
        sends: u32,
    },
    /// Takes one send of an identifier. Guard: the oldest of its last `sends` is older than `window_ms`.
    TakeIdentifierSend {
        /// Tenant.
        tenant: OrganizationId,
        /// The identifier.
        identifier: IdentifierKey,
        /// Length of the window.
        window_ms: i64,
        /// How many a window takes, 1 to 3.
        sends: u32,
    },
    /// Adds to a shared counter, whose window opens anew where it is over. Guard: with what is added, a window that is not over
    /// holds no more than `ceiling`.
    Count {
        /// Tenant.
        tenant: OrganizationId,
        /// Its name.
        scope: String,
        /// The window that now lies in.
        window: CounterWindow,
        /// What is added; 0 where something is to cost the same and to count for nothing.
        amount: i64,
        /// The most that a window may hold.
        ceiling: i64,
    },
    /// Fills a shared bucket, which runs out with time. Guard, where it is guarded: what is added fits.
    Fill {
        /// Tenant.
        tenant: OrganizationId,
        /// Its name.
        scope: String,
        /// How large it is.
        bucket: Bucket,
        /// Events; 0 where something is to cost the same and to count for nothing.
        drops: u32,
        /// Whether what does not fit is refused.
        guarded: bool,
    },
    /// Counts one verification in a shared counter that is not forgotten yet; no guard.
    CreditVerified {
        /// Tenant.
        tenant: OrganizationId,
        /// Its name.
        scope: String,
    },
    /// Who was limited. Guard: no record has its key of tenant, hour, limit, action and subject.
    InsertAbuse(Box<AbuseRecord>),
    /// Adds to such a record, or makes it; no guard.
    AddAbuse(Box<AbuseRecord>),
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
    /// Clears the failures of a contact and frees the attempt's slot; where there is an attempt, the contact counts as proven.
    /// No guard.
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
    /// Remembers that a provider took a message, where its own word overtakes the worker's. No guard: nothing happens where
    /// it is known, or where the outbox has no such message.
    RecordHandOver {
        /// The provider.
        provider: String,
        /// What it calls the message.
        provider_message_id: String,
        /// The message.
        message: MessageId,
        /// How it went.
        channel: OtpType,
        /// Who it went to.
        contact: ContactKey,
    },
    /// Remembers what a provider told of a message that it took. Guard: it took it, and did not tell this before.
    TellFate {
        /// The provider.
        provider: String,
        /// What it calls the message.
        provider_message_id: String,
        /// What it told.
        fate: MessageFate,
    },
    /// What became of an e-mail. Guard: no event has its id.
    InsertEmailEvent(Box<EmailEvent>),
    /// Leaves a contact alone for a while; a longer while that was set before stays. No guard.
    Suppress(SuppressContact),
    /// Lifts that. Guard: the contact is left alone now.
    LiftSuppression {
        /// Tenant.
        tenant: OrganizationId,
        /// The contact.
        contact: ContactKey,
    },
    /// Replaces the routes of a parent, and raises their version. Guard: it is still this one, 0 where there are none.
    PutRoutes {
        /// The parent.
        organization: OrganizationId,
        /// The routes.
        stored: StoredRoutes,
    },
    /// An event to be delivered to a webhook endpoint.
    EnqueueDelivery(Box<WebhookDelivery>),
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
    /// Keeps a user's `keep` best expiring keys among those that were mailed, if `except` was, or else among all others: expired ones go first, then the oldest; the one with look-up bytes
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
    /// Replaces name, contacts' spellings, tags and MFA policies, and raises the version. Guard: it is still `user.version`.
    UpdateUser(Box<User>),
    /// Removes a contact of a user, and its claim where no other user has proved it. Guard: the user has it.
    RemoveContact {
        /// Tenant.
        tenant: OrganizationId,
        /// The contact.
        contact: ContactKey,
        /// Where the user lives.
        organization: OrganizationId,
        /// The user.
        user: UserId,
    },
    /// Removes a user with its contacts and credentials, and the claims of contacts that no other user has proved. Guard:
    /// it exists.
    DeleteUser {
        /// Where the user lives.
        organization: OrganizationId,
        /// The user.
        user: UserId,
    },
    /// Replaces name, features, quorum and webhook endpoints, and raises the version. Guard: it is still `organization.version`. Before
    /// changes that were judged on all users or definitions of the organization, too.
    UpdateOrganization(Box<Organization>),
    /// Removes a sub-organization with its users, their contacts and credentials, its definitions, and the claims of
    /// contacts that no other organization's user has proved. Its activities stay. Guard: its version is still the one
    /// that was read.
    DeleteOrganization {
        /// The sub-organization.
        organization: OrganizationId,
        /// As read.
        version: i64,
    },
    /// Adds or replaces a definition; no guard: [`Write::UpdateOrganization`] stands before it.
    PutDefinition(Box<Definition>),
    /// Removes a definition. Guard: it exists.
    DeleteDefinition {
        /// Whose.
        organization: OrganizationId,
        /// Which kind.
        kind: DefinitionKind,
        /// Which.
        id: uuid::Uuid,
    },
    /// Suspends or resumes a parent. Guard: it exists and is a parent.
    SetSuspended {
        /// The parent.
        organization: OrganizationId,
        /// When; `None` resumes.
        suspended_at: Option<Millis>,
    },
    /// Sets or takes away the language of a parent's messages. Guard: it exists and is a parent.
    SetLocale {
        /// The parent.
        organization: OrganizationId,
        /// The language; `None`: none of its own.
        locale: Option<Locale>,
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
    /// Guard: the oldest of the last `sends` is at least this old.
    pub window_ms: i64,
    /// How many a window takes, 1 to 3; the reserve has two, whatever this says.
    pub sends: u32,
    /// Guard: no failures were counted since the read.
    pub seen_failures: i64,
}
