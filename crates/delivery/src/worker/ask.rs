//! One message on its way along a route: who is asked, in which order, and for how long.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use vestibule_engine::model::Millis;

use super::{OutboxStore, Shared};
use crate::channel::{Accepted, Delivery, Fault, Retry, SendError};
use crate::routing::{Admission, Pass, Place, Provider, Verdict};

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

/// The least that a provider is given while another one is left to ask.
const LEAST_SHARE: Duration = Duration::from_secs(1);
/// Whoever was given so long, or all that a provider may take, and did not finish, is at fault itself.
const LONG_ENOUGH: Duration = Duration::from_secs(10);
/// How long a message waits for its turn at a provider, at most.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who waits for a turn at a provider. They are sending nothing, so the worker takes on others meanwhile.
#[derive(Default)]
pub(super) struct Crowd {
    waiting: AtomicU32,
    pub(super) joined: Notify,
}

impl Crowd {
    pub(super) fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    fn join(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.joined.notify_one();
        Waiting(self)
    }
}

struct Waiting<'a>(&'a Crowd);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why a provider is not asked now.
enum NoTurn {
    /// It is left alone, or has as many messages as it may: not before then.
    Held(Millis),
    /// The server is shutting down.
    Abandoned,
}

/// When a provider is asked: in its order, or as the last chance of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    InOrder,
    AtLast,
}

impl<S: OutboxStore + ?Sized> Shared<S> {
    /// Asks the providers of a route, one after the other, until one takes the message or refuses it for all. Asks those that
    /// fail time and again, or are busy, only when the message would die otherwise.
    pub(super) async fn ask_along(
        &self,
        route: &[&Provider],
        delivery: &Delivery,
        abandon: &CancellationToken,
    ) -> Result<Taken, NotTaken> {
        let until = Instant::now() + self.settings.time_for_a_route();
        let mut failed: Option<SendError> = None;
        let mut held: Option<Millis> = None;
        let mut passed_by = Vec::new();
        for (asked, provider) in route.iter().enumerate() {
            let others = route.len() - asked - 1;
            match self.ask(provider, When::InOrder, others, delivery, until, abandon).await {
                Ok(Ok(taken)) => return Ok(taken),
                Ok(Err(not)) if not.abandoned || not.error.retry == Retry::Never => return Err(not),
                Ok(Err(not)) => failed = Some(not.error),
                Err(at) => {
                    held = Some(held.map_or(at, |least| least.min(at)));
                    passed_by.push(*provider);
                }
            }
        }
        let next = self.next_try(delivery);
        match (failed, held) {
            (Some(error), None) => Err(error.into()),
            (Some(error), Some(_)) if next < delivery.expires_at => Err(error.into()),
            (None, Some(at)) if at < delivery.expires_at => Err(NotTaken {
                error: SendError::later("every provider of the route is left alone for a while, or busy"),
                not_before: Some(at),
                abandoned: false,
            }),
            // Nothing is lost by asking those that are probably out of order, where there will be no other time.
            (mut failed, Some(_)) => {
                for (asked, provider) in passed_by.iter().enumerate() {
                    let others = passed_by.len() - asked - 1;
                    match self.ask(provider, When::AtLast, others, delivery, until, abandon).await {
                        Ok(Ok(taken)) => return Ok(taken),
                        Ok(Err(not)) if not.abandoned || not.error.retry == Retry::Never => return Err(not),
                        Ok(Err(not)) => failed = Some(not.error),
                        Err(_) => {}
                    }
                }
                Err(failed.unwrap_or_else(|| SendError::later("every provider of the route is busy")).into())
            }
            (None, None) => {
                let kind = crate::routing::label(delivery.message.channel());
                Err(SendError::next_provider(format!("no {kind} provider is configured")).into())
            }
        }
    }

    /// When a message that no provider takes now is tried again.
    fn next_try(&self, delivery: &Delivery) -> Millis {
        let pause = self.settings.retries.pause(i64::from(delivery.attempt)).as_millis();
        self.clock.now_ms().saturating_add(Millis::try_from(pause).unwrap_or(Millis::MAX))
    }

