//! From rows to the engine's model. Each function reads the columns that `statements/columns.rs` lists under its name,
//! in that order.

mod columns;
mod delivery;
mod limits;

pub use columns::Columns;
pub use delivery::*;
pub use limits::*;

use vestibule_crypto::keyset::{KeyRole, KeyState};
use vestibule_engine::model::{
    ActivityRecord, ContactKey, Credential, Definition, DefinitionKind, IdentifierKey, Organization, Otp,
    ProxyConfig, ServerKey, Submitter, Template, TemplateOffer, Token, User, UserRecord,
};
use vestibule_engine::store::{SealedRow, SealedValue};
use vestibule_wire::view::{ActivityStatus, CredentialType};
use vestibule_wire::{
    ActivityId, Locale, OrganizationId, OtpId, ProxyConfigId, TemplateId, TokenId, UserId, VoteId,
};

use crate::value::RowError;

/// Every status with its code.
pub(crate) const STATUSES: [(ActivityStatus, i64); 7] = [
    (ActivityStatus::Completed, 1),
    (ActivityStatus::Failed, 2),
    (ActivityStatus::ConsensusNeeded, 3),
    (ActivityStatus::Rejected, 4),
    (ActivityStatus::AuthenticatorsNeeded, 5),
    (ActivityStatus::Created, 6),
    (ActivityStatus::Pending, 7),
];

/// How a status is stored.
pub fn status_code(status: ActivityStatus) -> i64 {
    match status {
        ActivityStatus::Completed => 1,
        ActivityStatus::Failed => 2,
        ActivityStatus::ConsensusNeeded => 3,
        ActivityStatus::Rejected => 4,
        ActivityStatus::AuthenticatorsNeeded => 5,
        ActivityStatus::Created => 6,
        ActivityStatus::Pending => 7,
    }
}

/// How a type of credential is stored.
pub fn credential_code(kind: CredentialType) -> i64 {
    match kind {
        CredentialType::WebauthnAuthenticator => 1,
        CredentialType::ApiKeyP256 => 2,
        CredentialType::ApiKeySecp256k1 => 3,
        CredentialType::ApiKeyEd25519 => 4,
        CredentialType::OtpAuthKeyP256 => 5,
        CredentialType::Login => 6,
        CredentialType::RecoverUserKeyP256 => 7,
        CredentialType::EmailAuthKeyP256 => 8,
        CredentialType::ReadWriteSessionKeyP256 => 9,
        CredentialType::OauthKeyP256 => 10,
        CredentialType::OauthIdentity => 11,
    }
}

/// Number of columns of an organization.
pub const ORGANIZATION_COLUMNS: usize = 11;

/// Number of columns of a user.
pub const USER_COLUMNS: usize = 11;

/// An organization.
pub fn organization(c: &mut Columns<'_>) -> Result<Organization, RowError> {
    Ok(Organization {
        id: OrganizationId(c.uuid()?),
        parent_id: c.opt_uuid()?.map(OrganizationId),
        name: c.text()?,
        features: c.json()?,
        quorum: c.json()?,
        webhooks: c.json()?,
        suspended_at: c.opt_int()?,
        locale: opt_locale(c)?,
        version: c.int()?,
        created_at: c.int()?,
        updated_at: c.int()?,
    })
}

/// A user.
pub fn user(c: &mut Columns<'_>) -> Result<User, RowError> {
    Ok(User {
        organization_id: OrganizationId(c.uuid()?),
        tenant_id: OrganizationId(c.uuid()?),
        id: UserId(c.uuid()?),
        name: c.text()?,
        email: c.opt_text()?,
        phone: c.opt_text()?,
        tags: c.json()?,
        mfa_policies: c.json()?,
        version: c.int()?,
        created_at: c.int()?,
        updated_at: c.int()?,
    })
}

