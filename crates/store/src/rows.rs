//! From rows to the engine's model. Each function reads the columns that `statements/columns.rs` lists under its name,
//! in that order.

use serde::de::DeserializeOwned;
use uuid::Uuid;
use vestibule_crypto::keyset::{KeyRole, KeyState};
use vestibule_engine::limits::Counter;
use vestibule_engine::model::{
    AbuseRecord, ActivityRecord, ContactKey, ContactLimits, Credential, Definition, DefinitionKind,
    DeliveryRecord, DeliveryState, EmailEvent, HandedOver, IdentifierKey, IdentifierLimits, MessageFate,
    Organization, Otp, OutboxMessage, ProxyConfig, ServerKey, Slot, StoredRoutes, Submitter, SuppressedFor,
    Suppression, Template, TemplateOffer, Token, User, UserRecord, WaitingEndpoint, WebhookDelivery,
};
use vestibule_engine::store::{ClaimedMessage, SealedRow, SealedValue, channel_from_code, flavour_from_code};
use vestibule_wire::view::{ActivityStatus, CredentialType, EmailEventType};
use vestibule_wire::{
    ActivityId, EmailEventId, Locale, MessageId, OrganizationId, OtpFlavour, OtpId, OtpType, ProxyConfigId,
    TemplateId, TokenId, UserId, VoteId,
};

use crate::value::{Cell, Row, RowError};

/// Reads the columns of a row one after the other.
pub struct Columns<'r> {
    row: &'r dyn Row,
    next: usize,
}

impl<'r> Columns<'r> {
    /// From the first column on.
    pub fn of(row: &'r dyn Row) -> Self {
        Self { row, next: 0 }
    }

    fn cell(&mut self) -> Result<Cell<'r>, RowError> {
        let cell = self.row.cell(self.next)?;
        self.next += 1;
        Ok(cell)
    }

    /// A problem with the column that was read last.
    fn problem(&self, problem: &'static str) -> RowError {
        RowError { column: self.next.saturating_sub(1), problem }
    }

    /// Passes over columns.
    pub fn skip(&mut self, count: usize) {
        self.next += count;
    }

    /// Whether the next column is null; does not move on.
    pub fn at_null(&self) -> Result<bool, RowError> {
        Ok(self.row.cell(self.next)? == Cell::Null)
    }

    /// BIGINT NOT NULL.
    pub fn int(&mut self) -> Result<i64, RowError> {
        self.opt_int()?.ok_or_else(|| self.problem("null"))
    }

    /// BIGINT.
    pub fn opt_int(&mut self) -> Result<Option<i64>, RowError> {
        match self.cell()? {
            Cell::Int(value) => Ok(Some(value)),
            Cell::Null => Ok(None),
            Cell::Text(_) | Cell::Bytes(_) => Err(self.problem("not a number")),
        }
    }

    /// TEXT NOT NULL.
    pub fn text(&mut self) -> Result<String, RowError> {
        self.opt_text()?.ok_or_else(|| self.problem("null"))
    }

    /// TEXT.
    pub fn opt_text(&mut self) -> Result<Option<String>, RowError> {
        Ok(self.opt_str()?.map(str::to_owned))
    }

    fn opt_str(&mut self) -> Result<Option<&'r str>, RowError> {
        match self.cell()? {
            Cell::Text(value) => Ok(Some(value)),
            Cell::Null => Ok(None),
            Cell::Int(_) | Cell::Bytes(_) => Err(self.problem("not a text")),
        }
    }

    fn opt_bytes(&mut self) -> Result<Option<&'r [u8]>, RowError> {
        match self.cell()? {
            Cell::Bytes(value) => Ok(Some(value)),
            Cell::Null => Ok(None),
            Cell::Int(_) | Cell::Text(_) => Err(self.problem("not bytes")),
        }
    }

    fn bytes(&mut self) -> Result<&'r [u8], RowError> {
        self.opt_bytes()?.ok_or_else(|| self.problem("null"))
    }

    /// BYTEA NOT NULL of 32 bytes.
    pub fn hash(&mut self) -> Result<[u8; 32], RowError> {
        let bytes = self.bytes()?;
        bytes.try_into().map_err(|_| self.problem("not 32 bytes"))
    }

    /// BYTEA of 16 bytes.
    pub fn opt_uuid(&mut self) -> Result<Option<Uuid>, RowError> {
        match self.opt_bytes()? {
            None => Ok(None),
            Some(bytes) => Uuid::from_slice(bytes).map(Some).map_err(|_| self.problem("not 16 bytes")),
        }
    }

    /// BYTEA NOT NULL of 16 bytes.
    pub fn uuid(&mut self) -> Result<Uuid, RowError> {
        self.opt_uuid()?.ok_or_else(|| self.problem("null"))
    }

    fn json<T: DeserializeOwned>(&mut self) -> Result<T, RowError> {
        let text = self.opt_str()?.ok_or_else(|| self.problem("null"))?;
        serde_json::from_str(text).map_err(|_| self.problem("not the JSON it should be"))
    }

    fn opt_json<T: DeserializeOwned>(&mut self) -> Result<Option<T>, RowError> {
        if self.at_null()? {
            self.skip(1);
            return Ok(None);
        }
        self.json().map(Some)
    }

    fn code<T>(&mut self, read: impl FnOnce(i64) -> Option<T>) -> Result<T, RowError> {
        let code = self.int()?;
        read(code).ok_or_else(|| self.problem("unknown code"))
    }

    fn word<T>(&mut self, read: impl FnOnce(&str) -> Option<T>) -> Result<T, RowError> {
        let word = self.opt_str()?.ok_or_else(|| self.problem("null"))?;
        read(word).ok_or_else(|| self.problem("unknown word"))
    }

    fn channel(&mut self) -> Result<OtpType, RowError> {
        self.code(channel_from_code)
    }

    fn flavour(&mut self) -> Result<OtpFlavour, RowError> {
        self.code(flavour_from_code)
    }
}

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

