//! Routes, messages that providers took, and contacts that are left alone.

pub(super) const INSERT_HANDED_OVER: &str = concat!(
    "INSERT INTO handed_over (",
    handed_over!(""),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING"
);

/// `$1` provider, `$2` its name for the message, `$3` contact, `$4` now, `$5` the message, `$6` how it went.
pub(super) const RECORD_HAND_OVER: &str = concat!(
    "INSERT INTO handed_over (",
    handed_over!(""),
    ") SELECT $1, $2, id, organization_id, tenant_id, channel, $3, NULL, $4, 1 FROM outbox \
    WHERE id = $5 AND channel = $6 AND endpoint_id IS NULL ON CONFLICT DO NOTHING"
);

pub(super) const HANDED_OVER: &str = concat!(
    "SELECT ",
    handed_over!(""),
    " FROM handed_over WHERE provider = $1 AND provider_message_id = $2"
);

/// The latest of a contact's, of the parent in `$1`.
pub(super) const HANDED_OVER_TO: &str = concat!(
    "SELECT ",
    handed_over!(""),
    " FROM handed_over WHERE tenant_id = $1 AND contact_key = $2 ORDER BY handed_at DESC LIMIT $3"
);

/// `$1` the bit of what is told, `$2` provider, `$3` its name for the message.
pub(super) const TELL_FATE: &str = "UPDATE handed_over SET told = told + $1 \
    WHERE provider = $2 AND provider_message_id = $3 AND (told / $1) % 2 = 0";

pub(super) const TELL_EMAIL_EVENT: &str = concat!(
    "INSERT INTO message_events (",
    email_event!(""),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING"
);

/// `$1` tenant, `$2` contact, `$3` now, `$4` until when, `$5` why. What lasts longer stays as it is.
pub(super) const SUPPRESS: &str = "INSERT INTO contact_limits \
    (tenant_id, contact_key, touched_at, suppressed_until, suppressed_for) VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (tenant_id, contact_key) DO UPDATE SET \
    suppressed_for = CASE WHEN contact_limits.suppressed_until < $4 THEN $5 ELSE contact_limits.suppressed_for END, \
    suppressed_until = CASE WHEN contact_limits.suppressed_until < $4 THEN $4 ELSE contact_limits.suppressed_until END, \
    touched_at = $3";

pub(super) const LIFT_SUPPRESSION: &str = "UPDATE contact_limits SET suppressed_until = 0, suppressed_for = 0, \
    touched_at = $1 WHERE tenant_id = $2 AND contact_key = $3 AND suppressed_until > $1";

pub(super) const ROUTES: &str = "SELECT body, version FROM delivery_routes WHERE organization_id = $1";

/// `$1` organization, `$2` the routes, `$3` now, `$4` the version that is replaced, 0 for none.
pub(super) const PUT_ROUTES: &str = "INSERT INTO delivery_routes (organization_id, body, updated_at, version) \
    VALUES ($1, $2, $3, 1) ON CONFLICT (organization_id) DO UPDATE SET body = $2, updated_at = $3, \
    version = delivery_routes.version + 1 WHERE delivery_routes.version = $4";

pub(super) const PURGE_HANDED_OVER: &str = "DELETE FROM handed_over WHERE (provider, provider_message_id) IN \
    (SELECT provider, provider_message_id FROM handed_over WHERE handed_at <= $1 ORDER BY handed_at LIMIT $2)";
