//! One request to one endpoint: where it may go, what it says, and what the answer means.
//!
//! Promise: the addresses of a host are looked up once for a connection, all of them are judged, and the connection goes to one
//! of these; redirects are not followed, proxies of the environment are not used, and of the answer's body little is read and
//! nothing kept.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{StatusCode, redirect};
use tokio::sync::Semaphore;
use vestibule_crypto::keyset::KeySet;
use vestibule_crypto::webhook;
use vestibule_engine::destinations::Resolver;
use vestibule_engine::events::event_id;
use vestibule_engine::model::{Addressee, DeliveryPayload, Millis, WebhookDelivery};
use vestibule_wire::Destination;

use crate::cause::{Cause, NoName};

/// The most of an answer's body that is read, so that its connection can be used again.
const READ_OF_ANSWERS: usize = 16 * 1024;

/// How long to read it.
const READING: Duration = Duration::from_secs(1);

/// Look-ups of names at once. They run on threads that cannot be stopped: more than deliveries at once, so that names whose
/// servers do not answer hold up no others.
const LOOKUPS: usize = 128;

/// How long a look-up may take when a webhook is set.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// The HTTP client cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("the client of webhooks cannot be set up: {0}")]
pub struct CourierError(String);

/// Asks the system.
pub struct SystemResolver {
    places: Arc<Semaphore>,
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(LOOKUPS)) }
    }
}

#[async_trait]
impl Resolver for SystemResolver {
    async fn addresses(&self, host: &str) -> Vec<IpAddr> {
        let (places, host) = (Arc::clone(&self.places), host.to_owned());
        let lookup = async move {
            let place = places.acquire_owned().await.ok()?;
            // The place is taken for as long as the look-up runs, whether somebody waits for it or not.
            let found = tokio::spawn(async move {
                let found = tokio::net::lookup_host((host, 0)).await;
                drop(place);
                found.map(|addresses| addresses.map(|address| address.ip()).collect::<Vec<_>>())
            });
            found.await.ok()?.ok()
        };
        tokio::time::timeout(LOOKUP_TIMEOUT, lookup).await.ok().flatten().unwrap_or_default()
    }
}

/// The host has an address that requests may not go to.
#[derive(Debug, thiserror::Error)]
#[error("the host is not public")]
struct NotPublic;

/// Looks up a host for a connection that is about to be made, and lets through what may be connected to. Whether the URL
/// may be http was asked before; here a name is judged as for https.
struct Gate {
    resolver: Arc<dyn Resolver>,
    development: bool,
}

