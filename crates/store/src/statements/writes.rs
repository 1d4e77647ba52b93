//! Guarded writes. A guard is part of the statement: where it does not hold, no row is changed.

pub(super) const INSERT_ACTIVITY: &str = concat!(
    "INSERT INTO activities (",
    activity!(""),
    ") VALUES",
    " ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)",
    " ON CONFLICT DO NOTHING"
);

pub(super) const UPDATE_ACTIVITY: &str = "UPDATE activities SET status = $1, result = $2, sealed = $3, failure = $4, \
    deliberation = $5, updated_at = $6, version = version + 1 WHERE organization_id = $7 AND id = $8 AND version = $9";

pub(super) const LIVE_CREDENTIAL: &str = "SELECT id FROM credentials WHERE tenant_id = $1 AND lookup = $2 \
    AND organization_id = $3 AND (expires_at IS NULL OR expires_at > $4)";

pub(super) const REMEMBER_REFUSED_GUESS: &str = "INSERT INTO refused_guesses \
    (organization_id, fingerprint, otp_id, expires_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";

/// The oldest of as many of the last sends as a window takes; 0 where there were fewer, which is long ago.
macro_rules! oldest_send {
    ($table:literal, $count:literal) => {
        concat!(
            "CASE WHEN CAST(",
            $count,
            " AS BIGINT) = 1 THEN ",
            $table,
            ".send_3 WHEN CAST(",
            $count,
            " AS BIGINT) = 2 THEN ",
            $table,
            ".send_2 ELSE ",
            $table,
            ".send_1 END"
        )
    };
}

/// `$1` tenant, `$2` contact, `$3` now, `$4` attempt, `$5` end of its slot, `$6` newest time at which the oldest counted
/// send may have been, `$7` failures as read, `$8` the attempt that gives way, and for ordinary sends `$9` how many a window
/// takes. The first four writes of a contact meet no guard but its own absence.
macro_rules! take_send {
    ($sent:literal, $oldest:expr, $shift:literal, $slot:literal, $ninth:expr) => {
        concat!(
            "INSERT INTO contact_limits (tenant_id, contact_key, touched_at, ",
            $slot,
            "_otp, ",
            $slot,
            "_until, ",
            $sent,
            ") VALUES ($1, $2, $3, $4, $5, $3) ON CONFLICT (tenant_id, contact_key) DO UPDATE SET ",
            $shift,
            $slot,
            "_otp = $4, ",
            $slot,
            "_until = $5, touched_at = $3",
            " WHERE ",
            $oldest,
            " AND contact_limits.failures <= $7 AND (contact_limits.",
            $slot,
            "_otp IS NULL",
            " OR contact_limits.",
            $slot,
            "_until <= $3 OR contact_limits.",
            $slot,
            "_otp = $8)",
            $ninth
        )
    };
    (ordinary $slot:literal) => {
        take_send!(
            "send_3",
            // Always true: SQLite numbers parameters as they appear, and `$6` is compared behind `$7`.
            "CAST($6 AS BIGINT) IS NOT NULL",
            "send_1 = contact_limits.send_2, send_2 = contact_limits.send_3, send_3 = $3, ",
            $slot,
            concat!(" AND ", oldest_send!("contact_limits", "$9"), " <= $6")
        )
    };
    (reserved $slot:literal) => {
        take_send!(
            "reserve_2",
            "contact_limits.reserve_1 <= $6",
            "reserve_1 = contact_limits.reserve_2, reserve_2 = $3, ",
            $slot,
            ""
        )
    };
}

pub(super) const TAKE_SEND_1: &str = take_send!(ordinary "slot_1");
pub(super) const TAKE_SEND_2: &str = take_send!(ordinary "slot_2");
pub(super) const TAKE_SEND_3: &str = take_send!(ordinary "slot_3");
pub(super) const TAKE_RESERVE_1: &str = take_send!(reserved "slot_1");
pub(super) const TAKE_RESERVE_2: &str = take_send!(reserved "slot_2");
pub(super) const TAKE_RESERVE_3: &str = take_send!(reserved "slot_3");