/// Limits of a contact. A slot whose attempt is gone is free, whatever its time says.
pub fn contact_limits(c: &mut Columns<'_>) -> Result<ContactLimits, RowError> {
    fn slot(c: &mut Columns<'_>) -> Result<Slot, RowError> {
        let (otp, until) = (c.opt_uuid()?.map(OtpId), c.int()?);
        Ok(if otp.is_some() { Slot { otp, until } } else { Slot::default() })
    }
    Ok(ContactLimits {
        sends: [c.int()?, c.int()?, c.int()?],
        reserve: [c.int()?, c.int()?],
        slots: [slot(c)?, slot(c)?, slot(c)?],
        failures: c.int()?,
        failed_at: c.int()?,
        suppression: suppression(c)?,
        proven_at: c.int()?,
    })
}

/// A shared counter with its name.
pub fn counter(c: &mut Columns<'_>) -> Result<(String, Counter), RowError> {
    let name = c.text()?;
    let counter = Counter {
        since: c.int()?,
        amount: c.int()?,
        verified: c.int()?,
        previous_amount: c.int()?,
        previous_verified: c.int()?,
    };
    Ok((name, counter))
}

/// Who was limited.
pub fn abuse_record(c: &mut Columns<'_>) -> Result<AbuseRecord, RowError> {
    Ok(AbuseRecord {
        tenant_id: OrganizationId(c.uuid()?),
        hour: c.int()?,
        limit: c.text()?,
        action: c.text()?,
        subject: c.text()?,
        hits: c.int()?,
        first_at: c.int()?,
        last_at: c.int()?,
    })
}

fn suppression(c: &mut Columns<'_>) -> Result<Option<Suppression>, RowError> {
    let until = c.int()?;
    match c.int()? {
        0 => Ok(None),
        code => {
            let reason = SuppressedFor::from_code(code).ok_or_else(|| c.problem("unknown code"))?;
            Ok(Some(Suppression { reason, until }))
        }
    }
}

/// Limits of an identifier.
pub fn identifier_limits(c: &mut Columns<'_>) -> Result<IdentifierLimits, RowError> {
    Ok(IdentifierLimits { sends: [c.int()?, c.int()?, c.int()?] })
}