impl Resolve for Gate {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolver, development) = (Arc::clone(&self.resolver), self.development);
        Box::pin(async move {
            let addresses = resolver.addresses(name.as_str()).await;
            if addresses.is_empty() {
                return Err(NoName.into());
            }
            if !addresses.iter().all(|address| is_open(*address, development)) {
                return Err(NotPublic.into());
            }
            let addresses: Addrs = Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

fn is_open(address: IpAddr, development: bool) -> bool {
    use vestibule_wire::{Reach, reach};
    match reach(address) {
        Reach::Public => true,
        Reach::Loopback => development,
        Reach::Closed => false,
    }
}

/// What a request came to. Texts are of a fixed vocabulary: no URL, and no word of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// 2xx.
    Taken,
    /// Refused for good: any other answer but 5xx, or nowhere to go.
    Refused(String),
    /// It may work later.
    Later(String),
}

/// Posts deliveries.
pub struct Courier {
    client: reqwest::Client,
    development: bool,
}

impl Courier {
    /// A courier that waits for an answer for so long. `development` lets it go to this machine, by http as well.
    pub fn new(
        resolver: Arc<dyn Resolver>,
        timeout: Duration,
        development: bool,
    ) -> Result<Self, CourierError> {
        let client = reqwest::Client::builder()
            .user_agent(concat!("vestibule/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .timeout(timeout)
            .pool_max_idle_per_host(4)
            .pool_idle_timeout(Duration::from_secs(30))
            .dns_resolver(Arc::new(Gate { resolver, development }))
            .build()
            .map_err(|error| CourierError(error.to_string()))?;
        Ok(Self { client, development })
    }

    /// Posts one delivery, signed with the key that signs at `now`. `wall` is what receivers compare their clocks with.
    pub(super) async fn post(
        &self,
        to: &Addressee<'_>,
        delivery: &WebhookDelivery,
        payload: DeliveryPayload,
        keys: &KeySet,
        (now, wall): (Millis, Millis),
    ) -> Answer {
        let Ok(destination) = Destination::parse(to.url) else {
            return Answer::Refused("the URL is none".into());
        };
        // A name is judged when it is looked up; an address is never looked up.
        let open = match destination.address() {
            Some(address) => destination.may_lead_to(&[address], self.development),
            None => !destination.is_plain() || self.development,
        };
        if !open {
            return Answer::Refused("the host is not public".into());
        }
        let headers = headers(to.signed.then_some(keys), delivery, &payload, (now, wall));
        let request = self.client.post(destination.as_str()).headers(headers).body(payload.body);
        match request.send().await {
            Ok(response) => {
                let answer = judge(response.status());
                let _ = tokio::time::timeout(READING, discard(response)).await;
                answer
            }
            Err(error) => classify(&error),
        }
    }
}

/// The headers of protocol 02, section 4. Without keys those of the signature are left out.
fn headers(
    keys: Option<&KeySet>,
    delivery: &WebhookDelivery,
    payload: &DeliveryPayload,
    (now, wall): (Millis, Millis),
) -> HeaderMap {
    let event_id = event_id(delivery.event_id);
    let mut headers = HeaderMap::new();
    let mut put = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    put("x-turnkey-organization-id", &payload.organization_id.to_string());
    put("x-turnkey-event-type", &payload.event_type);
    put("x-turnkey-timestamp", &wall.to_string());
    put("x-turnkey-webhook-version", "1");
    put("x-turnkey-event-id", &event_id);
    if let Some(keys) = keys {
        let (key_id, key) = keys.webhook_signer(now);
        put("x-turnkey-signature-key-id", key_id);
        put("x-turnkey-signature-algorithm", webhook::ALGORITHM);
        put("x-turnkey-signature-version", webhook::VERSION);
        put("x-turnkey-signature", &key.sign(key_id, wall, &event_id, &payload.body));
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers
}

fn judge(status: StatusCode) -> Answer {
    let text = || format!("the endpoint answered {}", status.as_u16());
    if status.is_success() {
        Answer::Taken
    } else if status.is_server_error() {
        Answer::Later(text())
    } else {
        Answer::Refused(text())
    }
}

async fn discard(mut response: reqwest::Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read > READ_OF_ANSWERS {
            return;
        }
    }
}

/// The error's own text has the URL, which may have a secret in it.
fn classify(error: &reqwest::Error) -> Answer {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<NotPublic>() {
            return Answer::Refused("the host is not public".into());
        }
        cause = error.source();
    }
    if error.is_timeout() {
        return Answer::Later("the endpoint did not answer in time".into());
    }
    Answer::Later(match Cause::of(error) {
        Some(cause) => cause.text("the endpoint"),
        None if error.is_connect() => "the connection to the endpoint failed".into(),
        None => "the request to the endpoint failed".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart_by_whether_another_try_helps() {
        for (status, expected) in [
            (200, "taken"),
            (201, "taken"),
            (204, "taken"),
            (299, "taken"),
            (301, "refused"),
            (302, "refused"),
            (304, "refused"),
            (307, "refused"),
            (400, "refused"),
            (401, "refused"),
            (404, "refused"),
            (408, "refused"),
            (410, "refused"),
            (429, "refused"),
            (500, "later"),
            (502, "later"),
            (503, "later"),
            (504, "later"),
            (599, "later"),
        ] {
            let found = match judge(StatusCode::from_u16(status).unwrap()) {
                Answer::Taken => "taken",
                Answer::Refused(_) => "refused",
                Answer::Later(_) => "later",
            };
            assert_eq!(found, expected, "{status}");
        }
    }
}