/// A credential.
pub fn credential(c: &mut Columns<'_>) -> Result<Credential, RowError> {
    Ok(Credential {
        organization_id: OrganizationId(c.uuid()?),
        tenant_id: OrganizationId(c.uuid()?),
        user_id: UserId(c.uuid()?),
        id: c.uuid()?,
        kind: c
            .code(|code| CredentialType::ALL.iter().copied().find(|kind| credential_code(*kind) == code))?,
        name: c.text()?,
        lookup: c.bytes()?.to_vec(),
        public_key: c.bytes()?.to_vec(),
        passkey: c.opt_json()?,
        expiration_seconds: match c.opt_int()? {
            None => None,
            Some(seconds) => Some(u32::try_from(seconds).map_err(|_| c.problem("out of range"))?),
        },
        expires_at: c.opt_int()?,
        session_profile_id: c.opt_uuid()?,
        authentication: c.opt_json()?,
        oauth: c.opt_json()?,
        created_at: c.int()?,
        updated_at: c.int()?,
    })
}

/// A credential of an outer join.
pub fn opt_credential(c: &mut Columns<'_>) -> Result<Option<Credential>, RowError> {
    if c.at_null()? { Ok(None) } else { credential(c).map(Some) }
}

/// Adds a row of users with their credentials (one row per credential) to the users found so far.
pub fn collect_user(users: &mut Vec<UserRecord>, c: &mut Columns<'_>) -> Result<(), RowError> {
    let user = user(c)?;
    let credential = opt_credential(c)?;
    match users.last_mut().filter(|last| last.user.id == user.id) {
        Some(last) => last.credentials.extend(credential),
        None => users.push(UserRecord { user, credentials: credential.into_iter().collect() }),
    }
    Ok(())
}

/// Puts credentials in their order, oldest first.
pub fn sort_credentials(record: &mut UserRecord) {
    record.credentials.sort_by_key(|credential| (credential.created_at, credential.id));
}

/// An attempt.
pub fn otp(c: &mut Columns<'_>) -> Result<Otp, RowError> {
    Ok(Otp {
        organization_id: OrganizationId(c.uuid()?),
        tenant_id: OrganizationId(c.uuid()?),
        id: OtpId(c.uuid()?),
        flavour: c.flavour()?,
        otp_type: c.channel()?,
        contact: c.text()?,
        contact_key: ContactKey(c.hash()?),
        identifier_key: if c.at_null()? {
            c.skip(1);
            None
        } else {
            Some(IdentifierKey(c.hash()?))
        },
        code_key_id: c.text()?,
        code_hash: c.hash()?,
        user_id: c.opt_uuid()?.map(UserId),
        target_key: c.opt_bytes()?.map(<[u8]>::to_vec),
        attempts_left: c.int()?,
        expires_at: c.int()?,
        consumed_at: c.opt_int()?,
        created_at: c.int()?,
    })
}

/// A token.
pub fn token(c: &mut Columns<'_>) -> Result<Token, RowError> {
    Ok(Token {
        tenant_id: OrganizationId(c.uuid()?),
        id: TokenId(c.uuid()?),
        organization_id: OrganizationId(c.uuid()?),
        hash: c.hash()?,
        legacy: c.int()? != 0,
        otp_type: c.channel()?,
        contact: c.text()?,
        contact_key: ContactKey(c.hash()?),
        public_key: c.opt_text()?,
        expires_at: c.int()?,
        signed_up_at: c.opt_int()?,
    })
}

