//! Sub-organizations in bulk: the rows that as many sign-ups would have left, through the store's own commits.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use serde_json::json;
use tokio::task::JoinHandle;
use uuid::Uuid;
use vestibule_crypto::entropy::{Entropy, SeededEntropy, SystemEntropy, array, uuid_v7};
use vestibule_crypto::keyset::KeyFile;
use vestibule_crypto::p256::SigningKey;
use vestibule_crypto::secret::Secret;
use vestibule_crypto::token::{self, VerificationToken};
use vestibule_engine::keys::KeyRing;
use vestibule_engine::model::{
    ActivityRecord, ContactKey, Credential, Organization, Owner, PasskeyDetails, Submitter, Token, User,
};
use vestibule_engine::store::{ChangeSet, CommitError, Store, Write};
use vestibule_store::SqliteStore;
use vestibule_wire::view::{ActivityStatus, CredentialType, Quorum};
use vestibule_wire::{
    ActivityId, ActivityType, Contact, Feature, FeatureName, OrganizationId, OtpType, TokenId, UserId, VoteId,
};

use super::server::{self, SystemClock};
use crate::client::now_ms;

/// Sub-organizations per commit. Each commit writes those pages once that its rows lie on.
const BATCH: usize = 50_000;

/// How many users are asked about, at most.
const USERS: usize = 2000;

/// So many users share a name.
const NAMES: usize = 1000;

/// The sub-organizations came to be over so much time.
const SPAN_MS: i64 = 365 * DAY_MS;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// How long sessions and tokens live.
const LIFETIME_S: u32 = 30 * 24 * 60 * 60;

/// A store with one parent organization and its sub-organizations.
pub struct Site {
    /// Where the database is.
    pub directory: PathBuf,
    /// How many sub-organizations there are.
    pub count: usize,
    /// How long it took to make them.
    pub took: Duration,
    /// Bytes of the database.
    pub size: u64,
    /// The parent.
    pub parent: OrganizationId,
    /// The key of its backend.
    pub key: SigningKey,
    /// What browsers send as `X-Auth-Proxy-Config-Id`.
    pub proxy_config: String,
    /// All sub-organizations, oldest first.
    pub organizations: Vec<OrganizationId>,
    /// How many of them have a verified contact: the oldest ones. The others have an address that nobody proved yet.
    pub verified: usize,
    /// Users to ask about, in no order.
    pub users: Vec<KnownUser>,
    keys: Secret<String>,
}

/// A user of whom everything is known. Its address is verified.
pub struct KnownUser {
    /// Place of its sub-organization in [`Site::organizations`]; neither the first nor the last.
    pub place: usize,
    /// API or session key.
    pub key: SigningKey,
    /// Credential id of its passkey.
    pub passkey: [u8; 32],
    /// A verification token for its address.
    pub token: String,
}

impl Site {
    /// Makes it in `directory`, with `count` sub-organizations.
    pub async fn fill(directory: PathBuf, count: usize) -> Result<Self> {
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&directory, Arc::new(SystemClock))?);
        let keys = KeyRing::open(&*store, KeyFile::generate(&SystemEntropy), &SystemEntropy).await?;
        let keys = Arc::new(keys);
        let engine = server::engine(&store, &keys);
        let refused = |refusal| anyhow!("the parent organization cannot be made: {refusal}");
        let created = engine.create_organization("Acme", None).await.map_err(refused)?;
        let secret = created.api_private_key.context("the parent organization has no key")?;
        let (parent, key) = (created.organization_id, SigningKey::from_hex(secret.expose())?);
        let proxy = engine.submit_with_key(&key, ActivityType::EnableAuthProxy, parent, json!({})).await;
        proxy.map_err(refused)?;
        let config = engine.auth_proxy_of(parent).await.map_err(refused)?;
        let config = config.context("the auth proxy is not enabled")?;

        let start = Instant::now();
        let maker = Maker::new(parent, created.user_id, &key, &keys, count);
        let made = maker.load(&store).await?;
        drop(engine);
        // Copies the log into the database.
        store.close();
        let took = start.elapsed();
        let size = directory_size(&directory)?;
        eprintln!("{count} sub-organizations: made in {:.1} s, {} MiB", took.as_secs_f64(), size >> 20);
        Ok(Self {
            directory,
            count,
            took,
            size,
            parent,
            key,
            proxy_config: config.id.to_string(),
            organizations: made.organizations,
            verified: maker.verified,
            users: made.users,
            keys: keys.file().to_json(),
        })
    }

    /// The server's keys.
    pub fn key_file(&self) -> Result<KeyFile> {
        KeyFile::from_json(self.keys.expose()).context("the server's keys cannot be read")
    }

    /// The sub-organization of a user.
    pub fn organization(&self, user: &KnownUser) -> OrganizationId {
        self.organizations[user.place]
    }
}

