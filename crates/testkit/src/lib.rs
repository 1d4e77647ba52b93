//! A whole Vestibule server inside a test: the real HTTP surface, engine and store, with a clock that moves when told,
//! seeded randomness, and every message captured before it would be sent.

mod client;
mod clock;
mod hooks;
mod signers;

pub use client::{Account, Reply, Verified, client_key};
pub use clock::ManualClock;
pub use hooks::{Event, Names};
pub use signers::{Ed25519Key, Passkey, Signer, WalletKey};

use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::{Method, Request, header};
use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use vestibule_cluster::Database;
use vestibule_crypto::entropy::SeededEntropy;
use vestibule_crypto::keyset::{KeyFile, KeySet};
use vestibule_crypto::p256::{PublicKey, SigningKey};
use vestibule_engine::keys::{KeyRing, KeyTableError};
use vestibule_engine::limits::EVERYWHERE;
use vestibule_engine::model::MessagePayload;
use vestibule_engine::store::{ClaimedMessage, Outcome, Store};
use vestibule_engine::{Engine, Entropy, Services, Settings, outbox};
use vestibule_http::{AddressLimits, App, AppState, RequestLimits};
use vestibule_store::{PostgresOptions, PostgresStore, SqliteStore};
use vestibule_wire::{ActivityType, Contact, OrganizationId, OtpType, UserId};

/// Set to `postgres`, it puts the servers of tests on PostgreSQL.
pub const STORE_VARIABLE: &str = "VESTIBULE_TEST_STORE";

/// When tests begin: an instant in 2027.
pub const EPOCH_MS: i64 = 1_800_000_000_000;

/// A running server, without a socket.
pub struct TestServer {
    /// Moves when told.
    pub clock: Arc<ManualClock>,
    /// The engine, for what has no front door.
    pub engine: Arc<Engine>,
    /// The store, for looking behind the scenes.
    pub store: Arc<dyn Store>,
    /// The server's keys.
    pub keys: Arc<KeyRing>,
    /// The randomness of clients in tests.
    pub entropy: Arc<dyn Entropy>,
    /// The tenant every test starts with.
    pub tenant: Tenant,
    app: App,
    settings: Settings,
    server_entropy: Arc<dyn Entropy>,
    sent: Arc<Mutex<Vec<MessagePayload>>>,
    bodies: Arc<AtomicU64>,
    /// Hosts that webhooks may name.
    pub names: Arc<Names>,
    dir: Arc<TempDir>,
    /// Dropped with the last server on it, after its connections.
    _database: Arc<Option<Database>>,
}

/// A parent organization with its backend's key and auth proxy.
#[derive(Clone)]
pub struct Tenant {
    /// The parent.
    pub organization_id: OrganizationId,
    /// Its root user.
    pub user_id: UserId,
    /// The root user's API key.
    pub key: SigningKey,
    /// What browsers send as `X-Auth-Proxy-Config-Id`.
    pub proxy_config: String,
}

impl TestServer {
    /// A server with the settings of production, except that account look-ups need no token.
    pub async fn start() -> Self {
        Self::with(Settings { account_requires_token: false, ..Settings::default() }).await
    }