/// A message.
pub fn message(c: &mut Columns<'_>) -> Result<OutboxMessage, RowError> {
    Ok(OutboxMessage {
        id: MessageId(c.uuid()?),
        organization_id: OrganizationId(c.uuid()?),
        tenant_id: OrganizationId(c.uuid()?),
        otp_id: OtpId(c.uuid()?),
        channel: c.channel()?,
        payload: c.bytes()?.to_vec(),
        attempts: c.int()?,
        due_at: c.int()?,
        expires_at: c.int()?,
        created_at: c.int()?,
    })
}

/// A message with the routes of its tenant.
pub fn claimed(c: &mut Columns<'_>) -> Result<ClaimedMessage, RowError> {
    Ok(ClaimedMessage { message: message(c)?, routes: c.opt_json()? })
}

/// A message that a provider took.
pub fn handed_over(c: &mut Columns<'_>) -> Result<HandedOver, RowError> {
    Ok(HandedOver {
        provider: c.text()?,
        provider_message_id: c.text()?,
        message_id: MessageId(c.uuid()?),
        organization_id: OrganizationId(c.uuid()?),
        tenant_id: OrganizationId(c.uuid()?),
        channel: c.channel()?,
        contact_key: ContactKey(c.hash()?),
        mail: c.opt_json()?,
        at: c.int()?,
        fate: MessageFate::of_bits(c.int()?),
    })
}

/// Routes of an organization.
pub fn routes(c: &mut Columns<'_>) -> Result<StoredRoutes, RowError> {
    Ok(StoredRoutes { routes: c.json()?, version: c.int()? })
}

/// A delivery to a webhook endpoint.
pub fn delivery(c: &mut Columns<'_>) -> Result<WebhookDelivery, RowError> {
    Ok(WebhookDelivery {
        id: MessageId(c.uuid()?),
        organization_id: OrganizationId(c.uuid()?),
        tenant_id: OrganizationId(c.uuid()?),
        event_id: c.uuid()?,
        endpoint_id: c.uuid()?,
        payload: c.bytes()?.to_vec(),
        attempts: c.int()?,
        due_at: c.int()?,
        expires_at: c.int()?,
        created_at: c.int()?,
    })
}

/// An endpoint for which deliveries wait.
pub fn waiting_endpoint(c: &mut Columns<'_>) -> Result<WaitingEndpoint, RowError> {
    Ok(WaitingEndpoint { endpoint_id: c.uuid()?, due_at: c.int()? })
}

/// What became of a delivery.
pub fn delivery_state(c: &mut Columns<'_>) -> Result<DeliveryRecord, RowError> {
    Ok(DeliveryRecord {
        state: c.code(|code| match code {
            1 => Some(DeliveryState::Delivered),
            2 => Some(DeliveryState::Failed),
            3 => Some(DeliveryState::Waiting),
            _ => None,
        })?,
        attempts: c.int()?,
        due_at: c.int()?,
        created_at: c.int()?,
        error: c.opt_text()?,
    })
}

const EMAIL_EVENTS: [EmailEventType; 5] = [
    EmailEventType::Send,
    EmailEventType::Delivery,
    EmailEventType::Bounce,
    EmailEventType::DeliveryDelay,
    EmailEventType::Complaint,
];

/// How a type of e-mail event is stored.
pub fn email_event_code(event_type: EmailEventType) -> i64 {
    match event_type {
        EmailEventType::Send => 1,
        EmailEventType::Delivery => 2,
        EmailEventType::Bounce => 3,
        EmailEventType::DeliveryDelay => 4,
        EmailEventType::Complaint => 5,
    }
}

/// What became of an e-mail.
pub fn email_event(c: &mut Columns<'_>) -> Result<EmailEvent, RowError> {
    Ok(EmailEvent {
        id: EmailEventId(c.uuid()?),
        organization_id: OrganizationId(c.uuid()?),
        tenant_id: OrganizationId(c.uuid()?),
        contact_key: ContactKey(c.hash()?),
        event_type: c.code(|code| EMAIL_EVENTS.into_iter().find(|kind| email_event_code(*kind) == code))?,
        message_id: c.text()?,
        from: c.text()?,
        to: c.text()?,
        details: c.json()?,
        at: c.int()?,
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