fn directory_size(directory: &std::path::Path) -> Result<u64> {
    let mut size = 0;
    for entry in std::fs::read_dir(directory).context("cannot read the directory of the data")? {
        size += entry?.metadata()?.len();
    }
    Ok(size)
}

/// Name of the sub-organization at a place; no other has it.
pub fn organization_name(place: usize) -> String {
    format!("Company {place}")
}

/// Name of the user at a place, which it shares with others.
pub fn user_name(place: usize) -> String {
    format!("User {}", place % NAMES)
}

/// The last place whose user has the same name.
pub fn last_namesake(place: usize, count: usize) -> usize {
    place + (count - 1 - place) / NAMES * NAMES
}

/// Address of the user at a place.
pub fn email(place: usize) -> String {
    format!("user-{place}@mail.example")
}

/// Makes rows.
struct Maker<'a> {
    parent: OrganizationId,
    backend: Submitter,
    keys: &'a KeyRing,
    count: usize,
    verified: usize,
    /// From one known user to the next.
    stride: usize,
    start: i64,
    step: i64,
    entropy: SeededEntropy,
}

/// What the rows were made of.
#[derive(Default)]
struct Made {
    organizations: Vec<OrganizationId>,
    users: Vec<KnownUser>,
}

/// The writes of a batch, by what they insert. Those into trees that follow contacts and keys are put in the order of these,
/// so that a batch comes to each page once.
#[derive(Default)]
struct Batch {
    organizations: Vec<Write>,
    users: Vec<Write>,
    contacts: Vec<([u8; 32], Vec<Write>)>,
    credentials: Vec<Write>,
    activities: Vec<Write>,
    tokens: Vec<Write>,
}

impl Batch {
    fn into_changes(mut self) -> ChangeSet {
        self.contacts.sort_unstable_by_key(|(key, _)| *key);
        let contacts = self.contacts.into_iter().flat_map(|(_, writes)| writes);
        let mut writes = self.organizations;
        writes.extend(self.users);
        writes.extend(contacts);
        writes.extend(self.credentials);
        writes.extend(self.activities);
        writes.extend(self.tokens);
        ChangeSet { writes }
    }
}

impl<'a> Maker<'a> {
    fn new(
        parent: OrganizationId,
        submitter: UserId,
        key: &SigningKey,
        keys: &'a KeyRing,
        count: usize,
    ) -> Self {
        let verified = count - count / 10;
        // Even, because every second user has a passkey.
        let stride = (verified / USERS).max(2).next_multiple_of(2);
        let entropy = SeededEntropy::new(count as u64);
        let backend = Submitter {
            organization_id: parent,
            user_id: submitter,
            vote_id: VoteId(Uuid::nil()),
            public_key: key.public_key().to_hex(),
            signature: "30".repeat(71),
            scheme: "SIGNATURE_SCHEME_TK_API_P256".to_owned(),
            message: String::new(),
        };
        let step = (SPAN_MS / count as i64).max(1);
        let start = now_ms() - step * count as i64;
        Self { parent, backend, keys, count, verified, stride, start, step, entropy }
    }

