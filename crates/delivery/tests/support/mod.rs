//! An outbox in memory, a clock to turn by hand, and channels that do as they are told.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use uuid::Uuid;
use vestibule_crypto::entropy::SeededEntropy;
use vestibule_crypto::keyset::KeyFile;
use vestibule_delivery::MessageSettings;
use vestibule_delivery::channel::{Accepted, Channel, Delivery, SendError};
use vestibule_delivery::render::render;
use vestibule_delivery::routing::Routing;
use vestibule_delivery::worker::{OutboxStore, Worker, WorkerParts, WorkerSettings};
use vestibule_engine::keys::KeyRing;
use vestibule_engine::model::{
    EmailEvent, HandedOver, MessagePayload, MessagePurpose, Millis, OutboxMessage, Routes, Template,
};
use vestibule_engine::store::{ClaimedMessage, Outcome, Settlement, StoreError, SuppressContact};
use vestibule_engine::{Clock, outbox};
use vestibule_wire::view::EmailEventType;
use vestibule_wire::{MessageId, OrganizationId, OtpId, OtpType, TemplateId};

pub const START: Millis = 1_782_916_051_261;
pub const LIFETIME: Millis = 300_000;
pub const TENANT: OrganizationId = OrganizationId(Uuid::from_u128(7));
pub const CODE: &str = "7G3K9QW2X";

/// Follows tokio's clock, which tests pause, and what a test adds by hand.
pub struct TestClock {
    origin: tokio::time::Instant,
    added: AtomicI64,
}

impl TestClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { origin: tokio::time::Instant::now(), added: AtomicI64::new(0) })
    }

    pub fn advance(&self, ms: Millis) {
        self.added.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now_ms(&self) -> Millis {
        START + self.origin.elapsed().as_millis() as i64 + self.added.load(Ordering::SeqCst)
    }
}

/// Tokio's clock, held: it moves by [`tokio::time::advance`] alone, also while sockets are waited for.
pub struct HeldClock(#[allow(dead_code, reason = "held")] std::sync::mpsc::Sender<()>);

/// Pauses the clock. A paused clock runs ahead whenever nothing but timers is left to do, but for while a blocking task is
/// under way; so one is, until this is dropped.
pub fn hold_clock() -> HeldClock {
    tokio::time::pause();
    let (held, until_dropped) = std::sync::mpsc::channel();
    tokio::task::spawn_blocking(move || until_dropped.recv());
    HeldClock(held)
}

/// Moves a held clock by so many seconds, and by the millisecond that timers are late, once everybody has got to where there
/// is nothing to do but to wait.
pub async fn pass(seconds: u64) {
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    tokio::time::advance(std::time::Duration::from_millis(seconds * 1000 + 1)).await;
}

/// Lets everything else go on until this is so, while the clock stands.
pub async fn until(what: &str, so: impl Fn() -> bool) {
    // No time passes; far more turns than anything here takes.
    for _ in 0..2_000_000 {
        if so() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("never so: {what}");
}

pub fn payload(to: &str) -> MessagePayload {
    MessagePayload {
        purpose: MessagePurpose::Code,
        to: to.to_owned(),
        code: CODE.to_owned(),
        lifetime_s: 300,
        app_name: "Shop".to_owned(),
        logo_url: None,
        magic_link_template: None,
        template_variables: BTreeMap::new(),
        template_id: None,
        locales: Vec::new(),
        sms_template: None,
        send_from: None,
        sender_name: None,
        reply_to: None,
    }
}

pub fn settings() -> MessageSettings {
    MessageSettings::new("no-reply@mail.example")
        .unwrap()
        .with_allowed_sender_domains(["shop.example"])
        .unwrap()
}

/// A try of a message to `to`, rendered with the built-in texts.
pub fn delivery(channel: OtpType, payload: &MessagePayload) -> Delivery {
    Delivery {
        message_id: MessageId(Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0001)),
        otp_id: OtpId(Uuid::from_u128(2)),
        attempt: 1,
        created_at: START,
        expires_at: START + LIFETIME,
        now: START + 40,
        time: std::time::Duration::from_secs(30),
        purpose: payload.purpose,
        code: CODE.to_owned(),
        message: render(channel, payload, None, &settings()).message,
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Waiting,
    Sent,
    Failed(String),
}

#[derive(Debug, Clone)]
pub struct Row {
    pub message: OutboxMessage,
    pub worker: Option<Uuid>,
    pub state: State,
    /// Errors and times of the tries that were put off.
    pub retries: Vec<(Millis, String)>,
}

/// The outbox's contract, in memory.
pub struct FakeStore {
    pub clock: Arc<TestClock>,
    pub keys: Arc<KeyRing>,
    pub rows: Mutex<BTreeMap<MessageId, Row>>,
    pub templates: Mutex<HashMap<TemplateId, Template>>,
    /// What was told of e-mails.
    pub events: Mutex<Vec<EmailEvent>>,
    /// What providers took.
    pub handed_over: Mutex<Vec<HandedOver>>,
    /// Who is left alone.
    pub suppressed: Mutex<Vec<SuppressContact>>,
    /// The routes of [`TENANT`].
    pub routes: Mutex<Option<Routes>>,
    /// So many claims and settlements fail before the store is back.
    pub failing_claims: AtomicU32,
    pub failing_settlements: AtomicU32,
}

impl FakeStore {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            clock: TestClock::new(),
            keys: Arc::new(KeyRing::of_file(KeyFile::generate(&SeededEntropy::new(1))).unwrap()),
            rows: Mutex::default(),
            templates: Mutex::default(),
            events: Mutex::default(),
            handed_over: Mutex::default(),
            suppressed: Mutex::default(),
            routes: Mutex::default(),
            failing_claims: AtomicU32::new(0),
            failing_settlements: AtomicU32::new(0),
        })
    }

    pub fn enqueue(&self, number: u128, channel: OtpType, payload: &MessagePayload) -> MessageId {
        let id = MessageId(Uuid::from_u128(number));
        let now = self.clock.now_ms();
        let message = OutboxMessage {
            id,
            organization_id: TENANT,
            tenant_id: TENANT,
            otp_id: OtpId(Uuid::from_u128(number)),
            channel,
            payload: outbox::seal(&self.keys.current(), &SeededEntropy::new(number as u64), id, payload),
            attempts: 0,
            due_at: now,
            expires_at: now + LIFETIME,
            created_at: now,
        };
        let row = Row { message, worker: None, state: State::Waiting, retries: Vec::new() };
        assert!(self.rows.lock().unwrap().insert(id, row).is_none());
        id
    }

    pub fn email(&self, number: u128) -> MessageId {
        self.enqueue(number, OtpType::Email, &payload("Ann.Secret@example.com"))
    }

    pub fn row(&self, id: MessageId) -> Row {
        self.rows.lock().unwrap()[&id].clone()
    }

    fn fails(counter: &AtomicU32) -> Result<(), StoreError> {
        match counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) {
            Ok(_) => Err(StoreError("away".to_owned())),
            Err(_) => Ok(()),
        }
    }
}