/// An activity.
pub fn activity(c: &mut Columns<'_>) -> Result<ActivityRecord, RowError> {
    let (organization_id, tenant_id) = (OrganizationId(c.uuid()?), OrganizationId(c.uuid()?));
    let (id, fingerprint, activity_type) = (ActivityId(c.uuid()?), c.hash()?, c.text()?);
    let status =
        c.code(|code| STATUSES.iter().find(|(_, known)| *known == code).map(|(status, _)| *status))?;
    let timestamp_ms = c.int()?;
    let mut submitter = Submitter {
        organization_id: OrganizationId(c.uuid()?),
        user_id: UserId(c.uuid()?),
        vote_id: VoteId(c.uuid()?),
        public_key: c.text()?,
        signature: c.text()?,
        scheme: c.text()?,
        message: String::new(),
    };
    let (created_at, updated_at) = (c.int()?, c.int()?);
    let (intent, result, sealed) = (c.text()?, c.text()?, c.opt_bytes()?.map(<[u8]>::to_vec));
    submitter.message = c.text()?;
    let (version, failure, deliberation) = (c.int()?, c.opt_json()?, c.opt_json()?);
    Ok(ActivityRecord {
        organization_id,
        tenant_id,
        id,
        fingerprint,
        activity_type,
        status,
        timestamp_ms,
        intent,
        result,
        sealed,
        submitter,
        version,
        failure,
        deliberation,
        created_at,
        updated_at,
    })
}

/// A language tag, or none.
fn opt_locale(c: &mut Columns<'_>) -> Result<Option<Locale>, RowError> {
    match c.opt_text()? {
        None => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| c.problem("not a language tag")),
    }
}

/// A template.
pub fn template(c: &mut Columns<'_>) -> Result<Template, RowError> {
    Ok(Template {
        organization_id: OrganizationId(c.uuid()?),
        id: TemplateId(c.uuid()?),
        name: c.text()?,
        locale: opt_locale(c)?,
        subject: c.text()?,
        html: c.text()?,
        text: c.opt_text()?,
        sms: c.opt_text()?,
        created_at: c.int()?,
    })
}

/// A template without its texts.
pub fn template_offer(c: &mut Columns<'_>) -> Result<TemplateOffer, RowError> {
    let (id, locale) = (TemplateId(c.uuid()?), opt_locale(c)?);
    let parts = c.int()?;
    Ok(TemplateOffer { id, locale, email: parts & PART_EMAIL != 0, sms: parts & PART_SMS != 0 })
}

/// What `templates.parts` is made of.
const PART_EMAIL: i64 = 1;
const PART_SMS: i64 = 2;

/// The column `parts` of a template.
pub fn template_parts(template: &Template) -> i64 {
    let offer = template.offer();
    i64::from(offer.email) * PART_EMAIL + i64::from(offer.sms) * PART_SMS
}

/// An auth proxy config.
pub fn proxy_config(c: &mut Columns<'_>) -> Result<ProxyConfig, RowError> {
    Ok(ProxyConfig {
        organization_id: OrganizationId(c.uuid()?),
        id: ProxyConfigId(c.uuid()?),
        user_id: UserId(c.uuid()?),
        sealed_key: c.bytes()?.to_vec(),
        settings: c.json()?,
        version: c.int()?,
        created_at: c.int()?,
        updated_at: c.int()?,
    })
}

/// A definition.
pub fn definition(c: &mut Columns<'_>) -> Result<Definition, RowError> {
    Ok(Definition {
        organization_id: OrganizationId(c.uuid()?),
        kind: c.code(DefinitionKind::from_code)?,
        id: c.uuid()?,
        name: c.text()?,
        body: c.text()?,
        created_at: c.int()?,
        updated_at: c.int()?,
    })
}

/// A key of the server.
pub fn server_key(c: &mut Columns<'_>) -> Result<ServerKey, RowError> {
    Ok(ServerKey {
        id: c.text()?,
        role: c.word(KeyRole::from_name)?,
        state: c.word(KeyState::from_name)?,
        activates_at: c.int()?,
        sealed: c.bytes()?.to_vec(),
        created_at: c.int()?,
        updated_at: c.int()?,
        version: c.int()?,
    })
}

/// A row of a walk over sealed values.
pub fn sealed_value(c: &mut Columns<'_>) -> Result<SealedValue, RowError> {
    Ok(SealedValue { row: SealedRow(c.uuid()?, c.uuid()?), sealed: c.opt_bytes()?.map(<[u8]>::to_vec) })
}
