//! Identifiers as they travel: UUID text, lower case, 8-4-4-4-12 (protocol 00, section 1).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

/// What is said of a text that is no id.
pub(crate) const NOT_A_UUID: &str = "not a UUID";

/// The text is not a UUID in the 8-4-4-4-12 form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MalformedId;

impl fmt::Display for MalformedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NOT_A_UUID)
    }
}

impl std::error::Error for MalformedId {}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// The 16 bytes that stores keep.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// Rebuilds the id from its 16 stored bytes.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = MalformedId;

            /// Accepts the hyphenated form only, in either case.
            fn from_str(text: &str) -> Result<Self, MalformedId> {
                parse_hyphenated(text).map(Self)
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                crate::schema::Id::json_schema(generator)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

fn parse_hyphenated(text: &str) -> Result<Uuid, MalformedId> {
    if text.len() != 36 {
        return Err(MalformedId);
    }
    Uuid::try_parse(text).map_err(|_| MalformedId)
}

id!(
    /// A parent organization (tenant) or a sub-organization (end user).
    OrganizationId
);
id!(
    /// A user within one organization.
    UserId
);
id!(
    /// One activity.
    ActivityId
);
id!(
    /// One OTP attempt.
    OtpId
);
id!(
    /// One API key, session keys included.
    ApiKeyId
);
id!(
    /// One passkey.
    AuthenticatorId
);
id!(
    /// One verification token (its `id` claim).
    TokenId
);
id!(
    /// One auth proxy configuration; clients send it as `X-Auth-Proxy-Config-Id`.
    ProxyConfigId
);
id!(
    /// One stored message template.
    TemplateId
);
id!(
    /// One vote on an activity.
    VoteId
);
id!(
    /// One message in the outbox.
    MessageId
);
id!(
    /// One policy.
    PolicyId
);
id!(
    /// One user tag.
    TagId
);
id!(
    /// One session profile.
    SessionProfileId
);
id!(
    /// One MFA policy.
    MfaPolicyId
);
id!(
    /// One OAuth identity of a user.
    OauthProviderId
);
id!(
    /// One webhook endpoint.
    WebhookEndpointId
);
id!(
    /// One record of what became of an e-mail.
    EmailEventId
);
id!(
    /// What a policy set said of one vote.
    PolicyEvaluationId
);
id!(
    /// What an MFA method is narrowed to: an API key, a passkey, an OAuth identity or a session profile.
    MethodId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hyphenated_form_is_an_id() {
        let text = "7ff189fb-df7d-452e-8540-57632e380b77";
        assert_eq!(text.parse::<OrganizationId>().map(|id| id.to_string()), Ok(text.to_owned()));
        assert_eq!(
            text.to_uppercase().parse::<OrganizationId>().map(|id| id.to_string()),
            Ok(text.to_owned())
        );
        for wrong in
            ["", "7ff189fbdf7d452e854057632e380b77", "{7ff189fb-df7d-452e-8540-57632e380b77}", "not-a-uuid"]
        {
            assert_eq!(wrong.parse::<OrganizationId>(), Err(MalformedId), "{wrong}");
        }
    }
}
