//! Bodies of queries, flat (protocol 03, section 2).

use serde::{Deserialize, Deserializer, Serialize};

use crate::intent::wire_struct;
use crate::schema;
use crate::view::{ActivityStatus, EmailEventType};
use crate::{
    ActivityId, ApiKeyId, AuthenticatorId, DecimalText, MfaPolicyId, OrganizationId, PolicyId,
    SessionProfileId, UserId,
};

wire_struct! {
    /// `Pagination`
    #[schemars(extend("not" = { "required": ["before", "after"] }))]
    Pagination {} optional {
        /// 1 to 100; default 10.
        #[schemars(with = "Option<schema::PageSize>")]
        limit: DecimalText,
        /// Only what comes before this id in list order.
        #[schemars(with = "Option<schema::Id>")]
        before: String,
        /// Only what comes behind this id in list order; not together with `before`.
        #[schemars(with = "Option<schema::Id>")]
        after: String,
    }
}

macro_rules! requests {
    ($($(#[$doc:meta])* $name:ident { $($(#[$meta:meta])* $field:ident: $ty:ty,)* }
        optional { $($(#[$opt_meta:meta])* $opt_field:ident: $opt_ty:ty,)* })*) => {
        $(
            wire_struct! {
                $(#[$doc])*
                $name {
                    /// The organization asked about.
                    organization_id: OrganizationId,
                    $($(#[$meta])* $field: $ty,)*
                } optional {
                    $($(#[$opt_meta])* $opt_field: $opt_ty,)*
                }
            }
        )*
    };
}

requests! {
    /// A query about the organization as a whole.
    OrganizationRequest {} optional {}

    /// A query about one activity.
    ActivityRequest {
        /// The activity.
        activity_id: ActivityId,
    } optional {}

    /// A query about one user.
    UserRequest {
        /// The user.
        user_id: UserId,
    } optional {}

    /// A query about one user, or about all.
    UsersRequest {} optional {
        /// The user; absent: all of the organization.
        user_id: UserId,
    }

    /// `GetActivitiesRequest`
    ListActivitiesRequest {} optional {
        /// Keeps these; absent or empty: all.
        filter_by_status: Vec<ActivityStatus>,
        /// Keeps these types, by their full names; absent or empty: all.
        #[schemars(with = "Option<Vec<schema::ActivityTypeName>>")]
        filter_by_type: Vec<String>,
        /// Which page.
        pagination_options: Pagination,
    }

    /// `GetSubOrgIdsRequest` and `GetVerifiedSubOrgIdsRequest`
    #[schemars(extend("dependentRequired" = { "filterType": ["filterValue"], "filterValue": ["filterType"] }))]
    ListSuborgsRequest {} optional {
        /// What they are looked up by; not without `filterValue`.
        #[schemars(with = "Option<schema::FilterType>")]
        filter_type: String,
        /// What to look for, exactly.
        filter_value: String,
        /// Which page.
        pagination_options: Pagination,
    }

    /// `GetApiKeyRequest`
    GetApiKeyRequest {
        /// The key.
        api_key_id: ApiKeyId,
    } optional {}

    /// `GetAuthenticatorRequest`
    GetAuthenticatorRequest {
        /// The passkey: its id, or a list of that one id, which older clients send.
        #[serde(deserialize_with = "one")]
        authenticator_id: AuthenticatorId,
    } optional {}

    /// `GetPolicyRequest`
    GetPolicyRequest {
        /// The policy.
        policy_id: PolicyId,
    } optional {}

    /// `ListEmailEventsRequest`
    ListEmailEventsRequest {
        /// The recipient.
        #[schemars(with = "schema::Email")]
        email: String,
    } optional {
        /// Keeps these; absent: all.
        event_type: EmailEventType,
        /// Which page.
        pagination_options: Pagination,
    }

    /// `GetSessionProfileRequest`
    GetSessionProfileRequest {
        /// A profile of the organization or its parent.
        session_profile_id: SessionProfileId,
    } optional {}

    /// `GetMfaPolicyRequest`
    GetMfaPolicyRequest {
        /// The user it is for.
        user_id: UserId,
        /// The policy.
        mfa_policy_id: MfaPolicyId,
    } optional {}

    /// `GetMfaStatusRequest`
    GetMfaStatusRequest {
        /// The activity that waits.
        activity_id: ActivityId,
    } optional {
        /// The user; absent: everybody who approved it.
        user_id: UserId,
    }
}

/// Reads an id, or a list of one id.
fn one<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct One<T>(std::marker::PhantomData<T>);
    impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for One<T> {
        type Value = T;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an id or a list of one id")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            T::deserialize(serde::de::value::StrDeserializer::new(text))
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<T, A::Error> {
            let only = items.next_element()?.ok_or_else(|| serde::de::Error::invalid_length(0, &self))?;
            match items.next_element::<serde::de::IgnoredAny>()? {
                None => Ok(only),
                Some(_) => Err(serde::de::Error::invalid_length(2, &self)),
            }
        }
    }
    deserializer.deserialize_any(One(std::marker::PhantomData))
}
