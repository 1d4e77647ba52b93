//! One try of one message, from opening it to recording what became of it.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;
use vestibule_engine::model::{
    ContactKey, HandedOver, MailHead, MessageFate, Millis, OutboxMessage, SuppressedFor,
};
use vestibule_engine::outbox;
use vestibule_engine::store::{ClaimedMessage, Outcome, Settlement, StoreError, SuppressContact};
use vestibule_wire::{Contact, MessageId};

use super::ask::{NotTaken, Taken};
use super::event::event;
use super::{OutboxStore, Shared};
use crate::channel::{Delivery, Fault, Retry, SendError};
use crate::outbox::record;
use crate::render::{Rendered, render};
use crate::routing::label;

/// What became of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tried {
    pub(super) outcome: Outcome,
    /// Whether the outcome is recorded; otherwise the lease was lost or the store stayed away.
    pub(super) recorded: bool,
}

impl<S: OutboxStore + ?Sized> Shared<S> {
    /// Tries a claimed message once along its route and records the outcome. Never panics, and never sends once the code is
    /// dead.
    pub(super) async fn process(&self, claimed: &ClaimedMessage, abandon: &CancellationToken) -> Tried {
        let message = &claimed.message;
        let (delivery, sent) = self.attempt(claimed, abandon).await;
        let outcome = self.judge(message, &sent);
        self.report(message, &sent, &outcome);
        let settlement = self.settlement(message, delivery.as_ref(), &sent, outcome);
        let recorded = self.record(message.id, &settlement).await;
        if !recorded {
            metrics::counter!("vestibule_messages_total", "channel" => label(message.channel), "outcome" => "unrecorded")
                .increment(1);
        }
        Tried { outcome: settlement.outcome, recorded }
    }

    /// Prepares and sends; a panic in a renderer is a failed try, not the end of the worker.
    async fn attempt(
        &self,
        claimed: &ClaimedMessage,
        abandon: &CancellationToken,
    ) -> (Option<Delivery>, Result<Taken, NotTaken>) {
        let ClaimedMessage { message, routes } = claimed;
        let prepared = AssertUnwindSafe(self.prepare(message)).catch_unwind().await;
        let prepared = prepared.unwrap_or_else(|_| Err(SendError::later("rendering panicked")));
        let delivery = match prepared {
            Ok(delivery) => delivery,
            Err(error) => return (None, Err(error.into())),
        };
        let route = self.router.route(routes.as_ref(), message.channel, delivery.message.to());
        let sent = self.ask_along(&route, &delivery, abandon).await;
        (Some(delivery), sent)
    }

    /// What there is to send.
    async fn prepare(&self, message: &OutboxMessage) -> Result<Delivery, SendError> {
        let payload =
            outbox::open(&self.keys.current(), message).map_err(|e| SendError::never(e.to_string()))?;
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
        let settings = self.messages.of(message.tenant_id);
        let rendering = render(message.channel, &payload, template.as_ref(), settings);
        if let Some(fault) = &rendering.fault {
            tracing::warn!(message_id = %message.id, fault, "the template cannot be used, sending the built-in text");
        }
        Ok(Delivery {
            message_id: message.id,
            otp_id: message.otp_id,
            attempt: u32::try_from(message.attempts).unwrap_or(u32::MAX),
            created_at: message.created_at,
            expires_at: message.expires_at,
            now: self.clock.now_ms(),
            time: self.settings.send_timeout,
            purpose: payload.purpose,
            code: payload.code,
            message: rendering.message,
        })
    }

    fn judge(&self, message: &OutboxMessage, sent: &Result<Taken, NotTaken>) -> Outcome {
        let NotTaken { error, not_before, abandoned } = match sent {
            Ok(_) => return Outcome::Sent,
            Err(not) => not,
        };
        let SendError { retry, fault: _, text, smtp_code: _ } = error;
        let error = text.clone();
        match retry {
            Retry::Never => return Outcome::Failed { error },
            // What the operator has to mend may be mended while the code lives.
            Retry::Later | Retry::NextProvider => {}
        }
        let now = self.clock.now_ms();
        let pause = if *abandoned { Duration::ZERO } else { self.settings.retries.pause(message.attempts) };
        let pause = Millis::try_from(pause.as_millis()).unwrap_or(Millis::MAX);
        let at = not_before.unwrap_or_else(|| now.saturating_add(pause));
        if at >= message.expires_at {
            return Outcome::Failed { error: format!("{error}; the code expires before another try") };
        }
        Outcome::Retry { at, error }
    }