#[async_trait]
impl OutboxStore for FakeStore {
    async fn claim(
        &self,
        worker: Uuid,
        limit: u32,
        lease_ms: i64,
    ) -> Result<Vec<ClaimedMessage>, StoreError> {
        Self::fails(&self.failing_claims)?;
        tokio::task::yield_now().await;
        let now = self.clock.now_ms();
        let mut rows = self.rows.lock().unwrap();
        let mut due: Vec<&mut Row> =
            rows.values_mut().filter(|r| r.state == State::Waiting && r.message.due_at <= now).collect();
        due.sort_by_key(|row| row.message.due_at);
        let routes = self.routes.lock().unwrap().clone();
        Ok(due
            .into_iter()
            .take(limit as usize)
            .map(|row| {
                row.worker = Some(worker);
                row.message.due_at = now + lease_ms;
                row.message.attempts += 1;
                ClaimedMessage { message: row.message.clone(), routes: routes.clone() }
            })
            .collect())
    }

    async fn settle(&self, id: MessageId, worker: Uuid, settlement: &Settlement) -> Result<bool, StoreError> {
        Self::fails(&self.failing_settlements)?;
        tokio::task::yield_now().await;
        let Settlement { outcome, event, handed_over, suppress } = settlement;
        self.handed_over.lock().unwrap().extend(handed_over.clone());
        self.suppressed.lock().unwrap().extend(suppress.clone());
        let mut rows = self.rows.lock().unwrap();
        let Some(row) = rows.get_mut(&id).filter(|r| r.state == State::Waiting && r.worker == Some(worker))
        else {
            return Ok(false);
        };
        row.worker = None;
        let mut events = self.events.lock().unwrap();
        // That a message is late is told once.
        let late = |event: &&EmailEvent| event.event_type == EmailEventType::DeliveryDelay;
        let told =
            |event: &&EmailEvent| events.iter().filter(late).any(|told| told.message_id == event.message_id);
        let new = event.as_ref().filter(|event| !(late(event) && told(event))).cloned();
        events.extend(new);
        drop(events);
        match outcome {
            Outcome::Sent => row.state = State::Sent,
            Outcome::Failed { error } => row.state = State::Failed(error.clone()),
            Outcome::Retry { at, error } => {
                row.message.due_at = *at;
                row.retries.push((*at, error.clone()));
            }
        }
        Ok(true)
    }

