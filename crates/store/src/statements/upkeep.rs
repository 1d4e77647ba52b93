//! The outbox, the purge and settings.

/// `$1` now. The body goes with the chance to send it.
pub(super) const FAIL_EXPIRED_MESSAGES: &str = "UPDATE outbox SET state = 2, payload = NULL, worker = NULL, \
    error = 'expired', due_at = expires_at WHERE state = 0 AND due_at <= $1 AND expires_at <= $1";

/// The least time a message waits for, claimed ones until their lease ends.
pub(super) const NEXT_MESSAGE_DUE: &str = "SELECT due_at FROM outbox WHERE state = 0 ORDER BY due_at LIMIT 1";

/// `$1` 1 for sent, 2 for failed; `$2` why.
pub(super) const SETTLE_MESSAGE: &str = "UPDATE outbox SET state = $1, error = $2, payload = NULL, worker = NULL, \
    due_at = expires_at WHERE id = $3 AND worker = $4 AND state = 0";

/// `$1` when it may be tried again; never later than it expires, when it is failed.
pub(super) const RETRY_MESSAGE: &str = "UPDATE outbox SET due_at = CASE WHEN expires_at < $1 THEN expires_at \
    ELSE $1 END, error = $2, worker = NULL WHERE id = $3 AND worker = $4 AND state = 0";

pub(super) const PURGE_OTPS: &str = "DELETE FROM otps WHERE (tenant_id, id) IN \
    (SELECT tenant_id, id FROM otps WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";

pub(super) const PURGE_TOKENS: &str = "DELETE FROM tokens WHERE (tenant_id, id) IN \
    (SELECT tenant_id, id FROM tokens WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";

pub(super) const PURGE_REFUSED_GUESSES: &str = "DELETE FROM refused_guesses WHERE (organization_id, fingerprint) IN \
    (SELECT organization_id, fingerprint FROM refused_guesses WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";

pub(super) const PURGE_CREDENTIALS: &str = "DELETE FROM credentials WHERE (organization_id, user_id, id) IN \
    (SELECT organization_id, user_id, id FROM credentials WHERE expires_at IS NOT NULL AND expires_at <= $1 \
    ORDER BY expires_at LIMIT $2)";

pub(super) const PURGE_ACTIVITIES: &str = "DELETE FROM activities WHERE (organization_id, id) IN \
    (SELECT organization_id, id FROM activities WHERE created_at <= $1 ORDER BY created_at LIMIT $2)";

pub(super) const PURGE_MESSAGE_EVENTS: &str = "DELETE FROM message_events WHERE (tenant_id, contact_key, id) IN \
    (SELECT tenant_id, contact_key, id FROM message_events WHERE created_at <= $1 ORDER BY created_at LIMIT $2)";

pub(super) const PURGE_COUNTERS: &str = "DELETE FROM limit_counters WHERE (tenant_id, scope) IN \
    (SELECT tenant_id, scope FROM limit_counters WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";

pub(super) const PURGE_ABUSE: &str = "DELETE FROM abuse_records WHERE (tenant_id, hour, limit_name, action, subject) IN \
    (SELECT tenant_id, hour, limit_name, action, subject FROM abuse_records WHERE hour <= $1 ORDER BY hour LIMIT $2)";

pub(super) const PURGE_SENT: &str = "DELETE FROM outbox WHERE id IN \
    (SELECT id FROM outbox WHERE state = 1 AND due_at <= $1 ORDER BY due_at LIMIT $2)";

pub(super) const PURGE_FAILED: &str = "DELETE FROM outbox WHERE id IN \
    (SELECT id FROM outbox WHERE state = 2 AND due_at <= $1 ORDER BY due_at LIMIT $2)";

/// A stretch of the table behind the key in `$1` and `$2`; no index follows the time, see the schema.
pub(super) const WALK_CONTACT_LIMITS: &str = "SELECT tenant_id, contact_key, touched_at FROM contact_limits \
    WHERE (tenant_id, contact_key) > ($1, $2) ORDER BY tenant_id, contact_key LIMIT $3";

/// `$3` since when it must have been idle, `$4` now. Failures outlive any idleness: only a success clears them.
pub(super) const PURGE_CONTACT_LIMITS: &str = "DELETE FROM contact_limits WHERE tenant_id = $1 AND contact_key = $2 \
    AND touched_at <= $3 AND failures = 0 AND slot_1_until <= $4 AND slot_2_until <= $4 AND slot_3_until <= $4 \
    AND suppressed_until <= $4";

pub(super) const WALK_IDENTIFIER_LIMITS: &str = "SELECT tenant_id, identifier_key, send_3 FROM identifier_limits \
    WHERE (tenant_id, identifier_key) > ($1, $2) ORDER BY tenant_id, identifier_key LIMIT $3";

pub(super) const PURGE_IDENTIFIER_LIMITS: &str =
    "DELETE FROM identifier_limits WHERE tenant_id = $1 AND identifier_key = $2 AND send_3 <= $3";

pub(super) const PUT_META: &str = "INSERT INTO meta (key, value) VALUES ($1, $2) \
    ON CONFLICT (key) DO UPDATE SET value = excluded.value";
