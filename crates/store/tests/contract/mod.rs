//! What every store promises, as tests that take a fresh store each.
//!
//! A store's own test file turns [`for_each_case`] into its tests, and runs all cases once more to see that every
//! statement of the catalogue was executed.

pub mod accounts;
pub mod activities;
pub mod coverage;
pub mod credentials;
pub mod definitions;
pub mod delivery;
pub mod fixtures;
pub mod keys;
pub mod limits;
pub mod otps;
pub mod outbox;
pub mod purge;
pub mod readings;
pub mod settings;
pub mod webhooks;

/// Hands the list of cases to a macro.
macro_rules! for_each_case {
    ($with:ident) => {
        $with! {
            accounts::an_organization_is_found_with_its_parent,
            accounts::an_id_is_given_once,
            accounts::parents_are_listed_newest_first,
            accounts::only_parents_are_suspended,
            accounts::only_parents_have_a_language,
            accounts::a_users_version_guards_its_changes,
            accounts::users_are_listed_with_their_credentials,
            accounts::a_user_goes_with_its_contacts_credentials_and_claims,
            accounts::a_contact_is_claimed_once,
            accounts::of_many_parallel_claims_one_succeeds,
            accounts::verifying_a_contact_claims_it,
            accounts::a_claim_outlives_a_user_while_another_one_proves_the_contact,
            accounts::only_a_contact_the_user_has_is_verified,
            accounts::verified_holders_are_told_the_targets_first,
            accounts::sub_organizations_are_found_by_each_filter,
            accounts::pages_run_from_the_newest_to_the_oldest,
            activities::an_activity_comes_back_as_it_was_stored,
            activities::a_body_is_one_activity_within_a_tenant,
            activities::of_fifty_equal_bodies_at_once_one_is_stored,
            activities::a_conflict_undoes_the_writes_before_it,
            activities::a_conflict_leaves_other_sets_alone,
            activities::lists_follow_filters_and_pages,
            credentials::a_key_is_unique_within_an_organization,
            credentials::a_passkey_comes_back_as_it_was_stored,
            credentials::a_session_key_is_extended_by_its_user,
            credentials::a_session_key_of_another_user_or_kind_is_refused,
            credentials::credentials_of_one_type_go_except_one,
            credentials::a_credential_is_deleted_once,
            credentials::only_a_live_credential_carries_a_change_set,
            credentials::only_a_user_that_exists_is_held,
            credentials::of_parallel_logins_that_end_all_others_one_key_stays,
            credentials::the_best_expiring_keys_stay,
            credentials::a_key_counts_as_one_for_keeping_even_when_it_is_oldest,
            delivery::a_claim_brings_the_routes_of_its_tenant,
            delivery::routes_change_only_from_the_version_that_was_read,
            delivery::a_message_is_found_by_what_its_provider_calls_it,
            delivery::what_a_provider_took_is_remembered_whoever_has_the_lease,
            delivery::a_provider_may_tell_of_a_message_before_the_worker,
            delivery::a_fate_is_told_once,
            delivery::an_event_with_one_id_is_one_event,
            outbox::that_a_mail_is_late_is_told_once,
            delivery::a_suppressed_contact_is_read_with_its_limits,
            delivery::a_refusal_for_good_suppresses_with_its_outcome,
            delivery::suppressions_and_names_of_messages_go_when_they_are_over,
            definitions::definitions_are_kept_by_kind_and_name,
            definitions::an_organization_changes_only_from_the_version_that_was_read,
            definitions::a_user_changes_only_from_the_version_that_was_read,
            definitions::a_contact_goes_with_its_claim_unless_another_user_proved_it,
            definitions::a_sub_organization_goes_with_all_that_is_in_it,
            definitions::an_activity_that_waits_changes_only_from_the_version_that_was_read,
            definitions::a_session_remembers_how_its_user_authenticated,
            keys::a_server_key_comes_back_as_it_was_stored,
            keys::a_server_key_changes_only_from_the_version_that_was_read,
            keys::only_a_key_that_has_begun_is_relied_on,
            keys::of_two_keys_that_retire_each_other_one_stays,
            keys::of_nodes_that_start_at_once_one_fills_the_key_table,
            keys::a_walk_finds_every_sealed_value_once,
            keys::a_sealed_value_is_replaced_where_it_is_still_the_one_that_was_read,
            keys::a_destroyed_value_is_not_brought_back,
            limits::three_sends_fill_the_window,
            limits::fifty_parallel_sends_take_three,
            limits::a_live_slot_is_not_taken,
            limits::a_slot_frees_when_its_code_expires,
            limits::the_reserve_replaces_a_live_code_and_counts_apart,
            limits::failures_since_the_read_refuse_a_send,
            limits::failures_are_counted_and_a_success_clears_them,
            limits::only_a_proven_holder_clears_failures_of_its_own,
            limits::a_locked_attempt_frees_its_slot,
            limits::a_mail_without_a_code_takes_a_send_and_no_slot,
            limits::of_fifty_parallel_mails_three_are_taken,
            limits::fewer_sends_than_three_fill_a_window_that_takes_fewer,
            limits::a_contact_is_proven_by_a_code_that_was_used,
            limits::a_counter_fills_its_window_and_opens_the_next_one,
            limits::counters_are_read_by_name_within_a_tenant,
            limits::of_fifty_parallel_counts_as_many_as_the_ceiling_are_applied,
            limits::who_was_limited_is_added_up_and_told_newest_first,
            limits::a_bucket_takes_its_burst_and_runs_out_with_time,
            limits::of_fifty_parallel_drops_as_many_as_fit_are_taken,
            limits::an_identifier_sends_three_times_in_a_window,
            limits::an_identifier_is_trusted_with_the_contact_it_succeeded_with,
            otps::an_attempt_comes_back_as_it_was_stored,
            otps::two_hundred_parallel_guesses_spend_three,
            otps::a_guess_counts_from_what_was_read,
            otps::the_last_guess_destroys_the_target_key,
            otps::of_fifty_right_answers_one_consumes_the_attempt,
            otps::an_expired_attempt_is_neither_spent_nor_consumed,
            otps::an_attempt_without_guesses_is_not_consumed,
            otps::an_attempt_belongs_to_its_organization,
            otps::a_retired_attempt_is_over,
            otps::a_refused_guess_is_remembered_once,
            otps::a_token_signs_up_once,
            otps::of_parallel_sign_ups_with_one_token_one_succeeds,
            outbox::a_message_is_claimed_once_across_workers,
            outbox::a_lease_that_ran_out_is_taken_over,
            outbox::a_message_that_is_tried_again_waits_for_its_time,
            outbox::a_settled_message_is_never_claimed_again,
            outbox::an_expired_message_is_failed_not_claimed,
            outbox::only_due_messages_are_claimed_oldest_first,
            outbox::a_claim_of_any_size_comes_back_whole,
            outbox::what_became_of_a_mail_is_told_with_its_outcome,
            outbox::a_worker_that_lost_its_lease_tells_nothing,
            outbox::email_events_come_newest_first_by_page_and_type,
            purge::what_is_over_goes,
            purge::what_still_counts_stays,
            purge::small_batches_purge_everything,
            readings::callers_of_a_key_come_from_the_target_then_its_parent_then_two_others,
            readings::callers_of_a_contact_have_verified_it,
            readings::a_service_user_is_found_from_its_parent_and_its_sub_organizations,
            readings::an_unknown_organization_has_no_facts,
            readings::nothing_of_another_tenant_is_read,
            settings::a_setting_is_kept_and_replaced,
            settings::an_organization_has_one_proxy_config,
            settings::templates_are_found_by_id_and_by_age,
            settings::a_store_that_works_is_ready,
            webhooks::endpoints_come_back_with_their_organization,
            webhooks::a_delivery_is_claimed_once_across_workers,
            webhooks::endpoints_with_something_waiting_are_found_one_by_one,
            webhooks::what_became_of_deliveries_is_kept_for_a_while,
            webhooks::messages_and_deliveries_do_not_see_each_other,
            webhooks::deliveries_go_with_their_time,
        }
    };
}
pub(crate) use for_each_case;
