//! Users who sign up, mistype codes and log in until the server dies under them, and a journal of what it told them.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use futures_util::future::join_all;
use tokio::sync::Notify;
use vestibule_crypto::p256::SigningKey;
use vestibule_wire::ActivityType;

use crate::client::{Attempt, Client, Reply, Request, WRONG};

/// A user, as the answer to its creation names it.
#[derive(Debug, Clone)]
pub struct User {
    pub organization: String,
    pub id: String,
}

/// What a request was for.
#[derive(Debug, Clone)]
pub enum Purpose {
    CreateUser {
        email: String,
    },
    Init {
        email: String,
    },
    /// A guess at the attempt with this index in the journal.
    Guess {
        attempt: usize,
        right: bool,
    },
    Login {
        user: User,
        key: SigningKey,
    },
}

/// A request, and its answer if one came.
#[derive(Debug, Clone)]
pub struct Entry {
    pub request: Request,
    pub purpose: Purpose,
    pub reply: Option<Reply>,
}

/// An attempt, and its code if somebody read it.
#[derive(Debug, Clone)]
pub struct Sent {
    pub attempt: Attempt,
    pub code: Option<String>,
}

#[derive(Debug, Default)]
pub struct Records {
    pub entries: Vec<Entry>,
    pub attempts: Vec<Sent>,
}

impl Records {
    /// Tries spent on an attempt by wrong guesses, whether or not they were answered, and whether a right one won.
    pub fn guesses(&self, attempt: usize) -> (usize, bool) {
        let guesses = self.entries.iter().filter_map(|entry| match entry.purpose {
            Purpose::Guess { attempt: of, right } if of == attempt => Some((right, entry.reply.as_ref())),
            _ => None,
        });
        let (right, wrong): (Vec<_>, Vec<_>) = guesses.partition(|(right, _)| *right);
        (wrong.len(), right.iter().any(|(_, reply)| reply.is_some_and(|reply| reply.status == 200)))
    }
}

/// What clients of one server process sent, and what they were told.
#[derive(Debug)]
pub struct Journal {
    records: Mutex<Records>,
    acknowledged: AtomicUsize,
    enough_at: usize,
    enough: Notify,
}

impl Journal {
    /// A journal that has enough after this many acknowledgements.
    pub fn new(enough_at: usize) -> Self {
        Self {
            records: Mutex::default(),
            acknowledged: AtomicUsize::new(0),
            enough_at,
            enough: Notify::new(),
        }
    }

    /// Resolves once there are enough acknowledgements.
    pub async fn enough(&self) {
        self.enough.notified().await;
    }

    pub fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap()
    }

    /// What it says, once nobody writes to it.
    pub fn into_records(self) -> Records {
        self.records.into_inner().unwrap()
    }

    fn begin(&self, request: Request, purpose: Purpose) -> usize {
        let mut records = self.records();
        records.entries.push(Entry { request, purpose, reply: None });
        records.entries.len() - 1
    }

    fn acknowledge(&self, entry: usize, reply: Reply) {
        self.records().entries[entry].reply = Some(reply);
        if self.acknowledged.fetch_add(1, Ordering::SeqCst) + 1 == self.enough_at {
            self.enough.notify_one();
        }
    }

    fn sent(&self, attempt: Attempt) -> usize {
        let mut records = self.records();
        records.attempts.push(Sent { attempt, code: None });
        records.attempts.len() - 1
    }
}

/// One stream of users.
pub struct Load<'a> {
    pub client: &'a Client,
    pub journal: &'a Journal,
}

