//! What the operator does about delivery: routes of an organization, and contacts that are left alone.

use serde::{Deserialize, Serialize};
use vestibule_wire::{Contact, OrganizationId, OtpType, Refusal, UserId};

use crate::engine::{Engine, unavailable};
use crate::limits::send_delay_ms;
use crate::model::{
    ContactKey, ContactLimits, HandedOver, MessageFate, Millis, Routes, StoredRoutes, Suppression,
    is_route_prefix,
};
use crate::store::{CallerKey, ChangeSet, IntentKeys, ReadKeys, Write};

/// Providers in one list, at most.
const MAX_ROUTE: usize = 8;
/// Lists of one organization, at most.
const MAX_PREFIXES: usize = 200;

/// How a contact stands with a parent organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContactStanding {
    /// Why it is left alone, and until when; absent where it is not.
    pub suppressed: Option<Suppression>,
    /// Wrong guesses in a row.
    pub failures: i64,
    /// Until when no code is sent because of them, epoch milliseconds; absent where they delay nothing now.
    pub paused_until_ms: Option<Millis>,
    /// Codes that are neither used, locked nor expired.
    pub live_codes: usize,
    /// When a code sent to it was last used, epoch milliseconds: what makes it known while a prefix is closed; absent: not lately.
    pub last_used_ms: Option<Millis>,
    /// When it was last sent a code or key, epoch milliseconds; absent where it was not lately.
    pub last_send_ms: Option<Millis>,
    /// What became of its last messages, the latest first: those of the last days that a provider took and has a name for.
    pub messages: Vec<SentMessage>,
}

/// A message that a provider took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SentMessage {
    /// When the provider took it, epoch milliseconds.
    pub handed_over_ms: Millis,
    /// The provider, as the configuration names it.
    pub provider: String,
    /// What it calls the message.
    pub provider_message_id: String,
    /// As far as it told.
    pub fate: MessageFate,
}

/// How many messages a standing shows.
const MESSAGES_SHOWN: u32 = 10;

impl Engine {
    /// The routes of a parent.
    pub async fn routes(&self, organization: OrganizationId) -> Result<Routes, Refusal> {
        self.parent(organization).await?;
        Ok(self.stored_routes(organization).await?.routes)
    }

    /// Sets the providers of a parent's messages, in the order in which they are asked: all e-mails, or the SMS to numbers that
    /// begin with `prefix`, which is empty for all.
    pub async fn set_route(
        &self,
        organization: OrganizationId,
        kind: OtpType,
        prefix: &str,
        providers: Vec<String>,
    ) -> Result<Routes, Refusal> {
        self.check_route(kind, prefix, &providers)?;
        self.parent(organization).await?;
        let mut stored = self.stored_routes(organization).await?;
        stored.routes.set(kind, prefix, providers);
        if stored.routes.sms.len() > MAX_PREFIXES {
            return Err(Refusal::InvalidField("an organization has at most 200 routes by prefix"));
        }
        self.put_routes(organization, stored).await
    }

    /// Removes one of a parent's routes: what the configuration says counts again.
    pub async fn clear_route(
        &self,
        organization: OrganizationId,
        kind: OtpType,
        prefix: &str,
    ) -> Result<Routes, Refusal> {
        self.parent(organization).await?;
        let mut stored = self.stored_routes(organization).await?;
        if !stored.routes.set(kind, prefix, Vec::new()) {
            let id = if prefix.is_empty() { kind.as_str() } else { prefix }.to_owned();
            return Err(Refusal::NotFound { kind: "route", id, organization });
        }
        self.put_routes(organization, stored).await
    }

