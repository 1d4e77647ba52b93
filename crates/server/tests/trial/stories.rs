//! What the users of a trial do.

use std::sync::Mutex;
use std::sync::atomic::Ordering;

use futures_util::future::join_all;
use tokio::time::Instant;
use vestibule_crypto::p256::SigningKey;
use vestibule_history::{Operation, Outcome};
use vestibule_wire::ActivityType;

use super::{Trial, digest};
use crate::client::{Attempt, Client, Reply, Request, WRONG};

/// How long an ordinary code lives, and one that is left to expire.
const LIFETIME_S: u64 = 600;
const SHORT_LIFETIME_S: u64 = 4;

/// A code that somebody read.
#[derive(Clone)]
pub(super) struct Code {
    pub(super) attempt: Attempt,
    pub(super) code: String,
    /// When it has surely expired, for those that were left to.
    pub(super) expired_at: Option<Instant>,
}

/// What the final phase needs and a history does not hold.
#[derive(Default)]
pub(super) struct Known {
    pub(super) codes: Mutex<Vec<Code>>,
    pub(super) sessions: Mutex<Vec<(String, SigningKey)>>,
}

impl Trial {
    /// Goes from story to story until the trial is over.
    pub(super) async fn user(&self, number: usize) {
        for n in 0.. {
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            let user = User {
                trial: self,
                client: self.next().client,
                name: format!("user {number}"),
                number: format!("+1{:03}{n:07}", 200 + number),
            };
            match (number + n) % 6 {
                0 => user.logs_in(n % 3).await,
                1 => user.two_windows().await,
                2 => user.mistypes().await,
                3 => user.repeats().await,
                4 => user.everything_at_once().await,
                _ => user.forgets().await,
            }
        }
    }
}

/// Somebody with a telephone, in one story.
struct User<'a> {
    trial: &'a Trial,
    client: Client,
    name: String,
    /// Of the telephone.
    number: String,
}