/// `$1` tenant, `$2` contact, `$3` now, `$4` how many a window takes, `$5` newest time at which the oldest of them may have been.
pub(super) const TAKE_MAIL: &str = concat!(
    "INSERT INTO contact_limits (tenant_id, contact_key, touched_at, send_3)",
    " VALUES ($1, $2, $3, $3) ON CONFLICT (tenant_id, contact_key) DO UPDATE SET",
    " send_1 = contact_limits.send_2, send_2 = contact_limits.send_3, send_3 = $3, touched_at = $3 WHERE ",
    oldest_send!("contact_limits", "$4"),
    " <= $5"
);

/// The same of an identifier in `$2`.
pub(super) const TAKE_IDENTIFIER_SEND: &str = concat!(
    "INSERT INTO identifier_limits (tenant_id, identifier_key, send_3)",
    " VALUES ($1, $2, $3) ON CONFLICT (tenant_id, identifier_key) DO UPDATE SET",
    " send_1 = identifier_limits.send_2, send_2 = identifier_limits.send_3, send_3 = $3 WHERE ",
    oldest_send!("identifier_limits", "$4"),
    " <= $5"
);

/// `$1` tenant, `$2` name, `$3` when a window opens, `$4` what is added, `$5` when it may be forgotten, `$6` since when a window
/// is not over, `$7` since when one that is over counts as the window before, `$8` the most that a window may hold.
pub(super) const COUNT: &str = "INSERT INTO limit_counters (tenant_id, scope, since, amount, expires_at) \
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant_id, scope) DO UPDATE SET \
    previous_amount = CASE WHEN limit_counters.since > $6 THEN limit_counters.previous_amount \
    WHEN limit_counters.since > $7 THEN limit_counters.amount ELSE 0 END, \
    previous_verified = CASE WHEN limit_counters.since > $6 THEN limit_counters.previous_verified \
    WHEN limit_counters.since > $7 THEN limit_counters.verified ELSE 0 END, \
    amount = CASE WHEN limit_counters.since > $6 THEN limit_counters.amount + $4 ELSE $4 END, \
    verified = CASE WHEN limit_counters.since > $6 THEN limit_counters.verified ELSE 0 END, \
    expires_at = CASE WHEN limit_counters.since > $6 THEN limit_counters.expires_at ELSE $5 END, \
    since = CASE WHEN limit_counters.since > $6 THEN limit_counters.since ELSE $3 END \
    WHERE limit_counters.since <= $6 OR limit_counters.amount <= $8";

/// What is left in a bucket at `$3`, microseconds until it is empty.
macro_rules! level {
    () => {
        "(CASE WHEN limit_counters.amount > ($3 - limit_counters.since) * 1000 \
         THEN limit_counters.amount - ($3 - limit_counters.since) * 1000 ELSE 0 END)"
    };
}

/// `$1` tenant, `$2` name, `$3` now, `$4` what is added, microseconds, `$5` when it may be forgotten, `$6` the level at which it
/// stays, `$7` the highest level to which that may be added. A bucket's row has its level at `since` as its amount.
pub(super) const FILL: &str = concat!(
    "INSERT INTO limit_counters (tenant_id, scope, since, amount, expires_at) VALUES ($1, $2, $3, $4, $5)",
    " ON CONFLICT (tenant_id, scope) DO UPDATE SET since = $3, expires_at = $5, amount = CASE WHEN ",
    level!(),
    " + $4 > $6 THEN $6 ELSE ",
    level!(),
    " + $4 END WHERE ",
    level!(),
    " <= $7"
);

pub(super) const CREDIT_VERIFIED: &str = "UPDATE limit_counters SET verified = verified + 1 \
    WHERE tenant_id = $1 AND scope = $2 AND expires_at > $3";

macro_rules! insert_abuse {
    () => {
        concat!(
            "INSERT INTO abuse_records (",
            abuse_record!(""),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8) "
        )
    };
}

pub(super) const INSERT_ABUSE: &str = concat!(insert_abuse!(), "ON CONFLICT DO NOTHING");

pub(super) const ADD_ABUSE: &str = concat!(
    insert_abuse!(),
    "ON CONFLICT (tenant_id, hour, limit_name, action, subject) DO UPDATE SET",
    " hits = abuse_records.hits + excluded.hits,",
    " first_at = CASE WHEN excluded.first_at < abuse_records.first_at THEN excluded.first_at ELSE abuse_records.first_at END,",
    " last_at = CASE WHEN excluded.last_at > abuse_records.last_at THEN excluded.last_at ELSE abuse_records.last_at END"
);

