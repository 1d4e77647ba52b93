//! What `dev` shows over HTTP beyond the API: the inbox, and a clock that can be moved.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream;
use tokio::sync::Mutex;
use tokio::sync::broadcast::error::RecvError;
use vestibule_delivery::channel::{Inbox, InboxMessage};
use vestibule_engine::Clock;
use vestibule_engine::store::{Store, StoreError};
use vestibule_http::dev;
use vestibule_wire::Refusal;

use crate::clock::SystemClock;

/// By how much the clock runs ahead, milliseconds, kept in the database (D-15).
const CLOCK_OFFSET: &str = "dev_clock_offset_ms";

/// Reads what [`MovedClock`] kept.
pub async fn clock_offset_ms(store: &dyn Store) -> Result<i64, StoreError> {
    let kept = store.meta(CLOCK_OFFSET).await?;
    Ok(kept.and_then(|text| text.parse().ok()).unwrap_or(0))
}

/// Moves the clock forward and remembers it.
pub struct MovedClock {
    clock: Arc<SystemClock>,
    store: Arc<dyn Store>,
    /// One move at a time: each starts from where the last one ended.
    moving: Mutex<()>,
}

impl MovedClock {
    /// Moves `clock`.
    pub fn new(clock: Arc<SystemClock>, store: Arc<dyn Store>) -> Self {
        Self { clock, store, moving: Mutex::new(()) }
    }
}

#[async_trait]
impl dev::DevClock for MovedClock {
    async fn advance(&self, seconds: u64) -> Result<dev::ClockReading, Refusal> {
        let _one_at_a_time = self.moving.lock().await;
        let step = i64::try_from(seconds).ok().and_then(|seconds| seconds.checked_mul(1000));
        let offset = step.and_then(|step| self.clock.offset_ms().checked_add(step));
        let offset_ms = offset.ok_or(Refusal::InvalidField("advanceSeconds is too large"))?;
        self.store.put_meta(CLOCK_OFFSET, &offset_ms.to_string()).await.map_err(|error| {
            tracing::error!(%error, "the clock could not be moved");
            Refusal::Unavailable
        })?;
        self.clock.set_offset(offset_ms);
        tracing::info!(seconds, "the clock was moved forward");
        Ok(dev::ClockReading { now_ms: self.clock.now_ms(), offset_seconds: offset_ms / 1000 })
    }
}

/// The inbox that messages go to, as the page reads it.
pub struct ShownInbox(pub Arc<Inbox>);

impl dev::Inbox for ShownInbox {
    fn messages(&self, to: Option<&str>) -> Vec<dev::InboxMessage> {
        self.0.list(to).iter().map(|message| shown(message)).collect()
    }

    fn subscribe(&self) -> dev::InboxStream {
        Box::pin(stream::unfold(self.0.subscribe(), async |mut arrivals| {
            loop {
                match arrivals.recv().await {
                    Ok(message) => return Some((shown(&message), arrivals)),
                    // The page reads the list again when it is opened; a reader that fell behind goes on with newer ones.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        }))
    }
}

fn shown(message: &InboxMessage) -> dev::InboxMessage {
    let InboxMessage {
        id,
        channel,
        to,
        from,
        subject,
        text,
        html,
        otp_code,
        credential_bundle,
        otp_id,
        created_at,
    } = message;
    let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    dev::InboxMessage {
        id: id.to_string(),
        channel,
        to: to.clone(),
        from: given(from),
        subject: given(subject),
        text: text.clone(),
        html: given(html),
        otp_code: given(otp_code),
        credential_bundle: given(credential_bundle),
        otp_id: Some(*otp_id),
        created_at: created_at.clone(),
    }
}