    fn check_route(&self, kind: OtpType, prefix: &str, providers: &[String]) -> Result<(), Refusal> {
        if !is_route_prefix(prefix) || (kind == OtpType::Email && !prefix.is_empty()) {
            return Err(Refusal::InvalidField(
                "a prefix is + and the first 1 to 8 digits of phone numbers, such as +49; routes of e-mail have none",
            ));
        }
        if !(1..=MAX_ROUTE).contains(&providers.len()) {
            return Err(Refusal::InvalidField("a route names 1 to 8 providers"));
        }
        for (position, name) in providers.iter().enumerate() {
            let invalid = |problem| Refusal::InvalidMember { path: format!("provider {name:?}"), problem };
            let known = self.settings.providers.iter().find(|known| known.name == *name);
            let known = known.ok_or_else(|| invalid("the configuration has none of this name"))?;
            let carries = match kind {
                OtpType::Email => known.email,
                OtpType::Sms => known.sms,
            };
            if !carries {
                return Err(invalid("it does not carry messages of this channel"));
            }
            if providers[..position].contains(name) {
                return Err(invalid("the route names it more than once"));
            }
        }
        Ok(())
    }

    async fn stored_routes(&self, organization: OrganizationId) -> Result<StoredRoutes, Refusal> {
        let stored = self.services.store.routes(organization).await;
        Ok(stored.map_err(|error| unavailable(&error))?.unwrap_or_default())
    }

    async fn put_routes(
        &self,
        organization: OrganizationId,
        stored: StoredRoutes,
    ) -> Result<Routes, Refusal> {
        let routes = stored.routes.clone();
        let mut changes = ChangeSet::new();
        changes.push(Write::PutRoutes { organization, stored });
        // Somebody else changed them at the same time.
        self.apply(changes, || Refusal::Unavailable).await?;
        Ok(routes)
    }

    /// How a contact stands with a parent.
    pub async fn contact_standing(
        &self,
        organization: OrganizationId,
        kind: OtpType,
        contact: &str,
    ) -> Result<ContactStanding, Refusal> {
        let contact = ContactKey::of(&Contact::parse(kind, contact)?);
        self.parent(organization).await?;
        let keys = ReadKeys {
            organization,
            caller: CallerKey::User(UserId(uuid::Uuid::nil())),
            fingerprint: None,
            intent: IntentKeys { contact_limits: Some(contact), ..IntentKeys::default() },
        };
        let facts = self.services.store.read(&keys).await.map_err(|error| unavailable(&error))?;
        let ContactLimits { sends, suppression, failures, failed_at, slots, proven_at, reserve: _ } =
            facts.contact_limits;
        let pauses = self.settings.limits.contact_pauses;
        let paused_until = failed_at + send_delay_ms(pauses, failures);
        let sent = self.services.store.handed_over_to(organization, contact, MESSAGES_SHOWN).await;
        let shown = |HandedOver { at, provider, provider_message_id, fate, .. }| SentMessage {
            handed_over_ms: at,
            provider,
            provider_message_id,
            fate,
        };
        Ok(ContactStanding {
            suppressed: suppression.filter(|suppression| suppression.until > facts.now),
            failures,
            paused_until_ms: Some(paused_until).filter(|until| *until > facts.now),
            live_codes: slots.iter().filter(|slot| slot.until > facts.now).count(),
            last_used_ms: Some(proven_at).filter(|at| *at > 0),
            last_send_ms: sends.last().copied().filter(|at| *at > 0),
            messages: sent.map_err(|error| unavailable(&error))?.into_iter().map(shown).collect(),
        })
    }

    /// Sends messages to a contact again that was left alone.
    pub async fn lift_suppression(
        &self,
        organization: OrganizationId,
        kind: OtpType,
        contact: &str,
    ) -> Result<(), Refusal> {
        let contact = Contact::parse(kind, contact)?;
        self.parent(organization).await?;
        let mut changes = ChangeSet::new();
        changes.push(Write::LiftSuppression { tenant: organization, contact: ContactKey::of(&contact) });
        let id = contact.given().to_owned();
        self.apply(changes, || Refusal::NotFound { kind: "suppressed contact", id, organization }).await
    }
}