    fn report(&self, message: &OutboxMessage, sent: &Result<Taken, NotTaken>, outcome: &Outcome) {
        let (message_id, attempt, channel) = (message.id, message.attempts, label(message.channel));
        let (result, error) = match outcome {
            Outcome::Sent => ("sent", ""),
            Outcome::Retry { error, .. } => ("retried", error.as_str()),
            Outcome::Failed { error } => ("failed", error.as_str()),
        };
        metrics::counter!("vestibule_messages_total", "channel" => channel, "outcome" => result).increment(1);
        match (outcome, sent) {
            (Outcome::Retry { .. }, _) => {
                tracing::warn!(%message_id, channel, attempt, error, "message not sent, will be tried again");
            }
            (Outcome::Failed { .. }, _) => {
                tracing::error!(%message_id, channel, attempt, error, "message given up");
            }
            (Outcome::Sent, Ok(Taken { provider, .. })) => {
                let seconds = (self.clock.now_ms() - message.created_at).max(0) as f64 / 1000.0;
                let labels = [("channel", channel.to_owned()), ("provider", provider.to_string())];
                metrics::histogram!("vestibule_delivery_seconds", &labels).record(seconds);
                tracing::debug!(%message_id, channel, %provider, attempt, "message sent");
            }
            (Outcome::Sent, Err(_)) => {}
        }
    }

    /// What is recorded of a try.
    fn settlement(
        &self,
        message: &OutboxMessage,
        delivery: Option<&Delivery>,
        sent: &Result<Taken, NotTaken>,
        outcome: Outcome,
    ) -> Settlement {
        let now = self.clock.now_ms();
        // A message that a shutdown gives back is not late yet.
        let told = delivery.filter(|_| !sent.as_ref().is_err_and(|not| not.abandoned));
        let error = sent.as_ref().err().map(|not| &not.error);
        let event = told.and_then(|delivery| event(message, delivery, &outcome, error, now));
        let contact = delivery.and_then(|d| Contact::parse(message.channel, d.message.to()).ok());
        let contact = contact.map(|contact| ContactKey::of(&contact));
        let handed_over = match (sent, delivery, contact) {
            (Ok(taken), Some(delivery), Some(contact)) => handed_over(message, delivery, taken, contact, now),
            _ => None,
        };
        let suppress = error.zip(contact).and_then(|(error, contact)| self.suppress(message, error, contact));
        Settlement { outcome, event, handed_over, suppress }
    }

    /// Nobody is sent more to where nobody can be reached.
    fn suppress(
        &self,
        message: &OutboxMessage,
        error: &SendError,
        contact: ContactKey,
    ) -> Option<SuppressContact> {
        let unreachable = error.retry == Retry::Never && error.fault == Fault::Recipient;
        let now = self.clock.now_ms();
        let settings = &self.settings.suppression;
        if unreachable { settings.of(SuppressedFor::Bounce, message.tenant_id, contact, now) } else { None }
    }

    /// Records what became of a message; a store that is away for a moment must not cause a second one.
    async fn record(&self, message_id: MessageId, settlement: &Settlement) -> bool {
        let settle = || self.store.settle(message_id, self.id, settlement);
        let not_yet = |error: &StoreError| tracing::warn!(%message_id, %error, "the message's outcome is not recorded yet");
        let recorded = record(settle, not_yet).await;
        match &recorded {
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!(%message_id, "the message's lease went to another worker; it may have been sent twice");
            }
            Err(error) => {
                tracing::error!(%message_id, %error, "the message's outcome is not recorded; it may be sent twice");
            }
        }
        recorded.unwrap_or(false)
    }
}

/// What receipts find the message by, where the provider has a name for it.
fn handed_over(
    message: &OutboxMessage,
    delivery: &Delivery,
    taken: &Taken,
    contact_key: ContactKey,
    at: Millis,
) -> Option<HandedOver> {
    let mail = match &delivery.message {
        Rendered::Sms(_) => None,
        Rendered::Email(email) => Some(MailHead {
            message_id: email.message_id(message.id),
            from: email.from.address.clone(),
            to: email.to.clone(),
        }),
    };
    Some(HandedOver {
        provider: taken.provider.to_string(),
        provider_message_id: taken.accepted.provider_message_id.clone()?,
        message_id: message.id,
        organization_id: message.organization_id,
        tenant_id: message.tenant_id,
        channel: message.channel,
        contact_key,
        mail,
        at,
        fate: MessageFate::Taken,
    })
}
