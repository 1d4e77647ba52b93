//! Every statement the stores run, by name.
//!
//! Promise: parameter `i` of a text is `$i`, and the parameters of a text appear in that order. SQLite numbers the
//! *names* `$1`, `$2`, … by first appearance, PostgreSQL by their digits; a test holds the two together.

mod delivery;
mod keys;
mod lists;
mod reads;
mod upkeep;
mod webhooks;
mod writes;

use crate::dialect::{self, Dialect, Pair};

/// Where a statement's text is the same in both dialects.
const fn same(text: &'static str) -> Pair {
    Pair { sqlite: text, postgres: text }
}

/// The greatest number after a `$`. Texts number their parameters without gaps; a test holds them to that.
fn parameters(text: &str) -> usize {
    let numbers = text.split('$').skip(1).filter_map(|part| {
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part[..end].parse().ok()
    });
    numbers.max().unwrap_or(0)
}

macro_rules! statements {
    ($($variant:ident $name:literal => $pair:expr;)*) => {
        /// A statement of the catalogue. The variants are named after what they do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs)]
        pub enum Statement {
            $($variant,)*
        }

        impl Statement {
            /// The whole catalogue.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name in traces.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// How many parameters it takes.
            pub fn parameters(self) -> usize {
                parameters(self.text(Dialect::Postgres))
            }

            /// The text in a dialect.
            pub fn text(self, dialect: Dialect) -> &'static str {
                let pair: Pair = match self { $(Self::$variant => $pair,)* };
                match dialect {
                    Dialect::Sqlite => pair.sqlite,
                    Dialect::Postgres => pair.postgres,
                }
            }
        }
    };
}

