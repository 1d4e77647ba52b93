//! One line for each path.

/// What a path is for.
pub(super) fn of(name: &str) -> &'static str {
    match name {
        "init_otp" => "Send a one-time password",
        "verify_otp" => "Exchange a one-time password for a verification token",
        "otp_login" => "Start a session with a verification token",
        "init_otp_auth" => "Send a one-time password to a user",
        "otp_auth" => "Exchange a one-time password for an API key",
        "email_auth" => "Send a user an API key by e-mail",
        "init_user_email_recovery" => "Send a user a recovery key by e-mail",
        "recover_user" => "Add a passkey with a recovery key",
        "stamp_login" => "Start a session with a credential",
        "create_read_write_session" => "Make a session key for a user",
        "create_read_only_session" => "Start a session that only asks",
        "create_sub_organization" => "Make a sub-organization",
        "delete_sub_organization" => "Delete a sub-organization and all that is in it",
        "update_organization_name" => "Rename the organization",
        "set_organization_feature" => "Switch a feature on, or change its value",
        "remove_organization_feature" => "Switch a feature off",
        "update_root_quorum" => "Change who decides everything",
        "create_users" => "Make users",
        "create_api_only_users" => "Make users that have API keys alone",
        "update_user" => "Change a user",
        "update_user_name" => "Rename a user",
        "update_user_email" => "Change or remove a user's e-mail address",
        "update_user_phone_number" => "Change or remove a user's telephone number",
        "delete_users" => "Delete users",
        "create_user_tag" => "Make a tag",
        "update_user_tag" => "Rename a tag, or change who has it",
        "delete_user_tags" => "Delete tags",
        "create_api_keys" => "Add API keys to a user",
        "delete_api_keys" => "Take API keys from a user",
        "create_authenticators" => "Add passkeys to a user",
        "delete_authenticators" => "Take passkeys from a user",
        "create_oauth_providers" => "Add OAuth identities to a user",
        "delete_oauth_providers" => "Take OAuth identities from a user",
        "oauth" | "oauth_login" | "oauth2_authenticate" => "Refused: there are no OAuth logins here",
        "create_policy" => "Make a policy",
        "create_policies" => "Make policies, all or none",
        "update_policy" => "Change a policy",
        "delete_policy" => "Delete a policy",
        "delete_policies" => "Delete policies, all or none",
        "approve_activity" => "Vote for an activity",
        "reject_activity" => "Vote against an activity",
        "create_webhook_endpoint" => "Make a webhook endpoint",
        "update_webhook_endpoint" => "Change a webhook endpoint",
        "delete_webhook_endpoint" => "Delete a webhook endpoint",
        "create_mfa_policy" => "Make an MFA policy",
        "update_mfa_policy" => "Change an MFA policy",
        "delete_mfa_policy" => "Delete an MFA policy",
        "create_session_profile" => "Make a session profile",
        "enable_auth_proxy" => "Switch the auth proxy on",
        "disable_auth_proxy" => "Switch the auth proxy off",
        "update_auth_proxy_config" => "Change the settings of the auth proxy",
        "whoami" => "Who the caller is",
        "get_activity" => "One activity",
        "list_activities" => "Activities, newest first",
        "get_user" => "One user",
        "list_users" => "All users",
        "list_suborgs" => "Ids of sub-organizations",
        "list_verified_suborgs" => "Ids of sub-organizations by a verified contact",
        "get_api_key" => "One API key",
        "get_api_keys" => "API keys of a user, or of all",
        "get_authenticator" => "One passkey",
        "get_authenticators" => "Passkeys of a user",
        "get_oauth_providers" => "OAuth identities of a user, or of all",
        "get_policy" => "One policy",
        "list_policies" => "All policies",
        "get_policy_evaluations" => "What the policies said of an activity",
        "get_organization_configs" => "Features and root quorum",
        "list_user_tags" => "All tags",
        "list_email_events" => "What became of e-mails to an address, newest first",
        "get_session_profile" => "One session profile",
        "get_session_profiles" => "All session profiles",
        "get_mfa_policies" => "MFA policies of a user",
        "get_mfa_policy" => "One MFA policy",
        "get_mfa_status" => "How far the approvers of an activity are",
        "list_webhook_endpoints" => "All webhook endpoints",
        "list_app_proofs" => "Nothing: there are no enclave proofs here",
        "get_auth_proxy_config" => "Settings of the auth proxy",
        "account" => "Whether a contact or credential has an account",
        "otp_init" => "Send a one-time password",
        "otp_init_v2" => "Send a one-time password that comes back encrypted",
        "otp_verify" => "Exchange a one-time password for a verification token",
        "otp_verify_v2" => "Exchange an encrypted one-time password for a verification token",
        "otp_login_v2" => "Start a session with a verification token",
        "signup" | "signup_v2" => "Make an account",
        "wallet_kit_client_params" => "What a client needs before its first call",
        "wallet_kit_config" => "How users of this application log in",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_says_what_it_is_for() {
        let activities = crate::ActivityType::ALL.iter().map(|t| t.path());
        for name in activities
            .chain(crate::query::QUERIES.iter().copied())
            .chain(crate::proxy::ENDPOINTS.iter().copied())
        {
            assert_ne!(of(name), "", "{name}");
        }
    }
}
