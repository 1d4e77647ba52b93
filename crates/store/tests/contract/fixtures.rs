//! A store under test, and things to put into it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use uuid::Uuid;
use vestibule_engine::Clock;
use vestibule_engine::model::{
    ActivityRecord, ContactKey, Credential, DELIVERY_LIFETIME_MS, Millis, Organization, Otp, OutboxMessage,
    Submitter, Token, User, WebhookDelivery, WebhookEndpoint,
};
use vestibule_engine::store::{CallerKey, ChangeSet, CommitError, Facts, IntentKeys, ReadKeys, Store, Write};
use vestibule_wire::view::{ActivityStatus, CredentialType, Quorum};
use vestibule_wire::{
    ActivityId, Contact, Feature, FeatureName, MessageId, OrganizationId, OtpFlavour, OtpId, OtpType,
    TokenId, UserId, VoteId, WebhookEndpointId,
};

/// When every test begins.
pub const START: Millis = 1_700_000_000_000;

pub const MINUTE: i64 = 60_000;
pub const DAY: i64 = 24 * 60 * MINUTE;

/// A clock that moves when it is told to.
pub struct ManualClock(AtomicI64);

impl ManualClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(START)))
    }

    pub fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> Millis {
        self.0.load(Ordering::SeqCst)
    }
}

/// An empty store and its clock.
#[derive(Clone)]
pub struct Subject {
    pub store: Arc<dyn Store>,
    pub clock: Arc<ManualClock>,
    /// What must live as long as the store.
    pub _keep: Arc<dyn std::any::Any + Send + Sync>,
}

impl Subject {
    pub fn now(&self) -> Millis {
        self.clock.now_ms()
    }

    pub async fn try_commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        self.store.commit(ChangeSet { writes }).await
    }

    pub async fn commit(&self, writes: Vec<Write>) {
        self.try_commit(writes).await.unwrap();
    }

    /// Commits, and expects the conflict of this write.
    pub async fn conflict(&self, writes: Vec<Write>, at: &str) {
        match self.try_commit(writes).await {
            Err(CommitError::Conflict(write)) => assert_eq!(write, at),
            other => panic!("expected a conflict at {at}, got {other:?}"),
        }
    }

    pub async fn read(&self, organization: OrganizationId, intent: IntentKeys) -> Facts {
        self.read_as(organization, CallerKey::User(UserId(new_id())), None, intent).await
    }

    pub async fn read_as(
        &self,
        organization: OrganizationId,
        caller: CallerKey,
        fingerprint: Option<[u8; 32]>,
        intent: IntentKeys,
    ) -> Facts {
        self.store.read(&ReadKeys { organization, caller, fingerprint, intent }).await.unwrap()
    }

    /// A parent without users.
    pub async fn parent(&self) -> OrganizationId {
        let organization = organization(None);
        let id = organization.id;
        self.commit(vec![Write::InsertOrganization(Box::new(organization))]).await;
        id
    }

    /// A sub-organization without users.
    pub async fn sub(&self, parent: OrganizationId) -> OrganizationId {
        let organization = organization(Some(parent));
        let id = organization.id;
        self.commit(vec![Write::InsertOrganization(Box::new(organization))]).await;
        id
    }

    /// A user of an organization.
    pub async fn user(&self, tenant: OrganizationId, organization: OrganizationId) -> UserId {
        let user = user(tenant, organization);
        let id = user.id;
        self.commit(vec![Write::InsertUser(Box::new(user))]).await;
        id
    }
}

/// Ids that rise, as those of version 7 do.
pub fn new_id() -> Uuid {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let count = NEXT.fetch_add(1, Ordering::Relaxed);
    Uuid::from_u128((0x018b_cfe5_6800_u128 << 80) | (7 << 76) | (2 << 62) | u128::from(count))
}

/// 32 bytes that no other call returns.
pub fn new_hash() -> [u8; 32] {
    let mut hash = [7; 32];
    hash[..16].copy_from_slice(new_id().as_bytes());
    hash
}

pub fn contact(text: &str) -> ContactKey {
    ContactKey::of(&Contact::email(text).unwrap())
}

pub fn organization(parent_id: Option<OrganizationId>) -> Organization {
    Organization {
        id: OrganizationId(new_id()),
        parent_id,
        name: "An organization".to_owned(),
        features: vec![
            Feature { name: FeatureName::OtpEmailAuth, value: String::new() },
            Feature { name: FeatureName::WebauthnOrigins, value: "https://example.com".to_owned() },
        ],
        quorum: Quorum { threshold: 1, user_ids: vec![UserId(new_id())] },
        webhooks: vec![webhook()],
        suspended_at: None,
        locale: None,
        version: 1,
        created_at: START,
        updated_at: START,
    }
}

/// A webhook endpoint that is told of activities.
pub fn webhook() -> WebhookEndpoint {
    let subscription = serde_json::json!({ "eventType": "ACTIVITY_UPDATES", "filtersJson": "{}" });
    WebhookEndpoint {
        id: WebhookEndpointId(new_id()),
        name: "A hook".to_owned(),
        url: "https://hooks.example.com/".to_owned(),
        is_active: true,
        subscriptions: vec![serde_json::from_value(subscription).unwrap()],
    }
}