    /// Makes everything. The store writes one batch while the next one is made.
    async fn load(&self, store: &Arc<dyn Store>) -> Result<Made> {
        let mut made = Made::default();
        let mut writing: Option<JoinHandle<Result<(), CommitError>>> = None;
        for first in (0..self.count).step_by(BATCH) {
            let mut batch = Batch::default();
            for place in first..self.count.min(first + BATCH) {
                self.make(place, &mut batch, &mut made)?;
            }
            let changes = batch.into_changes();
            if let Some(before) = writing.take() {
                before.await??;
                eprintln!("{first} of {} sub-organizations are written", self.count);
            }
            let store = store.clone();
            writing = Some(tokio::spawn(async move { store.commit(changes).await }));
        }
        if let Some(last) = writing {
            last.await??;
        }
        shuffle(&mut made.users, &self.entropy);
        Ok(made)
    }

    fn make(&self, place: usize, batch: &mut Batch, made: &mut Made) -> Result<()> {
        let at = self.start + self.step * place as i64;
        let tenant = self.parent;
        let organization = OrganizationId(uuid_v7(&self.entropy, at));
        let user = UserId(uuid_v7(&self.entropy, at));
        let owner = Owner { organization_id: organization, tenant_id: tenant, user_id: user };
        batch.organizations.push(Write::InsertOrganization(Box::new(self.organization(owner, place, at))));

        let contact = Contact::email(&email(place)).map_err(|_| anyhow!("{} is no address", email(place)))?;
        let row = User::new(owner, user_name(place), Some(&contact), None, at);
        batch.users.push(Write::InsertUser(Box::new(row)));

        let contact = ContactKey::of(&contact);
        let is_verified = place < self.verified;
        let verified_at = is_verified.then_some(at);
        let mut contacts = vec![Write::InsertContact { tenant, contact, organization, user, verified_at }];
        if is_verified {
            contacts.push(Write::ClaimContact { tenant, contact });
        }
        batch.contacts.push((contact.0, contacts));

        let passkey = array::<32>(&self.entropy);
        let is_known = is_verified && place > 0 && place.is_multiple_of(self.stride);
        let key = is_known.then(|| SigningKey::generate(&self.entropy));
        let public = match &key {
            Some(key) => key.public_key().compressed().to_vec(),
            // Nobody stamps with it: its bytes are as good as those of a point on the curve.
            None => [&[2], &array::<32>(&self.entropy)[..]].concat(),
        };
        batch.credentials.push(Write::InsertCredential(Box::new(self.key(owner, place, public, at))));
        if place.is_multiple_of(2) {
            batch.credentials.push(Write::InsertCredential(Box::new(self.passkey(owner, passkey, at))));
        }
        batch.activities.push(Write::InsertActivity(Box::new(self.activity(owner, place, at))));
        made.organizations.push(organization);
        if let Some(key) = key {
            let token = self.token(place, contact, &key, batch);
            made.users.push(KnownUser { place, key, passkey, token });
        }
        Ok(())
    }

    fn organization(&self, owner: Owner, place: usize, at: i64) -> Organization {
        let feature = |name| Feature { name, value: String::new() };
        Organization {
            id: owner.organization_id,
            parent_id: Some(owner.tenant_id),
            name: organization_name(place),
            features: vec![
                feature(FeatureName::EmailAuth),
                feature(FeatureName::EmailRecovery),
                feature(FeatureName::SmsAuth),
                feature(FeatureName::OtpEmailAuth),
            ],
            quorum: Quorum { threshold: 1, user_ids: vec![owner.user_id] },
            webhooks: Vec::new(),
            suspended_at: None,
            locale: None,
            version: 0,
            created_at: at,
            updated_at: at,
        }
    }

    /// A session key for one user, an API key for the next.
    fn key(&self, owner: Owner, place: usize, public: Vec<u8>, at: i64) -> Credential {
        let id = uuid_v7(&self.entropy, at);
        let (kind, name, lifetime, at) = match place / 2 % 2 {
            0 => (CredentialType::Login, "Session", Some(LIFETIME_S), now_ms()),
            _ => (CredentialType::ApiKeyP256, "Key", None, at),
        };
        Credential::of_key(owner, id, kind, name.to_owned(), public, lifetime, at)
    }

