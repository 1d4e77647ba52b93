//! CREATE_WEBHOOK_ENDPOINT, UPDATE_WEBHOOK_ENDPOINT and DELETE_WEBHOOK_ENDPOINT (protocol 02, section 2c). Where an endpoint
//! leads was checked before this ([`crate::destinations`]).

use serde_json::Value;
use vestibule_wire::{
    Counted, CreateWebhookEndpoint, DeleteWebhookEndpoint, Refusal, UpdateWebhookEndpoint, WebhookEndpointId,
};

use super::{Context, Effect, result};
use crate::limits;
use crate::model::{Organization, WebhookEndpoint};
use crate::store::{ChangeSet, Write};

pub(super) fn create(cx: &Context<'_>, intent: &CreateWebhookEndpoint) -> Result<Effect, Refusal> {
    let mut after = cx.caller.target.clone();
    if after.webhooks.len() >= limits::WEBHOOK_ENDPOINTS {
        return Err(Refusal::TooMany(Counted::WebhookEndpoints));
    }
    let endpoint = WebhookEndpoint {
        id: WebhookEndpointId(cx.id()),
        name: intent.name.clone(),
        url: intent.url.as_str().to_owned(),
        is_active: true,
        subscriptions: intent.subscriptions.clone(),
    };
    after.webhooks.push(endpoint.clone());
    Ok(shown(after, &endpoint))
}

pub(super) fn update(cx: &Context<'_>, intent: &UpdateWebhookEndpoint) -> Result<Effect, Refusal> {
    let mut after = cx.caller.target.clone();
    let found = after.webhooks.iter_mut().find(|endpoint| endpoint.id == intent.id);
    let endpoint = found.ok_or_else(|| missing(cx, intent.id))?;
    let UpdateWebhookEndpoint { id: _, url, name, is_active } = intent;
    if let Some(url) = url {
        url.as_str().clone_into(&mut endpoint.url);
    }
    if let Some(name) = name {
        endpoint.name.clone_from(name);
    }
    if let Some(is_active) = is_active {
        endpoint.is_active = *is_active;
    }
    let endpoint = endpoint.clone();
    Ok(shown(after, &endpoint))
}

pub(super) fn delete(cx: &Context<'_>, intent: &DeleteWebhookEndpoint) -> Result<Effect, Refusal> {
    let mut after = cx.caller.target.clone();
    let before = after.webhooks.len();
    after.webhooks.retain(|endpoint| endpoint.id != intent.id);
    if after.webhooks.len() == before {
        return Err(missing(cx, intent.id));
    }
    Ok(Effect { result: result! { "endpointId": intent.id.to_string() }, changes: store(after) })
}

fn missing(cx: &Context<'_>, id: WebhookEndpointId) -> Refusal {
    Refusal::NotFound { kind: "webhook endpoint", id: id.to_string(), organization: cx.caller.target.id }
}

/// The organization's version is the guard, so that limits hold of what was read.
fn store(after: Organization) -> ChangeSet {
    ChangeSet { writes: vec![Write::UpdateOrganization(Box::new(after))] }
}

fn shown(after: Organization, endpoint: &WebhookEndpoint) -> Effect {
    // Texts, flags and lists of them.
    let data = serde_json::to_value(endpoint.view(after.id)).unwrap_or(Value::Null);
    let result = result! { "endpointId": endpoint.id.to_string(), "webhookEndpoint": data };
    Effect { result, changes: store(after) }
}
