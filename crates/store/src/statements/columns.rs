//! The columns of each table in the order in which [`crate::rows`] reads them. The argument is the table's prefix.

macro_rules! prefixed {
    ($t:literal : $first:literal $($rest:literal)*) => {
        concat!($t, $first $(, ", ", $t, $rest)*)
    };
}

macro_rules! organization {
    ($t:literal) => {
        prefixed!($t: "id" "parent_id" "name" "features" "quorum" "webhooks" "suspended_at" "locale" "version" "created_at"
            "updated_at")
    };
}

macro_rules! user {
    ($t:literal) => {
        prefixed!($t: "organization_id" "tenant_id" "id" "name" "email" "phone" "tags" "mfa_policies" "version"
            "created_at" "updated_at")
    };
}

macro_rules! credential {
    ($t:literal) => {
        prefixed!($t: "organization_id" "tenant_id" "user_id" "id" "kind" "name" "lookup" "public_key" "passkey"
            "expiration_seconds" "expires_at" "session_profile_id" "authentication" "oauth" "created_at" "updated_at")
    };
}

macro_rules! otp {
    ($t:literal) => {
        prefixed!($t: "organization_id" "tenant_id" "id" "flavour" "otp_type" "contact" "contact_key" "identifier_key"
            "code_key_id" "code_hash" "user_id" "target_key" "attempts_left" "expires_at" "consumed_at" "created_at")
    };
}

macro_rules! token {
    ($t:literal) => {
        prefixed!($t: "tenant_id" "id" "organization_id" "hash" "legacy" "otp_type" "contact" "contact_key"
            "public_key" "expires_at" "signed_up_at")
    };
}

macro_rules! activity {
    ($t:literal) => {
        prefixed!($t: "organization_id" "tenant_id" "id" "fingerprint" "activity_type" "status" "timestamp_ms"
            "submitter_organization_id" "submitter_user_id" "vote_id" "public_key" "signature" "scheme"
            "created_at" "updated_at" "intent" "result" "sealed" "message" "version" "failure" "deliberation")
    };
}

macro_rules! contact_limits {
    ($t:literal) => {
        prefixed!($t: "send_1" "send_2" "send_3" "reserve_1" "reserve_2" "slot_1_otp" "slot_1_until" "slot_2_otp"
            "slot_2_until" "slot_3_otp" "slot_3_until" "failures" "failed_at" "suppressed_until" "suppressed_for"
            "proven_at")
    };
}

macro_rules! abuse_record {
    ($t:literal) => {
        prefixed!($t: "tenant_id" "hour" "limit_name" "action" "subject" "hits" "first_at" "last_at")
    };
}

macro_rules! message {
    ($t:literal) => {
        prefixed!($t: "id" "organization_id" "tenant_id" "otp_id" "channel" "payload" "attempts" "due_at"
            "expires_at" "created_at")
    };
}

macro_rules! delivery {
    ($t:literal) => {
        prefixed!($t: "id" "organization_id" "tenant_id" "otp_id" "endpoint_id" "payload" "attempts" "due_at" "expires_at"
            "created_at")
    };
}

macro_rules! template {
    ($t:literal) => {
        prefixed!($t: "organization_id" "id" "name" "locale" "subject" "html" "body_text" "sms" "created_at")
    };
}

macro_rules! proxy_config {
    ($t:literal) => {
        prefixed!($t: "organization_id" "id" "user_id" "sealed_key" "settings" "version" "created_at" "updated_at")
    };
}

macro_rules! definition {
    ($t:literal) => {
        prefixed!($t: "organization_id" "kind" "id" "name" "body" "created_at" "updated_at")
    };
}

macro_rules! server_key {
    ($t:literal) => {
        prefixed!($t: "id" "role" "state" "activates_at" "sealed" "created_at" "updated_at" "version")
    };
}

macro_rules! email_event {
    ($t:literal) => {
        prefixed!($t: "id" "organization_id" "tenant_id" "contact_key" "kind" "message_id" "from_address" "to_address"
            "details" "created_at")
    };
}

macro_rules! handed_over {
    ($t:literal) => {
        prefixed!($t: "provider" "provider_message_id" "message_id" "organization_id" "tenant_id" "channel" "contact_key"
            "mail" "handed_at" "told")
    };
}

/// A message that is claimed, with the routes of its tenant.
macro_rules! claimed {
    () => {
        concat!(
            message!(""),
            ", (SELECT r.body FROM delivery_routes r WHERE r.organization_id = outbox.tenant_id)"
        )
    };
}

/// The tenant of the organization in parameter 1, or in the one named.
macro_rules! tenant {
    () => {
        tenant!("$1")
    };
    ($organization:literal) => {
        concat!("(SELECT tenant_id FROM organizations WHERE id = ", $organization, ")")
    };
}