pub fn user(tenant_id: OrganizationId, organization_id: OrganizationId) -> User {
    User {
        organization_id,
        tenant_id,
        id: UserId(new_id()),
        name: "A user".to_owned(),
        email: Some("Ada@example.com".to_owned()),
        phone: None,
        tags: Vec::new(),
        mfa_policies: Vec::new(),
        version: 1,
        created_at: START,
        updated_at: START,
    }
}

/// A long-lived key.
pub fn credential(user: &User, lookup: &[u8]) -> Credential {
    Credential {
        organization_id: user.organization_id,
        tenant_id: user.tenant_id,
        user_id: user.id,
        id: new_id(),
        kind: CredentialType::ApiKeyP256,
        name: "A key".to_owned(),
        lookup: lookup.to_vec(),
        public_key: lookup.to_vec(),
        passkey: None,
        expiration_seconds: None,
        expires_at: None,
        session_profile_id: None,
        authentication: None,
        oauth: None,
        created_at: START,
        updated_at: START,
    }
}

/// A session key that lives for `lifetime_s` from `created_at` on.
pub fn session_key(user: &User, lookup: &[u8], created_at: Millis, lifetime_s: u32) -> Credential {
    Credential {
        kind: CredentialType::Login,
        expiration_seconds: Some(lifetime_s),
        expires_at: Some(created_at + i64::from(lifetime_s) * 1000),
        created_at,
        updated_at: created_at,
        ..credential(user, lookup)
    }
}

/// An attempt that lives five minutes and has three guesses.
pub fn otp(tenant_id: OrganizationId, organization_id: OrganizationId) -> Otp {
    Otp {
        organization_id,
        tenant_id,
        id: OtpId(new_id()),
        flavour: OtpFlavour::Encrypted,
        otp_type: OtpType::Email,
        contact: "Ada@example.com".to_owned(),
        contact_key: contact("ada@example.com"),
        identifier_key: None,
        code_key_id: "codes-1".to_owned(),
        code_hash: new_hash(),
        user_id: None,
        target_key: Some(vec![1, 2, 3]),
        attempts_left: 3,
        expires_at: START + 5 * MINUTE,
        consumed_at: None,
        created_at: START,
    }
}

pub fn token(tenant_id: OrganizationId, organization_id: OrganizationId) -> Token {
    Token {
        tenant_id,
        id: TokenId(new_id()),
        organization_id,
        hash: new_hash(),
        legacy: false,
        otp_type: OtpType::Email,
        contact: "Ada@example.com".to_owned(),
        contact_key: contact("ada@example.com"),
        public_key: Some("02ab".to_owned()),
        expires_at: START + 60 * MINUTE,
        signed_up_at: None,
    }
}

pub fn activity(
    tenant_id: OrganizationId,
    organization_id: OrganizationId,
    submitter: UserId,
) -> ActivityRecord {
    ActivityRecord {
        organization_id,
        tenant_id,
        id: ActivityId(new_id()),
        fingerprint: new_hash(),
        activity_type: "ACTIVITY_TYPE_INIT_OTP_V3".to_owned(),
        status: ActivityStatus::Completed,
        timestamp_ms: START,
        intent: r#"{"otpType":"OTP_TYPE_EMAIL"}"#.to_owned(),
        result: r#"{"otpId":"1"}"#.to_owned(),
        sealed: None,
        submitter: Submitter {
            organization_id,
            user_id: submitter,
            vote_id: VoteId(new_id()),
            public_key: "02ab".to_owned(),
            signature: "3045".to_owned(),
            scheme: "SIGNATURE_SCHEME_TK_API_P256".to_owned(),
            message: "{}".to_owned(),
        },
        version: 0,
        failure: None,
        deliberation: None,
        created_at: START,
        updated_at: START,
    }
}

/// A message that is due at once and expires in five minutes.
pub fn message(tenant_id: OrganizationId) -> OutboxMessage {
    OutboxMessage {
        id: MessageId(new_id()),
        organization_id: tenant_id,
        tenant_id,
        otp_id: OtpId(new_id()),
        channel: OtpType::Email,
        payload: b"sealed".to_vec(),
        attempts: 0,
        due_at: START,
        expires_at: START + 5 * MINUTE,
        created_at: START,
    }
}

/// A delivery that is due at once.
pub fn delivery(owner: OrganizationId, endpoint: Uuid) -> WebhookDelivery {
    WebhookDelivery {
        id: MessageId(new_id()),
        organization_id: owner,
        tenant_id: owner,
        event_id: new_id(),
        endpoint_id: endpoint,
        payload: b"sealed".to_vec(),
        attempts: 0,
        due_at: START,
        expires_at: START + DELIVERY_LIFETIME_MS,
        created_at: START,
    }
}

/// Runs `count` tasks at once and returns what they came to.
pub async fn parallel<T, F>(count: usize, task: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<_> = (0..count).map(|n| tokio::spawn(task(n))).collect();
    let mut outcomes = Vec::with_capacity(count);
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    outcomes
}

/// How many of these commits were applied; all others must be conflicts.
pub fn applied(outcomes: &[Result<(), CommitError>]) -> usize {
    for outcome in outcomes {
        assert!(matches!(outcome, Ok(()) | Err(CommitError::Conflict(_))), "{outcome:?}");
    }
    outcomes.iter().filter(|outcome| outcome.is_ok()).count()
}