pub(super) const INSERT_OTP: &str = concat!(
    "INSERT INTO otps (",
    otp!(""),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
);

/// An attempt that still lives, the guard of guesses: its organization, its id and the time it must outlive.
macro_rules! live_otp {
    ($organization:literal, $otp:literal, $now:literal) => {
        concat!(
            " WHERE tenant_id = ",
            tenant!($organization),
            " AND id = ",
            $otp,
            " AND organization_id = ",
            $organization,
            " AND attempts_left > 0 AND consumed_at IS NULL AND expires_at > ",
            $now
        )
    };
}

pub(super) const SPEND_ATTEMPT: &str = concat!(
    "UPDATE otps SET attempts_left = attempts_left - 1,",
    " target_key = CASE WHEN attempts_left = 1 THEN NULL ELSE target_key END",
    live_otp!("$1", "$2", "$3"),
    " AND attempts_left = $4"
);

pub(super) const CONSUME_OTP: &str =
    concat!("UPDATE otps SET target_key = NULL, consumed_at = $1", live_otp!("$2", "$3", "$1"));

pub(super) const RETIRE_OTP: &str = "UPDATE otps SET target_key = NULL, consumed_at = $1 \
    WHERE tenant_id = $2 AND id = $3 AND consumed_at IS NULL AND attempts_left > 0";

/// Frees the slot of the attempt in a parameter.
macro_rules! free_slot {
    ($otp:literal) => {
        concat!(
            "slot_1_otp = CASE WHEN contact_limits.slot_1_otp = ",
            $otp,
            " THEN NULL ELSE contact_limits.slot_1_otp END,",
            " slot_2_otp = CASE WHEN contact_limits.slot_2_otp = ",
            $otp,
            " THEN NULL ELSE contact_limits.slot_2_otp END,",
            " slot_3_otp = CASE WHEN contact_limits.slot_3_otp = ",
            $otp,
            " THEN NULL ELSE contact_limits.slot_3_otp END"
        )
    };
}

pub(super) const COUNT_FAILURE: &str = concat!(
    "INSERT INTO contact_limits (tenant_id, contact_key, touched_at, failed_at, failures)",
    " VALUES ($1, $2, $3, $3, 1) ON CONFLICT (tenant_id, contact_key) DO UPDATE SET",
    " failures = contact_limits.failures + 1, failed_at = $3, touched_at = $3, ",
    free_slot!("$4")
);

pub(super) const CLEAR_FAILURES: &str = concat!(
    "UPDATE contact_limits SET failures = 0, touched_at = $1, ",
    free_slot!("$2"),
    ", proven_at = CASE WHEN $2 IS NULL THEN contact_limits.proven_at ELSE $1 END",
    " WHERE tenant_id = $3 AND contact_key = $4"
);

pub(super) const CLEAR_OWN_FAILURES: &str = "UPDATE contact_limits SET failures = 0, touched_at = $1 \
    WHERE tenant_id = $2 AND contact_key = $3 AND failures > 0 AND EXISTS (SELECT 1 FROM contacts c \
    WHERE c.tenant_id = $2 AND c.contact_key = $3 AND c.organization_id = $4 AND c.user_id = $5 \
    AND c.verified_at IS NOT NULL)";

pub(super) const TRUST_IDENTIFIER: &str = "INSERT INTO trusted_identifiers \
    (tenant_id, contact_key, identifier_key, trusted_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";

pub(super) const ENQUEUE: &str =
    concat!("INSERT INTO outbox (", message!(""), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)");

pub(super) const INSERT_TOKEN: &str =
    concat!("INSERT INTO tokens (", token!(""), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)");

pub(super) const USE_TOKEN_FOR_SIGNUP: &str = "UPDATE tokens SET signed_up_at = $1 \
    WHERE tenant_id = $2 AND id = $3 AND signed_up_at IS NULL AND expires_at > $1";

pub(super) const INSERT_ORGANIZATION: &str = concat!(
    "INSERT INTO organizations (",
    organization!(""),
    ", tenant_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
);

pub(super) const INSERT_USER: &str =
    concat!("INSERT INTO users (", user!(""), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)");

pub(super) const UPDATE_USER: &str = "UPDATE users SET name = $1, email = $2, phone = $3, tags = $4, \
    mfa_policies = $5, version = version + 1, updated_at = $6 WHERE organization_id = $7 AND id = $8 AND version = $9";