    /// A server with these settings. Where they name no countries text messages go everywhere: the numbers of tests cost nothing.
    pub async fn with(mut settings: Settings) -> Self {
        if !settings.pumping.allows_any() {
            settings.pumping.countries.push(EVERYWHERE.to_owned());
        }
        let dir = tempfile::tempdir().expect("a temporary directory");
        let clock = Arc::new(ManualClock::at(EPOCH_MS));
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(7));
        let (store, database) = new_store(dir.path(), clock.clone()).await;
        let keys = KeyRing::open(&*store, KeyFile::generate(&*entropy), &*entropy).await.expect("first keys");
        let keys = Arc::new(keys);
        let names = Arc::<Names>::default();
        let (engine, app) = surface(&store, &clock, &entropy, &keys, &settings, &names);
        let tenant = tenant(&engine, "Acme").await;
        Self {
            clock,
            engine,
            store,
            keys,
            entropy: Arc::new(SeededEntropy::new(8)),
            tenant,
            app,
            settings,
            server_entropy: entropy,
            sent: Arc::default(),
            bodies: Arc::default(),
            names,
            dir: Arc::new(dir),
            _database: Arc::new(database),
        }
    }

    /// Another server on the same database, with a key file of its own: refused where the database does not know its keys.
    /// Messages that one of them would send are seen by both.
    pub async fn another_node(&self, file: KeyFile) -> Result<Self, KeyTableError> {
        let Self {
            clock,
            store,
            entropy,
            tenant,
            settings,
            server_entropy,
            sent,
            bodies,
            names,
            dir,
            _database,
            ..
        } = self;
        let keys = Arc::new(KeyRing::open(&**store, file, &**server_entropy).await?);
        let (engine, app) = surface(store, clock, server_entropy, &keys, settings, names);
        Ok(Self {
            clock: clock.clone(),
            engine,
            store: store.clone(),
            keys,
            entropy: entropy.clone(),
            tenant: tenant.clone(),
            app,
            settings: settings.clone(),
            server_entropy: server_entropy.clone(),
            sent: sent.clone(),
            bodies: bodies.clone(),
            names: names.clone(),
            dir: dir.clone(),
            _database: _database.clone(),
        })
    }

    /// Where its data lie.
    pub fn data_dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Another parent organization on the same server.
    pub async fn another_tenant(&self) -> Tenant {
        tenant(&self.engine, "Other").await
    }

    /// The keys in use now.
    pub fn key_set(&self) -> Arc<KeySet> {
        self.keys.current()
    }

    /// The public half of the key that signs target bundles and verification tokens now.
    pub fn bundle_signer(&self) -> PublicKey {
        self.key_set().bundle_signer(self.clock.now()).public_key().clone()
    }

    /// The public half of the key that signs sessions now.
    pub fn session_signer(&self) -> PublicKey {
        self.key_set().session_signer(self.clock.now()).public_key().clone()
    }

    /// Sends a request through the front door.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Reply {
        self.send_from(None, method, path, headers, body).await
    }

    /// Sends a request from a client address; without one, limits of addresses do not apply.
    pub async fn send_from(
        &self,
        peer: Option<IpAddr>,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.into())).expect("a valid request");
        // What a server leaves to its connections is here part of the test, whose stack is small.
        let response = Box::pin(self.app.handle(peer, request)).await;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        Reply { status, content_type, headers, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) }
    }

    /// Posts a body that is stamped with `key`.
    pub async fn post(&self, key: &dyn Signer, path: &str, body: &str) -> Reply {
        let (header, stamp) = key.stamp(body.as_bytes());
        self.send(Method::POST, path, &[(header, &stamp)], body.to_owned()).await
    }

    /// The body of an activity, with the clock's timestamp. Every call makes other bytes, and so another activity: the
    /// server ignores the member that tells them apart.
    pub fn activity(
        &self,
        activity: ActivityType,
        organization: OrganizationId,
        parameters: &Value,
    ) -> String {
        json!({
            "type": activity.name(),
            "timestampMs": self.clock.now().to_string(),
            "organizationId": organization,
            "parameters": parameters,
            "nonce": self.bodies.fetch_add(1, Ordering::Relaxed),
        })
        .to_string()
    }

    /// Submits an activity stamped with `key`.
    pub async fn submit(
        &self,
        key: &dyn Signer,
        activity: ActivityType,
        organization: OrganizationId,
        parameters: Value,
    ) -> Reply {
        let body = self.activity(activity, organization, &parameters);
        self.post(key, &format!("/public/v1/submit/{}", activity.path()), &body).await
    }

    /// Submits an activity of the tenant's backend on the tenant.
    pub async fn backend(&self, activity: ActivityType, parameters: Value) -> Reply {
        self.submit(&self.tenant.key, activity, self.tenant.organization_id, parameters).await
    }

    /// Asks a query stamped with `key`.
    pub async fn query(
        &self,
        key: &dyn Signer,
        name: &str,
        organization: OrganizationId,
        mut members: Value,
    ) -> Reply {
        members["organizationId"] = json!(organization);
        self.post(key, &format!("/public/v1/query/{name}"), &members.to_string()).await
    }

    /// Calls the auth proxy as a browser would.
    pub async fn proxy(&self, endpoint: &str, body: Value) -> Reply {
        self.proxy_from(None, endpoint, body).await
    }

    /// Calls the auth proxy from a client address.
    pub async fn proxy_from(&self, peer: Option<IpAddr>, endpoint: &str, body: Value) -> Reply {
        let headers = [("x-auth-proxy-config-id", self.tenant.proxy_config.as_str())];
        self.send_from(peer, Method::POST, &format!("/v1/{endpoint}"), &headers, body.to_string()).await
    }

    /// All messages to a contact so far, oldest first.
    pub async fn messages(&self, kind: OtpType, contact: &str) -> Vec<MessagePayload> {
        self.collect().await;
        let wanted = Contact::stored(kind, contact).expect("a contact");
        let sent = self.sent.lock().expect("no test panicked");
        let to = |m: &&MessagePayload| {
            Contact::stored(kind, &m.to).is_ok_and(|to| to.normalised() == wanted.normalised())
        };
        sent.iter().filter(to).cloned().collect()
    }

    /// All messages so far, oldest first.
    pub async fn all_messages(&self) -> Vec<MessagePayload> {
        self.collect().await;
        self.sent.lock().expect("no test panicked").clone()
    }

    /// The code last sent to an address.
    pub async fn code(&self, email: &str) -> String {
        self.messages(OtpType::Email, email).await.pop().expect("a message was sent").code
    }

    async fn collect(&self) {
        let worker = uuid::Uuid::from_u128(1);
        loop {
            let claimed = self.store.claim_messages(worker, 100, 60_000).await.expect("the store answers");
            if claimed.is_empty() {
                return;
            }
            for ClaimedMessage { message, routes: _ } in claimed {
                let payload = outbox::open(&self.key_set(), &message).expect("sealed by this key set");
                self.sent.lock().expect("no test panicked").push(payload);
                let kept = self.store.settle_message(message.id, worker, &Outcome::Sent.into()).await;
                assert!(kept.expect("the store answers"), "the lease was ours");
            }
        }
    }
}

