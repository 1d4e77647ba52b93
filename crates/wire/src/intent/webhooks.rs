//! Webhook endpoints (protocol 02, section 2c).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::destination::{Destination, MAX_URL};
use crate::schema;
use crate::text::{Label, List, Text};
use crate::view::ActivityStatus;
use crate::{ActivityType, Refusal, WebhookEndpointId};

/// The most subscriptions of an endpoint.
const MAX_SUBSCRIPTIONS: usize = 10;

/// What an endpoint can be told of; the published API's other events concern chains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum WebhookEventType {
    /// `ACTIVITY_UPDATES`: each change of an activity's status.
    #[serde(rename = "ACTIVITY_UPDATES")]
    ActivityUpdates,
    /// `VESTIBULE_ABUSE_ALERT`: a limit or guard against abuse did something. Not in the published API.
    #[serde(rename = "VESTIBULE_ABUSE_ALERT")]
    AbuseAlert,
}

impl WebhookEventType {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ActivityUpdates => "ACTIVITY_UPDATES",
            Self::AbuseAlert => "VESTIBULE_ABUSE_ALERT",
        }
    }
}

wire_struct! {
    /// `WebhookSubscriptionParams`
    #[derive(PartialEq, Eq)]
    WebhookSubscriptionParams {
        /// What it is told of.
        event_type: WebhookEventType,
    } optional {
        /// Text of a JSON object; for `ACTIVITY_UPDATES` it may have `activityTypes` and `statuses`, lists of which an activity
        /// must match one entry each.
        #[schemars(with = "Option<schema::WebhookFilters>")]
        filters_json: Text<1024>,
        /// Default true.
        is_active: bool,
    }
}

/// What `filtersJson` says. No published source describes it; what we do not know is refused, so that nobody relies on
/// a filter that does nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Filters {
    #[serde(default)]
    activity_types: Option<Vec<String>>,
    #[serde(default)]
    statuses: Option<Vec<ActivityStatus>>,
}

impl WebhookSubscriptionParams {
    fn filters(&self) -> Option<Filters> {
        match &self.filters_json {
            None => Some(Filters::default()),
            // A list would pass for a struct.
            Some(text) => serde_json::from_str::<Map<String, Value>>(text)
                .and_then(|members| serde_json::from_value(Value::Object(members)))
                .ok(),
        }
    }

    fn check(&self) -> Result<(), Refusal> {
        let Some(Filters { activity_types, statuses }) = self.filters() else {
            return Err(Refusal::InvalidField(
                "filtersJson is no JSON object with activityTypes and statuses, or with neither",
            ));
        };
        if self.event_type != WebhookEventType::ActivityUpdates
            && (activity_types.is_some() || statuses.is_some())
        {
            return Err(Refusal::InvalidField("filtersJson is for activities, and this event is none"));
        }
        let empty =
            activity_types.as_ref().is_some_and(Vec::is_empty) || statuses.is_some_and(|s| s.is_empty());
        let unknown = activity_types.iter().flatten().any(|name| ActivityType::from_name(name).is_none());
        match (empty, unknown) {
            (true, _) => {
                Err(Refusal::InvalidField("a list of filtersJson is empty and would let nothing through"))
            }
            (_, true) => {
                Err(Refusal::InvalidField("activityTypes of filtersJson has a type that does not exist"))
            }
            (false, false) => Ok(()),
        }
    }

    /// Whether it wants events of this type; `activity` is the type and status of the activity where the event is about one.
    pub fn wants(&self, event_type: WebhookEventType, activity: Option<(&str, ActivityStatus)>) -> bool {
        if self.event_type != event_type || self.is_active == Some(false) {
            return false;
        }
        let (Some(Filters { activity_types, statuses }), Some((name, status))) = (self.filters(), activity)
        else {
            return activity.is_none();
        };
        activity_types.is_none_or(|types| types.iter().any(|t| t == name))
            && statuses.is_none_or(|statuses| statuses.contains(&status))
    }
}

wire_struct! {
    /// `CreateWebhookEndpointIntent`
    CreateWebhookEndpointIntent {
        /// https URL whose host is public.
        #[schemars(with = "schema::HttpsUrl")]
        url: Text<MAX_URL>,
        /// Label.
        name: Label,
    } optional {
        /// What it is told of, ten at most; absent: nothing.
        subscriptions: List<WebhookSubscriptionParams>,
    }
}