pub(super) const INSERT_CONTACT: &str = "INSERT INTO contacts \
    (organization_id, user_id, contact_key, tenant_id, verified_at) VALUES ($1, $2, $3, $4, $5)";

pub(super) const CLAIM_CONTACT: &str = "INSERT INTO contact_claims (tenant_id, contact_key, claimed_at) \
    VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";

/// After [`VERIFY_CONTACT`]. Locks a claim that stands already, so that it does not go with another user at the same time.
pub(super) const KEEP_CLAIM: &str = "INSERT INTO contact_claims (tenant_id, contact_key, claimed_at) \
    VALUES ($1, $2, $3) ON CONFLICT (tenant_id, contact_key) DO UPDATE SET claimed_at = contact_claims.claimed_at";

pub(super) const VERIFY_CONTACT: &str = "UPDATE contacts SET verified_at = $1 \
    WHERE organization_id = $2 AND user_id = $3 AND contact_key = $4 AND tenant_id = $5";

macro_rules! insert_credential {
    () => {
        concat!(
            "INSERT INTO credentials (",
            credential!(""),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) "
        )
    };
}

pub(super) const INSERT_CREDENTIAL: &str = concat!(insert_credential!(), "ON CONFLICT DO NOTHING");

/// The id of a key that is extended stays.
pub(super) const PUT_SESSION_KEY: &str = concat!(
    insert_credential!(),
    "ON CONFLICT (tenant_id, lookup, organization_id) DO UPDATE SET name = excluded.name,",
    " expiration_seconds = excluded.expiration_seconds, expires_at = excluded.expires_at,",
    " session_profile_id = excluded.session_profile_id, authentication = excluded.authentication, created_at = excluded.created_at,",
    " updated_at = excluded.updated_at",
    " WHERE credentials.user_id = excluded.user_id AND credentials.kind = excluded.kind"
);

pub(super) const DELETE_CREDENTIALS_OF_TYPE: &str = "DELETE FROM credentials \
    WHERE organization_id = $1 AND user_id = $2 AND kind = $3 AND lookup <> $4";

/// `$3` the key that stays, `$4` now, `$5` since when expired keys count again, `$6` how many stay. Both dialects want a
/// limit before an offset. Kinds 7 and 8 are those of keys that were mailed.
pub(super) const TRIM_EXPIRING_KEYS: &str = "DELETE FROM credentials \
    WHERE organization_id = $1 AND user_id = $2 AND lookup <> $3 AND id IN (SELECT id FROM credentials \
    WHERE organization_id = $1 AND user_id = $2 AND expires_at IS NOT NULL AND (expires_at > $4 OR expires_at <= $5) \
    AND CASE WHEN kind IN (7, 8) THEN 1 ELSE 0 END = COALESCE((SELECT CASE WHEN k.kind IN (7, 8) THEN 1 ELSE 0 END \
    FROM credentials k WHERE k.organization_id = $1 AND k.user_id = $2 AND k.lookup = $3), 0) \
    ORDER BY CASE WHEN lookup = $3 THEN 0 WHEN expires_at > $4 THEN 1 ELSE 2 END, created_at DESC, id DESC \
    LIMIT 9223372036854775807 OFFSET $6)";

pub(super) const DELETE_CREDENTIAL: &str =
    "DELETE FROM credentials WHERE organization_id = $1 AND user_id = $2 AND id = $3";

pub(super) const TOUCH_USER: &str = "UPDATE users SET version = version + 1, updated_at = $1 \
    WHERE organization_id = $2 AND id = $3 AND version = $4";

pub(super) const DELETE_USER: &str = "DELETE FROM users WHERE organization_id = $1 AND id = $2";

pub(super) const DELETE_CREDENTIALS_OF_USER: &str =
    "DELETE FROM credentials WHERE organization_id = $1 AND user_id = $2";

/// Before [`DELETE_CONTACTS_OF_USER`]: a claim goes with the last user that proved the contact.
pub(super) const RELEASE_CLAIMS_OF_USER: &str = "DELETE FROM contact_claims \
    WHERE (tenant_id, contact_key) IN (SELECT c.tenant_id, c.contact_key FROM contacts c \
    WHERE c.organization_id = $1 AND c.user_id = $2 AND c.verified_at IS NOT NULL AND NOT EXISTS \
    (SELECT 1 FROM contacts o WHERE o.tenant_id = c.tenant_id AND o.contact_key = c.contact_key \
    AND o.verified_at IS NOT NULL AND o.user_id <> c.user_id))";