impl User<'_> {
    async fn submit(&self, operation: &Operation, request: &Request) -> Reply {
        self.trial.submit(&self.name, operation, request).await
    }

    /// Asks for a code.
    async fn asks(&self, lifetime_s: u64, times: usize) -> Attempt {
        let request = self.client.init_for(ActivityType::InitOtpV3, &self.number, lifetime_s);
        let operation = Operation::Init { contact: self.number.clone(), lifetime_ms: lifetime_s * 1000 };
        let replies = join_all((0..times).map(|_| self.submit(&operation, &request))).await;
        Attempt::of(&self.number, &replies[0])
    }

    /// Asks for a code and reads it.
    async fn code(&self, times: usize) -> Code {
        let attempt = self.asks(LIFETIME_S, times).await;
        let code = self.trial.provider.code(&attempt.otp_id).await;
        let code = Code { attempt, code, expired_at: None };
        self.trial.known.codes.lock().unwrap().push(code.clone());
        code
    }

    fn wrong(&self, code: &Code) -> (Operation, Request) {
        let operation = Operation::Verify { otp: code.attempt.otp_id.clone(), right: false };
        let wrong = self.client.source.wrong_code();
        (operation, self.client.guess(&code.attempt, &wrong, &self.client.source.key()))
    }

    fn right(&self, code: &Code, key: &SigningKey) -> (Operation, Request) {
        let operation = Operation::Verify { otp: code.attempt.otp_id.clone(), right: true };
        (operation, self.client.guess(&code.attempt, &code.code, key))
    }

    /// Sends all guesses at once.
    async fn at_once(&self, guesses: Vec<(Operation, Request)>) -> Vec<Reply> {
        join_all(guesses.iter().map(|(operation, request)| self.submit(operation, request))).await
    }

    /// Signs up, mistypes the code so often, and logs in.
    async fn logs_in(&self, mistakes: usize) {
        let create = Operation::CreateUser { contact: self.number.clone() };
        let created = self.submit(&create, &self.client.create_user(&self.number)).await;
        let organization = created.text("subOrganizationId");
        let code = self.code(1).await;
        self.at_once((0..mistakes).map(|_| self.wrong(&code)).collect()).await;
        let key = self.client.source.key();
        let (operation, guess) = self.right(&code, &key);
        let token = self.submit(&operation, &guess).await.text("verificationToken");
        let public_key = key.public_key().to_hex();
        let operation = Operation::Login {
            token: digest(token.as_bytes()),
            key: public_key.clone(),
            organization: organization.clone(),
        };
        let login = self.client.login(&organization, &code.attempt.lock, &token, &key);
        self.submit(&operation, &login).await.text("session");
        let asking =
            self.client.asking(&key, "whoami", &serde_json::json!({ "organizationId": organization }));
        let whoami = self.submit(&Operation::Whoami { key: public_key }, &asking).await;
        assert_eq!(whoami.status, 200, "{}", whoami.body);
        self.trial.known.sessions.lock().unwrap().push((organization, key));
    }

    /// Types the right code into two windows at once.
    async fn two_windows(&self) {
        let code = self.code(1).await;
        let keys = [self.client.source.key(), self.client.source.key()];
        self.at_once(keys.iter().map(|key| self.right(&code, key)).collect()).await;
    }

    /// Mistypes four times at once, and knows the code too late.
    async fn mistypes(&self) {
        let code = self.code(1).await;
        self.at_once((0..4).map(|_| self.wrong(&code)).collect()).await;
        let (operation, guess) = self.right(&code, &self.client.source.key());
        assert_eq!(self.submit(&operation, &guess).await.refusal(), WRONG);
    }

    /// Sends everything four times at once.
    async fn repeats(&self) {
        let code = self.code(4).await;
        let wrong = self.wrong(&code);
        self.at_once(vec![wrong; 4]).await;
        let right = self.right(&code, &self.client.source.key());
        self.at_once(vec![right; 4]).await;
    }

    /// Mistypes twice, and knows the code in two windows, all at once.
    async fn everything_at_once(&self) {
        let code = self.code(1).await;
        let keys = [self.client.source.key(), self.client.source.key()];
        let guesses =
            [self.wrong(&code), self.right(&code, &keys[0]), self.wrong(&code), self.right(&code, &keys[1])];
        self.at_once(guesses.into()).await;
    }

    /// Has a code sent that lives a few seconds, and comes back when they are over.
    async fn forgets(&self) {
        let attempt = self.asks(SHORT_LIFETIME_S, 1).await;
        // By now the attempt is there, so that it has expired a lifetime from now.
        let expired_at = Instant::now() + std::time::Duration::from_secs(SHORT_LIFETIME_S);
        let read = tokio::time::timeout_at(expired_at, self.trial.provider.code(&attempt.otp_id)).await;
        // Under a fault it may not have left in time.
        let Ok(code) = read else { return };
        let code = Code { attempt, code, expired_at: Some(expired_at) };
        self.trial.known.codes.lock().unwrap().push(code);
    }
}

/// Whether the right code of an attempt was accepted, or three wrong guesses ended it, as far as was recorded.
pub(super) fn is_over(trial: &Trial, code: &Code) -> bool {
    trial.recorder.look(|history| {
        let mut wrong = std::collections::HashSet::new();
        let mut is_consumed = false;
        for event in &history.events {
            match (&event.operation, &event.outcome) {
                (Operation::Verify { otp, right: true }, Outcome::Acknowledged(_))
                    if *otp == code.attempt.otp_id =>
                {
                    is_consumed = true;
                }
                (Operation::Verify { otp, right: false }, Outcome::Refused { .. })
                    if *otp == code.attempt.otp_id =>
                {
                    wrong.insert(&event.bytes);
                }
                _ => {}
            }
        }
        is_consumed || wrong.len() >= 3
    })
}
