//! One message on its way along a route: who is asked, in which order, and for how long.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use vestibule_engine::model::Millis;

use super::{OutboxStore, Shared};
use crate::channel::{Accepted, Delivery, Fault, Retry, SendError};
use crate::routing::{Admission, Pass, Provider, Verdict};

/// Who took a message, and what it calls it.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) provider: Arc<str>,
    pub(super) accepted: Accepted,
}

/// Why nobody did.
#[derive(Debug)]
pub(super) struct NotTaken {
    pub(super) error: SendError,
    /// When a provider that was left alone may be asked again, where none was asked at all.
    pub(super) not_before: Option<Millis>,
    /// Whether the server is shutting down.
    pub(super) abandoned: bool,
}

impl From<SendError> for NotTaken {
    fn from(error: SendError) -> Self {
        Self { error, not_before: None, abandoned: false }
    }
}

/// What a try was limited by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    /// The time a provider may take.
    Provider,
    /// The code's life, or the lease: being late says nothing of the provider.
    Message,
}

impl<S: OutboxStore + ?Sized> Shared<S> {
    /// Asks the providers of a route, one after the other, until one takes the message or refuses it for all. Asks those that
    /// fail time and again only when the message would die otherwise.
    pub(super) async fn ask_along(
        &self,
        route: &[&Provider],
        delivery: &Delivery,
        abandon: &CancellationToken,
    ) -> Result<Taken, NotTaken> {
        let until = Instant::now() + self.settings.time_for_a_route();
        let mut failed: Option<SendError> = None;
        let mut held: Option<Millis> = None;
        let mut left_alone = Vec::new();
        for provider in route {
            let now = self.clock.now_ms();
            let pass = match provider.admit(now) {
                Admission::Passed(pass) => Some(pass),
                Admission::Held { until } => {
                    count(provider, "held");
                    held = Some(held.map_or(until, |least| least.min(until)));
                    left_alone.push(*provider);
                    continue;
                }
            };
            match self.ask(provider, pass, delivery, until, abandon).await {
                Ok(taken) => return Ok(taken),
                Err(not) if not.abandoned || not.error.retry == Retry::Never => return Err(not),
                Err(not) => failed = Some(not.error),
            }
        }
        let pause = self.settings.retries.pause(i64::from(delivery.attempt)).as_millis();
        let next = self.clock.now_ms().saturating_add(Millis::try_from(pause).unwrap_or(Millis::MAX));
        match (failed, held) {
            (Some(error), None) => Err(error.into()),
            (Some(error), Some(_)) if next < delivery.expires_at => Err(error.into()),
            (None, Some(at)) if at < delivery.expires_at => Err(NotTaken {
                error: SendError::later("every provider of the route failed and is left alone for a while"),
                not_before: Some(at),
                abandoned: false,
            }),
            // Nothing is lost by asking those that are probably out of order, where there will be no other time.
            (mut failed, Some(_)) => {
                for provider in left_alone {
                    match self.ask(provider, None, delivery, until, abandon).await {
                        Ok(taken) => return Ok(taken),
                        Err(not) if not.abandoned || not.error.retry == Retry::Never => return Err(not),
                        Err(not) => failed = Some(not.error),
                    }
                }
                Err(failed.unwrap_or_else(|| SendError::later("the route is empty")).into())
            }
            (None, None) => {
                let kind = crate::routing::label(delivery.message.channel());
                Err(SendError::next_provider(format!("no {kind} provider is configured")).into())
            }
        }
    }

    /// Asks one provider. A panic in its channel is a failed try, not the end of the worker.
    async fn ask(
        &self,
        provider: &Provider,
        pass: Option<Pass>,
        delivery: &Delivery,
        until: Instant,
        abandon: &CancellationToken,
    ) -> Result<Taken, NotTaken> {
        let tell = |verdict| {
            if let Some(pass) = pass {
                provider.tell(pass, verdict, self.clock.now_ms());
            }
        };
        let now = self.clock.now_ms();
        let left = delivery.expires_at - now;
        if left <= 0 {
            tell(Verdict::Unknown);
            return Err(SendError::later("the code expired before the message could be sent")
                .of_this_message()
                .into());
        }
        // A conversation that is still going on when the code dies must not end in a delivery.
        let left =
            Duration::from_millis(left.unsigned_abs()).min(until.saturating_duration_since(Instant::now()));
        let (time, limit) = match self.settings.send_timeout {
            time if time <= left => (time, Limit::Provider),
            _ => (left, Limit::Message),
        };
        let delivery = Delivery { now, ..delivery.clone() };
        let sending = AssertUnwindSafe(provider.channel.send(&delivery)).catch_unwind();
        let sent = tokio::select! {
            biased;
            sent = timeout(time, sending) => sent,
            () = abandon.cancelled() => {
                tell(Verdict::Unknown);
                count(provider, "abandoned");
                let error = SendError::later("the server shut down before the channel finished");
                return Err(NotTaken { error, not_before: None, abandoned: true });
            }
        };
        let error = match sent {
            Ok(Ok(Ok(accepted))) => {
                tell(Verdict::Works);
                count(provider, "accepted");
                return Ok(Taken { provider: Arc::clone(&provider.name), accepted });
            }
            Ok(Ok(Err(error))) => error,
            Ok(Err(_)) => SendError::later("the channel panicked"),
            Err(_) if limit == Limit::Message => {
                SendError::later("the channel did not finish in time").of_this_message()
            }
            Err(_) => SendError::later("the channel did not finish in time"),
        };
        tell(match (error.fault, limit) {
            (Fault::Provider, _) => Verdict::Fails,
            (Fault::Message, Limit::Message) => Verdict::Unknown,
            (Fault::Message | Fault::Recipient, _) => Verdict::Works,
        });
        count(
            provider,
            match error.retry {
                Retry::Later => "later",
                Retry::NextProvider => "next_provider",
                Retry::Never => "refused",
            },
        );
        tracing::warn!(
            message_id = %delivery.message_id, provider = &*provider.name, attempt = delivery.attempt,
            error = error.text, "the provider did not take the message"
        );
        Err(error.into())
    }
}

fn count(provider: &Provider, outcome: &'static str) {
    let provider = Arc::clone(&provider.name);
    metrics::counter!("vestibule_provider_tries_total", "provider" => provider, "outcome" => outcome)
        .increment(1);
}