    fn passkey(&self, owner: Owner, id: [u8; 32], at: i64) -> Credential {
        let kind = CredentialType::WebauthnAuthenticator;
        let name = "Passkey".to_owned();
        let key = Credential::of_key(owner, uuid_v7(&self.entropy, at), kind, name, id.to_vec(), None, at);
        let details = PasskeyDetails {
            transports: vec!["AUTHENTICATOR_TRANSPORT_INTERNAL".to_owned()],
            attestation_type: "none".to_owned(),
            aaguid: Uuid::nil().to_string(),
            rp_id_hash: "00".repeat(32),
            algorithm: -7,
            sign_count: 0,
        };
        Credential { public_key: array::<77>(&self.entropy).to_vec(), passkey: Some(details), ..key }
    }

    /// The activity that made the sub-organization.
    fn activity(&self, owner: Owner, place: usize, at: i64) -> ActivityRecord {
        let activity = ActivityType::CreateSubOrganizationV8;
        let intent = json!({ activity.intent_key(): {
            "subOrganizationName": organization_name(place),
            "rootUsers": [{
                "userName": user_name(place), "userEmail": email(place),
                "apiKeys": [], "authenticators": [], "oauthProviders": [],
            }],
            "rootQuorumThreshold": 1,
        }});
        let result = json!({ activity.result_key(): {
            "subOrganizationId": owner.organization_id, "rootUserIds": [owner.user_id],
        }});
        ActivityRecord {
            organization_id: self.parent,
            tenant_id: self.parent,
            id: ActivityId(uuid_v7(&self.entropy, at)),
            fingerprint: array(&self.entropy),
            activity_type: activity.name().to_owned(),
            status: ActivityStatus::Completed,
            timestamp_ms: at,
            intent: intent.to_string(),
            result: result.to_string(),
            sealed: None,
            submitter: Submitter { vote_id: VoteId(uuid_v7(&self.entropy, at)), ..self.backend.clone() },
            version: 0,
            failure: None,
            deliberation: None,
            created_at: at,
            updated_at: at,
        }
    }

    /// A verification token, as a login in two steps would have left it.
    fn token(&self, place: usize, contact_key: ContactKey, key: &SigningKey, batch: &mut Batch) -> String {
        let now = now_ms();
        let token = VerificationToken {
            id: uuid_v7(&self.entropy, now),
            contact: email(place),
            verification_type: OtpType::Email,
            organization_id: self.parent.0,
            public_key: key.public_key().to_hex(),
            expires_at_ms: now + DAY_MS,
        };
        let text = token.issue(self.keys.current().bundle_signer(now));
        batch.tokens.push(Write::InsertToken(Box::new(Token {
            tenant_id: self.parent,
            id: TokenId(token.id),
            organization_id: self.parent,
            hash: token::hash(&text),
            legacy: false,
            otp_type: OtpType::Email,
            contact: token.contact,
            contact_key,
            public_key: Some(token.public_key),
            expires_at: token.expires_at_ms,
            signed_up_at: None,
        })));
        text
    }
}

/// Brings values into an order that says nothing.
fn shuffle<T>(values: &mut [T], entropy: &dyn Entropy) {
    for last in (1..values.len()).rev() {
        let other = u64::from_le_bytes(array(entropy)) % (last as u64 + 1);
        values.swap(last, other as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_namesake_is_the_newest_user_of_that_name() {
        for (place, count) in [(0, 1), (3, 1000), (999, 1000), (0, 1001), (5, 123_456)] {
            let last = last_namesake(place, count);
            assert!(last < count && last + NAMES >= count, "{place} of {count}: {last}");
            assert_eq!(user_name(last), user_name(place));
        }
    }

    #[test]
    fn shuffling_loses_nothing() {
        let mut values: Vec<usize> = (0..100).collect();
        shuffle(&mut values, &SeededEntropy::new(1));
        assert_ne!(values, (0..100).collect::<Vec<_>>());
        values.sort_unstable();
        assert_eq!(values, (0..100).collect::<Vec<_>>());
    }
}