impl Load<'_> {
    /// Goes on until a connection breaks. `name` makes its users unlike those of others.
    pub async fn run(&self, name: &str, first: usize) {
        for n in first.. {
            let email = format!("{name}-{n}@acme.example");
            let done = match n % 5 {
                0 => self.logs_in(&email, ActivityType::InitOtpV3, 0).await,
                1 => self.logs_in(&email, ActivityType::InitOtpV2, 1).await,
                2 => self.guesses(&email, ActivityType::InitOtpV3, 1 + n / 5 % 2).await,
                3 => self.guesses(&email, ActivityType::InitOtpV2, 3).await,
                _ => self.repeats(&email).await,
            };
            if done.is_none() {
                return;
            }
        }
    }

    /// Sends and records. `None` when the connection broke.
    pub async fn submit(&self, request: Request, purpose: Purpose) -> Option<Reply> {
        let entry = self.journal.begin(request.clone(), purpose);
        let reply = self.client.send(&request).await?;
        self.journal.acknowledge(entry, reply.clone());
        Some(reply)
    }

    /// Requests a code and reads it.
    async fn code(&self, email: &str, kind: ActivityType) -> Option<(usize, Attempt, String)> {
        let purpose = Purpose::Init { email: email.to_owned() };
        let reply = self.submit(self.client.init(kind, email), purpose).await?;
        let attempt = Attempt::of(email, &reply);
        let index = self.journal.sent(attempt.clone());
        let code = self.client.code(&attempt).await?;
        self.journal.records().attempts[index].code = Some(code.clone());
        Some((index, attempt, code))
    }

    /// Guesses wrong so often, all at once.
    async fn wrong(&self, index: usize, attempt: &Attempt, times: usize) -> Option<()> {
        let key = self.client.source.key();
        let guesses = (0..times).map(|_| {
            let guess = self.client.guess(attempt, &self.client.source.wrong_code(), &key);
            self.submit(guess, Purpose::Guess { attempt: index, right: false })
        });
        for reply in join_all(guesses).await {
            assert_eq!(reply?.refusal(), WRONG);
        }
        Some(())
    }

    async fn logs_in(&self, email: &str, kind: ActivityType, mistakes: usize) -> Option<()> {
        let purpose = Purpose::CreateUser { email: email.to_owned() };
        let user = user(&self.submit(self.client.create_user(email), purpose).await?);
        let (index, attempt, code) = self.code(email, kind).await?;
        self.wrong(index, &attempt, mistakes).await?;
        let key = self.client.source.key();
        let guess = self.client.guess(&attempt, &code, &key);
        let proved = self.submit(guess, Purpose::Guess { attempt: index, right: true }).await?;
        let token = proved.text("verificationToken");
        let login = self.client.login(&user.organization, &attempt.lock, &token, &key);
        self.submit(login, Purpose::Login { user, key }).await?.text("session");
        Some(())
    }

    /// Mistypes a code once or more, and leaves it; three times, and then knows it too late.
    async fn guesses(&self, email: &str, kind: ActivityType, mistakes: usize) -> Option<()> {
        let (index, attempt, code) = self.code(email, kind).await?;
        self.wrong(index, &attempt, mistakes).await?;
        if mistakes == 3 {
            let guess = self.client.guess(&attempt, &code, &self.client.source.key());
            let late = self.submit(guess, Purpose::Guess { attempt: index, right: true }).await?;
            assert_eq!(late.refusal(), WRONG);
        }
        Some(())
    }

    /// Sends one request several times at once.
    async fn repeats(&self, email: &str) -> Option<()> {
        let request = self.client.init(ActivityType::InitOtpV3, email);
        let repeats = (0..4).map(|_| self.submit(request.clone(), Purpose::Init { email: email.to_owned() }));
        let replies = join_all(repeats).await;
        let replies = replies.into_iter().collect::<Option<Vec<_>>>()?;
        for reply in &replies {
            assert_eq!(*reply, replies[0]);
        }
        self.journal.sent(Attempt::of(email, &replies[0]));
        Some(())
    }
}

/// The user that an activity made.
pub fn user(reply: &Reply) -> User {
    let id = reply.result()["rootUserIds"][0].as_str();
    let id = id.unwrap_or_else(|| panic!("no user in {}", reply.body)).to_owned();
    User { organization: reply.text("subOrganizationId"), id }
}

/// Makes a user and logs it in; with the key of its session.
pub async fn log_in(client: &Client, email: &str) -> (User, SigningKey) {
    let user = user(&client.ask(&client.create_user(email)).await);
    let attempt = client.initiate(email).await;
    let code = client.code(&attempt).await.expect("the server answers");
    let key = client.source.key();
    let token = client.ask(&client.guess(&attempt, &code, &key)).await.text("verificationToken");
    client.ask(&client.login(&user.organization, &attempt.lock, &token, &key)).await.text("session");
    (user, key)
}