pub(super) const DELETE_CONTACTS_OF_USER: &str =
    "DELETE FROM contacts WHERE organization_id = $1 AND user_id = $2";

pub(super) const UPDATE_ORGANIZATION: &str = "UPDATE organizations SET name = $1, features = $2, quorum = $3, \
    webhooks = $4, version = version + 1, updated_at = $5 WHERE id = $6 AND version = $7";

pub(super) const DELETE_ORGANIZATION: &str =
    "DELETE FROM organizations WHERE id = $1 AND version = $2 AND parent_id IS NOT NULL";

pub(super) const DELETE_USERS: &str = "DELETE FROM users WHERE organization_id = $1";

pub(super) const DELETE_CREDENTIALS: &str = "DELETE FROM credentials WHERE organization_id = $1";

/// Before [`DELETE_CONTACTS`], like [`RELEASE_CLAIMS_OF_USER`].
pub(super) const RELEASE_CLAIMS: &str = "DELETE FROM contact_claims \
    WHERE (tenant_id, contact_key) IN (SELECT c.tenant_id, c.contact_key FROM contacts c \
    WHERE c.organization_id = $1 AND c.verified_at IS NOT NULL AND NOT EXISTS \
    (SELECT 1 FROM contacts o WHERE o.tenant_id = c.tenant_id AND o.contact_key = c.contact_key \
    AND o.verified_at IS NOT NULL AND o.organization_id <> c.organization_id))";

pub(super) const DELETE_CONTACTS: &str = "DELETE FROM contacts WHERE organization_id = $1";

pub(super) const DELETE_DEFINITIONS: &str = "DELETE FROM definitions WHERE organization_id = $1";

/// Before [`DELETE_CONTACT`]: the claim goes unless another user has proved the contact.
pub(super) const RELEASE_CLAIM: &str = "DELETE FROM contact_claims WHERE tenant_id = $1 AND contact_key = $2 \
    AND EXISTS (SELECT 1 FROM contacts c WHERE c.tenant_id = $1 AND c.contact_key = $2 AND c.organization_id = $3 \
    AND c.user_id = $4 AND c.verified_at IS NOT NULL) AND NOT EXISTS (SELECT 1 FROM contacts o \
    WHERE o.tenant_id = $1 AND o.contact_key = $2 AND o.verified_at IS NOT NULL \
    AND (o.organization_id <> $3 OR o.user_id <> $4))";

pub(super) const DELETE_CONTACT: &str = "DELETE FROM contacts WHERE tenant_id = $1 AND contact_key = $2 \
    AND organization_id = $3 AND user_id = $4";

pub(super) const PUT_DEFINITION: &str = concat!(
    "INSERT INTO definitions (",
    definition!(""),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (organization_id, kind, id) DO UPDATE SET",
    " name = excluded.name, body = excluded.body, updated_at = excluded.updated_at"
);

pub(super) const DELETE_DEFINITION: &str =
    "DELETE FROM definitions WHERE organization_id = $1 AND kind = $2 AND id = $3";

pub(super) const SET_SUSPENDED: &str = "UPDATE organizations SET suspended_at = $1, version = version + 1, \
    updated_at = $2 WHERE id = $3 AND parent_id IS NULL";

pub(super) const SET_LOCALE: &str = "UPDATE organizations SET locale = $1, version = version + 1, \
    updated_at = $2 WHERE id = $3 AND parent_id IS NULL";

pub(super) const INSERT_PROXY_CONFIG: &str = concat!(
    "INSERT INTO proxy_configs (",
    proxy_config!(""),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    " ON CONFLICT DO NOTHING"
);

pub(super) const UPDATE_PROXY_CONFIG: &str = "UPDATE proxy_configs SET settings = $1, version = version + 1, \
    updated_at = $2 WHERE organization_id = $3 AND version = $4";

pub(super) const DELETE_PROXY_CONFIG: &str = "DELETE FROM proxy_configs WHERE organization_id = $1";

pub(super) const INSERT_TEMPLATE: &str = concat!(
    "INSERT INTO templates (",
    template!(""),
    ", parts) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
);

pub(super) const DELETE_TEMPLATE: &str = "DELETE FROM templates WHERE organization_id = $1 AND id = $2";