/// An endpoint to be made.
#[derive(Debug, Clone)]
pub struct CreateWebhookEndpoint {
    /// Where it is.
    pub url: Destination,
    /// Label.
    pub name: String,
    /// May be empty.
    pub subscriptions: Vec<WebhookSubscriptionParams>,
}

impl TryFrom<CreateWebhookEndpointIntent> for CreateWebhookEndpoint {
    type Error = Refusal;

    fn try_from(i: CreateWebhookEndpointIntent) -> Result<Self, Refusal> {
        let subscriptions = i.subscriptions.map(List::into_vec).unwrap_or_default();
        if subscriptions.len() > MAX_SUBSCRIPTIONS {
            return Err(Refusal::InvalidField("subscriptions has more than 10 entries"));
        }
        subscriptions.iter().try_for_each(WebhookSubscriptionParams::check)?;
        Ok(Self { url: Destination::parse(&i.url)?, name: i.name.into(), subscriptions })
    }
}

wire_struct! {
    /// `UpdateWebhookEndpointIntent`: absent members stay as they are.
    UpdateWebhookEndpointIntent {
        /// The endpoint.
        endpoint_id: WebhookEndpointId,
    } optional {
        /// https URL whose host is public.
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
    pub url: Option<Destination>,
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
            url: i.url.map(|text| Destination::parse(&text)).transpose()?,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription(filters: Option<&str>) -> WebhookSubscriptionParams {
        let mut members = serde_json::json!({ "eventType": "ACTIVITY_UPDATES" });
        if let Some(text) = filters {
            members["filtersJson"] = text.into();
        }
        serde_json::from_value(members).expect("a subscription")
    }

    #[test]
    fn a_filter_lets_through_what_it_names() {
        use ActivityStatus::{Completed, ConsensusNeeded};
        let (login, otp) = ("ACTIVITY_TYPE_OTP_LOGIN_V2", "ACTIVITY_TYPE_INIT_OTP_V3");
        for (filters, wanted) in [
            (None, [true, true, true]),
            (Some("{}"), [true, true, true]),
            (Some(r#"{"activityTypes":["ACTIVITY_TYPE_OTP_LOGIN_V2"]}"#), [true, true, false]),
            (Some(r#"{"statuses":["ACTIVITY_STATUS_COMPLETED"]}"#), [true, false, true]),
            (
                Some(
                    r#"{"activityTypes":["ACTIVITY_TYPE_OTP_LOGIN_V2"],"statuses":["ACTIVITY_STATUS_COMPLETED"]}"#,
                ),
                [true, false, false],
            ),
        ] {
            let it = subscription(filters);
            assert_eq!(it.check(), Ok(()), "{filters:?}");
            let about = [(login, Completed), (login, ConsensusNeeded), (otp, Completed)];
            let wants = about.map(|activity| it.wants(WebhookEventType::ActivityUpdates, Some(activity)));
            assert_eq!(wants, wanted, "{filters:?}");
            assert!(!it.wants(WebhookEventType::AbuseAlert, None));
        }
        let off = WebhookSubscriptionParams { is_active: Some(false), ..subscription(None) };
        assert!(!off.wants(WebhookEventType::ActivityUpdates, Some((login, Completed))));
    }

    #[test]
    fn a_filter_that_would_do_nothing_or_let_nothing_through_is_refused() {
        for filters in [
            "no JSON",
            "[]",
            "null",
            r#"{"chain":"solana"}"#,
            r#"{"activityTypes":[]}"#,
            r#"{"statuses":[]}"#,
            r#"{"activityTypes":["ACTIVITY_TYPE_NOTHING"]}"#,
            r#"{"statuses":["COMPLETED"]}"#,
            r#"{"activityTypes":"ACTIVITY_TYPE_INIT_OTP"}"#,
        ] {
            assert!(
                matches!(subscription(Some(filters)).check(), Err(Refusal::InvalidField(_))),
                "{filters}"
            );
        }
        let alerts = |filters: &str| WebhookSubscriptionParams {
            event_type: WebhookEventType::AbuseAlert,
            ..subscription(Some(filters))
        };
        assert_eq!(alerts("{}").check(), Ok(()));
        assert!(alerts(r#"{"statuses":["ACTIVITY_STATUS_FAILED"]}"#).check().is_err());
        assert!(alerts("{}").wants(WebhookEventType::AbuseAlert, None));
    }
}
