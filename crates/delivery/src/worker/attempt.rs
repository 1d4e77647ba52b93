//! One try of one message, from opening it to recording what became of it.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;
use vestibule_engine::model::{EmailEvent, Millis, OutboxMessage};
use vestibule_engine::outbox;
use vestibule_engine::store::Outcome;
use vestibule_wire::OtpType;

use super::event::event;
use super::{OutboxStore, Shared};
use crate::channel::{Accepted, Channel, Delivery, Retry, SendError};
use crate::render::render;

/// Times a record is tried when the store is away. Together they wait about three seconds.
const RECORD_TRIES: u32 = 6;
const FIRST_RECORD_DELAY: Duration = Duration::from_millis(100);

/// What became of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tried {
    pub(super) outcome: Outcome,
    /// Whether the outcome is recorded; otherwise the lease was lost or the store stayed away.
    pub(super) recorded: bool,
}

/// The label of a channel in logs and metrics.
fn label(channel: OtpType) -> &'static str {
    match channel {
        OtpType::Email => "email",
        OtpType::Sms => "sms",
    }
}

/// How long to wait after try number `attempt`, which counts from 1: `first`, then twice as long each time, up to `max`.
fn backoff(attempt: i64, first: Duration, max: Duration) -> Duration {
    let doublings = attempt.saturating_sub(1).clamp(0, 30);
    first.saturating_mul(1 << doublings).min(max)
}

impl<S: OutboxStore + ?Sized> Shared<S> {
    /// Tries a claimed message once and records the outcome. Never panics, and never sends once the code is dead.
    pub(super) async fn process(&self, message: &OutboxMessage, abandon: &CancellationToken) -> Tried {
        let channel = label(message.channel);
        let (delivery, sent) = self.attempt(message, abandon).await;
        let error = sent.err();
        let abandoned = abandon.is_cancelled();
        let outcome = self.judge(message, error.as_ref(), abandoned);
        // A message that a shutdown gives back is not late yet.
        let event = delivery
            .filter(|_| !abandoned || error.is_none())
            .and_then(|delivery| event(message, &delivery, &outcome, error.as_ref(), self.clock.now_ms()));
        let (result, error) = match &outcome {
            Outcome::Sent => ("sent", ""),
            Outcome::Retry { error, .. } => ("retried", error.as_str()),
            Outcome::Failed { error } => ("failed", error.as_str()),
        };
        metrics::counter!("vestibule_messages_total", "channel" => channel, "outcome" => result).increment(1);
        let (message_id, attempt) = (message.id, message.attempts);
        match &outcome {
            Outcome::Sent => {
                let seconds = (self.clock.now_ms() - message.created_at).max(0) as f64 / 1000.0;
                metrics::histogram!("vestibule_delivery_seconds", "channel" => channel).record(seconds);
                tracing::debug!(%message_id, channel, attempt, "message sent");
            }
            Outcome::Retry { .. } => {
                tracing::warn!(%message_id, channel, attempt, error, "message not sent, will be tried again")
            }
            Outcome::Failed { .. } => {
                tracing::error!(%message_id, channel, attempt, error, "message given up")
            }
        }
        let recorded = self.record(message, &outcome, event.as_ref()).await;
        if !recorded {
            metrics::counter!("vestibule_messages_total", "channel" => channel, "outcome" => "unrecorded")
                .increment(1);
        }
        Tried { outcome, recorded }
    }