statements! {
    OrganizationAndParent "organization_and_parent" => same(reads::ORGANIZATION_AND_PARENT);
    CallersByCredential "callers_by_credential" => same(reads::CALLERS_BY_CREDENTIAL);
    CallersByContact "callers_by_contact" => same(reads::CALLERS_BY_CONTACT);
    CallersByUser "callers_by_user" => same(reads::CALLERS_BY_USER);
    User "user" => same(reads::USER);
    ActivityByFingerprint "activity_by_fingerprint" => same(reads::ACTIVITY_BY_FINGERPRINT);
    SubmitterByFingerprint "submitter_by_fingerprint" => same(reads::SUBMITTER_BY_FINGERPRINT);
    Otp "otp" => same(reads::OTP);
    RefusedGuess "refused_guess" => same(reads::REFUSED_GUESS);
    ContactLimits "contact_limits" => same(reads::CONTACT_LIMITS);
    IdentifierLimits "identifier_limits" => same(reads::IDENTIFIER_LIMITS);
    LimitCounters "limit_counters" => same(reads::LIMIT_COUNTERS);
    TrustedIdentifier "trusted_identifier" => same(reads::TRUSTED_IDENTIFIER);
    Token "token" => same(reads::TOKEN);
    ContactInTarget "contact_in_target" => same(reads::CONTACT_IN_TARGET);
    VerifiedContact "verified_contact" => same(reads::VERIFIED_CONTACT);
    ExistingCredential "existing_credential" => same(reads::EXISTING_CREDENTIAL);
    TenantTemplate "tenant_template" => same(reads::TENANT_TEMPLATE);
    TemplateOffers "template_offers" => same(reads::TEMPLATE_OFFERS);
    ProxyConfigOf "proxy_config_of" => same(reads::PROXY_CONFIG_OF);
    TenantDefinition "tenant_definition" => same(reads::TENANT_DEFINITION);
    Organization "organization" => same(lists::ORGANIZATION);
    Parents "parents" => same(lists::PARENTS);
    Users "users" => same(lists::USERS);
    Activity "activity" => same(lists::ACTIVITY);
    TenantActivity "tenant_activity" => same(lists::TENANT_ACTIVITY);
    ProxyConfig "proxy_config" => same(lists::PROXY_CONFIG);
    Template "template" => same(lists::TEMPLATE);
    Templates "templates" => same(lists::TEMPLATES);
    Definitions "definitions" => same(lists::DEFINITIONS);
    Definition "definition" => same(lists::DEFINITION);
    AbuseRecords "abuse_records" => same(lists::ABUSE_RECORDS);
    Meta "meta" => same(lists::META);
    SubsAfter "subs_after" => same(lists::SUBS_AFTER);
    SubsBefore "subs_before" => same(lists::SUBS_BEFORE);
    SubsByNameAfter "subs_by_name_after" => same(lists::SUBS_BY_NAME_AFTER);
    SubsByNameBefore "subs_by_name_before" => same(lists::SUBS_BY_NAME_BEFORE);
    SubsByUsernameAfter "subs_by_username_after" => same(lists::SUBS_BY_USERNAME_AFTER);
    SubsByUsernameBefore "subs_by_username_before" => same(lists::SUBS_BY_USERNAME_BEFORE);
    SubsByCredentialAfter "subs_by_credential_after" => same(lists::SUBS_BY_CREDENTIAL_AFTER);
    SubsByCredentialBefore "subs_by_credential_before" => same(lists::SUBS_BY_CREDENTIAL_BEFORE);
    SubsByContactAfter "subs_by_contact_after" => same(lists::SUBS_BY_CONTACT_AFTER);
    SubsByContactBefore "subs_by_contact_before" => same(lists::SUBS_BY_CONTACT_BEFORE);
    SubsByVerifiedAfter "subs_by_verified_after" => same(lists::SUBS_BY_VERIFIED_AFTER);
    SubsByVerifiedBefore "subs_by_verified_before" => same(lists::SUBS_BY_VERIFIED_BEFORE);
    SubsAnyVerifiedAfter "subs_any_verified_after" => same(lists::SUBS_ANY_VERIFIED_AFTER);
    SubsAnyVerifiedBefore "subs_any_verified_before" => same(lists::SUBS_ANY_VERIFIED_BEFORE);
    EmailEventsAfter "email_events_after" => same(lists::EMAIL_EVENTS_AFTER);
    EmailEventsBefore "email_events_before" => same(lists::EMAIL_EVENTS_BEFORE);
    InsertActivity "insert_activity" => same(writes::INSERT_ACTIVITY);
    UpdateActivity "update_activity" => same(writes::UPDATE_ACTIVITY);
    LiveCredential "live_credential" => same(writes::LIVE_CREDENTIAL);
    RememberRefusedGuess "remember_refused_guess" => same(writes::REMEMBER_REFUSED_GUESS);
    TakeSend1 "take_send_1" => same(writes::TAKE_SEND_1);
    TakeSend2 "take_send_2" => same(writes::TAKE_SEND_2);
    TakeSend3 "take_send_3" => same(writes::TAKE_SEND_3);
    TakeReserve1 "take_reserve_1" => same(writes::TAKE_RESERVE_1);
    TakeReserve2 "take_reserve_2" => same(writes::TAKE_RESERVE_2);
    TakeReserve3 "take_reserve_3" => same(writes::TAKE_RESERVE_3);
    TakeMail "take_mail" => same(writes::TAKE_MAIL);
    TakeIdentifierSend "take_identifier_send" => same(writes::TAKE_IDENTIFIER_SEND);
    Count "count" => same(writes::COUNT);
    Fill "fill" => same(writes::FILL);
    CreditVerified "credit_verified" => same(writes::CREDIT_VERIFIED);
    InsertAbuse "insert_abuse" => same(writes::INSERT_ABUSE);
    AddAbuse "add_abuse" => same(writes::ADD_ABUSE);
    InsertOtp "insert_otp" => same(writes::INSERT_OTP);
    SpendAttempt "spend_attempt" => same(writes::SPEND_ATTEMPT);
    ConsumeOtp "consume_otp" => same(writes::CONSUME_OTP);
    RetireOtp "retire_otp" => same(writes::RETIRE_OTP);
    CountFailure "count_failure" => same(writes::COUNT_FAILURE);
    ClearFailures "clear_failures" => same(writes::CLEAR_FAILURES);
    ClearOwnFailures "clear_own_failures" => same(writes::CLEAR_OWN_FAILURES);
    TrustIdentifier "trust_identifier" => same(writes::TRUST_IDENTIFIER);
    Enqueue "enqueue" => same(writes::ENQUEUE);
    InsertToken "insert_token" => same(writes::INSERT_TOKEN);
    UseTokenForSignup "use_token_for_signup" => same(writes::USE_TOKEN_FOR_SIGNUP);
    InsertOrganization "insert_organization" => same(writes::INSERT_ORGANIZATION);
    InsertUser "insert_user" => same(writes::INSERT_USER);
    InsertContact "insert_contact" => same(writes::INSERT_CONTACT);
    ClaimContact "claim_contact" => same(writes::CLAIM_CONTACT);
    KeepClaim "keep_claim" => same(writes::KEEP_CLAIM);
    VerifyContact "verify_contact" => same(writes::VERIFY_CONTACT);
    InsertCredential "insert_credential" => same(writes::INSERT_CREDENTIAL);
    PutSessionKey "put_session_key" => same(writes::PUT_SESSION_KEY);
    DeleteCredentialsOfType "delete_credentials_of_type" => same(writes::DELETE_CREDENTIALS_OF_TYPE);
    TrimExpiringKeys "trim_expiring_keys" => same(writes::TRIM_EXPIRING_KEYS);
    DeleteCredential "delete_credential" => same(writes::DELETE_CREDENTIAL);
    HoldUser "hold_user" => dialect::HOLD_USER;
    TouchUser "touch_user" => same(writes::TOUCH_USER);
    UpdateUser "update_user" => same(writes::UPDATE_USER);
    HoldClaim "hold_claim" => dialect::HOLD_CLAIM;
    ReleaseClaim "release_claim" => same(writes::RELEASE_CLAIM);
    DeleteContact "delete_contact" => same(writes::DELETE_CONTACT);
    DeleteUser "delete_user" => same(writes::DELETE_USER);
    DeleteCredentialsOfUser "delete_credentials_of_user" => same(writes::DELETE_CREDENTIALS_OF_USER);
    HoldClaimsOfUser "hold_claims_of_user" => dialect::HOLD_CLAIMS_OF_USER;
    ReleaseClaimsOfUser "release_claims_of_user" => same(writes::RELEASE_CLAIMS_OF_USER);
    DeleteContactsOfUser "delete_contacts_of_user" => same(writes::DELETE_CONTACTS_OF_USER);
    UpdateOrganization "update_organization" => same(writes::UPDATE_ORGANIZATION);
    DeleteOrganization "delete_organization" => same(writes::DELETE_ORGANIZATION);
    DeleteUsers "delete_users" => same(writes::DELETE_USERS);
    DeleteCredentials "delete_credentials" => same(writes::DELETE_CREDENTIALS);
    HoldClaims "hold_claims" => dialect::HOLD_CLAIMS;
    ReleaseClaims "release_claims" => same(writes::RELEASE_CLAIMS);
    DeleteContacts "delete_contacts" => same(writes::DELETE_CONTACTS);
    DeleteDefinitions "delete_definitions" => same(writes::DELETE_DEFINITIONS);
    PutDefinition "put_definition" => same(writes::PUT_DEFINITION);
    DeleteDefinition "delete_definition" => same(writes::DELETE_DEFINITION);
    SetSuspended "set_suspended" => same(writes::SET_SUSPENDED);
    SetLocale "set_locale" => same(writes::SET_LOCALE);
    InsertProxyConfig "insert_proxy_config" => same(writes::INSERT_PROXY_CONFIG);
    UpdateProxyConfig "update_proxy_config" => same(writes::UPDATE_PROXY_CONFIG);
    DeleteProxyConfig "delete_proxy_config" => same(writes::DELETE_PROXY_CONFIG);
    InsertTemplate "insert_template" => same(writes::INSERT_TEMPLATE);
    DeleteTemplate "delete_template" => same(writes::DELETE_TEMPLATE);
    FailExpiredMessages "fail_expired_messages" => same(upkeep::FAIL_EXPIRED_MESSAGES);
    NextMessageDue "next_message_due" => same(upkeep::NEXT_MESSAGE_DUE);
    SettleMessage "settle_message" => same(upkeep::SETTLE_MESSAGE);
    RetryMessage "retry_message" => same(upkeep::RETRY_MESSAGE);
    InsertEmailEvent "insert_email_event" => dialect::INSERT_EMAIL_EVENT;
    InsertEmailEventOnce "insert_email_event_once" => dialect::INSERT_EMAIL_EVENT_ONCE;
    InsertHandedOver "insert_handed_over" => same(delivery::INSERT_HANDED_OVER);
    RecordHandOver "record_hand_over" => same(delivery::RECORD_HAND_OVER);
    HandedOver "handed_over" => same(delivery::HANDED_OVER);
    HandedOverTo "handed_over_to" => same(delivery::HANDED_OVER_TO);
    TellFate "tell_fate" => same(delivery::TELL_FATE);
    TellEmailEvent "tell_email_event" => same(delivery::TELL_EMAIL_EVENT);
    Suppress "suppress" => same(delivery::SUPPRESS);
    LiftSuppression "lift_suppression" => same(delivery::LIFT_SUPPRESSION);
    Routes "routes" => same(delivery::ROUTES);
    PutRoutes "put_routes" => same(delivery::PUT_ROUTES);
    PurgeOtps "purge_otps" => same(upkeep::PURGE_OTPS);
    PurgeTokens "purge_tokens" => same(upkeep::PURGE_TOKENS);
    PurgeRefusedGuesses "purge_refused_guesses" => same(upkeep::PURGE_REFUSED_GUESSES);
    PurgeCredentials "purge_credentials" => same(upkeep::PURGE_CREDENTIALS);
    PurgeActivities "purge_activities" => same(upkeep::PURGE_ACTIVITIES);
    PurgeMessageEvents "purge_message_events" => same(upkeep::PURGE_MESSAGE_EVENTS);
    PurgeHandedOver "purge_handed_over" => same(delivery::PURGE_HANDED_OVER);
    PurgeCounters "purge_counters" => same(upkeep::PURGE_COUNTERS);
    PurgeAbuse "purge_abuse" => same(upkeep::PURGE_ABUSE);
    PurgeSent "purge_sent" => same(upkeep::PURGE_SENT);
    PurgeFailed "purge_failed" => same(upkeep::PURGE_FAILED);
    WalkContactLimits "walk_contact_limits" => same(upkeep::WALK_CONTACT_LIMITS);
    PurgeContactLimits "purge_contact_limits" => same(upkeep::PURGE_CONTACT_LIMITS);
    WalkIdentifierLimits "walk_identifier_limits" => same(upkeep::WALK_IDENTIFIER_LIMITS);
    PurgeIdentifierLimits "purge_identifier_limits" => same(upkeep::PURGE_IDENTIFIER_LIMITS);
    PutMeta "put_meta" => same(upkeep::PUT_META);
    InsertMeta "insert_meta" => same(keys::INSERT_META);
    ServerKeys "server_keys" => same(keys::SERVER_KEYS);
    InsertServerKey "insert_server_key" => same(keys::INSERT_SERVER_KEY);
    SetServerKeyState "set_server_key_state" => same(keys::SET_SERVER_KEY_STATE);
    RelyOnServerKey "rely_on_server_key" => same(keys::RELY_ON_SERVER_KEY);
    ResealServerKey "reseal_server_key" => same(keys::RESEAL_SERVER_KEY);
    DeleteServerKey "delete_server_key" => same(keys::DELETE_SERVER_KEY);
    WalkOtpTargets "walk_otp_targets" => same(keys::WALK_OTP_TARGETS);
    WalkActivitySecrets "walk_activity_secrets" => same(keys::WALK_ACTIVITY_SECRETS);
    WalkMessages "walk_messages" => same(keys::WALK_MESSAGES);
    WalkProxyKeys "walk_proxy_keys" => same(keys::WALK_PROXY_KEYS);
    ResealOtpTarget "reseal_otp_target" => same(keys::RESEAL_OTP_TARGET);
    ResealActivitySecrets "reseal_activity_secrets" => same(keys::RESEAL_ACTIVITY_SECRETS);
    ResealMessage "reseal_message" => same(keys::RESEAL_MESSAGE);
    ResealProxyKey "reseal_proxy_key" => same(keys::RESEAL_PROXY_KEY);
    ClaimMessages "claim_messages" => dialect::CLAIM_MESSAGES;
    EnqueueDelivery "enqueue_delivery" => same(webhooks::ENQUEUE_DELIVERY);
    WaitingEndpoints "waiting_endpoints" => same(webhooks::WAITING_ENDPOINTS);
    ClaimDeliveries "claim_deliveries" => webhooks::CLAIM_DELIVERIES;
    SettleDelivery "settle_delivery" => same(webhooks::SETTLE_DELIVERY);
    RetryDelivery "retry_delivery" => same(webhooks::RETRY_DELIVERY);
    LastDeliveries "last_deliveries" => same(webhooks::LAST_DELIVERIES);
    PurgeStaleDeliveries "purge_stale_deliveries" => same(webhooks::PURGE_STALE_DELIVERIES);
    ActivitiesAfter "activities_after" => same(lists::ACTIVITIES_AFTER);
    ActivitiesBefore "activities_before" => same(lists::ACTIVITIES_BEFORE);
    ChosenActivitiesAfter "chosen_activities_after" => dialect::CHOSEN_ACTIVITIES_AFTER;
    ChosenActivitiesBefore "chosen_activities_before" => dialect::CHOSEN_ACTIVITIES_BEFORE;
}