    /// Asks one provider, before so many others, when there is a turn. The outer error is when there may be one.
    async fn ask(
        &self,
        provider: &Provider,
        when: When,
        others: usize,
        delivery: &Delivery,
        until: Instant,
        abandon: &CancellationToken,
    ) -> Result<Result<Taken, NotTaken>, Millis> {
        let left = delivery.expires_at - self.clock.now_ms();
        if left <= 0 {
            return Ok(Err(SendError::later("the code expired before the message could be sent").into()));
        }
        // A conversation that is still going on when the code dies must not end in a delivery.
        let began = Instant::now();
        let left = Duration::from_millis(left.unsigned_abs()).min(until.saturating_duration_since(began));
        // Those that come after it have their share, whatever becomes of this one.
        let share = if others == 0 { left } else { left.min((left / 2).max(LEAST_SHARE)) };
        let patience = began + PATIENCE.min(share / 2);
        let (place, pass) = match self.turn(provider, when, others, delivery, patience, abandon).await {
            Ok(turn) => turn,
            Err(NoTurn::Held(at)) => return Err(at),
            Err(NoTurn::Abandoned) => return Ok(Err(abandoned(provider))),
        };
        let time = self.settings.send_timeout.min((began + share).saturating_duration_since(Instant::now()));
        let asked = self.converse(provider, pass, delivery, time, abandon).await;
        drop(place);
        Ok(asked)
    }

    /// A place among those that are under way to a provider, and the right to ask it, where its breaker gives one. The place
    /// comes first: whoever has the right to try a provider that failed must not wait for those that hang there.
    async fn turn<'a>(
        &self,
        provider: &'a Provider,
        when: When,
        others: usize,
        delivery: &Delivery,
        patience: Instant,
        abandon: &CancellationToken,
    ) -> Result<(Place<'a>, Option<Pass>), NoTurn> {
        let held = |until| {
            count(provider, "held");
            Err(NoTurn::Held(until))
        };
        if when == When::InOrder
            && let Some(until) = provider.holds(self.clock.now_ms())
        {
            return held(until);
        }
        let place = match provider.places.try_take() {
            Some(place) => Some(place),
            None => {
                let _waiting = self.crowd.join();
                tokio::select! {
                    biased;
                    () = abandon.cancelled() => return Err(NoTurn::Abandoned),
                    place = provider.places.take(patience, others > 0) => place,
                }
            }
        };
        let Some(place) = place else {
            count(provider, "busy");
            return Err(NoTurn::Held(self.next_try(delivery)));
        };
        match (provider.admit(self.clock.now_ms()), when) {
            (Admission::Passed(pass), _) => Ok((place, Some(pass))),
            (Admission::Held { .. }, When::AtLast) => Ok((place, None)),
            (Admission::Held { until }, When::InOrder) => held(until),
        }
    }

    /// Hands a message to one provider. A panic in its channel is a failed try, not the end of the worker.
    async fn converse(
        &self,
        provider: &Provider,
        pass: Option<Pass>,
        delivery: &Delivery,
        time: Duration,
        abandon: &CancellationToken,
    ) -> Result<Taken, NotTaken> {
        let tell = |verdict| {
            if let Some(pass) = pass {
                provider.tell(pass, verdict, self.clock.now_ms());
            }
        };
        let delivery = Delivery { now: self.clock.now_ms(), time, ..delivery.clone() };
        let sending = AssertUnwindSafe(provider.channel.send(&delivery)).catch_unwind();
        let sent = tokio::select! {
            biased;
            sent = timeout(time, sending) => sent,
            () = abandon.cancelled() => {
                tell(Verdict::Unknown);
                return Err(abandoned(provider));
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
            Err(_) => {
                let late = SendError::unanswered("the channel did not finish in time");
                // What little time a message had says nothing of the provider.
                if time < self.settings.send_timeout.min(LONG_ENOUGH) { late.of_nobody() } else { late }
            }
        };
        tell(match error.fault {
            Fault::Provider => Verdict::Fails,
            Fault::Silence => Verdict::Silent,
            Fault::Nobody => Verdict::Unknown,
            Fault::Message | Fault::Recipient => Verdict::Works,
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

fn abandoned(provider: &Provider) -> NotTaken {
    count(provider, "abandoned");
    let error = SendError::later("the server shut down before the channel finished");
    NotTaken { error, not_before: None, abandoned: true }
}

fn count(provider: &Provider, outcome: &'static str) {
    let provider = Arc::clone(&provider.name);
    metrics::counter!("vestibule_provider_tries_total", "provider" => provider, "outcome" => outcome)
        .increment(1);
}