    async fn next_due(&self) -> Result<Option<Millis>, StoreError> {
        let rows = self.rows.lock().unwrap();
        Ok(rows.values().filter(|r| r.state == State::Waiting).map(|r| r.message.due_at).min())
    }

    async fn stored_template(
        &self,
        parent: OrganizationId,
        id: TemplateId,
    ) -> Result<Option<Template>, StoreError> {
        assert_eq!(parent, TENANT, "templates belong to the tenant");
        Ok(self.templates.lock().unwrap().get(&id).cloned())
    }
}

type Behaviour = Box<dyn Fn(&Delivery) -> Answer + Send + Sync>;

/// What a scripted channel does with a message.
pub enum Answer {
    Take,
    /// Takes it, and has a name of its own for it.
    TakeAs(&'static str),
    Fail(SendError),
    Panic,
    /// Never finishes.
    Hang,
    /// Takes it after so many milliseconds.
    After(u64),
}

/// Remembers what it was given and does as it is told.
pub struct Script {
    pub given: Mutex<Vec<Delivery>>,
    pub taken: Mutex<Vec<MessageId>>,
    pub most_at_once: AtomicU32,
    at_once: AtomicU32,
    behaviour: Behaviour,
}

impl Script {
    pub fn new(behaviour: impl Fn(&Delivery) -> Answer + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            given: Mutex::default(),
            taken: Mutex::default(),
            most_at_once: AtomicU32::new(0),
            at_once: AtomicU32::new(0),
            behaviour: Box::new(behaviour),
        })
    }

    pub fn taking() -> Arc<Self> {
        Self::new(|_| Answer::Take)
    }

    pub fn tries(&self) -> usize {
        self.given.lock().unwrap().len()
    }

    pub fn taken(&self) -> Vec<MessageId> {
        self.taken.lock().unwrap().clone()
    }
}

struct AtOnce<'a>(&'a AtomicU32);

impl Drop for AtOnce<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Channel for Script {
    fn name(&self) -> &'static str {
        "script"
    }

    fn carries(&self, _: OtpType) -> bool {
        true
    }

    async fn send(&self, delivery: &Delivery) -> Result<Accepted, SendError> {
        let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        let _leaving = AtOnce(&self.at_once);
        self.most_at_once.fetch_max(at_once, Ordering::SeqCst);
        self.given.lock().unwrap().push(delivery.clone());
        tokio::task::yield_now().await;
        let mut provider_message_id = None;
        match (self.behaviour)(delivery) {
            Answer::Take => {}
            Answer::TakeAs(name) => provider_message_id = Some(name.to_owned()),
            Answer::Fail(error) => return Err(error),
            Answer::Panic => panic!("the channel was told to panic"),
            Answer::Hang => std::future::pending().await,
            Answer::After(ms) => tokio::time::sleep(std::time::Duration::from_millis(ms)).await,
        }
        self.taken.lock().unwrap().push(delivery.message_id);
        Ok(Accepted { provider_message_id })
    }
}

/// A worker over the store, with one channel for both kinds.
pub fn worker(store: &Arc<FakeStore>, number: u128, channel: &Arc<Script>) -> Worker<FakeStore> {
    worker_with(store, number, channel, WorkerSettings::default())
}

pub fn worker_with(
    store: &Arc<FakeStore>,
    number: u128,
    channel: &Arc<Script>,
    settings: WorkerSettings,
) -> Worker<FakeStore> {
    worker_of(store, number, Routing::single("script", Arc::clone(channel) as _).unwrap(), settings)
}

pub fn worker_of(
    store: &Arc<FakeStore>,
    number: u128,
    routing: Routing,
    settings: WorkerSettings,
) -> Worker<FakeStore> {
    Worker::new(WorkerParts {
        id: Uuid::from_u128(number),
        store: Arc::clone(store),
        clock: Arc::clone(&store.clock) as _,
        keys: Arc::clone(&store.keys),
        routing,
        messages: self::settings().into(),
        settings,
    })
}