/// An empty store: on PostgreSQL where [`STORE_VARIABLE`] says so, else the embedded one. One set of tests runs on both.
pub async fn new_store(dir: &Path, clock: Arc<ManualClock>) -> (Arc<dyn Store>, Option<Database>) {
    if std::env::var_os(STORE_VARIABLE).is_none_or(|store| store != "postgres") {
        return (Arc::new(SqliteStore::open(dir, clock).expect("a new store")), None);
    }
    let database = vestibule_cluster::fresh_database();
    let options = PostgresOptions::from_url(&database.url()).expect("a URL of this machine");
    let store = PostgresStore::open(&options, clock).await.expect("a new store");
    (Arc::new(store), Some(database))
}

/// What answers requests, over a store.
fn surface(
    store: &Arc<dyn Store>,
    clock: &Arc<ManualClock>,
    entropy: &Arc<dyn Entropy>,
    keys: &Arc<KeyRing>,
    settings: &Settings,
    names: &Arc<Names>,
) -> (Arc<Engine>, App) {
    let services =
        Services { store: store.clone(), clock: clock.clone(), entropy: entropy.clone(), keys: keys.clone() };
    let engine = Engine::new(services, settings.clone()).with_resolver(names.clone());
    let engine = Arc::new(engine);
    let app = App::new(AppState {
        engine: engine.clone(),
        keys: keys.clone(),
        store: store.clone(),
        entropy: entropy.clone(),
        limits: RequestLimits {
            addresses: AddressLimits::of(&settings.limits, &settings.pumping),
            ..RequestLimits::default()
        },
        receipts: None,
        captcha: None,
        dev: None,
    });
    (engine, app)
}

async fn tenant(engine: &Engine, name: &str) -> Tenant {
    let created = engine.create_organization(name, None).await.expect("a tenant");
    let secret = created.api_private_key.expect("the server made the key");
    let key = SigningKey::from_hex(secret.expose()).expect("a key");
    let enabled =
        engine.submit_with_key(&key, ActivityType::EnableAuthProxy, created.organization_id, json!({})).await;
    enabled.expect("the auth proxy is enabled");
    let config = engine.auth_proxy_of(created.organization_id).await.expect("the store answers");
    Tenant {
        organization_id: created.organization_id,
        user_id: created.user_id,
        key,
        proxy_config: config.expect("a config").id.to_string(),
    }
}
