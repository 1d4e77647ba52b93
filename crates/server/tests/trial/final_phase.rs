//! Looks for everything that was acknowledged, on every node.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until};
use vestibule_history::{Operation, Outcome};

use super::recorder::BOUNDS;
use super::stories::{Code, is_over};
use super::{BACKOFF, Spot, Trial};
use crate::client::{DEADLINE, Request};

/// Questions under way at once.
const AT_ONCE: usize = 16;
const WHO: &str = "reader";

impl Trial {
    pub(super) async fn read_back(&self) {
        let spots = self.spots();
        self.activities(&spots).await;
        self.sessions(&spots).await;
        self.codes(&spots).await;
    }

    async fn activities(&self, spots: &[Spot]) {
        let mut acknowledged: Vec<String> = self.recorder.look(|history| {
            let changes = history.events.iter().filter(|event| !event.operation.is_query());
            let ids = changes.filter_map(|event| match &event.outcome {
                Outcome::Acknowledged(ids) => ids.activity.clone(),
                _ => None,
            });
            ids.collect()
        });
        acknowledged.sort_unstable();
        acknowledged.dedup();
        let questions =
            spots.iter().flat_map(|spot| acknowledged.iter().map(move |activity| (spot, activity)));
        stream::iter(questions)
            .for_each_concurrent(AT_ONCE, async |(spot, activity)| {
                let operation = Operation::ReadActivity { activity: activity.clone() };
                self.ask(spot, &operation, &spot.client.reading(activity)).await;
            })
            .await;
    }

    async fn sessions(&self, spots: &[Spot]) {
        let sessions = self.known.sessions.lock().unwrap().clone();
        let questions = spots.iter().flat_map(|spot| sessions.iter().map(move |session| (spot, session)));
        stream::iter(questions)
            .for_each_concurrent(AT_ONCE, async |(spot, (organization, key))| {
                let operation = Operation::Whoami { key: key.public_key().to_hex() };
                let asking = spot.client.asking(key, "whoami", &json!({ "organizationId": organization }));
                self.ask(spot, &operation, &asking).await;
            })
            .await;
    }

    /// Tries every code again that has come to an end.
    async fn codes(&self, spots: &[Spot]) {
        let codes = self.known.codes.lock().unwrap().clone();
        let turn = AtomicUsize::new(0);
        stream::iter(&codes)
            .for_each_concurrent(AT_ONCE, async |code: &Code| {
                if let Some(expired_at) = code.expired_at {
                    // Where the checker would count a success as one.
                    sleep_until(expired_at + 2 * Duration::from_millis(BOUNDS.skew_ms)).await;
                } else if !is_over(self, code) {
                    return;
                }
                let spot = &spots[turn.fetch_add(1, Ordering::Relaxed) % spots.len()];
                let key = spot.client.source.key();
                let operation = Operation::Verify { otp: code.attempt.otp_id.clone(), right: true };
                let guess = spot.client.guess(&code.attempt, &code.code, &key);
                self.ask(spot, &operation, &guess).await;
            })
            .await;
    }

    /// Asks one node until it answers.
    async fn ask(&self, spot: &Spot, operation: &Operation, request: &Request) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(reply) = self.recorder.send(WHO, spot, operation, request).await
                && reply.status != 503
            {
                return;
            }
            assert!(Instant::now() < deadline, "node {} does not answer", spot.name);
            sleep(BACKOFF).await;
        }
    }
}
