//! Webhook endpoints (protocol 02, section 2c).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_loopback_http;
use crate::schema;
use crate::text::{Label, List, Text};
use crate::{Refusal, WebhookEndpointId};

/// The most bytes of a URL.
const MAX_URL: usize = 2048;

/// What an endpoint can be told of; the published API's other events concern chains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum WebhookEventType {
    /// `ACTIVITY_UPDATES`: each change of an activity's status.
    #[serde(rename = "ACTIVITY_UPDATES")]
    ActivityUpdates,
}

wire_struct! {
    /// `WebhookSubscriptionParams`
    #[derive(PartialEq, Eq)]
    WebhookSubscriptionParams {
        /// `ACTIVITY_UPDATES`
        event_type: WebhookEventType,
    } optional {
        /// Text of a JSON object; kept, without effect.
        #[schemars(with = "Option<schema::JsonText>")]
        filters_json: Text<4096>,
        /// Default true.
        is_active: bool,
    }
}

wire_struct! {
    /// `CreateWebhookEndpointIntent`
    CreateWebhookEndpointIntent {
        /// https URL.
        #[schemars(with = "schema::HttpsUrl")]
        url: Text<MAX_URL>,
        /// Label.
        name: Label,
    } optional {
        /// What it is told of; absent: nothing.
        subscriptions: List<WebhookSubscriptionParams>,
    }
}

/// An endpoint to be made.
#[derive(Debug, Clone)]
pub struct CreateWebhookEndpoint {
    /// https, or http to this machine, which only development allows; where it leads, the engine and delivery check.
    pub url: String,
    /// Label.
    pub name: String,
    /// May be empty.
    pub subscriptions: Vec<WebhookSubscriptionParams>,
}

fn url(text: String) -> Result<String, Refusal> {
    let clean = !text.chars().any(|c| c.is_control() || c.is_whitespace());
    let https = text.strip_prefix("https://").is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
    if clean && (https || is_loopback_http(&text)) {
        Ok(text)
    } else {
        Err(Refusal::InvalidField("url is not an https URL"))
    }
}

impl TryFrom<CreateWebhookEndpointIntent> for CreateWebhookEndpoint {
    type Error = Refusal;

    fn try_from(i: CreateWebhookEndpointIntent) -> Result<Self, Refusal> {
        Ok(Self {
            url: url(i.url.into())?,
            name: i.name.into(),
            subscriptions: i.subscriptions.map(List::into_vec).unwrap_or_default(),
        })
    }
}

wire_struct! {
    /// `UpdateWebhookEndpointIntent`: absent members stay as they are.
    UpdateWebhookEndpointIntent {
        /// The endpoint.
        endpoint_id: WebhookEndpointId,
    } optional {
        /// https URL.
        #[schemars(with = "Option<schema::HttpsUrl>")]
        url: Text<MAX_URL>,
        /// Label.
        name: Label,
        /// Whether it is told anything.
        is_active: bool,
    }
}

/// A change of an endpoint; `None` leaves a member as it is.
#[derive(Debug, Clone)]
pub struct UpdateWebhookEndpoint {
    /// The endpoint.
    pub id: WebhookEndpointId,
    /// As in [`CreateWebhookEndpoint`].
    pub url: Option<String>,
    /// Label.
    pub name: Option<String>,
    /// Whether it is told anything.
    pub is_active: Option<bool>,
}

impl TryFrom<UpdateWebhookEndpointIntent> for UpdateWebhookEndpoint {
    type Error = Refusal;

    fn try_from(i: UpdateWebhookEndpointIntent) -> Result<Self, Refusal> {
        Ok(Self {
            id: i.endpoint_id,
            url: i.url.map(|text| url(text.into())).transpose()?,
            name: i.name.map(Into::into),
            is_active: i.is_active,
        })
    }
}

wire_struct! {
    /// `DeleteWebhookEndpointIntent`
    DeleteWebhookEndpointIntent {
        /// The endpoint.
        endpoint_id: WebhookEndpointId,
    } optional {}
}

/// An endpoint to delete.
#[derive(Debug, Clone, Copy)]
pub struct DeleteWebhookEndpoint {
    /// The endpoint.
    pub id: WebhookEndpointId,
}

impl From<DeleteWebhookEndpointIntent> for DeleteWebhookEndpoint {
    fn from(i: DeleteWebhookEndpointIntent) -> Self {
        Self { id: i.endpoint_id }
    }
}