    /// Prepares and sends; a panic in a channel or a renderer is a failed try, not the end of the worker.
    async fn attempt(
        &self,
        message: &OutboxMessage,
        abandon: &CancellationToken,
    ) -> (Option<Delivery>, Result<Accepted, SendError>) {
        let prepared = AssertUnwindSafe(self.prepare(message)).catch_unwind().await;
        let prepared = prepared.unwrap_or_else(|_| Err(SendError::later("rendering panicked")));
        let (channel, delivery) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return (None, Err(error)),
        };
        let sent = AssertUnwindSafe(self.send(message, channel, &delivery, abandon)).catch_unwind().await;
        let sent = sent.unwrap_or_else(|_| Err(SendError::later("the channel panicked")));
        (Some(delivery), sent)
    }

    /// What there is to send, and where to.
    async fn prepare(&self, message: &OutboxMessage) -> Result<(&dyn Channel, Delivery), SendError> {
        let payload =
            outbox::open(&self.keys.current(), message).map_err(|e| SendError::never(e.to_string()))?;
        let channel = match message.channel {
            OtpType::Email => &self.channels.email,
            OtpType::Sms => &self.channels.sms,
        };
        let Some(channel) = channel else {
            return Err(SendError::never(format!("no {} channel is configured", label(message.channel))));
        };
        let template = match payload.template_id {
            None => None,
            Some(id) => {
                let found = self.store.stored_template(message.tenant_id, id).await;
                let found = found.map_err(|_| SendError::later("the store did not give the template"))?;
                if found.is_none() {
                    tracing::warn!(message_id = %message.id, template_id = %id, "the template is gone, sending the built-in text");
                }
                found
            }
        };
        let rendering = render(message.channel, &payload, template.as_ref(), &self.messages);
        if let Some(fault) = &rendering.fault {
            tracing::warn!(message_id = %message.id, fault, "the template cannot be used, sending the built-in text");
        }
        let delivery = Delivery {
            message_id: message.id,
            otp_id: message.otp_id,
            attempt: u32::try_from(message.attempts).unwrap_or(u32::MAX),
            created_at: message.created_at,
            expires_at: message.expires_at,
            now: self.clock.now_ms(),
            purpose: payload.purpose,
            code: payload.code,
            message: rendering.message,
        };
        Ok((&**channel, delivery))
    }

    async fn send(
        &self,
        message: &OutboxMessage,
        channel: &dyn Channel,
        delivery: &Delivery,
        abandon: &CancellationToken,
    ) -> Result<Accepted, SendError> {
        let left = message.expires_at - delivery.now;
        if left <= 0 {
            return Err(SendError::never("the code expired before the message could be sent"));
        }
        // A conversation that is still going on when the code dies must not end in a delivery.
        let left = Duration::from_millis(left.unsigned_abs());
        tokio::select! {
            biased;
            sent = tokio::time::timeout(self.settings.send_timeout.min(left), channel.send(delivery)) => {
                sent.unwrap_or_else(|_| Err(SendError::later("the channel did not finish in time")))
            }
            () = abandon.cancelled() => Err(SendError::later("the server shut down before the channel finished")),
        }
    }

    fn judge(&self, message: &OutboxMessage, error: Option<&SendError>, abandoned: bool) -> Outcome {
        let Some(SendError { retry, fault: _, text: error, smtp_code: _ }) = error else {
            return Outcome::Sent;
        };
        let error = error.clone();
        if *retry == Retry::Never {
            return Outcome::Failed { error };
        }
        let delay = if abandoned {
            Duration::ZERO
        } else {
            backoff(message.attempts, self.settings.first_retry, self.settings.max_retry)
        };
        let at =
            self.clock.now_ms().saturating_add(Millis::try_from(delay.as_millis()).unwrap_or(Millis::MAX));
        if at >= message.expires_at {
            return Outcome::Failed { error: format!("{error}; the code expires before another try") };
        }
        Outcome::Retry { at, error }
    }

    /// Records an outcome; a store that is away for a moment must not cause a second message.
    async fn record(&self, message: &OutboxMessage, outcome: &Outcome, event: Option<&EmailEvent>) -> bool {
        let message_id = message.id;
        let mut delay = FIRST_RECORD_DELAY;
        for attempt in 1..=RECORD_TRIES {
            match self.store.settle(message.id, self.id, outcome, event).await {
                Ok(true) => return true,
                Ok(false) => {
                    tracing::warn!(%message_id, "the message's lease went to another worker; it may have been sent twice");
                    return false;
                }
                Err(error) if attempt < RECORD_TRIES => {
                    tracing::warn!(%message_id, %error, "the message's outcome is not recorded yet");
                    tokio::time::sleep(delay).await;
                    delay *= 2;
                }
                Err(error) => {
                    tracing::error!(%message_id, %error, "the message's outcome is not recorded; it may be sent twice");
                }
            }
        }
        false
    }
}
