//! Whether a webhook leads somewhere that anybody could reach: checked when it is set, and again with each connection by
//! whoever makes it.

use std::net::IpAddr;

use async_trait::async_trait;
use vestibule_wire::{Intent, Refusal};

use crate::engine::Engine;

/// Looks up names of hosts.
#[async_trait]
pub trait Resolver: Send + Sync {
    /// All addresses of a host; none where it has none, or none are known now.
    async fn addresses(&self, host: &str) -> Vec<IpAddr>;
}

/// Knows no name: without a resolver only addresses are taken.
pub(crate) struct NoNames;

#[async_trait]
impl Resolver for NoNames {
    async fn addresses(&self, _: &str) -> Vec<IpAddr> {
        Vec::new()
    }
}

impl Engine {
    /// Why an activity that is allowed cannot be carried out: it sets a webhook that leads to this machine, to a private
    /// network, or nowhere. What is said is the same for all of these, so that nobody learns which names there are inside.
    pub(crate) async fn stray(&self, intent: &Intent) -> Option<Refusal> {
        let destination = match intent {
            Intent::CreateWebhookEndpoint(endpoint) => Some(&endpoint.url),
            Intent::UpdateWebhookEndpoint(endpoint) => endpoint.url.as_ref(),
            Intent::SetOrganizationFeature(feature) => feature.webhook.as_ref(),
            _ => None,
        }?;
        let addresses = match (destination.address(), destination.name()) {
            (Some(address), _) => vec![address],
            (None, Some(name)) => self.resolver.addresses(name).await,
            (None, None) => Vec::new(),
        };
        let allowed = destination.may_lead_to(&addresses, self.settings.loopback_webhooks);
        (!allowed).then_some(Refusal::InvalidField("url does not lead to a public address"))
    }

    /// Looks up the hosts of webhooks with this.
    #[must_use]
    pub fn with_resolver(mut self, resolver: std::sync::Arc<dyn Resolver>) -> Self {
        self.resolver = resolver;
        self
    }
}
